//! Bounded streaming readers of archive formats, shared by the stages that unpack and those that
//! compare. Nothing here writes a file: names are bytes and are never joined to a path.

pub mod ar;
pub mod compression;
mod error;

pub use error::ArchiveError;
