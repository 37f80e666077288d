//! Bounds of attestation reading. All of it is hostile until a signature says otherwise.

/// Bounds on attestation documents and on what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyLimits {
    /// Length of one attestation document in bytes. Default 64 MiB: GitHub's API refuses attestations
    /// above 16 MiB, and a JSON-lines file may hold several.
    pub document_bytes_max: u64,
    /// Attestations in one document or directory. Default 10 000: the size of the largest release
    /// that one run is measured with.
    pub attestations_max: usize,
    /// Signatures of one envelope. Default 64, as go-tuf and Notary bound a role's signatures.
    pub signatures_max: usize,
    /// Certificates in one chain. Default 10, OpenSSL's long-standing chain depth.
    pub certificates_max: usize,
    /// Transparency log entries of one bundle. Default 32, sigstore-go's bound.
    pub log_entries_max: usize,
    /// RFC 3161 timestamps of one bundle. Default 32, sigstore-go's bound.
    pub timestamps_max: usize,
    /// Hashes of one inclusion proof. Default 64: a tree of 2^64 leaves (RFC 6962, 2.1.1) needs no more.
    pub proof_hashes_max: usize,
    /// Subjects of one statement. Default 100 000; actions/attest stops at 1024, monorepo releases go
    /// beyond it.
    pub subjects_max: usize,
    /// Length of a message that has to be in memory because its signature scheme cannot take a
    /// digest (Ed25519). Default 128 MiB, cosign's attachment bound.
    pub message_bytes_max: u64,
    /// Compiled size of one regular expression of a policy in bytes. Default 1 MiB: ten times what
    /// the longest identity pattern in use needs, and a tenth of the engine's own default.
    pub pattern_bytes_max: usize,
}

impl VerifyLimits {
    /// The documented defaults.
    pub const DEFAULT: Self = Self {
        document_bytes_max: 64 << 20,
        attestations_max: 10_000,
        signatures_max: 64,
        certificates_max: 10,
        log_entries_max: 32,
        timestamps_max: 32,
        proof_hashes_max: 64,
        subjects_max: 100_000,
        message_bytes_max: 128 << 20,
        pattern_bytes_max: 1 << 20,
    };
}
