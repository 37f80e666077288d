//! What is demanded of an attestation.
//!
//! A demand that is not made is not checked, and an empty policy never passes: signing by *somebody*
//! establishes nothing about the artifact. Who wants just that says so with [`SignerDemand::Anybody`].

mod error;
mod file;
mod pattern;

use std::collections::BTreeMap;

pub use error::PolicyError;
pub(crate) use error::toml_text;
pub use pattern::Pattern;

/// Who has to have signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignerDemand {
    /// Nothing is said; some other demand has to be made.
    #[default]
    Unsaid,
    /// One of the keys that the caller gave.
    GivenKey,
    /// Anybody whom a trust root vouches for. A pass then says only that the signature is sound.
    Anybody,
}

/// Whether a transparency log has to have recorded the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogDemand {
    /// Wherever the trust root has logs; signatures by a given key may do without.
    #[default]
    WhereTheRootHasLogs,
    /// Always.
    Always,
}

/// Evidence that has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EvidenceDemand {
    /// Transparency log entry.
    pub log: LogDemand,
    /// Inclusion proof with checkpoint: a signed entry timestamp alone does not do.
    pub inclusion_proof: bool,
    /// RFC 3161 timestamp.
    pub timestamp: bool,
    /// A bundle of version 0.2 or later, as `gh attestation verify` demands. Nobody signs the version:
    /// [`EvidenceDemand::inclusion_proof`] asks for what it stands for.
    pub bundle_0_2: bool,
}

/// GitHub's own claims by name, as `gh attestation verify` compares them.
#[derive(Debug, Clone, Default)]
pub struct GitHubDemand {
    /// Owner of the source repository.
    pub owner: Option<String>,
    /// Source repository, `owner/name`.
    pub repository: Option<String>,
    /// Repository whose workflow signed, `owner/name`.
    pub signer_repository: Option<String>,
    /// Workflow that signed, `[host/]owner/name/path`.
    pub signer_workflow: Option<String>,
    /// Tenant of GitHub Enterprise Cloud with data residency.
    pub tenant: Option<String>,
    /// Refuse runners that are not GitHub's.
    pub deny_self_hosted_runners: bool,
}

/// A trusted publisher of PEP 740.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publisher {
    /// GitHub Actions.
    GitHub {
        /// `owner/name`.
        repository: String,
        /// File name of the workflow.
        workflow: String,
    },
    /// GitLab CI.
    GitLab {
        /// `group/project`.
        repository: String,
        /// Path of the top-level configuration.
        workflow_path: String,
    },
    /// Google Cloud.
    Google {
        /// Service account.
        email: String,
    },
}

/// Which builders are trusted when none is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DefaultBuilders {
    /// None: a builder has to be named.
    #[default]
    None,
    /// Those that the list of builders trusts for this kind of artifact.
    Listed,
}

/// Demands on SLSA provenance.
#[derive(Debug, Clone, Default)]
pub struct SlsaDemand {
    /// Source repository, e.g. `github.com/owner/name`; always demanded of provenance.
    pub source_uri: Option<String>,
    /// Branch.
    pub source_branch: Option<String>,
    /// Tag, exactly.
    pub source_tag: Option<String>,
    /// Semantic version, of which the parts given have to match.
    pub source_versioned_tag: Option<String>,
    /// Commit.
    pub source_commit: Option<String>,
    /// Builder, `name[@version]`.
    pub builder_id: Option<String>,
    /// Which builders are trusted when `builder_id` is not given.
    pub default_builders: DefaultBuilders,
    /// Inputs of a manually started workflow.
    pub workflow_inputs: BTreeMap<String, String>,
    /// External parameters, compared as a whole: a parameter that is not listed here is refused.
    pub external_parameters: Option<serde_json::Map<String, serde_json::Value>>,
    /// Package name (npm).
    pub package_name: Option<String>,
    /// Package version (npm).
    pub package_version: Option<String>,
    /// Least SLSA build level.
    pub level_min: Option<u8>,
}

/// Demands on a verification summary.
#[derive(Debug, Clone, Default)]
pub struct SummaryDemand {
    /// Who verified.
    pub verifier_id: String,
    /// What was verified.
    pub resource_uri: String,
    /// Levels, e.g. `SLSA_BUILD_LEVEL_2`; none is no requirement.
    pub verified_levels: Vec<String>,
    /// Digests as `algorithm:value`, of any algorithm; each has to be a subject's.
    pub subject_digests: Vec<String>,
}

/// Everything that is demanded.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Who has to have signed.
    pub signer: SignerDemand,
    /// Subject alternative name of the certificate; one of these.
    pub identities: Vec<Pattern>,
    /// OpenID Connect issuer; one of these.
    pub issuers: Vec<Pattern>,
    /// Certificate claims by the names of [`super::certificate::CLAIMS`].
    pub claims: BTreeMap<String, Pattern>,
    /// GitHub claims.
    pub github: Option<GitHubDemand>,
    /// Trusted publisher.
    pub publisher: Option<Publisher>,
    /// SLSA provenance.
    pub slsa: Option<SlsaDemand>,
    /// Verification summary.
    pub summary: Option<SummaryDemand>,
    /// Predicate types of which the statement's has to be one.
    pub predicate_types: Vec<String>,
    /// Evidence.
    pub evidence: EvidenceDemand,
    /// How many different signers have to vouch for an artifact, at least 1.
    pub vouchers_min: usize,
    /// Whether every attestation that is given has to pass, not only as many as are needed.
    pub every_attestation: bool,
    /// Digest algorithm by which a subject has to be matched, where the caller insists.
    pub digest_algorithm: Option<crate::digest::Algorithm>,
}

impl Policy {
    /// A policy that demands nothing yet.
    pub fn new() -> Self {
        Self { vouchers_min: 1, ..Self::default() }
    }

    /// Reads a policy file, `policies/verify/*.toml`.
    ///
    /// # Errors
    /// With file and line: names that do not exist, values of the wrong kind, demands that contradict
    /// each other.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, PolicyError> {
        file::read(file, text)
    }

    /// Whether anything is demanded of the signer or of what is signed.
    pub fn demands_anything(&self) -> bool {
        self.signer != SignerDemand::Unsaid
            || !self.identities.is_empty()
            || !self.claims.is_empty()
            || self.github.is_some()
            || self.publisher.is_some()
            || self.slsa.is_some()
            || self.summary.is_some()
    }

    /// Refuses demands that contradict each other or name claims that do not exist.
    ///
    /// # Errors
    /// [`PolicyError::Contradiction`], [`PolicyError::Pattern`].
    pub fn validate(&self) -> Result<(), PolicyError> {
        if let Some(slsa) = &self.slsa
            && slsa.source_tag.is_some()
            && slsa.source_versioned_tag.is_some()
        {
            return Err(PolicyError::Contradiction { first: "source_tag", second: "source_versioned_tag" });
        }
        for name in self.claims.keys() {
            if !super::certificate::CLAIMS.iter().any(|(known, _)| known == name) {
                let reason = "there is no certificate claim of that name".to_owned();
                return Err(PolicyError::Pattern { pattern: name.clone(), reason });
            }
        }
        Ok(())
    }
}
