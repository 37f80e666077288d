#![allow(clippy::unwrap_used, clippy::panic)]
use std::io::Write as _;

use super::*;

fn archive(members: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&builder.into_inner().unwrap()).unwrap();
    gz.finish().unwrap()
}

/// Reads `wanted` from a source package of these archives.
fn read(
    archives: &[(&str, &[(&str, &str)])],
    wanted: &[&str],
    limits: &SourceLimits,
) -> Result<ReleaseSource, SourceTreeError> {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, members) in archives {
        let path = folder.path().join(name);
        std::fs::write(&path, archive(members)).unwrap();
        files.push(((*name).to_owned(), path));
    }
    let files: Vec<_> = files.iter().map(|(n, p)| (n.clone(), p.as_path())).collect();
    let wanted: Vec<SourcePath> = wanted.iter().map(|w| w.parse().unwrap()).collect();
    ReleaseSource::read("tiny 1.0-1", &files, &wanted.iter().collect::<Vec<_>>(), limits)
}

fn shown(source: &ReleaseSource, path: &str) -> Vec<String> {
    let path: SourcePath = path.parse().unwrap();
    source
        .files(&path)
        .map(|(name, file)| match file {
            SourceFile::Known(bytes) => format!("{name}={}", String::from_utf8_lossy(bytes)),
            SourceFile::Unknown(why) => format!("{name}: {why}"),
        })
        .collect()
}

const PATCH: &str =
    "Description: two\n--- a/web.c\n+++ b/web.c\n@@ -1,3 +1,3 @@\n one\n-two\n+deux\n three\n";

#[test]
fn upstream_distribution_and_patches_make_one_tree() {
    let source = read(
        &[
            (
                "tiny_1.0.orig.tar.gz",
                &[
                    ("tiny-1.0/web.c", "one\ntwo\nthree\n"),
                    ("tiny-1.0/lib/a.c", "a"),
                    ("tiny-1.0/debian/x", "old"),
                ],
            ),
            ("tiny_1.0.orig-extra.tar.gz", &[("extra-1/b.c", "b")]),
            (
                "tiny_1.0-1.debian.tar.gz",
                &[
                    ("debian/x", "new"),
                    ("debian/patches/series", "# first\ntwo.patch -p1\n"),
                    ("debian/patches/two.patch", PATCH),
                ],
            ),
            ("tiny_1.0-1.dsc", &[]),
        ],
        &["web.c", "lib/", "extra/", "debian/x"],
        &SourceLimits::DEFAULT,
    )
    .unwrap();
    assert_eq!(shown(&source, "web.c"), ["web.c=one\ndeux\nthree\n"]);
    assert_eq!(shown(&source, "lib/"), ["lib/a.c=a"]);
    assert_eq!(shown(&source, "extra/"), ["extra/b.c=b"]);
    assert_eq!(shown(&source, "debian/x"), ["debian/x=new"]);
}

#[test]
fn a_tree_without_a_first_folder_and_a_native_package_are_read_too() {
    let flat = read(
        &[("tiny_1.0.orig.tar.gz", &[("web.c", "x"), ("lib/a.c", "a")])],
        &["web.c"],
        &SourceLimits::DEFAULT,
    );
    assert_eq!(shown(&flat.unwrap(), "web.c"), ["web.c=x"]);
    let native = read(
        &[("tiny_1.0.tar.gz", &[("tiny/debian/x", "d"), ("tiny/web.c", "x")])],
        &["web.c", "debian/x"],
        &SourceLimits::DEFAULT,
    )
    .unwrap();
    assert_eq!(
        (shown(&native, "web.c"), shown(&native, "debian/x")),
        (vec!["web.c=x".to_owned()], vec!["debian/x=d".to_owned()])
    );
}

#[test]
fn a_patch_that_does_not_apply_leaves_the_file_unknown() {
    let other = PATCH.replace("-two", "-zwei");
    let missing = PATCH.replace("web.c", "gone.c");
    let made = "--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+new\n";
    let removed = "--- a/web.c\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-one\n-two\n-three\n";
    let broken = "--- a/web.c\n+++ b/web.c\n@@ -1,3 +1,3 @@\n one\n";
    let with = |patch: &str, wanted: &str| {
        let source = read(
            &[
                ("t_1.orig.tar.gz", &[("t/web.c", "one\ntwo\nthree\n")]),
                ("t_1-1.debian.tar.gz", &[("debian/patches/series", "p\n"), ("debian/patches/p", patch)]),
            ],
            &[wanted],
            &SourceLimits::DEFAULT,
        );
        shown(&source.unwrap(), wanted).join("|")
    };
    assert!(
        with(&other, "web.c").starts_with("web.c: `debian/patches/p` changes it and could not be applied")
    );
    assert!(with(&missing, "gone.c").starts_with("gone.c: `debian/patches/p` changes it"));
    assert!(with(broken, "web.c").contains("could not be applied"));
    assert_eq!(with(made, "new.c"), "new.c=new\n");
    assert_eq!(with(removed, "web.c"), "");
    // A patch of other files does not matter.
    assert_eq!(with(&missing, "web.c"), "web.c=one\ntwo\nthree\n");
}

#[test]
fn limits_are_kept() {
    let files: &[(&str, &[(&str, &str)])] = &[("t_1.orig.tar.gz", &[("t/a", "12345"), ("t/b", "12345")])];
    let small = SourceLimits { file_bytes_max: 4, ..SourceLimits::DEFAULT };
    let few = SourceLimits { members_max: 1, ..SourceLimits::DEFAULT };
    let little = SourceLimits { kept_bytes_max: 9, ..SourceLimits::DEFAULT };
    for limits in [small, few, little] {
        assert!(matches!(read(files, &["a", "b"], &limits), Err(SourceTreeError::Limit { .. })));
    }
    assert!(read(files, &["a"], &little).is_ok());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    std::fs::write(&path, &archive(&[("t/a", "12345")])[..40]).unwrap();
    let cut = ReleaseSource::read(
        "t",
        &[("t_1.orig.tar.gz".to_owned(), path.as_path())],
        &[&"a".parse().unwrap()],
        &few,
    );
    assert!(matches!(cut, Err(SourceTreeError::Archive { .. })));
}
