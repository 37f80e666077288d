//! Runs the stages for one release of a component. The only module that knows them all.
//!
//! Each channel's flow is a file of its own ([`debian`]); [`Auditor::audit`] is the one way in, and all of
//! them yield the same [`Evidence`]. What stops a flow (a source file that nobody has, a build that fails)
//! is evidence, and the report says so; what could not be looked at is an error, and the other components
//! of the run go on.
//!
//! A channel is added as a variant of [`Locked`] with its lock, a field of [`Auditor`] with whom it asks
//! and believes, and a file with its flow. A flow begins with evidence that says "not looked" everywhere,
//! fills in what it saw, and leaves the judgement to [`report`](crate::report).

pub mod debian;
mod error;
mod evidence;
mod examine;
pub mod go;
pub mod pypi;
mod tagged;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::artifact::{Published, Rebuilt};
use crate::compare::{self, CompareOptions};
use crate::component::TaggedSource;
use crate::digest::Digest;
use crate::environment::lock::Lock;
use crate::environment::python::PythonLock;
use crate::evaluate::repository::Repositories;
use crate::event::{Event, Observer, Stage};
use crate::fetch::Fetcher;
use crate::limits::rebuild::RebuildLimits;
use crate::limits::root_fs::RootFsLimits;
use crate::rebuild::{Rebuild, Stability};
use crate::report::Outcome;
use crate::report::artifact_outcome;
use crate::report::{ArtifactPair, Bytes, Evidence, FileState, Gap, Release};
use crate::source::debian::LockedSource;
use crate::source::pypi::Index;
use crate::store::Store;
use crate::verify::signed::Keys;
pub use debian::Archives;
pub use error::AuditError;
pub use examine::{Examination, Examined, Question};
pub use go::{Announcement, GoSubject, GoWorld, draft};

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

/// What the flows of all channels need.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// How files are fetched.
    pub fetcher: &'a Fetcher,
    /// Where they are kept.
    pub store: &'a Store,
    /// Who is told of progress.
    pub observer: &'a dyn Observer,
    /// The time of judgement.
    pub as_of: Timestamp,
    /// An existing folder for root file systems, builds and scratch files.
    pub work: &'a Path,
    /// How.
    pub options: &'a Options,
}

/// Whom an audit asks, whom it believes, and where it works.
#[derive(Clone, Copy)]
pub struct Auditor<'a> {
    /// What every channel needs.
    pub ground: Ground<'a>,
    /// Debian's archives.
    pub debian: Archives<'a>,
    /// Proxies and registries of what Go builds.
    pub go: GoWorld<'a>,
    /// The Python package index, where one is known.
    pub index: Option<&'a Index>,
    /// Clones of the projects' repositories.
    pub clones: Clones<'a>,
}

/// Clones that the user gives, and whose signatures in them count.
#[derive(Clone, Copy)]
pub struct Clones<'a> {
    /// Where they lie.
    pub repositories: &'a Repositories,
    /// Keys that may have signed tags.
    pub keys: &'a Keys<'a>,
    /// Whether a signature by one of them is demanded.
    pub demanded: bool,
}

/// Something that never changes once it was published, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// What it is: `published`, `announced`, `source` or `tag`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its digest, or the objects that it names.
    pub value: String,
}

/// The lock of a release, by channel.
#[derive(Debug, Clone, Copy)]
pub enum Locked<'a> {
    /// Debian's.
    Debian(&'a Lock),
    /// Debian's, where nobody resolved a build: what the published packages need to run. Nothing can be
    /// rebuilt with it.
    Installed(debian::Installed<'a>),
    /// A Go build's.
    Go(GoSubject<'a>),
    /// A Python package index's.
    Pypi(&'a PythonLock),
}

/// What to audit.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// The release, for the report.
    pub release: Release,
    /// Its lock.
    pub lock: Locked<'a>,
    /// SHA-256 of the lock's file.
    pub lock_digest: Digest,
    /// What names it on the command line, quoted for a shell.
    pub named: String,
    /// Exact commands with which anybody can do it again.
    pub again: Vec<String>,
    /// The tag that it is said to be made from, where that is known.
    pub source: Option<TaggedSource>,
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
    /// The source that a signed index lists, where no lock names one.
    pub listed_source: Option<LockedSource>,
    /// Whether the lock names something that is no longer listed or offered: a new lock may help.
    pub stale: bool,
    /// What never changes once it was published, to be held against what other audits saw.
    pub seen: Vec<Seen>,
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Build, and compare with what was published.
    Comparison,
    /// Build only: what was published is not even fetched.
    Build,
    /// Build nothing: what is said of source and release is checked.
    Source,
}

impl Auditor<'_> {
    /// Audits one release.
    ///
    /// # Errors
    ///
    /// Where it could not look: no network, no sandbox, no disk, an index that is not vouched for or
    /// contradicts the lock, a server that sends other bytes than the announced ones.
    pub fn audit(&self, subject: &Subject<'_>) -> Result<Audited, AuditError> {
        self.run(subject, Depth::Comparison)
    }

    /// Rebuilds one release and compares nothing: the published artifact is not even fetched.
    ///
    /// # Errors
    ///
    /// As [`Auditor::audit`].
    pub fn rebuild(&self, subject: &Subject<'_>) -> Result<Audited, AuditError> {
        self.run(subject, Depth::Build)
    }

    /// Authenticates a release's source and builds nothing, so that what is asked of it is asked of the
    /// published program. Whether its bytes are what the source says is then inconclusive.
    ///
    /// # Errors
    ///
    /// As [`Auditor::audit`].
    pub fn without_build(&self, subject: &Subject<'_>) -> Result<Audited, AuditError> {
        self.run(subject, Depth::Source)
    }

    /// Asks a release that was audited what registers and controls want to know of it.
    ///
    /// # Errors
    ///
    /// Where it could not look: the store, the disk, a server that sends other bytes than the announced
    /// ones. What could not be asked is an answer.
    pub fn examine(
        &self,
        subject: &Subject<'_>,
        audited: &Audited,
        examination: &Examination<'_>,
    ) -> Result<Examined, AuditError> {
        match subject.lock {
            Locked::Debian(lock) => debian::Flow { ground: &self.ground, archives: &self.debian }.examine(
                subject,
                &debian::Known::of(lock),
                audited,
                examination,
            ),
            Locked::Installed(own) => debian::Flow { ground: &self.ground, archives: &self.debian }.examine(
                subject,
                &debian::Known::listed(own, audited),
                audited,
                examination,
            ),
            Locked::Go(own) => go::examine(
                &self.ground,
                (&self.debian, &self.go),
                self.clones,
                subject,
                own,
                audited,
                examination,
            ),
            Locked::Pypi(lock) => self.wheel(lock)?.examine(subject, audited, examination),
        }
    }

    fn wheel<'a>(&'a self, lock: &'a PythonLock) -> Result<pypi::Flow<'a>, AuditError> {
        pypi::Flow::new(&self.ground, &self.debian, self.index, self.clones, lock)
    }

    fn run(&self, subject: &Subject<'_>, depth: Depth) -> Result<Audited, AuditError> {
        let mut audited = match subject.lock {
            Locked::Debian(lock) => debian::run(&self.ground, &self.debian, subject, lock, depth),
            Locked::Installed(own) => {
                let flow = debian::Flow { ground: &self.ground, archives: &self.debian };
                match depth {
                    Depth::Source => flow.without_lock(subject, own),
                    Depth::Comparison | Depth::Build => {
                        Err(AuditError::NotLocked { purl: subject.release.purl.clone() })
                    }
                }
            }
            Locked::Go(own) => {
                go::run(&self.ground, (&self.debian, &self.go), self.clones, subject, own, depth)
            }
            Locked::Pypi(lock) => self.wheel(lock)?.run(subject, depth),
        }?;
        audited.see();
        Ok(audited)
    }
}

impl Audited {
    /// With nothing built yet.
    fn begin(evidence: Evidence) -> Self {
        Self {
            evidence,
            build_time: None,
            log: None,
            folder: None,
            rebuild: None,
            listed_source: None,
            stale: false,
            seen: Vec::new(),
        }
    }

    /// Enters what its evidence says of what never changes: source files, and whole published files that an
    /// index announces.
    fn see(&mut self) {
        let seen = |kind, name: String, value: String| Seen { kind, name, value };
        let sources = self.evidence.source.files.iter().filter(|f| f.state == FileState::Checked);
        self.seen.extend(sources.map(|f| seen("source", f.name.clone(), f.digest.to_string())));
        // What a caller gave was published only if a list says so; that flow enters it itself.
        if !self.evidence.indexes.is_empty() && self.evidence.containers.is_empty() {
            let whole = self.evidence.artifacts.iter().filter(|p| p.member.is_none());
            let whole = whole.filter(|p| p.published.len_bytes > 0);
            self.seen
                .extend(whole.map(|p| seen("published", p.name.to_string(), p.published.digest.to_string())));
        }
        self.seen.sort();
        self.seen.dedup();
    }

    /// Enters the first build.
    fn built(&mut self, first: &Rebuild, first_dir: &Path, folder: &Path) {
        evidence::of_rebuild(&mut self.evidence, first, first_dir);
        self.build_time = Some(first.usage.wall);
        self.log = first.log.digests.iter().next().cloned();
        self.folder = Some(folder.to_path_buf());
        self.rebuild = Some(first.clone());
    }
}

impl Ground<'_> {
    /// The folder of the builds of a release with this lock, made if it is missing.
    fn rebuilds(&self, subject: &Subject<'_>) -> Result<PathBuf, AuditError> {
        let folder = self.work.join("rebuilds").join(key(&subject.release, &subject.lock_digest));
        make_folder(&folder)?;
        Ok(folder)
    }

    /// Compares each artifact that both sides have, and enters what was found.
    fn compare(
        &self,
        evidence: &mut Evidence,
        published: &[Published],
        rebuilt: &[Rebuilt],
    ) -> Result<(), AuditError> {
        self.observer.event(&Event::Started { stage: Stage::Comparison, what: "published and rebuilt" });
        let scratch = self.work.join("scratch");
        make_folder(&scratch)?;
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
        self.observer.event(&Event::Finished { stage: Stage::Comparison, what: &what });
        Ok(())
    }

    /// Whether a second build is wanted, now that the first one was compared.
    fn wants_second(&self, evidence: &Evidence) -> bool {
        let unexplained =
            evidence.artifacts.iter().map(artifact_outcome).any(|outcome| {
                matches!(outcome, Outcome::Different | Outcome::Undetermined | Outcome::NotBuilt)
            });
        match self.options.repeat {
            Repeat::Never => false,
            Repeat::OnDifference => unexplained,
            Repeat::Always => true,
        }
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

fn make_folder(folder: &Path) -> Result<(), AuditError> {
    std::fs::create_dir_all(folder).map_err(|source| AuditError::Work { path: folder.to_path_buf(), source })
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
