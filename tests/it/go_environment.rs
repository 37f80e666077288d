//! What a Go build is given is checked once more when it is unpacked: a lock that names other sums than its
//! own bytes have gives no folder.

use std::fs;
use std::path::Path;

use reprove::digest::{Algorithm, Digest};
use reprove::environment::go::{
    GO_LOCK_SCHEMA, GoLock, LockedBlob, LockedModule, Objects, Unpacked, toolchain_module,
};
use reprove::limits::go::GoLimits;
use reprove::source::go::archive::ModuleZip;
use reprove::source::go::{ModSum, ModuleVersion, h1_of_mod};
use reprove::store::Store;

use crate::module_zip::module_zip;

const DEP_MOD: &[u8] = b"module example.org/dep\n";

/// A zip with one file, in the store, and as a lock has it.
fn locked(
    store: &Store,
    objects: &mut Objects,
    module: &ModuleVersion,
    file: &str,
    text: &[u8],
) -> LockedModule {
    let bytes = module_zip(&[(&format!("{module}/{file}"), text)]);
    let object = store.insert(&bytes).unwrap();
    let sum = ModuleZip::open(module, &object.path, &GoLimits::DEFAULT).unwrap().sum().unwrap();
    let zip = LockedBlob { size: object.len_bytes, digest: object.digest.clone() };
    objects.insert(object.digest.clone(), object);
    LockedModule {
        path: module.path.clone(),
        version: module.version.clone(),
        sum: Some(sum),
        zip: Some(zip),
        mod_sum: None,
        mod_file: None,
    }
}

fn lock(store: &Store) -> (GoLock, Objects) {
    let mut objects = Objects::new();
    let module = |path: &str| ModuleVersion::new(path, "v1.0.0").unwrap();
    let source =
        locked(store, &mut objects, &module("example.org/tool"), "go.mod", b"module example.org/tool\n");
    let toolchain = locked(store, &mut objects, &toolchain_module("1.25.5"), "bin/go", b"a compiler");
    let mut dep = locked(store, &mut objects, &module("example.org/dep"), "dep.go", b"package dep\n");
    let object = store.insert(DEP_MOD).unwrap();
    dep.mod_file = Some(LockedBlob { size: object.len_bytes, digest: object.digest.clone() });
    dep.mod_sum = Some(h1_of_mod(DEP_MOD));
    objects.insert(object.digest.clone(), object);
    let lock = GoLock {
        schema: GO_LOCK_SCHEMA,
        kind: serde_json::from_str("\"go\"").unwrap(),
        component: "tool".to_owned(),
        purl: "pkg:github/example/tool@v1.0.0?arch=amd64".to_owned(),
        recipe: Digest::sha256(b"recipe"),
        source,
        git: None,
        toolchain,
        modules: vec![dep],
        inputs: Vec::new(),
        indexes: Vec::new(),
        packages: Vec::new(),
        published: None,
    };
    (lock, objects)
}

/// Files below a folder, by their paths.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path.display().to_string()) }
    }
    found
}

#[test]
fn what_has_another_sum_than_the_lock_says_is_not_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let (good, objects) = lock(&store);
    let unpacked =
        Unpacked::ensure(&folder.path().join("good"), &good, &objects, &GoLimits::DEFAULT, true).unwrap();
    assert_eq!(fs::read(unpacked.toolchain.join("bin/go")).unwrap(), b"a compiler");
    assert!(unpacked.modules.join("example.org/dep@v1.0.0/dep.go").is_file());
    assert!(unpacked.source.join(".git").is_dir());

    let other: ModSum = h1_of_mod(b"something else");
    type Change = fn(&mut GoLock, ModSum);
    let cases: [(&str, Change); 4] = [
        ("golang.org/toolchain@v0.0.1-go1.25.5.linux-amd64 (zip)", |l, sum| l.toolchain.sum = Some(sum)),
        ("example.org/tool@v1.0.0 (zip)", |l, sum| l.source.sum = Some(sum)),
        ("example.org/dep@v1.0.0 (zip)", |l, sum| l.modules[0].sum = Some(sum)),
        ("example.org/dep@v1.0.0 (go.mod)", |l, sum| l.modules[0].mod_sum = Some(sum)),
    ];
    for (i, (what, change)) in cases.iter().enumerate() {
        let mut lock = good.clone();
        change(&mut lock, other.clone());
        let to = folder.path().join(i.to_string());
        let error = Unpacked::ensure(&to, &lock, &objects, &GoLimits::DEFAULT, true).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(what) && text.contains(&other.to_string()), "{what}: {text}");
        // The tool chain of the other cases is good, and stands in its own folder.
        let left = files(&to);
        assert!(left.iter().all(|f| f.ends_with("/bin/go") && i > 0), "{what}: {left:?}");
    }
}

/// Who swaps an object behind the lock's digest swaps its sum too; one of the two tells.
#[test]
fn a_lock_names_files_by_their_sha256_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    let (mut lock, _) = lock(&store);
    let bytes = lock.to_bytes().unwrap();
    assert_eq!(GoLock::parse("x", &bytes).unwrap(), lock);
    let weak = Digest::from_bytes(Algorithm::Sha512, &[7; 64]).unwrap();
    lock.toolchain.zip.as_mut().unwrap().digest = weak;
    let error = GoLock::parse("x", &lock.to_bytes().unwrap()).unwrap_err().to_string();
    assert!(error.contains("another digest than SHA-256"), "{error}");
}
