//! File system images: the time in a squashfs superblock, the times of an ISO 9660 image, the UUID of an
//! ext file system are stamps. What the images hold is not unpacked: any other byte is content.

use std::collections::BTreeSet;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Side;
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::stamped::{self, Anatomy, Region, Stamp};
use super::{Format, Probe};
use crate::archive::bytes::{le16, le32};

pub(crate) static SQUASHFS: Format =
    Format { id: "squashfs", recognise: is_squashfs, compare: |walk, pair| both(walk, pair, squashfs) };
pub(crate) static ISO: Format =
    Format { id: "iso 9660", recognise: is_iso, compare: |walk, pair| both(walk, pair, iso) };
pub(crate) static EXT: Format =
    Format { id: "ext", recognise: is_ext, compare: |walk, pair| both(walk, pair, ext) };

/// A sector of ISO 9660.
const SECTOR: u64 = 2048;
/// Volume descriptors begin at this sector (ECMA-119, 6.7.1).
const DESCRIPTORS_AT: u64 = 16;
/// Volume descriptors looked at; images have two or three.
const DESCRIPTORS_MAX: u64 = 16;
/// Directory records looked at in one image.
const RECORDS_MAX: usize = 200_000;
/// Bytes of one directory that are read.
const DIRECTORY_BYTES_MAX: u64 = 16 << 20;
/// The superblock of an ext file system.
const SUPERBLOCK_AT: u64 = 1024;

fn both(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    anatomy: fn(&Blob) -> Result<Anatomy, Stop>,
) -> Result<(), Stop> {
    let (a, b) = (anatomy(pair.a).on(Side::Published)?, anatomy(pair.b).on(Side::Rebuilt)?);
    stamped::compare(walk, pair, a, b)
}

fn is_squashfs(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"hsqs") && le16(probe.head, 28) == Some(4)
}

/// Version 4: the superblock's `mkfs_time` (Documentation/filesystems/squashfs.rst).
fn squashfs(blob: &Blob) -> Result<Anatomy, Stop> {
    let superblock = blob.exact(0, 96)?;
    let time = le32(&superblock, 8).unwrap_or_default();
    let used = superblock.get(40..48).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes);
    if used > blob.len() {
        return Err(Stop::truncated(format!("squashfs: {} of {used} bytes are there", blob.len())));
    }
    Ok(Anatomy {
        stamps: vec![Stamp {
            start: 8,
            len: 4,
            cause: Cause::SquashfsMkfsTime,
            field: "mkfs_time".to_owned(),
            value: time.to_string(),
        }],
        regions: vec![Region { start: 0, len: blob.len(), name: "image".to_owned(), cause: Cause::Content }],
        aside: Vec::new(),
    })
}

fn is_ext(probe: &Probe<'_>) -> bool {
    probe.blob.exact(SUPERBLOCK_AT, 64).is_ok_and(|block| {
        // The magic, and a block size that exists.
        le16(&block, 56) == Some(0xef53) && le32(&block, 24).is_some_and(|shift| shift <= 6)
    })
}

/// Groups whose superblock is looked for: 128 GiB of the usual 128 MiB each.
const GROUPS_MAX: u64 = 1024;

/// The UUID, and the seed of directory hashes that is made with it, in the superblock and in its copies
/// at the start of groups. Checksums that cover them are content.
fn ext(blob: &Blob) -> Result<Anatomy, Stop> {
    let first = blob.exact(SUPERBLOCK_AT, 264)?;
    let word = |at: usize| u64::from(le32(&first, at).unwrap_or_default());
    let group = word(32).saturating_mul(1024 << word(24).min(6));
    let starts = (1..GROUPS_MAX).map(|n| group.saturating_mul(n).saturating_add(1024 * word(20)));
    let copies = starts.take_while(|at| group > 0 && at.saturating_add(264) <= blob.len());
    let mut stamps = Vec::new();
    for (index, at) in std::iter::once(SUPERBLOCK_AT).chain(copies).enumerate() {
        let block = blob.exact(at, 264)?;
        let own = le16(&block, 90).map(usize::from) == Some(index);
        if le16(&block, 56) != Some(0xef53) || !own {
            continue;
        }
        for (from, name) in [(104, "UUID"), (236, "hash seed")] {
            stamps.push(Stamp {
                start: at + from,
                len: 16,
                cause: Cause::FsUuid,
                field: if index == 0 { name.to_owned() } else { format!("{name} of group {index}") },
                value: hex::encode(blob.exact(at + from, 16)?),
            });
        }
    }
    Ok(Anatomy {
        stamps,
        regions: vec![Region { start: 0, len: blob.len(), name: "image".to_owned(), cause: Cause::Content }],
        aside: Vec::new(),
    })
}

fn is_iso(probe: &Probe<'_>) -> bool {
    probe.blob.exact(DESCRIPTORS_AT * SECTOR + 1, 5).is_ok_and(|magic| magic == b"CD001")
}

/// The times of volume descriptors (ECMA-119, 8.4.26), of directory records (9.1.5), and of Rock Ridge's
/// `TF` entries.
fn iso(blob: &Blob) -> Result<Anatomy, Stop> {
    let mut stamps = Vec::new();
    let mut seen = BTreeSet::new();
    let mut pending = Vec::new();
    for index in 0..DESCRIPTORS_MAX {
        let at = (DESCRIPTORS_AT + index) * SECTOR;
        let descriptor = blob.exact(at, 2048)?;
        if descriptor.get(1..6) != Some(b"CD001") {
            return Err(Stop::malformed("iso 9660: a volume descriptor has no magic"));
        }
        match descriptor.first() {
            Some(1 | 2) => {
                // Creation, modification, expiration, effect: 17 bytes each.
                let value = descriptor.get(813..829).unwrap_or_default();
                stamps.push(Stamp {
                    start: at + 813,
                    len: 4 * 17,
                    cause: Cause::IsoTimestamp,
                    field: format!("volume descriptor {index}"),
                    value: String::from_utf8_lossy(value).into_owned(),
                });
                let root = descriptor.get(156..190).unwrap_or_default();
                record(root, at + 156, &mut stamps);
                pending.extend(extent(root));
            }
            Some(255) => break,
            _ => {}
        }
    }
    let mut records = 0;
    while let Some((start, len)) = pending.pop() {
        if !seen.insert(start) || len > DIRECTORY_BYTES_MAX {
            continue;
        }
        let directory = blob.exact(start * SECTOR, usize::try_from(len).unwrap_or_default())?;
        let mut at = 0usize;
        while let Some(length) = directory.get(at).copied().map(usize::from) {
            if length == 0 {
                // Records do not cross a sector; the rest of it is empty.
                at = (at / 2048 + 1) * 2048;
                continue;
            }
            let one = directory.get(at..at + length).unwrap_or_default();
            if one.len() < 33 {
                return Err(Stop::malformed("iso 9660: a directory record is too short"));
            }
            records += 1;
            if records > RECORDS_MAX {
                return Err(Stop::malformed("iso 9660: more directory records than an image has"));
            }
            record(one, start * SECTOR + at as u64, &mut stamps);
            let itself = matches!(one.get(32..34), Some([1, 0 | 1]));
            if one.get(25).is_some_and(|flags| flags & 2 != 0) && !itself {
                pending.extend(extent(one));
            }
            at += length;
        }
    }
    Ok(Anatomy {
        stamps,
        regions: vec![Region { start: 0, len: blob.len(), name: "image".to_owned(), cause: Cause::Content }],
        aside: Vec::new(),
    })
}

/// Where a directory lies: sector and bytes.
fn extent(record: &[u8]) -> Option<(u64, u64)> {
    Some((le32(record, 2)?.into(), le32(record, 10)?.into()))
}

/// The times of one directory record.
fn record(record: &[u8], at: u64, stamps: &mut Vec<Stamp>) {
    let mut stamp = |from: usize, len: usize| {
        stamps.push(Stamp {
            start: at + from as u64,
            len: len as u64,
            cause: Cause::IsoTimestamp,
            field: format!("time at {}", at + from as u64),
            value: hex::encode(record.get(from..from + len).unwrap_or_default()),
        });
    };
    stamp(18, 7);
    // System use fields follow the padded name (IEEE P1281).
    let name = record.get(32).copied().map_or(0, usize::from);
    let mut from = 33 + name + usize::from(name.is_multiple_of(2));
    while let Some(head) = record.get(from..from + 4) {
        let length = head.get(2).copied().map_or(0, usize::from);
        if length < 4 || from + length > record.len() {
            break;
        }
        if head.starts_with(b"TF") && length > 5 {
            stamp(from + 5, length - 5);
        }
        from += length;
    }
}
