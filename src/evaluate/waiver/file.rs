//! `waivers.toml` as it stands in the file, and the checks that make waivers of it.

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::{Waived, Waiver};
use crate::evaluate::definition::{Definition, DefinitionError};
use crate::limits::evaluate::ITEMS_MAX;
use crate::probe::spec::Versions;

/// The only schema number that is read.
const SCHEMA: u32 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: Spanned<u32>,
    #[serde(default)]
    waiver: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Spanned<String>,
    control: Option<Spanned<String>>,
    finding: Option<Spanned<String>>,
    component: Spanned<String>,
    releases: Option<Versions>,
    reason: Spanned<String>,
    owner: Spanned<String>,
    approver: Spanned<String>,
    from: Spanned<Datetime>,
    until: Spanned<Datetime>,
}

pub(super) fn read(definition: &Definition) -> Result<Vec<Waiver>, DefinitionError> {
    let raw: File = definition.decode_table(definition.table()?)?;
    if *raw.schema.get_ref() != SCHEMA {
        let detail = format!("schema {} is not known, expected {SCHEMA}", raw.schema.get_ref());
        return Err(definition.error(raw.schema.span(), detail, format!("write `schema = {SCHEMA}`")));
    }
    let mut seen = BTreeSet::new();
    let mut waivers = Vec::with_capacity(raw.waiver.len().min(ITEMS_MAX));
    for entry in &raw.waiver {
        if !seen.insert(entry.id.get_ref()) {
            let detail = format!("waiver `{}` stands there twice", entry.id.get_ref());
            return Err(definition.error(entry.id.span(), detail, "give each waiver an id of its own"));
        }
        if seen.len() > ITEMS_MAX {
            let detail = format!("more than {ITEMS_MAX} waivers");
            return Err(definition.error(entry.id.span(), detail, "mend what so many waivers excuse"));
        }
        waivers.push(waiver(definition, entry)?);
    }
    Ok(waivers)
}

fn waiver(definition: &Definition, entry: &Entry) -> Result<Waiver, DefinitionError> {
    let id = definition.line(&entry.id, "an id")?;
    let about = about(definition, &id, entry)?;
    let component = definition.line(&entry.component, "a component's name")?;
    let reason = definition.prose(&entry.reason, "a reason")?;
    let owner = definition.line(&entry.owner, "a name")?;
    let approver = definition.line(&entry.approver, "a name")?;
    if voice(&owner) == voice(&approver) {
        return Err(definition.error(
            entry.approver.span(),
            format!("`{}` owns waiver `{id}` and approves it", approver.trim()),
            "have somebody else approve it",
        ));
    }
    let from = date(definition, &entry.from)?;
    let until = date(definition, &entry.until)?;
    if until < from {
        return Err(definition.error(
            entry.until.span(),
            format!("waiver `{id}` ends before it begins"),
            "give it a last day that is not before its first",
        ));
    }
    if !from.checked_add(1.year()).is_ok_and(|end| until <= end) {
        return Err(definition.error(
            entry.until.span(),
            format!("waiver `{id}` lasts longer than a year"),
            "end it within a year of its first day, and decide anew then",
        ));
    }
    Ok(Waiver {
        id,
        about,
        component,
        releases: entry.releases.clone(),
        reason,
        owner,
        approver,
        from,
        until,
    })
}

/// `Ann Other`, `ann  other` and `ANN OTHER` are one voice.
fn voice(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn about(definition: &Definition, id: &str, entry: &Entry) -> Result<Waived, DefinitionError> {
    match (&entry.control, &entry.finding) {
        (Some(control), None) => definition.line(control, "a control's id").map(Waived::Control),
        (None, Some(finding)) => {
            let text = definition.line(finding, "a finding")?;
            if text.split_once('/').is_some_and(|(audit, id)| !audit.is_empty() && !id.is_empty()) {
                return Ok(Waived::Finding(text));
            }
            let detail = format!("`{}` is not a finding", text.escape_debug());
            Err(definition.error(finding.span(), detail, "write `<audit>/<id>`"))
        }
        (Some(_), Some(finding)) => {
            let detail = format!("waiver `{id}` names a control and a finding");
            Err(definition.error(finding.span(), detail, "write two waivers"))
        }
        (None, None) => {
            let detail = format!("waiver `{id}` names neither a control nor a finding");
            let remedy = "add `control = \"…\"` or `finding = \"<audit>/<id>\"`";
            Err(definition.error(entry.id.span(), detail, remedy))
        }
    }
}

fn date(definition: &Definition, value: &Spanned<Datetime>) -> Result<Date, DefinitionError> {
    let day = match value.get_ref() {
        Datetime { date: Some(d), time: None, offset: None } => {
            match (i16::try_from(d.year), i8::try_from(d.month), i8::try_from(d.day)) {
                (Ok(year), Ok(month), Ok(day)) => Date::new(year, month, day).ok(),
                _ => None,
            }
        }
        _ => None,
    };
    day.ok_or_else(|| {
        let detail = format!("`{}` is not a day", value.get_ref());
        definition.error(value.span(), detail, "write a day without time, e.g. `2027-03-31`")
    })
}
