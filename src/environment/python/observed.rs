//! What a rebuild of a wheel has to take from the wheel itself, because its source does not say it: which
//! version of the backend wrote it, when, and under which file mode mask.
//!
//! Everything here becomes an observation and is listed as such: assumed, not proved. A value is replayed
//! as an input of the build, a clock that stands still or a time of a source file, and never as a change
//! to what was built.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use jiff::Timestamp;
use pep440_rs::Version;

use crate::observation::Observation;
use crate::source::pypi::ProjectName;
use crate::source::pypi::sdist::Sdist;
use crate::source::pypi::wheel::WheelMember;

/// The mask of a build for which the wheel tells no other.
const USUAL_UMASK: u32 = 0o022;

/// Generators whose name is not that of the project they are part of.
const PROJECTS: [(&str, &str); 4] =
    [("bdist-wheel", "wheel"), ("flit", "flit-core"), ("uv", "uv-build"), ("meson", "meson-python")];

/// The project and the version that a `Generator` line names: `name version` or `name (version)`.
pub(super) fn generator(line: &str) -> Option<(ProjectName, Version)> {
    let (name, version) = line.trim().rsplit_once(' ')?;
    let version = version.strip_prefix('(').and_then(|v| v.strip_suffix(')')).unwrap_or(version);
    let name = ProjectName::new(name.trim())?;
    let project = PROJECTS.iter().find(|(generator, _)| *generator == name.as_str());
    let project = match project {
        Some((_, project)) => ProjectName::new(project)?,
        None => name,
    };
    Some((project, Version::from_str(version).ok()?))
}

/// Circumstances of the build, as the wheel shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Circumstances {
    pub(super) umask: u32,
    pub(super) clock: Option<i64>,
    pub(super) source_date_epoch: Option<i64>,
    pub(super) times: BTreeMap<String, i64>,
    pub(super) observations: Vec<Observation>,
}

/// Reads them from the headers of the wheel's members, beside the source's files.
pub(super) fn circumstances(wheel: &str, members: &[WheelMember], source: &Sdist) -> Circumstances {
    let mut found = Circumstances { umask: USUAL_UMASK, ..Circumstances::default() };
    let read_from = |what: &str| format!("{wheel}: {what}");
    let first = members.first().map_or(0, |m| m.time);
    if members.iter().all(|m| m.time == first) {
        found.source_date_epoch = Some(first);
        found.observations.push(Observation {
            name: "source-date-epoch".to_owned(),
            value: shown(first),
            read_from: read_from("the time that all members share"),
            effect: "`SOURCE_DATE_EPOCH` of the build".to_owned(),
        });
    } else {
        times(wheel, members, source, &mut found);
    }
    let metadata = members.iter().find(|m| m.path.ends_with(".dist-info/METADATA"));
    let mask = metadata.and_then(|m| m.mode).map(|mode| 0o666 & !mode);
    if let Some(mask) =
        mask.filter(|mask| *mask != USUAL_UMASK && [0o002, 0o006, 0o026, 0o066].contains(mask))
    {
        // What a mask keeps from a file it keeps from programs and folders too.
        found.umask = mask | ((mask & 0o044) >> 2);
        found.observations.push(Observation {
            name: "umask".to_owned(),
            value: format!("{:03o}", found.umask),
            read_from: read_from("the permission bits of `METADATA`"),
            effect: "the permission bits of every file that the build writes".to_owned(),
        });
    }
    found
}

/// Members from the source have its times, those that the build wrote that of its clock.
fn times(wheel: &str, members: &[WheelMember], source: &Sdist, found: &mut Circumstances) {
    let clock = clock(members, source);
    let origins = Origins::of(source);
    for member in members {
        let origin = match licence(&member.path) {
            // A copy of a licence has the time of its writing, or that of its source.
            Some(path) if Some(member.time) != clock => origins.of_path(path),
            _ => origins.of_member(&member.path),
        };
        if let Some((path, time)) = origin
            && even(time) != member.time
        {
            found.times.insert(path.to_owned(), member.time);
        }
    }
    if let Some(clock) = clock {
        found.clock = Some(clock);
        found.observations.push(Observation {
            name: "build-clock".to_owned(),
            value: shown(clock),
            read_from: format!("{wheel}: the time of what the build writes"),
            effect: "the clock stands there during the build, and is the time of every file that it writes"
                .to_owned(),
        });
    }
    if !found.times.is_empty() {
        let mut distinct: Vec<String> = found.times.values().map(|time| shown(*time)).collect();
        distinct.sort();
        distinct.dedup();
        let more = distinct.len().saturating_sub(3);
        distinct.truncate(3);
        let and = if more > 0 { format!(" and {more} more") } else { String::new() };
        found.observations.push(Observation {
            name: "source-times".to_owned(),
            value: format!("{} files: {}{and}", found.times.len(), distinct.join(", ")),
            read_from: format!("{wheel}: the times of members that are in the source"),
            effect: "set on these files of the source before the build; the source distribution has others"
                .to_owned(),
        });
    }
}

/// When the build wrote its own files: the time of `METADATA`, which every backend writes; without it the
/// latest of the most frequent times of what is not in the source.
fn clock(members: &[WheelMember], source: &Sdist) -> Option<i64> {
    if let Some(metadata) = members.iter().find(|m| m.path.ends_with(".dist-info/METADATA")) {
        return Some(metadata.time);
    }
    let origins = Origins::of(source);
    let mut written: BTreeMap<i64, usize> = BTreeMap::new();
    for member in members.iter().filter(|m| origins.of_member(&m.path).is_none()) {
        *written.entry(member.time).or_default() += 1;
    }
    written.iter().max_by_key(|(time, count)| (**count, **time)).map(|(time, _)| *time)
}

/// The path of a licence file's source, by its place in the metadata (PEP 639, and before it).
fn licence(member: &str) -> Option<&str> {
    let (folder, rest) = member.split_once('/')?;
    let written = ["METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt"];
    let rest = rest.strip_prefix("licenses/").or_else(|| rest.strip_prefix("license_files/")).unwrap_or(rest);
    (folder.ends_with(".dist-info") && !written.contains(&rest)).then_some(rest)
}

/// Source files by their name, to find the one that a member is a copy of.
struct Origins<'a>(BTreeMap<&'a str, Vec<(&'a str, i64)>>);

impl<'a> Origins<'a> {
    fn of(source: &'a Sdist) -> Self {
        let mut by_name: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
        for (path, file) in &source.files {
            let name = path.rsplit('/').next().unwrap_or(path);
            by_name.entry(name).or_default().push((path, file.mtime));
        }
        Self(by_name)
    }

    /// The source file at that path.
    fn of_path(&self, path: &str) -> Option<(&'a str, i64)> {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.0.get(name)?.iter().find(|(p, _)| *p == path).copied()
    }

    /// The source file at the same path, or at the same path below one folder more.
    fn of_member(&self, member: &str) -> Option<(&'a str, i64)> {
        if is_metadata(member) {
            return None;
        }
        let name = member.rsplit('/').next().unwrap_or(member);
        let candidates = self.0.get(name)?;
        let below = |path: &str| path.strip_suffix(member).is_some_and(|folder| folder.ends_with('/'));
        candidates
            .iter()
            .find(|(path, _)| *path == member)
            .or_else(|| candidates.iter().find(|(path, _)| below(path)))
            .copied()
    }
}

/// Whether the build writes it, whatever the source holds.
fn is_metadata(member: &str) -> bool {
    member.split('/').next().is_some_and(|top| top.ends_with(".dist-info"))
}

/// ZIP has no odd seconds.
const fn even(time: i64) -> i64 {
    time - time.rem_euclid(2)
}

fn shown(time: i64) -> String {
    Timestamp::from_second(time).map_or_else(|_| time.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::source::pypi::sdist::SdistFile;

    #[test]
    fn generators_name_projects() {
        for (line, expected) in [
            ("setuptools (80.9.0)", Some(("setuptools", "80.9.0"))),
            ("bdist_wheel (0.42.0)", Some(("wheel", "0.42.0"))),
            ("hatchling 1.27.0", Some(("hatchling", "1.27.0"))),
            ("flit 3.9.0", Some(("flit-core", "3.9.0"))),
            ("poetry-core 1.9.1", Some(("poetry-core", "1.9.1"))),
            ("uv 0.7.2", Some(("uv-build", "0.7.2"))),
            ("setuptools", None),
            ("../x (1)", None),
            ("x (not a version)", None),
            ("", None),
        ] {
            let found = generator(line).map(|(project, version)| (project.to_string(), version.to_string()));
            assert_eq!(found, expected.map(|(p, v)| (p.to_owned(), v.to_owned())), "{line}");
        }
    }

    fn source(files: &[(&str, i64)]) -> Sdist {
        let file = |mtime| SdistFile { mode: 0o644, mtime, len_bytes: 1 };
        Sdist {
            folder: "x-1".to_owned(),
            files: files.iter().map(|(path, mtime)| ((*path).to_owned(), file(*mtime))).collect(),
            pyproject: None,
        }
    }

    fn members(all: &[(&str, i64, u32)]) -> Vec<WheelMember> {
        let member = |(path, time, mode): &(&str, i64, u32)| WheelMember {
            path: (*path).to_owned(),
            time: *time,
            mode: Some(*mode),
        };
        all.iter().map(member).collect()
    }

    fn names(found: &Circumstances) -> Vec<&str> {
        found.observations.iter().map(|o| o.name.as_str()).collect()
    }

    #[test]
    fn the_clock_is_that_of_what_the_build_wrote() {
        let source = source(&[("src/x/a.py", 1001), ("x/b.py", 2000), ("LICENSE", 5)]);
        let wheel = members(&[
            ("x/a.py", 1000, 0o644),
            ("x/b.py", 2000, 0o644),
            ("x-1.dist-info/licenses/LICENSE", 9000, 0o644),
            ("x-1.dist-info/METADATA", 9000, 0o644),
            ("x-1.dist-info/RECORD", 9002, 0o664),
            ("x/__pycache__/a.pyc", 50, 0o644),
            ("x/__pycache__/b.pyc", 50, 0o644),
            ("x/__pycache__/c.pyc", 50, 0o644),
        ]);
        let found = circumstances("x.whl", &wheel, &source);
        assert_eq!((found.clock, found.source_date_epoch, found.umask), (Some(9000), None, 0o022));
        assert_eq!((found.times.len(), names(&found)), (0, vec!["build-clock"]));
    }

    #[test]
    fn a_copied_licence_has_its_own_time_where_it_is_not_the_clock_s() {
        let source = source(&[("LICENSE", 5000), ("x/a.py", 1000)]);
        let wheel = members(&[
            ("x/a.py", 1000, 0o644),
            ("x-1.dist-info/licenses/LICENSE", 8600, 0o644),
            ("x-1.dist-info/METADATA", 9000, 0o644),
        ]);
        let found = circumstances("x.whl", &wheel, &source);
        assert_eq!((found.clock, found.times), (Some(9000), BTreeMap::from([("LICENSE".to_owned(), 8600)])));
    }

    #[test]
    fn one_time_for_all_is_an_epoch_and_other_times_of_sources_are_set() {
        let source = source(&[("x/a.py", 1000)]);
        let one = members(&[("x/a.py", 4000, 0o664), ("x-1.dist-info/METADATA", 4000, 0o664)]);
        let found = circumstances("x.whl", &one, &source);
        assert_eq!((found.source_date_epoch, found.clock, found.umask), (Some(4000), None, 0o002));
        assert_eq!(names(&found), ["source-date-epoch", "umask"]);
        let other = members(&[("x/a.py", 3000, 0o600), ("x-1.dist-info/METADATA", 4000, 0o600)]);
        let found = circumstances("x.whl", &other, &source);
        assert_eq!(found.times, BTreeMap::from([("x/a.py".to_owned(), 3000)]));
        assert_eq!((found.clock, found.umask), (Some(4000), 0o077));
        assert_eq!(names(&found), ["build-clock", "source-times", "umask"]);
    }
}
