//! Waivers: dated, reasoned, owned exceptions with an end.
//!
//! They live in `policies/waivers.toml`, a closed schema:
//!
//! ```toml
//! schema = 1
//!
//! [[waiver]]
//! id = "fifo-in-textfile-folder"
//! finding = "cure53-2020/PRM-02-003"        # or: control = "DOS-02"
//! component = "prometheus-node-exporter"
//! releases = ">=1.5.0, <=1.9.0"             # left out: every release
//! reason = "the folder is written by root alone"
//! owner = "platform team"
//! approver = "security team"
//! from = 2026-10-01
//! until = 2027-03-31
//! ```
//!
//! A waiver changes no standing and no judgement of a control: it is shown beside them, and a policy may
//! count it. Before its first day and after its last it counts for nothing. A release's version counts
//! as upstream gave it, without a distribution's epoch and revision.

mod file;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::definition::{Definition, DefinitionError};
use crate::probe::spec::{Versions, upstream};

/// Where waivers lie below the root.
pub const FILE: &str = "policies/waivers.toml";

/// Days before its end from which on a waiver is announced: six weeks, as `cargo vet` warns of expiring
/// trust.
pub const WARNING_DAYS: i32 = 42;

/// Something that a waiver is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waived {
    /// A control's id.
    Control(String),
    /// A finding as `<audit>/<id>`.
    Finding(String),
}

impl std::fmt::Display for Waived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Control(id) => write!(f, "control {id}"),
            Self::Finding(id) => write!(f, "finding {id}"),
        }
    }
}

/// One exception.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub about: Waived,
    /// The component that it is for.
    pub component: String,
    /// The releases that it is for; none given means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<Versions>,
    /// Why.
    pub reason: String,
    /// Who asked for it and has to see to its end.
    pub owner: String,
    /// Who allowed it; never the owner.
    pub approver: String,
    /// Its first day.
    pub from: Date,
    /// Its last day; at most a year after the first.
    pub until: Date,
}

/// Where a waiver stands on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Term {
    /// It has not begun.
    Pending {
        /// Days until it begins.
        days: i32,
    },
    /// It counts.
    Active {
        /// Days left, its last day not counted: 0 on that day.
        days: i32,
    },
    /// It counts, and ends within [`WARNING_DAYS`].
    Ending {
        /// Days left, as above.
        days: i32,
    },
    /// It counts no more.
    Past {
        /// Days since its last day.
        days: i32,
    },
}

impl Term {
    /// Whether the waiver counts.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Active { .. } | Self::Ending { .. })
    }

    /// Its days.
    pub const fn days(self) -> i32 {
        match self {
            Self::Pending { days } | Self::Active { days } | Self::Ending { days } | Self::Past { days } => {
                days
            }
        }
    }

    /// The state in a word, as in the policy's input.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Active { .. } => "active",
            Self::Ending { .. } => "ending",
            Self::Past { .. } => "past",
        }
    }

    /// The state in a sentence.
    pub fn sentence(self) -> String {
        let days = |n: i32| if n == 1 { "1 day".to_owned() } else { format!("{n} days") };
        match self {
            Self::Pending { days: n } => format!("begins in {}", days(n)),
            Self::Active { days: n } => format!("{} left", days(n)),
            Self::Ending { days: 0 } => "ends today: renew it or mend what it excuses".to_owned(),
            Self::Ending { days: n } => format!("ends in {}: renew it or mend what it excuses", days(n)),
            Self::Past { days: n } => format!("ENDED {} AGO and counts for nothing", days(n).to_uppercase()),
        }
    }
}

impl Waiver {
    /// Where it stands on a day.
    pub fn term(&self, today: Date) -> Term {
        let days = |from: Date, to: Date| from.until(to).map_or(i32::MAX, |span| span.get_days());
        if today < self.from {
            return Term::Pending { days: days(today, self.from) };
        }
        if today > self.until {
            return Term::Past { days: days(self.until, today) };
        }
        match days(today, self.until) {
            left if left <= WARNING_DAYS => Term::Ending { days: left },
            left => Term::Active { days: left },
        }
    }

    /// Whether it is for that component and release.
    pub fn covers(&self, component: &str, version: &str) -> bool {
        let within = |range: &Versions| upstream(version).is_some_and(|v| range.include(&v));
        self.component == component && self.releases.as_ref().is_none_or(within)
    }
}

/// A waiver of a release, as reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    /// The waiver.
    pub waiver: Waiver,
    /// Where it stands on the day of judgement.
    pub term: Term,
    /// Whether the release has what it excuses. A waiver that is not used should go.
    pub used: bool,
}

/// Every waiver of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waivers(Vec<Waiver>);

impl Waivers {
    /// Reads the file below `root`, the folder that holds `policies/`; where there is none, nothing is
    /// waived.
    pub fn load(root: &Path) -> Result<Self, DefinitionError> {
        let path = root.join(FILE);
        match path.try_exists() {
            Ok(false) => Ok(Self::default()),
            _ => Self::read(&Definition::load(&path, FILE)?),
        }
    }

    /// Reads a file's text.
    pub fn read(definition: &Definition) -> Result<Self, DefinitionError> {
        file::read(definition).map(Self)
    }

    /// In the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Waiver> {
        self.0.iter()
    }

    /// Those about what nobody knows, or of a component that nobody does: a misspelt name must not sit there
    /// and look like an exception.
    pub fn of_unknown(&self, known: &BTreeSet<Waived>, components: &BTreeSet<&str>) -> Vec<&Waiver> {
        let is_known = |w: &&Waiver| known.contains(&w.about) && components.contains(w.component.as_str());
        self.0.iter().filter(|w| !is_known(w)).collect()
    }

    /// The term of a waiver that covers it; that with the latest end where several do.
    pub fn term(&self, about: &Waived, component: &str, version: &str, today: Date) -> Option<Term> {
        self.0
            .iter()
            .filter(|w| w.about == *about && w.covers(component, version))
            .max_by_key(|w| (w.term(today).counts(), w.until))
            .map(|w| w.term(today))
    }

    /// Those for a component and release with their terms; `needed` says what there is to excuse.
    pub fn shown(
        &self,
        component: &str,
        version: &str,
        today: Date,
        needed: impl Fn(&Waived) -> bool,
    ) -> Vec<Shown> {
        let covering = self.0.iter().filter(|w| w.covers(component, version));
        covering.map(|w| Shown { waiver: w.clone(), term: w.term(today), used: needed(&w.about) }).collect()
    }
}

#[cfg(test)]
mod tests;
