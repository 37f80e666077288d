//! The `reprove` command line: parse, dispatch, render errors, exit.

mod args;
mod beside;
mod commands;
mod debian;
mod exit;
mod explain;
mod failures;
mod git;
mod go;
mod host;
mod inputs;
mod key;
mod locks;
mod progress;
mod pypi;
mod register;
mod render;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(e) => return render::usage(&e).into(),
    };
    let watching = if args.command.opens_no_socket() { Ok(()) } else { signals::watch() };
    let outcome = watching.and_then(|()| commands::run(&args));
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            render::failure(&failure);
            failure.exit().into()
        }
    }
}
