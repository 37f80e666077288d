//! Holds a lock against what the archive signs today.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use jiff::Timestamp;
use tempfile::NamedTempFile;

use super::EnvironmentError;
use crate::digest::Digest;
use crate::environment::lock::{Lock, LockedFile, LockedIndex, LockedPackage};
use crate::source::debian::deb822::Reader;
use crate::source::debian::{
    Access, BinaryRecord, DebianError, IndexKind, SignedIndex, find_source, read_signed_index, signed_index,
};
use crate::verify::openpgp::Keyring;

/// What the archive's signed indexes say of a lock's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The indexes that were verified, one for each suite of the lock.
    pub indexes: Vec<SignedIndex>,
    /// Entries that no index lists any more, by name and version. Their authenticity then rests on the
    /// lock alone.
    pub unlisted: Vec<String>,
}

/// Verifies the suites' `InRelease` files and looks up every entry of the lock: each package, each
/// published artifact, each source file, by name, version, length and SHA-256.
///
/// `InRelease` files are kept in `kept` and used again, after verifying them again, until they expire or
/// `refresh` asks for new ones; the indexes themselves come from the store. So a second confirmation
/// asks nobody.
///
/// # Errors
///
/// When an index cannot be had or verified, and when it contradicts the lock: the same name and version
/// with other bytes.
pub fn confirm(
    access: &Access<'_>,
    lock: &Lock,
    keyring: &Keyring,
    as_of: Timestamp,
    kept: &Path,
    refresh: bool,
) -> Result<Confirmation, EnvironmentError> {
    let entries = Entries { packages: &lock.packages, published: &lock.published };
    let Confirmation { indexes, mut unlisted } =
        entries.confirm(access, &lock.indexes, &lock.build.architecture, keyring, as_of, kept, refresh)?;
    match find_source(access, &indexes, &lock.source.name, &lock.source.version) {
        Ok(record) => {
            for file in &lock.source.files {
                match record.source.files.iter().find(|f| f.name == file.name) {
                    Some(listed) => {
                        let mut entry = Entry::new(file.size, &file.digest);
                        entry.seen(&file.name, listed.size, &listed.digest)?;
                    }
                    None => unlisted.push(file.name.clone()),
                }
            }
        }
        Err(DebianError::SourceNotListed { .. }) => {
            unlisted.extend(lock.source.files.iter().map(|f| f.name.clone()));
        }
        Err(e) => return Err(e.into()),
    }
    unlisted.sort();
    unlisted.dedup();
    Ok(Confirmation { indexes, unlisted })
}

/// Verifies the suites' `InRelease` files and looks up packages alone, as [`confirm`] does it for a whole
/// lock.
///
/// # Errors
///
/// As [`confirm`].
pub fn confirm_packages(
    access: &Access<'_>,
    (indexes, packages): (&[LockedIndex], &[LockedPackage]),
    architecture: &str,
    keyring: &Keyring,
    as_of: Timestamp,
    kept: &Path,
    refresh: bool,
) -> Result<Confirmation, EnvironmentError> {
    Entries { packages, published: &[] }.confirm(access, indexes, architecture, keyring, as_of, kept, refresh)
}

/// What is looked up in the lists of binary packages.
struct Entries<'a> {
    packages: &'a [LockedPackage],
    published: &'a [LockedFile],
}

impl Entries<'_> {
    #[allow(clippy::too_many_arguments)]
    fn confirm(
        &self,
        access: &Access<'_>,
        locked: &[LockedIndex],
        architecture: &str,
        keyring: &Keyring,
        as_of: Timestamp,
        kept: &Path,
        refresh: bool,
    ) -> Result<Confirmation, EnvironmentError> {
        let mut indexes = Vec::with_capacity(locked.len());
        for locked in locked {
            indexes.push(index(access, &locked.suite, keyring, as_of, kept, refresh)?);
        }
        let mut wanted: BTreeMap<Key, Entry> = BTreeMap::new();
        for package in self.packages {
            let key = (package.name.clone(), package.version.clone(), package.architecture.clone());
            wanted.insert(key, Entry::new(package.file.size, &package.file.digest));
        }
        let mut published: BTreeMap<&str, Entry> =
            self.published.iter().map(|f| (f.name.as_str(), Entry::new(f.size, &f.digest))).collect();
        for index in &indexes {
            let what = format!("{}/Packages", index.suite);
            let mut reader =
                Reader::new(index.open(access, IndexKind::Packages { architecture })?, &access.limits);
            let failed = |source| DebianError::Stanza { what: what.clone(), source };
            // Read to the end: only there is the index's own digest known to be right.
            while let Some(stanza) = reader.next_stanza().map_err(failed)? {
                let (Some(name), Some(version)) = (stanza.get("Package"), stanza.get("Version")) else {
                    continue;
                };
                let architecture = stanza.get("Architecture").unwrap_or_default();
                let key = (name.to_owned(), version.to_owned(), architecture.to_owned());
                let file = stanza.get("Filename").and_then(|f| f.rsplit('/').next()).unwrap_or_default();
                let entries = [wanted.get_mut(&key), published.get_mut(file)];
                for entry in entries.into_iter().flatten() {
                    let record = BinaryRecord::of(&stanza, index.archive, &what)?;
                    entry.seen(&format!("{name} {version}"), record.file.size, &record.file.digest)?;
                }
            }
        }
        let unlisted: Vec<String> = wanted
            .iter()
            .filter(|(_, entry)| !entry.listed)
            .map(|((name, version, _), _)| format!("{name} {version}"))
            .chain(published.iter().filter(|(_, e)| !e.listed).map(|(name, _)| (*name).to_owned()))
            .collect();
        Ok(Confirmation { indexes, unlisted })
    }
}

/// Name, version, architecture.
type Key = (String, String, String);

/// What the lock says of a file, and whether an index says the same.
struct Entry {
    size: u64,
    digest: Digest,
    listed: bool,
}

impl Entry {
    fn new(size: u64, digest: &Digest) -> Self {
        Self { size, digest: digest.clone(), listed: false }
    }

    fn seen(&mut self, name: &str, size: u64, digest: &Digest) -> Result<(), EnvironmentError> {
        if (size, digest) == (self.size, &self.digest) {
            self.listed = true;
            return Ok(());
        }
        Err(EnvironmentError::Contradicted {
            name: name.to_owned(),
            locked: self.digest.clone(),
            listed: digest.clone(),
        })
    }
}

/// The suite's index: the kept one if it still passes, else a new one, which is kept.
fn index(
    access: &Access<'_>,
    suite: &str,
    keyring: &Keyring,
    as_of: Timestamp,
    kept: &Path,
    refresh: bool,
) -> Result<SignedIndex, EnvironmentError> {
    let path = kept.join(format!("{}.InRelease", suite.replace('/', "_")));
    if !refresh && let Ok(file) = fs::File::open(&path) {
        let mut bytes = Vec::new();
        let bound = access.limits.signature.signed_text_bytes_max as u64 + 1;
        if file.take(bound).read_to_end(&mut bytes).is_ok()
            && let Ok(index) = read_signed_index(&bytes, suite, keyring, as_of, &access.limits)
        {
            return Ok(index);
        }
    }
    let index = signed_index(access, suite, keyring, as_of)?;
    if let Some(object) = access.store.get(&index.digest).map_err(DebianError::from)? {
        let bytes =
            object.read(access.limits.signature.signed_text_bytes_max as u64).map_err(DebianError::from)?;
        keep(&path, kept, &bytes).map_err(EnvironmentError::scratch("write into", kept))?;
    }
    Ok(index)
}

/// Writes a file as a whole or not at all.
fn keep(path: &Path, folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
