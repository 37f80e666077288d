//! `reprove probe`.

mod programs;
mod wheel;

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use reprove::component::{Channel, Component};
use reprove::digest::{Algorithm, Digest, hash_file};
use reprove::environment::debian::acquire_runtime;
use reprove::environment::lock::LockedPackage;
use reprove::environment::root_fs::{self, BuildUser, RootFs};
use reprove::environment::runtime::RuntimeLock;
use reprove::evaluate::control::Controls;
use reprove::evaluate::evidence::{Check, EvidenceSpec};
use reprove::evaluate::register::Register;
use reprove::event::Observer;
use reprove::limits::probe::{ProbeLimits, SPECS_BYTES_MAX};
use reprove::limits::root_fs::RootFsLimits;
use reprove::probe::answer::{Answer, Observed};
use reprove::probe::spec::{self, Item, Probe as Spec};
use reprove::probe::{Subject, run};
use reprove::rebuild::sandbox::Mount;
use reprove::source::debian::Offered;
use serde::Serialize;

use crate::args::{Args, Format};
use crate::debian::{self, MirrorArgs};
use crate::exit::Exit;
use crate::failures;
use crate::pypi::IndexArgs;
use crate::render::{self, Failure};

/// Start a component in the sandbox, ask it, and say whether the answers are those expected.
///
/// The published packages are started, or those given with `--artifact`. What an answer means for a
/// finding or a control is not said here: some probes hold because a fault is still there.
#[derive(Debug, clap::Args)]
pub(crate) struct Probe {
    /// What to start: `name` (its first release), `name@version` or a package URL.
    #[arg(value_name = "COMPONENT[@VERSION]")]
    component: String,

    /// Start this instead of what was published: a package of the release (`name_version_arch.deb`, as a
    /// rebuild leaves it), or a program, which then stands for `/usr/bin/COMPONENT` and is taken to have
    /// the version of the release; for a release of a Python package index its wheel; for one that Go
    /// builds its programs, which are needed there. Repeatable.
    #[arg(long = "artifact", value_name = "FILE")]
    artifacts: Vec<PathBuf>,

    /// Take the probes from this file instead of `policies/findings` and `policies/controls`.
    #[arg(long, value_name = "FILE")]
    specs: Option<PathBuf>,

    /// Only the probe of this id. Repeatable.
    #[arg(long = "probe", value_name = "ID")]
    ids: Vec<String>,

    #[command(flatten)]
    mirrors: MirrorArgs,

    #[command(flatten)]
    index: IndexArgs,
}

/// What is wrong with what was asked for.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ProbeCommandError {
    /// A file that was named.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(code(cli::probe_file), help("name a file that exists and may be read"))]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// An id that no probe has.
    #[error("`{component}` has no probe `{id}`")]
    #[diagnostic(
        code(cli::no_probe),
        help("run it without `--probe` to see all of them; what starts nothing is asked by `reprove audit`")
    )]
    NoProbe { component: String, id: String },
    /// A program that stands for nothing.
    #[error("`{}` cannot stand for `/usr/bin/{component}`: {detail}", path.display())]
    #[diagnostic(
        code(cli::probe_program),
        help("give one program, of a component whose program has its name; or a package")
    )]
    Program { path: PathBuf, component: String, detail: &'static str },
    /// A release of which only given programs can be started.
    #[error("`{purl}` is no package that could be installed here")]
    #[diagnostic(
        code(cli::probe_no_program),
        help(
            "give its program with `--artifact FILE`, as `reprove rebuild` leaves it; `reprove audit` asks what it has rebuilt by itself"
        )
    )]
    NoProgram { purl: String },
    /// Nothing to run.
    #[error("there is no probe of `{component}`")]
    #[diagnostic(code(cli::no_probes), help("give a file of probes with `--specs FILE`"))]
    None { component: String },
}

/// The result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Outcome {
    purl: String,
    /// `published`, or the given files.
    tested: Vec<Tested>,
    /// Packages that the mirror does not offer; nothing was started then.
    missing: Vec<String>,
    probes: Vec<Row>,
}

/// A file that was tested.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Tested {
    name: String,
    digest: Digest,
    /// Whether it is the published one by its digest in the signed index.
    published: bool,
}

/// One probe.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    id: String,
    kind: &'static str,
    why: String,
    question: String,
    expected: Vec<String>,
    #[serde(flatten)]
    answer: Answer,
    observed: Observed,
    /// The command that runs this probe alone.
    again: String,
}

impl Probe {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let (component, release) =
            Component::find(&args.root, &self.component, None).map_err(failures::component)?;
        let purl = release.purl.to_string();
        let items = self.items(args, &component.name)?;
        if let Channel::Pypi(_) = release.channel {
            return wheel::run(self, args, &component, &release, items);
        }
        if let Some(go) = release.go() {
            return programs::run(self, args, &component, (&release, go), items);
        }
        let lock = RuntimeLock::of_release(&component, &release).map_err(|e| Failure::new(e, Exit::Usage))?;
        let given = self.given(&lock)?;
        let (store, fetcher, progress) = (args.open_store()?, args.fetcher(), args.progress());
        let mirrors = self.mirrors.mirrors()?;
        let access = debian::access(&mirrors, &fetcher, &store, &progress);
        let taken: Vec<&str> = given.packages.iter().map(|(package, _)| package.name.as_str()).collect();
        let mut result =
            Outcome { purl, tested: given.tested(&lock), missing: Vec::new(), probes: Vec::new() };
        let objects = match acquire_runtime(&access, &lock, &taken).map_err(failures::environment)? {
            Offered::All(objects) => objects,
            Offered::Missing(missing) => {
                result.missing = missing.into_iter().map(|file| file.name).collect();
                return self.answer(args, &result);
            }
        };
        let mut packages: Vec<(LockedPackage, PathBuf)> =
            lock.without(&taken).cloned().zip(objects.into_iter().map(|object| object.path)).collect();
        packages.extend(given.packages.iter().cloned());
        let work = args.work_dir()?;
        let root = system(&work, &packages, &progress)?;
        let mut in_place = given.in_place(&component.name, root.path())?;
        let executable = executable(&work, &mut in_place)?;
        let subject = Subject {
            root: root.path(),
            in_place: &in_place,
            env: &[],
            version: given.version(&release.version),
            work_dir: &work,
        };
        result.probes = self.ask(&subject, items, &progress)?;
        drop(executable);
        progress.finish();
        self.answer(args, &result)
    }

    /// Starts it and asks.
    fn ask(
        &self,
        subject: &Subject<'_>,
        items: Vec<Item>,
        observer: &dyn Observer,
    ) -> Result<Vec<Row>, Failure> {
        let probes: Vec<(&str, &Spec)> = items.iter().map(|item| (item.id.as_str(), &item.probe)).collect();
        let probed = run(subject, &probes, &ProbeLimits::DEFAULT, observer)
            .map_err(|e| Failure::new(e, Exit::CouldNotLook))?;
        Ok(items.into_iter().zip(probed).map(|(item, probed)| self.row(item, probed)).collect())
    }

    /// The probes of the component that were asked for.
    fn items(&self, args: &Args, component: &str) -> Result<Vec<Item>, Failure> {
        let mut items = match &self.specs {
            Some(path) => {
                let text = bounded(path)?;
                spec::read(&path.display().to_string(), &text).map_err(|e| Failure::new(e, Exit::Usage))?
            }
            None => {
                let register = Register::load(&args.root).map_err(|e| Failure::new(e, Exit::Usage))?;
                let controls = Controls::load(&args.root).map_err(|e| Failure::new(e, Exit::Usage))?;
                let evidence = register.findings().flat_map(|(_, finding)| &finding.evidence);
                let checks = controls.iter().flat_map(|control| &control.checks);
                let evidence = evidence.filter_map(|e| item(e, component));
                evidence.chain(checks.filter_map(|check| item(check, component))).collect()
            }
        };
        if self.specs.is_some() {
            items.retain(|item| item.probe.component() == component);
        }
        let component = component.to_owned();
        if let Some(id) = self.ids.iter().find(|id| !items.iter().any(|item| item.id == **id)) {
            let error = ProbeCommandError::NoProbe { component, id: id.clone() };
            return Err(Failure::new(error, Exit::Usage));
        }
        items.retain(|item| self.ids.is_empty() || self.ids.contains(&item.id));
        if items.is_empty() {
            return Err(Failure::new(ProbeCommandError::None { component }, Exit::Usage));
        }
        Ok(items)
    }

    /// The files given, hashed.
    fn given(&self, lock: &RuntimeLock) -> Result<Given, Failure> {
        let mut given = Given::default();
        for path in &self.artifacts {
            let (path, digest, len) = hashed(path)?;
            if path.extension().is_some_and(|extension| extension == "deb") {
                let package =
                    lock.under_test(&path, digest, len).map_err(|e| Failure::new(e, Exit::Usage))?;
                given.packages.push((package, path));
            } else {
                given.programs.push((path, digest));
            }
        }
        Ok(given)
    }

    fn row(&self, item: Item, probed: reprove::probe::Probed) -> Row {
        let mut again = format!("reprove probe {}", render::shell_word(&self.component));
        for path in &self.artifacts {
            let _ = write!(again, " --artifact {}", render::shell_word(&path.display().to_string()));
        }
        if let Some(path) = &self.specs {
            let _ = write!(again, " --specs {}", render::shell_word(&path.display().to_string()));
        }
        let _ = write!(again, " --probe {}", item.id);
        Row {
            kind: item.probe.kind(),
            question: item.probe.question(),
            expected: item.probe.expected(),
            id: item.id,
            why: item.why,
            answer: probed.answer,
            observed: probed.observed,
            again,
        }
    }

    fn answer(&self, args: &Args, result: &Outcome) -> Result<Exit, Failure> {
        let any = |wanted: &str| result.probes.iter().any(|row| row.answer.word() == wanted);
        let exit = if any("does not hold") {
            Exit::Fail
        } else if any("could not tell") || result.probes.is_empty() {
            Exit::Inconclusive
        } else {
            Exit::Pass
        };
        let out = match args.format {
            Format::Json => render::json(result)?,
            Format::Text => text(result),
        };
        render::answer(&out, exit)
    }
}

/// A specification's probe, where it is one and looks at releases of the component.
fn item<A>(spec: &EvidenceSpec<A>, component: &str) -> Option<Item> {
    match &spec.check {
        Check::Probe(probe) if spec.is_about(component) => Some(Item {
            id: spec.id.clone(),
            why: spec.why.clone().unwrap_or_default(),
            probe: probe.clone(),
        }),
        _ => None,
    }
}

/// What stands in place of what was published.
#[derive(Debug, Default)]
struct Given {
    packages: Vec<(LockedPackage, PathBuf)>,
    programs: Vec<(PathBuf, Digest)>,
}

impl Given {
    /// Everything that is tested: the given files, and the published packages that nothing replaces.
    fn tested(&self, lock: &RuntimeLock) -> Vec<Tested> {
        let listed = |digest: &Digest| lock.packages.iter().any(|package| package.file.digest == *digest);
        let tested = |name: String, digest: &Digest| Tested {
            name,
            digest: digest.clone(),
            published: listed(digest),
        };
        let own = lock.packages.iter().filter(|package| lock.own.contains(&package.name));
        let replaced = |name: &str| self.packages.iter().any(|(package, _)| package.name == name);
        let published = own.filter(|package| !replaced(&package.name));
        let packages = self.packages.iter().map(|(package, _)| package);
        let programs = self.programs.iter().map(|(path, digest)| {
            tested(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), digest)
        });
        published
            .chain(packages)
            .map(|package| tested(package.locked_file().name, &package.file.digest))
            .chain(programs)
            .collect()
    }

    /// A given program stands for the component's.
    fn in_place(&self, component: &str, root: &Path) -> Result<Vec<Mount>, Failure> {
        let target = Path::new("/usr/bin").join(component);
        let refuse = |path: &PathBuf, detail: &'static str| {
            let (path, component) = (path.clone(), component.to_owned());
            Failure::new(ProbeCommandError::Program { path, component, detail }, Exit::Usage)
        };
        match self.programs.as_slice() {
            [] => Ok(Vec::new()),
            [(path, _)] => {
                // Otherwise the published program would be started under the given one's name.
                let there = std::fs::symlink_metadata(root.join("usr/bin").join(component));
                match there.is_ok_and(|found| found.is_file()) {
                    true => Ok(vec![Mount { source: path.clone(), target }]),
                    false => Err(refuse(path, "the published packages have no such program")),
                }
            }
            [(path, _), ..] => Err(refuse(path, "only one program can")),
        }
    }

    /// The version of what is started.
    fn version<'a>(&'a self, published: &'a str) -> &'a str {
        self.packages.first().map_or(published, |(package, _)| &package.version)
    }
}

/// What the disk says of a file of ours.
fn file(path: &Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    |source| Failure::new(ProbeCommandError::File { path: path.to_owned(), source }, Exit::CouldNotLook)
}

/// A file that was given: its whole path, SHA-256 and length in bytes.
fn hashed(path: &Path) -> Result<(PathBuf, Digest, u64), Failure> {
    let failed =
        |source| Failure::new(ProbeCommandError::File { path: path.to_owned(), source }, Exit::Usage);
    let whole = std::fs::canonicalize(path).map_err(failed)?;
    let (digest, len) = hash_file(Algorithm::Sha256, &whole).map_err(failed)?;
    Ok((whole, digest, len))
}

/// Copies that can be executed in place of what was given, as what a build leaves behind cannot. They are
/// there as long as the folder is.
fn executable(work: &Path, in_place: &mut [Mount]) -> Result<tempfile::TempDir, Failure> {
    let folder = tempfile::Builder::new().prefix("given-").tempdir_in(work).map_err(file(work))?;
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open.clone()).map_err(file(work))?;
    for (index, mount) in in_place.iter_mut().enumerate() {
        let copy = folder.path().join(index.to_string());
        std::fs::copy(&mount.source, &copy).map_err(file(&mount.source))?;
        std::fs::set_permissions(&copy, open.clone()).map_err(file(&copy))?;
        mount.source = copy;
    }
    Ok(folder)
}

fn bounded(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let failed =
        |source| Failure::new(ProbeCommandError::File { path: path.to_owned(), source }, Exit::Usage);
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(SPECS_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The system in which the component is installed.
fn system(
    work: &Path,
    packages: &[(LockedPackage, PathBuf)],
    observer: &dyn Observer,
) -> Result<RootFs, Failure> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let options =
        root_fs::Options { user: BuildUser { uid: 1000, gid: 1000 }, limits: RootFsLimits::DEFAULT, threads };
    root_fs::ensure(&work.join("roots"), packages, &options, observer)
        .map_err(|e| Failure::new(e, Exit::CouldNotLook))
}

fn text(result: &Outcome) -> String {
    let mut out = format!("{}\n", result.purl);
    for tested in &result.tested {
        let origin = if tested.published { "published" } else { "given" };
        let _ = writeln!(out, "  {origin:<16} {}  {}", render::printable(&tested.name), tested.digest);
    }
    for name in &result.missing {
        let _ = writeln!(out, "  not offered      {}", render::printable(name));
    }
    for row in &result.probes {
        let _ =
            writeln!(out, "\n  {:<16} {}  {}", row.answer.word(), row.id, render::printable(&row.question));
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(out, "    {name:<14} {}", render::printable(value));
        };
        for expected in &row.expected {
            line("expected", expected);
        }
        line("found", &row.observed.found());
        match &row.answer {
            Answer::Holds {} => {}
            Answer::DoesNotHold { differences } => {
                for d in differences {
                    line(&d.what, &format!("expected {}, found {}", d.expected, d.found));
                }
            }
            Answer::CouldNotTell { reason } => line("because", reason),
        }
        if row.answer.word() != "holds" {
            line("again", &row.again);
        }
    }
    let count = |word: &str| result.probes.iter().filter(|row| row.answer.word() == word).count();
    let _ = writeln!(
        out,
        "\n{} hold, {} do not hold, {} could not tell",
        count("holds"),
        count("does not hold"),
        count("could not tell")
    );
    if let Some(row) = result.probes.first() {
        let _ = writeln!(out, "one of them again: {}", row.again);
    }
    out
}
