//! A release whose binaries Go builds, as a package of the npm registry or as files of its project.
//!
//! Check that the checksum database vouches for source and tool chain, fetch every locked input by its
//! digest, unpack, obtain what was published, read from it what the recipe leaves to it, prepare the source
//! where the recipe says so, build, and compare member by member. Where what was published cannot be had,
//! the binaries are built twice all the same: that they are equal with each other is then all that is
//! established.

mod account;
mod compared;
mod draft;
mod examine;
mod inputs;
mod masked;
mod members;
mod prepared;
mod published;
mod replay;
mod source;
mod wheel;
mod workspace;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::tagged::Looked;
use super::{
    Archives, AuditError, Audited, Clones, Depth, Examination, Examined, Ground, Repeat, Seen, Subject,
    make_folder,
};
use crate::artifact::{Artifact, ArtifactName, Published};
use crate::component::{Channel, GoRecipe, GoRelease, Origin, Release as Defined};
use crate::digest::Digest;
use crate::environment::go::{self as environment, GoLock, LockedModule, Objects, Unpacked};
use crate::event::Stage;
use crate::fetch::{Length, Request};
use crate::limits::archive::ArchiveLimits;
use crate::limits::go::GoLimits;
use crate::limits::observe::ObserveLimits;
use crate::observe::{Content, go::GoBuildInfo, observe};
use crate::rebuild::go::{
    CheckoutState, GoRequest, commands, environment as build_env, preparation_environment, rebuild_go,
    rebuild_go_varied,
};
use crate::rebuild::{Kept, Rebuild};
use crate::report::{
    ArtifactPair, Build, BuildResult, BuiltAlone, Bytes, Environment, Evidence, FileState, Gap, Index,
    IndexKind, Package, Preparation, Rebuild as ReportedBuild, Source, SourceFile, SourceSignature,
};
use crate::source::go::archive::ModuleZip;
use crate::source::go::database::{self, DatabaseKey};
use crate::source::go::{ModuleProxy, ModuleVersion};
use crate::source::npm;
use crate::source::pypi::Index as PypiIndex;
pub use draft::draft;
use members::{Parts, take_apart};
use prepared::Prepared;
pub use published::Announcement;
use replay::{Replay, replay};

/// Length of a source's file `VERSION`: a version has fewer than 100 bytes.
const VERSION_BYTES_MAX: u64 = 1 << 10;

/// Whom a Go audit asks, and whom it believes.
#[derive(Clone, Copy)]
pub struct GoWorld<'a> {
    /// Module proxies, in order.
    pub proxies: &'a [String],
    /// The checksum database's key, where one is known.
    pub database: Option<&'a DatabaseKey>,
    /// The npm registry, where one is known.
    pub registry: Option<&'a str>,
    /// The Python package index, where one is known.
    pub index: Option<&'a PypiIndex>,
    /// The published artifact, where the caller has it already.
    pub published: Option<&'a Path>,
    /// What its publisher says of it, where the caller has that.
    pub announced: Option<Announcement<'a>>,
    /// Inputs of recipes that the caller has already, by name.
    pub inputs: &'a [(String, PathBuf)],
    /// Bounds.
    pub limits: &'a GoLimits,
}

/// A Go release with its lock.
#[derive(Debug, Clone, Copy)]
pub struct GoSubject<'a> {
    /// The definition.
    pub release: &'a Defined,
    /// What Go builds of it.
    pub go: &'a GoRelease,
    /// The lock.
    pub lock: &'a GoLock,
}

struct Flow<'a> {
    ground: &'a Ground<'a>,
    archives: &'a Archives<'a>,
    world: &'a GoWorld<'a>,
    clones: Clones<'a>,
    proxy: ModuleProxy<'a>,
    subject: &'a Subject<'a>,
    own: GoSubject<'a>,
}

/// What a build is made from.
struct Ready<'a> {
    recipe: Cow<'a, GoRecipe>,
    unpacked: Unpacked,
    prepared: Option<Prepared>,
    replay: Replay,
}

pub(super) fn run(
    ground: &Ground<'_>,
    (archives, world): (&Archives<'_>, &GoWorld<'_>),
    clones: Clones<'_>,
    subject: &Subject<'_>,
    own: GoSubject<'_>,
    depth: Depth,
) -> Result<Audited, AuditError> {
    Flow::new(ground, archives, world, clones, subject, own).run(depth)
}

/// Asks a release that was audited what registers and controls want to know of it.
pub(super) fn examine(
    ground: &Ground<'_>,
    (archives, world): (&Archives<'_>, &GoWorld<'_>),
    clones: Clones<'_>,
    subject: &Subject<'_>,
    own: GoSubject<'_>,
    audited: &Audited,
    examination: &Examination<'_>,
) -> Result<Examined, AuditError> {
    Flow::new(ground, archives, world, clones, subject, own).examine(audited, examination)
}

impl<'a> Flow<'a> {
    fn new(
        ground: &'a Ground<'a>,
        archives: &'a Archives<'a>,
        world: &'a GoWorld<'a>,
        clones: Clones<'a>,
        subject: &'a Subject<'a>,
        own: GoSubject<'a>,
    ) -> Self {
        let proxy = ModuleProxy {
            urls: world.proxies,
            fetcher: ground.fetcher,
            store: ground.store,
            observer: ground.observer,
            limits: world.limits,
        };
        Self { ground, archives, world, clones, proxy, subject, own }
    }
}

impl Flow<'_> {
    fn run(&self, depth: Depth) -> Result<Audited, AuditError> {
        let GoSubject { go, lock, .. } = self.own;
        let mut audited = Audited::begin(self.begin());
        self.vouched(&mut audited.evidence)?;
        let fetched = match depth {
            Depth::Source => environment::fetch_source(&self.proxy, lock)?,
            Depth::Comparison | Depth::Build => environment::fetch(&self.proxy, lock)?,
        };
        let objects = match fetched {
            Ok(objects) => objects,
            Err(missing) => {
                self.missing(&mut audited.evidence, &missing);
                audited.stale = true;
                return Ok(audited);
            }
        };
        if lock.git.is_none() {
            for file in &mut audited.evidence.source.files {
                file.state = FileState::Checked;
            }
        }
        let looked = self.tagged(&mut audited, &objects)?;
        if !self.pinned(&mut audited.evidence, looked.as_ref())? {
            return Ok(audited);
        }
        let recipe = self.derived(looked.as_ref());
        let wanted = depth != Depth::Source || !self.world.inputs.is_empty();
        let inputs = if wanted { self.inputs(&mut audited)? } else { None };
        let published = match depth {
            Depth::Comparison | Depth::Source => self.published(&mut audited)?,
            Depth::Build => None,
        };
        if let (Some(published), Channel::Wheel(_)) = (&published, &self.own.release.channel) {
            self.record(published, &mut audited)?;
        }
        let folder = self.ground.rebuilds(self.subject)?;
        let parts = published.as_ref().map(|p| self.parts(p, &folder)).transpose()?;
        let told = parts.as_ref().map(|p| self.told(&mut audited, p)).unwrap_or_default();
        self.accounts(&mut audited, &told, &objects, looked.as_ref())?;
        if depth == Depth::Source {
            audited.evidence.rebuild.result =
                BuildResult::NotAttempted { reason: "it was asked not to build".to_owned() };
            return Ok(audited);
        }
        let Some(inputs) = inputs else { return Ok(audited) };
        let read_from = published.as_ref().map_or_else(|| go.artifact.clone(), |p| p.0.name.to_string());
        let replay = replay(&recipe, told.first().map(|(_, info)| info), &read_from);
        if depth == Depth::Comparison {
            audited.evidence.not_looked.extend(replay.gaps.iter().cloned());
        }
        audited.evidence.observations.clone_from(&replay.observations);
        if let Some(build) = &mut audited.evidence.environment.build {
            build.commands = commands(&go.recipe, replay.ldflags.as_deref());
        }
        let unpacked = self.unpacked(&mut audited, &objects, looked.as_ref())?;
        let prepared = match &go.recipe.prepare {
            None => None,
            Some(_) => match self.prepared(&mut audited, &inputs, &unpacked.source, &folder)? {
                None => return Ok(audited),
                prepared => prepared,
            },
        };
        let recipe = self.workspace(&mut audited, &unpacked.source);
        let ready = Ready { recipe, unpacked, prepared, replay };
        let (first, second) = self.build(&mut audited, &ready, &folder, parts.as_ref(), depth)?;
        if !first.completed() || depth == Depth::Build {
            if let Some(second) = second {
                self.alone(&mut audited.evidence, &first, Some(&second));
            }
            return Ok(audited);
        }
        if parts.is_none() {
            self.alone(&mut audited.evidence, &first, second.as_ref());
        }
        Ok(audited)
    }

    /// What the lock alone says.
    fn begin(&self) -> Evidence {
        let GoSubject { go, lock, .. } = self.own;
        let source = &lock.source;
        let file = |locked: &LockedModule, state| {
            let blob = locked.zip.as_ref()?;
            let name = format!("{}.zip", locked.module());
            Some(SourceFile { name, len_bytes: blob.size, digest: blob.digest.clone(), state })
        };
        let tree = lock.git.as_ref().map(|git| SourceFile {
            name: git.file(),
            len_bytes: git.size,
            digest: git.digest.clone(),
            state: FileState::NotLooked,
        });
        let reason = match &lock.git {
            Some(_) => {
                "the lock pins a commit and the files of its tree; nobody whose key is known has signed the tag"
            }
            None => {
                "a Go module carries no signature; the checksum database makes sure that everybody gets the same bytes for a version"
            }
        };
        let inputs = std::iter::once(&lock.toolchain).chain(&lock.modules).filter_map(package);
        let inputs = inputs.chain(lock.packages.iter().map(Package::from));
        Evidence {
            release: self.subject.release.clone(),
            indexes: Vec::new(),
            source: Source {
                package: source.path.clone(),
                version: source.version.clone(),
                files: file(source, FileState::NotLooked).into_iter().chain(tree).collect(),
                signature: SourceSignature::NotOffered { reason: reason.to_owned() },
            },
            environment: Environment {
                lock: Some(self.subject.lock_digest.clone()),
                packages: inputs.collect(),
                missing: Vec::new(),
                toolchain: BTreeMap::new(),
                build: Some(Build {
                    path: go.recipe.path.clone(),
                    source_date_epoch: 0,
                    env: build_env(&go.recipe),
                    commands: Vec::new(),
                    preparation: go.recipe.prepare.as_ref().map(|prepare| Preparation {
                        env: preparation_environment(prepare),
                        commands: prepare.commands.clone(),
                    }),
                }),
            },
            rebuild: ReportedBuild {
                result: BuildResult::NotAttempted { reason: "not reached".to_owned() },
                isolation: Vec::new(),
                varied: Vec::new(),
                log_tail: Vec::new(),
            },
            artifacts: Vec::new(),
            unpublished: Vec::new(),
            containers: Vec::new(),
            checks: Vec::new(),
            observations: Vec::new(),
            not_looked: Vec::new(),
            again: self.subject.again.clone(),
        }
    }

    /// Asks the checksum database for source and tool chain; for a commit there is none.
    fn vouched(&self, evidence: &mut Evidence) -> Result<(), AuditError> {
        let lock = self.own.lock;
        let source = lock.git.is_none().then_some(&lock.source);
        for locked in source.into_iter().chain([&lock.toolchain]) {
            let module = locked.module();
            let sum = locked.sum.clone();
            let index = |digest: Digest, signed_by: Vec<String>| Index {
                suite: format!("checksum database: {module}"),
                date: String::new(),
                digest,
                signed_by,
                kind: IndexKind::Signed,
            };
            let text = sum.as_ref().map(ToString::to_string).unwrap_or_default();
            let unknown = || index(Digest::sha256(text.as_bytes()), Vec::new());
            let Some(key) = self.world.database else {
                evidence.indexes.push(unknown());
                continue;
            };
            let record = match database::look_up(&self.proxy, key, &module) {
                Ok(record) => record,
                Err(e) if e.is_missing() => {
                    evidence.indexes.push(unknown());
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            let (zip, _) = database::verify(key, &module, &record)?;
            if Some(&zip) != sum.as_ref() {
                let (what, expected, found) = (module.to_string(), zip.to_string(), text);
                return Err(crate::source::go::GoSourceError::Sum { what, expected, found }.into());
            }
            evidence.indexes.push(index(Digest::sha256(record.text.as_bytes()), vec![key.id()]));
        }
        Ok(())
    }

    fn missing(&self, evidence: &mut Evidence, missing: &[String]) {
        let source = format!("{}.zip", self.own.lock.source.module());
        for name in missing {
            if *name == source {
                evidence.source.files.iter_mut().for_each(|f| f.state = FileState::Missing);
            } else {
                evidence.environment.missing.push(name.clone());
            }
        }
        if !missing.contains(&source) && self.own.lock.git.is_none() {
            evidence.source.files.iter_mut().for_each(|f| f.state = FileState::Checked);
        }
    }

    /// Takes the published archive apart; a binary without an archive is its own and only member.
    fn parts(&self, published: &Published, folder: &Path) -> Result<Parts, AuditError> {
        let path = published.0.path.as_std_path();
        let go = self.own.go;
        if go.members.is_empty() {
            return Ok(Parts::whole(go.artifact.clone(), path.to_path_buf()));
        }
        let to = folder.join("published");
        if to.exists() {
            std::fs::remove_dir_all(&to).map_err(|source| AuditError::Work { path: to.clone(), source })?;
        }
        make_folder(&to)?;
        let mut parts = take_apart(path, &to, &self.archive_limits())?;
        parts.check_modes(&go.members);
        Ok(parts)
    }

    /// Bounds on an archive that the project released.
    fn archive_limits(&self) -> ArchiveLimits {
        ArchiveLimits {
            expanded_bytes_max: self.world.limits.published_bytes_max,
            members_max: self.world.limits.published_members_max,
            ..ArchiveLimits::DEFAULT
        }
    }

    /// What each published binary says of itself, with the member that it is; one that does not is told.
    fn told(&self, audited: &mut Audited, parts: &Parts) -> Vec<(String, GoBuildInfo)> {
        let go = self.own.go;
        let binaries =
            go.members.iter().filter(|m| matches!(m.origin, Origin::Binary(_))).map(|m| m.path.as_str());
        let alone = go.members.is_empty().then_some(go.artifact.as_str());
        let mut told = Vec::new();
        for member in binaries.chain(alone) {
            let Some(part) = parts.files.get(member) else { continue };
            match observe(&part.path, &ObserveLimits::DEFAULT).map(|seen| seen.content) {
                Ok(Content::Go(found)) => told.push((member.to_owned(), found.build_info)),
                other => audited.evidence.checks.push(account::unread(member, other.err())),
            }
        }
        told
    }

    /// Holds what the published binaries say of themselves against the source and the lock.
    fn accounts(
        &self,
        audited: &mut Audited,
        told: &[(String, GoBuildInfo)],
        objects: &Objects,
        looked: Option<&Looked>,
    ) -> Result<(), AuditError> {
        if told.is_empty() {
            return Ok(());
        }
        let source = &self.own.lock.source;
        let mut version = None;
        if let Some(object) = source.zip.as_ref().and_then(|blob| objects.get(&blob.digest)) {
            let zip = ModuleZip::open(&source.module(), &object.path, self.world.limits)?;
            version = zip.file("VERSION", VERSION_BYTES_MAX).ok().flatten();
        }
        if let Some((clone, listing)) =
            looked.filter(|_| self.own.lock.git.is_some()).and_then(|l| l.tree.as_ref())
        {
            let entry = listing.entries.get("VERSION").filter(|e| e.len_bytes <= VERSION_BYTES_MAX);
            version = entry.map(|entry| clone.content(entry)).transpose()?;
        }
        let version = version.as_deref().map(String::from_utf8_lossy);
        // What the commit tells stands in the place of what the recipe does not know.
        let go = GoRelease { recipe: self.derived(looked).into_owned(), ..self.own.go.clone() };
        let own = GoSubject { go: &go, ..self.own };
        for (member, info) in told {
            let account = account::Account { member, info };
            let checks = account::check(&account, &own, version.as_deref(), self.ground.as_of);
            audited.evidence.checks.extend(checks);
        }
        Ok(())
    }

    /// Builds, compares, and builds again where that is wanted.
    fn build(
        &self,
        audited: &mut Audited,
        ready: &Ready<'_>,
        folder: &Path,
        parts: Option<&Parts>,
        depth: Depth,
    ) -> Result<(Rebuild, Option<Rebuild>), AuditError> {
        let Ready { recipe, unpacked, prepared, replay } = ready;
        let lock = self.own.lock;
        let checkout = self.checkout(replay, unpacked)?;
        let stand_ins = self.stages().join("stand-ins");
        let request = |work_dir| GoRequest {
            purl: &lock.purl,
            lock: &self.subject.lock_digest,
            recipe,
            ldflags: replay.ldflags.as_deref(),
            checkout: checkout.as_ref(),
            preparation: prepared.as_ref().map(Prepared::preparation),
            source: &unpacked.source,
            toolchain: &unpacked.toolchain,
            modules: &unpacked.modules,
            stand_ins: &stand_ins,
            work_dir,
            jobs: self.ground.options.jobs.get(),
            observations: &replay.observations,
            limits: &self.ground.options.rebuild,
        };
        let (first_dir, second_dir) = (folder.join("first"), folder.join("second"));
        let first = rebuild_go(&request(&first_dir), self.ground.observer)?;
        audited.built(&first, &first_dir, folder);
        let mut again = false;
        if first.completed() {
            if let Some(parts) = parts {
                self.compare(&mut audited.evidence, parts, &first, &first_dir, &unpacked.source)?;
            }
            again = match (self.ground.options.repeat, depth) {
                (Repeat::Never, _) => false,
                (Repeat::Always, _) => true,
                (Repeat::OnDifference, Depth::Build | Depth::Source) => false,
                (Repeat::OnDifference, Depth::Comparison) => {
                    parts.is_none() || audited.evidence.artifacts.iter().any(differs)
                }
            };
        }
        if !again {
            return Ok((first, None));
        }
        let (second, stability) = rebuild_go_varied(&request(&second_dir), &first, self.ground.observer)?;
        super::repeated(&mut audited.evidence, &first, &second, &stability);
        audited.evidence.rebuild.varied = varied();
        for pair in &mut audited.evidence.artifacts {
            let member = pair.member.as_deref().unwrap_or(pair.name.as_str());
            pair.rebuilt_again = self.binary_of(member).and_then(|binary| bytes_of(&second, binary));
        }
        Ok((first, Some(second)))
    }

    /// What git is to answer.
    fn checkout(&self, replay: &Replay, unpacked: &Unpacked) -> Result<Option<CheckoutState>, AuditError> {
        let Some(vcs) = &self.own.go.recipe.vcs else { return Ok(None) };
        let path = unpacked.source.join("go.mod");
        let go_mod = std::fs::read(&path).map_err(|source| AuditError::Work { path, source })?;
        let time = replay.time.as_deref().and_then(|t| t.parse::<jiff::Timestamp>().ok());
        let names = |here| vcs.tags.iter().filter(|t| t.here == here).map(|t| t.name.clone()).collect();
        Ok(Some(CheckoutState {
            revision: replay.revision.clone().unwrap_or_default(),
            time: time.map_or(0, jiff::Timestamp::as_second),
            modified: vcs.modified,
            tags: names(true),
            earlier_tags: names(false),
            go_mod,
        }))
    }

    /// Enters what has nothing published beside it.
    fn alone(&self, evidence: &mut Evidence, first: &Rebuild, second: Option<&Rebuild>) {
        let go = self.own.go;
        let Ok(name) = ArtifactName::new(go.artifact.clone()) else { return };
        for binary in &go.recipe.binaries {
            let is_it = |m: &&crate::component::Member| m.origin == Origin::Binary(binary.name.clone());
            let Some(rebuilt) = bytes_of(first, &binary.name) else { continue };
            evidence.unpublished.push(BuiltAlone {
                name: name.clone(),
                member: go.members.iter().find(is_it).map(|m| m.path.clone()),
                rebuilt,
                rebuilt_again: second.and_then(|s| bytes_of(s, &binary.name)),
            });
        }
    }
}

/// Whether what we built is something else than what was published: then our own build is tested first. A
/// member that nothing of ours stands beside is no matter of stability.
fn differs(pair: &ArtifactPair) -> bool {
    pair.rebuilt.as_ref().is_some_and(|ours| *ours != pair.published)
}

/// What the second build had otherwise.
fn varied() -> Vec<String> {
    ["host name `another-host`", "1 processor", "empty build cache at another path", "another home"]
        .map(str::to_owned)
        .to_vec()
}

fn bytes_of(rebuild: &Rebuild, binary: &str) -> Option<Bytes> {
    let kept: &Kept = rebuild.artifacts.iter().find(|k| k.name.as_str() == binary)?;
    Bytes::from_digests(&kept.digests, kept.len_bytes)
}

/// A locked module as an input of the build.
fn package(locked: &LockedModule) -> Option<Package> {
    let blob = locked.zip.as_ref().or(locked.mod_file.as_ref())?;
    let ModuleVersion { path, version } = locked.module();
    let encoded = version.replace('+', "%2B");
    Some(Package {
        purl: Some(format!("pkg:golang/{path}@{encoded}")),
        name: path,
        version,
        architecture: "any".to_owned(),
        len_bytes: blob.size,
        digest: blob.digest.clone(),
    })
}
