//! Commits fetched from a server that speaks git's smart HTTP on the loopback: git's own `upload-pack` behind
//! a listener of ours; servers that lie are in `hostile`.

mod hostile;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use git2::{ObjectType, Oid};
use reprove::event::Silent;
use reprove::fetch::{FetchError, Fetcher, Proxies};
use reprove::limits::fetch::FetchLimits;
use reprove::limits::git::GitLimits;
use reprove::source::git::{Clone, GitSourceError, Opened, Place, Remotes};

use crate::git_source::{Entry, Made};
use crate::server::{Asked, Reply, Server};

const LIMITS: GitLimits = GitLimits::DEFAULT;
const TAG: &str = "v1.0.0";

fn fetcher() -> Fetcher {
    let limits =
        FetchLimits { stall_timeout: Duration::from_millis(2_000), retries_max: 0, ..FetchLimits::DEFAULT };
    Fetcher::new(Proxies::None, limits)
}

/// A folder for stores.
pub(crate) struct Cache(pub(crate) tempfile::TempDir);

impl Cache {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    fn open(&self, url: &str, commit: Option<&str>, limits: &GitLimits) -> Result<Opened, GitSourceError> {
        let fetcher = fetcher();
        let remotes = Remotes { fetcher: &fetcher, folder: self.0.path(), observer: &Silent, limits };
        remotes.open(&Place::Address(url.to_owned()), TAG, commit)
    }
}

/// Whether git is there; where it is not, what needs it says so and ends.
pub(crate) fn has_git() -> bool {
    let found = Command::new("git").arg("version").output().is_ok_and(|out| out.status.success());
    if !found {
        eprintln!("not tested: git is not installed, whose `upload-pack` these tests ask");
    }
    found
}

/// Answers as git's own HTTP server does.
pub(crate) fn upload_pack(repository: &Path, filters: bool, asked: &Asked) -> Reply {
    let advertised = asked.target.ends_with("/info/refs?service=git-upload-pack");
    let mut command = Command::new("git");
    command
        .env("GIT_PROTOCOL", asked.header("git-protocol").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["-c", &format!("uploadpack.allowFilter={filters}"), "upload-pack", "--stateless-rpc"])
        .args(advertised.then_some("--advertise-refs"))
        .arg(repository)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let body = asked.body.clone();
    let writer = std::thread::spawn(move || drop(input.write_all(&body)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let kind = if advertised { "advertisement" } else { "result" };
    Reply::new("200 OK", &[&format!("Content-Type: application/x-git-upload-pack-{kind}")], &output.stdout)
}

fn serving(made: &Made, filters: bool) -> Server {
    let path = made.path().to_path_buf();
    Server::new(move |asked| upload_pack(&path, filters, asked))
}

/// The objects that each `fetch` asked for.
fn wants(server: &Server) -> Vec<Vec<String>> {
    let of = |asked: Asked| {
        let text = String::from_utf8_lossy(&asked.body).into_owned();
        let ids = text.match_indices("want ").map(|(at, _)| text[at + 5..at + 45].to_owned());
        text.contains("command=fetch").then(|| ids.collect())
    };
    server.asked().into_iter().filter_map(of).collect()
}

fn entries() -> Vec<Entry<'static>> {
    vec![
        ("go.mod", 0o100_644, b"module m\n"),
        ("cmd/a.go", 0o100_644, b"package a\n"),
        ("cmd/b.go", 0o100_644, b"package b\n"),
        ("cmd/deep/c.go", 0o100_644, b"package c\n"),
        ("build.sh", 0o100_755, b"#!/bin/sh\n"),
        ("link", 0o120_000, b"cmd/a.go"),
        ("third", 0o160_000, b"0123456789012345678901234567890123456789"),
    ]
}

/// A repository whose second commit has an annotated tag.
pub(crate) fn tagged() -> (Made, Oid, Oid) {
    let made = Made::new(&[("old", 0o100_644, b"what came before\n")]);
    let commit = made.then("light", &entries());
    let tag = annotate(&made, TAG, commit);
    (made, commit, tag)
}

fn annotate(made: &Made, name: &str, commit: Oid) -> Oid {
    let text =
        format!("object {commit}\ntype commit\ntag {name}\ntagger A <a@b> 1779894590 +0000\n\nrelease\n");
    let tag = made.repository.odb().unwrap().write(ObjectType::Tag, text.as_bytes()).unwrap();
    made.tag(name, tag);
    tag
}

fn files(clone: &Clone) -> Vec<String> {
    let commit = clone.commit(&clone.tag(TAG).unwrap()).unwrap();
    let listing = clone.listing(&commit).unwrap();
    let to = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    clone.write(&listing, to.path()).unwrap();
    listing.entries.into_keys().collect()
}

#[test]
fn a_tag_is_fetched_with_its_commit_and_tree_and_nothing_twice() {
    if !has_git() {
        return;
    }
    let (made, commit, tag) = tagged();
    for filters in [true, false] {
        let (server, cache) = (serving(&made, filters), Cache::new());
        let url = server.url("/o/n");
        let opened = cache.open(&url, Some(&commit.to_string()), &LIMITS).unwrap();
        assert!(opened.not_asked.is_none());
        let raw = opened.clone.tag(TAG).unwrap();
        assert_eq!(
            (raw.id.clone(), opened.clone.commit(&raw).unwrap().id),
            (tag.to_string(), commit.to_string())
        );
        assert_eq!(files(&opened.clone).len(), entries().len());
        let before = opened.clone.object(&made.commit.to_string());
        assert!(matches!(before, Err(GitSourceError::Missing { .. })), "no history is fetched");
        let asked = wants(&server);
        assert_eq!(asked.len(), if filters { 2 } else { 1 }, "{asked:?}");
        let count = server.asked().len();
        cache.open(&url, Some(&commit.to_string()), &LIMITS).unwrap();
        assert_eq!(wants(&server), asked, "the second run fetches nothing");
        assert_eq!(server.asked().len(), count + 2, "it asks what the tag names now");
        // The store is one that git itself reads and finds whole.
        let store = fs::read_dir(cache.0.path()).unwrap().next().unwrap().unwrap().path();
        let git = |args: &[&str]| {
            let out = Command::new("git").arg("--git-dir").arg(&store).args(args).output().unwrap();
            assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap()
        };
        git(&["fsck", "--strict"]);
        assert_eq!(git(&["rev-parse", &format!("{TAG}^{{commit}}")]).trim(), commit.to_string());
        assert_eq!(git(&["rev-list", "--count", TAG]).trim(), "1");
    }
}

/// The connection breaks in the third batch of files: what was complete is kept, and the next run asks for
/// the rest alone.
#[test]
fn a_run_that_was_cut_off_is_gone_on_with() {
    if !has_git() {
        return;
    }
    let (made, commit, _) = tagged();
    let path = made.path().to_path_buf();
    let (cut, fetches) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let cutting = Arc::clone(&cut);
    let server = Server::new(move |asked| {
        let whole = upload_pack(&path, true, asked);
        let fetch = String::from_utf8_lossy(&asked.body).contains("command=fetch");
        let third = fetch && fetches.fetch_add(1, Ordering::SeqCst) == 2;
        if third && cutting.load(Ordering::SeqCst) { whole.cut(30) } else { whole }
    });
    let (cache, url) = (Cache::new(), server.url("/o/n"));
    let limits = GitLimits { batch_files: 2, ..LIMITS };
    let error = cache.open(&url, Some(&commit.to_string()), &limits).unwrap_err();
    assert!(matches!(error, GitSourceError::Fetch(FetchError::Connection { .. })), "{error}");
    let first = wants(&server);
    assert_eq!(first.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2], "{first:?}");
    cut.store(false, Ordering::SeqCst);
    let opened = cache.open(&url, Some(&commit.to_string()), &limits).unwrap();
    let second = wants(&server).split_off(first.len());
    let kept = &first[1];
    assert_eq!(second.iter().flatten().count(), 4, "six files, of which two were kept: {second:?}");
    assert!(second.iter().flatten().all(|id| !kept.contains(id)), "{second:?}");
    assert_eq!(files(&opened.clone).len(), entries().len());
    let left: Vec<_> = fs::read_dir(fs::read_dir(cache.0.path()).unwrap().next().unwrap().unwrap().path())
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("incoming"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A connection that breaks once is tried again within the same run.
#[test]
fn a_connection_that_breaks_is_tried_again() {
    if !has_git() {
        return;
    }
    let (made, commit, _) = tagged();
    let path = made.path().to_path_buf();
    let broken = AtomicBool::new(false);
    let server = Server::new(move |asked| {
        let whole = upload_pack(&path, false, asked);
        let fetch = String::from_utf8_lossy(&asked.body).contains("command=fetch");
        if fetch && !broken.swap(true, Ordering::SeqCst) { whole.cut(30) } else { whole }
    });
    let cache = Cache::new();
    let limits = FetchLimits { retry_pause: Duration::from_millis(1), ..FetchLimits::DEFAULT };
    let fetcher = Fetcher::new(Proxies::None, limits);
    let remotes = Remotes { fetcher: &fetcher, folder: cache.0.path(), observer: &Silent, limits: &LIMITS };
    let place = Place::Address(server.url("/o/n"));
    let opened = remotes.open(&place, TAG, Some(&commit.to_string())).unwrap();
    assert_eq!((files(&opened.clone).len(), wants(&server).len()), (entries().len(), 2));
}

#[test]
fn a_server_that_learns_or_forgets_to_leave_files_out_is_gone_on_with() {
    if !has_git() {
        return;
    }
    let (made, commit, _) = tagged();
    let path = made.path().to_path_buf();
    let before = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&before);
    let server = Server::new(move |asked| {
        let first = now.load(Ordering::SeqCst);
        let fetch = String::from_utf8_lossy(&asked.body).contains("command=fetch");
        let files = fetch && !String::from_utf8_lossy(&asked.body).contains("filter blob:none");
        match first && files {
            true => Reply::status("500 Internal Server Error"),
            false => upload_pack(&path, first, asked),
        }
    });
    let (cache, url) = (Cache::new(), server.url("/o/n"));
    cache.open(&url, Some(&commit.to_string()), &LIMITS).unwrap_err();
    before.store(false, Ordering::SeqCst);
    let opened = cache.open(&url, Some(&commit.to_string()), &LIMITS).unwrap();
    assert_eq!(files(&opened.clone).len(), entries().len());
}

#[test]
fn a_server_that_is_gone_leaves_what_was_fetched() {
    if !has_git() {
        return;
    }
    let (made, commit, _) = tagged();
    let (server, cache) = (serving(&made, true), Cache::new());
    let url = server.url("/o/n");
    cache.open(&url, None, &LIMITS).unwrap();
    drop(server);
    for pinned in [None, Some(commit.to_string())] {
        let opened = cache.open(&url, pinned.as_deref(), &LIMITS).unwrap();
        assert!(opened.not_asked.is_some(), "that nobody was asked is said");
        assert_eq!(files(&opened.clone).len(), entries().len());
    }
    let other = "0123456789012345678901234567890123456789";
    let error = cache.open(&url, Some(other), &LIMITS).unwrap_err();
    assert!(matches!(error, GitSourceError::Fetch(FetchError::Connection { .. })), "{error}");
    let error = Cache::new().open(&url, Some(&commit.to_string()), &LIMITS).unwrap_err();
    assert!(matches!(error, GitSourceError::Fetch(FetchError::Connection { .. })), "{error}");
}

#[test]
fn a_tag_that_moved_is_told_beside_the_pinned_commit() {
    if !has_git() {
        return;
    }
    let (made, commit, _) = tagged();
    let (server, cache) = (serving(&made, true), Cache::new());
    let url = server.url("/o/n");
    let pinned = commit.to_string();
    cache.open(&url, Some(&pinned), &LIMITS).unwrap();
    let moved = made.then("other", &[("go.mod", 0o100_644, b"module evil\n")]);
    annotate(&made, TAG, moved);
    for cache in [&cache, &Cache::new()] {
        let clone = cache.open(&url, Some(&pinned), &LIMITS).unwrap().clone;
        assert_eq!(clone.commit(&clone.tag(TAG).unwrap()).unwrap().id, moved.to_string());
        let pinned = clone.commit(&clone.object(&pinned).unwrap()).unwrap();
        assert_eq!(clone.listing(&pinned).unwrap().entries.len(), entries().len(), "both are there whole");
    }
    made.repository.find_reference(&format!("refs/tags/{TAG}")).unwrap().delete().unwrap();
    let clone = cache.open(&url, Some(&pinned), &LIMITS).unwrap().clone;
    assert!(matches!(clone.tag(TAG), Err(GitSourceError::Missing { .. })), "a tag that is gone is gone");
    let error = cache.open(&url, None, &LIMITS).unwrap_err();
    assert!(matches!(error, GitSourceError::NotGiven { .. }), "{error}");
    let unknown = "0123456789012345678901234567890123456789";
    let error = cache.open(&url, Some(unknown), &LIMITS).unwrap_err();
    assert!(matches!(error, GitSourceError::Fetch(FetchError::Refused { .. })), "{error}");
}

/// What a tree holds that nobody may write is told when it is listed or written, as of any clone.
#[test]
fn hostile_trees_of_a_server_are_refused_like_a_clone_s() {
    if !has_git() {
        return;
    }
    for (path, mode, content) in [
        (".git/hooks/post-checkout", 0o100_755, &b"#!/bin/sh\n"[..]),
        ("link", 0o120_000, b"/etc/passwd"),
        ("..", 0o100_644, b"x"),
    ] {
        let made = Made::new(&[(path, mode, content)]);
        made.tag(TAG, made.commit);
        let (server, cache) = (serving(&made, true), Cache::new());
        let clone = cache.open(&server.url("/o/n"), None, &LIMITS).unwrap().clone;
        let commit = clone.commit(&clone.tag(TAG).unwrap()).unwrap();
        let to = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let written = clone.listing(&commit).and_then(|listing| clone.write(&listing, to.path()));
        assert!(matches!(written, Err(GitSourceError::Tree { .. })), "{path}: {written:?}");
    }
}

/// A repository that was renamed is found where its own host says.
#[test]
fn a_redirect_on_the_same_host_is_followed() {
    if !has_git() {
        return;
    }
    let (made, commit, _) = tagged();
    let path = made.path().to_path_buf();
    let server = Server::new(move |asked| match asked.target.strip_prefix("/old") {
        Some(rest) => Reply::redirect(&format!("/new{rest}")),
        None => upload_pack(&path, true, asked),
    });
    let cache = Cache::new();
    let opened = cache.open(&server.url("/old"), Some(&commit.to_string()), &LIMITS).unwrap();
    assert_eq!(files(&opened.clone).len(), entries().len());
    assert!(server.asked().iter().all(|a| a.method == "GET" || a.target == "/new/git-upload-pack"));
}
