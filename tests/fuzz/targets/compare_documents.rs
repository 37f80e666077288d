//! Documents, lists, file system images and bundles, compared.
#![no_main]

#[path = "../pair.rs"]
mod pair;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.png", "x.mo", "x.po", "x.pdf", "x.json", "x.txt", "control", "SHA256SUMS", "MANIFEST.MF", ".PKGINFO", "x.bundle", "x.squashfs", "x.iso", "x.img"];

fuzz_target!(|bytes: &[u8]| pair::check(NAMES, bytes));
