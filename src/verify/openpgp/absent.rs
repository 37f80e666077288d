//! What is there when the feature `openpgp` is off: every call says so.

use std::convert::Infallible;

use jiff::Timestamp;

use super::{Certificate, OpenPgpError, SignatureOutcome};
use crate::limits::signature::SignatureLimits;

/// Cannot be made.
pub(super) struct Keyring(Infallible);

impl Keyring {
    pub(super) fn read(_files: &[&[u8]], _limits: &SignatureLimits) -> Result<Self, OpenPgpError> {
        Err(OpenPgpError::NotBuiltIn)
    }

    pub(super) fn len(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn unreadable(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn certificates(&self, _as_of: Timestamp) -> Vec<Certificate> {
        match self.0 {}
    }
}

pub(super) fn verify(
    _signatures: &[u8],
    _data: impl std::io::Read + Send + Sync,
    keyring: &Keyring,
    _as_of: Timestamp,
    _limits: &SignatureLimits,
) -> Result<Vec<SignatureOutcome>, OpenPgpError> {
    match keyring.0 {}
}
