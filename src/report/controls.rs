//! The security model's controls in one release, the waivers for it, and what the policy decides.
//!
//! The rebuild's verdict stands by itself; nothing here changes it. States are derived: a report that is
//! read back is derived again, and refused when it claims something else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::findings::{Findings, Tested};
use super::model::{Gap, Outcome};
use crate::deployment::Judgement;
use crate::evaluate::control::{self, Judged, Model, State, Tally};
use crate::evaluate::evidence::{Answer, Answered};
use crate::evaluate::policy::input::{self, Input, SCHEMA_ID, Section};
use crate::evaluate::policy::{Decision, Policy, PolicyError};
use crate::evaluate::register::{Register, Severity};
use crate::evaluate::standing::Standing;
use crate::evaluate::waiver::{Shown, Waived, Waiver, Waivers};
use crate::limits::policy::PolicyLimits;
use crate::verdict::Verdict;

/// The model held against one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    /// The day of judgement: waivers end.
    pub as_of: Date,
    /// The document.
    pub model: Model,
    /// What ran.
    pub tested: Tested,
    /// One for each control that is about the component, in the model's order.
    pub rows: Vec<Judged>,
    /// How many controls of the model are about other components.
    pub elsewhere: u64,
    /// The waivers for the release.
    pub waivers: Vec<Shown>,
    /// Waivers about a control or finding that nobody knows, by id.
    pub unknown_waivers: Vec<String>,
    /// What was not looked at, each in one sentence.
    pub not_looked: Vec<Gap>,
    /// What the policy decides; none where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// What people keep beside the model.
#[derive(Debug, Clone, Copy)]
pub struct Book<'a> {
    /// The model.
    pub controls: &'a control::Controls,
    /// Exceptions.
    pub waivers: &'a Waivers,
    /// Findings, for waivers about them.
    pub register: &'a Register,
}

/// Which release, on which day.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The component.
    pub component: &'a str,
    /// Its version as published.
    pub version: &'a str,
    /// The day of judgement.
    pub as_of: Date,
}

/// How a finding is named in waivers and policies.
pub fn finding_id(audit: &str, id: &str) -> String {
    format!("{audit}/{id}")
}

impl Controls {
    /// Holds the model against a release. `findings` are asked for what waivers about them excuse.
    pub fn of(
        book: &Book<'_>,
        subject: &Subject<'_>,
        tested: Tested,
        answers: &[Answer],
        deployment: Option<&Judgement>,
        findings: Option<&Findings>,
    ) -> Self {
        let Subject { component, version, as_of } = *subject;
        let answers: BTreeMap<String, Answer> = answers.iter().map(|a| (a.id.clone(), a.clone())).collect();
        let rows = control::judge_all(book.controls, component, version, &answers, deployment);
        let elsewhere = book.controls.iter().filter(|c| !c.is_about(component)).count() as u64;
        let excused = |about: &Waived| match about {
            Waived::Control(id) => rows.iter().any(|r| r.id == *id && fails(r)),
            Waived::Finding(id) => findings.is_some_and(|f| {
                f.rows.iter().any(|r| finding_id(&r.audit, &r.id) == *id && r.standing.is_bad())
            }),
        };
        let known: BTreeSet<Waived> = book
            .controls
            .iter()
            .map(|c| Waived::Control(c.id.clone()))
            .chain(book.register.findings().map(|(a, f)| Waived::Finding(finding_id(&a.id, &f.key))))
            .collect();
        let released = book.controls.iter().flat_map(|c| &c.components);
        let audited = book.register.findings().flat_map(|(_, f)| &f.components);
        let components: BTreeSet<&str> = released.chain(audited).map(String::as_str).collect();
        let unknown = book.waivers.of_unknown(&known, &components);
        Self {
            as_of,
            model: book.controls.model.clone(),
            not_looked: not_looked(&rows, &tested),
            tested,
            elsewhere,
            waivers: book.waivers.shown(component, version, as_of, excused),
            unknown_waivers: unknown.into_iter().map(|w| w.id.clone()).collect(),
            rows,
            decision: None,
        }
    }

    /// Asks the policy.
    ///
    /// # Errors
    ///
    /// Where the policy was not evaluated to its end; there is no decision then.
    pub fn decide(
        &mut self,
        policy: &Policy,
        release: input::Release,
        rebuild: (Outcome, Verdict),
        findings: Option<&Findings>,
        limits: &PolicyLimits,
    ) -> Result<(), PolicyError> {
        let input = self.input(policy, release, rebuild, findings);
        self.decision = Some(policy.decide(&input, limits)?);
        Ok(())
    }

    /// What the policy is asked about.
    pub fn input(
        &self,
        policy: &Policy,
        release: input::Release,
        (outcome, verdict): (Outcome, Verdict),
        findings: Option<&Findings>,
    ) -> Input {
        let waiver = |about: Waived| {
            let covering = self.waivers.iter().filter(|w| w.waiver.about == about);
            covering.max_by_key(|w| (w.term.counts(), w.waiver.until)).map(|w| w.term).into()
        };
        let controls = self.rows.iter().map(|r| input::Control::of(r, waiver(Waived::Control(r.id.clone()))));
        let findings = match findings {
            None => Section::of(Vec::new()),
            Some(found) => Section::of(
                found
                    .rows
                    .iter()
                    .map(|r| {
                        let id = finding_id(&r.audit, &r.id);
                        input::Finding {
                            title: r.title.clone(),
                            severity: match r.severity {
                                Severity::NoneGiven => "unknown".to_owned(),
                                severity => severity.word().to_owned(),
                            },
                            claim: r.claim.as_ref().map_or("none", |c| c.state.word()).to_owned(),
                            standing: r.standing.code().to_owned(),
                            strength: r.strength.word().to_owned(),
                            waiver: waiver(Waived::Finding(id.clone())),
                            id,
                        }
                    })
                    .collect(),
            ),
        };
        let used = |w: &Waiver| {
            let unclear = match &w.about {
                Waived::Control(id) => self.rows.iter().any(|r| r.id == *id && r.state == State::NotShown),
                Waived::Finding(id) => {
                    findings.items.iter().any(|f| f.id == *id && f.standing == Standing::Unproven.code())
                }
            };
            match self.waivers.iter().any(|s| s.waiver.id == w.id && s.used) {
                true => input::Answer::Yes,
                false if unclear => input::Answer::NotEvaluated,
                false => input::Answer::No,
            }
        };
        let known = |w: &Waiver| !self.unknown_waivers.contains(&w.id);
        Input {
            schema: SCHEMA_ID.to_owned(),
            as_of: self.as_of,
            release,
            rebuild: input::Rebuild {
                verdict: Some(verdict).into(),
                outcome: outcome.word().replace(' ', "-"),
            },
            controls: Section::of(controls.collect()),
            waivers: input::waivers(&self.waivers, known, used),
            findings,
            thresholds: policy.thresholds.clone(),
        }
    }

    /// The waiver of a control; that which counts where several cover it.
    pub fn waiver_of(&self, control: &str) -> Option<&Shown> {
        let covering = self.waivers.iter().filter(|w| w.waiver.about == Waived::Control(control.to_owned()));
        covering.max_by_key(|w| (w.term.counts(), w.waiver.until))
    }

    /// How many controls stand where.
    pub fn tally(&self) -> Tally {
        Tally::of(&self.rows)
    }

    /// The policy's verdict; without one, fail where a control fails, inconclusive otherwise.
    pub fn verdict(&self) -> Verdict {
        match &self.decision {
            Some(decision) => decision.verdict,
            None if self.rows.iter().any(fails) => Verdict::Fail,
            None => Verdict::Inconclusive,
        }
    }

    /// Derives every state again from what is written here; gives the first that claims something else.
    pub(super) fn check(&self, version: &str) -> Result<(), (String, String, String)> {
        for row in &self.rows {
            let derived = row.derive(version);
            if derived != (row.state, row.reason.clone(), row.strength, row.guards) {
                let (state, reason, ..) = derived;
                return Err((
                    row.id.clone(),
                    format!("{}, {}", row.state.words(), row.reason),
                    format!("{}, {reason}", state.words()),
                ));
            }
        }
        if let Some(decision) = &self.decision
            && decision.verdict != decision.derive()
        {
            let word = |v: Verdict| v.word().to_owned();
            return Err(("policy".to_owned(), word(decision.verdict), word(decision.derive())));
        }
        Ok(())
    }
}

/// Whether a control fails, in the software or in the deployment.
pub(super) fn fails(row: &Judged) -> bool {
    row.verdict() == Verdict::Fail || row.deployment.as_ref().is_some_and(|d| d.verdict == Verdict::Fail)
}

/// What was not looked at, by reason.
fn not_looked(rows: &[Judged], tested: &Tested) -> Vec<Gap> {
    let mut by_reason: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for check in rows.iter().flat_map(|r| &r.checks) {
        if let Answered::CouldNotTell { code, reason } = &check.answer.answered {
            by_reason.entry((code, reason)).or_default().push(&check.answer.id);
        }
    }
    let mut gaps: Vec<Gap> = by_reason
        .into_iter()
        .map(|((code, reason), ids)| Gap {
            code: code.to_owned(),
            text: format!("{}: {reason}", ids.join(", ")),
        })
        .collect();
    let of_state = |state: State| {
        let ids: Vec<&str> = rows.iter().filter(|r| r.state == state).map(|r| r.id.as_str()).collect();
        ids.join(", ")
    };
    for (state, code, text) in [
        (State::NoCheck, "control-without-check", "nothing here looks at it on this component"),
        (
            State::WithOperator,
            "control-with-operator",
            "the software cannot answer it; `reprove check-config` looks at a deployment",
        ),
    ] {
        let ids = of_state(state);
        if !ids.is_empty() {
            gaps.push(Gap { code: code.to_owned(), text: format!("{ids}: {text}") });
        }
    }
    if let Tested::Nothing { reason } = tested {
        gaps.push(Gap { code: "program-not-run".to_owned(), text: format!("no program ran: {reason}") });
    }
    gaps.sort();
    gaps
}

#[cfg(test)]
pub(crate) mod tests;
