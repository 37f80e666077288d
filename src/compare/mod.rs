//! Compares a published artifact with a rebuilt one and explains every difference.
//!
//! Hash first: equal bytes are never parsed. What differs is taken apart by the comparator that
//! recognises it (`comparators/`, one format in each file), members are matched by name, and only
//! those whose bytes differ are looked into. Each comparator accounts for every byte of its format: a
//! difference that no cause explains is [`Cause::Content`], so an explanation can never explain one
//! away. The [`Answer`] follows from the causes' tiers alone.
//!
//! Everything read here may be hostile. One budget ([`CompareLimits`]) runs through all readers; a
//! limit ends the look at one member, not the comparison. Names are bytes, escaped on output, never
//! joined to a path; nothing is extracted.

mod blob;
mod budget;
mod cause;
mod comparators;
mod decode;
mod error;
mod ledger;
mod log;
mod members;
mod patterns;
mod result;
mod stop;
pub mod view;
mod walk;
mod xz_blocks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use budget::Deadline;
pub use cause::{Cause, Tier, UnknownCause};
pub use error::CompareError;
pub use ledger::Ledger;
pub use result::{
    Acceptance, Answer, Class, Comparison, Confidence, Difference, LedgerNotice, LedgerState, Masked,
    Original, Pass, RECORDED_INPUT_FIELDS, ResidueItem, Side, Stopped,
};

use crate::artifact::{Published, Rebuilt};
use crate::digest::Algorithm;
pub use crate::limits::compare::CompareLimits;

/// The JSON Schema of [`Comparison`].
pub const SCHEMA_JSON: &str = include_str!("schema.json");

/// What a comparison may do.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// The bounds.
    pub limits: CompareLimits,
    /// Tells when the time is used up; `None` sets no bound on time.
    pub deadline: Option<Deadline>,
    /// The highest tier of normalization that may lead to [`Answer::Equivalent`]: 0 to 3.
    pub normalize: u8,
    /// Where unlinked temporary files may be made.
    pub scratch: PathBuf,
    /// Known values (a build user, a date, an identifier) to put aside on both sides for
    /// [`Comparison::masked`].
    pub mask: Vec<String>,
    /// Whether to disassemble changed machine code; without the feature `disassemble` nothing comes.
    pub disassemble: bool,
}

impl CompareOptions {
    /// The documented defaults: tier 2, no deadline, scratch files in `scratch`.
    pub fn new(scratch: impl Into<PathBuf>) -> Self {
        Self {
            limits: CompareLimits::DEFAULT,
            deadline: None,
            normalize: 2,
            scratch: scratch.into(),
            mask: Vec::new(),
            disassemble: false,
        }
    }
}

/// Compares a published artifact with a rebuilt one.
///
/// A malformed or hostile artifact is a verdict, never an error.
///
/// # Errors
///
/// When the bytes cannot be read, when they are no longer those that were hashed, and when scratch
/// space cannot be used.
pub fn compare(
    published: &Published,
    rebuilt: &Rebuilt,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let comparison = compare_paths(published.0.path.as_std_path(), rebuilt.0.path.as_std_path(), options)?;
    for (artifact, found) in [(&published.0, &comparison.published), (&rebuilt.0, &comparison.rebuilt)] {
        if let Some(expected) = artifact.digests.get(Algorithm::Sha256).map(|d| d.to_hex())
            && expected != found.sha256
        {
            return Err(CompareError::Changed {
                path: artifact.path.clone().into(),
                expected,
                found: found.sha256.clone(),
            });
        }
    }
    Ok(comparison)
}

/// Compares two files.
///
/// # Errors
///
/// As [`compare`].
pub fn compare_paths(
    published: &Path,
    rebuilt: &Path,
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    walk::Walk::new(options, Arc::new(options.scratch.clone())).paths(published, rebuilt)
}
