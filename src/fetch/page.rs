//! Documents that nobody's digest announces, with what is needed to read them: their type, and the
//! address that references in them are relative to.

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use super::address::{self, Address};
use super::client::{expect_status, shown, text};
use super::{FetchError, Fetcher, redact};

/// A document whose digest was not known beforehand. Nothing vouches for it but the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The whole document.
    pub bytes: Vec<u8>,
    /// Its media type in lower case, without parameters; empty where the server names none.
    pub media_type: String,
    /// Where it was found, after redirects.
    pub url: String,
}

impl Page {
    /// The address that `reference`, as it stands in the document, means; none where it means none.
    pub fn resolve(&self, reference: &str) -> Option<String> {
        join(&self.url, reference)
    }
}

/// The address that a reference means in a document found at `base` (RFC 3986 section 5).
pub fn join(base: &str, reference: &str) -> Option<String> {
    Some(Url::parse(base).ok()?.join(reference).ok()?.to_string())
}

impl Fetcher {
    /// Fetches a document of at most `len_bytes_max` bytes into memory; `accept` is the `Accept` header
    /// with which forms of it are asked for.
    pub fn get_page(&self, url: &str, accept: &str, len_bytes_max: u64) -> Result<Page, FetchError> {
        match Address::parse(url, &self.limits)? {
            Address::File(path) => Ok(Page {
                bytes: address::read_file(url, &path, len_bytes_max)?,
                media_type: String::new(),
                url: url.to_owned(),
            }),
            Address::Http(url) => self.retrying(|| self.get_page_once(&url, accept, len_bytes_max)),
        }
    }

    fn get_page_once(&self, url: &Url, accept: &str, len_bytes_max: u64) -> Result<Page, FetchError> {
        let accept = HeaderValue::from_str(accept).map_err(|_| FetchError::Address {
            url: redact(url.as_str()),
            reason: "what is to be accepted cannot stand in a header".to_owned(),
        })?;
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept)]);
        let mut response = self.send(&Method::GET, url, &headers)?;
        expect_status(url, &response, StatusCode::OK)?;
        let media_type = text(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let found_at = response.url().to_string();
        let bytes = self.whole_body(url, &mut response, len_bytes_max)?;
        Ok(Page { bytes, media_type, url: found_at })
    }

    /// Reads a body of at most `len_bytes_max` bytes into memory.
    pub(super) fn whole_body(
        &self,
        url: &Url,
        response: &mut reqwest::blocking::Response,
        len_bytes_max: u64,
    ) -> Result<Vec<u8>, FetchError> {
        let too_long = |found_bytes| FetchError::TooLong {
            url: shown(url),
            expected_bytes_max: len_bytes_max,
            found_bytes,
        };
        if let Some(n) = super::client::content_length(response.headers()).filter(|n| *n > len_bytes_max) {
            return Err(too_long(n));
        }
        let mut bytes = Vec::new();
        self.read_body(url, response, 0, &mut |part| {
            bytes.extend_from_slice(part);
            let found_bytes = bytes.len() as u64;
            if found_bytes > len_bytes_max { Err(too_long(found_bytes)) } else { Ok(()) }
        })?;
        Ok(bytes)
    }
}
