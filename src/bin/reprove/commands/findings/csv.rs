//! The register as RFC 4180 has tables.

use super::Shown;

const HEAD: &str =
    "component,version,audit,id,severity,title,standing,strength,since,people_say,who,why,because\r\n";

/// A table with one line for each finding and component.
pub(super) fn table(all: &[Shown]) -> String {
    let mut out = HEAD.to_owned();
    for shown in all {
        for row in &shown.findings.rows {
            let claim = row.claim.as_ref();
            let cells = [
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
            ];
            out.push_str(&cells.map(cell).join(","));
            out.push_str("\r\n");
        }
    }
    out
}

/// One cell. Spreadsheets take what begins with these signs for a formula and run it, so that it is kept
/// from them with an apostrophe (OWASP, CSV injection).
pub(in crate::commands) fn cell(text: &str) -> String {
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_no_formula_gets_through() {
        for (text, expected) in [
            ("a", "a"),
            ("a,b", "\"a,b\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
