//! A lock as text: top level and the elements of its lists a line each, everything deeper compact.

use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::{Lock, LockError};

/// Levels that are laid out over several lines: the object itself and the lists in it.
const OPEN_LEVELS: usize = 2;

impl Lock {
    /// The canonical text: the same lock gives the same bytes, with a line feed at the end.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        rows(self)
    }

    /// Writes the canonical text; readers see the old file or the new one, never a part.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        replace(path, self.to_bytes())
    }
}

/// Any lock's canonical text.
pub(in crate::environment) fn rows(lock: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    lock.serialize(&mut Serializer::with_formatter(&mut bytes, Rows { level: 0 }))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Puts a lock's text in its place.
pub(in crate::environment) fn replace(
    path: &Path,
    bytes: Result<Vec<u8>, serde_json::Error>,
) -> Result<(), LockError> {
    let failed = |source: io::Error| LockError::Write { path: path.to_path_buf(), source };
    let bytes = bytes.map_err(|e| failed(e.into()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".lock-").tempfile_in(folder).map_err(failed)?;
    file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    // Temporary files are made private; a lock is to be read by everybody who reads the policies.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Lays out the first [`OPEN_LEVELS`] levels.
struct Rows {
    level: usize,
}

impl Rows {
    fn begin<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.level += 1;
        writer.write_all(bracket)
    }

    fn end<W: ?Sized + io::Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.level = self.level.saturating_sub(1);
        if self.level < OPEN_LEVELS {
            self.line(writer)?;
        }
        writer.write_all(bracket)
    }

    fn item<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        match (self.level <= OPEN_LEVELS, first) {
            (true, _) => self.line(writer),
            (false, false) => writer.write_all(b" "),
            (false, true) => Ok(()),
        }
    }

    fn line<W: ?Sized + io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.level).try_for_each(|_| writer.write_all(b"  "))
    }
}

impl Formatter for Rows {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin(writer, b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
