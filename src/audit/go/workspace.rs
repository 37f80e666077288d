//! Whether a source can be built as the workspace that its `go.work` describes.

use std::borrow::Cow;

use super::*;
use crate::component::GoRecipe;
use crate::report::Checked;
use crate::source::go::{GoSum, work};
use crate::verify::Finding;

impl Flow<'_> {
    /// The recipe, outside of the workspace where its members are not there or the lock lacks their modules.
    /// What the members would select is not known then, and is said.
    pub(super) fn workspace(&self, audited: &mut Audited, source: &Path) -> Cow<'_, GoRecipe> {
        let recipe = &self.own.go.recipe;
        let Some(text) = self.bounded(source, "go.work").filter(|_| !recipe.env.contains_key("GOWORK"))
        else {
            return Cow::Borrowed(recipe);
        };
        // What cannot be read here the go command does not read either: the build fails, and says why.
        let Ok(members) = work::members(&text, self.world.limits.sum_lines_max) else {
            return Cow::Borrowed(recipe);
        };
        let reason = match members.iter().find(|m| self.member(source, m).is_none()) {
            Some(lacking) => format!(
                "the source lacks {} of the {} members of its workspace, `{}` among them",
                members.iter().filter(|m| self.member(source, m).is_none()).count(),
                members.len(),
                lacking.escape_debug()
            ),
            None => match members.iter().find(|m| !self.is_locked(source, m)) {
                Some(member) => format!(
                    "the lock lacks modules of the workspace's member `{}`; lock again with a clone to build within it",
                    member.escape_debug()
                ),
                None => return Cow::Borrowed(recipe),
            },
        };
        audited.evidence.checks.push(
            Checked::new("workspace-not-used", "go.work", Finding::Noted)
                .found(format!("{reason}: it was built with `GOWORK=off`, and which versions the members would select is not known"))
                .next("hold the modules that the published binary records against those of ours"),
        );
        let mut recipe = recipe.clone();
        recipe.env.insert("GOWORK".to_owned(), "off".to_owned());
        Cow::Owned(recipe)
    }

    /// The folder of a member with a `go.mod` of its own, as a path below the source; nothing where it leads
    /// elsewhere or is not there.
    fn member(&self, source: &Path, member: &str) -> Option<String> {
        let member = member.trim_end_matches('/');
        let below = match member.strip_prefix("./").unwrap_or(member) {
            "." => String::new(),
            below => format!("{below}/"),
        };
        self.bounded(source, &format!("{below}go.mod")).map(|_| below)
    }

    /// Whether the lock has every module that a member's `go.sum` names.
    fn is_locked(&self, source: &Path, member: &str) -> bool {
        let Some(below) = self.member(source, member) else { return false };
        let Some(text) = self.bounded(source, &format!("{below}go.sum")) else { return true };
        let mut sums = GoSum::default();
        let limit = self.world.limits.sum_lines_max;
        if sums.read("go.sum", &text, limit).is_err() {
            return false;
        }
        let has = |module: &ModuleVersion, zip: bool| {
            let named = |l: &&LockedModule| l.path == module.path && l.version == module.version;
            let found = self.own.lock.modules.iter().find(named);
            found.is_some_and(|locked| locked.zip.is_some() || !zip)
        };
        sums.modules.iter().all(|(module, (zip, _))| has(module, zip.is_some()))
    }

    /// A file of the source with at most as many bytes as a `go.mod` may have; nothing where there is none,
    /// or a link on the way to it.
    fn bounded(&self, source: &Path, file: &str) -> Option<Vec<u8>> {
        use std::io::Read as _;
        if !crate::source::go::archive::is_plain(file) {
            return None;
        }
        let mut path = source.to_path_buf();
        for part in file.split('/') {
            path.push(part);
            path.symlink_metadata().ok().filter(|found| !found.is_symlink())?;
        }
        let max = self.world.limits.mod_bytes_max;
        let mut text = Vec::new();
        let opened = std::fs::File::open(&path).ok().filter(|_| path.is_file())?;
        opened.take(max + 1).read_to_end(&mut text).ok()?;
        (text.len() as u64 <= max).then_some(text)
    }
}
