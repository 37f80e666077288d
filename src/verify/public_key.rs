//! Public keys and the one place where a raw signature is checked.

use aws_lc_rs::signature as algorithms;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::Serialize;
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _};
use x509_cert::spki::SubjectPublicKeyInfoOwned;

use super::error::VerifyError;
use crate::digest::{Algorithm, Digest};

const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const RSA_ENCRYPTION: &str = "1.2.840.113549.1.1.1";
const ED25519: &str = "1.3.101.112";

/// A public key in PEM. Default 32 KiB: RSA-16384, twice what is accepted, has 3 kB.
const KEY_PEM_BYTES_MAX: usize = 32 << 10;

/// Algorithms whose signatures are checked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384.
    EcdsaP384,
    /// ECDSA on P-521 with SHA-512.
    EcdsaP521,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSA PKCS#1 v1.5 with SHA-256, 2048 to 8192 bits.
    Rsa,
}

impl KeyAlgorithm {
    /// The name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::EcdsaP521 => "ECDSA P-521",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        }
    }

    /// How its signatures are tried.
    fn schemes(self) -> &'static [&'static dyn algorithms::VerificationAlgorithm] {
        match self {
            Self::EcdsaP256 => &[&algorithms::ECDSA_P256_SHA256_ASN1, &algorithms::ECDSA_P256_SHA256_FIXED],
            Self::EcdsaP384 => &[&algorithms::ECDSA_P384_SHA384_ASN1, &algorithms::ECDSA_P384_SHA384_FIXED],
            Self::EcdsaP521 => &[&algorithms::ECDSA_P521_SHA512_ASN1, &algorithms::ECDSA_P521_SHA512_FIXED],
            Self::Ed25519 => &[&algorithms::ED25519],
            Self::Rsa => &[&algorithms::RSA_PKCS1_2048_8192_SHA256],
        }
    }
}

/// secp521r1, 1.3.132.0.35 (RFC 5480, 2.1.1.1), in DER.
const P521_DER: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23];
/// The algorithm stands at the beginning of a SubjectPublicKeyInfo, before the key itself.
const ALGORITHM_BYTES_MAX: usize = 32;

/// Whether a SubjectPublicKeyInfo says to be of a key on P-521, without reading the key.
pub(crate) fn is_on_p521(spki_der: &[u8]) -> bool {
    let head = spki_der.get(..ALGORITHM_BYTES_MAX).unwrap_or(spki_der);
    head.windows(P521_DER.len()).any(|bytes| bytes == P521_DER)
}

/// A public key, always a well-formed SubjectPublicKeyInfo of an algorithm known here.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki_der: Vec<u8>,
    raw: Vec<u8>,
    algorithm: KeyAlgorithm,
}

impl PublicKey {
    /// Reads a PEM `PUBLIC KEY`; text before and after the block is ignored, as in key files with
    /// comments.
    ///
    /// # Errors
    /// Not PEM, another kind of block, an algorithm that is not known here, or no valid key of it.
    pub fn from_pem(pem: &str, source_name: &str) -> Result<Self, VerifyError> {
        let bad = |reason: String| VerifyError::TrustRoot { source_name: source_name.to_owned(), reason };
        if pem.len() > KEY_PEM_BYTES_MAX {
            return Err(bad(format!("a key file of more than {KEY_PEM_BYTES_MAX} bytes")));
        }
        let start = pem.find("-----BEGIN").ok_or_else(|| bad("no PEM block".to_owned()))?;
        let block = pem.get(start..).unwrap_or_default().trim_end();
        let spki = SubjectPublicKeyInfoOwned::from_pem(block).map_err(|e| bad(e.to_string()))?;
        let key = Self::from_spki(&spki).map_err(bad)?;
        // Told here to whoever gives a key; a certificate's is found out when it verifies nothing.
        for scheme in key.algorithm.schemes().iter().take(1) {
            algorithms::ParsedPublicKey::new(*scheme, &key.raw)
                .map_err(|_| bad(format!("not a valid {} key", key.algorithm.name())))?;
        }
        Ok(key)
    }

    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// As [`PublicKey::from_pem`].
    pub fn from_der(der: &[u8], source_name: &str) -> Result<Self, VerifyError> {
        let bad = |reason: String| VerifyError::TrustRoot { source_name: source_name.to_owned(), reason };
        let spki = SubjectPublicKeyInfoOwned::from_der(der).map_err(|e| bad(e.to_string()))?;
        Self::from_spki(&spki).map_err(bad)
    }

    pub(crate) fn from_spki(spki: &SubjectPublicKeyInfoOwned) -> Result<Self, String> {
        let oid = spki.algorithm.oid.to_string();
        let raw = spki.subject_public_key.as_bytes().ok_or("the key has unused bits")?.to_vec();
        let algorithm = match oid.as_str() {
            EC_PUBLIC_KEY => {
                let curve = spki
                    .algorithm
                    .parameters
                    .as_ref()
                    .and_then(|p| p.decode_as::<x509_cert::der::asn1::ObjectIdentifier>().ok())
                    .map(|oid| oid.to_string());
                // An uncompressed point, so that equal keys have equal bytes.
                if raw.first() != Some(&4) {
                    return Err("the point is not in uncompressed form".to_owned());
                }
                match curve.as_deref() {
                    Some("1.2.840.10045.3.1.7") => KeyAlgorithm::EcdsaP256,
                    Some("1.3.132.0.34") => KeyAlgorithm::EcdsaP384,
                    Some("1.3.132.0.35") => KeyAlgorithm::EcdsaP521,
                    other => return Err(format!("unknown elliptic curve `{}`", other.unwrap_or("none"))),
                }
            }
            RSA_ENCRYPTION => KeyAlgorithm::Rsa,
            ED25519 => KeyAlgorithm::Ed25519,
            other => return Err(format!("unknown key algorithm `{other}`")),
        };
        let spki_der = spki.to_der().map_err(|e| e.to_string())?;
        Ok(Self { spki_der, raw, algorithm })
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// SHA-256 of the SubjectPublicKeyInfo in hexadecimal: the `keyid` that this crate writes.
    pub fn id(&self) -> String {
        Digest::sha256(&self.spki_der).to_hex()
    }

    /// The SubjectPublicKeyInfo in PEM.
    pub fn to_pem(&self) -> String {
        let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
        let body = STANDARD.encode(&self.spki_der);
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

    /// `SHA256:` and the unpadded base64 of the SHA-256 of the SubjectPublicKeyInfo.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::sha256(&self.spki_der).as_bytes()))
    }

    /// The fingerprint as OpenSSH writes it: `SHA256:` and the unpadded base64 of the SHA-256 of the key
    /// in SSH's wire format (RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4).
    pub fn ssh_fingerprint(&self) -> String {
        let mut wire = Vec::new();
        let mut string = |bytes: &[u8]| {
            wire.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            wire.extend_from_slice(bytes);
        };
        match self.algorithm {
            KeyAlgorithm::EcdsaP256 | KeyAlgorithm::EcdsaP384 | KeyAlgorithm::EcdsaP521 => {
                let curve = match self.algorithm {
                    KeyAlgorithm::EcdsaP384 => "nistp384",
                    KeyAlgorithm::EcdsaP521 => "nistp521",
                    _ => "nistp256",
                };
                string(format!("ecdsa-sha2-{curve}").as_bytes());
                string(curve.as_bytes());
                string(&self.raw);
            }
            KeyAlgorithm::Ed25519 => {
                string(b"ssh-ed25519");
                string(&self.raw);
            }
            KeyAlgorithm::Rsa => {
                // RSAPublicKey (RFC 8017, A.1.1): modulus, then exponent; SSH has them the other way.
                string(b"ssh-rsa");
                let numbers = Vec::<x509_cert::der::asn1::Int>::from_der(&self.raw).unwrap_or_default();
                for number in numbers.iter().rev() {
                    string(number.as_bytes());
                }
            }
        }
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::sha256(&wire).as_bytes()))
    }

    /// Checks a signature over a message of which only the digest is there: with a key on P-521, over its
    /// SHA-512. Other kinds of keys are `sigstore-verify`'s to check in that way.
    pub(crate) fn verify_digest(&self, digest: &Digest, signature: &[u8]) -> bool {
        if self.algorithm != KeyAlgorithm::EcdsaP521 || digest.algorithm() != Algorithm::Sha512 {
            return false;
        }
        let Ok(digest) =
            aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA512)
        else {
            return false;
        };
        algorithms::UnparsedPublicKey::new(&algorithms::ECDSA_P521_SHA512_ASN1, &self.raw)
            .verify_digest(&digest, signature)
            .is_ok()
    }

    /// Checks a signature over a message.
    ///
    /// ECDSA signatures may be DER (X9.62) or the fixed-width `r` and `s` that some key management
    /// services write; each of the two encodings determines the same pair, so accepting both does
    /// not widen what verifies.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.algorithm.schemes().iter().any(|scheme| {
            algorithms::UnparsedPublicKey::new(*scheme, &self.raw).verify(message, signature).is_ok()
        })
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm.name(), self.id())
    }
}
