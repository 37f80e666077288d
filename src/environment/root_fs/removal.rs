//! Removing a tree whose folders may be read-only, without following a link.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

use super::error::RootFsError;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Folders below each other that are entered; deeper than any tree made here.
const DEPTH_MAX: u32 = 500;

/// Removes a folder and all that it holds; a missing one is fine.
pub(crate) fn remove_tree(path: &Path) -> std::result::Result<(), RootFsError> {
    let failed = |e: Errno| RootFsError::io("remove", path, e);
    let name = path.file_name().ok_or(Errno::INVAL).map_err(failed)?;
    let parent = path.parent().ok_or(Errno::INVAL).map_err(failed)?;
    let parent = fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    match remove_folder(parent.map_err(failed)?, std::os::unix::ffi::OsStrExt::as_bytes(name), DEPTH_MAX) {
        Err(Errno::NOENT) => Ok(()),
        answer => answer.map_err(failed),
    }
}

fn remove_folder(parent: impl AsFd, name: &[u8], depth: u32) -> Result<()> {
    let parent = parent.as_fd();
    let depth = depth.checked_sub(1).ok_or(Errno::LOOP)?;
    let folder = match fs::openat(parent, name, FOLDER, Mode::empty()) {
        Err(Errno::ACCESS) => {
            let stat = fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                return Err(Errno::NOTDIR);
            }
            fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            fs::openat(parent, name, FOLDER, Mode::empty())
        }
        answer => answer,
    }?;
    let stat = fs::fstat(&folder)?;
    if stat.st_mode & 0o700 != 0o700 {
        fs::fchmod(&folder, Mode::RWXU)?;
    }
    // Names first: a folder must not change while it is listed.
    let mut entries = Vec::new();
    for entry in fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let entry_name = entry.file_name().to_bytes();
        if entry_name != b"." && entry_name != b".." {
            entries.push((entry_name.to_vec(), entry.file_type()));
        }
    }
    for (entry, kind) in entries {
        let is_folder = match kind {
            FileType::Unknown => {
                let stat = fs::statat(&folder, entry.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            kind => kind == FileType::Directory,
        };
        if is_folder {
            remove_folder(&folder, &entry, depth)?;
        } else {
            fs::unlinkat(&folder, entry.as_slice(), AtFlags::empty())?;
        }
    }
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn read_only_folders_go_and_link_targets_stay() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        let outside = folder.path().join("outside");
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("kept"), "x").unwrap();
        std::fs::write(tree.join("a/b/file"), "x").unwrap();
        symlink(&outside, tree.join("a/b/link")).unwrap();
        for place in ["a/b", "a"] {
            std::fs::set_permissions(tree.join(place), std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
        remove_tree(&tree).unwrap();
    }

    #[test]
    fn a_link_in_place_of_the_tree_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        symlink("outside", folder.path().join("tree")).unwrap();
        assert!(remove_tree(&folder.path().join("tree")).is_err());
        assert!(folder.path().join("outside").exists());
    }
}
