//! The report as JSON: writing, and reading back with the judgement checked.

use serde::{Deserialize, Serialize};

use super::controls::Controls;
use super::error::ReportError;
use super::findings::Findings;
use super::judge::{Blocker, Judgement};
use super::model::{Evidence, Gap, Outcome, Run};
use crate::limits::report::ReportLimits;
pub use crate::statement::predicate::rebuild::Tool;
use crate::verdict::Verdict;

/// The schema's id, also the `$id` of the published JSON Schema.
pub const SCHEMA_ID: &str = "https://reprove.dev/schema/audit-report/v1";

/// One release: its evidence with the judgement that follows from it. The fields are private so that
/// no judgement exists but the derived one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    judgement: Judgement,
    evidence: Evidence,
    findings: Option<Findings>,
    controls: Option<Controls>,
}

impl Component {
    /// Judges evidence.
    pub fn judge(evidence: Evidence) -> Self {
        let evidence = evidence.sorted();
        Self { judgement: Judgement::of(&evidence), evidence, findings: None, controls: None }
    }

    /// Puts the findings of external audits beside it. They change neither outcome nor verdict, which
    /// are about bytes.
    #[must_use]
    pub fn with_findings(mut self, mut findings: Findings) -> Self {
        findings.sort();
        self.findings = Some(findings);
        self
    }

    /// Puts the controls of the security model beside it; they change nothing of it either.
    #[must_use]
    pub fn with_controls(mut self, controls: Controls) -> Self {
        self.controls = Some(controls);
        self
    }

    /// The controls of the security model in this release; none where nobody looked.
    pub const fn controls(&self) -> Option<&Controls> {
        self.controls.as_ref()
    }

    /// The findings of external audits in this release; none where nobody looked.
    pub const fn findings(&self) -> Option<&Findings> {
        self.findings.as_ref()
    }

    /// What follows.
    pub const fn judgement(&self) -> &Judgement {
        &self.judgement
    }

    /// What was seen.
    pub const fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The verdict.
    pub const fn verdict(&self) -> Verdict {
        self.judgement.verdict
    }

    /// The outcome.
    pub const fn outcome(&self) -> Outcome {
        self.judgement.outcome
    }
}

/// The audit of one or several releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    tool: Tool,
    components: Vec<Component>,
    run: Option<Run>,
}

impl Report {
    /// Takes the judged releases and puts them into order.
    pub fn new(mut components: Vec<Component>) -> Self {
        components.sort_by(|a, b| a.evidence.release.cmp(&b.evidence.release));
        Self { tool: Tool::this(), components, run: None }
    }

    /// Adds what varies from run to run. The bytes are then no longer the same for the same inputs.
    #[must_use]
    pub fn with_run(mut self, run: Run) -> Self {
        self.run = Some(run);
        self
    }

    /// Who wrote it.
    pub const fn tool(&self) -> &Tool {
        &self.tool
    }

    /// The releases, in order.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// What varied, if it was asked for.
    pub const fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// The verdict over all releases: the worst one; none at all is inconclusive.
    pub fn verdict(&self) -> Verdict {
        Verdict::of_all(self.components.iter().map(Component::verdict))
    }

    /// JSON, indented, with a line end. The same report always gives the same bytes.
    pub fn to_json(&self) -> String {
        let file = ReportOut {
            schema: SCHEMA_ID,
            tool: &self.tool,
            verdict: self.verdict(),
            components: self.components.iter().map(ComponentOut::from).collect(),
            run: self.run.as_ref(),
        };
        // Maps have string keys and numbers are integers, so that this cannot fail.
        let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads a report and judges its evidence again. That the evidence is true is not established:
    /// only a signature by somebody who is trusted, or doing the audit again, says that.
    pub fn from_json(bytes: &[u8], limits: &ReportLimits) -> Result<Self, ReportError> {
        if bytes.len() as u64 > limits.file_bytes_max {
            return Err(ReportError::Limit { bytes_max: limits.file_bytes_max });
        }
        let syntax = |source| ReportError::Syntax { source };
        let probe: SchemaProbe = serde_json::from_slice(bytes).map_err(syntax)?;
        if probe.schema != SCHEMA_ID {
            return Err(ReportError::Schema { found: probe.schema.chars().take(120).collect() });
        }
        let file: ReportIn = serde_json::from_slice(bytes).map_err(syntax)?;
        let mut components = Vec::with_capacity(file.components.len());
        for written in file.components {
            let mut component = Component::judge(written.evidence);
            if let Some(findings) = written.findings {
                findings.check().map_err(|(id, claimed, derived)| ReportError::Judgement {
                    subject: format!("{}: {id}", component.evidence.release.key()),
                    claimed,
                    derived,
                })?;
                component = component.with_findings(findings);
            }
            if let Some(controls) = written.controls {
                let release = component.evidence.release.clone();
                controls.check(&release.version).map_err(|(id, claimed, derived)| {
                    ReportError::Judgement { subject: format!("{}: {id}", release.key()), claimed, derived }
                })?;
                component = component.with_controls(controls);
            }
            let claimed = Judgement {
                verdict: written.verdict,
                outcome: written.outcome,
                why: written.why,
                blocks: written.blocks,
                not_established: written.not_established,
            };
            if claimed != component.judgement {
                let phrase = |j: &Judgement| format!("{}: {}, {}", j.outcome, j.verdict, j.why);
                return Err(ReportError::Judgement {
                    subject: component.evidence.release.key(),
                    claimed: phrase(&claimed),
                    derived: phrase(&component.judgement),
                });
            }
            components.push(component);
        }
        let report = Self { tool: file.tool, run: file.run, ..Self::new(components) };
        if report.verdict() != file.verdict {
            return Err(ReportError::Judgement {
                subject: "the report".to_owned(),
                claimed: file.verdict.to_string(),
                derived: report.verdict().to_string(),
            });
        }
        Ok(report)
    }
}

#[derive(Deserialize)]
struct SchemaProbe {
    schema: String,
}

#[derive(Serialize)]
struct ReportOut<'a> {
    schema: &'a str,
    tool: &'a Tool,
    verdict: Verdict,
    components: Vec<ComponentOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a Run>,
}

#[derive(Serialize)]
struct ComponentOut<'a> {
    #[serde(flatten)]
    judgement: &'a Judgement,
    evidence: &'a Evidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<&'a Findings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    controls: Option<&'a Controls>,
}

impl<'a> From<&'a Component> for ComponentOut<'a> {
    fn from(component: &'a Component) -> Self {
        Self {
            judgement: &component.judgement,
            evidence: &component.evidence,
            findings: component.findings.as_ref(),
            controls: component.controls.as_ref(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportIn {
    #[serde(rename = "schema")]
    _schema: String,
    tool: Tool,
    verdict: Verdict,
    components: Vec<ComponentIn>,
    #[serde(default)]
    run: Option<Run>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentIn {
    verdict: Verdict,
    outcome: Outcome,
    why: String,
    blocks: Vec<Blocker>,
    not_established: Vec<Gap>,
    evidence: Evidence,
    #[serde(default)]
    findings: Option<Findings>,
    #[serde(default)]
    controls: Option<Controls>,
}
