//! Answers about so many artifacts that they are written as they come.

use jiff::Timestamp;
use reprove::verdict::Verdict;
use reprove::verify::ArtifactAnswer;
use serde_json::json;

use super::unread::{self, Unread};
use super::{SCHEMA_ID, text};
use crate::args::Format;
use crate::exit::Exit;
use crate::render::{self, Failure};

/// The report, part by part; the whole is what a report in one piece would be.
pub(super) struct Report {
    format: Format,
    verbose: bool,
    verdicts: Vec<Verdict>,
    unread: Vec<Unread>,
    not_checked: Option<String>,
}

impl Report {
    pub(super) fn new(
        format: Format,
        verbose: bool,
        as_of: Timestamp,
        trust_roots: Vec<&str>,
    ) -> Result<Self, Failure> {
        if format == Format::Json {
            let head = [
                ("schema", json!(SCHEMA_ID)),
                ("as_of", json!(as_of.to_string())),
                ("trust_roots", json!(trust_roots)),
            ];
            let head: Vec<_> =
                head.into_iter().map(|(name, value)| format!("  \"{name}\": {value},\n")).collect();
            render::part(&format!("{{\n{}  \"artifacts\": [", head.concat()))?;
        }
        Ok(Self { format, verbose, verdicts: Vec::new(), unread: Vec::new(), not_checked: None })
    }

    pub(super) fn unread(&mut self, more: Vec<Unread>) {
        self.unread.extend(more);
    }

    pub(super) fn answers(&mut self, answers: &[ArtifactAnswer]) -> Result<(), Failure> {
        let mut out = String::new();
        for answer in answers {
            match self.format {
                Format::Json => {
                    let before = if self.verdicts.is_empty() { "\n    " } else { ",\n    " };
                    out.push_str(before);
                    out.push_str(&render::json(answer)?.trim_end().replace('\n', "\n    "));
                }
                Format::Text => text::artifact(&mut out, answer, self.verbose),
            }
            self.verdicts.push(answer.verdict);
            self.not_checked.get_or_insert_with(|| answer.not_checked.join("; "));
        }
        render::part(&out)
    }

    pub(super) fn end(self) -> Result<Exit, Failure> {
        let (verdict, exit) = unread::overall(self.verdicts.iter().copied(), self.unread.len());
        let end = match self.format {
            Format::Json => {
                let (unread, verdict) = (json!(self.unread), json!(verdict));
                format!("\n  ],\n  \"unread\": {unread},\n  \"verdict\": {verdict}\n}}\n")
            }
            Format::Text => text::end(&self.verdicts, &self.unread, self.not_checked.as_deref(), verdict),
        };
        render::answer(&end, exit)
    }
}
