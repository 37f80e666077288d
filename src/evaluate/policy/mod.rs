//! Decides, from everything that was established of a release, what a user's own rules make of it.
//!
//! Two layers. Simple decisions are numbers and words in `policies/policy.toml`: controls that are
//! required, severities, what an open finding or a waiver past its end leads to. The rest is Rego, in
//! `policies/audit.rego` unless `policy.toml` names another file. A policy answers with three sets of
//! `{code, subject, message}`: `deny` (fail), `unsettled` (inconclusive) and `warn`.
//!
//! A policy sees its [`input`](Input) and nothing else: functions that reach out or read the clock are
//! refused when it is loaded, an answer that is not defined is an error, and instructions, time and
//! lengths are bounded. Memory is bounded by these alone: a policy is a file that its user reviews, and
//! whoever evaluates those of strangers does so in a process with a limit of its own.

mod engine;
mod error;
pub mod input;
mod thresholds;

use std::path::Path;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::control::Controls;
use super::definition::Definition;
use crate::digest::Digest;
use crate::limits::policy::PolicyLimits;
use crate::verdict::Verdict;
pub use engine::ENGINE;
use engine::Source;
pub use error::PolicyError;
pub use input::Input;
pub use thresholds::{
    ControlThresholds, Effect, FindingThresholds, From as LeastSeverity, Thresholds, Unsettled,
    WaiverThresholds,
};

/// Where the simple decisions lie below the root.
pub const FILE: &str = "policies/policy.toml";

/// What a policy has to define.
const ENTRY_POINTS: [&str; 3] = ["deny", "unsettled", "warn"];

/// A policy, ready to decide.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The simple decisions.
    pub thresholds: Thresholds,
    /// What the exit code makes of unsettled questions.
    pub unsettled: Unsettled,
    source: Source,
    file: String,
    digest: Digest,
}

/// One thing that a policy says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Its code.
    pub code: String,
    /// About what: a control's, finding's or waiver's id.
    pub subject: String,
    /// In a sentence.
    pub message: String,
}

/// What a policy decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Fail where anything is denied, inconclusive where anything is unsettled, else pass.
    pub verdict: Verdict,
    /// What is denied.
    pub deny: Vec<Said>,
    /// What is unsettled.
    pub unsettled: Vec<Said>,
    /// What is told.
    pub warn: Vec<Said>,
    /// The policy's file.
    pub policy: String,
    /// Digest of both of its layers: the file of simple decisions, a line feed, the Rego.
    pub policy_digest: Digest,
    /// Digest of the input document.
    pub input_digest: Digest,
    /// The engine with its version.
    pub engine: String,
    /// The day of judgement.
    pub as_of: Date,
}

impl Decision {
    /// What follows from what the policy says.
    pub fn derive(&self) -> Verdict {
        match (self.deny.is_empty(), self.unsettled.is_empty()) {
            (false, _) => Verdict::Fail,
            (true, false) => Verdict::Inconclusive,
            (true, true) => Verdict::Pass,
        }
    }
}

impl Policy {
    /// Reads both layers below `root`, the folder that holds `policies/`.
    pub fn load(root: &Path, controls: &Controls, limits: &PolicyLimits) -> Result<Self, PolicyError> {
        let settings = Definition::load(&root.join(FILE), FILE)?;
        let name = thresholds::read(&settings, controls)?.rego;
        let shown = format!("policies/{name}");
        let rego = Definition::load(&root.join(&shown), &shown)?;
        Self::read(&settings, &rego, controls, limits)
    }

    /// Reads both layers from their texts.
    pub fn read(
        settings: &Definition,
        rego: &Definition,
        controls: &Controls,
        limits: &PolicyLimits,
    ) -> Result<Self, PolicyError> {
        let read = thresholds::read(settings, controls)?;
        let source = Source::load(&rego.file, rego.text.clone(), &ENTRY_POINTS, limits)?;
        let digest = Digest::sha256(format!("{}\n{}", settings.text, rego.text).as_bytes());
        Ok(Self {
            thresholds: read.thresholds,
            unsettled: read.unsettled,
            source,
            file: rego.file.clone(),
            digest,
        })
    }

    /// Decides.
    pub fn decide(&self, input: &Input, limits: &PolicyLimits) -> Result<Decision, PolicyError> {
        let text = serde_json::to_string(input).unwrap_or_default();
        if text.len() as u64 > limits.input_bytes_max {
            return Err(PolicyError::TooLarge {
                what: "the policy's input".to_owned(),
                bytes_max: limits.input_bytes_max,
            });
        }
        let answer = |entry: &str| self.answer(entry, &text, limits);
        let (deny, unsettled, warn) = (answer("deny")?, answer("unsettled")?, answer("warn")?);
        let mut decision = Decision {
            verdict: Verdict::Inconclusive,
            deny,
            unsettled,
            warn,
            policy: self.file.clone(),
            policy_digest: self.digest.clone(),
            input_digest: Digest::sha256(text.as_bytes()),
            engine: ENGINE.to_owned(),
            as_of: input.as_of,
        };
        decision.verdict = decision.derive();
        Ok(decision)
    }

    fn answer(&self, entry: &str, input: &str, limits: &PolicyLimits) -> Result<Vec<Said>, PolicyError> {
        let found = self.source.evaluate(entry, input, limits)?;
        let wrong =
            |detail: String| PolicyError::Answer { file: self.file.clone(), entry: entry.to_owned(), detail };
        let mut said: Vec<Said> = serde_json::from_value(found).map_err(|e| wrong(e.to_string()))?;
        if said.len() > limits.answers_max {
            return Err(wrong(format!("more than {} entries", limits.answers_max)));
        }
        said.sort();
        Ok(said)
    }
}

#[cfg(test)]
mod tests;
