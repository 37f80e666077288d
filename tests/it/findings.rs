//! `reprove findings`: another project's audit entered by the README's words, what was seen of releases,
//! and registers that are refused.

use std::path::Path;
use std::process::{Command, Output};

use reprove::evaluate::evidence::{Answer, Answered, Basis};
use reprove::evaluate::history::{History, Look};
use reprove::evaluate::register::Register;
use reprove::report::findings::Tested;

const README: &str = include_str!("../../README.md");

/// The README's example of a register.
fn example() -> String {
    let (_, rest) = README.split_once("### Entering another project's audit").unwrap();
    let (_, rest) = rest.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A root folder with the example, changed by `edit`.
fn root(edit: impl Fn(String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let findings = folder.path().join("policies/findings");
    std::fs::create_dir_all(&findings).unwrap();
    std::fs::write(findings.join("acme-2025.toml"), edit(example())).unwrap();
    folder
}

fn reprove(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reprove"))
        .arg("--root")
        .arg(root)
        .arg("--work")
        .arg(root.join("work"))
        .args(arguments)
        .args(["--as-of", "2026-01-15T00:00:00Z"])
        .output()
        .unwrap()
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Enters a look at a release: what each check came to.
fn look(root: &Path, version: &str, as_of: &str, seen: &[(&str, bool)]) {
    let register = Register::load(root).unwrap();
    let questions = register.questions();
    let digest = reprove::digest::Digest::sha256(version.as_bytes());
    let tested =
        Tested::Rebuilt { artifact: format!("tinyd_{version}.deb"), digest: digest.clone(), identical: true };
    let answers: Vec<Answer> = seen
        .iter()
        .map(|(id, holds)| Answer {
            id: (*id).to_owned(),
            kind: "http-probe".to_owned(),
            answered: if *holds { Answered::Holds {} } else { Answered::DoesNotHold {} },
            basis: Basis::RebuiltBinary {
                artifact: "tinyd.deb".to_owned(),
                digest: digest.clone(),
                identical: true,
            },
            request: "POST /quit".to_owned(),
            expected: "status 403".to_owned(),
            found: if *holds { "as expected, status 403" } else { "status: 200 (expected 403)" }.to_owned(),
            counter_example: None,
            again: format!("reprove probe tinyd@{version} --probe {id}"),
        })
        .collect();
    let entries: Vec<(String, &Answer)> = answers.iter().map(|a| (questions[&a.id].clone(), a)).collect();
    std::fs::create_dir_all(root.join("work")).unwrap();
    History::open(&root.join("work/history.sqlite"))
        .unwrap()
        .enter(
            &Look {
                id: 0,
                component: "tinyd".to_owned(),
                version: version.to_owned(),
                purl: format!("pkg:deb/debian/tinyd@{version}"),
                tested: tested.to_text(),
                as_of: as_of.to_owned(),
                tool: "reprove 0".to_owned(),
            },
            &entries,
        )
        .unwrap();
}

#[test]
fn another_audit_is_entered_by_the_readme_s_words() {
    let root = root(|text| text);
    let text = good(&reprove(root.path(), &["findings"]));
    assert!(text.contains("tinyd (no release was looked at)"), "{text}");
    assert!(text.contains("unproven       high       T-1"), "{text}");
    let text = good(&reprove(root.path(), &["findings", "show", "t-1"]));
    for part in [
        "Acme, Review of tinyd, page 3-4",
        "policies/findings/acme-2025.toml:13",
        "acme/tinyd#12",
        "not looked at",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_was_seen_gives_standings_differences_and_regressions() {
    let root = root(|text| text);
    let path = root.path();
    look(path, "1.1.0-1", "2025-05-01T00:00:00Z", &[("T-1.e1", false), ("T-1.e2", false)]);
    look(
        path,
        "1.2.0-1",
        "2025-06-01T00:00:00Z",
        &[("T-1.e1", true), ("T-1.e2", true), ("2025-A1.e1", true)],
    );
    let text = good(&reprove(path, &["findings"]));
    assert!(
        text.contains(
            "tinyd 1.2.0-1\n  tested our build of tinyd_1.2.0-1.deb, whose bytes are the published"
        ),
        "{text}"
    );
    assert!(text.contains("mitigated      high       T-1"), "{text}");
    let diff = good(&reprove(path, &["findings", "diff", "1.1.0", "tinyd@1.2.0-1"]));
    assert!(diff.contains("T-1 (high): open -> mitigated"), "{diff}");
    look(
        path,
        "1.3.0-1",
        "2025-07-01T00:00:00Z",
        &[("T-1.e1", false), ("T-1.e2", true), ("2025-A1.e1", true)],
    );
    let text = good(&reprove(path, &["findings", "--standing", "regressed"]));
    assert!(text.contains("regressed      high       T-1") && !text.contains("2025-A1"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&good(&reprove(path, &["findings", "--format", "json"]))).unwrap();
    assert_eq!(json[0]["findings"]["rows"][0]["held-in"], "1.2.0-1");
    assert_eq!(json[0]["findings"]["rows"][1]["since"], "1.2.0-1");
    // An acceptance, or another release, tells another story of the same answers.
    let text = good(&reprove(path, &["findings", "--release", "1.1.0"]));
    assert!(text.contains("open           high       T-1"), "{text}");
    // Since when: the documentation has not changed since the release before.
    let text = good(&reprove(path, &["findings", "--since", "1.2.0"]));
    assert!(text.contains("T-1") && !text.contains("2025-A1"), "{text}");
    let text = good(&reprove(path, &["findings", "--since", "2025-06-15"]));
    assert!(text.contains("T-1") && !text.contains("2025-A1"), "{text}");
    let text = good(&reprove(path, &["findings", "--since", "2025-08-01"]));
    assert!(!text.contains("T-1"), "{text}");
    let show = good(&reprove(path, &["findings", "show", "T-1"]));
    for part in [
        "asked     POST /quit",
        "found     status: 200",
        "again     reprove probe tinyd@1.3.0-1 --probe T-1.e1",
    ] {
        assert!(show.contains(part), "{part}: {show}");
    }
}

#[test]
fn exports_hold_every_finding() {
    let root = root(|text| text);
    look(root.path(), "1.2.0-1", "2025-06-01T00:00:00Z", &[("T-1.e1", true), ("T-1.e2", true)]);
    let csv = good(&reprove(root.path(), &["findings", "--export", "csv"]));
    let lines: Vec<_> = csv.split("\r\n").collect();
    assert_eq!(lines.len(), 4, "{csv}");
    assert!(lines[0].starts_with("component,version,audit,id,severity,title,standing,strength"));
    assert!(
        lines.iter().any(|l| l.starts_with(
            "tinyd,1.2.0-1,acme-2025,T-1,high,Anybody may stop the server,mitigated,shown on these bytes"
        )),
        "{csv}"
    );
    let markdown = good(&reprove(root.path(), &["findings", "--export", "markdown"]));
    assert!(
        markdown.contains("| mitigated | high | `T-1` | Anybody may stop the server | mitigated |"),
        "{markdown}"
    );
    let severe = good(&reprove(root.path(), &["findings", "--export", "csv", "--severity", "high"]));
    assert_eq!(severe.lines().count(), 2);
}

#[test]
fn a_changed_check_has_no_answer_yet() {
    let root = root(|text| text);
    look(root.path(), "1.2.0-1", "2025-06-01T00:00:00Z", &[("T-1.e1", true), ("T-1.e2", true)]);
    let file = root.path().join("policies/findings/acme-2025.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("status = 403", "status = 404")).unwrap();
    let text = good(&reprove(root.path(), &["findings"]));
    assert!(text.contains("unproven       high       T-1"), "{text}");
}

#[test]
fn a_wrong_register_is_refused_with_its_place() {
    for (from, to, expected) in [
        (
            "findings = 2",
            "findings = 3",
            "acme-2025.toml:9:12: the audit has 3 findings, but 2 are written down",
        ),
        ("severity = \"high\"", "severty = \"high\"", "unknown field `severty`"),
        ("key = \"2025-A1\"", "key = \"T-1\"", "finding `T-1` is given twice"),
        ("why = \"the request is refused unless a flag allows it\"\n", "", "a claim without a reason"),
        (
            "expect = [{ status = 403, process = \"alive\" }]",
            "expect = [{ body-absent = [\"x\"] }]",
            "a dead server",
        ),
    ] {
        let root = root(|text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        let error = refused(&reprove(root.path(), &["findings"]), 2);
        assert!(error.contains(expected) && error.contains("acme-2025.toml:"), "{error}");
        assert!(error.contains("hint:"), "{error}");
    }
}

#[test]
fn a_register_in_another_encoding_is_refused_with_its_place() {
    let root = root(|text| text);
    let path = root.path().join("policies/findings/acme-2025.toml");
    let text = std::fs::read(&path).unwrap();
    let at = text.windows(4).position(|w| w == b"Acme").unwrap();
    std::fs::write(&path, [&text[..at + 3], b"\xe9", &text[at + 4..]].concat()).unwrap();
    let error = refused(&reprove(root.path(), &["findings"]), 2);
    assert!(error.contains("acme-2025.toml:6:15: not UTF-8"), "{error}");
}

#[test]
fn what_is_not_there_is_a_wrong_argument_with_a_hint() {
    let root = root(|text| text);
    look(root.path(), "1.2.0-1", "2025-06-01T00:00:00Z", &[]);
    for (arguments, expected) in [
        (&["findings", "show", "X-9"][..], "no finding `X-9`"),
        (&["findings", "--component", "other"], "findings are about: tinyd"),
        (&["findings", "--release", "9.9"], "looked at so far: tinyd@1.2.0-1"),
        (&["findings", "diff", "1.2.0", "9.9"], "`9.9` was never looked at"),
        (&["findings", "--since", "9.9"], "`9.9` was never looked at"),
        (&["findings", "--standing", "good"], "contradicted, regressed"),
    ] {
        let error = refused(&reprove(root.path(), arguments), 2);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn the_project_s_own_register_is_shown() {
    let work = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_reprove"))
        .args(["--root", env!("CARGO_MANIFEST_DIR"), "--work"])
        .arg(work.path())
        .args(["findings", "--export", "csv"])
        .output()
        .unwrap();
    let csv = good(&out);
    for id in ["PRM-01-001", "PRM-02-004", "2018-H6", "2020-P5", "2023-S6"] {
        assert!(csv.contains(&format!(",{id},")), "{id}");
    }
    assert!(!csv.contains(",fixed,") && !csv.contains(",mitigated,shown"), "nothing was looked at: {csv}");
}
