//! Asks a Go release what registers and controls want to know: its source is read from the module, and its
//! program is started, our own build of it, or where there is none the published one.

use std::io::BufReader;

use super::super::examine::{Program, not_run};
use super::*;
use crate::archive::tar::TarReader;
use crate::component::{GoBinary, Member};
use crate::digest::Algorithm;
use crate::evaluate::evidence::{Answer, SourcePath};
use crate::evaluate::source::{ReleaseSource, SourceTreeError};
use crate::limits::evaluate::SourceLimits;
use crate::probe::spec::Probe;
use crate::probe::{install_programs, program_names};
use crate::report::findings::Tested;
use crate::report::{Outcome, outcome};
use crate::source::git::GitSourceError;
use crate::source::go::archive::ModuleZip;
use crate::store::Object;

/// Platform of the machine that programs are started on.
const HOST: (&str, &str) = ("linux", "amd64");

impl Flow<'_> {
    /// Asks a release that was audited. What was obtained then is in the store.
    pub(super) fn examine(
        &self,
        audited: &Audited,
        examination: &Examination<'_>,
    ) -> Result<Examined, AuditError> {
        let questions = examination.questions;
        let wanted: Vec<&SourcePath> = questions.iter().filter_map(|q| q.check.path_in_release()).collect();
        let source = self.release_source(&wanted, examination)?;
        examination.ask(self.subject, audited, &source, |probes| self.probe(audited, probes))
    }

    /// The files that the questions name, from the module or the commit's tree.
    fn release_source(
        &self,
        wanted: &[&SourcePath],
        examination: &Examination<'_>,
    ) -> Result<Result<ReleaseSource, String>, AuditError> {
        let locked = &self.own.lock.source;
        let module = locked.module();
        let digest = match (&locked.zip, &self.own.lock.git) {
            (Some(blob), _) => Some(&blob.digest),
            (None, git) => git.as_ref().map(|git| &git.digest),
        };
        let object = digest.map(|digest| self.ground.store.get(digest)).transpose()?.flatten();
        let Some(object) = object else { return Ok(Err(format!("{module} could not be had"))) };
        if let Some(git) = &self.own.lock.git {
            let files = of_tree(&git.file(), &object, wanted, examination.source_limits)?;
            return Ok(Ok(ReleaseSource::of_files(&module.to_string(), files)));
        }
        let zip = ModuleZip::open(&module, &object.path, self.world.limits)?;
        let names: Vec<String> =
            zip.names().filter(|name| wanted.iter().any(|w| w.covers(name))).map(str::to_owned).collect();
        let limits = examination.source_limits;
        let (mut files, mut left) = (Vec::new(), limits.kept_bytes_max);
        for name in names {
            let Some(bytes) = zip.file(&name, limits.file_bytes_max)? else { continue };
            left = left.checked_sub(bytes.len() as u64).ok_or_else(|| SourceTreeError::Limit {
                limit: format!("kept_bytes_max {}", limits.kept_bytes_max),
            })?;
            files.push((name, bytes));
        }
        Ok(Ok(ReleaseSource::of_files(&module.to_string(), files)))
    }

    fn probe(
        &self,
        audited: &Audited,
        probes: &[(&str, &Probe)],
    ) -> Result<(Tested, Vec<Answer>), AuditError> {
        let root = self.ground.work.join("go/probed");
        let installed = match probes.is_empty() {
            true => Err("no check here needs a program".to_owned()),
            false => self.install(audited, &root)?,
        };
        let tested = match installed {
            Ok(tested) => tested,
            Err(reason) => return Ok(not_run(self.subject, probes, reason)),
        };
        let program = Program { root: &root, in_place: &[], env: &[], tested };
        let named = &self.subject.named;
        program.answers(self.ground, self.subject, probes, |_| format!("reprove audit {named}"))
    }

    /// Puts the programs into a root of empty folders, since Go links them statically; the reason where
    /// that cannot be.
    fn install(&self, audited: &Audited, root: &Path) -> Result<Result<Tested, String>, AuditError> {
        let recipe = &self.own.go.recipe;
        let target = |key: &str| recipe.env.get(key).map_or("", String::as_str);
        let (os, architecture) = (target("GOOS"), target("GOARCH"));
        if (os, architecture) != HOST {
            return Ok(Err(format!("programs for {os}/{architecture} do not start on this machine")));
        }
        let (programs, ours) = match self.rebuilt(audited)? {
            Ok(programs) => (programs, Ok(())),
            Err(reason) => match self.as_published()? {
                Some(programs) => (programs, Err(reason)),
                None => return Ok(Err(format!("{reason}, and the published program is not at hand"))),
            },
        };
        let component = &self.subject.release.component;
        let named = |(binary, artifact): &'_ (&GoBinary, Artifact)| {
            (artifact.path.clone().into_std_path_buf(), program_names(&binary.name, component))
        };
        let files: Vec<_> = programs.iter().map(named).collect();
        install_programs(root, files.iter().map(|(path, names)| (path.as_path(), names.clone())))
            .map_err(|source| AuditError::Work { path: root.to_path_buf(), source })?;
        let first = programs.iter().find_map(|(binary, artifact)| {
            let digest = artifact.digests.get(Algorithm::Sha256).cloned()?;
            Some((binary.name.clone(), digest))
        });
        let Some((artifact, digest)) = first else { return Ok(Err("no program was built".to_owned())) };
        Ok(Ok(match ours {
            Ok(()) => {
                let identical = outcome(&audited.evidence) == Outcome::Identical;
                Tested::Rebuilt { artifact, digest, identical }
            }
            Err(reason) => Tested::Published { artifact, digest, reason },
        }))
    }

    /// What our first build left; the reason where there is none.
    fn rebuilt(&self, audited: &Audited) -> Result<Result<Vec<(&GoBinary, Artifact)>, String>, AuditError> {
        let (Some(first), Some(folder)) = (&audited.rebuild, &audited.folder) else {
            return Ok(Err("it was not rebuilt".to_owned()));
        };
        if !first.completed() {
            return Ok(Err(format!("the build {}", first.outcome.word())));
        }
        let built = first.rebuilt(&folder.join("first"))?;
        let mut programs = Vec::new();
        for binary in &self.own.go.recipe.binaries {
            if let Some(rebuilt) = built.iter().find(|r| r.0.name.as_str() == binary.name) {
                programs.push((binary, rebuilt.0.clone()));
            }
        }
        Ok(Ok(programs))
    }

    /// The programs of what was published, where it is at hand.
    fn as_published(&self) -> Result<Option<Vec<(&GoBinary, Artifact)>>, AuditError> {
        let go = self.own.go;
        let stored = match &self.own.lock.published {
            Some(locked) => self.ground.store.get(&locked.digest)?,
            None => None,
        };
        let path = match (self.world.published, stored) {
            (Some(path), _) => path.to_path_buf(),
            (None, Some(object)) => object.path,
            (None, None) => return Ok(None),
        };
        let name = ArtifactName::new(go.artifact.clone())?;
        let folder = self.ground.rebuilds(self.subject)?;
        let parts = self.parts(&Published(Artifact::read(name.clone(), &path)?), &folder)?;
        let mut programs = Vec::new();
        for binary in &go.recipe.binaries {
            let is_it = |m: &&Member| m.origin == Origin::Binary(binary.name.clone());
            let member = go.members.iter().find(is_it).map_or(go.artifact.as_str(), |m| m.path.as_str());
            if let Some(file) = parts.files.get(member) {
                programs.push((binary, Artifact::read(name.clone(), &file.path)?));
            }
        }
        Ok(Some(programs))
    }
}

/// The wanted files of a tree that was packed by us.
fn of_tree(
    file: &str,
    object: &Object,
    wanted: &[&SourcePath],
    limits: &SourceLimits,
) -> Result<Vec<(String, Vec<u8>)>, AuditError> {
    let failed = |source| GitSourceError::Archive { file: file.to_owned(), source };
    let mut tar = TarReader::new(BufReader::new(object.open()?), &ArchiveLimits::DEFAULT);
    let (mut files, mut left) = (Vec::new(), limits.kept_bytes_max);
    while let Some(entry) = tar.next_entry().map_err(failed)? {
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let is_wanted = entry.is_file() && wanted.iter().any(|w| w.covers(&name));
        if !is_wanted {
            continue;
        }
        let limit = |limit: String| AuditError::from(SourceTreeError::Limit { limit });
        // A file that is left out would look like one that is not there.
        if entry.len_bytes > limits.file_bytes_max {
            return Err(limit(format!("file_bytes_max {}", limits.file_bytes_max)));
        }
        left = left
            .checked_sub(entry.len_bytes)
            .ok_or_else(|| limit(format!("kept_bytes_max {}", limits.kept_bytes_max)))?;
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            let n = tar.read_body(&mut buffer).map_err(failed)?;
            let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
            bytes.extend_from_slice(part);
        }
        files.push((name, bytes));
    }
    Ok(files)
}
