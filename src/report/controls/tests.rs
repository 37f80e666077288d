//! The real model and register held against answers that are made up, in every rendering.

use std::path::Path;

use super::*;
use crate::evaluate::definition::Definition;
use crate::evaluate::evidence::Basis;
use crate::limits::report::ReportLimits;
use crate::report::{Component, Report, ReportError, html, markdown, samples, text};

const LIMITS: ReportLimits = ReportLimits::DEFAULT;

const WAIVERS: &str = "schema = 1\n[[waiver]]\nid = \"reload\"\ncontrol = \"PROM-11\"\ncomponent = \"prometheus\"\nreason = \"<b>ours</b> alone\"\nowner = \"Ann Other\"\napprover = \"Some One\"\nfrom = 2026-01-01\nuntil = 2026-02-01\n[[waiver]]\nid = \"unused\"\ncontrol = \"PROM-09\"\ncomponent = \"prometheus\"\nreason = \"x\"\nowner = \"A\"\napprover = \"B\"\nfrom = 2025-01-01\nuntil = 2025-12-31\n[[waiver]]\nid = \"misspelt\"\ncontrol = \"PRON-09\"\ncomponent = \"prometheus\"\nreason = \"x\"\nowner = \"A\"\napprover = \"B\"\nfrom = 2026-01-01\nuntil = 2026-12-31\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn tested() -> Tested {
    Tested::Rebuilt { artifact: "p.deb".to_owned(), digest: samples::digest("p"), identical: true }
}

fn answer(id: &str, kind: &str, answered: Answered) -> Answer {
    Answer {
        id: id.to_owned(),
        kind: kind.to_owned(),
        answered,
        basis: Basis::RebuiltBinary {
            artifact: "p.deb".to_owned(),
            digest: samples::digest("p"),
            identical: true,
        },
        request: "POST /-/reload".to_owned(),
        expected: "status 403".to_owned(),
        found: "status <200>".to_owned(),
        counter_example: None,
        again: "reprove probe prometheus".to_owned(),
    }
}

/// Prometheus with a broken promise that is waived, one that could not be shown, and a finding of every
/// kind that follows when every check holds.
pub(crate) fn sample() -> Component {
    let model = control::Controls::load(root()).unwrap();
    let register = Register::load(root()).unwrap();
    let waivers = Waivers::read(&Definition { file: "w".to_owned(), text: WAIVERS.to_owned() }).unwrap();
    let component = Component::judge(samples::base("prometheus", "2.42.0+ds-5+deb12u1", "bookworm", 3));
    let mut answers: Vec<Answer> = model
        .checks_for("prometheus")
        .map(|(_, c)| answer(&c.id, c.check.kind(), Answered::Holds {}))
        .chain(
            register
                .findings()
                .flat_map(|(_, f)| f.evidence_on("prometheus"))
                .map(|e| answer(&e.id, e.check.kind(), Answered::Holds {})),
        )
        .collect();
    for a in &mut answers {
        match a.id.as_str() {
            "PROM-11.p4" => a.answered = Answered::DoesNotHold {},
            "SEC-04.p1" | "GEN-01.p1" => {
                a.answered = Answered::could_not_tell("did-not-start", "it did not start")
            }
            _ => {}
        }
    }
    let as_of = "2026-01-15".parse().unwrap();
    let release = component.evidence().release.clone();
    let on = crate::evaluate::standing::Subject { component: "prometheus", version: &release.version, as_of };
    let findings = Findings::of(&register, &on, tested(), &answers, &[]);
    let book = Book { controls: &model, waivers: &waivers, register: &register };
    let on = Subject { component: "prometheus", version: &release.version, as_of };
    let mut held = Controls::of(&book, &on, tested(), &answers, None, Some(&findings));
    let policy = Policy::load(root(), &model, &PolicyLimits::DEFAULT).unwrap();
    let component = component.with_findings(findings);
    let named = input::Release { component: release.component, version: release.version, purl: release.purl };
    let rebuild = (component.outcome(), component.verdict());
    held.decide(&policy, named, rebuild, component.findings(), &PolicyLimits::DEFAULT).unwrap();
    component.with_controls(held)
}

#[test]
fn states_waivers_and_the_decision_are_in_every_rendering() {
    let report = Report::new(vec![sample()]);
    let style = text::TextStyle { color: false, short_digests: true };
    let terminal = text::render(&report, style, &LIMITS);
    let page = html::render(&report.components()[0], report.tool(), &LIMITS);
    let marked = markdown::render(&report, &LIMITS);
    for (name, out) in [("terminal", &terminal), ("page", &page), ("markdown", &marked)] {
        for wanted in [
            "PROM-11",
            "broken",
            "open by default",
            "SEC-04",
            "not shown",
            "reload",
            "ends in 17 days",
            "misspelt",
        ] {
            assert!(out.contains(wanted), "{name}: {wanted}\n{out}");
        }
    }
    // The waiver excuses the broken promise; what could not be shown is not excused, and is unsettled.
    let held = report.components()[0].controls().unwrap();
    let decision = held.decision.as_ref().unwrap();
    assert!(!decision.deny.iter().any(|s| s.subject == "PROM-11"), "{decision:?}");
    assert!(decision.warn.iter().any(|s| s.subject == "PROM-11" && s.code == "control-waived"));
    assert!(decision.unsettled.iter().any(|s| s.subject == "SEC-04"));
    assert!(decision.deny.iter().any(|s| s.subject == "misspelt" && s.code == "waiver-unknown"));
    assert!(decision.warn.iter().any(|s| s.subject == "unused" && s.code == "waiver-past"));
    assert_eq!(
        held.waivers.iter().filter(|w| w.used).map(|w| w.waiver.id.as_str()).collect::<Vec<_>>(),
        ["reload"]
    );
    assert!(page.contains("&lt;b&gt;ours&lt;/b&gt;") && !page.contains("<b>ours"));
    assert!(page.contains("status &lt;200&gt;"));
    // The rebuild's own verdict is untouched.
    let bare = Component::judge(samples::base("prometheus", "2.42.0+ds-5+deb12u1", "bookworm", 3));
    assert_eq!(report.components()[0].verdict(), bare.verdict());
}

#[test]
fn a_report_that_claims_more_than_its_checks_is_refused() {
    let report = Report::new(vec![sample()]);
    let json = report.to_json();
    assert_eq!(Report::from_json(json.as_bytes(), &LIMITS).unwrap().to_json(), json);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let rows = value["components"][0]["controls"]["rows"].as_array().unwrap();
    let at = |id: &str| rows.iter().position(|r| r["id"] == id).unwrap();
    for (pointer, to) in [
        (format!("/components/0/controls/rows/{}/state", at("PROM-11")), "\"kept\""),
        (format!("/components/0/controls/rows/{}/state", at("SEC-04")), "\"kept\""),
        (format!("/components/0/controls/rows/{}/reason", at("SEC-04")), "\"all is well\""),
        (format!("/components/0/controls/rows/{}/guards", at("SEC-04")), "false"),
        (format!("/components/0/controls/rows/{}/strength", at("SEC-04")), "\"tied-binary\""),
        ("/components/0/controls/decision/verdict".to_owned(), "\"pass\""),
    ] {
        let mut forged = value.clone();
        *forged.pointer_mut(&pointer).unwrap() = serde_json::from_str(to).unwrap();
        let read = Report::from_json(&serde_json::to_vec(&forged).unwrap(), &LIMITS);
        assert!(matches!(read, Err(ReportError::Judgement { .. })), "{pointer}: {read:?}");
    }
    for pointer in ["/components/0/controls/rows/0/state", "/components/0/controls/colour"] {
        let mut forged = value.clone();
        match forged.pointer_mut(pointer) {
            Some(found) => *found = "fine".into(),
            None => forged["components"][0]["controls"]["colour"] = 1.into(),
        }
        assert!(Report::from_json(&serde_json::to_vec(&forged).unwrap(), &LIMITS).is_err(), "{pointer}");
    }
}

#[test]
fn the_policy_is_asked_about_what_is_shown() {
    let component = sample();
    let held = component.controls().unwrap();
    let model = control::Controls::load(root()).unwrap();
    let policy = Policy::load(root(), &model, &PolicyLimits::DEFAULT).unwrap();
    let named =
        input::Release { component: "p".to_owned(), version: "1".to_owned(), purl: "pkg:x".to_owned() };
    let asked = held.input(&policy, named, (component.outcome(), component.verdict()), component.findings());
    assert_eq!(asked.controls.items.len(), held.rows.len());
    assert_eq!(asked.findings.items.len(), component.findings().unwrap().rows.len());
    // Ten times the room that it needs.
    let instructions_max = PolicyLimits::DEFAULT.instructions_max / 10;
    let tenth = PolicyLimits { instructions_max, ..PolicyLimits::DEFAULT };
    assert!(policy.decide(&asked, &tenth).is_ok());
    let used = |id: &str| asked.waivers.iter().find(|w| w.id == id).map(|w| (w.used, w.known));
    assert_eq!(used("reload"), Some((input::Answer::Yes, input::Answer::Yes)));
    assert_eq!(used("unused"), Some((input::Answer::No, input::Answer::Yes)));
    assert_eq!(used("misspelt"), Some((input::Answer::No, input::Answer::No)));
    let waived = asked.controls.items.iter().find(|c| c.id == "PROM-11").unwrap();
    assert_eq!(waived.waiver, input::WaiverState::Ending);
}
