//! Rebuilds a wheel: unpacks the source distribution, calls the locked backend as a frontend would
//! (PEP 517), with the network off, and takes the wheel out.
//!
//! Three steps run inside: the source is copied to its place as the archive has it, the backend is asked
//! what else it requires (which must be in the lock), and it builds. Each hook runs in a process of its
//! own. Where the lock fixes the clock, a library that stands still is preloaded before them.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::collect::{open_folder, take};
use super::folder::{BUILD, begin, claim, clear, create, plain};
use super::sandbox::{Mount, Network, Output, Spec};
use super::steps::{Built, Steps};
use super::toolchain::needed;
use super::varied::{ClockVariation, Variation};
use super::{ARTIFACTS, Outcome, Rebuild, RebuildError, Stability};
use crate::digest::{Digest, DigestSet};
use crate::environment::python::{PythonLock, SITE_TARGET, Site};
use crate::event::{Event, Observer, Stage};
use crate::limits::pypi::PypiLimits;
use crate::limits::rebuild::RebuildLimits;
use crate::source::pypi::sdist;

/// Where the source distribution is unpacked inside.
const SDIST: &str = "/build/sdist";
/// Where the wheel is written inside.
const OUT: &str = "/build/wheel";
/// The script that calls the hooks.
const DRIVER: &str = "/build/driver.py";
const DRIVER_SOURCE: &str = include_str!("driver.py");
/// What it is told.
const REQUEST: &str = "/build/request.json";

/// The hooks that are called, in order.
const HOOKS: [&str; 2] = ["requires", "wheel"];

/// The commands that build a wheel, each an argument vector, run in the source's folder in order.
pub fn wheel_commands() -> Vec<Vec<String>> {
    HOOKS.iter().map(|hook| ["python3", DRIVER, REQUEST, hook].map(str::to_owned).to_vec()).collect()
}

/// What to rebuild, from what, where.
#[derive(Debug, Clone, Copy)]
pub struct WheelRequest<'a> {
    /// Every input by digest, and the build definition.
    pub lock: &'a PythonLock,
    /// The root file system made from the lock's packages; only read.
    pub root: &'a Path,
    /// The source distribution; the caller has checked its digest.
    pub sdist: &'a Path,
    /// The locked requirements by file name; the caller has checked their digests.
    pub requirements: &'a [(String, PathBuf)],
    /// A folder for this rebuild alone, made if it is missing.
    pub work_dir: &'a Path,
    /// Bounds on what comes from the index.
    pub pypi: &'a PypiLimits,
    /// Limits.
    pub limits: &'a RebuildLimits,
}

/// What the driver reads.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct DriverRequest<'a> {
    source: &'a str,
    backend: &'a str,
    backend_path: &'a [String],
    umask: &'a str,
    /// Permission bits that the copy on the host could not have, since another user reads it.
    modes: std::collections::BTreeMap<&'a str, u32>,
    times: &'a std::collections::BTreeMap<String, i64>,
    out: &'a str,
}

/// Rebuilds, and stores the result in the work folder.
///
/// # Errors
///
/// When nothing could be built: see [`RebuildError`]. A failing build is not among them.
pub fn rebuild_wheel(request: &WheelRequest<'_>, observer: &dyn Observer) -> Result<Rebuild, RebuildError> {
    run(request, &Variation::none(&request.lock.build.path), observer)
}

/// Rebuilds a second time under another host name, path and number of processors, and with another
/// clock where the lock does not fix it; says whether the wheel comes out as in `first`.
///
/// # Errors
///
/// As [`rebuild_wheel`].
pub fn rebuild_wheel_varied(
    request: &WheelRequest<'_>,
    first: &Rebuild,
    observer: &dyn Observer,
) -> Result<(Rebuild, Stability), RebuildError> {
    let mut variation = Variation::varied(&request.lock.build.path);
    if request.lock.build.clock.is_some() {
        variation.clock = ClockVariation::Unchanged;
    }
    let second = run(request, &variation, observer)?;
    let stability = Stability::of(first, &second, std::slice::from_ref(&request.lock.wheel.file));
    Ok((second, stability))
}

fn run(
    request: &WheelRequest<'_>,
    variation: &Variation,
    observer: &dyn Observer,
) -> Result<Rebuild, RebuildError> {
    let (lock, work_dir) = (request.lock, request.work_dir);
    observer.event(&Event::Started { stage: Stage::Rebuild, what: &lock.purl });
    let _guard = claim(work_dir)?;
    let (build_dir, site_dir) = (work_dir.join("build"), work_dir.join("site"));
    let spec = spec(request, variation, &build_dir, &site_dir)?;
    begin(work_dir, &build_dir, &spec)?;
    prepare(request, variation, &build_dir, &site_dir)?;

    let mut steps = Steps::begin(spec, request.limits, work_dir, observer)?;
    let mut variation = variation.clone();
    let toolchain = account(&steps.spec, request)?;
    let outcome = build(lock, &mut variation, &mut steps)?;

    let mut artifacts = Vec::new();
    // Without the folder nothing was built.
    if let Ok(from) = open_folder(&build_dir, OUT.trim_start_matches("/build/")) {
        let name = plain(&lock.wheel.file)?;
        artifacts.extend(take(&from, &name, &work_dir.join(ARTIFACTS), request.limits)?);
    }
    clear(&build_dir, &steps.spec)?;
    fs::remove_dir_all(&site_dir).map_err(RebuildError::disk("remove", &site_dir))?;
    steps.finish(
        Built {
            purl: lock.purl.clone(),
            lock: identity(lock)?,
            variation,
            outcome,
            toolchain,
            observations: lock.observations.clone(),
            artifacts,
            buildinfo: None,
        },
        work_dir,
    )
}

fn identity(lock: &PythonLock) -> Result<DigestSet, RebuildError> {
    let bytes = serde_json::to_vec(lock)
        .map_err(|source| RebuildError::Lock { purl: lock.purl.clone(), detail: source.to_string() })?;
    Ok(DigestSet::single(Digest::sha256(&bytes)))
}

fn spec(
    request: &WheelRequest<'_>,
    variation: &Variation,
    build_dir: &Path,
    site_dir: &Path,
) -> Result<Spec, RebuildError> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(RebuildError::disk("find", path));
    Ok(Spec {
        root: absolute(request.root)?,
        writable: vec![Mount { source: absolute(build_dir)?, target: BUILD.into() }],
        read_only: vec![Mount { source: absolute(site_dir)?, target: SITE_TARGET.into() }],
        env: request.lock.build.env.clone(),
        host_name: variation.host_name.clone(),
        uid: 1000,
        gid: 1000,
        work_dir: BUILD.into(),
        network: Network::Loopback,
        output: Output::Merged,
        cpus_max: variation.cpus_max,
        limits: request.limits.sandbox,
    })
}

/// Unpacks what comes from the index, and writes down what the driver is to do.
fn prepare(
    request: &WheelRequest<'_>,
    variation: &Variation,
    build_dir: &Path,
    site_dir: &Path,
) -> Result<(), RebuildError> {
    let lock = request.lock;
    if site_dir.exists() {
        fs::remove_dir_all(site_dir).map_err(RebuildError::disk("remove", site_dir))?;
    }
    let refuse = |source| RebuildError::Input { purl: lock.purl.clone(), source: Box::new(source) };
    Site::make(site_dir, request.requirements, request.pypi).map_err(refuse)?;
    let inside = |path: &str| build_dir.join(path.trim_start_matches("/build/"));
    let sdist_dir = inside(SDIST);
    create(&sdist_dir)?;
    let unpacked = sdist::unpack(&lock.sdist.file, request.sdist, &sdist_dir, request.pypi)
        .map_err(|source| refuse(source.into()))?;
    let folder = lock.build.path.rsplit('/').next().unwrap_or_default();
    if unpacked.folder != folder {
        let detail = format!("the source unpacks to `{}`, expected `{folder}`", unpacked.folder);
        return Err(RebuildError::Lock { purl: lock.purl.clone(), detail });
    }
    let odd = |mode: u32| mode & 0o444 != 0o444;
    let odd: Vec<_> = unpacked.files.iter().filter(|(_, file)| odd(file.mode)).collect();
    for (path, file) in &odd {
        super::folder::readable(&sdist_dir.join(folder).join(path), file.mode | 0o444)?;
    }
    let told = DriverRequest {
        source: &variation.path,
        backend: &lock.build.backend,
        backend_path: &lock.build.backend_path,
        umask: &lock.build.umask,
        modes: odd.iter().map(|(path, file)| (path.as_str(), file.mode)).collect(),
        times: &lock.build.times,
        out: OUT,
    };
    let json = serde_json::to_vec(&told)
        .map_err(|source| RebuildError::Lock { purl: lock.purl.clone(), detail: source.to_string() })?;
    write(&inside(REQUEST), &json)?;
    write(&inside(DRIVER), DRIVER_SOURCE.as_bytes())?;
    super::clock::write_sources(build_dir)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RebuildError> {
    fs::write(path, bytes).map_err(RebuildError::disk("write", path))?;
    super::folder::readable(path, 0o644)
}

/// Who the interpreter and its compressor say they are: both decide bytes of the wheel.
fn account(
    spec: &Spec,
    request: &WheelRequest<'_>,
) -> Result<std::collections::BTreeMap<String, String>, RebuildError> {
    let mut account = std::collections::BTreeMap::new();
    let mut spec = spec.clone();
    spec.limits.log_bytes_max = request.limits.answer_bytes_max;
    let python = needed(&spec, &["python3", "-c", "import sys; print(sys.version)"])?;
    let zlib = needed(&spec, &["python3", "-c", "import zlib; print(zlib.ZLIB_RUNTIME_VERSION)"])?;
    account.insert("backend".to_owned(), request.lock.build.backend.clone());
    account.insert("python".to_owned(), python.join(" "));
    account.insert("zlib".to_owned(), zlib.join(" "));
    for file in &request.lock.requirements {
        account.insert(file.project.to_string(), file.version.clone());
    }
    Ok(account)
}

/// The end of the first step that does not succeed is the end of all.
fn build(
    lock: &PythonLock,
    variation: &mut Variation,
    steps: &mut Steps<'_>,
) -> Result<Outcome, RebuildError> {
    let path = variation.path.clone();
    let (parent, folder) = path.rsplit_once('/').unwrap_or((BUILD, &path));
    let unpacked = format!("{SDIST}/{folder}");
    let place: [(&str, &[&str]); 2] = [
        ("prepare", &["mkdir", "-p", parent]),
        // A copy that belongs to the user inside, with the archive's times and permission bits.
        ("unpack", &["cp", "-r", "--preserve=mode,timestamps", &unpacked, &path]),
    ];
    for (name, argv) in place {
        if let Some(end) = steps.step(name, argv.iter().map(|&word| word.to_owned()).collect())? {
            return Ok(end);
        }
    }
    match (lock.build.clock, variation.clock) {
        (Some(at), _) => {
            if let Some(end) = steps.still_clock(at)? {
                return Ok(end);
            }
        }
        (None, ClockVariation::Ahead(shift)) => variation.clock = steps.shift_clock(shift)?,
        (None, _) => {}
    }
    steps.spec.work_dir = path.into();
    for (hook, argv) in HOOKS.into_iter().zip(wheel_commands()) {
        if let Some(end) = steps.step(hook, argv)? {
            return Ok(end);
        }
    }
    Ok(Outcome::Completed)
}
