#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::process::Command;

use git2::{Repository, Signature};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding, SshSig};

use super::*;
use crate::verdict::Verdict;
use crate::verify::ssh::AllowedSigners;

const LIMITS: SignatureLimits = SignatureLimits::DEFAULT;
/// 2026-06-01.
const TIME: i64 = 1_780_272_000;

fn at(days: i64) -> Timestamp {
    Timestamp::from_second(TIME + days * 86_400).unwrap()
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

fn sign(key: &PrivateKey, namespace: &str, payload: &[u8]) -> String {
    SshSig::sign(key, namespace, HashAlg::Sha512, payload).unwrap().to_pem(LineEnding::LF).unwrap()
}

fn allowed(key: &PrivateKey, options: &str) -> AllowedSigners {
    let line = format!("ann@example.invalid {options} {}", key.public_key().to_openssh().unwrap());
    AllowedSigners::parse(line.as_bytes(), &LIMITS).unwrap()
}

struct Fixture {
    _dir: tempfile::TempDir,
    repository: Repository,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repository = Repository::init(dir.path()).unwrap();
        Self { _dir: dir, repository }
    }

    fn commit(&self, namespace: &str) -> String {
        let who = Signature::new("Ann", "ann@example.invalid", &git2::Time::new(TIME, 0)).unwrap();
        let tree = self.repository.treebuilder(None).unwrap().write().unwrap();
        let tree = self.repository.find_tree(tree).unwrap();
        let text = self.repository.commit_create_buffer(&who, &who, "message", &tree, &[]).unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        let sig = sign(&key(1), namespace, text.as_bytes());
        self.repository.commit_signed(text, sig.trim_end(), None).unwrap().to_string()
    }

    fn tag(&self, name: &str, ref_name: &str, commit: &str) {
        let text =
            format!("object {commit}\ntype commit\ntag {name}\ntagger A <a@b> {TIME} +0000\n\nrelease\n");
        let raw = format!("{text}{}", sign(&key(1), "git", text.as_bytes()));
        let id = self.repository.odb().unwrap().write(ObjectType::Tag, raw.as_bytes()).unwrap();
        self.repository.reference(&format!("refs/tags/{ref_name}"), id, true, "").unwrap();
    }

    fn ask(&self, revision: &str, allowed: Option<&AllowedSigners>, as_of: Timestamp) -> SignedRevision {
        let keys = Keys { ssh: allowed, ..Keys::NONE };
        answer_revision(&self.repository, revision, &keys, as_of, &LIMITS).unwrap()
    }
}

#[track_caller]
fn expect(found: &SignedRevision, verdict: Verdict, code: &str) {
    let answer = &found.answer;
    assert_eq!(answer.verdict, verdict, "{answer:?}");
    assert!(answer.checks.iter().any(|c| c.code == code && c.verdict() == Some(verdict)), "{answer:?}");
}

#[test]
fn commits_and_tags_signed_with_ssh() {
    let fixture = Fixture::new();
    let commit = fixture.commit("git");
    let ann = allowed(&key(1), "");
    let good = fixture.ask(&commit, Some(&ann), at(1));
    expect(&good, Verdict::Pass, "ssh-signature");
    assert_eq!((good.commit.as_deref(), good.answer.signers.len()), (Some(commit.as_str()), 1));
    expect(&fixture.ask(&commit, None, at(1)), Verdict::Inconclusive, "ssh-signature");
    expect(
        &fixture.ask(&commit, Some(&allowed(&key(2), "")), at(1)),
        Verdict::Inconclusive,
        "ssh-key-allowed",
    );
    expect(&fixture.ask(&fixture.commit("file"), Some(&ann), at(1)), Verdict::Fail, "ssh-namespace");
    // Dated after the judgment; and by a key that counts later, or no longer.
    expect(&fixture.ask(&commit, Some(&ann), at(-1)), Verdict::Fail, "git-signing-time");
    let later = allowed(&key(1), "valid-after=\"20260602Z\"");
    expect(&fixture.ask(&commit, Some(&later), at(9)), Verdict::Fail, "ssh-key-allowed");
    let until = allowed(&key(1), "valid-before=\"20260602Z\"");
    expect(&fixture.ask(&commit, Some(&until), at(9)), Verdict::Pass, "ssh-signature");

    fixture.tag("v1", "v1", &commit);
    let tag = fixture.ask("v1", Some(&ann), at(1));
    expect(&tag, Verdict::Pass, "ssh-signature");
    assert_eq!(tag.commit.as_deref(), Some(commit.as_str()));
    // The old tag under the new release's name.
    fixture.tag("v1", "v2", &commit);
    expect(&fixture.ask("v2", Some(&ann), at(1)), Verdict::Fail, "git-tag-name");
}

#[test]
fn what_is_not_signed_or_not_checked_is_inconclusive() {
    let fixture = Fixture::new();
    let ann = allowed(&key(1), "");
    let head = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ncommitter A <a@b> 1 +0000\n";
    let write = |raw: &str| {
        let id = fixture.repository.odb().unwrap().write(ObjectType::Commit, raw.as_bytes()).unwrap();
        fixture.ask(&id.to_string(), Some(&ann), at(1))
    };
    expect(&write(&format!("{head}\nmsg")), Verdict::Inconclusive, "git-signature");
    let x509 = "gpgsig -----BEGIN SIGNED MESSAGE-----\n MIIB\n -----END SIGNED MESSAGE-----\n";
    expect(&write(&format!("{head}{x509}\nmsg")), Verdict::Inconclusive, "git-x509-checked");
    expect(&write(&format!("{head}{x509}{x509}\nmsg")), Verdict::Fail, "git-object-readable");
    let blob = fixture.repository.blob(b"x").unwrap().to_string();
    assert!(matches!(
        answer_revision(&fixture.repository, &blob, &Keys::NONE, at(1), &LIMITS),
        Err(GitError::NotSigned { .. })
    ));
    assert!(matches!(
        answer_revision(&fixture.repository, "v9", &Keys::NONE, at(1), &LIMITS),
        Err(GitError::Repository { .. })
    ));
}

#[test]
fn every_changed_byte_of_a_signed_commit_is_refused() {
    let fixture = Fixture::new();
    let id = Oid::from_str(&fixture.commit("git")).unwrap();
    let raw = fixture.repository.odb().unwrap().read(id).unwrap().data().to_vec();
    let ann = allowed(&key(1), "");
    let keys = Keys { ssh: Some(&ann), ..Keys::NONE };
    let judge = |raw: &[u8]| answer_object(ObjectKind::Commit, raw, None, "c", &keys, at(1), &LIMITS).verdict;
    assert_eq!(judge(&raw), Verdict::Pass);
    for i in 0..raw.len() {
        let mut bad = raw.clone();
        if let Some(byte) = bad.get_mut(i) {
            *byte ^= 1;
        }
        // Line ends inside the armour mean nothing; everything else does.
        let honest = Object::parse(ObjectKind::Commit, &raw).unwrap();
        let same = Object::parse(ObjectKind::Commit, &bad).is_ok_and(|o| o.payload == honest.payload);
        assert!(judge(&bad) != Verdict::Pass || same, "byte {i}");
    }
}

#[cfg(feature = "openpgp")]
#[test]
fn commits_signed_with_openpgp() {
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::packet::signature::SignatureBuilder;
    use sequoia_openpgp::serialize::SerializeInto as _;
    use sequoia_openpgp::{Packet, armor, types::SignatureType};

    let born = std::time::UNIX_EPOCH + std::time::Duration::from_secs(TIME as u64);
    let cert = CertBuilder::new()
        .set_creation_time(born)
        .add_userid("ann")
        .set_primary_key_flags(sequoia_openpgp::types::KeyFlags::empty().set_certification().set_signing())
        .generate()
        .unwrap()
        .0;
    let mut pair = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let who = format!("A <a@b> {TIME} +0000");
    let fixture = Fixture::new();
    let tree = fixture.repository.treebuilder(None).unwrap().write().unwrap();
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nmessage\n");
    let sig = SignatureBuilder::new(SignatureType::Binary)
        .set_signature_creation_time(born + std::time::Duration::from_secs(60))
        .unwrap()
        .sign_message(&mut pair, &text)
        .unwrap();
    let mut writer = armor::Writer::new(Vec::new(), armor::Kind::Signature).unwrap();
    sequoia_openpgp::serialize::Serialize::serialize(&Packet::from(sig), &mut writer).unwrap();
    let sig = String::from_utf8(writer.finalize().unwrap()).unwrap();

    let id = fixture.repository.commit_signed(&text, sig.trim_end(), None).unwrap().to_string();
    let keyring = crate::verify::openpgp::Keyring::read(&cert.to_vec().unwrap(), &LIMITS).unwrap();
    let keys = Keys { openpgp: Some(&keyring), ..Keys::NONE };
    let ask = |keys: &Keys<'_>| answer_revision(&fixture.repository, &id, keys, at(1), &LIMITS).unwrap();
    expect(&ask(&keys), Verdict::Pass, "openpgp-signature");
    expect(&ask(&Keys::NONE), Verdict::Inconclusive, "openpgp-signature");
    let other =
        fixture.repository.commit_signed(&text.replace("message", "massage"), sig.trim_end(), None).unwrap();
    let found = answer_revision(&fixture.repository, &other.to_string(), &keys, at(1), &LIMITS).unwrap();
    expect(&found, Verdict::Fail, "openpgp-signature");
}

#[test]
fn git_and_this_agree_where_it_is_installed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let run = |program: &str, args: &[&str]| {
        let time = format!("{TIME} +0000");
        Command::new(program)
            .args(args)
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", dir.path())
            .envs([("GIT_COMMITTER_DATE", &time), ("GIT_AUTHOR_DATE", &time)])
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let signing = format!("user.signingkey={path}/key");
    let git = |args: &[&str]| {
        let common = ["-c", "gpg.format=ssh", "-c", &signing, "-c", "user.name=A", "-c", "user.email=a@b"];
        run("git", &[&common, args].concat())
    };
    let made = run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"])
        && git(&["init", "-q", "."])
        && git(&["commit", "-q", "-S", "--allow-empty", "-m", "message"])
        && git(&["tag", "-s", "-m", "release", "v1"]);
    if !made {
        eprintln!("skipped: no git that signs with SSH on this machine");
        return;
    }
    let public = std::fs::read_to_string(dir.path().join("key.pub")).unwrap();
    let ann = AllowedSigners::parse(format!("ann {public}").as_bytes(), &LIMITS).unwrap();
    let fixture = Fixture { repository: Repository::open(dir.path()).unwrap(), _dir: dir };
    let head = fixture.repository.head().unwrap().target().unwrap().to_string();
    expect(&fixture.ask(&head, Some(&ann), at(1)), Verdict::Pass, "ssh-signature");
    expect(&fixture.ask("v1", Some(&ann), at(1)), Verdict::Pass, "ssh-signature");
}
