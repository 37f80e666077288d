//! Artifacts of every format with bytes changed by chance: always a verdict, never one that another
//! reader of the same bytes contradicts.

use std::io::Read as _;

use reprove::compare::Answer;

use crate::archives::{CONTROL, File, ar, bz2, cpio, deb, file, gz, lz4, tar, xz, xz_blocks, zip};
use crate::compare_formats::compare_with;
use crate::compare_packages::{Png, apk, gem, jar, macho, mo, oci, pdf, po, wheel};

/// Mutations of each artifact in the test; the long run gives another number.
const MUTATIONS: u64 = 60;

/// A generator that gives the same numbers everywhere (Marsaglia's xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % (below.max(1) as u64)).unwrap()
    }

    /// Flips, sets, cuts, repeats or moves a few bytes.
    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.next(3) {
            let at = self.next(out.len());
            let len = self.next(24).min(out.len() - at.min(out.len()));
            match self.next(7) {
                0 => out.truncate(at),
                1 => drop(out.drain(at..at + len)),
                2 => {
                    let part = out[at..at + len].to_vec();
                    let to = self.next(out.len());
                    out.splice(to..to, part);
                }
                3 => out[at..at + len].fill([0, 0xff, b'0', b'7'][self.next(4)]),
                4 => out.extend(vec![0; len]),
                _ if !out.is_empty() => out[at] ^= 1 << self.next(8),
                _ => {}
            }
        }
        out
    }
}

pub(crate) fn artifacts() -> Vec<(&'static str, Vec<u8>)> {
    let text: Vec<u8> = b"some text, and more of it\n".repeat(20);
    let files = [file("./a", text.clone()), file("./b", [0u8, 1, 2, 3]), file("SHA256SUMS", "00  a\n")];
    let date = "2024-01-02 03:04+0000";
    vec![
        ("x.gz", gz(&text, 6, 1)),
        ("x.xz", xz(&text, 6)),
        ("blocks.xz", xz_blocks(&text)),
        ("x.bz2", bz2(&text, 9)),
        ("x.zst", zstd::encode_all(text.as_slice(), 3).unwrap()),
        ("x.lz4", lz4(&text, true)),
        ("x.tar", tar(&files)),
        ("x.tar.gz", gz(&tar(&files), 6, 1)),
        ("x.zip", zip(&files, 6, "c")),
        ("x.cpio", cpio(&files, 1)),
        ("x.a", ar(&[("a", &text), ("b", b"2")], 0)),
        ("x.deb", deb(&files[..2], CONTROL, None)),
        ("x.apk", apk("2024-01-02", "body", b"sig", None)),
        ("x.gem", gem("2024-01-02", "code", None)),
        ("x.whl", wheel("a 1", "x", None)),
        ("x.jar", jar("alice", b"1")),
        ("i.tar", oci("2024-01-02", b"1", false)),
        ("x.pdf", pdf("D:2024", "AB", "x").into_bytes()),
        ("x.mo", mo(date, "hallo")),
        ("x.po", po(date, "hallo").into_bytes()),
        ("x.png", Png.text("date:create", "2024")),
        ("x", macho(1, b"signature")),
        ("x.json", br#"{"a":[1,2,{"b":"2024-01-02"}]}"#.to_vec()),
    ]
}

/// What an independent reader makes of an archive or a stream; `None` where it refuses it.
fn another_reader(name: &str, bytes: &[u8]) -> Option<Vec<(Vec<u8>, u32, Vec<u8>)>> {
    let mut out = Vec::new();
    let plain = |bytes: Vec<u8>| Some(vec![(Vec::new(), 0, bytes)]);
    match name {
        "x.gz" => {
            flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).ok().and_then(|_| plain(out))
        }
        "x.xz" | "blocks.xz" => liblzma::read::XzDecoder::new_multi_decoder(bytes)
            .read_to_end(&mut out)
            .ok()
            .and_then(|_| plain(out)),
        "x.bz2" => {
            bzip2::read::MultiBzDecoder::new(bytes).read_to_end(&mut out).ok().and_then(|_| plain(out))
        }
        "x.zst" => zstd::decode_all(bytes).ok().and_then(plain),
        "x.tar" => {
            let mut found = Vec::new();
            for entry in tar::Archive::new(bytes).entries().ok()? {
                let mut entry = entry.ok()?;
                let mut body = Vec::new();
                entry.read_to_end(&mut body).ok()?;
                let name = entry.path_bytes().into_owned();
                found.push((name, entry.header().mode().ok()? & 0o7777, body));
            }
            found.sort();
            Some(found)
        }
        _ => None,
    }
}

/// Compares each artifact with `count` mutations of itself; gives what is wrong.
pub(crate) fn contradictions(count: u64, seed: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut chance = Chance(seed | 1);
    for (name, whole) in artifacts() {
        for turn in 0..count {
            let other = chance.mutate(&whole);
            let found = compare_with(name, &whole, &other, |options| options.normalize = 3);
            let tell = |what: &str| format!("{name}, turn {turn}: {what}: {:?}", found.verdict);
            if (found.verdict == Answer::Identical) != (whole == other) {
                wrong.push(tell("identical is not a matter of bytes"));
            }
            if whole != other && found.differences.is_empty() {
                wrong.push(tell("a difference without a cause"));
            }
            if found.verdict == Answer::Equivalent
                && let (Some(x), Some(y)) = (another_reader(name, &whole), another_reader(name, &other))
                && x != y
            {
                wrong.push(tell("another reader sees other content"));
            }
        }
    }
    wrong
}

#[test]
fn no_mutation_is_called_equal_where_another_reader_sees_a_difference() {
    let wrong = contradictions(MUTATIONS, 0x5eed);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_other_reader_tells_content_apart() {
    let one = |body: &str| -> Vec<File> { vec![file("a", body)] };
    assert_ne!(another_reader("x.tar", &tar(&one("1"))), another_reader("x.tar", &tar(&one("2"))));
    assert_ne!(another_reader("x.gz", &gz(b"1", 6, 0)), another_reader("x.gz", &gz(b"2", 6, 0)));
}
