//! Asks a release what registers and controls want to know of it: looks into its authenticated source and
//! into clones, and probes the program that was rebuilt, or, where there is none, the published one.

use std::collections::BTreeMap;
use std::path::Path;

use super::debian::Flow;
use super::{AuditError, Audited, Subject};
use crate::environment::lock::Lock;
use crate::evaluate::evidence::{Answer, Check, SourcePath};
use crate::evaluate::look::{Looker, PresentAttestation};
use crate::evaluate::probed;
use crate::evaluate::repository::Repositories;
use crate::evaluate::source::ReleaseSource;
use crate::limits::evaluate::SourceLimits;
use crate::probe::spec::{Probe, upstream};
use crate::report::findings::Tested;
use crate::report::{Outcome, outcome};

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

impl Flow<'_> {
    /// Asks a release that was audited. What was obtained then is in the store.
    pub(super) fn examine(
        &self,
        subject: &Subject<'_>,
        lock: &Lock,
        audited: &Audited,
        examination: &Examination<'_>,
    ) -> Result<Examined, AuditError> {
        let source = self.release_source(lock, examination)?;
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
                    if let Some(answer) = looker.answer(&question.id, check) {
                        answers.insert(&question.id, answer);
                    }
                }
            }
        }
        let (tested, probed) = self.probe(subject, &probes)?;
        for answer in &probed {
            if let Some((id, _)) = probes.iter().find(|(id, _)| *id == answer.id) {
                answers.insert(id, answer.clone());
            }
        }
        let answers = examination.questions.iter().filter_map(|q| answers.remove(q.id.as_str())).collect();
        Ok(Examined { tested, answers })
    }

    /// The files that the questions name, from the authenticated source.
    fn release_source(
        &self,
        lock: &Lock,
        examination: &Examination<'_>,
    ) -> Result<Result<ReleaseSource, String>, AuditError> {
        let wanted: Vec<&SourcePath> =
            examination.questions.iter().filter_map(|q| q.check.path_in_release()).collect();
        let package = format!("{} {}", lock.source.name, lock.source.version);
        let Some(authentic) = self.authentic(lock)? else {
            return Ok(Err(format!("no mirror serves the source package {package}")));
        };
        let files: Vec<(String, &Path)> =
            authentic.files.iter().map(|(file, object)| (file.name.clone(), object.path.as_path())).collect();
        let source = ReleaseSource::read(&package, &files, &wanted, examination.source_limits)?;
        Ok(Ok(source))
    }
}

impl Flow<'_> {
    /// Runs the probes.
    fn probe(
        &self,
        subject: &Subject<'_>,
        probes: &[(&str, &Probe)],
    ) -> Result<(Tested, Vec<Answer>), AuditError> {
        let version = upstream(&subject.release.version);
        let reason = "probes are not run in an audit yet";
        let answers = probes
            .iter()
            .map(|(id, probe)| probed::not_run(id, probe, version.as_ref(), "program-not-run", reason))
            .collect();
        Ok((Tested::Nothing { reason: reason.to_owned() }, answers))
    }
}
