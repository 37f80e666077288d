//! Writes the first inputs of each target into `corpus/`, from an instance of Sigstore and artifacts that
//! are made on the spot.
#![allow(dead_code, unused_imports)]

#[path = "../../it/archives.rs"]
mod archives;
mod artifacts;
#[path = "../../it/compare_formats.rs"]
mod compare_formats;
#[path = "../../it/compare_mutations.rs"]
mod compare_mutations;
#[path = "../../it/compare_packages.rs"]
mod compare_packages;
#[path = "../../it/compare_stamped.rs"]
mod compare_stamped;
#[path = "../../it/sigstore_world/mod.rs"]
mod sigstore_world;
#[path = "../../it/verify_attestations.rs"]
mod verify_attestations;

use std::path::Path;

// Built beside the targets and as they are, so that nothing is compiled twice: their instrumentation is
// libFuzzer's.
use libfuzzer_sys as _;
use reprove::digest::Digest;
use serde_json::{Value, json};
use verify_attestations::{ARTIFACT, Recipe, statement};

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder).expect("the corpus folder");
    std::fs::write(folder.join(name), bytes).expect("a seed");
}

fn main() {
    artifacts::write();
    let (v1, v2) = (Recipe::new(), Recipe::v2());
    let bundle = v1.bundle();
    write("attestation", "rekor-v1", bundle.to_string());
    write("attestation", "rekor-v2", v2.bundle().to_string());
    let envelope = &bundle["dsseEnvelope"];
    let mut bare = envelope.clone();
    bare["signatures"][0]["cert"] = json!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write("attestation", "envelope", bare.to_string());
    write("attestation", "lines", format!("{bundle}\n{bundle}\n"));
    let npm = json!({ "attestations": [
        { "predicateType": "https://slsa.dev/provenance/v0.2", "bundle": bundle },
        { "predicateType": "https://github.com/npm/attestation/tree/main/specs/publish/v0.1", "bundle": bundle },
    ] });
    write("attestation", "npm", npm.to_string());
    let material = &bundle["verificationMaterial"];
    let pypi = json!({
        "version": 1,
        "verification_material": {
            "certificate": material["certificate"]["rawBytes"],
            "transparency_entries": material["tlogEntries"],
        },
        "envelope": { "statement": envelope["payload"], "signature": envelope["signatures"][0]["sig"] },
    });
    write("attestation", "pypi", pypi.to_string());
    let cloud_build = json!({
        "image_summary": { "digest": Digest::sha256(ARTIFACT).to_string(), "fully_qualified_digest": "a@b" },
        "provenance_summary": { "provenance": [{
            "kind": "BUILD",
            "resourceUri": format!("image@{}", Digest::sha256(ARTIFACT)),
            "envelope": {
                "payload": envelope["payload"],
                "payloadType": envelope["payloadType"],
                "signatures": [{
                    "keyid": "projects/verified-builder/locations/global/keyRings/attestor/cryptoKeys/google-hosted-worker/cryptoKeyVersions/1",
                    "sig": "AAAA",
                }],
            },
        }] },
    });
    write("attestation", "cloud-build", cloud_build.to_string());

    write("statement", "provenance-v0.2", statement().to_string());
    let uri = "git+https://github.com/owner/name@refs/tags/v1.2.3";
    let subject: Value = statement()["subject"].clone();
    let v1_statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://slsa.dev/container-based-build/v0.1?draft",
                "externalParameters": { "workflow": { "repository": "https://github.com/owner/name", "ref": "refs/tags/v1.2.3" } },
                "internalParameters": { "GITHUB_WORKFLOW_REF": "owner/name/x.yml@refs/tags/v1.2.3", "GITHUB_REF_TYPE": "tag", "GITHUB_REF": "refs/tags/v1.2.3" },
                "resolvedDependencies": [{ "uri": uri, "digest": { "sha1": sigstore_world::COMMIT } }],
            },
            "runDetails": { "builder": { "id": sigstore_world::GENERATOR }, "metadata": { "invocationId": "x" } },
        },
    });
    write("statement", "provenance-v1", v1_statement.to_string());
    let summary = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": { "id": "https://verifier.example.invalid" },
            "resourceUri": "pkg:generic/artifact",
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
        },
    });
    write("statement", "summary", summary.to_string());

    let entry = &material["tlogEntries"][0];
    write("log_entry", "bundle", entry.to_string());
    let rekor = json!({ "uuid": {
        "body": entry["canonicalizedBody"],
        "integratedTime": sigstore_world::SIGNED_AT,
        "logID": hex::encode(v1.world.rekor.id()),
        "logIndex": 0,
        "verification": { "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"] },
    } });
    write("log_entry", "rekor", rekor.to_string());

    let head = "author Ann <a@example.invalid> 1780272000 +0000\ncommitter Ann <a@example.invalid> 1780272000 +0000\n";
    let tree = format!("tree {}\n", "0".repeat(40));
    for (name, label) in [("openpgp", "PGP SIGNATURE"), ("ssh", "SSH SIGNATURE"), ("cms", "SIGNED MESSAGE")] {
        let armor = format!("-----BEGIN {label}-----\n\nMAMCAQE=\n-----END {label}-----\n");
        let folded = armor.trim_end().replace('\n', "\n ");
        write("git_object", &format!("commit-{name}"), format!("{tree}{head}gpgsig {folded}\n\nmessage\n"));
        let tag = format!(
            "object {}\ntype commit\ntag v1\ntagger Ann <a@example.invalid> 1780272000 +0000\n",
            "0".repeat(40)
        );
        write("git_object", &format!("tag-{name}"), format!("{tag}\nmessage\n{armor}"));
        write("signature", name, armor);
    }
    write("signature", "checksums", format!("{}  name\n", Digest::sha256(ARTIFACT).to_hex()));
    write("signature", "checksums-bsd", format!("SHA256 (name) = {}\n", Digest::sha256(ARTIFACT).to_hex()));
    let minisign = "untrusted comment: x\nRUQf6LRCGA9i5wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\ntrusted comment: y\nAAAA\n";
    write("signature", "minisign", minisign);

    write("keys", "pem", v1.key.pem());
    write("keys", "der", v1.key.spki());
    write("keys", "p521", sigstore_world::Key::p521().pem());
    write(
        "keys",
        "allowed",
        "ann@example.invalid namespaces=\"git\",valid-before=\"20270101Z\" ssh-ed25519 AAAA\n",
    );
    write("policy", "example", include_str!("../../../policies/verify/example.toml"));
    write("policy", "builders", include_str!("../../../policies/trust/builders.toml"));
    write("trust_root", "own", v1.world.trusted_root().to_string());
}
