//! The headers of one zip member, field by field.

use super::super::super::cause::Cause;
use super::super::super::result::Difference;
use super::super::super::walk::Walk;
use crate::archive::bytes::le32;
use crate::archive::zip::{ZipEntry, extra_fields};

/// Extra fields that hold times: extended timestamp, NTFS, the old Info-ZIP Unix field.
const TIMES: [u16; 3] = [0x5455, 0x000a, 0x5855];

/// Flag bits that tell the deflate level.
const LEVEL: u16 = 0b110;

/// Compares two members' headers. `recompressed`: the content is equal, its compressed bytes are not.
pub(super) fn compare(walk: &mut Walk<'_>, path: &str, x: &ZipEntry, y: &ZipEntry, recompressed: bool) {
    let bad = |e: &ZipEntry| e.local_name != e.name;
    if (bad(x) || bad(y)) && x.local_name != y.local_name {
        let text = |e: &ZipEntry| [b"local ", e.local_name.as_slice(), b", directory ", &e.name].concat();
        walk.add(Difference::exact(path, Cause::ZipNameMismatch).values(text(x), text(y)));
    }
    let level = (x.flags.0 ^ y.flags.0) & LEVEL != 0 || (x.flags.1 ^ y.flags.1) & LEVEL != 0;
    if x.method != y.method || x.local_method != y.local_method || recompressed || level {
        let text = |e: &ZipEntry| format!("{}, {} bytes", method(e.method), e.packed_bytes);
        walk.add(Difference::exact(path, Cause::ZipCompression).values(text(x), text(y)));
    }
    let mut times = Vec::new();
    if x.time != y.time {
        times.push((dos(x.time.0), dos(y.time.0)));
    }
    let (changed, other) = extra(x, y);
    times.extend(changed);
    if let Some((left, right)) = times.into_iter().next() {
        walk.add(Difference::exact(path, Cause::ZipMtime).values(left, right));
    }
    if other {
        let text = |e: &ZipEntry| format!("{} / {}", ids(&e.extra.0), ids(&e.extra.1));
        walk.add(Difference::exact(path, Cause::ZipExtra).values(text(x), text(y)));
    }
    if (x.flags.0 ^ y.flags.0) & !LEVEL != 0 || (x.flags.1 ^ y.flags.1) & !LEVEL != 0 {
        let text = |e: &ZipEntry| format!("{:#06x} / {:#06x}", e.flags.0, e.flags.1);
        walk.add(Difference::exact(path, Cause::ZipFlags).values(text(x), text(y)));
    }
    if x.comment != y.comment {
        walk.add(Difference::exact(path, Cause::ZipComment).values(&x.comment, &y.comment));
    }
    attributes(walk, path, x, y);
}

fn attributes(walk: &mut Walk<'_>, path: &str, x: &ZipEntry, y: &ZipEntry) {
    let unix = |e: &ZipEntry| e.made_by >> 8 == 3;
    let (mode_a, mode_b) = (x.external >> 16, y.external >> 16);
    if mode_a != mode_b {
        let (kind_a, kind_b) = (mode_a & 0o170_000, mode_b & 0o170_000);
        let text = |mode: u32| format!("{mode:06o}");
        if unix(x) && unix(y) && kind_a != kind_b && kind_a != 0 && kind_b != 0 {
            walk.add(Difference::exact(path, Cause::FileType).values(text(kind_a), text(kind_b)));
        }
        if mode_a & 0o7777 != mode_b & 0o7777 {
            walk.add(
                Difference::exact(path, Cause::FileMode).values(text(mode_a & 0o7777), text(mode_b & 0o7777)),
            );
        }
    }
    // The version needed follows from the compression and from sizes.
    let needed = x.needed != y.needed
        && x.method == y.method
        && (x.len_bytes > u64::from(u32::MAX)) == (y.len_bytes > u64::from(u32::MAX));
    let kind_only = mode_a != mode_b
        && mode_a & 0o7777 == mode_b & 0o7777
        && (mode_a & 0o170_000 == 0 || mode_b & 0o170_000 == 0);
    // Writers raise the version they claim with the method they use.
    let made_by =
        if x.method == y.method { x.made_by != y.made_by } else { x.made_by >> 8 != y.made_by >> 8 };
    // Info-ZIP looks for text only while it deflates.
    let text = if x.method == y.method { 0 } else { 1 };
    if made_by
        || needed
        || (x.internal ^ y.internal) & !text != 0
        || (x.external ^ y.external) & 0xffff != 0
        || (kind_only || (mode_a != mode_b && !(unix(x) && unix(y)) && mode_a & 0o7777 == mode_b & 0o7777))
    {
        let text = |e: &ZipEntry| {
            format!(
                "made by {:#06x}, needs {}, attributes {:#x} {:#x}",
                e.made_by, e.needed.0, e.internal, e.external
            )
        };
        walk.add(Difference::exact(path, Cause::ZipCreator).values(text(x), text(y)));
    }
}

/// Times in extra fields that differ, and whether anything else in them does.
fn extra(x: &ZipEntry, y: &ZipEntry) -> (Vec<(String, String)>, bool) {
    let mut times = Vec::new();
    let mut other = false;
    for (left, right) in [(&x.extra.0, &y.extra.0), (&x.extra.1, &y.extra.1)] {
        if left == right {
            continue;
        }
        let (a, b): (Vec<_>, Vec<_>) = (extra_fields(left).collect(), extra_fields(right).collect());
        if a.iter().map(|(id, _)| id).ne(b.iter().map(|(id, _)| id)) {
            other = true;
            continue;
        }
        for ((id, p), (_, q)) in a.iter().zip(&b).filter(|(p, q)| p.1 != q.1) {
            // The first byte of an extended timestamp says which times follow.
            if TIMES.contains(id) && p.len() == q.len() && (*id != 0x5455 || p.first() == q.first()) {
                let text = |body: &[u8]| match (*id, le32(body, 1)) {
                    (0x5455, Some(seconds)) => seconds.to_string(),
                    _ => hex::encode(body),
                };
                times.push((text(p), text(q)));
            } else if *id == 1
                && (x.len_bytes, x.packed_bytes, x.offset) != (y.len_bytes, y.packed_bytes, y.offset)
            {
                // ZIP64 sizes and offsets follow from the members.
            } else {
                other = true;
            }
        }
    }
    (times, other)
}

fn ids(extra: &[u8]) -> String {
    let list: Vec<String> =
        extra_fields(extra).map(|(id, body)| format!("{id:#06x}:{}", body.len())).collect();
    list.join(" ")
}

fn method(id: u16) -> String {
    match id {
        0 => "stored".to_owned(),
        8 => "deflate".to_owned(),
        12 => "bzip2".to_owned(),
        14 => "lzma".to_owned(),
        93 => "zstd".to_owned(),
        95 => "xz".to_owned(),
        other => format!("method {other}"),
    }
}

/// A DOS time: two-second steps since 1980.
fn dos(time: u32) -> String {
    let (date, clock) = (time >> 16, time & 0xffff);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        1980 + (date >> 9),
        (date >> 5) & 15,
        date & 31,
        clock >> 11,
        (clock >> 5) & 63,
        (clock & 31) * 2
    )
}
