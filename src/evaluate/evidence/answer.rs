//! What was seen.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "state", rename_all = "kebab-case")]
pub enum Answered {
    /// It is as the check expects. Whether that is good news is for `asserts` to say.
    Holds {},
    /// It was looked at, and is otherwise.
    DoesNotHold {},
    /// Neither was established.
    CouldNotTell {
        /// Kebab-case code.
        code: String,
        /// One sentence.
        reason: String,
    },
}

impl Answered {
    /// Nothing established.
    pub fn could_not_tell(code: &str, reason: impl Into<String>) -> Self {
        Self::CouldNotTell { code: code.to_owned(), reason: reason.into() }
    }

    /// In words.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Holds {} => "holds",
            Self::DoesNotHold {} => "does not hold",
            Self::CouldNotTell { .. } => "could not tell",
        }
    }
}

/// On what it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "on", rename_all = "kebab-case")]
pub enum Basis {
    /// Our own build of the authenticated source ran.
    RebuiltBinary {
        /// Its artifact.
        artifact: String,
        /// The artifact's digest.
        digest: Digest,
        /// Whether the published artifact has the same bytes.
        identical: bool,
    },
    /// The published artifact ran; nothing here ties it to a source.
    PublishedBinary {
        /// Its name.
        artifact: String,
        /// Its digest.
        digest: Digest,
    },
    /// The authenticated source of the release was read, with the distribution's patches.
    ReleaseSource {
        /// Source package and version.
        package: String,
        /// Whether our rebuild of it gave the published bytes.
        tied: bool,
    },
    /// A clone was read. Whose clone it is, and that it is whole, is its owner's word.
    Repository {
        /// The repository's name.
        name: String,
        /// The commit that was read.
        commit: String,
    },
    /// Our own rebuild's outcome, or the publisher's verified attestation.
    Record {},
    /// People's word.
    Statement {},
    /// Nothing was looked at.
    Nothing {},
}

/// How strong an answer is, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Nothing was looked at.
    None,
    /// Two named people say so.
    Statement,
    /// A document says so.
    Document,
    /// Read in somebody's clone of a repository.
    Repository,
    /// Read in the authenticated source of the release, which nothing ties to the published bytes.
    Source,
    /// Seen on the published binary, which nothing ties to a source.
    PublishedBinary,
    /// Seen on a binary that this source builds; the published one has other bytes.
    RebuiltBinary,
    /// Read in the authenticated source that the published bytes are built from.
    TiedSource,
    /// Seen on a binary that this source builds and whose bytes are the published ones.
    TiedBinary,
}

impl Strength {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "not looked",
            Self::Statement => "stated by two reviewers",
            Self::Document => "said in a document",
            Self::Repository => "read in a clone",
            Self::Source => "read in the authenticated source",
            Self::PublishedBinary => "shown on the published binary",
            Self::RebuiltBinary => "shown on our rebuild, which differs from the published binary",
            Self::TiedSource => "shown in the source of these bytes",
            Self::TiedBinary => "shown on these bytes",
        }
    }
}

/// What became of a counter-example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterExampleAnswer {
    /// Where the check must not hold.
    pub at: String,
    /// Whether it does not: the check can fail. None when it could not be looked at.
    pub fails_there: Option<bool>,
    /// In words.
    pub found: String,
}

/// One check with what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The specification's id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// What it came to.
    pub answered: Answered,
    /// On what.
    pub basis: Basis,
    /// What was asked, in one line or a few.
    pub request: String,
    /// What the check expects.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// Where the check must fail, and whether it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_example: Option<CounterExampleAnswer>,
    /// How to run it again.
    pub again: String,
}

impl Answer {
    /// How strong it is: from its kind, and from what ties what was looked at to the source. What could
    /// not be told has no strength.
    pub fn strength(&self) -> Strength {
        if matches!(self.answered, Answered::CouldNotTell { .. }) {
            return Strength::None;
        }
        match (&self.basis, &*self.kind) {
            (Basis::Nothing {}, _) => Strength::None,
            (Basis::Statement {}, _) => Strength::Statement,
            (_, "document") => Strength::Document,
            (Basis::Repository { .. }, _) => Strength::Repository,
            (Basis::ReleaseSource { tied: false, .. } | Basis::Record {}, _) => Strength::Source,
            (Basis::ReleaseSource { tied: true, .. }, _) => Strength::TiedSource,
            (Basis::PublishedBinary { .. }, _) => Strength::PublishedBinary,
            (Basis::RebuiltBinary { identical: false, .. }, _) => Strength::RebuiltBinary,
            (Basis::RebuiltBinary { identical: true, .. }, _) => Strength::TiedBinary,
        }
    }

    /// The same question, of which nothing is known.
    #[must_use]
    pub fn taken_away(mut self) -> Self {
        self.answered = Answered::could_not_tell("evidence-not-there", "nothing was seen");
        self.basis = Basis::Nothing {};
        self
    }
}
