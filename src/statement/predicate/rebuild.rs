//! Our own predicate: a published release beside a rebuild of it,
//! `https://reprove.dev/attestation/rebuild-comparison/v1`.
//!
//! The subjects are the published artifacts, by the digests that the signed index announces. The
//! predicate says what a rebuild of each gave, whether it is identical, and what was not established.
//! It is written for failures and inconclusive results as well as for matches. It holds no clock value
//! and no host name: the same inputs give the same bytes.
//!
//! A reader must refuse what it does not know: [`read`] takes no unknown field, and checks that
//! `identical` is said where the digests are equal and nowhere else. It does not establish that the
//! statement is true; a signature by somebody who is trusted, or doing it again, says that.

use std::fmt;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::artifact::ArtifactName;
use crate::digest::{Agreement, DigestSet};
use crate::observation::Observation;
use crate::statement::{STATEMENT_V1, Statement, Subject};
use crate::verdict::Verdict;

/// URI of the predicate's type.
pub const PREDICATE_TYPE: &str = "https://reprove.dev/attestation/rebuild-comparison/v1";

/// Bytes of a statement. Default 16 MiB: one artifact with its summary takes less than 2 KiB.
const STATEMENT_BYTES_MAX: usize = 16 << 20;

/// What an audit found, in one phrase. Ordered from worst to best among those that were compared;
/// the phrases are stable interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The bytes differ, and not only where identifiers or recorded inputs are.
    #[serde(rename = "different")]
    Different,
    /// No authentic source could be had.
    #[serde(rename = "source unavailable")]
    SourceUnavailable,
    /// The locked build environment could not be had.
    #[serde(rename = "environment unavailable")]
    EnvironmentUnavailable,
    /// The build failed, or left no artifact to compare.
    #[serde(rename = "not built")]
    NotBuilt,
    /// It was built, but what was published could not be had, so that nothing could be compared.
    #[serde(rename = "published artifact not reachable")]
    PublishedNotReachable,
    /// The comparison had to stop before it could say what differs.
    #[serde(rename = "undetermined")]
    Undetermined,
    /// Our own two builds disagree, so that a difference accuses nobody.
    #[serde(rename = "unstable")]
    Unstable,
    /// Equal after the named normalizations. Not identical.
    #[serde(rename = "equivalent")]
    Equivalent,
    /// Only identifiers derived from the toolchain's own version strings differ, perhaps beside the
    /// record of what the build used. Not identical.
    #[serde(rename = "identifiers only")]
    IdentifiersOnly,
    /// Only the record of what the build used differs. Not identical.
    #[serde(rename = "recorded inputs only")]
    RecordedInputsOnly,
    /// Every member that is to come from the source is identical; others are not to come from it, and
    /// nothing stands beside them. Not identical.
    #[serde(rename = "partly identical")]
    PartlyIdentical,
    /// Every published byte equals the rebuilt one.
    #[serde(rename = "identical")]
    Identical,
}

impl Outcome {
    /// All of them, worst first.
    pub const ALL: [Self; 12] = [
        Self::Different,
        Self::SourceUnavailable,
        Self::EnvironmentUnavailable,
        Self::NotBuilt,
        Self::PublishedNotReachable,
        Self::Undetermined,
        Self::Unstable,
        Self::Equivalent,
        Self::IdentifiersOnly,
        Self::RecordedInputsOnly,
        Self::PartlyIdentical,
        Self::Identical,
    ];

    /// The phrase, as in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Different => "different",
            Self::SourceUnavailable => "source unavailable",
            Self::EnvironmentUnavailable => "environment unavailable",
            Self::NotBuilt => "not built",
            Self::PublishedNotReachable => "published artifact not reachable",
            Self::Undetermined => "undetermined",
            Self::Unstable => "unstable",
            Self::Equivalent => "equivalent",
            Self::IdentifiersOnly => "identifiers only",
            Self::RecordedInputsOnly => "recorded inputs only",
            Self::PartlyIdentical => "partly identical",
            Self::Identical => "identical",
        }
    }

    /// The best verdict that this outcome allows. Only equal bytes allow a pass.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Identical => Verdict::Pass,
            Self::Different => Verdict::Fail,
            Self::SourceUnavailable
            | Self::EnvironmentUnavailable
            | Self::NotBuilt
            | Self::PublishedNotReachable
            | Self::Undetermined
            | Self::Unstable
            | Self::Equivalent
            | Self::IdentifiersOnly
            | Self::RecordedInputsOnly
            | Self::PartlyIdentical => Verdict::Inconclusive,
        }
    }

    /// Whether anything was compared.
    pub const fn is_compared(self) -> bool {
        !matches!(
            self,
            Self::SourceUnavailable
                | Self::EnvironmentUnavailable
                | Self::NotBuilt
                | Self::PublishedNotReachable
        )
    }

    /// Whether bytes differ only where named, explained values are (exit code 5).
    pub const fn is_explained(self) -> bool {
        matches!(self, Self::Equivalent | Self::IdentifiersOnly | Self::RecordedInputsOnly)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RebuildComparison {
    /// Package URL of the release.
    pub purl: String,
    /// Pass, inconclusive or fail.
    pub verdict: Verdict,
    /// In one phrase.
    pub outcome: Outcome,
    /// One sentence: why.
    pub why: String,
    /// Which program says so.
    pub tool: Tool,
    /// Digest of the lock that names every input; none when there was none.
    pub lock: Option<DigestSet>,
    /// Each subject beside its rebuild, in the subjects' order.
    pub artifacts: Vec<ComparedArtifact>,
    /// Values read from the published artifact and replayed: assumed, not proved.
    pub observations: Vec<Observation>,
    /// What was not established.
    pub not_established: Vec<NotEstablished>,
}

/// A program with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// `reprove`.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self { name: env!("CARGO_PKG_NAME").to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// One published artifact beside its rebuild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ComparedArtifact {
    /// The subject's name, or the archive that the subject is a member of.
    pub name: ArtifactName,
    /// The subject's name within that archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Digests of what our build gave; none when it gave nothing.
    pub rebuilt: Option<DigestSet>,
    /// In one phrase.
    pub outcome: Outcome,
    /// The differences by cause, sorted.
    pub differences: Vec<DifferenceSummary>,
}

/// How often one cause was met.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DifferenceSummary {
    /// The cause's stable id.
    pub cause: String,
    /// In how many places.
    pub places: u64,
    /// How many bytes differ, as far as they were counted.
    pub bytes: u64,
}

/// One thing that was not established.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotEstablished {
    /// Kebab-case code.
    pub code: String,
    /// One sentence.
    pub text: String,
}

/// A subject's name: the artifact's, and for a member of an archive `<archive>/<member>`.
pub fn subject_name(name: &ArtifactName, member: Option<&str>) -> String {
    member.map_or_else(|| name.to_string(), |member| format!("{name}/{member}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosedStatement {
    #[serde(rename = "_type")]
    type_: String,
    subject: Vec<ClosedSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: RebuildComparison,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosedSubject {
    name: String,
    digest: DigestSet,
}

/// Reads a statement of this type: a closed document, whose words must fit its digests.
pub fn read(bytes: &[u8]) -> Result<Statement<RebuildComparison>, RebuildStatementError> {
    if bytes.len() > STATEMENT_BYTES_MAX {
        return Err(RebuildStatementError::Limit { bytes_max: STATEMENT_BYTES_MAX });
    }
    let file: ClosedStatement =
        serde_json::from_slice(bytes).map_err(|source| RebuildStatementError::Syntax { source })?;
    for (what, expected, found) in
        [("_type", STATEMENT_V1, &file.type_), ("predicateType", PREDICATE_TYPE, &file.predicate_type)]
    {
        if expected != found {
            return Err(RebuildStatementError::Type {
                what,
                expected,
                found: found.chars().take(120).collect(),
            });
        }
    }
    check(&file)?;
    let subject = file.subject.into_iter().map(|s| Subject { name: s.name, digest: s.digest }).collect();
    Ok(Statement::new(subject, PREDICATE_TYPE, file.predicate))
}

fn check(file: &ClosedStatement) -> Result<(), RebuildStatementError> {
    let contradiction =
        |what: &str| Err(RebuildStatementError::Contradiction { what: what.chars().take(300).collect() });
    let predicate = &file.predicate;
    if file.subject.is_empty() {
        return contradiction("it has no subject");
    }
    if file.subject.len() != predicate.artifacts.len() {
        return contradiction("it has not one artifact for each subject");
    }
    for (subject, artifact) in file.subject.iter().zip(&predicate.artifacts) {
        let name = subject_name(&artifact.name, artifact.member.as_deref());
        if subject.name != name {
            return contradiction(&format!("subject `{}` stands beside artifact `{name}`", subject.name));
        }
        let equal =
            artifact.rebuilt.as_ref().is_some_and(|r| r.agreement(&subject.digest) == Agreement::Same);
        if equal != (artifact.outcome == Outcome::Identical) {
            return contradiction(&format!(
                "`{}` is called {}, against its digests",
                subject.name, artifact.outcome
            ));
        }
    }
    let all = predicate.artifacts.iter().all(|a| a.outcome == Outcome::Identical);
    if predicate.outcome == Outcome::Identical && !all {
        return contradiction("it is called identical, and an artifact is not");
    }
    let partly = |a: &ComparedArtifact| matches!(a.outcome, Outcome::Identical | Outcome::NotBuilt);
    let any = predicate.artifacts.iter().any(|a| a.outcome == Outcome::Identical);
    if predicate.outcome == Outcome::PartlyIdentical && !(any && predicate.artifacts.iter().all(partly)) {
        return contradiction("it is called partly identical, and none is identical or one differs");
    }
    if predicate.verdict > predicate.outcome.verdict() {
        return contradiction(&format!("`{}` is called a {}", predicate.outcome, predicate.verdict));
    }
    Ok(())
}

/// Why a statement could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum RebuildStatementError {
    /// Not such a statement, or one with fields that this version does not know.
    #[error("not a rebuild comparison of version 1")]
    #[diagnostic(code(rebuild_statement::syntax), help("read it with the version of the tool that wrote it"))]
    Syntax {
        /// Where and what.
        #[source]
        source: serde_json::Error,
    },
    /// Another type.
    #[error("expected {what} `{expected}`, found `{}`", found.escape_debug())]
    #[diagnostic(code(rebuild_statement::type_uri), help("give a statement of that type"))]
    Type {
        /// Which field.
        what: &'static str,
        /// What it must be.
        expected: &'static str,
        /// As found, shortened.
        found: String,
    },
    /// Its words do not fit its digests.
    #[error("the statement contradicts itself: {}", what.escape_debug())]
    #[diagnostic(
        code(rebuild_statement::contradiction),
        help("treat it as forged or damaged, and audit again")
    )]
    Contradiction {
        /// What.
        what: String,
    },
    /// Too large.
    #[error("the statement has more than {bytes_max} bytes")]
    #[diagnostic(
        code(rebuild_statement::limit),
        help("treat it as hostile: an honest one is a thousand times smaller")
    )]
    Limit {
        /// The bound.
        bytes_max: usize,
    },
}
