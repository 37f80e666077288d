//! Module proxies (`GOPROXY` protocol).

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde::Deserialize;

use super::archive::ModuleZip;
use super::{GoSourceError, ModSum, ModuleVersion, h1_of_mod};
use crate::digest::Digest;
use crate::event::{Observer, Stage};
use crate::fetch::{FetchError, Fetcher, Length, Request, Small};
use crate::limits::go::GoLimits;
use crate::store::{Object, Store};

/// Modules fetched at a time, as for other downloads ([`crate::limits::fetch::FetchLimits`]).
const STREAMS: usize = 8;

/// Proxies in the order in which they are asked, and how.
#[derive(Clone, Copy)]
pub struct ModuleProxy<'a> {
    /// Their addresses.
    pub urls: &'a [String],
    /// How they are fetched from.
    pub fetcher: &'a Fetcher,
    /// Where files are kept.
    pub store: &'a Store,
    /// Who is told of progress.
    pub observer: &'a dyn Observer,
    /// Bounds.
    pub limits: &'a GoLimits,
}

/// What a proxy says of a version. Unknown fields are the proxy's own affair.
#[derive(Debug, Deserialize)]
struct Info {
    #[serde(rename = "Time")]
    time: Option<Timestamp>,
}

/// Upper-case letters as `!` and the small one (`golang.org/x/mod/module.EscapePath`).
pub fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| [c.is_ascii_uppercase().then_some('!'), Some(c.to_ascii_lowercase())])
        .flatten()
        .collect()
}

/// A fetched file without a digest known beforehand, and the sum that it must have.
struct Wanted<'m> {
    module: &'m ModuleVersion,
    zip: bool,
    sum: &'m ModSum,
}

/// A module with the sum of its zip, of its `go.mod`, or of both.
pub type Summed = (ModuleVersion, Option<ModSum>, Option<ModSum>);
/// The same, fetched: its zip and its `go.mod`.
pub type Fetched = (ModuleVersion, Option<Object>, Option<Object>);

impl ModuleProxy<'_> {
    fn urls_of(&self, path: &str) -> Vec<String> {
        self.urls.iter().map(|url| format!("{}/{path}", url.trim_end_matches('/'))).collect()
    }

    /// Where a file of a version may be had.
    pub fn file_urls(&self, module: &ModuleVersion, extension: &str) -> Vec<String> {
        let (path, version) = (escape(&module.path), escape(&module.version));
        self.urls_of(&format!("{path}/@v/{version}.{extension}"))
    }

    /// A small file from the first proxy that has it.
    pub fn small(&self, path: &str, bytes_max: u64) -> Result<Vec<u8>, GoSourceError> {
        first(self.fetcher, &self.urls_of(path), bytes_max)
    }

    /// The time of the commit that a version was made from, as a proxy says.
    pub fn time(&self, module: &ModuleVersion) -> Result<Option<Timestamp>, GoSourceError> {
        let bytes = first(self.fetcher, &self.file_urls(module, "info"), self.limits.info_bytes_max)?;
        let info: Info = serde_json::from_slice(&bytes).map_err(|e| GoSourceError::Protocol {
            what: format!("the `.info` of {module}"),
            detail: e.to_string(),
        })?;
        Ok(info.time)
    }

    /// A file whose digest is locked.
    pub fn locked(&self, module: &ModuleVersion, extension: &str, digest: &Digest, size: u64) -> Request {
        Request {
            urls: self.file_urls(module, extension),
            digest: digest.clone(),
            length: Length::Exactly(size),
        }
    }

    /// Fetches locked files, several at a time.
    pub fn fetch_locked(
        &self,
        requests: &[Request],
    ) -> Result<Vec<Result<Object, FetchError>>, GoSourceError> {
        Ok(self.fetcher.fetch_all(self.store, requests, Stage::Environment, self.observer)?)
    }

    /// A module's zip of unknown sum.
    pub fn zip(&self, module: &ModuleVersion) -> Result<Object, GoSourceError> {
        let bytes = first(self.fetcher, &self.file_urls(module, "zip"), self.limits.zip_bytes_max)?;
        Ok(self.store.insert(&bytes)?)
    }

    /// Fetches modules by their sums, several at a time, each part once. The answers are in the order of
    /// the modules.
    pub fn fetch_summed(&self, modules: &[Summed]) -> Result<Vec<Fetched>, GoSourceError> {
        let wanted: Vec<Wanted<'_>> = modules
            .iter()
            .flat_map(|(module, zip, only_mod)| {
                let zip = zip.as_ref().map(|sum| Wanted { module, zip: true, sum });
                let only_mod = only_mod.as_ref().map(|sum| Wanted { module, zip: false, sum });
                [zip, only_mod]
            })
            .flatten()
            .collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut mine = Vec::new();
            while let Some(wanted) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                let got = self.summed(wanted);
                let failed = got.is_err();
                mine.push(got.map(|object| (wanted.module, wanted.zip, object)));
                if failed {
                    // The others stop at their next question.
                    next.fetch_add(modules.len().saturating_mul(2), Ordering::Relaxed);
                }
            }
            mine
        };
        let answers: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..STREAMS.clamp(1, wanted.len().max(1))).map(|_| scope.spawn(work)).collect();
            workers.into_iter().filter_map(|w| w.join().ok()).flatten().collect()
        });
        let mut objects = std::collections::BTreeMap::new();
        for answer in answers {
            let (module, zip, object) = answer?;
            objects.insert((module, zip), object);
        }
        Ok(modules
            .iter()
            .map(|(m, ..)| (m.clone(), objects.get(&(m, true)).cloned(), objects.get(&(m, false)).cloned()))
            .collect())
    }

    fn summed(&self, wanted: &Wanted<'_>) -> Result<Object, GoSourceError> {
        let Wanted { module, zip, sum } = wanted;
        let wrong = |found: &ModSum, part: &str| GoSourceError::Sum {
            what: format!("{module} ({part})"),
            expected: sum.to_string(),
            found: found.to_string(),
        };
        if *zip {
            let object = self.zip(module)?;
            let found = ModuleZip::open(module, &object.path, self.limits)?.sum()?;
            return if found == **sum { Ok(object) } else { Err(wrong(&found, "zip")) };
        }
        let bytes = first(self.fetcher, &self.file_urls(module, "mod"), self.limits.mod_bytes_max)?;
        let found = h1_of_mod(&bytes);
        if found != **sum {
            return Err(wrong(&found, "go.mod"));
        }
        Ok(self.store.insert(&bytes)?)
    }
}

/// The file from the first address that has it.
fn first(fetcher: &Fetcher, urls: &[String], bytes_max: u64) -> Result<Vec<u8>, GoSourceError> {
    let mut failure = GoSourceError::NoProxy;
    for url in urls {
        match fetcher.get_small(url, bytes_max, None) {
            Ok(Small::Fetched { bytes, .. }) => return Ok(bytes),
            Ok(Small::NotModified) => {
                let what = crate::fetch::redact(url);
                failure = GoSourceError::Protocol { what, detail: "not modified".to_owned() };
            }
            Err(e) => failure = e.into(),
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capital_letters_are_escaped() {
        assert_eq!(escape("github.com/Masterminds/semver"), "github.com/!masterminds/semver");
        assert_eq!(escape("v1.0.0-RC1"), "v1.0.0-!r!c1");
    }
}
