//! Signatures by certificate that `sigstore-verify` does not read: several in one envelope, `intoto` entries
//! of version 0.0.1, which record the envelope's own bytes, and certificates with a key on P-521.
//!
//! The same is demanded as of a bundle: the log signed the entry's time, the entry is in the tree where a
//! proof is there, each certificate was valid and logged then, and the entry records this payload, these
//! signatures and these certificates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use sigstore_crypto::Checkpoint;
use sigstore_types::{Sha256Hash, SignatureBytes};
use x509_cert::der::{DecodePem as _, Encode as _};

use super::authenticated::Authenticated;
use super::certificate::Certificate;
use super::chain::{self, ChainError};
use super::json;
use super::log_entry::LogEntry;
use super::public_key::PublicKey;
use super::sigstore::Message;
use super::trust::SigstoreRoot;
use super::{Check, Signer};
use crate::digest::{Algorithm, Digest};

/// One signature by a certificate.
pub(crate) struct Logged<'a> {
    pub(crate) signature: Vec<u8>,
    pub(crate) der: Vec<u8>,
    pub(crate) certificate: Certificate,
    pub(crate) root: &'a SigstoreRoot,
}

/// The envelope as the log may have recorded it.
pub(crate) struct Recorded<'a> {
    /// The document's bytes, of which `intoto` 0.0.1 has the digest.
    pub(crate) raw: &'a [u8],
    pub(crate) payload: &'a [u8],
    /// What the signatures are over.
    pub(crate) signed: &'a [u8],
    pub(crate) intermediates: &'a [Vec<u8>],
}

/// Whether entries of that kind are checked here even for one signature.
pub(crate) fn is_ours(entry: &LogEntry) -> bool {
    entry.kind() == ("intoto", "0.0.1")
}

/// Checks the signatures against one entry, all or nothing; one answer for each, in their order.
pub(crate) fn authenticate(
    signatures: &[Logged<'_>],
    entry: &LogEntry,
    recorded: &Recorded<'_>,
    as_of: Timestamp,
    bare: &Authenticated,
) -> Result<Vec<Authenticated>, Check> {
    let witness = signatures.first().ok_or_else(|| Check::refuted("signature").found("none"))?;
    let evidence = log(entry, witness.root, as_of)?;
    records(entry, signatures, recorded)?;
    let mut answers = Vec::new();
    for (index, one) in signatures.iter().enumerate() {
        let from = format!("signatures[{index}]");
        believed(one, recorded.intermediates, evidence.time, &from)?;
        let holds = PublicKey::from_der(one.certificate.key_der(), "certificate")
            .is_ok_and(|key| key.verify(recorded.signed, &one.signature));
        if !holds {
            return Err(Check::refuted("signature")
                .expected("a signature by the certificate's key")
                .found("not by the certificate's key")
                .from(from)
                .next_step("check that envelope and certificate belong together"));
        }
        answers.push(established(one, &evidence, &from, bare));
    }
    Ok(answers)
}

fn established(one: &Logged<'_>, evidence: &Evidence, from: &str, bare: &Authenticated) -> Authenticated {
    let mut answer = bare.clone();
    let root = format!("trust root `{}`", one.root.name());
    answer.checks.push(Check::established("signature").from(from));
    let found = match evidence.proof {
        true => "inclusion proof, checkpoint and signed entry timestamp",
        false => "signed entry timestamp alone",
    };
    answer.checks.push(Check::established("transparency-log").found(found).from(root.clone()));
    if !evidence.proof {
        answer.checks.push(
            Check::noted("inclusion-proof")
                .expected("inclusion proof and checkpoint")
                .found("none: the log promised to include the entry, nothing shows that it did")
                .from("log entry")
                .next_step("give the entry as the log answers it today, which carries the proof"),
        );
    }
    answer
        .checks
        .push(Check::established("signing-time").found(evidence.time.to_string()).from(root.clone()));
    let authority = one.certificate.issuer_organization().unwrap_or("an unnamed authority");
    answer.checks.push(
        Check::established("certificate-chain").found(format!("issued by `{authority}`")).from(root.clone()),
    );
    answer.checks.push(if one.root.has_certificate_logs() {
        Check::established("certificate-log").from(root)
    } else {
        Check::noted("certificate-log").found(format!("the {root} has no certificate logs"))
    });
    answer.evidence.entry_timestamp = true;
    answer.evidence.inclusion_proof = evidence.proof;
    answer.evidence.root_has_logs = true;
    answer.times = vec![evidence.time];
    answer.signers = vec![Signer::Keyless {
        issuer: one.certificate.issuer().unwrap_or_default().to_owned(),
        identity: one.certificate.identity().to_owned(),
    }];
    answer.certificate = Some(one.certificate.clone());
    answer
}

struct Evidence {
    time: Timestamp,
    proof: bool,
}

/// Checks what the log signed: the entry's time, and its place in the tree where a proof is there.
fn log(entry: &LogEntry, root: &SigstoreRoot, as_of: Timestamp) -> Result<Evidence, Check> {
    let bad = |what: &str| {
        Check::refuted("log-entry").expected(what).found("none that can be read").from("log entry")
    };
    let value = &entry.value;
    let text = |path: &[&str]| json::text(value, path);
    let number = |path: &[&str]| text(path).and_then(|t| t.parse::<i64>().ok()).filter(|n| *n >= 0);
    let bytes = |path: &[&str]| text(path).and_then(|t| STANDARD.decode(t).ok());
    let body = bytes(&["canonicalizedBody"]).ok_or_else(|| bad("a body"))?;
    let index = number(&["logIndex"]).ok_or_else(|| bad("an index"))?;
    let seconds = number(&["integratedTime"]).ok_or_else(|| bad("a time"))?;
    let time = Timestamp::from_second(seconds).map_err(|_| bad("a time"))?;
    let log_id = bytes(&["logId", "keyId"]).ok_or_else(|| bad("a log's identifier"))?;
    let promise = bytes(&["inclusionPromise", "signedEntryTimestamp"]).ok_or_else(|| {
        Check::absent("signing-time")
            .expected("a log entry with a signed time")
            .found("a log entry without")
            .from("log entry")
            .next_step("give the entry as the log answers it, with its signed entry timestamp")
    })?;
    if time > as_of {
        return Err(Check::refuted("signing-time")
            .expected(format!("not after {as_of}"))
            .found(time.to_string())
            .from("log entry")
            .next_step("judge as of a time after the signature, or treat the signature as not yet made"));
    }
    let refuted = |reason: String| {
        Check::refuted("transparency-log")
            .expected(format!("an entry signed by a log of `{}`", root.name()))
            .found(reason)
            .from("log entry")
            .next_step("fetch the log entry again; the log did not sign this one")
    };
    let keys = root.log_keys().map_err(refuted)?;
    let id = Sha256Hash::try_from(log_id.as_slice()).map_err(|e| refuted(e.to_string()))?;
    // RFC 8785: names in order, no blanks; none of the values needs an escape.
    let promised = format!(
        r#"{{"body":"{}","integratedTime":{seconds},"logID":"{}","logIndex":{index}}}"#,
        STANDARD.encode(&body),
        hex::encode(&log_id)
    );
    keys.verify_with_key_id_at(&id, time, &promised, &SignatureBytes::new(promise))
        .map_err(|e| refuted(e.to_string()))?;
    let proof = value.get("inclusionProof").filter(|proof| !proof.is_null());
    if let Some(proof) = proof {
        let reason = inclusion(proof, &body, &id, &keys, as_of).err();
        if let Some(reason) = reason {
            return Err(Check::refuted("inclusion-proof")
                .expected("a proof that the log holds this entry")
                .found(reason)
                .from("log entry")
                .next_step("fetch the log entry again; the log never held this entry as it stands"));
        }
    }
    Ok(Evidence { time, proof: proof.is_some() })
}

fn inclusion(
    proof: &Value,
    body: &[u8],
    log: &Sha256Hash,
    keys: &sigstore_crypto::Keyring,
    as_of: Timestamp,
) -> Result<(), String> {
    let hash = |text: &str| {
        let bytes = STANDARD.decode(text).map_err(|e| e.to_string())?;
        Sha256Hash::try_from(bytes.as_slice()).map_err(|e| e.to_string())
    };
    let number = |name: &str| {
        json::text(proof, &[name])
            .and_then(|t| t.parse::<u64>().ok())
            .ok_or_else(|| format!("`{name}` is not a number"))
    };
    let root = hash(json::text(proof, &["rootHash"]).unwrap_or_default())?;
    let list = proof.get("hashes").and_then(Value::as_array).ok_or("no list of hashes")?;
    let hashes =
        list.iter().map(|entry| hash(entry.as_str().unwrap_or_default())).collect::<Result<Vec<_>, _>>()?;
    let size = number("treeSize")?;
    let leaf = sigstore_merkle::hash_leaf(body);
    sigstore_merkle::verify_inclusion_proof(&leaf, number("logIndex")?, size, &hashes, &root)
        .map_err(|e| e.to_string())?;
    let note = json::text(proof, &["checkpoint", "envelope"]).ok_or("no checkpoint")?;
    let checkpoint = Checkpoint::from_text(note).map_err(|e| e.to_string())?;
    if *checkpoint.root_hash() != root || checkpoint.tree_size() != size {
        return Err("the checkpoint is of another tree".to_owned());
    }
    let key = keys.key_started_by(log, as_of).ok_or("the trust root does not know the log")?;
    let signed =
        |s: &sigstore_crypto::CheckpointSignature| key.verify(checkpoint.signed_data(), &s.signature);
    if checkpoint.signatures().iter().any(|s| signed(s).is_ok()) {
        Ok(())
    } else {
        Err("the log did not sign the checkpoint".to_owned())
    }
}

/// Checks a bundle's message signature against its one log entry of Rekor v1, as the library does for the keys
/// that it knows.
pub(crate) fn message(
    one: &Logged<'_>,
    entry: &LogEntry,
    artifact: &Message<'_>,
    as_of: Timestamp,
    bare: &Authenticated,
) -> Result<(Authenticated, Digest), Check> {
    let evidence = log(entry, one.root, as_of)?;
    let from = "log entry";
    let other = |expected: &str, found: &str| {
        Check::refuted("log-entry")
            .expected(expected)
            .found(found)
            .from(from)
            .next_step("the log recorded another signature; fetch the bundle again from its publisher")
    };
    let body = json::text(&entry.value, &["canonicalizedBody"])
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| json::parse(&bytes).ok())
        .ok_or_else(|| other("a body in JSON", "something else"))?;
    let of_kind = |name: &str, value: &str| json::text(&body, &[name]) == Some(value);
    if entry.kind() != ("hashedrekord", "0.0.1")
        || !of_kind("kind", "hashedrekord")
        || !of_kind("apiVersion", "0.0.1")
    {
        return Err(Check::absent("log-entry")
            .expected("a `hashedrekord` entry of version 0.0.1, which is what is read for this kind of key")
            .found(format!("`{}`", entry.kind().0.escape_debug()))
            .from(from)
            .next_step("ask the publisher for a signature with an ECDSA P-256 key"));
    }
    // A key on P-521 signs SHA-512.
    let digest = artifact
        .bytes
        .map(|bytes| Digest::of(Algorithm::Sha512, bytes))
        .or_else(|| artifact.digests.and_then(|set| set.get(Algorithm::Sha512).cloned()))
        .ok_or_else(|| {
            Check::absent("artifact-digest")
                .expected("the artifact's SHA-512 digest, which this kind of key signs")
                .found("a digest of another algorithm")
                .next_step("name the artifact's file instead of its digest")
        })?;
    let hash = json::at(&body, &["spec", "data", "hash"]);
    let hash = |name: &str| hash.and_then(|v| json::text(v, &[name]));
    if hash("algorithm") != Some("sha512") || hash("value") != Some(digest.to_hex().as_str()) {
        return Err(other("this artifact's digest", hash("value").unwrap_or("none")));
    }
    let signature = json::text(&body, &["spec", "signature", "content"]).and_then(once);
    let key = json::text(&body, &["spec", "signature", "publicKey", "content"]).and_then(recorded_key_of);
    if signature.as_ref() != Some(&one.signature) || !key.is_some_and(|key| key.is_of(one)) {
        return Err(other("this signature and certificate", "another"));
    }
    believed(one, &[], evidence.time, "verificationMaterial")?;
    let holds = PublicKey::from_der(one.certificate.key_der(), "certificate")
        .is_ok_and(|key| key.verify_digest(&digest, &one.signature));
    if !holds {
        return Err(Check::refuted("signature")
            .expected("a signature by the certificate's key over this artifact")
            .found("none")
            .from("messageSignature")
            .next_step("check that artifact and bundle belong together"));
    }
    Ok((established(one, &evidence, "messageSignature", bare), digest))
}

fn believed(one: &Logged<'_>, intermediates: &[Vec<u8>], time: Timestamp, from: &str) -> Result<(), Check> {
    let next = "check that the trust root is the instance's that issued the certificate";
    chain::check(&one.der, intermediates, one.root, time).map_err(|e| match e {
        ChainError::Chain(reason) => Check::refuted("certificate-chain")
            .expected(format!("a chain to `{}` at {time}", one.root.name()))
            .found(reason)
            .from(from)
            .next_step(next),
        ChainError::Log(reason) => Check::refuted("certificate-log")
            .expected(format!("a timestamp by a certificate log of `{}`", one.root.name()))
            .found(reason)
            .from(from)
            .next_step(next),
    })
}

/// Checks that the entry records this payload, these signatures and these certificates, and no more.
fn records(entry: &LogEntry, signatures: &[Logged<'_>], recorded: &Recorded<'_>) -> Result<(), Check> {
    let other = |expected: &str, found: &str| {
        Check::refuted("log-entry")
            .expected(expected)
            .found(found)
            .from("log entry")
            .next_step("the entry is of another envelope; give this one's")
    };
    let (kind, version) = entry.kind();
    let body = json::text(&entry.value, &["canonicalizedBody"])
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| json::parse(&bytes).ok())
        .ok_or_else(|| other("a body in JSON", "something else"))?;
    if json::text(&body, &["kind"]) != Some(kind) || json::text(&body, &["apiVersion"]) != Some(version) {
        return Err(other("a body of the entry's own kind", "a body of another kind"));
    }
    let sha256 = |path: &[&str], bytes: &[u8]| {
        let at = json::at(&body, path);
        let hex = at.and_then(|v| json::text(v, &["value"]));
        at.and_then(|v| json::text(v, &["algorithm"])) == Some("sha256")
            && hex == Some(Digest::sha256(bytes).to_hex().as_str())
    };
    let payload_path: &[&str] =
        if kind == "dsse" { &["spec", "payloadHash"] } else { &["spec", "content", "payloadHash"] };
    let (list, signature_name, key_name, decode): (_, _, _, fn(&str) -> Option<Vec<u8>>) =
        match (kind, version) {
            ("intoto", "0.0.1") => {
                let trimmed = recorded.raw.trim_ascii_end();
                let path = &["spec", "content", "hash"];
                if !sha256(path, recorded.raw) && !sha256(path, trimmed) {
                    return Err(other("the digest of this envelope's bytes", "another digest"));
                }
                // The first of these entries had no digest of the payload; the envelope's covers it.
                if json::at(&body, payload_path).is_some() && !sha256(payload_path, recorded.payload) {
                    return Err(other("the digest of this payload", "another digest"));
                }
                let [only] = signatures else {
                    return Err(other("one signature, as this kind records", "several"));
                };
                let recorded_key = json::text(&body, &["spec", "publicKey"]);
                return if recorded_key.and_then(recorded_key_of).is_some_and(|key| key.is_of(only)) {
                    Ok(())
                } else {
                    Err(other("this certificate", "another"))
                };
            }
            ("intoto", "0.0.2") => {
                let path = ["spec", "content", "envelope", "signatures"];
                (json::at(&body, &path), "sig", "publicKey", twice)
            }
            ("dsse", "0.0.1") => (json::at(&body, &["spec", "signatures"]), "signature", "verifier", once),
            _ => {
                let found = format!("`{}` version `{}`", kind.escape_debug(), version.escape_debug());
                return Err(other("an entry of a kind that records envelopes", &found));
            }
        };
    if !sha256(payload_path, recorded.payload) {
        return Err(other("the digest of this payload", "another digest"));
    }
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if list.len() != signatures.len() {
        let found = format!("{} signatures", list.len());
        return Err(other(&format!("{} signatures", signatures.len()), &found));
    }
    let pairs: Vec<_> = list
        .iter()
        .map(|item| {
            let signature = json::text(item, &[signature_name]).and_then(decode);
            (signature, json::text(item, &[key_name]).and_then(recorded_key_of))
        })
        .collect();
    for one in signatures {
        let is_recorded = pairs.iter().any(|(signature, key)| {
            signature.as_ref() == Some(&one.signature) && key.as_ref().is_some_and(|key| key.is_of(one))
        });
        if !is_recorded {
            return Err(other("each signature with its certificate", "another signature or certificate"));
        }
    }
    Ok(())
}

fn once(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// `intoto` 0.0.2 entries hold the signature's base64 in base64.
fn twice(text: &str) -> Option<Vec<u8>> {
    once(text).and_then(|inner| STANDARD.decode(inner).ok())
}

/// What a log recorded of the signer. Where it is the key alone, that is what the signature shows too.
enum RecordedKey {
    Certificate(Vec<u8>),
    Key(Vec<u8>),
}

impl RecordedKey {
    fn is_of(&self, one: &Logged<'_>) -> bool {
        match self {
            Self::Certificate(der) => *der == one.der,
            Self::Key(spki) => spki == one.certificate.key_der(),
        }
    }
}

/// A PEM certificate or public key in base64.
fn recorded_key_of(text: &str) -> Option<RecordedKey> {
    let pem = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    if let Ok(certificate) = x509_cert::Certificate::from_pem(pem.trim()) {
        return certificate.to_der().ok().map(RecordedKey::Certificate);
    }
    PublicKey::from_pem(&pem, "log entry").ok().map(|key| RecordedKey::Key(key.spki_der().to_vec()))
}
