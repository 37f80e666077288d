//! `reprove rebuild`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use reprove::audit::{Audited, Repeat};
use reprove::component::{ChannelName, Component};
use reprove::observation::Observation;
use reprove::rebuild::{Kept, Outcome};
use reprove::report::{BuildResult, FileState, Gap};
use serde::Serialize;

use super::audit::{BuildArgs, Given, Setting, subject};
use crate::args::{Args, Format};
use crate::beside::Beside;
use crate::debian;
use crate::exit::Exit;
use crate::failures;
use crate::host;
use crate::locks::ReleaseLock;
use crate::register::RepositoryArgs;
use crate::render::{self, Failure};

/// Rebuild a release from its lock, and compare nothing.
///
/// Needs neither apt nor dpkg. The artifacts and the log stay in the work folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Rebuild {
    /// What to rebuild: `name` (its first release), `name@version` or a package URL.
    #[arg(value_name = "COMPONENT[@VERSION]")]
    component: String,

    /// Only releases of this channel.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<ChannelName>,

    #[command(flatten)]
    build: BuildArgs,

    #[command(flatten)]
    repositories: RepositoryArgs,

    /// Build a second time under varied clock, host name, processors and path.
    #[arg(long)]
    twice: bool,
}

/// The result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    purl: String,
    outcome: Option<Outcome>,
    /// Why nothing was built, where nothing was.
    not_built: Option<String>,
    missing: Vec<String>,
    artifacts: Vec<Kept>,
    /// Artifacts that the second build made otherwise.
    unstable: Vec<String>,
    varied: Vec<String>,
    toolchain: BTreeMap<String, String>,
    observations: Vec<Observation>,
    not_looked: Vec<Gap>,
    folder: Option<PathBuf>,
}

impl Rebuild {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let (component, release) =
            Component::find(&args.root, &self.component, self.channel).map_err(failures::component)?;
        let (locked, path) = ReleaseLock::read(&component, &release)?;
        let (store, fetcher, progress) = (args.open_store()?, args.fetcher(), args.progress());
        let mirrors = self.build.mirrors.mirrors()?;
        let access = debian::access(&mirrors, &fetcher, &store, &progress);
        let repeat = if self.twice { Repeat::Always } else { Repeat::Never };
        let inputs = self.build.inputs.read(std::iter::once(&release))?;
        let go = self.build.go.host(args, std::iter::once(&release))?.with_inputs(inputs);
        let index = self.build.index.index(std::iter::once(&release))?;
        self.repositories.check(std::iter::once(&release), std::iter::empty())?;
        let beside = Beside::only(self.repositories.repositories());
        let keys = beside.keys(None);
        let as_of = self.build.as_of.unwrap_or_else(host::now);
        let debian = release.asks_debian();
        let given = Given { announced: None, clones: beside.clones(&keys), as_of, debian };
        let setting = Setting::new(args, &self.build, repeat, access, go, index, given)?;
        let subject = subject(args, &component, &release, &locked, &path)?;
        let audited = setting.auditor().rebuild(&subject).map_err(failures::audit)?;
        progress.finish();
        let answer = Answer::of(audited);
        let complete = answer.outcome == Some(Outcome::Completed)
            && answer.artifacts.len() == locked.expected(&release)
            && answer.unstable.is_empty()
            && answer.not_looked.is_empty();
        let exit = if complete { Exit::Pass } else { Exit::Inconclusive };
        let out = match args.format {
            Format::Json => render::json(&answer)?,
            Format::Text => text(&answer),
        };
        render::answer(&out, exit)
    }
}

impl Answer {
    fn of(audited: Audited) -> Self {
        let evidence = audited.evidence;
        let gone =
            evidence.source.files.iter().filter(|f| f.state == FileState::Missing).map(|f| f.name.clone());
        let unstable = |name: &str| {
            let pair = evidence.artifacts.iter().find(|p| p.name.as_str() == name)?;
            let first = audited.rebuild.as_ref()?.artifacts.iter().find(|k| k.name == pair.name)?;
            let again = pair.rebuilt_again.as_ref()?;
            (!first.digests.iter().any(|d| *d == again.digest)).then(|| name.to_owned())
        };
        let artifacts = audited.rebuild.as_ref().map(|r| r.artifacts.clone()).unwrap_or_default();
        Self {
            purl: evidence.release.purl.clone(),
            outcome: audited.rebuild.as_ref().map(|r| r.outcome.clone()),
            not_built: match &evidence.rebuild.result {
                BuildResult::NotAttempted { reason } if audited.rebuild.is_none() => Some(reason.clone()),
                _ => None,
            },
            missing: gone.chain(evidence.environment.missing.iter().cloned()).collect(),
            unstable: artifacts.iter().filter_map(|k| unstable(k.name.as_str())).collect(),
            artifacts,
            varied: evidence.rebuild.varied.clone(),
            toolchain: audited.rebuild.map(|r| r.toolchain).unwrap_or_default(),
            observations: evidence.observations,
            not_looked: evidence.not_looked,
            folder: audited.folder,
        }
    }
}

fn text(answer: &Answer) -> String {
    let mut out = format!("{}\n\n", answer.purl);
    if let Some(reason) = &answer.not_built {
        let _ = writeln!(out, "  not built    {}", render::printable(reason));
    }
    for name in &answer.missing {
        let _ = writeln!(out, "  missing      {}", render::printable(name));
    }
    if let Some(compiler) = answer.toolchain.get("compiler") {
        let _ = writeln!(out, "  compiler     {}", render::printable(compiler));
    }
    for observation in &answer.observations {
        let _ =
            writeln!(out, "  observation  {}, {}", observation.name, render::printable(&observation.effect));
    }
    for gap in &answer.not_looked {
        let _ = writeln!(out, "  not looked   {}", render::printable(&gap.text));
    }
    if !answer.varied.is_empty() {
        let _ = writeln!(out, "  varied       {}", answer.varied.join(", "));
    }
    for kept in &answer.artifacts {
        let stable = if answer.unstable.contains(&kept.name.to_string()) { "  unstable" } else { "" };
        let digests: Vec<String> = kept.digests.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            out,
            "  artifact     {}  {} bytes  {}{stable}",
            kept.name,
            kept.len_bytes,
            digests.join(" ")
        );
    }
    if let Some(folder) = &answer.folder {
        let _ = writeln!(out, "  folder       {}", folder.display());
    }
    let word = answer.outcome.as_ref().map_or("not attempted", Outcome::word);
    let _ = writeln!(out, "\nnothing was compared; the build: {word}");
    out
}
