//! The register of findings beside an audit: what is asked of a release, what was seen of earlier ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use reprove::audit::{Audited, Auditor, Examination, Question, Subject};
use reprove::component::Release;
use reprove::deployment::Judgement;
use reprove::digest::DigestSet;
use reprove::environment::runtime::RuntimeLock;
use reprove::evaluate::control::Controls;
use reprove::evaluate::definition::DefinitionError;
use reprove::evaluate::evidence::{Answer, Check};
use reprove::evaluate::history::{History, HistoryError, Look, Sight};
use reprove::evaluate::look::PresentAttestation;
use reprove::evaluate::policy::{self, Policy as Decider, PolicyError, Unsettled};
use reprove::evaluate::register::Register;
use reprove::evaluate::repository::Repositories;
use reprove::evaluate::standing;
use reprove::evaluate::waiver::Waivers;
use reprove::limits::evaluate::SourceLimits;
use reprove::limits::policy::PolicyLimits;
use reprove::limits::verify::VerifyLimits;
use reprove::report::controls::{self, Book, Controls as Held};
use reprove::report::findings::{Earlier, Findings, Tested};
use reprove::report::{Checked, Component, Tool};
use reprove::source::git::Place;
use reprove::verdict::Verdict;
use reprove::verify::policy::Policy;
use reprove::verify::trust::Trust;
use reprove::verify::{self, AttestationAnswer, Context, Finding, document, oci};

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
    /// A repository, by name or address, and where it is: a clone's folder, or a server's address; without
    /// either, its own server. Its tag is held against what the release's source packs, and what Go builds is
    /// built from it; checks that look into git's history need a clone. Repeatable.
    #[arg(long = "repository", value_name = "NAME[=PATH|=URL]", value_parser = repository)]
    repositories: Vec<(String, Place)>,
}

impl RepositoryArgs {
    /// Where they are.
    pub(crate) fn repositories(&self) -> Repositories {
        let mut repositories = Repositories::default();
        for (name, place) in &self.repositories {
            crate::git::ignore_configuration();
            repositories.insert(name, place.clone());
        }
        repositories
    }

    /// Refuses what nothing here asks for: a slip in a name would leave something unlooked at in silence.
    pub(crate) fn check<'r>(
        &self,
        releases: impl Iterator<Item = &'r Release>,
        more: impl Iterator<Item = String>,
    ) -> Result<(), Failure> {
        let known: BTreeSet<String> =
            releases.filter_map(|r| r.tagged()).map(|source| source.repository).chain(more).collect();
        match self.repositories().names().find(|name| !known.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let error = UnknownRepository { name: name.to_owned(), known: known.into_iter().collect() };
                Err(Failure::new(error, Exit::Usage))
            }
        }
    }
}

/// A repository that no release and no check has.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("nothing here is about a repository `{name}`")]
#[diagnostic(
    code(cli::unknown_repository),
    help("known here: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })
)]
struct UnknownRepository {
    name: String,
    known: Vec<String>,
}

fn repository(text: &str) -> Result<(String, Place), String> {
    let (name, place) = text.split_once('=').unwrap_or((text, ""));
    if !name.contains('/') || (place.is_empty() && text.contains('=')) {
        let forms = "`owner/name=PATH`, `owner/name=URL`, `https://host/owner/name=PATH` or `owner/name`";
        return Err(format!("expected {forms}"));
    }
    let place = match place {
        "" if name.contains("://") => Place::Address(name.to_owned()),
        "" => Place::Address(format!("https://github.com/{name}")),
        url if url.contains("://") => Place::Address(url.to_owned()),
        path => Place::Folder(PathBuf::from(path)),
    };
    Ok((name.to_owned(), place))
}

/// The register with the history and what else may be looked at.
pub(crate) struct Desk {
    root: PathBuf,
    pub(crate) register: Register,
    pub(crate) controls: Controls,
    waivers: Waivers,
    policy: Option<Decider>,
    deployment: Option<Judgement>,
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

/// A policy that cannot be used is no decision.
fn policy(error: PolicyError) -> Failure {
    match error {
        PolicyError::Definition(e) => definition(e),
        other => Failure::new(other, Exit::Usage),
    }
}

/// What the register and the model come to in one release.
pub(crate) struct Examined {
    pub(crate) findings: Option<Findings>,
    pub(crate) controls: Option<Held>,
    /// A failure to look; what it kept from being seen is shown in the two as well.
    pub(crate) failure: Option<Failure>,
}

/// A history that cannot be used.
pub(crate) fn history(error: HistoryError) -> Failure {
    Failure::new(error, Exit::CouldNotLook)
}

impl Desk {
    /// Reads the register and opens the history. Nothing is opened where no finding is known.
    pub(crate) fn open(args: &Args, given: &RepositoryArgs, as_of: Timestamp) -> Result<Self, Failure> {
        let register = Register::load(&args.root).map_err(definition)?;
        let controls = Controls::load(&args.root).map_err(definition)?;
        let waivers = Waivers::load(&args.root).map_err(definition)?;
        let policy = match args.root.join(policy::FILE).exists() {
            false => None,
            true => Some(Decider::load(&args.root, &controls, &PolicyLimits::DEFAULT).map_err(self::policy)?),
        };
        let repositories = given.repositories();
        let work = args.work_dir()?;
        let failed = |source| {
            Failure::new(reprove::audit::AuditError::Work { path: work.clone(), source }, Exit::CouldNotLook)
        };
        std::fs::create_dir_all(&work).map_err(failed)?;
        let history = Some(History::open(&work.join(HISTORY)).map_err(self::history)?);
        let mut questions = register.questions();
        questions.extend(
            controls.iter().flat_map(|c| &c.checks).map(|c| (c.id.clone(), c.question().to_string())),
        );
        Ok(Self {
            root: args.root.clone(),
            questions,
            register,
            controls,
            waivers,
            policy,
            deployment: None,
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

    /// Whether any finding or control is about a component.
    pub(crate) fn is_about(&self, component: &str) -> bool {
        self.has_findings(component) || self.has_controls(component)
    }

    fn has_findings(&self, component: &str) -> bool {
        self.register.findings().any(|(_, f)| f.components.iter().any(|c| c == component))
    }

    fn has_controls(&self, component: &str) -> bool {
        self.controls.released().iter().any(|c| c == component)
    }

    /// Repositories that checks on releases of a component look into.
    pub(crate) fn repositories_of(&self, component: &str) -> impl Iterator<Item = String> {
        let asked = self.asked(component);
        asked.into_iter().flat_map(|q| q.check.repositories().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// What is asked of releases of a component.
    fn asked(&self, component: &str) -> Vec<Question> {
        let about = self.register.findings().filter(|(_, f)| f.components.iter().any(|c| c == component));
        about
            .flat_map(|(_, f)| f.evidence_on(component))
            .map(|e| Question { id: e.id.clone(), check: e.check.clone() })
            .chain(self.asked_of_controls(component))
            .collect()
    }

    fn asked_of_controls(&self, component: &str) -> Vec<Question> {
        if !self.has_controls(component) {
            return Vec::new();
        }
        let checks = self.controls.checks_for(component);
        checks.map(|(_, c)| Question { id: c.id.clone(), check: c.check.clone() }).collect()
    }

    /// Takes a deployment's judgement along: it answers what is the operator's.
    pub(crate) fn deploy(&mut self, judgement: Judgement) {
        self.deployment = Some(judgement);
    }

    /// The model held against what was seen.
    fn hold(&self, look: &Look, tested: Tested, answers: &[Answer], findings: Option<&Findings>) -> Held {
        let book = Book { controls: &self.controls, waivers: &self.waivers, register: &self.register };
        let subject =
            controls::Subject { component: &look.component, version: &look.version, as_of: self.today() };
        Held::of(&book, &subject, tested, answers, self.deployment.as_ref(), findings)
    }

    /// The model held against what the history has of a release.
    pub(crate) fn controls_of(&self, look: &Look) -> Result<Held, Failure> {
        let answers = match self.history() {
            Some(history) => history.answers(look.id, &self.questions).map_err(self::history)?,
            None => Vec::new(),
        };
        let tested = Tested::from_text(&look.tested);
        let findings = match self.has_findings(&look.component) {
            false => None,
            true => Some(self.findings(look, tested.clone(), &answers, &self.earlier(look)?)),
        };
        Ok(self.hold(look, tested, &answers, findings.as_ref()))
    }

    /// The model of a component of which nothing was seen.
    pub(crate) fn controls_without(&self, component: &str, tested: Tested) -> Held {
        self.hold(&Look::none(component), tested, &[], None)
    }

    /// Asks the policy about a release that was rebuilt and examined.
    pub(crate) fn decide(&self, held: &mut Held, component: &Component) -> Result<(), Failure> {
        let Some(policy) = &self.policy else { return Ok(()) };
        let release = &component.evidence().release;
        let release = policy::input::Release {
            component: release.component.clone(),
            version: release.version.clone(),
            purl: release.purl.clone(),
        };
        let rebuild = (component.outcome(), component.verdict());
        held.decide(policy, release, rebuild, component.findings(), &PolicyLimits::DEFAULT)
            .map_err(self::policy)
    }

    /// What the exit code makes of the policy's decision; without a policy, of findings that fail.
    pub(crate) fn exit(&self, component: &Component) -> Option<Exit> {
        let counts = self.policy.as_ref().is_some_and(|p| p.unsettled == Unsettled::Count);
        match component.controls().and_then(|c| c.decision.as_ref()).map(|d| d.verdict) {
            Some(Verdict::Fail) => Some(Exit::Fail),
            Some(Verdict::Inconclusive) if counts => Some(Exit::Inconclusive),
            Some(_) => None,
            None => component.findings().filter(|f| f.verdict() == Verdict::Fail).map(|_| Exit::Fail),
        }
    }

    /// Asks a release that was audited, enters what was seen into the history, and holds the register
    /// against it. A failure to look is shown in what it gives as well.
    pub(crate) fn examine(
        &mut self,
        auditor: &Auditor<'_>,
        subject: &Subject<'_>,
        audited: &Audited,
        runtime: Option<&RuntimeLock>,
    ) -> Examined {
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
            runtime,
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
        let component = look.component.as_str();
        let findings =
            self.has_findings(component).then(|| self.findings(&look, tested.clone(), &answers, &earlier));
        // The policy speaks of findings, too; where only those are there, the model has no rows.
        let controls = self.hold(&look, tested, &answers, findings.as_ref());
        Examined { findings, controls: Some(controls), failure }
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

    /// Holds what an audit saw of things that never change against what earlier ones saw, and enters it.
    pub(crate) fn sight(&mut self, subject: &Subject<'_>, audited: &mut Audited) -> Result<(), Failure> {
        let Some(history) = &mut self.history else { return Ok(()) };
        let seen: Vec<Sight<'_>> =
            audited.seen.iter().map(|s| Sight { kind: s.kind, name: &s.name, value: &s.value }).collect();
        let purl = subject.release.purl.as_str();
        let seconds = Timestamp::from_second(self.as_of.as_second()).unwrap_or(self.as_of);
        let replaced = history.sight(purl, &seconds.to_string(), &seen).map_err(self::history)?;
        audited.evidence.checks.extend(replaced.into_iter().map(|r| {
            let finding = if r.fresh { Finding::Refuted } else { Finding::Noted };
            let what = match r.kind.as_str() {
                "tag" => "tag",
                "source" => "source",
                "announced" => "what the registry announces of",
                _ => "published",
            };
            Checked::new("replaced-since", format!("{what} {}", r.name), finding)
                .expected(r.before.clone())
                .found(format!("{} now, and {} at {}", r.now, r.before, r.before_at))
                .next("a release never changes: ask its project what was replaced, and compare both")
        }));
        Ok(())
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
