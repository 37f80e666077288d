//! The signature's own format: OpenSSH's PROTOCOL.sshsig.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::certificate::Certificate;
use ssh_key::{PublicKey, Signature};

use super::SshError;
use crate::digest::{Algorithm, hash_reader};
use crate::limits::signature::SignatureLimits;

pub(super) const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
/// PROTOCOL.sshsig, section 1.
const MAGIC: &[u8] = b"SSHSIG";
/// PROTOCOL.sshsig, section 1.
const VERSION: u32 = 1;

/// Who signed.
pub(super) enum SshKey {
    Plain(PublicKey),
    Certificate(Box<Certificate>),
}

/// A signature taken apart.
pub(super) struct Blob {
    pub(super) key: SshKey,
    pub(super) namespace: String,
    reserved: Vec<u8>,
    hash: Algorithm,
    pub(super) signature: Signature,
}

impl Blob {
    pub(super) fn from_armor(bytes: &[u8], limits: &SignatureLimits) -> Result<Self, SshError> {
        if bytes.len() > limits.signature_bytes_max {
            return Err(SshError::Limit {
                what: "signature",
                limit: "signature_bytes_max",
                max: limits.signature_bytes_max,
            });
        }
        let refuse = |detail: &str| SshError::Signature { detail: detail.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("not text"))?;
        let mut lines = text.trim().lines().map(str::trim_end);
        if lines.next() != Some(BEGIN) {
            return Err(refuse("expected `-----BEGIN SSH SIGNATURE-----`"));
        }
        let mut body = String::new();
        loop {
            match lines.next() {
                Some(END) => break,
                Some(line) => body.push_str(line),
                None => return Err(refuse("the armoured block does not end")),
            }
        }
        if lines.next().is_some() {
            return Err(refuse("something follows the armoured block"));
        }
        let blob = STANDARD.decode(body).map_err(|e| refuse(&format!("not base64: {e}")))?;
        Self::from_bytes(&blob)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, SshError> {
        let refuse = |detail: String| SshError::Signature { detail };
        let mut rest =
            bytes.strip_prefix(MAGIC).ok_or_else(|| refuse("the magic bytes are missing".to_owned()))?;
        let version = take_u32(&mut rest).ok_or_else(|| refuse("it ends early".to_owned()))?;
        if version != VERSION {
            return Err(refuse(format!("version {version}, expected {VERSION}")));
        }
        let mut field =
            |name: &str| take_string(&mut rest).ok_or_else(|| refuse(format!("it ends within `{name}`")));
        let key = field("publickey")?;
        let namespace = field("namespace")?;
        let reserved = field("reserved")?.to_vec();
        let hash = field("hash_algorithm")?;
        let signature = field("signature")?;
        if !rest.is_empty() {
            return Err(refuse("something follows the signature".to_owned()));
        }
        let namespace = std::str::from_utf8(namespace)
            .ok()
            .filter(|n| !n.is_empty() && !n.chars().any(char::is_control))
            .ok_or_else(|| refuse("the namespace is empty or not text".to_owned()))?
            .to_owned();
        let hash = match hash {
            b"sha256" => Algorithm::Sha256,
            b"sha512" => Algorithm::Sha512,
            other => {
                let other = String::from_utf8_lossy(other.get(..other.len().min(32)).unwrap_or_default())
                    .into_owned();
                return Err(refuse(format!("hash algorithm `{}`", other.escape_default())));
            }
        };
        Ok(Self { key: parse_key(key)?, namespace, reserved, hash, signature: parse_signature(signature)? })
    }

    /// Hashes what the signature is over.
    pub(super) fn hash_of(&self, data: impl Read) -> io::Result<Vec<u8>> {
        Ok(hash_reader(self.hash, data)?.0.as_bytes().to_vec())
    }

    /// PROTOCOL.sshsig, section 2: the bytes that the key signs.
    pub(super) fn signed_data(&self, hash: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for field in [self.namespace.as_bytes(), &self.reserved, self.hash.name().as_bytes(), hash] {
            bytes.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(field);
        }
        bytes
    }
}

fn parse_key(bytes: &[u8]) -> Result<SshKey, SshError> {
    let refuse = |e: ssh_key::Error| SshError::Signature { detail: format!("the public key: {e}") };
    let kind = take_string(&mut { bytes }).unwrap_or_default();
    // The library reads some lengths leniently: one key must have one encoding.
    let (key, again) = if kind.ends_with(b"-cert-v01@openssh.com") {
        let certificate = Certificate::from_bytes(bytes).map_err(refuse)?;
        let again = certificate.to_bytes().map_err(refuse)?;
        (SshKey::Certificate(Box::new(certificate)), again)
    } else {
        let key = PublicKey::from_bytes(bytes).map_err(refuse)?;
        let again = key.to_bytes().map_err(refuse)?;
        (SshKey::Plain(key), again)
    };
    if again != bytes {
        return Err(SshError::Signature { detail: "the public key is not in its one encoding".to_owned() });
    }
    Ok(key)
}

fn parse_signature(bytes: &[u8]) -> Result<Signature, SshError> {
    let refuse = |detail: String| SshError::Signature { detail };
    let signature = Signature::try_from(bytes).map_err(|e| refuse(format!("the signature itself: {e}")))?;
    // The reader above stops at the end of what it knows; nothing may follow. Security keys add flags and
    // a counter, which it has already appended to the data.
    let mut rest = bytes;
    let (_, data) = (take_string(&mut rest), take_string(&mut rest));
    let trailer = signature.as_bytes().len().saturating_sub(data.map_or(0, <[u8]>::len));
    if rest.len() != trailer {
        return Err(refuse("something follows the signature itself".to_owned()));
    }
    Ok(signature)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_be_bytes(*head))
}

pub(super) fn take_string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_u32(rest)?).ok()?;
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}
