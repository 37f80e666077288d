//! Packages and images of every format, compared.
#![no_main]

#[path = "../pair.rs"]
mod pair;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x.deb", "x.rpm", "x.apk", "x.gem", "x.whl", "x.jar", "i.tar"];

fuzz_target!(|bytes: &[u8]| pair::check(NAMES, bytes));
