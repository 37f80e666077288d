//! The source as its authors keep it: a commit of a clone that the user gives, or of a repository on a
//! server ([`Remotes`]).
//!
//! # How a clone is read
//!
//! As data. Objects are read through libgit2's object database, which checks that each hashes to its
//! name; tags are read from `refs/tags` and `packed-refs`. No repository is opened: no configuration, of
//! the clone, the user or the system, is looked at, so that no hook, filter, helper or include of it has
//! a way to act. Nothing is checked out, and nothing is written into the clone.
//!
//! # What it does not establish
//!
//! That the clone is the project's: that is a signature's affair ([`verify::git`](crate::verify::git)),
//! or a pinned commit's. Names are SHA-1, for which collisions can be made.

mod drift;
mod error;
mod pack;
mod packaged;
mod partial;
mod remote;
mod store;
mod tree;
mod version_file;

pub use drift::{Drift, Drifted, Way, drift};
pub use error::GitSourceError;
pub use packaged::{Packaged, PackagedFile, Packaging};
pub use remote::{Opened, Place, Remotes};
pub use store::{Clone, Commit, Raw};
pub use tree::{Entry, Kind, Listing};
