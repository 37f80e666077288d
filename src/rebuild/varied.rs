//! The second build: the same thing under circumstances that should not matter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Rebuild, RebuildError, Request, stage};
use crate::digest::{Agreement, DigestSet};
use crate::event::Observer;

/// How far the second build's clock is ahead: 398 days and 6 hours, so that year, month, day of the
/// month, weekday and hour are all others.
const CLOCK_SHIFT: Duration = Duration::from_secs(398 * 86_400 + 6 * 3600);

/// The circumstances of a build, besides what its definition fixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Variation {
    /// The wall clock.
    pub clock: ClockVariation,
    /// Host name inside.
    pub host_name: String,
    /// Processors that may be used, and jobs; `None` for as many as asked for.
    pub cpus_max: Option<usize>,
    /// Folder of the unpacked source inside.
    pub path: String,
}

/// What was done to the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClockVariation {
    /// The host's time.
    Unchanged,
    /// Ahead by this much, for programs that ask the C library. Go programs make the system call
    /// themselves and see the host's time.
    Ahead(Duration),
    /// It was to be ahead, but the environment has no working C compiler to make that with.
    NotVaried,
}

impl Variation {
    /// The first build's: just what the definition says.
    pub(super) fn none(path: &str) -> Self {
        Self {
            clock: ClockVariation::Unchanged,
            host_name: "reprove".to_owned(),
            cpus_max: None,
            path: path.to_owned(),
        }
    }

    /// The second build's.
    pub(super) fn varied(path: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or("source");
        Self {
            clock: ClockVariation::Ahead(CLOCK_SHIFT),
            host_name: "another-host".to_owned(),
            cpus_max: Some(1),
            path: format!("/build/another-path/{name}"),
        }
    }
}

/// Whether two builds of ours agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stability {
    /// Every expected artifact has the same bytes in both.
    Stable,
    /// These do not. A difference between the published artifact and ours accuses nobody then.
    Unstable(Vec<Unstable>),
    /// One of the builds did not complete, so nothing can be said.
    NotJudged,
}

/// An artifact that does not come out the same twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unstable {
    /// Its name.
    pub name: String,
    /// From the first build; `None` if it was not produced.
    pub first: Option<DigestSet>,
    /// From the second build.
    pub second: Option<DigestSet>,
}

impl Stability {
    pub(super) fn of(first: &Rebuild, second: &Rebuild, expected: &[String]) -> Self {
        if !first.completed() || !second.completed() || expected.is_empty() {
            return Self::NotJudged;
        }
        let digests = |rebuild: &Rebuild, name: &str| {
            rebuild.artifacts.iter().find(|kept| kept.name.as_str() == name).map(|kept| kept.digests.clone())
        };
        let mut unstable = Vec::new();
        for name in expected {
            let (first, second) = (digests(first, name), digests(second, name));
            match (&first, &second) {
                (Some(a), Some(b)) if a.agreement(b) == Agreement::Same => {}
                (None, None) => return Self::NotJudged,
                _ => unstable.push(Unstable { name: name.clone(), first, second }),
            }
        }
        if unstable.is_empty() { Self::Stable } else { Self::Unstable(unstable) }
    }
}

/// Builds a second time under varied clock, host name, number of processors and build path, and says
/// whether it comes out as `first`. `request.work_dir` is another folder than the first build's.
///
/// # Errors
///
/// As [`rebuild`](super::rebuild).
pub fn rebuild_varied(
    request: &Request<'_>,
    first: &Rebuild,
    observer: &dyn Observer,
) -> Result<(Rebuild, Stability), RebuildError> {
    let second = stage::run(request, &Variation::varied(&request.lock.build.path), observer)?;
    let stability = Stability::of(first, &second, &request.lock.build.expected);
    Ok((second, stability))
}
