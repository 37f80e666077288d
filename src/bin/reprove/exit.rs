//! Exit codes, documented in the README.

use std::process::ExitCode;

use reprove::verdict::Verdict;

/// What the process answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything that was asked passed (for `compare`: identical).
    Pass = 0,
    /// Evidence against: different, refused, a control fails.
    Fail = 1,
    /// Wrong arguments, policy or recipe.
    Usage = 2,
    /// Evidence missing, or a limit reached.
    Inconclusive = 3,
    /// Could not look: network, sandbox, disk.
    CouldNotLook = 4,
    /// Equal only after named normalizations.
    Equivalent = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Inconclusive => Self::Inconclusive,
            Verdict::Fail => Self::Fail,
        }
    }
}
