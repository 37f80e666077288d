//! The security model as controls: what the software promises, what it warns of, and what it leaves to
//! its operator, each with the checks that show it.
//!
//! `policies/controls/model.toml` says what belongs to the model: the document, the parts, how many
//! controls, checks and rules there are (so that none goes missing unseen), and launches that several
//! checks share. Each part is a file beside it:
//!
//! ```toml
//! schema = 1
//! part = "Prometheus"
//!
//! [[control]]
//! id = "PROM-11"
//! components = ["prometheus"]
//! kind = "promise"                  # or `warning`, `duty`
//! severity = "critical"
//! text = "Neither reloading nor stopping the server over HTTP works until a flag allows it."
//! place = { section = "Prometheus", stated = "page", lines = [35, 36] }
//! rules = ["PROM-11.1"]             # of configuration.toml: what judges a deployment
//!
//! [[control.check]]
//! id = "PROM-11.p1"
//! kind = "http-probe"
//! asserts = "holds"
//! required = true
//! launch = "prometheus-default"     # a name of model.toml, or a table
//! request = { method = "POST", path = "/-/quit" }
//! expect = [{ status = 403, process = "alive" }]
//! ```
//!
//! A control without a required check says why no program can be asked: `unchecked = "…"`. Only a duty with
//! rules may go without: those are looked at in a deployment's files.
//!
//! `asserts` says what it means that a check holds: `holds` (the promise is kept), `exposure` (what is
//! warned of is there), `mitigation` (the remedy works), `gone` (what was warned of is there no more),
//! `context` (worth seeing, and judged by nobody).

mod file;
mod judge;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::definition::DefinitionError;
use super::evidence::EvidenceSpec;
use crate::deployment::Severity;
use crate::probe::spec::Versions;
pub use judge::{Deployed, Judged, JudgedCheck, State, Tally, deployed, judge, judge_all};

/// Where the model lies below the root that holds `policies/`.
pub const FOLDER: &str = "policies/controls";

/// What a control is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The software, or its project, promises something.
    Promise,
    /// The document warns of something, or tells how things are.
    Warning,
    /// The operator has to do something.
    Duty,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Promise, Self::Warning, Self::Duty];

    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Promise => "promise",
            Self::Warning => "warning",
            Self::Duty => "duty",
        }
    }
}

/// What it means that a check of a control holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asserts {
    /// What is promised is so.
    Holds,
    /// What is warned of is so.
    Exposure,
    /// The remedy works.
    Mitigation,
    /// What was warned of is so no more.
    Gone,
    /// Nothing that is judged.
    Context,
}

impl Asserts {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Exposure => "exposure",
            Self::Mitigation => "mitigation",
            Self::Gone => "gone",
            Self::Context => "context",
        }
    }
}

/// Where the document says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Place {
    /// The section; none where it stands beside the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Which state of the document says it.
    pub stated: Stated,
    /// Lines of the translation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<u32>,
}

/// Which state of the document says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stated {
    /// The page, and its translation.
    Page,
    /// The page, since its translation was made.
    PageOnly,
    /// Neither: it belongs to the subject and was added.
    Beside,
}

impl Stated {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Page => "the page and its translation",
            Self::PageOnly => "the page, since it was translated",
            Self::Beside => "neither; added beside the document",
        }
    }
}

/// One control.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Control {
    /// Its id.
    pub id: String,
    /// The part of the model.
    pub part: String,
    /// Whose it is: components as in `policies/components`, or a name for what is released by nobody.
    pub components: Vec<String>,
    /// What it is.
    pub kind: Kind,
    /// Whether the warning describes what everybody finds who changes nothing.
    pub open_by_default: bool,
    /// How bad a violation is.
    pub severity: Severity,
    /// What it says, in our words.
    pub text: String,
    /// Where the document says it.
    pub place: Place,
    /// The releases of which it is said; none given means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applies: Option<Versions>,
    /// How today's software or page differs from what the translation says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<String>,
    /// Something else worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why no program can be asked, where there is no required check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchecked: Option<String>,
    /// Rules of `configuration.toml` that judge a deployment by it.
    pub rules: Vec<String>,
    /// What shows it.
    pub checks: Vec<EvidenceSpec<Asserts>>,
    /// Where it stands: file and line.
    pub at: String,
}

/// The name for what concerns the project as a whole: looked at with every component.
pub const PROJECT: &str = "project";

impl Control {
    /// Whether it is judged for releases of that component.
    pub fn is_about(&self, component: &str) -> bool {
        self.components.iter().any(|c| c == component || c == PROJECT)
    }

    /// The checks that look at releases of that component.
    pub fn checks_for<'c>(&'c self, component: &'c str) -> impl Iterator<Item = &'c EvidenceSpec<Asserts>> {
        self.checks.iter().filter(move |check| check.is_about(component))
    }
}

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What it is called.
    pub title: String,
    /// In which repository it is kept.
    pub repository: String,
    /// In which file.
    pub path: String,
    /// In which state.
    pub revision: String,
    /// When it was last changed.
    pub revised: String,
    /// What is known of the translation.
    pub translation: String,
}

/// Every control of the model, checked against each other, their counts and the rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Controls {
    /// The document.
    pub model: Model,
    controls: Vec<Control>,
    /// Names in `components` that stand for no released component.
    elsewhere: Vec<String>,
}

impl Controls {
    /// A model without controls.
    fn none() -> Self {
        let line = String::new;
        let model = Model {
            title: line(),
            repository: line(),
            path: line(),
            revision: line(),
            revised: line(),
            translation: line(),
        };
        Self { model, controls: Vec::new(), elsewhere: Vec::new() }
    }

    /// Reads the model below `root`, the folder that holds `policies/`. A root that keeps no controls at all
    /// has none.
    pub fn load(root: &Path) -> Result<Self, DefinitionError> {
        file::load(root)
    }

    /// In the order of the model.
    pub fn iter(&self) -> impl Iterator<Item = &Control> {
        self.controls.iter()
    }

    /// The components whose releases are judged, ordered by name.
    pub fn released(&self) -> Vec<String> {
        let all = self.controls.iter().flat_map(|c| &c.components);
        let names: std::collections::BTreeSet<&String> =
            all.filter(|n| *n != PROJECT && !self.elsewhere.contains(n)).collect();
        names.into_iter().cloned().collect()
    }

    /// By id.
    pub fn get(&self, id: &str) -> Option<&Control> {
        self.controls.iter().find(|c| c.id == id)
    }

    /// Every check that looks at releases of that component, with its control.
    pub fn checks_for<'c>(
        &'c self,
        component: &'c str,
    ) -> impl Iterator<Item = (&'c Control, &'c EvidenceSpec<Asserts>)> {
        self.controls
            .iter()
            .filter(move |c| c.is_about(component))
            .flat_map(move |c| c.checks_for(component).map(move |check| (c, check)))
    }
}

#[cfg(test)]
mod tests;
