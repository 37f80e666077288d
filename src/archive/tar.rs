//! The tar archive as it stands: POSIX.1-2017 `pax` and `ustar`, GNU's long names, sparse files and
//! base-256 numbers, and the old V7 form.
//!
//! A streaming reader that hides nothing: each entry keeps its header blocks as they are, padding and
//! what follows the end are told, and a sparse file's holes come out as zero bytes. A header whose
//! checksum is wrong, a negative or overlong size and a broken PAX record are errors.

mod header;
mod sparse;

use std::io::Read;

pub use header::{BLOCK, Dialect, looks_like};

use super::ArchiveError;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::limits::archive::ArchiveLimits;
use header::{number, text};

pub(super) const FORMAT: &str = "tar";

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Name, from PAX, GNU long name, or the header with its prefix.
    pub name: Vec<u8>,
    /// Link target, empty for what is no link.
    pub link: Vec<u8>,
    /// The type flag as it stands; NUL is the old form of `0`.
    pub kind: u8,
    /// Mode as it stands.
    pub mode: u64,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Owner's name.
    pub uname: Vec<u8>,
    /// Group's name.
    pub gname: Vec<u8>,
    /// Modification time as canonical text: seconds, with a fraction where PAX gives one.
    pub mtime: Vec<u8>,
    /// Bytes stored in the archive.
    pub stored_bytes: u64,
    /// Bytes of the file; more than stored for a sparse one.
    pub len_bytes: u64,
    /// Device numbers, as they stand.
    pub device: (u64, u64),
    /// How the header is written.
    pub dialect: Dialect,
    /// Local PAX records in order, standard ones included.
    pub pax: Vec<(Vec<u8>, Vec<u8>)>,
    /// Global PAX records that came since the entry before.
    pub global: Vec<(Vec<u8>, Vec<u8>)>,
    /// Where a sparse file has data: offset and length.
    pub sparse: Option<Vec<(u64, u64)>>,
    /// Every header block since the entry before, with the bodies of extension headers.
    pub raw: Vec<u8>,
}

impl TarEntry {
    /// Whether it is a regular file, sparse or not.
    pub const fn is_file(&self) -> bool {
        matches!(self.kind, b'0' | 0 | b'7' | b'S')
    }
}

/// What follows the last member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TarEnd {
    /// Zero bytes, from the first zero block on.
    pub zero_bytes: u64,
    /// Bytes after them, from the first that is not zero.
    pub other_bytes: u64,
    /// SHA-256 of those.
    pub other_sha256: Option<Digest>,
    /// Length of the whole archive in bytes.
    pub total_bytes: u64,
}

/// Streaming reader: alternate [`TarReader::next_entry`] and [`TarReader::read_body`].
#[derive(Debug)]
pub struct TarReader<R> {
    inner: R,
    limits: ArchiveLimits,
    left: u64,
    padding: usize,
    body: sparse::Position,
    offset: u64,
    global: Vec<(Vec<u8>, Vec<u8>)>,
    last_padding: Vec<u8>,
    end: Option<TarEnd>,
}

impl<R: Read> TarReader<R> {
    /// Begins at the first header.
    pub fn new(inner: R, limits: &ArchiveLimits) -> Self {
        Self {
            inner,
            limits: *limits,
            left: 0,
            padding: 0,
            body: sparse::Position::default(),
            offset: 0,
            global: Vec::new(),
            last_padding: Vec::new(),
            end: None,
        }
    }

    /// What follows the last member, once [`TarReader::next_entry`] has given `None`.
    pub fn end(&self) -> Option<&TarEnd> {
        self.end.as_ref()
    }

    /// Where the reader stands: after [`TarReader::next_entry`], where the body begins.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that fill up the last body that was passed, normally zero.
    pub fn last_padding(&self) -> &[u8] {
        &self.last_padding
    }

    /// The next member, or `None` at the end. What is left of a body is skipped.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, ArchiveError> {
        if self.end.is_some() {
            return Ok(None);
        }
        self.skip_body()?;
        let mut raw = Vec::new();
        let (mut pax, mut global) = (Vec::new(), Vec::new());
        let (mut long_name, mut long_link) = (None, None);
        loop {
            let mut block = [0u8; BLOCK];
            let have = self.fill(&mut block)?;
            if have == 0 && raw.is_empty() {
                self.end = Some(TarEnd::default());
                return Ok(None);
            }
            if have < BLOCK {
                return Err(truncated("a header"));
            }
            if block.iter().all(|b| *b == 0) {
                if !raw.is_empty() {
                    return Err(self.malformed("an extension header is followed by the end"));
                }
                self.finish()?;
                return Ok(None);
            }
            header::check(&block).map_err(|detail| self.malformed(detail))?;
            self.keep(&mut raw, &block)?;
            let kind = block.get(156).copied().unwrap_or_default();
            let size = number(block.get(124..136)).ok_or_else(|| self.malformed("a size is not a number"))?;
            match kind {
                b'x' | b'X' | b'g' | b'L' | b'K' => {
                    let body = self.extension(size, &mut raw)?;
                    match kind {
                        b'L' => long_name = Some(super::bytes::until_nul(&body).to_vec()),
                        b'K' => long_link = Some(super::bytes::until_nul(&body).to_vec()),
                        b'g' => global.extend(header::records(&body).map_err(|d| self.malformed(d))?),
                        _ => pax.extend(header::records(&body).map_err(|d| self.malformed(d))?),
                    }
                }
                _ => {
                    for (key, value) in &global {
                        self.global.retain(|(k, _)| k != key);
                        self.global.push((key.clone(), value.clone()));
                    }
                    let mut entry = self.entry(&block, size, pax, long_name, long_link)?;
                    entry.global = global;
                    self.open_body(&mut entry, &block, &mut raw)?;
                    entry.raw = raw;
                    return Ok(Some(entry));
                }
            }
        }
    }

    fn entry(
        &self,
        block: &[u8; BLOCK],
        size: u64,
        pax: Vec<(Vec<u8>, Vec<u8>)>,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> Result<TarEntry, ArchiveError> {
        let field = |from: usize, to: usize| text(block.get(from..to));
        let dialect = Dialect::of(block, !pax.is_empty(), long_name.is_some() || long_link.is_some());
        let posix = block.get(257..263) == Some(b"ustar\0");
        let look = |key: &[u8]| {
            pax.iter()
                .rev()
                .chain(self.global.iter().rev())
                .find(|(k, _)| k == key)
                .map(|(_, v)| v.as_slice())
        };
        let mut name = field(0, 100);
        let prefix = field(345, 500);
        if posix && !prefix.is_empty() {
            name = [prefix.as_slice(), b"/", name.as_slice()].concat();
        }
        let pick = |key: &[u8], long: Option<Vec<u8>>, plain: Vec<u8>| {
            look(key).map(<[u8]>::to_vec).or(long).unwrap_or(plain)
        };
        let count = |key: &[u8], from: usize, to: usize, what: &str| -> Result<u64, ArchiveError> {
            match look(key) {
                Some(value) => header::decimal(value),
                None => number(block.get(from..to)),
            }
            .ok_or_else(|| self.malformed(format!("{what} is not a number")))
        };
        let mtime = match look(b"mtime") {
            Some(value) => header::canonical_time(value),
            None => header::signed(block.get(136..148)).map(|n| n.to_string().into_bytes()),
        }
        .ok_or_else(|| self.malformed("a time is not a number"))?;
        let stored = match look(b"size") {
            Some(value) => {
                header::decimal(value).ok_or_else(|| self.malformed("a PAX size is not a number"))?
            }
            None => size,
        };
        let kind = block.get(156).copied().unwrap_or_default();
        // Links, devices, directories and pipes have no body whatever their size says (POSIX).
        let stored = if matches!(kind, b'1'..=b'6') { 0 } else { stored };
        let entry = TarEntry {
            name: pick(b"path", long_name, name),
            link: pick(b"linkpath", long_link, field(157, 257)),
            kind,
            mode: number(block.get(100..108)).ok_or_else(|| self.malformed("a mode is not a number"))?,
            uid: count(b"uid", 108, 116, "an owner")?,
            gid: count(b"gid", 116, 124, "a group")?,
            uname: pick(b"uname", None, field(265, 297)),
            gname: pick(b"gname", None, field(297, 329)),
            mtime,
            stored_bytes: stored,
            len_bytes: stored,
            device: (
                number(block.get(329..337)).unwrap_or_default(),
                number(block.get(337..345)).unwrap_or_default(),
            ),
            dialect,
            pax,
            global: Vec::new(),
            sparse: None,
            raw: Vec::new(),
        };
        if entry.name.len().max(entry.link.len()) > self.limits.name_bytes_max {
            return Err(ArchiveError::Limit {
                format: FORMAT,
                limit: "name_bytes_max",
                max: self.limits.name_bytes_max as u64,
            });
        }
        Ok(entry)
    }

    fn open_body(
        &mut self,
        entry: &mut TarEntry,
        block: &[u8; BLOCK],
        raw: &mut Vec<u8>,
    ) -> Result<(), ArchiveError> {
        self.left = entry.stored_bytes;
        self.padding = usize::try_from((BLOCK as u64 - entry.stored_bytes % BLOCK as u64) % BLOCK as u64)
            .unwrap_or_default();
        self.body = sparse::Position::default();
        let mut map = sparse::from_pax(entry).map_err(|d| self.malformed(d))?;
        if entry.kind == b'S' {
            map = Some(self.old_gnu_map(block, raw)?);
        }
        if let Some(sparse::Map::InBody { name, len_bytes }) = map {
            entry.name = name.unwrap_or_else(|| std::mem::take(&mut entry.name));
            entry.len_bytes = len_bytes;
            map = Some(self.map_in_body(len_bytes)?);
        }
        if let Some(sparse::Map::Known { name, len_bytes, pieces }) = map {
            sparse::check(&pieces, len_bytes, self.left).map_err(|d| self.malformed(d))?;
            entry.name = name.unwrap_or_else(|| std::mem::take(&mut entry.name));
            entry.len_bytes = len_bytes;
            self.body = sparse::Position::new(&pieces, len_bytes);
            entry.sparse = Some(pieces);
        }
        Ok(())
    }

    /// GNU's old form: four pieces in the header, more in following blocks.
    fn old_gnu_map(&mut self, block: &[u8; BLOCK], raw: &mut Vec<u8>) -> Result<sparse::Map, ArchiveError> {
        let len_bytes = number(block.get(483..495)).ok_or_else(|| self.malformed("a sparse size"))?;
        let mut pieces = sparse::pieces(block.get(386..482)).map_err(|d| self.malformed(d))?;
        let mut more = block.get(482).is_some_and(|b| *b != 0);
        while more {
            let mut next = [0u8; BLOCK];
            if self.fill(&mut next)? < BLOCK {
                return Err(truncated("a sparse map"));
            }
            self.keep(raw, &next)?;
            pieces.extend(sparse::pieces(next.get(..504)).map_err(|d| self.malformed(d))?);
            more = next.get(504).is_some_and(|b| *b != 0);
        }
        Ok(sparse::Map::Known { name: None, len_bytes, pieces })
    }

    /// PAX sparse format 1.0: the map is the first blocks of the body, decimal numbers on lines.
    fn map_in_body(&mut self, len_bytes: u64) -> Result<sparse::Map, ArchiveError> {
        let mut text = Vec::new();
        let pieces = loop {
            let mut next = [0u8; BLOCK];
            if self.left < BLOCK as u64 {
                return Err(self.malformed("a sparse map is longer than its body"));
            }
            if self.fill(&mut next)? < BLOCK {
                return Err(truncated("a sparse map"));
            }
            self.left -= BLOCK as u64;
            self.keep(&mut text, &next)?;
            if let Some(pieces) = sparse::lines(&text).map_err(|d| self.malformed(d))? {
                break pieces;
            }
        };
        Ok(sparse::Map::Known { name: None, len_bytes, pieces })
    }

    /// Reads the current body, holes as zero bytes; 0 at its end.
    pub fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        match self.body.next(buffer.len()) {
            sparse::Next::Plain => {}
            sparse::Next::Hole(n) => {
                buffer.get_mut(..n).unwrap_or_default().fill(0);
                return Ok(n);
            }
            sparse::Next::Data(n) => {
                let n = self.stored(buffer.get_mut(..n).unwrap_or_default())?;
                self.body.read(n);
                return Ok(n);
            }
            sparse::Next::End => return Ok(0),
        }
        self.stored(buffer)
    }

    fn stored(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        loop {
            match self.inner.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return Err(truncated("a member's body")),
                Ok(n) => {
                    self.left -= n as u64;
                    self.offset += n as u64;
                    return Ok(n);
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ArchiveError::Read { format: FORMAT, source }),
            }
        }
    }

    /// Passes the rest of the current body and its padding.
    pub fn skip_body(&mut self) -> Result<(), ArchiveError> {
        self.body = sparse::Position::default();
        let mut scratch = [0u8; 8192];
        while self.left > 0 {
            self.stored(&mut scratch)?;
        }
        let padding = std::mem::take(&mut self.padding);
        let mut bytes = [0u8; BLOCK];
        let part = bytes.get_mut(..padding).unwrap_or_default();
        let have = self.fill(part)?;
        if have < padding {
            return Err(truncated("the padding of a member"));
        }
        self.last_padding = part.to_vec();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ArchiveError> {
        let mut end = TarEnd { zero_bytes: BLOCK as u64, ..TarEnd::default() };
        let mut other = Hasher::new(Algorithm::Sha256);
        let mut buffer = vec![0u8; 32 << 10];
        loop {
            let n = self.fill(&mut buffer)?;
            let part = buffer.get(..n).unwrap_or_default();
            if n == 0 {
                break;
            }
            let zeros = if end.other_bytes > 0 { 0 } else { part.iter().take_while(|b| **b == 0).count() };
            end.zero_bytes += zeros as u64;
            end.other_bytes += (n - zeros) as u64;
            other.update(part.get(zeros..).unwrap_or_default());
        }
        end.other_sha256 = (end.other_bytes > 0).then(|| other.finish());
        end.total_bytes = self.offset;
        self.end = Some(end);
        Ok(())
    }

    fn extension(&mut self, size: u64, raw: &mut Vec<u8>) -> Result<Vec<u8>, ArchiveError> {
        let padded = size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX);
        let most = self.limits.header_bytes_max;
        let length = usize::try_from(padded).ok().filter(|_| padded <= most).ok_or(ArchiveError::Limit {
            format: FORMAT,
            limit: "header_bytes_max",
            max: most,
        })?;
        let mut body = vec![0; length];
        if self.fill(&mut body)? < length {
            return Err(truncated("an extension header"));
        }
        self.keep(raw, &body)?;
        body.truncate(usize::try_from(size).unwrap_or(length));
        Ok(body)
    }

    fn keep(&self, raw: &mut Vec<u8>, bytes: &[u8]) -> Result<(), ArchiveError> {
        if (raw.len() + bytes.len()) as u64 > self.limits.header_bytes_max {
            return Err(ArchiveError::Limit {
                format: FORMAT,
                limit: "header_bytes_max",
                max: self.limits.header_bytes_max,
            });
        }
        raw.extend_from_slice(bytes);
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
        let mut have = 0;
        while let Some(rest) = buffer.get_mut(have..).filter(|r| !r.is_empty()) {
            match self.inner.read(rest) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ArchiveError::Read { format: FORMAT, source }),
            }
        }
        self.offset += have as u64;
        Ok(have)
    }

    fn malformed(&self, detail: impl Into<String>) -> ArchiveError {
        let detail = format!("{} before offset {}", detail.into(), self.offset);
        ArchiveError::Malformed { format: FORMAT, detail }
    }
}

fn truncated(what: &str) -> ArchiveError {
    ArchiveError::Truncated { format: FORMAT, detail: format!("inside {what}") }
}
