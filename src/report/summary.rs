//! What every renderer says first: one row for each stage, with its word.

use super::classify::vouches;
use super::file::Component;
use super::model::{BuildResult, Evidence, FileState, IndexKind, Outcome, SourceSignature};
use super::shown::{count, line};
use super::words::Words;
use crate::verdict::Verdict;

/// One stage's word with a few details. Text in it is bounded and holds nothing active, but is not
/// escaped for any format.
pub(super) struct Row {
    pub(super) label: &'static str,
    pub(super) word: &'static str,
    pub(super) verdict: Verdict,
    pub(super) detail: String,
}

/// Source, environment, rebuild, comparison, signatures.
pub(super) fn rows(component: &Component, chars_max: usize) -> [Row; 5] {
    let evidence = component.evidence();
    [
        source(evidence, chars_max),
        environment(evidence),
        rebuild(evidence, chars_max),
        comparison(component),
        signatures(evidence, chars_max),
    ]
}

pub(super) fn source(evidence: &Evidence, chars_max: usize) -> Row {
    let files = &evidence.source.files;
    let with = |state| files.iter().filter(|f| f.state == state).count();
    let (missing, other, unseen) =
        (with(FileState::Missing), with(FileState::Mismatched), with(FileState::NotLooked));
    let vouched = !evidence.indexes.is_empty() && evidence.indexes.iter().all(vouches);
    let signed = evidence.indexes.iter().any(|i| i.kind == IndexKind::Signed);
    let (word, verdict) = if files.is_empty() || missing + other > 0 {
        ("unavailable", Verdict::Inconclusive)
    } else if unseen > 0 {
        ("not obtained", Verdict::Inconclusive)
    } else if vouched {
        (if signed { "authenticated" } else { "as locked" }, Verdict::Pass)
    } else {
        ("not vouched for", Verdict::Inconclusive)
    };
    let name = line(&format!("{} {}", evidence.source.package, evidence.source.version), chars_max);
    let mut detail = format!("{name}, {}", count(files.len(), "file", "files"));
    for (n, what) in [(missing, "missing"), (other, "with other bytes"), (unseen, "not looked for")] {
        if n > 0 {
            detail.push_str(&format!(", {n} {what}"));
        }
    }
    Row { label: "source", word, verdict, detail }
}

pub(super) fn environment(evidence: &Evidence) -> Row {
    let environment = &evidence.environment;
    let words = Words::of(&evidence.release.purl);
    let packages = count(environment.packages.len(), words.inputs.0, words.inputs.1);
    let (word, verdict, detail) = if environment.lock.is_none() {
        ("not resolved", Verdict::Inconclusive, "no lock".to_owned())
    } else if environment.missing.is_empty() {
        ("locked", Verdict::Pass, format!("{packages}, each by digest"))
    } else {
        (
            "unavailable",
            Verdict::Inconclusive,
            format!("{} of {packages} no longer offered", environment.missing.len()),
        )
    };
    Row { label: "environment", word, verdict, detail }
}

pub(super) fn rebuild(evidence: &Evidence, chars_max: usize) -> Row {
    let (word, verdict, detail) = match &evidence.rebuild.result {
        BuildResult::Completed {} if evidence.rebuild.varied.is_empty() => (
            "completed",
            Verdict::Pass,
            match evidence.rebuild.isolation.len() {
                0 => "once".to_owned(),
                n => format!("once, sealed in {n} ways (the report lists them)"),
            },
        ),
        BuildResult::Completed {} => (
            "completed",
            Verdict::Pass,
            line(&format!("twice, varied: {}", evidence.rebuild.varied.join(", ")), chars_max),
        ),
        BuildResult::NotAttempted { reason } => {
            ("not attempted", Verdict::Inconclusive, line(reason, chars_max))
        }
        BuildResult::StepFailed { step, command, status } => (
            "failed",
            Verdict::Inconclusive,
            line(
                &match status {
                    Some(status) => format!("command {step}, `{command}`, status {status}"),
                    None => format!("command {step}, `{command}`, ended by a signal"),
                },
                chars_max,
            ),
        ),
        BuildResult::LimitReached { limit } => ("stopped", Verdict::Inconclusive, line(limit, chars_max)),
    };
    Row { label: "rebuild", word, verdict, detail }
}

pub(super) fn comparison(component: &Component) -> Row {
    let (pairs, alone) = (&component.evidence().artifacts, &component.evidence().unpublished);
    let outcome = component.outcome();
    let compared = outcome.is_compared();
    let detail = if compared {
        let identical = pairs.iter().filter(|p| super::artifact_outcome(p) == Outcome::Identical).count();
        format!("{identical} of {} identical byte for byte", count(pairs.len(), "artifact", "artifacts"))
    } else {
        format!("{} not compared", count(pairs.len() + alone.len(), "artifact", "artifacts"))
    };
    let word = if compared { outcome.word() } else { "not made" };
    Row { label: "comparison", word, verdict: outcome.verdict(), detail }
}

pub(super) fn signatures(evidence: &Evidence, chars_max: usize) -> Row {
    let vouched = evidence.indexes.iter().filter(|i| !i.signed_by.is_empty()).count();
    let indexes = format!("index: {vouched} of {} verified", evidence.indexes.len());
    let (word, verdict, who) = match &evidence.source.signature {
        SourceSignature::Verified { by } => {
            let names: Vec<_> = by.iter().map(|s| s.name.as_deref().unwrap_or(&s.fingerprint)).collect();
            ("verified", Verdict::Pass, format!("source: by {}", names.join(", ")))
        }
        SourceSignature::KeyNotKnown { keys } => {
            ("key not known", Verdict::Inconclusive, format!("source: no key for {}", keys.join(", ")))
        }
        SourceSignature::NotRelied { reason } => {
            ("not relied on", Verdict::Inconclusive, format!("source: {reason}"))
        }
        SourceSignature::Refuted { reason } => ("refuted", Verdict::Fail, format!("source: {reason}")),
        SourceSignature::NotOffered { .. } => {
            ("verified", Verdict::Pass, "source: none is offered".to_owned())
        }
        SourceSignature::Absent {} => ("absent", Verdict::Inconclusive, "source: no signature".to_owned()),
        SourceSignature::NotChecked { reason } => {
            ("not checked", Verdict::Inconclusive, format!("source: {reason}"))
        }
    };
    let signed = evidence.indexes.iter().any(|i| i.kind == IndexKind::Signed);
    let word = if !evidence.indexes.is_empty() && !signed && word == "verified" {
        "as locked"
    } else if evidence.indexes.is_empty() || !evidence.indexes.iter().all(vouches) {
        if word == "refuted" { word } else { "not vouched for" }
    } else {
        word
    };
    let verdict = if word == "not vouched for" { verdict.min(Verdict::Inconclusive) } else { verdict };
    Row { label: "signatures", word, verdict, detail: line(&format!("{indexes}; {who}"), chars_max) }
}
