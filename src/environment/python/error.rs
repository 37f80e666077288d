//! Why a Python environment could not be resolved or made.

use miette::Diagnostic;

use crate::environment::debian::EnvironmentError;
use crate::observe::ObserveError;
use crate::source::pypi::PypiError;

/// Why a Python environment could not be resolved or made.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum PythonError {
    /// The index could not be asked or believed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Index(#[from] PypiError),
    /// The interpreter's packages could not be resolved.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Packages(#[from] EnvironmentError),
    /// The published wheel cannot be read.
    #[error("cannot read what `{file}` says of its own build")]
    #[diagnostic(code(python::wheel), help("see `reprove observe FILE`; it is damaged or hostile"))]
    Wheel {
        /// Which wheel.
        file: String,
        /// Why.
        #[source]
        source: ObserveError,
    },
    /// A wheel whose list of files does not fit its files.
    #[error("the `RECORD` of `{file}` is false: {detail}")]
    #[diagnostic(
        code(python::record),
        help("do not install it: what is installed would not be what its own list says")
    )]
    Record {
        /// Which wheel.
        file: String,
        /// Which entries.
        detail: String,
    },
    /// The environment has no interpreter, or one that is not known.
    #[error("no interpreter can be chosen for: {detail}")]
    #[diagnostic(
        code(python::interpreter),
        help("name `python3` in the definition's `packages`, and one architecture that wheels know")
    )]
    Interpreter {
        /// Expected against found.
        detail: String,
    },
    /// The source tree does not say how it is built.
    #[error("the `[build-system]` of `{file}` cannot be used: {detail}")]
    #[diagnostic(
        code(python::build_system),
        help("the source distribution breaks PEP 517 or PEP 518; ask its publisher")
    )]
    BuildSystem {
        /// The source distribution.
        file: String,
        /// Expected against found.
        detail: String,
    },
    /// A requirement cannot be read or met from an index.
    #[error("the requirement `{requirement}` of `{by}` cannot be taken: {detail}")]
    #[diagnostic(
        code(python::requirement),
        help("requirements name a project and versions (PEP 508); addresses and links are not followed")
    )]
    Requirement {
        /// As it stands.
        requirement: String,
        /// Who requires it.
        by: String,
        /// What is wrong.
        detail: String,
    },
    /// No version fits.
    #[error("no version of `{project}` fits {asked}")]
    #[diagnostic(
        code(python::unsatisfiable),
        help("{}", match listed.as_slice() {
            [] => "the index lists no pure wheel of it: its build would need more than this environment offers".to_owned(),
            all => format!("the newest pure wheels that the index lists are {}; look at the definition's `requires`", all.join(", ")),
        })
    )]
    Unsatisfiable {
        /// Which project.
        project: String,
        /// What is asked of it, and by whom.
        asked: String,
        /// The newest that are there.
        listed: Vec<String>,
    },
    /// A bound was reached.
    #[error("{what} go beyond `limits.pypi.{limit}` of {max}")]
    #[diagnostic(
        code(python::limit),
        help("raise that limit if so many are known to be right; otherwise treat the metadata as hostile")
    )]
    Limit {
        /// What.
        what: &'static str,
        /// Which bound.
        limit: &'static str,
        /// Its value.
        max: usize,
    },
}
