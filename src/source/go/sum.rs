//! `h1:` sums (`golang.org/x/mod/sumdb/dirhash`) and `go.sum` files.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{GoSourceError, ModuleVersion};
use crate::digest::{Algorithm, Hasher};

/// An `h1:` sum: SHA-256 over the sorted list of a module's files with their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModSum(String);

impl ModSum {
    /// Over names and their SHA-256 in hexadecimal, in any order.
    pub fn of(files: &mut [(String, String)]) -> Self {
        files.sort();
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for (name, hex) in files {
            hasher.update(format!("{hex}  {name}\n").as_bytes());
        }
        Self(format!("h1:{}", STANDARD.encode(hasher.finish().as_bytes())))
    }

    /// The text, `h1:` and base64.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ModSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ModSum {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let body = text.strip_prefix("h1:").and_then(|b| STANDARD.decode(b).ok());
        match body {
            Some(bytes) if bytes.len() == 32 && format!("h1:{}", STANDARD.encode(&bytes)) == text => {
                Ok(Self(text))
            }
            _ => Err(format!("`{}` is not an `h1:` sum", text.chars().take(80).collect::<String>())),
        }
    }
}

impl From<ModSum> for String {
    fn from(sum: ModSum) -> Self {
        sum.0
    }
}

/// The sum of a `go.mod` alone.
pub fn h1_of_mod(text: &[u8]) -> ModSum {
    let hex = crate::digest::Digest::sha256(text).to_hex();
    ModSum::of(&mut [("go.mod".to_owned(), hex)])
}

/// A `go.sum`: for each module version the sum of its zip, of its `go.mod`, or of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoSum {
    /// By module version.
    pub modules: BTreeMap<ModuleVersion, (Option<ModSum>, Option<ModSum>)>,
}

impl GoSum {
    /// Reads and adds the lines of a file. Sums of other kinds than `h1:` are skipped, as the go command
    /// does; two different sums for one thing are refused.
    pub fn read(&mut self, file: &str, text: &[u8], lines_max: usize) -> Result<(), GoSourceError> {
        let wrong = |line: usize, detail: &str| GoSourceError::Sums {
            file: file.to_owned(),
            line: line + 1,
            detail: detail.to_owned(),
        };
        let text = std::str::from_utf8(text).map_err(|_| wrong(0, "it is not UTF-8"))?;
        for (number, line) in text.lines().enumerate() {
            if number >= lines_max {
                return Err(wrong(number, "there are too many lines"));
            }
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (path, version, sum) = match fields.as_slice() {
                [] => continue,
                [path, version, sum] => (*path, *version, *sum),
                _ => return Err(wrong(number, "expected a path, a version and a sum")),
            };
            if !sum.starts_with("h1:") {
                continue;
            }
            let sum = ModSum::try_from(sum.to_owned()).map_err(|e| wrong(number, &e))?;
            let (version, only_mod) = match version.strip_suffix("/go.mod") {
                Some(version) => (version, true),
                None => (version, false),
            };
            let module = ModuleVersion::new(path, version)
                .ok_or_else(|| wrong(number, "expected a module's path and version"))?;
            let entry = self.modules.entry(module).or_default();
            let slot = if only_mod { &mut entry.1 } else { &mut entry.0 };
            match slot {
                Some(known) if *known != sum => return Err(wrong(number, "another sum was given before")),
                slot => *slot = Some(sum),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sum_is_that_of_the_go_command() {
        // `golang.org/x/mod/sumdb/dirhash`: two files, listed by SHA-256 and name.
        let hex = |text: &str| crate::digest::Digest::sha256(text.as_bytes()).to_hex();
        let mut files =
            vec![("xyz@v1/b".to_owned(), hex("data for b")), ("xyz@v1/a".to_owned(), hex("data for a"))];
        let list = format!("{}  xyz@v1/a\n{}  xyz@v1/b\n", hex("data for a"), hex("data for b"));
        let expected = STANDARD.encode(crate::digest::Digest::sha256(list.as_bytes()).as_bytes());
        assert_eq!(ModSum::of(&mut files).as_str(), format!("h1:{expected}"));
        // As the public go.sum of any user of that module has it.
        let text = "module golang.org/x/xerrors\n\ngo 1.11\n";
        assert_eq!(h1_of_mod(text.as_bytes()).as_str(), "h1:I/5z698sn9Ka8TeJc9MKroUUfqBBauWjQqLJ2OPfmY0=");
    }

    #[test]
    fn lines_of_a_go_sum_are_read_or_refused() {
        let good = "h1:I/5z698sn9Ka8TeJc9MKroUUfqBBauWjQqLJ2OPfmY0=";
        let other = "h1:7kIg7aG2++vhheW5YCzut1q1AjehYVQU752NcMuGVsw=";
        let read = |text: &str| {
            let mut sum = GoSum::default();
            sum.read("go.sum", text.as_bytes(), 5).map(|()| sum)
        };
        let sum = read(&format!("a.org/b v1.0.0 {good}\na.org/b v1.0.0/go.mod {other}\n\nc v1.0.0 h2:x\n"));
        let (zip, only_mod) = sum.unwrap().modules.into_values().next().unwrap();
        assert_eq!((zip.unwrap().as_str(), only_mod.unwrap().as_str()), (good, other));
        for bad in [
            format!("a v1.0.0 {good}\na v1.0.0 {other}\n"),
            "a v1.0.0 h1:short\n".to_owned(),
            "a v1.0.0\n".to_owned(),
            format!("../a v1.0.0 {good}\n"),
            format!("a v1.0.0/../x {good}\n"),
            "\n\n\n\n\n\n".to_owned(),
        ] {
            assert!(matches!(read(&bad), Err(GoSourceError::Sums { .. })), "{bad:?}");
        }
    }
}
