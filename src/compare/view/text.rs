//! The view for a terminal: causes first, then the tree, then hunks; the verdict's word comes last.

use std::fmt::Write as _;

use super::super::{Comparison, Difference, LedgerState, Side};
use super::{bottom_line, groups, tier_word};

/// Members named for one cause in the summary.
const MEMBERS_NAMED: usize = 3;
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
        writeln!(out, "\nwhy")?;
        let width = groups.iter().map(|g| g.cause.id().len()).max().unwrap_or(0);
        for group in &groups {
            let derived = if group.items.iter().all(|d| d.derived) { ", follows from the rest" } else { "" };
            let accepted = group.items.iter().filter(|d| d.accepted.is_some()).count();
            let mut paths: Vec<&str> = group.items.iter().map(|d| d.path.as_str()).collect();
            paths.dedup();
            let more = paths.len().saturating_sub(MEMBERS_NAMED);
            paths.truncate(MEMBERS_NAMED);
            let mut where_ = paths.join(", ");
            if more > 0 {
                write!(where_, " and {more} more")?;
            }
            if accepted > 0 {
                write!(where_, " ({accepted} accepted in the ledger)")?;
            }
            let id = group.cause.id();
            writeln!(out, "  {:<9} {id:<width$}  {where_}{derived}", tier_word(group.cause.tier()))?;
        }
        writeln!(out, "\nwhere")?;
        tree(out, c)?;
        hunks(out, c, options)?;
    }
    for stopped in &c.limits {
        let side = match stopped.side {
            Side::Published => "published",
            Side::Rebuilt => "rebuilt",
            Side::Both => "both sides",
        };
        writeln!(out, "\nnot seen: {} ({side}): {}: {}", stopped.path, stopped.cause, stopped.detail)?;
    }
    if let Some(masked) = &c.masked {
        writeln!(out, "\nwith {} known values put aside", masked.values.len())?;
        for path in &masked.explained {
            writeln!(out, "  equal            {path}")?;
        }
        for path in &masked.remaining {
            writeln!(out, "  still different  {path}")?;
        }
    }
    for notice in &c.ledger {
        let state = match notice.state {
            LedgerState::Unused => "unused: nothing that was found is covered by it",
            LedgerState::Expired => "expired: it accepts nothing",
        };
        writeln!(out, "\nledger: `{}` {}: {state}", notice.path, notice.cause)?;
    }
    writeln!(out, "\n{}", bottom_line(c))?;
    writeln!(out, "{}", c.verdict.word())
}

fn tree(out: &mut String, c: &Comparison) -> std::fmt::Result {
    let mut last = "";
    let mut lines = 0;
    for (i, d) in c.differences.iter().enumerate() {
        if lines >= TREE_LINES_MAX {
            return writeln!(
                out,
                "  and {} more differences (`--format json` has all)",
                c.differences.len() - i
            );
        }
        if d.path != last {
            writeln!(out, "  {}", d.path)?;
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
        let _ = write!(text, " ({bytes} bytes differ)");
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
        writeln!(out, "\n{} ({})", d.path, d.cause)?;
        for hunk in &d.hunks {
            writeln!(out, "  {hunk}")?;
        }
    }
    if with.len() > options.hunks_max {
        writeln!(out, "\n{} more hunks (`--max-hunks`)", with.len() - options.hunks_max)?;
    }
    Ok(())
}
