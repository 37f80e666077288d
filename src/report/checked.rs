//! Checks of a release beside its bytes, each by its name: the publisher's list of checksums, the tag that
//! the source is said to be, whether something was replaced.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::judge::Blocker;
use super::model::Gap;
use crate::verdict::Verdict;
use crate::verify::{Check, Finding};

/// One check of a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// Kebab-case code, stable.
    pub code: Cow<'static, str>,
    /// On what.
    pub subject: String,
    /// What it came to. *Refuted* fails the release and *absent* forbids a pass. A *note* counts for
    /// nothing; one that says what to do about it is listed among what was not established.
    pub finding: Finding,
    /// What was demanded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
    /// What is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub next: String,
}

impl Checked {
    /// A check with nothing said about it yet.
    pub fn new(code: &'static str, subject: impl Into<String>, finding: Finding) -> Self {
        Self {
            code: Cow::Borrowed(code),
            subject: subject.into(),
            finding,
            expected: String::new(),
            found: String::new(),
            next: String::new(),
        }
    }

    /// Takes over what [`verify`](crate::verify) checked about something.
    pub fn of(check: &Check, subject: &str) -> Self {
        let text = |t: &Option<String>| t.clone().unwrap_or_default();
        Self {
            code: Cow::Borrowed(check.code),
            subject: subject.to_owned(),
            finding: check.finding,
            expected: text(&check.expected),
            found: text(&check.found),
            next: text(&check.next_step),
        }
    }

    /// Sets what was demanded.
    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = text.into();
        self
    }

    /// Sets what is there.
    #[must_use]
    pub fn found(mut self, text: impl Into<String>) -> Self {
        self.found = text.into();
        self
    }

    /// Sets what to do about it.
    #[must_use]
    pub fn next(mut self, text: impl Into<String>) -> Self {
        self.next = text.into();
        self
    }

    /// Code and subject in words, with what was found.
    pub(super) fn sentence(&self) -> String {
        let mut text = self.subject.clone();
        for part in [&self.found, &self.expected].into_iter().filter(|p| !p.is_empty()).take(1) {
            text.push_str(": ");
            text.push_str(part);
        }
        text
    }
}

/// What checks count for, and what they block.
pub(super) fn judge(checks: &[Checked], blocks: &mut Vec<Blocker>) -> Verdict {
    let mut verdict = Verdict::Pass;
    for check in checks {
        let Some(counts) = check.finding.verdict().filter(|v| *v != Verdict::Pass) else { continue };
        verdict = verdict.min(counts);
        let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        blocks.push(Blocker {
            code: check.code.clone().into_owned(),
            subject: check.subject.clone(),
            expected: or(&check.expected, "the check holds"),
            found: or(&check.found, "nothing that would show it"),
            next: or(&check.next, "remove the cause and audit again"),
        });
    }
    verdict
}

/// What remarks leave open.
pub(super) fn gaps(checks: &[Checked]) -> impl Iterator<Item = Gap> + '_ {
    let open = |c: &&Checked| c.finding == Finding::Noted && !c.next.is_empty();
    checks
        .iter()
        .filter(open)
        .map(|c| Gap { code: c.code.clone().into_owned(), text: format!("{}; {}", c.sentence(), c.next) })
}
