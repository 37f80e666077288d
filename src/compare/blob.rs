//! Bytes that can be read at any place: a file, a range of one, or memory. Members that were
//! streamed are held in memory while they are small, else in an unlinked temporary file.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::budget::Budget;
use super::stop::Stop;
use crate::digest::{Algorithm, Digest, Hasher};

/// Bytes compared or hashed at a time.
pub(crate) const CHUNK: usize = 128 << 10;

/// A range of bytes that can be read at any place.
#[derive(Debug, Clone)]
pub(crate) struct Blob {
    source: Source,
    start: u64,
    len: u64,
    /// SHA-256 of the range, where it was taken while the bytes came by.
    sha256: Option<[u8; 32]>,
}

#[derive(Debug, Clone)]
enum Source {
    Memory(Arc<Vec<u8>>),
    File(Arc<Held>),
    Scratch(Arc<ScratchFile>),
}

/// One unlinked temporary file that takes many parked members, one after the other.
#[derive(Debug)]
pub(crate) struct ScratchFile {
    file: File,
    end: std::sync::atomic::AtomicU64,
}

impl ScratchFile {
    pub(crate) fn new(directory: &Path) -> Result<Self, Stop> {
        Ok(Self { file: temporary(directory)?, end: std::sync::atomic::AtomicU64::new(0) })
    }

    /// Appends a blob's bytes.
    pub(crate) fn take(self: &Arc<Self>, blob: &Blob) -> Result<Blob, Stop> {
        let start = self.end.fetch_add(blob.len(), std::sync::atomic::Ordering::Relaxed);
        let mut at = start;
        let mut failed = None;
        blob.each_chunk(|chunk| {
            if failed.is_none() {
                failed = self.file.write_all_at(chunk, at).err();
                at += chunk.len() as u64;
            }
        })?;
        match failed {
            Some(error) => Err(Stop::Scratch(error)),
            None => Ok(Blob::scratch(self, start, blob.len())),
        }
    }
}

#[derive(Debug)]
struct Held {
    file: File,
    scratch: Option<(Arc<Budget>, u64)>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((budget, n)) = &self.scratch {
            budget.scratch_back(*n);
        }
    }
}

impl Blob {
    /// An opened regular file.
    pub(crate) fn file(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self::file_of(file, len))
    }

    /// An opened regular file whose length is known already; one that has shrunk since reads short.
    pub(crate) fn file_of(file: File, len: u64) -> Self {
        let source = Source::File(Arc::new(Held { file, scratch: None }));
        Self { source, start: 0, len, sha256: None }
    }

    /// Bytes in memory.
    pub(crate) fn memory(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self { source: Source::Memory(Arc::new(bytes)), start: 0, len, sha256: None }
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// A part of an unlinked temporary file.
    pub(crate) fn scratch(file: &Arc<ScratchFile>, start: u64, len: u64) -> Self {
        Self { source: Source::Scratch(Arc::clone(file)), start, len, sha256: None }
    }

    /// How much memory its bytes take.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match &self.source {
            Source::Memory(bytes) => bytes.len() as u64,
            Source::File(_) | Source::Scratch(_) => 0,
        }
    }

    /// A part; what lies outside is cut off.
    pub(crate) fn slice(&self, from: u64, len: u64) -> Self {
        let from = from.min(self.len);
        Self {
            source: self.source.clone(),
            start: self.start.saturating_add(from),
            len: len.min(self.len - from),
            sha256: None,
        }
    }

    /// Reads at a place; fewer bytes only at the end.
    pub(crate) fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if at >= self.len {
            return Ok(0);
        }
        let want = usize::try_from(self.len - at).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..want) else { return Ok(0) };
        let at = self.start + at;
        match &self.source {
            Source::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let part = bytes.get(from..from.saturating_add(want)).unwrap_or_default();
                if let Some(target) = buffer.get_mut(..part.len()) {
                    target.copy_from_slice(part);
                }
                Ok(part.len())
            }
            Source::File(_) | Source::Scratch(_) => {
                let file = match &self.source {
                    Source::File(held) => &held.file,
                    Source::Scratch(scratch) => &scratch.file,
                    Source::Memory(_) => return Ok(0),
                };
                let mut done = 0;
                while let Some(rest) = buffer.get_mut(done..).filter(|r| !r.is_empty()) {
                    match file.read_at(rest, at + done as u64) {
                        Ok(0) => break,
                        Ok(n) => done += n,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e),
                    }
                }
                Ok(done)
            }
        }
    }

    /// `len` bytes at a place, or an early end.
    pub(crate) fn exact(&self, at: u64, len: usize) -> Result<Vec<u8>, Stop> {
        if at.saturating_add(len as u64) > self.len {
            return Err(Stop::truncated(format!("{len} bytes at offset {at} are past the end")));
        }
        let mut bytes = vec![0; len];
        let n = self.read_at(at, &mut bytes)?;
        if n < len {
            return Err(Stop::truncated(format!("{len} bytes at offset {at} are past the end")));
        }
        Ok(bytes)
    }

    /// At most `max` first bytes.
    pub(crate) fn head(&self, max: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX).min(max)];
        let n = self.read_at(0, &mut bytes)?;
        bytes.truncate(n);
        Ok(bytes)
    }

    /// All bytes, if there are at most `max`.
    pub(crate) fn whole(&self, max: u64) -> Result<Option<Vec<u8>>, Stop> {
        match usize::try_from(self.len) {
            Ok(len) if self.len <= max => self.exact(0, len).map(Some),
            _ => Ok(None),
        }
    }

    /// A sequential reader with a buffer.
    pub(crate) fn reader(&self) -> io::BufReader<BlobReader> {
        let size = usize::try_from(self.len).unwrap_or(CHUNK).clamp(512, CHUNK);
        io::BufReader::with_capacity(size, BlobReader { blob: self.clone(), at: 0 })
    }

    /// A reader that can seek, without a buffer.
    pub(crate) fn seekable(&self) -> BlobReader {
        BlobReader { blob: self.clone(), at: 0 }
    }

    /// Whether two ranges hold the same bytes; stops at the first difference.
    pub(crate) fn equal(&self, other: &Self) -> io::Result<bool> {
        if self.len != other.len {
            return Ok(false);
        }
        if let (Source::Memory(a), Source::Memory(b)) = (&self.source, &other.source) {
            let cut = |bytes: &Arc<Vec<u8>>, blob: &Self| -> Option<(usize, usize)> {
                let from = usize::try_from(blob.start).ok()?;
                let to = from.checked_add(usize::try_from(blob.len).ok()?)?;
                (to <= bytes.len()).then_some((from, to))
            };
            if let (Some((af, at)), Some((bf, bt))) = (cut(a, self), cut(b, other)) {
                return Ok(a.get(af..at) == b.get(bf..bt));
            }
        }
        let size = usize::try_from(self.len).unwrap_or(CHUNK).clamp(1, CHUNK);
        let (mut left, mut right) = (vec![0; size], vec![0; size]);
        let mut at = 0;
        while at < self.len {
            let (n, m) = (self.read_at(at, &mut left)?, other.read_at(at, &mut right)?);
            if n != m || left.get(..n) != right.get(..m) {
                return Ok(false);
            }
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += n as u64;
        }
        Ok(true)
    }

    /// Keeps the digest that was taken while the bytes came by.
    pub(crate) const fn with_sha256(mut self, sha256: [u8; 32]) -> Self {
        self.sha256 = Some(sha256);
        self
    }

    /// SHA-256, if it is known already.
    pub(crate) fn known_sha256(&self) -> Option<Digest> {
        self.sha256.and_then(|bytes| Digest::from_bytes(Algorithm::Sha256, &bytes).ok())
    }

    /// SHA-256.
    pub(crate) fn sha256(&self) -> io::Result<Digest> {
        if let Some(known) = self.known_sha256() {
            return Ok(known);
        }
        let mut hasher = Hasher::new(Algorithm::Sha256);
        self.each_chunk(|chunk| hasher.update(chunk))?;
        Ok(hasher.finish())
    }

    /// Every byte in order, a chunk at a time.
    pub(crate) fn each_chunk(&self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let size = usize::try_from(self.len).unwrap_or(CHUNK).clamp(1, CHUNK);
        let mut buffer = vec![0; size];
        let mut at = 0;
        while at < self.len {
            let n = self.read_at(at, &mut buffer)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            take(buffer.get(..n).unwrap_or_default());
            at += n as u64;
        }
        Ok(())
    }

    /// Counts the places where two ranges differ, outside the given ranges, which are sorted and do not
    /// overlap; bytes that only one side has count too.
    pub(crate) fn differing(&self, other: &Self, masked: &[(u64, u64)]) -> io::Result<u64> {
        let size = usize::try_from(self.len.min(other.len)).unwrap_or(CHUNK).clamp(1, CHUNK);
        let (mut left, mut right) = (vec![0; size], vec![0; size]);
        let (mut at, mut count) = (0, 0);
        while at < self.len.min(other.len) {
            let (n, m) = (self.read_at(at, &mut left)?, other.read_at(at, &mut right)?);
            let n = n.min(m);
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let (l, r) = (left.get(..n).unwrap_or_default(), right.get(..n).unwrap_or_default());
            if l != r {
                for (i, (x, y)) in l.iter().zip(r).enumerate() {
                    let place = at + i as u64;
                    if x != y && !within(masked, place) {
                        count += 1;
                    }
                }
            }
            at += n as u64;
        }
        Ok(count + self.len.abs_diff(other.len))
    }
}

fn within(ranges: &[(u64, u64)], place: u64) -> bool {
    let next = ranges.partition_point(|(from, _)| *from <= place);
    next.checked_sub(1).and_then(|i| ranges.get(i)).is_some_and(|(_, to)| place < *to)
}

/// Reads a blob from its start.
#[derive(Debug)]
pub(crate) struct BlobReader {
    blob: Blob,
    at: u64,
}

impl BlobReader {
    /// How far the blob has been read.
    pub(crate) const fn position(&self) -> u64 {
        self.at
    }

    /// A fresh buffered reader that begins at a place.
    pub(crate) fn reopen(&self, at: u64) -> io::BufReader<Self> {
        io::BufReader::with_capacity(CHUNK, Self { blob: self.blob.clone(), at })
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.blob.read_at(self.at, buffer)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl io::Seek for BlobReader {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let target = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::End(offset) => self.blob.len.checked_add_signed(offset),
            io::SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

/// Takes a stream's bytes and becomes a blob.
#[derive(Debug)]
pub(crate) struct Spool {
    budget: Arc<Budget>,
    directory: Arc<PathBuf>,
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
    taken: u64,
}

impl Spool {
    pub(crate) fn new(budget: &Arc<Budget>, directory: &Arc<PathBuf>) -> Self {
        Self {
            budget: Arc::clone(budget),
            directory: Arc::clone(directory),
            memory: Vec::new(),
            file: None,
            len: 0,
            taken: 0,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.len += bytes.len() as u64;
        if let Some(file) = &mut self.file {
            self.budget.scratch(bytes.len() as u64)?;
            self.taken += bytes.len() as u64;
            return file.write_all(bytes).map_err(Stop::Scratch);
        }
        if self.len <= self.budget.limits.held_bytes_max {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        self.budget.scratch(self.len)?;
        self.taken = self.len;
        let mut file = temporary(&self.directory)?;
        file.write_all(&self.memory).and_then(|()| file.write_all(bytes)).map_err(Stop::Scratch)?;
        self.memory = Vec::new();
        self.file = Some(file);
        Ok(())
    }

    /// A second spool with the same bytes.
    pub(crate) fn fork(&self) -> Result<Self, Stop> {
        let mut other = Self::new(&self.budget, &self.directory);
        match &self.file {
            None => other.push(&self.memory)?,
            Some(file) => {
                self.budget.scratch(self.len)?;
                other.taken = self.len;
                other.len = self.len;
                let mut copy = temporary(&self.directory)?;
                let mut buffer = vec![0; CHUNK];
                let mut at = 0;
                while at < self.len {
                    let n = file.read_at(&mut buffer, at).map_err(Stop::Scratch)?;
                    if n == 0 {
                        return Err(Stop::Scratch(io::ErrorKind::UnexpectedEof.into()));
                    }
                    copy.write_all(buffer.get(..n).unwrap_or_default()).map_err(Stop::Scratch)?;
                    at += n as u64;
                }
                other.file = Some(copy);
            }
        }
        Ok(other)
    }

    pub(crate) fn finish(mut self) -> Blob {
        match self.file.take() {
            None => Blob::memory(std::mem::take(&mut self.memory)),
            Some(file) => {
                let scratch = Some((Arc::clone(&self.budget), std::mem::take(&mut self.taken)));
                let source = Source::File(Arc::new(Held { file, scratch }));
                Blob { source, start: 0, len: self.len, sha256: None }
            }
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.budget.scratch_back(self.taken);
    }
}

/// A file that has no name and is gone when it is closed.
fn temporary(directory: &Path) -> Result<File, Stop> {
    tempfile::tempfile_in(directory).map_err(Stop::Scratch)
}
