//! Texts with a domain: a pattern, a path in a source tree, a repository, a revision, a commit.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::limits::evaluate::{LINE_BYTES_MAX, PATTERN_BYTES_MAX};

/// A text whose domain is checked when it is read, by its `FromStr`.
macro_rules! checked_text {
    ($name:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

/// A regular expression over a whole file; `^` and `$` are ends of lines.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// The expression.
    pub const fn regex(&self) -> &Regex {
        &self.0
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for Pattern {
    type Err = String;

    /// Refuses what every file meets, the empty one too: such a check could never fail.
    fn from_str(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text)
            .multi_line(true)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|e| format!("`{text}` is not a pattern: {}", e.to_string().replace('\n', " ")))?;
        if regex.is_match("") {
            return Err(format!("`{text}` matches every text, the empty one too, and so can never fail"));
        }
        Ok(Self(regex))
    }
}

checked_text!(Pattern);

/// A path inside a source tree: relative, plain segments; a folder's ends in `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePath(String);

impl SourcePath {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it means every file below.
    pub fn is_folder(&self) -> bool {
        self.0.ends_with('/')
    }

    /// Whether it means that file.
    pub fn covers(&self, file: &str) -> bool {
        if self.is_folder() { file.starts_with(&self.0) } else { file == self.0 }
    }
}

impl fmt::Display for SourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SourcePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let inner = text.strip_suffix('/').unwrap_or(text);
        let plain = |s: &str| !s.is_empty() && s != "." && s != ".." && !s.chars().any(char::is_control);
        if text.len() > LINE_BYTES_MAX || !inner.split('/').all(plain) {
            return Err(format!("`{}` is not a path inside a source tree", text.escape_debug()));
        }
        Ok(Self(text.to_owned()))
    }
}

checked_text!(SourcePath);

/// `owner/name`, or `host/owner/name` and deeper; a clone of it is given as `--repository NAME=PATH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RepositoryName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |s: &str| {
            !s.is_empty()
                && !s.starts_with('.')
                && s.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if text.len() > LINE_BYTES_MAX || !text.contains('/') || !text.split('/').all(plain) {
            return Err(format!("`{}` is not a repository as `owner/name`", text.escape_debug()));
        }
        Ok(Self(text.to_owned()))
    }
}

checked_text!(RepositoryName);

/// What a revision's text stands for where the release's upstream version goes.
const VERSION: &str = "{version}";

/// A tag, a commit or `HEAD`; `{version}` in it is the upstream version of the release under test.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(String);

impl Revision {
    /// The tag of the release under test, as most projects name it.
    pub fn of_release() -> Self {
        Self(format!("v{VERSION}"))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it follows the release under test.
    pub fn follows_release(&self) -> bool {
        self.0.contains(VERSION)
    }

    /// For a release of that upstream version.
    pub fn at(&self, upstream_version: &str) -> String {
        self.0.replace(VERSION, upstream_version)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Revision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.replace(VERSION, "1");
        let fits = !plain.is_empty()
            && plain.len() <= LINE_BYTES_MAX
            && !plain.starts_with('-')
            && !plain.contains("..")
            && plain.chars().all(|c| c.is_ascii_alphanumeric() || "._-/+".contains(c));
        if !fits {
            return Err(format!("`{}` is not a tag, a commit or `HEAD`", text.escape_debug()));
        }
        Ok(Self(text.to_owned()))
    }
}

checked_text!(Revision);

/// A commit by its whole name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit(String);

impl Commit {
    /// Its hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Commit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !hex || ![40, 64].contains(&text.len()) {
            return Err(format!(
                "`{}` is not a whole commit name (40 or 64 lower-case hexadecimal digits)",
                text.escape_debug()
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

checked_text!(Commit);

/// A day, in files a date without quotation marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub Date);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = toml::value::Datetime::deserialize(deserializer)?.to_string();
        let day = written.parse().map_err(|_| {
            serde::de::Error::custom(format!("`{written}` is not a day, expected e.g. 2018-06-11"))
        })?;
        Ok(Self(day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_domain_takes_its_own_and_refuses_the_rest() {
        let grid: [(&str, fn(&str) -> bool, &[&str], &[&str]); 5] = [
            (
                "pattern",
                |t| t.parse::<Pattern>().is_ok(),
                &["a", r"io\.Copy", "(?i)pgp|gpg"],
                &["", ".*", "x?", "a*|b", "(", "^", "a{1000000}"],
            ),
            (
                "path",
                |t| t.parse::<SourcePath>().is_ok(),
                &["web/web.go", "cmd/", ".github/workflows/ci.yml"],
                &["", "/", "/etc/passwd", "../x", "a/../b", "a//b", "a\nb"],
            ),
            (
                "repository",
                |t| t.parse::<RepositoryName>().is_ok(),
                &["prometheus/node_exporter", "salsa.debian.org/go-team/x"],
                &["", "prometheus", "a/", "../b", "a/b c"],
            ),
            (
                "revision",
                |t| t.parse::<Revision>().is_ok(),
                &["v{version}", "HEAD", "v2.7.0", "release/1.0"],
                &["", "a..b", "-x", "a b", "a^{tree}", "a:b"],
            ),
            (
                "commit",
                |t| t.parse::<Commit>().is_ok(),
                &["a1f34bec2e6584a2fee9aec901f3157e3e12cbaa"],
                &["", "a1f34bec", "A1F34BEC2E6584A2FEE9AEC901F3157E3E12CBAA", "HEAD"],
            ),
        ];
        for (what, fits, good, bad) in grid {
            for text in good {
                assert!(fits(text), "{what} `{text}`");
            }
            for text in bad {
                assert!(!fits(text), "{what} `{text}`");
            }
        }
    }

    #[test]
    fn a_folder_covers_what_is_below_it_and_no_namesake() {
        let covers = |path: &str, file: &str| path.parse::<SourcePath>().is_ok_and(|p| p.covers(file));
        assert!(covers("cmd/", "cmd/build.go") && covers("cmd/a.go", "cmd/a.go"));
        assert!(!covers("cmd/", "cmdx/a") && !covers("cmd", "cmd/a") && !covers("a.go", "a.go.orig"));
    }
}
