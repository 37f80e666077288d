//! The steps of a rebuild.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::collect::{find, open_folder, prepend, take};
use super::log::Log;
use super::sandbox::{self, Mount, Network, Outcome as RunOutcome, Output, Spec, Usage};
use super::varied::{ClockVariation, Variation};
use super::{ARTIFACTS, Kept, Outcome, REBUILD_SCHEMA, Rebuild, RebuildError, Request, Step, Toolchain};
use crate::artifact::ArtifactName;
use crate::digest::{Algorithm, Digest, DigestSet, hash_file};
use crate::environment::lock::Lock;
use crate::event::{Event, Observer, Stage};

/// The writable folder inside.
const BUILD: &str = "/build";
/// Where the source files are inside.
const SOURCES: &str = "/build/source-package";
/// The clock that the second build preloads.
const CLOCK: &str = "/build/clock.so";
const CLOCK_SOURCE: &str = include_str!("clock.c");

const LOG: &str = "build.log";
const RESULT: &str = "rebuild.json";
/// Bytes of a stored result: some thousand artifacts and build flags of a few KiB each.
const RESULT_BYTES_MAX: u64 = 64 << 20;

/// A rebuild on its way.
struct Work<'a> {
    request: &'a Request<'a>,
    variation: Variation,
    spec: Spec,
    observer: &'a dyn Observer,
    log: Log<'a>,
    steps: Vec<Step>,
    usage: Usage,
}

/// Rebuilds under the given circumstances.
pub(super) fn run(
    request: &Request<'_>,
    variation: &Variation,
    observer: &dyn Observer,
) -> Result<Rebuild, RebuildError> {
    let lock = request.lock;
    observer.event(&Event::Started { stage: Stage::Rebuild, what: &lock.purl });
    let dsc = check(lock)?;
    let work_dir = request.work_dir;
    fs::create_dir_all(work_dir).map_err(RebuildError::disk("create", work_dir))?;
    let guard_path = work_dir.join("in-use");
    let guard = fs::File::create(&guard_path).map_err(RebuildError::disk("create", &guard_path))?;
    guard.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => RebuildError::InUse { path: work_dir.to_path_buf() },
        fs::TryLockError::Error(source) => RebuildError::disk("lock", &guard_path)(source),
    })?;
    let build_dir = work_dir.join("build");
    let spec = spec(request, variation, &build_dir)?;
    prepare(request, &spec, &build_dir)?;

    let log_path = work_dir.join(LOG);
    let log = Log::create(&log_path, observer).map_err(RebuildError::disk("create", &log_path))?;
    let variation = variation.clone();
    let mut work =
        Work { request, variation, spec, observer, log, steps: Vec::new(), usage: Usage::default() };
    let toolchain = Toolchain::ask(&work.spec, request.limits.answer_bytes_max)?;
    let outcome = work.build(dsc, &build_dir)?;
    let env = work.spec.env.clone();

    let (artifacts, buildinfo) = collect(request, &work.variation, &build_dir)?;
    clear(&build_dir, &work.spec)?;
    let Work { variation, log, steps, usage, .. } = work;
    log.finish().map_err(RebuildError::disk("write", &log_path))?;
    let (digest, len_bytes) =
        hash_file(Algorithm::Sha256, &log_path).map_err(RebuildError::disk("read", &log_path))?;
    let rebuild = Rebuild {
        schema: REBUILD_SCHEMA,
        purl: lock.purl.clone(),
        lock: identity(lock)?,
        variation,
        outcome,
        steps,
        toolchain,
        env,
        observations: lock.observations.clone(),
        artifacts,
        buildinfo,
        log: Kept { name: plain(LOG)?, len_bytes, digests: DigestSet::single(digest) },
        usage,
    };
    store(&rebuild, work_dir)?;
    observer.event(&Event::Finished { stage: Stage::Rebuild, what: rebuild.outcome.word() });
    Ok(rebuild)
}

/// What the rest relies on; the `.dsc`'s name.
fn check(lock: &Lock) -> Result<&str, RebuildError> {
    let refuse = |detail: String| RebuildError::Lock { purl: lock.purl.clone(), detail };
    let path = &lock.build.path;
    let below = path.strip_prefix("/build/").unwrap_or_default();
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if !below.contains('/') || !below.split('/').all(plain) || path.starts_with(SOURCES) {
        return Err(refuse(format!("expected a folder two levels below `/build`, found `{path}`")));
    }
    let dsc = lock.source.dsc().ok_or_else(|| refuse("expected a `.dsc` file, found none".to_owned()))?;
    Ok(&dsc.name)
}

fn spec(request: &Request<'_>, variation: &Variation, build_dir: &Path) -> Result<Spec, RebuildError> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(RebuildError::disk("find", path));
    let jobs = variation.cpus_max.unwrap_or(request.jobs).max(1);
    let mut env = request.lock.build.env.clone();
    let options = env.entry("DEB_BUILD_OPTIONS".to_owned()).or_default();
    if !options.is_empty() {
        options.push(' ');
    }
    options.push_str(&format!("parallel={jobs}"));
    Ok(Spec {
        root: absolute(request.root)?,
        writable: vec![Mount { source: absolute(build_dir)?, target: BUILD.into() }],
        read_only: Vec::new(),
        env,
        host_name: variation.host_name.clone(),
        uid: 1000,
        gid: 1000,
        work_dir: BUILD.into(),
        // Debian's build machines have a loopback interface, and configure scripts look for it.
        network: Network::Loopback,
        output: Output::Merged,
        cpus_max: variation.cpus_max,
        limits: request.limits.sandbox,
    })
}

/// Makes the work folder anew, with copies of the source files in it.
fn prepare(request: &Request<'_>, spec: &Spec, build_dir: &Path) -> Result<(), RebuildError> {
    let work_dir = request.work_dir;
    remove_file(&work_dir.join(RESULT))?;
    clear(build_dir, spec)?;
    let artifacts = work_dir.join(ARTIFACTS);
    if artifacts.exists() {
        fs::remove_dir_all(&artifacts).map_err(RebuildError::disk("remove", &artifacts))?;
    }
    let sources = build_dir.join(SOURCES.trim_start_matches("/build/"));
    for folder in [&artifacts, build_dir, &sources] {
        fs::create_dir(folder).map_err(RebuildError::disk("create", folder))?;
        readable(folder, 0o755)?;
    }
    for (name, from) in request.sources {
        let to = sources.join(plain(name)?.as_str());
        fs::copy(from, &to).map_err(RebuildError::disk("copy a source file to", &to))?;
        readable(&to, 0o644)?;
    }
    let clock = sources.join("clock.c");
    fs::write(&clock, CLOCK_SOURCE).map_err(RebuildError::disk("write", &clock))?;
    readable(&clock, 0o644)
}

/// Whatever the caller's umask: inside it is another user who reads.
fn readable(path: &Path, mode: u32) -> Result<(), RebuildError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(RebuildError::disk("make readable", path))
}

impl Work<'_> {
    /// Unpacks and builds. The end of the first step that does not succeed is the end of all.
    fn build(&mut self, dsc: &str, build_dir: &Path) -> Result<Outcome, RebuildError> {
        let path = self.variation.path.clone();
        let parent = path.rsplit_once('/').map_or(BUILD, |(parent, _)| parent).to_owned();
        self.spec.work_dir = BUILD.into();
        let dsc = format!("{SOURCES}/{dsc}");
        let unpack: [(&str, &[&str]); 2] = [
            ("prepare", &["mkdir", "-p", &parent]),
            // The digests were checked against the signed index; the signature is another stage's.
            ("unpack", &["dpkg-source", "--no-check", "--no-copy", "--extract", &dsc, &path]),
        ];
        for (name, argv) in unpack {
            if let Some(end) = self.step(name, argv.iter().map(|&word| word.to_owned()).collect())? {
                return Ok(end);
            }
        }
        let entry = self.request.lock.binnmu_entry();
        if let Some(entry) = entry {
            let tree = open_folder(build_dir, path.trim_start_matches("/build/"))
                .map_err(|source| RebuildError::Changelog { detail: source.to_string() })?;
            prepend(&tree, entry, self.request.limits.changelog_bytes_max)?;
        }
        if let ClockVariation::Ahead(shift) = self.variation.clock {
            self.shift_clock(shift)?;
        }
        self.spec.work_dir = path.into();
        for argv in &self.request.lock.build.commands {
            let program = argv.first().map(String::as_str).unwrap_or_default();
            let name = program.rsplit('/').next().unwrap_or_default().to_owned();
            if let Some(end) = self.step(&name, argv.clone())? {
                return Ok(end);
            }
        }
        Ok(Outcome::Completed)
    }

    /// Compiles the clock that is ahead, and has it preloaded from now on.
    fn shift_clock(&mut self, shift: Duration) -> Result<(), RebuildError> {
        let shift = format!("-DSHIFT={}", shift.as_secs());
        let source = format!("{SOURCES}/clock.c");
        let argv = ["gcc", "-shared", "-fPIC", "-O2", &shift, "-o", CLOCK, &source];
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        let made = match self.step("clock", argv) {
            Ok(end) => end.is_none(),
            Err(RebuildError::Sandbox(sandbox::SandboxError::Exec { .. })) => false,
            Err(error) => return Err(error),
        };
        if made {
            // `fakeroot` keeps what is preloaded already.
            self.spec.env.insert("LD_PRELOAD".to_owned(), CLOCK.to_owned());
        } else {
            self.variation.clock = ClockVariation::NotVaried;
            self.observer.event(&Event::Note {
                stage: Stage::Rebuild,
                text: "the clock could not be varied: the environment's compiler made no library",
            });
        }
        Ok(())
    }

    /// Runs one step with what is left of the limits; how all ends, if it does here.
    fn step(&mut self, name: &str, argv: Vec<String>) -> Result<Option<Outcome>, RebuildError> {
        let all = &self.request.limits.sandbox;
        let used = self.usage.user + self.usage.system;
        self.spec.limits.wall_time_max = all.wall_time_max.saturating_sub(self.usage.wall);
        self.spec.limits.cpu_time_max = all.cpu_time_max.saturating_sub(used);
        self.spec.limits.log_bytes_max = all.log_bytes_max.saturating_sub(self.log.bytes());
        self.log.step(&argv);
        let text = format!("{name}: {}", super::log::harmless(argv.join(" ").as_bytes()));
        self.observer.event(&Event::Note { stage: Stage::Rebuild, text: &text });
        let run = sandbox::run(&self.spec, &argv, &mut self.log)?;
        let usage = &mut self.usage;
        usage.wall += run.usage.wall;
        usage.user += run.usage.user;
        usage.system += run.usage.system;
        usage.largest_process_bytes = usage.largest_process_bytes.max(run.usage.largest_process_bytes);
        usage.peak_memory_bytes = usage.peak_memory_bytes.max(run.usage.peak_memory_bytes);
        usage.peak_tasks = usage.peak_tasks.max(run.usage.peak_tasks);
        self.steps.push(Step { name: name.to_owned(), argv, run });
        let step = name.to_owned();
        Ok(match run.outcome {
            RunOutcome::Exited { status: 0 } => None,
            RunOutcome::Exited { status } => Some(Outcome::StepFailed { step, status: Some(status) }),
            RunOutcome::Signalled { .. } | RunOutcome::Stopped => {
                Some(Outcome::StepFailed { step, status: None })
            }
            RunOutcome::TimedOut { .. } => Some(Outcome::TimedOut { step, after: all.wall_time_max }),
            RunOutcome::LimitReached { limit } => Some(Outcome::LimitReached { step, limit }),
        })
    }
}

/// Takes the expected artifacts and the build's own account out.
fn collect(
    request: &Request<'_>,
    variation: &Variation,
    build_dir: &Path,
) -> Result<(Vec<Kept>, Option<Kept>), RebuildError> {
    let parent = variation.path.rsplit_once('/').map_or("", |(parent, _)| parent);
    // Without the folder nothing was built.
    let Ok(from) = open_folder(build_dir, parent.trim_start_matches("/build/")) else {
        return Ok((Vec::new(), None));
    };
    let to = request.work_dir.join(ARTIFACTS);
    let mut artifacts = Vec::new();
    for name in &request.lock.build.expected {
        artifacts.extend(take(&from, &plain(name)?, &to, request.limits)?);
    }
    artifacts.sort_by(|a, b| a.name.cmp(&b.name));
    let buildinfo = match find(&from, ".buildinfo", request.limits) {
        Some(name) => take(&from, &name, &to, request.limits)?,
        None => None,
    };
    Ok((artifacts, buildinfo))
}

/// Removes a build folder, whatever the build did to its rights and depth: what the host cannot
/// remove, the owner inside can.
fn clear(build_dir: &Path, spec: &Spec) -> Result<(), RebuildError> {
    if fs::symlink_metadata(build_dir).is_err() || fs::remove_dir_all(build_dir).is_ok() {
        return Ok(());
    }
    let spec = Spec { work_dir: "/".into(), ..spec.clone() };
    let commands: [&[&str]; 2] =
        [&["chmod", "-R", "u+rwX", BUILD], &["find", BUILD, "-mindepth", "1", "-delete"]];
    for argv in commands {
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        sandbox::run(&spec, &argv, &mut |_: sandbox::Line<'_>| {})?;
    }
    fs::remove_dir_all(build_dir).map_err(RebuildError::disk("remove", build_dir))
}

fn remove_file(path: &Path) -> Result<(), RebuildError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RebuildError::disk("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn plain(name: &str) -> Result<ArtifactName, RebuildError> {
    ArtifactName::new(name)
        .map_err(|source| RebuildError::Artifact { name: name.escape_debug().to_string(), source })
}

fn identity(lock: &Lock) -> Result<DigestSet, RebuildError> {
    let bytes = serde_json::to_vec(lock)
        .map_err(|source| RebuildError::Lock { purl: lock.purl.clone(), detail: source.to_string() })?;
    Ok(DigestSet::single(Digest::sha256(&bytes)))
}

/// Writes the result last and at once, so that it is there only when everything else is.
fn store(rebuild: &Rebuild, work_dir: &Path) -> Result<(), RebuildError> {
    let path = work_dir.join(RESULT);
    let disk = || RebuildError::disk("write", path.clone());
    let mut text = serde_json::to_vec_pretty(rebuild).map_err(|e| disk()(e.into()))?;
    text.push(b'\n');
    let file = tempfile::NamedTempFile::new_in(work_dir).map_err(disk())?;
    fs::write(file.path(), &text).map_err(disk())?;
    file.as_file().sync_all().map_err(disk())?;
    file.persist(&path).map_err(|error| disk()(error.error))?;
    Ok(())
}

/// See [`Rebuild::load`].
pub(super) fn load(lock: &Lock, work_dir: &Path) -> Result<Option<Rebuild>, RebuildError> {
    let path = work_dir.join(RESULT);
    let stored = |detail: String| RebuildError::Stored { path: path.clone(), detail };
    let len = match fs::symlink_metadata(&path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RebuildError::disk("read", &path)(error)),
    };
    if len > RESULT_BYTES_MAX {
        return Err(stored(format!("expected at most {RESULT_BYTES_MAX} bytes, found {len}")));
    }
    let text = fs::read(&path).map_err(RebuildError::disk("read", &path))?;
    let rebuild: Rebuild = serde_json::from_slice(&text).map_err(|error| stored(error.to_string()))?;
    if rebuild.schema != REBUILD_SCHEMA {
        return Err(stored(format!("expected schema {REBUILD_SCHEMA}, found {}", rebuild.schema)));
    }
    if rebuild.lock != identity(lock)? {
        return Ok(None);
    }
    rebuild.rebuilt(work_dir)?;
    Ok(Some(rebuild))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_folder_outside_of_build_is_refused() {
        let text = include_str!("../../policies/components/libcue/bookworm-2.2.1-4+deb12u1.lock.json");
        let lock: Lock = serde_json::from_str(text).unwrap();
        assert_eq!(check(&lock).unwrap(), "libcue_2.2.1-4+deb12u1.dsc");
        for path in [
            "/",
            "/build",
            "/build/",
            "/build/x",
            "/etc/x",
            "/build/../etc/x",
            "/build//x",
            "build/a/b",
            "/build/source-package/x",
        ] {
            let mut lock = lock.clone();
            lock.build.path = path.to_owned();
            assert!(matches!(check(&lock), Err(RebuildError::Lock { .. })), "{path}");
        }
        let mut lock = lock;
        lock.source.files.clear();
        assert!(check(&lock).is_err());
    }
}
