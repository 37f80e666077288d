//! `reprove findings`.

pub(super) mod csv;
mod text;

use std::collections::BTreeSet;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use reprove::evaluate::history::Look;
use reprove::evaluate::register::Severity;
use reprove::evaluate::standing::Standing;
use reprove::limits::report::ReportLimits;
use reprove::probe::spec::upstream;
use reprove::report::findings::{FindingRow, Findings as Held, Tested};
use reprove::report::markdown;
use serde::Serialize;

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
    Diff {
        /// The earlier release: its version as published, or upstream's.
        before: String,
        /// The later one.
        after: String,
        /// Of which component (default: all that have both).
        #[arg(long, value_name = "NAME")]
        component: Option<String>,
        /// Those too whose standing is the same.
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

/// What was asked for is not there.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum FindingsError {
    /// No such finding.
    #[error("no finding `{id}`")]
    #[diagnostic(code(cli::unknown_finding), help("`reprove findings` lists them"))]
    Unknown {
        /// As asked for.
        id: String,
    },
    /// No such component in the register.
    #[error("no finding is about a component `{name}`")]
    #[diagnostic(code(cli::no_findings), help("findings are about: {}", known.join(", ")))]
    Component {
        /// As asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The release was never looked at.
    #[error("release `{release}` was never looked at")]
    #[diagnostic(
        code(cli::release_not_looked),
        help("run `reprove audit COMPONENT@VERSION` first; looked at so far: {}", if known.is_empty() { "nothing".to_owned() } else { known.join(", ") })
    )]
    NotLooked {
        /// As asked for.
        release: String,
        /// What there is.
        known: Vec<String>,
    },
}

fn usage(error: FindingsError) -> Failure {
    Failure::new(error, Exit::Usage)
}

/// One release with what is known of it.
#[derive(Debug, Serialize)]
struct Shown {
    component: String,
    /// None where no release of it was ever looked at.
    version: Option<String>,
    looked_at: Option<String>,
    findings: Held,
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
}

/// Two releases beside each other.
#[derive(Debug, Serialize)]
struct Diff {
    before: String,
    after: String,
    steps: Vec<Step>,
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
                None => newest(desk, &component, &looks)?,
                Some(release) => match looks.iter().rev().find(|l| is_release(l, release)) {
                    Some(look) => held(desk, look)?,
                    None => continue,
                },
            };
            if let Some(since) = &self.filter.since {
                let then = self.then(desk, &component, &looks, since, shown.version.as_deref())?;
                shown.findings.rows.retain(|row| {
                    then.as_ref()
                        .and_then(|t| t.findings.rows.iter().find(|r| r.id == row.id))
                        .map(|r| r.standing)
                        != Some(row.standing)
                });
            }
            shown.findings.rows.retain(|row| self.filter.takes(row));
            all.push(shown);
        }
        if let Some(release) = self.filter.release.as_ref().filter(|_| all.is_empty()) {
            return Err(not_looked(desk, release)?);
        }
        Ok(match (self.export, args.format) {
            (Some(Export::Csv), _) => csv::table(&all),
            (Some(Export::Markdown), _) => {
                let mut out = String::from("# Findings of external audits\n\n");
                for shown in &all {
                    out.push_str(&format!("## {}\n\n", text::heading(shown)));
                    markdown::render_findings(&mut out, &shown.findings, &ReportLimits::DEFAULT);
                }
                out
            }
            (None, Format::Json) => render::json(&all)?,
            (None, Format::Text) => text::list(&all, host::colours_on_stdout()),
        })
    }

    /// What was known on a day, or of another release.
    fn then(
        &self,
        desk: &Desk,
        component: &str,
        looks: &[Look],
        since: &str,
        now: Option<&str>,
    ) -> Result<Option<Shown>, Failure> {
        if let Ok(day) = since.parse::<Date>() {
            let Some(history) = desk.history() else { return Ok(None) };
            let all = history.all_looks(component).map_err(register::history)?;
            let on = |l: &&Look| {
                l.as_of.parse::<Timestamp>().is_ok_and(|t| t.to_zoned(jiff::tz::TimeZone::UTC).date() <= day)
            };
            return all.iter().rev().find(on).map(|look| held(desk, look)).transpose();
        }
        match looks.iter().rev().find(|l| is_release(l, since)) {
            Some(look) if Some(look.version.as_str()) != now => held(desk, look).map(Some),
            Some(_) => Ok(None),
            None => Err(not_looked(desk, since)?),
        }
    }
}

impl Filter {
    fn takes(&self, row: &FindingRow) -> bool {
        (self.standing.is_empty() || self.standing.contains(&row.standing))
            && self.severity.is_none_or(|least| row.severity >= least)
    }
}

/// The components that findings are about, or those of them that were asked for.
fn components(desk: &Desk, asked: &[String]) -> Result<Vec<String>, Failure> {
    let all: BTreeSet<&String> = desk.register.findings().flat_map(|(_, f)| &f.components).collect();
    let known: Vec<String> = all.into_iter().cloned().collect();
    for name in asked {
        if !known.contains(name) {
            return Err(usage(FindingsError::Component { name: name.clone(), known }));
        }
    }
    Ok(known.into_iter().filter(|k| asked.is_empty() || asked.contains(k)).collect())
}

pub(super) fn looks(desk: &Desk, component: &str) -> Result<Vec<Look>, Failure> {
    match desk.history() {
        Some(history) => history.looks(component).map_err(register::history),
        None => Ok(Vec::new()),
    }
}

/// Whether a look is at that release: by its version, its package URL or upstream's version.
pub(super) fn is_release(look: &Look, text: &str) -> bool {
    look.version == text
        || look.purl == text
        || (text.chars().all(|c| c.is_ascii_digit() || c == '.') && upstream(&look.version) == upstream(text))
}

fn held(desk: &Desk, look: &Look) -> Result<Shown, Failure> {
    let answers = match desk.history() {
        Some(history) => history.answers(look.id, &desk.questions).map_err(register::history)?,
        None => Vec::new(),
    };
    let earlier = desk.earlier(look)?;
    let findings = desk.findings(look, Tested::from_text(&look.tested), &answers, &earlier);
    Ok(Shown {
        component: look.component.clone(),
        version: Some(look.version.clone()),
        looked_at: Some(look.as_of.clone()),
        findings,
    })
}

/// The newest release that was looked at; where there is none, what people say alone.
fn newest(desk: &Desk, component: &str, looks: &[Look]) -> Result<Shown, Failure> {
    if let Some(look) = looks.iter().max_by_key(|l| (upstream(&l.version), l.id)) {
        return held(desk, look);
    }
    let none = Look {
        id: 0,
        component: component.to_owned(),
        version: String::new(),
        purl: String::new(),
        tested: String::new(),
        as_of: String::new(),
        tool: String::new(),
    };
    let reason = format!("no release was looked at; run `reprove audit {component}`");
    let findings = desk.findings(&none, Tested::Nothing { reason }, &[], &[]);
    Ok(Shown { component: component.to_owned(), version: None, looked_at: None, findings })
}

fn not_looked(desk: &Desk, release: &str) -> Result<Failure, Failure> {
    let mut known = Vec::new();
    for component in components(desk, &[])? {
        known.extend(looks(desk, &component)?.into_iter().map(|l| format!("{component}@{}", l.version)));
    }
    Ok(usage(FindingsError::NotLooked { release: release.to_owned(), known }))
}

fn show(
    args: &Args,
    desk: &Desk,
    id: &str,
    component: Option<&str>,
    release: Option<&str>,
) -> Result<String, Failure> {
    let Some((audit, finding)) = desk.register.find(id) else {
        return Err(usage(FindingsError::Unknown { id: id.to_owned() }));
    };
    let mut shown = Vec::new();
    for name in finding.components.iter().filter(|c| component.is_none_or(|a| a == *c)) {
        let looks = looks(desk, name)?;
        let mut one = match release {
            None => newest(desk, name, &looks)?,
            Some(release) => match looks.iter().rev().find(|l| is_release(l, release)) {
                Some(look) => held(desk, look)?,
                None => continue,
            },
        };
        one.findings.rows.retain(|row| row.id == finding.key);
        shown.push(one);
    }
    match (shown.is_empty(), release, component) {
        (true, Some(release), _) => Err(not_looked(desk, release)?),
        (true, None, name) => Err(usage(FindingsError::Component {
            name: name.unwrap_or_default().to_owned(),
            known: finding.components.clone(),
        })),
        (false, ..) => match args.format {
            Format::Json => render::json(&shown),
            Format::Text => Ok(text::one(audit, finding, &shown, host::colours_on_stdout())),
        },
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
        for row in new.findings.rows {
            let Some(was) = old.findings.rows.iter().find(|r| r.id == row.id) else { continue };
            if all || was.standing != row.standing {
                steps.push(Step {
                    component: component.clone(),
                    id: row.id,
                    severity: row.severity,
                    title: row.title,
                    before: was.standing,
                    after: row.standing,
                    because: row.because,
                });
            }
        }
    }
    for (text, seen) in [(&before, has_before), (&after, has_after)] {
        if !seen {
            return Err(not_looked(desk, text)?);
        }
    }
    let diff = Diff { before, after, steps };
    match args.format {
        Format::Json => render::json(&diff),
        Format::Text => Ok(text::diff(&diff)),
    }
}
