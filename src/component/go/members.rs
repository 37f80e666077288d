//! What the archive of a release holds, and where each member comes from.

use serde::Deserialize;
use toml::Spanned;

use super::super::ComponentError;
use super::super::check::Located;
use super::domain::{is_below, is_mode, is_reason};
use super::{GoRecipe, Member, Origin};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MemberFile {
    path: Spanned<String>,
    binary: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
    unsourced: Option<Spanned<String>>,
    mode: Option<Spanned<String>>,
}

/// The members, each once and each from one place.
pub(super) fn taken(
    located: &Located,
    raw: &[MemberFile],
    recipe: &GoRecipe,
) -> Result<Vec<Member>, ComponentError> {
    let mut taken: Vec<Member> = Vec::new();
    for raw in raw {
        let path = located.require(&raw.path, is_below, "a member's name", "a path of plain names")?;
        let once = "write each member once, with `binary`, `file` or `unsourced`";
        if taken.iter().any(|m| m.path == path) {
            return Err(located.error(raw.path.span(), format!("`{path}` is given twice"), once));
        }
        let origin = match (&raw.binary, &raw.file, &raw.unsourced) {
            (Some(name), None, None) => {
                let known = |n: &str| recipe.binaries.iter().any(|b| b.name == n);
                Origin::Binary(located.require(name, known, "a binary of the recipe", "one of `binaries`")?)
            }
            (None, Some(file), None) => {
                let plain = "a path of plain names";
                Origin::File(located.require(file, is_below, "a file of the source", plain)?)
            }
            (None, None, Some(why)) => {
                let expected = "one line that says where it comes from";
                Origin::Unsourced(located.require(why, is_reason, "a reason", expected)?)
            }
            _ => {
                let detail = format!("`{path}` has not exactly one of `binary`, `file` and `unsourced`");
                return Err(located.error(raw.path.span(), detail, once));
            }
        };
        let mode = |text| located.require(text, is_mode, "a mode", "four octal digits such as `0755`");
        let mode = raw.mode.as_ref().map(mode).transpose()?;
        let mode = mode.and_then(|text| u32::from_str_radix(&text, 8).ok());
        taken.push(Member { path, origin, mode });
    }
    Ok(taken)
}
