//! Why a comparison could not be made at all.

use std::path::PathBuf;

use miette::Diagnostic;

/// Why a comparison could not be made. A malformed or hostile artifact is never one of these: that is
/// a verdict.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum CompareError {
    /// An input could not be read.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(
        code(compare::read),
        help("check that it exists, that it is a file or a directory, and that it may be read")
    )]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are not those that were hashed when the artifact was taken.
    #[error("`{}` has changed since it was hashed: expected sha256 `{expected}`, found `{found}`", path.display())]
    #[diagnostic(
        code(compare::changed),
        help("make sure that nothing writes to the file, and compare again")
    )]
    Changed {
        /// Which file.
        path: PathBuf,
        /// The digest of the artifact.
        expected: String,
        /// The digest of the bytes now.
        found: String,
    },
    /// A directory was given with a file.
    #[error("`{}` is a directory and `{}` is not", directory.display(), file.display())]
    #[diagnostic(code(compare::kinds), help("give two files or two directories"))]
    Kinds {
        /// The directory.
        directory: PathBuf,
        /// The other.
        file: PathBuf,
    },
    /// Neither a regular file nor a directory.
    #[error("`{}` is neither a regular file nor a directory", path.display())]
    #[diagnostic(code(compare::special_file), help("copy the bytes to a regular file first"))]
    SpecialFile {
        /// Which.
        path: PathBuf,
    },
    /// Scratch space could not be used.
    #[error("cannot use scratch space in `{}`", path.display())]
    #[diagnostic(
        code(compare::scratch),
        help("free space there, or name another directory with `--scratch`")
    )]
    Scratch {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A view could not be written.
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(code(compare::write), help("check that its folder exists and may be written to"))]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The ledger is not right.
    #[error("ledger `{}`: {detail}", path.display())]
    #[diagnostic(
        code(compare::ledger),
        help("each `[[difference]]` has `path`, `cause`, `reason`, `owner` and `until = \"YYYY-MM-DD\"`")
    )]
    Ledger {
        /// The file.
        path: PathBuf,
        /// What, where.
        detail: String,
    },
}
