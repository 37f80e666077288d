//! `reprove audit` of a release whose source is built with another published archive, as far as it goes
//! without a tool chain: who vouches for that archive, and what is said where nobody does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reprove::component::Component;
use reprove::digest::{Algorithm, Digest};
use reprove::environment::go::GoLock;
use reprove::limits::go::GoLimits;
use reprove::source::go::ModuleVersion;
use reprove::source::go::archive::ModuleZip;
use serde_json::{Value, json};

use crate::module_zip::module_zip;
use crate::server::{Reply, Server};

const UI: &str = "tool-web-ui-1.2.3.tar.gz";
const TOOLCHAIN: &[u8] = b"tool chain";

/// A root with one component whose recipe has an input, its lock, and a proxy that serves what is locked.
struct World {
    folder: tempfile::TempDir,
    server: Server,
}

struct Said {
    code: i32,
    component: Value,
    stderr: String,
}

impl Said {
    fn finding(&self, code: &str) -> &str {
        let all = self.component["evidence"]["checks"].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().find(|c| c["code"] == code).map_or("", |c| c["finding"].as_str().unwrap())
    }

    /// Codes of what stands between the release and a pass.
    fn blocks(&self) -> Vec<&str> {
        let all = self.component["blocks"].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().map(|b| b["code"].as_str().unwrap()).collect()
    }

    /// What was not established, as text.
    fn open(&self) -> String {
        self.component["not_established"].to_string()
    }
}

impl World {
    /// With a lock that pins these bytes of the input.
    fn new(pinned: Option<&[u8]>) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let own = folder.path().join("policies/components/tool");
        fs::create_dir_all(&own).unwrap();
        let trust = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/trust");
        std::os::unix::fs::symlink(trust, folder.path().join("policies/trust")).unwrap();
        let release = |arch: &str, version: &str, ui: &str| {
            format!(
                r#"
[[release.upstream]]
purl = "pkg:github/o/tool@v{version}?arch={arch}"
artifact = "tool-{version}.linux-{arch}.tar.gz"
checksums = "sha256sums.txt"
source = {{ module = "example.org/o/tool", version = "v{version}" }}
inputs = [{{ name = "ui", artifact = "{ui}", folder = ".ui" }}]
members = [{{ path = "tool", binary = "tool" }}]

[release.upstream.go]
toolchain = "1.25.5"
path = "/app"
env = {{ GOOS = "linux", GOARCH = "{arch}" }}
binaries = [{{ name = "tool", package = "." }}]

[release.upstream.go.prepare]
suites = ["bookworm"]
packages = ["gzip"]
commands = [["gzip", "-n", ".ui/page"]]
"#
            )
        };
        let definition = format!(
            "schema = 1\nname = \"tool\"\nsummary = \"a tool\"\n{}{}",
            release("amd64", "1.2.3", UI),
            release("amd64", "1.2.2", "tool-web-ui-1.2.2.tar.gz")
        );
        fs::write(own.join("component.toml"), definition).unwrap();
        let module = ModuleVersion::new("example.org/o/tool", "v1.2.3").unwrap();
        let zip = module_zip(&[("example.org/o/tool@v1.2.3/go.mod", b"module example.org/o/tool\n")]);
        let at = folder.path().join("zip");
        fs::write(&at, &zip).unwrap();
        let sum = ModuleZip::open(&module, &at, &GoLimits::DEFAULT).unwrap().sum().unwrap();
        let blob = |bytes: &[u8]| json!({"size": bytes.len(), "digest": Digest::sha256(bytes)});
        let component = Component::load(folder.path(), "tool").unwrap();
        let first = component.release(None).unwrap();
        let mut input = json!({"name": "ui", "artifact": UI});
        if let Some(bytes) = pinned {
            input["file"] = blob(bytes);
        }
        let lock = json!({
            "schema": 1, "kind": "go", "component": "tool", "purl": first.purl.to_string(),
            "recipe": GoLock::recipe_digest(first.go().unwrap()),
            "source": {"path": module.path, "version": module.version, "sum": sum, "zip": blob(&zip)},
            "toolchain": {"path": "golang.org/toolchain", "version": "v0.0.1-go1.25.5.linux-amd64",
                "sum": sum, "zip": blob(TOOLCHAIN)},
            "modules": [], "inputs": [input], "indexes": [],
            "packages": [{"name": "gzip", "version": "1.12-1", "architecture": "amd64", "archive": "debian",
                "path": "pool/main/g/gzip/gzip_1.12-1_amd64.deb", "size": 1, "digest": Digest::sha256(b"x")}],
            "published": null,
        });
        let lock = GoLock::parse("lock", lock.to_string().as_bytes()).unwrap();
        lock.write(&component.lock_path(first)).unwrap();
        let server = Server::new(move |asked| match asked.target.as_str() {
            "/example.org/o/tool/@v/v1.2.3.zip" => Reply::ok(&zip),
            "/golang.org/toolchain/@v/v0.0.1-go1.25.5.linux-amd64.zip" => Reply::ok(TOOLCHAIN),
            _ => Reply::status("404 Not Found"),
        });
        Self { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// `ui=` and a file with these bytes.
    fn input(&self, bytes: &[u8]) -> String {
        format!("ui={}", self.write(&format!("given/{UI}"), bytes))
    }

    fn run(&self, verb: &[&str], more: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_reprove"))
            .env_clear()
            .args(["--format", "json", "--quiet", "--root"])
            .arg(self.folder.path())
            .arg("--work")
            .arg(self.path("work"))
            .args(verb)
            .args(["--mirror", "http://127.0.0.1:9", "--goproxy"])
            .arg(self.server.url(""))
            .args(more)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let component = if verb[0] == "audit" { report["components"][0].clone() } else { report };
        Said { code: output.status.code().unwrap(), component, stderr }
    }

    fn audit(&self, more: &[&str]) -> Said {
        let (reports, attestations) = (self.path("reports"), self.path("attestations"));
        let folders =
            ["--reports", reports.to_str().unwrap(), "--attestations", attestations.to_str().unwrap()];
        self.run(&["audit", "tool@1.2.3"], &[&folders, more].concat())
    }
}

fn line(bytes: &[u8], name: &str) -> String {
    format!("{}  {name}\n", Digest::sha256(bytes).to_hex())
}

const GOOD: &[u8] = b"the published archive";

#[test]
fn without_its_input_nothing_is_built_and_the_option_is_named() {
    let world = World::new(Some(GOOD));
    let said = world.audit(&[]);
    assert_eq!((said.code, &said.component["outcome"]), (3, &json!("not built")), "{}", said.stderr);
    assert!(said.blocks().contains(&"input-not-given"), "{:#}", said.component);
    assert!(said.open().contains(UI) && said.open().contains("--input ui=FILE"), "{}", said.open());
    let rebuilt = world.run(&["rebuild", "tool@1.2.3"], &[]);
    assert_eq!(rebuilt.code, 3);
    let text = rebuilt.component["not-looked"].to_string();
    assert!(text.contains("--input ui=FILE"), "{:#}", rebuilt.component);
}

#[test]
fn the_lock_s_digest_decides() {
    let world = World::new(Some(GOOD));
    let same = world.audit(&["--no-build", "--input", &world.input(GOOD)]);
    assert_eq!((same.code, same.finding("input-as-locked")), (3, "established"), "{}", same.stderr);
    assert!(!same.blocks().contains(&"input-not-vouched"));
    assert_eq!(same.finding("input-taken-as-published"), "noted");
    assert!(same.open().contains("vouched for by the lock; it was taken as it is"), "{}", same.open());
    let packages = same.component["evidence"]["environment"]["packages"].to_string();
    assert!(packages.contains(&format!("pkg:generic/{UI}@1.2.3")), "{packages}");

    let other = world.input(b"other bytes");
    for depth in [&["--no-build"][..], &[]] {
        let other = world.audit(&[depth, &["--input", &other]].concat());
        assert_eq!((other.code, other.finding("input-as-locked")), (1, "refuted"), "{}", other.stderr);
        assert_eq!(other.component["verdict"], "fail");
        if depth.is_empty() {
            let result = other.component["evidence"]["rebuild"]["result"].to_string();
            assert!(result.contains(&format!("`{UI}` is refused")), "{result}");
        }
    }
    let rebuilt = world.run(&["rebuild", "tool@1.2.3"], &["--input", &other]);
    assert_eq!((rebuilt.code, &rebuilt.component["outcome"]), (3, &Value::Null));
    assert!(rebuilt.component["not-built"].to_string().contains("is refused"), "{:#}", rebuilt.component);
}

#[test]
fn a_list_of_checksums_vouches_where_the_lock_does_not() {
    let world = World::new(None);
    let input = world.input(GOOD);
    let alone = world.audit(&["--no-build", "--input", &input]);
    assert_eq!(alone.code, 3);
    assert!(alone.blocks().contains(&"input-not-vouched"), "{:#}", alone.component);
    assert!(alone.open().contains("vouched for by nobody"), "{}", alone.open());

    let sha512 = format!("{}  {UI}\n", Digest::of(Algorithm::Sha512, GOOD).to_hex());
    for (list, code, finding, vouched) in [
        (line(GOOD, UI), 3, "established", true),
        (sha512, 3, "established", true),
        (line(b"other", UI), 1, "refuted", false),
        (line(GOOD, "tool-web-ui-1.2.2.tar.gz"), 1, "refuted", false),
        (line(b"other", "another file"), 3, "noted", false),
        ("no list\n".to_owned(), 1, "refuted", false),
    ] {
        let named = world.write("elsewhere/sums", &list);
        let said = world.audit(&["--no-build", "--input", &input, "--checksums", &named]);
        let found = (said.code, said.finding("checksums-list-the-artifact"));
        assert_eq!(found, (code, finding), "{list}: {}", said.stderr);
        let open = said.open();
        assert_eq!(
            open.contains("vouched for by the publisher's list of checksums"),
            vouched,
            "{list}: {open}"
        );
        assert_eq!(said.blocks().contains(&"input-not-vouched"), finding == "noted", "{list}");
        // As it lies beside the file.
        world.write("given/sha256sums.txt", &list);
        let beside = world.audit(&["--no-build", "--input", &input]);
        assert_eq!((beside.code, beside.finding("checksums-list-the-artifact")), found, "{list}");
        fs::remove_file(world.path("given/sha256sums.txt")).unwrap();
    }
}

/// What the lock pins was reviewed: a list of something else takes nothing from it, one that contradicts it
/// does.
#[test]
fn lock_and_list_are_both_heard() {
    let world = World::new(Some(GOOD));
    let input = world.input(GOOD);
    for (list, code, by) in [
        (line(GOOD, UI), 3, "the lock and the publisher's list of checksums"),
        (line(b"other", "another file"), 3, "the lock"),
        (line(b"other", UI), 1, "the lock"),
    ] {
        let named = world.write("elsewhere/sums", &list);
        let said = world.audit(&["--no-build", "--input", &input, "--checksums", &named]);
        assert_eq!(said.code, code, "{list}: {}", said.stderr);
        assert!(said.open().contains(&format!("vouched for by {by};")), "{list}: {}", said.open());
    }
}

#[test]
fn wrong_inputs_are_wrong_arguments() {
    let world = World::new(None);
    let good = world.input(GOOD);
    let folder = format!("ui={}", world.path("given").display());
    for (arguments, expected) in [
        (&["--input", "web=x"][..], "no release that was named has an input `web`"),
        (&["--input", "web=x"], "known: ui"),
        (&["--input", &good, "--input", &good], "the input `ui` is given twice"),
        (&["--input", "ui=/nonexistent"], "/nonexistent"),
        (&["--input", &folder], "cannot read"),
        (&["--input", "ui"], "expected NAME=FILE"),
        (&["--input", "ui="], "expected NAME=FILE"),
        (&["--input", "=x"], "expected NAME=FILE"),
        (&["--input", &good, "tool@1.2.2"], "in one release and"),
    ] {
        for verb in ["audit", "rebuild", "lock"] {
            // A rebuild is of one release.
            if verb == "rebuild" && arguments.len() == 3 {
                continue;
            }
            let said = world.run(&[verb, "tool@1.2.3"], arguments);
            assert_eq!(said.code, 2, "{verb} {arguments:?}: {}", said.stderr);
            assert!(said.stderr.contains(expected), "{verb} {arguments:?}: {}", said.stderr);
        }
    }
    let other = World::new(None);
    let text = fs::read_to_string(other.path("policies/components/tool/component.toml")).unwrap();
    let without: String =
        text.lines().filter(|l| !l.starts_with("inputs")).map(|l| format!("{l}\n")).collect();
    other.write("policies/components/tool/component.toml", without);
    let said = other.run(&["audit", "tool@1.2.3"], &["--input", &good]);
    assert!(said.code == 2 && said.stderr.contains("leave `--input` away"), "{}", said.stderr);
}

/// A lock that does not fit the recipe's inputs and preparation is none of this recipe.
#[test]
fn a_lock_without_what_the_recipe_needs_is_refused() {
    let world = World::new(Some(GOOD));
    let component = Component::load(world.folder.path(), "tool").unwrap();
    let path = component.lock_path(component.release(Some("1.2.3")).unwrap());
    let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    type Change = fn(&mut Value);
    let changes: [(&str, Change, &str); 8] = [
        ("no input", |l| l["inputs"] = json!([]), "its inputs are not those of the recipe"),
        ("another name", |l| l["inputs"][0]["name"] = json!("x"), "its inputs are not those"),
        ("another file", |l| l["inputs"][0]["artifact"] = json!("x.tar"), "its inputs are not those"),
        ("a path", |l| l["inputs"][0]["artifact"] = json!("../x"), "is not a plain file by its SHA-256"),
        (
            "a weak digest",
            |l| l["inputs"][0]["file"]["digest"] = json!(Digest::of(Algorithm::Sha512, b"x")),
            "is not a plain file by its SHA-256",
        ),
        ("no packages", |l| l["packages"] = json!([]), "none where something is"),
        ("a path out", |l| l["packages"][0]["path"] = json!("../x.deb"), "path"),
        ("another key", |l| l["inputs"][0]["colour"] = json!(1), "unknown field `colour`"),
    ];
    for (name, change, expected) in changes {
        let mut lock = good.clone();
        change(&mut lock);
        fs::write(&path, lock.to_string()).unwrap();
        let said = world.audit(&["--no-build"]);
        assert_eq!(said.code, 2, "{name}: {}", said.stderr);
        assert!(said.stderr.contains(expected), "{name}: {}", said.stderr);
    }
}
