//! OpenPGP: clear-signed texts (`InRelease`, `.dsc`) and detached signatures, against a given keyring.
//!
//! Built with the cargo feature `openpgp`, which brings sequoia-openpgp; without it every call answers
//! [`OpenPgpError::NotBuiltIn`], which is *inconclusive* and never a pass.
//!
//! # What a good signature establishes
//!
//! The bytes were signed by a key of the given keyring; at the creation time that the signature itself
//! names, that key was bound to its certificate, alive, not revoked and meant for signing; the signature
//! was alive at `as_of`; no algorithm of it is broken. A hard revocation (key compromised) counts whenever
//! it was made.
//!
//! # What it does not
//!
//! - That the creation time is true: whoever steals an expired key can date a signature back.
//! - That the user id belongs to a person: a keyring is trusted whole, names are only shown.
//! - That the text is fresh: `Valid-Until` of an `InRelease` is for its reader to judge.
//! - How many signatures are enough: every outcome is listed, the caller decides.

#[cfg(not(feature = "openpgp"))]
mod absent;
mod cleartext;
#[cfg(feature = "openpgp")]
mod engine;
#[cfg(all(test, feature = "openpgp"))]
mod tests;

use jiff::Timestamp;
use miette::Diagnostic;
use serde::Serialize;

use crate::limits::signature::SignatureLimits;
use crate::verdict::Verdict;

#[cfg(not(feature = "openpgp"))]
use absent as backend;
#[cfg(feature = "openpgp")]
use engine as backend;

/// Certificates that are trusted to vouch, indexed by key and parsed only when a signature calls for them.
///
/// Certificates given several times are merged, so that a revocation in any copy counts.
pub struct Keyring(backend::Keyring);

impl Keyring {
    /// Holds nobody: no signature verifies with it.
    pub fn nobody() -> Self {
        Self(backend::Keyring::nobody())
    }

    /// Reads certificates, binary or in ASCII armour, as in `/usr/share/keyrings/*.gpg`.
    ///
    /// Certificates that cannot be read are counted ([`Self::unreadable`]) and vouch for nothing; a file
    /// without a readable one is refused.
    pub fn read(bytes: &[u8], limits: &SignatureLimits) -> Result<Self, OpenPgpError> {
        backend::Keyring::read(&[bytes], limits).map(Self)
    }

    /// Reads several keyring files as one keyring.
    pub fn read_all(files: &[&[u8]], limits: &SignatureLimits) -> Result<Self, OpenPgpError> {
        backend::Keyring::read(files, limits).map(Self)
    }

    /// Certificates in it, each counted once however often it was given.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it is empty, as [`Self::nobody`] is; a keyring that was read never is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Certificates that were there and could not be read.
    pub fn unreadable(&self) -> usize {
        self.0.unreadable()
    }

    /// Describes each certificate as it stands at `as_of`, ordered by fingerprint. Parses all of them:
    /// about 0.6 s of CPU for the 28 MB keyring of Debian's developers.
    pub fn certificates(&self, as_of: Timestamp) -> Vec<Certificate> {
        self.0.certificates(as_of)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("certificates", &self.len()).finish_non_exhaustive()
    }
}

/// One certificate of a keyring, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// Fingerprint of the primary key, upper-case hexadecimal.
    pub fingerprint: String,
    /// User ids, the primary one first; self-asserted.
    pub user_ids: Vec<String>,
    /// When the primary key says it was made.
    pub created: Option<Timestamp>,
    /// When the certificate ends; `None` if it has no end or none is validly stated.
    pub expires: Option<Timestamp>,
    /// How it stands at the time asked about.
    pub standing: CertificateStanding,
    /// Keys that may sign at that time: fingerprint and end.
    pub signing_keys: Vec<SigningKey>,
}

/// A key of a certificate that may sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SigningKey {
    /// Upper-case hexadecimal.
    pub fingerprint: String,
    /// When the key ends.
    pub expires: Option<Timestamp>,
}

/// How a certificate stands at a given time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "reason")]
pub enum CertificateStanding {
    /// Alive and not revoked.
    Live,
    /// Its time is over.
    Expired,
    /// Revoked, with the reason given.
    Revoked(String),
    /// Nothing valid binds it at that time: too old an algorithm, not yet made.
    NotValid(String),
}

/// What one signature turned out to be.
///
/// `fingerprint`s are upper-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum SignatureOutcome {
    /// By a key of the keyring that was bound and alive; see the module's page for what that means.
    Good {
        /// Of the certificate's primary key.
        fingerprint: String,
        /// Of the key that signed, which may be a subkey.
        signing_key: String,
        /// The primary user id; self-asserted.
        user_id: Option<String>,
        /// The creation time in the signature; the signer's own word.
        created: Timestamp,
    },
    /// No key of the keyring matches; nothing is known about the bytes.
    KeyNotKnown {
        /// Fingerprints or key ids that the signature names.
        issuers: Vec<String>,
    },
    /// The bytes are not what this key signed.
    Refuted {
        /// Fingerprints or key ids that the signature names.
        issuers: Vec<String>,
        /// Why.
        reason: String,
    },
    /// The signature is by this key over these bytes, but no valid self-signature of the certificate at
    /// hand binds the key at the signature's time (gpgv calls this good). A fuller copy of the certificate
    /// may bind it.
    KeyNotBound {
        /// Of the certificate's primary key.
        fingerprint: String,
        /// Of the key that signed.
        signing_key: String,
        /// The creation time in the signature.
        created: Timestamp,
        /// Why it is not bound.
        reason: String,
    },
    /// The signature is by this key over these bytes, but the key had expired, was revoked, was not yet
    /// made or is not meant for signing (gpgv calls an expired one good, and says so).
    KeyNotLive {
        /// Of the certificate's primary key.
        fingerprint: String,
        /// Of the key that signed.
        signing_key: String,
        /// The creation time in the signature.
        created: Timestamp,
        /// What was wrong with the key.
        fault: KeyFault,
    },
    /// The signature is by this key over these bytes, but its own time is over or has not begun.
    SignatureNotLive {
        /// Of the certificate's primary key.
        fingerprint: String,
        /// Of the key that signed.
        signing_key: String,
        /// The creation time in the signature.
        created: Timestamp,
        /// Expired, or dated after the time of judgment.
        reason: String,
    },
    /// Made with an algorithm that no longer establishes anything (SHA-1, MD5, 1024-bit RSA, …).
    WeakAlgorithm {
        /// Fingerprints or key ids that the signature names.
        issuers: Vec<String>,
        /// Which algorithm.
        reason: String,
    },
    /// Of a version or with an algorithm that this build cannot read.
    NotUnderstood {
        /// What.
        reason: String,
    },
}

/// What was wrong with a key when it signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "detail")]
pub enum KeyFault {
    /// Its time was over.
    Expired(String),
    /// It was made later than the signature says.
    NotYetLive(String),
    /// It is revoked.
    Revoked(String),
    /// It may not sign data.
    NotForSigning,
    /// Anything else, in the library's words.
    Rejected(String),
}

impl SignatureOutcome {
    /// Whether this signature vouches.
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Good { .. })
    }

    /// Pass for a good one, fail for evidence against, inconclusive where evidence is missing.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Good { .. } => Verdict::Pass,
            Self::KeyNotKnown { .. } | Self::KeyNotBound { .. } | Self::NotUnderstood { .. } => {
                Verdict::Inconclusive
            }
            Self::Refuted { .. }
            | Self::KeyNotLive { .. }
            | Self::SignatureNotLive { .. }
            | Self::WeakAlgorithm { .. } => Verdict::Fail,
        }
    }

    /// The name of the check that this outcome answers: established for a good signature, refuted or absent
    /// otherwise.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Good { .. } | Self::Refuted { .. } => "openpgp-signature",
            Self::KeyNotKnown { .. } => "openpgp-key-known",
            Self::KeyNotBound { .. } => "openpgp-key-bound",
            Self::KeyNotLive { .. } => "openpgp-key-live",
            Self::SignatureNotLive { .. } => "openpgp-signature-live",
            Self::WeakAlgorithm { .. } => "openpgp-algorithm",
            Self::NotUnderstood { .. } => "openpgp-signature-understood",
        }
    }
}

impl std::fmt::Display for SignatureOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |issuers: &[String]| match issuers {
            [] => "a key it does not name".to_owned(),
            all => all.iter().map(|i| format!("`{i}`")).collect::<Vec<_>>().join(", "),
        };
        match self {
            Self::Good { fingerprint, signing_key, user_id, created } => {
                write!(f, "good signature of `{fingerprint}`")?;
                if signing_key != fingerprint {
                    write!(f, " (signing key `{signing_key}`)")?;
                }
                if let Some(name) = user_id {
                    write!(f, ", who says to be `{name}`")?;
                }
                write!(f, ", dated {created}")
            }
            Self::KeyNotKnown { issuers } => write!(f, "signature of {}, not in the keyring", named(issuers)),
            Self::Refuted { issuers, reason } => {
                write!(f, "signature of {} does not match the bytes: {reason}", named(issuers))
            }
            Self::KeyNotBound { signing_key, created, reason, .. } => write!(
                f,
                "signature by `{signing_key}`, but nothing binds that key to its certificate at {created}: {reason}"
            ),
            Self::KeyNotLive { signing_key, created, fault, .. } => {
                let fault = match fault {
                    KeyFault::Expired(d) => format!("had expired ({d})"),
                    KeyFault::NotYetLive(d) => format!("did not exist yet ({d})"),
                    KeyFault::Revoked(d) => format!("is revoked ({d})"),
                    KeyFault::NotForSigning => "is not meant for signing".to_owned(),
                    KeyFault::Rejected(d) => format!("was not fit to sign ({d})"),
                };
                write!(f, "signature by `{signing_key}` dated {created}, but that key {fault}")
            }
            Self::SignatureNotLive { signing_key, created, reason, .. } => {
                write!(f, "signature by `{signing_key}` dated {created} does not count: {reason}")
            }
            Self::WeakAlgorithm { issuers, reason } => {
                write!(f, "signature of {} uses a broken algorithm: {reason}", named(issuers))
            }
            Self::NotUnderstood { reason } => write!(f, "signature that this build cannot read: {reason}"),
        }
    }
}

/// A clear-signed text and what became of its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleartextResult {
    text: Vec<u8>,
    /// One outcome for each signature, in the file's order.
    pub signatures: Vec<SignatureOutcome>,
}

impl CleartextResult {
    /// The text inside the signature, if at least one signature is good: lines end in `\n`, dash escapes
    /// and trailing white space are gone (none of it is covered by the signature).
    ///
    /// Nothing outside the signed block is ever in it.
    pub fn text(&self) -> Option<&[u8]> {
        self.signatures.iter().any(SignatureOutcome::is_good).then_some(&*self.text)
    }

    /// The text inside the signed block whatever its signatures are worth. Only for showing it next to
    /// a refusal, or for a caller that has judged [`Self::signatures`] by a rule of its own.
    pub fn text_unverified(&self) -> &[u8] {
        &self.text
    }

    /// The good signatures.
    pub fn good(&self) -> impl Iterator<Item = &SignatureOutcome> {
        self.signatures.iter().filter(|s| s.is_good())
    }
}

/// Verifies a text in the cleartext signature framework (RFC 9580, section 7) at the time `as_of`.
///
/// Refused: more than one signed message, anything but blank lines before or after it, headers other than
/// `Hash`, lines that should be dash-escaped and are not, carriage returns inside a line. The hash is
/// computed over exactly the text that [`CleartextResult::text`] gives out.
pub fn verify_cleartext(
    signed: &[u8],
    keyring: &Keyring,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> Result<CleartextResult, OpenPgpError> {
    let parts = cleartext::split(signed, limits)?;
    let signatures =
        backend::verify(&parts.signature, parts.canonical.as_slice(), &keyring.0, as_of, limits)?;
    Ok(CleartextResult { text: parts.text, signatures })
}

/// The text inside a clear-signed file with nothing verified, for showing it where there is no keyring.
pub fn cleartext_unverified(signed: &[u8], limits: &SignatureLimits) -> Result<Vec<u8>, OpenPgpError> {
    cleartext::split(signed, limits).map(|parts| parts.text)
}

/// Verifies detached signatures (one file, binary or in armour) over the bytes of `data`, read once and in
/// constant memory, at the time `as_of`.
pub fn verify_detached(
    signatures: &[u8],
    data: impl std::io::Read + Send + Sync,
    keyring: &Keyring,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> Result<Vec<SignatureOutcome>, OpenPgpError> {
    cleartext::check_detached(signatures, limits)?;
    backend::verify(signatures, data, &keyring.0, as_of, limits)
}

/// Whether the bytes look like a clear-signed text. Decides only which reader to ask.
pub fn is_cleartext(bytes: &[u8]) -> bool {
    cleartext::recognises(bytes)
}

/// Whether the bytes look like detached signatures in ASCII armour or binary. Decides only which reader to ask.
pub fn is_detached(bytes: &[u8]) -> bool {
    cleartext::recognises_detached(bytes)
}

/// Why a signature, a text or a keyring could not be looked at.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum OpenPgpError {
    /// The feature `openpgp` is off.
    #[error("this build of reprove cannot check OpenPGP signatures")]
    #[diagnostic(
        code(openpgp::not_built_in),
        help("build reprove with its default features: `cargo build --features openpgp`")
    )]
    NotBuiltIn,
    /// The cleartext framework's rules are broken.
    #[error("not one clear-signed text: line {line}: {detail}")]
    #[diagnostic(
        code(openpgp::cleartext_framing),
        help("fetch the file again as published; it must hold one signed message and nothing around it")
    )]
    Framing {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// The signature file cannot be read.
    #[error("not a readable OpenPGP signature: {detail}")]
    #[diagnostic(
        code(openpgp::signature_malformed),
        help("fetch the signature again as published; it must hold signatures and nothing else")
    )]
    Signature {
        /// What is wrong.
        detail: String,
    },
    /// The keyring holds no certificate that can be read.
    #[error("no readable OpenPGP certificate in the keyring: {detail}")]
    #[diagnostic(
        code(openpgp::keyring_malformed),
        help("give a keyring as written by `gpg --export`, binary or in armour")
    )]
    Keyring {
        /// What is wrong.
        detail: String,
    },
    /// A bound was reached.
    #[error("the {what} passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(openpgp::limit),
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
    #[diagnostic(code(openpgp::read), help("check that the file exists and can be read"))]
    Read(#[source] std::io::Error),
}

impl OpenPgpError {
    /// What this means for a check that asked: never a pass; a file that breaks its format's rules is a
    /// refusal, what could not be looked at is inconclusive.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::NotBuiltIn | Self::Keyring { .. } | Self::Limit { .. } | Self::Read(_) => {
                Verdict::Inconclusive
            }
            Self::Framing { .. } | Self::Signature { .. } => Verdict::Fail,
        }
    }
}
