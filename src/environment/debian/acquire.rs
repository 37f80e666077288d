//! Fetches what a lock names; needs neither apt nor dpkg.

use super::EnvironmentError;
use crate::environment::lock::Lock;
use crate::event::Stage;
use crate::source::debian::{Access, Offered, fetch_files};

/// Fetches the packages of the root file system into the store, after asking for all of them. The
/// objects come in the order of `lock.packages`.
pub fn acquire(access: &Access<'_>, lock: &Lock) -> Result<Offered, EnvironmentError> {
    Ok(fetch_files(access, &lock.package_files(), Stage::Environment)?)
}

/// Fetches the published artifacts into the store, in the order of `lock.published`. They are what a
/// rebuild is compared with, and never an input of it.
pub fn acquire_published(access: &Access<'_>, lock: &Lock) -> Result<Offered, EnvironmentError> {
    Ok(fetch_files(access, &lock.published, Stage::Comparison)?)
}
