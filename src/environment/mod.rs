//! From a component's release to a locked build environment, and to one in which it runs.

pub mod debian;
pub mod go;
pub mod lock;
pub mod python;
pub mod root_fs;
pub mod runtime;
