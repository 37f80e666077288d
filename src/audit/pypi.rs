//! A release on a Python package index: confirm the lock against the index and against Debian's signed
//! indexes, obtain the source distribution and the wheel by their digests, obtain the interpreter and the
//! build backend, rebuild, compare wheel with wheel.

mod examine;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::tagged::{Wanted, look};
use super::{
    Archives, AuditError, Audited, Clones, Depth, Ground, Repeat, Subject, evidence, repeated, shortened,
};
use crate::artifact::{Artifact, ArtifactName, Published};
use crate::digest::Digest;
use crate::environment::debian::{acquire_packages, confirm_packages};
use crate::environment::lock::LockedPackage;
use crate::environment::python::PythonLock;
use crate::environment::root_fs::{self, BuildUser, RootFs};
use crate::event::{Event, Stage};
use crate::limits::pypi::PypiLimits;
use crate::rebuild::{Rebuild, WheelRequest, rebuild_wheel, rebuild_wheel_varied, wheel_commands};
use crate::report::{
    ArtifactPair, Build, BuildResult, Bytes, Environment, Evidence, FileState, Gap, Index, IndexKind,
    Package, Rebuild as Rebuilding, Signer, Source, SourceFile, SourceSignature,
};
use crate::source::debian::Offered as DebianOffered;
use crate::source::git::Packaged;
use crate::source::pypi::{self, Attested, Listing, LockedDistribution, Offered, attested};
use crate::store::Object;
use crate::verdict::Verdict;

/// The user who builds inside: the first number that Debian gives to a person.
const BUILD_USER: BuildUser = BuildUser { uid: 1000, gid: 1000 };

/// One audit on its way.
pub(super) struct Flow<'a> {
    ground: &'a Ground<'a>,
    archives: &'a Archives<'a>,
    access: pypi::Access<'a>,
    clones: Clones<'a>,
    lock: &'a PythonLock,
}

impl<'a> Flow<'a> {
    pub(super) fn new(
        ground: &'a Ground<'a>,
        archives: &'a Archives<'a>,
        index: Option<&'a pypi::Index>,
        clones: Clones<'a>,
        lock: &'a PythonLock,
    ) -> Result<Self, AuditError> {
        let index = index.ok_or_else(|| AuditError::NoIndex { purl: lock.purl.clone() })?;
        let access = pypi::Access {
            index,
            fetcher: ground.fetcher,
            store: ground.store,
            observer: ground.observer,
            limits: PypiLimits::DEFAULT,
        };
        Ok(Self { ground, archives, access, clones, lock })
    }
}

impl Flow<'_> {
    pub(super) fn run(&self, subject: &Subject<'_>, depth: Depth) -> Result<Audited, AuditError> {
        if depth == Depth::Source {
            return self.without_build(subject);
        }
        let lock = self.lock;
        let mut audited = Audited::begin(self.begin(subject)?);
        let listing = self.confirm(&mut audited)?;
        let Some(source) = self.source(subject, listing.as_ref(), &mut audited)? else { return Ok(audited) };
        let published = match depth {
            Depth::Comparison => self.published(&mut audited)?,
            Depth::Build | Depth::Source => Some(Vec::new()),
        };
        let Some(published) = published else { return Ok(audited) };
        let Some((packages, requirements)) = self.environment(&mut audited)? else { return Ok(audited) };
        let root = self.root_fs(&packages)?;
        let folder = self.ground.rebuilds(subject)?;
        let request = |work_dir| WheelRequest {
            lock,
            root: root.path(),
            sdist: &source.path,
            requirements: &requirements,
            work_dir,
            pypi: &self.access.limits,
            limits: &self.ground.options.rebuild,
        };
        let first_dir = folder.join("first");
        let first = rebuild_wheel(&request(&first_dir), self.ground.observer)?;
        audited.built(&first, &first_dir, &folder);
        let second_dir = folder.join("second");
        if !first.completed() {
            return Ok(audited);
        }
        let again = match depth {
            Depth::Comparison => {
                let rebuilt = first.rebuilt(&first_dir)?;
                self.ground.compare(&mut audited.evidence, &published, &rebuilt)?;
                self.ground.wants_second(&audited.evidence)
            }
            Depth::Build | Depth::Source => self.ground.options.repeat == Repeat::Always,
        };
        if again {
            self.repeat(&request(&second_dir), &first, &mut audited.evidence)?;
        }
        Ok(audited)
    }

    /// Confirms the lock and obtains the source, and builds nothing.
    fn without_build(&self, subject: &Subject<'_>) -> Result<Audited, AuditError> {
        let mut audited = Audited::begin(self.begin(subject)?);
        audited.evidence.rebuild.result =
            BuildResult::NotAttempted { reason: "it was asked not to build".to_owned() };
        let listing = self.confirm(&mut audited)?;
        self.source(subject, listing.as_ref(), &mut audited)?;
        Ok(audited)
    }

    fn root_fs(&self, packages: &[(LockedPackage, PathBuf)]) -> Result<RootFs, AuditError> {
        let options = root_fs::Options {
            user: BUILD_USER,
            limits: self.ground.options.root_fs,
            threads: self.ground.options.jobs,
        };
        Ok(root_fs::ensure(&self.ground.work.join("roots"), packages, &options, self.ground.observer)?)
    }

    fn repeat(
        &self,
        request: &WheelRequest<'_>,
        first: &Rebuild,
        evidence: &mut Evidence,
    ) -> Result<(), AuditError> {
        let (second, stability) = rebuild_wheel_varied(request, first, self.ground.observer)?;
        repeated(evidence, first, &second, &stability);
        Ok(())
    }

    /// What the lock alone says: nothing obtained, nothing built, nothing compared.
    fn begin(&self, subject: &Subject<'_>) -> Result<Evidence, AuditError> {
        let lock = self.lock;
        let requirement = |file: &LockedDistribution| Package {
            name: file.project.to_string(),
            version: file.version.clone(),
            architecture: "any".to_owned(),
            len_bytes: file.size,
            digest: file.digest.clone(),
            purl: Some(format!("pkg:pypi/{}@{}", file.project, file.version)),
        };
        let mut packages: Vec<Package> = lock.packages.iter().map(Package::from).collect();
        packages.extend(lock.requirements.iter().map(requirement));
        let epoch = lock.build.env.get("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok());
        let mut not_looked = Vec::new();
        if let Some(generator) = lock.generator.as_ref().filter(|g| !g.known) {
            not_looked.push(Gap {
                code: "generator-not-in-source".to_owned(),
                text: format!(
                    "the wheel says that `{}` built it, which its source does not ask for: it was built here with what the source asks for",
                    generator.line.escape_debug()
                ),
            });
        }
        Ok(Evidence {
            release: subject.release.clone(),
            indexes: lock.indexes.iter().map(Index::from).collect(),
            source: Source {
                package: lock.sdist.project.to_string(),
                version: lock.sdist.version.clone(),
                files: vec![SourceFile {
                    name: lock.sdist.file.clone(),
                    len_bytes: lock.sdist.size,
                    digest: lock.sdist.digest.clone(),
                    state: FileState::NotLooked,
                }],
                signature: SourceSignature::NotChecked { reason: "the source was not obtained".to_owned() },
            },
            environment: Environment {
                lock: Some(subject.lock_digest.clone()),
                packages,
                missing: Vec::new(),
                toolchain: BTreeMap::new(),
                build: Some(Build {
                    path: lock.build.path.clone(),
                    source_date_epoch: epoch.or(lock.build.clock).unwrap_or_default(),
                    env: lock.build.env.clone(),
                    commands: wheel_commands(),
                    preparation: None,
                }),
            },
            rebuild: Rebuilding {
                result: BuildResult::NotAttempted { reason: "not reached".to_owned() },
                isolation: Vec::new(),
                varied: Vec::new(),
                log_tail: Vec::new(),
            },
            artifacts: vec![ArtifactPair {
                name: ArtifactName::new(lock.wheel.file.clone())?,
                member: None,
                unsourced: None,
                published: Bytes { digest: lock.wheel.digest.clone(), len_bytes: lock.wheel.size },
                rebuilt: None,
                rebuilt_again: None,
                differences: Vec::new(),
                limits: Vec::new(),
                passes: Vec::new(),
            }],
            unpublished: Vec::new(),
            containers: Vec::new(),
            checks: Vec::new(),
            observations: lock.observations.clone(),
            not_looked,
            again: subject.again.clone(),
        })
    }

    /// Asks every index whether it still says what the lock says.
    fn confirm(&self, audited: &mut Audited) -> Result<Option<Listing>, AuditError> {
        let lock = self.lock;
        self.ground.observer.event(&Event::Started { stage: Stage::Source, what: "indexes" });
        let confirmation = confirm_packages(
            &self.archives.access,
            (&lock.indexes, &lock.packages),
            &lock.build.architecture,
            self.archives.archive_keyring,
            self.ground.as_of,
            &self.ground.work.join("indexes"),
            self.ground.options.refresh,
        )?;
        let mut unlisted = confirmation.unlisted;
        let listing = match pypi::listing(&self.access, &lock.sdist.project) {
            Err(pypi::PypiError::NotListed { .. }) => None,
            listing => Some(listing?),
        };
        for file in [&lock.sdist, &lock.wheel] {
            let listed = match &listing {
                Some(listing) => listing.confirms(file)?,
                None => false,
            };
            if !listed {
                unlisted.push(file.file.clone());
            }
        }
        audited.evidence.indexes = confirmation.indexes.iter().map(evidence::index).collect();
        audited.evidence.indexes.push(announcement(lock));
        if let Some(listing) = &listing {
            of_listing(listing, &lock.wheel.file, &mut audited.evidence);
        }
        if !unlisted.is_empty() {
            audited.stale = true;
            audited.evidence.not_looked.push(Gap {
                code: "lock-not-listed".to_owned(),
                text: format!(
                    "no index lists {} of the lock's entries any more ({}): their authenticity rests on the lock alone",
                    unlisted.len(),
                    shortened(&unlisted),
                ),
            });
        }
        let what = format!("{} signed indexes verified, 1 asked", confirmation.indexes.len());
        self.ground.observer.event(&Event::Finished { stage: Stage::Source, what: &what });
        Ok(listing)
    }

    /// The source distribution, checked by its digest and held against the tag that it is made from.
    fn source(
        &self,
        subject: &Subject<'_>,
        listing: Option<&Listing>,
        audited: &mut Audited,
    ) -> Result<Option<Object>, AuditError> {
        let sdist = &self.lock.sdist;
        let object = self.fetch(std::slice::from_ref(sdist), Stage::Source)?;
        let evidence = &mut audited.evidence;
        let state = if object.is_ok() { FileState::Checked } else { FileState::Missing };
        for file in &mut evidence.source.files {
            file.state = state;
        }
        evidence.source.signature = self.signature(listing)?;
        audited.stale |= object.is_err();
        let object = object.ok().and_then(|objects| objects.into_iter().next());
        if let Some(source) = &subject.source {
            let wanted = Wanted { source, pinned: None, locked: None };
            let mut looked = look(self.ground, &self.clones, wanted);
            if let Some(object) = object.as_ref().filter(|_| looked.tree.is_some()) {
                looked.drift(&Packaged::read(&sdist.file, &object.path)?, &sdist.file, source);
            }
            audited.evidence.checks.append(&mut looked.checks);
            let signature = &mut audited.evidence.source.signature;
            if let (SourceSignature::NotOffered { .. }, Some(by_tag)) = (&signature, looked.signature.take())
            {
                *signature = by_tag;
            }
            audited.seen.extend(looked.seen.take());
        }
        Ok(object)
    }

    /// What the attestations of the source distribution and the wheel come to: the worse of the two.
    fn signature(&self, listing: Option<&Listing>) -> Result<SourceSignature, AuditError> {
        let mut worst = SourceSignature::Verified { by: Vec::new() };
        for locked in [&self.lock.sdist, &self.lock.wheel] {
            let listed = listing.and_then(|listing| listing.file(&locked.file).ok());
            let found = match listed {
                Some(file) => {
                    let publisher = self.lock.publisher.as_ref();
                    attested(&self.access, file, locked, publisher, self.ground.as_of)?
                }
                None => Attested::NotOffered,
            };
            worst = worse(worst, signature(&locked.file, found));
        }
        Ok(worst)
    }

    fn published(&self, audited: &mut Audited) -> Result<Option<Vec<Published>>, AuditError> {
        let wheel = &self.lock.wheel;
        match self.fetch(std::slice::from_ref(wheel), Stage::Comparison)? {
            Ok(objects) => {
                let name = ArtifactName::new(wheel.file.clone())?;
                let read = |object: Object| Artifact::read(name.clone(), &object.path).map(Published);
                Ok(Some(objects.into_iter().map(read).collect::<Result<_, _>>()?))
            }
            Err(missing) => {
                audited.stale = true;
                audited.evidence.not_looked.push(Gap {
                    code: "published-not-offered".to_owned(),
                    text: format!("the published artifact is no longer offered: {}", shortened(&missing)),
                });
                Ok(None)
            }
        }
    }

    /// The interpreter's packages and the requirements, all of them there or named as missing.
    fn environment(
        &self,
        audited: &mut Audited,
    ) -> Result<Option<(Vec<(LockedPackage, PathBuf)>, Vec<(String, PathBuf)>)>, AuditError> {
        let lock = self.lock;
        let mut missing = Vec::new();
        let packages = match acquire_packages(&self.archives.access, &lock.packages)? {
            DebianOffered::All(objects) => objects,
            DebianOffered::Missing(gone) => {
                missing.extend(gone.into_iter().map(|m| m.name));
                Vec::new()
            }
        };
        let requirements = match self.fetch(&lock.requirements, Stage::Environment)? {
            Ok(objects) => objects,
            Err(gone) => {
                missing.extend(gone);
                Vec::new()
            }
        };
        if !missing.is_empty() {
            audited.stale = true;
            audited.evidence.environment.missing = missing;
            return Ok(None);
        }
        let packages = lock.packages.iter().cloned().zip(packages.into_iter().map(|o| o.path)).collect();
        let names = lock.requirements.iter().map(|file| file.file.clone());
        Ok(Some((packages, names.zip(requirements.into_iter().map(|o| o.path)).collect())))
    }

    /// The objects, or what the index no longer lists.
    fn fetch(
        &self,
        files: &[LockedDistribution],
        stage: Stage,
    ) -> Result<Result<Vec<Object>, Vec<String>>, AuditError> {
        Ok(match pypi::fetch_locked(&self.access, files, stage)? {
            Offered::All(objects) => Ok(objects),
            Offered::Missing(missing) => Err(missing),
        })
    }
}

/// What an index says of a wheel besides its digest.
pub(super) fn of_listing(listing: &Listing, wheel: &str, evidence: &mut Evidence) {
    let mut gap = |code: &str, text: String| {
        evidence.not_looked.push(Gap { code: code.to_owned(), text });
    };
    if !listing.encrypted {
        gap(
            "index-not-encrypted",
            "the index was asked over a connection that anybody can change".to_owned(),
        );
    }
    let withdrawn = listing.files.iter().find(|f| f.name == wheel).and_then(|file| file.yanked.as_deref());
    if let Some(reason) = withdrawn {
        let reason = match reason {
            "" => "no reason is given".to_owned(),
            reason => format!("`{}`", reason.escape_debug()),
        };
        gap("release-withdrawn", format!("its publisher has withdrawn the release: {reason}"));
    }
}

/// A file's attestations in the report's words.
fn signature(file: &str, found: Attested) -> SourceSignature {
    match found {
        Attested::NotOffered => SourceSignature::NotOffered {
            reason: format!(
                "distributions carry no signature, and the index announces no attestation of {file}"
            ),
        },
        Attested::NobodyNamed => SourceSignature::NotRelied {
            reason: format!("{file} is attested, and the definition names no publisher to hold that against"),
        },
        Attested::Judged { verdict: Verdict::Pass, signers, .. } => SourceSignature::Verified {
            by: signers.into_iter().map(|fingerprint| Signer { fingerprint, name: None }).collect(),
        },
        Attested::Judged { verdict: Verdict::Fail, reason, .. } => {
            SourceSignature::Refuted { reason: format!("the attestation of {file}: {reason}") }
        }
        Attested::Judged { verdict: Verdict::Inconclusive, reason, .. } => {
            SourceSignature::NotRelied { reason: format!("the attestation of {file}: {reason}") }
        }
    }
}

/// The one that says less; who verified is who verified both.
fn worse(a: SourceSignature, b: SourceSignature) -> SourceSignature {
    let rank = |signature: &SourceSignature| match signature {
        SourceSignature::Refuted { .. } => 0,
        SourceSignature::NotRelied { .. } => 1,
        SourceSignature::Verified { .. } => 3,
        _ => 2,
    };
    match (a, b) {
        (SourceSignature::Verified { by: mut all }, SourceSignature::Verified { by }) => {
            all.extend(by);
            all.sort();
            all.dedup();
            SourceSignature::Verified { by: all }
        }
        (a, b) if rank(&a) <= rank(&b) => a,
        (_, b) => b,
    }
}

/// What the package index announces of the release, as one entry among the indexes: nobody signs it.
fn announcement(lock: &PythonLock) -> Index {
    let lines = [&lock.sdist, &lock.wheel].map(|file| format!("{} {}\n", file.digest, file.file));
    Index {
        suite: format!("package index, {}", lock.sdist.project),
        date: String::new(),
        digest: Digest::sha256(lines.concat().as_bytes()),
        signed_by: Vec::new(),
        kind: IndexKind::Unsigned,
    }
}
