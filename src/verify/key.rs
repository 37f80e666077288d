//! DSSE envelopes that plain public keys vouch for: the counterpart of signing them.
//!
//! A signature by a plain key establishes who holds the key and nothing about when it was made.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use miette::Diagnostic;
use serde::Serialize;

use super::public_key::PublicKey;
use crate::limits::signature::SignatureLimits;
use crate::statement::dsse::{Envelope, pae};
use crate::verdict::Verdict;

/// What one signature of an envelope turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum EnvelopeOutcome {
    /// By one of the given keys, over this payload and its type.
    Good {
        /// [`PublicKey::id`].
        key: String,
    },
    /// No given key verifies it, and its hint names none of them.
    KeyNotKnown {
        /// The hint, as found.
        keyid: String,
    },
    /// Its hint names a given key, which did not sign this payload.
    Refuted {
        /// [`PublicKey::id`].
        key: String,
    },
}

impl EnvelopeOutcome {
    /// Pass, fail, or inconclusive where the key is not known.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Good { .. } => Verdict::Pass,
            Self::KeyNotKnown { .. } => Verdict::Inconclusive,
            Self::Refuted { .. } => Verdict::Fail,
        }
    }
}

/// An envelope's payload and what became of its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeResult {
    payload: Vec<u8>,
    /// One outcome for each signature, in order.
    pub signatures: Vec<EnvelopeOutcome>,
}

impl EnvelopeResult {
    /// The payload, if at least one of the given keys signed it.
    pub fn payload(&self) -> Option<&[u8]> {
        self.signatures.iter().any(|s| matches!(s, EnvelopeOutcome::Good { .. })).then_some(&*self.payload)
    }

    /// The payload whatever its signatures are worth, for showing it next to a refusal.
    pub fn payload_unverified(&self) -> &[u8] {
        &self.payload
    }

    /// Ids of the keys that signed it, each once: two signatures of one key are one voice.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<_> = self
            .signatures
            .iter()
            .filter_map(|s| match s {
                EnvelopeOutcome::Good { key } => Some(key.as_str()),
                _ => None,
            })
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// Verifies a DSSE envelope against the given keys. Every signature is tried with every key: `keyid` is a
/// hint and decides nothing but the words of a refusal.
pub fn verify_envelope(
    envelope: &Envelope,
    keys: &[PublicKey],
    limits: &SignatureLimits,
) -> Result<EnvelopeResult, KeyError> {
    if envelope.signatures.len() > limits.signatures_max {
        return Err(KeyError::Signatures { max: limits.signatures_max });
    }
    if envelope.signatures.is_empty() {
        return Err(KeyError::Malformed { detail: "the envelope has no signature".to_owned() });
    }
    let payload = decode_base64(&envelope.payload, "payload")?;
    let signed = pae(&envelope.payload_type, &payload);
    let mut outcomes = Vec::new();
    for signature in &envelope.signatures {
        let bytes = decode_base64(&signature.sig, "sig")?;
        outcomes.push(match keys.iter().find(|key| key.verify(&signed, &bytes)) {
            Some(key) => EnvelopeOutcome::Good { key: key.id() },
            None => match keys.iter().find(|key| key.id() == signature.keyid) {
                Some(key) => EnvelopeOutcome::Refuted { key: key.id() },
                None => EnvelopeOutcome::KeyNotKnown { keyid: signature.keyid.chars().take(140).collect() },
            },
        });
    }
    Ok(EnvelopeResult { payload, signatures: outcomes })
}

/// DSSE v1.0.2, section "protocol": standard or URL-safe base64, with padding.
fn decode_base64(text: &str, field: &'static str) -> Result<Vec<u8>, KeyError> {
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .map_err(|e| KeyError::Malformed { detail: format!("`{field}` is not base64: {e}") })
}

/// Why a key or an envelope could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum KeyError {
    /// Neither key nor envelope.
    #[error("malformed key or envelope: {detail}")]
    #[diagnostic(
        code(key::malformed),
        help("give a key as written by `openssl pkey -pubout`, or the envelope as published")
    )]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// PEM of something else.
    #[error("expected PEM with the label `{expected}`, found `{found}`")]
    #[diagnostic(
        code(key::label),
        help("convert the key with `openssl pkey`: `-pubout` for a public key, nothing for a private one")
    )]
    Label {
        /// What should be there.
        expected: &'static str,
        /// What is.
        found: String,
    },
    /// A kind of key that this crate does not use.
    #[error("keys of the kind `{found}` are not supported")]
    #[diagnostic(
        code(key::algorithm),
        help("use ECDSA on P-256 or P-384, or Ed25519; RSA only for verification, of 2048 to 8192 bits")
    )]
    Algorithm {
        /// What was found.
        found: String,
    },
    /// The key file is too large to be a key.
    #[error("a key file of more than {max} bytes")]
    #[diagnostic(code(key::limit), help("give the key alone, without certificates or other text around it"))]
    Limit {
        /// The bound in bytes.
        max: usize,
    },
    /// Too many signatures.
    #[error("an envelope with more than {max} signatures")]
    #[diagnostic(
        code(key::signatures_limit),
        help("raise `signatures_max` if that many are expected; otherwise treat the envelope as hostile")
    )]
    Signatures {
        /// The bound.
        max: usize,
    },
}
