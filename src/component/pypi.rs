//! Releases on a Python package index.

use std::str::FromStr as _;

use pep440_rs::Version;
use serde::{Deserialize, Serialize};

use super::check::{Located, is_component_name};
use super::file::{PublisherFile, PypiFile, TaggedFile};
use super::pypi_name::{FileKind, ProjectName, distribution};
use super::{Channel, ComponentError, PackageUrl, Release, TaggedSource};

/// Who has to have attested a release: a workflow of a repository on GitHub, as the index's trusted
/// publishing knows it (PEP 740).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrustedPublisher {
    /// `owner/name`.
    pub repository: String,
    /// File name of the workflow.
    pub workflow: String,
}

/// A release on a Python package index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PypiRelease {
    /// The project, as the package URL names it.
    pub project: ProjectName,
    /// File name of the wheel to reproduce. Its source is the source distribution of the same version.
    pub wheel: String,
    /// The architecture that the build runs on, e.g. `amd64`.
    pub architecture: String,
    /// Suites of Debian's archive that the interpreter comes from, e.g. `bookworm`.
    pub suites: Vec<String>,
    /// Packages of the root file system besides the essential ones, `python3` among them.
    pub packages: Vec<String>,
    /// Build requirements besides those that the source names.
    pub requires: Vec<String>,
    /// Who has to have attested the files, where the index offers attestations.
    pub publisher: Option<TrustedPublisher>,
    /// The tag that it is made from, where the definition names it.
    pub source: Option<TaggedSource>,
}

/// Names as they stand in a package URL of the kind `pypi`.
fn purl_parts(
    located: &Located,
    raw: &PypiFile,
) -> Result<(PackageUrl, ProjectName, String), ComponentError> {
    const REMEDY: &str = "write it as `pkg:pypi/<project>@<version>`, the project's name normalised";
    let span = raw.purl.span();
    let purl: PackageUrl = raw
        .purl
        .get_ref()
        .parse()
        .map_err(|e: super::PackageUrlError| located.error(span.clone(), e.to_string(), REMEDY))?;
    let wrong = |detail: &str| located.error(span.clone(), format!("package URL {detail}"), REMEDY);
    if purl.kind() != "pypi" || !purl.namespace().is_empty() {
        return Err(wrong("is not one of PyPI, expected `pkg:pypi/…`"));
    }
    if let Some((key, _)) = purl.qualifiers().next() {
        return Err(wrong(&format!("has the qualifier `{key}`, expected none")));
    }
    let project = ProjectName::new(purl.name()).filter(|name| name.as_str() == purl.name());
    let project = project.ok_or_else(|| wrong("has no normalised project name"))?;
    let version = purl.version().map(str::to_owned).ok_or_else(|| wrong("has no `@<version>`"))?;
    Ok((purl, project, version))
}

/// Whether a repository's `owner/name` or a workflow's file name could be one on GitHub.
pub(crate) fn is_publisher(repository: &str, workflow: &str) -> bool {
    let word = |text: &str| {
        (1..=100).contains(&text.len())
            && !text.starts_with('.')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    repository.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name)) && word(workflow)
}

pub(super) fn publisher(located: &Located, raw: &PublisherFile) -> Result<TrustedPublisher, ComponentError> {
    let repository =
        located.require(&raw.repository, |r| is_publisher(r, "x"), "a repository", "`owner/name`")?;
    let workflow =
        located.require(&raw.workflow, |w| is_publisher("o/n", w), "a workflow", "e.g. `release.yml`")?;
    Ok(TrustedPublisher { repository, workflow })
}

fn tagged(located: &Located, raw: &TaggedFile) -> Result<TaggedSource, ComponentError> {
    let repository =
        located.require(&raw.repository, |r| is_publisher(r, "x"), "a repository", "`owner/name`")?;
    let plain = |tag: &str| {
        (1..=200).contains(&tag.len())
            && !tag.starts_with('-')
            && tag.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
            && tag.chars().all(|c| c.is_ascii_alphanumeric() || "-_./+".contains(c))
    };
    let tag = located.require(&raw.tag, plain, "a tag", "e.g. `v1.2.3`")?;
    Ok(TaggedSource { repository, tag, folder: String::new() })
}

/// Checks a `[[release.pypi]]` table.
pub(super) fn release(located: &Located, raw: &PypiFile) -> Result<Release, ComponentError> {
    let (purl, project, version) = purl_parts(located, raw)?;
    let of_version = |file: &str| {
        let wheel = distribution(&project, file).filter(|(kind, _)| *kind != FileKind::Sdist);
        wheel.is_some_and(|(_, of)| Version::from_str(&version).is_ok_and(|version| version == of))
    };
    let wheel = located.require(
        &raw.wheel,
        of_version,
        "a wheel of that release",
        "e.g. `project-1.0-py3-none-any.whl`",
    )?;
    let interpreter = &raw.interpreter;
    let architecture = located.require(
        &interpreter.architecture,
        |a| a == "amd64",
        "an architecture that builds run on",
        "`amd64`",
    )?;
    let suites = located.require_all(
        interpreter.suites.get_ref(),
        is_component_name,
        "a suite",
        "e.g. `bookworm-security`",
    )?;
    if suites.is_empty() {
        return Err(located.error(
            interpreter.suites.span(),
            "no suite is given, expected at least one".to_owned(),
            "write e.g. `suites = [\"bookworm\", \"bookworm-security\"]`",
        ));
    }
    let packages = located.require_all(
        interpreter.packages.get_ref(),
        is_component_name,
        "a package name",
        "lower-case letters, digits, `+`, `-` and `.`",
    )?;
    if !packages.iter().any(|name| name == "python3") {
        return Err(located.error(
            interpreter.packages.span(),
            "`python3` is not among the packages".to_owned(),
            "add it: it is the interpreter",
        ));
    }
    let one_line = |text: &str| !text.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control);
    let requires = located.require_all(&raw.requires, one_line, "a requirement", "e.g. `wheel==0.42.0`")?;
    let publisher = raw.publisher.as_ref().map(|p| publisher(located, p)).transpose()?;
    let source = raw.source.as_ref().map(|s| tagged(located, s)).transpose()?;
    let pypi = PypiRelease { project, wheel, architecture, suites, packages, requires, publisher, source };
    Ok(Release { version, channel: Channel::Pypi(pypi), purl })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::super::{Component, check};
    use super::*;

    const GOOD: &str = r#"schema = 1
name = "client"
summary = "a library"

[[release.pypi]]
purl = "pkg:pypi/prometheus-client@0.22.1"
wheel = "prometheus_client-0.22.1-py3-none-any.whl"
interpreter = { architecture = "amd64", suites = ["bookworm"], packages = ["python3"] }
"#;

    fn read(text: &str) -> Result<Component, ComponentError> {
        check::component("component.toml", text.to_owned(), "client", PathBuf::from("client"))
    }

    #[test]
    fn a_definition_is_read() {
        let client = read(GOOD).unwrap();
        let release = client.release(None).unwrap();
        assert_eq!(release.channel.to_string(), "pypi");
        assert_eq!(client.lock_path(release), PathBuf::from("client/pypi-0.22.1.lock.json"));
        assert!(release.debian().is_none());
        let Channel::Pypi(pypi) = &release.channel else { panic!("another channel") };
        assert_eq!((pypi.project.as_str(), pypi.requires.len()), ("prometheus-client", 0));
    }

    #[test]
    fn each_mistake_is_named_with_its_place() {
        for (from, to, expected) in [
            ("pkg:pypi/", "pkg:npm/", "component.toml:6:8: package URL is not one of PyPI"),
            ("@0.22.1", "", "component.toml:6:8: package URL has no `@<version>`"),
            (
                "prometheus_client-0.22.1-py3",
                "prometheus_client-0.22.2-py3",
                "component.toml:7:9: `prometheus_client-0.22.2-py3-none-any.whl` is not a wheel of that release",
            ),
            (
                "prometheus_client-0.22.1-py3-none-any.whl",
                "prometheus_client-0.22.1.tar.gz",
                "component.toml:7:9: `prometheus_client-0.22.1.tar.gz` is not a wheel of that release",
            ),
            (
                "prometheus_client-0.22.1-py3-none-any.whl",
                "../prometheus_client-0.22.1-py3-none-any.whl",
                "component.toml:7:9: `../prometheus_client-0.22.1-py3-none-any.whl` is not a wheel",
            ),
            ("[\"bookworm\"]", "[]", "component.toml:8:50: no suite is given"),
            ("[\"python3\"]", "[\"gcc\"]", "component.toml:8:75: `python3` is not among the packages"),
            ("wheel =", "wheels =", "component.toml:7:1: unknown field `wheels`"),
            (
                "wheel =",
                "publisher = { repository = \"a/b/c\", workflow = \"w.yml\" }\nwheel =",
                "component.toml:7:28: `a/b/c` is not a repository, expected `owner/name`",
            ),
            (
                "wheel =",
                "source = { repository = \"a/b\", tag = \"../v1\" }\nwheel =",
                "component.toml:7:38: `../v1` is not a tag, expected e.g. `v1.2.3`",
            ),
            (
                "wheel =",
                "publisher = { repository = \"a/b\", workflow = \"x/w.yml\" }\nwheel =",
                "component.toml:7:46: `x/w.yml` is not a workflow",
            ),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = read(&text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
