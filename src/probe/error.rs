//! Why probes could not be run at all. What a component does is an answer.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

/// Why probes could not be run at all.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ProbeError {
    /// The folder for the run cannot be used.
    #[error("cannot make the probes' folder in `{}`", path.display())]
    #[diagnostic(code(probe::scratch), help("make room there, or name another folder with `--work DIR`"))]
    Scratch {
        /// Which folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// No certificate could be made for the component and its auxiliary servers.
    #[error("cannot make a certificate for the probes: {detail}")]
    #[diagnostic(
        code(probe::certificate),
        help("run it again; if it recurs, the host's source of random numbers fails")
    )]
    Certificate {
        /// What failed.
        detail: String,
    },
}
