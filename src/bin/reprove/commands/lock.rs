//! `reprove lock`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reprove::component::{ChannelName, Component, ComponentError, Release};
use reprove::environment::debian::{ResolveRequest, resolve_runtime};
use reprove::environment::go::LockedInput;
use reprove::environment::lock::LockedIndex;
use reprove::environment::runtime::RuntimeLock;
use reprove::observation::Observation;
use serde::Serialize;

use crate::args::{Args, Format};
use crate::debian::{self, MirrorArgs};
use crate::exit::Exit;
use crate::failures;
use crate::go::GoArgs;
use crate::host;
use crate::inputs::InputArgs;
use crate::locks::{Contents, Resolver};
use crate::pypi::IndexArgs;
use crate::register::RepositoryArgs;
use crate::render::{self, Failure};

/// Resolve a release's build environment from the signed archive and write it as a lock.
#[derive(Debug, clap::Args)]
pub(crate) struct Lock {
    /// What to lock: `name` (its first release), `name@version` or a package URL.
    #[arg(value_name = "COMPONENT[@VERSION]", required_unless_present = "all")]
    components: Vec<String>,

    /// Every release of every component.
    #[arg(long, conflicts_with = "components")]
    all: bool,

    /// Only releases of this channel.
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<ChannelName>,

    /// Instead of the build environment, lock what the release needs to run: its published packages and
    /// all that they depend on. Needs no source.
    #[arg(long)]
    runtime: bool,

    /// The time at which indexes must be valid, RFC 3339 (default: now). For a mirror that has stopped
    /// following its archive: an older index is then taken for what it is, and the lock says its date.
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,

    #[command(flatten)]
    mirrors: MirrorArgs,

    #[command(flatten)]
    go: GoArgs,

    #[command(flatten)]
    inputs: InputArgs,

    #[command(flatten)]
    index: IndexArgs,

    #[command(flatten)]
    repositories: RepositoryArgs,

    /// The apt-get that chooses the packages; it is only asked to simulate.
    #[arg(long, value_name = "PROGRAM", default_value = "apt-get")]
    apt_get: PathBuf,
}

/// The result, one for each lock.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Written {
    component: String,
    purl: String,
    lock: PathBuf,
    /// Whether the file is another one than before.
    changed: bool,
    packages: usize,
    /// None where only what the release needs to run was locked.
    source_files: Option<usize>,
    published: Vec<String>,
    indexes: Vec<LockedIndex>,
    observations: Vec<Observation>,
    /// Archives that the source is built with; without a digest where nothing pins them.
    inputs: Vec<LockedInput>,
}

impl Lock {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let chosen = self.chosen(args).map_err(failures::component)?;
        let (store, fetcher, progress) = (args.open_store()?, args.fetcher(), args.progress());
        let mirrors = self.mirrors.mirrors()?;
        let scratch = args.work_dir()?;
        let access = debian::access(&mirrors, &fetcher, &store, &progress);
        let releases = chosen.iter().filter_map(|(component, purl)| component.release(Some(purl)).ok());
        self.repositories.check(releases.clone(), std::iter::empty())?;
        let repositories = self.repositories.repositories();
        let keyring = debian::archive_keyring(args, releases.clone().any(Release::asks_debian))?;
        let index = self.index.index(releases.clone())?;
        let inputs = self.inputs.read(releases.clone())?;
        let go = self.go.host(args, releases)?.with_inputs(inputs);
        let resolver = Resolver {
            access,
            go: &go,
            index: index.as_ref(),
            archive_keyring: &keyring,
            as_of: self.as_of.unwrap_or_else(host::now),
            apt_get: &self.apt_get,
            scratch: &scratch,
            repositories: &repositories,
        };
        let (mut written, mut exit) = (Vec::new(), Exit::Pass);
        for (component, purl) in &chosen {
            match self.one(&resolver, component, purl) {
                Ok(one) => written.extend(one),
                // Of all releases some may be out of reach; the others are locked all the same.
                Err(failure) if self.all => {
                    progress.pause(|| {
                        render::line(purl);
                        render::failure(&failure);
                    });
                    exit = super::audit::worse((exit != Exit::Pass).then_some(exit), failure.exit());
                }
                Err(failure) => return Err(failure),
            }
        }
        match args.format {
            Format::Json => render::answer(&render::json(&written)?, exit),
            Format::Text => render::answer(&text(&written), exit),
        }
    }

    /// Locks one release; none of another channel than Debian's is locked to run.
    fn one(
        &self,
        resolver: &Resolver<'_>,
        component: &Component,
        purl: &str,
    ) -> Result<Option<Written>, Failure> {
        let release = component.release(Some(purl)).map_err(failures::component)?;
        if self.runtime {
            let Some(debian) = release.debian() else { return Ok(None) };
            let request = ResolveRequest {
                component: &component.name,
                release,
                debian,
                archive_keyring: resolver.archive_keyring,
                as_of: resolver.as_of,
                apt_get: &self.apt_get,
                scratch: resolver.scratch,
            };
            let lock = resolve_runtime(&resolver.access, &request).map_err(failures::environment)?;
            let path = component.runtime_lock_path(release);
            let bytes = lock.to_bytes().unwrap_or_default();
            let changed = std::fs::read(&path).map_or(true, |old| old != bytes);
            if changed {
                lock.write(&path).map_err(|e| Failure::new(e, Exit::CouldNotLook))?;
            }
            return Ok(Some(of_runtime(lock, &path, changed)));
        }
        let lock = resolver.resolve(component, release)?;
        let path = component.lock_path(release);
        let bytes = lock.to_bytes();
        let changed = std::fs::read(&path).map_or(true, |old| old != bytes);
        if changed {
            lock.write(&path)?;
        }
        Ok(Some(result(component, purl, lock.contents(), &path, changed)))
    }

    /// Each component with the package URL of the release to lock.
    fn chosen(&self, args: &Args) -> Result<Vec<(Component, String)>, ComponentError> {
        if self.all {
            let all = Component::all(&args.root)?;
            let releases = |c: Component| {
                let purls: Vec<_> = c
                    .releases
                    .iter()
                    .filter(|r| self.channel.is_none_or(|name| r.channel.name() == name))
                    .map(|r| r.purl.to_string())
                    .collect();
                purls.into_iter().map(move |purl| (c.clone(), purl))
            };
            return Ok(all.into_iter().flat_map(releases).collect());
        }
        let find = |text: &String| {
            Component::find(&args.root, text, self.channel)
                .map(|(component, release)| (component, release.purl.to_string()))
        };
        self.components.iter().map(find).collect()
    }
}

fn result(component: &Component, purl: &str, contents: Contents, path: &Path, changed: bool) -> Written {
    let Contents { packages, source_files, published, indexes, observations, inputs } = contents;
    Written {
        component: component.name.clone(),
        purl: purl.to_owned(),
        lock: path.to_path_buf(),
        changed,
        packages,
        source_files: Some(source_files),
        published,
        indexes,
        observations,
        inputs,
    }
}

fn of_runtime(lock: RuntimeLock, path: &Path, changed: bool) -> Written {
    let own = lock.packages.iter().filter(|package| lock.own.contains(&package.name));
    Written {
        published: own.map(|package| package.locked_file().name).collect(),
        component: lock.component,
        purl: lock.purl,
        lock: path.to_path_buf(),
        changed,
        packages: lock.packages.len(),
        source_files: None,
        indexes: lock.indexes,
        observations: Vec::new(),
        inputs: Vec::new(),
    }
}

fn text(written: &[Written]) -> String {
    let mut text = String::new();
    for w in written {
        let suites: Vec<&str> = w.indexes.iter().map(|i| i.suite.as_str()).collect();
        let state = if w.changed { "written" } else { "unchanged" };
        let _ = writeln!(text, "{}\n", w.purl);
        let _ = writeln!(text, "  indexes       verified    {}", suites.join(", "));
        if let Some(files) = w.source_files {
            let _ = writeln!(text, "  source        listed      {files} files");
        }
        let _ = writeln!(text, "  environment   resolved    {} packages", w.packages);
        let _ = writeln!(text, "  published     listed      {}", w.published.join(", "));
        for input in &w.inputs {
            let state = if input.file.is_some() { "pinned" } else { "not pinned" };
            let _ = writeln!(text, "  input         {state:<11} {}", input.artifact);
        }
        for o in &w.observations {
            let _ = writeln!(text, "  observation   {}, {}", o.name, o.effect);
            for line in o.value.lines().filter(|l| !l.trim().is_empty()) {
                let _ = writeln!(text, "                  {}", line.trim_end());
            }
        }
        let _ = writeln!(text, "  lock          {state:<11} {}\n", w.lock.display());
    }
    text
}
