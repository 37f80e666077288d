//! The folders that a Go build sees: source, tool chain, module cache, and a root of empty folders.
//!
//! ```text
//! <folder>/<digest>/source          the main module
//! <folder>/<digest>/modules         GOMODCACHE, complete and never written to
//! <folder>/toolchains/<digest>      GOROOT
//! ```
//!
//! Each is made in a folder of another name, and gets its own when it is complete; its name is a digest
//! over everything that is in it. That nobody has written into one since is not established.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{GoEnvironmentError, GoLock, LockedModule};
use crate::digest::Digest;
use crate::fetch::FetchError;
use crate::limits::go::GoLimits;
use crate::source::go::archive::ModuleZip;
use crate::source::go::{GoSourceError, ModSum, ModuleProxy, escape};
use crate::store::Object;

/// The layout that this version makes; part of every folder's name.
const VERSION: u32 = 1;

/// The lock's files in the store, by digest.
pub type Objects = BTreeMap<Digest, Object>;

/// Fetches everything that the lock names but what was published; the names of what no proxy has any
/// more come back instead.
pub fn fetch(proxy: &ModuleProxy<'_>, lock: &GoLock) -> Result<Result<Objects, Vec<String>>, GoSourceError> {
    obtain(proxy, [&lock.source, &lock.toolchain].into_iter().chain(&lock.modules))
}

/// As [`fetch`], of the main module alone.
pub fn fetch_source(
    proxy: &ModuleProxy<'_>,
    lock: &GoLock,
) -> Result<Result<Objects, Vec<String>>, GoSourceError> {
    obtain(proxy, std::iter::once(&lock.source))
}

fn obtain<'l>(
    proxy: &ModuleProxy<'_>,
    modules: impl Iterator<Item = &'l LockedModule>,
) -> Result<Result<Objects, Vec<String>>, GoSourceError> {
    let (mut requests, mut names) = (Vec::new(), Vec::new());
    for locked in modules {
        let module = locked.module();
        for (extension, blob) in [("zip", &locked.zip), ("mod", &locked.mod_file)] {
            if let Some(blob) = blob {
                requests.push(proxy.locked(&module, extension, &blob.digest, blob.size));
                names.push(format!("{module}.{extension}"));
            }
        }
    }
    let (mut objects, mut missing) = (Objects::new(), Vec::new());
    for (answer, name) in proxy.fetch_locked(&requests)?.into_iter().zip(names) {
        match answer {
            Ok(object) => {
                objects.insert(object.digest.clone(), object);
            }
            Err(e) if e.is_missing() => missing.push(name),
            Err(e @ FetchError::NoAddress { .. }) => {
                let _ = e;
                return Err(GoSourceError::NoProxy);
            }
            Err(e) => return Err(e.into()),
        }
    }
    Ok(if missing.is_empty() { Ok(objects) } else { Err(missing) })
}

/// Folders on the host.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// The main module's files; nothing is there where the source is a commit.
    pub source: PathBuf,
    /// `GOROOT`.
    pub toolchain: PathBuf,
    /// `GOMODCACHE`.
    pub modules: PathBuf,
}

impl Unpacked {
    /// Gives the folders of a lock below `folder`, making those that are not there yet; that of a source that
    /// is a commit is [`tree`]'s. With `repository`
    /// the source has an empty `.git` folder, so that Go takes it for a repository.
    pub fn ensure(
        folder: &Path,
        lock: &GoLock,
        objects: &Objects,
        limits: &GoLimits,
        repository: bool,
    ) -> Result<Self, GoEnvironmentError> {
        let mut text = format!("go environment {VERSION}\nrepository {repository}\n");
        for locked in std::iter::once(&lock.source).chain(&lock.modules) {
            text.push_str(&serde_json::to_string(locked).unwrap_or_default());
            text.push('\n');
        }
        let own = folder.join(Digest::sha256(text.as_bytes()).to_hex());
        let chain = format!(
            "go tool chain {VERSION}\n{}",
            serde_json::to_string(&lock.toolchain).unwrap_or_default()
        );
        let toolchain = folder.join("toolchains").join(Digest::sha256(chain.as_bytes()).to_hex());
        once(&toolchain, |to| unpack_toolchain(&lock.toolchain, objects, limits, to))?;
        once(&own, |to| {
            unpack(&lock.source, objects, limits, &to.join("source"))?;
            if repository && lock.source.zip.is_some() {
                make(&to.join("source/.git"))?;
            }
            let modules = to.join("modules");
            make(&modules)?;
            lock.modules.iter().try_for_each(|locked| cache(locked, objects, limits, &modules))
        })?;
        Ok(Self { source: own.join("source"), toolchain, modules: own.join("modules") })
    }
}

/// Gives the folder of a source that is no module's, made by `fill` if it is not there yet. `digest` names
/// everything that is in it; with `repository` it has an empty `.git` folder.
pub fn tree(
    folder: &Path,
    digest: &Digest,
    repository: bool,
    fill: impl FnOnce(&Path) -> Result<(), GoEnvironmentError>,
) -> Result<PathBuf, GoEnvironmentError> {
    let text = format!("go source {VERSION}\nrepository {repository}\n{digest}\n");
    let own = folder.join("trees").join(Digest::sha256(text.as_bytes()).to_hex());
    once(&own, |to| {
        let source = to.join("source");
        make(&source)?;
        fill(&source)?;
        if repository { make(&source.join(".git")) } else { Ok(()) }
    })?;
    Ok(own.join("source"))
}

/// Makes a folder under another name, and renames it when it is complete.
fn once(
    to: &Path,
    fill: impl FnOnce(&Path) -> Result<(), GoEnvironmentError>,
) -> Result<(), GoEnvironmentError> {
    if to.is_dir() {
        return Ok(());
    }
    let parent = to.parent().unwrap_or(to);
    make(parent)?;
    let partial = tempfile::Builder::new()
        .prefix("partial-")
        .tempdir_in(parent)
        .map_err(GoEnvironmentError::io("make a folder in", parent))?;
    let inner = partial.path().join("made");
    make(&inner)?;
    fill(&inner)?;
    match fs::rename(&inner, to) {
        // Another process was faster, with the same content.
        Err(_) if to.is_dir() => Ok(()),
        other => other.map_err(GoEnvironmentError::io("rename to", to)),
    }
}

fn make(folder: &Path) -> Result<(), GoEnvironmentError> {
    fs::create_dir_all(folder).map_err(GoEnvironmentError::io("make", folder))?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .map_err(GoEnvironmentError::io("make readable", folder))
}

/// Unpacks a module's zip and checks its sum.
fn unpack(
    locked: &LockedModule,
    objects: &Objects,
    limits: &GoLimits,
    to: &Path,
) -> Result<(), GoEnvironmentError> {
    let (Some(blob), Some(expected)) = (&locked.zip, &locked.sum) else { return Ok(()) };
    let module = locked.module();
    let Some(object) = objects.get(&blob.digest) else {
        return Err(GoEnvironmentError::Unfit {
            module: module.to_string(),
            detail: "it was not fetched".to_owned(),
        });
    };
    make(to)?;
    let found = ModuleZip::open(&module, &object.path, limits)?.unpack(to)?;
    check(&format!("{module} (zip)"), expected, &found)
}

fn check(what: &str, expected: &ModSum, found: &ModSum) -> Result<(), GoEnvironmentError> {
    if expected == found {
        return Ok(());
    }
    let (what, expected, found) = (what.to_owned(), expected.to_string(), found.to_string());
    Err(GoSourceError::Sum { what, expected, found }.into())
}

/// Lays a module out as the go command's cache has it.
fn cache(
    locked: &LockedModule,
    objects: &Objects,
    limits: &GoLimits,
    modules: &Path,
) -> Result<(), GoEnvironmentError> {
    let module = locked.module();
    let (path, version) = (escape(&module.path), escape(&module.version));
    let download = modules.join("cache/download").join(&path).join("@v");
    make(&download)?;
    let write = |extension: &str, bytes: &[u8]| {
        let file = download.join(format!("{version}.{extension}"));
        fs::write(&file, bytes).map_err(GoEnvironmentError::io("write", &file))
    };
    if let (Some(blob), Some(expected)) = (&locked.mod_file, &locked.mod_sum)
        && let Some(object) = objects.get(&blob.digest)
    {
        let bytes = object.read(limits.mod_bytes_max).map_err(GoSourceError::from)?;
        check(&format!("{module} (go.mod)"), expected, &crate::source::go::h1_of_mod(&bytes))?;
        write("mod", &bytes)?;
        // What the go command asks for besides; it never enters a build.
        write("info", format!("{{\"Version\":\"{}\"}}", module.version).as_bytes())?;
    }
    if let Some(sum) = &locked.sum {
        unpack(locked, objects, limits, &modules.join(format!("{path}@{version}")))?;
        // Beside an unpacked module the go command wants its sum, and opens no zip.
        write("ziphash", sum.as_str().as_bytes())?;
    }
    Ok(())
}

/// A tool chain's zip lacks what a module's zip cannot hold: rights to execute, and `go.mod` files below
/// its own, which are there as `_go.mod` (`cmd/go/internal/toolchain`).
fn unpack_toolchain(
    locked: &LockedModule,
    objects: &Objects,
    limits: &GoLimits,
    to: &Path,
) -> Result<(), GoEnvironmentError> {
    unpack(locked, objects, limits, to)?;
    for folder in ["bin", "pkg/tool"] {
        each_file(&to.join(folder), &mut |file| {
            fs::set_permissions(file, fs::Permissions::from_mode(0o755))
                .map_err(GoEnvironmentError::io("make executable", file))
        })?;
    }
    each_file(&to.join("src"), &mut |file| {
        if file.file_name().is_some_and(|name| name == "_go.mod") {
            let named = file.with_file_name("go.mod");
            fs::copy(file, &named).map_err(GoEnvironmentError::io("write", &named))?;
        }
        Ok(())
    })
}

fn each_file(
    folder: &Path,
    act: &mut dyn FnMut(&Path) -> Result<(), GoEnvironmentError>,
) -> Result<(), GoEnvironmentError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(GoEnvironmentError::io("list", folder))?;
        let kind = entry.file_type().map_err(GoEnvironmentError::io("list", folder))?;
        if kind.is_dir() {
            each_file(&entry.path(), act)?;
        } else {
            act(&entry.path())?;
        }
    }
    Ok(())
}
