//! What a published package needs to run, chosen by apt among the same signed indexes as a build's.

use super::apt::Apt;
use super::{EnvironmentError, Lists, ResolveRequest, locked_index, locked_package};
use crate::environment::runtime::{RUNTIME_LOCK_SCHEMA, RuntimeLock};
use crate::event::{Event, Stage};
use crate::source::debian::{Access, Offered, fetch_files, signed_index};

/// Installed beside the component: it says whose system this is, and has the folders of one.
const BASE: &str = "base-files";

/// Resolves a release into the lock of a system in which it is installed, and nothing that it does not
/// depend on. Needs no source and asks for no package, so that a release can be started of which only the
/// published binaries are wanted.
pub fn resolve_runtime(
    access: &Access<'_>,
    request: &ResolveRequest<'_>,
) -> Result<RuntimeLock, EnvironmentError> {
    let debian = request.debian;
    let purl = request.release.purl.to_string();
    access.observer.event(&Event::Started { stage: Stage::Environment, what: &purl });
    let mut indexes = Vec::new();
    for suite in &debian.suites {
        indexes.push(signed_index(access, suite, request.archive_keyring, request.as_of)?);
    }
    let folder = tempfile::Builder::new()
        .prefix("resolve-")
        .tempdir_in(request.scratch)
        .map_err(EnvironmentError::scratch("make a folder in", request.scratch))?;
    let lists = Lists::expand(access, &indexes, &debian.architecture, folder.path())?;
    let (_, published) = lists.essential_and_published(request)?;
    let apt =
        Apt::new(request.apt_get, folder.path(), indexes.len(), &debian.architecture, &[], &access.limits)?;
    let mut wanted: Vec<String> = published.iter().map(|p| format!("{}={}", p.name, p.version)).collect();
    wanted.push(BASE.to_owned());
    let (chosen, _) = lists.records(&apt.installs(&wanted)?)?;
    let what = format!("{} packages", chosen.len());
    access.observer.event(&Event::Finished { stage: Stage::Environment, what: &what });
    Ok(RuntimeLock {
        schema: RUNTIME_LOCK_SCHEMA,
        component: request.component.to_owned(),
        purl,
        architecture: debian.architecture.clone(),
        indexes: indexes.iter().map(locked_index).collect(),
        own: published.into_iter().map(|p| p.name).collect(),
        packages: chosen.into_iter().map(locked_package).collect(),
    })
}

/// Fetches the packages into the store, but for those whose place something else takes. The objects come
/// in the order of what is asked for.
pub fn acquire_runtime(
    access: &Access<'_>,
    lock: &RuntimeLock,
    taken: &[&str],
) -> Result<Offered, EnvironmentError> {
    let files: Vec<_> = lock.without(taken).map(|package| package.locked_file()).collect();
    Ok(fetch_files(access, &files, Stage::Environment)?)
}
