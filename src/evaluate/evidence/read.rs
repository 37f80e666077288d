//! From a table of a file to a specification.

use std::ops::Range;

use miette::Diagnostic as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{Check, SourceCheck};
use super::text::SourcePath;
use crate::digest::Digest;
use crate::evaluate::definition::{Definition, DefinitionError, take};
use crate::probe::spec::{FlagDefault, Probe};

/// What would show something, and how to look. `A` are the words of whoever asks: what a hit means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EvidenceSpec<A> {
    /// Unique among all specifications: `<finding or control>.<name>`.
    pub id: String,
    /// What it means when the check holds.
    pub asserts: A,
    /// Whether an answer without it is complete.
    pub required: bool,
    /// In one sentence what a hit says; none where the check says it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The component on whose releases it is looked at; for a probe the one that it starts. None for all
    /// that the finding or control is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Other components on whose releases the same is looked at, in the same way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// How to look.
    pub check: Check,
    /// Where it stands in its file.
    #[serde(skip)]
    pub span: Range<usize>,
}

impl<A> EvidenceSpec<A> {
    /// Whether it is looked at on releases of that component.
    pub fn is_about(&self, component: &str) -> bool {
        self.component.as_deref().is_none_or(|c| c == component) || self.also.iter().any(|c| c == component)
    }

    /// Every component that it names.
    pub fn components(&self) -> impl Iterator<Item = &String> {
        self.component.iter().chain(&self.also)
    }

    /// Digest of the question. Another question has another digest, so that an old answer is never taken
    /// for one to it.
    pub fn question(&self) -> Digest {
        Digest::sha256(&serde_json::to_vec(&self.check).unwrap_or_default())
    }
}

const KINDS: &str = "`http-probe`, `cli-probe`, `tls-probe`, `flag-default`, `config-probe`, `source-contains`, `source-absent`, `commit-in-release`, `patch-equivalent`, `rebuild-verdict`, `attestation-present`, `document` or `manual`";

/// Reads one table. The kind decides which other keys there are; an unknown one is refused.
pub fn read<A: DeserializeOwned>(
    definition: &Definition,
    table: Spanned<DeTable<'_>>,
) -> Result<EvidenceSpec<A>, DefinitionError> {
    let span = table.span();
    let mut table = table.into_inner();
    let missing = |key: &str| {
        definition.error(span.clone(), format!("missing field `{key}`"), format!("write `{key} = …`"))
    };
    let id = take(&mut table, "id").ok_or_else(|| missing("id"))?;
    let id_span = id.span();
    let id: String = definition.decode(id)?;
    let plain = |s: &str| {
        !s.is_empty()
            && s.len() <= 100
            && s.starts_with(|c: char| c.is_ascii_alphanumeric())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
    };
    if !plain(&id) {
        return Err(definition.error(
            id_span,
            format!("`{}` is not an id", id.escape_debug()),
            "write letters, digits, `.`, `-` and `_`, e.g. `PRM-01-001.e1`",
        ));
    }
    let kind = take(&mut table, "kind").ok_or_else(|| missing("kind"))?;
    let kind_span = kind.span();
    let kind: String = definition.decode(kind)?;
    let asserts = take(&mut table, "asserts").ok_or_else(|| missing("asserts"))?;
    let asserts: A = definition.decode(asserts)?;
    let required = take(&mut table, "required").ok_or_else(|| missing("required"))?;
    let required: bool = definition.decode(required)?;
    let why = take(&mut table, "why").map(|v| definition.decode::<Spanned<String>>(v)).transpose()?;
    let why = why.map(|v| definition.prose(&v, "a sentence")).transpose()?;
    let component =
        take(&mut table, "component").map(|v| definition.decode::<Spanned<String>>(v)).transpose()?;
    let component = component.map(|v| definition.line(&v, "a component's name")).transpose()?;
    let also = take(&mut table, "also").map(|v| definition.decode::<Vec<Spanned<String>>>(v)).transpose()?;
    let also: Vec<String> = also
        .unwrap_or_default()
        .iter()
        .map(|name| definition.line(name, "a component's name"))
        .collect::<Result<_, _>>()?;
    let rest = Rest { definition, span: span.clone(), table, component: component.clone() };
    let check = rest.check(&kind, kind_span)?;
    let component = match (&check, component) {
        (Check::Probe(probe), None) => Some(probe.component().to_owned()),
        (Check::Probe(probe), Some(named)) if named != probe.component() => {
            return Err(definition.error(
                span,
                format!("`component` is `{named}`, but `{}` is started", probe.component()),
                "leave `component` out: it is that of `launch`",
            ));
        }
        (_, component) => component,
    };
    if !also.is_empty() && component.is_none() {
        return Err(definition.error(
            span,
            "`also` without `component`",
            "leave it out: without `component` it is looked at on releases of all",
        ));
    }
    Ok(EvidenceSpec { id, asserts, required, why, component, also, check, span })
}

/// What remains of the table once the common keys are taken.
struct Rest<'d, 't> {
    definition: &'d Definition,
    span: Range<usize>,
    table: DeTable<'t>,
    component: Option<String>,
}

impl Rest<'_, '_> {
    fn decode<T: DeserializeOwned>(self) -> Result<T, DefinitionError> {
        self.definition.decode(Spanned::new(self.span, DeValue::Table(self.table)))
    }

    fn probe(
        self,
        probe: impl FnOnce(Self) -> Result<Probe, DefinitionError>,
    ) -> Result<Check, DefinitionError> {
        let (definition, span) = (self.definition, self.span.clone());
        let probe = probe(self)?;
        probe.check().map_err(|e| {
            let remedy = e.help().map_or_else(String::new, |h| h.to_string());
            definition.error(span, e.to_string(), remedy)
        })?;
        Ok(Check::Probe(probe))
    }

    fn check(self, kind: &str, kind_span: Range<usize>) -> Result<Check, DefinitionError> {
        let definition = self.definition;
        let span = self.span.clone();
        let wrong = |detail: &str, remedy: &str| definition.error(span.clone(), detail, remedy);
        match kind {
            "http-probe" => self.probe(|rest| rest.decode().map(Probe::HttpProbe)),
            "tls-probe" => self.probe(|rest| rest.decode().map(Probe::TlsProbe)),
            "cli-probe" => self.probe(|rest| rest.decode().map(Probe::CliProbe)),
            "flag-default" => self.probe(|rest| {
                let component = rest.component.clone();
                let mut probe: FlagDefault = rest.decode()?;
                // Where nothing is started, the key common to all kinds says whose `--help` is asked.
                if probe.launch.is_none() {
                    probe.component = component;
                }
                Ok(Probe::FlagDefault(probe))
            }),
            "config-probe" => self.probe(|rest| rest.decode().map(Probe::ConfigProbe)),
            "source-contains" => {
                let check: SourceCheck = self.decode()?;
                if check.pattern.is_none() {
                    return Err(wrong(
                        "`source-contains` has no `pattern`",
                        "write what must stand there: `pattern = '…'`",
                    ));
                }
                tree(&check).map_err(|(d, r)| wrong(d, r))?;
                Ok(Check::SourceContains(check))
            }
            "source-absent" => {
                let check: SourceCheck = self.decode()?;
                tree(&check).map_err(|(d, r)| wrong(d, r))?;
                Ok(Check::SourceAbsent(check))
            }
            "commit-in-release" => Ok(Check::CommitInRelease(self.decode()?)),
            "patch-equivalent" => Ok(Check::PatchEquivalent(self.decode()?)),
            "rebuild-verdict" => Ok(Check::RebuildVerdict(self.decode()?)),
            "attestation-present" => {
                let check: super::AttestationCheck = self.decode()?;
                if !check.predicate_type.contains("://") || SourcePath::is_folder(&check.policy) {
                    return Err(wrong(
                        "not a predicate type and a policy file",
                        "write e.g. `predicate-type = \"https://slsa.dev/provenance/v1\"` and `policy = \"policies/verify/publisher.toml\"`",
                    ));
                }
                Ok(Check::AttestationPresent(check))
            }
            "document" => {
                let check: SourceCheck = self.decode()?;
                tree(&check).map_err(|(d, r)| wrong(d, r))?;
                Ok(Check::Document(check))
            }
            "manual" => {
                let check: super::ManualCheck = self.decode()?;
                manual(&check).map_err(|(d, r)| wrong(d, r))?;
                Ok(Check::Manual(check))
            }
            other => Err(definition.error(
                kind_span,
                format!("`{}` is not a kind of evidence", other.escape_debug()),
                format!("write {KINDS}"),
            )),
        }
    }
}

/// A revision belongs to a repository.
fn tree(check: &SourceCheck) -> Result<(), (&'static str, &'static str)> {
    if check.revision.is_some() && check.repository.is_none() {
        return Err((
            "`revision` without `repository`",
            "name the repository, or leave the revision out: the source is then that of the release",
        ));
    }
    Ok(())
}

/// Two people at least, each once, on a day.
fn manual(check: &super::ManualCheck) -> Result<(), (&'static str, &'static str)> {
    let mut names: Vec<&str> = check.reviewers.iter().map(|r| r.name.trim()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 || names.len() != check.reviewers.len() || names.contains(&"") {
        return Err((
            "a manual check needs two different named reviewers",
            "write `reviewers = [{ name = …, on = …, saw = … }, …]` with two people or more",
        ));
    }
    if check.release.trim().is_empty() || check.what.trim().is_empty() {
        return Err((
            "a manual check names a release and what was looked at",
            "write `release = \"1.2.3\"` and `what = …`",
        ));
    }
    Ok(())
}
