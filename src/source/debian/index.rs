//! `Packages` and `Sources`: what a signed index leads to.

use std::io::{BufRead, BufReader, Read};

use super::deb822::{Reader, Stanza};
use super::release::checksum_line;
use super::{Access, Archive, DebianError, LockedFile, LockedSource, SignedIndex, is_archive_path};
use crate::archive::compression::{Bounded, Compression};
use crate::digest::{Algorithm, Digest};
use crate::event::Stage;
use crate::fetch::{Length, Request};

/// The archive area that all defined components come from.
const AREA: &str = "main";

/// Which part of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind<'a> {
    /// Binary packages of an architecture, those of `all` among them.
    Packages {
        /// E.g. `amd64`.
        architecture: &'a str,
    },
    /// Source packages.
    Sources,
}

impl IndexKind<'_> {
    fn path(self) -> String {
        match self {
            Self::Packages { architecture } => format!("{AREA}/binary-{architecture}/Packages"),
            Self::Sources => format!("{AREA}/source/Sources"),
        }
    }
}

impl SignedIndex {
    /// Fetches a part into the store, by the digest that the signed text names, and opens it expanded.
    /// The reader fails at its end where the bytes are not those.
    pub fn open(
        &self,
        access: &Access<'_>,
        kind: IndexKind<'_>,
    ) -> Result<Box<dyn BufRead + Send>, DebianError> {
        let path = kind.path();
        let chosen = ["xz", "gz", ""].into_iter().find_map(|suffix| {
            let name = if suffix.is_empty() { path.clone() } else { format!("{path}.{suffix}") };
            self.parts.get(&name).map(|part| (name, suffix, part))
        });
        let what = format!("{}/InRelease", self.suite);
        let Some((name, suffix, (size, digest))) = chosen else {
            return Err(DebianError::NoIndexPart { what, path });
        };
        let in_suite = |path: &str| format!("dists/{}/{path}", self.suite);
        let mut urls = Vec::new();
        if self.by_hash {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let by_hash = in_suite(&format!("{folder}/by-hash/SHA256/{}", digest.to_hex()));
            urls.extend(access.mirrors.urls(self.archive, &by_hash)?);
        }
        urls.extend(access.mirrors.urls(self.archive, &in_suite(&name))?);
        let request = Request { urls, digest: digest.clone(), length: Length::Exactly(*size) };
        let object = access.fetcher.fetch(access.store, &request, Stage::Source, access.observer)?;
        let compressed = BufReader::with_capacity(256 << 10, object.open_checked()?);
        let archive_error = |source| DebianError::Archive { what: in_suite(&name), source };
        let expanded: Box<dyn Read + Send> = match suffix {
            "xz" => Compression::Xz.decoder(compressed, &access.limits.archive).map_err(archive_error)?,
            "gz" => Compression::Gzip.decoder(compressed, &access.limits.archive).map_err(archive_error)?,
            _ => Box::new(compressed),
        };
        let bounded = Bounded::new(expanded, access.limits.index_bytes_max);
        Ok(Box::new(BufReader::with_capacity(256 << 10, bounded)))
    }
}

/// A source package as a signed index lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    /// Name, version and files.
    pub source: LockedSource,
    /// `Format`, e.g. `3.0 (quilt)`.
    pub format: String,
    /// `Build-Depends` and its kin, by field name, as they stand.
    pub relations: Vec<(&'static str, String)>,
}

/// The fields of a source that decide its build environment.
const RELATIONS: [&str; 6] = [
    "Build-Depends",
    "Build-Depends-Arch",
    "Build-Depends-Indep",
    "Build-Conflicts",
    "Build-Conflicts-Arch",
    "Build-Conflicts-Indep",
];

/// Finds a source package of that very version in the suites' `Sources`, in their order.
pub fn find_source(
    access: &Access<'_>,
    indexes: &[SignedIndex],
    name: &str,
    version: &str,
) -> Result<SourceRecord, DebianError> {
    let mut found = Vec::new();
    for index in indexes {
        let what = format!("{}/{}", index.suite, IndexKind::Sources.path());
        let mut reader = Reader::new(index.open(access, IndexKind::Sources)?, &access.limits);
        let mut record = None;
        let failed = |source| DebianError::Stanza { what: what.clone(), source };
        // Read to the end: only there is the digest known to be right.
        while let Some(stanza) = reader.next_stanza().map_err(failed)? {
            if stanza.get("Package") != Some(name) {
                continue;
            }
            let listed = stanza.require("Version").map_err(failed)?;
            if listed != version {
                found.push(format!("`{listed}` in {}", index.suite));
            } else if record.is_none() {
                record = Some(source_record(&stanza, index.archive, name, version, &what, access)?);
            }
        }
        if let Some(record) = record {
            return Ok(record);
        }
    }
    Err(DebianError::SourceNotListed {
        name: name.to_owned(),
        version: version.to_owned(),
        suites: indexes.iter().map(|i| i.suite.clone()).collect(),
        found,
    })
}

fn source_record(
    stanza: &Stanza<'_>,
    archive: Archive,
    name: &str,
    version: &str,
    what: &str,
    access: &Access<'_>,
) -> Result<SourceRecord, DebianError> {
    let failed = |source| DebianError::Stanza { what: what.to_owned(), source };
    let wrong = |detail| DebianError::Field { what: what.to_owned(), detail };
    let directory = stanza.require("Directory").map_err(failed)?;
    let mut files: Vec<LockedFile> = Vec::new();
    for line in stanza.lines("Checksums-Sha256") {
        let (digest, size, file) = checksum_line(line).map_err(wrong)?;
        let path = format!("{directory}/{file}");
        if file.contains('/') || !is_archive_path(&path) {
            return Err(wrong(format!("`{}` is not a plain path", path.escape_debug())));
        }
        files.push(LockedFile {
            name: file.to_owned(),
            archive: archive.name().to_owned(),
            path,
            size,
            digest,
        });
        if files.len() > access.limits.source_files_max {
            return Err(wrong(format!("`{name}` has more than {} files", access.limits.source_files_max)));
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let source = LockedSource { name: name.to_owned(), version: version.to_owned(), files };
    super::acquire::check_source_files(&source)?;
    Ok(SourceRecord {
        source,
        format: stanza.get("Format").unwrap_or_default().to_owned(),
        relations: RELATIONS.iter().filter_map(|f| stanza.get(f).map(|v| (*f, v.to_owned()))).collect(),
    })
}

/// A binary package as a signed index lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinaryRecord {
    /// Package name.
    pub name: String,
    /// Full version.
    pub version: String,
    /// E.g. `amd64` or `all`.
    pub architecture: String,
    /// Source package that it was built from.
    pub source: String,
    /// That source's version.
    pub source_version: String,
    /// Its `.deb`.
    pub file: LockedFile,
    /// `Built-Using` and `Static-Built-Using`, as `source (= version), …`.
    pub built_using: Option<String>,
}

impl BinaryRecord {
    /// Takes a stanza of `Packages`.
    pub fn of(stanza: &Stanza<'_>, archive: Archive, what: &str) -> Result<Self, DebianError> {
        let required = |field| {
            stanza.require(field).map_err(|source| DebianError::Stanza { what: what.to_owned(), source })
        };
        let wrong = |detail| DebianError::Field { what: what.to_owned(), detail };
        let (name, version) = (required("Package")?, required("Version")?);
        let (source, source_version) = source_of(stanza, name, version);
        let path = required("Filename")?;
        let file = path.rsplit('/').next().unwrap_or_default();
        if !is_archive_path(path) {
            return Err(wrong(format!("`{}` is not a plain path", path.escape_debug())));
        }
        let size = required("Size")?;
        let built_using: Vec<&str> =
            ["Built-Using", "Static-Built-Using"].iter().filter_map(|f| stanza.get(f)).collect();
        Ok(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: required("Architecture")?.to_owned(),
            source: source.to_owned(),
            source_version: source_version.to_owned(),
            file: LockedFile {
                name: file.to_owned(),
                archive: archive.name().to_owned(),
                path: path.to_owned(),
                size: size.parse().map_err(|_| wrong(format!("`{}` is not a size", size.escape_debug())))?,
                digest: Digest::from_hex(Algorithm::Sha256, required("SHA256")?)
                    .map_err(|e| wrong(e.to_string()))?,
            },
            built_using: (!built_using.is_empty()).then(|| built_using.join(", ")),
        })
    }
}

/// Source package and version of a binary stanza: `Source: name (version)`, either part left out
/// where it is the binary's own.
pub(crate) fn source_of<'a>(stanza: &Stanza<'a>, name: &'a str, version: &'a str) -> (&'a str, &'a str) {
    match stanza.get("Source") {
        None => (name, version),
        Some(text) => match text.split_once(" (") {
            Some((source, rest)) => (source.trim(), rest.trim_end_matches(')').trim()),
            None => (text, version),
        },
    }
}
