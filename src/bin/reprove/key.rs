//! `--key FILE`: reads a signing key; the password of an encrypted one comes from `COSIGN_PASSWORD`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use reprove::attest::{SigningKey, SigningKeyError};

use crate::exit::Exit;
use crate::render::Failure;

/// No key file is larger; the library refuses what passes its own, smaller bound.
const KEY_FILE_BYTES_MAX: u64 = 64 << 10;

#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot read the signing key `{}`", path.display())]
#[diagnostic(code(key::read), help("check that the file exists and can be read"))]
struct Unreadable {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// Reads the signing key at `path`.
pub(crate) fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let mut text = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(KEY_FILE_BYTES_MAX).read_to_end(&mut text))
        .map_err(|source| Failure::new(Unreadable { path: path.to_owned(), source }, Exit::CouldNotLook))?;
    let password = std::env::var_os("COSIGN_PASSWORD").map(std::ffi::OsString::into_encoded_bytes);
    SigningKey::from_pem(&text, password.as_deref()).map_err(|error| {
        let exit = match error {
            SigningKeyError::Signing => Exit::CouldNotLook,
            _ => Exit::Usage,
        };
        Failure::new(error, exit)
    })
}
