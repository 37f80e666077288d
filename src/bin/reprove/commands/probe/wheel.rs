//! Probes of a wheel: programs that import it, run by the interpreter of its lock.

use std::path::PathBuf;

use reprove::audit::AuditError;
use reprove::component::{Component, Release};
use reprove::digest::{Algorithm, hash_file};
use reprove::environment::debian::acquire_packages;
use reprove::environment::lock::LockedPackage;
use reprove::environment::python::{PythonLock, SITE_TARGET, Site};
use reprove::event::Stage;
use reprove::limits::pypi::PypiLimits;
use reprove::probe::Subject;
use reprove::probe::spec::Item;
use reprove::rebuild::sandbox::Mount;
use reprove::source::debian::Offered as DebianOffered;
use reprove::source::pypi::{self, Offered};

use super::{Outcome, Probe, ProbeCommandError, Tested, file, system};
use crate::args::Args;
use crate::debian;
use crate::exit::Exit;
use crate::failures;
use crate::render::Failure;

/// Starts what the items say, with the published wheel or the given one.
pub(super) fn run(
    probe: &Probe,
    args: &Args,
    component: &Component,
    release: &Release,
    items: Vec<Item>,
) -> Result<Exit, Failure> {
    let purl = release.purl.to_string();
    let path = component.lock_path(release);
    let lock = PythonLock::read(&path, &component.name).map_err(|e| Failure::new(e, Exit::Usage))?;
    let (store, fetcher, progress) = (args.open_store()?, args.fetcher(), args.progress());
    let mirrors = probe.mirrors.mirrors()?;
    let access = debian::access(&mirrors, &fetcher, &store, &progress);
    let mut result =
        Outcome { purl: purl.clone(), tested: Vec::new(), missing: Vec::new(), probes: Vec::new() };
    let wheel = match probe.artifacts.as_slice() {
        [] => {
            let index = probe.index.index(std::iter::once(release))?;
            let no_index = || failures::audit(AuditError::NoIndex { purl });
            let index = pypi::Access {
                index: &index.ok_or_else(no_index)?,
                fetcher: &fetcher,
                store: &store,
                observer: &progress,
                limits: PypiLimits::DEFAULT,
            };
            let wanted = std::slice::from_ref(&lock.wheel);
            let offered = pypi::fetch_locked(&index, wanted, Stage::Comparison);
            match offered.map_err(|e| failures::audit(e.into()))? {
                Offered::All(objects) => objects.into_iter().next().map(|object| object.path),
                Offered::Missing(missing) => {
                    result.missing = missing;
                    return probe.answer(args, &result);
                }
            }
        }
        [path] => Some(std::fs::canonicalize(path).map_err(file(path))?),
        [path, ..] => {
            let detail = "only one wheel can";
            let error =
                ProbeCommandError::Program { path: path.clone(), component: component.name.clone(), detail };
            return Err(Failure::new(error, Exit::Usage));
        }
    };
    let wheel = wheel.unwrap_or_default();
    let (digest, _) = hash_file(Algorithm::Sha256, &wheel).map_err(file(&wheel))?;
    let published = digest == lock.wheel.digest;
    result.tested.push(Tested { name: lock.wheel.file.clone(), digest, published });
    let objects = match acquire_packages(&access, &lock.packages).map_err(failures::environment)? {
        DebianOffered::All(objects) => objects,
        DebianOffered::Missing(missing) => {
            result.missing = missing.into_iter().map(|file| file.name).collect();
            return probe.answer(args, &result);
        }
    };
    let packages: Vec<(LockedPackage, PathBuf)> =
        lock.packages.iter().cloned().zip(objects.into_iter().map(|object| object.path)).collect();
    let work = args.work_dir()?;
    let root = system(&work, &packages, &progress)?;
    let folder = tempfile::Builder::new().prefix("site-").tempdir_in(&work).map_err(file(&work))?;
    let wheels = [(lock.wheel.file.clone(), wheel)];
    let site =
        Site::make(&folder.path().join("site"), &wheels, &PypiLimits::DEFAULT).map_err(failures::python)?;
    let mount = Mount { source: site.folder().to_owned(), target: SITE_TARGET.into() };
    let subject = Subject {
        root: root.path(),
        in_place: &[mount],
        env: &Site::variables(),
        version: &release.version,
        work_dir: &work,
    };
    result.probes = probe.ask(&subject, items, &progress)?;
    progress.finish();
    probe.answer(args, &result)
}
