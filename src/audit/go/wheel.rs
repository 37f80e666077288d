//! A published wheel that holds a program which Go builds: what its index says of it, who attested it, and
//! whether its own `RECORD` is true of its members.

use std::fs::File;

use super::*;
use crate::audit::pypi::of_listing;
use crate::component::GoWheel;
use crate::limits::pypi::PypiLimits;
use crate::observe::{self, ObserveError};
use crate::report::Checked;
use crate::source::pypi::{self, Attested, Listing, LockedDistribution, PypiError, attested};
use crate::verdict::Verdict;
use crate::verify::Finding;

impl Flow<'_> {
    /// The wheel by the lock's digest, and what its index says of it today. None, said so, where neither
    /// the index nor the store has it any more.
    pub(super) fn of_index(
        &self,
        wheel: &GoWheel,
        locked: Option<&environment::LockedPublished>,
        audited: &mut Audited,
    ) -> Result<Option<Published>, AuditError> {
        let no_index = || AuditError::NoIndex { purl: self.own.release.purl.to_string() };
        let access = pypi::Access {
            index: self.world.index.ok_or_else(no_index)?,
            fetcher: self.ground.fetcher,
            store: self.ground.store,
            observer: self.ground.observer,
            limits: PypiLimits::DEFAULT,
        };
        let Some(locked) = locked else { return Ok(None) };
        let file = LockedDistribution {
            project: wheel.project.clone(),
            version: self.own.release.version.clone(),
            file: locked.name.clone(),
            size: locked.size,
            digest: locked.digest.clone(),
        };
        let listing = match pypi::listing(&access, &wheel.project) {
            Err(PypiError::NotListed { .. }) => None,
            listing => Some(listing?),
        };
        let listed = listing.as_ref().and_then(|listing| listing.file(&file.file).ok());
        audited.evidence.indexes.push(Index {
            suite: format!("package index, {}", wheel.project),
            date: String::new(),
            digest: Digest::sha256(format!("{} {}\n", file.digest, file.file).as_bytes()),
            signed_by: Vec::new(),
            kind: IndexKind::Unsigned,
        });
        if let Some(listing) = &listing {
            of_listing(listing, &file.file, &mut audited.evidence);
        }
        let announced = listed.and_then(|listed| listed.digest.clone());
        match &announced {
            Some(found) => {
                let value = found.to_string();
                audited.seen.push(Seen { kind: "announced", name: file.file.clone(), value });
            }
            None => {
                audited.stale = true;
                audited.evidence.not_looked.push(Gap {
                    code: "lock-not-listed".to_owned(),
                    text: format!("no index announces a SHA-256 of {} any more: its authenticity rests on the lock alone", file.file),
                });
            }
        }
        if let Some(found) = announced.filter(|found| *found != file.digest) {
            audited.evidence.checks.push(replaced(&file, &found));
        } else {
            audited.evidence.checks.push(self.attested(&access, wheel, listing.as_ref(), &file)?);
        }
        let request = Request {
            urls: listed.map(|listed| listed.url.clone()).into_iter().collect(),
            digest: file.digest,
            length: Length::Exactly(file.size),
        };
        // What the index no longer announces under that digest is in the store, or nowhere.
        let kept = self.ground.store.get(&request.digest)?;
        let object = match kept {
            Some(object) => object,
            None if audited.stale || request.urls.is_empty() => return Ok(None),
            None => {
                let (fetcher, store) = (self.ground.fetcher, self.ground.store);
                fetcher.fetch(store, &request, Stage::Comparison, self.ground.observer)?
            }
        };
        let name = ArtifactName::new(self.own.go.artifact.clone())?;
        Ok(Some(Published(Artifact::read(name, &object.path)?)))
    }

    /// Who attested the wheel, held against whom the definition names.
    fn attested(
        &self,
        access: &pypi::Access<'_>,
        wheel: &GoWheel,
        listing: Option<&Listing>,
        file: &LockedDistribution,
    ) -> Result<Checked, AuditError> {
        let found = match listing.and_then(|listing| listing.file(&file.file).ok()) {
            Some(listed) => attested(access, listed, file, wheel.publisher.as_ref(), self.ground.as_of)?,
            None => Attested::NotOffered,
        };
        let check = |finding| Checked::new("wheel-attested", file.file.clone(), finding);
        Ok(match found {
            Attested::NotOffered => check(Finding::Noted)
                .found("the index announces no attestation of it")
                .next("hold it against what the project itself says of its releases"),
            Attested::NobodyNamed => check(Finding::Noted)
                .found("it is attested, and the definition names no publisher to hold that against")
                .next("name who has to have attested it with `publisher`"),
            Attested::Judged { verdict: Verdict::Pass, signers, .. } => {
                check(Finding::Established).found(format!("attested by {}", signers.join(", ")))
            }
            Attested::Judged { verdict: Verdict::Fail, reason, .. } => check(Finding::Refuted)
                .expected("an attestation by the publisher that the definition names")
                .found(reason)
                .next("ask the project who released it"),
            Attested::Judged { verdict: Verdict::Inconclusive, reason, .. } => check(Finding::Absent)
                .expected("an attestation by the publisher that the definition names")
                .found(reason),
        })
    }

    /// Whether `RECORD` lists every member with its digest and length, and nothing else: an installer goes
    /// by it, and a later check of what was installed knows nothing else.
    pub(super) fn record(&self, published: &Published, audited: &mut Audited) -> Result<(), AuditError> {
        let path = published.0.path.as_std_path();
        let disk = |source| AuditError::Work { path: path.to_path_buf(), source };
        let read = observe::wheel::read(File::open(path).map_err(disk)?, &ObserveLimits::DEFAULT);
        let check = |finding| {
            Checked::new("wheel-record", self.own.go.artifact.clone(), finding)
                .expected("`RECORD` has the SHA-256 and the length of every member, and nothing else")
                .next("ask the publisher how the wheel was packed: an installer refuses or misses such files")
        };
        let wheel = match read {
            Ok(Some(wheel)) => wheel,
            Ok(None) => {
                audited.evidence.checks.push(check(Finding::Refuted).found("no `.dist-info/WHEEL` in it"));
                return Ok(());
            }
            Err(ObserveError::Read(source)) => return Err(disk(source)),
            Err(error) => {
                let limit = matches!(error, ObserveError::Limit { .. });
                let finding = if limit { Finding::Absent } else { Finding::Refuted };
                audited.evidence.checks.push(check(finding).found(error.to_string()));
                return Ok(());
            }
        };
        let record = &wheel.record;
        let told: Vec<String> = [
            ("other bytes than recorded", &record.mismatched),
            ("not recorded", &record.unlisted),
            ("recorded and not there", &record.absent),
            ("recorded without a SHA-256", &record.unchecked),
        ]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| {
            let escaped: Vec<String> = names.iter().map(|n| n.escape_debug().to_string()).collect();
            format!("{what}: {}", crate::audit::shortened(&escaped))
        })
        .collect();
        let wrong = [&record.mismatched, &record.unlisted, &record.absent];
        let finding = match (record.fits(), wrong.iter().all(|names| names.is_empty())) {
            (true, _) => Finding::Established,
            (false, true) => Finding::Absent,
            (false, false) => Finding::Refuted,
        };
        let found = match finding {
            Finding::Established => format!("{} members are as recorded", record.matching),
            _ => told.join("; "),
        };
        audited.evidence.checks.push(check(finding).found(found));
        Ok(())
    }
}

fn replaced(file: &LockedDistribution, found: &Digest) -> Checked {
    Checked::new("published-replaced", file.file.clone(), Finding::Refuted)
        .expected(format!("{}, which the index announced when the lock was made", file.digest))
        .found(format!("the index announces {found} today"))
        .next("a file's bytes never change: ask the index and the project what was replaced")
}
