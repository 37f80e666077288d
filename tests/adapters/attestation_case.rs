//! Runs one case folder of an attestation corpus: exit 0 accept, 1 refuse, 77 not supported.
//!
//! It translates `case.json` into the library's public policy and asks the library. Nothing here
//! decides a verdict.
#![allow(clippy::print_stderr)]

#[path = "attestation_case/case.rs"]
mod case;

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: attestation_case CASE_FOLDER");
        return ExitCode::from(2);
    };
    match case::run(folder.as_ref()) {
        Ok(outcome) => {
            eprintln!("{}", outcome.reason);
            ExitCode::from(if outcome.accepted { 0 } else { 1 })
        }
        Err(case::Trouble::Unsupported(what)) => {
            eprintln!("not supported: {what}");
            ExitCode::from(77)
        }
        Err(case::Trouble::Refused(why)) => {
            eprintln!("{why}");
            ExitCode::from(1)
        }
    }
}
