//! The model as RFC 4180 has tables.

use super::Shown;
use crate::commands::findings::csv::cell;

const HEAD: &str =
    "component,version,id,part,kind,severity,state,verdict,strength,text,because,deployment,waiver\r\n";

/// A table with one line for each control and component.
pub(super) fn table(all: &[Shown]) -> String {
    let mut out = HEAD.to_owned();
    for shown in all {
        for row in &shown.controls.rows {
            let waiver = shown.controls.waiver_of(&row.id).map(|w| w.term.sentence()).unwrap_or_default();
            let cells = [
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
            ];
            out.push_str(&cells.map(cell).join(","));
            out.push_str("\r\n");
        }
    }
    out
}
