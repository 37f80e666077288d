//! Releases whose source is a commit of a repository: locked and audited through the command line, from a
//! server on the loopback and from a clone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use git2::ObjectType;
use reprove::limits::go::GoLimits;
use reprove::source::go::archive::ModuleZip;
use reprove::source::go::{ModuleVersion, h1_of_mod};
use serde_json::Value;

use crate::git_server::{has_git, upload_pack};
use crate::git_source::{Entry, Made};
use crate::module_zip::module_zip;
use crate::observe::{elf, framed, inline};
use crate::server::{Reply, Server};

const MOD: &[u8] = b"module example.org/o/tool\n";
const TOOLCHAIN: &str = "golang.org/toolchain@v0.0.1-go1.25.5.linux-amd64";

/// A root with one component, its repository on a server, and a proxy for modules.
struct World {
    folder: tempfile::TempDir,
    made: Made,
    server: Server,
    proxy: Server,
    /// Whether the repository's server answers.
    up: Arc<Mutex<bool>>,
}

struct Ran {
    code: i32,
    out: Value,
    err: String,
}

impl Ran {
    fn component(&self) -> &Value {
        &self.out["components"][0]
    }

    /// Findings and what was found of the checks with that code.
    fn checks(&self, code: &str) -> Vec<(String, String)> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let all = self.component()["evidence"]["checks"].as_array().cloned().unwrap_or_default();
        all.iter().filter(|c| c["code"] == code).map(|c| (text(&c["finding"]), text(&c["found"]))).collect()
    }

    fn finding(&self, code: &str) -> String {
        match &self.checks(code)[..] {
            [(finding, _)] => finding.clone(),
            other => panic!("{code}: {other:?}\n{:#}\n{}", self.out, self.err),
        }
    }

    fn source_state(&self) -> String {
        self.component()["evidence"]["source"]["files"][0]["state"].as_str().unwrap_or_default().to_owned()
    }
}

/// A module of one file, and its lines for a `go.sum`.
fn dependency(path: &str) -> (Vec<u8>, Vec<u8>, String) {
    let module = ModuleVersion::new(path, "v1.0.0").unwrap();
    let only_mod = format!("module {path}\n").into_bytes();
    let zip = module_zip(&[(&format!("{module}/go.mod"), &only_mod)]);
    let file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(file.path(), &zip).unwrap();
    let sum = ModuleZip::open(&module, file.path(), &GoLimits::DEFAULT).unwrap().sum().unwrap();
    let lines = format!("{path} v1.0.0 {sum}\n{path} v1.0.0/go.mod {}\n", h1_of_mod(&only_mod));
    (zip, only_mod, lines)
}

fn entries<'a>(sums: &'a [String; 2], main: &'a [u8]) -> Vec<Entry<'a>> {
    vec![
        ("go.mod", 0o100_644, MOD),
        ("go.sum", 0o100_644, sums[0].as_bytes()),
        ("go.work", 0o100_644, b"go 1.25\n\nuse (\n\t.\n\t./inner\n)\n"),
        ("inner/go.mod", 0o100_644, b"module example.org/o/tool/inner\n"),
        ("inner/go.sum", 0o100_644, sums[1].as_bytes()),
        ("main.go", 0o100_644, main),
        ("VERSION", 0o100_644, b"1.2.3\n"),
        ("debian/patches/series", 0o100_644, b"evil.patch\n"),
    ]
}

impl World {
    fn new() -> Self {
        Self::with(|made, url| git_source(url, &made.commit.to_string()[..12]))
    }

    /// With what the definition says of its source.
    fn with(source: impl Fn(&Made, &str) -> String) -> Self {
        let names = ["example.org/one", "example.org/two"];
        let deps = names.map(dependency);
        let sums = [deps[0].2.clone(), deps[1].2.clone()];
        let made = Made::new(&entries(&sums, b"package main\n"));
        annotate(&made, made.commit);
        let (path, up) = (made.path().to_path_buf(), Arc::new(Mutex::new(true)));
        let is_up = Arc::clone(&up);
        let server = Server::new(move |asked| match *is_up.lock().unwrap() {
            true => upload_pack(&path, true, asked),
            false => Reply::raw(""),
        });
        let tool = module_zip(&[(&format!("{TOOLCHAIN}/VERSION"), b"go1.25.5\n")]);
        let own = module_zip(&[
            ("example.org/o/tool@v1.2.3/go.mod", MOD),
            ("example.org/o/tool@v1.2.3/main.go", b"package main\n"),
            ("example.org/o/tool@v1.2.3/VERSION", b"1.2.3\n"),
            ("example.org/o/tool@v1.2.3/go.sum", sums[0].as_bytes()),
            ("example.org/o/tool@v1.2.3/go.work", b"go 1.25\n\nuse (\n\t.\n\t./inner\n)\n"),
            ("example.org/o/tool@v1.2.3/debian/patches/series", b"evil.patch\n"),
        ]);
        let proxy = Server::new(move |asked| {
            let target = asked.target.as_str();
            for (name, (zip, only_mod, _)) in names.iter().zip(&deps) {
                if target == format!("/{name}/@v/v1.0.0.zip") {
                    return Reply::ok(zip);
                }
                if target == format!("/{name}/@v/v1.0.0.mod") {
                    return Reply::ok(only_mod);
                }
            }
            match target {
                "/golang.org/toolchain/@v/v0.0.1-go1.25.5.linux-amd64.zip" => Reply::ok(&tool),
                "/example.org/o/tool/@v/v1.2.3.zip" => Reply::ok(&own),
                _ => Reply::status("404 Not Found"),
            }
        });
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let trust = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/trust");
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        std::os::unix::fs::symlink(trust, folder.path().join("policies/trust")).unwrap();
        let world = Self { folder, made, server, proxy, up };
        world.define(&source(&world.made, &world.url()));
        world
    }

    fn url(&self) -> String {
        self.server.url("/o/tool")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn define(&self, source: &str) {
        let own = self.path("policies/components/tool");
        fs::create_dir_all(&own).unwrap();
        let definition = format!(
            r#"schema = 1
name = "tool"
summary = "a tool"

[[release.upstream]]
purl = "pkg:github/o/tool@v1.2.3?arch=amd64"
artifact = "tool-1.2.3.linux-amd64.tar.gz"
source = {{ {source} }}
members = [{{ path = "tool-1.2.3/tool", binary = "tool" }}]

[release.upstream.go]
toolchain = "1.25.5"
path = "/app"
env = {{ GOOS = "linux", GOARCH = "amd64" }}
binaries = [{{ name = "tool", package = "." }}]
"#
        );
        fs::write(own.join("component.toml"), definition).unwrap();
    }

    fn run(&self, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_reprove"))
            .env_clear()
            .args(["--format", "json", "--quiet", "--root"])
            .arg(self.folder.path())
            .arg("--work")
            .arg(self.path("work"))
            .args(args)
            .args(["--mirror", "http://127.0.0.1:9", "--goproxy"])
            .arg(self.proxy.url(""))
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let out = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ran { code: output.status.code().unwrap(), out, err }
    }

    fn lock(&self, more: &[&str]) -> Ran {
        self.run(&[&["lock", "tool"], more].concat())
    }

    fn audit(&self, more: &[&str]) -> Ran {
        let (reports, attestations) = (self.path("reports"), self.path("attestations"));
        let (reports, attestations) = (reports.to_str().unwrap(), attestations.to_str().unwrap());
        let own = ["audit", "tool", "--no-build", "--reports", reports, "--attestations", attestations];
        self.run(&[&own[..], more].concat())
    }

    fn lock_path(&self) -> PathBuf {
        self.path("policies/components/tool/upstream-linux-amd64-1.2.3.lock.json")
    }

    fn locked(&self) -> Value {
        serde_json::from_slice(&fs::read(self.lock_path()).unwrap()).unwrap()
    }

    fn clone(&self) -> String {
        format!("o/tool={}", self.made.path().display())
    }

    fn go_down(&self) {
        *self.up.lock().unwrap() = false;
    }
}

fn git_source(url: &str, commit: &str) -> String {
    format!(r#"repository = "{url}", tag = "v1.2.3", commit = "{commit}", module = "example.org/o/tool""#)
}

fn annotate(made: &Made, commit: git2::Oid) {
    let text =
        format!("object {commit}\ntype commit\ntag v1.2.3\ntagger A <a@b> 1779894590 +0000\n\nrelease\n");
    let tag = made.repository.odb().unwrap().write(ObjectType::Tag, text.as_bytes()).unwrap();
    made.tag("v1.2.3", tag);
}

#[test]
fn a_lock_pins_the_commit_its_files_and_every_module_of_the_workspace() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let ran = world.lock(&[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let lock = world.locked();
    assert_eq!(lock["git"]["commit"], world.made.commit.to_string());
    assert_eq!(
        (&lock["source"]["path"], &lock["source"]["zip"]),
        (&"example.org/o/tool".into(), &Value::Null)
    );
    let modules: Vec<_> = lock["modules"].as_array().unwrap().iter().map(|m| m["path"].clone()).collect();
    assert_eq!(modules, ["example.org/one", "example.org/two"], "the second is a member's of the workspace");
    let from_server = fs::read(world.lock_path()).unwrap();
    let asked = world.server.asked().len();
    fs::remove_dir_all(world.path("work")).unwrap();
    assert_eq!(world.lock(&["--repository", &world.clone()]).code, 0);
    assert_eq!(fs::read(world.lock_path()).unwrap(), from_server, "a clone gives the same lock");
    assert_eq!(world.server.asked().len(), asked, "and nobody is asked");
}

#[test]
fn a_module_s_lock_covers_the_workspace_where_a_clone_is_given() {
    if !has_git() {
        return;
    }
    let zip = |_: &Made, _: &str| r#"module = "example.org/o/tool", version = "v1.2.3""#.to_owned();
    let world = World::with(zip);
    let modules = |world: &World| world.locked()["modules"].as_array().unwrap().len();
    assert_eq!((world.lock(&[]).code, modules(&world)), (0, 1));
    assert_eq!((world.lock(&["--repository", &world.clone()]).code, modules(&world)), (0, 2));
    let lock = world.locked();
    assert!(lock["git"].is_null() && !lock["source"]["zip"].is_null());
    // The repository of such a release is asked where it is named, and else never.
    let count = world.server.asked().len();
    let said = world.audit(&[]);
    assert_eq!((said.finding("clone-tag").as_str(), world.server.asked().len()), ("noted", count));
    let address = format!("o/tool={}", world.url());
    let said = world.audit(&["--repository", &address]);
    assert_eq!(said.finding("clone-tag"), "established");
    assert_eq!(said.finding("source-drift"), "established", "{:?}", said.checks("source-drift"));
    world.go_down();
    fs::remove_dir_all(world.path("work/git")).unwrap();
    let said = world.audit(&["--repository", &address]);
    assert_eq!((said.code, said.finding("clone-tag").as_str()), (3, "absent"));
    assert!(said.checks("clone-tag")[0].1.starts_with("not reachable: "), "{:?}", said.checks("clone-tag"));
}

#[test]
fn what_cannot_be_locked_says_why_and_what_to_do() {
    if !has_git() {
        return;
    }
    let world = World::new();
    let other = "0123456789ab";
    world.define(&git_source(&world.url(), other));
    let ran = world.lock(&[]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("go_environment::tag_moved") && ran.err.contains(other), "{}", ran.err);
    world.define(
        &git_source(&world.url(), &world.made.commit.to_string())
            .replace("module = \"example.org/o/tool\"", "module = \"example.org/o/other\""),
    );
    let ran = world.lock(&[]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("its `go.mod` says that it is `example.org/o/tool`"), "{}", ran.err);
    let unknown = world.lock(&["--repository", "o/tol=/nonexistent"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("`o/tol`") && unknown.err.contains("known here: o/tool"), "{}", unknown.err);
    world.define(&git_source(&world.url(), &world.made.commit.to_string()));
    assert_eq!(world.lock(&["--repository", "o/tool=/nonexistent"]).code, 4);
    world.go_down();
    fs::remove_dir_all(world.path("work")).unwrap();
    let ran = world.lock(&[]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains("cannot be had") && ran.err.contains("--repository o/tool=PATH"), "{}", ran.err);
    let audit = world.audit(&[]);
    assert_eq!(audit.code, 2, "without a lock nothing is audited: {}", audit.err);
    let hint = "`reprove lock 'pkg:github/o/tool@v1.2.3?arch=amd64'`";
    assert!(audit.err.contains(hint), "{}", audit.err);
}

#[test]
fn an_audit_has_the_locked_commit_or_says_that_it_has_not() {
    if !has_git() {
        return;
    }
    let world = World::new();
    assert_eq!(world.lock(&[]).code, 0);
    fs::remove_dir_all(world.path("work")).unwrap();
    let said = world.audit(&[]);
    assert_eq!((said.code, said.source_state().as_str()), (3, "checked"), "{}", said.err);
    assert_eq!(said.finding("clone-tag"), "established");
    let name = format!("o-tool-{}.tar", world.made.commit);
    assert_eq!(said.component()["evidence"]["source"]["files"][0]["name"], name);
    assert_eq!(said.checks("source-drift").len(), 0, "nothing was packed by anybody");

    world.go_down();
    let again = world.audit(&[]);
    assert_eq!(
        (again.source_state().as_str(), again.finding("tag-not-asked").as_str()),
        ("checked", "noted")
    );
    fs::remove_dir_all(world.path("work")).unwrap();
    let gone = world.audit(&[]);
    assert_eq!((gone.code, gone.source_state().as_str()), (3, "missing"), "{}", gone.err);
    assert_eq!(gone.component()["outcome"], "source unavailable", "{:#}", gone.component());
    assert!(gone.checks("clone-tag")[0].1.starts_with("not reachable: "), "{:?}", gone.checks("clone-tag"));
    let clone = world.audit(&["--repository", &world.clone()]);
    assert_eq!(
        (clone.source_state().as_str(), clone.finding("clone-tag").as_str()),
        ("checked", "established")
    );
    let unknown = world.audit(&["--repository", "o/tol=/x"]);
    assert_eq!(unknown.code, 2, "{}", unknown.err);
}

/// What a released program says of its version is held against the commit's `VERSION`, as against a module's.
#[test]
fn a_program_of_another_version_than_its_commit_s_is_told() {
    if !has_git() {
        return;
    }
    let world = World::new();
    assert_eq!(world.lock(&[]).code, 0);
    for (version, finding, code) in [("1.2.3", "established", 3), ("9.9.9", "refuted", 1)] {
        let account = format!(
            "path\texample.org/o/tool\nmod\texample.org/o/tool\tv1.2.3\t\nbuild\tGOOS=linux\nbuild\t-ldflags=\"-X example.org/v.Version={version}\"\n"
        );
        let program = elf(&inline(b"go1.25.5", &framed(&account)));
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut tar = tar::Builder::new(gzip);
        let mut header = tar::Header::new_ustar();
        header.set_size(program.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, "tool-1.2.3/tool", program.as_slice()).unwrap();
        let archive = world.path("tool-1.2.3.linux-amd64.tar.gz");
        fs::write(&archive, tar.into_inner().unwrap().finish().unwrap()).unwrap();
        let said = world.audit(&["--published", archive.to_str().unwrap()]);
        assert_eq!((said.finding("build-info-version").as_str(), said.code), (finding, code), "{}", said.err);
        fs::remove_dir_all(world.path("work")).unwrap();
    }
}

#[test]
fn a_tag_that_moved_fails_a_release_whose_source_is_still_there() {
    if !has_git() {
        return;
    }
    let world = World::new();
    assert_eq!(world.lock(&[]).code, 0);
    let sums = ["example.org/one", "example.org/two"].map(|name| dependency(name).2);
    let moved = world.made.then("other", &entries(&sums, b"package main\n// evil\n"));
    annotate(&world.made, moved);
    let said = world.audit(&[]);
    assert_eq!((said.code, said.source_state().as_str()), (1, "checked"), "{}", said.err);
    assert_eq!(said.finding("clone-tag"), "refuted");
    world.made.repository.find_reference("refs/tags/v1.2.3").unwrap().delete().unwrap();
    let gone = world.audit(&[]);
    assert_eq!(
        (gone.code, gone.finding("clone-tag").as_str()),
        (3, "absent"),
        "a tag that is gone proves nothing"
    );
    assert_eq!(gone.source_state(), "checked");
}

#[test]
fn locks_of_commits_that_are_not_theirs_are_refused() {
    if !has_git() {
        return;
    }
    let world = World::new();
    assert_eq!(world.lock(&[]).code, 0);
    let good = fs::read_to_string(world.lock_path()).unwrap();
    let (commit, digest) = (world.made.commit.to_string(), world.locked()["git"]["digest"].to_string());
    let (url, other) = (world.url(), "0123456789012345678901234567890123456789");
    let changed = good.replace(&digest, &format!("\"sha256:{}\"", "0".repeat(64)));
    fs::write(world.lock_path(), changed).unwrap();
    let said = world.audit(&[]);
    assert_eq!((said.code, said.source_state().as_str()), (3, "mismatched"), "{}", said.err);
    for (from, to) in [
        (commit.as_str(), other),
        (&commit, &commit[..12]),
        ("\"tag\": \"v1.2.3\"", "\"tag\": \"v1.2.4\""),
        ("\"tag\": \"v1.2.3\"", "\"tag\": \"../v1.2.3\""),
        ("/o/tool\"", "/o/other\""),
        (url.as_str(), "https://github.com/o/other"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        fs::write(world.lock_path(), text).unwrap();
        let said = world.audit(&[]);
        assert_eq!(said.code, 2, "{to}: {}", said.err);
    }
}

/// Of all releases one is out of reach: it is told, the exit code says so, and the others are locked.
#[test]
fn all_that_can_be_locked_is() {
    if !has_git() {
        return;
    }
    let world = World::new();
    world.go_down();
    let (own, other) = (world.path("policies/components/tool"), world.path("policies/components/zipped"));
    fs::create_dir_all(&other).unwrap();
    let text = fs::read_to_string(own.join("component.toml")).unwrap();
    let (before, rest) = text.split_once("source = {").unwrap();
    let (_, after) = rest.split_once('}').unwrap();
    let source = r#"source = { module = "example.org/o/tool", version = "v1.2.3" }"#;
    let text = format!("{before}{source}{after}").replace("\"tool\"\nsummary", "\"zipped\"\nsummary");
    fs::write(other.join("component.toml"), text).unwrap();
    let ran = world.run(&["lock", "--all"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains("pkg:github/o/tool@v1.2.3?arch=amd64"), "it is said which: {}", ran.err);
    assert!(ran.err.contains("go_environment::repository"), "{}", ran.err);
    assert_eq!(ran.out[0]["component"], "zipped");
    assert!(other.join("upstream-linux-amd64-1.2.3.lock.json").is_file() && !world.lock_path().exists());
}
