//! The policy file's schema. Closed: a name that is misspelt is an error, not a demand not made.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    DefaultBuilders, EvidenceDemand, GitHubDemand, LogDemand, Pattern, Policy, PolicyError, Publisher,
    SignerDemand, SlsaDemand, SummaryDemand, toml_text,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    signer: Option<Signer>,
    #[serde(default)]
    identity: OneOrMore,
    #[serde(default)]
    issuer: OneOrMore,
    #[serde(default)]
    claims: BTreeMap<String, String>,
    github: Option<GitHub>,
    publisher: Option<PublisherEntry>,
    slsa: Option<Slsa>,
    summary: Option<Summary>,
    #[serde(default)]
    predicate_types: Vec<String>,
    #[serde(default)]
    evidence: Evidence,
    #[serde(default = "one")]
    vouchers_min: usize,
    #[serde(default)]
    every_attestation: bool,
}

const fn one() -> usize {
    1
}

#[derive(Deserialize, Default)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
    #[default]
    #[serde(skip)]
    None,
}

impl OneOrMore {
    fn patterns(self) -> Result<Vec<Pattern>, PolicyError> {
        match self {
            Self::One(text) => Ok(vec![Pattern::new(&text)?]),
            Self::More(list) => list.iter().map(|text| Pattern::new(text)).collect(),
            Self::None => Ok(Vec::new()),
        }
    }
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Signer {
    GivenKey,
    Anybody,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GitHub {
    owner: Option<String>,
    repository: Option<String>,
    signer_repository: Option<String>,
    signer_workflow: Option<String>,
    tenant: Option<String>,
    #[serde(default)]
    deny_self_hosted_runners: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "lowercase")]
enum PublisherEntry {
    GitHub { repository: String, workflow: String },
    GitLab { repository: String, workflow_path: String },
    Google { email: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slsa {
    source_uri: String,
    source_branch: Option<String>,
    source_tag: Option<String>,
    source_versioned_tag: Option<String>,
    source_commit: Option<String>,
    builder_id: Option<String>,
    #[serde(default)]
    default_builders: bool,
    #[serde(default)]
    workflow_inputs: BTreeMap<String, String>,
    external_parameters: Option<serde_json::Map<String, serde_json::Value>>,
    package_name: Option<String>,
    package_version: Option<String>,
    level_min: Option<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    verifier_id: String,
    resource_uri: String,
    #[serde(default)]
    verified_levels: Vec<String>,
    #[serde(default)]
    subject_digests: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Evidence {
    #[serde(default)]
    log: bool,
    #[serde(default)]
    inclusion_proof: bool,
    #[serde(default)]
    timestamp: bool,
    #[serde(default)]
    bundle_0_2: bool,
}

pub(super) fn read(file: &str, text: &str) -> Result<Policy, PolicyError> {
    let raw: File = toml_text(file, text)?;
    if raw.vouchers_min == 0 {
        let reason = "at least one voucher is needed, found 0".to_owned();
        return Err(PolicyError::at(file, text, "vouchers_min", reason));
    }
    let policy = Policy {
        signer: match raw.signer {
            None => SignerDemand::Unsaid,
            Some(Signer::GivenKey) => SignerDemand::GivenKey,
            Some(Signer::Anybody) => SignerDemand::Anybody,
        },
        identities: raw.identity.patterns()?,
        issuers: raw.issuer.patterns()?,
        claims: raw
            .claims
            .into_iter()
            .map(|(name, text)| Pattern::new(&text).map(|pattern| (name, pattern)))
            .collect::<Result<_, _>>()?,
        github: raw.github.map(|g| GitHubDemand {
            owner: g.owner,
            repository: g.repository,
            signer_repository: g.signer_repository,
            signer_workflow: g.signer_workflow,
            tenant: g.tenant,
            deny_self_hosted_runners: g.deny_self_hosted_runners,
        }),
        publisher: raw.publisher.map(|p| match p {
            PublisherEntry::GitHub { repository, workflow } => Publisher::GitHub { repository, workflow },
            PublisherEntry::GitLab { repository, workflow_path } => {
                Publisher::GitLab { repository, workflow_path }
            }
            PublisherEntry::Google { email } => Publisher::Google { email },
        }),
        slsa: raw.slsa.map(|s| SlsaDemand {
            source_uri: Some(s.source_uri),
            source_branch: s.source_branch,
            source_tag: s.source_tag,
            source_versioned_tag: s.source_versioned_tag,
            source_commit: s.source_commit,
            builder_id: s.builder_id,
            default_builders: if s.default_builders {
                DefaultBuilders::Listed
            } else {
                DefaultBuilders::None
            },
            workflow_inputs: s.workflow_inputs,
            external_parameters: s.external_parameters,
            package_name: s.package_name,
            package_version: s.package_version,
            level_min: s.level_min,
        }),
        summary: raw.summary.map(|s| SummaryDemand {
            verifier_id: s.verifier_id,
            resource_uri: s.resource_uri,
            verified_levels: s.verified_levels,
            subject_digests: s.subject_digests,
        }),
        predicate_types: raw.predicate_types,
        evidence: EvidenceDemand {
            log: if raw.evidence.log { LogDemand::Always } else { LogDemand::WhereTheRootHasLogs },
            inclusion_proof: raw.evidence.inclusion_proof,
            timestamp: raw.evidence.timestamp,
            bundle_0_2: raw.evidence.bundle_0_2,
        },
        vouchers_min: raw.vouchers_min,
        every_attestation: raw.every_attestation,
        digest_algorithm: None,
    };
    policy.validate()?;
    Ok(policy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::read;

    #[test]
    fn a_misspelt_demand_is_an_error_with_its_line() {
        let error = read("p.toml", "vouchers_min = 1\n\n[slsa]\nsource_uri = \"x\"\nsorce_tag = \"v1\"\n")
            .unwrap_err();
        assert!(error.to_string().starts_with("p.toml:5: "), "{error}");
        let error = read("p.toml", "identity = \"a\"\nvouchers_min = 0\n").unwrap_err();
        assert!(error.to_string().starts_with("p.toml:2: "), "{error}");
        let both = "[slsa]\nsource_uri = \"x\"\nsource_tag = \"v1\"\nsource_versioned_tag = \"v1\"\n";
        assert!(read("p.toml", both).is_err());
        assert!(read("p.toml", "[claims]\nno-such-claim = \"x\"\n").is_err());
        assert!(!read("p.toml", "").unwrap().demands_anything());
        assert!(read("p.toml", "identity = [\"a\", \"~b.*\"]\nissuer = \"i\"\n").unwrap().demands_anything());
    }
}
