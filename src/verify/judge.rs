//! One authenticated attestation, one artifact, one policy.

use super::answer::Format;
use super::authenticated::{Authenticated, Content};
use super::builders::BuilderUse;
use super::check::Check;
use super::policy::{LogDemand, Policy, SignerDemand, SlsaDemand};
use super::run::{Context, Done, Subject};
use super::signer::Signer;
use super::slsa::npm;
use super::statement::ForeignStatement;
use super::{cloud_build, identity, publisher, slsa, summary};
use crate::digest::DigestSet;

/// Adds every check that the policy and the format demand.
pub(super) fn judge(
    format: Format,
    done: &Done<'_>,
    subject: Option<&Subject>,
    context: &Context<'_>,
    out: &mut Vec<Check>,
) {
    let policy = context.policy;
    let authenticated = &done.authenticated;
    if !policy.demands_anything() {
        out.push(
            Check::absent("demand")
                .expected("somebody in particular, or something in particular")
                .found("nothing is demanded: anybody could have signed this")
                .from("policy")
                .next_step("demand an identity, a key, a source or a builder; `--any-signer` asks for a sound signature only"),
        );
    }
    signer(authenticated, policy, out);
    identity::check(authenticated.certificate.as_ref(), policy, out);
    if let Some(demand) = &policy.publisher {
        publisher::publisher(authenticated.certificate.as_ref(), demand, out);
    }
    evidence(authenticated, policy, out);
    let payload = matches!(authenticated.content, Content::Payload { .. });
    if payload && done.statement.is_none() {
        let reason = match &authenticated.content {
            Content::Payload { bytes, .. } => {
                ForeignStatement::parse(bytes, context.limits.subjects_max).err().unwrap_or_default()
            }
            Content::Message(_) => String::new(),
        };
        out.push(Check::refuted("statement").expected("an in-toto statement").found(reason).from("payload"));
        return;
    }
    predicate_type(done.statement.as_ref(), policy, out);
    match format {
        Format::NpmAttestations => npm_document(done, subject, context, out),
        Format::GoogleCloudBuild => cloud_build_document(done, subject, policy, out),
        _ => generic(format, done, subject, context, out),
    }
}

/// Judges a signature that stands for itself, with neither statement nor artifact file: git's.
pub(super) fn alone(
    format: Format,
    authenticated: Authenticated,
    context: &Context<'_>,
) -> (Vec<Signer>, Vec<Check>) {
    let done = Done { authenticated, statement: None, second: None, occurrence: None };
    let mut checks = done.authenticated.checks.clone();
    judge(format, &done, None, context, &mut checks);
    (done.authenticated.signers, checks)
}

fn generic(
    format: Format,
    done: &Done<'_>,
    subject: Option<&Subject>,
    context: &Context<'_>,
    out: &mut Vec<Check>,
) {
    let policy = context.policy;
    let statement = done.statement.as_ref();
    if !matches!(format, Format::GitCommit | Format::GitTag) {
        bind(done, subject, policy, out);
    }
    if let Some(statement) = statement
        && (format == Format::Pep740 || policy.publisher.is_some())
    {
        publisher::statement(statement, subject.filter(|s| s.is_file_name).map(|s| s.name.as_str()), out);
    }
    if let Some(demand) = &policy.slsa {
        match (statement, &done.authenticated.certificate, &done.authenticated.content) {
            (Some(statement), Some(certificate), Content::Payload { payload_type, .. }) => {
                let used_for =
                    if format == Format::CosignOci { BuilderUse::Image } else { BuilderUse::Artifact };
                slsa::check(
                    certificate,
                    payload_type,
                    statement,
                    demand,
                    &context.trust.builders,
                    used_for,
                    out,
                );
                no_package(demand, out);
            }
            _ => out.push(
                Check::refuted("predicate")
                    .expected("SLSA provenance, signed by its builder's certificate")
                    .found(if statement.is_none() {
                        "a signature without a statement"
                    } else {
                        "no certificate"
                    })
                    .next_step("give the artifact's provenance"),
            ),
        }
    }
    if let Some(demand) = &policy.summary {
        match statement {
            Some(statement) => {
                summary::check(statement, demand, out);
                if subject.is_none() && demand.subject_digests.is_empty() {
                    out.push(
                        Check::absent("summary-subject")
                            .expected("a digest that the summary is to be about")
                            .found("none is demanded")
                            .next_step("name the artifact, or its digest with `--subject-digest`"),
                    );
                }
            }
            None => {
                out.push(Check::refuted("predicate").expected("a verification summary").found("no statement"))
            }
        }
    }
}

/// A package's name can be checked in npm's document only.
fn no_package(demand: &SlsaDemand, out: &mut Vec<Check>) {
    if demand.package_name.is_some() || demand.package_version.is_some() {
        out.push(
            Check::absent("package-name")
                .expected("npm's attestation document, which names the package")
                .found("provenance that names none")
                .next_step("give the document of the registry's attestation interface"),
        );
    }
}

fn npm_document(done: &Done<'_>, subject: Option<&Subject>, context: &Context<'_>, out: &mut Vec<Check>) {
    let Some((publish, publish_statement)) = &done.second else { return };
    let (Some(first), Some(second)) = (&done.statement, publish_statement) else {
        out.push(
            Check::refuted("statement")
                .expected("two in-toto statements")
                .found("fewer")
                .from("attestations"),
        );
        return;
    };
    let none = SlsaDemand::default();
    match (subject, &context.policy.slsa) {
        (Some(subject), demand) => {
            let halves = npm::Halves { provenance: &done.authenticated, publish };
            npm::check(
                &halves,
                (first, second),
                &subject.digests,
                demand.as_ref().unwrap_or(&none),
                &context.trust.builders,
                out,
            );
        }
        (None, _) => out.push(no_artifact()),
    }
}

fn cloud_build_document(done: &Done<'_>, subject: Option<&Subject>, policy: &Policy, out: &mut Vec<Check>) {
    let Some((document, Some(occurrence))) = &done.occurrence else { return };
    let Some(subject) = subject else { return out.push(no_artifact()) };
    let none = SlsaDemand::default();
    cloud_build::check(document, occurrence, &subject.digests, policy.slsa.as_ref().unwrap_or(&none), out);
}

fn no_artifact() -> Check {
    Check::absent("artifact-digest")
        .expected("the artifact, or its digest")
        .found("none is given")
        .next_step("name the artifact's file, or `sha256:` and its digest")
}

fn signer(authenticated: &Authenticated, policy: &Policy, out: &mut Vec<Check>) {
    if policy.signer == SignerDemand::GivenKey {
        let met = !authenticated.given_keys.is_empty();
        out.push(
            Check::when("key", met)
                .expected("a signature by a given key")
                .found(if met { authenticated.given_keys.join(", ") } else { "none".to_owned() })
                .next_step("check that the key is the signer's"),
        );
    }
    // The last line of defence: without a signer there is no voucher, whatever else was checked.
    if authenticated.signers.is_empty()
        && Check::verdict_of(&authenticated.checks) == crate::verdict::Verdict::Pass
    {
        out.push(Check::refuted("signature").expected("a verified signer").found("none"));
    }
}

fn evidence(authenticated: &Authenticated, policy: &Policy, out: &mut Vec<Check>) {
    let evidence = &authenticated.evidence;
    let logged = evidence.inclusion_proof || evidence.entry_timestamp;
    let mut demand =
        |code, wanted: bool, there: bool, expected: &str| {
            if wanted && !there {
                out.push(Check::absent(code).expected(expected).found("none that was verified").next_step(
                    "fetch the attestation with this evidence, or another attestation that has it",
                ));
            }
        };
    // A certificate of an instance with logs has to have been used in the open.
    let keyless = authenticated.certificate.is_some() && !authenticated.signers.is_empty();
    let logs = policy.evidence.log == LogDemand::Always || (keyless && evidence.root_has_logs);
    demand("transparency-log", logs, logged, "a transparency log entry");
    demand(
        "inclusion-proof",
        policy.evidence.inclusion_proof,
        evidence.inclusion_proof,
        "an inclusion proof with checkpoint",
    );
    demand("timestamp", policy.evidence.timestamp, evidence.timestamp, "an RFC 3161 timestamp");
    if policy.evidence.bundle_0_2 && evidence.bundle_0_1 {
        out.push(
            Check::refuted("bundle-version")
                .expected("0.2 or later, where the inclusion proof is compulsory")
                .found("0.1")
                .from("mediaType")
                .next_step("fetch the bundle again from its publisher, in its present form"),
        );
    }
}

fn predicate_type(statement: Option<&ForeignStatement>, policy: &Policy, out: &mut Vec<Check>) {
    if policy.predicate_types.is_empty() {
        return;
    }
    let found = statement.map(|s| s.predicate_type.as_str());
    out.push(
        Check::when("predicate", found.is_some_and(|f| policy.predicate_types.iter().any(|t| t == f)))
            .expected(policy.predicate_types.join(" or "))
            .found(found.unwrap_or("no statement"))
            .from("predicateType"),
    );
}

/// Binds the attestation to the artifact.
fn bind(done: &Done<'_>, subject: Option<&Subject>, policy: &Policy, out: &mut Vec<Check>) {
    let Some(subject) = subject else {
        out.push(
            Check::noted("artifact-digest")
                .found("no artifact was given: this is about the attestation alone"),
        );
        return;
    };
    let list = |set: &DigestSet| set.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if let Some(statement) = &done.statement {
        let matching = statement.subject_of(&subject.digests, policy.digest_algorithm);
        let subjects: Vec<_> = statement
            .subjects
            .iter()
            .take(4)
            .map(|s| s.digest.iter().map(|(a, d)| format!("{a}:{d}")).collect::<Vec<_>>().join(" "))
            .collect();
        let found = match matching {
            Some(matching) => format!("subject `{}`", matching.name),
            None if subjects.is_empty() => "no subject".to_owned(),
            None => format!(
                "{} of {} subjects: {}",
                subjects.len(),
                statement.subjects.len(),
                subjects.join(", ")
            ),
        };
        out.push(
            Check::when("artifact-digest", matching.is_some())
                .expected(list(&subject.digests))
                .found(found)
                .from("subject")
                .next_step("the attestation is about another artifact; look for the one that is about this"),
        );
    } else if !done.authenticated.signers.is_empty() {
        // The signature itself is over the artifact: it binds exactly the digest it was checked with.
        let bound = done.authenticated.message_digest.as_ref();
        let met = bound.is_some_and(|digest| subject.digests.iter().any(|ours| ours == digest));
        out.push(
            Check::when("artifact-digest", met)
                .expected(list(&subject.digests))
                .found(bound.map_or_else(|| "none".to_owned(), ToString::to_string))
                .from("signed message"),
        );
    }
}
