//! Go build information in handmade executables: both layouts, lies and truncations.

use std::io::Cursor;

use reprove::limits::observe::ObserveLimits;
use reprove::observe::ObserveError;
use reprove::observe::go::{self, GoExecutable, Layout};

const ADDRESS: u64 = 0x40_0000;
const DATA: u64 = 0x1000;

/// A little-endian ELF64 with one writable segment whose bytes are given.
pub(crate) fn elf(data: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(2u16.to_le_bytes());
    file.extend(62u16.to_le_bytes());
    file.extend(1u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend(64u64.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend(0u32.to_le_bytes());
    for half in [64u16, 56, 1, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    file.extend(6u32.to_le_bytes());
    for word in [DATA, ADDRESS, ADDRESS, data.len() as u64, data.len() as u64, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.resize(DATA as usize, 0);
    file.extend(data);
    file
}

pub(crate) fn framed(text: &str) -> Vec<u8> {
    let mut bytes = b"0w\xaf\x0c\x92t\x08\x02A\xe1\xc1\x07\xe6\xd6\x18\xe6".to_vec();
    bytes.extend(text.as_bytes());
    bytes.extend(b"\xf92C1\x86\x18 r\x00\x82B\x10A\x16\xd8\xf2");
    bytes
}

pub(crate) fn inline(version: &[u8], text: &[u8]) -> Vec<u8> {
    let mut data = b"\xff Go buildinf:\x08\x02".to_vec();
    data.resize(32, 0);
    for part in [version, text] {
        let mut len = part.len();
        while len >= 0x80 {
            data.push(len as u8 | 0x80);
            len >>= 7;
        }
        data.push(len as u8);
        data.extend(part);
    }
    data
}

fn pointers(version: &[u8], text: &[u8], big: bool) -> Vec<u8> {
    let word = |value: u64| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut data = b"\xff Go buildinf:\x08".to_vec();
    data.push(u8::from(big));
    let strings = ADDRESS + 32;
    data.extend(word(strings));
    data.extend(word(strings + 16));
    let bytes = strings + 32;
    data.extend(word(bytes));
    data.extend(word(version.len() as u64));
    data.extend(word(bytes + version.len() as u64));
    data.extend(word(text.len() as u64));
    data.extend(version);
    data.extend(text);
    data
}

fn read(file: &[u8]) -> Result<Option<GoExecutable>, ObserveError> {
    go::read(Cursor::new(file), &ObserveLimits::DEFAULT)
}

#[test]
fn both_layouts_and_byte_orders_say_the_same() {
    let text = framed("path\texample.org/x\nmod\texample.org/x\tv1.0.0\t\n");
    let expect = |data: Vec<u8>, layout: Layout| {
        let found = read(&elf(&data)).unwrap().unwrap();
        assert_eq!((found.layout, found.offset_bytes), (layout, DATA));
        assert_eq!(found.build_info.go_version, "go1.17.13");
        assert_eq!(found.build_info.main.unwrap().version, "v1.0.0");
    };
    expect(inline(b"go1.17.13", &text), Layout::Inline);
    expect(pointers(b"go1.17.13", &text, false), Layout::Pointer);
    expect(pointers(b"go1.17.13", &text, true), Layout::Pointer);
}

#[test]
fn a_header_that_is_not_aligned_is_not_one() {
    let mut data = vec![0; 8];
    data.extend(inline(b"go1.20", b""));
    assert!(read(&elf(&data)).unwrap().is_none());
}

#[test]
fn a_header_across_the_edge_of_a_chunk_is_found() {
    for at in [(1usize << 20) - 16, 1 << 20, (1 << 20) + 16] {
        let mut data = vec![0; at];
        data.extend(inline(b"go1.20", b""));
        assert_eq!(read(&elf(&data)).unwrap().unwrap().offset_bytes, DATA + at as u64);
    }
}

#[test]
fn lies_are_errors() {
    let text = framed("path\tx\n");
    let mut wild = pointers(b"go1.17", &text, false);
    wild[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(read(&elf(&wild)), Err(ObserveError::GoHeader { .. })));
    let mut long = pointers(b"go1.17", &text, false);
    long[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(read(&elf(&long)), Err(ObserveError::Limit { limit: "go_version_bytes_max", .. })));
    let mut size = inline(b"go1.20", b"");
    size[15] = 0;
    size[14] = 7;
    assert!(matches!(read(&elf(&size)), Err(ObserveError::GoHeader { .. })));
    let mut endless = b"\xff Go buildinf:\x08\x02".to_vec();
    endless.resize(32, 0);
    endless.extend([0xff; 20]);
    assert!(matches!(read(&elf(&endless)), Err(ObserveError::GoHeader { .. })));
    assert!(read(&elf(&inline(&[0xff, 0xfe], b""))).is_err());
}

#[test]
fn every_truncation_and_every_flipped_byte_gives_an_answer() {
    let whole = elf(&inline(b"go1.23.12", &framed("path\tx\nmod\tx\tv1\t\nbuild\tCGO_ENABLED=0\n")));
    for cut in (0..whole.len()).filter(|cut| *cut < 256 || *cut >= DATA as usize) {
        let _ = read(&whole[..cut]);
    }
    assert!(read(&whole[..whole.len() - 1]).is_err());
    for at in (0..128).chain(DATA as usize..whole.len()) {
        for bit in [1, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            let _ = read(&bytes);
        }
    }
}

#[test]
fn what_is_no_executable_is_nothing() {
    for bytes in [&b""[..], b"\x7f", b"#!/bin/sh\n", b"MZ", &[0xca, 0xfe, 0xba, 0xbe], &[0; 4096]] {
        assert!(matches!(read(bytes), Ok(None) | Err(ObserveError::Headers { .. })));
    }
}
