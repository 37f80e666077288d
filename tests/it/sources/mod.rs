//! Reading the crate's own sources: code without comments, texts and tests, with places kept.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file, as far as the checks need it.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path from the package's folder, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same length, with comments, texts' insides and test modules made blank.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = without_tests(&without_texts(text));
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    /// `path:line` of an offset.
    pub(crate) fn place(&self, offset: usize) -> String {
        let line = self.text.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count() + 1;
        format!("{}:{line}", self.path)
    }

    /// True for a file that is a test module as a whole.
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/") || self.path.starts_with("tests/")
    }

    /// True for a file of the library.
    pub(crate) fn is_library(&self) -> bool {
        self.path.starts_with("src/") && !self.path.starts_with("src/bin/")
    }
}

/// All Rust files below a folder of the package, sorted by path.
pub(crate) fn read(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What the fuzz crate's compiler leaves behind is nobody's source.
                if !path.ends_with("fuzz/target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no sources below {folder}");
    files
        .iter()
        .map(|p| {
            Source::new(p.strip_prefix(root).unwrap().to_str().unwrap(), &fs::read_to_string(p).unwrap())
        })
        .collect()
}

/// Blanks comments and the insides of string and character literals; lengths and lines stay.
fn without_texts(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = if rest.starts_with(b"//") {
            at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            at + block_comment(rest)
        } else if let Some(len) = raw_string(bytes, at) {
            at + len
        } else if rest[0] == b'"' {
            at + string(rest)
        } else if rest[0] == b'\'' {
            at + character(rest)
        } else {
            at += 1;
            continue;
        };
        for b in &mut out[at..end] {
            if *b != b'\n' {
                *b = b' ';
            }
        }
        at = end;
    }
    String::from_utf8(out).unwrap()
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let before = at.checked_sub(1).map(|i| bytes[i]);
    if before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let rest = &bytes[at..];
    let start = rest.strip_prefix(b"br").or_else(|| rest.strip_prefix(b"r"))?;
    let hashes = start.iter().take_while(|b| **b == b'#').count();
    let body = start[hashes..].strip_prefix(b"\"")?;
    let mut close = vec![b'"'];
    close.extend(std::iter::repeat_n(b'#', hashes));
    let len = body.windows(close.len()).position(|w| w == close)?;
    Some(rest.len() - body.len() + len + close.len())
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// A character literal's length; 1 for a lifetime's or label's tick.
fn character(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|b| *b == b'\'').map_or(1, |n| n + 4);
    }
    // One character of up to four bytes, then the closing tick.
    let text = String::from_utf8_lossy(&rest[1..rest.len().min(5)]).into_owned();
    match text.chars().next() {
        Some(c) if rest.get(1 + c.len_utf8()) == Some(&b'\'') => 2 + c.len_utf8(),
        _ => 1,
    }
}

/// Blanks what follows `#[cfg(test)]`: a block in braces, or an item up to its semicolon.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = code[from..].find(MARK) {
        let start = from + found;
        let mut depth = 0;
        let mut end = code.len();
        for (i, b) in code.bytes().enumerate().skip(start + MARK.len()) {
            match b {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            if (b == b'}' || b == b';') && depth == 0 {
                end = i + 1;
                break;
            }
        }
        for b in &mut out[start..end] {
            if *b != b'\n' {
                *b = b' ';
            }
        }
        from = end;
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn texts_comments_and_tests_are_blank_and_code_is_not() {
    let text = r##"
fn a<'x>(c: char) -> &'x str { /* crate::one /* crate::two */ */ // crate::three
    let _ = ('"', '\'', '\u{41}', 'ü', "crate::four \" crate::five", r#"crate::six"#);
    crate::seen()
}
#[cfg(test)]
mod tests { fn b() { crate::seven() } }
fn c() { crate::seen() }
"##;
    let source = Source::new("src/a.rs", text);
    assert_eq!(source.code.len(), text.len());
    assert_eq!(source.code.matches("crate::").count(), 2, "{}", source.code);
    assert_eq!(source.code.matches("crate::seen").count(), 2);
    assert_eq!(source.place(source.code.rfind("crate").unwrap()), "src/a.rs:8");
}
