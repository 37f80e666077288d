//! What a lock says of a release before anything is looked at, in the report's words.

use std::collections::BTreeMap;

use super::model::{
    ArtifactPair, Build, BuildResult, Environment, Evidence, FileState, Gap, Index, IndexKind, Package,
    Rebuild, Release, Source, SourceFile, SourceSignature,
};
use crate::digest::Digest;
use crate::environment::lock::{BuildDefinition, Lock, LockedFile, LockedIndex, LockedPackage};

impl From<&LockedIndex> for Index {
    fn from(index: &LockedIndex) -> Self {
        Self {
            suite: index.suite.clone(),
            date: index.date.clone(),
            digest: index.digest.clone(),
            signed_by: index.signed_by.clone(),
            kind: IndexKind::Signed,
        }
    }
}

impl From<&LockedPackage> for Package {
    fn from(package: &LockedPackage) -> Self {
        Self {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            len_bytes: package.file.size,
            digest: package.file.digest.clone(),
            purl: None,
        }
    }
}

impl From<&BuildDefinition> for Build {
    fn from(build: &BuildDefinition) -> Self {
        Self {
            path: build.path.clone(),
            source_date_epoch: build.source_date_epoch,
            env: build.env.clone(),
            commands: build.commands.clone(),
            preparation: None,
        }
    }
}

impl SourceFile {
    /// A locked file with what became of it.
    pub fn new(file: &LockedFile, state: FileState) -> Self {
        Self { name: file.name.clone(), len_bytes: file.size, digest: file.digest.clone(), state }
    }
}

impl Evidence {
    /// What a lock alone says: nothing obtained, nothing built, nothing compared. The stages fill in
    /// what they saw; what they leave stays as "not looked".
    pub fn from_lock(release: Release, lock: &Lock, lock_digest: Digest) -> Self {
        let files = lock.source.files.iter().map(|f| SourceFile::new(f, FileState::NotLooked)).collect();
        let mut evidence =
            Self::unlocked(release, (&lock.source.name, &lock.source.version), &lock.published);
        evidence.indexes = lock.indexes.iter().map(Index::from).collect();
        evidence.source.files = files;
        evidence.environment.lock = Some(lock_digest);
        evidence.environment.packages = lock.packages.iter().map(Package::from).collect();
        evidence.environment.build = Some(Build::from(&lock.build));
        evidence.observations.clone_from(&lock.observations);
        evidence
    }

    /// Of a release for which no build environment was resolved: the name and version of its source, and
    /// what was published.
    pub fn unlocked(release: Release, source: (&str, &str), published: &[LockedFile]) -> Self {
        Self {
            release,
            indexes: Vec::new(),
            source: Source {
                package: source.0.to_owned(),
                version: source.1.to_owned(),
                files: Vec::new(),
                signature: SourceSignature::NotChecked { reason: "the source was not obtained".to_owned() },
            },
            environment: Environment {
                lock: None,
                packages: Vec::new(),
                missing: Vec::new(),
                toolchain: BTreeMap::new(),
                build: None,
            },
            rebuild: Rebuild {
                result: BuildResult::NotAttempted { reason: "not reached".to_owned() },
                isolation: Vec::new(),
                varied: Vec::new(),
                log_tail: Vec::new(),
            },
            artifacts: published.iter().filter_map(ArtifactPair::announced).collect(),
            unpublished: Vec::new(),
            containers: Vec::new(),
            checks: Vec::new(),
            observations: Vec::new(),
            not_looked: published
                .iter()
                .filter(|f| ArtifactPair::announced(f).is_none())
                .map(|f| Gap {
                    code: "artifact-name".to_owned(),
                    text: format!(
                        "`{}` was not compared: it is not a plain file name",
                        f.name.escape_debug()
                    ),
                })
                .collect(),
            again: Vec::new(),
        }
    }
}
