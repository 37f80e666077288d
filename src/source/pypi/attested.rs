//! Who attested a file (PEP 740): the attestations that an index announces, judged by `verify` against
//! the publisher that the component's definition names.

use jiff::Timestamp;

use super::{Access, ListedFile, LockedDistribution, PypiError};
use crate::component::TrustedPublisher;
use crate::digest::DigestSet;
use crate::limits::verify::VerifyLimits;
use crate::verdict::Verdict;
use crate::verify::policy::{Policy, Publisher};
use crate::verify::trust::Trust;
use crate::verify::{Context, Finding, Subject, document, verify};

/// What is asked for ("Integrity API", PyPI), in the order of preference.
const ACCEPT: &str = "application/vnd.pypi.integrity.v1+json, application/json;q=0.5";

/// What became of a file's attestations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attested {
    /// The index announces none.
    NotOffered,
    /// There are some, and the definition names nobody to hold them against.
    NobodyNamed,
    /// They were judged.
    Judged {
        /// The verdict.
        verdict: Verdict,
        /// Whose signatures verified.
        signers: Vec<String>,
        /// What stands against them, empty for a pass.
        reason: String,
    },
}

/// Fetches and judges what the index announces for a file.
pub fn attested(
    access: &Access<'_>,
    file: &ListedFile,
    locked: &LockedDistribution,
    publisher: Option<&TrustedPublisher>,
    as_of: Timestamp,
) -> Result<Attested, PypiError> {
    let Some(url) = &file.provenance else { return Ok(Attested::NotOffered) };
    let Some(publisher) = publisher else { return Ok(Attested::NobodyNamed) };
    let page = access.fetcher.get_page(url, ACCEPT, access.limits.provenance_bytes_max)?;
    let name = format!("provenance of {}", file.name);
    let limits = VerifyLimits::DEFAULT;
    let refuted = |reason: String| Attested::Judged { verdict: Verdict::Fail, signers: Vec::new(), reason };
    let attestations = match document::read(&page.bytes, &name, &limits) {
        Ok(attestations) => attestations,
        Err(e) => return Ok(refuted(e.to_string())),
    };
    let trust = match Trust::embedded() {
        Ok(trust) => trust,
        Err(e) => {
            let (verdict, signers) = (Verdict::Inconclusive, Vec::new());
            return Ok(Attested::Judged { verdict, signers, reason: e.to_string() });
        }
    };
    let policy = Policy {
        publisher: Some(Publisher::GitHub {
            repository: publisher.repository.clone(),
            workflow: publisher.workflow.clone(),
        }),
        ..Policy::new()
    };
    let context = Context { trust: &trust, policy: &policy, log_entries: &[], as_of, limits: &limits };
    let subject = Subject {
        name: file.name.clone(),
        is_file_name: true,
        digests: DigestSet::single(locked.digest.clone()),
        bytes: None,
    };
    let answers = verify(&[subject], &attestations, &context);
    let Some(answer) = answers.first() else {
        return Ok(refuted("they speak of no file".to_owned()));
    };
    let checks = answer.checks.iter().chain(answer.attestations.iter().flat_map(|a| &a.checks));
    let against = |finding: Finding| matches!(finding, Finding::Refuted | Finding::Absent);
    let mut reasons: Vec<String> = checks
        .filter(|check| answer.verdict != Verdict::Pass && against(check.finding))
        .map(|check| format!("{} {}", check.code, check.finding))
        .collect();
    reasons.dedup();
    let mut signers: Vec<String> =
        answer.attestations.iter().flat_map(|a| &a.signers).map(ToString::to_string).collect();
    signers.sort();
    signers.dedup();
    Ok(Attested::Judged { verdict: answer.verdict, signers, reason: reasons.join(", ") })
}
