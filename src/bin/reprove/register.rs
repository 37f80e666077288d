//! The register of findings beside an audit: what is asked of a release, what was seen of earlier ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reprove::audit::{Audited, Auditor, Examination, Question, Subject};
use reprove::digest::DigestSet;
use reprove::evaluate::definition::DefinitionError;
use reprove::evaluate::evidence::{Answer, Check};
use reprove::evaluate::history::{History, HistoryError, Look};
use reprove::evaluate::look::PresentAttestation;
use reprove::evaluate::register::Register;
use reprove::evaluate::repository::Repositories;
use reprove::evaluate::standing;
use reprove::limits::evaluate::SourceLimits;
use reprove::limits::verify::VerifyLimits;
use reprove::report::Tool;
use reprove::report::findings::{Earlier, Findings, Tested};
use reprove::verdict::Verdict;
use reprove::verify::policy::Policy;
use reprove::verify::trust::Trust;
use reprove::verify::{self, AttestationAnswer, Context, document, oci};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::args::Args;
use crate::commands::verify::read_text;
use crate::exit::Exit;
use crate::failures;
use crate::render::Failure;

/// The file of the history in the work folder.
const HISTORY: &str = "history.sqlite";

/// Clones for checks that look into git.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct RepositoryArgs {
    /// A clone for checks that look into git: the repository's name or address, and where it lies.
    /// Without it those checks are inconclusive. Repeatable.
    #[arg(long = "repository", value_name = "NAME=PATH", value_parser = repository)]
    repositories: Vec<(String, PathBuf)>,
}

fn repository(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if name.contains('/') && !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err("expected `owner/name=PATH` or `https://host/owner/name=PATH`".to_owned()),
    }
}

/// The register with the history and what else may be looked at.
pub(crate) struct Desk {
    root: PathBuf,
    pub(crate) register: Register,
    pub(crate) questions: BTreeMap<String, String>,
    repositories: Repositories,
    history: Option<History>,
    as_of: Timestamp,
}

/// A register that cannot be read could not be looked at; a wrong one is a matter of the policies.
pub(crate) fn definition(error: DefinitionError) -> Failure {
    let exit = match error {
        DefinitionError::Read { .. } => Exit::CouldNotLook,
        _ => Exit::Usage,
    };
    Failure::new(error, exit)
}

/// A history that cannot be used.
pub(crate) fn history(error: HistoryError) -> Failure {
    Failure::new(error, Exit::CouldNotLook)
}

impl Desk {
    /// Reads the register and opens the history. Nothing is opened where no finding is known.
    pub(crate) fn open(args: &Args, given: &RepositoryArgs, as_of: Timestamp) -> Result<Self, Failure> {
        let register = Register::load(&args.root).map_err(definition)?;
        let mut repositories = Repositories::default();
        for (name, path) in &given.repositories {
            repositories.insert(name, path.clone());
        }
        let history = match register.audits.is_empty() {
            true => None,
            false => {
                let work = args.work_dir()?;
                let failed = |source| {
                    Failure::new(
                        reprove::audit::AuditError::Work { path: work.clone(), source },
                        Exit::CouldNotLook,
                    )
                };
                std::fs::create_dir_all(&work).map_err(failed)?;
                Some(History::open(&work.join(HISTORY)).map_err(self::history)?)
            }
        };
        Ok(Self {
            root: args.root.clone(),
            questions: register.questions(),
            register,
            repositories,
            history,
            as_of,
        })
    }

    /// The day of judgement, in UTC, so that two people see the same.
    pub(crate) fn today(&self) -> jiff::civil::Date {
        self.as_of.to_zoned(TimeZone::UTC).date()
    }

    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// Whether any finding is about a component.
    pub(crate) fn is_about(&self, component: &str) -> bool {
        self.register.findings().any(|(_, f)| f.components.iter().any(|c| c == component))
    }

    /// What is asked of releases of a component.
    fn asked(&self, component: &str) -> Vec<Question> {
        let about = self.register.findings().filter(|(_, f)| f.components.iter().any(|c| c == component));
        about
            .flat_map(|(_, f)| f.evidence_on(component))
            .map(|e| Question { id: e.id.clone(), check: e.check.clone() })
            .collect()
    }

    /// Asks a release that was audited, enters what was seen into the history, and holds the register
    /// against it. A failure to look is shown in what it gives as well.
    pub(crate) fn examine(
        &mut self,
        auditor: &Auditor<'_>,
        subject: &Subject<'_>,
        audited: &Audited,
    ) -> (Findings, Option<Failure>) {
        let component = subject.release.component.as_str();
        let questions = self.asked(component);
        let (attested, refused) = match self.attested(subject, audited, &questions) {
            Ok(attested) => (Some(attested), None),
            Err(failure) => (None, Some(failure)),
        };
        let examination = Examination {
            questions: &questions,
            repositories: &self.repositories,
            attestations: attested.as_deref(),
            source_limits: &SourceLimits::DEFAULT,
        };
        let (tested, answers, mut failure) = match auditor.examine(subject, audited, &examination) {
            Ok(examined) => (examined.tested, examined.answers, None),
            Err(error) => {
                (Tested::Nothing { reason: error.to_string() }, Vec::new(), Some(failures::audit(error)))
            }
        };
        failure = failure.or(refused);
        let look = Look {
            id: 0,
            component: component.to_owned(),
            version: subject.release.version.clone(),
            purl: subject.release.purl.clone(),
            tested: tested.to_text(),
            as_of: self.as_of.to_string(),
            tool: format!("{} {}", Tool::this().name, Tool::this().version),
        };
        let earlier = self.earlier(&look);
        let entered = match answers.is_empty() {
            false => self.enter(&look, &answers),
            true => Ok(()),
        };
        let (earlier, failure) = match (earlier, entered, failure) {
            (Ok(earlier), Ok(()), failure) => (earlier, failure),
            (Ok(earlier), Err(e), failure) => (earlier, failure.or(Some(e))),
            (Err(e), _, failure) => (Vec::new(), failure.or(Some(e))),
        };
        (self.findings(&look, tested, &answers, &earlier), failure)
    }

    /// Publishers' attestations that were collected below `attestations/published/<component>/`, each held
    /// against the policy of the check that asks for it.
    fn attested(
        &self,
        subject: &Subject<'_>,
        audited: &Audited,
        questions: &[Question],
    ) -> Result<Vec<PresentAttestation>, Failure> {
        let policies: BTreeSet<&str> = questions
            .iter()
            .filter_map(|q| match &q.check {
                Check::AttestationPresent(check) => Some(check.policy.as_str()),
                _ => None,
            })
            .collect();
        let mut found = Vec::new();
        if policies.is_empty() {
            return Ok(found);
        }
        let limits = VerifyLimits::DEFAULT;
        let could_not = |e| Failure::new(e, Exit::CouldNotLook);
        let folder = self.root.join("attestations/published").join(&subject.release.component);
        let mut attestations = Vec::new();
        for path in verify_inputs(&folder)? {
            let bytes = oci::read_file(&path, &limits).map_err(could_not)?;
            let name = path.display().to_string();
            attestations.extend(document::read(&bytes, &name, &limits).map_err(could_not)?);
        }
        let subjects: Vec<verify::Subject> = audited
            .evidence
            .artifacts
            .iter()
            .map(|pair| verify::Subject {
                name: pair.name.to_string(),
                is_file_name: true,
                digests: DigestSet::single(pair.published.digest.clone()),
                bytes: None,
            })
            .collect();
        let usage = |e| Failure::new(e, Exit::Usage);
        let trust = Trust::embedded().map_err(|e| Failure::new(e, Exit::Usage))?;
        for name in policies {
            let policy = Policy::from_toml(name, &read_text(&self.root.join(name))?).map_err(usage)?;
            policy.validate().map_err(usage)?;
            let context = Context {
                trust: &trust,
                policy: &policy,
                log_entries: &[],
                as_of: self.as_of,
                limits: &limits,
            };
            for answer in verify::verify(&subjects, &attestations, &context) {
                found.extend(answer.attestations.iter().map(|one| present(one, name)));
            }
        }
        Ok(found)
    }

    fn enter(&mut self, look: &Look, answers: &[Answer]) -> Result<(), Failure> {
        let Some(history) = &mut self.history else { return Ok(()) };
        let entries: Vec<(String, &Answer)> =
            answers.iter().filter_map(|a| Some((self.questions.get(&a.id)?.clone(), a))).collect();
        history.enter(look, &entries).map(|_| ()).map_err(self::history)
    }

    /// What was seen of releases before this one.
    pub(crate) fn earlier(&self, look: &Look) -> Result<Vec<Earlier>, Failure> {
        let Some(history) = &self.history else { return Ok(Vec::new()) };
        Earlier::of(history, &self.questions, &look.component, look).map_err(self::history)
    }

    /// The register held against what was seen.
    pub(crate) fn findings(
        &self,
        look: &Look,
        tested: Tested,
        answers: &[Answer],
        earlier: &[Earlier],
    ) -> Findings {
        let subject =
            standing::Subject { component: &look.component, version: &look.version, as_of: self.today() };
        Findings::of(&self.register, &subject, tested, answers, earlier)
    }
}

/// What one attestation came to under a policy.
fn present(answer: &AttestationAnswer, policy: &str) -> PresentAttestation {
    let kind = answer.statement.as_ref().and_then(|s| s.get("predicateType")).and_then(|t| t.as_str());
    let refused = || {
        let against = answer.checks.iter().find(|c| c.verdict().is_some_and(|v| v != Verdict::Pass));
        against.map(|c| format!("`{}` {}", c.code, c.finding))
    };
    PresentAttestation {
        predicate_type: kind.unwrap_or_default().to_owned(),
        policy: policy.to_owned(),
        met: match answer.verdict {
            Verdict::Pass => Ok(()),
            other => Err(format!("{}: {}", answer.source, refused().unwrap_or_else(|| other.to_string()))),
        },
    }
}

/// Files of a folder by name; a folder that is not there holds none.
fn verify_inputs(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |source| {
        let path = folder.to_path_buf();
        Failure::new(DefinitionError::Read { path, source }, Exit::CouldNotLook)
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
