//! `policies/findings/<audit>.toml` as it stands in the file, without the findings' evidence; checked and
//! turned into an [`Audit`](super::Audit) elsewhere.

use serde::Deserialize;
use toml::Spanned;

use super::{ChangeRole, ClaimState, Severity};
use crate::evaluate::evidence::{Commit, Day, RepositoryName};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RegisterFile {
    pub(super) schema: Spanned<u32>,
    pub(super) audit: AuditFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AuditFile {
    pub(super) id: Spanned<String>,
    pub(super) title: Spanned<String>,
    pub(super) auditor: Spanned<String>,
    #[serde(default)]
    pub(super) sponsor: Option<Spanned<String>>,
    pub(super) date: Day,
    #[serde(default)]
    pub(super) tested: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) method: Option<Spanned<String>>,
    pub(super) scope: Vec<Spanned<String>>,
    pub(super) report: ReportFile,
    pub(super) findings: Spanned<usize>,
    #[serde(default)]
    pub(super) notes: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ReportFile {
    pub(super) file: Spanned<String>,
    pub(super) sha256: Spanned<String>,
    pub(super) pages: Spanned<u32>,
    #[serde(default)]
    pub(super) published: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FindingFile {
    #[serde(default)]
    pub(super) id: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) key: Option<Spanned<String>>,
    pub(super) title: Spanned<String>,
    #[serde(default)]
    pub(super) title_is_ours: bool,
    pub(super) severity: Severity,
    pub(super) section: Spanned<String>,
    pub(super) page: Spanned<String>,
    pub(super) components: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) affected: Vec<Spanned<String>>,
    pub(super) summary: Spanned<String>,
    #[serde(default)]
    pub(super) asked_for: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) left_over: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) claim: Vec<Spanned<ClaimFile>>,
    #[serde(default)]
    pub(super) change: Vec<Spanned<ChangeFile>>,
    #[serde(default)]
    pub(super) thread: Vec<ThreadFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ClaimFile {
    pub(super) state: ClaimState,
    pub(super) who: Spanned<String>,
    #[serde(default)]
    pub(super) when: Option<Day>,
    pub(super) why: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) component: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) since: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) owner: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) until: Option<Spanned<Day>>,
    #[serde(default)]
    pub(super) links: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ChangeFile {
    pub(super) role: ChangeRole,
    pub(super) repository: RepositoryName,
    pub(super) commit: Commit,
    pub(super) date: Day,
    #[serde(default)]
    pub(super) by: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) first_release: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) pull_request: Option<u32>,
    #[serde(default)]
    pub(super) issue: Option<u32>,
    #[serde(default)]
    pub(super) what: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ThreadFile {
    pub(super) link: Spanned<String>,
    pub(super) what: Spanned<String>,
}
