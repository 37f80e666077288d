//! The published parts beside what was built and what the source holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Flow;
use super::masked;
use super::members::{Parts, difference};
use crate::artifact::{Artifact, ArtifactName, Published, Rebuilt};
use crate::audit::{AuditError, make_folder};
use crate::compare::{self, Cause, CompareOptions};
use crate::component::Origin;
use crate::digest::Digest;
use crate::event::{Event, Stage};
use crate::rebuild::Rebuild;
use crate::report::{ArtifactPair, Bytes, Container, Evidence, Gap, Outcome, artifact_outcome};

impl Flow<'_> {
    /// The binary that a member is.
    pub(super) fn binary_of(&self, member: &str) -> Option<&str> {
        let go = self.own.go;
        if go.members.is_empty() {
            return go.recipe.binaries.first().map(|b| b.name.as_str());
        }
        go.members.iter().find(|m| m.path == member).and_then(|m| match &m.origin {
            Origin::Binary(name) => Some(name.as_str()),
            Origin::File(_) | Origin::Unsourced(_) => None,
        })
    }

    /// Why nothing can stand beside a member, where the recipe says that the source does not hold it.
    fn unsourced(&self, member: &str) -> Option<&str> {
        self.own.go.members.iter().find(|m| m.path == member).and_then(|m| match &m.origin {
            Origin::Unsourced(why) => Some(why.as_str()),
            Origin::Binary(_) | Origin::File(_) => None,
        })
    }

    /// Compares each member with the binary or the file of the source that it is said to be.
    pub(super) fn compare(
        &self,
        evidence: &mut Evidence,
        parts: &Parts,
        first: &Rebuild,
        first_dir: &Path,
        source: &Path,
    ) -> Result<(), AuditError> {
        self.ground
            .observer
            .event(&Event::Started { stage: Stage::Comparison, what: "published and rebuilt" });
        let scratch = self.ground.work.join("scratch");
        make_folder(&scratch)?;
        let options = CompareOptions::new(scratch);
        let go = self.own.go;
        let name = ArtifactName::new(go.artifact.clone())?;
        let rebuilt = first.rebuilt(first_dir)?;
        let mut expected: BTreeMap<&str, Option<Rebuilt>> = BTreeMap::new();
        for member in &go.members {
            let ours = match &member.origin {
                Origin::Binary(binary) => rebuilt.iter().find(|r| r.0.name.as_str() == binary).cloned(),
                Origin::File(file) => of_source(source, file)?,
                Origin::Unsourced(_) => None,
            };
            expected.insert(&member.path, ours);
        }
        if go.members.is_empty() {
            expected.insert(&go.artifact, rebuilt.into_iter().next());
        }
        let mut headers = parts.headers.clone();
        for (member, ours) in &expected {
            let Some(part) = parts.files.get(*member) else {
                headers.extend(missing(evidence, parts, member));
                continue;
            };
            let theirs = Published(Artifact::read(name.clone(), &part.path)?);
            let mut pair = pair(&name, member, &theirs, go.members.is_empty());
            pair.unsourced = self.unsourced(member).map(str::to_owned);
            if let Some(ours) = ours {
                pair.rebuilt = Bytes::of(&ours.0);
                if pair.rebuilt.as_ref() != Some(&pair.published) {
                    pair = pair.explained_by(&compare::compare(&theirs, ours, &options)?);
                    if self.binary_of(member).is_some() {
                        masked::note(&mut pair.differences, &part.path, ours.0.path.as_std_path())?;
                    }
                }
            }
            evidence.artifacts.push(pair);
        }
        for (member, part) in parts.files.iter().filter(|(m, _)| !expected.contains_key(m.as_str())) {
            let theirs = Published(Artifact::read(name.clone(), &part.path)?);
            let mut extra = pair(&name, member, &theirs, false);
            extra.differences = vec![difference(member, Cause::MemberRemoved, None, "no such member")];
            evidence.artifacts.push(extra);
        }
        self.container(evidence, parts, headers, name);
        let equal = evidence.artifacts.iter().filter(|p| artifact_outcome(p) == Outcome::Identical).count();
        let what = format!("{equal} of {} identical", evidence.artifacts.len());
        self.ground.observer.event(&Event::Finished { stage: Stage::Comparison, what: &what });
        Ok(())
    }

    /// Enters what the archive itself says beside its members. One that could not be read to its end
    /// may hold anything behind that place: then nothing about it is a pass.
    fn container(
        &self,
        evidence: &mut Evidence,
        parts: &Parts,
        headers: Vec<compare::Difference>,
        name: ArtifactName,
    ) {
        for stop in &parts.stopped {
            evidence.not_looked.push(Gap {
                code: "archive-not-read".to_owned(),
                text: format!("all of `{name}`: reading stopped ({}): {}", stop.cause, stop.detail),
            });
        }
        if self.own.go.members.is_empty() {
            return;
        }
        let published = match (self.world.published, &self.own.lock.published) {
            (Some(path), _) => Artifact::read(name.clone(), path).ok().and_then(|a| Bytes::of(&a)),
            (None, Some(locked)) => Some(Bytes { digest: locked.digest.clone(), len_bytes: locked.size }),
            (None, None) => None,
        };
        if let Some(published) = published {
            let limits = parts.stopped.clone();
            evidence.containers.push(Container { name, published, differences: headers, limits });
        }
    }
}

/// What it means that a member of the recipe is not in the archive: that it is missing, where the whole
/// archive was read, and nothing otherwise.
fn missing(evidence: &mut Evidence, parts: &Parts, member: &str) -> Option<compare::Difference> {
    if parts.stopped.is_empty() {
        let mut missing = difference(member, Cause::MemberAdded, None, "a member that the recipe names");
        missing.note = Some("the published archive does not have it".to_owned());
        return Some(missing);
    }
    evidence.not_looked.push(Gap {
        code: "member-not-seen".to_owned(),
        text: format!("`{member}`: it is not in the part of the archive that could be read"),
    });
    None
}

/// A file of the source in the role of what we made; none where the source has no such file.
fn of_source(source: &Path, file: &str) -> Result<Option<Rebuilt>, AuditError> {
    let mut path: PathBuf = source.to_path_buf();
    for part in file.split('/') {
        path.push(part);
        // A link of a hostile source could show any file of this machine as its own.
        if path.symlink_metadata().map_or(true, |found| found.is_symlink()) {
            return Ok(None);
        }
    }
    if !path.is_file() {
        return Ok(None);
    }
    let name = ArtifactName::new(file.rsplit('/').next().unwrap_or(file).to_owned())?;
    Ok(Some(Rebuilt(Artifact::read(name, &path)?)))
}

fn pair(name: &ArtifactName, member: &str, published: &Published, whole: bool) -> ArtifactPair {
    let none = Bytes { digest: Digest::sha256(b""), len_bytes: 0 };
    ArtifactPair {
        name: name.clone(),
        member: (!whole).then(|| member.to_owned()),
        unsourced: None,
        published: Bytes::of(&published.0).unwrap_or(none),
        rebuilt: None,
        rebuilt_again: None,
        differences: Vec::new(),
        limits: Vec::new(),
        passes: Vec::new(),
    }
}
