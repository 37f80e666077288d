//! SLSA provenance v1 of our own builds, as written. What others wrote is read by
//! [`crate::statement::predicate`].

use std::collections::BTreeMap;

use serde::Serialize;

use crate::digest::DigestSet;
use crate::statement::ResourceDescriptor;

/// URI of the predicate's type, <https://slsa.dev/spec/v1.1/provenance>.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";
/// How to read our parameters: a Debian source package, built from a lock. Documented in
/// `attestations/README.md`.
pub const BUILD_TYPE: &str = "https://reprove.dev/build-type/debian-package/v1";
/// The same for releases of other channels: commands over sources and inputs that a lock pins.
pub const BUILD_TYPE_LOCKED: &str = "https://reprove.dev/build-type/locked-commands/v1";
/// Who built: this tool on a machine of whoever ran it. It says nothing of that machine's integrity, so
/// that provenance of ours claims no SLSA level by itself.
pub const BUILDER_ID: &str = "https://reprove.dev/builder/local/v1";

/// The build type of a release by its package URL.
pub fn build_type(purl: &str) -> &'static str {
    if purl.starts_with("pkg:deb/") { BUILD_TYPE } else { BUILD_TYPE_LOCKED }
}

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What was to be built, and from what.
    pub build_definition: BuildDefinition,
    /// Who built it.
    pub run_details: RunDetails,
}

/// What was to be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// [`BUILD_TYPE`] or [`BUILD_TYPE_LOCKED`].
    pub build_type: String,
    /// What whoever asked for the build decided.
    pub external_parameters: ExternalParameters,
    /// What the lock decides.
    pub internal_parameters: InternalParameters,
    /// Every input by digest: signed indexes, source files, packages of the root file system.
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// What whoever asked for the build decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalParameters {
    /// Package URL of the release.
    pub release: String,
    /// Digest of the lock.
    pub lock: Option<DigestSet>,
}

/// What the lock decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InternalParameters {
    /// Folder of the source inside the sandbox.
    pub path: String,
    /// `SOURCE_DATE_EPOCH`.
    pub source_date_epoch: i64,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Commands in order.
    pub commands: Vec<Vec<String>>,
    /// What was done before to a copy of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preparation: Option<Preparation>,
}

/// What was done to a copy of the source before it was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preparation {
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Commands in order.
    pub commands: Vec<Vec<String>>,
}

/// Who built it. SLSA's `metadata` is left out: it holds times and an invocation's id, which would make
/// equal builds give unequal statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// The builder.
    pub builder: Builder,
}

/// The builder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// [`BUILDER_ID`].
    pub id: String,
    /// Versions of what it is made of.
    pub version: BTreeMap<String, String>,
}
