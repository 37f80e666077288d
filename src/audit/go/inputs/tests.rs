#![allow(clippy::unwrap_used)]
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// A member: its name, type flag and content.
type Member<'a> = (&'a str, u8, &'a [u8]);

/// A tar with ustar headers, any name and any type, uncompressed.
fn tar(members: &[Member<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in members {
        let mut header = [0u8; 512];
        // A long name's first half goes where ustar has room for it.
        let (prefix, name) = if name.len() > 100 { (&name[..79], &name[80..]) } else { ("", *name) };
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[345..345 + prefix.len()].copy_from_slice(prefix.as_bytes());
        header[100..107].copy_from_slice(b"0000755");
        header[108..115].copy_from_slice(b"0000000");
        header[116..123].copy_from_slice(b"0000000");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000000");
        header[148..156].copy_from_slice(b"        ");
        header[156] = *kind;
        if *kind == b'2' {
            header[157..161].copy_from_slice(b"/etc");
        }
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

const LIMITS: ArchiveLimits =
    ArchiveLimits { expanded_bytes_max: 1 << 20, members_max: 50, ..ArchiveLimits::DEFAULT };

/// What unpacking gave, and the folder.
fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<(), String>) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    fs::write(&archive, bytes).unwrap();
    let to = folder.path().join("to");
    let told = unpack(&archive, &folder.path().join("scratch"), &to, &LIMITS).unwrap();
    (folder, told)
}

#[test]
fn files_come_out_at_their_places_and_readable() {
    let good: &[Member<'_>] =
        &[("static/", b'5', b""), ("./static/a/index.html", b'0', b"<html>"), ("static/b c.js", b'0', b"x")];
    let (folder, told) = unpacked(&tar(good));
    assert_eq!(told, Ok(()));
    let file = folder.path().join("to/static/a/index.html");
    assert_eq!(fs::read(&file).unwrap(), b"<html>");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o755);
    let parent = fs::metadata(file.parent().unwrap()).unwrap();
    assert_eq!(parent.permissions().mode() & 0o7777, 0o755);
    assert!(folder.path().join("to/static/b c.js").is_file());
    assert!(!folder.path().join("scratch").exists());
}

#[test]
fn compressed_archives_are_read_and_damaged_ones_are_not() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    gzip.write_all(&tar(&[("a", b'0', b"x")])).unwrap();
    let bytes = gzip.finish().unwrap();
    assert_eq!(unpacked(&bytes).1, Ok(()));
    for damaged in [&bytes[..bytes.len() - 9], &bytes[..20], b"no archive", b""] {
        assert!(unpacked(damaged).1.is_err());
    }
}

#[test]
fn what_leads_elsewhere_or_is_no_plain_file_is_refused() {
    let many: Vec<String> = (0..60).map(|n| format!("f{n}")).collect();
    let many: Vec<Member<'_>> = many.iter().map(|name| (name.as_str(), b'0', &b""[..])).collect();
    let (large, deep) = (vec![0; 1 << 20], "d/".repeat(70) + "f");
    let cases: &[(&str, &[Member<'_>], &str)] = &[
        ("parent", &[("../out", b'0', b"x")], "`../out` is not a path of plain names"),
        ("parent within", &[("a/../../out", b'0', b"x")], "is not a path of plain names"),
        ("absolute", &[("/out", b'0', b"x")], "`/out` is not a path of plain names"),
        ("control", &[("a\u{1}b", b'0', b"x")], "is not a path of plain names"),
        ("link", &[("link", b'2', b"")], "type `2`, to /etc, expected a regular file"),
        ("hard link", &[("a", b'0', b"x"), ("b", b'1', b"")], "expected a regular file"),
        ("device", &[("null", b'3', b"")], "expected a regular file"),
        ("pipe", &[("pipe", b'6', b"")], "expected a regular file"),
        ("twice", &[("a", b'0', b"x"), ("a", b'0', b"y")], "`a`"),
        ("file where a folder is", &[("a/b", b'0', b"x"), ("a", b'0', b"y")], "`a/b` lies below a file"),
        ("folder where a file is", &[("a", b'0', b"x"), ("a/b", b'0', b"y")], "`a/b` lies below a file"),
        ("many", &many, "members_max"),
        ("large", &[("a", b'0', &large), ("b", b'0', b"x")], "expands past its limit"),
        ("deep", &[(&deep, b'0', b"x")], "deeper"),
        ("empty", &[("a/", b'5', b"")], "it holds no file"),
    ];
    for (name, members, expected) in cases {
        let (folder, told) = unpacked(&tar(members));
        let told = told.expect_err(name);
        assert!(told.contains(expected), "{name}: {told}");
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert!(
            left.iter().all(|n| ["archive", "scratch", "to"].iter().any(|own| n == *own)),
            "{name}: {left:?}"
        );
    }
}

#[test]
fn a_folder_that_the_source_has_is_not_written_into() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("web/ui")).unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    std::os::unix::fs::symlink("/etc", folder.path().join("link")).unwrap();
    for free in [".prebuilt-ui", "web/new", "a/b/c"] {
        assert_eq!(occupied(folder.path(), free), None, "{free}");
    }
    for (taken, what) in
        [("web/ui", "web/ui"), ("web", "web"), ("file", "file"), ("file/x", "file"), ("link/x", "link")]
    {
        assert_eq!(occupied(folder.path(), taken), Some(format!("the source has `{what}` itself")));
    }
}
