//! `reprove audit` of a release that Go builds, as far as it goes without a tool chain: what is said of the
//! source and of the released file, against a proxy on the loopback and clones made for the purpose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reprove::component::Component;
use reprove::digest::{Algorithm, Digest};
use reprove::environment::go::GoLock;
use reprove::event::Silent;
use reprove::fetch::{Fetcher, Proxies};
use reprove::limits::fetch::FetchLimits;
use reprove::limits::go::GoLimits;
use reprove::source::go::archive::ModuleZip;
use reprove::source::go::{GoSourceError, ModSum, ModuleProxy, ModuleVersion};
use reprove::store::Store;
use serde_json::Value;

use crate::git_source::{Entry, Made};
use crate::module_zip::module_zip;
use crate::server::{Reply, Server};

const ARTIFACT: &str = "tool-1.2.3.linux-amd64.tar.gz";
const MOD: &[u8] = b"module example.org/o/tool\n";
const MAIN: &[u8] = b"package main\n";

fn module() -> ModuleVersion {
    ModuleVersion::new("example.org/o/tool", "v1.2.3").unwrap()
}

pub(crate) fn good_zip() -> Vec<u8> {
    module_zip(&[("example.org/o/tool@v1.2.3/go.mod", MOD), ("example.org/o/tool@v1.2.3/main.go", MAIN)])
}

pub(crate) fn entries() -> Vec<Entry<'static>> {
    vec![("go.mod", 0o100_644, MOD), ("main.go", 0o100_644, MAIN)]
}

/// A root with one component, whose definition has these lines in its release, and a proxy for its module.
pub(crate) struct World {
    folder: tempfile::TempDir,
    server: Server,
}

/// What an audit said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) component: Value,
    pub(crate) stderr: String,
}

impl Said {
    /// `finding` and `found` of each check with that code.
    pub(crate) fn checks(&self, code: &str) -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let all = self.component["evidence"]["checks"].as_array().cloned().unwrap_or_default();
        all.iter().filter(|c| c["code"] == code).map(|c| (text(&c["finding"]), text(&c["found"]))).collect()
    }

    pub(crate) fn finding(&self, code: &str) -> String {
        match &self.checks(code)[..] {
            [(finding, _)] => finding.clone(),
            other => panic!("{code}: {other:?}\n{:#}\n{}", self.component, self.stderr),
        }
    }

    fn gaps(&self) -> String {
        self.component["not_established"].to_string()
    }
}

impl World {
    pub(crate) fn new(zip: &[u8], vcs: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let own = folder.path().join("policies/components/tool");
        fs::create_dir_all(&own).unwrap();
        let trust = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/trust");
        std::os::unix::fs::symlink(trust, folder.path().join("policies/trust")).unwrap();
        let definition = format!(
            r#"schema = 1
name = "tool"
summary = "a tool"

[[release.upstream]]
purl = "pkg:github/o/tool@v1.2.3?arch=amd64"
artifact = "{ARTIFACT}"
checksums = "sha256sums.txt"
source = {{ module = "example.org/o/tool", version = "v1.2.3" }}
members = [{{ path = "tool-1.2.3/tool", binary = "tool" }}]

[release.upstream.go]
toolchain = "1.25.5"
path = "/app"
env = {{ GOOS = "linux", GOARCH = "amd64" }}
binaries = [{{ name = "tool", package = "." }}]
{vcs}"#
        );
        fs::write(own.join("component.toml"), definition).unwrap();
        let component = Component::load(folder.path(), "tool").unwrap();
        let release = component.release(None).unwrap();
        let at = folder.path().join("zip");
        fs::write(&at, zip).unwrap();
        let sum = ModuleZip::open(&module(), &at, &GoLimits::DEFAULT)
            .and_then(|zip| zip.sum())
            .unwrap_or_else(|_| ModSum::of(&mut []));
        let blob =
            |bytes: &[u8]| format!(r#"{{"size": {}, "digest": "{}"}}"#, bytes.len(), Digest::sha256(bytes));
        let lock = format!(
            r#"{{"schema": 1, "kind": "go", "component": "tool", "purl": "{}", "recipe": "{}",
                "source": {{"path": "example.org/o/tool", "version": "v1.2.3", "sum": "{sum}", "zip": {}}},
                "toolchain": {{"path": "golang.org/toolchain", "version": "v0.0.1-go1.25.5.linux-amd64", "sum": "{sum}", "zip": {}}},
                "modules": [], "published": null}}"#,
            release.purl,
            GoLock::recipe_digest(release.go().unwrap()),
            blob(zip),
            blob(b"tool chain"),
        );
        let lock = GoLock::parse("lock", lock.as_bytes()).unwrap();
        lock.write(&component.lock_path(release)).unwrap();
        let served = zip.to_vec();
        let server = Server::new(move |asked| match asked.target.as_str() {
            "/example.org/o/tool/@v/v1.2.3.zip" => Reply::ok(&served),
            _ => Reply::status("404 Not Found"),
        });
        Self { folder, server }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn audit(&self, more: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_reprove"))
            .env_clear()
            .args(["--format", "json", "--quiet", "--root"])
            .arg(self.folder.path())
            .arg("--work")
            .arg(self.path("work"))
            .args(["audit", "tool", "--no-build", "--mirror", "http://127.0.0.1:9", "--goproxy"])
            .arg(self.server.url(""))
            .arg("--reports")
            .arg(self.path("reports"))
            .arg("--attestations")
            .arg(self.path("attestations"))
            .args(more)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Said { code: output.status.code().unwrap(), component: report["components"][0].clone(), stderr }
    }

    /// Writes the released file, and a list beside it.
    fn released(&self, list: Option<&str>) -> String {
        let folder = self.path("released");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(ARTIFACT);
        fs::write(&file, released()).unwrap();
        let at = folder.join("sha256sums.txt");
        match list {
            Some(list) => fs::write(at, list).unwrap(),
            None => drop(fs::remove_file(at)),
        }
        file.display().to_string()
    }
}

fn released() -> &'static [u8] {
    b"the released archive"
}

fn line(bytes: &[u8], name: &str) -> String {
    format!("{}  {name}\n", Digest::sha256(bytes).to_hex())
}

#[test]
fn a_released_file_is_held_against_its_list_of_checksums() {
    let world = World::new(&good_zip(), "");
    let sha512 = format!("{}  {ARTIFACT}\n", Digest::of(Algorithm::Sha512, released()).to_hex());
    for (list, code, finding) in [
        (line(released(), ARTIFACT), 3, "established"),
        (line(released(), &format!("./dist/{ARTIFACT}")), 3, "established"),
        (sha512, 3, "established"),
        (line(b"other", ARTIFACT), 1, "refuted"),
        (line(released(), "tool-1.2.2.linux-amd64.tar.gz"), 1, "refuted"),
        (line(b"other", "another file"), 3, "absent"),
        ("no list\n".to_owned(), 1, "refuted"),
        (format!("{}{}", line(released(), ARTIFACT), line(b"other", ARTIFACT)), 1, "refuted"),
    ] {
        let said = world.audit(&["--published", &world.released(Some(&list))]);
        assert_eq!(
            (said.code, said.finding("checksums-list-the-artifact").as_str()),
            (code, finding),
            "{list}"
        );
        assert_eq!(said.finding("checksums-signed"), "noted");
        assert!(said.gaps().contains("nobody signed the list"), "{}", said.gaps());
    }
    let alone = world.audit(&["--published", &world.released(None)]);
    assert_eq!((alone.code, alone.finding("checksums-not-given").as_str()), (3, "absent"));
    let blocks = alone.component["blocks"].to_string();
    assert!(blocks.contains("checksums-not-given") && blocks.contains("sha256sums.txt"), "{blocks}");
    let elsewhere = world.path("elsewhere");
    fs::write(&elsewhere, line(b"other", ARTIFACT)).unwrap();
    let given = world.audit(&[
        "--published",
        &world.released(Some(&line(released(), ARTIFACT))),
        "--checksums",
        elsewhere.to_str().unwrap(),
    ]);
    assert_eq!(given.finding("checksums-list-the-artifact"), "refuted", "the one that is named counts");
    let without = world.audit(&["--checksums", elsewhere.to_str().unwrap()]);
    assert_eq!(without.code, 2, "a list without a file is a wrong argument: {}", without.stderr);
    let absent = world.audit(&["--published", &world.released(None), "--checksums", "/nonexistent"]);
    assert_eq!(absent.code, 2, "{}", absent.stderr);
}

/// Signed with minisign, by a key pair of the format's own documentation.
#[test]
fn a_signature_over_the_list_is_checked_with_the_keys_that_were_given() {
    let world = World::new(&good_zip(), "");
    let file = world.released(Some(&line(released(), ARTIFACT)));
    let signature = world.path("released/sha256sums.txt.minisig");
    let text = "untrusted comment: x\nRUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\ntrusted comment: timestamp:1556193335\tfile:test\ny/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n";
    fs::write(&signature, text).unwrap();
    let said = world.audit(&["--published", &file]);
    assert_eq!(said.code, 3, "nobody gave a key: {}", said.stderr);
    assert!(said.component["blocks"].to_string().contains("minisign"), "{:#}", said.component["blocks"]);
    let key = world.path("key.pub");
    fs::write(&key, "untrusted comment: k\nRWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3\n")
        .unwrap();
    let said = world.audit(&["--published", &file, "--minisign-key", key.to_str().unwrap()]);
    assert_eq!((said.code, said.finding("minisign-signature").as_str()), (1, "refuted"));
}

#[test]
fn a_tag_is_held_against_the_pinned_commit_the_signer_and_the_module() {
    let made = Made::new(&entries());
    made.tag("v1.2.3", made.commit);
    let vcs = |revision: &str, time: &str, tags: &str| {
        format!(
            "[release.upstream.go.vcs]\nrevision = \"{revision}\"\ntime = \"{time}\"\nmodified = false\n{tags}\n"
        )
    };
    let (id, time) = (made.commit.to_string(), "2026-05-27T15:09:50Z");
    let clone = format!("o/tool={}", made.path().display());
    let world = World::new(&good_zip(), &vcs(&id, time, "tags = [\"v1.2.3\"]"));
    let none = world.audit(&[]);
    assert_eq!((none.code, none.finding("clone-tag").as_str()), (3, "noted"));
    assert!(none.gaps().contains("--repository o/tool=PATH"), "{}", none.gaps());
    let said = world.audit(&["--repository", &clone]);
    for code in ["clone-tag", "source-drift", "checkout-time", "checkout-tag"] {
        assert_eq!(said.finding(code), "established", "{code}");
    }
    assert_eq!(
        (said.code, said.finding("git-signature").as_str()),
        (3, "noted"),
        "nobody asked for a signer"
    );
    let allowed = world.path("allowed");
    fs::write(
        &allowed,
        "a@b ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGNiYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh\n",
    )
    .unwrap();
    let demanded = world.audit(&["--repository", &clone, "--allowed-signers", allowed.to_str().unwrap()]);
    assert_eq!(demanded.finding("git-signature"), "absent", "a key was given, and nobody signed");
    let other = "0123456789012345678901234567890123456789";
    for (revision, time, tags, code, finding) in [
        (other, time, "", "clone-tag", "refuted"),
        (&id[..12], time, "", "clone-tag", "established"),
        (&id, "2026-05-27T15:09:51Z", "", "checkout-time", "refuted"),
        (&id, time, "earlier-tags = [\"v1.2.2\"]", "checkout-tag", "absent"),
    ] {
        let world = World::new(&good_zip(), &vcs(revision, time, tags));
        let said = world.audit(&["--repository", &clone]);
        assert_eq!(said.finding(code), finding, "{code}");
        assert_eq!(said.code, if finding == "refuted" { 1 } else { 3 });
    }
    let evil = module_zip(&[
        ("example.org/o/tool@v1.2.3/go.mod", MOD),
        ("example.org/o/tool@v1.2.3/main.go", MAIN),
        ("example.org/o/tool@v1.2.3/init.go", b"package main\nfunc init() {}\n"),
    ]);
    let drifted = World::new(&evil, "").audit(&["--repository", &clone]);
    let all = drifted.checks("source-drift");
    assert_eq!((drifted.code, all.len()), (1, 2), "{all:?}");
    assert!(all.iter().all(|(finding, _)| finding == "refuted"), "{all:?}");
    assert!(
        all.iter().any(|(_, found)| found.contains("the first `init.go` (not in the tagged tree)")),
        "{all:?}"
    );
    for (clone, finding) in [("/nonexistent", "absent"), (world.folder.path().to_str().unwrap(), "absent")] {
        let said = world.audit(&["--repository", &format!("o/tool={clone}")]);
        assert_eq!((said.code, said.finding("clone-tag").as_str()), (3, finding));
    }
}

/// A key pair of OpenSSH's kind, and its line among allowed signers.
fn ssh_key(seed: u8) -> (ssh_key::PrivateKey, String) {
    let pair = ssh_key::private::Ed25519Keypair::from_seed(&[seed; 32]);
    let key = ssh_key::PrivateKey::from(pair);
    let line = format!("ann@example.invalid {}\n", key.public_key().to_openssh().unwrap());
    (key, line)
}

#[test]
fn a_signed_tag_is_shown_with_its_signer() {
    let made = Made::new(&entries());
    let (key, allowed) = ssh_key(7);
    let tag = |name: &str, message: &str, signed: &str| {
        let text = |message: &str| {
            let commit = made.commit;
            format!(
                "object {commit}\ntype commit\ntag {name}\ntagger Ann <ann@example.invalid> 1779894590 +0000\n\n{message}\n"
            )
        };
        let over = key.sign("git", ssh_key::HashAlg::Sha512, text(signed).as_bytes()).unwrap();
        let pem = over.to_pem(ssh_key::LineEnding::LF).unwrap();
        let whole = text(message) + &pem;
        let id = made.repository.odb().unwrap().write(git2::ObjectType::Tag, whole.as_bytes()).unwrap();
        made.tag("v1.2.3", id);
    };
    let world = World::new(&good_zip(), "");
    let signers = world.path("allowed");
    let clone = format!("o/tool={}", made.path().display());
    let run = |allowed: &str| {
        fs::write(&signers, allowed).unwrap();
        let said = world.audit(&["--repository", &clone, "--allowed-signers", signers.to_str().unwrap()]);
        fs::remove_dir_all(world.path("work")).unwrap();
        said
    };
    tag("v1.2.3", "release", "release");
    let good = run(&allowed);
    assert_eq!((good.code, good.finding("ssh-signature").as_str()), (3, "established"));
    let signature = good.component["evidence"]["source"]["signature"].to_string();
    assert!(signature.contains("verified") && signature.contains("ann@example.invalid"), "{signature}");
    let other = run(&ssh_key(8).1);
    assert_eq!((other.code, other.finding("ssh-key-allowed").as_str()), (3, "absent"));
    assert!(!other.component["evidence"]["source"]["signature"].to_string().contains("verified"));
    tag("v1.2.3", "release", "another text");
    let forged = run(&allowed);
    assert_eq!((forged.code, forged.finding("ssh-signature").as_str()), (1, "refuted"));
    tag("v1.2.2", "an older release", "an older release");
    let older = run(&allowed);
    assert_eq!((older.code, older.finding("git-tag-name").as_str()), (1, "refuted"));
    let unasked = world.audit(&["--repository", &clone]);
    assert_eq!(unasked.finding("git-tag-name"), "refuted", "whoever asks for no signer sees it all the same");
}

#[test]
fn a_tag_that_moved_and_a_file_that_was_replaced_are_told() {
    let made = Made::new(&entries());
    made.tag("v1.2.3", made.commit);
    let world = World::new(&good_zip(), "");
    let clone = format!("o/tool={}", made.path().display());
    let run = |list: &str| {
        world.audit(&[
            "--repository",
            &clone,
            "--published",
            &world.released(Some(list)),
            "--as-of",
            "2026-11-01T00:00:00Z",
        ])
    };
    let good = line(released(), ARTIFACT);
    for _ in 0..2 {
        let said = run(&good);
        assert_eq!(
            (said.code, said.checks("replaced-since").len()),
            (3, 0),
            "{:?}",
            said.checks("replaced-since")
        );
    }
    let moved = made
        .then("v1.2.3", &[("go.mod", 0o100_644, MOD), ("main.go", 0o100_644, MAIN), ("x", 0o100_644, b"")]);
    let said = run(&good);
    let told = said.checks("replaced-since");
    assert_eq!((said.code, told.len()), (1, 1), "{told:?}");
    assert!(told[0].0 == "refuted" && told[0].1.contains(&moved.to_string()), "{told:?}");
    let again = run(&good);
    assert_eq!(again.finding("replaced-since"), "noted", "it is told once as a failure, and ever after");
    assert!(again.gaps().contains(&made.commit.to_string()), "{}", again.gaps());
    made.tag("v1.2.3", made.commit);
    assert_eq!(run(&good).finding("replaced-since"), "refuted", "that it moved back is another change");

    let file = world.released(Some(&line(b"replaced", ARTIFACT)));
    fs::write(&file, b"replaced").unwrap();
    let said = world.audit(&["--published", &file, "--as-of", "2026-11-02T00:00:00Z"]);
    let told = said.checks("replaced-since");
    assert_eq!(said.finding("checksums-list-the-artifact"), "established", "the list was replaced with it");
    assert!(
        told.iter().any(|(finding, found)| finding == "refuted"
            && found.contains(&Digest::sha256(b"replaced").to_string())),
        "{told:?}"
    );
    assert_eq!(said.code, 1);
}

#[test]
fn hostile_clones_are_told_and_the_audit_goes_on() {
    let world = World::new(&good_zip(), "");
    let with = |change: Entry<'static>| {
        let mut all = entries();
        all.push(change);
        let made = Made::new(&all);
        made.tag("v1.2.3", made.commit);
        let said = world.audit(&["--repository", &format!("o/tool={}", made.path().display())]);
        fs::remove_dir_all(world.path("work")).unwrap();
        said
    };
    let said = with(("third", 0o160_000, b"0123456789012345678901234567890123456789"));
    assert_eq!((said.code, said.finding("source-submodule").as_str()), (3, "noted"));
    let said = with(("link", 0o120_000, b"/etc/passwd"));
    assert_eq!(
        (said.code, said.finding("source-drift").as_str()),
        (3, "established"),
        "a module has no links"
    );
    let said = with((".git", 0o100_755, b"#!/bin/sh\n"));
    assert_eq!(said.code, 1);
    assert!(
        said.checks("clone-tag").iter().any(|(finding, _)| finding == "refuted"),
        "{:?}",
        said.checks("clone-tag")
    );
    assert_eq!(said.component["evidence"]["source"]["files"][0]["state"], "checked", "the audit went on");
}

const AUDIT: &str = r#"schema = 1

[audit]
id = "acme-2025"
title = "Review of tool"
auditor = "Acme"
date = 2025-03-01
scope = ["o/tool"]
findings = 2
report = { file = "tool.pdf", sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", pages = 12 }

[[finding]]
id = "T-1"
title = "It does not say who may reach the port"
severity = "low"
section = "Findings"
page = "3"
components = ["tool"]
summary = "The port is open to everybody."

[[finding.evidence]]
id = "T-1.e1"
kind = "document"
asserts = "not-resolved"
required = true
path = "main.go"
pattern = "package main"

[[finding]]
id = "T-2"
title = "It answers anybody"
severity = "high"
section = "Findings"
page = "4"
components = ["tool"]
summary = "Whoever asks is answered."

[[finding.evidence]]
id = "T-2.e1"
kind = "cli-probe"
asserts = "mitigation-present"
required = true
launch = { component = "tool", args = ["--version"] }
expect = [{ exit-status = 0 }]
"#;

#[test]
fn a_register_is_asked_of_the_module_s_source_and_of_a_program_that_is_at_hand() {
    let world = World::new(&good_zip(), "");
    fs::create_dir_all(world.path("policies/findings")).unwrap();
    fs::write(world.path("policies/findings/acme-2025.toml"), AUDIT).unwrap();
    let said = world.audit(&[]);
    let rows = said.component["findings"]["rows"].as_array().cloned().unwrap_or_default();
    let told: Vec<_> =
        rows.iter().map(|r| (r["id"].as_str().unwrap(), r["standing"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [("T-1", "open"), ("T-2", "unproven")],
        "{}\n{:#}",
        said.stderr,
        said.component["findings"]
    );
    let asked = said.component["findings"].to_string();
    assert!(asked.contains("the published program is not at hand"), "{asked}");
    assert_eq!(said.checks("register-not-asked").len(), 0);
}

#[test]
fn what_is_not_asked_of_a_release_is_said() {
    let said = World::new(&good_zip(), "").audit(&[]);
    assert_eq!(said.finding("register-not-asked"), "noted");
    assert!(said.gaps().contains("no finding of an audit"), "{}", said.gaps());
}

/// Quick to give up, with little to take.
const LIMITS: GoLimits = GoLimits { zip_bytes_max: 10_000, unpacked_bytes_max: 20_000, ..GoLimits::DEFAULT };

fn fetched(serve: impl Fn() -> Reply + Send + Sync + 'static, sum: &ModSum) -> Result<(), GoSourceError> {
    let server = Server::new(move |_| serve());
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let limits = FetchLimits {
        stall_timeout: std::time::Duration::from_millis(250),
        retries_max: 0,
        ..FetchLimits::DEFAULT
    };
    let fetcher = Fetcher::new(Proxies::None, limits);
    let urls = [server.url("")];
    let proxy =
        ModuleProxy { urls: &urls, fetcher: &fetcher, store: &store, observer: &Silent, limits: &LIMITS };
    let answer = proxy.fetch_summed(&[(module(), Some(sum.clone()), None)]).map(|_| ());
    let outside: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(outside, ["store"], "nothing was written beside the store");
    answer
}

fn sum_of(zip: &[u8]) -> ModSum {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), zip).unwrap();
    ModuleZip::open(&module(), file.path(), &GoLimits::DEFAULT).unwrap().sum().unwrap()
}

#[test]
fn hostile_module_proxies_are_refused() {
    let (good, sum) = (good_zip(), sum_of(&good_zip()));
    fetched(
        {
            let good = good.clone();
            move || Reply::ok(&good)
        },
        &sum,
    )
    .unwrap();
    let other = module_zip(&[("example.org/o/tool@v1.2.3/go.mod", b"module evil\n")]);
    let climbing = module_zip(&[("example.org/o/tool@v1.2.3/../../../x", b"x")]);
    let absolute = module_zip(&[("/etc/cron.d/x", b"x")]);
    let bomb = module_zip(&[("example.org/o/tool@v1.2.3/a", &vec![0; 9_000][..]); 1]);
    let lying = {
        let mut zip = bomb;
        // The central directory says that it unpacks to 40,000 bytes.
        let at = zip.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
        zip[at + 24..at + 28].copy_from_slice(&40_000u32.to_le_bytes());
        zip
    };
    let is_sum = |e: &GoSourceError| matches!(e, GoSourceError::Sum { .. });
    let is_zip = |e: &GoSourceError| matches!(e, GoSourceError::Zip { .. });
    let is_fetch = |e: &GoSourceError| matches!(e, GoSourceError::Fetch(_));
    type Case = (&'static str, Box<dyn Fn() -> Reply + Send + Sync>, fn(&GoSourceError) -> bool);
    let cases: Vec<Case> = vec![
        ("another module's bytes", Box::new(move || Reply::ok(&other)), is_sum),
        ("a name that climbs", Box::new(move || Reply::ok(&climbing)), is_zip),
        ("an absolute name", Box::new(move || Reply::ok(&absolute)), is_zip),
        ("more than announced inside", Box::new(move || Reply::ok(&lying)), is_zip),
        ("no zip", Box::new(|| Reply::ok(b"<html>")), is_zip),
        ("too much, announced", Box::new(|| Reply::announcing("200 OK", &[], b"x", 1 << 40)), is_fetch),
        ("too much, sent", Box::new(|| Reply::chunked(&[7; 20_000])), is_fetch),
        ("a loop of redirects", Box::new(|| Reply::redirect("/again")), is_fetch),
        ("a file of this machine", Box::new(|| Reply::redirect("file:///etc/passwd")), is_fetch),
        ("silence", Box::new(|| Reply::announcing("200 OK", &[], b"PK", 5_000).then_stall()), is_fetch),
        ("an error", Box::new(|| Reply::status("500 Internal Server Error")), is_fetch),
    ];
    for (what, serve, expected) in cases {
        let error = fetched(serve, &sum).unwrap_err();
        assert!(expected(&error), "{what}: {error}");
    }
}

/// The whole audit against a proxy that serves other bytes than the lock pins, and against one whose zip is
/// what the lock pins and leads elsewhere.
#[test]
fn an_audit_tells_hostile_proxies_by_its_exit_code() {
    let world = World::new(&good_zip(), "");
    let evil = Server::new(|_| Reply::ok(b"other"));
    let said = world.audit(&["--goproxy", &evil.url("")]);
    assert_eq!(said.code, 3, "the next proxy has it: {}", said.stderr);
    let made = Made::new(&entries());
    made.tag("v1.2.3", made.commit);
    let climbing = module_zip(&[("example.org/o/tool@v1.2.3/../../../x", b"x")]);
    let world = World::new(&climbing, "");
    let said = world.audit(&["--repository", &format!("o/tool={}", made.path().display())]);
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(said.stderr.contains("is not a plain path below"), "{}", said.stderr);
    assert!(!Path::new("/x").exists());
}
