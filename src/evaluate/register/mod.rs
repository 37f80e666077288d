//! The register: what auditors found, what people say of it, and what would show it.
//!
//! One file for each audit, `policies/findings/<audit>.toml`. The schema is closed: an unknown key, a
//! wrong type, a value out of its domain, a finding given twice or missing is an error with file, line
//! and column. People write findings, claims and evidence; a standing is derived (see
//! [`standing`](super::standing)) and has no place here.
//!
//! ```toml
//! schema = 1
//!
//! [audit]
//! id = "cure53-2018"                    # the file's name
//! title = "…"                           # as the report has it
//! auditor = "…"
//! date = 2018-06-11                     # the report's
//! scope = ["…"]
//! findings = 11                         # so that none can go missing
//! report = { file = "….pdf", sha256 = "…", pages = 18 }
//!
//! [[finding]]
//! id = "PRM-01-005"                     # the report's; `key = "2018-H1"` where it has none
//! title = "…"                           # as the report has it
//! severity = "medium"                   # as reported; `none-given` where it has none
//! section = "…"
//! page = "13-15"
//! components = ["prometheus"]           # whose releases it is judged on
//! summary = "…"
//!
//! [[finding.claim]]
//! state = "mitigated"                   # open, fixed, mitigated, accepted, declined
//! who = "…"
//! when = 2021-05-16
//! why = "…"
//! since = "2.28.0"
//! links = ["prometheus/prometheus@1df05bfd497fa8070aa6a86b81dad1dece484eb1"]
//!
//! [[finding.evidence]]                  # see `evaluate::evidence`
//! ```

mod check;
mod file;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use check::Link;

use super::definition::{Definition, DefinitionError};
use super::evidence::{Commit, Day, EvidenceSpec, RepositoryName};

/// The only schema number that this version reads.
pub const REGISTER_SCHEMA: u32 = 1;

/// Where registers lie below the root that holds `policies/`.
pub const FINDINGS: &str = "policies/findings";

/// All audits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Register {
    /// Ordered by file name.
    pub audits: Vec<Audit>,
}

/// One audit: an engagement with its report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// Its id, the same as its file's name.
    pub id: String,
    /// The report's title as printed.
    pub title: String,
    /// Who audited.
    pub auditor: String,
    /// Who paid; none where it is not known.
    pub sponsor: Option<String>,
    /// The report's date.
    pub date: Day,
    /// When it was looked at; none where it is not known.
    pub tested: Option<String>,
    /// How; none where it is not known.
    pub method: Option<String>,
    /// What was looked at.
    pub scope: Vec<String>,
    /// The report.
    pub report: ReportFile,
    /// What is odd about the report, and worth knowing.
    pub notes: Vec<String>,
    /// Every finding of it, in the order of the report.
    pub findings: Vec<Finding>,
}

/// The report as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// Its file name.
    pub file: String,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Its pages.
    pub pages: u32,
    /// Who put it where, and when; none where it is not known.
    pub published: Option<String>,
}

/// One finding, observation or recommendation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is called here: the report's id, or our key where it has none.
    pub key: String,
    /// Whether the key is the report's own.
    pub id_is_the_reports: bool,
    /// As the report has it, or ours where [`Finding::title_is_ours`].
    pub title: String,
    /// Whether the report has no heading of its own for it.
    pub title_is_ours: bool,
    /// As reported.
    pub severity: Severity,
    /// The report's part.
    pub section: String,
    /// The report's pages.
    pub page: String,
    /// On whose releases it is judged.
    pub components: Vec<String>,
    /// Places as the report names them.
    pub affected: Vec<String>,
    /// What was found, in our words.
    pub summary: String,
    /// What the auditors ask for; none where they ask for nothing.
    pub asked_for: Option<String>,
    /// What remains by what is known.
    pub left_over: Option<String>,
    /// What people say, in the order of the file.
    pub claims: Vec<Claim>,
    /// Changes that bear on it.
    pub changes: Vec<Change>,
    /// Where people talked about it.
    pub threads: Vec<Thread>,
    /// What would show it.
    pub evidence: Vec<EvidenceSpec<Asserts>>,
    /// Where it stands: file and line.
    pub place: String,
}

/// A severity, as reported. Ordered from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The report gives none.
    NoneGiven,
    /// Info.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoneGiven => "none given",
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What people say of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimState {
    /// It stands.
    Open,
    /// It is gone.
    Fixed,
    /// Its effect is cut, or can be by configuration.
    Mitigated,
    /// Somebody answers for leaving it, until a day.
    Accepted,
    /// Its maintainers hold that it is no fault, or will not change it; nobody gives an end.
    Declined,
}

impl ClaimState {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Fixed => "fixed",
            Self::Mitigated => "mitigated",
            Self::Accepted => "accepted",
            Self::Declined => "declined",
        }
    }
}

/// What somebody says of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What.
    pub state: ClaimState,
    /// Who.
    pub who: String,
    /// When; none where it is not known.
    pub when: Option<Day>,
    /// Why.
    pub why: String,
    /// Of which component; none for all of the finding.
    pub component: Option<String>,
    /// From which upstream release on; none for all.
    pub since: Option<String>,
    /// Who answers for it; only for an acceptance.
    pub owner: Option<String>,
    /// The last day of an acceptance.
    pub until: Option<Day>,
    /// Commits, threads, pages.
    pub links: Vec<Link>,
}

/// A change that bears on a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How.
    pub role: ChangeRole,
    /// Where.
    pub repository: RepositoryName,
    /// Which commit.
    pub commit: Commit,
    /// When it was written.
    pub date: Day,
    /// By whom; none where it is not known.
    pub by: Option<String>,
    /// The first release with it; none where there is none, or it is not known.
    pub first_release: Option<String>,
    /// Its pull request.
    pub pull_request: Option<u32>,
    /// The issue that it answers.
    pub issue: Option<u32>,
    /// What it does, in our words.
    pub what: Option<String>,
}

/// How a change bears on a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ChangeRole {
    Introduced,
    PreExistingMitigation,
    Fix,
    FixByRemoval,
    Mitigation,
    PartialMitigation,
    MitigationElsewhere,
    Enabler,
    Documentation,
    FollowUp,
    Drift,
    Added,
    Reverted,
    Moved,
    Release,
    Deprecation,
    Related,
}

/// Where people talked about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Which issue or pull request.
    pub link: Link,
    /// What was said, in our words.
    pub what: String,
}

/// What it means for a finding when a check holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asserts {
    /// The flaw is gone.
    Fixed,
    /// Something cuts its effect, or lets the operator cut it.
    MitigationPresent,
    /// The default is the safe one.
    DefaultSafe,
    /// The default is the audited one.
    DefaultUnchanged,
    /// Part of the flaw is left.
    ResidualPresent,
    /// The flaw is there.
    NotResolved,
    /// A document tells users of the risk.
    RiskDocumented,
    /// Something changed that bears on it.
    Drift,
    /// The counterpart without the trigger: where it does not hold, the other probes show nothing.
    Comparison,
    /// Background.
    Context,
}

impl Asserts {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fixed => "the flaw is gone",
            Self::MitigationPresent => "a mitigation is there",
            Self::DefaultSafe => "the default is safe",
            Self::DefaultUnchanged => "the default is the audited one",
            Self::ResidualPresent => "part of the flaw is left",
            Self::NotResolved => "the flaw is there",
            Self::RiskDocumented => "the risk is documented",
            Self::Drift => "something changed",
            Self::Comparison => "the counterpart works",
            Self::Context => "background",
        }
    }
}

impl Register {
    /// Reads every register below `root`, the folder that holds `policies/`.
    ///
    /// # Errors
    ///
    /// The first fault with file, line and column.
    pub fn load(root: &Path) -> Result<Self, DefinitionError> {
        Self::read(&Definition::load_all(root, FINDINGS)?)
    }

    /// From the text of every register.
    ///
    /// # Errors
    ///
    /// As [`Register::load`].
    pub fn read(files: &[Definition]) -> Result<Self, DefinitionError> {
        check::register(files)
    }

    /// Every finding with its audit, in order.
    pub fn findings(&self) -> impl Iterator<Item = (&Audit, &Finding)> {
        self.audits.iter().flat_map(|audit| audit.findings.iter().map(move |f| (audit, f)))
    }

    /// Digest of every question, by its id: what an answer of the history must have been given to.
    pub fn questions(&self) -> BTreeMap<String, String> {
        let all = self.findings().flat_map(|(_, f)| &f.evidence);
        all.map(|e| (e.id.clone(), e.question().to_string())).collect()
    }

    /// The finding of that key, in any case.
    pub fn find(&self, key: &str) -> Option<(&Audit, &Finding)> {
        self.findings().find(|(_, f)| f.key.eq_ignore_ascii_case(key))
    }
}

impl Finding {
    /// The evidence that is looked at on releases of a component.
    pub fn evidence_on<'a>(
        &'a self,
        component: &'a str,
    ) -> impl Iterator<Item = &'a EvidenceSpec<Asserts>> + 'a {
        self.evidence.iter().filter(move |e| e.is_about(component))
    }
}
