//! The steps of a rebuild.

use std::fs;
use std::io;
use std::path::Path;

use super::clock::write_sources;
use super::collect::{find, open_folder, prepend, take};
use super::folder::{BUILD, RESULT, begin, claim, clear, create, plain, readable};
use super::sandbox::{Mount, Network, Output, Spec};
use super::steps::{Built, Steps};
use super::varied::{ClockVariation, Variation};
use super::{ARTIFACTS, Kept, Outcome, REBUILD_SCHEMA, Rebuild, RebuildError, Request, Toolchain};
use crate::digest::{Digest, DigestSet};
use crate::environment::lock::Lock;
use crate::event::{Event, Observer, Stage};

/// Where the source files are inside.
const SOURCES: &str = "/build/source-package";

/// Bytes of a stored result: some thousand artifacts and build flags of a few KiB each.
const RESULT_BYTES_MAX: u64 = 64 << 20;

/// A rebuild on its way.
struct Work<'a> {
    request: &'a Request<'a>,
    variation: Variation,
    run: Steps<'a>,
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
    let _guard = claim(work_dir)?;
    let build_dir = work_dir.join("build");
    let spec = spec(request, variation, &build_dir)?;
    prepare(request, &spec, &build_dir)?;

    let run = Steps::begin(spec, request.limits, work_dir, observer)?;
    let mut work = Work { request, variation: variation.clone(), run };
    let toolchain = Toolchain::ask(&work.run.spec, request.limits.answer_bytes_max)?;
    let outcome = work.build(dsc, &build_dir)?;

    let (artifacts, buildinfo) = collect(request, &work.variation, &build_dir)?;
    clear(&build_dir, &work.run.spec)?;
    let Work { variation, run, .. } = work;
    run.finish(
        Built {
            purl: lock.purl.clone(),
            lock: identity(lock)?,
            variation,
            outcome,
            toolchain: toolchain.account(),
            observations: lock.observations.clone(),
            artifacts,
            buildinfo,
        },
        work_dir,
    )
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
    begin(request.work_dir, build_dir, spec)?;
    let sources = build_dir.join(SOURCES.trim_start_matches("/build/"));
    create(&sources)?;
    for (name, from) in request.sources {
        let to = sources.join(plain(name)?.as_str());
        fs::copy(from, &to).map_err(RebuildError::disk("copy a source file to", &to))?;
        readable(&to, 0o644)?;
    }
    write_sources(build_dir)
}

impl Work<'_> {
    /// Unpacks and builds. The end of the first step that does not succeed is the end of all.
    fn build(&mut self, dsc: &str, build_dir: &Path) -> Result<Outcome, RebuildError> {
        let path = self.variation.path.clone();
        let parent = path.rsplit_once('/').map_or(BUILD, |(parent, _)| parent).to_owned();
        self.run.spec.work_dir = BUILD.into();
        let dsc = format!("{SOURCES}/{dsc}");
        let unpack: [(&str, &[&str]); 2] = [
            ("prepare", &["mkdir", "-p", &parent]),
            // The digests were checked against the signed index; the signature is another stage's.
            ("unpack", &["dpkg-source", "--no-check", "--no-copy", "--extract", &dsc, &path]),
        ];
        for (name, argv) in unpack {
            if let Some(end) = self.run.step(name, argv.iter().map(|&word| word.to_owned()).collect())? {
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
            self.variation.clock = self.run.shift_clock(shift)?;
        }
        self.run.spec.work_dir = path.into();
        for argv in &self.request.lock.build.commands {
            let program = argv.first().map(String::as_str).unwrap_or_default();
            let name = program.rsplit('/').next().unwrap_or_default().to_owned();
            if let Some(end) = self.run.step(&name, argv.clone())? {
                return Ok(end);
            }
        }
        Ok(Outcome::Completed)
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

fn identity(lock: &Lock) -> Result<DigestSet, RebuildError> {
    let bytes = serde_json::to_vec(lock)
        .map_err(|source| RebuildError::Lock { purl: lock.purl.clone(), detail: source.to_string() })?;
    Ok(DigestSet::single(Digest::sha256(&bytes)))
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
