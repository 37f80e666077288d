//! Clocks other than the host's, for programs that ask the C library: libraries that the environment's
//! own compiler makes inside, and that are preloaded from then on.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::folder::readable;
use super::steps::Steps;
use super::{ClockVariation, Outcome, RebuildError, sandbox};
use crate::event::{Event, Stage};

/// The clock that the second build preloads.
const AHEAD: &str = include_str!("clock.c");
/// The clock that stands still, and files that were written then.
const STILL: &str = include_str!("still.c");

const LIBRARY: &str = "/build/clock.so";
const AHEAD_SOURCE: &str = "/build/clock.c";
const STILL_SOURCE: &str = "/build/still.c";

/// Puts the sources into the build folder.
pub(super) fn write_sources(build_dir: &Path) -> Result<(), RebuildError> {
    for (path, text) in [(AHEAD_SOURCE, AHEAD), (STILL_SOURCE, STILL)] {
        let path = build_dir.join(path.trim_start_matches("/build/"));
        fs::write(&path, text).map_err(RebuildError::disk("write", &path))?;
        readable(&path, 0o644)?;
    }
    Ok(())
}

impl Steps<'_> {
    /// Preloads a clock that is ahead; says what became of it.
    pub(super) fn shift_clock(&mut self, shift: Duration) -> Result<ClockVariation, RebuildError> {
        let made = match self.preload(AHEAD_SOURCE, &[format!("-DSHIFT={}", shift.as_secs())]) {
            Ok(end) => end.is_none(),
            Err(RebuildError::Sandbox(sandbox::SandboxError::Exec { .. })) => false,
            Err(error) => return Err(error),
        };
        if made {
            return Ok(ClockVariation::Ahead(shift));
        }
        self.observer.event(&Event::Note {
            stage: Stage::Rebuild,
            text: "the clock could not be varied: the environment's compiler made no library",
        });
        Ok(ClockVariation::NotVaried)
    }

    /// Preloads a clock that stands still; how all ends where it cannot be made.
    pub(super) fn still_clock(&mut self, at: i64) -> Result<Option<Outcome>, RebuildError> {
        self.preload(STILL_SOURCE, &[format!("-DSTILL={at}"), format!("-DOWN=\"{LIBRARY}\"")])
    }

    fn preload(&mut self, source: &str, defines: &[String]) -> Result<Option<Outcome>, RebuildError> {
        let mut argv: Vec<String> = ["gcc", "-shared", "-fPIC", "-O2"].map(str::to_owned).to_vec();
        argv.extend_from_slice(defines);
        argv.extend(["-o", LIBRARY, source].map(str::to_owned));
        let end = self.step("clock", argv)?;
        if end.is_none() {
            // `fakeroot` keeps what is preloaded already.
            self.spec.env.insert("LD_PRELOAD".to_owned(), LIBRARY.to_owned());
        }
        Ok(end)
    }
}
