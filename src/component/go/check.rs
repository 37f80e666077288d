//! From the tables of a Go release to a [`GoRelease`], each value checked against its domain.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use super::super::check::Located;
use super::super::{Channel, ComponentError, PackageUrl, PackageUrlError, Release};
use super::{Checkout, GoBinary, GoRecipe, GoRelease, Member, Origin, PLACEHOLDERS, Tag, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::component) struct NpmFile {
    pub(in crate::component) purl: Spanned<String>,
    source: ModuleFile,
    members: Spanned<Vec<MemberFile>>,
    go: GoFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::component) struct UpstreamFile {
    pub(in crate::component) purl: Spanned<String>,
    artifact: Spanned<String>,
    checksums: Option<Spanned<String>>,
    source: ModuleFile,
    #[serde(default)]
    members: Option<Spanned<Vec<MemberFile>>>,
    go: GoFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ModuleFile {
    module: Spanned<String>,
    version: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MemberFile {
    path: Spanned<String>,
    binary: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GoFile {
    toolchain: Option<Spanned<String>>,
    path: Spanned<String>,
    gopath: Option<Spanned<String>>,
    goroot: Option<Spanned<String>>,
    env: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    flags: Vec<Spanned<String>>,
    #[serde(default)]
    tags: Vec<Spanned<String>>,
    ldflags: Option<Spanned<String>>,
    binaries: Spanned<Vec<BinaryFile>>,
    vcs: Option<VcsFile>,
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
    vcs: Option<ObservedVcsFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ObservedVcsFile {
    revision: Option<Spanned<String>>,
    time: Option<Spanned<String>>,
    modified: Option<bool>,
}

/// Go's own rules for a module's path are its proxy's affair; here it only must not lead elsewhere.
pub fn is_module_path(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 500
        && !text.starts_with('-')
        && text.split('/').all(|element| {
            !element.is_empty()
                && !element.chars().all(|c| c == '.')
                && !element.ends_with('.')
                && element.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
        })
}

/// A version as file names hold it: `v`, a digit, then letters, digits and `.-+`.
pub fn is_module_version(text: &str) -> bool {
    let rest = text.strip_prefix('v').unwrap_or_default();
    text.len() <= 200
        && rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c))
        && !rest.contains("..")
}

/// A released tool chain: `1.23.12`, `1.21rc2`. A development version has no place where it could be had.
pub fn is_toolchain(text: &str) -> bool {
    let mut parts = text.split('.');
    let number = |p: &str| !p.is_empty() && p.len() <= 4 && p.chars().all(|c| c.is_ascii_digit());
    let last = |p: &str| {
        let digits = p.trim_end_matches(|c: char| c.is_ascii_digit());
        number(p) || ["rc", "beta"].iter().any(|w| digits.strip_suffix(w).is_some_and(number) && digits != p)
    };
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("1"), Some(minor), None, _) => last(minor),
        (Some("1"), Some(minor), Some(patch), None) => number(minor) && number(patch),
        _ => false,
    }
}

/// An absolute folder of plain names that the sandbox does not use itself.
fn is_folder(text: &str) -> bool {
    let own = ["/proc", "/dev", "/tmp", "/run", "/sys", "/build", "/etc"];
    text.strip_prefix('/').is_some_and(is_below)
        && !own.iter().any(|o| text == *o || text.strip_prefix(o).is_some_and(|rest| rest.starts_with('/')))
}

/// A path of plain names below something.
fn is_below(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 500
        && text.split('/').all(|part| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && part.chars().all(|c| c.is_ascii_graphic() && c != '\\')
        })
}

fn is_file_name(text: &str) -> bool {
    text.len() <= 200 && !text.contains('/') && is_below(text)
}

/// A flag that decides bytes; those that run programs or write elsewhere are not among them.
fn is_flag(text: &str) -> bool {
    const WHOLE: [&str; 10] = [
        "-trimpath",
        "-a",
        "-buildvcs=true",
        "-buildvcs=false",
        "-buildvcs=auto",
        "-mod=vendor",
        "-mod=readonly",
        "-buildmode=exe",
        "-buildmode=pie",
        "-pgo=off",
    ];
    let valued = ["-gcflags=", "-asmflags="].iter().any(|p| text.starts_with(p));
    WHOLE.contains(&text)
        || (valued && !text.contains("-o") && text.chars().all(|c| c == ' ' || c.is_ascii_graphic()))
}

fn is_target(key: &str) -> bool {
    const KEYS: [&str; 14] = [
        "GOOS",
        "GOARCH",
        "GOAMD64",
        "GOARM",
        "GOARM64",
        "GO386",
        "GOMIPS",
        "GOMIPS64",
        "GOPPC64",
        "GORISCV64",
        "GOEXPERIMENT",
        "GOFIPS140",
        "CGO_ENABLED",
        "GOWORK",
    ];
    KEYS.contains(&key)
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 100
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-,".contains(c))
}

fn is_package(text: &str) -> bool {
    let below = text.strip_prefix("./").unwrap_or(text);
    text == "." || (is_below(below) && !text.starts_with('-'))
}

fn is_revision(text: &str) -> bool {
    matches!(text.len(), 12 | 40) && text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// Linker flags: one line, and only known names in braces.
fn is_ldflags(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('{') {
        let Some((name, tail)) = after.split_once('}') else { return false };
        if !PLACEHOLDERS.contains(&name) {
            return false;
        }
        rest = tail;
    }
    text.len() <= 8192 && !rest.contains('}') && text.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

pub(in crate::component) fn npm(located: &Located, raw: &NpmFile) -> Result<Release, ComponentError> {
    let (purl, version) = identity(located, &raw.purl, "npm", "`pkg:npm/%40scope/name@1.2.3`")?;
    let artifact = format!("{}-{version}.tgz", purl.name());
    let go = release(located, &raw.source, Some(&raw.members), &raw.go, artifact, None)?;
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
    let go = release(located, &raw.source, raw.members.as_ref(), &raw.go, artifact, checksums)?;
    Ok(Release { purl, version, channel: Channel::Upstream(go) })
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

fn release(
    located: &Located,
    source: &ModuleFile,
    members: Option<&Spanned<Vec<MemberFile>>>,
    go: &GoFile,
    artifact: String,
    checksums: Option<String>,
) -> Result<GoRelease, ComponentError> {
    let module =
        located.require(&source.module, is_module_path, "a module's path", "e.g. `example.org/m`")?;
    let version =
        located.require(&source.version, is_module_version, "a module's version", "e.g. `v1.2.3`")?;
    let recipe = recipe(located, go)?;
    let mut taken: Vec<Member> = Vec::new();
    for raw in members.map(Spanned::get_ref).into_iter().flatten() {
        let path = located.require(&raw.path, is_below, "a member's name", "a path of plain names")?;
        let once = "write each member once, with `binary` or with `file`";
        if taken.iter().any(|m| m.path == path) {
            return Err(located.error(raw.path.span(), format!("`{path}` is given twice"), once));
        }
        let origin = match (&raw.binary, &raw.file) {
            (Some(name), None) => {
                let known = |n: &str| recipe.binaries.iter().any(|b| b.name == n);
                Origin::Binary(located.require(name, known, "a binary of the recipe", "one of `binaries`")?)
            }
            (None, Some(file)) => Origin::File(located.require(
                file,
                is_below,
                "a file of the source",
                "a path of plain names",
            )?),
            _ => {
                let detail = format!("`{path}` has not exactly one of `binary` and `file`");
                return Err(located.error(raw.path.span(), detail, once));
            }
        };
        taken.push(Member { path, origin });
    }
    if taken.is_empty() && recipe.binaries.len() != 1 {
        let detail = "no member is given, and there is not exactly one binary".to_owned();
        return Err(located.error(go.binaries.span(), detail, "name the archive's members with `members`"));
    }
    Ok(GoRelease { artifact, checksums, module, version, members: taken, recipe })
}

fn recipe(located: &Located, raw: &GoFile) -> Result<GoRecipe, ComponentError> {
    let folder = |value: &Option<Spanned<String>>, default: &str| match value {
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
    let toolchain = match (&raw.toolchain, &raw.observed.toolchain) {
        (Some(value), None) => Value { text: toolchain(value)?, observed: false },
        (None, Some(value)) => Value { text: toolchain(value)?, observed: true },
        _ => {
            let detail = "the tool chain's version is not given in exactly one place".to_owned();
            let remedy = "write `toolchain` in the recipe, or under `observed` where the artifact told it";
            return Err(located.error(raw.path.span(), detail, remedy));
        }
    };
    let mut env = BTreeMap::new();
    for (key, value) in &raw.env {
        let name = located.require(key, is_target, "a variable that selects a target", "e.g. `GOARCH`")?;
        let fits =
            |v: &str| is_word(v) && (name != "CGO_ENABLED" || v == "0") && (name != "GOWORK" || v == "off");
        let text = located.require(value, fits, "its value", "a word; `0` for `CGO_ENABLED`")?;
        env.insert(name, text);
    }
    for key in ["GOOS", "GOARCH"] {
        if !env.contains_key(key) {
            let detail = format!("`{key}` is not given");
            return Err(located.error(raw.path.span(), detail, "name the target with `GOOS` and `GOARCH`"));
        }
    }
    let mut binaries: Vec<GoBinary> = Vec::new();
    for binary in raw.binaries.get_ref() {
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
        return Err(located.error(raw.binaries.span(), detail, "name what is built"));
    }
    Ok(GoRecipe {
        toolchain,
        path: located.require(&raw.path, is_folder, "a folder for the source", "e.g. `/app`")?,
        gopath: folder(&raw.gopath, "/go")?,
        goroot: folder(&raw.goroot, "/usr/local/go")?,
        env,
        flags: located.require_all(
            &raw.flags,
            is_flag,
            "a flag that a recipe may have",
            "e.g. `-trimpath`",
        )?,
        tags: located.require_all(&raw.tags, |t| is_word(t) && !t.contains(','), "a tag", "one word")?,
        ldflags: raw
            .ldflags
            .as_ref()
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
        vcs: checkout(located, raw)?,
    })
}

fn checkout(located: &Located, raw: &GoFile) -> Result<Option<Checkout>, ComponentError> {
    let (derived, observed) = (raw.vcs.as_ref(), raw.observed.vcs.as_ref());
    if derived.is_none() && observed.is_none() {
        return Ok(None);
    }
    let one =
        |what: &str, a: Option<&Spanned<String>>, b: Option<&Spanned<String>>, fits: fn(&str) -> bool| {
            let (value, observed) = match (a, b) {
                (Some(value), None) => (value, false),
                (None, Some(value)) => (value, true),
                _ => {
                    let detail = format!("the checkout's {what} is not given in exactly one place");
                    let remedy = "write it under `vcs`, or under `observed.vcs` where the artifact told it";
                    return Err(located.error(raw.path.span(), detail, remedy));
                }
            };
            let text = located.require(value, fits, &format!("a {what}"), "as `git` and Go write it")?;
            Ok(Value { text, observed })
        };
    let is_time = |t: &str| t.parse::<Timestamp>().is_ok_and(|at| at.to_string() == t);
    let modified = match (derived.and_then(|d| d.modified), observed.and_then(|o| o.modified)) {
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        _ => {
            let detail = "whether the checkout was modified is not said in exactly one place".to_owned();
            return Err(located.error(raw.path.span(), detail, "write `modified = false` or `true`"));
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
    Ok(Some(Checkout {
        revision: one(
            "revision",
            derived.and_then(|d| d.revision.as_ref()),
            observed.and_then(|o| o.revision.as_ref()),
            is_revision,
        )?,
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
    fn only_released_tool_chains_have_a_place() {
        for good in ["1.21.0", "1.25.12", "1.21rc2", "1.20"] {
            assert!(is_toolchain(good), "{good}");
        }
        for bad in ["", "1", "devel", "1.21-fork", "1.21.0.1", "2.0.0", "1.21rc", "1.21 ", "1.x"] {
            assert!(!is_toolchain(bad), "{bad}");
        }
    }
}
