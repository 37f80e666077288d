//! Why a Go environment could not be resolved or obtained.

use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::environment::lock::LockError;
use crate::source::git::GitSourceError;
use crate::source::go::GoSourceError;

/// Why a Go environment could not be resolved or obtained.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum GoEnvironmentError {
    /// A proxy could not be asked or believed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Source(#[from] GoSourceError),
    /// A clone could not be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] GitSourceError),
    /// The lock could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// The lock does not fit the definition, or is damaged.
    #[error("{file}: {detail}")]
    #[diagnostic(
        code(go_environment::lock),
        help("lock again with `reprove lock`, and compare the new lock with the old one")
    )]
    Damaged {
        /// The lock's file.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// The source is not a module that can be built.
    #[error("{module} cannot be built from its module: {detail}")]
    #[diagnostic(code(go_environment::source), help("name a version that is a whole module"))]
    Unfit {
        /// Which.
        module: String,
        /// Why not.
        detail: String,
    },
    /// The source is a commit, and its repository cannot be had.
    #[error("the repository `{repository}` cannot be had")]
    #[diagnostic(
        code(go_environment::repository),
        help(
            "give a clone, `--repository {name}=PATH` or another address, `--repository {name}=URL`; or lock where the network reaches it",
            name = crate::component::domain::repository_name(repository),
        )
    )]
    Repository {
        /// Its address.
        repository: String,
        /// Why not.
        #[source]
        source: Box<GitSourceError>,
    },
    /// The tag names another commit than the one that is pinned.
    #[error("the tag `{tag}` names commit {found}, and the definition pins {pinned}")]
    #[diagnostic(
        code(go_environment::tag_moved),
        help(
            "the tag was moved, or the clone is another project's: ask the project which commit it released"
        )
    )]
    TagMoved {
        /// The tag.
        tag: String,
        /// The commit that it names.
        found: String,
        /// The pinned one.
        pinned: String,
    },
    /// The disk.
    #[error("cannot {what} `{}`", path.display())]
    #[diagnostic(
        code(go_environment::disk),
        help("check the free space and the permissions of the work folder")
    )]
    Disk {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl GoEnvironmentError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Disk { what, path, source }
    }
}
