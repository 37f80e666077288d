//! Bare DSSE envelopes: signed by keys, or by certificates with a saved log entry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::json;
use sigstore_types::Bundle;
use x509_cert::der::{DecodePem as _, Encode as _};

use super::authenticated::{Authenticated, Content};
use super::certificate::Certificate;
use super::document::{LooseEnvelope, base64};
use super::log_entry::LogEntry;
use super::logged::{self, Logged, Recorded};
use super::public_key::PublicKey;
use super::sigstore::{self, Keys, Message};
use super::trust::Trust;
use super::{Check, Signer};
use crate::limits::verify::VerifyLimits;
use crate::statement::dsse::{Signature, pae};

/// What an envelope is checked with.
pub(crate) struct Context<'a> {
    pub(crate) trust: &'a Trust,
    pub(crate) log_entries: &'a [LogEntry],
    /// Whether a `keyid` that differs from the given key's identifier rules the signature out.
    pub(crate) strict_key_ids: bool,
    pub(crate) as_of: Timestamp,
    pub(crate) limits: &'a VerifyLimits,
}

/// Checks every signature that a given key or certificate can account for.
///
/// Certificates are answered one by one, since a policy speaks about one signer; given keys together.
pub(crate) fn authenticate(loose: &LooseEnvelope, context: &Context<'_>) -> Vec<Authenticated> {
    let envelope = &loose.envelope;
    let Some(payload) = base64(&envelope.payload) else {
        return vec![
            Authenticated::new(Content::Message(None)).refuted(
                Check::refuted("signature")
                    .expected("a payload in base64")
                    .found("something else")
                    .from("payload"),
            ),
        ];
    };
    let mut answer = Authenticated::new(Content::Payload {
        payload_type: envelope.payload_type.clone(),
        bytes: payload.clone(),
    });
    if envelope.signatures.is_empty() {
        let check = Check::refuted("signature").expected("at least one signature").found("none");
        return vec![answer.refuted(check.from("signatures"))];
    }
    let signed = pae(&envelope.payload_type, &payload);
    let mut refusals = Vec::new();
    for (index, signature) in envelope.signatures.iter().enumerate() {
        let from = format!("signatures[{index}]");
        match by_key(signature, &signed, &from, context) {
            Ok(Some(id)) => {
                answer.checks.push(Check::established("signature").found(format!("key `{id}`")).from(from));
                if !answer.given_keys.contains(&id) {
                    answer.signers.push(Signer::Key { id: id.clone() });
                    answer.given_keys.push(id);
                }
            }
            Ok(None) => {}
            Err(check) => refusals.push(check),
        }
    }
    if !answer.signers.is_empty() {
        let unchecked = envelope.signatures.len() - answer.checks.len();
        if unchecked > 0 {
            answer.checks.push(
                Check::noted("signature")
                    .found(format!("{unchecked} more signatures by keys that were not given")),
            );
        }
        answer.checks.push(
            Check::noted("transparency-log")
                .found("the envelope carries no log entry: nothing shows when the key signed"),
        );
        return vec![answer];
    }
    let has_certificate =
        loose.certificate_pem.is_some() || envelope.signatures.iter().any(|s| s.cert.is_some());
    if has_certificate {
        return by_certificate(loose, &payload, &signed, answer, context);
    }
    if !refusals.is_empty() {
        answer.checks.append(&mut refusals);
        return vec![answer];
    }
    let check = Check::absent("key")
        .expected("a certificate in the envelope, or the signer's public key")
        .found("neither")
        .from("signatures")
        .next_step("give the signer's key with `--public-key FILE`, or the bundle in place of the envelope");
    vec![answer.refuted(check)]
}

/// The identifier of the given key that made the signature; `None` where no key is given.
fn by_key(
    signature: &Signature,
    signed: &[u8],
    from: &str,
    context: &Context<'_>,
) -> Result<Option<String>, Check> {
    if context.trust.keys.is_empty() {
        return Ok(None);
    }
    let Some(bytes) = base64(&signature.sig) else {
        return Err(Check::refuted("signature")
            .expected("a signature in base64")
            .found("something else")
            .from(from));
    };
    let mut named = false;
    for key in &context.trust.keys {
        let same_id = signature.keyid.is_empty() || key.is_called(&signature.keyid);
        if !same_id && (context.strict_key_ids || key.id_is_given) {
            continue;
        }
        named = true;
        if key.key.verify(signed, &bytes) {
            return Ok(Some(key.id.clone()));
        }
    }
    let given: Vec<_> = context.trust.keys.iter().map(|key| format!("`{}`", key.id)).collect();
    Err(if named {
        Check::refuted("signature")
            .expected(format!("a signature by {}", given.join(" or ")))
            .found("a signature that none of these keys made over this payload")
            .from(from)
            .next_step("check that envelope and key belong together")
    } else {
        Check::refuted("key-id")
            .expected(given.join(" or "))
            .found(signature.keyid.clone())
            .from(format!("{from}.keyid"))
            .next_step("name the key as the envelope does, with `--key-id`, if it is the same key")
    })
}

/// Signatures by certificate: with their log entry complete, without it nothing shows when they were made.
fn by_certificate(
    loose: &LooseEnvelope,
    payload: &[u8],
    signed: &[u8],
    mut answer: Authenticated,
    context: &Context<'_>,
) -> Vec<Authenticated> {
    let list = &loose.envelope.signatures;
    let mut certificates = Vec::new();
    for (index, signature) in list.iter().enumerate() {
        let from = format!("signatures[{index}].cert");
        // The certificate beside an envelope is the one signature's.
        let beside = loose.certificate_pem.as_deref().filter(|_| list.len() == 1);
        let read = signature
            .cert
            .as_deref()
            .or(beside)
            .ok_or_else(|| "none, while other signatures carry theirs".to_owned())
            .and_then(read_certificate);
        match read {
            Ok(certificate) => certificates.push(certificate),
            Err(reason) => {
                let check = Check::refuted("certificate").expected("a Fulcio certificate in PEM");
                return vec![answer.refuted(check.found(reason).from(from))];
            }
        }
    }
    let own = loose.log_entry.as_ref().and_then(LogEntry::from_value);
    let mut refused = None;
    for entry in own.iter().chain(context.log_entries) {
        let attempt = match certificates.as_slice() {
            [(der, _)] if !logged::is_ours(entry) => vec![with_entry(loose, der, entry, context)],
            _ => with_entry_of_ours(loose, &certificates, (payload, signed), entry, &answer, context),
        };
        if attempt.iter().all(|one| !one.signers.is_empty()) {
            return attempt;
        }
        refused = Some(attempt);
    }
    if let Some(refused) = refused {
        return refused;
    }
    for (index, (signature, (_, certificate))) in list.iter().zip(&certificates).enumerate() {
        let holds = PublicKey::from_der(certificate.key_der(), "certificate")
            .is_ok_and(|key| base64(&signature.sig).is_some_and(|bytes| key.verify(signed, &bytes)));
        answer.checks.push(
            Check::when("signature", holds)
                .expected("a signature by the certificate's key")
                .found(if holds { "by the certificate's key" } else { "not by the certificate's key" })
                .from(format!("signatures[{index}]")),
        );
    }
    let window = certificates.first().map(|(_, c)| format!("{} to {}", c.not_before(), c.not_after()));
    answer.checks.push(
        Check::absent("signing-time")
            .expected("a log entry or timestamp that shows the signature was made while the certificate was valid")
            .found(format!(
                "none: the certificate was valid from {}, and whoever got hold of its key could have signed later",
                window.unwrap_or_default()
            ))
            .from("envelope")
            .next_step("give the saved log entry with `--rekor-entry FILE`, or the Sigstore bundle in place of the envelope"),
    );
    answer.checks.push(
        Check::absent("certificate-chain")
            .expected("a chain to a trusted authority at the time of signing")
            .found("not checked, for want of that time: what the certificate claims below is unproved")
            .from("signatures[0].cert"),
    );
    answer.certificate = certificates.into_iter().next().map(|(_, certificate)| certificate);
    vec![answer]
}

/// What no bundle can say: several signatures, or an entry that records the envelope's bytes.
fn with_entry_of_ours(
    loose: &LooseEnvelope,
    certificates: &[(Vec<u8>, Certificate)],
    (payload, signed): (&[u8], &[u8]),
    entry: &LogEntry,
    bare: &Authenticated,
    context: &Context<'_>,
) -> Vec<Authenticated> {
    let intermediates: Vec<_> = loose
        .chain_pem
        .as_deref()
        .into_iter()
        .flat_map(split_pem)
        .take(context.limits.certificates_max)
        .collect();
    let recorded = Recorded { raw: &loose.raw, payload, signed, intermediates: &intermediates };
    let signatures = loose
        .envelope
        .signatures
        .iter()
        .zip(certificates)
        .enumerate()
        .map(|(index, (signature, (der, certificate)))| {
            Ok(Logged {
                signature: base64(&signature.sig).ok_or_else(|| {
                    let check = Check::refuted("signature").expected("a signature in base64");
                    check.found("something else").from(format!("signatures[{index}]"))
                })?,
                der: der.clone(),
                certificate: certificate.clone(),
                root: sigstore::root_of(context.trust, certificate)?,
            })
        })
        .collect::<Result<Vec<_>, Check>>();
    let answers =
        signatures.and_then(|list| logged::authenticate(&list, entry, &recorded, context.as_of, bare));
    answers.unwrap_or_else(|check| {
        let mut refused = bare.clone().refuted(check);
        refused.certificate = certificates.first().map(|(_, certificate)| certificate.clone());
        vec![refused]
    })
}

fn read_certificate(pem: &str) -> Result<(Vec<u8>, Certificate), String> {
    let x509 = x509_cert::Certificate::from_pem(pem.trim()).map_err(|e| e.to_string())?;
    let der = x509.to_der().map_err(|e| e.to_string())?;
    let certificate = Certificate::from_der(&der)?;
    Ok((der, certificate))
}

/// Envelope, certificate and entry are together what a bundle is, where there is one signature.
fn with_entry(loose: &LooseEnvelope, der: &[u8], entry: &LogEntry, context: &Context<'_>) -> Authenticated {
    let envelope = &loose.envelope;
    let version = if entry.has_proof { "0.2" } else { "0.1" };
    let mut certificates = vec![json!({ "rawBytes": STANDARD.encode(der) })];
    for extra in
        loose.chain_pem.as_deref().into_iter().flat_map(split_pem).take(context.limits.certificates_max)
    {
        certificates.push(json!({ "rawBytes": STANDARD.encode(extra) }));
    }
    let raw = json!({
        "mediaType": format!("application/vnd.dev.sigstore.bundle+json;version={version}"),
        "verificationMaterial": {
            "x509CertificateChain": { "certificates": certificates },
            "tlogEntries": [entry.value],
        },
        "dsseEnvelope": {
            "payload": envelope.payload,
            "payloadType": envelope.payload_type,
            "signatures": envelope.signatures.iter().map(|s| json!({ "sig": s.sig, "keyid": s.keyid })).collect::<Vec<_>>(),
        },
    });
    match Bundle::from_json(&raw.to_string()) {
        Ok(bundle) => sigstore::authenticate(
            &bundle,
            context.trust,
            &Keys::Given(&[]),
            Message::default(),
            context.as_of,
        ),
        Err(e) => {
            let content = match base64(&envelope.payload) {
                Some(bytes) => Content::Payload { payload_type: envelope.payload_type.clone(), bytes },
                None => Content::Message(None),
            };
            let (kind, version) = entry.kind();
            Authenticated::new(content).refuted(
                Check::refuted("log-entry")
                    .expected("an entry of a kind that records envelopes")
                    .found(format!("`{}` version `{}`: {e}", kind.escape_debug(), version.escape_debug()))
                    .from("log entry"),
            )
        }
    }
}

fn split_pem(text: &str) -> Vec<Vec<u8>> {
    const END: &str = "-----END CERTIFICATE-----";
    text.split_inclusive(END)
        .filter(|block| block.contains(END))
        .filter_map(|block| x509_cert::Certificate::from_pem(block.trim()).ok())
        .filter_map(|certificate| certificate.to_der().ok())
        .collect()
}
