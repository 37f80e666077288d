//! Which sums a tree's build can ask for: those of its module, and those of each member of its workspace.
//!
//! The go command reads `go.work` where it is there, and then the `go.sum` of every module that it uses beside
//! `go.work.sum` (`go help work`, and the reference's chapter on workspaces).

use super::GoEnvironmentError;
use crate::limits::go::GoLimits;
use crate::source::go::{GoSum, work};

/// Members of a workspace that are looked into. Kubernetes has some 30.
const MEMBERS_MAX: usize = 1_000;

/// Reads a tree's sums; `file` gives a file's bytes, or none where there is none.
pub(super) fn sums_of(
    sums: &mut GoSum,
    file: &dyn Fn(&str) -> Result<Option<Vec<u8>>, GoEnvironmentError>,
    limits: &GoLimits,
) -> Result<(), GoEnvironmentError> {
    let mut names = vec!["go.sum".to_owned(), "go.work.sum".to_owned()];
    if let Some(text) = file("go.work")? {
        names.extend(
            members(&text, limits.sum_lines_max)
                .into_iter()
                .take(MEMBERS_MAX)
                .map(|folder| format!("{folder}/go.sum")),
        );
    }
    for name in names {
        if let Some(text) = file(&name)? {
            sums.read(&name, &text, limits.sum_lines_max)?;
        }
    }
    Ok(())
}

/// Folders that a `go.work` uses, below its own; the top itself and what lies outside are left out. The go
/// command reads none of a file that cannot be read here.
fn members(text: &[u8], lines_max: usize) -> Vec<String> {
    work::members(text, lines_max).unwrap_or_default().iter().filter_map(|path| below(path)).collect()
}

/// The module that a `go.mod` is of.
pub(super) fn module_of(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().find_map(|line| {
        let mut words = words(line);
        (words.next() == Some("module")).then(|| words.next().map(str::to_owned)).flatten()
    })
}

/// Words of a line, without its comment and without quotes.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let line = line.split("//").next().unwrap_or_default();
    line.split_whitespace().map(|word| word.trim_matches(['"', '`']))
}

fn below(path: &str) -> Option<String> {
    let path = path.trim_start_matches("./").trim_end_matches('/');
    crate::component::domain::is_below(path).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn members_lie_below_the_workspace() {
        let text = b"go 1.25\n\nuse . // the top\nuse \"./quoted\"\nuse (\n\t./a\n\t./b/c/ // more\n\t../outside\n\t/etc\n\t.\n)\nreplace x => ./y\n";
        assert_eq!(members(text, 100), ["quoted", "a", "b/c"]);
        assert_eq!(members(b"\xff(use\n)", 100), Vec::<String>::new());
    }

    #[test]
    fn a_module_says_its_path() {
        for (text, expected) in [
            ("// c\nmodule example.org/m // x\n\ngo 1.25\n", Some("example.org/m")),
            ("module \"example.org/m\"\n", Some("example.org/m")),
            ("modules x\n", None),
            ("", None),
        ] {
            assert_eq!(module_of(text.as_bytes()).as_deref(), expected);
        }
    }

    #[test]
    fn every_member_s_sums_are_read_once_and_two_for_one_thing_are_refused() {
        let sum = |n: u8| {
            format!("h1:{}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [n; 32]))
        };
        let read = |inner: u8| {
            let file = |path: &str| {
                Ok(match path {
                    "go.sum" => Some(format!("m v1.0.0 {}\n", sum(1)).into_bytes()),
                    "go.work" => Some(b"use (\n.\n./a\n./absent\n)\n".to_vec()),
                    "a/go.sum" => Some(format!("m v1.0.0 {}\nn v1.0.0 {0}\n", sum(inner)).into_bytes()),
                    "go.work.sum" => Some(format!("o v1.0.0 {}\n", sum(1)).into_bytes()),
                    _ => None,
                })
            };
            let mut sums = GoSum::default();
            sums_of(&mut sums, &file, &GoLimits::DEFAULT).map(|()| sums.modules.len())
        };
        assert_eq!(read(1).unwrap(), 3);
        read(2).unwrap_err();
    }
}
