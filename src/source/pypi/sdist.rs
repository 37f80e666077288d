//! Source distributions: one folder of files and folders in a `.tar.gz` (PEP 517, 625, 721).
//!
//! [`survey`] reads what there is, [`unpack`] writes it into an empty folder. Both refuse what an archive
//! of source has no need of: names that lead elsewhere, links, devices, pipes, two members of one name,
//! more than one folder at the top.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::PypiError;
use crate::archive::compression::Compression;
use crate::archive::tar::{TarEntry, TarReader};
use crate::limits::pypi::PypiLimits;

/// What is known of one regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdistFile {
    /// Permission bits.
    pub mode: u32,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Length in bytes.
    pub len_bytes: u64,
}

/// What a source distribution holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sdist {
    /// The folder at the top.
    pub folder: String,
    /// Regular files by their path below that folder.
    pub files: BTreeMap<String, SdistFile>,
    /// `pyproject.toml`, where there is one.
    pub pyproject: Option<String>,
}

/// Reads all of it and keeps what a build needs to know.
pub fn survey(file: &str, archive: &Path, limits: &PypiLimits) -> Result<Sdist, PypiError> {
    read(file, archive, limits, None)
}

/// Writes it into `to`, an existing empty folder, as the archive has it: contents, permission bits and
/// times of files. The folder at the top itself becomes a folder in `to`.
pub fn unpack(file: &str, archive: &Path, to: &Path, limits: &PypiLimits) -> Result<Sdist, PypiError> {
    read(file, archive, limits, Some(to))
}

fn read(file: &str, archive: &Path, limits: &PypiLimits, to: Option<&Path>) -> Result<Sdist, PypiError> {
    let failed = |source| PypiError::Archive { file: file.to_owned(), source };
    let refuse = |detail: String| PypiError::distribution(file, detail);
    let input = BufReader::new(File::open(archive).map_err(PypiError::disk(archive))?);
    let decoder = Compression::Gzip.decoder(input, &limits.sdist).map_err(failed)?;
    let mut tar = TarReader::new(decoder, &limits.sdist);
    let mut sdist = Sdist::default();
    let mut folders = std::collections::BTreeSet::new();
    let (mut members, mut left) = (0u64, limits.sdist.expanded_bytes_max);
    while let Some(entry) = tar.next_entry().map_err(failed)? {
        members += 1;
        if members > limits.sdist.members_max {
            let (what, limit, max) = (file.to_owned(), "sdist.members_max", limits.sdist.members_max);
            return Err(PypiError::Limit { what, limit, max });
        }
        let path = path(&entry, limits).map_err(refuse)?;
        let (top, below) = path.split_once('/').unwrap_or((&path, ""));
        if sdist.folder.is_empty() {
            top.clone_into(&mut sdist.folder);
        }
        if top != sdist.folder {
            return Err(refuse(format!("it holds `{}` and `{}` side by side", sdist.folder, top)));
        }
        if entry.kind == b'5' {
            if sdist.files.contains_key(below) {
                return Err(refuse(format!("`{path}` is a file and a folder")));
            }
            folders.insert(below.to_owned());
            if let Some(to) = to {
                make_folders(to, &path)?;
            }
            continue;
        }
        if !entry.is_file() || entry.sparse.is_some() || below.is_empty() {
            return Err(refuse(format!("`{path}` is {}", kind(&entry))));
        }
        let parents = below.match_indices('/').filter_map(|(at, _)| below.get(..at));
        for parent in parents {
            if sdist.files.contains_key(parent) {
                return Err(refuse(format!("`{parent}` is a file and a folder")));
            }
            folders.insert(parent.to_owned());
        }
        left = left.checked_sub(entry.len_bytes).ok_or_else(|| PypiError::Limit {
            what: file.to_owned(),
            limit: "sdist.expanded_bytes_max",
            max: limits.sdist.expanded_bytes_max,
        })?;
        let known = SdistFile {
            mode: u32::try_from(entry.mode & 0o777).unwrap_or(0o644),
            mtime: seconds(&entry.mtime).ok_or_else(|| refuse(format!("`{path}` has no time")))?,
            len_bytes: entry.len_bytes,
        };
        if folders.contains(below) || sdist.files.insert(below.to_owned(), known).is_some() {
            return Err(refuse(format!("two members are named `{path}`")));
        }
        if let Some(to) = to {
            if let Some((parent, _)) = path.rsplit_once('/') {
                make_folders(to, parent)?;
            }
            write(&mut tar, &to.join(&path), known, failed)?;
        } else if below == "pyproject.toml" {
            sdist.pyproject = Some(text(&mut tar, &path, limits).map_err(|e| match e {
                Text::Archive(e) => failed(e),
                Text::Refused(detail) => refuse(detail),
            })?);
        }
    }
    if sdist.files.is_empty() {
        return Err(refuse("it holds no file".to_owned()));
    }
    Ok(sdist)
}

/// The member's path, plain: relative, no empty segment, no `.` and no `..`.
fn path(entry: &TarEntry, limits: &PypiLimits) -> Result<String, String> {
    let shown = || String::from_utf8_lossy(&entry.name).escape_debug().to_string();
    let name = std::str::from_utf8(&entry.name).map_err(|_| format!("`{}` is not UTF-8", shown()))?;
    let name = name.strip_prefix("./").unwrap_or(name);
    let name = if entry.kind == b'5' { name.strip_suffix('/').unwrap_or(name) } else { name };
    if !name.split('/').all(super::is_plain_part) {
        return Err(format!("`{}` is not a plain path below one folder", shown()));
    }
    if name.split('/').count() > limits.depth_max {
        return Err(format!("`{}` lies deeper than {} folders", shown(), limits.depth_max));
    }
    Ok(name.to_owned())
}

fn kind(entry: &TarEntry) -> String {
    let what = match entry.kind {
        b'1' | b'2' => "a link",
        b'3' | b'4' => "a device",
        b'6' => "a named pipe",
        _ if entry.sparse.is_some() => "a sparse file",
        _ if entry.is_file() => "a file in the place of the folder at the top",
        other => return format!("of the unknown type {other}"),
    };
    what.to_owned()
}

/// Whole seconds; fractions are cut off as a file system without them would.
fn seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.split('.').next()?.parse().ok()
}

enum Text {
    Archive(crate::archive::ArchiveError),
    Refused(String),
}

fn text<R: Read>(tar: &mut TarReader<R>, path: &str, limits: &PypiLimits) -> Result<String, Text> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let n = tar.read_body(&mut buffer).map_err(Text::Archive)?;
        if n == 0 {
            break;
        }
        bytes.extend_from_slice(buffer.get(..n).unwrap_or_default());
        if bytes.len() as u64 > limits.metadata_bytes_max {
            return Err(Text::Refused(format!("`{path}` has more than {} bytes", limits.metadata_bytes_max)));
        }
    }
    String::from_utf8(bytes).map_err(|_| Text::Refused(format!("`{path}` is not UTF-8")))
}

/// Makes the folders of a plain path, which others may read whatever the caller's umask.
fn make_folders(to: &Path, path: &str) -> Result<(), PypiError> {
    let mut folder = to.to_path_buf();
    for part in path.split('/') {
        folder.push(part);
        match fs::create_dir(&folder) {
            Ok(()) => fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(e),
        }
        .map_err(PypiError::disk(&folder))?;
    }
    Ok(())
}

/// Nothing that was there before is followed or written to: every folder on the way was made here.
fn write<R: Read>(
    tar: &mut TarReader<R>,
    path: &Path,
    known: SdistFile,
    failed: impl Fn(crate::archive::ArchiveError) -> PypiError,
) -> Result<(), PypiError> {
    let mut out = File::create_new(path).map_err(PypiError::disk(path))?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let n = tar.read_body(&mut buffer).map_err(&failed)?;
        if n == 0 {
            break;
        }
        out.write_all(buffer.get(..n).unwrap_or_default()).map_err(PypiError::disk(path))?;
    }
    let time = rustix::fs::Timespec { tv_sec: known.mtime, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::futimens(&out, &times).map_err(|e| PypiError::disk(path)(e.into()))?;
    out.set_permissions(fs::Permissions::from_mode(known.mode)).map_err(PypiError::disk(path))
}
