//! The answers for people: what failed first, expected against found, what to do next.

use std::fmt::Write as _;

use reprove::verdict::Verdict;
use reprove::verify::{ArtifactAnswer, AttestationAnswer, Check, Finding};

use super::unread::Unread;

/// The whole result; the verdict's word comes last.
pub(super) fn report(
    answers: &[ArtifactAnswer],
    unread: &[Unread],
    verdict: Verdict,
    verbose: bool,
) -> String {
    let mut out = String::new();
    for answer in answers {
        artifact(&mut out, answer, verbose);
    }
    let verdicts: Vec<_> = answers.iter().map(|answer| answer.verdict).collect();
    let not_checked = answers.first().map(|answer| answer.not_checked.join("; "));
    out.push_str(&end(&verdicts, unread, not_checked.as_deref(), verdict));
    out
}

/// The last lines.
pub(super) fn end(
    verdicts: &[Verdict],
    unread: &[Unread],
    not_checked: Option<&str>,
    verdict: Verdict,
) -> String {
    let mut out = String::new();
    unread.iter().for_each(|one| one.lines(&mut out));
    let count = |verdict: Verdict| verdicts.iter().filter(|v| **v == verdict).count();
    if verdicts.len() > 1 {
        let _ = writeln!(
            out,
            "{} artifacts: {} pass, {} inconclusive, {} fail",
            verdicts.len(),
            count(Verdict::Pass),
            count(Verdict::Inconclusive),
            count(Verdict::Fail)
        );
    }
    if !unread.is_empty() {
        let _ =
            writeln!(out, "{} files could not be read: nothing is said by them or about them", unread.len());
    }
    if let Some(not_checked) = not_checked {
        let _ = writeln!(out, "not checked: {not_checked}");
    }
    let _ = writeln!(out, "{verdict}");
    out
}

pub(super) fn artifact(out: &mut String, answer: &ArtifactAnswer, verbose: bool) {
    let _ = writeln!(out, "{}", line(&answer.artifact));
    let digests = answer.digests.iter().flat_map(|set| set.iter()).map(ToString::to_string);
    for digest in digests.filter(|digest| *digest != answer.artifact) {
        let _ = writeln!(out, "  {digest}");
    }
    for check in &answer.checks {
        self::check(out, check);
    }
    for attestation in &answer.attestations {
        self::attestation(out, attestation, verbose);
    }
    out.push('\n');
}

fn attestation(out: &mut String, answer: &AttestationAnswer, verbose: bool) {
    let format = serde_json::to_value(answer.format).ok();
    let format = format.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    let _ = writeln!(out, "\n  {}  ({format})", line(&answer.source));
    match answer.signers.as_slice() {
        [] => out.push_str("    signed by    nobody that could be verified\n"),
        signers => signers.iter().for_each(|signer| {
            let _ = writeln!(out, "    signed by    {}", line(&signer.to_string()));
        }),
    }
    let bad = |check: &Check| !matches!(check.verdict(), None | Some(Verdict::Pass));
    // What stands in the way first, then the rest.
    for check in answer.checks.iter().filter(|check| bad(check)) {
        self::check(out, check);
    }
    for check in answer.checks.iter().filter(|check| !bad(check)) {
        self::check(out, check);
    }
    if let Some(value) = &answer.statement {
        if verbose || answer.verdict != Verdict::Pass {
            let text = serde_json::to_string_pretty(value).unwrap_or_default();
            out.push_str("    statement\n");
            for line in text.lines() {
                let _ = writeln!(out, "      {line}");
            }
        } else {
            let field = |name: &str| value.get(name).and_then(serde_json::Value::as_str).unwrap_or("none");
            let subjects = value.get("subject").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
            let _ = writeln!(out, "    statement    {}, {subjects} subjects", line(field("predicateType")));
        }
    }
    // What it was, once more where the eye ends up: a statement may stand between.
    let mut codes: Vec<&str> = answer.checks.iter().filter(|c| bad(c)).map(|c| c.code).collect();
    codes.dedup();
    let why = if codes.is_empty() { String::new() } else { format!(": {}", codes.join(", ")) };
    let _ = writeln!(out, "    {}{why}", answer.verdict);
}

/// One line of a document's own words: a line break in a claim must not begin a line of ours.
pub(super) fn line(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

fn check(out: &mut String, check: &Check) {
    let from = check.from.as_deref().map(|from| format!("  ({})", line(from))).unwrap_or_default();
    let _ = write!(out, "    {:<12} {}", check.finding.word(), check.code);
    if matches!(check.finding, Finding::Established | Finding::Noted) {
        if let Some(found) = &check.found {
            let _ = write!(out, "  {}", line(found));
        }
        let _ = writeln!(out, "{from}");
        return;
    }
    out.push('\n');
    for (name, value) in [("expected", &check.expected), ("found", &check.found)] {
        if let Some(value) = value {
            let from = if name == "found" { from.as_str() } else { "" };
            let _ = writeln!(out, "      {name:<10} {}{from}", line(value));
        }
    }
    if let Some(next) = &check.next_step {
        let _ = writeln!(out, "      next       {next}");
    }
    let _ = writeln!(out, "      more       reprove explain {}", check.code);
}
