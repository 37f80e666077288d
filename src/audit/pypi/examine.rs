//! Asks a wheel what registers and controls want to know of it: looks into its source distribution and into
//! clones, and starts programs that import it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Flow;
use crate::artifact::{Artifact, ArtifactName};
use crate::audit::examine::{Examination, Examined, again, basis};
use crate::audit::{AuditError, Audited, Subject, make_folder};
use crate::digest::Algorithm;
use crate::environment::debian::acquire_packages;
use crate::environment::lock::LockedPackage;
use crate::environment::python::{SITE_TARGET, Site};
use crate::evaluate::evidence::{Answer, Check};
use crate::evaluate::look::Looker;
use crate::evaluate::probed;
use crate::evaluate::source::ReleaseSource;
use crate::event::Stage;
use crate::limits::probe::ProbeLimits;
use crate::probe;
use crate::probe::spec::{Probe, upstream};
use crate::rebuild::sandbox::Mount;
use crate::report::findings::Tested;
use crate::report::{Outcome, outcome};
use crate::source::debian::Offered as DebianOffered;

impl Flow<'_> {
    /// Asks a release that was audited. What was obtained then is in the store.
    pub(in crate::audit) fn examine(
        &self,
        subject: &Subject<'_>,
        audited: &Audited,
        examination: &Examination<'_>,
    ) -> Result<Examined, AuditError> {
        let lock = self.lock;
        let package = format!("{} {}", lock.sdist.project, lock.sdist.version);
        let wanted: Vec<_> = examination.questions.iter().filter_map(|q| q.check.path_in_release()).collect();
        let object = self.fetch(std::slice::from_ref(&lock.sdist), Stage::Source)?;
        let source = match object.ok().and_then(|objects| objects.into_iter().next()) {
            Some(object) => {
                let files = [(lock.sdist.file.clone(), object.path.as_path())];
                Ok(ReleaseSource::read(&package, &files, &wanted, examination.source_limits)?)
            }
            None => Err(format!("the index no longer offers the source distribution of {package}")),
        };
        let found = outcome(&audited.evidence);
        let looker = Looker {
            component: &subject.release.component,
            version: &subject.release.version,
            source: source.as_ref().map_err(String::as_str),
            tied: found == Outcome::Identical,
            outcome: Some(found),
            repositories: examination.repositories,
            attestations: examination.attestations,
            limits: examination.source_limits,
        };
        let mut probes = Vec::new();
        let mut answers: BTreeMap<&str, Answer> = BTreeMap::new();
        for question in examination.questions {
            match &question.check {
                Check::Probe(probe) => probes.push((question.id.as_str(), probe)),
                check => {
                    answers.extend(looker.answer(&question.id, check).map(|a| (question.id.as_str(), a)))
                }
            }
        }
        let (tested, probed) = self.probe(subject, audited, &probes)?;
        answers.extend(probes.iter().map(|(id, _)| *id).zip(probed));
        let answers = examination.questions.iter().filter_map(|q| answers.remove(q.id.as_str())).collect();
        Ok(Examined { tested, answers })
    }

    /// Runs the probes with the wheel that was rebuilt, or else with the published one; in their order.
    fn probe(
        &self,
        subject: &Subject<'_>,
        audited: &Audited,
        probes: &[(&str, &Probe)],
    ) -> Result<(Tested, Vec<Answer>), AuditError> {
        let version = upstream(&subject.release.version);
        let nothing = |reason: String| {
            let not_run = |(id, probe): &(&str, &Probe)| {
                probed::not_run(id, probe, version.as_ref(), "program-not-run", &reason)
            };
            let answers = probes.iter().map(not_run).collect();
            Ok((Tested::Nothing { reason }, answers))
        };
        if probes.is_empty() {
            return nothing("no check here needs a program".to_owned());
        }
        let (wheel, tested) = match self.under_test(audited)? {
            Ok(found) => found,
            Err(reason) => return nothing(reason),
        };
        let DebianOffered::All(objects) = acquire_packages(&self.archives.access, &self.lock.packages)?
        else {
            return nothing("packages of the interpreter are no longer offered".to_owned());
        };
        let packages: Vec<(LockedPackage, PathBuf)> =
            self.lock.packages.iter().cloned().zip(objects.into_iter().map(|o| o.path)).collect();
        let root = self.root_fs(&packages)?;
        let work_dir = self.ground.work.join("probes");
        make_folder(&work_dir)?;
        let failed = |source| AuditError::Work { path: work_dir.clone(), source };
        let folder = tempfile::Builder::new().prefix("site-").tempdir_in(&work_dir).map_err(failed)?;
        let wheels = [(self.lock.wheel.file.clone(), wheel)];
        let site = match Site::make(&folder.path().join("site"), &wheels, &self.access.limits) {
            Ok(site) => site,
            Err(error) => return nothing(format!("the wheel cannot be unpacked: {error}")),
        };
        let mount = Mount { source: site.folder().to_owned(), target: SITE_TARGET.into() };
        let what = probe::Subject {
            root: root.path(),
            in_place: &[mount],
            env: &Site::variables(),
            version: &subject.release.version,
            work_dir: &work_dir,
        };
        let found = probe::run(&what, probes, &ProbeLimits::DEFAULT, self.ground.observer)?;
        let answer = |((id, probe), found): (&(&str, &Probe), probe::Probed)| {
            let again = again(subject, id);
            let (told, seen) = (&found.answer, &found.observed);
            probed::answer(id, probe, version.as_ref(), told, seen, basis(&tested), again)
        };
        let answers = probes.iter().zip(found).map(answer).collect();
        Ok((tested, answers))
    }

    /// The wheel that our first build left, or, where there is none, the published one; the reason where
    /// neither can be had.
    fn under_test(&self, audited: &Audited) -> Result<Result<(PathBuf, Tested), String>, AuditError> {
        let name = ArtifactName::new(self.lock.wheel.file.clone())?;
        let told = |artifact: &Artifact| {
            let digest = artifact.digests.get(Algorithm::Sha256).cloned();
            digest.map(|digest| (artifact.name.to_string(), digest))
        };
        if let (Some(first), Some(folder)) = (&audited.rebuild, &audited.folder)
            && first.completed()
        {
            let ours = first.rebuilt(&folder.join("first"))?.into_iter().find(|r| r.0.name == name);
            if let Some((ours, (artifact, digest))) = ours.and_then(|r| told(&r.0).map(|t| (r.0, t))) {
                let identical = outcome(&audited.evidence) == Outcome::Identical;
                return Ok(Ok((ours.path.into(), Tested::Rebuilt { artifact, digest, identical })));
            }
        }
        let objects = self.fetch(std::slice::from_ref(&self.lock.wheel), Stage::Comparison)?;
        let Some(object) = objects.ok().and_then(|objects| objects.into_iter().next()) else {
            return Ok(Err("it was not rebuilt, and the index no longer offers the wheel".to_owned()));
        };
        let artifact = Artifact::read(name, &object.path)?;
        let Some((artifact, digest)) = told(&artifact) else {
            return Ok(Err("the published wheel could not be hashed".to_owned()));
        };
        let reason = "it was not rebuilt".to_owned();
        Ok(Ok((object.path, Tested::Published { artifact, digest, reason })))
    }
}
