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
        let workspace = Workspace { source, modules: &self.own.lock.modules, limits: self.world.limits };
        let reason = workspace.lacking().filter(|_| !recipe.env.contains_key("GOWORK"));
        let Some(reason) = reason else { return Cow::Borrowed(recipe) };
        audited.evidence.checks.push(
            Checked::new("workspace-not-used", "go.work", Finding::Noted)
                .found(format!("{reason}: it was built with `GOWORK=off`, and which versions the members would select is not known"))
                .next("hold the modules that the published binary records against those of ours"),
        );
        let mut recipe = recipe.clone();
        recipe.env.insert("GOWORK".to_owned(), "off".to_owned());
        Cow::Owned(recipe)
    }
}

/// A source that may be a workspace, and what is locked for it.
struct Workspace<'a> {
    source: &'a Path,
    modules: &'a [LockedModule],
    limits: &'a GoLimits,
}

impl Workspace<'_> {
    /// Why the source cannot be built as a workspace; nothing where it can, or is none.
    fn lacking(&self) -> Option<String> {
        let text = self.bounded("go.work")?;
        // What cannot be read here the go command does not read either: the build fails, and says why.
        let members = work::members(&text, self.limits.sum_lines_max).ok()?;
        let absent: Vec<&String> = members.iter().filter(|m| self.member(m).is_none()).collect();
        if let Some(first) = absent.first() {
            return Some(format!(
                "the source lacks {} of the {} members of its workspace, `{}` among them",
                absent.len(),
                members.len(),
                first.escape_debug()
            ));
        }
        members.iter().find(|member| !self.is_locked(member)).map(|member| {
            format!(
                "the lock lacks modules of the workspace's member `{}`; lock again with a clone to build within it",
                member.escape_debug()
            )
        })
    }

    /// The folder of a member with a `go.mod` of its own, as a path below the source; nothing where it leads
    /// elsewhere or is not there.
    fn member(&self, member: &str) -> Option<String> {
        let member = member.trim_end_matches('/');
        let below = match member.strip_prefix("./").unwrap_or(member) {
            "." => String::new(),
            below => format!("{below}/"),
        };
        self.bounded(&format!("{below}go.mod")).map(|_| below)
    }

    /// Whether the lock has every module that a member's `go.sum` names.
    fn is_locked(&self, member: &str) -> bool {
        let Some(below) = self.member(member) else { return false };
        let Some(text) = self.bounded(&format!("{below}go.sum")) else { return true };
        let mut sums = GoSum::default();
        if sums.read("go.sum", &text, self.limits.sum_lines_max).is_err() {
            return false;
        }
        let has = |module: &ModuleVersion, zip: bool| {
            let named = |l: &&LockedModule| l.path == module.path && l.version == module.version;
            self.modules.iter().find(named).is_some_and(|locked| locked.zip.is_some() || !zip)
        };
        sums.modules.iter().all(|(module, (zip, _))| has(module, zip.is_some()))
    }

    /// A file of the source with at most as many bytes as a `go.mod` may have; nothing where there is none,
    /// or a link on the way to it.
    fn bounded(&self, file: &str) -> Option<Vec<u8>> {
        use std::io::Read as _;
        if !crate::source::go::archive::is_plain(file) {
            return None;
        }
        let mut path = self.source.to_path_buf();
        for part in file.split('/') {
            path.push(part);
            path.symlink_metadata().ok().filter(|found| !found.is_symlink())?;
        }
        let max = self.limits.mod_bytes_max;
        let mut text = Vec::new();
        let opened = std::fs::File::open(&path).ok().filter(|_| path.is_file())?;
        opened.take(max + 1).read_to_end(&mut text).ok()?;
        (text.len() as u64 <= max).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;
    use crate::environment::go::LockedBlob;

    const SUM: &str = "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    /// Why a source with these files cannot be built as a workspace, where this module is locked.
    fn lacking(files: &[(&str, &str)]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir(&source).unwrap();
        // What lies outside is never looked at, through a link or by a path.
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::write(folder.path().join("outside/go.mod"), "module outside\n").unwrap();
        std::os::unix::fs::symlink("../outside", source.join("link")).unwrap();
        for (name, text) in files {
            let path = source.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let locked = LockedModule {
            path: "example.org/dep".to_owned(),
            version: "v1.0.0".to_owned(),
            sum: None,
            zip: Some(LockedBlob { size: 1, digest: Digest::sha256(b"x") }),
            mod_sum: None,
            mod_file: None,
        };
        Workspace { source: &source, modules: &[locked], limits: &GoLimits::DEFAULT }.lacking()
    }

    #[test]
    fn a_workspace_whose_members_and_modules_are_there_is_used() {
        let (top, tools) = (("go.mod", "module m\n"), ("tools/go.mod", "module tools\n"));
        let work = ("go.work", "go 1.25.0\n\nuse (\n\t.\n\t./tools/\n)\n");
        let sums = format!("example.org/dep v1.0.0 {SUM}\nexample.org/dep v1.0.0/go.mod {SUM}\n");
        assert_eq!(lacking(&[top]), None, "it is none");
        assert_eq!(lacking(&[top, work, tools]), None);
        assert_eq!(lacking(&[top, work, tools, ("tools/go.sum", &sums)]), None);
        assert_eq!(
            lacking(&[top, ("go.work", "use (\n")]),
            None,
            "the go command tells what is wrong with it"
        );
    }

    #[test]
    fn what_is_not_there_is_named() {
        let top = ("go.mod", "module m\n");
        for (folder, expected) in [
            ("./tools", "lacks 1 of the 2 members of its workspace, `./tools` among them"),
            ("../outside", "`../outside` among them"),
            ("./link", "`./link` among them"),
            ("/etc", "`/etc` among them"),
            ("./a/../tools", "`./a/../tools` among them"),
        ] {
            let work = format!("use .\nuse {folder}\n");
            let told = lacking(&[top, ("go.work", &work)]).unwrap();
            assert!(told.contains(expected), "{folder}: {told}");
        }
        let work = ("go.work", "use .\nuse ./tools\n");
        let tools = ("tools/go.mod", "module tools\n");
        for sums in [
            format!("example.org/dep v1.1.0 {SUM}\n"),
            format!("example.org/other v1.0.0/go.mod {SUM}\n"),
            "no sums at all\n".to_owned() + "x",
        ] {
            let told = lacking(&[top, work, tools, ("tools/go.sum", &sums)]).unwrap();
            assert!(told.contains("the lock lacks modules of the workspace's member `./tools`"), "{told}");
        }
    }
}
