//! Asks a release what registers and controls want to know of it: looks into its authenticated source and
//! into clones, and probes the program that was rebuilt, or, where there is none, the published one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::debian::{Flow, Known};
use super::{AuditError, Audited, Ground, Subject, make_folder};
use crate::artifact::{Artifact, ArtifactName};
use crate::digest::Algorithm;
use crate::environment::debian::{acquire_packages, acquire_runtime};
use crate::environment::lock::{LockedPackage, LockedPath};
use crate::environment::root_fs::RootFs;
use crate::environment::runtime::RuntimeLock;
use crate::evaluate::evidence::{Answer, Basis, Check, SourcePath};
use crate::evaluate::look::{Looker, PresentAttestation};
use crate::evaluate::probed;
use crate::evaluate::repository::Repositories;
use crate::evaluate::source::ReleaseSource;
use crate::event::Stage;
use crate::limits::evaluate::SourceLimits;
use crate::limits::probe::ProbeLimits;
use crate::probe;
use crate::probe::spec::{Probe, upstream};
use crate::rebuild::sandbox::Mount;
use crate::report::findings::Tested;
use crate::report::{Outcome, outcome};
use crate::source::debian::{Offered, fetch_files};

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Its id.
    pub id: String,
    /// How to look.
    pub check: Check,
}

/// What is asked, and what else may be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Examination<'a> {
    /// The questions, each with an id of its own.
    pub questions: &'a [Question],
    /// Clones that were given.
    pub repositories: &'a Repositories,
    /// What was found among collected attestations; none where nobody looked.
    pub attestations: Option<&'a [PresentAttestation]>,
    /// The system in which the release is installed; none where the build's own system has to do.
    pub runtime: Option<&'a RuntimeLock>,
    /// Bounds on sources.
    pub source_limits: &'a SourceLimits,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// What ran.
    pub tested: Tested,
    /// One answer for each question, in their order.
    pub answers: Vec<Answer>,
}

impl Examination<'_> {
    /// Asks all of a release that was audited: looks into its `source` and into clones, and has `probe` put
    /// the probes to its program, one answer each in their order.
    pub(super) fn ask<'q>(
        &'q self,
        subject: &Subject<'_>,
        audited: &Audited,
        source: &Result<ReleaseSource, String>,
        probe: impl FnOnce(&[(&'q str, &'q Probe)]) -> Result<(Tested, Vec<Answer>), AuditError>,
    ) -> Result<Examined, AuditError> {
        let found = outcome(&audited.evidence);
        let looker = Looker {
            component: &subject.release.component,
            version: &subject.release.version,
            named: &subject.named,
            source: source.as_ref().map_err(String::as_str),
            tied: found == Outcome::Identical,
            outcome: Some(found),
            repositories: self.repositories,
            attestations: self.attestations,
            limits: self.source_limits,
        };
        let probes: Vec<(&str, &Probe)> = self
            .questions
            .iter()
            .filter_map(|q| match &q.check {
                Check::Probe(probe) => Some((q.id.as_str(), probe)),
                _ => None,
            })
            .collect();
        let (tested, probed) = probe(&probes)?;
        let mut by_id: BTreeMap<&str, Answer> = probes.iter().map(|(id, _)| *id).zip(probed).collect();
        let answer = |question: &Question| match &question.check {
            Check::Probe(_) => by_id.remove(question.id.as_str()),
            check => looker.answer(&question.id, check),
        };
        let answers = self.questions.iter().filter_map(answer).collect();
        Ok(Examined { tested, answers })
    }
}

/// The program that probes are put to, and the system that it stands in.
pub(super) struct Program<'a> {
    pub(super) root: &'a Path,
    pub(super) in_place: &'a [Mount],
    pub(super) env: &'a [(&'a str, &'a str)],
    pub(super) tested: Tested,
}

impl Program<'_> {
    /// Puts the probes to it; `again` gives the command that asks the one with this id again.
    pub(super) fn answers(
        self,
        ground: &Ground<'_>,
        subject: &Subject<'_>,
        probes: &[(&str, &Probe)],
        again: impl Fn(&str) -> String,
    ) -> Result<(Tested, Vec<Answer>), AuditError> {
        let work_dir = ground.work.join("probes");
        make_folder(&work_dir)?;
        let what = probe::Subject {
            root: self.root,
            in_place: self.in_place,
            env: self.env,
            version: &subject.release.version,
            work_dir: &work_dir,
        };
        let found = probe::run(&what, probes, &ProbeLimits::DEFAULT, ground.observer)?;
        let (version, basis) = (upstream(&subject.release.version), basis(&self.tested));
        let answers = probes
            .iter()
            .zip(found)
            .map(|((id, probe), found)| {
                let (told, seen) = (&found.answer, &found.observed);
                probed::answer(id, probe, version.as_ref(), told, seen, basis.clone(), again(id))
            })
            .collect();
        Ok((self.tested, answers))
    }
}

/// The answers where no program can be started.
pub(super) fn not_run(
    subject: &Subject<'_>,
    probes: &[(&str, &Probe)],
    reason: String,
) -> (Tested, Vec<Answer>) {
    let version = upstream(&subject.release.version);
    let not_run = |(id, probe): &(&str, &Probe)| {
        probed::not_run(id, probe, version.as_ref(), "program-not-run", &reason)
    };
    let answers = probes.iter().map(not_run).collect();
    (Tested::Nothing { reason }, answers)
}

impl Flow<'_> {
    /// Asks a release that was audited. What was obtained then is in the store.
    pub(super) fn examine(
        &self,
        subject: &Subject<'_>,
        known: &Known<'_>,
        audited: &Audited,
        examination: &Examination<'_>,
    ) -> Result<Examined, AuditError> {
        let source = self.release_source(known, examination)?;
        examination.ask(subject, audited, &source, |probes| {
            self.probe(subject, known, audited, probes, examination.runtime)
        })
    }

    /// The files that the questions name, from the authenticated source.
    fn release_source(
        &self,
        known: &Known<'_>,
        examination: &Examination<'_>,
    ) -> Result<Result<ReleaseSource, String>, AuditError> {
        let wanted: Vec<&SourcePath> =
            examination.questions.iter().filter_map(|q| q.check.path_in_release()).collect();
        let Some(listed) = known.source else {
            return Ok(Err("no signed index lists the source package".to_owned()));
        };
        let package = format!("{} {}", listed.name, listed.version);
        let Some(authentic) = self.authentic(listed)? else {
            return Ok(Err(format!("no mirror serves the source package {package}")));
        };
        let files: Vec<(String, &Path)> =
            authentic.files.iter().map(|(file, object)| (file.name.clone(), object.path.as_path())).collect();
        let source = ReleaseSource::read(&package, &files, &wanted, examination.source_limits)?;
        Ok(Ok(source))
    }
}

/// The program that is probed: installed in a root file system.
struct Installed {
    root: RootFs,
    tested: Tested,
}

impl Flow<'_> {
    /// Runs the probes on what was rebuilt, or else on what was published.
    fn probe(
        &self,
        subject: &Subject<'_>,
        known: &Known<'_>,
        audited: &Audited,
        probes: &[(&str, &Probe)],
        runtime: Option<&RuntimeLock>,
    ) -> Result<(Tested, Vec<Answer>), AuditError> {
        let installed = match probes.is_empty() {
            true => Err("no check here needs a program".to_owned()),
            false => self.install(subject, known, audited, runtime)?,
        };
        let Installed { root, tested } = match installed {
            Ok(installed) => installed,
            Err(reason) => return Ok(not_run(subject, probes, reason)),
        };
        let program = Program { root: root.path(), in_place: &[], env: &[], tested };
        program.answers(self.ground, subject, probes, |id| again(subject, id))
    }

    /// Installs our own build, or, where there is none, the published packages; the reason where neither
    /// can be had.
    fn install(
        &self,
        subject: &Subject<'_>,
        known: &Known<'_>,
        audited: &Audited,
        runtime: Option<&RuntimeLock>,
    ) -> Result<Result<Installed, String>, AuditError> {
        let access = &self.archives.access;
        let (artifacts, ours) = match self.rebuilt(audited)? {
            Ok(rebuilt) => (rebuilt, Ok(())),
            Err(reason) => match fetch_files(access, &known.published, Stage::Comparison)? {
                Offered::Missing(_) => {
                    return Ok(Err(format!("{reason}, and the published artifact is no longer offered")));
                }
                Offered::All(objects) => {
                    let mut published = Vec::with_capacity(objects.len());
                    for (file, object) in known.published.iter().zip(objects) {
                        published.push(Artifact::read(ArtifactName::new(file.name.clone())?, &object.path)?);
                    }
                    (published, Err(reason))
                }
            },
        };
        let mut own: Vec<(LockedPackage, PathBuf)> = Vec::new();
        for artifact in &artifacts {
            let package = package(artifact, &subject.release.version);
            // What the release's system does not name is not needed to run it.
            if let Some(package) = package.filter(|p| runtime.is_none_or(|lock| lock.own.contains(&p.name))) {
                own.push((package, artifact.path.clone().into()));
            }
        }
        let Some((first, _)) = own.first() else {
            return Ok(Err("no artifact is a package that can be installed".to_owned()));
        };
        let (artifact, digest) = (first.file.path.clone(), first.file.digest.clone());
        let taken: Vec<&str> = own.iter().map(|(package, _)| package.name.as_str()).collect();
        let (system, offered): (Vec<LockedPackage>, Offered) = match runtime {
            Some(runtime) => {
                (runtime.without(&taken).cloned().collect(), acquire_runtime(access, runtime, &taken)?)
            }
            None if known.packages.is_empty() => {
                return Ok(Err("nothing says what it needs to run".to_owned()));
            }
            None => (known.packages.to_vec(), acquire_packages(access, known.packages)?),
        };
        let Offered::All(objects) = offered else {
            return Ok(Err("packages that it needs to run are no longer offered".to_owned()));
        };
        let mut packages: Vec<(LockedPackage, PathBuf)> =
            system.into_iter().zip(objects.into_iter().map(|o| o.path)).collect();
        packages.retain(|(package, _)| !taken.contains(&package.name.as_str()));
        packages.extend(own.iter().cloned());
        let tested = match ours {
            Ok(()) => {
                let identical = outcome(&audited.evidence) == Outcome::Identical;
                Tested::Rebuilt { artifact, digest, identical }
            }
            Err(reason) => Tested::Published { artifact, digest, reason },
        };
        Ok(Ok(Installed { root: self.root_fs(&packages)?, tested }))
    }

    /// What our first build left; the reason where there is none.
    fn rebuilt(&self, audited: &Audited) -> Result<Result<Vec<Artifact>, String>, AuditError> {
        let (Some(first), Some(folder)) = (&audited.rebuild, &audited.folder) else {
            return Ok(Err("it was not rebuilt".to_owned()));
        };
        if !first.completed() {
            return Ok(Err(format!("the build {}", first.outcome.word())));
        }
        let rebuilt = first.rebuilt(&folder.join("first"))?;
        Ok(Ok(rebuilt.into_iter().map(|r| r.0).collect()))
    }
}

/// A Debian package by its file's name, `name_version_architecture.deb`; the name leaves out an epoch,
/// which the release's version has.
fn package(artifact: &Artifact, version: &str) -> Option<LockedPackage> {
    let name = artifact.name.as_str();
    let mut parts = name.strip_suffix(".deb")?.split('_');
    let (package, architecture) = (parts.next()?, parts.next_back()?);
    Some(LockedPackage {
        name: package.to_owned(),
        version: version.to_owned(),
        architecture: architecture.to_owned(),
        file: LockedPath {
            archive: "built".to_owned(),
            path: name.to_owned(),
            size: artifact.len_bytes,
            digest: artifact.digests.get(Algorithm::Sha256)?.clone(),
        },
    })
}

/// The command that asks this probe alone.
pub(super) fn again(subject: &Subject<'_>, id: &str) -> String {
    format!("reprove probe {} --probe {id}", subject.named)
}

fn basis(tested: &Tested) -> Basis {
    match tested.clone() {
        Tested::Rebuilt { artifact, digest, identical } => {
            Basis::RebuiltBinary { artifact, digest, identical }
        }
        Tested::Published { artifact, digest, .. } => Basis::PublishedBinary { artifact, digest },
        Tested::Nothing { .. } => Basis::Nothing {},
    }
}
