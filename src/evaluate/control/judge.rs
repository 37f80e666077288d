//! What the answers of checks, and a deployment's judgement, say of controls in one release.
//!
//! The verdict speaks of the document's statement in this release: `pass` says that it was shown to be
//! true, which for a warning means that *what it warns of is there*. So reports show the state's word, and
//! never that of the verdict, beside a warning.
//!
//! | state | of | verdict |
//! |---|---|---|
//! | kept | promise | pass |
//! | broken | any: a promise, a remedy or a repair does not hold | fail |
//! | open by default | warning about the defaults: what it warns of is there | pass |
//! | as said | other warning: it is as the document says | pass |
//! | gone | warning: what it warned of is there no more | pass |
//! | differs | what is warned of is not there; the text is out of date | inconclusive |
//! | not shown | a required check could not tell | inconclusive |
//! | no check | nothing here looks at it | inconclusive |
//! | with the operator | duty, and no deployment was given | inconclusive |
//! | met, partly looked at, neglected | duty, by the rules for a deployment's files | pass, inconclusive, fail |
//! | not said of this release | any, outside of `applies` | inconclusive |
//!
//! Taking an answer away can turn any state into *not shown*, and none into one of pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Asserts, Control, Controls, Kind, Place};
use crate::deployment::{Judgement, Severity};
use crate::evaluate::evidence::{Answer, Answered, Strength};
use crate::probe::spec::{Versions, upstream};
use crate::verdict::Verdict;

/// Where a control stands in one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A promise, a remedy or a repair does not hold.
    Broken,
    /// The deployment violates a rule of the duty.
    Neglected,
    /// What is warned of is not there.
    Differs,
    /// A required check could not tell.
    NotShown,
    /// Nothing here looks at it.
    NoCheck,
    /// A duty, and no deployment was given.
    WithOperator,
    /// A duty whose rules were not all looked at.
    PartlyLooked,
    /// The document says it of other releases.
    NotOfThisRelease,
    /// What a warning about the defaults warns of is there.
    OpenByDefault,
    /// It is as the document says.
    AsSaid,
    /// What was warned of is there no more.
    Gone,
    /// The deployment keeps every rule of the duty.
    Met,
    /// The promise is kept.
    Kept,
}

impl State {
    /// All of them, worst first.
    pub const ALL: [Self; 13] = [
        Self::Broken,
        Self::Neglected,
        Self::Differs,
        Self::NotShown,
        Self::NoCheck,
        Self::WithOperator,
        Self::PartlyLooked,
        Self::NotOfThisRelease,
        Self::OpenByDefault,
        Self::AsSaid,
        Self::Gone,
        Self::Met,
        Self::Kept,
    ];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Neglected => "neglected",
            Self::Differs => "differs",
            Self::NotShown => "not shown",
            Self::NoCheck => "no check",
            Self::WithOperator => "with the operator",
            Self::PartlyLooked => "partly looked at",
            Self::NotOfThisRelease => "not said of this release",
            Self::OpenByDefault => "open by default",
            Self::AsSaid => "as said",
            Self::Gone => "gone",
            Self::Met => "met",
            Self::Kept => "kept",
        }
    }

    /// Whether the document's statement was shown to be true of this release.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Broken | Self::Neglected => Verdict::Fail,
            Self::Differs
            | Self::NotShown
            | Self::NoCheck
            | Self::WithOperator
            | Self::PartlyLooked
            | Self::NotOfThisRelease => Verdict::Inconclusive,
            Self::OpenByDefault | Self::AsSaid | Self::Gone | Self::Met | Self::Kept => Verdict::Pass,
        }
    }
}

/// A check with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgedCheck {
    /// What it means that it holds.
    pub asserts: Asserts,
    /// Whether the control's state depends on it.
    pub required: bool,
    /// What a hit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was seen.
    pub answer: Answer,
}

/// What a deployment's own files say of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployed {
    /// Fail where a rule is violated, inconclusive where one was not looked at, else pass.
    pub verdict: Verdict,
    /// Rules that are violated, with what was found and where.
    pub violated: Vec<String>,
    /// Rules that were not looked at.
    pub not_looked: Vec<String>,
}

/// A control as judged for one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Its id.
    pub id: String,
    /// The part of the model.
    pub part: String,
    /// What it is.
    pub kind: Kind,
    /// How bad a violation is.
    pub severity: Severity,
    /// What it says.
    pub text: String,
    /// Whether the warning describes what everybody finds who changes nothing.
    pub open_by_default: bool,
    /// The releases of which it is said; none given means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies: Option<Versions>,
    /// Where the document says it.
    pub place: Place,
    /// How software or page differ from the translation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
    /// Something else worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why no program can be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
    /// Where it stands in this release.
    pub state: State,
    /// Why, in a sentence.
    pub reason: String,
    /// How strong that is: the weakest of the required answers.
    pub strength: Strength,
    /// Its checks.
    pub checks: Vec<JudgedCheck>,
    /// Whether a required check shows a promise, a remedy or a repair: a failure could hide where it could
    /// not tell.
    pub guards: bool,
    /// What the deployment's files say; none where none were given or it has no rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployed>,
}

impl Judged {
    /// Whether the document's statement was shown to be true of this release.
    pub const fn verdict(&self) -> Verdict {
        self.state.verdict()
    }

    /// Where it stands by what is written here: state, reason, strength, and whether it guards.
    pub fn derive(&self, version: &str) -> (State, String, Strength, bool) {
        let required: Vec<&JudgedCheck> = self.checks.iter().filter(|c| c.required).collect();
        let (state, reason) = self.state_of(version, &required);
        let strength = required.iter().map(|c| c.answer.strength()).min().unwrap_or(Strength::None);
        (state, reason, strength, required.iter().any(|c| c.asserts != Asserts::Exposure))
    }

    fn state_of(&self, version: &str, required: &[&JudgedCheck]) -> (State, String) {
        if let Some(applies) = &self.applies
            && !upstream(version).is_some_and(|v| applies.include(&v))
        {
            return (State::NotOfThisRelease, format!("the document says it of releases {applies}"));
        }
        let deployment = self.deployment.as_ref();
        let ids = |wanted: &dyn Fn(Asserts, Known) -> bool| {
            let all = required.iter().filter(|c| wanted(c.asserts, known(&c.answer)));
            all.map(|c| c.answer.id.as_str()).collect::<Vec<_>>().join(", ")
        };
        let not = ids(&|a, k| k == Known::Not && a != Asserts::Exposure);
        if !not.is_empty() {
            return (State::Broken, format!("does not hold: {not}"));
        }
        let neglected = deployment.filter(|d| d.verdict == Verdict::Fail && self.kind == Kind::Duty);
        if let Some(deployment) = neglected {
            let n = deployment.violated.len();
            let word = if n == 1 { "violation" } else { "violations" };
            return (State::Neglected, format!("{n} {word} in the deployment"));
        }
        let nothing = ids(&|_, k| k == Known::Nothing);
        if !nothing.is_empty() {
            return (State::NotShown, format!("could not be told: {nothing}"));
        }
        let unlike = ids(&|a, k| k == Known::Not && a == Asserts::Exposure);
        if !unlike.is_empty() {
            return (State::Differs, format!("what the document tells of was not there: {unlike}"));
        }
        if self.kind == Kind::Duty {
            return duty(deployment, self.unchecked.as_deref());
        }
        if required.is_empty() {
            let why = self.unchecked.as_deref().unwrap_or("its checks look at other components");
            return (State::NoCheck, why.trim_end_matches('.').to_owned());
        }
        let state = match self.kind {
            Kind::Promise | Kind::Duty => State::Kept,
            Kind::Warning if required.iter().all(|c| c.asserts == Asserts::Gone) => State::Gone,
            Kind::Warning if self.open_by_default => State::OpenByDefault,
            Kind::Warning => State::AsSaid,
        };
        (state, format!("{n} of {n} required checks hold", n = required.len()))
    }
}

/// What a deployment's judgement says of a control's rules.
pub fn deployed(control: &Control, judgement: &Judgement) -> Option<Deployed> {
    if control.rules.is_empty() {
        return None;
    }
    let violated: Vec<String> = judgement
        .violations
        .iter()
        .filter(|v| control.rules.contains(&v.rule))
        .map(|v| match v.line {
            0 => format!("{}: {}: {}", v.rule, v.file, v.found),
            line => format!("{}: {}:{line}:{}: {}", v.rule, v.file, v.column, v.found),
        })
        .collect();
    let looked = |rule: &&String| !judgement.looked.contains(*rule);
    let not_looked: Vec<String> = control.rules.iter().filter(looked).cloned().collect();
    let verdict = match (violated.is_empty(), not_looked.is_empty()) {
        (false, _) => Verdict::Fail,
        (true, false) => Verdict::Inconclusive,
        (true, true) => Verdict::Pass,
    };
    Some(Deployed { verdict, violated, not_looked })
}

/// What is known of a required check.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Holds,
    Not,
    Nothing,
}

fn known(answer: &Answer) -> Known {
    match answer.answered {
        // A check that was not seen to fail where it must shows nothing when it holds.
        Answered::Holds {}
            if answer.counter_example.as_ref().is_some_and(|c| c.fails_there != Some(true)) =>
        {
            Known::Nothing
        }
        Answered::Holds {} => Known::Holds,
        Answered::DoesNotHold {} => Known::Not,
        Answered::CouldNotTell { .. } => Known::Nothing,
    }
}

/// Judges a control for one release of a component; none where it is not about that component. `answers`
/// are by check id; a check without an answer is one that could not tell.
pub fn judge(
    control: &Control,
    component: &str,
    version: &str,
    answers: &BTreeMap<String, Answer>,
    judgement: Option<&Judgement>,
) -> Option<Judged> {
    if !control.is_about(component) {
        return None;
    }
    let checks = control.checks_for(component).map(|check| JudgedCheck {
        asserts: check.asserts,
        required: check.required,
        why: check.why.clone(),
        answer: answers.get(&check.id).cloned().unwrap_or_else(|| not_asked(check)),
    });
    let mut judged = Judged {
        id: control.id.clone(),
        part: control.part.clone(),
        kind: control.kind,
        severity: control.severity,
        text: control.text.clone(),
        open_by_default: control.open_by_default,
        applies: control.applies.clone(),
        place: control.place.clone(),
        differs: control.differs.clone(),
        note: control.note.clone(),
        unchecked: control.unchecked.clone(),
        state: State::NotShown,
        reason: String::new(),
        strength: Strength::None,
        guards: false,
        checks: checks.collect(),
        deployment: judgement.and_then(|j| deployed(control, j)),
    };
    (judged.state, judged.reason, judged.strength, judged.guards) = judged.derive(version);
    Some(judged)
}

fn not_asked(check: &crate::evaluate::evidence::EvidenceSpec<Asserts>) -> Answer {
    Answer {
        id: check.id.clone(),
        kind: check.check.kind().to_owned(),
        answered: Answered::could_not_tell("not-asked", "nobody looked"),
        basis: crate::evaluate::evidence::Basis::Nothing {},
        request: String::new(),
        expected: String::new(),
        found: String::new(),
        counter_example: None,
        again: String::new(),
    }
}

fn duty(deployment: Option<&Deployed>, unchecked: Option<&str>) -> (State, String) {
    match deployment {
        None => {
            let why = unchecked.unwrap_or("The software cannot answer it.").trim_end_matches('.');
            (State::WithOperator, format!("{why}; `reprove check-config` looks at a deployment"))
        }
        Some(d) if d.verdict == Verdict::Pass => {
            (State::Met, "no rule for the deployment is violated".to_owned())
        }
        Some(d) => (State::PartlyLooked, format!("not looked at: {}", d.not_looked.join(", "))),
    }
}

/// How many controls stand where, for one release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// By state.
    pub states: BTreeMap<State, usize>,
}

impl Tally {
    /// Counts.
    pub fn of<'j>(judged: impl IntoIterator<Item = &'j Judged>) -> Self {
        let mut states = BTreeMap::new();
        for control in judged {
            *states.entry(control.state).or_insert(0) += 1;
        }
        Self { states }
    }

    /// How many stand there.
    pub fn count(&self, state: State) -> usize {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// In one line, worst first; `none` where there is none.
    pub fn line(&self) -> String {
        if self.states.is_empty() {
            return "none".to_owned();
        }
        let parts: Vec<_> = self.states.iter().map(|(s, n)| format!("{n} {}", s.words())).collect();
        parts.join(", ")
    }
}

/// Judges every control that is about a component, in the model's order.
pub fn judge_all(
    controls: &Controls,
    component: &str,
    version: &str,
    answers: &BTreeMap<String, Answer>,
    judgement: Option<&Judgement>,
) -> Vec<Judged> {
    controls.iter().filter_map(|c| judge(c, component, version, answers, judgement)).collect()
}
