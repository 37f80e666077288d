//! `make bench`: whole commands against their peers, in CPU seconds, wall time and peak memory.
//!
//! Each topic is a file with a function that gives cases; a case is our command, a peer's where there is
//! one, and targets. Runs are interleaved, medians are compared. What a machine lacks is said in the
//! table, never left out of it.

mod closure;
mod compare;
mod go;
mod measure;
mod root_fs;
#[path = "../it/sigstore_world/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]
mod sigstore_world;
mod verify;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use measure::Measured;

/// One row of the table.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) ours: Job,
    pub(crate) peer: Peer,
    pub(crate) targets: Vec<Target>,
}

/// Gives the command of a run, after whatever has to be cleared away first.
pub(crate) type Job = Box<dyn Fn() -> io::Result<Command>>;

/// What a case is compared with.
pub(crate) enum Peer {
    /// Nothing: the targets are absolute.
    None,
    /// A program that this machine lacks, and why that is so.
    Absent(String),
    /// A command with its name.
    Runs(String, Job),
}

/// What has to hold.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Our CPU seconds over the peer's.
    CpuRatio(f64),
    /// Our wall time over the peer's.
    WallRatio(f64),
    /// Our CPU seconds.
    CpuSeconds(f64),
    /// Our wall time in milliseconds.
    WallMillis(f64),
    /// Our peak memory in MiB, of the largest process.
    PeakMib(f64),
}

impl Target {
    /// The target in words, and whether it is met; `None` without a peer to compare with.
    fn judge(self, ours: &Measured, peer: Option<&Measured>) -> (String, Option<bool>) {
        let ratio = |of: fn(&Measured) -> f64| peer.map(|p| of(ours) / of(p));
        let (text, value, max) = match self {
            Self::CpuRatio(max) => (format!("CPU ratio <= {max}"), ratio(|m| m.cpu_seconds), max),
            Self::WallRatio(max) => (format!("wall ratio <= {max}"), ratio(|m| m.wall_seconds), max),
            Self::CpuSeconds(max) => (format!("CPU <= {max} s"), Some(ours.cpu_seconds), max),
            Self::WallMillis(max) => (format!("wall <= {max} ms"), Some(ours.wall_seconds * 1e3), max),
            Self::PeakMib(max) => (format!("peak <= {max} MiB"), Some(ours.peak_mib), max),
        };
        (text, value.map(|v| v <= max))
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    let answer = match first.as_deref().and_then(|f| f.to_str()) {
        // Our side of a case, run as a process of its own.
        Some("root-fs-make") => root_fs::run(arguments),
        Some("closure-fetch") => closure::run(arguments),
        Some(job) if job.starts_with("verify-") => verify::run(job, arguments),
        first => bench(first),
    };
    match answer {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench: {error}");
            ExitCode::from(4)
        }
    }
}

/// Runs the cases whose names hold the filter; whether all targets are met.
fn bench(filter: Option<&str>) -> io::Result<bool> {
    let scratch =
        PathBuf::from(std::env::var_os("REPROVE_BENCH_DIR").unwrap_or_else(|| "target/bench".into()));
    let runs = std::env::var("REPROVE_BENCH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(3usize).max(1);
    std::fs::create_dir_all(&scratch)?;
    let scratch = scratch.canonicalize()?;
    let mut cases = Vec::new();
    let mut absent = Vec::new();
    for topic in [root_fs::cases, compare::cases, verify::cases, go::cases, closure::cases] {
        match topic(&scratch)? {
            Ok(more) => cases.extend(more),
            Err(why) => absent.push(why),
        }
    }
    cases.retain(|c| filter.is_none_or(|f| c.name.contains(f)));
    let mut out = io::stdout().lock();
    let columns = ["case", "ours: CPU s / wall s / peak MiB", "peer", "ratio CPU / wall / peak", "targets"];
    writeln!(
        out,
        "{:<44} | {:<32} | {:<44} | {:<24} | {}",
        columns[0], columns[1], columns[2], columns[3], columns[4]
    )?;
    let mut all_met = absent.is_empty();
    for case in cases {
        let (ours, peer) = measure_case(&case, runs)?;
        let (peer_text, ratio) = match (&case.peer, &peer) {
            (Peer::Runs(name, _), Some(peer)) => (format!("{name}: {peer}"), ours.ratio(peer)),
            (Peer::Absent(why), _) => (format!("peer absent: {why}"), "-".into()),
            _ => ("-".into(), "-".into()),
        };
        let mut targets = Vec::new();
        for target in &case.targets {
            let (text, met) = target.judge(&ours, peer.as_ref());
            all_met &= met == Some(true);
            let word = met.map_or("not compared", |met| if met { "met" } else { "MISSED" });
            targets.push(format!("{text}: {word}"));
        }
        let targets = targets.join("; ");
        writeln!(
            out,
            "{:<44} | {:<32} | {peer_text:<44} | {ratio:<24} | {targets}",
            case.name,
            ours.to_string()
        )?;
    }
    root_fs::clear()?;
    for why in absent {
        writeln!(out, "not measured: {why}")?;
    }
    writeln!(
        out,
        "medians of {runs} interleaved runs; CPU is user and system time of the whole process tree"
    )?;
    Ok(all_met)
}

fn measure_case(case: &Case, runs: usize) -> io::Result<(Measured, Option<Measured>)> {
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(measure::run((case.ours)()?)?);
        if let Peer::Runs(_, job) = &case.peer {
            peers.push(measure::run(job()?)?);
        }
    }
    Ok((measure::median(&ours), (!peers.is_empty()).then(|| measure::median(&peers))))
}
