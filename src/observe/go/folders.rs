//! Folders of the machine that built a Go binary, as its line tables have them.
//!
//! Without `-trimpath` the linker keeps the whole path of every source file, each ended by a zero byte
//! (`cmd/link`, the file table of `runtime.pclntab`). Build information does not hold these folders, and
//! the bytes of a binary depend on them. The file is searched as it lies, whatever its format.

use std::collections::BTreeSet;
use std::io::Read;

use super::GoBuildInfo;
use crate::limits::observe::ObserveLimits;
use crate::observe::ObserveError;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
/// A longer path is none: Linux' `PATH_MAX`.
const PATH_BYTES_MAX: usize = 4096;
/// How the path of a source file ends in the table.
const END: &[u8] = b".go\0";
/// A file that every Go program holds.
const RUNTIME: &str = "/src/runtime/proc.go";
/// Modules below `GOPATH`.
const MODULES: &str = "/pkg/mod/";

/// Folders of a build; each is none where the binary does not tell it, or tells several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoFolders {
    /// The main module's.
    pub source: Option<String>,
    /// `GOPATH`.
    pub gopath: Option<String>,
    /// `GOROOT`.
    pub goroot: Option<String>,
}

/// Looks for the folders; `info` says which package is the main one.
pub fn folders(
    mut file: impl Read,
    info: &GoBuildInfo,
    limits: &ObserveLimits,
) -> Result<GoFolders, ObserveError> {
    let mut found = Found::default();
    let mut window: Vec<u8> = Vec::new();
    loop {
        let before = window.len();
        let taken = file.by_ref().take(CHUNK as u64).read_to_end(&mut window).map_err(ObserveError::Read)?;
        if taken == 0 {
            break;
        }
        // An end that crosses the border of two chunks is seen with the second one.
        let from = before.saturating_sub(END.len() - 1);
        for at in memchr::memmem::find_iter(window.get(from..).unwrap_or_default(), END) {
            let end = from + at + END.len() - 1;
            found.note(window.get(..end).unwrap_or_default(), limits);
        }
        let keep = window.len().saturating_sub(PATH_BYTES_MAX);
        window.drain(..keep);
    }
    Ok(found.folders(info))
}

/// Paths of source files, sorted by whose they are.
#[derive(Default)]
struct Found {
    goroots: BTreeSet<String>,
    gopaths: BTreeSet<String>,
    others: BTreeSet<String>,
    too_many: bool,
}

impl Found {
    /// Takes the path that ends here, where it is an absolute one.
    fn note(&mut self, window: &[u8], limits: &ObserveLimits) {
        let start = memchr::memrchr(0, window).map_or(0, |at| at + 1);
        let Some(path) = window.get(start..).and_then(|bytes| std::str::from_utf8(bytes).ok()) else {
            return;
        };
        if !path.starts_with('/') || path.len() > PATH_BYTES_MAX || path.chars().any(char::is_control) {
            return;
        }
        if let Some(goroot) = path.strip_suffix(RUNTIME) {
            self.goroots.insert(goroot.to_owned());
        }
        match path.split_once(MODULES) {
            Some((gopath, module)) if module.contains('@') => {
                self.gopaths.insert(gopath.to_owned());
            }
            _ => {
                self.others.insert(path.to_owned());
            }
        }
        if self.others.len() + self.gopaths.len() + self.goroots.len() > limits.go_files_max {
            self.too_many = true;
            self.others.clear();
        }
    }

    fn folders(self, info: &GoBuildInfo) -> GoFolders {
        let one = |set: &BTreeSet<String>| set.first().filter(|_| set.len() == 1).cloned();
        let goroot = one(&self.goroots);
        let below = |path: &str| {
            goroot.as_ref().is_some_and(|g| path.strip_prefix(g.as_str()).is_some_and(|r| r.starts_with('/')))
        };
        let own: Vec<&str> = self.others.iter().map(String::as_str).filter(|p| !below(p)).collect();
        let source = if self.too_many { None } else { source(&own, info) };
        GoFolders { source, gopath: one(&self.gopaths), goroot }
    }
}

/// The folder of the main module: what stands before the main package's own folder.
fn source(paths: &[&str], info: &GoBuildInfo) -> Option<String> {
    let module = &info.main.as_ref()?.path;
    let package = info.package.strip_prefix(module.as_str())?;
    let folders: BTreeSet<&str> = paths.iter().filter_map(|p| Some(p.rsplit_once('/')?.0)).collect();
    let mut before: BTreeSet<&str> = folders.iter().filter_map(|f| f.strip_suffix(package)).collect();
    if package.is_empty() {
        // Every folder fits: it is the one that holds all others.
        before.retain(|top| {
            folders.iter().all(|f| f.strip_prefix(top).is_some_and(|r| r.is_empty() || r.starts_with('/')))
        });
    }
    before.first().filter(|_| before.len() == 1).map(|top| (*top).to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn look(package: &str, paths: &[&str], limits: &ObserveLimits) -> GoFolders {
        let text = format!("path\t{package}\nmod\texample.org/m\t(devel)\t\n");
        let info = GoBuildInfo::parse("go1.25.5", &text, limits).unwrap();
        let mut bytes = vec![1, 255, 0];
        for path in paths {
            bytes.extend(path.as_bytes());
            bytes.push(0);
        }
        folders(bytes.as_slice(), &info, limits).unwrap()
    }

    #[test]
    fn folders_are_told_by_the_paths_of_source_files() {
        let all = [
            "/go/pkg/mod/example.org/dep@v1.0.0/dep.go",
            "/usr/local/go/src/runtime/proc.go",
            "/usr/local/go/src/fmt/print.go",
            "/app/main.go",
            "/app/version/version.go",
            "/app/cmd/x/x.go",
        ];
        let some = |source: &str| GoFolders {
            source: Some(source.to_owned()),
            gopath: Some("/go".to_owned()),
            goroot: Some("/usr/local/go".to_owned()),
        };
        assert_eq!(look("example.org/m", &all, &ObserveLimits::DEFAULT), some("/app"));
        assert_eq!(look("example.org/m/cmd/x", &all, &ObserveLimits::DEFAULT), some("/app"));
        let padding = "x".repeat(CHUNK - 20);
        let far: Vec<&str> = std::iter::once(padding.as_str()).chain(all).collect();
        assert_eq!(look("example.org/m", &far, &ObserveLimits::DEFAULT), some("/app"), "across chunks");
    }

    #[test]
    fn what_is_not_told_or_told_twice_is_none() {
        let trimmed = ["example.org/m/main.go", "runtime/proc.go", "example.org/dep@v1.0.0/dep.go"];
        assert_eq!(look("example.org/m", &trimmed, &ObserveLimits::DEFAULT), GoFolders::default());
        let two = ["/a/cmd/x/x.go", "/b/cmd/x/x.go", "/r1/src/runtime/proc.go", "/r2/src/runtime/proc.go"];
        assert_eq!(look("example.org/m/cmd/x", &two, &ObserveLimits::DEFAULT), GoFolders::default());
        assert_eq!(look("command-line-arguments", &["/a/x.go"], &ObserveLimits::DEFAULT).source, None);
        let few = ObserveLimits { go_files_max: 1, ..ObserveLimits::DEFAULT };
        assert_eq!(look("example.org/m", &["/a/x.go", "/a/y.go"], &few).source, None);
    }
}
