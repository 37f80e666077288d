//! SARIF 2.1.0 (OASIS): one run for each release; results of every kind, not of failures alone, so that a
//! reader sees what was looked at.

use serde_json::{Value, json};

use super::items::{self, Item, Kind, Showing};
use crate::digest::Digest;
use crate::report::file::{Component, Report};

/// Where the schema is published.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The report as SARIF.
pub fn document(report: &Report) -> Value {
    let runs: Vec<Value> = report.components().iter().map(|c| run(report, c)).collect();
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": runs })
}

fn run(report: &Report, component: &Component) -> Value {
    let release = &component.evidence().release;
    let items = items::of(component);
    let rules: Vec<Value> = items.iter().map(rule).collect();
    let results: Vec<Value> =
        items.iter().enumerate().map(|(index, item)| result(&release.purl, index, item)).collect();
    json!({
        "tool": { "driver": {
            "name": report.tool().name,
            "version": report.tool().version,
            "rules": rules,
        } },
        "automationDetails": { "id": format!("reprove/{}/{}", release.component, release.version) },
        "columnKind": "unicodeCodePoints",
        "properties": { "purl": release.purl, "verdict": component.verdict().word() },
        "results": results,
    })
}

/// `security-severity`, a number from which viewers make words; the middle of each of CVSS' ranges.
fn number(severity: Option<&str>) -> &'static str {
    match severity {
        Some("critical") => "9.5",
        Some("high") => "8.0",
        Some("medium") => "5.5",
        Some("low") => "2.0",
        _ => "0.0",
    }
}

fn level(severity: Option<&str>) -> &'static str {
    match severity {
        Some("critical" | "high") => "error",
        Some("medium") => "warning",
        _ => "note",
    }
}

fn rule(item: &Item<'_>) -> Value {
    let tag = match item.kind {
        Kind::Rebuild => "rebuild",
        Kind::Finding => "audit-finding",
        Kind::Recommendation => "audit-recommendation",
        Kind::Control => "security-model",
    };
    json!({
        "id": item.id,
        "shortDescription": { "text": item.title },
        "fullDescription": { "text": item.text },
        "defaultConfiguration": { "level": level(item.severity) },
        "properties": { "tags": ["security", tag], "security-severity": number(item.severity) },
    })
}

fn result(purl: &str, index: usize, item: &Item<'_>) -> Value {
    // A level other than `none` stands with failures alone (3.27.10).
    let (kind, level) = match item.showing {
        Showing::Good => ("pass", "none"),
        Showing::Bad => ("fail", level(item.severity)),
        Showing::Told => ("informational", "none"),
        Showing::Unknown => ("review", "none"),
        Showing::Elsewhere => ("notApplicable", "none"),
    };
    let print = Digest::sha256(format!("{purl}\n{}", item.id).as_bytes()).to_string();
    let mut result = json!({
        "ruleId": item.id,
        "ruleIndex": index,
        "kind": kind,
        "level": level,
        "message": { "text": format!("{}: {}", item.state, item.because) },
        "locations": [{ "logicalLocations": [{ "fullyQualifiedName": purl, "kind": "module" }] }],
        "partialFingerprints": { "reproveSubjectAndRule/v1": print },
        "properties": { "checks": item.answers.iter().map(|a| json!({
            "id": a.id,
            "kind": a.kind,
            "answer": a.answered.word(),
            "strength": a.strength().word(),
        })).collect::<Vec<_>>() },
    });
    let excused = item.waiver.filter(|_| item.showing == Showing::Bad);
    if let (Some(shown), Some(members)) = (excused, result.as_object_mut()) {
        let w = &shown.waiver;
        let text = format!("{}; until {}, owner {}, allowed by {}", w.reason, w.until, w.owner, w.approver);
        members.insert(
            "suppressions".to_owned(),
            json!([{ "kind": "external", "status": "accepted", "justification": text }]),
        );
    }
    result
}
