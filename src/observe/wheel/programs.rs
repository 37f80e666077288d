//! Programs in a wheel: what Go wrote into them, read from the packed bytes.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;

use serde::{Deserialize, Serialize};

use crate::archive::zip::ZipEntry;
use crate::limits::observe::ObserveLimits;
use crate::observe::ObserveError;
use crate::observe::go::{self, GoExecutable};

/// A Go program in a wheel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The member.
    pub member: String,
    /// What it says of itself.
    pub go: GoExecutable,
}

/// An executable that could not be looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// The member.
    pub member: String,
    /// Why not.
    pub why: String,
}

/// Whether a file with this beginning may be an executable: ELF, PE, or Mach-O in either byte order.
pub(super) fn is_executable(start: [u8; 4]) -> bool {
    let mach_o = [0xfeed_face_u32, 0xfeed_facf];
    start == *b"\x7fELF"
        || start.starts_with(b"MZ")
        || mach_o.iter().any(|magic| [magic.to_be_bytes(), magic.to_le_bytes()].contains(&start))
}

/// Reads the programs among the executables; `left` bytes may be unpacked for that.
pub(super) fn read(
    file: &File,
    executables: Vec<(String, &ZipEntry)>,
    mut left: u64,
    limits: &ObserveLimits,
) -> (Vec<Program>, Vec<Unread>) {
    let (mut programs, mut unread) = (Vec::new(), Vec::new());
    for (member, entry) in executables {
        if programs.len() + unread.len() >= limits.wheel_programs_max {
            let max = limits.wheel_programs_max as u64;
            let why = ObserveError::Limit { limit: "wheel_programs_max", max }.to_string();
            unread.push(Unread { member, why: format!("{why}; nor were those after it") });
            break;
        }
        let mut unpacked =
            Unpacked { file, entry, decoder: None, recent: Vec::new(), at: 0, wanted: 0, left };
        match go::read(&mut unpacked, limits) {
            Ok(Some(go)) => programs.push(Program { member, go }),
            Ok(None) => {}
            Err(error) => unread.push(Unread { member, why: error.to_string() }),
        }
        left = unpacked.left;
    }
    (programs, unread)
}

/// A member's bytes unpacked; none for a compression that wheels do not have.
pub(super) fn decoder<'f>(file: &'f File, entry: &ZipEntry) -> Option<Box<dyn Read + 'f>> {
    let packed = Packed { file, at: entry.data_at, left: entry.packed_bytes };
    match entry.method {
        0 => Some(Box::new(packed)),
        8 => Some(Box::new(flate2::read::DeflateDecoder::new(packed))),
        _ => None,
    }
}

/// The compressed bytes of one member.
struct Packed<'f> {
    file: &'f File,
    at: u64,
    left: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(buffer.get_mut(..most).unwrap_or_default(), self.at)?;
        (self.at, self.left) = (self.at + n as u64, self.left - n as u64);
        Ok(n)
    }
}

/// Bytes that a reader may go back without unpacking anew: more than any header or table of names.
const RECENT_BYTES: usize = 64 << 10;

/// A member read as if it lay in a file. Going far back unpacks it anew from its beginning, so that no copy is
/// kept; how much may be unpacked in all is bounded.
struct Unpacked<'f> {
    file: &'f File,
    entry: &'f ZipEntry,
    decoder: Option<Box<dyn Read + 'f>>,
    /// The last bytes before that place: who looks for something over a boundary goes a little back.
    recent: Vec<u8>,
    /// Where the decoder stands.
    at: u64,
    /// Where the reader is to stand.
    wanted: u64,
    left: u64,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.wanted >= self.entry.len_bytes {
            return Ok(0);
        }
        let back = usize::try_from(self.at.saturating_sub(self.wanted)).unwrap_or(usize::MAX);
        if back > 0
            && let Some(from) = self.recent.len().checked_sub(back)
        {
            let n = back.min(buffer.len());
            for (to, byte) in buffer.iter_mut().zip(self.recent.iter().skip(from)) {
                *to = *byte;
            }
            self.wanted += n as u64;
            return Ok(n);
        }
        if self.decoder.is_none() || back > 0 {
            (self.decoder, self.at) = (decoder(self.file, self.entry), 0);
            self.recent.clear();
        }
        let decoder = self.decoder.as_mut().ok_or(ErrorKind::Unsupported)?;
        let skip = self.wanted - self.at;
        self.left = self.left.checked_sub(skip.saturating_add(buffer.len() as u64)).ok_or_else(|| {
            Error::new(ErrorKind::FileTooLarge, "more would have to be unpacked than may be")
        })?;
        if skip > 0 {
            self.recent.clear();
        }
        self.at += std::io::copy(&mut decoder.take(skip), &mut std::io::sink())?;
        if self.at < self.wanted {
            return Ok(0);
        }
        let n = decoder.read(buffer)?;
        self.recent.extend(buffer.iter().take(n));
        let old = self.recent.len().saturating_sub(RECENT_BYTES);
        self.recent.drain(..old);
        self.at += n as u64;
        self.wanted = self.at;
        Ok(n)
    }
}

impl Seek for Unpacked<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let wanted = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.wanted.checked_add_signed(by),
            SeekFrom::End(by) => self.entry.len_bytes.checked_add_signed(by),
        };
        self.wanted = wanted.ok_or(ErrorKind::InvalidInput)?;
        Ok(self.wanted)
    }
}
