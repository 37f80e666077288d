//! Directories on disk: kinds, permissions, link targets, and files by content. Times and owners of
//! a directory on disk say nothing about what was built and are not compared. Links are not followed,
//! devices and pipes never opened.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::super::blob::{Blob, CHUNK};
use super::super::budget::Budget;
use super::super::cause::Cause;
use super::super::error::CompareError;
use super::super::log::{Sides, Sums};
use super::super::result::{Difference, Original, Side};
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk, escape};
use super::checksum_list::{self, LIST_BYTES_MAX, Lists, Siblings, is_list};
use super::oci;
use crate::digest::{Algorithm, Digest, Hasher};

/// Threads that read files; more would wait for the disk.
const THREADS_MAX: usize = 8;

/// Permission bits that are compared, with set-user-ID, set-group-ID and the sticky bit.
const MODE_MASK: u32 = 0o7777;

type Listing = BTreeMap<Vec<u8>, (PathBuf, Metadata)>;

/// Compares two directories; gives a digest over each side's sorted list of files.
pub(crate) fn compare(walk: &mut Walk<'_>, a: &Path, b: &Path) -> Result<(Original, Original), CompareError> {
    let budget = &walk.budget;
    let (list_a, list_b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| list(budget, b));
        (list(budget, a), other.join())
    });
    let (list_a, stop_a) = list_a?;
    let (list_b, stop_b) = list_b.map_err(|_| CompareError::Read {
        path: b.to_owned(),
        source: std::io::Error::other("the folder could not be walked"),
    })??;
    for (stop, side) in [(stop_a, Side::Published), (stop_b, Side::Rebuilt)] {
        if let Some(stop) = stop {
            walk.stopped(".", stop, side);
        }
    }
    let mut sums = [Hasher::new(Algorithm::Sha256), Hasher::new(Algorithm::Sha256)];
    let mut sizes = [0u64; 2];
    let mut buffers = (vec![0; CHUNK], vec![0; CHUNK]);
    let image_layouts = image(&list_a) && image(&list_b);
    let mut lists = Lists::new();
    let mut differ = BTreeSet::new();
    let (mut removed, mut added) = (BTreeMap::new(), BTreeMap::new());
    let mut names: Vec<&Vec<u8>> =
        list_a.keys().chain(list_b.keys().filter(|n| !list_a.contains_key(*n))).collect();
    names.sort();
    let equal = equal_files(&names, &list_a, &list_b);
    for (name, equal) in names.into_iter().zip(equal) {
        if let Err(stop) = walk.budget.time() {
            walk.stopped(".", stop, Side::Both);
            break;
        }
        let (entry_a, entry_b) = (list_a.get(name), list_b.get(name));
        let digests = match (entry_a, entry_b) {
            (Some(x), Some(y)) => {
                let listing = !image_layouts
                    && x.1.is_file()
                    && y.1.is_file()
                    && x.1.len().max(y.1.len()) <= LIST_BYTES_MAX
                    && is_list(name);
                if listing {
                    lists.insert(name.clone(), (open(&x.0)?, open(&y.0)?));
                }
                let (dx, dy) = both(walk, name, x, y, (&mut buffers, equal), image_layouts || listing)?;
                if dx != dy {
                    differ.insert(name.clone());
                }
                (Some(dx), Some(dy))
            }
            (x, y) => {
                let one = |entry: Option<&(PathBuf, Metadata)>| entry.map(describe).transpose();
                let (dx, dy) = (one(x)?, one(y)?);
                if let Some(dx) = &dx {
                    removed.insert(name.clone(), dx.clone());
                }
                if let Some(dy) = &dy {
                    added.insert(name.clone(), dy.clone());
                }
                (dx, dy)
            }
        };
        let [sum_a, sum_b] = &mut sums;
        let [size_a, size_b] = &mut sizes;
        for (digest, entry, sum, size) in
            [(digests.0, entry_a, sum_a, size_a), (digests.1, entry_b, sum_b, size_b)]
        {
            if let (Some(digest), Some((_, meta))) = (digest, entry) {
                sum.update(digest.as_bytes());
                sum.update(name);
                sum.update(b"\0");
                sum.update(&(meta.mode() & MODE_MASK).to_le_bytes());
                *size += if meta.is_file() { meta.len() } else { 0 };
            }
        }
    }
    if image_layouts {
        // Blobs are named by their digests: they are matched by role, not by name.
        let (files_a, files_b) = (opened(&list_a)?, opened(&list_b)?);
        let (roles_a, roles_b) = oci::layouts(walk, ".", &files_a, &files_b);
        removed.retain(|name, _| !roles_a.contains(name) && !files_a.contains_key(name));
        added.retain(|name, _| !roles_b.contains(name) && !files_b.contains_key(name));
    }
    unmatched(walk, removed, added);
    let mut beside = Beside { a: &list_a, b: &list_b, differ: &differ };
    if let Err(stop) = checksum_list::check_all(walk, lists, escape, &mut beside) {
        walk.stopped(".", stop, Side::Both);
    }
    let [sum_a, sum_b] = sums;
    let [size_a, size_b] = sizes;
    let original = |path: &Path, sum: Hasher, len_bytes: u64| Original {
        name: path.file_name().map_or_else(|| ".".to_owned(), |n| escape(n.as_bytes())),
        sha256: sum.finish().to_hex(),
        len_bytes,
    };
    Ok((original(a, sum_a, size_a), original(b, sum_b, size_b)))
}

/// The files of both trees as a list of checksums sees them. A name is looked up among those that were
/// found, never joined to a path.
struct Beside<'l> {
    a: &'l Listing,
    b: &'l Listing,
    differ: &'l BTreeSet<Vec<u8>>,
}

impl Siblings for Beside<'_> {
    fn look(&self, name: &[u8]) -> (bool, bool, bool) {
        let there = |list: &Listing| list.get(name).is_some_and(|(_, meta)| meta.is_file());
        let (a, b) = (there(self.a), there(self.b));
        (a, b, a != b || self.differ.contains(name))
    }

    fn sums(&mut self, _walk: &mut Walk<'_>, name: &[u8]) -> Sides<Sums> {
        let one = |list: &Listing| Sums::of(&open(&list.get(name)?.0).ok()?, true).ok();
        (one(self.a), one(self.b))
    }
}

/// Files of an image layout that are opened at one time.
const IMAGE_FILES_MAX: usize = 256;

/// Whether a directory is an OCI image layout of bearable size.
fn image(list: &Listing) -> bool {
    list.contains_key(&b"oci-layout"[..])
        && list.contains_key(&b"index.json"[..])
        && list.len() <= IMAGE_FILES_MAX
}

fn opened(list: &Listing) -> Result<BTreeMap<Vec<u8>, Blob>, CompareError> {
    let files = list.iter().filter(|(_, (_, meta))| meta.is_file());
    files.map(|(name, (path, _))| Ok((name.clone(), open(path)?))).collect()
}

fn unmatched(walk: &mut Walk<'_>, removed: BTreeMap<Vec<u8>, Digest>, mut added: BTreeMap<Vec<u8>, Digest>) {
    let mut by_digest: BTreeMap<Digest, VecDeque<Vec<u8>>> = BTreeMap::new();
    for (name, digest) in &added {
        by_digest.entry(digest.clone()).or_default().push_back(name.clone());
    }
    for (name, digest) in removed {
        let twin = by_digest.get_mut(&digest).and_then(VecDeque::pop_front);
        let path = escape(&name);
        match twin {
            Some(twin) => {
                added.remove(&twin);
                walk.add(Difference::exact(&path, Cause::MemberRenamed).values(&name, &twin));
            }
            None => walk.add(Difference::exact(&path, Cause::MemberRemoved).left(digest.to_string())),
        }
    }
    for (name, digest) in added {
        walk.add(Difference::exact(&escape(&name), Cause::MemberAdded).right(digest.to_string()));
    }
}

fn list(budget: &Budget, root: &Path) -> Result<(Listing, Option<Stop>), CompareError> {
    let mut found = Listing::new();
    let mut pending = vec![(root.to_owned(), Vec::new())];
    while let Some((directory, prefix)) = pending.pop() {
        let failed = |source| CompareError::Read { path: directory.clone(), source };
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Err(stop) = budget.member() {
                return Ok((found, Some(stop)));
            }
            let mut name: Vec<u8> = prefix.clone();
            name.extend_from_slice(entry.file_name().as_bytes());
            // `DirEntry::metadata` does not follow links.
            let meta = entry.metadata().map_err(failed)?;
            if meta.is_dir() {
                let mut inner = name.clone();
                inner.push(b'/');
                pending.push((entry.path(), inner));
            }
            found.insert(name, (entry.path(), meta));
        }
    }
    Ok((found, None))
}

fn kind(meta: &Metadata) -> &'static str {
    let t = meta.file_type();
    if t.is_file() {
        "file"
    } else if t.is_dir() {
        "directory"
    } else if t.is_symlink() {
        "symbolic link"
    } else {
        "special file"
    }
}

fn open(path: &Path) -> Result<Blob, CompareError> {
    // Never wait for a pipe that took the file's place.
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .and_then(|file: File| Blob::file(file))
        .map_err(|source| CompareError::Read { path: path.to_owned(), source })
}

fn describe((path, meta): &(PathBuf, Metadata)) -> Result<Digest, CompareError> {
    if meta.is_file() {
        open(path)?.sha256().map_err(|source| CompareError::Read { path: path.clone(), source })
    } else if meta.is_symlink() {
        Ok(Digest::sha256(&link(path)?))
    } else {
        Ok(Digest::sha256(kind(meta).as_bytes()))
    }
}

fn link(path: &Path) -> Result<Vec<u8>, CompareError> {
    fs::read_link(path)
        .map(|target| target.as_os_str().as_bytes().to_vec())
        .map_err(|source| CompareError::Read { path: path.to_owned(), source })
}

fn both(
    walk: &mut Walk<'_>,
    name: &[u8],
    a: &(PathBuf, Metadata),
    b: &(PathBuf, Metadata),
    (buffers, equal): (&mut (Vec<u8>, Vec<u8>), Option<Digest>),
    image_layouts: bool,
) -> Result<(Digest, Digest), CompareError> {
    let path = || escape(name);
    if kind(&a.1) != kind(&b.1) || (kind(&a.1) == "special file" && a.1.file_type() != b.1.file_type()) {
        walk.add(Difference::exact(&path(), Cause::FileType).values(kind(&a.1), kind(&b.1)));
        return Ok((describe(a)?, describe(b)?));
    }
    let (mode_a, mode_b) = (a.1.mode() & MODE_MASK, b.1.mode() & MODE_MASK);
    if mode_a != mode_b && !a.1.is_symlink() {
        let (mode_a, mode_b) = (format!("{mode_a:04o}"), format!("{mode_b:04o}"));
        walk.add(Difference::exact(&path(), Cause::FileMode).values(mode_a, mode_b));
    }
    if a.1.is_symlink() {
        let (to_a, to_b) = (link(&a.0)?, link(&b.0)?);
        if to_a != to_b {
            walk.add(Difference::exact(&path(), Cause::SymlinkTarget).values(&to_a, &to_b));
        }
        return Ok((Digest::sha256(&to_a), Digest::sha256(&to_b)));
    }
    if !a.1.is_file() {
        if a.1.rdev() != b.1.rdev() && !a.1.is_dir() {
            let (dev_a, dev_b) = (a.1.rdev().to_string(), b.1.rdev().to_string());
            walk.add(Difference::exact(&path(), Cause::TarDevice).values(dev_a, dev_b));
        }
        return Ok((describe(a)?, describe(b)?));
    }
    if let Some(digest) = equal {
        return Ok((digest.clone(), digest));
    }
    let (blob_a, blob_b) = (open(&a.0)?, open(&b.0)?);
    walk.budget.given(blob_a.len().saturating_add(blob_b.len()));
    let failed = |source| CompareError::Read { path: a.0.clone(), source };
    if let Some(digest) = equal_digest(&blob_a, &blob_b, buffers).map_err(failed)? {
        return Ok((digest.clone(), digest));
    }
    // The files of an image are compared together.
    if !image_layouts {
        walk.differing(Pair { path: &path(), name, a: &blob_a, b: &blob_b });
    }
    Ok((blob_a.sha256().map_err(failed)?, blob_b.sha256().map_err(failed)?))
}

/// Digests of the files that are equal on both sides, found in parallel; anything else, and whatever
/// cannot be read, is left for [`both`] to look at.
fn equal_files(names: &[&Vec<u8>], a: &Listing, b: &Listing) -> Vec<Option<Digest>> {
    let one = |name: &Vec<u8>, buffers: &mut (Vec<u8>, Vec<u8>)| -> Option<Digest> {
        let ((path_a, meta_a), (path_b, meta_b)) = (a.get(name)?, b.get(name)?);
        if !meta_a.is_file() || !meta_b.is_file() || meta_a.len() != meta_b.len() {
            return None;
        }
        let blob = |path: &Path| {
            let file = fs::OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(path);
            file.ok().map(|file| Blob::file_of(file, meta_a.len()))
        };
        equal_digest(&blob(path_a)?, &blob(path_b)?, buffers).ok().flatten()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let share = names.len().div_ceil(threads).max(1);
    let mut found = Vec::with_capacity(names.len());
    std::thread::scope(|scope| {
        let workers: Vec<_> = names
            .chunks(share)
            .map(|part| {
                let work = scope.spawn(move || {
                    let mut buffers = (vec![0; CHUNK], vec![0; CHUNK]);
                    part.iter().map(|name| one(name, &mut buffers)).collect::<Vec<_>>()
                });
                (part.len(), work)
            })
            .collect();
        for (length, worker) in workers {
            match worker.join() {
                Ok(part) => found.extend(part),
                Err(_) => found.extend(std::iter::repeat_n(None, length)),
            }
        }
    });
    found
}

/// The digest of two equal files, each read once; `None` at the first difference.
fn equal_digest(a: &Blob, b: &Blob, buffers: &mut (Vec<u8>, Vec<u8>)) -> std::io::Result<Option<Digest>> {
    if a.len() != b.len() {
        return Ok(None);
    }
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut at = 0;
    while at < a.len() {
        let (n, m) = (a.read_at(at, &mut buffers.0)?, b.read_at(at, &mut buffers.1)?);
        let (left, right) = (buffers.0.get(..n).unwrap_or_default(), buffers.1.get(..m).unwrap_or_default());
        if n == 0 || left != right {
            return Ok(None);
        }
        hasher.update(left);
        at += n as u64;
    }
    Ok(Some(hasher.finish()))
}
