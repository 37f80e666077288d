//! The command line's grammar.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Rebuilds released components from authenticated source and says what was proved.
#[derive(Debug, Parser)]
#[command(name = "reprove", version, max_term_width = 100)]
pub(crate) struct Args {
    /// Folder that holds `policies/` and `attestations/`.
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub(crate) root: PathBuf,

    /// Folder for the store and caches (default: `$XDG_CACHE_HOME/reprove` or `~/.cache/reprove`).
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,

    /// How results are written to standard output.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// No progress, only results and errors.
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Also what the build prints.
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Output formats of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// The same model as JSON.
    Json,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Rebuild released components from authenticated source, compare the bytes and report.
    Audit(Box<crate::commands::audit::Audit>),
    /// Rebuild a release from its lock, and compare nothing.
    Rebuild(crate::commands::rebuild::Rebuild),
    /// Draft a build definition from what a published artifact says of itself.
    Recipe(crate::commands::recipe::Recipe),
    /// Print what a Go executable or a Python wheel says of how it was made.
    Observe(crate::commands::observe::Observe),
    /// Start a component in the sandbox, ask it, and say whether the answers are those expected.
    Probe(Box<crate::commands::probe::Probe>),
    /// Judge a deployment's own configuration files and flags against the security model.
    CheckConfig(crate::commands::check_config::CheckConfig),
    /// Show the findings of external audits, and what was seen of them.
    Findings(Box<crate::commands::findings::Findings>),
    /// Show the controls of the security model, and how audited releases answer them.
    Controls(Box<crate::commands::controls::Controls>),
    /// Resolve a release's build environment from the signed archive and write it as a lock.
    Lock(crate::commands::lock::Lock),
    /// Compare a published artifact with a rebuilt one and explain every difference.
    Compare(Box<crate::commands::compare::Compare>),
    /// Say whether a packed source holds what a tag of its repository holds.
    Drift(Box<crate::commands::drift::Drift>),
    /// Look after the store of downloaded and made files.
    Store(crate::commands::store::Store),
    /// Say who vouches for files, for what, and whether that is what is demanded.
    Verify(Box<crate::commands::verify::Verify>),
    /// Speak the protocol of Sigstore's conformance suite.
    #[command(hide = true)]
    Conformance(crate::commands::conformance::Conformance),
    /// Show what verification trusts, or refresh it.
    Trust(crate::commands::trust::Trust),
    /// Explain a code that an answer or an error message showed.
    Explain(crate::commands::explain::Explain),
    /// Write a shell completion script to standard output.
    Completions(crate::commands::completions::Completions),
    /// Write the manual page to standard output, or one page for each verb into a folder.
    Man(crate::commands::man::Man),
}

impl Command {
    /// Whether the verb promises to open no socket at all; watching for signals takes a pair of them.
    pub(crate) const fn opens_no_socket(&self) -> bool {
        matches!(self, Self::Verify(_) | Self::Conformance(_) | Self::Drift(_))
    }
}
