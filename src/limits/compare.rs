//! Bounds on comparing two artifacts: one budget for a whole comparison, whatever its nesting.

/// Bounds for one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompareLimits {
    /// Decoded bytes over both sides and all layers. Default 16 GiB: twice
    /// [`super::archive::ArchiveLimits::expanded_bytes_max`], once for each side.
    pub expanded_bytes_max: u64,
    /// Decoded bytes for each byte of a compressed stream, once [`Self::ratio_floor_bytes`] have come
    /// out. Default 200: deflate ends at 1032 (RFC 1951), and the best packed data archive measured
    /// in Debian bookworm stays below 40.
    pub ratio_max: u64,
    /// Decoded bytes of a stream below which its ratio is not looked at. Default 24 MiB: one xz block
    /// as `xz -T` cuts them (three times its 8 MiB dictionary).
    pub ratio_floor_bytes: u64,
    /// Decoded bytes over both sides and all layers below which their ratio to the files' own bytes is not
    /// looked at. Default 256 MiB: some two seconds of work.
    pub layers_floor_bytes: u64,
    /// Members over both sides and all layers. Default 1,000,000, as
    /// [`super::archive::ArchiveLimits::members_max`].
    pub members_max: u64,
    /// Layers of containers in each other. Default 48; diffoscope stops at 50.
    pub depth_max: u32,
    /// Memory that a decoder may take for its window. Default 128 MiB: `xz -9` needs 65 MiB, and
    /// zstd's own default limit is a window of 128 MiB (RFC 8878, section 3.1.1.1.2).
    pub decoder_memory_bytes_max: u64,
    /// Bytes of a member that are held in memory; more goes to an unlinked temporary file. Default
    /// 16 MiB: two of them and two decoders stay within 64 MiB.
    pub held_bytes_max: u64,
    /// Bytes in temporary files at one time. Default 4 GiB: two sides of the largest single member
    /// that was measured (1.1 GB, debug symbols of a browser), and room.
    pub scratch_bytes_max: u64,
    /// Seconds until the caller's deadline. Default 3600. The engine reads no clock: who calls gives a
    /// deadline, and this is the number that the command line uses for it.
    pub seconds_max: u64,
    /// Lines, and thousands of bytes, that explaining differences may look at. Default 4,000,000:
    /// diffoscope's `max_diff_input_lines` is 2^22.
    pub diff_work_max: u64,
    /// Bytes of hunks in one difference. Default 16 KiB: some 200 lines, more than anybody reads.
    pub hunk_bytes_max: usize,
    /// Bytes of hunks in the whole result. Default 1 MiB, so that a report stays under 2 MB.
    pub report_bytes_max: u64,
    /// Bytes of a text, JSON, PNG or similar document that is parsed whole. Default 16 MiB, as
    /// [`Self::held_bytes_max`].
    pub document_bytes_max: u64,
    /// Differences of one cause that are listed one by one. Default 2,000, so that a report stays
    /// under 2 MB.
    pub differences_max: usize,
}

impl CompareLimits {
    /// No depth above this is taken from a caller: each layer costs stack, and a thread has 2 MiB.
    pub const DEPTH_CEILING: u32 = 64;

    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        expanded_bytes_max: 16 << 30,
        ratio_max: 200,
        ratio_floor_bytes: 24 << 20,
        layers_floor_bytes: 256 << 20,
        members_max: 1_000_000,
        depth_max: 48,
        decoder_memory_bytes_max: 128 << 20,
        held_bytes_max: 16 << 20,
        scratch_bytes_max: 4 << 30,
        seconds_max: 3600,
        diff_work_max: 4_000_000,
        hunk_bytes_max: 16 << 10,
        report_bytes_max: 1 << 20,
        document_bytes_max: 16 << 20,
        differences_max: 2_000,
    };
}
