//! Looking after a store: checking every object, and removing what nothing needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use jiff::Timestamp;
use serde::Serialize;

use super::{Store, StoreError, read_folder, remove_file};
use crate::digest::{Algorithm, Digest, hash_file};
use crate::event::{Event, Observer, Stage, Unit};

/// What [`Store::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verification {
    /// Objects that have their digest.
    pub intact: u64,
    /// Bytes read.
    pub len_bytes: u64,
    /// Objects that do not, moved away.
    pub corrupted: Vec<Corrupted>,
    /// Files among the objects that the store did not write; left alone.
    pub foreign: Vec<PathBuf>,
}

/// An object whose bytes no longer have its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Corrupted {
    /// The digest it was stored under.
    pub expected: Digest,
    /// The digest it has.
    pub found: Digest,
    /// Where it was moved.
    pub moved_to: PathBuf,
}

/// What [`Store::gc`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Freed {
    /// Objects removed.
    pub objects: u64,
    /// Objects kept.
    pub kept: u64,
    /// Unfinished downloads and quarantined files removed.
    pub leftovers: u64,
    /// Bytes freed.
    pub len_bytes: u64,
}

impl Store {
    /// Reads every object and moves those without their digest to `quarantine/`, so that the next
    /// run obtains them again. Runs beside other users of the store.
    pub fn verify(&self, observer: &dyn Observer) -> Result<Verification, StoreError> {
        let (objects, mut foreign) = self.list()?;
        let total: u64 = objects.iter().map(|o| o.len_bytes).sum();
        let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
        let outcome = Mutex::new((0u64, Vec::new(), None));
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        observer.event(&Event::Started { stage: Stage::Store, what: "checking every object" });
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(entry) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let checked = self.check(entry);
                        let Ok(mut outcome) = outcome.lock() else { return };
                        match checked {
                            Ok(None) => outcome.0 += 1,
                            Ok(Some(corrupted)) => outcome.1.push(corrupted),
                            Err(e) => outcome.2 = Some(e),
                        }
                        let done = done.fetch_add(entry.len_bytes, Ordering::Relaxed) + entry.len_bytes;
                        observer.event(&Event::Progress {
                            stage: Stage::Store,
                            done,
                            total: Some(total),
                            unit: Unit::Bytes,
                        });
                    }
                });
            }
        });
        let (intact, mut corrupted, error) =
            outcome.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(e) = error {
            return Err(e);
        }
        corrupted.sort();
        foreign.sort();
        observer.event(&Event::Finished { stage: Stage::Store, what: "every object read" });
        Ok(Verification { intact, len_bytes: done.into_inner(), corrupted, foreign })
    }

    /// Checks one object; a corrupted one is moved away.
    fn check(&self, entry: &Entry) -> Result<Option<Corrupted>, StoreError> {
        let (found, _) = match hash_file(entry.digest.algorithm(), &entry.path) {
            Ok(hashed) => hashed,
            Err(e) => return Err(StoreError::io("read", &entry.path, e)),
        };
        if found == entry.digest {
            return Ok(None);
        }
        let name = format!("{}-{}", entry.digest.algorithm(), entry.digest.to_hex());
        let moved_to = self.root.join("quarantine").join(name);
        fs::rename(&entry.path, &moved_to).map_err(|e| StoreError::io("move away", &entry.path, e))?;
        Ok(Some(Corrupted { expected: entry.digest.clone(), found, moved_to }))
    }

    /// Removes every object that is not in `keep` and was last used before `unused_since`, and the
    /// unfinished downloads and quarantined files of that age. Refused with [`StoreError::InUse`]
    /// while another process has the store open, since that one may be about to read an object.
    pub fn gc(&self, keep: &BTreeSet<Digest>, unused_since: Timestamp) -> Result<Freed, StoreError> {
        // Converting a lock is not atomic: another `gc` may get in between, which does no harm.
        if self.lock.try_lock().is_err() {
            let _ = self.lock.lock_shared();
            return Err(StoreError::InUse { path: self.root.clone() });
        }
        let freed = self.gc_alone(keep, unused_since);
        self.lock.lock_shared().map_err(|e| StoreError::io("lock", &self.root.join("lock"), e))?;
        freed
    }

    fn gc_alone(&self, keep: &BTreeSet<Digest>, unused_since: Timestamp) -> Result<Freed, StoreError> {
        let mut freed = Freed::default();
        for entry in self.list()?.0 {
            if keep.contains(&entry.digest) || !older(&entry.path, unused_since) {
                freed.kept += 1;
                continue;
            }
            remove_file(&entry.path)?;
            freed.objects += 1;
            freed.len_bytes += entry.len_bytes;
        }
        for folder in ["partial", "quarantine"] {
            for entry in read_folder(&self.root.join(folder))? {
                let path = entry.path();
                if older(&path, unused_since) {
                    let len_bytes = entry.metadata().map_or(0, |m| m.len());
                    remove_file(&path)?;
                    freed.leftovers += 1;
                    freed.len_bytes += len_bytes;
                }
            }
        }
        Ok(freed)
    }

    /// All objects, and the files among them that have no object's name.
    fn list(&self) -> Result<(Vec<Entry>, Vec<PathBuf>), StoreError> {
        let (mut objects, mut foreign) = (Vec::new(), Vec::new());
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            for head in read_folder(&self.root.join("objects").join(algorithm.name()))? {
                if !head.file_type().is_ok_and(|t| t.is_dir()) {
                    foreign.push(head.path());
                    continue;
                }
                for entry in read_folder(&head.path())? {
                    let path = entry.path();
                    let meta = entry.metadata().ok().filter(fs::Metadata::is_file);
                    match (digest_of(algorithm, &path), meta) {
                        (Some(digest), Some(meta)) => {
                            objects.push(Entry { digest, path, len_bytes: meta.len() });
                        }
                        _ => foreign.push(path),
                    }
                }
            }
        }
        objects.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok((objects, foreign))
    }
}

struct Entry {
    digest: Digest,
    path: PathBuf,
    len_bytes: u64,
}

fn digest_of(algorithm: Algorithm, path: &Path) -> Option<Digest> {
    let tail = path.file_name()?.to_str()?;
    let head = path.parent()?.file_name()?.to_str().filter(|h| h.len() == 2)?;
    Digest::from_hex(algorithm, &format!("{head}{tail}")).ok()
}

/// True where the file was last used (see [`Store::get`]) before that moment. What cannot be looked
/// at is not old.
fn older(path: &Path, than: Timestamp) -> bool {
    fs::symlink_metadata(path)
        .and_then(|m| m.modified())
        .ok()
        .and_then(|t| Timestamp::try_from(t).ok())
        .is_some_and(|used| used < than)
}
