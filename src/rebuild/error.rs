//! Why nothing was built.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

use super::sandbox::SandboxError;
use crate::artifact::ArtifactError;
use crate::digest::DigestSet;
use crate::environment::python::PythonError;

/// Why nothing was built, or a result could not be read back.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum RebuildError {
    /// No sandbox.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sandbox(#[from] SandboxError),
    /// The host's disk.
    #[error("cannot {what} `{}`", path.display())]
    #[diagnostic(code(rebuild::disk), help("check the free space and the rights of the work folder"))]
    Disk {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Two rebuilds want one work folder.
    #[error("another rebuild is using `{}`", path.display())]
    #[diagnostic(code(rebuild::in_use), help("wait until it has ended, or give another work folder"))]
    InUse {
        /// The work folder.
        path: PathBuf,
    },
    /// The lock cannot be carried out.
    #[error("the lock of `{purl}` cannot be built: {detail}")]
    #[diagnostic(code(rebuild::lock), help("make the lock anew with `reprove lock`"))]
    Lock {
        /// The release.
        purl: String,
        /// Expected against found.
        detail: String,
    },
    /// An input is not what it has to be.
    #[error("an input of `{purl}` cannot be used")]
    #[diagnostic(
        code(rebuild::input),
        help(
            "do not use the release before the reason is understood; its lock pins the very bytes that are refused"
        )
    )]
    Input {
        /// The release.
        purl: String,
        /// Why.
        #[source]
        source: Box<PythonError>,
    },
    /// The root file system is not the distribution's: dpkg would leave hardening flags out, silently.
    #[error("`dpkg-vendor` in the root file system says `{}`, expected `Debian`", found.escape_debug())]
    #[diagnostic(
        code(rebuild::vendor),
        help("make the root file system anew; `/etc/dpkg/origins/default` must lead to `debian`")
    )]
    Vendor {
        /// What it said.
        found: String,
    },
    /// The toolchain gave no answer.
    #[error("cannot ask the toolchain: `{command}` did not succeed: {detail}")]
    #[diagnostic(
        code(rebuild::toolchain),
        help("make the root file system anew; it must hold build-essential")
    )]
    Toolchain {
        /// The question.
        command: String,
        /// How it ended, and the end of what it printed.
        detail: String,
    },
    /// The source's changelog cannot take the observed entry.
    #[error("cannot put the observed entry before `debian/changelog`: {detail}")]
    #[diagnostic(
        code(rebuild::changelog),
        help("look at `debian/changelog` in the source package; treat a link there as hostile")
    )]
    Changelog {
        /// Expected against found.
        detail: String,
    },
    /// An artifact could not be read.
    #[error("cannot read the rebuilt `{name}`")]
    #[diagnostic(code(rebuild::artifact), help("rebuild again; the work folder has been changed"))]
    Artifact {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: ArtifactError,
    },
    /// A file of a stored rebuild has other bytes now.
    #[error("the rebuilt `{name}` has changed on disk: expected {expected:?}, found {found:?}")]
    #[diagnostic(code(rebuild::changed), help("rebuild again, and find out who writes to the work folder"))]
    Changed {
        /// Which.
        name: String,
        /// As recorded.
        expected: DigestSet,
        /// As computed now.
        found: DigestSet,
    },
    /// A stored rebuild is not one.
    #[error("`{}` is not a stored rebuild: {detail}", path.display())]
    #[diagnostic(code(rebuild::stored), help("remove the file and rebuild again"))]
    Stored {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

impl RebuildError {
    /// For `map_err` on file operations.
    pub(super) fn disk(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { what, path, source }
    }
}
