//! Controls for people at a terminal.

use std::fmt::Write as _;

use reprove::evaluate::control::{Control, Judged, State};
use reprove::report::controls::Controls as Held;
use reprove::verdict::Verdict;

use super::super::releases::{Diff, heading};
use super::{Shown, Step};
use crate::render::printable;

fn paint(text: &str, row: &Judged, colours: bool) -> String {
    if !colours {
        return text.to_owned();
    }
    let code = match (row.verdict(), row.state) {
        (Verdict::Fail, _) => 31,
        (_, State::Kept | State::Met | State::Gone) => 32,
        _ => 33,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

pub(super) fn list(all: &[Shown], colours: bool) -> String {
    let mut out = String::new();
    for shown in all {
        let _ = writeln!(out, "{}", printable(&heading(shown)));
        for row in &shown.held.rows {
            let word = row.state.words();
            let pad = " ".repeat(24_usize.saturating_sub(word.len()));
            let _ = writeln!(
                out,
                "  {}{pad}{:<10}{:<9}{:<9}{}",
                paint(word, row, colours),
                row.severity.word(),
                row.kind.word(),
                row.id,
                row.text
            );
            if row.verdict() == Verdict::Fail || row.state == State::Differs {
                let _ = writeln!(out, "{:26}{}", "", printable(&row.reason));
            }
            for violated in row.deployment.iter().flat_map(|d| &d.violated) {
                let _ = writeln!(out, "{:26}deployment: {}", "", printable(violated));
            }
        }
        waivers(&mut out, &shown.held);
        let _ = writeln!(out, "  {}\n", shown.held.tally().line());
    }
    out
}

fn waivers(out: &mut String, held: &Held) {
    for shown in &held.waivers {
        let unused = if shown.used { "" } else { "; it excuses nothing here" };
        let w = &shown.waiver;
        let _ = writeln!(out, "  waiver `{}`, {}: {}{unused}", w.id, w.about, shown.term.sentence());
    }
    for id in &held.unknown_waivers {
        let _ = writeln!(out, "  waiver `{id}` is about nothing that is known");
    }
}

pub(super) fn one(control: &Control, all: &[Shown], colours: bool) -> String {
    let mut out = format!(
        "{}  {}, {}{}\n{}\n",
        control.id,
        control.kind.word(),
        control.severity.word(),
        if control.open_by_default { ", open by default" } else { "" },
        control.text
    );
    let section = control.place.section.as_deref().map_or_else(String::new, |s| format!(", section {s}"));
    let _ = writeln!(out, "said by: {}{section}", control.place.stated.words());
    if let Some(applies) = &control.applies {
        let _ = writeln!(out, "said of releases: {applies}");
    }
    for (name, text) in
        [("differs", &control.differs), ("note", &control.note), ("no check", &control.unchecked)]
    {
        if let Some(text) = text {
            let _ = writeln!(out, "{name}: {text}");
        }
    }
    if !control.rules.is_empty() {
        let _ = writeln!(out, "rules for a deployment: {}", control.rules.join(", "));
    }
    let _ = writeln!(out, "written down in: {}", control.at);
    for shown in all {
        for row in &shown.held.rows {
            let word = paint(row.state.words(), row, colours);
            let _ = writeln!(out, "\n{}: {word}: {}", printable(&heading(shown)), printable(&row.reason));
            for check in &row.checks {
                let a = &check.answer;
                let beside = if check.required { "" } else { ", beside" };
                let _ = writeln!(out, "  {} {}: {}{beside}", a.id, check.asserts.word(), a.answered.word());
                if let reprove::evaluate::evidence::Answered::CouldNotTell { reason, .. } = &a.answered {
                    let _ = writeln!(out, "    why: {}", printable(reason));
                }
                for (name, text) in [
                    ("asked", &a.request),
                    ("expected", &a.expected),
                    ("found", &a.found),
                    ("again", &a.again),
                ] {
                    if !text.is_empty() {
                        let text = printable(text).replace('\n', "\n      ");
                        let _ = writeln!(out, "    {name}: {text}");
                    }
                }
            }
        }
    }
    out
}

pub(super) fn diff(diff: &Diff<Step>) -> String {
    let mut out = String::new();
    for step in &diff.steps {
        let _ = writeln!(
            out,
            "{} {} ({}, {}): {} -> {}\n  {}\n  {}",
            step.component,
            step.id,
            step.kind.word(),
            step.severity.word(),
            step.before.words(),
            step.after.words(),
            step.text,
            printable(&step.because)
        );
        for (id, then, now) in &step.checks {
            let _ = writeln!(out, "  {id}: {then} -> {now}");
        }
    }
    let n = diff.steps.len();
    let _ = writeln!(
        out,
        "{n} {} between {} and {}",
        if n == 1 { "control differs" } else { "controls differ" },
        printable(&diff.before),
        printable(&diff.after)
    );
    out
}
