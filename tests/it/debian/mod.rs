//! Releases of an archive of Debian's layout: resolved, obtained, and refused where they must be.

pub(crate) mod archive;
mod command;

use std::fs;
use std::path::Path;

use archive::{
    Archive, BINNMU_CHANGELOG, DSC, HELPER, ORIG, PACKAGING, Shape, Tools, day, key, keyring, mirrors,
};
use reprove::environment::debian::{EnvironmentError, ResolveRequest, acquire, acquire_published, resolve};
use reprove::environment::lock::{self, Lock};
use reprove::source::debian::{
    self as source, DebianError, Offered, SourceAcquisition, SourceUnavailable, find_source, signed_index,
};
use reprove::verdict::Verdict;
use reprove::verify::openpgp::Keyring;

use crate::server::{Reply, Server};

/// The program that chooses packages; tests that need it say so where it is absent.
fn apt_get() -> Option<&'static Path> {
    let path = Path::new("/usr/bin/apt-get");
    if path.exists() {
        return Some(path);
    }
    println!("needs `apt-get`, which this machine lacks: not tested");
    None
}

fn lock_with(a: &Archive, tools: &Tools, version: &str, apt_get: &Path) -> Result<Lock, EnvironmentError> {
    let component = a.component(version);
    let release = component.release(None).unwrap();
    resolve(
        &tools.access(),
        &ResolveRequest {
            component: "tiny",
            release,
            debian: release.debian().unwrap(),
            archive_keyring: &keyring(&[&a.archive_key]),
            as_of: day(5),
            apt_get,
            scratch: a.folder.path(),
        },
    )
}

fn names(lock: &Lock) -> Vec<&str> {
    lock.packages.iter().map(|p| p.name.as_str()).collect()
}

#[test]
fn a_release_is_resolved_written_read_and_obtained() {
    let Some(apt_get) = apt_get() else { return };
    let a = Archive::new(&Shape::default());
    let tools = Tools::new(a.folder.path(), a.mirrors());
    let lock = lock_with(&a, &tools, "1.0-1", apt_get).unwrap();
    // `unneeded` and `other` are not asked for; `checker` is, since no build profile leaves it out.
    assert_eq!(
        names(&lock),
        ["apt", "base-files", "build-essential", "checker", "compiler", "fakeroot", "helper", "libfake"]
    );
    assert_eq!(lock.build.path, "/build/reproducible-path/tiny-1.0");
    assert_eq!(lock.build.source_date_epoch, day(0).as_second() + 10 * 3600);
    assert_eq!(lock.build.commands, [["dpkg-buildpackage", "-us", "-uc", "-B", "-rfakeroot"]]);
    assert_eq!(lock.build.expected, ["tiny_1.0-1_amd64.deb"]);
    assert_eq!(lock.observations.len(), 1, "{:?}", lock.observations);
    assert!(lock.observations[0].value.contains("helper (= 1): resolved 2"), "{:?}", lock.observations);
    assert_eq!(lock.binnmu_entry(), None);

    let path = a.folder.path().join("tiny.lock.json");
    lock.write(&path).unwrap();
    assert_eq!(lock::read(&path, "tiny").unwrap(), lock);
    let again = lock_with(&a, &tools, "1.0-1", apt_get).unwrap();
    assert_eq!(again.to_bytes().unwrap(), fs::read(&path).unwrap());

    let developers = keyring(&[&a.developer]);
    let Ok(SourceAcquisition::Authenticated(found)) =
        source::acquire(&tools.access(), &lock.source, &developers, day(5))
    else {
        panic!("the source is there");
    };
    assert_eq!(found.dsc.signature.verdict, Verdict::Pass);
    assert_eq!(found.files.len(), 3);
    let Offered::All(objects) = acquire(&tools.access(), &lock).unwrap() else { panic!("all are there") };
    let digests: Vec<_> = objects.iter().map(|o| &o.digest).collect();
    assert_eq!(digests, lock.packages.iter().map(|p| &p.file.digest).collect::<Vec<_>>());
    assert!(matches!(acquire_published(&tools.access(), &lock).unwrap(), Offered::All(o) if o.len() == 1));
}

#[test]
fn what_the_store_has_needs_no_mirror() {
    let Some(apt_get) = apt_get() else { return };
    let a = Archive::new(&Shape::default());
    let tools = Tools::new(a.folder.path(), a.mirrors());
    let lock = lock_with(&a, &tools, "1.0-1", apt_get).unwrap();
    assert!(matches!(acquire(&tools.access(), &lock).unwrap(), Offered::All(_)));
    drop(tools);
    let offline = Tools::new(a.folder.path(), source::Mirrors::none());
    assert!(matches!(acquire(&offline.access(), &lock).unwrap(), Offered::All(_)));
    let missing = acquire_published(&offline.access(), &lock);
    assert!(matches!(missing, Err(EnvironmentError::Archive(DebianError::Mirror(_)))), "{missing:?}");
}

#[test]
fn a_binary_only_rebuild_brings_its_changelog_entry_as_an_observation() {
    let Some(apt_get) = apt_get() else { return };
    let a = Archive::new(&Shape { binnmu: true, ..Shape::default() });
    let tools = Tools::new(a.folder.path(), a.mirrors());
    let lock = lock_with(&a, &tools, "1.0-1+b1", apt_get).unwrap();
    assert_eq!(lock.binnmu_entry(), Some(BINNMU_CHANGELOG));
    assert_eq!(lock.build.source_date_epoch, day(1).as_second() + 10 * 3600);
    assert_eq!(lock.source.version, "1.0-1");
    assert_eq!(lock.build.expected, ["tiny_1.0-1+b1_amd64.deb"]);
}

#[test]
fn what_cannot_be_resolved_is_named() {
    let a = Archive::new(&Shape::default());
    let tools = Tools::new(a.folder.path(), a.mirrors());
    let error = lock_with(&a, &tools, "1.0-1", Path::new("/nonexistent/apt-get")).unwrap_err();
    assert!(matches!(error, EnvironmentError::NoApt { .. }), "{error}");
    let error = lock_with(&a, &tools, "1.0-9", Path::new("/nonexistent/apt-get")).unwrap_err();
    assert!(
        matches!(&error, EnvironmentError::PublishedNotListed { found, .. } if found == &["`1.0-1` in bookworm"]),
        "{error}"
    );
    let access = tools.access();
    let index = signed_index(&access, "bookworm", &keyring(&[&a.archive_key]), day(5)).unwrap();
    let error = find_source(&access, &[index], "tiny", "1.0-2").unwrap_err();
    assert!(matches!(&error, DebianError::SourceNotListed { found, .. } if found.len() == 1), "{error}");

    let Some(apt_get) = apt_get() else { return };
    let a = Archive::new(&Shape { build_depends: "nobody-has-this", ..Shape::default() });
    let tools = Tools::new(a.folder.path(), a.mirrors());
    let error = lock_with(&a, &tools, "1.0-1", apt_get).unwrap_err();
    assert!(
        matches!(&error, EnvironmentError::Unsatisfiable { said } if said.contains("nobody-has-this")),
        "{error}"
    );
}

/// The outcome of asking for the suite's index at day 5.
fn index(a: &Archive, keys: &Keyring) -> Result<source::SignedIndex, DebianError> {
    let tools = Tools::new(a.folder.path(), a.mirrors());
    signed_index(&tools.access(), "bookworm", keys, day(5))
}

#[test]
fn an_index_that_is_not_vouched_for_is_refused() {
    let a = Archive::new(&Shape::default());
    let known = keyring(&[&a.archive_key]);
    let good = index(&a, &known).unwrap();
    assert_eq!(good.signed_by, [a.archive_key.fingerprint().to_hex()]);

    let stranger = index(&a, &keyring(&[&key("stranger")]));
    assert!(matches!(stranger, Err(DebianError::NotVouchedFor { .. })), "{stranger:?}");

    a.edit("dists/bookworm/InRelease", "Origin: Example", "Origin: Exbmple");
    let tampered = index(&a, &known);
    assert!(matches!(tampered, Err(DebianError::Refuted { .. })), "{tampered:?}");

    let a = Archive::new(&Shape::default());
    a.edit(
        "dists/bookworm/InRelease",
        "-----BEGIN PGP SIGNED",
        "Codename: bookworm\n\n-----BEGIN PGP SIGNED",
    );
    let around = index(&a, &keyring(&[&a.archive_key]));
    assert!(matches!(around, Err(DebianError::OpenPgp { .. })), "{around:?}");

    a.put("dists/bookworm/InRelease", b"Codename: bookworm\n");
    let unsigned = index(&a, &keyring(&[&a.archive_key]));
    assert!(matches!(unsigned, Err(DebianError::OpenPgp { .. })), "{unsigned:?}");
}

#[test]
fn an_index_of_another_time_or_suite_is_refused() {
    type Expected = fn(&DebianError) -> bool;
    let cases: [(Shape, Expected); 3] = [
        (Shape { valid_until: Some(4), ..Shape::default() }, |e| matches!(e, DebianError::Expired { .. })),
        (Shape { dated: 9, ..Shape::default() }, |e| matches!(e, DebianError::FromTheFuture { .. })),
        (
            Shape { codename: "trixie", ..Shape::default() },
            |e| matches!(e, DebianError::WrongSuite { found, .. } if found == "trixie"),
        ),
    ];
    for (shape, expected) in cases {
        let a = Archive::new(&shape);
        let error = index(&a, &keyring(&[&a.archive_key])).unwrap_err();
        assert!(expected(&error), "{error}");
    }
    let endless = Archive::new(&Shape { valid_until: None, ..Shape::default() });
    assert!(index(&endless, &keyring(&[&endless.archive_key])).is_ok());
}

#[test]
fn a_list_with_other_bytes_is_refused() {
    let a = Archive::new(&Shape::default());
    let path = a.base().join("dists/bookworm/main/source/Sources.xz");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let tools = Tools::new(a.folder.path(), a.mirrors());
    let index = index(&a, &keyring(&[&a.archive_key])).unwrap();
    let error = find_source(&tools.access(), &[index], "tiny", "1.0-1").unwrap_err();
    assert!(matches!(error, DebianError::Fetch(_)), "{error}");
}

#[test]
fn a_mirror_that_is_refused_gives_way_to_the_next() {
    let bad = Archive::new(&Shape::default());
    let good = Archive::new(&Shape::default());
    let mut both = good.mirrors();
    both.prefer(&[format!("file://{}", bad.base().display())]).unwrap();
    let tools = Tools::new(good.folder.path(), both);
    let keys = keyring(&[&good.archive_key]);
    assert!(signed_index(&tools.access(), "bookworm", &keys, day(5)).is_ok());
}

/// What becomes of the source of such an archive, with these keys of developers.
fn acquired(a: &Archive, developers: &Keyring) -> Result<SourceAcquisition, DebianError> {
    let tools = Tools::new(a.folder.path(), a.mirrors());
    let index = index(a, &keyring(&[&a.archive_key]))?;
    let record = find_source(&tools.access(), &[index], "tiny", "1.0-1")?;
    source::acquire(&tools.access(), &record.source, developers, day(5))
}

#[test]
fn the_signature_of_a_dsc_is_an_answer_of_its_own() {
    let verdict = |a: &Archive, keys: &Keyring| match acquired(a, keys).unwrap() {
        SourceAcquisition::Authenticated(found) => found.dsc.signature.verdict,
        SourceAcquisition::Unavailable(gone) => panic!("{gone:?}"),
    };
    let a = Archive::new(&Shape::default());
    assert_eq!(verdict(&a, &keyring(&[&a.developer])), Verdict::Pass);
    assert_eq!(verdict(&a, &keyring(&[&key("stranger")])), Verdict::Inconclusive);

    // The archive vouches for bytes that the developer did not sign.
    let a = Archive::new(&Shape { dsc: |t| t.replace("Binary: tiny", "Binary: t1ny"), ..Shape::default() });
    assert_eq!(verdict(&a, &keyring(&[&a.developer])), Verdict::Fail);

    let unsigned = |t: String| {
        let text = t.split("\n\n").nth(1).unwrap().to_owned();
        text.split("-----BEGIN").next().unwrap().to_owned()
    };
    let a = Archive::new(&Shape { dsc: unsigned, ..Shape::default() });
    assert_eq!(verdict(&a, &keyring(&[&a.developer])), Verdict::Inconclusive);
}

#[test]
fn a_dsc_that_disagrees_with_the_index_is_refused() {
    for (from, to, expected) in [
        ("Version: 1.0-1", "Version: 1.0-2", "Version"),
        ("Source: tiny", "Source: t1ny", "Source"),
        ("tiny_1.0.orig.tar.gz", "tiny_1.1.orig.tar.gz", "tiny_1.1.orig.tar.gz"),
    ] {
        let a = Archive::new(&Shape::default());
        let good = index(&a, &keyring(&[&a.archive_key])).unwrap();
        let tools = Tools::new(a.folder.path(), a.mirrors());
        let mut listed = find_source(&tools.access(), &[good], "tiny", "1.0-1").unwrap().source;
        let text = String::from_utf8(fs::read(a.base().join(DSC)).unwrap()).unwrap().replacen(from, to, 1);
        a.put(DSC, text.as_bytes());
        for file in listed.files.iter_mut().filter(|f| f.path == DSC) {
            file.digest = reprove::digest::Digest::sha256(text.as_bytes());
            file.size = text.len() as u64;
        }
        let result = source::acquire(&tools.access(), &listed, &keyring(&[&a.developer]), day(5));
        assert!(
            matches!(&result, Err(DebianError::DscDisagrees { file, .. }) if file == expected),
            "{result:?}"
        );
    }
}

/// Serves a folder; HEAD answers with the length.
fn serve(base: std::path::PathBuf) -> Server {
    Server::new(move |asked| match fs::read(base.join(asked.target.trim_start_matches('/'))) {
        Ok(bytes) if asked.method == "HEAD" => Reply::announcing("200 OK", &[], b"", bytes.len()),
        Ok(bytes) => Reply::ok(&bytes),
        Err(_) => Reply::status("404 Not Found"),
    })
}

#[test]
fn missing_files_of_a_source_are_named_before_anything_is_downloaded() {
    let a = Archive::new(&Shape::default());
    a.remove(ORIG);
    a.remove(PACKAGING);
    let server = serve(a.base());
    let tools = Tools::new(a.folder.path(), mirrors(&server.url("")));
    let keys = keyring(&[&a.archive_key]);
    let index = signed_index(&tools.access(), "bookworm", &keys, day(5)).unwrap();
    let source = find_source(&tools.access(), &[index], "tiny", "1.0-1").unwrap().source;
    let before = server.asked().len();
    let result = source::acquire(&tools.access(), &source, &keyring(&[&a.developer]), day(5)).unwrap();
    let SourceAcquisition::Unavailable(SourceUnavailable { missing, signature }) = result else {
        panic!("two files are missing");
    };
    let named: Vec<_> = missing.iter().map(|m| m.path.as_str()).collect();
    assert_eq!(named, [PACKAGING, ORIG]);
    assert_eq!(signature.unwrap().verdict, Verdict::Pass);
    let asked = server.asked();
    assert!(
        asked[before..].iter().all(|a| a.method == "HEAD" || a.target.ends_with(".dsc")),
        "{:?}",
        &asked[before..]
    );
}

#[test]
fn packages_that_are_no_longer_offered_are_named() {
    let Some(apt_get) = apt_get() else { return };
    let a = Archive::new(&Shape::default());
    let tools = Tools::new(a.folder.path(), a.mirrors());
    let lock = lock_with(&a, &tools, "1.0-1", apt_get).unwrap();
    a.remove(HELPER);
    let Offered::Missing(missing) = acquire(&tools.access(), &lock).unwrap() else { panic!("one is gone") };
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].path, HELPER);
    for package in &lock.packages {
        assert!(tools.store.get(&package.file.digest).unwrap().is_none(), "{} was downloaded", package.name);
    }
    // Other bytes under the right name are no offer, and an error rather than a missing file.
    a.put(HELPER, b"HELPER");
    assert!(matches!(acquire(&tools.access(), &lock), Err(EnvironmentError::Archive(DebianError::Fetch(_)))));
}
