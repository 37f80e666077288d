//! One table over all formats, one line a case: what is compared, the verdict, and the exact set of
//! causes, what follows from others included.

use reprove::compare::{Answer, Comparison};

use crate::archives::{CONTROL, File, ar, bz2, cpio, deb, file, gz, lz4, tar, xz, zip};
use crate::compare_formats::{compare, compare_with};
use crate::compare_packages::{
    GZIPPED, Gz, Layer, Png, apk, gem, jar, macho, macho_linked, mo, oci, oci_packed, pdf, po, wheel,
};

use Answer::{Different, Equivalent, Identical, Undetermined};

struct Row {
    case: &'static str,
    name: &'static str,
    a: Vec<u8>,
    b: Vec<u8>,
    verdict: Answer,
    causes: &'static str,
}

fn row(
    case: &'static str,
    name: &'static str,
    a: impl Into<Vec<u8>>,
    b: impl Into<Vec<u8>>,
    verdict: Answer,
    causes: &'static str,
) -> Row {
    Row { case, name, a: a.into(), b: b.into(), verdict, causes }
}

fn ids(found: &Comparison) -> String {
    let mut ids: Vec<&str> = found.differences.iter().map(|d| d.cause.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.join(" ")
}

/// Runs a table and tells every row that is wrong, not only the first.
fn check(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for row in rows {
        let found = compare(row.name, &row.a, &row.b);
        let said = (found.verdict, ids(&found));
        if said != (row.verdict, row.causes.to_owned()) {
            wrong.push(format!("{}: {said:?}, expected {:?}", row.case, (row.verdict, row.causes)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn text() -> Vec<u8> {
    (0..600u32).map(|i| format!("line {i} {}\n", i * 7919 % 1009)).collect::<String>().into_bytes()
}

#[test]
fn compressed_streams() {
    let t = text();
    let more = [t.as_slice(), b"x\n"].concat();
    let plain = Gz::default().pack(&t);
    let members = |second: u32| {
        [Gz::default().pack(&t[..500]), Gz { mtime: second, ..Gz::default() }.pack(&t[500..])].concat()
    };
    let gzip = |change: fn(&mut Gz)| {
        let mut options = Gz::default();
        change(&mut options);
        options.pack(&t)
    };
    let with = |bytes: &[u8], tail: &[u8]| [bytes, tail].concat();
    check(vec![
        row("gzip, the same", "f.gz", plain.clone(), plain.clone(), Identical, ""),
        row("gzip, time", "f.gz", plain.clone(), gzip(|g| g.mtime = 9), Equivalent, "gzip-mtime"),
        row("gzip, name", "f.gz", gzip(|g| g.name = "a"), gzip(|g| g.name = "b"), Equivalent, "gzip-name"),
        row("gzip, name on one side", "f.gz", plain.clone(), gzip(|g| g.name = "b"), Equivalent, "gzip-name"),
        row("gzip, system", "f.gz", plain.clone(), gzip(|g| g.os = 0), Equivalent, "gzip-os"),
        row("gzip, comment", "f.gz", plain.clone(), gzip(|g| g.comment = "c"), Equivalent, "gzip-comment"),
        row("gzip, extra field", "f.gz", plain.clone(), gzip(|g| g.extra = b"AB\x01\0x"), Equivalent, "gzip-extra"),
        row("gzip, level", "f.gz", plain.clone(), gzip(|g| g.level = 1), Equivalent, "gzip-level"),
        row("gzip, level and time", "f.gz", plain.clone(), gzip(|g| (g.level, g.mtime) = (1, 9)), Equivalent, "gzip-level gzip-mtime"),
        row("gzip, members", "f.gz", plain.clone(), members(0), Equivalent, "gzip-members"),
        row("gzip, time of a later member", "f.gz", members(0), members(7), Equivalent, "gzip-mtime"),
        row("gzip, content and time", "f.gz", plain.clone(), Gz { mtime: 9, ..Gz::default() }.pack(&more), Different, "content gzip-mtime"),
        row("gzip, more zeros in it", "f.gz", gz(&[0; 10_240], 6, 0), gz(&[0; 20_480], 6, 0), Different, "content"),
        row("gzip, zeros after the end", "f.gz", plain.clone(), with(&plain, &[0; 9]), Equivalent, "trailing-data"),
        row("gzip, bytes after the end", "f.gz", plain.clone(), with(&plain, b"junk"), Different, "content"),
        row("gzip, look-alike", "f.gz", b"\x1f\x8bnot", b"\x1f\x8bnop", Different, "content"),
        row("gzip, nothing", "f.gz", plain.clone(), "", Undetermined, "truncated"),
        row("gzip against xz", "f", plain.clone(), xz(&t, 6), Equivalent, "compression-format"),
        row("gzip against xz, other content", "f", plain, xz(&more, 6), Different, "compression-format content"),
        row("xz, level", "f.xz", xz(&t, 6), xz(&t, 0), Equivalent, "xz-level"),
        row("xz, content and level", "f.xz", xz(&t, 6), xz(&more, 0), Different, "content xz-level"),
        row("xz, bytes after the end", "f.xz", xz(&t, 6), with(&xz(&t, 6), b"junk"), Different, "content"),
        row("xz, two streams", "f.xz", xz(&t, 6), with(&xz(&t[..99], 6), &xz(&t[99..], 6)), Equivalent, "xz-blocks"),
        row("bzip2, level", "f.bz2", bz2(&t, 9), bz2(&t, 1), Equivalent, "bzip2-level"),
        row("bzip2, cut", "f.bz2", bz2(&t, 9), &bz2(&t, 9)[..100], Undetermined, "truncated"),
        row("zstd, level", "f.zst", zstd::encode_all(&*t, 3).unwrap(), zstd::encode_all(&*t, 19).unwrap(), Equivalent, "zstd-level"),
        row("zstd, bytes after the end", "f.zst", zstd::encode_all(&*t, 3).unwrap(), with(&zstd::encode_all(&*t, 3).unwrap(), b"junk"), Different, "content"),
        row("lz4, blocks", "f.lz4", lz4(&t, true), lz4(&t, false), Equivalent, "lz4-frame"),
        row("lz4, a legacy frame", "f.lz4", lz4(&t, true), lz4_legacy(&t), Equivalent, "lz4-frame"),
        row("lz4, a legacy frame with other content", "f.lz4", lz4(&t, true), lz4_legacy(&more), Different, "content"),
    ]);
}

/// A frame as kernels unpack it: blocks with their size, and no end mark.
fn lz4_legacy(bytes: &[u8]) -> Vec<u8> {
    let block = lz4_flex::block::compress(bytes);
    let size = u32::try_from(block.len()).unwrap().to_le_bytes();
    [&[0x02, 0x21, 0x4c, 0x18][..], &size, &block].concat()
}

fn members() -> Vec<File> {
    vec![file("d/a.txt", text()), file("d/b.bin", [0u8, 1, 2].repeat(50)), file("d/c", "3")]
}

/// Files of one content.
fn alike(names: &[&'static str], body: &'static str) -> Vec<File> {
    names.iter().map(|name| file(name, body)).collect()
}

fn edited(change: impl FnOnce(&mut Vec<File>)) -> Vec<File> {
    let mut files = members();
    change(&mut files);
    files
}

#[test]
fn archives() {
    let whole = tar(&members());
    let later = tar(&edited(|f| f[0].mtime = 7));
    let zipped = zip(&members(), 6, "");
    let with = |bytes: &[u8], tail: &[u8]| [bytes, tail].concat();
    let nested = |inner: &[u8]| deb(&[file("./i.tgz", gz(inner, 6, 0))], CONTROL, None);
    let mut named = zipped.clone();
    named[30] ^= 1;
    let mut sum = zipped.clone();
    let at = sum.windows(4).position(|w| w == b"PK\x01\x02").unwrap() + 16;
    sum[at] ^= 1;
    let linked = |target: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        for name in ["one", "two", "three"] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            let body = if name == "three" { "other" } else { "body" };
            header.set_size(body.len() as u64);
            builder.append_data(&mut header, name, body.as_bytes()).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Link);
        header.set_size(0);
        builder.append_link(&mut header, "link", target).unwrap();
        builder.into_inner().unwrap()
    };
    let typed = |kind: tar::EntryType, name: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        builder.append_data(&mut header, name, &b""[..]).unwrap();
        builder.into_inner().unwrap()
    };
    let (pipe, directory) = (typed(tar::EntryType::Fifo, "x"), typed(tar::EntryType::Directory, "x/"));
    let mut texted = zipped.clone();
    let central = texted.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    texted[central + 36] ^= 1;
    check(vec![
        row("tar, a pipe and a directory", "f.tar", pipe, directory, Different, "file-type"),
        row("tar, nothing in it, padding", "f.tar", [0; 10_240], [0; 20_480], Equivalent, "tar-padding"),
        row("tar, nothing in it", "f.tar", whole.clone(), [0; 1024], Different, "member-removed"),
        row("tar.gz, nothing in it", "f.tgz", gz(&whole, 6, 0), gz(&[0; 1024], 6, 0), Different, "member-removed"),
        row("tar, compressed on one side", "f.tar", whole.clone(), xz(&whole, 6), Equivalent, "compression-format"),
        row("tar, compressed on one side, time", "f.tar", gz(&later, 6, 0), whole.clone(), Equivalent, "compression-format tar-mtime"),
        row("tar, compressed on one side, content", "f.tar", whole.clone(), xz(&tar(&edited(|f| f[1].body[0] = 9)), 6), Different, "compression-format content"),
        row("a text, compressed on one side", "f", text(), gz(&text(), 6, 0), Different, "content"),
        row("zip, stored, and its mark for text", "f.zip", texted.clone(), zip(&members(), 0, ""), Equivalent, "zip-compression"),
        row("zip, mark for text", "f.zip", zipped.clone(), texted, Equivalent, "zip-creator"),
        row("tar, the same", "f.tar", whole.clone(), whole.clone(), Identical, ""),
        row("tar, time", "f.tar", whole.clone(), later.clone(), Equivalent, "tar-mtime"),
        row("tar, owner", "f.tar", whole.clone(), tar(&edited(|f| f[0].uid = 9)), Equivalent, "tar-uid-gid"),
        row("tar, order", "f.tar", whole.clone(), tar(&edited(|f| f.swap(0, 1))), Equivalent, "tar-order"),
        row("tar, order and time", "f.tar", whole.clone(), tar(&edited(|f| { f.swap(0, 1); f[0].mtime = 9; })), Equivalent, "tar-mtime tar-order"),
        row("tar, mode", "f.tar", whole.clone(), tar(&edited(|f| f[2].mode = 0o4755)), Different, "file-mode"),
        row("tar, content and time", "f.tar", whole.clone(), tar(&edited(|f| { f[1].body[0] = 9; f[1].mtime = 9; })), Different, "content tar-mtime"),
        row("tar, removed", "f.tar", whole.clone(), tar(&members()[..2]), Different, "member-removed"),
        row("tar, renamed", "f.tar", whole.clone(), tar(&edited(|f| f[1].name = "d/z")), Different, "member-renamed"),
        row("tar, renamed, others alike", "f.tar", tar(&alike(&["a", "b", "c"], "1")), tar(&alike(&["d", "e"], "1")), Different, "member-removed member-renamed"),
        row("tar, other members", "f.tar", tar(&alike(&["a", "b"], "1")), tar(&alike(&["c", "d"], "2")), Different, "member-added member-removed"),
        row("tar, padding", "f.tar", whole.clone(), with(&whole, &[0; 10_240]), Equivalent, "tar-padding"),
        row("tar, bytes after the end", "f.tar", whole.clone(), with(&whole, b"junk"), Different, "content"),
        row("tar, hard link to a copy", "f.tar", linked("one"), linked("two"), Equivalent, "tar-hardlink"),
        row("tar, hard link to another file", "f.tar", linked("one"), linked("three"), Different, "symlink-target"),
        row("tar.gz, time in both layers", "f.tgz", gz(&whole, 6, 0), gz(&later, 6, 5), Equivalent, "gzip-mtime tar-mtime"),
        row("tar.gz against tar.xz, time", "f", gz(&whole, 6, 0), xz(&later, 6), Equivalent, "compression-format tar-mtime"),
        row("zip, the same", "f.zip", zipped.clone(), zipped.clone(), Identical, ""),
        row("zip, time", "f.zip", zipped.clone(), zip(&edited(|f| f[0].mtime = 7), 6, ""), Equivalent, "zip-mtime"),
        row("zip, order", "f.zip", zipped.clone(), zip(&edited(|f| f.reverse()), 6, ""), Equivalent, "zip-order"),
        row("zip, stored", "f.zip", zipped.clone(), zip(&members(), 0, ""), Equivalent, "zip-compression"),
        row("zip, comment", "f.zip", zipped.clone(), zip(&members(), 6, "c"), Equivalent, "zip-comment"),
        row("zip, mode", "f.zip", zipped.clone(), zip(&edited(|f| f[0].mode = 0o755), 6, ""), Different, "file-mode"),
        row("zip, order and content", "f.zip", zipped.clone(), zip(&edited(|f| { f.reverse(); f[0].body = vec![b'9']; }), 6, ""), Different, "content zip-order"),
        row("zip, bytes after the end", "f.zip", zipped.clone(), with(&zipped, b"junk"), Different, "content"),
        row("zip, zeros after the end", "f.zip", zipped.clone(), with(&zipped, &[0; 9]), Equivalent, "trailing-data"),
        row("zip, name in one place", "f.zip", zipped.clone(), named, Different, "zip-name-mismatch"),
        row("zip, wrong sum", "f.zip", zipped.clone(), sum, Undetermined, "malformed"),
        row("zip, cut", "f.zip", zipped.clone(), &zipped[..200], Undetermined, "truncated"),
        row("zip, nothing in it", "f.zip", zipped, zip(&[], 6, ""), Different, "member-removed"),
        row("ar, time", "f.a", ar(&[("a", b"1")], 0), ar(&[("a", b"1")], 9), Equivalent, "ar-mtime"),
        row("ar, order", "f.a", ar(&[("a", b"1"), ("b", b"2")], 0), ar(&[("b", b"2"), ("a", b"1")], 0), Different, "ar-order"),
        row("cpio, time", "f.cpio", cpio(&members(), 1), cpio(&edited(|f| f[0].mtime = 9), 1), Equivalent, "cpio-mtime"),
        row("cpio, order", "f.cpio", cpio(&members(), 1), cpio(&edited(|f| f.reverse()), 1), Equivalent, "cpio-inode cpio-order"),
        row("cpio, inodes", "f.cpio", cpio(&members(), 1), cpio(&members(), 8), Equivalent, "cpio-inode"),
        row("cpio, removed", "f.cpio", cpio(&members(), 1), cpio(&members()[..2], 1), Different, "member-removed"),
        row("three layers deep, time", "p.zip", zip(&[file("p.deb", nested(&whole))], 6, ""), zip(&[file("p.deb", nested(&later))], 6, ""), Equivalent, "checksum-manifest tar-mtime"),
    ]);
}

#[test]
fn packages() {
    let debian = |files: &[File], control: &str, sums: Option<Vec<u8>>| deb(files, control, sums);
    let whole = debian(&members(), CONTROL, None);
    let sums = crate::archives::md5sums(&members());
    let changed = edited(|f| f[1].body[0] = 9);
    let (date, other) = ("2024-01-02", "2025-01-02");
    const ZSTANDARD: Layer =
        Layer { pack: |tar| zstd::encode_all(tar, 3).unwrap(), media: "+zstd", file_of: None, claim: None };
    let dangling = oci_packed(date, b"1", Layer { claim: Some('0'), ..GZIPPED });
    let zstandard = oci_packed(date, b"1", ZSTANDARD);
    check(vec![
        row("deb, content", "f.deb", whole.clone(), debian(&changed, CONTROL, None), Different, "checksum-manifest content"),
        row("deb, content, old list", "f.deb", whole.clone(), debian(&changed, CONTROL, Some(sums)), Different, "checksum-manifest-mismatch content"),
        row("deb, maintainer's address", "f.deb", debian(&members(), "Package: x\nMaintainer: A <a@example.org>\n", None), debian(&members(), "Package: x\nMaintainer: A <a@example.com>\n", None), Different, "content"),
        row("deb, version", "f.deb", whole, debian(&members(), &CONTROL.replace("Version: 1", "Version: 2"), None), Different, "version-string"),
        row("apk, signature", "x.apk", apk(date, "one", b"S", None), apk(date, "one", b"T", None), Equivalent, "signature"),
        row("apk, build date", "x.apk", apk(date, "one", b"S", None), apk(other, "one", b"S", None), Different, "embedded-timestamp"),
        row("apk, content", "x.apk", apk(date, "one", b"S", None), apk(date, "two", b"S", None), Different, "checksum-manifest content"),
        row("apk, content, old hash", "x.apk", apk(date, "one", b"S", None), apk(date, "two", b"S", Some("one")), Different, "checksum-manifest checksum-manifest-mismatch content"),
        row("apk, wrong hash", "x.apk", apk(date, "one", b"S", None), apk(date, "one", b"S", Some("two")), Different, "checksum-manifest-mismatch"),
        row("gem, date", "x.gem", gem(date, "1", None), gem(other, "1", None), Different, "checksum-manifest gem-metadata"),
        row("gem, content", "x.gem", gem(date, "1", None), gem(date, "2", None), Different, "checksum-manifest content"),
        row("gem, content, old list", "x.gem", gem(date, "1", None), gem(date, "2", Some("1")), Different, "checksum-manifest-mismatch content"),
        row("gem, content, another list", "x.gem", gem(date, "1", None), gem(date, "2", Some("3")), Different, "checksum-manifest-mismatch content"),
        row("wheel, generator", "x.whl", wheel("a 1", "x", None), wheel("a 2", "x", None), Different, "wheel-generator wheel-record"),
        row("wheel, content", "x.whl", wheel("a 1", "x", None), wheel("a 1", "y", None), Different, "content wheel-record"),
        row("wheel, content, old list", "x.whl", wheel("a 1", "x", None), wheel("a 1", "y", Some("x")), Different, "checksum-manifest-mismatch content"),
        row("jar, builder", "x.jar", jar("alice", b"1"), jar("bob", b"1"), Different, "jar-manifest-metadata"),
        row("jar, class", "x.jar", jar("alice", b"1"), jar("alice", b"2"), Different, "content"),
        row("image, layer", "i.tar", oci(date, b"1", false), oci(date, b"2", false), Different, "content oci-digest"),
        row("image, created", "i.tar", oci(date, b"1", false), oci(other, b"1", false), Different, "oci-created oci-digest"),
        row("image, a digest that no blob has", "i.tar", oci(date, b"1", false), dangling, Different, "checksum-manifest-mismatch oci-digest"),
        row("image, compressor", "i.tar", oci(date, b"1", false), zstandard.clone(), Equivalent, "compression-format oci-digest"),
        row("image, a media type that is not so", "i.tar", zstandard, oci_packed(date, b"1", Layer { media: "+gzip", ..ZSTANDARD }), Different, "content oci-digest"),
        row("image, a false digest", "i.tar", oci(date, b"1", false), oci(date, b"2", true), Different, "checksum-manifest-mismatch content oci-digest"),
    ]);
}

#[test]
fn documents() {
    let (date, other) = ("2024-01-02 03:04+0000", "2025-01-02 03:04+0000");
    let short = "2024-01-02";
    let png = Png;
    let mut hidden = macho_linked(1, None);
    // The 72 bytes of the one command follow the 32 of the header.
    hidden[110] = 7;
    let mut miscounted = macho_linked(1, None);
    miscounted[20] = 71;
    check(vec![
        row("catalogue, date", "x.mo", mo(date, "hallo"), mo(other, "hallo"), Equivalent, "gettext-date"),
        row("catalogue, date of another length", "x.mo", mo(date, "hallo"), mo(short, "hallo"), Equivalent, "gettext-date"),
        row("catalogue, text", "x.mo", mo(date, "hallo"), mo(date, "hullo"), Different, "content"),
        row("catalogue, text of another length and date", "x.mo", mo(date, "hallo"), mo(other, "ho"), Different, "content gettext-date"),
        row("catalogue's source, date", "x.po", po(date, "hallo"), po(short, "hallo"), Equivalent, "gettext-date"),
        row("catalogue's source, text", "x.po", po(date, "hallo"), po(date, "hullo"), Different, "content"),
        row("PDF, date", "x.pdf", pdf("D:2024", "AB", "x"), pdf("D:2025", "AB", "x"), Different, "pdf-date"),
        row("PDF, identifier", "x.pdf", pdf("D:2024", "AB", "x"), pdf("D:2024", "CD", "x"), Different, "pdf-id"),
        row("PDF, text and date", "x.pdf", pdf("D:2024", "AB", "x"), pdf("D:2025", "AB", "y"), Different, "content pdf-date"),
        row("PNG, date in a text", "x.png", png.text("date:create", "2024"), png.text("date:create", "2025"), Equivalent, "png-time"),
        row("PNG, date by an old name", "x.png", png.text("create-date", "2024"), png.text("create-date", "2025"), Equivalent, "png-time"),
        row("PNG, another text", "x.png", png.text("Software", "a"), png.text("Software", "b"), Different, "content"),
        row("Mach-O, identifier", "x", macho(1, b"sig"), macho(2, b"sig"), Equivalent, "macho-uuid"),
        row("Mach-O, longer signature", "x", macho(1, b"sig"), macho(1, b"signature"), Equivalent, "signature"),
        row("Mach-O, identifier and signature", "x", macho(1, b"sig"), macho(2, b"sag"), Equivalent, "macho-uuid signature"),
        row("Mach-O, not signed", "x", macho_linked(1, Some(b"sig")), macho_linked(1, None), Equivalent, "signature"),
        row("Mach-O, signed", "x", macho_linked(1, None), macho_linked(1, Some(b"sig")), Equivalent, "signature"),
        row("Mach-O, not signed, other code", "x", macho_linked(1, Some(b"sig")), macho_linked(2, None), Different, "content signature"),
        row("Mach-O, not signed, bytes where the command was", "x", macho_linked(1, Some(b"sig")), hidden, Different, "content signature"),
        row("Mach-O, not signed, a count that is not so", "x", macho_linked(1, Some(b"sig")), miscounted, Different, "content signature"),
        row("JSON, order of keys", "x.json", r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#, Different, "json-key-order"),
        row("JSON, value", "x.json", r#"{"a":1}"#, r#"{"a":2}"#, Different, "content"),
        row("JSON, spelling of a number", "x.json", r#"{"a":1.0}"#, r#"{"a":1.00}"#, Different, "content"),
        row("JSON, a key twice", "x.json", r#"{"a":1,"a":2}"#, r#"{"a":2,"a":2}"#, Different, "content"),
        row("list of absent files", "SHA256SUMS", format!("{}  a\n", "1".repeat(64)), format!("{}  a\n", "2".repeat(64)), Different, "content"),
    ]);
}

#[test]
fn text_by_pattern() {
    let rows: &[(&'static str, &str, &str)] = &[
        ("content", "hello", "world"),
        ("content", "a = 1.5", "a = 1.6"),
        ("content", "at 10.0.0.1", "at 10.0.0.2"),
        ("content", "mail a@example.org", "mail a@example.com"),
        ("content", "{", "{ "),
        ("embedded-timestamp", "built 2024-01-02", "built 2025-03-04"),
        ("embedded-timestamp", ".TH X 1 \"January 2024\"", ".TH X 1 \"March 2025\""),
        ("embedded-timestamp", "Mon, 01 Jan 2024 10:00:00 +0000", "Tue, 02 Jan 2024 11:00:00 +0000"),
        ("embedded-timestamp", "Date: Mon, 02 Jan 2024 15:04:05 +0000", "Date: Fri, 05 Feb 2025 15:04:05 +0000"),
        ("content", "from x@sha256:11111111111111111111111111111111", "from x@sha256:22222222222222222222222222222222"),
        ("build-path", "file /build/foo-1.0/x.c", "file /build/1st/foo-1.0/x.c"),
        ("build-path embedded-timestamp", "2024-01-02 in /build/x", "2025-01-02 in /build/y"),
        ("username", "built by: alice", "built by: bob"),
        ("hostname", "hostname: one", "hostname: two"),
        ("hostname username", "by alice@one", "by bob@two"),
        ("kernel-version", "Linux 5.10.0-20-amd64", "Linux 6.1.0-18-amd64"),
        ("compiler-version", "GCC: (Debian 12.2.0-14) 12.2.0", "GCC: (Debian 13.2.0-5) 13.2.0"),
        ("compiler-version", "rustc 1.70.0 (90c541806 2023-05-31)", "rustc 1.71.0 (8ede3aae2 2023-07-12)"),
        ("compiler-flags", "CFLAGS=-O2 -g", "CFLAGS=-O3 -g"),
        ("version-string", "version 1.2", "version 1.3"),
        ("timezone", "2024-01-01T10:00:00+00:00", "2024-01-01T12:00:00+02:00"),
        ("locale", "LANG=C.UTF-8", "LANG=de_DE.UTF-8"),
        ("random-id", "id 6ba7b810-9dad-11d1-80b4-00c04fd430c8", "id 6ba7b811-9dad-11d1-80b4-00c04fd430c9"),
        ("vcs-revision", "git revision 1a2b3c4", "git revision 5d6e7f8"),
    ];
    let mut table: Vec<Row> = rows
        .iter()
        .map(|(causes, a, b)| {
            let whole = |line: &str| format!("first\n{line}\nlast\n");
            row(causes, "x.txt", whole(a), whole(b), Different, causes)
        })
        .collect();
    table.extend([
        row("order of lines", "x.txt", "a\nb\nc\n", "c\na\nb\n", Different, "line-order"),
        row("line endings", "x.txt", "a\nb\n", "a\r\nb\r\n", Different, "line-endings"),
        row("no newline at the end", "x.txt", "a\nb\n", "a\nb", Different, "content"),
        row("blanks at the ends of lines in another order", "x.txt", "a \nb\n", "b \na\n", Different, "content"),
        row("a date, and a real change", "x.txt", "on 2024-01-02\nsame\none\n", "on 2025-01-02\nsame\ntwo\n", Different, "content embedded-timestamp"),
    ]);
    check(table);
    // Patterns are asked for.
    for (causes, a, b) in rows {
        let never = ["content", "compiler-flags", "version-string"].contains(causes);
        let found = compare_with("x.txt", a.as_bytes(), b.as_bytes(), |o| o.normalize = 3);
        assert_eq!(found.verdict, if never { Different } else { Equivalent }, "{a} | {b}: {found:#?}");
    }
}

#[test]
fn lists_of_checksums_are_recomputed_wherever_they_stand() {
    use md5::Digest as _;
    let list = |a: &[u8]| {
        let sha = |bytes: &[u8]| reprove::digest::Digest::sha256(bytes).to_hex();
        format!("{}  a.bin\n{}  b.txt\n", sha(a), sha(b"b\n"))
    };
    let weak = |a: &[u8]| format!("{} *a.bin\n", hex::encode(md5::Md5::digest(a)));
    let files =
        |a: &[u8], sums: &str| vec![file("p/a.bin", a), file("p/b.txt", "b\n"), file("p/SHA256SUMS", sums)];
    let (one, two): (&[u8], &[u8]) = (&[0, 1], &[0, 2]);
    let mut rows = Vec::new();
    type Pack = fn(&[File]) -> Vec<u8>;
    for (name, pack) in [("f.tar", (|f| tar(f)) as Pack), ("f.zip", |f| zip(f, 6, ""))] {
        let whole = pack(&files(one, &list(one)));
        rows.extend([
            row("fits on both sides", name, whole.clone(), pack(&files(two, &list(two))), Different, "checksum-manifest content"),
            row("old list", name, whole.clone(), pack(&files(two, &list(one))), Different, "checksum-manifest-mismatch content"),
            row("wrong list, equal files", name, whole, pack(&files(one, &list(two))), Different, "checksum-manifest-mismatch"),
            row("MD5", name, pack(&files(one, &weak(one))), pack(&files(two, &weak(two))), Different, "checksum-manifest content"),
            row("MD5, old", name, pack(&files(one, &weak(one))), pack(&files(two, &weak(one))), Different, "checksum-manifest-mismatch content"),
        ]);
    }
    check(rows);
    let folder = tempfile::tempdir().unwrap();
    for (sums, expected) in
        [(list(two), "checksum-manifest content"), (list(one), "checksum-manifest-mismatch content")]
    {
        for (side, body, sums) in [("a", one, &list(one)), ("b", two, &sums)] {
            let side = folder.path().join(side);
            std::fs::create_dir_all(&side).unwrap();
            std::fs::write(side.join("a.bin"), body).unwrap();
            std::fs::write(side.join("SHA256SUMS"), sums).unwrap();
        }
        let options = reprove::compare::CompareOptions::new(folder.path());
        let found =
            reprove::compare::compare_paths(&folder.path().join("a"), &folder.path().join("b"), &options);
        let found = found.unwrap();
        assert_eq!((found.verdict, ids(&found).as_str()), (Different, expected), "{found:#?}");
    }
}
