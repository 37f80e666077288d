//! Why a clone could not be used.

use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::archive::ArchiveError;
use crate::fetch::FetchError;
use crate::source::go::GoSourceError;

/// Why a clone could not be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum GitSourceError {
    /// There is no repository, or none that is read here.
    #[error("`{}` is no clone that can be read: {detail}", path.display())]
    #[diagnostic(
        code(git_source::clone),
        help("give the folder of a clone, bare or not, with SHA-1 names and its refs in files")
    )]
    Clone {
        /// The folder.
        path: PathBuf,
        /// Why not.
        detail: String,
    },
    /// An object is not there: the clone is partial, shallow, or another project's.
    #[error("the clone `{}` does not have {what}", path.display())]
    #[diagnostic(
        code(git_source::missing),
        help("fetch it with `git fetch --depth 1 origin tag NAME`, without `--filter`")
    )]
    Missing {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// An object is not what its name or git says.
    #[error("`{object}` of the clone `{}` cannot be believed: {detail}", path.display())]
    #[diagnostic(
        code(git_source::object),
        help("treat the clone as damaged or hostile; make a new one from the project's own server")
    )]
    Object {
        /// The folder.
        path: PathBuf,
        /// Its name.
        object: String,
        /// What is wrong.
        detail: String,
    },
    /// A tree holds what no source that is built here may hold.
    #[error("the tree of {commit} holds `{path}`, which is not written out: {detail}")]
    #[diagnostic(
        code(git_source::tree),
        help("treat the repository as hostile, or build from the published module instead")
    )]
    Tree {
        /// Its commit.
        commit: String,
        /// Path in the tree.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// What stands beside the tree is no module.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Module(#[from] GoSourceError),
    /// What stands beside the tree cannot be read.
    #[error("cannot read the archive `{file}`")]
    #[diagnostic(
        code(git_source::archive),
        help("give a module's zip, a source distribution, a crate, or a tar archive of the source")
    )]
    Archive {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// What stands beside the tree is no archive of one source.
    #[error("`{file}` is no archive of a source: {detail}")]
    #[diagnostic(
        code(git_source::not_a_source),
        help("give a module's zip, a source distribution, a crate, or a tar archive of the source")
    )]
    NotASource {
        /// Which.
        file: String,
        /// Why not.
        detail: String,
    },
    /// A server could not be asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
    /// What a server sent is no pack.
    #[error("the server's pack cannot be taken: {detail}")]
    #[diagnostic(
        code(git_source::pack),
        help("fetch again; if it stays so, treat the server, or the proxy in between, as hostile")
    )]
    Pack {
        /// What is wrong.
        detail: String,
    },
    /// The server has something else, or less, than was asked for.
    #[error("`{url}` does not give {what}")]
    #[diagnostic(
        code(git_source::not_given),
        help(
            "ask the project where that commit is; with a clone that has it: `--repository OWNER/NAME=PATH`"
        )
    )]
    NotGiven {
        /// The repository.
        url: String,
        /// What is lacking.
        what: String,
    },
    /// A bound was reached.
    #[error("{what} passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(git_source::limit),
        help("raise the limit if that size is expected; otherwise treat the repository as hostile")
    )]
    Limit {
        /// On what.
        what: String,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The disk.
    #[error("cannot {what} `{}`", path.display())]
    #[diagnostic(
        code(git_source::disk),
        help("check the free space and the permissions of the clone and the work folder")
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

impl GitSourceError {
    /// A failure of the disk.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Disk { what, path, source }
    }
}
