//! Bounds on a Python package index, on source distributions, and on choosing build requirements.

use super::archive::ArchiveLimits;

/// Bounds for everything that comes from a Python package index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PypiLimits {
    /// A project's page in bytes. Default 64 MiB: the public index's longest, of projects with nightly
    /// releases for many platforms, stay below 20 MiB.
    pub page_bytes_max: u64,
    /// Files of one project. Default 200,000: a page of `page_bytes_max` holds no more at 300 bytes each.
    pub files_max: usize,
    /// A distribution whose length the index does not give, in bytes. Default 1 GiB: ten times the public
    /// index's default bound on one file.
    pub distribution_bytes_max: u64,
    /// The provenance of one file in bytes. Default 4 MiB: one attestation has some 10 kB.
    pub provenance_bytes_max: u64,
    /// Bounds on a source distribution. Default: 2 GiB expanded, 200,000 members, the rest as for any
    /// archive; the Linux kernel's source has 1.5 GB in 90,000 files.
    pub sdist: ArchiveLimits,
    /// Folders in a member's path. Default 64: Java trees, the deepest in use, stay below 30.
    pub depth_max: usize,
    /// `pyproject.toml` or `METADATA` in bytes. Default 4 MiB: long descriptions have some 100 kB.
    pub metadata_bytes_max: u64,
    /// Build requirements with all that they require. Default 500: maturin's and scikit-build's closures
    /// have fewer than 20.
    pub requirements_max: usize,
    /// How often the choice of requirements is begun anew because a later one narrows an earlier one.
    /// Default 100.
    pub choices_max: usize,
}

impl PypiLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        page_bytes_max: 64 << 20,
        files_max: 200_000,
        distribution_bytes_max: 1 << 30,
        provenance_bytes_max: 4 << 20,
        sdist: ArchiveLimits { expanded_bytes_max: 2 << 30, members_max: 200_000, ..ArchiveLimits::DEFAULT },
        depth_max: 64,
        metadata_bytes_max: 4 << 20,
        requirements_max: 500,
        choices_max: 100,
    };
}
