//! What a component is: its name, and its releases by channel.
//!
//! A component is defined in `policies/components/<name>/component.toml`, and its locks lie beside
//! that file. The schema is closed: an unknown key, a wrong type or a value out of its domain is an
//! error with file, line and column.
//!
//! ```toml
//! schema = 1
//! name = "hello"
//! summary = "GNU hello, whose year is compiled in"
//!
//! [[release.debian]]
//! purl = "pkg:deb/debian/hello@2.10-3?arch=amd64&distro=bookworm"
//! architecture = "amd64"
//! suites = ["bookworm", "bookworm-updates", "bookworm-security"]
//! source = { package = "hello", version = "2.10-3" }
//! binaries = ["hello"]
//!
//! [release.debian.build]
//! options = ["nocheck"]
//! ```
//!
//! A release on a Python package index names its wheel, and the interpreter that it is built with: packages
//! of Debian's archive.
//!
//! ```toml
//! [[release.pypi]]
//! purl = "pkg:pypi/prometheus-client@0.22.1"
//! wheel = "prometheus_client-0.22.1-py3-none-any.whl"
//! interpreter = { architecture = "amd64", suites = ["bookworm"], packages = ["python3"] }
//! # Where the source does not say all that its build requires.
//! requires = []
//! # Who has to have attested the files, where the index offers attestations.
//! publisher = { repository = "owner/name", workflow = "release.yml" }
//! # The tag that it is made from: a clone tells whether the source distribution holds what the tag does.
//! source = { repository = "owner/name", tag = "v0.22.1" }
//! ```

mod check;
mod error;
mod file;
mod go;
mod purl;
mod pypi;
mod pypi_name;
mod tagged;

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use error::ComponentError;
pub use go::{
    Checkout, GoBinary, GoRecipe, GoRelease, GoWheel, Input, Member, Origin, PLACEHOLDERS, PinnedCommit,
    Prepare, Tag, Value, domain, is_module_path, is_module_version, is_toolchain,
};
pub use purl::{PackageUrl, PackageUrlError};
pub(crate) use pypi::is_publisher;
pub use pypi::{PypiRelease, TrustedPublisher};
pub use pypi_name::{FileKind, ProjectName, distribution};
pub use tagged::TaggedSource;

use crate::limits::component::DEFINITION_BYTES_MAX;

/// The only schema number that this version reads.
pub const COMPONENT_SCHEMA: u32 = 1;

/// Where definitions lie below the root that holds `policies/`.
const COMPONENTS: &str = "policies/components";

/// A thing people install, with its releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name, the same as its folder's: lower-case letters, digits, `+`, `-` and `.`.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// Never empty, in the order of the file; the first one is meant where none is named.
    pub releases: Vec<Release>,
    /// The folder of the definition and its locks.
    pub folder: PathBuf,
}

/// One published version of a component in one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// What it is called everywhere: the package URL of its first artifact.
    pub purl: PackageUrl,
    /// The published version, as in the package URL.
    pub version: String,
    /// Where it is published, and what that channel needs to know.
    pub channel: Channel,
}

/// Where a release is published.
///
/// A new channel is a variant here and in [`ChannelName`], its tables in `file.rs` with their check in
/// a file of its own, its lock below [`crate::environment`], and its flow below [`crate::audit`]. The
/// compiler names every place that has to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// In Debian's archive.
    Debian(DebianRelease),
    /// As a package of the npm registry.
    Npm(GoRelease),
    /// As files that the project itself releases.
    Upstream(GoRelease),
    /// In a wheel of a Python package index, as a program that Go builds.
    Wheel(GoWheel),
    /// On a Python package index.
    Pypi(PypiRelease),
}

/// A channel without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelName {
    /// Debian's archive.
    Debian,
    /// The npm registry.
    Npm,
    /// The project's own releases.
    Upstream,
    /// A wheel of a Python package index that holds a program.
    Wheel,
    /// A Python package index.
    Pypi,
}

/// A release in Debian's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebianRelease {
    /// The codename that the package URL names, e.g. `bookworm`.
    pub distro: String,
    /// The architecture that the build runs on, e.g. `amd64`.
    pub architecture: String,
    /// Suites whose indexes are asked, e.g. `bookworm-security`.
    pub suites: Vec<String>,
    /// Source package.
    pub source_package: String,
    /// Source version; differs from the release's version after a binary-only rebuild (binNMU).
    pub source_version: String,
    /// Binary packages to reproduce; the package URL names the first one.
    pub binaries: Vec<String>,
    /// Words of `DEB_BUILD_OPTIONS`, without `parallel=`, which belongs to the run.
    pub build_options: Vec<String>,
    /// Words of `DEB_BUILD_PROFILES`.
    pub build_profiles: Vec<String>,
}

impl Component {
    /// Reads one definition below `root`, the folder that holds `policies/`.
    pub fn load(root: &Path, name: &str) -> Result<Self, ComponentError> {
        let folder = root.join(COMPONENTS);
        let file = folder.join(name).join("component.toml");
        if !check::is_component_name(name) || !file.is_file() {
            let known = names(&folder).unwrap_or_default();
            return Err(ComponentError::Unknown { name: name.to_owned(), folder, known });
        }
        let text = read_bounded(&file)?;
        let shown = format!("{COMPONENTS}/{name}/component.toml");
        check::component(&shown, text, name, folder.join(name))
    }

    /// Reads all definitions below `root`, ordered by name.
    pub fn all(root: &Path) -> Result<Vec<Self>, ComponentError> {
        names(&root.join(COMPONENTS))?.iter().map(|name| Self::load(root, name)).collect()
    }

    /// Reads the definition and chooses the release that `text` names: `name` (its first release in that
    /// channel, or of all), `name@version`, or a package URL.
    pub fn find(
        root: &Path,
        text: &str,
        channel: Option<ChannelName>,
    ) -> Result<(Self, Release), ComponentError> {
        if text.starts_with("pkg:") {
            for component in Self::all(root)? {
                if let Some(release) = component.releases.iter().find(|r| r.purl.to_string() == text) {
                    let release = release.clone();
                    return Ok((component, release));
                }
            }
            let folder = root.join(COMPONENTS);
            let known = names(&folder)?;
            return Err(ComponentError::Unknown { name: text.to_owned(), folder, known });
        }
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let component = Self::load(root, name)?;
        let release = component.release_in(version, channel)?.clone();
        Ok((component, release))
    }

    /// The release of that version or package URL; the first one where none is named.
    pub fn release(&self, version: Option<&str>) -> Result<&Release, ComponentError> {
        self.release_in(version, None)
    }

    /// As [`Component::release`], among the releases of one channel.
    pub fn release_in(
        &self,
        version: Option<&str>,
        channel: Option<ChannelName>,
    ) -> Result<&Release, ComponentError> {
        let asked = version.unwrap_or_default();
        let fits = |r: &&Release| {
            channel.is_none_or(|c| r.channel.name() == c)
                && (version.is_none() || r.version == asked || r.purl.to_string() == asked)
        };
        let found: Vec<_> = self.releases.iter().filter(fits).collect();
        match (found.as_slice(), version) {
            ([one], _) | ([one, ..], None) => Ok(one),
            ([], _) => Err(ComponentError::UnknownRelease {
                component: self.name.clone(),
                asked: match channel {
                    None => asked.to_owned(),
                    Some(channel) => format!("{asked} in channel {channel}").trim_start().to_owned(),
                },
                known: self.releases.iter().map(|r| r.version.clone()).collect(),
            }),
            (many, Some(_)) => Err(ComponentError::AmbiguousRelease {
                component: self.name.clone(),
                asked: asked.to_owned(),
                purls: many.iter().map(|r| r.purl.to_string()).collect(),
            }),
        }
    }

    /// What names a release of it on the command line and no other one: `name@version`, or the package URL
    /// where several releases share a version.
    pub fn naming(&self, release: &Release) -> String {
        let by_version = format!("{}@{}", self.name, release.version);
        let alone = self.release(Some(&release.version)).is_ok_and(|found| found == release);
        if alone { by_version } else { release.purl.to_string() }
    }

    /// Where the release's lock lies: `<place>-<version>.lock.json` beside the definition, a `:` of the
    /// version written as `%3a`, as in Debian's file names. The place is Debian's codename, and in other
    /// channels their name with what tells artifacts of one version apart.
    pub fn lock_path(&self, release: &Release) -> PathBuf {
        let version = release.version.replace(':', "%3a");
        self.folder.join(format!("{}-{version}.lock.json", release.channel.place()))
    }

    /// Where the lock of what the release needs to run lies: as [`Component::lock_path`], with `runtime`
    /// for `lock`.
    pub fn runtime_lock_path(&self, release: &Release) -> PathBuf {
        let version = release.version.replace(':', "%3a");
        self.folder.join(format!("{}-{version}.runtime.json", release.channel.place()))
    }
}

impl Channel {
    /// Which channel.
    pub const fn name(&self) -> ChannelName {
        match self {
            Self::Debian(_) => ChannelName::Debian,
            Self::Npm(_) => ChannelName::Npm,
            Self::Upstream(_) => ChannelName::Upstream,
            Self::Wheel(_) => ChannelName::Wheel,
            Self::Pypi(_) => ChannelName::Pypi,
        }
    }

    /// The first part of a lock's file name.
    fn place(&self) -> String {
        match self {
            Self::Debian(debian) => debian.distro.clone(),
            Self::Npm(go) => {
                let name = go.artifact.rsplit_once('-').map_or(go.artifact.as_str(), |(name, _)| name);
                format!("npm-{name}")
            }
            Self::Upstream(go) => {
                let of = |key| go.recipe.env.get(key).map_or("", String::as_str);
                format!("upstream-{}-{}", of("GOOS"), of("GOARCH"))
            }
            Self::Wheel(wheel) => format!("wheel-{}", wheel.platform),
            Self::Pypi(_) => ChannelName::Pypi.word().to_owned(),
        }
    }
}

impl ChannelName {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Debian, Self::Npm, Self::Upstream, Self::Wheel, Self::Pypi];

    /// The word for it in files and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Npm => "npm",
            Self::Upstream => "upstream",
            Self::Wheel => "wheel",
            Self::Pypi => "pypi",
        }
    }
}

impl fmt::Display for Channel {
    /// As a report names it, e.g. `debian bookworm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian(debian) => write!(f, "debian {}", debian.distro),
            Self::Npm(_) | Self::Upstream(_) | Self::Wheel(_) | Self::Pypi(_) => self.name().fmt(f),
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for ChannelName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|c| c.word() == text).copied().ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|c| c.word()).collect();
            format!("expected one of {}", known.join(", "))
        })
    }
}

impl Release {
    /// What is Debian's about it.
    pub fn debian(&self) -> Option<&DebianRelease> {
        match &self.channel {
            Channel::Debian(debian) => Some(debian),
            Channel::Npm(_) | Channel::Upstream(_) | Channel::Wheel(_) | Channel::Pypi(_) => None,
        }
    }

    /// What Go builds of it.
    pub fn go(&self) -> Option<&GoRelease> {
        match &self.channel {
            Channel::Npm(go) | Channel::Upstream(go) => Some(go),
            Channel::Wheel(wheel) => Some(&wheel.go),
            Channel::Debian(_) | Channel::Pypi(_) => None,
        }
    }

    /// Whether Debian's archives are asked for it: for its packages, for the interpreter that builds it, or for
    /// the programs that prepare its source.
    pub fn asks_debian(&self) -> bool {
        self.go().is_none_or(|go| go.recipe.prepare.is_some())
    }

    /// What a Python package index needs to know about it.
    pub fn pypi(&self) -> Option<&PypiRelease> {
        match &self.channel {
            Channel::Pypi(pypi) => Some(pypi),
            Channel::Npm(_) | Channel::Upstream(_) | Channel::Wheel(_) => None,
            Channel::Debian(_) => None,
        }
    }
}

fn names(folder: &Path) -> Result<Vec<String>, ComponentError> {
    let failed = |source| ComponentError::Read { path: folder.to_path_buf(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join("component.toml").is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_bounded(path: &Path) -> Result<String, ComponentError> {
    let failed = |source| ComponentError::Read { path: path.to_path_buf(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(DEFINITION_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > DEFINITION_BYTES_MAX {
        return Err(ComponentError::TooLarge { path: path.to_path_buf(), bytes_max: DEFINITION_BYTES_MAX });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_definition_of_the_project_is_read() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let all = Component::all(root).unwrap();
        assert!(all.iter().any(|c| c.name == "prometheus"));
        for component in all {
            for release in &component.releases {
                let (found, same) = Component::find(root, &release.purl.to_string(), None).unwrap();
                assert_eq!((&found, &same), (&component, release));
                let by_version = format!("{}@{}", component.name, release.version);
                let found = Component::find(root, &by_version, None);
                let named = component.naming(release);
                assert_eq!(&Component::find(root, &named, None).unwrap().1, release);
                // A version for several architectures is named by its package URL.
                match component.releases.iter().filter(|r| r.version == release.version).count() {
                    1 => assert_eq!(&found.unwrap().1, release),
                    _ => assert!(matches!(found, Err(ComponentError::AmbiguousRelease { .. }))),
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_is_refused_and_never_leaves_the_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for bad in ["", "no-such", "../hello", "/etc", "hello/../hello", "pkg:deb/debian/no@1?arch=amd64"] {
            let error = Component::find(root, bad, None).unwrap_err();
            assert!(matches!(error, ComponentError::Unknown { .. }), "{bad}: {error}");
        }
    }
}
