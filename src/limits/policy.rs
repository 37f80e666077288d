//! Bounds on one evaluation of a policy.

use std::time::Duration;

/// Bounds on one evaluation of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Length of a policy in bytes. Default 256 KiB: ours has 6 KiB.
    pub source_bytes_max: u64,
    /// Length of the input document in bytes. Default 16 MiB: that of Prometheus with all findings and
    /// controls has less than 1 MiB.
    pub input_bytes_max: u64,
    /// Instructions of the engine's machine. Default 20,000,000; the default policy needs less than a
    /// tenth of it for Prometheus with all findings and controls, which a test holds.
    pub instructions_max: usize,
    /// Time, as a net below the count of instructions. Default 30 seconds.
    pub time_max: Duration,
    /// Memory that an evaluation may add to the process, in bytes. Default 1 GiB, what our other
    /// stages stay below; the input is a thousandth of it.
    pub memory_bytes_max: u64,
    /// Entries of one answer. Default 10,000: a policy that says more is not read.
    pub answers_max: usize,
}

impl PolicyLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        source_bytes_max: 256 << 10,
        input_bytes_max: 16 << 20,
        instructions_max: 20_000_000,
        time_max: Duration::from_secs(30),
        memory_bytes_max: 1 << 30,
        answers_max: 10_000,
    };
}
