//! Ranges of a component's versions.

use std::fmt;

use semver::{Version, VersionReq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A range of upstream versions: comparisons with `<`, `<=`, `>`, `>=` or `=` and three numbers, all of
/// which must hold, separated by a comma and a space.
///
/// A pre-release lies in no range that does not name one of the same three numbers (the rule of
/// `semver`), so that nothing is expected of it by accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions(VersionReq);

impl Versions {
    /// Reads the one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let request = VersionReq::parse(text).ok()?;
        let plain = |c: &semver::Comparator| {
            c.patch.is_some() && !matches!(c.op, semver::Op::Caret | semver::Op::Tilde | semver::Op::Wildcard)
        };
        let canonical = !request.comparators.is_empty()
            && request.comparators.iter().all(plain)
            && request.to_string() == text;
        canonical.then_some(Self(request))
    }

    /// Whether a version lies in it.
    pub fn include(&self, version: &Version) -> bool {
        self.0.matches(version)
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Versions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Versions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "expected versions such as `<3.0.0` or `>=2.0.0, <3.0.0`, found `{}`",
                text.escape_debug()
            ))
        })
    }
}

/// The upstream version inside a distribution's: `1:2.53.3+ds1-2` is 2.53.3, `3.0.0~rc1-1` is the
/// pre-release 3.0.0-rc1. `None` where it does not begin with numbers and dots.
pub fn upstream(version: &str) -> Option<Version> {
    let text = version.split_once(':').map_or(version, |(_, rest)| rest);
    let text = text.strip_prefix('v').unwrap_or(text);
    let numbers_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (numbers, rest) = text.split_at(numbers_end);
    let mut numbers = numbers.split('.').map(|n| n.parse::<u64>().ok());
    let major = numbers.next().flatten()?;
    let mut next = || numbers.next().map_or(Some(0), |n| n);
    let mut found = Version::new(major, next()?, next()?);
    if let Some(pre) = rest.strip_prefix('~').or_else(|| rest.strip_prefix("-rc").map(|_| &rest[1..])) {
        let end = pre.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(pre.len());
        found.pre = semver::Prerelease::new(pre.get(..end)?).ok()?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_spelling_is_read_and_written() {
        for text in ["<3.0.0", ">=2.0.0, <3.0.0", "=0.21.0"] {
            assert_eq!(Versions::parse(text).unwrap().to_string(), text);
        }
        for text in
            ["", "*", "3.0.0", "^3.0.0", "~3.0.0", "<3", "<3.0", "< 3.0.0", "<3.0.0,", ">=2.0.0,<3.0.0"]
        {
            assert_eq!(Versions::parse(text), None, "{text}");
        }
    }

    #[test]
    fn upstream_versions_are_found_in_those_of_distributions() {
        for (text, expected) in [
            ("2.53.3+ds1-2", "2.53.3"),
            ("2.42.0+ds-5+deb12u1", "2.42.0"),
            ("1:0.25.0-1+b4", "0.25.0"),
            ("v1.5", "1.5.0"),
            ("3.0.0~rc1-1", "3.0.0-rc1"),
            ("3.0.0-rc.1", "3.0.0-rc.1"),
        ] {
            assert_eq!(upstream(text).unwrap().to_string(), expected, "{text}");
        }
        for text in ["", "unstable", "99999999999999999999.1", "1..2"] {
            assert_eq!(upstream(text), None, "{text}");
        }
    }

    #[test]
    fn a_pre_release_lies_in_no_range_by_accident() {
        let candidate = upstream("3.0.0~rc1").unwrap();
        assert!(!Versions::parse("<3.0.0").unwrap().include(&candidate));
        assert!(!Versions::parse(">=3.0.0").unwrap().include(&candidate));
        assert!(Versions::parse("<3.0.0").unwrap().include(&upstream("2.53.3+ds1-2").unwrap()));
    }
}
