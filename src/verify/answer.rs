//! The answers: one for each attestation (or signature), one for each artifact.

use serde::{Deserialize, Serialize};

use super::{Check, Signer};
use crate::digest::DigestSet;
use crate::verdict::Verdict;

/// What kind of document carries the signature; told by its content, never by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Sigstore bundle, v0.1 to v0.3.
    SigstoreBundle,
    /// Bare DSSE envelope.
    Dsse,
    /// npm's `{"attestations": […]}` document.
    NpmAttestations,
    /// PEP 740 attestation object.
    Pep740,
    /// Attestation layer of a cosign OCI image layout.
    CosignOci,
    /// Provenance as Google Cloud Build's describe command prints it.
    GoogleCloudBuild,
    /// OpenPGP clear-signed text.
    OpenPgpCleartext,
    /// OpenPGP detached signature.
    OpenPgpDetached,
    /// SSH signature.
    Ssh,
    /// minisign signature.
    Minisign,
    /// List of checksums.
    Checksums,
    /// Signed git commit.
    GitCommit,
    /// Signed git tag.
    GitTag,
}

/// What one attestation or signature says about one artifact, and whether it is what was demanded.
#[derive(Debug, Clone, Serialize)]
pub struct AttestationAnswer {
    /// Where it was read: file name, with `#line` or `#index` where a file holds several.
    pub source: String,
    /// What it is.
    pub format: Format,
    /// The verdict over `checks`.
    pub verdict: Verdict,
    /// Whose signatures verified; empty when none did.
    pub signers: Vec<Signer>,
    /// Every check, in the order in which it was made.
    pub checks: Vec<Check>,
    /// The statement as it stands in the document, also where nothing could be verified: look at
    /// `verdict` before believing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<serde_json::Value>,
}

impl AttestationAnswer {
    /// An answer whose verdict is the one over `checks`.
    pub fn new(
        source: String,
        format: Format,
        signers: Vec<Signer>,
        checks: Vec<Check>,
        statement: Option<serde_json::Value>,
    ) -> Self {
        Self { source, format, verdict: Check::verdict_of(&checks), signers, checks, statement }
    }
}

/// The answer for one artifact.
#[derive(Debug, Clone, Serialize)]
pub struct ArtifactAnswer {
    /// The file's name, or the digest where only that was given.
    pub artifact: String,
    /// Digests that were computed, or given in place of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digests: Option<DigestSet>,
    /// The verdict.
    pub verdict: Verdict,
    /// Checks over all attestations, e.g. how many vouchers there are.
    pub checks: Vec<Check>,
    /// One answer for each attestation that speaks about this artifact.
    pub attestations: Vec<AttestationAnswer>,
    /// What this answer does not establish.
    pub not_checked: Vec<&'static str>,
}
