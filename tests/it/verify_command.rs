//! `reprove verify` as people run it: exit codes, words, and no socket.

use std::collections::BTreeMap;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Output};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::{Value, json};

use crate::sigstore_world::{GENERATOR, ISSUER, Key, b64, pem};
use crate::verify_attestations::{ARTIFACT, Recipe};

const SEALED: &str = "REPROVE_TEST_SEALED";

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self::of(&Recipe::new())
    }

    fn of(recipe: &Recipe) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("artifact", ARTIFACT);
        write("other", b"another artifact");
        write("bundle.json", recipe.bundle().to_string().as_bytes());
        write("root.json", recipe.world.trusted_root().to_string().as_bytes());
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_reprove"))
            .current_dir(self.path())
            .args(["verify", "--trusted-root", "root.json", "-a", "bundle.json"])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn code(&self, arguments: &[&str]) -> Option<i32> {
        self.run(arguments).status.code()
    }
}

const SOURCE: [&str; 3] = ["--source-uri", "github.com/owner/name", "--default-builders"];

#[test]
fn exit_codes_tell_the_verdicts_apart() {
    let folder = Folder::new();
    let with = |files: &[&str], more: &[&str]| folder.code(&[files, more].concat());
    assert_eq!(with(&["artifact"], &SOURCE), Some(0));
    assert_eq!(with(&["other"], &SOURCE), Some(1));
    assert_eq!(with(&["artifact", "other"], &SOURCE), Some(3));
    assert_eq!(with(&["artifact"], &[]), Some(3));
    assert_eq!(with(&["artifact"], &["--any-signer"]), Some(0));
    assert_eq!(with(&["artifact"], &["--claim", "no-such=x"]), Some(2));
    assert_eq!(with(&["artifact"], &["--source-branch", "main"]), Some(2));
    assert_eq!(with(&["absent"], &SOURCE), Some(4));
    assert_eq!(with(&["art*"], &SOURCE), Some(0));
    assert_eq!(with(&["zzz*"], &SOURCE), Some(2));
    assert_eq!(with(&["sha256:00"], &SOURCE), Some(2));
    let digest = reprove::digest::Digest::sha256(ARTIFACT).to_string();
    assert_eq!(with(&[&digest], &SOURCE), Some(0));
}

#[test]
fn a_refusal_says_what_was_expected_and_found_and_shows_the_statement() {
    let folder = Folder::new();
    let output = folder.run(&[&["artifact", "--source-branch", "release"], &SOURCE[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let expected =
        "    refuted      source-branch\n      expected   release\n      found      refs/heads/main";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("\"predicateType\": \"https://slsa.dev/provenance/v0.2\""), "{text}");
    assert!(text.contains("\n    fail: source-branch\n"), "{text}");
    assert!(text.ends_with("\nfail\n"), "{text}");
}

#[test]
fn a_line_break_in_a_claim_begins_no_line_of_ours() {
    let mut recipe = Recipe::new();
    recipe.statement["predicate"]["buildType"] = "x\n    pass\n\u{1b}[2Jpass".into();
    let folder = Folder::of(&recipe);
    let output = folder.run(&[&["artifact"], &SOURCE[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(r"x\n    pass\n\u{1b}[2Jpass"), "{text}");
    assert!(!text.lines().any(|line| line.trim() == "pass"), "{text}");
}

#[test]
fn the_json_answer_follows_its_published_schema_s_names() {
    let folder = Folder::new();
    let output = folder.run(&[&["artifact", "--format", "json"], &SOURCE[..]].concat());
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema: Value =
        serde_json::from_str(include_str!("../../policies/verify/answer.schema.json")).unwrap();
    assert_eq!(value["schema"], schema["$id"]);
    let conforms = |value: &Value, definition: &Value| {
        let known = definition["properties"].as_object().unwrap();
        for name in value.as_object().unwrap().keys() {
            assert!(known.contains_key(name), "`{name}` is not in the schema");
        }
        for name in definition["required"].as_array().unwrap() {
            assert!(value.get(name.as_str().unwrap()).is_some(), "{name} is required");
        }
    };
    conforms(&value, &schema);
    conforms(&value["artifacts"][0], &schema["$defs"]["artifact"]);
    let attestation = &value["artifacts"][0]["attestations"][0];
    conforms(attestation, &schema["$defs"]["attestation"]);
    for check in attestation["checks"].as_array().unwrap() {
        conforms(check, &schema["$defs"]["check"]);
    }
    assert_eq!(value["verdict"], "pass");
}

#[test]
fn a_summary_is_written_and_accepted_back_from_its_verifier_only() {
    let folder = Folder::new();
    let key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.path().join("key.pub"), key.public_key_pem()).unwrap();
    std::fs::write(folder.path().join("other.pub"), Key::new().pem()).unwrap();
    let vsa =
        ["--vsa", "vsa.json", "--key", "key.pem", "--vsa-verifier-id", "https://verifier.example.invalid"];
    let resource = ["--vsa-resource-uri", "pkg:generic/artifact@1"];
    let output = folder.run(&[&["artifact"], &SOURCE[..], &vsa[..], &resource[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let back = |file: &str, key: &str, verifier: &str, level: &str| {
        Command::new(env!("CARGO_BIN_EXE_reprove"))
            .current_dir(folder.path())
            .args(["verify", file, "-a", "vsa.json", "--public-key", key, "--verifier-id", verifier])
            .args(["--resource-uri", "pkg:generic/artifact@1", "--verified-level", level])
            .output()
            .unwrap()
            .status
            .code()
    };
    let verifier = "https://verifier.example.invalid";
    assert_eq!(back("artifact", "key.pub", verifier, "SLSA_BUILD_LEVEL_3"), Some(0));
    assert_eq!(back("artifact", "key.pub", verifier, "SLSA_BUILD_LEVEL_4"), Some(1));
    assert_eq!(back("artifact", "key.pub", "https://other.example.invalid", "SLSA_BUILD_LEVEL_3"), Some(1));
    assert_eq!(back("artifact", "other.pub", verifier, "SLSA_BUILD_LEVEL_3"), Some(1));
    assert_eq!(back("other", "key.pub", verifier, "SLSA_BUILD_LEVEL_3"), Some(1));
    let text = std::fs::read_to_string(folder.path().join("vsa.json")).unwrap();
    assert!(!text.contains("SLSA_BUILD_REPRODUCED"));
}

#[test]
fn an_image_layout_is_read_with_cosign_s_annotations() {
    let mut recipe = Recipe::new();
    recipe.leaf.identity =
        crate::sigstore_world::GENERATOR.replace("generic", "container") + "@refs/tags/v2.1.0";
    recipe.statement["predicate"]["builder"]["id"] = recipe.leaf.identity.clone().into();
    recipe.statement["predicate"]["buildType"] =
        "https://github.com/slsa-framework/slsa-github-generator/container@v1".into();
    let bundle = recipe.bundle();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let blobs = folder.path().join("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8]| {
        let hex = reprove::digest::Digest::sha256(bytes).to_hex();
        std::fs::write(blobs.join(&hex), bytes).unwrap();
        format!("sha256:{hex}")
    };
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    let certificate = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        bundle["verificationMaterial"]["certificate"]["rawBytes"].as_str().unwrap(),
    )
    .unwrap();
    let layer = blob(bundle["dsseEnvelope"].to_string().as_bytes());
    let log_id = hex::encode(recipe.world.rekor.id());
    let annotation = serde_json::json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": crate::sigstore_world::SIGNED_AT,
            "logIndex": 0,
            "logID": log_id,
        },
    });
    let manifest = serde_json::json!({ "schemaVersion": 2, "layers": [{
        "mediaType": "application/vnd.dsse.envelope.v1+json",
        "digest": layer,
        "annotations": {
            "dev.sigstore.cosign/certificate": pem("CERTIFICATE", &certificate),
            "dev.sigstore.cosign/bundle": annotation.to_string(),
        },
    }] });
    let manifest = blob(manifest.to_string().as_bytes());
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [{ "digest": manifest }] });
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("layout/index.json", index.to_string());
    write("layout/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#.to_owned());
    write("root.json", recipe.world.trusted_root().to_string());
    let run = || {
        let digest = reprove::digest::Digest::sha256(ARTIFACT).to_string();
        Command::new(env!("CARGO_BIN_EXE_reprove"))
            .current_dir(folder.path())
            .args(["verify", &digest, "--trusted-root", "root.json", "-a", "layout"])
            .args(SOURCE)
            .output()
            .unwrap()
    };
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("signed entry timestamp alone"));
    // A blob of other bytes than its name says is not read at all.
    let path = blobs.join(layer.strip_prefix("sha256:").unwrap());
    std::fs::write(&path, b"{}").unwrap();
    assert_eq!(run().status.code(), Some(4));
}

#[test]
fn many_artifacts_are_judged_in_turns_as_all_at_once() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["artifacts", "bundles", "few"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    let mut recipe = Recipe::new();
    let count = 300;
    for index in 0..count {
        let artifact = format!("artifact {index}");
        let hex = reprove::digest::Digest::sha256(artifact.as_bytes()).to_hex();
        recipe.statement["subject"] =
            serde_json::json!([{ "name": "artifact", "digest": { "sha256": hex } }]);
        let mut bundle = recipe.bundle();
        if index == 7 {
            bundle["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA".into();
        }
        std::fs::write(path("artifacts").join(format!("{index:03}")), artifact).unwrap();
        std::fs::write(path("bundles").join(format!("{index:03}.json")), bundle.to_string()).unwrap();
    }
    std::fs::write(path("artifacts/unattested"), "nobody").unwrap();
    std::fs::write(path("root.json"), recipe.world.trusted_root().to_string()).unwrap();
    let run = |more: &[&str]| {
        let command = ["verify", "artifacts", "--trusted-root", "root.json", "-a", "bundles"];
        let mut process = Command::new(env!("CARGO_BIN_EXE_reprove"));
        process.current_dir(folder.path()).args(command).args(SOURCE).args(more).output().unwrap()
    };
    let text = run(&[]);
    let shown = String::from_utf8(text.stdout).unwrap();
    assert_eq!(text.status.code(), Some(1));
    assert!(shown.ends_with("\nfail\n"), "{shown}");
    assert!(shown.contains("301 artifacts: 299 pass, 1 inconclusive, 1 fail"), "{shown}");
    let turns: Value = serde_json::from_slice(&run(&["--format", "json"]).stdout).unwrap();
    // A demand on every attestation needs all of them at once: the answers are otherwise the same.
    assert_eq!(turns["verdict"], "fail");
    let verdicts: Vec<_> = turns["artifacts"].as_array().unwrap().iter().map(|a| &a["verdict"]).collect();
    assert_eq!(verdicts.len(), count + 1);
    assert_eq!(
        (verdicts[7], verdicts[8], verdicts[count]),
        (&"fail".into(), &"pass".into(), &"inconclusive".into())
    );
    // The same few artifacts in one piece.
    for index in 6..9 {
        let name = format!("{index:03}.json");
        std::fs::copy(path("bundles").join(&name), path("few").join(&name)).unwrap();
    }
    let artifacts: Vec<_> = (6..9).map(|index| format!("artifacts/{index:03}")).collect();
    let few = Command::new(env!("CARGO_BIN_EXE_reprove"))
        .current_dir(folder.path())
        .args(["verify", "--trusted-root", "root.json", "-a", "few", "--format", "json"])
        .args(&artifacts)
        .args(SOURCE)
        .output()
        .unwrap();
    let few: Value = serde_json::from_slice(&few.stdout).unwrap();
    for (index, one) in (6..9).zip(few["artifacts"].as_array().unwrap()) {
        let mut other = turns["artifacts"][index].clone();
        other["attestations"][0]["source"] = one["attestations"][0]["source"].clone();
        assert_eq!(*one, other, "{index}");
    }
}

/// Kills whoever opens a socket, and keeps doing so after `exec`.
fn seal() {
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
        [libc::SYS_socket, libc::SYS_socketpair, libc::SYS_connect].map(|call| (call, Vec::new())).into();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        std::env::consts::ARCH.try_into().unwrap(),
    )
    .unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

/// Runs this very test in a process of its own, where it seals itself and becomes the program.
fn sealed(test: &str, command: &[&str], folder: &Path) -> std::process::ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("verify_command::{test}"), "--nocapture"])
        .env(SEALED, command.join("\u{1f}"))
        .current_dir(folder)
        .output()
        .unwrap()
        .status
}

#[test]
fn no_socket_is_opened() {
    if let Ok(command) = std::env::var(SEALED) {
        seal();
        if command == "socket" {
            let _ = std::net::UdpSocket::bind("127.0.0.1:0");
            return;
        }
        let error = Command::new(env!("CARGO_BIN_EXE_reprove")).args(command.split('\u{1f}')).exec();
        panic!("{error}");
    }
    let folder = Folder::new();
    let control = sealed("no_socket_is_opened", &["socket"], folder.path());
    assert_eq!(control.signal(), Some(libc::SIGSYS), "the seal holds: {control}");
    let verify = ["verify", "artifact", "--trusted-root", "root.json", "-a", "bundle.json"];
    let status = sealed("no_socket_is_opened", &[&verify[..], &SOURCE[..]].concat(), folder.path());
    assert_eq!(status.code(), Some(0), "{status}");
    let embedded = ["verify", "artifact", "-a", "bundle.json"];
    let status = sealed("no_socket_is_opened", &[&embedded[..], &SOURCE[..]].concat(), folder.path());
    assert_eq!(status.code(), Some(1), "the embedded roots do not know this instance: {status}");
}

#[test]
fn one_file_that_cannot_be_read_does_not_end_a_run_over_many() {
    let folder = Folder::new();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("broken.json", "{\"mediaType\": ");
    let run = |arguments: &[&str]| {
        let output = folder.run(&[arguments, &SOURCE[..]].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    // The only document: there is nothing else to go by.
    let alone = Command::new(env!("CARGO_BIN_EXE_reprove"))
        .current_dir(folder.path())
        .args(["verify", "artifact", "-a", "broken.json", "--any-signer"])
        .output()
        .unwrap();
    assert_eq!((alone.status.code(), alone.stdout.is_empty()), (Some(4), true));
    // Beside others it is named, the others are judged, and the whole is no pass.
    let (code, text) = run(&["artifact", "-a", "broken.json"]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("not read: broken.json\n  error[verify::not_json]: "), "{text}");
    assert!(text.contains("\n    pass\n") && text.ends_with("\ninconclusive\n"), "{text}");
    // A refusal is worse than what could not be looked at.
    assert_eq!(run(&["other", "-a", "broken.json"]).0, Some(1));
    let (code, text) = run(&["artifact", "absent", "--format", "json"]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &value["verdict"]), (Some(4), &"inconclusive".into()));
    assert_eq!(value["artifacts"][0]["verdict"], "pass");
    assert_eq!(
        (&value["unread"][0]["source"], &value["unread"][0]["code"]),
        (&"absent".into(), &"cli::read".into())
    );
    // A summary says of all of them that they pass, so that all of them have to be read.
    let key = rcgen::KeyPair::generate().unwrap();
    write("key.pem", &key.serialize_pem());
    let vsa = ["--vsa", "vsa.json", "--key", "key.pem", "--vsa-verifier-id", "https://v.example.invalid"];
    let resource = ["--vsa-resource-uri", "pkg:generic/artifact@1"];
    let (code, text) = run(&[&["artifact", "-a", "broken.json"], &vsa[..], &resource[..]].concat());
    assert_eq!((code, text.is_empty(), folder.path().join("vsa.json").exists()), (Some(4), true, false));
}

/// As many documents as are read in turns: some of them broken, in each way that is found at another point.
#[test]
fn broken_documents_among_many_are_named_once_and_the_others_judged() {
    let folder = Folder::new();
    let bundle = std::fs::read_to_string(folder.path().join("bundle.json")).unwrap();
    let many = folder.path().join("many");
    std::fs::create_dir(&many).unwrap();
    // About another artifact, so that nobody looks whether they are signed.
    let mut other: Value = serde_json::from_str(&bundle).unwrap();
    let digest = reprove::digest::Digest::sha256(b"a third artifact").to_hex();
    let statement = json!({ "subject": [{ "name": "third", "digest": { "sha256": digest } }] });
    other["dsseEnvelope"]["payload"] = b64(statement.to_string().as_bytes()).into();
    for index in 0..300 {
        std::fs::write(many.join(format!("{index}.json")), other.to_string()).unwrap();
    }
    std::fs::write(many.join("0.json"), "{").unwrap();
    // States the artifact's digest, and says something twice.
    let twice = bundle.replacen('{', "{\"mediaType\":\"x\",", 1);
    std::fs::write(many.join("1.json"), twice).unwrap();
    let output =
        folder.run(&[&["artifact", "other", "-a", "many", "--format", "json"], &SOURCE[..]].concat());
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unread: Vec<_> = value["unread"].as_array().unwrap().iter().map(|u| &u["source"]).collect();
    assert_eq!(unread, ["many/0.json", "many/1.json"]);
    let verdicts: Vec<_> = value["artifacts"].as_array().unwrap().iter().map(|a| &a["verdict"]).collect();
    assert_eq!(verdicts, ["pass", "inconclusive"]);
    assert_eq!(output.status.code(), Some(4));
}

/// Sigstore's protocol: an artifact that is no path on disk, and looks like a digest, is one.
#[test]
fn the_conformance_protocol_tells_digests_from_files_as_it_is_written() {
    let folder = Folder::new();
    let run = |artifact: &str, identity: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_reprove"))
            .current_dir(folder.path())
            .args(["conformance", "verify-bundle", "--bundle", "bundle.json"])
            .args(["--certificate-identity", identity, "--certificate-oidc-issuer", ISSUER])
            .args(["--trusted-root", "root.json", artifact])
            .output()
            .unwrap();
        output.status.code()
    };
    let identity = format!("{GENERATOR}@refs/tags/v2.1.0");
    let digest = reprove::digest::Digest::sha256(ARTIFACT).to_string();
    let other = reprove::digest::Digest::sha256(b"other things").to_string();
    assert_eq!(run("artifact", &identity), Some(0));
    assert_eq!(run("artifact", "somebody else"), Some(1));
    assert_eq!(run(&digest, &identity), Some(0));
    assert_eq!(run(&other, &identity), Some(1));
    // Files of such names.
    std::fs::write(folder.path().join(&other), ARTIFACT).unwrap();
    assert_eq!(run(&other, &identity), Some(0));
    std::fs::write(folder.path().join("sha256:short"), ARTIFACT).unwrap();
    assert_eq!(run("sha256:short", &identity), Some(0));
    std::fs::write(folder.path().join(&digest), b"not the artifact").unwrap();
    assert_eq!(run(&digest, &identity), Some(1));
}
