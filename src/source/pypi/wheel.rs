//! Wheels as archives: their members checked before any is believed, one of them read, all of them
//! unpacked.
//!
//! Headers count for nothing here unless both of a member's say the same, its bytes have the length and
//! the CRC-32 that they give, and no two members share a byte or a name.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::PypiError;
use crate::archive::ArchiveError;
use crate::archive::compression::Bounded;
use crate::archive::zip::{self, ReadAt, ZipEntry};
use crate::limits::pypi::PypiLimits;

/// The host system "Unix" in the upper byte of "version made by".
const MADE_ON_UNIX: u16 = 3;
/// Flag: encrypted.
const ENCRYPTED: u16 = 1;

/// An open wheel whose headers are sound.
#[derive(Debug)]
pub struct WheelFile {
    name: String,
    file: File,
    members: Vec<(String, ZipEntry)>,
    limits: PypiLimits,
}

/// What a member's headers say that a rebuild has to imitate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelMember {
    /// Its path.
    pub path: String,
    /// Time in seconds since 1970, as if the clock on the wall were that of Greenwich; even, for the
    /// format has no odd ones.
    pub time: i64,
    /// Permission bits, where it was written on Unix.
    pub mode: Option<u32>,
}

struct Whole<'a>(&'a File, u64);

impl ReadAt for Whole<'_> {
    fn len_bytes(&self) -> u64 {
        self.1
    }

    fn bytes_at(&self, at: u64, len: usize) -> Result<Vec<u8>, ArchiveError> {
        let end = at.checked_add(len as u64).filter(|end| *end <= self.1);
        if end.is_none() {
            let detail = "a header lies past the end".to_owned();
            return Err(ArchiveError::Truncated { format: "zip", detail });
        }
        let mut bytes = vec![0; len];
        let read = self.0.read_exact_at(&mut bytes, at);
        read.map_err(|source| ArchiveError::Read { format: "zip", source })?;
        Ok(bytes)
    }
}

impl WheelFile {
    /// Opens a wheel; `name` is what messages call it.
    pub fn open(name: &str, path: &Path, limits: &PypiLimits) -> Result<Self, PypiError> {
        let refuse = |detail: String| PypiError::distribution(name, detail);
        let file = File::open(path).map_err(PypiError::disk(path))?;
        let len = file.metadata().map_err(PypiError::disk(path))?.len();
        let read = zip::read(&Whole(&file, len), &limits.sdist)
            .map_err(|source| PypiError::Archive { file: name.to_owned(), source })?;
        if read.overlapping {
            return Err(refuse("two members share bytes".to_owned()));
        }
        let (mut members, mut seen) = (Vec::new(), BTreeSet::new());
        let mut left = limits.sdist.expanded_bytes_max;
        for entry in read.entries {
            let path = plain(&entry, limits).map_err(refuse)?;
            let is_folder = path.ends_with('/');
            let trimmed = path.trim_end_matches('/').to_owned();
            if !seen.insert(trimmed) {
                return Err(refuse(format!("two members are named `{path}`")));
            }
            left = left.checked_sub(entry.len_bytes).ok_or_else(|| PypiError::Limit {
                what: name.to_owned(),
                limit: "sdist.expanded_bytes_max",
                max: limits.sdist.expanded_bytes_max,
            })?;
            if !is_folder {
                members.push((path, entry));
            }
        }
        let files: BTreeSet<&str> = members.iter().map(|(path, _)| path.as_str()).collect();
        for (path, _) in &members {
            let mut parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
            if let Some(parent) = parents.find(|parent| files.contains(parent)) {
                return Err(refuse(format!("`{parent}` is a file and a folder")));
            }
        }
        Ok(Self { name: name.to_owned(), file, members, limits: *limits })
    }

    /// Its files, in the order of the central directory.
    pub fn members(&self) -> impl Iterator<Item = WheelMember> + '_ {
        self.members.iter().map(|(path, entry)| WheelMember {
            path: path.clone(),
            time: time(entry.time.0),
            mode: (entry.made_by >> 8 == MADE_ON_UNIX).then_some((entry.external >> 16) & 0o777),
        })
    }

    /// The one folder `*.dist-info` at the top.
    pub fn dist_info(&self) -> Result<String, PypiError> {
        let of = |(path, _): &(String, ZipEntry)| {
            let (folder, _) = path.split_once('/')?;
            folder.ends_with(".dist-info").then(|| folder.to_owned())
        };
        let folders: BTreeSet<String> = self.members.iter().filter_map(of).collect();
        match folders.len() {
            1 => Ok(folders.into_iter().next().unwrap_or_default()),
            n => Err(PypiError::distribution(&self.name, format!("it has {n} `.dist-info` folders"))),
        }
    }

    /// A text file of it, at most `metadata_bytes_max` long.
    pub fn text(&self, path: &str) -> Result<Option<String>, PypiError> {
        let Some((_, entry)) = self.members.iter().find(|(p, _)| p == path) else { return Ok(None) };
        let max = self.limits.metadata_bytes_max;
        if entry.len_bytes > max {
            let what = format!("{path} of {}", self.name);
            return Err(PypiError::Limit { what, limit: "metadata_bytes_max", max });
        }
        let mut bytes = Vec::new();
        self.content(path, entry, &mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        let refused = |_| PypiError::distribution(&self.name, format!("`{path}` is not UTF-8"));
        String::from_utf8(bytes).map(Some).map_err(refused)
    }

    /// Writes what an installer would put beside Python's own modules into `to`, an existing folder: all
    /// files but scripts, headers and data. Returns how many were written.
    pub fn unpack(&self, to: &Path) -> Result<usize, PypiError> {
        let mut written = 0;
        for (path, entry) in &self.members {
            let Some(place) = place(path) else { continue };
            let path_there = to.join(place);
            if let Some(parent) = path_there.parent() {
                fs::create_dir_all(parent).map_err(PypiError::disk(parent))?;
            }
            // What two wheels both bring would depend on their order.
            let mut out = match File::create_new(&path_there) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                    let detail = format!("`{path}` is there already, from another wheel");
                    return Err(PypiError::distribution(&self.name, detail));
                }
                out => out.map_err(PypiError::disk(&path_there))?,
            };
            self.content(path, entry, &mut |part| out.write_all(part).map_err(PypiError::disk(&path_there)))?;
            written += 1;
        }
        Ok(written)
    }

    /// Hands on the plain bytes, and checks their length and CRC-32 at the end.
    fn content(
        &self,
        path: &str,
        entry: &ZipEntry,
        take: &mut dyn FnMut(&[u8]) -> Result<(), PypiError>,
    ) -> Result<(), PypiError> {
        let refuse = |detail: &str| PypiError::distribution(&self.name, format!("`{path}` {detail}"));
        let mut file = self.file.try_clone().map_err(|_| refuse("cannot be read"))?;
        file.seek(SeekFrom::Start(entry.data_at)).map_err(|_| refuse("cannot be read"))?;
        let packed = BufReader::new(file.take(entry.packed_bytes));
        let plain: Box<dyn Read> = match entry.method {
            0 => Box::new(packed),
            8 => Box::new(flate2::bufread::DeflateDecoder::new(packed)),
            _ => return Err(refuse("is neither stored nor deflated")),
        };
        let mut plain = Bounded::new(plain, entry.len_bytes);
        let (mut crc, mut len, mut buffer) = (flate2::Crc::new(), 0u64, vec![0; 64 << 10]);
        loop {
            let n =
                plain.read(&mut buffer).map_err(|_| refuse("does not unpack to the length it announces"))?;
            let part = buffer.get(..n).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            crc.update(part);
            len += n as u64;
            take(part)?;
        }
        if len != entry.len_bytes || crc.sum() != entry.crc32 {
            return Err(refuse("has other bytes than its header announces"));
        }
        Ok(())
    }
}

/// The path, plain, from a header that says the same twice.
fn plain(entry: &ZipEntry, limits: &PypiLimits) -> Result<String, String> {
    let shown = String::from_utf8_lossy(&entry.name).escape_debug().to_string();
    if entry.name != entry.local_name || entry.method != entry.local_method {
        return Err(format!("the two headers of `{shown}` disagree"));
    }
    if (entry.crc32, entry.packed_bytes, entry.len_bytes) != entry.local_sums {
        return Err(format!("the two headers of `{shown}` disagree about its content"));
    }
    if (entry.flags.0 | entry.flags.1) & ENCRYPTED != 0 {
        return Err(format!("`{shown}` is encrypted"));
    }
    let link = entry.made_by >> 8 == MADE_ON_UNIX && (entry.external >> 16) & 0o170_000 == 0o120_000;
    if link {
        return Err(format!("`{shown}` is a link"));
    }
    let name = std::str::from_utf8(&entry.name).map_err(|_| format!("`{shown}` is not UTF-8"))?;
    let body = name.strip_suffix('/').unwrap_or(name);
    if !body.split('/').all(super::is_plain_part) || body.split('/').count() > limits.depth_max {
        return Err(format!("`{shown}` is not a plain path"));
    }
    Ok(name.to_owned())
}

/// Where an installer puts a member beside Python's modules; none for what goes elsewhere ("Binary
/// distribution format", the `.data` folder).
fn place(path: &str) -> Option<&str> {
    let Some((_, rest)) = path.split_once('/').filter(|(top, _)| top.ends_with(".data")) else {
        return Some(path);
    };
    let (scheme, below) = rest.split_once('/')?;
    matches!(scheme, "purelib" | "platlib").then_some(below)
}

/// Seconds since 1970 of a DOS date and time (APPNOTE 4.4.6).
fn time(dos: u32) -> i64 {
    let field = |at: u32, bits: u32| i64::from((dos >> at) & ((1 << bits) - 1));
    let (second, minute, hour) = (field(0, 5) * 2, field(5, 6), field(11, 5));
    let (day, month, year) = (field(16, 5), field(21, 4), field(25, 7) + 1980);
    // Days from the civil calendar: years begin in March, so that the leap day comes last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719_468;
    ((days * 24 + hour) * 60 + minute) * 60 + second
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dos_times_become_seconds() {
        let dos = |y: u32, mo: u32, d: u32, h: u32, mi: u32, s: u32| {
            ((y - 1980) << 25) | (mo << 21) | (d << 16) | (h << 11) | (mi << 5) | (s / 2)
        };
        for (at, expected) in [
            (dos(1980, 1, 1, 0, 0, 0), 315_532_800),
            (dos(2020, 2, 2, 0, 0, 0), 1_580_601_600),
            (dos(2024, 2, 29, 23, 59, 58), 1_709_251_198),
            (dos(2025, 6, 2, 14, 27, 14), 1_748_874_434),
        ] {
            assert_eq!(time(at), expected);
        }
    }

    #[test]
    fn only_modules_have_a_place() {
        for (path, expected) in [
            ("a/b.py", Some("a/b.py")),
            ("x-1.dist-info/WHEEL", Some("x-1.dist-info/WHEEL")),
            ("x-1.data/purelib/a.py", Some("a.py")),
            ("x-1.data/scripts/run", None),
            ("x-1.data/odd", None),
        ] {
            assert_eq!(place(path), expected, "{path}");
        }
    }
}
