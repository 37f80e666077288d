//! The model's files, and the checks that make controls of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::{Asserts, Control, Controls, FOLDER, Kind, Model, PROJECT, Place, Stated};
use crate::deployment::{Rules, Severity};
use crate::evaluate::definition::{Definition, DefinitionError};
use crate::evaluate::evidence::{self, EvidenceSpec};
use crate::limits::evaluate::ITEMS_MAX;
use crate::probe::spec::{Launch, Versions};

/// The only schema number that is read.
const SCHEMA: u32 = 1;

/// The file that says what belongs to the model, and the one with the rules for deployments.
const MODEL: &str = "model.toml";
const RULES: &str = "configuration.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    schema: Spanned<u32>,
    model: ModelTable,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelTable {
    title: Spanned<String>,
    repository: Spanned<String>,
    path: Spanned<String>,
    revision: Spanned<String>,
    revised: Datetime,
    translation: Spanned<String>,
    controls: Spanned<usize>,
    checks: Spanned<usize>,
    rules: Spanned<usize>,
    parts: Spanned<Vec<Spanned<String>>>,
    elsewhere: Vec<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ControlTable {
    id: Spanned<String>,
    components: Spanned<Vec<Spanned<String>>>,
    kind: Kind,
    open_by_default: Option<Spanned<bool>>,
    severity: Severity,
    text: Spanned<String>,
    place: Spanned<Place>,
    applies: Option<Versions>,
    differs: Option<Spanned<String>>,
    note: Option<Spanned<String>>,
    unchecked: Option<Spanned<String>>,
    #[serde(default)]
    rules: Vec<Spanned<String>>,
}

type Launches<'t> = BTreeMap<String, Spanned<DeValue<'t>>>;

pub(super) fn load(root: &Path) -> Result<Controls, DefinitionError> {
    let model_file = format!("{FOLDER}/{MODEL}");
    if !root.join(&model_file).exists() && Definition::load_all(root, FOLDER)?.is_empty() {
        return Ok(Controls::none());
    }
    let definition = Definition::load(&root.join(&model_file), &model_file)?;
    let mut table = definition.table()?.into_inner();
    let launches = launches(&definition, &mut table)?;
    let whole = 0..definition.text.len();
    let raw: ModelFile = definition.decode_table(Spanned::new(whole.clone(), table))?;
    schema(&definition, &raw.schema)?;
    let files = Definition::load_all(root, FOLDER)?;
    let parts = parts(&definition, &raw.model, &files)?;
    let rules = rules(&definition, &files)?;
    let mut reader = Reader {
        launches: &launches,
        rules: &rules,
        elsewhere: raw.model.elsewhere.iter().map(|n| n.get_ref().as_str()).collect(),
        controls: Vec::new(),
        ids: BTreeSet::new(),
        linked: BTreeSet::new(),
        launched: BTreeSet::new(),
    };
    for part in &parts {
        reader.part(part)?;
    }
    reader.finish(&definition, &raw.model)?;
    let line = |value: &Spanned<String>, what| definition.line(value, what);
    let model = Model {
        title: line(&raw.model.title, "a title")?,
        repository: line(&raw.model.repository, "a repository")?,
        path: line(&raw.model.path, "a path")?,
        revision: line(&raw.model.revision, "a revision")?,
        revised: raw.model.revised.to_string(),
        translation: line(&raw.model.translation, "a line")?,
    };
    let elsewhere = raw.model.elsewhere.iter().map(|n| n.get_ref().clone()).collect();
    Ok(Controls { model, controls: reader.controls, elsewhere })
}

fn schema(definition: &Definition, found: &Spanned<u32>) -> Result<(), DefinitionError> {
    if *found.get_ref() == SCHEMA {
        return Ok(());
    }
    Err(definition.error(
        found.span(),
        format!("schema {} is not known, expected {SCHEMA}", found.get_ref()),
        format!("write `schema = {SCHEMA}`, or use the version of reprove that the file was written for"),
    ))
}

/// The launches that checks may name, each a valid one by itself.
fn launches<'t>(definition: &Definition, table: &mut DeTable<'t>) -> Result<Launches<'t>, DefinitionError> {
    let Some(value) = table.remove("launch") else { return Ok(Launches::new()) };
    let span = value.span();
    let DeValue::Table(inner) = value.into_inner() else {
        return Err(definition.error(span, "`launch` is not a table", "write `[launch.NAME]` tables"));
    };
    let mut launches = Launches::new();
    for (name, value) in inner {
        let _: Launch = definition.decode(value.clone())?;
        launches.insert(name.into_inner().into_owned(), value);
    }
    Ok(launches)
}

/// The files of the parts, in the model's order. A file that the model does not name, and a name without
/// a file, are refused.
fn parts<'f>(
    definition: &Definition,
    model: &ModelTable,
    files: &'f [Definition],
) -> Result<Vec<&'f Definition>, DefinitionError> {
    let mut found = Vec::new();
    let mut named = BTreeSet::from([MODEL, RULES]);
    for part in model.parts.get_ref() {
        let name = part.get_ref().as_str();
        if !named.insert(name) {
            return Err(definition.error(part.span(), format!("`{name}` is named twice"), "name it once"));
        }
        let file =
            files.iter().find(|f| f.file.strip_prefix(FOLDER).is_some_and(|n| n == format!("/{name}")));
        found.push(file.ok_or_else(|| {
            definition.error(
                part.span(),
                format!("`{FOLDER}/{name}` is missing"),
                "bring the file back, or take its name and its controls out of the counts",
            )
        })?);
    }
    let names = files.iter().filter_map(|f| f.file.rsplit('/').next());
    if let Some(stray) = names.into_iter().find(|name| !named.contains(name)) {
        return Err(definition.error(
            model.parts.span(),
            format!("`{FOLDER}/{stray}` belongs to no model"),
            "add it to `parts`, or remove it",
        ));
    }
    Ok(found)
}

/// The control of each rule for deployments.
fn rules(definition: &Definition, files: &[Definition]) -> Result<BTreeMap<String, String>, DefinitionError> {
    let file = files.iter().find(|f| f.file.ends_with(RULES));
    let missing = || definition.error(0..0, format!("`{FOLDER}/{RULES}` is missing"), "bring the file back");
    let file = file.ok_or_else(missing)?;
    let rules = Rules::read(&file.file, &file.text).map_err(|e| {
        file.error(0..0, e.to_string(), "mend the rules as described, or take those of the release")
    })?;
    Ok(rules.iter().map(|r| (r.id.clone(), r.control.clone())).collect())
}

struct Reader<'r> {
    launches: &'r Launches<'r>,
    rules: &'r BTreeMap<String, String>,
    elsewhere: BTreeSet<&'r str>,
    controls: Vec<Control>,
    /// Of controls and of checks.
    ids: BTreeSet<String>,
    /// Rules that a control names.
    linked: BTreeSet<String>,
    /// Launches that a check names.
    launched: BTreeSet<String>,
}

impl Reader<'_> {
    fn part(&mut self, definition: &Definition) -> Result<(), DefinitionError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Head {
            schema: Spanned<u32>,
            part: Spanned<String>,
        }
        let table = definition.table()?;
        let span = table.span();
        let mut table = table.into_inner();
        let controls = definition.take_tables(&mut table, "control")?;
        let head: Head = definition.decode_table(Spanned::new(span.clone(), table))?;
        schema(definition, &head.schema)?;
        let part = definition.line(&head.part, "a part's name")?;
        if controls.is_empty() {
            return Err(definition.error(span, "there is no control", "add a `[[control]]` table"));
        }
        for control in controls {
            let control = self.control(definition, &part, control)?;
            self.controls.push(control);
            if self.controls.len() > ITEMS_MAX {
                let detail = format!("more than {ITEMS_MAX} controls");
                return Err(definition.error(0..0, detail, "check that these are controls"));
            }
        }
        Ok(())
    }

    fn control(
        &mut self,
        definition: &Definition,
        part: &str,
        table: Spanned<DeTable<'_>>,
    ) -> Result<Control, DefinitionError> {
        let span = table.span();
        let mut inner = table.into_inner();
        let checks = definition.take_tables(&mut inner, "check")?;
        let raw: ControlTable = definition.decode_table(Spanned::new(span, inner))?;
        let id = self.take_id(definition, &raw.id)?;
        let components = self.components(definition, &raw.components)?;
        let open = raw.open_by_default.as_ref().filter(|open| *open.get_ref());
        if let Some(open) = open.filter(|_| raw.kind != Kind::Warning) {
            return Err(definition.error(
                open.span(),
                format!("`{id}` is a {} and says that it is open by default", raw.kind.word()),
                "only a warning can be open by default",
            ));
        }
        place(definition, &id, &raw.place)?;
        let rules = self.link(definition, &id, &raw.rules)?;
        let prose = |value: &Option<Spanned<String>>, what| {
            value.as_ref().map(|v| definition.prose(v, what)).transpose()
        };
        let mut control = Control {
            part: part.to_owned(),
            components,
            kind: raw.kind,
            open_by_default: open.is_some(),
            severity: raw.severity,
            text: definition.prose(&raw.text, "a text")?,
            place: raw.place.get_ref().clone(),
            applies: raw.applies,
            differs: prose(&raw.differs, "a text")?,
            note: prose(&raw.note, "a text")?,
            unchecked: prose(&raw.unchecked, "a text")?,
            rules,
            checks: Vec::with_capacity(checks.len()),
            at: format!("{}:{}", definition.file, line(definition, raw.id.span().start)),
            id,
        };
        for check in checks {
            let check = self.check(definition, &control, check)?;
            control.checks.push(check);
        }
        // Nothing is left out without a word; the rules of a duty are one.
        let answered = control.checks.iter().any(|c| c.required);
        let by_rules = control.kind == Kind::Duty && !control.rules.is_empty();
        let detail = match &control.unchecked {
            Some(_) if answered => format!("`{}` has required checks and says why it has none", control.id),
            None if !answered && !by_rules => {
                format!("`{}` has no required check and does not say why", control.id)
            }
            _ => return Ok(control),
        };
        Err(definition.error(
            raw.id.span(),
            detail,
            "write a required check, or `unchecked = …`: why no program can be asked",
        ))
    }

    fn take_id(&mut self, definition: &Definition, id: &Spanned<String>) -> Result<String, DefinitionError> {
        let text = id.get_ref();
        let fits = (1..=64).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if !fits {
            let detail = format!("`{}` is not an id", text.escape_debug());
            return Err(definition.error(
                id.span(),
                detail,
                "write letters, digits, `-`, `.` and `_`, at most 64",
            ));
        }
        if !self.ids.insert(text.clone()) {
            let detail = format!("`{text}` stands there twice");
            return Err(definition.error(id.span(), detail, "give it an id of its own"));
        }
        Ok(text.clone())
    }

    fn components(
        &self,
        definition: &Definition,
        names: &Spanned<Vec<Spanned<String>>>,
    ) -> Result<Vec<String>, DefinitionError> {
        let mut taken = Vec::new();
        for name in names.get_ref() {
            let text = definition.line(name, "a component's name")?;
            if taken.contains(&text) {
                return Err(definition.error(
                    name.span(),
                    format!("`{text}` is named twice"),
                    "name it once",
                ));
            }
            taken.push(text);
        }
        if taken.is_empty() {
            let remedy = "name the components that it is about";
            return Err(definition.error(names.span(), "a control about nothing", remedy));
        }
        Ok(taken)
    }

    /// The rules of a control: each must be there, and be of that control.
    fn link(
        &mut self,
        definition: &Definition,
        id: &str,
        rules: &[Spanned<String>],
    ) -> Result<Vec<String>, DefinitionError> {
        for rule in rules {
            let name = rule.get_ref();
            match self.rules.get(name) {
                Some(control) if control == id => {}
                Some(control) => {
                    let detail = format!("rule `{name}` is of control `{control}`");
                    return Err(definition.error(rule.span(), detail, "name rules of this control"));
                }
                None => {
                    let detail = format!("there is no rule `{name}` in `{FOLDER}/{RULES}`");
                    return Err(definition.error(
                        rule.span(),
                        detail,
                        "write the rule, or take its name away",
                    ));
                }
            }
            if !self.linked.insert(name.clone()) {
                return Err(definition.error(
                    rule.span(),
                    format!("`{name}` is named twice"),
                    "name it once",
                ));
            }
        }
        Ok(rules.iter().map(|r| r.get_ref().clone()).collect())
    }

    fn check(
        &mut self,
        definition: &Definition,
        control: &Control,
        table: Spanned<DeTable<'_>>,
    ) -> Result<EvidenceSpec<Asserts>, DefinitionError> {
        let span = table.span();
        let mut inner: DeTable<'_> = table.into_inner();
        let name = match inner.get("launch").map(|v| (v.span(), v.get_ref().as_str())) {
            Some((at, Some(name))) => Some((at, name.to_owned())),
            _ => None,
        };
        if let Some((at, name)) = name {
            let Some(launch) = self.launches.get(&name) else {
                let detail = format!("there is no launch `{name}` in `{FOLDER}/{MODEL}`");
                return Err(definition.error(at, detail, "write the launch there, or here as a table"));
            };
            if let Some(value) = inner.get_mut("launch") {
                *value = Spanned::new(at, launch.get_ref().clone());
            }
            self.launched.insert(name);
        }
        let check: EvidenceSpec<Asserts> = evidence::read(definition, Spanned::new(span.clone(), inner))?;
        let remedy = "begin the id with its control's and a dot";
        if !check.id.strip_prefix(&control.id).is_some_and(|rest| rest.starts_with('.')) {
            let detail = format!("`{}` is no check of `{}`", check.id, control.id);
            return Err(definition.error(span, detail, remedy));
        }
        if !self.ids.insert(check.id.clone()) {
            let detail = format!("`{}` stands there twice", check.id);
            return Err(definition.error(span, detail, "give it an id of its own"));
        }
        let fits =
            |c: &String| control.components.contains(c) || control.components.iter().any(|c| c == PROJECT);
        if let Some(stranger) = check.components().find(|c| !fits(c)) {
            let detail = format!("`{}` looks at `{stranger}`, which `{}` is not about", check.id, control.id);
            return Err(definition.error(
                span,
                detail,
                "add the component to the control, or mend the check",
            ));
        }
        if check.required && check.asserts == Asserts::Context {
            let detail = format!("`{}` is required and asserts nothing that is judged", check.id);
            return Err(definition.error(span, detail, "write `required = false`"));
        }
        Ok(check)
    }

    /// What must be true of the model as a whole.
    fn finish(&self, definition: &Definition, model: &ModelTable) -> Result<(), DefinitionError> {
        let checks = self.controls.iter().map(|c| c.checks.len()).sum();
        for (found, stated, what) in [
            (self.controls.len(), &model.controls, "controls"),
            (checks, &model.checks, "checks"),
            (self.rules.len(), &model.rules, "rules"),
        ] {
            if found != *stated.get_ref() {
                return Err(definition.error(
                    stated.span(),
                    format!("there are {found} {what}, and {} should be", stated.get_ref()),
                    "bring back what is missing; change the number only where something was added or dropped on purpose",
                ));
            }
        }
        if let Some((rule, control)) = self.rules.iter().find(|(rule, _)| !self.linked.contains(*rule)) {
            let detail = format!("no control names rule `{rule}`");
            return Err(definition.error(0..0, detail, format!("name it in the `rules` of `{control}`")));
        }
        if let Some(unused) = self.launches.keys().find(|name| !self.launched.contains(*name)) {
            let at = self.launches.get(unused).map(Spanned::span).unwrap_or_default();
            return Err(definition.error(at, format!("no check names launch `{unused}`"), "remove it"));
        }
        let strangers = |c: &&Control| c.components.iter().all(|n| self.elsewhere.contains(n.as_str()));
        if let Some(control) = self.controls.iter().filter(strangers).find(|c| !c.checks.is_empty()) {
            let detail = format!("`{}` has checks and no component to run them on", control.id);
            return Err(definition.error(0..0, detail, "add the component, or remove the checks"));
        }
        Ok(())
    }
}

/// A place has a section exactly where the document says it, and lines where the translation has it too.
fn place(definition: &Definition, id: &str, place: &Spanned<Place>) -> Result<(), DefinitionError> {
    let Place { section, stated, lines } = place.get_ref();
    let wrong = match stated {
        Stated::Page => section.is_none() || lines.is_empty(),
        Stated::PageOnly => section.is_none() || !lines.is_empty(),
        Stated::Beside => section.is_some() || !lines.is_empty(),
    };
    if !wrong {
        return Ok(());
    }
    Err(definition.error(
        place.span(),
        format!("the place of `{id}` does not fit `stated`"),
        "`page` has section and lines, `page-only` a section, `beside` neither",
    ))
}

fn line(definition: &Definition, at: usize) -> usize {
    definition.text.get(..at).unwrap_or(&definition.text).matches('\n').count() + 1
}
