//! Checks signatures, attestations and provenance: who vouches for an artifact, for what, from which
//! source and builder, and whether that is what the policy demands.
//!
//! Nothing here opens a socket or reads a clock. Trust roots, the time of judgment (`as_of`) and all
//! limits are arguments.
//!
//! A bad signature is an observation, not an error: every checker answers in [`Check`]s. Only what
//! could not be looked at is an `Err`.

pub mod answer;
mod authenticated;
pub mod builders;
pub mod certificate;
mod chain;
pub mod check;
pub mod checksums;
mod cloud_build;
pub mod document;
mod envelope;
mod error;
pub mod git;
mod identity;
mod json;
mod judge;
pub mod key;
mod log_entry;
mod logged;
pub mod minisign;
pub mod oci;
pub mod openpgp;
pub mod policy;
pub mod public_key;
mod publisher;
pub mod roots;
mod run;
pub mod signed;
pub mod signer;
mod sigstore;
mod slsa;
pub mod ssh;
mod statement;
mod summary;
pub mod trust;
mod verified;

pub use answer::{ArtifactAnswer, AttestationAnswer, Format};
pub use check::{Check, Finding};
pub use document::Attestation;
pub use error::VerifyError;
pub use log_entry::LogEntry;
pub use run::{Context, Subject, algorithms, needs_bytes, verify, verify_alone, with_answers};
pub use signer::Signer;
pub use summary::{SummaryOf, summarise};
pub use verified::Verified;
