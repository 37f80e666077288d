//! From the file's raw form to an [`Audit`], each value checked against its domain.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use toml::Spanned;
use toml::de::DeTable;

use super::file::{AuditFile, ChangeFile, ClaimFile, FindingFile, RegisterFile};
use super::{Audit, Change, Claim, ClaimState, Finding, REGISTER_SCHEMA, Register, ReportFile, Thread};
use crate::evaluate::definition::{Definition, DefinitionError};
use crate::evaluate::evidence::{self, Commit, RepositoryName};
use crate::limits::evaluate::{ACCEPTANCE_DAYS_MAX, ITEMS_MAX, PAGES_MAX};
use crate::probe::spec::upstream;

/// What a claim or a thread points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// `owner/name@commit`.
    Commit(RepositoryName, Commit),
    /// `owner/name#number`: an issue or a pull request.
    Thread(RepositoryName, u32),
    /// `report:page`: the audit's own report.
    Page(u32),
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit(repository, commit) => write!(f, "{repository}@{commit}"),
            Self::Thread(repository, number) => write!(f, "{repository}#{number}"),
            Self::Page(page) => write!(f, "report:{page}"),
        }
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |t: &str| t.parse::<u32>().ok().filter(|n| *n > 0 && !t.starts_with(['+', '0']));
        if let Some(page) = text.strip_prefix("report:").and_then(number) {
            return Ok(Self::Page(page));
        }
        if let Some((repository, commit)) = text.split_once('@') {
            return Ok(Self::Commit(repository.parse()?, commit.parse()?));
        }
        if let Some((repository, n)) = text.split_once('#')
            && let Some(n) = number(n)
        {
            return Ok(Self::Thread(repository.parse()?, n));
        }
        Err(format!("`{}` is not a link", text.escape_debug()))
    }
}

const LINKS: &str = "write `owner/name@COMMIT`, `owner/name#NUMBER` or `report:PAGE`";

pub(super) fn register(files: &[Definition]) -> Result<Register, DefinitionError> {
    // What was seen where: a key or an id counts over all files.
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut audits = Vec::with_capacity(files.len());
    for definition in files {
        audits.push(audit(definition, &mut seen)?);
    }
    Ok(Register { audits })
}

fn audit(definition: &Definition, seen: &mut BTreeMap<String, String>) -> Result<Audit, DefinitionError> {
    let mut table = definition.table()?;
    let tables = definition.take_tables(table.get_mut(), "finding")?;
    let raw: RegisterFile = definition.decode_table(table)?;
    if *raw.schema.get_ref() != REGISTER_SCHEMA {
        return Err(definition.error(
            raw.schema.span(),
            format!("schema {} is not known, expected {REGISTER_SCHEMA}", raw.schema.get_ref()),
            format!(
                "write `schema = {REGISTER_SCHEMA}`, or use the version of reprove that the file was written for"
            ),
        ));
    }
    let AuditFile { id, title, auditor, sponsor, date, tested, method, scope, report, findings, notes } =
        raw.audit;
    let stem = definition.file.rsplit('/').next().and_then(|n| n.strip_suffix(".toml")).unwrap_or_default();
    if id.get_ref() != stem {
        return Err(definition.error(
            id.span(),
            format!("`{}` is not the file's name, expected `{stem}`", id.get_ref().escape_debug()),
            format!("write `id = \"{stem}\"`, or rename the file"),
        ));
    }
    if scope.is_empty() {
        return Err(definition.error(
            title.span(),
            "the audit has no scope, expected at least one entry",
            "write `scope = [\"…\"]`: what was looked at",
        ));
    }
    if *findings.get_ref() != tables.len() || tables.is_empty() || tables.len() > ITEMS_MAX {
        return Err(definition.error(
            findings.span(),
            format!("the audit has {} findings, but {} are written down", findings.get_ref(), tables.len()),
            "count the report's findings and add a `[[finding]]` for each that is missing",
        ));
    }
    let hex = |t: &str| t.len() == 64 && t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !hex(report.sha256.get_ref()) {
        return Err(definition.error(
            report.sha256.span(),
            "not a SHA-256, expected 64 lower-case hexadecimal digits",
            "write what `sha256sum` prints for the report",
        ));
    }
    if *report.pages.get_ref() == 0 || *report.pages.get_ref() > PAGES_MAX {
        return Err(definition.error(
            report.pages.span(),
            format!("{} pages, expected 1 to {PAGES_MAX}", report.pages.get_ref()),
            "write how many pages the report has",
        ));
    }
    let optional =
        |v: &Option<Spanned<String>>, what: &str| v.as_ref().map(|v| definition.prose(v, what)).transpose();
    let pages = *report.pages.get_ref();
    let findings =
        tables.into_iter().map(|table| finding(definition, table, pages, seen)).collect::<Result<_, _>>()?;
    Ok(Audit {
        id: definition.line(&id, "an audit's id")?,
        title: definition.line(&title, "a title")?,
        auditor: definition.line(&auditor, "an auditor's name")?,
        sponsor: optional(&sponsor, "a sponsor")?,
        date,
        tested: optional(&tested, "when it was looked at")?,
        method: optional(&method, "a method")?,
        scope: scope.iter().map(|s| definition.line(s, "an entry of the scope")).collect::<Result<_, _>>()?,
        report: ReportFile {
            file: definition.line(&report.file, "a file name")?,
            sha256: report.sha256.into_inner(),
            pages,
            published: optional(&report.published, "who published it")?,
        },
        notes: notes.iter().map(|n| definition.prose(n, "a note")).collect::<Result<_, _>>()?,
        findings,
    })
}

fn finding(
    definition: &Definition,
    table: Spanned<DeTable<'_>>,
    pages: u32,
    seen: &mut BTreeMap<String, String>,
) -> Result<Finding, DefinitionError> {
    let span = table.span();
    let mut table = table;
    let evidence_tables = definition.take_tables(table.get_mut(), "evidence")?;
    let raw: FindingFile = definition.decode_table(table)?;
    let (key, id_is_the_reports) = match (&raw.id, &raw.key) {
        (Some(id), None) => (id, true),
        (None, Some(key)) => (key, false),
        (Some(_), Some(key)) => {
            return Err(definition.error(
                key.span(),
                "`id` and `key` are both given",
                "`key` is for findings to which the report gives no id",
            ));
        }
        (None, None) => {
            return Err(definition.error(
                span,
                "the finding has neither `id` nor `key`",
                "write the report's `id`, or a `key` of your own where it has none",
            ));
        }
    };
    let plain = |t: &str| {
        (2..=60).contains(&t.len()) && t.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if !plain(key.get_ref()) {
        return Err(definition.error(
            key.span(),
            format!("`{}` is not an id", key.get_ref().escape_debug()),
            "write letters, digits, `-`, `_` and `.`",
        ));
    }
    let place = place(definition, key.span().start);
    once(definition, seen, key.get_ref(), key.span(), "finding", &place)?;
    if !page_range(raw.page.get_ref(), pages) {
        return Err(definition.error(
            raw.page.span(),
            format!("`{}` is not a page of a report of {pages}", raw.page.get_ref().escape_debug()),
            "write e.g. `\"12\"`, `\"10-12\"` or `\"9, 19\"`",
        ));
    }
    let mut components: Vec<String> = Vec::new();
    for component in raw.components.get_ref() {
        let name = definition.line(component, "a component's name")?;
        if components.contains(&name) {
            return Err(definition.error(
                component.span(),
                format!("`{name}` is given twice"),
                "write it once",
            ));
        }
        components.push(name);
    }
    if components.is_empty() {
        return Err(definition.error(
            raw.components.span(),
            "the finding is about no component",
            "name those in `policies/components` on whose releases it is judged",
        ));
    }
    let prefix = format!("{}.", key.get_ref());
    let mut evidence = Vec::with_capacity(evidence_tables.len().min(ITEMS_MAX));
    for table in evidence_tables {
        let span = table.span();
        let spec = evidence::read::<super::Asserts>(definition, table)?;
        let place = self::place(definition, span.start);
        once(definition, seen, &spec.id, span.clone(), "evidence", &place)?;
        if !spec.id.starts_with(&prefix) {
            return Err(definition.error(
                span,
                format!("evidence `{}` does not begin with its finding's id", spec.id),
                format!("write e.g. `id = \"{prefix}e1\"`"),
            ));
        }
        if let Some(other) = spec.components().find(|c| !components.contains(c)) {
            return Err(definition.error(
                span,
                format!("evidence `{}` is about `{other}`, which the finding is not about", spec.id),
                "name the component among the finding's `components`",
            ));
        }
        evidence.push(spec);
    }
    let prose =
        |v: &Option<Spanned<String>>, what: &str| v.as_ref().map(|v| definition.prose(v, what)).transpose();
    Ok(Finding {
        key: key.get_ref().clone(),
        id_is_the_reports,
        title: definition.line(&raw.title, "a title")?,
        title_is_ours: raw.title_is_ours,
        severity: raw.severity,
        section: definition.line(&raw.section, "a part of the report")?,
        page: raw.page.get_ref().clone(),
        affected: raw.affected.iter().map(|a| definition.line(a, "a place")).collect::<Result<_, _>>()?,
        summary: definition.prose(&raw.summary, "a summary")?,
        asked_for: prose(&raw.asked_for, "what was asked for")?,
        left_over: prose(&raw.left_over, "what is left")?,
        claims: raw
            .claim
            .into_iter()
            .map(|c| claim(definition, c, &components, pages))
            .collect::<Result<_, _>>()?,
        changes: raw.change.into_iter().map(|c| change(definition, c)).collect::<Result<_, _>>()?,
        threads: raw
            .thread
            .iter()
            .map(|t| {
                Ok(Thread {
                    link: link(definition, &t.link, pages)?,
                    what: definition.prose(&t.what, "what was said")?,
                })
            })
            .collect::<Result<_, DefinitionError>>()?,
        components,
        evidence,
        place,
    })
}

/// Refuses a name that was used before.
fn once(
    definition: &Definition,
    seen: &mut BTreeMap<String, String>,
    name: &str,
    span: std::ops::Range<usize>,
    what: &str,
    place: &str,
) -> Result<(), DefinitionError> {
    match seen.insert(name.to_ascii_lowercase(), place.to_owned()) {
        None => Ok(()),
        Some(first) => Err(definition.error(
            span,
            format!("{what} `{name}` is given twice, first at {first}"),
            "give each its own id; remove the one that was copied",
        )),
    }
}

fn claim(
    definition: &Definition,
    raw: Spanned<ClaimFile>,
    components: &[String],
    pages: u32,
) -> Result<Claim, DefinitionError> {
    let span = raw.span();
    let raw = raw.into_inner();
    let wrong = |detail: &str, remedy: &str| definition.error(span.clone(), detail, remedy);
    let Some(why) = &raw.why else {
        return Err(wrong("a claim without a reason", "write `why = \"…\"`: on what it rests"));
    };
    let component = raw.component.as_ref().map(|c| definition.line(c, "a component's name")).transpose()?;
    if let (Some(name), Some(written)) = (&component, &raw.component)
        && !components.contains(name)
    {
        return Err(definition.error(
            written.span(),
            format!("the finding is not about `{name}`"),
            format!("write one of: {}", components.join(", ")),
        ));
    }
    if let Some(since) = &raw.since
        && (upstream(since.get_ref()).is_none() || since.get_ref().starts_with('v'))
    {
        return Err(definition.error(
            since.span(),
            format!("`{}` is not an upstream version", since.get_ref().escape_debug()),
            "write e.g. `since = \"2.28.0\"`",
        ));
    }
    match (raw.state, &raw.owner, &raw.until, raw.when) {
        (ClaimState::Accepted, Some(_), Some(until), Some(when)) => {
            let days = when.0.until(until.get_ref().0).map_or(0, |s| i64::from(s.get_days()));
            if !(1..=ACCEPTANCE_DAYS_MAX).contains(&days) {
                return Err(definition.error(
                    until.span(),
                    format!("an acceptance of {days} days, expected 1 to {ACCEPTANCE_DAYS_MAX}"),
                    "accept it for a year at most, and look again",
                ));
            }
        }
        (ClaimState::Accepted, ..) => {
            return Err(wrong(
                "an acceptance without owner, day or end",
                "write `owner`, `when` and `until`; where the maintainers just decline, write `state = \"declined\"`",
            ));
        }
        (_, None, None, _) => {}
        _ => {
            return Err(wrong(
                "`owner` and `until` belong to an acceptance",
                "leave them out, or write `state = \"accepted\"`",
            ));
        }
    }
    Ok(Claim {
        state: raw.state,
        who: definition.line(&raw.who, "a name")?,
        when: raw.when,
        why: definition.prose(why, "a reason")?,
        component,
        since: raw.since.map(Spanned::into_inner),
        owner: raw.owner.as_ref().map(|o| definition.line(o, "a name")).transpose()?,
        until: raw.until.map(Spanned::into_inner),
        links: raw.links.iter().map(|l| link(definition, l, pages)).collect::<Result<_, _>>()?,
    })
}

fn change(definition: &Definition, raw: Spanned<ChangeFile>) -> Result<Change, DefinitionError> {
    let raw = raw.into_inner();
    Ok(Change {
        role: raw.role,
        repository: raw.repository,
        commit: raw.commit,
        date: raw.date,
        by: raw.by.as_ref().map(|b| definition.line(b, "a name")).transpose()?,
        first_release: raw.first_release.as_ref().map(|r| definition.line(r, "a release")).transpose()?,
        pull_request: raw.pull_request,
        issue: raw.issue,
        what: raw.what.as_ref().map(|w| definition.prose(w, "what it does")).transpose()?,
    })
}

fn link(definition: &Definition, text: &Spanned<String>, pages: u32) -> Result<Link, DefinitionError> {
    let link: Link = text.get_ref().parse().map_err(|e: String| definition.error(text.span(), e, LINKS))?;
    if let Link::Page(page) = link
        && page > pages
    {
        return Err(definition.error(
            text.span(),
            format!("page {page} of a report of {pages}"),
            "write a page that there is",
        ));
    }
    Ok(link)
}

/// `12`, `10-12`, or several of them with `, ` between, all within the report.
fn page_range(text: &str, pages: u32) -> bool {
    let number = |t: &str| t.parse::<u32>().ok().filter(|n| (1..=pages).contains(n));
    text.split(", ").all(|part| match part.split_once('-') {
        Some((from, to)) => number(from).zip(number(to)).is_some_and(|(a, b)| a < b),
        None => number(part).is_some(),
    })
}

fn place(definition: &Definition, at: usize) -> String {
    let before = definition.text.get(..at).unwrap_or(&definition.text);
    format!("{}:{}", definition.file, before.matches('\n').count() + 1)
}
