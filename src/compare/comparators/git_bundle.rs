//! git bundles (gitformat-bundle(5)), versions 2 and 3: references and prerequisites by name and hash,
//! then the pack, whose own checksum tells damage from difference.

use std::collections::BTreeMap;
use std::io::{BufRead, Read as _};

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::log::sha1;
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
    /// Bytes of a hash: 20, or 32 where `@object-format=sha256` says so.
    hash_bytes: usize,
    objects: u32,
    pack: Blob,
}

fn read(blob: &Blob) -> Result<Bundle, Stop> {
    let head = blob.head(HEADER_BYTES_MAX)?;
    let end = head.windows(2).position(|w| w == b"\n\n");
    let end = end.ok_or_else(|| Stop::truncated("git bundle: the header does not end"))?;
    let mut lines = BTreeMap::new();
    let mut hash_bytes = 20;
    for line in head.get(..end).unwrap_or_default().split(|b| *b == b'\n').skip(1) {
        let cut = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
        let (hash, name) = line.split_at_checked(cut).unwrap_or_default();
        let key = if line.starts_with(b"-") || line.starts_with(b"@") { line } else { name.trim_ascii() };
        if line == b"@object-format=sha256" {
            hash_bytes = 32;
        }
        lines.insert(key.to_vec(), hash.to_vec());
    }
    let pack = blob.slice(end as u64 + 2, u64::MAX);
    let start = pack.exact(0, 12)?;
    if !start.starts_with(b"PACK") {
        return Err(Stop::malformed("git bundle: no pack follows the header"));
    }
    let bundle = Bundle { lines, hash_bytes, objects: be32(&start, 8).unwrap_or_default(), pack };
    check_pack(&bundle)?;
    Ok(bundle)
}

/// Checks a pack's own checksum (gitformat-pack(5)): the hash over all before it ends the pack.
fn check_pack(bundle: &Bundle) -> Result<(), Stop> {
    let Some(end) = bundle.pack.len().checked_sub(bundle.hash_bytes as u64).filter(|end| *end >= 12) else {
        return Err(Stop::truncated("git bundle: the pack is not whole"));
    };
    let body = bundle.pack.slice(0, end);
    let listed = bundle.pack.exact(end, bundle.hash_bytes)?;
    let found = if bundle.hash_bytes == 32 {
        body.sha256()?.as_bytes().to_vec()
    } else {
        let mut context = sha1();
        body.each_chunk(|chunk| context.update(chunk))?;
        context.finish().as_ref().to_vec()
    };
    if listed == found {
        return Ok(());
    }
    // Damage and an early end leave the same mark; the objects tell them apart.
    if objects_end(bundle)?.is_none() {
        return Err(Stop::truncated("git bundle: the pack ends before its last object"));
    }
    Err(Stop::malformed("git bundle: the pack does not fit its checksum"))
}

fn byte(reader: &mut impl BufRead, at: &mut u64) -> Result<Option<u8>, Stop> {
    let first = reader.fill_buf()?.first().copied();
    if first.is_some() {
        reader.consume(1);
        *at += 1;
    }
    Ok(first)
}

/// Where the objects of a pack end, with room for the checksum; `None` where the file ends first.
fn objects_end(bundle: &Bundle) -> Result<Option<u64>, Stop> {
    let mut reader = bundle.pack.slice(12, u64::MAX).reader();
    let mut at = 12u64;
    // Objects are inflated one after the other; a pack is read once and nothing is kept.
    let mut scratch = vec![0; 32 << 10];
    for _ in 0..bundle.objects {
        let Some(mut next) = byte(&mut reader, &mut at)? else { return Ok(None) };
        let kind = next >> 4 & 7;
        while next & 0x80 != 0 {
            let Some(more) = byte(&mut reader, &mut at)? else { return Ok(None) };
            next = more;
        }
        match kind {
            // An offset, seven bits a byte.
            6 => loop {
                match byte(&mut reader, &mut at)? {
                    None => return Ok(None),
                    Some(more) if more & 0x80 == 0 => break,
                    Some(_) => {}
                }
            },
            7 => {
                for _ in 0..bundle.hash_bytes {
                    if byte(&mut reader, &mut at)?.is_none() {
                        return Ok(None);
                    }
                }
            }
            1..=4 => {}
            _ => return Ok(Some(at)),
        }
        let mut inflate = flate2::bufread::ZlibDecoder::new(bundle.pack.slice(at, u64::MAX).reader());
        loop {
            match inflate.read(&mut scratch) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(_) => return Ok(Some(at)),
            }
        }
        at += inflate.total_in();
        reader = bundle.pack.slice(at, u64::MAX).reader();
    }
    Ok((at + bundle.hash_bytes as u64 <= bundle.pack.len()).then_some(at))
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
