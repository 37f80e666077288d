//! Findings on a terminal.

use std::fmt::Write as _;

use reprove::evaluate::evidence::Answered;
use reprove::evaluate::register::{Audit, Finding};
use reprove::evaluate::standing::Standing;
use reprove::report::findings::{FindingRow, Tested};

use super::super::releases::{Diff, heading};
use super::{Shown, Step};
use crate::render::printable;

fn paint(standing: Standing, colour: bool) -> String {
    let code = match standing.settles() {
        2.. => 32,
        _ if standing.fails() => 31,
        _ => 33,
    };
    match colour {
        true => format!("\u{1b}[{code}m{standing}\u{1b}[0m"),
        false => standing.to_string(),
    }
}

fn pad(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.chars().count()))
}

fn tested(out: &mut String, shown: &Shown) {
    let _ = match &shown.held.tested {
        Tested::Rebuilt { artifact, digest, identical: true } => {
            writeln!(out, "  tested our build of {artifact}, whose bytes are the published ones\n  {digest}")
        }
        Tested::Rebuilt { artifact, digest, .. } => {
            writeln!(out, "  tested our build of {artifact}; the published one has other bytes\n  {digest}")
        }
        Tested::Published { artifact, digest, reason } => {
            writeln!(out, "  tested the published {artifact} ({reason})\n  {digest}")
        }
        Tested::Nothing { reason } => writeln!(out, "  no program ran: {}", printable(reason)),
    };
}

/// One line for each finding.
pub(super) fn list(all: &[Shown], colour: bool) -> String {
    let mut out = String::new();
    for shown in all {
        let _ = writeln!(out, "{}", printable(&heading(shown)));
        tested(&mut out, shown);
        for row in &shown.held.rows {
            line(&mut out, row, colour);
        }
        let counts = shown.held.counts();
        let counts: Vec<String> = counts.iter().map(|(s, n)| format!("{n} {s}")).collect();
        let _ =
            writeln!(out, "  {}\n", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") });
    }
    out.push_str("hint: `reprove findings show ID` shows the evidence and how to run it again\n");
    out
}

fn line(out: &mut String, row: &FindingRow, colour: bool) {
    let said = row.claim.as_ref().map_or("nothing known", |c| c.state.word());
    let _ = writeln!(
        out,
        "  {}{} {}{} {}{} {}\n      people say: {said}; {}{}",
        paint(row.standing, colour),
        pad(row.standing.word(), 14),
        row.severity.word(),
        pad(row.severity.word(), 10),
        printable(&row.id),
        pad(&row.id, 11),
        printable(&row.title),
        row.strength.word(),
        if row.since.is_empty() { String::new() } else { format!("; since {}", printable(&row.since)) },
    );
}

/// One finding with everything.
pub(super) fn one(audit: &Audit, finding: &Finding, all: &[Shown], colour: bool) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} ({}): {}", finding.key, finding.severity, finding.title);
    let whose = if finding.id_is_the_reports { "" } else { "; the key is ours" };
    let _ = writeln!(out, "  {}, {}, page {}{whose}", audit.auditor, audit.title, finding.page);
    let _ = writeln!(out, "  report {} sha256:{}", audit.report.file, audit.report.sha256);
    let _ = writeln!(out, "  written down at {}\n\n  {}", finding.place, finding.summary);
    for (what, text) in [("asked for", &finding.asked_for), ("left over", &finding.left_over)] {
        if let Some(text) = text {
            let _ = writeln!(out, "  {what}: {text}");
        }
    }
    for claim in &finding.claims {
        let when = claim.when.map_or_else(String::new, |d| format!(", {d}"));
        let since = claim.since.as_ref().map_or_else(String::new, |s| format!(", from {s} on"));
        let of = claim.component.as_ref().map_or_else(String::new, |c| format!(" of {c}"));
        let _ = writeln!(out, "  {}{of}, says {}{when}{since}: {}", claim.state.word(), claim.who, claim.why);
        for link in &claim.links {
            let _ = writeln!(out, "      {link}");
        }
    }
    for thread in &finding.threads {
        let _ = writeln!(out, "  {}: {}", thread.link, thread.what);
    }
    for shown in all {
        let _ = writeln!(out, "\n{}", printable(&heading(shown)));
        tested(&mut out, shown);
        for row in &shown.held.rows {
            let _ = writeln!(out, "  {}: {}", paint(row.standing, colour), printable(&row.because));
            evidence(&mut out, row);
        }
    }
    out
}

fn evidence(out: &mut String, row: &FindingRow) {
    for e in &row.evidence {
        let required = if e.required { "required" } else { "beside" };
        let _ = writeln!(out, "\n  {} ({}, {required})", e.id, e.asserts.word());
        if let Some(why) = &e.why {
            let _ = writeln!(out, "    {}", printable(why));
        }
        let Some(answer) = &e.answer else {
            let _ = writeln!(out, "    not looked at");
            continue;
        };
        let indented = |text: &str| text.lines().map(printable).collect::<Vec<_>>().join("\n              ");
        let _ = writeln!(out, "    asked     {}", indented(&answer.request));
        let _ = writeln!(out, "    expected  {}", indented(&answer.expected));
        let _ = writeln!(out, "    found     {}", indented(&answer.found));
        if let Some(counter) = &answer.counter_example {
            let _ =
                writeln!(out, "    must fail at {}: {}", printable(&counter.at), printable(&counter.found));
        }
        let strength = match &answer.answered {
            Answered::CouldNotTell { .. } => String::new(),
            _ => format!(", {}", answer.strength().word()),
        };
        let _ = writeln!(out, "    {}{strength}", answer.answered.word());
        if !answer.again.is_empty() {
            let _ = writeln!(out, "    again     {}", indented(&answer.again));
        }
    }
}

/// What is not as it was.
pub(super) fn diff(diff: &Diff<Step>) -> String {
    let mut out = format!("{} -> {}\n", printable(&diff.before), printable(&diff.after));
    if diff.steps.is_empty() {
        out.push_str("  every standing and every answer is the same\n");
    }
    for step in &diff.steps {
        let _ = writeln!(
            out,
            "  {} {} ({}): {} -> {}\n      {}\n      {}",
            step.component,
            step.id,
            step.severity,
            step.before,
            step.after,
            printable(&step.title),
            printable(&step.because)
        );
        for (id, then, now) in &step.checks {
            let _ = writeln!(out, "      {id}: {then} -> {now}");
        }
    }
    out
}
