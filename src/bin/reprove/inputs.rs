//! Archives that a release's source is built with and that the caller has already.

use std::path::{Path, PathBuf};

use reprove::artifact::ArtifactError;
use reprove::component::{Component, Release};
use reprove::environment::go::{GoLock, LockedBlob};
use reprove::limits::go::GoLimits;
use reprove::store::Store;

use crate::exit::Exit;
use crate::render::Failure;

/// Inputs from the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct InputArgs {
    /// An archive that the release's source is built with, already downloaded, by its name in the recipe's
    /// `inputs`. Repeatable.
    #[arg(long = "input", value_name = "NAME=FILE", value_parser = named, id = "inputs")]
    inputs: Vec<(String, PathBuf)>,
}

/// What is wrong with what was given.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum InputError {
    #[error("no release that was named has an input `{name}`")]
    #[diagnostic(code(cli::input_name), help("{known}"))]
    Unknown { name: String, known: String },
    #[error("the input `{name}` is given twice")]
    #[diagnostic(code(cli::input_twice), help("give each input once"))]
    Twice { name: String },
    #[error("`{name}` is `{first}` in one release and `{second}` in another")]
    #[diagnostic(code(cli::input_of_several), help("name one release at a time"))]
    Several { name: String, first: String, second: String },
}

impl InputArgs {
    /// Those that were given, checked against the releases that are meant.
    pub(crate) fn read<'r>(
        &self,
        releases: impl Iterator<Item = &'r Release>,
    ) -> Result<Vec<(String, PathBuf)>, Failure> {
        let usage = |e: InputError| Failure::new(e, Exit::Usage);
        let all: Vec<_> = releases.filter_map(Release::go).flat_map(|go| &go.inputs).collect();
        for (n, (name, path)) in self.inputs.iter().enumerate() {
            if self.inputs.iter().take(n).any(|(earlier, _)| earlier == name) {
                return Err(usage(InputError::Twice { name: name.clone() }));
            }
            let mut artifacts = all.iter().filter(|i| i.name == *name).map(|i| &i.artifact);
            let Some(first) = artifacts.next() else {
                let mut names: Vec<&str> = all.iter().map(|i| i.name.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                let known = match names.as_slice() {
                    [] => "none of them is built with anything beside its source: leave `--input` away"
                        .to_owned(),
                    names => format!("known: {}", names.join(", ")),
                };
                return Err(usage(InputError::Unknown { name: name.clone(), known }));
            };
            if let Some(second) = artifacts.find(|other| *other != first) {
                let (name, first, second) = (name.clone(), first.clone(), second.clone());
                return Err(usage(InputError::Several { name, first, second }));
            }
            open(path)?;
        }
        Ok(self.inputs.clone())
    }
}

/// A file that is there and no folder.
fn open(path: &Path) -> Result<std::fs::File, Failure> {
    let failed = |source| {
        let path = camino::Utf8PathBuf::from(path.display().to_string());
        Failure::new(ArtifactError::Read { path, source }, Exit::Usage)
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    match file.metadata().map_err(failed)?.is_file() {
        true => Ok(file),
        false => Err(failed(std::io::ErrorKind::IsADirectory.into())),
    }
}

/// What a lock pins of a release's inputs: the given files, which go into the store, and for the others what
/// an earlier lock pinned of the same file.
pub(crate) fn pinned(
    store: &Store,
    given: &[(String, PathBuf)],
    component: &Component,
    release: &Release,
) -> Result<Vec<(String, LockedBlob)>, Failure> {
    let inputs = release.go().map(|go| go.inputs.as_slice()).unwrap_or_default();
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let earlier = GoLock::read(&component.lock_path(release), &component.name).ok();
    let mut pinned = Vec::new();
    for input in inputs {
        let before = earlier.iter().flat_map(|lock| &lock.inputs).find(|l| l.artifact == input.artifact);
        let blob = match given.iter().find(|(name, _)| *name == input.name) {
            Some((_, path)) => {
                let object = store.put_new(open(path)?, GoLimits::DEFAULT.published_bytes_max)?;
                Some(LockedBlob { size: object.len_bytes, digest: object.digest })
            }
            None => before.and_then(|locked| locked.file.clone()),
        };
        pinned.extend(blob.map(|blob| (input.name.clone(), blob)));
    }
    Ok(pinned)
}

/// A name and a file.
fn named(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err("expected NAME=FILE".to_owned()),
    }
}
