//! The content-addressed store: bytes in and out by digest, on disk.
//!
//! Layout, below the folder given to [`Store::open`]:
//!
//! ```text
//! layout                          the text `reprove-store-1`
//! lock                            shared by every user of the store, exclusive for `gc`
//! objects/sha256/ba/7816bf…       whole objects, read-only; the only files anybody reads
//! partial/sha256-ba7816bf…        a download under way or cut off, locked by whoever appends to it
//! partial/sha256-….validator      which response the partial bytes came from
//! temp/<name>                     a file being written, locked by its writer
//! quarantine/<digest>             what `verify` found damaged
//! ```
//!
//! An object appears under its digest by `rename(2)` of a file that is complete, hashed and synced,
//! so a reader sees all of it or nothing, whenever a writer is killed. Locks are `flock(2)`: the
//! kernel drops them with the process, and what a dead process left in `temp/` is removed at the
//! next [`Store::open`].
//!
//! What this does *not* establish: that an object still has its bytes when it is read. Use
//! [`Object::open_checked`] where that matters, or [`Store::verify`] for all of them.

mod error;
mod partial;
mod upkeep;

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

pub use error::StoreError;
pub(crate) use partial::{Claim, Partial};
pub use upkeep::{Corrupted, Freed, Verification};

use crate::digest::{Algorithm, Digest, Hasher};

/// The layout that this version reads and writes.
const LAYOUT: &str = "reprove-store-1";

/// Bytes moved at a time; the same as for hashing.
const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// A content-addressed store on disk, safe to share between threads and processes.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Holds the shared `flock` for as long as the store is open.
    lock: File,
}

/// A whole object in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its digest.
    pub digest: Digest,
    /// Where its bytes are; read-only.
    pub path: PathBuf,
    /// Length in bytes.
    pub len_bytes: u64,
}

impl Object {
    /// Opens the bytes without checking them again.
    pub fn open(&self) -> Result<File, StoreError> {
        File::open(&self.path).map_err(|e| StoreError::io("open", &self.path, e))
    }

    /// Opens the bytes for a reader that hashes on the way: its last `read` fails with
    /// [`io::ErrorKind::InvalidData`] where they no longer have the digest. Whoever stops before the
    /// end has checked nothing.
    pub fn open_checked(&self) -> Result<CheckedReader<File>, StoreError> {
        Ok(CheckedReader {
            inner: self.open()?,
            hasher: Some(Hasher::new(self.digest.algorithm())),
            expected: self.digest.clone(),
        })
    }

    /// Reads the whole object, at most `len_bytes_max` bytes, and checks its digest.
    pub fn read(&self, len_bytes_max: u64) -> Result<Vec<u8>, StoreError> {
        if self.len_bytes > len_bytes_max {
            return Err(StoreError::TooLong { expected: self.digest.clone(), len_bytes_max });
        }
        let mut bytes = Vec::new();
        self.open_checked()?
            .take(len_bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| StoreError::Read { expected: self.digest.clone(), source })?;
        if bytes.len() as u64 > len_bytes_max {
            return Err(StoreError::TooLong { expected: self.digest.clone(), len_bytes_max });
        }
        Ok(bytes)
    }
}

/// A reader that hashes what passes and refuses the end of bytes that are not the expected ones.
#[derive(Debug)]
pub struct CheckedReader<R> {
    inner: R,
    hasher: Option<Hasher>,
    expected: Digest,
}

impl<R: Read> Read for CheckedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(buffer.get(..n).unwrap_or_default());
            }
        } else if !buffer.is_empty()
            && let Some(hasher) = self.hasher.take()
        {
            let found = hasher.finish();
            if found != self.expected {
                let text = format!(
                    "stored bytes are damaged: expected `{}`, found `{found}`; run `reprove store verify`",
                    self.expected
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
        Ok(n)
    }
}

impl Store {
    /// Opens the store in a folder, making it where it is missing, and removes what killed processes
    /// left in `temp/`. Waits while another process runs [`Store::gc`].
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        make_folder(root)?;
        let layout = root.join("layout");
        match fs::read_to_string(&layout) {
            Ok(found) if found.trim_end() == LAYOUT => {}
            // Another process may be between making and filling that file.
            Ok(found) if found.is_empty() => write_layout(root, &layout)?,
            Ok(found) => {
                let found = found.chars().take(40).collect();
                return Err(StoreError::Layout { path: root.to_owned(), expected: LAYOUT, found });
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => write_layout(root, &layout)?,
            Err(e) => return Err(StoreError::io("read", &layout, e)),
        }
        for folder in ["objects/sha256", "objects/sha512", "partial", "temp", "quarantine"] {
            make_folder(&root.join(folder))?;
        }
        let path = root.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| StoreError::io("open", &path, e))?;
        lock.lock_shared().map_err(|e| StoreError::io("lock", &path, e))?;
        let store = Self { root: root.to_owned(), lock };
        store.sweep_temp()?;
        Ok(store)
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an object of that digest is, or would be.
    pub fn path_of(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        let (head, tail) = hex.split_at_checked(2).unwrap_or((&hex, ""));
        self.root.join("objects").join(digest.algorithm().name()).join(head).join(tail)
    }

    /// The object of that digest, where the store has it. Marks it as used now, which [`Store::gc`]
    /// heeds.
    pub fn get(&self, digest: &Digest) -> Result<Option<Object>, StoreError> {
        let path = self.path_of(digest);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() => {
                touch(&path);
                Ok(Some(Object { digest: digest.clone(), path, len_bytes: meta.len() }))
            }
            Ok(_) => {
                let source = io::Error::new(io::ErrorKind::InvalidData, "not a regular file");
                Err(StoreError::io("use", &path, source))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::io("look at", &path, e)),
        }
    }

    /// Stores bytes in memory under their SHA-256.
    pub fn insert(&self, bytes: &[u8]) -> Result<Object, StoreError> {
        let digest = Digest::sha256(bytes);
        self.put(bytes, &digest, bytes.len() as u64)
    }

    /// Stores what a reader gives, which must have the expected digest and at most `len_bytes_max`
    /// bytes; anything else is thrown away. Reads nothing where the object is there already.
    pub fn put(
        &self,
        reader: impl Read,
        expected: &Digest,
        len_bytes_max: u64,
    ) -> Result<Object, StoreError> {
        if let Some(object) = self.get(expected)? {
            return Ok(object);
        }
        let (temp, found, len_bytes) =
            self.copy_to_temp(reader, expected.algorithm(), expected, len_bytes_max)?;
        if found != *expected {
            return Err(StoreError::Digest { expected: expected.clone(), found });
        }
        self.publish(temp.file(), &temp.path, expected)?;
        Ok(Object { digest: found, path: self.path_of(expected), len_bytes })
    }

    /// Stores what a reader gives, at most `len_bytes_max` bytes, under the SHA-256 it turns out to
    /// have: for what the tool makes itself, never for what somebody announced.
    pub fn put_new(&self, reader: impl Read, len_bytes_max: u64) -> Result<Object, StoreError> {
        let unknown = Digest::sha256(b"");
        let (temp, digest, len_bytes) =
            self.copy_to_temp(reader, Algorithm::Sha256, &unknown, len_bytes_max)?;
        self.publish(temp.file(), &temp.path, &digest)?;
        Ok(Object { path: self.path_of(&digest), digest, len_bytes })
    }

    fn copy_to_temp(
        &self,
        mut reader: impl Read,
        algorithm: Algorithm,
        expected: &Digest,
        len_bytes_max: u64,
    ) -> Result<(Temp, Digest, u64), StoreError> {
        let temp = self.temp()?;
        let mut hasher = Hasher::new(algorithm);
        let mut buffer = vec![0; COPY_BUFFER_BYTES];
        let mut len_bytes = 0u64;
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(StoreError::Read { expected: expected.clone(), source }),
            };
            len_bytes = len_bytes.saturating_add(n as u64);
            if len_bytes > len_bytes_max {
                return Err(StoreError::TooLong { expected: expected.clone(), len_bytes_max });
            }
            let bytes = buffer.get(..n).unwrap_or_default();
            hasher.update(bytes);
            temp.file().write_all(bytes).map_err(|e| StoreError::io("write", &temp.path, e))?;
        }
        Ok((temp, hasher.finish(), len_bytes))
    }

    /// Makes a file durable and read-only, then gives it its object name.
    fn publish(&self, file: &File, from: &Path, digest: &Digest) -> Result<(), StoreError> {
        let to = self.path_of(digest);
        let folder = to.parent().unwrap_or(&self.root);
        file.set_permissions(fs::Permissions::from_mode(0o444))
            .map_err(|e| StoreError::io("make read-only", from, e))?;
        file.sync_all().map_err(|e| StoreError::io("sync", from, e))?;
        make_folder(folder)?;
        fs::rename(from, &to).map_err(|e| StoreError::io("rename into place", &to, e))?;
        sync_folder(folder)
    }

    /// A new file in `temp/`, locked by this process.
    fn temp(&self) -> Result<Temp, StoreError> {
        let folder = self.root.join("temp");
        loop {
            let named = tempfile::Builder::new()
                .prefix("")
                .rand_bytes(12)
                .tempfile_in(&folder)
                .map_err(|e| StoreError::io("make a file in", &folder, e))?;
            named.as_file().lock().map_err(|e| StoreError::io("lock", named.path(), e))?;
            // Between making and locking, another process's sweep may have taken it for an orphan.
            if same_file(named.as_file(), named.path()) {
                let path = named.path().to_owned();
                return Ok(Temp { named, path });
            }
        }
    }

    /// Removes files in `temp/` that no living process has locked.
    fn sweep_temp(&self) -> Result<(), StoreError> {
        let folder = self.root.join("temp");
        for entry in read_folder(&folder)? {
            let path = entry.path();
            let Ok(file) = File::open(&path) else { continue };
            if file.try_lock().is_ok() && same_file(&file, &path) {
                remove_file(&path)?;
            }
        }
        Ok(())
    }
}

/// A file being written, removed on drop unless it was renamed away.
struct Temp {
    named: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Temp {
    fn file(&self) -> &File {
        self.named.as_file()
    }
}

/// True where the path still names the open file.
fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// Sets the modification time to the kernel's now. A store that cannot be written stays usable.
fn touch(path: &Path) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
    };
    let _ = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
}

fn write_layout(root: &Path, layout: &Path) -> Result<(), StoreError> {
    let occupied = read_folder(root)?.iter().any(|e| {
        !matches!(
            e.file_name().to_str(),
            Some("layout" | "lock" | "objects" | "partial" | "temp" | "quarantine")
        )
    });
    if occupied {
        return Err(StoreError::Layout {
            path: root.to_owned(),
            expected: LAYOUT,
            found: "a folder with other files".to_owned(),
        });
    }
    fs::write(layout, format!("{LAYOUT}\n")).map_err(|e| StoreError::io("write", layout, e))
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|e| StoreError::io("make the folder", path, e))
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", path, e))
}

fn read_folder(path: &Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    let failed = |e| StoreError::io("list", path, e);
    fs::read_dir(path).map_err(failed)?.collect::<io::Result<_>>().map_err(failed)
}

/// Removes a file; one that is gone already is no trouble.
fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
