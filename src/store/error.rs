//! Why the store could not do what was asked.

use std::io;
use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::digest::Digest;

/// Why the store could not do what was asked. None of these leaves a damaged object behind.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum StoreError {
    /// The system refused a file operation.
    #[error("cannot {action} `{}`", path.display())]
    #[diagnostic(
        code(store::io),
        help("check the permissions of the folder, and that its file system is mounted read-write")
    )]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// No space, no quota, or the process's file size limit reached.
    #[error("no room to write `{}`", path.display())]
    #[diagnostic(
        code(store::full),
        help(
            "free space on that file system, run `reprove store gc`, or choose another folder with `--work`; \
             the store is whole and the run can be repeated"
        )
    )]
    Full {
        /// The file that was being written; it is not part of the store.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The bytes are not the expected ones.
    #[error("the bytes are not the expected ones: expected `{expected}`, found `{found}`")]
    #[diagnostic(
        code(store::digest),
        help("obtain the file again from another place; the bytes offered were thrown away")
    )]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
    /// The bytes go on past the bound.
    #[error("`{expected}` was to have at most {len_bytes_max} bytes, and there are more")]
    #[diagnostic(
        code(store::too_long),
        help("obtain the file again from another place; the bytes offered were thrown away")
    )]
    TooLong {
        /// What was asked for.
        expected: Digest,
        /// The bound.
        len_bytes_max: u64,
    },
    /// The source of the bytes failed.
    #[error("cannot read the bytes of `{expected}`")]
    #[diagnostic(code(store::read), help("see the cause; then repeat the command"))]
    Read {
        /// What was asked for.
        expected: Digest,
        /// The reader's reason.
        #[source]
        source: io::Error,
    },
    /// Another process holds the store while it is to be cleaned.
    #[error("the store `{}` is in use", path.display())]
    #[diagnostic(code(store::in_use), help("wait for the other `reprove` to end, then repeat the command"))]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// The folder holds something that this version did not write.
    #[error("`{}` is not a store of layout `{expected}`, found `{found}`", path.display())]
    #[diagnostic(
        code(store::layout),
        help("choose an empty or new folder with `--work`; nothing in that folder was touched")
    )]
    Layout {
        /// The store's folder.
        path: PathBuf,
        /// The layout that this version writes.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

impl StoreError {
    /// Wraps a failed operation, telling a full disk from everything else.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { path: path.to_owned(), source }
            }
            _ => Self::Io { action, path: path.to_owned(), source },
        }
    }
}
