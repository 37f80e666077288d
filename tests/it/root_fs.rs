//! Root file systems made from .debs that are written here: what comes out, that it never depends on
//! chance, and what hostile packages get.

mod cache;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use miette::Diagnostic as _;
use reprove::digest::Digest;
use reprove::environment::lock::{LockedPackage, LockedPath};
use reprove::environment::root_fs::{self, BuildUser, Options, RootFs, RootFsError};
use reprove::event::Silent;
use reprove::limits::root_fs::RootFsLimits;
use tar::EntryType;

/// A package to be written as a .deb.
#[derive(Clone)]
struct Deb {
    name: &'static str,
    fields: String,
    scripts: Vec<(&'static str, String)>,
    members: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    path: Vec<u8>,
    kind: EntryType,
    mode: u32,
    body: Vec<u8>,
    link: Vec<u8>,
}

fn entry(path: &str, kind: EntryType, mode: u32, body: &str, link: &str) -> Entry {
    Entry { path: path.into(), kind, mode, body: body.into(), link: link.into() }
}

impl Deb {
    fn new(name: &'static str) -> Self {
        Self { name, fields: String::new(), scripts: Vec::new(), members: Vec::new() }
    }
    fn field(mut self, line: &str) -> Self {
        self.fields.push_str(&format!("{line}\n"));
        self
    }
    fn script(mut self, name: &'static str, text: &str) -> Self {
        self.scripts.push((name, text.to_owned()));
        self
    }
    fn with(mut self, path: &str, kind: EntryType, mode: u32, body: &str, link: &str) -> Self {
        self.members.push(entry(path, kind, mode, body, link));
        self
    }
    fn file(self, path: &str, body: &str) -> Self {
        self.with(path, EntryType::Regular, 0o644, body, "")
    }
    fn folder(self, path: &str) -> Self {
        self.with(path, EntryType::Directory, 0o755, "", "")
    }
    fn link(self, path: &str, target: &str) -> Self {
        self.with(path, EntryType::Symlink, 0o777, "", target)
    }
    fn hard(self, path: &str, target: &str) -> Self {
        self.with(path, EntryType::Link, 0o644, "", target)
    }

    fn bytes(&self) -> Vec<u8> {
        let control = format!(
            "Package: {}\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: Nobody <nobody@example.invalid>\n{}\
             Description: test\n",
            self.name, self.fields
        );
        let mut members = vec![entry("./", EntryType::Directory, 0o755, "", "")];
        members.push(entry("./control", EntryType::Regular, 0o644, &control, ""));
        members.extend(
            self.scripts.iter().map(|(n, t)| entry(&format!("./{n}"), EntryType::Regular, 0o755, t, "")),
        );
        deb(&xz(&tar_of(&members)), &xz(&tar_of(&self.members)))
    }
}

fn deb(control: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, body) in
        [("debian-binary", b"2.0\n".as_slice()), ("control.tar.xz", control), ("data.tar.xz", data)]
    {
        bytes
            .extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 7, 0, 0, 100644, body.len()).bytes());
        bytes.extend_from_slice(body);
        if body.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Headers are filled by hand: a well-behaved writer refuses what is tested here.
fn tar_of(members: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, member) in members.iter().enumerate() {
        for (kind, name) in [(b'L', &member.path), (b'K', &member.link)] {
            if name.len() > 100 {
                let mut header = tar::Header::new_gnu();
                header.set_size(name.len() as u64 + 1);
                header.set_entry_type(EntryType::new(kind));
                header.set_cksum();
                bytes.extend_from_slice(header.as_bytes());
                bytes.extend_from_slice(name);
                bytes.resize(bytes.len() + 1, 0);
                bytes.resize(bytes.len().next_multiple_of(512), 0);
            }
        }
        let mut header = tar::Header::new_gnu();
        let old = header.as_old_mut();
        let fill = |slot: &mut [u8], name: &[u8]| {
            let n = name.len().min(slot.len());
            slot[..n].copy_from_slice(&name[..n]);
        };
        fill(&mut old.name, &member.path);
        fill(&mut old.linkname, &member.link);
        header.set_size(member.body.len() as u64);
        header.set_mode(member.mode);
        header.set_mtime(1_600_000_000 + number as u64);
        header.set_entry_type(member.kind);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(&member.body);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// What every tree needs to be accepted.
fn base() -> Deb {
    Deb::new("base-files")
        .folder("./")
        .folder("./etc/")
        .folder("./var/run/")
        .file("./etc/dpkg/origins/debian", "Vendor: Debian\n")
        .file("./usr/share/base-passwd/passwd.master", "root:*:0:0:root:/root:/bin/bash\n")
        .file("./usr/share/base-passwd/group.master", "root:*:0:\n")
}

/// A folder with .debs, and a sentinel outside the cache that nothing may touch.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/kept"), "untouched").unwrap();
        Self { folder }
    }
    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }
    fn outside(&self) -> String {
        self.folder.path().join("outside").display().to_string()
    }
    fn locked(&self, debs: &[Deb]) -> Vec<(LockedPackage, PathBuf)> {
        debs.iter()
            .enumerate()
            .map(|(i, d)| self.locked_bytes(&format!("{i}.deb"), d.name, &d.bytes()))
            .collect()
    }
    fn locked_bytes(&self, file: &str, name: &str, bytes: &[u8]) -> (LockedPackage, PathBuf) {
        let path = self.folder.path().join(file);
        fs::write(&path, bytes).unwrap();
        let file = LockedPath {
            archive: "debian".into(),
            path: String::new(),
            size: bytes.len() as u64,
            digest: Digest::sha256(bytes),
        };
        let (version, architecture) = ("1.0-1".to_owned(), "amd64".to_owned());
        (LockedPackage { name: name.to_owned(), version, architecture, file }, path)
    }
    fn make(&self, debs: &[Deb]) -> Result<RootFs, RootFsError> {
        root_fs::ensure(&self.cache(), &self.locked(debs), &options(4), &Silent)
    }
    /// The sentinel is as it was, and nothing lies beside it.
    fn check_outside(&self) {
        let outside = self.folder.path().join("outside");
        let names: Vec<_> = fs::read_dir(&outside).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["kept"]);
        assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "untouched");
        assert_eq!(fs::metadata(outside.join("kept")).unwrap().nlink(), 1, "a hard link leads outside");
    }
    /// Neither finished nor half-made trees are left.
    fn check_nothing_left(&self) {
        for entry in fs::read_dir(self.cache()).into_iter().flatten() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(name.ends_with(".lock"), "{name} is left");
        }
    }
}

fn options(threads: usize) -> Options {
    let limits = RootFsLimits::DEFAULT;
    Options { user: BuildUser { uid: 1000, gid: 1000 }, limits, threads: NonZeroUsize::new(threads).unwrap() }
}

/// Everything that can be seen of a tree.
fn manifest(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut seen = BTreeMap::new();
    let mut todo = vec![root.to_owned()];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let what = if meta.is_symlink() {
            format!("-> {}", fs::read_link(&path).unwrap().display())
        } else if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            "folder".to_owned()
        } else {
            format!("{} links, {}", meta.nlink(), Digest::sha256(&fs::read(&path).unwrap()))
        };
        let line = format!("{what} {:o} {}", meta.mode(), meta.mtime());
        seen.insert(path.strip_prefix(root).unwrap().to_owned(), line);
    }
    seen
}

fn read(root: &RootFs, path: &str) -> String {
    fs::read_to_string(root.path().join(path)).unwrap()
}

fn target(root: &RootFs, path: &str) -> String {
    fs::read_link(root.path().join(path)).unwrap().display().to_string()
}

fn code(error: &RootFsError) -> String {
    error.code().unwrap().to_string()
}

fn two_tools() -> [Deb; 3] {
    let tool = |name, path: &str, priority: u32| {
        Deb::new(name).folder("./").folder("./usr/bin/").file(path, name).script(
            "postinst",
            &format!(
                "#!/bin/sh\nset -e\nupdate-alternatives --install /usr/bin/tool tool {} {priority} \\\n \
                 --slave /usr/share/man/tool.1 tool.1 /usr/share/man/none.1\n",
                path.trim_start_matches('.')
            ),
        )
    };
    [
        base(),
        tool("tool-a", "./usr/bin/tool.a", 10).folder("./bin/").file("./bin/early", "merged"),
        tool("tool-b", "./usr/bin/tool.b", 20)
            .field("Multi-Arch: same")
            .script("conffiles", "/etc/tool.conf\n")
            .file("./etc/tool.conf", "x")
            .with("./usr/bin/su", EntryType::Regular, 0o4755, "root!", "")
            .hard("./usr/bin/su2", "./usr/bin/su")
            .link("./usr/bin/soft", "../lib/anything")
            .with("./tmp/", EntryType::Directory, 0o1777, "", ""),
    ]
}

#[test]
fn what_scripts_would_have_made_is_there() {
    let place = Place::new();
    let root = place.make(&two_tools()).unwrap();
    assert_eq!(root.vendor().unwrap(), "Debian");
    assert_eq!(target(&root, "etc/dpkg/origins/default"), "debian");
    for name in ["bin", "sbin", "lib", "lib64"] {
        assert_eq!(target(&root, name), format!("usr/{name}"));
    }
    assert!(!root.path().join("lib32").exists());
    assert_eq!(read(&root, "usr/bin/early"), "merged");
    assert_eq!(
        (target(&root, "usr/bin/tool").as_str(), target(&root, "etc/alternatives/tool").as_str()),
        ("/etc/alternatives/tool", "/usr/bin/tool.b")
    );
    assert!(!root.path().join("etc/alternatives/tool.1").is_symlink(), "a slave without its file");
    assert_eq!(target(&root, "var/run"), "/run");
    assert!(read(&root, "etc/passwd").ends_with("build:x:1000:1000:build user:/nonexistent:/bin/sh\n"));
    assert!(read(&root, "etc/group").starts_with("root:*:0:\nbuild:x:1000:"));
    for folder in ["build", "proc", "sys", "dev", "tmp", "run"] {
        assert!(root.path().join(folder).is_dir(), "{folder}");
    }
    let status = read(&root, "var/lib/dpkg/status");
    assert_eq!(status.matches("Status: install ok installed\n").count(), 3);
    let md5_of_x = "9dd4e461268c8034f5c8564e155c67a6";
    assert!(status.contains(&format!("Conffiles:\n /etc/tool.conf {md5_of_x}\n")), "{status}");
    assert_eq!(
        read(&root, "var/lib/dpkg/info/tool-a.list"),
        "/.\n/usr/bin\n/usr/bin/tool.a\n/bin\n/bin/early\n"
    );
    assert!(
        read(&root, "var/lib/dpkg/info/tool-b:amd64.md5sums")
            .contains(&format!("{md5_of_x}  etc/tool.conf\n"))
    );
    let su = fs::metadata(root.path().join("usr/bin/su")).unwrap();
    assert_eq!((su.mode() & 0o7777, su.nlink()), (0o755, 2), "set-user-ID bits are dropped, hard links kept");
    assert_eq!(fs::metadata(root.path().join("tmp")).unwrap().mode() & 0o7777, 0o1777);
    assert_eq!((root.members(), root.notes()), (19, [].as_slice()));
}

#[test]
fn the_tree_depends_on_neither_order_nor_threads_nor_umask() {
    let mut debs: Vec<Deb> = two_tools().to_vec();
    for (i, name) in ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"].into_iter().enumerate() {
        let mut deb = Deb::new(name).with(
            "./usr/share/many/",
            EntryType::Directory,
            0o755 - (i as u32 & 1) * 0o55,
            "",
            "",
        );
        for n in 0..40 {
            deb = deb.file(&format!("./usr/share/many/{n}/{name}"), name);
        }
        // Each replaces the ones before it.
        let replaces: Vec<String> = (0..i).map(|n| format!("p{n} (<< 2)")).collect();
        if !replaces.is_empty() {
            deb = deb.field(&format!("Replaces: {}", replaces.join(", ")));
        }
        debs.push(deb.file("./usr/share/shared", name).link("./usr/share/shared-link", name));
    }
    let mut seen: Option<(BTreeMap<PathBuf, String>, Vec<_>)> = None;
    for (round, threads) in [1, 4, 8, 2, 8].into_iter().enumerate() {
        let place = Place::new();
        debs.rotate_left(round);
        let locked = place.locked(&debs);
        let root = root_fs::ensure(&place.cache(), &locked, &options(threads), &Silent).unwrap();
        assert_eq!(read(&root, "usr/share/shared"), "p7");
        assert_eq!(target(&root, "usr/share/shared-link"), "p7");
        assert!(!read(&root, "var/lib/dpkg/info/p0.list").contains("shared"));
        let found = (manifest(root.path()), root.notes().to_vec());
        match &seen {
            Some(first) => assert_eq!(*first, found, "{threads} threads, rotation {round}"),
            None => seen = Some(found),
        }
    }
}

#[test]
fn who_keeps_a_path_that_two_packages_ship_is_decided_by_what_they_say() {
    let a = || Deb::new("a").file("./usr/x", "a");
    let b = || Deb::new("b").file("./usr/x", "b");
    let check = |debs: Vec<Deb>, expected: Result<&str, &str>| {
        let place = Place::new();
        let debs: Vec<Deb> = debs.into_iter().chain([base()]).collect();
        let made = place.make(&debs);
        match (made, expected) {
            (Ok(root), Ok(text)) => assert_eq!(read(&root, "usr/x"), text),
            (Err(error), Err(expected)) => {
                assert_eq!(code(&error), expected, "{error}");
                place.check_nothing_left();
            }
            (made, expected) => panic!("{made:?}, expected {expected:?}"),
        }
    };
    check(vec![a(), b().field("Replaces: a")], Ok("b"));
    check(vec![a().field("Replaces: b (<< 9)"), b()], Ok("a"));
    check(vec![a().field("Replaces: b"), b().field("Replaces: a")], Ok("b"));
    check(vec![a().script("preinst", "dpkg-divert --package a --add /usr/x\n"), b()], Ok("a"));
    check(vec![a(), b()], Err("root_fs::conflict"));
    check(vec![a(), b().field("Replaces: other")], Err("root_fs::conflict"));
    check(vec![a().file("./usr/x", "again")], Err("root_fs::conflict"));
    // The same place by its two names.
    let merged = |name| Deb::new(name).file("./lib/y", name);
    check(vec![merged("m"), Deb::new("n").file("./usr/lib/y", "n")], Err("root_fs::conflict"));
    // A file or link against a folder.
    // Which of the two is met first only changes the words.
    for other in [Deb::new("l").link("./usr/d", "/tmp"), Deb::new("l").file("./usr/d", "x")] {
        let folder = Deb::new("k").folder("./usr/d/").file("./usr/d/f", "x").field("Replaces: l");
        let place = Place::new();
        let error = place.make(&[base(), other, folder]).unwrap_err();
        assert!(["root_fs::member", "root_fs::conflict"].contains(&code(&error).as_str()), "{error}");
    }
    check(vec![a(), a()], Err("root_fs::duplicate"));
}

#[test]
fn hostile_members_are_refused_and_nothing_outside_is_touched() {
    let place = Place::new();
    let outside = place.outside();
    let deb = || Deb::new("evil").folder("./");
    let long = "n".repeat(300);
    let cases: Vec<(&str, Deb, &str)> = vec![
        ("climbs", deb().file("./../outside/new", "x"), "root_fs::member"),
        ("climbs late", deb().file("./usr/../../../../outside/new", "x"), "root_fs::member"),
        ("absolute", deb().file(&format!("{outside}/new"), "x"), "root_fs::member"),
        ("absolute after a dot", deb().file(&format!("./{outside}/new"), "x"), "root_fs::member"),
        ("through an absolute link", deb().link("./out", &outside).file("./out/new", "x"), "root_fs::member"),
        (
            "through a climbing link",
            deb().link("./out", "../../../outside").file("./out/new", "x"),
            "root_fs::member",
        ),
        (
            "over a link",
            deb().link("./out", &format!("{outside}/kept")).file("./out", "x"),
            "root_fs::conflict",
        ),
        ("folder over a link", deb().link("./out", &outside).folder("./out/"), "root_fs::member"),
        ("link through a link", deb().link("./out", &outside).link("./out/new", "x"), "root_fs::member"),
        ("hard link outside", deb().hard("./new", &format!("{outside}/kept")), "root_fs::member"),
        ("hard link climbing", deb().hard("./new", "./../../outside/kept"), "root_fs::member"),
        (
            "hard link to a link",
            deb().link("./out", &format!("{outside}/kept")).hard("./new", "./out"),
            "root_fs::member",
        ),
        (
            "hard link through a link",
            deb().link("./out", &outside).hard("./new", "./out/kept"),
            "root_fs::member",
        ),
        ("hard link to another package", deb().hard("./new", "./etc/dpkg/origins/debian"), "root_fs::member"),
        ("merged link elsewhere", deb().link("./bin", &outside), "root_fs::member"),
        ("usr is a link", deb().link("./usr", &outside), "root_fs::"),
        ("etc is a link", deb().link("./etc", &outside), "root_fs::"),
        ("dpkg's database is a link", deb().link("./var/lib/dpkg", &outside), "root_fs::conflict"),
        (
            "dpkg's status is a link",
            deb().link("./var/lib/dpkg/status", &format!("{outside}/new")),
            "root_fs::conflict",
        ),
        ("another's list", deb().file("./var/lib/dpkg/info/base-files.list", "x"), "root_fs::conflict"),
        (
            "vendor outside",
            deb().link("./etc/dpkg/origins/default", &format!("{outside}/kept")),
            "root_fs::no_vendor",
        ),
        ("character device", deb().with("./dev/x", EntryType::Char, 0o666, "", ""), "root_fs::member"),
        ("block device", deb().with("./dev/x", EntryType::Block, 0o666, "", ""), "root_fs::member"),
        ("pipe", deb().with("./x", EntryType::Fifo, 0o666, "", ""), "root_fs::member"),
        (
            "extended header",
            deb().with("./x", EntryType::XHeader, 0o666, "20 path=/etc/passwd\n", ""),
            "root_fs::member",
        ),
        ("sparse file", deb().with("./x", EntryType::GNUSparse, 0o666, "", ""), "root_fs::member"),
        ("long component", deb().file(&format!("./{long}"), "x"), "root_fs::member"),
        ("long name", deb().file(&format!("./{}", "nn/".repeat(2000)), "x"), "root_fs::archive"),
        ("deep name", deb().file(&format!("./{}x", "n/".repeat(150)), "x"), "root_fs::member"),
        ("new line", deb().file("./a\n/etc", "x"), "root_fs::member"),
        ("empty name", deb().file("", "x"), "root_fs::member"),
        ("the root as a file", deb().file("./", "x"), "root_fs::"),
        (
            "a folder with a body",
            deb().with("./d/", EntryType::Directory, 0o755, "x", ""),
            "root_fs::archive",
        ),
        ("an empty link", deb().link("./x", ""), "root_fs::member"),
        ("control's member climbs", deb().script("../x", "x"), "root_fs::member"),
        ("control's member is a list", deb().script("list", "x"), "root_fs::member"),
        ("a second stanza", deb().field("\nPackage: other"), "root_fs::not_a_deb"),
        ("another name", Deb { name: "evil", ..deb() }.field("package: other"), "root_fs::not_a_deb"),
    ];
    for (what, deb, expected) in cases {
        let error = match place.make(&[base(), deb]) {
            Err(error) => error,
            Ok(root) => panic!("{what}: accepted as {}", root.path().display()),
        };
        assert!(code(&error).starts_with(expected), "{what}: {} {error:?}", code(&error));
        place.check_outside();
        place.check_nothing_left();
    }
}

#[test]
fn links_may_point_anywhere_but_are_never_followed() {
    let place = Place::new();
    let outside = place.outside();
    let deb = Deb::new("links")
        .link("./usr/share/base-files/profile", &format!("{outside}/kept"))
        .link("./usr/bin/chosen", &format!("{outside}/kept"))
        .script("postinst", "update-alternatives --install /usr/bin/t t /usr/bin/chosen 1\n");
    let root = place.make(&[base(), deb]).unwrap();
    assert!(!root.path().join("etc/profile").is_symlink(), "a default was copied through a link");
    assert!(!root.path().join("usr/bin/t").is_symlink(), "a link out of the tree counts as a program");
    place.check_outside();
}

#[test]
fn bombs_stop_at_their_limits() {
    let place = Place::new();
    let big = place.locked(&[base(), Deb::new("big").file("./x", &"0".repeat(1 << 20))]);
    let check = |change: fn(&mut RootFsLimits), packages: &[(LockedPackage, PathBuf)], limit: &str| {
        let mut options = options(2);
        change(&mut options.limits);
        let error = root_fs::ensure(&place.cache(), packages, &options, &Silent).unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains(limit), "{limit}: {text}");
        place.check_nothing_left();
    };
    check(|l| l.archive.expanded_bytes_max = 1 << 19, &big, "archive.expanded_bytes_max");
    check(|l| l.expanded_bytes_max = 1 << 19, &big, "\"expanded_bytes_max\"");
    check(|l| l.archive.members_max = 3, &big, "members_max");
    check(|l| l.packages_max = 1, &big, "packages_max");
    check(|l| l.control_bytes_max = 512, &big, "Limit");
    check(|l| l.archive.decoder_memory_bytes_max = 1 << 16, &big, "Archive");
    // A header that announces more than there is.
    let zeros = deb(&xz(&tar_of(&[])), &xz(&vec![0; 8 << 20]));
    check(|_| (), &[place.locked_bytes("zeros.deb", "zeros", &zeros)], "NotADeb");
}

#[test]
fn damaged_packages_are_told_from_hostile_ones() {
    let place = Place::new();
    let whole = base().bytes();
    let (locked, path) = place.locked_bytes("x.deb", "base-files", &whole);
    // Other bytes than the locked ones: always that, whatever else is wrong with them.
    for at in (0..whole.len()).step_by(37) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        for bytes in [flipped.as_slice(), &whole[..at]] {
            fs::write(&path, bytes).unwrap();
            let packages = [(locked.clone(), path.clone())];
            let error = root_fs::ensure(&place.cache(), &packages, &options(1), &Silent).unwrap_err();
            assert_eq!(code(&error), "root_fs::digest", "{error}");
        }
    }
    // The locked bytes, but cut short by who locked them.
    for at in (0..whole.len()).step_by(37) {
        let packages = [place.locked_bytes("x.deb", "base-files", &whole[..at])];
        let error = root_fs::ensure(&place.cache(), &packages, &options(1), &Silent).unwrap_err();
        assert!(
            ["root_fs::archive", "root_fs::not_a_deb"].contains(&code(&error).as_str()),
            "cut at {at}: {error}"
        );
    }
    let named = [place.locked_bytes("x.deb", "other", &whole)];
    let error = root_fs::ensure(&place.cache(), &named, &options(1), &Silent).unwrap_err();
    assert_eq!(code(&error), "root_fs::identity");
    let missing = [(locked, place.folder.path().join("missing.deb"))];
    let error = root_fs::ensure(&place.cache(), &missing, &options(1), &Silent).unwrap_err();
    assert_eq!(code(&error), "root_fs::io");
    place.check_nothing_left();
}
