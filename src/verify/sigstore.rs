//! Sigstore bundles: signature, certificate, log and timestamps, all or nothing.
//!
//! The cryptography of bundles is `sigstore-verify`'s. The older `sigstore` crate is not used: its
//! bundle verifier (0.15.0) checks neither the Merkle inclusion proof nor the checkpoint nor the
//! signed entry timestamp and believes `integratedTime` unsigned, so that a stolen, long expired key
//! with a self-made log entry passes. `tests/it/sigstore_world.rs` forges such an entry.
//!
//! `sigstore-verify` compares the beginnings of log keys and integrated times with the machine's clock and
//! offers no other. What was signed after `as_of`, or logged by a log that began later, is refused here in
//! addition, so that no clock makes more pass (`tests/it/verify_clock.rs`).

use jiff::Timestamp;
use sigstore_crypto::{KeyAlgorithm as SigstoreAlgorithm, verify_signature_prehashed};
use sigstore_types::bundle::VerificationMaterialContent;
use sigstore_types::{
    Artifact as SigstoreArtifact, ArtifactDigest, Bundle, DerPublicKey, HashAlgorithm, MediaType,
    SignatureContent,
};
use sigstore_verify::{
    CertificateError, Error, PublicKeyVerificationPolicy, TransparencyLogError, VerificationPolicy,
    VerificationResult,
};

use super::authenticated::{Authenticated, Content};
use super::certificate::Certificate;
use super::log_entry::LogEntry;
use super::logged::{self, Logged, Recorded};
use super::public_key::{self, PublicKey};
use super::statement::subject_digests;
use super::trust::{SigstoreRoot, Trust, TrustedKey};
use super::{Check, Signer};
use crate::digest::{Agreement, Algorithm, Digest, DigestSet};

/// The artifact, as far as a message signature needs it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Message<'a> {
    pub(crate) digests: Option<&'a DigestSet>,
    pub(crate) bytes: Option<&'a [u8]>,
}

/// Keys with which a bundle without certificate may be checked.
pub(crate) enum Keys<'a> {
    Given(&'a [TrustedKey]),
    Named(&'a std::collections::BTreeMap<String, PublicKey>),
}

/// Checks a bundle against the trust material.
pub(crate) fn authenticate(
    bundle: &Bundle,
    trust: &Trust,
    keys: &Keys<'_>,
    message: Message<'_>,
    as_of: Timestamp,
) -> Authenticated {
    let content = content_of(bundle);
    let mut answer = Authenticated::new(content);
    answer.evidence.bundle_0_1 = bundle.media_type() == MediaType::Bundle0_1;
    answer = match &bundle.verification_material.content {
        VerificationMaterialContent::PublicKey(hint) => {
            keyed(bundle, &hint.hint, trust, keys, (message, as_of), answer)
        }
        _ => keyless(bundle, trust, message, as_of, answer),
    };
    if let Some(late) = answer.times.iter().find(|time| **time > as_of) {
        let check = Check::refuted("signing-time")
            .expected(format!("not after {as_of}"))
            .found(late.to_string())
            .from("log entry or timestamp")
            .next_step("judge as of a time after the signature, or treat the signature as not yet made");
        answer = answer.refuted(check);
    }
    answer
}

fn content_of(bundle: &Bundle) -> Content {
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => Content::Payload {
            payload_type: envelope.payload_type.clone(),
            bytes: envelope.payload.as_bytes().to_vec(),
        },
        SignatureContent::MessageSignature(signature) => {
            Content::Message(signature.message_digest.as_ref().and_then(|d| {
                let algorithm = match d.algorithm {
                    HashAlgorithm::Sha2256 => Algorithm::Sha256,
                    HashAlgorithm::Sha2512 => Algorithm::Sha512,
                    _ => return None,
                };
                Digest::from_bytes(algorithm, d.digest.as_bytes()).ok().map(DigestSet::single)
            }))
        }
        _ => Content::Message(None),
    }
}

/// The input for the library: a DSSE payload is bound to the artifact later, for all subjects, so
/// that here the statement's own first digest stands in; a message signature is over the artifact.
fn input<'a>(
    answer: &Authenticated,
    message: Message<'a>,
) -> Result<(SigstoreArtifact<'a>, Option<Digest>), Check> {
    let digest = match &answer.content {
        Content::Payload { bytes, .. } => subject_digests(bytes).into_iter().next().ok_or_else(|| {
            Check::refuted("statement")
                .expected("an in-toto statement with a sha256 or sha512 subject digest")
                .found("none")
                .from("payload")
                .next_step("ask the publisher for a statement that names its subjects by SHA-256")
        })?,
        Content::Message(stated) => {
            if let Some(bytes) = message.bytes {
                return Ok((SigstoreArtifact::Blob(bytes), Some(Digest::sha256(bytes))));
            }
            message
                .digests
                .and_then(|set| set.get(Algorithm::Sha256).or_else(|| set.get(Algorithm::Sha512)))
                .or_else(|| stated.as_ref().and_then(|set| set.iter().next()))
                .cloned()
                .ok_or_else(|| {
                    Check::absent("artifact-digest")
                        .expected("the artifact, or its digest")
                        .found("neither is given nor stated in the bundle")
                        .next_step("name the artifact's file")
                })?
        }
    };
    let algorithm = match digest.algorithm() {
        Algorithm::Sha256 => HashAlgorithm::Sha2256,
        Algorithm::Sha512 => HashAlgorithm::Sha2512,
    };
    let is_message = matches!(answer.content, Content::Message(_));
    match ArtifactDigest::new(algorithm, digest.as_bytes()) {
        Ok(artifact) => Ok((SigstoreArtifact::Digest(artifact), is_message.then_some(digest))),
        Err(e) => Err(Check::refuted("artifact-digest").found(e.to_string())),
    }
}

fn keyless(
    bundle: &Bundle,
    trust: &Trust,
    message: Message<'_>,
    as_of: Timestamp,
    mut answer: Authenticated,
) -> Authenticated {
    let Some(der) = bundle.signing_certificate() else {
        return answer.refuted(
            Check::refuted("certificate")
                .expected("a signing certificate or a public key hint")
                .found("neither")
                .from("verificationMaterial")
                .next_step("fetch the bundle again; without either nobody has signed"),
        );
    };
    let certificate = match Certificate::from_der(der.as_bytes()) {
        Ok(certificate) => certificate,
        Err(reason) => {
            return answer.refuted(
                Check::refuted("certificate")
                    .expected("a Fulcio certificate")
                    .found(reason)
                    .from("verificationMaterial"),
            );
        }
    };
    let root = match root_of(trust, &certificate) {
        Ok(root) => root,
        Err(check) => return answer.refuted(check),
    };
    let is_p521 = public_key::is_on_p521(certificate.key_der());
    let signature = match &bundle.content {
        SignatureContent::MessageSignature(signature) => Some(signature.signature.as_bytes().to_vec()),
        SignatureContent::DsseEnvelope(envelope) => Some(envelope.signature.sig.as_bytes().to_vec()),
        _ => None,
    };
    if let Some(signature) = signature.filter(|_| is_p521) {
        let one = Logged { signature, der: der.as_bytes().to_vec(), certificate, root };
        return on_p521(bundle, &one, message, as_of, answer);
    }
    let (artifact, bound) = match input(&answer, message) {
        Ok(input) => input,
        Err(check) => return answer.refuted(check),
    };
    let mut policy = VerificationPolicy::any_identity();
    if !root.has_logs() && !root.has_certificate_logs() {
        // A private instance has neither kind of log; its timestamp authority is all there is.
        policy = policy.skip_sct().skip_tlog_unsafe();
    }
    answer.evidence.root_has_logs = root.has_logs();
    match root.verify(artifact, bundle, &policy, as_of) {
        Ok(result) => {
            established(bundle, root, &result, &mut answer);
            answer.checks.push(
                Check::established("certificate-chain")
                    .found(format!(
                        "issued by `{}`",
                        certificate.issuer_organization().unwrap_or("an unnamed authority")
                    ))
                    .from(format!("trust root `{}`", root.name())),
            );
            if result.sct_verified() {
                answer.checks.push(
                    Check::established("certificate-log").from(format!("trust root `{}`", root.name())),
                );
            } else {
                answer.checks.push(
                    Check::noted("certificate-log")
                        .found(format!("the trust root `{}` has no certificate logs", root.name())),
                );
            }
            answer.signers = vec![Signer::Keyless {
                issuer: certificate.issuer().unwrap_or_default().to_owned(),
                identity: certificate.identity().to_owned(),
            }];
            answer.message_digest = bound;
            answer.certificate = Some(certificate);
            answer
        }
        Err(error) => {
            answer.certificate = Some(certificate);
            let check = check_of(&error, &answer.content, bound.as_ref());
            answer.refuted(check)
        }
    }
}

/// A bundle by a key on P-521, which Sigstore's registry of algorithms has and `sigstore-verify` has not.
fn on_p521(
    bundle: &Bundle,
    one: &Logged<'_>,
    message: Message<'_>,
    as_of: Timestamp,
    mut answer: Authenticated,
) -> Authenticated {
    answer.evidence.root_has_logs = one.root.has_logs();
    let material = &bundle.verification_material;
    let entry = match material.tlog_entries.as_slice() {
        [only] => serde_json::to_value(only).ok().and_then(|value| LogEntry::from_value(&value)),
        _ => None,
    };
    let needs_proof = bundle.media_type() != MediaType::Bundle0_1;
    let check = match entry {
        None => Some(
            Check::refuted("transparency-log")
                .expected("one log entry")
                .found(format!("{} entries", material.tlog_entries.len()))
                .from("verificationMaterial.tlogEntries"),
        ),
        Some(entry) if needs_proof && !entry.has_proof => Some(
            Check::refuted("inclusion-proof")
                .expected("an inclusion proof, which bundles have from version 0.2 on")
                .found("none")
                .from("verificationMaterial.tlogEntries"),
        ),
        Some(_) if !material.timestamp_verification_data.rfc3161_timestamps.is_empty() => Some(
            Check::absent("timestamp")
                .expected("a log entry alone, which is what is read for a key on P-521")
                .found("RFC 3161 timestamps beside it, which were not checked")
                .from("verificationMaterial.timestampVerificationData")
                .next_step("ask the publisher for a signature with an ECDSA P-256 key"),
        ),
        Some(entry) => {
            let done = match &bundle.content {
                SignatureContent::DsseEnvelope(envelope) => {
                    let (payload, signed) = (envelope.payload.as_bytes(), envelope.pae());
                    let recorded = Recorded { raw: &[], payload, signed: &signed, intermediates: &[] };
                    logged::authenticate(std::slice::from_ref(one), &entry, &recorded, as_of, &answer)
                        .map(|answers| answers.into_iter().next())
                }
                _ => message_on_p521(one, &entry, message, as_of, &answer).map(Some),
            };
            match done {
                Ok(Some(done)) => return done,
                Ok(None) => None,
                Err(check) => Some(check),
            }
        }
    };
    answer.certificate = Some(one.certificate.clone());
    answer.refuted(check.unwrap_or_else(|| Check::refuted("bundle")))
}

fn message_on_p521(
    one: &Logged<'_>,
    entry: &LogEntry,
    message: Message<'_>,
    as_of: Timestamp,
    answer: &Authenticated,
) -> Result<Authenticated, Check> {
    let (mut done, digest) = logged::message(one, entry, &message, as_of, answer)?;
    if let Content::Message(Some(stated)) = &done.content
        && stated.agreement(&DigestSet::single(digest.clone())) != Agreement::Same
    {
        return Err(other_digest(stated, &digest));
    }
    done.message_digest = Some(digest);
    Ok(done)
}

/// The instance whose authority issued the certificate. With a single root that is the root, so that
/// the chain check and not a name decides.
pub(crate) fn root_of<'a>(trust: &'a Trust, certificate: &Certificate) -> Result<&'a SigstoreRoot, Check> {
    if let [only] = trust.sigstore.as_slice() {
        return Ok(only);
    }
    trust.sigstore.iter().find(|root| root.issues(certificate.issuer_der())).ok_or_else(|| {
        let names: Vec<_> = trust.sigstore.iter().map(|root| format!("`{}`", root.name())).collect();
        Check::refuted("certificate-chain")
            .expected(format!(
                "an authority of {}",
                if names.is_empty() { "no trust root".to_owned() } else { names.join(" or ") }
            ))
            .found(certificate.issuer_organization().unwrap_or("an unnamed authority"))
            .from("certificate issuer")
            .next_step("give the instance's trust root with `--trusted-root FILE`")
    })
}

fn keyed(
    bundle: &Bundle,
    hint: &str,
    trust: &Trust,
    keys: &Keys<'_>,
    (message, as_of): (Message<'_>, Timestamp),
    mut answer: Authenticated,
) -> Authenticated {
    let candidates: Vec<(String, &PublicKey)> = match keys {
        Keys::Given(list) => list.iter().map(|k| (k.id.clone(), &k.key)).collect(),
        Keys::Named(map) => map.get(hint).map(|key| (hint.to_owned(), key)).into_iter().collect(),
    };
    if candidates.is_empty() {
        return answer.refuted(
            Check::absent("key")
                .expected("a public key to check the signature with")
                .found(format!("the bundle only hints at `{}`", hint.escape_debug()))
                .from("verificationMaterial.publicKey.hint")
                .next_step("give the publisher's key with `--public-key FILE`"),
        );
    }
    let mut last = None;
    for (id, key) in candidates {
        match keyed_with(bundle, (&id, key), trust, message, as_of, answer.clone()) {
            Ok(done) => return done,
            Err(check) => last = Some(check),
        }
    }
    let check = last.unwrap_or_else(|| Check::refuted("signature"));
    answer.evidence.root_has_logs = false;
    answer.refuted(check)
}

fn keyed_with(
    bundle: &Bundle,
    (id, key): (&str, &PublicKey),
    trust: &Trust,
    message: Message<'_>,
    as_of: Timestamp,
    mut answer: Authenticated,
) -> Result<Authenticated, Check> {
    let material = &bundle.verification_material;
    let (artifact, bound) = input(&answer, message)?;
    let has_log = !material.tlog_entries.is_empty();
    let has_timestamp = !material.timestamp_verification_data.rfc3161_timestamps.is_empty();
    if has_log || has_timestamp {
        let root = trust
            .sigstore
            .iter()
            .find(|root| material.tlog_entries.iter().all(|e| root.knows_log(e.log_id.key_id.as_bytes())))
            .or_else(|| trust.sigstore.first())
            .ok_or_else(|| {
                Check::refuted("transparency-log")
                    .expected("a trust root that knows the log")
                    .found("no trust root")
                    .next_step("give the instance's trust root with `--trusted-root FILE`")
            })?;
        let mut policy = PublicKeyVerificationPolicy::new(DerPublicKey::from_bytes(key.spki_der()));
        if !has_log {
            policy = policy.skip_tlog_unsafe();
        }
        answer.evidence.root_has_logs = root.has_logs();
        let result = root
            .verify(artifact, bundle, &policy, as_of)
            .map_err(|error| check_of(&error, &answer.content, bound.as_ref()))?;
        established(bundle, root, &result, &mut answer);
    } else {
        // `sigstore-verify` wants a log entry or a timestamp. Neither is needed to know that the
        // holder of this key signed; that nothing shows when is said aloud.
        if bundle.media_type() == MediaType::Bundle0_1 {
            return Err(Check::refuted("transparency-log")
                .expected("a signed entry timestamp, which version 0.1 requires")
                .found("no log entry")
                .from("verificationMaterial.tlogEntries"));
        }
        bare_keyed(bundle, key, &artifact, message)?;
        if let Some(check) = another_artifact(&answer.content, bound.as_ref()) {
            return Err(check);
        }
        answer.checks.push(Check::established("signature").from(format!("key `{id}`")));
        answer.checks.push(
            Check::noted("transparency-log")
                .found("no log entry and no timestamp: nothing shows when the key signed"),
        );
    }
    answer.signers = vec![Signer::Key { id: id.to_owned() }];
    answer.given_keys = vec![id.to_owned()];
    answer.message_digest = bound;
    Ok(answer)
}

fn bare_keyed(
    bundle: &Bundle,
    key: &PublicKey,
    artifact: &SigstoreArtifact<'_>,
    message: Message<'_>,
) -> Result<(), Check> {
    let refuted = || {
        Check::refuted("signature")
            .expected(format!("a signature by {}", key.fingerprint()))
            .found("a signature that this key did not make over these bytes")
            .next_step("check that artifact, bundle and key belong together")
    };
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => {
            if key.verify(&envelope.pae(), envelope.signature.sig.as_bytes()) {
                Ok(())
            } else {
                Err(refuted())
            }
        }
        SignatureContent::MessageSignature(signature) => {
            if let Some(bytes) = message.bytes {
                return if key.verify(bytes, signature.signature.as_bytes()) {
                    Ok(())
                } else {
                    Err(refuted())
                };
            }
            let spki = DerPublicKey::from_bytes(key.spki_der());
            let scheme = SigstoreAlgorithm::from_spki(&spki).map_err(|_| refuted())?.default_signing_scheme();
            let digest = artifact
                .digest()
                .filter(|d| Some(d.algorithm()) == scheme.hash_algorithm())
                .ok_or_else(|| {
                    Check::absent("artifact-digest")
                        .expected("the artifact's bytes, which this kind of key signs")
                        .found("a digest of another algorithm")
                        .next_step("name the artifact's file instead of its digest")
                })?;
            verify_signature_prehashed(&spki, digest.as_bytes(), &signature.signature, scheme)
                .map_err(|_| refuted())
        }
        _ => Err(refuted()),
    }
}

/// Records what the library verified, and says aloud what was not there to be verified.
fn established(
    bundle: &Bundle,
    root: &SigstoreRoot,
    result: &VerificationResult,
    answer: &mut Authenticated,
) {
    let from = format!("trust root `{}`", root.name());
    let entries = &bundle.verification_material.tlog_entries;
    answer.checks.push(Check::established("signature"));
    answer.times = result.verified_timestamps().to_vec();
    answer.evidence.timestamp =
        !bundle.verification_material.timestamp_verification_data.rfc3161_timestamps.is_empty();
    if result.tlog_verified() && !entries.is_empty() {
        answer.evidence.entry_timestamp = entries.iter().any(|e| e.inclusion_promise.is_some());
        answer.evidence.inclusion_proof = entries.iter().all(|e| e.inclusion_proof.is_some());
        let found = match (answer.evidence.inclusion_proof, answer.evidence.entry_timestamp) {
            (true, true) => "inclusion proof, checkpoint and signed entry timestamp",
            (true, false) => "inclusion proof and checkpoint",
            (false, _) => "signed entry timestamp alone",
        };
        answer.checks.push(Check::established("transparency-log").found(found).from(from.clone()));
        if !answer.evidence.inclusion_proof {
            answer.checks.push(
                Check::noted("inclusion-proof")
                    .expected("inclusion proof and checkpoint")
                    .found("none: the log promised to include the entry, nothing shows that it did")
                    .from("verificationMaterial.tlogEntries")
                    .next_step("fetch the bundle in version 0.2 or later, which carries the proof"),
            );
        }
    } else if !root.has_logs() {
        answer.checks.push(
            Check::noted("transparency-log").found(format!("the trust root `{}` has no logs", root.name())),
        );
    }
    if let Some(time) = answer.times.iter().min() {
        answer.checks.push(Check::established("signing-time").found(time.to_string()).from(from));
    }
}

/// Whether the message states another digest than the artifact's of the same algorithm.
fn another_artifact(content: &Content, bound: Option<&Digest>) -> Option<Check> {
    let (Content::Message(Some(stated)), Some(digest)) = (content, bound) else { return None };
    let agreement = stated.agreement(&DigestSet::single(digest.clone()));
    (agreement == Agreement::Different).then(|| other_digest(stated, digest))
}

fn other_digest(stated: &DigestSet, artifact: &Digest) -> Check {
    Check::refuted("artifact-digest")
        .expected(artifact.to_string())
        .found(stated.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        .from("messageSignature.messageDigest")
        .next_step("check that artifact and bundle belong together")
}

fn check_of(error: &Error, content: &Content, bound: Option<&Digest>) -> Check {
    const AGAIN: &str = "fetch the bundle again from its publisher";
    const ROOT: &str = "check that the trust root is the instance's that issued the certificate";
    let (code, expected, next) = match error {
        // The stand-in for the artifact is one of the payload's own digests: what does not match is
        // what the log recorded.
        Error::ArtifactMismatch(_) if matches!(content, Content::Payload { .. }) => {
            ("log-entry", "an entry of this payload", AGAIN)
        }
        Error::SignatureInvalid(_) => (
            "signature",
            "a signature by the certificate's key, or by the given one",
            "check that artifact and bundle belong together",
        ),
        Error::ArtifactMismatch(_) => match another_artifact(content, bound) {
            Some(check) => return check,
            None => (
                "artifact-digest",
                "the artifact that the bundle names",
                "check that artifact and bundle belong together",
            ),
        },
        Error::Certificate(CertificateError::Sct(_)) => {
            ("certificate-log", "a timestamp by one of the trust root's certificate logs", ROOT)
        }
        Error::Certificate(CertificateError::Malformed(_)) => {
            ("certificate", "a well-formed certificate", AGAIN)
        }
        Error::Certificate(_) => {
            ("certificate-chain", "a certificate of the trust root's authorities, valid when it signed", ROOT)
        }
        Error::TransparencyLog(TransparencyLogError::EntryMismatch(_)) => {
            ("log-entry", "an entry of this signature and certificate", AGAIN)
        }
        Error::TransparencyLog(
            TransparencyLogError::InclusionProof(_) | TransparencyLogError::Checkpoint(_),
        ) => (
            "inclusion-proof",
            "a proof, under a checkpoint that the log signed, that it holds this entry",
            "fetch the bundle again; the log never held this entry as it stands",
        ),
        Error::TransparencyLog(TransparencyLogError::IntegratedTime(_)) => (
            "signing-time",
            "a time within the certificate's validity",
            "the signature was logged outside of its certificate's validity; do not use it",
        ),
        Error::TransparencyLog(_) => (
            "transparency-log",
            "an entry that one of the trust root's logs signed",
            "fetch the bundle again; the log did not sign this entry",
        ),
        Error::Timestamp(sigstore_verify::TimestampError::NoVerifiedTimestamp(_)) => {
            return Check::absent("signing-time")
                .expected("a log entry with a signed time, or an RFC 3161 timestamp")
                .found("nothing that shows when the signature was made")
                .next_step("fetch the bundle with its log entry or timestamp");
        }
        Error::Timestamp(_) => (
            "timestamp",
            "a timestamp over this signature by one of the trust root's authorities",
            "check that the trust root names the timestamp authority",
        ),
        Error::UnsupportedArtifact(_) => {
            return Check::absent("artifact-digest")
                .expected("the artifact in the form that the signature covers")
                .found(error.to_string())
                .next_step("name the artifact's file instead of its digest");
        }
        _ => ("bundle", "a Sigstore bundle that keeps the rules of its version", AGAIN),
    };
    Check::refuted(code).expected(expected).found(error.to_string()).next_step(next)
}
