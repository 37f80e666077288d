//! Python distributions from a package index with the simple interface: the one that the host's pip is
//! configured for, or another that the caller names.
//!
//! # What vouches
//!
//! An index of this kind is not signed. It announces a SHA-256 for each file ([`ListedFile::digest`]),
//! and what vouches for the announcement is the connection alone. A lock pins these digests, so that an
//! index which later announces other bytes under a locked name is caught ([`PypiError::Contradicted`]).
//! Where a publisher has attested a file (PEP 740), the index says where ([`ListedFile::provenance`]);
//! that is a separate answer ([`attested`]), given
//! by what `verify` offers, against the publisher that the component's definition names.
//!
//! # What it does not establish
//!
//! That who released the files had a right to the project's name, and that the index shows everybody the
//! same files.

mod attested;
mod error;
mod page;
pub mod sdist;
pub mod wheel;

use serde::{Deserialize, Serialize};

pub use attested::{Attested, attested};
pub use error::PypiError;
pub use page::{ListedFile, Listing};

pub use crate::component::{FileKind, ProjectName, distribution};

use crate::digest::Digest;
use crate::event::{Observer, Stage};
use crate::fetch::{Fetcher, Length, Request, redact};
use crate::limits::pypi::PypiLimits;
use crate::store::{Object, Store};

/// The address of a simple index.
#[derive(Clone, PartialEq, Eq)]
pub struct Index(String);

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index({})", redact(&self.0))
    }
}

impl Index {
    /// The index below `url`, to which a project's name is added.
    pub fn new(url: &str) -> Result<Self, PypiError> {
        let refused = |detail: &str| PypiError::IndexAddress { url: redact(url), detail: detail.to_owned() };
        let known = ["https://", "http://", "file:///"].iter().any(|scheme| url.starts_with(scheme));
        if !known {
            return Err(refused("expected an `https:`, `http:` or `file:` URL"));
        }
        if url.contains(['?', '#']) || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(refused("expected no query, fragment or blank"));
        }
        Ok(Self(format!("{}/", url.trim_end_matches('/'))))
    }

    /// A folder has no page of its own; pip reads `index.html` in it.
    fn page(&self, project: &ProjectName) -> String {
        let file = if self.0.starts_with("file:") { "index.html" } else { "" };
        format!("{}{project}/{file}", self.0)
    }
}

/// What every question to an index needs: where to ask, how, and where answers are kept.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The index.
    pub index: &'a Index,
    /// How it is asked.
    pub fetcher: &'a Fetcher,
    /// Where files are kept.
    pub store: &'a Store,
    /// Who is told of progress.
    pub observer: &'a dyn Observer,
    /// Bounds on what is read.
    pub limits: PypiLimits,
}

/// A distribution by digest. Where it is served is the index's affair and may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedDistribution {
    /// The project that released it.
    pub project: ProjectName,
    /// Its version.
    pub version: String,
    /// Plain file name.
    pub file: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256.
    pub digest: Digest,
}

/// Whether distributions known by digest are to be had.
#[derive(Debug)]
pub enum Offered {
    /// All of them, now in the store, in the order in which they were asked for.
    All(Vec<Object>),
    /// The index does not list these.
    Missing(Vec<String>),
}

/// Asks the index for the files of a project.
pub fn listing(access: &Access<'_>, project: &ProjectName) -> Result<Listing, PypiError> {
    let url = access.index.page(project);
    let page = match access.fetcher.get_page(&url, page::ACCEPT, access.limits.page_bytes_max) {
        Err(e) if e.is_missing() => {
            let what = "page".to_owned();
            return Err(PypiError::NotListed { project: project.to_string(), what, found: Vec::new() });
        }
        page => page?,
    };
    page::read(project, &page, &url, &access.limits)
}

impl Listing {
    /// The file of that name.
    pub fn file(&self, name: &str) -> Result<&ListedFile, PypiError> {
        self.files.iter().find(|f| f.name == name).ok_or_else(|| PypiError::NotListed {
            project: self.project.to_string(),
            what: format!("file `{}`", name.escape_debug()),
            found: Vec::new(),
        })
    }

    /// The source distribution of a version, and whatever else is there where it is not.
    pub fn sdist(&self, version: &pep440_rs::Version) -> Result<&ListedFile, PypiError> {
        let of_version = || self.files.iter().filter(|f| f.version == *version);
        of_version().find(|f| f.kind == FileKind::Sdist).ok_or_else(|| PypiError::NotListed {
            project: self.project.to_string(),
            what: format!("source distribution of version {version}"),
            found: of_version().map(|f| format!("`{}`", f.name)).collect(),
        })
    }

    /// Whether the index still announces these bytes under the locked name; false where it does not
    /// list the name.
    ///
    /// # Errors
    ///
    /// When it announces others.
    pub fn confirms(&self, locked: &LockedDistribution) -> Result<bool, PypiError> {
        let Some(file) = self.files.iter().find(|f| f.name == locked.file) else { return Ok(false) };
        match &file.digest {
            Some(listed) if *listed == locked.digest => Ok(true),
            Some(listed) => Err(PypiError::Contradicted {
                file: locked.file.clone(),
                locked: locked.digest.clone(),
                listed: listed.clone(),
            }),
            None => Err(PypiError::NoDigest { file: locked.file.clone() }),
        }
    }
}

/// Fetches a listed file into the store.
pub fn fetch(
    access: &Access<'_>,
    file: &ListedFile,
    project: &ProjectName,
    stage: Stage,
) -> Result<(LockedDistribution, Object), PypiError> {
    let request = request(access, file)?;
    let object = access.fetcher.fetch(access.store, &request, stage, access.observer)?;
    let locked = LockedDistribution {
        project: project.clone(),
        version: file.version.to_string(),
        file: file.name.clone(),
        size: object.len_bytes,
        digest: object.digest.clone(),
    };
    Ok((locked, object))
}

/// Fetches locked files into the store, several at a time. The index is asked for nothing that the store
/// has.
pub fn fetch_locked(
    access: &Access<'_>,
    files: &[LockedDistribution],
    stage: Stage,
) -> Result<Offered, PypiError> {
    let (mut requests, mut missing) = (Vec::with_capacity(files.len()), Vec::new());
    for locked in files {
        let length = Length::Exactly(locked.size);
        let mut urls = Vec::new();
        if access.store.get(&locked.digest)?.is_none() {
            let listing = match listing(access, &locked.project) {
                Err(PypiError::NotListed { .. }) => None,
                listing => Some(listing?),
            };
            match listing {
                Some(listing) if listing.confirms(locked)? => {
                    urls.push(listing.file(&locked.file)?.url.clone());
                }
                _ => missing.push(locked.file.clone()),
            }
        }
        requests.push(Request { urls, digest: locked.digest.clone(), length });
    }
    if !missing.is_empty() {
        return Ok(Offered::Missing(missing));
    }
    let mut objects = Vec::with_capacity(files.len());
    let answers = access.fetcher.fetch_all(access.store, &requests, stage, access.observer)?;
    for (locked, answer) in files.iter().zip(answers) {
        match answer {
            Ok(object) => objects.push(object),
            Err(e) if e.is_missing() => missing.push(locked.file.clone()),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(if missing.is_empty() { Offered::All(objects) } else { Offered::Missing(missing) })
}

/// Whether one part of a member's path names a file or folder plainly, on every system that installs it.
fn is_plain_part(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && part != ".."
        && part.len() <= 255
        && !part.contains('\\')
        && !part.chars().any(char::is_control)
}

fn request(access: &Access<'_>, file: &ListedFile) -> Result<Request, PypiError> {
    let digest = file.digest.clone().ok_or_else(|| PypiError::NoDigest { file: file.name.clone() })?;
    let max = access.limits.distribution_bytes_max;
    let length = match file.len_bytes {
        Some(n) if n > max => {
            let what = file.name.clone();
            return Err(PypiError::Limit { what, limit: "distribution_bytes_max", max });
        }
        Some(n) => Length::Exactly(n),
        None => Length::AtMost(max),
    };
    Ok(Request { urls: vec![file.url.clone()], digest, length })
}
