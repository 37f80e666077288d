//! OpenVEX 0.2.0: findings with an impact on the product, by the auditor's own ids. Recommendations are no
//! vulnerabilities and are left out, as are controls.

use serde_json::{Value, json};

use super::items::{self, Item, Kind};
use super::{time, uuid};
use crate::report::file::{Component, Report};

/// The report as an OpenVEX document.
pub fn document(report: &Report) -> Value {
    let mut statements = Vec::new();
    for component in report.components() {
        let found = component.findings().into_iter().flat_map(|f| &f.rows);
        for (item, row) in items::of(component)
            .iter()
            .filter(|i| i.kind != Kind::Rebuild && i.kind != Kind::Control)
            .zip(found)
        {
            if item.kind == Kind::Finding {
                statements.push(statement(report, component, item, row));
            }
        }
    }
    let keys: Vec<&str> = report.components().iter().map(|c| c.evidence().release.purl.as_str()).collect();
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": format!("https://reprove.dev/vex/{}", uuid(&format!("vex/{}", keys.join(",")))),
        "author": format!("{} {} (a program)", report.tool().name, report.tool().version),
        // Left to the author by the specification, and taken for granted by some who read it.
        "role": "verifier of published releases",
        "timestamp": time(report),
        "version": 1,
        "statements": statements,
    })
}

fn statement(
    report: &Report,
    component: &Component,
    item: &Item<'_>,
    row: &crate::report::findings::FindingRow,
) -> Value {
    use crate::evaluate::standing::Standing;
    let (status, extra) = match row.standing {
        Standing::Fixed => ("fixed", None),
        Standing::Unproven => ("under_investigation", None),
        Standing::NotApplicable => ("not_affected", Some(("impact_statement", item.because.clone()))),
        Standing::Mitigated => {
            ("affected", Some(("action_statement", format!("keep the mitigation: {}", item.because))))
        }
        _ => {
            let text = row.left_over.clone().unwrap_or_else(|| item.because.clone());
            ("affected", Some(("action_statement", format!("no fix is shown in this release: {text}"))))
        }
    };
    let mut statement = json!({
        "vulnerability": { "name": row.id, "description": row.title },
        "products": [{ "@id": component.evidence().release.purl }],
        "status": status,
        "status_notes": format!("{}: {} ({})", item.state, item.because, row.strength.word()),
        "timestamp": time(report),
    });
    if let (Some((name, text)), Some(members)) = (extra, statement.as_object_mut()) {
        members.insert(name.to_owned(), text.into());
    }
    statement
}
