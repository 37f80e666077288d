//! What all compressed streams share: compare what is decoded, then name what differs in the
//! compression itself.

use std::io::Read as _;

use super::super::blob::{CHUNK, Spool};
use super::super::cause::Cause;
use super::super::decode::{self, Decoded, StreamEnd};
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::{HEAD_BYTES, cpio, tar};
use crate::archive::compression::Compression;
use crate::archive::tar::looks_like;

/// What decoding told.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// Whether the decoded bytes are equal.
    pub(crate) equal: bool,
    /// Whether both sides were read to their ends.
    pub(crate) whole: bool,
    pub(crate) a: StreamEnd,
    pub(crate) b: StreamEnd,
}

impl Outcome {
    /// Whether nothing but the compressed data itself can differ.
    pub(crate) fn same_tail(&self) -> bool {
        let tail = |end: &StreamEnd| (end.trailing_zeros, end.trailing_other);
        tail(&self.a) == tail(&self.b)
    }
}

/// Decodes both sides and compares what comes out.
pub(crate) fn content(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    (format_a, format_b): (Compression, Compression),
) -> Result<Outcome, Stop> {
    let (a, b) = decode::both(format_a, pair.a, format_b, pair.b, &walk.budget);
    streams(walk, pair, a, b)
}

fn streams(walk: &mut Walk<'_>, pair: Pair<'_>, mut a: Decoded, mut b: Decoded) -> Result<Outcome, Stop> {
    let head_a = take(&mut a).on(Side::Published);
    let head_b = take(&mut b).on(Side::Rebuilt);
    let (head_a, head_b) = match (head_a, head_b) {
        (Ok(head_a), Ok(head_b)) => (head_a, head_b),
        (Err(x), Err(y)) => {
            walk.stopped(pair.path, x, Side::Published);
            return Err(y);
        }
        (Err(stop), Ok(_)) | (Ok(_), Err(stop)) => return Err(stop),
    };
    let before = (walk.found(), walk.stops.len());
    let tars = match (looks_like(&head_a), looks_like(&head_b)) {
        (true, true) => true,
        (true, false) => tar::nothing_in_it(&head_b),
        (false, true) => tar::nothing_in_it(&head_a),
        // Files of zero bytes are no archives.
        (false, false) => false,
    };
    let equal = if tars {
        tar::streams(
            walk,
            pair.path,
            std::io::Cursor::new(head_a).chain(&mut a),
            std::io::Cursor::new(head_b).chain(&mut b),
        )?;
        (walk.found(), walk.stops.len()) == before && !held_back(walk)
    } else if cpio::looks_like(&head_a) && cpio::looks_like(&head_b) {
        cpio::streams(
            walk,
            pair.path,
            std::io::Cursor::new(head_a).chain(&mut a),
            std::io::Cursor::new(head_b).chain(&mut b),
        )?;
        (walk.found(), walk.stops.len()) == before && !held_back(walk)
    } else {
        plain(walk, pair, (&mut a, &head_a), (&mut b, &head_b))?
    };
    drain(&mut a).on(Side::Published)?;
    drain(&mut b).on(Side::Rebuilt)?;
    let whole = walk.stops.len() == before.1;
    Ok(Outcome { equal, whole, a: a.end(), b: b.end() })
}

/// Whether a package has kept members back whose difference it will report itself.
fn held_back(walk: &Walk<'_>) -> bool {
    walk.log.as_ref().is_some_and(|log| !log.held.is_empty())
}

fn take(stream: &mut Decoded) -> Result<Vec<u8>, Stop> {
    let mut head = vec![0; HEAD_BYTES];
    let n = fill(stream, &mut head)?;
    head.truncate(n);
    Ok(head)
}

fn fill(stream: &mut Decoded, buffer: &mut [u8]) -> Result<usize, Stop> {
    let mut have = 0;
    while let Some(rest) = buffer.get_mut(have..).filter(|r| !r.is_empty()) {
        match stream.read(rest)? {
            0 => break,
            n => have += n,
        }
    }
    Ok(have)
}

/// Reads to the end, so that a bad trailer or trailing data is not missed.
fn drain(stream: &mut Decoded) -> Result<(), Stop> {
    let mut buffer = vec![0; CHUNK];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Holds both decoded sides while they are compared, then hands them on.
fn plain(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    (a, head_a): (&mut Decoded, &[u8]),
    (b, head_b): (&mut Decoded, &[u8]),
) -> Result<bool, Stop> {
    let mut spools = (Spool::new(&walk.budget, &walk.scratch), Spool::new(&walk.budget, &walk.scratch));
    spools.0.push(head_a)?;
    spools.1.push(head_b)?;
    let mut equal = head_a == head_b;
    let mut buffers = (vec![0; CHUNK], vec![0; CHUNK]);
    let (mut more_a, mut more_b) = (true, true);
    while more_a || more_b {
        let (mut n, mut m) = (0, 0);
        if more_a {
            n = fill(a, &mut buffers.0).on(Side::Published)?;
            more_a = n > 0;
        }
        if more_b {
            m = fill(b, &mut buffers.1).on(Side::Rebuilt)?;
            more_b = m > 0;
        }
        let (left, right) = (buffers.0.get(..n).unwrap_or_default(), buffers.1.get(..m).unwrap_or_default());
        equal &= left == right;
        spools.0.push(left).on(Side::Published)?;
        spools.1.push(right).on(Side::Rebuilt)?;
    }
    if !equal {
        let (blob_a, blob_b) = (spools.0.finish(), spools.1.finish());
        let name = inner_name(pair.name);
        walk.differing(Pair { path: pair.path, name, a: &blob_a, b: &blob_b });
    }
    Ok(equal)
}

/// A compressed file's name without its last extension.
fn inner_name(name: &[u8]) -> &[u8] {
    for extension in [&b".gz"[..], b".xz", b".zst", b".bz2", b".lz4"] {
        if let Some(stem) = name.strip_suffix(extension) {
            return stem;
        }
    }
    name
}

/// Reports what follows the last frame. Only zero bytes may ever be set aside.
pub(crate) fn trailing(walk: &mut Walk<'_>, pair: Pair<'_>, outcome: &Outcome) -> Result<(), Stop> {
    if !outcome.whole {
        return Ok(());
    }
    let (a, b) = (&outcome.a, &outcome.b);
    if a.trailing_other == 0 && b.trailing_other == 0 {
        if a.trailing_zeros != b.trailing_zeros {
            let text = |n: u64| format!("{n} zero bytes after the end");
            walk.add(
                Difference::exact(pair.path, Cause::TrailingData)
                    .values(text(a.trailing_zeros), text(b.trailing_zeros)),
            );
        }
        return Ok(());
    }
    let (len_a, len_b) = (a.trailing_zeros + a.trailing_other, b.trailing_zeros + b.trailing_other);
    let tail_a = pair.a.slice(pair.a.len() - len_a.min(pair.a.len()), len_a);
    let tail_b = pair.b.slice(pair.b.len() - len_b.min(pair.b.len()), len_b);
    if !tail_a.equal(&tail_b)? {
        let text = |n: u64| format!("{n} bytes after the end");
        walk.add(
            Difference::exact(pair.path, Cause::Content)
                .values(text(len_a), text(len_b))
                .note("data after the end of the compressed stream"),
        );
        walk.changed.insert(pair.path.to_owned());
    }
    Ok(())
}

/// An archive that is compressed on one side only. Whatever reads such archives finds out by itself
/// how they are packed; of other files that cannot be said.
pub(crate) fn one_sided(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    (format_a, format_b): (Option<Compression>, Option<Compression>),
) -> Result<(), Stop> {
    let name = |format: Option<Compression>| format.map_or("not compressed", Compression::name);
    walk.add(Difference::exact(pair.path, Cause::CompressionFormat).values(name(format_a), name(format_b)));
    let open = |format: Option<Compression>, blob, walk: &Walk<'_>| match format {
        Some(format) => Decoded::new(format, blob, &walk.budget),
        None => Decoded::plain(blob),
    };
    let (a, b) = (open(format_a, pair.a, walk), open(format_b, pair.b, walk));
    let outcome = streams(walk, pair, a, b)?;
    trailing(walk, pair, &outcome)
}

/// Two sides in different compression formats.
pub(crate) fn formats(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    (format_a, format_b): (Compression, Compression),
) -> Result<(), Stop> {
    walk.add(Difference::exact(pair.path, Cause::CompressionFormat).values(format_a.name(), format_b.name()));
    let outcome = content(walk, pair, (format_a, format_b))?;
    trailing(walk, pair, &outcome)
}
