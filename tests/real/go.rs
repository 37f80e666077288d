//! Go programs from the real registries: rebuilt from their modules and compared with what was published.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn reprove(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reprove"))
        .args(["--root", env!("CARGO_MANIFEST_DIR"), "--format", "json", "--quiet", "--work"])
        .arg(folder.join("work"))
        .args(args)
        .arg("--reports")
        .arg(folder.join("reports"))
        .arg("--attestations")
        .arg(folder.join("attestations"))
        .output()
        .unwrap()
}

/// The one release of the report; none, said so, where the registries cannot be asked from here.
fn audited(out: &Output) -> Option<Value> {
    if matches!(out.status.code(), Some(2 | 4)) {
        let said = String::from_utf8_lossy(&out.stderr);
        eprintln!("needs a Go module proxy, an npm registry and user namespaces: not tested: {said}");
        return None;
    }
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    Some(report["components"][0].clone())
}

#[test]
fn esbuild_s_npm_package_is_rebuilt_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let out = reprove(folder.path(), &["audit", "pkg:npm/%40esbuild/linux-x64@0.25.12"]);
    let Some(component) = audited(&out) else { return };
    assert_eq!(
        (&component["outcome"], &component["verdict"]),
        (&"identical".into(), &"pass".into()),
        "{component:#}"
    );
    let evidence = &component["evidence"];
    let members = evidence["artifacts"].as_array().unwrap();
    let names: Vec<&str> = members.iter().map(|m| m["member"].as_str().unwrap()).collect();
    assert_eq!(names, ["package/README.md", "package/bin/esbuild", "package/package.json"]);
    for member in members {
        assert_eq!(member["published"], member["rebuilt"], "{member:#}");
    }
    let observed: Vec<&str> =
        evidence["observations"].as_array().unwrap().iter().map(|o| o["name"].as_str().unwrap()).collect();
    assert_eq!(observed, ["go-version", "vcs-modified", "vcs-revision"]);
    let signed = evidence["indexes"].as_array().unwrap().iter().filter(|i| i["kind"].is_null());
    for index in signed {
        assert_eq!(index["signed_by"].as_array().unwrap().len(), 1, "{index:#}");
    }
}

/// What a checkout of the project's own would build, by the tool chain's own hand: the commit of a clone is
/// built here, and gives those bytes; a checkout that was not clean gives others.
#[test]
fn a_clone_s_commit_is_built_and_is_what_a_checkout_of_it_builds() {
    use git2::{Repository, Signature, Time};
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    let repository = Repository::init(&clone).unwrap();
    let files = [
        ("go.mod", "module example.org/o/tiny\n\ngo 1.24\n"),
        (
            "main.go",
            "package main\n\nimport (\n\t_ \"embed\"\n\t\"fmt\"\n)\n\n//go:embed data/text\nvar text string\n\nfunc main() { fmt.Print(text) }\n",
        ),
        ("data/text", "text\n"),
        // Not part of the module: a module of its own.
        ("tools/go.mod", "module example.org/o/tiny/tools\n"),
    ];
    let mut index = repository.index().unwrap();
    for (name, content) in files {
        let path = clone.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        index.add_path(Path::new(name)).unwrap();
    }
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let who = Signature::new("Ann", "ann@example.invalid", &Time::new(1_779_894_590, 0)).unwrap();
    let commit = repository.commit(Some("HEAD"), &who, &who, "message", &tree, &[]).unwrap().to_string();
    repository
        .tag_lightweight(
            "v1.2.3",
            &repository.find_object(git2::Oid::from_str(&commit).unwrap(), None).unwrap(),
            false,
        )
        .unwrap();

    let root = folder.path().join("root");
    let own = root.join("policies/components/tiny");
    std::fs::create_dir_all(&own).unwrap();
    let trust = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/trust");
    std::os::unix::fs::symlink(trust, root.join("policies/trust")).unwrap();
    let definition = format!(
        r#"schema = 1
name = "tiny"
summary = "a tiny program"

[[release.upstream]]
purl = "pkg:github/o/tiny@v1.2.3?arch=amd64"
artifact = "tiny-1.2.3.linux-amd64"
checksums = "sha256sums.txt"
source = {{ module = "example.org/o/tiny", version = "v1.2.3" }}

[release.upstream.go]
toolchain = "1.26.3"
path = "/app"
env = {{ GOOS = "linux", GOARCH = "amd64" }}
flags = ["-trimpath"]
binaries = [{{ name = "tiny", package = "." }}]

[release.upstream.go.vcs]
revision = "{}"
time = "2026-05-27T15:09:50Z"
modified = false
tags = ["v1.2.3"]
"#,
        &commit[..12]
    );
    std::fs::write(own.join("component.toml"), definition).unwrap();
    let named: Vec<(String, &[u8])> = files[..3]
        .iter()
        .map(|(name, content)| (format!("example.org/o/tiny@v1.2.3/{name}"), content.as_bytes()))
        .collect();
    let members: Vec<(&str, &[u8])> = named.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let zip = crate::module_zip::module_zip(&members);
    let server = crate::server::Server::new(move |asked| match asked.target.as_str() {
        "/example.org/o/tiny/@v/v1.2.3.zip" => crate::server::Reply::ok(&zip),
        _ => crate::server::Reply::status("404 Not Found"),
    });
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_reprove"))
            .env("GOSUMDB", "off")
            .args(["--format", "json", "--quiet", "--root"])
            .arg(&root)
            .arg("--work")
            .arg(folder.path().join("work"))
            .args(args)
            .args(["--goproxy", &server.url("")])
            .output()
            .unwrap()
    };
    let (reports, attestations) = (folder.path().join("reports"), folder.path().join("attestations"));
    let given = format!("o/tiny={}", clone.display());
    let audit = |more: &[&str]| {
        let mut args = vec!["audit", "tiny", "--repository", &given, "--reports"];
        args.extend([reports.to_str().unwrap(), "--attestations", attestations.to_str().unwrap()]);
        args.extend(more);
        run(&args)
    };
    let locked = run(&["lock", "tiny"]);
    if locked.status.code() != Some(0) {
        let said = String::from_utf8_lossy(&locked.stderr);
        eprintln!("needs a Go module proxy: not tested: {said}");
        return;
    }
    let Some(alone) = audited(&audit(&["--once"])) else { return };
    assert_eq!(alone["outcome"], "published artifact not reachable", "{alone:#}");
    let finding = |component: &Value, code: &str| {
        let all = component["evidence"]["checks"].as_array().unwrap().clone();
        all.iter()
            .filter(|c| c["code"] == code)
            .map(|c| c["finding"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for code in ["clone-tag", "source-drift", "checkout-time", "checkout-tag"] {
        assert_eq!(finding(&alone, code), ["established"], "{code}");
    }
    let tar = format!("o-tiny-{commit}.tar");
    let sources = alone["evidence"]["source"]["files"].as_array().unwrap();
    assert!(sources.iter().any(|f| f["name"] == tar.as_str()), "{sources:?}");

    // The same by the project's own hand: the tool chain in its checkout, with the real git.
    let toolchains = folder.path().join("work/go/toolchains");
    let toolchain = std::fs::read_dir(toolchains).unwrap().next().unwrap().unwrap().path();
    let published = folder.path().join("tiny-1.2.3.linux-amd64");
    let build = || {
        let built = Command::new(toolchain.join("bin/go"))
            .current_dir(&clone)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", folder.path())
            .envs([
                ("GOTOOLCHAIN", "local"),
                ("GOPROXY", "off"),
                ("CGO_ENABLED", "0"),
                ("GOFLAGS", "-buildvcs=true"),
            ])
            .env("GOROOT", &toolchain)
            .args(["build", "-trimpath", "-o"])
            .arg(&published)
            .arg(".")
            .output();
        let built = built.unwrap();
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        let list = format!(
            "{}  tiny-1.2.3.linux-amd64\n",
            reprove::digest::Digest::sha256(&std::fs::read(&published).unwrap_or_default()).to_hex()
        );
        std::fs::write(folder.path().join("sha256sums.txt"), list).unwrap();
        (built.status.success(), said)
    };
    let (made, said) = build();
    if !made {
        eprintln!("needs git: not compared: {said}");
        return;
    }
    let released = published.to_str().unwrap();
    let same = audited(&audit(&["--once", "--published", released])).unwrap();
    assert_eq!(same["outcome"], "identical", "{same:#}");
    assert_eq!(finding(&same, "checksums-list-the-artifact"), ["established"]);
    let observed = same["evidence"]["observations"].to_string();
    assert!(!observed.contains("vcs"), "commit and time come from the clone: {observed}");
    std::fs::write(clone.join("untracked"), "").unwrap();
    assert!(build().0);
    let other = audited(&audit(&["--once", "--published", released])).unwrap();
    assert_eq!((&other["outcome"], &other["verdict"]), (&"different".into(), &"fail".into()));
    assert!(
        other["evidence"]["artifacts"].to_string().contains("vcs"),
        "{:#}",
        other["evidence"]["artifacts"]
    );
}

/// A PE executable, linked on another system than it is for.
#[test]
fn esbuild_for_windows_is_rebuilt_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let out = reprove(folder.path(), &["audit", "pkg:npm/%40esbuild/win32-x64@0.25.12"]);
    let Some(component) = audited(&out) else { return };
    assert_eq!(component["outcome"], "identical", "{component:#}");
    let members = component["evidence"]["artifacts"].as_array().unwrap();
    let program = members.iter().find(|m| m["member"] == "package/esbuild.exe").unwrap();
    assert_eq!(program["published"], program["rebuilt"], "{program:#}");
}

/// A program in a wheel, built with plain `go build` by its own project; what the wheel's packer wrote is proved
/// by nothing, and said to be.
#[test]
fn the_program_of_a_wheel_is_rebuilt_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let out = reprove(folder.path(), &["audit", "pkg:pypi/shfmt-py@4.2.0"]);
    let Some(component) = audited(&out) else { return };
    assert_eq!(
        (&component["outcome"], &component["verdict"]),
        (&"partly identical".into(), &"inconclusive".into()),
        "{component:#}"
    );
    let members = component["evidence"]["artifacts"].as_array().unwrap();
    let same = members.iter().filter(|m| m["published"] == m["rebuilt"]);
    let same: Vec<&str> = same.map(|m| m["member"].as_str().unwrap()).collect();
    let licence = "shfmt_py-4.2.0.dist-info/licenses/LICENSE-shfmt";
    assert_eq!(same, ["shfmt_py-4.2.0.data/scripts/shfmt", licence]);
    let apart = members.iter().filter(|m| m["unsourced"].is_string() && m["rebuilt"].is_null());
    assert_eq!((members.len(), apart.count()), (8, 6), "{members:#?}");
    let gaps = component["not_established"].as_array().unwrap();
    assert_eq!(gaps.iter().filter(|g| g["code"] == "member-not-rebuilt").count(), 6);
    let checks = component["evidence"]["checks"].as_array().unwrap();
    for code in ["wheel-record", "build-info-module", "build-info-sums"] {
        let check = checks.iter().find(|c| c["code"] == code).unwrap();
        assert_eq!(check["finding"], "established", "{check:#}");
    }
}
