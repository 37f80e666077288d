//! Bounds on clones of repositories, and on servers of them.

/// Bounds on what is read from a clone, and on what a git server sends.
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
    /// An answer of a git server in bytes. Default 1 GiB: the newest commit of the Linux kernel alone is sent
    /// in some 250 MiB.
    pub pack_bytes_max: u64,
    /// Objects of a pack. Default 1,000,000: twice what a tree may have here, with its folders.
    pub pack_objects_max: u32,
    /// Changes upon changes in a pack. Default 4095: more git itself does not make (`OE_DEPTH_BITS`).
    pub delta_depth_max: u32,
    /// Bytes to unpack for all changes of a pack, each with all that it rests on. Default 64 GiB: some
    /// seconds of copying for each ten; a commit alone has few of them.
    pub delta_bytes_max: u64,
    /// What a git server may say beside a pack, in bytes. Default 1 MiB: lines of progress, which were not
    /// asked for, and a reason.
    pub said_bytes_max: u64,
    /// Files that are asked for at once. Default 1,000: what is lost where the connection breaks, and 50 KB
    /// of a question.
    pub batch_files: usize,
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
        pack_bytes_max: 1 << 30,
        pack_objects_max: 1_000_000,
        delta_depth_max: 4095,
        delta_bytes_max: 64 << 30,
        said_bytes_max: 1 << 20,
        batch_files: 1_000,
    };
}
