//! Files of an archive, by digest.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A file by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedFile {
    /// Plain file name.
    pub name: String,
    /// Which of the host's archives serves it: `debian` or `debian-security`.
    pub archive: String,
    /// Path below the archive's root.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256.
    pub digest: Digest,
}

/// The source package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedSource {
    /// Source package name.
    pub name: String,
    /// Source package version.
    pub version: String,
    /// All files, the `.dsc` among them.
    pub files: Vec<LockedFile>,
}

impl LockedSource {
    /// The `.dsc` file.
    pub fn dsc(&self) -> Option<&LockedFile> {
        self.files.iter().find(|f| f.name.ends_with(".dsc"))
    }
}

/// True for a path below an archive's root that can be joined to any base without leaving it:
/// relative, of plain segments, without characters that mean something in a URL.
pub fn is_archive_path(path: &str) -> bool {
    path.len() <= 1024
        && path.split('/').all(|segment| {
            !segment.is_empty()
                && segment != "."
                && segment != ".."
                && segment.chars().all(|c| c.is_ascii_alphanumeric() || "._+~:%=@,-".contains(c))
        })
}
