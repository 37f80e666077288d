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

use super::evidence::{Answer, Answered, Strength};
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

    /// What it means, in a line.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Contradicted => "the flaw is there, and people say fixed or mitigated for this release",
            Self::Regressed => "the flaw is there, and an earlier release that was looked at was better",
            Self::Lapsed => "it is not settled, and the day until which somebody answered for it has passed",
            Self::Open => "the flaw is there",
            Self::Unproven => "a required check could not be made, or none is known",
            Self::Accepted => "it is not settled, and somebody answers for leaving it until a day",
            Self::Mitigated => {
                "every required check speaks for it; part of the flaw, or the audited default, is left"
            }
            Self::Fixed => "every required check speaks for it, and the flaw is gone",
            Self::NotApplicable => "the finding is about other components",
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

    /// Whether the machine accuses somebody: it fails unless a policy says otherwise. What is open, and
    /// said to be, is shown and accuses nobody.
    pub const fn fails(self) -> bool {
        matches!(self, Self::Contradicted | Self::Regressed | Self::Lapsed)
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

/// One check with its answer, as far as a standing needs it.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    /// The check's id.
    pub id: &'a str,
    /// What it means when it holds.
    pub asserts: Asserts,
    /// Whether an answer without it is complete.
    pub required: bool,
    /// In one sentence what a hit says.
    pub why: Option<&'a str>,
    /// What was seen; none where nobody looked.
    pub answer: Option<&'a Answer>,
}

/// What people say last of a finding in this release.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// What.
    pub state: ClaimState,
    /// Who.
    pub who: &'a str,
    /// Who answers for an acceptance.
    pub owner: Option<&'a str>,
    /// The last day of an acceptance.
    pub until: Option<Date>,
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
}

/// What the checks alone show.
enum Shown {
    Good { standing: Standing, strength: Strength, because: String },
    Bad { strength: Strength, because: String },
    Nothing { because: String },
}

/// Derives the standing of a finding in a release. `answers` are looked up by id; what is missing was
/// not seen. `held_in` names an earlier release in which the finding was fixed or mitigated.
pub fn derive(
    finding: &Finding,
    subject: &Subject<'_>,
    answers: &[Answer],
    held_in: Option<&str>,
) -> Derived {
    if !finding.components.iter().any(|c| c == subject.component) {
        return Derived {
            standing: Standing::NotApplicable,
            because: format!("about {}", finding.components.join(", ")),
            strength: Strength::None,
        };
    }
    let checks: Vec<Checked<'_>> = finding
        .evidence_on(subject.component)
        .map(|spec| Checked {
            id: &spec.id,
            asserts: spec.asserts,
            required: spec.required,
            why: spec.why.as_deref(),
            answer: answers.iter().find(|a| a.id == spec.id),
        })
        .collect();
    let said = last_claim(finding, subject).map(|claim| Said {
        state: claim.state,
        who: &claim.who,
        owner: claim.owner.as_deref(),
        until: claim.until.map(|d| d.0),
    });
    judge(&checks, said, held_in, subject.as_of)
}

/// Derives a standing from the checks that are about a release, what people say last, and whether an
/// earlier release was better.
pub fn judge(checks: &[Checked<'_>], said: Option<Said<'_>>, held_in: Option<&str>, as_of: Date) -> Derived {
    let derived = |standing, because, strength| Derived { standing, because, strength };
    let acceptance =
        said.filter(|s| s.state == ClaimState::Accepted).and_then(|s| Some((s.owner?, s.until?)));
    match (shown(checks), acceptance) {
        (Shown::Good { standing, strength, because }, _) => derived(standing, because, strength),
        (shown, Some((owner, until))) => {
            let (strength, seen) = match shown {
                Shown::Bad { strength, because } => (strength, because),
                Shown::Nothing { because } | Shown::Good { because, .. } => (Strength::None, because),
            };
            let (standing, verb) = match as_of <= until {
                true => (Standing::Accepted, "answers for it until"),
                false => (Standing::Lapsed, "answered for it until"),
            };
            derived(standing, format!("{owner} {verb} {until}; {seen}"), strength)
        }
        (Shown::Bad { strength, because }, None) => {
            let promised = said.filter(|s| matches!(s.state, ClaimState::Fixed | ClaimState::Mitigated));
            match (promised, held_in) {
                (_, Some(release)) => {
                    derived(Standing::Regressed, format!("{because}; it was not so in {release}"), strength)
                }
                (Some(said), None) => derived(
                    Standing::Contradicted,
                    format!("{}: {}; but {because}", said.who, said.state.word()),
                    strength,
                ),
                (None, None) => derived(Standing::Open, because, strength),
            }
        }
        (Shown::Nothing { because }, None) => derived(Standing::Unproven, because, Strength::None),
    }
}

/// The last claim that is for this release, and not of a day that is still to come.
pub fn last_claim<'f>(finding: &'f Finding, subject: &Subject<'_>) -> Option<&'f Claim> {
    let version = upstream(subject.version);
    let is_for = |claim: &Claim| {
        claim.component.as_deref().is_none_or(|c| c == subject.component)
            && claim.when.is_none_or(|day| day.0 <= subject.as_of)
            && match claim.since.as_deref() {
                None => true,
                Some(since) => version.as_ref().zip(upstream(since)).is_some_and(|(v, s)| *v >= s),
            }
    };
    let last = finding.claims.iter().enumerate().filter(|(_, claim)| is_for(claim));
    last.max_by_key(|(n, claim)| (claim.when, *n)).map(|(_, claim)| claim)
}

fn shown(checks: &[Checked<'_>]) -> Shown {
    let required: Vec<&Checked<'_>> = checks.iter().filter(|c| c.required).collect();
    if required.is_empty() {
        let because = match checks.is_empty() {
            true => "nothing is known that would show it",
            false => "no check of it is required",
        };
        return Shown::Nothing { because: because.to_owned() };
    }
    let told = |check: &Checked<'_>| match check.answer.map(|a| &a.answered) {
        Some(Answered::Holds {}) => Some(true),
        Some(Answered::DoesNotHold {}) => Some(false),
        Some(Answered::CouldNotTell { .. }) | None => None,
    };
    let strength = |check: &Checked<'_>| check.answer.map_or(Strength::None, Answer::strength);
    let counterpart = required.iter().find(|c| c.asserts == Asserts::Comparison && told(c) != Some(true));
    if let Some(check) = counterpart {
        let what = if told(check).is_some() { "does not hold" } else { "was not established" };
        let because = format!("`{}` {what}, so that the other checks show nothing", check.id);
        return Shown::Nothing { because };
    }
    let says_no = |check: &Checked<'_>| match check.asserts {
        Asserts::NotResolved => told(check) == Some(true),
        Asserts::Fixed | Asserts::MitigationPresent | Asserts::DefaultSafe => told(check) == Some(false),
        _ => false,
    };
    if let Some(check) = required.iter().filter(|c| says_no(c)).max_by_key(|c| strength(c)) {
        let what = match check.asserts {
            Asserts::NotResolved => check.asserts.word().to_owned(),
            _ => format!("it is not so that {}", check.asserts.word()),
        };
        return Shown::Bad { strength: strength(check), because: sentence(&what, check) };
    }
    if let Some(check) = required.iter().find(|c| told(c).is_none()) {
        let reason = match check.answer.map(|a| &a.answered) {
            Some(Answered::CouldNotTell { reason, .. }) => reason.as_str(),
            _ => "it was not looked at",
        };
        return Shown::Nothing { because: format!("`{}`: {reason}", check.id) };
    }
    let weakest = required.iter().map(|c| strength(c)).min().unwrap_or(Strength::None);
    let left = required.iter().find(|c| {
        matches!(c.asserts, Asserts::ResidualPresent | Asserts::DefaultUnchanged) && told(c) == Some(true)
    });
    let gone = required.iter().find(|c| matches!(c.asserts, Asserts::Fixed | Asserts::NotResolved));
    let cut =
        required.iter().find(|c| matches!(c.asserts, Asserts::MitigationPresent | Asserts::DefaultSafe));
    let good = |standing, because| Shown::Good { standing, strength: weakest, because };
    match (left, gone, cut) {
        (None, Some(check), _) => {
            let what = match check.asserts {
                Asserts::Fixed => "the flaw is gone",
                _ => "the flaw is not there",
            };
            good(Standing::Fixed, sentence(what, check))
        }
        (Some(check), Some(_), _) => good(Standing::Mitigated, sentence(check.asserts.word(), check)),
        (_, None, Some(check)) => good(Standing::Mitigated, sentence(check.asserts.word(), check)),
        // What is left was seen, but nothing that cuts it.
        (Some(check), None, None) => {
            Shown::Bad { strength: strength(check), because: sentence(check.asserts.word(), check) }
        }
        (None, None, None) => {
            Shown::Nothing { because: "no required check says whether the flaw is there".to_owned() }
        }
    }
}

fn sentence(what: &str, check: &Checked<'_>) -> String {
    match check.why {
        Some(why) => format!("{what} (`{}`: {why})", check.id),
        None => format!("{what} (`{}`)", check.id),
    }
}

#[cfg(test)]
mod tests;
