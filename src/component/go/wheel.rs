//! A wheel of a Python package index that holds a program which Go builds.

use std::str::FromStr as _;

use pep440_rs::Version;
use serde::Deserialize;
use toml::Spanned;

use super::super::check::Located;
use super::super::file::PublisherFile;
use super::super::pypi::publisher;
use super::super::pypi_name::{FileKind, ProjectName, distribution};
use super::super::{Channel, ComponentError, PackageUrl, PackageUrlError, Release, TrustedPublisher};
use super::GoRelease;
use super::check::{GoFile, release, something_prepared};
use super::members::MemberFile;
use super::source::SourceFile;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::component) struct WheelFile {
    pub(in crate::component) purl: Spanned<String>,
    wheel: Spanned<String>,
    publisher: Option<PublisherFile>,
    source: Spanned<SourceFile>,
    members: Spanned<Vec<MemberFile>>,
    go: Spanned<GoFile>,
}

/// A release in a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoWheel {
    /// The project on the index.
    pub project: ProjectName,
    /// Its platform tags, as in the wheel's name.
    pub platform: String,
    /// Who has to have attested the wheel, where the index offers attestations.
    pub publisher: Option<TrustedPublisher>,
    /// What Go builds of it.
    pub go: GoRelease,
}

/// Checks a `[[release.wheel]]` table.
pub(in crate::component) fn wheel(located: &Located, raw: &WheelFile) -> Result<Release, ComponentError> {
    const REMEDY: &str = "write it as `pkg:pypi/<project>@<version>`, the project's name normalised, where \
                          several wheels are defined with `?file_name=<wheel>`";
    let wrong = |detail: String| located.error(raw.purl.span(), format!("package URL {detail}"), REMEDY);
    let purl: PackageUrl = raw
        .purl
        .get_ref()
        .parse()
        .map_err(|e: PackageUrlError| located.error(raw.purl.span(), e.to_string(), REMEDY))?;
    if purl.kind() != "pypi" || !purl.namespace().is_empty() {
        return Err(wrong("is not one of PyPI, expected `pkg:pypi/…`".to_owned()));
    }
    let project = ProjectName::new(purl.name()).filter(|name| name.as_str() == purl.name());
    let project = project.ok_or_else(|| wrong("has no normalised project name".to_owned()))?;
    let version = purl.version().map(str::to_owned);
    let version = version.ok_or_else(|| wrong("has no `@<version>`".to_owned()))?;
    let named = |file: &str| match distribution(&project, file)? {
        (FileKind::Wheel { tags: [_, _, platform], .. }, of) => {
            Version::from_str(&version).is_ok_and(|version| version == of).then_some(platform)
        }
        (FileKind::Sdist, _) => None,
    };
    let fits = |file: &str| named(file).is_some();
    let file = located.require(&raw.wheel, fits, "a wheel of that release", "its file name on the index")?;
    for (key, value) in purl.qualifiers() {
        if (key, value) != ("file_name", file.as_str()) {
            return Err(wrong(format!(
                "has the qualifier `{key}={value}`, expected none but the wheel's name"
            )));
        }
    }
    let platform = named(&file).unwrap_or_default();
    let publisher = raw.publisher.as_ref().map(|p| publisher(located, p)).transpose()?;
    let go = release(located, &raw.source, Some(&raw.members), &raw.go, file, None)?;
    something_prepared(located, &raw.go, &go)?;
    if go.members.is_empty() {
        let remedy = "name every file of the wheel, each with its origin";
        return Err(located.error(raw.members.span(), "no member is given".to_owned(), remedy));
    }
    Ok(Release { purl, version, channel: Channel::Wheel(GoWheel { project, platform, publisher, go }) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::super::super::check::component;
    use super::super::super::{ChannelName, Component};
    use super::super::Origin;
    use super::*;

    const GOOD: &str = r#"schema = 1
name = "tool"
summary = "a tool in a wheel"

[[release.wheel]]
purl = "pkg:pypi/tool-py@1.2.3"
wheel = "tool_py-1.2.3-py2.py3-none-manylinux2014_x86_64.whl"
source = { module = "example.org/tool", version = "v3.0.0" }
members = [
    { path = "tool_py-1.2.3.data/scripts/tool", binary = "tool" },
    { path = "tool_py-1.2.3.dist-info/RECORD", unsourced = "written by the packer", mode = "0664" },
]

[release.wheel.go]
toolchain = "1.25.5"
path = "/app"
env = { GOOS = "linux", GOARCH = "amd64" }
binaries = [{ name = "tool", package = "./cmd/tool" }]
"#;

    fn read(text: &str) -> Result<Component, ComponentError> {
        component("component.toml", text.to_owned(), "tool", PathBuf::from("tool"))
    }

    #[test]
    fn a_wheel_is_a_release_of_its_own_version_with_the_module_s_source() {
        let tool = read(GOOD).unwrap();
        let release = tool.release(None).unwrap();
        assert_eq!((release.version.as_str(), release.channel.name()), ("1.2.3", ChannelName::Wheel));
        let lock = "tool/wheel-manylinux2014_x86_64-1.2.3.lock.json";
        assert_eq!(tool.lock_path(release), PathBuf::from(lock));
        let go = release.go().unwrap();
        assert_eq!((go.version.as_str(), release.pypi()), ("v3.0.0", None));
        assert_eq!(go.members[1].origin, Origin::Unsourced("written by the packer".to_owned()));
        assert_eq!((go.members[0].mode, go.members[1].mode), (None, Some(0o664)));
        let file = "tool_py-1.2.3-py2.py3-none-manylinux2014_x86_64.whl";
        let named = GOOD.replace("@1.2.3\"", &format!("@1.2.3?file_name={file}\""));
        assert!(read(&named).is_ok(), "{named}");
    }

    #[test]
    fn each_mistake_is_named() {
        for (from, to, expected) in [
            ("pkg:pypi/", "pkg:npm/", "package URL is not one of PyPI"),
            ("tool-py@1.2.3", "tool_py@1.2.3", "package URL has no normalised project name"),
            ("tool-py@1.2.3", "tool-py", "package URL has no `@<version>`"),
            ("tool-py@1.2.3", "tool-py@1.2.3?file_name=other.whl", "has the qualifier `file_name=other.whl`"),
            ("tool-py@1.2.3", "tool-py@1.2.3?arch=amd64", "has the qualifier `arch=amd64`"),
            ("tool_py-1.2.3-py2", "tool_py-1.2.4-py2", "is not a wheel of that release"),
            ("tool_py-1.2.3-py2", "../tool_py-1.2.3-py2", "is not a wheel of that release"),
            ("\"0664\"", "\"4755\"", "`4755` is not a mode"),
            ("\"0664\"", "\"2644\"", "`2644` is not a mode"),
            ("\"0664\"", "\"1777\"", "`1777` is not a mode"),
            ("\"0664\"", "\"0689\"", "`0689` is not a mode"),
            ("\"0664\"", "\"664\"", "`664` is not a mode"),
            ("\"written by the packer\"", "\"\"", "is not a reason"),
            ("\"written by the packer\"", "\"a\\nb\"", "is not a reason"),
            ("unsourced =", "file = \"x\", unsourced =", "has not exactly one of"),
            (", binary = \"tool\"", "", "has not exactly one of"),
            ("wheel = \"", "artifact = \"x\"\nwheel = \"", "unknown field `artifact`"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
        let from = GOOD.find("members = [").unwrap();
        let to = GOOD.find("[release.wheel.go]").unwrap();
        let none = format!("{}members = []\n{}", &GOOD[..from], &GOOD[to..]);
        assert!(read(&none).unwrap_err().to_string().contains("no member is given"));
    }
}
