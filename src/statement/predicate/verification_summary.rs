//! SLSA verification summary v1, `https://slsa.dev/verification_summary/v1`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::null_as_default;

/// `predicateType` of a verification summary.
pub const VERIFICATION_SUMMARY_V1: &str = "https://slsa.dev/verification_summary/v1";

/// The predicate, read and written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Who verified.
    #[serde(default, deserialize_with = "null_as_default")]
    pub verifier: Verifier,
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_verified: Option<String>,
    /// What was verified.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resource_uri: String,
    /// Against which policy.
    #[serde(default, deserialize_with = "null_as_default")]
    pub policy: Resource,
    /// From which attestations.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub input_attestations: Vec<Resource>,
    /// `PASSED` or `FAILED`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub verification_result: String,
    /// Levels that were reached.
    #[serde(default, deserialize_with = "null_as_default")]
    pub verified_levels: Vec<String>,
    /// Version of SLSA whose levels are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
}

/// `verifier`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verifier {
    /// URI of the verifier.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
}

/// A URI with digests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resource {
    /// The URI.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "null_as_default")]
    pub uri: String,
    /// Digests by algorithm name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "null_as_default")]
    pub digest: BTreeMap<String, String>,
}
