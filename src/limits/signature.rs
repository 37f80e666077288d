//! Bounds on signatures, keys and the texts that carry them.

/// Bounds for one signature file, one keyring or one signed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureLimits {
    /// A clear-signed text with its signatures, in bytes. Default 16 MiB: Debian bookworm's `InRelease`
    /// has 151 kB.
    pub signed_text_bytes_max: usize,
    /// A file of detached signatures in bytes. Default 1 MiB: an RSA-4096 signature in armour has less
    /// than 1 kB, and the greatest certificates embedded in signatures less than 100 kB.
    pub signature_bytes_max: usize,
    /// Signatures in one file. Default 64: Debian's `InRelease` has 3, and gpgv verifies without a bound.
    pub signatures_max: usize,
    /// A keyring in bytes. Default 256 MiB: `debian-keyring.gpg` 2022.12.24 has 28 MB.
    pub keyring_bytes_max: usize,
    /// Certificates in a keyring. Default 50,000: `debian-keyring.gpg` has 905.
    pub certificates_max: usize,
    /// Certificates that one file of signatures may call for. Default 128: twice the signatures, since a
    /// key may be listed under two certificates.
    pub certificates_per_file_max: usize,
    /// A list of checksums, of allowed signers or a key file in bytes. Default 32 MiB: `SHA256SUMS` of a
    /// distribution's mirror tree stays under 10 MB.
    pub list_bytes_max: usize,
    /// Lines of such a list. Default 200,000, from the same place.
    pub list_lines_max: usize,
    /// Length of one line in bytes. Default 64 KiB: an RSA-16384 SSH certificate fits.
    pub line_bytes_max: usize,
}

impl SignatureLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        signed_text_bytes_max: 16 << 20,
        signature_bytes_max: 1 << 20,
        signatures_max: 64,
        keyring_bytes_max: 256 << 20,
        certificates_max: 50_000,
        certificates_per_file_max: 128,
        list_bytes_max: 32 << 20,
        list_lines_max: 200_000,
        line_bytes_max: 64 << 10,
    };
}
