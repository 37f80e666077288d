//! The workflow that signed, from its certificate.

use super::super::Check;
use super::super::certificate::{Certificate, place};

/// Issuer of GitHub Actions' identity tokens.
pub(crate) const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";
pub(crate) const GITHUB: &str = "https://github.com/";

/// Claims of a GitHub Actions certificate that agree with each other.
#[derive(Debug, Clone)]
pub(crate) struct Workflow<'a> {
    pub(crate) certificate: &'a Certificate,
    /// `https://github.com/owner/name/path` of the workflow that signed.
    pub(crate) name: &'a str,
    /// Its ref.
    pub(crate) git_ref: &'a str,
    /// `owner/name` of the source repository.
    pub(crate) source_repository: &'a str,
    pub(crate) source_commit: &'a str,
    pub(crate) trigger: &'a str,
}

impl<'a> Workflow<'a> {
    /// Reads the claims; old and new extensions have to say the same.
    pub(crate) fn of(certificate: &'a Certificate) -> Result<Self, Check> {
        let issuer = agreeing(certificate, 8, 1)?;
        if issuer != GITHUB_ISSUER {
            return Err(Check::refuted("certificate-issuer")
                .expected(GITHUB_ISSUER)
                .found(issuer)
                .from(place(8))
                .next_step("SLSA builders on GitHub sign with GitHub's identity; look who this is before trusting it"));
        }
        let identity = certificate.identity();
        let split =
            identity.rsplit_once('@').filter(|(name, git_ref)| !name.is_empty() && !git_ref.is_empty());
        let (name, git_ref) = split
            .filter(|_| certificate.identity_is_uri() && identity.starts_with(GITHUB))
            .ok_or_else(|| {
                Check::refuted("certificate-claims")
                    .expected("a workflow on github.com with its ref")
                    .found(identity)
                    .from("certificate subject alternative name")
                    .next_step("look who signed; this is no GitHub workflow")
            })?;
        let trigger = agreeing(certificate, 20, 2)?;
        let source_commit = agreeing(certificate, 13, 3)?;
        if let Some(config) = certificate.claim(19).filter(|config| *config != source_commit) {
            return Err(disagreement(config, 19, source_commit, 13));
        }
        let old = certificate.claim(5);
        let source_repository = match certificate.claim(12) {
            Some(uri) => {
                let repository = uri.strip_prefix(GITHUB).ok_or_else(|| {
                    Check::refuted("certificate-claims")
                        .expected("a source repository on github.com")
                        .found(uri)
                        .from(place(12))
                })?;
                if let Some(old) = old.filter(|old| *old != repository) {
                    return Err(disagreement(repository, 12, old, 5));
                }
                repository
            }
            None => old.ok_or_else(|| missing(12, 5))?,
        };
        Ok(Self { certificate, name, git_ref, source_repository, source_commit, trigger })
    }

    /// Whether the build ran on GitHub's machines, as far as the certificate says.
    pub(crate) fn runner(&self) -> Option<&'a str> {
        self.certificate.claim(11).filter(|kind| matches!(*kind, "github-hosted" | "self-hosted"))
    }

    /// Run identifier and attempt from the run's URI.
    pub(crate) fn run(&self) -> Option<(&'a str, &'a str)> {
        let uri = self.certificate.claim(21)?;
        let prefix = format!("{GITHUB}{}/actions/runs/", self.source_repository);
        uri.strip_prefix(prefix.as_str())?.split_once("/attempts/")
    }

    /// Path of the workflow file that was started, within the source repository.
    pub(crate) fn build_config_path(&self) -> Option<&'a str> {
        let uri = self.certificate.claim(18)?;
        let prefix = format!("{GITHUB}{}/", self.source_repository);
        Some(uri.strip_prefix(prefix.as_str())?.rsplit_once('@')?.0)
    }
}

fn agreeing(certificate: &Certificate, new: u32, old: u32) -> Result<&str, Check> {
    match (certificate.claim(new), certificate.claim(old)) {
        (Some(a), Some(b)) if a != b => Err(disagreement(a, new, b, old)),
        (Some(value), _) | (None, Some(value)) => Ok(value),
        (None, None) => Err(missing(new, old)),
    }
}

fn disagreement(a: &str, a_number: u32, b: &str, b_number: u32) -> Check {
    Check::refuted("certificate-claims")
        .expected(format!("`{b}` as in {}", place(b_number)))
        .found(a)
        .from(place(a_number))
        .next_step("the certificate contradicts itself; do not use what it signed")
}

fn missing(new: u32, old: u32) -> Check {
    Check::refuted("certificate-claims")
        .expected(format!("{} or {}", place(new), place(old)))
        .found("neither")
        .next_step("look who signed; a workflow on GitHub has this claim")
}
