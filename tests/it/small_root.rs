//! A root file system of a few of the host's programs, for tests that need one they may shape.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDERS: [&str; 8] = ["proc", "dev", "tmp", "run", "sys", "build", "usr/bin", "etc"];

/// Makes the root: the given programs of the host with the libraries they need, and shell scripts.
pub(crate) fn small_root(programs: &[&str], scripts: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for folder in FOLDERS {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    std::os::unix::fs::symlink("usr/bin", root.path().join("bin")).unwrap();
    let mut libraries = BTreeSet::new();
    for program in programs {
        let host = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
        let host = host.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no `{program}` here"));
        fs::copy(host, root.path().join("usr/bin").join(program)).unwrap();
        let needed = Command::new("ldd").arg(host).output().unwrap();
        let needed = String::from_utf8(needed.stdout).unwrap();
        libraries.extend(needed.split_whitespace().filter(|w| w.starts_with('/')).map(PathBuf::from));
    }
    for library in libraries {
        let to = root.path().join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&library, to).unwrap();
    }
    for (name, text) in scripts {
        let path = root.path().join("usr/bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}
