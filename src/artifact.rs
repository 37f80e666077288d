//! Artifacts: bytes with digests, in the role of `Published` or `Rebuilt`.

use std::fmt;
use std::path::Path;

use camino::Utf8PathBuf;
use miette::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::digest::{Algorithm, DigestSet, hash_file};

/// A file name without directory part: not empty, no `/`, no NUL, not `.` or `..`, at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactName(String);

impl ArtifactName {
    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, ArtifactError> {
        let name = name.into();
        let fits = !name.is_empty()
            && name.len() <= 255
            && name != "."
            && name != ".."
            && !name.chars().any(|c| c == '/' || c.is_control());
        if fits { Ok(Self(name)) } else { Err(ArtifactError::Name { found: name }) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ArtifactName {
    type Error = ArtifactError;

    fn try_from(name: String) -> Result<Self, ArtifactError> {
        Self::new(name)
    }
}

impl From<ArtifactName> for String {
    fn from(name: ArtifactName) -> Self {
        name.0
    }
}

/// Bytes on disk with the digests that were computed from them here, never ones that were announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The name under which it is distributed.
    pub name: ArtifactName,
    /// Where the bytes are.
    pub path: Utf8PathBuf,
    /// Computed digests.
    pub digests: DigestSet,
    /// Length in bytes.
    pub len_bytes: u64,
}

impl Artifact {
    /// Reads and hashes a file (SHA-256).
    pub fn read(name: ArtifactName, path: &Path) -> Result<Self, ArtifactError> {
        let utf8 = Utf8PathBuf::from_path_buf(path.to_path_buf())
            .map_err(|p| ArtifactError::Name { found: p.to_string_lossy().into_owned() })?;
        let (digest, len_bytes) = hash_file(Algorithm::Sha256, path)
            .map_err(|source| ArtifactError::Read { path: utf8.clone(), source })?;
        Ok(Self { name, path: utf8, digests: DigestSet::single(digest), len_bytes })
    }
}

/// An artifact as its publisher distributes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published(pub Artifact);

/// An artifact as we built it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt(pub Artifact);

/// Why an artifact could not be taken.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ArtifactError {
    /// Not a plain file name.
    #[error("`{}` is not a plain file name", found.escape_debug())]
    #[diagnostic(
        code(artifact::name),
        help("give a file name without directories or control characters, at most 255 bytes")
    )]
    Name {
        /// As found.
        found: String,
    },
    /// The file could not be read.
    #[error("cannot read `{path}`")]
    #[diagnostic(code(artifact::read), help("check that the file exists and may be read"))]
    Read {
        /// Which file.
        path: Utf8PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::ArtifactName;

    #[test]
    fn names_with_directories_or_control_characters_are_refused() {
        for bad in ["", ".", "..", "a/b", "/a", "a\0b", "a\nb", &"x".repeat(256)] {
            assert!(ArtifactName::new(bad).is_err(), "{bad:?}");
        }
        assert!(ArtifactName::new("prometheus_2.42.0+ds-5+deb12u1_amd64.deb").is_ok());
    }
}
