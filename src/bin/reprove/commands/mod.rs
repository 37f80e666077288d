//! One file for each verb.

pub(crate) mod audit;
pub(crate) mod check_config;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod conformance;
pub(crate) mod controls;
pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod findings;
pub(crate) mod lock;
pub(crate) mod man;
pub(crate) mod observe;
pub(crate) mod probe;
pub(crate) mod rebuild;
pub(crate) mod recipe;
mod releases;
pub(crate) mod store;
pub(crate) mod trust;
pub(crate) mod verify;

use crate::args::{Args, Command};
use crate::exit::Exit;
use crate::render::Failure;

/// Runs the chosen verb.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.command {
        Command::Audit(command) => command.run(args),
        Command::Rebuild(command) => command.run(args),
        Command::Recipe(command) => command.run(args),
        Command::Observe(command) => command.run(args),
        Command::Probe(command) => command.run(args),
        Command::CheckConfig(command) => command.run(args),
        Command::Findings(command) => command.run(args),
        Command::Controls(command) => command.run(args),
        Command::Lock(command) => command.run(args),
        Command::Compare(command) => command.run(args),
        Command::Drift(command) => command.run(args),
        Command::Store(command) => command.run(args),
        Command::Verify(command) => command.run(args),
        Command::Conformance(command) => command.run(args),
        Command::Trust(command) => command.run(args),
        Command::Explain(command) => command.run(args),
        Command::Completions(command) => command.run(args),
        Command::Man(command) => command.run(args),
    }
}
