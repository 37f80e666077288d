//! The work folder of a rebuild: one rebuild at a time, emptied before, its result written last.

use std::fs;
use std::io;
use std::path::Path;

use super::sandbox::{self, Spec};
use super::{ARTIFACTS, Rebuild, RebuildError};
use crate::artifact::ArtifactName;

/// The writable folder inside.
pub(super) const BUILD: &str = "/build";
/// The log's name.
pub(super) const LOG: &str = "build.log";
/// The name of the stored result.
pub(super) const RESULT: &str = "rebuild.json";

/// Makes the folder if it is missing and takes it for one rebuild, as long as the file lives.
pub(super) fn claim(work_dir: &Path) -> Result<fs::File, RebuildError> {
    fs::create_dir_all(work_dir).map_err(RebuildError::disk("create", work_dir))?;
    let guard_path = work_dir.join("in-use");
    let guard = fs::File::create(&guard_path).map_err(RebuildError::disk("create", &guard_path))?;
    guard.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => RebuildError::InUse { path: work_dir.to_path_buf() },
        fs::TryLockError::Error(source) => RebuildError::disk("lock", &guard_path)(source),
    })?;
    Ok(guard)
}

/// Takes away what an earlier rebuild left, and makes the folders `build/` and `artifacts/` anew.
pub(super) fn begin(work_dir: &Path, build_dir: &Path, spec: &Spec) -> Result<(), RebuildError> {
    remove_file(&work_dir.join(RESULT))?;
    clear(build_dir, spec)?;
    let artifacts = work_dir.join(ARTIFACTS);
    if artifacts.exists() {
        fs::remove_dir_all(&artifacts).map_err(RebuildError::disk("remove", &artifacts))?;
    }
    for folder in [&artifacts, build_dir] {
        create(folder)?;
    }
    Ok(())
}

/// Makes a folder that can be read inside.
pub(super) fn create(folder: &Path) -> Result<(), RebuildError> {
    fs::create_dir(folder).map_err(RebuildError::disk("create", folder))?;
    readable(folder, 0o755)
}

/// Whatever the caller's umask: inside it is another user who reads.
pub(super) fn readable(path: &Path, mode: u32) -> Result<(), RebuildError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(RebuildError::disk("make readable", path))
}

/// Removes a build folder, whatever the build did to its rights and depth: what the host cannot
/// remove, the owner inside can.
pub(super) fn clear(build_dir: &Path, spec: &Spec) -> Result<(), RebuildError> {
    clear_at(build_dir, BUILD, spec)
}

/// As [`clear`], of a folder that is seen at `target` inside.
pub(super) fn clear_at(build_dir: &Path, target: &str, spec: &Spec) -> Result<(), RebuildError> {
    if fs::symlink_metadata(build_dir).is_err() || fs::remove_dir_all(build_dir).is_ok() {
        return Ok(());
    }
    let spec = Spec { work_dir: "/".into(), ..spec.clone() };
    let commands: [&[&str]; 2] =
        [&["chmod", "-R", "u+rwX", target], &["find", target, "-mindepth", "1", "-delete"]];
    for argv in commands {
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        sandbox::run(&spec, &argv, &mut |_: sandbox::Line<'_>| {})?;
    }
    fs::remove_dir_all(build_dir).map_err(RebuildError::disk("remove", build_dir))
}

fn remove_file(path: &Path) -> Result<(), RebuildError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(RebuildError::disk("remove", path)(error))
        }
        _ => Ok(()),
    }
}

pub(super) fn plain(name: &str) -> Result<ArtifactName, RebuildError> {
    ArtifactName::new(name)
        .map_err(|source| RebuildError::Artifact { name: name.escape_debug().to_string(), source })
}

/// Writes the result last and at once, so that it is there only when everything else is.
pub(super) fn store(rebuild: &Rebuild, work_dir: &Path) -> Result<(), RebuildError> {
    let path = work_dir.join(RESULT);
    let disk = || RebuildError::disk("write", path.clone());
    let mut text = serde_json::to_vec_pretty(rebuild).map_err(|e| disk()(e.into()))?;
    text.push(b'\n');
    let file = tempfile::NamedTempFile::new_in(work_dir).map_err(disk())?;
    fs::write(file.path(), &text).map_err(disk())?;
    file.as_file().sync_all().map_err(disk())?;
    file.persist(&path).map_err(|error| disk()(error.error))?;
    Ok(())
}
