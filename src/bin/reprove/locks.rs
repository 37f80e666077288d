//! Locks of all channels, for commands that read, resolve or write them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use reprove::audit::debian::Installed;
use reprove::audit::{AuditError, GoSubject, Locked};
use reprove::component::{Channel, Component, GoRelease, Prepare, Release};
use reprove::digest::Digest;
use reprove::environment::debian::{PackageRequest, ResolveRequest, resolve, resolve_packages};
use reprove::environment::go::{
    self as go_environment, GoEnvironmentError, GoLock, LockedInput, PREPARED_ON, System,
};
use reprove::environment::lock::{self, Lock, LockedIndex};
use reprove::environment::python::{self, PythonLock};
use reprove::environment::runtime::RuntimeLock;
use reprove::evaluate::repository::Repositories;
use reprove::fetch::redact;
use reprove::limits::git::GitLimits;
use reprove::observation::Observation;
use reprove::source::debian::Access;
use reprove::source::git::{Clone, GitSourceError, Place, Remotes};
use reprove::source::pypi::Index;
use reprove::verify::openpgp::Keyring;
use serde::de::Error as _;
use serde_json::Value;

use crate::exit::Exit;
use crate::failures;
use crate::go::GoHost;
use crate::inputs::pinned;
use crate::render::Failure;

/// The lock of a release.
pub(crate) enum ReleaseLock {
    /// Debian's.
    Debian(Box<Lock>),
    /// Of a Debian release for which nobody resolved a build: what it needs to run.
    Installed(Box<RuntimeLock>),
    /// A Go build's.
    Go(Box<GoLock>),
    /// A Python package index's.
    Pypi(Box<PythonLock>),
}

/// With what a lock is resolved.
pub(crate) struct Resolver<'a> {
    pub(crate) access: Access<'a>,
    pub(crate) go: &'a GoHost,
    pub(crate) index: Option<&'a Index>,
    pub(crate) archive_keyring: &'a Keyring,
    pub(crate) as_of: jiff::Timestamp,
    pub(crate) apt_get: &'a Path,
    pub(crate) scratch: &'a Path,
    pub(crate) repositories: &'a Repositories,
}

/// What a lock holds, in numbers and names.
pub(crate) struct Contents {
    pub(crate) packages: usize,
    pub(crate) source_files: usize,
    pub(crate) published: Vec<String>,
    pub(crate) indexes: Vec<LockedIndex>,
    pub(crate) observations: Vec<Observation>,
    /// What the source is built with beside itself.
    pub(crate) inputs: Vec<LockedInput>,
}

impl Resolver<'_> {
    /// Resolves the release's environment.
    pub(crate) fn resolve(&self, component: &Component, release: &Release) -> Result<ReleaseLock, Failure> {
        match &release.channel {
            Channel::Debian(debian) => {
                let request = ResolveRequest {
                    component: &component.name,
                    release,
                    debian,
                    archive_keyring: self.archive_keyring,
                    as_of: self.as_of,
                    apt_get: self.apt_get,
                    scratch: self.scratch,
                };
                resolve(&self.access, &request)
                    .map(|lock| ReleaseLock::Debian(Box::new(lock)))
                    .map_err(failures::environment)
            }
            Channel::Npm(_) | Channel::Upstream(_) | Channel::Wheel(_) => {
                let Some(go) = release.go() else {
                    return Err(failures::other_channel(&release.purl.to_string()));
                };
                let proxy = self.go.proxy(&self.access);
                let published = self.go.published(&self.access, self.index, release, go)?;
                let repository = self.repository(release, go).map_err(failures::go)?;
                let inputs = pinned(self.access.store, &self.go.inputs, component, release)?;
                let system = go.recipe.prepare.as_ref().map(|prepare| self.system(prepare)).transpose()?;
                let request = go_environment::GoResolve {
                    component: &component.name,
                    release,
                    go,
                    proxy,
                    database: self.go.database.as_ref(),
                    published: published.as_ref(),
                    repository: repository.as_ref(),
                    scratch: self.scratch,
                    inputs: &inputs,
                    system: system.as_ref(),
                };
                go_environment::resolve(&request)
                    .map(|lock| ReleaseLock::Go(Box::new(lock)))
                    .map_err(failures::go)
            }
            Channel::Pypi(pypi) => {
                let purl = release.purl.to_string();
                let no_index = || failures::audit(AuditError::NoIndex { purl: purl.clone() });
                let index = crate::pypi::access(self.index.ok_or_else(no_index)?, &self.access);
                let request = python::ResolveRequest {
                    component: &component.name,
                    purl: &purl,
                    release: pypi,
                    archive_keyring: self.archive_keyring,
                    as_of: self.as_of,
                    apt_get: self.apt_get,
                    scratch: self.scratch,
                };
                python::resolve(&self.access, &index, &request)
                    .map(|lock| ReleaseLock::Pypi(Box::new(lock)))
                    .map_err(failures::python)
            }
        }
    }
}

impl Resolver<'_> {
    /// The repository of a release: the one that was given, or where its source is a commit, its own.
    fn repository(&self, release: &Release, go: &GoRelease) -> Result<Option<Clone>, GoEnvironmentError> {
        let Some(source) = release.tagged() else { return Ok(None) };
        let own = go.git.as_ref().map(|git| Place::Address(git.repository.clone()));
        let Some(place) = self.repositories.place(&source.repository).cloned().or(own) else {
            return Ok(None);
        };
        let made = std::fs::create_dir_all(self.scratch);
        made.map_err(|source| GoEnvironmentError::Disk { what: "make", path: self.scratch.into(), source })?;
        let folder = self.scratch.join("git");
        let remotes = Remotes {
            fetcher: self.access.fetcher,
            folder: &folder,
            observer: self.access.observer,
            limits: &GitLimits::DEFAULT,
        };
        let pinned = go.git.as_ref().map(|git| git.commit.as_str()).filter(|id| id.len() == 40);
        match remotes.open(&place, &source.tag, pinned) {
            Ok(opened) => Ok(Some(opened.clone)),
            Err(GitSourceError::Fetch(error)) => {
                let repository = match place {
                    Place::Address(url) => redact(&url),
                    Place::Folder(path) => path.display().to_string(),
                };
                let source = Box::new(GitSourceError::Fetch(error));
                Err(GoEnvironmentError::Repository { repository, source })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The root file system in which a source is prepared.
    fn system(&self, prepare: &Prepare) -> Result<System, Failure> {
        let request = PackageRequest {
            suites: &prepare.suites,
            architecture: PREPARED_ON,
            packages: &prepare.packages,
            build_essential: false,
            archive_keyring: self.archive_keyring,
            as_of: self.as_of,
            apt_get: self.apt_get,
            scratch: self.scratch,
        };
        let (indexes, packages) = resolve_packages(&self.access, &request).map_err(failures::environment)?;
        Ok(System { indexes, packages })
    }
}

impl ReleaseLock {
    /// Reads the lock of a release from its place; where there is none of a build, that of what it needs to
    /// run has to do, with which nothing is built.
    pub(crate) fn read_to_run(component: &Component, release: &Release) -> Result<(Self, PathBuf), Failure> {
        let path = component.runtime_lock_path(release);
        if component.lock_path(release).exists() || release.debian().is_none() || !path.exists() {
            return Self::read(component, release);
        }
        let lock = RuntimeLock::of_release(component, release).map_err(|e| Failure::new(e, Exit::Usage))?;
        Ok((Self::Installed(Box::new(lock)), path))
    }

    /// Reads the lock of a release from its place.
    pub(crate) fn read(component: &Component, release: &Release) -> Result<(Self, PathBuf), Failure> {
        let path = component.lock_path(release);
        let lock = match &release.channel {
            Channel::Debian(_) => lock::read(&path, &component.name)
                .map(|lock| Self::Debian(Box::new(lock)))
                .map_err(|e| Failure::new(e, Exit::Usage))?,
            Channel::Npm(_) | Channel::Upstream(_) | Channel::Wheel(_) => {
                GoLock::of_release(component, release)
                    .map(|lock| Self::Go(Box::new(lock)))
                    .map_err(|e| Failure::new(e, Exit::Usage))?
            }
            Channel::Pypi(_) => PythonLock::read(&path, &component.name)
                .map(|lock| Self::Pypi(Box::new(lock)))
                .map_err(|e| Failure::new(e, Exit::Usage))?,
        };
        Ok((lock, path))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let bytes = match self {
            Self::Debian(lock) => lock.to_bytes(),
            Self::Installed(lock) => lock.to_bytes(),
            Self::Go(lock) => lock.to_bytes(),
            Self::Pypi(lock) => lock.to_bytes(),
        };
        bytes.unwrap_or_default()
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let written = match self {
            Self::Debian(lock) => lock.write(path),
            Self::Installed(lock) => lock.write(path),
            Self::Go(lock) => lock.write(path),
            Self::Pypi(lock) => lock.write(path),
        };
        written.map_err(|e| Failure::new(e, Exit::CouldNotLook))
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::sha256(&self.to_bytes())
    }

    pub(crate) fn locked<'l>(&'l self, release: &'l Release) -> Option<Locked<'l>> {
        match self {
            Self::Debian(lock) => Some(Locked::Debian(lock)),
            Self::Installed(lock) => Some(Locked::Installed(Installed { release: release.debian()?, lock })),
            Self::Go(lock) => Some(Locked::Go(GoSubject { release, go: release.go()?, lock })),
            Self::Pypi(lock) => Some(Locked::Pypi(lock)),
        }
    }

    pub(crate) fn architecture<'l>(&'l self, release: &'l Release) -> &'l str {
        match self {
            Self::Debian(lock) => &lock.build.architecture,
            Self::Installed(lock) => &lock.architecture,
            Self::Pypi(lock) => &lock.build.architecture,
            Self::Go(_) => release.go().and_then(|go| go.recipe.env.get("GOARCH")).map_or("", String::as_str),
        }
    }

    /// How many artifacts a rebuild is to leave.
    pub(crate) fn expected(&self, release: &Release) -> usize {
        match self {
            Self::Debian(lock) => lock.build.expected.len(),
            Self::Installed(_) => 0,
            Self::Pypi(_) => 1,
            Self::Go(_) => release.go().map_or(0, |go| go.recipe.binaries.len()),
        }
    }

    pub(crate) fn contents(self) -> Contents {
        match self {
            Self::Debian(lock) => Contents {
                packages: lock.packages.len(),
                source_files: lock.source.files.len(),
                published: lock.published.into_iter().map(|f| f.name).collect(),
                indexes: lock.indexes,
                observations: lock.observations,
                inputs: Vec::new(),
            },
            Self::Installed(lock) => Contents {
                packages: lock.packages.len(),
                source_files: 0,
                published: lock.own,
                indexes: lock.indexes,
                observations: Vec::new(),
                inputs: Vec::new(),
            },
            Self::Go(lock) => Contents {
                packages: lock.modules.len() + 1 + lock.packages.len(),
                source_files: 1,
                published: lock.published.into_iter().map(|p| p.name).collect(),
                indexes: lock.indexes,
                observations: Vec::new(),
                inputs: lock.inputs,
            },
            Self::Pypi(lock) => Contents {
                packages: lock.packages.len() + lock.requirements.len(),
                source_files: 1,
                published: vec![lock.wheel.file],
                indexes: lock.indexes,
                observations: lock.observations,
                inputs: Vec::new(),
            },
        }
    }
}

/// Every digest that a lock of any channel names. What names none is not one.
pub(crate) fn digests(text: &[u8]) -> Result<BTreeSet<Digest>, serde_json::Error> {
    let lock: Value = serde_json::from_slice(text)?;
    let mut found = BTreeSet::new();
    let mut values = vec![&lock];
    while let Some(value) = values.pop() {
        match value {
            Value::Array(items) => values.extend(items),
            Value::Object(members) => values.extend(members.values()),
            Value::String(text) => found.extend(text.parse::<Digest>()),
            _ => {}
        }
    }
    if found.is_empty() {
        return Err(serde_json::Error::custom("it names no digest"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_wherever_they_stand() {
        let digest = Digest::sha256(b"x");
        let text = format!("{{\"a\": [{{\"b\": \"{digest}\"}}], \"c\": \"{digest}\", \"d\": \"sha256:1\"}}");
        assert_eq!(digests(text.as_bytes()).ok(), Some(BTreeSet::from([digest])));
        for no_lock in ["", "{", "{}", "[]", "{\"digest\": \"md5:00\"}"] {
            assert!(digests(no_lock.as_bytes()).is_err(), "{no_lock}");
        }
    }
}
