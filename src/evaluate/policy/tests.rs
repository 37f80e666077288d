//! The default policy case by case and mutant by mutant, and what no policy may do.

mod bounds;

use std::path::Path;
use std::sync::LazyLock;

use jiff::civil::date;
use proptest::prelude::*;

use super::input::{
    Answer, Control, Finding, Looked, Rebuild, Release, SCHEMA, SCHEMA_ID, Section, SectionState,
    WaiverEntry, WaiverState,
};
use super::*;
use crate::deployment::Severity;
use crate::evaluate::control::{Kind, State};

const LIMITS: PolicyLimits = PolicyLimits::DEFAULT;

static CONTROLS: LazyLock<Controls> =
    LazyLock::new(|| Controls::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap());

fn definition(file: &str, text: &str) -> Definition {
    Definition { file: file.to_owned(), text: text.to_owned() }
}

fn own(file: &str) -> Definition {
    Definition::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file), file).unwrap()
}

fn with_rego(text: &str) -> Result<Policy, PolicyError> {
    Policy::read(&own(FILE), &definition("policies/own.rego", text), &CONTROLS, &LIMITS)
}

/// A control for the policy: id, kind, severity, state.
fn control(id: &str, kind: Kind, severity: Severity, state: State) -> Control {
    Control {
        id: id.to_owned(),
        kind,
        severity,
        state,
        verdict: state.verdict(),
        reason: "because".to_owned(),
        strength: "shown".to_owned(),
        guards: Answer::Yes,
        deployment: Looked::NotEvaluated,
        waiver: WaiverState::Absent,
    }
}

fn finding(id: &str, severity: &str, standing: &str) -> Finding {
    Finding {
        id: id.to_owned(),
        title: "a finding".to_owned(),
        severity: severity.to_owned(),
        claim: "fixed".to_owned(),
        standing: standing.to_owned(),
        strength: "shown".to_owned(),
        waiver: WaiverState::Absent,
    }
}

fn waiver(id: &str, state: WaiverState, known: Answer, used: Answer) -> WaiverEntry {
    WaiverEntry { id: id.to_owned(), about: "control DOS-02".to_owned(), state, days: 7, known, used }
}

fn input() -> Input {
    Input {
        schema: SCHEMA_ID.to_owned(),
        as_of: date(2026, 11, 27),
        release: Release {
            component: "prometheus".to_owned(),
            version: "2.42.0".to_owned(),
            purl: "pkg:deb/debian/prometheus@2.42.0".to_owned(),
        },
        rebuild: Rebuild { verdict: Looked::Pass, outcome: "identical".to_owned() },
        controls: Section::of(Vec::new()),
        findings: Section::of(Vec::new()),
        waivers: Vec::new(),
        thresholds: with_default().thresholds,
    }
}

fn with_default() -> Policy {
    Policy::load(Path::new(env!("CARGO_MANIFEST_DIR")), &CONTROLS, &LIMITS).unwrap()
}

/// What the policy says, as `verdict: deny | unsettled | warn`, each `code subject`.
fn said(policy: &Policy, input: &Input) -> String {
    let decision = policy.decide(input, &LIMITS).unwrap();
    let list =
        |all: &[Said]| all.iter().map(|s| format!("{} {}", s.code, s.subject)).collect::<Vec<_>>().join(", ");
    format!(
        "{}: {} | {} | {}",
        decision.verdict,
        list(&decision.deny),
        list(&decision.unsettled),
        list(&decision.warn)
    )
}

/// Every case of the default policy: what is asked, and what it says.
fn cases() -> Vec<(Input, &'static str)> {
    use Kind::{Duty, Promise, Warning};
    use Severity::{Critical, High, Info, Low, Medium};
    let with_control = |c: Control| Input { controls: Section::of(vec![c]), ..input() };
    let with_finding = |f: Finding| Input { findings: Section::of(vec![f]), ..input() };
    let with_waiver = |w: WaiverEntry| Input { waivers: vec![w], ..input() };
    let waived = |mut c: Control, state| {
        c.waiver = state;
        with_control(c)
    };
    let deployed = |mut c: Control, looked| {
        c.deployment = looked;
        c
    };
    let demanding = |c: Control| {
        let mut input = with_control(c.clone());
        input.thresholds.controls.required = vec![c.id];
        input
    };
    let strict = |change: &dyn Fn(&mut Thresholds), mut input: Input| {
        change(&mut input.thresholds);
        input
    };
    let excused = |mut f: Finding, state| {
        f.waiver = state;
        with_finding(f)
    };
    let unguarded = |mut c: Control| {
        c.guards = Answer::No;
        c
    };
    let absent = Input { controls: Section { state: SectionState::Absent, items: Vec::new() }, ..input() };
    let unread = Input { findings: Section { state: SectionState::Absent, items: Vec::new() }, ..input() };
    vec![
        (input(), "pass:  |  | "),
        (with_control(control("P", Promise, High, State::Kept)), "pass:  |  | "),
        (with_control(control("P", Promise, High, State::Broken)), "fail: control-broken P |  | "),
        (with_control(control("P", Promise, Low, State::Broken)), "fail: control-broken P |  | "),
        (with_control(control("P", Promise, Info, State::Broken)), "pass:  |  | "),
        (with_control(control("W", Warning, Medium, State::Broken)), "fail: control-broken W |  | "),
        (with_control(control("D", Duty, Critical, State::Broken)), "fail: control-broken D |  | "),
        (
            with_control(control("P", Promise, High, State::NotShown)),
            "inconclusive:  | control-not-shown P | ",
        ),
        (with_control(control("P", Promise, Info, State::NotShown)), "pass:  |  | "),
        (with_control(control("P", Promise, High, State::NotOfThisRelease)), "pass:  |  | "),
        (with_control(control("P", Promise, High, State::NoCheck)), "pass:  |  | control-untested P"),
        (with_control(control("P", Promise, Info, State::NoCheck)), "pass:  |  | "),
        (with_control(control("W", Warning, High, State::NoCheck)), "pass:  |  | "),
        (
            with_control(control("P", Promise, High, State::Differs)),
            "inconclusive:  | control-not-shown P | control-differs P",
        ),
        (with_control(control("W", Warning, High, State::OpenByDefault)), "pass:  |  | "),
        (with_control(control("W", Warning, High, State::Differs)), "pass:  |  | control-differs W"),
        (
            with_control(control("W", Warning, High, State::NotShown)),
            "inconclusive:  | control-not-shown W | ",
        ),
        (with_control(unguarded(control("W", Warning, High, State::NotShown))), "pass:  |  | "),
        (with_control(control("W", Warning, Info, State::NotShown)), "pass:  |  | "),
        (with_control(control("D", Duty, High, State::WithOperator)), "pass:  |  | "),
        (
            waived(control("P", Promise, High, State::Broken), WaiverState::Active),
            "pass:  |  | control-waived P",
        ),
        (
            waived(control("P", Promise, High, State::Broken), WaiverState::Ending),
            "pass:  |  | control-waived P",
        ),
        (
            waived(control("P", Promise, High, State::Broken), WaiverState::Past),
            "fail: control-broken P |  | ",
        ),
        (
            waived(control("P", Promise, High, State::Broken), WaiverState::Pending),
            "fail: control-broken P |  | ",
        ),
        (waived(control("P", Promise, High, State::Kept), WaiverState::Active), "pass:  |  | "),
        // What was not seen is not excused.
        (
            waived(control("P", Promise, High, State::NotShown), WaiverState::Active),
            "inconclusive:  | control-not-shown P | ",
        ),
        (
            with_control(deployed(control("D", Duty, High, State::Neglected), Looked::Fail)),
            "fail: deployment-violates D |  | ",
        ),
        (with_control(deployed(control("D", Duty, Low, State::Neglected), Looked::Fail)), "pass:  |  | "),
        (
            waived(deployed(control("D", Duty, High, State::Neglected), Looked::Fail), WaiverState::Active),
            "pass:  |  | control-waived D",
        ),
        (
            with_control(deployed(control("D", Duty, High, State::PartlyLooked), Looked::Inconclusive)),
            "inconclusive:  | deployment-not-looked D | ",
        ),
        (
            with_control(deployed(control("D", Duty, Low, State::PartlyLooked), Looked::Inconclusive)),
            "pass:  |  | ",
        ),
        (with_control(deployed(control("D", Duty, High, State::Met), Looked::Pass)), "pass:  |  | "),
        (demanding(control("W", Warning, Info, State::AsSaid)), "pass:  |  | "),
        (demanding(control("W", Warning, Info, State::Broken)), "fail: control-broken W |  | "),
        (demanding(control("D", Duty, Info, State::WithOperator)), "inconclusive:  | control-not-shown D | "),
        (demanding(control("P", Promise, Info, State::NoCheck)), "inconclusive:  | control-not-shown P | "),
        (
            demanding(control("P", Promise, High, State::NotOfThisRelease)),
            "inconclusive:  | control-not-shown P | ",
        ),
        (waived_demand(), "pass:  |  | control-waived W"),
        (
            strict(
                &|t| t.controls.promises_from = LeastSeverity::Never,
                with_control(control("P", Promise, Critical, State::Broken)),
            ),
            "pass:  |  | ",
        ),
        (
            strict(
                &|t| t.controls.promises_from = LeastSeverity::High,
                with_control(control("P", Promise, Medium, State::Broken)),
            ),
            "pass:  |  | ",
        ),
        (absent, "inconclusive:  | controls-absent controls | "),
        (unread, "inconclusive:  | findings-absent findings | "),
        (with_finding(finding("a/1", "high", "fixed")), "pass:  |  | "),
        (with_finding(finding("a/1", "high", "contradicted")), "fail: finding-contradicted a/1 |  | "),
        (with_finding(finding("a/1", "low", "regressed")), "fail: finding-regressed a/1 |  | "),
        (with_finding(finding("a/1", "low", "lapsed")), "fail: finding-lapsed a/1 |  | "),
        (
            strict(
                &|t| t.findings.contradicted = Effect::Report,
                with_finding(finding("a/1", "high", "contradicted")),
            ),
            "pass:  |  | finding-contradicted a/1",
        ),
        (
            excused(finding("a/1", "high", "contradicted"), WaiverState::Active),
            "pass:  |  | finding-contradicted a/1",
        ),
        (
            excused(finding("a/1", "high", "contradicted"), WaiverState::Past),
            "fail: finding-contradicted a/1 |  | ",
        ),
        (with_finding(finding("a/1", "high", "unproven")), "inconclusive:  | finding-unproven a/1 | "),
        (with_finding(finding("a/1", "high", "not-evaluated")), "inconclusive:  | finding-unproven a/1 | "),
        (
            excused(finding("a/1", "high", "unproven"), WaiverState::Active),
            "inconclusive:  | finding-unproven a/1 | ",
        ),
        (with_finding(finding("a/1", "critical", "open")), "pass:  |  | finding-open a/1"),
        (
            strict(
                &|t| t.findings.open_from = LeastSeverity::Medium,
                with_finding(finding("a/1", "medium", "open")),
            ),
            "fail: finding-open a/1 |  | ",
        ),
        (
            strict(
                &|t| t.findings.open_from = LeastSeverity::Medium,
                with_finding(finding("a/1", "low", "open")),
            ),
            "pass:  |  | finding-open a/1",
        ),
        (
            strict(
                &|t| t.findings.open_from = LeastSeverity::Medium,
                with_finding(finding("a/1", "high", "fixed")),
            ),
            "pass:  |  | ",
        ),
        (two_findings(), "fail: finding-contradicted a/2 |  | finding-contradicted a/1"),
        (
            Input {
                findings: Section::of(vec![finding("w", "low", "open")]),
                ..with_waiver(waiver("w", WaiverState::Active, Answer::No, Answer::No))
            },
            "fail: waiver-unknown w |  | finding-open w",
        ),
        // Nobody gave it a severity: taken for the worst.
        (
            strict(
                &|t| t.findings.open_from = LeastSeverity::Critical,
                with_finding(finding("a/1", "unknown", "open")),
            ),
            "fail: finding-open a/1 |  | ",
        ),
        (with_finding(finding("a/1", "unknown", "open")), "pass:  |  | finding-open a/1"),
        (
            strict(
                &|t| t.findings.open_from = LeastSeverity::Low,
                excused(finding("a/1", "high", "open"), WaiverState::Ending),
            ),
            "pass:  |  | finding-open a/1",
        ),
        (with_waiver(waiver("w", WaiverState::Active, Answer::Yes, Answer::Yes)), "pass:  |  | "),
        (
            with_waiver(waiver("w", WaiverState::Ending, Answer::Yes, Answer::Yes)),
            "pass:  |  | waiver-ending w",
        ),
        (with_waiver(waiver("w", WaiverState::Past, Answer::Yes, Answer::Yes)), "pass:  |  | waiver-past w"),
        (
            strict(
                &|t| t.waivers.past = Effect::Fail,
                with_waiver(waiver("w", WaiverState::Past, Answer::Yes, Answer::Yes)),
            ),
            "fail: waiver-past w |  | ",
        ),
        (
            with_waiver(waiver("w", WaiverState::Active, Answer::No, Answer::NotEvaluated)),
            "fail: waiver-unknown w |  | ",
        ),
        (
            with_waiver(waiver("w", WaiverState::Active, Answer::No, Answer::No)),
            "fail: waiver-unknown w |  | ",
        ),
        (
            with_waiver(waiver("w", WaiverState::Active, Answer::Yes, Answer::No)),
            "pass:  |  | waiver-unused w",
        ),
        (with_waiver(waiver("w", WaiverState::Pending, Answer::Yes, Answer::No)), "pass:  |  | "),
        (with_waiver(waiver("w", WaiverState::Active, Answer::Yes, Answer::NotEvaluated)), "pass:  |  | "),
        (
            strict(
                &|t| t.waivers.unused = Effect::Fail,
                with_waiver(waiver("w", WaiverState::Active, Answer::Yes, Answer::No)),
            ),
            "fail: waiver-unused w |  | ",
        ),
    ]
}

fn waived_demand() -> Input {
    let mut c = control("W", Kind::Warning, Severity::Info, State::Broken);
    c.waiver = WaiverState::Active;
    let mut input = Input { controls: Section::of(vec![c]), ..input() };
    input.thresholds.controls.required = vec!["W".to_owned()];
    input
}

fn two_findings() -> Input {
    let mut excused = finding("a/1", "high", "contradicted");
    excused.waiver = WaiverState::Active;
    Input { findings: Section::of(vec![excused, finding("a/2", "high", "contradicted")]), ..input() }
}

#[test]
fn the_default_policy_case_by_case() {
    let policy = with_default();
    for (input, expected) in cases() {
        assert_eq!(said(&policy, &input), expected, "{input:#?}");
    }
}

/// The default policy with one condition taken away or turned, each: every mutant must fail a case.
#[test]
fn no_mutant_of_the_default_policy_lives() {
    let text = own("policies/audit.rego").text;
    let lines: Vec<&str> = text.lines().collect();
    let mut mutants = Vec::new();
    let mut mutate = |at: usize, line: String| {
        let mut all: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
        all[at] = line;
        mutants.push((at + 1, all[at].clone(), all.join("\n")));
    };
    for (at, line) in lines.iter().enumerate() {
        let body = line.strip_prefix('\t').filter(|l| !l.starts_with("some ") && !l.starts_with('#'));
        if body.is_some() {
            mutate(at, String::new());
        }
        for (from, to) in [
            ("==", "!="),
            ("!=", "=="),
            (">=", ">"),
            ("\tnot ", "\t"),
            ("\"fail\"", "\"report\""),
            ("\"report\"", "\"fail\""),
        ] {
            if line.contains(from) && !line.trim_start().starts_with('#') {
                mutate(at, line.replacen(from, to, 1));
            }
        }
    }
    assert!(mutants.len() > 60, "{}", mutants.len());
    let cases = cases();
    let lives = |text: &str| {
        let Ok(policy) = with_rego(text) else { return false };
        cases.iter().all(|(input, expected)| {
            policy.decide(input, &LIMITS).is_ok() && said(&policy, input) == *expected
        })
    };
    let alive: Vec<_> =
        mutants.iter().filter(|(.., text)| lives(text)).map(|(n, l, _)| format!("{n}: {l}")).collect();
    assert!(alive.is_empty(), "\n{}", alive.join("\n"));
}

const EMPTY: &str =
    "package reprove.audit\nimport rego.v1\ndeny := set()\nunsettled := set()\nwarn := set()\n";

fn replaced(from: &str, to: &str) -> String {
    assert!(EMPTY.contains(from));
    EMPTY.replace(from, to)
}

#[test]
fn what_reaches_out_is_refused_at_load() {
    for call in [
        "http.send({\"method\": \"GET\", \"url\": \"http://x\"})",
        "time.now_ns()",
        "opa.runtime()",
        "rand.intn(\"a\", 3)",
        "uuid.rfc4122(\"a\")",
        "net.lookup_ip_addr(\"x\")",
        "io.jwt.decode(\"x\")",
        "numbers.range(1, 1000000000)",
        "replace(\"aa\", \"a\", \"aa\")",
        "regex.replace(\"aa\", \"a\", \"aa\")",
        "bits.lsh(1, 1000000000000)",
        "trace(\"x\")",
        "print(\"x\")",
    ] {
        for place in [
            format!("x := {call}\n"),
            format!("f(a) := b if {{ b := [a, {call}] }}\n"),
            format!("y if {{ every z in [1] {{ z == 1; {call} }} }}\n"),
            format!("w contains z if {{ some z in [v | v := {call}] }}\n"),
        ] {
            match with_rego(&format!("{EMPTY}{place}")) {
                Err(PolicyError::ForbiddenFunction { function, .. }) => {
                    assert_eq!(call.split('(').next(), Some(function.as_str()));
                }
                other => panic!("{place}: {other:?}"),
            }
        }
    }
    assert!(with_rego(&format!("{EMPTY}x := count([1])\n")).is_ok());
}

#[test]
fn an_answer_that_is_not_defined_is_an_error() {
    for (text, entry) in [
        (replaced("deny := set()\n", ""), "data.reprove.audit.deny"),
        (replaced("warn := set()\n", ""), "data.reprove.audit.warn"),
        (replaced("package reprove.audit", "package other"), "data.reprove.audit.deny"),
    ] {
        match with_rego(&text) {
            Err(PolicyError::UndefinedEntry { entry: found, .. }) => assert_eq!(found, entry),
            other => panic!("{text}: {other:?}"),
        }
    }
    // Defined, and undefined for this input.
    let policy = with_rego(&replaced("deny := set()", "deny := {input.nowhere}")).unwrap();
    assert!(matches!(policy.decide(&input(), &LIMITS), Err(PolicyError::UndefinedEntry { .. })));
}

#[test]
fn what_is_no_policy_or_no_answer_is_an_error() {
    for text in ["", "package", "package reprove.audit\ndeny[", "deny := no_such_function(1)"] {
        assert!(with_rego(text).is_err(), "{text}");
    }
    for answer in [
        "true",
        "{1}",
        "{\"a\"}",
        "{{\"code\": \"a\", \"subject\": \"b\"}}",
        "{{\"code\": \"a\", \"subject\": \"b\", \"message\": 1}}",
    ] {
        let policy = with_rego(&replaced("deny := set()", &format!("deny := {answer}"))).unwrap();
        let decision = policy.decide(&input(), &LIMITS);
        assert!(matches!(decision, Err(PolicyError::Answer { .. })), "{answer}: {decision:?}");
    }
    // An error of a function is no silence.
    let policy = with_rego(&replaced("deny := set()", "deny := {x | x := to_number(\"a\")}")).unwrap();
    assert!(matches!(policy.decide(&input(), &LIMITS), Err(PolicyError::Stopped { .. })));
}

#[test]
fn settings_that_are_none_are_refused_with_their_place() {
    let text = own(FILE).text;
    for (from, to, expected) in [
        ("schema = 1", "schema = 2", "schema 2"),
        ("\"audit.rego\"", "\"../audit.rego\"", "not a policy beside this file"),
        ("\"audit.rego\"", "\"audit.txt\"", "not a policy beside this file"),
        ("required = []", "required = [\"NO-1\"]", "no control `NO-1`"),
        ("required = []", "required = [\"DOS-01\", \"DOS-01\"]", "named twice"),
        ("promises-from = \"low\"", "promises-from = \"tiny\"", "unknown variant `tiny`"),
        ("promises-from = \"low\"\n", "", "missing field `promises-from`"),
        ("past = \"report\"", "past = \"ignore\"", "unknown variant `ignore`"),
        ("[exit]", "[exits]", "unknown field `exits`"),
    ] {
        assert!(text.contains(from), "{from}");
        let settings = definition(FILE, &text.replace(from, to));
        match Policy::read(&settings, &own("policies/audit.rego"), &CONTROLS, &LIMITS) {
            Err(PolicyError::Definition(e)) => assert!(e.to_string().contains(expected), "{expected}: {e}"),
            other => panic!("{to}: {other:?}"),
        }
    }
}

#[test]
fn a_decision_names_what_it_came_from() {
    let policy = with_default();
    let decision = policy.decide(&input(), &LIMITS).unwrap();
    assert_eq!(decision.engine, ENGINE);
    let lock = include_str!("../../../Cargo.lock");
    let pinned = lock.split("name = \"regorus\"\nversion = \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(ENGINE, format!("regorus {pinned}"));
    let other = with_rego(EMPTY).unwrap().decide(&input(), &LIMITS).unwrap();
    assert_ne!(other.policy_digest, decision.policy_digest);
    assert_eq!(other.input_digest, decision.input_digest);
    let mut asked = input();
    asked.rebuild.verdict = Looked::Fail;
    assert_ne!(policy.decide(&asked, &LIMITS).unwrap().input_digest, decision.input_digest);
}

#[test]
fn the_published_schema_names_every_word() {
    let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(schema["$id"], SCHEMA_ID);
    let items = &schema["properties"]["controls"]["oneOf"][0]["properties"]["items"]["items"]["properties"];
    let states: Vec<State> = serde_json::from_value(items["state"]["enum"].clone()).unwrap();
    assert_eq!(states.len(), 13);
    let mut asked = input();
    asked.controls = Section::of(vec![control("P", Kind::Promise, Severity::High, State::Kept)]);
    let given = serde_json::to_value(&asked).unwrap();
    let names = |v: &serde_json::Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&given), names(&schema["properties"]));
    assert_eq!(names(&given["controls"]["items"][0]), names(items));
    assert_eq!(
        names(&given["thresholds"]["controls"]),
        names(&schema["properties"]["thresholds"]["properties"]["controls"]["properties"])
    );
}

fn states() -> impl Strategy<Value = (Kind, State)> {
    let kinds = prop_oneof![Just(Kind::Promise), Just(Kind::Warning), Just(Kind::Duty)];
    let seen = prop_oneof![Just(State::Kept), Just(State::Broken), Just(State::AsSaid), Just(State::Differs)];
    (kinds, seen)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Taking evidence away never turns what is not a pass into one, with whatever thresholds.
    #[test]
    fn less_evidence_never_passes(
        controls in proptest::collection::vec((states(), any::<bool>(), 0u8..5, 0u8..3), 0..4),
        findings in proptest::collection::vec((0usize..5, any::<bool>(), 0u8..3), 0..4),
        demand in any::<bool>(),
        least in 0u8..6,
        open in 0u8..6,
    ) {
        let policy = with_default();
        let severity = |n: u8| [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical][usize::from(n)];
        let from = |n: u8| [LeastSeverity::Info, LeastSeverity::Low, LeastSeverity::Medium, LeastSeverity::High, LeastSeverity::Critical, LeastSeverity::Never][usize::from(n)];
        let waiver = |n: u8| [WaiverState::Absent, WaiverState::Active, WaiverState::Past][usize::from(n)];
        let standing = |n: usize| ["fixed", "contradicted", "regressed", "lapsed", "open"][n];
        let asked = |taken: bool| {
            let mut asked = input();
            asked.thresholds.controls.promises_from = from(least);
            asked.thresholds.findings.open_from = from(open);
            let item = |(n, ((kind, state), take, level, waived)): (usize, &((Kind, State), bool, u8, u8))| {
                let state = if taken && *take { State::NotShown } else { *state };
                let mut c = control(&format!("C-{n}"), *kind, severity(*level), state);
                c.waiver = waiver(*waived);
                c
            };
            asked.controls = Section::of(controls.iter().enumerate().map(item).collect());
            if demand && !controls.is_empty() {
                asked.thresholds.controls.required = vec!["C-0".to_owned()];
            }
            let item = |(n, (shown, take, waived)): (usize, &(usize, bool, u8))| {
                let mut f = finding(&format!("a/{n}"), "medium", if taken && *take { "unproven" } else { standing(*shown) });
                f.waiver = waiver(*waived);
                f
            };
            asked.findings = Section::of(findings.iter().enumerate().map(item).collect());
            asked
        };
        let with = policy.decide(&asked(false), &LIMITS).unwrap();
        let without = policy.decide(&asked(true), &LIMITS).unwrap();
        prop_assert!(without.verdict != Verdict::Pass || with.verdict == Verdict::Pass, "{:?}\n{:?}", with, without);
    }
}
