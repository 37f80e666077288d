//! Runs the steps of a rebuild, whatever is built: one after the other, with one log and one set of
//! limits over all of them.

use std::collections::BTreeMap;
use std::path::Path;

use super::folder::{LOG, plain, store};
use super::log::Log;
use super::sandbox::{self, Outcome as RunOutcome, Spec, Usage};
use super::varied::Variation;
use super::{Kept, Outcome, REBUILD_SCHEMA, Rebuild, RebuildError, Step};
use crate::digest::{Algorithm, DigestSet, hash_file};
use crate::event::{Event, Observer, Stage};
use crate::limits::rebuild::RebuildLimits;
use crate::observation::Observation;

/// What one kind of rebuild knows of itself when its steps have been run.
pub(super) struct Built {
    pub(super) purl: String,
    /// SHA-256 of the lock in its serialised form.
    pub(super) lock: DigestSet,
    pub(super) variation: Variation,
    pub(super) outcome: Outcome,
    pub(super) toolchain: BTreeMap<String, String>,
    pub(super) observations: Vec<Observation>,
    pub(super) artifacts: Vec<Kept>,
    pub(super) buildinfo: Option<Kept>,
}

/// A rebuild on its way.
pub(super) struct Steps<'a> {
    /// What the next step sees.
    pub(super) spec: Spec,
    pub(super) limits: &'a RebuildLimits,
    pub(super) observer: &'a dyn Observer,
    pub(super) log: Log<'a>,
    /// Those that were run.
    pub(super) done: Vec<Step>,
    pub(super) usage: Usage,
}

impl<'a> Steps<'a> {
    /// Begins with an empty log in `work_dir`.
    pub(super) fn begin(
        spec: Spec,
        limits: &'a RebuildLimits,
        work_dir: &Path,
        observer: &'a dyn Observer,
    ) -> Result<Self, RebuildError> {
        let path = work_dir.join(LOG);
        let log = Log::create(&path, observer).map_err(RebuildError::disk("create", &path))?;
        Ok(Self { spec, limits, observer, log, done: Vec::new(), usage: Usage::default() })
    }

    /// Ends the log and keeps the result in `work_dir`, last of all.
    pub(super) fn finish(self, built: Built, work_dir: &Path) -> Result<Rebuild, RebuildError> {
        let path = work_dir.join(LOG);
        self.log.finish().map_err(RebuildError::disk("write", &path))?;
        let (digest, len_bytes) =
            hash_file(Algorithm::Sha256, &path).map_err(RebuildError::disk("read", &path))?;
        let Built { purl, lock, variation, outcome, toolchain, observations, artifacts, buildinfo } = built;
        let rebuild = Rebuild {
            schema: REBUILD_SCHEMA,
            purl,
            lock,
            variation,
            outcome,
            steps: self.done,
            toolchain,
            env: self.spec.env,
            observations,
            artifacts,
            buildinfo,
            log: Kept { name: plain(LOG)?, len_bytes, digests: DigestSet::single(digest) },
            usage: self.usage,
        };
        store(&rebuild, work_dir)?;
        self.observer.event(&Event::Finished { stage: Stage::Rebuild, what: rebuild.outcome.word() });
        Ok(rebuild)
    }

    /// Runs one step with what is left of the limits; how all ends, if it does here.
    pub(super) fn step(&mut self, name: &str, argv: Vec<String>) -> Result<Option<Outcome>, RebuildError> {
        let all = &self.limits.sandbox;
        let used = self.usage.user + self.usage.system;
        self.spec.limits.wall_time_max = all.wall_time_max.saturating_sub(self.usage.wall);
        self.spec.limits.cpu_time_max = all.cpu_time_max.saturating_sub(used);
        self.spec.limits.log_bytes_max = all.log_bytes_max.saturating_sub(self.log.bytes());
        self.log.step(&argv);
        let text = format!("{name}: {}", super::log::harmless(argv.join(" ").as_bytes()));
        self.observer.event(&Event::Note { stage: Stage::Rebuild, text: &text });
        let run = sandbox::run(&self.spec, &argv, &mut self.log)?;
        let usage = &mut self.usage;
        usage.wall += run.usage.wall;
        usage.user += run.usage.user;
        usage.system += run.usage.system;
        usage.largest_process_bytes = usage.largest_process_bytes.max(run.usage.largest_process_bytes);
        usage.peak_memory_bytes = usage.peak_memory_bytes.max(run.usage.peak_memory_bytes);
        usage.peak_to_the_end = run.usage.peak_to_the_end && (self.done.is_empty() || usage.peak_to_the_end);
        usage.peak_tasks = usage.peak_tasks.max(run.usage.peak_tasks);
        self.done.push(Step { name: name.to_owned(), argv, run });
        let step = name.to_owned();
        Ok(match run.outcome {
            RunOutcome::Exited { status: 0 } => None,
            RunOutcome::Exited { status } => Some(Outcome::StepFailed { step, status: Some(status) }),
            RunOutcome::Signalled { .. } | RunOutcome::Stopped => {
                Some(Outcome::StepFailed { step, status: None })
            }
            RunOutcome::TimedOut { .. } => Some(Outcome::TimedOut { step, after: all.wall_time_max }),
            RunOutcome::LimitReached { limit } => Some(Outcome::LimitReached { step, limit }),
        })
    }
}
