//! Stanzas of `Field: value` lines (deb822(5)), one at a time and in bounded memory.
//!
//! Refused, because readers disagree about them: a field given twice in a stanza, a line that is
//! neither a field nor a continuation, bytes that are not UTF-8, NUL.

use std::io::{BufRead, Read as _};
use std::ops::Range;

use miette::Diagnostic;

use crate::limits::debian::DebianLimits;

/// Reads stanzas from a stream.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    stanza_bytes_max: usize,
    fields_max: usize,
    comments: bool,
    line: u64,
    bytes: Vec<u8>,
    text: String,
    fields: Vec<(Range<usize>, Range<usize>)>,
}

/// One stanza; its values borrow the reader's buffer.
#[derive(Debug)]
pub struct Stanza<'a> {
    text: &'a str,
    fields: &'a [(Range<usize>, Range<usize>)],
    line: u64,
}

impl<R: BufRead> Reader<R> {
    /// A reader of stanzas without comments, as in an archive's indexes.
    pub fn new(input: R, limits: &DebianLimits) -> Self {
        Self {
            input,
            stanza_bytes_max: limits.stanza_bytes_max,
            fields_max: limits.fields_max,
            comments: false,
            line: 0,
            bytes: Vec::new(),
            text: String::new(),
            fields: Vec::new(),
        }
    }

    /// Skips lines that begin with `#`, as in apt's configuration.
    #[must_use]
    pub fn with_comments(mut self) -> Self {
        self.comments = true;
        self
    }

    /// The next stanza, or `None` at the end.
    pub fn next_stanza(&mut self) -> Result<Option<Stanza<'_>>, Deb822Error> {
        self.text.clear();
        self.fields.clear();
        let mut first_line = 0;
        loop {
            let read = self.read_line()?;
            let line = self.bytes.trim_ascii_end();
            if read == 0 || line.is_empty() {
                match (self.fields.is_empty(), read) {
                    (true, 0) => return Ok(None),
                    (true, _) => continue,
                    (false, _) => break,
                }
            }
            if self.comments && line.starts_with(b"#") {
                continue;
            }
            let wrong = |detail| Deb822Error::Malformed { line: self.line, detail };
            let line = std::str::from_utf8(line).map_err(|_| wrong("bytes that are not UTF-8"))?;
            if line.contains('\0') {
                return Err(wrong("a NUL byte"));
            }
            let start = self.text.len();
            self.text.push_str(line);
            self.text.push('\n');
            if line.starts_with([' ', '\t']) {
                let stray =
                    Deb822Error::Malformed { line: self.line, detail: "a continuation before any field" };
                let (_, value) = self.fields.last_mut().ok_or(stray)?;
                value.end = self.text.len();
                continue;
            }
            let (name, _) = line.split_once(':').ok_or_else(|| wrong("a line without a colon"))?;
            // deb822(5): printable US-ASCII but space and colon, not beginning with `#` or `-`.
            if name.is_empty() || name.starts_with(['#', '-']) || !name.bytes().all(|b| b.is_ascii_graphic())
            {
                return Err(wrong("a field name with forbidden characters"));
            }
            if self.fields.iter().any(|(n, _)| {
                n.len() == name.len()
                    && self.text.get(n.clone()).is_some_and(|n| n.eq_ignore_ascii_case(name))
            }) {
                return Err(wrong("a field given twice"));
            }
            if self.fields.len() == self.fields_max {
                return Err(Deb822Error::Limit {
                    line: self.line,
                    limit: "fields_max",
                    max: self.fields_max,
                });
            }
            if self.fields.is_empty() {
                first_line = self.line;
            }
            let value = start + name.len() + 1;
            self.fields.push((start..start + name.len(), value..self.text.len()));
        }
        Ok(Some(Stanza { text: &self.text, fields: &self.fields, line: first_line }))
    }

    /// Reads one line into `self.bytes`; gives its length with the line feed.
    fn read_line(&mut self) -> Result<usize, Deb822Error> {
        self.bytes.clear();
        let left = self.stanza_bytes_max.saturating_sub(self.text.len());
        let mut limited = self.input.by_ref().take(left as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.bytes).map_err(Deb822Error::Read)?;
        self.line += 1;
        if read > left {
            let (limit, max) = ("stanza_bytes_max", self.stanza_bytes_max);
            return Err(Deb822Error::Limit { line: self.line, limit, max });
        }
        Ok(read)
    }
}

impl<'a> Stanza<'a> {
    /// The line that the stanza begins on, counted from 1.
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// A field's value with its continuation lines, white space at both ends removed; names in any
    /// case.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.fields.iter().find(|(n, _)| {
            n.len() == name.len() && self.text.get(n.clone()).is_some_and(|n| n.eq_ignore_ascii_case(name))
        })?;
        self.text.get(value.clone()).map(str::trim)
    }

    /// A field that must be there and not empty.
    pub fn require(&self, name: &'static str) -> Result<&'a str, Deb822Error> {
        let missing = Deb822Error::Missing { line: self.line, field: name };
        self.get(name).filter(|v| !v.is_empty()).ok_or(missing)
    }

    /// The lines of a field, trimmed, without empty ones.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.get(name).unwrap_or_default().lines().map(str::trim).filter(|l| !l.is_empty())
    }
}

/// Why stanzas could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Deb822Error {
    /// Breaks the format's rules.
    #[error("line {line}: {detail}")]
    #[diagnostic(code(deb822::malformed), help("treat the file as damaged or hostile; fetch it again"))]
    Malformed {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        detail: &'static str,
    },
    /// A field is not there.
    #[error("line {line}: the stanza has no field `{field}`")]
    #[diagnostic(code(deb822::missing_field), help("treat the file as damaged or hostile; fetch it again"))]
    Missing {
        /// Where the stanza begins.
        line: u64,
        /// The field.
        field: &'static str,
    },
    /// A bound was reached.
    #[error("line {line}: a stanza passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(deb822::limit),
        help("raise the limit if that size is expected; otherwise treat the file as hostile")
    )]
    Limit {
        /// Counted from 1.
        line: u64,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// The stream failed.
    #[error("the text cannot be read to its end")]
    #[diagnostic(code(deb822::read), help("fetch the file again; it is damaged, or the disk is"))]
    Read(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn all(text: &[u8]) -> Result<Vec<Vec<(String, String)>>, Deb822Error> {
        let mut reader = Reader::new(text, &DebianLimits::DEFAULT);
        let mut stanzas = Vec::new();
        while let Some(stanza) = reader.next_stanza()? {
            stanzas.push(
                stanza
                    .fields
                    .iter()
                    .map(|(n, _)| {
                        let name = stanza.text.get(n.clone()).unwrap();
                        (name.to_owned(), stanza.get(name).unwrap().to_owned())
                    })
                    .collect(),
            );
        }
        Ok(stanzas)
    }

    #[test]
    fn stanzas_fields_and_continuations_are_read() {
        let text = b"\n\nPackage: a\nDescription: one\n two\n .\n\tthree\n\n\nPackage:b\nEmpty:\n";
        let stanzas = all(text).unwrap();
        assert_eq!(stanzas.len(), 2);
        assert_eq!(stanzas[0][1].1, "one\n two\n .\n\tthree");
        assert_eq!(stanzas[1], [("Package".into(), "b".into()), ("Empty".into(), String::new())]);
        let mut reader = Reader::new(b"A: 1\nSHA256:\n x 1 a\n y 2 b\n".as_slice(), &DebianLimits::DEFAULT);
        let stanza = reader.next_stanza().unwrap().unwrap();
        assert_eq!(stanza.lines("sha256").collect::<Vec<_>>(), ["x 1 a", "y 2 b"]);
        assert!(matches!(stanza.require("B"), Err(Deb822Error::Missing { field: "B", line: 1 })));
    }

    #[test]
    fn what_readers_disagree_about_is_refused() {
        for (bad, detail) in [
            (&b" x\n"[..], "a continuation before any field"),
            (b"A: 1\nno colon\n", "a line without a colon"),
            (b"A: 1\na: 2\n", "a field given twice"),
            (b"A B: 1\n", "a field name with forbidden characters"),
            (b": 1\n", "a field name with forbidden characters"),
            (b"-A: 1\n", "a field name with forbidden characters"),
            (b"#A: 1\n", "a field name with forbidden characters"),
            (b"A: \xff\n", "bytes that are not UTF-8"),
            (b"A: \0x\n", "a NUL byte"),
        ] {
            match all(bad) {
                Err(Deb822Error::Malformed { detail: found, .. }) => assert_eq!(found, detail),
                other => panic!("{bad:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn bounds_are_errors_not_ends() {
        let limits = DebianLimits { stanza_bytes_max: 64, fields_max: 2, ..DebianLimits::DEFAULT };
        let long = format!("A: {}\n", "x".repeat(100));
        let many = "A: 1\nB: 2\nC: 3\n";
        let grows = "A: 1\n".to_owned() + &" 2345678\n".repeat(20);
        for text in [long.as_str(), many, &grows] {
            let mut reader = Reader::new(text.as_bytes(), &limits);
            assert!(matches!(reader.next_stanza(), Err(Deb822Error::Limit { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = all(&bytes);
        }

        #[test]
        fn what_was_written_is_read(stanzas in proptest::collection::vec(
            proptest::collection::btree_map("[A-Z][a-z]{0,5}", "[a-z0-9:#.]{0,9}(\n [a-z.:]{1,9}){0,3}", 1..5), 0..5)) {
            let text: String = stanzas.iter().map(|s| {
                s.iter().map(|(n, v)| format!("{n}: {v}\n")).collect::<String>() + "\n"
            }).collect();
            let read = all(text.as_bytes()).unwrap();
            prop_assert_eq!(read.len(), stanzas.len());
            for (read, written) in read.iter().zip(&stanzas) {
                for ((name, value), (n, v)) in read.iter().zip(written) {
                    prop_assert_eq!(name, n);
                    prop_assert_eq!(value, v.trim());
                }
            }
        }
    }
}
