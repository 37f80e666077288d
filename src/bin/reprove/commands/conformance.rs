//! `reprove conformance`: the command-line protocol of Sigstore's conformance suite.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use reprove::limits::verify::VerifyLimits;
use reprove::verdict::Verdict;
use reprove::verify::policy::{Pattern, Policy, SignerDemand};
use reprove::verify::public_key::PublicKey;
use reprove::verify::trust::{SigstoreRoot, Trust, TrustedKey};
use reprove::verify::{self, Context, oci};

use super::verify::{read_text, subject_of};
use crate::args::Args;
use crate::exit::Exit;
use crate::host;
use crate::render::{self, Failure};

/// Speak the protocol of Sigstore's conformance suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Conformance {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Verify a bundle; exit 0 accepts.
    VerifyBundle(VerifyBundle),
}

/// `verify-bundle`.
#[derive(Debug, clap::Args)]
struct VerifyBundle {
    /// Use the staging instance.
    #[arg(long)]
    staging: bool,

    /// The bundle.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,

    /// Subject of the certificate.
    #[arg(
        long,
        value_name = "IDENTITY",
        requires = "certificate_oidc_issuer",
        required_unless_present = "key"
    )]
    certificate_identity: Option<String>,

    /// Issuer of the identity.
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,

    /// Public key of a bundle without certificate.
    #[arg(long, value_name = "FILE", conflicts_with = "certificate_identity")]
    key: Option<PathBuf>,

    /// Trust root in place of the embedded one.
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,

    /// The artifact, or `sha256:` and its digest.
    artifact: String,
}

impl Conformance {
    pub(crate) fn run(&self, _args: &Args) -> Result<Exit, Failure> {
        let Verb::VerifyBundle(verify) = &self.verb;
        verify.run()
    }
}

impl VerifyBundle {
    fn run(&self) -> Result<Exit, Failure> {
        let limits = VerifyLimits::DEFAULT;
        let unusable = |e| Failure::new(e, Exit::Usage);
        let mut trust = Trust::from_roots(vec![match &self.trusted_root {
            Some(path) => {
                SigstoreRoot::from_json(&path.display().to_string(), &read_text(path)?).map_err(unusable)?
            }
            None if self.staging => SigstoreRoot::staging().map_err(unusable)?,
            None => SigstoreRoot::public_good().map_err(unusable)?,
        }]);
        let mut policy = Policy::new();
        if let Some(path) = &self.key {
            let key =
                PublicKey::from_pem(&read_text(path)?, &path.display().to_string()).map_err(unusable)?;
            trust.keys = vec![TrustedKey::new(key)];
            policy.signer = SignerDemand::GivenKey;
        }
        policy.identities.extend(self.certificate_identity.as_deref().map(Pattern::exact));
        policy.issuers.extend(self.certificate_oidc_issuer.as_deref().map(Pattern::exact));
        let bytes = oci::read_file(&self.bundle, &limits).map_err(|e| Failure::new(e, Exit::CouldNotLook))?;
        let attestations = verify::document::read(&bytes, &self.bundle.display().to_string(), &limits)
            .map_err(|e| Failure::new(e, Exit::Fail))?;
        let subject = subject_of(&self.artifact, is_digest(&self.artifact), &attestations, &limits)?;
        let context =
            Context { trust: &trust, policy: &policy, log_entries: &[], as_of: host::now(), limits: &limits };
        let answers = verify::verify(&subject, &attestations, &context);
        let verdict = Verdict::of_all(answers.iter().map(|answer| answer.verdict));
        let refused = answers.iter().flat_map(|a| &a.attestations).flat_map(|a| &a.checks);
        for check in refused.filter(|check| !matches!(check.verdict(), None | Some(Verdict::Pass))) {
            let found = check.found.as_deref().unwrap_or_default();
            render::line(&format!("{} {}: {found}", check.code, check.finding));
        }
        // The protocol knows two answers.
        Ok(if verdict == Verdict::Pass { Exit::Pass } else { Exit::Fail })
    }
}

/// The protocol's words: what begins with `sha256:`, has the length of a digest and is no path on disk is a
/// digest, all else is a file.
fn is_digest(artifact: &str) -> bool {
    artifact.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64) && !Path::new(artifact).exists()
}
