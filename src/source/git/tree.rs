//! The files of a commit: what there is, and writing them out.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use git2::{ObjectType, Oid};

use super::GitSourceError;
use super::store::{Clone, Commit};
use crate::source::go::archive::is_plain;

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file.
    File,
    /// A file that may be executed.
    Program,
    /// A symbolic link; the object is where it leads.
    Link,
    /// A commit of another repository.
    Submodule,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes; 0 for a submodule.
    pub len_bytes: u64,
    id: Oid,
}

/// Everything in the tree of a commit, folders left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The commit.
    pub commit: Commit,
    /// Entries by path.
    pub entries: BTreeMap<String, Entry>,
}

impl Clone {
    /// Lists the tree of a commit. Nothing is unpacked but trees.
    ///
    /// # Errors
    ///
    /// Where an object is missing or damaged, a name leads elsewhere, or a bound is reached.
    pub fn listing(&self, commit: &Commit) -> Result<Listing, GitSourceError> {
        let mut walk = Walk { clone: self, commit, entries: BTreeMap::new(), seen: 0, bytes: 0 };
        walk.folder(commit.tree, "", 0)?;
        Ok(Listing { commit: commit.clone(), entries: walk.entries })
    }

    /// The bytes of a file, or where a link leads.
    ///
    /// # Errors
    ///
    /// Where the object is missing, damaged or no file's, or a bound is reached.
    pub fn content(&self, entry: &Entry) -> Result<Vec<u8>, GitSourceError> {
        match self.read(entry.id, self.limits.file_bytes_max)? {
            (ObjectType::Blob, bytes) => Ok(bytes),
            _ => Err(self.wrong(&entry.id.to_string(), "expected a file's")),
        }
    }

    /// Packs a listing into a tar archive of fixed owners and times, so that one tree has one digest.
    ///
    /// # Errors
    ///
    /// As [`Clone::content`]; and where a path or a link leads out of the tree.
    pub fn pack(&self, listing: &Listing, scratch: &Path) -> Result<File, GitSourceError> {
        let disk = || GitSourceError::io("write an archive in", scratch);
        let file = tempfile::tempfile_in(scratch).map_err(disk())?;
        let mut tar = tar::Builder::new(file);
        for (path, entry) in &listing.entries {
            refuse_path(listing, path)?;
            let mut header = tar::Header::new_gnu();
            header.set_mtime(0);
            header.set_mode(if entry.kind == Kind::Program { 0o755 } else { 0o644 });
            match entry.kind {
                Kind::File | Kind::Program => {
                    let bytes = self.content(entry)?;
                    header.set_entry_type(tar::EntryType::Regular);
                    header.set_size(bytes.len() as u64);
                    tar.append_data(&mut header, path, bytes.as_slice()).map_err(disk())?;
                }
                Kind::Link => {
                    let target = self.link(listing, path, entry)?;
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_size(0);
                    tar.append_link(&mut header, path, &target).map_err(disk())?;
                }
                // As in a clone without them: an empty folder.
                Kind::Submodule => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(0o755);
                    header.set_size(0);
                    tar.append_data(&mut header, path, std::io::empty()).map_err(disk())?;
                }
            }
        }
        let mut file = tar.into_inner().map_err(disk())?;
        file.rewind().map_err(disk())?;
        Ok(file)
    }

    /// Writes a listing into an empty folder: files and programs for everybody to read, links that stay
    /// inside, an empty folder for each submodule.
    ///
    /// # Errors
    ///
    /// As [`Clone::pack`], and the disk's.
    pub fn write(&self, listing: &Listing, to: &Path) -> Result<(), GitSourceError> {
        for (path, entry) in &listing.entries {
            refuse_path(listing, path)?;
            let place = to.join(path);
            make_folders(to, place.parent().unwrap_or(to))?;
            match entry.kind {
                Kind::File | Kind::Program => {
                    let mode = if entry.kind == Kind::Program { 0o755 } else { 0o644 };
                    File::create_new(&place)
                        .and_then(|file| {
                            file.set_permissions(Permissions::from_mode(mode))?;
                            Ok(file)
                        })
                        .map_err(GitSourceError::io("make", &place))?
                        .write_all(&self.content(entry)?)
                        .map_err(GitSourceError::io("write", &place))?;
                }
                Kind::Link => symlink(self.link(listing, path, entry)?, &place)
                    .map_err(GitSourceError::io("make the link", &place))?,
                Kind::Submodule => make_folders(to, &place)?,
            }
        }
        Ok(())
    }

    /// Where a link leads, if that is below the top whatever the other links are: it may climb at its
    /// beginning only, and not above the top. Its own folder is a real one, so that by induction no chain
    /// of such links leads out.
    fn link(&self, listing: &Listing, path: &str, entry: &Entry) -> Result<String, GitSourceError> {
        let refuse = |detail: &str| refused(listing, path, detail);
        let target =
            String::from_utf8(self.content(entry)?).map_err(|_| refuse("a link that is not UTF-8"))?;
        let (mut depth, mut below) = (path.matches('/').count(), false);
        for part in target.split('/') {
            match part {
                ".." if below || depth == 0 => return Err(refuse("a link that may lead out of the tree")),
                ".." => depth -= 1,
                "." => {}
                _ if part.is_empty() || !is_plain(part) => {
                    return Err(refuse("a link to what is no plain path"));
                }
                _ => below = true,
            }
        }
        Ok(target)
    }
}

fn refused(listing: &Listing, path: &str, detail: &str) -> GitSourceError {
    GitSourceError::Tree {
        commit: listing.commit.id.clone(),
        path: path.escape_debug().to_string(),
        detail: detail.to_owned(),
    }
}

fn refuse_path(listing: &Listing, path: &str) -> Result<(), GitSourceError> {
    match is_plain(path) {
        true => Ok(()),
        false => Err(refused(listing, path, "its name is no plain path")),
    }
}

/// Makes the folders from `top` down, all to be read by anybody.
fn make_folders(top: &Path, folder: &Path) -> Result<(), GitSourceError> {
    let mut path = top.to_path_buf();
    for part in folder.strip_prefix(top).unwrap_or(Path::new("")).iter() {
        path.push(part);
        // A link there was put by the tree itself: it would have to be a file and a folder at once.
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => {}
            _ => fs::create_dir(&path)
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
                .map_err(GitSourceError::io("make", &path))?,
        }
    }
    Ok(())
}

struct Walk<'a> {
    clone: &'a Clone,
    commit: &'a Commit,
    entries: BTreeMap<String, Entry>,
    seen: usize,
    bytes: u64,
}

impl Walk<'_> {
    fn limit(&self, limit: &'static str, max: u64) -> GitSourceError {
        GitSourceError::Limit { what: format!("the tree of {}", self.commit.id), limit, max }
    }

    fn folder(&mut self, id: Oid, prefix: &str, depth: usize) -> Result<(), GitSourceError> {
        let limits = self.clone.limits;
        if depth > limits.depth_max {
            return Err(self.limit("depth_max", limits.depth_max as u64));
        }
        let (kind, bytes) = self.clone.read(id, limits.object_bytes_max)?;
        let wrong = |detail: &str| self.clone.wrong(&id.to_string(), detail);
        if kind != ObjectType::Tree {
            return Err(wrong("expected a tree"));
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (mode, name, id, tail) =
                entry(rest).ok_or_else(|| wrong("a line of the tree is cut short"))?;
            rest = tail;
            self.seen += 1;
            if self.seen > limits.entries_max {
                return Err(self.limit("entries_max", limits.entries_max as u64));
            }
            let path = format!("{prefix}{}", String::from_utf8_lossy(name));
            let elsewhere = matches!(name, b"" | b"." | b"..")
                || name.contains(&b'/')
                || name.eq_ignore_ascii_case(b".git")
                || std::str::from_utf8(name).is_err();
            if elsewhere {
                return Err(GitSourceError::Tree {
                    commit: self.commit.id.clone(),
                    path: path.escape_debug().to_string(),
                    detail: "git lets nobody make a file of that name".to_owned(),
                });
            }
            let kind = match mode {
                b"40000" | b"040000" => {
                    self.folder(id, &format!("{path}/"), depth + 1)?;
                    continue;
                }
                b"100755" => Kind::Program,
                b"120000" => Kind::Link,
                b"160000" => Kind::Submodule,
                mode if mode.starts_with(b"100") => Kind::File,
                _ => return Err(wrong("an entry has an unknown mode")),
            };
            let len_bytes = match kind {
                Kind::Submodule => 0,
                _ => self.clone.header(id)?.1,
            };
            if len_bytes > limits.file_bytes_max {
                let what = format!("`{}` with {len_bytes} bytes", path.escape_debug());
                return Err(GitSourceError::Limit {
                    what,
                    limit: "file_bytes_max",
                    max: limits.file_bytes_max,
                });
            }
            self.bytes = self.bytes.saturating_add(len_bytes);
            if self.bytes > limits.tree_bytes_max {
                return Err(self.limit("tree_bytes_max", limits.tree_bytes_max));
            }
            if self.entries.insert(path.clone(), Entry { kind, len_bytes, id }).is_some() {
                return Err(GitSourceError::Tree {
                    commit: self.commit.id.clone(),
                    path: path.escape_debug().to_string(),
                    detail: "it is there twice".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// `MODE NAME\0` and 20 bytes of a name; and what follows.
pub(super) fn entry(bytes: &[u8]) -> Option<(&[u8], &[u8], Oid, &[u8])> {
    let space = bytes.iter().position(|b| *b == b' ')?;
    let (mode, rest) = bytes.split_at(space);
    let rest = rest.get(1..)?;
    let end = rest.iter().position(|b| *b == 0)?;
    let (name, rest) = rest.split_at(end);
    let id = Oid::from_bytes(rest.get(1..21)?).ok()?;
    Some((mode, name, id, rest.get(21..)?))
}
