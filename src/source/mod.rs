//! Obtains authenticated source.

pub mod debian;
pub mod git;
pub mod go;
pub mod npm;
pub mod pypi;
