//! Releases whose binaries are built with Go: what was published, from which module, and the recipe.
//!
//! ```toml
//! [[release.npm]]
//! purl = "pkg:npm/%40esbuild/linux-x64@0.25.12"
//! source = { module = "github.com/evanw/esbuild", version = "v0.25.12" }
//! members = [{ path = "package/bin/esbuild", binary = "esbuild" }]
//!
//! [release.npm.go]
//! path = "/app"
//! env = { GOOS = "linux", GOARCH = "amd64" }
//! flags = ["-trimpath"]
//! ldflags = "-s -w"
//! binaries = [{ name = "esbuild", package = "./cmd/esbuild" }]
//!
//! [release.npm.go.observed]
//! toolchain = "1.23.12"
//! ```
//!
//! What stands under `observed` was read from the published artifact; everything else was derived from
//! the source or from how its project makes releases. A value stands in one of the two places.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::check::Located;
use super::{Channel, ComponentError, PackageUrl, Release};

/// A release of which Go built the binaries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GoRelease {
    /// The published archive, or the published binary itself.
    pub artifact: String,
    /// The list of checksums that is published beside it.
    pub checksums: Option<String>,
    /// The main module's path.
    pub module: String,
    /// Its version.
    pub version: String,
    /// What is in the archive, and where each member comes from; empty where the artifact is the binary.
    pub members: Vec<Member>,
    /// How the binaries are built.
    pub recipe: GoRecipe,
}

/// A member of a published archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Member {
    /// Its whole name there.
    pub path: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a member comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A binary of the recipe.
    Binary(String),
    /// A file of the source, as it stands there.
    File(String),
}

/// A recipe: everything that decides the bytes, beside the source, its modules and the tool chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GoRecipe {
    /// Version of the tool chain, without `go`.
    pub toolchain: Value,
    /// Folder of the source inside the sandbox.
    pub path: String,
    /// `GOPATH`; modules lie in `pkg/mod` below it.
    pub gopath: String,
    /// `GOROOT`.
    pub goroot: String,
    /// `GOOS`, `GOARCH` and what else selects a target.
    pub env: BTreeMap<String, String>,
    /// Flags of `go build`, without tags and linker flags.
    pub flags: Vec<String>,
    /// Build tags in the publisher's order, which decides bytes.
    pub tags: Vec<String>,
    /// Linker flags to the character; `{…}` stands for a value that is read from the artifact.
    pub ldflags: Option<String>,
    /// What is built.
    pub binaries: Vec<GoBinary>,
    /// The checkout that the publisher built in; none where it was built outside of a repository.
    pub vcs: Option<Checkout>,
}

/// One binary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GoBinary {
    /// Its file name.
    pub name: String,
    /// The package, as an import path or relative to the source.
    pub package: String,
}

/// The state of the publisher's repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Checkout {
    /// The commit: 40 hexadecimal digits, or its first 12 where the artifact is to tell the rest.
    pub revision: Value,
    /// Its time, RFC 3339.
    pub time: Value,
    /// Whether files were there that the commit does not have.
    pub modified: bool,
    /// Whether that was read from the artifact.
    pub modified_observed: bool,
    /// Tags that the checkout could see.
    pub tags: Vec<Tag>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Whether it names the commit that was built; otherwise one before it.
    pub here: bool,
}

/// A value and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Value {
    /// As written.
    pub text: String,
    /// Whether it was read from the published artifact.
    pub observed: bool,
}

/// Names that linker flags may hold in braces.
pub const PLACEHOLDERS: [&str; 3] = ["revision", "build-user", "build-date"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct NpmFile {
    pub(super) purl: Spanned<String>,
    source: ModuleFile,
    members: Spanned<Vec<MemberFile>>,
    go: GoFile,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UpstreamFile {
    pub(super) purl: Spanned<String>,
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

pub(super) fn npm(located: &Located, raw: &NpmFile) -> Result<Release, ComponentError> {
    let (purl, version) = identity(located, &raw.purl, "npm", "`pkg:npm/%40scope/name@1.2.3`")?;
    let artifact = format!("{}-{version}.tgz", purl.name());
    let go = release(located, &raw.source, Some(&raw.members), &raw.go, artifact, None)?;
    Ok(Release { purl, version, channel: Channel::Npm(go) })
}

pub(super) fn upstream(located: &Located, raw: &UpstreamFile) -> Result<Release, ComponentError> {
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
    let purl: PackageUrl = raw.get_ref().parse().map_err(|e: super::PackageUrlError| wrong(e.to_string()))?;
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
