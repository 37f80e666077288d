//! `reprove findings`.

mod csv;
mod text;

use std::collections::BTreeSet;

use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::Date;
use reprove::evaluate::history::Look;
use reprove::evaluate::register::Severity;
use reprove::evaluate::standing::Standing;
use reprove::limits::report::ReportLimits;
use reprove::report::findings::{FindingRow, Findings as Held, Tested};
use reprove::report::markdown;
use serde::Serialize;

use super::releases::{
    self, Changed, Export, Pair, changed, heading, held, is_release, looks, not_looked, unknown,
};
use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::host;
use crate::register::{self, Desk, RepositoryArgs};
use crate::render::{self, Failure};

/// Show the findings of external audits, and what was seen of them in the releases that were audited.
///
/// Standings are derived anew from what `reprove audit` saw, by the register as it is now. For each
/// component the newest release that was looked at is shown.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Findings {
    #[command(subcommand)]
    command: Option<Verb>,

    #[command(flatten)]
    filter: Filter,

    /// Print a table for other programs and people.
    #[arg(long, value_enum, value_name = "FORMAT")]
    export: Option<Export>,

    /// The time of judgement, RFC 3339 (default: now). Acceptances end.
    #[arg(long, value_name = "TIME", global = true)]
    as_of: Option<Timestamp>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show one finding with its evidence.
    Show {
        /// The finding's id.
        id: String,
        /// Only for this component.
        #[arg(long, value_name = "NAME")]
        component: Option<String>,
        /// In this release (default: the newest that was looked at).
        #[arg(long, value_name = "VERSION")]
        release: Option<String>,
    },
    /// Compare two releases of a component.
    Diff(Pair),
}

#[derive(Debug, clap::Args)]
struct Filter {
    /// Only of this component. Repeatable.
    #[arg(long, value_name = "NAME")]
    component: Vec<String>,

    /// In this release: its version as published, or upstream's.
    #[arg(long, value_name = "VERSION")]
    release: Option<String>,

    /// Only with this standing. Repeatable.
    #[arg(long, value_name = "STANDING", value_parser = standing)]
    standing: Vec<Standing>,

    /// Only of this severity or more.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    severity: Option<Severity>,

    /// Only those whose standing is not what it was: on that day, or in that release.
    #[arg(long, value_name = "DATE|VERSION")]
    since: Option<String>,
}

fn standing(text: &str) -> Result<Standing, String> {
    Standing::ALL
        .into_iter()
        .find(|s| s.code() == text)
        .ok_or_else(|| format!("expected one of {}", Standing::ALL.map(Standing::code).join(", ")))
}

fn severity(text: &str) -> Result<Severity, String> {
    const ALL: [(&str, Severity); 6] = [
        ("none-given", Severity::NoneGiven),
        ("info", Severity::Info),
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];
    ALL.into_iter()
        .find(|(name, _)| *name == text)
        .map(|(_, s)| s)
        .ok_or_else(|| format!("expected one of {}", ALL.map(|(name, _)| name).join(", ")))
}

type Shown = releases::Shown<Held>;

impl releases::Held for Held {
    const KEY: &'static str = "findings";
    const ONE: &'static str = "finding";

    fn components(desk: &Desk) -> Vec<String> {
        let all: BTreeSet<&String> = desk.register.findings().flat_map(|(_, f)| &f.components).collect();
        all.into_iter().cloned().collect()
    }

    fn of(desk: &Desk, look: &Look) -> Result<Self, Failure> {
        let answers = match desk.history() {
            Some(history) => history.answers(look.id, &desk.questions).map_err(register::history)?,
            None => Vec::new(),
        };
        Ok(desk.findings(look, Tested::from_text(&look.tested), &answers, &desk.earlier(look)?))
    }

    fn without(desk: &Desk, component: &str, tested: Tested) -> Self {
        desk.findings(&Look::none(component), tested, &[], &[])
    }
}

/// One finding in two releases.
#[derive(Debug, Serialize)]
struct Step {
    component: String,
    id: String,
    severity: Severity,
    title: String,
    before: Standing,
    after: Standing,
    because: String,
    /// Checks whose answers differ: id, before, after.
    checks: Changed,
}

impl Findings {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let as_of = self.as_of.unwrap_or_else(host::now);
        let desk = Desk::open(args, &RepositoryArgs::default(), as_of)?;
        let out = match &self.command {
            None => self.list(args, &desk)?,
            Some(Verb::Show { id, component, release }) => {
                show(args, &desk, id, component.as_deref(), release.as_deref())?
            }
            Some(Verb::Diff(pair)) => {
                let diff = pair.compare(&desk, |component, new, old| steps(component, new, old, pair.all))?;
                match args.format {
                    Format::Json => render::json(&diff)?,
                    Format::Text => text::diff(&diff),
                }
            }
        };
        render::answer(&out, Exit::Pass)
    }

    fn list(&self, args: &Args, desk: &Desk) -> Result<String, Failure> {
        let mut all: Vec<Shown> =
            releases::list(desk, &self.filter.component, self.filter.release.as_deref())?;
        for shown in &mut all {
            if let Some(since) = &self.filter.since {
                let then = self.then(desk, shown, since)?;
                shown.held.rows.retain(|row| {
                    let was = then.as_ref().and_then(|t| t.held.rows.iter().find(|r| r.id == row.id));
                    was.map(|r| r.standing) != Some(row.standing)
                });
            }
            shown.held.rows.retain(|row| self.filter.takes(row));
        }
        Ok(match (self.export, args.format) {
            (Some(Export::Csv), _) => csv::table(&all),
            (Some(Export::Markdown), _) => {
                let mut out = String::from("# Findings of external audits\n\n");
                for shown in &all {
                    out.push_str(&format!("## {}\n\n", heading(shown)));
                    markdown::render_findings(&mut out, &shown.held, &ReportLimits::DEFAULT);
                }
                out
            }
            (None, Format::Json) => render::json(&all)?,
            (None, Format::Text) => text::list(&all, host::colours_on_stdout()),
        })
    }

    /// What was known on a day, or of another release.
    fn then(&self, desk: &Desk, now: &Shown, since: &str) -> Result<Option<Shown>, Failure> {
        if let Ok(day) = since.parse::<Date>() {
            let Some(history) = desk.history() else { return Ok(None) };
            let all = history.all_looks(&now.component).map_err(register::history)?;
            let on = |l: &&Look| {
                l.as_of.parse::<Timestamp>().is_ok_and(|t| t.to_zoned(jiff::tz::TimeZone::UTC).date() <= day)
            };
            return all.iter().rev().find(on).map(|look| held(desk, look)).transpose();
        }
        let looks = looks(desk, &now.component)?;
        match looks.iter().rev().find(|l| is_release(l, since)) {
            Some(look) if Some(&look.version) != now.version.as_ref() => held(desk, look).map(Some),
            Some(_) => Ok(None),
            None => Err(not_looked::<Held>(desk, since)?),
        }
    }
}

impl Filter {
    fn takes(&self, row: &FindingRow) -> bool {
        (self.standing.is_empty() || self.standing.contains(&row.standing))
            && self.severity.is_none_or(|least| row.severity >= least)
    }
}

fn show(
    args: &Args,
    desk: &Desk,
    id: &str,
    component: Option<&str>,
    release: Option<&str>,
) -> Result<String, Failure> {
    let Some((audit, finding)) = desk.register.find(id) else { return Err(unknown::<Held>(id)) };
    let mut shown: Vec<Shown> = releases::one(desk, finding.components.clone(), component, release)?;
    for one in &mut shown {
        one.held.rows.retain(|row| row.id == finding.key);
    }
    match args.format {
        Format::Json => render::json(&shown),
        Format::Text => Ok(text::one(audit, finding, &shown, host::colours_on_stdout())),
    }
}

/// What is not in one release as in another: standings, and answers below the same standing.
fn steps(component: &str, new: Held, old: &Held, all: bool) -> Vec<Step> {
    let step = |row: FindingRow| {
        let was = old.rows.iter().find(|r| r.id == row.id)?;
        let checks = changed(
            was.evidence.iter().filter_map(|e| e.answer.as_ref()),
            row.evidence.iter().filter_map(|e| e.answer.as_ref()),
        );
        let differs = was.standing != row.standing || !checks.is_empty();
        (all || differs).then(|| Step {
            component: component.to_owned(),
            id: row.id,
            severity: row.severity,
            title: row.title,
            before: was.standing,
            after: row.standing,
            because: row.because,
            checks,
        })
    };
    new.rows.into_iter().filter_map(step).collect()
}
