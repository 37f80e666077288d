//! Checks signatures, attestations and provenance: who vouches for an artifact, for what, from which
//! source and builder, and whether that is what the policy demands.
//!
//! Nothing here opens a socket or reads a clock. Trust roots, the time of judgment (`as_of`) and all
//! limits are arguments.
//!
//! A bad signature is an observation, not an error: every checker answers in [`Check`]s. Only what
//! could not be looked at is an `Err`.

pub mod answer;
pub mod check;
pub mod checksums;
pub mod git;
pub mod key;
pub mod minisign;
pub mod openpgp;
pub mod signed;
pub mod signer;
pub mod ssh;
mod verified;

pub use answer::{ArtifactAnswer, AttestationAnswer, Format};
pub use check::{Check, Finding};
pub use signer::Signer;
pub use verified::Verified;
