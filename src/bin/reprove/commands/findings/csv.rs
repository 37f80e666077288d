//! The register as a table.

use super::super::releases::csv;
use super::Shown;

const HEAD: [&str; 13] = [
    "component",
    "version",
    "audit",
    "id",
    "severity",
    "title",
    "standing",
    "strength",
    "since",
    "people_say",
    "who",
    "why",
    "because",
];

/// A table with one line for each finding and component.
pub(super) fn table(all: &[Shown]) -> String {
    let rows = all.iter().flat_map(|shown| shown.held.rows.iter().map(move |row| (shown, row)));
    csv(
        HEAD,
        rows.map(|(shown, row)| {
            let claim = row.claim.as_ref();
            [
                shown.component.as_str(),
                shown.version.as_deref().unwrap_or_default(),
                &row.audit,
                &row.id,
                row.severity.word(),
                &row.title,
                row.standing.code(),
                row.strength.word(),
                &row.since,
                claim.map_or("", |c| c.state.word()),
                claim.map_or("", |c| &c.who),
                claim.map_or("", |c| &c.why),
                &row.because,
            ]
            .map(str::to_owned)
        }),
    )
}
