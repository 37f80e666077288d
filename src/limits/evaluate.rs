//! Bounds on registers of findings, on what their checks read, and on the history.

/// A definition in bytes: ten times what the largest of ours has.
pub const DEFINITION_BYTES_MAX: u64 = 4 << 20;

/// Files in one folder of definitions; three audits are known for Prometheus.
pub const DEFINITIONS_MAX: usize = 1000;

/// A line of a register in bytes: a title, a name, a path. The longest title of ours has 70.
pub const LINE_BYTES_MAX: usize = 500;

/// A text of a register in bytes. The longest of ours has some 700.
pub const PROSE_BYTES_MAX: usize = 8 << 10;

/// Findings of one audit, and checks of one finding. The largest of ours have eleven and ten.
pub const ITEMS_MAX: usize = 2000;

/// Pages of a report: forty times the longest of ours.
pub const PAGES_MAX: u32 = 800;

/// A compiled pattern in bytes: a tenth of the default of the `regex` crate, enough for every pattern
/// of ours with room for a hundred like it.
pub const PATTERN_BYTES_MAX: usize = 1 << 20;

/// An acceptance runs for a year at most: what nobody looks at for longer was forgotten, not accepted.
pub const ACCEPTANCE_DAYS_MAX: i64 = 366;

/// What a source check may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLimits {
    /// Bytes of one file that a check reads. Prometheus' largest Go file, generated, has 2 MiB.
    pub file_bytes_max: u64,
    /// Bytes of all files kept in memory for one release's checks.
    pub kept_bytes_max: u64,
    /// Members of an archive, or files of a folder in a repository. Debian's prometheus has 1,500.
    pub members_max: u64,
    /// Commits that are looked at for an equivalent patch. Prometheus has some 17,000.
    pub commits_max: usize,
}

impl SourceLimits {
    /// What the command line uses.
    pub const DEFAULT: Self = Self {
        file_bytes_max: 16 << 20,
        kept_bytes_max: 256 << 20,
        members_max: 500_000,
        commits_max: 50_000,
    };
}

/// Characters of found text that an answer quotes: a line of code with its context.
pub const QUOTED_CHARS_MAX: usize = 240;

/// Bytes of one stored answer: an excerpt of a reply and of a log, each bounded already.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Looks that are read back from the history for one component. One look a day for 27 years.
pub const LOOKS_MAX: usize = 10_000;
