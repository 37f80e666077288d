//! What maintainer scripts would have made, as far as builds need it.
//!
//! Made: the links of merged /usr, dpkg's database, alternatives, the vendor's name, users and groups,
//! a few files that scripts copy from defaults, mount points. Not made: the bundle of CA certificates,
//! Python byte code, caches of fonts, icons, MIME types, man pages and the linker, SGML and XML
//! catalogs, TeX formats, `info/dir`, locales other than `C.UTF-8`, debconf's answers, users of single
//! packages. glibc finds libraries in its default folders without a linker cache; a folder that a
//! package adds in `/etc/ld.so.conf.d` is not searched (fakeroot, the usual one, sets its own path).

use rustix::fs::FileType;

use super::alternatives::{self, Candidate, Group};
use super::error::RootFsError;
use super::name::{self, MERGED};
use super::package::{Folder, Unpacked};
use super::tree::{Tree, Walker};
use super::{BuildUser, Note};
use crate::limits::root_fs::RootFsLimits;

/// Files that scripts copy on first installation, where the source is there and the target is not:
/// base-files, base-passwd, debianutils, libc-bin.
const COPIES: [(&str, &str); 6] = [
    ("usr/share/base-files/dot.profile", "root/.profile"),
    ("usr/share/base-files/dot.bashrc", "root/.bashrc"),
    ("usr/share/base-files/profile", "etc/profile"),
    ("usr/share/base-files/motd", "etc/motd"),
    ("usr/share/debianutils/shells", "etc/shells"),
    ("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf"),
];

/// Folders that a sandbox mounts something on, or that scripts make, with their modes.
const FOLDERS: [(&str, u32); 13] = [
    ("build", 0o755),
    ("dev", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("var/mail", 0o755),
    ("var/tmp", 0o1777),
];

/// Links that base-files' script makes, where nothing is in the way.
const LINKS: [(&str, &str); 3] =
    [("var/run", "/run"), ("var/lock", "/run/lock"), ("var/spool/mail", "../mail")];

/// Bytes of a default file that is copied; the largest measured has 3 KiB.
const COPY_BYTES_MAX: u64 = 1 << 20;

/// Makes all of it.
pub(super) struct Generator<'a> {
    pub(super) tree: &'a Tree,
    pub(super) walker: Walker<'a>,
    pub(super) limits: &'a RootFsLimits,
    /// Time of everything made here: that of the newest member, so that the same packages give the
    /// same tree.
    pub(super) mtime: i64,
    pub(super) folders: Vec<Folder>,
    /// Folders of packages that gave way to links.
    pub(super) replaced: Vec<Vec<u8>>,
    pub(super) notes: Vec<Note>,
}

impl Generator<'_> {
    pub(super) fn run(&mut self, packages: &[Unpacked], user: BuildUser) -> Result<(), RootFsError> {
        for (place, mode) in FOLDERS {
            self.folder(place, Some(mode))?;
        }
        for (source, target) in COPIES {
            if let Some(bytes) = self.read(source)?.filter(|_| !self.tree.resolves(target.as_bytes())) {
                self.write(target, 0o644, &bytes)?;
            }
        }
        self.users(user)?;
        self.vendor()?;
        self.merged_links()?;
        self.other_links()?;
        self.alternatives(packages)?;
        super::dpkg::write(self, packages)
    }

    /// The top-level links into /usr; `bin`, `sbin`, `lib` and `lib64` always, the others where a
    /// package ships something there.
    fn merged_links(&mut self) -> Result<(), RootFsError> {
        for name in MERGED {
            let inside = format!("usr/{name}");
            if ["bin", "sbin", "lib", "lib64"].contains(&name) {
                self.folder(&inside, None)?;
            } else if self.kind(&inside)? != Some(FileType::Directory) {
                continue;
            }
            self.link(name, &inside)?;
        }
        Ok(())
    }

    fn other_links(&mut self) -> Result<(), RootFsError> {
        for (place, target) in LINKS {
            match self.kind(place)? {
                None => {}
                // base-files ships two empty folders and its script turns them into links.
                Some(FileType::Directory) => match self.walker.remove_folder(place.as_bytes()) {
                    Ok(()) => self.replaced.push(place.as_bytes().to_vec()),
                    Err(rustix::io::Errno::NOTEMPTY | rustix::io::Errno::EXIST) => continue,
                    Err(e) => return Err(self.failed("replace", place, e)),
                },
                Some(_) => continue,
            }
            self.link(place, target)?;
        }
        Ok(())
    }

    fn users(&mut self, user: BuildUser) -> Result<(), RootFsError> {
        let (BuildUser { uid, gid }, name, home) = (user, BuildUser::NAME, BuildUser::HOME);
        let passwd = format!("{name}:x:{uid}:{gid}:build user:{home}:/bin/sh\n");
        let group = format!("{name}:x:{gid}:\n");
        for (master, target, line) in [
            ("usr/share/base-passwd/passwd.master", "etc/passwd", passwd),
            ("usr/share/base-passwd/group.master", "etc/group", group),
        ] {
            if self.kind(target)?.is_some() {
                self.note("", format!("`/{target}` is shipped by a package; the build user is not in it"));
                continue;
            }
            let mut bytes = self.read(master)?.unwrap_or_default();
            bytes.extend_from_slice(line.as_bytes());
            self.write(target, 0o644, &bytes)?;
        }
        Ok(())
    }

    /// `/etc/dpkg/origins/default`, as base-files' script makes it.
    fn vendor(&mut self) -> Result<(), RootFsError> {
        let folder = "etc/dpkg/origins";
        if self.kind(&format!("{folder}/default"))?.is_none()
            && self.kind(&format!("{folder}/debian"))? == Some(FileType::RegularFile)
        {
            self.link(&format!("{folder}/default"), "debian")?;
        }
        Ok(())
    }

    fn alternatives(&mut self, packages: &[Unpacked]) -> Result<(), RootFsError> {
        let mut candidates = Vec::new();
        for package in packages {
            let Some(script) = package.info.get("postinst") else { continue };
            let (found, unread) = alternatives::read_script(script, self.limits.script_steps_max);
            if unread > 0 {
                let text =
                    format!("{unread} `update-alternatives` commands could not be read and are left out");
                self.note(&package.control.package, text);
            }
            for candidate in found {
                if self.tree.resolves(relative(&candidate.path).as_bytes()) {
                    candidates.push(candidate);
                } else {
                    let text = format!("alternative `{}` has no `{}`", candidate.name, candidate.path);
                    self.note(&package.control.package, text);
                }
            }
        }
        let (groups, contradicting) = alternatives::group(candidates);
        for Candidate { name, path, .. } in contradicting {
            self.note(
                "",
                format!("alternative `{name}`: `{path}` contradicts an earlier one and is left out"),
            );
        }
        for group in groups {
            self.alternative(&group)?;
        }
        Ok(())
    }

    fn alternative(&mut self, group: &Group) -> Result<(), RootFsError> {
        let Some(chosen) = group.chosen() else { return Ok(()) };
        if !self.choose(&group.link, &group.name, &chosen.path)? {
            return Ok(());
        }
        for [link, name, path] in &chosen.slaves {
            if self.tree.resolves(relative(path).as_bytes()) {
                self.choose(link, name, path)?;
            }
        }
        let record = format!("{}/{}", alternatives::ADMIN_FOLDER, group.name);
        self.write(&record, 0o644, group.record().as_bytes())
    }

    /// Links link → name → path; not over something that a package ships.
    fn choose(&mut self, link: &str, name: &str, path: &str) -> Result<bool, RootFsError> {
        let middle = format!("{}/{name}", alternatives::LINK_FOLDER);
        let place = match name::place(format!(".{link}").as_bytes(), false, self.limits) {
            Ok(place) => String::from_utf8_lossy(&place).into_owned(),
            Err(why) => {
                self.note("", format!("alternative `{name}`: link `{link}` is refused, {why}"));
                return Ok(false);
            }
        };
        if self.kind(&place)?.is_some() || self.kind(&middle)?.is_some() {
            self.note("", format!("alternative `{name}`: a package ships `{link}`, which stays"));
            return Ok(false);
        }
        self.link(&middle, path)?;
        self.link(&place, &format!("/{middle}"))?;
        Ok(true)
    }

    pub(super) fn note(&mut self, package: &str, text: String) {
        self.notes.push(Note { package: package.to_owned(), text });
    }

    pub(super) fn folder(&mut self, place: &str, mode: Option<u32>) -> Result<(), RootFsError> {
        self.walker.folder(place.as_bytes(), true).map(drop).map_err(|e| self.failed("make", place, e))?;
        self.parents(place);
        self.folders
            .push(Folder { place: place.as_bytes().to_vec(), metadata: mode.map(|mode| (mode, self.mtime)) });
        Ok(())
    }

    pub(super) fn write(&mut self, place: &str, mode: u32, bytes: &[u8]) -> Result<(), RootFsError> {
        self.parents(place);
        let written = self.walker.write(place.as_bytes(), mode, self.mtime, bytes);
        written.map_err(|e| self.failed("make", place, e))
    }

    fn link(&mut self, place: &str, target: &str) -> Result<(), RootFsError> {
        self.parents(place);
        let made = self.walker.symlink(place.as_bytes(), target.as_bytes(), self.mtime);
        made.map_err(|e| self.failed("make", place, e))
    }

    fn read(&mut self, place: &str) -> Result<Option<Vec<u8>>, RootFsError> {
        self.walker.read(place.as_bytes(), COPY_BYTES_MAX).map_err(|e| self.failed("read", place, e))
    }

    fn kind(&mut self, place: &str) -> Result<Option<FileType>, RootFsError> {
        self.walker.kind(place.as_bytes()).map_err(|e| self.failed("look at", place, e))
    }

    fn parents(&mut self, place: &str) {
        let (mut above, _) = name::split(place.as_bytes());
        while !above.is_empty() {
            self.folders.push(Folder { place: above.to_vec(), metadata: None });
            (above, _) = name::split(above);
        }
    }

    /// What stands in the way was put there by a package.
    fn failed(&self, action: &'static str, place: &str, source: impl Into<std::io::Error>) -> RootFsError {
        let source = source.into();
        match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::EXIST | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                RootFsError::Conflict {
                    path: place.to_owned(),
                    first: "a package".into(),
                    second: "reprove".into(),
                }
            }
            _ => RootFsError::Io { action, path: place.to_owned(), source },
        }
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}
