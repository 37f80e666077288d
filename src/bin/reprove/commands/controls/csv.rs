//! The model as a table.

use super::super::releases::csv;
use super::Shown;

const HEAD: [&str; 13] = [
    "component",
    "version",
    "id",
    "part",
    "kind",
    "severity",
    "state",
    "verdict",
    "strength",
    "text",
    "because",
    "deployment",
    "waiver",
];

/// A table with one line for each control and component.
pub(super) fn table(all: &[Shown]) -> String {
    let rows = all.iter().flat_map(|shown| shown.held.rows.iter().map(move |row| (shown, row)));
    csv(
        HEAD,
        rows.map(|(shown, row)| {
            let waiver = shown.held.waiver_of(&row.id).map(|w| w.term.sentence()).unwrap_or_default();
            [
                shown.component.as_str(),
                shown.version.as_deref().unwrap_or_default(),
                &row.id,
                &row.part,
                row.kind.word(),
                row.severity.word(),
                row.state.words(),
                row.verdict().word(),
                row.strength.word(),
                &row.text,
                &row.reason,
                row.deployment.as_ref().map_or("", |d| d.verdict.word()),
                &waiver,
            ]
            .map(str::to_owned)
        }),
    )
}
