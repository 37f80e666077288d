//! What the writable folders hold on disk.
//!
//! No quota is open to an unprivileged user, and walking through a large build tree is dear. So free
//! space, which costs one call, is watched at every look, and the folders are walked only when it has
//! shrunk enough that they might be full, or from time to time.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat, statvfs};

use super::Limit;
use super::tree::Tree;
use crate::limits::sandbox::SandboxLimits;

/// Depth below which a folder counts as unreadable: each level keeps a descriptor open.
const DEPTH_MAX: usize = 100;

/// Walking takes at most this part of the time: one in two hundred, a quarter of the two percent that
/// the whole sandbox may cost a build.
const WALK_SHARE: u32 = 200;
const WALK_PAUSE_MIN: Duration = Duration::from_secs(5);

/// What a walk found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Bytes that the file system set aside.
    pub(super) bytes: u64,
    /// Files and folders.
    pub(super) files: u64,
    /// Some folder could not be read or was too deep, so there may be more.
    pub(super) partial: bool,
}

/// Watches the writable folders of one run.
pub(super) struct Disk {
    folders: Vec<PathBuf>,
    devices: Vec<u64>,
    free_at_start: u64,
    free_at_walk: u64,
    bytes_at_walk: u64,
    next_walk: Instant,
}

impl Disk {
    /// Notes the free space before the run.
    pub(super) fn new(folders: Vec<PathBuf>) -> io::Result<Self> {
        let mut devices = Vec::new();
        for folder in &folders {
            devices.push(statat(CWD, folder, AtFlags::empty())?.st_dev);
        }
        let free = free_bytes(&folders)?;
        Ok(Self {
            folders,
            devices,
            free_at_start: free,
            free_at_walk: free,
            bytes_at_walk: 0,
            next_walk: Instant::now() + WALK_PAUSE_MIN,
        })
    }

    /// Looks; gives the limit that is reached.
    pub(super) fn look(&mut self, limits: &SandboxLimits, tree: &Tree) -> Option<Limit> {
        let free = free_bytes(&self.folders).ok()?;
        if free < limits.disk_free_bytes_min && free < self.free_at_start {
            return Some(Limit::DiskFree);
        }
        let room = limits.disk_bytes_max.saturating_sub(self.bytes_at_walk);
        let shrunk = self.free_at_walk.saturating_sub(free);
        let now = Instant::now();
        if shrunk < room / 2 + 1 && now < self.next_walk {
            return None;
        }
        self.walk(limits, tree, free)
    }

    /// Walks through the folders, whatever the free space says.
    pub(super) fn walk(&mut self, limits: &SandboxLimits, tree: &Tree, free: u64) -> Option<Limit> {
        let start = Instant::now();
        let mut content = Content::default();
        for folder in &self.folders {
            measure(folder, limits.files_max, &mut content);
        }
        content.bytes += tree.unlinked_bytes(&self.devices);
        if content.partial {
            // Somebody hides folders from us: believe the file system instead.
            content.bytes = content.bytes.max(self.free_at_start.saturating_sub(free));
        }
        self.free_at_walk = free;
        self.bytes_at_walk = content.bytes;
        self.next_walk = start + (start.elapsed() * WALK_SHARE).max(WALK_PAUSE_MIN);
        if content.bytes > limits.disk_bytes_max {
            Some(Limit::Disk)
        } else if content.files > limits.files_max {
            Some(Limit::Files)
        } else {
            None
        }
    }
}

/// The least free space of the folders' file systems.
fn free_bytes(folders: &[PathBuf]) -> io::Result<u64> {
    let mut least = u64::MAX;
    for folder in folders {
        let stat = statvfs(folder)?;
        least = least.min(stat.f_bavail.saturating_mul(stat.f_frsize));
    }
    Ok(least)
}

/// Adds up a folder without following links; stops counting at `files_max`.
pub(super) fn measure(folder: &Path, files_max: u64, content: &mut Content) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(top) = openat(CWD, folder, flags, Mode::empty()) else {
        content.partial = true;
        return;
    };
    let mut open: Vec<(OwnedFd, Vec<CString>)> = Vec::new();
    let enter = |fd: OwnedFd, content: &mut Content| {
        let mut below = Vec::new();
        let Ok(entries) = Dir::read_from(&fd) else {
            content.partial = true;
            return (fd, below);
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            content.files += 1;
            if content.files > files_max {
                break;
            }
            let Ok(stat) = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            content.bytes += stat.st_blocks.unsigned_abs() * 512;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                below.push(name.to_owned());
            }
        }
        (fd, below)
    };
    open.push(enter(top, content));
    while let Some((fd, below)) = open.last_mut() {
        let Some(name) = below.pop() else {
            open.pop();
            continue;
        };
        match openat(&*fd, &name, flags, Mode::empty()) {
            Ok(_) if open.len() >= DEPTH_MAX => content.partial = true,
            Ok(next) => {
                let next = enter(next, content);
                open.push(next);
            }
            Err(rustix::io::Errno::NOENT) => {}
            Err(_) => content.partial = true,
        }
        if content.files > files_max {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn links_are_not_followed_and_depth_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("big"), vec![1u8; 1 << 20]).unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("in/file"), vec![1u8; 100_000]).unwrap();
        let mut content = Content::default();
        measure(folder.path(), 100, &mut content);
        assert_eq!((content.files, content.partial), (3, false));
        assert!((100_000..1 << 20).contains(&content.bytes), "{content:?}");

        let mut deep = folder.path().to_path_buf();
        for _ in 0..DEPTH_MAX + 5 {
            deep.push("d");
            std::fs::create_dir(&deep).unwrap();
        }
        let mut content = Content::default();
        measure(folder.path(), 1000, &mut content);
        assert!(content.partial);

        let mut content = Content::default();
        measure(folder.path(), 10, &mut content);
        assert_eq!(content.files, 11, "counting stops one past the limit");
    }
}
