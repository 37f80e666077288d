//! The three answers.
//!
//! This lives with the vocabulary and not with `evaluate`, because `verify` and `compare` answer in
//! the same words.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Pass, inconclusive or fail. Ordered so that the verdict over a set is its minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Evidence against.
    Fail,
    /// Not enough evidence either way. Missing evidence is always this, never a pass.
    Inconclusive,
    /// Evidence for.
    Pass,
}

impl Verdict {
    /// The verdict over a set: the worst one; an empty set is [`Verdict::Inconclusive`].
    pub fn of_all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().min().unwrap_or(Self::Inconclusive)
    }

    /// `pass`, `inconclusive` or `fail`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::Pass => "pass",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Fail, Inconclusive, Pass};

    #[test]
    fn a_set_is_as_good_as_its_worst_and_nothing_is_inconclusive() {
        assert_eq!(Verdict::of_all([]), Inconclusive);
        assert_eq!(Verdict::of_all([Pass]), Pass);
        assert_eq!(Verdict::of_all([Pass, Inconclusive]), Inconclusive);
        assert_eq!(Verdict::of_all([Inconclusive, Fail, Pass]), Fail);
    }
}
