//! The options of `reprove verify`, and what they mean to the library.

use std::path::PathBuf;

use clap::Args as Options;
use jiff::Timestamp;
use reprove::verify::builders::Builders;
use reprove::verify::policy::{
    DefaultBuilders, GitHubDemand, LogDemand, Pattern, Policy, PolicyError, SignerDemand, SlsaDemand,
    SummaryDemand,
};
use reprove::verify::public_key::PublicKey;
use reprove::verify::trust::{SigstoreRoot, Trust, TrustedKey};

use super::inputs;
use super::long_lived::LongLived;
use crate::exit::Exit;
use crate::render::Failure;

/// Say who vouches for files, for what, from which source and builder, and whether that is demanded.
///
/// Opens no socket: trust roots are embedded, or given. Every file is matched to its attestations by
/// digest. Patterns are compared exactly unless they hold `*`, `?` or `[` (glob) or begin with `~`
/// (regular expression over the whole value).
#[derive(Debug, Options)]
pub(crate) struct Verify {
    /// Files, folders, globs, or `sha256:…` in place of a file. None judges the attestations alone.
    #[arg(value_name = "FILE", conflicts_with = "repository")]
    pub(super) files: Vec<String>,

    /// Attestations: a file of any format, a folder of them, or an OCI image layout.
    #[arg(long = "attestation", short = 'a', value_name = "PATH", required_unless_present = "repository")]
    pub(super) attestations: Vec<PathBuf>,

    /// git repository of which a signed tag or commit is judged in place of files.
    #[arg(
        long,
        value_name = "DIR",
        requires = "revision",
        conflicts_with_all = ["attestations", "source_uri", "verifier_id", "vsa"],
        help_heading = "Git"
    )]
    pub(super) repository: Option<PathBuf>,

    /// Signed tag, by its name.
    #[arg(
        long = "tag",
        value_name = "NAME",
        requires = "repository",
        group = "revision",
        help_heading = "Git"
    )]
    pub(super) tag: Option<String>,

    /// Signed commit, by its full id.
    #[arg(long, value_name = "ID", requires = "repository", group = "revision", help_heading = "Git")]
    pub(super) commit: Option<String>,

    /// Policy file; the options below add to it.
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,

    /// Identity that has to have signed (certificate subject).
    #[arg(long, value_name = "PATTERN", help_heading = "Signer")]
    identity: Vec<String>,

    /// Issuer that has to have vouched for the identity.
    #[arg(long, value_name = "PATTERN", help_heading = "Signer")]
    issuer: Vec<String>,

    /// Certificate claim, e.g. `source-repository-ref=refs/tags/v1.0.0`.
    #[arg(long, value_name = "NAME=PATTERN", help_heading = "Signer")]
    claim: Vec<String>,

    /// Public key (PEM) that has to have signed.
    #[arg(long, value_name = "FILE", help_heading = "Signer")]
    public_key: Vec<PathBuf>,

    /// What the envelope calls the key, where it is not the key's fingerprint.
    #[arg(long, value_name = "ID", requires = "public_key", help_heading = "Signer")]
    key_id: Option<String>,

    #[command(flatten)]
    pub(super) long_lived: LongLived,

    /// Ask for a sound signature by anybody; that says nothing about the artifact's origin.
    #[arg(long, help_heading = "Signer")]
    any_signer: bool,

    /// Owner of the source repository on GitHub.
    #[arg(long, value_name = "OWNER", help_heading = "GitHub")]
    github_owner: Option<String>,

    /// Source repository on GitHub.
    #[arg(long, value_name = "OWNER/NAME", help_heading = "GitHub")]
    github_repository: Option<String>,

    /// Repository of the workflow that has to have signed.
    #[arg(long, value_name = "OWNER/NAME", help_heading = "GitHub")]
    signer_repo: Option<String>,

    /// Workflow that has to have signed.
    #[arg(long, value_name = "OWNER/NAME/PATH", help_heading = "GitHub")]
    signer_workflow: Option<String>,

    /// Refuse runners that are not GitHub's.
    #[arg(long, help_heading = "GitHub")]
    deny_self_hosted_runners: bool,

    /// Source repository of SLSA provenance, e.g. `github.com/owner/name`.
    #[arg(long, value_name = "URI", help_heading = "SLSA")]
    source_uri: Option<String>,

    /// Branch that has to have been built.
    #[arg(long, value_name = "NAME", requires = "source_uri", help_heading = "SLSA")]
    source_branch: Option<String>,

    /// Tag that has to have been built, exactly.
    #[arg(
        long,
        value_name = "TAG",
        requires = "source_uri",
        conflicts_with = "source_versioned_tag",
        help_heading = "SLSA"
    )]
    source_tag: Option<String>,

    /// Version that has to have been built; parts that are left out match any.
    #[arg(long, value_name = "VERSION", requires = "source_uri", help_heading = "SLSA")]
    source_versioned_tag: Option<String>,

    /// Commit that has to have been built.
    #[arg(long, value_name = "SHA", requires = "source_uri", help_heading = "SLSA")]
    source_commit: Option<String>,

    /// Builder, `name[@version]`.
    #[arg(long, value_name = "ID", requires = "source_uri", help_heading = "SLSA")]
    builder_id: Option<String>,

    /// Trust the builders of the list where none is named.
    #[arg(long, requires = "source_uri", help_heading = "SLSA")]
    default_builders: bool,

    /// List of trusted builders in place of the embedded one.
    #[arg(long, value_name = "FILE", help_heading = "SLSA")]
    builders: Option<PathBuf>,

    /// Input of a manually started workflow.
    #[arg(
        long = "workflow-input",
        value_name = "NAME=VALUE",
        requires = "source_uri",
        help_heading = "SLSA"
    )]
    workflow_inputs: Vec<String>,

    /// Name of an npm package.
    #[arg(long, value_name = "NAME", requires = "source_uri", help_heading = "SLSA")]
    package_name: Option<String>,

    /// Version of an npm package.
    #[arg(long, value_name = "VERSION", requires = "source_uri", help_heading = "SLSA")]
    package_version: Option<String>,

    /// Least SLSA build level.
    #[arg(long, value_name = "LEVEL", requires = "source_uri", value_parser = clap::value_parser!(u8).range(1..=3), help_heading = "SLSA")]
    level: Option<u8>,

    /// Verifier whose summary is accepted.
    #[arg(long, value_name = "URI", requires = "resource_uri", help_heading = "Verification summary")]
    verifier_id: Option<String>,

    /// Resource that the summary has to be about.
    #[arg(long, value_name = "URI", requires = "verifier_id", help_heading = "Verification summary")]
    resource_uri: Option<String>,

    /// Level that the summary has to state.
    #[arg(
        long = "verified-level",
        value_name = "LEVEL",
        requires = "verifier_id",
        help_heading = "Verification summary"
    )]
    verified_levels: Vec<String>,

    /// Digest, of any algorithm, that has to be a subject's.
    #[arg(
        long = "subject-digest",
        value_name = "ALGORITHM:VALUE",
        requires = "verifier_id",
        help_heading = "Verification summary"
    )]
    subject_digests: Vec<String>,

    /// Type of the predicate.
    #[arg(long = "predicate-type", value_name = "URI", help_heading = "Evidence")]
    predicate_types: Vec<String>,

    /// Require a transparency log entry.
    #[arg(long, help_heading = "Evidence")]
    require_log: bool,

    /// Require an inclusion proof with checkpoint.
    #[arg(long, help_heading = "Evidence")]
    require_inclusion_proof: bool,

    /// Require an RFC 3161 timestamp.
    #[arg(long, help_heading = "Evidence")]
    require_timestamp: bool,

    /// How many different signers have to vouch for each artifact.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Evidence")]
    vouchers: Option<u16>,

    /// Every attestation that is given has to pass.
    #[arg(long, help_heading = "Evidence")]
    every_attestation: bool,

    /// Sigstore trust root (`trusted_root.json`) in place of the embedded ones.
    #[arg(long = "trusted-root", value_name = "FILE", help_heading = "Trust")]
    trusted_roots: Vec<PathBuf>,

    /// Saved transparency log entry for an envelope that carries none.
    #[arg(long = "rekor-entry", value_name = "FILE", help_heading = "Trust")]
    pub(super) rekor_entries: Vec<PathBuf>,

    /// Time of judgment (RFC 3339) in place of now.
    #[arg(long, value_name = "TIME", help_heading = "Trust")]
    pub(super) as_of: Option<Timestamp>,

    /// Write a signed SLSA verification summary of this run.
    #[arg(long, value_name = "FILE", requires_all = ["key", "vsa_verifier_id", "vsa_resource_uri"], help_heading = "Summary of this run")]
    pub(super) vsa: Option<PathBuf>,

    /// Private key (PEM) that signs the summary.
    #[arg(long, value_name = "FILE", requires = "vsa", help_heading = "Summary of this run")]
    pub(super) key: Option<PathBuf>,

    /// Who verifies, as the summary states it.
    #[arg(long, value_name = "URI", help_heading = "Summary of this run")]
    pub(super) vsa_verifier_id: Option<String>,

    /// What is verified, as the summary states it.
    #[arg(long, value_name = "URI", help_heading = "Summary of this run")]
    pub(super) vsa_resource_uri: Option<String>,
}

impl Verify {
    pub(super) fn policy_file(&self) -> Result<Option<(String, String)>, Failure> {
        let Some(path) = &self.policy else { return Ok(None) };
        Ok(Some((path.display().to_string(), inputs::text(path)?)))
    }

    /// Adds what the options demand.
    pub(super) fn demands(&self, mut policy: Policy) -> Result<Policy, PolicyError> {
        let patterns =
            |list: &[String]| list.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>, _>>();
        policy.identities.extend(patterns(&self.identity)?);
        policy.issuers.extend(patterns(&self.issuer)?);
        for claim in &self.claim {
            let (name, pattern) = pair(claim)?;
            policy.claims.insert(name, Pattern::new(&pattern)?);
        }
        if !self.public_key.is_empty() {
            policy.signer = SignerDemand::GivenKey;
        } else if self.any_signer {
            policy.signer = SignerDemand::Anybody;
        }
        let names_github =
            [&self.github_owner, &self.github_repository, &self.signer_repo, &self.signer_workflow];
        if names_github.iter().any(|name| name.is_some()) || self.deny_self_hosted_runners {
            let github = policy.github.get_or_insert_with(GitHubDemand::default);
            let set = |slot: &mut Option<String>, value: &Option<String>| {
                if value.is_some() {
                    slot.clone_from(value);
                }
            };
            set(&mut github.owner, &self.github_owner);
            set(&mut github.repository, &self.github_repository);
            set(&mut github.signer_repository, &self.signer_repo);
            set(&mut github.signer_workflow, &self.signer_workflow);
            github.deny_self_hosted_runners |= self.deny_self_hosted_runners;
        }
        if self.source_uri.is_some() {
            policy.slsa = Some(self.slsa()?);
        }
        if let Some(verifier_id) = &self.verifier_id {
            policy.summary = Some(SummaryDemand {
                verifier_id: verifier_id.clone(),
                resource_uri: self.resource_uri.clone().unwrap_or_default(),
                verified_levels: self.verified_levels.clone(),
                subject_digests: self.subject_digests.clone(),
            });
        }
        policy.predicate_types.extend(self.predicate_types.iter().cloned());
        if self.require_log {
            policy.evidence.log = LogDemand::Always;
        }
        policy.evidence.inclusion_proof |= self.require_inclusion_proof;
        policy.evidence.timestamp |= self.require_timestamp;
        policy.vouchers_min = policy.vouchers_min.max(self.vouchers.map_or(1, usize::from));
        policy.every_attestation |= self.every_attestation;
        Ok(policy)
    }

    fn slsa(&self) -> Result<SlsaDemand, PolicyError> {
        Ok(SlsaDemand {
            source_uri: self.source_uri.clone(),
            source_branch: self.source_branch.clone(),
            source_tag: self.source_tag.clone(),
            source_versioned_tag: self.source_versioned_tag.clone(),
            source_commit: self.source_commit.clone(),
            builder_id: self.builder_id.clone(),
            default_builders: if self.default_builders {
                DefaultBuilders::Listed
            } else {
                DefaultBuilders::None
            },
            workflow_inputs: self.workflow_inputs.iter().map(|text| pair(text)).collect::<Result<_, _>>()?,
            external_parameters: None,
            package_name: self.package_name.clone(),
            package_version: self.package_version.clone(),
            level_min: self.level,
        })
    }

    pub(super) fn trust(&self) -> Result<Trust, Failure> {
        let unusable = |e| Failure::new(e, Exit::Usage);
        let mut trust = if self.trusted_roots.is_empty() {
            Trust::embedded().map_err(unusable)?
        } else {
            let roots = self.trusted_roots.iter().map(|path| {
                SigstoreRoot::from_json(&path.display().to_string(), &inputs::text(path)?).map_err(unusable)
            });
            Trust::from_roots(roots.collect::<Result<_, _>>()?)
        };
        for path in &self.public_key {
            let name = path.display().to_string();
            let key = PublicKey::from_pem(&inputs::text(path)?, &name).map_err(unusable)?;
            trust.keys.push(match &self.key_id {
                Some(id) => TrustedKey::named(key, id),
                None => TrustedKey::new(key),
            });
        }
        if let Some(path) = &self.builders {
            let name = path.display().to_string();
            trust.builders =
                Builders::from_toml(&name, &inputs::text(path)?).map_err(|e| Failure::new(e, Exit::Usage))?;
        }
        Ok(trust)
    }
}

fn pair(text: &str) -> Result<(String, String), PolicyError> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(PolicyError::Pattern { pattern: text.to_owned(), reason: "write `name=value`".to_owned() }),
    }
}
