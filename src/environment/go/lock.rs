//! The lock of a Go build, as JSON beside the component's definition.

use std::io::Read as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::GoEnvironmentError;
use crate::artifact::ArtifactName;
use crate::component::domain::{is_below, is_repository, is_revision, repository_name};
use crate::component::{Component, GoRelease, Release};
use crate::digest::{Algorithm, Digest};
use crate::environment::lock::check::Checked;
use crate::environment::lock::{LockError, LockedIndex, LockedPackage, text};
use crate::limits::debian::LOCK_BYTES_MAX;
use crate::source::go::{ModSum, ModuleVersion};

/// The only schema number that this version reads and writes.
pub const GO_LOCK_SCHEMA: u32 = 1;

/// Debian's name of the platform that sources are prepared on: that of the tool chains.
pub const PREPARED_ON: &str = "amd64";

/// Everything that a rebuild needs, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GoLock {
    /// [`GO_LOCK_SCHEMA`].
    pub schema: u32,
    /// `go`.
    pub kind: Kind,
    /// The component's name.
    pub component: String,
    /// The release's package URL.
    pub purl: String,
    /// SHA-256 of the release's definition: another recipe needs another lock.
    pub recipe: Digest,
    /// The main module; without a zip where its source is a commit.
    pub source: LockedModule,
    /// The commit, where the source is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<LockedGit>,
    /// The tool chain, as a module.
    pub toolchain: LockedModule,
    /// Modules of the main module's `go.sum`.
    pub modules: Vec<LockedModule>,
    /// Archives that the source is built with, in the definition's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<LockedInput>,
    /// Signed indexes that vouched for the packages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<LockedIndex>,
    /// Packages of the root file system in which the source is prepared, sorted by name, then architecture;
    /// none where it is built as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<LockedPackage>,
    /// What was published, where its bytes could be had.
    pub published: Option<LockedPublished>,
}

/// A commit of a repository, with the archive of its tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedGit {
    /// The repository's address.
    pub repository: String,
    /// The tag that named the commit.
    pub tag: String,
    /// Its whole name.
    pub commit: String,
    /// Length in bytes of the tree as one tar archive, as [`Clone::pack`](crate::source::git::Clone::pack) makes it.
    pub size: u64,
    /// SHA-256 of that.
    pub digest: Digest,
}

impl LockedGit {
    /// A name for the archive of the tree.
    pub fn file(&self) -> String {
        format!("{}-{}.tar", repository_name(&self.repository).replace('/', "-"), self.commit)
    }
}

/// An archive that the source is built with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedInput {
    /// What the definition calls it.
    pub name: String,
    /// Its file name.
    pub artifact: String,
    /// Its bytes; nothing where they could not be had when the lock was made, and nothing pins them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<LockedBlob>,
}

/// The kind of lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Of a Go build.
    Go,
}

/// A module by its sums, and its files by length and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedModule {
    /// Module path.
    pub path: String,
    /// Version.
    pub version: String,
    /// Sum of the zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<ModSum>,
    /// The zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip: Option<LockedBlob>,
    /// Sum of the `go.mod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mod_sum: Option<ModSum>,
    /// The `go.mod`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mod_file: Option<LockedBlob>,
}

/// A file by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedBlob {
    /// Length in bytes.
    pub size: u64,
    /// SHA-256.
    pub digest: Digest,
}

/// The published artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPublished {
    /// Its file name.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256.
    pub digest: Digest,
    /// What its registry announces, where it announces another algorithm's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced: Option<Digest>,
}

impl LockedModule {
    /// Path and version.
    pub fn module(&self) -> ModuleVersion {
        ModuleVersion { path: self.path.clone(), version: self.version.clone() }
    }
}

impl GoLock {
    /// The digest by which a lock names its definition.
    pub fn recipe_digest(release: &GoRelease) -> Digest {
        // Strings, lists and maps with string keys cannot fail.
        Digest::sha256(&serde_json::to_vec(release).unwrap_or_default())
    }

    /// Every digest that a rebuild or its comparison needs.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        let modules = [&self.source, &self.toolchain].into_iter().chain(&self.modules);
        let blobs = modules.flat_map(|m| m.zip.iter().chain(&m.mod_file));
        let blobs = blobs.chain(self.inputs.iter().filter_map(|i| i.file.as_ref())).map(|b| &b.digest);
        let system =
            self.indexes.iter().map(|i| &i.digest).chain(self.packages.iter().map(|p| &p.file.digest));
        let git = self.git.iter().map(|g| &g.digest);
        blobs.chain(git).chain(system).chain(self.published.iter().map(|p| &p.digest))
    }

    /// The canonical text.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        text::rows(self)
    }

    /// Writes the canonical text, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        text::replace(path, self.to_bytes())
    }

    /// Reads the lock of a release from its place beside the definition; refuses one that was written for
    /// another release or another recipe.
    pub fn of_release(component: &Component, release: &Release) -> Result<Self, GoEnvironmentError> {
        let path = component.lock_path(release);
        let lock = Self::read(&path, &format!("'{}'", release.purl))?;
        let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let purl = release.purl.to_string();
        if lock.component != component.name || lock.purl != purl {
            let (found, expected) = (lock.purl, purl);
            return Err(LockError::OtherRelease { file, found, expected }.into());
        }
        if release.go().map(Self::recipe_digest).as_ref() != Some(&lock.recipe) {
            let detail = "it was written for another recipe than the definition has now".to_owned();
            return Err(GoEnvironmentError::Damaged { file, detail });
        }
        let pinned = release.go().and_then(|go| go.git.as_ref());
        let same = match (&lock.git, pinned) {
            (Some(git), Some(pinned)) => {
                git.repository == pinned.repository
                    && git.tag == pinned.tag
                    && git.commit.starts_with(&pinned.commit)
            }
            (git, pinned) => git.is_none() && pinned.is_none(),
        };
        let module = release.go().map(|go| (&go.module, &go.version));
        if !same || module != Some((&lock.source.path, &lock.source.version)) {
            let detail =
                "its source is another module or commit than the one that the definition pins".to_owned();
            return Err(GoEnvironmentError::Damaged { file, detail });
        }
        if let Some(detail) = release.go().and_then(|go| lock.lacks(go)) {
            return Err(GoEnvironmentError::Damaged { file, detail });
        }
        Ok(lock)
    }

    /// What the lock does not have of a recipe's inputs and preparation, or has beside them.
    fn lacks(&self, go: &GoRelease) -> Option<String> {
        let wanted = go.inputs.iter().map(|i| (&i.name, &i.artifact));
        if !self.inputs.iter().map(|i| (&i.name, &i.artifact)).eq(wanted) {
            return Some("its inputs are not those of the recipe".to_owned());
        }
        (self.packages.is_empty() == go.recipe.prepare.is_some())
            .then(|| "it has packages where nothing is prepared, or none where something is".to_owned())
    }

    /// Reads and checks a lock; `of` is what `reprove lock` writes it for.
    pub fn read(path: &Path, of: &str) -> Result<Self, GoEnvironmentError> {
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => {
                LockError::Missing { path: path.to_path_buf(), component: of.to_owned() }
            }
            _ => LockError::Read { path: path.to_path_buf(), source },
        };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(LOCK_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Self::parse(&name, &bytes)
    }

    /// Checks a lock's bytes; `file` is its name in messages.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, GoEnvironmentError> {
        let damaged = |detail: String| GoEnvironmentError::Damaged { file: file.to_owned(), detail };
        if bytes.len() as u64 > LOCK_BYTES_MAX {
            return Err(damaged(format!("it has more than {LOCK_BYTES_MAX} bytes")));
        }
        let lock: Self = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        if lock.schema != GO_LOCK_SCHEMA {
            return Err(damaged(format!("schema {} is not known, expected {GO_LOCK_SCHEMA}", lock.schema)));
        }
        for locked in [&lock.source, &lock.toolchain].into_iter().chain(&lock.modules) {
            let name = format!("{}@{}", locked.path, locked.version);
            if ModuleVersion::new(&locked.path, &locked.version).is_none() {
                return Err(damaged(format!("`{}` is no module and version", name.escape_debug())));
            }
            if locked.sum.is_some() != locked.zip.is_some()
                || locked.mod_sum.is_some() != locked.mod_file.is_some()
            {
                return Err(damaged(format!("{name} has a sum without a file, or a file without a sum")));
            }
            for blob in locked.zip.iter().chain(&locked.mod_file) {
                if blob.digest.algorithm() != Algorithm::Sha256 {
                    return Err(damaged(format!("{name} is locked by another digest than SHA-256")));
                }
            }
        }
        if lock.source.zip.is_none() == lock.git.is_none() || lock.toolchain.zip.is_none() {
            return Err(damaged(
                "the source has not exactly one of a zip and a commit, or the tool chain has no zip"
                    .to_owned(),
            ));
        }
        if let Some(git) = &lock.git
            && !(is_repository(&git.repository)
                && is_below(&git.tag)
                && git.commit.len() == 40
                && is_revision(&git.commit)
                && git.digest.algorithm() == Algorithm::Sha256)
        {
            return Err(damaged(
                "its commit is not one of a repository with the SHA-256 of its tree".to_owned(),
            ));
        }
        let names = lock.modules.windows(2).all(|w| match w {
            [a, b] => (&a.path, &a.version) < (&b.path, &b.version),
            _ => true,
        });
        if !names {
            return Err(damaged("its modules are not in order, or one is there twice".to_owned()));
        }
        for input in &lock.inputs {
            let plain = ArtifactName::new(input.artifact.clone()).is_ok();
            let strong = input.file.as_ref().is_none_or(|f| f.digest.algorithm() == Algorithm::Sha256);
            if !plain || !strong {
                let name = input.name.escape_debug();
                return Err(damaged(format!("the input `{name}` is not a plain file by its SHA-256")));
            }
        }
        let checked = Checked { file };
        checked.head(&lock.component, &lock.purl, &lock.indexes)?;
        if !lock.packages.is_empty() {
            checked.packages(&lock.packages, PREPARED_ON)?;
        }
        if let Some(published) = &lock.published
            && (ArtifactName::new(published.name.clone()).is_err()
                || published.digest.algorithm() != Algorithm::Sha256)
        {
            return Err(damaged("what was published is not a plain file by its SHA-256".to_owned()));
        }
        Ok(lock)
    }
}
