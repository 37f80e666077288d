//! A pack on its way into a store: what it will take to unpack it is known and bounded before libgit2 sees a
//! byte of it (gitformat-pack(5)).
//!
//! libgit2 makes room for whatever length an object says that it has, and a change of a few bytes may say
//! that it becomes gigabytes. So each object is inflated here once, into nothing, and its true length held
//! against the bounds.

use std::collections::BTreeMap;

use flate2::{Decompress, FlushDecompress, Status};

use super::GitSourceError;
use crate::limits::git::GitLimits;

/// `PACK`, the version, the number of objects.
const HEADER_BYTES: usize = 12;
/// The SHA-1 over everything before it.
const TRAILER_BYTES: usize = 20;
/// Longest header of an object: its kind and length, and how far its base lies before it, seven bits a byte.
const ENTRY_BYTES_MAX: usize = 20;
/// Begin of a change that tells both lengths.
const DELTA_HEAD_BYTES: usize = 20;
/// Inflated bytes at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// What an object that others may rest on takes.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Its length when it is unpacked.
    len_bytes: u64,
    /// Changes below it.
    depth: u32,
    /// Bytes to unpack for it with all that it rests on.
    chain_bytes: u64,
}

enum State {
    Header,
    Entry,
    Body(Box<Body>),
    Trailer(usize),
    Ended,
}

/// An object whose bytes are on their way.
struct Body {
    at: u64,
    /// Length that its header says.
    len_bytes: u64,
    /// Of a change, what it is a change of.
    base: Option<Known>,
    /// Longest that it may be.
    bytes_max: u64,
    /// Begin of a change.
    head: Vec<u8>,
    inflate: Decompress,
}

/// Reads a pack as it comes.
pub(super) struct PackReader<'a> {
    limits: &'a GitLimits,
    state: State,
    held: Vec<u8>,
    at: u64,
    left: u32,
    known: BTreeMap<u64, Known>,
    expanded_bytes: u64,
    chain_bytes: u64,
    buffer: Vec<u8>,
}

impl<'a> PackReader<'a> {
    pub(super) fn new(limits: &'a GitLimits) -> Self {
        Self {
            limits,
            state: State::Header,
            held: Vec::new(),
            at: 0,
            left: 0,
            known: BTreeMap::new(),
            expanded_bytes: 0,
            chain_bytes: 0,
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Takes the next part.
    pub(super) fn take(&mut self, part: &[u8]) -> Result<(), GitSourceError> {
        let mut rest = part;
        while !rest.is_empty() {
            let used = match &mut self.state {
                State::Header => self.header(rest)?,
                State::Entry => self.entry(rest)?,
                State::Body(_) => self.body(rest)?,
                State::Trailer(left) => {
                    let used = rest.len().min(*left);
                    *left -= used;
                    if *left == 0 {
                        self.state = State::Ended;
                    }
                    used
                }
                State::Ended => return Err(wrong("it goes on after its checksum")),
            };
            self.at += used as u64;
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Whether the pack came to its end.
    pub(super) fn end(&self) -> Result<(), GitSourceError> {
        match self.state {
            State::Ended => Ok(()),
            _ => Err(wrong("it ends too early")),
        }
    }

    fn header(&mut self, rest: &[u8]) -> Result<usize, GitSourceError> {
        let used = rest.len().min(HEADER_BYTES - self.held.len());
        self.held.extend_from_slice(rest.get(..used).unwrap_or_default());
        if self.held.len() < HEADER_BYTES {
            return Ok(used);
        }
        let (start, count) = self.held.split_at(8);
        if start != b"PACK\0\0\0\x02" {
            return Err(wrong("it is no pack of version 2"));
        }
        let count = count.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
        let max = self.limits.pack_objects_max;
        if count > max {
            return Err(limit(format!("a pack of {count} objects"), "pack_objects_max", u64::from(max)));
        }
        if count == 0 {
            return Err(wrong("it holds nothing"));
        }
        self.held.clear();
        self.left = count;
        self.state = State::Entry;
        Ok(used)
    }

    /// The header of an object, byte by byte until it is whole.
    fn entry(&mut self, rest: &[u8]) -> Result<usize, GitSourceError> {
        for (n, byte) in rest.iter().enumerate() {
            self.held.push(*byte);
            if self.held.len() > ENTRY_BYTES_MAX {
                return Err(wrong("an object's header has no end"));
            }
            if let Some((kind, len_bytes, back)) = entry_head(&self.held)? {
                let at = (self.at + n as u64 + 1).saturating_sub(self.held.len() as u64);
                self.state = State::Body(Box::new(self.begin(at, kind, len_bytes, back)?));
                self.held.clear();
                return Ok(n + 1);
            }
        }
        Ok(rest.len())
    }

    fn begin(&self, at: u64, kind: u8, len_bytes: u64, back: Option<u64>) -> Result<Body, GitSourceError> {
        let base = match back {
            None => None,
            Some(back) => {
                let base = at.checked_sub(back).and_then(|at| self.known.get(&at)).copied();
                Some(base.ok_or_else(|| wrong("a change of what is no object before it"))?)
            }
        };
        let bytes_max = match kind {
            1 | 2 | 4 => self.limits.object_bytes_max,
            _ => self.limits.file_bytes_max,
        };
        if len_bytes > bytes_max {
            return Err(self.too_long(len_bytes, bytes_max));
        }
        if base.is_some_and(|base| base.depth >= self.limits.delta_depth_max) {
            let max = u64::from(self.limits.delta_depth_max);
            return Err(limit("a chain of changes".to_owned(), "delta_depth_max", max));
        }
        let inflate = Decompress::new(true);
        Ok(Body { at, len_bytes, base, bytes_max, head: Vec::new(), inflate })
    }

    fn body(&mut self, rest: &[u8]) -> Result<usize, GitSourceError> {
        let State::Body(body) = &mut self.state else { return Ok(0) };
        let mut used = 0;
        loop {
            let input = rest.get(used..).unwrap_or_default();
            let before = (body.inflate.total_in(), body.inflate.total_out());
            let status = body.inflate.decompress(input, &mut self.buffer, FlushDecompress::None);
            let status = status.map_err(|e| wrong(&format!("an object cannot be inflated: {e}")))?;
            let (taken, made) = (body.inflate.total_in() - before.0, body.inflate.total_out() - before.1);
            used += usize::try_from(taken).unwrap_or(usize::MAX);
            if body.base.is_some() && body.head.len() < DELTA_HEAD_BYTES {
                let made = usize::try_from(made).unwrap_or(usize::MAX);
                let room = (DELTA_HEAD_BYTES - body.head.len()).min(made);
                body.head.extend_from_slice(self.buffer.get(..room).unwrap_or_default());
            }
            if body.inflate.total_out() > body.len_bytes {
                return Err(wrong("an object is longer than its header says"));
            }
            if status == Status::StreamEnd {
                if body.inflate.total_out() != body.len_bytes {
                    return Err(wrong("an object is shorter than its header says"));
                }
                self.ended()?;
                return Ok(used);
            }
            if taken == 0 && made == 0 {
                return match used == rest.len() {
                    true => Ok(used),
                    false => Err(wrong("an object cannot be inflated")),
                };
            }
        }
    }

    /// Enters the object that is whole.
    fn ended(&mut self) -> Result<(), GitSourceError> {
        let State::Body(body) = &self.state else { return Ok(()) };
        let known = match body.base {
            None => Known { len_bytes: body.len_bytes, depth: 0, chain_bytes: body.len_bytes },
            Some(base) => {
                let (from, to) = delta_head(&body.head).ok_or_else(|| wrong("a change without lengths"))?;
                if from != base.len_bytes {
                    return Err(wrong("a change of another length's object"));
                }
                if to > body.bytes_max {
                    return Err(self.too_long(to, body.bytes_max));
                }
                let chain_bytes = base.chain_bytes.saturating_add(to).saturating_add(body.len_bytes);
                Known { len_bytes: to, depth: base.depth + 1, chain_bytes }
            }
        };
        self.expanded_bytes = self.expanded_bytes.saturating_add(known.len_bytes);
        if body.base.is_some() {
            self.chain_bytes = self.chain_bytes.saturating_add(known.chain_bytes);
        }
        let what = || "what a pack expands to".to_owned();
        if self.expanded_bytes > self.limits.tree_bytes_max {
            return Err(limit(what(), "tree_bytes_max", self.limits.tree_bytes_max));
        }
        if self.chain_bytes > self.limits.delta_bytes_max {
            return Err(limit(what(), "delta_bytes_max", self.limits.delta_bytes_max));
        }
        self.known.insert(body.at, known);
        self.left -= 1;
        self.state = if self.left == 0 { State::Trailer(TRAILER_BYTES) } else { State::Entry };
        Ok(())
    }

    fn too_long(&self, len_bytes: u64, max: u64) -> GitSourceError {
        let name = if max == self.limits.object_bytes_max { "object_bytes_max" } else { "file_bytes_max" };
        limit(format!("an object of {len_bytes} bytes"), name, max)
    }
}

fn wrong(detail: &str) -> GitSourceError {
    GitSourceError::Pack { detail: detail.to_owned() }
}

fn limit(what: String, limit: &'static str, max: u64) -> GitSourceError {
    GitSourceError::Limit { what, limit, max }
}

/// Kind, length and, of a change, how far before it its base lies; none where bytes are missing yet.
fn entry_head(bytes: &[u8]) -> Result<Option<(u8, u64, Option<u64>)>, GitSourceError> {
    let Some(first) = bytes.first() else { return Ok(None) };
    let kind = first >> 4 & 7;
    let (mut len_bytes, mut shift, mut used, mut more) = (u64::from(first & 15), 4u32, 1, first & 0x80 != 0);
    while more {
        let Some(byte) = bytes.get(used) else { return Ok(None) };
        let bits = u64::from(byte & 0x7f);
        let value = bits.checked_shl(shift).filter(|v| v >> shift == bits);
        len_bytes |= value.ok_or_else(|| wrong("an object's length is beyond all numbers"))?;
        (shift, used, more) = (shift + 7, used + 1, byte & 0x80 != 0);
    }
    match kind {
        1..=4 => Ok(Some((kind, len_bytes, None))),
        6 => {
            let (mut back, mut first) = (0u64, true);
            loop {
                let Some(byte) = bytes.get(used) else { return Ok(None) };
                // Each byte but the first adds one, so that no distance has two forms.
                let so_far = if first { Some(0) } else { back.checked_add(1) };
                let next = so_far.and_then(|n| n.checked_mul(128)).map(|n| n | u64::from(byte & 0x7f));
                back = next.ok_or_else(|| wrong("a change of what lies beyond all numbers"))?;
                (used, first) = (used + 1, false);
                if byte & 0x80 == 0 {
                    return Ok(Some((kind, len_bytes, Some(back))));
                }
            }
        }
        7 => Err(wrong("a change of an object by its name, which was not asked for")),
        _ => Err(wrong("an object of an unknown kind")),
    }
}

/// The lengths before and after a change.
fn delta_head(bytes: &[u8]) -> Option<(u64, u64)> {
    let (from, rest) = length(bytes)?;
    Some((from, length(rest)?.0))
}

fn length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (mut value, mut shift) = (0u64, 0u32);
    for (n, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        value |= bits.checked_shl(shift).filter(|v| v >> shift == bits)?;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(n + 1..)?));
        }
        shift += 7;
    }
    None
}
