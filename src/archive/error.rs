//! Why an archive could not be read.

use miette::Diagnostic;

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ArchiveError {
    /// The bytes end before the format says they do.
    #[error("`{format}` data ends early: {detail}")]
    #[diagnostic(
        code(archive::truncated),
        help("fetch the file again; if it stays short, its publisher must mend it")
    )]
    Truncated {
        /// The format.
        format: &'static str,
        /// Where.
        detail: String,
    },
    /// The bytes break the format's rules.
    #[error("malformed `{format}` data: {detail}")]
    #[diagnostic(code(archive::malformed), help("treat the file as damaged or hostile"))]
    Malformed {
        /// The format.
        format: &'static str,
        /// What is wrong, at which offset.
        detail: String,
    },
    /// A bound was reached.
    #[error("`{format}` data passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(archive::limit),
        help("raise the limit if that size is expected; otherwise treat the file as hostile")
    )]
    Limit {
        /// The format.
        format: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The bytes could not be read at all.
    #[error("cannot read the `{format}` data")]
    #[diagnostic(code(archive::read), help("check the disk and the file's permissions"))]
    Read {
        /// The format.
        format: &'static str,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}
