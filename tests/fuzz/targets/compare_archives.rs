//! Streams and archives of every format, compared.
#![no_main]

#[path = "../pair.rs"]
mod pair;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.gz", "x.xz", "x.bz2", "x.zst", "x.lz4", "x.tar", "x.tar.gz", "x.zip", "x.cpio", "x.a"];

fuzz_target!(|bytes: &[u8]| pair::check(NAMES, bytes));
