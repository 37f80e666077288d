//! `reprove man`.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::args::Args;
use crate::exit::Exit;
use crate::render::{self, Failure};

/// Write the manual page to standard output, or one page for each verb into a folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Folder for `reprove.1`, `reprove-store.1` and so on; it is made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Why the pages could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot write manual pages to `{}`", path.display())]
#[diagnostic(code(cli::man), help("name a folder that can be written with `--out DIR`"))]
struct ManError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Man {
    pub(crate) fn run(&self, _args: &Args) -> Result<Exit, Failure> {
        let command = Args::command();
        let Some(dir) = &self.out else {
            let mut page = Vec::new();
            // Writing to memory does not fail.
            let _ = clap_mangen::Man::new(command).render(&mut page);
            return render::answer(&String::from_utf8_lossy(&page), Exit::Pass);
        };
        std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(command, dir))
            .map_err(|source| Failure::new(ManError { path: dir.clone(), source }, Exit::CouldNotLook))?;
        Ok(Exit::Pass)
    }
}
