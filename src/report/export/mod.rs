//! The report in the formats of others: SARIF 2.1.0, OSCAL 1.2.1 (assessment results, plan of action and
//! milestones) and OpenVEX 0.2.0.
//!
//! They are views. What a format cannot say is left out of it and stays in the report's own JSON: none of
//! them knows three answers, so that what was not established is *review* (SARIF), *not satisfied* for
//! another reason than a failure (OSCAL) and *under investigation* (OpenVEX), never a pass.
//!
//! The same report gives the same bytes: identifiers are UUIDs of version 5 (RFC 9562) of stable names, and
//! the only time is the day of judgement.

mod items;
pub mod openvex;
pub mod oscal;
pub mod sarif;

use uuid::Uuid;

use super::file::Report;

/// A format that the report can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Static Analysis Results Interchange Format 2.1.0.
    Sarif,
    /// OSCAL assessment results 1.2.1.
    OscalAssessmentResults,
    /// OSCAL plan of action and milestones 1.2.1.
    OscalPoam,
    /// OpenVEX 0.2.0.
    OpenVex,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sarif, Self::OscalAssessmentResults, Self::OscalPoam, Self::OpenVex];

    /// Its name on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::OscalAssessmentResults => "oscal-ar",
            Self::OscalPoam => "oscal-poam",
            Self::OpenVex => "openvex",
        }
    }

    /// The report in this format: JSON, indented, with a line end.
    pub fn render(self, report: &Report) -> String {
        let value = match self {
            Self::Sarif => sarif::document(report),
            Self::OscalAssessmentResults => oscal::assessment_results(report),
            Self::OscalPoam => oscal::plan_of_action(report),
            Self::OpenVex => openvex::document(report),
        };
        serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
    }
}

/// The UUID of a name, version 5 in a namespace of ours.
fn uuid(name: &str) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_URL, b"https://reprove.dev/schema/audit-report/v1");
    Uuid::new_v5(&namespace, name.as_bytes()).to_string()
}

/// The day of judgement as a time; the first day there is where nothing was judged on a day.
fn time(report: &Report) -> String {
    let day = report
        .components()
        .iter()
        .find_map(|c| c.controls().map(|c| c.as_of).or_else(|| c.findings().map(|f| f.as_of)));
    let as_of = report.run().and_then(|r| r.as_of.clone());
    as_of.unwrap_or_else(|| {
        day.map_or_else(|| "1970-01-01T00:00:00Z".to_owned(), |d| format!("{d}T00:00:00Z"))
    })
}

#[cfg(test)]
mod tests;
