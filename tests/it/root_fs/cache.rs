//! The cache of trees: found again, made once, whole whenever the maker dies.

use std::process::{Command, Stdio};
use std::sync::Mutex;

use reprove::event::{Event, Observer};

use super::*;

#[test]
fn a_tree_without_a_vendor_is_refused() {
    let place = Place::new();
    let error = place.make(&[Deb::new("x").file("./usr/x", "x")]).unwrap_err();
    assert_eq!(code(&error), "root_fs::no_vendor");
    place.check_nothing_left();
    let nameless = Deb::new("base-files").file("./etc/dpkg/origins/debian", "Vendor-URL: none\n");
    assert_eq!(code(&place.make(&[nameless]).unwrap_err()), "root_fs::no_vendor");
}

/// Counts how often a tree is made.
#[derive(Default)]
struct Starts(Mutex<u32>);

impl Observer for Starts {
    fn event(&self, event: &Event<'_>) {
        if let Event::Started { .. } = event {
            *self.0.lock().unwrap() += 1;
        }
    }
}

#[test]
fn a_cached_tree_is_found_again_and_a_damaged_cache_entry_made_anew() {
    let place = Place::new();
    let locked = place.locked(&two_tools());
    let starts = Starts::default();
    let ensure = |options: Options| root_fs::ensure(&place.cache(), &locked, &options, &starts).unwrap();
    let first = ensure(options(2));
    let (path, key) = (first.path().to_owned(), first.key().clone());
    let again = ensure(options(1));
    assert_eq!((again.path(), *starts.0.lock().unwrap()), (path.as_path(), 1));
    assert_eq!(again.members(), first.members());
    assert!(matches!(root_fs::remove(&place.cache(), &key), Err(RootFsError::InUse { .. })));
    // Another build user is another tree.
    let other = ensure(Options { user: BuildUser { uid: 7, gid: 7 }, ..options(1) });
    assert_ne!(other.key(), &key);
    assert_eq!(root_fs::keys(&place.cache()).unwrap().len(), 2);
    drop((first, again, other));
    let marker = path.parent().unwrap().join("complete.json");
    for damage in ["", "{}", "not json"] {
        let before = *starts.0.lock().unwrap();
        fs::write(&marker, damage).unwrap();
        drop(ensure(options(2)));
        assert_eq!(*starts.0.lock().unwrap(), before + 1, "{damage:?}");
    }
    // Folders that nobody may write do not stop a removal.
    fs::set_permissions(path.join("usr/share"), fs::Permissions::from_mode(0o500)).unwrap();
    remove_at_last(&place.cache(), &key);
    assert!(!path.exists());
    remove_at_last(&place.cache(), &key);
}

/// Removes, in use as it may be for a moment: another test of this process that starts a sandbox has, until
/// its child has closed them, a copy of every descriptor, locks included.
fn remove_at_last(cache: &std::path::Path, key: &reprove::digest::Digest) {
    for _ in 0..200 {
        match root_fs::remove(cache, key) {
            Err(RootFsError::InUse { .. }) => std::thread::sleep(std::time::Duration::from_millis(25)),
            other => return other.unwrap(),
        }
    }
    panic!("in use for five seconds");
}

#[test]
fn many_at_once_make_it_once() {
    let place = Place::new();
    let locked = place.locked(&two_tools());
    let starts = Starts::default();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| root_fs::ensure(&place.cache(), &locked, &options(2), &starts).unwrap());
        }
    });
    assert_eq!(*starts.0.lock().unwrap(), 1);
}

#[test]
fn what_a_dead_process_left_is_cleared_away() {
    let place = Place::new();
    let cache = place.cache();
    let left = cache.join(format!("partial-{}", "ab".repeat(32)));
    fs::create_dir_all(left.join("root/usr/share")).unwrap();
    symlink(place.outside(), left.join("root/usr/link")).unwrap();
    fs::write(left.join("root/usr/share/x"), "x").unwrap();
    fs::set_permissions(left.join("root/usr/share"), fs::Permissions::from_mode(0o555)).unwrap();
    place.make(&two_tools()).unwrap();
    assert!(!left.exists());
    place.check_outside();
}

const ROLE: &str = "REPROVE_TEST_ROOT_FS";

/// Not a test of its own: what the test below kills.
#[test]
fn root_fs_child() {
    let Ok(folder) = std::env::var(ROLE) else { return };
    let list: Vec<(LockedPackage, PathBuf)> =
        serde_json::from_slice(&fs::read(Path::new(&folder).join("list.json")).unwrap()).unwrap();
    loop {
        let cache = Path::new(&folder).join("cache");
        let key = root_fs::ensure(&cache, &list, &options(2), &Silent).unwrap().key().clone();
        root_fs::remove(&cache, &key).unwrap();
    }
}

#[test]
fn killed_at_any_moment_the_next_run_is_right() {
    let place = Place::new();
    let mut debs = two_tools().to_vec();
    let mut many = Deb::new("many");
    for n in 0..500 {
        many = many.file(&format!("./usr/share/many/{}/{n}", n % 50), "x");
    }
    debs.push(many);
    let locked = place.locked(&debs);
    fs::write(place.folder.path().join("list.json"), serde_json::to_vec(&locked).unwrap()).unwrap();
    let expected = manifest(place.make(&debs).unwrap().path());
    for round in 0..8u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "root_fs::cache::root_fs_child"])
            .env(ROLE, place.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Not a bound on anything: only spreads the deaths over the work.
        std::thread::sleep(std::time::Duration::from_millis(20 + round * 17));
        child.kill().unwrap();
        child.wait().unwrap();
        let root = place.make(&debs).unwrap();
        assert_eq!(manifest(root.path()), expected, "round {round}");
    }
}

#[test]
fn a_full_disk_gives_a_clear_error_and_the_cache_stays_usable() {
    let place = Place::new();
    let locked = place.locked(&[base(), Deb::new("big").file("./usr/big", &"0".repeat(3 << 20))]);
    fs::write(place.folder.path().join("list.json"), serde_json::to_vec(&locked).unwrap()).unwrap();
    // In blocks of 512 bytes; without the trap the kernel would end the process.
    let out = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 2048; exec \"$0\" --exact root_fs::cache::root_fs_child --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(ROLE, place.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
    assert!(!out.status.success() && text.contains("action: \"write\""), "{text}");
    place.check_nothing_left();
    let root = root_fs::ensure(&place.cache(), &locked, &options(2), &Silent).unwrap();
    assert_eq!(fs::metadata(root.path().join("usr/big")).unwrap().len(), 3 << 20);
}
