//! Which probes share a start of the component, and how many starts run at once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::answer::{Answer, Observed, ProcessState};
use super::ask::{self, Asked, outcome_text};
use super::launch::{NotStarted, Setting, Started};
use super::spec::{HttpExpect, HttpProbe, Launch, Probe, Process, Reply};
use super::{Probed, judge};
use crate::event::{Event, Observer, Stage, Unit};

/// A probe with its place in the caller's list.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    place: usize,
    id: &'a str,
    probe: &'a Probe,
}

/// Probes that follow each other on one start.
struct Group<'a> {
    launch: Launch,
    entries: Vec<Entry<'a>>,
}

/// Whether a probe neither looks at what others cause nor, by its kind, leaves something behind.
fn shares(probe: &Probe) -> bool {
    match probe {
        Probe::HttpProbe(HttpProbe { before, expect, .. }) => {
            let own = |e: &HttpExpect| {
                e.reply != Reply::Answered
                    || matches!(e.process, Some(Process::Exited | Process::ExitStatus(_)))
                    || e.memory_bytes_max.is_some()
                    || !(e.log_contains.is_empty() && e.log_absent.is_empty())
                    || !(e.server_saw.is_empty() && e.server_saw_not.is_empty())
            };
            before.is_empty() && !expect.iter().any(own)
        }
        Probe::TlsProbe(_) => true,
        Probe::FlagDefault(probe) => probe.launch.is_some(),
        Probe::CliProbe(_) | Probe::ConfigProbe(_) => false,
    }
}

/// Whether a probe's request asks for no change.
fn safe(probe: &Probe) -> bool {
    match probe {
        Probe::HttpProbe(probe) => probe.request.method.safe(),
        _ => true,
    }
}

/// How a probe's program is started.
fn launch_of(probe: &Probe) -> Launch {
    match probe {
        Probe::HttpProbe(p) => p.launch.clone(),
        Probe::TlsProbe(p) => p.launch.clone(),
        Probe::CliProbe(p) => p.launch.clone(),
        Probe::ConfigProbe(p) => p.launch.clone(),
        Probe::FlagDefault(p) => p.launch.clone().unwrap_or_else(|| Launch {
            component: p.component.clone().unwrap_or_default(),
            program: None,
            args: vec!["--help".to_owned()],
            files: std::collections::BTreeMap::new(),
            servers: std::collections::BTreeMap::new(),
            scheme: super::spec::Scheme::Http,
            ready: None,
        }),
    }
}

fn groups<'a>(probes: &[(&'a str, &'a Probe)]) -> Vec<Group<'a>> {
    let mut groups: Vec<(bool, Group<'a>)> = Vec::new();
    for (place, &(id, probe)) in probes.iter().enumerate() {
        let entry = Entry { place, id, probe };
        let (launch, shared) = (launch_of(probe), shares(probe));
        // Reading a help text leaves nothing behind, and is read again from the same output.
        let shared = shared || matches!(probe, Probe::FlagDefault(_));
        match groups.iter_mut().find(|(open, group)| shared && *open && group.launch == launch) {
            Some((_, group)) => group.entries.push(entry),
            None => groups.push((shared, Group { launch, entries: vec![entry] })),
        }
    }
    let mut groups: Vec<Group<'a>> = groups.into_iter().map(|(_, group)| group).collect();
    for group in &mut groups {
        // What may change something comes last.
        group.entries.sort_by_key(|entry| (!safe(entry.probe), entry.place));
    }
    // What waits longest starts first.
    groups.sort_by_key(|group| {
        let waits = |p: &Probe| match p {
            Probe::HttpProbe(p) => {
                p.request.until_body_contains.is_some() || p.request.timeout_seconds.is_some()
            }
            _ => false,
        };
        let waits = group.entries.iter().any(|entry| waits(entry.probe));
        (std::cmp::Reverse(waits), std::cmp::Reverse(group.entries.len()))
    });
    groups
}

/// Runs all probes; the answers in the order of the probes.
pub(super) fn run(
    setting: &Setting<'_>,
    version: &str,
    probes: &[(&str, &Probe)],
    observer: &dyn Observer,
) -> Vec<Probed> {
    let queue: Mutex<VecDeque<(usize, Group<'_>)>> =
        Mutex::new(groups(probes).into_iter().enumerate().collect());
    let results: Mutex<Vec<(usize, Probed)>> = Mutex::new(Vec::with_capacity(probes.len()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let keep = |place: usize, probed: Probed| {
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        results.push((place, probed));
        let (done, total) = (results.len() as u64, Some(probes.len() as u64));
        observer.event(&Event::Progress { stage: Stage::Probe, done, total, unit: Unit::Items });
    };
    std::thread::scope(|scope| {
        for _ in 0..setting.limits.launches_at_once_max.max(1) {
            scope.spawn(|| {
                while let Some((number, group)) = next() {
                    on_one_start(setting, version, number, &group, &keep);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, probed)| probed).collect()
}

/// Asks a group's probes one after the other, starting the component anew where one may have changed it.
fn on_one_start(
    setting: &Setting<'_>,
    version: &str,
    number: usize,
    group: &Group<'_>,
    keep: &impl Fn(usize, Probed),
) {
    let mut open: Option<Started<'_>> = None;
    for (n, entry) in group.entries.iter().enumerate() {
        let serves = !matches!(entry.probe, Probe::CliProbe(_) | Probe::ConfigProbe(_))
            && !matches!(entry.probe, Probe::FlagDefault(p) if p.launch.is_none());
        let begun = match open.take() {
            Some(started) => Ok(started),
            None => begin(setting, &group.launch, &format!("launch-{number}-{n}"), serves),
        };
        let (asked, rest) = match begun {
            Err(not_begun) => (Err(*not_begun), None),
            Ok(mut started) => {
                let asked = ask_one(&mut started, entry.probe, setting, version);
                let clean = is_clean(&mut started, entry.probe, &asked) || !serves;
                (
                    asked.map_err(|reason| (reason, observed_of(&mut started, setting))),
                    clean.then_some(started),
                )
            }
        };
        open = rest;
        let (answer, observed) = match asked {
            Ok(found) => found,
            Err((reason, observed)) => (Answer::CouldNotTell { reason }, observed),
        };
        keep(entry.place, Probed { id: entry.id.to_owned(), answer, observed });
    }
}

type NotBegun = (NotStarted, Observed);

/// Starts a component and, where it `serves`, waits until it answers.
fn begin<'a>(
    setting: &'a Setting<'a>,
    launch: &'a Launch,
    name: &str,
    serves: bool,
) -> Result<Started<'a>, Box<NotBegun>> {
    let mut started =
        Started::start(setting, launch, name).map_err(|reason| Box::new((reason, Observed::default())))?;
    if !serves {
        return Ok(started);
    }
    match started.ready() {
        Ok(true) => Ok(started),
        Ok(false) => {
            let outcome =
                started.state().ok().flatten().map_or_else(String::new, |r| outcome_text(r.outcome));
            let reason = format!("it ended before it answered: {outcome}");
            Err(Box::new((reason, observed_of(&mut started, setting))))
        }
        Err(reason) => Err(Box::new((reason, observed_of(&mut started, setting)))),
    }
}

/// What there is to see where nothing could be told.
fn observed_of(started: &mut Started<'_>, setting: &Setting<'_>) -> Observed {
    let log = started.log().0;
    let excerpt = judge::excerpt_of_log(&log, &[], setting.limits.excerpt_bytes_max);
    Observed {
        process: started.process().ok(),
        log_excerpt: (!excerpt.is_empty()).then_some(excerpt),
        ..Observed::default()
    }
}

fn ask_one(started: &mut Started<'_>, probe: &Probe, setting: &Setting<'_>, version: &str) -> Asked {
    match probe {
        Probe::HttpProbe(probe) => ask::http(started, probe, setting, version),
        Probe::TlsProbe(probe) => ask::tls(started, probe, setting, version),
        Probe::CliProbe(probe) => ask::cli(started, probe, setting, version),
        Probe::ConfigProbe(probe) => ask::config(started, probe, setting, version),
        Probe::FlagDefault(probe) if probe.launch.is_some() => {
            ask::flag_of_server(started, probe, setting, version)
        }
        Probe::FlagDefault(probe) => ask::flag_of_help(started, probe, setting, version),
    }
}

/// Whether the next probe may use the same start: the component lives, and what was asked of it either
/// asks for no change or was refused.
fn is_clean(started: &mut Started<'_>, probe: &Probe, asked: &Asked) -> bool {
    let Ok((_, observed)) = asked else { return false };
    let refused = observed.status.is_some_and(|status| status >= 400);
    (safe(probe) || refused) && started.process() == Ok(ProcessState::Alive)
}
