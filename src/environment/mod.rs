//! From a component's release to a locked build environment.

pub mod debian;
pub mod lock;
pub mod root_fs;
