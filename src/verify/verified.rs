//! The type that only this module can make.

use super::{Check, Signer};

/// A value whose signature was checked, with who signed it.
///
/// Only `verify` constructs it, and only after a signature over exactly these bytes was verified with
/// a key that the caller's trust root, key file or policy names. It does *not* say that the signer is
/// the one whom a policy wants: ask [`Verified::signers`].
#[derive(Debug, Clone)]
pub struct Verified<T> {
    value: T,
    signers: Vec<Signer>,
    checks: Vec<Check>,
}

impl<T> Verified<T> {
    /// Wraps a value. Callers in this module must have verified a signature of each signer over it.
    #[allow(dead_code, reason = "the first caller is the attestation reader")]
    pub(in crate::verify) fn new(value: T, signers: Vec<Signer>, checks: Vec<Check>) -> Self {
        Self { value, signers, checks }
    }

    /// The value.
    pub const fn get(&self) -> &T {
        &self.value
    }

    /// Who signed, never empty.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// What was established on the way.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Gives the value away, and with it the knowledge of who signed it.
    pub fn into_inner(self) -> T {
        self.value
    }
}
