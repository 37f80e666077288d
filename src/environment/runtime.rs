//! The lock of a system in which a release is installed: what a probe starts it in.
//!
//! It names the release's own packages and everything that they depend on, by digest. What is tested
//! takes the place of the own packages: the rebuilt ones, or, where nothing was rebuilt, the published
//! ones themselves. Far smaller than a build environment, and resolved without any source.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lock::check::{Checked, bytes_of, is_package_name};
use super::lock::text::{replace, rows};
use super::lock::{LockError, LockedIndex, LockedPackage, LockedPath};
use crate::component::{Component, Release};
use crate::digest::Digest;
use crate::limits::debian::LOCK_BYTES_MAX;

/// The only schema number that this version reads and writes.
pub const RUNTIME_LOCK_SCHEMA: u32 = 1;

/// What a release needs to run. Serialised as JSON beside the component's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RuntimeLock {
    /// [`RUNTIME_LOCK_SCHEMA`].
    pub schema: u32,
    /// The component's name.
    pub component: String,
    /// The release's package URL.
    pub purl: String,
    /// E.g. `amd64`.
    pub architecture: String,
    /// Signed indexes that vouched for what is below.
    pub indexes: Vec<LockedIndex>,
    /// Names of the release's own packages, all of them among the packages.
    pub own: Vec<String>,
    /// The system's packages, sorted by name, then architecture.
    pub packages: Vec<LockedPackage>,
}

impl RuntimeLock {
    /// Reads and checks the lock of a release, from its place beside the component's definition.
    ///
    /// # Errors
    ///
    /// Where there is none, where it is none, and where it was written for another release.
    pub fn of_release(component: &Component, release: &Release) -> Result<Self, LockError> {
        let path = component.runtime_lock_path(release);
        let (file, bytes) = bytes_of(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => LockError::MissingRuntime {
                path: path.clone(),
                component: format!("{}@{}", component.name, release.version),
            },
            _ => LockError::Read { path: path.clone(), source },
        })?;
        let lock = Self::parse(&file, &bytes)?;
        for (found, expected) in [(&lock.component, &component.name), (&lock.purl, &release.purl.to_string())]
        {
            if found != expected {
                let (found, expected) = (found.clone(), expected.clone());
                return Err(LockError::OtherRelease { file, found, expected });
            }
        }
        Ok(lock)
    }

    /// Checks a lock's bytes; `file` is its name in messages.
    ///
    /// # Errors
    ///
    /// Whatever is not as a lock is written.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, LockError> {
        if bytes.len() as u64 > LOCK_BYTES_MAX {
            return Err(LockError::TooLarge { file: file.to_owned(), bytes_max: LOCK_BYTES_MAX });
        }
        let lock: Self = serde_json::from_slice(bytes)
            .map_err(|source| LockError::Schema { file: file.to_owned(), source })?;
        if lock.schema != RUNTIME_LOCK_SCHEMA {
            let (found, expected) = (lock.schema, RUNTIME_LOCK_SCHEMA);
            return Err(LockError::SchemaNumber { file: file.to_owned(), found, expected });
        }
        let checked = Checked { file };
        checked.head(&lock.component, &lock.purl, &lock.indexes)?;
        let architecture = &lock.architecture;
        checked.require(is_package_name(architecture), "`architecture`", architecture, "e.g. `amd64`")?;
        checked.packages(&lock.packages, architecture)?;
        let among = |name: &String| lock.packages.iter().any(|package| package.name == *name);
        let stray = lock.own.iter().find(|name| !among(name));
        let found = stray.cloned().unwrap_or_default();
        let good = stray.is_none() && !lock.own.is_empty();
        checked.require(good, "`own`", &found, "names of packages of the lock, at least one")?;
        Ok(lock)
    }

    /// The canonical text: the same lock gives the same bytes, one package a line.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        rows(self)
    }

    /// Writes the canonical text; readers see the old file or the new one, never a part.
    ///
    /// # Errors
    ///
    /// Where the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        replace(path, self.to_bytes())
    }

    /// An artifact under test as a package of the system: what its file name says, as Debian writes it. That
    /// the file says the same of itself is checked when the system is made.
    ///
    /// # Errors
    ///
    /// Where the name is of another form, or of a package that is not the release's own.
    pub fn under_test(
        &self,
        path: &Path,
        digest: Digest,
        len_bytes: u64,
    ) -> Result<LockedPackage, LockError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parts: Vec<&str> = name.strip_suffix(".deb").unwrap_or_default().split('_').collect();
        match *parts {
            [package, version, architecture] if self.own.iter().any(|own| own == package) => {
                Ok(LockedPackage {
                    name: package.to_owned(),
                    version: version.replace("%3a", ":"),
                    architecture: architecture.to_owned(),
                    file: LockedPath { archive: "debian".to_owned(), path: name, size: len_bytes, digest },
                })
            }
            _ => Err(LockError::NotOwn { file: name, own: self.own.join("`, `") }),
        }
    }

    /// The packages but for those of the given names.
    pub fn without<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a LockedPackage> {
        self.packages.iter().filter(move |package| !names.contains(&package.name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = r#"{"schema": 1, "component": "hello", "purl": "pkg:deb/debian/hello@2.10-3?arch=amd64&distro=bookworm",
        "architecture": "amd64", "indexes": [], "own": ["hello"], "packages": [
        {"name": "base-files", "version": "12", "architecture": "amd64", "archive": "debian", "path": "pool/b.deb", "size": 1,
         "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
        {"name": "hello", "version": "2.10-3", "architecture": "amd64", "archive": "debian", "path": "pool/h.deb", "size": 1,
         "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000000"}]}"#;

    #[test]
    fn what_was_written_is_read_and_what_is_wrong_is_refused() {
        let lock = RuntimeLock::parse("l", TEXT.as_bytes()).unwrap();
        assert_eq!(RuntimeLock::parse("l", &lock.to_bytes().unwrap()).unwrap(), lock);
        assert_eq!(lock.without(&["hello"]).map(|p| p.name.as_str()).collect::<Vec<_>>(), ["base-files"]);
        let digest = Digest::sha256(b"x");
        let taken = |name: &str| lock.under_test(Path::new(name), digest.clone(), 1);
        let package = taken("/a/hello_1%3a2.10-4_amd64.deb").unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("hello", "1:2.10-4"));
        for name in ["base-files_12_amd64.deb", "hello.deb", "hello_1_amd64.rpm", "hello", ""] {
            assert!(taken(name).is_err(), "{name}");
        }
        for (from, to) in [
            ("\"schema\": 1", "\"schema\": 2"),
            ("\"own\": [\"hello\"]", "\"own\": []"),
            ("\"own\": [\"hello\"]", "\"own\": [\"other\"]"),
            ("\"own\"", "\"colour\": 1, \"own\""),
            ("pool/h.deb", "../h.deb"),
            ("\"name\": \"base-files\"", "\"name\": \"zlib1g\""),
            ("\"architecture\": \"amd64\", \"indexes\"", "\"architecture\": \"i386\", \"indexes\""),
            ("\"component\": \"hello\"", "\"component\": \"../hello\""),
        ] {
            assert!(TEXT.contains(from), "{from}");
            assert!(RuntimeLock::parse("l", TEXT.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
    }
}
