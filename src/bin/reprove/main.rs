//! The `reprove` command line: parse, dispatch, render errors, exit.

mod args;
mod commands;
mod exit;
mod key;
mod progress;
mod render;

use clap::Parser as _;

fn main() -> std::process::ExitCode {
    let args = args::Args::parse();
    match commands::run(&args) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            render::failure(&failure);
            failure.exit().into()
        }
    }
}
