//! Which word the evidence earns: for a difference, for an artifact, for a release.

use super::model::{ArtifactPair, BuildResult, BuiltAlone, Evidence, FileState, Index, IndexKind, Outcome};
use crate::compare::{Cause, Difference};
use crate::verdict::Verdict;

/// The outcome of one artifact.
pub fn artifact_outcome(pair: &ArtifactPair) -> Outcome {
    let Some(rebuilt) = &pair.rebuilt else {
        // A member that nothing of ours stands beside is content that the source does not explain.
        let extra = pair.differences.iter().any(|d| d.cause == Cause::MemberRemoved);
        return if extra { Outcome::Different } else { Outcome::NotBuilt };
    };
    if *rebuilt == pair.published {
        return Outcome::Identical;
    }
    if pair.rebuilt_again.as_ref().is_some_and(|again| again != rebuilt) {
        return Outcome::Unstable;
    }
    explained(pair)
}

/// The word that stands beside an artifact in a report, and what it counts for.
pub(super) fn artifact_word(pair: &ArtifactPair, was_compared: bool) -> (&'static str, Verdict) {
    match artifact_outcome(pair) {
        Outcome::NotBuilt if pair.unsourced.is_some() => ("not of this source", Verdict::Inconclusive),
        _ if !was_compared => ("not compared", Verdict::Inconclusive),
        outcome => (outcome.word(), outcome.verdict()),
    }
}

/// Whether an index is signed, or one that nobody signs and whose word the lock pins.
pub(super) fn vouches(index: &Index) -> bool {
    index.kind == IndexKind::Unsigned || !index.signed_by.is_empty()
}

/// The outcome of what has nothing published beside it.
fn built_alone(built: &BuiltAlone) -> Outcome {
    match &built.rebuilt_again {
        Some(again) if *again != built.rebuilt => Outcome::Unstable,
        _ => Outcome::PublishedNotReachable,
    }
}

/// Which word the explanation of differing bytes earns. What is not wholly explained is `different`,
/// or `undetermined` where the comparison had to stop before it met a difference that settles it.
fn explained(pair: &ArtifactPair) -> Outcome {
    let differences = &pair.differences;
    if !pair.limits.is_empty() {
        let settled = differences.iter().any(|d| Class::of(d) == Class::Content);
        return if settled { Outcome::Different } else { Outcome::Undetermined };
    }
    if differences.is_empty() {
        return Outcome::Different;
    }
    if differences.iter().all(|d| d.is_identifier() || d.is_recorded_input()) {
        let has = |class| differences.iter().any(|d| Class::of(d) == class);
        return if has(Class::Identifier) {
            Outcome::IdentifiersOnly
        } else if has(Class::RecordedInput) {
            Outcome::RecordedInputsOnly
        } else {
            // Derived values without what they derive from.
            Outcome::Different
        };
    }
    let removed = |d: &Difference| d.cause.pass_id().is_some_and(|id| pair.passes.iter().any(|p| p.id == id));
    if differences.iter().all(removed) { Outcome::Equivalent } else { Outcome::Different }
}

/// What kind of value a difference touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Programs, data, metadata: what nothing explains away.
    Content,
    /// Removed by a named normalization.
    Normalized,
    /// Follows from other differences that are listed too (a checksum list).
    Derived,
    /// An identifier that the toolchain derives from its own version strings (a build ID).
    Identifier,
    /// The record of what the build used.
    RecordedInput,
}

impl Class {
    /// Of a difference.
    pub fn of(difference: &Difference) -> Self {
        if difference.is_recorded_input() {
            Self::RecordedInput
        } else if difference.derived {
            Self::Derived
        } else if difference.is_identifier() {
            Self::Identifier
        } else if difference.cause.tier().number().is_some() {
            Self::Normalized
        } else {
            Self::Content
        }
    }

    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Normalized => "benign variation",
            Self::Derived => "derived value",
            Self::Identifier => "identifier",
            Self::RecordedInput => "recorded input",
        }
    }
}

/// The outcome of a release: of what stopped the audit first, else of its worst artifact.
pub fn outcome(evidence: &Evidence) -> Outcome {
    let source = &evidence.source;
    let unavailable = |s: FileState| matches!(s, FileState::Missing | FileState::Mismatched);
    if source.files.is_empty() || source.files.iter().any(|f| unavailable(f.state)) {
        return Outcome::SourceUnavailable;
    }
    if evidence.environment.lock.is_none() || !evidence.environment.missing.is_empty() {
        return Outcome::EnvironmentUnavailable;
    }
    if evidence.rebuild.result != (BuildResult::Completed {}) {
        return Outcome::NotBuilt;
    }
    if evidence.containers.iter().flat_map(|c| &c.differences).any(|d| Class::of(d) == Class::Content) {
        return Outcome::Different;
    }
    let alone = evidence.unpublished.iter().map(built_alone);
    // What the recipe says that the source does not hold is compared with nothing; it makes the whole no
    // better than partly identical.
    let (apart, compared): (Vec<_>, Vec<_>) =
        evidence.artifacts.iter().partition(|p| p.unsourced.is_some() && p.rebuilt.is_none());
    let worst = compared.into_iter().map(artifact_outcome).chain(alone).min().unwrap_or(Outcome::NotBuilt);
    if worst == Outcome::Identical && !apart.is_empty() { Outcome::PartlyIdentical } else { worst }
}
