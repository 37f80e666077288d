//! One run of a command: CPU time of its process tree, wall time, largest resident set.
//!
//! The command is left a zombie until its times, which then include those of all descendants that were
//! waited for, are read from `/proc`. Peak memory is each process' own high-water mark, looked at every
//! few milliseconds, so it can miss only what happens in the last of them.

use std::fmt;
use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Between two looks at the memory.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) cpu_seconds: f64,
    pub(crate) wall_seconds: f64,
    pub(crate) peak_mib: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} / {:.3} / {:.0}", self.cpu_seconds, self.wall_seconds, self.peak_mib)
    }
}

impl Measured {
    pub(crate) fn ratio(&self, peer: &Self) -> String {
        let cpu = self.cpu_seconds / peer.cpu_seconds;
        let wall = self.wall_seconds / peer.wall_seconds;
        format!("{cpu:.2} / {wall:.2} / {:.2}", self.peak_mib / peer.peak_mib)
    }
}

/// Medians, each figure by itself.
pub(crate) fn median(runs: &[Measured]) -> Measured {
    let middle = |of: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Measured {
        cpu_seconds: middle(|m| m.cpu_seconds),
        wall_seconds: middle(|m| m.wall_seconds),
        peak_mib: middle(|m| m.peak_mib),
    }
}

/// Runs a command to its end; one that fails is an error.
pub(crate) fn run(mut command: Command) -> io::Result<Measured> {
    let before = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let pid = child.id();
    let id = Pid::from_raw(i32::try_from(pid).unwrap_or(0)).ok_or(io::ErrorKind::NotFound)?;
    let mut peak_kib = 0;
    loop {
        peak_kib = peak_kib.max(peak_of_tree(pid, 0));
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        if waitid(WaitId::Pid(id), options)?.is_some() {
            break;
        }
        // Short commands would otherwise be measured by the interval.
        let pause = (before.elapsed() / 20).clamp(Duration::from_micros(200), LOOK_EVERY);
        std::thread::sleep(pause);
    }
    let wall_seconds = before.elapsed().as_secs_f64();
    let cpu_seconds =
        cpu_of_zombie(pid).ok_or_else(|| io::Error::other("the command's times cannot be read"))?;
    let status = child.wait()?;
    if !status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {status}")));
    }
    Ok(Measured { cpu_seconds, wall_seconds, peak_mib: peak_kib as f64 / 1024.0 })
}

/// User and system time, own and of waited-for children (proc_pid_stat(5), fields 14 to 17).
fn cpu_of_zombie(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let ticks: f64 = rest.split_whitespace().skip(11).take(4).filter_map(|n| n.parse::<f64>().ok()).sum();
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

fn peak_of_tree(pid: u32, depth: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let own = status
        .lines()
        .find_map(|l| l.strip_prefix("VmHWM:"))
        .and_then(|l| l.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0);
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|c| c.parse().ok());
    if depth > 20 { own } else { children.map(|c| peak_of_tree(c, depth + 1)).fold(own, u64::max) }
}
