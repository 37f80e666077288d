//! From the tables of a Go release to a [`GoRelease`], each value checked against its domain.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;

use super::super::check::Located;
use super::super::{Channel, ComponentError, PackageUrl, PackageUrlError, Release};
use super::domain::{
    is_below, is_file_name, is_flag, is_folder, is_ldflags, is_package, is_revision, is_tag, is_target,
    is_target_value, is_time, is_toolchain, is_word,
};
use super::members::{MemberFile, taken};
use super::places::Places;
use super::prepare::{InputFile, PrepareFile, inputs, prepare};
use super::source::{SourceFile, source as source_of};
use super::{Checkout, GoBinary, GoRecipe, GoRelease, PinnedCommit, Tag, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::component) struct NpmFile {
    pub(in crate::component) purl: Spanned<String>,
    source: Spanned<SourceFile>,
    members: Spanned<Vec<MemberFile>>,
    go: Spanned<GoFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::component) struct UpstreamFile {
    pub(in crate::component) purl: Spanned<String>,
    artifact: Spanned<String>,
    checksums: Option<Spanned<String>>,
    source: Spanned<SourceFile>,
    #[serde(default)]
    members: Option<Spanned<Vec<MemberFile>>>,
    #[serde(default)]
    inputs: Option<Spanned<Vec<InputFile>>>,
    go: Spanned<GoFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GoFile {
    toolchain: Option<Spanned<String>>,
    path: Option<Spanned<String>>,
    gopath: Option<Spanned<String>>,
    goroot: Option<Spanned<String>>,
    env: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    flags: Option<Vec<Spanned<String>>>,
    tags: Option<Vec<Spanned<String>>>,
    ldflags: Option<Spanned<String>>,
    binaries: Option<Spanned<Vec<BinaryFile>>>,
    vcs: Option<VcsFile>,
    prepare: Option<Spanned<PrepareFile>>,
    #[serde(default)]
    observed: ObservedFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct BinaryFile {
    name: Spanned<String>,
    package: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct VcsFile {
    revision: Option<Spanned<String>>,
    time: Option<Spanned<String>>,
    modified: Option<bool>,
    #[serde(default)]
    tags: Vec<Spanned<String>>,
    #[serde(default)]
    earlier_tags: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ObservedFile {
    toolchain: Option<Spanned<String>>,
    path: Option<Spanned<String>>,
    gopath: Option<Spanned<String>>,
    goroot: Option<Spanned<String>>,
    env: Option<BTreeMap<Spanned<String>, Spanned<String>>>,
    flags: Option<Vec<Spanned<String>>>,
    tags: Option<Vec<Spanned<String>>>,
    ldflags: Option<Spanned<String>>,
    binaries: Option<Spanned<Vec<BinaryFile>>>,
    vcs: Option<ObservedVcsFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ObservedVcsFile {
    revision: Option<Spanned<String>>,
    time: Option<Spanned<String>>,
    modified: Option<bool>,
}

pub(in crate::component) fn npm(located: &Located, raw: &NpmFile) -> Result<Release, ComponentError> {
    let (purl, version) = identity(located, &raw.purl, "npm", "`pkg:npm/%40scope/name@1.2.3`")?;
    let artifact = format!("{}-{version}.tgz", purl.name());
    let go = release(located, &raw.source, Some(&raw.members), &raw.go, artifact, None)?;
    something_prepared(located, &raw.go, &go)?;
    Ok(Release { purl, version, channel: Channel::Npm(go) })
}

pub(in crate::component) fn upstream(
    located: &Located,
    raw: &UpstreamFile,
) -> Result<Release, ComponentError> {
    let (purl, tag) = identity(located, &raw.purl, "github", "`pkg:github/owner/name@v1.2.3?arch=amd64`")?;
    let version = tag.strip_prefix('v').unwrap_or(&tag).to_owned();
    let name = |s: &Spanned<String>| located.require(s, is_file_name, "a file name", "a plain file name");
    let artifact = name(&raw.artifact)?;
    let checksums = raw.checksums.as_ref().map(name).transpose()?;
    let inputs = inputs(located, raw.inputs.as_ref(), &artifact)?;
    let mut go = release(located, &raw.source, raw.members.as_ref(), &raw.go, artifact, checksums)?;
    if let Some(at) = raw.inputs.as_ref().filter(|_| !inputs.is_empty() && go.recipe.prepare.is_none()) {
        let detail = "inputs are given, and no `prepare` that unpacks them".to_owned();
        return Err(located.error(at.span(), detail, "add a `[release.upstream.go.prepare]` table"));
    }
    go.inputs = inputs;
    something_prepared(located, &raw.go, &go)?;
    Ok(Release { purl, version, channel: Channel::Upstream(go) })
}

pub(super) fn something_prepared(
    located: &Located,
    raw: &Spanned<GoFile>,
    go: &GoRelease,
) -> Result<(), ComponentError> {
    if let (Some(at), Some(told)) = (&raw.get_ref().prepare, &go.recipe.prepare)
        && told.commands.is_empty()
        && go.inputs.is_empty()
    {
        let detail = "nothing is prepared: there is no command and no input".to_owned();
        return Err(located.error(at.span(), detail, "write `commands`, or remove the table"));
    }
    Ok(())
}

fn identity(
    located: &Located,
    raw: &Spanned<String>,
    kind: &str,
    example: &str,
) -> Result<(PackageUrl, String), ComponentError> {
    let wrong = |detail: String| located.error(raw.span(), detail, &format!("write it as {example}"));
    let purl: PackageUrl = raw.get_ref().parse().map_err(|e: PackageUrlError| wrong(e.to_string()))?;
    if purl.kind() != kind {
        return Err(wrong(format!("package URL is of the type `{}`, expected `{kind}`", purl.kind())));
    }
    let version = purl.version().filter(|v| is_word(&v.replace('+', "-"))).map(str::to_owned);
    let version = version.ok_or_else(|| wrong("package URL has no version".to_owned()))?;
    Ok((purl, version))
}

pub(super) fn release(
    located: &Located,
    source: &Spanned<SourceFile>,
    members: Option<&Spanned<Vec<MemberFile>>>,
    go: &Spanned<GoFile>,
    artifact: String,
    checksums: Option<String>,
) -> Result<GoRelease, ComponentError> {
    let (module, version, git) = source_of(located, source)?;
    let recipe = recipe(located, go, git.as_ref())?;
    let taken = members.map(|m| taken(located, m.get_ref(), &recipe)).transpose()?.unwrap_or_default();
    if taken.is_empty() && recipe.binaries.len() != 1 {
        let detail = "no member is given, and there is not exactly one binary".to_owned();
        return Err(located.error(go.span(), detail, "name the archive's members with `members`"));
    }
    Ok(GoRelease { artifact, checksums, module, version, git, members: taken, inputs: Vec::new(), recipe })
}

fn recipe(
    located: &Located,
    raw: &Spanned<GoFile>,
    git: Option<&PinnedCommit>,
) -> Result<GoRecipe, ComponentError> {
    let (at, raw) = (raw.span(), raw.get_ref());
    let observed = &raw.observed;
    let mut places = Places::new(located, at.clone());
    let folder = |value: Option<&Spanned<String>>, default: &str| match value {
        None => Ok(default.to_owned()),
        Some(value) => located.require(value, is_folder, "a folder for the build", "e.g. `/app`"),
    };
    let toolchain = |v: &Spanned<String>| {
        located.require(
            v,
            is_toolchain,
            "a released Go version",
            "e.g. `1.23.12`, never a development version",
        )
    };
    let toolchain = match (&raw.toolchain, &observed.toolchain) {
        (Some(value), None) => Value { text: toolchain(value)?, observed: false },
        (None, Some(value)) => Value { text: toolchain(value)?, observed: true },
        _ => {
            let detail = "the tool chain's version is not given in exactly one place".to_owned();
            let remedy = "write `toolchain` in the recipe, or under `observed` where the artifact told it";
            return Err(located.error(at, detail, remedy));
        }
    };
    let mut env = BTreeMap::new();
    for (key, value) in places.needed("env", raw.env.as_ref(), observed.env.as_ref())? {
        let name = located.require(key, is_target, "a variable that selects a target", "e.g. `GOARCH`")?;
        let text = located.require(
            value,
            |v| is_target_value(&name, v),
            "its value",
            "a word; `0` for `CGO_ENABLED`",
        )?;
        env.insert(name, text);
    }
    for key in ["GOOS", "GOARCH"] {
        if !env.contains_key(key) {
            let detail = format!("`{key}` is not given");
            return Err(located.error(at, detail, "name the target with `GOOS` and `GOARCH`"));
        }
    }
    let mut binaries: Vec<GoBinary> = Vec::new();
    for binary in places.needed("binaries", raw.binaries.as_ref(), observed.binaries.as_ref())?.get_ref() {
        let name = located.require(&binary.name, is_file_name, "a file name", "a plain file name")?;
        let package = located.require(&binary.package, is_package, "a package", "e.g. `./cmd/x`")?;
        if binaries.iter().any(|b| b.name == name) {
            let detail = format!("`{name}` is given twice");
            return Err(located.error(binary.name.span(), detail, "write each binary once"));
        }
        binaries.push(GoBinary { name, package });
    }
    if binaries.is_empty() {
        let detail = "no binary is given".to_owned();
        return Err(located.error(at, detail, "name what is built"));
    }
    let words = |list: Option<&Vec<Spanned<String>>>, fits: fn(&str) -> bool, what, expected| {
        located.require_all(list.map_or(&[][..], Vec::as_slice), fits, what, expected)
    };
    let path = places.needed("path", raw.path.as_ref(), observed.path.as_ref())?;
    let flags = places.one("flags", raw.flags.as_ref(), observed.flags.as_ref())?;
    let tags = places.one("tags", raw.tags.as_ref(), observed.tags.as_ref())?;
    let ldflags = places.one("ldflags", raw.ldflags.as_ref(), observed.ldflags.as_ref())?;
    let gopath = places.one("gopath", raw.gopath.as_ref(), observed.gopath.as_ref())?;
    let goroot = places.one("goroot", raw.goroot.as_ref(), observed.goroot.as_ref())?;
    Ok(GoRecipe {
        toolchain,
        path: located.require(path, is_folder, "a folder for the source", "e.g. `/app`")?,
        gopath: folder(gopath, "/go")?,
        goroot: folder(goroot, "/usr/local/go")?,
        env,
        flags: words(flags, is_flag, "a flag that a recipe may have", "e.g. `-trimpath`")?,
        tags: words(tags, is_tag, "a tag", "one word")?,
        ldflags: ldflags
            .map(|v| {
                located.require(
                    v,
                    is_ldflags,
                    "linker flags",
                    "one line, with no names in braces but `revision`, `build-user` and `build-date`",
                )
            })
            .transpose()?,
        binaries,
        vcs: checkout(located, &at, raw, git)?,
        prepare: raw.prepare.as_ref().map(|p| prepare(located, p.get_ref(), path)).transpose()?,
        observed: places.observed,
    })
}

/// The checkout; where the source is a commit, that tells its name and its time.
fn checkout(
    located: &Located,
    at: &Range<usize>,
    raw: &GoFile,
    git: Option<&PinnedCommit>,
) -> Result<Option<Checkout>, ComponentError> {
    let (derived, observed) = (raw.vcs.as_ref(), raw.observed.vcs.as_ref());
    if derived.is_none() && observed.is_none() {
        return Ok(None);
    }
    let one =
        |what: &str, a: Option<&Spanned<String>>, b: Option<&Spanned<String>>, fits: fn(&str) -> bool| {
            let (value, observed) = match (a, b) {
                (Some(value), None) => (value, false),
                (None, Some(value)) => (value, true),
                (None, None) if git.is_some() => return Ok(None),
                _ => {
                    let detail = format!("the checkout's {what} is not given in exactly one place");
                    let remedy = "write it under `vcs`, or under `observed.vcs` where the artifact told it";
                    return Err(located.error(at.clone(), detail, remedy));
                }
            };
            let text = located.require(value, fits, &format!("a {what}"), "as `git` and Go write it")?;
            Ok(Some(Value { text, observed }))
        };
    let modified = match (derived.and_then(|d| d.modified), observed.and_then(|o| o.modified)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        _ => {
            let detail = "whether the checkout was modified is not said in exactly one place".to_owned();
            return Err(located.error(at.clone(), detail, "write `modified = false` or `true`"));
        }
    };
    let mut tags = Vec::new();
    for (here, all) in [(true, derived.map(|d| &d.tags)), (false, derived.map(|d| &d.earlier_tags))] {
        for name in
            located.require_all(all.map_or(&[][..], Vec::as_slice), is_below, "a tag", "a tag's name")?
        {
            tags.push(Tag { name, here });
        }
    }
    let revision = one(
        "revision",
        derived.and_then(|d| d.revision.as_ref()),
        observed.and_then(|o| o.revision.as_ref()),
        is_revision,
    )?;
    let pinned = git.map(|git| Value { text: git.commit.clone(), observed: false });
    Ok(Some(Checkout {
        revision: revision.or(pinned).unwrap_or_else(|| Value { text: String::new(), observed: false }),
        time: one(
            "time",
            derived.and_then(|d| d.time.as_ref()),
            observed.and_then(|o| o.time.as_ref()),
            is_time,
        )?,
        modified: modified.0,
        modified_observed: modified.1,
        tags,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::PathBuf;

    use super::super::super::Component;
    use super::super::super::check::component;
    use super::*;

    const GOOD: &str = r#"schema = 1
name = "tool"
summary = "a tool"

[[release.upstream]]
purl = "pkg:github/example/tool@v1.2.3?arch=amd64"
artifact = "tool-1.2.3.tar.gz"
source = { module = "example.org/tool", version = "v1.2.3" }
members = [{ path = "tool-1.2.3/tool", binary = "tool" }, { path = "tool-1.2.3/LICENSE", file = "LICENSE" }]

[release.upstream.go]
path = "/app"
env = { GOOS = "linux", GOARCH = "amd64" }
flags = ["-trimpath"]
ldflags = "-X a.b={build-user}  -s"
binaries = [{ name = "tool", package = "example.org/tool/cmd/tool" }]

[release.upstream.go.vcs]
revision = "0123456789ab"
time = "2026-01-02T03:04:05Z"
tags = ["v1.2.3"]

[release.upstream.go.observed]
toolchain = "1.25.5"
vcs = { modified = true }
"#;

    fn read(text: &str) -> Result<Component, ComponentError> {
        component("component.toml", text.to_owned(), "tool", PathBuf::from("tool"))
    }

    #[test]
    fn a_release_says_what_was_derived_and_what_observed() {
        let tool = read(GOOD).unwrap();
        let release = tool.release(None).unwrap();
        let go = release.go().unwrap();
        assert_eq!((release.version.as_str(), release.channel.to_string().as_str()), ("1.2.3", "upstream"));
        assert_eq!(tool.lock_path(release), PathBuf::from("tool/upstream-linux-amd64-1.2.3.lock.json"));
        let vcs = go.recipe.vcs.as_ref().unwrap();
        assert!(go.recipe.toolchain.observed && vcs.modified_observed && !vcs.revision.observed);
        assert_eq!(go.recipe.ldflags.as_deref(), Some("-X a.b={build-user}  -s"), "blanks are kept");
    }

    #[test]
    fn what_could_run_something_else_or_lead_elsewhere_is_refused() {
        for (from, to, expected) in [
            ("\"-trimpath\"", "\"-toolexec=/bin/sh\"", "is not a flag that a recipe may have"),
            ("\"-trimpath\"", "\"-o\"", "is not a flag that a recipe may have"),
            ("\"-trimpath\"", "\"-overlay=x\"", "is not a flag that a recipe may have"),
            (
                "GOARCH = \"amd64\"",
                "GOARCH = \"amd64\", CC = \"sh\"",
                "is not a variable that selects a target",
            ),
            ("GOARCH = \"amd64\"", "GOARCH = \"amd64\", CGO_ENABLED = \"1\"", "is not its value"),
            ("GOARCH = \"amd64\"", "GOARM = \"7\"", "`GOARCH` is not given"),
            ("{build-user}", "{build_user}", "is not linker flags"),
            ("{build-user}", "{build-user", "is not linker flags"),
            ("path = \"/app\"", "path = \"/app/../etc\"", "is not a folder for the source"),
            ("path = \"/app\"", "path = \"/proc/x\"", "is not a folder for the source"),
            ("path = \"/app\"", "path = \"app\"", "is not a folder for the source"),
            ("module = \"example.org/tool\"", "module = \"../tool\"", "is not a module's path"),
            ("version = \"v1.2.3\" }", "version = \"latest\" }", "is not a module's version"),
            ("artifact = \"tool", "artifact = \"a/tool", "is not a file name"),
            ("binary = \"tool\"", "binary = \"other\"", "is not a binary of the recipe"),
            ("file = \"LICENSE\"", "file = \"../LICENSE\"", "is not a file of the source"),
            ("file = \"LICENSE\"", "file = \"LICENSE\", binary = \"tool\"", "has not exactly one of"),
            ("path = \"tool-1.2.3/LICENSE\"", "path = \"tool-1.2.3/tool\"", "is given twice"),
            ("package = \"example", "package = \"-example", "is not a package"),
            ("toolchain = \"1.25.5\"", "toolchain = \"devel\"", "is not a released Go version"),
            ("toolchain = \"1.25.5\"\n", "", "the tool chain's version is not given in exactly one place"),
            ("revision = \"0123456789ab\"", "revision = \"HEAD\"", "is not a revision"),
            ("time = \"2026-01-02T03:04:05Z\"", "time = \"yesterday\"", "is not a time"),
            ("vcs = { modified = true }", "vcs = {}", "whether the checkout was modified is not said"),
            ("pkg:github/", "pkg:gitlab/", "expected `github`"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(text, GOOD, "{from}");
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
        }
    }

    #[test]
    fn a_source_is_a_module_or_a_commit() {
        let module = "source = { module = \"example.org/tool\", version = \"v1.2.3\" }";
        let with = |source: &str| GOOD.replacen(module, &format!("source = {{ {source} }}"), 1);
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let address = "repository = \"https://example.org/o/tool\", tag = \"v1.2.3\"";
        let text = with(&format!("{address}, commit = \"{commit}\""));
        let text = text
            .replace("time = \"2026-01-02T03:04:05Z\"\n", "")
            .replace("revision = \"0123456789ab\"\n", "");
        let release = read(&text).unwrap().release(None).unwrap().clone();
        let go = release.go().unwrap();
        assert_eq!((go.module.as_str(), go.version.as_str()), ("example.org/o/tool", "v1.2.3"));
        assert_eq!(go.git.as_ref().unwrap().commit, commit);
        let vcs = go.recipe.vcs.as_ref().unwrap();
        assert_eq!((vcs.revision.text.as_str(), &vcs.time), (commit, &None), "the commit tells its time");
        assert_eq!(release.tagged().unwrap().repository, "o/tool");
        for (source, expected) in [
            (address.to_owned(), "neither a module's version nor a repository's commit"),
            (format!("{address}, commit = \"HEAD\""), "is not a commit"),
            (
                format!("{address}, commit = \"{commit}\"").replace("https", "http"),
                "is not a repository's address",
            ),
            (
                format!("{address}, commit = \"{commit}\"").replace("tag = \"v1.2.3\"", "tag = \"../x\""),
                "is not a tag",
            ),
            (
                format!("{address}, commit = \"{commit}\"").replace("tag = \"v1.2.3\"", "tag = \"release\""),
                "the version does not follow",
            ),
            (
                format!(
                    "module = \"example.org/tool\", {address}, commit = \"{commit}\", version = \"latest\""
                ),
                "is not a module's version",
            ),
        ] {
            let error = read(&with(&source)).unwrap_err().to_string();
            assert!(error.contains(expected), "{source}: {error}");
        }
    }

    #[test]
    fn each_value_has_one_place_and_the_observed_ones_are_known() {
        let moved = GOOD
            .replace("env = { GOOS = \"linux\", GOARCH = \"amd64\" }\n", "")
            .replace("flags = [\"-trimpath\"]\n", "")
            + "env = { GOOS = \"linux\", GOARCH = \"amd64\" }\nflags = [\"-trimpath\"]\n";
        let (told, derived) = (read(&moved).unwrap(), read(GOOD).unwrap());
        let recipe = |c: &Component| c.release(None).unwrap().go().unwrap().recipe.clone();
        assert_eq!(recipe(&told).observed, ["env", "flags"]);
        assert_eq!(GoRecipe { observed: Vec::new(), ..recipe(&told) }, recipe(&derived));
        for (text, expected) in [
            (format!("{GOOD}tags = [\"a\"]\nflags = []\n"), "`flags` is given in the recipe and under"),
            (moved.replace("env = {", "tags = ["), "error"),
            (moved.replace("path = \"/app\"\n", ""), "`path` is not given"),
        ] {
            let error = format!("error: {}", read(&text).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
