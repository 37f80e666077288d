//! Policies and lists of trusted builders: mistakes of people, not attacks, but they too must not crash.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprove::verify::builders::Builders;
use reprove::verify::policy::{Pattern, Policy};

fuzz_target!(|text: &str| {
    if let Ok(policy) = Policy::from_toml("fuzz.toml", text) {
        assert!(policy.vouchers_min > 0);
    }
    let _ = Builders::from_toml("fuzz.toml", text);
    if let Ok(pattern) = Pattern::new(text) {
        let _ = pattern.matches(text);
    }
});
