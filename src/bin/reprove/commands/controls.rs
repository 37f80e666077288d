//! `reprove controls`.

mod csv;
mod text;

use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use reprove::deployment::Severity;
use reprove::evaluate::control::{Control, Judged, Kind, State};
use reprove::evaluate::history::Look;
use reprove::limits::report::ReportLimits;
use reprove::report::controls::Controls as Held;
use reprove::report::findings::Tested;
use reprove::report::markdown;
use reprove::verdict::Verdict;
use serde::Serialize;

use super::releases::{self, Changed, Export, Pair, changed, components, heading, unknown};
use crate::args::{Args, Format};
use crate::commands::check_config;
use crate::exit::Exit;
use crate::host;
use crate::register::{Desk, RepositoryArgs};
use crate::render::{self, Failure};

/// Show the controls of the security model, and how the releases that were audited answer them.
///
/// States are derived anew from what `reprove audit` saw, by the model as it is now. For each component the
/// newest release that was looked at is shown. The verdict speaks of the document: that a warning passes
/// says that what it warns of is there.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Controls {
    #[command(subcommand)]
    command: Option<Verb>,

    #[command(flatten)]
    filter: Filter,

    /// Files of a deployment, as `reprove check-config` takes them: they answer what is the operator's.
    /// Repeatable.
    #[arg(long, value_name = "FILE")]
    deployment: Vec<PathBuf>,

    /// The deployment's command line, as one text.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    flags: Option<String>,

    /// Print a table for other programs and people.
    #[arg(long, value_enum, value_name = "FORMAT")]
    export: Option<Export>,

    /// The time of judgement, RFC 3339 (default: now). Waivers end.
    #[arg(long, value_name = "TIME", global = true)]
    as_of: Option<Timestamp>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show one control with its checks.
    Show {
        /// The control's id.
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

    /// Only of this kind: `promise`, `warning` or `duty`. Repeatable.
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<Kind>,

    /// Only of this severity or more.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    severity: Option<Severity>,

    /// Only with this verdict: `pass`, `inconclusive` or `fail`. Repeatable.
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    verdict: Vec<Verdict>,

    /// Only in this state, e.g. `open-by-default`. Repeatable.
    #[arg(long, value_name = "STATE", value_parser = state)]
    state: Vec<State>,
}

fn one_of<T: Copy>(text: &str, all: &[T], word: fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().copied().find(|one| word(*one).replace(' ', "-") == text);
    found.ok_or_else(|| {
        let words: Vec<String> = all.iter().map(|one| word(*one).replace(' ', "-")).collect();
        format!("expected one of {}", words.join(", "))
    })
}

fn kind(text: &str) -> Result<Kind, String> {
    one_of(text, &Kind::ALL, Kind::word)
}

fn severity(text: &str) -> Result<Severity, String> {
    one_of(text, &Severity::ALL, Severity::word)
}

fn verdict(text: &str) -> Result<Verdict, String> {
    one_of(text, &[Verdict::Pass, Verdict::Inconclusive, Verdict::Fail], Verdict::word)
}

fn state(text: &str) -> Result<State, String> {
    one_of(text, &State::ALL, State::words)
}

type Shown = releases::Shown<Held>;

impl releases::Held for Held {
    const KEY: &'static str = "controls";
    const ONE: &'static str = "control";

    fn components(desk: &Desk) -> Vec<String> {
        desk.controls.released()
    }

    fn of(desk: &Desk, look: &Look) -> Result<Self, Failure> {
        desk.controls_of(look)
    }

    fn without(desk: &Desk, component: &str, tested: Tested) -> Self {
        desk.controls_without(component, tested)
    }
}

/// One control in two releases.
#[derive(Debug, Serialize)]
struct Step {
    component: String,
    id: String,
    kind: Kind,
    severity: Severity,
    text: String,
    before: State,
    after: State,
    because: String,
    /// Checks whose answers differ: id, before, after.
    checks: Changed,
}

impl Controls {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let as_of = self.as_of.unwrap_or_else(host::now);
        let mut desk = Desk::open(args, &RepositoryArgs::default(), as_of)?;
        if !self.deployment.is_empty() || self.flags.is_some() {
            let component = match self.filter.component.as_slice() {
                [one] => Some(one.as_str()),
                _ => None,
            };
            let judgement = check_config::judge(args, &self.deployment, self.flags.as_deref(), component)?;
            desk.deploy(judgement);
        }
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
            shown.held.rows.retain(|row| self.filter.takes(row));
        }
        Ok(match (self.export, args.format) {
            (Some(Export::Csv), _) => csv::table(&all),
            (Some(Export::Markdown), _) => {
                let mut out = String::from("# Controls of the security model\n\n");
                for shown in &all {
                    out.push_str(&format!("## {}\n\n", heading(shown)));
                    markdown::render_controls(&mut out, &shown.held, &ReportLimits::DEFAULT);
                }
                out
            }
            (None, Format::Json) => render::json(&all)?,
            (None, Format::Text) => text::list(&all, host::colours_on_stdout()),
        })
    }
}

impl Filter {
    fn takes(&self, row: &Judged) -> bool {
        (self.kind.is_empty() || self.kind.contains(&row.kind))
            && (self.state.is_empty() || self.state.contains(&row.state))
            && (self.verdict.is_empty() || self.verdict.contains(&row.verdict()))
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
    let Some(control) = desk.controls.get(id) else { return Err(unknown::<Held>(id)) };
    let about = components::<Held>(desk, &[])?.into_iter().filter(|c| control.is_about(c)).collect();
    let mut shown: Vec<Shown> = releases::one(desk, about, component, release)?;
    for one in &mut shown {
        one.held.rows.retain(|row| row.id == control.id);
    }
    #[derive(Serialize)]
    struct One<'a> {
        control: &'a Control,
        releases: &'a [Shown],
    }
    match args.format {
        Format::Json => render::json(&One { control, releases: &shown }),
        Format::Text => Ok(text::one(control, &shown, host::colours_on_stdout())),
    }
}

/// What is not in one release as in another: states, and answers below the same state.
fn steps(component: &str, new: Held, old: &Held, all: bool) -> Vec<Step> {
    let step = |row: Judged| {
        let was = old.rows.iter().find(|r| r.id == row.id)?;
        let checks = changed(
            was.checks.iter().map(|check| &check.answer),
            row.checks.iter().map(|check| &check.answer),
        );
        let differs = was.state != row.state || !checks.is_empty();
        (all || differs).then(|| Step {
            component: component.to_owned(),
            id: row.id,
            kind: row.kind,
            severity: row.severity,
            text: row.text,
            before: was.state,
            after: row.state,
            because: row.reason,
            checks,
        })
    };
    new.rows.into_iter().filter_map(step).collect()
}
