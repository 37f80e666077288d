//! Root file systems: locked `.deb`s unpacked into a folder, without root, without dpkg or tar on the
//! host, and without running a maintainer script.
//!
//! [`ensure`] makes a tree or finds it in a cache. The same packages give the same tree: names, contents,
//! modes, link targets and times of files, links and folders; owners are the caller's. What scripts
//! would have made is made here, see the list in `generated.rs`; diversions are not carried out, but the
//! package whose `preinst` diverts a path keeps it, and a [`Note`] says so. Extended attributes and
//! set-user-ID bits are dropped. Nothing is left out: builds read documentation and locales too.
//!
//! What this does *not* establish: that a package's content is harmless (it runs in the sandbox only),
//! and that a cached tree was not changed by somebody who may write there.
//!
//! Readers on the host must open files in a tree without following links: a package's links may point
//! anywhere.

mod alternatives;
mod cache;
mod control;
mod dpkg;
mod error;
mod generated;
mod member;
mod name;
mod package;
mod removal;
mod shell;
mod tree;
mod unpack;
mod vendor;

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use cache::{ensure, keys, remove};
pub use error::RootFsError;
pub(crate) use removal::remove_tree;

use crate::digest::Digest;
use crate::limits::root_fs::RootFsLimits;

/// Version of the code that makes trees; raised whenever the same packages give another tree.
pub const VERSION: u32 = 1;

/// Who builds inside: an entry of `/etc/passwd` and `/etc/group` with the name `build`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildUser {
    /// User ID inside the sandbox.
    pub uid: u32,
    /// Group ID inside the sandbox.
    pub gid: u32,
}

impl BuildUser {
    /// The user's and its group's name.
    pub const NAME: &'static str = "build";
    /// The user's home, which does not exist, so that a build cannot come to depend on it.
    pub const HOME: &'static str = "/nonexistent";
}

/// How a tree is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Who builds inside. Part of the cache's key.
    pub user: BuildUser,
    /// Bounds on the packages.
    pub limits: RootFsLimits,
    /// Threads to use, at most [`RootFsLimits::threads_max`]. Has no influence on the tree.
    pub threads: NonZeroUsize,
}

/// Something about a tree that is worth telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Note {
    /// The package, or empty for the tree as a whole.
    pub package: String,
    /// One sentence.
    pub text: String,
}

/// A finished tree. While this value lives, [`remove`] refuses to take the tree away.
#[derive(Debug)]
pub struct RootFs {
    path: PathBuf,
    key: Digest,
    notes: Vec<Note>,
    members: u64,
    bytes: u64,
    _lock: File,
}

impl RootFs {
    /// The tree's root. To be mounted read-only; never to be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Digest of the packages, the build user and [`VERSION`].
    pub const fn key(&self) -> &Digest {
        &self.key
    }

    /// What is worth telling: replaced files, alternatives that could not be read.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Members of all packages.
    pub const fn members(&self) -> u64 {
        self.members
    }

    /// Bytes of all files that packages ship.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// For whom the tool chain builds: the `Vendor` in `/etc/dpkg/origins/default`, never empty. Without
    /// one, [`RootFsError::NoVendor`]; [`ensure`] checks this too.
    pub fn vendor(&self) -> Result<String, RootFsError> {
        vendor::of(&self.path)
    }
}
