//! Why a component's definition could not be taken.

use std::path::PathBuf;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};

/// Why a component's definition could not be taken.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ComponentError {
    /// There is no such definition.
    #[error("no component `{name}` in `{}`", folder.display())]
    #[diagnostic(
        code(component::unknown),
        help("known here: {}", if known.is_empty() { "none; give the folder that holds `policies/` as `--root`".to_owned() } else { known.join(", ") })
    )]
    Unknown {
        /// As asked for.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// What there is.
        known: Vec<String>,
    },
    /// The component has no such release.
    #[error("component `{component}` has no release `{asked}`")]
    #[diagnostic(code(component::unknown_release), help("defined: {}", known.join(", ")))]
    UnknownRelease {
        /// The component.
        component: String,
        /// Version or package URL asked for.
        asked: String,
        /// Versions there are.
        known: Vec<String>,
    },
    /// Several releases of that version.
    #[error("component `{component}` has several releases `{asked}`")]
    #[diagnostic(code(component::ambiguous_release), help("name one by its package URL: {}", purls.join(", ")))]
    AmbiguousRelease {
        /// The component.
        component: String,
        /// Version asked for.
        asked: String,
        /// Their package URLs.
        purls: Vec<String>,
    },
    /// A key or value is not what the schema says.
    #[error("{file}:{line}:{column}: {detail}")]
    #[diagnostic(code(component::definition), help("{remedy}"))]
    Definition {
        /// The file as named to the user.
        file: String,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What was found and what was expected.
        detail: String,
        /// What to write instead.
        remedy: String,
        /// The whole file.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// Where.
        #[label("here")]
        at: SourceSpan,
    },
    /// The file is larger than a definition can be.
    #[error("`{}` has more than {bytes_max} bytes", path.display())]
    #[diagnostic(
        code(component::too_large),
        help("a definition has a few hundred bytes; check that this is one")
    )]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The bound.
        bytes_max: u64,
    },
    /// The file could not be read.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(
        code(component::read),
        help("check that the path exists and may be read; `--root` names the folder that holds `policies/`")
    )]
    Read {
        /// Which path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}
