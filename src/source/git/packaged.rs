//! The source as somebody packed it: a module's zip, a source distribution, a crate, another archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _};
use std::path::Path;

use super::GitSourceError;
use super::version_file::may_be;
use crate::archive::ArchiveError;
use crate::archive::compression::{Bounded, Compression};
use crate::archive::tar::TarReader;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::limits::archive::ArchiveLimits;
use crate::limits::go::GoLimits;
use crate::source::go::ModuleVersion;
use crate::source::go::archive::ModuleZip;

/// First bytes of a zip.
const ZIP: &[u8] = b"PK\x03\x04";
/// Files whose text is looked at have at most so many bytes: the largest `Cargo.toml` known has 100 KiB.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// How many of them are kept.
const TEXTS_MAX: usize = 100;
/// Which these are, beside those that may tell a version.
const TEXTS: [&str; 2] = [".cargo_vcs_info.json", "setup.cfg"];

/// How it is packed, which says what may differ from the authors' tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packaging {
    /// A Go module's zip.
    Module(ModuleVersion),
    /// A Python source distribution.
    Sdist,
    /// A Rust crate.
    Crate,
    /// A tar archive of the source.
    Archive,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagedFile {
    /// SHA-256; of a link, of where it leads.
    pub digest: Digest,
    /// SHA-256 without carriage returns.
    pub plain: Digest,
    /// Whether it is a link.
    pub link: bool,
}

/// What is in an archive, below its one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packaged {
    /// How it is packed.
    pub packaging: Packaging,
    /// Files and links by path.
    pub files: BTreeMap<String, PackagedFile>,
    /// Texts of the few files that need reading.
    pub(super) texts: BTreeMap<String, String>,
}

impl Packaging {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Module(module) => format!("the module {module}"),
            Self::Sdist => "the source distribution".to_owned(),
            Self::Crate => "the crate".to_owned(),
            Self::Archive => "the archive".to_owned(),
        }
    }
}

/// Two digests of the same bytes, the second without carriage returns.
pub(super) struct Twin {
    whole: Hasher,
    plain: Hasher,
}

impl Twin {
    pub(super) fn new() -> Self {
        Self { whole: Hasher::new(Algorithm::Sha256), plain: Hasher::new(Algorithm::Sha256) }
    }

    pub(super) fn update(&mut self, part: &[u8]) {
        self.whole.update(part);
        part.split(|b| *b == b'\r').for_each(|piece| self.plain.update(piece));
    }

    pub(super) fn finish(self, link: bool) -> PackagedFile {
        PackagedFile { digest: self.whole.finish(), plain: self.plain.finish(), link }
    }

    pub(super) fn of(bytes: &[u8], link: bool) -> PackagedFile {
        let mut twin = Self::new();
        twin.update(bytes);
        twin.finish(link)
    }
}

impl Packaged {
    /// Reads an archive and tells by its content what it is. `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// Where it is no such archive, holds names that lead elsewhere, or passes a bound.
    pub fn read(file: &str, path: &Path) -> Result<Self, GitSourceError> {
        let failed = |source| GitSourceError::Archive { file: file.to_owned(), source };
        let io = |source| failed(ArchiveError::Read { format: "archive", source });
        let mut input = BufReader::new(File::open(path).map_err(io)?);
        let start = input.fill_buf().map_err(io)?;
        if start.starts_with(ZIP) {
            return Self::module(file, path);
        }
        let compression = Compression::recognise(start);
        input.rewind().map_err(io)?;
        let limits = ArchiveLimits::DEFAULT;
        let reader: Box<dyn Read + Send> = match compression {
            Some(compression) => compression.decoder(input, &limits).map_err(failed)?,
            None => Box::new(input),
        };
        Self::tar(file, Bounded::new(reader, limits.expanded_bytes_max), &limits)
    }

    /// Reads a module's zip.
    ///
    /// # Errors
    ///
    /// As [`Packaged::read`].
    pub fn of_module(module: &ModuleVersion, path: &Path) -> Result<Self, GitSourceError> {
        let zip = ModuleZip::open(module, path, &GoLimits::DEFAULT)?;
        let mut files = BTreeMap::new();
        zip.fold(Twin::new, Twin::update, |name, twin| {
            files.insert(name.to_owned(), twin.finish(false));
        })?;
        Ok(Self { packaging: Packaging::Module(module.clone()), files, texts: BTreeMap::new() })
    }

    fn module(file: &str, path: &Path) -> Result<Self, GitSourceError> {
        let read = ModuleZip::module_in(path, &GoLimits::DEFAULT);
        let module = read.map_err(|source| GitSourceError::Archive { file: file.to_owned(), source })?;
        let module = module.ok_or_else(|| GitSourceError::NotASource {
            file: file.to_owned(),
            detail: "its files do not lie below `module@version/`".to_owned(),
        })?;
        Self::of_module(&module, path)
    }

    fn tar(file: &str, reader: impl Read, limits: &ArchiveLimits) -> Result<Self, GitSourceError> {
        let failed = |source| GitSourceError::Archive { file: file.to_owned(), source };
        let refuse = |detail: String| GitSourceError::NotASource { file: file.to_owned(), detail };
        let mut tar = TarReader::new(reader, limits);
        let (mut files, mut texts) = (BTreeMap::new(), BTreeMap::new());
        let (mut top, mut members) = (None::<String>, 0u64);
        while let Some(entry) = tar.next_entry().map_err(failed)? {
            members += 1;
            if members > limits.members_max {
                let (format, limit, max) = ("tar", "members_max", limits.members_max);
                return Err(failed(ArchiveError::Limit { format, limit, max }));
            }
            if matches!(entry.kind, b'5' | b'g') {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let shown = name.escape_debug().to_string();
            let inner = name.strip_prefix("./").unwrap_or(&name);
            let Some((folder, below)) = inner.split_once('/').filter(|(folder, below)| {
                !matches!(*folder, "" | "." | "..")
                    && !below.split('/').any(|part| matches!(part, "" | "." | ".."))
            }) else {
                return Err(refuse(format!("`{shown}` is no plain path below one folder")));
            };
            if top.get_or_insert_with(|| folder.to_owned()) != folder {
                return Err(refuse(format!("`{shown}` lies beside the folder of the first file")));
            }
            let link = matches!(entry.kind, b'1' | b'2');
            if !link && (!entry.is_file() || entry.sparse.is_some()) {
                return Err(refuse(format!("`{shown}` is neither a file nor a link")));
            }
            let mut twin = Twin::new();
            let mut text = Vec::new();
            let kept = TEXTS.contains(&below) || (!link && may_be(below) && texts.len() < TEXTS_MAX);
            if link {
                twin.update(&entry.link);
            }
            let mut buffer = vec![0; 128 << 10];
            loop {
                let n = tar.read_body(&mut buffer).map_err(failed)?;
                let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
                twin.update(part);
                if kept && text.len() as u64 <= TEXT_BYTES_MAX {
                    text.extend_from_slice(part);
                }
            }
            if kept && text.len() as u64 <= TEXT_BYTES_MAX {
                texts.insert(below.to_owned(), String::from_utf8_lossy(&text).into_owned());
            }
            if files.insert(below.to_owned(), twin.finish(link)).is_some() {
                return Err(refuse(format!("`{shown}` is there twice")));
            }
        }
        if files.is_empty() {
            return Err(refuse("it holds no file".to_owned()));
        }
        let packaging = if files.contains_key("PKG-INFO") {
            Packaging::Sdist
        } else if files.contains_key("Cargo.toml.orig") {
            Packaging::Crate
        } else {
            Packaging::Archive
        };
        Ok(Self { packaging, files, texts })
    }
}
