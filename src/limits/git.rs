//! Bounds on clones of repositories.

/// Bounds on what is read from a clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GitLimits {
    /// A file in bytes. Default 128 MiB: GitHub takes none of more than 100 MiB.
    pub file_bytes_max: u64,
    /// All files of a tree in bytes. Default 2 GiB: the Linux kernel's has 1.5 GiB.
    pub tree_bytes_max: u64,
    /// Files, links, submodules and folders of a tree. Default 500,000: the Linux kernel has 100,000.
    pub entries_max: usize,
    /// Folders in each other. Default 200: no path of Linux' `PATH_MAX` has many more of any length.
    pub depth_max: usize,
    /// A tree, commit or tag object in bytes. Default 32 MiB: half a million names of 60 bytes.
    pub object_bytes_max: u64,
    /// `packed-refs` in bytes. Default 64 MiB: a million tags.
    pub refs_bytes_max: u64,
    /// Commits that are walked to find an earlier tag's. Default 200,000: Prometheus has some 17,000.
    pub commits_max: usize,
    /// Tags of tags. Default 8; git makes one at a time, by hand.
    pub tags_deep_max: usize,
    /// Files of a folder in the object store. Default 200,000: git packs loose objects at 6,700.
    pub store_files_max: usize,
}

impl GitLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        file_bytes_max: 128 << 20,
        tree_bytes_max: 2 << 30,
        entries_max: 500_000,
        depth_max: 200,
        object_bytes_max: 32 << 20,
        refs_bytes_max: 64 << 20,
        commits_max: 200_000,
        tags_deep_max: 8,
        store_files_max: 200_000,
    };
}
