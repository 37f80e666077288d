//! The lock: everything a rebuild needs, by digest, so that it can run without asking anybody.
//!
//! A lock is read with [`read`] or [`parse`], which refuse unknown keys and whatever could lead out of
//! the archive or the sandbox, and written with [`Lock::to_bytes`]: same lock, same bytes, one package
//! a line, so that a reviewer sees in a diff which input has changed.

pub(super) mod check;
mod error;
pub(super) mod text;

use std::collections::BTreeMap;

pub use check::{of_release, parse, read};
pub use error::LockError;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::observation::Observation;
pub use crate::source::debian::{LockedFile, LockedSource};

/// The only schema number that this version reads and writes.
pub const LOCK_SCHEMA: u32 = 1;

/// A locked environment for one release. Serialised as JSON beside the component's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lock {
    /// [`LOCK_SCHEMA`].
    pub schema: u32,
    /// The component's name.
    pub component: String,
    /// The release's package URL.
    pub purl: String,
    /// Signed indexes that vouched for what is below.
    pub indexes: Vec<LockedIndex>,
    /// The authenticated source.
    pub source: LockedSource,
    /// What the publisher released: the artifacts to reproduce. Never an input of the build.
    pub published: Vec<LockedFile>,
    /// The root file system's packages, sorted by name, then architecture.
    pub packages: Vec<LockedPackage>,
    /// How the build runs.
    pub build: BuildDefinition,
    /// Values read from the published artifact and replayed.
    pub observations: Vec<Observation>,
}

impl Lock {
    /// Every digest that a rebuild or its comparison needs, some of them more than once.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        let files = self.source.files.iter().chain(&self.published).map(|f| &f.digest);
        let indexes = self.indexes.iter().map(|i| &i.digest);
        indexes.chain(files).chain(self.packages.iter().map(|p| &p.file.digest))
    }
}

/// A signed index (Debian: one InRelease file).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedIndex {
    /// Suite as the mirror lays it out, e.g. `bookworm-security`.
    pub suite: String,
    /// Digest of the InRelease file.
    pub digest: Digest,
    /// Its `Date` field, RFC 3339.
    pub date: String,
    /// Fingerprints of the keys whose signatures were verified.
    pub signed_by: Vec<String>,
}

/// One binary package of the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// Package name.
    pub name: String,
    /// Full version.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// The `.deb`.
    #[serde(flatten)]
    pub file: LockedPath,
}

/// Where a package's file is and what it must be. Its keys stand among the package's own; unknown ones
/// are refused there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LockedPath {
    /// Which of the host's archives serves it.
    pub archive: String,
    /// Path below the archive's root.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256.
    pub digest: Digest,
}

/// What to run, where, with what (SLSA's build definition).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuildDefinition {
    /// Architecture of the build, e.g. `amd64`.
    pub architecture: String,
    /// Absolute folder of the unpacked source inside the sandbox.
    pub path: String,
    /// `SOURCE_DATE_EPOCH`: seconds since 1970, from the changelog (or the observed binNMU entry).
    pub source_date_epoch: i64,
    /// The whole environment of the build, but for what belongs to the run: a rebuild appends
    /// `parallel=<jobs>` to `DEB_BUILD_OPTIONS`. `SOURCE_DATE_EPOCH` is not among them, since
    /// `dpkg-buildpackage` derives it from the changelog.
    pub env: BTreeMap<String, String>,
    /// Commands, each an argument vector, run in `path` in order.
    pub commands: Vec<Vec<String>>,
    /// Names of the artifacts that the build must leave beside `path`.
    pub expected: Vec<String>,
}

/// Name of the observation that holds the changelog entry of a binary-only rebuild (binNMU).
pub const BINNMU_ENTRY: &str = "binnmu-changelog-entry";

impl Lock {
    /// The changelog entry to put before the first one of the source's `debian/changelog` before the
    /// build, if the release is a binary-only rebuild: this text as it is (it ends in a line feed),
    /// then one empty line, then the file's former content. The entry was read from the published
    /// artifact, is listed as an observation, and decides the version, `SOURCE_DATE_EPOCH` and the
    /// changelog in the packages; it reaches no program.
    pub fn binnmu_entry(&self) -> Option<&str> {
        self.observations.iter().find(|o| o.name == BINNMU_ENTRY).map(|o| o.value.as_str())
    }

    /// The packages' files, in the lock's order.
    pub fn package_files(&self) -> Vec<LockedFile> {
        self.packages.iter().map(LockedPackage::locked_file).collect()
    }
}

impl LockedPackage {
    /// The `.deb` as a file of an archive.
    pub fn locked_file(&self) -> LockedFile {
        LockedFile {
            name: self.file.path.rsplit('/').next().unwrap_or_default().to_owned(),
            archive: self.file.archive.clone(),
            path: self.file.path.clone(),
            size: self.file.size,
            digest: self.file.digest.clone(),
        }
    }
}
