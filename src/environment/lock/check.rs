//! Reading a lock: its file may have been tampered with, and every value ends up in a path, a URL, an
//! argument vector or an environment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use super::{LOCK_SCHEMA, Lock, LockError, LockedFile, LockedIndex, LockedPackage};
use crate::artifact::ArtifactName;
use crate::component::{Component, PackageUrl, Release};
use crate::digest::Algorithm;
use crate::limits::debian::LOCK_BYTES_MAX;
use crate::observation::Observation;
use crate::source::debian::{Archive, is_archive_path};

/// Below which a build's folder lies in the sandbox.
const BUILD_ROOT: &str = "/build/";

/// Reads and checks a lock. `component` is only named in the remedy where there is none.
pub fn read(path: &Path, component: &str) -> Result<Lock, LockError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => {
            LockError::Missing { path: path.to_path_buf(), component: component.to_owned() }
        }
        _ => LockError::Read { path: path.to_path_buf(), source },
    };
    let (name, bytes) = bytes_of(path).map_err(failed)?;
    parse(&name, &bytes)
}

/// A file's name and its bytes, at most one more than a lock may have.
pub(in crate::environment) fn bytes_of(path: &Path) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(LOCK_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Ok((name, bytes))
}

/// Reads and checks the lock of a release, from its place beside the component's definition; refuses one
/// that was written for another release or from another source.
pub fn of_release(component: &Component, release: &Release) -> Result<Lock, LockError> {
    let path = component.lock_path(release);
    let lock = read(&path, &component.name)?;
    let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(debian) = release.debian() else {
        let (found, expected) = (release.channel.name().to_string(), "debian".to_owned());
        return Err(LockError::OtherRelease { file, found, expected });
    };
    let source = (debian.source_package.as_str(), debian.source_version.as_str());
    for (found, expected) in [
        (lock.component.as_str(), component.name.as_str()),
        (&lock.purl, &release.purl.to_string()),
        (&lock.source.name, source.0),
        (&lock.source.version, source.1),
    ] {
        if found != expected {
            let (found, expected) = (found.to_owned(), expected.to_owned());
            return Err(LockError::OtherRelease { file, found, expected });
        }
    }
    Ok(lock)
}

/// Checks a lock's bytes; `file` is its name in messages.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Lock, LockError> {
    if bytes.len() as u64 > LOCK_BYTES_MAX {
        return Err(LockError::TooLarge { file: file.to_owned(), bytes_max: LOCK_BYTES_MAX });
    }
    let lock: Lock = serde_json::from_slice(bytes)
        .map_err(|source| LockError::Schema { file: file.to_owned(), source })?;
    if lock.schema != LOCK_SCHEMA {
        let (found, expected) = (lock.schema, LOCK_SCHEMA);
        return Err(LockError::SchemaNumber { file: file.to_owned(), found, expected });
    }
    Checked { file }.lock(&lock)?;
    Ok(lock)
}

/// Reads a lock of any channel, and checks nothing in it.
pub(in crate::environment) fn from_bytes<T: serde::de::DeserializeOwned>(
    file: &str,
    bytes: &[u8],
) -> Result<T, LockError> {
    if bytes.len() as u64 > LOCK_BYTES_MAX {
        return Err(LockError::TooLarge { file: file.to_owned(), bytes_max: LOCK_BYTES_MAX });
    }
    serde_json::from_slice(bytes).map_err(|source| LockError::Schema { file: file.to_owned(), source })
}

pub(in crate::environment) struct Checked<'a> {
    pub(in crate::environment) file: &'a str,
}

impl Checked<'_> {
    pub(in crate::environment) fn require(
        &self,
        fits: bool,
        at: impl Into<String>,
        found: &str,
        expected: &'static str,
    ) -> Result<(), LockError> {
        if fits {
            return Ok(());
        }
        let found = found.chars().take(200).collect();
        Err(LockError::Value { file: self.file.to_owned(), at: at.into(), found, expected })
    }

    fn lock(&self, lock: &Lock) -> Result<(), LockError> {
        self.head(&lock.component, &lock.purl, &lock.indexes)?;
        self.files("source.files", &lock.source.files)?;
        let name = &lock.source.name;
        self.require(is_package_name(name), "`source.name`", name, "a source package's name")?;
        let version = &lock.source.version;
        self.require(is_version(version), "`source.version`", version, "a Debian version")?;
        let descriptions = lock.source.files.iter().filter(|f| f.name.ends_with(".dsc")).count();
        let count = descriptions.to_string();
        self.require(descriptions == 1, "the number of `.dsc` files in `source`", &count, "one")?;
        self.files("published", &lock.published)?;
        let count = lock.published.len().to_string();
        self.require(
            !lock.published.is_empty(),
            "the number of files in `published`",
            &count,
            "at least one",
        )?;
        self.packages(&lock.packages, &lock.build.architecture)?;
        self.build(lock)
    }

    /// Of which release, and who vouched for it.
    pub(in crate::environment) fn head(
        &self,
        component: &str,
        purl: &str,
        indexes: &[LockedIndex],
    ) -> Result<(), LockError> {
        self.require(
            is_package_name(component),
            "`component`",
            component,
            "lower-case letters, digits, `+`, `-` and `.`",
        )?;
        let parsed = purl.parse::<PackageUrl>();
        self.require(parsed.is_ok(), "`purl`", purl, "a package URL in its canonical spelling")?;
        for index in indexes {
            self.require(
                is_package_name(&index.suite),
                "a suite in `indexes`",
                &index.suite,
                "a suite's name",
            )?;
            let date = index.date.parse::<jiff::Timestamp>();
            self.require(date.is_ok(), "a date in `indexes`", &index.date, "a time as in RFC 3339")?;
        }
        Ok(())
    }

    fn files(&self, at: &str, files: &[LockedFile]) -> Result<(), LockError> {
        let mut names = BTreeSet::new();
        for file in files {
            let name = ArtifactName::new(file.name.as_str());
            self.require(name.is_ok(), format!("a name in `{at}`"), &file.name, "a plain file name")?;
            let once = names.insert(file.name.as_str());
            self.require(once, format!("a name in `{at}`"), &file.name, "each name once")?;
            let last = file.path.rsplit('/').next();
            self.require(
                last == Some(&file.name),
                format!("the path of `{}`", file.name),
                &file.path,
                "a path that ends in the file's name",
            )?;
            self.file(at, &file.name, file)?;
        }
        Ok(())
    }

    fn file(&self, at: &str, name: &str, file: &LockedFile) -> Result<(), LockError> {
        self.require(
            is_archive_path(&file.path),
            format!("the path of `{}` in `{at}`", name.escape_debug()),
            &file.path,
            "a relative path of plain segments",
        )?;
        self.require(
            Archive::of_name(&file.archive).is_some(),
            format!("the archive of `{}` in `{at}`", name.escape_debug()),
            &file.archive,
            "`debian` or `debian-security`",
        )?;
        self.require(
            file.digest.algorithm() == Algorithm::Sha256,
            format!("the digest of `{}` in `{at}`", name.escape_debug()),
            &file.digest.to_string(),
            "a SHA-256 digest",
        )
    }

    pub(in crate::environment) fn packages(
        &self,
        packages: &[LockedPackage],
        architecture: &str,
    ) -> Result<(), LockError> {
        let count = packages.len().to_string();
        self.require(!packages.is_empty(), "the number of `packages`", &count, "at least one")?;
        let mut before: Option<(&str, &str)> = None;
        for package in packages {
            let name = &package.name;
            self.require(is_package_name(name), "a name in `packages`", name, "a package's name")?;
            self.require(
                is_version(&package.version),
                format!("the version of `{name}`"),
                &package.version,
                "a Debian version",
            )?;
            self.require(
                package.architecture == architecture || package.architecture == "all",
                format!("the architecture of `{name}`"),
                &package.architecture,
                "the build's architecture or `all`",
            )?;
            let key = (name.as_str(), package.architecture.as_str());
            self.require(
                before.is_none_or(|b| b < key),
                "a name in `packages`",
                name,
                "each package once, ordered by name and architecture",
            )?;
            before = Some(key);
            self.file("packages", name, &package.locked_file())?;
        }
        Ok(())
    }

    fn build(&self, lock: &Lock) -> Result<(), LockError> {
        let build = &lock.build;
        let below = build.path.strip_prefix(BUILD_ROOT).unwrap_or_default();
        self.require(
            is_archive_path(below),
            "`build.path`",
            &build.path,
            "an absolute folder of plain segments below `/build`",
        )?;
        let architecture = &build.architecture;
        self.require(is_package_name(architecture), "`build.architecture`", architecture, "e.g. `amd64`")?;
        self.env(&build.env)?;
        let count = build.commands.len().to_string();
        self.require(!build.commands.is_empty(), "the number of `build.commands`", &count, "at least one")?;
        for command in &build.commands {
            let shown = command.join(" ");
            let fits = command.first().is_some_and(|c| !c.is_empty()) && !shown.contains('\0');
            self.require(fits, "a command in `build.commands`", &shown, "a program and its arguments")?;
        }
        let mut expected: Vec<&str> = build.expected.iter().map(String::as_str).collect();
        let mut published: Vec<&str> = lock.published.iter().map(|f| f.name.as_str()).collect();
        expected.sort_unstable();
        published.sort_unstable();
        self.require(
            expected == published,
            "`build.expected`",
            &build.expected.join(", "),
            "the names of the published files",
        )?;
        self.observations(&lock.observations)
    }

    /// An environment.
    pub(in crate::environment) fn env(&self, env: &BTreeMap<String, String>) -> Result<(), LockError> {
        let plain = |name: &str| {
            !name.is_empty()
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        for (name, value) in env {
            self.require(plain(name), "a name in `build.env`", name, "letters, digits and `_`")?;
            let fits = !value.chars().any(char::is_control);
            self.require(fits, format!("`build.env.{name}`"), value, "no control characters")?;
        }
        Ok(())
    }

    /// Observations.
    pub(in crate::environment) fn observations(&self, all: &[Observation]) -> Result<(), LockError> {
        for observation in all {
            let name = &observation.name;
            let fits = !name.is_empty() && !name.chars().any(char::is_control);
            self.require(fits, "a name in `observations`", name, "a name without control characters")?;
        }
        Ok(())
    }
}

/// Debian policy 5.6.1; also fits suites and architectures.
pub(in crate::environment) fn is_package_name(text: &str) -> bool {
    (2..=200).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c))
}

/// Debian policy 5.6.12, the letters only.
fn is_version(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".+-~:".contains(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{BuildDefinition, LockedPath, LockedSource};
    use super::*;
    use crate::digest::Digest;

    fn file(name: &str) -> LockedFile {
        LockedFile {
            name: name.into(),
            archive: "debian".into(),
            path: format!("pool/main/h/hello/{name}"),
            size: 3,
            digest: Digest::sha256(name.as_bytes()),
        }
    }

    fn package(name: &str) -> LockedPackage {
        let LockedFile { archive, path, size, digest, .. } = file(&format!("{name}_1_all.deb"));
        LockedPackage {
            name: name.into(),
            version: "1".into(),
            architecture: "all".into(),
            file: LockedPath { archive, path, size, digest },
        }
    }

    fn lock() -> Lock {
        Lock {
            schema: LOCK_SCHEMA,
            component: "hello".into(),
            purl: "pkg:deb/debian/hello@2.10-3?arch=amd64&distro=bookworm".into(),
            indexes: vec![LockedIndex {
                suite: "bookworm".into(),
                digest: Digest::sha256(b"index"),
                date: "2026-07-11T10:16:37Z".into(),
                signed_by: vec!["ABCD".into()],
            }],
            source: LockedSource {
                name: "hello".into(),
                version: "2.10-3".into(),
                files: vec![file("hello_2.10-3.dsc"), file("hello_2.10.orig.tar.gz")],
            },
            published: vec![file("hello_2.10-3_amd64.deb")],
            packages: vec![package("adduser"), package("bash")],
            build: BuildDefinition {
                architecture: "amd64".into(),
                path: "/build/reproducible-path/hello-2.10".into(),
                source_date_epoch: 1,
                env: BTreeMap::from([("LC_ALL".into(), "C.UTF-8".into())]),
                commands: vec![vec!["dpkg-buildpackage".into()]],
                expected: vec!["hello_2.10-3_amd64.deb".into()],
            },
            observations: vec![Observation {
                name: super::super::BINNMU_ENTRY.into(),
                value: "hello (1) x\n".into(),
                read_from: "hello".into(),
                effect: "text".into(),
            }],
        }
    }

    #[test]
    fn what_was_written_is_read_and_has_one_package_a_line() {
        let bytes = lock().to_bytes().unwrap();
        assert_eq!(parse("l", &bytes).unwrap(), lock());
        assert_eq!(lock().binnmu_entry(), Some("hello (1) x\n"));
        let text = String::from_utf8(bytes).unwrap();
        let row = text.lines().find(|l| l.contains("\"adduser\"")).unwrap();
        assert!(
            row.starts_with("    {\"name\": \"adduser\", \"version\": \"1\"") && row.ends_with("},"),
            "{row}"
        );
        assert!(text.starts_with("{\n  \"schema\": 1,\n  \"component\": \"hello\",\n"), "{text}");
    }

    #[test]
    fn unknown_keys_are_refused_at_every_level() {
        let text = String::from_utf8(lock().to_bytes().unwrap()).unwrap();
        for key in [
            "\"component\"",
            "\"suite\"",
            "\"name\": \"hello\"",
            "\"name\": \"adduser\"",
            "\"name\": \"hello_2.10-3.dsc\"",
            "\"architecture\": \"amd64\"",
            "\"name\": \"binnmu",
        ] {
            let changed = text.replacen(key, &format!("\"surplus\": 1, {key}"), 1);
            assert_ne!(changed, text);
            let error = parse("l", changed.as_bytes()).unwrap_err();
            assert!(matches!(error, LockError::Schema { .. }), "{key}: {error}");
        }
        let other = text.replacen("\"schema\": 1", "\"schema\": 2", 1);
        assert!(matches!(parse("l", other.as_bytes()), Err(LockError::SchemaNumber { found: 2, .. })));
        assert!(parse("l", text.get(..text.len() / 2).unwrap().as_bytes()).is_err());
    }

    #[test]
    fn a_lock_of_another_release_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let purl = lock().purl.parse::<PackageUrl>().unwrap();
        let release = Release {
            version: "2.10-3".into(),
            purl,
            channel: crate::component::Channel::Debian(crate::component::DebianRelease {
                distro: "bookworm".into(),
                architecture: "amd64".into(),
                suites: vec!["bookworm".into()],
                source_package: "hello".into(),
                source_version: "2.10-3".into(),
                binaries: vec!["hello".into()],
                build_options: Vec::new(),
                build_profiles: Vec::new(),
            }),
        };
        let component = Component {
            name: "hello".into(),
            summary: "x".into(),
            releases: vec![release.clone()],
            folder: folder.path().to_path_buf(),
        };
        let missing = of_release(&component, &release);
        assert!(matches!(missing, Err(LockError::Missing { .. })), "{missing:?}");
        lock().write(&component.lock_path(&release)).unwrap();
        assert_eq!(of_release(&component, &release).unwrap(), lock());
        let mut other = lock();
        other.source.version = "2.10-4".into();
        other.write(&component.lock_path(&release)).unwrap();
        let error = of_release(&component, &release).unwrap_err();
        assert_eq!(error.to_string(), "`bookworm-2.10-3.lock.json` locks `2.10-4`, expected `2.10-3`");
    }

    #[test]
    fn a_tampered_lock_is_refused() {
        type Change = fn(&mut Lock);
        let cases: [(&str, Change); 22] = [
            ("`component`", |l| l.component = "../x".into()),
            ("`purl`", |l| l.purl = "hello".into()),
            ("a suite in `indexes`", |l| l.indexes[0].suite = "a/b".into()),
            ("a date in `indexes`", |l| l.indexes[0].date = "yesterday".into()),
            ("a name in `source.files`", |l| l.source.files[0].name = "../a.dsc".into()),
            ("a name in `source.files`", |l| l.source.files[1] = l.source.files[0].clone()),
            ("the number of `.dsc`", |l| l.source.files.truncate(0)),
            ("the path of", |l| l.source.files[0].path = "pool/other.dsc".into()),
            ("the path of", |l| l.published[0].path = format!("../{}", l.published[0].name)),
            ("the path of", |l| l.published[0].path = format!("/{}", l.published[0].name)),
            ("the archive of", |l| l.published[0].archive = "elsewhere".into()),
            ("the digest of", |l| l.published[0].digest = Digest::of(Algorithm::Sha512, b"x")),
            ("the number of files in `published`", |l| l.published.clear()),
            ("the path of `bash`", |l| l.packages[1].file.path = "pool/../../x".into()),
            ("the architecture of `bash`", |l| l.packages[1].architecture = "i386".into()),
            ("a name in `packages`", |l| l.packages[1] = l.packages[0].clone()),
            ("a name in `packages`", |l| l.packages.swap(0, 1)),
            ("`build.path`", |l| l.build.path = "/build/../etc".into()),
            ("`build.path`", |l| l.build.path = "/etc".into()),
            ("a name in `build.env`", |l| drop(l.build.env.insert("A=B".into(), String::new()))),
            ("a command", |l| l.build.commands = vec![Vec::new()]),
            ("`build.expected`", |l| l.build.expected.clear()),
        ];
        for (place, change) in cases {
            let mut tampered = lock();
            change(&mut tampered);
            match parse("l", &tampered.to_bytes().unwrap()) {
                Err(LockError::Value { at, .. }) => assert!(at.starts_with(place), "{at}, expected {place}"),
                other => panic!("{place}: {other:?}"),
            }
        }
    }
}
