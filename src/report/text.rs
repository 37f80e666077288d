//! The report for a terminal: a table of stages, what blocks, what was not established, and the
//! verdict's word last.

use std::fmt::Write as _;

use super::checked::Checked;
use super::classify::{Class, artifact_outcome, artifact_word};
use super::controls::Controls;
use super::file::{Component, Report};
use super::findings::{Findings, Tested};
use super::model::{ArtifactPair, Bytes, Outcome};
use super::shown::{bytes, count, line};
use super::summary;
use crate::compare::Difference;
use crate::digest::Digest;
use crate::limits::report::ReportLimits;
use crate::verdict::Verdict;

/// How the text is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// ANSI colours on the words that judge. They repeat what the words say.
    pub color: bool,
    /// Digests shortened to 12 digits: for a terminal only, never for files and pipes.
    pub short_digests: bool,
}

/// Differences that are told one by one on a terminal; the rest is counted.
const DIFFERENCES_TOLD: usize = 12;
/// Lines of a failed build's log.
const LOG_LINES_TOLD: usize = 15;
/// Checks beside the bytes, told one by one.
const CHECKS_TOLD: usize = 24;
/// Causes that block, told one by one.
const BLOCKS_TOLD: usize = 12;

/// Renders the whole report. The last word of the last line is the verdict.
pub fn render(report: &Report, style: TextStyle, limits: &ReportLimits) -> String {
    let mut out = String::new();
    let painter = Painter { style, chars_max: limits.value_chars_max };
    for component in report.components() {
        painter.component(&mut out, report, component);
        out.push('\n');
    }
    if report.components().len() != 1 {
        painter.table(&mut out, report);
    }
    let _ = match report.components() {
        [one] => writeln!(out, "{}: {}", one.outcome(), painter.verdict(report.verdict())),
        [] => writeln!(out, "nothing was audited: {}", painter.verdict(report.verdict())),
        many => writeln!(
            out,
            "{} audited: {}",
            count(many.len(), "release", "releases"),
            painter.verdict(report.verdict())
        ),
    };
    out
}

struct Painter {
    style: TextStyle,
    chars_max: usize,
}

impl Painter {
    fn verdict(&self, verdict: Verdict) -> String {
        self.paint(verdict.word(), verdict)
    }

    fn paint(&self, word: &str, verdict: Verdict) -> String {
        if !self.style.color {
            return word.to_owned();
        }
        let code = match verdict {
            Verdict::Pass => 32,
            Verdict::Inconclusive => 33,
            Verdict::Fail => 31,
        };
        format!("\u{1b}[{code}m{word}\u{1b}[0m")
    }

    fn digest(&self, digest: &Digest) -> String {
        if self.style.short_digests {
            let hex: String = digest.to_hex().chars().take(12).collect();
            format!("{}:{hex}…", digest.algorithm())
        } else {
            digest.to_string()
        }
    }

    fn text(&self, text: &str) -> String {
        line(text, self.chars_max)
    }

    fn component(&self, out: &mut String, report: &Report, component: &Component) {
        let evidence = component.evidence();
        let release = &evidence.release;
        let _ = writeln!(
            out,
            "{} {} ({}, {})\n",
            self.text(&release.component),
            self.text(&release.version),
            self.text(&release.channel),
            self.text(&release.architecture),
        );
        for row in summary::rows(component, self.chars_max) {
            let pad = " ".repeat(21_usize.saturating_sub(row.word.chars().count()));
            let _ =
                writeln!(out, "  {:<13}{}{pad} {}", row.label, self.paint(row.word, row.verdict), row.detail);
        }
        if let Some(found) = component.findings() {
            let verdict = found.verdict();
            let detail = match &found.tested {
                Tested::Rebuilt { identical: true, .. } => "tested on our build, the published bytes",
                Tested::Rebuilt { .. } => "tested on our build, which differs from the published one",
                Tested::Published { .. } => "tested on the published binary",
                Tested::Nothing { .. } => "no program ran",
            };
            let word = self.paint(&super::html::findings::counts(found), verdict);
            let _ = writeln!(out, "  {:<13}{word}\n  {:<13}{detail}", "findings", "");
        }
        if let Some(held) = component.controls() {
            let _ = writeln!(out, "  {:<13}{}", "controls", held.tally().line());
            if let Some(decision) = &held.decision {
                let word = self.paint(decision.verdict.word(), decision.verdict);
                let counts = (decision.deny.len(), decision.unsettled.len(), decision.warn.len());
                let (deny, unsettled, warn) = counts;
                let _ = writeln!(
                    out,
                    "  {:<13}{word}: {deny} denied, {unsettled} unsettled, {warn} told ({})",
                    "policy",
                    self.text(&decision.policy)
                );
            }
        }
        if let Some(seconds) = report.run().and_then(|r| r.build_seconds.get(&release.key())) {
            let _ = writeln!(out, "  {:<13}{} min {:02} s", "build time", seconds / 60, seconds % 60);
        }
        for pair in &evidence.artifacts {
            self.artifact(out, pair, component.outcome().is_compared());
        }
        for built in &evidence.unpublished {
            let word = self.paint("not compared", Verdict::Inconclusive);
            let _ = writeln!(out, "\n  {}  {word}", self.text(&built.label()));
            self.side(out, "rebuilt", &built.rebuilt);
            if let Some(again) = &built.rebuilt_again {
                self.side(out, "and again", again);
            }
        }
        for archive in &evidence.containers {
            let _ = writeln!(out, "\n  {}  the archive itself", self.text(archive.name.as_str()));
            self.side(out, "published", &archive.published);
            self.differences(out, &archive.differences);
        }
        self.checks(out, &evidence.checks);
        if let Some(found) = component.findings() {
            self.findings(out, found);
        }
        if let Some(held) = component.controls() {
            self.controls(out, held);
        }
        let judgement = component.judgement();
        if !judgement.blocks.is_empty() {
            out.push_str("\nwhat stands between this and a pass\n");
            for block in judgement.blocks.iter().take(BLOCKS_TOLD) {
                let _ = writeln!(out, "  {}  {}", self.text(&block.code), self.text(&block.subject));
                // Digests that stand side by side above are not told twice.
                if block.found.parse::<Digest>().is_err() {
                    let _ = writeln!(out, "    expected  {}", self.text(&block.expected));
                    let _ = writeln!(out, "    found     {}", self.text(&block.found));
                }
                let _ = writeln!(out, "    hint: {}", self.text(&block.next));
            }
            rest(out, judgement.blocks.len(), BLOCKS_TOLD, "more");
        }
        if !evidence.rebuild.log_tail.is_empty() {
            let lines = &evidence.rebuild.log_tail;
            let skip = lines.len().saturating_sub(LOG_LINES_TOLD);
            out.push_str("\nend of the build's log (the page has more)\n");
            for text in lines.iter().skip(skip) {
                let _ = writeln!(out, "  {}", line(text, 160));
            }
        }
        if !evidence.observations.is_empty() {
            out.push_str("\nassumed, read from the published artifact\n");
            for observation in &evidence.observations {
                let _ = writeln!(
                    out,
                    "  {}  {}  (from {})",
                    self.text(&observation.name),
                    line(&observation.value, 120),
                    self.text(&observation.read_from)
                );
            }
        }
        if !judgement.not_established.is_empty() {
            out.push_str("\nnot established\n");
            for gap in &judgement.not_established {
                let _ = writeln!(out, "  {}", self.text(&gap.text));
            }
        }
        if let Some(found) = component.findings().filter(|f| f.verdict() == Verdict::Fail) {
            let word = self.paint("fail", Verdict::Fail);
            let counts = super::html::findings::counts(found);
            let _ = writeln!(out, "\nfindings, whatever the rebuild says: {counts}: {word}");
        }
        let _ = writeln!(out, "\n{}", self.text(&judgement.why));
    }

    fn checks(&self, out: &mut String, checks: &[Checked]) {
        if !checks.is_empty() {
            out.push_str("\nchecks of the release\n");
        }
        for check in checks.iter().take(CHECKS_TOLD) {
            let word = check.finding.word();
            let pad = " ".repeat(13_usize.saturating_sub(word.len()));
            let word = check.finding.verdict().map_or(word.to_owned(), |verdict| self.paint(word, verdict));
            let _ = writeln!(out, "  {word}{pad}{}  {}", check.code, line(&check.sentence(), 240));
        }
        rest(out, checks.len(), CHECKS_TOLD, "more checks");
    }

    fn findings(&self, out: &mut String, found: &Findings) {
        if found.rows.is_empty() {
            return;
        }
        out.push_str("\nfindings of external audits (the page has the evidence)\n");
        for row in &found.rows {
            let word = row.standing.word();
            let pad = " ".repeat(14_usize.saturating_sub(word.chars().count()));
            let verdict = super::html::findings::colour(row.standing);
            let _ = writeln!(
                out,
                "  {}{pad}{:<11}{:<12}{}",
                self.paint(word, verdict),
                row.severity.word(),
                self.text(&row.id),
                line(&row.title, 70)
            );
            if row.standing.settles() < 2 {
                let said = row.claim.as_ref().map_or("nothing known", |c| c.state.word());
                let _ = writeln!(out, "{:15}people say: {said}; {}", "", self.text(&row.because));
            }
        }
    }

    /// Controls that fail, could not be shown or differ, and doors that are open by default; the policy's
    /// words and the waivers.
    fn controls(&self, out: &mut String, held: &Controls) {
        use crate::evaluate::control::State;
        let worth = [State::Broken, State::Neglected, State::Differs, State::NotShown, State::OpenByDefault];
        let shown = || held.rows.iter().filter(|r| worth.contains(&r.state) || super::controls::fails(r));
        if shown().next().is_some() {
            out.push_str("\ncontrols of the security model (the page has all of them and their checks)\n");
        }
        for row in shown() {
            let word = row.state.words();
            let pad = " ".repeat(17_usize.saturating_sub(word.chars().count()));
            let _ = writeln!(
                out,
                "  {}{pad}{:<10}{:<9}{}",
                self.paint(word, super::html::controls::colour(row)),
                row.severity.word(),
                self.text(&row.id),
                line(&row.text, 160)
            );
            if row.state != State::OpenByDefault {
                let _ = writeln!(out, "{:19}{}", "", self.text(&row.reason));
            }
        }
        for shown in &held.waivers {
            let unused = if shown.used { "" } else { "; it excuses nothing here" };
            let w = &shown.waiver;
            let (id, about) = (self.text(&w.id), self.text(&w.about.to_string()));
            let _ = writeln!(out, "  waiver {id}, {about}: {}{unused}", shown.term.sentence());
        }
        for id in &held.unknown_waivers {
            let _ = writeln!(out, "  waiver {} is about nothing that is known", self.text(id));
        }
        let Some(decision) = &held.decision else { return };
        for (name, all) in [("denied", &decision.deny), ("unsettled", &decision.unsettled)] {
            for said in all {
                let (subject, message) = (self.text(&said.subject), self.text(&said.message));
                let _ = writeln!(out, "  {name}: {subject}: {message} ({})", said.code);
            }
        }
    }

    fn artifact(&self, out: &mut String, pair: &ArtifactPair, compared: bool) {
        let outcome = artifact_outcome(pair);
        let word = match artifact_word(pair, compared) {
            (word, _) if !compared => word.to_owned(),
            (word, verdict) => self.paint(word, verdict),
        };
        let _ = writeln!(out, "\n  {}  {word}", self.text(&pair.label()));
        self.side(out, "published", &pair.published);
        if let Some(rebuilt) = &pair.rebuilt {
            self.side(out, "rebuilt", rebuilt);
        }
        if let (Some(why), None) = (&pair.unsourced, &pair.rebuilt) {
            let _ = writeln!(out, "    {}", self.text(why));
        }
        if let Some(again) = pair.rebuilt_again.as_ref().filter(|a| Some(*a) != pair.rebuilt.as_ref()) {
            self.side(out, "and again", again);
        }
        if outcome == Outcome::Identical {
            return;
        }
        self.differences(out, &pair.differences);
        for stop in &pair.limits {
            let _ = writeln!(out, "    stopped at {}: {}", self.text(&stop.path), self.text(&stop.detail));
        }
    }

    fn side(&self, out: &mut String, what: &str, side: &Bytes) {
        let _ = writeln!(out, "    {what:<9}  {}  {}", self.digest(&side.digest), bytes(side.len_bytes));
    }

    fn differences(&self, out: &mut String, all: &[Difference]) {
        for difference in all.iter().take(DIFFERENCES_TOLD) {
            let place = match &difference.field {
                Some(field) => format!("{} [{field}]", difference.path),
                None => difference.path.clone(),
            };
            let _ = write!(out, "    {}  {}", Class::of(difference).word(), self.text(&place));
            let _ = write!(out, "  {}", difference.cause);
            if let Some(n) = difference.bytes {
                let _ = write!(out, "  {}", bytes(n));
            }
            out.push('\n');
            for (side, value) in [("published", &difference.a), ("rebuilt", &difference.b)] {
                if let Some(value) = value {
                    let _ = writeln!(out, "      {side:<9}  {}", line(value, 120));
                }
            }
        }
        rest(out, all.len(), DIFFERENCES_TOLD, "more differences");
    }

    fn table(&self, out: &mut String, report: &Report) {
        let name = |c: &Component| {
            let r = &c.evidence().release;
            self.text(&format!("{} {} ({})", r.component, r.version, r.channel))
        };
        let width = report.components().iter().map(|c| name(c).chars().count()).max().unwrap_or(0);
        for component in report.components() {
            let name = name(component);
            let pad = " ".repeat(width.saturating_sub(name.chars().count()));
            let _ = writeln!(
                out,
                "  {name}{pad}  {:<24}{}",
                component.outcome().word(),
                self.verdict(component.verdict())
            );
        }
        out.push('\n');
    }
}

fn rest(out: &mut String, total: usize, told: usize, what: &str) {
    if total > told {
        let _ = writeln!(out, "    {} {what} in the report", total - told);
    }
}
