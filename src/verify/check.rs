//! One checked thing: what was expected, what was found, where it was read, what to do next.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::verdict::Verdict;

/// What a check came to. *Refuted* and *absent* are different words on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// There is evidence, and it says otherwise.
    Refuted,
    /// The evidence is not there.
    Absent,
    /// There is evidence, and it says so.
    Established,
    /// Told for the reader's sake; counts neither for nor against.
    Noted,
}

impl Finding {
    /// The word itself.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refuted => "refuted",
            Self::Absent => "absent",
            Self::Established => "established",
            Self::Noted => "noted",
        }
    }

    /// What it counts for, `None` for [`Finding::Noted`].
    pub const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Refuted => Some(Verdict::Fail),
            Self::Absent => Some(Verdict::Inconclusive),
            Self::Established => Some(Verdict::Pass),
            Self::Noted => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One check with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Check {
    /// Stable name, kebab-case, unique in `reprove explain`.
    pub code: &'static str,
    /// What it came to.
    pub finding: Finding,
    /// What the policy, the format or the signature demands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Where `found` was read, e.g. `certificate extension 1.3.6.1.4.1.57264.1.12`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What the reader can do, for answers other than [`Finding::Established`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
}

impl Check {
    const fn bare(code: &'static str, finding: Finding) -> Self {
        Self { code, finding, expected: None, found: None, from: None, next_step: None }
    }

    /// Evidence for.
    pub const fn established(code: &'static str) -> Self {
        Self::bare(code, Finding::Established)
    }

    /// Evidence against.
    pub const fn refuted(code: &'static str) -> Self {
        Self::bare(code, Finding::Refuted)
    }

    /// No evidence.
    pub const fn absent(code: &'static str) -> Self {
        Self::bare(code, Finding::Absent)
    }

    /// A remark.
    pub const fn noted(code: &'static str) -> Self {
        Self::bare(code, Finding::Noted)
    }

    /// Established if `met`, refuted otherwise.
    pub const fn when(code: &'static str, met: bool) -> Self {
        Self::bare(code, if met { Finding::Established } else { Finding::Refuted })
    }

    /// Sets what was expected.
    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    /// Sets what was found.
    #[must_use]
    pub fn found(mut self, text: impl Into<String>) -> Self {
        self.found = Some(text.into());
        self
    }

    /// Sets where it was read.
    #[must_use]
    pub fn from(mut self, text: impl Into<String>) -> Self {
        self.from = Some(text.into());
        self
    }

    /// Sets what to do next; dropped when the check is established.
    #[must_use]
    pub fn next_step(mut self, text: impl Into<String>) -> Self {
        if self.finding != Finding::Established {
            self.next_step = Some(text.into());
        }
        self
    }

    /// The verdict, `None` for a remark.
    pub const fn verdict(&self) -> Option<Verdict> {
        self.finding.verdict()
    }

    /// The verdict over checks; remarks do not count, and nothing checked is inconclusive.
    pub fn verdict_of(checks: &[Self]) -> Verdict {
        Verdict::of_all(checks.iter().filter_map(Self::verdict))
    }
}

#[cfg(test)]
mod tests {
    use super::{Check, Finding};
    use crate::verdict::Verdict;

    #[test]
    fn remarks_alone_never_pass() {
        assert_eq!(Check::verdict_of(&[]), Verdict::Inconclusive);
        assert_eq!(Check::verdict_of(&[Check::noted("a")]), Verdict::Inconclusive);
        assert_eq!(Check::verdict_of(&[Check::noted("a"), Check::established("b")]), Verdict::Pass);
        assert_eq!(Check::verdict_of(&[Check::established("b"), Check::absent("c")]), Verdict::Inconclusive);
        assert_eq!(Check::verdict_of(&[Check::refuted("b"), Check::absent("c")]), Verdict::Fail);
    }

    #[test]
    fn an_established_check_has_no_next_step() {
        assert_eq!(Check::when("a", true).next_step("x").next_step, None);
        let refuted = Check::when("a", false).next_step("x");
        assert_eq!((refuted.finding, refuted.next_step.as_deref()), (Finding::Refuted, Some("x")));
    }
}
