//! SSH signatures (`ssh-keygen -Y sign`, OpenSSH's PROTOCOL.sshsig) against a file of allowed signers.
//!
//! # What a good signature establishes
//!
//! The bytes were signed for this namespace by a key, or under a certificate authority, that the file
//! allows for the identity, at the time of judgment. An SSH signature carries no time of its own: a key
//! whose `valid-before` has passed vouches for nothing any more, whenever it signed.
//!
//! # What it does not
//!
//! Revocation: OpenSSH keeps that in a separate list, and a key that is taken out of the file is enough
//! here. For security keys, whether a person touched them.

mod allowed;
mod sshsig;
#[cfg(test)]
mod tests;

use std::io::Read;

use jiff::Timestamp;
use miette::Diagnostic;
use serde::Serialize;
use ssh_key::certificate::{CertType, Certificate};
use ssh_key::public::KeyData;
use ssh_key::{HashAlg, PublicKey, Signature};

pub use allowed::AllowedSigners;
use sshsig::{Blob, SshKey};

use crate::limits::signature::SignatureLimits;
use crate::verdict::Verdict;

/// RSA keys below this vouch for nothing. Source: NIST SP 800-131A; OpenSSH's `RequiredRSASize` is lower.
const RSA_BITS_MIN: usize = 2048;

/// What is asked of a signature.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What the signature must have been made for: `file`, `git`, or the publisher's own.
    pub namespace: &'a str,
    /// Who must have signed; `None` takes any signer of the file.
    pub identity: Option<&'a str>,
    /// When keys and certificates must be valid.
    pub at: Timestamp,
}

/// What a signature turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum SshOutcome {
    /// By an allowed key; see the module's page for what that means.
    Good {
        /// The identity that was asked for, or the principals of the matching line.
        principal: String,
        /// `SHA256:…` of the key that signed.
        fingerprint: String,
        /// Of a certificate: its key id and the authority's fingerprint.
        certificate: Option<String>,
    },
    /// By a key that no line of the file lists.
    KeyNotAllowed {
        /// `SHA256:…` of the key that signed.
        fingerprint: String,
    },
    /// By a listed key, but not for this identity, namespace or time.
    NotAllowedForThis {
        /// `SHA256:…` of the key that signed.
        fingerprint: String,
        /// What each matching line demands that is not so.
        reasons: Vec<String>,
    },
    /// The signature was made for another purpose.
    OtherNamespace {
        /// As asked.
        expected: String,
        /// As signed.
        found: String,
    },
    /// The bytes are not what this key signed.
    Refuted {
        /// `SHA256:…` of the key that signed.
        fingerprint: String,
    },
    /// A short RSA key.
    Weak {
        /// `SHA256:…` of the key that signed.
        fingerprint: String,
        /// What is weak.
        reason: String,
    },
    /// An algorithm that this build cannot check.
    NotUnderstood {
        /// What.
        reason: String,
    },
}

impl SshOutcome {
    /// Whether this signature vouches.
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Good { .. })
    }

    /// Pass, fail, or inconclusive where the key is not known or cannot be checked.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Good { .. } => Verdict::Pass,
            Self::KeyNotAllowed { .. } | Self::NotUnderstood { .. } => Verdict::Inconclusive,
            Self::NotAllowedForThis { .. }
            | Self::OtherNamespace { .. }
            | Self::Refuted { .. }
            | Self::Weak { .. } => Verdict::Fail,
        }
    }
}

impl std::fmt::Display for SshOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Good { principal, fingerprint, certificate } => {
                write!(f, "good signature of `{principal}` with `{fingerprint}`")?;
                certificate.as_ref().map_or(Ok(()), |c| write!(f, ", certificate {c}"))
            }
            Self::KeyNotAllowed { fingerprint } => {
                write!(f, "signature of `{fingerprint}`, which no line allows")
            }
            Self::NotAllowedForThis { fingerprint, reasons } => {
                write!(f, "signature of `{fingerprint}`, which is not allowed here: {}", reasons.join("; "))
            }
            Self::OtherNamespace { expected, found } => {
                write!(f, "signature for the namespace `{found}`, expected `{expected}`")
            }
            Self::Refuted { fingerprint } => {
                write!(f, "signature of `{fingerprint}` does not match the bytes")
            }
            Self::Weak { fingerprint, reason } => write!(f, "signature of `{fingerprint}`: {reason}"),
            Self::NotUnderstood { reason } => write!(f, "signature that this build cannot check: {reason}"),
        }
    }
}

/// Verifies an armoured SSH signature over the bytes of `data`, read once and in constant memory.
pub fn verify(
    signature: &[u8],
    data: impl Read,
    allowed: &AllowedSigners,
    question: &Question<'_>,
    limits: &SignatureLimits,
) -> Result<SshOutcome, SshError> {
    let blob = Blob::from_armor(signature, limits)?;
    let hash = blob.hash_of(data).map_err(SshError::Read)?;
    Ok(judge(&blob, &hash, allowed, question))
}

/// Whether the bytes look like an armoured SSH signature. Decides only which reader to ask.
pub fn is_signature(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(sshsig::BEGIN.as_bytes())
}

fn judge(blob: &Blob, hash: &[u8], allowed: &AllowedSigners, question: &Question<'_>) -> SshOutcome {
    let (key, certificate) = match &blob.key {
        SshKey::Plain(key) => (key.key_data(), None),
        SshKey::Certificate(certificate) => (certificate.public_key(), Some(certificate.as_ref())),
    };
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    if let Err(reason) = strong(key) {
        return SshOutcome::Weak { fingerprint, reason };
    }
    if matches!(key, KeyData::Other(_) | KeyData::Dsa(_)) {
        return SshOutcome::NotUnderstood { reason: format!("keys of the kind `{}`", key.algorithm()) };
    }
    if !matches(key, &blob.signed_data(hash), &blob.signature) {
        return SshOutcome::Refuted { fingerprint };
    }
    if blob.namespace != question.namespace {
        return SshOutcome::OtherNamespace {
            expected: question.namespace.to_owned(),
            found: blob.namespace.clone(),
        };
    }

    let mut reasons = Vec::new();
    let mut listed = false;
    for line in allowed.lines() {
        let by_authority = certificate.filter(|c| line.authority && c.signature_key() == line.key.key_data());
        let by_key = !line.authority && certificate.is_none() && line.key.key_data() == key;
        if by_authority.is_none() && !by_key {
            continue;
        }
        listed = true;
        let found = match (line.refuses(question), by_authority) {
            (Some(reason), _) => Err(reason),
            (None, Some(certificate)) => certified(certificate, line, question),
            (None, None) => Ok(question.identity.unwrap_or(&line.principals).to_owned()),
        };
        match found {
            Err(reason) => reasons.push(format!("line {}: {reason}", line.number)),
            Ok(principal) => {
                return SshOutcome::Good {
                    principal,
                    fingerprint,
                    certificate: by_authority.map(|c| {
                        let id: String = c.key_id().chars().filter(|c| !c.is_control()).take(128).collect();
                        format!("`{id}` of `{}`", c.signature_key().fingerprint(HashAlg::Sha256))
                    }),
                };
            }
        }
    }
    if listed {
        SshOutcome::NotAllowedForThis { fingerprint, reasons }
    } else {
        SshOutcome::KeyNotAllowed { fingerprint }
    }
}

fn matches(key: &KeyData, message: &[u8], signature: &Signature) -> bool {
    use signature::Verifier as _;
    key.verify(message, signature).is_ok()
}

fn strong(key: &KeyData) -> Result<(), String> {
    let KeyData::Rsa(rsa) = key else { return Ok(()) };
    let bits = rsa
        .n
        .as_positive_bytes()
        .map_or(0, |n| n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize));
    if bits < RSA_BITS_MIN {
        return Err(format!("an RSA key of {bits} bits, at least {RSA_BITS_MIN} are expected"));
    }
    Ok(())
}

/// OpenSSH's PROTOCOL.certkeys: whom the certificate is for. One without principals is for nobody here, as
/// in `ssh-keygen`.
fn certified(
    certificate: &Certificate,
    line: &allowed::Line,
    question: &Question<'_>,
) -> Result<String, String> {
    if let Err(reason) = strong(certificate.signature_key()) {
        return Err(format!("the authority has {reason}"));
    }
    if certificate.cert_type() != CertType::User {
        return Err("the certificate is a host's".to_owned());
    }
    if let Some(option) = certificate.critical_options().keys().next() {
        let option: String = option.chars().filter(|c| !c.is_control()).take(64).collect();
        return Err(format!("the certificate has the critical option `{option}`, which has no meaning here"));
    }
    let names = certificate.valid_principals();
    let principal = match question.identity {
        Some(identity) if names.iter().any(|p| p == identity) => identity.to_owned(),
        Some(identity) => return Err(format!("the certificate is not for `{identity}`")),
        None => names
            .iter()
            .find(|name| line.is_for(name))
            .cloned()
            .ok_or_else(|| format!("the certificate names nobody among `{}`", line.principals))?,
    };
    let at = u64::try_from(question.at.as_second()).unwrap_or(0);
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    certificate.validate_at(at, [&authority]).map_err(|_| {
        format!(
            "the certificate is not valid at {}: its authority did not sign it, or its time is not then",
            question.at
        )
    })?;
    Ok(principal)
}

/// The fingerprint of a line's key, for listings.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Why a signature or a file of allowed signers could not be looked at.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SshError {
    /// The signature breaks its format's rules.
    #[error("not an SSH signature: {detail}")]
    #[diagnostic(
        code(ssh::signature_malformed),
        help("fetch the signature again as published, as `ssh-keygen -Y sign` wrote it")
    )]
    Signature {
        /// What is wrong.
        detail: String,
    },
    /// A line of the allowed signers cannot be read.
    #[error("line {line} of the allowed signers: {detail}")]
    #[diagnostic(
        code(ssh::allowed_signers),
        help(
            "mend the line: principals, options, key type and key, as in `ssh-keygen(1)` under ALLOWED SIGNERS"
        )
    )]
    AllowedSigners {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// A bound was reached.
    #[error("the {what} passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(ssh::limit),
        help("raise the limit if that size is expected; otherwise treat the file as hostile")
    )]
    Limit {
        /// What was being read.
        what: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// The signed bytes could not be read.
    #[error("cannot read the signed data")]
    #[diagnostic(code(ssh::read), help("check that the file exists and can be read"))]
    Read(#[source] std::io::Error),
}
