//! Package URLs (ECMA-427), in their canonical spelling only.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};

/// Length of a package URL in bytes; the longest of the purl project's own test suite has fewer than
/// 300.
const PURL_BYTES_MAX: usize = 2048;

/// A package URL: `pkg:type/namespace/name@version?qualifiers`.
///
/// One package has one spelling: text that another spelling would replace is refused, so that
/// `parse(x).to_string() == x` always holds. Subpaths are refused; a release is never part of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageUrl {
    kind: String,
    namespace: Vec<String>,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<String, String>,
}

impl PackageUrl {
    /// The type, e.g. `deb`, lower case.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The namespace's segments, decoded; e.g. `["debian"]`.
    pub fn namespace(&self) -> &[String] {
        &self.namespace
    }

    /// The name, decoded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version, decoded.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// A qualifier's value, decoded.
    pub fn qualifier(&self, key: &str) -> Option<&str> {
        self.qualifiers.get(key).map(String::as_str)
    }

    /// All qualifiers, ordered by key, decoded.
    pub fn qualifiers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.qualifiers.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    fn parse_any_spelling(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("pkg:").ok_or("it does not begin with `pkg:`")?;
        if rest.contains('#') {
            return Err("it has a subpath");
        }
        let (rest, qualifiers) = match rest.split_once('?') {
            Some((rest, qualifiers)) => (rest, Some(qualifiers)),
            None => (rest, None),
        };
        let (path, version) = match rest.rsplit_once('@') {
            Some((path, version)) if !version.contains('/') => (path, Some(decode(version)?)),
            _ => (rest, None),
        };
        let mut segments = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        if segments.iter().any(String::is_empty) {
            return Err("a segment is empty");
        }
        let name = segments.pop().ok_or("it has no name")?;
        if segments.is_empty() {
            return Err("it has no type");
        }
        let kind = segments.remove(0);
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
        if !kind.chars().all(letters) || !kind.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err("its type is not made of lower-case letters, digits, `.`, `-` and `_`");
        }
        if version.as_deref() == Some("") {
            return Err("its version is empty");
        }
        let mut pairs = BTreeMap::new();
        for pair in qualifiers.into_iter().flat_map(|q| q.split('&')) {
            let (key, value) = pair.split_once('=').ok_or("a qualifier has no `=`")?;
            if key.is_empty() || !key.chars().all(letters) {
                return Err("a qualifier's key is not made of lower-case letters, digits, `.`, `-` and `_`");
            }
            let value = decode(value)?;
            if value.is_empty() {
                return Err("a qualifier is empty");
            }
            if pairs.insert(key.to_owned(), value).is_some() {
                return Err("a qualifier is given twice");
            }
        }
        Ok(Self { kind, namespace: segments, name, version, qualifiers: pairs })
    }
}

/// Percent-decodes UTF-8; control characters are refused, since the text ends up on terminals.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut left = text.bytes();
    while let Some(byte) = left.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (digit(left.next()), digit(left.next())) {
            (Some(high), Some(low)) => bytes.push(u8::try_from(high * 16 + low).unwrap_or_default()),
            _ => return Err("a `%` is not followed by two hexadecimal digits"),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| "it does not decode to UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("it has control characters");
    }
    Ok(text)
}

/// Percent-encodes all but letters, digits, `.-_~` and the colon (ECMA-427, section 5.4).
fn encode(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                write!(f, "{}", char::from(byte))?;
            }
            _ => write!(f, "%{byte:02X}")?,
        }
    }
    Ok(())
}

impl fmt::Display for PackageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}", self.kind)?;
        for segment in self.namespace.iter().chain([&self.name]) {
            f.write_str("/")?;
            encode(segment, f)?;
        }
        if let Some(version) = &self.version {
            f.write_str("@")?;
            encode(version, f)?;
        }
        for (n, (key, value)) in self.qualifiers.iter().enumerate() {
            write!(f, "{}{key}=", if n == 0 { '?' } else { '&' })?;
            encode(value, f)?;
        }
        Ok(())
    }
}

impl FromStr for PackageUrl {
    type Err = PackageUrlError;

    fn from_str(text: &str) -> Result<Self, PackageUrlError> {
        let malformed =
            |reason| PackageUrlError::Malformed { found: text.chars().take(200).collect(), reason };
        if text.len() > PURL_BYTES_MAX {
            return Err(malformed("it has more than 2048 bytes"));
        }
        let parsed = Self::parse_any_spelling(text).map_err(malformed)?;
        let canonical = parsed.to_string();
        if canonical == text {
            Ok(parsed)
        } else {
            Err(PackageUrlError::NotCanonical { found: text.to_owned(), canonical })
        }
    }
}

impl TryFrom<String> for PackageUrl {
    type Error = PackageUrlError;

    fn try_from(text: String) -> Result<Self, PackageUrlError> {
        text.parse()
    }
}

impl From<PackageUrl> for String {
    fn from(purl: PackageUrl) -> Self {
        purl.to_string()
    }
}

/// Why text is not a package URL.
#[derive(Debug, thiserror::Error, Diagnostic, PartialEq, Eq)]
pub enum PackageUrlError {
    /// Breaks the grammar.
    #[error("`{}` is not a package URL: {reason}", found.escape_debug())]
    #[diagnostic(
        code(component::purl_malformed),
        help("write it as `pkg:deb/debian/hello@2.10-3?arch=amd64&distro=bookworm`")
    )]
    Malformed {
        /// As found, cut to 200 characters.
        found: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Right, but not in the one spelling that is accepted.
    #[error("package URL `{found}` is not in its canonical spelling, expected `{canonical}`")]
    #[diagnostic(code(component::purl_not_canonical), help("write it as `{canonical}`"))]
    NotCanonical {
        /// As found.
        found: String,
        /// As it has to be.
        canonical: String,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_debian_release_is_read() {
        let text = "pkg:deb/debian/prometheus@2.42.0%2Bds-5%2Bdeb12u1?arch=amd64&distro=bookworm";
        let purl: PackageUrl = text.parse().unwrap();
        assert_eq!(purl.kind(), "deb");
        assert_eq!(purl.namespace(), ["debian"]);
        assert_eq!(purl.name(), "prometheus");
        assert_eq!(purl.version(), Some("2.42.0+ds-5+deb12u1"));
        assert_eq!(purl.qualifier("distro"), Some("bookworm"));
        assert_eq!(purl.to_string(), text);
        let scoped: PackageUrl = "pkg:npm/%40prometheus-io/lezer-promql@0.300.0".parse().unwrap();
        assert_eq!(scoped.namespace(), ["@prometheus-io"]);
    }

    #[test]
    fn other_spellings_are_refused_with_the_right_one() {
        for (found, canonical) in [
            ("pkg:deb/debian/a@1+b", "pkg:deb/debian/a@1%2Bb"),
            ("pkg:deb/debian/a@1%2bb", "pkg:deb/debian/a@1%2Bb"),
            ("pkg:deb/debian/a@1?distro=x&arch=y", "pkg:deb/debian/a@1?arch=y&distro=x"),
            ("pkg:deb/debian/%61@1", "pkg:deb/debian/a@1"),
        ] {
            let error = found.parse::<PackageUrl>().unwrap_err();
            assert_eq!(
                error,
                PackageUrlError::NotCanonical { found: found.into(), canonical: canonical.into() }
            );
        }
    }

    #[test]
    fn what_is_no_package_url_is_refused() {
        for bad in [
            "",
            "pkg:",
            "pkg:deb",
            "pkg:deb/",
            "deb/debian/a@1",
            "pkg://deb/debian/a@1",
            "pkg:Deb/debian/a",
            "pkg:deb/debian/a@",
            "pkg:deb//a",
            "pkg:deb/a@1?",
            "pkg:deb/a?arch",
            "pkg:deb/a?arch=",
            "pkg:deb/a?x=1&x=1",
            "pkg:deb/a@%",
            "pkg:deb/a@%zz",
            "pkg:deb/a@%ff",
            "pkg:deb/a@%00",
            "pkg:deb/a#sub",
            "pkg:deb/a@1\n",
        ] {
            assert!(bad.parse::<PackageUrl>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_printed_as_it_was(text in "pkg:[a-z]{1,4}(/[a-z%0-9A-F+~]{1,6}){1,3}(@[%0-9A-F+.~:-]{0,6})?([?][a-z]=[a-z%2B]{0,5})?") {
            if let Ok(purl) = text.parse::<PackageUrl>() {
                prop_assert_eq!(purl.to_string(), text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,80}") {
            let _ = text.parse::<PackageUrl>();
            let _ = format!("pkg:{text}").parse::<PackageUrl>();
        }
    }
}
