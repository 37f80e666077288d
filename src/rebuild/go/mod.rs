//! Builds with Go, in a sandbox that shows a source, a module cache and a tool chain, and nothing else.
//!
//! The root file system is a handful of empty folders: Go's tool chain is linked statically and asks for
//! no file of an operating system. Whatever a distribution's packages could change is not there.
//!
//! A build without a repository can carry the stamp of one: an empty `.git` folder and a stand-in for
//! git ([`checkout`]), which the same tool chain compiles before from our own source. What the stand-in
//! answers comes from the recipe or from the artifact under test, and is listed there.
//!
//! Where the recipe prepares its source, that is done first and in another sandbox ([`prepare`]); what it
//! made of the source is then built, read-only as any other.
//!
//! The second build has another host name, one processor, an empty build cache at another path, and
//! another home. The clock is not varied: Go programs ask the kernel for it themselves.

mod checkout;
mod prepare;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use checkout::CheckoutState;
pub use prepare::{Preparation, preparation_environment};

use super::collect::{open_folder, take};
use super::folder::{BUILD, begin, claim, clear, create, plain, readable};
use super::sandbox::{Mount, Network, Output, Spec};
use super::steps::{Built, Steps};
use super::toolchain::needed;
use super::varied::{ClockVariation, Stability, Variation};
use super::{Kept, Rebuild, RebuildError};
use crate::component::{GoBinary, GoRecipe};
use crate::digest::{Digest, DigestSet};
use crate::event::{Event, Observer, Stage};
use crate::limits::rebuild::RebuildLimits;
use crate::observation::Observation;

/// Our stand-in for git.
const STAND_IN: &str = include_str!("git.go");
/// Where it is seen.
const VCS: &str = "/opt/vcs";
/// Where its source is seen while it is compiled.
const STAND_IN_SOURCE: &str = "/opt/source";

/// What to build, from what, where.
#[derive(Debug, Clone, Copy)]
pub struct GoRequest<'a> {
    /// The release's package URL.
    pub purl: &'a str,
    /// SHA-256 of the lock.
    pub lock: &'a Digest,
    /// How.
    pub recipe: &'a GoRecipe,
    /// Linker flags with every value in its place.
    pub ldflags: Option<&'a str>,
    /// What git is to answer; none for a build outside of a repository.
    pub checkout: Option<&'a CheckoutState>,
    /// With what the source is prepared, where the recipe says so.
    pub preparation: Option<Preparation<'a>>,
    /// The source; with a `.git` folder where git is to answer.
    pub source: &'a Path,
    /// `GOROOT`.
    pub toolchain: &'a Path,
    /// `GOMODCACHE`.
    pub modules: &'a Path,
    /// Where stand-ins are kept, each below the name of its tool chain.
    pub stand_ins: &'a Path,
    /// A folder for this rebuild alone.
    pub work_dir: &'a Path,
    /// Jobs of the build.
    pub jobs: usize,
    /// Values that were read from the artifact under test.
    pub observations: &'a [Observation],
    /// Limits.
    pub limits: &'a RebuildLimits,
}

/// The commands of a recipe, one for each binary, as they are run.
pub fn commands(recipe: &GoRecipe, ldflags: Option<&str>) -> Vec<Vec<String>> {
    recipe.binaries.iter().map(|binary| command(recipe, ldflags, binary)).collect()
}

fn command(recipe: &GoRecipe, ldflags: Option<&str>, binary: &GoBinary) -> Vec<String> {
    let mut argv =
        vec!["go".to_owned(), "build".to_owned(), "-o".to_owned(), format!("{BUILD}/{}", binary.name)];
    if let Some(ldflags) = ldflags {
        argv.extend(["-ldflags".to_owned(), ldflags.to_owned()]);
    }
    argv.extend(recipe.flags.iter().cloned());
    if !recipe.tags.is_empty() {
        argv.extend(["-tags".to_owned(), recipe.tags.join(",")]);
    }
    argv.push(binary.package.clone());
    argv
}

/// The environment of a recipe's commands.
pub fn environment(recipe: &GoRecipe) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [
        ("CGO_ENABLED", "0"),
        ("GOCACHE", "/build/.cache"),
        ("GOENV", "off"),
        ("GOFLAGS", "-mod=readonly"),
        ("GOPATH", &recipe.gopath),
        ("GOPROXY", "off"),
        ("GOSUMDB", "off"),
        // On disk: the packages of one large program come to more than the 2 GiB of `/tmp`. The folder's name
        // never enters a binary.
        ("GOTMPDIR", BUILD),
        ("GOTOOLCHAIN", "local"),
        ("HOME", "/build/.home"),
        ("PATH", &format!("{}/bin:{VCS}", recipe.goroot)),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    env.extend(recipe.env.clone());
    env
}

/// Builds.
///
/// # Errors
///
/// When nothing could be built: see [`RebuildError`]. A failing build is not among them.
pub fn rebuild_go(request: &GoRequest<'_>, observer: &dyn Observer) -> Result<Rebuild, RebuildError> {
    let variation = Variation {
        clock: ClockVariation::Unchanged,
        host_name: "reprove".to_owned(),
        cpus_max: None,
        path: request.recipe.path.clone(),
    };
    run(request, variation, observer)
}

/// Builds again under other circumstances, and tells which binaries come out otherwise.
///
/// # Errors
///
/// As [`rebuild_go`].
pub fn rebuild_go_varied(
    request: &GoRequest<'_>,
    first: &Rebuild,
    observer: &dyn Observer,
) -> Result<(Rebuild, Stability), RebuildError> {
    let variation = Variation {
        clock: ClockVariation::Unchanged,
        host_name: "another-host".to_owned(),
        cpus_max: Some(1),
        path: request.recipe.path.clone(),
    };
    let second = run(request, variation, observer)?;
    let expected: Vec<String> = request.recipe.binaries.iter().map(|b| b.name.clone()).collect();
    let stability = Stability::of(first, &second, &expected);
    Ok((second, stability))
}

fn run(
    request: &GoRequest<'_>,
    variation: Variation,
    observer: &dyn Observer,
) -> Result<Rebuild, RebuildError> {
    observer.event(&Event::Started { stage: Stage::Rebuild, what: request.purl });
    let (recipe, work_dir) = (request.recipe, request.work_dir);
    let _guard = claim(work_dir)?;
    let build_dir = work_dir.join("build");
    let vcs = match request.checkout {
        Some(state) => Some(vcs_folder(request, state, observer)?),
        None => None,
    };
    let prepare = preparation(request, &variation)?;
    let source = prepare.as_ref().map_or(request.source, |p| &p.folder);
    let spec = spec(request, source, &variation, &build_dir, vcs.as_deref())?;
    begin(work_dir, &build_dir, &spec)?;
    let said = needed(&spec, &["go", "version"])?.concat();
    let mut steps = Steps::begin(spec.clone(), request.limits, work_dir, observer)?;
    let mut end = None;
    if let Some(prepare) = &prepare {
        steps.spec = prepare.spec.clone();
        end = prepare.run(&mut steps)?;
        steps.spec = spec;
    }
    let jobs = variation.cpus_max.unwrap_or(request.jobs).max(1).to_string();
    for mut argv in commands(recipe, request.ldflags) {
        if end.is_some() {
            break;
        }
        // How many compilers run at once is the run's affair, and no part of the recipe.
        argv.splice(2..2, ["-p".to_owned(), jobs.clone()]);
        end = steps.step("go build", argv)?;
    }
    let outcome = end.unwrap_or(super::Outcome::Completed);
    let artifacts = collect(request, &build_dir)?;
    clear(&build_dir, &steps.spec)?;
    prepare.as_ref().map_or(Ok(()), prepare::Work::clear)?;
    steps.finish(
        Built {
            purl: request.purl.to_owned(),
            lock: DigestSet::single(request.lock.clone()),
            variation,
            outcome,
            toolchain: BTreeMap::from([("go".to_owned(), said)]),
            observations: request.observations.to_vec(),
            artifacts,
            buildinfo: None,
        },
        work_dir,
    )
}

/// The preparation that the recipe asks for, laid out.
fn preparation<'a>(
    request: &GoRequest<'a>,
    variation: &Variation,
) -> Result<Option<prepare::Work<'a>>, RebuildError> {
    let recipe = request.recipe;
    match (&recipe.prepare, request.preparation) {
        (None, None) => Ok(None),
        (Some(told), Some(given)) => {
            let (source, limits) = (request.source, request.limits);
            prepare::Work::begin(recipe, told, given, source, variation, request.work_dir, limits).map(Some)
        }
        _ => Err(RebuildError::Lock {
            purl: request.purl.to_owned(),
            detail: "the recipe's preparation and what it needs were not given together".to_owned(),
        }),
    }
}

fn collect(request: &GoRequest<'_>, build_dir: &Path) -> Result<Vec<Kept>, RebuildError> {
    let Ok(from) = open_folder(build_dir, ".") else { return Ok(Vec::new()) };
    let to = request.work_dir.join(super::ARTIFACTS);
    let mut artifacts = Vec::new();
    for binary in &request.recipe.binaries {
        artifacts.extend(take(&from, &plain(&binary.name)?, &to, request.limits)?);
    }
    artifacts.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(artifacts)
}

fn spec(
    request: &GoRequest<'_>,
    source: &Path,
    variation: &Variation,
    build_dir: &Path,
    vcs: Option<&Path>,
) -> Result<Spec, RebuildError> {
    let recipe = request.recipe;
    let mounts = [
        (source, recipe.path.as_str()),
        (request.toolchain, recipe.goroot.as_str()),
        (request.modules, &format!("{}/pkg/mod", recipe.gopath)),
    ];
    let mut read_only = Vec::new();
    for (source, target) in mounts.into_iter().chain(vcs.map(|v| (v, VCS))) {
        read_only.push(Mount { source: absolute(source)?, target: target.into() });
    }
    let mut env = environment(recipe);
    if variation.cpus_max.is_some() {
        env.insert("GOCACHE".to_owned(), format!("{BUILD}/.another-cache"));
        env.insert("HOME".to_owned(), format!("{BUILD}/.another-home"));
    }
    let root = empty_root(&request.work_dir.join("root"), read_only.iter().map(|m| m.target.as_path()))?;
    Ok(Spec {
        root,
        writable: vec![Mount { source: absolute(build_dir)?, target: BUILD.into() }],
        read_only,
        env,
        host_name: variation.host_name.clone(),
        uid: 1000,
        gid: 1000,
        work_dir: recipe.path.clone().into(),
        network: Network::None,
        output: Output::Merged,
        cpus_max: variation.cpus_max,
        limits: request.limits.sandbox,
    })
}

fn absolute(path: &Path) -> Result<PathBuf, RebuildError> {
    std::path::absolute(path).map_err(RebuildError::disk("find", path))
}

/// A root file system of empty folders: what the sandbox mounts over.
fn empty_root<'p>(root: &Path, targets: impl Iterator<Item = &'p Path>) -> Result<PathBuf, RebuildError> {
    let root = absolute(root)?;
    if root.exists() {
        fs::remove_dir_all(&root).map_err(RebuildError::disk("remove", &root))?;
    }
    let own = ["/proc", "/dev", "/tmp", "/run", "/sys", BUILD].map(Path::new);
    for target in own.into_iter().chain(targets) {
        let mut folder = root.clone();
        for part in target.iter().filter(|part| *part != "/") {
            folder.push(part);
            if !folder.exists() {
                fs::create_dir_all(&folder).map_err(RebuildError::disk("create", &folder))?;
                readable(&folder, 0o755)?;
            }
        }
    }
    readable(&root, 0o755)?;
    Ok(root)
}

/// The folder with the stand-in and what it answers.
fn vcs_folder(
    request: &GoRequest<'_>,
    state: &CheckoutState,
    observer: &dyn Observer,
) -> Result<PathBuf, RebuildError> {
    let program = stand_in(request, observer)?;
    let folder = request.work_dir.join("vcs");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(RebuildError::disk("remove", &folder))?;
    }
    create(&folder)?;
    let (git, answers) = (folder.join("git"), folder.join("answers"));
    fs::copy(&program, &git).map_err(RebuildError::disk("copy the stand-in to", &git))?;
    readable(&git, 0o755)?;
    fs::write(&answers, state.answers()).map_err(RebuildError::disk("write", &answers))?;
    readable(&answers, 0o644)?;
    Ok(folder)
}

/// Compiles the stand-in, once for each tool chain.
fn stand_in(request: &GoRequest<'_>, observer: &dyn Observer) -> Result<PathBuf, RebuildError> {
    let name = request.toolchain.file_name().unwrap_or_default().to_string_lossy();
    let source = Digest::sha256(STAND_IN.as_bytes()).to_hex();
    let folder = request.stand_ins.join(format!("{name}-{}", source.get(..16).unwrap_or(&source)));
    let finished = folder.join("artifacts/git");
    let _guard = claim(&folder)?;
    if finished.is_file() && folder.join(super::folder::RESULT).is_file() {
        return Ok(finished);
    }
    observer.event(&Event::Note { stage: Stage::Rebuild, text: "compiling the stand-in for git" });
    let input = folder.join("input");
    fs::create_dir_all(&input).map_err(RebuildError::disk("create", &input))?;
    readable(&input, 0o755)?;
    let file = input.join("git.go");
    fs::write(&file, STAND_IN).map_err(RebuildError::disk("write", &file))?;
    readable(&file, 0o644)?;
    let build_dir = folder.join("build");
    let goroot = &request.recipe.goroot;
    let mut env = environment(request.recipe);
    // It runs here, whatever is built.
    env.retain(|key, _| !matches!(key.as_str(), "GOOS" | "GOARCH" | "GOEXPERIMENT" | "GOWORK"));
    let read_only = vec![
        Mount { source: absolute(&input)?, target: STAND_IN_SOURCE.into() },
        Mount { source: absolute(request.toolchain)?, target: goroot.into() },
    ];
    let spec = Spec {
        root: empty_root(&folder.join("root"), read_only.iter().map(|m| m.target.as_path()))?,
        writable: vec![Mount { source: absolute(&build_dir)?, target: BUILD.into() }],
        read_only,
        env,
        host_name: "reprove".to_owned(),
        uid: 1000,
        gid: 1000,
        work_dir: STAND_IN_SOURCE.into(),
        network: Network::None,
        output: Output::Merged,
        cpus_max: None,
        limits: request.limits.sandbox,
    };
    begin(&folder, &build_dir, &spec)?;
    let out = format!("{BUILD}/git");
    needed(&spec, &["go", "build", "-trimpath", "-buildvcs=false", "-o", &out, "git.go"])?;
    let from = open_folder(&build_dir, ".").map_err(RebuildError::disk("open", &build_dir))?;
    take(&from, &plain("git")?, &folder.join(super::ARTIFACTS), request.limits)?;
    clear(&build_dir, &spec)?;
    let marker = folder.join(super::folder::RESULT);
    fs::write(&marker, source).map_err(RebuildError::disk("write", &marker))?;
    Ok(finished)
}
