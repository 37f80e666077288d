//! What a package wants to know of the members of an archive inside it: the digests of those that
//! differ, to check lists of checksums by, and a few that it compares itself.

use std::collections::BTreeMap;

use md5::Digest as _;

use super::blob::Blob;
use super::stop::Stop;
use crate::digest::{Algorithm, Digest};

/// Bytes from which a thread is worth its start: some two milliseconds of MD5.
const PARALLEL_FROM_BYTES: u64 = 1 << 20;

/// Digests of one body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) md5: Option<String>,
    pub(crate) sha1: Option<String>,
    pub(crate) sha256: Digest,
    pub(crate) sha512: Option<Digest>,
    pub(crate) len_bytes: u64,
}

impl Sums {
    /// Those of both sides, large ones in parallel.
    pub(crate) fn both(a: Option<&Blob>, b: Option<&Blob>, all: bool) -> Result<Sides<Self>, Stop> {
        match (a, b) {
            (Some(a), Some(b)) if a.len().min(b.len()) >= PARALLEL_FROM_BYTES => {
                std::thread::scope(|scope| {
                    let other = scope.spawn(|| Self::of(b, all));
                    let sums = Self::of(a, all)?;
                    let other = other.join().map_err(|_| Stop::malformed("a hash could not be taken"))??;
                    Ok((Some(sums), Some(other)))
                })
            }
            (a, b) => {
                let one = |blob: Option<&Blob>| blob.map(|blob| Self::of(blob, all)).transpose();
                Ok((one(a)?, one(b)?))
            }
        }
    }

    /// MD5 and SHA-256, and with `all` SHA-1 and SHA-512 too.
    pub(crate) fn of(blob: &Blob, all: bool) -> Result<Self, Stop> {
        let mut md5 = md5::Md5::new();
        let mut sha1 = all.then(sha1);
        let known = blob.known_sha256();
        let mut hash256 = crate::digest::Hasher::new(Algorithm::Sha256);
        let mut hash512 = all.then(|| crate::digest::Hasher::new(Algorithm::Sha512));
        blob.each_chunk(|chunk| {
            md5.update(chunk);
            if known.is_none() {
                hash256.update(chunk);
            }
            if let (Some(sha1), Some(hash512)) = (&mut sha1, &mut hash512) {
                sha1.update(chunk);
                hash512.update(chunk);
            }
        })?;
        Ok(Self {
            md5: Some(hex::encode(md5.finalize())),
            sha1: sha1.map(|context| hex::encode(context.finish())),
            sha256: known.unwrap_or_else(|| hash256.finish()),
            sha512: hash512.map(crate::digest::Hasher::finish),
            len_bytes: blob.len(),
        })
    }
}

impl Sums {
    /// What is known where only a digest was kept.
    pub(crate) fn only_sha256(bytes: &[u8; 32]) -> Option<Self> {
        let sha256 = Digest::from_bytes(Algorithm::Sha256, bytes).ok()?;
        Some(Self { md5: None, sha1: None, sha256, sha512: None, len_bytes: 0 })
    }
}

/// SHA-1, to check what package formats list; it never identifies bytes.
pub(crate) fn sha1() -> aws_lc_rs::digest::Context {
    aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY)
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
    /// With SHA-1 and SHA-512.
    pub(crate) all: bool,
    /// Digests by name without leading `./`.
    pub(crate) found: BTreeMap<Vec<u8>, Sides<Sums>>,
    /// Deferred members whose bytes differ.
    pub(crate) held: BTreeMap<Vec<u8>, Sides<Blob>>,
}

impl MemberLog {
    pub(crate) fn new(deferred: fn(&[u8]) -> bool, sums: bool) -> Self {
        Self { deferred, sums, all: false, found: BTreeMap::new(), held: BTreeMap::new() }
    }

    /// Takes a member that differs or is there on one side only; gives whether the package compares it
    /// itself.
    pub(crate) fn take(&mut self, name: &[u8], a: Option<&Blob>, b: Option<&Blob>) -> Result<bool, Stop> {
        let name = plain(name);
        if self.sums {
            self.found.insert(name.to_vec(), Sums::both(a, b, self.all)?);
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
