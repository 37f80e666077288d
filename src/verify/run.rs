//! Artifacts × attestations × policy → answers. Signature work is done once for each attestation.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::Value;

use super::answer::{ArtifactAnswer, AttestationAnswer, Format};
use super::authenticated::{Authenticated, Content};
use super::cloud_build::{self, Occurrence};
use super::document::{Attestation, Body, Signed};
use super::envelope;
use super::judge;
use super::log_entry::LogEntry;
use super::policy::Policy;
use super::sigstore::{self, Keys, Message};
use super::statement::{ForeignStatement, subject_digests};
use super::trust::Trust;
use super::{Check, Signer};
use crate::digest::{Algorithm, Digest, DigestSet};
use crate::limits::verify::VerifyLimits;
use crate::verdict::Verdict;

/// What every answer says that it does not establish.
const NOT_CHECKED: &[&str] = &[
    "whether the source is benign",
    "dependencies beyond the first that the provenance names",
    "whether the certificate's holder lost control of its account",
];

/// One artifact.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Name for answers, and the distribution's file name where that matters.
    pub name: String,
    /// Whether `name` is a file name that may be compared with a statement's.
    pub is_file_name: bool,
    /// Digests that were computed, or given in place of the file.
    pub digests: DigestSet,
    /// The bytes, needed only where [`needs_bytes`] says so.
    pub bytes: Option<Vec<u8>>,
}

/// What attestations are judged with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Trust roots, keys, builders.
    pub trust: &'a Trust,
    /// Demands.
    pub policy: &'a Policy,
    /// Saved log entries for envelopes that carry none.
    pub log_entries: &'a [LogEntry],
    /// The time of judgment.
    pub as_of: Timestamp,
    /// Bounds.
    pub limits: &'a VerifyLimits,
}

/// Digest algorithms that the attestations speak of; SHA-256 is always one.
pub fn algorithms(attestations: &[Attestation]) -> Vec<Algorithm> {
    let mut found = BTreeSet::from([Algorithm::Sha256]);
    for attestation in attestations {
        found.extend(stated_digests(attestation).iter().map(Digest::algorithm));
    }
    found.into_iter().collect()
}

/// Whether an attestation signs the artifact's bytes in a way that a SHA-256 digest cannot stand in for.
pub fn needs_bytes(attestations: &[Attestation]) -> bool {
    attestations.iter().any(|attestation| match &attestation.body {
        Body::Bundle(signed) => signed.bundle.as_ref().is_ok_and(|bundle| {
            matches!(&bundle.content, sigstore_types::SignatureContent::MessageSignature(signature)
                if signature.message_digest.as_ref().is_none_or(|d| d.algorithm != sigstore_types::HashAlgorithm::Sha2256))
        }),
        _ => false,
    })
}

/// Digests that an attestation states for its subjects, before anything is verified.
fn stated_digests(attestation: &Attestation) -> Vec<Digest> {
    let of_bundle = |signed: &Signed| super::document::digests_of_bundle(&signed.raw);
    match &attestation.body {
        Body::Bundle(signed) => of_bundle(signed),
        Body::Envelope(loose) => {
            super::document::base64(&loose.envelope.payload).map(|p| subject_digests(&p)).unwrap_or_default()
        }
        Body::Npm(npm) => npm.provenance.iter().chain(&npm.publish).flat_map(of_bundle).collect(),
        Body::CloudBuild(_) => Vec::new(),
    }
}

/// One attestation after its signature work, shared by all artifacts.
struct Examined<'a> {
    attestation: &'a Attestation,
    state: State<'a>,
    stated: Vec<Digest>,
}

enum State<'a> {
    /// The signature is over a payload, or over a digest that the bundle states. Several where several
    /// certificates signed: each may be the one that the policy demands.
    Done(Vec<Done<'a>>),
    /// The signature is over the artifact and has to be checked for each.
    PerArtifact(&'a sigstore_types::Bundle),
}

pub(super) struct Done<'a> {
    pub(super) authenticated: Authenticated,
    pub(super) statement: Option<ForeignStatement>,
    pub(super) second: Option<(Authenticated, Option<ForeignStatement>)>,
    pub(super) occurrence: Option<(&'a Value, Option<Occurrence<'a>>)>,
}

/// Judges artifacts. Each is matched to its attestations by digest.
pub fn verify(
    subjects: &[Subject],
    attestations: &[Attestation],
    context: &Context<'_>,
) -> Vec<ArtifactAnswer> {
    let examined = parallel(attestations, |attestation| examine(attestation, context));
    let mut by_digest: HashMap<&Digest, Vec<usize>> = HashMap::new();
    for (index, one) in examined.iter().enumerate() {
        for digest in &one.stated {
            let list = by_digest.entry(digest).or_default();
            if list.last() != Some(&index) {
                list.push(index);
            }
        }
    }
    parallel(subjects, |subject| {
        let mut indexes: BTreeSet<usize> =
            subject.digests.iter().filter_map(|d| by_digest.get(d)).flatten().copied().collect();
        // What states no digest may still be about the artifact; and where there is one artifact only,
        // that the attestations speak of another is an answer, not silence.
        indexes
            .extend(examined.iter().enumerate().filter(|(_, e)| e.stated.is_empty()).map(|(index, _)| index));
        if context.policy.every_attestation || (indexes.is_empty() && subjects.len() == 1) {
            indexes.extend(0..examined.len());
        }
        let answers = indexes
            .into_iter()
            .filter_map(|index| examined.get(index))
            .map(|one| answer(one, Some(subject), context))
            .collect();
        artifact_answer(subject.name.clone(), Some(subject.digests.clone()), answers, context)
    })
}

/// Judges attestations alone, with no artifact to bind them to.
pub fn verify_alone(attestations: &[Attestation], context: &Context<'_>) -> ArtifactAnswer {
    let examined = parallel(attestations, |attestation| examine(attestation, context));
    let answers = examined.iter().map(|one| answer(one, None, context)).collect();
    let mut whole = artifact_answer("no artifact".to_owned(), None, answers, context);
    whole.not_checked.insert(0, "whether any artifact is the one attested: none was given");
    whole
}

fn examine<'a>(attestation: &'a Attestation, context: &Context<'_>) -> Examined<'a> {
    let stated = stated_digests(attestation);
    let keys = Keys::Given(&context.trust.keys);
    let statement_of = |authenticated: &Authenticated| match &authenticated.content {
        Content::Payload { bytes, .. } => ForeignStatement::parse(bytes, context.limits.subjects_max).ok(),
        Content::Message(_) => None,
    };
    let done = match &attestation.body {
        Body::Bundle(signed) => match &signed.bundle {
            Ok(bundle) if matches!(bundle.content, sigstore_types::SignatureContent::MessageSignature(_)) => {
                return Examined { attestation, state: State::PerArtifact(bundle), stated };
            }
            _ => {
                let authenticated = bundle(signed, &keys, context);
                Done {
                    statement: statement_of(&authenticated),
                    authenticated,
                    second: None,
                    occurrence: None,
                }
            }
        },
        Body::Envelope(loose) => {
            let inner = envelope::Context {
                trust: context.trust,
                log_entries: context.log_entries,
                strict_key_ids: context.policy.summary.is_some(),
                as_of: context.as_of,
                limits: context.limits,
            };
            let done = envelope::authenticate(loose, &inner).into_iter().map(|authenticated| Done {
                statement: statement_of(&authenticated),
                authenticated,
                second: None,
                occurrence: None,
            });
            return Examined { attestation, state: State::Done(done.collect()), stated };
        }
        Body::Npm(npm) => {
            let named = Keys::Named(&context.trust.npm_keys);
            let missing = |what: &str| {
                Authenticated::new(Content::Message(None)).refuted(
                    Check::refuted("npm-attestations")
                        .expected(format!("a provenance and a publish attestation, {what} among them"))
                        .found(format!("{} attestations without it", npm.count))
                        .next_step("fetch the document again from the registry's attestation interface"),
                )
            };
            let first = npm
                .provenance
                .as_ref()
                .map_or_else(|| missing("SLSA provenance"), |s| bundle(s, &keys, context));
            let second = npm
                .publish
                .as_ref()
                .map_or_else(|| missing("npm's publish attestation"), |s| bundle(s, &named, context));
            let statements = (statement_of(&first), statement_of(&second));
            Done {
                authenticated: first,
                statement: statements.0,
                second: Some((second, statements.1)),
                occurrence: None,
            }
        }
        Body::CloudBuild(document) => {
            let (authenticated, occurrence) =
                cloud_build::authenticate(document, &context.trust.cloud_build_keys, context.limits);
            let statement = occurrence.as_ref().map(|o| o.statement.clone());
            Done { authenticated, statement, second: None, occurrence: Some((document.as_ref(), occurrence)) }
        }
    };
    Examined { attestation, state: State::Done(vec![done]), stated }
}

fn bundle(signed: &Signed, keys: &Keys<'_>, context: &Context<'_>) -> Authenticated {
    match &signed.bundle {
        Ok(bundle) => sigstore::authenticate(bundle, context.trust, keys, Message::default(), context.as_of),
        Err(reason) => {
            let payload = super::json::text(&signed.raw, &["dsseEnvelope", "payload"])
                .and_then(super::document::base64);
            let content = match payload {
                Some(bytes) => Content::Payload { payload_type: String::new(), bytes },
                None => Content::Message(None),
            };
            Authenticated::new(content).refuted(
                Check::refuted("bundle")
                    .expected("a Sigstore bundle of version 0.1 to 0.3")
                    .found(reason.clone())
                    .next_step("fetch the bundle again from its publisher"),
            )
        }
    }
}

fn answer(one: &Examined<'_>, subject: Option<&Subject>, context: &Context<'_>) -> AttestationAnswer {
    match &one.state {
        State::Done(list) => {
            let answers = list.iter().map(|done| answer_of(one.attestation, done, subject, context));
            merged(answers.collect())
        }
        State::PerArtifact(bundle) => {
            let message = Message {
                digests: subject.map(|s| &s.digests),
                bytes: subject.and_then(|s| s.bytes.as_deref()),
            };
            let keys = Keys::Given(&context.trust.keys);
            let authenticated = sigstore::authenticate(bundle, context.trust, &keys, message, context.as_of);
            let done = Done { authenticated, statement: None, second: None, occurrence: None };
            Some(answer_of(one.attestation, &done, subject, context))
        }
    }
    .unwrap_or_else(|| {
        let check = Check::refuted("signature").expected("at least one signature").found("none");
        let Attestation { source, format, .. } = one.attestation;
        AttestationAnswer::new(source.clone(), *format, Vec::new(), vec![check], None)
    })
}

fn answer_of(
    attestation: &Attestation,
    done: &Done<'_>,
    subject: Option<&Subject>,
    context: &Context<'_>,
) -> AttestationAnswer {
    let mut checks = done.authenticated.checks.clone();
    if let Some((second, _)) = &done.second {
        checks.extend(second.checks.iter().cloned());
    }
    judge::judge(attestation.format, done, subject, context, &mut checks);
    let mut signers = done.authenticated.signers.clone();
    signers.extend(done.second.iter().flat_map(|(second, _)| second.signers.iter().cloned()));
    let statement = done.authenticated.payload_json();
    AttestationAnswer::new(attestation.source.clone(), attestation.format, signers, checks, statement)
}

/// One answer for all signers of an attestation: the best, and every signer who does as well.
fn merged(mut answers: Vec<AttestationAnswer>) -> Option<AttestationAnswer> {
    let best = answers.iter().map(|answer| answer.verdict).max()?;
    answers.retain(|answer| answer.verdict == best);
    let mut rest = answers.into_iter();
    let mut first = rest.next()?;
    first.signers.extend(rest.flat_map(|other| other.signers));
    Some(first)
}

fn artifact_answer(
    artifact: String,
    digests: Option<DigestSet>,
    attestations: Vec<AttestationAnswer>,
    context: &Context<'_>,
) -> ArtifactAnswer {
    let wanted = context.policy.vouchers_min.max(1);
    let vouchers: BTreeSet<&Signer> =
        attestations.iter().filter(|a| a.verdict == Verdict::Pass).flat_map(vouchers_of).collect();
    let mut checks = Vec::new();
    let verdict = if attestations.is_empty() {
        checks.push(
            Check::absent("vouchers")
                .expected("an attestation about this artifact")
                .found("none of those that were given")
                .next_step("give the artifact's attestations with `--attestation FILE`"),
        );
        Verdict::Inconclusive
    } else if context.policy.every_attestation && attestations.iter().any(|a| a.verdict != Verdict::Pass) {
        Verdict::of_all(attestations.iter().map(|a| a.verdict))
    } else if vouchers.len() >= wanted {
        Verdict::Pass
    } else if !vouchers.is_empty() {
        checks.push(
            Check::absent("vouchers")
                .expected(format!("{wanted} different signers"))
                .found(vouchers.len().to_string())
                .next_step("give more attestations, each by another signer"),
        );
        Verdict::Inconclusive
    } else {
        // The best of them: one that merely lacks evidence is worth looking after.
        attestations.iter().map(|a| a.verdict).max().unwrap_or(Verdict::Inconclusive)
    };
    ArtifactAnswer { artifact, digests, verdict, checks, attestations, not_checked: NOT_CHECKED.to_vec() }
}

/// Adds answers of other checkers (signatures by long-lived keys) and judges the artifact anew.
///
/// They vouch beside the attestations, never in their place: where attestations were given, or the
/// policy demands something of them, both have to pass.
#[must_use]
pub fn with_answers(
    whole: ArtifactAnswer,
    more: Vec<AttestationAnswer>,
    context: &Context<'_>,
) -> ArtifactAnswer {
    let Some(best) = more.iter().map(|answer| answer.verdict).max() else { return whole };
    let alone = whole.attestations.is_empty() && !context.policy.demands_anything();
    let ArtifactAnswer { artifact, digests, verdict, checks, mut attestations, not_checked } = whole;
    attestations.extend(more);
    let vouchers: BTreeSet<&Signer> =
        attestations.iter().filter(|a| a.verdict == Verdict::Pass).flat_map(vouchers_of).collect();
    let mut checks = if alone { Vec::new() } else { checks };
    let mut verdict = if alone { best } else { verdict.min(best) };
    if alone && verdict == Verdict::Pass && vouchers.len() < context.policy.vouchers_min {
        checks.push(
            Check::absent("vouchers")
                .expected(format!("{} different signers", context.policy.vouchers_min))
                .found(vouchers.len().to_string()),
        );
        verdict = Verdict::Inconclusive;
    }
    ArtifactAnswer { artifact, digests, verdict, checks, attestations, not_checked }
}

/// Whom an attestation counts for; the registry's countersignature of an npm package is not another.
fn vouchers_of(answer: &AttestationAnswer) -> &[Signer] {
    let count = if answer.format == Format::NpmAttestations { 1 } else { answer.signers.len() };
    answer.signers.get(..count).unwrap_or(&answer.signers)
}

/// Maps in order, on all cores where there is enough to do.
fn parallel<'a, T: Sync, R: Send>(items: &'a [T], map: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
    // Asking how many cores there are reads files.
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = if items.len() < 2 { 1 } else { cores().min(items.len()) };
    if threads < 2 {
        return items.iter().map(map).collect();
    }
    let next = AtomicUsize::new(0);
    let mut indexed: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(index) else { return done };
                        done.push((index, map(item)));
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    indexed.sort_by_key(|(index, _)| *index);
    indexed.into_iter().map(|(_, result)| result).collect()
}
