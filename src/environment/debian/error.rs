//! Why an environment could not be resolved or obtained.

use std::path::PathBuf;
use std::time::Duration;

use miette::Diagnostic;

use crate::archive::ArchiveError;
use crate::digest::Digest;
use crate::environment::lock::LockError;
use crate::source::debian::DebianError;
use crate::source::debian::deb822::Deb822Error;
use crate::store::StoreError;

/// Why an environment could not be resolved or obtained.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum EnvironmentError {
    /// The archive could not be asked or believed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] DebianError),
    /// The lock could not be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// The published binary packages are not in the indexes.
    #[error("no binary package `{name}` {expected} in {}", suites.join(", "))]
    #[diagnostic(
        code(environment::published_not_listed),
        help("{}", match found.as_slice() {
            [] => "check the definition's `binaries` and `suites`".to_owned(),
            all => format!("the archive has moved on; it now lists {}: define that release", all.join(", ")),
        })
    )]
    PublishedNotListed {
        /// Its name.
        name: String,
        /// Version and source that were expected.
        expected: String,
        /// Where it was looked for.
        suites: Vec<String>,
        /// Versions that are there.
        found: Vec<String>,
    },
    /// `apt-get` is not there.
    #[error("`{}` cannot be started", program.display())]
    #[diagnostic(
        code(environment::no_apt),
        help(
            "write the lock on a machine that has apt (Debian and its relatives; elsewhere in a container) and commit it; `reprove rebuild` and `reprove audit` need only the lock"
        )
    )]
    NoApt {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A signed index and the lock name other bytes for the same version.
    #[error("the signed index has other bytes for `{name}` than the lock: expected {locked}, found {listed}")]
    #[diagnostic(
        code(environment::contradicted),
        help(
            "the lock was tampered with or damaged: look at its history, and make it again with `reprove lock`"
        )
    )]
    Contradicted {
        /// Package and version, or file.
        name: String,
        /// As locked.
        locked: Digest,
        /// As listed.
        listed: Digest,
    },
    /// apt found no solution, or failed.
    #[error("`apt-get` finds no set of packages that satisfies the build dependencies: {said}")]
    #[diagnostic(
        code(environment::unsatisfiable),
        help(
            "check that the definition's `suites` hold all that `Build-Depends` names; the suite may have moved on past this source"
        )
    )]
    Unsatisfiable {
        /// The last lines of what it said.
        said: String,
    },
    /// apt ran for too long or said too much.
    #[error("`apt-get` passed the limit `{limit}`: {}", max)]
    #[diagnostic(
        code(environment::resolver_limit),
        help("run it again on a quieter machine; the limit is an argument of the library")
    )]
    ResolverLimit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: String,
    },
    /// apt names a package that no signed index has.
    #[error("`apt-get` names `{package}` {version} {architecture}, which no signed index has")]
    #[diagnostic(
        code(environment::resolver_answer),
        help(
            "this version of apt answers in a form that is not understood; report it with the output of `apt-get --version`"
        )
    )]
    NotInIndex {
        /// Its name.
        package: String,
        /// Its version.
        version: String,
        /// Its architecture.
        architecture: String,
    },
    /// Two indexes name different bytes for one package.
    #[error("the signed indexes name different bytes for `{package}` {version}")]
    #[diagnostic(
        code(environment::index_conflict),
        help("wait until the archive's suites agree, or name fewer `suites` in the definition")
    )]
    IndexConflict {
        /// Its name.
        package: String,
        /// Its version.
        version: String,
    },
    /// A scratch file failed.
    #[error("cannot {action} `{}`", path.display())]
    #[diagnostic(
        code(environment::scratch),
        help("check that the work folder may be written and has space: 300 MiB are needed")
    )]
    Scratch {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A package could not be read.
    #[error("cannot read `{file}`")]
    #[diagnostic(
        code(environment::package),
        help("treat the package as damaged or hostile; it is the one that the signed index names")
    )]
    Package {
        /// Which file.
        file: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// A changelog is not where it must be, or not of the form it must have.
    #[error("`{file}`: {detail}")]
    #[diagnostic(
        code(environment::changelog),
        help(
            "the release cannot be dated without its changelog; check that the definition names the right source and binaries"
        )
    )]
    Changelog {
        /// Where it was looked for.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// A list of packages is not of its form.
    #[error("`{field}` of the source is malformed: {detail}")]
    #[diagnostic(
        code(environment::relations),
        help("check that the definition names the right source; its fields cannot be understood")
    )]
    Relations {
        /// The field.
        field: &'static str,
        /// What is wrong.
        detail: String,
    },
}

impl EnvironmentError {
    pub(super) fn scratch(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Scratch { action, path, source }
    }

    pub(super) fn limit_time(limit: Duration) -> Self {
        Self::ResolverLimit { limit: "resolver_timeout", max: format!("{} s", limit.as_secs()) }
    }

    pub(super) fn stanza(what: &str) -> impl FnOnce(Deb822Error) -> Self {
        let what = what.to_owned();
        move |source| Self::Archive(DebianError::Stanza { what, source })
    }
}

impl From<StoreError> for EnvironmentError {
    fn from(error: StoreError) -> Self {
        Self::Archive(error.into())
    }
}
