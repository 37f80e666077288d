//! ELF, PE, Mach-O and byte code, compared.
#![no_main]

#[path = "../pair.rs"]
mod pair;

use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["x", "x.o", "x.exe", "x.pyc"];

fuzz_target!(|bytes: &[u8]| pair::check(NAMES, bytes));
