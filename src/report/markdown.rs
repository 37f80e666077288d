//! The report as Markdown, for a pull request or a release vote.

use std::fmt::Write as _;

use super::LIMITS;
use super::classify::{Class, artifact_word};
use super::controls::Controls;
use super::file::{Component, Report};
use super::findings::Findings;
use super::model::{ArtifactPair, Bytes};
use super::shown::{bytes, line};
use super::summary;
use crate::compare::Difference;
use crate::limits::report::ReportLimits;

/// Renders the whole report.
pub fn render(report: &Report, limits: &ReportLimits) -> String {
    let mut out = String::from("# Audit report\n\n");
    let _ = writeln!(out, "**{}**\n", report.verdict());
    if report.components().len() > 1 {
        out.push_str("| release | channel | outcome | verdict |\n| --- | --- | --- | --- |\n");
        for component in report.components() {
            let release = &component.evidence().release;
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                code(&release.key(), 200),
                plain(&release.channel, 200),
                component.outcome(),
                component.verdict()
            );
        }
        out.push('\n');
    }
    for component in report.components() {
        render_component(&mut out, component, limits);
    }
    out.push_str("## What even identical bytes do not prove\n\n");
    for limit in LIMITS {
        let _ = writeln!(out, "- {limit}");
    }
    let _ =
        writeln!(out, "\n{} {}, schema `{}`", report.tool().name, report.tool().version, super::SCHEMA_ID);
    out
}

fn render_component(out: &mut String, component: &Component, limits: &ReportLimits) {
    let chars_max = limits.value_chars_max;
    let (evidence, judgement) = (component.evidence(), component.judgement());
    let release = &evidence.release;
    let _ = writeln!(out, "## {} {}\n", plain(&release.component, 200), plain(&release.version, 200));
    let _ = writeln!(
        out,
        "**{}: {}.** {}\n",
        component.outcome(),
        component.verdict(),
        plain(&judgement.why, chars_max)
    );
    let _ = writeln!(out, "{}\n", code(&release.purl, chars_max));
    out.push_str("| stage | result | detail |\n| --- | --- | --- |\n");
    for row in summary::rows(component, chars_max) {
        let _ = writeln!(out, "| {} | {} | {} |", row.label, row.word, plain(&row.detail, chars_max));
    }
    out.push('\n');
    if !judgement.blocks.is_empty() {
        out.push_str("### What stands between this and a pass\n\n| code | on | expected | found | next step |\n| --- | --- | --- | --- | --- |\n");
        for block in &judgement.blocks {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                code(&block.code, 200),
                code(&block.subject, chars_max),
                plain(&block.expected, chars_max),
                plain(&block.found, chars_max),
                plain(&block.next, chars_max)
            );
        }
        out.push('\n');
    }
    if !evidence.checks.is_empty() {
        out.push_str("### Checks of the release\n\n| check | on | finding | expected | found |\n| --- | --- | --- | --- | --- |\n");
        for check in evidence.checks.iter().take(limits.inputs_max) {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                code(&check.code, 200),
                plain(&check.subject, chars_max),
                check.finding,
                plain(&check.expected, chars_max),
                plain(&check.found, chars_max)
            );
        }
        out.push('\n');
    }
    if let Some(found) = component.findings() {
        render_findings(out, found, limits);
    }
    if let Some(held) = component.controls() {
        render_controls(out, held, limits);
    }
    out.push_str("### Artifacts\n\n");
    for pair in &evidence.artifacts {
        render_artifact(out, pair, component.outcome().is_compared(), limits);
    }
    for built in &evidence.unpublished {
        let _ = writeln!(out, "{}: **not compared**\n", code(&built.label(), chars_max));
        render_side(out, "rebuilt", &built.rebuilt);
        if let Some(again) = &built.rebuilt_again {
            render_side(out, "rebuilt again", again);
        }
        out.push('\n');
    }
    for archive in &evidence.containers {
        let _ = writeln!(out, "{}: the archive itself\n", code(archive.name.as_str(), chars_max));
        render_side(out, "published", &archive.published);
        out.push('\n');
        render_differences(out, &archive.differences, limits);
    }
    if !evidence.observations.is_empty() {
        out.push_str("### Assumed: read from the published artifact and replayed\n\n");
        for o in &evidence.observations {
            let _ = writeln!(
                out,
                "- {}: {} (from {}; {})",
                code(&o.name, 200),
                code(&o.value, chars_max),
                code(&o.read_from, chars_max),
                plain(&o.effect, chars_max)
            );
        }
        out.push('\n');
    }
    if !judgement.not_established.is_empty() {
        out.push_str("### Not established\n\n");
        for gap in &judgement.not_established {
            let _ = writeln!(out, "- {}", plain(&gap.text, chars_max));
        }
        out.push('\n');
    }
    if !evidence.again.is_empty() {
        out.push_str("### Do it again\n\n");
        for command in &evidence.again {
            let _ = writeln!(out, "    {}", line(command, chars_max));
        }
        out.push('\n');
    }
}

/// The register as a table; its evidence is in the page and in the JSON.
pub fn render_findings(out: &mut String, found: &Findings, limits: &ReportLimits) {
    let chars_max = limits.value_chars_max;
    let _ = writeln!(out, "### Findings of external audits\n\n{}\n", super::html::findings::counts(found));
    if !found.rows.is_empty() {
        out.push_str("| standing | severity | finding | title | people say | how we know | since | why |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    }
    for row in found.rows.iter().take(limits.inputs_max) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.standing,
            row.severity,
            code(&row.id, 200),
            plain(&row.title, chars_max),
            row.claim.as_ref().map_or("nothing known", |c| c.state.word()),
            row.strength.word(),
            plain(&row.since, 200),
            plain(&row.because, chars_max),
        );
    }
    if !found.not_looked.is_empty() {
        out.push_str("\nNot looked at:\n\n");
        for gap in found.not_looked.iter().take(limits.inputs_max) {
            let _ = writeln!(out, "- {}", plain(&gap.text, chars_max));
        }
    }
    out.push('\n');
}

/// The security model as a table, with the policy's decision and the waivers; the checks are in the page
/// and in the JSON.
pub fn render_controls(out: &mut String, held: &Controls, limits: &ReportLimits) {
    let chars_max = limits.value_chars_max;
    let _ = writeln!(out, "### Controls of the security model\n\n{}\n", held.tally().line());
    if let Some(decision) = &held.decision {
        let _ = writeln!(out, "The policy {} decides: {}\n", code(&decision.policy, 200), decision.verdict);
        for (name, all) in
            [("denied", &decision.deny), ("unsettled", &decision.unsettled), ("told", &decision.warn)]
        {
            for said in all.iter().take(limits.inputs_max) {
                let message = plain(&said.message, chars_max);
                let _ = writeln!(out, "- {name}: {} {message} ({})", code(&said.subject, 200), said.code);
            }
        }
        out.push('\n');
    }
    if !held.rows.is_empty() {
        out.push_str("| state | severity | control | kind | text | how we know | why |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    }
    for row in held.rows.iter().take(limits.inputs_max) {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.state.words(),
            row.severity.word(),
            code(&row.id, 200),
            row.kind.word(),
            plain(&row.text, chars_max),
            row.strength.word(),
            plain(&row.reason, chars_max),
        );
    }
    if !held.waivers.is_empty() || !held.unknown_waivers.is_empty() {
        out.push_str("\nWaivers:\n\n");
    }
    for shown in &held.waivers {
        let unused = if shown.used { "" } else { "; it excuses nothing here" };
        let w = &shown.waiver;
        let (id, about, owner) = (code(&w.id, 200), plain(&w.about.to_string(), 200), plain(&w.owner, 200));
        let _ = writeln!(out, "- {id}, {about}, owner {owner}: {}{unused}", shown.term.sentence());
    }
    for id in &held.unknown_waivers {
        let _ = writeln!(out, "- {} is about nothing that is known", code(id, 200));
    }
    if !held.not_looked.is_empty() {
        out.push_str("\nNot looked at:\n\n");
        for gap in held.not_looked.iter().take(limits.inputs_max) {
            let _ = writeln!(out, "- {}", plain(&gap.text, chars_max));
        }
    }
    out.push('\n');
}

fn render_artifact(out: &mut String, pair: &ArtifactPair, compared: bool, limits: &ReportLimits) {
    let chars_max = limits.value_chars_max;
    let (word, _) = artifact_word(pair, compared);
    let _ = writeln!(out, "{}: **{word}**\n", code(&pair.label(), chars_max));
    render_side(out, "published", &pair.published);
    if let (Some(why), None) = (&pair.unsourced, &pair.rebuilt) {
        let _ = writeln!(out, "- {}", plain(why, chars_max));
    }
    for (what, side) in [("rebuilt", &pair.rebuilt), ("rebuilt again", &pair.rebuilt_again)] {
        if let Some(side) = side {
            render_side(out, what, side);
        }
    }
    out.push('\n');
    render_differences(out, &pair.differences, limits);
    for stop in &pair.limits {
        let _ =
            writeln!(out, "- stopped at {}: {}", code(&stop.path, chars_max), plain(&stop.detail, chars_max));
    }
}

fn render_side(out: &mut String, what: &str, side: &Bytes) {
    let _ = writeln!(out, "- {what} {}, {}", code(&side.digest.to_string(), 200), bytes(side.len_bytes));
}

fn render_differences(out: &mut String, all: &[Difference], limits: &ReportLimits) {
    let chars_max = limits.value_chars_max;
    if !all.is_empty() {
        out.push_str("| where | what | cause | bytes | published | rebuilt |\n| --- | --- | --- | ---: | --- | --- |\n");
        for d in all.iter().take(limits.differences_max) {
            let value = |v: &Option<String>| v.as_ref().map(|v| code(v, 120)).unwrap_or_default();
            let place = d.field.as_ref().map_or_else(|| d.path.clone(), |f| format!("{} [{f}]", d.path));
            let _ = writeln!(
                out,
                "| {} | {} | `{}` | {} | {} | {} |",
                code(&place, chars_max),
                Class::of(d).word(),
                d.cause,
                d.bytes.map(|n| n.to_string()).unwrap_or_default(),
                value(&d.a),
                value(&d.b)
            );
        }
        let left = all.len().saturating_sub(limits.differences_max);
        if left > 0 {
            let _ = writeln!(out, "\n{left} more differences are in the JSON.");
        }
        out.push('\n');
    }
}

/// Text of which nothing is taken for markup.
fn plain(text: &str, chars_max: usize) -> String {
    let mut out = String::new();
    for c in line(text, chars_max).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => {
                out.push('\\');
                out.push(c);
            }
            // Mentions and bare addresses become links on some sites.
            '@' => out.push_str("&#64;"),
            c => out.push(c),
        }
    }
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// A code span; text that could end one, or a table's cell, is escaped as text instead.
fn code(text: &str, chars_max: usize) -> String {
    if text.is_empty() {
        "(empty)".to_owned()
    } else if text.contains(['`', '<', '|', '&']) {
        plain(text, chars_max)
    } else {
        format!("`{}`", line(text, chars_max))
    }
}
