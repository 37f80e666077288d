//! Go modules: fetched through module proxies, checked by their `h1:` sums, vouched for by a checksum
//! database.
//!
//! # The chain
//!
//! A checksum database is a signed, append-only log of the sums of every version of every module. Its
//! tree head is verified with a known key, and the record of the main module by its inclusion proof
//! ([`database`]). The zip has that sum ([`archive`]), its `go.sum` holds the sums of all modules that the
//! build can use, and each of these is checked in the same way.
//!
//! # What it does not establish
//!
//! Who wrote the source: a module carries no signature. The database makes sure that everybody gets the
//! same bytes for a version, from the first time that anybody asked.

pub mod archive;
pub mod database;
mod error;
mod proxy;
mod sum;
pub mod work;

pub use error::GoSourceError;
pub use proxy::{Fetched, ModuleProxy, Summed, escape};
pub use sum::{GoSum, ModSum, h1_of_mod};

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::component::{is_module_path, is_module_version};

/// A version of a module, as `go.sum` names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleVersion {
    /// Module path, e.g. `github.com/evanw/esbuild`.
    pub path: String,
    /// Canonical version with its `v`.
    pub version: String,
}

impl ModuleVersion {
    /// Takes a path and a version of plain characters; what `golang.org/x/mod/module` refuses is refused.
    pub fn new(path: &str, version: &str) -> Option<Self> {
        (is_module_path(path) && is_module_version(version))
            .then(|| Self { path: path.to_owned(), version: version.to_owned() })
    }
}

impl fmt::Display for ModuleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.path, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_versions_that_lead_elsewhere_are_refused() {
        for (path, version, fits) in [
            ("github.com/evanw/esbuild", "v0.25.12", true),
            ("github.com/Masterminds/semver/v3", "v3.2.0", true),
            ("golang.org/toolchain", "v0.0.1-go1.23.12.linux-amd64", true),
            ("gopkg.in/yaml.v3", "v3.0.0-20210107192922-496545a6307b", true),
            ("github.com/docker/docker", "v28.0.0+incompatible", true),
            ("../x", "v1.0.0", false),
            ("a/../b", "v1.0.0", false),
            ("/a", "v1.0.0", false),
            ("a//b", "v1.0.0", false),
            ("-o", "v1.0.0", false),
            ("a b", "v1.0.0", false),
            ("a@b", "v1.0.0", false),
            ("a", "1.0.0", false),
            ("a", "v1/../..", false),
            ("a", "v1..0", false),
            ("a", "latest", false),
        ] {
            assert_eq!(ModuleVersion::new(path, version).is_some(), fits, "{path}@{version}");
        }
    }
}
