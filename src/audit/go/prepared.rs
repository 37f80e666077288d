//! With what a source is prepared: Debian's packages, confirmed and unpacked, and the release's inputs.

use super::*;
use crate::audit::debian::BUILD_USER;
use crate::audit::{evidence, shortened};
use crate::component::Input;
use crate::environment::debian::{acquire_packages, confirm_packages};
use crate::environment::go::PREPARED_ON;
use crate::environment::lock::LockedPackage;
use crate::environment::root_fs::{self, RootFs};
use crate::event::Event;
use crate::rebuild::go::Preparation;
use crate::source::debian::Offered;

/// All of it, at hand.
pub(super) struct Prepared {
    root: RootFs,
    inputs: Vec<(String, PathBuf)>,
}

impl Prepared {
    pub(super) fn preparation(&self) -> Preparation<'_> {
        Preparation { root: self.root.path(), inputs: &self.inputs }
    }
}

impl Flow<'_> {
    /// Makes ready what the recipe's preparation needs; nothing where something of it cannot be had or
    /// used, which is entered.
    pub(super) fn prepared(
        &self,
        audited: &mut Audited,
        inputs: &[(Input, Artifact)],
        source: &Path,
        folder: &Path,
    ) -> Result<Option<Prepared>, AuditError> {
        let Some(root) = self.system(audited)? else { return Ok(None) };
        let inputs = self.unpack_inputs(audited, inputs, source, folder)?;
        Ok(inputs.map(|inputs| Prepared { root, inputs }))
    }

    /// The root file system: its packages held against the indexes of today, fetched and unpacked.
    fn system(&self, audited: &mut Audited) -> Result<Option<RootFs>, AuditError> {
        let (lock, archives) = (self.own.lock, self.archives);
        let confirmation = confirm_packages(
            &archives.access,
            (&lock.indexes, &lock.packages),
            PREPARED_ON,
            archives.archive_keyring,
            self.ground.as_of,
            &self.ground.work.join("indexes"),
            self.ground.options.refresh,
        )?;
        audited.evidence.indexes.extend(confirmation.indexes.iter().map(evidence::index));
        if !confirmation.unlisted.is_empty() {
            audited.stale = true;
            audited.evidence.not_looked.push(Gap {
                code: "lock-not-listed".to_owned(),
                text: format!(
                    "no index lists {} of the lock's packages any more ({}): their authenticity rests on the lock alone",
                    confirmation.unlisted.len(),
                    shortened(&confirmation.unlisted),
                ),
            });
        }
        let what = format!("{} signed indexes verified", confirmation.indexes.len());
        self.ground.observer.event(&Event::Finished { stage: Stage::Source, what: &what });
        let objects = match acquire_packages(&archives.access, &lock.packages)? {
            Offered::All(objects) => objects,
            Offered::Missing(gone) => {
                audited.stale = true;
                audited.evidence.environment.missing.extend(gone.into_iter().map(|m| m.name));
                return Ok(None);
            }
        };
        let paths = objects.into_iter().map(|object| object.path);
        let packages: Vec<(LockedPackage, PathBuf)> = lock.packages.iter().cloned().zip(paths).collect();
        let options = root_fs::Options {
            user: BUILD_USER,
            limits: self.ground.options.root_fs,
            threads: self.ground.options.jobs,
        };
        let root =
            root_fs::ensure(&self.ground.work.join("roots"), &packages, &options, self.ground.observer)?;
        Ok(Some(root))
    }
}
