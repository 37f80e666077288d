//! Documented differences: what people have decided to accept, why, who answers for it and until when.
//! An accepted difference is shown all the same and changes no verdict.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use jiff::civil::Date;
use serde::Deserialize;

use super::{Acceptance, Cause, CompareError, Comparison, LedgerNotice, LedgerState};

/// A ledger longer than this is refused: 4 MiB hold some 20,000 entries.
const LEDGER_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    difference: Vec<Raw>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    path: String,
    cause: String,
    reason: String,
    owner: String,
    until: Date,
}

#[derive(Debug)]
struct Entry {
    path: String,
    matcher: GlobMatcher,
    cause: Cause,
    acceptance: Acceptance,
    until: Date,
}

/// The accepted differences of one file: `[[difference]]` tables with `path` (a pattern over the
/// displayed path, where `*` stays within a part and `**` does not), `cause`, `reason`, `owner` and
/// `until`.
#[derive(Debug)]
pub struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, has an unknown key or cause, an empty reason or owner, a path pattern
    /// that is none, or accepts what can never be accepted: an engine outcome.
    pub fn read(path: &Path) -> Result<Self, CompareError> {
        let read = |source| CompareError::Read { path: path.to_owned(), source };
        let bad = |detail: String| CompareError::Ledger { path: PathBuf::from(path), detail };
        if std::fs::metadata(path).map_err(read)?.len() > LEDGER_BYTES_MAX {
            return Err(bad(format!("is longer than {LEDGER_BYTES_MAX} bytes")));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(read)?).map_err(bad)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
        let mut entries = Vec::new();
        for (i, raw) in file.difference.into_iter().enumerate() {
            let at = |detail: String| format!("entry {}: {detail}", i + 1);
            let cause: Cause = raw.cause.parse().map_err(|e| at(format!("{e}")))?;
            if cause.tier() == super::Tier::Outcome {
                return Err(at(format!("`{cause}` means that nothing was seen; that cannot be accepted")));
            }
            for (key, value) in [("path", &raw.path), ("reason", &raw.reason), ("owner", &raw.owner)] {
                if value.trim().is_empty() {
                    return Err(at(format!("`{key}` is empty")));
                }
            }
            let matcher = GlobBuilder::new(&raw.path)
                .literal_separator(true)
                .build()
                .map_err(|e| at(format!("`path`: {e}")))?
                .compile_matcher();
            entries.push(Entry {
                path: raw.path,
                matcher,
                cause,
                acceptance: Acceptance { reason: raw.reason, owner: raw.owner, until: raw.until.to_string() },
                until: raw.until,
            });
        }
        Ok(Self { entries })
    }

    /// Marks what the ledger accepts on a day, and notes entries that are unused or expired. The
    /// verdict stays as it is.
    pub fn apply(&self, comparison: &mut Comparison, as_of: Date) {
        for entry in &self.entries {
            let notice = |state| LedgerNotice { path: entry.path.clone(), cause: entry.cause, state };
            if entry.until < as_of {
                comparison.ledger.push(notice(LedgerState::Expired));
                continue;
            }
            let mut used = false;
            for difference in &mut comparison.differences {
                if difference.cause == entry.cause && entry.matcher.is_match(&difference.path) {
                    used = true;
                    difference.accepted.get_or_insert_with(|| entry.acceptance.clone());
                }
            }
            if !used {
                comparison.ledger.push(notice(LedgerState::Unused));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "[[difference]]\npath = \"**/usr/bin/*\"\ncause = \"elf-build-id\"\nreason = \"r\"\nowner = \"o\"\nuntil = \"2027-01-31\"\n";

    #[test]
    fn what_is_not_whole_is_refused() {
        assert!(Ledger::parse(GOOD).is_ok());
        for (from, to) in [
            ("\"o\"", "\" \""),
            ("\"r\"", "\"\""),
            ("elf-build-id", "elf-bild-id"),
            ("elf-build-id", "limit-bytes"),
            ("2027-01-31", "2027-02-31"),
            ("owner", "ownr"),
            ("**/usr", "[/usr"),
        ] {
            assert!(Ledger::parse(&GOOD.replace(from, to)).is_err(), "{to}");
        }
    }
}
