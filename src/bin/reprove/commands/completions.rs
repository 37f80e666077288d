//! `reprove completions`.

use clap::CommandFactory as _;

use crate::args::Args;
use crate::exit::Exit;
use crate::render::{self, Failure};

/// Write a shell completion script to standard output.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(&self, _args: &Args) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), "reprove", &mut script);
        render::answer(&String::from_utf8_lossy(&script), Exit::Pass)
    }
}
