//! From a release's definition to its lock.

use std::path::Path;

use super::lock::Kind;
use super::workspace::sums_of;
use super::{
    GO_LOCK_SCHEMA, GoEnvironmentError, GoLock, LockedBlob, LockedGit, LockedInput, LockedModule,
    LockedPublished,
};
use crate::component::{GoRelease, Input, PinnedCommit, Release};
use crate::digest::Digest;
use crate::environment::lock::{LockedIndex, LockedPackage};
use crate::event::{Event, Stage};
use crate::source::git::{Clone as Repository, Listing};
use crate::source::go::archive::ModuleZip;
use crate::source::go::database::{self, DatabaseKey};
use crate::source::go::{Fetched, GoSourceError, GoSum, ModSum, ModuleProxy, ModuleVersion, Summed};
use crate::store::Object;

/// The platform that tool chains are for: builds run on it whatever they are built for.
const HOST: &str = "linux-amd64";

/// What a lock is made from.
#[derive(Clone, Copy)]
pub struct GoResolve<'a> {
    /// The component's name.
    pub component: &'a str,
    /// The release.
    pub release: &'a Release,
    /// What Go builds of it.
    pub go: &'a GoRelease,
    /// Whom to ask.
    pub proxy: ModuleProxy<'a>,
    /// The checksum database that vouches for source and tool chain, where its key is known.
    pub database: Option<&'a DatabaseKey>,
    /// What was published, where it could be had.
    pub published: Option<&'a Published>,
    /// The repository, where the source is a commit of it, or where one was given: its workspace's modules
    /// are then locked too.
    pub repository: Option<&'a Repository>,
    /// A folder for scratch files.
    pub scratch: &'a Path,
    /// The recipe's inputs that could be had, by name.
    pub inputs: &'a [(String, LockedBlob)],
    /// The root file system in which the source is prepared, where the recipe does that.
    pub system: Option<&'a System>,
}

/// A root file system, as Debian's signed indexes have it.
#[derive(Debug, Clone)]
pub struct System {
    /// The indexes.
    pub indexes: Vec<LockedIndex>,
    /// The packages.
    pub packages: Vec<LockedPackage>,
}

/// The published artifact, fetched.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its file name.
    pub name: String,
    /// Its bytes.
    pub object: Object,
    /// What its registry announced.
    pub announced: Option<Digest>,
}

/// The module that holds a tool chain of that version.
pub fn toolchain_module(version: &str) -> ModuleVersion {
    ModuleVersion { path: "golang.org/toolchain".to_owned(), version: format!("v0.0.1-go{version}.{HOST}") }
}

/// Fetches the source, its modules and the tool chain, checks each by its sum, and writes them down.
///
/// The main module and the tool chain are vouched for by the checksum database where its key is known;
/// else their sums are those of what the proxy sent, and the audit will say that nobody vouched for them.
pub fn resolve(request: &GoResolve<'_>) -> Result<GoLock, GoEnvironmentError> {
    let GoResolve { go, proxy, .. } = request;
    let source = ModuleVersion { path: go.module.clone(), version: go.version.clone() };
    let toolchain = toolchain_module(&go.recipe.toolchain.text);
    if go.recipe.prepare.is_some() != request.system.is_some() {
        return Err(unfit(&source, "its preparation and the packages for it were not resolved together"));
    }
    proxy.observer.event(&Event::Started { stage: Stage::Environment, what: "modules and tool chain" });
    let tree = request.repository.map(|repository| tagged(request, repository)).transpose()?;
    let mut sums = GoSum::default();
    if let (Some(repository), Some(listing)) = (request.repository, &tree) {
        sums_of(&mut sums, &|path| file(repository, listing, path), proxy.limits)?;
    }
    let git = match (&go.git, request.repository, &tree) {
        (Some(pinned), Some(repository), Some(listing)) => {
            Some(commit(request, pinned, repository, listing)?)
        }
        (Some(_), ..) => return Err(unfit(&source, "its source is a commit, and no repository was given")),
        (None, ..) => None,
    };
    let named: &[&ModuleVersion] = if git.is_some() { &[&toolchain] } else { &[&source, &toolchain] };
    let main = main_modules(request, named)?;
    if git.is_none() {
        let zip = main.first().and_then(|(_, zip, _)| zip.as_ref());
        let zip = zip.ok_or_else(|| unfit(&source, "it has no zip"))?;
        let zip = ModuleZip::open(&source, &zip.path, proxy.limits)?;
        for name in ["go.sum", "go.work.sum"] {
            if let Some(text) = zip.file(name, proxy.limits.mod_bytes_max)? {
                sums.read(name, &text, proxy.limits.sum_lines_max)?;
            }
        }
    }
    let wanted: Vec<Summed> =
        sums.modules.into_iter().map(|(m, (zip, only_mod))| (m, zip, only_mod)).collect();
    let fetched = proxy.fetch_summed(&wanted)?;
    let modules =
        fetched.iter().zip(&wanted).map(|(got, (_, zip, only_mod))| locked(got, zip, only_mod)).collect();
    let what = format!("{} modules", wanted.len());
    proxy.observer.event(&Event::Finished { stage: Stage::Environment, what: &what });
    let mut main = main.iter().map(|got| locked(got, &sum_of(got, proxy), &mod_sum_of(got)));
    let own = if git.is_some() { Some(without_zip(&source)) } else { main.next() };
    let (Some(source), Some(toolchain)) = (own, main.next()) else {
        return Err(unfit(&source, "it was not fetched"));
    };
    Ok(GoLock {
        schema: GO_LOCK_SCHEMA,
        kind: Kind::Go,
        component: request.component.to_owned(),
        purl: request.release.purl.to_string(),
        recipe: GoLock::recipe_digest(go),
        source,
        git,
        toolchain,
        modules,
        inputs: go.inputs.iter().map(|input| locked_input(input, request.inputs)).collect(),
        indexes: request.system.map(|s| s.indexes.clone()).unwrap_or_default(),
        packages: request.system.map(|s| s.packages.clone()).unwrap_or_default(),
        published: request.published.map(|p| LockedPublished {
            name: p.name.clone(),
            size: p.object.len_bytes,
            digest: p.object.digest.clone(),
            announced: p.announced.clone(),
        }),
    })
}

/// The tree of the tag's commit, which has to be the pinned one.
fn tagged(request: &GoResolve<'_>, repository: &Repository) -> Result<Listing, GoEnvironmentError> {
    let go = request.go;
    let tag = request.release.tagged().map(|source| source.tag).unwrap_or_default();
    let commit = repository.commit(&repository.tag(&tag)?)?;
    let vcs = go.recipe.vcs.as_ref().map(|vcs| &vcs.revision.text);
    for pinned in go.git.as_ref().map(|git| &git.commit).into_iter().chain(vcs) {
        if !commit.id.starts_with(pinned) {
            let (found, pinned) = (commit.id, pinned.clone());
            return Err(GoEnvironmentError::TagMoved { tag, found, pinned });
        }
    }
    Ok(repository.listing(&commit)?)
}

/// A file of the tree; none where there is none.
fn file(
    repository: &Repository,
    listing: &Listing,
    path: &str,
) -> Result<Option<Vec<u8>>, GoEnvironmentError> {
    Ok(listing.entries.get(path).map(|entry| repository.content(entry)).transpose()?)
}

/// Pins the commit and what is in its tree. What module it is, its `go.mod` says.
fn commit(
    request: &GoResolve<'_>,
    pinned: &PinnedCommit,
    repository: &Repository,
    listing: &Listing,
) -> Result<LockedGit, GoEnvironmentError> {
    let GoResolve { go, proxy, .. } = request;
    let source = ModuleVersion { path: go.module.clone(), version: go.version.clone() };
    let text = file(repository, listing, "go.mod")?.ok_or_else(|| unfit(&source, "it has no `go.mod`"))?;
    let found = super::workspace::module_of(&text).unwrap_or_default();
    if found != go.module {
        let detail = format!(
            "its `go.mod` says that it is `{}`; write that as `module` in the definition's `source`",
            found.escape_debug()
        );
        return Err(unfit(&source, &detail));
    }
    let tar = repository.pack(listing, request.scratch)?;
    let object = proxy.store.put_new(tar, proxy.limits.published_bytes_max).map_err(GoSourceError::from)?;
    Ok(LockedGit {
        repository: pinned.repository.clone(),
        tag: pinned.tag.clone(),
        commit: listing.commit.id.clone(),
        size: object.len_bytes,
        digest: object.digest,
    })
}

fn without_zip(module: &ModuleVersion) -> LockedModule {
    LockedModule {
        path: module.path.clone(),
        version: module.version.clone(),
        sum: None,
        zip: None,
        mod_sum: None,
        mod_file: None,
    }
}

fn locked_input(input: &Input, had: &[(String, LockedBlob)]) -> LockedInput {
    LockedInput {
        name: input.name.clone(),
        artifact: input.artifact.clone(),
        file: had.iter().find(|(name, _)| *name == input.name).map(|(_, file)| file.clone()),
    }
}

fn unfit(module: &ModuleVersion, detail: &str) -> GoEnvironmentError {
    GoEnvironmentError::Unfit { module: module.to_string(), detail: detail.to_owned() }
}

/// Fetches source and tool chain by the sums that the database vouches for, or as the proxy has them.
fn main_modules(
    request: &GoResolve<'_>,
    modules: &[&ModuleVersion],
) -> Result<Vec<Fetched>, GoEnvironmentError> {
    let mut fetched = Vec::new();
    for module in modules {
        let vouched = match request.database {
            Some(key) => {
                let record = database::look_up(&request.proxy, key, module)?;
                Some(database::verify(key, module, &record)?)
            }
            None => None,
        };
        match vouched {
            Some((zip, only_mod)) => {
                let one = [((*module).clone(), Some(zip), Some(only_mod))];
                fetched.extend(request.proxy.fetch_summed(&one)?);
            }
            None => fetched.push(((*module).clone(), Some(request.proxy.zip(module)?), None)),
        }
    }
    Ok(fetched)
}

fn sum_of((module, zip, _): &Fetched, proxy: &ModuleProxy<'_>) -> Option<ModSum> {
    ModuleZip::open(module, &zip.as_ref()?.path, proxy.limits).ok()?.sum().ok()
}

fn mod_sum_of((.., only_mod): &Fetched) -> Option<ModSum> {
    Some(crate::source::go::h1_of_mod(&std::fs::read(&only_mod.as_ref()?.path).ok()?))
}

fn locked((module, zip, only_mod): &Fetched, sum: &Option<ModSum>, mod_sum: &Option<ModSum>) -> LockedModule {
    let blob = |o: &Object| LockedBlob { size: o.len_bytes, digest: o.digest.clone() };
    LockedModule {
        path: module.path.clone(),
        version: module.version.clone(),
        sum: zip.as_ref().and(sum.clone()),
        zip: zip.as_ref().map(blob),
        mod_sum: only_mod.as_ref().and(mod_sum.clone()),
        mod_file: only_mod.as_ref().map(blob),
    }
}
