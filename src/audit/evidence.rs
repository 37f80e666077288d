//! From the stages' values to the report's model.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::rebuild::{COMPILER_CONFIGURATION, ClockVariation, Outcome, Rebuild};
use crate::report::{
    BuildResult, Evidence, FileState, Index, IndexKind, Signer, SourceFile, SourceSignature,
};
use crate::source::debian::{AuthenticatedSource, DscSignature, SignedIndex, SourceUnavailable};
use crate::verdict::Verdict;
use crate::verify::openpgp::SignatureOutcome;

/// Lines of a failed build's log that go into the report: a screenful or two.
const LOG_TAIL_LINES: usize = 60;

/// What the sandbox keeps from every build; its tests show each.
const ISOLATION: [&str; 6] = [
    "network off, not even another process's loopback",
    "own user, process, mount, IPC, host name and cgroup namespaces",
    "read-only root file system, one writable folder",
    "cleared environment, fixed user, host name, paths and umask",
    "no capabilities, no new privileges, system calls filtered",
    "limits on time, memory, processes, disk and log",
];

pub(super) fn index(index: &SignedIndex) -> Index {
    Index {
        suite: index.suite.clone(),
        date: index.date.to_string(),
        digest: index.digest.clone(),
        signed_by: index.signed_by.clone(),
        kind: IndexKind::Signed,
    }
}

pub(super) fn of_source(evidence: &mut Evidence, source: &AuthenticatedSource) {
    evidence.source.files =
        source.files.iter().map(|(file, _)| SourceFile::new(file, FileState::Checked)).collect();
    evidence.source.signature = signature(&source.dsc.signature);
}

pub(super) fn of_unavailable(evidence: &mut Evidence, source: &SourceUnavailable) {
    for file in &mut evidence.source.files {
        if source.missing.iter().any(|m| m.name == file.name) {
            file.state = FileState::Missing;
        }
    }
    if let Some(found) = &source.signature {
        evidence.source.signature = signature(found);
        for file in evidence.source.files.iter_mut().filter(|f| f.name.ends_with(".dsc")) {
            file.state = FileState::Checked;
        }
    }
}

fn signature(found: &DscSignature) -> SourceSignature {
    let good = found.signatures.iter().filter_map(|s| match s {
        SignatureOutcome::Good { fingerprint, user_id, .. } => {
            Some(Signer { fingerprint: fingerprint.clone(), name: user_id.clone() })
        }
        _ => None,
    });
    let unknown = || {
        found.signatures.iter().filter_map(|s| match s {
            SignatureOutcome::KeyNotKnown { issuers } => Some(issuers.clone()),
            _ => None,
        })
    };
    match found.verdict {
        Verdict::Pass => SourceSignature::Verified { by: good.collect() },
        Verdict::Fail if found.signatures.iter().any(|s| matches!(s, SignatureOutcome::Refuted { .. })) => {
            SourceSignature::Refuted { reason: found.to_string() }
        }
        // The bytes fit; what is not accepted is the algorithm, the key or the time.
        Verdict::Fail => SourceSignature::NotRelied { reason: found.to_string() },
        Verdict::Inconclusive if found.signatures.is_empty() => SourceSignature::Absent {},
        Verdict::Inconclusive if unknown().count() == found.signatures.len() => {
            SourceSignature::KeyNotKnown { keys: unknown().flatten().collect() }
        }
        Verdict::Inconclusive => SourceSignature::NotRelied { reason: found.to_string() },
    }
}

pub(super) fn of_rebuild(evidence: &mut Evidence, rebuild: &Rebuild, work_dir: &Path) {
    let step = |name: &str| {
        let index = rebuild.steps.iter().position(|s| s.name == name).unwrap_or(rebuild.steps.len());
        let command = rebuild.steps.get(index).map_or_else(|| name.to_owned(), |s| s.argv.join(" "));
        (u32::try_from(index + 1).unwrap_or(u32::MAX), command)
    };
    evidence.rebuild.result = match &rebuild.outcome {
        Outcome::Completed => BuildResult::Completed {},
        Outcome::StepFailed { step: name, status } => {
            let (step, command) = step(name);
            BuildResult::StepFailed { step, command, status: *status }
        }
        Outcome::TimedOut { step: name, after } => BuildResult::LimitReached {
            limit: format!("wall-time-max of {} s, in `{name}`", after.as_secs()),
        },
        Outcome::LimitReached { step: name, limit } => {
            BuildResult::LimitReached { limit: format!("{}, in `{name}`", limit.name()) }
        }
    };
    evidence.rebuild.isolation = ISOLATION.iter().map(|&s| s.to_owned()).collect();
    if !rebuild.completed() {
        evidence.rebuild.log_tail = log_tail(&rebuild.log_path(work_dir));
    }
    let told = rebuild.toolchain.iter().filter(|(name, _)| *name != COMPILER_CONFIGURATION);
    evidence.environment.toolchain.extend(told.map(|(name, said)| (name.clone(), said.clone())));
    if let Some(build) = &mut evidence.environment.build {
        build.env.clone_from(&rebuild.env);
    }
}

/// The log's last lines without their times.
fn log_tail(path: &Path) -> Vec<String> {
    let Ok(text) = end_of(path) else { return Vec::new() };
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LOG_TAIL_LINES);
    let untimed = |line: &str| match line.split_once(' ') {
        Some((time, rest)) if time.starts_with('+') => rest.to_owned(),
        _ => line.to_owned(),
    };
    lines.get(from..).unwrap_or_default().iter().map(|l| untimed(l)).collect()
}

/// The last 64 KiB: a thousand lines of a usual log.
fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(len.saturating_sub(64 << 10)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the second build had otherwise.
pub(super) fn varied(first: &Rebuild, second: &Rebuild) -> Vec<String> {
    let (a, b) = (&first.variation, &second.variation);
    let mut varied = vec![match b.clock {
        ClockVariation::Ahead(by) => {
            format!("clock ahead by {} days (for programs that ask the C library)", by.as_secs() / 86_400)
        }
        ClockVariation::Unchanged | ClockVariation::NotVaried => "clock not varied".to_owned(),
    }];
    if a.host_name != b.host_name {
        varied.push(format!("host name `{}`", b.host_name));
    }
    if let Some(cpus) = b.cpus_max.filter(|_| a.cpus_max != b.cpus_max) {
        varied.push(format!("{cpus} processor"));
    }
    if a.path != b.path {
        varied.push(format!("build path `{}`", b.path));
    }
    varied
}
