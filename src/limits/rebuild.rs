//! Bounds on what a rebuild reads back from a build that is not trusted.

use serde::{Deserialize, Serialize};

use super::sandbox::SandboxLimits;

/// Bounds for one rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RebuildLimits {
    /// The sandbox's. Wall time, processor time and log count over all steps together.
    pub sandbox: SandboxLimits,
    /// Bytes of one artifact. Default 4 GiB: Debian's largest package is below 2 GiB, and the ar
    /// format ends at 10 GB.
    pub artifact_bytes_max: u64,
    /// Bytes that one question to the toolchain may be answered with. Default 64 KiB: `gcc -v` prints
    /// 1.5 KiB.
    pub answer_bytes_max: u64,
    /// Bytes of `debian/changelog` that an entry is put before. Default 64 MiB: the longest in Debian
    /// have some MiB.
    pub changelog_bytes_max: u64,
    /// Entries of the folder in which the artifacts are. Default 10,000: `gcc` makes some 200.
    pub folder_entries_max: usize,
}

impl RebuildLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        sandbox: SandboxLimits::DEFAULT,
        artifact_bytes_max: 4 << 30,
        answer_bytes_max: 64 << 10,
        changelog_bytes_max: 64 << 20,
        folder_entries_max: 10_000,
    };
}
