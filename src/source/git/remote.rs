//! Commits of repositories on servers, kept in stores of our own.
//!
//! One store for each address, laid out as a bare repository, in which a commit is without its history.
//! Where the server can leave files out, the commit with its folders comes first, and its files in batches;
//! each pack is kept when it is complete. A run that was cut off is gone on with by the next, and nothing
//! that is there is asked for again. A pack is read, bounded and indexed in a folder of its own before the
//! store sees it; libgit2 names each object by its hash while it does so.
//!
//! The server is asked each time what the tag names now. Where it cannot be, and what is wanted is there,
//! that is said and the store is used.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use git2::{ErrorClass, Indexer};

use super::pack::PackReader;
use super::{Clone, Commit, GitSourceError};
use crate::digest::Digest;
use crate::event::{Event, Observer, Stage, Unit};
use crate::fetch::git::{GitRef, GitServer, GitWant, PackSink};
use crate::fetch::{FetchError, Fetcher, redact};
use crate::limits::git::GitLimits;
use crate::source::go::archive::is_plain;

/// Prefix of folders of packs that are on their way.
const INCOMING: &str = "incoming-";

/// Where a repository may be had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A clone on this machine.
    Folder(PathBuf),
    /// A server's address.
    Address(String),
}

/// Asks servers for commits.
#[derive(Clone, Copy)]
pub struct Remotes<'a> {
    /// How it is asked.
    pub fetcher: &'a Fetcher,
    /// Where the stores lie; made when it is needed.
    pub folder: &'a Path,
    /// Who is told of progress.
    pub observer: &'a dyn Observer,
    /// Bounds.
    pub limits: &'a GitLimits,
}

/// A repository that can be read.
#[derive(Debug)]
pub struct Opened {
    /// With the tag's commit, and the pinned one, as far as there are such.
    pub clone: Clone,
    /// Why the server was not asked what the tag names now; what is told is then what it named before.
    pub not_asked: Option<FetchError>,
}

impl Remotes<'_> {
    /// Opens a clone; of a server's repository, one of our own with everything of the commit that the tag
    /// names, and of the pinned `commit`, given by its whole name.
    ///
    /// # Errors
    ///
    /// Where a server cannot be asked and the commit is not there, what it sends is refused, or a bound is
    /// reached.
    pub fn open(&self, place: &Place, tag: &str, commit: Option<&str>) -> Result<Opened, GitSourceError> {
        match place {
            Place::Folder(folder) => Ok(Opened { clone: Clone::open(folder, self.limits)?, not_asked: None }),
            Place::Address(url) => self.obtain(url, tag, commit),
        }
    }

    fn obtain(&self, url: &str, tag: &str, commit: Option<&str>) -> Result<Opened, GitSourceError> {
        let shown = redact(url);
        if !is_plain(tag) {
            let what = format!("the tag `{}`", tag.escape_debug());
            return Err(GitSourceError::NotGiven { url: shown, what });
        }
        let store = Kept::claim(self.folder, &shown)?;
        let (server, tagged) = match self.ask(url, tag) {
            Ok(told) => told,
            Err(error) => {
                let clone = Clone::open(&store.path, self.limits)?;
                let raw = commit.map_or_else(|| clone.tag(tag), |id| clone.object(id));
                let whole = raw.and_then(|raw| clone.absent(&clone.commit(&raw)?));
                return match whole {
                    Ok(absent) if absent.is_nothing() => Ok(Opened { clone, not_asked: Some(error) }),
                    _ => Err(error.into()),
                };
            }
        };
        let mut wanted: Vec<String> = tagged.iter().map(|tagged| tagged.id.clone()).collect();
        wanted.extend(commit.map(str::to_owned));
        if wanted.is_empty() {
            let what = format!("the tag `{tag}`");
            return Err(GitSourceError::NotGiven { url: shown, what });
        }
        wanted.dedup();
        let ask = Ask { remotes: self, server: &server, url: &shown, store: &store };
        let commits = ask.commits(&wanted)?;
        ask.files(&commits)?;
        store.tag(tag, tagged.as_ref().map(|tagged| tagged.id.as_str()))?;
        store.shallow(&commits)?;
        Ok(Opened { clone: Clone::open(&store.path, self.limits)?, not_asked: None })
    }

    /// What the server can do, and what the tag names.
    fn ask(&self, url: &str, tag: &str) -> Result<(GitServer, Option<GitRef>), FetchError> {
        let server = self.fetcher.git_server(url, self.limits)?;
        let name = format!("refs/tags/{tag}");
        let mut refs = self.fetcher.git_refs(&server, std::slice::from_ref(&name), self.limits)?;
        refs.retain(|found| found.name == name);
        match refs.len() {
            0 | 1 => Ok((server, refs.pop())),
            _ => {
                let detail = format!("it has `{name}` twice");
                Err(FetchError::Protocol { url: redact(url), detail })
            }
        }
    }
}

/// One server with the store of its repository.
struct Ask<'a> {
    remotes: &'a Remotes<'a>,
    server: &'a GitServer,
    url: &'a str,
    store: &'a Kept,
}

impl Ask<'_> {
    fn open(&self) -> Result<Clone, GitSourceError> {
        Clone::open(&self.store.path, self.remotes.limits)
    }

    fn not_given(&self, what: impl Into<String>) -> GitSourceError {
        GitSourceError::NotGiven { url: self.url.to_owned(), what: what.into() }
    }

    /// The commits that these tags and commits stand for, with all their folders.
    fn commits(&self, wanted: &[String]) -> Result<Vec<Commit>, GitSourceError> {
        let clone = self.open()?;
        let whole = |id: &String| {
            let commit = clone.object(id).and_then(|raw| clone.commit(&raw));
            commit.and_then(|commit| clone.absent(&commit)).is_ok_and(|absent| !absent.folders)
        };
        let missing: Vec<String> = wanted.iter().filter(|id| !whole(id)).cloned().collect();
        if !missing.is_empty() {
            let text = format!("fetching {} from {}", missing.join(" and "), self.url);
            self.remotes.observer.event(&Event::Note { stage: Stage::Source, text: &text });
            let without_files = self.server.filters;
            self.pack(GitWant { ids: &missing, shallow: true, without_files })?;
        }
        let clone = self.open()?;
        let mut commits: Vec<Commit> = Vec::new();
        for id in wanted {
            if !clone.has(id) {
                return Err(self.not_given(format!("the object {id}, which it was asked for")));
            }
            let commit = clone.commit(&clone.object(id)?)?;
            if clone.absent(&commit)?.folders {
                return Err(self.not_given(format!("all folders of commit {}", commit.id)));
            }
            if !commits.contains(&commit) {
                commits.push(commit);
            }
        }
        Ok(commits)
    }

    /// The files of these commits.
    fn files(&self, commits: &[Commit]) -> Result<(), GitSourceError> {
        let clone = self.open()?;
        let mut absent = Vec::new();
        for commit in commits {
            absent.extend(clone.absent(commit)?.files);
        }
        absent.sort();
        absent.dedup();
        if absent.is_empty() {
            return Ok(());
        }
        if self.server.filters {
            for ids in absent.chunks(self.remotes.limits.batch_files.max(1)) {
                self.pack(GitWant { ids, shallow: false, without_files: false })?;
            }
        } else {
            // It left files out in another run, and no longer knows how to give single ones.
            let ids: Vec<String> = commits.iter().map(|commit| commit.id.clone()).collect();
            self.pack(GitWant { ids: &ids, shallow: true, without_files: false })?;
        }
        let clone = self.open()?;
        match absent.iter().find(|id| !clone.has(id)) {
            Some(id) => Err(self.not_given(format!("the file {id} of the commit"))),
            None => Ok(()),
        }
    }

    /// Fetches a pack and puts it into the store when it is complete.
    fn pack(&self, want: GitWant<'_>) -> Result<(), GitSourceError> {
        let limits = self.remotes.limits;
        let mut incoming = Incoming { ask: self, now: None, failed: None, most: 0 };
        let answer = self.remotes.fetcher.git_pack(self.server, want, limits, &mut incoming);
        if let Some(error) = incoming.failed.take() {
            return Err(error);
        }
        answer?;
        incoming.keep()
    }
}

/// A pack on its way.
struct Incoming<'a> {
    ask: &'a Ask<'a>,
    now: Option<(tempfile::TempDir, PackReader<'a>, Indexer<'static>)>,
    failed: Option<GitSourceError>,
    most: u64,
}

impl Incoming<'_> {
    fn start(&mut self) -> Result<(), GitSourceError> {
        let path = &self.ask.store.path;
        let folder = tempfile::Builder::new().prefix(INCOMING).tempdir_in(path);
        let folder = folder.map_err(GitSourceError::io("make a folder in", path))?;
        // Everything that an object may rest on has to be in the pack itself.
        let indexer = Indexer::new(None, folder.path(), 0o644, false);
        let indexer = indexer.map_err(|e| failed(folder.path(), e))?;
        self.now = Some((folder, PackReader::new(self.ask.remotes.limits), indexer));
        Ok(())
    }

    fn feed(&mut self, part: &[u8]) -> Result<(), GitSourceError> {
        let Some((folder, reader, indexer)) = &mut self.now else { return Ok(()) };
        reader.take(part)?;
        indexer.write_all(part).map_err(|e| match e.downcast::<git2::Error>() {
            Ok(error) => failed(folder.path(), error),
            Err(source) => GitSourceError::io("write a pack in", folder.path())(source),
        })?;
        self.most = self.most.saturating_add(part.len() as u64);
        let (stage, done) = (Stage::Source, self.most);
        self.ask.remotes.observer.event(&Event::Progress { stage, done, total: None, unit: Unit::Bytes });
        Ok(())
    }

    /// Resolves the pack's objects, each by its hash, and moves it into the store.
    fn keep(&mut self) -> Result<(), GitSourceError> {
        let Some((folder, reader, indexer)) = self.now.take() else { return Ok(()) };
        reader.end()?;
        let name = indexer.commit().map_err(|e| failed(folder.path(), e))?;
        let to = self.ask.store.path.join("objects/pack");
        // Without its index a pack is not looked at, so that the index comes last.
        for end in ["pack", "idx"] {
            let file = format!("pack-{name}.{end}");
            let (from, to) = (folder.path().join(&file), to.join(&file));
            File::open(&from)
                .and_then(|file| file.sync_all())
                .and_then(|()| fs::rename(&from, &to))
                .map_err(GitSourceError::io("move a pack to", &to))?;
        }
        Ok(())
    }

    /// Remembers what is wrong, and stops the download with it.
    fn or_stop(&mut self, done: Result<(), GitSourceError>) -> Result<(), FetchError> {
        done.map_err(|error| {
            let (url, detail) = (self.ask.url.to_owned(), error.to_string());
            self.failed = Some(error);
            FetchError::Protocol { url, detail }
        })
    }
}

impl PackSink for Incoming<'_> {
    fn begin(&mut self) -> Result<(), FetchError> {
        let done = self.start();
        self.or_stop(done)
    }

    fn take(&mut self, part: &[u8]) -> Result<(), FetchError> {
        let done = self.feed(part);
        self.or_stop(done)
    }
}

/// What libgit2 says of a pack: the disk's fault or the pack's.
fn failed(folder: &Path, error: git2::Error) -> GitSourceError {
    match error.class() {
        ErrorClass::Os => GitSourceError::io("write a pack in", folder)(std::io::Error::other(error)),
        _ => GitSourceError::Pack { detail: error.message().to_owned() },
    }
}

/// The store of one address, which this process alone writes to while it has it.
struct Kept {
    path: PathBuf,
    _lock: File,
}

impl Kept {
    fn claim(folder: &Path, url: &str) -> Result<Self, GitSourceError> {
        let hex = Digest::sha256(url.as_bytes()).to_hex();
        let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let name: String = last.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
        let path = folder.join(format!("{name}-{}", hex.get(..16).unwrap_or(&hex)));
        for inner in ["objects/pack", "objects/info", "refs/tags", "refs/heads"] {
            let inner = path.join(inner);
            fs::create_dir_all(&inner).map_err(GitSourceError::io("make", &inner))?;
        }
        let lock = path.join("reprove.lock");
        let file = File::options().create(true).truncate(false).write(true).open(&lock);
        let file = file.and_then(|file| file.lock().map(|()| file));
        let kept = Self { path, _lock: file.map_err(GitSourceError::io("lock", &lock))? };
        kept.sweep()?;
        for (name, text) in [
            ("HEAD", "ref: refs/heads/none\n"),
            ("config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"),
        ] {
            if !kept.path.join(name).exists() {
                kept.put(Path::new(name), text)?;
            }
        }
        Ok(kept)
    }

    /// Removes what runs that were killed left behind.
    fn sweep(&self) -> Result<(), GitSourceError> {
        let failed = || GitSourceError::io("tidy", &self.path);
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if entry.file_name().to_string_lossy().starts_with(INCOMING) {
                fs::remove_dir_all(entry.path()).map_err(failed())?;
            }
        }
        Ok(())
    }

    /// Writes a file, whole or not at all.
    fn put(&self, name: &Path, text: &str) -> Result<(), GitSourceError> {
        let path = self.path.join(name);
        let folder = path.parent().unwrap_or(&self.path);
        fs::create_dir_all(folder).map_err(GitSourceError::io("make", folder))?;
        let file = tempfile::NamedTempFile::new_in(&self.path);
        file.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.persist(&path).map_err(|e| e.error).map(|_| ())
        })
        .map_err(GitSourceError::io("write", &path))
    }

    fn tag(&self, name: &str, id: Option<&str>) -> Result<(), GitSourceError> {
        let below = Path::new("refs/tags").join(name);
        if let Some(id) = id {
            return self.put(&below, &format!("{id}\n"));
        }
        let path = self.path.join(below);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(GitSourceError::io("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    /// Notes for git itself which commits are without what came before.
    fn shallow(&self, commits: &[Commit]) -> Result<(), GitSourceError> {
        let path = self.path.join("shallow");
        let mut lines: Vec<String> = match path.exists() {
            true => fs::read_to_string(&path)
                .map_err(GitSourceError::io("read", &path))?
                .lines()
                .map(str::to_owned)
                .collect(),
            false => Vec::new(),
        };
        let before = lines.len();
        lines.extend(commits.iter().map(|commit| commit.id.clone()));
        lines.sort();
        lines.dedup();
        if lines.len() == before {
            return Ok(());
        }
        self.put(Path::new("shallow"), &(lines.join("\n") + "\n"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_is_kept_stays() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let url = "https://git.example.invalid/o/n";
        let kept = Kept::claim(folder.path(), url).unwrap();
        let left = kept.path.join("incoming-1/pack_x");
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, "half").unwrap();
        kept.tag("a/v1", Some("0123456789012345678901234567890123456789")).unwrap();
        drop(kept);
        let again = Kept::claim(folder.path(), url).unwrap();
        assert!(!left.exists() && again.path.join("refs/tags/a/v1").exists());
        again.tag("a/v1", None).unwrap();
        again.tag("a/v1", None).unwrap();
        assert!(!again.path.join("refs/tags/a/v1").exists());
        let other = Kept::claim(folder.path(), "https://other.example.invalid/o/n").unwrap();
        assert_ne!(other.path, again.path, "each address has a store of its own");
    }
}
