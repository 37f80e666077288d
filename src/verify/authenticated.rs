//! What the signature layer established about one attestation, before any policy is asked.

use jiff::Timestamp;
use serde_json::Value;

use super::certificate::Certificate;
use super::{Check, Signer};
use crate::digest::{Digest, DigestSet};

/// Evidence that was there and was verified.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evidence {
    pub(crate) entry_timestamp: bool,
    pub(crate) inclusion_proof: bool,
    pub(crate) timestamp: bool,
    /// Whether it came in a bundle that says to be of version 0.1.
    pub(crate) bundle_0_1: bool,
    /// Whether the trust root that was used has transparency logs at all.
    pub(crate) root_has_logs: bool,
}

/// What the signature covers.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A DSSE payload.
    Payload { payload_type: String, bytes: Vec<u8> },
    /// The artifact itself, by its digests.
    Message(Option<DigestSet>),
}

/// One authenticated (or refuted) attestation.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) checks: Vec<Check>,
    pub(crate) signers: Vec<Signer>,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) evidence: Evidence,
    pub(crate) times: Vec<Timestamp>,
    pub(crate) content: Content,
    /// The digest of the artifact for which a message signature was checked: it binds nothing else.
    pub(crate) message_digest: Option<Digest>,
    /// Identifiers of the given keys that signed.
    pub(crate) given_keys: Vec<String>,
}

impl Authenticated {
    pub(crate) const fn new(content: Content) -> Self {
        Self {
            checks: Vec::new(),
            signers: Vec::new(),
            certificate: None,
            evidence: Evidence {
                entry_timestamp: false,
                inclusion_proof: false,
                timestamp: false,
                bundle_0_1: false,
                root_has_logs: false,
            },
            times: Vec::new(),
            content,
            message_digest: None,
            given_keys: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn refuted(mut self, check: Check) -> Self {
        self.checks.push(check);
        self.signers.clear();
        self.given_keys.clear();
        self
    }

    /// The payload as JSON for display, whatever was verified.
    pub(crate) fn payload_json(&self) -> Option<Value> {
        match &self.content {
            Content::Payload { bytes, .. } => super::json::parse(bytes).ok(),
            Content::Message(_) => None,
        }
    }
}
