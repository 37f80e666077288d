//! Envelopes that no bundle can carry: several signatures by certificate, and `intoto` entries, alone and in
//! cosign's image layouts. For each verified field a case in which only that field is wrong.

use reprove::statement::dsse::pae;
use reprove::verdict::Verdict;
use reprove::verify::policy::{Pattern, Policy, SignerDemand};
use reprove::verify::{self, Context, LogEntry};
use reprove::{digest::Digest, limits::verify::VerifyLimits};
use serde_json::{Value, json};

use crate::sigstore_world::{Key, Leaf, SIGNED_AT, World, b64, hashedrekord_v1_body, pem, sha256};
use crate::verify_attestations::{ARTIFACT, IN_TOTO, judge, policy, statement, subject, trust};

/// Signer, certificate and signature.
struct Signed {
    certificate: Vec<u8>,
    signature: Vec<u8>,
}

/// An envelope in the making; tests change one thing and leave the rest sound.
struct Made {
    world: World,
    leaves: Vec<Leaf>,
    /// Signs instead of the first certificate's key.
    thief: Option<Key>,
    other_ct: Option<Key>,
    other_log: Option<Key>,
    /// Issues the last certificate.
    other_world: Option<World>,
    logged_at: i64,
    /// Changes the entry's body before the log signs it.
    body: fn(&mut Value),
    /// Changes the entry after the log signed it.
    entry: fn(&mut Value),
    kind: (&'static str, &'static str),
}

impl Made {
    fn new(kind: (&'static str, &'static str), identities: &[&str]) -> Self {
        let leaf = |identity: &&str| {
            let mut leaf = Leaf::generator("owner/name");
            if !identity.is_empty() {
                leaf.identity = (*identity).to_owned();
            }
            leaf
        };
        Self {
            world: World::new(),
            leaves: identities.iter().map(leaf).collect(),
            thief: None,
            other_ct: None,
            other_log: None,
            other_world: None,
            logged_at: SIGNED_AT,
            body: |_| {},
            entry: |_| {},
            kind,
        }
    }

    /// Document and saved log entry.
    fn make(&self) -> (String, Vec<LogEntry>) {
        let payload = statement().to_string().into_bytes();
        let signed: Vec<_> = self
            .leaves
            .iter()
            .enumerate()
            .map(|(index, leaf)| {
                let key = Key::new();
                let is_last = index + 1 == self.leaves.len();
                let world = self.other_world.as_ref().filter(|_| is_last).unwrap_or(&self.world);
                let certificate = world.issue(leaf, &key, self.other_ct.as_ref().unwrap_or(&world.ct));
                let signer = self.thief.as_ref().filter(|_| index == 0).unwrap_or(&key);
                Signed { certificate, signature: signer.sign(&pae(IN_TOTO, &payload)) }
            })
            .collect();
        let signatures: Vec<_> = signed
            .iter()
            .map(|s| json!({ "keyid": "", "sig": b64(&s.signature), "cert": pem("CERTIFICATE", &s.certificate) }))
            .collect();
        let document =
            json!({ "payloadType": IN_TOTO, "payload": b64(&payload), "signatures": signatures }).to_string();
        let mut body = body(self.kind, &document, &payload, &signed);
        (self.body)(&mut body);
        let log = self.other_log.as_ref().unwrap_or(&self.world.rekor);
        let mut entry = self.world.entry_v1(self.kind, &body, self.logged_at, log);
        (self.entry)(&mut entry);
        let entries = LogEntry::read(entry.to_string().as_bytes(), "entry", &VerifyLimits::DEFAULT);
        (document, entries.unwrap())
    }

    fn verdict(&self, policy: &Policy) -> (Verdict, Vec<&'static str>) {
        let (document, entries) = self.make();
        let answer = judge(document.as_bytes(), &trust(&self.world), policy, &entries).unwrap();
        let checks = answer.checks.iter().chain(answer.attestations.iter().flat_map(|a| &a.checks));
        let bad = checks.filter(|c| !matches!(c.verdict(), None | Some(Verdict::Pass)));
        (answer.verdict, bad.map(|c| c.code).collect())
    }
}

fn body(kind: (&str, &str), document: &str, payload: &[u8], signed: &[Signed]) -> Value {
    let hash = |bytes: &[u8]| json!({ "algorithm": "sha256", "value": hex::encode(sha256(bytes)) });
    let key = |s: &Signed| b64(pem("CERTIFICATE", &s.certificate).as_bytes());
    let spec = match kind {
        ("intoto", "0.0.1") => json!({
            "content": { "hash": hash(document.as_bytes()), "payloadHash": hash(payload) },
            "publicKey": key(&signed[0]),
        }),
        ("intoto", _) => json!({ "content": {
            "envelope": {
                "payloadType": IN_TOTO,
                "signatures": signed.iter().map(|s| json!({
                    "publicKey": key(s),
                    "sig": b64(b64(&s.signature).as_bytes()),
                })).collect::<Vec<_>>(),
            },
            "hash": hash(b"the envelope as it was submitted"),
            "payloadHash": hash(payload),
        } }),
        _ => json!({
            "envelopeHash": hash(b"the envelope as it was submitted"),
            "payloadHash": hash(payload),
            "signatures": signed.iter().map(|s| json!({
                "signature": b64(&s.signature),
                "verifier": key(s),
            })).collect::<Vec<_>>(),
        }),
    };
    json!({ "apiVersion": kind.1, "kind": kind.0, "spec": spec })
}

const OLD: (&str, &str) = ("intoto", "0.0.1");
const NEW: (&str, &str) = ("intoto", "0.0.2");
const DSSE: (&str, &str) = ("dsse", "0.0.1");
const OTHER: &str = "https://github.com/owner/other/.github/workflows/review.yml@refs/heads/main";

#[test]
fn sound_envelopes_pass() {
    for (kind, identities) in [
        (OLD, &[""][..]),
        (NEW, &[""]),
        (DSSE, &[""]),
        (NEW, &["", OTHER]),
        (DSSE, &["", OTHER]),
        (DSSE, &[OTHER, ""]),
    ] {
        let (verdict, why) = Made::new(kind, identities).verdict(&policy());
        assert_eq!(verdict, Verdict::Pass, "{kind:?} of {}: {why:?}", identities.len());
    }
}

#[test]
fn each_wrong_field_is_refused() {
    let refuses = |what: &str, code: &str, mut made: Made, change: &dyn Fn(&mut Made)| {
        assert_eq!(made.verdict(&policy()).0, Verdict::Pass, "{what}: the sound envelope");
        change(&mut made);
        let (verdict, codes) = made.verdict(&policy());
        assert_ne!(verdict, Verdict::Pass, "{what}");
        assert!(codes.contains(&code), "{what}: expected {code}, found {codes:?}");
    };
    let forms = [(OLD, &[""][..]), (DSSE, &["", OTHER]), (NEW, &["", OTHER])];
    for (kind, identities) in forms {
        let made = || Made::new(kind, identities);
        let what = |text: &str| format!("{kind:?}: {text}");
        refuses(&what("another key signs"), "signature", made(), &|m| m.thief = Some(Key::new()));
        refuses(&what("another certificate log"), "certificate-log", made(), &|m| {
            m.other_ct = Some(Key::new())
        });
        refuses(&what("another log"), "transparency-log", made(), &|m| m.other_log = Some(Key::new()));
        refuses(&what("another authority"), "certificate-chain", made(), &|m| {
            m.other_world = Some(World::new());
        });
        refuses(&what("logged after the certificate's end"), "certificate-chain", made(), &|m| {
            m.logged_at = SIGNED_AT + 3600;
        });
        refuses(&what("logged before its beginning"), "certificate-chain", made(), &|m| {
            m.logged_at = SIGNED_AT - 3600
        });
        refuses(&what("logged after the time of judgment"), "signing-time", made(), &|m| {
            m.logged_at = SIGNED_AT + 2_000_000;
        });
        refuses(&what("a certificate for something else"), "certificate-chain", made(), &|m| {
            m.leaves[0].usage = "1.3.6.1.5.5.7.3.1";
        });
        refuses(&what("another time than the log signed"), "transparency-log", made(), &|m| {
            m.entry = |e| e["integratedTime"] = json!((SIGNED_AT + 1).to_string());
        });
        refuses(&what("another index than the log signed"), "transparency-log", made(), &|m| {
            m.entry = |e| e["logIndex"] = json!("1");
        });
        refuses(&what("a time that nobody signed"), "signing-time", made(), &|m| {
            m.entry = |e| e["inclusionPromise"] = Value::Null;
        });
        refuses(&what("a proof of another tree"), "inclusion-proof", made(), &|m| {
            m.entry = |e| e["inclusionProof"]["hashes"] = json!([b64(&sha256(b"a third entry"))]);
        });
        refuses(&what("a checkpoint that nobody signed"), "inclusion-proof", made(), &|m| {
            m.entry = |e| {
                let note = e["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap();
                let other = note.replace("log.example.invalid\n2", "log.example.invalid \n2");
                e["inclusionProof"]["checkpoint"]["envelope"] = json!(other);
            };
        });
        refuses(&what("a body of another kind"), "log-entry", made(), &|m| {
            m.body = |b| b["kind"] = json!("rekord")
        });
    }
    let old = || Made::new(OLD, &[""]);
    refuses("another envelope's digest", "log-entry", old(), &|m| {
        m.body = |b| b["spec"]["content"]["hash"]["value"] = json!(hex::encode(sha256(b"something else")));
    });
    refuses("a digest of another algorithm", "log-entry", old(), &|m| {
        m.body = |b| b["spec"]["content"]["hash"]["algorithm"] = json!("sha1");
    });
    refuses("another payload's digest", "log-entry", old(), &|m| {
        m.body =
            |b| b["spec"]["content"]["payloadHash"]["value"] = json!(hex::encode(sha256(b"something else")));
    });
    refuses("another certificate", "log-entry", old(), &|m| {
        m.body = |b| {
            let other = World::new().issue(&Leaf::generator("owner/name"), &Key::new(), &Key::new());
            b["spec"]["publicKey"] = json!(b64(pem("CERTIFICATE", &other).as_bytes()));
        };
    });
    for kind in [DSSE, NEW] {
        let two = || Made::new(kind, &["", OTHER]);
        refuses("the log recorded one of two signatures", "log-entry", two(), &|m| {
            m.body = |b| {
                for list in ["/spec/signatures", "/spec/content/envelope/signatures"] {
                    if let Some(list) = b.pointer_mut(list) {
                        list.as_array_mut().unwrap().pop();
                    }
                }
            };
        });
        refuses("the log recorded another second signature", "log-entry", two(), &|m| {
            m.body = |b| {
                for (list, name) in
                    [("/spec/signatures", "signature"), ("/spec/content/envelope/signatures", "sig")]
                {
                    if let Some(list) = b.pointer_mut(list) {
                        list[1][name] = list[0][name].clone();
                    }
                }
            };
        });
        refuses("the log recorded another payload", "log-entry", two(), &|m| {
            m.body = |b| {
                for hash in ["/spec/payloadHash", "/spec/content/payloadHash"] {
                    if let Some(hash) = b.pointer_mut(hash) {
                        hash["value"] = json!(hex::encode(sha256(b"something else")));
                    }
                }
            };
        });
    }
    // The digest of the envelope's bytes is the whole envelope's: one more blank in it is another envelope.
    let (document, entries) = old().make();
    let made = old();
    let spaced = document.replacen('{', "{ ", 1);
    let answer = judge(spaced.as_bytes(), &trust(&made.world), &policy(), &entries).unwrap();
    assert_ne!(answer.verdict, Verdict::Pass);
}

#[test]
fn several_signers_count_each_and_none_stands_in_for_another() {
    let made = || Made::new(DSSE, &["", OTHER]);
    let by = |identity: &str| Policy { identities: vec![Pattern::exact(identity)], ..Policy::new() };
    assert_eq!(made().verdict(&by(OTHER)).0, Verdict::Pass);
    assert_eq!(made().verdict(&by("https://github.com/owner/third")).0, Verdict::Fail);
    let mut two = Policy { signer: SignerDemand::Anybody, ..Policy::new() };
    two.vouchers_min = 2;
    assert_eq!(made().verdict(&two).0, Verdict::Pass);
    two.identities = vec![Pattern::exact(OTHER)];
    assert_eq!(made().verdict(&two).0, Verdict::Inconclusive, "only one of them is the one demanded");
    two.identities.clear();
    two.vouchers_min = 3;
    assert_eq!(made().verdict(&two).0, Verdict::Inconclusive);
    let twice = Made::new(DSSE, &[OTHER, OTHER]);
    two.vouchers_min = 2;
    assert_eq!(twice.verdict(&two).0, Verdict::Inconclusive, "one signer who signs twice is one voucher");
}

/// A layout as `cosign save` writes it, with one attestation.
fn layout(folder: &std::path::Path, image: &str, document: &str, entry: &Value, certificate: &str) {
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        std::fs::write(blobs.join(digest.to_hex()), bytes).unwrap();
        digest.to_string()
    };
    let layer = blob(document.as_bytes());
    let annotation = json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": entry["integratedTime"].as_str().unwrap().parse::<i64>().unwrap(),
            "logIndex": 0,
            "logID": hex::encode(base64::Engine::decode(
                &base64::engine::general_purpose::STANDARD,
                entry["logId"]["keyId"].as_str().unwrap(),
            ).unwrap()),
        },
    });
    let manifest = json!({ "schemaVersion": 2, "layers": [{
        "mediaType": "application/vnd.dsse.envelope.v1+json",
        "digest": layer,
        "annotations": {
            "dev.sigstore.cosign/certificate": certificate,
            "dev.sigstore.cosign/bundle": annotation.to_string(),
        },
    }] });
    let manifest = blob(manifest.to_string().as_bytes());
    let index = json!({ "schemaVersion": 2, "manifests": [
        { "digest": image, "annotations": { "kind": "dev.cosignproject.cosign/image" } },
        { "digest": manifest, "annotations": { "kind": "dev.cosignproject.cosign/atts" } },
    ] });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

#[test]
fn image_layouts_with_intoto_entries_are_judged() {
    for kind in [OLD, NEW] {
        let world = World::new();
        let key = Key::new();
        let mut leaf = Leaf::generator("owner/name");
        leaf.identity = leaf.identity.replace("generator_generic", "generator_container");
        let certificate = world.issue(&leaf, &key, &world.ct);
        let mut payload = statement();
        payload["predicate"]["builder"]["id"] = json!(leaf.identity);
        payload["predicate"]["buildType"] =
            json!("https://github.com/slsa-framework/slsa-github-generator/container@v1");
        let payload = payload.to_string().into_bytes();
        let signature = key.sign(&pae(IN_TOTO, &payload));
        let document = json!({
            "payloadType": IN_TOTO,
            "payload": b64(&payload),
            "signatures": [{ "keyid": "", "sig": b64(&signature) }],
        })
        .to_string();
        let signed = [Signed { certificate: certificate.clone(), signature }];
        let entry = world.entry_v1(kind, &body(kind, &document, &payload, &signed), SIGNED_AT, &world.rekor);
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let image = Digest::sha256(ARTIFACT);
        layout(folder.path(), &image.to_string(), &document, &entry, &pem("CERTIFICATE", &certificate));
        let limits = VerifyLimits::DEFAULT;
        let verdict = || {
            let attestations = verify::oci::read(folder.path(), &limits).unwrap();
            let (trust, policy) = (trust(&world), policy());
            let as_of = jiff::Timestamp::from_second(SIGNED_AT + 1_000_000).unwrap();
            let context =
                Context { trust: &trust, policy: &policy, log_entries: &[], as_of, limits: &limits };
            verify::verify(&[subject(ARTIFACT)], &attestations, &context).remove(0)
        };
        let answer = verdict();
        assert_eq!(answer.verdict, Verdict::Pass, "{kind:?}: {:#?}", answer.attestations);
        assert_eq!(verify::oci::image(folder.path(), &limits).unwrap(), Some(image.clone()));
        // The log recorded the envelope's bytes: the same statement in another envelope is not in the log.
        let respelt = format!("{document}\n\n");
        layout(folder.path(), &image.to_string(), &respelt, &entry, &pem("CERTIFICATE", &certificate));
        assert_eq!(verdict().verdict, Verdict::Pass, "{kind:?}: only white space at the end differs");
        let other = world.issue(&leaf, &Key::new(), &world.ct);
        layout(folder.path(), &image.to_string(), &document, &entry, &pem("CERTIFICATE", &other));
        assert_eq!(verdict().verdict, Verdict::Fail, "{kind:?}: another certificate");
    }
}

/// A message signature by a key on P-521, one thing changed.
struct OnP521 {
    world: World,
    thief: Option<Key>,
    other_ct: Option<Key>,
    logged: Option<Vec<u8>>,
    logged_at: i64,
    change: fn(&mut Value),
}

impl OnP521 {
    fn new() -> Self {
        let world = World::new();
        Self { world, thief: None, other_ct: None, logged: None, logged_at: SIGNED_AT, change: |_| {} }
    }

    fn verdict(&self, as_digest: bool) -> (Verdict, Vec<&'static str>) {
        let key = Key::p521();
        let certificate = self.world.issue(
            &Leaf::generator("owner/name"),
            &key,
            self.other_ct.as_ref().unwrap_or(&self.world.ct),
        );
        let signature = self.thief.as_ref().unwrap_or(&key).sign(ARTIFACT);
        let sha512 = |bytes: &[u8]| Digest::of(reprove::digest::Algorithm::Sha512, bytes);
        let logged = sha512(self.logged.as_deref().unwrap_or(ARTIFACT));
        let body = hashedrekord_v1_body(logged.as_bytes(), &signature, &certificate);
        let log = &self.world.rekor;
        let entry = self.world.entry_v1(("hashedrekord", "0.0.1"), &body, self.logged_at, log);
        let digest = sha512(ARTIFACT);
        let mut bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": b64(&certificate) },
                "tlogEntries": [entry],
            },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_512", "digest": b64(digest.as_bytes()) },
                "signature": b64(&signature),
            },
        });
        (self.change)(&mut bundle);
        let limits = VerifyLimits::DEFAULT;
        let attestations =
            verify::document::read(bundle.to_string().as_bytes(), "bundle.json", &limits).unwrap();
        let mut artifact = subject(ARTIFACT);
        artifact.digests = artifact.digests.with(digest);
        artifact.bytes = (!as_digest).then(|| ARTIFACT.to_vec());
        let (trust, policy) = (trust(&self.world), Policy { signer: SignerDemand::Anybody, ..Policy::new() });
        let as_of = jiff::Timestamp::from_second(SIGNED_AT + 1_000_000).unwrap();
        let context = Context { trust: &trust, policy: &policy, log_entries: &[], as_of, limits: &limits };
        let answer = verify::verify(&[artifact], &attestations, &context).remove(0);
        let bad = answer.attestations.iter().flat_map(|a| &a.checks);
        let bad =
            bad.filter(|c| !matches!(c.verdict(), None | Some(Verdict::Pass))).map(|c| c.code).collect();
        (answer.verdict, bad)
    }
}

#[test]
fn keys_on_p521_are_checked_as_strictly_as_the_others() {
    for as_digest in [false, true] {
        let (verdict, why) = OnP521::new().verdict(as_digest);
        assert_eq!(verdict, Verdict::Pass, "digest alone: {as_digest}: {why:?}");
    }
    let refuses = |what: &str, code: &str, change: &dyn Fn(&mut OnP521)| {
        let mut made = OnP521::new();
        change(&mut made);
        for as_digest in [false, true] {
            let (verdict, codes) = made.verdict(as_digest);
            assert_ne!(verdict, Verdict::Pass, "{what}");
            assert!(codes.contains(&code), "{what}: expected {code}, found {codes:?}");
        }
    };
    refuses("another key signs", "signature", &|m| m.thief = Some(Key::p521()));
    refuses("another certificate log", "certificate-log", &|m| m.other_ct = Some(Key::new()));
    refuses("the log recorded another artifact", "log-entry", &|m| m.logged = Some(b"other".to_vec()));
    refuses("logged after the certificate's end", "certificate-chain", &|m| m.logged_at = SIGNED_AT + 3600);
    refuses("no inclusion proof in version 0.3", "inclusion-proof", &|m| {
        m.change = |b| b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"] = Value::Null;
    });
    refuses("no log entry", "transparency-log", &|m| {
        m.change = |b| b["verificationMaterial"]["tlogEntries"] = json!([]);
    });
    refuses("the same entry twice", "bundle", &|m| {
        m.change = |b| {
            let entry = b["verificationMaterial"]["tlogEntries"][0].clone();
            b["verificationMaterial"]["tlogEntries"] = json!([entry, entry]);
        };
    });
    refuses("another stated digest", "artifact-digest", &|m| {
        m.change = |b| {
            let other = Digest::of(reprove::digest::Algorithm::Sha512, b"other");
            b["messageSignature"]["messageDigest"]["digest"] = json!(b64(other.as_bytes()));
        };
    });
    refuses("timestamps that nobody checks", "timestamp", &|m| {
        m.change = |b| {
            b["verificationMaterial"]["timestampVerificationData"] =
                json!({ "rfc3161Timestamps": [{ "signedTimestamp": b64(b"x") }] });
        };
    });
}
