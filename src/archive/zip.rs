//! The ZIP format (APPNOTE 6.3.10) as it stands: every central and local header, descriptors, what lies
//! between them. Nothing is decompressed here. Central headers are the ones that count; the local
//! ones are read so that a disagreement can be told.

use super::ArchiveError;
use super::bytes::{le16, le32, le64};
use crate::limits::archive::ArchiveLimits;

const FORMAT: &str = "zip";

/// Bytes that can be read at any place.
pub trait ReadAt {
    /// Length in bytes.
    fn len_bytes(&self) -> u64;

    /// Exactly `len` bytes; fewer are an error.
    fn bytes_at(&self, at: u64, len: usize) -> Result<Vec<u8>, ArchiveError>;
}

impl ReadAt for std::fs::File {
    fn len_bytes(&self) -> u64 {
        self.metadata().map_or(0, |meta| meta.len())
    }

    fn bytes_at(&self, at: u64, len: usize) -> Result<Vec<u8>, ArchiveError> {
        use std::os::unix::fs::FileExt as _;
        if at.checked_add(len as u64).is_none_or(|end| end > self.len_bytes()) {
            let detail = format!("{len} bytes at offset {at} are past the end");
            return Err(ArchiveError::Truncated { format: FORMAT, detail });
        }
        let mut bytes = vec![0; len];
        self.read_exact_at(&mut bytes, at).map_err(|source| ArchiveError::Read { format: FORMAT, source })?;
        Ok(bytes)
    }
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipEntry {
    /// Name in the central directory.
    pub name: Vec<u8>,
    /// Name in the local header.
    pub local_name: Vec<u8>,
    /// Version made by: the upper byte is the host system.
    pub made_by: u16,
    /// Version needed, central and local.
    pub needed: (u16, u16),
    /// General purpose flags, central and local.
    pub flags: (u16, u16),
    /// Compression method.
    pub method: u16,
    /// Method of the local header.
    pub local_method: u16,
    /// DOS time and date, central and local.
    pub time: (u32, u32),
    /// CRC-32 of the content.
    pub crc32: u32,
    /// CRC-32, sizes of the local header, with the descriptor's in their place where one is used.
    pub local_sums: (u32, u64, u64),
    /// Compressed and plain size in bytes.
    pub packed_bytes: u64,
    /// Plain size in bytes.
    pub len_bytes: u64,
    /// Extra fields, central and local.
    pub extra: (Vec<u8>, Vec<u8>),
    /// Comment.
    pub comment: Vec<u8>,
    /// Internal attributes.
    pub internal: u16,
    /// External attributes: the upper half is the Unix mode.
    pub external: u32,
    /// Where the local header begins.
    pub offset: u64,
    /// Where the compressed bytes begin.
    pub data_at: u64,
    /// Where the member ends, with its descriptor.
    pub end: u64,
}

/// A whole archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zip {
    /// Members in the order of the central directory.
    pub entries: Vec<ZipEntry>,
    /// The archive's comment.
    pub comment: Vec<u8>,
    /// Ranges that belong to no member and no directory: a prefix, gaps. Start and end.
    pub gaps: Vec<(u64, u64)>,
    /// Two members share bytes.
    pub overlapping: bool,
    /// Where the end record with its comment ends: what follows belongs to nobody.
    pub end: u64,
}

/// The end record's fixed length.
const END_BYTES: u64 = 22;
/// A comment is at most this long.
const COMMENT_BYTES_MAX: u64 = 65_535;

/// Whether the last bytes could be an archive's end, for files that begin with something else.
pub fn ends_like(tail: &[u8]) -> bool {
    tail.len() >= 22
        && tail.get(tail.len() - 22..).is_some_and(|t| t.starts_with(b"PK\x05\x06") && t.ends_with(&[0, 0]))
}

/// Reads all headers.
pub fn read(file: &impl ReadAt, limits: &ArchiveLimits) -> Result<Zip, ArchiveError> {
    let size = file.len_bytes();
    if size < END_BYTES {
        return Err(ArchiveError::Truncated { format: FORMAT, detail: "no end record fits".into() });
    }
    let tail_len = size.min(END_BYTES + COMMENT_BYTES_MAX);
    let tail_at = size - tail_len;
    let tail = file.bytes_at(tail_at, usize::try_from(tail_len).unwrap_or(0))?;
    // A record whose comment ends the file is the one that every reader takes; failing that, the last
    // one that fits, and something follows the archive.
    let record = |exact: bool| {
        (0..=tail.len().saturating_sub(22)).rev().find(|at| {
            tail.get(*at..).filter(|t| t.starts_with(b"PK\x05\x06")).is_some_and(|t| {
                let length = le16(t, 20).map(|n| 22 + usize::from(n));
                length.is_some_and(|n| if exact { t.len() == n } else { t.len() > n })
            })
        })
    };
    let found = record(true).or_else(|| record(false));
    let Some(found) = found else {
        return Err(ArchiveError::Truncated { format: FORMAT, detail: "there is no end record".into() });
    };
    let end = tail.get(found..).unwrap_or_default();
    let end_at = tail_at + found as u64;
    let short = |at: usize| u64::from(le16(end, at).unwrap_or(0));
    let long = |at: usize| u64::from(le32(end, at).unwrap_or(0));
    let (mut count, mut directory_len, mut directory_at) = (short(10), long(12), long(16));
    let mut directory_end = end_at;
    if count == 0xffff || directory_len == 0xffff_ffff || directory_at == 0xffff_ffff {
        let locator = end_at.checked_sub(20).and_then(|at| file.bytes_at(at, 20).ok());
        if let Some(locator) = locator.filter(|l| l.starts_with(b"PK\x06\x07")) {
            let at = le64(&locator, 8).unwrap_or(u64::MAX);
            let record = file.bytes_at(at, 56)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Err(malformed("the ZIP64 end record is not where it should be"));
            }
            count = le64(&record, 32).unwrap_or(0);
            directory_len = le64(&record, 40).unwrap_or(0);
            directory_at = le64(&record, 48).unwrap_or(0);
            directory_end = at;
        }
    }
    if count > limits.members_max {
        return Err(ArchiveError::Limit { format: FORMAT, limit: "members_max", max: limits.members_max });
    }
    // Bytes before the archive shift every offset that the directory gives.
    let shift = directory_end
        .checked_sub(directory_len)
        .and_then(|at| at.checked_sub(directory_at))
        .ok_or_else(|| malformed("the central directory lies past its end"))?;
    let mut zip = Zip {
        entries: Vec::new(),
        comment: end.get(22..22 + usize::from(le16(end, 20).unwrap_or(0))).unwrap_or_default().to_vec(),
        gaps: Vec::new(),
        overlapping: false,
        end: end_at + 22 + u64::from(le16(end, 20).unwrap_or(0)),
    };
    let mut at = directory_at + shift;
    for _ in 0..count {
        let (mut entry, next) = central(file, at, directory_end, limits)?;
        entry.offset = entry.offset.checked_add(shift).ok_or_else(|| malformed("an offset overflows"))?;
        zip.entries.push(entry);
        at = next;
    }
    for entry in &mut zip.entries {
        local(file, entry, limits)?;
    }
    let mut ranges: Vec<(u64, u64)> = zip.entries.iter().map(|e| (e.offset, e.end)).collect();
    ranges.push((directory_at + shift, at));
    ranges.push((directory_end, zip.end));
    ranges.sort_unstable();
    let mut reached = 0;
    for (from, to) in ranges {
        if from > reached {
            zip.gaps.push((reached, from));
        }
        zip.overlapping |= from < reached;
        reached = reached.max(to);
    }
    Ok(zip)
}

fn central(
    file: &impl ReadAt,
    at: u64,
    end: u64,
    limits: &ArchiveLimits,
) -> Result<(ZipEntry, u64), ArchiveError> {
    if at.checked_add(46).is_none_or(|next| next > end) {
        return Err(malformed("the central directory is shorter than it says"));
    }
    let head = file.bytes_at(at, 46)?;
    if !head.starts_with(b"PK\x01\x02") {
        return Err(malformed("a central header has no signature"));
    }
    let short = |at: usize| le16(&head, at).unwrap_or(0);
    let long = |at: usize| le32(&head, at).unwrap_or(0);
    let (name_len, extra_len, comment_len) = (short(28), short(30), short(32));
    if usize::from(name_len) > limits.name_bytes_max {
        return Err(ArchiveError::Limit {
            format: FORMAT,
            limit: "name_bytes_max",
            max: limits.name_bytes_max as u64,
        });
    }
    let rest =
        file.bytes_at(at + 46, usize::from(name_len) + usize::from(extra_len) + usize::from(comment_len))?;
    let (name, after) = rest.split_at_checked(usize::from(name_len)).unwrap_or_default();
    let (extra, comment) = after.split_at_checked(usize::from(extra_len)).unwrap_or_default();
    let mut sizes = [u64::from(long(24)), u64::from(long(20)), u64::from(long(42))];
    if let Some(field) = extra_fields(extra).find(|(id, _)| *id == 1).map(|(_, body)| body) {
        let mut at = 0;
        for size in sizes.iter_mut().filter(|s| **s == 0xffff_ffff) {
            *size = le64(field, at).ok_or_else(|| malformed("a ZIP64 field is too short"))?;
            at += 8;
        }
    }
    let [len_bytes, packed_bytes, offset] = sizes;
    let entry = ZipEntry {
        name: name.to_vec(),
        local_name: Vec::new(),
        made_by: short(4),
        needed: (short(6), 0),
        flags: (short(8), 0),
        method: short(10),
        local_method: 0,
        time: (long(12), 0),
        crc32: long(16),
        local_sums: (0, 0, 0),
        packed_bytes,
        len_bytes,
        extra: (extra.to_vec(), Vec::new()),
        comment: comment.to_vec(),
        internal: short(36),
        external: long(38),
        offset,
        data_at: 0,
        end: 0,
    };
    Ok((entry, at + 46 + rest.len() as u64))
}

fn local(file: &impl ReadAt, entry: &mut ZipEntry, limits: &ArchiveLimits) -> Result<(), ArchiveError> {
    let head = file.bytes_at(entry.offset, 30)?;
    if !head.starts_with(b"PK\x03\x04") {
        return Err(malformed("a local header has no signature"));
    }
    let short = |at: usize| le16(&head, at).unwrap_or(0);
    let long = |at: usize| le32(&head, at).unwrap_or(0);
    let (name_len, extra_len) = (usize::from(short(26)), usize::from(short(28)));
    if name_len > limits.name_bytes_max {
        return Err(ArchiveError::Limit {
            format: FORMAT,
            limit: "name_bytes_max",
            max: limits.name_bytes_max as u64,
        });
    }
    let rest = file.bytes_at(entry.offset + 30, name_len + extra_len)?;
    let (name, extra) = rest.split_at_checked(name_len).unwrap_or_default();
    entry.local_name = name.to_vec();
    entry.extra.1 = extra.to_vec();
    entry.needed.1 = short(4);
    entry.flags.1 = short(6);
    entry.local_method = short(8);
    entry.time.1 = long(10);
    entry.data_at = entry.offset + 30 + rest.len() as u64;
    let data_end =
        entry.data_at.checked_add(entry.packed_bytes).filter(|end| *end <= file.len_bytes()).ok_or_else(
            || ArchiveError::Truncated { format: FORMAT, detail: "a member lies past the end".into() },
        )?;
    let mut sums = (long(14), u64::from(long(18)), u64::from(long(22)));
    if let Some(field) = extra_fields(extra).find(|(id, _)| *id == 1).map(|(_, body)| body) {
        if sums.2 == 0xffff_ffff {
            sums.2 = le64(field, 0).unwrap_or(sums.2);
        }
        if sums.1 == 0xffff_ffff {
            sums.1 = le64(field, 8).unwrap_or(sums.1);
        }
    }
    entry.end = data_end;
    if entry.flags.1 & 8 != 0 {
        // The signature is optional, the sizes have 4 or 8 bytes: the form that fits is the right one.
        let most = usize::try_from((file.len_bytes() - data_end).min(24)).unwrap_or(0);
        let bytes = file.bytes_at(data_end, most)?;
        let from = if bytes.starts_with(b"PK\x07\x08") { 4 } else { 0 };
        let crc = le32(&bytes, from);
        let narrow = (le32(&bytes, from + 4).map(u64::from), le32(&bytes, from + 8).map(u64::from));
        let wide = (le64(&bytes, from + 4), le64(&bytes, from + 12));
        let expected = (Some(entry.packed_bytes), Some(entry.len_bytes));
        let (found, length) = if wide == expected && narrow != expected { (wide, 20) } else { (narrow, 12) };
        sums = (crc.unwrap_or(0), found.0.unwrap_or(0), found.1.unwrap_or(0));
        entry.end = data_end + (from + length) as u64;
    }
    entry.local_sums = sums;
    Ok(())
}

/// Extra fields: id and body. What is left over at the end comes with id 0xffff.
pub fn extra_fields(extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = extra;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let whole = le16(rest, 0).zip(le16(rest, 2)).and_then(|(id, length)| {
            let body = rest.get(4..4 + usize::from(length))?;
            let next = rest.get(4 + usize::from(length)..)?;
            Some((id, body, next))
        });
        match whole {
            Some((id, body, next)) => {
                rest = next;
                Some((id, body))
            }
            None => Some((0xffff, std::mem::take(&mut rest))),
        }
    })
}

fn malformed(detail: &str) -> ArchiveError {
    ArchiveError::Malformed { format: FORMAT, detail: detail.to_owned() }
}
