//! ZIP archives, and what is made of them: jars, wheels. Members are decoded only where their
//! compressed bytes differ; CRC and sizes are checked before a descriptor is set aside.

mod fields;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;

use super::super::blob::{Blob, CHUNK, Spool};
use super::super::cause::Cause;
use super::super::log::{MemberLog, Sides, Sums};
use super::super::members::{self, Found, Matched};
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk, join};
use super::checksum_list::{self, LIST_BYTES_MAX, Lists, Siblings, is_list};
use super::{Format, Probe, tar, wheel};
use crate::archive::ArchiveError;
use crate::archive::zip::{self, ReadAt, Zip, ZipEntry};

pub(crate) static FORMAT: Format = Format { id: "zip", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    if probe.head.starts_with(b"PK\x03\x04") || probe.head.starts_with(b"PK\x05\x06") {
        return true;
    }
    // Programs that carry an archive at their end are compared as what they begin with, unless their
    // name or a script's first line says archive.
    let named = [&b".zip"[..], b".jar", b".whl", b".egg", b".pyz", b".war", b".apk", b".nupkg", b".jmod"]
        .iter()
        .any(|extension| probe.name.ends_with(extension));
    if !named && !probe.head.starts_with(b"#!") {
        return false;
    }
    let from = probe.blob.len().saturating_sub(22);
    probe.blob.slice(from, 22).head(22).is_ok_and(|tail| zip::ends_like(&tail))
}

impl ReadAt for Blob {
    fn len_bytes(&self) -> u64 {
        self.len()
    }

    fn bytes_at(&self, at: u64, len: usize) -> Result<Vec<u8>, ArchiveError> {
        self.exact(at, len).map_err(|stop| match stop {
            Stop::Input(source) => ArchiveError::Read { format: "zip", source },
            other => ArchiveError::Truncated { format: "zip", detail: other.to_string() },
        })
    }
}

type Key = (Vec<u8>, u32);
type Index<'z> = BTreeMap<Key, (usize, &'z ZipEntry)>;

/// Entries by name and occurrence, with their place in the directory.
fn index(zip: &Zip) -> (Index<'_>, HashMap<&[u8], u32>) {
    let mut counts: HashMap<&[u8], u32> = HashMap::new();
    let mut map = BTreeMap::new();
    for (i, entry) in zip.entries.iter().enumerate() {
        let n = counts.entry(&entry.name).or_default();
        map.insert((entry.name.clone(), *n), (i, entry));
        *n += 1;
    }
    (map, counts)
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let limits = tar::archive_limits(&walk.budget.limits);
    let read = |blob: &Blob| -> Result<Zip, Stop> { Ok(zip::read(blob, &limits)?) };
    let (zip_a, zip_b) = match (read(pair.a).on(Side::Published), read(pair.b).on(Side::Rebuilt)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(x), Err(y)) => {
            walk.stopped(pair.path, x, Side::Published);
            return Err(y);
        }
        (Err(stop), _) | (_, Err(stop)) => return Err(stop),
    };
    for (zip, side) in [(&zip_a, Side::Published), (&zip_b, Side::Rebuilt)] {
        for _ in &zip.entries {
            walk.budget.member().on(side)?;
        }
        if zip.overlapping {
            return Err(Stop::malformed("zip: members share bytes").on(side));
        }
    }
    let outer = walk.log.take();
    let is_wheel = zip_a.entries.iter().chain(&zip_b.entries).any(|e| wheel::is_record(&e.name));
    let mut log = MemberLog::new(wheel::is_record, is_wheel);
    let ((map_a, counts_a), (map_b, counts_b)) = (index(&zip_a), index(&zip_b));
    let mut order = Vec::new();
    let mut lists = Lists::new();
    let mut differ = BTreeSet::new();
    for (key, (i, x)) in &map_a {
        if let Some((j, y)) = map_b.get(key) {
            order.push((*i, *j));
            let shown = join(pair.path, &x.name);
            if x.len_bytes.max(y.len_bytes) <= LIST_BYTES_MAX
                && is_list(&x.name)
                && let (Ok(p), Ok(q)) = (content(walk, pair.a, x), content(walk, pair.b, y))
            {
                lists.insert(x.name.clone(), (p, q));
            }
            match member(walk, &shown, pair, x, y, (&mut log, lists.contains_key(&x.name))) {
                Ok(true) => {}
                Ok(false) => drop(differ.insert(x.name.clone())),
                Err(stop) => {
                    differ.insert(x.name.clone());
                    walk.stopped(&shown, stop, Side::Both);
                }
            }
        }
    }
    let removed = one_sided(walk, pair, (&map_a, &map_b), pair.a, Side::Published);
    let added = one_sided(walk, pair, (&map_b, &map_a), pair.b, Side::Rebuilt);
    order.sort_unstable();
    let reordered = !order.is_sorted_by_key(|(_, j)| *j);
    let mut duplicates: Vec<Vec<u8>> = counts_a
        .iter()
        .chain(&counts_b)
        .filter(|(name, n)| **n > 1 && (reordered || counts_a.get(*name) != counts_b.get(*name)))
        .map(|(name, _)| name.to_vec())
        .collect();
    duplicates.sort();
    duplicates.dedup();
    for one in &removed {
        log.take(&one.name, one.blob.as_ref(), None)?;
    }
    for one in &added {
        log.take(&one.name, None, one.blob.as_ref())?;
    }
    let matched = Matched {
        removed: removed.into_iter().map(Box::new).collect(),
        added: added.into_iter().map(Box::new).collect(),
        reordered,
        duplicates,
        complete: (true, true),
        digests: Default::default(),
    };
    members::report_unmatched(walk, pair.path, &matched);
    if matched.reordered && matched.duplicates.is_empty() {
        walk.add(Difference::exact(pair.path, Cause::ZipOrder));
    }
    if zip_a.comment != zip_b.comment {
        walk.add(Difference::exact(pair.path, Cause::ZipComment).values(&zip_a.comment, &zip_b.comment));
    }
    gaps(walk, pair, &zip_a, &zip_b)?;
    trailing(walk, pair, &zip_a, &zip_b)?;
    lists.retain(|name, _| !is_wheel || !wheel::is_record(name));
    if !lists.is_empty() {
        let mut beside = Beside { a: (pair.a, &map_a), b: (pair.b, &map_b), differ: &differ };
        checksum_list::check_all(walk, lists, |name| join(pair.path, name), &mut beside)?;
    }
    if is_wheel {
        let text = |zip: &Zip, blob: &Blob, name: &[u8]| -> Option<Vec<u8>> {
            let entry = zip.entries.iter().find(|e| e.name == name)?;
            content(walk, blob, entry).ok()?.whole(walk.budget.limits.document_bytes_max).ok()?
        };
        let name = zip_a.entries.iter().map(|e| &e.name).find(|n| wheel::is_record(n));
        let twin = zip_b.entries.iter().map(|e| &e.name).find(|n| wheel::is_record(n));
        if let (Some(name), Some(twin)) = (name, twin) {
            let (list_a, list_b) = (text(&zip_a, pair.a, name), text(&zip_b, pair.b, twin));
            wheel::check(walk, &join(pair.path, name), name, (list_a, list_b), &log);
        }
    }
    walk.log = outer;
    Ok(())
}

/// Members that only one side has, in the order of its directory.
fn one_sided(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    (mine, other): (&Index<'_>, &Index<'_>),
    blob: &Blob,
    side: Side,
) -> Vec<Found<()>> {
    let mut list: Vec<(usize, Found<()>)> = Vec::new();
    for (key, (i, entry)) in mine.iter().filter(|(key, _)| !other.contains_key(*key)) {
        let body = content(walk, blob, entry);
        let (sha256, blob) = match body.and_then(|blob| Ok((blob.sha256()?, blob))) {
            Ok((sha256, blob)) => (sha256.as_bytes().try_into().ok(), Some(blob)),
            Err(stop) => {
                walk.stopped(&join(pair.path, &key.0), stop.on(side), side);
                (None, None)
            }
        };
        list.push((*i, Found { name: key.0.clone(), meta: (), sha256, blob }));
    }
    list.sort_by_key(|(i, _)| *i);
    list.into_iter().map(|(_, found)| found).collect()
}

fn gaps(walk: &mut Walk<'_>, pair: Pair<'_>, a: &Zip, b: &Zip) -> Result<(), Stop> {
    let total = |zip: &Zip| zip.gaps.iter().map(|(from, to)| to - from).sum::<u64>();
    let mut same = a.gaps.len() == b.gaps.len();
    for (x, y) in a.gaps.iter().zip(&b.gaps) {
        same = same && pair.a.slice(x.0, x.1 - x.0).equal(&pair.b.slice(y.0, y.1 - y.0))?;
    }
    if !same {
        let text = |n: u64| format!("{n} bytes before or between the members");
        walk.add(Difference::exact(pair.path, Cause::ZipPrefix).values(text(total(a)), text(total(b))));
    }
    Ok(())
}

/// What follows the end record. Only zero bytes may ever be set aside.
fn trailing(walk: &mut Walk<'_>, pair: Pair<'_>, a: &Zip, b: &Zip) -> Result<(), Stop> {
    let (left, right) = (pair.a.slice(a.end, u64::MAX), pair.b.slice(b.end, u64::MAX));
    if left.equal(&right)? {
        return Ok(());
    }
    let mut zeros = true;
    for tail in [&left, &right] {
        tail.each_chunk(|chunk| zeros &= chunk.iter().all(|byte| *byte == 0))?;
    }
    let text = |tail: &Blob| format!("{} bytes after the end", tail.len());
    let cause = if zeros { Cause::TrailingData } else { Cause::Content };
    walk.add(Difference::exact(pair.path, cause).values(text(&left), text(&right)));
    Ok(())
}

/// A zip's members as a list of checksums sees them.
struct Beside<'z> {
    a: (&'z Blob, &'z Index<'z>),
    b: (&'z Blob, &'z Index<'z>),
    differ: &'z BTreeSet<Vec<u8>>,
}

impl Siblings for Beside<'_> {
    fn look(&self, name: &[u8]) -> (bool, bool, bool) {
        let key = (name.to_vec(), 0);
        let (a, b) = (self.a.1.contains_key(&key), self.b.1.contains_key(&key));
        (a, b, a != b || self.differ.contains(name))
    }

    fn sums(&mut self, walk: &mut Walk<'_>, name: &[u8]) -> Sides<Sums> {
        let key = (name.to_vec(), 0);
        let one = |walk: &Walk<'_>, (blob, index): (&Blob, &Index<'_>)| {
            let (_, entry) = index.get(&key)?;
            Sums::of(&content(walk, blob, entry).ok()?, true).ok()
        };
        (one(walk, self.a), one(walk, self.b))
    }
}

/// Compares two members of one name; gives whether their content is equal.
fn member(
    walk: &mut Walk<'_>,
    shown: &str,
    pair: Pair<'_>,
    x: &ZipEntry,
    y: &ZipEntry,
    (log, is_list): (&mut MemberLog, bool),
) -> Result<bool, Stop> {
    let raw = |blob: &Blob, entry: &ZipEntry| blob.slice(entry.data_at, entry.packed_bytes);
    let (raw_a, raw_b) = (raw(pair.a, x), raw(pair.b, y));
    let same_packed = x.method == y.method && raw_a.equal(&raw_b)?;
    let mut same = same_packed && x.crc32 == y.crc32 && x.len_bytes == y.len_bytes;
    if !same {
        let a = content(walk, pair.a, x).on(Side::Published)?;
        let b = content(walk, pair.b, y).on(Side::Rebuilt)?;
        same = a.equal(&b)?;
        if !same {
            let deferred = log.take(&x.name, Some(&a), Some(&b))?;
            let link = |e: &ZipEntry| e.made_by >> 8 == 3 && (e.external >> 16) & 0o170_000 == 0o120_000;
            if link(x) && link(y) {
                let text = |blob: &Blob| blob.head(4096);
                walk.add(Difference::exact(shown, Cause::SymlinkTarget).values(text(&a)?, text(&b)?));
            } else if !deferred && !is_list {
                walk.differing(Pair { path: shown, name: &x.name, a: &a, b: &b });
            }
        }
    }
    fields::compare(walk, shown, x, y, same && !same_packed);
    Ok(same)
}

/// A member's decoded bytes, checked against its CRC and size.
fn content(walk: &Walk<'_>, blob: &Blob, entry: &ZipEntry) -> Result<Blob, Stop> {
    let raw = blob.slice(entry.data_at, entry.packed_bytes);
    if entry.flags.0 & 1 != 0 {
        return Err(Stop::unsupported("zip: the member is encrypted"));
    }
    let sums = (entry.crc32, entry.packed_bytes, entry.len_bytes);
    if entry.local_sums != sums {
        return Err(Stop::malformed("zip: sizes or CRC of the local header are not those of the directory"));
    }
    let decoded = match entry.method {
        0 => raw,
        8 => unpack(walk, flate2::bufread::DeflateDecoder::new(raw.reader()), &raw)?,
        12 => unpack(walk, bzip2::bufread::BzDecoder::new(raw.reader()), &raw)?,
        14 => {
            // A version, the length of the properties, the properties; the size of what is packed
            // stands in the directory (APPNOTE 5.8.8).
            let head = raw.exact(0, 9)?;
            let mut alone = head.get(4..9).unwrap_or_default().to_vec();
            let marked = entry.flags.0 & 2 != 0;
            alone.extend((if marked { u64::MAX } else { entry.len_bytes }).to_le_bytes());
            let stream =
                liblzma::stream::Stream::new_lzma_decoder(walk.budget.limits.decoder_memory_bytes_max)
                    .map_err(|e| Stop::from(std::io::Error::from(e)))?;
            let input = std::io::Cursor::new(alone).chain(raw.slice(9, u64::MAX).reader());
            unpack(walk, liblzma::bufread::XzDecoder::new_stream(input, stream), &raw)?
        }
        93 => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(raw.reader())?;
            decoder.window_log_max(walk.budget.limits.decoder_memory_bytes_max.max(1024).ilog2().min(31))?;
            unpack(walk, decoder, &raw)?
        }
        95 => {
            let memory = walk.budget.limits.decoder_memory_bytes_max;
            let stream = liblzma::stream::Stream::new_stream_decoder(memory, 0)
                .map_err(|e| Stop::from(std::io::Error::from(e)))?;
            unpack(walk, liblzma::bufread::XzDecoder::new_stream(raw.reader(), stream), &raw)?
        }
        other => return Err(Stop::unsupported(format!("zip: compression method {other}"))),
    };
    let mut crc = flate2::Crc::new();
    decoded.each_chunk(|chunk| crc.update(chunk))?;
    if decoded.len() != entry.len_bytes || crc.sum() != entry.crc32 {
        return Err(Stop::malformed("zip: the content does not fit its CRC or size"));
    }
    Ok(decoded)
}

fn unpack(walk: &Walk<'_>, mut decoder: impl Read, raw: &Blob) -> Result<Blob, Stop> {
    let mut spool = Spool::new(&walk.budget, &walk.scratch);
    let mut buffer = vec![0; CHUNK];
    let mut expanded = 0u64;
    loop {
        let n = decoder.read(&mut buffer)?;
        if n == 0 {
            return Ok(spool.finish());
        }
        expanded += n as u64;
        walk.budget.expanded(n as u64)?;
        walk.budget.ratio(raw.len(), expanded)?;
        spool.push(buffer.get(..n).unwrap_or_default())?;
    }
}
