//! `reprove controls`.

mod csv;
mod text;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use reprove::deployment::Severity;
use reprove::evaluate::control::{Control, Kind, State};
use reprove::limits::report::ReportLimits;
use reprove::report::controls::Controls as Held;
use reprove::report::findings::Tested;
use reprove::report::markdown;
use reprove::verdict::Verdict;
use serde::Serialize;

use crate::args::{Args, Format};
use crate::commands::check_config;
use crate::commands::findings::{is_release, looks};
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
    Diff {
        /// The earlier release: its version as published, or upstream's.
        before: String,
        /// The later one.
        after: String,
        /// Of which component (default: all that have both).
        #[arg(long, value_name = "NAME")]
        component: Option<String>,
        /// Those too whose state is the same.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Export {
    Markdown,
    Csv,
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

/// What was asked for is not there.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ControlsError {
    /// No such control.
    #[error("no control `{id}`")]
    #[diagnostic(code(cli::unknown_control), help("`reprove controls` lists them"))]
    Unknown {
        /// As asked for.
        id: String,
    },
    /// No such component in the model.
    #[error("no control is about a component `{name}`")]
    #[diagnostic(code(cli::no_controls), help("controls are about: {}", known.join(", ")))]
    Component {
        /// As asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The release was never looked at.
    #[error("release `{release}` was never looked at for its controls")]
    #[diagnostic(
        code(cli::controls_not_looked),
        help("run `reprove audit COMPONENT@VERSION` first; looked at so far: {}", if known.is_empty() { "nothing".to_owned() } else { known.join(", ") })
    )]
    NotLooked {
        /// As asked for.
        release: String,
        /// What there is.
        known: Vec<String>,
    },
}

fn usage(error: ControlsError) -> Failure {
    Failure::new(error, Exit::Usage)
}

/// One release with what is known of it.
#[derive(Debug, Serialize)]
struct Shown {
    component: String,
    /// None where no release of it was ever looked at.
    version: Option<String>,
    looked_at: Option<String>,
    controls: Held,
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
    checks: Vec<(String, String, String)>,
}

/// Two releases beside each other.
#[derive(Debug, Serialize)]
struct Diff {
    before: String,
    after: String,
    steps: Vec<Step>,
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
            Some(Verb::Diff { before, after, component, all }) => {
                diff(args, &desk, before, after, component.as_deref(), *all)?
            }
        };
        render::answer(&out, Exit::Pass)
    }

    fn list(&self, args: &Args, desk: &Desk) -> Result<String, Failure> {
        let mut all = Vec::new();
        for component in components(desk, &self.filter.component)? {
            let looks = looks(desk, &component)?;
            let mut shown = match &self.filter.release {
                None => newest(desk, &component)?,
                Some(release) => match looks.iter().rev().find(|l| is_release(l, release)) {
                    Some(look) => held(desk, look)?,
                    None => continue,
                },
            };
            shown.controls.rows.retain(|row| self.filter.takes(row));
            all.push(shown);
        }
        if let Some(release) = self.filter.release.as_ref().filter(|_| all.is_empty()) {
            return Err(not_looked(desk, release)?);
        }
        Ok(match (self.export, args.format) {
            (Some(Export::Csv), _) => csv::table(&all),
            (Some(Export::Markdown), _) => {
                let mut out = String::from("# Controls of the security model\n\n");
                for shown in &all {
                    out.push_str(&format!("## {}\n\n", text::heading(shown)));
                    markdown::render_controls(&mut out, &shown.controls, &ReportLimits::DEFAULT);
                }
                out
            }
            (None, Format::Json) => render::json(&all)?,
            (None, Format::Text) => text::list(&all, host::colours_on_stdout()),
        })
    }
}

impl Filter {
    fn takes(&self, row: &reprove::evaluate::control::Judged) -> bool {
        (self.kind.is_empty() || self.kind.contains(&row.kind))
            && (self.state.is_empty() || self.state.contains(&row.state))
            && (self.verdict.is_empty() || self.verdict.contains(&row.verdict()))
            && self.severity.is_none_or(|least| row.severity >= least)
    }
}

/// The components that controls are about, or those of them that were asked for.
fn components(desk: &Desk, asked: &[String]) -> Result<Vec<String>, Failure> {
    let known = desk.controls.released();
    for name in asked {
        if !known.contains(name) {
            return Err(usage(ControlsError::Component { name: name.clone(), known }));
        }
    }
    Ok(known.into_iter().filter(|k| asked.is_empty() || asked.contains(k)).collect())
}

fn held(desk: &Desk, look: &reprove::evaluate::history::Look) -> Result<Shown, Failure> {
    Ok(Shown {
        component: look.component.clone(),
        version: Some(look.version.clone()),
        looked_at: Some(look.as_of.clone()),
        controls: desk.controls_of(look)?,
    })
}

/// The newest release that was looked at; where there is none, the model alone.
fn newest(desk: &Desk, component: &str) -> Result<Shown, Failure> {
    let looks = looks(desk, component)?;
    if let Some(look) = looks.iter().max_by_key(|l| (reprove::probe::spec::upstream(&l.version), l.id)) {
        return held(desk, look);
    }
    let reason = format!("no release was looked at; run `reprove audit {component}`");
    let controls = desk.controls_without(component, Tested::Nothing { reason });
    Ok(Shown { component: component.to_owned(), version: None, looked_at: None, controls })
}

fn not_looked(desk: &Desk, release: &str) -> Result<Failure, Failure> {
    let mut known = Vec::new();
    for component in components(desk, &[])? {
        known.extend(looks(desk, &component)?.into_iter().map(|l| format!("{component}@{}", l.version)));
    }
    Ok(usage(ControlsError::NotLooked { release: release.to_owned(), known }))
}

fn show(
    args: &Args,
    desk: &Desk,
    id: &str,
    component: Option<&str>,
    release: Option<&str>,
) -> Result<String, Failure> {
    let Some(control) = desk.controls.get(id) else {
        return Err(usage(ControlsError::Unknown { id: id.to_owned() }));
    };
    let about: Vec<String> = components(desk, &[])?.into_iter().filter(|c| control.is_about(c)).collect();
    let mut shown = Vec::new();
    for name in about.iter().filter(|c| component.is_none_or(|a| a == c.as_str())) {
        let mut one = match release {
            None => newest(desk, name)?,
            Some(release) => match looks(desk, name)?.iter().rev().find(|l| is_release(l, release)) {
                Some(look) => held(desk, look)?,
                None => continue,
            },
        };
        one.controls.rows.retain(|row| row.id == control.id);
        shown.push(one);
    }
    match (shown.is_empty(), release, component) {
        (true, Some(release), _) => return Err(not_looked(desk, release)?),
        (true, None, Some(name)) => {
            return Err(usage(ControlsError::Component { name: name.to_owned(), known: about }));
        }
        _ => {}
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

fn diff(
    args: &Args,
    desk: &Desk,
    before: &str,
    after: &str,
    component: Option<&str>,
    all: bool,
) -> Result<String, Failure> {
    // `prometheus@2.42.0+ds-5` names its component.
    let split = |text: &str| match text.split_once('@') {
        Some((name, version)) if !text.starts_with("pkg:") => (Some(name.to_owned()), version.to_owned()),
        _ => (None, text.to_owned()),
    };
    let ((name, before), (other, after)) = (split(before), split(after));
    let asked: Vec<String> = component.map(str::to_owned).or(name).or(other).into_iter().collect();
    let (mut steps, mut has_before, mut has_after) = (Vec::new(), false, false);
    for component in components(desk, &asked)? {
        let looks = looks(desk, &component)?;
        let of = |text: &str| looks.iter().rev().find(|l| is_release(l, text));
        let (old, new) = (of(&before), of(&after));
        has_before |= old.is_some();
        has_after |= new.is_some();
        let (Some(old), Some(new)) = (old, new) else { continue };
        let (old, new) = (held(desk, old)?, held(desk, new)?);
        for row in new.controls.rows {
            let Some(was) = old.controls.rows.iter().find(|r| r.id == row.id) else { continue };
            let answer = |r: &reprove::evaluate::control::Judged, id: &str| {
                r.checks.iter().find(|c| c.answer.id == id).map(|c| c.answer.answered.word().to_owned())
            };
            let checks: Vec<_> = row
                .checks
                .iter()
                .filter_map(|c| {
                    let id = &c.answer.id;
                    let (then, now) = (answer(was, id)?, c.answer.answered.word().to_owned());
                    (then != now).then(|| (id.clone(), then, now))
                })
                .collect();
            if all || was.state != row.state || !checks.is_empty() {
                steps.push(Step {
                    component: component.clone(),
                    id: row.id,
                    kind: row.kind,
                    severity: row.severity,
                    text: row.text,
                    before: was.state,
                    after: row.state,
                    because: row.reason,
                    checks,
                });
            }
        }
    }
    if !has_before {
        return Err(not_looked(desk, &before)?);
    }
    if !has_after {
        return Err(not_looked(desk, &after)?);
    }
    let diff = Diff { before, after, steps };
    match args.format {
        Format::Json => render::json(&diff),
        Format::Text => Ok(text::diff(&diff)),
    }
}
