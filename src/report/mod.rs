//! One model of what an audit found, and its renderers.
//!
//! [`Evidence`] is what the stages saw; [`Component::judge`] derives the [`Judgement`] from it, and a
//! report that is read back is judged again. Renderers only render: none of them decides.
//!
//! A report's bytes depend on nothing but the evidence: not on the clock, the machine, the order in
//! which stages finished, or the locale. [`Run`] holds what does vary, and is left out by default.
//!
//! What a match does *not* prove is [`LIMITS`], part of every report for people.

mod checked;
mod classify;
pub mod controls;
mod error;
pub mod export;
mod file;
pub mod findings;
pub mod html;
mod judge;
mod locked;
pub mod markdown;
mod model;
#[cfg(test)]
pub(crate) mod samples;
mod shown;
pub mod statements;
mod summary;
#[cfg(test)]
mod tests;
pub mod text;
mod words;

pub use checked::Checked;
pub use classify::{Class, artifact_outcome, outcome};
pub use error::ReportError;
pub use file::{Component, Report, SCHEMA_ID, Tool};
pub use judge::{Blocker, Judgement};
pub use model::{
    ArtifactPair, Build, BuildResult, BuiltAlone, Bytes, Container, Environment, Evidence, FileState, Gap,
    Index, IndexKind, Outcome, Package, Preparation, Rebuild, Release, Run, Signer, Source, SourceFile,
    SourceSignature,
};

/// The published JSON Schema (2020-12) of [`Report::to_json`].
pub const SCHEMA: &str = include_str!("schema/audit-report-v1.json");

/// What even identical bytes do not prove.
pub const LIMITS: [&str; 5] = [
    "that the source is harmless: a match ties the bytes to the source, and says nothing of what the source does",
    "that the toolchain is honest: the compilers and libraries that built it were taken as binaries from the same distribution",
    "that the keys are in the right hands: a signature says whose key it was, not who used it",
    "that what is installed is what was judged: compare the digest on the machine with the one in this report",
    "anything about versions, architectures and artifacts that are not listed here",
];
