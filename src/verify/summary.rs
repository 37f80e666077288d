//! Verification summaries: somebody else verified, and a demand says who may have.

use std::collections::BTreeMap;

use super::policy::SummaryDemand;
use super::slsa::LEVEL_PREFIX;
use super::statement::ForeignStatement;
use super::{ArtifactAnswer, Check};
use crate::statement::predicate::verification_summary::{
    Resource, Summary, VERIFICATION_SUMMARY_V1, Verifier,
};
use crate::statement::{Statement, Subject};
use crate::verdict::Verdict;

/// Checks a summary against the demand; subjects only where digests are demanded by name.
pub(crate) fn check(statement: &ForeignStatement, demand: &SummaryDemand, out: &mut Vec<Check>) {
    out.push(
        Check::when("predicate", statement.predicate_type == VERIFICATION_SUMMARY_V1)
            .expected(VERIFICATION_SUMMARY_V1)
            .found(statement.predicate_type.clone())
            .from("predicateType"),
    );
    let summary: Summary = match serde_json::from_value(statement.predicate().clone()) {
        Ok(summary) => summary,
        Err(e) => {
            return out
                .push(Check::refuted("predicate").expected("a verification summary").found(e.to_string()));
        }
    };
    for wanted in &demand.subject_digests {
        let met = wanted.split_once(':').is_some_and(|(algorithm, value)| {
            !value.is_empty()
                && statement.subjects.iter().any(|s| s.digest.get(algorithm).is_some_and(|d| d == value))
        });
        let found: Vec<_> = statement
            .subjects
            .iter()
            .flat_map(|s| s.digest.iter().map(|(a, d)| format!("{a}:{d}")))
            .take(8)
            .collect();
        out.push(
            Check::when("summary-subject", met)
                .expected(wanted)
                .found(if found.is_empty() { "no digest".to_owned() } else { found.join(", ") })
                .from("subject"),
        );
    }
    for (code, wanted, found, from) in [
        ("summary-verifier", &demand.verifier_id, &summary.verifier.id, "predicate.verifier.id"),
        ("summary-resource", &demand.resource_uri, &summary.resource_uri, "predicate.resourceUri"),
    ] {
        out.push(
            Check::when(code, !wanted.is_empty() && wanted == found)
                .expected(if wanted.is_empty() { "a value in the policy: none is given" } else { wanted })
                .found(if found.is_empty() { "empty" } else { found })
                .from(from),
        );
    }
    out.push(
        Check::when("summary-result", summary.verification_result == "PASSED")
            .expected("PASSED")
            .found(if summary.verification_result.is_empty() {
                "empty"
            } else {
                &summary.verification_result
            })
            .from("predicate.verificationResult"),
    );
    levels(&summary.verified_levels, &demand.verified_levels, out);
}

fn levels(found: &[String], wanted: &[String], out: &mut Vec<Check>) {
    let from = "predicate.verifiedLevels";
    let mut tracks: BTreeMap<&str, u32> = BTreeMap::new();
    for level in found {
        match slsa(level) {
            Level::Other => {}
            Level::Track(track, number) => {
                let best = tracks.entry(track).or_default();
                *best = (*best).max(number);
            }
            Level::Malformed => {
                out.push(
                    Check::refuted("summary-level")
                        .expected("SLSA_<TRACK>_LEVEL_<n>")
                        .found(level)
                        .from(from),
                );
            }
        }
    }
    let all = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    for level in wanted {
        let met = match slsa(level) {
            Level::Other => found.contains(level),
            Level::Track(track, number) => tracks.get(track).is_some_and(|best| *best >= number),
            Level::Malformed => false,
        };
        out.push(Check::when("summary-level", met).expected(level).found(all.clone()).from(from));
    }
}

enum Level<'a> {
    Track(&'a str, u32),
    Malformed,
    Other,
}

/// `SLSA_<TRACK>_LEVEL_<n>`; everything else that begins with `SLSA_` is malformed.
fn slsa(text: &str) -> Level<'_> {
    let Some(rest) = text.strip_prefix("SLSA_") else { return Level::Other };
    let Some((track, number)) = rest.split_once("_LEVEL_") else { return Level::Malformed };
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    match number.parse() {
        Ok(number) if digits && !track.is_empty() && !track.contains('_') => Level::Track(track, number),
        _ => Level::Malformed,
    }
}

/// What a summary of this run says about itself.
#[derive(Debug, Clone)]
pub struct SummaryOf<'a> {
    /// URI of whoever verifies.
    pub verifier_id: &'a str,
    /// URI of what is verified.
    pub resource_uri: &'a str,
    /// URI of the policy.
    pub policy_uri: &'a str,
    /// Digest of the policy file, where there is one.
    pub policy_digest: Option<&'a crate::digest::Digest>,
    /// The attestations that were read, with their digests.
    pub inputs: &'a [(String, crate::digest::Digest)],
    /// When.
    pub time_verified: jiff::Timestamp,
}

/// Writes a run down as a verification summary v1 over the artifacts that have digests.
///
/// `PASSED` needs every artifact to pass. The level is the least of the artifacts', each the greatest
/// of its passing attestations'; where provenance says nothing of a level none is claimed.
/// `SLSA_BUILD_REPRODUCED` is never claimed: one run of a verifier reproduces nothing.
pub fn summarise(answers: &[ArtifactAnswer], of: &SummaryOf<'_>) -> Option<Statement<Summary>> {
    let subjects: Vec<Subject> = answers
        .iter()
        .filter_map(|answer| Some(Subject { name: answer.artifact.clone(), digest: answer.digests.clone()? }))
        .collect();
    if subjects.is_empty() || subjects.len() != answers.len() {
        return None;
    }
    let passed = Verdict::of_all(answers.iter().map(|answer| answer.verdict)) == Verdict::Pass;
    let levels: Option<Vec<u8>> = answers.iter().map(level).collect();
    let verified_levels = match levels.and_then(|levels| levels.into_iter().min()).filter(|_| passed) {
        Some(level) => vec![format!("{LEVEL_PREFIX}{level}")],
        None => Vec::new(),
    };
    let resource = |uri: &str, digest: Option<&crate::digest::Digest>| Resource {
        uri: uri.to_owned(),
        digest: digest.map(|d| (d.algorithm().name().to_owned(), d.to_hex())).into_iter().collect(),
    };
    let summary = Summary {
        verifier: Verifier { id: of.verifier_id.to_owned() },
        time_verified: Some(of.time_verified.to_string()),
        resource_uri: of.resource_uri.to_owned(),
        policy: resource(of.policy_uri, of.policy_digest),
        input_attestations: of.inputs.iter().map(|(name, digest)| resource(name, Some(digest))).collect(),
        verification_result: if passed { "PASSED" } else { "FAILED" }.to_owned(),
        verified_levels,
        slsa_version: Some("1.2".to_owned()),
    };
    Some(Statement::new(subjects, VERIFICATION_SUMMARY_V1, summary))
}

fn level(answer: &ArtifactAnswer) -> Option<u8> {
    let passing = answer.attestations.iter().filter(|a| a.verdict == Verdict::Pass);
    let levels = passing.flat_map(|a| &a.checks).filter(|c| c.code == "build-level");
    levels.filter_map(|c| c.found.as_deref()?.strip_prefix(LEVEL_PREFIX)?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::levels;
    use crate::verdict::Verdict;

    #[test]
    fn levels_are_compared_by_track() {
        let check = |found: &[&str], wanted: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
            let mut out = Vec::new();
            levels(&own(found), &own(wanted), &mut out);
            out.iter().all(|c| c.verdict() == Some(Verdict::Pass))
        };
        assert!(check(&["SLSA_BUILD_LEVEL_3"], &["SLSA_BUILD_LEVEL_2"]));
        assert!(check(&["SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_2"], &["SLSA_BUILD_LEVEL_2"]));
        assert!(!check(&["SLSA_BUILD_LEVEL_1"], &["SLSA_BUILD_LEVEL_2"]));
        assert!(!check(&["SLSA_SOURCE_LEVEL_3"], &["SLSA_BUILD_LEVEL_2"]));
        assert!(check(&["BCID_L1"], &["BCID_L1"]));
        assert!(!check(&["BCID_L1"], &["BCID_L2"]));
        assert!(check(&["X"], &[]));
        for bad in
            ["SLSA_BUILD_LEVEL_.2", "SLSA_BUILD_LEVEL_", "SLSA_BUILD", "SLSA__LEVEL_2", "SLSA_BUILD_LEVEL_+2"]
        {
            assert!(!check(&[bad], &[]), "{bad}");
            assert!(!check(&["SLSA_BUILD_LEVEL_3"], &[bad]), "{bad}");
        }
    }
}
