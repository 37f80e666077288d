//! Build environments of Debian packages: resolved once with the host's apt into a lock, then obtained
//! from the lock alone.
//!
//! # How a release is resolved
//!
//! 1. The signed indexes of the release's suites are verified and expanded.
//! 2. The source package and the published binary packages are found in them, in the very versions that
//!    the definition names.
//! 3. apt chooses the packages that satisfy the build dependencies, together with what every builder of
//!    Debian has: all essential packages, `build-essential`, `apt` and `fakeroot`. Packages of a source
//!    that `Built-Using` names in another version are pinned to that version where an index still has it.
//! 4. The build is dated by the source's changelog. After a binary-only rebuild (binNMU) the entry that
//!    dates it exists in the published package alone, and becomes an observation.
//!
//! # What it does not establish
//!
//! That the publisher built with these packages: an index holds one version of each, and may have moved
//! on since. `Built-Using` is compared, and told, because it is the publisher's own word on it.

mod acquire;
mod apt;
mod built_using;
mod changelog;
mod confirm;
mod error;
mod packages;
mod runtime;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use acquire::{acquire, acquire_published};
pub use confirm::{Confirmation, confirm, confirm_packages};
pub use error::EnvironmentError;
pub use packages::{PackageRequest, acquire_packages, resolve_packages};
pub use runtime::{acquire_runtime, resolve_runtime};

use crate::component::{DebianRelease, Release};
use crate::environment::lock::{
    BINNMU_ENTRY, BuildDefinition, LOCK_SCHEMA, Lock, LockedIndex, LockedPackage, LockedPath,
};
use crate::event::{Event, Stage};
use crate::observation::Observation;
use crate::source::debian::deb822::{Reader, Stanza};
use crate::source::debian::{
    Access, BinaryRecord, IndexKind, LockedFile, Offered, SignedIndex, SourceRecord, fetch_files,
    find_source, signed_index,
};
use crate::verify::openpgp::Keyring;
use apt::{Apt, Chosen, Scope};
use changelog::Entry;

/// What a builder of Debian has besides the essential packages: the buildd variant of debootstrap's and
/// mmdebstrap's, and `fakeroot`, through which `dpkg-buildpackage` makes archives owned by root.
const BUILDER_PACKAGES: [&str; 3] = ["build-essential", "apt", "fakeroot"];

/// Where sources lie in the sandbox: the path that Debian's reproducible builds use as well.
const BUILD_FOLDER: &str = "/build/reproducible-path";

/// What is to be resolved, and with what.
#[derive(Debug, Clone, Copy)]
pub struct ResolveRequest<'a> {
    /// The component's name.
    pub component: &'a str,
    /// The release, and what Debian's channel says of it.
    pub release: &'a Release,
    /// See [`Release::debian`].
    pub debian: &'a DebianRelease,
    /// Keys that vouch for indexes.
    pub archive_keyring: &'a Keyring,
    /// The time at which signatures and indexes must be valid.
    pub as_of: Timestamp,
    /// The program, e.g. `apt-get`, looked up in the caller's `PATH` if it is a bare name.
    pub apt_get: &'a Path,
    /// An existing folder for scratch files; 300 MiB are needed, nothing is left there.
    pub scratch: &'a Path,
}

/// Resolves a release into a lock. Asks the archive for indexes, for the source's packaging (for its
/// changelog) and after a binary-only rebuild for the first published package; runs the host's apt.
pub fn resolve(access: &Access<'_>, request: &ResolveRequest<'_>) -> Result<Lock, EnvironmentError> {
    let debian = request.debian;
    let started = Event::Started { stage: Stage::Environment, what: &request.release.purl.to_string() };
    access.observer.event(&started);
    let mut indexes = Vec::new();
    for suite in &debian.suites {
        indexes.push(signed_index(access, suite, request.archive_keyring, request.as_of)?);
    }
    let source = find_source(access, &indexes, &debian.source_package, &debian.source_version)?;
    let folder = tempfile::Builder::new()
        .prefix("resolve-")
        .tempdir_in(request.scratch)
        .map_err(EnvironmentError::scratch("make a folder in", request.scratch))?;
    let lists = Lists::expand(access, &indexes, &debian.architecture, folder.path())?;
    let (essential, published) = lists.essential_and_published(request)?;
    let apt = Apt::new(
        request.apt_get,
        folder.path(),
        indexes.len(),
        &debian.architecture,
        &debian.build_profiles,
        &access.limits,
    )?;
    let needs = Needs { source: &source, essential, scope: scope(&published, debian) };
    let named = built_using::named(&published);
    let (mut chosen, listed) = lists.records(&apt.build_dependencies(&needs.fields(&[]), needs.scope)?)?;
    let mut pins = built_using::pins(&named, &chosen, &listed);
    if !pins.is_empty() {
        match apt.build_dependencies(&needs.fields(&pins), needs.scope) {
            Ok(pinned) => chosen = lists.records(&pinned)?.0,
            Err(EnvironmentError::Unsatisfiable { said }) => {
                let text = format!("`Built-Using` cannot be followed, apt finds no solution: {said}");
                access.observer.event(&Event::Note { stage: Stage::Environment, text: &text });
                pins.clear();
            }
            Err(e) => return Err(e),
        }
    }
    let (date, mut observations) = dated(access, request, &source, &published)?;
    observations.extend(built_using::observation(&named, &chosen, &published, &pins));
    let what = format!("{} packages", chosen.len());
    access.observer.event(&Event::Finished { stage: Stage::Environment, what: &what });
    Ok(Lock {
        schema: LOCK_SCHEMA,
        component: request.component.to_owned(),
        purl: request.release.purl.to_string(),
        indexes: indexes.iter().map(locked_index).collect(),
        build: build_definition(debian, &source, &published, needs.scope, date),
        source: source.source,
        published: published.into_iter().map(|p| p.file).collect(),
        packages: chosen.into_iter().map(locked_package).collect(),
        observations,
    })
}

/// What the build needs of apt.
struct Needs<'a> {
    source: &'a SourceRecord,
    essential: BTreeSet<String>,
    scope: Scope,
}

impl Needs<'_> {
    /// The source's relation fields, with what every builder has, and pins, before `Build-Depends`.
    fn fields(&self, pins: &[String]) -> Vec<(&'static str, String)> {
        let mut always: Vec<&str> = self.essential.iter().map(String::as_str).collect();
        always.extend(BUILDER_PACKAGES);
        always.extend(pins.iter().map(String::as_str));
        let mut fields = self.source.relations.clone();
        let always = always.join(", ");
        match fields.iter_mut().find(|(field, _)| *field == "Build-Depends") {
            Some((_, value)) => *value = format!("{always}, {value}"),
            None => fields.push(("Build-Depends", always)),
        }
        fields
    }
}

fn scope(published: &[BinaryRecord], debian: &DebianRelease) -> Scope {
    let all = published.iter().any(|p| p.architecture == "all");
    let arch = published.iter().any(|p| p.architecture == debian.architecture);
    match (arch, all) {
        (true, true) => Scope::Both,
        (false, true) => Scope::Indep,
        _ => Scope::Arch,
    }
}

/// The expanded `Packages` of each index, on disk.
struct Lists {
    files: Vec<(PathBuf, SignedIndex)>,
    limits: crate::limits::debian::DebianLimits,
}

impl Lists {
    /// Writes `index-<n>/Packages` for each index. Only whole and authentic bytes are left there.
    fn expand(
        access: &Access<'_>,
        indexes: &[SignedIndex],
        architecture: &str,
        folder: &Path,
    ) -> Result<Self, EnvironmentError> {
        let mut files = Vec::new();
        for (n, index) in indexes.iter().enumerate() {
            let kind = IndexKind::Packages { architecture };
            let mut reader = index.open(access, kind)?;
            let folder = folder.join(format!("index-{n}"));
            std::fs::create_dir(&folder).map_err(EnvironmentError::scratch("make", &folder))?;
            let path = folder.join("Packages");
            let written =
                File::create(&path).and_then(|mut file| std::io::copy(&mut reader, &mut file).map(drop));
            written.map_err(EnvironmentError::scratch("expand an index to", &path))?;
            files.push((path, index.clone()));
        }
        Ok(Self { files, limits: access.limits })
    }

    /// Calls `take` for each stanza of each list, with the list's name and index.
    fn each(
        &self,
        mut take: impl FnMut(&Stanza<'_>, &SignedIndex, &str) -> Result<(), EnvironmentError>,
    ) -> Result<(), EnvironmentError> {
        for (path, index) in &self.files {
            let what = format!("{}/Packages", index.suite);
            let file = File::open(path).map_err(EnvironmentError::scratch("open", path))?;
            let mut reader = Reader::new(BufReader::with_capacity(256 << 10, file), &self.limits);
            loop {
                match reader.next_stanza() {
                    Ok(Some(stanza)) => take(&stanza, index, &what)?,
                    Ok(None) => break,
                    Err(e) => return Err(EnvironmentError::stanza(&what)(e)),
                }
            }
        }
        Ok(())
    }

    /// Names of the essential packages, and the published packages in the definition's order.
    fn essential_and_published(
        &self,
        request: &ResolveRequest<'_>,
    ) -> Result<(BTreeSet<String>, Vec<BinaryRecord>), EnvironmentError> {
        let debian = request.debian;
        let mut essential = BTreeSet::new();
        let mut listed: BTreeMap<String, Vec<(String, BinaryRecord)>> = BTreeMap::new();
        self.each(|stanza, index, what| {
            let name = stanza.get("Package").unwrap_or_default();
            if stanza.get("Essential") == Some("yes") {
                essential.insert(name.to_owned());
            }
            if debian.binaries.iter().any(|b| b == name) {
                let record = BinaryRecord::of(stanza, index.archive, what)?;
                listed.entry(name.to_owned()).or_default().push((index.suite.clone(), record));
            }
            Ok(())
        })?;
        let mut published = Vec::new();
        for (n, name) in debian.binaries.iter().enumerate() {
            let candidates = listed.remove(name).unwrap_or_default();
            let of_source = |r: &BinaryRecord| {
                r.source == debian.source_package && r.source_version == debian.source_version
            };
            let of_release = |r: &BinaryRecord| of_source(r) && r.version == request.release.version;
            // Other packages of one source may have versions of their own; the first may not.
            let found = candidates
                .iter()
                .find(|(_, r)| of_release(r))
                .or_else(|| candidates.iter().find(|(_, r)| n > 0 && of_source(r)));
            let Some((_, record)) = found else {
                return Err(EnvironmentError::PublishedNotListed {
                    name: name.clone(),
                    expected: format!(
                        "{} of source {} {}",
                        request.release.version, debian.source_package, debian.source_version
                    ),
                    suites: debian.suites.clone(),
                    found: candidates
                        .iter()
                        .map(|(suite, r)| format!("`{}` in {suite}", r.version))
                        .collect(),
                });
            };
            published.push(record.clone());
        }
        Ok((essential, published))
    }

    /// The index's records of what apt chose, ordered by name and architecture, and all records of
    /// packages of these names.
    fn records(&self, chosen: &[Chosen]) -> Result<(Vec<BinaryRecord>, Vec<BinaryRecord>), EnvironmentError> {
        let names: BTreeSet<&str> = chosen.iter().map(|c| c.name.as_str()).collect();
        let mut listed: Vec<BinaryRecord> = Vec::new();
        self.each(|stanza, index, what| {
            if names.contains(stanza.get("Package").unwrap_or_default()) {
                listed.push(BinaryRecord::of(stanza, index.archive, what)?);
            }
            Ok(())
        })?;
        let mut by_key: BTreeMap<(&str, &str, &str), &BinaryRecord> = BTreeMap::new();
        for record in &listed {
            let key = (record.name.as_str(), record.version.as_str(), record.architecture.as_str());
            // The first suite of the definition that has it serves it.
            let first = by_key.entry(key).or_insert(record);
            if first.file.digest != record.file.digest {
                return Err(EnvironmentError::IndexConflict {
                    package: record.name.clone(),
                    version: record.version.clone(),
                });
            }
        }
        let mut records = BTreeMap::new();
        for c in chosen {
            let key = (c.name.as_str(), c.version.as_str(), c.architecture.as_str());
            let record = by_key.get(&key).ok_or_else(|| EnvironmentError::NotInIndex {
                package: c.name.clone(),
                version: c.version.clone(),
                architecture: c.architecture.clone(),
            })?;
            records.insert((c.name.clone(), c.architecture.clone()), (*record).clone());
        }
        Ok((records.into_values().collect(), listed))
    }
}

/// When the release was built, by its changelog, and what had to be observed for that.
fn dated(
    access: &Access<'_>,
    request: &ResolveRequest<'_>,
    source: &SourceRecord,
    published: &[BinaryRecord],
) -> Result<(Timestamp, Vec<Observation>), EnvironmentError> {
    let debian = request.debian;
    let binnmu = request
        .release
        .version
        .strip_prefix(&debian.source_version)
        .and_then(|rest| rest.strip_prefix("+b"))
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if !binnmu && let Some(date) = date_of_source(access, source)? {
        return Ok((date, Vec::new()));
    }
    let Some(first) = published.first() else {
        return Err(changelog_error(&source.source.name, "no package is published"));
    };
    let deb = &first.file;
    let object = match fetch_files(access, std::slice::from_ref(deb), Stage::Environment)? {
        Offered::All(objects) => objects.into_iter().next(),
        Offered::Missing(_) => None,
    };
    let object =
        object.ok_or_else(|| changelog_error(&deb.path, "the published package is no longer offered"))?;
    let doc = format!("usr/share/doc/{}", first.name);
    let wanted = match binnmu {
        true => vec![format!("{doc}/changelog.Debian.{}.gz", debian.architecture)],
        false => vec![format!("{doc}/changelog.Debian.gz"), format!("{doc}/changelog.gz")],
    };
    let text = changelog::from_deb(&object, &deb.name, &wanted, &access.limits)?;
    let text =
        text.ok_or_else(|| changelog_error(&deb.name, &format!("it has no `{}`", wanted.join("` or `"))))?;
    let entry = Entry::first(&text, &deb.name, &access.limits)?;
    let version = if binnmu { &request.release.version } else { &debian.source_version };
    if entry.source != debian.source_package || entry.version != *version {
        let found =
            format!("its changelog begins with {} {}, expected {version}", entry.source, entry.version);
        return Err(changelog_error(&deb.name, &found));
    }
    let read_from = format!("{}: {}", deb.name, wanted.join(" or "));
    let observation = if binnmu {
        Observation {
            name: BINNMU_ENTRY.to_owned(),
            value: entry.text.clone(),
            read_from,
            effect: "put before the source's changelog: decides the version, the clock of the build and \
                     the changelog in the packages"
                .to_owned(),
        }
    } else {
        Observation {
            name: "changelog-date".to_owned(),
            value: entry.date.to_string(),
            read_from,
            effect: "stands for the date of the source's changelog, which is not to be had".to_owned(),
        }
    };
    Ok((entry.date, vec![observation]))
}

/// The date of the source's own changelog; `None` where its packaging is not to be had or holds it in a
/// form that is not an archive (source format 1.0).
fn date_of_source(access: &Access<'_>, source: &SourceRecord) -> Result<Option<Timestamp>, EnvironmentError> {
    let native = source.format.contains("native");
    let holds = |f: &&LockedFile| match native {
        true => f.name.contains(".tar."),
        false => f.name.contains(".debian.tar."),
    };
    let signature = |f: &LockedFile| f.name.ends_with(".asc") || f.name.ends_with(".sig");
    let Some(file) = source.source.files.iter().filter(|f| !signature(f)).find(holds) else {
        return Ok(None);
    };
    let Offered::All(objects) = fetch_files(access, std::slice::from_ref(file), Stage::Environment)? else {
        return Ok(None);
    };
    let Some(object) = objects.first() else { return Ok(None) };
    let wanted = ["debian/changelog".to_owned(), "*/debian/changelog".to_owned()];
    let text = changelog::from_tar(object, &file.name, &wanted, &access.limits)?;
    let text = text.ok_or_else(|| changelog_error(&file.name, "it has no `debian/changelog`"))?;
    let entry = Entry::first(&text, &file.name, &access.limits)?;
    if entry.source != source.source.name || entry.version != source.source.version {
        let found = format!(
            "its changelog begins with {} {}, expected {}",
            entry.source, entry.version, source.source.version
        );
        return Err(changelog_error(&file.name, &found));
    }
    Ok(Some(entry.date))
}

fn changelog_error(file: &str, detail: &str) -> EnvironmentError {
    EnvironmentError::Changelog { file: file.to_owned(), detail: detail.to_owned() }
}

fn build_definition(
    debian: &DebianRelease,
    source: &SourceRecord,
    published: &[BinaryRecord],
    scope: Scope,
    date: Timestamp,
) -> BuildDefinition {
    let mut env = BTreeMap::from([
        ("DEB_BUILD_OPTIONS".to_owned(), debian.build_options.join(" ")),
        ("HOME".to_owned(), "/nonexistent".to_owned()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ("PATH".to_owned(), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
    ]);
    if !debian.build_profiles.is_empty() {
        env.insert("DEB_BUILD_PROFILES".to_owned(), debian.build_profiles.join(" "));
    }
    let which = match scope {
        Scope::Arch => "-B",
        Scope::Indep => "-A",
        Scope::Both => "-b",
    };
    let command = ["dpkg-buildpackage", "-us", "-uc", which, "-rfakeroot"];
    BuildDefinition {
        architecture: debian.architecture.clone(),
        path: format!("{BUILD_FOLDER}/{}-{}", source.source.name, upstream_version(&source.source.version)),
        source_date_epoch: date.as_second(),
        env,
        commands: vec![command.map(str::to_owned).to_vec()],
        expected: published.iter().map(|p| p.file.name.clone()).collect(),
    }
}

/// The version without epoch and Debian revision (deb-version(7)).
fn upstream_version(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

fn locked_index(index: &SignedIndex) -> LockedIndex {
    LockedIndex {
        suite: index.suite.clone(),
        digest: index.digest.clone(),
        date: index.date.to_string(),
        signed_by: index.signed_by.clone(),
    }
}

fn locked_package(record: BinaryRecord) -> LockedPackage {
    let LockedFile { archive, path, size, digest, .. } = record.file;
    LockedPackage {
        name: record.name,
        version: record.version,
        architecture: record.architecture,
        file: LockedPath { archive, path, size, digest },
    }
}

#[cfg(test)]
mod tests {
    use super::upstream_version;

    #[test]
    fn upstream_versions_lose_epoch_and_revision() {
        for (version, upstream) in
            [("2.42.0+ds-5+deb12u1", "2.42.0+ds"), ("1:2.0-3-4", "2.0-3"), ("1.0", "1.0"), ("2:1", "1")]
        {
            assert_eq!(upstream_version(version), upstream);
        }
    }
}
