//! Why a report could not be read.

use miette::Diagnostic;

/// Why a report could not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ReportError {
    /// Not a report, or one with keys or values that this version does not know.
    #[error("not a report of schema `{}`", super::SCHEMA_ID)]
    #[diagnostic(
        code(report::syntax),
        help("write the report again with this version, or read it with the version that wrote it")
    )]
    Syntax {
        /// Where and what.
        #[source]
        source: serde_json::Error,
    },
    /// Another schema.
    #[error("expected schema `{}`, found `{}`", super::SCHEMA_ID, found.escape_debug())]
    #[diagnostic(code(report::schema), help("read it with the version of the tool that wrote it"))]
    Schema {
        /// As found, shortened.
        found: String,
    },
    /// The judgement does not follow from the evidence.
    #[error("`{subject}` claims `{claimed}`, but its own evidence says `{derived}`")]
    #[diagnostic(code(report::judgement), help("treat the report as forged or damaged, and audit again"))]
    Judgement {
        /// Which release.
        subject: String,
        /// As written.
        claimed: String,
        /// As derived here.
        derived: String,
    },
    /// Too large.
    #[error("the report has more than {bytes_max} bytes")]
    #[diagnostic(
        code(report::limit),
        help(
            "raise `limits.file_bytes_max` if a report of that size is expected; otherwise treat it as hostile"
        )
    )]
    Limit {
        /// The bound.
        bytes_max: u64,
    },
}
