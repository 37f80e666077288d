//! The archives that a source is built with and does not hold: who vouches for them, and their unpacking.
//!
//! Such an archive is taken as its publisher released it. That it was made from any source is never
//! established here, and every report says so. What may be established is that it is the published one: by
//! the lock, which people review, or by the publisher's list of checksums. Bytes that one of the two
//! contradicts are not built with.

use super::members::take_apart;
use super::published::{is_listed, of_list};
use super::*;
use crate::compare::Cause;
use crate::component::Input;
use crate::report::Checked;
use crate::source::go::archive::is_plain;
use crate::verify::Finding;

/// Folders below each other in an input; the deepest of the first world has five.
const DEPTH_MAX: usize = 64;

impl Flow<'_> {
    /// Judges each input of the recipe; the files of those that may be built with, or nothing where one of
    /// them may not.
    pub(super) fn inputs(&self, audited: &mut Audited) -> Result<Option<Vec<(Input, Artifact)>>, AuditError> {
        let (mut usable, mut reasons) = (Vec::new(), Vec::new());
        for input in &self.own.go.inputs {
            let Some(artifact) = self.input(input)? else {
                audited.evidence.not_looked.push(Gap {
                    code: "input-not-given".to_owned(),
                    text: format!(
                        "`{}`, which the source is built with, is not reachable from here: download it and give it with `--input {}=FILE`",
                        input.artifact, input.name
                    ),
                });
                reasons.push(format!("`{}` is not reachable", input.artifact));
                continue;
            };
            match self.vouched_input(input, &artifact, audited)? {
                true => usable.push((input.clone(), artifact)),
                false => reasons.push(format!("`{}` is refused", input.artifact)),
            }
        }
        if reasons.is_empty() {
            return Ok(Some(usable));
        }
        let reason = reasons.join(", ");
        audited.evidence.rebuild.result = BuildResult::NotAttempted { reason };
        Ok(None)
    }

    /// The caller's file, or what the lock pins where the store has it.
    fn input(&self, input: &Input) -> Result<Option<Artifact>, AuditError> {
        let name = ArtifactName::new(input.artifact.clone())?;
        let given = self.world.inputs.iter().find(|(of, _)| *of == input.name).map(|(_, path)| path.clone());
        let path = match (given, self.locked_input(input)) {
            (Some(path), _) => Some(path),
            (None, Some(blob)) => self.ground.store.get(&blob.digest)?.map(|object| object.path),
            (None, None) => None,
        };
        Ok(path.map(|path| Artifact::read(name, &path)).transpose()?)
    }

    fn locked_input(&self, input: &Input) -> Option<&environment::LockedBlob> {
        let locked = self.own.lock.inputs.iter().find(|locked| locked.name == input.name);
        locked.and_then(|locked| locked.file.as_ref())
    }

    /// Holds an input against lock and list; whether it may be built with.
    fn vouched_input(
        &self,
        input: &Input,
        artifact: &Artifact,
        audited: &mut Audited,
    ) -> Result<bool, AuditError> {
        let name = &input.artifact;
        let Some(bytes) = Bytes::of(artifact) else { return Ok(false) };
        let (mut checks, mut by) = (Vec::new(), Vec::new());
        if let Some(locked) = self.locked_input(input) {
            let same = locked.digest == bytes.digest;
            let finding = if same { Finding::Established } else { Finding::Refuted };
            checks.push(
                Checked::new("input-as-locked", name.clone(), finding)
                    .expected(format!("{}, which the lock pins", locked.digest))
                    .found(bytes.digest.to_string())
                    .next("give the file that was published with this release; if the publisher replaced it, ask why before you lock again"),
            );
            by.extend(same.then_some("the lock"));
        }
        if let Some(given) = self.world.announced {
            let mut of_list = of_list(&given, name, artifact, self.ground.as_of)?;
            if is_listed(&of_list) {
                by.push("the publisher's list of checksums");
                let (name, value) = (name.clone(), bytes.digest.to_string());
                audited.seen.push(Seen { kind: "published", name, value });
            }
            let silent =
                |c: &&mut Checked| c.code.starts_with("checksums-list") && c.finding == Finding::Absent;
            for check in of_list.iter_mut().filter(silent) {
                // Who vouches for the bytes is told below: a list that does not name them takes nothing
                // from the lock's word.
                check.finding = Finding::Noted;
            }
            checks.append(&mut of_list);
        }
        let refused = checks.iter().any(|c| c.finding == Finding::Refuted);
        if by.is_empty() && !refused {
            let list = self.own.go.checksums.as_deref().unwrap_or("the publisher's list of checksums");
            audited.evidence.not_looked.push(Gap {
                code: "input-not-vouched".to_owned(),
                text: format!(
                    "whether the given `{name}` is what was published: neither the lock nor a list of checksums names its digest; give `{list}` with `--checksums FILE`, or pin it with `reprove lock --input {}=FILE`",
                    input.name
                ),
            });
        }
        let by = if by.is_empty() { "nobody".to_owned() } else { by.join(" and ") };
        checks.push(
            Checked::new("input-taken-as-published", name.clone(), Finding::Noted)
                .found(format!(
                    "the source was built with `{name}` ({}), vouched for by {by}; it was taken as it is, and not rebuilt from its own source",
                    bytes.digest
                ))
                .next("build it from its source and compare the two"),
        );
        audited.evidence.checks.append(&mut checks);
        audited.evidence.environment.packages.push(Package {
            purl: Some(format!("pkg:generic/{}@{}", encoded(name), encoded(&self.subject.release.version))),
            name: name.clone(),
            version: self.subject.release.version.clone(),
            architecture: "any".to_owned(),
            len_bytes: bytes.len_bytes,
            digest: bytes.digest,
        });
        Ok(!refused)
    }

    /// Unpacks the inputs below `folder`: the place of each in the source, and where it lies here. Nothing
    /// where one cannot be unpacked as it has to be.
    pub(super) fn unpack_inputs(
        &self,
        audited: &mut Audited,
        inputs: &[(Input, Artifact)],
        source: &Path,
        folder: &Path,
    ) -> Result<Option<Vec<(String, PathBuf)>>, AuditError> {
        let top = folder.join("inputs");
        if top.exists() {
            std::fs::remove_dir_all(&top).map_err(|source| AuditError::Work { path: top.clone(), source })?;
        }
        make_folder(&top)?;
        let mut unpacked = Vec::new();
        for (input, artifact) in inputs {
            let to = top.join(&input.name);
            let refused = match occupied(source, &input.folder) {
                Some(reason) => Err(reason),
                None => {
                    unpack(artifact.path.as_std_path(), &top.join("members"), &to, &self.archive_limits())?
                }
            };
            if let Err(detail) = refused {
                // Bytes that the publisher vouches for are the publisher's doing; others may be anybody's.
                let vouched = !audited.evidence.not_looked.iter().any(|g| g.code == "input-not-vouched");
                audited.evidence.checks.push(
                    Checked::new(
                        "input-unpacked",
                        input.artifact.clone(),
                        if vouched { Finding::Refuted } else { Finding::Absent },
                    )
                    .expected(format!(
                        "an archive of plain files and folders that fits below `{}` of the source",
                        input.folder
                    ))
                    .found(detail)
                    .next("look at the archive before anything is built with it"),
                );
                let reason = format!("`{}` cannot be unpacked", input.artifact);
                audited.evidence.rebuild.result = BuildResult::NotAttempted { reason };
                return Ok(None);
            }
            unpacked.push((input.folder.clone(), to));
        }
        Ok(Some(unpacked))
    }
}

/// What is in the way of a folder below a source; a link there could lead anywhere.
fn occupied(source: &Path, folder: &str) -> Option<String> {
    let mut path = source.to_path_buf();
    let parts: Vec<&str> = folder.split('/').collect();
    for (n, part) in parts.iter().enumerate() {
        path.push(part);
        match path.symlink_metadata() {
            Err(_) => return None,
            Ok(found) if found.is_dir() && n + 1 < parts.len() => {}
            Ok(_) => {
                let taken = parts.get(..=n).unwrap_or_default().join("/");
                return Some(format!("the source has `{taken}` itself"));
            }
        }
    }
    None
}

/// Unpacks an archive into the folder `to`, which is made; what is wrong with the archive comes back.
/// Regular files only, each once, at a path of plain names; whether one may be executed is all that is taken
/// over of its mode.
fn unpack(
    archive: &Path,
    scratch: &Path,
    to: &Path,
    limits: &ArchiveLimits,
) -> Result<Result<(), String>, AuditError> {
    use std::os::unix::fs::PermissionsExt as _;
    let disk = |path: &Path| {
        let path = path.to_path_buf();
        move |source| AuditError::Work { path, source }
    };
    make_folder(scratch)?;
    readable_folder(to)?;
    let parts = take_apart(archive, scratch, limits)?;
    if let Some(stop) = parts.stopped.first() {
        return Ok(Err(stop.detail.clone()));
    }
    let odd = |cause| matches!(cause, Cause::FileType | Cause::DuplicateName | Cause::Content);
    if let Some(d) = parts.headers.iter().find(|d| odd(d.cause)) {
        let found = d.a.as_deref().unwrap_or(d.cause.describe());
        return Ok(Err(format!("`{}`: {found}, expected {}", d.path, d.b.as_deref().unwrap_or_default())));
    }
    if parts.files.is_empty() {
        return Ok(Err("it holds no file".to_owned()));
    }
    for (name, part) in &parts.files {
        let shown = name.escape_debug();
        if !is_plain(name) || name.contains(char::REPLACEMENT_CHARACTER) {
            return Ok(Err(format!("`{shown}` is not a path of plain names below its folder")));
        }
        if name.split('/').count() > DEPTH_MAX {
            return Ok(Err(format!("`{shown}` lies deeper than {DEPTH_MAX} folders")));
        }
        let mut path = to.to_path_buf();
        for folder in name.split('/').take(name.matches('/').count()) {
            path.push(folder);
            match path.symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Ok(Err(format!("`{shown}` lies below a file"))),
                Err(_) => readable_folder(&path)?,
            }
        }
        let path = to.join(name);
        if path.symlink_metadata().is_ok() {
            return Ok(Err(format!("`{shown}` is a file and a folder")));
        }
        let mode = if part.mode.is_some_and(|m| m & 0o100 != 0) { 0o755 } else { 0o644 };
        std::fs::rename(&part.path, &path).map_err(disk(&path))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).map_err(disk(&path))?;
    }
    std::fs::remove_dir_all(scratch).map_err(disk(scratch))?;
    Ok(Ok(()))
}

/// Makes a folder that another user can read, whatever the caller's umask.
fn readable_folder(path: &Path) -> Result<(), AuditError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(path)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
        .map_err(|source| AuditError::Work { path: path.to_path_buf(), source })
}

/// Percent-encoded as a part of a package URL.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests;
