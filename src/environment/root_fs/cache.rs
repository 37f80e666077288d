//! Finished trees by the digest of what they were made from.
//!
//! ```text
//! <key>/root/          the tree
//! <key>/complete.json  written last, before the folder gets its name
//! <key>.lock           held shared while a tree is used, exclusively while it is made or removed
//! partial-<key>/       half made; garbage once nobody holds the lock
//! ```
//!
//! The kernel drops a killed process' locks, so whoever takes one next may clear up behind it. Nothing
//! is forced to disk: after a power cut a tree may be damaged, which makes a build fail or differ, but
//! never agree.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::error::RootFsError;
use super::removal::remove_tree;
use super::{Note, Options, RootFs, VERSION, unpack, vendor};
use crate::digest::{Algorithm, Digest};
use crate::environment::lock::LockedPackage;
use crate::event::{Event, Observer, Stage};

const MARKER: &str = "complete.json";
const PARTIAL: &str = "partial-";
/// Bytes of a marker that are read; its notes are a line for each odd package.
const MARKER_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Marker {
    version: u32,
    key: Digest,
    packages: usize,
    members: u64,
    bytes: u64,
    notes: Vec<Note>,
}

/// Gives the tree of these packages, making it when it is not there yet. See [`super`].
///
/// The order of `packages` does not matter. Waits while another process makes the same tree. Checking a
/// tree that is there does not walk it: that nobody has written into it since is not established.
pub fn ensure(
    cache: &Path,
    packages: &[(LockedPackage, PathBuf)],
    options: &Options,
    observer: &dyn Observer,
) -> Result<RootFs, RootFsError> {
    let mut sorted = packages.to_vec();
    sorted.sort_by(|(a, _), (b, _)| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
    check(&sorted, options)?;
    let key = key(&sorted, options);
    let name = key.to_hex();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(cache)
        .map_err(|e| RootFsError::io("make", cache, e))?;
    remove_leftovers(cache)?;
    loop {
        let lock = open_lock(cache, &name)?;
        take(&lock, FlockOperation::LockShared, cache)?;
        let folder = cache.join(&name);
        if let Some(marker) = read_marker(&folder, &key) {
            let path = folder.join("root");
            vendor::of(&path)?;
            let Marker { members, bytes, notes, .. } = marker;
            return Ok(RootFs { path, key, notes, members, bytes, _lock: lock });
        }
        take(&lock, FlockOperation::Unlock, cache)?;
        take(&lock, FlockOperation::LockExclusive, cache)?;
        // Another process may have made it in between.
        if read_marker(&folder, &key).is_none() {
            make(cache, &name, &key, &sorted, options, observer)?;
        }
    }
}

/// Keys of the trees in a cache, sorted.
pub fn keys(cache: &Path) -> Result<Vec<Digest>, RootFsError> {
    let mut keys = Vec::new();
    for name in names(cache)? {
        keys.extend(Digest::from_hex(Algorithm::Sha256, &name));
    }
    keys.sort();
    Ok(keys)
}

/// Removes a tree; one that is in use is an error, a missing one is fine.
pub fn remove(cache: &Path, key: &Digest) -> Result<(), RootFsError> {
    let name = key.to_hex();
    let lock = open_lock(cache, &name)?;
    if !try_take(&lock, cache)? {
        return Err(RootFsError::InUse { key: name });
    }
    remove_named(cache, &name)
}

fn check(packages: &[(LockedPackage, PathBuf)], options: &Options) -> Result<(), RootFsError> {
    let max = options.limits.packages_max;
    if packages.len() > max {
        let package = "of the lock".to_owned();
        return Err(RootFsError::Limit { package, limit: "packages_max", max: max as u64 });
    }
    let mut names: Vec<&str> = packages.iter().map(|(p, _)| p.name.as_str()).collect();
    names.sort_unstable();
    match names.iter().zip(names.iter().skip(1)).find(|(a, b)| a == b) {
        Some((name, _)) => Err(RootFsError::Duplicate { package: (*name).to_owned() }),
        None => Ok(()),
    }
}

/// Digest over everything that decides the tree's content.
fn key(packages: &[(LockedPackage, PathBuf)], options: &Options) -> Digest {
    let mut text = format!("reprove root file system {VERSION}\n");
    text.push_str(&format!("user {} {}\n", options.user.uid, options.user.gid));
    for (p, _) in packages {
        // As JSON, so that no field can run into the next.
        let line = serde_json::json!([p.name, p.version, p.architecture, p.file.digest.to_string()]);
        text.push_str(&format!("{line}\n"));
    }
    Digest::sha256(text.as_bytes())
}

fn make(
    cache: &Path,
    name: &str,
    key: &Digest,
    packages: &[(LockedPackage, PathBuf)],
    options: &Options,
    observer: &dyn Observer,
) -> Result<(), RootFsError> {
    let stage = Stage::RootFileSystem;
    let what = format!("{} packages", packages.len());
    observer.event(&Event::Started { stage, what: &what });
    remove_named(cache, name)?;
    let partial = cache.join(format!("{PARTIAL}{name}"));
    std::fs::create_dir(&partial).map_err(|e| RootFsError::io("make", &partial, e))?;
    let made = fill(&partial, key, packages, options, observer).and_then(|()| {
        std::fs::rename(&partial, cache.join(name)).map_err(|e| RootFsError::io("rename", &partial, e))
    });
    if made.is_err() {
        // The first error counts; what cannot be removed now is removed at the next start.
        let _ = remove_tree(&partial);
    }
    made?;
    observer.event(&Event::Finished { stage, what: &what });
    Ok(())
}

fn fill(
    partial: &Path,
    key: &Digest,
    packages: &[(LockedPackage, PathBuf)],
    options: &Options,
    observer: &dyn Observer,
) -> Result<(), RootFsError> {
    let unpack::Made { notes, members, bytes } = unpack::make(partial, packages, options, observer)?;
    vendor::of(&partial.join("root"))?;
    let marker =
        Marker { version: VERSION, key: key.clone(), packages: packages.len(), members, bytes, notes };
    let path = partial.join(MARKER);
    let text = serde_json::to_vec(&marker).map_err(|e| RootFsError::io("write", &path, e))?;
    std::fs::write(&path, text).map_err(|e| RootFsError::io("write", &path, e))
}

fn read_marker(folder: &Path, key: &Digest) -> Option<Marker> {
    let mut text = Vec::new();
    File::open(folder.join(MARKER)).ok()?.take(MARKER_BYTES_MAX).read_to_end(&mut text).ok()?;
    let marker: Marker = serde_json::from_slice(&text).ok()?;
    let is_folder = folder.join("root").symlink_metadata().is_ok_and(|m| m.is_dir());
    (marker.version == VERSION && marker.key == *key && is_folder).then_some(marker)
}

/// Removes what killed processes left half made, for all keys whose lock is free.
fn remove_leftovers(cache: &Path) -> Result<(), RootFsError> {
    for name in names(cache)? {
        let Some(key) = name.strip_prefix(PARTIAL) else { continue };
        let lock = open_lock(cache, key)?;
        if try_take(&lock, cache)? {
            remove_tree(&cache.join(&name))?;
        }
    }
    Ok(())
}

/// Removes a tree, finished or not; the lock is the caller's. The marker goes first, so that a removal
/// cut short leaves no tree that looks whole.
fn remove_named(cache: &Path, name: &str) -> Result<(), RootFsError> {
    let marker = cache.join(name).join(MARKER);
    match std::fs::remove_file(&marker) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(RootFsError::io("remove", &marker, e)),
        _ => {}
    }
    remove_tree(&cache.join(name))?;
    remove_tree(&cache.join(format!("{PARTIAL}{name}")))
}

fn names(cache: &Path) -> Result<Vec<String>, RootFsError> {
    let failed = |e| RootFsError::io("list", cache, e);
    let entries = match std::fs::read_dir(cache) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let names = entries.map(|e| Ok(e.map_err(failed)?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

fn open_lock(cache: &Path, name: &str) -> Result<File, RootFsError> {
    let path = cache.join(format!("{name}.lock"));
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    opened.map_err(|e| RootFsError::io("open", &path, e))
}

fn take(lock: &File, operation: FlockOperation, cache: &Path) -> Result<(), RootFsError> {
    loop {
        match flock(lock, operation) {
            Err(rustix::io::Errno::INTR) => {}
            answer => return answer.map_err(|e| RootFsError::io("lock", cache, e)),
        }
    }
}

fn try_take(lock: &File, cache: &Path) -> Result<bool, RootFsError> {
    match flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(e) => Err(RootFsError::io("lock", cache, e)),
    }
}
