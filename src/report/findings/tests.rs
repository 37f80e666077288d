#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::evaluate::evidence::{Basis, CounterExampleAnswer};
use crate::evaluate::register::tests::{GOOD, read};
use crate::limits::report::ReportLimits;
use crate::report::samples;
use crate::report::{Component, Report, ReportError, html, markdown, text};

const LIMITS: ReportLimits = ReportLimits::DEFAULT;

/// Three findings: one that is contradicted, one that is open, one that nobody can show yet.
fn register(component: &str) -> Register {
    let third = r#"
[[finding]]
id = "T-2"
title = "A pipe stops every scrape"
severity = "low"
section = "Findings"
page = "5"
components = ["tiny"]
summary = "A named pipe in the folder is read for ever."
left-over = "Nobody is known to have answered."

[[finding.evidence]]
id = "T-2.e1"
kind = "source-contains"
asserts = "not-resolved"
required = true
why = "the file is opened as it comes"
path = "collector/textfile.c"
pattern = 'open\(path\)'
"#;
    let text = GOOD.replace("findings = 2", "findings = 3") + third;
    read(&text.replace("\"tiny\"", &format!("\"{component}\""))).unwrap()
}

fn answer(id: &str, kind: &str, answered: Answered, basis: Basis) -> Answer {
    Answer {
        id: id.to_owned(),
        kind: kind.to_owned(),
        answered,
        basis,
        request: "tiny --listen=127.0.0.1:9400\nPOST /quit".to_owned(),
        expected: "status 403".to_owned(),
        found: "status: 200 (expected 403)".to_owned(),
        counter_example: None,
        again: "reprove probe tiny --probe T-1.e1".to_owned(),
    }
}

fn digest() -> Digest {
    samples::digest("tiny")
}

fn answers() -> Vec<Answer> {
    let ran = Basis::RebuiltBinary { artifact: "tiny.deb".to_owned(), digest: digest(), identical: true };
    let read = Basis::ReleaseSource { package: "tiny 1.5.0-1".to_owned(), tied: true };
    let mut residual = answer("T-1.e2", "source-contains", Answered::Holds {}, read.clone());
    residual.counter_example = Some(CounterExampleAnswer {
        at: "acme/tiny v0.9".to_owned(),
        fails_there: None,
        found: "not reachable: no clone of acme/tiny was given".to_owned(),
    });
    vec![
        answer("T-1.e1", "http-probe", Answered::DoesNotHold {}, ran),
        residual,
        answer("T-2.e1", "source-contains", Answered::Holds {}, read),
    ]
}

fn subject<'a>(component: &'a str, version: &'a str) -> Subject<'a> {
    Subject { component, version, as_of: "2026-01-15".parse().unwrap() }
}

fn tested() -> Tested {
    Tested::Rebuilt { artifact: "tiny.deb".to_owned(), digest: digest(), identical: true }
}

fn of(answers: &[Answer], earlier: &[Earlier]) -> Findings {
    Findings::of(&register("tiny"), &subject("tiny", "1.5.0-1"), tested(), answers, earlier)
}

/// Findings for a sample release.
pub(crate) fn sample(component: &str, version: &str) -> Findings {
    Findings::of(&register(component), &subject(component, version), tested(), &answers(), &[])
}

fn reported(findings: Findings) -> Report {
    Report::new(vec![Component::judge(samples::identical()).with_findings(findings)])
}

fn standings(findings: &Findings) -> Vec<(&str, Standing, &str)> {
    findings.rows.iter().map(|r| (r.id.as_str(), r.standing, r.since.as_str())).collect()
}

#[test]
fn rows_come_worst_first_and_what_was_not_looked_at_is_named() {
    let findings = of(&answers(), &[]);
    assert_eq!(
        standings(&findings),
        [
            ("T-1", Standing::Contradicted, "1.5.0-1"),
            ("T-2", Standing::Open, "1.5.0-1"),
            ("2025-H1", Standing::Unproven, "1.5.0-1"),
        ]
    );
    assert_eq!(findings.verdict(), Verdict::Fail);
    let gaps: Vec<_> = findings.not_looked.iter().map(|g| g.text.as_str()).collect();
    assert_eq!(gaps, ["2025-H1.e1: it was not looked at"]);
    let published = Tested::Published { artifact: "t".into(), digest: digest(), reason: "no build".into() };
    let other = Findings::of(&register("tiny"), &subject("tiny", "1"), published, &answers(), &[]);
    assert!(other.not_looked.iter().any(|g| g.code == "published-binary-tested"));
    let none = Findings::of(&register("tiny"), &subject("big", "1"), tested(), &[], &[]);
    assert_eq!((none.rows.len(), none.elsewhere, none.verdict()), (0, 3, Verdict::Inconclusive));
}

#[test]
fn an_earlier_release_makes_a_regression_and_tells_since_when() {
    let seen = |version: &str, answers: Vec<Answer>| Earlier { version: version.to_owned(), answers };
    let good: Vec<Answer> =
        answers().into_iter().map(|a| Answer { answered: Answered::Holds {}, ..a }).take(1).collect();
    let findings = of(&answers(), &[seen("1.3.0-1", answers()), seen("1.4.0-1", good)]);
    let first = &findings.rows[0];
    assert_eq!((first.standing, first.held_in.as_deref()), (Standing::Regressed, Some("1.4.0-1")));
    assert_eq!(first.since, "1.5.0-1");
    // T-2 was open in 1.3.0, and nobody looked in 1.4.0.
    assert_eq!(standings(&findings)[1], ("T-2", Standing::Open, "1.5.0-1"));
    let always = of(&answers(), &[seen("1.3.0-1", answers()), seen("1.4.0-1", answers())]);
    assert_eq!(standings(&always)[1], ("T-2", Standing::Open, "1.3.0-1"));
}

#[test]
fn the_rebuild_s_verdict_stands_whatever_the_findings_are() {
    let report = reported(of(&answers(), &[]));
    assert_eq!(report.verdict(), Verdict::Pass);
    assert_eq!(report.components()[0].judgement().verdict, Verdict::Pass);
    let text = text::render(&report, text::TextStyle { color: false, short_digests: false }, &LIMITS);
    assert_eq!(text.trim_end().rsplit(' ').next(), Some("pass"));
}

#[test]
fn json_reads_back_and_a_forged_standing_is_refused() {
    let report = reported(of(&answers(), &[]));
    let json = report.to_json();
    assert_eq!(Report::from_json(json.as_bytes(), &LIMITS).unwrap(), report);
    for (from, to) in [
        ("\"standing\": \"contradicted\"", "\"standing\": \"mitigated\""),
        ("\"standing\": \"open\"", "\"standing\": \"fixed\""),
        ("\"standing\": \"unproven\"", "\"standing\": \"fixed\""),
        ("\"strength\": \"tied-source\"", "\"strength\": \"tied-binary\""),
        ("\"state\": \"does-not-hold\"", "\"state\": \"holds\""),
        ("\"required\": true", "\"required\": false"),
        ("\"asserts\": \"not-resolved\"", "\"asserts\": \"fixed\""),
        ("\"because\": \"", "\"because\": \"not "),
    ] {
        let forged = json.replacen(from, to, 1);
        assert_ne!(forged, json, "{from}");
        let error = Report::from_json(forged.as_bytes(), &LIMITS).unwrap_err();
        assert!(matches!(error, ReportError::Judgement { .. }), "{from}: {error}");
    }
}

#[test]
fn every_renderer_shows_the_register() {
    let report = reported(of(&answers(), &[]));
    let style = text::TextStyle { color: false, short_digests: false };
    insta::assert_snapshot!("plain", text::render(&report, style, &LIMITS));
    insta::assert_snapshot!("markdown", markdown::render(&report, &LIMITS));
    let page = &html::pages(&report, &LIMITS)[0].html;
    for part in [
        "id=\"finding-T-1\" open",
        "id=\"finding-T-2\"",
        "<dt>asked</dt>",
        "<dt>run it again</dt>",
        "the flaw is there",
        "Nobody is known to have said anything",
        "2025-H1.e1: it was not looked at",
        "href=\"#findings\"",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn hostile_answers_become_no_markup() {
    let mut all = answers();
    for answer in &mut all {
        answer.found = "<script>alert(1)</script>\u{202e}|`x`".repeat(2000);
        answer.request = "<img src=x>\n<script>".to_owned();
    }
    let report = reported(of(&all, &[]));
    let page = &html::pages(&report, &LIMITS)[0].html;
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'));
    assert!(page.contains("cut here"));
    let style = text::TextStyle { color: false, short_digests: false };
    for text in [text::render(&report, style, &LIMITS), markdown::render(&report, &LIMITS)] {
        assert!(!text.contains("<script>") && !text.contains('\u{202e}'));
    }
}
