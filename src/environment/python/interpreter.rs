//! The locked interpreter, as far as a choice of requirements depends on it.

use std::str::FromStr as _;

use pep440_rs::Version;
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};

use super::PythonError;
use crate::environment::lock::LockedPackage;

/// A CPython of Debian's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The whole version, e.g. `3.11.2`.
    pub version: Version,
    /// What environment markers are evaluated against (PEP 508).
    pub(super) markers: MarkerEnvironment,
}

impl Interpreter {
    /// The one among an environment's packages: the package `python3.<n>-minimal`, which holds the
    /// program.
    pub fn of(packages: &[LockedPackage], architecture: &str) -> Result<Self, PythonError> {
        let minor = |name: &str| -> Option<u64> {
            name.strip_prefix("python3.")?.strip_suffix("-minimal")?.parse().ok()
        };
        let found: Vec<_> =
            packages.iter().filter_map(|p| minor(&p.name).map(|minor| (minor, &p.version))).collect();
        let [(minor, version)] = found.as_slice() else {
            return Err(PythonError::Interpreter {
                detail: format!("expected one package `python3.<n>-minimal`, found {}", found.len()),
            });
        };
        let upstream = version.split(['-', '+', '~']).next().unwrap_or_default();
        Self::new(upstream, *minor, architecture)
    }

    fn new(version: &str, minor: u64, architecture: &str) -> Result<Self, PythonError> {
        let refuse = |detail: String| PythonError::Interpreter { detail };
        let machine = match architecture {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            other => return Err(refuse(format!("expected `amd64` or `arm64`, found `{other}`"))),
        };
        let short = format!("3.{minor}");
        let full = Version::from_str(version).map_err(|e| refuse(format!("`{version}`: {e}")))?;
        let markers = MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
            implementation_name: "cpython",
            implementation_version: version,
            os_name: "posix",
            platform_machine: machine,
            platform_python_implementation: "CPython",
            // Names of the kernel and its build: no locked value, and no requirement should ask.
            platform_release: "",
            platform_system: "Linux",
            platform_version: "",
            python_full_version: version,
            python_version: &short,
            sys_platform: "linux",
        })
        .map_err(|e| refuse(format!("`{version}`: {e}")))?;
        Ok(Self { version: full, markers })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::digest::Digest;
    use crate::environment::lock::LockedPath;

    fn packages(all: &[(&str, &str)]) -> Vec<LockedPackage> {
        let package = |(name, version): &(&str, &str)| LockedPackage {
            name: (*name).to_owned(),
            version: (*version).to_owned(),
            architecture: "amd64".to_owned(),
            file: LockedPath {
                archive: "debian".to_owned(),
                path: format!("pool/{name}.deb"),
                size: 1,
                digest: Digest::sha256(name.as_bytes()),
            },
        };
        all.iter().map(package).collect()
    }

    #[test]
    fn it_is_found_among_the_packages() {
        let two = [("python3", "3.11.2-1+b1"), ("python3.11-minimal", "3.11.2-6+deb12u6")];
        let interpreter = Interpreter::of(&packages(&two), "amd64").unwrap();
        assert_eq!(interpreter.version.to_string(), "3.11.2");
        assert_eq!(interpreter.markers.platform_machine(), "x86_64");
        for (bad, architecture) in [
            (vec![("python3", "3.11.2-1")], "amd64"),
            (vec![("python3.11-minimal", "3.11.2-6"), ("python3.12-minimal", "3.12.1-1")], "amd64"),
            (vec![("python3.11-minimal", "x")], "amd64"),
            (vec![("python3.11-minimal", "3.11.2-6")], "mips"),
        ] {
            assert!(Interpreter::of(&packages(&bad), architecture).is_err(), "{bad:?}");
        }
    }
}
