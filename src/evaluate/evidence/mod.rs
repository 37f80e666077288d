//! What would show something: one closed schema for every kind of check, whoever asks.
//!
//! Registers of findings and files of controls hold *evidence specifications*: tables with `id`, `kind`,
//! `asserts`, and the keys of the kind. A specification says how to look; [`Answer`] is what was seen.
//! What a hit means is in `asserts`, whose words belong to whoever asks (a finding, a control).
//!
//! ```toml
//! [[finding.evidence]]
//! id = "PRM-01-005.e4"
//! kind = "source-contains"
//! asserts = "mitigation-present"
//! required = true
//! why = "what is copied out of the decompressor is bounded"
//! path = "scrape/scrape.go"
//! pattern = 'io\.LimitReader\(s\.gzipr'
//! counter-example = { repository = "prometheus/prometheus", revision = "v2.27.0" }
//! ```

mod answer;
mod check;
mod read;
mod text;

pub use answer::{Answer, Answered, Basis, CounterExampleAnswer, Strength};
pub use check::{
    AttestationCheck, Check, CommitCheck, CounterExample, ManualCheck, PatchCheck, RebuildCheck, Reviewer,
    SourceCheck, Wanted,
};
pub use read::{EvidenceSpec, read};
pub use text::{Commit, Day, Pattern, RepositoryName, Revision, SourcePath};
