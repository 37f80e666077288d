//! Attestation documents: told apart by what is in them, never by their names.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use sigstore_types::Bundle;

use super::answer::Format;
use super::error::VerifyError;
use super::json;
use super::statement::subject_digests;
use crate::digest::{Algorithm, Digest};
use crate::limits::verify::VerifyLimits;
use crate::statement::dsse::{Envelope, Signature};

/// One attestation, parsed and not checked in any way.
#[derive(Debug)]
pub struct Attestation {
    pub(crate) source: String,
    pub(crate) format: Format,
    pub(crate) body: Body,
}

impl Attestation {
    /// Where it was read.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it is.
    pub const fn format(&self) -> Format {
        self.format
    }
}

#[derive(Debug)]
pub(crate) enum Body {
    Bundle(Box<Signed>),
    Envelope(Box<LooseEnvelope>),
    Npm(Box<Npm>),
    CloudBuild(Box<Value>),
}

/// A bundle that parsed, with its raw JSON.
#[derive(Debug)]
pub(crate) struct Signed {
    pub(crate) bundle: Result<Bundle, String>,
    pub(crate) raw: Value,
}

/// A DSSE envelope outside of a bundle, with log entries that came with it (cosign's annotation).
#[derive(Debug)]
pub(crate) struct LooseEnvelope {
    pub(crate) envelope: Envelope,
    pub(crate) certificate_pem: Option<String>,
    pub(crate) chain_pem: Option<String>,
    pub(crate) log_entry: Option<Value>,
    /// The document's bytes; empty where it stood inside another.
    pub(crate) raw: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Npm {
    pub(crate) provenance: Option<Signed>,
    pub(crate) publish: Option<Signed>,
    pub(crate) count: usize,
}

/// Reads every attestation of a document.
///
/// # Errors
/// [`VerifyError`] for what is no attestation document, or is above a limit.
pub fn read(bytes: &[u8], source: &str, limits: &VerifyLimits) -> Result<Vec<Attestation>, VerifyError> {
    if bytes.len() as u64 > limits.document_bytes_max {
        return Err(VerifyError::DocumentLimit {
            source_name: source.to_owned(),
            found_bytes: bytes.len() as u64,
            bytes_max: limits.document_bytes_max,
        });
    }
    let mut attestations = Vec::new();
    match json::parse(bytes) {
        Ok(value) => from_value(value, bytes, source, limits, &mut attestations)?,
        Err(whole) => {
            let lines: Vec<&[u8]> =
                bytes.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
            if lines.len() < 2 {
                return Err(VerifyError::NotJson {
                    source_name: source.to_owned(),
                    reason: whole.to_string(),
                });
            }
            count(source, "attestations", lines.len(), limits.attestations_max)?;
            for (index, line) in lines.into_iter().enumerate() {
                let name = format!("{source}#{}", index + 1);
                let value = json::parse(line)
                    .map_err(|e| VerifyError::NotJson { source_name: name.clone(), reason: e.to_string() })?;
                from_value(value, line, &name, limits, &mut attestations)?;
            }
        }
    }
    count(source, "attestations", attestations.len(), limits.attestations_max)?;
    Ok(attestations)
}

/// Digests that a document of one bundle or envelope states, for little more than a look; `None` for what is
/// neither, or states none: such a document may be about any artifact.
///
/// For runs over so many documents that they are read when their artifact's turn comes. Nothing is decided by
/// it: then the document is read as strictly as any.
pub fn stated_digests(bytes: &[u8], limits: &VerifyLimits) -> Option<Vec<Digest>> {
    if bytes.len() as u64 > limits.document_bytes_max {
        return None;
    }
    let outline: Outline<'_> = serde_json::from_slice(bytes).ok()?;
    let digests = match outline {
        Outline { verification_material: Some(_), dsse_envelope: Some(envelope), .. } => {
            subject_digests(&base64(&envelope.payload)?)
        }
        Outline { verification_material: Some(_), message_signature: Some(message), .. } => {
            message_digest(&message.message_digest.algorithm, &message.message_digest.digest)
        }
        Outline { payload: Some(payload), signatures: Some(_), .. } => subject_digests(&base64(&payload)?),
        _ => return None,
    };
    (!digests.is_empty()).then_some(digests)
}

/// The names by which a document is found; all else is skipped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline<'a> {
    verification_material: Option<IgnoredAny>,
    #[serde(borrow)]
    dsse_envelope: Option<OutlineEnvelope<'a>>,
    #[serde(borrow)]
    message_signature: Option<OutlineMessage<'a>>,
    #[serde(borrow)]
    payload: Option<Cow<'a, str>>,
    signatures: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct OutlineEnvelope<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutlineMessage<'a> {
    #[serde(borrow)]
    message_digest: OutlineDigest<'a>,
}

#[derive(Deserialize)]
struct OutlineDigest<'a> {
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(borrow)]
    digest: Cow<'a, str>,
}

fn message_digest(algorithm: &str, digest: &str) -> Vec<Digest> {
    let algorithm = if algorithm == "SHA2_512" { Algorithm::Sha512 } else { Algorithm::Sha256 };
    let digest = base64(digest).and_then(|bytes| Digest::from_bytes(algorithm, &bytes).ok());
    digest.into_iter().collect()
}

/// Digests that a bundle in JSON states: its statement's subjects', or its message's.
pub(crate) fn digests_of_bundle(raw: &Value) -> Vec<Digest> {
    if let Some(payload) = json::text(raw, &["dsseEnvelope", "payload"]).and_then(base64) {
        return subject_digests(&payload);
    }
    let stated = json::at(raw, &["messageSignature", "messageDigest"]);
    let text = |name: &str| stated.and_then(|d| json::text(d, &[name])).unwrap_or_default();
    message_digest(text("algorithm"), text("digest"))
}

fn count(source: &str, what: &'static str, found: usize, max: usize) -> Result<(), VerifyError> {
    if found <= max {
        return Ok(());
    }
    Err(VerifyError::CountLimit { source_name: source.to_owned(), what, found, max })
}

fn from_value(
    value: Value,
    raw: &[u8],
    source: &str,
    limits: &VerifyLimits,
    out: &mut Vec<Attestation>,
) -> Result<(), VerifyError> {
    let has = |name: &str| value.get(name).is_some();
    if is_bundle(&value) {
        let signed = signed(value, raw, source, limits)?;
        out.push(Attestation {
            source: source.to_owned(),
            format: Format::SigstoreBundle,
            body: Body::Bundle(Box::new(signed)),
        });
    } else if has("payload") && has("payloadType") && has("signatures") {
        let envelope = envelope(&value, source, limits)?;
        let raw = raw.to_vec();
        let body = LooseEnvelope { envelope, certificate_pem: None, chain_pem: None, log_entry: None, raw };
        out.push(Attestation {
            source: source.to_owned(),
            format: Format::Dsse,
            body: Body::Envelope(Box::new(body)),
        });
    } else if has("verification_material") && has("envelope") {
        pep740(&value, source, limits, out)?;
    } else if let Some(groups) = value.get("attestation_bundles").and_then(Value::as_array) {
        for (group, entry) in groups.iter().enumerate() {
            for (index, item) in
                entry.get("attestations").and_then(Value::as_array).into_iter().flatten().enumerate()
            {
                pep740(item, &format!("{source}#{}.{}", group + 1, index + 1), limits, out)?;
            }
        }
    } else if has("provenance_summary") || has("image_summary") {
        out.push(Attestation {
            source: source.to_owned(),
            format: Format::GoogleCloudBuild,
            body: Body::CloudBuild(Box::new(value)),
        });
    } else if value.get("attestations").is_some_and(Value::is_array) {
        attestation_list(value, source, limits, out)?;
    } else {
        let names = match &value {
            Value::Object(map) => {
                map.keys().take(8).map(|k| format!("`{}`", k.escape_debug())).collect::<Vec<_>>().join(", ")
            }
            _ => "none".to_owned(),
        };
        let names = if names.is_empty() { "none".to_owned() } else { names };
        return Err(VerifyError::UnknownFormat { source_name: source.to_owned(), names });
    }
    Ok(())
}

fn is_bundle(value: &Value) -> bool {
    let typed = json::text(value, &["mediaType"])
        .is_some_and(|t| t.starts_with("application/vnd.dev.sigstore.bundle"));
    typed
        || (value.get("verificationMaterial").is_some()
            && (value.get("dsseEnvelope").is_some() || value.get("messageSignature").is_some()))
}

/// Reads a bundle from its JSON, and from `text` where that is the same in one piece.
fn signed(raw: Value, text: &[u8], source: &str, limits: &VerifyLimits) -> Result<Signed, VerifyError> {
    let length = |path: &[&str]| json::at(&raw, path).and_then(Value::as_array).map_or(0, Vec::len);
    count(source, "signatures", length(&["dsseEnvelope", "signatures"]), limits.signatures_max)?;
    count(source, "log entries", length(&["verificationMaterial", "tlogEntries"]), limits.log_entries_max)?;
    count(
        source,
        "certificates",
        length(&["verificationMaterial", "x509CertificateChain", "certificates"]),
        limits.certificates_max,
    )?;
    count(
        source,
        "timestamps",
        length(&["verificationMaterial", "timestampVerificationData", "rfc3161Timestamps"]),
        limits.timestamps_max,
    )?;
    let entries = json::at(&raw, &["verificationMaterial", "tlogEntries"]).and_then(Value::as_array);
    for entry in entries.into_iter().flatten() {
        let hashes =
            json::at(entry, &["inclusionProof", "hashes"]).and_then(Value::as_array).map_or(0, Vec::len);
        count(source, "proof hashes", hashes, limits.proof_hashes_max)?;
    }
    // The same evidence twice is no more evidence; clients count what is there.
    let twice =
        [("log entry", entries), ("timestamp", timestamps(&raw))].into_iter().find_map(|(what, list)| {
            let mut seen = std::collections::BTreeSet::new();
            let several = list.filter(|list| list.len() > 1);
            let repeated = several.into_iter().flatten().any(|item| !seen.insert(item.to_string()));
            repeated.then(|| format!("the same {what} twice"))
        });
    let bundle = match twice {
        Some(reason) => Err(reason),
        // Strict parsing has seen the text already, so that it has one meaning.
        None => match std::str::from_utf8(text) {
            Ok(text) if !text.is_empty() => Bundle::from_json(text),
            _ => Bundle::from_json(&raw.to_string()),
        }
        .map_err(|e| e.to_string()),
    };
    Ok(Signed { bundle, raw })
}

fn timestamps(raw: &Value) -> Option<&Vec<Value>> {
    json::at(raw, &["verificationMaterial", "timestampVerificationData", "rfc3161Timestamps"])
        .and_then(Value::as_array)
}

pub(crate) fn envelope(value: &Value, source: &str, limits: &VerifyLimits) -> Result<Envelope, VerifyError> {
    let bad = |reason: String| VerifyError::Malformed {
        source_name: source.to_owned(),
        format: "DSSE envelope",
        reason,
    };
    let signatures = value
        .get("signatures")
        .and_then(Value::as_array)
        .ok_or_else(|| bad("no list of signatures".to_owned()))?;
    count(source, "signatures", signatures.len(), limits.signatures_max)?;
    let text = |name: &str| {
        json::text(value, &[name]).map(str::to_owned).ok_or_else(|| bad(format!("`{name}` is not a string")))
    };
    let signatures = signatures
        .iter()
        .map(|entry| {
            Ok(Signature {
                keyid: json::text(entry, &["keyid"]).unwrap_or_default().to_owned(),
                sig: json::text(entry, &["sig"])
                    .ok_or_else(|| bad("a signature has no `sig`".to_owned()))?
                    .to_owned(),
                cert: json::text(entry, &["cert"]).filter(|c| !c.is_empty()).map(str::to_owned),
            })
        })
        .collect::<Result<_, VerifyError>>()?;
    Ok(Envelope { payload: text("payload")?, payload_type: text("payloadType")?, signatures })
}

fn pep740(
    value: &Value,
    source: &str,
    limits: &VerifyLimits,
    out: &mut Vec<Attestation>,
) -> Result<(), VerifyError> {
    let bad = |reason: &str| VerifyError::Malformed {
        source_name: source.to_owned(),
        format: "PEP 740 attestation",
        reason: reason.to_owned(),
    };
    if value.get("version").and_then(Value::as_u64) != Some(1) {
        return Err(bad("`version` is not 1"));
    }
    let text = |path: &[&str]| {
        json::text(value, path).ok_or_else(|| bad(&format!("`{}` is not a string", path.join("."))))
    };
    let entries = json::at(value, &["verification_material", "transparency_entries"])
        .filter(|entries| entries.is_array())
        .ok_or_else(|| bad("no list of transparency entries"))?;
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": { "rawBytes": text(&["verification_material", "certificate"])? },
            "tlogEntries": entries,
        },
        "dsseEnvelope": {
            "payload": text(&["envelope", "statement"])?,
            "payloadType": crate::statement::dsse::PAYLOAD_TYPE_IN_TOTO,
            "signatures": [{ "sig": text(&["envelope", "signature"])? }],
        },
    });
    let signed = signed(bundle, &[], source, limits)?;
    out.push(Attestation {
        source: source.to_owned(),
        format: Format::Pep740,
        body: Body::Bundle(Box::new(signed)),
    });
    Ok(())
}

/// npm's document names the predicate types; GitHub's API gives bundles alone.
fn attestation_list(
    mut value: Value,
    source: &str,
    limits: &VerifyLimits,
    out: &mut Vec<Attestation>,
) -> Result<(), VerifyError> {
    let Some(Value::Array(list)) = value.get_mut("attestations").map(Value::take) else { return Ok(()) };
    count(source, "attestations", list.len(), limits.attestations_max)?;
    let is_npm = !list.is_empty() && list.iter().all(|entry| entry.get("predicateType").is_some());
    if !is_npm {
        for (index, mut entry) in list.into_iter().enumerate() {
            let name = format!("{source}#{}", index + 1);
            let bundle = entry.get_mut("bundle").map_or(Value::Null, Value::take);
            from_value(if bundle.is_null() { entry } else { bundle }, &[], &name, limits, out)?;
        }
        return Ok(());
    }
    let mut npm = Npm { provenance: None, publish: None, count: list.len() };
    for mut entry in list {
        let kind = json::text(&entry, &["predicateType"]).unwrap_or_default().to_owned();
        let bundle = entry.get_mut("bundle").map_or(Value::Null, Value::take);
        let slot = if kind == super::slsa::PROVENANCE_V0_2 || kind == super::slsa::PROVENANCE_V1 {
            &mut npm.provenance
        } else if kind.starts_with(super::slsa::npm::PUBLISH_PREFIX) {
            &mut npm.publish
        } else {
            continue;
        };
        *slot = Some(signed(bundle, &[], source, limits)?);
    }
    out.push(Attestation {
        source: source.to_owned(),
        format: Format::NpmAttestations,
        body: Body::Npm(Box::new(npm)),
    });
    Ok(())
}

/// Padded base64 in either alphabet, as envelopes in use have it. The bytes are what is
/// signed, so that the spelling carries no meaning.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}
