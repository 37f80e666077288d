//! Bounds on reading what an artifact says of itself.

/// Bounds for one artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObserveLimits {
    /// Length of a Go binary's module text in bytes. Default 4 MiB: Kubernetes' largest binaries carry
    /// less than 100 KiB.
    pub go_module_text_bytes_max: u64,
    /// Length of the Go version string in bytes. Default 1024: released versions have fewer than 16,
    /// development ones with experiments fewer than 200.
    pub go_version_bytes_max: u64,
    /// Modules in a Go binary. Default 20,000: two orders above the largest build lists in use.
    pub go_modules_max: usize,
    /// Source files that a Go binary's line tables may name, beside those of its tool chain and of other
    /// modules. Default 100,000: Kubernetes' largest binaries name fewer than 30,000 of all kinds.
    pub go_files_max: usize,
    /// Sections or segments of an executable that are looked at. Default 65,535: the ELF header's own
    /// 16-bit count.
    pub sections_max: usize,
    /// Go programs of a wheel that are told. Default 16: the wheels in use that hold any hold one or two.
    pub wheel_programs_max: usize,
    /// Members of a wheel. Default 100,000: the largest wheels in use have fewer than 20,000.
    pub wheel_members_max: usize,
    /// Bytes of one metadata file of a wheel (`WHEEL`, `METADATA`, `RECORD`). Default 16 MiB.
    pub wheel_metadata_bytes_max: u64,
    /// Decoded bytes over all members of a wheel. Default 8 GiB: the largest wheels in use hold less
    /// than 4 GiB.
    pub wheel_expanded_bytes_max: u64,
}

impl ObserveLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        go_module_text_bytes_max: 4 << 20,
        go_version_bytes_max: 1024,
        go_modules_max: 20_000,
        go_files_max: 100_000,
        sections_max: 65_535,
        wheel_programs_max: 16,
        wheel_members_max: 100_000,
        wheel_metadata_bytes_max: 16 << 20,
        wheel_expanded_bytes_max: 8 << 30,
    };
}
