//! Trusted builders: data, not code. The embedded list is `policies/trust/builders.toml`.

use std::sync::OnceLock;

use serde::Deserialize;

use super::policy::{Pattern, PolicyError, toml_text};

const EMBEDDED: &str = include_str!("../../policies/trust/builders.toml");

/// What the ref of a signing workflow must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefRule {
    /// `refs/tags/vX.Y.Z`: full semantic version without pre-release or build metadata.
    FullVersionTag,
    /// Whatever the caller of the workflow pinned, a commit or a branch.
    Any,
}

/// What a builder is trusted for where a policy names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BuilderUse {
    /// Files.
    Artifact,
    /// Container images.
    Image,
}

/// One trusted builder.
#[derive(Debug, Clone)]
pub struct Builder {
    /// For messages.
    pub name: String,
    /// Pattern over the certificate's subject without `@ref`.
    pub identity: Pattern,
    /// OpenID Connect issuer.
    pub issuer: String,
    /// Rule for the ref.
    pub ref_rule: RefRule,
    /// What it is trusted for by default.
    pub trusted_for: Vec<BuilderUse>,
    /// Whether the provenance names the builder proper.
    pub delegator: bool,
    /// Build types of provenance v0.2.
    pub build_types_v0_2: Vec<String>,
    /// Build types of provenance v1.
    pub build_types_v1: Vec<String>,
    /// Greatest SLSA build level, 1 to 3.
    pub level_max: u8,
}

/// The list of trusted builders; the embedded one is read when it is first asked for.
#[derive(Debug, Clone)]
pub struct Builders(OnceLock<Vec<Builder>>);

impl Builders {
    /// The embedded list.
    pub const fn embedded() -> Self {
        Self(OnceLock::new())
    }

    /// A test reads the embedded list; one that could not be read would trust nobody.
    fn list(&self) -> &[Builder] {
        self.0.get_or_init(|| read("policies/trust/builders.toml", EMBEDDED).unwrap_or_default())
    }

    /// Reads a list.
    ///
    /// # Errors
    /// With file and line: unknown names, patterns that do not parse, levels outside 1 to 3.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, PolicyError> {
        read(file, text).map(|list| Self(OnceLock::from(list)))
    }

    /// The builder that signs as that workflow, by the certificate's subject without `@ref`.
    pub fn find(&self, workflow: &str) -> Option<&Builder> {
        self.list().iter().find(|builder| builder.identity.matches(workflow))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Builder> {
        self.list().iter()
    }
}

fn read(file: &str, text: &str) -> Result<Vec<Builder>, PolicyError> {
    let raw: File = toml_text(file, text)?;
    raw.builder
        .into_iter()
        .map(|entry| {
            if !(1..=3).contains(&entry.level_max) {
                let reason = format!("a SLSA build level is 1, 2 or 3, found {}", entry.level_max);
                return Err(PolicyError::at(file, text, &entry.identity, reason));
            }
            Ok(Builder {
                identity: Pattern::new(&entry.identity)?,
                name: entry.name,
                issuer: entry.issuer,
                ref_rule: entry.ref_rule,
                trusted_for: entry.trusted_for,
                delegator: entry.delegator,
                build_types_v0_2: entry.build_types.v0_2,
                build_types_v1: entry.build_types.v1,
                level_max: entry.level_max,
            })
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    builder: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    identity: String,
    issuer: String,
    #[serde(rename = "ref")]
    ref_rule: RefRule,
    trusted_for: Vec<BuilderUse>,
    #[serde(default)]
    delegator: bool,
    #[serde(default)]
    build_types: BuildTypes,
    level_max: u8,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct BuildTypes {
    #[serde(default)]
    v0_2: Vec<String>,
    #[serde(default)]
    v1: Vec<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Builders, EMBEDDED};

    #[test]
    fn the_embedded_list_is_read_and_errors_name_the_line() {
        let builders = Builders::from_toml("policies/trust/builders.toml", EMBEDDED).unwrap();
        assert_eq!(builders.iter().count(), Builders::embedded().iter().count());
        let generator = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_generic_slsa3.yml";
        assert!(builders.find(generator).is_some());
        assert!(builders.find(&format!("{generator}x")).is_none());
        let error = Builders::from_toml("b.toml", "[[builder]]\nname = \"x\"\ncolour = 1\n").unwrap_err();
        assert!(error.to_string().starts_with("b.toml:"), "{error}");
    }
}
