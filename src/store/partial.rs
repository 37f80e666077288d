//! Downloads under way: appended to by one process at a time, kept when it dies, resumed by the next.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use super::{COPY_BUFFER_BYTES, Object, Store, StoreError, make_folder, remove_file, same_file};
use crate::digest::{Digest, Hasher};

/// Longest validator kept: an entity tag is a header line, and 1 KiB is far above any seen.
const VALIDATOR_BYTES_MAX: u64 = 4096;

/// What came of asking for the right to download an object.
pub(crate) enum Claim {
    /// Nothing to do.
    Present(Object),
    /// The caller may append.
    Partial(Box<Partial>),
    /// Another process or thread is at it and has got that far.
    Busy {
        /// Bytes it has so far.
        len_bytes: u64,
    },
}

/// The bytes of an object so far. Dropping it keeps them for the next run.
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    validator_path: PathBuf,
    digest: Digest,
    hasher: Hasher,
    len_bytes: u64,
    validator: Option<String>,
    /// Not kept on drop: written beside the partial that somebody else holds.
    private: bool,
}

impl Store {
    /// Asks for the right to download an object.
    pub(crate) fn claim(&self, digest: &Digest) -> Result<Claim, StoreError> {
        if let Some(object) = self.get(digest)? {
            return Ok(Claim::Present(object));
        }
        let path = self.partial_path(digest);
        loop {
            let file = open_partial(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(fs::TryLockError::WouldBlock) => {
                    let len_bytes = file.metadata().map_or(0, |m| m.len());
                    return Ok(Claim::Busy { len_bytes });
                }
                Err(fs::TryLockError::Error(e)) => return Err(StoreError::io("lock", &path, e)),
            }
            // The former holder may have renamed it into place between opening and locking.
            if same_file(&file, &path) {
                return match self.get(digest)? {
                    Some(object) => {
                        remove_file(&path)?;
                        Ok(Claim::Present(object))
                    }
                    None => Ok(Claim::Partial(Box::new(Partial::resume(file, path, digest, false)?))),
                };
            }
            if let Some(object) = self.get(digest)? {
                return Ok(Claim::Present(object));
            }
        }
    }

    /// A partial of one's own, for when whoever holds the shared one makes no headway.
    pub(crate) fn claim_private(&self, digest: &Digest) -> Result<Claim, StoreError> {
        let temp = self.temp()?;
        let (file, path) = temp.named.keep().map_err(|e| StoreError::io("keep", &temp.path, e.error))?;
        Ok(Claim::Partial(Box::new(Partial::resume(file, path, digest, true)?)))
    }

    /// Checks a complete partial and makes it an object. On a wrong digest its bytes are thrown away.
    /// After an error the claim still stands.
    pub(crate) fn commit(&self, partial: &mut Partial) -> Result<Object, StoreError> {
        let found = partial.hasher.clone().finish();
        if found != partial.digest {
            partial.restart()?;
            return Err(StoreError::Digest { expected: partial.digest.clone(), found });
        }
        self.publish(&partial.file, &partial.path, &partial.digest)?;
        remove_file(&partial.validator_path)?;
        partial.private = false;
        Ok(Object {
            digest: partial.digest.clone(),
            path: self.path_of(&partial.digest),
            len_bytes: partial.len_bytes,
        })
    }

    fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("partial").join(format!("{}-{}", digest.algorithm(), digest.to_hex()))
    }
}

fn open_partial(path: &std::path::Path) -> Result<File, StoreError> {
    let open = || File::options().read(true).append(true).create(true).open(path);
    open()
        .or_else(|e| match (e.kind(), path.parent()) {
            (io::ErrorKind::NotFound, Some(folder)) => {
                make_folder(folder).map_err(io::Error::other)?;
                open()
            }
            _ => Err(e),
        })
        .map_err(|e| StoreError::io("open", path, e))
}

impl Partial {
    /// Hashes what is there already.
    fn resume(mut file: File, path: PathBuf, digest: &Digest, private: bool) -> Result<Self, StoreError> {
        let mut hasher = Hasher::new(digest.algorithm());
        let mut len_bytes = 0u64;
        let mut buffer = vec![0; COPY_BUFFER_BYTES];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    hasher.update(buffer.get(..n).unwrap_or_default());
                    len_bytes += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(StoreError::io("read", &path, e)),
            }
        }
        let validator_path = path.with_extension("validator");
        let mut text = String::new();
        let validator = File::open(&validator_path)
            .and_then(|f| f.take(VALIDATOR_BYTES_MAX).read_to_string(&mut text))
            .ok()
            .map(|_| text);
        Ok(Self { file, path, validator_path, digest: digest.clone(), hasher, len_bytes, validator, private })
    }

    /// Bytes so far.
    pub(crate) const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Which response the bytes came from, as [`Partial::begin`] was told.
    pub(crate) fn validator(&self) -> Option<&str> {
        self.validator.as_deref().filter(|_| self.len_bytes > 0)
    }

    /// Notes which response the bytes that follow come from.
    pub(crate) fn begin(&mut self, validator: Option<&str>) -> Result<(), StoreError> {
        self.validator = validator.map(str::to_owned);
        match validator {
            Some(text) => fs::write(&self.validator_path, text)
                .map_err(|e| StoreError::io("write", &self.validator_path, e)),
            None => remove_file(&self.validator_path),
        }
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.hasher.update(bytes);
                self.len_bytes += bytes.len() as u64;
                Ok(())
            }
            Err(e) => {
                // Part of the bytes may be there: cut back to what was hashed.
                let _ = self.file.set_len(self.len_bytes);
                Err(StoreError::io("write", &self.path, e))
            }
        }
    }

    /// Throws the bytes away.
    pub(crate) fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(|e| StoreError::io("empty", &self.path, e))?;
        self.hasher = Hasher::new(self.digest.algorithm());
        self.len_bytes = 0;
        self.validator = None;
        remove_file(&self.validator_path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.private {
            let _ = fs::remove_file(&self.path);
            let _ = fs::remove_file(&self.validator_path);
        }
    }
}
