//! Progress on standard error: bars on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use reprove::event::{Event, Observer, Stage, Unit};

use crate::render;

/// Pause between two plain lines about the same stage's count.
const LINE_PAUSE: Duration = Duration::from_secs(5);

/// Characters of a build's line shown beside a bar.
const TAIL_CHARS_MAX: usize = 60;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Nothing.
    Quiet,
    /// Progress.
    Shown {
        /// Also each line that the build prints.
        build_lines: bool,
        /// Whether colour may be used.
        colour: bool,
    },
}

/// Shows events on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    style: Style,
    bars: Option<MultiProgress>,
    stages: Mutex<BTreeMap<&'static str, Shown>>,
}

/// What is on the screen for one stage.
#[derive(Debug)]
struct Shown {
    bar: Option<ProgressBar>,
    counted: bool,
    last_line: Option<Instant>,
}

impl Progress {
    /// Bars where standard error is a terminal, lines elsewhere.
    pub(crate) fn new(style: Style) -> Self {
        let bars = (style != Style::Quiet && std::io::stderr().is_terminal())
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { style, bars, stages: Mutex::default() }
    }

    /// Lets something else write to standard error between the bars.
    pub(crate) fn pause(&self, act: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.suspend(act),
            None => act(),
        }
    }

    /// Takes every bar away.
    pub(crate) fn finish(&self) {
        if let Ok(mut stages) = self.stages.lock() {
            stages.clear();
        }
        if let Some(bars) = &self.bars {
            // A terminal that went away is no reason to stop.
            drop(bars.clear());
        }
    }

    fn say(&self, text: &str) {
        match &self.bars {
            // A terminal that went away is no reason to stop.
            Some(bars) => drop(bars.println(render::printable(text))),
            None => render::line(text),
        }
    }

    fn new_bar(&self, stage: Stage) -> Option<ProgressBar> {
        let bars = self.bars.as_ref()?;
        let bar = bars.add(ProgressBar::new_spinner());
        bar.set_style(self.template("{spinner} {prefix:16} {elapsed:>5}  {wide_msg}"));
        bar.set_prefix(stage.word());
        bar.enable_steady_tick(Duration::from_millis(200));
        Some(bar)
    }

    fn template(&self, text: &str) -> ProgressStyle {
        let coloured = matches!(self.style, Style::Shown { colour: true, .. });
        let text = match coloured {
            true => text.replace("{bar:24}", "{bar:24.cyan}").replace("{spinner}", "{spinner:.cyan}"),
            false => text.to_owned(),
        };
        // The templates are constants of this file; a wrong one shows as an empty bar.
        ProgressStyle::with_template(&text).unwrap_or_else(|_| ProgressStyle::default_bar())
    }

    fn with_stage(&self, stage: Stage, act: impl FnOnce(&mut Shown)) {
        let Ok(mut stages) = self.stages.lock() else { return };
        let shown = stages.entry(stage.word()).or_insert_with(|| Shown {
            bar: self.new_bar(stage),
            counted: false,
            last_line: None,
        });
        act(shown);
    }

    fn count(&self, stage: Stage, done: u64, total: Option<u64>, unit: Unit) {
        self.with_stage(stage, |shown| match &shown.bar {
            Some(bar) => {
                if !shown.counted {
                    shown.counted = true;
                    bar.set_style(self.template(match unit {
                        Unit::Bytes => {
                            "{spinner} {prefix:16} {elapsed:>5}  {bar:24} {binary_bytes}/{binary_total_bytes}  {wide_msg}"
                        }
                        Unit::Items => "{spinner} {prefix:16} {elapsed:>5}  {bar:24} {pos}/{len}  {wide_msg}",
                    }));
                }
                bar.set_length(total.unwrap_or(done));
                bar.set_position(done);
            }
            None => {
                let now = Instant::now();
                let since = *shown.last_line.get_or_insert(now);
                if now.duration_since(since) >= LINE_PAUSE {
                    shown.last_line = Some(now);
                    render::line(&format!("{stage}: {}", amount(done, total, unit)));
                }
            }
        });
    }

    fn finished(&self, stage: Stage, what: &str) {
        if let Ok(mut stages) = self.stages.lock()
            && let Some(shown) = stages.remove(stage.word())
            && let Some(bar) = shown.bar
        {
            bar.finish_and_clear();
        }
        self.say(&format!("{stage}: {what}"));
    }

    fn build_line(&self, text: &str, build_lines: bool) {
        if build_lines {
            self.say(text);
        } else if self.bars.is_some() {
            let tail: String = text.chars().take(TAIL_CHARS_MAX).collect();
            self.with_stage(Stage::Rebuild, |shown| {
                if let Some(bar) = &shown.bar {
                    bar.set_message(render::printable(&tail).replace('\n', " "));
                }
            });
        }
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event<'_>) {
        let Style::Shown { build_lines, .. } = self.style else { return };
        match *event {
            Event::Started { stage, what } if self.bars.is_some() => self.with_stage(stage, |shown| {
                if let Some(bar) = &shown.bar {
                    bar.set_message(render::printable(what));
                }
            }),
            Event::Started { stage, what } => self.say(&format!("{stage}: {what} …")),
            Event::Progress { stage, done, total, unit } => self.count(stage, done, total, unit),
            Event::Finished { stage, what } => self.finished(stage, what),
            Event::BuildLine { line } => self.build_line(line, build_lines),
            Event::Note { stage, text } => self.say(&format!("{stage}: note: {text}")),
            _ => {}
        }
    }
}

/// Bars left when a run ends early are taken off the screen before the error is written.
impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            let _ = bars.clear();
        }
    }
}

/// For people: `3 of 7`, `12.4 MiB of 130.0 MiB`.
fn amount(done: u64, total: Option<u64>, unit: Unit) -> String {
    let one = |n: u64| match unit {
        Unit::Bytes => render::bytes(n),
        Unit::Items => n.to_string(),
    };
    match total {
        Some(total) => format!("{} of {}", one(done), one(total)),
        None => one(done),
    }
}
