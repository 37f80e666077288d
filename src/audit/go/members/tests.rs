#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use super::*;

fn limits() -> ArchiveLimits {
    ArchiveLimits { expanded_bytes_max: 20_000, members_max: 5, ..ArchiveLimits::DEFAULT }
}

fn taken(bytes: &[u8]) -> (Parts, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    std::fs::write(&archive, bytes).unwrap();
    let to = folder.path().join("to");
    std::fs::create_dir(&to).unwrap();
    let mut parts = take_apart(&archive, &to, &limits()).unwrap();
    let tool = Origin::Binary("tool".to_owned());
    parts.check_modes(&[Member { path: "d/tool".to_owned(), origin: tool, mode: None }]);
    (parts, folder)
}

/// What was found, as `path cause value`.
fn told(parts: &Parts) -> Vec<String> {
    let one = |d: &Difference| format!("{} {} {}", d.path, d.cause, d.a.as_deref().unwrap_or("-"));
    parts.headers.iter().map(one).collect()
}

struct Entry<'e> {
    name: &'e str,
    content: &'e str,
    mode: u32,
    kind: tar::EntryType,
    link: &'e str,
}

const TOOL: Entry<'_> =
    Entry { name: "d/tool", content: "code", mode: 0o755, kind: tar::EntryType::Regular, link: "" };
const DATA: Entry<'_> = Entry { name: "d/LICENSE", content: "text", mode: 0o644, ..TOOL };

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        let name = entry.name.as_bytes();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_size(entry.content.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(7);
        if !entry.link.is_empty() {
            header.set_link_name_literal(entry.link).unwrap();
        }
        header.set_cksum();
        builder.append(&header, entry.content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gz(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut out =
        flate2::GzBuilder::new().operating_system(3).write(Vec::new(), flate2::Compression::new(level));
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn a_plain_archive_gives_its_files_and_little_else() {
    for bytes in [tar(&[TOOL, DATA]), gz(&tar(&[TOOL, DATA]), 6)] {
        let (parts, _folder) = taken(&bytes);
        assert_eq!(parts.files.keys().collect::<Vec<_>>(), ["d/LICENSE", "d/tool"]);
        assert_eq!(std::fs::read_to_string(&parts.files["d/tool"].path).unwrap(), "code");
        assert_eq!(told(&parts), ["d/tool tar-mtime 7"]);
        assert_eq!(parts.stopped, []);
    }
}

#[test]
fn each_header_is_told_by_its_cause() {
    let file = |name, mode| Entry { name, mode, ..DATA };
    let link = Entry { kind: tar::EntryType::Symlink, link: "/etc/passwd", content: "", ..DATA };
    let folder = Entry { name: "d/", kind: tar::EntryType::Directory, content: "", mode: 0o777, ..DATA };
    for (entries, expected) in [
        (vec![Entry { mode: 0o4755, ..TOOL }], "d/tool file-mode 4755"),
        (vec![Entry { mode: 0o644, ..TOOL }], "d/tool file-mode 0644"),
        (vec![file("d/x", 0o666)], "d/x file-mode 0666"),
        (vec![folder], "d file-mode 0777"),
        (vec![link], "d/LICENSE file-type type `2`, to /etc/passwd"),
        (vec![DATA, DATA], "d/LICENSE duplicate-name -"),
        (vec![DATA, file("./d/LICENSE", 0o644)], "d/LICENSE duplicate-name -"),
    ] {
        let (parts, _folder) = taken(&tar(&entries));
        assert!(told(&parts).iter().any(|t| t == expected), "{expected} is not in {:?}", told(&parts));
    }
    let (fastest, _a) = taken(&gz(&tar(&[DATA]), 1));
    assert!(told(&fastest).contains(&". gzip-level fastest".to_owned()), "{:?}", told(&fastest));
    let named =
        flate2::GzBuilder::new().filename("x\n").mtime(9).write(Vec::new(), flate2::Compression::new(6));
    let mut named = named;
    named.write_all(&tar(&[DATA])).unwrap();
    let (named, _b) = taken(&named.finish().unwrap());
    for expected in [". gzip-name x\\n", ". gzip-mtime 9"] {
        assert!(told(&named).contains(&expected.to_owned()), "{:?}", told(&named));
    }
}

#[test]
fn a_mode_is_the_recipe_s_where_it_says_one() {
    let member = |path: &str, origin, mode| Member { path: path.to_owned(), origin, mode };
    let binary = || Origin::Binary("tool".to_owned());
    let apart = || Origin::Unsourced("written by its packer".to_owned());
    for (found, said, expected) in [
        (0o664, Some(0o664), None),
        (0o664, None, Some("d/LICENSE file-mode 0664")),
        (0o644, Some(0o664), Some("d/LICENSE file-mode 0644")),
        (0o4664, Some(0o664), Some("d/LICENSE file-mode 4664")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (archive, to) = (folder.path().join("a"), folder.path().join("to"));
        std::fs::create_dir(&to).unwrap();
        std::fs::write(&archive, tar(&[Entry { mode: 0o700, ..TOOL }, Entry { mode: found, ..DATA }]))
            .unwrap();
        let mut parts = take_apart(&archive, &to, &ArchiveLimits::DEFAULT).unwrap();
        parts.check_modes(&[member("d/tool", binary(), Some(0o700)), member("d/LICENSE", apart(), said)]);
        let told: Vec<String> = told(&parts).into_iter().filter(|t| t.contains("file-mode")).collect();
        assert_eq!(told.first().map(String::as_str), expected, "{found:o}, {said:?}");
    }
}

#[test]
fn names_that_lead_elsewhere_are_only_names() {
    let names = ["../../x", "/etc/x", "a\u{1b}[31m"];
    let entries: Vec<Entry<'_>> = names.iter().map(|name| Entry { name, ..DATA }).collect();
    let (parts, folder) = taken(&tar(&entries));
    assert_eq!(parts.files.len(), 3);
    for part in parts.files.values() {
        assert!(part.path.starts_with(folder.path().join("to")), "{}", part.path.display());
    }
    assert!(told(&parts).iter().all(|t| !t.contains('\u{1b}')));
}

#[test]
fn what_cannot_be_read_to_its_end_is_stopped_and_said() {
    let whole = gz(&tar(&[TOOL, DATA]), 6);
    let long = "x".repeat(30_000);
    let six: Vec<Entry<'_>> = ["1", "2", "3", "4", "5", "6"].map(|name| Entry { name, ..DATA }).into();
    // A sparse file of 1 GiB that stores one block.
    let mut sparse = tar(&[DATA]);
    sparse[156] = b'S';
    sparse[386..398].copy_from_slice(b"00000000000\0");
    sparse[398..410].copy_from_slice(b"00000000004\0");
    sparse[483..495].copy_from_slice(b"10000000000\0");
    sparse[148..156].fill(b' ');
    let sum: u32 = sparse[..512].iter().map(|b| u32::from(*b)).sum();
    sparse[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    for (what, bytes, cause) in [
        ("cut", whole[..whole.len() - 20].to_vec(), Cause::Truncated),
        ("too long", gz(&tar(&[Entry { content: &long, ..DATA }]), 6), Cause::LimitBytes),
        ("holes", sparse, Cause::LimitBytes),
        ("too many", tar(&six), Cause::LimitMembers),
        ("no archive", b"#!/bin/sh\nrm -rf /\n".repeat(60), Cause::Malformed),
        (
            "garbage behind",
            [whole.as_slice(), b"garbage that is longer than a header"].concat(),
            Cause::Malformed,
        ),
    ] {
        let (parts, _folder) = taken(&bytes);
        let causes: Vec<Cause> = parts.stopped.iter().map(|s| s.cause).collect();
        assert_eq!(causes, [cause], "{what}: {:?}", parts.stopped);
    }
    let (behind, _folder) = taken(&[tar(&[DATA]).as_slice(), b"hidden"].concat());
    assert!(told(&behind).contains(&". content other bytes".to_owned()), "{:?}", told(&behind));
}

/// A zip by hand: name, local name, content, external attributes.
fn zip(members: &[(&str, &str, &str, u32)]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, local, content, external) in members {
        let offset = u32::try_from(body.len()).unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(content.as_bytes());
        let len = u32::try_from(content.len()).unwrap();
        let common = |out: &mut Vec<u8>, name: &str| {
            out.extend([20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x5a]);
            [crc.sum(), len, len].iter().for_each(|n| out.extend(n.to_le_bytes()));
            out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            out.extend([0, 0]);
        };
        body.extend(b"PK\x03\x04");
        common(&mut body, local);
        body.extend(local.as_bytes());
        body.extend(content.as_bytes());
        directory.extend(b"PK\x01\x02\x14\x03");
        common(&mut directory, name);
        directory.extend([0; 6]);
        directory.extend(external.to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let at = u32::try_from(body.len()).unwrap();
    let (count, len) = (u16::try_from(members.len()).unwrap(), u32::try_from(directory.len()).unwrap());
    body.extend(&directory);
    body.extend(b"PK\x05\x06\0\0\0\0");
    [count, count].iter().for_each(|n| body.extend(n.to_le_bytes()));
    [len, at].iter().for_each(|n| body.extend(n.to_le_bytes()));
    body.extend([0, 0]);
    body
}

#[test]
fn a_zip_gives_its_files_and_its_headers() {
    let file = |mode: u32| (0o100_000 | mode) << 16;
    let (tool, data) = (("d/tool", "d/tool", "code", file(0o755)), ("d/L", "d/L", "text", file(0o644)));
    let (parts, _folder) = taken(&zip(&[("d/", "d/", "", 0o040_755 << 16), tool, data]));
    assert_eq!(parts.files.keys().collect::<Vec<_>>(), ["d/L", "d/tool"]);
    assert_eq!(std::fs::read_to_string(&parts.files["d/L"].path).unwrap(), "text");
    assert_eq!(told(&parts), ["d zip-mtime 2025-01-01 00:00:00", "d zip-creator system 3, version 2.0"]);
    for (member, expected) in [
        (("d/tool", "d/tool", "code", file(0o4755)), "d/tool file-mode 4755"),
        (("d/L", "d/M", "text", file(0o644)), "d/L zip-name-mismatch d/M"),
        (("d/L", "d/L", "/etc/passwd", 0o120_777 << 16), "d/L file-type type 12"),
        (("d/x/", "d/x/", "text", file(0o644)), "d/x file-type type 10"),
    ] {
        let (parts, _folder) = taken(&zip(&[member]));
        assert!(told(&parts).iter().any(|t| t == expected), "{expected} is not in {:?}", told(&parts));
    }
    let (twice, _a) = taken(&zip(&[data, data]));
    assert!(told(&twice).contains(&"d/L duplicate-name -".to_owned()), "{:?}", told(&twice));
    let (before, _b) = taken(&{
        let mut shifted = zip(&[data]);
        shifted.splice(0..0, *b"#!/bin/sh\n");
        shifted
    });
    assert!(!before.stopped.is_empty(), "what does not begin as an archive is none");
}

#[test]
fn a_zip_that_two_readers_read_otherwise_is_stopped() {
    let good = zip(&[("d/L", "d/L", "text", 0o100_644 << 16)]);
    let long = "x".repeat(30_000);
    let central = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    for (what, bytes, cause) in [
        ("another length in the local header", changed(22, 9), Cause::Malformed),
        ("another method in the local header", changed(8, 8), Cause::Malformed),
        ("other content", changed(33, b'T'), Cause::Malformed),
        ("encrypted", changed(central + 8, 1), Cause::Malformed),
        ("cut", good[..good.len() - 30].to_vec(), Cause::Truncated),
        ("too long", zip(&[("d/L", "d/L", &long, 0)]), Cause::LimitBytes),
        ("too many", zip(&[("a", "a", "", 0); 6]), Cause::LimitMembers),
    ] {
        let (parts, _folder) = taken(&bytes);
        let causes: Vec<Cause> = parts.stopped.iter().map(|s| s.cause).collect();
        assert_eq!(causes, [cause], "{what}: {:?}", parts.stopped);
    }
}
