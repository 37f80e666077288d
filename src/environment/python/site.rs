//! Folders of installed wheels: what Python imports from, made without pip and without running anything.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{PythonError, record};
use crate::limits::pypi::PypiLimits;
use crate::source::pypi::PypiError;
use crate::source::pypi::wheel::WheelFile;

/// Where a site is seen in a sandbox: a folder that Debian's root file systems have, and that packages
/// leave alone.
pub const SITE_TARGET: &str = "/opt";

/// A folder of unpacked wheels. To be mounted read-only at [`SITE_TARGET`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    folder: PathBuf,
}

impl Site {
    /// Unpacks wheels, given by file name and path, into `folder`, which must not exist yet. Each is
    /// checked against its own `RECORD`; two that bring the same file are refused. Scripts, headers and
    /// data files are left out, and `.pth` files have no effect there.
    pub fn make(
        folder: &Path,
        wheels: &[(String, PathBuf)],
        limits: &PypiLimits,
    ) -> Result<Self, PythonError> {
        fs::create_dir(folder).map_err(PypiError::disk(folder))?;
        for (name, path) in wheels {
            record(name, path)?;
            WheelFile::open(name, path, limits)?.unpack(folder)?;
        }
        readable(folder).map_err(PypiError::disk(folder))?;
        Ok(Self { folder: folder.to_path_buf() })
    }

    /// The folder on the host.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The variables with which Python inside finds it, and with which it imports from nowhere else but
    /// its own library.
    pub const fn variables() -> [(&'static str, &'static str); 3] {
        [("PYTHONPATH", SITE_TARGET), ("PYTHONNOUSERSITE", "1"), ("PYTHONDONTWRITEBYTECODE", "1")]
    }
}

/// Whatever the caller's umask: inside it is another user who reads. Only folders and files made here are
/// below, so that nothing is followed.
fn readable(folder: &Path) -> std::io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            readable(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}
