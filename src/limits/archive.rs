//! Bounds on reading compressed streams and archives.

/// Bounds for one archive, whatever its nesting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Decoded bytes over all members. Default 8 GiB: the largest package of Debian bookworm
    /// installs less than 4 GiB.
    pub expanded_bytes_max: u64,
    /// Memory that a decoder may take for its window. Default 256 MiB: `xz -9` needs 65 MiB, and the
    /// xz manual's largest preset dictionary is 64 MiB.
    pub decoder_memory_bytes_max: u64,
    /// Members. Default 1,000,000: the largest package of Debian bookworm has fewer than 100,000.
    pub members_max: u64,
    /// Length of a member's name or link target in bytes. Default 4096: Linux `PATH_MAX`.
    pub name_bytes_max: usize,
    /// Bytes of one member's headers with their extensions (PAX records, long names, sparse maps).
    /// Default 1 MiB: Linux allows 64 KiB of extended attributes a file (`XATTR_LIST_MAX`), and PAX
    /// spells each of them out.
    pub header_bytes_max: u64,
}

impl ArchiveLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        expanded_bytes_max: 8 << 30,
        decoder_memory_bytes_max: 256 << 20,
        members_max: 1_000_000,
        name_bytes_max: 4096,
        header_bytes_max: 1 << 20,
    };
}
