//! Packages with headers of their own, file system images, and what a C compiler makes: executables whose
//! differences have a known cause.

use std::path::Path;
use std::process::Command;

use reprove::compare::{Answer, CompareOptions, Comparison, compare_paths};

use crate::archives::{cpio, file, gz};
use crate::compare_formats::compare;

fn said(found: &Comparison) -> (Answer, String) {
    let mut ids: Vec<&str> = found.differences.iter().map(|d| d.cause.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    (found.verdict, ids.join(" "))
}

#[track_caller]
fn expect(name: &str, a: &[u8], b: &[u8], verdict: Answer, causes: &str) {
    let found = compare(name, a, b);
    assert_eq!(said(&found), (verdict, causes.to_owned()), "{found:#?}");
}

/// One header of an rpm package: tags with their type, count and value.
fn header(tags: &[(u32, u32, u32, Vec<u8>)]) -> Vec<u8> {
    let (mut index, mut store) = (Vec::new(), Vec::new());
    for (tag, kind, count, value) in tags {
        if *kind == 4 {
            store.resize(store.len() + (4 - store.len() % 4) % 4, 0);
        }
        for word in [*tag, *kind, u32::try_from(store.len()).unwrap(), *count] {
            index.extend(word.to_be_bytes());
        }
        store.extend(value);
    }
    let mut out = vec![0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0];
    out.extend(u32::try_from(tags.len()).unwrap().to_be_bytes());
    out.extend(u32::try_from(store.len()).unwrap().to_be_bytes());
    [out, index, store].concat()
}

struct Rpm {
    time: u32,
    host: &'static str,
    body: &'static str,
    level: u32,
    release: &'static str,
    signature: &'static str,
    /// Packed by xz, which rpm must then be able to unpack.
    xz: bool,
    /// The version of another requirement.
    needs: &'static str,
    /// The body whose digest the package gives instead of its own.
    listed: Option<&'static str>,
}

const RPM: Rpm = Rpm {
    time: 7,
    host: "one",
    body: "hello",
    level: 6,
    release: "1",
    signature: "sig",
    xz: false,
    needs: "1",
    listed: None,
};

impl Rpm {
    fn bytes(&self) -> Vec<u8> {
        let text = |value: &str| [value.as_bytes(), &[0]].concat();
        let payload = |body: &str| {
            let archive = cpio(&[file("./usr/f", body)], 1);
            if self.xz { crate::archives::xz(&archive, self.level) } else { gz(&archive, self.level, 0) }
        };
        let mut needed = vec![("x-libs", self.needs)];
        if self.xz {
            needed.push(("rpmlib(PayloadIsXz)", "5.2-1"));
        }
        let count = u32::try_from(needed.len()).unwrap();
        let flags = needed.iter().flat_map(|_| 12u32.to_be_bytes()).collect();
        let names = needed.iter().flat_map(|(name, _)| text(name)).collect();
        let versions = needed.iter().flat_map(|(_, version)| text(version)).collect();
        let digest = |bytes: &[u8]| reprove::digest::Digest::sha256(bytes).to_hex();
        let main = header(&[
            (1000, 6, 1, text("x")),
            (1001, 6, 1, text("1.0")),
            (1002, 6, 1, text(self.release)),
            (1006, 4, 1, self.time.to_be_bytes().to_vec()),
            (1007, 6, 1, text(self.host)),
            (1048, 4, count, flags),
            (1049, 8, count, names),
            (1050, 8, count, versions),
            (1125, 6, 1, text(if self.xz { "xz" } else { "gzip" })),
            (1126, 6, 1, text(&self.level.to_string())),
            (5092, 8, 1, text(&digest(&payload(self.listed.unwrap_or(self.body))))),
        ]);
        let signature =
            header(&[(273, 6, 1, text(&digest(&main))), (268, 7, 3, self.signature.as_bytes().to_vec())]);
        let mut out = vec![0xed, 0xab, 0xee, 0xdb, 3];
        out.resize(96, 0);
        out.extend(signature);
        out.resize(out.len().next_multiple_of(8), 0);
        [out, main, payload(self.body)].concat()
    }
}

#[test]
fn rpm_packages_are_compared_tag_by_tag() {
    use Answer::{Different, Equivalent, Identical, Undetermined};
    let whole = RPM.bytes();
    for (other, verdict, causes) in [
        (RPM, Identical, ""),
        (Rpm { time: 8, ..RPM }, Equivalent, "rpm-build-time rpm-digest"),
        (Rpm { host: "two", ..RPM }, Equivalent, "rpm-build-host rpm-digest"),
        (Rpm { signature: "gis", ..RPM }, Equivalent, "signature"),
        (Rpm { level: 1, ..RPM }, Equivalent, "gzip-level rpm-digest"),
        (Rpm { xz: true, ..RPM }, Equivalent, "compression-format rpm-digest"),
        (Rpm { needs: "2", ..RPM }, Different, "content rpm-digest"),
        (Rpm { xz: true, needs: "2", ..RPM }, Different, "compression-format content rpm-digest"),
        (Rpm { body: "hallo", ..RPM }, Different, "content rpm-digest"),
        (Rpm { release: "2", ..RPM }, Different, "rpm-digest version-string"),
        (
            Rpm { body: "hallo", listed: Some("hello"), ..RPM },
            Different,
            "checksum-manifest-mismatch content",
        ),
    ] {
        expect("x.rpm", &whole, &other.bytes(), verdict, causes);
    }
    assert_eq!(compare("x.rpm", &whole, &whole[..200]).verdict, Undetermined);
    // A tag that reaches past its header.
    let mut absurd = whole.clone();
    absurd[104..108].fill(0x7f);
    assert_eq!(compare("x.rpm", &whole, &absurd).verdict, Undetermined);
}

#[test]
fn stamps_of_file_system_images_are_named_and_nothing_else_is_set_aside() {
    let squashfs = |time: u8, body: u8| {
        let mut out = vec![0; 200];
        out[..4].copy_from_slice(b"hsqs");
        (out[8], out[28], out[150]) = (time, 4, body);
        out
    };
    let ext = |uuid: u8, body: u8| {
        let mut out = vec![0; 4096];
        out[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xef]);
        out[1024 + 104..1024 + 120].fill(uuid);
        out[3000] = body;
        out
    };
    let iso = |time: u8, body: u8| {
        let mut out = vec![0; 20 * 2048];
        let volume = 16 * 2048;
        out[volume] = 1;
        out[volume + 1..volume + 6].copy_from_slice(b"CD001");
        out[volume + 813] = time;
        // The root directory lies in sector 18, with one record of its own.
        out[volume + 156 + 2] = 18;
        out[volume + 156 + 11] = 8;
        out[17 * 2048] = 255;
        out[17 * 2048 + 1..17 * 2048 + 6].copy_from_slice(b"CD001");
        out[18 * 2048] = 34;
        out[18 * 2048 + 18] = time;
        out[18 * 2048 + 32] = 1;
        out[19 * 2048] = body;
        out
    };
    type Image = fn(u8, u8) -> Vec<u8>;
    for (name, image, cause) in [
        ("x.squashfs", squashfs as Image, "squashfs-mkfs-time"),
        ("x.ext4", ext, "fs-uuid"),
        ("x.iso", iso, "iso-timestamp"),
    ] {
        expect(name, &image(1, 1), &image(2, 1), Answer::Equivalent, cause);
        expect(name, &image(1, 1), &image(1, 2), Answer::Different, "content");
        expect(name, &image(1, 1), &image(2, 2), Answer::Different, &format!("content {cause}"));
    }
    assert_eq!(compare("x.iso", &iso(1, 1), &iso(1, 1)[..33_000]).verdict, Answer::Undetermined);
}

#[test]
fn a_bundle_that_does_not_fit_its_own_checksum_is_damaged_or_cut() {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"])
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let write = |text: &str| std::fs::write(folder.path().join("f"), text).unwrap();
    write("1\n");
    let first = git(&["init", "-q"]) && git(&["add", "f"]) && git(&["commit", "-qm", "1"]);
    if !first || !git(&["bundle", "create", "one", "--all"]) {
        println!("`git` is absent: bundles are not tested here");
        return;
    }
    write("2\n");
    assert!(git(&["commit", "-qam", "2"]) && git(&["bundle", "create", "two", "--all"]));
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let (one, two) = (read("one"), read("two"));
    let found = compare("x.bundle", &one, &two);
    assert!(found.verdict == Answer::Different && said(&found).1.contains("vcs-revision"), "{found:#?}");
    expect("x.bundle", &two, &two[..two.len() - 30], Answer::Undetermined, "truncated");
    let mut damaged = two.clone();
    let end = damaged.len() - 5;
    damaged[end] ^= 1;
    expect("x.bundle", &two, &damaged, Answer::Undetermined, "malformed");
}

/// Compiles one source in a folder of its own; `None` without a compiler that makes ELF files.
fn compile(root: &Path, folder: &str, source: &str, flags: &[&str]) -> Option<Vec<u8>> {
    let folder = root.join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("m.c"), source).unwrap();
    let output =
        Command::new("cc").args(flags).args(["-o", "m", "m.c"]).current_dir(&folder).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(folder.join("m")).unwrap();
    bytes.starts_with(b"\x7fELF").then_some(bytes)
}

#[test]
fn executables_differ_in_what_was_changed_and_nothing_else_is_named() {
    const SOURCE: &str =
        "int twice(int x) { return x * 2; }\nint main(int c, char **v) { (void)v; return twice(c); }\n";
    let root = tempfile::tempdir().unwrap();
    let build = |folder: &str, source: &str, flags: &[&str]| compile(root.path(), folder, source, flags);
    let id = |hex: &str| format!("-Wl,--build-id=0x{hex}");
    let (one, two) = (id(&"11".repeat(20)), id(&"22".repeat(20)));
    let Some(plain) = build("a", SOURCE, &["-O1", &one]) else {
        println!("no C compiler makes ELF files here: executables are not tested");
        return;
    };
    let make = |folder: &str, source: &str, flags: &[&str]| build(folder, source, flags).unwrap();
    let other_id = make("a", SOURCE, &["-O1", &two]);
    expect("m", &plain, &other_id, Answer::Equivalent, "elf-build-id");
    let other_code = make("a", &SOURCE.replace("x * 2", "x * 3"), &["-O1", &one]);
    let found = compare("m", &plain, &other_code);
    assert_eq!(said(&found), (Answer::Different, "elf-code".to_owned()), "{found:#?}");
    assert!(found.differences[0].hunks.iter().any(|hunk| hunk.contains("twice")), "{found:#?}");
    let debug = |folder: &str, level: &str| make(folder, SOURCE, &["-g", level, &one]);
    let (short, long) = (debug("a", "-O1"), debug("a-longer-folder", "-O1"));
    expect("m", &short, &debug("b", "-O1"), Answer::Different, "elf-build-path");
    expect("m", &short, &long, Answer::Different, "elf-build-path");
    let folder = root.path().join("compare");
    for (side, bytes) in [("x", &short), ("y", &long)] {
        std::fs::create_dir_all(folder.join(side)).unwrap();
        std::fs::write(folder.join(side).join("m"), bytes).unwrap();
    }
    let options = CompareOptions { normalize: 3, ..CompareOptions::new(root.path()) };
    let found = compare_paths(&folder.join("x/m"), &folder.join("y/m"), &options).unwrap();
    assert_eq!(found.verdict, Answer::Equivalent, "{found:#?}");
    // Debug information that says something else is not explained by its directory.
    let renamed =
        make("b", &SOURCE.replace("int x", "int y").replace("x * 2", "y * 2"), &["-g", "-O1", &one]);
    let found = compare("m", &short, &renamed);
    assert!(said(&found).1.contains("elf-data"), "{found:#?}");
    // Of an object file, the references into its strings are filled in first.
    let object = |folder: &str, more: &str| make(folder, SOURCE, &["-c", "-g", "-O1", more]);
    let plain = object("a", "-fwrapv");
    expect("m.o", &plain, &object("a-longer-folder", "-fwrapv"), Answer::Different, "elf-build-path");
    expect("m.o", &plain, &object("a", "-fno-common"), Answer::Different, "compiler-flags");
    let found = compare(
        "m.o",
        &plain,
        &make("a", &SOURCE.replace("int x", "long x"), &["-c", "-g", "-O1", "-fwrapv"]),
    );
    assert!(said(&found).1.contains("elf-"), "{found:#?}");
    let paths = |path: &str| make("a", SOURCE, &["-O1", &one, &format!("-Wl,-rpath,{path}")]);
    expect("m", &paths("/opt/a"), &paths("/opt/b"), Answer::Different, "elf-runpath");
}
