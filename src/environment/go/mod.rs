//! Locked environments of Go builds: a tool chain of an exact version and the modules that `go.sum` names,
//! unpacked beside each other, and nothing else.
//!
//! Go's own tool chain is linked statically and needs no file of an operating system, so that the root
//! file system of such a build is a handful of empty folders: whatever a distribution could change is not
//! there. [`resolve`] makes the lock, [`Unpacked`] the folders that the sandbox shows read-only.

mod error;
mod lock;
mod resolve;
mod unpacked;
mod workspace;

pub use error::GoEnvironmentError;
pub use lock::{GO_LOCK_SCHEMA, GoLock, LockedBlob, LockedGit, LockedModule, LockedPublished};
pub use resolve::{GoResolve, Published, resolve, toolchain_module};
pub use unpacked::{Objects, Unpacked, fetch, fetch_source, tree};
