//! SLSA provenance v1, `https://slsa.dev/provenance/v1` (SLSA 1.0 to 1.2 share it).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::null_as_default;

/// The predicate.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What was to be built, and from what.
    #[serde(default, deserialize_with = "null_as_default")]
    pub build_definition: BuildDefinition,
    /// The run that built it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub run_details: RunDetails,
}

/// `buildDefinition`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// How to read the parameters.
    #[serde(default, deserialize_with = "null_as_default")]
    pub build_type: String,
    /// Under the control of whoever asked for the build; each has to be expected or refused.
    #[serde(default)]
    pub external_parameters: Value,
    /// Under the control of the builder.
    #[serde(default)]
    pub internal_parameters: Value,
    /// What went in; by convention of GitHub's builders the source comes first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resolved_dependencies: Vec<Dependency>,
}

/// One entry of `resolvedDependencies`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Dependency {
    /// Where it came from.
    #[serde(default, deserialize_with = "null_as_default")]
    pub uri: String,
    /// Digests by algorithm name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub digest: BTreeMap<String, String>,
}

/// `runDetails`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct RunDetails {
    /// Who built.
    #[serde(default, deserialize_with = "null_as_default")]
    pub builder: Builder,
    /// The run.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// `runDetails.builder`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Builder {
    /// URI of the builder.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
}

/// `runDetails.metadata`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Identifier of the run.
    #[serde(default, deserialize_with = "null_as_default")]
    pub invocation_id: String,
    /// RFC 3339.
    #[serde(default)]
    pub started_on: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub finished_on: Option<String>,
}
