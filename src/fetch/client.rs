//! The HTTP client: one request with its redirects, and readings of its answer.

use std::io::{self, Read as _};
use std::time::Instant;

use reqwest::blocking::{Client, Response};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use super::{FetchError, Fetcher, Proxies, Small, redact};

/// Bytes asked of a connection at a time.
const READ_BUFFER_BYTES: usize = 64 * 1024;

impl Fetcher {
    fn client(&self) -> Result<&Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let failed = |source: reqwest::Error| FetchError::Client { source: source.without_url() };
        let mut builder = Client::builder()
            .user_agent(concat!("reprove/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(self.limits.connect_timeout)
            // In the blocking client: the time until the answer begins, and that of each read.
            .timeout(self.limits.stall_timeout);
        if let Proxies::Some { http, https, except } = &self.proxies {
            let except = except.as_deref().and_then(reqwest::NoProxy::from_string);
            if let Some(url) = http {
                builder = builder.proxy(reqwest::Proxy::http(url).map_err(failed)?.no_proxy(except.clone()));
            }
            if let Some(url) = https {
                builder = builder.proxy(reqwest::Proxy::https(url).map_err(failed)?.no_proxy(except));
            }
        }
        let client = builder.build().map_err(failed)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Sends a request and follows redirects within the bounds.
    pub(super) fn send(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Response, FetchError> {
        let mut at = url.clone();
        for _ in 0..=self.limits.redirects_max {
            let response = self.send_once(method, &at, headers, None)?;
            let status = response.status();
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            at = self.redirect_target(url, &at, response.headers())?;
        }
        Err(FetchError::Redirects { url: shown(url), redirects_max: self.limits.redirects_max })
    }

    /// Sends one request; a redirect is its answer.
    pub(super) fn send_once(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: Option<Vec<u8>>,
    ) -> Result<Response, FetchError> {
        let mut request = self
            .client()?
            .request(method.clone(), url.clone())
            .header(header::ACCEPT_ENCODING, "identity")
            .headers(headers.clone());
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().map_err(|e| self.broken(url, e, 0))
    }

    pub(super) fn redirect_target(
        &self,
        first: &Url,
        at: &Url,
        headers: &HeaderMap,
    ) -> Result<Url, FetchError> {
        let protocol = |detail: &str| FetchError::Protocol { url: shown(at), detail: detail.to_owned() };
        let location = text(headers, &header::LOCATION)
            .ok_or_else(|| protocol("a redirect without a readable `Location`"))?;
        if location.len() > self.limits.url_bytes_max {
            return Err(protocol("the redirect's target is longer than any address may be"));
        }
        let to = at.join(location).map_err(|_| protocol("the redirect's target is not an address"))?;
        let refused = |reason| FetchError::RedirectTarget { url: shown(first), to: shown(&to), reason };
        match (at.scheme(), to.scheme()) {
            (_, "https") | ("http", "http") => Ok(to),
            ("https", "http") => Err(refused("that leaves encryption")),
            _ => Err(refused("only `http:` and `https:` are followed")),
        }
    }

    /// Reads a body to its end under the bounds on stalling; `take` may stop it with an error.
    pub(super) fn read_body(
        &self,
        url: &Url,
        response: &mut Response,
        len_bytes_before: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<(), FetchError>,
    ) -> Result<(), FetchError> {
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut len_bytes = len_bytes_before;
        let (mut window_start, mut window_bytes) = (Instant::now(), 0u64);
        loop {
            let n = match response.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(self.broken_read(url, e, len_bytes)),
            };
            len_bytes += n as u64;
            take(buffer.get(..n).unwrap_or_default())?;
            window_bytes += n as u64;
            if window_start.elapsed() >= self.limits.stall_timeout {
                if window_bytes < self.limits.window_bytes_min {
                    return Err(self.stalled(url, len_bytes));
                }
                (window_start, window_bytes) = (Instant::now(), 0);
            }
        }
    }

    fn stalled(&self, url: &Url, len_bytes: u64) -> FetchError {
        FetchError::Stalled {
            url: shown(url),
            after: self.limits.stall_timeout,
            window_bytes_min: self.limits.window_bytes_min,
            len_bytes,
        }
    }

    fn broken(&self, url: &Url, error: reqwest::Error, len_bytes: u64) -> FetchError {
        if error.is_timeout() && !error.is_connect() {
            return self.stalled(url, len_bytes);
        }
        if error.is_builder() {
            return FetchError::Client { source: error.without_url() };
        }
        FetchError::Connection { url: shown(url), source: Box::new(error.without_url()) }
    }

    fn broken_read(&self, url: &Url, error: io::Error, len_bytes: u64) -> FetchError {
        if error.kind() == io::ErrorKind::TimedOut {
            return self.stalled(url, len_bytes);
        }
        match error.downcast::<reqwest::Error>() {
            Ok(inner) => self.broken(url, inner, len_bytes),
            Err(other) => FetchError::Connection { url: shown(url), source: Box::new(other) },
        }
    }

    pub(super) fn get_small_once(
        &self,
        url: &Url,
        len_bytes_max: u64,
        if_modified_since: Option<&str>,
    ) -> Result<Small, FetchError> {
        let mut headers = HeaderMap::new();
        if let Some(value) = if_modified_since.and_then(|t| HeaderValue::from_str(t).ok()) {
            headers.insert(header::IF_MODIFIED_SINCE, value);
        }
        let mut response = self.send(&Method::GET, url, &headers)?;
        if response.status() == StatusCode::NOT_MODIFIED && if_modified_since.is_some() {
            return Ok(Small::NotModified);
        }
        expect_status(url, &response, StatusCode::OK)?;
        let last_modified = text(response.headers(), &header::LAST_MODIFIED).map(str::to_owned);
        let bytes = self.whole_body(url, &mut response, len_bytes_max)?;
        Ok(Small::Fetched { bytes, last_modified })
    }

    /// Asks for the length; with HEAD, or where a server does not know that, for one byte.
    pub(super) fn head(&self, url: &Url) -> Result<Option<u64>, FetchError> {
        let response = self.send(&Method::HEAD, url, &HeaderMap::new())?;
        match response.status().as_u16() {
            200 => return Ok(content_length(response.headers())),
            403 | 405 | 501 => {}
            _ => {
                expect_status(url, &response, StatusCode::OK)?;
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-0"));
        let response = self.send(&Method::GET, url, &headers)?;
        match response.status().as_u16() {
            206 => Ok(content_range(response.headers()).and_then(|r| r.total)),
            // Not satisfiable: there is a file, and it is empty.
            416 => Ok(Some(0)),
            _ => {
                expect_status(url, &response, StatusCode::OK)?;
                Ok(content_length(response.headers()))
            }
        }
    }
}

/// Any other status is an error; 404 and 410 are one of their own.
pub(super) fn expect_status(url: &Url, response: &Response, expected: StatusCode) -> Result<(), FetchError> {
    let status = response.status();
    let url = || shown(url);
    match status.as_u16() {
        _ if status == expected => Ok(()),
        404 | 410 => Err(FetchError::Missing { url: url(), status: status.as_u16() }),
        _ => Err(FetchError::Status { url: url(), status: status.as_u16() }),
    }
}

pub(super) fn shown(url: &Url) -> String {
    redact(url.as_str())
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(super) fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, &header::CONTENT_LENGTH)?.parse().ok()
}

/// A `Content-Range` of a 206 answer (RFC 9110 section 14.4).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: Option<u64>,
}

pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    let (range, total) = text(headers, &header::CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        n => Some(n.parse().ok()?),
    };
    Some(ContentRange { first: first.parse().ok()?, last: last.parse().ok()?, total })
}
