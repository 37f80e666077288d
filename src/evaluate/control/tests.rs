//! The model as it stands, faults of a model one a row, and the judgement's table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::deployment::{Judgement, Violation};
use crate::evaluate::evidence::{Answer, Answered, Basis, CounterExampleAnswer};
use crate::verdict::Verdict;

static OURS: LazyLock<Controls> =
    LazyLock::new(|| Controls::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap());

fn ours() -> &'static Controls {
    &OURS
}

#[test]
fn the_model_is_whole() {
    let controls = ours();
    assert_eq!(controls.iter().count(), 66);
    assert_eq!(controls.iter().map(|c| c.checks.len()).sum::<usize>(), 193);
    assert_eq!(controls.iter().map(|c| c.rules.len()).sum::<usize>(), 62);
    let kinds = |kind| controls.iter().filter(|c| c.kind == kind).count();
    assert_eq!((kinds(Kind::Promise), kinds(Kind::Warning), kinds(Kind::Duty)), (17, 41, 8));
    for control in controls.iter().filter(|c| c.kind == Kind::Promise && c.id != "EXP-04") {
        assert!(control.checks.iter().any(|c| c.required), "{} is promised and never looked at", control.id);
    }
}

#[test]
fn each_component_has_its_controls() {
    let controls = ours();
    for (component, least) in [
        ("prometheus", 40),
        ("prometheus-alertmanager", 25),
        ("prometheus-pushgateway", 20),
        ("prometheus-node-exporter", 20),
        ("prometheus-blackbox-exporter", 20),
        ("prometheus-snmp-exporter", 20),
        ("python3-prometheus-client", 1),
        ("prometheus-client", 1),
    ] {
        let about = controls.iter().filter(|c| c.is_about(component)).count();
        assert!(about >= least, "{component}: {about}");
        assert!(controls.checks_for(component).all(|(_, check)| check.is_about(component)));
    }
    assert!(controls.iter().any(|c| c.components == ["grafana"]));
}

/// A copy of the model in a folder of its own, with one change.
fn changed(file: &str, from: &str, to: &str) -> (tempfile::TempDir, Result<Controls, DefinitionError>) {
    let folder = tempfile::tempdir().unwrap();
    let to_folder: PathBuf = folder.path().join(FOLDER);
    std::fs::create_dir_all(&to_folder).unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    for entry in std::fs::read_dir(own).unwrap() {
        let entry = entry.unwrap();
        let mut text = std::fs::read_to_string(entry.path()).unwrap();
        if entry.file_name() == file {
            assert!(text.contains(from), "{file}: {from}");
            text = text.replacen(from, to, 1);
        }
        std::fs::write(to_folder.join(entry.file_name()), text).unwrap();
    }
    let read = Controls::load(folder.path());
    (folder, read)
}

#[test]
fn a_faulty_model_is_refused_with_file_and_line() {
    for (file, from, to, in_file, expected) in [
        ("model.toml", "controls = 66", "controls = 67", "model.toml", "66 controls, and 67 should be"),
        ("model.toml", "checks = 193", "checks = 192", "model.toml", "193 checks, and 192 should be"),
        (
            "model.toml",
            "    \"secrets.toml\",\n",
            "",
            "model.toml",
            "`policies/controls/secrets.toml` belongs to no",
        ),
        (
            "model.toml",
            "secrets.toml",
            "secret.toml",
            "model.toml",
            "`policies/controls/secret.toml` is missing",
        ),
        ("model.toml", "schema = 1", "schema = 9", "model.toml", "schema 9"),
        ("secrets.toml", "unchecked = \"What code", "note = \"What code", "secrets.toml", "does not say why"),
        (
            "secrets.toml",
            "kind = \"promise\"",
            "kind = \"promise\"\nunchecked = \"no\"",
            "secrets.toml",
            "has required checks and says why it has none",
        ),
        (
            "client-libraries.toml",
            "also = [\"prometheus-client\"]",
            "also = [\"prometheus\"]",
            "client-libraries.toml",
            "looks at `prometheus`, which `CL-01` is not about",
        ),
        (
            "model.toml",
            "[launch.prometheus-tls]\ncomponent",
            "[launch.prometheus-tls]\ncolour",
            "model.toml",
            "colour",
        ),
        ("secrets.toml", "id = \"SEC-02\"", "id = \"SEC-01\"", "secrets.toml", "`SEC-01` stands there twice"),
        (
            "secrets.toml",
            "id = \"SEC-04.p2\"",
            "id = \"SEC-04.p1\"",
            "secrets.toml",
            "`SEC-04.p1` stands there twice",
        ),
        ("secrets.toml", "id = \"SEC-04.p2\"", "id = \"SEC-05.p9\"", "secrets.toml", "no check of `SEC-04`"),
        ("secrets.toml", "kind = \"promise\"", "kind = \"vow\"", "secrets.toml", "unknown variant `vow`"),
        (
            "secrets.toml",
            "kind = \"promise\"",
            "kind = \"promise\"\ncolour = 1",
            "secrets.toml",
            "unknown field `colour`",
        ),
        (
            "secrets.toml",
            "kind = \"promise\"",
            "kind = \"promise\"\nopen-by-default = true",
            "secrets.toml",
            "open by default",
        ),
        (
            "secrets.toml",
            "severity = \"critical\"",
            "severity = \"dire\"",
            "secrets.toml",
            "unknown variant `dire`",
        ),
        (
            "secrets.toml",
            "stated = \"page\", lines",
            "stated = \"beside\", lines",
            "secrets.toml",
            "does not fit",
        ),
        (
            "secrets.toml",
            "rules = [\"SEC-05.1\"",
            "rules = [\"SEC-99.1\"",
            "secrets.toml",
            "no rule `SEC-99.1`",
        ),
        (
            "secrets.toml",
            "rules = [\"SEC-05.1\"",
            "rules = [\"SEC-06.1\"",
            "secrets.toml",
            "is of control `SEC-06`",
        ),
        (
            "secrets.toml",
            "asserts = \"holds\"",
            "asserts = \"fine\"",
            "secrets.toml",
            "unknown variant `fine`",
        ),
        (
            "secrets.toml",
            "asserts = \"holds\"",
            "asserts = \"context\"",
            "secrets.toml",
            "asserts nothing that is judged",
        ),
        (
            "secrets.toml",
            "launch = \"prometheus-secrets\"",
            "launch = \"nobody\"",
            "secrets.toml",
            "no launch `nobody`",
        ),
        ("secrets.toml", "\ntext = \"", "\ntext = \" \"\nnote = \"", "secrets.toml", "not a text"),
        // A check that a dead server would meet.
        (
            "secrets.toml",
            "expect = [{ status = 200, body-absent",
            "expect = [{ body-absent",
            "secrets.toml",
            "dead server",
        ),
        ("pushgateway.toml", "expect = [{ status = 404 }]", "expect = []", "pushgateway.toml", "dead server"),
    ] {
        let (_folder, read) = changed(file, from, to);
        match read {
            Err(DefinitionError::Definition { file: found, line, detail, .. }) => {
                assert!(found.ends_with(in_file) && line > 0, "{expected}: {found}:{line}: {detail}");
                assert!(detail.contains(expected), "{expected}: {detail}");
            }
            other => panic!("{file}: {to}: {other:?}"),
        }
    }
}

fn answer(id: &str, answered: Answered) -> Answer {
    Answer {
        id: id.to_owned(),
        kind: "http-probe".to_owned(),
        answered,
        basis: Basis::Record {},
        request: String::new(),
        expected: String::new(),
        found: String::new(),
        counter_example: None,
        again: String::new(),
    }
}

fn unclear() -> Answered {
    Answered::could_not_tell("component-did-not-start", "it did not start")
}

/// The control's state where every check of a component has one answer, with exceptions.
fn state_of(id: &str, component: &str, version: &str, all: Answered, except: &[(&str, Answered)]) -> State {
    let controls = ours();
    let control = controls.get(id).unwrap();
    let mut answers: BTreeMap<String, Answer> =
        control.checks.iter().map(|c| (c.id.clone(), answer(&c.id, all.clone()))).collect();
    for (check, answered) in except {
        answers.insert((*check).to_owned(), answer(check, answered.clone())).unwrap();
    }
    judge(control, component, version, &answers, None).unwrap().state
}

#[test]
fn states_follow_from_answers() {
    let (yes, no) = (Answered::Holds {}, Answered::DoesNotHold {});
    let p = "prometheus";
    for (id, component, version, all, except, expected) in [
        ("PROM-11", p, "2.42.0", yes.clone(), vec![], State::Kept),
        ("PROM-11", p, "2.42.0", yes.clone(), vec![("PROM-11.p4", no.clone())], State::Broken),
        ("PROM-11", p, "2.42.0", yes.clone(), vec![("PROM-11.p4", unclear())], State::NotShown),
        ("PROM-11", p, "2.42.0", unclear(), vec![("PROM-11.p4", no.clone())], State::Broken),
        // A commit that nobody could look for changes nothing.
        ("PROM-09", p, "2.42.0", yes.clone(), vec![("PROM-09.p6", unclear())], State::Kept),
        ("PROM-09", p, "2.42.0", yes.clone(), vec![("PROM-09.p6", no.clone())], State::Kept),
        ("PROM-01", p, "2.42.0", yes.clone(), vec![], State::OpenByDefault),
        ("PROM-01", p, "2.42.0", no.clone(), vec![], State::Differs),
        ("PROM-07", p, "2.42.0", yes.clone(), vec![], State::AsSaid),
        ("PROM-13", p, "2.42.0", yes.clone(), vec![], State::Gone),
        ("PROM-13", p, "2.42.0", no.clone(), vec![], State::Broken),
        ("PROM-14", p, "2.42.0", yes.clone(), vec![], State::NotOfThisRelease),
        ("PROM-14", p, "1.8.2", yes.clone(), vec![], State::NoCheck),
        ("SEC-08", p, "2.42.0", no.clone(), vec![], State::NotOfThisRelease),
        ("SEC-08", p, "3.13.0", no.clone(), vec![], State::Broken),
        ("SEC-08", p, "unstable", yes.clone(), vec![], State::NotOfThisRelease),
        // The remedy does not work.
        (
            "PG-01",
            "prometheus-pushgateway",
            "1.5.1",
            yes.clone(),
            vec![("PG-01.p3", no.clone())],
            State::Broken,
        ),
        // What is not there is no news while a remedy could not be looked at.
        (
            "PG-01",
            "prometheus-pushgateway",
            "1.5.1",
            no.clone(),
            vec![("PG-01.p3", unclear()), ("PG-01.p4", unclear())],
            State::NotShown,
        ),
        ("EXP-04", "prometheus-snmp-exporter", "0.21.0", yes.clone(), vec![], State::NoCheck),
        ("AUTH-08", p, "2.42.0", yes.clone(), vec![], State::WithOperator),
        ("AUTH-08", p, "2.42.0", yes.clone(), vec![("AUTH-08.p2", no.clone())], State::Broken),
        ("AUTH-08", p, "2.42.0", yes.clone(), vec![("AUTH-08.p2", unclear())], State::NotShown),
    ] {
        assert_eq!(
            state_of(id, component, version, all.clone(), &except),
            expected,
            "{id} {version} {all:?} {except:?}"
        );
    }
    assert_eq!(
        judge(ours().get("PROM-11").unwrap(), "prometheus-pushgateway", "1.5.1", &BTreeMap::new(), None),
        None
    );
}

#[test]
fn a_check_that_cannot_fail_shows_nothing() {
    let controls = ours();
    let control = controls.get("PG-04").unwrap();
    let mut held = answer("PG-04.p1", Answered::Holds {});
    let state = |a: &Answer| {
        let answers = BTreeMap::from([("PG-04.p1".to_owned(), a.clone())]);
        judge(control, "prometheus-pushgateway", "1.5.1", &answers, None).unwrap().state
    };
    assert_eq!(state(&held), State::Kept);
    held.counter_example =
        Some(CounterExampleAnswer { at: "v0".to_owned(), fails_there: Some(false), found: String::new() });
    assert_eq!(state(&held), State::NotShown);
}

fn judgement(looked: &[&str], violated: &[&str]) -> Judgement {
    let owned = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
    Judgement {
        unknown: Vec::new(),
        verdict: Verdict::Pass,
        threshold: Severity::Medium,
        files: Vec::new(),
        looked: owned(looked),
        violations: violated
            .iter()
            .map(|rule| Violation {
                file: "prometheus.yml".to_owned(),
                line: 3,
                column: 5,
                rule: (*rule).to_owned(),
                control: rule.split('.').next().unwrap().to_owned(),
                severity: Severity::High,
                found: "x".to_owned(),
                why: String::new(),
                instead: String::new(),
            })
            .collect(),
        not_looked: Vec::new(),
    }
}

#[test]
fn a_deployment_answers_duties_and_stands_beside_the_rest() {
    let controls = ours();
    let judged = |id: &str, judgement: &Judgement| {
        let control = controls.get(id).unwrap();
        let answers =
            control.checks.iter().map(|c| (c.id.clone(), answer(&c.id, Answered::Holds {}))).collect();
        judge(control, "prometheus", "2.42.0", &answers, Some(judgement)).unwrap()
    };
    let both = ["SEC-05.1", "SEC-05.2"];
    assert_eq!(judged("SEC-05", &judgement(&both, &[])).state, State::Met);
    assert_eq!(judged("SEC-05", &judgement(&both[..1], &[])).state, State::PartlyLooked);
    let neglected = judged("SEC-05", &judgement(&both[..1], &["SEC-05.1"]));
    assert_eq!((neglected.state, neglected.verdict()), (State::Neglected, Verdict::Fail));
    assert_eq!(neglected.deployment.unwrap().violated, ["SEC-05.1: prometheus.yml:3:5: x"]);
    // What a flag opens does not make the software's promise a broken one.
    let opened = judged("PROM-09", &judgement(&["PROM-09.1"], &["PROM-09.1"]));
    assert_eq!((opened.state, opened.deployment.unwrap().verdict), (State::Kept, Verdict::Fail));
}

fn answered() -> impl Strategy<Value = Answered> {
    prop_oneof![Just(Answered::Holds {}), Just(Answered::DoesNotHold {}), Just(unclear())]
}

proptest! {
    /// Taking answers away never improves anything: not a verdict, not a strength.
    #[test]
    fn less_evidence_is_never_better(
        all in proptest::collection::vec(answered(), 193),
        kept in proptest::collection::vec(any::<bool>(), 193),
        component in proptest::sample::select(vec!["prometheus", "prometheus-pushgateway", "prometheus-alertmanager"]),
    ) {
        let controls = ours();
        let ids = controls.iter().flat_map(|c| &c.checks).map(|c| c.id.clone());
        let answers: BTreeMap<String, Answer> =
            ids.zip(&all).map(|(id, a)| (id.clone(), answer(&id, a.clone()))).collect();
        let fewer: BTreeMap<String, Answer> = answers
            .clone()
            .into_iter()
            .zip(&kept)
            .filter_map(|((id, a), kept)| kept.then_some((id, a)))
            .collect();
        let judged = |answers| judge_all(controls, component, "2.42.0", answers, None);
        for (more, less) in judged(&answers).iter().zip(&judged(&fewer)) {
            prop_assert_eq!(&more.id, &less.id);
            if less.verdict() == Verdict::Pass {
                prop_assert_eq!(more.verdict(), Verdict::Pass, "{}", more.id);
            }
            prop_assert!(less.strength <= more.strength, "{}", more.id);
        }
    }
}
