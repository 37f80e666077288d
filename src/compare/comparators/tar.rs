//! tar archives: every header field, every byte between and after the members.

use std::collections::BTreeMap;
use std::io::Read;

use super::super::cause::Cause;
use super::super::log::{MemberLog, Sides, Sums, plain};
use super::super::members::{self, Body, Found, Handler, Member, Members};
use super::super::result::{Difference, Side};
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk, join};
use super::checksum_list::{self, LIST_BYTES_MAX, Lists, Siblings, is_list};
use super::{Format, Probe, apk};
use crate::archive::ArchiveError;
use crate::archive::tar::{BLOCK, Dialect, TarEnd, TarEntry, TarReader, looks_like};
use crate::limits::archive::ArchiveLimits;
use crate::limits::compare::CompareLimits;

pub(crate) static FORMAT: Format = Format { id: "tar", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    looks_like(probe.head) || (probe.name.ends_with(b".tar") && nothing_in_it(probe.head))
}

/// Whether these are the first bytes of an archive without members: zero blocks alone.
pub(crate) fn nothing_in_it(head: &[u8]) -> bool {
    head.len() >= 2 * BLOCK && head.iter().all(|byte| *byte == 0)
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    streams(walk, pair.path, pair.a.reader(), pair.b.reader())
}

/// Twenty blocks, tar's default record (POSIX `pax -b`).
const RECORD: u64 = 10_240;

/// Keys of PAX records that fields of an entry already show.
const SHOWN: [&[u8]; 8] = [b"path", b"linkpath", b"size", b"uid", b"gid", b"uname", b"gname", b"mtime"];

/// Compares two tar streams.
pub(crate) fn streams<R: Read>(walk: &mut Walk<'_>, path: &str, a: R, b: R) -> Result<(), Stop> {
    let log = walk.log.take();
    let limits = archive_limits(&walk.budget.limits);
    let mut stream_a = Stream {
        reader: TarReader::new(a, &limits),
        padding: Vec::new(),
        count: 0,
        budget: walk.budget.clone(),
    };
    let mut stream_b = Stream {
        reader: TarReader::new(b, &limits),
        padding: Vec::new(),
        count: 0,
        budget: walk.budget.clone(),
    };
    let mut handler = TarHandler { log, ..TarHandler::default() };
    let mut matched = members::pair(walk, path, (&mut stream_a, &mut stream_b), &mut handler);
    for (shown, to_a, to_b, name) in std::mem::take(&mut handler.links) {
        let (digests_a, digests_b) = &matched.digests;
        let digest_a = digests_a.get(if to_a.is_empty() { &name } else { &to_a });
        let digest_b = digests_b.get(if to_b.is_empty() { &name } else { &to_b });
        let kind = |to: &[u8]| if to.is_empty() { "file".into() } else { [b"hard link to ", to].concat() };
        let both_links = !to_a.is_empty() && !to_b.is_empty();
        let cause = match digest_a.is_some() && digest_a == digest_b {
            true => Cause::TarHardlink,
            false if both_links => Cause::SymlinkTarget,
            false => Cause::FileType,
        };
        walk.add(Difference::exact(&shown, cause).values(kind(&to_a), kind(&to_b)));
    }
    if let Some(mut log) = handler.log.take() {
        for found in &matched.removed {
            log.take(&found.name, found.blob.as_ref(), None)?;
        }
        for found in &matched.added {
            log.take(&found.name, None, found.blob.as_ref())?;
        }
        walk.log = Some(log);
    }
    members::report_unmatched(walk, path, &matched);
    if matched.reordered && matched.duplicates.is_empty() {
        walk.add(Difference::exact(path, Cause::TarOrder));
    }
    if !handler.lists.is_empty() {
        let lists = std::mem::take(&mut handler.lists);
        let mut beside = Beside { digests: &matched.digests, sums: &handler.sums };
        checksum_list::check_all(walk, lists, |name| join(path, name), &mut beside)?;
    }
    let complete = matched.complete;
    matched.digests = Default::default();
    if complete == (true, true) {
        ends(walk, path, &stream_a, &stream_b);
    }
    Ok(())
}

/// What stands between and after the members.
fn ends<R: Read>(walk: &mut Walk<'_>, path: &str, a: &Stream<R>, b: &Stream<R>) {
    let (Some(end_a), Some(end_b)) = (a.reader.end(), b.reader.end()) else { return };
    // Two zero blocks end an archive (POSIX); some writers leave them out, but then on both sides.
    let cut = |end: &TarEnd| {
        end.other_bytes == 0
            && (end.zero_bytes < 2 * BLOCK as u64 || !end.total_bytes.is_multiple_of(BLOCK as u64))
    };
    if cut(end_a) != cut(end_b) {
        let side = if cut(end_a) { Side::Published } else { Side::Rebuilt };
        walk.stopped(path, Stop::truncated("tar: the blocks that end the archive are not whole"), side);
        return;
    }
    if end_a.other_sha256 != end_b.other_sha256 {
        let text = |n: u64| format!("{n} bytes after the end of the archive");
        walk.add(
            Difference::exact(path, Cause::Content)
                .values(text(end_a.other_bytes), text(end_b.other_bytes))
                .note("data after the end of the archive"),
        );
    } else if end_a.zero_bytes != end_b.zero_bytes && !(filled(end_a) && filled(end_b)) {
        let text = |n: u64| format!("{n} zero bytes at the end");
        walk.add(
            Difference::exact(path, Cause::TarPadding).values(text(end_a.zero_bytes), text(end_b.zero_bytes)),
        );
    }
    if a.padding != b.padding {
        walk.add(
            Difference::exact(path, Cause::Content)
                .note("bytes other than zero fill up a member's last block"),
        );
    }
}

/// Whether the archive is filled up to a record of twenty blocks and no further, as tar does by
/// default: then the number of zero bytes follows from the members.
fn filled(end: &TarEnd) -> bool {
    end.total_bytes.is_multiple_of(RECORD) && end.zero_bytes < RECORD + 2 * BLOCK as u64
}

pub(crate) fn archive_limits(limits: &CompareLimits) -> ArchiveLimits {
    ArchiveLimits {
        expanded_bytes_max: limits.expanded_bytes_max,
        decoder_memory_bytes_max: limits.decoder_memory_bytes_max,
        members_max: limits.members_max,
        ..ArchiveLimits::DEFAULT
    }
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Truncated { format, detail } => Self::truncated(format!("{format}: {detail}")),
            ArchiveError::Malformed { format, detail } => Self::malformed(format!("{format}: {detail}")),
            ArchiveError::Limit { format, limit, max } => {
                let cause = match limit {
                    "members_max" => Cause::LimitMembers,
                    _ => Cause::LimitBytes,
                };
                Self::new(cause, format!("{format}: `{limit}` of {max} is passed"))
            }
            ArchiveError::Read { source, .. } => source.into(),
        }
    }
}

struct Stream<R> {
    reader: TarReader<R>,
    /// Fillings of last blocks that are not zero, with the number of their member.
    padding: Vec<(u64, Vec<u8>)>,
    count: u64,
    budget: std::sync::Arc<super::super::budget::Budget>,
}

impl<R: Read> Members for Stream<R> {
    type Meta = TarEntry;

    fn next(&mut self) -> Result<Option<Member<TarEntry>>, Stop> {
        let entry = self.reader.next_entry()?;
        if self.reader.last_padding().iter().any(|b| *b != 0) {
            self.padding.push((self.count, self.reader.last_padding().to_vec()));
        }
        self.count += 1;
        let Some(mut entry) = entry else { return Ok(None) };
        // Headers are mostly zero bytes, and many members may wait for a partner.
        entry.raw = packed(&entry.raw);
        if entry.sparse.is_some() {
            self.budget.ratio(entry.stored_bytes.max(1), entry.len_bytes)?;
            self.budget.expanded(entry.len_bytes.saturating_sub(entry.stored_bytes))?;
        }
        // Unknown kinds may carry a body too; what is there is compared.
        let body = if entry.stored_bytes > 0 || entry.is_file() { Body::Stream } else { Body::None };
        let mut name = std::mem::take(&mut entry.name);
        while name.len() > 1 && name.ends_with(b"/") {
            name.pop();
        }
        Ok(Some(Member { name, meta: entry, body }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        Ok(self.reader.read_body(buffer)?)
    }
}

/// A displayed path, the target on each side (empty for a file), the member's name.
type HardLink = (String, Vec<u8>, Vec<u8>, Vec<u8>);

#[derive(Default)]
struct TarHandler {
    log: Option<MemberLog>,
    /// Lists of checksums, checked once all members are known.
    lists: Lists,
    /// Digests of members that differ, to check the lists by.
    sums: BTreeMap<Vec<u8>, Sides<Sums>>,
    summed_bytes: u64,
    /// Hard links that are files, or other links, on the other side: looked up at the end.
    links: Vec<HardLink>,
}

/// Bytes of changed members whose MD5, SHA-1 and SHA-512 are taken although nobody knows yet whether a
/// list asks for them: a quarter of a second. SHA-256 is always there.
const SUMMED_BYTES_MAX: u64 = 64 << 20;
/// And members: more differ only where everything does.
const SUMMED_MEMBERS_MAX: usize = 10_000;

/// A stream's members as a list of checksums sees them.
struct Beside<'h> {
    digests: &'h (members::Digests, members::Digests),
    sums: &'h BTreeMap<Vec<u8>, Sides<Sums>>,
}

impl Siblings for Beside<'_> {
    fn look(&self, name: &[u8]) -> (bool, bool, bool) {
        let find = |digests: &members::Digests| {
            [name.to_vec(), [b"./", name].concat()].iter().find_map(|n| digests.get(n)).copied()
        };
        let (a, b) = (find(&self.digests.0), find(&self.digests.1));
        (a.is_some(), b.is_some(), a != b)
    }

    fn sums(&mut self, _walk: &mut Walk<'_>, name: &[u8]) -> Sides<Sums> {
        if let Some(sums) = self.sums.get(plain(name)) {
            return sums.clone();
        }
        let sha256 = |digests: &members::Digests| {
            let found =
                [name.to_vec(), [b"./", name].concat()].iter().find_map(|n| digests.get(n)).copied()?;
            Sums::only_sha256(&found)
        };
        (sha256(&self.digests.0), sha256(&self.digests.1))
    }
}

impl Handler<TarEntry> for TarHandler {
    fn keep(&self, name: &[u8], meta: &TarEntry) -> bool {
        meta.is_file() && meta.len_bytes <= LIST_BYTES_MAX && is_list(name)
    }

    fn comparable(&self, a: &TarEntry, b: &TarEntry) -> bool {
        a.is_file() == b.is_file()
    }

    fn content(&mut self, walk: &mut Walk<'_>, pair: Pair<'_>) {
        if let Some(log) = &mut self.log {
            match log.take(pair.name, Some(pair.a), Some(pair.b)) {
                Ok(true) => return,
                Ok(false) => {}
                Err(stop) => walk.stopped(pair.path, stop, Side::Both),
            }
        }
        if self.lists.contains_key(pair.name) {
            return;
        }
        self.summed_bytes = self.summed_bytes.saturating_add(pair.a.len().saturating_add(pair.b.len()));
        if self.summed_bytes <= SUMMED_BYTES_MAX
            && self.sums.len() < SUMMED_MEMBERS_MAX
            && let Ok(sums) = Sums::both(Some(pair.a), Some(pair.b), true)
        {
            self.sums.insert(plain(pair.name).to_vec(), sums);
        }
        walk.differing(pair);
    }

    fn meta(&mut self, walk: &mut Walk<'_>, path: &str, a: &Found<TarEntry>, b: &Found<TarEntry>) {
        if let (Some(x), Some(y)) = (&a.blob, &b.blob)
            && self.keep(&a.name, &a.meta)
            && self.keep(&b.name, &b.meta)
            && !self.log.as_ref().is_some_and(|log| (log.deferred)(plain(&a.name)))
        {
            self.lists.insert(a.name.clone(), (x.clone(), y.clone()));
        }
        let before = walk.found() + self.links.len();
        apk::checksums(walk, path, a, b);
        let (name, a, b) = (&a.name, &a.meta, &b.meta);
        if a.raw == b.raw {
            return;
        }
        kinds(walk, path, name, a, b, &mut self.links);
        fields(walk, path, a, b);
        pax(walk, path, a, b);
        let unexplained = before == walk.found() + self.links.len();
        if a.dialect != b.dialect {
            // PAX records are reported by themselves; other dialects have no other trace.
            let only_pax = matches!(
                (a.dialect, b.dialect),
                (Dialect::Pax, Dialect::Ustar) | (Dialect::Ustar, Dialect::Pax)
            );
            if !only_pax || unexplained {
                walk.add(
                    Difference::exact(path, Cause::TarFormat).values(a.dialect.name(), b.dialect.name()),
                );
            }
        } else if unexplained && a.sparse.is_some() && b.sparse.is_some() {
            // The map may stand in the header, in records, or before the data.
            walk.add(Difference::exact(path, Cause::TarSparse).note("the map is written in another way"));
        } else if (unexplained && a.stored_bytes == b.stored_bytes) || masked_differ(a, b) {
            walk.add(
                Difference::exact(path, Cause::TarFormat).note("the same values are written in another way"),
            );
        }
    }
}

fn kinds(
    walk: &mut Walk<'_>,
    path: &str,
    name: &[u8],
    a: &TarEntry,
    b: &TarEntry,
    links: &mut Vec<HardLink>,
) {
    let hard = |e: &TarEntry| e.kind == b'1';
    if (hard(a) && b.is_file()) || (a.is_file() && hard(b)) || (hard(a) && hard(b) && a.link != b.link) {
        let to = |e: &TarEntry| if hard(e) { e.link.clone() } else { Vec::new() };
        links.push((path.to_owned(), to(a), to(b), name.to_vec()));
    } else if a.is_file() && b.is_file() {
        if a.sparse != b.sparse {
            let text = |e: &TarEntry| match &e.sparse {
                Some(pieces) => format!("sparse, {} pieces, {} bytes stored", pieces.len(), e.stored_bytes),
                None => "not sparse".to_owned(),
            };
            walk.add(Difference::exact(path, Cause::TarSparse).values(text(a), text(b)));
        }
    } else if a.kind != b.kind {
        walk.add(Difference::exact(path, Cause::FileType).values(kind_name(a), kind_name(b)));
    } else if a.link != b.link {
        walk.add(Difference::exact(path, Cause::SymlinkTarget).values(&a.link, &b.link));
    }
}

fn kind_name(entry: &TarEntry) -> String {
    match entry.kind {
        b'0' | 0 | b'7' | b'S' => "file".into(),
        b'1' => "hard link".into(),
        b'2' => "symbolic link".into(),
        b'3' => "character device".into(),
        b'4' => "block device".into(),
        b'5' => "directory".into(),
        b'6' => "named pipe".into(),
        other => format!("kind `{}`", char::from(other).escape_default()),
    }
}

fn fields(walk: &mut Walk<'_>, path: &str, a: &TarEntry, b: &TarEntry) {
    let mut number = |cause: Cause, field: &str, x: u64, y: u64, octal: bool| {
        if x != y {
            let text = |n: u64| if octal { format!("{n:04o}") } else { n.to_string() };
            walk.add(Difference::exact(path, cause).values(text(x), text(y)).field(field));
        }
    };
    number(Cause::FileMode, "mode", a.mode & 0o7777, b.mode & 0o7777, true);
    number(Cause::TarUidGid, "uid", a.uid, b.uid, false);
    number(Cause::TarUidGid, "gid", a.gid, b.gid, false);
    if matches!(a.kind, b'3' | b'4') && a.kind == b.kind && a.device != b.device {
        let text = |d: (u64, u64)| format!("{}:{}", d.0, d.1);
        walk.add(Difference::exact(path, Cause::TarDevice).values(text(a.device), text(b.device)));
    }
    for (cause, field, x, y) in [
        (Cause::TarOwnerName, "uname", &a.uname, &b.uname),
        (Cause::TarOwnerName, "gname", &a.gname, &b.gname),
        (Cause::TarMtime, "mtime", &a.mtime, &b.mtime),
    ] {
        if x != y {
            walk.add(Difference::exact(path, cause).values(x, y).field(field));
        }
    }
}

fn pax(walk: &mut Walk<'_>, path: &str, a: &TarEntry, b: &TarEntry) {
    type Records = [(Vec<u8>, Vec<u8>)];
    let get = |list: &Records, key: &[u8]| list.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    let sides: [(&Records, &Records); 2] = [(&a.pax, &b.pax), (&a.global, &b.global)];
    for (x, y) in sides {
        let mut keys: Vec<&Vec<u8>> = x.iter().chain(y).map(|(k, _)| k).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (left, right) = (get(x, key), get(y, key));
            let shown = SHOWN.contains(&key.as_slice()) && left.is_some() && right.is_some();
            if left == right || shown || key.starts_with(b"GNU.sparse.") || key == apk::CHECKSUM_KEY {
                continue;
            }
            let xattr = [
                &b"SCHILY.xattr."[..],
                b"LIBARCHIVE.xattr.",
                b"SCHILY.acl.",
                b"SCHILY.fflags",
                b"RHT.security.",
            ]
            .iter()
            .any(|prefix| key.starts_with(prefix));
            let standard = SHOWN.contains(&key.as_slice());
            // A standard record that only one side needs shows in its field, if it says anything else.
            let said = standard && field_differs(key, a, b);
            if said {
                continue;
            }
            let cause = if xattr { Cause::TarXattr } else { Cause::TarPaxHeader };
            let mut difference = Difference::exact(path, cause).field(key);
            if let Some(left) = left {
                difference = difference.left(left);
            }
            if let Some(right) = right {
                difference = difference.right(right);
            }
            walk.add(difference);
        }
    }
}

fn field_differs(key: &[u8], a: &TarEntry, b: &TarEntry) -> bool {
    match key {
        b"uid" => a.uid != b.uid,
        b"gid" => a.gid != b.gid,
        b"uname" => a.uname != b.uname,
        b"gname" => a.gname != b.gname,
        b"mtime" => a.mtime != b.mtime,
        b"size" => a.len_bytes != b.len_bytes,
        b"linkpath" => a.link != b.link,
        _ => false,
    }
}

/// Header bytes with each run of zero bytes as one zero and its length; equal if and only if they are.
fn packed(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = raw;
    while let Some(first) = rest.first() {
        let zeros = rest.iter().take(usize::from(u8::MAX)).take_while(|byte| **byte == 0).count();
        out.push(*first);
        if let Ok(length @ 1..) = u8::try_from(zeros) {
            out.push(length);
        }
        rest = rest.get(zeros.max(1)..).unwrap_or_default();
    }
    out.shrink_to_fit();
    out
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = packed.iter();
    while let Some(byte) = bytes.next() {
        let times = if *byte == 0 { bytes.next().copied().unwrap_or(0) } else { 1 };
        out.extend(std::iter::repeat_n(*byte, usize::from(times)));
    }
    out
}

/// Whether two single header blocks differ outside the fields that were compared by value.
fn masked_differ(a: &TarEntry, b: &TarEntry) -> bool {
    let (raw_a, raw_b) = (unpacked(&a.raw), unpacked(&b.raw));
    if raw_a.len() != 512 || raw_b.len() != 512 {
        return false;
    }
    let mut masks: Vec<std::ops::Range<usize>> = Vec::new();
    let mut mask = |differs: bool, range: std::ops::Range<usize>| {
        if differs {
            masks.push(range);
        }
    };
    // The checksum follows from the rest.
    mask(true, 148..156);
    // The names agree but for the slash at a directory's end.
    mask(a.kind != b.kind, 0..100);
    mask(a.mode != b.mode, 100..108);
    mask(a.uid != b.uid, 108..116);
    mask(a.gid != b.gid, 116..124);
    mask(a.stored_bytes != b.stored_bytes || a.kind != b.kind, 124..136);
    mask(a.mtime != b.mtime, 136..148);
    mask(a.kind != b.kind, 156..157);
    mask(a.link != b.link, 157..257);
    mask(a.uname != b.uname, 265..297);
    mask(a.gname != b.gname, 297..329);
    mask(a.device != b.device && matches!(a.kind, b'3' | b'4'), 329..345);
    // GNU's old sparse map and the real size stand in the header.
    mask(a.sparse != b.sparse, 386..495);
    raw_a.iter().zip(&raw_b).enumerate().any(|(i, (x, y))| x != y && !masks.iter().any(|m| m.contains(&i)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_headers_hold_every_byte() {
        for raw in [&b""[..], b"\0", b"a\0\0b", &[0; 255], &[0; 256], &[7; 300], b"\x01\0\x01"] {
            assert_eq!(unpacked(&packed(raw)), raw);
        }
        assert_ne!(packed(b"\0\0a"), packed(b"\0a"));
    }
}
