//! Bounds on what a rendered report shows. They bound pages for people; JSON carries the whole model.

/// Bounds for the text, Markdown and HTML renderers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportLimits {
    /// Characters of one untrusted string. Default 2,000: a changelog entry replayed as an
    /// observation measured 400, the longest control field of Debian bookworm's prometheus
    /// (`Built-Using`) 4,300, of which a reader needs the first part.
    pub value_chars_max: usize,
    /// Differences shown for one artifact. Default 500: more than anyone reads, and the JSON has all.
    pub differences_max: usize,
    /// Build inputs listed. Default 5,000: the largest measured environment has 505 packages.
    pub inputs_max: usize,
    /// Lines of a failed build's log. Default 60: two screens.
    pub log_lines_max: usize,
    /// Bytes of a report that is read back. Default 64 MiB: 1,000 releases with 505 inputs each, at
    /// 130 bytes an input.
    pub file_bytes_max: u64,
}

impl ReportLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        value_chars_max: 2_000,
        differences_max: 500,
        inputs_max: 5_000,
        log_lines_max: 60,
        file_bytes_max: 64 << 20,
    };
}
