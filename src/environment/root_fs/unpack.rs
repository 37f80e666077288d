//! All packages at once. The outcome does not depend on which thread is first: a member whose place is
//! taken is put aside, and who keeps the place is decided when all packages are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rustix::fs::FileType;

use super::error::{RootFsError, shown};
use super::generated::Generator;
use super::name;
use super::package::{self, Folder, Site, Unpacked};
use super::tree::Tree;
use super::{Note, Options};
use crate::environment::lock::LockedPackage;
use crate::event::{Event, Observer, Stage, Unit};
use crate::limits::root_fs::RootFsLimits;

/// What was made.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) notes: Vec<Note>,
    pub(super) members: u64,
    pub(super) bytes: u64,
}

/// Makes the tree `root` below a folder that is this process' own.
pub(super) fn make(
    folder: &Path,
    packages: &[(LockedPackage, PathBuf)],
    options: &Options,
    observer: &dyn Observer,
) -> Result<Made, RootFsError> {
    let tree_path = folder.join("root");
    let tree = Tree::make(&tree_path).map_err(|e| RootFsError::io("make", &tree_path, e))?;
    let staging_path = folder.join("contested");
    let staging = Tree::make(&staging_path).map_err(|e| RootFsError::io("make", &staging_path, e))?;
    let expanded = AtomicU64::new(0);
    let site = Site { tree: &tree, staging: &staging, limits: &options.limits, expanded: &expanded };
    let mut unpacked = unpack_all(&site, packages, options, observer)?;
    let mut notes = settle_contested(&mut unpacked, &tree, &staging, &options.limits)?;
    let mtime = unpacked.iter().map(|u| u.newest).max().unwrap_or(0);
    let mut generator = Generator {
        tree: &tree,
        walker: tree.walker(),
        limits: &options.limits,
        mtime,
        folders: Vec::new(),
        replaced: Vec::new(),
        notes: Vec::new(),
    };
    generator.run(&unpacked, options.user)?;
    notes.append(&mut generator.notes);
    let Generator { folders: generated, replaced, .. } = generator;
    let folders = unpacked.iter().flat_map(|u| &u.folders).chain(&generated);
    settle_folders(&tree, folders.filter(|f| !replaced.contains(&f.place)), mtime)?;
    super::removal::remove_tree(&staging_path)?;
    let members = unpacked.iter().map(|u| u.members).sum();
    Ok(Made { notes, members, bytes: expanded.into_inner() })
}

fn unpack_all(
    site: &Site<'_>,
    packages: &[(LockedPackage, PathBuf)],
    options: &Options,
    observer: &dyn Observer,
) -> Result<Vec<Unpacked>, RootFsError> {
    // Largest first: the last thread must not sit alone with the largest package.
    let mut order: Vec<usize> = (0..packages.len()).collect();
    order.sort_by_key(|i| packages.get(*i).map(|(p, _)| (std::cmp::Reverse(p.file.size), *i)));
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let done = Mutex::new((0u64, Vec::with_capacity(packages.len())));
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let at = order.get(next.fetch_add(1, Ordering::Relaxed));
            let Some((index, (locked, path))) = at.and_then(|i| Some((*i, packages.get(*i)?))) else {
                return;
            };
            let answer = package::unpack(site, index, locked, path);
            failed.fetch_or(answer.is_err(), Ordering::Relaxed);
            let Ok(mut done) = done.lock() else { return };
            done.0 += 1;
            done.1.push((index, answer));
            observer.event(&Event::Progress {
                stage: Stage::RootFileSystem,
                done: done.0,
                total: Some(packages.len() as u64),
                unit: Unit::Items,
            });
        }
    };
    let threads = options.threads.get().min(options.limits.threads_max).min(packages.len()).max(1);
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let (_, mut answers) = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Decides who keeps each place that more than one member claims: the package that replaces all others,
/// or that diverts the path in its `preinst`.
fn settle_contested(
    packages: &mut [Unpacked],
    tree: &Tree,
    staging: &Tree,
    limits: &RootFsLimits,
) -> Result<Vec<Note>, RootFsError> {
    // By place: the claims as package and, where it was put aside, the staged name.
    let mut claims: BTreeMap<Vec<u8>, Vec<(usize, Option<Vec<u8>>)>> = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        for contested in &package.contested {
            claims.entry(contested.place.clone()).or_default().push((index, Some(contested.staged.clone())));
        }
    }
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    for (index, package) in packages.iter().enumerate() {
        let mut listed: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for line in package.list.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let place = place_of(line, limits);
            if claims.contains_key(&place) {
                *listed.entry(place).or_default() += 1;
            }
        }
        for (place, listed) in listed {
            let Some(claims) = claims.get_mut(&place) else { continue };
            if listed > claims.iter().filter(|(i, _)| *i == index).count() {
                claims.push((index, None));
            }
        }
    }
    let mut lost: BTreeMap<usize, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut notes = Vec::new();
    let mut walker = tree.walker();
    for (place, mut claims) in claims {
        claims.sort();
        let conflict = |a: Option<usize>, b: Option<usize>| {
            let name = |i: Option<usize>| match i.and_then(|i| packages.get(i)) {
                Some(p) => p.control.package.clone(),
                None => "a folder of another package".into(),
            };
            RootFsError::Conflict { path: shown(&place), first: name(a), second: name(b) }
        };
        let twice = claims.iter().zip(claims.iter().skip(1)).find(|(a, b)| a.0 == b.0);
        if let Some((claim, _)) = twice {
            return Err(conflict(Some(claim.0), Some(claim.0)));
        }
        let here = walker.kind(&place).map_err(|e| RootFsError::io("look at", tree.path(), e))?;
        if here.is_none_or(|k| k == FileType::Directory) {
            return Err(conflict(claims.first().map(|c| c.0), None));
        }
        let beats = |a: usize, b: usize| match (packages.get(a), packages.get(b)) {
            (Some(x), Some(y)) => x.supersedes(y, &place) && (!y.supersedes(x, &place) || a > b),
            _ => false,
        };
        let winner = claims.iter().find(|c| claims.iter().all(|o| o.0 == c.0 || beats(c.0, o.0))).cloned();
        let Some((winner, staged)) = winner else {
            return Err(conflict(claims.first().map(|c| c.0), claims.get(1).map(|c| c.0)));
        };
        if let Some(staged) = staged {
            let moved = staging.walker().replace(&staged, &mut walker, &place);
            moved.map_err(|e| RootFsError::io("replace a file in", tree.path(), e))?;
        }
        for (loser, _) in claims.iter().filter(|c| c.0 != winner) {
            let text = format!("its `/{}` is replaced", shown(&place));
            let package = packages.get(*loser).map(|p| p.control.package.clone()).unwrap_or_default();
            notes.push(Note { package, text });
            lost.entry(*loser).or_default().insert(place.clone());
        }
    }
    for (loser, places) in lost {
        if let Some(package) = packages.get_mut(loser) {
            package.forget(&places, limits);
        }
    }
    Ok(notes)
}

fn place_of(listed: &[u8], limits: &RootFsLimits) -> Vec<u8> {
    let shipped = [b".", listed].concat();
    name::place(&shipped, false, limits).unwrap_or_default()
}

impl Unpacked {
    /// Whether this package's member is kept where both ship a place.
    fn supersedes(&self, other: &Self, place: &[u8]) -> bool {
        let diverts = self.info.get("preinst").is_some_and(|script| {
            let path = [b"/", place].concat();
            memchr::memmem::find(script, b"dpkg-divert").is_some()
                && memchr::memmem::find(script, &path).is_some()
        });
        diverts || self.control.replaces.contains(&other.control.package)
    }

    /// Takes lost places off the list, as dpkg does.
    fn forget(&mut self, places: &BTreeSet<Vec<u8>>, limits: &RootFsLimits) {
        let lines = self.list.split_inclusive(|b| *b == b'\n');
        let kept = lines.filter(|l| !places.contains(&place_of(l.strip_suffix(b"\n").unwrap_or(l), limits)));
        self.list = kept.flatten().copied().collect();
    }
}

/// Gives all folders their last mode and time: those of the first package, in the lock's order, that
/// lists the folder.
fn settle_folders<'f>(
    tree: &Tree,
    folders: impl Iterator<Item = &'f Folder>,
    mtime: i64,
) -> Result<(), RootFsError> {
    let mut last: BTreeMap<&[u8], Option<(u32, i64)>> = BTreeMap::from([(b"".as_slice(), None)]);
    for folder in folders {
        let slot = last.entry(folder.place.as_slice()).or_default();
        if slot.is_none() {
            *slot = folder.metadata;
        }
    }
    // Deepest first, so that no folder is closed before what lies in it.
    let mut walker = tree.walker();
    for (place, metadata) in last.into_iter().rev() {
        let (mode, mtime) = metadata.unwrap_or((0o755, mtime));
        walker.settle(place, mode, mtime).map_err(|e| RootFsError::Io {
            action: "set the mode of",
            path: shown(place),
            source: e.into(),
        })?;
    }
    Ok(())
}
