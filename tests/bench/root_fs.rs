//! Root file systems: ours from .debs on disk against mmdebstrap with the same .debs in its cache.
//!
//! Both write their trees into memory where there is room: ext4 looks through every inode that was deleted
//! a short while ago before it makes a new one, so that whatever ran before would be measured, which doubled
//! our CPU seconds here.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use reprove::digest::Digest;
use reprove::environment::lock::{LockedPackage, LockedPath};
use reprove::environment::root_fs::{self, BuildUser, Options};
use reprove::event::Silent;
use reprove::limits::root_fs::RootFsLimits;

use crate::{Case, Job, Peer, Target};

/// The tool's own limit on peak memory.
const PEAK: Target = Target::PeakMib(200.0);

/// Cases on the package sets that `tests/bench/setup` leaves in `<scratch>/debs`.
pub(crate) fn cases(scratch: &Path) -> io::Result<Result<Vec<Case>, String>> {
    let (build, prometheus) = (scratch.join("debs/build"), scratch.join("debs/prometheus"));
    if !build.is_dir() || !prometheus.is_dir() {
        return Ok(Err("root file systems: run `tests/bench/setup` first; it needs apt and a mirror".into()));
    }
    let (build_list, build_count) = list(&build, &scratch.join("build.json"))?;
    let (prometheus_list, prometheus_count) = list(&prometheus, &scratch.join("prometheus.json"))?;
    let trees = trees(scratch)?;
    let cache = trees.join("cache");
    Ok(Ok(vec![
        Case {
            name: format!("root file system, {build_count} packages"),
            ours: make(&build_list, &cache, true),
            peer: mmdebstrap(scratch, &build, trees.join("mmdebstrap")),
            targets: vec![Target::CpuRatio(0.25), Target::WallRatio(0.25), PEAK],
        },
        Case {
            name: format!("root file system, {prometheus_count} packages"),
            ours: make(&prometheus_list, &cache, true),
            peer: Peer::None,
            targets: vec![Target::CpuSeconds(15.0), PEAK],
        },
        Case {
            name: format!("root file system, {prometheus_count} packages, cached"),
            ours: make(&prometheus_list, &cache, false),
            peer: Peer::None,
            targets: vec![Target::WallMillis(50.0), PEAK],
        },
    ]))
}

/// Our side, as a process of its own: `root-fs-make <list> <cache>`.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> io::Result<bool> {
    let (Some(list), Some(cache)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("expected `root-fs-make <list> <cache>`"));
    };
    let packages: Vec<(LockedPackage, PathBuf)> = serde_json::from_slice(&fs::read(list)?)?;
    let options = Options {
        user: BuildUser { uid: 1000, gid: 1000 },
        limits: RootFsLimits::DEFAULT,
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    };
    let tree = root_fs::ensure(Path::new(&cache), &packages, &options, &Silent).map_err(chain)?;
    let notes = tree.notes().iter().map(|n| format!("{}: {}\n", n.package, n.text));
    io::Write::write_all(&mut io::stdout(), notes.collect::<String>().as_bytes())?;
    io::Write::write_all(&mut io::stdout(), format!("{}\n", tree.path().display()).as_bytes())?;
    Ok(true)
}

fn chain(error: root_fs::RootFsError) -> io::Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    io::Error::other(text)
}

fn make(list: &Path, cache: &Path, afresh: bool) -> Job {
    let (list, cache) = (list.to_owned(), cache.to_owned());
    Box::new(move || {
        if afresh {
            for key in root_fs::keys(&cache).map_err(chain)? {
                root_fs::remove(&cache, &key).map_err(chain)?;
            }
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("root-fs-make").arg(&list).arg(&cache);
        Ok(command)
    })
}

fn mmdebstrap(scratch: &Path, debs: &Path, target: PathBuf) -> Peer {
    if Command::new("mmdebstrap").arg("--version").output().is_err() {
        return Peer::Absent("mmdebstrap is not installed".into());
    }
    let sources = scratch.join("apt/sources.list");
    let hook = format!(
        "mkdir -p \"$1/var/cache/apt/archives\"; cp {}/*.deb \"$1/var/cache/apt/archives/\"",
        debs.display()
    );
    let job = move || {
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        let mut command = Command::new("mmdebstrap");
        command.args(["--quiet", "--variant=buildd", "--skip=download/empty", "--format=directory"]);
        command.arg("--setup-hook").arg(&hook).arg("bookworm").arg(&target).arg(&sources);
        Ok(command)
    };
    Peer::Runs("mmdebstrap --variant=buildd".into(), Box::new(job))
}

/// Where trees are made: in memory if eight gibibytes are free there, else beside the rest.
fn trees(scratch: &Path) -> io::Result<PathBuf> {
    let free = |of: &str| {
        let found = rustix::fs::statvfs(of).ok()?;
        found.f_bavail.checked_mul(found.f_frsize)
    };
    let memory = "/dev/shm";
    let to = match free(memory) {
        Some(bytes) if bytes >= 8 << 30 => Path::new(memory).join("reprove-bench"),
        _ => scratch.to_path_buf(),
    };
    fs::create_dir_all(&to)?;
    Ok(to)
}

/// Removes what was made in memory.
pub(crate) fn clear() -> io::Result<()> {
    match fs::remove_dir_all("/dev/shm/reprove-bench") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes the list of a folder's packages; gives its path and length.
fn list(debs: &Path, to: &Path) -> io::Result<(PathBuf, usize)> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(debs)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().replace("%3a", ":");
        let fields: Vec<&str> = stem.split('_').collect();
        let [name, version, architecture] = fields.as_slice() else { continue };
        let bytes = fs::read(&path)?;
        let file = LockedPath {
            archive: "debian".into(),
            path: String::new(),
            size: bytes.len() as u64,
            digest: Digest::sha256(&bytes),
        };
        let package = LockedPackage {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            architecture: (*architecture).to_owned(),
            file,
        };
        packages.push((package, path));
    }
    fs::write(to, serde_json::to_vec(&packages)?)?;
    Ok((to.to_owned(), packages.len()))
}
