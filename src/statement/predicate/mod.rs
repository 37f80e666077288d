//! Predicates, one file for each type.
//!
//! Of other people's predicates only the fields that something here reads are typed; unknown fields
//! are ignored, as in-toto demands of consumers, and free-form parts stay JSON.

pub mod provenance_v0_2;
pub mod provenance_v1;
pub mod rebuild;
pub mod verification_summary;

use serde::{Deserialize, Deserializer};

/// `null` and absent are the same to the producers of these documents.
pub(crate) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
