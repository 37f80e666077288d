//! A sealed place to run a build in, made by this crate itself: no external program, no set-user-ID
//! helper, root or not.
//!
//! # What is inside
//!
//! New user, mount, process, network, IPC, host name and cgroup namespaces. One user and one group; no
//! capability, none to be gained. The root file system read-only, `/tmp`, `/run`, `/dev/shm` in memory
//! and bounded, `/dev` with seven harmless devices, an own read-only `/proc`, an empty `/sys`. Nothing
//! of the host's environment, descriptors, terminal or processes. [`seccomp`] lists the system calls
//! that are refused. No time namespace: it shifts only the monotonic clock, which no build writes down.
//!
//! # How it is made
//!
//! The caller may be a program with many threads, so nothing may be allocated between fork and exec,
//! and a library cannot re-execute the program that it is linked into. Hence one `clone3` with all
//! namespaces at once, and a child that walks through a list of prepared calls ([`call`], [`plan`]).
//! That child stays as the first process of the namespace: it reaps, and when it ends the kernel kills
//! all others. It dies with the thread that watches it (`PR_SET_PDEATHSIG`), even by `kill -9`; that
//! signal could come too early to be noticed, so it also looks whether the watcher's pipe still has an
//! end. It is a copy of the caller, memory included, so it is made unreadable before anything else.
//!
//! A caller that is root acts inside as an unprivileged user of the host, with the effect that files
//! of the host's root stay out of reach even where a mount shows them.
//!
//! # What it does not do
//!
//! It does not protect against errors of the kernel in what it leaves reachable, nor hide the kernel's
//! version, the processor's model and the time. Where no cgroup is delegated to the caller, memory,
//! tasks and processor time are polled every 100 ms, so a burst between two looks may exceed them.
//! Supplementary groups of an unprivileged caller stay (the kernel offers no way to drop them), as
//! ids that have no name inside.

mod call;
mod cgroup;
mod disk;
mod door;
mod error;
mod linux;
mod plan;
mod running;
mod seccomp;
mod tree;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use door::Kind as SocketKind;
pub use error::{Restriction, SandboxError};
pub use running::Running;

use crate::limits::sandbox::SandboxLimits;

/// Which network there is inside. Never another process's, not even the host's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// None: the loopback interface is down, and only Unix sockets can be made.
    None,
    /// The sandbox's own loopback interface, up, with nothing behind it. Whoever started the sandbox
    /// with [`spawn`] may take part through [`Running::socket`].
    Loopback,
}

/// A path of the host that is shown inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The folder or file of the host; absolute.
    pub source: PathBuf,
    /// Where it is seen; absolute, and there already in the root file system. No part of it may be a
    /// symbolic link.
    pub target: PathBuf,
}

/// How the two output streams are captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Each through its own pipe: who wrote is known, the order between the two is not.
    Separate,
    /// Both through one pipe: in the order of writing, all called standard output.
    Merged,
}

/// Everything that decides what a program sees inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Root file system on the host; shown read-only, without set-user-ID and devices.
    pub root: PathBuf,
    /// Folders that may be written to, owned by the user inside. The only ones on disk.
    pub writable: Vec<Mount>,
    /// More folders and files, read-only.
    pub read_only: Vec<Mount>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Host name.
    pub host_name: String,
    /// User number inside.
    pub uid: u32,
    /// Group number inside.
    pub gid: u32,
    /// Working folder at the start.
    pub work_dir: PathBuf,
    /// Network.
    pub network: Network,
    /// Capture of the output.
    pub output: Output,
    /// Processors that may be used, counted from the first one allowed to the caller; all if `None`.
    pub cpus_max: Option<usize>,
    /// Limits.
    pub limits: SandboxLimits,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The program ended by itself.
    Exited {
        /// Its exit status, 0 to 255.
        status: i32,
    },
    /// The program was ended by a signal that did not come from us.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// Wall time was up.
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// Another limit was reached.
    LimitReached {
        /// Which.
        limit: Limit,
    },
    /// The caller ended it.
    Stopped,
}

impl Outcome {
    /// Whether the program ended by itself with status 0.
    pub const fn success(self) -> bool {
        matches!(self, Self::Exited { status: 0 })
    }
}

/// A limit other than wall time; see [`SandboxLimits`] for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Processor time of the tree.
    CpuTime,
    /// Memory of the tree.
    Memory,
    /// Threads and processes.
    Tasks,
    /// Bytes in the writable folders.
    Disk,
    /// Files in the writable folders.
    Files,
    /// Free bytes that must remain on the disk.
    DiskFree,
    /// Bytes of output.
    Log,
}

impl Limit {
    /// The name of the limit in [`SandboxLimits`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::CpuTime => "cpu-time-max",
            Self::Memory => "memory-bytes-max",
            Self::Tasks => "tasks-max",
            Self::Disk => "disk-bytes-max",
            Self::Files => "files-max",
            Self::DiskFree => "disk-free-bytes-min",
            Self::Log => "log-bytes-max",
        }
    }
}

/// What a run used. Tells of this machine and this moment: belongs in no compared result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    /// From the start of the sealing to the end of the last process.
    pub wall: Duration,
    /// Processor time in programs, over all processes.
    pub user: Duration,
    /// Processor time in the kernel, over all processes.
    pub system: Duration,
    /// Resident set of the largest single process, in bytes. An upper bound: the kernel counts the copy of
    /// the caller that each sandbox begins as.
    pub largest_process_bytes: u64,
    /// The most memory that the tree was seen to use, in bytes; a lower bound where it is polled, 0 where
    /// it was never seen. The caller's own memory is not in it.
    pub peak_memory_bytes: u64,
    /// Whether the memory was looked at until the end: the kernel counted it, or the processes lived when
    /// they were ended, so that their high-water marks could be read. A program that ends by itself may
    /// have used more after the last look.
    #[serde(default)]
    pub peak_to_the_end: bool,
    /// The most tasks that were seen at once.
    pub peak_tasks: u64,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
}

/// Which stream a line came through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output; with [`Output::Merged`] both.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where it came through.
    pub stream: Stream,
    /// When its end was read, from the start of the run.
    pub at: Duration,
    /// Its bytes without the line feed, hostile: at most `line_bytes_max` of them.
    pub bytes: &'a [u8],
}

/// Receives the output, line by line, on the thread that watches.
pub trait Sink {
    /// Takes one line. The program waits while this runs.
    fn line(&mut self, line: Line<'_>);
}

impl<F: FnMut(Line<'_>)> Sink for F {
    fn line(&mut self, line: Line<'_>) {
        self(line);
    }
}

/// Runs a program inside and waits until all its processes are gone.
///
/// `argv[0]` without `/` is looked for in the `PATH` of the specification. When the caller is root, the
/// writable folders are given to the unprivileged user that it acts as; files in them are to be
/// readable by others.
///
/// # Errors
///
/// Only where nothing was run. A program that fails is an [`Outcome`].
pub fn run(spec: &Spec, argv: &[String], sink: &mut dyn Sink) -> Result<Run, SandboxError> {
    watch::Watch::start(spec, argv, None, None)?.follow(sink)
}

/// Starts a program inside and returns at once; a thread of its own watches it.
///
/// # Errors
///
/// As [`run`], but the failures of sealing come from [`Running::wait`].
pub fn spawn(spec: Spec, argv: Vec<String>, sink: Box<dyn Sink + Send>) -> Result<Running, SandboxError> {
    Running::start(spec, argv, sink)
}
