//! Environments for wheels: an interpreter of Debian's, locked as a set of packages, and the build backend
//! that wrote the wheel under test, locked by digest.
//!
//! # How a release is resolved
//!
//! 1. The index announces the wheel and the source distribution of its version; both are fetched by their
//!    digests. The wheel's `RECORD` must fit its files.
//! 2. The source says which backend it asks for (`pyproject.toml`, PEP 517 and 518), the definition may
//!    add requirements, and the wheel's `Generator` line holds the backend at one version.
//! 3. apt chooses the interpreter's packages from signed indexes, see
//!    [`debian::resolve_packages`](super::debian::resolve_packages).
//! 4. The requirements with all that they require are chosen as a frontend would have on the day when the
//!    wheel was uploaded, with markers evaluated for the locked interpreter.
//! 5. What the source does not say is read from the wheel and becomes an observation: the clock of the
//!    build, the times of source files that are not the source distribution's, the file mode mask.
//!
//! # To run Python with a wheel
//!
//! [`Site::make`] unpacks wheels (a rebuilt one among them) into a folder. In a sandbox over the
//! interpreter's root file system, mount that folder read-only at [`SITE_TARGET`], set
//! [`Site::variables`], and run `python3 -c …`: the wheel can be imported, nothing of the host can.
//!
//! # What it does not establish
//!
//! That the publisher built with this interpreter and these requirements: the wheel names one of them, and
//! announces it only.

mod error;
mod interpreter;
mod lock;
mod observed;
mod requirements;
mod site;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

pub use error::PythonError;
pub use interpreter::Interpreter;
pub use lock::{Generator, PYTHON_LOCK_SCHEMA, PythonLock, WheelBuild};
pub use site::{SITE_TARGET, Site};
pub use source::BuildSystem;

use super::debian::{PackageRequest, resolve_packages};
use crate::component::PypiRelease;
use crate::event::Stage;
use crate::limits::observe::ObserveLimits;
use crate::observation::Observation;
use crate::observe;
use crate::source::debian;
use crate::source::pypi::wheel::WheelFile;
use crate::source::pypi::{self, ProjectName, PypiError, sdist};
use crate::verify::openpgp::Keyring;

/// What is to be resolved, and with what.
#[derive(Debug, Clone, Copy)]
pub struct ResolveRequest<'a> {
    /// The component's name.
    pub component: &'a str,
    /// The release's package URL.
    pub purl: &'a str,
    /// What the definition says of the release.
    pub release: &'a PypiRelease,
    /// Keys that vouch for Debian's indexes.
    pub archive_keyring: &'a Keyring,
    /// The time at which signatures and indexes must be valid.
    pub as_of: Timestamp,
    /// The program, e.g. `apt-get`.
    pub apt_get: &'a Path,
    /// An existing folder for scratch files.
    pub scratch: &'a Path,
}

/// Resolves a release into a lock. Asks the package index and Debian's archives, and runs the host's apt.
pub fn resolve(
    archives: &debian::Access<'_>,
    index: &pypi::Access<'_>,
    request: &ResolveRequest<'_>,
) -> Result<PythonLock, PythonError> {
    let release = request.release;
    let listing = pypi::listing(index, &release.project)?;
    let listed = listing.file(&release.wheel)?;
    let (wheel, wheel_object) = pypi::fetch(index, listed, &release.project, Stage::Source)?;
    let (sdist, sdist_object) =
        pypi::fetch(index, listing.sdist(&listed.version)?, &release.project, Stage::Source)?;
    let line = record(&wheel.file, &wheel_object.path)?;
    let surveyed = sdist::survey(&sdist.file, &sdist_object.path, &index.limits)?;
    let system = BuildSystem::read(&sdist.file, surveyed.pyproject.as_deref())?;
    let (indexes, packages) = resolve_packages(
        archives,
        &PackageRequest {
            suites: &release.suites,
            architecture: &release.architecture,
            packages: &release.packages,
            build_essential: true,
            archive_keyring: request.archive_keyring,
            as_of: request.as_of,
            apt_get: request.apt_get,
            scratch: request.scratch,
        },
    )?;
    let interpreter = Interpreter::of(&packages, &release.architecture)?;

    let asked = |texts: &[String], by: &str| -> Vec<(String, String)> {
        texts.iter().map(|text| (text.clone(), by.to_owned())).collect()
    };
    let mut requirements = asked(&system.requires, &sdist.file);
    requirements.extend(asked(&release.requires, "the component's definition"));
    let named = line.as_deref().and_then(observed::generator);
    if let Some((project, _)) = &named
        && project.as_str() == "wheel"
        && system.backend.starts_with("setuptools.")
        && !requirements::named(&requirements, &interpreter)?.contains(project)
    {
        // setuptools asked for it at run time, before it could write wheels itself.
        requirements.push(("wheel".to_owned(), "the wheel under test".to_owned()));
    }
    let held = named.clone().into_iter().collect();
    let until = listed.uploaded;
    let wanted = requirements::Wanted { interpreter: &interpreter, requirements, held, until };
    let chosen = requirements::choose(index, &wanted)?;

    let members: Vec<_> =
        WheelFile::open(&wheel.file, &wheel_object.path, &index.limits)?.members().collect();
    let seen = observed::circumstances(&wheel.file, &members, &surveyed);
    let mut observations = seen.observations;
    let in_use = |project: &ProjectName| {
        *project == release.project || chosen.iter().any(|file| file.project == *project)
    };
    let generator = line.map(|line| {
        let known = named.as_ref().is_some_and(|(project, _)| in_use(project));
        Generator { line, known }
    });
    if let (Some(generator), Some((project, version))) = (generator.as_ref().filter(|g| g.known), &named)
        && *project != release.project
    {
        observations.push(Observation {
            name: "generator".to_owned(),
            value: generator.line.clone(),
            read_from: format!("{}: the `Generator` line of `WHEEL`", wheel.file),
            effect: format!("holds `{project}` at {version} among the build requirements"),
        });
    }
    observations.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(PythonLock {
        schema: PYTHON_LOCK_SCHEMA,
        component: request.component.to_owned(),
        purl: request.purl.to_owned(),
        indexes,
        sdist,
        wheel,
        packages,
        requirements: chosen,
        build: WheelBuild {
            architecture: release.architecture.clone(),
            path: format!("/build/source/{}", surveyed.folder),
            backend: system.backend,
            backend_path: system.backend_path,
            umask: format!("{:03o}", seen.umask),
            clock: seen.clock,
            times: seen.times,
            env: env(seen.source_date_epoch),
        },
        generator,
        publisher: release.publisher.clone(),
        observations,
    })
}

/// The whole environment of a build.
fn env(source_date_epoch: Option<i64>) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [
        ("HOME", "/nonexistent"),
        ("LC_ALL", "C.UTF-8"),
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ]
    .into_iter()
    .chain(Site::variables())
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    if let Some(epoch) = source_date_epoch {
        env.insert("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string());
    }
    env
}

/// Checks a wheel against its own list of files, and gives its `Generator` line.
pub(crate) fn record(file: &str, path: &Path) -> Result<Option<String>, PythonError> {
    let opened = std::fs::File::open(path).map_err(PypiError::disk(path))?;
    let read = observe::wheel::read(opened, &ObserveLimits::DEFAULT)
        .map_err(|source| PythonError::Wheel { file: file.to_owned(), source })?;
    let false_record = |detail: String| PythonError::Record { file: file.to_owned(), detail };
    let wheel = read.ok_or_else(|| false_record("there is no `.dist-info/WHEEL`".to_owned()))?;
    let record = &wheel.record;
    for (names, what) in [
        (&record.mismatched, "has other bytes than it says"),
        (&record.unlisted, "is not listed"),
        (&record.absent, "is listed and not there"),
        (&record.unchecked, "is listed without a SHA-256 digest"),
    ] {
        if let Some(name) = names.first() {
            let more = match names.len() {
                1 => String::new(),
                n => format!(", and {} more", n - 1),
            };
            return Err(false_record(format!("`{}` {what}{more}", name.escape_debug())));
        }
    }
    Ok(wheel.generator)
}
