//! gitsign: commits and tags signed by a short-lived certificate, in CMS (RFC 5652) as git's `gpg.format=x509`.
//!
//! The signature is over the signed attributes, which hold the digest of the object. What shows when it was made
//! is an entry of Rekor: inside the signature (gitsign's offline mode), or given, over the signed attributes or
//! over the object's name (its online mode). With it, certificate and signature are what a Sigstore bundle holds,
//! and are judged as one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::CertificateChoices;
use cms::cert::x509::der::asn1::OctetString;
use cms::cert::x509::der::{Any, Decode as _, Encode as _};
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use serde_json::{Value, json};
use sigstore_types::Bundle;

use super::super::authenticated::Authenticated;
use super::super::authenticated::Content;
use super::super::log_entry::LogEntry;
use super::super::run::Context;
use super::super::sigstore::{self, Keys, Message};
use super::super::{Check, json as strict_json};
use crate::digest::Digest;

/// RFC 5652, 5.1: id-signedData.
const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
/// RFC 5652, 4: id-data.
const DATA: &str = "1.2.840.113549.1.7.1";
/// RFC 5652, 11.1 and 11.2.
const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
/// RFC 5754, 2.2: id-sha256.
const SHA256: &str = "2.16.840.1.101.3.4.2.1";
/// gitsign's unsigned attribute: Rekor's entry as Sigstore's protocol buffers have it.
const LOG_ENTRY: &str = "1.3.6.1.4.1.57264.3.1";

/// Checks the signature over `payload`, the object of that name without its signature.
pub(super) fn authenticate(
    pem: &[u8],
    payload: &[u8],
    object: &str,
    context: &Context<'_>,
) -> Result<Authenticated, Check> {
    let signed = Signed::read(pem, payload)?;
    if !signed.holds() {
        return Err(Check::refuted("signature")
            .expected("a signature by the certificate's key")
            .found("not by the certificate's key")
            .from("signature")
            .next_step(
                "fetch the repository again from its publisher; if this stays, the object was changed",
            ));
    }
    let inside = signed.entries.iter().filter_map(|bytes| wire::entry(bytes));
    let inside: Vec<LogEntry> = inside
        .take(context.limits.log_entries_max)
        .filter_map(|value| LogEntry::from_value(&value))
        .collect();
    let mut refused = None;
    for entry in inside.iter().chain(context.log_entries) {
        let Some(bundle) = signed.bundle(entry, object) else { continue };
        let (bundle, bytes) = match bundle {
            Ok(bundle) => bundle,
            Err(reason) => {
                let check = Check::refuted("log-entry").expected("an entry of a signature");
                refused = Some(Authenticated::new(Content::Message(None)).refuted(check.found(reason)));
                continue;
            }
        };
        let message = Message { digests: None, bytes: Some(&bytes) };
        let answer =
            sigstore::authenticate(&bundle, context.trust, &Keys::Given(&[]), message, context.as_of);
        if !answer.signers.is_empty() {
            return Ok(answer);
        }
        refused = Some(answer);
    }
    refused.ok_or_else(|| {
        Check::absent("signing-time")
            .expected("a log entry that shows when the certificate signed this object")
            .found("none in the signature, and none of those that were given is about it")
            .from("signature")
            .next_step("give the saved entry with `--rekor-entry FILE`; gitsign writes it into the signature with `rekorMode = offline`")
    })
}

/// A signature taken apart, of which nothing but the object's digest has been checked.
struct Signed {
    /// What is signed: DER of the attributes as a SET.
    attributes: Vec<u8>,
    signature: Vec<u8>,
    certificate: Vec<u8>,
    entries: Vec<Vec<u8>>,
}

impl Signed {
    fn read(pem: &[u8], payload: &[u8]) -> Result<Self, Check> {
        Self::parse(pem, payload).map_err(|reason| {
            Check::refuted("git-x509-readable")
                .expected("one detached CMS signature over this object, with its certificate")
                .found(reason)
                .from("signature")
                .next_step(
                    "fetch the repository again from its publisher; if this stays, the object was changed",
                )
        })
    }

    fn parse(pem: &[u8], payload: &[u8]) -> Result<Self, String> {
        let fault = |e: cms::cert::x509::der::Error| e.to_string();
        let (label, der) = x509_cert::der::pem::decode_vec(pem.trim_ascii()).map_err(|e| e.to_string())?;
        if label != "SIGNED MESSAGE" {
            return Err(format!("the block is `{}`", label.escape_debug()));
        }
        let info = ContentInfo::from_der(&der).map_err(fault)?;
        if info.content_type.to_string() != SIGNED_DATA {
            return Err("not signed data".to_owned());
        }
        let data: SignedData = info.content.decode_as().map_err(fault)?;
        if data.encap_content_info.econtent.is_some() {
            return Err("the signature carries its own content".to_owned());
        }
        let [signer] = data.signer_infos.0.as_slice() else {
            return Err(format!("{} signers", data.signer_infos.0.len()));
        };
        if signer.digest_alg.oid.to_string() != SHA256 {
            return Err(format!("the digest algorithm is {}", signer.digest_alg.oid));
        }
        let stated: OctetString = signed_attribute(signer, MESSAGE_DIGEST)?.decode_as().map_err(fault)?;
        if stated.as_bytes() != Digest::sha256(payload).as_bytes() {
            return Err("its digest is of another object".to_owned());
        }
        let kind: cms::cert::x509::der::asn1::ObjectIdentifier =
            signed_attribute(signer, CONTENT_TYPE)?.decode_as().map_err(fault)?;
        if kind.to_string() != DATA {
            return Err("the signed content type is not data".to_owned());
        }
        let attributes = signer.signed_attrs.as_ref().ok_or("no signed attributes")?;
        let unsigned = signer.unsigned_attrs.iter().flat_map(|list| list.iter());
        let entries = unsigned
            .filter(|attribute| attribute.oid.to_string() == LOG_ENTRY)
            .flat_map(|attribute| attribute.values.iter())
            .filter_map(|value| value.decode_as::<OctetString>().ok())
            .map(|octets| octets.as_bytes().to_vec())
            .collect();
        Ok(Self {
            attributes: attributes.to_der().map_err(fault)?,
            signature: signer.signature.as_bytes().to_vec(),
            certificate: certificate_of(&data, signer)?,
            entries,
        })
    }

    /// The bundle that signature, certificate and entry make, with what is signed; `None` where the entry is
    /// about something else.
    fn bundle(&self, entry: &LogEntry, object: &str) -> Option<Result<(Bundle, Vec<u8>), String>> {
        let body = STANDARD.decode(strict_json::text(&entry.value, &["canonicalizedBody"])?).ok()?;
        let body = strict_json::parse(&body).ok()?;
        let hash = strict_json::text(&body, &["spec", "data", "hash", "value"])?;
        let recorded = STANDARD.decode(strict_json::text(&body, &["spec", "signature", "content"])?).ok()?;
        let of = |bytes: &[u8]| Digest::sha256(bytes).to_hex() == hash;
        let (message, signature) = if of(&self.attributes) {
            (self.attributes.clone(), self.signature.clone())
        } else if of(object.as_bytes()) {
            // In its online mode gitsign has the same key sign the object's name for the log.
            (object.as_bytes().to_vec(), recorded)
        } else {
            return None;
        };
        let version = if entry.has_proof { "0.2" } else { "0.1" };
        let raw = json!({
            "mediaType": format!("application/vnd.dev.sigstore.bundle+json;version={version}"),
            "verificationMaterial": {
                "x509CertificateChain": { "certificates": [{ "rawBytes": STANDARD.encode(&self.certificate) }] },
                "tlogEntries": [entry.value],
            },
            "messageSignature": {
                "messageDigest": {
                    "algorithm": "SHA2_256",
                    "digest": STANDARD.encode(Digest::sha256(&message).as_bytes()),
                },
                "signature": STANDARD.encode(signature),
            },
        });
        Some(Bundle::from_json(&raw.to_string()).map(|bundle| (bundle, message)).map_err(|e| e.to_string()))
    }

    /// Whether the certificate's key made the signature over the attributes.
    fn holds(&self) -> bool {
        let certificate = super::super::certificate::Certificate::from_der(&self.certificate);
        certificate.is_ok_and(|certificate| {
            super::super::public_key::PublicKey::from_der(certificate.key_der(), "certificate")
                .is_ok_and(|key| key.verify(&self.attributes, &self.signature))
        })
    }
}

/// The one value of a signed attribute that has to be there once.
fn signed_attribute<'a>(signer: &'a SignerInfo, oid: &str) -> Result<&'a Any, String> {
    let attributes = signer.signed_attrs.iter().flat_map(|list| list.iter());
    let mut found = attributes.filter(|attribute| attribute.oid.to_string() == oid);
    match (found.next(), found.next()) {
        (Some(only), None) => match only.values.as_slice() {
            [value] => Ok(value),
            values => Err(format!("the signed attribute {oid} has {} values", values.len())),
        },
        (None, _) => Err(format!("no signed attribute {oid}")),
        (Some(_), Some(_)) => Err(format!("the signed attribute {oid} is there twice")),
    }
}

fn certificate_of(data: &SignedData, signer: &SignerInfo) -> Result<Vec<u8>, String> {
    let SignerIdentifier::IssuerAndSerialNumber(wanted) = &signer.sid else {
        return Err("the signer is not named by issuer and serial number".to_owned());
    };
    let certificates = data.certificates.iter().flat_map(|set| set.0.iter());
    certificates
        .filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(certificate),
            CertificateChoices::Other(_) => None,
        })
        .find(|certificate| {
            certificate.tbs_certificate.issuer == wanted.issuer
                && certificate.tbs_certificate.serial_number == wanted.serial_number
        })
        .ok_or("the signer's certificate is not there")?
        .to_der()
        .map_err(|e| e.to_string())
}

/// Protocol buffers' wire format, as far as one message needs it
/// (<https://protobuf.dev/programming-guides/encoding/>).
mod wire {
    use super::{STANDARD, Value, json};
    use base64::Engine as _;

    /// A field's content.
    enum Field<'a> {
        Number(u64),
        Bytes(&'a [u8]),
    }

    /// Fields of a message in order; `None` for what is no message.
    fn fields(mut bytes: &[u8]) -> Option<Vec<(u64, Field<'_>)>> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let field = match key & 7 {
                0 => Field::Number(varint(&mut bytes)?),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).ok()?;
                    let (content, rest) = bytes.split_at_checked(length)?;
                    bytes = rest;
                    Field::Bytes(content)
                }
                _ => return None,
            };
            fields.push((key >> 3, field));
        }
        Some(fields)
    }

    fn varint(bytes: &mut &[u8]) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = bytes.split_first()?;
            *bytes = rest;
            value |= u64::from(first & 0x7f).checked_shl(shift)?;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    struct Read<'a>(Vec<(u64, Field<'a>)>);

    impl<'a> Read<'a> {
        fn of(bytes: &'a [u8]) -> Option<Self> {
            fields(bytes).map(Self)
        }

        fn number(&self, wanted: u64) -> String {
            let found = self.0.iter().rev().find_map(|(number, field)| match field {
                Field::Number(value) if *number == wanted => Some(*value),
                _ => None,
            });
            found.unwrap_or(0).to_string()
        }

        fn all(&self, wanted: u64) -> impl Iterator<Item = &'a [u8]> {
            self.0.iter().filter_map(move |(number, field)| match field {
                Field::Bytes(bytes) if *number == wanted => Some(*bytes),
                _ => None,
            })
        }

        fn bytes(&self, wanted: u64) -> Option<&'a [u8]> {
            self.all(wanted).last()
        }

        fn text(&self, wanted: u64) -> Option<&'a str> {
            std::str::from_utf8(self.bytes(wanted)?).ok()
        }
    }

    /// `dev.sigstore.rekor.v1.TransparencyLogEntry` in the bundle's JSON.
    pub(super) fn entry(bytes: &[u8]) -> Option<Value> {
        let base64 = |bytes: &[u8]| STANDARD.encode(bytes);
        let entry = Read::of(bytes)?;
        let kind = Read::of(entry.bytes(3)?)?;
        let mut value = json!({
            "logIndex": entry.number(1),
            "logId": { "keyId": base64(Read::of(entry.bytes(2)?)?.bytes(1)?) },
            "kindVersion": { "kind": kind.text(1)?, "version": kind.text(2)? },
            "integratedTime": entry.number(4),
            "canonicalizedBody": base64(entry.bytes(7)?),
        });
        let map = value.as_object_mut()?;
        if let Some(promise) = entry.bytes(5) {
            let promise = base64(Read::of(promise)?.bytes(1)?);
            map.insert("inclusionPromise".to_owned(), json!({ "signedEntryTimestamp": promise }));
        }
        if let Some(proof) = entry.bytes(6) {
            let proof = Read::of(proof)?;
            let checkpoint = Read::of(proof.bytes(5)?)?;
            map.insert(
                "inclusionProof".to_owned(),
                json!({
                    "logIndex": proof.number(1),
                    "rootHash": base64(proof.bytes(2)?),
                    "treeSize": proof.number(3),
                    "hashes": proof.all(4).map(base64).collect::<Vec<_>>(),
                    "checkpoint": { "envelope": checkpoint.text(1)? },
                }),
            );
        }
        Some(value)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_is_no_message_is_refused() {
            for bad in
                [&b"\x08"[..], b"\x0a\x05abc", b"\x0b", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
            {
                assert!(fields(bad).is_none(), "{bad:?}");
                assert!(entry(bad).is_none(), "{bad:?}");
            }
            assert!(fields(b"\x08\x96\x01\x12\x02hi").is_some());
            assert!(entry(b"").is_none());
        }
    }
}
