//! Asks a wheel what registers and controls want to know of it: looks into its source distribution and into
//! clones, and starts programs that import it.

use std::path::PathBuf;

use super::Flow;
use crate::artifact::{Artifact, ArtifactName};
use crate::audit::examine::{Examination, Examined, Program, again, not_run};
use crate::audit::{AuditError, Audited, Subject, make_folder};
use crate::digest::Algorithm;
use crate::environment::debian::acquire_packages;
use crate::environment::lock::LockedPackage;
use crate::environment::python::{SITE_TARGET, Site};
use crate::evaluate::evidence::Answer;
use crate::evaluate::source::ReleaseSource;
use crate::event::Stage;
use crate::probe::spec::Probe;
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
        examination.ask(subject, audited, &source, |probes| self.probe(subject, audited, probes))
    }

    /// Runs the probes with the wheel that was rebuilt, or else with the published one; in their order.
    fn probe(
        &self,
        subject: &Subject<'_>,
        audited: &Audited,
        probes: &[(&str, &Probe)],
    ) -> Result<(Tested, Vec<Answer>), AuditError> {
        let nothing = |reason: String| Ok(not_run(subject, probes, reason));
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
        let env = Site::variables();
        let program = Program { root: root.path(), in_place: &[mount], env: &env, tested };
        program.answers(self.ground, subject, probes, |id| again(subject, id))
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
