//! `reprove audit` of a wheel that holds a Go program, as far as it goes without a tool chain: the index, the
//! wheel's own `RECORD`, and what the program says of itself, true and false.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reprove::component::Component;
use reprove::digest::Digest;
use reprove::environment::go::GoLock;
use reprove::limits::go::GoLimits;
use reprove::source::go::ModuleVersion;
use reprove::source::go::archive::ModuleZip;
use serde_json::Value;

use crate::module_zip::module_zip;
use crate::observe::{elf, framed, inline};
use crate::server::{Reply, Server};

const WHEEL: &str = "tool_py-1.2.3-py3-none-manylinux2014_x86_64.whl";
const INFO: &str = "tool_py-1.2.3.dist-info";
const PURL: &str = "pkg:pypi/tool-py@1.2.3";
const JSON: &str = "Content-Type: application/vnd.pypi.simple.v1+json";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The program's account of itself.
fn account() -> String {
    format!(
        "path\texample.org/o/tool\nmod\texample.org/o/tool\tv3.0.0\t\nbuild\tGOOS=linux\nbuild\tvcs.revision={COMMIT}\nbuild\tvcs.time=2026-05-27T15:00:00Z\n"
    )
}

fn program(version: &str, account: &str) -> Vec<u8> {
    elf(&inline(version.as_bytes(), &framed(account)))
}

type Members = Vec<(String, Vec<u8>)>;

fn members(program: Vec<u8>) -> Members {
    let own = |name: &str, text: &str| (format!("{INFO}/{name}"), text.as_bytes().to_vec());
    vec![
        ("tool_py-1.2.3.data/scripts/tool".to_owned(), program),
        own("METADATA", "Name: tool-py\n"),
        own("WHEEL", "Wheel-Version: 1.0\nGenerator: x\nTag: py3-none-any\n"),
    ]
}

/// One line of a `RECORD`.
fn line((name, content): &(String, Vec<u8>)) -> String {
    let sum = URL_SAFE_NO_PAD.encode(Digest::sha256(content).as_bytes());
    format!("{name},sha256={sum},{}\n", content.len())
}

/// A wheel with these members, and a `RECORD` that `change` may make false.
fn wheel(members: &Members, change: impl Fn(String) -> String) -> Vec<u8> {
    let record = members.iter().map(line).collect::<String>() + &format!("{INFO}/RECORD,,\n");
    let record = change(record);
    let name = format!("{INFO}/RECORD");
    let mut all: Vec<(&str, &[u8])> = members.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    all.push((&name, record.as_bytes()));
    module_zip(&all)
}

/// A root without a folder of trust, a proxy for the module, and an index with the wheel.
struct World {
    folder: tempfile::TempDir,
    server: Server,
}

/// What the index and its files say, where it is not the truth.
#[derive(Clone, Copy, PartialEq)]
enum Index {
    True,
    /// Other bytes are announced under the name.
    Replaced,
    /// The file is not listed.
    Gone,
    /// The server sends something else than it announces.
    Lying,
}

struct Said {
    code: i32,
    component: Value,
    stderr: String,
}

impl Said {
    fn finding(&self, code: &str) -> (String, String) {
        let all = self.component["evidence"]["checks"].as_array().cloned().unwrap_or_default();
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        match all.iter().filter(|c| c["code"] == code).collect::<Vec<_>>().as_slice() {
            [one] => (text(&one["finding"]), text(&one["found"])),
            other => panic!("{code}: {other:?}\n{:#}\n{}", self.component, self.stderr),
        }
    }
}

impl World {
    fn new(wheel: &[u8], index: Index) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let own = folder.path().join("policies/components/tool");
        fs::create_dir_all(&own).unwrap();
        let release = |purl: &str, wheel: &str| {
            format!(
                r#"
[[release.wheel]]
purl = "{purl}"
wheel = "{wheel}"
source = {{ module = "example.org/o/tool", version = "v3.0.0" }}
members = [
    {{ path = "tool_py-1.2.3.data/scripts/tool", binary = "tool" }},
    {{ path = "{INFO}/METADATA", unsourced = "written when it was packed" }},
    {{ path = "{INFO}/WHEEL", unsourced = "written when it was packed" }},
    {{ path = "{INFO}/RECORD", unsourced = "written when it was packed" }},
]

[release.wheel.go]
toolchain = "1.25.5"
path = "/app"
env = {{ GOOS = "linux", GOARCH = "amd64" }}
binaries = [{{ name = "tool", package = "." }}]

[release.wheel.go.vcs]
revision = "{COMMIT}"
time = "2026-05-27T15:00:00Z"
modified = false
"#
            )
        };
        let other = "tool_py-1.2.3-py3-none-manylinux2014_aarch64.whl";
        let definition = "schema = 1\nname = \"tool\"\nsummary = \"a tool\"\n".to_owned()
            + &release(PURL, WHEEL)
            + &release(&format!("{PURL}?file_name={other}"), other);
        fs::write(own.join("component.toml"), definition).unwrap();
        let component = Component::load(folder.path(), "tool").unwrap();
        let release = component.release(Some(PURL)).unwrap();
        let zip = module_zip(&[("example.org/o/tool@v3.0.0/go.mod", b"module example.org/o/tool\n")]);
        let at = folder.path().join("zip");
        fs::write(&at, &zip).unwrap();
        let module = ModuleVersion::new("example.org/o/tool", "v3.0.0").unwrap();
        let sum = ModuleZip::open(&module, &at, &GoLimits::DEFAULT).unwrap().sum().unwrap();
        let blob =
            |bytes: &[u8]| format!(r#""size": {}, "digest": "{}""#, bytes.len(), Digest::sha256(bytes));
        let lock = format!(
            r#"{{"schema": 1, "kind": "go", "component": "tool", "purl": "{PURL}", "recipe": "{}",
                "source": {{"path": "example.org/o/tool", "version": "v3.0.0", "sum": "{sum}", "zip": {{{}}}}},
                "toolchain": {{"path": "golang.org/toolchain", "version": "v0.0.1-go1.25.5.linux-amd64", "sum": "{sum}", "zip": {{{}}}}},
                "modules": [], "published": {{"name": "{WHEEL}", {}, "announced": "{}"}}}}"#,
            GoLock::recipe_digest(release.go().unwrap()),
            blob(&zip),
            blob(b"tool chain"),
            blob(wheel),
            Digest::sha256(wheel),
        );
        let lock = GoLock::parse("lock", lock.as_bytes()).unwrap();
        lock.write(&component.lock_path(release)).unwrap();
        let announced = match index {
            Index::Replaced => Digest::sha256(b"other"),
            _ => Digest::sha256(wheel),
        };
        let file = format!(
            r#"{{"filename": "{WHEEL}", "url": "../../files/{WHEEL}", "hashes": {{"sha256": "{}"}}}}"#,
            announced.to_hex()
        );
        let files = if index == Index::Gone { String::new() } else { file };
        let page = format!(r#"{{"meta": {{"api-version": "1.1"}}, "name": "tool-py", "files": [{files}]}}"#);
        let mut served = wheel.to_vec();
        if index == Index::Lying {
            served[40] ^= 1;
        }
        let server = Server::new(move |asked| match asked.target.as_str() {
            "/example.org/o/tool/@v/v3.0.0.zip" => Reply::ok(&zip),
            "/simple/tool-py/" => Reply::new("200 OK", &[JSON], page.as_bytes()),
            target if target == format!("/files/{WHEEL}") => Reply::ok(&served),
            _ => Reply::status("404 Not Found"),
        });
        Self { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn reprove(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_reprove"))
            .env_clear()
            .args(["--format", "json", "--quiet", "--root"])
            .arg(self.folder.path())
            .arg("--work")
            .arg(self.path("work"))
            .args(args)
            .args(["--goproxy", &self.server.url(""), "--index-url", &self.server.url("/simple")])
            .output()
            .unwrap()
    }

    fn observe(&self, name: &str) -> Output {
        let program =
            Command::new(env!("CARGO_BIN_EXE_reprove")).arg("observe").arg(self.path(name)).output();
        program.unwrap()
    }

    fn audit(&self) -> Said {
        let (reports, statements) = (self.path("reports"), self.path("attestations"));
        let (reports, statements) = (reports.to_str().unwrap(), statements.to_str().unwrap());
        let to = ["--reports", reports, "--attestations", statements, "--as-of", "2026-11-01T00:00:00Z"];
        let output = self.reprove(&[&["audit", PURL, "--no-build"][..], &to].concat());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Said { code: output.status.code().unwrap(), component: report["components"][0].clone(), stderr }
    }
}

fn good() -> Members {
    members(program("go1.25.5", &account()))
}

/// Nothing here asks Debian, so that no keyring of its is wanted.
#[test]
fn a_wheel_and_its_program_are_what_index_record_and_source_say() {
    let world = World::new(&wheel(&good(), |record| record), Index::True);
    assert!(!world.path("policies/trust").exists());
    let said = world.audit();
    assert_eq!(said.code, 3, "nothing was built: {}", said.stderr);
    for code in
        ["wheel-record", "build-info-module", "build-info-sums", "build-info-toolchain", "build-info-commit"]
    {
        assert_eq!(said.finding(code).0, "established", "{code}");
    }
    assert_eq!(said.finding("wheel-attested").0, "noted");
    let indexes = said.component["evidence"]["indexes"].to_string();
    assert!(indexes.contains("package index, tool-py"), "{indexes}");
    assert!(said.component["not_established"].to_string().contains("index-not-signed"));
    // The release has another one beside it with its version: what is printed names it alone.
    let again = said.component["evidence"]["again"][1].as_str().unwrap().to_owned();
    assert_eq!(again, format!("reprove audit {PURL} --no-build"));
    fs::write(world.path(WHEEL), wheel(&good(), |record| record)).unwrap();
    let observed = world.observe(WHEEL);
    let text = String::from_utf8(observed.stdout).unwrap();
    assert_eq!(observed.status.code(), Some(0), "{text}");
    for told in ["tool_py-1.2.3.data/scripts/tool", "go1.25.5", "example.org/o/tool v3.0.0"] {
        assert!(text.contains(told), "{told} is not in {text}");
    }
    let ambiguous = world.reprove(&["audit", "tool@1.2.3", "--no-build"]);
    assert_eq!(ambiguous.status.code(), Some(2), "the version alone names two");
}

#[test]
fn a_false_record_fails() {
    let one = line(&good()[1]);
    type Change = Box<dyn Fn(String) -> String>;
    let other = line(&(format!("{INFO}/METADATA"), b"Name: evil-pyx\n".to_vec()));
    let cases: Vec<(&str, Change, i32, &str)> = vec![
        (
            "another digest",
            Box::new({
                let (one, other) = (one.clone(), other);
                move |r| r.replace(&one, &other)
            }),
            1,
            "refuted",
        ),
        (
            "another length",
            Box::new({
                let one = one.clone();
                move |r| r.replace(&one, &one.replace(",14\n", ",15\n"))
            }),
            1,
            "refuted",
        ),
        (
            "not listed",
            Box::new({
                let one = one.clone();
                move |r| r.replace(&one, "")
            }),
            1,
            "refuted",
        ),
        ("listed and not there", Box::new(|r| r + "evil.pth,sha256=AA,1\n"), 1, "refuted"),
        (
            "twice",
            Box::new({
                let one = one.clone();
                move |r| r + &one
            }),
            1,
            "refuted",
        ),
        ("no table", Box::new(|_| "\u{7}\n".to_owned()), 1, "refuted"),
        (
            "a weak digest",
            Box::new({
                let one = one.clone();
                move |r| r.replace(&one, &one.replace("sha256=", "md5="))
            }),
            3,
            "absent",
        ),
    ];
    for (what, change, code, finding) in cases {
        let said = World::new(&wheel(&good(), change), Index::True).audit();
        assert_eq!(
            (said.code, said.finding("wheel-record").0.as_str()),
            (code, finding),
            "{what}: {}",
            said.stderr
        );
    }
    let mut hidden = good();
    let record = |_| good().iter().map(line).collect::<String>() + &format!("{INFO}/RECORD,,\n");
    hidden.push(("evil.pth".to_owned(), b"import os".to_vec()));
    let said = World::new(&wheel(&hidden, record), Index::True).audit();
    let (finding, found) = said.finding("wheel-record");
    assert_eq!((said.code, finding.as_str()), (1, "refuted"));
    assert!(found.contains("not recorded: evil.pth"), "{found}");
    let none: Members = vec![good().remove(0)];
    let said = World::new(&wheel(&none, |r| r), Index::True).audit();
    assert_eq!((said.code, said.finding("wheel-record").0.as_str()), (1, "refuted"), "no wheel at all");
}

#[test]
fn an_index_that_changed_its_word_is_told() {
    let bytes = wheel(&good(), |record| record);
    let replaced = World::new(&bytes, Index::Replaced).audit();
    let gone = World::new(&bytes, Index::Gone).audit();
    assert_eq!(replaced.finding("published-replaced").0, "refuted");
    assert_eq!((replaced.code, gone.code), (1, 3), "{}\n{}", replaced.stderr, gone.stderr);
    assert!(gone.component["not_established"].to_string().contains("lock-not-listed"));
    let lying = World::new(&bytes, Index::Lying).audit();
    assert_eq!(lying.code, 4, "{}", lying.stderr);
    assert!(lying.stderr.contains("sha256:"), "{}", lying.stderr);
}

/// Lies of a program about its build: each a verdict, and nothing of it reaches a shell or a file.
#[test]
fn a_program_that_lies_of_its_build_is_told() {
    let absurd = (0..20_001).map(|n| format!("dep\texample.org/d{n}\tv1.0.0\t\n")).collect::<String>();
    for (what, version, from, to, code, check) in [
        ("another Go", "go1.25.4", "", "", 1, "build-info-toolchain"),
        ("no Go that was released", "devel +$(touch x)", "", "", 1, "build-info-toolchain"),
        (
            "another module",
            "go1.25.5",
            "mod\texample.org/o/tool",
            "mod\texample.org/o/evil",
            1,
            "build-info-module",
        ),
        ("another commit", "go1.25.5", "vcs.revision=0", "vcs.revision=f", 1, "build-info-commit"),
        (
            "modules of no go.sum",
            "go1.25.5",
            "build\tGOOS",
            "dep\ta.b/c\tv1.0.0\th1:x\nbuild\tGOOS",
            3,
            "build-info-sums",
        ),
    ] {
        let text = account().replacen(from, to, 1);
        let said = World::new(&wheel(&members(program(version, &text)), |r| r), Index::True).audit();
        assert_eq!(said.code, code, "{what}: {}", said.stderr);
        assert_ne!(said.finding(check).0, "established", "{what}");
    }
    // What cannot be read says nothing, and is not believed.
    for (what, text) in [
        ("an absurd list of modules", format!("{}{absurd}", account())),
        ("a circle of replacements", account() + "dep\ta\tv1\t\n=>\tb\tv1\t\n=>\ta\tv1\t\n"),
        ("a replacement of nothing", format!("=>\ta\tv1\t\n{}", account())),
        ("a setting twice", account() + "build\tGOOS=plan9\n"),
    ] {
        let world = World::new(&wheel(&members(program("go1.25.5", &text)), |r| r), Index::True);
        let said = world.audit();
        assert_eq!(said.code, 3, "{what}: {}", said.stderr);
        let checks = said.component["evidence"]["checks"].to_string();
        assert!(checks.contains("build-info-unread"), "{what}: {checks}");
        fs::write(world.path("program"), program("go1.25.5", &text)).unwrap();
        let observed = world.observe("program");
        assert_eq!(observed.status.code(), Some(4), "{what}");
    }
    let shell = "-X a.BuildUser=`id`;$(touch /x)|'\\\"  -s";
    let text = account() + &format!("build\t-ldflags={shell:?}\n");
    let said = World::new(&wheel(&members(program("go1.25.5", &text)), |r| r), Index::True).audit();
    assert_eq!(said.code, 3, "{}", said.stderr);
    assert!(!std::path::Path::new("/x").exists());
}
