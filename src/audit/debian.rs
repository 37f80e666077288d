//! A release in Debian's archive: confirm the lock against the signed indexes, obtain and authenticate
//! the source, obtain the environment, make the root file system, rebuild, compare.

use std::path::PathBuf;

use super::{AuditError, Audited, Depth, Ground, Repeat, Subject, evidence, repeated, shortened};
use crate::artifact::{Artifact, ArtifactName, Published};
use crate::component::DebianRelease;
use crate::environment::debian::{Confirmation, acquire, acquire_published, confirm, confirm_packages};
use crate::environment::lock::{Lock, LockedFile, LockedPackage, LockedSource};
use crate::environment::root_fs::{self, BuildUser};
use crate::environment::runtime::RuntimeLock;
use crate::event::{Event, Stage};
use crate::rebuild::{self, Rebuild};
use crate::report::{BuildResult, Evidence, FileState, Gap, SourceFile};
use crate::source::debian::{self as source, Access, AuthenticatedSource, Offered, SourceAcquisition};
use crate::verify::openpgp::Keyring;

/// The user who builds inside: the first number that Debian gives to a person.
pub(super) const BUILD_USER: BuildUser = BuildUser { uid: 1000, gid: 1000 };

/// Which archives are asked, and who is believed.
#[derive(Clone, Copy)]
pub struct Archives<'a> {
    /// The archives.
    pub access: Access<'a>,
    /// Keys that vouch for indexes.
    pub archive_keyring: &'a Keyring,
    /// Keys that vouch for source descriptions.
    pub developer_keyring: &'a Keyring,
}

/// A release of which only the published packages are known, with what they need to run.
#[derive(Debug, Clone, Copy)]
pub struct Installed<'a> {
    /// What the component's definition says of it.
    pub release: &'a DebianRelease,
    /// What it needs to run.
    pub lock: &'a RuntimeLock,
}

/// What is known of a release before anything of it is obtained.
pub(super) struct Known<'a> {
    /// The source package; none where no index lists it.
    pub(super) source: Option<&'a LockedSource>,
    /// The published packages.
    pub(super) published: Vec<LockedFile>,
    /// The system that it is built in; empty where nobody resolved one.
    pub(super) packages: &'a [LockedPackage],
}

impl<'a> Known<'a> {
    pub(super) fn of(lock: &'a Lock) -> Self {
        Self { source: Some(&lock.source), published: lock.published.clone(), packages: &lock.packages }
    }

    pub(super) fn listed(own: Installed<'a>, audited: &'a Audited) -> Self {
        Self { source: audited.listed_source.as_ref(), published: own.published(), packages: &[] }
    }
}

impl Installed<'_> {
    fn published(&self) -> Vec<LockedFile> {
        let own = self.lock.packages.iter().filter(|package| self.lock.own.contains(&package.name));
        own.map(LockedPackage::locked_file).collect()
    }
}

/// One audit on its way.
pub(super) struct Flow<'a> {
    pub(super) ground: &'a Ground<'a>,
    pub(super) archives: &'a Archives<'a>,
}

pub(super) fn run(
    ground: &Ground<'_>,
    archives: &Archives<'_>,
    subject: &Subject<'_>,
    lock: &Lock,
    depth: Depth,
) -> Result<Audited, AuditError> {
    Flow { ground, archives }.run(subject, lock, depth)
}

impl Flow<'_> {
    fn run(&self, subject: &Subject<'_>, lock: &Lock, depth: Depth) -> Result<Audited, AuditError> {
        if depth == Depth::Source {
            return self.without_build(subject, lock);
        }
        let options = self.ground.options;
        let mut evidence = Evidence::from_lock(subject.release.clone(), lock, subject.lock_digest.clone());
        evidence.again.clone_from(&subject.again);
        let mut audited = Audited::begin(evidence);
        self.confirm(lock, &mut audited)?;
        let Some(authentic) = self.source(&lock.source, &mut audited.evidence)? else { return Ok(audited) };
        let published = match depth {
            Depth::Comparison => self.published(lock, &mut audited)?,
            Depth::Build | Depth::Source => Some(Vec::new()),
        };
        let Some(published) = published else { return Ok(audited) };
        let Some(packages) = self.packages(lock, &mut audited)? else { return Ok(audited) };
        let root = self.root_fs(&packages)?;
        let sources: Vec<(String, PathBuf)> =
            authentic.files.iter().map(|(file, object)| (file.name.clone(), object.path.clone())).collect();
        let folder = self.ground.rebuilds(subject)?;
        let request = |work_dir| rebuild::Request {
            lock,
            root: root.path(),
            sources: &sources,
            work_dir,
            jobs: options.jobs.get(),
            limits: &options.rebuild,
        };
        let first_dir = folder.join("first");
        let first = rebuild::rebuild(&request(&first_dir), self.ground.observer)?;
        audited.built(&first, &first_dir, &folder);
        if !first.completed() {
            return Ok(audited);
        }
        if depth == Depth::Build {
            if options.repeat == Repeat::Always {
                self.repeat(&request(&folder.join("second")), &first, &mut audited.evidence)?;
            }
            return Ok(audited);
        }
        self.ground.compare(&mut audited.evidence, &published, &first.rebuilt(&first_dir)?)?;
        if self.ground.wants_second(&audited.evidence) {
            self.repeat(&request(&folder.join("second")), &first, &mut audited.evidence)?;
        }
        Ok(audited)
    }

    /// Confirms the lock and authenticates the source, and builds nothing.
    pub(super) fn without_build(&self, subject: &Subject<'_>, lock: &Lock) -> Result<Audited, AuditError> {
        let mut evidence = Evidence::from_lock(subject.release.clone(), lock, subject.lock_digest.clone());
        evidence.again.clone_from(&subject.again);
        evidence.rebuild.result =
            BuildResult::NotAttempted { reason: "it was asked not to build".to_owned() };
        let mut audited = Audited::begin(evidence);
        self.confirm(lock, &mut audited)?;
        self.source(&lock.source, &mut audited.evidence)?;
        Ok(audited)
    }

    /// Confirms what the release needs to run, and authenticates the source that a signed index lists
    /// today, since no lock names one. Builds nothing: nobody resolved with what.
    pub(super) fn without_lock(
        &self,
        subject: &Subject<'_>,
        own: Installed<'_>,
    ) -> Result<Audited, AuditError> {
        let (wanted, lock) = (own.release, own.lock);
        let mut evidence = Evidence::unlocked(
            subject.release.clone(),
            (&wanted.source_package, &wanted.source_version),
            &own.published(),
        );
        evidence.again.clone_from(&subject.again);
        evidence.rebuild.result =
            BuildResult::NotAttempted { reason: "no build environment is locked for it".to_owned() };
        let mut audited = Audited::begin(evidence);
        self.ground.observer.event(&Event::Started { stage: Stage::Source, what: "signed indexes" });
        let confirmation = confirm_packages(
            &self.archives.access,
            (&lock.indexes, &lock.packages),
            &lock.architecture,
            self.archives.archive_keyring,
            self.ground.as_of,
            &self.ground.work.join("indexes"),
            self.ground.options.refresh,
        )?;
        self.confirmed(&confirmation, &mut audited);
        let (name, version) = (&wanted.source_package, &wanted.source_version);
        match source::find_source(&self.archives.access, &confirmation.indexes, name, version) {
            Ok(record) => {
                let files = record.source.files.iter();
                audited.evidence.source.files =
                    files.map(|file| SourceFile::new(file, FileState::NotLooked)).collect();
                self.source(&record.source, &mut audited.evidence)?;
                audited.listed_source = Some(record.source);
            }
            Err(error @ source::DebianError::SourceNotListed { .. }) => {
                let text = format!("the source: {error}");
                audited.evidence.not_looked.push(Gap { code: "source-not-listed".to_owned(), text });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(audited)
    }

    fn repeat(
        &self,
        request: &rebuild::Request<'_>,
        first: &Rebuild,
        evidence: &mut Evidence,
    ) -> Result<(), AuditError> {
        let (second, stability) = rebuild::rebuild_varied(request, first, self.ground.observer)?;
        repeated(evidence, first, &second, &stability);
        Ok(())
    }

    fn confirm(&self, lock: &Lock, audited: &mut Audited) -> Result<(), AuditError> {
        self.ground.observer.event(&Event::Started { stage: Stage::Source, what: "signed indexes" });
        let kept = self.ground.work.join("indexes");
        let confirmation = confirm(
            &self.archives.access,
            lock,
            self.archives.archive_keyring,
            self.ground.as_of,
            &kept,
            self.ground.options.refresh,
        )?;
        self.confirmed(&confirmation, audited);
        Ok(())
    }

    /// Enters what signed indexes say of a lock.
    fn confirmed(&self, confirmation: &Confirmation, audited: &mut Audited) {
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
        self.ground.observer.event(&Event::Finished { stage: Stage::Source, what: &what });
    }

    /// The authenticated source; none where no mirror has all of it.
    pub(super) fn authentic(&self, listed: &LockedSource) -> Result<Option<AuthenticatedSource>, AuditError> {
        let (archives, as_of) = (self.archives, self.ground.as_of);
        match source::acquire(&archives.access, listed, archives.developer_keyring, as_of)? {
            SourceAcquisition::Authenticated(authentic) => Ok(Some(authentic)),
            SourceAcquisition::Unavailable(_) => Ok(None),
        }
    }

    fn source(
        &self,
        listed: &LockedSource,
        evidence: &mut Evidence,
    ) -> Result<Option<AuthenticatedSource>, AuditError> {
        match source::acquire(
            &self.archives.access,
            listed,
            self.archives.developer_keyring,
            self.ground.as_of,
        )? {
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
        match acquire_published(&self.archives.access, lock)? {
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
        match acquire(&self.archives.access, lock)? {
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

    pub(super) fn root_fs(
        &self,
        packages: &[(LockedPackage, PathBuf)],
    ) -> Result<root_fs::RootFs, AuditError> {
        let options = root_fs::Options {
            user: BUILD_USER,
            limits: self.ground.options.root_fs,
            threads: self.ground.options.jobs,
        };
        Ok(root_fs::ensure(&self.ground.work.join("roots"), packages, &options, self.ground.observer)?)
    }
}
