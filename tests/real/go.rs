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
