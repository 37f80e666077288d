//! What each rule looks at. Reasons and remedies stand with the rules, in the policy.

mod alertmanager;
mod command_line;
mod exporters;
mod files;
mod prometheus;
mod secrets;
mod text;
mod web;

pub(super) use text::is_metrics;

use super::yaml::Node;
use super::{Deployment, Document};

/// A place where a rule is violated.
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}

/// What a rule found.
#[derive(Default)]
pub(super) struct Found(pub(super) Vec<Place>);

/// Whether a rule's subject was there.
pub(super) enum Looked {
    /// It was looked at.
    Yes,
    /// It could not be: what it needs.
    Needs(&'static str),
}

impl Found {
    fn at(&mut self, document: &Document, node: &Node, what: impl Into<String>) {
        self.0.push(Place {
            file: document.name.clone(),
            line: node.line,
            column: node.column,
            what: what.into(),
        });
    }

    fn place(&mut self, document: &Document, line: usize, column: usize, what: impl Into<String>) {
        self.0.push(Place { file: document.name.clone(), line, column, what: what.into() });
    }

    fn file(&mut self, document: &Document, what: impl Into<String>) {
        self.0.push(Place { file: document.name.clone(), line: 0, column: 0, what: what.into() });
    }

    fn command_line(&mut self, what: impl Into<String>) {
        self.0.push(Place { file: "command line".to_owned(), line: 0, column: 0, what: what.into() });
    }
}

/// A rule's code.
pub(super) type Look = fn(&Deployment, &mut Found) -> Looked;

const TABLES: [&[(&str, Look)]; 7] = [
    command_line::RULES,
    prometheus::RULES,
    alertmanager::RULES,
    web::RULES,
    exporters::RULES,
    files::RULES,
    text::RULES,
];

/// The code of a rule.
pub(super) fn of(id: &str) -> Option<Look> {
    TABLES.iter().flat_map(|t| t.iter()).find(|(known, _)| *known == id).map(|(_, look)| *look)
}

/// Every rule with code.
pub(super) fn ids() -> impl Iterator<Item = &'static str> {
    TABLES.iter().flat_map(|t| t.iter()).map(|(id, _)| *id)
}
