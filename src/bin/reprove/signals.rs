//! SIGINT and SIGTERM: end at once with the shell's exit code.
//!
//! SIGXFSZ is ignored: a file that grows past `ulimit -f` is then an error with a remedy like a full disk.
//!
//! Nothing has to be tidied on the way out. Sandboxed processes die with this one, files being written
//! are unlocked by the kernel and removed at the next start, and downloads cut off are resumed then.

use std::io;

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::exit::Exit;
use crate::render::{self, Failure};

/// Why signals could not be watched.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot watch for signals")]
#[diagnostic(code(cli::signals), help("raise the limits on open files and threads (`ulimit -n -u`)"))]
struct SignalsError(#[source] io::Error);

/// Starts the thread that waits for signals.
pub(crate) fn watch() -> Result<(), Failure> {
    let failed = |e| Failure::new(SignalsError(e), Exit::CouldNotLook);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGXFSZ]).map_err(failed)?;
    let wait = move || {
        if let Some(signal) = signals.forever().find(|signal| *signal != SIGXFSZ) {
            let word = if signal == SIGINT { "interrupted" } else { "terminated" };
            render::line(&format!("{word}: nothing is damaged, the command can be repeated"));
            // What shells report for a program that a signal ended: 130 and 143.
            std::process::exit(128 + signal);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map(drop).map_err(failed)
}
