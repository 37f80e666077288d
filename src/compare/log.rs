//! What a package wants to know of the members of an archive inside it: the digests of those that
//! differ, to check lists of checksums by, and a few that it compares itself.

use std::collections::BTreeMap;

use md5::Digest as _;

use super::blob::Blob;
use super::stop::Stop;
use crate::digest::{Algorithm, Digest};

/// Digests of one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) md5: String,
    pub(crate) sha256: Digest,
    pub(crate) sha512: Option<Digest>,
    pub(crate) len_bytes: u64,
}

impl Sums {
    pub(crate) fn of(blob: &Blob, sha512: bool) -> Result<Self, Stop> {
        let mut md5 = md5::Md5::new();
        let mut hash256 = crate::digest::Hasher::new(Algorithm::Sha256);
        let mut hash512 = sha512.then(|| crate::digest::Hasher::new(Algorithm::Sha512));
        blob.each_chunk(|chunk| {
            md5.update(chunk);
            hash256.update(chunk);
            if let Some(hash512) = &mut hash512 {
                hash512.update(chunk);
            }
        })?;
        Ok(Self {
            md5: hex::encode(md5.finalize()),
            sha256: hash256.finish(),
            sha512: hash512.map(crate::digest::Hasher::finish),
            len_bytes: blob.len(),
        })
    }
}

/// Both sides of one member.
pub(crate) type Sides<T> = (Option<T>, Option<T>);

/// Collects what a package wants to know.
#[derive(Debug)]
pub(crate) struct MemberLog {
    /// Members that the package compares itself; their difference is not reported by the archive.
    pub(crate) deferred: fn(&[u8]) -> bool,
    /// Whether digests of changed, added and removed members are wanted.
    pub(crate) sums: bool,
    /// With SHA-512.
    pub(crate) sha512: bool,
    /// Digests by name without leading `./`.
    pub(crate) found: BTreeMap<Vec<u8>, Sides<Sums>>,
    /// Deferred members whose bytes differ.
    pub(crate) held: BTreeMap<Vec<u8>, Sides<Blob>>,
}

impl MemberLog {
    pub(crate) fn new(deferred: fn(&[u8]) -> bool, sums: bool) -> Self {
        Self { deferred, sums, sha512: false, found: BTreeMap::new(), held: BTreeMap::new() }
    }

    /// Takes a member that differs or is there on one side only; gives whether the package compares it
    /// itself.
    pub(crate) fn take(&mut self, name: &[u8], a: Option<&Blob>, b: Option<&Blob>) -> Result<bool, Stop> {
        let name = plain(name);
        if self.sums {
            let sums = |blob: Option<&Blob>| blob.map(|blob| Sums::of(blob, self.sha512)).transpose();
            self.found.insert(name.to_vec(), (sums(a)?, sums(b)?));
        }
        if (self.deferred)(name) {
            self.held.insert(name.to_vec(), (a.cloned(), b.cloned()));
            return Ok(true);
        }
        Ok(false)
    }
}

/// A name without leading `./`.
pub(crate) fn plain(name: &[u8]) -> &[u8] {
    let mut name = name;
    while let Some(rest) = name.strip_prefix(b"./").filter(|r| !r.is_empty()) {
        name = rest;
    }
    name
}
