//! Trust roots in JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprove::verify::roots;
use reprove::verify::trust::SigstoreRoot;

fuzz_target!(|json: &str| {
    let _ = SigstoreRoot::from_json("fuzz", json);
    let _ = roots::from_json("fuzz", json, jiff::Timestamp::UNIX_EPOCH);
});
