//! Whether what was packed is what the authors' tree holds.
//!
//! The attack on xz lay in a file that its release archive had and its repository did not. Each packer
//! may leave out, add and rewrite a few files of its own, by rules that are known; what those do not
//! explain is drift.
//!
//! | packed as | left out | added or rewritten |
//! |---|---|---|
//! | Go module | links, submodules, vendored packages, folders with a `go.mod` of their own | `LICENSE` of the top, in a module of a folder |
//! | source distribution | anything: its authors choose | `PKG-INFO`, `*.egg-info/`, `setup.cfg` with egg_info's own section, a file that the tree's `pyproject.toml` has made from the tag, if it tells a version and nothing else |
//! | crate | anything: `include`, `exclude` | `Cargo.toml` beside the authors' as `Cargo.toml.orig`, `Cargo.lock`, `.cargo_vcs_info.json` |
//! | archive | anything: `export-ignore` | nothing |

use std::collections::BTreeSet;

use super::packaged::Twin;
use super::version_file::{PROJECT_BYTES_MAX, declared, is_written, may_be};
use super::{Clone, Entry, GitSourceError, Kind, Listing, Packaged, Packaging};

/// How one file drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// What was packed has it, and the tree does not.
    Added,
    /// Both have it, with other bytes.
    Changed,
    /// The same but for carriage returns.
    LineEnds,
    /// The tree has it, and what was packed does not.
    Missing,
}

/// One file that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drifted {
    /// How.
    pub way: Way,
    /// Its path, as in the tree.
    pub path: String,
    /// The packer's rule that explains it; none for drift.
    pub rule: Option<&'static str>,
}

/// What was packed beside the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Files that are the same in both.
    pub same: usize,
    /// All others, in order.
    pub files: Vec<Drifted>,
    /// Submodules of the tree; nothing is known of what is in them.
    pub submodules: Vec<String>,
}

impl Way {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Added => "not in the tagged tree",
            Self::Changed => "other bytes than in the tagged tree",
            Self::LineEnds => "other line ends than in the tagged tree",
            Self::Missing => "only in the tagged tree",
        }
    }
}

impl Drift {
    /// What no rule explains.
    pub fn unexplained(&self) -> impl Iterator<Item = &Drifted> {
        self.files.iter().filter(|file| file.rule.is_none())
    }

    /// How many files the packer's rules explain.
    pub fn explained(&self) -> usize {
        self.files.iter().filter(|file| file.rule.is_some()).count()
    }
}

/// Compares what was packed with the tree of a commit, or with a folder of it (with its slash at the end;
/// empty for the top).
///
/// # Errors
///
/// Where an object of the clone is missing or damaged.
pub fn drift(
    packed: &Packaged,
    clone: &Clone,
    listing: &Listing,
    folder: &str,
) -> Result<Drift, GitSourceError> {
    let rules = Rules::new(packed, clone, listing, folder);
    let (mut same, mut files, mut submodules) = (0, Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for (path, entry) in &listing.entries {
        let Some(below) = path.strip_prefix(folder) else { continue };
        if entry.kind == Kind::Submodule {
            submodules.push(path.clone());
        }
        let Some(theirs) = packed.files.get(below) else {
            files.push(Drifted { way: Way::Missing, path: path.clone(), rule: rules.missing(below, entry) });
            continue;
        };
        seen.insert(below);
        let ours = match entry.kind {
            // A file where the tree has another repository is somebody else's.
            Kind::Submodule => None,
            kind => Some(Twin::of(&clone.content(entry)?, kind == Kind::Link)),
        };
        match ours {
            Some(ours) if ours == *theirs => same += 1,
            ours => {
                let ends = ours.is_some_and(|o| o.plain == theirs.plain && o.link == theirs.link);
                let way = if ends { Way::LineEnds } else { Way::Changed };
                files.push(Drifted { way, path: path.clone(), rule: rules.changed(below, entry)? });
            }
        }
    }
    for below in packed.files.keys().filter(|below| !seen.contains(below.as_str())) {
        let path = format!("{folder}{below}");
        files.push(Drifted { way: Way::Added, rule: rules.added(below)?, path });
    }
    files.sort();
    Ok(Drift { same, files, submodules })
}

struct Rules<'a> {
    packed: &'a Packaged,
    clone: &'a Clone,
    listing: &'a Listing,
    folder: &'a str,
    /// Folders of modules of their own, with their slash.
    modules: BTreeSet<String>,
}

impl<'a> Rules<'a> {
    fn new(packed: &'a Packaged, clone: &'a Clone, listing: &'a Listing, folder: &'a str) -> Self {
        let nested = |path: &String| {
            let below = path.strip_prefix(folder)?.strip_suffix("go.mod")?;
            below.ends_with('/').then(|| below.to_owned())
        };
        let modules = listing.entries.keys().filter_map(nested).collect();
        Self { packed, clone, listing, folder, modules }
    }

    fn missing(&self, below: &str, entry: &Entry) -> Option<&'static str> {
        match self.packed.packaging {
            Packaging::Module(_) if matches!(entry.kind, Kind::Link | Kind::Submodule) => {
                Some("a module holds regular files only")
            }
            Packaging::Module(_) if self.in_module(below) => Some("it belongs to a module of its own"),
            // `vendor/modules.txt` itself is kept up to Go 1.23 and left out from 1.24 on.
            Packaging::Module(_) if below.starts_with("vendor/") || below.contains("/vendor/") => {
                Some("a module holds no vendored packages")
            }
            Packaging::Module(_) => None,
            Packaging::Sdist | Packaging::Crate => Some("the authors choose what they pack"),
            Packaging::Archive => Some("`export-ignore` leaves files out"),
        }
    }

    fn in_module(&self, below: &str) -> bool {
        let mut folders = below.match_indices('/').filter_map(|(at, _)| below.get(..=at));
        folders.any(|folder| self.modules.contains(folder))
    }

    fn changed(&self, below: &str, entry: &Entry) -> Result<Option<&'static str>, GitSourceError> {
        Ok(match (&self.packed.packaging, below) {
            (Packaging::Crate, "Cargo.toml") => {
                let (ours, theirs) =
                    (Twin::of(&self.clone.content(entry)?, false), self.packed.files.get("Cargo.toml.orig"));
                (theirs == Some(&ours)).then_some("cargo rewrites it, and the authors' lies beside it")
            }
            (Packaging::Crate, "Cargo.lock") => Some("cargo writes it"),
            (Packaging::Sdist, "PKG-INFO") => Some("the packer writes it"),
            (Packaging::Sdist, path) if in_egg_info(path) => Some("setuptools writes it"),
            (Packaging::Sdist, "setup.cfg") if entry.kind != Kind::Submodule => {
                let ours = String::from_utf8_lossy(&self.clone.content(entry)?).into_owned();
                let added = self.packed.texts.get(below).and_then(|text| text.strip_prefix(ours.trim_end()));
                added.is_some_and(is_egg_info).then_some("setuptools adds `[egg_info]` to it")
            }
            _ => None,
        })
    }

    /// Files that the tree's own configuration has the packer write.
    fn declared(&self) -> Result<Vec<String>, GitSourceError> {
        let path = format!("{}pyproject.toml", self.folder);
        let entry = self.listing.entries.get(&path).filter(|e| matches!(e.kind, Kind::File | Kind::Program));
        let Some(entry) = entry.filter(|e| e.len_bytes <= PROJECT_BYTES_MAX as u64) else {
            return Ok(Vec::new());
        };
        Ok(declared(&String::from_utf8_lossy(&self.clone.content(entry)?)))
    }

    fn added(&self, below: &str) -> Result<Option<&'static str>, GitSourceError> {
        Ok(match (&self.packed.packaging, below) {
            (Packaging::Module(_), "LICENSE") if !self.folder.is_empty() => {
                let top = self.listing.entries.get("LICENSE").filter(|e| e.kind != Kind::Submodule);
                let ours = top.map(|entry| self.clone.content(entry)).transpose()?;
                let same = ours.map(|bytes| Twin::of(&bytes, false));
                (same.as_ref() == self.packed.files.get(below)).then_some("a module gets the top's licence")
            }
            (Packaging::Sdist, "PKG-INFO") => Some("the packer writes it"),
            (Packaging::Sdist, "setup.cfg") => {
                self.packed.texts.get(below).is_some_and(|t| is_egg_info(t)).then_some("setuptools writes it")
            }
            (Packaging::Sdist, path) if in_egg_info(path) => Some("setuptools writes it"),
            (Packaging::Sdist, path) if may_be(path) => {
                let text = self.packed.texts.get(path);
                let written =
                    text.is_some_and(|text| is_written(text)) && self.declared()?.iter().any(|d| d == path);
                written.then_some("the packer writes the tag's version into it, as `pyproject.toml` says")
            }
            (Packaging::Crate, "Cargo.toml.orig") => {
                let top = self.listing.entries.get(&format!("{}Cargo.toml", self.folder));
                let ours = top.map(|entry| self.clone.content(entry)).transpose()?;
                let same = ours.map(|bytes| Twin::of(&bytes, false));
                (same.as_ref() == self.packed.files.get(below)).then_some("the authors' `Cargo.toml`")
            }
            (Packaging::Crate, "Cargo.lock") => Some("cargo writes it"),
            (Packaging::Crate, ".cargo_vcs_info.json") => {
                let text = self.packed.texts.get(below);
                let commit = &self.listing.commit.id;
                text.is_some_and(|t| t.contains(commit.as_str())).then_some("cargo notes this commit")
            }
            _ => None,
        })
    }
}

/// A file below `NAME.egg-info/`, of the names that setuptools writes there.
fn in_egg_info(path: &str) -> bool {
    const WRITTEN: [&str; 8] = [
        "PKG-INFO",
        "SOURCES.txt",
        "dependency_links.txt",
        "entry_points.txt",
        "not-zip-safe",
        "requires.txt",
        "top_level.txt",
        "zip-safe",
    ];
    path.rsplit_once('/')
        .is_some_and(|(folder, name)| folder.ends_with(".egg-info") && WRITTEN.contains(&name))
}

/// Exactly the section that setuptools' `sdist` writes into `setup.cfg`.
fn is_egg_info(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines == ["[egg_info]", "tag_build =", "tag_date = 0"]
}
