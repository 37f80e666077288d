//! Chooses build requirements: everything that a source tree asks for, with all that these require.
//!
//! The choice is the one that a frontend would have made on the day of the release: of each project the
//! newest version that fits every requirement, was not withdrawn, is no preview, runs on the locked
//! interpreter, and had been uploaded by then. Projects that the wheel under test names are held at the
//! version that it names. Only pure wheels are chosen; a source distribution among build requirements
//! would need an environment of its own.

use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr as _;

use jiff::Timestamp;
use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{Pep508Url, Requirement, VersionOrUrl};

use super::{Interpreter, PythonError, record};
use crate::event::Stage;
use crate::source::pypi::wheel::WheelFile;
use crate::source::pypi::{Access, ListedFile, Listing, LockedDistribution, ProjectName, fetch, listing};

/// Bounds on one requirement's text, which a recursive parser reads and a decision diagram grows from:
/// some times what the longest requirement in use has.
const TEXT_BYTES_MAX: usize = 2048;
const PARENTHESES_MAX: usize = 32;
const ALTERNATIVES_MAX: usize = 12;

/// How many versions an error names.
const SHOWN: usize = 5;

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    /// The interpreter that they run on.
    pub(super) interpreter: &'a Interpreter,
    /// Requirements with who asks.
    pub(super) requirements: Vec<(String, String)>,
    /// Projects held at a version.
    pub(super) held: BTreeMap<ProjectName, Version>,
    /// Nothing uploaded later is chosen, unless it is held.
    pub(super) until: Option<Timestamp>,
}

/// A requirement that applies here.
#[derive(Debug, Clone)]
struct Needed {
    project: ProjectName,
    extras: Vec<pep508_rs::ExtraName>,
    specifiers: VersionSpecifiers,
    text: String,
    by: String,
}

/// An address in the place of a version: it is told and never followed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Elsewhere;

impl std::fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an address")
    }
}

impl Pep508Url for Elsewhere {
    type Err = std::convert::Infallible;

    fn parse_url(_: &str, _: Option<&std::path::Path>) -> Result<Self, Self::Err> {
        Ok(Self)
    }
}

/// Reads a requirement; none where its marker does not apply.
fn read(
    text: &str,
    by: &str,
    interpreter: &Interpreter,
    extras: &[pep508_rs::ExtraName],
) -> Result<Option<Needed>, PythonError> {
    let shown: String = text.chars().take(200).collect();
    let refuse = |detail: String| PythonError::Requirement {
        requirement: shown.escape_debug().to_string(),
        by: by.to_owned(),
        detail,
    };
    let parentheses = text.matches('(').count();
    let alternatives = text.split_ascii_whitespace().filter(|word| *word == "or").count();
    if text.len() > TEXT_BYTES_MAX || parentheses > PARENTHESES_MAX || alternatives > ALTERNATIVES_MAX {
        return Err(refuse("it is longer or deeper than any requirement in use".to_owned()));
    }
    let requirement = Requirement::<Elsewhere>::from_str(text).map_err(|e| refuse(e.message.to_string()))?;
    if !requirement.marker.evaluate(&interpreter.markers, extras) {
        return Ok(None);
    }
    let specifiers = match requirement.version_or_url {
        None => VersionSpecifiers::empty(),
        Some(VersionOrUrl::VersionSpecifier(specifiers)) => specifiers,
        Some(VersionOrUrl::Url(_)) => return Err(refuse("it names an address".to_owned())),
    };
    let project = ProjectName::new(requirement.name.as_ref())
        .ok_or_else(|| refuse("its name is not a project's".to_owned()))?;
    Ok(Some(Needed { project, extras: requirement.extras, specifiers, text: shown, by: by.to_owned() }))
}

/// The projects that these requirements name directly, where their markers apply.
pub(super) fn named(
    requirements: &[(String, String)],
    interpreter: &Interpreter,
) -> Result<Vec<ProjectName>, PythonError> {
    let mut names = Vec::new();
    for (text, by) in requirements {
        names.extend(read(text, by, interpreter, &[])?.map(|needed| needed.project));
    }
    Ok(names)
}

/// What is known of a project while choosing.
struct Project {
    listing: Listing,
    asked: Vec<Needed>,
    chosen: Option<Version>,
}

/// Chooses, fetches every chosen wheel into the store, and gives them ordered by project.
pub(super) fn choose(
    access: &Access<'_>,
    wanted: &Wanted<'_>,
) -> Result<Vec<LockedDistribution>, PythonError> {
    let limits = &access.limits;
    let mut projects: BTreeMap<ProjectName, Project> = BTreeMap::new();
    let mut taken: BTreeMap<(ProjectName, Version), (LockedDistribution, Vec<String>)> = BTreeMap::new();
    for _ in 0..limits.choices_max {
        let mut queue: VecDeque<Needed> = VecDeque::new();
        for (text, by) in &wanted.requirements {
            queue.extend(read(text, by, wanted.interpreter, &[])?);
        }
        let (mut current, mut narrowed) = (BTreeMap::new(), false);
        let mut passed = 0;
        while let Some(needed) = queue.pop_front() {
            passed += 1;
            if passed > limits.requirements_max * 4 || current.len() > limits.requirements_max {
                let (what, limit) = ("build requirements", "requirements_max");
                return Err(PythonError::Limit { what, limit, max: limits.requirements_max });
            }
            let name = needed.project.clone();
            let (extras, seen) = (needed.extras.clone(), current.contains_key(&name));
            let project = match projects.entry(name.clone()) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => entry.insert(Project {
                    listing: listing(access, &name)?,
                    asked: Vec::new(),
                    chosen: None,
                }),
            };
            if !project.asked.iter().any(|n| n.text == needed.text && n.by == needed.by) {
                project.asked.push(needed);
            }
            let file = best(project, wanted)?.clone();
            if project.chosen.as_ref().is_some_and(|chosen| *chosen != file.version) && seen {
                narrowed = true;
            }
            project.chosen = Some(file.version.clone());
            if narrowed {
                break;
            }
            if seen && extras.is_empty() {
                continue;
            }
            let key = (name.clone(), file.version.clone());
            if !taken.contains_key(&key) {
                taken.insert(key.clone(), take(access, &file, &name)?);
            }
            let Some((locked, requires)) = taken.get(&key) else { continue };
            let by = format!("{name} {}", file.version);
            for text in requires {
                queue.extend(read(text, &by, wanted.interpreter, &extras)?);
            }
            current.insert(name, locked.clone());
        }
        if !narrowed {
            return Ok(current.into_values().collect());
        }
    }
    let (what, limit) = ("attempts at choosing build requirements", "choices_max");
    Err(PythonError::Limit { what, limit, max: limits.choices_max })
}

/// The file to take.
fn best<'p>(project: &'p Project, wanted: &Wanted<'_>) -> Result<&'p ListedFile, PythonError> {
    let held = wanted.held.get(&project.listing.project);
    let pure = || project.listing.files.iter().filter(|f| f.kind.is_pure(3));
    let fits = |file: &&ListedFile| {
        let asked = project.asked.iter().all(|needed| needed.specifiers.contains(&file.version));
        let may = match held {
            Some(held) => file.version == *held,
            None => {
                let in_time = match (wanted.until, file.uploaded) {
                    (Some(until), Some(uploaded)) => uploaded <= until,
                    _ => true,
                };
                in_time && file.yanked.is_none() && file.version.is_stable()
            }
        };
        asked && may && file.digest.is_some() && file.fits_python(&wanted.interpreter.version)
    };
    // Of two files of one version the name decides, so that the order of the page does not.
    let newest = pure().filter(fits).max_by(|a, b| (&a.version, &a.name).cmp(&(&b.version, &b.name)));
    newest.ok_or_else(|| {
        let mut versions: Vec<&Version> = pure().map(|f| &f.version).collect();
        versions.sort();
        versions.dedup();
        let mut asked: Vec<String> =
            project.asked.iter().map(|needed| format!("`{}` ({})", needed.text, needed.by)).collect();
        asked.extend(held.map(|held| format!("`=={held}` (the wheel under test)")));
        PythonError::Unsatisfiable {
            project: project.listing.project.to_string(),
            asked: asked.join(", "),
            listed: versions.iter().rev().take(SHOWN).map(|v| v.to_string()).collect(),
        }
    })
}

/// Fetches a wheel, checks it against its own list, and reads what it requires.
fn take(
    access: &Access<'_>,
    file: &ListedFile,
    project: &ProjectName,
) -> Result<(LockedDistribution, Vec<String>), PythonError> {
    let (locked, object) = fetch(access, file, project, Stage::Environment)?;
    record(&locked.file, &object.path)?;
    let wheel = WheelFile::open(&locked.file, &object.path, &access.limits)?;
    let metadata = format!("{}/METADATA", wheel.dist_info()?);
    let text = wheel.text(&metadata)?.unwrap_or_default();
    Ok((locked, requires(&text)))
}

/// The `Requires-Dist` fields of core metadata, which end where the description begins.
fn requires(metadata: &str) -> Vec<String> {
    metadata
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("Requires-Dist:"))
        .map(|value| value.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests;
