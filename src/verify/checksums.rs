//! Lists of checksums: `sha256sum`'s lines, BSD's `SHA256 (name) = …`, or one digest alone.
//!
//! A list says which bytes belong to which name. By itself it vouches for nothing: whoever replaces the
//! file can replace the list. What counts is a signature over the list (see [`super::signed`]).

use std::collections::BTreeMap;

use miette::Diagnostic;

use crate::digest::{Agreement, Algorithm, Digest, DigestSet};
use crate::limits::signature::SignatureLimits;

/// A list that was read. Nothing about it is authenticated by reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChecksumList {
    entries: Vec<Entry>,
    unusable: usize,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 1.
    pub line: usize,
    /// The file's name as listed, unescaped; `None` where the list is one digest alone.
    pub name: Option<String>,
    /// What its bytes must hash to.
    pub digest: Digest,
}

/// What a list says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// These bytes under this name.
    Same {
        /// Line of the list.
        line: usize,
    },
    /// This name with other bytes.
    Different {
        /// Line of the list.
        line: usize,
        /// The digest that it lists.
        expected: Digest,
    },
    /// These bytes, but only under other names: an older or another file may have been put in place.
    OtherName {
        /// The first such line.
        line: usize,
        /// The name there.
        name: String,
    },
    /// This name with several digests that cannot all be right.
    Contradiction {
        /// The lines.
        lines: Vec<usize>,
    },
    /// This name with a digest of an algorithm that was not computed.
    NotComputed {
        /// Line of the list.
        line: usize,
        /// The algorithm to compute.
        algorithm: Algorithm,
    },
    /// Neither this name nor these bytes.
    Absent,
}

impl ChecksumList {
    /// Reads a list. Every line must be one of the known forms, a comment (`#`) or empty.
    ///
    /// Lines of MD5, SHA-1 and other algorithms that this crate does not trust are counted
    /// ([`Self::unusable`]) and say nothing; a list of nothing else is refused.
    pub fn parse(bytes: &[u8], limits: &SignatureLimits) -> Result<Self, ChecksumsError> {
        let limit = |limit, max| ChecksumsError::Limit { limit, max };
        if bytes.len() > limits.list_bytes_max {
            return Err(limit("list_bytes_max", limits.list_bytes_max));
        }
        let mut list = Self { entries: Vec::new(), unusable: 0 };
        let mut alone = false;
        for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
            let number = index + 1;
            if number > limits.list_lines_max {
                return Err(limit("list_lines_max", limits.list_lines_max));
            }
            if line.len() > limits.line_bytes_max {
                return Err(limit("line_bytes_max", limits.line_bytes_max));
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let refuse = |detail: &str| ChecksumsError::Malformed { line: number, detail: detail.to_owned() };
            let line = std::str::from_utf8(line).map_err(|_| refuse("not UTF-8"))?;
            let (name, digest) = parse_line(line).map_err(refuse)?;
            if alone {
                return Err(refuse("a digest without a name stands alone or not at all"));
            }
            if name.is_none() {
                if !list.entries.is_empty() || list.unusable > 0 {
                    return Err(refuse("a digest without a name stands alone or not at all"));
                }
                alone = true;
            }
            match digest {
                Some(digest) => list.entries.push(Entry { line: number, name, digest }),
                None => list.unusable += 1,
            }
        }
        match (list.entries.is_empty(), list.unusable) {
            (true, 0) => Err(ChecksumsError::Empty),
            (true, lines) => Err(ChecksumsError::Weak { lines }),
            (false, _) => Ok(list),
        }
    }

    /// Its usable lines, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Lines of algorithms that establish nothing.
    pub const fn unusable(&self) -> usize {
        self.unusable
    }

    /// Algorithms that it uses, each once: what to compute of a file before asking.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut all: Vec<_> = self.entries.iter().map(|e| e.digest.algorithm()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What the list says about the bytes with these digests under this name.
    ///
    /// Names are compared by their last component: lists are made in the publisher's folders and read in
    /// the user's. Without a name, any line with these bytes is [`Listed::Same`].
    pub fn ask(&self, name: Option<&str>, digests: &DigestSet) -> Listed {
        let same = |entry: &&Entry| digests.get(entry.digest.algorithm()) == Some(&entry.digest);
        let Some(wanted) = name.map(last_component) else {
            return self.entries.iter().find(same).map_or(Listed::Absent, |e| Listed::Same { line: e.line });
        };
        let named: Vec<_> = self
            .entries
            .iter()
            .filter(|e| e.name.as_deref().is_none_or(|n| last_component(n) == wanted))
            .collect();
        let mut by_algorithm = BTreeMap::new();
        for entry in &named {
            let first = by_algorithm.entry(entry.digest.algorithm()).or_insert(&entry.digest);
            if **first != entry.digest {
                return Listed::Contradiction { lines: named.iter().map(|e| e.line).collect() };
            }
        }
        let listed = by_algorithm.values().map(|d| (**d).clone()).fold(None, |set: Option<DigestSet>, d| {
            Some(match set {
                Some(set) => set.with(d),
                None => DigestSet::single(d),
            })
        });
        let Some(listed) = listed else {
            return self.entries.iter().find(same).map_or(Listed::Absent, |e| Listed::OtherName {
                line: e.line,
                name: e.name.clone().unwrap_or_default(),
            });
        };
        let first = |found: Option<&&Entry>| found.or(named.first()).map(|e| (e.line, e.digest.clone()));
        match listed.agreement(digests) {
            Agreement::Same => first(named.iter().find(|e| same(e)))
                .map_or(Listed::Absent, |(line, _)| Listed::Same { line }),
            Agreement::Different => {
                let differing =
                    named.iter().find(|e| digests.get(e.digest.algorithm()).is_some() && !same(e));
                first(differing)
                    .map_or(Listed::Absent, |(line, expected)| Listed::Different { line, expected })
            }
            Agreement::NoSharedAlgorithm => first(None).map_or(Listed::Absent, |(line, digest)| {
                Listed::NotComputed { line, algorithm: digest.algorithm() }
            }),
        }
    }
}

/// Whether the bytes read as a list of checksums. Decides only which reader to ask.
pub fn recognises(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    lines
        .find(|l| !l.is_empty() && !l.starts_with(b"#"))
        .and_then(|l| std::str::from_utf8(l).ok())
        .is_some_and(|l| parse_line(l).is_ok())
}

fn last_component(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The name, and the digest or `None` if its algorithm is of no use.
fn parse_line(line: &str) -> Result<(Option<String>, Option<Digest>), &'static str> {
    let (escaped, line) = line.strip_prefix('\\').map_or((false, line), |rest| (true, rest));
    let (name, hex, tag) = match tagged(line) {
        Some((tag, name, hex)) => (Some(name), hex, Some(tag)),
        None => {
            let end = line.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(line.len());
            let (hex, rest) = line.split_at(end);
            (plain_name(rest)?, hex, None)
        }
    };
    let algorithm = match (tag, hex.len()) {
        (None | Some("SHA256" | "SHA2-256"), 64) => Some(Algorithm::Sha256),
        (None | Some("SHA512" | "SHA2-512"), 128) => Some(Algorithm::Sha512),
        (Some("SHA256" | "SHA2-256" | "SHA512" | "SHA2-512"), _) => {
            return Err("the digest has the wrong length");
        }
        // MD5, SHA-1, SHA-224, SHA-384 by their lengths; other algorithms by their tags.
        (None, 32 | 40 | 56 | 96) | (Some(_), _) => None,
        _ => return Err("expected a digest and a name"),
    };
    let digest = match algorithm {
        Some(algorithm) => Some(
            Digest::from_hex(algorithm, &hex.to_ascii_lowercase())
                .map_err(|_| "the digest is not hexadecimal")?,
        ),
        None => None,
    };
    let name = match name {
        Some("") => return Err("the name is empty"),
        Some(name) if escaped => Some(unescape(name)?),
        Some(name) => Some(name.to_owned()),
        None if escaped => return Err("expected a name"),
        None => None,
    };
    Ok((name, digest))
}

/// `SHA256 (name) = hex` as BSD and `sha256sum --tag` write it, `SHA2-256(name)= hex` as openssl does.
fn tagged(line: &str) -> Option<(&str, &str, &str)> {
    let (tag, rest) = line.split_once('(')?;
    let tag = tag.strip_suffix(' ').unwrap_or(tag);
    if tag.is_empty()
        || !tag.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"-/b".contains(&b))
    {
        return None;
    }
    let (name, hex) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(")= "))?;
    hex.bytes().all(|b| b.is_ascii_hexdigit()).then_some((tag, name, hex))
}

/// What follows the digest: two spaces (text), a space and `*` (binary), or one space (BSD's `-r`).
fn plain_name(rest: &str) -> Result<Option<&str>, &'static str> {
    if rest.is_empty() {
        return Ok(None);
    }
    let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *")).or_else(|| rest.strip_prefix(' '));
    name.map(Some).ok_or("expected two spaces, or a space and `*`, after the digest")
}

/// coreutils' escapes, used where a line begins with a backslash.
fn unescape(name: &str) -> Result<String, &'static str> {
    let mut plain = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        plain.push(match (c, c == '\\') {
            (c, false) => c,
            _ => match chars.next() {
                Some('\\') => '\\',
                Some('n') => '\n',
                Some('r') => '\r',
                _ => return Err("an unknown escape in the name"),
            },
        });
    }
    Ok(plain)
}

/// Why a list could not be read.
#[derive(Debug, thiserror::Error, Diagnostic, PartialEq, Eq)]
pub enum ChecksumsError {
    /// A line of no known form.
    #[error("line {line} of the list of checksums: {detail}")]
    #[diagnostic(
        code(checksums::malformed),
        help("fetch the list again as published, as `sha256sum` or BSD's `sha256` wrote it")
    )]
    Malformed {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        detail: String,
    },
    /// Nothing in it.
    #[error("the list of checksums is empty")]
    #[diagnostic(code(checksums::empty), help("fetch the list again; it must name at least one file"))]
    Empty,
    /// Only algorithms that establish nothing.
    #[error("none of the {lines} lines of the list of checksums is SHA-256 or SHA-512")]
    #[diagnostic(
        code(checksums::weak),
        help("ask the publisher for `sha256sums.txt`; MD5 and SHA-1 can be forged")
    )]
    Weak {
        /// Lines that were there.
        lines: usize,
    },
    /// A bound was reached.
    #[error("the list of checksums passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(checksums::limit),
        help("raise the limit if that size is expected; otherwise treat the list as hostile")
    )]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: usize,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]
    use super::*;

    const LIMITS: SignatureLimits = SignatureLimits::DEFAULT;

    fn list(text: &str) -> Result<ChecksumList, ChecksumsError> {
        ChecksumList::parse(text.as_bytes(), &LIMITS)
    }

    fn a256() -> String {
        Digest::sha256(b"a").to_hex()
    }

    #[track_caller]
    fn check(line: &str, expect: Result<&str, &str>) {
        match (list(line), expect) {
            (Ok(list), Ok(name)) => {
                assert_eq!(list.entries().first().unwrap().name.as_deref().unwrap_or("-"), name, "{line}");
                assert!(recognises(line.as_bytes()));
            }
            (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{line}: {e}"),
            (found, expect) => panic!("{line}: {found:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn forms() {
        let (a, a512) = (a256(), Digest::of(Algorithm::Sha512, b"a").to_hex());
        check(&format!("{a}  a.txt"), Ok("a.txt"));
        check(&format!("{a} *a.txt\r\n"), Ok("a.txt"));
        check(&format!("{a} a.txt"), Ok("a.txt"));
        check(&format!("{a}   a.txt"), Ok(" a.txt"));
        check(&format!("# made today\n\n{a512}  dir/a (1).txt\n"), Ok("dir/a (1).txt"));
        check(&format!("{}  a.txt", a.to_uppercase()), Ok("a.txt"));
        check(&format!("\\{a}  a\\nb\\\\c\\r"), Ok("a\nb\\c\r"));
        check(&format!("{a}  a\\nb"), Ok("a\\nb"));
        check(&format!("SHA256 (a.txt) = {a}"), Ok("a.txt"));
        check(&format!("SHA512 (a) = b) = {a512}"), Ok("a) = b"));
        check(&format!("SHA2-256(a.txt)= {a}"), Ok("a.txt"));
        check(&format!("\\SHA256 (a\\nb) = {a}"), Ok("a\nb"));
        check(&format!("{a}\n"), Ok("-"));
        check(&format!("d41d8cd98f00b204e9800998ecf8427e  a.txt\n{a}  a.txt\n"), Ok("a.txt"));

        check("", Err("empty"));
        check("# nothing\n", Err("empty"));
        check(
            "d41d8cd98f00b204e9800998ecf8427e  a.txt\nMD5 (b) = d41d8cd98f00b204e9800998ecf8427e",
            Err("none of the 2"),
        );
        check("hello world", Err("line 1"));
        check(&format!("{a}  a.txt\nhello"), Err("line 2"));
        check(&format!("{a}\ta.txt"), Err("two spaces"));
        check(&format!("{a}  "), Err("name is empty"));
        check(&format!("{}  a.txt", &a[..63]), Err("expected a digest"));
        check(&format!("SHA256 (a.txt) = {a512}"), Err("wrong length"));
        check(&format!("\\{a}  a\\xb"), Err("escape"));
        check(&format!("{a}\n{a}  a.txt"), Err("stands alone"));
        check(&format!("{a}  a.txt\n{a}"), Err("stands alone"));
        check("{\"a\": 1}", Err("line 1"));
    }

    #[test]
    fn answers() {
        let of = |bytes: &[u8]| DigestSet::single(Digest::sha256(bytes));
        let (a, b) = (a256(), Digest::sha256(b"b").to_hex());
        let b512 = Digest::of(Algorithm::Sha512, b"b").to_hex();
        let text = format!(
            "{a}  dist/a.txt\n{b}  ./b.txt\n{b512}  only512\n{a}  twice\n{b}  twice\n{b}  both\n{b512}  both\n"
        );
        let list = list(&text).unwrap();
        let ask = |name: &str, bytes: &[u8]| list.ask(Some(name), &of(bytes));
        assert_eq!(ask("a.txt", b"a"), Listed::Same { line: 1 });
        assert_eq!(ask("downloads/a.txt", b"a"), Listed::Same { line: 1 });
        assert_eq!(ask("a.txt", b"b"), Listed::Different { line: 1, expected: Digest::sha256(b"a") });
        assert_eq!(ask("a.txt", b"c"), Listed::Different { line: 1, expected: Digest::sha256(b"a") });
        assert_eq!(ask("c.txt", b"a"), Listed::OtherName { line: 1, name: "dist/a.txt".into() });
        assert_eq!(ask("c.txt", b"c"), Listed::Absent);
        assert_eq!(ask("xa.txt", b"c"), Listed::Absent);
        assert_eq!(ask("twice", b"a"), Listed::Contradiction { lines: vec![4, 5] });
        assert_eq!(ask("only512", b"b"), Listed::NotComputed { line: 3, algorithm: Algorithm::Sha512 });
        // One matching digest does not outweigh one that differs.
        let mixed = of(b"b").with(Digest::of(Algorithm::Sha512, b"x"));
        assert_eq!(
            list.ask(Some("both"), &mixed),
            Listed::Different { line: 7, expected: Digest::of(Algorithm::Sha512, b"b") }
        );
        assert_eq!(list.ask(None, &of(b"b")), Listed::Same { line: 2 });
        assert_eq!(list.ask(None, &of(b"c")), Listed::Absent);
        assert_eq!(list.algorithms(), [Algorithm::Sha256, Algorithm::Sha512]);
    }

    #[test]
    fn a_digest_alone_speaks_of_any_name() {
        let list = list(&a256()).unwrap();
        let of = |bytes: &[u8]| DigestSet::single(Digest::sha256(bytes));
        assert_eq!(list.ask(Some("x"), &of(b"a")), Listed::Same { line: 1 });
        assert!(matches!(list.ask(Some("x"), &of(b"b")), Listed::Different { .. }));
    }

    #[test]
    fn bounds_hold() {
        let text = format!("{}  a.txt\n", a256()).repeat(3);
        for small in [
            SignatureLimits { list_bytes_max: text.len() - 1, ..LIMITS },
            SignatureLimits { list_lines_max: 2, ..LIMITS },
            SignatureLimits { line_bytes_max: 60, ..LIMITS },
        ] {
            assert!(matches!(
                ChecksumList::parse(text.as_bytes(), &small),
                Err(ChecksumsError::Limit { .. })
            ));
        }
    }

    #[test]
    fn coreutils_and_this_agree_where_they_are_installed() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["a.txt", "b c", "new\nline", "back\\slash", ") = x"];
        for name in names {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        for (tool, args) in [("sha256sum", &["-b"][..]), ("sha256sum", &["--tag"]), ("sha512sum", &["-t"])] {
            let made =
                std::process::Command::new(tool).args(args).args(names).current_dir(dir.path()).output();
            let Ok(made) = made.map(|o| o.stdout) else {
                eprintln!("skipped: no {tool} on this machine");
                continue;
            };
            let list = ChecksumList::parse(&made, &LIMITS).unwrap();
            assert_eq!(list.entries().len(), names.len());
            for name in names {
                let algorithm = list.algorithms().first().copied().unwrap();
                let digests = DigestSet::single(Digest::of(algorithm, name.as_bytes()));
                assert!(matches!(list.ask(Some(name), &digests), Listed::Same { .. }), "{tool} {name:?}");
            }
        }
    }
}
