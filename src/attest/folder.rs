//! Where statements are kept: `attestations/<component>/<version>/<name>.intoto.json`, and beside it
//! `<name>.dsse.json` when it is signed.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use serde::Serialize;

use super::key::{SigningKey, SigningKeyError};
use crate::digest::Digest;
use crate::statement::Statement;
use crate::statement::dsse::{Envelope, PAYLOAD_TYPE_IN_TOTO};

/// Bytes of one part of a path. Default 120: a file name may have 255, and a suffix follows.
const NAME_BYTES_MAX: usize = 120;

/// One part of a path from any text: letters, digits, `.`, `_`, `+`, `~` and `-` stay, the rest becomes
/// `_`; it never begins with `.` or `-` and is never empty. Text that is changed gets eight digits of
/// its SHA-256 behind it, so that two texts do not share a name.
pub fn safe_name(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | '-');
    let mut name: String =
        text.chars().take(NAME_BYTES_MAX).map(|c| if allowed(c) { c } else { '_' }).collect();
    if name.is_empty() || name.starts_with(['.', '-']) {
        name.insert(0, '_');
    }
    if name != text {
        name.truncate(NAME_BYTES_MAX);
        let hex: String = Digest::sha256(text.as_bytes()).to_hex().chars().take(8).collect();
        name.push('-');
        name.push_str(&hex);
    }
    name
}

/// Writes a file as a whole or not at all: into a temporary file beside it, then renamed over it.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let fail = |source| WriteError::Write { path: path.to_path_buf(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(fail)?;
    let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(folder).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    // Readable like any file that a program writes; what the umask would have given.
    std::fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .map_err(fail)?;
    file.as_file().sync_all().map_err(fail)?;
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}

/// A statement's bytes: JSON, indented, with a line end. The same statement gives the same bytes.
pub fn statement_bytes<P: Serialize>(statement: &Statement<P>) -> Result<Vec<u8>, WriteError> {
    let mut bytes = serde_json::to_vec_pretty(statement).map_err(|source| WriteError::Json { source })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Writes a statement below `attestations`, and its signed envelope beside it when a key is given.
/// Gives the paths written. Without a key, an envelope of an earlier run stays if it carries these
/// very bytes, and is removed if it carries others.
pub fn write_statement<P: Serialize>(
    attestations: &Path,
    component: &str,
    version: &str,
    name: &str,
    statement: &Statement<P>,
    key: Option<&SigningKey>,
) -> Result<Vec<PathBuf>, WriteError> {
    let folder = attestations.join(safe_name(component)).join(safe_name(version));
    let stem = safe_name(name);
    let bytes = statement_bytes(statement)?;
    let plain = folder.join(format!("{stem}.intoto.json"));
    let signed = folder.join(format!("{stem}.dsse.json"));
    let envelope = match key {
        Some(key) => Some(super::sign(PAYLOAD_TYPE_IN_TOTO, &bytes, key)?),
        None => None,
    };
    write_atomically(&plain, &bytes)?;
    let Some(envelope) = envelope else {
        if std::fs::read(&signed).is_ok_and(|old| !carries(&old, &bytes)) {
            std::fs::remove_file(&signed).map_err(|source| WriteError::Write { path: signed, source })?;
        }
        return Ok(vec![plain]);
    };
    let mut text = serde_json::to_vec(&envelope).map_err(|source| WriteError::Json { source })?;
    text.push(b'\n');
    write_atomically(&signed, &text)?;
    Ok(vec![plain, signed])
}

fn carries(envelope: &[u8], payload: &[u8]) -> bool {
    serde_json::from_slice::<Envelope>(envelope)
        .is_ok_and(|e| e.payload == Envelope::new(PAYLOAD_TYPE_IN_TOTO, payload, Vec::new()).payload)
}

/// Why a statement or a report could not be written.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum WriteError {
    /// The file system refused.
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(code(attest::write), help("check that the folder exists, may be written and has room"))]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The statement has no JSON form.
    #[error("the statement has no JSON form")]
    #[diagnostic(code(attest::json), help("report this as a defect, with the component's name and version"))]
    Json {
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The key refused.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sign(#[from] SigningKeyError),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_stay_one_part_of_a_path_and_stay_different() {
        for (text, expected) in [
            ("prometheus_2.42.0+ds-5+deb12u1_amd64.deb", "prometheus_2.42.0+ds-5+deb12u1_amd64.deb"),
            ("1.0~rc1", "1.0~rc1"),
        ] {
            assert_eq!(safe_name(text), expected);
        }
        let hostile =
            ["", ".", "..", "../x", "/etc/passwd", "a/b", "a_b/", "a\0b", "a\nb", "-rf", "\u{202e}", "1:2.0"];
        let mut seen = std::collections::BTreeSet::new();
        for text in hostile {
            let name = safe_name(text);
            assert!(
                !name.is_empty() && !name.starts_with(['.', '-']) && !name.contains(['/', '\0']),
                "{name}"
            );
            assert!(seen.insert(name), "{text:?}");
        }
        assert!(safe_name(&"x".repeat(10_000)).len() < 140);
        assert_ne!(safe_name(&"x".repeat(10_000)), safe_name(&"x".repeat(10_001)));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/file.json");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        let below_a_file = path.join("x");
        assert!(matches!(write_atomically(&below_a_file, b""), Err(WriteError::Write { .. })));
    }
}
