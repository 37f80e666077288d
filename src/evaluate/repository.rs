//! Clones of repositories that the user gives: what a commit, a revision, a file says.
//!
//! Nothing here reaches a network: a repository that is given by its address is fetched by an audit, without
//! its history, and the checks here need that. A clone is believed as far as git's own hashes go: that it is the
//! project's, and whole, is its owner's word, and answers from it say so.

use std::collections::BTreeMap;
use std::path::PathBuf;

use git2::{Commit, DiffOptions, ObjectType, Oid, Repository, RepositoryOpenFlags, Sort, Tree};

use super::evidence::{RepositoryName, SourcePath};
use crate::limits::evaluate::SourceLimits;
use crate::source::git::Place;

/// Where repositories are, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repositories(BTreeMap<String, Place>);

/// What could not be seen in a clone, in one sentence; the code says which kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSeen {
    /// Kebab-case code.
    pub code: &'static str,
    /// One sentence.
    pub reason: String,
}

fn not_seen(code: &'static str, reason: impl Into<String>) -> NotSeen {
    NotSeen { code, reason: reason.into() }
}

impl Repositories {
    /// Adds a repository. A name may be an `https://` address: its host and `.git` are then left out, so that
    /// it is found under `owner/name`.
    pub fn insert(&mut self, name: &str, place: Place) {
        let bare = name.strip_prefix("https://").and_then(|r| r.split_once('/')).map_or(name, |(_, p)| p);
        self.0.insert(bare.trim_end_matches('/').trim_end_matches(".git").to_owned(), place);
    }

    /// Where a repository is, if that was given. Names are those of the projects, whatever the host.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.0.get(name)
    }

    /// The names that were given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Opens a clone.
    pub fn open(&self, name: &RepositoryName) -> Result<Clone, NotSeen> {
        let unreachable =
            |why: &str| not_seen("repository-not-reachable", format!("not reachable: {why} of {name}"));
        let path = match self.place(name.as_str()) {
            Some(Place::Folder(path)) => path,
            Some(Place::Address(_)) => {
                return Err(unreachable("this needs a clone with its history, and an address was given"));
            }
            None => return Err(unreachable("no clone was given")),
        };
        let none: [&std::ffi::OsStr; 0] = [];
        let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
        Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, none)
            .or_else(|_| Repository::open_ext(path, flags, none))
            .map(|inner| Clone { inner, name: name.to_string() })
            .map_err(|e| not_seen("repository-not-readable", format!("the clone of {name}: {}", e.message())))
    }
}

/// An open clone.
pub struct Clone {
    inner: Repository,
    name: String,
}

impl Clone {
    /// The commit that a tag, a whole commit name or `HEAD` stands for.
    pub fn commit(&self, revision: &str) -> Result<Commit<'_>, NotSeen> {
        let missing = || not_seen("revision-not-there", format!("{} has no `{revision}`", self.name));
        let object = match revision {
            "HEAD" => self.inner.head().and_then(|h| h.peel(ObjectType::Commit)),
            _ => match self.inner.find_reference(&format!("refs/tags/{revision}")) {
                Ok(tag) => tag.peel(ObjectType::Commit),
                Err(_) => Oid::from_str(revision)
                    .and_then(|id| self.inner.find_object(id, None))
                    .and_then(|o| o.peel(ObjectType::Commit)),
            },
        };
        object.map_err(|_| missing())?.into_commit().map_err(|_| missing())
    }

    /// Whether a commit is the other one or its ancestor.
    pub fn contains(&self, release: &Commit<'_>, commit: &str) -> Result<bool, NotSeen> {
        let id = Oid::from_str(commit).map_err(|e| self.broken(&e))?;
        // A commit that the clone does not have may lie outside of a shallow one.
        if self.inner.find_commit(id).is_err() {
            return Err(not_seen("commit-not-there", format!("{} has no commit {commit}", self.name)));
        }
        if release.id() == id {
            return Ok(true);
        }
        if self.inner.is_shallow() {
            return Err(not_seen("repository-shallow", format!("the clone of {} is shallow", self.name)));
        }
        self.inner.graph_descendant_of(release.id(), id).map_err(|e| self.broken(&e))
    }

    /// Files that a path names at a commit, in order: their bytes, none for one that is too large.
    pub fn files(
        &self,
        commit: &Commit<'_>,
        path: &SourcePath,
        limits: &SourceLimits,
    ) -> Result<Vec<(String, Option<Vec<u8>>)>, NotSeen> {
        let tree = commit.tree().map_err(|e| self.broken(&e))?;
        let mut found = Vec::new();
        let mut left = limits.kept_bytes_max;
        let plain = path.as_str().trim_end_matches('/');
        let Ok(entry) = tree.get_path(std::path::Path::new(plain)) else { return Ok(found) };
        match (entry.kind(), path.is_folder()) {
            (Some(ObjectType::Blob), false) => {
                found.push((plain.to_owned(), self.blob(entry.id(), limits, &mut left)?));
            }
            (Some(ObjectType::Tree), true) => {
                let folder = self.inner.find_tree(entry.id()).map_err(|e| self.broken(&e))?;
                self.walk(&folder, path.as_str(), limits, &mut left, &mut found, 0)?;
            }
            _ => {}
        }
        Ok(found)
    }

    fn walk(
        &self,
        folder: &Tree<'_>,
        prefix: &str,
        limits: &SourceLimits,
        left: &mut u64,
        found: &mut Vec<(String, Option<Vec<u8>>)>,
        depth: usize,
    ) -> Result<(), NotSeen> {
        // Deeper than any path that Linux can name.
        const DEPTH_MAX: usize = 200;
        for entry in folder {
            if found.len() as u64 >= limits.members_max || depth > DEPTH_MAX {
                return Err(not_seen("repository-limit", format!("{prefix} has too many files")));
            }
            let path = format!("{prefix}{}", String::from_utf8_lossy(entry.name_bytes()));
            match entry.kind() {
                Some(ObjectType::Blob) => found.push((path, self.blob(entry.id(), limits, left)?)),
                Some(ObjectType::Tree) => {
                    let inner = self.inner.find_tree(entry.id()).map_err(|e| self.broken(&e))?;
                    self.walk(&inner, &format!("{path}/"), limits, left, found, depth + 1)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn blob(&self, id: Oid, limits: &SourceLimits, left: &mut u64) -> Result<Option<Vec<u8>>, NotSeen> {
        let database = self.inner.odb().map_err(|e| self.broken(&e))?;
        let (len, _) = database.read_header(id).map_err(|e| self.broken(&e))?;
        if len as u64 > limits.file_bytes_max {
            return Ok(None);
        }
        *left = left.checked_sub(len as u64).ok_or_else(|| {
            not_seen("repository-limit", format!("more than {} bytes to read", limits.kept_bytes_max))
        })?;
        let blob = self.inner.find_blob(id).map_err(|e| self.broken(&e))?;
        Ok(Some(blob.content().to_vec()))
    }

    /// The commit in a release's history that makes the same change, by git's patch id.
    pub fn equivalent(
        &self,
        release: &Commit<'_>,
        commit: &str,
        limits: &SourceLimits,
    ) -> Result<Option<String>, NotSeen> {
        let id = Oid::from_str(commit).map_err(|e| self.broken(&e))?;
        let wanted = self
            .inner
            .find_commit(id)
            .map_err(|_| not_seen("commit-not-there", format!("{} has no commit {commit}", self.name)))?;
        let patch = self.patch_id(&wanted, None)?.ok_or_else(|| {
            not_seen("commit-without-change", format!("{commit} is a merge, or changes nothing"))
        })?;
        let paths = self.paths(&wanted)?;
        let mut walk = self.inner.revwalk().map_err(|e| self.broken(&e))?;
        walk.set_sorting(Sort::TIME).map_err(|e| self.broken(&e))?;
        walk.push(release.id()).map_err(|e| self.broken(&e))?;
        for (n, next) in walk.enumerate() {
            if n >= limits.commits_max {
                let reason = format!("not among the newest {} commits", limits.commits_max);
                return Err(not_seen("repository-limit", reason));
            }
            let candidate = next.and_then(|id| self.inner.find_commit(id)).map_err(|e| self.broken(&e))?;
            // A commit that leaves these paths alone makes another change; asking that is cheaper.
            if self.patch_id(&candidate, Some(&paths))? == Some(patch)
                && self.patch_id(&candidate, None)? == Some(patch)
            {
                return Ok(Some(candidate.id().to_string()));
            }
        }
        if self.inner.is_shallow() {
            return Err(not_seen("repository-shallow", format!("the clone of {} is shallow", self.name)));
        }
        Ok(None)
    }

    fn paths(&self, commit: &Commit<'_>) -> Result<Vec<PathBuf>, NotSeen> {
        let parent = commit.parent(0).and_then(|p| p.tree()).ok();
        let tree = commit.tree().map_err(|e| self.broken(&e))?;
        let diff =
            self.inner.diff_tree_to_tree(parent.as_ref(), Some(&tree), None).map_err(|e| self.broken(&e))?;
        let files = diff.deltas().flat_map(|d| [d.old_file().path(), d.new_file().path()]);
        Ok(files.flatten().map(std::path::Path::to_path_buf).collect())
    }

    fn patch_id(&self, commit: &Commit<'_>, paths: Option<&[PathBuf]>) -> Result<Option<Oid>, NotSeen> {
        if commit.parent_count() > 1 {
            return Ok(None);
        }
        let parent = commit.parent(0).and_then(|p| p.tree()).ok();
        let tree = commit.tree().map_err(|e| self.broken(&e))?;
        let mut options = DiffOptions::new();
        options.disable_pathspec_match(true);
        for path in paths.unwrap_or_default() {
            options.pathspec(path);
        }
        let diff = self
            .inner
            .diff_tree_to_tree(parent.as_ref(), Some(&tree), Some(&mut options))
            .map_err(|e| self.broken(&e))?;
        if diff.deltas().len() == 0 {
            return Ok(None);
        }
        diff.patchid(None).map(Some).map_err(|e| self.broken(&e))
    }

    fn broken(&self, e: &git2::Error) -> NotSeen {
        not_seen("repository-not-readable", format!("the clone of {}: {}", self.name, e.message()))
    }
}
