//! npm, PyPI, GitHub, Cloud Build and verification summaries: one wrong field at a time.

use std::collections::BTreeMap;

use reprove::limits::verify::VerifyLimits;
use reprove::statement::dsse::pae;
use reprove::verdict::Verdict;
use reprove::verify::policy::{GitHubDemand, Policy, Publisher, SignerDemand, SlsaDemand, SummaryDemand};
use reprove::verify::public_key::PublicKey;
use reprove::verify::trust::{Trust, TrustedKey};
use reprove::verify::{self, Context, Subject};
use serde_json::{Value, json};

use crate::sigstore_world::{COMMIT, Key, Leaf, SIGNED_AT, World, b64, sha256};
use crate::verify_attestations::{ARTIFACT, IN_TOTO, Recipe, subject, trust};

fn judged(document: &Value, trust: &Trust, policy: &Policy, subject: Subject) -> Verdict {
    let limits = VerifyLimits::DEFAULT;
    let Ok(attestations) = verify::document::read(document.to_string().as_bytes(), "document", &limits)
    else {
        return Verdict::Fail;
    };
    let as_of = jiff::Timestamp::from_second(SIGNED_AT + 1_000_000).unwrap();
    let context = Context { trust, policy, log_entries: &[], as_of, limits: &limits };
    verify::verify(&[subject], &attestations, &context)[0].verdict
}

fn sha512_hex() -> String {
    reprove::digest::Digest::of(reprove::digest::Algorithm::Sha512, ARTIFACT).to_hex()
}

fn package() -> Subject {
    let digest = reprove::digest::Digest::of(reprove::digest::Algorithm::Sha512, ARTIFACT);
    Subject { digests: reprove::digest::DigestSet::single(digest), ..subject(ARTIFACT) }
}

const RUNNER: &str = "https://github.com/actions/runner/github-hosted";

/// An npm document of the npm client's provenance and the registry's publish attestation.
struct Npm {
    recipe: Recipe,
    registry: Key,
    publish: Value,
    policy: Policy,
}

impl Npm {
    fn new() -> Self {
        let mut recipe = Recipe::new();
        recipe.leaf = Leaf::generator("owner/name");
        recipe.leaf.identity =
            "https://github.com/owner/name/.github/workflows/release.yml@refs/heads/main".to_owned();
        recipe.leaf.set(10, COMMIT);
        let uri = "git+https://github.com/owner/name@refs/heads/main";
        recipe.statement = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "subject": [{ "name": "pkg:npm/%40scope/name@1.0.0", "digest": { "sha512": sha512_hex() } }],
            "predicateType": "https://slsa.dev/provenance/v0.2",
            "predicate": {
                "builder": { "id": RUNNER },
                "buildType": "https://github.com/npm/cli/gha/v2",
                "invocation": {
                    "configSource": { "uri": uri, "digest": { "sha1": COMMIT }, "entryPoint": ".github/workflows/release.yml" },
                    "parameters": {},
                    "environment": {
                        "GITHUB_EVENT_NAME": "workflow_dispatch",
                        "GITHUB_REF": "refs/heads/main",
                        "GITHUB_REPOSITORY": "owner/name",
                        "GITHUB_REPOSITORY_ID": "1001",
                        "GITHUB_REPOSITORY_OWNER_ID": "2002",
                        "GITHUB_RUN_ATTEMPT": "1",
                        "GITHUB_RUN_ID": "77",
                        "GITHUB_SHA": COMMIT,
                        "GITHUB_WORKFLOW_REF": "owner/name/.github/workflows/release.yml@refs/heads/main",
                        "GITHUB_WORKFLOW_SHA": COMMIT,
                    },
                },
                "metadata": { "buildInvocationId": "77-1", "completeness": {}, "reproducible": false },
                "materials": [{ "uri": uri, "digest": { "sha1": COMMIT } }],
            },
        });
        let publish = json!({
            "_type": "https://in-toto.io/Statement/v0.1",
            "subject": [{ "name": "pkg:npm/%40scope/name@1.0.0", "digest": { "sha512": sha512_hex() } }],
            "predicateType": "https://github.com/npm/attestation/tree/main/specs/publish/v0.1",
            "predicate": { "name": "@scope/name", "version": "1.0.0", "registry": "https://registry.example.invalid" },
        });
        let policy = Policy {
            slsa: Some(SlsaDemand {
                source_uri: Some("github.com/owner/name".to_owned()),
                builder_id: Some(RUNNER.to_owned()),
                package_name: Some("@scope/name".to_owned()),
                package_version: Some("1.0.0".to_owned()),
                ..SlsaDemand::default()
            }),
            ..Policy::new()
        };
        Self { recipe, registry: Key::new(), publish, policy }
    }

    fn document(&self) -> Value {
        let payload = self.publish.to_string().into_bytes();
        let signature = self.registry.sign(&pae(IN_TOTO, &payload));
        let publish = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": { "publicKey": { "hint": "registry" }, "tlogEntries": [] },
            "dsseEnvelope": {
                "payload": b64(&payload), "payloadType": IN_TOTO,
                "signatures": [{ "sig": b64(&signature) }],
            },
        });
        json!({ "attestations": [
            { "predicateType": self.recipe.statement["predicateType"], "bundle": self.recipe.bundle() },
            { "predicateType": self.publish["predicateType"], "bundle": publish },
        ] })
    }

    fn trust(&self) -> Trust {
        let mut trust = trust(&self.recipe.world);
        let key = PublicKey::from_pem(&self.registry.pem(), "registry").unwrap();
        trust.npm_keys = BTreeMap::from([("registry".to_owned(), key)]).into();
        trust
    }

    fn verdict(&self) -> Verdict {
        judged(&self.document(), &self.trust(), &self.policy, package())
    }
}

#[test]
fn npm_documents_are_refused_for_each_wrong_field() {
    assert_eq!(Npm::new().verdict(), Verdict::Pass);
    let refused = |what: &str, change: &dyn Fn(&mut Npm)| {
        let mut npm = Npm::new();
        change(&mut npm);
        assert_ne!(npm.verdict(), Verdict::Pass, "{what}");
    };
    let predicate = |path: &'static str, value: Value| {
        refused(path, &|npm| {
            *npm.recipe.statement["predicate"].pointer_mut(path).unwrap() = value.clone();
        });
    };
    predicate("/builder/id", json!("https://github.com/actions/runner/self-hosted"));
    predicate("/buildType", json!("https://example.invalid/other"));
    predicate("/invocation/configSource/uri", json!("git+https://github.com/owner/x@refs/heads/main"));
    predicate("/invocation/configSource/entryPoint", json!(".github/workflows/other.yml"));
    predicate("/invocation/parameters", json!({ "x": 1 }));
    predicate("/metadata/buildInvocationId", json!("78-1"));
    predicate("/metadata/reproducible", json!(true));
    predicate("/metadata/completeness", json!({ "materials": true }));
    predicate("/materials", json!([]));
    predicate("/materials/0/uri", json!("git+https://github.com/owner/name@refs/heads/x"));
    for name in [
        "EVENT_NAME",
        "REF",
        "REPOSITORY",
        "REPOSITORY_ID",
        "REPOSITORY_OWNER_ID",
        "RUN_ATTEMPT",
        "RUN_ID",
        "SHA",
        "WORKFLOW_REF",
        "WORKFLOW_SHA",
        "UNKNOWN",
    ] {
        refused(name, &|npm| {
            npm.recipe.statement["predicate"]["invocation"]["environment"][format!("GITHUB_{name}")] =
                json!("other");
        });
    }
    refused("a time", &|npm| {
        npm.recipe.statement["predicate"]["metadata"]["buildStartedOn"] = json!("2026-01-01T00:00:00Z")
    });
    refused("an unknown field", &|npm| npm.recipe.statement["predicate"]["extra"] = json!(1));
    refused("a second material", &|npm| {
        npm.recipe.statement["predicate"]["materials"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "uri": "git+https://x" }));
    });
    refused("a second subject", &|npm| {
        let subject = npm.recipe.statement["subject"][0].clone();
        npm.recipe.statement["subject"].as_array_mut().unwrap().push(subject);
    });
    refused("another digest", &|npm| {
        npm.recipe.statement["subject"][0]["digest"]["sha512"] = json!(hex::encode([0; 64]))
    });
    refused("another digest published", &|npm| {
        npm.publish["subject"][0]["digest"]["sha512"] = json!(hex::encode([0; 64]))
    });
    refused("another name", &|npm| {
        npm.recipe.statement["subject"][0]["name"] = json!("pkg:npm/%40scope/other@1.0.0")
    });
    refused("another name published", &|npm| npm.publish["predicate"]["name"] = json!("@scope/other"));
    refused("another version published", &|npm| npm.publish["predicate"]["version"] = json!("1.0.1"));
    refused("another publish predicate", &|npm| {
        npm.publish["predicateType"] = json!("https://example.invalid/publish")
    });
    refused("another registry key", &|npm| {
        npm.policy.signer = SignerDemand::Unsaid;
        npm.recipe.thief = Some(Key::new());
    });
    refused("self-hosted runner", &|npm| npm.recipe.leaf.set(11, "self-hosted"));
    refused("unknown runner", &|npm| npm.recipe.leaf.set(11, "other"));
    refused("no builder demanded", &|npm| npm.policy.slsa.as_mut().unwrap().builder_id = None);
    let npm = Npm::new();
    let mut strangers = npm.trust();
    let stranger = PublicKey::from_pem(&Key::new().pem(), "x").unwrap();
    strangers.npm_keys = BTreeMap::from([("registry".to_owned(), stranger)]).into();
    assert_ne!(judged(&npm.document(), &strangers, &npm.policy, package()), Verdict::Pass);
    let mut half = npm.document();
    half["attestations"].as_array_mut().unwrap().pop();
    assert_ne!(judged(&half, &npm.trust(), &npm.policy, package()), Verdict::Pass);
}

#[test]
fn pypi_attestations_bind_file_name_and_publisher() {
    let make = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = Recipe::new();
        recipe.leaf.identity =
            "https://github.com/owner/name/.github/workflows/release.yml@refs/heads/main".to_owned();
        recipe.statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": "my_name-1.0.tar.gz", "digest": { "sha256": hex::encode(sha256(ARTIFACT)) } }],
            "predicateType": "https://docs.pypi.org/attestations/publish/v1",
            "predicate": null,
        });
        change(&mut recipe);
        let bundle = recipe.bundle();
        let material = &bundle["verificationMaterial"];
        let document = json!({
            "version": 1,
            "verification_material": {
                "certificate": material["certificate"]["rawBytes"],
                "transparency_entries": material["tlogEntries"],
            },
            "envelope": {
                "statement": bundle["dsseEnvelope"]["payload"],
                "signature": bundle["dsseEnvelope"]["signatures"][0]["sig"],
            },
        });
        (document, trust(&recipe.world))
    };
    let policy = |workflow: &str, repository: &str| Policy {
        publisher: Some(Publisher::GitHub {
            repository: repository.to_owned(),
            workflow: workflow.to_owned(),
        }),
        ..Policy::new()
    };
    let named = |name: &str| Subject { name: name.to_owned(), ..subject(ARTIFACT) };
    let sound = policy("release.yml", "owner/name");
    let verdict = |change: &dyn Fn(&mut Recipe), policy: &Policy, name: &str| {
        let (document, trust) = make(change);
        judged(&document, &trust, policy, named(name))
    };
    assert_eq!(verdict(&|_| {}, &sound, "my_name-1.0.tar.gz"), Verdict::Pass);
    assert_eq!(verdict(&|_| {}, &sound, "My.Name-1.0.tar.gz"), Verdict::Pass);
    assert_eq!(verdict(&|_| {}, &sound, "my_name-1.1.tar.gz"), Verdict::Fail);
    assert_eq!(verdict(&|_| {}, &policy("other.yml", "owner/name"), "my_name-1.0.tar.gz"), Verdict::Fail);
    assert_eq!(verdict(&|_| {}, &policy("release.yml", "owner/other"), "my_name-1.0.tar.gz"), Verdict::Fail);
    let refused = |change: &dyn Fn(&mut Recipe)| verdict(change, &sound, "my_name-1.0.tar.gz");
    assert_eq!(
        refused(&|r| r.statement["predicateType"] = json!("https://example.invalid/x")),
        Verdict::Fail
    );
    assert_eq!(
        refused(&|r| r.leaf.set(18, "https://github.com/owner/name/.github/workflows/release.yml@other")),
        Verdict::Fail
    );
    assert_eq!(
        refused(&|r| {
            let subject = r.statement["subject"][0].clone();
            r.statement["subject"].as_array_mut().unwrap().push(subject);
        }),
        Verdict::Fail
    );
}

#[test]
fn github_s_claims_are_compared_by_name() {
    let recipe = Recipe::new();
    let (bundle, trust) = (recipe.bundle(), trust(&recipe.world));
    let verdict = |demand: GitHubDemand| {
        let policy = Policy { github: Some(demand), ..Policy::new() };
        judged(&bundle, &trust, &policy, subject(ARTIFACT))
    };
    let own = |text: &str| Some(text.to_owned());
    let base = || GitHubDemand {
        owner: own("Owner"),
        repository: own("owner/NAME"),
        signer_repository: own("slsa-framework/slsa-github-generator"),
        deny_self_hosted_runners: true,
        ..GitHubDemand::default()
    };
    assert_eq!(verdict(base()), Verdict::Pass);
    assert_eq!(verdict(GitHubDemand { owner: own("other"), ..base() }), Verdict::Fail);
    assert_eq!(verdict(GitHubDemand { repository: own("owner/other"), ..base() }), Verdict::Fail);
    assert_eq!(
        verdict(GitHubDemand { signer_repository: None, ..base() }),
        Verdict::Fail,
        "the caller did not sign"
    );
    assert_eq!(
        verdict(GitHubDemand { signer_repository: own("slsa-framework/slsa"), ..base() }),
        Verdict::Fail
    );
    assert_eq!(verdict(GitHubDemand { tenant: own("acme"), ..base() }), Verdict::Fail);
    let workflow =
        |path: &str| GitHubDemand { signer_repository: None, signer_workflow: own(path), ..base() };
    let path = "slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml";
    assert_eq!(verdict(workflow(path)), Verdict::Pass);
    assert_eq!(verdict(workflow(&format!("github.com/{path}"))), Verdict::Pass);
    assert_eq!(verdict(workflow(path.trim_end_matches("slsa3.yml"))), Verdict::Fail);
    assert_eq!(verdict(GitHubDemand::default()), Verdict::Fail, "nobody in particular may have signed");
}

/// Cloud Build's document, signed by a regional key over the bare payload.
fn cloud_build(key: &Key, statement: &Value) -> Value {
    let payload = statement.to_string().into_bytes();
    let hex = hex::encode(sha256(ARTIFACT));
    let mut copy = statement.clone();
    let predicate = copy.as_object_mut().unwrap().remove("predicate").unwrap();
    copy["slsaProvenance"] = predicate;
    json!({
        "image_summary": {
            "digest": format!("sha256:{hex}"),
            "fully_qualified_digest": format!("registry.example.invalid/image@sha256:{hex}"),
        },
        "provenance_summary": { "provenance": [{
            "kind": "BUILD",
            "resourceUri": format!("https://registry.example.invalid/image@sha256:{hex}"),
            "build": { "intotoStatement": copy },
            "envelope": {
                "payload": b64(&payload), "payloadType": IN_TOTO,
                "signatures": [{
                    "keyid": "projects/verified-builder/locations/here/keyRings/attestor/cryptoKeys/builtByGCB/cryptoKeyVersions/1",
                    "sig": b64(&key.sign(&payload)),
                }],
            },
        }] },
    })
}

fn cloud_build_statement() -> Value {
    let worker = "https://cloudbuild.googleapis.com/GoogleHostedWorker";
    json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.1",
        "subject": [{ "name": "image", "digest": { "sha256": hex::encode(sha256(ARTIFACT)) } }],
        "predicate": {
            "builder": { "id": format!("{worker}@v0.3") },
            "recipe": {
                "type": "https://cloudbuild.googleapis.com/CloudBuildYaml@v0.1",
                "arguments": {
                    "@type": "type.googleapis.com/google.devtools.cloudbuild.v1.Build",
                    "substitutions": { "TAG_NAME": "v1.2.3" },
                },
            },
            "materials": [{ "uri": "https://github.com/owner/name", "digest": { "sha1": COMMIT } }],
        },
    })
}

#[test]
fn cloud_build_documents_are_refused_for_each_wrong_field() {
    let key = Key::new();
    let mut trust = trust(&World::new());
    trust.cloud_build_keys =
        BTreeMap::from([("here".to_owned(), PublicKey::from_pem(&key.pem(), "here").unwrap())]).into();
    let policy = Policy {
        slsa: Some(SlsaDemand {
            source_uri: Some("github.com/owner/name".to_owned()),
            builder_id: Some("https://cloudbuild.googleapis.com/GoogleHostedWorker".to_owned()),
            source_versioned_tag: Some("v1.2".to_owned()),
            ..SlsaDemand::default()
        }),
        ..Policy::new()
    };
    let verdict = |document: &Value| judged(document, &trust, &policy, subject(ARTIFACT));
    let sound = cloud_build(&key, &cloud_build_statement());
    assert_eq!(verdict(&sound), Verdict::Pass);
    let other = json!("other");
    let occurrence = "/provenance_summary/provenance/0";
    for path in [
        "/image_summary/digest".to_owned(),
        "/image_summary/fully_qualified_digest".to_owned(),
        format!("{occurrence}/kind"),
        format!("{occurrence}/resourceUri"),
        format!("{occurrence}/build/intotoStatement/slsaProvenance/builder/id"),
        format!("{occurrence}/build/intotoStatement/slsaProvenance/materials/0/uri"),
        format!("{occurrence}/build/intotoStatement/subject/0/name"),
        format!("{occurrence}/build/intotoStatement/slsaProvenance/recipe/arguments/substitutions/TAG_NAME"),
        format!("{occurrence}/envelope/payload"),
        format!("{occurrence}/envelope/payloadType"),
        format!("{occurrence}/envelope/signatures/0/keyid"),
        format!("{occurrence}/envelope/signatures/0/sig"),
    ] {
        let mut document = sound.clone();
        *document.pointer_mut(&path).unwrap() = other.clone();
        assert_ne!(verdict(&document), Verdict::Pass, "{path}");
    }
    for path in [
        "/_type",
        "/predicateType",
        "/subject/0/digest/sha256",
        "/predicate/builder/id",
        "/predicate/recipe/type",
        "/predicate/recipe/arguments/@type",
        "/predicate/recipe/arguments/substitutions/TAG_NAME",
        "/predicate/materials/0/uri",
    ] {
        let mut statement = cloud_build_statement();
        *statement.pointer_mut(path).unwrap() = other.clone();
        assert_ne!(verdict(&cloud_build(&key, &statement)), Verdict::Pass, "{path}");
    }
    assert_ne!(verdict(&cloud_build(&Key::new(), &cloud_build_statement())), Verdict::Pass);
}

#[test]
fn verification_summaries_are_refused_for_each_wrong_field() {
    let key = Key::new();
    let sound = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "a", "digest": { "sha256": hex::encode(sha256(ARTIFACT)), "gce_image_id": "42" } }],
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": { "id": "https://verifier.example.invalid" },
            "resourceUri": "pkg:generic/a@1",
            "policy": { "uri": "https://example.invalid/policy" },
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_2"],
        },
    });
    let make = |statement: &Value, keyid: &str| {
        let payload = statement.to_string().into_bytes();
        let signature = key.sign(&pae(IN_TOTO, &payload));
        json!({ "payload": b64(&payload), "payloadType": IN_TOTO, "signatures": [{ "sig": b64(&signature), "keyid": keyid }] })
    };
    let policy = Policy {
        signer: SignerDemand::GivenKey,
        summary: Some(SummaryDemand {
            verifier_id: "https://verifier.example.invalid".to_owned(),
            resource_uri: "pkg:generic/a@1".to_owned(),
            verified_levels: vec!["SLSA_BUILD_LEVEL_1".to_owned()],
            subject_digests: vec!["gce_image_id:42".to_owned()],
        }),
        ..Policy::new()
    };
    let public = PublicKey::from_pem(&key.pem(), "key").unwrap();
    let mut trust = trust(&World::new());
    trust.keys = vec![TrustedKey::new(public.clone())];
    let verdict = |document: &Value| judged(document, &trust, &policy, subject(ARTIFACT));
    assert_eq!(verdict(&make(&sound, "")), Verdict::Pass);
    assert_eq!(verdict(&make(&sound, &public.ssh_fingerprint())), Verdict::Pass);
    assert_ne!(verdict(&make(&sound, "another key")), Verdict::Pass);
    for path in [
        "/_type",
        "/predicateType",
        "/subject/0/digest/sha256",
        "/subject/0/digest/gce_image_id",
        "/predicate/verifier/id",
        "/predicate/resourceUri",
        "/predicate/verificationResult",
        "/predicate/verifiedLevels/0",
    ] {
        let mut statement = sound.clone();
        *statement.pointer_mut(path).unwrap() = json!("other");
        assert_ne!(verdict(&make(&statement, "")), Verdict::Pass, "{path}");
    }
}
