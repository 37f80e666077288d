//! Why a lock could not be taken.

use std::path::PathBuf;

use miette::Diagnostic;

/// Why a lock could not be taken.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LockError {
    /// It is not there.
    #[error("no lock `{}`", path.display())]
    #[diagnostic(code(lock::missing), help("write it: `reprove lock {component}`"))]
    Missing {
        /// Where it should be.
        path: PathBuf,
        /// What to lock: a component, or a release by its package URL.
        component: String,
    },
    /// The lock of what a release needs to run is not there.
    #[error("no lock `{}`", path.display())]
    #[diagnostic(code(lock::missing_runtime), help("write it: `reprove lock --runtime {component}`"))]
    MissingRuntime {
        /// Where it should be.
        path: PathBuf,
        /// The component and its version.
        component: String,
    },
    /// A file is none of the release's own packages.
    #[error("`{file}` is not a package of the release, which are `{own}`")]
    #[diagnostic(code(lock::not_own), help("give a file named `<package>_<version>_<architecture>.deb`"))]
    NotOwn {
        /// Which file.
        file: String,
        /// What would be.
        own: String,
    },
    /// It could not be read.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(code(lock::read), help("check that the file exists and may be read"))]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// It could not be written.
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(code(lock::write), help("check that the folder may be written and the disk has space"))]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// No lock is that long.
    #[error("`{file}` has more than {bytes_max} bytes")]
    #[diagnostic(code(lock::too_large), help("write it again with `reprove lock`"))]
    TooLarge {
        /// Which file.
        file: String,
        /// The bound.
        bytes_max: u64,
    },
    /// Not JSON, an unknown key, or a value of the wrong type.
    #[error("`{file}` is not a lock")]
    #[diagnostic(
        code(lock::schema),
        help("write it again with `reprove lock`; the schema is closed, and a lock is not edited by hand")
    )]
    Schema {
        /// Which file.
        file: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A schema of another version of reprove.
    #[error("`{file}` has schema {found}, expected {expected}")]
    #[diagnostic(
        code(lock::schema_number),
        help("write it again with `reprove lock`, or use the version that wrote it")
    )]
    SchemaNumber {
        /// Which file.
        file: String,
        /// As found.
        found: u32,
        /// The one that is known.
        expected: u32,
    },
    /// A value out of its domain: the lock was damaged or tampered with.
    #[error("`{file}`: {at} is `{}`, expected {expected}", found.escape_debug())]
    #[diagnostic(
        code(lock::value),
        help(
            "restore the file from version control, or write it again with `reprove lock` and review the difference"
        )
    )]
    Value {
        /// Which file.
        file: String,
        /// Where in it.
        at: String,
        /// As found, cut to 200 characters.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// The lock is of another component or release.
    #[error("`{file}` locks `{found}`, expected `{expected}`")]
    #[diagnostic(code(lock::other_release), help("write it again with `reprove lock`"))]
    OtherRelease {
        /// Which file.
        file: String,
        /// As found.
        found: String,
        /// What was asked for.
        expected: String,
    },
}
