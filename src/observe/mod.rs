//! Reads what an artifact says of how it was made.
//!
//! Nothing that is read here is proved: the artifact under test says it. A value that a build definition
//! takes from here is an [`crate::observation::Observation`] and is listed as such in the result.

mod error;
pub mod go;
pub mod wheel;

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::limits::observe::ObserveLimits;
pub use error::ObserveError;

/// What was read from one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// Digest of the artifact, where the caller wanted it: it takes longer than all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Length in bytes.
    pub len_bytes: u64,
    /// What it says of itself.
    pub content: Content,
    /// What a reader may expect and will not find, with reasons.
    pub missing: Vec<go::Missing>,
}

/// What kind of artifact was recognised, by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// An executable with Go build information.
    Go(go::GoExecutable),
    /// A Python wheel.
    Wheel(Box<wheel::Wheel>),
    /// Neither: nothing is said, which says nothing.
    Nothing,
}

/// Reads an artifact's account of itself. The file is read, never run or mapped.
pub fn observe(path: &Path, limits: &ObserveLimits) -> Result<Observed, ObserveError> {
    let mut file = File::open(path).map_err(ObserveError::Read)?;
    let len_bytes = file.metadata().map_err(ObserveError::Read)?.len();
    let mut start = [0; 4];
    let have = file.read(&mut start).map_err(ObserveError::Read)?;
    file.rewind().map_err(ObserveError::Read)?;
    let (content, missing) = if have == 4 && &start == b"PK\x03\x04" {
        match wheel::read_with_programs(file, limits)? {
            Some(wheel) => (Content::Wheel(Box::new(wheel)), Vec::new()),
            None => (Content::Nothing, Vec::new()),
        }
    } else {
        match go::read(file, limits)? {
            Some(go) => {
                let missing = go.build_info.missing();
                (Content::Go(go), missing)
            }
            None => (Content::Nothing, Vec::new()),
        }
    };
    Ok(Observed { digest: None, len_bytes, content, missing })
}
