//! What is wrong with a policy file, with the line.

use miette::Diagnostic;

/// A policy, key list or list of builders that cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file does not follow its schema.
    #[error("{file}:{line}: {reason}")]
    #[diagnostic(
        code(policy::schema),
        help("mend the line; every name that may stand there is listed by `reprove verify --help`")
    )]
    Schema {
        /// Which file, or `arguments`.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A pattern of a policy cannot be used.
    #[error("the pattern `{pattern}` cannot be used: {reason}")]
    #[diagnostic(
        code(policy::pattern),
        help(
            "write `=text`, `~regular expression` or a glob; a text without `*`, `?` and `[` is compared exactly"
        )
    )]
    Pattern {
        /// As given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// Two demands contradict each other.
    #[error("`{first}` and `{second}` cannot be demanded together")]
    #[diagnostic(code(policy::contradiction), help("keep the stricter of the two"))]
    Contradiction {
        /// One.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
}

impl PolicyError {
    /// An error at the first line that holds `needle`.
    pub(crate) fn at(file: &str, text: &str, needle: &str, reason: String) -> Self {
        let line = text.lines().position(|line| line.contains(needle)).map_or(1, |index| index + 1);
        Self::Schema { file: file.to_owned(), line, reason }
    }
}

/// Reads TOML of a closed schema; errors name file and line.
pub(crate) fn toml_text<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> Result<T, PolicyError> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let line = text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
        PolicyError::Schema { file: file.to_owned(), line, reason: error.message().to_owned() }
    })
}
