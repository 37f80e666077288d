//! From the file's raw form to a [`Component`], each value checked against its domain.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use miette::NamedSource;
use toml::Spanned;

use super::file::{ComponentFile, DebianFile};
use super::pypi;
use super::{COMPONENT_SCHEMA, Channel, Component, ComponentError, DebianRelease, PackageUrl, Release};

/// Debian policy 5.6.1: lower-case letters, digits, `+`, `-`, `.`; at least two, beginning with a
/// letter or digit.
pub(super) fn is_component_name(text: &str) -> bool {
    text.len() >= 2
        && text.len() <= 200
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
}

/// Debian policy 5.6.12: an optional epoch, then letters, digits, `.`, `+`, `-`, `~`.
fn is_version(text: &str) -> bool {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    !epoch.is_empty()
        && epoch.chars().all(|c| c.is_ascii_digit())
        && text.len() <= 200
        && rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || ".+-~".contains(c))
}

/// A suite as mirrors lay them out: one path segment.
fn is_suite(text: &str) -> bool {
    is_component_name(text)
}

/// A word of `DEB_BUILD_OPTIONS` or `DEB_BUILD_PROFILES`.
fn is_build_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".+-=_".contains(c))
        && !text.starts_with("parallel=")
}

/// The file with the means to point into it.
pub(super) struct Located {
    file: String,
    text: String,
}

impl Located {
    pub(super) fn error(&self, span: Range<usize>, detail: String, remedy: &str) -> ComponentError {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        ComponentError::Definition {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            detail,
            remedy: remedy.to_owned(),
            text: Arc::new(NamedSource::new(&self.file, self.text.clone())),
            at: span.into(),
        }
    }

    pub(super) fn require(
        &self,
        value: &Spanned<String>,
        fits: impl Fn(&str) -> bool,
        what: &str,
        expected: &str,
    ) -> Result<String, ComponentError> {
        if fits(value.get_ref()) {
            return Ok(value.get_ref().clone());
        }
        let detail = format!("`{}` is not {what}, expected {expected}", value.get_ref().escape_debug());
        Err(self.error(value.span(), detail, &format!("write {expected}")))
    }

    pub(super) fn require_all(
        &self,
        values: &[Spanned<String>],
        fits: impl Fn(&str) -> bool + Copy,
        what: &str,
        expected: &str,
    ) -> Result<Vec<String>, ComponentError> {
        let mut taken: Vec<String> = Vec::with_capacity(values.len());
        for value in values {
            let word = self.require(value, fits, what, expected)?;
            if taken.contains(&word) {
                return Err(self.error(value.span(), format!("`{word}` is given twice"), "write it once"));
            }
            taken.push(word);
        }
        Ok(taken)
    }
}

pub(super) fn component(
    file: &str,
    text: String,
    name: &str,
    folder: PathBuf,
) -> Result<Component, ComponentError> {
    let located = Located { file: file.to_owned(), text };
    let raw: ComponentFile = toml::from_str(&located.text).map_err(|e| {
        let span = e.span().unwrap_or_default();
        located.error(
            span,
            e.message().replace('\n', ", "),
            "write keys and values as the definition of another component does; the schema is closed",
        )
    })?;
    if *raw.schema.get_ref() != COMPONENT_SCHEMA {
        let detail = format!("schema {} is not known, expected {COMPONENT_SCHEMA}", raw.schema.get_ref());
        return Err(located.error(
            raw.schema.span(),
            detail,
            &format!("write `schema = {COMPONENT_SCHEMA}`, or use the version of reprove that the file was written for"),
        ));
    }
    located.require(&raw.name, |n| n == name, "the name of the definition's folder", &format!("`{name}`"))?;
    let one_line = |s: &str| !s.is_empty() && s.len() <= 200 && !s.chars().any(char::is_control);
    let summary = located.require(&raw.summary, one_line, "a summary", "one line of at most 200 bytes")?;
    let all = raw.release.get_ref();
    let mut releases: Vec<Release> = Vec::new();
    let mut spans: Vec<Range<usize>> = Vec::new();
    for release in &all.debian {
        releases.push(debian(&located, release)?);
        spans.push(release.purl.span());
    }
    for release in &all.npm {
        releases.push(super::go::npm(&located, release)?);
        spans.push(release.purl.span());
    }
    for release in &all.wheel {
        releases.push(super::go::wheel(&located, release)?);
        spans.push(release.purl.span());
    }
    for release in &all.upstream {
        releases.push(super::go::upstream(&located, release)?);
        spans.push(release.purl.span());
    }
    for release in &all.pypi {
        releases.push(pypi::release(&located, release)?);
        spans.push(release.purl.span());
    }
    if releases.is_empty() {
        return Err(located.error(
            raw.release.span(),
            "no release is defined, expected at least one".to_owned(),
            "add a `[[release.<channel>]]` table",
        ));
    }
    for (n, release) in releases.iter().enumerate() {
        if releases.iter().take(n).any(|r| r.purl == release.purl) {
            let span = spans.get(n).cloned().unwrap_or_default();
            let detail = format!("release `{}` is defined twice", release.purl);
            return Err(located.error(span, detail, "remove one of the two tables"));
        }
    }
    Ok(Component { name: name.to_owned(), summary, releases, folder })
}

fn debian(located: &Located, raw: &DebianFile) -> Result<Release, ComponentError> {
    let purl: PackageUrl = raw.purl.get_ref().parse().map_err(|e: super::PackageUrlError| {
        located.error(
            raw.purl.span(),
            e.to_string(),
            "write it as `pkg:deb/debian/hello@2.10-3?arch=amd64&distro=bookworm`",
        )
    })?;
    let architecture = located.require(
        &raw.architecture,
        |a| a == "amd64",
        "an architecture that builds run on",
        "`amd64`",
    )?;
    let wrong = |detail: &str, expected: &str| {
        located.error(
            raw.purl.span(),
            format!("package URL {detail}, expected {expected}"),
            "name the first of `binaries` as `pkg:deb/debian/<name>@<version>?arch=<arch>&distro=<codename>`",
        )
    };
    if purl.kind() != "deb" || purl.namespace() != ["debian"] {
        return Err(wrong("is not one of Debian", "`pkg:deb/debian/…`"));
    }
    let version = purl.version().filter(|v| is_version(v)).map(str::to_owned);
    let version = version.ok_or_else(|| wrong("has no Debian version", "`@<version>`"))?;
    let distro = purl.qualifier("distro").filter(|d| is_suite(d)).map(str::to_owned);
    let distro = distro.ok_or_else(|| wrong("has no `distro`", "`distro=<codename>`"))?;
    if !purl.qualifier("arch").is_some_and(|a| a == architecture || a == "all") {
        return Err(wrong("is of another `arch`", &format!("`arch={architecture}` or `arch=all`")));
    }
    if let Some((key, _)) = purl.qualifiers().find(|(key, _)| !["arch", "distro"].contains(key)) {
        return Err(wrong(&format!("has the qualifier `{key}`"), "`arch` and `distro` only"));
    }
    let suites =
        located.require_all(raw.suites.get_ref(), is_suite, "a suite", "e.g. `bookworm-security`")?;
    if suites.is_empty() {
        let remedy = "write e.g. `suites = [\"bookworm\", \"bookworm-security\"]`";
        return Err(located.error(
            raw.suites.span(),
            "no suite is given, expected at least one".into(),
            remedy,
        ));
    }
    let package = "a package name";
    let letters = "lower-case letters, digits, `+`, `-` and `.`";
    let binaries = located.require_all(raw.binaries.get_ref(), is_component_name, package, letters)?;
    if binaries.first().map(String::as_str) != Some(purl.name()) {
        let detail = format!("the first of `binaries` is not `{}`, which the package URL names", purl.name());
        return Err(located.error(raw.binaries.span(), detail, "list that binary package first"));
    }
    let words =
        "letters, digits, `.`, `+`, `-`, `=` and `_`, and never `parallel=`, which belongs to the run";
    Ok(Release {
        version,
        channel: Channel::Debian(DebianRelease {
            distro,
            architecture,
            suites,
            source_package: located.require(&raw.source.package, is_component_name, package, letters)?,
            source_version: located.require(
                &raw.source.version,
                is_version,
                "a Debian version",
                "e.g. `2.10-3`",
            )?,
            binaries,
            build_options: located.require_all(&raw.build.options, is_build_word, "a build option", words)?,
            build_profiles: located.require_all(
                &raw.build.profiles,
                is_build_word,
                "a build profile",
                words,
            )?,
        }),
        purl,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = r#"schema = 1
name = "hello"
summary = "a greeting"

[[release.debian]]
purl = "pkg:deb/debian/hello@2.10-3?arch=amd64&distro=bookworm"
architecture = "amd64"
suites = ["bookworm"]
source = { package = "hello", version = "2.10-3" }
binaries = ["hello"]

[release.debian.build]
options = ["nocheck"]
"#;

    fn read(text: &str) -> Result<Component, ComponentError> {
        component("component.toml", text.to_owned(), "hello", PathBuf::from("hello"))
    }

    #[test]
    fn a_definition_is_read() {
        let hello = read(GOOD).unwrap();
        let release = hello.release(None).unwrap();
        assert_eq!(release.version, "2.10-3");
        assert_eq!(release.debian().unwrap().build_options, ["nocheck"]);
        assert_eq!(hello.lock_path(release), PathBuf::from("hello/bookworm-2.10-3.lock.json"));
        assert!(hello.release(Some("2.10-3")).is_ok());
        assert!(hello.release(Some("pkg:deb/debian/hello@2.10-3?arch=amd64&distro=bookworm")).is_ok());
        assert!(matches!(hello.release(Some("1")), Err(ComponentError::UnknownRelease { .. })));
    }

    #[test]
    fn each_mistake_is_named_with_its_place() {
        for (from, to, expected) in [
            (
                "summary",
                "sumary",
                "component.toml:3:1: unknown field `sumary`, expected one of `schema`, `name`, `summary`, `release`",
            ),
            ("schema = 1", "schema = 2", "component.toml:1:10: schema 2 is not known, expected 1"),
            ("schema = 1", "schema = \"1\"", "component.toml:1:10: invalid type: string \"1\", expected u32"),
            (
                "name = \"hello\"\n",
                "name = \"helo\"\n",
                "component.toml:2:8: `helo` is not the name of the definition's folder, expected `hello`",
            ),
            (
                "release.debian.build",
                "release.debain.build",
                "component.toml:12:10: unknown field `debain`, expected one of `debian`, `npm`, `upstream`, `wheel`, `pypi`",
            ),
            (
                "\"amd64\"",
                "\"m68k\"",
                "component.toml:7:16: `m68k` is not an architecture that builds run on, expected `amd64`",
            ),
            ("[\"bookworm\"]", "[]", "component.toml:8:10: no suite is given, expected at least one"),
            (
                "[\"bookworm\"]",
                "[\"../x\"]",
                "component.toml:8:11: `../x` is not a suite, expected e.g. `bookworm-security`",
            ),
            (
                "binaries = [\"hello\"]",
                "binaries = [\"helo\"]",
                "component.toml:10:12: the first of `binaries` is not `hello`, which the package URL names",
            ),
            (
                "@2.10-3?",
                "@2.10+3?",
                "component.toml:6:8: package URL `pkg:deb/debian/hello@2.10+3?arch=amd64&distro=bookworm` is not in its canonical spelling, expected `pkg:deb/debian/hello@2.10%2B3?arch=amd64&distro=bookworm`",
            ),
            (
                "deb/debian/",
                "deb/ubuntu/",
                "component.toml:6:8: package URL is not one of Debian, expected `pkg:deb/debian/…`",
            ),
            (
                "&distro=bookworm",
                "",
                "component.toml:6:8: package URL has no `distro`, expected `distro=<codename>`",
            ),
            (
                "\"nocheck\"",
                "\"parallel=4\"",
                "component.toml:13:12: `parallel=4` is not a build option, expected letters, digits, `.`, `+`, `-`, `=` and `_`, and never `parallel=`, which belongs to the run",
            ),
            (
                "options = [\"nocheck\"]",
                "options = [\"nocheck\", \"nocheck\"]",
                "component.toml:13:23: `nocheck` is given twice",
            ),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            assert_eq!(read(&text).unwrap_err().to_string(), expected);
        }
    }
}
