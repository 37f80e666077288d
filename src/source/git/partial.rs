//! What of a commit's tree is not there yet.

use std::collections::BTreeSet;

use git2::{ObjectType, OdbLookupFlags, Oid};

use super::tree::entry;
use super::{Clone, Commit, GitSourceError};

/// What a store lacks of a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Absent {
    /// Whether a folder is missing, so that nobody knows what else is.
    pub(super) folders: bool,
    /// Names of files' objects, each once.
    pub(super) files: BTreeSet<String>,
}

impl Absent {
    pub(super) fn is_nothing(&self) -> bool {
        !self.folders && self.files.is_empty()
    }
}

impl Clone {
    /// Whether an object is there, by its name.
    pub(super) fn has(&self, id: &str) -> bool {
        Oid::from_str(id).is_ok_and(|id| self.odb().exists_ext(id, OdbLookupFlags::NO_REFRESH))
    }

    /// What is missing of a commit's tree. Names that lead elsewhere are [`Clone::listing`]'s affair.
    pub(super) fn absent(&self, commit: &Commit) -> Result<Absent, GitSourceError> {
        let limits = self.limits;
        let (mut found, mut seen, mut entries) = (Absent::default(), BTreeSet::new(), 0);
        let mut next = vec![(commit.tree, 0)];
        while let Some((id, depth)) = next.pop() {
            if !seen.insert(id) {
                continue;
            }
            let of = |limit, max| {
                let what = format!("the tree of {}", commit.id);
                GitSourceError::Limit { what, limit, max }
            };
            if depth > limits.depth_max {
                return Err(of("depth_max", limits.depth_max as u64));
            }
            let bytes = match self.read(id, limits.object_bytes_max) {
                Ok((ObjectType::Tree, bytes)) => bytes,
                Ok(_) => return Err(self.wrong(&id.to_string(), "expected a tree")),
                Err(GitSourceError::Missing { .. }) => {
                    found.folders = true;
                    continue;
                }
                Err(e) => return Err(e),
            };
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let cut = || self.wrong(&id.to_string(), "a line of the tree is cut short");
                let (mode, _, inner, tail) = entry(rest).ok_or_else(cut)?;
                rest = tail;
                entries += 1;
                if entries > limits.entries_max {
                    return Err(of("entries_max", limits.entries_max as u64));
                }
                match mode {
                    b"40000" | b"040000" => next.push((inner, depth + 1)),
                    b"160000" => {}
                    _ if self.odb().exists_ext(inner, OdbLookupFlags::NO_REFRESH) => {}
                    _ => {
                        found.files.insert(inner.to_string());
                    }
                }
            }
        }
        Ok(found)
    }
}
