//! The rules as people keep them: a closed TOML schema.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{DeploymentError, Severity, rules};

/// The only schema number that is read.
const SCHEMA: u32 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    rule: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// `<control>.<number>`.
    pub id: String,
    /// The control that it serves.
    pub control: String,
    /// How bad a violation is.
    pub severity: Severity,
    /// What it looks at, in a few words.
    pub about: String,
    /// Why a violation matters.
    pub why: String,
    /// What to write instead.
    pub instead: String,
    /// Why nothing here can look at it; exactly where no code does.
    #[serde(default)]
    pub out_of_reach: Option<String>,
}

/// All rules, checked against the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Reads the rules; each must have code or say why it has none, and no code may be left without.
    pub fn read(file: &str, text: &str) -> Result<Self, DeploymentError> {
        let refuse = |detail: String| DeploymentError::Rules { file: file.to_owned(), detail };
        let parsed: File = toml::from_str(text).map_err(|e| refuse(e.to_string()))?;
        if parsed.schema != SCHEMA {
            return Err(refuse(format!("schema {} is not {SCHEMA}", parsed.schema)));
        }
        let mut seen = BTreeSet::new();
        for rule in &parsed.rule {
            let Rule { id, control, about, why, instead, .. } = rule;
            if !seen.insert(id.as_str()) {
                return Err(refuse(format!("`{id}` stands there twice")));
            }
            if !id.strip_prefix(control.as_str()).is_some_and(|rest| rest.starts_with('.')) {
                return Err(refuse(format!("`{id}` does not begin with its control `{control}` and a dot")));
            }
            if [about, why, instead].iter().any(|t| t.trim().is_empty()) {
                return Err(refuse(format!("`{id}` leaves `about`, `why` or `instead` empty")));
            }
            match (rules::of(id).is_some(), &rule.out_of_reach) {
                (true, Some(_)) => {
                    return Err(refuse(format!("`{id}` is looked at, and cannot be out of reach")));
                }
                (false, None) => {
                    return Err(refuse(format!("nothing looks at `{id}`, and it does not say why")));
                }
                _ => {}
            }
        }
        if let Some(missing) = rules::ids().find(|id| !seen.contains(id)) {
            return Err(refuse(format!("`{missing}` is missing")));
        }
        Ok(Self(parsed.rule))
    }

    /// In the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }
}
