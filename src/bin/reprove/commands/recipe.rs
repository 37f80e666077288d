//! `reprove recipe`.

use std::path::{Path, PathBuf};

use reprove::audit::{AuditError, draft};
use reprove::component::PackageUrl;
use reprove::event::Stage;
use reprove::fetch::{Length, Request};
use reprove::limits::go::GoLimits;
use reprove::limits::observe::ObserveLimits;
use reprove::limits::pypi::PypiLimits;
use reprove::observe::{Content, observe};
use reprove::source::{npm, pypi};

use crate::args::Args;
use crate::exit::Exit;
use crate::failures;
use crate::go::GoArgs;
use crate::pypi::{IndexArgs, wheel_of};
use crate::render::{self, Failure};

/// Draft a build definition from what a published artifact says of itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Recipe {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Write the tables of a release to standard output, each value marked as derived from the source,
    /// observed in the artifact, or guessed. Nothing is run or built.
    Draft(Draft),
}

#[derive(Debug, clap::Args)]
struct Draft {
    /// What was published: a file, or the package URL of a release. `pkg:npm/…` and `pkg:pypi/…` are
    /// downloaded; for others name the file with `--published`. Of a project on a Python package index the
    /// wheel for Linux on x86-64 is meant where `?file_name=…` names no other.
    #[arg(value_name = "FILE|PURL")]
    what: String,

    /// The release that FILE belongs to; left out, what a Go binary says of its own module and version.
    #[arg(long, value_name = "PURL")]
    purl: Option<String>,

    #[command(flatten)]
    go: GoArgs,

    #[command(flatten)]
    index: IndexArgs,
}

/// What is wrong with the arguments.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum RecipeError {
    #[error("`{text}` is not a package URL: {detail}")]
    #[diagnostic(
        code(cli::purl),
        help(
            "write it as `pkg:npm/%40scope/name@1.2.3`, `pkg:pypi/name@1.2.3` or `pkg:github/owner/name@v1.2.3`"
        )
    )]
    Purl { text: String, detail: String },
    #[error("`{}` does not say which release it belongs to", path.display())]
    #[diagnostic(
        code(cli::which_release),
        help("say it with `--purl pkg:github/owner/name@v1.2.3?arch=amd64`")
    )]
    WhichRelease { path: PathBuf },
    #[error("the release is named twice")]
    #[diagnostic(
        code(cli::release_twice),
        help("give `--purl` with a file only, and `--published` with a package URL only")
    )]
    Twice,
    #[error("what `{purl}` published cannot be downloaded from here")]
    #[diagnostic(
        code(cli::no_artifact),
        help("download it by other means and give it with `--published FILE`")
    )]
    NoArtifact { purl: String },
    #[error("cannot use the folder `{}`", path.display())]
    #[diagnostic(code(cli::scratch), help("check the permissions and the free space of the work folder"))]
    Scratch {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Recipe {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let Verb::Draft(draft) = &self.verb;
        draft.run(args)
    }
}

impl Draft {
    fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let named = self.what.starts_with("pkg:");
        let (store, fetcher, progress) = (args.open_store()?, args.fetcher(), args.progress());
        let text = if named { self.what.clone() } else { self.release_of(Path::new(&self.what))? };
        let purl: PackageUrl = text.parse().map_err(|e: reprove::component::PackageUrlError| {
            let detail = e.to_string();
            Failure::new(RecipeError::Purl { text: text.clone(), detail }, Exit::Usage)
        })?;
        let host = self.go.asked(args, named && purl.kind() == "npm")?;
        if (named && self.purl.is_some()) || (!named && host.given().is_some()) {
            return Err(Failure::new(RecipeError::Twice, Exit::Usage));
        }
        let given = if named { host.given() } else { Some(Path::new(&self.what)) };
        let (artifact, name) = match (given, purl.kind()) {
            (Some(path), _) => (path.to_path_buf(), file_name(path)),
            (None, "npm") => {
                let registry = host.registry().ok_or_else(|| failures::npm(npm::NpmError::NoRegistry))?;
                let told =
                    npm::describe(&fetcher, registry, &purl, &GoLimits::DEFAULT).map_err(failures::npm)?;
                let length = Length::AtMost(GoLimits::DEFAULT.published_bytes_max);
                let request = Request { urls: told.urls, digest: told.integrity, length };
                let object = fetcher.fetch(&store, &request, Stage::Source, &progress)?;
                (object.path, format!("{}-{}.tgz", purl.name(), purl.version().unwrap_or_default()))
            }
            (None, "pypi") => {
                let no_index = || failures::audit(AuditError::NoIndex { purl: text.clone() });
                let index = self.index.known()?.ok_or_else(no_index)?;
                let asked = pypi::Access {
                    index: &index,
                    fetcher: &fetcher,
                    store: &store,
                    observer: &progress,
                    limits: PypiLimits::DEFAULT,
                };
                let (file, project) = wheel_of(&asked, &purl).map_err(failures::pypi)?;
                let (locked, object) =
                    pypi::fetch(&asked, &file, &project, Stage::Source).map_err(failures::pypi)?;
                (object.path, locked.file)
            }
            (None, _) => return Err(Failure::new(RecipeError::NoArtifact { purl: text }, Exit::Usage)),
        };
        let work = args.work_dir()?;
        let failed =
            |source| Failure::new(RecipeError::Scratch { path: work.clone(), source }, Exit::CouldNotLook);
        std::fs::create_dir_all(&work).map_err(failed)?;
        let scratch = tempfile::tempdir_in(&work).map_err(failed)?;
        let proxy = host.module_proxy(&fetcher, &store, &progress);
        let text = draft(&purl, &name, &artifact, scratch.path(), &proxy).map_err(failures::audit)?;
        progress.finish();
        render::answer(&text, Exit::Pass)
    }
}

impl Draft {
    /// The package URL of a file's release: as given, or of the module that a Go binary says it is.
    fn release_of(&self, path: &Path) -> Result<String, Failure> {
        if let Some(purl) = &self.purl {
            return Ok(purl.clone());
        }
        let seen = observe(path, &ObserveLimits::DEFAULT).map_err(|e| Failure::new(e, Exit::CouldNotLook))?;
        let told = match &seen.content {
            Content::Go(go) => go.build_info.main.as_ref().and_then(|main| {
                let (owner, name) = main.path.strip_prefix("github.com/")?.split_once('/')?;
                let name = name.split('/').next()?;
                let version = main.version.trim_end_matches("+dirty");
                let arch = go.build_info.setting("GOARCH")?;
                version.starts_with('v').then(|| format!("pkg:github/{owner}/{name}@{version}?arch={arch}"))
            }),
            Content::Wheel(_) => of_wheel(&file_name(path)),
            Content::Nothing => None,
        };
        let path = path.to_path_buf();
        told.ok_or_else(|| Failure::new(RecipeError::WhichRelease { path }, Exit::Usage))
    }
}

/// The package URL that a wheel's name tells.
fn of_wheel(file: &str) -> Option<String> {
    let project = pypi::ProjectName::new(file.split('-').next()?)?;
    let (_, version) = pypi::distribution(&project, file)?;
    Some(format!("pkg:pypi/{project}@{version}?file_name={file}"))
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}
