//! Why something could not be looked at. A refusal is not here: it is a [`super::Check`].

use camino::Utf8PathBuf;
use miette::Diagnostic;

/// Could not look.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum VerifyError {
    /// A file could not be read.
    #[error("cannot read `{path}`")]
    #[diagnostic(code(verify::read), help("check that the file exists and may be read"))]
    Read {
        /// Which file.
        path: Utf8PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A document is longer than the limit.
    #[error("`{source_name}` has {found_bytes} bytes, at most {bytes_max} are read")]
    #[diagnostic(
        code(verify::document_limit),
        help(
            "raise `limits.document_bytes_max` if that size is expected; otherwise treat the document as hostile"
        )
    )]
    DocumentLimit {
        /// Where it came from.
        source_name: String,
        /// Its length.
        found_bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// A count in a document is above its limit.
    #[error("`{source_name}` holds {found} {what}, at most {max} are read")]
    #[diagnostic(
        code(verify::count_limit),
        help(
            "raise the limit of that name if so many are expected; otherwise treat the document as hostile"
        )
    )]
    CountLimit {
        /// Where it came from.
        source_name: String,
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// A document is not JSON, or ambiguous JSON.
    #[error("`{source_name}` is not an attestation: {reason}")]
    #[diagnostic(
        code(verify::not_json),
        help("fetch the attestation again and compare its length with the publisher's")
    )]
    NotJson {
        /// Where it came from.
        source_name: String,
        /// What the parser says.
        reason: String,
    },
    /// JSON of an unknown shape.
    #[error("`{source_name}` is of no attestation format known here; its top-level names are {names}")]
    #[diagnostic(
        code(verify::unknown_format),
        help(
            "give a Sigstore bundle, a DSSE envelope, an npm or PyPI attestation document, or Cloud Build provenance"
        )
    )]
    UnknownFormat {
        /// Where it came from.
        source_name: String,
        /// The names that are there.
        names: String,
    },
    /// A document has the outline of a format and not its content.
    #[error("`{source_name}` is a malformed {format}: {reason}")]
    #[diagnostic(
        code(verify::malformed),
        help("fetch the attestation again; if it stays so, tell its publisher")
    )]
    Malformed {
        /// Where it came from.
        source_name: String,
        /// The format.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A trust root or key cannot be used.
    #[error("the trust root `{source_name}` cannot be used: {reason}")]
    #[diagnostic(
        code(verify::trust_root),
        help("give a trusted_root.json as Sigstore publishes it, or a public key in PEM")
    )]
    TrustRoot {
        /// Where it came from.
        source_name: String,
        /// What is wrong.
        reason: String,
    },
}
