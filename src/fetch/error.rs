//! Why something could not be fetched.

use std::time::Duration;

use miette::Diagnostic;

use crate::digest::Digest;
use crate::store::StoreError;

/// Why something could not be fetched. URLs are shown without user name and password.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum FetchError {
    /// No address at all was given.
    #[error("no address is known for `{what}`")]
    #[diagnostic(code(fetch::no_address), help("name a mirror that has it, e.g. with `--mirror`"))]
    NoAddress {
        /// What was wanted.
        what: String,
    },
    /// Not a URL that this crate fetches.
    #[error("`{url}` is not an address to fetch from: {reason}")]
    #[diagnostic(code(fetch::address), help("use an `http:`, `https:` or `file:` URL"))]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client")]
    #[diagnostic(
        code(fetch::client),
        help(
            "install the system's certificate authorities (Debian: package `ca-certificates`), and check the \
             proxy's address if one is set"
        )
    )]
    Client {
        /// The client's reason.
        #[source]
        source: reqwest::Error,
    },
    /// No connection, or it broke.
    #[error("the connection to `{url}` failed")]
    #[diagnostic(
        code(fetch::connection),
        help("check the network and the proxy; the part that arrived is kept, so repeat the command")
    )]
    Connection {
        /// The address.
        url: String,
        /// The client's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Too few bytes for too long.
    #[error("`{url}` stalled: fewer than {window_bytes_min} bytes in {after:?}, {len_bytes} bytes in all")]
    #[diagnostic(
        code(fetch::stalled),
        help("repeat the command later or name another mirror; the part that arrived is kept")
    )]
    Stalled {
        /// The address.
        url: String,
        /// The time it was given.
        after: Duration,
        /// What was to arrive in that time.
        window_bytes_min: u64,
        /// Bytes that are there.
        len_bytes: u64,
    },
    /// The server does not have it.
    #[error("`{url}` is missing: the server answered {status}")]
    #[diagnostic(code(fetch::missing), help("name a mirror or snapshot that still has it"))]
    Missing {
        /// The address.
        url: String,
        /// 404 or 410.
        status: u16,
    },
    /// The server refused, or failed and went on failing.
    #[error("`{url}` answered {status}, expected 200")]
    #[diagnostic(code(fetch::status), help("repeat the command later, or name another mirror"))]
    Status {
        /// The address.
        url: String,
        /// The status code.
        status: u16,
    },
    /// Redirected too often.
    #[error("`{url}` redirects more than {redirects_max} times")]
    #[diagnostic(code(fetch::redirects), help("name the address that the redirects were to end at"))]
    Redirects {
        /// The first address.
        url: String,
        /// The bound.
        redirects_max: usize,
    },
    /// Redirected to where this crate does not go.
    #[error("`{url}` redirects to `{to}`: {reason}")]
    #[diagnostic(code(fetch::redirect_target), help("name another mirror"))]
    RedirectTarget {
        /// The address.
        url: String,
        /// The target.
        to: String,
        /// Why it is refused.
        reason: &'static str,
    },
    /// The answer breaks HTTP's rules.
    #[error("`{url}` answered against the protocol: {detail}")]
    #[diagnostic(code(fetch::protocol), help("name another mirror, or check the proxy in between"))]
    Protocol {
        /// The address.
        url: String,
        /// What is wrong.
        detail: String,
    },
    /// The server says that it will not.
    #[error("`{url}` refused what was asked: {said}")]
    #[diagnostic(
        code(fetch::refused),
        help("these are the server's own words; check that the repository and the commit are still there")
    )]
    Refused {
        /// The address.
        url: String,
        /// Its words.
        said: String,
    },
    /// Fewer bytes than expected, and the server says that is all.
    #[error("`{url}` is too short: expected {expected_bytes} bytes, found {found_bytes}")]
    #[diagnostic(
        code(fetch::too_short),
        help("name another mirror; if all have that length, the index that announced it is outdated")
    )]
    TooShort {
        /// The address.
        url: String,
        /// Announced by the signed index or the lock.
        expected_bytes: u64,
        /// Sent or offered.
        found_bytes: u64,
    },
    /// More bytes than expected.
    #[error("`{url}` is too long: expected at most {expected_bytes_max} bytes, found {found_bytes} or more")]
    #[diagnostic(
        code(fetch::too_long),
        help("name another mirror; if all have that length, the index that announced it is outdated")
    )]
    TooLong {
        /// The address.
        url: String,
        /// Announced by the signed index or the lock, or the caller's bound.
        expected_bytes_max: u64,
        /// Sent or offered.
        found_bytes: u64,
    },
    /// The right length with the wrong bytes.
    #[error("`{url}` has other bytes than expected: expected `{expected}`, found `{found}`")]
    #[diagnostic(
        code(fetch::digest),
        help("name another mirror; if all have those bytes, find out who changed them before going on")
    )]
    Digest {
        /// The address.
        url: String,
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// A `file:` address that could not be read.
    #[error("cannot read `{url}`")]
    #[diagnostic(code(fetch::local), help("check that the file exists and is a readable regular file"))]
    Local {
        /// The address.
        url: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// Several addresses, and each failed.
    #[error("none of {} addresses gave `{digest}`", failures.len())]
    #[diagnostic(code(fetch::every_address), help("name another mirror that has it"))]
    EveryAddress {
        /// What was asked for.
        digest: Digest,
        /// What each of them did, in order.
        #[related]
        failures: Vec<FetchError>,
    },
    /// The store could not take the bytes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

impl FetchError {
    /// True where every address says that it does not have the thing. That is evidence that is
    /// missing (an inconclusive verdict), not a failure to look.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Missing { .. } => true,
            Self::Local { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            Self::EveryAddress { failures, .. } => failures.iter().all(Self::is_missing),
            _ => false,
        }
    }

    /// True where the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Stalled { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}
