#![allow(clippy::unwrap_used, clippy::panic)]
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::event::Silent;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

/// Names of the files below a folder of the store.
fn names(store: &Store, folder: &str) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(store.root().join(folder))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_was_put_is_got_and_nothing_else() {
    let (_dir, store) = store();
    let object = store.insert(b"abc").unwrap();
    assert_eq!(object.digest, Digest::sha256(b"abc"));
    assert_eq!(store.get(&object.digest).unwrap(), Some(object.clone()));
    assert_eq!(object.read(3).unwrap(), b"abc");
    assert_eq!(store.get(&Digest::sha256(b"abd")).unwrap(), None);
    assert_eq!(store.get(&Digest::of(Algorithm::Sha512, b"abc")).unwrap(), None);
    assert_eq!(fs::metadata(&object.path).unwrap().permissions().mode() & 0o777, 0o444);
    assert_eq!(store.put_new(&b"abc"[..], 3).unwrap(), object);
}

#[test]
fn bytes_that_are_not_the_expected_ones_leave_nothing() {
    let (_dir, store) = store();
    let wanted = Digest::sha256(b"wanted");
    type Check = fn(&StoreError) -> bool;
    let cases: [(&[u8], u64, Check); 4] = [
        (b"wanteD", 6, |e| matches!(e, StoreError::Digest { .. })),
        (b"wante", 6, |e| matches!(e, StoreError::Digest { .. })),
        (b"wanted!", 6, |e| matches!(e, StoreError::TooLong { len_bytes_max: 6, .. })),
        (b"", 6, |e| matches!(e, StoreError::Digest { .. })),
    ];
    for (bytes, len_bytes_max, check) in cases {
        let error = store.put(bytes, &wanted, len_bytes_max).unwrap_err();
        assert!(check(&error), "{bytes:?}: {error}");
        assert_eq!(store.get(&wanted).unwrap(), None);
        assert!(names(&store, "temp").is_empty());
    }
    let failing = b"wan".chain(Failing);
    assert!(matches!(store.put(failing, &wanted, 6), Err(StoreError::Read { .. })));
    assert!(names(&store, "temp").is_empty());
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the line broke"))
    }
}

#[test]
fn damaged_bytes_are_refused_by_checked_readers_only_at_the_end() {
    let (_dir, store) = store();
    let object = store.insert(b"intact bytes").unwrap();
    damage(&object, b"intact byteS");
    let mut bytes = Vec::new();
    let error = object.open_checked().unwrap().read_to_end(&mut bytes).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(matches!(object.read(100), Err(StoreError::Read { .. })));
    assert!(matches!(object.read(11), Err(StoreError::TooLong { .. })));
}

fn damage(object: &Object, bytes: &[u8]) {
    fs::remove_file(&object.path).unwrap();
    fs::write(&object.path, bytes).unwrap();
}

#[test]
fn verify_moves_the_damaged_away_and_names_the_foreign() {
    let (_dir, store) = store();
    let good = store.insert(b"good").unwrap();
    let bad = store.insert(b"bad").unwrap();
    let empty = store.insert(b"").unwrap();
    damage(&bad, b"BAD");
    let foreign = store.root().join("objects/sha256/zz");
    fs::write(&foreign, b"what is this").unwrap();
    let seen = store.verify(&Silent).unwrap();
    assert_eq!((seen.intact, seen.foreign), (2, vec![foreign]));
    let [corrupted] = seen.corrupted.as_slice() else { panic!("{:?}", seen.corrupted) };
    assert_eq!((&corrupted.expected, &corrupted.found), (&bad.digest, &Digest::sha256(b"BAD")));
    assert_eq!(fs::read(&corrupted.moved_to).unwrap(), b"BAD");
    assert_eq!(store.get(&bad.digest).unwrap(), None);
    assert!(store.get(&good.digest).unwrap().is_some() && store.get(&empty.digest).unwrap().is_some());
    assert!(store.verify(&Silent).unwrap().corrupted.is_empty());
}

#[test]
fn gc_keeps_what_is_named_and_what_is_young() {
    let (_dir, store) = store();
    let kept = store.insert(b"kept").unwrap();
    let dropped = store.insert(b"dropped").unwrap();
    let keep = BTreeSet::from([kept.digest.clone()]);
    let long_ago = Timestamp::UNIX_EPOCH;
    assert_eq!(store.gc(&keep, long_ago).unwrap(), Freed { kept: 2, ..Freed::default() });
    let far_ahead = "9000-01-01T00:00:00Z".parse().unwrap();
    let freed = store.gc(&keep, far_ahead).unwrap();
    assert_eq!(freed, Freed { objects: 1, kept: 1, leftovers: 0, len_bytes: 7 });
    assert_eq!(store.get(&dropped.digest).unwrap(), None);
    assert!(store.get(&kept.digest).unwrap().is_some());
}

#[test]
fn gc_is_refused_while_somebody_else_has_the_store() {
    let (_dir, store) = store();
    store.insert(b"used").unwrap();
    let other = Store::open(store.root()).unwrap();
    let all = "9000-01-01T00:00:00Z".parse().unwrap();
    assert!(matches!(store.gc(&BTreeSet::new(), all), Err(StoreError::InUse { .. })));
    drop(other);
    assert_eq!(store.gc(&BTreeSet::new(), all).unwrap().objects, 1);
}

#[test]
fn orphans_in_temp_are_removed_and_living_files_are_not() {
    let (_dir, store) = store();
    fs::write(store.root().join("temp/orphan"), b"half").unwrap();
    let living = store.temp().unwrap();
    let again = Store::open(store.root()).unwrap();
    let name = living.path.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(names(&again, "temp"), [name]);
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), b"x").unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Layout { .. })));
    fs::remove_file(dir.path().join("thesis.tex")).unwrap();
    fs::write(dir.path().join("layout"), b"reprove-store-2").unwrap();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Layout { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

fn claimed(store: &Store, digest: &Digest) -> Partial {
    match store.claim(digest).unwrap() {
        Claim::Partial(partial) => *partial,
        Claim::Present(_) => panic!("present"),
        Claim::Busy { .. } => panic!("busy"),
    }
}

#[test]
fn a_partial_outlives_its_writer_and_has_one_at_a_time() {
    let (_dir, store) = store();
    let digest = Digest::sha256(b"hello world");
    let mut partial = claimed(&store, &digest);
    partial.begin(Some("http://example.invalid/a\n\"tag\"")).unwrap();
    partial.append(b"hello ").unwrap();
    assert!(matches!(store.claim(&digest).unwrap(), Claim::Busy { len_bytes: 6 }));
    drop(partial);
    let mut partial = claimed(&store, &digest);
    assert_eq!(partial.len_bytes(), 6);
    assert_eq!(partial.validator(), Some("http://example.invalid/a\n\"tag\""));
    partial.append(b"world").unwrap();
    assert_eq!(store.get(&digest).unwrap(), None);
    store.commit(&mut partial).unwrap();
    assert!(matches!(store.claim(&digest).unwrap(), Claim::Present(_)));
    assert!(names(&store, "partial").is_empty());
}

#[test]
fn a_partial_with_the_wrong_bytes_never_becomes_an_object() {
    let (_dir, store) = store();
    let digest = Digest::sha256(b"hello world");
    let mut partial = claimed(&store, &digest);
    partial.append(b"hello wOrld").unwrap();
    assert!(matches!(store.commit(&mut partial), Err(StoreError::Digest { .. })));
    assert_eq!((partial.len_bytes(), store.get(&digest).unwrap()), (0, None));
}
