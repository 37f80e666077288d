//! Plain public keys: ECDSA on P-256 and P-384, Ed25519 and RSA, in SubjectPublicKeyInfo PEM; and the DSSE
//! envelopes that they vouch for.
//!
//! A signature by a plain key establishes who holds the key and nothing about when it was made.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA512, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use miette::Diagnostic;
use serde::Serialize;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _, pem};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::digest::Digest;
use crate::limits::signature::SignatureLimits;
use crate::statement::dsse::{Envelope, pae};
use crate::verdict::Verdict;

/// RFC 5480, section 2.1.1.
const OID_EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// RFC 5480, section 2.1.1.1: secp256r1.
const OID_P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// RFC 5480, section 2.1.1.1: secp384r1.
const OID_P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// RFC 8410, section 3.
const OID_ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// RFC 8017, appendix A.1.
const OID_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// A public key in PEM. Default 32 KiB: RSA-16384, twice what is accepted, has 3 kB.
const KEY_PEM_BYTES_MAX: usize = 32 << 10;

/// What kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// ECDSA on NIST P-256; signs SHA-256 unless told otherwise.
    EcdsaP256,
    /// ECDSA on NIST P-384; signs SHA-384.
    EcdsaP384,
    /// Ed25519 (RFC 8032), over the whole message.
    Ed25519,
    /// RSA of 2048 to 8192 bits, PKCS #1 v1.5.
    Rsa,
}

impl KeyKind {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        }
    }

    /// The schemes that a signature of such a key is tried with.
    fn schemes(self) -> &'static [&'static dyn VerificationAlgorithm] {
        match self {
            Self::EcdsaP256 => &[&ECDSA_P256_SHA256_ASN1],
            Self::EcdsaP384 => &[&ECDSA_P384_SHA384_ASN1],
            Self::Ed25519 => &[&ED25519],
            Self::Rsa => &[&RSA_PKCS1_2048_8192_SHA256, &RSA_PKCS1_2048_8192_SHA512],
        }
    }
}

/// A public key whose encoding has been checked. Which keys are trusted is the caller's to say.
#[derive(Clone)]
pub struct PublicKey {
    kind: KeyKind,
    spki: Vec<u8>,
    raw: Vec<u8>,
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        if text.len() > KEY_PEM_BYTES_MAX {
            return Err(KeyError::Limit { max: KEY_PEM_BYTES_MAX });
        }
        let (label, der) = pem::decode_vec(text.trim_ascii())
            .map_err(|e| KeyError::Malformed { detail: format!("not PEM: {e}") })?;
        match label {
            "PUBLIC KEY" => Self::from_spki(&der),
            other => Err(KeyError::Label { expected: "PUBLIC KEY", found: other.to_owned() }),
        }
    }

    /// Reads the DER of a SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let malformed = |e: &dyn std::fmt::Display| KeyError::Malformed { detail: e.to_string() };
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|e| malformed(&e))?;
        let kind = match info.algorithm.oid {
            OID_EC => {
                let curve = info.algorithm.parameters_oid().map_err(|e| malformed(&e))?;
                match curve {
                    OID_P256 => KeyKind::EcdsaP256,
                    OID_P384 => KeyKind::EcdsaP384,
                    other => return Err(KeyError::Algorithm { found: format!("elliptic curve {other}") }),
                }
            }
            OID_ED25519 => KeyKind::Ed25519,
            OID_RSA => KeyKind::Rsa,
            other => return Err(KeyError::Algorithm { found: other.to_string() }),
        };
        let raw = info.subject_public_key.as_bytes().ok_or_else(|| KeyError::Malformed {
            detail: "the key is not a whole number of bytes".to_owned(),
        })?;
        // One key has one encoding and so one id: points are uncompressed (RFC 5480, section 2.2).
        if matches!(kind, KeyKind::EcdsaP256 | KeyKind::EcdsaP384) && raw.first() != Some(&4) {
            return Err(KeyError::Malformed { detail: "the point is not in uncompressed form".to_owned() });
        }
        if info.to_der().map_err(|e| malformed(&e))? != der {
            return Err(KeyError::Malformed { detail: "the encoding is not canonical DER".to_owned() });
        }
        for scheme in kind.schemes().iter().take(1) {
            ParsedPublicKey::new(*scheme, raw)
                .map_err(|_| KeyError::Malformed { detail: format!("not a valid {} key", kind.name()) })?;
        }
        Ok(Self { kind, spki: der.to_vec(), raw: raw.to_vec() })
    }

    /// What kind of key.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// SHA-256 of the SubjectPublicKeyInfo in hexadecimal: the `keyid` that this crate writes.
    pub fn id(&self) -> String {
        Digest::sha256(&self.spki).to_hex()
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The SubjectPublicKeyInfo in PEM.
    pub fn to_pem(&self) -> String {
        let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
        let body = STANDARD.encode(&self.spki);
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = tail;
        }
        text.push_str("-----END PUBLIC KEY-----\n");
        text
    }

    /// Whether `signature` is this key's over `message`, by the schemes that go with its kind. ECDSA
    /// signatures are in DER.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.kind.schemes().iter().any(|scheme| {
            ParsedPublicKey::new(*scheme, &self.raw)
                .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
        })
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({}, {})", self.kind.name(), self.id())
    }
}

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
        outcomes.push(match keys.iter().find(|key| key.verifies(&signed, &bytes)) {
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
