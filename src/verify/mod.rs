//! Checks signatures, attestations and provenance.
