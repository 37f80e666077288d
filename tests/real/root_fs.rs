//! A root file system of real packages, entered: its dpkg finds nothing amiss and its compiler works.

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

use reprove::digest::Digest;
use reprove::environment::lock::{LockedPackage, LockedPath};
use reprove::environment::root_fs::{self, BuildUser, Options};
use reprove::event::Silent;
use reprove::limits::root_fs::RootFsLimits;

const INSIDE: &str = "set -e; test -z \"$(dpkg --audit)\"; test -z \"$(dpkg -V)\"; \
    test \"$(dpkg-vendor --query vendor)\" = Debian; dpkg-buildflags --get CPPFLAGS | grep -q FORTIFY_SOURCE; \
    dpkg-query -S /usr/bin/gcc /bin/sh >/dev/null; update-alternatives --query cc >/dev/null; \
    echo 'int main(void){return 0;}' | cc -x c -E - >/dev/null; perl -e 'use POSIX'; echo sound";

#[test]
fn a_tree_of_real_packages_is_sound_inside() {
    let debs = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench/debs/build");
    let Ok(entries) = fs::read_dir(&debs) else {
        eprintln!("not run: no packages in `target/bench/debs/build`; `make bench` fetches them");
        return;
    };
    let mut packages = Vec::new();
    for path in entries.map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "deb")) {
        let stem = path.file_stem().unwrap().to_str().unwrap().replace("%3a", ":");
        let fields: Vec<String> = stem.split('_').map(str::to_owned).collect();
        let bytes = fs::read(&path).unwrap();
        let file = LockedPath {
            archive: "debian".into(),
            path: String::new(),
            size: bytes.len() as u64,
            digest: Digest::sha256(&bytes),
        };
        let [name, version, architecture] = <[String; 3]>::try_from(fields).unwrap();
        packages.push((LockedPackage { name, version, architecture, file }, path));
    }
    let cache = tempfile::tempdir().unwrap();
    let options = Options {
        user: BuildUser { uid: 1000, gid: 1000 },
        limits: RootFsLimits::DEFAULT,
        threads: NonZeroUsize::new(2).unwrap(),
    };
    let root = root_fs::ensure(cache.path(), &packages, &options, &Silent).unwrap();
    assert_eq!(root.vendor().unwrap(), "Debian");
    let out = Command::new("unshare")
        .args(["-Ur", "chroot"])
        .arg(root.path())
        .args(["/bin/sh", "-c", INSIDE])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .output();
    match out {
        Ok(out) => {
            let text = String::from_utf8_lossy(&out.stderr) + String::from_utf8_lossy(&out.stdout);
            let closed = text.contains("unshare failed");
            assert!(closed || text.ends_with("sound\n"), "{text}");
            if closed {
                eprintln!("not entered: no user namespaces on this host");
            }
        }
        Err(_) => eprintln!("not entered: no `unshare` on this host"),
    }
    let key = root.key().clone();
    drop(root);
    root_fs::remove(cache.path(), &key).unwrap();
}
