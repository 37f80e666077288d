//! Why a Python package index could not be asked or believed.

use miette::Diagnostic;

use crate::archive::ArchiveError;
use crate::digest::Digest;
use crate::fetch::FetchError;
use crate::store::StoreError;

/// Why an index could not be asked or believed, or a distribution not be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum PypiError {
    /// Nothing came.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Fetch(Box<FetchError>),
    /// The store failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The index's address is not one.
    #[error("`{url}` is not the address of a package index: {detail}")]
    #[diagnostic(
        code(pypi::index_address),
        help("give the address of a simple index, as pip takes it, with `--index-url URL`")
    )]
    IndexAddress {
        /// The address, without password.
        url: String,
        /// What is wrong.
        detail: String,
    },
    /// The project's page is not what an index serves.
    #[error("the index's page of `{project}` cannot be read: {detail}")]
    #[diagnostic(
        code(pypi::page),
        help(
            "check that `--index-url` names a simple index (PEP 503 or PEP 691); otherwise ask another one"
        )
    )]
    Page {
        /// Which project.
        project: String,
        /// Expected against found.
        detail: String,
    },
    /// The project or a file of it is not listed.
    #[error("the index lists no {what} of `{project}`")]
    #[diagnostic(
        code(pypi::not_listed),
        help("{}", match found.as_slice() {
            [] => "check the project's name and version, or ask another index with `--index-url URL`".to_owned(),
            all => format!("it lists {}: name one of these", all.join(", ")),
        })
    )]
    NotListed {
        /// Which project.
        project: String,
        /// What was looked for.
        what: String,
        /// What is there instead.
        found: Vec<String>,
    },
    /// The index announces no digest that can be relied on.
    #[error("the index announces no SHA-256 for `{file}`")]
    #[diagnostic(
        code(pypi::no_digest),
        help(
            "ask an index that announces SHA-256 digests with `--index-url URL`; MD5 and SHA-1 are not relied on"
        )
    )]
    NoDigest {
        /// Which file.
        file: String,
    },
    /// The index names other bytes than the lock under the same name.
    #[error("the index announces other bytes for `{file}` than the lock: expected {locked}, found {listed}")]
    #[diagnostic(
        code(pypi::contradicted),
        help(
            "the file was replaced on the index, or the lock was tampered with: look at the lock's history and compare with another index before anything else"
        )
    )]
    Contradicted {
        /// Which file.
        file: String,
        /// As locked.
        locked: Digest,
        /// As listed.
        listed: Digest,
    },
    /// A distribution is not what it should be.
    #[error("`{file}` is refused: {detail}")]
    #[diagnostic(
        code(pypi::distribution),
        help("treat it as damaged or hostile: an installer may put it where it should not be")
    )]
    Distribution {
        /// Which file.
        file: String,
        /// Expected against found.
        detail: String,
    },
    /// A distribution's archive cannot be read.
    #[error("`{file}` cannot be unpacked")]
    #[diagnostic(code(pypi::archive), help("fetch it again; if it comes the same way, treat it as hostile"))]
    Archive {
        /// Which file.
        file: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// A bound was reached.
    #[error("`{what}` goes beyond `limits.pypi.{limit}` of {max}")]
    #[diagnostic(
        code(pypi::limit),
        help("raise that limit if the size is known to be right; otherwise treat the file as hostile")
    )]
    Limit {
        /// In what.
        what: String,
        /// Which bound.
        limit: &'static str,
        /// Its value.
        max: u64,
    },
    /// The host's disk.
    #[error("cannot write `{}`", path.display())]
    #[diagnostic(code(pypi::disk), help("check the free space and the rights of the work folder"))]
    Disk {
        /// Which path.
        path: std::path::PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl From<FetchError> for PypiError {
    fn from(error: FetchError) -> Self {
        Self::Fetch(Box::new(error))
    }
}

impl PypiError {
    pub(crate) fn distribution(file: &str, detail: impl Into<String>) -> Self {
        Self::Distribution { file: file.to_owned(), detail: detail.into() }
    }

    pub(crate) fn disk(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Disk { path, source }
    }
}
