//! Why an archive could not be asked or believed.

use jiff::Timestamp;
use miette::Diagnostic;

use super::deb822::Deb822Error;
use super::mirrors::MirrorError;
use crate::archive::ArchiveError;
use crate::fetch::FetchError;
use crate::store::StoreError;
use crate::verify::openpgp::{OpenPgpError, SignatureOutcome};

/// Why an archive could not be asked or believed.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum DebianError {
    /// No mirror.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Mirror(#[from] MirrorError),
    /// Nothing came.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(Box<FetchError>),
    /// The store failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The signed text or the keyring cannot be read.
    #[error("the signature of `{what}` cannot be checked")]
    #[diagnostic(
        code(debian::signature_unreadable),
        help(
            "fetch it again, or from another mirror with `--mirror URL`; it is damaged or was tampered with"
        )
    )]
    OpenPgp {
        /// Which file.
        what: String,
        /// Why.
        #[source]
        source: OpenPgpError,
    },
    /// No signature vouches for the index.
    #[error("no signature of `{what}` is good: {}", list(signatures))]
    #[diagnostic(
        code(debian::index_not_vouched_for),
        help(
            "ask another mirror with `--mirror URL`; if the archive has new keys, review and replace `policies/trust/debian-archive-keyring.pgp`"
        )
    )]
    NotVouchedFor {
        /// Which file.
        what: String,
        /// What became of each signature.
        signatures: Vec<SignatureOutcome>,
    },
    /// A signature speaks against the index.
    #[error("`{what}` was tampered with: {}", list(signatures))]
    #[diagnostic(
        code(debian::index_refuted),
        help("do not use this mirror; ask another one with `--mirror URL` and tell the operator")
    )]
    Refuted {
        /// Which file.
        what: String,
        /// What became of each signature.
        signatures: Vec<SignatureOutcome>,
    },
    /// Another suite's index, replayed or misplaced.
    #[error("`{what}` is the index of `{found}`, expected that of `{expected}`")]
    #[diagnostic(
        code(debian::wrong_suite),
        help("ask another mirror with `--mirror URL`; this one serves one suite under another's name")
    )]
    WrongSuite {
        /// Which file.
        what: String,
        /// The suite that was asked for.
        expected: String,
        /// What the signed text says.
        found: String,
    },
    /// Too old.
    #[error("`{what}` was valid until {valid_until}, and it is {as_of}")]
    #[diagnostic(
        code(debian::index_expired),
        help(
            "ask another mirror with `--mirror URL`, since this one has stopped following the archive; or set the clock if it is wrong"
        )
    )]
    Expired {
        /// Which file.
        what: String,
        /// The signed end.
        valid_until: Timestamp,
        /// The time of judgment.
        as_of: Timestamp,
    },
    /// From the future.
    #[error("`{what}` is dated {date}, and it is {as_of}")]
    #[diagnostic(
        code(debian::index_from_the_future),
        help(
            "set the clock: it is behind the archive's; whether the index has expired cannot be told with it"
        )
    )]
    FromTheFuture {
        /// Which file.
        what: String,
        /// The signed date.
        date: Timestamp,
        /// The time of judgment.
        as_of: Timestamp,
    },
    /// Breaks its format's rules.
    #[error("`{what}` is malformed")]
    #[diagnostic(
        code(debian::stanza),
        help("fetch it again, or from another mirror with `--mirror URL`; treat it as damaged or hostile")
    )]
    Stanza {
        /// Which file.
        what: String,
        /// Where and why.
        #[source]
        source: Deb822Error,
    },
    /// A value is not of its field's form.
    #[error("`{what}` is malformed: {detail}")]
    #[diagnostic(
        code(debian::field),
        help("fetch it again, or from another mirror with `--mirror URL`; treat it as damaged or hostile")
    )]
    Field {
        /// Which file.
        what: String,
        /// What is wrong.
        detail: String,
    },
    /// The signed index names no such part.
    #[error("`{what}` lists no `{path}` by SHA-256")]
    #[diagnostic(
        code(debian::index_part),
        help(
            "check the release's `suites` and `architecture` in its definition; the suite may not carry them"
        )
    )]
    NoIndexPart {
        /// Which file.
        what: String,
        /// The part, without compression suffix.
        path: String,
    },
    /// An index expands beyond its bound or is damaged.
    #[error("cannot expand `{what}`")]
    #[diagnostic(
        code(debian::index_archive),
        help("ask another mirror with `--mirror URL`; treat the index as damaged or hostile")
    )]
    Archive {
        /// Which file.
        what: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// The indexes do not have it.
    #[error("no source package `{name}` {version} in {}", suites.join(", "))]
    #[diagnostic(
        code(debian::source_not_listed),
        help("{}", match found.as_slice() {
            [] => "check the definition's `source` and `suites`".to_owned(),
            all => format!("the archive has moved on; it now lists {}: define that release", all.join(", ")),
        })
    )]
    SourceNotListed {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// Where it was looked for.
        suites: Vec<String>,
        /// Versions that are there.
        found: Vec<String>,
    },
    /// The `.dsc` and the index disagree.
    #[error("`{dsc}` and the signed index disagree on `{file}`")]
    #[diagnostic(
        code(debian::dsc_disagrees),
        help(
            "write the lock again with `reprove lock`; if they still disagree, the archive is inconsistent: tell its maintainers"
        )
    )]
    DscDisagrees {
        /// The `.dsc`.
        dsc: String,
        /// The file or field on which they do.
        file: String,
    },
    /// Two files of one source bear the same name.
    #[error("the source names `{file}` twice, or names no `.dsc`")]
    #[diagnostic(code(debian::source_files), help("write the lock again with `reprove lock`"))]
    SourceFiles {
        /// The file's name.
        file: String,
    },
}

impl From<FetchError> for DebianError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Store(error) => Self::Store(error),
            error => Self::Fetch(Box::new(error)),
        }
    }
}

fn list(signatures: &[SignatureOutcome]) -> String {
    match signatures {
        [] => "it has none".to_owned(),
        all => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}
