//! Environments that are a set of packages and nothing more: what other channels build in.
//!
//! The set is what a reviewer names, with all essential packages and whatever these depend on, chosen by
//! the host's apt among the packages of signed indexes, exactly as for a Debian release.

use std::path::Path;

use jiff::Timestamp;

use super::apt::{Apt, Scope};
use super::{EnvironmentError, Lists, locked_index, locked_package};
use crate::environment::lock::{LockedIndex, LockedPackage};
use crate::event::{Event, Stage};
use crate::source::debian::{Access, Offered, fetch_files, signed_index};
use crate::verify::openpgp::Keyring;

/// Which packages are wanted, and with what they are chosen.
#[derive(Debug, Clone, Copy)]
pub struct PackageRequest<'a> {
    /// Suites whose indexes are asked.
    pub suites: &'a [String],
    /// The architecture, e.g. `amd64`.
    pub architecture: &'a str,
    /// Names of the packages that are wanted besides the essential ones.
    pub packages: &'a [String],
    /// Whether `build-essential` belongs to it, as to every system in which a package is built.
    pub build_essential: bool,
    /// Keys that vouch for indexes.
    pub archive_keyring: &'a Keyring,
    /// The time at which signatures and indexes must be valid.
    pub as_of: Timestamp,
    /// The program, e.g. `apt-get`.
    pub apt_get: &'a Path,
    /// An existing folder for scratch files.
    pub scratch: &'a Path,
}

/// Chooses the packages, and gives them with the indexes that vouch for them.
pub fn resolve_packages(
    access: &Access<'_>,
    request: &PackageRequest<'_>,
) -> Result<(Vec<LockedIndex>, Vec<LockedPackage>), EnvironmentError> {
    let what = request.packages.join(", ");
    access.observer.event(&Event::Started { stage: Stage::Environment, what: &what });
    let mut indexes = Vec::new();
    for suite in request.suites {
        indexes.push(signed_index(access, suite, request.archive_keyring, request.as_of)?);
    }
    let folder = tempfile::Builder::new()
        .prefix("resolve-")
        .tempdir_in(request.scratch)
        .map_err(EnvironmentError::scratch("make a folder in", request.scratch))?;
    let lists = Lists::expand(access, &indexes, request.architecture, folder.path())?;
    let mut wanted: Vec<String> = Vec::new();
    lists.each(|stanza, _, _| {
        if stanza.get("Essential") == Some("yes") {
            wanted.push(stanza.get("Package").unwrap_or_default().to_owned());
        }
        Ok(())
    })?;
    wanted.extend(request.packages.iter().cloned());
    wanted.sort();
    wanted.dedup();
    let count = indexes.len();
    let apt = Apt::new(request.apt_get, folder.path(), count, request.architecture, &[], &access.limits)?;
    let chosen = match request.build_essential {
        true => apt.build_dependencies(&[("Build-Depends", wanted.join(", "))], Scope::Arch)?,
        false => apt.installs(&wanted)?,
    };
    let (records, _) = lists.records(&chosen)?;
    let what = format!("{} packages", records.len());
    access.observer.event(&Event::Finished { stage: Stage::Environment, what: &what });
    let packages = records.into_iter().map(locked_package).collect();
    Ok((indexes.iter().map(locked_index).collect(), packages))
}

/// Fetches packages into the store, after asking for all of them; the objects come in their order.
pub fn acquire_packages(
    access: &Access<'_>,
    packages: &[LockedPackage],
) -> Result<Offered, EnvironmentError> {
    let files: Vec<_> = packages.iter().map(LockedPackage::locked_file).collect();
    Ok(fetch_files(access, &files, Stage::Environment)?)
}
