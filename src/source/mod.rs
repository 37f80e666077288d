//! Obtains authenticated source.

pub mod debian;
pub mod go;
pub mod npm;
pub mod pypi;
