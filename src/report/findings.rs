//! The findings of external audits in one release: what people say, what the machine shows, and how to
//! look again.
//!
//! The rebuild's verdict stands by itself. Nothing here changes it, and neither is blended into the
//! other: whether bytes are what their source says, and whether that source is sound, are two questions.
//!
//! Standings are derived. A report that is read back is derived again, and refused when it claims
//! something else.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::model::Gap;
use crate::digest::Digest;
use crate::evaluate::evidence::{Answer, Answered, Strength};
use crate::evaluate::history::{History, HistoryError, Look};
use crate::evaluate::register::{Asserts, Audit, Claim, ClaimState, Finding, Register, Severity};
use crate::evaluate::standing::{self, Checked, Said, Standing, Subject};
use crate::probe::spec::upstream;
use crate::verdict::Verdict;

/// The register, held against one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Findings {
    /// The day of judgement: acceptances end.
    pub as_of: Date,
    /// What ran.
    pub tested: Tested,
    /// One for each finding that is about the component.
    pub rows: Vec<FindingRow>,
    /// How many findings of the register are about other components.
    pub elsewhere: u64,
    /// What was not looked at, each in one sentence.
    pub not_looked: Vec<Gap>,
}

/// What ran when the release was probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "ran", rename_all = "kebab-case")]
pub enum Tested {
    /// Our own build of the authenticated source.
    Rebuilt {
        /// Its artifact.
        artifact: String,
        /// The artifact's digest.
        digest: Digest,
        /// Whether the published artifact has the same bytes.
        identical: bool,
    },
    /// The published artifact, because there is no build of ours.
    Published {
        /// Its name.
        artifact: String,
        /// Its digest.
        digest: Digest,
        /// Why not our own.
        reason: String,
    },
    /// Nothing.
    Nothing {
        /// Why.
        reason: String,
    },
}

/// One finding in this release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FindingRow {
    /// The audit's id.
    pub audit: String,
    /// Who audited, and the report's date.
    pub auditor: String,
    /// The finding's id, or our key where the report has none.
    pub id: String,
    /// Whether the report has that id.
    pub id_is_the_reports: bool,
    /// Its title.
    pub title: String,
    /// As reported.
    pub severity: Severity,
    /// The report's pages.
    pub page: String,
    /// What was found, in our words.
    pub summary: String,
    /// What is left by what is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_over: Option<String>,
    /// What people say last for this release; none where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<ClaimRow>,
    /// What the machine shows.
    pub standing: Standing,
    /// Why, in one sentence.
    pub because: String,
    /// How strong what carries it is.
    pub strength: Strength,
    /// An earlier release that was better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_in: Option<String>,
    /// The earliest release looked at from which on the standing is the same.
    pub since: String,
    /// Each check, with what was seen.
    pub evidence: Vec<EvidenceRow>,
    /// Where it is written down: file and line.
    pub place: String,
}

/// What people say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClaimRow {
    /// What.
    pub state: ClaimState,
    /// Who.
    pub who: String,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Date>,
    /// Why.
    pub why: String,
    /// From which upstream release on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Who answers for an acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The last day of an acceptance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Commits, threads, pages.
    pub links: Vec<String>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EvidenceRow {
    /// Its id.
    pub id: String,
    /// What it means when it holds.
    pub asserts: Asserts,
    /// Whether an answer without it is complete.
    pub required: bool,
    /// What a hit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What was seen; none where nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What was seen of an earlier release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its version as published.
    pub version: String,
    /// What was seen.
    pub answers: Vec<Answer>,
}

impl Earlier {
    /// What was seen of releases of a component before one, in the order of their versions; none newer
    /// than it. `questions` are the digests of the questions as they are asked today.
    ///
    /// # Errors
    ///
    /// Where the history cannot be read.
    pub fn of(
        history: &History,
        questions: &BTreeMap<String, String>,
        component: &str,
        release: &Look,
    ) -> Result<Vec<Self>, HistoryError> {
        let now = upstream(&release.version);
        let mut before = Vec::new();
        for look in history.looks(component)? {
            let then = upstream(&look.version);
            let older = then < now || (then == now && (release.id == 0 || look.id < release.id));
            if look.purl != release.purl && older && then.is_some() {
                before.push((then, look));
            }
        }
        before.sort_by(|(a, x), (b, y)| (a, x.id).cmp(&(b, y.id)));
        before
            .into_iter()
            .map(|(_, look)| {
                Ok(Self { answers: history.answers(look.id, questions)?, version: look.version })
            })
            .collect()
    }
}

impl Tested {
    /// For the history.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From the history; what cannot be read is nothing.
    pub fn from_text(text: &str) -> Self {
        serde_json::from_str(text)
            .unwrap_or_else(|_| Self::Nothing { reason: "the history does not say what ran".to_owned() })
    }
}

impl Findings {
    /// Holds the register against a release. `earlier` are releases that were looked at before, in the
    /// order of their versions, none of them newer than this one.
    pub fn of(
        register: &Register,
        subject: &Subject<'_>,
        tested: Tested,
        answers: &[Answer],
        earlier: &[Earlier],
    ) -> Self {
        let about = |f: &Finding| f.components.iter().any(|c| c == subject.component);
        let mut rows: Vec<FindingRow> = register
            .findings()
            .filter(|(_, f)| about(f))
            .map(|(audit, finding)| row(audit, finding, subject, answers, earlier))
            .collect();
        rows.sort_by(|a, b| a.order().cmp(&b.order()));
        let elsewhere = register.findings().filter(|(_, f)| !about(f)).count() as u64;
        let not_looked = not_looked(&rows, &tested);
        Self { as_of: subject.as_of, tested, rows, elsewhere, not_looked }
    }

    /// How many findings have each standing, worst first; those that none has are left out.
    pub fn counts(&self) -> Vec<(Standing, usize)> {
        let count = |s: Standing| self.rows.iter().filter(|r| r.standing == s).count();
        Standing::ALL.into_iter().map(|s| (s, count(s))).filter(|(_, n)| *n > 0).collect()
    }

    /// What follows where no policy says otherwise: fail where the machine accuses somebody, pass where
    /// every finding is settled, and inconclusive otherwise.
    pub fn verdict(&self) -> Verdict {
        if self.rows.iter().any(|r| r.standing.fails()) {
            Verdict::Fail
        } else if !self.rows.is_empty() && self.rows.iter().all(|r| r.standing.settles() > 0) {
            Verdict::Pass
        } else {
            Verdict::Inconclusive
        }
    }

    /// Derives every standing again from what is written here; gives the first that claims something
    /// else.
    pub(super) fn check(&self) -> Result<(), (String, String, String)> {
        for row in &self.rows {
            let derived = row.derive(self.as_of);
            if (derived.standing, derived.strength) != (row.standing, row.strength)
                || derived.because != row.because
            {
                return Err((
                    row.id.clone(),
                    format!("{}, {}", row.standing, row.because),
                    format!("{}, {}", derived.standing, derived.because),
                ));
            }
        }
        Ok(())
    }

    /// In the one order.
    pub(super) fn sort(&mut self) {
        self.rows.sort_by(|a, b| a.order().cmp(&b.order()));
        self.not_looked.sort();
    }
}

impl FindingRow {
    /// Worst standing first, then the most severe, then by audit and id.
    fn order(&self) -> (Standing, std::cmp::Reverse<Severity>, &str, &str) {
        (self.standing, std::cmp::Reverse(self.severity), &self.audit, &self.id)
    }

    fn derive(&self, as_of: Date) -> standing::Derived {
        let checks: Vec<Checked<'_>> = self
            .evidence
            .iter()
            .map(|e| Checked {
                id: &e.id,
                asserts: e.asserts,
                required: e.required,
                why: e.why.as_deref(),
                answer: e.answer.as_ref(),
            })
            .collect();
        let said = self.claim.as_ref().map(|c| Said {
            state: c.state,
            who: &c.who,
            owner: c.owner.as_deref(),
            until: c.until,
        });
        standing::judge(&checks, said, self.held_in.as_deref(), as_of)
    }
}

impl From<&Claim> for ClaimRow {
    fn from(claim: &Claim) -> Self {
        Self {
            state: claim.state,
            who: claim.who.clone(),
            when: claim.when.map(|d| d.0),
            why: claim.why.clone(),
            since: claim.since.clone(),
            owner: claim.owner.clone(),
            until: claim.until.map(|d| d.0),
            links: claim.links.iter().map(ToString::to_string).collect(),
        }
    }
}

fn row(
    audit: &Audit,
    finding: &Finding,
    subject: &Subject<'_>,
    answers: &[Answer],
    earlier: &[Earlier],
) -> FindingRow {
    let then = |release: &Earlier| {
        let subject = Subject { version: &release.version, ..*subject };
        standing::derive(finding, &subject, &release.answers, None).standing
    };
    let held_in = earlier.iter().rev().find(|e| then(e).settles() >= 2).map(|e| e.version.clone());
    let derived = standing::derive(finding, subject, answers, held_in.as_deref());
    // The same as now, whatever an earlier one than that says.
    let alone = standing::derive(finding, subject, answers, None).standing;
    let same = earlier.iter().rev().take_while(|e| then(e) == alone).last();
    FindingRow {
        audit: audit.id.clone(),
        auditor: format!("{}, {}", audit.auditor, audit.date),
        id: finding.key.clone(),
        id_is_the_reports: finding.id_is_the_reports,
        title: finding.title.clone(),
        severity: finding.severity,
        page: finding.page.clone(),
        summary: finding.summary.clone(),
        left_over: finding.left_over.clone(),
        claim: standing::last_claim(finding, subject).map(ClaimRow::from),
        standing: derived.standing,
        because: derived.because,
        strength: derived.strength,
        // What is better now tells nothing of what was better before.
        held_in: held_in.filter(|_| derived.standing == Standing::Regressed),
        since: same.map_or(subject.version, |e| &e.version).to_owned(),
        evidence: finding
            .evidence_on(subject.component)
            .map(|spec| EvidenceRow {
                id: spec.id.clone(),
                asserts: spec.asserts,
                required: spec.required,
                why: spec.why.clone(),
                answer: answers.iter().find(|a| a.id == spec.id).cloned(),
            })
            .collect(),
        place: finding.place.clone(),
    }
}

/// What was not looked at, by reason.
fn not_looked(rows: &[FindingRow], tested: &Tested) -> Vec<Gap> {
    let mut by_reason: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for row in rows {
        for evidence in &row.evidence {
            let (code, reason) = match evidence.answer.as_ref().map(|a| &a.answered) {
                Some(Answered::CouldNotTell { code, reason }) => (code.clone(), reason.clone()),
                None => ("evidence-not-looked".to_owned(), "it was not looked at".to_owned()),
                Some(_) => continue,
            };
            by_reason.entry((code, reason)).or_default().push(&evidence.id);
        }
    }
    let mut gaps: Vec<Gap> = by_reason
        .into_iter()
        .map(|((code, reason), ids)| Gap { code, text: format!("{}: {reason}", ids.join(", ")) })
        .collect();
    match tested {
        Tested::Nothing { reason } => {
            gaps.push(Gap { code: "program-not-run".to_owned(), text: format!("no program ran: {reason}") });
        }
        Tested::Published { reason, .. } => gaps.push(Gap {
            code: "published-binary-tested".to_owned(),
            text: format!("the published binary ran, which nothing here ties to a source: {reason}"),
        }),
        Tested::Rebuilt { identical: false, .. } => gaps.push(Gap {
            code: "rebuilt-binary-differs".to_owned(),
            text: "our own build ran; the published artifact has other bytes".to_owned(),
        }),
        Tested::Rebuilt { .. } => {}
    }
    gaps
}

#[cfg(test)]
pub(crate) mod tests;
