//! PNG (ISO/IEC 15948): chunk by chunk. Times (`tIME`, date text chunks) are stamps; a chunk whose CRC
//! does not fit makes the file malformed.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Side;
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::Probe;
use super::stamped::{self, Anatomy, Region, Stamp};

const MAGIC: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Keywords under which programs write a date: ImageMagick's, old and new, and the PNG specification's
/// own.
const DATE_KEYWORDS: [&[u8]; 8] = [
    b"date:create",
    b"date:modify",
    b"date:timestamp",
    b"create-date",
    b"modify-date",
    b"Creation Time",
    b"CreationTime",
    b"creation-time",
];

pub(crate) fn recognise(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(MAGIC) && probe.head.get(12..16) == Some(b"IHDR")
}

pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let read = |blob: &Blob| {
        let max = walk.budget.limits.document_bytes_max;
        let bytes = blob
            .whole(max)?
            .ok_or_else(|| Stop::new(Cause::LimitBytes, format!("a PNG of more than {max} bytes")))?;
        anatomy(&bytes)
    };
    let (a, b) = (read(pair.a).on(Side::Published)?, read(pair.b).on(Side::Rebuilt)?);
    stamped::compare(walk, pair, a, b)
}

fn anatomy(bytes: &[u8]) -> Result<Anatomy, Stop> {
    let mut found = Anatomy::default();
    let mut counts = std::collections::BTreeMap::<String, u32>::new();
    let mut at = MAGIC.len();
    while at < bytes.len() {
        let head = bytes
            .get(at..at + 8)
            .ok_or_else(|| Stop::truncated(format!("a chunk's header at offset {at}")))?;
        let (len, kind) = head.split_at(4);
        let len = u32::from_be_bytes(len.try_into().unwrap_or_default()) as usize;
        let body = at
            .checked_add(8)
            .and_then(|from| bytes.get(from..from.checked_add(len)?))
            .ok_or_else(|| Stop::truncated(format!("the chunk at offset {at}")))?;
        let sum_at = at + 8 + len;
        let sum = bytes
            .get(sum_at..sum_at + 4)
            .ok_or_else(|| Stop::truncated(format!("the checksum of the chunk at offset {at}")))?;
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(body);
        if crc.sum().to_be_bytes() != sum {
            return Err(Stop::malformed(format!("the checksum of the chunk at offset {at} does not fit")));
        }
        let name = String::from_utf8_lossy(kind).into_owned();
        let count = counts.entry(name.clone()).or_default();
        *count += 1;
        let field = format!("{name} {count}");
        let keyword = body.split(|b| *b == 0).next().unwrap_or_default();
        let dated = kind == b"tIME"
            || (matches!(kind, b"tEXt" | b"zTXt" | b"iTXt") && DATE_KEYWORDS.contains(&keyword));
        if dated {
            let value = match (kind, body) {
                (b"tIME", [y1, y2, month, day, hour, minute, second]) => {
                    let year = u16::from_be_bytes([*y1, *y2]);
                    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
                }
                _ => String::from_utf8_lossy(body).into_owned(),
            };
            // The whole chunk: its length, its text and the checksum over them go together.
            let field = if kind == b"tIME" {
                "tIME".to_owned()
            } else {
                String::from_utf8_lossy(keyword).into_owned()
            };
            found.stamps.push(Stamp {
                start: at as u64,
                len: len as u64 + 12,
                cause: Cause::PngTime,
                field,
                value,
            });
        } else {
            found.regions.push(Region {
                start: at as u64,
                len: len as u64 + 12,
                name: field,
                cause: Cause::Content,
            });
        }
        at = sum_at + 4;
        if kind == b"IEND" && at < bytes.len() {
            found.regions.push(Region {
                start: at as u64,
                len: (bytes.len() - at) as u64,
                name: "after the end".to_owned(),
                cause: Cause::Content,
            });
            break;
        }
    }
    Ok(found)
}
