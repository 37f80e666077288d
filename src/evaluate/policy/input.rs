//! What a policy is asked about: one release, with everything that was and was not established.
//!
//! States are words, and what was not looked at stands there as a word too, so that a rule cannot pass by
//! finding nothing. `input.schema.json` is its published form.

use serde::{Deserialize, Serialize};

use super::thresholds::Thresholds;
use crate::deployment::Severity;
use crate::evaluate::control::{self, Judged};
use crate::evaluate::waiver::{Shown, Waived, Waiver, Waivers};
use crate::verdict::Verdict;
use jiff::civil::Date;

/// The schema's id; a change of meaning is a new one.
pub const SCHEMA_ID: &str = "https://reprove.dev/schema/policy-input/v1";

/// The published JSON Schema.
pub const SCHEMA: &str = include_str!("input.schema.json");

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// [`SCHEMA_ID`].
    pub schema: String,
    /// The day of judgement.
    pub as_of: Date,
    /// The release.
    pub release: Release,
    /// Its rebuild.
    pub rebuild: Rebuild,
    /// The controls that are about it.
    pub controls: Section<Control>,
    /// The findings that are about it.
    pub findings: Section<Finding>,
    /// The waivers for it.
    pub waivers: Vec<WaiverEntry>,
    /// The simple decisions of `policy.toml`.
    pub thresholds: Thresholds,
}

/// Which release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The component.
    pub component: String,
    /// The version as published.
    pub version: String,
    /// The package URL.
    pub purl: String,
}

/// What the rebuild came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebuild {
    /// Its verdict.
    pub verdict: Looked,
    /// Its outcome in a word of the report, or `not-evaluated`.
    pub outcome: String,
}

/// An answer that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Looked {
    /// Evidence for.
    Pass,
    /// Not enough evidence.
    Inconclusive,
    /// Evidence against.
    Fail,
    /// Nobody looked.
    NotEvaluated,
}

impl From<Option<Verdict>> for Looked {
    fn from(verdict: Option<Verdict>) -> Self {
        match verdict {
            None => Self::NotEvaluated,
            Some(Verdict::Pass) => Self::Pass,
            Some(Verdict::Inconclusive) => Self::Inconclusive,
            Some(Verdict::Fail) => Self::Fail,
        }
    }
}

/// Whether something was evaluated, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section<T> {
    /// Whether.
    pub state: SectionState,
    /// What.
    pub items: Vec<T>,
}

/// Whether something was evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SectionState {
    /// It was.
    Evaluated,
    /// There is nothing about this component.
    None,
    /// There is, and it was not evaluated.
    Absent,
}

impl<T> Section<T> {
    /// What was evaluated; of nothing there is `none`.
    pub fn of(items: Vec<T>) -> Self {
        let state = if items.is_empty() { SectionState::None } else { SectionState::Evaluated };
        Self { state, items }
    }

    /// What was not evaluated.
    pub const fn absent() -> Self {
        Self { state: SectionState::Absent, items: Vec::new() }
    }
}

/// A waiver's state as seen from what it may excuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// There is none.
    Absent,
    /// It has not begun.
    Pending,
    /// It counts.
    Active,
    /// It counts, and ends soon.
    Ending,
    /// It counts no more.
    Past,
}

impl From<Option<crate::evaluate::waiver::Term>> for WaiverState {
    fn from(term: Option<crate::evaluate::waiver::Term>) -> Self {
        use crate::evaluate::waiver::Term;
        match term {
            None => Self::Absent,
            Some(Term::Pending { .. }) => Self::Pending,
            Some(Term::Active { .. }) => Self::Active,
            Some(Term::Ending { .. }) => Self::Ending,
            Some(Term::Past { .. }) => Self::Past,
        }
    }
}

/// Yes, no, or nobody could tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nobody could tell.
    NotEvaluated,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// A control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: control::Kind,
    /// How bad a violation is.
    pub severity: Severity,
    /// Where it stands.
    pub state: control::State,
    /// The verdict on the document's statement.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// How strong that is.
    pub strength: String,
    /// Whether a failure could hide where a check could not tell.
    pub guards: Answer,
    /// What a deployment's files say.
    pub deployment: Looked,
    /// Its waiver.
    pub waiver: WaiverState,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// `<audit>/<id>`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// `info` to `critical`, or `unknown` where the report gives none.
    pub severity: String,
    /// What people say.
    pub claim: String,
    /// What is shown in this release.
    pub standing: String,
    /// How strong that is.
    pub strength: String,
    /// Its waiver.
    pub waiver: WaiverState,
}

/// A waiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiverEntry {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub about: String,
    /// Where it stands.
    pub state: WaiverState,
    /// Days left, or since, or until it begins.
    pub days: i32,
    /// Whether its control or finding is known.
    pub known: Answer,
    /// Whether the release has what it excuses.
    pub used: Answer,
}

impl Control {
    /// A judged control with its waiver.
    pub fn of(judged: &Judged, waiver: WaiverState) -> Self {
        Self {
            id: judged.id.clone(),
            kind: judged.kind,
            severity: judged.severity,
            state: judged.state,
            verdict: judged.verdict(),
            reason: judged.reason.clone(),
            strength: judged.strength.word().to_owned(),
            guards: judged.guards.into(),
            deployment: judged.deployment.as_ref().map(|d| d.verdict).into(),
            waiver,
        }
    }
}

/// Judged controls as a section, each with its waiver; `None` where they should have been judged and were
/// not.
pub fn controls(
    judged: Option<&[Judged]>,
    waivers: &Waivers,
    component: &str,
    version: &str,
    today: Date,
) -> Section<Control> {
    let Some(judged) = judged else { return Section::absent() };
    let entry = |j: &Judged| {
        let about = Waived::Control(j.id.clone());
        Control::of(j, waivers.term(&about, component, version, today).into())
    };
    Section::of(judged.iter().map(entry).collect())
}

/// The waivers for a release. `used` says of what each excuses whether the release has it; `known` whether
/// there is such a control or finding at all.
pub fn waivers(
    shown: &[Shown],
    known: impl Fn(&Waiver) -> bool,
    used: impl Fn(&Waiver) -> Answer,
) -> Vec<WaiverEntry> {
    let entry = |s: &Shown| WaiverEntry {
        id: s.waiver.id.clone(),
        about: s.waiver.about.to_string(),
        state: Some(s.term).into(),
        days: s.term.days(),
        known: known(&s.waiver).into(),
        used: used(&s.waiver),
    };
    shown.iter().map(entry).collect()
}
