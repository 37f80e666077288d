//! Refreshes a Sigstore trust root through The Update Framework (specification 1.0.34).
//!
//! The root metadata built into this program is where trust starts; every file that arrives is checked by
//! the chain of signatures from there, so that the server and the way to it need not be trusted. Expiry is
//! judged at `as_of`. The folder given keeps the metadata of earlier runs, so that a server cannot go back
//! to older ones.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use miette::Diagnostic;
use sigstore_tuf::transport::FetchFuture;
use sigstore_tuf::{Error, FileStore, Repository, Updater};

use super::{FetchError, Fetcher, Small};

/// Target that holds Sigstore's keys and certificates.
const TARGET: &str = "trusted_root.json";

/// A trust root as the repository states it, authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// `trusted_root.json`.
    pub trusted_root: Vec<u8>,
    /// Version of the TUF root that vouches for it.
    pub root_version: u64,
    /// When that TUF root ends.
    pub root_expires: Timestamp,
    /// When the repository's statement that this is the newest ends.
    pub timestamp_expires: Option<Timestamp>,
}

/// Fetches the newest trust root of the repository at `url`, starting from the TUF root `bootstrap`.
///
/// # Errors
/// [`TufError::Unreachable`] if nothing could be fetched; [`TufError::Refused`] if something was and its
/// signatures, versions or times are not right.
pub fn refresh(
    fetcher: Fetcher,
    url: &str,
    bootstrap: &[u8],
    metadata_dir: &Path,
    as_of: Timestamp,
) -> Result<Refreshed, TufError> {
    let url = url.trim_end_matches('/').to_owned();
    let refused = |source: Error| TufError::Refused { url: url.clone(), source: Box::new(source) };
    let failure = Arc::new(Mutex::new(None));
    let repository = Server { fetcher, url: url.clone(), failure: Arc::clone(&failure) };
    let mut updater =
        Updater::new(repository, bootstrap).map_err(refused)?.with_store(FileStore::new(metadata_dir));
    let outcome = ready(async {
        updater.refresh(as_of).await?;
        updater.get_target(TARGET, as_of).await
    });
    let unreachable = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (outcome, unreachable) {
        (Some(Ok(trusted_root)), _) => Ok(Refreshed {
            trusted_root,
            root_version: updater.trusted().root().version,
            root_expires: updater.trusted().root().expires,
            timestamp_expires: updater.trusted().timestamp().map(|t| t.expires),
        }),
        (_, Some(source)) => Err(TufError::Unreachable { url, source: Box::new(source) }),
        (Some(Err(e)), None) => Err(refused(e)),
        (None, None) => Err(refused(Error::Malformed("the update waits for something".to_owned()))),
    }
}

/// The repository's files, through the crate's one HTTP client with its bounds. It never waits: each
/// answer is there when the future is made.
struct Server {
    fetcher: Fetcher,
    url: String,
    failure: Arc<Mutex<Option<FetchError>>>,
}

impl Server {
    fn get(&self, path: &str, len_bytes_max: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.fetcher.get_small(&format!("{}/{path}", self.url), len_bytes_max, None) {
            Ok(Small::Fetched { bytes, .. }) => Ok(Some(bytes)),
            Ok(Small::NotModified) => Ok(None),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                Err(Error::transport(format!("`{path}` could not be fetched")))
            }
        }
    }
}

impl Repository for Server {
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(std::future::ready(self.get(name, max_length)))
    }

    fn fetch_target<'a>(&'a self, path: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(std::future::ready(self.get(&format!("targets/{path}"), max_length)))
    }
}

/// Runs a future that never waits; `None` if it does.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Why a trust root could not be refreshed. The one in use stays in use.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum TufError {
    /// Nothing arrived.
    #[error("the trust root's repository `{url}` cannot be reached")]
    #[diagnostic(
        code(tuf::unreachable),
        help(
            "check the network and the proxy, or name a mirror with `--repository URL`; the embedded root stays in use"
        )
    )]
    Unreachable {
        /// The repository.
        url: String,
        /// The cause.
        #[source]
        source: Box<FetchError>,
    },
    /// What arrived does not follow from the embedded root.
    #[error("what the repository `{url}` offers is not authentic, out of date or damaged")]
    #[diagnostic(
        code(tuf::refused),
        help("do not use it; try again from another network, and compare with a newer release of reprove")
    )]
    Refused {
        /// The repository.
        url: String,
        /// The cause.
        #[source]
        source: Box<Error>,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use sigstore_trust_root::SigstoreInstance;

    use super::*;
    use crate::fetch::Proxies;
    use crate::limits::fetch::FetchLimits;

    fn at() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    fn from(url: &str, bootstrap: &[u8], kept: &Path) -> TufError {
        let limits = FetchLimits { retries_max: 0, ..FetchLimits::DEFAULT };
        refresh(Fetcher::new(Proxies::None, limits), url, bootstrap, kept, at()).unwrap_err()
    }

    #[test]
    fn an_empty_repository_and_a_forged_one_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        let server = dir.path().join("server");
        std::fs::create_dir(&server).unwrap();
        let url = format!("file://{}", server.display());
        let root = SigstoreInstance::PublicGood.tuf_root();
        let e = from(&url, root, &kept);
        assert!(matches!(e, TufError::Refused { .. } | TufError::Unreachable { .. }), "{e:?}");
        for name in ["timestamp.json", "17.root.json"] {
            std::fs::write(server.join(name), "{\"signed\":{},\"signatures\":[]}").unwrap();
            let e = from(&url, root, &kept);
            assert!(matches!(e, TufError::Refused { .. } | TufError::Unreachable { .. }), "{e:?}");
        }
        assert!(matches!(from(&url, b"{}", &kept), TufError::Refused { .. }));
    }

    #[test]
    fn a_closed_port_is_unreachable() {
        let dir = tempfile::tempdir().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let e = from(&url, SigstoreInstance::PublicGood.tuf_root(), dir.path());
        assert!(matches!(e, TufError::Unreachable { .. }), "{e:?}");
    }
}
