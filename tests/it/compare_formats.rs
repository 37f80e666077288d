//! The grid of each archive and stream format: identical, metadata only, content, one side missing,
//! truncated; and what must never be called equal.

use std::fs;
use std::process::Command;

use reprove::compare::{Answer, Class, CompareLimits, CompareOptions, Comparison, compare_paths};

use crate::archives::{
    CONTROL, File, ar, bz2, cpio, deb, file, gz, link, lz4, md5sums, tar, xz, xz_blocks, zip,
};

pub(crate) fn compare_with(
    name: &str,
    a: &[u8],
    b: &[u8],
    change: impl FnOnce(&mut CompareOptions),
) -> Comparison {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (folder.path().join("a"), folder.path().join("b"));
    for (side, bytes) in [(&left, a), (&right, b)] {
        fs::create_dir(side).unwrap();
        fs::write(side.join(name), bytes).unwrap();
    }
    let mut options = CompareOptions::new(folder.path());
    change(&mut options);
    compare_paths(&left.join(name), &right.join(name), &options).unwrap()
}

pub(crate) fn compare(name: &str, a: &[u8], b: &[u8]) -> Comparison {
    compare_with(name, a, b, |_| {})
}

/// Causes that stand for themselves, without what follows from them.
fn causes(comparison: &Comparison) -> Vec<&'static str> {
    let mut ids: Vec<&str> =
        comparison.differences.iter().filter(|d| !d.derived).map(|d| d.cause.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[track_caller]
fn expect(name: &str, a: &[u8], b: &[u8], verdict: Answer, expected: &[&str]) -> Comparison {
    let found = compare(name, a, b);
    assert_eq!((found.verdict, causes(&found).as_slice()), (verdict, expected), "{name}: {found:#?}");
    // The other way round says the same of the same causes, but for what is on one side only.
    let back = compare(name, b, a);
    assert_eq!(back.verdict, verdict, "{name} the other way round: {back:#?}");
    found
}

fn text() -> Vec<u8> {
    (0..4000u32).map(|i| format!("line {}\n", i * 7919 % 1009)).collect::<String>().into_bytes()
}

fn two() -> Vec<File> {
    vec![file("./usr/a", text()), file("./usr/b", [0u8, 1, 2].repeat(200))]
}

fn edited(change: impl FnOnce(&mut Vec<File>)) -> Vec<File> {
    let mut files = two();
    change(&mut files);
    files
}

#[test]
fn streams_differ_in_transport_only_or_in_content() {
    use Answer::{Different, Equivalent, Identical, Undetermined};
    let t = text();
    let changed = [t.as_slice(), b"!\n"].concat();
    type Pack = fn(&[u8]) -> Vec<u8>;
    let packers: [(&str, Pack, Pack, &str); 5] = [
        ("x.gz", |b| gz(b, 6, 0), |b| gz(b, 1, 0), "gzip-level"),
        ("x.xz", |b| xz(b, 6), |b| xz(b, 1), "xz-level"),
        ("x.bz2", |b| bz2(b, 9), |b| bz2(b, 1), "bzip2-level"),
        ("x.zst", |b| zstd::encode_all(b, 3).unwrap(), |b| zstd::encode_all(b, 19).unwrap(), "zstd-level"),
        ("x.lz4", |b| lz4(b, true), |b| lz4(b, false), "lz4-frame"),
    ];
    for (name, one, other, cause) in packers {
        let packed = one(&t);
        expect(name, &packed, &packed, Identical, &[]);
        expect(name, &packed, &other(&t), Equivalent, &[cause]);
        expect(name, &packed, &one(&changed), Different, &["content"]);
        expect(name, &packed, &[packed.as_slice(), &[0; 64]].concat(), Equivalent, &["trailing-data"]);
        expect(name, &packed, &[packed.as_slice(), &[0; 9], b"x"].concat(), Different, &["content"]);
        for cut in [packed.len() - 1, packed.len() / 2, 7, 0] {
            let found = compare(name, &packed, &packed[..cut]);
            assert_eq!(found.verdict, Undetermined, "{name} cut at {cut}: {found:#?}");
        }
    }
    expect("x.gz", &gz(&t, 6, 0), &gz(&t, 6, 77), Equivalent, &["gzip-mtime"]);
    let members = [gz(&t[..100], 6, 0), gz(&t[100..], 6, 0)].concat();
    expect("x.gz", &gz(&t, 6, 0), &members, Equivalent, &["gzip-members"]);
    expect("data", &gz(&t, 6, 0), &xz(&t, 6), Equivalent, &["compression-format"]);
}

#[test]
fn archives_differ_in_metadata_or_in_content() {
    use Answer::{Different, Equivalent, Identical, Undetermined};
    type Pack = fn(&[File]) -> Vec<u8>;
    let archives: [(&str, Pack, [&str; 2]); 3] = [
        ("x.tar", |f| tar(f), ["tar-mtime", "tar-order"]),
        ("x.zip", |f| zip(f, 6, ""), ["zip-mtime", "zip-order"]),
        ("x.cpio", |f| cpio(f, 1), ["cpio-mtime", "cpio-order"]),
    ];
    for (name, pack, [mtime, order]) in archives {
        let whole = pack(&two());
        expect(name, &whole, &whole, Identical, &[]);
        expect(name, &whole, &pack(&edited(|f| f[0].mtime = 2222)), Equivalent, &[mtime]);
        if name != "x.cpio" {
            expect(name, &whole, &pack(&edited(|f| f.reverse())), Equivalent, &[order]);
        }
        expect(name, &whole, &pack(&edited(|f| f[0].mode = 0o4755)), Different, &["file-mode"]);
        expect(name, &whole, &pack(&edited(|f| f[1].body[5] ^= 1)), Different, &["content"]);
        let found = compare(name, &whole, &pack(&edited(|f| f.truncate(1))));
        assert_eq!((found.verdict, causes(&found)), (Different, vec!["member-removed"]), "{name}");
        let found = compare(name, &whole, &pack(&edited(|f| f[1].name = "./usr/z")));
        assert_eq!((found.verdict, causes(&found)), (Different, vec!["member-renamed"]), "{name}");
        let found = compare(name, &whole, &whole[..whole.len() * 2 / 3]);
        assert_eq!(found.verdict, Undetermined, "{name}: {found:#?}");
        // Copies of a name in another order could be told apart by nobody.
        let twice = edited(|f| f.push(file("./usr/a", "other")));
        let mut swapped = twice.clone();
        swapped.swap(0, 2);
        assert_eq!(compare(name, &pack(&twice), &pack(&swapped)).verdict, Different, "{name}");
    }
    expect("x.tar", &tar(&two()), &tar(&edited(|f| f[0].uid = 7)), Equivalent, &["tar-uid-gid"]);
    let trailing = [tar(&two()).as_slice(), &[0; 512], b"x"].concat();
    expect("x.tar", &tar(&two()), &trailing, Different, &["content"]);
    expect("x.tar", &link("a", "b"), &link("a", "c"), Different, &["symlink-target"]);
    expect("x.zip", &zip(&two(), 6, ""), &zip(&two(), 1, ""), Equivalent, &["zip-compression"]);
    expect("x.zip", &zip(&two(), 6, ""), &zip(&two(), 6, "hi"), Equivalent, &["zip-comment"]);
    expect("x.cpio", &cpio(&two(), 1), &cpio(&two(), 9), Equivalent, &["cpio-inode"]);
    let (one, other) = (ar(&[("a", b"1"), ("b", b"2")], 0), ar(&[("b", b"2"), ("a", b"1")], 0));
    expect("x.a", &one, &other, Different, &["ar-order"]);
    expect("x.a", &one, &ar(&[("a", b"1"), ("b", b"2")], 9), Equivalent, &["ar-mtime"]);
    // A local name that is not the directory's hides what other programs unpack.
    let mut local = zip(&two(), 6, "");
    local[31] ^= 1;
    expect("x.zip", &zip(&two(), 6, ""), &local, Different, &["zip-name-mismatch"]);
}

#[test]
fn a_package_is_checked_by_its_bytes_not_by_its_own_list() {
    use Answer::{Different, Equivalent, Identical};
    let whole = deb(&two(), CONTROL, None);
    expect("x.deb", &whole, &whole, Identical, &[]);
    expect("x.deb", &whole, &deb(&edited(|f| f[0].mtime = 5), CONTROL, None), Equivalent, &["tar-mtime"]);
    let changed = edited(|f| f[1].body[5] ^= 1);
    let found = expect("x.deb", &whole, &deb(&changed, CONTROL, None), Different, &["content"]);
    assert!(found.differences.iter().any(|d| d.derived && d.cause.id() == "checksum-manifest"));
    assert_eq!(found.changed_members, ["data.tar.xz/usr/b"]);
    let stale = deb(&changed, CONTROL, Some(md5sums(&two())));
    expect("x.deb", &whole, &stale, Different, &["checksum-manifest-mismatch", "content"]);
    let wrong = String::from_utf8(md5sums(&two())).unwrap().replacen(char::is_numeric, "f", 1);
    let wrong = deb(&two(), CONTROL, Some(wrong.into_bytes()));
    expect("x.deb", &whole, &wrong, Different, &["checksum-manifest-mismatch"]);
    let built = format!("{CONTROL}Static-Built-Using: golang-1.19 (= 1.19.8-2)\n");
    let found = expect("x.deb", &whole, &deb(&two(), &built, None), Different, &["content"]);
    assert_eq!(found.class(), Class::IdentifiersOnly);
    assert_eq!(found.residue()[0].field.as_deref(), Some("Static-Built-Using"));
    let version = CONTROL.replace("Version: 1", "Version: 2");
    let found = expect("x.deb", &whole, &deb(&two(), &version, None), Different, &["version-string"]);
    assert_eq!(found.class(), Class::Different);
    assert!(found.residue().is_empty());
}

#[test]
fn only_permitted_tiers_make_anything_equivalent() {
    let (a, b) = (tar(&two()), tar(&edited(|f| f[0].mtime = 5)));
    for (tier, expected) in [(0, Answer::Different), (1, Answer::Equivalent), (3, Answer::Equivalent)] {
        assert_eq!(compare_with("x.tar", &a, &b, |o| o.normalize = tier).verdict, expected, "{tier}");
    }
    let (a, b) = (b"Built on 2024-01-02 03:04:05\n", b"Built on 2025-01-02 03:04:05\n");
    for (tier, expected) in [(2, Answer::Different), (3, Answer::Equivalent)] {
        let found = compare_with("x.txt", a, b, |o| o.normalize = tier);
        assert_eq!((found.verdict, causes(&found)), (expected, vec!["embedded-timestamp"]), "{tier}");
    }
}

#[test]
fn any_byte_of_a_member_changed_is_seen_through_every_layer() {
    let body: Vec<u8> = (0..64u8).map(|i| i.wrapping_mul(37)).collect();
    let pack = |body: &[u8]| deb(&[file("./x.tar.gz", gz(&tar(&[file("y", body)]), 6, 0))], CONTROL, None);
    let whole = pack(&body);
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 0x20;
        let found = compare_with("x.deb", &whole, &pack(&changed), |o| o.normalize = 3);
        assert_eq!(found.verdict, Answer::Different, "byte {at}: {found:#?}");
        assert_eq!(found.changed_members, ["data.tar.xz/x.tar.gz/y"]);
    }
}

#[test]
fn any_byte_of_an_archive_changed_is_never_identical() {
    for (name, whole) in [
        ("x.tar", tar(&two()[1..])),
        ("x.zip", zip(&two()[1..], 6, "c")),
        ("x.cpio", cpio(&two()[1..], 1)),
        ("x.a", ar(&[("a", b"12"), ("b", b"3")], 4)),
        ("x.xz", xz(&text()[..200], 6)),
    ] {
        for at in (0..whole.len()).step_by(if whole.len() > 1000 { 7 } else { 1 }) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let found = compare(name, &whole, &changed);
            assert_ne!(found.verdict, Answer::Identical, "{name} at {at}");
            assert!(!found.differences.is_empty(), "{name} at {at} is not explained");
            assert_ne!(found.published.sha256, found.rebuilt.sha256);
        }
    }
}

#[test]
fn blocks_of_xz_that_are_equal_are_decoded_once_and_seen_right() {
    let noise: Vec<u8> =
        (0..900_000u64).flat_map(|i| (i * i % 65_521).to_le_bytes()).take(3_000_000).collect();
    let pack = |noise: &[u8]| xz_blocks(&tar(&[file("first", "1"), file("noise", noise), file("last", "2")]));
    let mut changed = noise.clone();
    changed[2_500_000] ^= 1;
    let found = compare("x.tar.xz", &pack(&noise), &pack(&changed));
    assert_eq!(
        (found.verdict, found.changed_members.as_slice()),
        (Answer::Different, &["noise".to_owned()][..])
    );
    assert_eq!(found.differences[0].bytes, Some(1), "{found:#?}");
    // One side far ahead of the other: an extra member that is longer than any buffer.
    let more = xz_blocks(&tar(&[
        file("extra", noise.clone()),
        file("first", "1"),
        file("noise", noise.clone()),
        file("last", "2"),
    ]));
    let found = compare("x.tar.xz", &pack(&noise), &more);
    assert_eq!((found.verdict, causes(&found)), (Answer::Different, vec!["member-added"]), "{found:#?}");
}

#[test]
fn archives_written_by_the_usual_programs_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    fs::create_dir_all(root.join("deep")).unwrap();
    fs::write(root.join("deep").join("n".repeat(150)), text()).unwrap();
    fs::write(root.join("b"), [7u8; 3000]).unwrap();
    std::os::unix::fs::symlink("b", root.join("c")).unwrap();
    let run = |program: &str, arguments: &[&str]| -> bool {
        let status = Command::new(program).args(arguments).current_dir(folder.path()).output();
        match status {
            Ok(output) => output.status.success(),
            Err(_) => {
                println!("`{program}` is absent: its archives are not tested here");
                false
            }
        }
    };
    let options = CompareOptions::new(folder.path());
    let pair =
        |a: &str, b: &str| compare_paths(&folder.path().join(a), &folder.path().join(b), &options).unwrap();
    let sorted = ["--sort=name", "--mtime=@1", "--owner=0", "--group=0"];
    for (format, name) in [("gnu", "g.tar"), ("pax", "p.tar"), ("ustar", "u.tar")] {
        let format = format!("--format={format}");
        let mut arguments = vec!["-cf", name, &format, "--exclude=nnn*"];
        arguments.extend(sorted);
        arguments.push("tree");
        if !run("tar", &arguments) {
            return;
        }
    }
    for (a, b) in [("g.tar", "p.tar"), ("g.tar", "u.tar"), ("p.tar", "u.tar")] {
        let found = pair(a, b);
        assert_eq!(found.verdict, Answer::Equivalent, "{a} {b}: {found:#?}");
    }
    if run("xz", &["-k", "-T1", "--block-size=4096", "g.tar"])
        && run("cp", &["g.tar", "h.tar"])
        && run("xz", &["-0", "h.tar"])
    {
        let found = pair("g.tar.xz", "h.tar.xz");
        assert_eq!(
            (found.verdict, causes(&found)),
            (Answer::Equivalent, vec!["xz-blocks", "xz-level"]),
            "{found:#?}"
        );
    }
    if run("zip", &["-qr", "-1", "one.zip", "tree"]) && run("zip", &["-qr", "-9", "nine.zip", "tree"]) {
        let found = pair("one.zip", "nine.zip");
        assert_eq!(found.verdict, Answer::Equivalent, "{found:#?}");
    }
    if run("ar", &["rcD", "d.a", "tree/b"]) && run("ar", &["rcU", "u.a", "tree/b"]) {
        let found = pair("d.a", "u.a");
        assert_eq!(found.verdict, Answer::Equivalent, "{found:#?}");
    }
}

#[test]
fn a_file_without_members_is_called_by_no_path() {
    use reprove::compare::view::{TextOptions, html, text};
    let found = compare("x.txt", b"one\n", b"two\n");
    let shown = text(&found, TextOptions::default());
    assert!(shown.contains("\n  the file itself\n    content") && !shown.contains("\n  .\n"), "{shown}");
    assert!(shown.contains("\n1 difference that nothing may set aside\n"), "{shown}");
    assert!(html(&found).contains("<code>the file itself</code>"));
}

#[test]
fn known_values_are_put_aside_on_both_sides() {
    let mask = |values: &[&str]| {
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        compare_with("x.txt", b"by alice, id 17\n", b"by bob, id 17\n", |o| o.mask = values).masked.unwrap()
    };
    assert_eq!(mask(&["alice", "bob"]).explained, ["."]);
    assert_eq!(mask(&["alice"]).remaining, ["."]);
}

#[test]
fn the_result_is_the_published_schema_and_the_same_every_time() {
    let (a, b) = (deb(&two(), CONTROL, None), deb(&edited(|f| f[1].body[5] ^= 1), CONTROL, None));
    let found = compare("x.deb", &a, &b);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json, serde_json::to_value(compare("x.deb", &a, &b)).unwrap());
    let back: Comparison = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(back, found);
    let schema: serde_json::Value = serde_json::from_str(reprove::compare::SCHEMA_JSON).unwrap();
    let known = |value: &serde_json::Value, at: &str| {
        let properties = schema.pointer(at).unwrap().as_object().unwrap();
        for key in value.as_object().unwrap().keys() {
            assert!(properties.contains_key(key), "`{key}` is not in the schema at {at}");
        }
    };
    known(&json, "/properties");
    json["differences"].as_array().unwrap().iter().for_each(|d| known(d, "/$defs/difference/properties"));
    known(&json["published"], "/$defs/original/properties");
    let html = reprove::compare::view::html(&found);
    assert!(html.contains("different") && !html.contains("<script"));
    let shown = reprove::compare::view::text(&found, Default::default());
    assert!(shown.ends_with("different\n"), "{shown}");
}

#[test]
fn every_limit_ends_one_look_and_says_so() {
    let two_layers = gz(&tar(&[file("a", gz(&[7; 5000], 6, 0)), file("b", "x")]), 6, 0);
    let other = gz(&tar(&[file("a", gz(&[8; 5000], 6, 0)), file("b", "y")]), 6, 0);
    type Change = fn(&mut CompareLimits);
    let rows: [(&str, Change); 4] = [
        ("limit-depth", |l| l.depth_max = 2),
        ("limit-bytes", |l| l.expanded_bytes_max = 3000),
        ("limit-members", |l| l.members_max = 1),
        ("limit-ratio", |l| {
            l.ratio_max = 2;
            l.ratio_floor_bytes = 100;
        }),
    ];
    for (cause, change) in rows {
        let found = compare_with("x.tgz", &two_layers, &other, |o| change(&mut o.limits));
        assert!(found.limits.iter().any(|s| s.cause.id() == cause), "{cause}: {found:#?}");
        assert!(matches!(found.verdict, Answer::Undetermined | Answer::Different), "{cause}");
    }
    let late = reprove::compare::Deadline::new(|| true);
    let found = compare_with("x.tgz", &two_layers, &other, |o| o.deadline = Some(late));
    assert_eq!((found.verdict, causes(&found)), (Answer::Undetermined, vec!["limit-time"]));
}
