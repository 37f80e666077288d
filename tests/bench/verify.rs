//! Verification: one bundle against the clients in Python, JavaScript and Go, a verification summary against
//! slsa-verifier (which verifies provenance only where it reaches Sigstore's servers), many bundles against the
//! bare cryptography, one large artifact against the bare hash. What is verified is made here.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sigstore_types::{Bundle, Sha256Hash};
use sigstore_verify::trust_root::TrustedRoot;
use sigstore_verify::{VerificationPolicy, Verifier};

use crate::compare::{reprove, shell};
use crate::sigstore_world::{ISSUER, Key, Leaf, SIGNED_AT, World, b64, hashedrekord_v1_body, sha256};
use crate::{Case, Job, Peer, Target};

/// How often ours runs for one run of a peer's: the peers are to be a hundred times slower.
const TIMES: usize = 100;
const ARTIFACTS: usize = 10_000;
const LARGE_BYTES: u64 = 5 << 30;
const VERIFIER: &str = "https://verifier.example.invalid";
const RESOURCE: &str = "pkg:generic/artifact@1";
const IDENTITY: &str = "https://github.com/owner/name/.github/workflows/release.yml@refs/heads/main";

/// A program by a peer that verifies one bundle, as `tests/bench/setup` leaves it.
const JAVASCRIPT: &str = r#"
const fs = require("fs");
const { bundleFromJSON } = require("@sigstore/bundle");
const { TrustedRoot } = require("@sigstore/protobuf-specs");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");
const json = (name) => JSON.parse(fs.readFileSync(name));
const material = toTrustMaterial(TrustedRoot.fromJSON(json("root.json")));
const entity = toSignedEntity(bundleFromJSON(json("bundle.json")), fs.readFileSync("artifact"));
new Verifier(material).verify(entity, { subjectAlternativeName: process.argv[2], extensions: { issuer: process.argv[3] } });
"#;

/// The cases, on bundles that are made where they are not there yet.
pub(crate) fn cases(scratch: &Path) -> io::Result<Result<Vec<Case>, String>> {
    let folder = scratch.join("verify");
    let many = folder.join("many");
    fs::create_dir_all(many.join("artifacts"))?;
    fs::create_dir_all(many.join("bundles"))?;
    let world = World::new();
    let (artifact, bundle) = signed(&world, 0);
    fs::write(folder.join("artifact"), &artifact)?;
    fs::write(folder.join("bundle.json"), bundle.to_string())?;
    fs::write(folder.join("root.json"), world.trusted_root().to_string())?;
    fs::write(folder.join("trust.json"), client_trust(&world).to_string())?;
    fs::write(folder.join("verify.js"), JAVASCRIPT)?;
    let summariser = Key::new();
    fs::write(folder.join("summary.json"), summary(&summariser, &artifact).to_string())?;
    fs::write(folder.join("summary.pub"), summariser.pem())?;
    if !many.join("root.json").exists() {
        for index in 0..ARTIFACTS {
            let (artifact, bundle) = signed(&world, index);
            fs::write(many.join(format!("artifacts/{index}")), artifact)?;
            fs::write(many.join(format!("bundles/{index}.json")), bundle.to_string())?;
        }
        fs::write(many.join("root.json"), world.trusted_root().to_string())?;
    }
    fs::File::create(folder.join("large"))?.set_len(LARGE_BYTES)?;

    let python = folder.join("python/bin/python");
    let by_python = peer(
        &folder,
        &python,
        "sigstore-python",
        &[
            "-m",
            "sigstore",
            "--trust-config",
            "trust.json",
            "verify",
            "identity",
            "--offline",
            "--bundle",
            "bundle.json",
            "--cert-identity",
            IDENTITY,
            "--cert-oidc-issuer",
            ISSUER,
            "artifact",
        ],
    );
    let by_javascript = if folder.join("node_modules/@sigstore/verify").is_dir() {
        peer(&folder, Path::new("node"), "sigstore-js", &["verify.js", IDENTITY, ISSUER])
    } else {
        Peer::Absent("run `tests/bench/setup` with npm".into())
    };
    let go = |name: &str| Some(folder.join("go").join(name)).filter(|program| program.exists());
    let one = [
        "verify",
        "artifact",
        "-a",
        "bundle.json",
        "--trusted-root",
        "root.json",
        "--identity",
        IDENTITY,
        "--issuer",
        ISSUER,
    ];
    let hundred = |peer| Case {
        name: format!("verify: {TIMES} times one bundle, peer once"),
        ours: times(&folder, &reprove(), &one),
        peer,
        targets: vec![Target::CpuSeconds(0.005 * TIMES as f64), Target::CpuRatio(1.0)],
    };
    let in_go = |name: &str, what: &str, ours: &[&str], theirs: &[&str]| Case {
        name: format!("verify: {TIMES} times {what}"),
        ours: times(&folder, &reprove(), ours),
        peer: match go(name) {
            Some(program) => Peer::Runs(name.into(), times(&folder, &program, theirs)),
            None => Peer::Absent("run `tests/bench/setup` with go".into()),
        },
        targets: vec![Target::CpuRatio(1.0)],
    };
    let cosign = [
        "verify-blob",
        "artifact",
        "--offline",
        "--new-bundle-format",
        "--bundle",
        "bundle.json",
        "--trusted-root",
        "root.json",
        "--certificate-identity",
        IDENTITY,
        "--certificate-oidc-issuer",
        ISSUER,
    ];
    let subject = format!("sha256:{}", hex::encode(sha256(&artifact)));
    let summary = [
        "--verifier-id",
        VERIFIER,
        "--resource-uri",
        RESOURCE,
        "--subject-digest",
        &subject,
        "--verified-level",
        "SLSA_BUILD_LEVEL_2",
    ];
    let our_summary =
        [&["verify", "-a", "summary.json", "--public-key", "summary.pub"][..], &summary].concat();
    let theirs = ["verify-vsa", "--attestation-path", "summary.json", "--public-key-path", "summary.pub"];
    let their_summary = [&theirs[..], &summary].concat();
    let whole = |folder: PathBuf, arguments: Vec<String>| -> Job {
        Box::new(move || {
            let mut command = Command::new(reprove());
            command.current_dir(&folder).args(&arguments);
            Ok(command)
        })
    };
    let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let all = own(&[
        "verify",
        "artifacts",
        "-a",
        "bundles",
        "--trusted-root",
        "root.json",
        "--identity",
        IDENTITY,
        "--issuer",
        ISSUER,
    ]);
    Ok(Ok(vec![
        hundred(by_python),
        hundred(by_javascript),
        in_go("cosign", "one bundle, as the peer", &one, &cosign),
        in_go("slsa-verifier", "one summary, as the peer", &our_summary, &their_summary),
        Case {
            name: format!("verify: {ARTIFACTS} artifacts with bundles"),
            ours: whole(many.clone(), all),
            peer: Peer::Runs("the bare library".into(), ours(&many, &["verify-bare"])),
            targets: vec![Target::CpuRatio(1.2), Target::PeakMib(64.0)],
        },
        Case {
            name: "verify: an artifact of 5 GiB".into(),
            // Nobody signed it: the answer is a refusal, after all of it was read.
            ours: shell(format!(
                "cd '{}' && '{}' verify large -a bundle.json --trusted-root root.json --any-signer",
                folder.display(),
                reprove().display()
            )),
            peer: Peer::Runs("SHA-256 alone".into(), ours(&folder, &["verify-hash", "large"])),
            targets: vec![Target::CpuRatio(1.05), Target::PeakMib(24.0)],
        },
    ]))
}

/// Our side, or the bare one, as a process of its own.
pub(crate) fn run(job: &str, arguments: impl Iterator<Item = OsString>) -> io::Result<bool> {
    match job {
        "verify-times" => {
            let mut arguments = arguments;
            let program = arguments.next().unwrap_or_default();
            let arguments: Vec<_> = arguments.collect();
            for _ in 0..TIMES {
                let mut command = Command::new(&program);
                command.stderr(std::process::Stdio::null());
                if !command.args(&arguments).stdout(std::process::Stdio::null()).status()?.success() {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        "verify-bare" => bare(Path::new(".")),
        _ => {
            let path = arguments.last().unwrap_or_default();
            let mut file = fs::File::open(path)?;
            let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
            let mut buffer = vec![0; 256 * 1024];
            loop {
                let n = file.read(&mut buffer)?;
                if n == 0 {
                    break;
                }
                context.update(buffer.get(..n).unwrap_or_default());
            }
            Ok(context.finish().as_ref().len() == 32)
        }
    }
}

/// What the cryptography alone costs: each bundle read, parsed and verified for its artifact, and nothing else.
fn bare(folder: &Path) -> io::Result<bool> {
    let root = fs::read_to_string(folder.join("root.json"))?;
    let root = TrustedRoot::from_json(&root).map_err(io::Error::other)?;
    let verifier = Verifier::new(&root).map_err(io::Error::other)?;
    let policy = VerificationPolicy::new(IDENTITY, ISSUER);
    for index in 0..ARTIFACTS {
        let artifact = fs::read(folder.join(format!("artifacts/{index}")))?;
        let bundle = fs::read_to_string(folder.join(format!("bundles/{index}.json")))?;
        let bundle = Bundle::from_json(&bundle).map_err(io::Error::other)?;
        let digest = Sha256Hash::try_from(sha256(&artifact).as_slice()).map_err(io::Error::other)?;
        verifier.verify(digest, &bundle, &policy).map_err(io::Error::other)?;
    }
    Ok(true)
}

fn signed(world: &World, index: usize) -> (Vec<u8>, Value) {
    let artifact = format!("artifact {index}").into_bytes();
    let key = Key::new();
    let mut leaf = Leaf::generator("owner/name");
    leaf.identity = IDENTITY.to_owned();
    let certificate = world.issue(&leaf, &key, &world.ct);
    let signature = key.sign(&artifact);
    let digest = sha256(&artifact);
    let body = hashedrekord_v1_body(&digest, &signature, &certificate);
    let entry = world.entry_v1(("hashedrekord", "0.0.1"), &body, SIGNED_AT, &world.rekor);
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "certificate": { "rawBytes": b64(&certificate) }, "tlogEntries": [entry] },
        "messageSignature": {
            "messageDigest": { "algorithm": "SHA2_256", "digest": b64(&digest) },
            "signature": b64(&signature),
        },
    });
    (artifact, bundle)
}

/// A verification summary of the artifact, signed by a key.
fn summary(key: &Key, artifact: &[u8]) -> Value {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "artifact", "digest": { "sha256": hex::encode(sha256(artifact)) } }],
        "predicateType": "https://slsa.dev/verification_summary/v1",
        "predicate": {
            "verifier": { "id": VERIFIER },
            "timeVerified": "2026-06-01T00:00:00Z",
            "resourceUri": RESOURCE,
            "policy": { "uri": "policy.toml" },
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_3"],
        },
    });
    let (kind, payload) = ("application/vnd.in-toto+json", statement.to_string());
    let signature = key.sign(&reprove::statement::dsse::pae(kind, payload.as_bytes()));
    json!({
        "payloadType": kind,
        "payload": b64(payload.as_bytes()),
        "signatures": [{ "keyid": "", "sig": b64(&signature) }],
    })
}

/// Trust as sigstore-python takes it; it asks for a signing configuration that it does not use here.
fn client_trust(world: &World) -> Value {
    let service = |name: &str| {
        json!([{
            "url": format!("https://{name}.example.invalid"),
            "majorApiVersion": 1,
            "validFor": { "start": "2026-01-01T00:00:00Z" },
            "operator": "example.invalid",
        }])
    };
    json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": world.trusted_root(),
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": service("ca"),
            "oidcUrls": service("oidc"),
            "rekorTlogUrls": service("log"),
            "tsaUrls": service("tsa"),
            "rekorTlogConfig": { "selector": "ANY" },
            "tsaConfig": { "selector": "ANY" },
        },
    })
}

fn peer(folder: &Path, program: &Path, name: &str, arguments: &[&str]) -> Peer {
    // In a virtual environment the client lies beside the interpreter.
    if program.is_absolute() && !program.with_file_name("sigstore").exists() {
        return Peer::Absent("run `tests/bench/setup` with python3".into());
    }
    let (folder, program) = (folder.to_owned(), program.to_owned());
    let arguments: Vec<_> = arguments.iter().map(|s| (*s).to_owned()).collect();
    Peer::Runs(
        name.to_owned(),
        Box::new(move || {
            let mut command = Command::new(&program);
            command.current_dir(&folder).args(&arguments).stderr(std::process::Stdio::null());
            Ok(command)
        }),
    )
}

/// A program, that often.
fn times(folder: &Path, program: &Path, arguments: &[&str]) -> Job {
    let program = program.display().to_string();
    ours(folder, &[&["verify-times", &program][..], arguments].concat())
}

fn ours(folder: &Path, arguments: &[&str]) -> Job {
    let folder = folder.to_owned();
    let arguments: Vec<_> = arguments.iter().map(|s| (*s).to_owned()).collect();
    Box::new(move || {
        let mut command = Command::new(std::env::current_exe()?);
        command.current_dir(&folder).args(&arguments);
        Ok(command)
    })
}
