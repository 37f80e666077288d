//! The model: what was seen of one release ([`Evidence`]), and what follows from it
//! ([`Judgement`](super::judge::Judgement)).
//!
//! Nothing in the evidence depends on when or where the audit ran, so that the same inputs give the
//! same bytes. What does vary (durations, the log's digest, the time of judgement) is in [`Run`],
//! which is left out unless asked for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checked::Checked;
use crate::artifact::{Artifact, ArtifactName};
use crate::compare::{Comparison, Difference, Pass, Stopped};
use crate::digest::{Algorithm, Digest, DigestSet};
use crate::environment::lock::LockedFile;
use crate::observation::Observation;
pub use crate::statement::predicate::rebuild::Outcome;

/// Everything that was seen of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Which release.
    pub release: Release,
    /// Indexes that announced the source, the inputs and the published artifacts.
    pub indexes: Vec<Index>,
    /// The source.
    pub source: Source,
    /// The build environment.
    pub environment: Environment,
    /// Our build.
    pub rebuild: Rebuild,
    /// Each published artifact beside ours.
    pub artifacts: Vec<ArtifactPair>,
    /// What was built of artifacts whose published bytes could not be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpublished: Vec<BuiltAlone>,
    /// Published archives whose members are among the artifacts, and what differs in their own headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<Container>,
    /// Checks beside the bytes, each by its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Checked>,
    /// Values read from the artifact under test and replayed: assumed, not proved.
    pub observations: Vec<Observation>,
    /// Stages that could not look, each in one sentence. Anything here forbids a pass.
    pub not_looked: Vec<Gap>,
    /// Exact commands with which anybody can do it again, in order.
    pub again: Vec<String>,
}

/// One published version of a component in one channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The component's name.
    pub component: String,
    /// The version as published.
    pub version: String,
    /// The channel, e.g. `debian bookworm`.
    pub channel: String,
    /// Architecture, e.g. `amd64`.
    pub architecture: String,
    /// Package URL; begins with `pkg:`.
    #[serde(deserialize_with = "purl")]
    pub purl: String,
}

fn purl<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.starts_with("pkg:") {
        Ok(text)
    } else {
        Err(serde::de::Error::custom("a package URL begins with `pkg:`"))
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Its name; Debian's suite, e.g. `bookworm-security`.
    pub suite: String,
    /// The index's own date, RFC 3339; empty where it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub date: String,
    /// Digest of what was read of it.
    pub digest: Digest,
    /// Fingerprints whose signatures over it were verified. Empty means that nobody vouches for it.
    pub signed_by: Vec<String>,
    /// Whether its publisher signs it.
    #[serde(default, skip_serializing_if = "IndexKind::is_signed")]
    pub kind: IndexKind,
}

/// Whether an index is one that its publisher signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IndexKind {
    /// Signed: without a verified signature it vouches for nothing.
    #[default]
    Signed,
    /// A registry's answer, which nobody signs. The lock, which people review, pins what it announced;
    /// that the registry was right is never established, and the report says so.
    Unsigned,
}

impl IndexKind {
    /// Whether it is the usual kind, which JSON leaves out.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    const fn is_signed(&self) -> bool {
        matches!(self, Self::Signed)
    }
}

/// The source package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Source package name.
    pub package: String,
    /// Source package version.
    pub version: String,
    /// All of its files.
    pub files: Vec<SourceFile>,
    /// The source description's own signature, a result apart from the index's.
    pub signature: SourceSignature,
}

/// One source file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Plain file name.
    pub name: String,
    /// Announced length in bytes.
    pub len_bytes: u64,
    /// Announced digest.
    pub digest: Digest,
    /// What became of it.
    pub state: FileState,
}

/// What became of an announced file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Not looked for.
    NotLooked,
    /// The mirror does not have it.
    Missing,
    /// What the mirror sent has another length or digest.
    Mismatched,
    /// Obtained; length and digest are as announced.
    Checked,
}

impl FileState {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotLooked => "not looked for",
            Self::Missing => "missing",
            Self::Mismatched => "other bytes",
            Self::Checked => "as announced",
        }
    }
}

/// The signature on the source description itself (Debian: the `.dsc`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "state", rename_all = "kebab-case")]
pub enum SourceSignature {
    /// Nobody looked.
    NotChecked {
        /// Why not.
        reason: String,
    },
    /// There is none.
    Absent {},
    /// The channel has no place for a signature by the source's author; the index vouches by itself.
    NotOffered {
        /// What there is instead.
        reason: String,
    },
    /// It does not fit the bytes, or the key had no right to make it.
    Refuted {
        /// What is wrong.
        reason: String,
    },
    /// Fits the bytes, but by an algorithm, a key or at a time that is not accepted today (SHA-1, an
    /// expired or unbound key): neither verified nor refuted. The signed index vouches by itself.
    NotRelied {
        /// What is wrong with it.
        reason: String,
    },
    /// Made by a key that the trust root does not hold: neither good nor bad.
    KeyNotKnown {
        /// Key ids or fingerprints that the signature names.
        keys: Vec<String>,
    },
    /// Fits, by a known key.
    Verified {
        /// Who.
        by: Vec<Signer>,
    },
}

/// Whose key it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The key's fingerprint.
    pub fingerprint: String,
    /// The name on the key in the trust root, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The locked inputs of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Digest of the lock; none when the environment could not be resolved.
    pub lock: Option<Digest>,
    /// Every package of the root file system.
    pub packages: Vec<Package>,
    /// Locked files that are no longer offered; not empty means that the environment is unavailable.
    pub missing: Vec<String>,
    /// What the compiler and the packaging tools say of themselves, by name.
    pub toolchain: BTreeMap<String, String>,
    /// What ran, where, with what.
    pub build: Option<Build>,
}

/// One locked input: a binary package of the root file system, a tool chain, a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Package name.
    pub name: String,
    /// Full version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// Length of the file in bytes.
    pub len_bytes: u64,
    /// Digest of the file.
    pub digest: Digest,
    /// Package URL; left out where the release's own channel gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

/// The build definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Absolute folder of the source inside the sandbox.
    pub path: String,
    /// `SOURCE_DATE_EPOCH`, seconds since 1970.
    pub source_date_epoch: i64,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Commands in order.
    pub commands: Vec<Vec<String>>,
    /// What was done before to a copy of the source, in a sandbox of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
}

/// What was done to the source before it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preparation {
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Commands in order.
    pub commands: Vec<Vec<String>>,
}

/// Our build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebuild {
    /// How it ended.
    pub result: BuildResult,
    /// What the sandbox kept from the build, e.g. `network off`.
    pub isolation: Vec<String>,
    /// What was varied in a second build; empty when there was none.
    pub varied: Vec<String>,
    /// The last lines of a failed build's log, without time stamps; empty for a completed one.
    pub log_tail: Vec<String>,
}

/// How a build ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "state", rename_all = "kebab-case")]
pub enum BuildResult {
    /// It was not started.
    NotAttempted {
        /// Why not.
        reason: String,
    },
    /// A command failed.
    StepFailed {
        /// Which, counted from 1.
        step: u32,
        /// The command.
        command: String,
        /// Its exit status; none when a signal ended it.
        status: Option<i32>,
    },
    /// A limit of the sandbox ended it.
    LimitReached {
        /// Which limit, with its value.
        limit: String,
    },
    /// Every command succeeded.
    Completed {},
}

/// Digest and length of bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bytes {
    /// SHA-256.
    pub digest: Digest,
    /// Length in bytes.
    pub len_bytes: u64,
}

/// A published artifact beside ours. Whether they are identical is never stated here: it follows from
/// the digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArtifactPair {
    /// The name under which it is distributed.
    pub name: ArtifactName,
    /// Which member of that archive is compared; none where it is the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Why nothing of ours is to stand beside it, where the recipe says that it does not come from the
    /// source. It is never counted as compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsourced: Option<String>,
    /// As published; the index or the lock announces the digest of the file.
    pub published: Bytes,
    /// As we built it; none when the build left none.
    pub rebuilt: Option<Bytes>,
    /// As our second build left it; none when there was no second build.
    pub rebuilt_again: Option<Bytes>,
    /// Where the published and the rebuilt bytes differ, and why.
    pub differences: Vec<Difference>,
    /// Where the comparison had to stop. Anything here forbids every word that calls the differences
    /// explained.
    pub limits: Vec<Stopped>,
    /// The normalizations under which both sides are equal; empty when there are none.
    pub passes: Vec<Pass>,
}

/// What was built of an artifact whose published bytes could not be had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltAlone {
    /// The name under which it is distributed.
    pub name: ArtifactName,
    /// Which member of that archive; none where it is the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// As we built it.
    pub rebuilt: Bytes,
    /// As our second build left it; none when there was no second build.
    pub rebuilt_again: Option<Bytes>,
}

/// A published archive, of which the members are compared one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// The name under which it is distributed.
    pub name: ArtifactName,
    /// As published.
    pub published: Bytes,
    /// What differs in its own headers, compression and order from an archive of ours with the same
    /// members.
    pub differences: Vec<Difference>,
    /// Where that comparison had to stop.
    pub limits: Vec<Stopped>,
}

/// Something that was not established, with its stable code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// Kebab-case code.
    pub code: String,
    /// One sentence.
    pub text: String,
}

/// What varies from run to run. Never part of a statement, and in JSON only when asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The time of judgement, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// Wall time of the build in whole seconds, by component and version (`prometheus 2.42.0`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub build_seconds: BTreeMap<String, u64>,
    /// Digests of build logs, by component and version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logs: BTreeMap<String, Digest>,
}

impl Release {
    /// Component and version, the key of [`Run`]'s maps.
    pub fn key(&self) -> String {
        format!("{} {}", self.component, self.version)
    }
}

impl Bytes {
    /// Of an artifact; none when it carries no SHA-256.
    pub fn of(artifact: &Artifact) -> Option<Self> {
        Self::from_digests(&artifact.digests, artifact.len_bytes)
    }

    /// From a digest set and a length; none without SHA-256.
    pub fn from_digests(digests: &DigestSet, len_bytes: u64) -> Option<Self> {
        digests.get(Algorithm::Sha256).map(|d| Self { digest: d.clone(), len_bytes })
    }
}

impl Evidence {
    /// Puts every list whose order carries no meaning into one order, so that equal evidence gives
    /// equal bytes.
    #[must_use]
    pub(super) fn sorted(mut self) -> Self {
        for index in &mut self.indexes {
            index.signed_by.sort();
            index.signed_by.dedup();
        }
        self.indexes.sort();
        self.source.files.sort();
        match &mut self.source.signature {
            SourceSignature::Verified { by } => by.sort(),
            SourceSignature::KeyNotKnown { keys } => keys.sort(),
            SourceSignature::NotChecked { .. }
            | SourceSignature::Absent {}
            | SourceSignature::NotOffered { .. }
            | SourceSignature::NotRelied { .. }
            | SourceSignature::Refuted { .. } => {}
        }
        self.environment.packages.sort();
        self.environment.missing.sort();
        self.rebuild.isolation.sort();
        self.rebuild.varied.sort();
        if self.rebuild.result == (BuildResult::Completed {}) {
            self.rebuild.log_tail.clear();
        }
        for pair in &mut self.artifacts {
            pair.differences
                .sort_by_cached_key(|d| (d.path.clone(), d.cause, d.field.clone(), d.a.clone(), d.b.clone()));
            pair.limits.sort_by_cached_key(|l| (l.path.clone(), l.cause, l.detail.clone()));
            pair.passes.sort();
        }
        self.artifacts.sort_by(|a, b| (&a.name, &a.member).cmp(&(&b.name, &b.member)));
        self.unpublished.sort();
        self.containers.sort_by(|a, b| a.name.cmp(&b.name));
        self.checks.sort();
        self.checks.dedup();
        self.observations
            .sort_by(|a, b| (&a.name, &a.value, &a.read_from).cmp(&(&b.name, &b.value, &b.read_from)));
        self.not_looked.sort();
        self
    }
}

/// What a reader calls an artifact: its file, or a member of it.
fn label(name: &ArtifactName, member: Option<&str>) -> String {
    match member {
        Some(member) => format!("{name}: {member}"),
        None => name.to_string(),
    }
}

impl BuiltAlone {
    /// What a reader calls it.
    pub fn label(&self) -> String {
        label(&self.name, self.member.as_deref())
    }
}

impl ArtifactPair {
    /// What a reader calls it.
    pub fn label(&self) -> String {
        label(&self.name, self.member.as_deref())
    }

    /// Takes over what a comparison explains. The digests stay those of the artifacts themselves.
    #[must_use]
    pub fn explained_by(mut self, comparison: &Comparison) -> Self {
        self.differences = comparison.differences.clone();
        self.limits = comparison.limits.clone();
        self.passes = comparison.passes.clone();
        self
    }

    /// An announced artifact of which we have built nothing yet; none for a name that is no file name.
    pub fn announced(file: &LockedFile) -> Option<Self> {
        Some(Self {
            name: ArtifactName::new(file.name.clone()).ok()?,
            member: None,
            unsourced: None,
            published: Bytes { digest: file.digest.clone(), len_bytes: file.size },
            rebuilt: None,
            rebuilt_again: None,
            differences: Vec::new(),
            limits: Vec::new(),
            passes: Vec::new(),
        })
    }
}
