//! Sums that are not what they should be, through `reprove lock` and `reprove rebuild`: of a module, of the tool
//! chain, of the source, against a proxy on the loopback.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use reprove::component::Component;
use reprove::environment::go::{GoLock, toolchain_module};
use reprove::limits::go::GoLimits;
use reprove::source::go::archive::ModuleZip;
use reprove::source::go::{ModSum, ModuleVersion, h1_of_mod};

use crate::module_zip::module_zip;
use crate::server::{Reply, Server};

const TOOL: &str = "example.org/o/tool";
const DEP: &str = "example.org/dep";
const DEP_MOD: &str = "module example.org/dep\n";

fn sum(module: &ModuleVersion, zip: &[u8]) -> ModSum {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), zip).unwrap();
    ModuleZip::open(module, file.path(), &GoLimits::DEFAULT).unwrap().sum().unwrap()
}

fn version(path: &str) -> ModuleVersion {
    ModuleVersion::new(path, "v1.0.0").unwrap()
}

/// What the proxy serves.
#[derive(Clone)]
struct Served {
    tool: Vec<u8>,
    dep: Vec<u8>,
    dep_mod: String,
    toolchain: Vec<u8>,
}

fn dep(text: &[u8]) -> Vec<u8> {
    module_zip(&[
        ("example.org/dep@v1.0.0/go.mod", DEP_MOD.as_bytes()),
        ("example.org/dep@v1.0.0/d.go", text),
    ])
}

fn tool(go_sum: &str) -> Vec<u8> {
    module_zip(&[
        (
            "example.org/o/tool@v1.0.0/go.mod",
            b"module example.org/o/tool\n\nrequire example.org/dep v1.0.0\n",
        ),
        ("example.org/o/tool@v1.0.0/go.sum", go_sum.as_bytes()),
    ])
}

fn toolchain(text: &[u8]) -> Vec<u8> {
    module_zip(&[(&format!("{}/bin/go", toolchain_module("1.25.5")), text)])
}

impl Served {
    fn good() -> Self {
        let dep = dep(b"package dep\n");
        let go_sum = format!(
            "{DEP} v1.0.0 {}\n{DEP} v1.0.0/go.mod {}\n",
            sum(&version(DEP), &dep),
            h1_of_mod(DEP_MOD.as_bytes())
        );
        Self { tool: tool(&go_sum), dep, dep_mod: DEP_MOD.to_owned(), toolchain: toolchain(b"a compiler") }
    }
}

struct World {
    folder: tempfile::TempDir,
    server: Server,
}

impl World {
    fn new(served: Served) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let own = folder.path().join("policies/components/tool");
        fs::create_dir_all(&own).unwrap();
        let definition = format!(
            r#"schema = 1
name = "tool"
summary = "a tool"

[[release.upstream]]
purl = "pkg:github/o/tool@v1.0.0?arch=amd64"
artifact = "tool"
source = {{ module = "{TOOL}", version = "v1.0.0" }}

[release.upstream.go]
toolchain = "1.25.5"
path = "/app"
env = {{ GOOS = "linux", GOARCH = "amd64" }}
binaries = [{{ name = "tool", package = "." }}]
"#
        );
        fs::write(own.join("component.toml"), definition).unwrap();
        let chain = toolchain_module("1.25.5");
        let server = Server::new(move |asked| match asked.target.as_str() {
            "/example.org/o/tool/@v/v1.0.0.zip" => Reply::ok(&served.tool),
            "/example.org/dep/@v/v1.0.0.zip" => Reply::ok(&served.dep),
            "/example.org/dep/@v/v1.0.0.mod" => Reply::ok(served.dep_mod.as_bytes()),
            target if target == format!("/{}/@v/{}.zip", chain.path, chain.version) => {
                Reply::ok(&served.toolchain)
            }
            _ => Reply::status("404 Not Found"),
        });
        Self { folder, server }
    }

    /// Exit code and what was said.
    fn reprove(&self, args: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_reprove"))
            .env_clear()
            .args(["--quiet", "--root"])
            .arg(self.folder.path())
            .arg("--work")
            .arg(self.folder.path().join("work"))
            .args(args)
            .args(["tool", "--goproxy", &self.server.url("")])
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn lock_path(&self) -> PathBuf {
        let component = Component::load(self.folder.path(), "tool").unwrap();
        component.lock_path(component.release(None).unwrap())
    }
}

/// No Debian keyring lies in this root, and none is asked for.
#[test]
fn a_module_with_another_sum_than_go_sum_says_is_not_locked() {
    let world = World::new(Served::good());
    assert_eq!(world.reprove(&["lock"]).0, 0, "{}", world.reprove(&["lock"]).1);
    assert!(world.lock_path().exists());
    type Change = fn(&mut Served);
    let cases: [(&str, Change, &str); 6] = [
        ("another module", |s| s.dep = dep(b"package dep\n\nfunc init() {}\n"), "error[go::sum]"),
        ("another go.mod", |s| s.dep_mod.push_str("\nretract v1.0.0\n"), "error[go::sum]"),
        (
            "a name that climbs",
            |s| s.dep = module_zip(&[("example.org/dep@v1.0.0/../../../x", b"x")]),
            "error[go::zip]",
        ),
        ("an absolute name", |s| s.tool = module_zip(&[("/etc/x", b"x")]), "error[go::zip]"),
        (
            "two sums for one thing",
            |s| {
                let other = sum(&version(DEP), &dep(b"other"));
                let mine = sum(&version(DEP), &s.dep);
                s.tool = tool(&format!("{DEP} v1.0.0 {mine}\n{DEP} v1.0.0 {other}\n"));
            },
            "error[go::sums]",
        ),
        ("no sums at all", |s| s.tool = tool("\u{7} not a sum\n"), "error[go::sums]"),
    ];
    for (what, change, expected) in cases {
        let mut served = Served::good();
        change(&mut served);
        let world = World::new(served);
        let (code, said) = world.reprove(&["lock"]);
        assert!(said.contains(expected), "{what}: {said}");
        let refused = if expected == "error[go::sums]" { 4 } else { 1 };
        assert_eq!((code, world.lock_path().exists()), (refused, false), "{what}: {said}");
    }
}

/// Who swaps bytes and their digest in a lock leaves the sum behind; who swaps the bytes alone, the digest.
#[test]
fn a_tool_chain_or_a_source_with_another_sum_is_not_used() {
    let other = sum(&toolchain_module("1.25.5"), &toolchain(b"an evil compiler"));
    let world = World::new(Served::good());
    assert_eq!(world.reprove(&["lock"]).0, 0);
    let path = world.lock_path();
    let good = GoLock::parse("lock", &fs::read(&path).unwrap()).unwrap();
    type Change = fn(&mut GoLock, ModSum);
    let cases: [(&str, Change); 3] = [
        ("golang.org/toolchain@v0.0.1-go1.25.5.linux-amd64 (zip)", |l, sum| l.toolchain.sum = Some(sum)),
        ("example.org/o/tool@v1.0.0 (zip)", |l, sum| l.source.sum = Some(sum)),
        ("example.org/dep@v1.0.0 (zip)", |l, sum| l.modules[0].sum = Some(sum)),
    ];
    for (what, change) in cases {
        let mut lock = good.clone();
        change(&mut lock, other.clone());
        fs::write(&path, lock.to_bytes().unwrap()).unwrap();
        let (code, said) = world.reprove(&["rebuild"]);
        assert_eq!(code, 1, "{what}: {said}");
        assert!(said.contains("error[go::sum]") && said.contains(what), "{what}: {said}");
    }
    fs::write(&path, good.to_bytes().unwrap()).unwrap();
    let evil = World::new(Served { toolchain: toolchain(b"an evil compiler"), ..Served::good() });
    fs::copy(&path, evil.lock_path()).unwrap();
    let (code, said) = evil.reprove(&["rebuild"]);
    assert_eq!(code, 4, "nobody has the locked bytes: {said}");
    assert!(said.contains("error[fetch::"), "{said}");
}
