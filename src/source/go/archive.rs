//! Module zips: read, summed, and unpacked into a folder.
//!
//! A zip is what `golang.org/x/mod/zip` makes: every member is a regular file below
//! `<module>@<version>/`, and names are plain paths. What is anything else is refused before a byte of it
//! is written, whatever the sum says: whoever made the zip also made its sum.

use std::collections::BTreeSet;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{GoSourceError, ModSum, ModuleVersion};
use crate::archive::ArchiveError;
use crate::archive::zip::{self, ReadAt, ZipEntry};
use crate::digest::{Algorithm, Hasher};
use crate::limits::go::GoLimits;

/// Bytes moved at a time.
const BUFFER_BYTES: usize = 128 << 10;
/// The kind of file in the upper half of a member's external attributes, and a regular file there.
const UNIX_KIND: u32 = 0xf000_0000;
const UNIX_REGULAR: u32 = 0x8000_0000;

/// A zip on disk with its headers read and its names checked.
pub struct ModuleZip {
    module: ModuleVersion,
    file: ZipFile,
    /// Names below the prefix, beside their headers.
    members: Vec<(String, ZipEntry)>,
    limits: GoLimits,
}

struct ZipFile {
    file: File,
    len: u64,
}

impl ReadAt for ZipFile {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    fn bytes_at(&self, at: u64, len: usize) -> Result<Vec<u8>, ArchiveError> {
        if at.checked_add(len as u64).is_none_or(|end| end > self.len) {
            return Err(ArchiveError::Truncated { format: "zip", detail: format!("at byte {at}") });
        }
        let mut bytes = vec![0; len];
        self.file
            .read_exact_at(&mut bytes, at)
            .map_err(|source| ArchiveError::Read { format: "zip", source })?;
        Ok(bytes)
    }
}

/// The packed bytes of a member.
struct Packed<'a> {
    file: &'a ZipFile,
    at: u64,
    end: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.file.read_at(buffer.get_mut(..want).unwrap_or_default(), self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl ModuleZip {
    /// Reads the headers of a module's zip.
    ///
    /// # Errors
    ///
    /// When it is no such zip: a name outside of the module's folder, a link, a name twice, a size past
    /// its bound.
    pub fn open(module: &ModuleVersion, path: &Path, limits: &GoLimits) -> Result<Self, GoSourceError> {
        let wrong = |detail: String| GoSourceError::Zip { module: module.to_string(), detail };
        let file = File::open(path).map_err(|source| GoSourceError::io("open", path, source))?;
        let len = file.metadata().map_err(|source| GoSourceError::io("open", path, source))?.len();
        if len > limits.zip_bytes_max {
            return Err(wrong(format!("it has {len} bytes, at most {}", limits.zip_bytes_max)));
        }
        let file = ZipFile { file, len };
        let read = zip::read(&file, &limits.archive()).map_err(|e| wrong(e.to_string()))?;
        if read.overlapping {
            return Err(wrong("two members share bytes".to_owned()));
        }
        let prefix = format!("{module}/");
        let (mut members, mut seen, mut total) = (Vec::new(), BTreeSet::new(), 0u64);
        for entry in read.entries {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let shown = name.escape_debug().to_string();
            let below =
                name.strip_prefix(&prefix).filter(|below| is_plain(below) && entry.name == name.as_bytes());
            let Some(below) = below else {
                return Err(wrong(format!("member `{shown}` is not a plain path below `{prefix}`")));
            };
            let kind = entry.external & UNIX_KIND;
            if entry.made_by >> 8 == 3 && kind != 0 && kind != UNIX_REGULAR {
                return Err(wrong(format!("member `{shown}` is not a regular file")));
            }
            if entry.name != entry.local_name || entry.method != entry.local_method {
                return Err(wrong(format!("the two headers of member `{shown}` disagree")));
            }
            if !matches!(entry.method, 0 | 8) || entry.flags.0 & 1 != 0 {
                return Err(wrong(format!("member `{shown}` is packed in a way that modules do not use")));
            }
            total = total.saturating_add(entry.len_bytes);
            if total > limits.unpacked_bytes_max {
                return Err(wrong(format!("it unpacks to more than {} bytes", limits.unpacked_bytes_max)));
            }
            if !seen.insert(below.to_owned()) {
                return Err(wrong(format!("member `{shown}` is there twice")));
            }
            members.push((below.to_owned(), entry));
        }
        for (name, _) in &members {
            let mut parent = name.as_str();
            while let Some((folder, _)) = parent.rsplit_once('/') {
                if seen.contains(folder) {
                    return Err(wrong(format!("`{}` is a file and a folder", folder.escape_debug())));
                }
                parent = folder;
            }
        }
        Ok(Self { module: module.clone(), file, members, limits: *limits })
    }

    /// Names of the files, below the module's folder, in the zip's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| name.as_str())
    }

    /// Decodes everything and gives the `h1:` sum.
    pub fn sum(&self) -> Result<ModSum, GoSourceError> {
        self.each(|_, _| Ok(None))
    }

    /// Each file's name and its SHA-256 in hexadecimal.
    pub fn digests(&self) -> Result<Vec<(String, String)>, GoSourceError> {
        let mut digests = Vec::with_capacity(self.members.len());
        for (name, entry) in &self.members {
            let mut hasher = Hasher::new(Algorithm::Sha256);
            self.decode(name, entry, |part| {
                hasher.update(part);
                Ok(())
            })?;
            digests.push((name.clone(), hasher.finish().to_hex()));
        }
        Ok(digests)
    }

    /// Unpacks into an empty folder, and gives the `h1:` sum of what was written.
    pub fn unpack(&self, to: &Path) -> Result<ModSum, GoSourceError> {
        let mut made = BTreeSet::new();
        self.each(|name, _| {
            let path = to.join(name);
            let folder = path.parent().unwrap_or(to).to_path_buf();
            if made.insert(folder.clone()) {
                readable_folders(to, &folder)?;
            }
            let file = File::options().write(true).create_new(true).open(&path);
            let file = file.map_err(|e| GoSourceError::io("make", &path, e))?;
            // Whatever the caller's umask: in the sandbox it is another user who reads.
            file.set_permissions(Permissions::from_mode(0o644))
                .map_err(|e| GoSourceError::io("make readable", &path, e))?;
            Ok(Some((file, path)))
        })
    }

    /// One file's bytes; none where there is no such file.
    pub fn file(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, GoSourceError> {
        let Some((name, entry)) = self.members.iter().find(|(n, _)| n == name) else { return Ok(None) };
        if entry.len_bytes > bytes_max {
            return Err(self.wrong(format!("`{name}` has more than {bytes_max} bytes")));
        }
        let mut bytes = Vec::new();
        self.decode(name, entry, |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(Some(bytes))
    }

    /// Decodes every file, in the zip's order, into a value of its own.
    pub(crate) fn fold<T>(
        &self,
        begin: impl Fn() -> T,
        feed: impl Fn(&mut T, &[u8]),
        mut end: impl FnMut(&str, T),
    ) -> Result<(), GoSourceError> {
        for (name, entry) in &self.members {
            let mut value = begin();
            self.decode(name, entry, |part| {
                feed(&mut value, part);
                Ok(())
            })?;
            end(name, value);
        }
        Ok(())
    }

    /// The module that a zip says it is, by the folder of its first file; none for another kind of zip.
    pub(crate) fn module_in(path: &Path, limits: &GoLimits) -> Result<Option<ModuleVersion>, ArchiveError> {
        let failed = |source| ArchiveError::Read { format: "zip", source };
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        let read = zip::read(&ZipFile { file, len }, &limits.archive())?;
        let Some(first) = read.entries.first() else { return Ok(None) };
        let name = String::from_utf8_lossy(&first.name);
        let Some((path, rest)) = name.split_once('@') else { return Ok(None) };
        Ok(rest.split_once('/').and_then(|(version, _)| ModuleVersion::new(path, version)))
    }

    fn wrong(&self, detail: String) -> GoSourceError {
        GoSourceError::Zip { module: self.module.to_string(), detail }
    }

    fn each(
        &self,
        mut open: impl FnMut(&str, &ZipEntry) -> Result<Option<(File, PathBuf)>, GoSourceError>,
    ) -> Result<ModSum, GoSourceError> {
        let mut sums = Vec::with_capacity(self.members.len());
        for (name, entry) in &self.members {
            let mut out = open(name, entry)?;
            let mut hasher = Hasher::new(Algorithm::Sha256);
            self.decode(name, entry, |part| {
                hasher.update(part);
                match &mut out {
                    Some((file, path)) => {
                        file.write_all(part).map_err(|e| GoSourceError::io("write", path, e))
                    }
                    None => Ok(()),
                }
            })?;
            sums.push((format!("{}/{name}", self.module), hasher.finish().to_hex()));
        }
        Ok(ModSum::of(&mut sums))
    }

    /// Gives the plain bytes of a member in parts; its length must be the announced one.
    fn decode(
        &self,
        name: &str,
        entry: &ZipEntry,
        mut take: impl FnMut(&[u8]) -> Result<(), GoSourceError>,
    ) -> Result<(), GoSourceError> {
        let end = entry.data_at.saturating_add(entry.packed_bytes);
        let packed = Packed { file: &self.file, at: entry.data_at, end };
        let mut reader: Box<dyn Read + '_> = match entry.method {
            0 => Box::new(packed),
            _ => Box::new(flate2::read::DeflateDecoder::new(packed)),
        };
        let (mut buffer, mut len) = (vec![0; BUFFER_BYTES], 0u64);
        loop {
            let n = reader.read(&mut buffer).map_err(|e| self.wrong(format!("member `{name}`: {e}")))?;
            if n == 0 {
                break;
            }
            len += n as u64;
            if len > entry.len_bytes {
                return Err(self.wrong(format!("member `{name}` has more bytes than announced")));
            }
            take(buffer.get(..n).unwrap_or_default())?;
        }
        if len != entry.len_bytes {
            return Err(self.wrong(format!("member `{name}` has fewer bytes than announced")));
        }
        Ok(())
    }
}

/// Makes the folders from `top` down to `folder`, all to be read by anybody.
fn readable_folders(top: &Path, folder: &Path) -> Result<(), GoSourceError> {
    let mut path = top.to_path_buf();
    for part in folder.strip_prefix(top).unwrap_or(folder).iter() {
        path.push(part);
        if !path.is_dir() {
            std::fs::create_dir(&path)
                .and_then(|()| std::fs::set_permissions(&path, Permissions::from_mode(0o755)))
                .map_err(|e| GoSourceError::io("make", &path, e))?;
        }
    }
    Ok(())
}

/// The limits that a zip was opened with are those of its reader.
impl std::fmt::Debug for ModuleZip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModuleZip")
            .field("module", &self.module)
            .field("members", &self.members.len())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A path of plain elements: none of them empty, only dots, or with a character that some system takes
/// for something else.
pub(crate) fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 4096
        && path.split('/').all(|element| {
            !element.is_empty()
                && element != "."
                && element != ".."
                && element.len() <= 255
                && !element.chars().any(|c| c.is_control() || c == '\\')
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    fn module() -> ModuleVersion {
        ModuleVersion::new("example.org/m", "v1.0.0").unwrap()
    }

    /// A zip with stored members: name, content, external attributes with the Unix host byte.
    fn zip(members: &[(&str, &str, u32)]) -> tempfile::NamedTempFile {
        let (mut body, mut directory) = (Vec::new(), Vec::new());
        for (name, content, external) in members {
            let offset = body.len() as u32;
            let mut crc = flate2::Crc::new();
            crc.update(content.as_bytes());
            let sums = [crc.sum(), content.len() as u32, content.len() as u32];
            let common = |out: &mut Vec<u8>| {
                out.extend([0u8; 6]);
                out.extend([0, 0, 0, 0]);
                sums.iter().for_each(|n| out.extend(n.to_le_bytes()));
                out.extend((name.len() as u16).to_le_bytes());
                out.extend([0, 0]);
            };
            body.extend(b"PK\x03\x04");
            common(&mut body);
            body.extend(name.as_bytes());
            body.extend(content.as_bytes());
            directory.extend(b"PK\x01\x02");
            directory.extend([20, 3]);
            common(&mut directory);
            directory.extend([0u8; 6]);
            directory.extend(external.to_le_bytes());
            directory.extend(offset.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let at = body.len() as u32;
        let (count, len) = (members.len() as u16, directory.len() as u32);
        body.extend(&directory);
        body.extend(b"PK\x05\x06\0\0\0\0");
        body.extend(count.to_le_bytes());
        body.extend(count.to_le_bytes());
        body.extend(len.to_le_bytes());
        body.extend(at.to_le_bytes());
        body.extend([0, 0]);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&body).unwrap();
        file
    }

    fn open(members: &[(&str, &str, u32)], limits: &GoLimits) -> Result<ModuleZip, GoSourceError> {
        let file = zip(members);
        ModuleZip::open(&module(), file.path(), limits)
    }

    #[test]
    fn a_module_s_zip_is_summed_and_unpacked() {
        let members =
            [("example.org/m@v1.0.0/go.mod", "module m\n", 0), ("example.org/m@v1.0.0/a/b.go", "x", 0)];
        let zip = open(&members, &GoLimits::DEFAULT).unwrap();
        let hex = |text: &str| crate::digest::Digest::sha256(text.as_bytes()).to_hex();
        let mut files: Vec<(String, String)> =
            members.iter().map(|(name, content, _)| ((*name).to_owned(), hex(content))).collect();
        let expected = ModSum::of(&mut files);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(zip.sum().unwrap(), expected);
        assert_eq!(zip.unpack(folder.path()).unwrap(), expected);
        assert_eq!(std::fs::read_to_string(folder.path().join("a/b.go")).unwrap(), "x");
        assert_eq!(zip.file("go.mod", 100).unwrap().unwrap(), b"module m\n");
        assert_eq!(zip.file("absent", 100).unwrap(), None);
        assert!(zip.file("go.mod", 3).is_err());
        assert!(zip.unpack(folder.path()).is_err(), "nothing that is there is written over");
    }

    #[test]
    fn what_a_module_cannot_hold_is_refused_by_name() {
        let small = GoLimits { unpacked_bytes_max: 10, ..GoLimits::DEFAULT };
        let at = |name: &str| format!("example.org/m@v1.0.0/{name}");
        for (name, mode, limits, expected) in [
            ("../x".to_owned(), 0, &GoLimits::DEFAULT, "not a plain path"),
            (at("../../x"), 0, &GoLimits::DEFAULT, "not a plain path"),
            (at("a/../../x"), 0, &GoLimits::DEFAULT, "not a plain path"),
            (at("/etc/passwd"), 0, &GoLimits::DEFAULT, "not a plain path"),
            (at("a\\b"), 0, &GoLimits::DEFAULT, "not a plain path"),
            (at("a\nb"), 0, &GoLimits::DEFAULT, "not a plain path"),
            ("/etc/passwd".to_owned(), 0, &GoLimits::DEFAULT, "not a plain path"),
            ("example.org/other@v1.0.0/x".to_owned(), 0, &GoLimits::DEFAULT, "not a plain path"),
            (at("link"), 0o120777 << 16, &GoLimits::DEFAULT, "not a regular file"),
            (at("device"), 0o20666 << 16, &GoLimits::DEFAULT, "not a regular file"),
            (at("twice"), 0, &GoLimits::DEFAULT, "there twice"),
            (at("twice/inner"), 0, &GoLimits::DEFAULT, "a file and a folder"),
            (at("long"), 0, &small, "unpacks to more than 10"),
        ] {
            let twice = at("twice");
            let members = [(twice.as_str(), "1", 0), (name.as_str(), "long enough to pass", mode)];
            let error = open(&members, limits).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"no zip at all, but long enough for one").unwrap();
        assert!(ModuleZip::open(&module(), file.path(), &GoLimits::DEFAULT).is_err());
    }
}
