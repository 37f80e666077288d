//! Bounds on Go modules, tool chains and the registries of what is built from them.

use super::archive::ArchiveLimits;

/// Bounds on what proxies, checksum databases and registries send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoLimits {
    /// A module's zip in bytes, packed. Default 500 MiB: `MaxZipFile` of `golang.org/x/mod/zip`.
    pub zip_bytes_max: u64,
    /// The same, unpacked: that package bounds the sum of a module's files by the same number.
    pub unpacked_bytes_max: u64,
    /// A `go.mod` in bytes. Default 16 MiB: `MaxGoMod` there.
    pub mod_bytes_max: u64,
    /// Members of a zip. Default 200,000: Go's own tool chain has 15,000.
    pub members_max: u64,
    /// Lines of a `go.sum`. Default 100,000: Kubernetes' has fewer than 2,000.
    pub sum_lines_max: usize,
    /// An answer of a checksum database in bytes. Default 1 MiB, as the go command's own reader: an
    /// answer to a look-up has some 300 bytes, a tile 8 KiB.
    pub database_bytes_max: u64,
    /// A module's `.info` in bytes. Default 64 KiB: it has a version, a time and an origin.
    pub info_bytes_max: u64,
    /// A registry's description of one version in bytes. Default 4 MiB: those of npm's largest packages
    /// reach some 100 KiB.
    pub description_bytes_max: u64,
    /// A published archive in bytes. Default 2 GiB: GitHub's bound on a release asset.
    pub published_bytes_max: u64,
    /// Members of a published archive. Default 50,000: the largest packages of npm have some 30,000, the
    /// releases of the first world fewer than ten.
    pub published_members_max: u64,
}

impl GoLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        zip_bytes_max: 500 << 20,
        unpacked_bytes_max: 500 << 20,
        mod_bytes_max: 16 << 20,
        members_max: 200_000,
        sum_lines_max: 100_000,
        database_bytes_max: 1 << 20,
        info_bytes_max: 64 << 10,
        description_bytes_max: 4 << 20,
        published_bytes_max: 2 << 30,
        published_members_max: 50_000,
    };

    /// As bounds on a zip archive.
    pub const fn archive(&self) -> ArchiveLimits {
        ArchiveLimits {
            expanded_bytes_max: self.unpacked_bytes_max,
            members_max: self.members_max,
            ..ArchiveLimits::DEFAULT
        }
    }
}
