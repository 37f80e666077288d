//! Wheels rebuilt through the command line: real releases from the host's index, and releases of our own
//! from an index on disk, whose publishers lie in one way each.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reprove::digest::Digest;
use serde_json::Value;

/// Runs `reprove` on the definitions below `root`, and gives the report of the first component.
struct World {
    folder: tempfile::TempDir,
    root: PathBuf,
}

impl World {
    fn new(root: &Path) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), root: root.to_path_buf() }
    }

    fn run(&self, args: &[&str]) -> Output {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_reprove"));
        command.arg("--root").arg(&self.root).args(["--format", "json", "--quiet"]);
        command.arg("--work").arg(at("work")).args(args);
        if args.first() == Some(&"audit") {
            command.arg("--reports").arg(at("reports")).arg("--attestations").arg(at("attestations"));
        }
        command.output().unwrap()
    }

    /// The component's report and the exit status; none, said why, where this machine cannot look.
    fn audit(&self, args: &[&str]) -> Option<(Value, Option<i32>)> {
        let out = self.run(&[&["audit", "--relock"], args].concat());
        if out.stdout.is_empty() {
            let said = String::from_utf8_lossy(&out.stderr);
            eprintln!(
                "needs a package index, a mirror of Debian, apt and user namespaces: not tested: {said}"
            );
            return None;
        }
        let report: Value = serde_json::from_slice(&out.stdout).unwrap();
        Some((report["components"][0].clone(), out.status.code()))
    }
}

fn causes(component: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let differences = component["evidence"]["artifacts"][0]["differences"].as_array().unwrap();
    differences.iter().map(|d| (text(&d["path"]), text(&d["cause"]))).collect()
}

#[test]
fn a_release_of_the_client_library_comes_out_bit_for_bit() {
    let world = World::new(Path::new(env!("CARGO_MANIFEST_DIR")));
    let Some((component, status)) = world.audit(&["pkg:pypi/prometheus-client@0.22.1"]) else { return };
    assert_eq!((component["outcome"].as_str(), status), (Some("identical"), Some(0)), "{component:#}");
    let evidence = &component["evidence"];
    assert_eq!(evidence["artifacts"][0]["published"], evidence["artifacts"][0]["rebuilt"]);
    let observed: Vec<&str> =
        evidence["observations"].as_array().unwrap().iter().map(|o| o["name"].as_str().unwrap()).collect();
    assert_eq!(observed, ["build-clock", "generator"]);
}

#[test]
fn byte_code_that_the_source_does_not_have_is_named() {
    let world = World::new(Path::new(env!("CARGO_MANIFEST_DIR")));
    let Some((component, status)) = world.audit(&["pkg:pypi/prometheus-client@0.16.0"]) else { return };
    assert_eq!((component["outcome"].as_str(), status), (Some("different"), Some(1)), "{component:#}");
    for (path, cause) in causes(&component) {
        let expected = if path.contains("__pycache__") { "member-removed" } else { "wheel-record" };
        assert_eq!(cause, expected, "{path}");
    }
    assert!(!component["evidence"]["rebuild"]["varied"].as_array().unwrap().is_empty(), "built once only");
}

/// A backend that lies in the source itself and needs nothing else: it writes a wheel of `tiny.py`.
const BACKEND: &str = r#"
import base64, hashlib, os, zipfile

MTIME = (2024, 1, 2, 3, 4, 6)

def build_wheel(folder, settings=None, metadata=None):
    name = "tiny-1.0-py3-none-any.whl"
    files = {"tiny.py": open("tiny.py", "rb").read()}
    files["tiny-1.0.dist-info/METADATA"] = b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
    files["tiny-1.0.dist-info/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: tiny (1.0)\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    extra(files)
    record = ""
    for path, body in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(body)}\n"
    files["tiny-1.0.dist-info/RECORD"] = (record + "tiny-1.0.dist-info/RECORD,,\n").encode()
    with zipfile.ZipFile(os.path.join(folder, name), "w") as out:
        for path, body in files.items():
            out.writestr(zipfile.ZipInfo(path, MTIME), body)
    return name
"#;

/// An index on disk with one project, and a definition of its one release.
struct Publisher {
    folder: tempfile::TempDir,
}

impl Publisher {
    /// `backend` builds here, `published` built what was published, in another tree with the same source.
    fn new(backend: &str, published: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("index/tiny");
        fs::create_dir_all(&files).unwrap();
        let sdist = files.join("tiny-1.0.tar.gz");
        let encoder =
            flate2::write::GzEncoder::new(fs::File::create(&sdist).unwrap(), flate2::Compression::new(6));
        let mut tar = tar::Builder::new(encoder);
        let system =
            "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\"tools\"]\n";
        for (name, body) in
            [("tiny.py", "x = 1\n"), ("pyproject.toml", system), ("tools/backend.py", backend)]
        {
            let mut header = tar::Header::new_ustar();
            header.set_size(body.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(1_600_000_000);
            tar.append_data(&mut header, format!("tiny-1.0/{name}"), body.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap();
        let publisher = Self { folder };
        if !publisher.publish(published) {
            eprintln!("needs python3 to publish a wheel with: not tested");
            return None;
        }
        let definition = publisher.root().join("policies/components/tiny");
        fs::create_dir_all(&definition).unwrap();
        fs::write(definition.join("component.toml"), DEFINITION).unwrap();
        let trust = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/trust");
        std::os::unix::fs::symlink(trust, publisher.root().join("policies/trust")).unwrap();
        Some(publisher)
    }

    /// Publishes the wheel that a backend builds in the publisher's own tree.
    fn publish(&self, backend: &str) -> bool {
        let work = self.folder.path().join("publisher");
        fs::create_dir_all(&work).unwrap();
        fs::write(work.join("tiny.py"), "x = 1\n").unwrap();
        fs::write(work.join("backend.py"), backend).unwrap();
        let built = Command::new("python3")
            .args(["-B", "-c", "import backend, sys; backend.build_wheel(sys.argv[1])"])
            .arg(self.folder.path().join("index/tiny"))
            .current_dir(&work)
            .env("PYTHONPATH", &work)
            .status();
        let built = built.is_ok_and(|status| status.success());
        if built {
            self.list();
        }
        built
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn index(&self) -> String {
        format!("file://{}", self.folder.path().join("index").display())
    }

    /// Announces what lies there.
    fn list(&self) {
        let folder = self.folder.path().join("index/tiny");
        let mut page = fs::File::create(folder.join("index.html")).unwrap();
        for name in ["tiny-1.0.tar.gz", "tiny-1.0-py3-none-any.whl"] {
            let digest = Digest::sha256(&fs::read(folder.join(name)).unwrap()).to_hex();
            writeln!(page, "<a href='{name}#sha256={digest}'>{name}</a>").unwrap();
        }
    }

    fn audit(&self) -> Option<(World, Value, Option<i32>)> {
        let world = World::new(&self.root());
        let (component, status) = world.audit(&["tiny", "--index-url", &self.index()])?;
        Some((world, component, status))
    }
}

const DEFINITION: &str = r#"schema = 1
name = "tiny"
summary = "made by a test"

[[release.pypi]]
purl = "pkg:pypi/tiny@1.0"
wheel = "tiny-1.0-py3-none-any.whl"
source = { repository = "o/tiny", tag = "v1.0" }
interpreter = { architecture = "amd64", suites = ["bookworm", "bookworm-security"], packages = ["python3"] }
"#;

fn backend(extra: &str) -> String {
    format!("{BACKEND}\ndef extra(files):\n    {extra}\n")
}

fn codes(component: &Value) -> Vec<&str> {
    component["blocks"].as_array().unwrap().iter().map(|b| b["code"].as_str().unwrap()).collect()
}

#[test]
fn an_honest_publisher_passes_and_one_that_replaces_a_file_is_caught() {
    let honest = backend("pass");
    let Some(publisher) = Publisher::new(&honest, &honest) else { return };
    let Some((world, component, status)) = publisher.audit() else { return };
    assert_eq!((component["outcome"].as_str(), status), (Some("identical"), Some(0)), "{component:#}");
    // The index now serves another wheel under the same name.
    let wheel = publisher.folder.path().join("index/tiny/tiny-1.0-py3-none-any.whl");
    let mut bytes = fs::read(&wheel).unwrap();
    bytes.extend(b"more");
    fs::write(&wheel, bytes).unwrap();
    publisher.list();
    let lock = "work/locks/tiny/pypi-1.0.lock.json";
    fs::copy(
        world.folder.path().join(lock),
        publisher.root().join("policies/components/tiny/pypi-1.0.lock.json"),
    )
    .unwrap();
    let out = world.run(&["audit", "tiny", "--index-url", &publisher.index()]);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("pypi::contradicted"), "{said}");
}

#[test]
fn what_the_source_does_not_give_is_a_difference() {
    let honest = backend("pass");
    let evil = backend("files['tiny.py'] += b'import os\\n'; files['evil.pth'] = b'import tiny'");
    let Some(publisher) = Publisher::new(&honest, &evil) else { return };
    let Some((_, component, status)) = publisher.audit() else { return };
    assert_eq!((component["outcome"].as_str(), status), (Some("different"), Some(1)), "{component:#}");
    let causes = causes(&component);
    assert!(causes.contains(&("evil.pth".to_owned(), "member-removed".to_owned())), "{causes:?}");
    assert!(causes.iter().any(|(path, _)| path == "tiny.py"), "{causes:?}");
}

#[test]
fn a_wheel_that_lies_about_its_backend_never_passes() {
    let honest = backend("pass");
    let lie = "files['tiny-1.0.dist-info/WHEEL'] = b'Wheel-Version: 1.0\\nGenerator: setuptools (80.9.0)\\n'";
    let Some(publisher) = Publisher::new(&backend(lie), &backend(lie)) else { return };
    let Some((_, component, status)) = publisher.audit() else { return };
    assert_eq!(component["outcome"], "identical", "{component:#}");
    assert_eq!((component["verdict"].as_str(), status), (Some("inconclusive"), Some(3)));
    assert!(codes(&component).contains(&"generator-not-in-source"), "{component:#}");
    let Some(publisher) = Publisher::new(&honest, &backend(lie)) else { return };
    let Some((_, component, status)) = publisher.audit() else { return };
    assert_eq!((component["outcome"].as_str(), status), (Some("different"), Some(1)), "{component:#}");
}

#[test]
fn a_backend_that_is_not_stable_accuses_nobody() {
    let random = backend("files['tiny-1.0.dist-info/random'] = os.urandom(8)");
    let Some(publisher) = Publisher::new(&random, &random) else { return };
    let Some((_, component, status)) = publisher.audit() else { return };
    assert_eq!((component["outcome"].as_str(), status), (Some("unstable"), Some(3)), "{component:#}");
}

#[test]
fn a_backend_reaches_nothing_and_its_failure_is_a_result() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    // Each of these would end otherwise if the sandbox leaked.
    let reach = "import socket, pathlib\n    \
        assert not pathlib.Path('SECRET').exists()\n    \
        try:\n        socket.create_connection(('192.0.2.1', 80), 1)\n        raise SystemExit('there is a network')\n    \
        except OSError:\n        pass\n    \
        os.symlink('/etc/passwd', '/build/wheel/tiny-1.0-py3-none-any.whl')\n    raise SystemExit('done')"
        .replace("SECRET", &secret.path().display().to_string());
    let Some(publisher) = Publisher::new(&backend(&reach), &backend("pass")) else { return };
    let Some((_, component, status)) = publisher.audit() else { return };
    assert_eq!((component["outcome"].as_str(), status), (Some("not built"), Some(3)), "{component:#}");
    let log = component["evidence"]["rebuild"]["log-tail"].to_string()
        + &component["evidence"]["rebuild"]["log_tail"].to_string();
    assert!(log.contains("done") && !log.contains("there is a network"), "{log}");
    assert!(component["evidence"]["artifacts"][0]["rebuilt"].is_null());
}

/// Findings of the checks with that code, with what was found.
fn checks(component: &Value, code: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = component["evidence"]["checks"].as_array().cloned().unwrap_or_default();
    all.iter().filter(|c| c["code"] == code).map(|c| (text(&c["finding"]), text(&c["found"]))).collect()
}

#[test]
fn a_source_distribution_is_held_against_its_tag_and_a_replaced_wheel_is_told() {
    use git2::{Repository, Signature, Time};
    let honest = backend("pass");
    let Some(publisher) = Publisher::new(&honest, &honest) else { return };
    let clone = publisher.folder.path().join("clone");
    let repository = Repository::init(&clone).unwrap();
    let commit = |script: &str| {
        fs::create_dir_all(clone.join("tools")).unwrap();
        let system =
            "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\"tools\"]\n";
        let files = [
            ("tiny.py", "x = 1\n"),
            ("pyproject.toml", system),
            ("tools/backend.py", script),
            ("tests/not_packed.py", ""),
        ];
        let mut index = repository.index().unwrap();
        for (name, body) in files {
            let path = clone.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, body).unwrap();
            index.add_path(Path::new(name)).unwrap();
        }
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let who = Signature::new("Ann", "ann@example.invalid", &Time::new(1_700_000_000, 0)).unwrap();
        let id = repository.commit(None, &who, &who, "message", &tree, &[]).unwrap();
        repository.reference("refs/tags/v1.0", id, true, "").unwrap();
    };
    commit(&honest);
    let world = World::new(&publisher.root());
    let given = format!("o/tiny={}", clone.display());
    let index = publisher.index();
    let audit = || world.audit(&["tiny", "--index-url", &index, "--repository", &given]);
    let Some((component, status)) = audit() else { return };
    assert_eq!((component["outcome"].as_str(), status), (Some("identical"), Some(0)), "{component:#}");
    assert_eq!(checks(&component, "source-drift")[0].0, "established");
    // The tag now holds another backend than the source distribution packs.
    commit(&format!("{honest}# reviewed\n"));
    let (component, status) = audit().unwrap();
    assert_eq!((component["outcome"].as_str(), status), (Some("identical"), Some(1)), "{component:#}");
    assert_eq!(component["verdict"], "fail", "the bytes are those of a source that its tag does not hold");
    let drift = checks(&component, "source-drift");
    assert!(drift.iter().all(|(finding, _)| finding == "refuted"), "{drift:?}");
    assert_eq!(checks(&component, "replaced-since").len(), 1, "and the tag moved");
    // The index now has another wheel, and a new lock takes it for what it is.
    assert!(publisher.publish(&backend("files['tiny.py'] += b'y = 2\\n'")));
    let (component, status) = audit().unwrap();
    assert_eq!(status, Some(1));
    let told = checks(&component, "replaced-since");
    let now = component["evidence"]["artifacts"][0]["published"]["digest"].as_str().unwrap();
    assert!(told.iter().any(|(finding, found)| finding == "refuted" && found.starts_with(now)), "{told:?}");
}
