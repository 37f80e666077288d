//! Bounds on what runs inside the sandbox.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Bounds for one run of the sandbox; a run that reaches one is ended with all its processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SandboxLimits {
    /// Wall time. Default 6 hours: the largest build measured (Prometheus) took 16 minutes on two
    /// loaded cores, and Debian's build machines give up after 150 minutes without output.
    pub wall_time_max: Duration,
    /// Processor time of the whole process tree, user and system. Default 12 hours: Prometheus took
    /// 304 seconds.
    pub cpu_time_max: Duration,
    /// Memory of the process tree in bytes. With cgroups v2 what the kernel charges; without, the sum
    /// of resident sets, in which a page that two processes share counts twice. Default 8 GiB:
    /// Prometheus peaks at 1.2 GiB.
    pub memory_bytes_max: u64,
    /// Threads and processes alive at once. Default 4096: `make -j2` stays below 50, and a Go
    /// compiler starts some tens of threads.
    pub tasks_max: u64,
    /// Bytes on disk in the writable folders together; also the largest single file. Default 20 GiB:
    /// Prometheus leaves less than 4 GiB.
    pub disk_bytes_max: u64,
    /// Files and folders in the writable folders together. Default 2,000,000: the kernel's source
    /// and objects are about 150,000.
    pub files_max: u64,
    /// Free bytes that must remain on the file system of the writable folders, whoever used them up.
    /// Default 256 MiB: enough for the host to go on writing its logs.
    pub disk_free_bytes_min: u64,
    /// Size of each of `/tmp`, `/run` and `/dev/shm`, which are in memory. Default 2 GiB: a quarter of
    /// the memory limit; the Go linker keeps its output of some 100 MiB in `/tmp`.
    pub tmpfs_bytes_max: u64,
    /// Bytes of output, standard output and standard error together. Default 256 MiB: the log of
    /// Prometheus has 0.3 MiB, those of the largest packages about 100 MiB.
    pub log_bytes_max: u64,
    /// Bytes of one line of output; a longer one is handed on in pieces. Default 64 KiB: linker
    /// command lines of large packages reach some 10 KiB.
    pub line_bytes_max: usize,
    /// Open files of one process, the soft limit. Default 1024: what Debian's build machines use, and
    /// programs that close every possible descriptor are slow above it.
    pub open_files_max: u64,
}

impl SandboxLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        wall_time_max: Duration::from_secs(6 * 3600),
        cpu_time_max: Duration::from_secs(12 * 3600),
        memory_bytes_max: 8 << 30,
        tasks_max: 4096,
        disk_bytes_max: 20 << 30,
        files_max: 2_000_000,
        disk_free_bytes_min: 256 << 20,
        tmpfs_bytes_max: 2 << 30,
        log_bytes_max: 256 << 20,
        line_bytes_max: 64 << 10,
        open_files_max: 1024,
    };
}
