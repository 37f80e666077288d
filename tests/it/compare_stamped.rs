//! Formats with stamped fields: a stamp alone is named and may be equivalent; any other byte never is.

use std::fs;

use reprove::compare::{Answer, CompareOptions, Comparison, compare_paths};

fn compare(name: &str, a: &[u8], b: &[u8]) -> Comparison {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (folder.path().join("a"), folder.path().join("b"));
    for (side, bytes) in [(&left, a), (&right, b)] {
        fs::create_dir(side).unwrap();
        fs::write(side.join(name), bytes).unwrap();
    }
    compare_paths(&left.join(name), &right.join(name), &CompareOptions::new(folder.path())).unwrap()
}

fn causes(comparison: &Comparison) -> Vec<String> {
    let mut ids: Vec<String> = comparison.differences.iter().map(|d| d.cause.id().to_owned()).collect();
    ids.dedup();
    ids
}

/// One row of the grid: the stamp changed, any other byte changed, cut short.
fn grid(name: &str, whole: &[u8], stamped: &[u8], cause: &str, other: &[u8]) {
    assert_eq!(compare(name, whole, whole).verdict, Answer::Identical, "{name}");
    let only = compare(name, whole, stamped);
    assert_eq!(
        (only.verdict, causes(&only)),
        (Answer::Equivalent, vec![cause.to_owned()]),
        "{name}: {only:#?}"
    );
    let changed = compare(name, whole, other);
    assert_eq!(changed.verdict, Answer::Different, "{name}: {changed:#?}");
    for cut in 0..whole.len() {
        let cut = compare(name, whole, &whole[..cut]);
        assert!(matches!(cut.verdict, Answer::Different | Answer::Undetermined), "{name}: {cut:#?}");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.to_vec();
        bytes[at] ^= 0x55;
        assert_ne!(compare(name, whole, &bytes).verdict, Answer::Identical, "{name} at {at}");
    }
}

fn png(time: &[u8; 7], pixel: u8) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], body: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(body);
        out.extend((body.len() as u32).to_be_bytes());
        out.extend(kind);
        out.extend(body);
        out.extend(crc.sum().to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    chunk(b"tIME", time);
    chunk(b"IDAT", &[pixel]);
    chunk(b"IEND", &[]);
    out
}

#[test]
fn png_times_are_stamps() {
    let time = [7, 0xe8, 1, 2, 3, 4, 5];
    grid("x.png", &png(&time, 1), &png(&[7, 0xe9, 1, 2, 3, 4, 5], 1), "png-time", &png(&time, 2));
}

#[test]
fn a_png_with_a_wrong_checksum_is_malformed_whatever_differs() {
    let (good, mut bad) = (png(&[7, 0xe8, 1, 2, 3, 4, 5], 1), png(&[7, 0xe9, 1, 2, 3, 4, 5], 1));
    let tail = bad.len() - 20;
    bad[tail] ^= 1;
    assert_ne!(compare("x.png", &good, &bad).verdict, Answer::Equivalent);
}

pub(crate) fn pyc(time: u32, size: u32, code: &[u8]) -> Vec<u8> {
    let mut out = 3495u16.to_le_bytes().to_vec();
    out.extend(b"\r\n\0\0\0\0");
    out.extend(time.to_le_bytes());
    out.extend(size.to_le_bytes());
    out.extend(code);
    out
}

#[test]
fn byte_code_times_are_stamps_and_sizes_are_not() {
    let code = [b'z', 2, b'h', b'i'];
    grid("x.pyc", &pyc(1, 9, &code), &pyc(2, 9, &code), "pyc-mtime", &pyc(1, 8, &code));
    let flagged = [b'z' | 0x80, 2, b'h', b'i'];
    grid("x.pyc", &pyc(1, 9, &code), &pyc(1, 9, &flagged), "pyc-refs", &pyc(1, 9, &[b'z', 2, b'h', b'o']));
}

fn mo(date: &str, text: &str) -> Vec<u8> {
    let header = format!("Project-Id-Version: x\nPOT-Creation-Date: {date}\nMIME-Version: 1.0\n");
    let strings: [&str; 4] = ["", "hello", &header, text];
    let mut out = Vec::new();
    for word in [0x9504_12deu32, 0, 2, 28, 44, 0, 60] {
        out.extend(word.to_le_bytes());
    }
    let mut at = 60;
    for s in strings {
        out.extend((s.len() as u32).to_le_bytes());
        out.extend((at as u32).to_le_bytes());
        at += s.len() + 1;
    }
    for s in strings {
        out.extend(s.as_bytes());
        out.push(0);
    }
    out
}

#[test]
fn catalogue_dates_are_stamps() {
    let (a, b) = ("2024-01-02 03:04+0000", "2025-01-02 03:04+0000");
    grid("x.mo", &mo(a, "hallo"), &mo(b, "hallo"), "gettext-date", &mo(a, "hullo"));
}

/// A little PE32+ with one code section.
pub(crate) fn pe(time: u32, code: &[u8; 64]) -> Vec<u8> {
    let mut out = vec![0; 64];
    out[..2].copy_from_slice(b"MZ");
    out[60..64].copy_from_slice(&64u32.to_le_bytes());
    out.extend(b"PE\0\0");
    out.extend(0x8664u16.to_le_bytes());
    out.extend(1u16.to_le_bytes());
    out.extend(time.to_le_bytes());
    out.extend([0; 8]);
    out.extend(240u16.to_le_bytes());
    out.extend([0; 2]);
    let mut optional = vec![0; 240];
    optional[..2].copy_from_slice(&0x20bu16.to_le_bytes());
    optional[108..112].copy_from_slice(&16u32.to_le_bytes());
    out.extend(optional);
    let mut section = b".text\0\0\0".to_vec();
    for word in [64u32, 0x1000, 64, 512] {
        section.extend(word.to_le_bytes());
    }
    section.extend([0; 12]);
    section.extend(0x6000_0020u32.to_le_bytes());
    out.extend(section);
    out.resize(512, 0);
    out.extend(code);
    out
}

#[test]
fn pe_times_are_stamps_and_code_is_named() {
    let (code, mut other) = ([0x90; 64], [0x90; 64]);
    other[7] = 0xcc;
    grid("x.exe", &pe(1, &code), &pe(2, &code), "pe-timestamp", &pe(1, &other));
    let changed = compare("x.exe", &pe(1, &code), &pe(2, &other));
    assert!(
        changed.differences.iter().any(|d| d.field.as_deref() == Some(".text") && d.bytes == Some(1)),
        "{changed:#?}"
    );
}

#[test]
fn a_certificate_table_may_not_cover_code() {
    let code = [0x90; 64];
    let mut hiding = pe(1, &code);
    let at = 64 + 4 + 20 + 112 + 4 * 8;
    hiding[at..at + 4].copy_from_slice(&512u32.to_le_bytes());
    hiding[at + 4..at + 8].copy_from_slice(&64u32.to_le_bytes());
    let mut evil = hiding.clone();
    evil[520] = 0xcc;
    assert!(!matches!(compare("x.exe", &hiding, &evil).verdict, Answer::Equivalent | Answer::Identical));
}

/// A little 64-bit Mach-O with a UUID and one section.
fn macho(uuid: u8, code: &[u8; 64]) -> Vec<u8> {
    let mut out = vec![0xcf, 0xfa, 0xed, 0xfe];
    for word in [0x0100_0007u32, 3, 2, 2, 24 + 152, 0, 0, 0x1b, 24] {
        out.extend(word.to_le_bytes());
    }
    out.extend([uuid; 16]);
    for word in [0x19u32, 152] {
        out.extend(word.to_le_bytes());
    }
    out.extend(b"__TEXT\0\0\0\0\0\0\0\0\0\0");
    for word in [0u64, 4096, 0, 272] {
        out.extend(word.to_le_bytes());
    }
    for word in [7u32, 5, 1, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(b"__text\0\0\0\0\0\0\0\0\0\0__TEXT\0\0\0\0\0\0\0\0\0\0");
    for word in [0u64, 64] {
        out.extend(word.to_le_bytes());
    }
    for word in [208u32, 0, 0, 0, 0, 0, 0, 0] {
        out.extend(word.to_le_bytes());
    }
    assert_eq!(out.len(), 208);
    out.extend(code);
    out
}

#[test]
fn mach_o_uuids_are_stamps_and_code_is_named() {
    let (code, mut other) = ([0x90; 64], [0x90; 64]);
    other[7] = 0xcc;
    grid("x", &macho(1, &code), &macho(2, &code), "macho-uuid", &macho(1, &other));
    let changed = compare("x", &macho(1, &code), &macho(2, &other));
    assert!(changed.differences.iter().any(|d| d.field.as_deref() == Some("__TEXT,__text")), "{changed:#?}");
}

#[test]
fn look_alikes_are_compared_as_data() {
    for (name, a, b) in [
        ("x.png", &b"\x89PNG\r\n\x1a\nnot a chunk"[..], &b"\x89PNG\r\n\x1a\nnot a chun!"[..]),
        ("x.txt", b"\xa7\r\r\n\0\0\0\0\x01\0\0\0\0\0\0\0N", b"\xa7\r\r\n\0\0\0\0\x02\0\0\0\0\0\0\0N"),
        ("x.class", &[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52, 1], &[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52, 2]),
        ("x.exe", b"MZ plain text", b"MZ plain test"),
    ] {
        assert_eq!(compare(name, a, b).verdict, Answer::Different, "{name}");
    }
}
