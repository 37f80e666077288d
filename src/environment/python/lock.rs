//! The lock of a release on a Python package index: every input of its rebuild by digest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr as _;

use pep440_rs::Version;
use serde::{Deserialize, Serialize};

use crate::component::{TrustedPublisher, is_publisher};
use crate::digest::{Algorithm, Digest};
use crate::environment::lock::check::{self, Checked};
use crate::environment::lock::{LockError, LockedIndex, LockedPackage, text};
use crate::observation::Observation;
use crate::source::debian::is_archive_path;
use crate::source::pypi::{FileKind, LockedDistribution, distribution};

/// The only schema number that this version reads and writes.
pub const PYTHON_LOCK_SCHEMA: u32 = 1;

/// A locked environment for one release. Serialised as JSON beside the component's definition. Where the
/// files are served is not in it: that is the index's affair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PythonLock {
    /// [`PYTHON_LOCK_SCHEMA`].
    pub schema: u32,
    /// The component's name.
    pub component: String,
    /// The release's package URL.
    pub purl: String,
    /// Signed indexes that vouched for the packages.
    pub indexes: Vec<LockedIndex>,
    /// The source.
    pub sdist: LockedDistribution,
    /// What the publisher released. Never an input of the build.
    pub wheel: LockedDistribution,
    /// The interpreter's root file system, sorted by name, then architecture.
    pub packages: Vec<LockedPackage>,
    /// The build backend with all that it requires, sorted by project.
    pub requirements: Vec<LockedDistribution>,
    /// How the build runs.
    pub build: WheelBuild,
    /// The wheel's own word on what built it.
    pub generator: Option<Generator>,
    /// Who has to have attested the files, where the index offers attestations.
    pub publisher: Option<TrustedPublisher>,
    /// Values read from the published wheel and replayed.
    pub observations: Vec<Observation>,
}

/// The `Generator` line of a wheel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Generator {
    /// As it stands.
    pub line: String,
    /// Whether the project that it names takes part in this build.
    pub known: bool,
}

/// What to run, where, with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WheelBuild {
    /// Architecture of the build, e.g. `amd64`.
    pub architecture: String,
    /// Absolute folder of the unpacked source inside the sandbox.
    pub path: String,
    /// The backend's object path (PEP 517).
    pub backend: String,
    /// Folders of the source in which the backend is looked for first.
    pub backend_path: Vec<String>,
    /// The file mode creation mask, in octal.
    pub umask: String,
    /// Where the clock stands for the whole build, in seconds since 1970; the host's clock where none is
    /// given. Files that the build writes bear this time.
    pub clock: Option<i64>,
    /// Times of source files that are not those of the source distribution.
    pub times: BTreeMap<String, i64>,
    /// The whole environment of the build.
    pub env: BTreeMap<String, String>,
}

impl PythonLock {
    /// The canonical text: the same lock gives the same bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        text::rows(self)
    }

    /// Writes the canonical text, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        text::replace(path, self.to_bytes())
    }

    /// Reads and checks a lock. `component` is only named in the remedy where there is none.
    pub fn read(path: &Path, component: &str) -> Result<Self, LockError> {
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => {
                LockError::Missing { path: path.to_path_buf(), component: component.to_owned() }
            }
            _ => LockError::Read { path: path.to_path_buf(), source },
        };
        let (name, bytes) = check::bytes_of(path).map_err(failed)?;
        Self::parse(&name, &bytes)
    }

    /// Checks a lock's bytes; `file` is its name in messages.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, LockError> {
        let lock: Self = check::from_bytes(file, bytes)?;
        if lock.schema != PYTHON_LOCK_SCHEMA {
            let (found, expected) = (lock.schema, PYTHON_LOCK_SCHEMA);
            return Err(LockError::SchemaNumber { file: file.to_owned(), found, expected });
        }
        lock.check(&Checked { file })?;
        Ok(lock)
    }

    /// Every digest that a rebuild or its comparison needs.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        let files = [&self.sdist, &self.wheel].into_iter().chain(&self.requirements).map(|f| &f.digest);
        let indexes = self.indexes.iter().map(|i| &i.digest);
        indexes.chain(files).chain(self.packages.iter().map(|p| &p.file.digest))
    }

    fn check(&self, checked: &Checked<'_>) -> Result<(), LockError> {
        checked.head(&self.component, &self.purl, &self.indexes)?;
        checked.packages(&self.packages, &self.build.architecture)?;
        let is_sdist = |kind: &FileKind| *kind == FileKind::Sdist;
        self.distribution(checked, "`sdist`", &self.sdist, is_sdist)?;
        self.distribution(checked, "`wheel`", &self.wheel, |kind| !is_sdist(kind))?;
        let (sdist, wheel) = (&self.sdist, &self.wheel);
        let same = (&sdist.project, &sdist.version) == (&wheel.project, &wheel.version);
        checked.require(same, "the release of `wheel`", &wheel.file, "the release of `sdist`")?;
        let mut projects = BTreeSet::new();
        for file in &self.requirements {
            self.distribution(checked, "a file of `requirements`", file, |kind| kind.is_pure(3))?;
            let later = projects.last().is_none_or(|last| *last < &file.project);
            let once = "each project once, in order";
            checked.require(later, "a project of `requirements`", file.project.as_str(), once)?;
            projects.insert(&file.project);
        }
        if let Some(TrustedPublisher { repository, workflow }) = &self.publisher {
            let fits = is_publisher(repository, workflow);
            checked.require(fits, "`publisher`", repository, "a repository and a workflow")?;
        }
        self.build(checked)?;
        checked.observations(&self.observations)
    }

    fn distribution(
        &self,
        checked: &Checked<'_>,
        at: &str,
        file: &LockedDistribution,
        fits: impl Fn(&FileKind) -> bool,
    ) -> Result<(), LockError> {
        let read = distribution(&file.project, &file.file);
        let version = Version::from_str(&file.version).ok();
        let right = read.is_some_and(|(kind, of)| fits(&kind) && Some(of) == version);
        checked.require(right, at, &file.file, "a distribution of that project and version")?;
        let digest = &file.digest;
        let strong = digest.algorithm() == Algorithm::Sha256;
        checked.require(strong, format!("the digest of {at}"), &digest.to_string(), "a SHA-256 digest")
    }

    fn build(&self, checked: &Checked<'_>) -> Result<(), LockError> {
        let build = &self.build;
        let below = build.path.strip_prefix("/build/").unwrap_or_default();
        let two = is_archive_path(below) && below.contains('/');
        checked.require(two, "`build.path`", &build.path, "a folder two levels below `/build`")?;
        let word = |c: char| c.is_ascii_alphanumeric() || "._:".contains(c);
        let backend = !build.backend.is_empty() && build.backend.chars().all(word);
        checked.require(backend, "`build.backend`", &build.backend, "an object path")?;
        for path in &build.backend_path {
            let inside = path.split('/').all(|part| part != ".." && !part.chars().any(char::is_control));
            let inside = inside && !path.starts_with('/');
            checked.require(inside, "`build.backend-path`", path, "a folder of the source")?;
        }
        let umask = build.umask.len() == 3 && u32::from_str_radix(&build.umask, 8).is_ok();
        checked.require(umask, "`build.umask`", &build.umask, "three octal digits")?;
        for (path, time) in &build.times {
            let inside = path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
            checked.require(inside, "a file of `build.times`", path, "a file of the source")?;
            let dated = (0..=u32::MAX.into()).contains(time);
            checked.require(dated, "a time of `build.times`", &time.to_string(), "seconds since 1970")?;
        }
        if let Some(clock) = build.clock {
            let dated = (0..=u32::MAX.into()).contains(&clock);
            checked.require(dated, "`build.clock`", &clock.to_string(), "seconds since 1970")?;
        }
        checked.env(&build.env)
    }
}
