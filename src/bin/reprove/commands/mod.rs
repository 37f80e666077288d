//! One file for each verb.

pub(crate) mod completions;

use crate::args::{Args, Command};
use crate::exit::Exit;
use crate::render::Failure;

/// Runs the chosen verb.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Completions(command) => command.run(args),
    }
}
