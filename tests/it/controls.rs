//! `reprove controls`: the model as it stands, held against what is entered into the history, filtered,
//! compared and exported; and policies that cannot be used.

use std::path::Path;
use std::process::{Command, Output};

use reprove::digest::Digest;
use reprove::evaluate::control::Controls;
use reprove::evaluate::evidence::{Answer, Answered, Basis, Check};
use reprove::evaluate::history::{History, Look};
use reprove::evaluate::register::Register;
use reprove::report::findings::Tested;

/// A root folder with the project's own model, policy and waivers.
fn root() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let policies = folder.path().join("policies");
    std::fs::create_dir_all(policies.join("controls")).unwrap();
    for entry in std::fs::read_dir(own.join("controls")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, policies.join("controls").join(path.file_name().unwrap())).unwrap();
    }
    for file in ["policy.toml", "audit.rego", "waivers.toml"] {
        std::fs::copy(own.join(file), policies.join(file)).unwrap();
    }
    folder
}

fn reprove(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reprove"))
        .arg("--root")
        .arg(root)
        .arg("--work")
        .arg(root.join("work"))
        .arg("controls")
        .args(arguments)
        .args(["--as-of", "2026-01-15T00:00:00Z"])
        .output()
        .unwrap()
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Enters a look at Prometheus: every check holds, but for those named.
fn look(root: &Path, version: &str, not: &[&str]) {
    let controls = Controls::load(root).unwrap();
    let digest = Digest::sha256(version.as_bytes());
    let tested =
        Tested::Rebuilt { artifact: "prometheus.deb".to_owned(), digest: digest.clone(), identical: true };
    let answers: Vec<(String, Answer)> = controls
        .checks_for("prometheus")
        .map(|(_, check)| {
            let answered = match not.contains(&check.id.as_str()) {
                true => Answered::DoesNotHold {},
                false => Answered::Holds {},
            };
            let answer = Answer {
                id: check.id.clone(),
                kind: check.check.kind().to_owned(),
                answered,
                basis: Basis::RebuiltBinary {
                    artifact: "prometheus.deb".to_owned(),
                    digest: digest.clone(),
                    identical: true,
                },
                request: "GET /".to_owned(),
                expected: "status 200".to_owned(),
                found: "status 403".to_owned(),
                counter_example: None,
                again: "reprove probe prometheus".to_owned(),
            };
            (check.question().to_string(), answer)
        })
        .collect();
    let entries: Vec<(String, &Answer)> = answers.iter().map(|(q, a)| (q.clone(), a)).collect();
    let work = root.join("work");
    std::fs::create_dir_all(&work).unwrap();
    let look = Look {
        id: 0,
        component: "prometheus".to_owned(),
        version: version.to_owned(),
        purl: format!("pkg:deb/debian/prometheus@{version}"),
        tested: tested.to_text(),
        as_of: "2026-01-10T00:00:00Z".to_owned(),
        tool: "reprove 0".to_owned(),
    };
    History::open(&work.join("history.sqlite")).unwrap().enter(&look, &entries).unwrap();
}

#[test]
fn what_was_never_looked_at_is_shown_as_that() {
    let root = root();
    let text = good(&reprove(root.path(), &["--component", "prometheus"]));
    assert!(text.contains("prometheus (no release was looked at)"), "{text}");
    assert!(
        text.contains("not shown") && !text.contains("  kept  ") && !text.contains("  open by default  "),
        "{text}"
    );
    let error = refused(&reprove(root.path(), &["diff", "2.42.0", "2.53.3"]));
    assert!(error.contains("`2.42.0` was never looked at"), "{error}");
    let error = refused(&reprove(root.path(), &["--component", "grafana"]));
    assert!(error.contains("no control is about a component `grafana`"), "{error}");
    let error = refused(&reprove(root.path(), &["show", "PROM-99"]));
    assert!(error.contains("no control `PROM-99`"), "{error}");
    let error = refused(&reprove(root.path(), &["--state", "fine"]));
    assert!(error.contains("open-by-default"), "{error}");
}

#[test]
fn releases_are_listed_filtered_shown_and_compared() {
    let root = root();
    look(root.path(), "2.42.0+ds-5", &["PROM-11.p4"]);
    look(root.path(), "2.53.3+ds1-2", &[]);
    let newest = good(&reprove(root.path(), &["--component", "prometheus", "--kind", "promise"]));
    assert!(newest.contains("prometheus 2.53.3+ds1-2") && newest.contains("kept"), "{newest}");
    assert!(!newest.contains("PROM-01") && !newest.contains("broken"), "{newest}");
    let older = good(&reprove(root.path(), &["--release", "2.42.0", "--verdict", "fail"]));
    assert!(older.contains("broken") && older.contains("PROM-11"), "{older}");
    assert!(older.contains("does not hold: PROM-11.p4") && !older.contains("PROM-09"), "{older}");
    let open = good(&reprove(
        root.path(),
        &["--component", "prometheus", "--state", "open-by-default", "--severity", "high"],
    ));
    assert!(open.contains("PROM-01") && !open.contains("PROM-02"), "{open}");
    let none = good(&reprove(root.path(), &["--component", "prometheus", "--verdict", "fail"]));
    assert!(none.contains("\n  none\n"), "{none}");
    let one = good(&reprove(root.path(), &["show", "PROM-11", "--release", "2.42.0"]));
    for part in [
        "PROM-11.p4 holds: does not hold",
        "expected: status 200",
        "policies/controls/prometheus.toml:",
        "PROM-11.1",
    ] {
        assert!(one.contains(part), "{part}: {one}");
    }
    let diff = good(&reprove(root.path(), &["diff", "2.42.0", "prometheus@2.53.3+ds1-2"]));
    assert!(diff.contains("PROM-11 (promise, critical): broken -> kept"), "{diff}");
    assert!(diff.contains("PROM-11.p4: does not hold -> holds"), "{diff}");
    assert!(diff.contains("1 control differs between"), "{diff}");
    let csv = good(&reprove(root.path(), &["--release", "2.42.0", "--export", "csv"]));
    assert!(csv.starts_with("component,version,id,"), "{csv}");
    assert!(csv.lines().any(|l| l.contains(",PROM-11,") && l.contains(",broken,fail,")), "{csv}");
    let marked = good(&reprove(root.path(), &["--release", "2.42.0", "--export", "markdown"]));
    assert!(marked.contains("| broken | critical | `PROM-11` | promise |"), "{marked}");
}

#[test]
fn a_deployment_answers_duties() {
    let root = root();
    look(root.path(), "2.53.3+ds1-2", &[]);
    let file = root.path().join("prometheus.yml");
    std::fs::write(&file, "remote_write: [{url: 'https://u:hunter2@w/'}]\n").unwrap();
    let text = good(&reprove(
        root.path(),
        &[
            "--component",
            "prometheus",
            "--kind",
            "duty",
            "--deployment",
            file.to_str().unwrap(),
            "--flags",
            "--web.listen-address=127.0.0.1:9090",
        ],
    ));
    assert!(text.contains("neglected") && text.contains("SEC-05.1"), "{text}");
    assert!(text.contains("met") && !text.contains("hunter2"), "{text}");
}

#[test]
fn a_policy_or_a_waiver_that_cannot_be_used_stops_at_once() {
    for (file, from, to, code) in [
        ("audit.rego", "package reprove.audit", "package other", "policy::undefined_entry"),
        ("audit.rego", "rank := {", "now := time.now_ns()\nrank := {", "policy::forbidden_function"),
        ("audit.rego", "rank := {", "rank := {{", "policy::rego"),
        ("policy.toml", "required = []", "required = [\"X\"]", "evaluate::definition"),
        ("waivers.toml", "schema = 1", "schema = 1\n[[waiver]]\nid = \"a\"", "evaluate::definition"),
        ("controls/model.toml", "controls = 66", "controls = 65", "evaluate::definition"),
    ] {
        let root = root();
        let path = root.path().join("policies").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = refused(&reprove(root.path(), &[]));
        assert!(error.contains(code), "{code}: {error}");
    }
}

/// The command that a report prints for each check must find it. The program is kept from starting by a
/// file that is not there, which is looked for after the checks.
#[test]
fn each_check_is_found_by_the_command_that_asks_it_again() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let work = tempfile::tempdir().unwrap();
    let (controls, register) = (Controls::load(own).unwrap(), Register::load(own).unwrap());
    let probe = |component: &str, ids: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_reprove"))
            .args(["--root", env!("CARGO_MANIFEST_DIR"), "probe", component, "--artifact", "/nowhere/a.deb"])
            .arg("--work")
            .arg(work.path())
            .args(ids.iter().flat_map(|id| ["--probe", id]))
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let mut asked = 0;
    for component in controls.released() {
        let checks = controls.checks_for(&component).map(|(_, c)| (&c.id, &c.check));
        let about = register.findings().filter(|(_, f)| f.components.contains(&component));
        let evidence = about.flat_map(|(_, f)| f.evidence_on(&component)).map(|e| (&e.id, &e.check));
        let all: Vec<(&String, &Check)> = checks.chain(evidence).collect();
        let is_probe = |check: &Check| matches!(check, Check::Probe(_));
        let ids: Vec<&str> = all.iter().filter(|(_, c)| is_probe(c)).map(|(id, _)| id.as_str()).collect();
        let said = probe(&component, &ids);
        assert!(said.contains("error[cli::probe_file]"), "{component}: {said}");
        asked += ids.len();
        // What starts nothing has no such command.
        if let Some((id, _)) = all.iter().find(|(_, c)| !is_probe(c)) {
            let said = probe(&component, &[id]);
            assert!(said.contains("error[cli::no_probe]"), "{component}: {said}");
        }
    }
    assert!(asked > 150, "{asked}");
}
