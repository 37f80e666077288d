//! Why an audit could not look.

use std::path::PathBuf;

use miette::Diagnostic;

use crate::archive::ArchiveError;
use crate::artifact::ArtifactError;
use crate::compare::CompareError;
use crate::environment::debian::EnvironmentError;
use crate::environment::go::GoEnvironmentError;
use crate::environment::root_fs::RootFsError;
use crate::evaluate::source::SourceTreeError;
use crate::fetch::FetchError;
use crate::probe::ProbeError;
use crate::rebuild::RebuildError;
use crate::source::debian::DebianError;
use crate::source::git::GitSourceError;
use crate::source::go::GoSourceError;
use crate::source::npm::NpmError;
use crate::source::pypi::PypiError;
use crate::store::StoreError;

/// Why an audit could not look. What it saw, however bad, is a result.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum AuditError {
    /// The archive could not be asked or believed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Source(#[from] DebianError),
    /// The package index could not be asked or believed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Index(#[from] PypiError),
    /// No package index is known.
    #[error("no package index is known to ask for `{purl}`")]
    #[diagnostic(
        code(audit::no_index),
        help("name one with `--index-url URL`, or install pip, whose configuration is used")
    )]
    NoIndex {
        /// The release.
        purl: String,
    },
    /// The environment could not be confirmed or obtained.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Environment(#[from] EnvironmentError),
    /// The root file system could not be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    RootFs(#[from] RootFsError),
    /// Nothing could be built.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Rebuild(#[from] RebuildError),
    /// The artifacts could not be compared.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Compare(#[from] CompareError),
    /// An artifact could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Artifact(#[from] ArtifactError),
    /// The release's source could not be read for checks.
    #[error(transparent)]
    #[diagnostic(transparent)]
    SourceTree(#[from] SourceTreeError),
    /// Nothing could be probed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Probe(#[from] ProbeError),
    /// Go's sources could not be asked or believed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    GoSource(#[from] GoSourceError),
    /// A source could not be held against a clone.
    #[error(transparent)]
    #[diagnostic(transparent)]
    GitSource(#[from] GitSourceError),
    /// The store could not be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A Go environment could not be obtained.
    #[error(transparent)]
    #[diagnostic(transparent)]
    GoEnvironment(#[from] GoEnvironmentError),
    /// The npm registry could not be asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Npm(#[from] NpmError),
    /// What was published could not be fetched.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
    /// What was published could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// A release of which only what it needs to run is locked.
    #[error("`{purl}` cannot be rebuilt: only what it needs to run is locked")]
    #[diagnostic(
        code(audit::not_locked),
        help("lock its build environment with `reprove lock`, or audit it with `--no-build`")
    )]
    NotLocked {
        /// The release.
        purl: String,
    },
    /// The work folder cannot be used.
    #[error("cannot use the work folder `{}`", path.display())]
    #[diagnostic(
        code(audit::work),
        help("check its permissions and the disk's free space, or name another with `--work DIR`")
    )]
    Work {
        /// Which folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}
