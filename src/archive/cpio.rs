//! cpio archives in the `newc`, `crc` and `odc` (POSIX.1 portable) forms, as rpm and the Linux kernel
//! use them. A streaming reader; the member `TRAILER!!!` ends the archive.

use std::io::Read;

use super::ArchiveError;
use crate::limits::archive::ArchiveLimits;

const FORMAT: &str = "cpio";

/// Name of the member that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// One member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpioEntry {
    /// Name without the closing NUL.
    pub name: Vec<u8>,
    /// Inode number.
    pub inode: u64,
    /// Mode with the kind of file.
    pub mode: u64,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Number of links.
    pub links: u64,
    /// Modification time, seconds since 1970.
    pub mtime: u64,
    /// Length of the body in bytes.
    pub len_bytes: u64,
    /// Device that holds the file.
    pub device: (u64, u64),
    /// The device that a special file stands for.
    pub special: (u64, u64),
    /// Sum of the body's bytes (`crc` form), else 0.
    pub sum: u64,
    /// Magic, header and name as they stand.
    pub raw: Vec<u8>,
}

/// Streaming reader: alternate [`CpioReader::next_entry`] and [`CpioReader::read_body`].
#[derive(Debug)]
pub struct CpioReader<R> {
    inner: R,
    limits: ArchiveLimits,
    left: u64,
    padding: usize,
    ended: bool,
    /// Zero bytes after the trailer, and others after them.
    trailing: (u64, u64),
    offset: u64,
}

/// Whether bytes begin with a cpio header.
pub fn looks_like(head: &[u8]) -> bool {
    let (digits, radix) = match head.get(..6) {
        Some(b"070701" | b"070702") => (head.get(6..110), 16),
        Some(b"070707") => (head.get(6..76), 8),
        _ => return false,
    };
    digits.is_some_and(|d| d.iter().all(|b| char::from(*b).is_digit(radix)))
}

impl<R: Read> CpioReader<R> {
    /// Begins at the first header.
    pub fn new(inner: R, limits: &ArchiveLimits) -> Self {
        Self { inner, limits: *limits, left: 0, padding: 0, ended: false, trailing: (0, 0), offset: 0 }
    }

    /// Zero bytes after the end, and what follows them, once the end was reached.
    pub const fn trailing(&self) -> (u64, u64) {
        self.trailing
    }

    /// Length of what was read so far; of the whole stream once the end was reached.
    pub const fn length(&self) -> u64 {
        self.offset
    }

    /// The next member, or `None` at the trailer. What is left of a body is skipped.
    pub fn next_entry(&mut self) -> Result<Option<CpioEntry>, ArchiveError> {
        if self.ended {
            return Ok(None);
        }
        let mut scratch = [0u8; 8192];
        while self.read_body(&mut scratch)? > 0 {}
        let mut pad = [0u8; 4];
        let padding = std::mem::take(&mut self.padding);
        self.exact(pad.get_mut(..padding).unwrap_or_default(), "the padding of a member")?;
        let mut raw = vec![0; 6];
        self.exact(&mut raw, "a header")?;
        let newc = match raw.as_slice() {
            b"070701" | b"070702" => true,
            b"070707" => false,
            _ => return Err(malformed("a header has no cpio magic")),
        };
        let mut rest = vec![0; if newc { 104 } else { 70 }];
        self.exact(&mut rest, "a header")?;
        raw.extend_from_slice(&rest);
        let number = |from: usize, to: usize| -> Result<u64, ArchiveError> {
            let text = rest.get(from..to).and_then(|t| std::str::from_utf8(t).ok());
            text.filter(|t| !t.starts_with('+'))
                .and_then(|t| u64::from_str_radix(t, if newc { 16 } else { 8 }).ok())
                .ok_or_else(|| malformed("a number in a header is not one"))
        };
        let field = |i: usize| number(i * 8, i * 8 + 8);
        let mut entry = if newc {
            CpioEntry {
                name: Vec::new(),
                inode: field(0)?,
                mode: field(1)?,
                uid: field(2)?,
                gid: field(3)?,
                links: field(4)?,
                mtime: field(5)?,
                len_bytes: field(6)?,
                device: (field(7)?, field(8)?),
                special: (field(9)?, field(10)?),
                sum: field(12)?,
                raw: Vec::new(),
            }
        } else {
            CpioEntry {
                name: Vec::new(),
                inode: number(6, 12)?,
                mode: number(12, 18)?,
                uid: number(18, 24)?,
                gid: number(24, 30)?,
                links: number(30, 36)?,
                mtime: number(42, 53)?,
                len_bytes: number(59, 70)?,
                device: (number(0, 6)?, 0),
                special: (number(36, 42)?, 0),
                sum: 0,
                raw: Vec::new(),
            }
        };
        let name_len = if newc { field(11)? } else { number(53, 59)? };
        let most = self.limits.name_bytes_max;
        let name_len = usize::try_from(name_len)
            .ok()
            .filter(|n| *n <= most + 1)
            .ok_or(ArchiveError::Limit { format: FORMAT, limit: "name_bytes_max", max: most as u64 })?;
        let padded = if newc { (raw.len() + name_len).next_multiple_of(4) - raw.len() } else { name_len };
        let mut name = vec![0; padded];
        self.exact(&mut name, "a name")?;
        raw.extend_from_slice(&name);
        name.truncate(name_len);
        if name.pop() != Some(0) {
            return Err(malformed("a name does not end in NUL"));
        }
        if name == TRAILER {
            self.finish()?;
            return Ok(None);
        }
        entry.name = name;
        entry.raw = raw;
        self.left = entry.len_bytes;
        self.padding = if newc { usize::try_from((4 - entry.len_bytes % 4) % 4).unwrap_or(0) } else { 0 };
        Ok(Some(entry))
    }

    /// Reads the current body; 0 at its end.
    pub fn read_body(&mut self, buffer: &mut [u8]) -> Result<usize, ArchiveError> {
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

    fn finish(&mut self) -> Result<(), ArchiveError> {
        self.ended = true;
        let mut buffer = vec![0u8; 8192];
        loop {
            let n = match self.inner.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(ArchiveError::Read { format: FORMAT, source }),
            };
            self.offset += n as u64;
            let part = buffer.get(..n).unwrap_or_default();
            let zeros = if self.trailing.1 > 0 { 0 } else { part.iter().take_while(|b| **b == 0).count() };
            self.trailing.0 += zeros as u64;
            self.trailing.1 += (n - zeros) as u64;
        }
    }

    fn exact(&mut self, buffer: &mut [u8], what: &str) -> Result<(), ArchiveError> {
        self.inner.read_exact(buffer).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => truncated(what),
            _ => ArchiveError::Read { format: FORMAT, source },
        })?;
        self.offset += buffer.len() as u64;
        Ok(())
    }
}

fn malformed(detail: &str) -> ArchiveError {
    ArchiveError::Malformed { format: FORMAT, detail: detail.to_owned() }
}

fn truncated(what: &str) -> ArchiveError {
    ArchiveError::Truncated { format: FORMAT, detail: format!("inside {what}") }
}
