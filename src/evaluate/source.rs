//! The authenticated source of one release, as far as checks ask for it: in memory, with the
//! distribution's patches.
//!
//! Files are read from the store's archives, whose digests a signed index announces; nothing is written.
//! Of each archive the first folder is left out where all members lie in it, as `dpkg-source` does. Then
//! Debian's patches are applied in the order of `debian/patches/series`. A patch that cannot be applied
//! leaves its files unknown: neither their old nor a guessed text is shown to a check.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read, Seek as _};
use std::path::Path;

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};
use miette::Diagnostic;

use super::evidence::SourcePath;
use crate::archive::ArchiveError;
use crate::archive::compression::{Bounded, Compression};
use crate::archive::tar::TarReader;
use crate::limits::archive::ArchiveLimits;
use crate::limits::evaluate::SourceLimits;

/// Why a source could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SourceTreeError {
    /// An archive could not be read.
    #[error("cannot read `{name}`")]
    #[diagnostic(
        code(evaluate::source_archive),
        help("the signed index announces these bytes; check the store with `reprove store verify`")
    )]
    Archive {
        /// The file of the source package.
        name: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// It could not be opened.
    #[error("cannot open `{name}`")]
    #[diagnostic(
        code(evaluate::source_open),
        help("check that the store may be read; `reprove store verify` hashes it again")
    )]
    Open {
        /// The file of the source package.
        name: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// More than checks may read.
    #[error("the source passes a limit: {limit}")]
    #[diagnostic(
        code(evaluate::source_limit),
        help(
            "name narrower paths in the checks; treat a source of such size as hostile where it is not expected"
        )
    )]
    Limit {
        /// Which, with its value.
        limit: String,
    },
}

/// One file, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceFile {
    /// Its bytes after the patches.
    Known(Vec<u8>),
    /// Its bytes are not known, and why.
    Unknown(String),
}

/// The source of one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseSource {
    /// Source package and version.
    pub package: String,
    files: BTreeMap<String, SourceFile>,
}

/// A member that is kept: its path, and its bytes.
type Kept = BTreeMap<String, Vec<u8>>;

const DEBIAN: &str = "debian/";

impl ReleaseSource {
    /// Reads what `wanted` names from the archives of a source package: `files` are its names with the
    /// places of their bytes.
    ///
    /// # Errors
    ///
    /// Where an archive cannot be read, or passes a limit.
    pub fn read(
        package: &str,
        files: &[(String, &Path)],
        wanted: &[&SourcePath],
        limits: &SourceLimits,
    ) -> Result<Self, SourceTreeError> {
        let mut tree: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut left = limits.kept_bytes_max;
        let mut changes: Option<Vec<u8>> = None;
        // The distribution's archive last: its `debian/` replaces the upstream's.
        let mut files: Vec<_> = files.iter().collect();
        files.sort_by_key(|(name, _)| (name.contains(".debian.tar"), name.contains(".orig-"), name.clone()));
        for (name, path) in files {
            if name.ends_with(".dsc") || name.ends_with(".asc") || name.ends_with(".sig") {
                continue;
            }
            if name.contains(".diff.") {
                changes = Some(whole(name, path, limits)?);
                continue;
            }
            let component = component_of(name);
            let debian = name.contains(".debian.tar");
            let keep = |path: &str| {
                path.starts_with(DEBIAN)
                    || wanted.iter().any(|w| match &component {
                        Some(folder) => {
                            path.split_once('/').is_some_and(|(_, p)| w.covers(&format!("{folder}/{p}")))
                                || w.covers(&format!("{folder}/{path}"))
                        }
                        None => {
                            w.covers(path)
                                || path
                                    .split_once('/')
                                    .is_some_and(|(_, p)| w.covers(p) || p.starts_with(DEBIAN))
                        }
                    })
            };
            let (kept, root) = archive(name, path, keep, &mut left, limits)?;
            if debian {
                tree.retain(|path, _| !path.starts_with(DEBIAN));
            }
            for (path, bytes) in kept {
                let path = match (&root, debian) {
                    (Some(root), false) => path.strip_prefix(root.as_str()).unwrap_or(&path).to_owned(),
                    _ => path,
                };
                let path = match &component {
                    Some(folder) => format!("{folder}/{path}"),
                    None => path,
                };
                tree.insert(path, bytes);
            }
        }
        let patches = patches(&tree, changes);
        let mut source = Self {
            package: package.to_owned(),
            files: tree
                .into_iter()
                .filter(|(path, _)| wanted.iter().any(|w| w.covers(path)))
                .map(|(path, bytes)| (path, SourceFile::Known(bytes)))
                .collect(),
        };
        for (name, patch) in &patches {
            source.apply(name, patch, wanted, limits);
        }
        Ok(source)
    }

    /// Takes files as they are, without patches.
    pub fn of_files(package: &str, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let known = |(path, bytes)| (path, SourceFile::Known(bytes));
        Self { package: package.to_owned(), files: files.into_iter().map(known).collect() }
    }

    /// Files that a path names, in order.
    pub fn files<'a>(&'a self, path: &'a SourcePath) -> impl Iterator<Item = (&'a str, &'a SourceFile)> + 'a {
        self.files.iter().filter(|(name, _)| path.covers(name)).map(|(name, file)| (name.as_str(), file))
    }

    fn apply(&mut self, name: &str, patch: &[u8], wanted: &[&SourcePath], limits: &SourceLimits) {
        let touched = named_in(patch);
        if !touched.iter().any(|path| wanted.iter().any(|w| w.covers(path))) {
            return;
        }
        // What was done before a broken part may be half of a change.
        let unknown = |source: &mut Self, reason: &str| {
            for path in touched.iter().filter(|p| wanted.iter().any(|w| w.covers(p))) {
                let why = format!("`{name}` changes it and could not be applied: {reason}");
                source.files.insert(path.clone(), SourceFile::Unknown(why));
            }
        };
        for part in PatchSet::parse_bytes(patch, ParseOptions::unidiff()) {
            let part = match part {
                Ok(part) => part,
                Err(e) => return unknown(self, &e.to_string()),
            };
            let path = |bytes: &[u8]| String::from_utf8_lossy(strip(bytes)).into_owned();
            let operation = part.operation();
            let (from, to) = match operation {
                FileOperation::Delete(p) => (Some(path(p)), None),
                FileOperation::Create(p) => (None, Some(path(p))),
                FileOperation::Modify { modified, .. } => (Some(path(modified)), Some(path(modified))),
                FileOperation::Rename { from, to } => (Some(path(from)), Some(path(to))),
                FileOperation::Copy { .. } => return unknown(self, "it copies files"),
            };
            let covered = |p: &Option<String>| p.as_ref().is_some_and(|p| wanted.iter().any(|w| w.covers(p)));
            if !covered(&from) && !covered(&to) {
                continue;
            }
            let before = match &from {
                None => Vec::new(),
                Some(from) => match self.files.get(from) {
                    Some(SourceFile::Known(bytes)) => bytes.clone(),
                    Some(SourceFile::Unknown(_)) => continue,
                    None => return unknown(self, &format!("there is no `{from}`")),
                },
            };
            let Some(text) = part.patch().as_text() else { return unknown(self, "it is binary") };
            let after = match diffy::apply_bytes(&before, text) {
                Ok(after) if after.len() as u64 <= limits.file_bytes_max => after,
                Ok(_) => return unknown(self, "the result passes a limit"),
                Err(e) => return unknown(self, &e.to_string()),
            };
            if let Some(from) = &from {
                self.files.remove(from);
            }
            if let Some(to) = to {
                self.files.insert(to, SourceFile::Known(after));
            }
        }
    }
}

/// Without the first folder (`a/`, `b/`, or the source's own name), as `patch -p1` has it.
fn strip(path: &[u8]) -> &[u8] {
    path.iter().position(|b| *b == b'/').and_then(|at| path.get(at + 1..)).unwrap_or(path)
}

/// Paths in the headers of a patch, without their first folder.
fn named_in(patch: &[u8]) -> BTreeSet<String> {
    patch
        .split(|b| *b == b'\n')
        .filter_map(|line| line.strip_prefix(b"+++ ").or_else(|| line.strip_prefix(b"--- ")))
        .map(|rest| rest.split(|b| matches!(b, b'\t' | b'\r')).next().unwrap_or(rest))
        .map(|path| String::from_utf8_lossy(strip(path)).trim().to_owned())
        .filter(|path| path != "null" && !path.is_empty())
        .collect()
}

/// The distribution's patches in order, by name.
fn patches(tree: &BTreeMap<String, Vec<u8>>, changes: Option<Vec<u8>>) -> Vec<(String, Vec<u8>)> {
    let mut patches = Vec::new();
    if let Some(series) = tree.get("debian/patches/series") {
        for line in String::from_utf8_lossy(series).lines() {
            let Some(name) = line.split('#').next().and_then(|l| l.split_whitespace().next()) else {
                continue;
            };
            let path = format!("debian/patches/{name}");
            match tree.get(&path) {
                Some(bytes) => patches.push((path, bytes.clone())),
                None => patches.push((path, Vec::new())),
            }
        }
    }
    if let Some(bytes) = changes {
        patches.push((".diff".to_owned(), bytes));
    }
    patches
}

/// `NAME` of `package_1.0.orig-NAME.tar.xz`.
fn component_of(file: &str) -> Option<String> {
    let (_, rest) = file.split_once(".orig-")?;
    rest.split_once(".tar").map(|(name, _)| name.to_owned())
}

fn open(name: &str, path: &Path) -> Result<Box<dyn Read + Send>, SourceTreeError> {
    let failed = |source| SourceTreeError::Open { name: name.to_owned(), source };
    let broken = |source| SourceTreeError::Archive { name: name.to_owned(), source };
    let mut reader = BufReader::new(std::fs::File::open(path).map_err(failed)?);
    let start = reader.fill_buf().map_err(failed)?;
    let compression = Compression::recognise(start);
    reader.rewind().map_err(failed)?;
    let limits = ArchiveLimits::DEFAULT;
    let inner: Box<dyn Read + Send> = match compression {
        Some(compression) => compression.decoder(reader, &limits).map_err(broken)?,
        None => Box::new(reader),
    };
    Ok(Box::new(Bounded::new(inner, limits.expanded_bytes_max)))
}

/// All of a compressed file.
fn whole(name: &str, path: &Path, limits: &SourceLimits) -> Result<Vec<u8>, SourceTreeError> {
    let mut bytes = Vec::new();
    let failed = |source| SourceTreeError::Open { name: name.to_owned(), source };
    open(name, path)?.take(limits.kept_bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limits.kept_bytes_max {
        return Err(SourceTreeError::Limit { limit: format!("kept_bytes_max {}", limits.kept_bytes_max) });
    }
    Ok(bytes)
}

/// Members that are kept, and the folder in which all members lie, with its slash.
fn archive(
    name: &str,
    path: &Path,
    keep: impl Fn(&str) -> bool,
    left: &mut u64,
    limits: &SourceLimits,
) -> Result<(Kept, Option<String>), SourceTreeError> {
    let broken = |source| SourceTreeError::Archive { name: name.to_owned(), source };
    let limit = |text: String| SourceTreeError::Limit { limit: text };
    let mut tar = TarReader::new(open(name, path)?, &ArchiveLimits::DEFAULT);
    let (mut kept, mut root, mut members) = (Kept::new(), None::<Option<String>>, 0u64);
    while let Some(entry) = tar.next_entry().map_err(broken)? {
        members += 1;
        if members > limits.members_max {
            return Err(limit(format!("members_max {}", limits.members_max)));
        }
        let Ok(path) = String::from_utf8(entry.name.clone()) else { continue };
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        if path.is_empty() || entry.kind == b'g' {
            continue;
        }
        let first = path.split_once('/').map(|(first, _)| format!("{first}/"));
        root = Some(match root {
            None => first,
            Some(so_far) if so_far == first => so_far,
            Some(_) => None,
        });
        if !entry.is_file() || !keep(&path) {
            continue;
        }
        if entry.len_bytes > limits.file_bytes_max {
            return Err(limit(format!("file_bytes_max {}: `{path}`", limits.file_bytes_max)));
        }
        *left = left
            .checked_sub(entry.len_bytes)
            .ok_or_else(|| limit(format!("kept_bytes_max {}", limits.kept_bytes_max)))?;
        let mut bytes = Vec::new();
        let mut buffer = [0u8; 32 << 10];
        loop {
            match tar.read_body(&mut buffer).map_err(broken)? {
                0 => break,
                n => bytes.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            }
        }
        kept.insert(path, bytes);
    }
    Ok((kept, root.flatten()))
}

#[cfg(test)]
mod tests;
