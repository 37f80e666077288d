//! Why an artifact could not be observed.

use miette::Diagnostic;

/// Why an artifact could not be observed.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ObserveError {
    /// The file could not be read.
    #[error("cannot read the artifact")]
    #[diagnostic(code(observe::read), help("check that the file exists and may be read"))]
    Read(#[source] std::io::Error),
    /// The executable's headers contradict themselves.
    #[error("the executable's headers are malformed: {what}")]
    #[diagnostic(
        code(observe::headers),
        help("treat the file as damaged or hostile; compare its digest with the published one")
    )]
    Headers {
        /// What is wrong.
        what: String,
    },
    /// The file ends before the headers say.
    #[error("the file ends before offset {offset_bytes} and what should stand there")]
    #[diagnostic(
        code(observe::truncated),
        help("fetch the file again and compare its digest with the published one")
    )]
    Truncated {
        /// Where, in bytes.
        offset_bytes: u64,
    },
    /// The build information's header cannot be one of Go's.
    #[error("the Go build information has {what}")]
    #[diagnostic(code(observe::go_header), help("treat what the binary says of itself as unknown"))]
    GoHeader {
        /// What is wrong.
        what: String,
    },
    /// The module text breaks its own rules.
    #[error("line {line} of the Go module text: expected {what}, found `{}`", found.escape_debug())]
    #[diagnostic(code(observe::go_module_text), help("treat what the binary says of itself as unknown"))]
    GoModuleText {
        /// Line, from 1.
        line: usize,
        /// What should stand there.
        what: String,
        /// What stands there, cut to 200 characters.
        found: String,
    },
    /// The wheel breaks the format's rules.
    #[error("malformed wheel: {what}")]
    #[diagnostic(
        code(observe::wheel),
        help("treat the file as damaged or hostile; compare its digest with the index's")
    )]
    Wheel {
        /// What is wrong.
        what: String,
    },
    /// A bound was reached.
    #[error("the artifact passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(observe::limit),
        help("raise the limit if that size is expected; otherwise treat the file as hostile")
    )]
    Limit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
}
