//! Patterns over identities and claims: exact, glob, anchored regular expression.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};

use super::PolicyError;
use crate::limits::verify::VerifyLimits;

/// One pattern.
///
/// `=text` is compared exactly, `~expression` is a regular expression that must match the whole value,
/// anything else is a glob in which `*` does not cross a `/` and `**` does; without `*`, `?`, `[` and
/// `{` that is an exact comparison too.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

#[derive(Clone)]
enum Matcher {
    Exact { value: String, fold_case: bool },
    Glob(Box<GlobMatcher>),
    Regex(Regex),
}

impl Pattern {
    /// Reads the notation above.
    ///
    /// # Errors
    /// A glob or an expression that does not parse or is too large.
    pub fn new(text: &str) -> Result<Self, PolicyError> {
        if let Some(value) = text.strip_prefix('=') {
            return Ok(Self::exact(value));
        }
        if let Some(expression) = text.strip_prefix('~') {
            return Self::regex(expression);
        }
        if !text.contains(['*', '?', '[', '{']) {
            return Ok(Self::exact(text));
        }
        let bad =
            |e: globset::Error| PolicyError::Pattern { pattern: text.to_owned(), reason: e.to_string() };
        let glob =
            GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build().map_err(bad)?;
        Ok(Self { text: text.to_owned(), matcher: Matcher::Glob(Box::new(glob.compile_matcher())) })
    }

    /// Equal to `value`.
    pub fn exact(value: &str) -> Self {
        Self { text: value.to_owned(), matcher: Matcher::Exact { value: value.to_owned(), fold_case: false } }
    }

    /// Equal to `value` but for the case of ASCII letters, as GitHub compares owners and repositories.
    pub fn ignoring_case(value: &str) -> Self {
        Self { text: value.to_owned(), matcher: Matcher::Exact { value: value.to_owned(), fold_case: true } }
    }

    /// A regular expression over the whole value: it is anchored at both ends here.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub fn regex(expression: &str) -> Result<Self, PolicyError> {
        Self::compiled(expression, &format!(r"\A(?:{expression})\z"))
    }

    /// A regular expression that has to match somewhere, with its own anchors, as gh's
    /// `--cert-identity-regex` and cosign's `--certificate-identity-regexp` search. Prefer
    /// [`Pattern::regex`]: an expression without `^` matches in the middle of a longer identity.
    ///
    /// # Errors
    /// As [`Pattern::new`].
    pub fn regex_search(expression: &str) -> Result<Self, PolicyError> {
        Self::compiled(expression, expression)
    }

    fn compiled(text: &str, expression: &str) -> Result<Self, PolicyError> {
        let regex = RegexBuilder::new(expression)
            .size_limit(VerifyLimits::DEFAULT.pattern_bytes_max)
            .build()
            .map_err(|e| PolicyError::Pattern { pattern: text.to_owned(), reason: e.to_string() })?;
        Ok(Self { text: format!("~{text}"), matcher: Matcher::Regex(regex) })
    }

    /// Whether the value matches.
    pub fn matches(&self, value: &str) -> bool {
        match &self.matcher {
            Matcher::Exact { value: wanted, fold_case: false } => wanted == value,
            Matcher::Exact { value: wanted, fold_case: true } => wanted.eq_ignore_ascii_case(value),
            Matcher::Glob(glob) => glob.is_match(value),
            Matcher::Regex(regex) => regex.is_match(value),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Pattern;

    #[test]
    fn patterns_match_whole_values() {
        for (pattern, value, expected) in [
            ("a@example.com", "a@example.com", true),
            ("a@example.com", "a@example.comx", false),
            ("https://github.com/o/*/x.yml", "https://github.com/o/r/x.yml", true),
            ("https://github.com/o/*/x.yml", "https://github.com/o/r/s/x.yml", false),
            ("https://github.com/o/**", "https://github.com/o/r/s/x.yml", true),
            ("https://github.com/o/**", "https://github.com/other/r", false),
            ("~https://github\\.com/o/.*", "https://github.com/o/r", true),
            ("~github", "https://github.com/o/r", false),
            ("~a|b", "ax", false),
            ("=a*", "a*", true),
            ("=a*", "ab", false),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(value), expected, "{pattern} on {value}");
        }
        assert!(Pattern::new("~(").is_err());
        assert!(Pattern::new("~(a{1000}){1000}").is_err());
        assert!(Pattern::ignoring_case("https://github.com/O").matches("https://github.com/o"));
    }
}
