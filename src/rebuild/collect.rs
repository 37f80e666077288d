//! Touching a folder that a hostile program has written: nothing here follows a link, waits on a pipe
//! or believes a length.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};

use super::error::RebuildError;
use super::{Kept, RebuildLimits};
use crate::artifact::ArtifactName;
use crate::digest::{Algorithm, DigestSet, Hasher};

/// Opens `path` below `folder`, which must be a regular file with no link on the way.
fn open_regular(folder: &OwnedFd, path: &str, flags: OFlags) -> io::Result<File> {
    // NONBLOCK: opening a named pipe would wait for ever.
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(folder, path, flags, Mode::empty(), resolve)?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(file.into())
}

/// Opens a folder below `top` with no link on the way.
pub(super) fn open_folder(top: &Path, path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = openat2(CWD, top, flags, Mode::empty(), ResolveFlags::empty())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(&top, path, flags, Mode::empty(), resolve)?)
}

/// Copies one artifact out; `None` if there is no such regular file.
pub(super) fn take(
    from: &OwnedFd,
    name: &ArtifactName,
    to: &Path,
    limits: &RebuildLimits,
) -> Result<Option<Kept>, RebuildError> {
    let Ok(file) = open_regular(from, name.as_str(), OFlags::RDONLY) else { return Ok(None) };
    let path = to.join(name.as_str());
    let disk = |what| RebuildError::disk(what, path.clone());
    let mut out = File::create(&path).map_err(disk("create"))?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut limited = file.take(limits.artifact_bytes_max.saturating_add(1));
    let (mut buffer, mut len_bytes) = (vec![0u8; 256 << 10], 0u64);
    loop {
        let read = limited.read(&mut buffer).map_err(disk("read what was built as"))?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        len_bytes += bytes.len() as u64;
        hasher.update(bytes);
        out.write_all(bytes).map_err(disk("write"))?;
    }
    if len_bytes > limits.artifact_bytes_max {
        let _ = std::fs::remove_file(&path);
        let reason = format!("more than {} bytes", limits.artifact_bytes_max);
        return Err(disk("keep")(io::Error::other(reason)));
    }
    out.sync_all().map_err(disk("write"))?;
    Ok(Some(Kept { name: name.clone(), len_bytes, digests: DigestSet::single(hasher.finish()) }))
}

/// The first regular file by name that ends in `suffix`.
pub(super) fn find(from: &OwnedFd, suffix: &str, limits: &RebuildLimits) -> Option<ArtifactName> {
    let entries = Dir::read_from(from).ok()?.take(limits.folder_entries_max).flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.file_type() == FileType::RegularFile)
        .filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned))
        .filter(|name| name.ends_with(suffix))
        .collect();
    names.sort_unstable();
    names.into_iter().find_map(|name| ArtifactName::new(name).ok())
}

/// Puts an entry and an empty line before the changelog, in place, so that it keeps its owner.
pub(super) fn prepend(tree: &OwnedFd, entry: &str, changelog_bytes_max: u64) -> Result<(), RebuildError> {
    let refuse = |detail: String| RebuildError::Changelog { detail };
    let failed = |source: io::Error| refuse(source.to_string());
    let mut file = open_regular(tree, "debian/changelog", OFlags::RDWR).map_err(failed)?;
    let mut old = Vec::new();
    (&mut file).take(changelog_bytes_max.saturating_add(1)).read_to_end(&mut old).map_err(failed)?;
    if old.len() as u64 > changelog_bytes_max {
        return Err(refuse(format!("expected at most {changelog_bytes_max} bytes, found more")));
    }
    file.rewind().map_err(failed)?;
    file.write_all(entry.as_bytes()).map_err(failed)?;
    file.write_all(b"\n").map_err(failed)?;
    file.write_all(&old).map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const LIMITS: RebuildLimits = RebuildLimits { artifact_bytes_max: 100, ..RebuildLimits::DEFAULT };

    #[test]
    fn only_a_regular_file_of_bounded_length_is_an_artifact() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| from.path().join(name);
        fs::write(at("good.deb"), "bytes").unwrap();
        fs::write(at("long.deb"), [0; 101]).unwrap();
        symlink("/etc/passwd", at("link.deb")).unwrap();
        symlink("good.deb", at("inner.deb")).unwrap();
        fs::create_dir(at("folder.deb")).unwrap();
        rustix::fs::mknodat(CWD, at("pipe.deb"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let folder = open_folder(from.path(), ".").unwrap();
        let taken = |name: &str| {
            take(&folder, &ArtifactName::new(name).unwrap(), to.path(), &LIMITS)
                .map(|k| k.map(|k| k.len_bytes))
        };
        assert_eq!(taken("good.deb").unwrap(), Some(5));
        for name in ["link.deb", "inner.deb", "folder.deb", "pipe.deb", "absent.deb"] {
            assert_eq!(taken(name).unwrap(), None, "{name}");
            assert!(!to.path().join(name).exists(), "{name}");
        }
        assert!(taken("long.deb").is_err());
        assert!(!to.path().join("long.deb").exists());
    }

    #[test]
    fn an_entry_goes_before_the_changelog_and_through_no_link() {
        let tree = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir(tree.path().join("debian")).unwrap();
        fs::write(tree.path().join("debian/changelog"), "old\n").unwrap();
        let folder = open_folder(tree.path(), ".").unwrap();
        prepend(&folder, "new\n", 100).unwrap();
        assert_eq!(fs::read_to_string(tree.path().join("debian/changelog")).unwrap(), "new\n\nold\n");
        assert!(prepend(&folder, "new\n", 3).is_err());

        fs::write(outside.path().join("changelog"), "host\n").unwrap();
        fs::remove_file(tree.path().join("debian/changelog")).unwrap();
        symlink(outside.path().join("changelog"), tree.path().join("debian/changelog")).unwrap();
        assert!(prepend(&folder, "new\n", 100).is_err());
        fs::remove_dir_all(tree.path().join("debian")).unwrap();
        symlink(outside.path(), tree.path().join("debian")).unwrap();
        assert!(prepend(&folder, "new\n", 100).is_err());
        assert_eq!(fs::read_to_string(outside.path().join("changelog")).unwrap(), "host\n");
        assert!(open_folder(tree.path(), "debian").is_err());
    }
}
