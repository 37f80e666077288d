//! SLSA provenance v0.2, `https://slsa.dev/provenance/v0.2`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::null_as_default;

/// The predicate.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Who built.
    #[serde(default, deserialize_with = "null_as_default")]
    pub builder: Builder,
    /// How to read `invocation`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub build_type: String,
    /// What started the build.
    #[serde(default, deserialize_with = "null_as_default")]
    pub invocation: Invocation,
    /// Steps, of any shape.
    #[serde(default)]
    pub build_config: Value,
    /// Times and claims of completeness.
    #[serde(default)]
    pub metadata: Option<Metadata>,
    /// What went in; by convention of GitHub's builders the source comes first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub materials: Vec<Material>,
}

/// `builder`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Builder {
    /// URI of the builder.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
}

/// `invocation`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    /// Where the build's configuration stands.
    #[serde(default, deserialize_with = "null_as_default")]
    pub config_source: ConfigSource,
    /// Parameters, of any shape.
    #[serde(default)]
    pub parameters: Value,
    /// Environment, of any shape.
    #[serde(default)]
    pub environment: Value,
}

/// `invocation.configSource`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSource {
    /// Repository with ref.
    #[serde(default, deserialize_with = "null_as_default")]
    pub uri: String,
    /// Digests by algorithm name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub digest: BTreeMap<String, String>,
    /// Path of the workflow.
    #[serde(default, deserialize_with = "null_as_default")]
    pub entry_point: String,
}

/// `metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Identifier of the run.
    #[serde(default, deserialize_with = "null_as_default")]
    pub build_invocation_id: String,
    /// RFC 3339.
    #[serde(default)]
    pub build_started_on: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub build_finished_on: Option<String>,
    /// What is claimed to be complete.
    #[serde(default, deserialize_with = "null_as_default")]
    pub completeness: Completeness,
    /// Claim of reproducibility, which this crate tests rather than believes.
    #[serde(default, deserialize_with = "null_as_default")]
    pub reproducible: bool,
}

/// `metadata.completeness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub struct Completeness {
    /// Of `invocation.parameters`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub parameters: bool,
    /// Of `invocation.environment`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub environment: bool,
    /// Of `materials`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub materials: bool,
}

/// One entry of `materials`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Material {
    /// Where it came from.
    #[serde(default, deserialize_with = "null_as_default")]
    pub uri: String,
    /// Digests by algorithm name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub digest: BTreeMap<String, String>,
}
