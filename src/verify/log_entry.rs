//! Saved transparency log entries, for envelopes that carry a certificate and nothing that shows when
//! it signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::error::VerifyError;
use super::json;
use crate::limits::verify::VerifyLimits;

/// One saved entry in the bundle's form. Nothing in it is believed before a log's key has signed it.
#[derive(Debug, Clone)]
pub struct LogEntry {
    pub(crate) value: Value,
    pub(crate) has_proof: bool,
}

impl LogEntry {
    /// Reads entries as Rekor's interface answers them (`{"<uuid>": {…}}` or one entry alone), as a
    /// bundle holds them, or as cosign's annotation does.
    ///
    /// # Errors
    /// Not JSON, not a log entry, or above a limit.
    pub fn read(bytes: &[u8], source: &str, limits: &VerifyLimits) -> Result<Vec<Self>, VerifyError> {
        let bad = |reason: &str| VerifyError::Malformed {
            source_name: source.to_owned(),
            format: "transparency log entry",
            reason: reason.to_owned(),
        };
        if bytes.len() as u64 > limits.document_bytes_max {
            return Err(VerifyError::DocumentLimit {
                source_name: source.to_owned(),
                found_bytes: bytes.len() as u64,
                bytes_max: limits.document_bytes_max,
            });
        }
        let value = json::parse(bytes)
            .map_err(|e| VerifyError::NotJson { source_name: source.to_owned(), reason: e.to_string() })?;
        let values: Vec<&Value> = match &value {
            Value::Array(list) => list.iter().collect(),
            Value::Object(map) if is_entry(&value) || map.is_empty() => vec![&value],
            Value::Object(map) => map.values().collect(),
            _ => return Err(bad("neither an object nor a list")),
        };
        if values.len() > limits.log_entries_max {
            return Err(VerifyError::CountLimit {
                source_name: source.to_owned(),
                what: "log entries",
                found: values.len(),
                max: limits.log_entries_max,
            });
        }
        let entries = values
            .into_iter()
            .map(|entry| {
                Self::from_value(entry)
                    .ok_or_else(|| bad("a field of the entry is missing or of the wrong kind"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(hashes) = entries
            .iter()
            .filter_map(|e| json::at(&e.value, &["inclusionProof", "hashes"]).and_then(Value::as_array))
            .map(Vec::len)
            .find(|n| *n > limits.proof_hashes_max)
        {
            return Err(VerifyError::CountLimit {
                source_name: source.to_owned(),
                what: "proof hashes",
                found: hashes,
                max: limits.proof_hashes_max,
            });
        }
        Ok(entries)
    }

    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let entry = if value.get("canonicalizedBody").is_some() {
            value.clone()
        } else if let Some(payload) = value.get("Payload") {
            from_rekor(payload, json::text(value, &["SignedEntryTimestamp"]), None)?
        } else {
            let verification = value.get("verification");
            let timestamp = verification.and_then(|v| json::text(v, &["signedEntryTimestamp"]));
            from_rekor(value, timestamp, verification.and_then(|v| v.get("inclusionProof")))?
        };
        let has_proof = entry.get("inclusionProof").is_some_and(|proof| !proof.is_null());
        Some(Self { value: entry, has_proof })
    }

    /// Kind and version of the entry's body.
    pub(crate) fn kind(&self) -> (&str, &str) {
        (
            json::text(&self.value, &["kindVersion", "kind"]).unwrap_or_default(),
            json::text(&self.value, &["kindVersion", "version"]).unwrap_or_default(),
        )
    }
}

fn is_entry(value: &Value) -> bool {
    ["body", "canonicalizedBody", "Payload"].iter().any(|name| value.get(*name).is_some())
}

fn from_rekor(entry: &Value, timestamp: Option<&str>, proof: Option<&Value>) -> Option<Value> {
    let body = json::text(entry, &["body"])?;
    let parsed = json::parse(&STANDARD.decode(body).ok()?).ok()?;
    let base64_of_hex = |text: &str| hex::decode(text).ok().map(|bytes| STANDARD.encode(bytes));
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_i64).map(|n| n.to_string());
    let mut out = Map::new();
    out.insert("logIndex".to_owned(), Value::String(number(entry, "logIndex")?));
    out.insert("logId".to_owned(), json!({ "keyId": base64_of_hex(json::text(entry, &["logID"])?)? }));
    out.insert(
        "kindVersion".to_owned(),
        json!({ "kind": json::text(&parsed, &["kind"])?, "version": json::text(&parsed, &["apiVersion"])? }),
    );
    out.insert("integratedTime".to_owned(), Value::String(number(entry, "integratedTime")?));
    if let Some(timestamp) = timestamp {
        out.insert("inclusionPromise".to_owned(), json!({ "signedEntryTimestamp": timestamp }));
    }
    if let Some(proof) = proof.filter(|p| !p.is_null()) {
        let hashes = proof
            .get("hashes")
            .and_then(Value::as_array)?
            .iter()
            .map(|hash| hash.as_str().and_then(base64_of_hex))
            .collect::<Option<Vec<_>>>()?;
        out.insert(
            "inclusionProof".to_owned(),
            json!({
                "logIndex": number(proof, "logIndex")?,
                "rootHash": base64_of_hex(json::text(proof, &["rootHash"])?)?,
                "treeSize": number(proof, "treeSize")?,
                "hashes": hashes,
                "checkpoint": { "envelope": json::text(proof, &["checkpoint"])? },
            }),
        );
    }
    out.insert("canonicalizedBody".to_owned(), Value::String(body.to_owned()));
    Some(Value::Object(out))
}
