//! Sparse files: GNU's old form, and PAX sparse 0.0, 0.1 and 1.0.

use super::TarEntry;
use super::header::{decimal, number};

/// A map has at most this many pieces: a map of 8192 blocks, far past what a file system cuts.
const PIECES_MAX: usize = 200_000;

/// Where a sparse file's data lies.
#[derive(Debug)]
pub(super) enum Map {
    Known { name: Option<Vec<u8>>, len_bytes: u64, pieces: Vec<(u64, u64)> },
    InBody { name: Option<Vec<u8>>, len_bytes: u64 },
}

/// The map that an entry's PAX records give.
pub(super) fn from_pax(entry: &TarEntry) -> Result<Option<Map>, &'static str> {
    const BAD: &str = "a sparse map is broken";
    let get =
        |key: &str| entry.pax.iter().rev().find(|(k, _)| k == key.as_bytes()).map(|(_, v)| v.as_slice());
    let size = |key: &str| get(key).map(|v| decimal(v).ok_or(BAD)).transpose();
    let name = get("GNU.sparse.name").map(<[u8]>::to_vec);
    if get("GNU.sparse.major") == Some(b"1") {
        let len_bytes = size("GNU.sparse.realsize")?.ok_or(BAD)?;
        return Ok(Some(Map::InBody { name, len_bytes }));
    }
    let Some(len_bytes) = size("GNU.sparse.size")? else { return Ok(None) };
    let mut numbers = Vec::new();
    if let Some(map) = get("GNU.sparse.map") {
        for part in map.split(|b| *b == b',').take(2 * PIECES_MAX) {
            numbers.push(decimal(part).ok_or(BAD)?);
        }
    } else {
        for (key, value) in &entry.pax {
            if key == b"GNU.sparse.offset" || key == b"GNU.sparse.numbytes" {
                numbers.push(decimal(value).ok_or(BAD)?);
            }
        }
    }
    Ok(Some(Map::Known { name, len_bytes, pieces: pair(&numbers).ok_or(BAD)? }))
}

fn pair(numbers: &[u64]) -> Option<Vec<(u64, u64)>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[offset, length]| (*offset, *length)).collect())
}

/// Pieces in a header of GNU's old form: 24 bytes each, unused ones empty.
pub(super) fn pieces(area: Option<&[u8]>) -> Result<Vec<(u64, u64)>, &'static str> {
    const BAD: &str = "a sparse map is broken";
    let mut found = Vec::new();
    for piece in area.ok_or(BAD)?.chunks_exact(24) {
        if piece.first() == Some(&0) {
            break;
        }
        found.push((number(piece.get(..12)).ok_or(BAD)?, number(piece.get(12..)).ok_or(BAD)?));
    }
    Ok(found)
}

/// Pieces in a body of PAX sparse 1.0; `None` while the text is not complete.
pub(super) fn lines(text: &[u8]) -> Result<Option<Vec<(u64, u64)>>, &'static str> {
    const BAD: &str = "a sparse map is broken";
    let mut lines = text.split_inclusive(|b| *b == b'\n');
    let mut next = || match lines.next() {
        Some(line) => match line.strip_suffix(b"\n") {
            Some(digits) => decimal(digits).ok_or(BAD).map(Some),
            None => Ok(None),
        },
        None => Ok(None),
    };
    let Some(count) = next()? else { return Ok(None) };
    let count = usize::try_from(count).ok().filter(|n| *n <= PIECES_MAX).ok_or(BAD)?;
    let mut found = Vec::new();
    for _ in 0..count {
        match (next()?, next()?) {
            (Some(offset), Some(length)) => found.push((offset, length)),
            _ => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// A map must rise, stay within the file, and need no more data than is stored.
pub(super) fn check(pieces: &[(u64, u64)], len_bytes: u64, stored: u64) -> Result<(), &'static str> {
    let (mut at, mut data) = (0u64, 0u64);
    for (offset, length) in pieces {
        let end = offset.checked_add(*length).ok_or("a sparse map overflows")?;
        if *offset < at || end > len_bytes {
            return Err("a sparse map does not rise within the file");
        }
        at = end;
        data = data.saturating_add(*length);
    }
    if data > stored { Err("a sparse map wants more data than is stored") } else { Ok(()) }
}

/// Where a body's reader stands.
#[derive(Debug, Default)]
pub(super) struct Position {
    pieces: Option<std::collections::VecDeque<(u64, u64)>>,
    at: u64,
    len_bytes: u64,
}

/// What comes next in a body.
pub(super) enum Next {
    Plain,
    Hole(usize),
    Data(usize),
    End,
}

impl Position {
    pub(super) fn new(pieces: &[(u64, u64)], len_bytes: u64) -> Self {
        Self { pieces: Some(pieces.iter().copied().filter(|(_, n)| *n > 0).collect()), at: 0, len_bytes }
    }

    pub(super) fn next(&mut self, room: usize) -> Next {
        let Some(pieces) = &mut self.pieces else { return Next::Plain };
        let fit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(room);
        let hole_end = match pieces.front() {
            Some((offset, length)) if *offset <= self.at => return Next::Data(fit(*length)),
            Some((offset, _)) => *offset,
            None => self.len_bytes,
        };
        let n = fit(hole_end - self.at);
        self.at += n as u64;
        if n == 0 { Next::End } else { Next::Hole(n) }
    }

    pub(super) fn read(&mut self, n: usize) {
        self.at += n as u64;
        if let Some(pieces) = &mut self.pieces
            && let Some((offset, length)) = pieces.front_mut()
        {
            *offset += n as u64;
            *length = length.saturating_sub(n as u64);
            if *length == 0 {
                pieces.pop_front();
            }
        }
    }
}
