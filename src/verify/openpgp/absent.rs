//! What is there when the feature `openpgp` is off: every call says so.

use jiff::Timestamp;

use super::{Certificate, OpenPgpError, SignatureOutcome};
use crate::limits::signature::SignatureLimits;

/// Holds nobody.
pub(super) struct Keyring;

impl Keyring {
    pub(super) const fn nobody() -> Self {
        Self
    }

    pub(super) fn read(_files: &[&[u8]], _limits: &SignatureLimits) -> Result<Self, OpenPgpError> {
        Err(OpenPgpError::NotBuiltIn)
    }

    pub(super) fn len(&self) -> usize {
        0
    }

    pub(super) fn unreadable(&self) -> usize {
        0
    }

    pub(super) fn certificates(&self, _as_of: Timestamp) -> Vec<Certificate> {
        Vec::new()
    }
}

pub(super) fn verify(
    _signatures: &[u8],
    _data: impl std::io::Read + Send + Sync,
    _keyring: &Keyring,
    _as_of: Timestamp,
    _limits: &SignatureLimits,
) -> Result<Vec<SignatureOutcome>, OpenPgpError> {
    Err(OpenPgpError::NotBuiltIn)
}
