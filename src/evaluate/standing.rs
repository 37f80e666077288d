//! A finding's standing in one release: derived from evidence, claims and earlier releases, never stored.
//!
//! | standing | when |
//! |---|---|
//! | fixed | every required check speaks for it, and one shows that the flaw is gone |
//! | mitigated | every required check speaks for it; part of the flaw, or the audited default, is left |
//! | accepted | neither, and somebody answers for leaving it until a day that has not passed |
//! | lapsed | that day has passed |
//! | contradicted | people say fixed or mitigated for this release, and a required check says no |
//! | regressed | a required check says no, and an earlier release was fixed or mitigated |
//! | open | a required check says no |
//! | unproven | a required check could not be made, or there is none |
//! | not applicable | the finding is about other components |
//!
//! Two rules hold. A standing is never better than its weakest required check: one that could not be made
//! leaves it unproven, and its strength is the least among those that carry it. And taking any evidence
//! away never improves a standing: fixed is better than mitigated, mitigated better than accepted, and
//! accepted better than all the others, none of which settles anything ([`Standing::settles`]).
//!
//! What counts as *no*: the flaw was seen (`not-resolved` holds), or a required `fixed`,
//! `mitigation-present` or `default-safe` was looked at and is not so. A required `comparison` that does
//! not hold leaves the finding unproven: the other probes then show nothing.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::evidence::{Answer, Answered, EvidenceSpec, Strength};
use super::register::{Asserts, Claim, ClaimState, Finding};
use crate::probe::spec::upstream;

/// What the machine shows of a finding in one release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// People say fixed or mitigated, the machine says no.
    Contradicted,
    /// The flaw is there, and was not in an earlier release.
    Regressed,
    /// The flaw is there, and the time for which it was accepted has passed.
    Lapsed,
    /// The flaw is there.
    Open,
    /// Neither was established.
    Unproven,
    /// Somebody answers for leaving it, for a time.
    Accepted,
    /// Its effect is cut, or can be by configuration.
    Mitigated,
    /// The flaw is gone.
    Fixed,
    /// The finding is about other components.
    NotApplicable,
}

impl Standing {
    /// All of them, worst first.
    pub const ALL: [Self; 9] = [
        Self::Contradicted,
        Self::Regressed,
        Self::Lapsed,
        Self::Open,
        Self::Unproven,
        Self::Accepted,
        Self::Mitigated,
        Self::Fixed,
        Self::NotApplicable,
    ];

    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Contradicted => "contradicted",
            Self::Regressed => "regressed",
            Self::Lapsed => "lapsed",
            Self::Open => "open",
            Self::Unproven => "unproven",
            Self::Accepted => "accepted",
            Self::Mitigated => "mitigated",
            Self::Fixed => "fixed",
            Self::NotApplicable => "not applicable",
        }
    }

    /// As files and arguments have it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotApplicable => "not-applicable",
            other => other.word(),
        }
    }

    /// How much it settles: 0 nothing, 1 for a time, 2 mitigated, 3 gone.
    pub const fn settles(self) -> u8 {
        match self {
            Self::Contradicted | Self::Regressed | Self::Lapsed | Self::Open | Self::Unproven => 0,
            Self::Accepted => 1,
            Self::Mitigated => 2,
            Self::Fixed | Self::NotApplicable => 3,
        }
    }

    /// Whether the flaw was seen.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Contradicted | Self::Regressed | Self::Lapsed | Self::Open)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which release, and when it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The component.
    pub component: &'a str,
    /// The version as published.
    pub version: &'a str,
    /// The day of judgement.
    pub as_of: Date,
}

/// A standing with what carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Derived {
    /// What the machine shows.
    pub standing: Standing,
    /// One sentence: why.
    pub because: String,
    /// How strong what carries it is: the weakest of all where it is good news, the strongest that says
    /// no where it is bad.
    pub strength: Strength,
    /// Which of the finding's claims is the last one for this release.
    pub claim: Option<usize>,
    /// The last day of an acceptance.
    pub until: Option<Date>,
}

/// What the checks alone show.
enum Shown {
    Good { standing: Standing, strength: Strength, because: String },
    Bad { strength: Strength, because: String },
    Nothing { because: String },
}

/// Derives the standing. `answers` are looked up by id; what is missing was not seen. `held_in` names an
/// earlier release in which the finding was fixed or mitigated.
pub fn derive(
    finding: &Finding,
    subject: &Subject<'_>,
    answers: &[Answer],
    held_in: Option<&str>,
) -> Derived {
    let claim = current_claim(finding, subject);
    if !finding.components.iter().any(|c| c == subject.component) {
        return Derived {
            standing: Standing::NotApplicable,
            because: format!("about {}", finding.components.join(", ")),
            strength: Strength::None,
            claim: None,
            until: None,
        };
    }
    let said = claim.and_then(|n| finding.claims.get(n));
    let derived = |standing, because, strength| Derived { standing, because, strength, claim, until: None };
    let shown = shown(finding, subject.component, answers);
    let acceptance = said.filter(|c| c.state == ClaimState::Accepted).and_then(|c| Some((c, c.until?)));
    match (shown, acceptance) {
        (Shown::Good { standing, strength, because }, _) => derived(standing, because, strength),
        (shown, Some((claim, until))) => {
            let (strength, seen) = match shown {
                Shown::Bad { strength, because } => (strength, because),
                Shown::Nothing { because } | Shown::Good { because, .. } => (Strength::None, because),
            };
            let owner = claim.owner.as_deref().unwrap_or_default();
            let (standing, verb) = match subject.as_of <= until.0 {
                true => (Standing::Accepted, "answers for it until"),
                false => (Standing::Lapsed, "answered for it until"),
            };
            Derived {
                until: Some(until.0),
                ..derived(standing, format!("{owner} {verb} {until}; {seen}"), strength)
            }
        }
        (Shown::Bad { strength, because }, None) => {
            let promised = said.filter(|c| matches!(c.state, ClaimState::Fixed | ClaimState::Mitigated));
            match (promised, held_in) {
                (_, Some(release)) => {
                    derived(Standing::Regressed, format!("{because}; it was not so in {release}"), strength)
                }
                (Some(claim), None) => derived(
                    Standing::Contradicted,
                    format!("{} says {}, but {because}", claim.who, claim.state.word()),
                    strength,
                ),
                (None, None) => derived(Standing::Open, because, strength),
            }
        }
        (Shown::Nothing { because }, None) => derived(Standing::Unproven, because, Strength::None),
    }
}

/// The last claim that is for this release.
fn current_claim(finding: &Finding, subject: &Subject<'_>) -> Option<usize> {
    let version = upstream(subject.version);
    let is_for = |claim: &Claim| {
        claim.component.as_deref().is_none_or(|c| c == subject.component)
            && match claim.since.as_deref() {
                None => true,
                Some(since) => version.as_ref().zip(upstream(since)).is_some_and(|(v, s)| *v >= s),
            }
    };
    finding
        .claims
        .iter()
        .enumerate()
        .filter(|(_, claim)| is_for(claim))
        .max_by_key(|(n, claim)| (claim.when, *n))
        .map(|(n, _)| n)
}

fn shown(finding: &Finding, component: &str, answers: &[Answer]) -> Shown {
    let required: Vec<(&EvidenceSpec<Asserts>, Option<&Answer>)> = finding
        .evidence_on(component)
        .filter(|spec| spec.required)
        .map(|spec| (spec, answers.iter().find(|a| a.id == spec.id)))
        .collect();
    if required.is_empty() {
        let because = match finding.evidence.is_empty() {
            true => "nothing is known that would show it",
            false => "no check of it is required here",
        };
        return Shown::Nothing { because: because.to_owned() };
    }
    let told = |answer: Option<&Answer>| match answer.map(|a| &a.answered) {
        Some(Answered::Holds {}) => Some(true),
        Some(Answered::DoesNotHold {}) => Some(false),
        Some(Answered::CouldNotTell { .. }) | None => None,
    };
    for (spec, answer) in required.iter().filter(|(s, _)| s.asserts == Asserts::Comparison) {
        if told(*answer) != Some(true) {
            return Shown::Nothing {
                because: format!("`{}` does not hold, so that the other checks show nothing", spec.id),
            };
        }
    }
    let says_no = |spec: &EvidenceSpec<Asserts>, answer| match spec.asserts {
        Asserts::NotResolved => told(answer) == Some(true),
        Asserts::Fixed | Asserts::MitigationPresent | Asserts::DefaultSafe => told(answer) == Some(false),
        _ => false,
    };
    let strength = |answer: Option<&Answer>| answer.map_or(Strength::None, Answer::strength);
    let against: Vec<_> = required.iter().filter(|(spec, answer)| says_no(spec, *answer)).collect();
    if let Some((spec, answer)) = against.iter().max_by_key(|(_, answer)| strength(*answer)) {
        let what = match spec.asserts {
            Asserts::NotResolved => spec.asserts.word().to_owned(),
            _ => format!("it is not so that {}", spec.asserts.word()),
        };
        return Shown::Bad { strength: strength(*answer), because: sentence(&what, spec) };
    }
    if let Some((spec, answer)) = required.iter().find(|(_, answer)| told(*answer).is_none()) {
        let reason = match answer.map(|a| &a.answered) {
            Some(Answered::CouldNotTell { reason, .. }) => reason.clone(),
            _ => "it was not looked at".to_owned(),
        };
        return Shown::Nothing { because: format!("`{}`: {reason}", spec.id) };
    }
    let weakest = required.iter().map(|(_, answer)| strength(*answer)).min().unwrap_or(Strength::None);
    let left = required.iter().find(|(spec, answer)| {
        matches!(spec.asserts, Asserts::ResidualPresent | Asserts::DefaultUnchanged)
            && told(*answer) == Some(true)
    });
    let gone =
        required.iter().find(|(spec, _)| matches!(spec.asserts, Asserts::Fixed | Asserts::NotResolved));
    let mitigated =
        required.iter().find(|(s, _)| matches!(s.asserts, Asserts::MitigationPresent | Asserts::DefaultSafe));
    let good = |standing, because| Shown::Good { standing, strength: weakest, because };
    match (left, gone, mitigated) {
        (None, Some((spec, _)), _) => good(
            Standing::Fixed,
            sentence(
                if spec.asserts == Asserts::Fixed { "the flaw is gone" } else { "the flaw is not there" },
                spec,
            ),
        ),
        (Some((spec, _)), Some(_), _) => good(Standing::Mitigated, sentence(spec.asserts.word(), spec)),
        (_, None, Some((spec, _))) => good(Standing::Mitigated, sentence(spec.asserts.word(), spec)),
        // What is left was seen, but nothing that cuts it.
        (Some((spec, answer)), None, None) => {
            Shown::Bad { strength: strength(*answer), because: sentence(spec.asserts.word(), spec) }
        }
        (None, None, None) => {
            Shown::Nothing { because: "no required check says whether the flaw is there".to_owned() }
        }
    }
}

fn sentence(what: &str, spec: &EvidenceSpec<Asserts>) -> String {
    match &spec.why {
        Some(why) => format!("{what} (`{}`: {why})", spec.id),
        None => format!("{what} (`{}`)", spec.id),
    }
}

#[cfg(test)]
mod tests;
