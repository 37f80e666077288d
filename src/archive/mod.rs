//! Bounded streaming readers of archive formats, shared by the stages that unpack and those that
//! compare. Nothing here writes a file: names are bytes and are never joined to a path.

pub mod ar;
pub mod bytes;
pub mod compression;
pub mod cpio;
mod error;
pub mod tar;
pub mod zip;

pub use error::ArchiveError;
