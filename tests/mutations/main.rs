//! The long run of `tests/it/verify_mutations.rs`: `mutations [COUNT]`, 100,000 unless told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, dead_code, unused_imports)]

#[path = "../it/sigstore_world/mod.rs"]
mod sigstore_world;
#[path = "../it/verify_attestations.rs"]
mod verify_attestations;
#[path = "../it/verify_mutations.rs"]
mod verify_mutations;

use std::process::ExitCode;

fn main() -> ExitCode {
    let count = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse());
    let Ok(count) = count else {
        println!("usage: mutations [COUNT]");
        return ExitCode::from(2);
    };
    let accepted = verify_mutations::accepted_mutations(count);
    println!("{count} mutations, {} accepted", accepted.len());
    for mutation in &accepted {
        println!("{mutation}");
    }
    ExitCode::from(u8::from(!accepted.is_empty()))
}
