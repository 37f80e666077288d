//! `trusted_root.json` through The Update Framework, from a repository made here (specification 1.0.34).

use std::path::Path;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use jiff::Timestamp;
use reprove::fetch::tuf::{Refreshed, TufError, refresh};
use reprove::fetch::{Fetcher, Proxies};
use reprove::limits::fetch::FetchLimits;
use serde_json::{Value, json};

use crate::sigstore_world::sha256;

const TARGET: &[u8] = br#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// A repository whose keys are at hand.
struct Tuf {
    folder: tempfile::TempDir,
    keys: Vec<Ed25519KeyPair>,
    /// Root metadata of each version, the first of which is where trust starts.
    roots: Vec<Vec<u8>>,
    version: u64,
}

fn public(key: &Ed25519KeyPair) -> String {
    hex::encode(key.public_key().as_ref())
}

fn id(key: &Ed25519KeyPair) -> String {
    hex::encode(sha256(public(key).as_bytes()))
}

/// Signed metadata. `serde_json` writes names in order and these values need no escape, so that its text is
/// canonical JSON.
fn metadata(signed: &Value, keys: &[&Ed25519KeyPair]) -> Vec<u8> {
    let text = signed.to_string();
    let signatures: Vec<_> = keys
        .iter()
        .map(|key| json!({ "keyid": id(key), "sig": hex::encode(key.sign(text.as_bytes()).as_ref()) }))
        .collect();
    json!({ "signed": signed, "signatures": signatures }).to_string().into_bytes()
}

fn header(kind: &str, version: u64, expires: &str) -> Value {
    json!({ "_type": kind, "spec_version": "1.0.31", "version": version, "expires": expires })
}

fn with(mut header: Value, more: Value) -> Value {
    let map = header.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    header
}

const LATER: &str = "2027-01-01T00:00:00Z";

impl Tuf {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::create_dir_all(folder.path().join("server/targets")).unwrap();
        let keys = (0..3).map(|_| Ed25519KeyPair::generate().unwrap()).collect();
        let mut tuf = Self { folder, keys, roots: Vec::new(), version: 1 };
        tuf.roots.push(tuf.root(1, 0, &[0], LATER));
        tuf.publish(TARGET, LATER);
        tuf
    }

    /// Root metadata that names key `key` for all roles, signed by `signers`.
    fn root(&self, version: u64, key: usize, signers: &[usize], expires: &str) -> Vec<u8> {
        let key = &self.keys[key];
        let role = json!({ "keyids": [id(key)], "threshold": 1 });
        let signed = with(
            header("root", version, expires),
            json!({
                "consistent_snapshot": true,
                "keys": { id(key): { "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": public(key) } } },
                "roles": { "root": role, "timestamp": role, "snapshot": role, "targets": role },
            }),
        );
        metadata(&signed, &signers.iter().map(|i| &self.keys[*i]).collect::<Vec<_>>())
    }

    fn server(&self) -> std::path::PathBuf {
        self.folder.path().join("server")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.server().join(name), bytes).unwrap();
    }

    /// Publishes the target under the newest root's key.
    fn publish(&self, target: &[u8], expires: &str) {
        let signer = &self.keys[self.roots.len() - 1];
        let version = self.version;
        let digest = hex::encode(sha256(target));
        let of = |bytes: &[u8]| json!({ "length": bytes.len(), "hashes": { "sha256": hex::encode(sha256(bytes)) } });
        let targets = with(
            header("targets", version, LATER),
            json!({ "targets": { "trusted_root.json": of(target) } }),
        );
        let targets = metadata(&targets, &[signer]);
        let snapshot = with(
            header("snapshot", version, LATER),
            json!({ "meta": { "targets.json": with(of(&targets), json!({ "version": version })) } }),
        );
        let snapshot = metadata(&snapshot, &[signer]);
        let timestamp = with(
            header("timestamp", version, expires),
            json!({ "meta": { "snapshot.json": with(of(&snapshot), json!({ "version": version })) } }),
        );
        self.write(&format!("{version}.targets.json"), &targets);
        self.write(&format!("{version}.snapshot.json"), &snapshot);
        self.write("timestamp.json", &metadata(&timestamp, &[signer]));
        self.write(&format!("targets/{digest}.trusted_root.json"), target);
    }

    fn refresh_at(&self, kept: &Path, as_of: &str) -> Result<Refreshed, TufError> {
        let limits = FetchLimits { retries_max: 0, ..FetchLimits::DEFAULT };
        let url = format!("file://{}", self.server().display());
        let as_of: Timestamp = as_of.parse().unwrap();
        refresh(Fetcher::new(Proxies::None, limits), &url, &self.roots[0], kept, as_of)
    }

    fn refresh(&self) -> Result<Refreshed, TufError> {
        self.refresh_at(&self.folder.path().join("kept"), "2026-06-01T00:00:00Z")
    }
}

#[track_caller]
fn refused(outcome: Result<Refreshed, TufError>) {
    assert!(matches!(outcome, Err(TufError::Refused { .. })), "{outcome:?}");
}

#[test]
fn a_refresh_follows_the_keys_and_brings_the_newest_root() {
    let mut tuf = Tuf::new();
    let first = tuf.refresh().unwrap();
    assert_eq!((first.trusted_root.as_slice(), first.root_version), (TARGET, 1));
    assert_eq!(first.root_expires.to_string(), LATER);
    // The next root is signed by the keys of both, and the rest by the new one alone.
    let second = tuf.root(2, 1, &[0, 1], LATER);
    tuf.write("2.root.json", &second);
    tuf.roots.push(second);
    tuf.version = 2;
    tuf.publish(b"{\"another\":1}", LATER);
    let next = tuf.refresh().unwrap();
    assert_eq!((next.trusted_root.as_slice(), next.root_version), (&b"{\"another\":1}"[..], 2));
    // What was kept is not taken back by an older repository.
    tuf.version = 1;
    tuf.publish(TARGET, LATER);
    refused(tuf.refresh());
}

#[test]
fn what_does_not_follow_from_the_first_root_is_refused() {
    let tuf = Tuf::new();
    // A root by keys that nobody handed over to.
    tuf.write("2.root.json", &tuf.root(2, 1, &[1], LATER));
    refused(tuf.refresh());
    // One that only the old keys signed: the new ones have to agree.
    tuf.write("2.root.json", &tuf.root(2, 1, &[0], LATER));
    refused(tuf.refresh());
    std::fs::remove_file(tuf.server().join("2.root.json")).unwrap();
    assert!(tuf.refresh().is_ok());

    let tuf = Tuf::new();
    let path = format!("targets/{}.trusted_root.json", hex::encode(sha256(TARGET)));
    tuf.write(&path, b"something else");
    refused(tuf.refresh());

    let tuf = Tuf::new();
    tuf.publish(TARGET, "2026-05-01T00:00:00Z");
    refused(tuf.refresh());

    let tuf = Tuf::new();
    refused(tuf.refresh_at(&tuf.folder.path().join("kept"), "2027-06-01T00:00:00Z"));
}
