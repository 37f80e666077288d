//! Commits and tags signed by certificate (gitsign), from a Sigstore instance of our own, and `reprove verify
//! --repository`.

use std::process::{Command, Output};

use git2::{ObjectType, Repository, Signature, Time};
use reprove::limits::signature::SignatureLimits;
use reprove::limits::verify::VerifyLimits;
use reprove::verdict::Verdict;
use reprove::verify::policy::{Pattern, Policy, SlsaDemand};
use reprove::verify::signed::Keys;
use reprove::verify::{Context, LogEntry, git};
use serde_json::{Value, json};

use crate::sigstore_world::der::{ecdsa_sha256, integer, name, octets, oid, seq, set, sha256_algorithm, tlv};
use crate::sigstore_world::{Key, Leaf, SIGNED_AT, World, hashedrekord_v1_body, pem, sha256};
use crate::verify_attestations::trust;

pub(crate) const IDENTITY: &str = "https://github.com/owner/name/.github/workflows/tag.yml@refs/heads/main";
const MINUTE: i64 = 60;

/// Signs a commit as gitsign does; tests change one thing.
pub(crate) struct Made {
    pub(crate) world: World,
    key: Key,
    pub(crate) thief: Option<Key>,
    /// Where the log entry is.
    entry: Where,
    /// Changed after signing.
    message: &'static str,
    /// What the signed digest is of instead.
    digest_of: Option<&'static [u8]>,
    logged_at: i64,
    extra_signer: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Where {
    Inside,
    Given,
    /// Over the commit's name, as gitsign's online mode has it.
    OverName,
    Nowhere,
}

struct Repo {
    folder: tempfile::TempDir,
    repository: Repository,
    commit: String,
    entries: Vec<Value>,
}

const HEAD: &str = "author Ann <ann@example.invalid>";

impl Made {
    pub(crate) fn new(entry: Where) -> Self {
        Self {
            world: World::new(),
            key: Key::new(),
            thief: None,
            entry,
            message: "message",
            digest_of: None,
            logged_at: SIGNED_AT,
            extra_signer: false,
        }
    }

    pub(crate) fn certificate(&self) -> Vec<u8> {
        let mut leaf = Leaf::generator("owner/name");
        leaf.identity = IDENTITY.to_owned();
        self.world.issue(&leaf, &self.key, &self.world.ct)
    }

    fn logged(&self, message: &[u8], signature: &[u8], certificate: &[u8]) -> Value {
        let body = hashedrekord_v1_body(&sha256(message), signature, certificate);
        self.world.entry_v1(("hashedrekord", "0.0.1"), &body, self.logged_at, &self.world.rekor)
    }

    /// Signature in PEM, and the entry over it.
    pub(crate) fn sign(&self, payload: &[u8], certificate: &[u8]) -> (String, Value) {
        let attribute = |id: &str, value: Vec<u8>| seq(&[oid(id), set(&[value])]);
        let attributes = set(&[
            attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.7.1")),
            attribute("1.2.840.113549.1.9.4", octets(&sha256(self.digest_of.unwrap_or(payload)))),
        ]);
        let signature = self.thief.as_ref().unwrap_or(&self.key).sign(&attributes);
        let entry = self.logged(&attributes, &signature, certificate);
        let retagged = |tag: u8, set: &[u8]| [&[tag], &set[1..]].concat();
        let mut signer = vec![
            integer(1),
            seq(&[name("example.invalid", "root"), integer(42)]),
            sha256_algorithm(),
            retagged(0xa0, &attributes),
            ecdsa_sha256(),
            octets(&signature),
        ];
        if self.entry == Where::Inside {
            let unsigned = set(&[attribute("1.3.6.1.4.1.57264.3.1", octets(&protobuf(&entry)))]);
            signer.push(retagged(0xa1, &unsigned));
        }
        let signer = seq(&signer);
        let signers = if self.extra_signer { vec![signer.clone(), signer] } else { vec![signer] };
        let data = seq(&[
            integer(1),
            set(&[sha256_algorithm()]),
            seq(&[oid("1.2.840.113549.1.7.1")]),
            tlv(0xa0, certificate),
            set(&signers),
        ]);
        let info = seq(&[oid("1.2.840.113549.1.7.2"), tlv(0xa0, &data)]);
        (pem("SIGNED MESSAGE", &info), entry)
    }

    fn repository(&self) -> Repo {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let repository = Repository::init(folder.path().join("repository")).unwrap();
        let who = Signature::new("Ann", "ann@example.invalid", &Time::new(SIGNED_AT, 0)).unwrap();
        let certificate = self.certificate();
        let (commit, mut entries) = {
            let tree = repository.treebuilder(None).unwrap().write().unwrap();
            let tree = repository.find_tree(tree).unwrap();
            let text = repository.commit_create_buffer(&who, &who, "message", &tree, &[]).unwrap();
            let text = std::str::from_utf8(&text).unwrap().to_owned();
            assert!(text.contains(HEAD));
            let (signature, entry) = self.sign(text.as_bytes(), &certificate);
            let text = text.replace("message", self.message);
            let commit = repository.commit_signed(&text, signature.trim_end(), None).unwrap().to_string();
            (commit, if self.entry == Where::Given { vec![entry] } else { Vec::new() })
        };
        if self.entry == Where::OverName {
            let signature = self.key.sign(commit.as_bytes());
            entries.push(self.logged(commit.as_bytes(), &signature, &certificate));
        }
        Repo { folder, repository, commit, entries }
    }

    /// An annotated tag on the commit, under `name` inside and `ref_name` outside.
    fn tag(&self, repo: &Repo, name: &str, ref_name: &str) {
        let commit = &repo.commit;
        let text = format!(
            "object {commit}\ntype commit\ntag {name}\ntagger A <a@b> {SIGNED_AT} +0000\n\nrelease\n"
        );
        let (signature, _) = self.sign(text.as_bytes(), &self.certificate());
        let id = repo.repository.odb().unwrap();
        let id = id.write(ObjectType::Tag, format!("{text}{signature}").as_bytes()).unwrap();
        repo.repository.reference(&format!("refs/tags/{ref_name}"), id, true, "").unwrap();
    }

    fn verdict(&self, repo: &Repo, revision: &str, policy: &Policy) -> (Verdict, Vec<&'static str>) {
        let limits = VerifyLimits::DEFAULT;
        let trust = trust(&self.world);
        let entries: Vec<LogEntry> = repo
            .entries
            .iter()
            .flat_map(|e| LogEntry::read(e.to_string().as_bytes(), "entry", &limits).unwrap())
            .collect();
        let as_of = jiff::Timestamp::from_second(SIGNED_AT + 1_000_000).unwrap();
        let context = Context { trust: &trust, policy, log_entries: &entries, as_of, limits: &limits };
        let keys = Keys { sigstore: Some(&context), ..Keys::NONE };
        let found = git::answer_revision(&repo.repository, revision, &keys, as_of, &SignatureLimits::DEFAULT)
            .unwrap();
        let bad = found.answer.checks.iter();
        let bad =
            bad.filter(|c| !matches!(c.verdict(), None | Some(Verdict::Pass))).map(|c| c.code).collect();
        (found.answer.verdict, bad)
    }
}

/// The entry as Sigstore's protocol buffers have it.
fn protobuf(entry: &Value) -> Vec<u8> {
    fn varint(mut n: u64) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let byte = (n & 0x7f) as u8;
            n >>= 7;
            out.push(if n > 0 { byte | 0x80 } else { byte });
            if n == 0 {
                return out;
            }
        }
    }
    let number = |field: u64, n: u64| [varint(field << 3), varint(n)].concat();
    let bytes = |field: u64, b: &[u8]| [&varint(field << 3 | 2)[..], &varint(b.len() as u64), b].concat();
    let decoded = |value: &Value| {
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, value.as_str().unwrap()).unwrap()
    };
    let parsed = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let proof = &entry["inclusionProof"];
    let hashes: Vec<u8> =
        proof["hashes"].as_array().unwrap().iter().flat_map(|hash| bytes(4, &decoded(hash))).collect();
    let envelope = proof["checkpoint"]["envelope"].as_str().unwrap().as_bytes();
    let kind = |name: &str| entry["kindVersion"][name].as_str().unwrap().as_bytes();
    [
        number(1, parsed(&entry["logIndex"])),
        bytes(2, &bytes(1, &decoded(&entry["logId"]["keyId"]))),
        bytes(3, &[bytes(1, kind("kind")), bytes(2, kind("version"))].concat()),
        number(4, parsed(&entry["integratedTime"])),
        bytes(5, &bytes(1, &decoded(&entry["inclusionPromise"]["signedEntryTimestamp"]))),
        bytes(
            6,
            &[
                number(1, parsed(&proof["logIndex"])),
                bytes(2, &decoded(&proof["rootHash"])),
                number(3, parsed(&proof["treeSize"])),
                hashes,
                bytes(5, &bytes(1, envelope)),
            ]
            .concat(),
        ),
        bytes(7, &decoded(&entry["canonicalizedBody"])),
    ]
    .concat()
}

fn by(identity: &str) -> Policy {
    let issuer = crate::sigstore_world::ISSUER;
    Policy {
        identities: vec![Pattern::exact(identity)],
        issuers: vec![Pattern::exact(issuer)],
        ..Policy::new()
    }
}

#[test]
fn commits_and_tags_by_certificate_pass_with_their_log_entry() {
    for entry in [Where::Inside, Where::Given, Where::OverName] {
        let made = Made::new(entry);
        let repo = made.repository();
        let (verdict, why) = made.verdict(&repo, &repo.commit, &by(IDENTITY));
        assert_eq!(verdict, Verdict::Pass, "{why:?}");
    }
    let made = Made::new(Where::Inside);
    let repo = made.repository();
    made.tag(&repo, "v1", "v1");
    assert_eq!(made.verdict(&repo, "v1", &by(IDENTITY)).0, Verdict::Pass);
    made.tag(&repo, "v1", "v2");
    let (verdict, codes) = made.verdict(&repo, "v2", &by(IDENTITY));
    assert_eq!((verdict, codes), (Verdict::Fail, vec!["git-tag-name"]), "a tag under another's name");
}

#[test]
fn each_wrong_part_of_a_signature_by_certificate_is_refused() {
    let expect = |what: &str, made: Made, policy: &Policy, wanted: Verdict, code: &str| {
        let repo = made.repository();
        let (verdict, codes) = made.verdict(&repo, &repo.commit, policy);
        assert_eq!(verdict, wanted, "{what}: {codes:?}");
        assert!(codes.contains(&code), "{what}: expected {code}, found {codes:?}");
    };
    let good = by(IDENTITY);
    let other = by("https://github.com/owner/other/.github/workflows/tag.yml@refs/heads/main");
    let with = |entry: Where, change: &dyn Fn(&mut Made)| {
        let mut made = Made::new(entry);
        change(&mut made);
        made
    };
    use Verdict::{Fail, Inconclusive};
    for entry in [Where::Inside, Where::Given, Where::OverName] {
        let changed = with(entry, &|m| m.message = "another message");
        expect("the commit was changed", changed, &good, Fail, "git-x509-readable");
        let thief = with(entry, &|m| m.thief = Some(Key::new()));
        expect("another key signed", thief, &good, Fail, "signature");
        let digest = with(entry, &|m| m.digest_of = Some(b"another object"));
        expect("the digest is of another object", digest, &good, Fail, "git-x509-readable");
        let late = with(entry, &|m| m.logged_at = SIGNED_AT + 60 * MINUTE);
        expect("logged after the certificate's end", late, &good, Fail, "certificate-chain");
        expect("another identity is demanded", Made::new(entry), &other, Fail, "certificate-identity");
        expect("nothing is demanded", Made::new(entry), &Policy::new(), Inconclusive, "demand");
        let two = with(entry, &|m| m.extra_signer = true);
        expect("two signers", two, &good, Fail, "git-x509-readable");
        let slsa = Policy {
            slsa: Some(SlsaDemand {
                source_uri: Some("github.com/owner/name".to_owned()),
                ..SlsaDemand::default()
            }),
            ..by(IDENTITY)
        };
        expect("provenance is demanded", Made::new(entry), &slsa, Fail, "predicate");
    }
    expect("no log entry", Made::new(Where::Nowhere), &good, Inconclusive, "signing-time");
    // An entry about another commit shows nothing about this one.
    let made = Made::new(Where::OverName);
    let mut repo = made.repository();
    let name = "0".repeat(40);
    repo.entries = vec![made.logged(name.as_bytes(), &made.key.sign(name.as_bytes()), &made.certificate())];
    let (verdict, codes) = made.verdict(&repo, &repo.commit, &good);
    assert_eq!((verdict, codes), (Inconclusive, vec!["signing-time"]));
    // An entry over the name by another key: the certificate's holder did not sign it.
    let thief = Key::new();
    let signature = thief.sign(repo.commit.as_bytes());
    repo.entries = vec![made.logged(repo.commit.as_bytes(), &signature, &made.certificate())];
    assert_eq!(made.verdict(&repo, &repo.commit, &good).0, Fail);
}

#[test]
fn the_command_judges_tags_and_commits_of_a_repository() {
    let made = Made::new(Where::Inside);
    let repo = made.repository();
    made.tag(&repo, "v1", "v1");
    let root = repo.folder.path().join("root.json");
    std::fs::write(&root, made.world.trusted_root().to_string()).unwrap();
    let run = |more: &[&str]| -> Output {
        Command::new(env!("CARGO_BIN_EXE_reprove"))
            .current_dir(repo.folder.path())
            .args(["verify", "--repository", "repository", "--trusted-root", "root.json"])
            .args(more)
            .output()
            .unwrap()
    };
    let signer = ["--identity", IDENTITY, "--issuer", crate::sigstore_world::ISSUER];
    let code = |more: &[&str]| {
        let output = run(&[more, &signer[..]].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    let (status, text) = code(&["--tag", "v1"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("tag v1") && text.contains(&repo.commit) && text.contains(IDENTITY), "{text}");
    assert!(text.contains("commits before the signed one"), "{text}");
    assert_eq!(code(&["--commit", &repo.commit]).0, Some(0));
    assert_eq!(run(&["--commit", &repo.commit, "--identity", "somebody else"]).status.code(), Some(1));
    assert_eq!(run(&["--commit", &repo.commit]).status.code(), Some(3), "nobody in particular is demanded");
    assert_eq!(code(&["--tag", "v9"]).0, Some(4), "no such tag");
    assert_eq!(run(&signer).status.code(), Some(2), "neither tag nor commit");
    // Nothing that is configured for git outside of the repository is read, be it broken or worse.
    let home = repo.folder.path().join("home");
    std::fs::create_dir_all(home.join("git")).unwrap();
    let hostile = format!("[include]\n path = {}\n[", root.display());
    for file in [".gitconfig", "git/config"] {
        std::fs::write(home.join(file), &hostile).unwrap();
    }
    let at_home = Command::new(env!("CARGO_BIN_EXE_reprove"))
        .current_dir(&home)
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", &home)
        .args(["verify", "--repository", "../repository", "--trusted-root", "../root.json", "--tag", "v1"])
        .args(signer)
        .output()
        .unwrap();
    assert_eq!(at_home.status.code(), Some(0), "{}", String::from_utf8_lossy(&at_home.stderr));
    let json = run(&[&["--tag", "v1", "--format", "json"], &signer[..]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["verdict"], json!("pass"));
    assert_eq!(json["artifacts"][0]["attestations"][0]["format"], json!("git-tag"));
}
