//! The view for a terminal: causes first, then the tree, then hunks; the verdict's word comes last.

use std::fmt::Write as _;

use super::super::{Comparison, Difference, LedgerState, Side};
use super::{Group, bottom_line, called, count, groups, paths, places, summed_up, tier_word};

/// Lines of the tree.
const TREE_LINES_MAX: usize = 200;

/// How the text view is cut.
#[derive(Debug, Clone, Copy)]
pub struct TextOptions {
    /// Hunks shown; the JSON has all.
    pub hunks_max: usize,
}

impl Default for TextOptions {
    /// Ten hunks: about one screen.
    fn default() -> Self {
        Self { hunks_max: 10 }
    }
}

/// Renders a comparison for a terminal, without colour. Same comparison, same text.
pub fn text(comparison: &Comparison, options: TextOptions) -> String {
    let mut out = String::new();
    let _ = render(&mut out, comparison, options);
    out
}

fn render(out: &mut String, c: &Comparison, options: TextOptions) -> std::fmt::Result {
    writeln!(out, "{}", c.published.name)?;
    writeln!(out)?;
    for (role, side) in [("published", &c.published), ("rebuilt", &c.rebuilt)] {
        writeln!(out, "  {role:<10} sha256:{}  {} bytes", side.sha256, side.len_bytes)?;
    }
    let groups = groups(c);
    if !groups.is_empty() {
        writeln!(out, "\n{}", bottom_line(c))?;
        writeln!(out, "\nwhy")?;
        for group in &groups {
            cause(out, group)?;
        }
        writeln!(out, "\nwhere")?;
        tree(out, c, &groups)?;
        hunks(out, c, options)?;
    }
    for stopped in &c.limits {
        let side = match stopped.side {
            Side::Published => "published",
            Side::Rebuilt => "rebuilt",
            Side::Both => "both sides",
        };
        writeln!(
            out,
            "\nnot seen: {} ({side}): {}: {}",
            called(&stopped.path),
            stopped.cause,
            stopped.detail
        )?;
    }
    if let Some(masked) = &c.masked {
        writeln!(out, "\nwith {} known values put aside", masked.values.len())?;
        for path in &masked.explained {
            writeln!(out, "  equal            {}", called(path))?;
        }
        for path in &masked.remaining {
            writeln!(out, "  still different  {}", called(path))?;
        }
    }
    for notice in &c.ledger {
        let state = match notice.state {
            LedgerState::Unused => "unused: nothing that was found is covered by it",
            LedgerState::Expired => "expired: it accepts nothing",
        };
        writeln!(out, "\nledger: `{}` {}: {state}", notice.path, notice.cause)?;
    }
    if groups.is_empty() {
        writeln!(out, "\n{}", bottom_line(c))?;
    }
    writeln!(out, "\n{}", c.verdict.word())
}

/// One cause: how much it matters, what it means, and which members show it.
fn cause(out: &mut String, group: &Group<'_>) -> std::fmt::Result {
    let derived = if group.items.iter().all(|d| d.derived) { " It follows from the rest." } else { "" };
    let word = tier_word(group.cause.tier());
    let number = count(paths(group).len(), "place");
    writeln!(out, "  {word:<9} {} ({number}): {}{derived}", group.cause.id(), group.cause.describe())?;
    let mut where_ = places(group);
    let accepted = group.items.iter().filter(|d| d.accepted.is_some()).count();
    if accepted > 0 {
        write!(where_, " ({accepted} accepted in the ledger)")?;
    }
    writeln!(out, "            {where_}")
}

fn tree(out: &mut String, c: &Comparison, groups: &[Group<'_>]) -> std::fmt::Result {
    let mut last = "";
    let mut lines = 0;
    let together: Vec<_> = groups.iter().filter(|g| summed_up(g)).map(|g| g.cause).collect();
    let left_out = c.differences.iter().filter(|d| together.contains(&d.cause)).count();
    let shown: Vec<&Difference> = c.differences.iter().filter(|d| !together.contains(&d.cause)).collect();
    if left_out > 0 {
        let ids: Vec<&str> = together.iter().map(|cause| cause.id()).collect();
        writeln!(out, "  (without {left_out} of {}: `--format json` lists each)", ids.join(", "))?;
    }
    for (i, d) in shown.iter().enumerate() {
        if lines >= TREE_LINES_MAX {
            return writeln!(out, "  and {} more differences (`--format json` has all)", shown.len() - i);
        }
        if d.path != last {
            writeln!(out, "  {}", called(&d.path))?;
            last = &d.path;
            lines += 1;
        }
        writeln!(out, "    {}", line(d))?;
        lines += 1;
    }
    Ok(())
}

/// One difference in one line.
pub(super) fn line(d: &Difference) -> String {
    let mut text = d.cause.id().to_owned();
    if let Some(field) = &d.field {
        let _ = write!(text, " {field}");
    }
    match (&d.a, &d.b) {
        (Some(a), Some(b)) => {
            let _ = write!(text, ": {a} -> {b}");
        }
        (Some(a), None) => {
            let _ = write!(text, ": only published: {a}");
        }
        (None, Some(b)) => {
            let _ = write!(text, ": only rebuilt: {b}");
        }
        (None, None) => {}
    }
    if let Some(bytes) = d.bytes {
        let words = if bytes == 1 { "byte differs" } else { "bytes differ" };
        let _ = write!(text, " ({bytes} {words})");
    }
    if let Some(note) = &d.note {
        let _ = write!(text, "; {note}");
    }
    if let Some(accepted) = &d.accepted {
        let _ =
            write!(text, "; accepted until {} by {}: {}", accepted.until, accepted.owner, accepted.reason);
    }
    text
}

fn hunks(out: &mut String, c: &Comparison, options: TextOptions) -> std::fmt::Result {
    let with: Vec<&Difference> = c.differences.iter().filter(|d| !d.hunks.is_empty()).collect();
    for d in with.iter().take(options.hunks_max) {
        writeln!(out, "\n{} ({})", called(&d.path), d.cause)?;
        for hunk in &d.hunks {
            writeln!(out, "  {hunk}")?;
        }
    }
    if with.len() > options.hunks_max {
        writeln!(out, "\n{} more hunks (`--max-hunks`)", with.len() - options.hunks_max)?;
    }
    Ok(())
}
