//! What a comparison says. The serialised form is published as a JSON Schema ([`super::SCHEMA_JSON`]).

use serde::{Deserialize, Serialize};

use super::cause::{Cause, Tier};
use crate::verdict::Verdict;

/// The four answers of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// Every byte is equal. Only bytes make this.
    Identical,
    /// Equal after the named normalizations, and none of them can be left out. Never printed as
    /// identical.
    Equivalent,
    /// A difference that no permitted normalization removes.
    Different,
    /// A limit was reached or a side is malformed, and nothing that was seen settles it.
    Undetermined,
}

impl Answer {
    /// The word as in the JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Equivalent => "equivalent",
            Self::Different => "different",
            Self::Undetermined => "undetermined",
        }
    }
}

/// A named, versioned normalization that was needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    /// Its id.
    pub id: String,
    /// Its version: raised whenever it begins to accept something else.
    pub version: u32,
}

/// How a cause was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// From parsed fields.
    Exact,
    /// From a pattern in text.
    Pattern,
}

/// Which side something was found on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The published artifact.
    Published,
    /// The rebuilt artifact.
    Rebuilt,
    /// Both.
    Both,
}

/// One difference with its cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The member's path from the artifact inwards, parts joined by `/`, bytes that are not printable
    /// escaped; `.` is the artifact itself.
    pub path: String,
    /// Why.
    pub cause: Cause,
    /// The cause's tier.
    pub tier: Tier,
    /// How the cause was found.
    pub confidence: Confidence,
    /// The published side's value, shortened; `None` where it has none.
    pub a: Option<String>,
    /// The rebuilt side's value.
    pub b: Option<String>,
    /// The field, section or function, where the difference has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How many bytes differ, where the sides can be laid over each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Follows from other differences and fits them (a checksum line, a size): not a cause of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Lines with a sign before them (` `, `-`, `+`), bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<String>,
    /// The ledger's entry that accepts it. It is shown all the same and makes nothing identical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

/// The reason why people accept a documented difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Why.
    pub reason: String,
    /// Who decided.
    pub owner: String,
    /// Until when, `YYYY-MM-DD`, that day included.
    pub until: String,
}

/// Where the engine had to stop, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    /// The member's path, as in [`Difference::path`].
    pub path: String,
    /// An engine outcome.
    pub cause: Cause,
    /// On which side.
    pub side: Side,
    /// What exactly.
    pub detail: String,
}

/// An entry of the ledger that calls for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerNotice {
    /// The entry's path pattern.
    pub path: String,
    /// The entry's cause.
    pub cause: Cause,
    /// `unused` or `expired`.
    pub state: LedgerState,
}

/// What is wrong with a ledger's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LedgerState {
    /// Nothing that was found is covered by it.
    Unused,
    /// Its end date has passed; it accepts nothing.
    Expired,
}

/// One side, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Original {
    /// The file's name.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal; for a directory, of the sorted list of its files.
    pub sha256: String,
    /// Length in bytes; for a directory, of all its files.
    pub len_bytes: u64,
}

/// The outcome of comparing a published artifact with a rebuilt one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The answer.
    pub verdict: Answer,
    /// The normalizations that were needed, for [`Answer::Equivalent`] only, sorted.
    pub passes: Vec<Pass>,
    /// Every difference, sorted by path, then cause.
    pub differences: Vec<Difference>,
    /// Innermost members whose content differs, sorted.
    pub changed_members: Vec<String>,
    /// Where the engine stopped.
    pub limits: Vec<Stopped>,
    /// The published side.
    pub published: Original,
    /// The rebuilt side.
    pub rebuilt: Original,
    /// Masked comparison, when values to put aside were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<Masked>,
    /// Entries of the ledger that are unused or expired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ledger: Vec<LedgerNotice>,
}

/// The comparison with known values put aside on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masked {
    /// The values that were put aside.
    pub values: Vec<String>,
    /// Changed members in which nothing else differs.
    pub explained: Vec<String>,
    /// Changed members in which something else differs too.
    pub remaining: Vec<String>,
}

/// What the differences amount to, for an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Every byte is equal.
    Identical,
    /// Differs only in identifiers that come from the toolchain's own version strings, or in recorded
    /// build inputs. Listed by [`Comparison::residue`]; never called identical.
    IdentifiersOnly,
    /// Differs in other ways.
    Different,
    /// The engine had to stop before it could say.
    Undetermined,
}

/// One item of what is left when only identifiers or recorded inputs differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidueItem {
    /// The member's path.
    pub path: String,
    /// The cause.
    pub cause: Cause,
    /// The field, for a recorded input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// How many bytes differ.
    pub bytes: u64,
}

/// Control fields that record what a build used and nothing else (Debian policy 7.8 and its
/// successors).
pub const RECORDED_INPUT_FIELDS: [&str; 4] =
    ["Built-Using", "Static-Built-Using", "X-Cargo-Built-Using", "X-Static-Built-Using"];

impl Difference {
    /// Whether it is an identifier that the toolchain derives, or what follows from one.
    pub fn is_identifier(&self) -> bool {
        matches!(self.cause, Cause::ElfBuildId | Cause::ElfDebuglink | Cause::GoBuildid)
            || (self.cause == Cause::ChecksumManifest && self.derived)
            || (self.cause == Cause::MemberRenamed && self.derived)
    }

    /// Whether it is a record of what the build used.
    pub fn is_recorded_input(&self) -> bool {
        self.field.as_deref().is_some_and(|f| RECORDED_INPUT_FIELDS.contains(&f))
    }
}

impl Comparison {
    /// What the differences amount to. [`Class::IdentifiersOnly`] needs at least one difference, and
    /// every one an identifier, something derived from one, or a recorded input.
    pub fn class(&self) -> Class {
        match self.verdict {
            Answer::Identical => Class::Identical,
            Answer::Undetermined => Class::Undetermined,
            Answer::Equivalent | Answer::Different => {
                let only = !self.differences.is_empty()
                    && self.limits.is_empty()
                    && self.differences.iter().all(|d| d.is_identifier() || d.is_recorded_input())
                    && self
                        .differences
                        .iter()
                        .any(|d| d.is_recorded_input() || d.cause != Cause::ChecksumManifest);
                if only { Class::IdentifiersOnly } else { Class::Different }
            }
        }
    }

    /// The identifiers and recorded inputs that differ, with their byte counts; empty unless
    /// [`Comparison::class`] is [`Class::IdentifiersOnly`].
    pub fn residue(&self) -> Vec<ResidueItem> {
        if self.class() != Class::IdentifiersOnly {
            return Vec::new();
        }
        self.differences
            .iter()
            .map(|d| ResidueItem {
                path: d.path.clone(),
                cause: d.cause,
                field: d.field.clone(),
                bytes: d.bytes.unwrap_or(0),
            })
            .collect()
    }

    /// The verdict in the three words that every stage shares. Equivalent is inconclusive: it is not
    /// a pass, and no evidence against.
    pub fn as_verdict(&self) -> Verdict {
        match self.verdict {
            Answer::Identical => Verdict::Pass,
            Answer::Equivalent | Answer::Undetermined => Verdict::Inconclusive,
            Answer::Different => Verdict::Fail,
        }
    }
}
