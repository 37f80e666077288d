//! Progress as data. The library prints nothing: it tells an [`Observer`], and whoever owns a
//! terminal decides what to show.

use std::fmt;

/// A stage of the pipeline, in flow order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Obtaining and authenticating source.
    Source,
    /// Resolving or fetching the build environment.
    Environment,
    /// Unpacking the root file system.
    RootFileSystem,
    /// Building in the sandbox.
    Rebuild,
    /// Comparing published with rebuilt.
    Comparison,
    /// Asking a started component.
    Probe,
    /// Checking signatures and attestations.
    Verification,
    /// Writing the report and statements.
    Report,
    /// Looking after the store.
    Store,
}

impl Stage {
    /// One word for a progress line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Environment => "environment",
            Self::RootFileSystem => "root file system",
            Self::Rebuild => "rebuild",
            Self::Comparison => "comparison",
            Self::Probe => "probe",
            Self::Verification => "verification",
            Self::Report => "report",
            Self::Store => "store",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a count of a progress event counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things: files, packages, members.
    Items,
}

/// Something that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A stage begins.
    Started {
        /// Which stage.
        stage: Stage,
        /// On what, in a few words.
        what: &'a str,
    },
    /// A stage moved on; `done` never shrinks within a stage.
    Progress {
        /// Which stage.
        stage: Stage,
        /// Finished so far.
        done: u64,
        /// All there is, where known.
        total: Option<u64>,
        /// What is counted.
        unit: Unit,
    },
    /// A stage ended.
    Finished {
        /// Which stage.
        stage: Stage,
        /// With what, in a few words.
        what: &'a str,
    },
    /// A line that the build printed; not terminated, bytes that are not UTF-8 replaced.
    BuildLine {
        /// The line.
        line: &'a str,
    },
    /// Something worth telling that is not a failure.
    Note {
        /// Which stage.
        stage: Stage,
        /// One sentence.
        text: &'a str,
    },
}

/// Receives events, possibly from several threads at once.
pub trait Observer: Sync {
    /// Takes one event. Must not block for long: work waits for it.
    fn event(&self, event: &Event<'_>);
}

/// Ignores every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event<'_>) {}
}
