//! What the module, or the commit, and the clone where one was given, make of the source that is built.

use super::*;
use crate::audit::tagged::{Looked, Wanted, look, of_error};
use crate::component::Value;
use crate::environment::go::GoEnvironmentError;
use crate::report::Checked;
use crate::source::git::Packaged;
use crate::verify::Finding;

impl Flow<'_> {
    /// Where the folders of Go builds are kept.
    pub(super) fn stages(&self) -> PathBuf {
        self.ground.work.join("go")
    }

    /// Looks at the release's tag in its clone, and holds the module against it.
    pub(super) fn tagged(
        &self,
        audited: &mut Audited,
        objects: &Objects,
    ) -> Result<Option<Looked>, AuditError> {
        let GoSubject { go, lock, .. } = self.own;
        let Some(source) = &self.subject.source else { return Ok(None) };
        let pinned = go.recipe.vcs.as_ref().map(|vcs| vcs.revision.text.as_str());
        let wanted = Wanted { source, pinned, locked: lock.git.as_ref() };
        let mut looked = look(self.ground, &self.clones, wanted);
        let module = lock.source.module();
        let zip = lock.source.zip.as_ref().and_then(|blob| objects.get(&blob.digest));
        if let Some(zip) = zip.filter(|_| looked.tree.is_some()) {
            let packed = Packaged::of_module(&module, &zip.path)?;
            looked.drift(&packed, &format!("the module {module}"), source);
        }
        self.shape(&mut looked, &source.repository);
        audited.evidence.checks.append(&mut looked.checks);
        if let Some(signature) = looked.signature.take() {
            audited.evidence.source.signature = signature;
        }
        audited.seen.extend(looked.seen.take());
        Ok(Some(looked))
    }

    /// Whether the source is there: of a lock that pins a commit, the tree of that commit, with the very files
    /// that were locked.
    pub(super) fn pinned(
        &self,
        evidence: &mut Evidence,
        looked: Option<&Looked>,
    ) -> Result<bool, AuditError> {
        let Some(git) = &self.own.lock.git else { return Ok(true) };
        let mut state = FileState::Missing;
        if let Some((clone, listing)) = looked.and_then(|l| l.tree.as_ref()) {
            match clone.pack(listing, self.ground.work) {
                Ok(tar) => {
                    let found = self.ground.store.put_new(tar, self.world.limits.published_bytes_max)?;
                    state = FileState::Mismatched;
                    if found.digest == git.digest && found.len_bytes == git.size {
                        state = FileState::Checked;
                    }
                }
                Err(error) => {
                    let subject = format!("commit {}", git.commit);
                    evidence.checks.push(of_error("source-tree", &subject, &error));
                }
            }
        }
        for file in evidence.source.files.iter_mut().filter(|file| file.digest == git.digest) {
            file.state = state;
        }
        Ok(state == FileState::Checked)
    }

    /// Holds the checkout that the recipe replays against the clone: the commit's time, and where its tags
    /// are.
    fn shape(&self, looked: &mut Looked, repository: &str) {
        let (Some(vcs), Some((clone, listing))) = (&self.own.go.recipe.vcs, &looked.tree) else { return };
        let commit = &listing.commit;
        let subject = format!("checkout of {repository}");
        let mut checks = Vec::new();
        let time = commit.time.to_string();
        if let Some(told) = &vcs.time {
            let finding = if time == told.text { Finding::Established } else { Finding::Refuted };
            checks.push(
                Checked::new("checkout-time", &subject, finding)
                    .expected(format!("{}, as the recipe says", told.text))
                    .found(format!("the commit's time is {time}"))
                    .next("correct the recipe's `vcs.time`, or ask which commit was released"),
            );
        }
        for tag in &vcs.tags {
            let told =
                clone.tag(&tag.name).and_then(|raw| clone.commit(&raw)).and_then(|found| match tag.here {
                    true => Ok(Some(found.id == commit.id)),
                    false => clone.reaches(commit, &found.id),
                });
            let place = if tag.here { "at the commit" } else { "before the commit" };
            let (finding, found) = match told {
                Ok(Some(true)) => (Finding::Established, format!("it is {place}")),
                Ok(Some(false)) => (Finding::Refuted, format!("it is not {place}")),
                Ok(None) => (Finding::Absent, "the clone is shallow and ends before it".to_owned()),
                Err(e) => (Finding::Absent, e.to_string()),
            };
            checks.push(
                Checked::new("checkout-tag", format!("tag `{}` of {repository}", tag.name), finding)
                    .expected(format!("{place}, as the recipe says"))
                    .found(found)
                    .next("correct the recipe's tags, or fetch them into the clone"),
            );
        }
        looked.checks.append(&mut checks);
    }

    /// The recipe with what the clone tells in place of what was read from the artifact.
    pub(super) fn derived(&self, looked: Option<&Looked>) -> Cow<'_, GoRecipe> {
        let recipe = &self.own.go.recipe;
        let (Some(commit), Some(vcs)) = (looked.and_then(Looked::commit), &recipe.vcs) else {
            return Cow::Borrowed(recipe);
        };
        let mut recipe = recipe.clone();
        let mut vcs = vcs.clone();
        vcs.revision = Value { text: commit.id.clone(), observed: false };
        vcs.time = Some(Value { text: commit.time.to_string(), observed: false });
        recipe.vcs = Some(vcs);
        Cow::Owned(recipe)
    }

    /// The folders of the build: the source from the clone's commit where it is the pinned one and a module
    /// of its own, else from the module's zip.
    pub(super) fn unpacked(
        &self,
        audited: &mut Audited,
        objects: &Objects,
        looked: Option<&Looked>,
    ) -> Result<Unpacked, AuditError> {
        let GoSubject { go, lock, .. } = self.own;
        let repository = go.recipe.vcs.is_some();
        let stages = self.stages();
        let mut unpacked = Unpacked::ensure(&stages, lock, objects, self.world.limits, repository)?;
        let top = self.subject.source.as_ref().is_some_and(|source| source.folder.is_empty());
        let tree = looked.filter(|l| l.pinned && top).and_then(|l| l.tree.as_ref());
        let Some((clone, listing)) = tree else { return Ok(unpacked) };
        let written = |digest: &Digest| {
            environment::tree(&stages, digest, repository, |to| {
                clone.write(listing, to).map_err(GoEnvironmentError::from)
            })
        };
        if let Some(git) = &lock.git {
            unpacked.source = written(&git.digest)?;
            return Ok(unpacked);
        }
        let commit = &listing.commit.id;
        let packed = match clone.pack(listing, self.ground.work) {
            Ok(file) => self.ground.store.put_new(file, self.world.limits.published_bytes_max)?,
            Err(error) => {
                audited.evidence.checks.push(of_error("source-tree", &format!("commit {commit}"), &error));
                return Ok(unpacked);
            }
        };
        unpacked.source = written(&packed.digest)?;
        let name = self.subject.source.as_ref().map_or("", |s| s.repository.as_str());
        audited.evidence.source.files.push(SourceFile {
            name: format!("{}-{commit}.tar", name.replace('/', "-")),
            len_bytes: packed.len_bytes,
            digest: packed.digest,
            state: FileState::Checked,
        });
        Ok(unpacked)
    }
}
