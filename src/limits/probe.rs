//! Bounds on probes: what a specification may ask for, and what a probed component may do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sandbox::SandboxLimits;

/// Bytes of a file of specifications. 4 MiB: the largest kept here has 0.2 MiB.
pub const SPECS_BYTES_MAX: u64 = 4 << 20;
/// Bytes of one text of a specification: a body, a file, an expected excerpt. 64 KiB: the largest kept
/// here has 1.2 KiB.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
/// Entries of one list of a specification: arguments, files, headers, expectations. 64: the longest kept
/// here has 8.
pub const ENTRIES_MAX: usize = 64;
/// Auxiliary servers of one launch. 8: the most kept here is 2.
pub const SERVERS_MAX: usize = 8;
/// Bytes that a compressed answer of an auxiliary server may expand to. 64 MiB: twice the bomb of the
/// facts that the probes were made from, and far below what harms a machine.
pub const BOMB_BYTES_MAX: u64 = 64 << 20;
/// Series that an auxiliary server may serve. 100,000: some 5 MB of text.
pub const SERIES_MAX: u32 = 100_000;
/// Seconds that one request may ask for. 60: the longest kept here asks for 20.
pub const REQUEST_SECONDS_MAX: u64 = 60;

/// Bounds on a probed component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProbeLimits {
    /// The sandbox's, for each launch.
    pub sandbox: SandboxLimits,
    /// Time from the start until the component answers. Default 20 s: Prometheus takes half a second on
    /// an idle machine.
    pub ready_time_max: Duration,
    /// Time for one request where the specification names none. Default 10 s: answers come within
    /// milliseconds.
    pub request_time_max: Duration,
    /// Time until a polled answer, a line of the log or a request to an auxiliary server must be seen.
    /// Default 15 s: Prometheus' service discovery waits five seconds before its first scrape.
    pub settle_time_max: Duration,
    /// Bytes of an answer's head. Default 64 KiB: ten times what Go's server sends at most by default.
    pub head_bytes_max: usize,
    /// Header fields of an answer. Default 100, as many as common servers accept.
    pub headers_max: usize,
    /// Bytes of an answer's body that are read. Default 8 MiB: Prometheus' own metrics have 0.1 MiB.
    pub body_bytes_max: usize,
    /// Bytes of output that are kept. Default 4 MiB: a debug log of these probes has some KiB.
    pub log_bytes_max: usize,
    /// Bytes of an excerpt in a result. Default 2 KiB: readable in a report.
    pub excerpt_bytes_max: usize,
    /// Requests to one auxiliary server that are kept. Default 256: scrapes come once a second.
    pub requests_seen_max: usize,
    /// Launches at once. Default 12: they mostly wait, and each holds some 60 MiB.
    pub launches_at_once_max: usize,
}

impl ProbeLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        sandbox: SandboxLimits {
            wall_time_max: Duration::from_secs(120),
            cpu_time_max: Duration::from_secs(60),
            memory_bytes_max: 1 << 30,
            tasks_max: 256,
            disk_bytes_max: 256 << 20,
            files_max: 4096,
            disk_free_bytes_min: 256 << 20,
            tmpfs_bytes_max: 64 << 20,
            log_bytes_max: 16 << 20,
            line_bytes_max: 64 << 10,
            open_files_max: 1024,
        },
        ready_time_max: Duration::from_secs(20),
        request_time_max: Duration::from_secs(10),
        settle_time_max: Duration::from_secs(15),
        head_bytes_max: 64 << 10,
        headers_max: 100,
        body_bytes_max: 8 << 20,
        log_bytes_max: 4 << 20,
        excerpt_bytes_max: 2 << 10,
        requests_seen_max: 256,
        launches_at_once_max: 12,
    };
}
