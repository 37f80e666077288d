//! From evidence to judgement: the only place where an outcome and a verdict are made.
//!
//! A judgement is derived, never chosen. A report that is read back is judged again, and refused when
//! it claims something else.

use serde::{Deserialize, Serialize};

use super::checked;
use super::classify::{Class, artifact_outcome, outcome};
use super::model::{
    ArtifactPair, BuildResult, Evidence, FileState, Gap, Index, IndexKind, Outcome, Source, SourceSignature,
};
use super::words::Words;
use crate::compare::Difference;
use crate::verdict::Verdict;

/// What follows from the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// Pass, inconclusive or fail.
    pub verdict: Verdict,
    /// In one phrase.
    pub outcome: Outcome,
    /// One sentence: why.
    pub why: String,
    /// What stands between this release and a pass; empty exactly for a pass.
    pub blocks: Vec<Blocker>,
    /// What was not established, whatever the verdict.
    pub not_established: Vec<Gap>,
}

/// One thing that forbids a pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocker {
    /// Kebab-case code, stable.
    pub code: String,
    /// On what.
    pub subject: String,
    /// What a pass needs.
    pub expected: String,
    /// What was found.
    pub found: String,
    /// What to do next.
    pub next: String,
}

impl Judgement {
    /// Judges.
    pub fn of(evidence: &Evidence) -> Self {
        let outcome = outcome(evidence);
        let mut blocks = Vec::new();
        let words = Words::of(&evidence.release.purl);
        let mut verdict = outcome.verdict();
        verdict = verdict.min(judge_source(&evidence.source, words, &mut blocks));
        verdict = verdict.min(judge_indexes(&evidence.indexes, words, &mut blocks));
        verdict = verdict.min(checked::judge(&evidence.checks, &mut blocks));
        judge_environment(evidence, words, &mut blocks);
        judge_build(evidence, outcome, &mut blocks);
        if !matches!(outcome, Outcome::SourceUnavailable | Outcome::EnvironmentUnavailable) {
            for pair in &evidence.artifacts {
                judge_artifact(pair, evidence, &mut blocks);
            }
            judge_alone(evidence, &mut blocks);
            judge_containers(evidence, &mut blocks);
        }
        for gap in &evidence.not_looked {
            verdict = verdict.min(Verdict::Inconclusive);
            let hint = match gap.code.as_str() {
                "value-not-observed" => "give what was published with `--published FILE`: its binary tells",
                _ => "remove the cause and audit again",
            };
            blocks.push(blocker(&gap.code, "this audit", "the check is made", &gap.text, hint));
        }
        blocks.sort();
        blocks.dedup();
        let why = why(evidence, outcome, verdict, &blocks);
        Self { verdict, outcome, why, blocks, not_established: gaps(evidence, outcome) }
    }
}

fn blocker(code: &str, subject: &str, expected: &str, found: &str, next: &str) -> Blocker {
    Blocker {
        code: code.to_owned(),
        subject: subject.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
        next: next.to_owned(),
    }
}

fn judge_source(source: &Source, words: &Words, blocks: &mut Vec<Blocker>) -> Verdict {
    let mut verdict = Verdict::Pass;
    if source.files.is_empty() {
        verdict = Verdict::Inconclusive;
        blocks.push(blocker(
            "source-not-found",
            &source.package,
            words.source,
            "no source file is known",
            "check the release's version in the component's definition, and lock again",
        ));
    }
    for file in &source.files {
        let (code, found, next) = match file.state {
            FileState::Checked => continue,
            FileState::Missing => ("source-missing", "the mirror does not have it", words.missing_next),
            FileState::Mismatched => ("source-mismatch", "the mirror sent other bytes", words.mismatch_next),
            FileState::NotLooked => ("source-not-looked", "it was not looked for", "audit again"),
        };
        verdict = verdict.min(Verdict::Inconclusive);
        blocks.push(blocker(code, &file.name, &file.digest.to_string(), found, next));
    }
    let description =
        source.files.iter().find(|f| f.name.ends_with(".dsc")).map_or(&*source.package, |f| &*f.name);
    match &source.signature {
        SourceSignature::Verified { by } if !by.is_empty() => verdict,
        SourceSignature::KeyNotKnown { .. }
        | SourceSignature::NotRelied { .. }
        | SourceSignature::NotOffered { .. } => verdict,
        SourceSignature::Refuted { reason } => {
            blocks.push(blocker(
                "source-signature-refuted",
                description,
                "a signature that fits the bytes, by a key with the right to make it",
                reason,
                words.refuted_next,
            ));
            Verdict::Fail
        }
        SourceSignature::Verified { .. } | SourceSignature::Absent {} => {
            blocks.push(blocker(
                "source-signature-absent",
                description,
                "a signature by the maintainer",
                "none",
                "compare the file with the distribution's own copy",
            ));
            verdict.min(Verdict::Inconclusive)
        }
        SourceSignature::NotChecked { reason } => {
            blocks.push(blocker(
                "source-signature-not-checked",
                description,
                "the maintainer's signature is looked at",
                reason,
                "remove the cause and audit again",
            ));
            verdict.min(Verdict::Inconclusive)
        }
    }
}

fn judge_indexes(indexes: &[Index], words: &Words, blocks: &mut Vec<Blocker>) -> Verdict {
    if indexes.is_empty() {
        blocks.push(blocker(
            "index-absent",
            "the inputs",
            "a signed index that announces them",
            "none",
            words.index_next,
        ));
        return Verdict::Inconclusive;
    }
    let mut verdict = Verdict::Pass;
    for index in indexes.iter().filter(|i| i.kind == IndexKind::Signed && i.signed_by.is_empty()) {
        verdict = Verdict::Inconclusive;
        blocks.push(blocker(
            "index-not-vouched",
            &index.suite,
            "a signature by a trusted key",
            "none was verified",
            words.index_next,
        ));
    }
    verdict
}

fn judge_environment(evidence: &Evidence, words: &Words, blocks: &mut Vec<Blocker>) {
    let environment = &evidence.environment;
    if environment.lock.is_none() {
        blocks.push(blocker(
            "environment-not-resolved",
            &evidence.release.component,
            "a locked build environment",
            "none",
            "reprove lock the component and read what it could not resolve",
        ));
    }
    for name in &environment.missing {
        blocks.push(blocker(
            "environment-missing",
            name,
            "the locked bytes",
            "no archive offers them any more",
            words.environment_next,
        ));
    }
}

fn judge_build(evidence: &Evidence, outcome: Outcome, blocks: &mut Vec<Blocker>) {
    if matches!(outcome, Outcome::SourceUnavailable | Outcome::EnvironmentUnavailable) {
        return;
    }
    let subject = &evidence.release.component;
    match &evidence.rebuild.result {
        BuildResult::Completed {} if evidence.artifacts.is_empty() && evidence.unpublished.is_empty() => {
            blocks.push(blocker(
                "nothing-compared",
                subject,
                "at least one published artifact",
                "none is defined",
                "name the release's artifacts in the component's definition",
            ))
        }
        BuildResult::Completed {} => {}
        BuildResult::NotAttempted { reason } => blocks.push(blocker(
            "build-not-attempted",
            subject,
            "a finished build",
            reason,
            "remove the cause and audit again",
        )),
        BuildResult::StepFailed { step, command, status } => blocks.push(blocker(
            "build-failed",
            subject,
            "every command ends with status 0",
            &match status {
                Some(status) => format!("command {step}, `{command}`, ended with status {status}"),
                None => format!("command {step}, `{command}`, was ended by a signal"),
            },
            "read the end of the build's log below",
        )),
        BuildResult::LimitReached { limit } => blocks.push(blocker(
            "build-limit",
            subject,
            "a build within the sandbox's limits",
            limit,
            "raise that limit if the build is known to need more; otherwise treat the source as hostile",
        )),
    }
}

fn judge_artifact(pair: &ArtifactPair, evidence: &Evidence, blocks: &mut Vec<Blocker>) {
    let label = pair.label();
    let name = label.as_str();
    let published = pair.published.digest.to_string();
    let rebuilt = pair.rebuilt.as_ref().map(|b| b.digest.to_string()).unwrap_or_default();
    if pair.rebuilt.is_none() && artifact_outcome(pair) == Outcome::Different {
        blocks.push(blocker(
            "member-not-expected",
            name,
            "only members that the recipe names",
            "nothing that was built or taken from the source stands beside it",
            "ask the publisher where it comes from; add it to the recipe only with its origin",
        ));
        return;
    }
    let (code, next) = match artifact_outcome(pair) {
        Outcome::Identical => return,
        Outcome::NotBuilt if pair.unsourced.is_some() => {
            blocks.push(blocker(
                "member-not-rebuilt",
                name,
                "something of ours beside it",
                pair.unsourced.as_deref().unwrap_or_default(),
                "read it; what this source does not hold, this audit cannot prove",
            ));
            return;
        }
        Outcome::NotBuilt => {
            if evidence.rebuild.result == (BuildResult::Completed {}) {
                blocks.push(blocker(
                    "artifact-not-built",
                    name,
                    &published,
                    "the build left no such file",
                    "compare the list of built files in the log with the component's definition",
                ));
            }
            return;
        }
        Outcome::Unstable => (
            "build-unstable",
            "mend what varies between our two builds before drawing a conclusion about the publisher",
        ),
        Outcome::IdentifiersOnly => (
            "identifiers-differ",
            "read the listed differences; a build with the toolchain of the time would settle them",
        ),
        Outcome::RecordedInputsOnly => (
            "recorded-inputs-differ",
            "read the listed differences; a build with the recorded versions would settle them",
        ),
        Outcome::Undetermined => {
            ("comparison-limit", "raise the limit that was reached, if an artifact of that size is expected")
        }
        Outcome::Equivalent => (
            "equal-only-after-normalization",
            "read the listed differences; identical bytes need a build that does not vary there",
        ),
        Outcome::Different
        | Outcome::PartlyIdentical
        | Outcome::SourceUnavailable
        | Outcome::EnvironmentUnavailable
        | Outcome::PublishedNotReachable => {
            ("bytes-differ", "read the listed differences and ask the publisher where they come from")
        }
    };
    blocks.push(blocker(code, name, &published, &rebuilt, next));
}

/// What has nothing published beside it.
fn judge_alone(evidence: &Evidence, blocks: &mut Vec<Blocker>) {
    for built in &evidence.unpublished {
        let label = built.label();
        match &built.rebuilt_again {
            Some(again) if *again != built.rebuilt => blocks.push(blocker(
                "build-unstable",
                &label,
                &built.rebuilt.digest.to_string(),
                &again.digest.to_string(),
                "mend what varies between our two builds before drawing a conclusion about the publisher",
            )),
            _ => blocks.push(blocker(
                "published-not-reachable",
                &label,
                "the published bytes",
                "they cannot be had from here",
                "download the release by other means and give it with `--published FILE`",
            )),
        }
    }
}

/// What an archive's own headers say beside the members that were compared.
fn judge_containers(evidence: &Evidence, blocks: &mut Vec<Blocker>) {
    for container in &evidence.containers {
        for d in container.differences.iter().filter(|d| Class::of(d) == Class::Content) {
            blocks.push(blocker(
                "archive-differs",
                &format!("{}: {}", container.name, d.path),
                d.b.as_deref().unwrap_or("as the recipe lays the archive out"),
                d.a.as_deref().unwrap_or(d.cause.describe()),
                "ask the publisher where it comes from, or correct the recipe's layout",
            ));
        }
    }
}

fn why(evidence: &Evidence, outcome: Outcome, verdict: Verdict, blocks: &[Blocker]) -> String {
    let total = evidence.artifacts.len();
    let count = |o: Outcome| evidence.artifacts.iter().filter(|p| artifact_outcome(p) == o).count();
    let of = |n: usize| {
        if total == 1 {
            "the published artifact".to_owned()
        } else {
            format!("{n} of {total} published artifacts")
        }
    };
    match outcome {
        Outcome::Identical if verdict == Verdict::Pass => format!(
            "{}, rebuilt here from authenticated source, {} identical to what was published, byte for byte",
            if total == 1 { "the artifact".to_owned() } else { format!("all {total} artifacts") },
            if total == 1 { "is" } else { "are" },
        ),
        Outcome::Identical if verdict == Verdict::Fail => format!(
            "the bytes are identical, and there is evidence against the release: {}",
            listed(blocks.iter().map(|b| b.code.as_str())),
        ),
        Outcome::Identical => format!(
            "the bytes are identical, but not everything that a pass needs was established: {}",
            listed(blocks.iter().map(|b| b.code.as_str())),
        ),
        Outcome::PartlyIdentical => {
            let apart = evidence.artifacts.iter().filter(|p| p.unsourced.is_some()).count();
            format!(
                "{} rebuilt here byte for byte; {apart} {} not come from that source, and nothing could be compared with {}",
                match total - apart {
                    1 => "the one artifact of the authenticated source was".to_owned(),
                    n => format!("{n} artifacts of the authenticated source were"),
                },
                if apart == 1 { "does" } else { "do" },
                if apart == 1 { "it" } else { "them" },
            )
        }
        Outcome::IdentifiersOnly => {
            let recorded =
                evidence.artifacts.iter().flat_map(|p| &p.differences).any(Difference::is_recorded_input);
            format!(
                "not identical: in {} identifiers derived from the toolchain's version{} differ, and nothing else does",
                of(count(Outcome::IdentifiersOnly)),
                if recorded { ", and the record of what the build used," } else { "" },
            )
        }
        Outcome::RecordedInputsOnly => format!(
            "not identical: in {} the record of what the build used differs, and nothing else does",
            of(count(Outcome::RecordedInputsOnly)),
        ),
        Outcome::Different if count(Outcome::Different) == 0 => {
            "the members are what the authenticated source builds here, but their archive says something else of them"
                .to_owned()
        }
        Outcome::PublishedNotReachable => {
            let n = evidence.unpublished.len();
            let twice = evidence.unpublished.iter().all(|b| b.rebuilt_again.is_some());
            format!(
                "{} built here{}, and nothing could be compared: what was published cannot be had from here",
                if n == 1 { "the artifact was".to_owned() } else { format!("{n} artifacts were") },
                if twice { ", twice with the same bytes" } else { "" },
            )
        }
        Outcome::Unstable if total == 0 => {
            "our own builds disagree with each other, so that no comparison with them would accuse anybody"
                .to_owned()
        }
        Outcome::Different => format!(
            "the bytes of {} differ from what the authenticated source builds here",
            of(count(Outcome::Different)),
        ),
        Outcome::Undetermined => format!(
            "the bytes of {} differ, and the comparison had to stop before it could say where",
            of(count(Outcome::Undetermined)),
        ),
        Outcome::Equivalent => format!(
            "not identical: {} and ours are equal only after the named normalizations",
            of(count(Outcome::Equivalent)),
        ),
        Outcome::Unstable => format!(
            "our own builds of {} disagree with each other, so that the difference accuses nobody",
            of(count(Outcome::Unstable)),
        ),
        Outcome::NotBuilt => {
            match blocks.iter().find(|b| b.code.starts_with("build-") || b.code == "nothing-compared") {
                Some(b) => format!("nothing could be compared: {}", b.found),
                None => format!("the build left no file for {}", of(count(Outcome::NotBuilt))),
            }
        }
        Outcome::SourceUnavailable => {
            let missing = evidence.source.files.iter().filter(|f| f.state != FileState::Checked).count();
            if missing == 0 {
                "no source package is known for this release".to_owned()
            } else {
                format!(
                    "{missing} of {} source files cannot be had as announced",
                    evidence.source.files.len()
                )
            }
        }
        Outcome::EnvironmentUnavailable if evidence.environment.lock.is_none() => {
            "the build environment could not be resolved".to_owned()
        }
        Outcome::EnvironmentUnavailable => {
            format!("{} locked inputs of the build are no longer offered", evidence.environment.missing.len())
        }
    }
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<_> = words.collect();
    words.dedup();
    words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

/// What was not established, in sentences that hold for this evidence.
fn gaps(evidence: &Evidence, outcome: Outcome) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = evidence.not_looked.clone();
    gaps.extend(checked::gaps(&evidence.checks));
    let mut gap = |code: &str, text: String| gaps.push(Gap { code: code.to_owned(), text });
    if let SourceSignature::NotRelied { reason } = &evidence.source.signature {
        gap("source-signature-not-relied", format!("who signed the source description: {reason}"));
    }
    if let SourceSignature::KeyNotKnown { keys } = &evidence.source.signature {
        gap(
            "source-signer-not-known",
            format!(
                "who signed the source description: the trust root holds no key for {}",
                if keys.is_empty() { "it".to_owned() } else { listed(keys.iter().map(String::as_str)) }
            ),
        );
    }
    if let SourceSignature::NotOffered { reason } = &evidence.source.signature {
        gap("source-author-not-signed", format!("that the author vouches for the source: {reason}"));
    }
    for index in evidence.indexes.iter().filter(|i| i.kind == IndexKind::Unsigned) {
        gap(
            "index-not-signed",
            format!(
                "that `{}` announced the right files: nobody signs it, and the lock pins what it said",
                index.suite
            ),
        );
    }
    for container in &evidence.containers {
        let own = container.differences.iter().filter(|d| Class::of(d) != Class::Content).count();
        if own > 0 {
            gap(
                "archive-not-reproduced",
                format!(
                    "the bytes of the archive `{}` as a whole: its members are compared, and {own} of its own headers or settings differ from ours",
                    container.name
                ),
            );
        }
        for stop in &container.limits {
            gap(
                "archive-not-read",
                format!(
                    "all headers of `{}`: reading stopped at `{}` ({})",
                    container.name, stop.path, stop.cause
                ),
            );
        }
    }
    let compared = outcome.is_compared();
    if !compared {
        gap(
            "not-compared",
            "whether the published bytes come from this source: nothing was compared".to_owned(),
        );
    }
    let exact = matches!(outcome, Outcome::Identical | Outcome::PartlyIdentical);
    if compared && !exact && evidence.rebuild.varied.is_empty() {
        gap(
            "stability-not-tested",
            "whether our own build is stable: it was made once only (see `--twice`)".to_owned(),
        );
    }
    if outcome.is_explained() {
        gap(
            "difference-not-reproduced",
            "that the publisher's toolchain would give the published bytes: the differing values were explained, not rebuilt"
                .to_owned(),
        );
    }
    if !evidence.observations.is_empty() {
        let n = evidence.observations.len();
        gap(
            "observations-assumed",
            format!(
                "that {n} {} read from the published artifact and replayed {} right",
                if n == 1 { "value" } else { "values" },
                if n == 1 { "is" } else { "are" },
            ),
        );
    }
    let options = evidence.environment.build.as_ref().and_then(|b| b.env.get("DEB_BUILD_OPTIONS"));
    if compared && options.is_some_and(|o| o.split_whitespace().any(|w| w == "nocheck")) {
        gap(
            "tests-not-run",
            "that the software passes its own tests: they were not run (`nocheck`)".to_owned(),
        );
    }
    for pair in &evidence.artifacts {
        if let Some(why) = &pair.unsourced {
            gap(
                "member-not-rebuilt",
                format!(
                    "where `{}` ({}) comes from: {why}",
                    pair.member.as_deref().unwrap_or(pair.name.as_str()),
                    pair.published.digest
                ),
            );
        }
        for stop in &pair.limits {
            gap(
                "comparison-not-complete",
                format!(
                    "every difference in `{}`: the comparison stopped at `{}` ({})",
                    pair.name, stop.path, stop.cause
                ),
            );
        }
    }
    gaps.sort();
    gaps.dedup();
    gaps
}
