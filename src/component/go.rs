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
//! The source is a module, or a commit of a repository, pinned by its name, by the first 12 digits of it at
//! least; what module it is its `go.mod` says:
//!
//! ```toml
//! source = { repository = "https://github.com/prometheus/pushgateway", tag = "v1.10.0", commit = "17dd0704c659" }
//! ```
//!
//! Beside `npm` and `upstream` there is `wheel`: a wheel of a Python package index that holds a program of
//! the module. `wheel` names the file, and `publisher` who has to have attested it.
//!
//! A member is a `binary` of the recipe, a `file` of the source, or `unsourced = "why"`: it comes from
//! elsewhere, is compared with nothing, and keeps the release from passing. `mode` says its mode where that
//! is another than `0755` for binaries and `0644` for all else.
//!
//! What stands under `observed` was read from the published artifact; everything else was derived from
//! the source or from how its project makes releases. A value stands in one of the two places.

mod check;
pub mod domain;
mod members;
mod places;
mod prepare;
mod source;
mod wheel;

use std::collections::BTreeMap;

use serde::Serialize;

pub(super) use check::{NpmFile, UpstreamFile, npm, upstream};
pub use domain::{is_module_path, is_module_version, is_toolchain};
pub use prepare::{Input, Prepare};
pub use wheel::GoWheel;
pub(super) use wheel::{WheelFile, wheel};

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
    /// Where its source is, if that is no module but a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<PinnedCommit>,
    /// What is in the archive, and where each member comes from; empty where the artifact is the binary.
    pub members: Vec<Member>,
    /// Archives of the same release that the source is built with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// How the binaries are built.
    pub recipe: GoRecipe,
}

/// A commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PinnedCommit {
    /// The repository's address.
    pub repository: String,
    /// The tag that names it.
    pub tag: String,
    /// Its name: 40 hexadecimal digits, or the first 12.
    pub commit: String,
}

/// A member of a published archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Member {
    /// Its whole name there.
    pub path: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Its mode, where it is another than that of a program or a plain file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// Where a member comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A binary of the recipe.
    Binary(String),
    /// A file of the source, as it stands there.
    File(String),
    /// Not the source, for this reason: nothing can be compared with it.
    Unsourced(String),
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
    /// What is done to the source before it is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare: Option<Prepare>,
    /// Names of the other values that were read from the published artifact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<String>,
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
    /// Its time, RFC 3339; none where the source is the commit, which tells it.
    pub time: Option<Value>,
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
