//! git bundles (gitformat-bundle(5)), versions 2 and 3: references and prerequisites by name and hash,
//! then the pack, whose own checksum tells damage from difference.

use std::collections::BTreeMap;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::{Format, Probe};
use crate::archive::bytes::be32;

pub(crate) static FORMAT: Format = Format { id: "git bundle", recognise, compare };

/// Bytes of a bundle's header: some 100,000 references.
const HEADER_BYTES_MAX: usize = 8 << 20;

fn recognise(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"# v2 git bundle\n") || probe.head.starts_with(b"# v3 git bundle\n")
}

struct Bundle {
    /// References and prerequisites: name to hash.
    lines: BTreeMap<Vec<u8>, Vec<u8>>,
    objects: u32,
    pack: Blob,
}

fn read(blob: &Blob) -> Result<Bundle, Stop> {
    let head = blob.head(HEADER_BYTES_MAX)?;
    let end = head.windows(2).position(|w| w == b"\n\n");
    let end = end.ok_or_else(|| Stop::truncated("git bundle: the header does not end"))?;
    let mut lines = BTreeMap::new();
    for line in head.get(..end).unwrap_or_default().split(|b| *b == b'\n').skip(1) {
        let cut = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
        let (hash, name) = line.split_at_checked(cut).unwrap_or_default();
        let key = if line.starts_with(b"-") || line.starts_with(b"@") { line } else { name.trim_ascii() };
        lines.insert(key.to_vec(), hash.to_vec());
    }
    let pack = blob.slice(end as u64 + 2, u64::MAX);
    let start = pack.exact(0, 12)?;
    if !start.starts_with(b"PACK") {
        return Err(Stop::malformed("git bundle: no pack follows the header"));
    }
    Ok(Bundle { lines, objects: be32(&start, 8).unwrap_or_default(), pack })
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let a = read(pair.a).on(Side::Published)?;
    let b = read(pair.b).on(Side::Rebuilt)?;
    walk.changed.insert(pair.path.to_owned());
    for name in a.lines.keys().chain(b.lines.keys().filter(|n| !a.lines.contains_key(*n))) {
        let (x, y) = (a.lines.get(name), b.lines.get(name));
        if x == y {
            continue;
        }
        let cause = match (x, y) {
            (Some(_), Some(_)) => Cause::VcsRevision,
            (Some(_), None) => Cause::MemberRemoved,
            _ => Cause::MemberAdded,
        };
        let mut difference = Difference::exact(pair.path, cause).field(name);
        if let Some(x) = x {
            difference = difference.left(x);
        }
        if let Some(y) = y {
            difference = difference.right(y);
        }
        walk.add(difference);
    }
    if !a.pack.equal(&b.pack)? {
        let text = |bundle: &Bundle| format!("{} objects, {} bytes", bundle.objects, bundle.pack.len());
        walk.add(
            Difference::exact(pair.path, Cause::Content)
                .field("pack")
                .values(text(&a), text(&b))
                .note("equal references are equal hashes: then the same objects are packed in another way"),
        );
    }
    Ok(())
}
