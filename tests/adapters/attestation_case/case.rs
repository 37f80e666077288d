//! `case.json` → the library's policy, trust and artifacts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reprove::digest::{Algorithm, Digest, DigestSet, hash_file};
use reprove::limits::verify::VerifyLimits;
use reprove::verdict::Verdict;
use reprove::verify::policy::{
    DefaultBuilders, GitHubDemand, LogDemand, Pattern, Policy, Publisher, SignerDemand, SlsaDemand,
    SummaryDemand,
};
use reprove::verify::public_key::PublicKey;
use reprove::verify::trust::{SigstoreRoot, Trust, TrustedKey};
use reprove::verify::{self, ArtifactAnswer, Attestation, Context, Subject};
use serde_json::Value;

/// The library's answer.
pub(crate) struct Outcome {
    pub(crate) accepted: bool,
    pub(crate) reason: String,
}

/// No answer.
pub(crate) enum Trouble {
    /// The case asks for something that the library does not have.
    Unsupported(String),
    /// The library could not read what the case gives it.
    Refused(String),
}

fn refused(error: impl std::fmt::Display) -> Trouble {
    Trouble::Refused(error.to_string())
}

pub(crate) fn run(folder: &Path) -> Result<Outcome, Trouble> {
    let text = std::fs::read_to_string(folder.join("case.json")).map_err(refused)?;
    let case: Value = serde_json::from_str(&text).map_err(refused)?;
    let policy = policy(&case)?;
    let trust = trust(&case, folder)?;
    let limits = VerifyLimits::DEFAULT;
    let attestations = attestations(&case, folder, &limits)?;
    let subjects = subjects(&case, folder, &attestations)?;
    let context =
        Context { trust: &trust, policy: &policy, log_entries: &[], as_of: as_of(), limits: &limits };
    let answers = if subjects.is_empty() {
        vec![verify::verify_alone(&attestations, &context)]
    } else {
        verify::verify(&subjects, &attestations, &context)
    };
    let verdict = Verdict::of_all(answers.iter().map(|answer| answer.verdict));
    Ok(Outcome { accepted: verdict == Verdict::Pass, reason: reason(&answers) })
}

/// The corpus has bundles from the future of its own making; the judgment is as of now.
fn as_of() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn reason(answers: &[ArtifactAnswer]) -> String {
    let checks =
        answers.iter().flat_map(|a| a.checks.iter().chain(a.attestations.iter().flat_map(|a| &a.checks)));
    let bad: Vec<_> = checks
        .filter(|c| !matches!(c.verdict(), None | Some(Verdict::Pass)))
        .map(|c| {
            let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            format!("{} {}: expected {}, found {}", c.code, c.finding, or(&c.expected), or(&c.found))
        })
        .collect();
    if bad.is_empty() { "accepted".to_owned() } else { bad.join(" | ").replace('\n', " ") }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn strings(value: &Value, name: &str) -> Vec<String> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn policy(case: &Value) -> Result<Policy, Trouble> {
    let wanted = case.get("policy").cloned().unwrap_or_default();
    let own = |name: &str| text(&wanted, name).map(str::to_owned);
    let command = text(case, "command").unwrap_or_default();
    let mut policy = Policy::new();
    if let Some(identity) = text(&wanted, "certificate_identity") {
        policy.identities.push(Pattern::exact(identity));
    }
    if let Some(expression) = text(&wanted, "certificate_identity_regexp") {
        policy.identities.push(Pattern::regex_search(expression).map_err(refused)?);
    }
    // gh's default issuer; a tenant has its own, which the demand on the tenant brings.
    let is_default = |issuer: &str| issuer == "https://token.actions.githubusercontent.com";
    let has_tenant = text(&wanted, "tenant").is_some();
    if let Some(issuer) = text(&wanted, "certificate_issuer").filter(|i| !has_tenant || !is_default(i)) {
        let pattern =
            if command.starts_with("gh ") { Pattern::ignoring_case(issuer) } else { Pattern::exact(issuer) };
        policy.issuers.push(pattern);
    }
    for name in ["source_repository_uri", "repository"] {
        if let Some(uri) = text(&wanted, name) {
            policy.claims.insert("source-repository-uri".to_owned(), Pattern::exact(uri));
        }
    }
    if flag(&wanted, "signature_only") || flag(&wanted, "signature_and_digest_only") {
        policy.signer = SignerDemand::Anybody;
    }
    if let Some(name) = text(&wanted, "digest_alg") {
        policy.digest_algorithm = Some(name.parse().map_err(refused)?);
    }
    if flag(&wanted, "require_tlog") {
        policy.evidence.log = LogDemand::Always;
    }
    if ["owner", "repo", "signer_repo", "signer_workflow", "tenant"]
        .iter()
        .any(|n| text(&wanted, n).is_some())
        || flag(&wanted, "deny_self_hosted_runners")
    {
        policy.github = Some(GitHubDemand {
            owner: own("owner"),
            repository: own("repo"),
            signer_repository: own("signer_repo"),
            signer_workflow: own("signer_workflow"),
            tenant: own("tenant"),
            deny_self_hosted_runners: flag(&wanted, "deny_self_hosted_runners"),
        });
    }
    policy.every_attestation = command.starts_with("gh ");
    policy.evidence.bundle_0_2 = command.starts_with("gh ");
    policy.publisher = wanted.get("publisher").map(publisher).transpose()?;
    let is_summary = text(case, "format") == Some("vsa");
    if is_summary {
        policy.summary = Some(SummaryDemand {
            verifier_id: own("verifier_id").unwrap_or_default(),
            resource_uri: own("resource_uri").unwrap_or_default(),
            verified_levels: strings(&wanted, "verified_levels"),
            subject_digests: strings(&wanted, "subject_digests"),
        });
    }
    if text(case, "public_key").is_some() && text(case, "format") != Some("npm-attestations") {
        policy.signer = SignerDemand::GivenKey;
    }
    if !is_summary
        && ["source_uri", "builder_id", "package_name", "package_version"]
            .iter()
            .any(|n| text(&wanted, n).is_some())
    {
        let inputs = wanted.get("workflow_inputs").and_then(Value::as_object);
        policy.slsa = Some(SlsaDemand {
            source_uri: own("source_uri"),
            source_branch: own("source_branch"),
            source_tag: own("source_tag"),
            source_versioned_tag: own("source_versioned_tag"),
            builder_id: own("builder_id"),
            default_builders: if flag(&wanted, "default_trusted_builders") {
                DefaultBuilders::Listed
            } else {
                DefaultBuilders::None
            },
            workflow_inputs: inputs
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| value.as_str().map(|v| (name.clone(), v.to_owned())))
                .collect::<BTreeMap<_, _>>(),
            package_name: own("package_name"),
            package_version: own("package_version"),
            ..SlsaDemand::default()
        });
    }
    Ok(policy)
}

fn publisher(value: &Value) -> Result<Publisher, Trouble> {
    let own = |name: &str| text(value, name).unwrap_or_default().to_owned();
    match text(value, "kind") {
        Some("GitHub") => Ok(Publisher::GitHub { repository: own("repository"), workflow: own("workflow") }),
        Some("GitLab") => {
            Ok(Publisher::GitLab { repository: own("repository"), workflow_path: own("workflow_filepath") })
        }
        Some("Google") => Ok(Publisher::Google { email: own("email") }),
        other => Err(Trouble::Unsupported(format!("publisher {other:?}"))),
    }
}

fn trust(case: &Value, folder: &Path) -> Result<Trust, Trouble> {
    let shared = folder.join("../../../trust");
    let mut trust = Trust::embedded().map_err(refused)?;
    match text(case, "trust_root") {
        None | Some("key" | "gcb-keys") => {}
        Some(name) => {
            let own = folder.join(name);
            let path = if own.is_file() { own } else { shared.join(format!("{name}.trusted_root.json")) };
            let json = std::fs::read_to_string(&path).map_err(refused)?;
            trust.sigstore = vec![SigstoreRoot::from_json(name, &json).map_err(refused)?];
        }
    }
    if text(case, "trust_root") == Some("gcb-keys") {
        let mut keys = BTreeMap::new();
        for entry in std::fs::read_dir(shared.join("gcb-keys")).map_err(refused)?.flatten() {
            let path = entry.path();
            let name = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
            let pem = std::fs::read_to_string(&path).map_err(refused)?;
            keys.insert(name.clone(), PublicKey::from_pem(&pem, &name).map_err(refused)?);
        }
        trust.cloud_build_keys = keys.into();
    }
    if let Some(name) = text(case, "public_key") {
        let pem = std::fs::read_to_string(folder.join(name)).map_err(refused)?;
        if text(case, "format") == Some("npm-attestations") {
            trust.npm_keys = npm_keys(&pem)?.into();
        } else {
            let key = PublicKey::from_pem(&pem, name).map_err(refused)?;
            let id = case.get("policy").and_then(|p| text(p, "public_key_id")).filter(|id| !id.is_empty());
            trust.keys = vec![match id {
                Some(id) => TrustedKey::named(key, id),
                None => TrustedKey::new(key),
            }];
        }
    }
    Ok(trust)
}

fn npm_keys(json: &str) -> Result<BTreeMap<String, PublicKey>, Trouble> {
    let value: Value = serde_json::from_str(json).map_err(refused)?;
    let mut keys = BTreeMap::new();
    for entry in value.get("keys").and_then(Value::as_array).into_iter().flatten() {
        if text(entry, "keyUsage") != Some("npm:attestations") {
            continue;
        }
        let id = text(entry, "keyId").unwrap_or_default().to_owned();
        let base64 = entry.get("publicKey").and_then(|k| text(k, "rawBytes")).unwrap_or_default();
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", wrapped(base64));
        keys.insert(id.clone(), PublicKey::from_pem(&pem, &id).map_err(refused)?);
    }
    Ok(keys)
}

fn wrapped(base64: &str) -> String {
    base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n")
}

fn attestations(case: &Value, folder: &Path, limits: &VerifyLimits) -> Result<Vec<Attestation>, Trouble> {
    let name = text(case, "attestation").ok_or_else(|| Trouble::Unsupported("no attestation".to_owned()))?;
    let mut path = folder.join(name);
    if text(case, "format") == Some("oci-layout-cosign") && path.is_file() {
        path.pop();
    }
    if path.is_dir() {
        return verify::oci::read(&path, limits).map_err(refused);
    }
    let bytes = std::fs::read(&path).map_err(refused)?;
    verify::document::read(&bytes, name, limits).map_err(refused)
}

fn subjects(case: &Value, folder: &Path, attestations: &[Attestation]) -> Result<Vec<Subject>, Trouble> {
    let mut names = strings(case, "artifacts");
    if let Some(name) = text(case, "artifact")
        && !names.iter().any(|n| n == name)
    {
        names.push(name.to_owned());
    }
    if names.is_empty() {
        let stated = stated(case.get("artifact_digest"))?;
        let layout = text(case, "attestation").map(|name| folder.join(name)).filter(|path| path.is_dir());
        return Ok(match (stated, layout) {
            // An image layout says itself which image it is about.
            (None, Some(layout)) => verify::oci::image(&layout, &VerifyLimits::DEFAULT)
                .map_err(refused)?
                .map(|digest| Subject {
                    name: digest.to_string(),
                    is_file_name: false,
                    digests: DigestSet::single(digest),
                    bytes: None,
                })
                .into_iter()
                .collect(),
            (stated, _) => stated.into_iter().collect(),
        });
    }
    names
        .into_iter()
        .map(|name| {
            let path: PathBuf = folder.join(&name);
            let mut digests: Option<DigestSet> = None;
            for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
                let (digest, _) = hash_file(algorithm, &path).map_err(refused)?;
                digests = Some(
                    digests.map_or_else(|| DigestSet::single(digest.clone()), |set| set.with(digest.clone())),
                );
            }
            let digests = digests.ok_or_else(|| refused("no digest"))?;
            let bytes = if verify::needs_bytes(attestations) {
                Some(std::fs::read(&path).map_err(refused)?)
            } else {
                None
            };
            Ok(Subject { name, is_file_name: true, digests, bytes })
        })
        .collect()
}

/// The digests that stand in for an artifact.
fn stated(value: Option<&Value>) -> Result<Option<Subject>, Trouble> {
    let mut digests: Option<DigestSet> = None;
    for (name, hex) in value.and_then(Value::as_object).into_iter().flatten() {
        let algorithm: Algorithm = name.parse().map_err(refused)?;
        let digest = Digest::from_hex(algorithm, hex.as_str().unwrap_or_default()).map_err(refused)?;
        digests =
            Some(digests.map_or_else(|| DigestSet::single(digest.clone()), |set| set.with(digest.clone())));
    }
    Ok(digests.map(|digests| Subject {
        name: "artifact".to_owned(),
        is_file_name: false,
        digests,
        bytes: None,
    }))
}
