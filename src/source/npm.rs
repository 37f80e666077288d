//! The npm registry: what it announces of one version of a package, and the package's archive.
//!
//! A registry's answers are signed by nobody but, for some versions, by its own key over name, version and
//! integrity, which mirrors leave out; the lock pins what was announced. Asked is the registry of the
//! host's npm configuration.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use miette::Diagnostic;
use serde::Deserialize;

use crate::component::PackageUrl;
use crate::digest::{Algorithm, Digest};
use crate::fetch::{FetchError, Fetcher, Small};
use crate::limits::go::GoLimits;

/// Why a registry could not be asked or believed.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum NpmError {
    /// The network, or the server.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(#[from] FetchError),
    /// No registry to ask.
    #[error("no npm registry is known")]
    #[diagnostic(
        code(npm::no_registry),
        help("name one with `--npm-registry URL`, or set it with `npm config set registry URL`")
    )]
    NoRegistry,
    /// Not the description of that version.
    #[error("the registry's answer about `{package}` is no description of it: {detail}")]
    #[diagnostic(code(npm::description), help("name another registry with `--npm-registry URL`"))]
    Description {
        /// Name and version.
        package: String,
        /// What is wrong.
        detail: String,
    },
}

/// What a registry announces of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NpmVersion {
    /// Where the archive may be had: at the registry that was asked, then where its answer says.
    pub urls: Vec<String>,
    /// SHA-512 of the archive.
    pub integrity: Digest,
}

/// Of the answer only this is read; a package may say more of itself than any schema knows.
#[derive(Debug, Deserialize)]
struct Description {
    name: String,
    version: String,
    dist: Dist,
}

#[derive(Debug, Deserialize)]
struct Dist {
    tarball: String,
    integrity: String,
}

/// Asks a registry for a version.
pub fn describe(
    fetcher: &Fetcher,
    registry: &str,
    purl: &PackageUrl,
    limits: &GoLimits,
) -> Result<NpmVersion, NpmError> {
    let (name, version) = (name_of(purl), purl.version().unwrap_or_default());
    let base = registry.trim_end_matches('/');
    let url = format!("{base}/{}/{version}", name.replace('/', "%2f"));
    let wrong = |detail: &str| NpmError::Description {
        package: format!("{name}@{version}"),
        detail: detail.to_owned(),
    };
    let Small::Fetched { bytes, .. } = fetcher.get_small(&url, limits.description_bytes_max, None)? else {
        return Err(wrong("it says that it has not changed"));
    };
    let found: Description = serde_json::from_slice(&bytes).map_err(|e| wrong(&e.to_string()))?;
    if found.name != name || found.version != version {
        return Err(wrong("it is about another package or version"));
    }
    let integrity = integrity(&found.dist.integrity).ok_or_else(|| wrong("it has no SHA-512 integrity"))?;
    let own = format!("{base}/{name}/-/{}-{version}.tgz", purl.name());
    let mut urls = vec![own];
    if !urls.contains(&found.dist.tarball) {
        urls.push(found.dist.tarball);
    }
    Ok(NpmVersion { urls, integrity })
}

/// The package's name with its scope.
pub fn name_of(purl: &PackageUrl) -> String {
    let mut parts: Vec<&str> = purl.namespace().iter().map(String::as_str).collect();
    parts.push(purl.name());
    parts.join("/")
}

/// The SHA-512 of a subresource integrity value; weaker ones beside it are not looked at.
fn integrity(text: &str) -> Option<Digest> {
    let encoded = text.split_whitespace().find_map(|part| part.strip_prefix("sha512-"))?;
    Digest::from_bytes(Algorithm::Sha512, &STANDARD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_sha512_is_taken_for_integrity() {
        let good = STANDARD.encode([7; 64]);
        assert!(integrity(&format!("sha1-AAAA sha512-{good}")).is_some());
        for bad in ["", "sha1-AAAA", "sha512-AAAA", "sha512-!", &format!("SHA512-{good}")] {
            assert_eq!(integrity(bad), None, "{bad}");
        }
        let purl: PackageUrl = "pkg:npm/%40esbuild/linux-x64@0.25.12".parse().unwrap();
        assert_eq!(name_of(&purl), "@esbuild/linux-x64");
    }
}
