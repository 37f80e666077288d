//! Where a release's authors keep its source: a tag of a repository.

use super::go::domain::repository_name;
use super::{Channel, Release};

/// A tag of a repository, and the folder of it that is released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedSource {
    /// The repository as `owner/name`.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The folder, with its slash at the end; empty for the top.
    pub folder: String,
}

impl Release {
    /// The tag that it is said to be made from: what the definition names, or what its package URL and its
    /// module's path say. None where nothing does.
    pub fn tagged(&self) -> Option<TaggedSource> {
        if let Some(git) = self.go().and_then(|go| go.git.as_ref()) {
            let repository = repository_name(&git.repository).to_owned();
            return Some(TaggedSource { repository, tag: git.tag.clone(), folder: String::new() });
        }
        match &self.channel {
            Channel::Debian(_) => None,
            Channel::Pypi(pypi) => pypi.source.clone(),
            Channel::Npm(go) => of_module(&go.module, &go.version),
            Channel::Wheel(wheel) => of_module(&wheel.go.module, &wheel.go.version),
            Channel::Upstream(_) => {
                let owner = self.purl.namespace().first()?;
                let repository = format!("{owner}/{}", self.purl.name());
                Some(TaggedSource { repository, tag: self.purl.version()?.to_owned(), folder: String::new() })
            }
        }
    }
}

/// As the go command finds a module's repository: `host/owner/name/folder/vN`, with the folder before the
/// version in the tag's name.
fn of_module(path: &str, version: &str) -> Option<TaggedSource> {
    let mut parts = path.split('/').skip(1);
    let (owner, name) = (parts.next()?, parts.next()?);
    let mut rest: Vec<&str> = parts.collect();
    let is_major = |part: &&str| part.strip_prefix('v').is_some_and(|n| n.parse::<u32>().is_ok());
    if is_major(&name) {
        // `host/name/v3` is a path of its own making, and says nothing of a repository.
        return None;
    }
    if rest.last().is_some_and(is_major) {
        rest.pop();
    }
    let folder: String = rest.iter().map(|part| format!("{part}/")).collect();
    let version = version.strip_suffix("+incompatible").unwrap_or(version);
    Some(TaggedSource { repository: format!("{owner}/{name}"), tag: format!("{folder}{version}"), folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_s_path_tells_its_repository() {
        for (path, version, expected) in [
            ("github.com/evanw/esbuild", "v0.25.12", Some(("evanw/esbuild", "v0.25.12", ""))),
            ("github.com/o/n/v3", "v3.1.0", Some(("o/n", "v3.1.0", ""))),
            ("github.com/o/n/a/b", "v1.0.0", Some(("o/n", "a/b/v1.0.0", "a/b/"))),
            ("github.com/o/n/a/v2", "v2.0.0", Some(("o/n", "a/v2.0.0", "a/"))),
            ("github.com/o/n", "v28.0.0+incompatible", Some(("o/n", "v28.0.0", ""))),
            ("example.org/m", "v1.0.0", None),
            ("example.org/m/v3", "v3.0.0", None),
        ] {
            let found = of_module(path, version);
            let found = found.as_ref().map(|t| (t.repository.as_str(), t.tag.as_str(), t.folder.as_str()));
            assert_eq!(found, expected, "{path}");
        }
    }
}
