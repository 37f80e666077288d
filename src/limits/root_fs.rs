//! Bounds on unpacking binary packages into a root file system.

use super::archive::ArchiveLimits;

/// Bounds for one root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootFsLimits {
    /// Bounds for each package's archives.
    pub archive: ArchiveLimits,
    /// Packages. Default 20,000: a third of all binary packages of Debian bookworm.
    pub packages_max: usize,
    /// Decoded bytes over all packages. Default 64 GiB: thirty times the environment of Prometheus.
    pub expanded_bytes_max: u64,
    /// Bytes of one package's control archive, decoded. Default 64 MiB: the 503 packages measured hold
    /// 11 MiB together.
    pub control_bytes_max: u64,
    /// Components of a member's path. Default 100: the deepest measured has 21, and a descriptor is held
    /// for each while unpacking (1024 are allowed by default).
    pub depth_max: usize,
    /// Bytes of a component of a member's path. Default 255: Linux `NAME_MAX`.
    pub component_bytes_max: usize,
    /// Steps in reading one maintainer script for alternatives. Default 100,000: a thousand times the
    /// longest measured.
    pub script_steps_max: u32,
    /// Threads that unpack, whatever the machine has. Default 8: each holds a decoder's window, and
    /// all of them must stay below 200 MiB with the usual 8 MiB window of `xz -6`.
    pub threads_max: usize,
}

impl RootFsLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        archive: ArchiveLimits { decoder_memory_bytes_max: 80 << 20, ..ArchiveLimits::DEFAULT },
        packages_max: 20_000,
        expanded_bytes_max: 64 << 30,
        control_bytes_max: 64 << 20,
        depth_max: 100,
        component_bytes_max: 255,
        script_steps_max: 100_000,
        threads_max: 8,
    };
}
