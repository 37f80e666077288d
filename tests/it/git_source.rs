//! Clones as evidence: what is read of them, what is refused, and what drifted.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use git2::{ObjectType, Oid, Repository, Signature, Time};
use reprove::limits::git::GitLimits;
use reprove::source::git::{Clone, Drift, GitSourceError, Kind, Packaged, drift};
use serde_json::Value;

use crate::module_zip::module_zip;

const LIMITS: GitLimits = GitLimits::DEFAULT;
/// 2026-05-27T15:09:50Z.
const TIME: i64 = 1_779_894_590;

/// A repository with one commit of these entries, each with its mode.
pub(crate) struct Made {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) repository: Repository,
    pub(crate) commit: Oid,
}

/// `path`, mode, content; of a submodule the content is a commit's name.
pub(crate) type Entry<'a> = (&'a str, u32, &'a [u8]);

impl Made {
    pub(crate) fn new(entries: &[Entry<'_>]) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let repository = Repository::init(folder.path()).unwrap();
        let tree = tree(&repository, entries);
        let commit = commit(&repository, tree, &[]);
        Self { folder, repository, commit }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn tag(&self, name: &str, commit: Oid) {
        self.repository.reference(&format!("refs/tags/{name}"), commit, true, "").unwrap();
    }

    /// Another commit on top, with a tag.
    pub(crate) fn then(&self, tag: &str, entries: &[Entry<'_>]) -> Oid {
        let tree = tree(&self.repository, entries);
        let parent = self.repository.find_commit(self.commit).unwrap();
        let next = commit(&self.repository, tree, &[&parent]);
        self.tag(tag, next);
        next
    }
}

fn commit(repository: &Repository, tree: Oid, parents: &[&git2::Commit<'_>]) -> Oid {
    let who = Signature::new("Ann", "ann@example.invalid", &Time::new(TIME, 0)).unwrap();
    let tree = repository.find_tree(tree).unwrap();
    repository.commit(None, &who, &who, "message", &tree, parents).unwrap()
}

/// Written byte by byte, since the library refuses the names that matter here.
fn tree(repository: &Repository, entries: &[Entry<'_>]) -> Oid {
    let odb = repository.odb().unwrap();
    let mut here: Vec<(String, u32, Oid)> = Vec::new();
    let mut folders: Vec<&str> = Vec::new();
    for (path, mode, content) in entries {
        match path.split_once('/') {
            Some((folder, _)) if !folder.is_empty() => {
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
            _ => {
                let id = match mode {
                    0o160_000 => Oid::from_str(std::str::from_utf8(content).unwrap()).unwrap(),
                    _ => odb.write(ObjectType::Blob, content).unwrap(),
                };
                here.push(((*path).to_owned(), *mode, id));
            }
        }
    }
    for folder in folders {
        let inner: Vec<Entry<'_>> = entries
            .iter()
            .filter_map(|(path, mode, content)| {
                Some((path.strip_prefix(folder)?.strip_prefix('/')?, *mode, *content))
            })
            .collect();
        here.push((folder.to_owned(), 0o40_000, tree(repository, &inner)));
    }
    here.sort();
    let mut bytes = Vec::new();
    for (name, mode, id) in here {
        write!(bytes, "{mode:o} {name}\0").unwrap();
        bytes.extend(id.as_bytes());
    }
    odb.write(ObjectType::Tree, &bytes).unwrap()
}

fn open(made: &Made) -> Clone {
    Clone::open(made.path(), &LIMITS).unwrap()
}

/// Lists the tree of a tag.
fn listed(made: &Made, limits: &GitLimits) -> Result<Vec<(String, Kind)>, GitSourceError> {
    made.tag("v1", made.commit);
    listed_as_tagged(made, limits)
}

fn listed_as_tagged(made: &Made, limits: &GitLimits) -> Result<Vec<(String, Kind)>, GitSourceError> {
    let clone = Clone::open(made.path(), limits)?;
    let commit = clone.commit(&clone.tag("v1")?)?;
    let listing = clone.listing(&commit)?;
    Ok(listing.entries.into_iter().map(|(path, entry)| (path, entry.kind)).collect())
}

/// Writes the tree of a tag into a folder.
fn written(made: &Made) -> Result<tempfile::TempDir, GitSourceError> {
    made.tag("v1", made.commit);
    written_as_tagged(made)
}

fn written_as_tagged(made: &Made) -> Result<tempfile::TempDir, GitSourceError> {
    let clone = open(made);
    let commit = clone.commit(&clone.tag("v1")?)?;
    let listing = clone.listing(&commit)?;
    let outer = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::create_dir(outer.path().join("to")).unwrap();
    clone.write(&listing, &outer.path().join("to"))?;
    Ok(outer)
}

#[test]
fn a_tag_s_tree_is_written_as_it_stands() {
    use std::os::unix::fs::PermissionsExt as _;
    let made = Made::new(&[
        ("go.mod", 0o100_644, b"module m\n"),
        ("cmd/x/main.go", 0o100_644, b"package main\n"),
        ("build.sh", 0o100_755, b"#!/bin/sh\n"),
        ("docs/link", 0o120_000, b"../cmd/x"),
        ("module", 0o160_000, b"0123456789012345678901234567890123456789"),
    ]);
    let outer = written(&made).unwrap();
    let to = outer.path().join("to");
    let mode = |path: &str| fs::metadata(to.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("go.mod"), mode("build.sh"), mode("cmd")), (0o644, 0o755, 0o755));
    assert_eq!(fs::read_to_string(to.join("docs/link/main.go")).unwrap(), "package main\n");
    assert_eq!(fs::read_dir(to.join("module")).unwrap().count(), 0, "a submodule is an empty folder");
    let clone = open(&made);
    let commit = clone.commit(&clone.tag("v1").unwrap()).unwrap();
    assert_eq!((commit.time.as_second(), &commit.id), (TIME, &made.commit.to_string()));
    let listing = clone.listing(&commit).unwrap();
    let packed = |clone: &Clone| {
        let mut bytes = Vec::new();
        std::io::copy(&mut clone.pack(&listing, outer.path()).unwrap(), &mut bytes).unwrap();
        bytes
    };
    assert_eq!(packed(&clone), packed(&open(&made)), "one tree has one archive");
}

#[test]
fn names_and_links_that_lead_elsewhere_are_refused() {
    for name in ["..", ".", ".git", ".GIT", ".git/hooks/post-checkout"] {
        let made = Made::new(&[(name, 0o100_755, b"#!/bin/sh\nexit 1\n")]);
        let error = listed(&made, &LIMITS).unwrap_err();
        assert!(matches!(error, GitSourceError::Tree { .. }), "{name}: {error}");
    }
    let chained: [(&str, &str, bool); 9] = [
        ("a", "/etc/passwd", false),
        ("a", "../x", false),
        ("d/a", "../../x", false),
        ("d/a", "../x", true),
        ("d/a", "x/../../..", false),
        ("a", "x//y", false),
        ("a", "", false),
        ("a", "x\ny", false),
        ("a", "./x", true),
    ];
    for (path, target, fits) in chained {
        let made = Made::new(&[(path, 0o120_000, target.as_bytes())]);
        assert_eq!(listed(&made, &LIMITS).unwrap().len(), 1, "a link is listed whatever it is");
        match written(&made) {
            Ok(_) => assert!(fits, "{target}"),
            Err(error) => assert!(!fits && matches!(error, GitSourceError::Tree { .. }), "{target}: {error}"),
        }
    }
}

#[test]
fn each_bound_is_named() {
    let made = Made::new(&[("a/b/c", 0o100_644, &[7; 1000]), ("d", 0o100_644, b"1"), ("e", 0o100_644, b"2")]);
    for (limits, expected) in [
        (GitLimits { file_bytes_max: 999, ..LIMITS }, "file_bytes_max"),
        (GitLimits { tree_bytes_max: 1001, ..LIMITS }, "tree_bytes_max"),
        (GitLimits { entries_max: 4, ..LIMITS }, "entries_max"),
        (GitLimits { depth_max: 1, ..LIMITS }, "depth_max"),
        (GitLimits { object_bytes_max: 40, ..LIMITS }, "object_bytes_max"),
        (GitLimits { store_files_max: 0, ..LIMITS }, "store_files_max"),
    ] {
        if expected == "store_files_max" {
            fs::write(made.path().join(".git/objects/info/x"), "").unwrap();
        }
        let error = listed(&made, &limits).unwrap_err();
        assert!(matches!(&error, GitSourceError::Limit { limit, .. } if *limit == expected), "{error}");
    }
    assert_eq!(listed(&made, &LIMITS).unwrap().len(), 3);
    let deep = open(&made);
    let tagged = |of: Oid, n: usize| {
        let text = format!("object {of}\ntype tag\ntag t{n}\ntagger A <a@b> {TIME} +0000\n\nm\n");
        made.repository.odb().unwrap().write(ObjectType::Tag, text.as_bytes()).unwrap()
    };
    let first = format!("object {}\ntype commit\ntag t\ntagger A <a@b> {TIME} +0000\n\nm\n", made.commit);
    let mut tag = made.repository.odb().unwrap().write(ObjectType::Tag, first.as_bytes()).unwrap();
    for n in 0..20 {
        tag = tagged(tag, n);
    }
    made.tag("deep", tag);
    let error = deep.commit(&deep.tag("deep").unwrap()).unwrap_err();
    assert!(matches!(error, GitSourceError::Limit { limit: "tags_deep_max", .. }), "{error}");
}

/// No hook, filter, configuration or include of the clone is looked at, and a pipe in it stops nobody.
#[test]
fn nothing_of_a_clone_acts() {
    let made = Made::new(&[
        (".gitattributes", 0o100_644, b"* filter=evil export-subst\n"),
        ("file", 0o100_644, b"$Format:%H$\n"),
    ]);
    made.tag("v1", made.commit);
    let ran = made.path().join("ran");
    let act = format!("touch {}", ran.display());
    let config = format!(
        "[core]\n\tfsmonitor = {act}\n\thooksPath = {0}\n[filter \"evil\"]\n\tsmudge = {act}\n\trequired = true\n[include]\n\tpath = {0}/fifo\n[extensions]\n\tnoop = 1\n",
        made.path().join("hooks").display(),
    );
    fs::write(made.path().join(".git/config"), config).unwrap();
    fs::create_dir(made.path().join("hooks")).unwrap();
    for hooks in [made.path().join("hooks"), made.path().join(".git/hooks")] {
        fs::create_dir_all(&hooks).unwrap();
        fs::write(hooks.join("post-checkout"), format!("#!/bin/sh\n{act}\n")).unwrap();
    }
    let clone = open(&made);
    let listing = clone.listing(&clone.commit(&clone.tag("v1").unwrap()).unwrap()).unwrap();
    let to = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    clone.write(&listing, to.path()).unwrap();
    assert_eq!(fs::read_to_string(to.path().join("file")).unwrap(), "$Format:%H$\n", "no filter wrote it");
    assert!(!ran.exists());
    for place in [".git/packed-refs", ".git/objects/info/alternates", ".git/objects/pack/pack-1.idx"] {
        let path = made.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made_pipe = Command::new("mkfifo").arg(&path).status();
        if !made_pipe.is_ok_and(|status| status.success()) {
            symlink("/dev/zero", &path).unwrap();
        }
        let refused = Clone::open(made.path(), &LIMITS).and_then(|c| c.tag("v2").map(|_| ()));
        assert!(matches!(refused, Err(GitSourceError::Clone { .. })), "{place}: {refused:?}");
        fs::remove_file(&path).unwrap();
    }
    let id = made.commit.to_string();
    let loose = made.path().join(".git/objects").join(&id[..2]).join(&id[2..]);
    fs::remove_file(&loose).unwrap();
    symlink("/dev/zero", &loose).unwrap();
    let error = open(&made).tag("v1").unwrap_err();
    assert!(matches!(error, GitSourceError::Object { .. }), "{error}");
}

#[test]
fn objects_that_are_not_what_they_are_called_are_refused() {
    let made = Made::new(&[("file", 0o100_644, b"good")]);
    made.tag("v1", made.commit);
    let good = Oid::hash_object(ObjectType::Blob, b"good").unwrap().to_string();
    let evil = made.repository.blob(b"evil").unwrap().to_string();
    let at = |id: &str| made.path().join(".git/objects").join(&id[..2]).join(&id[2..]);
    fs::remove_file(at(&good)).unwrap();
    fs::copy(at(&evil), at(&good)).unwrap();
    let error = written(&made).unwrap_err();
    assert!(matches!(error, GitSourceError::Object { .. }), "{error}");
    fs::remove_file(at(&good)).unwrap();
    let error = written(&made).unwrap_err();
    assert!(matches!(error, GitSourceError::Missing { .. }), "{error}");
    for (name, content) in [("broken", "ref: refs/heads/main\n"), ("short", "0123\n"), ("tree", "")] {
        let tree = made.repository.find_commit(made.commit).unwrap().tree_id().to_string();
        let content = if content.is_empty() { &tree } else { content };
        fs::write(made.path().join(".git/refs/tags").join(name), content).unwrap();
        let error = open(&made).tag(name).unwrap_err();
        assert!(matches!(error, GitSourceError::Object { .. }), "{name}: {error}");
    }
    for name in ["absent", "../heads/main", "/etc/passwd", ""] {
        let error = open(&made).tag(name).unwrap_err();
        assert!(matches!(error, GitSourceError::Missing { .. }), "{name}: {error}");
    }
    assert!(matches!(Clone::open(Path::new("/nonexistent"), &LIMITS), Err(GitSourceError::Clone { .. })));
}

#[test]
fn packed_refs_bare_clones_and_work_trees_are_read() {
    let made = Made::new(&[("file", 0o100_644, b"x")]);
    let packed = format!("# pack-refs with: peeled\n{} refs/tags/v1\n^{0}\n", made.commit);
    fs::write(made.path().join(".git/packed-refs"), packed).unwrap();
    assert_eq!(open(&made).tag("v1").unwrap().id, made.commit.to_string());
    let bare = Clone::open(&made.path().join(".git"), &LIMITS).unwrap();
    assert_eq!(bare.tag("v1").unwrap().id, made.commit.to_string());
    let tree = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let own = made.path().join(".git/worktrees/w");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("commondir"), "../..\n").unwrap();
    fs::write(tree.path().join(".git"), format!("gitdir: {}\n", own.display())).unwrap();
    let linked = Clone::open(tree.path(), &LIMITS).unwrap();
    assert_eq!(linked.tag("v1").unwrap().id, made.commit.to_string());
}

#[test]
fn earlier_tags_are_those_that_the_history_reaches() {
    let made = Made::new(&[("file", 0o100_644, b"1")]);
    made.tag("v1", made.commit);
    let next = made.then("v2", &[("file", 0o100_644, b"2")]);
    let clone = open(&made);
    let of = |tag: &str| clone.commit(&clone.tag(tag).unwrap()).unwrap();
    assert_eq!(clone.reaches(&of("v2"), &of("v1").id).unwrap(), Some(true));
    assert_eq!(clone.reaches(&of("v1"), &of("v2").id).unwrap(), Some(false));
    let id = made.commit.to_string();
    fs::remove_file(made.path().join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
    let unknown = "0123456789012345678901234567890123456789";
    let shallow = clone.object(&next.to_string()).and_then(|raw| clone.commit(&raw)).unwrap();
    let fresh = open(&made);
    assert_eq!(fresh.reaches(&shallow, unknown).unwrap(), None, "the clone ends before that can be told");
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // The library refuses to write names that climb.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("packed");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn drifted(packed: &[u8], made: &Made, folder: &str) -> Drift {
    let (_folder, path) = file(packed);
    let packed = Packaged::read("packed", &path).unwrap();
    made.tag("v1", made.commit);
    let clone = open(made);
    let listing = clone.listing(&clone.commit(&clone.tag("v1").unwrap()).unwrap()).unwrap();
    drift(&packed, &clone, &listing, folder).unwrap()
}

fn unexplained(drift: &Drift) -> Vec<(&str, &'static str)> {
    drift.unexplained().map(|f| (f.path.as_str(), f.way.words())).collect()
}

#[test]
fn a_module_s_zip_drifts_by_everything_but_go_s_rules() {
    let made = Made::new(&[
        ("go.mod", 0o100_644, b"module m\n"),
        ("a.go", 0o100_644, b"package a\n"),
        ("link", 0o120_000, b"a.go"),
        ("sub/go.mod", 0o100_644, b"module m/sub\n"),
        ("sub/x.go", 0o100_644, b"package sub\n"),
        ("vendor/m/y.go", 0o100_644, b"package y\n"),
        ("third", 0o160_000, b"0123456789012345678901234567890123456789"),
    ]);
    let good: [(&str, &[u8]); 2] =
        [("m.x/m@v1.0.0/go.mod", b"module m\n"), ("m.x/m@v1.0.0/a.go", b"package a\n")];
    let drift = drifted(&module_zip(&good), &made, "");
    assert_eq!((drift.same, drift.explained(), unexplained(&drift)), (2, 5, vec![]));
    assert_eq!(drift.submodules, ["third"]);
    for (change, expected) in [
        (("m.x/m@v1.0.0/a.go", &b"package evil\n"[..]), ("a.go", "other bytes than in the tagged tree")),
        (("m.x/m@v1.0.0/a.go", b"package a\r\n"), ("a.go", "other line ends than in the tagged tree")),
        (("m.x/m@v1.0.0/evil.go", b"package a\n"), ("evil.go", "not in the tagged tree")),
        (("m.x/m@v1.0.0/LICENSE", b"?"), ("LICENSE", "not in the tagged tree")),
        (("m.x/m@v1.0.0/third", b"?"), ("third", "other bytes than in the tagged tree")),
    ] {
        let mut members: Vec<_> = good.iter().filter(|(name, _)| *name != change.0).copied().collect();
        members.push(change);
        let drift = drifted(&module_zip(&members), &made, "");
        assert_eq!(unexplained(&drift), [expected]);
    }
    let drift = drifted(&module_zip(&good[..1]), &made, "");
    assert_eq!(unexplained(&drift), [("a.go", "only in the tagged tree")]);
    let inner: [(&str, &[u8]); 2] =
        [("m.x/m/sub@v1.0.0/go.mod", b"module m/sub\n"), ("m.x/m/sub@v1.0.0/x.go", b"package sub\n")];
    let drift = drifted(&module_zip(&inner), &made, "sub/");
    assert_eq!((drift.same, unexplained(&drift)), (2, vec![]));
}

#[test]
fn source_distributions_and_crates_have_rules_of_their_own() {
    let made = Made::new(&[
        ("setup.py", 0o100_644, b"setup()\n"),
        ("setup.cfg", 0o100_644, b"[flake8]\n"),
        ("tests/t.py", 0o100_644, b""),
        ("Cargo.toml", 0o100_644, b"[package]\n"),
    ]);
    let id = made.commit.to_string();
    let info = format!("{{\"git\":{{\"sha1\":\"{id}\"}}}}");
    let egg: &[u8] = b"[flake8]\n\n[egg_info]\ntag_build = \ntag_date = 0\n\n";
    let sdist: Vec<(&str, &[u8])> = vec![
        ("p-1/PKG-INFO", b"Name: p\n"),
        ("p-1/setup.py", b"setup()\n"),
        ("p-1/setup.cfg", egg),
        ("p-1/p.egg-info/SOURCES.txt", b"setup.py\n"),
    ];
    let packed: Vec<(&str, &[u8])> = vec![
        ("c-1/Cargo.toml.orig", b"[package]\n"),
        ("c-1/Cargo.toml", b"# rewritten\n[package]\n"),
        ("c-1/Cargo.lock", b"version = 4\n"),
        ("c-1/.cargo_vcs_info.json", info.as_bytes()),
        ("c-1/setup.py", b"setup()\n"),
    ];
    for good in [&sdist, &packed] {
        assert_eq!(unexplained(&drifted(&tar(good), &made, "")), []);
    }
    let other: &[u8] = b"{\"git\":{\"sha1\":\"0123456789012345678901234567890123456789\"}}";
    let hidden: &[u8] = b"[flake8]\n\n[egg_info]\ntag_build = \ntag_date = 0\n[build]\nx = 1\n";
    for (good, change, expected) in [
        (&sdist, ("p-1/setup.cfg", hidden), "setup.cfg"),
        (&sdist, ("p-1/build-to-host.m4", b"x"), "build-to-host.m4"),
        (&sdist, ("p-1/p.egg-info/evil.py", b"x"), "p.egg-info/evil.py"),
        (&sdist, ("p-1/setup.py", b"setup() # x\n"), "setup.py"),
        (&packed, ("c-1/Cargo.toml.orig", b"[package] # x\n"), "Cargo.toml.orig"),
        (&packed, ("c-1/.cargo_vcs_info.json", other), ".cargo_vcs_info.json"),
        (&packed, ("c-1/build.rs", b"x"), "build.rs"),
    ] {
        let mut members: Vec<_> = good.iter().filter(|(name, _)| *name != change.0).copied().collect();
        members.push(change);
        let found = drifted(&tar(&members), &made, "");
        let paths: Vec<_> = found.unexplained().map(|f| f.path.as_str()).collect();
        assert!(paths.contains(&expected), "{expected}: {paths:?}");
    }
    for broken in
        [&tar(&[("../x/a", b"")])[..], &tar(&[("a/x", b""), ("b/x", b"")]), b"PK\x03\x04", b"", b"x"]
    {
        let (_folder, path) = file(broken);
        assert!(Packaged::read("packed", &path).is_err());
    }
}

/// What the packer's own configuration has made from the tag is explained as long as it tells a version and
/// nothing else; anything more in it, and any file that is not declared, is drift.
#[test]
fn a_version_s_file_is_explained_while_it_holds_no_code() {
    let project: &[u8] = b"[tool.setuptools_scm]\nversion_file = \"p/_version.py\"\n";
    let made = Made::new(&[("pyproject.toml", 0o100_644, project), ("p/a.py", 0o100_644, b"x = 1\n")]);
    let text: &[u8] = b"# file generated by setuptools-scm\n# don't change, don't track in version control\n\n__version__ = version = '1.0'\n__version_tuple__ = version_tuple = (1, 0)\n";
    let evil = [text, b"import os; os.system('id')\n"].concat();
    let with = |path: &str, content: &[u8], project: &[u8]| {
        let members: [(&str, &[u8]); 4] = [
            ("p-1/PKG-INFO", b"Name: p\n"),
            ("p-1/pyproject.toml", project),
            ("p-1/p/a.py", b"x = 1\n"),
            (path, content),
        ];
        let drift = drifted(&tar(&members), &made, "");
        unexplained(&drift).into_iter().map(|(path, _)| path.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(with("p-1/p/_version.py", text, project), Vec::<String>::new());
    assert_eq!(with("p-1/p/_version.py", &evil, project), ["p/_version.py"]);
    assert_eq!(with("p-1/p/_version.py", b"", project), ["p/_version.py"]);
    assert_eq!(with("p-1/p/other_version.py", text, project), ["p/other_version.py"], "nobody declared it");
    // What counts is the tagged tree's configuration, and not the packed one's.
    let own: &[u8] = b"[tool.setuptools_scm]\nversion_file = \"p/b_version.py\"\n";
    assert_eq!(with("p-1/p/b_version.py", text, own), ["p/b_version.py", "pyproject.toml"]);
}

#[test]
fn the_command_says_what_drifted() {
    let made = Made::new(&[("go.mod", 0o100_644, b"module m\n"), ("a.go", 0o100_644, b"package a\n")]);
    made.tag("v1.0.0", made.commit);
    let run = |members: &[(&str, &[u8])], more: &[&str]| {
        let (_folder, path) = file(&module_zip(members));
        let output = Command::new(env!("CARGO_BIN_EXE_reprove"))
            .args(["--format", "json", "drift"])
            .arg(&path)
            .arg("--repository")
            .arg(made.path())
            .args(more)
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap(), answer)
    };
    let good: [(&str, &[u8]); 2] =
        [("m.x/m@v1.0.0/go.mod", b"module m\n"), ("m.x/m@v1.0.0/a.go", b"package a\n")];
    let (code, answer) = run(&good, &["--tag", "v1.0.0"]);
    assert_eq!((code, &answer["verdict"], &answer["same"]), (0, &"pass".into(), &2.into()));
    assert_eq!(run(&good, &["--commit", &made.commit.to_string()]).0, 0);
    let (code, answer) = run(&[good[0], ("m.x/m@v1.0.0/a.go", b"x")], &["--tag", "v1.0.0"]);
    assert_eq!((code, &answer["drifted"][0]["path"]), (1, &"a.go".into()));
    assert_eq!(run(&good, &["--tag", "v2.0.0"]).0, 4, "a tag that is not there could not be looked at");
    assert_eq!(run(&good, &[]).0, 2);
}

/// Bytes changed at a few places, otherwise each time; the same on every machine.
pub(crate) fn mutated(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    };
    let mut bytes = bytes.to_vec();
    for _ in 0..=next(4) {
        let at = next(bytes.len());
        match next(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, next(256) as u8),
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = next(256) as u8;
                }
            }
        }
    }
    bytes
}

/// Objects that hash to their names and are none that git writes, and archives that nobody packs: each is
/// read or refused, and nothing else.
#[test]
fn damaged_objects_and_archives_are_read_or_refused() {
    let made = Made::new(&[("a/b", 0o100_644, b"x"), ("l", 0o120_000, b"a/b"), ("z", 0o100_755, b"z")]);
    let odb = made.repository.odb().unwrap();
    let commit = odb.read(made.commit).unwrap().data().to_vec();
    let tree_id = made.repository.find_commit(made.commit).unwrap().tree_id();
    let tree = odb.read(tree_id).unwrap().data().to_vec();
    let tag = format!("object {}\ntype commit\ntag v1\ntagger A <a@b> {TIME} +0000\n\nm\n", made.commit)
        .into_bytes();
    let (mut read, mut refused) = (0, 0);
    for seed in 0..400 {
        let changed = odb.write(ObjectType::Tree, &mutated(&tree, seed)).unwrap();
        let text =
            String::from_utf8(commit.clone()).unwrap().replace(&tree_id.to_string(), &changed.to_string());
        for (kind, bytes) in [
            (ObjectType::Commit, text.into_bytes()),
            (ObjectType::Commit, mutated(&commit, seed)),
            (ObjectType::Tag, mutated(&tag, seed)),
        ] {
            made.tag("v1", odb.write(kind, &bytes).unwrap());
            match listed_as_tagged(&made, &LIMITS).and_then(|_| written_as_tagged(&made).map(drop)) {
                Ok(()) => read += 1,
                Err(_) => refused += 1,
            }
        }
        let members: [(&str, &[u8]); 2] = [("m.x/m@v1.0.0/go.mod", b"module m\n"), ("m.x/m@v1.0.0/a", b"a")];
        for bytes in [module_zip(&members), tar(&[("p-1/PKG-INFO", b"Name: p\n"), ("p-1/a", b"a")])] {
            let (_folder, path) = file(&mutated(&bytes, seed));
            match Packaged::read("packed", &path) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
}
