//! Starts a component in the sandbox, asks it, and records its answers.
//!
//! [`spec`] says what is started, asked and expected; [`answer`] what was found; [`run`] does it. Each
//! start has its own sandbox with its own loopback interface and no other network; requests go in, and
//! auxiliary servers listen there, through sockets that the sandbox hands out, so that no helper program
//! runs inside. Probes that ask for no change share a start; whatever was accepted as a change is followed
//! by a new one. Starts run side by side.
//!
//! # What it can and cannot tell
//!
//! A probe that holds tells that this program, started so, gave this answer to this request. It does not
//! tell that another request gives the expected answer too, nor that a program that answers as if a fault
//! were mended has mended it: a wrapper around the old program that recognises the request, or the
//! sandbox, passes. What ties the program to its source is the rebuild, and whoever reads an answer
//! needs both. What a start cannot bring about (a component that does not start, a limit, no expectation
//! for the version) is *could not tell*, never an answer.

pub mod answer;
mod ask;
mod error;
mod http;
mod judge;
mod launch;
mod programs;
mod schedule;
mod servers;
mod socket;
pub mod spec;
mod tls;
mod words;

use std::path::Path;

use serde::{Deserialize, Serialize};

use answer::{Answer, Observed};
pub use error::ProbeError;
use launch::Setting;
pub use programs::{install_programs, program_names};
use spec::Probe;

use crate::event::{Event, Observer, Stage};
use crate::limits::probe::ProbeLimits;
use crate::rebuild::sandbox::Mount;

/// What is probed.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// A root file system in which the component is installed, with folders `/build`, `/etc` and `/sys`. It is
    /// shown read-only.
    pub root: &'a Path,
    /// Files of the host that are shown in place of files of the root, as a program that is in no package.
    pub in_place: &'a [Mount],
    /// Variables of the component's environment beside the sandbox's own: where a library is found.
    pub env: &'a [(&'a str, &'a str)],
    /// The component's version, as its publisher writes it.
    pub version: &'a str,
    /// An existing folder for the run's files; nothing is left there.
    pub work_dir: &'a Path,
}

/// A probe's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Probed {
    /// The probe's id.
    pub id: String,
    /// Whether what was expected is so.
    pub answer: Answer,
    /// What was seen.
    pub observed: Observed,
}

/// Runs probes, which must have been [checked](Probe::check), and gives their answers in the same order.
///
/// Which component they are for is the caller's to choose: programs are looked for in the root, whatever
/// `component` says.
///
/// # Errors
///
/// Only where nothing could be started. What a component does is an answer.
pub fn run(
    subject: &Subject<'_>,
    probes: &[(&str, &Probe)],
    limits: &ProbeLimits,
    observer: &dyn Observer,
) -> Result<Vec<Probed>, ProbeError> {
    let scratch = |source| ProbeError::Scratch { path: subject.work_dir.to_owned(), source };
    let work_dir = std::path::absolute(subject.work_dir).map_err(scratch)?;
    let root = std::path::absolute(subject.root).map_err(scratch)?;
    let folder = tempfile::Builder::new().prefix("probe-").tempdir_in(work_dir).map_err(scratch)?;
    // Inside it is another user who reads.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), mode).map_err(scratch)?;
    let etc = folder.path().join("etc");
    launch::etc(&root, &etc).map_err(scratch)?;
    let sys = folder.path().join("sys");
    launch::sys(&sys).map_err(scratch)?;
    let setting = Setting {
        root: &root,
        in_place: subject.in_place,
        env: subject.env,
        etc,
        sys,
        work_dir: folder.path(),
        version: spec::upstream(subject.version),
        identity: tls::Identity::make().map_err(|detail| ProbeError::Certificate { detail })?,
        limits,
    };
    observer.event(&Event::Started { stage: Stage::Probe, what: &format!("{} probes", probes.len()) });
    let probed = schedule::run(&setting, subject.version, probes, observer);
    let count = |word: &str| probed.iter().filter(|p| p.answer.word() == word).count();
    let words = ["holds", "does not hold", "could not tell"].map(|word| format!("{} {word}", count(word)));
    observer.event(&Event::Finished { stage: Stage::Probe, what: &words.join(", ") });
    Ok(probed)
}
