//! What was published: the caller's file with what its publisher says of it, or the registry's.

use super::*;
use crate::digest::{Algorithm, DigestSet, hash_file};
use crate::limits::signature::SignatureLimits;
use crate::report::Checked;
use crate::verify::Finding;
use crate::verify::checksums::ChecksumList;
use crate::verify::signed::{Document, Keys, answer_list};

/// What a publisher says of a file that the caller has: a list of checksums, and a signature over it.
#[derive(Clone, Copy)]
pub struct Announcement<'a> {
    /// The list.
    pub list: Document<'a>,
    /// A signature over it, detached.
    pub signature: Option<Document<'a>>,
    /// Whose signatures count.
    pub keys: Keys<'a>,
}

impl Flow<'_> {
    /// What was published: the caller's file, or the registry's.
    pub(super) fn published(&self, audited: &mut Audited) -> Result<Option<Published>, AuditError> {
        let name = ArtifactName::new(self.own.go.artifact.clone())?;
        let locked = self.own.lock.published.as_ref();
        if let Some(path) = self.world.published {
            let artifact = Artifact::read(name, path)?;
            let same = |l: &environment::LockedPublished| artifact.digests.iter().any(|d| *d == l.digest);
            let pinned = locked.is_some_and(same);
            if let Some(locked) = locked.filter(|_| !pinned) {
                audited.evidence.not_looked.push(Gap {
                    code: "published-not-as-locked".to_owned(),
                    text: format!(
                        "whether the given file is what was published: the lock has {}",
                        locked.digest
                    ),
                });
            }
            self.announced(&artifact, pinned, audited)?;
            return Ok(Some(Published(artifact)));
        }
        match &self.own.release.channel {
            Channel::Npm(_) => {}
            Channel::Wheel(wheel) => return self.of_index(wheel, locked, audited),
            Channel::Upstream(_) | Channel::Debian(_) | Channel::Pypi(_) => return Ok(None),
        }
        let registry = self.world.registry.ok_or(npm::NpmError::NoRegistry)?;
        let told = npm::describe(self.ground.fetcher, registry, &self.own.release.purl, self.world.limits)?;
        audited.evidence.indexes.push(Index {
            suite: "npm registry".to_owned(),
            date: String::new(),
            digest: told.integrity.clone(),
            signed_by: Vec::new(),
            kind: IndexKind::Unsigned,
        });
        audited.seen.push(Seen {
            kind: "announced",
            name: name.to_string(),
            value: told.integrity.to_string(),
        });
        let Some(locked) = locked else { return Ok(None) };
        if locked.announced.as_ref() != Some(&told.integrity) {
            audited.stale = true;
            let expected = locked.announced.as_ref().map(ToString::to_string).unwrap_or_default();
            audited.evidence.checks.push(
                Checked::new("published-replaced", name.to_string(), Finding::Refuted)
                    .expected(format!("{expected}, which the registry announced when the lock was made"))
                    .found(format!("the registry announces {} today", told.integrity))
                    .next(
                        "a version's bytes never change: ask the registry and the project what was replaced",
                    ),
            );
        }
        let request =
            Request { urls: told.urls, digest: locked.digest.clone(), length: Length::Exactly(locked.size) };
        let object = self.ground.fetcher.fetch(
            self.ground.store,
            &request,
            Stage::Comparison,
            self.ground.observer,
        )?;
        Ok(Some(Published(Artifact::read(name, &object.path)?)))
    }

    /// Holds a file that the caller gave against its publisher's list of checksums.
    fn announced(&self, artifact: &Artifact, pinned: bool, audited: &mut Audited) -> Result<(), AuditError> {
        let go = self.own.go;
        let Some(given) = self.world.announced else {
            // The lock, which people review, names these very bytes: no list would say more.
            if !pinned {
                let list = go.checksums.as_deref().unwrap_or("list of checksums");
                audited.evidence.checks.push(
                    Checked::new("checksums-not-given", go.artifact.clone(), Finding::Absent)
                        .expected(format!("the publisher's `{list}`"))
                        .found("it was not given, so that nothing says that these bytes were published")
                        .next("download it beside the file, or name it with `--checksums FILE`"),
                );
            }
            return Ok(());
        };
        let of_list = of_list(&given, &go.artifact, artifact, self.ground.as_of)?;
        if is_listed(&of_list) {
            let value = artifact.digests.iter().next().map(ToString::to_string).unwrap_or_default();
            audited.seen.push(Seen { kind: "published", name: go.artifact.clone(), value });
        }
        audited.evidence.checks.extend(of_list);
        Ok(())
    }
}

/// What a publisher's list says of one of its files, and who signed the list.
pub(super) fn of_list(
    given: &Announcement<'_>,
    name: &str,
    artifact: &Artifact,
    as_of: jiff::Timestamp,
) -> Result<Vec<Checked>, AuditError> {
    let limits = SignatureLimits::DEFAULT;
    let mut digests = artifact.digests.clone();
    let asked = ChecksumList::parse(given.list.bytes, &limits).map(|list| list.algorithms());
    if asked.is_ok_and(|all| all.contains(&Algorithm::Sha512)) {
        let path = artifact.path.as_std_path();
        let hashed = hash_file(Algorithm::Sha512, path);
        let (digest, _) = hashed.map_err(|source| AuditError::Work { path: path.to_path_buf(), source })?;
        digests = digests.iter().fold(DigestSet::single(digest), |set, d| set.with(d.clone()));
    }
    let answer = answer_list(given.list, given.signature, Some(name), &digests, &given.keys, as_of, &limits);
    let checked = answer.checks.iter().map(|check| {
        let mut checked = Checked::of(check, &format!("`{}` of {name}", given.list.source));
        if check.code == "checksums-signed" {
            // The channel has no signature; that is no fault of the file.
            checked.finding = Finding::Noted;
            checked.found =
                "nobody signed the list: whoever replaces the file can replace it, too".to_owned();
        }
        checked
    });
    Ok(checked.collect())
}

/// Whether the list names the file with its bytes.
pub(super) fn is_listed(of_list: &[Checked]) -> bool {
    of_list.iter().any(|c| c.code.starts_with("checksums-list") && c.finding == Finding::Established)
}
