//! Locked environments of Go builds: a tool chain of an exact version and the modules that `go.sum` names,
//! unpacked beside each other, and nothing else.
//!
//! Go's own tool chain is linked statically and needs no file of an operating system, so that the root
//! file system of such a build is a handful of empty folders: whatever a distribution could change is not
//! there. [`resolve`] makes the lock, [`Unpacked`] the folders that the sandbox shows read-only.
//!
//! Where a recipe prepares its source, the lock also pins the archives that go into it and a root file
//! system of Debian's for the commands that do it; `go build` sees neither.

mod error;
mod lock;
mod resolve;
mod unpacked;
mod workspace;

pub use error::GoEnvironmentError;
pub use lock::{
    GO_LOCK_SCHEMA, GoLock, LockedBlob, LockedGit, LockedInput, LockedModule, LockedPublished, PREPARED_ON,
};
pub use resolve::{GoResolve, Published, System, resolve, toolchain_module};
pub use unpacked::{Objects, Unpacked, fetch, fetch_source, tree};
