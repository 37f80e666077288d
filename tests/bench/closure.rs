//! Module closures: everything that a lock names, from the host's module proxy into an empty store.
//!
//! The physical limit is what the network gives, which curl shows: the same addresses, as many at a time,
//! and nothing done with the bytes. Making the lock also opens every zip and hashes what is in it, as
//! `go mod download` does.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reprove::environment::go::{GoLock, fetch};
use reprove::event::Silent;
use reprove::fetch::{Fetcher, Proxies};
use reprove::limits::fetch::FetchLimits;
use reprove::limits::go::GoLimits;
use reprove::source::go::{ModuleProxy, escape};
use reprove::store::Store;

use crate::compare::reprove;
use crate::{Case, Job, Peer, Target};

const RELEASE: &str = "pkg:github/prometheus/alertmanager@v0.31.1?arch=amd64";
const COMPONENT: &str = "prometheus-alertmanager";
const LOCK: &str = "upstream-linux-amd64-0.31.1.lock.json";

pub(crate) fn cases(scratch: &Path) -> io::Result<Result<Vec<Case>, String>> {
    let folder = scratch.join("closure");
    fs::create_dir_all(&folder)?;
    let Some(proxy) = proxy() else {
        return Ok(Err("module closures: need a Go module proxy in `go env GOPROXY`".into()));
    };
    let root = std::env::current_dir()?;
    let lock = root.join("policies/components").join(COMPONENT).join(LOCK);
    let read = GoLock::read(&lock, COMPONENT).map_err(io::Error::other)?;
    let addresses = folder.join("addresses");
    let (count, mib) = list(&read, &proxy, &addresses, &folder.join("plain"))?;
    // The lock is written anew beside a copy of the definition, and leaves the tree alone.
    let copy = folder.join("root/policies/components").join(COMPONENT);
    fs::create_dir_all(&copy)?;
    let definition = "component.toml";
    fs::copy(lock.with_file_name(definition), copy.join(definition))?;
    let trust = folder.join("root/policies/trust");
    fs::create_dir_all(&trust)?;
    for entry in fs::read_dir(root.join("policies/trust"))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), trust.join(entry.file_name()))?;
        }
    }
    let curl =
        Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    let peer = match curl {
        true => Peer::Runs("curl, 8 at a time".into(), plain(addresses, folder.join("plain"))),
        false => Peer::Absent("curl is not installed".into()),
    };
    Ok(Ok(vec![
        Case {
            name: format!("Alertmanager's closure, {count} files, {mib} MiB"),
            ours: ours(&lock, &proxy, folder.join("store")),
            peer,
            targets: vec![Target::WallRatio(1.1), Target::PeakMib(64.0)],
        },
        Case {
            name: "Alertmanager's lock, from nothing".into(),
            ours: anew(folder.join("root"), folder.join("work")),
            peer: Peer::Runs("go mod download".into(), download(folder.join("go"), &read)?),
            targets: vec![Target::CpuRatio(1.0), Target::WallRatio(1.0)],
        },
    ]))
}

/// Our side, as a process of its own: `closure-fetch <lock> <proxy> <store>`.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> io::Result<bool> {
    let (Some(lock), Some(proxy), Some(store)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err(io::Error::other("expected `closure-fetch <lock> <proxy> <store>`"));
    };
    let lock = GoLock::read(Path::new(&lock), COMPONENT).map_err(io::Error::other)?;
    let store = Store::open(Path::new(&store)).map_err(io::Error::other)?;
    let fetcher = Fetcher::new(Proxies::None, FetchLimits::DEFAULT);
    let urls = [proxy.to_string_lossy().into_owned()];
    let limits = GoLimits::DEFAULT;
    let proxy =
        ModuleProxy { urls: &urls, fetcher: &fetcher, store: &store, observer: &Silent, limits: &limits };
    Ok(fetch(&proxy, &lock).map_err(io::Error::other)?.is_ok())
}

/// The first proxy of the host's list that is an address.
fn proxy() -> Option<String> {
    let said = Command::new("go").args(["env", "GOPROXY"]).stderr(Stdio::null()).output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let address = |word: &&str| word.starts_with("http://") || word.starts_with("https://");
    said.trim().split([',', '|']).find(address).map(|word| word.trim_end_matches('/').to_owned())
}

/// Writes curl's list of what the lock names; how many files, and how many MiB.
fn list(lock: &GoLock, proxy: &str, to: &Path, into: &Path) -> io::Result<(usize, u64)> {
    let mut file = fs::File::create(to)?;
    let (mut count, mut bytes) = (0, 0);
    for locked in [&lock.source, &lock.toolchain].into_iter().chain(&lock.modules) {
        let (path, version) = (escape(&locked.path), escape(&locked.version));
        for (extension, blob) in [("zip", &locked.zip), ("mod", &locked.mod_file)] {
            let Some(blob) = blob else { continue };
            writeln!(file, "url = \"{proxy}/{path}/@v/{version}.{extension}\"")?;
            writeln!(file, "output = \"{}/{count}\"", into.display())?;
            (count, bytes) = (count + 1, bytes + blob.size);
        }
    }
    Ok((count, bytes >> 20))
}

fn emptied(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)
}

fn ours(lock: &Path, proxy: &str, store: PathBuf) -> Job {
    let (lock, proxy) = (lock.to_path_buf(), proxy.to_owned());
    Box::new(move || {
        emptied(&store)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("closure-fetch").arg(&lock).arg(&proxy).arg(&store);
        Ok(command)
    })
}

fn plain(addresses: PathBuf, into: PathBuf) -> Job {
    Box::new(move || {
        emptied(&into)?;
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--show-error",
            "--fail",
            "--no-progress-meter",
            "--parallel",
            "--parallel-max",
            "8",
            "--config",
        ]);
        command.arg(&addresses);
        Ok(command)
    })
}

fn anew(root: PathBuf, work: PathBuf) -> Job {
    Box::new(move || {
        emptied(&work)?;
        let mut command = Command::new(reprove());
        command.args(["lock", "--quiet", "--root"]).arg(&root).arg("--work").arg(&work).arg(RELEASE);
        Ok(command)
    })
}

/// The same modules and tool chain, by the go command into an empty cache.
fn download(folder: PathBuf, lock: &GoLock) -> io::Result<Job> {
    fs::create_dir_all(&folder)?;
    let mut modules: Vec<String> = Vec::new();
    for locked in [&lock.source, &lock.toolchain].into_iter().chain(&lock.modules) {
        if locked.zip.is_some() {
            modules.push(format!("{}@{}", locked.path, locked.version));
        }
    }
    Ok(Box::new(move || {
        let cache = folder.join("cache");
        emptied(&cache)?;
        let mut command = Command::new("go");
        command.current_dir(&folder).env("GOMODCACHE", &cache).env("GOFLAGS", "-modcacherw");
        command.args(["mod", "download"]).args(&modules).stderr(Stdio::null());
        Ok(command)
    }))
}
