//! `reprove audit`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reprove::artifact::ArtifactError;
use reprove::attest::SigningKey;
use reprove::audit::{
    Announcement, Archives, AuditError, Audited, Auditor, Clones, Ground, Options, Repeat, Subject,
};
use reprove::component::{ChannelName, Component, Release};
use reprove::environment::lock::LockError;
use reprove::environment::runtime::RuntimeLock;
use reprove::event::{Event, Stage};
use reprove::limits::rebuild::RebuildLimits;
use reprove::limits::report::ReportLimits;
use reprove::limits::root_fs::RootFsLimits;
use reprove::report::export::Format as Exported;
use reprove::report::{self, Checked, Report, Run, statements, text::TextStyle};
use reprove::source::debian::{Access, Mirrors};
use reprove::source::pypi::Index;
use reprove::verdict::Verdict;
use reprove::verify::Finding;
use reprove::verify::openpgp::Keyring;

use crate::args::{Args, Format};
use crate::beside::BesideArgs;
use crate::debian::{self, MirrorArgs};
use crate::exit::Exit;
use crate::failures;
use crate::go::{GoArgs, GoHost};
use crate::host;
use crate::inputs::InputArgs;
use crate::locks::{ReleaseLock, Resolver};
use crate::pypi::IndexArgs;
use crate::register::{Desk, Examined, RepositoryArgs};
use crate::render::{self, Failure};

/// Rebuild released components from authenticated source, compare the bytes and report.
///
/// Writes an HTML page, JSON and Markdown for each run into the reports folder, and in-toto statements
/// into the attestations folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    /// What to audit: `name` (its first release), `name@version` or a package URL; all components if
    /// none is named.
    #[arg(value_name = "COMPONENT[@VERSION]")]
    components: Vec<String>,

    /// Only releases of this channel; of all components the first one in it.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<ChannelName>,

    #[command(flatten)]
    build: BuildArgs,

    /// Build a second time under varied clock, host name, processors and path, whatever the comparison
    /// says. Without this it is done where a difference is not explained.
    #[arg(long, conflicts_with = "once")]
    twice: bool,

    /// Never build a second time; a difference may then be our own instability.
    #[arg(long)]
    once: bool,

    /// Build nothing: hold the register against the published program alone. Whether its bytes come from
    /// the source is then inconclusive. A lock of what the release needs to run is enough.
    #[arg(long, conflicts_with_all = ["twice", "once"])]
    no_build: bool,

    /// Where the lock is missing, or names what the archive no longer lists or offers, resolve the
    /// environment anew for this run. The lock in `policies/` stays as it is; the new one is kept in the
    /// work folder.
    #[arg(long)]
    relock: bool,

    /// The apt-get that chooses packages for `--relock`; it is only asked to simulate.
    #[arg(long, value_name = "PROGRAM", default_value = "apt-get")]
    apt_get: PathBuf,

    /// Folder for the reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,

    /// Folder for our statements (default: `attestations` in the root).
    #[arg(long, value_name = "DIR")]
    attestations: Option<PathBuf>,

    /// Sign the statements with this PKCS#8 PEM key (ECDSA P-256 or Ed25519).
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Add to the report what varies between runs: times, log digests. The same inputs then no longer
    /// give the same bytes.
    #[arg(long)]
    with_run: bool,

    #[command(flatten)]
    repositories: RepositoryArgs,

    #[command(flatten)]
    beside: BesideArgs,

    /// Write the report in a format of others as well: `sarif`, `oscal-ar`, `oscal-poam` or `openvex`.
    /// Repeatable.
    #[arg(long, value_name = "FORMAT=FILE", value_parser = exported)]
    export: Vec<(Exported, PathBuf)>,

    /// Print the JSON Schema of the report and do nothing else.
    #[arg(long, conflicts_with = "components")]
    print_schema: bool,
}

/// A release of which only what it needs to run is locked.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("no build environment is locked for `{release}`, only what it needs to run")]
#[diagnostic(
    code(cli::only_to_run),
    help(
        "ask the published program: `reprove audit {release} --no-build`; or resolve a build: `reprove lock {release}`"
    )
)]
struct OnlyToRun {
    release: String,
}

/// What `audit` and `rebuild` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) mirrors: MirrorArgs,

    #[command(flatten)]
    pub(crate) go: GoArgs,

    #[command(flatten)]
    pub(crate) inputs: InputArgs,

    #[command(flatten)]
    pub(crate) index: IndexArgs,

    /// More certificates for the signatures of source descriptions. Repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) keyring: Vec<PathBuf>,

    /// The time of judgement, RFC 3339 (default: now).
    #[arg(long, value_name = "TIME")]
    pub(crate) as_of: Option<Timestamp>,

    /// Ask for new indexes even where the kept ones are still valid.
    #[arg(long)]
    pub(crate) refresh: bool,

    /// Jobs of a build (default: the processors that may be used).
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// What was given beside the releases, and when they are judged.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) announced: Option<Announcement<'a>>,
    pub(crate) clones: Clones<'a>,
    pub(crate) as_of: Timestamp,
    /// Whether a release among them asks Debian's archives.
    pub(crate) debian: bool,
}

/// What every audit of a run shares.
pub(crate) struct Setting<'a> {
    pub(crate) access: Access<'a>,
    pub(crate) given: Given<'a>,
    pub(crate) go: GoHost,
    pub(crate) index: Option<Index>,
    pub(crate) archive_keyring: Keyring,
    pub(crate) developer_keyring: Keyring,
    pub(crate) as_of: Timestamp,
    pub(crate) work: PathBuf,
    pub(crate) options: Options,
}

/// What to audit, as the report names it.
pub(crate) fn subject<'l>(
    args: &Args,
    component: &Component,
    release: &'l Release,
    lock: &'l ReleaseLock,
    path: &Path,
) -> Result<Subject<'l>, Failure> {
    let locked = lock.locked(release).ok_or_else(|| failures::other_channel(&release.purl.to_string()))?;
    let named = render::shell_word(&component.naming(release));
    Ok(Subject {
        release: report::Release {
            component: component.name.clone(),
            version: release.version.clone(),
            channel: release.channel.to_string(),
            architecture: lock.architecture(release).to_owned(),
            purl: release.purl.to_string(),
        },
        lock: locked,
        lock_digest: lock.digest(),
        source: release.tagged(),
        named: named.clone(),
        again: vec![format!("sha256sum {}", shown(args, path)), format!("reprove audit {named}")],
    })
}

impl BuildArgs {
    pub(crate) fn options(&self, repeat: Repeat) -> Options {
        let jobs =
            self.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        Options {
            repeat,
            jobs,
            rebuild: RebuildLimits::DEFAULT,
            root_fs: RootFsLimits::DEFAULT,
            refresh: self.refresh,
        }
    }
}

impl Audit {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        if self.print_schema {
            return render::answer(report::SCHEMA, Exit::Pass);
        }
        let chosen = self.chosen(args)?;
        let key = self.key.as_deref().map(signing_key).transpose()?;
        let (store, fetcher, progress) = (args.open_store()?, args.fetcher(), args.progress());
        let mirrors: Mirrors = self.build.mirrors.mirrors()?;
        let repeat = match (self.once, self.twice) {
            (true, _) => Repeat::Never,
            (_, true) => Repeat::Always,
            _ => Repeat::OnDifference,
        };
        let access = debian::access(&mirrors, &fetcher, &store, &progress);
        let inputs = self.build.inputs.read(chosen.iter().map(|(_, release)| release))?;
        let go = self.build.go.host(args, chosen.iter().map(|(_, release)| release))?;
        let go = go.with_inputs(inputs);
        let index = self.build.index.index(chosen.iter().map(|(_, release)| release))?;
        let releases = chosen.iter().map(|(_, release)| release);
        let given: Vec<&Path> = self
            .build
            .go
            .published()
            .into_iter()
            .chain(go.inputs.iter().map(|(_, path)| path.as_path()))
            .collect();
        let beside = self.beside.read(&given, &self.repositories, releases)?;
        let as_of = self.build.as_of.unwrap_or_else(host::now);
        let context = beside.context(as_of);
        let keys = beside.keys(context.as_ref());
        let debian = chosen.iter().any(|(_, release)| release.asks_debian());
        let given = Given { announced: beside.announced(&keys), clones: beside.clones(&keys), as_of, debian };
        let setting = Setting::new(args, &self.build, repeat, access, go, index, given)?;
        let mut desk = Desk::open(args, &self.repositories, setting.as_of)?;
        let releases = chosen.iter().map(|(_, release)| release);
        let asked = chosen.iter().flat_map(|(component, _)| desk.repositories_of(&component.name));
        self.repositories.check(releases, asked)?;
        let (mut judged, mut run, mut worst) = (Vec::new(), Run::default(), None::<Exit>);
        run.as_of = Some(setting.as_of.to_string());
        for (component, release) in &chosen {
            match self.audit(args, &setting, component, release, &mut desk) {
                Ok((audited, examined)) => {
                    let key = audited.evidence.release.key();
                    if let Some(time) = audited.build_time {
                        run.build_seconds.insert(key.clone(), time.as_secs());
                    }
                    if let Some(log) = audited.log {
                        run.logs.insert(key, log);
                    }
                    let mut one = report::Component::judge(audited.evidence);
                    if let Some(examined) = examined {
                        if let Some(findings) = examined.findings {
                            one = one.with_findings(findings);
                        }
                        if let Some(mut controls) = examined.controls {
                            desk.decide(&mut controls, &one)?;
                            one = one.with_controls(controls);
                        }
                        // What could not be looked at is in both; the rebuild's verdict stands.
                        if let Some(failure) = examined.failure {
                            progress.pause(|| render::failure(&failure));
                            worst = Some(worse(worst, failure.exit()));
                        }
                    }
                    judged.push(one);
                }
                // The other components go on.
                Err(failure) => {
                    progress.pause(|| render::failure(&failure));
                    worst = Some(worse(worst, failure.exit()));
                }
            }
        }
        progress.finish();
        for component in &judged {
            worst = Some(worse(worst, exit_of(component)));
            // Findings and controls are the policy's to judge; the rebuild's verdict stays its own.
            if let Some(exit) = desk.exit(component) {
                worst = Some(worse(worst, exit));
            }
        }
        let mut report = Report::new(judged);
        if self.with_run {
            report = report.with_run(run);
        }
        self.publish(args, &report, key.as_ref(), worst.unwrap_or(Exit::Inconclusive))
    }

    fn chosen(&self, args: &Args) -> Result<Vec<(Component, Release)>, Failure> {
        if self.components.is_empty() {
            let all = Component::all(&args.root).map_err(failures::component)?;
            let first = |c: Component| {
                let release = c.release_in(None, self.channel).cloned().ok()?;
                Some((c, release))
            };
            return Ok(all.into_iter().filter_map(first).collect());
        }
        let find = |text: &String| Component::find(&args.root, text, self.channel);
        self.components.iter().map(find).collect::<Result<_, _>>().map_err(failures::component)
    }

    /// Writes the report and the statements, and prints the result.
    fn publish(
        &self,
        args: &Args,
        report: &Report,
        key: Option<&SigningKey>,
        exit: Exit,
    ) -> Result<Exit, Failure> {
        let limits = ReportLimits::DEFAULT;
        let disk = |e| Failure::new(e, Exit::CouldNotLook);
        let mut pages = Vec::new();
        if !report.components().is_empty() {
            pages = report::html::write(report, &self.reports, &limits).map_err(disk)?;
        }
        let attestations = self.attestations.clone().unwrap_or_else(|| args.root.join("attestations"));
        for component in report.components() {
            statements::write(component, report.tool(), &attestations, key).map_err(disk)?;
        }
        for (format, file) in &self.export {
            std::fs::write(file, format.render(report))
                .map_err(|source| disk(reprove::attest::WriteError::Write { path: file.clone(), source }))?;
        }
        let out = match args.format {
            Format::Json => report.to_json(),
            Format::Text => {
                let style =
                    TextStyle { color: host::colours_on_stdout(), short_digests: host::stdout_is_terminal() };
                let mut text = String::new();
                if let Some(page) = pages.first() {
                    text = format!("report: {}\n\n", page.display());
                }
                text + &report::text::render(report, style, &limits)
            }
        };
        render::answer(&out, exit)
    }
}

/// The exit code of one release: explained differences have their own.
fn exit_of(component: &report::Component) -> Exit {
    match (component.outcome(), component.verdict()) {
        (report::Outcome::Equivalent, Verdict::Inconclusive) => Exit::Equivalent,
        (_, verdict) => Exit::from(verdict),
    }
}

/// Over several releases the worst counts: fail, then could not look, then inconclusive, then
/// equivalent, then pass.
pub(super) fn worse(so_far: Option<Exit>, next: Exit) -> Exit {
    let rank = |exit: Exit| match exit {
        Exit::Fail => 0,
        Exit::Usage => 1,
        Exit::CouldNotLook => 2,
        Exit::Inconclusive => 3,
        Exit::Equivalent => 4,
        Exit::Pass => 5,
    };
    match so_far {
        Some(exit) if rank(exit) <= rank(next) => exit,
        _ => next,
    }
}

/// A format and the file to write.
fn exported(text: &str) -> Result<(Exported, PathBuf), String> {
    let (name, file) = text.split_once('=').filter(|(_, file)| !file.is_empty()).unwrap_or((text, ""));
    let format = Exported::ALL.into_iter().find(|f| f.word() == name);
    match (format, file.is_empty()) {
        (Some(format), false) => Ok((format, PathBuf::from(file))),
        _ => {
            let words: Vec<&str> = Exported::ALL.into_iter().map(Exported::word).collect();
            Err(format!("expected FORMAT=FILE with a format of {}", words.join(", ")))
        }
    }
}

fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let text = std::fs::read(path).map_err(|source| {
        let path = camino::Utf8PathBuf::from(path.display().to_string());
        Failure::new(ArtifactError::Read { path, source }, Exit::Usage)
    })?;
    SigningKey::from_pem(&text, None).map_err(|e| Failure::new(e, Exit::Usage))
}

impl<'a> Setting<'a> {
    pub(crate) fn new(
        args: &Args,
        build: &BuildArgs,
        repeat: Repeat,
        access: Access<'a>,
        go: GoHost,
        index: Option<Index>,
        given: Given<'a>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            access,
            given,
            go,
            index,
            archive_keyring: debian::archive_keyring(args, given.debian)?,
            developer_keyring: debian::developer_keyring(args, &build.keyring, given.debian)?,
            as_of: given.as_of,
            work: args.work_dir()?,
            options: build.options(repeat),
        })
    }

    pub(crate) fn auditor(&self) -> Auditor<'_> {
        Auditor {
            ground: Ground {
                fetcher: self.access.fetcher,
                store: self.access.store,
                observer: self.access.observer,
                as_of: self.as_of,
                work: &self.work,
                options: &self.options,
            },
            debian: Archives {
                access: self.access,
                archive_keyring: &self.archive_keyring,
                developer_keyring: &self.developer_keyring,
            },
            go: self.go.world(self.given.announced, self.index.as_ref()),
            index: self.index.as_ref(),
            clones: self.given.clones,
        }
    }
}

impl Audit {
    fn audit(
        &self,
        args: &Args,
        setting: &Setting<'_>,
        component: &Component,
        release: &Release,
        desk: &mut Desk,
    ) -> Result<(Audited, Option<Examined>), Failure> {
        let (mut audited, lock, path) = self.rebuilt(args, setting, component, release)?;
        let subject = self.subject(args, component, release, &lock, &path)?;
        desk.sight(&subject, &mut audited)?;
        if !desk.is_about(&component.name) {
            audited.evidence.checks.push(
                Checked::new("register-not-asked", component.name.clone(), Finding::Noted)
                    .found("no finding of an audit and no control of the security model is written for it")
                    .next("name it in the `components` of `policies/findings/` or `policies/controls/` to have it asked"),
            );
            return Ok((audited, None));
        }
        // A release without a lock of what it needs to run is installed where it was built.
        let runtime = match RuntimeLock::of_release(component, release) {
            Ok(lock) => Some(lock),
            Err(LockError::MissingRuntime { .. }) => None,
            Err(error) => return Err(Failure::new(error, Exit::Usage)),
        };
        let examined = desk.examine(&setting.auditor(), &subject, &audited, runtime.as_ref());
        Ok((audited, Some(examined)))
    }

    /// What to audit, with the commands that do it again in the same way.
    fn subject<'l>(
        &self,
        args: &Args,
        component: &Component,
        release: &'l Release,
        lock: &'l ReleaseLock,
        path: &Path,
    ) -> Result<Subject<'l>, Failure> {
        let mut subject = subject(args, component, release, lock, path)?;
        if let Some(command) = subject.again.last_mut().filter(|_| self.no_build) {
            command.push_str(" --no-build");
        }
        Ok(subject)
    }

    /// Rebuilds and compares; gives the lock that it was done with.
    fn rebuilt(
        &self,
        args: &Args,
        setting: &Setting<'_>,
        component: &Component,
        release: &Release,
    ) -> Result<(Audited, ReleaseLock, PathBuf), Failure> {
        let run = |lock: ReleaseLock, path: PathBuf| {
            let subject = self.subject(args, component, release, &lock, &path)?;
            let auditor = setting.auditor();
            let audited = match self.no_build {
                true => auditor.without_build(&subject),
                false => auditor.audit(&subject),
            }
            .map_err(failures::audit)?;
            Ok((audited, lock, path))
        };
        let path = component.lock_path(release);
        if !path.exists() && self.relock {
            let (lock, path) = self.resolve(setting, component, release)?;
            return run(lock, path);
        }
        let (lock, path) = match self.no_build {
            true => ReleaseLock::read_to_run(component, release)?,
            false if !path.exists() && component.runtime_lock_path(release).exists() => {
                let release = format!("{}@{}", component.name, release.version);
                return Err(Failure::new(OnlyToRun { release }, Exit::Usage));
            }
            false => ReleaseLock::read(component, release)?,
        };
        let (audited, lock, path) = run(lock, path)?;
        if audited.stale && self.relock {
            let text = "the lock names what the archive no longer lists or offers; resolving anew";
            setting.access.observer.event(&Event::Note { stage: Stage::Environment, text });
            let (lock, path) = self.resolve(setting, component, release)?;
            return run(lock, path);
        }
        Ok((audited, lock, path))
    }

    /// Resolves the environment anew and keeps the lock in the work folder.
    fn resolve(
        &self,
        setting: &Setting<'_>,
        component: &Component,
        release: &Release,
    ) -> Result<(ReleaseLock, PathBuf), Failure> {
        let resolver = Resolver {
            access: setting.access,
            go: &setting.go,
            index: setting.index.as_ref(),
            archive_keyring: &setting.archive_keyring,
            as_of: setting.as_of,
            apt_get: &self.apt_get,
            scratch: &setting.work,
            repositories: setting.given.clones.repositories,
        };
        let lock = resolver.resolve(component, release)?;
        let name = component.lock_path(release);
        let folder = setting.work.join("locks").join(&component.name);
        let path = folder.join(name.file_name().unwrap_or_default());
        let failed = |source| AuditError::Work { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(|e| Failure::new(failed(e), Exit::CouldNotLook))?;
        lock.write(&path)?;
        Ok((lock, path))
    }
}

/// A path as a reader elsewhere can use it: below the root folder, or the plain name.
fn shown(args: &Args, path: &Path) -> String {
    match path.strip_prefix(&args.root) {
        Ok(below) => below.display().to_string(),
        Err(_) => path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_exit_counts() {
        let over = |all: &[Exit]| all.iter().fold(None, |so_far, e| Some(worse(so_far, *e)));
        assert_eq!(over(&[Exit::Pass, Exit::Inconclusive]), Some(Exit::Inconclusive));
        assert_eq!(over(&[Exit::Inconclusive, Exit::Pass]), Some(Exit::Inconclusive));
        assert_eq!(over(&[Exit::CouldNotLook, Exit::Inconclusive]), Some(Exit::CouldNotLook));
        assert_eq!(over(&[Exit::Inconclusive, Exit::Fail, Exit::CouldNotLook]), Some(Exit::Fail));
        assert_eq!(over(&[Exit::Pass, Exit::Equivalent]), Some(Exit::Equivalent));
        assert_eq!(over(&[]), None);
    }
}
