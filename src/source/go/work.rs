//! `go.work`: which folders are the members of a workspace (`golang.org/x/mod/modfile`, `ParseWork`).
//!
//! The go command takes the versions of all members' requirements together. A module's zip holds the file
//! and none of the members, which are modules of their own, so that a build from it cannot be that of the
//! workspace.

use super::GoSourceError;

/// The folders that the `use` directives name, as they stand there.
///
/// # Errors
///
/// What the go command could not read either: another encoding, an open block, more than one word in a
/// `use`, more than `lines_max` lines.
pub fn members(text: &[u8], lines_max: usize) -> Result<Vec<String>, GoSourceError> {
    let wrong = |line: usize, detail: &str| GoSourceError::Sums {
        file: "go.work".to_owned(),
        line: line + 1,
        detail: detail.to_owned(),
    };
    let text = std::str::from_utf8(text).map_err(|_| wrong(0, "it is not UTF-8"))?;
    let mut found = Vec::new();
    // The directive whose block is open.
    let mut block: Option<String> = None;
    let mut last = 0;
    for (number, line) in text.lines().enumerate() {
        last = number;
        if number >= lines_max {
            return Err(wrong(number, "there are too many lines"));
        }
        let words = words(line).ok_or_else(|| wrong(number, "a quotation has no end"))?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (block.as_deref(), words.as_slice()) {
            (_, []) => {}
            (Some(_), [")"]) => block = None,
            (Some("use"), [folder]) => found.push((*folder).to_owned()),
            (Some("use"), _) => return Err(wrong(number, "expected one folder")),
            (Some(_), _) => {}
            (None, [directive, "("]) => block = Some((*directive).to_owned()),
            (None, ["use", folder]) => found.push((*folder).to_owned()),
            (None, ["use", ..]) => return Err(wrong(number, "expected one folder")),
            (None, _) => {}
        }
    }
    match block {
        Some(_) => Err(wrong(last, "a block has no end")),
        None => Ok(found),
    }
}

/// The words of a line without its comment; none where a quotation does not end in it.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with("//") {
        let (word, after) = match rest.chars().next() {
            Some(quote @ ('"' | '`')) => {
                let (word, after) = rest.get(1..)?.split_once(quote)?;
                (word, after)
            }
            Some('(') | Some(')') => rest.split_at(1),
            _ => {
                let ends = |c: char| c.is_whitespace() || c == '(' || c == ')';
                rest.split_at(rest.find(ends).unwrap_or(rest.len()))
            }
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_folders_of_use_directives_are_found() {
        for (text, expected) in [
            (
                "go 1.25.0\n\nuse (\n\t.\n\t./compliance // a comment\n\n\t\"./with blank\"\n)\n",
                &[".", "./compliance", "./with blank"][..],
            ),
            ("go 1.21\nuse ./a\nuse `../b`\n", &["./a", "../b"]),
            ("use(\n./a\n)\n", &["./a"]),
            ("// use ./a\ngo 1.21\nreplace x => ./y\nreplace (\n\ta => ../b\n)\n", &[]),
            ("use /etc\r\n", &["/etc"]),
            ("", &[]),
        ] {
            assert_eq!(members(text.as_bytes(), 100).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for bad in [&b"use (\n.\n"[..], b"use\n", b"use a b\n", b"use (\na b\n)\n", b"use \"./a\n", b"\xff"] {
            assert!(members(bad, 100).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(members(b"\n\n\n", 2).is_err());
    }
}
