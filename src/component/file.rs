//! `component.toml` as it stands in the file; checked and turned into [`super::Component`] elsewhere.

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ComponentFile {
    pub(super) schema: Spanned<u32>,
    pub(super) name: Spanned<String>,
    pub(super) summary: Spanned<String>,
    pub(super) release: Spanned<ReleasesFile>,
}

/// Releases by channel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ReleasesFile {
    #[serde(default)]
    pub(super) debian: Vec<DebianFile>,
    #[serde(default)]
    pub(super) npm: Vec<super::go::NpmFile>,
    #[serde(default)]
    pub(super) upstream: Vec<super::go::UpstreamFile>,
    #[serde(default)]
    pub(super) wheel: Vec<super::go::WheelFile>,
    #[serde(default)]
    pub(super) pypi: Vec<PypiFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DebianFile {
    pub(super) purl: Spanned<String>,
    pub(super) architecture: Spanned<String>,
    pub(super) suites: Spanned<Vec<Spanned<String>>>,
    pub(super) source: SourceFile,
    pub(super) binaries: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) build: BuildFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SourceFile {
    pub(super) package: Spanned<String>,
    pub(super) version: Spanned<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BuildFile {
    #[serde(default)]
    pub(super) options: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) profiles: Vec<Spanned<String>>,
}

/// A release on a Python package index.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PypiFile {
    pub(super) purl: Spanned<String>,
    pub(super) wheel: Spanned<String>,
    pub(super) interpreter: InterpreterFile,
    #[serde(default)]
    pub(super) requires: Vec<Spanned<String>>,
    pub(super) publisher: Option<PublisherFile>,
    pub(super) source: Option<TaggedFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TaggedFile {
    pub(super) repository: Spanned<String>,
    pub(super) tag: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PublisherFile {
    pub(super) repository: Spanned<String>,
    pub(super) workflow: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct InterpreterFile {
    pub(super) architecture: Spanned<String>,
    pub(super) suites: Spanned<Vec<Spanned<String>>>,
    pub(super) packages: Spanned<Vec<Spanned<String>>>,
}
