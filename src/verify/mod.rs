//! Checks signatures, attestations and provenance.

pub mod openpgp;
