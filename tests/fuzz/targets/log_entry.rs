//! Saved log entries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprove::limits::verify::VerifyLimits;
use reprove::verify::LogEntry;

fuzz_target!(|bytes: &[u8]| {
    let _ = LogEntry::read(bytes, "fuzz", &VerifyLimits::DEFAULT);
});
