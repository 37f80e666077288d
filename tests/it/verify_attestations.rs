//! For each verified field a case in which only that field is wrong, in a Sigstore instance of our own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reprove::digest::{Digest, DigestSet};
use reprove::limits::verify::VerifyLimits;
use reprove::statement::dsse::pae;
use reprove::verdict::Verdict;
use reprove::verify::policy::{DefaultBuilders, Pattern, Policy, SignerDemand, SlsaDemand};
use reprove::verify::public_key::PublicKey;
use reprove::verify::trust::{SigstoreRoot, Trust, TrustedKey};
use reprove::verify::{self, ArtifactAnswer, Context, Finding, LogEntry, Subject};
use serde_json::{Value, json};

use crate::sigstore_world::{
    COMMIT, GENERATOR, Key, Leaf, SIGNED_AT, World, b64, dsse_body, hashedrekord_v1_body,
    hashedrekord_v2_body, pem, sha256,
};

pub(crate) const IN_TOTO: &str = "application/vnd.in-toto+json";
pub(crate) const ARTIFACT: &[u8] = b"the artifact";

/// Everything that goes into one bundle; tests change one thing and leave the rest sound.
pub(crate) struct Recipe {
    pub(crate) world: World,
    pub(crate) leaf: Leaf,
    pub(crate) key: Key,
    pub(crate) statement: Value,
    pub(crate) logged_at: i64,
    pub(crate) stamped_at: i64,
    pub(crate) v2: bool,
    /// Another key signs instead of the certificate's.
    pub(crate) thief: Option<Key>,
    /// Another log signs certificate timestamps, entries.
    pub(crate) other_ct: Option<Key>,
    pub(crate) other_log: Option<Key>,
    /// What the log recorded instead.
    pub(crate) logged_payload: Option<Vec<u8>>,
    pub(crate) logged_signature: Option<Vec<u8>>,
    pub(crate) logged_certificate: Option<Vec<u8>>,
    /// What the timestamp is over instead.
    pub(crate) stamped: Option<Vec<u8>>,
}

pub(crate) fn statement() -> Value {
    let uri = "git+https://github.com/owner/name@refs/heads/main";
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [
            { "name": "other", "digest": { "sha256": hex::encode(sha256(b"other")) } },
            { "name": "artifact", "digest": { "sha256": hex::encode(sha256(ARTIFACT)) } },
        ],
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {
            "builder": { "id": format!("{GENERATOR}@refs/tags/v2.1.0") },
            "buildType": "https://github.com/slsa-framework/slsa-github-generator/generic@v1",
            "invocation": {
                "configSource": { "uri": uri, "digest": { "sha1": COMMIT }, "entryPoint": ".github/workflows/release.yml" },
                "parameters": {},
                "environment": {
                    "github_event_name": "workflow_dispatch",
                    "github_ref": "refs/heads/main",
                    "github_ref_type": "branch",
                    "github_base_ref": "",
                    "github_event_payload": { "inputs": { "release": "yes" } },
                },
            },
            "materials": [{ "uri": uri, "digest": { "sha1": COMMIT } }],
        },
    })
}

impl Recipe {
    pub(crate) fn new() -> Self {
        Self {
            world: World::new(),
            leaf: Leaf::generator("owner/name"),
            key: Key::new(),
            statement: statement(),
            logged_at: SIGNED_AT,
            stamped_at: SIGNED_AT,
            v2: false,
            thief: None,
            other_ct: None,
            other_log: None,
            logged_payload: None,
            logged_signature: None,
            logged_certificate: None,
            stamped: None,
        }
    }

    pub(crate) fn v2() -> Self {
        Self { v2: true, ..Self::new() }
    }

    pub(crate) fn bundle(&self) -> Value {
        let payload = self.statement.to_string().into_bytes();
        let certificate =
            self.world.issue(&self.leaf, &self.key, self.other_ct.as_ref().unwrap_or(&self.world.ct));
        let encoded = pae(IN_TOTO, &payload);
        let signature = self.thief.as_ref().unwrap_or(&self.key).sign(&encoded);
        let log = self.other_log.as_ref().unwrap_or(&self.world.rekor);
        let logged_signature = self.logged_signature.as_ref().unwrap_or(&signature);
        let logged_certificate = self.logged_certificate.as_ref().unwrap_or(&certificate);
        let logged_payload = self.logged_payload.as_ref().unwrap_or(&payload);
        let entry = if self.v2 {
            let digest = sha256(&pae(IN_TOTO, logged_payload));
            let body = hashedrekord_v2_body(&digest, logged_signature, logged_certificate);
            self.world.entry(("hashedrekord", "0.0.2"), &body, log)
        } else {
            let body = dsse_body(logged_payload, logged_signature, logged_certificate);
            self.world.entry_v1(("dsse", "0.0.1"), &body, self.logged_at, log)
        };
        let mut material =
            json!({ "certificate": { "rawBytes": b64(&certificate) }, "tlogEntries": [entry] });
        if self.v2 {
            let over = self.stamped.as_ref().unwrap_or(&signature);
            let token = self.world.timestamp(over, self.stamped_at);
            material["timestampVerificationData"] =
                json!({ "rfc3161Timestamps": [{ "signedTimestamp": b64(&token) }] });
        }
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": b64(&payload),
                "payloadType": IN_TOTO,
                "signatures": [{ "sig": b64(&signature), "keyid": "" }],
            },
        })
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        slsa: Some(SlsaDemand {
            source_uri: Some("github.com/owner/name".to_owned()),
            source_branch: Some("main".to_owned()),
            default_builders: DefaultBuilders::Listed,
            ..SlsaDemand::default()
        }),
        ..Policy::new()
    }
}

pub(crate) fn trust(world: &World) -> Trust {
    let root = SigstoreRoot::from_json("test", &world.trusted_root().to_string()).unwrap();
    Trust::embedded().unwrap().with_sigstore(vec![root])
}

pub(crate) fn subject(bytes: &[u8]) -> Subject {
    Subject {
        name: "artifact".to_owned(),
        is_file_name: true,
        digests: DigestSet::single(Digest::sha256(bytes)),
        bytes: None,
    }
}

pub(crate) fn judge(
    document: &[u8],
    trust: &Trust,
    policy: &Policy,
    entries: &[LogEntry],
) -> Option<ArtifactAnswer> {
    let limits = VerifyLimits::DEFAULT;
    let attestations = verify::document::read(document, "bundle.json", &limits).ok()?;
    let as_of = jiff::Timestamp::from_second(SIGNED_AT + 1_000_000).unwrap();
    let context = Context { trust, policy, log_entries: entries, as_of, limits: &limits };
    verify::verify(&[subject(ARTIFACT)], &attestations, &context).into_iter().next()
}

fn verdict(bundle: &Value, trust: &Trust, policy: &Policy) -> (Verdict, Vec<&'static str>) {
    let answer = judge(bundle.to_string().as_bytes(), trust, policy, &[]).unwrap();
    let bad = answer.attestations.iter().flat_map(|a| &a.checks);
    let bad = bad.filter(|c| !matches!(c.verdict(), None | Some(Verdict::Pass))).map(|c| c.code).collect();
    (answer.verdict, bad)
}

/// The sound bundle passes, the changed one is refused, and for the reason expected.
fn refuses(what: &str, code: &str, mut recipe: Recipe, change: impl FnOnce(&mut Recipe)) {
    let (before, why) = verdict(&recipe.bundle(), &trust(&recipe.world), &policy());
    assert_eq!(before, Verdict::Pass, "{what}: the sound bundle: {why:?}");
    change(&mut recipe);
    let (after, codes) = verdict(&recipe.bundle(), &trust(&recipe.world), &policy());
    assert_ne!(after, Verdict::Pass, "{what}");
    assert!(codes.contains(&code), "{what}: expected {code}, found {codes:?}");
}

#[test]
fn sound_bundles_of_both_logs_pass() {
    for recipe in [Recipe::new(), Recipe::v2()] {
        let (verdict, why) = verdict(&recipe.bundle(), &trust(&recipe.world), &policy());
        assert_eq!(verdict, Verdict::Pass, "{why:?}");
    }
}

#[test]
fn each_wrong_field_of_the_signature_layer_is_refused() {
    for make in [Recipe::new as fn() -> Recipe, Recipe::v2] {
        refuses("signature by another key", "signature", make(), |r| r.thief = Some(Key::new()));
        refuses("certificate timestamp by another log", "certificate-log", make(), |r| {
            r.other_ct = Some(Key::new())
        });
        refuses("certificate for another use", "certificate-chain", make(), |r| {
            r.leaf.usage = "1.3.6.1.5.5.7.3.1"
        });
        refuses("log recorded another payload", "log-entry", make(), |r| {
            r.logged_payload = Some(b"{}".to_vec())
        });
        refuses("log recorded another signature", "log-entry", make(), |r| {
            r.logged_signature = Some(r.key.sign(b"x"))
        });
        refuses("log recorded another certificate", "log-entry", make(), |r| {
            let mut leaf = r.leaf.clone();
            leaf.identity = "https://github.com/thief/x/.github/workflows/x.yml@refs/heads/main".to_owned();
            r.logged_certificate = Some(r.world.issue(&leaf, &r.key, &r.world.ct));
        });
    }
    refuses("logged before the certificate", "certificate-chain", Recipe::new(), |r| r.logged_at -= 3600);
    refuses("logged after the certificate", "certificate-chain", Recipe::new(), |r| r.logged_at += 3600);
    refuses("stamped after the certificate", "certificate-chain", Recipe::v2(), |r| r.stamped_at += 3600);
    refuses("stamped before the certificate", "certificate-chain", Recipe::v2(), |r| r.stamped_at -= 3600);
    refuses("timestamp of another signature", "timestamp", Recipe::v2(), |r| {
        r.stamped = Some(b"other".to_vec())
    });
    refuses("another v1 log", "transparency-log", Recipe::new(), |r| r.other_log = Some(Key::new()));
    refuses("another v2 log", "inclusion-proof", Recipe::v2(), |r| r.other_log = Some(Key::new()));
}

#[test]
fn envelopes_by_keys_on_p521_are_checked_as_strictly_as_the_others() {
    let made = || Recipe { key: Key::p521(), ..Recipe::new() };
    refuses("signature by another key", "signature", made(), |r| r.thief = Some(Key::p521()));
    refuses("certificate timestamp by another log", "certificate-log", made(), |r| {
        r.other_ct = Some(Key::new())
    });
    refuses("certificate for another use", "certificate-chain", made(), |r| {
        r.leaf.usage = "1.3.6.1.5.5.7.3.1"
    });
    refuses("log recorded another payload", "log-entry", made(), |r| r.logged_payload = Some(b"{}".to_vec()));
    refuses("log recorded another signature", "log-entry", made(), |r| {
        r.logged_signature = Some(r.key.sign(b"x"))
    });
    refuses("log recorded another certificate", "log-entry", made(), |r| {
        r.logged_certificate = Some(r.world.issue(&r.leaf, &Key::p521(), &r.world.ct));
    });
    refuses("logged after the certificate", "certificate-chain", made(), |r| r.logged_at += 3600);
    refuses("another log", "transparency-log", made(), |r| r.other_log = Some(Key::new()));
    // Timestamps by an authority are not read for these keys: that is said, and is no pass.
    let stamped = Recipe { key: Key::p521(), ..Recipe::v2() };
    let (verdict, codes) = verdict(&stamped.bundle(), &trust(&stamped.world), &policy());
    assert_eq!((verdict, codes.contains(&"timestamp")), (Verdict::Inconclusive, true), "{codes:?}");
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let recipe = Recipe::new();
    let (verdict, _) = verdict(&recipe.bundle(), &trust(&World::new()), &policy());
    assert_ne!(verdict, Verdict::Pass);
}

#[test]
fn each_wrong_field_of_a_log_entry_is_refused() {
    let recipe = Recipe::new();
    let trust = trust(&recipe.world);
    let sound = recipe.bundle();
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 12] = [
        ("integrated time", |e| e["integratedTime"] = json!((SIGNED_AT + 60).to_string())),
        ("log index", |e| e["logIndex"] = json!("1")),
        ("log id", |e| e["logId"]["keyId"] = json!(b64(&sha256(b"other")))),
        ("entry timestamp", |e| {
            e["inclusionPromise"]["signedEntryTimestamp"] = json!(b64(b"not a signature"))
        }),
        ("root hash", |e| e["inclusionProof"]["rootHash"] = json!(b64(&sha256(b"other")))),
        ("proof hash", |e| e["inclusionProof"]["hashes"][0] = json!(b64(&sha256(b"other")))),
        ("no proof hash", |e| e["inclusionProof"]["hashes"] = json!([])),
        ("proof index", |e| e["inclusionProof"]["logIndex"] = json!("1")),
        ("tree size", |e| e["inclusionProof"]["treeSize"] = json!("3")),
        ("kind", |e| e["kindVersion"]["kind"] = json!("intoto")),
        ("no proof", |e| {
            e.as_object_mut().unwrap().remove("inclusionProof");
        }),
        ("checkpoint", |e| {
            let text =
                e["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap().replace("\n2\n", "\n4\n");
            e["inclusionProof"]["checkpoint"]["envelope"] = json!(text);
        }),
    ];
    for (what, change) in changes {
        let mut bundle = sound.clone();
        change(&mut bundle["verificationMaterial"]["tlogEntries"][0]);
        assert_ne!(verdict(&bundle, &trust, &policy()).0, Verdict::Pass, "{what}");
    }
}

#[test]
fn a_log_entry_forged_as_a_whole_is_refused() {
    // What the older `sigstore` crate takes: no field of the entry is signed by anybody.
    let recipe = Recipe::new();
    let mut bundle = recipe.bundle();
    let forged = recipe.world.entry_v1(("dsse", "0.0.1"), &json!({ "forged": true }), SIGNED_AT, &Key::new());
    let entry = &mut bundle["verificationMaterial"]["tlogEntries"][0];
    entry["inclusionPromise"] = forged["inclusionPromise"].clone();
    entry["inclusionProof"] = forged["inclusionProof"].clone();
    entry["inclusionProof"]["hashes"] = json!([]);
    assert_eq!(verdict(&bundle, &trust(&recipe.world), &policy()).0, Verdict::Fail);
}

#[test]
fn each_wrong_claim_of_the_certificate_is_refused() {
    let new = Recipe::new;
    refuses("another workflow", "builder", new(), |r| {
        r.leaf.identity = "https://github.com/owner/name/.github/workflows/x.yml@refs/tags/v2.1.0".to_owned();
    });
    for git_ref in ["refs/heads/main", "refs/tags/v2", "refs/tags/v2.1.0-rc.1", "refs/tags/v2.1.0+b", COMMIT]
    {
        refuses(git_ref, "builder-ref", new(), |r| r.leaf.identity = format!("{GENERATOR}@{git_ref}"));
    }
    refuses("another issuer", "certificate-issuer", new(), |r| {
        r.leaf.set(1, "https://accounts.example.invalid");
        r.leaf.set(8, "https://accounts.example.invalid");
    });
    for number in [1, 2, 3, 5] {
        refuses("old and new claim disagree", "certificate-claims", new(), |r| r.leaf.set(number, "other"));
    }
    refuses("config commit", "certificate-claims", new(), |r| r.leaf.set(19, "other"));
    refuses("another repository", "certificate-source", new(), |r| {
        r.leaf.set(5, "owner/other");
        r.leaf.set(12, "https://github.com/owner/other");
    });
}

#[test]
fn each_wrong_field_of_the_provenance_is_refused() {
    let change = |what: &'static str, code: &str, path: &[&str], value: Value| {
        refuses(what, code, Recipe::new(), |r| {
            let mut place = &mut r.statement;
            for name in path {
                place = match name.parse::<usize>() {
                    Ok(index) => &mut place[index],
                    Err(_) => &mut place[*name],
                };
            }
            *place = value;
        });
    };
    let other = json!("git+https://github.com/owner/other@refs/heads/main");
    change("statement type", "statement", &["_type"], json!("https://in-toto.io/Statement/v9"));
    change("predicate type", "predicate", &["predicateType"], json!("https://slsa.dev/provenance/v9"));
    change(
        "builder",
        "provenance-builder",
        &["predicate", "builder", "id"],
        json!(format!("{GENERATOR}@refs/tags/v2.0.0")),
    );
    change("builder without ref", "provenance-builder", &["predicate", "builder", "id"], json!(GENERATOR));
    change(
        "build type",
        "build-type",
        &["predicate", "buildType"],
        json!("https://example.invalid/other@v1"),
    );
    change("trigger", "source-uri", &["predicate", "invocation", "configSource", "uri"], other.clone());
    change("material", "source-dependency", &["predicate", "materials", "0", "uri"], other);
    change(
        "material's ref",
        "source-dependency",
        &["predicate", "materials", "0", "uri"],
        json!("git+https://github.com/owner/name@refs/heads/other"),
    );
    let environment = |name: &'static str| vec!["predicate", "invocation", "environment", name];
    change("branch", "source-branch", &environment("github_ref"), json!("refs/heads/other"));
    change("ref type", "source-branch", &environment("github_ref_type"), json!("tag"));
    change(
        "digest",
        "artifact-digest",
        &["subject", "1", "digest", "sha256"],
        json!(hex::encode(sha256(b"x"))),
    );
    change("no digest", "artifact-digest", &["subject", "1", "digest"], json!({}));
}

#[test]
fn a_demand_that_is_not_met_is_refused_and_none_at_all_is_inconclusive() {
    let recipe = Recipe::new();
    let trust = trust(&recipe.world);
    let bundle = recipe.bundle();
    assert_eq!(verdict(&bundle, &trust, &Policy::new()).0, Verdict::Inconclusive);
    let anybody = Policy { signer: SignerDemand::Anybody, ..Policy::new() };
    assert_eq!(verdict(&bundle, &trust, &anybody).0, Verdict::Pass);
    let slsa = |change: fn(&mut SlsaDemand)| {
        let mut policy = policy();
        change(policy.slsa.as_mut().unwrap());
        verdict(&bundle, &trust, &policy).0
    };
    assert_eq!(slsa(|_| {}), Verdict::Pass);
    assert_eq!(slsa(|d| d.source_commit = Some(COMMIT.to_owned())), Verdict::Pass);
    assert_eq!(slsa(|d| d.level_min = Some(3)), Verdict::Pass);
    assert_eq!(
        slsa(|d| d.workflow_inputs = [("release".to_owned(), "yes".to_owned())].into()),
        Verdict::Pass
    );
    assert_eq!(slsa(|d| d.builder_id = Some(format!("{GENERATOR}@v2.1.0"))), Verdict::Pass);
    assert_eq!(slsa(|d| d.source_commit = Some("other".to_owned())), Verdict::Fail);
    assert_eq!(slsa(|d| d.source_branch = Some("other".to_owned())), Verdict::Fail);
    assert_eq!(slsa(|d| d.source_tag = Some("v1".to_owned())), Verdict::Fail);
    assert_eq!(slsa(|d| d.source_versioned_tag = Some("v1".to_owned())), Verdict::Fail);
    assert_eq!(slsa(|d| d.builder_id = Some(format!("{GENERATOR}@v2.1.1"))), Verdict::Fail);
    assert_eq!(slsa(|d| d.default_builders = DefaultBuilders::None), Verdict::Fail);
    assert_eq!(slsa(|d| d.source_uri = Some("https://github.com/owner/name".to_owned())), Verdict::Fail);
    assert_eq!(slsa(|d| d.source_uri = Some("github.com/Owner/name".to_owned())), Verdict::Fail);
    assert_eq!(slsa(|d| d.source_uri = None), Verdict::Inconclusive);
    assert_eq!(slsa(|d| d.workflow_inputs = [("release".to_owned(), "no".to_owned())].into()), Verdict::Fail);
    assert_eq!(slsa(|d| d.workflow_inputs = [("absent".to_owned(), "yes".to_owned())].into()), Verdict::Fail);
    assert_eq!(slsa(|d| d.external_parameters = Some(serde_json::Map::new())), Verdict::Fail);
    let identity =
        |pattern: &str| Policy { identities: vec![Pattern::new(pattern).unwrap()], ..Policy::new() };
    assert_eq!(verdict(&bundle, &trust, &identity(&format!("{GENERATOR}@*/*/*"))).0, Verdict::Pass);
    assert_eq!(verdict(&bundle, &trust, &identity(GENERATOR)).0, Verdict::Fail);
    let mut two = policy();
    two.vouchers_min = 2;
    assert_eq!(verdict(&bundle, &trust, &two).0, Verdict::Inconclusive);
    let mut stamped = policy();
    stamped.evidence.timestamp = true;
    assert_eq!(verdict(&bundle, &trust, &stamped).0, Verdict::Inconclusive);
}

#[test]
fn a_signature_from_after_the_time_of_judgment_is_refused() {
    let recipe = Recipe::new();
    let limits = VerifyLimits::DEFAULT;
    let bytes = recipe.bundle().to_string();
    let attestations = verify::document::read(bytes.as_bytes(), "b", &limits).unwrap();
    let (trust, policy) = (trust(&recipe.world), policy());
    let as_of = jiff::Timestamp::from_second(SIGNED_AT - 1).unwrap();
    let context = Context { trust: &trust, policy: &policy, log_entries: &[], as_of, limits: &limits };
    assert_eq!(verify::verify(&[subject(ARTIFACT)], &attestations, &context)[0].verdict, Verdict::Fail);
}

#[test]
fn an_envelope_with_a_certificate_needs_its_log_entry() {
    let recipe = Recipe::new();
    let trust = trust(&recipe.world);
    let bundle = recipe.bundle();
    let certificate =
        STANDARD.decode(bundle["verificationMaterial"]["certificate"]["rawBytes"].as_str().unwrap()).unwrap();
    let mut envelope = bundle["dsseEnvelope"].clone();
    envelope["signatures"][0]["cert"] = json!(pem("CERTIFICATE", &certificate));
    let document = envelope.to_string();
    let alone = judge(document.as_bytes(), &trust, &policy(), &[]).unwrap();
    assert_eq!(alone.verdict, Verdict::Inconclusive);
    let checks = &alone.attestations[0].checks;
    let time = checks.iter().find(|c| c.code == "signing-time").unwrap();
    assert!(time.next_step.as_deref().unwrap().contains("--rekor-entry"));
    assert!(alone.attestations[0].signers.is_empty());

    let saved = |entry: &Value| {
        LogEntry::read(entry.to_string().as_bytes(), "entry.json", &VerifyLimits::DEFAULT).unwrap()
    };
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    let whole = judge(document.as_bytes(), &trust, &policy(), &saved(entry)).unwrap();
    assert_eq!(whole.verdict, Verdict::Pass, "{whole:#?}");
    // The same entry as Rekor's interface answers it.
    let proof = &entry["inclusionProof"];
    let to_hex = |v: &Value| hex::encode(STANDARD.decode(v.as_str().unwrap()).unwrap());
    let answered = json!({ "uuid": {
        "body": entry["canonicalizedBody"],
        "integratedTime": SIGNED_AT,
        "logID": to_hex(&entry["logId"]["keyId"]),
        "logIndex": 0,
        "verification": {
            "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "inclusionProof": {
                "logIndex": 0, "treeSize": 2,
                "rootHash": to_hex(&proof["rootHash"]),
                "hashes": [to_hex(&proof["hashes"][0])],
                "checkpoint": proof["checkpoint"]["envelope"],
            },
        },
    } });
    assert_eq!(
        judge(document.as_bytes(), &trust, &policy(), &saved(&answered)).unwrap().verdict,
        Verdict::Pass
    );
    // Another envelope's entry does not help.
    let mut stranger = Recipe::new();
    stranger.world = recipe.world;
    stranger.statement["subject"][0]["name"] = json!("changed");
    let other = stranger.bundle()["verificationMaterial"]["tlogEntries"][0].clone();
    assert_eq!(judge(document.as_bytes(), &trust, &policy(), &saved(&other)).unwrap().verdict, Verdict::Fail);
}

#[test]
fn keyed_envelopes_and_bundles_need_the_right_key() {
    let key = Key::new();
    let payload = statement().to_string().into_bytes();
    let signature = key.sign(&pae(IN_TOTO, &payload));
    let envelope = json!({
        "payload": b64(&payload), "payloadType": IN_TOTO,
        "signatures": [{ "sig": b64(b"somebody else's") }, { "sig": b64(&signature) }],
    });
    let mut single = envelope.clone();
    single["signatures"] = json!([{ "sig": b64(&signature) }]);
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": "any" }, "tlogEntries": [] },
        "dsseEnvelope": single,
    });
    let digest = sha256(ARTIFACT);
    let message = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": "any" }, "tlogEntries": [] },
        "messageSignature": {
            "messageDigest": { "algorithm": "SHA2_256", "digest": b64(&digest) },
            "signature": b64(&key.sign(ARTIFACT)),
        },
    });
    let policy = Policy { signer: SignerDemand::GivenKey, ..Policy::new() };
    let with = |key: &Key| {
        let mut trust = trust(&World::new());
        trust.keys = vec![TrustedKey::new(PublicKey::from_pem(&key.pem(), "key").unwrap())];
        trust
    };
    for document in [&envelope, &single, &bundle, &message] {
        let judged = |trust: &Trust| judge(document.to_string().as_bytes(), trust, &policy, &[]).unwrap();
        let sound = judged(&with(&key));
        assert_eq!(sound.verdict, Verdict::Pass, "{sound:#?}");
        assert_ne!(judged(&with(&Key::new())).verdict, Verdict::Pass);
        assert_ne!(judged(&trust(&World::new())).verdict, Verdict::Pass);
    }
    let mut other = message.clone();
    other["messageSignature"]["messageDigest"]["digest"] = json!(b64(&sha256(b"x")));
    assert_ne!(
        judge(other.to_string().as_bytes(), &with(&key), &policy, &[]).unwrap().verdict,
        Verdict::Pass
    );
    let text = single.to_string().replacen("\"payloadType\"", "\"payload\":\"\",\"payloadType\"", 1);
    assert!(judge(text.as_bytes(), &with(&key), &policy, &[]).is_none(), "duplicate names are refused");
}

#[test]
fn message_signatures_bind_the_artifact() {
    let recipe = Recipe::new();
    let trust = trust(&recipe.world);
    let policy = Policy { identities: vec![Pattern::new("https://github.com/**").unwrap()], ..Policy::new() };
    let make = |artifact: &[u8], logged: &[u8]| {
        let certificate = recipe.world.issue(&recipe.leaf, &recipe.key, &recipe.world.ct);
        let signature = recipe.key.sign(artifact);
        let body = hashedrekord_v1_body(&sha256(logged), &signature, &certificate);
        let entry = recipe.world.entry_v1(("hashedrekord", "0.0.1"), &body, SIGNED_AT, &recipe.world.rekor);
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "certificate": { "rawBytes": b64(&certificate) }, "tlogEntries": [entry] },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": b64(&sha256(artifact)) },
                "signature": b64(&signature),
            },
        })
    };
    assert_eq!(verdict(&make(ARTIFACT, ARTIFACT), &trust, &policy).0, Verdict::Pass);
    // Both digests are told, and not only that they differ.
    let answer = judge(make(b"other", b"other").to_string().as_bytes(), &trust, &policy, &[]).unwrap();
    let check = answer.attestations[0].checks.iter().find(|c| c.code == "artifact-digest").unwrap();
    let digest = |bytes: &[u8]| Some(Digest::sha256(bytes).to_string());
    assert_eq!(
        (check.finding, &check.expected, &check.found),
        (Finding::Refuted, &digest(ARTIFACT), &digest(b"other"))
    );
    assert_eq!(answer.verdict, Verdict::Fail);
    assert_ne!(verdict(&make(ARTIFACT, b"other"), &trust, &policy).0, Verdict::Pass);
}
