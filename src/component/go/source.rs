//! Where a Go release's source is: a module, or a commit of a repository.

use serde::Deserialize;
use toml::Spanned;

use super::super::ComponentError;
use super::super::check::Located;
use super::PinnedCommit;
use super::domain::{is_below, is_module_path, is_module_version, is_repository, is_revision};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SourceFile {
    module: Option<Spanned<String>>,
    version: Option<Spanned<String>>,
    repository: Option<Spanned<String>>,
    tag: Option<Spanned<String>>,
    commit: Option<Spanned<String>>,
}

/// A module and its version, or a commit of a repository: the module is then the one that the address and
/// the tag name, unless it is written.
pub(super) fn source(
    located: &Located,
    raw: &Spanned<SourceFile>,
) -> Result<(String, String, Option<PinnedCommit>), ComponentError> {
    let SourceFile { module, version, repository, tag, commit } = raw.get_ref();
    let path = |s| located.require(s, is_module_path, "a module's path", "e.g. `example.org/m`");
    let number = |s| located.require(s, is_module_version, "a module's version", "e.g. `v1.2.3`");
    match (module, version, repository, tag, commit) {
        (Some(module), Some(version), None, None, None) => Ok((path(module)?, number(version)?, None)),
        (module, version, Some(repository), Some(tag), Some(commit)) => {
            let git = PinnedCommit {
                repository: located.require(
                    repository,
                    is_repository,
                    "a repository's address",
                    "e.g. `https://github.com/owner/name`",
                )?,
                tag: located.require(tag, is_below, "a tag", "a tag's name")?,
                commit: located.require(
                    commit,
                    is_revision,
                    "a commit",
                    "40 hexadecimal digits, or the first 12",
                )?,
            };
            let derived =
                git.repository.split_once("://").map_or("", |(_, rest)| rest).trim_end_matches(".git");
            let named = git.tag.rsplit('/').next().unwrap_or_default();
            let missing = |what: &str| {
                let detail = format!("the {what} does not follow from the address and the tag");
                located.error(raw.span(), detail, &format!("write `{what}` beside them"))
            };
            let module = match module {
                Some(module) => path(module)?,
                None if is_module_path(derived) => derived.to_owned(),
                None => return Err(missing("module")),
            };
            let version = match version {
                Some(version) => number(version)?,
                None if is_module_version(named) => named.to_owned(),
                None => return Err(missing("version")),
            };
            Ok((module, version, Some(git)))
        }
        _ => {
            let detail = "the source is neither a module's version nor a repository's commit".to_owned();
            let remedy = "write `module` and `version`, or `repository`, `tag` and `commit`";
            Err(located.error(raw.span(), detail, remedy))
        }
    }
}
