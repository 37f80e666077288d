//! Runs the stages for one release of a component. The only module that knows them all.
//!
//! Confirm the lock against the signed indexes, obtain and authenticate the source, obtain the
//! environment, make the root file system, rebuild, compare. What stops the flow (a source file that no
//! mirror has, a build that fails) is evidence, and the report says so; what could not be looked at is an
//! error, and the other components of the run go on.

mod error;
mod evidence;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::artifact::{Artifact, ArtifactName, Published, Rebuilt};
use crate::compare::{self, CompareOptions};
use crate::digest::Digest;
use crate::environment::debian::{acquire, acquire_published, confirm};
use crate::environment::lock::{Lock, LockedPackage};
use crate::environment::root_fs::{self, BuildUser};
use crate::event::{Event, Stage};
use crate::limits::rebuild::RebuildLimits;
use crate::limits::root_fs::RootFsLimits;
use crate::rebuild::{self, Rebuild, Stability};
use crate::report::Outcome;
use crate::report::artifact_outcome;
use crate::report::{ArtifactPair, Bytes, Evidence, Gap, Release};
use crate::source::debian::{self as source, Access, AuthenticatedSource, Offered, SourceAcquisition};
use crate::verify::openpgp::Keyring;
pub use error::AuditError;

/// The user who builds inside: the first number that Debian gives to a person.
const BUILD_USER: BuildUser = BuildUser { uid: 1000, gid: 1000 };

/// When to build a second time under varied circumstances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Never; a difference may then be our own instability, and the report says that it was not tested.
    Never,
    /// Where the comparison finds a difference that is not explained: before the publisher is accused.
    OnDifference,
    /// Always.
    Always,
}

/// How to audit.
#[derive(Debug, Clone)]
pub struct Options {
    /// Second builds.
    pub repeat: Repeat,
    /// Jobs of a build, and threads.
    pub jobs: NonZeroUsize,
    /// Bounds on a build.
    pub rebuild: RebuildLimits,
    /// Bounds on unpacking.
    pub root_fs: RootFsLimits,
    /// Ask for new indexes even where the kept ones are still valid.
    pub refresh: bool,
}

/// Whom an audit asks, whom it believes, and where it works.
#[derive(Clone, Copy)]
pub struct Auditor<'a> {
    /// The archives.
    pub access: Access<'a>,
    /// Keys that vouch for indexes.
    pub archive_keyring: &'a Keyring,
    /// Keys that vouch for source descriptions.
    pub developer_keyring: &'a Keyring,
    /// The time of judgement.
    pub as_of: Timestamp,
    /// An existing folder for root file systems, builds and scratch files.
    pub work: &'a Path,
    /// How.
    pub options: &'a Options,
}

/// What to audit.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The release, for the report.
    pub release: Release,
    /// Its lock.
    pub lock: &'a Lock,
    /// SHA-256 of the lock's file.
    pub lock_digest: Digest,
    /// Exact commands with which anybody can do it again.
    pub again: Vec<String>,
}

/// An audit's yield.
#[derive(Debug)]
pub struct Audited {
    /// What was seen.
    pub evidence: Evidence,
    /// Wall time of the first build, where there was one.
    pub build_time: Option<Duration>,
    /// Digest of its log.
    pub log: Option<Digest>,
    /// Folder of the rebuilt artifacts and the log, where there was a build.
    pub folder: Option<PathBuf>,
    /// The first build.
    pub rebuild: Option<Rebuild>,
    /// Whether the lock names something that the archive no longer lists or offers: a new lock may help.
    pub stale: bool,
}

impl Auditor<'_> {
    /// Audits one release.
    ///
    /// # Errors
    ///
    /// Where it could not look: no network, no sandbox, no disk, an index that is not vouched for or
    /// contradicts the lock, a mirror that sends other bytes than the signed ones.
    pub fn audit(&self, subject: &Subject<'_>) -> Result<Audited, AuditError> {
        self.run(subject, true)
    }

    /// Rebuilds one release and compares nothing: the published artifact is not even fetched.
    ///
    /// # Errors
    ///
    /// As [`Auditor::audit`].
    pub fn rebuild(&self, subject: &Subject<'_>) -> Result<Audited, AuditError> {
        self.run(subject, false)
    }

    fn run(&self, subject: &Subject<'_>, compare: bool) -> Result<Audited, AuditError> {
        let lock = subject.lock;
        let mut evidence = Evidence::from_lock(subject.release.clone(), lock, subject.lock_digest.clone());
        evidence.again.clone_from(&subject.again);
        let mut audited =
            Audited { evidence, build_time: None, log: None, folder: None, rebuild: None, stale: false };
        self.confirm(lock, &mut audited)?;
        let Some(authentic) = self.source(lock, &mut audited.evidence)? else { return Ok(audited) };
        let published = match compare {
            true => self.published(lock, &mut audited)?,
            false => Some(Vec::new()),
        };
        let Some(published) = published else { return Ok(audited) };
        let Some(packages) = self.packages(lock, &mut audited)? else { return Ok(audited) };
        let root = self.root_fs(&packages)?;
        let sources: Vec<(String, PathBuf)> =
            authentic.files.iter().map(|(file, object)| (file.name.clone(), object.path.clone())).collect();
        let folder = self.work.join("rebuilds").join(key(&subject.release, &subject.lock_digest));
        std::fs::create_dir_all(&folder)
            .map_err(|source| AuditError::Work { path: folder.clone(), source })?;
        let request = |work_dir| rebuild::Request {
            lock,
            root: root.path(),
            sources: &sources,
            work_dir,
            jobs: self.options.jobs.get(),
            limits: &self.options.rebuild,
        };
        let first_dir = folder.join("first");
        let first = rebuild::rebuild(&request(&first_dir), self.access.observer)?;
        evidence::of_rebuild(&mut audited.evidence, &first, &first_dir);
        audited.build_time = Some(first.usage.wall);
        audited.log = first.log.digests.iter().next().cloned();
        audited.folder = Some(folder.clone());
        audited.rebuild = Some(first.clone());
        if !first.completed() {
            return Ok(audited);
        }
        if !compare {
            if self.options.repeat == Repeat::Always {
                self.repeat(&request(&folder.join("second")), &first, &mut audited.evidence)?;
            }
            return Ok(audited);
        }
        self.compare(&mut audited.evidence, &published, &first.rebuilt(&first_dir)?)?;
        let unexplained =
            audited.evidence.artifacts.iter().map(artifact_outcome).any(|outcome| {
                matches!(outcome, Outcome::Different | Outcome::Undetermined | Outcome::NotBuilt)
            });
        let again = match self.options.repeat {
            Repeat::Never => false,
            Repeat::OnDifference => unexplained,
            Repeat::Always => true,
        };
        if again {
            self.repeat(&request(&folder.join("second")), &first, &mut audited.evidence)?;
        }
        Ok(audited)
    }

    fn repeat(
        &self,
        request: &rebuild::Request<'_>,
        first: &Rebuild,
        evidence: &mut Evidence,
    ) -> Result<(), AuditError> {
        let (second, stability) = rebuild::rebuild_varied(request, first, self.access.observer)?;
        repeated(evidence, first, &second, &stability);
        Ok(())
    }

    fn confirm(&self, lock: &Lock, audited: &mut Audited) -> Result<(), AuditError> {
        self.access.observer.event(&Event::Started { stage: Stage::Source, what: "signed indexes" });
        let kept = self.work.join("indexes");
        let confirmation =
            confirm(&self.access, lock, self.archive_keyring, self.as_of, &kept, self.options.refresh)?;
        audited.evidence.indexes = confirmation.indexes.iter().map(evidence::index).collect();
        if !confirmation.unlisted.is_empty() {
            audited.stale = true;
            audited.evidence.not_looked.push(Gap {
                code: "lock-not-listed".to_owned(),
                text: format!(
                    "no signed index lists {} of the lock's entries any more ({}): their authenticity rests on the lock alone",
                    confirmation.unlisted.len(),
                    shortened(&confirmation.unlisted),
                ),
            });
        }
        let what = format!("{} signed indexes verified", confirmation.indexes.len());
        self.access.observer.event(&Event::Finished { stage: Stage::Source, what: &what });
        Ok(())
    }

    fn source(
        &self,
        lock: &Lock,
        evidence: &mut Evidence,
    ) -> Result<Option<AuthenticatedSource>, AuditError> {
        match source::acquire(&self.access, &lock.source, self.developer_keyring, self.as_of)? {
            SourceAcquisition::Authenticated(authentic) => {
                evidence::of_source(evidence, &authentic);
                Ok(Some(authentic))
            }
            SourceAcquisition::Unavailable(unavailable) => {
                evidence::of_unavailable(evidence, &unavailable);
                Ok(None)
            }
        }
    }

    fn published(&self, lock: &Lock, audited: &mut Audited) -> Result<Option<Vec<Published>>, AuditError> {
        match acquire_published(&self.access, lock)? {
            Offered::All(objects) => {
                let mut published = Vec::with_capacity(objects.len());
                for (file, object) in lock.published.iter().zip(objects) {
                    let name = ArtifactName::new(file.name.clone())?;
                    published.push(Published(Artifact::read(name, &object.path)?));
                }
                Ok(Some(published))
            }
            Offered::Missing(missing) => {
                audited.stale = true;
                let names: Vec<String> = missing.into_iter().map(|m| m.name).collect();
                audited.evidence.not_looked.push(Gap {
                    code: "published-not-offered".to_owned(),
                    text: format!("the published artifact is no longer offered: {}", shortened(&names)),
                });
                Ok(None)
            }
        }
    }

    fn packages(
        &self,
        lock: &Lock,
        audited: &mut Audited,
    ) -> Result<Option<Vec<(LockedPackage, PathBuf)>>, AuditError> {
        match acquire(&self.access, lock)? {
            Offered::All(objects) => {
                Ok(Some(lock.packages.iter().cloned().zip(objects.into_iter().map(|o| o.path)).collect()))
            }
            Offered::Missing(missing) => {
                audited.stale = true;
                audited.evidence.environment.missing = missing.into_iter().map(|m| m.name).collect();
                Ok(None)
            }
        }
    }

    fn root_fs(&self, packages: &[(LockedPackage, PathBuf)]) -> Result<root_fs::RootFs, AuditError> {
        let options =
            root_fs::Options { user: BUILD_USER, limits: self.options.root_fs, threads: self.options.jobs };
        Ok(root_fs::ensure(&self.work.join("roots"), packages, &options, self.access.observer)?)
    }

    fn compare(
        &self,
        evidence: &mut Evidence,
        published: &[Published],
        rebuilt: &[Rebuilt],
    ) -> Result<(), AuditError> {
        self.access
            .observer
            .event(&Event::Started { stage: Stage::Comparison, what: "published and rebuilt" });
        let scratch = self.work.join("scratch");
        std::fs::create_dir_all(&scratch)
            .map_err(|source| AuditError::Work { path: scratch.clone(), source })?;
        let options = CompareOptions::new(scratch);
        for pair in &mut evidence.artifacts {
            let ours = rebuilt.iter().find(|r| r.0.name == pair.name);
            let theirs = published.iter().find(|p| p.0.name == pair.name);
            let (Some(theirs), Some(ours)) = (theirs, ours) else { continue };
            let comparison = compare::compare(theirs, ours, &options)?;
            let explained = ArtifactPair { rebuilt: Bytes::of(&ours.0), ..pair.clone() };
            *pair = explained.explained_by(&comparison);
        }
        let equal = evidence.artifacts.iter().filter(|p| artifact_outcome(p) == Outcome::Identical).count();
        let what = format!("{equal} of {} identical", evidence.artifacts.len());
        self.access.observer.event(&Event::Finished { stage: Stage::Comparison, what: &what });
        Ok(())
    }
}

/// Enters the second build.
fn repeated(evidence: &mut Evidence, first: &Rebuild, second: &Rebuild, stability: &Stability) {
    evidence.rebuild.varied = evidence::varied(first, second);
    if *stability == Stability::NotJudged {
        evidence.not_looked.push(Gap {
            code: "stability-not-judged".to_owned(),
            text: format!(
                "whether our own build is stable: the second build {}",
                if second.completed() { "left no artifact" } else { second.outcome.word() }
            ),
        });
    }
    for pair in &mut evidence.artifacts {
        pair.rebuilt_again = second
            .artifacts
            .iter()
            .find(|kept| kept.name == pair.name)
            .and_then(|kept| Bytes::from_digests(&kept.digests, kept.len_bytes));
    }
}

/// A folder's name for a release and its lock: readable, and never another lock's.
fn key(release: &Release, lock: &Digest) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() || "+-.".contains(c) { c } else { '_' })
            .take(80)
            .collect()
    };
    let digest: String = lock.to_hex().chars().take(16).collect();
    format!("{}-{}-{digest}", plain(&release.component), plain(&release.version))
}

/// The first few of many names.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
