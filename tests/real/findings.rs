//! Findings of external audits in a published program: Debian's node exporter, started and asked.

use std::process::Command;

use serde_json::Value;

fn row<'a>(rows: &'a [Value], id: &str) -> &'a Value {
    rows.iter().find(|row| row["id"] == id).unwrap_or_else(|| panic!("no {id}"))
}

#[test]
fn the_node_exporter_still_hangs_on_a_pipe_and_ends_on_a_bad_reply() {
    let folder = tempfile::tempdir().unwrap();
    let reprove = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_reprove"))
            .args(["--root", env!("CARGO_MANIFEST_DIR"), "--format", "json", "--quiet", "--work"])
            .arg(folder.path().join("work"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let reports = folder.path().join("reports").display().to_string();
    let attestations = folder.path().join("attestations").display().to_string();
    let audited = reprove(&[
        "audit",
        "prometheus-node-exporter@1.5.0-1+b6",
        "--no-build",
        "--reports",
        &reports,
        "--attestations",
        &attestations,
    ]);
    let said = String::from_utf8_lossy(&audited.stderr).into_owned();
    if matches!(audited.status.code(), Some(2 | 4)) && audited.stdout.is_empty() {
        eprintln!("needs a mirror of Debian and user namespaces: not tested: {said}");
        return;
    }
    // The rebuild stays inconclusive, whatever the findings are.
    assert_eq!(audited.status.code(), Some(3), "{said}");
    let report: Value = serde_json::from_slice(&audited.stdout).unwrap();
    let findings = &report["components"][0]["findings"];
    if findings["tested"]["ran"] == "nothing" {
        eprintln!("nothing ran, not tested: {}", findings["tested"]["reason"]);
        return;
    }
    assert_eq!(findings["tested"]["ran"], "published");
    let rows = findings["rows"].as_array().unwrap();
    for (id, standing) in [
        ("PRM-02-001", "mitigated"),
        ("PRM-02-002", "open"),
        ("PRM-02-003", "open"),
        ("PRM-02-004", "open"),
        ("PRM-02-005", "open"),
        ("PRM-02-006", "open"),
        ("PRM-01-002", "mitigated"),
    ] {
        let row = row(rows, id);
        assert_eq!(row["standing"], standing, "{row:#}");
        assert_eq!(row["strength"], "published-binary", "{row:#}");
    }
    let crash = &row(rows, "PRM-02-004")["evidence"][0];
    assert!(
        crash["answer"]["found"].as_str().unwrap().contains("the process ended with status 2"),
        "{crash:#}"
    );
    // A control's check is asked again by the line that the report prints.
    let controls = report["components"][0]["controls"]["rows"].as_array().unwrap();
    let checks = controls.iter().flat_map(|row| row["checks"].as_array().unwrap());
    let again = checks.filter_map(|c| c["answer"]["again"].as_str()).find(|a| a.starts_with("reprove probe"));
    let words: Vec<&str> = again.unwrap().split(' ').skip(1).collect();
    let asked = reprove(&words);
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(matches!(asked.status.code(), Some(0 | 1)), "{words:?}: {said}");
    let asked: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(asked["probes"].as_array().unwrap().len(), 1, "{words:?}");
    // What was seen is kept, and shown without a second look.
    let shown = reprove(&["findings", "--component", "prometheus-node-exporter"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(row(shown[0]["findings"]["rows"].as_array().unwrap(), "PRM-02-003")["standing"], "open");
}
