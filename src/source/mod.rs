//! Obtains authenticated source.
