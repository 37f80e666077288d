//! A signing certificate's chain and certificate log at a given time.
//!
//! `sigstore-verify` does this inside its bundle verification and offers it to nobody else. Here it serves
//! the signatures that no bundle can carry: several in one envelope, and log entries of kinds that the
//! library does not read. Chain building and signatures are webpki's; what is written here is the signed
//! certificate timestamp of RFC 6962, 3.2.

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use sigstore_crypto::{SigningScheme, WEBPKI_VERIFICATION_ALGS};
use sigstore_types::{Sha256Hash, SignatureBytes};
use webpki::{EndEntityCert, KeyUsage};
use x509_cert::der::asn1::OctetString;
use x509_cert::der::{Any, Decode as _, Encode as _, Tag, TagNumber};
use x509_cert::ext::Extension;

use super::trust::SigstoreRoot;
use crate::digest::Digest;

/// id-kp-codeSigning (RFC 5280, 4.2.1.12), content octets.
const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// The list of signed certificate timestamps (RFC 6962, 3.3).
const TIMESTAMP_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";

/// Checks that the leaf was issued under `root` for code signing, and valid at `time`; and, where the root has
/// certificate logs, that one of them logged it.
pub(crate) fn check(
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    root: &SigstoreRoot,
    time: Timestamp,
) -> Result<(), ChainError> {
    let issuer = issuer_key(leaf, intermediates, root, time).map_err(ChainError::Chain)?;
    if root.has_certificate_logs() {
        logged(leaf, &issuer, root).map_err(ChainError::Log)?;
    }
    Ok(())
}

/// Why a certificate is not believed.
#[derive(Debug)]
pub(crate) enum ChainError {
    Chain(String),
    Log(String),
}

/// The key of the leaf's issuer, DER SubjectPublicKeyInfo, from the path that was verified.
fn issuer_key(
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    root: &SigstoreRoot,
    time: Timestamp,
) -> Result<Vec<u8>, String> {
    let authorities: Vec<CertificateDer<'_>> = root.authorities_at(time).map(CertificateDer::from).collect();
    let anchors = authorities
        .iter()
        .map(|der| webpki::anchor_from_trusted_cert(der).map_err(|e| e.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    if anchors.is_empty() {
        return Err(format!("no certificate authority of the trust root counts at {time}"));
    }
    let between: Vec<_> = intermediates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let der = CertificateDer::from(leaf);
    let leaf = EndEntityCert::try_from(&der).map_err(|e| e.to_string())?;
    let seconds = u64::try_from(time.as_second()).map_err(|_| "a time before 1970".to_owned())?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let usage = KeyUsage::required(CODE_SIGNING);
    let path = leaf
        .verify_for_usage(WEBPKI_VERIFICATION_ALGS, &anchors, &between, at, usage, None, None)
        .map_err(|e| e.to_string())?;
    match path.intermediate_certificates().next() {
        Some(issuer) => Ok(issuer.subject_public_key_info().as_ref().to_vec()),
        // Of a trust anchor webpki keeps the content without its SEQUENCE header.
        None => Any::new(Tag::Sequence, path.anchor().subject_public_key_info.as_ref())
            .and_then(|any| any.to_der())
            .map_err(|e| e.to_string()),
    }
}

/// Checks the leaf's one signed certificate timestamp.
fn logged(leaf: &[u8], issuer_key: &[u8], root: &SigstoreRoot) -> Result<(), String> {
    let (precertificate, list) = split_timestamps(leaf)?;
    let stamp = SignedTimestamp::only_of(&list).ok_or("not exactly one well-formed certificate timestamp")?;
    let length =
        u32::try_from(precertificate.len()).ok().filter(|n| *n < 1 << 24).ok_or("too long a certificate")?;
    let mut signed = vec![0, 0];
    signed.extend(stamp.millis.to_be_bytes());
    signed.extend([0, 1]);
    signed.extend(Digest::sha256(issuer_key).as_bytes());
    signed.extend(length.to_be_bytes().into_iter().skip(1));
    signed.extend(&precertificate);
    signed.extend(u16::try_from(stamp.extensions.len()).unwrap_or(u16::MAX).to_be_bytes());
    signed.extend(stamp.extensions);
    let scheme = match stamp.algorithm {
        [4, 3] => SigningScheme::EcdsaP256Sha256,
        [5, 3] => SigningScheme::EcdsaP384Sha384,
        [4, 1] => SigningScheme::RsaPkcs1Sha256,
        [5, 1] => SigningScheme::RsaPkcs1Sha384,
        [6, 1] => SigningScheme::RsaPkcs1Sha512,
        other => return Err(format!("the certificate timestamp's algorithm is {other:?}")),
    };
    let issued = i64::try_from(stamp.millis)
        .ok()
        .and_then(|millis| Timestamp::from_millisecond(millis).ok())
        .ok_or("the certificate timestamp's time is out of range")?;
    let keys = root.certificate_log_keys(scheme)?;
    let log = Sha256Hash::try_from(stamp.log).map_err(|e| e.to_string())?;
    keys.verify_with_key_id_at(&log, issued, &signed, &SignatureBytes::new(stamp.signature.to_vec()))
        .map_err(|e| e.to_string())
}

/// The certificate as the log saw it, without the list of timestamps; and that list.
fn split_timestamps(leaf: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let fault = |e: x509_cert::der::Error| e.to_string();
    let certificate = Vec::<Any>::from_der(leaf).map_err(fault)?;
    let tbs = certificate.first().ok_or("an empty certificate")?.to_der().map_err(fault)?;
    let mut list = None;
    let mut fields = Vec::new();
    for field in Vec::<Any>::from_der(&tbs).map_err(fault)? {
        let tag = Tag::ContextSpecific { constructed: true, number: TagNumber(3) };
        if x509_cert::der::Tagged::tag(&field) != tag {
            fields.push(field);
            continue;
        }
        let mut kept = Vec::new();
        for any in Vec::<Any>::from_der(field.value()).map_err(fault)? {
            let extension = Extension::from_der(&any.to_der().map_err(fault)?).map_err(fault)?;
            if extension.extn_id.to_string() != TIMESTAMP_LIST {
                kept.push(any);
            } else if list.replace(extension.extn_value.as_bytes().to_vec()).is_some() {
                return Err("two lists of certificate timestamps".to_owned());
            }
        }
        fields.push(Any::new(tag, kept.to_der().map_err(fault)?).map_err(fault)?);
    }
    let list = list.ok_or("the certificate carries no timestamp of a certificate log")?;
    let list = OctetString::from_der(&list).map_err(fault)?.into_bytes().to_vec();
    Ok((fields.to_der().map_err(fault)?, list))
}

struct SignedTimestamp<'a> {
    log: &'a [u8],
    millis: u64,
    extensions: &'a [u8],
    algorithm: [u8; 2],
    signature: &'a [u8],
}

impl<'a> SignedTimestamp<'a> {
    /// Reads a list that holds exactly one, as Fulcio writes it.
    fn only_of(list: &'a [u8]) -> Option<Self> {
        let (stamps, rest) = prefixed(list)?;
        let (stamp, more) = prefixed(stamps)?;
        let (version, stamp) = stamp.split_first()?;
        let (log, stamp) = stamp.split_at_checked(32)?;
        let (millis, stamp) = stamp.split_at_checked(8)?;
        let (extensions, stamp) = prefixed(stamp)?;
        let (algorithm, stamp) = stamp.split_at_checked(2)?;
        let (signature, end) = prefixed(stamp)?;
        (*version == 0 && rest.is_empty() && more.is_empty() && end.is_empty()).then_some(Self {
            log,
            millis: u64::from_be_bytes(millis.try_into().ok()?),
            extensions,
            algorithm: algorithm.try_into().ok()?,
            signature,
        })
    }
}

/// A field with a length of two bytes before it, and what follows.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))
}
