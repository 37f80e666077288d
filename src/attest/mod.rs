//! Turns results into statements and signed envelopes.

mod folder;
pub mod key;
pub mod provenance;

pub use folder::{WriteError, safe_name, statement_bytes, write_atomically, write_statement};
pub use key::{SigningKey, SigningKeyError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::statement::dsse::{Envelope, Signature, pae};

/// Signs a payload into a DSSE envelope with one signature, whose `keyid` is the SHA-256 of the key's
/// SubjectPublicKeyInfo. [`crate::verify::key::verify_envelope`] is its counterpart.
pub fn sign(payload_type: &str, payload: &[u8], key: &SigningKey) -> Result<Envelope, SigningKeyError> {
    let signature = key.sign(&pae(payload_type, payload))?;
    let signature = Signature { keyid: key.public().id(), sig: STANDARD.encode(signature), cert: None };
    Ok(Envelope::new(payload_type, payload, vec![signature]))
}

#[cfg(test)]
mod tests;
