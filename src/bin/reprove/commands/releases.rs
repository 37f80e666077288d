//! What `findings` and `controls` have in common: the releases that were looked at, chosen, shown and
//! compared.

use clap::ValueEnum;
use reprove::evaluate::evidence::Answer;
use reprove::evaluate::history::Look;
use reprove::probe::spec::upstream;
use reprove::report::findings::Tested;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::exit::Exit;
use crate::register::{self, Desk};
use crate::render::Failure;

/// What is held against a release: findings of audits, or controls of the security model.
pub(super) trait Held: Sized {
    /// Its name in JSON.
    const KEY: &'static str;
    /// One of them in a word.
    const ONE: &'static str;

    /// The components that any of them is about, ordered by name.
    fn components(desk: &Desk) -> Vec<String>;

    /// By what was seen in a release.
    fn of(desk: &Desk, look: &Look) -> Result<Self, Failure>;

    /// Of a component of which nothing was seen.
    fn without(desk: &Desk, component: &str, tested: Tested) -> Self;
}

/// One release with what is known of it.
#[derive(Debug)]
pub(super) struct Shown<H> {
    pub(super) component: String,
    /// None where no release of it was ever looked at.
    pub(super) version: Option<String>,
    pub(super) looked_at: Option<String>,
    pub(super) held: H,
}

impl<H: Held + Serialize> Serialize for Shown<H> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("component", &self.component)?;
        map.serialize_entry("version", &self.version)?;
        map.serialize_entry("looked_at", &self.looked_at)?;
        map.serialize_entry(H::KEY, &self.held)?;
        map.end()
    }
}

/// A table for other programs and people.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Export {
    Markdown,
    Csv,
}

/// Which two releases to compare.
#[derive(Debug, clap::Args)]
pub(super) struct Pair {
    /// The earlier release: its version as published, or upstream's.
    before: String,
    /// The later one.
    after: String,
    /// Of which component (default: all that have both).
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    /// Those too in which nothing differs.
    #[arg(long)]
    pub(super) all: bool,
}

/// Two releases beside each other, with what differs.
#[derive(Debug, Serialize)]
pub(super) struct Diff<S> {
    pub(super) before: String,
    pub(super) after: String,
    pub(super) steps: Vec<S>,
}

/// What was asked for is not there.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ReleasesError {
    /// No such finding or control.
    #[error("no {one} `{id}`")]
    #[diagnostic(code(cli::unknown_id), help("`reprove {one}s` lists them"))]
    Unknown { one: &'static str, id: String },
    /// None is about that component.
    #[error("no {one} is about a component `{name}`")]
    #[diagnostic(code(cli::nothing_about), help("{one}s are about: {}", known.join(", ")))]
    Component { one: &'static str, name: String, known: Vec<String> },
    /// The release was never looked at.
    #[error("release `{release}` was never looked at for its {one}s")]
    #[diagnostic(
        code(cli::release_not_looked),
        help("run `reprove audit COMPONENT@VERSION` first; looked at so far: {}", if known.is_empty() { "nothing".to_owned() } else { known.join(", ") })
    )]
    NotLooked { one: &'static str, release: String, known: Vec<String> },
}

fn usage(error: ReleasesError) -> Failure {
    Failure::new(error, Exit::Usage)
}

pub(super) fn unknown<H: Held>(id: &str) -> Failure {
    usage(ReleasesError::Unknown { one: H::ONE, id: id.to_owned() })
}

pub(super) fn not_about<H: Held>(name: &str, known: Vec<String>) -> Failure {
    usage(ReleasesError::Component { one: H::ONE, name: name.to_owned(), known })
}

/// The components that anything is about, or those of them that were asked for.
pub(super) fn components<H: Held>(desk: &Desk, asked: &[String]) -> Result<Vec<String>, Failure> {
    let known = H::components(desk);
    for name in asked {
        if !known.contains(name) {
            return Err(not_about::<H>(name, known));
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

pub(super) fn held<H: Held>(desk: &Desk, look: &Look) -> Result<Shown<H>, Failure> {
    Ok(Shown {
        component: look.component.clone(),
        version: Some(look.version.clone()),
        looked_at: Some(look.as_of.clone()),
        held: H::of(desk, look)?,
    })
}

/// The release of a component that was asked for, none where it was not looked at; without a question the
/// newest that was, and where there is none, what is written down alone.
pub(super) fn chosen<H: Held>(
    desk: &Desk,
    component: &str,
    release: Option<&str>,
) -> Result<Option<Shown<H>>, Failure> {
    let looks = looks(desk, component)?;
    if let Some(release) = release {
        return looks.iter().rev().find(|l| is_release(l, release)).map(|look| held(desk, look)).transpose();
    }
    if let Some(look) = looks.iter().max_by_key(|l| (upstream(&l.version), l.id)) {
        return held(desk, look).map(Some);
    }
    let reason = format!("no release was looked at; run `reprove audit {component}`");
    let held = H::without(desk, component, Tested::Nothing { reason });
    Ok(Some(Shown { component: component.to_owned(), version: None, looked_at: None, held }))
}

/// Of each component that is asked for, the release that is; an error where no component has it.
pub(super) fn list<H: Held>(
    desk: &Desk,
    asked: &[String],
    release: Option<&str>,
) -> Result<Vec<Shown<H>>, Failure> {
    let mut all = Vec::new();
    for component in components::<H>(desk, asked)? {
        all.extend(chosen(desk, &component, release)?);
    }
    match release.filter(|_| all.is_empty()) {
        Some(release) => Err(not_looked::<H>(desk, release)?),
        None => Ok(all),
    }
}

/// The release of each component that one finding or control is about.
pub(super) fn one<H: Held>(
    desk: &Desk,
    about: Vec<String>,
    component: Option<&str>,
    release: Option<&str>,
) -> Result<Vec<Shown<H>>, Failure> {
    let mut shown = Vec::new();
    for name in about.iter().filter(|c| component.is_none_or(|asked| asked == c.as_str())) {
        shown.extend(chosen(desk, name, release)?);
    }
    match (shown.is_empty(), release, component) {
        (true, Some(release), _) => Err(not_looked::<H>(desk, release)?),
        (true, None, Some(name)) => Err(not_about::<H>(name, about)),
        _ => Ok(shown),
    }
}

pub(super) fn not_looked<H: Held>(desk: &Desk, release: &str) -> Result<Failure, Failure> {
    let mut known = Vec::new();
    for component in components::<H>(desk, &[])? {
        known.extend(looks(desk, &component)?.into_iter().map(|l| format!("{component}@{}", l.version)));
    }
    Ok(usage(ReleasesError::NotLooked { one: H::ONE, release: release.to_owned(), known }))
}

impl Pair {
    /// Compares both releases of every component that has both.
    pub(super) fn compare<H: Held, S>(
        &self,
        desk: &Desk,
        steps_of: impl Fn(&str, H, &H) -> Vec<S>,
    ) -> Result<Diff<S>, Failure> {
        // `prometheus@2.42.0+ds-5` names its component.
        let split = |text: &str| match text.split_once('@') {
            Some((name, version)) if !text.starts_with("pkg:") => (Some(name.to_owned()), version.to_owned()),
            _ => (None, text.to_owned()),
        };
        let ((name, before), (other, after)) = (split(&self.before), split(&self.after));
        let asked: Vec<String> = self.component.clone().or(name).or(other).into_iter().collect();
        let (mut steps, mut has_before, mut has_after) = (Vec::new(), false, false);
        for component in components::<H>(desk, &asked)? {
            let looks = looks(desk, &component)?;
            let of = |text: &str| looks.iter().rev().find(|l| is_release(l, text));
            let (old, new) = (of(&before), of(&after));
            has_before |= old.is_some();
            has_after |= new.is_some();
            let (Some(old), Some(new)) = (old, new) else { continue };
            let (old, new): (Shown<H>, Shown<H>) = (held(desk, old)?, held(desk, new)?);
            steps.extend(steps_of(&component, new.held, &old.held));
        }
        for (text, seen) in [(&before, has_before), (&after, has_after)] {
            if !seen {
                return Err(not_looked::<H>(desk, text)?);
            }
        }
        Ok(Diff { before, after, steps })
    }
}

/// Checks whose answers differ: id, before, after.
pub(super) type Changed = Vec<(String, String, String)>;

/// Checks that both releases were asked and that answered otherwise.
pub(super) fn changed<'a>(
    then: impl Iterator<Item = &'a Answer> + Clone,
    now: impl Iterator<Item = &'a Answer>,
) -> Changed {
    let word = |answer: &Answer| answer.answered.word().to_owned();
    now.filter_map(|answer| {
        let before = word(then.clone().find(|a| a.id == answer.id)?);
        let after = word(answer);
        (before != after).then(|| (answer.id.clone(), before, after))
    })
    .collect()
}

/// Component and release.
pub(super) fn heading<H>(shown: &Shown<H>) -> String {
    match &shown.version {
        Some(version) => format!("{} {version}", shown.component),
        None => format!("{} (no release was looked at)", shown.component),
    }
}

/// A table as RFC 4180 has them, with one line for each row.
pub(super) fn csv<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| cells.map(|text| cell(&text)).join(",") + "\r\n";
    let mut out = line(head.map(str::to_owned));
    out.extend(rows.map(line));
    out
}

/// One cell. Spreadsheets take what begins with these signs for a formula and run it, so that it is kept
/// from them with an apostrophe (OWASP, CSV injection).
fn cell(text: &str) -> String {
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::{cell, csv};

    #[test]
    fn cells_are_quoted_and_no_formula_gets_through() {
        for (text, expected) in [
            ("a", "a"),
            ("a,b", "\"a,b\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
        let rows = [["1".to_owned(), "a,b".to_owned()]];
        assert_eq!(csv(["n", "text"], rows.into_iter()), "n,text\r\n1,\"a,b\"\r\n");
    }
}
