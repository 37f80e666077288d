//! The register of findings beside an audit: what is asked of a release, what was seen of earlier ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reprove::audit::{Audited, Auditor, Examination, Question, Subject};
use reprove::evaluate::definition::DefinitionError;
use reprove::evaluate::evidence::Answer;
use reprove::evaluate::history::{History, HistoryError, Look};
use reprove::evaluate::register::Register;
use reprove::evaluate::repository::Repositories;
use reprove::evaluate::standing;
use reprove::limits::evaluate::SourceLimits;
use reprove::report::Tool;
use reprove::report::findings::{Earlier, Findings, Tested};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::args::Args;
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
        Ok(Self { questions: register.questions(), register, repositories, history, as_of })
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
        let examination = Examination {
            questions: &questions,
            repositories: &self.repositories,
            attestations: None,
            source_limits: &SourceLimits::DEFAULT,
        };
        let (tested, answers, failure) = match auditor.examine(subject, audited, &examination) {
            Ok(examined) => (examined.tested, examined.answers, None),
            Err(error) => {
                (Tested::Nothing { reason: error.to_string() }, Vec::new(), Some(failures::audit(error)))
            }
        };
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
        let entered = match &failure {
            None => self.enter(&look, &answers),
            Some(_) => Ok(()),
        };
        let (earlier, failure) = match (earlier, entered, failure) {
            (Ok(earlier), Ok(()), failure) => (earlier, failure),
            (Ok(earlier), Err(e), failure) => (earlier, failure.or(Some(e))),
            (Err(e), _, failure) => (Vec::new(), failure.or(Some(e))),
        };
        (self.findings(&look, tested, &answers, &earlier), failure)
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
