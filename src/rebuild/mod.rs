//! Runs a build definition over a source tree in a sealed sandbox.
//!
//! Input is a [`Lock`], a root file system made from it, and the locked source files, whose digests were
//! checked by whoever fetched them. [`rebuild`] unpacks the source inside, asks the toolchain who it is,
//! runs the locked commands, and takes out what was expected. The result is a value that serialises:
//! [`Rebuild::load`] reads it back and computes every digest anew.
//!
//! A build that fails, hangs or outgrows its limits is a result with its log. Errors are for not having
//! built: no sandbox, no disk, a root file system that is not Debian's.
//!
//! A wheel has its own entrance, [`rebuild_wheel`], over a [`PythonLock`](crate::environment::python::PythonLock).
//!
//! [`rebuild_varied`] builds a second time with another clock, host name, number of processors and
//! folder, and tells which artifacts do not come out the same twice.
//!
//! # What it does not establish
//!
//! That the source is benign, or that the toolchain is. Two equal builds show that *these* variations do
//! not matter, not that none does.

mod clock;
mod collect;
mod error;
mod folder;
pub mod go;
mod log;
pub mod sandbox;
mod stage;
mod steps;
mod toolchain;
mod varied;
mod wheel;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use error::RebuildError;
pub use toolchain::COMPILER_CONFIGURATION;
use toolchain::Toolchain;
pub use varied::{ClockVariation, Stability, Unstable, Variation, rebuild_varied};
pub use wheel::{WheelRequest, rebuild_wheel, rebuild_wheel_varied, wheel_commands};

use crate::artifact::{Artifact, ArtifactName, Rebuilt};
use crate::digest::DigestSet;
use crate::environment::lock::Lock;
use crate::event::Observer;
use crate::limits::rebuild::RebuildLimits;
use crate::observation::Observation;
use sandbox::{Limit, Usage};

/// The only schema number of a stored rebuild.
pub const REBUILD_SCHEMA: u32 = 1;

/// What to rebuild, from what, where.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The build definition and the names of the expected artifacts.
    pub lock: &'a Lock,
    /// The root file system made from the lock's packages; only read. It has an empty `/build`.
    pub root: &'a Path,
    /// The files of the source package by their locked names; the caller has checked their digests.
    pub sources: &'a [(String, PathBuf)],
    /// A folder for this rebuild alone, made if it is missing: `build/` while it runs, then
    /// `artifacts/`, `build.log` and `rebuild.json`.
    pub work_dir: &'a Path,
    /// Jobs of the build: `parallel=` of `DEB_BUILD_OPTIONS`.
    pub jobs: usize,
    /// Limits.
    pub limits: &'a RebuildLimits,
}

/// How a rebuild ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Outcome {
    /// Every step ended with status 0.
    Completed,
    /// A step failed.
    StepFailed {
        /// Its name, e.g. `unpack` or `dpkg-buildpackage`.
        step: String,
        /// Its exit status; `None` when a signal ended it.
        status: Option<i32>,
    },
    /// Wall time was up.
    TimedOut {
        /// During this step.
        step: String,
        /// The limit.
        after: Duration,
    },
    /// Another limit was reached.
    LimitReached {
        /// During this step.
        step: String,
        /// Which.
        limit: Limit,
    },
}

impl Outcome {
    /// A word or two for a progress line.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::StepFailed { .. } => "failed",
            Self::TimedOut { .. } => "timed out",
            Self::LimitReached { .. } => "limit reached",
        }
    }
}

/// One step that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Step {
    /// Its name.
    pub name: String,
    /// The command.
    pub argv: Vec<String>,
    /// How it ended and what it used.
    pub run: sandbox::Run,
}

/// A file that the rebuild left in its work folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kept {
    /// Plain file name.
    pub name: ArtifactName,
    /// Length in bytes.
    pub len_bytes: u64,
    /// Computed when it was taken out.
    pub digests: DigestSet,
}

/// A finished rebuild, completed or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rebuild {
    /// [`REBUILD_SCHEMA`].
    pub schema: u32,
    /// The release's package URL.
    pub purl: String,
    /// SHA-256 of the lock in its serialised form: what this is a rebuild of.
    pub lock: DigestSet,
    /// Under which circumstances.
    pub variation: Variation,
    /// How it ended.
    pub outcome: Outcome,
    /// The steps that were run, in order.
    pub steps: Vec<Step>,
    /// The toolchain's own account of itself, by name.
    pub toolchain: std::collections::BTreeMap<String, String>,
    /// The environment that the commands got.
    pub env: std::collections::BTreeMap<String, String>,
    /// Values from the published artifact that were replayed.
    pub observations: Vec<Observation>,
    /// The expected artifacts that are there; one that is missing was not produced.
    pub artifacts: Vec<Kept>,
    /// The `.buildinfo` that the build wrote.
    pub buildinfo: Option<Kept>,
    /// The log: one line of output a line, after `+<seconds since the step's start>` and a blank.
    pub log: Kept,
    /// All steps together; the peaks are the largest of any step.
    pub usage: Usage,
}

impl Rebuild {
    /// Whether every step succeeded. Says nothing about the artifacts.
    pub const fn completed(&self) -> bool {
        matches!(self.outcome, Outcome::Completed)
    }

    /// The artifacts in their role, with digests computed anew from the files in `work_dir`.
    ///
    /// # Errors
    ///
    /// When a file is gone or its bytes are no longer those of the rebuild.
    pub fn rebuilt(&self, work_dir: &Path) -> Result<Vec<Rebuilt>, RebuildError> {
        self.artifacts.iter().map(|kept| kept.read(&work_dir.join(ARTIFACTS))).collect()
    }

    /// Where the log is.
    pub fn log_path(&self, work_dir: &Path) -> PathBuf {
        work_dir.join(self.log.name.as_str())
    }

    /// Reads what [`rebuild`] stored in `work_dir`, if it is a rebuild of this very lock and complete
    /// on disk; `None` if there is nothing of the kind.
    ///
    /// # Errors
    ///
    /// When the stored result is there but damaged.
    pub fn load(lock: &Lock, work_dir: &Path) -> Result<Option<Self>, RebuildError> {
        stage::load(lock, work_dir)
    }
}

impl Kept {
    fn read(&self, folder: &Path) -> Result<Rebuilt, RebuildError> {
        let path = folder.join(self.name.as_str());
        let artifact = Artifact::read(self.name.clone(), &path)
            .map_err(|source| RebuildError::Artifact { name: self.name.to_string(), source })?;
        if artifact.digests != self.digests {
            return Err(RebuildError::Changed {
                name: self.name.to_string(),
                expected: self.digests.clone(),
                found: artifact.digests,
            });
        }
        Ok(Rebuilt(artifact))
    }
}

/// The folder of the artifacts in the work folder.
const ARTIFACTS: &str = "artifacts";

/// Rebuilds, and stores the result in the work folder.
///
/// # Errors
///
/// When nothing could be built: see [`RebuildError`]. A failing build is not among them.
pub fn rebuild(request: &Request<'_>, observer: &dyn Observer) -> Result<Rebuild, RebuildError> {
    stage::run(request, &Variation::none(&request.lock.build.path), observer)
}
