//! Signing keys: PKCS #8 PEM, plain or encrypted the way cosign does it.
//!
//! The key never leaves this type, and what is printed of it is the public key's id.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use miette::Diagnostic;
use serde::Deserialize;
use x509_cert::der::pem;

use crate::verify::key::KeyError;
use crate::verify::public_key::PublicKey;

/// A private key in PEM. Default 32 KiB: an encrypted ECDSA key has 700 bytes.
const KEY_PEM_BYTES_MAX: usize = 32 << 10;
/// Memory for scrypt, `128 · N · r`. Default 256 MiB: cosign uses N = 65536 and r = 8, which is 64 MiB.
const SCRYPT_MEMORY_BYTES_MAX: u64 = 256 << 20;
/// scrypt's parallelism, which multiplies its time. Default 4: cosign uses 1.
const SCRYPT_P_MAX: u32 = 4;
/// Labels that cosign 1 and cosign 2 write.
const LABELS_ENCRYPTED: [&str; 2] = ["ENCRYPTED COSIGN PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY"];

/// A key that signs. Its halves belong together: the public one is computed from the private one.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
}

enum Pair {
    Ecdsa(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl SigningKey {
    /// Reads a private key in PEM: `PRIVATE KEY` (PKCS #8, RFC 5958) of ECDSA P-256, ECDSA P-384 or
    /// Ed25519, or the same encrypted by cosign, which needs `password`.
    pub fn from_pem(text: &[u8], password: Option<&[u8]>) -> Result<Self, SigningKeyError> {
        if text.len() > KEY_PEM_BYTES_MAX {
            return Err(KeyError::Limit { max: KEY_PEM_BYTES_MAX }.into());
        }
        let text = text.trim_ascii();
        let (label, body) =
            pem::decode_vec(text).map_err(|e| KeyError::Malformed { detail: format!("not PEM: {e}") })?;
        if label == "PRIVATE KEY" {
            return Self::from_pkcs8(&body);
        }
        if LABELS_ENCRYPTED.contains(&label) {
            let password = password.ok_or(SigningKeyError::PasswordMissing)?;
            return Self::from_pkcs8(&decrypt(&body, password)?);
        }
        Err(KeyError::Label { expected: "PRIVATE KEY", found: label.to_owned() }.into())
    }

    /// Reads PKCS #8 in DER.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SigningKeyError> {
        let ecdsa = [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING]
            .into_iter()
            .find_map(|algorithm| EcdsaKeyPair::from_pkcs8(algorithm, der).ok());
        if let Some(pair) = ecdsa {
            let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| unsupported())?;
            let public = PublicKey::from_der(spki.as_ref(), "signing key").map_err(|_| unsupported())?;
            return Ok(Self { pair: Pair::Ecdsa(Box::new(pair)), public });
        }
        let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|_| unsupported())?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| unsupported())?;
        let public = PublicKey::from_der(spki.as_ref(), "signing key").map_err(|_| unsupported())?;
        Ok(Self { pair: Pair::Ed25519(Box::new(pair)), public })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message; ECDSA gives DER.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let signature =
                    pair.sign(&SystemRandom::new(), message).map_err(|_| SigningKeyError::Signing)?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public).finish()
    }
}

fn unsupported() -> KeyError {
    KeyError::Algorithm { found: "neither ECDSA P-256, ECDSA P-384 nor Ed25519 in PKCS #8".to_owned() }
}

/// What is inside the PEM of an encrypted key: securesystemslib's `encrypted` format, as cosign writes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncryptedFile {
    kdf: KdfFile,
    cipher: CipherFile,
    ciphertext: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KdfFile {
    name: String,
    params: ScryptFile,
    salt: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScryptFile {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CipherFile {
    name: String,
    nonce: String,
}

fn decrypt(body: &[u8], password: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
    let malformed = |detail: String| SigningKeyError::Key(KeyError::Malformed { detail });
    let file: EncryptedFile =
        serde_json::from_slice(body).map_err(|e| malformed(format!("the encrypted key: {e}")))?;
    if file.kdf.name != "scrypt" || file.cipher.name != "nacl/secretbox" {
        return Err(KeyError::Algorithm {
            found: format!("{} with {}", file.kdf.name, file.cipher.name).chars().take(140).collect(),
        }
        .into());
    }
    let base64 = |text: &str, field: &str| {
        STANDARD.decode(text).map_err(|e| malformed(format!("`{field}` of the encrypted key: {e}")))
    };
    let salt = base64(&file.kdf.salt, "salt")?;
    let nonce: [u8; 24] = base64(&file.cipher.nonce, "nonce")?
        .try_into()
        .map_err(|_| malformed("`nonce` of the encrypted key does not have 24 bytes".to_owned()))?;
    let ciphertext = base64(&file.ciphertext, "ciphertext")?;

    // The parameters come with the file, before anything authenticates it: they decide how much memory
    // and time reading it takes.
    let ScryptFile { n, r, p } = file.kdf.params;
    let memory_bytes = n.checked_mul(u64::from(r)).and_then(|nr| nr.checked_mul(128));
    if !n.is_power_of_two()
        || n < 2
        || memory_bytes.is_none_or(|m| m > SCRYPT_MEMORY_BYTES_MAX)
        || p > SCRYPT_P_MAX
    {
        return Err(SigningKeyError::Scrypt { n, r, p, memory_bytes_max: SCRYPT_MEMORY_BYTES_MAX });
    }
    let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
    let params = scrypt::Params::new(log_n, r, p, 32).map_err(|_| SigningKeyError::Scrypt {
        n,
        r,
        p,
        memory_bytes_max: SCRYPT_MEMORY_BYTES_MAX,
    })?;
    let mut key = [0; 32];
    scrypt::scrypt(password, &salt, &params, &mut key).map_err(|_| SigningKeyError::Scrypt {
        n,
        r,
        p,
        memory_bytes_max: SCRYPT_MEMORY_BYTES_MAX,
    })?;
    XSalsa20Poly1305::new((&key).into())
        .decrypt((&nonce).into(), ciphertext.as_slice())
        .map_err(|_| SigningKeyError::Password)
}

/// Why a signing key could not be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum SigningKeyError {
    /// The file is not a key that can sign.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Key(#[from] KeyError),
    /// The key is encrypted and no password was given.
    #[error("the signing key is encrypted and no password was given")]
    #[diagnostic(code(key::password_missing), help("set the password in the variable `COSIGN_PASSWORD`"))]
    PasswordMissing,
    /// Wrong password, or the file was changed: the cipher cannot tell them apart.
    #[error("the signing key does not open with this password")]
    #[diagnostic(code(key::password), help("check the password; if it is right, the key file was changed"))]
    Password,
    /// The key file asks for more memory or time than any honest one.
    #[error(
        "the encrypted key asks for scrypt with N = {n}, r = {r}, p = {p}; at most {memory_bytes_max} bytes of memory are given"
    )]
    #[diagnostic(
        code(key::scrypt),
        help(
            "encrypt the key again with `cosign import-key-pair`, whose parameters are N = 65536, r = 8, p = 1"
        )
    )]
    Scrypt {
        /// Cost.
        n: u64,
        /// Block size.
        r: u32,
        /// Parallelism.
        p: u32,
        /// The bound.
        memory_bytes_max: u64,
    },
    /// The cryptographic library refused.
    #[error("signing failed")]
    #[diagnostic(
        code(key::signing),
        help("try again; the system's random numbers may have been unavailable")
    )]
    Signing,
}
