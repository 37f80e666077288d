//! Source packages from an archive of Debian's layout, authenticated from its signed index down.
//!
//! # The chain
//!
//! `InRelease` is verified with OpenPGP against a given keyring, and only the text inside the
//! signature is read ([`signed_index`]); it names `Packages` and `Sources` by SHA-256
//! ([`SignedIndex::open`]); these name every file of a source or binary package by SHA-256
//! ([`find_source`]); the `.dsc` names the files of its source once more, which must be the same
//! ([`acquire`]).
//!
//! # A separate answer
//!
//! A `.dsc` is also signed by whoever uploaded it. That answer stands beside the chain
//! ([`DscSignature`]): a keyring lacks keys sooner or later, and a missing one says nothing against
//! the archive's own word.
//!
//! # What it does not establish
//!
//! That the archive is honest: whoever holds its keys decides what the chain leads to. Freshness is
//! known only where an index has a `Valid-Until`; that of a released suite has none.

mod acquire;
pub mod deb822;
mod dsc;
mod error;
mod files;
mod index;
mod mirrors;
mod release;

pub use acquire::{
    AuthenticatedSource, Offered, SourceAcquisition, SourceUnavailable, UnofferedFile, acquire, fetch_files,
};
pub use dsc::{Dsc, DscSignature};
pub use error::DebianError;
pub use files::{LockedFile, LockedSource, is_archive_path};
pub use index::{BinaryRecord, IndexKind, SourceRecord, find_source};
pub use mirrors::{Archive, MirrorError, Mirrors};
pub use release::{SignedIndex, read_signed_index, signed_index};

use crate::event::Observer;
use crate::fetch::Fetcher;
use crate::limits::debian::DebianLimits;
use crate::store::Store;

/// What every question to an archive needs: where to ask, how, and where answers are kept.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// Where files may be had.
    pub mirrors: &'a Mirrors,
    /// How they are fetched.
    pub fetcher: &'a Fetcher,
    /// Where they are kept.
    pub store: &'a Store,
    /// Who is told of progress.
    pub observer: &'a dyn Observer,
    /// Bounds on what is read.
    pub limits: DebianLimits,
}
