//! Observations: values read from the published artifact under test and replayed in our build.
//!
//! They were assumed, not proved, and every result lists them.

use serde::{Deserialize, Serialize};

/// One value that came from the artifact under test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// What it is, e.g. `binnmu-changelog-entry`.
    pub name: String,
    /// The value as replayed.
    pub value: String,
    /// Where in which artifact it was read.
    pub read_from: String,
    /// What it decides in the build.
    pub effect: String,
}
