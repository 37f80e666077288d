//! Who the certificate says signed: identity, issuer, claims, GitHub's owner and repository.

use super::Check;
use super::certificate::{CLAIMS, Certificate, place};
use super::policy::{GitHubDemand, Pattern, Policy};
use super::slsa::workflow::GITHUB_ISSUER;

/// Checks every demand on the certificate. Without a certificate each of them is refuted: a key has
/// no identity.
pub(crate) fn check(certificate: Option<&Certificate>, policy: &Policy, out: &mut Vec<Check>) {
    let wants_certificate = !policy.identities.is_empty()
        || !policy.issuers.is_empty()
        || !policy.claims.is_empty()
        || policy.github.is_some();
    let Some(certificate) = certificate else {
        if wants_certificate {
            out.push(
                Check::refuted("certificate-identity")
                    .expected("a certificate that names the signer")
                    .found("none")
                    .next_step("demand the signer's key with `--public-key FILE`, or another attestation"),
            );
        }
        return;
    };
    if !policy.identities.is_empty() {
        out.push(one_of(
            "certificate-identity",
            &policy.identities,
            Some(certificate.identity()),
            "certificate subject alternative name".to_owned(),
        ));
    }
    if !policy.issuers.is_empty() {
        out.push(one_of("certificate-issuer", &policy.issuers, certificate.issuer(), place(8)));
    }
    for (name, pattern) in &policy.claims {
        let number = CLAIMS.iter().find(|(known, _)| known == name).map_or(0, |(_, number)| *number);
        out.push(one_of(
            "certificate-claim",
            std::slice::from_ref(pattern),
            certificate.claim(number),
            place(number),
        ));
    }
    if let Some(github) = &policy.github {
        self::github(certificate, github, policy, out);
    }
}

fn one_of(code: &'static str, patterns: &[Pattern], found: Option<&str>, from: String) -> Check {
    let expected: Vec<_> = patterns.iter().map(|p| format!("`{p}`")).collect();
    Check::when(code, found.is_some_and(|value| patterns.iter().any(|p| p.matches(value))))
        .expected(expected.join(" or "))
        .found(found.unwrap_or("no such claim"))
        .from(from)
        .next_step("if this is the signer you trust, demand it as found; otherwise do not use the artifact")
}

fn github(certificate: &Certificate, demand: &GitHubDemand, policy: &Policy, out: &mut Vec<Check>) {
    let (host, issuer) = match &demand.tenant {
        Some(tenant) => {
            (format!("https://{tenant}.ghe.com"), format!("https://token.actions.{tenant}.ghe.com"))
        }
        None => ("https://github.com".to_owned(), GITHUB_ISSUER.to_owned()),
    };
    if policy.issuers.is_empty() {
        out.push(one_of(
            "certificate-issuer",
            &[Pattern::ignoring_case(&issuer)],
            certificate.issuer(),
            place(8),
        ));
    }
    if let Some(owner) = &demand.owner {
        let wanted = Pattern::ignoring_case(&format!("{host}/{owner}"));
        out.push(one_of("github-owner", &[wanted], certificate.claim(16), place(16)));
    }
    if let Some(repository) = &demand.repository {
        let wanted = Pattern::ignoring_case(&format!("{host}/{repository}"));
        out.push(one_of("github-repository", &[wanted], certificate.claim(12), place(12)));
    }
    if policy.identities.is_empty() || demand.signer_repository.is_some() || demand.signer_workflow.is_some()
    {
        out.push(signer(certificate, demand, &host));
    }
    if demand.deny_self_hosted_runners {
        out.push(
            Check::when("runner", certificate.claim(11) == Some("github-hosted"))
                .expected("github-hosted")
                .found(certificate.claim(11).unwrap_or("not said"))
                .from(place(11))
                .next_step("the artifact was built on a machine that GitHub does not control"),
        );
    }
}

/// The workflow that signed has to stand in the demanded repository, by default the artifact's own.
fn signer(certificate: &Certificate, demand: &GitHubDemand, host: &str) -> Check {
    let identity = certificate.identity();
    let starts = |prefix: &str, fold_case: bool| {
        identity
            .get(..prefix.len())
            .is_some_and(|start| if fold_case { start.eq_ignore_ascii_case(prefix) } else { start == prefix })
    };
    let (expected, met) = if let Some(workflow) = &demand.signer_workflow {
        // `owner/name/path` or `host/owner/name/path`: a host has a dot, an owner cannot.
        let has_host = workflow.split('/').next().is_some_and(|first| first.contains('.'));
        let prefix = if has_host { format!("https://{workflow}") } else { format!("{host}/{workflow}") };
        let rest = identity.get(prefix.len()..).unwrap_or_default();
        let ends = prefix.ends_with('/') || rest.is_empty() || rest.starts_with(['@', '/']);
        let met = starts(&prefix, false) && ends;
        (format!("{prefix}@*"), met)
    } else {
        let within =
            demand.signer_repository.as_ref().or(demand.repository.as_ref()).or(demand.owner.as_ref());
        match within {
            Some(within) => {
                let prefix = format!("{host}/{within}/");
                let met = starts(&prefix, true);
                (format!("{prefix}*"), met)
            }
            None => ("an owner or repository in the policy: none is".to_owned(), false),
        }
    };
    Check::when("github-signer", met)
        .expected(expected)
        .found(identity)
        .from("certificate subject alternative name")
        .next_step("name the reusable workflow with `--signer-workflow` or `--signer-repo` if it is the one you trust")
}
