//! From the library's errors to exit codes, for commands that share them.

use reprove::audit::AuditError;
use reprove::component::ComponentError;
use reprove::environment::debian::EnvironmentError;
use reprove::source::debian::{DebianError, MirrorError};

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
        other => Failure::new(other, Exit::CouldNotLook),
    }
}

/// A release of another channel than the command can handle.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("`{purl}` is not a release of Debian")]
#[diagnostic(code(cli::not_debian), help("name a release whose package URL begins with `pkg:deb/debian/`"))]
struct NotDebian {
    purl: String,
}

/// See [`NotDebian`].
pub(crate) fn not_debian(purl: &str) -> Failure {
    Failure::new(NotDebian { purl: purl.to_owned() }, Exit::Usage)
}
