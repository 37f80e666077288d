//! What a published binary says of its own build, held against its source, its lock and itself.
//!
//! None of it is proof: who builds a binary writes these words. A contradiction is evidence against the
//! release all the same, and is told where nothing was built, too. A value that was replayed from the
//! artifact is not held against itself.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::GoSubject;
use crate::observe::ObserveError;
use crate::observe::go::{GoBuildInfo, GoModule};
use crate::report::Checked;
use crate::verify::Finding;

/// Days between a commit and its build that are usual: projects tag within days of a commit and their
/// servers build within hours of a tag.
const USUAL_DAYS: i64 = 30;
/// How `promu` and many others write a time.
const DATE: &str = "%Y%m%d-%H:%M:%S";
/// Contradictions of one kind that are told by name.
const TOLD: usize = 5;

/// One binary's account.
pub(super) struct Account<'a> {
    /// The member, or the artifact's name.
    pub(super) member: &'a str,
    /// What it says.
    pub(super) info: &'a GoBuildInfo,
}

/// Holds an account against the definition and the lock. `version` is the source's file `VERSION`, where it
/// has one.
pub(super) fn check(
    account: &Account<'_>,
    own: &GoSubject<'_>,
    version: Option<&str>,
    as_of: Timestamp,
) -> Vec<Checked> {
    let mut checks = vec![module(account, own), sums(account, own)];
    checks.extend(toolchain(account, own));
    checks.extend(commit(account, own));
    checks.extend(stated_version(account, version));
    checks.extend(branch(account));
    checks.extend(date(account, own, as_of));
    checks
}

/// That a binary says nothing, or nothing that can be read.
pub(super) fn unread(member: &str, error: Option<ObserveError>) -> Checked {
    let (finding, found) = match error {
        Some(error) => (Finding::Absent, error.to_string()),
        None => (Finding::Noted, "it has no build information".to_owned()),
    };
    Checked::new("build-info-unread", shown(member), finding)
        .expected("what the binary says of its build can be read")
        .found(found)
        .next("ask the publisher how this binary was made: Go writes such information into every program")
}

fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

impl Account<'_> {
    fn checked(&self, code: &'static str, finding: Finding) -> Checked {
        Checked::new(code, shown(self.member), finding)
            .next("ask the publisher from what and when this binary was built")
    }

    /// The value that linker flags give a variable of that name, where they are recorded.
    fn linked(&self, name: &str) -> Option<&str> {
        let flags = self.info.setting("-ldflags")?;
        let key = format!(".{name}=");
        flags.split(' ').find_map(|word| word.split_once(&key).map(|(_, value)| value))
    }
}

/// The main module, and its version where one is recorded: the locked one, or one that Go makes from the
/// recorded commit.
fn module(account: &Account<'_>, own: &GoSubject<'_>) -> Checked {
    let (path, version) = (&own.go.module, &own.go.version);
    let expected = format!("{path} {version}, or a version that names the recorded commit");
    let checked = |finding, found: String| {
        account.checked("build-info-module", finding).expected(&expected).found(found)
    };
    let Some(main) = &account.info.main else {
        let found = "the binary names no main module".to_owned();
        return checked(Finding::Absent, found);
    };
    let said = format!("{} {}", shown(&main.path), shown(&main.version));
    if main.path != *path {
        return checked(Finding::Refuted, said);
    }
    let revision = account.info.setting("vcs.revision").unwrap_or_default();
    let bare = main.version.split('+').next().unwrap_or_default();
    let of_commit = bare
        .rsplit_once('-')
        .is_some_and(|(_, last)| last.len() == 12 && !revision.is_empty() && revision.starts_with(last));
    let fits = matches!(main.version.as_str(), "(devel)" | "")
        || bare == version.split('+').next().unwrap_or_default()
        || of_commit;
    checked(if fits { Finding::Established } else { Finding::Refuted }, said)
}

/// Each recorded sum of a dependency beside the one in the source's own `go.sum`.
fn sums(account: &Account<'_>, own: &GoSubject<'_>) -> Checked {
    let locked: BTreeMap<(&str, &str), Option<&str>> = own
        .lock
        .modules
        .iter()
        .map(|m| ((m.path.as_str(), m.version.as_str()), m.sum.as_ref().map(|s| s.as_str())))
        .collect();
    let (mut same, mut without, mut other, mut unknown) = (0usize, 0usize, Vec::new(), Vec::new());
    for dependency in &account.info.dependencies {
        let linked: &GoModule = dependency.replacement.as_deref().unwrap_or(dependency);
        let name = || format!("{}@{}", shown(&linked.path), shown(&linked.version));
        match locked.get(&(linked.path.as_str(), linked.version.as_str())) {
            _ if linked.sum.is_empty() => without += 1,
            Some(Some(sum)) if *sum == linked.sum => same += 1,
            Some(Some(sum)) => {
                other.push(format!("{} is {} there and {sum} here", name(), shown(&linked.sum)))
            }
            Some(None) | None => unknown.push(name()),
        }
    }
    let first = |names: &[String]| names.iter().take(TOLD).cloned().collect::<Vec<_>>().join(", ");
    let (finding, found) = if !other.is_empty() {
        (Finding::Refuted, format!("{} sums are others: {}", other.len(), first(&other)))
    } else if !unknown.is_empty() {
        (Finding::Absent, format!("{} modules are not in it: {}", unknown.len(), first(&unknown)))
    } else if without > 0 {
        (
            Finding::Noted,
            format!("{same} are; {without} modules bear no sum, as vendored and replaced ones do"),
        )
    } else {
        (Finding::Established, format!("all {same} are"))
    };
    let checked = account.checked("build-info-sums", finding);
    checked.expected("the recorded sums of its modules are those of the source's `go.sum`").found(found)
}

/// The tool chain, where the definition has it from elsewhere than the artifact.
fn toolchain(account: &Account<'_>, own: &GoSubject<'_>) -> Option<Checked> {
    let wanted = &own.go.recipe.toolchain;
    let said = account.info.go_version.split(' ').next().unwrap_or_default();
    let expected = format!("go{}", wanted.text);
    let finding = if said == expected { Finding::Established } else { Finding::Refuted };
    let checked = account.checked("build-info-toolchain", finding).expected(expected).found(shown(said));
    (!wanted.observed).then_some(checked)
}

/// The recorded commit beside the definition's, where that is not read from the artifact, and beside the
/// one that the linker flags name.
fn commit(account: &Account<'_>, own: &GoSubject<'_>) -> Option<Checked> {
    let recorded = account.info.setting("vcs.revision").filter(|r| !r.is_empty());
    let linked = account.linked("Revision");
    let pinned = own.go.recipe.vcs.as_ref().map(|vcs| &vcs.revision).filter(|r| !r.observed);
    let said: Vec<&str> = recorded.into_iter().chain(linked).collect();
    let first = *said.first()?;
    let wanted = pinned.map(|revision| revision.text.as_str());
    let fits = said.iter().all(|r| *r == first) && wanted.is_none_or(|w| first.starts_with(w));
    if wanted.is_none() && said.len() < 2 {
        return None;
    }
    let finding = if fits { Finding::Established } else { Finding::Refuted };
    let expected = match wanted {
        Some(wanted) => format!("{wanted}, wherever the binary names its commit"),
        None => "one commit, wherever the binary names it".to_owned(),
    };
    let found = said.iter().map(|r| shown(r)).collect::<Vec<_>>().join(" and ");
    Some(account.checked("build-info-commit", finding).expected(expected).found(found))
}

/// The version that the linker flags give, beside the source's file `VERSION`.
fn stated_version(account: &Account<'_>, version: Option<&str>) -> Option<Checked> {
    let (said, wanted) = (account.linked("Version")?, version?.trim());
    // Some write the tag.
    let finding = if said.trim_start_matches('v') == wanted.trim_start_matches('v') {
        Finding::Established
    } else {
        Finding::Refuted
    };
    let expected = format!("{}, as the source's `VERSION` says", shown(wanted));
    Some(account.checked("build-info-version", finding).expected(expected).found(shown(said)))
}

/// The branch: a checkout of a tag is on none, which git calls `HEAD`.
fn branch(account: &Account<'_>) -> Option<Checked> {
    let said = account.linked("Branch")?;
    let finding = if said == "HEAD" { Finding::Established } else { Finding::Noted };
    let expected = "HEAD, as in a checkout of a tag";
    Some(account.checked("build-info-branch", finding).expected(expected).found(shown(said)))
}

/// The build's date: not before its commit, not after today, and not long after the commit.
fn date(account: &Account<'_>, own: &GoSubject<'_>, as_of: Timestamp) -> Option<Checked> {
    let said = account.linked("BuildDate")?;
    let pinned = own.go.recipe.vcs.as_ref().and_then(|vcs| vcs.time.as_ref()).map(|time| time.text.as_str());
    let recorded = account.info.setting("vcs.time").or(pinned)?;
    let expected = format!("between the commit's time, {}, and {as_of}", shown(recorded));
    let checked = |finding, found: String| {
        Some(account.checked("build-info-date", finding).expected(&expected).found(found))
    };
    let commit = recorded.parse::<Timestamp>().ok();
    let (Some(commit), Some(built)) = (commit, time(said)) else {
        return checked(Finding::Noted, format!("`{}` cannot be read as a time", shown(said)));
    };
    if built < commit || built > as_of {
        return checked(Finding::Refuted, shown(said));
    }
    let after = built.duration_since(commit);
    if after > SignedDuration::from_hours(24 * USUAL_DAYS) {
        let days = after.as_hours() / 24;
        return checked(Finding::Noted, format!("{}, {days} days after the commit", shown(said)));
    }
    checked(Finding::Established, shown(said))
}

fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let civil = DateTime::strptime(DATE, text).ok()?;
    civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests;
