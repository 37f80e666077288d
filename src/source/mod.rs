//! Obtains authenticated source.

pub mod debian;
