//! Names: of projects, and of the files in which they are released.

use std::fmt;
use std::str::FromStr as _;

use pep440_rs::Version;
use serde::{Deserialize, Serialize};

/// Length of a project's name in bytes: what still leaves room for a version in a file name.
const NAME_BYTES_MAX: usize = 200;

/// A project's name in its normalised form ("Names and normalization", PyPA): lower-case letters and
/// digits, with single `-` between them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectName(String);

impl ProjectName {
    /// Normalises a name; none for what is not one.
    pub fn new(text: &str) -> Option<Self> {
        let word = |c: u8| c.is_ascii_alphanumeric();
        let bytes = text.as_bytes();
        let fits = text.len() <= NAME_BYTES_MAX
            && bytes.first().is_some_and(|c| word(*c))
            && bytes.last().is_some_and(|c| word(*c))
            && bytes.iter().all(|c| word(*c) || b"-_.".contains(c));
        fits.then(|| {
            let parts = text.split(['-', '_', '.']).filter(|part| !part.is_empty());
            Self(parts.collect::<Vec<_>>().join("-").to_ascii_lowercase())
        })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ProjectName> for String {
    fn from(name: ProjectName) -> Self {
        name.0
    }
}

impl TryFrom<String> for ProjectName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match Self::new(&text) {
            Some(name) if name.0 == text => Ok(name),
            _ => Err(format!("`{}` is not a normalised project name", text.escape_debug())),
        }
    }
}

/// What a file of a project is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A source distribution, `.tar.gz`.
    Sdist,
    /// A wheel.
    Wheel {
        /// Build number, where there is one.
        build: Option<String>,
        /// Python, ABI and platform tags, each a list with `.` between.
        tags: [String; 3],
    },
}

impl FileKind {
    /// Whether it is a wheel for any system and any ABI of the given major version of Python.
    pub fn is_pure(&self, major: u64) -> bool {
        let python = format!("py{major}");
        match self {
            Self::Wheel { tags: [p, abi, platform], .. } => {
                abi == "none" && platform == "any" && p.split('.').any(|tag| tag == python)
            }
            Self::Sdist => false,
        }
    }
}

/// Reads a distribution's file name; none for what is no distribution of that project: an egg, an
/// installer, a name with a path in it.
pub fn distribution(project: &ProjectName, file: &str) -> Option<(FileKind, Version)> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!".contains(c);
    if file.len() > 255 || file.starts_with('.') || !file.chars().all(plain) {
        return None;
    }
    let own = |text: &str| ProjectName::new(text).is_some_and(|name| name == *project);
    if let Some(stem) = file.strip_suffix(".whl") {
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, tags) = match parts.as_slice() {
            [name, version, python, abi, platform] => (name, version, None, [python, abi, platform]),
            [name, version, build, python, abi, platform] => {
                (name, version, Some((*build).to_owned()), [python, abi, platform])
            }
            _ => return None,
        };
        let version = Version::from_str(&version.replace('_', "-")).ok()?;
        return own(name)
            .then(|| (FileKind::Wheel { build, tags: tags.map(|tag| (*tag).to_owned()) }, version));
    }
    let stem = file.strip_suffix(".tar.gz")?;
    // Old ones have `-` in the project's name, and some in the version too.
    stem.match_indices('-').find_map(|(at, _)| {
        let (name, version) = (stem.get(..at)?, stem.get(at + 1..)?);
        let version = Version::from_str(version).ok()?;
        own(name).then_some((FileKind::Sdist, version))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        for (text, expected) in [
            ("Prometheus_Client", Some("prometheus-client")),
            ("zope.interface", Some("zope-interface")),
            ("a--_.b", Some("a-b")),
            ("x", Some("x")),
            ("", None),
            ("-a", None),
            ("a.", None),
            ("a/b", None),
            ("../a", None),
            ("ä", None),
            (&"a".repeat(201), None),
        ] {
            assert_eq!(ProjectName::new(text).as_ref().map(ProjectName::as_str), expected, "{text}");
        }
        assert!(serde_json::from_str::<ProjectName>("\"A\"").is_err());
        assert!(serde_json::from_str::<ProjectName>("\"a\"").is_ok());
    }

    #[test]
    fn files_are_told_by_their_names() {
        let project = ProjectName::new("prometheus-client").unwrap();
        let read = |file: &str| {
            distribution(&project, file).map(|(kind, version)| (kind.is_pure(3), version.to_string()))
        };
        for (file, expected) in [
            ("prometheus_client-0.22.1-py3-none-any.whl", Some((true, "0.22.1"))),
            ("prometheus_client-0.9.0-py2.py3-none-any.whl", Some((true, "0.9.0"))),
            ("prometheus_client-1-2-cp311-cp311-manylinux_2_17_x86_64.whl", Some((false, "1"))),
            ("prometheus_client-0.22.1.tar.gz", Some((false, "0.22.1"))),
            ("prometheus-client-0.22.1.tar.gz", Some((false, "0.22.1"))),
            ("prometheus_client-0.22.1.zip", None),
            ("prometheus_client-0.22.1-py3.11.egg", None),
            ("other-0.22.1-py3-none-any.whl", None),
            ("prometheus_client-0.22.1-none-any.whl", None),
            ("prometheus_client-x-py3-none-any.whl", None),
            ("../prometheus_client-0.22.1-py3-none-any.whl", None),
            ("prometheus_client-0.22.1.tar.gz/../x", None),
            ("prometheus_client-0.22.1\n.tar.gz", None),
            ("prometheus_client-.tar.gz", None),
            ("", None),
        ] {
            let expected = expected.map(|(pure, version)| (pure, version.to_owned()));
            assert_eq!(read(file), expected, "{file}");
        }
    }
}
