//! Writing below one folder and nowhere else.
//!
//! Every folder is opened from its parent's descriptor by one plain name without following links, and
//! every file is made anew. So no member, whatever links came before it, is written through a link, and
//! nothing outside the tree can be reached.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps};
use rustix::io::{Errno, Result};

use super::name::split;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A tree that this process alone writes.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    path: PathBuf,
    /// Bits that the process's umask takes from a new file's mode.
    umask: u32,
}

impl Tree {
    /// Makes the folder, which must not exist, and opens it.
    pub(super) fn make(path: &Path) -> Result<Self> {
        fs::mkdir(path, Mode::from_raw_mode(0o777))?;
        let root = fs::open(path, FOLDER, Mode::empty())?;
        let umask = 0o777 & !fs::fstat(&root)?.st_mode;
        // The mode must not depend on the caller's umask.
        fs::fchmod(&root, Mode::from_raw_mode(0o755))?;
        Ok(Self { root, path: path.to_owned(), umask })
    }

    /// Opens a finished tree, to look at it.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let root = fs::open(path, FOLDER, Mode::empty())?;
        Ok(Self { root, path: path.to_owned(), umask: 0o077 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn walker(&self) -> Walker<'_> {
        Walker { tree: self, names: Vec::new(), folders: Vec::new() }
    }

    /// Whether something is at a path as a process whose root this tree is would see it, links
    /// followed. Only looks.
    pub(super) fn resolves(&self, path: &[u8]) -> bool {
        let flags = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        match fs::openat2(&self.root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), flags) {
            Err(Errno::NOSYS | Errno::PERM) => self.walker().kind(path).is_ok_and(|k| k.is_some()),
            answer => answer.is_ok(),
        }
    }
}

/// Walks a tree, keeping the folders on the way to the last place open: archives list members folder
/// by folder.
pub(super) struct Walker<'t> {
    tree: &'t Tree,
    names: Vec<Vec<u8>>,
    folders: Vec<OwnedFd>,
}

impl Walker<'_> {
    /// Opens a folder; makes what is missing on the way when `make` is set.
    pub(super) fn folder(&mut self, place: &[u8], make: bool) -> Result<BorrowedFd<'_>> {
        let components = || place.split(|b| *b == b'/').filter(|c| !c.is_empty());
        let common = components().zip(&self.names).take_while(|(a, b)| *a == b.as_slice()).count();
        self.names.truncate(common);
        self.folders.truncate(common);
        for component in components().skip(common) {
            let parent = self.folders.last().map_or(self.tree.root.as_fd(), AsFd::as_fd);
            let opened = match fs::openat(parent, component, FOLDER, Mode::empty()) {
                Err(Errno::NOENT) if make => {
                    match fs::mkdirat(parent, component, Mode::from_raw_mode(0o755)) {
                        // Another thread was first.
                        Ok(()) | Err(Errno::EXIST) => fs::openat(parent, component, FOLDER, Mode::empty()),
                        Err(e) => Err(e),
                    }
                }
                answer => answer,
            }?;
            self.names.push(component.to_vec());
            self.folders.push(opened);
        }
        Ok(self.folders.last().map_or(self.tree.root.as_fd(), AsFd::as_fd))
    }

    /// Makes a file that must not exist, with exactly this mode.
    pub(super) fn file(&mut self, place: &[u8], mode: u32) -> Result<OwnedFd> {
        let umask = self.tree.umask;
        let (folder, name) = split(place);
        let file = fs::openat(self.folder(folder, true)?, name, NEW_FILE, Mode::from_raw_mode(mode))?;
        if mode & umask != 0 {
            fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        }
        Ok(file)
    }

    /// Makes a symbolic link that must not exist.
    pub(super) fn symlink(&mut self, place: &[u8], target: &[u8], mtime: i64) -> Result<()> {
        let (folder, name) = split(place);
        let folder = self.folder(folder, true)?;
        fs::symlinkat(target, folder, name)?;
        fs::utimensat(folder, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Gives a regular file of `from` a second name here.
    pub(super) fn hard_link(&mut self, from: &mut Walker<'_>, source: &[u8], place: &[u8]) -> Result<()> {
        let (source_folder, source_name) = split(source);
        let source_folder = from.folder(source_folder, false)?;
        let (folder, name) = split(place);
        fs::linkat(source_folder, source_name, self.folder(folder, true)?, name, AtFlags::empty())
    }

    /// Removes an empty folder.
    pub(super) fn remove_folder(&mut self, place: &[u8]) -> Result<()> {
        let (folder, name) = split(place);
        fs::unlinkat(self.folder(folder, false)?, name, AtFlags::REMOVEDIR)
    }

    /// What is at a place, links not followed.
    pub(super) fn kind(&mut self, place: &[u8]) -> Result<Option<FileType>> {
        let (folder, name) = split(place);
        let folder = match self.folder(folder, false) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            other => other?,
        };
        match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A symbolic link's target.
    pub(super) fn target(&mut self, place: &[u8]) -> Result<Vec<u8>> {
        let (folder, name) = split(place);
        Ok(fs::readlinkat(self.folder(folder, false)?, name, Vec::new())?.into_bytes())
    }

    /// A regular file's first bytes, `None` where there is none.
    pub(super) fn read(&mut self, place: &[u8], len_max: u64) -> std::io::Result<Option<Vec<u8>>> {
        use std::io::Read as _;
        if self.kind(place)? != Some(FileType::RegularFile) {
            return Ok(None);
        }
        let (folder, name) = split(place);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(self.folder(folder, false)?, name, flags, Mode::empty())?;
        let mut bytes = Vec::new();
        std::fs::File::from(file).take(len_max).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Makes a whole small file.
    pub(super) fn write(&mut self, place: &[u8], mode: u32, mtime: i64, bytes: &[u8]) -> Result<()> {
        let file = self.file(place, mode)?;
        write_all(&file, bytes)?;
        fs::futimens(&file, &times(mtime))
    }

    /// Moves a place of this tree onto a place of another, which is replaced.
    pub(super) fn replace(&mut self, place: &[u8], onto: &mut Walker<'_>, there: &[u8]) -> Result<()> {
        let (folder, name) = split(place);
        let (to_folder, to_name) = split(there);
        fs::renameat(self.folder(folder, false)?, name, onto.folder(to_folder, true)?, to_name)
    }

    /// Gives a folder its last mode and time. The owner keeps all rights: the tree must stay removable.
    pub(super) fn settle(&mut self, place: &[u8], mode: u32, mtime: i64) -> Result<()> {
        let folder = self.folder(place, false)?;
        fs::fchmod(folder, Mode::from_raw_mode(mode & 0o1777 | 0o700))?;
        fs::futimens(folder, &times(mtime))
    }
}

/// Writes all bytes.
pub(super) fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The same second for both times.
pub(super) fn times(mtime: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
