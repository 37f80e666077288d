//! Bounds on Debian's archives: indexes, source packages, and the resolver that is asked.

use std::time::Duration;

use super::archive::ArchiveLimits;
use super::signature::SignatureLimits;

/// Bounds for everything that is read from an archive of Debian's layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebianLimits {
    /// Bounds on signatures and signed texts.
    pub signature: SignatureLimits,
    /// Bounds on the archives inside packages.
    pub archive: ArchiveLimits,
    /// An expanded index in bytes. Default 512 MiB: bookworm's `Packages` has 50 MB, trixie's
    /// `Sources` 57 MB.
    pub index_bytes_max: u64,
    /// One stanza of an index in bytes. Default 4 MiB: the longest of bookworm and trixie has 398 kB.
    pub stanza_bytes_max: usize,
    /// Fields of one stanza. Default 512: an `InRelease` has fewer than 20.
    pub fields_max: usize,
    /// Files of one source package. Default 1000: bookworm's largest has fewer than 100.
    pub source_files_max: usize,
    /// A changelog in bytes, expanded. Default 64 MiB: the longest of bookworm has 2 MB.
    pub changelog_bytes_max: u64,
    /// One entry of a changelog in bytes. Default 256 KiB: a binary-only rebuild's has 300.
    pub changelog_entry_bytes_max: usize,
    /// How far an index may be dated after `as_of`. Default one day: time zones taken for one another
    /// stay below that, and apt refuses a `Date` from 10 s in the future.
    pub clock_skew: Duration,
    /// What `apt-get` may print in bytes. Default 16 MiB: 505 packages give 80 kB.
    pub resolver_output_bytes_max: u64,
    /// How long `apt-get` may run. Default 10 min: 505 packages take 4 s of CPU.
    pub resolver_timeout: Duration,
    /// The host's apt configuration in bytes, each file. Default 1 MiB.
    pub apt_file_bytes_max: u64,
}

impl DebianLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        signature: SignatureLimits::DEFAULT,
        archive: ArchiveLimits::DEFAULT,
        index_bytes_max: 512 << 20,
        stanza_bytes_max: 4 << 20,
        fields_max: 512,
        source_files_max: 1000,
        changelog_bytes_max: 64 << 20,
        changelog_entry_bytes_max: 256 << 10,
        clock_skew: Duration::from_secs(24 * 60 * 60),
        resolver_output_bytes_max: 16 << 20,
        resolver_timeout: Duration::from_secs(600),
        apt_file_bytes_max: 1 << 20,
    };
}

/// A lock in bytes. Ten times what 20,000 packages of 300 bytes would take.
pub const LOCK_BYTES_MAX: u64 = 64 << 20;
