//! Why Go's sources could not be had or believed.

use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::fetch::FetchError;
use crate::store::StoreError;

/// Why Go's sources could not be had or believed.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum GoSourceError {
    /// No proxy to ask.
    #[error("no module proxy is known")]
    #[diagnostic(
        code(go::no_proxy),
        help("name one with `--goproxy URL`, or set it with `go env -w GOPROXY=URL`")
    )]
    NoProxy,
    /// The network, or a server.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
    /// The store.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A module's zip is not one.
    #[error("the zip of `{module}` is no module: {detail}")]
    #[diagnostic(
        code(go::zip),
        help("treat the module or the proxy as hostile; another proxy tells which of the two")
    )]
    Zip {
        /// Path and version.
        module: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Bytes that have another sum than announced.
    #[error("`{what}` has the sum `{found}`, expected `{expected}`")]
    #[diagnostic(
        code(go::sum),
        help("treat the proxy as broken or hostile, and name another with `--goproxy URL`")
    )]
    Sum {
        /// Path, version and which part.
        what: String,
        /// From the lock, `go.sum` or the checksum database.
        expected: String,
        /// Computed here.
        found: String,
    },
    /// A `go.sum` that cannot be read.
    #[error("{file}:{line}: {detail}")]
    #[diagnostic(code(go::sums), help("the source's list of sums is damaged; choose another version"))]
    Sums {
        /// Which.
        file: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// The checksum database's word does not hold.
    #[error("the checksum database cannot be believed: {detail}")]
    #[diagnostic(
        code(go::database),
        help(
            "treat the proxy between you and the database as hostile, and name another with `--goproxy URL`"
        )
    )]
    Database {
        /// What is wrong.
        detail: String,
    },
    /// An answer that is not in the protocol's form.
    #[error("`{what}` was answered with something else: {detail}")]
    #[diagnostic(code(go::protocol), help("name another proxy with `--goproxy URL`"))]
    Protocol {
        /// What was asked.
        what: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// The disk.
    #[error("cannot {what} `{}`", path.display())]
    #[diagnostic(code(go::disk), help("check the free space and the permissions of the work folder"))]
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

impl GoSourceError {
    /// A failure of the disk.
    pub fn io(what: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Disk { what, path: path.to_path_buf(), source }
    }

    /// Whether a server says that it does not have it.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Fetch(e) if e.is_missing())
    }
}
