//! The policy engine: sequoia-openpgp under its standard policy.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read};
use std::time::SystemTime;

use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::armor::{Kind, ReaderMode};
use openpgp::cert::amalgamation::ValidAmalgamation as _;
use openpgp::cert::raw::{RawCert, RawCertParser};
use openpgp::packet::Signature;
use openpgp::parse::Parse as _;
use openpgp::parse::stream::{
    DetachedVerifierBuilder, GoodChecksum, MessageLayer, MessageStructure, VerificationError,
    VerificationHelper,
};
use openpgp::parse::{Dearmor, PacketParserBuilder, PacketParserResult};
use openpgp::policy::{Policy, StandardPolicy};
use openpgp::serialize::Serialize as _;
use openpgp::types::RevocationStatus;
use openpgp::{Cert, Fingerprint, KeyHandle, KeyID, Packet};

use super::{Certificate, CertificateStanding, KeyFault, OpenPgpError, SignatureOutcome, SigningKey};
use crate::limits::signature::SignatureLimits;

/// Seconds since the epoch of 2026-01-01. Algorithms are judged at this time or at `as_of`, whichever is
/// later: a judgment "as of 2010" must not bring SHA-1 back, since the signature may have been forged since.
const ALGORITHMS_JUDGED_FROM_SECONDS: i64 = 1_767_225_600;

pub(super) fn policy(as_of: Timestamp) -> StandardPolicy<'static> {
    let floor = Timestamp::from_second(ALGORITHMS_JUDGED_FROM_SECONDS).unwrap_or(as_of);
    StandardPolicy::at(SystemTime::from(as_of.max(floor)))
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}

/// Names are self-asserted text: control characters would let one write over a terminal.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(256).collect()
}

pub(super) struct Keyring {
    certs: Vec<RawCert<'static>>,
    by_fingerprint: HashMap<Fingerprint, BTreeSet<usize>>,
    by_key_id: HashMap<KeyID, BTreeSet<usize>>,
    distinct: usize,
    unreadable: usize,
}

impl Keyring {
    pub(super) fn nobody() -> Self {
        Self {
            certs: Vec::new(),
            by_fingerprint: HashMap::new(),
            by_key_id: HashMap::new(),
            distinct: 0,
            unreadable: 0,
        }
    }

    pub(super) fn read(files: &[&[u8]], limits: &SignatureLimits) -> Result<Self, OpenPgpError> {
        let limit = |limit, max| OpenPgpError::Limit { what: "keyring", limit, max };
        if files.iter().map(|f| f.len()).sum::<usize>() > limits.keyring_bytes_max {
            return Err(limit("keyring_bytes_max", limits.keyring_bytes_max));
        }
        let mut keyring = Self::nobody();
        let mut primaries = BTreeSet::new();
        let mut first_error = None;
        for bytes in files {
            let parser = RawCertParser::from_bytes(*bytes)
                .map_err(|e| OpenPgpError::Keyring { detail: e.to_string() })?;
            for cert in parser {
                let cert = match cert {
                    Ok(cert) => cert.into_owned(),
                    Err(e) => {
                        first_error.get_or_insert_with(|| e.to_string());
                        keyring.unreadable += 1;
                        if keyring.unreadable > limits.certificates_max {
                            return Err(limit("certificates_max", limits.certificates_max));
                        }
                        continue;
                    }
                };
                let index = keyring.certs.len();
                if index >= limits.certificates_max {
                    return Err(limit("certificates_max", limits.certificates_max));
                }
                primaries.insert(cert.fingerprint());
                for key in cert.keys() {
                    keyring.by_fingerprint.entry(key.fingerprint()).or_default().insert(index);
                    keyring.by_key_id.entry(key.keyid()).or_default().insert(index);
                }
                keyring.certs.push(cert);
            }
        }
        keyring.distinct = primaries.len();
        if keyring.certs.is_empty() {
            return Err(OpenPgpError::Keyring {
                detail: first_error.unwrap_or_else(|| "the file is empty".to_owned()),
            });
        }
        Ok(keyring)
    }

    pub(super) fn len(&self) -> usize {
        self.distinct
    }

    pub(super) fn unreadable(&self) -> usize {
        self.unreadable
    }

    /// Full certificates that own one of the keys. Copies of a certificate are merged: a revocation in one
    /// of them counts for all.
    fn lookup(&self, ids: &[KeyHandle], certificates_max: usize) -> Vec<Cert> {
        let mut primaries = BTreeSet::new();
        for id in ids {
            let hits = match id {
                KeyHandle::Fingerprint(f) => self.by_fingerprint.get(f),
                KeyHandle::KeyID(k) => self.by_key_id.get(k),
            };
            primaries.extend(
                hits.into_iter().flatten().filter_map(|i| self.certs.get(*i)).map(RawCert::fingerprint),
            );
        }
        primaries.iter().take(certificates_max).filter_map(|f| self.merged(f)).collect()
    }

    fn merged(&self, primary: &Fingerprint) -> Option<Cert> {
        let copies = self.by_fingerprint.get(primary)?.iter().filter_map(|i| self.certs.get(*i));
        copies.filter(|raw| raw.fingerprint() == *primary).filter_map(|raw| Cert::try_from(raw).ok()).reduce(
            |a, b| match a.clone().merge_public(b) {
                Ok(both) => both,
                Err(_) => a,
            },
        )
    }

    pub(super) fn certificates(&self, as_of: Timestamp) -> Vec<Certificate> {
        let primaries: BTreeSet<_> = self.certs.iter().map(RawCert::fingerprint).collect();
        primaries.iter().filter_map(|f| self.merged(f)).map(|cert| describe(&cert, as_of)).collect()
    }
}

fn describe(cert: &Cert, as_of: Timestamp) -> Certificate {
    let policy = policy(as_of);
    let mut described = Certificate {
        fingerprint: cert.fingerprint().to_hex(),
        user_ids: cert.userids().map(|u| shown(u.userid().value())).collect(),
        created: timestamp(cert.primary_key().key().creation_time()),
        expires: None,
        standing: CertificateStanding::Live,
        signing_keys: Vec::new(),
    };
    let valid = match cert.with_policy(&policy, SystemTime::from(as_of)) {
        Ok(valid) => valid,
        Err(e) => {
            described.standing = CertificateStanding::NotValid(e.to_string());
            return described;
        }
    };
    if let Ok(primary) = valid.primary_userid() {
        let name = shown(primary.userid().value());
        described.user_ids.retain(|n| *n != name);
        described.user_ids.insert(0, name);
    }
    described.expires = valid.primary_key().key_expiration_time().and_then(timestamp);
    described.signing_keys = valid
        .keys()
        .alive()
        .revoked(false)
        .for_signing()
        .map(|k| SigningKey {
            fingerprint: k.key().fingerprint().to_hex(),
            expires: k.key_expiration_time().and_then(timestamp),
        })
        .collect();
    if let RevocationStatus::Revoked(by) = valid.revocation_status() {
        described.standing = CertificateStanding::Revoked(revocation_reason(&by));
    } else if valid.alive().is_err() {
        described.standing = CertificateStanding::Expired;
    }
    described
}

fn revocation_reason(by: &[&Signature]) -> String {
    by.iter()
        .find_map(|s| s.reason_for_revocation())
        .map_or_else(|| "no reason given".to_owned(), |(code, text)| format!("{code}: {}", shown(text)))
}

pub(super) fn verify(
    signatures: &[u8],
    data: impl Read + Send + Sync,
    keyring: &Keyring,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> Result<Vec<SignatureOutcome>, OpenPgpError> {
    let policy = policy(as_of);
    let sorted = sort(signatures, &policy, limits)?;
    if sorted.readable.is_empty() {
        return Ok(sorted.outcomes.into_values().collect());
    }
    let mut data = Watched { inner: data, failed: None };
    let helper = Helper { keyring, certificates_max: limits.certificates_per_file_max, outcomes: Vec::new() };
    let malformed = |e: openpgp::anyhow::Error| OpenPgpError::Signature { detail: e.to_string() };
    let mut verifier = DetachedVerifierBuilder::from_bytes(&sorted.readable)
        .map_err(malformed)?
        .with_policy(&policy, SystemTime::from(as_of), helper)
        .map_err(malformed)?;
    let ran = verifier.verify_reader(&mut data);
    let found = verifier.into_helper().outcomes;
    if let Some(e) = data.failed {
        return Err(OpenPgpError::Read(e));
    }
    ran.map_err(malformed)?;
    if found.len() != sorted.places.len() {
        return Err(OpenPgpError::Signature {
            detail: format!("{} signatures were read and {} judged", sorted.places.len(), found.len()),
        });
    }
    let mut outcomes = sorted.outcomes;
    outcomes.extend(sorted.places.into_iter().zip(found));
    Ok(outcomes.into_values().collect())
}

/// Keeps the reader's own error apart from what the library says about it.
struct Watched<R> {
    inner: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                let told = io::Error::from(e.kind());
                self.failed = Some(e);
                Err(told)
            }
            other => other,
        }
    }
}

/// The packets of a signature file: those that the verifier takes, and outcomes for those it would stumble
/// over, so that one odd signature cannot hide the others.
struct Sorted {
    readable: Vec<u8>,
    places: Vec<usize>,
    outcomes: BTreeMap<usize, SignatureOutcome>,
}

fn sort(signatures: &[u8], policy: &dyn Policy, limits: &SignatureLimits) -> Result<Sorted, OpenPgpError> {
    let malformed = |e: openpgp::anyhow::Error| OpenPgpError::Signature { detail: e.to_string() };
    let mut sorted = Sorted { readable: Vec::new(), places: Vec::new(), outcomes: BTreeMap::new() };
    let mut count = 0;
    // Guessing whether bytes are armoured is left to nobody: an odd first packet would be taken for armour.
    let dearmor = match signatures.first() {
        Some(b) if b & 0x80 != 0 => Dearmor::Disabled,
        _ => Dearmor::Enabled(ReaderMode::Tolerant(Some(Kind::Signature))),
    };
    let mut next = PacketParserBuilder::from_bytes(signatures)
        .and_then(|b| b.dearmor(dearmor).build())
        .map_err(malformed)?;
    while let PacketParserResult::Some(parser) = next {
        let (packet, rest) = parser.next().map_err(malformed)?;
        next = rest;
        let place = count;
        count += 1;
        if count > limits.signatures_max {
            return Err(OpenPgpError::Limit {
                what: "signature file",
                limit: "signatures_max",
                max: limits.signatures_max,
            });
        }
        let rejected = policy.packet(&packet).err();
        match (&packet, rejected) {
            (Packet::Signature(_), None) => {
                packet.serialize(&mut sorted.readable).map_err(malformed)?;
                sorted.places.push(place);
            }
            (Packet::Signature(s), Some(e)) => {
                let reason = format!("version {} signature: {}", s.version(), e.root_cause());
                sorted.outcomes.insert(place, SignatureOutcome::NotUnderstood { reason });
            }
            (Packet::Unknown(u), _) if u.tag() == openpgp::packet::Tag::Signature => {
                let reason = u.error().to_string();
                sorted.outcomes.insert(place, SignatureOutcome::NotUnderstood { reason });
            }
            (other, _) => {
                let detail = format!("a {} packet among the signatures", other.tag());
                return Err(OpenPgpError::Signature { detail });
            }
        }
    }
    if count == 0 {
        return Err(OpenPgpError::Signature { detail: "there is no signature in it".to_owned() });
    }
    Ok(sorted)
}

struct Helper<'k> {
    keyring: &'k Keyring,
    certificates_max: usize,
    outcomes: Vec<SignatureOutcome>,
}

impl VerificationHelper for Helper<'_> {
    fn get_certs(&mut self, ids: &[KeyHandle]) -> openpgp::Result<Vec<Cert>> {
        Ok(self.keyring.lookup(ids, self.certificates_max))
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> openpgp::Result<()> {
        for layer in structure {
            if let MessageLayer::SignatureGroup { results } = layer {
                self.outcomes.extend(results.into_iter().map(|result| match result {
                    Ok(good) => good_outcome(&good),
                    Err(error) => outcome(error),
                }));
            }
        }
        Ok(())
    }
}

fn issuers(sig: &Signature) -> Vec<String> {
    let mut ids: Vec<_> = sig.get_issuers().iter().map(KeyHandle::to_hex).collect();
    ids.dedup();
    ids.truncate(8);
    ids
}

fn good_outcome(good: &GoodChecksum<'_>) -> SignatureOutcome {
    let cert = good.ka.valid_cert();
    match good.sig.signature_creation_time().and_then(timestamp) {
        Some(created) => SignatureOutcome::Good {
            fingerprint: cert.cert().fingerprint().to_hex(),
            signing_key: good.ka.key().fingerprint().to_hex(),
            user_id: cert.primary_userid().ok().map(|u| shown(u.userid().value())),
            created,
        },
        None => SignatureOutcome::NotUnderstood { reason: "the signature has no creation time".to_owned() },
    }
}

/// The library judges the key before it looks at the bytes; so for a key that it refuses, the bytes are
/// checked here, and *refuted* is never reported as a mere fault of the key.
fn outcome(error: VerificationError<'_>) -> SignatureOutcome {
    let not_understood = |reason: String| SignatureOutcome::NotUnderstood { reason };
    match error {
        VerificationError::MissingKey { sig } => SignatureOutcome::KeyNotKnown { issuers: issuers(sig) },
        VerificationError::MalformedSignature { error, .. } => not_understood(error.to_string()),
        VerificationError::UnknownSignature { sig } => not_understood(sig.error().to_string()),
        VerificationError::UnboundKey { sig, cert, error } => {
            let mut mismatch = None;
            for ka in cert.keys().key_handles(sig.get_issuers()) {
                match sig.verify_document(ka.key()) {
                    Ok(()) => {
                        let Some(created) = sig.signature_creation_time().and_then(timestamp) else {
                            return not_understood("the signature has no creation time".to_owned());
                        };
                        if let Some(reason) = weakness(&error) {
                            return SignatureOutcome::WeakAlgorithm { issuers: issuers(sig), reason };
                        }
                        return SignatureOutcome::KeyNotBound {
                            fingerprint: cert.fingerprint().to_hex(),
                            signing_key: ka.key().fingerprint().to_hex(),
                            created,
                            reason: error.root_cause().to_string(),
                        };
                    }
                    Err(e) => mismatch = Some(e),
                }
            }
            mismatch.map_or_else(
                || SignatureOutcome::KeyNotKnown { issuers: issuers(sig) },
                |e| bad_checksum(sig, &e),
            )
        }
        VerificationError::BadKey { sig, ka, error } => {
            let Some(created) = sig.signature_creation_time().and_then(timestamp) else {
                return not_understood("the signature has no creation time".to_owned());
            };
            if let Err(e) = sig.verify_document(ka.key()) {
                return bad_checksum(sig, &e);
            }
            let fault = if let RevocationStatus::Revoked(by) = ka.valid_cert().revocation_status() {
                KeyFault::Revoked(revocation_reason(&by))
            } else if let RevocationStatus::Revoked(by) = ka.revocation_status() {
                KeyFault::Revoked(revocation_reason(&by))
            } else {
                match error.downcast_ref::<openpgp::Error>() {
                    Some(e @ openpgp::Error::Expired(_)) => KeyFault::Expired(e.to_string()),
                    Some(e @ openpgp::Error::NotYetLive(_)) => KeyFault::NotYetLive(e.to_string()),
                    _ if !ka.for_signing() => KeyFault::NotForSigning,
                    _ => KeyFault::Rejected(error.root_cause().to_string()),
                }
            };
            SignatureOutcome::KeyNotLive {
                fingerprint: ka.cert().fingerprint().to_hex(),
                signing_key: ka.key().fingerprint().to_hex(),
                created,
                fault,
            }
        }
        VerificationError::BadSignature { sig, ka, error } => {
            if let Err(e) = sig.verify_document(ka.key()) {
                return bad_checksum(sig, &e);
            }
            if let Some(reason) = weakness(&error) {
                return SignatureOutcome::WeakAlgorithm { issuers: issuers(sig), reason };
            }
            match (error.downcast_ref::<openpgp::Error>(), sig.signature_creation_time().and_then(timestamp))
            {
                (Some(openpgp::Error::Expired(_) | openpgp::Error::NotYetLive(_)), Some(created)) => {
                    SignatureOutcome::SignatureNotLive {
                        fingerprint: ka.cert().fingerprint().to_hex(),
                        signing_key: ka.key().fingerprint().to_hex(),
                        created,
                        reason: error.to_string(),
                    }
                }
                _ => SignatureOutcome::Refuted {
                    issuers: issuers(sig),
                    reason: error.root_cause().to_string(),
                },
            }
        }
        other => not_understood(other.to_string()),
    }
}

/// The algorithm that the policy refused; a critical notation is not one.
fn weakness(error: &openpgp::anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| match cause.downcast_ref::<openpgp::Error>() {
        Some(e @ openpgp::Error::PolicyViolation(what, _)) if !what.starts_with("Critical") => {
            Some(e.to_string())
        }
        _ => None,
    })
}

fn bad_checksum(sig: &Signature, error: &openpgp::anyhow::Error) -> SignatureOutcome {
    match error.downcast_ref::<openpgp::Error>() {
        Some(
            e @ (openpgp::Error::UnsupportedHashAlgorithm(_)
            | openpgp::Error::UnsupportedPublicKeyAlgorithm(_)
            | openpgp::Error::UnsupportedEllipticCurve(_)
            | openpgp::Error::UnsupportedSignatureType(_)),
        ) => SignatureOutcome::NotUnderstood { reason: e.to_string() },
        _ => SignatureOutcome::Refuted { issuers: issuers(sig), reason: error.root_cause().to_string() },
    }
}
