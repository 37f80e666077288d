//! How to look, by kind.

use serde::{Deserialize, Serialize};

use super::text::{Commit, Day, Pattern, RepositoryName, Revision, SourcePath};
use crate::probe::spec::Probe;

/// How to look, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Check {
    /// A text stands in the source.
    SourceContains(SourceCheck),
    /// A text, or a whole file, does not stand in the source.
    SourceAbsent(SourceCheck),
    /// A commit is an ancestor of the release.
    CommitInRelease(CommitCheck),
    /// The release has a commit that makes the same change.
    PatchEquivalent(PatchCheck),
    /// What our rebuild of the release came to.
    RebuildVerdict(RebuildCheck),
    /// A verified attestation is there for the published artifact.
    AttestationPresent(AttestationCheck),
    /// A document says something, or is there at all.
    Document(SourceCheck),
    /// Two people looked.
    Manual(ManualCheck),
    /// The program is started and asked.
    #[serde(untagged)]
    Probe(Probe),
}

/// An earlier state in which the check must not hold: what cannot fail shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CounterExample {
    /// In which repository.
    pub repository: RepositoryName,
    /// At which revision.
    pub revision: Revision,
}

/// A look at files of a source tree: the release's own authenticated one, or a repository's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceCheck {
    /// A file, or a folder with every file below it.
    pub path: SourcePath,
    /// What must, or must not, stand there. `source-absent` may leave it out: then the path itself must not
    /// be there; and `document`: then it is enough that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// Where the source is looked at in a repository; none for the authenticated source of the release
    /// under test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryName>,
    /// At which revision; none for the tag `v{version}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Where it must not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_example: Option<CounterExample>,
}

/// Whether a commit is an ancestor of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommitCheck {
    /// In which repository.
    pub repository: RepositoryName,
    /// Which commit.
    pub commit: Commit,
    /// Of which revision; none for the release's tag `v{version}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Where it must not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_example: Option<CounterExample>,
}

/// Whether a revision has a commit with the same change, by git's patch id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PatchCheck {
    /// In which repository.
    pub repository: RepositoryName,
    /// The commit whose change is looked for.
    pub commit: Commit,
    /// In the history of which revision; none for the release's tag `v{version}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// What our rebuild must have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RebuildCheck {
    /// The outcome.
    pub outcome: Wanted,
}

/// An outcome of a rebuild that a check can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Every published artifact has the same bytes.
    Identical,
    /// The bytes differ, or a second build of our own differs.
    NotIdentical,
}

/// An attestation about the published artifact, verified against a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AttestationCheck {
    /// The predicate's type, e.g. `https://slsa.dev/provenance/v1`.
    pub predicate_type: String,
    /// File below the root, as `reprove verify --policy` takes it: whose attestation it must be.
    pub policy: SourcePath,
}

/// What two people saw. It holds for the release they name, and for no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ManualCheck {
    /// The upstream version of the release that they looked at.
    pub release: String,
    /// What is to be looked at, so that others can.
    pub what: String,
    /// Who looked: two people, or more.
    pub reviewers: Vec<Reviewer>,
}

/// Somebody who looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reviewer {
    /// The name.
    pub name: String,
    /// When.
    pub on: Day,
    /// Whether they saw it.
    pub saw: bool,
}

impl Check {
    /// The path that it looks at in the authenticated source of the release under test.
    pub const fn path_in_release(&self) -> Option<&SourcePath> {
        match self {
            Self::SourceContains(c) | Self::SourceAbsent(c) | Self::Document(c) if c.repository.is_none() => {
                Some(&c.path)
            }
            _ => None,
        }
    }

    /// Repositories that it looks into.
    pub fn repositories(&self) -> impl Iterator<Item = &RepositoryName> {
        let (own, counter) = match self {
            Self::SourceContains(c) | Self::SourceAbsent(c) | Self::Document(c) => {
                (c.repository.as_ref(), c.counter_example.as_ref())
            }
            Self::CommitInRelease(c) => (Some(&c.repository), c.counter_example.as_ref()),
            Self::PatchEquivalent(c) => (Some(&c.repository), None),
            _ => (None, None),
        };
        own.into_iter().chain(counter.map(|counter| &counter.repository))
    }

    /// The kind as the files have it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SourceContains(_) => "source-contains",
            Self::SourceAbsent(_) => "source-absent",
            Self::CommitInRelease(_) => "commit-in-release",
            Self::PatchEquivalent(_) => "patch-equivalent",
            Self::RebuildVerdict(_) => "rebuild-verdict",
            Self::AttestationPresent(_) => "attestation-present",
            Self::Document(_) => "document",
            Self::Manual(_) => "manual",
            Self::Probe(probe) => probe.kind(),
        }
    }
}
