//! Views of a comparison for people. The JSON is the model itself.

mod html;
mod text;

pub use html::html;
pub use text::{TextOptions, text};

use super::{Comparison, Difference, Tier};

/// Differences of one cause, in the order in which a reader should meet them.
struct Group<'c> {
    cause: super::Cause,
    items: Vec<&'c Difference>,
}

/// By cause: what nothing may set aside first, what merely follows from other differences last.
fn groups(comparison: &Comparison) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for difference in &comparison.differences {
        match groups.iter_mut().find(|g| g.cause == difference.cause) {
            Some(group) => group.items.push(difference),
            None => groups.push(Group { cause: difference.cause, items: vec![difference] }),
        }
    }
    groups.sort_by_key(|g| {
        let derived = g.items.iter().all(|d| d.derived);
        let rank = match g.cause.tier() {
            Tier::Outcome => 0,
            Tier::Never => 1,
            Tier::Pattern => 2,
            Tier::Derived => 3,
            Tier::Container => 4,
            Tier::Transport => 5,
        };
        (derived, rank, g.cause)
    });
    groups
}

/// A number with its noun.
fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Whether the tree leaves a cause out: metadata of many members says the same of each.
fn summed_up(group: &Group<'_>) -> bool {
    matches!(group.cause.tier(), Tier::Container | Tier::Transport) && group.items.len() > SUMMED_UP_FROM
}

/// Differences of one metadata cause above which they are told together.
const SUMMED_UP_FROM: usize = 5;

/// The values of a group where all its differences have the same ones.
fn common_values(group: &Group<'_>) -> Option<String> {
    let first = group.items.first()?;
    let same = group.items.iter().all(|d| (&d.a, &d.b) == (&first.a, &first.b));
    let (a, b) = (first.a.as_deref()?, first.b.as_deref()?);
    (same && group.items.len() > 1).then(|| format!("{a} -> {b} in all"))
}

/// Members named for one cause in a summary.
const MEMBERS_NAMED: usize = 2;

/// A place as people read it: the compared file itself has no path within itself.
fn called(path: &str) -> &str {
    if path == "." { "the file itself" } else { path }
}

/// The members of a group, each once.
fn paths<'c>(group: &Group<'c>) -> Vec<&'c str> {
    let mut paths: Vec<&str> = group.items.iter().map(|d| d.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// Where a cause shows: the first members, how many more, and the values that all of them share.
fn places(group: &Group<'_>) -> String {
    let paths = paths(group);
    let mut text = paths.iter().take(MEMBERS_NAMED).map(|path| called(path)).collect::<Vec<_>>().join(", ");
    if paths.len() > MEMBERS_NAMED {
        text.push_str(&format!(" and {} more", paths.len() - MEMBERS_NAMED));
    }
    if let Some(values) = common_values(group) {
        text.push_str(&format!("; {values}"));
    }
    text
}

/// What a tier means, in a word or two.
const fn tier_word(tier: Tier) -> &'static str {
    match tier {
        Tier::Transport => "transport",
        Tier::Container => "container",
        Tier::Derived => "derived",
        Tier::Pattern => "pattern",
        Tier::Never => "real",
        Tier::Outcome => "not seen",
    }
}

/// One sentence that says how much this matters.
fn bottom_line(comparison: &Comparison) -> String {
    use super::{Answer, Class};
    match (comparison.verdict, comparison.class()) {
        (Answer::Identical, _) => "every byte is equal".to_owned(),
        (Answer::Equivalent, _) => {
            let passes: Vec<String> =
                comparison.passes.iter().map(|p| format!("{}/{}", p.id, p.version)).collect();
            format!("not identical; equal once these are set aside: {}", passes.join(", "))
        }
        (Answer::Different, Class::IdentifiersOnly) => {
            "only identifiers that the toolchain derives, or records of build inputs, differ".to_owned()
        }
        (Answer::Different, _) => {
            let real = comparison.differences.iter().filter(|d| d.tier == Tier::Never && !d.derived).count();
            let members = comparison.changed_members.len();
            let alone = comparison.changed_members.iter().all(|path| path == ".");
            if real > 0 && alone {
                format!("{} that nothing may set aside", count(real, "difference"))
            } else if real == 0 {
                "differs only in ways that a higher `--normalize` tier may set aside".to_owned()
            } else {
                format!(
                    "{} that nothing may set aside; content differs in {}",
                    count(real, "difference"),
                    count(members, "member")
                )
            }
        }
        (Answer::Undetermined, _) => {
            "the comparison had to stop; what lies behind that is not known".to_owned()
        }
    }
}
