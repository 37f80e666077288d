//! What commands that ask a Python package index have in common: which one it is.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use reprove::component::{ChannelName, FileKind, PackageUrl, ProjectName, Release};
use reprove::limits::pypi::PypiLimits;
use reprove::source::debian::Access;
use reprove::source::pypi::{self, Index, ListedFile, PypiError};

use crate::exit::Exit;
use crate::render::Failure;

/// The index from the command line, or the one that the host's pip uses.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct IndexArgs {
    /// Ask this Python package index: the address of a simple index, as pip takes it. Without it the
    /// configuration of the host's pip decides.
    #[arg(long, value_name = "URL")]
    index_url: Option<String>,

    /// The pip whose configuration says which index to ask; it is asked for nothing else.
    #[arg(long, value_name = "PROGRAM", default_value = "pip3")]
    pip: PathBuf,
}

impl IndexArgs {
    /// The index, where a release among these needs one and one is known.
    pub(crate) fn index<'a>(
        &self,
        mut releases: impl Iterator<Item = &'a Release>,
    ) -> Result<Option<Index>, Failure> {
        if !releases.any(|r| matches!(r.channel.name(), ChannelName::Pypi | ChannelName::Wheel)) {
            return Ok(None);
        }
        self.known()
    }

    /// The index, where one is known.
    pub(crate) fn known(&self) -> Result<Option<Index>, Failure> {
        let configured = || {
            let config = self.ask(&["config", "list"])?;
            from_config(&config).or_else(|| from_help(&self.ask(&["help", "download"])?))
        };
        let url = self.index_url.clone().or_else(configured);
        url.map(|url| Index::new(&url)).transpose().map_err(|e| Failure::new(e, Exit::Usage))
    }

    /// What pip prints; none where it is not there or does not know the question.
    fn ask(&self, question: &[&str]) -> Option<String> {
        let output = Command::new(&self.pip)
            .args(question)
            // So that its help breaks no address.
            .env("COLUMNS", "1000")
            .stdin(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    }
}

/// The index, asked within the default bounds.
pub(crate) fn access<'a>(index: &'a Index, ground: &Access<'a>) -> pypi::Access<'a> {
    pypi::Access {
        index,
        fetcher: ground.fetcher,
        store: ground.store,
        observer: ground.observer,
        limits: PypiLimits::DEFAULT,
    }
}

/// The wheel that a package URL names, or the one for Linux on x86-64 where it names none.
pub(crate) fn wheel_of(
    access: &pypi::Access<'_>,
    purl: &PackageUrl,
) -> Result<(ListedFile, ProjectName), PypiError> {
    let (name, version) = (purl.name(), purl.version().unwrap_or_default());
    let not_listed =
        |what: String, found: Vec<String>| PypiError::NotListed { project: name.to_owned(), what, found };
    let project =
        ProjectName::new(name).ok_or_else(|| not_listed("project of that name".to_owned(), Vec::new()))?;
    let listing = pypi::listing(access, &project)?;
    if let Some(file) = purl.qualifier("file_name") {
        return Ok((listing.file(file)?.clone(), project));
    }
    let of_version: Vec<&ListedFile> = listing
        .files
        .iter()
        .filter(|f| f.kind != FileKind::Sdist && Some(&f.version) == version.parse().ok().as_ref())
        .collect();
    let native = |f: &&&ListedFile| match &f.kind {
        FileKind::Wheel { tags: [_, _, platform], .. } => {
            platform.split('.').any(|tag| tag.contains("linux") && tag.ends_with("_x86_64"))
        }
        FileKind::Sdist => false,
    };
    match of_version.iter().filter(native).collect::<Vec<_>>().as_slice() {
        [one] => Ok(((**one).clone(), project)),
        _ => {
            let names = of_version.iter().map(|f| format!("`?file_name={}`", f.name)).collect();
            Err(not_listed(format!("single wheel of version {version} for Linux on x86-64"), names))
        }
    }
}

/// `index-url` of `pip config list`: the environment's before that of the command before the global one.
fn from_config(text: &str) -> Option<String> {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let quoted = line.strip_prefix(key)?.strip_prefix('=')?.trim();
            let inner = ['\'', '"'].iter().find_map(|q| quoted.strip_prefix(*q)?.strip_suffix(*q));
            Some(inner?.to_owned()).filter(|url| !url.is_empty())
        })
    };
    [":env:.index-url", "download.index-url", "global.index-url"].iter().find_map(|key| value(key))
}

/// The default that pip's help names.
fn from_help(text: &str) -> Option<String> {
    let (_, after) = text.split_once("--index-url <url>")?;
    let (_, after) = after.split_once("(default")?;
    let (url, _) = after.split_once(')')?;
    Some(url.trim().to_owned()).filter(|url| !url.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_configuration_counts() {
        let global = "global.cert='x'\nglobal.index-url='http://127.0.0.1/simple'\n";
        for (text, expected) in [
            (global.to_owned(), Some("http://127.0.0.1/simple")),
            (format!("{global}:env:.index-url='file:///i'\n"), Some("file:///i")),
            (format!("download.index-url=\"https://a.example/s\"\n{global}"), Some("https://a.example/s")),
            ("global.index-url=''\n".to_owned(), None),
            ("global.extra-index-url='http://127.0.0.1/simple'\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(from_config(&text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_default_is_read_from_the_help() {
        let help = "  -i, --index-url <url>  Base URL of the index (default https://i.example/simple). This\n\
                    --extra-index-url <url>  More (default none)\n";
        assert_eq!(from_help(help).as_deref(), Some("https://i.example/simple"));
        assert_eq!(from_help("no such option"), None);
    }
}
