//! The only HTTP of the crate: addresses with an expected digest in, objects in the store out.
//!
//! Nothing that arrives is trusted: every download has an expected digest and a bound on its length,
//! every wait has a bound, and only bytes with the expected digest reach the store. Redirects are
//! followed to `http:` and `https:` only, never from `https:` down to `http:`. Cookies, compression
//! and the environment's proxy variables are off; certificate authorities are the system's.
//!
//! What this does *not* establish: that a digest is the right one. That is the caller's affair, and
//! for files without an expected digest ([`Fetcher::get_small`], [`Fetcher::get_page`]) nothing but the length is bounded.
//! Repositories of git are asked through [`git`].

mod address;
mod client;
mod download;
mod error;
pub mod git;
mod page;
mod progress;
#[cfg(feature = "tuf")]
pub mod tuf;

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub use address::redact;
pub use error::FetchError;
pub use page::{Page, join};

use crate::digest::Digest;
use crate::event::{Event, Observer, Stage};
use crate::limits::fetch::FetchLimits;
use crate::store::{Object, Store, StoreError};
use address::Address;
use progress::Progress;

/// What is known about the length of a file beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Length {
    /// A signed index or a lock says how many bytes there are.
    Exactly(u64),
    /// Only a bound is known.
    AtMost(u64),
}

impl Length {
    /// The most bytes that may come.
    pub const fn bytes_max(self) -> u64 {
        match self {
            Self::Exactly(n) | Self::AtMost(n) => n,
        }
    }
}

/// One file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it may be had: `http:`, `https:` or `file:` URLs, tried in order.
    pub urls: Vec<String>,
    /// What it must be.
    pub digest: Digest,
    /// How long it must be.
    pub length: Length,
}

/// Proxies, as the caller decided; the library reads no environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxies {
    /// Connect directly.
    None,
    /// Use proxies.
    Some {
        /// For `http:` URLs.
        http: Option<String>,
        /// For `https:` URLs.
        https: Option<String>,
        /// Hosts to reach directly, in the syntax of `no_proxy`.
        except: Option<String>,
    },
}

/// A file whose digest was not known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Small {
    /// The bytes. Nothing vouches for them yet.
    Fetched {
        /// The whole file.
        bytes: Vec<u8>,
        /// The `Last-Modified` header, to be handed to the next request as it is.
        last_modified: Option<String>,
    },
    /// The server says that it has not changed.
    NotModified,
}

/// Whether an address has something to offer.
#[derive(Debug)]
pub enum Availability {
    /// Yes.
    Available {
        /// The length it announces.
        len_bytes: Option<u64>,
    },
    /// The server says that there is no such file.
    Missing,
    /// It could not be found out.
    Unreachable(Box<FetchError>),
}

/// Fetches files into a store.
#[derive(Debug)]
pub struct Fetcher {
    proxies: Proxies,
    limits: FetchLimits,
    client: OnceLock<reqwest::blocking::Client>,
}

impl Fetcher {
    /// A fetcher; connects to nobody before it is asked to.
    pub fn new(proxies: Proxies, limits: FetchLimits) -> Self {
        Self { proxies, limits, client: OnceLock::new() }
    }

    /// Fetches one file into the store, or finds it there.
    pub fn fetch(
        &self,
        store: &Store,
        request: &Request,
        stage: Stage,
        observer: &dyn Observer,
    ) -> Result<Object, FetchError> {
        if let Some(object) = store.get(&request.digest)? {
            return Ok(object);
        }
        let progress = Progress::new(stage, observer, std::slice::from_ref(request));
        self.obtain(store, request, &progress)
    }

    /// Fetches files into the store, several at a time; asks for nothing that is there already. The
    /// answers are in the order of the requests. Stops at the first trouble with the store.
    pub fn fetch_all(
        &self,
        store: &Store,
        requests: &[Request],
        stage: Stage,
        observer: &dyn Observer,
    ) -> Result<Vec<Result<Object, FetchError>>, StoreError> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut wanted = Vec::new();
        for (index, request) in requests.iter().enumerate() {
            match store.get(&request.digest)? {
                Some(object) => answers.push(Some(Ok(object))),
                None => {
                    answers.push(None);
                    wanted.push((index, request));
                }
            }
        }
        if !wanted.is_empty() {
            let progress = Progress::new(stage, observer, wanted.iter().map(|(_, r)| *r));
            for (index, answer) in self.obtain_all(store, &wanted, &progress) {
                match answer {
                    Err(FetchError::Store(e)) => return Err(e),
                    answer => {
                        if let Some(slot) = answers.get_mut(index) {
                            *slot = Some(answer);
                        }
                    }
                }
            }
        }
        let unanswered = |request: &Request| Err(FetchError::NoAddress { what: request.digest.to_string() });
        Ok(answers.into_iter().zip(requests).map(|(a, r)| a.unwrap_or_else(|| unanswered(r))).collect())
    }

    fn obtain_all(
        &self,
        store: &Store,
        wanted: &[(usize, &Request)],
        progress: &Progress<'_>,
    ) -> Vec<(usize, Result<Object, FetchError>)> {
        // Requests for the same bytes are one stream's affair: two would wait for each other. Whichever
        // of them is answered, the rest find the file in the store.
        let (mut files, mut place) = (Vec::<Vec<(usize, &Request)>>::new(), HashMap::new());
        for (index, request) in wanted {
            let at = *place.entry((&request.digest, request.length)).or_insert(files.len());
            match files.get_mut(at) {
                Some(same) => same.push((*index, request)),
                None => files.push(vec![(*index, request)]),
            }
        }
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let work = || {
            let mut mine = Vec::new();
            while !stop.load(Ordering::Relaxed)
                && let Some(same) = files.get(next.fetch_add(1, Ordering::Relaxed))
            {
                for (index, request) in same {
                    let answer = self.obtain(store, request, progress);
                    if matches!(answer, Err(FetchError::Store(_))) {
                        stop.store(true, Ordering::Relaxed);
                    }
                    mine.push((*index, answer));
                }
            }
            mine
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.limits.streams_max.clamp(1, files.len().max(1)))
                .map(|_| scope.spawn(work))
                .collect();
            workers.into_iter().filter_map(|w| w.join().ok()).flatten().collect()
        })
    }

    /// Tries each address in turn.
    fn obtain(
        &self,
        store: &Store,
        request: &Request,
        progress: &Progress<'_>,
    ) -> Result<Object, FetchError> {
        let mut failures = Vec::new();
        for url in &request.urls {
            let answer = match Address::parse(url, &self.limits)? {
                Address::File(path) => address::put_file(store, request, url, &path),
                Address::Http(url) => self.download(store, request, &url, progress),
            };
            match answer {
                Ok(object) => {
                    progress.reached(&request.digest, object.len_bytes);
                    return Ok(object);
                }
                Err(e @ FetchError::Store(_)) => return Err(e),
                Err(e) => {
                    progress.observer.event(&Event::Note { stage: progress.stage, text: &e.to_string() });
                    failures.push(e);
                }
            }
        }
        match failures.len() {
            0 => Err(FetchError::NoAddress { what: request.digest.to_string() }),
            1 => Err(failures.remove(0)),
            _ => Err(FetchError::EveryAddress { digest: request.digest.clone(), failures }),
        }
    }

    /// Fetches a file whose digest is not known beforehand, at most `len_bytes_max` bytes, into
    /// memory. With `if_modified_since` (a former answer's `last_modified`) the server may say that
    /// nothing changed. The bytes are whatever the server or somebody on the way wanted them to be.
    pub fn get_small(
        &self,
        url: &str,
        len_bytes_max: u64,
        if_modified_since: Option<&str>,
    ) -> Result<Small, FetchError> {
        match Address::parse(url, &self.limits)? {
            Address::File(path) => Ok(Small::Fetched {
                bytes: address::read_file(url, &path, len_bytes_max)?,
                last_modified: None,
            }),
            Address::Http(url) => {
                self.retrying(|| self.get_small_once(&url, len_bytes_max, if_modified_since))
            }
        }
    }

    /// Asks for each address, several at a time, whether it has something to offer; downloads nothing.
    /// The answers are in the order of the addresses.
    pub fn availability(&self, urls: &[String]) -> Vec<Availability> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut mine = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                match urls.get(index) {
                    Some(url) => mine.push((index, self.available(url))),
                    None => return mine,
                }
            }
        };
        let mut answers: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..self.limits.streams_max.clamp(1, urls.len().max(1))).map(|_| scope.spawn(work)).collect();
            workers.into_iter().filter_map(|w| w.join().ok()).flatten().collect()
        });
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, a)| a).collect()
    }

    fn available(&self, url: &str) -> Availability {
        let asked = Address::parse(url, &self.limits).and_then(|address| match address {
            Address::File(path) => address::file_len(url, &path).map(Some),
            Address::Http(url) => self.retrying(|| self.head(&url)),
        });
        match asked {
            Ok(len_bytes) => Availability::Available { len_bytes },
            Err(e) if e.is_missing() => Availability::Missing,
            Err(e) => Availability::Unreachable(Box::new(e)),
        }
    }

    /// Repeats what failed in a way that may pass, with growing pauses.
    fn retrying<T>(&self, attempt: impl Fn() -> Result<T, FetchError>) -> Result<T, FetchError> {
        let mut tries = 0;
        loop {
            match attempt() {
                Err(e) if e.is_transient() && tries < self.limits.retries_max => {
                    self.pause(tries);
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    fn pause(&self, tries: u32) {
        let pause = self.limits.retry_pause.saturating_mul(1 << tries.min(16));
        std::thread::sleep(pause.min(self.limits.retry_pause_max));
    }
}

#[cfg(test)]
mod tests;
