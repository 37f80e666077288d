//! What could not be read among many files: the rest is judged without it, and the run does not pass.

use std::fmt::Write as _;

use reprove::verdict::Verdict;
use serde::Serialize;

use super::text::line;
use crate::exit::Exit;
use crate::render::Failure;

/// One file that could not be read.
#[derive(Debug, Serialize)]
pub(super) struct Unread {
    source: String,
    code: Option<String>,
    reason: String,
    next_step: Option<String>,
}

impl Unread {
    fn new(source: String, failure: &Failure) -> Self {
        let error = failure.diagnostic();
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            let _ = write!(reason, ": {inner}");
            cause = inner.source();
        }
        let own = |text: Option<Box<dyn std::fmt::Display + '_>>| text.map(|text| text.to_string());
        Self { source, code: own(error.code()), reason, next_step: own(error.help()) }
    }

    pub(super) fn lines(&self, out: &mut String) {
        let code = self.code.as_deref().map(|code| format!("[{code}]")).unwrap_or_default();
        let _ = writeln!(out, "not read: {}\n  error{code}: {}", line(&self.source), line(&self.reason));
        if let Some(next) = &self.next_step {
            let _ = writeln!(out, "  hint: {next}");
        }
    }
}

/// What a file that cannot be read means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The end of the run.
    All,
    /// The end of the run if it is the only one.
    SomeOfSeveral,
    /// That it is left out.
    Some,
}

/// Collects what could not be read and is left out.
pub(super) struct Tolerance {
    tolerant: bool,
    pub(super) unread: Vec<Unread>,
}

impl Tolerance {
    pub(super) const fn of(files: usize, reading: Reading) -> Self {
        let tolerant = match reading {
            Reading::All => false,
            Reading::SomeOfSeveral => files > 1,
            Reading::Some => true,
        };
        Self { tolerant, unread: Vec::new() }
    }

    /// The value, `None` where it could not be read and is left out.
    pub(super) fn keep<T>(&mut self, source: &str, read: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match read {
            Ok(value) => Ok(Some(value)),
            Err(failure) if self.tolerant && failure.exit() == Exit::CouldNotLook => {
                self.unread.push(Unread::new(source.to_owned(), &failure));
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// The verdict over answers and what could not be read, and the exit code: the worst of all.
pub(super) fn overall(verdicts: impl IntoIterator<Item = Verdict>, unread: usize) -> (Verdict, Exit) {
    let verdict = Verdict::of_all(verdicts);
    match verdict {
        Verdict::Fail => (verdict, Exit::Fail),
        _ if unread > 0 => (Verdict::Inconclusive, Exit::CouldNotLook),
        _ => (verdict, verdict.into()),
    }
}
