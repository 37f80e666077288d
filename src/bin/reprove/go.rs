//! What commands that build with Go have in common: proxies, checksum database, npm registry, and what was
//! published.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reprove::audit::{Announcement, AuditError, GoWorld};
use reprove::component::{Channel, ChannelName, GoRelease, Release};
use reprove::environment::go::Published;
use reprove::event::{Observer, Stage};
use reprove::fetch::{Fetcher, Length, Request};
use reprove::limits::go::GoLimits;
use reprove::source::debian::Access;
use reprove::source::go::ModuleProxy;
use reprove::source::go::database::DatabaseKey;
use reprove::source::npm;
use reprove::source::pypi::{self, Index};
use reprove::store::Store;
use serde::Deserialize;

use crate::args::Args;
use crate::exit::Exit;
use crate::failures;
use crate::render::Failure;

/// Bounds on everything that is asked.
static LIMITS: GoLimits = GoLimits::DEFAULT;

/// Proxies and registries from the command line, or those that the host's clients use.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct GoArgs {
    /// Ask this Go module proxy before those of the host's `go env GOPROXY`. Repeatable.
    #[arg(long, value_name = "URL")]
    goproxy: Vec<String>,

    /// Believe this checksum database: `name+hash+key`, as `GOSUMDB` takes it. Without it the one that
    /// `go env GOSUMDB` names, with the key in `policies/trust/go-checksum-databases.toml`.
    #[arg(long, value_name = "KEY")]
    gosumdb: Option<String>,

    /// Ask this npm registry instead of the one of the host's `npm config get registry`.
    #[arg(long, value_name = "URL")]
    npm_registry: Option<String>,

    /// The published artifact, already downloaded; for one release only.
    #[arg(long, value_name = "FILE")]
    published: Option<PathBuf>,
}

/// What the host and the command line say.
#[derive(Debug, Default)]
pub(crate) struct GoHost {
    proxies: Vec<String>,
    pub(crate) database: Option<DatabaseKey>,
    registry: Option<String>,
    published: Option<PathBuf>,
    /// Inputs of recipes, by name.
    pub(crate) inputs: Vec<(String, PathBuf)>,
}

/// The keys of `policies/trust/go-checksum-databases.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    key: Vec<Key>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: String,
    verifier: String,
}

/// What is wrong with the arguments or a file of the policies.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum GoArgsError {
    #[error("`{text}` is not the key of a checksum database")]
    #[diagnostic(code(cli::checksum_database), help("give it as `name+hash+key`, the form of `GOSUMDB`"))]
    Database { text: String },
    #[error("cannot read the keys of checksum databases in `{}`: {detail}", path.display())]
    #[diagnostic(
        code(cli::checksum_database_keys),
        help("name the folder that holds `policies/` with `--root DIR`, or give the key with `--gosumdb`")
    )]
    Keys { path: PathBuf, detail: String },
    #[error("`--published` names one file, and {count} releases are audited")]
    #[diagnostic(code(cli::published), help("name one release with it"))]
    Published { count: usize },
    #[error("`--published` is for what Go builds, and this release is in the channel `{channel}`")]
    #[diagnostic(
        code(cli::published_channel),
        help("leave it away: what this channel publishes is fetched by the digest that its index announces")
    )]
    PublishedChannel { channel: ChannelName },
}

impl GoArgs {
    /// The published artifact that was given.
    pub(crate) fn published(&self) -> Option<&Path> {
        self.published.as_deref()
    }

    /// Asks the host's clients, where a release among these needs them.
    pub(crate) fn host<'a>(
        &self,
        args: &Args,
        releases: impl Iterator<Item = &'a Release>,
    ) -> Result<GoHost, Failure> {
        let usage = |e| Failure::new(e, Exit::Usage);
        let names: Vec<ChannelName> = releases.map(|r| r.channel.name()).collect();
        if self.published.is_some() && names.len() != 1 {
            return Err(usage(GoArgsError::Published { count: names.len() }));
        }
        let go = |name: &ChannelName| {
            matches!(name, ChannelName::Npm | ChannelName::Upstream | ChannelName::Wheel)
        };
        if let (Some(_), Some(channel)) = (&self.published, names.iter().find(|name| !go(name))) {
            return Err(usage(GoArgsError::PublishedChannel { channel: *channel }));
        }
        if !names.iter().any(go) {
            return Ok(GoHost::default());
        }
        self.asked(args, names.contains(&ChannelName::Npm))
    }

    /// Asks the host's clients; npm's only where it is needed.
    pub(crate) fn asked(&self, args: &Args, npm: bool) -> Result<GoHost, Failure> {
        let configured = ask("go", &["env", "GOPROXY"]).or_else(|| std::env::var("GOPROXY").ok());
        let mut proxies = self.goproxy.clone();
        proxies.extend(addresses(configured.as_deref().unwrap_or_default()));
        let registry = || npm.then(|| ask("npm", &["config", "get", "registry"])).flatten();
        Ok(GoHost {
            proxies,
            database: self.database(args)?,
            registry: self.npm_registry.clone().or_else(registry),
            published: self.published.clone(),
            inputs: Vec::new(),
        })
    }

    fn database(&self, args: &Args) -> Result<Option<DatabaseKey>, Failure> {
        if let Some(text) = &self.gosumdb {
            let wrong = || Failure::new(GoArgsError::Database { text: text.clone() }, Exit::Usage);
            return DatabaseKey::parse(text).map(Some).ok_or_else(wrong);
        }
        let Some(named) = ask("go", &["env", "GOSUMDB"]).or_else(|| std::env::var("GOSUMDB").ok()) else {
            return Ok(None);
        };
        let named = named.split_whitespace().next().unwrap_or_default();
        if let Some(key) = DatabaseKey::parse(named) {
            return Ok(Some(key));
        }
        let path = args.root.join("policies/trust/go-checksum-databases.toml");
        let wrong =
            |detail: String| Failure::new(GoArgsError::Keys { path: path.clone(), detail }, Exit::Usage);
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        let keys: Keys = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        Ok(keys.key.iter().find_map(|key| DatabaseKey::new(named, &key.id, &key.verifier)))
    }
}

impl GoHost {
    /// With what the caller has of recipes' inputs.
    pub(crate) fn with_inputs(self, inputs: Vec<(String, PathBuf)>) -> Self {
        Self { inputs, ..self }
    }

    pub(crate) fn world<'a>(
        &'a self,
        announced: Option<Announcement<'a>>,
        index: Option<&'a Index>,
    ) -> GoWorld<'a> {
        GoWorld {
            announced,
            index,
            inputs: &self.inputs,
            proxies: &self.proxies,
            database: self.database.as_ref(),
            registry: self.registry.as_deref(),
            published: self.published.as_deref(),
            limits: &LIMITS,
        }
    }

    pub(crate) fn proxy<'a>(&'a self, access: &Access<'a>) -> ModuleProxy<'a> {
        self.module_proxy(access.fetcher, access.store, access.observer)
    }

    pub(crate) fn module_proxy<'a>(
        &'a self,
        fetcher: &'a Fetcher,
        store: &'a Store,
        observer: &'a dyn Observer,
    ) -> ModuleProxy<'a> {
        ModuleProxy { urls: &self.proxies, fetcher, store, observer, limits: &LIMITS }
    }

    /// The published artifact that the caller has already.
    pub(crate) fn given(&self) -> Option<&Path> {
        self.published.as_deref()
    }

    /// The npm registry.
    pub(crate) fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// What was published, fetched for a lock, where the channel is one that can be asked.
    pub(crate) fn published(
        &self,
        access: &Access<'_>,
        index: Option<&Index>,
        release: &Release,
        go: &GoRelease,
    ) -> Result<Option<Published>, Failure> {
        if let Some(path) = &self.published {
            let file = std::fs::File::open(path).map_err(|source| unreadable(path, source))?;
            let object = access.store.put_new(file, LIMITS.published_bytes_max)?;
            return Ok(Some(Published { name: go.artifact.clone(), object, announced: None }));
        }
        match &release.channel {
            Channel::Npm(_) => {}
            Channel::Wheel(wheel) => {
                let purl = release.purl.to_string();
                let no_index = || failures::audit(AuditError::NoIndex { purl });
                let asked = crate::pypi::access(index.ok_or_else(no_index)?, access);
                let listing = pypi::listing(&asked, &wheel.project).map_err(failures::pypi)?;
                let file = listing.file(&go.artifact).map_err(failures::pypi)?;
                let (locked, object) =
                    pypi::fetch(&asked, file, &wheel.project, Stage::Comparison).map_err(failures::pypi)?;
                return Ok(Some(Published { name: locked.file, object, announced: Some(locked.digest) }));
            }
            Channel::Upstream(_) | Channel::Debian(_) | Channel::Pypi(_) => return Ok(None),
        }
        let registry = self.registry.as_deref().ok_or_else(|| failures::npm(npm::NpmError::NoRegistry))?;
        let told = npm::describe(access.fetcher, registry, &release.purl, &LIMITS).map_err(failures::npm)?;
        let request = Request {
            urls: told.urls,
            digest: told.integrity.clone(),
            length: Length::AtMost(LIMITS.published_bytes_max),
        };
        let by_integrity =
            access.fetcher.fetch(access.store, &request, Stage::Comparison, access.observer)?;
        // Locks name files by their SHA-256.
        let object = access.store.put_new(by_integrity.open()?, LIMITS.published_bytes_max)?;
        Ok(Some(Published { name: go.artifact.clone(), object, announced: Some(told.integrity) }))
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> Failure {
    let path = camino::Utf8PathBuf::from(path.display().to_string());
    Failure::new(reprove::artifact::ArtifactError::Read { path, source }, Exit::Usage)
}

/// The addresses of a `GOPROXY` list; `direct` and `off` name none.
fn addresses(list: &str) -> impl Iterator<Item = String> {
    list.split([',', '|'])
        .map(str::trim)
        .filter(|entry| entry.contains("://"))
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}

/// The one line that a client of the host prints about its configuration; none where it is not there.
fn ask(program: &str, question: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(question)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|line| !line.is_empty() && !line.contains('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_a_proxy_list_are_asked() {
        let all = |list: &str| addresses(list).collect::<Vec<_>>();
        assert_eq!(all("http://127.0.0.1:1,direct"), ["http://127.0.0.1:1"]);
        assert_eq!(all("file:///a|https://b.example/p,off"), ["file:///a", "https://b.example/p"]);
        assert_eq!(all("off"), Vec::<String>::new());
    }
}
