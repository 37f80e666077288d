//! Hostile input: a verdict, never a crash or a hang, within the budget, and the rest of the comparison
//! still done.

use std::fs;

use reprove::compare::{Answer, CompareOptions, Comparison, compare_paths};

use crate::archives::{CONTROL, File, ar, bz2, cpio, deb, file, gz, lz4, tar, xz, zip};
use crate::compare_formats::{compare, compare_with};

fn undetermined(name: &str, a: &[u8], b: &[u8], cause: &str) -> Comparison {
    let found = compare(name, a, b);
    assert_eq!(found.verdict, Answer::Undetermined, "{name}: {found:#?}");
    assert!(found.limits.iter().any(|s| s.cause.id() == cause), "{name}: {found:#?}");
    found
}

/// Zero bytes that expand far past the ratio.
fn bomb(pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    pack(&vec![0; 64 << 20])
}

#[test]
fn bombs_stop_at_the_ratio() {
    undetermined("x.gz", &bomb(|b| gz(b, 9, 0)), &gz(b"hi", 6, 0), "limit-ratio");
    undetermined("x.xz", &bomb(|b| xz(b, 0)), &xz(b"hi", 0), "limit-ratio");
    undetermined(
        "x.zst",
        &bomb(|b| zstd::encode_all(b, 1).unwrap()),
        &zstd::encode_all(&b"hi"[..], 1).unwrap(),
        "limit-ratio",
    );
    let nested = gz(&tar(&[file("inner.gz", bomb(|b| gz(b, 9, 0)))]), 9, 0);
    undetermined("x.tgz", &nested, &gz(&tar(&[file("inner.gz", gz(b"hi", 9, 0))]), 9, 0), "limit-ratio");
    let zipped = |body: Vec<u8>| zip(&[file("a", body)], 9, "");
    undetermined("x.zip", &zipped(vec![0; 64 << 20]), &zipped(b"hi".to_vec()), "limit-ratio");
}

#[test]
fn layers_that_multiply_stop_at_the_ratio_of_all() {
    let layered = |core: &[u8]| {
        let mut whole = zip(&[file("core", core)], 6, "");
        for _ in 0..3 {
            let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
            whole = zip(&names.map(|name| file(name, whole.clone())), 6, "");
        }
        whole
    };
    let (a, b) = (layered(&[0; 100_000]), layered(&[0; 100_001]));
    let found = compare_with("f.zip", &a, &b, |o| o.limits.layers_floor_bytes = 8 << 20);
    assert_eq!(found.verdict, Answer::Different);
    let stopped: Vec<&str> = found.limits.iter().map(|stop| stop.cause.id()).collect();
    assert!(stopped.contains(&"limit-ratio"), "{stopped:?}");
}

#[test]
fn nested_layers_stop_at_the_depth() {
    let nest = |start: &[u8], pack: fn(Vec<u8>) -> Vec<u8>| (0..200).fold(start.to_vec(), |b, _| pack(b));
    for pack in [
        (|b| gz(&b, 6, 0)) as fn(Vec<u8>) -> Vec<u8>,
        |b| tar(&[file("x", b)]),
        |b| zip(&[file("x", b)], 6, ""),
    ] {
        undetermined("x", &nest(b"one", pack), &nest(b"two", pack), "limit-depth");
    }
}

#[test]
fn many_members_are_matched_in_any_order() {
    let names: Vec<&'static str> =
        (0..20_000).map(|i| &*Box::leak(format!("f{i}").into_boxed_str())).collect();
    let files: Vec<File> = names.iter().map(|n| file(n, "")).collect();
    let mut later = files.clone();
    later.iter_mut().for_each(|f| f.mtime = 2000);
    let found = compare("x.tar", &tar(&files), &tar(&later));
    assert_eq!(found.verdict, Answer::Equivalent);
    assert!(found.differences.len() < 3000, "every one of {} is listed", found.differences.len());
    later.reverse();
    assert_eq!(compare("x.tar", &tar(&files), &tar(&later)).verdict, Answer::Equivalent);
    assert_eq!(compare("x.tar", &tar(&files), &tar(&files[..1])).verdict, Answer::Different);
}

fn whole() -> Vec<(&'static str, Vec<u8>)> {
    let text: Vec<u8> = b"some text, and more of it\n".repeat(40);
    let files = [file("./a", text.clone()), file("./b", [0u8, 1, 2, 3])];
    vec![
        ("x.gz", gz(&text, 6, 0)),
        ("x.xz", xz(&text, 6)),
        ("x.bz2", bz2(&text, 9)),
        ("x.zst", zstd::encode_all(text.as_slice(), 3).unwrap()),
        ("x.lz4", lz4(&text, true)),
        ("x.tar", tar(&files)),
        ("x.zip", zip(&files, 6, "")),
        ("x.cpio", cpio(&files, 1)),
        ("x.a", ar(&[("a", &text), ("b", b"2")], 0)),
        ("x.deb", deb(&files, CONTROL, None)),
    ]
}

#[test]
fn empty_and_truncated_files_of_every_format_get_a_verdict() {
    for (name, bytes) in whole() {
        let step = (bytes.len() / 60).max(1);
        for cut in (0..bytes.len()).step_by(step) {
            let found = compare(name, &bytes, &bytes[..cut]);
            assert!(
                matches!(found.verdict, Answer::Undetermined | Answer::Different),
                "{name} cut at {cut}: {found:#?}"
            );
        }
        assert_eq!(compare(name, &bytes, b"").verdict, Answer::Undetermined, "{name} against nothing");
        assert_eq!(compare(name, b"", b"").verdict, Answer::Identical, "{name}: nothing against nothing");
    }
}

#[test]
fn the_rest_is_compared_when_one_member_is_damaged() {
    let good = gz(b"hello\n", 6, 0);
    let pack = |inner: &[u8], text: &str| tar(&[file("a.gz", inner), file("b.txt", text)]);
    let found = compare("x.tar", &pack(&good, "one\n"), &pack(&good[..good.len() - 4], "two\n"));
    assert_eq!(found.verdict, Answer::Different);
    assert!(found.changed_members.contains(&"b.txt".to_owned()), "{found:#?}");
    assert!(found.limits.iter().any(|s| s.path == "a.gz" && s.cause.id() == "truncated"), "{found:#?}");
}

#[test]
fn overlapping_zip_members_are_malformed() {
    let body = file("a", vec![0u8; 100_000]);
    let mut bytes = zip(std::slice::from_ref(&body), 9, "");
    // The directory names the same member twice.
    let end = bytes.len() - 22;
    let directory = u32::from_le_bytes(bytes[end + 16..end + 20].try_into().unwrap()) as usize;
    let entry = bytes[directory..end].to_vec();
    bytes.splice(end..end, entry.clone());
    let end = bytes.len() - 22;
    bytes[end + 8] = 2;
    bytes[end + 10] = 2;
    bytes[end + 12..end + 16].copy_from_slice(&u32::try_from(entry.len() * 2).unwrap().to_le_bytes());
    undetermined("x.zip", &zip(&[body], 9, ""), &bytes, "malformed");
}

/// A tar header with a right checksum and one field of its own.
fn header(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = tar(&[file("a", "x")]);
    change(&mut bytes[..512]);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|b| u32::from(*b)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

#[test]
fn absurd_headers_get_a_verdict() {
    let plain = tar(&[file("a", "x")]);
    undetermined("x.tar", &plain, &header(|h| h[124..136].copy_from_slice(b"77777777777\0")), "truncated");
    undetermined("x.tar", &plain, &header(|h| h[124..136].fill(0xff)), "malformed");
    undetermined("x.tar", &plain, &header(|h| h[124..136].copy_from_slice(b"-0000000001\0")), "malformed");
    let odd: [fn(&mut [u8]); 5] = [
        |h| h[0] = 0xff,
        |h| h[..16].copy_from_slice(b"../../etc/passwd"),
        |h| h[..8].copy_from_slice(b"\x1b[31mred"),
        |h| h[156] = b'4',
        |h| h[156] = b'6',
    ];
    for change in odd {
        let found = compare("x.tar", &plain, &header(change));
        assert!(found.verdict != Answer::Identical, "{found:#?}");
        let json = serde_json::to_string(&found).unwrap();
        assert!(!json.contains('\u{1b}') && !json.contains("\\u001b"), "{json}");
    }
    // A window of 2 GiB.
    let window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (31 - 10) << 3, 0x01, 0, 0];
    undetermined("x.zst", &zstd::encode_all(&b"hi"[..], 1).unwrap(), &window, "limit-decoder-memory");
}

#[test]
fn directories_with_loops_and_pipes_are_walked_without_following() {
    let folder = tempfile::tempdir().unwrap();
    for side in ["a", "b"] {
        let root = folder.path().join(side);
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(".", root.join("loop")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("away")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        fs::write(root.join("same"), "1").unwrap();
    }
    let options = CompareOptions::new(folder.path());
    let run = || compare_paths(&folder.path().join("a"), &folder.path().join("b"), &options).unwrap();
    assert_eq!(run().verdict, Answer::Identical);
    fs::write(folder.path().join("b/same"), "2").unwrap();
    let found = run();
    assert_eq!(
        (found.verdict, found.changed_members.as_slice()),
        (Answer::Different, &["same".to_owned()][..])
    );
}
