//! Objects and tags of a clone.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Odb, Oid};
use jiff::Timestamp;

use super::GitSourceError;
use crate::limits::git::GitLimits;
use crate::verify::git::ObjectKind;

/// Bytes of a file that names one thing: a ref, a folder.
const NAME_BYTES_MAX: u64 = 4 << 10;

/// A clone.
pub struct Clone {
    folder: PathBuf,
    /// Where refs and objects lie; of a linked work tree that is the main one's.
    common: PathBuf,
    odb: Odb<'static>,
    pub(super) limits: GitLimits,
}

/// A commit as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its name, 40 hexadecimal digits.
    pub id: String,
    /// Its committer's time.
    pub time: Timestamp,
    pub(super) tree: Oid,
    parents: Vec<Oid>,
}

/// A tag or commit object as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Its name.
    pub id: String,
    /// Which of the two.
    pub kind: ObjectKind,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Clone {
    /// Opens the clone in a folder, bare or not; no parent folder is looked into.
    ///
    /// # Errors
    ///
    /// There is none, its refs or names have a form that is not read here, or its object store holds what
    /// is no file.
    pub fn open(folder: &Path, limits: &GitLimits) -> Result<Self, GitSourceError> {
        let refuse =
            |detail: &str| GitSourceError::Clone { path: folder.to_path_buf(), detail: detail.to_owned() };
        let own = git_folder(folder)?.ok_or_else(|| refuse("there is no `.git` and no bare repository"))?;
        let common = match small(&own.join("commondir"))? {
            Some(named) => own.join(named),
            None => own,
        };
        if common.join("reftable").exists() {
            return Err(refuse("its refs are in a reftable"));
        }
        let objects = common.join("objects");
        if !objects.is_dir() {
            return Err(refuse("it has no object store"));
        }
        for name in ["pack", "info"] {
            plain_files(&objects.join(name), limits)?;
        }
        let text = objects.to_str().ok_or_else(|| refuse("its path is not UTF-8"))?.to_owned();
        let odb = Odb::new().and_then(|odb| odb.add_disk_alternate(&text).map(|()| odb));
        let odb = odb.map_err(|e| refuse(e.message()))?;
        Ok(Self { folder: folder.to_path_buf(), common, odb, limits: *limits })
    }

    /// What a tag names: a tag object, or a commit.
    ///
    /// # Errors
    ///
    /// Where the clone has no such tag, or it is no object's name.
    pub fn tag(&self, name: &str) -> Result<Raw, GitSourceError> {
        let what = || format!("the tag `{}`", name.escape_debug());
        if !crate::source::go::archive::is_plain(name) {
            return Err(GitSourceError::Missing { path: self.folder.clone(), what: what() });
        }
        let loose = small(&self.common.join("refs/tags").join(name))?;
        let found = match loose {
            Some(text) => Some(text),
            None => self.packed(name)?,
        };
        let text =
            found.ok_or_else(|| GitSourceError::Missing { path: self.folder.clone(), what: what() })?;
        self.raw(self.oid(&text)?)
    }

    /// The tag or commit object of that name.
    ///
    /// # Errors
    ///
    /// As [`Clone::tag`].
    pub fn object(&self, id: &str) -> Result<Raw, GitSourceError> {
        self.raw(self.oid(id)?)
    }

    /// The commit that a tag or commit object stands for.
    ///
    /// # Errors
    ///
    /// Where it stands for something else, or an object is missing.
    pub fn commit(&self, of: &Raw) -> Result<Commit, GitSourceError> {
        let mut raw = of.clone();
        for _ in 0..self.limits.tags_deep_max {
            if raw.kind == ObjectKind::Commit {
                return self.parse(&raw);
            }
            let target =
                field(&raw.bytes, "object").ok_or_else(|| self.wrong(&raw.id, "it names nothing"))?;
            raw = self.raw(self.oid(&target)?)?;
        }
        let max = self.limits.tags_deep_max as u64;
        Err(GitSourceError::Limit { what: format!("tag {}", of.id), limit: "tags_deep_max", max })
    }

    /// Whether a commit is another one or among what came before it. None where the clone ends before
    /// that can be told.
    ///
    /// # Errors
    ///
    /// Where an object is damaged, or there are too many.
    pub fn reaches(&self, from: &Commit, to: &str) -> Result<Option<bool>, GitSourceError> {
        let (mut seen, mut next) = (BTreeSet::new(), VecDeque::from([from.clone()]));
        let mut whole = true;
        while let Some(commit) = next.pop_front() {
            if commit.id == to {
                return Ok(Some(true));
            }
            for parent in commit.parents {
                if !seen.insert(parent) {
                    continue;
                }
                if seen.len() > self.limits.commits_max {
                    let max = self.limits.commits_max as u64;
                    let what = format!("the history of {}", from.id);
                    return Err(GitSourceError::Limit { what, limit: "commits_max", max });
                }
                match self.raw(parent) {
                    Ok(raw) => next.push_back(self.parse(&raw)?),
                    Err(GitSourceError::Missing { .. }) => whole = false,
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(whole.then_some(false))
    }

    fn packed(&self, name: &str) -> Result<Option<String>, GitSourceError> {
        let path = self.common.join("packed-refs");
        let Some(text) = bounded(&path, self.limits.refs_bytes_max)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&text);
        let wanted = format!("refs/tags/{name}");
        let found = text.lines().filter(|l| !l.starts_with(['#', '^'])).filter_map(|l| l.split_once(' '));
        Ok(found.filter(|(_, of)| of.trim_end() == wanted).map(|(id, _)| id.to_owned()).next())
    }

    fn oid(&self, text: &str) -> Result<Oid, GitSourceError> {
        let plain = text.len() == 40 && text.chars().all(|c| c.is_ascii_hexdigit());
        let id = plain.then(|| Oid::from_str(text).ok()).flatten();
        id.ok_or_else(|| self.wrong(text, "expected an object's name of 40 hexadecimal digits"))
    }

    pub(super) fn wrong(&self, object: &str, detail: &str) -> GitSourceError {
        let object: String = object.chars().take(100).collect();
        GitSourceError::Object {
            path: self.folder.clone(),
            object: object.escape_debug().to_string(),
            detail: detail.to_owned(),
        }
    }

    pub(super) fn odb(&self) -> &Odb<'static> {
        &self.odb
    }

    fn raw(&self, id: Oid) -> Result<Raw, GitSourceError> {
        let (kind, bytes) = self.read(id, self.limits.object_bytes_max)?;
        let kind = match kind {
            ObjectType::Commit => ObjectKind::Commit,
            ObjectType::Tag => ObjectKind::Tag,
            _ => return Err(self.wrong(&id.to_string(), "expected a commit or a tag")),
        };
        Ok(Raw { id: id.to_string(), kind, bytes })
    }

    /// Kind and length of an object, before any of it is unpacked.
    pub(super) fn header(&self, id: Oid) -> Result<(ObjectType, u64), GitSourceError> {
        let name = id.to_string();
        let (folder, file) = name.split_at(2);
        // Whoever made the clone could have put a pipe there, which would never end.
        let loose = self.common.join("objects").join(folder).join(file);
        if fs::symlink_metadata(&loose).is_ok_and(|found| !found.is_file()) {
            return Err(self.wrong(&name, "it is stored in something that is no file"));
        }
        let (len, kind) = self.odb.read_header(id).map_err(|e| self.failed(&name, &e))?;
        Ok((kind, len as u64))
    }

    /// An object of at most that length.
    pub(super) fn read(&self, id: Oid, bytes_max: u64) -> Result<(ObjectType, Vec<u8>), GitSourceError> {
        let (_, len) = self.header(id)?;
        if len > bytes_max {
            let what = format!("object {id} with {len} bytes");
            return Err(GitSourceError::Limit { what, limit: "object_bytes_max", max: bytes_max });
        }
        let object = self.odb.read(id).map_err(|e| self.failed(&id.to_string(), &e))?;
        Ok((object.kind(), object.data().to_vec()))
    }

    fn failed(&self, name: &str, e: &git2::Error) -> GitSourceError {
        match e.code() {
            ErrorCode::NotFound => {
                GitSourceError::Missing { path: self.folder.clone(), what: format!("the object {name}") }
            }
            _ => self.wrong(name, e.message()),
        }
    }

    fn parse(&self, raw: &Raw) -> Result<Commit, GitSourceError> {
        let wrong = |detail: &str| self.wrong(&raw.id, detail);
        let tree = field(&raw.bytes, "tree").ok_or_else(|| wrong("it names no tree"))?;
        let who = field(&raw.bytes, "committer").ok_or_else(|| wrong("it has no committer"))?;
        let after = who.rsplit_once('>').map_or("", |(_, after)| after);
        let seconds = after.split_whitespace().next().and_then(|text| text.parse().ok());
        let time = seconds.and_then(|s| Timestamp::from_second(s).ok());
        Ok(Commit {
            id: raw.id.clone(),
            time: time.ok_or_else(|| wrong("its committer has no time"))?,
            tree: self.oid(&tree)?,
            parents: fields(&raw.bytes, "parent").map(|p| self.oid(&p)).collect::<Result<_, _>>()?,
        })
    }
}

/// Values of a header, which end at the first empty line.
fn fields<'a>(bytes: &'a [u8], name: &'a str) -> impl Iterator<Item = String> + 'a {
    bytes
        .split(|b| *b == b'\n')
        .take_while(|line| !line.is_empty())
        .filter_map(move |line| line.strip_prefix(name.as_bytes())?.strip_prefix(b" "))
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

fn field(bytes: &[u8], name: &str) -> Option<String> {
    fields(bytes, name).next()
}

/// Where a clone's own files lie.
fn git_folder(folder: &Path) -> Result<Option<PathBuf>, GitSourceError> {
    let inner = folder.join(".git");
    if inner.is_dir() {
        return Ok(Some(inner));
    }
    if let Some(text) = small(&inner)? {
        return Ok(text.strip_prefix("gitdir: ").map(|path| folder.join(path)));
    }
    Ok(folder.join("objects").is_dir().then(|| folder.to_path_buf()))
}

/// A file of one line; none where there is no such file.
fn small(path: &Path) -> Result<Option<String>, GitSourceError> {
    let text = bounded(path, NAME_BYTES_MAX)?;
    Ok(text.map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

/// The bytes of a regular file; none where there is nothing, or a folder.
fn bounded(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, GitSourceError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(None) };
    if found.is_dir() {
        return Ok(None);
    }
    if !found.is_file() {
        return Err(GitSourceError::Clone {
            path: path.to_path_buf(),
            detail: "it is no regular file".to_owned(),
        });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(GitSourceError::io("open", path))?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(GitSourceError::io("read", path))?;
    if bytes.len() as u64 > bytes_max {
        let what = format!("`{}`", path.display());
        return Err(GitSourceError::Limit { what, limit: "refs_bytes_max", max: bytes_max });
    }
    Ok(Some(bytes))
}

/// Refuses a folder of the object store that holds anything but files: libgit2 would open a pipe.
fn plain_files(folder: &Path, limits: &GitLimits) -> Result<(), GitSourceError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for (n, entry) in entries.enumerate() {
        let entry = entry.map_err(GitSourceError::io("list", folder))?;
        let kind = entry.file_type().map_err(GitSourceError::io("list", folder))?;
        // `info/commit-graphs` and the like are folders, of which nothing is read here.
        if !kind.is_file() && !kind.is_dir() {
            return Err(GitSourceError::Clone {
                path: entry.path(),
                detail: "its object store holds what is no file".to_owned(),
            });
        }
        if n >= limits.store_files_max {
            let (what, max) = (format!("`{}`", folder.display()), limits.store_files_max as u64);
            return Err(GitSourceError::Limit { what, limit: "store_files_max", max });
        }
    }
    Ok(())
}

impl std::fmt::Debug for Clone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clone").field("folder", &self.folder).finish_non_exhaustive()
    }
}
