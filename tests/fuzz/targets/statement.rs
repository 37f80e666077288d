//! Statements that are signed well and say anything: the input is the payload of a sound bundle, so that the
//! checks behind the signature see it.
#![no_main]
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

#[path = "../../it/sigstore_world/mod.rs"]
mod sigstore_world;
#[path = "../../it/verify_attestations.rs"]
mod verify_attestations;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use reprove::limits::verify::VerifyLimits;
use reprove::statement::dsse::pae;
use reprove::verdict::Verdict;
use reprove::verify::policy::{Policy, Publisher, SlsaDemand, SummaryDemand};
use reprove::verify::trust::Trust;
use reprove::verify::{self, Context};
use serde_json::json;
use sigstore_world::{Key, Leaf, SIGNED_AT, World, b64, dsse_body};
use verify_attestations::{ARTIFACT, IN_TOTO, policy, subject, trust};

struct Fixture {
    world: World,
    key: Key,
    certificate: Vec<u8>,
    trust: Trust,
    policies: Vec<Policy>,
}

fn fixture() -> Fixture {
    let (world, key) = (World::new(), Key::new());
    let certificate = world.issue(&Leaf::generator("owner/name"), &key, &world.ct);
    let mut tags = policy();
    if let Some(slsa) = &mut tags.slsa {
        *slsa = SlsaDemand {
            source_branch: None,
            source_versioned_tag: Some("v1.2".to_owned()),
            workflow_inputs: [("release".to_owned(), "no".to_owned())].into(),
            package_name: Some("name".to_owned()),
            ..slsa.clone()
        };
    }
    let summary = SummaryDemand {
        verifier_id: "https://verifier.example.invalid".to_owned(),
        resource_uri: "pkg:generic/artifact".to_owned(),
        verified_levels: vec!["SLSA_BUILD_LEVEL_2".to_owned()],
        subject_digests: Vec::new(),
    };
    let publisher = Publisher::GitHub { repository: "owner/name".to_owned(), workflow: "x.yml".to_owned() };
    let policies = vec![
        tags,
        Policy { summary: Some(summary), ..Policy::new() },
        Policy { publisher: Some(publisher), ..Policy::new() },
    ];
    Fixture { trust: trust(&world), world, key, certificate, policies }
}

fuzz_target!(|payload: &[u8]| {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    let fixture = FIXTURE.get_or_init(fixture);
    let signature = fixture.key.sign(&pae(IN_TOTO, payload));
    let body = dsse_body(payload, &signature, &fixture.certificate);
    let entry = fixture.world.entry_v1(("dsse", "0.0.1"), &body, SIGNED_AT, &fixture.world.rekor);
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": { "rawBytes": b64(&fixture.certificate) },
            "tlogEntries": [entry],
        },
        "dsseEnvelope": {
            "payload": b64(payload),
            "payloadType": IN_TOTO,
            "signatures": [{ "sig": b64(&signature) }],
        },
    });
    let limits = VerifyLimits::DEFAULT;
    let Ok(attestations) = verify::document::read(bundle.to_string().as_bytes(), "fuzz", &limits) else {
        return;
    };
    let as_of = jiff::Timestamp::from_second(SIGNED_AT + 1_000_000).unwrap();
    for policy in &fixture.policies {
        let context = Context { trust: &fixture.trust, policy, log_entries: &[], as_of, limits: &limits };
        let answers = verify::verify(&[subject(ARTIFACT)], &attestations, &context);
        // Whatever passes names the artifact.
        if answers.iter().any(|answer| answer.verdict == Verdict::Pass) {
            let hex = reprove::digest::Digest::sha256(ARTIFACT).to_hex();
            assert!(String::from_utf8_lossy(payload).contains(&hex), "a pass for another artifact");
        }
    }
});
