//! Bounds on what servers may do.

use std::time::Duration;

/// Bounds for one fetcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// Downloads at a time. Default 8: a mirror saturates a 100 Mbit/s line with fewer, and RFC 9112
    /// section 9.4 asks clients to be conservative.
    pub streams_max: usize,
    /// Time for a connection to stand. Default 20 s: six SYN retransmissions of Linux would take two
    /// minutes, four take 15 s.
    pub connect_timeout: Duration,
    /// Time without a byte, before the answer or inside it. Default 30 s: what apt gives a mirror
    /// (`Acquire::http::Timeout`).
    pub stall_timeout: Duration,
    /// Bytes that must arrive in each `stall_timeout`, so that one byte now and then is a stall too.
    /// Default 64 KiB: 2 KiB/s in 30 s, which a modem of 1990
    /// (V.32bis) nearly reaches.
    pub window_bytes_min: u64,
    /// Redirects followed. Default 5: RFC 1945 section 9.3 set it, mirrors' redirectors need two.
    pub redirects_max: usize,
    /// Tries after the first one for a failure that may pass. Default 4.
    pub retries_max: u32,
    /// Pause before the first of these; doubled for each next. Default 250 ms.
    pub retry_pause: Duration,
    /// Longest pause, also where the server asks for a longer one. Default 8 s.
    pub retry_pause_max: Duration,
    /// Length of a URL. Default 8192: RFC 9110 section 4.1 recommends support for 8000.
    pub url_bytes_max: usize,
}

impl FetchLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        streams_max: 8,
        connect_timeout: Duration::from_secs(20),
        stall_timeout: Duration::from_secs(30),
        window_bytes_min: 64 << 10,
        redirects_max: 5,
        retries_max: 4,
        retry_pause: Duration::from_millis(250),
        retry_pause_max: Duration::from_secs(8),
        url_bytes_max: 8192,
    };
}
