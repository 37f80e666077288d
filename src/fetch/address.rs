//! Addresses: which are fetched from, how they are shown, and files of local mirrors.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use reqwest::Url;

use super::{FetchError, Length, Request};
use crate::limits::fetch::FetchLimits;
use crate::store::{Object, Store, StoreError};

/// Characters of an unreadable address that a message shows.
const SHOWN_CHARS_MAX: usize = 200;

/// Where something may be had.
#[derive(Debug)]
pub(super) enum Address {
    /// On this machine.
    File(PathBuf),
    /// On a server.
    Http(Url),
}

impl Address {
    pub(super) fn parse(text: &str, limits: &FetchLimits) -> Result<Self, FetchError> {
        let refused = |reason: String| FetchError::Address { url: redact(text), reason };
        if text.len() > limits.url_bytes_max {
            return Err(refused(format!("it has more than {} bytes", limits.url_bytes_max)));
        }
        let url = Url::parse(text).map_err(|e| refused(e.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Http(url)),
            "file" => match url.to_file_path() {
                Ok(path) => Ok(Self::File(path)),
                Err(()) => Err(refused("it names another host's file".to_owned())),
            },
            scheme => Err(refused(format!("unknown scheme `{scheme}`"))),
        }
    }
}

/// The address without user name and password, for messages and reports.
pub fn redact(text: &str) -> String {
    let shown = match Url::parse(text) {
        Ok(mut url) => {
            // Both fail only where there is no user name to remove.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        // Whatever precedes the last `@` may be a password.
        Err(_) => text.rsplit('@').next().unwrap_or_default().to_owned(),
    };
    match shown.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", shown.get(..cut).unwrap_or_default()),
        None => shown,
    }
}

/// Opens a regular file; a named pipe or a device would block or never end.
fn open_file(url: &str, path: &Path) -> Result<(File, u64), FetchError> {
    let failed = |source| FetchError::Local { url: redact(url), source };
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    Ok((file, meta.len()))
}

pub(super) fn file_len(url: &str, path: &Path) -> Result<u64, FetchError> {
    open_file(url, path).map(|(_, len_bytes)| len_bytes)
}

pub(super) fn read_file(url: &str, path: &Path, len_bytes_max: u64) -> Result<Vec<u8>, FetchError> {
    let (file, len_bytes) = open_file(url, path)?;
    let mut bytes = Vec::new();
    if len_bytes <= len_bytes_max {
        file.take(len_bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| FetchError::Local { url: redact(url), source })?;
    }
    let found_bytes = len_bytes.max(bytes.len() as u64);
    if found_bytes > len_bytes_max {
        return Err(FetchError::TooLong { url: redact(url), expected_bytes_max: len_bytes_max, found_bytes });
    }
    Ok(bytes)
}

pub(super) fn put_file(
    store: &Store,
    request: &Request,
    url: &str,
    path: &Path,
) -> Result<Object, FetchError> {
    let (file, found_bytes) = open_file(url, path)?;
    check_length(url, request.length, found_bytes)?;
    let url = || redact(url);
    store.put(file, &request.digest, request.length.bytes_max()).map_err(|e| match e {
        StoreError::Digest { expected, found } => FetchError::Digest { url: url(), expected, found },
        StoreError::TooLong { len_bytes_max, .. } => FetchError::TooLong {
            url: url(),
            expected_bytes_max: len_bytes_max,
            found_bytes: len_bytes_max.saturating_add(1),
        },
        StoreError::Read { source, .. } => FetchError::Local { url: url(), source },
        e => FetchError::Store(e),
    })
}

/// Compares an announced or reached length with the expected one.
pub(super) fn check_length(url: &str, expected: Length, found_bytes: u64) -> Result<(), FetchError> {
    match expected {
        Length::Exactly(n) if found_bytes < n => {
            Err(FetchError::TooShort { url: redact(url), expected_bytes: n, found_bytes })
        }
        Length::Exactly(n) | Length::AtMost(n) if found_bytes > n => {
            Err(FetchError::TooLong { url: redact(url), expected_bytes_max: n, found_bytes })
        }
        _ => Ok(()),
    }
}
