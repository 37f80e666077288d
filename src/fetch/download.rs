//! One download: claimed in the store, resumed where a part is there, retried while it makes sense.

use std::time::{Duration, Instant};

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use super::address::check_length;
use super::client::{content_length, content_range, expect_status, shown, text};
use super::progress::Progress;
use super::{FetchError, Fetcher, Length, Request};
use crate::store::{Claim, Object, Partial, Store, StoreError};

/// Pause between two looks at a file that somebody else is downloading.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

impl Fetcher {
    pub(super) fn download(
        &self,
        store: &Store,
        request: &Request,
        url: &Url,
        progress: &Progress<'_>,
    ) -> Result<Object, FetchError> {
        let mut partial = match self.claim(store, request, progress)? {
            Claim::Present(object) => return Ok(object),
            Claim::Partial(partial) => partial,
            Claim::Busy { .. } => match store.claim_private(&request.digest)? {
                Claim::Partial(partial) => partial,
                Claim::Present(object) => return Ok(object),
                Claim::Busy { len_bytes } => return Err(self.no_headway(url, len_bytes)),
            },
        };
        let mut tries = 0;
        // Bytes from more than one answer may be of two files: one wrong digest is forgiven there.
        let (mut spliced, mut forgiven) = (false, false);
        loop {
            let before = partial.len_bytes();
            spliced |= before > 0;
            let failure = match self.attempt(request, url, &mut partial, progress) {
                Ok(()) => match store.commit(&mut partial) {
                    Ok(object) => return Ok(object),
                    Err(StoreError::Digest { .. }) if spliced && !forgiven => {
                        (spliced, forgiven) = (false, true);
                        continue;
                    }
                    Err(StoreError::Digest { expected, found }) => {
                        return Err(FetchError::Digest { url: shown(url), expected, found });
                    }
                    Err(e) => return Err(e.into()),
                },
                Err(e) => e,
            };
            if !failure.is_transient() {
                return Err(failure);
            }
            // Headway earns new tries: a long download over a bad line ends all the same.
            let headway = partial.len_bytes() >= before.saturating_add(self.limits.window_bytes_min);
            tries = if headway { 1 } else { tries + 1 };
            if tries > self.limits.retries_max {
                return Err(failure);
            }
            self.pause(tries - 1);
        }
    }

    /// Waits while another process or thread downloads the same file and makes headway.
    fn claim(&self, store: &Store, request: &Request, progress: &Progress<'_>) -> Result<Claim, StoreError> {
        let (mut most, mut since) = (0, Instant::now());
        loop {
            match store.claim(&request.digest)? {
                Claim::Busy { len_bytes } if since.elapsed() <= self.limits.stall_timeout => {
                    if len_bytes > most {
                        (most, since) = (len_bytes, Instant::now());
                        progress.reached(&request.digest, len_bytes);
                    }
                    std::thread::sleep(BUSY_PAUSE);
                }
                claim => return Ok(claim),
            }
        }
    }

    fn no_headway(&self, url: &Url, len_bytes: u64) -> FetchError {
        FetchError::Stalled {
            url: shown(url),
            after: self.limits.stall_timeout,
            window_bytes_min: self.limits.window_bytes_min,
            len_bytes,
        }
    }

    /// One request. On success the partial has the length that was expected.
    fn attempt(
        &self,
        request: &Request,
        url: &Url,
        partial: &mut Partial,
        progress: &Progress<'_>,
    ) -> Result<(), FetchError> {
        if partial.len_bytes() > request.length.bytes_max() {
            partial.restart()?;
        }
        if request.length == Length::Exactly(partial.len_bytes()) && partial.len_bytes() > 0 {
            return Ok(());
        }
        let offset = partial.len_bytes();
        let mut response = self.send(&Method::GET, url, &resume_headers(url, partial))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if offset > 0 => {
                let range =
                    content_range(response.headers()).filter(|r| r.first == offset && r.last >= offset);
                let Some(range) = range else {
                    partial.restart()?;
                    return Err(FetchError::Protocol {
                        url: shown(url),
                        detail: format!("asked for the bytes from {offset} on and got others"),
                    });
                };
                let end = range.total.unwrap_or_else(|| range.last.saturating_add(1));
                check_length(url.as_str(), request.length, end)?;
            }
            StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => {
                // The server's file ends before ours: one of the two is another file.
                partial.restart()?;
                response = self.send(&Method::GET, url, &HeaderMap::new())?;
                self.begin_whole(request, url, &response, partial)?;
            }
            _ => self.begin_whole(request, url, &response, partial)?,
        }
        let (at, length) = (url.as_str(), request.length);
        let read = self.read_body(url, &mut response, partial.len_bytes(), &mut |part| {
            let len_bytes = partial.len_bytes().saturating_add(part.len() as u64);
            check_length(at, Length::AtMost(length.bytes_max()), len_bytes)?;
            partial.append(part)?;
            progress.reached(&request.digest, len_bytes);
            Ok(())
        });
        let read = read.and_then(|()| check_length(at, length, partial.len_bytes()));
        if matches!(read, Err(FetchError::TooShort { .. } | FetchError::TooLong { .. })) {
            // The whole answer came and is not the file: nothing to resume from.
            partial.restart()?;
        }
        read
    }

    /// Takes an answer that starts at the first byte.
    fn begin_whole(
        &self,
        request: &Request,
        url: &Url,
        response: &reqwest::blocking::Response,
        partial: &mut Partial,
    ) -> Result<(), FetchError> {
        expect_status(url, response, StatusCode::OK)?;
        if let Some(n) = content_length(response.headers()) {
            check_length(url.as_str(), request.length, n)?;
        }
        partial.restart()?;
        partial.begin(validator(url, response.headers()).as_deref())?;
        Ok(())
    }
}

/// What identifies the very bytes of an answer: the address and a strong entity tag, or its date
/// (RFC 9110 section 13.1.5).
fn validator(url: &Url, headers: &HeaderMap) -> Option<String> {
    let tag = text(headers, &header::ETAG).filter(|t| !t.starts_with("W/"));
    let value = tag.or_else(|| text(headers, &header::LAST_MODIFIED))?;
    Some(format!("{}\n{value}", shown(url)))
}

/// Asks for what is missing. With a validator of the same address the server itself says whether the
/// file is still that one; otherwise the digest does, at the end.
fn resume_headers(url: &Url, partial: &Partial) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if partial.len_bytes() == 0 {
        return headers;
    }
    if let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", partial.len_bytes())) {
        headers.insert(header::RANGE, range);
        let same = partial.validator().and_then(|v| v.split_once('\n')).filter(|(of, _)| *of == shown(url));
        if let Some(value) = same.and_then(|(_, value)| HeaderValue::from_str(value).ok()) {
            headers.insert(header::IF_RANGE, value);
        }
    }
    headers
}
