//! What is done to a copy of the source before `go build` sees it, in a sandbox of its own.
//!
//! Its root file system is Debian's, laid out anew from its top folders so that the source can lie where
//! the recipe says. The copy is the only folder on disk that may be written to; the source and what is put
//! below it are shown read-only beside. What comes out is hostile: nothing of it is read on this side, and
//! the next sandbox shows it read-only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{absolute, empty_root};
use crate::component::{GoRecipe, Prepare};
use crate::limits::rebuild::RebuildLimits;
use crate::rebuild::folder::{create, readable};
use crate::rebuild::sandbox::{Mount, Network, Output, Spec};
use crate::rebuild::steps::Steps;
use crate::rebuild::varied::Variation;
use crate::rebuild::{Outcome, RebuildError};

/// Where source and inputs are seen.
const SOURCE: &str = "/mnt/source";
const INPUTS: &str = "/mnt/inputs";

/// With what a source is prepared.
#[derive(Debug, Clone, Copy)]
pub struct Preparation<'a> {
    /// The root file system made from the lock's packages; only read.
    pub root: &'a Path,
    /// Folders that are copied below the source, each with its place there.
    pub inputs: &'a [(String, PathBuf)],
}

/// The environment of a preparation's commands.
pub fn preparation_environment(prepare: &Prepare) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> =
        [("HOME", "/nonexistent"), ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
    env.extend(prepare.env.clone());
    env
}

/// A preparation on its way.
pub(super) struct Work<'a> {
    prepare: &'a Prepare,
    path: &'a str,
    inputs: &'a [(String, PathBuf)],
    /// The copy on the host.
    pub(super) folder: PathBuf,
    pub(super) spec: Spec,
}

impl<'a> Work<'a> {
    /// Lays out the root file system and an empty folder for the copy.
    pub(super) fn begin(
        recipe: &'a GoRecipe,
        prepare: &'a Prepare,
        given: Preparation<'a>,
        source: &Path,
        variation: &Variation,
        work_dir: &Path,
        limits: &RebuildLimits,
    ) -> Result<Self, RebuildError> {
        let folder = absolute(&work_dir.join("prepared"))?;
        let mut shown = vec![Mount { source: absolute(source)?, target: SOURCE.into() }];
        for (n, (_, folder)) in given.inputs.iter().enumerate() {
            shown.push(Mount { source: absolute(folder)?, target: format!("{INPUTS}/{n}").into() });
        }
        let targets = shown.iter().map(|m| m.target.as_path()).chain([Path::new(&recipe.path)]);
        let root = empty_root(&work_dir.join("prepare-root"), targets)?;
        shown.extend(top_folders(given.root, &root)?);
        let spec = Spec {
            root,
            writable: vec![Mount { source: folder.clone(), target: recipe.path.clone().into() }],
            read_only: shown,
            env: preparation_environment(prepare),
            host_name: variation.host_name.clone(),
            uid: 1000,
            gid: 1000,
            work_dir: recipe.path.clone().into(),
            network: Network::None,
            output: Output::Merged,
            cpus_max: variation.cpus_max,
            limits: limits.sandbox,
        };
        let work = Self { prepare, path: &recipe.path, inputs: given.inputs, folder, spec };
        work.clear()?;
        create(&work.folder)?;
        Ok(work)
    }

    /// Copies, and runs the commands. The end of the first that does not succeed is the end of all.
    pub(super) fn run(&self, steps: &mut Steps<'_>) -> Result<Option<Outcome>, RebuildError> {
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        let argv = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        all.push(("copy the source".to_owned(), argv(&["cp", "-r", &format!("{SOURCE}/."), self.path])));
        for (n, (place, _)) in self.inputs.iter().enumerate() {
            let to = format!("{}/{place}", self.path);
            all.push((format!("make `{place}`"), argv(&["mkdir", "-p", &to])));
            all.push((format!("copy `{place}`"), argv(&["cp", "-r", &format!("{INPUTS}/{n}/."), &to])));
        }
        for (n, command) in self.prepare.commands.iter().enumerate() {
            all.push((format!("prepare {}", n + 1), command.clone()));
        }
        for (name, argv) in all {
            if let Some(end) = steps.step(&name, argv)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Removes the copy.
    pub(super) fn clear(&self) -> Result<(), RebuildError> {
        crate::rebuild::folder::clear_at(&self.folder, self.path, &self.spec)
    }
}

/// Lays the top of a root file system out below `root`, whose own folders stay: links as links, empty
/// folders as such, all others as mounts.
fn top_folders(debian: &Path, root: &Path) -> Result<Vec<Mount>, RebuildError> {
    let read = |path: &Path| -> Result<Vec<fs::DirEntry>, RebuildError> {
        let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        entries.map_err(RebuildError::disk("list", path))
    };
    let mut mounts = Vec::new();
    let mut entries = read(debian)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (from, to) = (entry.path(), root.join(entry.file_name()));
        if to.symlink_metadata().is_ok() {
            continue;
        }
        let kind = entry.file_type().map_err(RebuildError::disk("look at", &from))?;
        if kind.is_symlink() {
            let target = fs::read_link(&from).map_err(RebuildError::disk("read the link", &from))?;
            std::os::unix::fs::symlink(target, &to).map_err(RebuildError::disk("make the link", &to))?;
        } else if kind.is_dir() {
            fs::create_dir(&to).map_err(RebuildError::disk("create", &to))?;
            readable(&to, 0o755)?;
            if !read(&from)?.is_empty() {
                let target = Path::new("/").join(entry.file_name());
                mounts.push(Mount { source: absolute(&from)?, target });
            }
        }
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_top_of_a_root_is_laid_out_and_nothing_of_ours_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let (debian, root) = (folder.path().join("debian"), folder.path().join("root"));
        for name in ["usr/bin", "etc", "proc/1", "mnt/theirs", "srv"] {
            fs::create_dir_all(debian.join(name)).unwrap();
        }
        fs::write(debian.join("etc/passwd"), "x").unwrap();
        fs::write(debian.join("file"), "x").unwrap();
        std::os::unix::fs::symlink("usr/bin", debian.join("bin")).unwrap();
        let targets = ["/app", "/mnt/source"].map(Path::new);
        let root = empty_root(&root, targets.into_iter()).unwrap();
        let mounts = top_folders(&debian, &root).unwrap();
        let targets: Vec<&Path> = mounts.iter().map(|m| m.target.as_path()).collect();
        assert_eq!(targets, [Path::new("/etc"), Path::new("/usr")]);
        assert_eq!(fs::read_link(root.join("bin")).unwrap(), Path::new("usr/bin"));
        assert!(root.join("srv").is_dir() && root.join("app").is_dir() && root.join("mnt/source").is_dir());
        assert!(!root.join("mnt/theirs").exists() && !root.join("file").exists());
    }
}
