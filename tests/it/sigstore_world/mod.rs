//! A Sigstore instance of our own, made anew for each test: certificate authority, certificate log,
//! Rekor v1 and v2, timestamp authority. Nothing in it comes from elsewhere.

pub(crate) mod der;
mod timestamp;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::{bits, ecdsa_sha256, extension, integer, name, octets, oid, seq, tlv, utc_time, utf8};
use reprove::digest::Digest;
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://token.actions.githubusercontent.com";
pub(crate) const GENERATOR: &str =
    "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml";
/// When the world's signatures are made: 2026-06-01.
pub(crate) const SIGNED_AT: i64 = 1_780_272_000;
const MINUTE: i64 = 60;

pub(crate) fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    Digest::sha256(bytes).as_bytes().to_vec()
}

pub(crate) struct Key {
    pair: EcdsaKeyPair,
    curve: &'static str,
}

impl Key {
    pub(crate) fn new() -> Self {
        Self::on("1.2.840.10045.3.1.7", &ECDSA_P256_SHA256_ASN1_SIGNING)
    }

    /// A key on P-521, which signs SHA-512.
    pub(crate) fn p521() -> Self {
        Self::on("1.3.132.0.35", &ECDSA_P521_SHA512_ASN1_SIGNING)
    }

    fn on(curve: &'static str, algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self { pair: EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap(), curve }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        let algorithm = seq(&[oid("1.2.840.10045.2.1"), oid(self.curve)]);
        seq(&[algorithm, bits(self.pair.public_key().as_ref())])
    }

    pub(crate) fn id(&self) -> Vec<u8> {
        sha256(&self.spki())
    }

    pub(crate) fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = b64(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|c| String::from_utf8_lossy(c).into_owned()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Everything that a leaf certificate says.
#[derive(Clone)]
pub(crate) struct Leaf {
    pub(crate) identity: String,
    pub(crate) extensions: Vec<(u32, String)>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) usage: &'static str,
}

impl Leaf {
    /// A certificate of the trusted generator for `owner/name` at a commit, on a branch build.
    pub(crate) fn generator(repository: &str) -> Self {
        let claim = |n: u32, v: &str| (n, v.to_owned());
        Self {
            identity: format!("{GENERATOR}@refs/tags/v2.1.0"),
            extensions: vec![
                claim(1, ISSUER),
                claim(2, "workflow_dispatch"),
                claim(3, COMMIT),
                claim(5, repository),
                claim(8, ISSUER),
                claim(11, "github-hosted"),
                claim(12, &format!("https://github.com/{repository}")),
                claim(13, COMMIT),
                claim(14, "refs/heads/main"),
                claim(15, "1001"),
                claim(16, "https://github.com/owner"),
                claim(17, "2002"),
                claim(
                    18,
                    &format!("https://github.com/{repository}/.github/workflows/release.yml@refs/heads/main"),
                ),
                claim(20, "workflow_dispatch"),
                claim(21, &format!("https://github.com/{repository}/actions/runs/77/attempts/1")),
            ],
            not_before: SIGNED_AT - 5 * MINUTE,
            not_after: SIGNED_AT + 5 * MINUTE,
            usage: "1.3.6.1.5.5.7.3.3",
        }
    }

    pub(crate) fn set(&mut self, number: u32, value: &str) {
        self.extensions.retain(|(n, _)| *n != number);
        self.extensions.push((number, value.to_owned()));
        self.extensions.sort();
    }
}

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The instance.
pub(crate) struct World {
    ca: Key,
    ca_certificate: Vec<u8>,
    pub(crate) ct: Key,
    pub(crate) rekor: Key,
    tsa: Key,
    tsa_certificates: Vec<Vec<u8>>,
}

fn authority(key: &Key, organization: &str) -> Vec<u8> {
    let subject = name(organization, "root");
    let tbs = seq(&[
        tlv(0xa0, &integer(2)),
        integer(1),
        ecdsa_sha256(),
        subject.clone(),
        seq(&[utc_time(SIGNED_AT - 1_000_000), utc_time(SIGNED_AT + 100_000_000)]),
        subject,
        key.spki(),
        tlv(
            0xa3,
            &seq(&[
                extension("2.5.29.19", true, &seq(&[tlv(0x01, &[0xff])])),
                extension("2.5.29.15", true, &tlv(0x03, &[1, 0x06])),
                extension("2.5.29.14", false, &octets(&key.id()[..20])),
            ]),
        ),
    ]);
    signed(&tbs, key)
}

fn signed(tbs: &[u8], key: &Key) -> Vec<u8> {
    seq(&[tbs.to_vec(), ecdsa_sha256(), bits(&key.sign(tbs))])
}

impl World {
    pub(crate) fn new() -> Self {
        let (ca, tsa_root, tsa) = (Key::new(), Key::new(), Key::new());
        let tsa_leaf = signed(
            &seq(&[
                tlv(0xa0, &integer(2)),
                integer(7),
                ecdsa_sha256(),
                name("tsa.example.invalid", "root"),
                seq(&[utc_time(SIGNED_AT - 1_000_000), utc_time(SIGNED_AT + 100_000_000)]),
                name("tsa.example.invalid", "leaf"),
                tsa.spki(),
                tlv(
                    0xa3,
                    &seq(&[
                        extension("2.5.29.15", true, &tlv(0x03, &[7, 0x80])),
                        extension("2.5.29.37", true, &seq(&[oid("1.3.6.1.5.5.7.3.8")])),
                    ]),
                ),
            ]),
            &tsa_root,
        );
        Self {
            ca_certificate: authority(&ca, "example.invalid"),
            tsa_certificates: vec![tsa_leaf, authority(&tsa_root, "tsa.example.invalid")],
            ca,
            ct: Key::new(),
            rekor: Key::new(),
            tsa,
        }
    }

    /// `trusted_root.json` of this instance.
    pub(crate) fn trusted_root(&self) -> Value {
        let window = json!({ "start": "2026-01-01T00:00:00Z" });
        let log = |key: &Key| {
            json!({
                "baseUrl": "https://log.example.invalid",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": b64(&key.spki()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": window,
                },
                "logId": { "keyId": b64(&key.id()) },
            })
        };
        let chain = |list: &[Vec<u8>]| json!({ "certificates": list.iter().map(|c| json!({ "rawBytes": b64(c) })).collect::<Vec<_>>() });
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.rekor)],
            "certificateAuthorities": [{
                "subject": { "organization": "example.invalid", "commonName": "root" },
                "uri": "https://ca.example.invalid",
                "certChain": chain(std::slice::from_ref(&self.ca_certificate)),
                "validFor": window,
            }],
            "ctlogs": [log(&self.ct)],
            "timestampAuthorities": [{
                "subject": { "organization": "tsa.example.invalid", "commonName": "leaf" },
                "uri": "https://tsa.example.invalid",
                "certChain": chain(&self.tsa_certificates),
                "validFor": window,
            }],
        })
    }

    /// Issues a certificate with a signed certificate timestamp by `ct`.
    pub(crate) fn issue(&self, leaf: &Leaf, key: &Key, ct: &Key) -> Vec<u8> {
        let mut extensions = vec![
            extension("2.5.29.15", true, &tlv(0x03, &[7, 0x80])),
            extension("2.5.29.37", false, &seq(&[oid(leaf.usage)])),
            extension("2.5.29.17", true, &seq(&[tlv(0x86, leaf.identity.as_bytes())])),
            // Some clients build chains by key identifiers alone (RFC 5280, 4.2.1.1).
            extension("2.5.29.35", false, &seq(&[tlv(0x80, &self.ca.id()[..20])])),
        ];
        for (number, value) in &leaf.extensions {
            let id = format!("1.3.6.1.4.1.57264.1.{number}");
            let bytes = if *number < 7 { value.as_bytes().to_vec() } else { utf8(value) };
            extensions.push(extension(&id, false, &bytes));
        }
        let tbs = |extensions: &[Vec<u8>]| {
            seq(&[
                tlv(0xa0, &integer(2)),
                integer(42),
                ecdsa_sha256(),
                name("example.invalid", "root"),
                seq(&[utc_time(leaf.not_before), utc_time(leaf.not_after)]),
                seq(&[]),
                key.spki(),
                tlv(0xa3, &seq(extensions)),
            ])
        };
        let precertificate = tbs(&extensions);
        let millis = (leaf.not_before * 1000) as u64;
        let length = precertificate.len() as u32;
        let to_sign = [
            &[0u8, 0][..],
            &millis.to_be_bytes(),
            &1u16.to_be_bytes(),
            &self.ca.id(),
            &length.to_be_bytes()[1..],
            &precertificate,
            &0u16.to_be_bytes(),
        ]
        .concat();
        let signature = ct.sign(&to_sign);
        let sct = [
            &[0u8][..],
            &ct.id(),
            &millis.to_be_bytes(),
            &0u16.to_be_bytes(),
            &[4, 3],
            &(signature.len() as u16).to_be_bytes(),
            &signature,
        ]
        .concat();
        let list =
            [&((sct.len() + 2) as u16).to_be_bytes()[..], &(sct.len() as u16).to_be_bytes(), &sct].concat();
        extensions.push(extension("1.3.6.1.4.1.11129.2.4.2", false, &octets(&list)));
        signed(&tbs(&extensions), &self.ca)
    }

    /// A log entry of Rekor v1 for a body, signed by `log`.
    pub(crate) fn entry_v1(&self, kind: (&str, &str), body: &Value, time: i64, log: &Key) -> Value {
        let mut entry = self.entry(kind, body, log);
        let promise = json!({
            "body": entry["canonicalizedBody"],
            "integratedTime": time,
            "logID": hex::encode(log.id()),
            "logIndex": 0,
        });
        // Its names are in the order of RFC 8785 already, and there is no other ambiguity in it.
        entry["integratedTime"] = json!(time.to_string());
        entry["inclusionPromise"] =
            json!({ "signedEntryTimestamp": b64(&log.sign(promise.to_string().as_bytes())) });
        entry
    }

    /// A log entry with inclusion proof and checkpoint alone, as Rekor v2 has it.
    pub(crate) fn entry(&self, kind: (&str, &str), body: &Value, log: &Key) -> Value {
        let body = body.to_string();
        let leaf = sha256(&[&[0][..], body.as_bytes()].concat());
        let sibling = sha256(b"another entry");
        let root = sha256(&[&[1][..], &leaf, &sibling].concat());
        let note = format!("log.example.invalid\n2\n{}\n", b64(&root));
        let signature = [&log.id()[..4], &log.sign(note.as_bytes())].concat();
        let checkpoint = format!("{note}\n\u{2014} log.example.invalid {}\n", b64(&signature));
        json!({
            "logIndex": "0",
            "logId": { "keyId": b64(&log.id()) },
            "kindVersion": { "kind": kind.0, "version": kind.1 },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": b64(&root),
                "treeSize": "2",
                "hashes": [b64(&sibling)],
                "checkpoint": { "envelope": checkpoint },
            },
            "canonicalizedBody": b64(body.as_bytes()),
        })
    }

    pub(crate) fn timestamp(&self, signature: &[u8], time: i64) -> Vec<u8> {
        timestamp::token(&self.tsa, signature, time)
    }
}

/// A dsse entry's body for one signature.
pub(crate) fn dsse_body(payload: &[u8], signature: &[u8], certificate: &[u8]) -> Value {
    json!({
        "apiVersion": "0.0.1",
        "kind": "dsse",
        "spec": {
            "envelopeHash": { "algorithm": "sha256", "value": hex::encode(sha256(b"envelope")) },
            "payloadHash": { "algorithm": "sha256", "value": hex::encode(sha256(payload)) },
            "signatures": [{ "signature": b64(signature), "verifier": b64(pem("CERTIFICATE", certificate).as_bytes()) }],
        },
    })
}

/// A hashedrekord entry's body as Rekor v2 writes it.
pub(crate) fn hashedrekord_v2_body(digest: &[u8], signature: &[u8], certificate: &[u8]) -> Value {
    json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": b64(digest) },
            "signature": {
                "content": b64(signature),
                "verifier": {
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "x509Certificate": { "rawBytes": b64(certificate) },
                },
            },
        } },
    })
}

/// A hashedrekord entry's body as Rekor v1 writes it.
pub(crate) fn hashedrekord_v1_body(digest: &[u8], signature: &[u8], certificate: &[u8]) -> Value {
    let algorithm = if digest.len() == 64 { "sha512" } else { "sha256" };
    json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": { "hash": { "algorithm": algorithm, "value": hex::encode(digest) } },
            "signature": {
                "content": b64(signature),
                "publicKey": { "content": b64(pem("CERTIFICATE", certificate).as_bytes()) },
            },
        },
    })
}
