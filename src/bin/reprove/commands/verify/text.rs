//! The answers for people: what failed first, expected against found, what to do next.

use std::fmt::Write as _;

use reprove::verdict::Verdict;
use reprove::verify::{ArtifactAnswer, AttestationAnswer, Check, Finding};

/// The whole result; the verdict's word comes last.
pub(super) fn report(answers: &[ArtifactAnswer], verdict: Verdict, verbose: bool) -> String {
    let mut out = String::new();
    for answer in answers {
        artifact(&mut out, answer, verbose);
    }
    let count = |verdict: Verdict| answers.iter().filter(|a| a.verdict == verdict).count();
    if answers.len() > 1 {
        let _ = writeln!(
            out,
            "{} artifacts: {} pass, {} inconclusive, {} fail",
            answers.len(),
            count(Verdict::Pass),
            count(Verdict::Inconclusive),
            count(Verdict::Fail)
        );
    }
    if let Some(answer) = answers.first() {
        let _ = writeln!(out, "not checked: {}", answer.not_checked.join("; "));
    }
    let _ = writeln!(out, "{verdict}");
    out
}

fn artifact(out: &mut String, answer: &ArtifactAnswer, verbose: bool) {
    let _ = writeln!(out, "{}", answer.artifact);
    for digest in answer.digests.iter().flat_map(|set| set.iter()) {
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
    let _ = writeln!(out, "\n  {}  ({format})", answer.source);
    match answer.signers.as_slice() {
        [] => out.push_str("    signed by    nobody that could be verified\n"),
        signers => signers.iter().for_each(|signer| {
            let _ = writeln!(out, "    signed by    {signer}");
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
            let _ = writeln!(out, "    statement    {}, {subjects} subjects", field("predicateType"));
        }
    }
    let _ = writeln!(out, "    {}", answer.verdict);
}

fn check(out: &mut String, check: &Check) {
    let from = check.from.as_deref().map(|from| format!("  ({from})")).unwrap_or_default();
    let _ = write!(out, "    {:<12} {}", check.finding.word(), check.code);
    if matches!(check.finding, Finding::Established | Finding::Noted) {
        if let Some(found) = &check.found {
            let _ = write!(out, "  {found}");
        }
        let _ = writeln!(out, "{from}");
        return;
    }
    out.push('\n');
    for (name, value) in [("expected", &check.expected), ("found", &check.found)] {
        if let Some(value) = value {
            let from = if name == "found" { from.as_str() } else { "" };
            let _ = writeln!(out, "      {name:<10} {value}{from}");
        }
    }
    if let Some(next) = &check.next_step {
        let _ = writeln!(out, "      next       {next}");
    }
    let _ = writeln!(out, "      more       reprove explain {}", check.code);
}
