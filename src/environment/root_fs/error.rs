//! Why a root file system could not be made.

use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::archive::ArchiveError;
use crate::digest::Digest;

/// Why a root file system could not be made. Nothing outside the cache folder was touched, and what was
/// half done is removed, at the latest when the cache is used again.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum RootFsError {
    /// The system refused an operation.
    #[error("cannot {action} `{path}`")]
    #[diagnostic(
        code(root_fs::io),
        help("check free space, free inodes and permissions of the cache folder, then run again")
    )]
    Io {
        /// A verb.
        action: &'static str,
        /// On what.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// An archive inside a package cannot be read.
    #[error("cannot unpack package `{package}`")]
    #[diagnostic(
        code(root_fs::archive),
        help("run `reprove store verify`; if the package is whole, its publisher must mend it")
    )]
    Archive {
        /// The package.
        package: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// The bytes are not the locked ones.
    #[error("package `{package}`: expected `{expected}`, found `{found}`")]
    #[diagnostic(
        code(root_fs::digest),
        help("run `reprove store verify`, which removes damaged objects, then run again")
    )]
    Digest {
        /// The package.
        package: String,
        /// As locked.
        expected: Digest,
        /// Of the bytes that were read.
        found: Digest,
    },
    /// A package is not built as deb(5) says.
    #[error("package `{package}` is not a binary package: {detail}")]
    #[diagnostic(code(root_fs::not_a_deb), help("treat the package as damaged or hostile"))]
    NotADeb {
        /// The package.
        package: String,
        /// What is wrong.
        detail: String,
    },
    /// A package says that it is another one.
    #[error("package `{package}`: the lock says `{expected}`, its control file says `{found}`")]
    #[diagnostic(code(root_fs::identity), help("make the lock again with `reprove lock`"))]
    Identity {
        /// The package.
        package: String,
        /// Name, version and architecture as locked.
        expected: String,
        /// The same as the package says.
        found: String,
    },
    /// A member has no place in a root file system.
    #[error("package `{package}`: member `{member}` is refused: {reason}")]
    #[diagnostic(code(root_fs::member), help("treat the package as hostile"))]
    Member {
        /// The package.
        package: String,
        /// Its path as it stands.
        member: String,
        /// Why.
        reason: String,
    },
    /// A bound was reached.
    #[error("package `{package}` passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(root_fs::limit),
        help("raise the limit if that size is expected; otherwise treat the package as hostile")
    )]
    Limit {
        /// The package.
        package: String,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// Two packages ship one path, and nothing says which of them wins.
    #[error("`{path}` is shipped by both `{first}` and `{second}`, and neither replaces the other")]
    #[diagnostic(
        code(root_fs::conflict),
        help(
            "lock a set of packages that can be installed together: make the lock again with `reprove lock`"
        )
    )]
    Conflict {
        /// The path below the root.
        path: String,
        /// A package, or `reprove` for what it generates.
        first: String,
        /// Another, or the same one twice.
        second: String,
    },
    /// A package is listed twice.
    #[error("the lock lists package `{package}` twice")]
    #[diagnostic(code(root_fs::duplicate), help("make the lock again with `reprove lock`"))]
    Duplicate {
        /// The package and architecture.
        package: String,
    },
    /// The tool chain would not know for whom it builds: dpkg-buildflags then silently leaves out all
    /// hardening, and the build differs from the published one.
    #[error("the root file system at `{path}` names no vendor: {detail}")]
    #[diagnostic(
        code(root_fs::no_vendor),
        help("add `base-files` to the environment: make the lock again with `reprove lock`")
    )]
    NoVendor {
        /// The tree.
        path: PathBuf,
        /// What was looked for.
        detail: String,
    },
    /// Another process uses the tree.
    #[error("the root file system `{key}` is in use")]
    #[diagnostic(code(root_fs::in_use), help("wait for the other run to end, then run again"))]
    InUse {
        /// Its key.
        key: String,
    },
}

impl RootFsError {
    pub(super) fn io(action: &'static str, path: &Path, source: impl Into<std::io::Error>) -> Self {
        Self::Io { action, path: path.display().to_string(), source: source.into() }
    }
}

/// Bytes of a name for a message: bounded, and nothing that a terminal would act on.
pub(super) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(200).flat_map(char::escape_debug).collect()
}
