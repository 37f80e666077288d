//! Unpacking one `.deb` (deb(5)): its bytes are hashed as they are read, so what was unpacked is what
//! was locked.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use md5::Digest as _;
use rustix::io::Errno;

use super::control::Control;
use super::error::{RootFsError, shown};
use super::member::{Kind, Member, MemberReader};
use super::name::{self, MERGED};
use super::tree::{Tree, Walker, times, write_all};
use crate::archive::ArchiveError;
use crate::archive::ar::ArReader;
use crate::archive::compression::{Bounded, Compression};
use crate::digest::Hasher;
use crate::environment::lock::LockedPackage;
use crate::limits::root_fs::RootFsLimits;

/// Bytes read or decoded at a time: most members are smaller and are then written with one call.
const BUFFER_BYTES: usize = 128 << 10;

/// A folder that a package brings.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) place: Vec<u8>,
    /// Mode and time, or `None` for a parent that the package does not list.
    pub(super) metadata: Option<(u32, i64)>,
}

/// A member whose place was taken, and where it waits instead.
#[derive(Debug)]
pub(super) struct Contested {
    pub(super) place: Vec<u8>,
    pub(super) staged: Vec<u8>,
}

/// What is known of a package once it is unpacked.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) control: Control,
    /// The control archive's other members by name.
    pub(super) info: BTreeMap<String, Vec<u8>>,
    /// Shipped paths in order, each as dpkg lists it and ended by a new line.
    pub(super) list: Vec<u8>,
    pub(super) folders: Vec<Folder>,
    pub(super) contested: Vec<Contested>,
    /// Configuration files with the MD5 that dpkg's database wants.
    pub(super) conffiles: Vec<(String, String)>,
    pub(super) members: u64,
    pub(super) newest: i64,
}

/// What all workers share.
#[derive(Debug)]
pub(super) struct Site<'a> {
    pub(super) tree: &'a Tree,
    /// Where members wait whose place is taken.
    pub(super) staging: &'a Tree,
    pub(super) limits: &'a RootFsLimits,
    /// Bytes of all bodies so far.
    pub(super) expanded: &'a AtomicU64,
}

/// Unpacks one package and checks its digest.
pub(super) fn unpack(
    site: &Site<'_>,
    index: usize,
    package: &LockedPackage,
    deb: &Path,
) -> Result<Unpacked, RootFsError> {
    let file = File::open(deb).map_err(|e| RootFsError::io("open", deb, e))?;
    let mut source = Hashed { inner: file, hasher: Hasher::new(package.file.digest.algorithm()) };
    let unpacked = Unpacking::new(site, index, package).run(&mut source);
    // Damaged bytes are the cause of whatever was found in them.
    std::io::copy(&mut source, &mut std::io::sink()).map_err(|e| RootFsError::io("read", deb, e))?;
    let found = source.hasher.finish();
    if found != package.file.digest {
        let expected = package.file.digest.clone();
        return Err(RootFsError::Digest { package: package.name.clone(), expected, found });
    }
    unpacked
}

struct Hashed {
    inner: File,
    hasher: Hasher,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..n).unwrap_or_default());
        Ok(n)
    }
}

struct Unpacking<'a> {
    site: &'a Site<'a>,
    index: usize,
    package: &'a LockedPackage,
    walker: Walker<'a>,
    list: Vec<u8>,
    folders: Vec<Folder>,
    known_folders: HashSet<Vec<u8>>,
    files: HashSet<Vec<u8>>,
    contested: Vec<Contested>,
    hashes: BTreeMap<Vec<u8>, String>,
    bytes: u64,
    members: u64,
    newest: i64,
}

impl<'a> Unpacking<'a> {
    fn new(site: &'a Site<'a>, index: usize, package: &'a LockedPackage) -> Self {
        Self {
            site,
            index,
            package,
            walker: site.tree.walker(),
            list: Vec::new(),
            folders: Vec::new(),
            known_folders: HashSet::new(),
            files: HashSet::new(),
            contested: Vec::new(),
            hashes: BTreeMap::new(),
            bytes: 0,
            members: 0,
            newest: 0,
        }
    }

    fn run(mut self, source: &mut Hashed) -> Result<Unpacked, RootFsError> {
        let mut ar =
            ArReader::new(BufReader::with_capacity(BUFFER_BYTES, source)).map_err(|e| self.archive(e))?;
        let header = ar.next_header().map_err(|e| self.archive(e))?;
        let mut version = Vec::new();
        ar.body().take(16).read_to_end(&mut version).map_err(|e| self.archive(read(e)))?;
        if header.is_none_or(|h| h.name != b"debian-binary") || !version.starts_with(b"2.") {
            return Err(self.not_a_deb("it does not start with `debian-binary` of format 2"));
        }
        let name = self.next_part(&mut ar, b"control.tar")?;
        let mut info = self.read_control(name, ar.body())?;
        let control = info.remove("control").ok_or_else(|| self.not_a_deb("it has no control file"))?;
        let control = Control::parse(&control).map_err(|detail| self.not_a_deb(&detail))?;
        self.check_identity(&control)?;
        let conffiles: Vec<String> = info
            .get("conffiles")
            .map(|b| String::from_utf8_lossy(b).lines().map(|l| l.trim().to_owned()).collect())
            .unwrap_or_default();
        let conffiles: Vec<String> = conffiles.into_iter().filter(|l| l.starts_with('/')).collect();
        let wanted: BTreeSet<Vec<u8>> = conffiles
            .iter()
            .filter_map(|c| name::place(format!(".{c}").as_bytes(), false, self.site.limits).ok())
            .collect();
        let hash_all = !info.contains_key("md5sums");
        let name = self.next_part(&mut ar, b"data.tar")?;
        self.unpack_data(name, ar.body(), &|place| hash_all || wanted.contains(place))?;
        while let Some(header) = ar.next_header().map_err(|e| self.archive(e))? {
            if !header.name.starts_with(b"_") {
                return Err(self.not_a_deb(&format!("`{}` follows its data", shown(&header.name))));
            }
        }
        if hash_all {
            let lines = self
                .hashes
                .iter()
                .flat_map(|(place, md5)| [md5.as_bytes(), b"  ", place.as_slice(), b"\n"].concat());
            info.insert("md5sums".into(), lines.collect());
        }
        let conffiles = conffiles
            .into_iter()
            .filter_map(|path| {
                let place = name::place(format!(".{path}").as_bytes(), false, self.site.limits).ok()?;
                Some((path, self.hashes.get(&place)?.clone()))
            })
            .collect();
        Ok(Unpacked {
            control,
            info,
            list: self.list,
            folders: self.folders,
            contested: self.contested,
            conffiles,
            members: self.members,
            newest: self.newest,
        })
    }

    /// Moves to the next part, whose name starts as given; gives its compression by its first bytes.
    fn next_part<R: Read>(&self, ar: &mut ArReader<R>, start: &[u8]) -> Result<Part, RootFsError> {
        loop {
            let header = ar.next_header().map_err(|e| self.archive(e))?;
            let Some(header) = header else {
                return Err(self.not_a_deb(&format!("it has no `{}`", shown(start))));
            };
            let Some(rest) = header.name.strip_prefix(start) else {
                if header.name.starts_with(b"_") {
                    continue;
                }
                return Err(self.not_a_deb(&format!(
                    "`{}` stands where `{}` belongs",
                    shown(&header.name),
                    shown(start)
                )));
            };
            return match rest {
                b"" => Ok(Part::Plain),
                b".gz" | b".xz" | b".zst" | b".bz2" => Ok(Part::Compressed),
                _ => Err(self.not_a_deb(&format!("`{}` has an unknown format", shown(&header.name)))),
            };
        }
    }

    /// A buffered reader of a part's decoded bytes.
    fn decoded<'r>(
        &self,
        part: Part,
        body: impl Read + Send + 'r,
        max: u64,
    ) -> Result<Decoded<'r>, RootFsError> {
        let mut body = BufReader::with_capacity(BUFFER_BYTES, body);
        let inner: Box<dyn Read + Send + 'r> = match part {
            Part::Plain => Box::new(body),
            Part::Compressed => {
                let start = body.fill_buf().map_err(|e| self.archive(read(e)))?;
                let Some(format) = Compression::recognise(start) else {
                    return Err(self.not_a_deb("a part's bytes are not of the format that its name says"));
                };
                format.decoder(body, &self.site.limits.archive).map_err(|e| self.archive(e))?
            }
        };
        Ok(BufReader::with_capacity(BUFFER_BYTES, Bounded::new(inner, max)))
    }

    fn read_control(
        &self,
        part: Part,
        body: impl Read + Send,
    ) -> Result<BTreeMap<String, Vec<u8>>, RootFsError> {
        let max = self.site.limits.control_bytes_max;
        let bytes = self.decoded(part, body, max)?;
        let mut reader = MemberReader::new(bytes, &self.site.limits.archive);
        let mut info = BTreeMap::new();
        while let Some(member) = reader.next().map_err(|e| self.archive(e))? {
            let place = self.place(&member)?;
            match member.kind {
                Kind::Directory if place.is_empty() => {}
                Kind::File => {
                    let name = String::from_utf8_lossy(&place).into_owned();
                    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
                        || name == "list"
                    {
                        return Err(self.refused(&member, "its name is not one of a control file"));
                    }
                    let body = reader.read_body(max).map_err(|e| self.archive(e))?;
                    if info.insert(name, body).is_some() {
                        return Err(self.refused(&member, "the control archive holds it twice"));
                    }
                }
                _ => return Err(self.refused(&member, "a control archive holds only plain files")),
            }
        }
        reader.finish().map_err(|e| self.archive(e))?;
        Ok(info)
    }

    fn unpack_data(
        &mut self,
        part: Part,
        body: impl Read + Send,
        hashed: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), RootFsError> {
        // Headers and padding may take as much again as the bodies that the limit counts.
        let max = self.site.limits.archive.expanded_bytes_max.saturating_mul(2);
        let bytes = self.decoded(part, body, max)?;
        let mut reader = MemberReader::new(bytes, &self.site.limits.archive);
        while let Some(member) = reader.next().map_err(|e| self.archive(e))? {
            let place = self.place(&member)?;
            self.members += 1;
            self.newest = self.newest.max(member.mtime);
            self.list.push(b'/');
            let shipped = member.path.strip_prefix(b"./").unwrap_or(&member.path);
            let shipped = shipped.strip_suffix(b"/").unwrap_or(shipped);
            self.list.extend_from_slice(if shipped.is_empty() { b"." } else { shipped });
            self.list.push(b'\n');
            match &member.kind {
                Kind::Refused(why) => return Err(self.refused(&member, why)),
                Kind::Directory => self.folder(&member, place)?,
                Kind::Symlink(target) => self.symlink(&member, &place, target)?,
                Kind::HardLink(target) => self.hard_link(&member, place, target)?,
                Kind::File => self.file(&member, place, &mut reader, hashed)?,
            }
        }
        reader.finish().map_err(|e| self.archive(e))
    }

    fn folder(&mut self, member: &Member, place: Vec<u8>) -> Result<(), RootFsError> {
        let opened = self.walker.folder(&place, true).map(drop);
        opened.map_err(|e| self.refused_or_io(member, e))?;
        self.parents(&place);
        self.known_folders.insert(place.clone());
        self.folders.push(Folder { place, metadata: Some((member.mode, member.mtime)) });
        Ok(())
    }

    fn symlink(&mut self, member: &Member, place: &[u8], target: &[u8]) -> Result<(), RootFsError> {
        if target.is_empty()
            || target.contains(&0)
            || target.len() >= self.site.limits.archive.name_bytes_max
            || place.is_empty()
        {
            return Err(self.refused(member, "its target is empty, too long or holds a NUL byte"));
        }
        if MERGED.iter().any(|m| m.as_bytes() == place) {
            // Made at the end, for all packages alike.
            return match target.strip_prefix(b"/").unwrap_or(target).strip_prefix(b"usr/") {
                Some(name) if name == place => Ok(()),
                _ => Err(self.refused(member, "it is a top-level link that does not lead into `/usr`")),
            };
        }
        self.parents(place);
        match self.walker.symlink(place, target, member.mtime) {
            Err(Errno::EXIST) => {
                let staged = self.stage(place);
                self.site.staging.walker().symlink(&staged, target, member.mtime)
            }
            answer => answer,
        }
        .map_err(|e| self.refused_or_io(member, e))
    }

    fn hard_link(&mut self, member: &Member, place: Vec<u8>, target: &[u8]) -> Result<(), RootFsError> {
        let limits = self.site.limits;
        let source = name::place(target, false, limits).map_err(|why| self.refused(member, &why))?;
        // A file of another package would be there or not as threads happen to run.
        if !self.files.contains(&source) {
            return Err(self.refused(member, "its target is not an earlier file of the same package"));
        }
        self.parents(&place);
        let staged = self.contested.iter().find(|c| c.place == source).map(|c| c.staged.clone());
        let (tree, source) = match &staged {
            Some(staged) => (self.site.staging, staged),
            None => (self.site.tree, &source),
        };
        match self.walker.hard_link(&mut tree.walker(), source, &place) {
            Err(Errno::EXIST) => {
                let here = self.stage(&place);
                self.site.staging.walker().hard_link(&mut tree.walker(), source, &here)
            }
            answer => answer,
        }
        .map_err(|e| self.refused_or_io(member, e))?;
        self.files.insert(place);
        Ok(())
    }

    fn file<R: BufRead>(
        &mut self,
        member: &Member,
        place: Vec<u8>,
        reader: &mut MemberReader<'_, R>,
        hashed: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), RootFsError> {
        self.count(member.len)?;
        self.parents(&place);
        // Nothing in the tree may raise privileges: set-user-ID, set-group-ID and sticky bits go.
        let mode = member.mode & 0o777;
        let file = match self.walker.file(&place, mode) {
            Err(Errno::EXIST) => {
                let staged = self.stage(&place);
                self.site.staging.walker().file(&staged, mode)
            }
            answer => answer,
        }
        .map_err(|e| self.refused_or_io(member, e))?;
        let mut md5 = hashed(&place).then(md5::Md5::new);
        loop {
            let piece = reader.piece().map_err(|e| self.archive(e))?;
            if piece.is_empty() {
                break;
            }
            if let Some(md5) = &mut md5 {
                md5.update(piece);
            }
            write_all(&file, piece).map_err(|e| self.io("write", member, e))?;
            let n = piece.len();
            reader.consume(n);
        }
        rustix::fs::futimens(&file, &times(member.mtime))
            .map_err(|e| self.io("set the time of", member, e))?;
        if let Some(md5) = md5 {
            self.hashes.insert(place.clone(), hex::encode(md5.finalize()));
        }
        self.files.insert(place);
        Ok(())
    }

    /// Remembers the folders above a place that the package does not list before it.
    fn parents(&mut self, place: &[u8]) {
        let (mut above, _) = name::split(place);
        while !above.is_empty() && self.known_folders.insert(above.to_vec()) {
            self.folders.push(Folder { place: above.to_vec(), metadata: None });
            (above, _) = name::split(above);
        }
    }

    fn stage(&mut self, place: &[u8]) -> Vec<u8> {
        let staged = format!("{}-{}", self.index, self.contested.len()).into_bytes();
        self.contested.push(Contested { place: place.to_vec(), staged: staged.clone() });
        staged
    }

    fn count(&mut self, len: u64) -> Result<(), RootFsError> {
        let limit = |limit, max| Err(RootFsError::Limit { package: self.package.name.clone(), limit, max });
        let own = self.site.limits.archive.expanded_bytes_max;
        let all = self.site.limits.expanded_bytes_max;
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes > own {
            return limit("archive.expanded_bytes_max", own);
        }
        if self.site.expanded.fetch_add(len, Ordering::Relaxed).saturating_add(len) > all {
            return limit("expanded_bytes_max", all);
        }
        Ok(())
    }

    fn check_identity(&self, control: &Control) -> Result<(), RootFsError> {
        let locked = self.package;
        let of = |n: &str, v: &str, a: &str| format!("{n} {v} {a}");
        let expected = of(&locked.name, &locked.version, &locked.architecture);
        let found = of(&control.package, &control.version, &control.architecture);
        if expected == found {
            return Ok(());
        }
        Err(RootFsError::Identity { package: locked.name.clone(), expected, found })
    }

    fn place(&self, member: &Member) -> Result<Vec<u8>, RootFsError> {
        let link = matches!(member.kind, Kind::Symlink(_));
        name::place(&member.path, link, self.site.limits).map_err(|why| self.refused(member, &why))
    }

    fn archive(&self, source: ArchiveError) -> RootFsError {
        let package = self.package.name.clone();
        match &source {
            ArchiveError::Read { source: e, .. } if e.kind() == std::io::ErrorKind::FileTooLarge => {
                let max = self.site.limits.archive.expanded_bytes_max;
                RootFsError::Limit { package, limit: "archive.expanded_bytes_max", max }
            }
            _ => RootFsError::Archive { package, source },
        }
    }

    fn not_a_deb(&self, detail: &str) -> RootFsError {
        RootFsError::NotADeb { package: self.package.name.clone(), detail: detail.to_owned() }
    }

    fn refused(&self, member: &Member, reason: &str) -> RootFsError {
        let package = self.package.name.clone();
        RootFsError::Member { package, member: shown(&member.path), reason: reason.to_owned() }
    }

    fn io(&self, action: &'static str, member: &Member, errno: Errno) -> RootFsError {
        RootFsError::Io { action, path: shown(&member.path), source: errno.into() }
    }

    /// A link or file where a folder should be is the packages' doing, the rest the system's.
    fn refused_or_io(&self, member: &Member, errno: Errno) -> RootFsError {
        match errno {
            Errno::NOTDIR | Errno::LOOP => self.refused(member, "it lies behind a link or a file"),
            errno => self.io("make", member, errno),
        }
    }
}

/// A part's decoded bytes, bounded.
type Decoded<'r> = BufReader<Bounded<Box<dyn Read + Send + 'r>>>;

#[derive(Debug, Clone, Copy)]
enum Part {
    Plain,
    Compressed,
}

fn read(source: std::io::Error) -> ArchiveError {
    match source.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            ArchiveError::Truncated { format: "ar", detail: "inside a member's body".into() }
        }
        _ => ArchiveError::Read { format: "ar", source },
    }
}
