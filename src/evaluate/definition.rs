//! A file of definitions that people write: read with a bound, and every complaint about it with file,
//! line and column.

use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::limits::evaluate::{DEFINITION_BYTES_MAX, DEFINITIONS_MAX, LINE_BYTES_MAX, PROSE_BYTES_MAX};

/// Why a file of definitions could not be taken.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum DefinitionError {
    /// A key or value is not what the schema says.
    #[error("{file}:{line}:{column}: {detail}")]
    #[diagnostic(code(evaluate::definition), help("{remedy}"))]
    Definition {
        /// The file as named to the user.
        file: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What was found and what was expected.
        detail: String,
        /// What to write instead.
        remedy: String,
        /// The whole file.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// Where.
        #[label("here")]
        at: SourceSpan,
    },
    /// The file, or the folder, is larger than definitions can be.
    #[error("`{}` has more than {max} {unit}", path.display())]
    #[diagnostic(code(evaluate::too_large), help("check that these are definitions; split what is"))]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The bound.
        max: u64,
        /// Of what.
        unit: &'static str,
    },
    /// The file could not be read.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(
        code(evaluate::read),
        help("check that the path exists and may be read; `--root` names the folder that holds `policies/`")
    )]
    Read {
        /// Which path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

/// A file with the means to point into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// As named to the user.
    pub file: String,
    /// All of it.
    pub text: String,
}

impl Definition {
    /// Reads a file; `shown` is its name in messages.
    pub fn load(path: &Path, shown: &str) -> Result<Self, DefinitionError> {
        let failed = |source| DefinitionError::Read { path: path.to_path_buf(), source };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(DEFINITION_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > DEFINITION_BYTES_MAX {
            let path = path.to_path_buf();
            return Err(DefinitionError::TooLarge { path, max: DEFINITION_BYTES_MAX, unit: "bytes" });
        }
        let file = shown.to_owned();
        String::from_utf8(bytes).map(|text| Self { file: file.clone(), text }).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            let lossy = Self { file, text: String::from_utf8_lossy(e.as_bytes()).into_owned() };
            lossy.error(at..at, "not UTF-8", "save the file as UTF-8")
        })
    }

    /// Reads every `*.toml` of a folder below `root`, ordered by name. A folder that is not there holds
    /// none.
    pub fn load_all(root: &Path, folder: &str) -> Result<Vec<Self>, DefinitionError> {
        let path = root.join(folder);
        let failed = |source| DefinitionError::Read { path: path.clone(), source };
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            if let Some(name) = name.to_str().filter(|n| n.ends_with(".toml")) {
                names.push(name.to_owned());
            }
            if names.len() > DEFINITIONS_MAX {
                let max = DEFINITIONS_MAX as u64;
                return Err(DefinitionError::TooLarge { path: path.clone(), max, unit: "files" });
            }
        }
        names.sort();
        names.iter().map(|name| Self::load(&path.join(name), &format!("{folder}/{name}"))).collect()
    }

    /// The file as a table whose values know their places.
    pub fn table(&self) -> Result<Spanned<DeTable<'_>>, DefinitionError> {
        DeTable::parse(&self.text).map_err(|e| self.wrong(&e, 0..0))
    }

    /// A value in its form; what the form does not know is refused.
    pub fn decode<T: DeserializeOwned>(&self, value: Spanned<DeValue<'_>>) -> Result<T, DefinitionError> {
        let span = value.span();
        T::deserialize(ValueDeserializer::from(value)).map_err(|e| self.wrong(&e, span))
    }

    /// A table in its form; what the form does not know is refused.
    pub fn decode_table<T: DeserializeOwned>(
        &self,
        table: Spanned<DeTable<'_>>,
    ) -> Result<T, DefinitionError> {
        let span = table.span();
        self.decode(Spanned::new(span, DeValue::Table(table.into_inner())))
    }

    /// A complaint about a place.
    pub fn error(
        &self,
        span: Range<usize>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> DefinitionError {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        DefinitionError::Definition {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            detail: detail.into(),
            remedy: remedy.into(),
            text: Arc::new(NamedSource::new(&self.file, self.text.clone())),
            at: span.into(),
        }
    }

    fn wrong(&self, error: &toml::de::Error, otherwise: Range<usize>) -> DefinitionError {
        let span = error.span().unwrap_or(otherwise);
        self.error(
            span,
            error.message().replace('\n', ", "),
            "write keys and values as the other definitions do; the schema is closed",
        )
    }

    /// One line of text: not empty, no control characters, bounded.
    pub fn line(&self, value: &Spanned<String>, what: &str) -> Result<String, DefinitionError> {
        let text = value.get_ref();
        if text.trim().is_empty() || text.len() > LINE_BYTES_MAX || text.chars().any(char::is_control) {
            let expected = format!("one line of at most {LINE_BYTES_MAX} bytes");
            return Err(self.error(
                value.span(),
                format!("not {what}, expected {expected}"),
                format!("write {expected}"),
            ));
        }
        Ok(text.clone())
    }

    /// A paragraph: not empty, no control characters but line ends, bounded. Line ends become spaces.
    pub fn prose(&self, value: &Spanned<String>, what: &str) -> Result<String, DefinitionError> {
        let text = value.get_ref();
        let strange = |c: char| c.is_control() && c != '\n';
        if text.trim().is_empty() || text.len() > PROSE_BYTES_MAX || text.chars().any(strange) {
            let expected = format!("text of at most {PROSE_BYTES_MAX} bytes");
            return Err(self.error(
                value.span(),
                format!("not {what}, expected {expected}"),
                format!("write {expected}"),
            ));
        }
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Takes an array of tables out of a table; none where the key is absent.
    pub fn take_tables<'t>(
        &self,
        table: &mut DeTable<'t>,
        key: &str,
    ) -> Result<Vec<Spanned<DeTable<'t>>>, DefinitionError> {
        let Some(value) = table.remove(key) else { return Ok(Vec::new()) };
        let wrong = |span| {
            self.error(
                span,
                format!("`{key}` is not an array of tables"),
                format!("write a `[[…{key}]]` table for each"),
            )
        };
        let span = value.span();
        let DeValue::Array(array) = value.into_inner() else { return Err(wrong(span)) };
        let mut tables = Vec::new();
        for item in array {
            let span = item.span();
            let DeValue::Table(inner) = item.into_inner() else { return Err(wrong(span)) };
            tables.push(Spanned::new(span, inner));
        }
        Ok(tables)
    }
}

/// Takes one value out of a table.
pub(super) fn take<'t>(table: &mut DeTable<'t>, key: &str) -> Option<Spanned<DeValue<'t>>> {
    table.remove(key)
}
