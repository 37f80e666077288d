//! What a gzip header (RFC 1952, 2.3) says beside the compressed bytes.

use super::fields::Fields;
use crate::archive::bytes::{le16, le32, until_nul};
use crate::compare::Cause;

/// Bytes of a file that are looked at: the fixed part, an extra field of 64 KiB, a name and a comment.
pub(super) const HEADER_BYTES_MAX: u64 = 80 << 10;

/// Flags of the header.
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

/// Notes each value that tells of the publisher's machine or settings. The level itself is not written
/// down by the format: only whether it was the fastest or the best.
pub(super) fn note(start: &[u8], fields: &mut Fields) {
    let byte = |at: usize| start.get(at).copied().unwrap_or_default();
    let mut add = |cause, field, value: String| fields.note(cause, field, value, ".");
    if let Some(time) = le32(start, 4).filter(|time| *time != 0) {
        add(Cause::GzipMtime, "gzip, time", time.to_string());
    }
    match byte(8) {
        2 => add(Cause::GzipLevel, "gzip, level", "best".to_owned()),
        4 => add(Cause::GzipLevel, "gzip, level", "fastest".to_owned()),
        _ => {}
    }
    // 3 is Unix, 255 not known: what release tools write.
    if !matches!(byte(9), 3 | 255) {
        add(Cause::GzipOs, "gzip, system", byte(9).to_string());
    }
    let (flags, mut at) = (byte(3), 10usize);
    if flags & EXTRA != 0 {
        let len = usize::from(le16(start, at).unwrap_or_default());
        add(Cause::GzipExtra, "gzip, extra field", format!("{len} bytes"));
        at += 2 + len;
    }
    for (flag, cause, field) in
        [(NAME, Cause::GzipName, "gzip, name"), (COMMENT, Cause::GzipComment, "gzip, comment")]
    {
        if flags & flag != 0 {
            let text = until_nul(start.get(at..).unwrap_or_default());
            at += text.len() + 1;
            add(cause, field, String::from_utf8_lossy(text).into_owned());
        }
    }
}
