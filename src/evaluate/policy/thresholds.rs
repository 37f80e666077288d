//! The simple decisions: `policies/policy.toml`, a closed schema.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::deployment::Severity;
use crate::evaluate::control::Controls;
use crate::evaluate::definition::{Definition, DefinitionError};

/// The only schema number that is read.
const SCHEMA: u32 = 1;

/// Everything of the file that a policy may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// About controls.
    pub controls: ControlThresholds,
    /// About findings.
    pub findings: FindingThresholds,
    /// About waivers.
    pub waivers: WaiverThresholds,
}

/// About controls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ControlThresholds {
    /// Controls that have to be shown, by id.
    pub required: Vec<String>,
    /// The least severity from which a promise has to be kept.
    pub promises_from: From,
    /// The least severity from which a violation in a deployment fails.
    pub deployment_from: From,
}

/// About findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FindingThresholds {
    /// People say it is mended, and it is not.
    pub contradicted: Effect,
    /// It was mended in an earlier release, and is there again.
    pub regressed: Effect,
    /// It was accepted until a day that is past.
    pub lapsed: Effect,
    /// The least severity from which an open one fails.
    pub open_from: From,
}

/// About waivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WaiverThresholds {
    /// It has ended.
    pub past: Effect,
    /// It is about nothing that is known.
    pub unknown: Effect,
    /// The release has nothing for it to excuse.
    pub unused: Effect,
}

/// What something leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The policy fails.
    Fail,
    /// It is told.
    Report,
}

/// A least severity, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum From {
    Info,
    Low,
    Medium,
    High,
    Critical,
    Never,
}

impl From {
    /// Whether a severity reaches it.
    pub fn reaches(self, severity: Severity) -> bool {
        let least = match self {
            Self::Info => Severity::Info,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
            Self::Never => return false,
        };
        severity >= least
    }
}

/// What the exit code makes of unsettled questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsettled {
    /// It stays that of the rebuild.
    Report,
    /// It is that of inconclusive.
    Count,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: Spanned<u32>,
    rego: Spanned<String>,
    controls: ControlsTable,
    findings: FindingThresholds,
    waivers: WaiverThresholds,
    exit: Exit,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ControlsTable {
    required: Vec<Spanned<String>>,
    promises_from: From,
    deployment_from: From,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exit {
    unsettled: Unsettled,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) thresholds: Thresholds,
    pub(super) unsettled: Unsettled,
    /// The policy's file name, beside this file.
    pub(super) rego: String,
}

pub(super) fn read(definition: &Definition, controls: &Controls) -> Result<Settings, DefinitionError> {
    let raw: File = definition.decode_table(definition.table()?)?;
    if *raw.schema.get_ref() != SCHEMA {
        let detail = format!("schema {} is not known, expected {SCHEMA}", raw.schema.get_ref());
        return Err(definition.error(raw.schema.span(), detail, format!("write `schema = {SCHEMA}`")));
    }
    let rego = definition.line(&raw.rego, "a file name")?;
    if rego.contains('/') || rego.starts_with('.') || !rego.ends_with(".rego") {
        let detail = format!("`{}` is not a policy beside this file", rego.escape_debug());
        return Err(definition.error(raw.rego.span(), detail, "write a plain name such as `audit.rego`"));
    }
    let mut required = Vec::with_capacity(raw.controls.required.len());
    for id in &raw.controls.required {
        let text = id.get_ref();
        if controls.get(text).is_none() {
            let detail = format!("there is no control `{}`", text.escape_debug());
            return Err(definition.error(id.span(), detail, "name one of `reprove controls`"));
        }
        if required.contains(text) {
            return Err(definition.error(id.span(), format!("`{text}` is named twice"), "name it once"));
        }
        required.push(text.clone());
    }
    let controls = ControlThresholds {
        required,
        promises_from: raw.controls.promises_from,
        deployment_from: raw.controls.deployment_from,
    };
    let thresholds = Thresholds { controls, findings: raw.findings, waivers: raw.waivers };
    Ok(Settings { thresholds, unsettled: raw.exit.unsettled, rego })
}
