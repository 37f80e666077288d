//! From the library's errors to exit codes, for commands that share them.

use reprove::audit::AuditError;
use reprove::component::ComponentError;
use reprove::environment::debian::EnvironmentError;
use reprove::environment::go::GoEnvironmentError;
use reprove::environment::python::PythonError;
use reprove::source::debian::{DebianError, MirrorError};
use reprove::source::git::GitSourceError;
use reprove::source::go::GoSourceError;
use reprove::source::npm::NpmError;
use reprove::source::pypi::PypiError;

use crate::exit::Exit;
use crate::render::Failure;

/// A definition that cannot be read could not be looked at; a wrong one is a matter of the policies.
pub(crate) fn component(error: ComponentError) -> Failure {
    let exit = match error {
        ComponentError::Read { .. } => Exit::CouldNotLook,
        _ => Exit::Usage,
    };
    Failure::new(error, exit)
}

/// What the archive does not have, or no longer, is a matter of the definition; an index that is
/// refused is evidence against it; all else could not be looked at.
pub(crate) fn environment(error: EnvironmentError) -> Failure {
    match error {
        EnvironmentError::Archive(e) => debian(e),
        EnvironmentError::PublishedNotListed { .. } | EnvironmentError::Unsatisfiable { .. } => {
            Failure::new(error, Exit::Usage)
        }
        EnvironmentError::Contradicted { .. } => Failure::new(error, Exit::Fail),
        other => Failure::new(other, Exit::CouldNotLook),
    }
}

/// As [`environment`], for what the archive itself says. An index past its end is stale, not refuted.
pub(crate) fn debian(error: DebianError) -> Failure {
    let exit = match &error {
        DebianError::SourceNotListed { .. }
        | DebianError::NoIndexPart { .. }
        | DebianError::Mirror(MirrorError::None { .. }) => Exit::Usage,
        DebianError::OpenPgp { .. }
        | DebianError::NotVouchedFor { .. }
        | DebianError::Refuted { .. }
        | DebianError::WrongSuite { .. }
        | DebianError::Field { .. }
        | DebianError::Stanza { .. }
        | DebianError::DscDisagrees { .. } => Exit::Fail,
        _ => Exit::CouldNotLook,
    };
    Failure::new(error, exit)
}

/// What an audit could not look at.
pub(crate) fn audit(error: AuditError) -> Failure {
    match error {
        AuditError::Source(e) => debian(e),
        AuditError::Environment(e) => environment(e),
        AuditError::GoSource(e) => go_source(e),
        AuditError::GoEnvironment(e) => go(e),
        AuditError::GitSource(e) => git_source(e),
        AuditError::Store(e) => Failure::from(e),
        AuditError::Npm(e) => npm(e),
        AuditError::Index(e) => pypi(e),
        AuditError::NoIndex { .. } => Failure::new(error, Exit::Usage),
        other => Failure::new(other, Exit::CouldNotLook),
    }
}

/// A release of another channel than the command can handle.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the lock of `{purl}` is one of another channel")]
#[diagnostic(code(cli::other_channel), help("lock the release again with `reprove lock`"))]
struct OtherChannel {
    purl: String,
}

/// See [`OtherChannel`].
pub(crate) fn other_channel(purl: &str) -> Failure {
    Failure::new(OtherChannel { purl: purl.to_owned() }, Exit::Usage)
}

/// What a proxy or a checksum database says against a sum or its own word is evidence; what nobody was
/// named for is a matter of the arguments; all else could not be looked at.
pub(crate) fn go_source(error: GoSourceError) -> Failure {
    let exit = match &error {
        GoSourceError::Zip { .. } | GoSourceError::Sum { .. } | GoSourceError::Database { .. } => Exit::Fail,
        GoSourceError::NoProxy => Exit::Usage,
        _ => Exit::CouldNotLook,
    };
    Failure::new(error, exit)
}

/// What a clone or an archive says against itself is evidence; all else could not be looked at.
pub(crate) fn git_source(error: GitSourceError) -> Failure {
    match error {
        GitSourceError::Module(e) => go_source(e),
        GitSourceError::Object { .. } | GitSourceError::Tree { .. } | GitSourceError::Pack { .. } => {
            Failure::new(error, Exit::Fail)
        }
        GitSourceError::NotASource { .. } => Failure::new(error, Exit::Usage),
        other => Failure::new(other, Exit::CouldNotLook),
    }
}

/// As [`go_source`], for what is resolved from it.
pub(crate) fn go(error: GoEnvironmentError) -> Failure {
    match error {
        GoEnvironmentError::Source(e) => go_source(e),
        GoEnvironmentError::Git(e) => git_source(e),
        GoEnvironmentError::TagMoved { .. } => Failure::new(error, Exit::Fail),
        GoEnvironmentError::Damaged { .. } | GoEnvironmentError::Unfit { .. } => {
            Failure::new(error, Exit::Usage)
        }
        other => Failure::new(other, Exit::CouldNotLook),
    }
}

/// As [`go_source`], for the npm registry.
pub(crate) fn npm(error: NpmError) -> Failure {
    let exit = match &error {
        NpmError::NoRegistry => Exit::Usage,
        NpmError::Description { .. } => Exit::Fail,
        NpmError::Fetch(_) => Exit::CouldNotLook,
    };
    Failure::new(error, exit)
}

/// What an index says against its own word or a lock's is evidence; what it does not have, or what a
/// definition asks for in vain, is a matter of the definition; all else could not be looked at.
pub(crate) fn pypi(error: PypiError) -> Failure {
    let exit = match &error {
        PypiError::Contradicted { .. } | PypiError::Distribution { .. } => Exit::Fail,
        PypiError::NotListed { .. } | PypiError::IndexAddress { .. } => Exit::Usage,
        _ => Exit::CouldNotLook,
    };
    Failure::new(error, exit)
}

/// As [`pypi`], for what is resolved from it.
pub(crate) fn python(error: PythonError) -> Failure {
    match error {
        PythonError::Index(e) => pypi(e),
        PythonError::Packages(e) => environment(e),
        PythonError::Record { .. } => Failure::new(error, Exit::Fail),
        PythonError::Unsatisfiable { .. }
        | PythonError::Interpreter { .. }
        | PythonError::Requirement { .. } => Failure::new(error, Exit::Usage),
        other => Failure::new(other, Exit::CouldNotLook),
    }
}
