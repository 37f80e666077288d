//! A published archive taken apart: tar in any compression that is read here, or zip.
//!
//! The archive is hostile until shown otherwise. Members go to files with numbers for names, in a folder
//! of their own; their names are only ever compared. What the archive's own headers say is told as
//! differences beside the members: nothing of it comes from the source. Where reading has to stop, that is
//! told too, and what was read until then is kept.

mod fields;
mod gzip;
mod unzip;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::super::AuditError;
use crate::archive::ArchiveError;
use crate::archive::compression::{Bounded, Compression};
use crate::archive::tar::{TarEntry, TarReader};
use crate::compare::{Cause, Difference, Side, Stopped};
use crate::component::{Member, Origin};
use crate::limits::archive::ArchiveLimits;
use fields::Fields;

/// Mode of a folder and of a program, and of any other file, in an archive that nobody has tampered with.
pub(super) const PROGRAM: u64 = 0o755;
pub(super) const FILE: u64 = 0o644;
/// What of a mode has a meaning: rights, and the bits that give another user's.
pub(super) const MODE_BITS: u64 = 0o7777;
/// Bytes moved at a time.
const BUFFER_BYTES: usize = 128 << 10;

/// An archive, taken apart.
#[derive(Default)]
pub(super) struct Parts {
    /// Regular files by name.
    pub(super) files: BTreeMap<String, Part>,
    /// What its headers say beside that.
    pub(super) headers: Vec<Difference>,
    /// Where reading stopped before the end.
    pub(super) stopped: Vec<Stopped>,
}

/// A regular file of an archive.
pub(super) struct Part {
    /// Its bytes, in a scratch folder.
    pub(super) path: PathBuf,
    /// Its mode, where the archive has one.
    pub(super) mode: Option<u64>,
}

/// Takes an archive apart into an empty folder.
///
/// # Errors
///
/// When the disk cannot be used. What is wrong with the archive is told in the parts.
pub(super) fn take_apart(archive: &Path, to: &Path, limits: &ArchiveLimits) -> Result<Parts, AuditError> {
    let mut taking = Taking::new(to, limits);
    let end = taking.read(archive);
    let Taking { mut parts, fields, .. } = taking;
    match end {
        Err(AuditError::Archive(error)) if !is_disk(&error) => parts.stopped.push(stopped(&error)),
        other => other?,
    }
    parts.headers.extend(fields.differences());
    Ok(parts)
}

/// Whether it is the system that failed, and not the bytes.
fn is_disk(error: &ArchiveError) -> bool {
    matches!(error, ArchiveError::Read { source, .. } if source.raw_os_error().is_some())
}

fn stopped(error: &ArchiveError) -> Stopped {
    let (cause, detail) = match error {
        ArchiveError::Limit { limit: "members_max", .. } => (Cause::LimitMembers, error.to_string()),
        ArchiveError::Limit { .. } => (Cause::LimitBytes, error.to_string()),
        ArchiveError::Truncated { .. } => (Cause::Truncated, error.to_string()),
        ArchiveError::Malformed { .. } => (Cause::Malformed, error.to_string()),
        ArchiveError::Read { source, .. } => (
            match source.kind() {
                std::io::ErrorKind::UnexpectedEof => Cause::Truncated,
                std::io::ErrorKind::FileTooLarge => Cause::LimitBytes,
                _ => Cause::Malformed,
            },
            format!("{error}: {source}"),
        ),
    };
    Stopped { path: ".".to_owned(), cause, side: Side::Published, detail }
}

impl Parts {
    /// A file that is no archive: its own and only member.
    pub(super) fn whole(name: String, path: PathBuf) -> Self {
        Self { files: BTreeMap::from([(name, Part { path, mode: None })]), ..Self::default() }
    }

    /// Tells each mode that is not the recipe's; where it names none, not that of a program, where the recipe
    /// builds one, or of a plain file.
    pub(super) fn check_modes(&mut self, members: &[Member]) {
        let found: Vec<Difference> = self
            .files
            .iter()
            .filter_map(|(name, part)| {
                let expected = match members.iter().find(|m| m.path == *name) {
                    Some(Member { mode: Some(mode), .. }) => u64::from(*mode),
                    Some(Member { origin: Origin::Binary(_), .. }) => PROGRAM,
                    _ => FILE,
                };
                mode(name, expected, part.mode?)
            })
            .collect();
        self.headers.extend(found);
    }
}

fn mode(name: &str, expected: u64, found: u64) -> Option<Difference> {
    let found = found & MODE_BITS;
    (found != expected)
        .then(|| difference(name, Cause::FileMode, Some(format!("{found:04o}")), &format!("{expected:04o}")))
}

/// An archive on its way.
struct Taking<'a> {
    to: &'a Path,
    limits: &'a ArchiveLimits,
    parts: Parts,
    fields: Fields,
    count: u64,
    /// Bytes that may still be written.
    left: u64,
}

impl<'a> Taking<'a> {
    fn new(to: &'a Path, limits: &'a ArchiveLimits) -> Self {
        let (parts, fields) = (Parts::default(), Fields::default());
        Self { to, limits, parts, fields, count: 0, left: limits.expanded_bytes_max }
    }

    fn read(&mut self, archive: &Path) -> Result<(), AuditError> {
        let disk = |source| AuditError::Work { path: archive.to_path_buf(), source };
        let mut file = File::open(archive).map_err(disk)?;
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(gzip::HEADER_BYTES_MAX).read_to_end(&mut start).map_err(disk)?;
        file.rewind().map_err(disk)?;
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            return self.zip(&file);
        }
        let inner = BufReader::new(file);
        let reader: Box<dyn Read + Send> = match Compression::recognise(&start) {
            Some(compression) => {
                if compression == Compression::Gzip {
                    gzip::note(&start, &mut self.fields);
                }
                compression.decoder(inner, self.limits)?
            }
            None => Box::new(inner),
        };
        let mut tar = TarReader::new(Bounded::new(reader, self.limits.expanded_bytes_max), self.limits);
        while let Some(entry) = tar.next_entry()? {
            self.tar_member(&entry, &mut tar)?;
        }
        if tar.end().is_some_and(|end| end.other_bytes > 0) {
            let expected = "nothing after the archive's end";
            self.parts.headers.push(difference(
                ".",
                Cause::Content,
                Some("other bytes".to_owned()),
                expected,
            ));
        }
        Ok(())
    }

    fn tar_member(&mut self, entry: &TarEntry, tar: &mut TarReader<impl Read>) -> Result<(), AuditError> {
        let name = String::from_utf8_lossy(&entry.name).trim_end_matches('/').to_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
        self.begin("tar")?;
        self.fields.tar(&name, entry);
        for (key, _) in entry.pax.iter().filter(|(key, _)| is_xattr(key)) {
            let said = String::from_utf8_lossy(key).into_owned();
            self.parts.headers.push(difference(&name, Cause::TarXattr, Some(said), "none"));
        }
        if entry.kind == b'5' {
            self.parts.headers.extend(mode(&name, PROGRAM, entry.mode));
            return Ok(());
        }
        if !entry.is_file() {
            let kind = char::from(entry.kind).escape_default().to_string();
            let link = String::from_utf8_lossy(&entry.link).into_owned();
            let said = format!("type `{kind}`{}{link}", if link.is_empty() { "" } else { ", to " });
            self.parts.headers.push(difference(&name, Cause::FileType, Some(said), "a regular file"));
            return Ok(());
        }
        self.take("tar", name, Some(entry.mode), |buffer| tar.read_body(buffer))
    }

    /// Counts a member.
    fn begin(&mut self, format: &'static str) -> Result<(), ArchiveError> {
        self.count += 1;
        let max = self.limits.members_max;
        if self.count > max {
            return Err(ArchiveError::Limit { format, limit: "members_max", max });
        }
        Ok(())
    }

    /// Writes a member's bytes to the next file; a sparse file's holes count as what they come out as.
    fn take(
        &mut self,
        format: &'static str,
        name: String,
        mode: Option<u64>,
        mut next: impl FnMut(&mut [u8]) -> Result<usize, ArchiveError>,
    ) -> Result<(), AuditError> {
        let path = self.to.join(self.count.to_string());
        let disk = |source| AuditError::Work { path: path.clone(), source };
        let mut out = File::create_new(&path).map_err(disk)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let n = next(&mut buffer)?;
            if n == 0 {
                break;
            }
            let max = self.limits.expanded_bytes_max;
            self.left = self.left.checked_sub(n as u64).ok_or(ArchiveError::Limit {
                format,
                limit: "expanded_bytes_max",
                max,
            })?;
            out.write_all(buffer.get(..n).unwrap_or_default()).map_err(disk)?;
        }
        if self.parts.files.insert(name.clone(), Part { path, mode }).is_some() {
            self.parts.headers.push(difference(&name, Cause::DuplicateName, None, "each name once"));
        }
        Ok(())
    }
}

/// Extended attributes as star, GNU tar and libarchive write them: rights beside the mode among them.
fn is_xattr(key: &[u8]) -> bool {
    [&b"SCHILY.xattr."[..], b"LIBARCHIVE.xattr.", b"SCHILY.acl.", b"RHT.security."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

pub(super) fn difference(path: &str, cause: Cause, published: Option<String>, expected: &str) -> Difference {
    Difference {
        a: published.map(|text| text.escape_debug().to_string()),
        b: Some(expected.to_owned()),
        ..Difference::exact(&path.escape_debug().to_string(), cause)
    }
}

#[cfg(test)]
mod tests;
