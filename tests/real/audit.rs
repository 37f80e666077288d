//! The main job on a small package, through the command line: fetch, authenticate, rebuild, compare.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn audit(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reprove"))
        .args(["--root", env!("CARGO_MANIFEST_DIR"), "--format", "json", "--quiet", "audit"])
        .args(args)
        .args(["--relock", "--work"])
        .arg(folder.join("work"))
        .arg("--reports")
        .arg(folder.join("reports"))
        .arg("--attestations")
        .arg(folder.join("attestations"))
        .output()
        .unwrap()
}

/// The objects of the store with the time of their last change: a download would add one.
fn objects(folder: &Path) -> usize {
    fn count(folder: &Path) -> usize {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| if path.is_dir() { count(&path) } else { 1 })
            .sum()
    }
    count(&folder.join("work/store/objects"))
}

#[test]
fn libcue_is_rebuilt_and_told_to_differ_in_identifiers_only() {
    let folder = tempfile::tempdir().unwrap();
    let first = audit(folder.path(), &["libcue"]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    if matches!(first.status.code(), Some(2 | 4)) && first.stdout.is_empty() {
        eprintln!("needs a mirror of Debian, user namespaces and apt: not tested: {said}");
        return;
    }
    assert_eq!(first.status.code(), Some(3), "{said}");
    let report: Value = serde_json::from_slice(&first.stdout).unwrap();
    let component = &report["components"][0];
    assert_eq!(component["outcome"], "identifiers only", "{report:#}");
    let artifacts = component["evidence"]["artifacts"].as_array().unwrap();
    let named =
        |name: &str| artifacts.iter().find(|a| a["name"].as_str().unwrap().starts_with(name)).unwrap();
    let dev = named("libcue-dev");
    assert_eq!(dev["published"], dev["rebuilt"]);
    let library = named("libcue2");
    assert_ne!(library["published"], library["rebuilt"]);
    for difference in library["differences"].as_array().unwrap() {
        let cause = difference["cause"].as_str().unwrap();
        assert!(["elf-build-id", "elf-debuglink", "checksum-manifest"].contains(&cause), "{difference:#}");
    }
    assert!(folder.path().join("reports/libcue.html").is_file());
    let statement =
        fs::read_to_string(folder.path().join("attestations/libcue/2.2.1-4+deb12u1/comparison.intoto.json"));
    assert!(statement.unwrap().contains("https://in-toto.io/Statement/v1"));

    let before = objects(folder.path());
    let second = audit(folder.path(), &["libcue"]);
    assert_eq!(second.stdout, first.stdout, "the same inputs give other bytes");
    assert_eq!(objects(folder.path()), before, "the second run downloaded something");
}

#[test]
fn a_source_that_the_mirror_lacks_is_named_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = audit(folder.path(), &["prometheus-snmp-exporter", "no-such-component"]);
    assert_eq!(out.status.code(), Some(2), "an unknown component is a matter of the arguments");
    let out = audit(folder.path(), &["prometheus-snmp-exporter"]);
    if out.stdout.is_empty() {
        eprintln!("needs a mirror of Debian: not tested: {}", String::from_utf8_lossy(&out.stderr));
        return;
    }
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    let component = &report["components"][0];
    if component["outcome"] != "source unavailable" {
        eprintln!("this mirror has the source of prometheus-snmp-exporter: not tested");
        return;
    }
    assert_eq!(out.status.code(), Some(3));
    let blocks = component["blocks"].as_array().unwrap();
    assert!(blocks.iter().any(|b| b["subject"].as_str().unwrap().contains(".orig.tar")), "{blocks:#?}");
}
