//! Attestations in a cosign OCI image layout, as `cosign save` writes it: a folder with `oci-layout`,
//! `index.json` and blobs named by their digests.

use std::path::Path;

use camino::Utf8PathBuf;
use serde_json::Value;

use super::answer::Format;
use super::document::{self, Attestation, Body, LooseEnvelope};
use super::error::VerifyError;
use super::json;
use crate::digest::Digest;
use crate::limits::verify::VerifyLimits;

const DSSE_LAYER: &str = "application/vnd.dsse.envelope.v1+json";
const BUNDLE_LAYER: &str = "application/vnd.dev.sigstore.bundle";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const IMAGE_KINDS: &[&str] = &["dev.cosignproject.cosign/image", "dev.cosignproject.cosign/imageIndex"];
const BUNDLE: &str = "dev.sigstore.cosign/bundle";

/// Whether a folder is an OCI image layout.
pub fn is_layout(folder: &Path) -> bool {
    folder.join("oci-layout").is_file() && folder.join("index.json").is_file()
}

/// Digest of the one image that the layout is about, where `cosign save` says which it is.
///
/// # Errors
/// An index that cannot be read.
pub fn image(folder: &Path, limits: &VerifyLimits) -> Result<Option<Digest>, VerifyError> {
    let index = parsed(&folder.join("index.json"), limits)?;
    let mut images =
        index.get("manifests").and_then(Value::as_array).into_iter().flatten().filter(|manifest| {
            json::text(manifest, &["annotations", "kind"]).is_some_and(|kind| IMAGE_KINDS.contains(&kind))
        });
    match (images.next(), images.next()) {
        (Some(only), None) => Ok(json::text(only, &["digest"]).and_then(|digest| digest.parse().ok())),
        _ => Ok(None),
    }
}

/// Reads every attestation layer. Blobs have to have the digest by which they are named.
///
/// # Errors
/// Files that cannot be read, blobs of other bytes than their names say, counts above a limit.
pub fn read(folder: &Path, limits: &VerifyLimits) -> Result<Vec<Attestation>, VerifyError> {
    let index = parsed(&folder.join("index.json"), limits)?;
    let mut found = Vec::new();
    for manifest in index.get("manifests").and_then(Value::as_array).into_iter().flatten() {
        let Some(digest) = json::text(manifest, &["digest"]) else { continue };
        if let Some(bytes) = blob(folder, digest, limits)? {
            let source = format!("{}#{digest}", folder.display());
            let manifest = json::parse(&bytes)
                .map_err(|e| VerifyError::NotJson { source_name: source.clone(), reason: e.to_string() })?;
            for layer in manifest.get("layers").and_then(Value::as_array).into_iter().flatten() {
                self::layer(folder, layer, limits, &mut found)?;
                if found.len() > limits.attestations_max {
                    return Err(VerifyError::CountLimit {
                        source_name: source,
                        what: "attestations",
                        found: found.len(),
                        max: limits.attestations_max,
                    });
                }
            }
        }
    }
    Ok(found)
}

fn layer(
    folder: &Path,
    layer: &Value,
    limits: &VerifyLimits,
    out: &mut Vec<Attestation>,
) -> Result<(), VerifyError> {
    let media_type = json::text(layer, &["mediaType"]).unwrap_or_default();
    let is_bundle = media_type.starts_with(BUNDLE_LAYER);
    if media_type != DSSE_LAYER && !is_bundle {
        return Ok(());
    }
    let Some(digest) = json::text(layer, &["digest"]) else { return Ok(()) };
    let Some(bytes) = blob(folder, digest, limits)? else { return Ok(()) };
    let source = format!("{}#{digest}", folder.display());
    if is_bundle {
        for mut attestation in document::read(&bytes, &source, limits)? {
            attestation.format = Format::CosignOci;
            out.push(attestation);
        }
        return Ok(());
    }
    let value = json::parse(&bytes)
        .map_err(|e| VerifyError::NotJson { source_name: source.clone(), reason: e.to_string() })?;
    let annotation = |name: &str| {
        layer
            .get("annotations")
            .and_then(|a| a.get(name))
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let loose = LooseEnvelope {
        envelope: document::envelope(&value, &source, limits)?,
        certificate_pem: annotation(CERTIFICATE).map(str::to_owned),
        chain_pem: annotation(CHAIN).map(str::to_owned),
        log_entry: annotation(BUNDLE).and_then(|text| json::parse(text.as_bytes()).ok()),
        raw: bytes,
    };
    out.push(Attestation { source, format: Format::CosignOci, body: Body::Envelope(Box::new(loose)) });
    Ok(())
}

/// A blob's bytes, `None` where the layout does not hold it (an image's other platforms).
fn blob(folder: &Path, digest: &str, limits: &VerifyLimits) -> Result<Option<Vec<u8>>, VerifyError> {
    let malformed = |reason: String| VerifyError::Malformed {
        source_name: folder.display().to_string(),
        format: "OCI image layout",
        reason,
    };
    // The digest becomes a path: only the canonical form may.
    let wanted: Digest =
        digest.parse().map_err(|_| malformed(format!("`{}` is no digest", digest.escape_debug())))?;
    let path = folder.join("blobs").join(wanted.algorithm().name()).join(wanted.to_hex());
    if !path.is_file() {
        return Ok(None);
    }
    let bytes = read_file(&path, limits)?;
    if Digest::of(wanted.algorithm(), &bytes) != wanted {
        return Err(malformed(format!("the blob `{wanted}` holds other bytes")));
    }
    Ok(Some(bytes))
}

fn parsed(path: &Path, limits: &VerifyLimits) -> Result<Value, VerifyError> {
    json::parse(&read_file(path, limits)?)
        .map_err(|e| VerifyError::NotJson { source_name: path.display().to_string(), reason: e.to_string() })
}

/// Reads an attestation file within its limit.
///
/// # Errors
/// It cannot be read, or is too long.
pub fn read_file(path: &Path, limits: &VerifyLimits) -> Result<Vec<u8>, VerifyError> {
    use std::io::Read as _;
    let shown = || Utf8PathBuf::from(path.to_string_lossy().into_owned());
    let fault = |source: std::io::Error| VerifyError::Read { path: shown(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limits.document_bytes_max + 1).read_to_end(&mut bytes))
        .map_err(fault)?;
    if bytes.len() as u64 > limits.document_bytes_max {
        return Err(VerifyError::DocumentLimit {
            source_name: path.display().to_string(),
            found_bytes: bytes.len() as u64,
            bytes_max: limits.document_bytes_max,
        });
    }
    Ok(bytes)
}
