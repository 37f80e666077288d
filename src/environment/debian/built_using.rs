//! `Built-Using` and `Static-Built-Using`: which sources the publisher says went into a binary.

use std::collections::{BTreeMap, BTreeSet};

use crate::observation::Observation;
use crate::source::debian::BinaryRecord;

/// Sources with the version that the published packages name, by name.
pub(super) fn named(published: &[BinaryRecord]) -> BTreeMap<String, BTreeSet<String>> {
    let mut sources: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let lists = published.iter().filter_map(|p| p.built_using.as_deref());
    for relation in lists.flat_map(|list| list.split(',')) {
        if let Some((source, rest)) = relation.split_once('(') {
            let version = rest.trim().trim_end_matches(')').trim_start_matches('=').trim();
            sources.entry(source.trim().to_owned()).or_default().insert(version.to_owned());
        }
    }
    sources
}

/// Relations that pin the chosen packages of a source to the version that was named, where the indexes
/// still have that package: `name (= version)`.
pub(super) fn pins(
    named: &BTreeMap<String, BTreeSet<String>>,
    chosen: &[BinaryRecord],
    listed: &[BinaryRecord],
) -> Vec<String> {
    let mut pins = Vec::new();
    for package in chosen {
        let Some(versions) = named.get(&package.source) else { continue };
        if versions.contains(&package.source_version) || versions.len() != 1 {
            continue;
        }
        let still = listed.iter().find(|l| {
            l.name == package.name && l.source == package.source && versions.contains(&l.source_version)
        });
        if let Some(still) = still {
            pins.push(format!("{} (= {})", still.name, still.version));
        }
    }
    pins.sort();
    pins.dedup();
    pins
}

/// What was named against what was chosen, for every reader of the lock.
pub(super) fn observation(
    named: &BTreeMap<String, BTreeSet<String>>,
    chosen: &[BinaryRecord],
    published: &[BinaryRecord],
    pins: &[String],
) -> Option<Observation> {
    if named.is_empty() {
        return None;
    }
    let mut resolved: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in chosen {
        resolved.entry(&package.source).or_default().insert(&package.source_version);
    }
    let mut same = 0;
    let mut others = Vec::new();
    for (source, versions) in named {
        for version in versions {
            match resolved.get(source.as_str()) {
                Some(found) if found.contains(version.as_str()) => same += 1,
                Some(found) => {
                    let found = found.iter().copied().collect::<Vec<_>>().join(", ");
                    others.push(format!("{source} (= {version}): resolved {found}"));
                }
                None => {
                    others.push(format!("{source} (= {version}): no package of it is in the environment"))
                }
            }
        }
    }
    let total = same + others.len();
    let mut value = format!("{same} of {total} sources resolved in the very version that was named");
    for other in others {
        value.push('\n');
        value.push_str(&other);
    }
    let names: Vec<&str> =
        published.iter().filter(|p| p.built_using.is_some()).map(|p| p.file.name.as_str()).collect();
    Some(Observation {
        name: "built-using".to_owned(),
        value,
        read_from: format!(
            "`Built-Using` and `Static-Built-Using` of {} in the signed index",
            names.join(", ")
        ),
        effect: match pins {
            [] => "compared with the environment; nothing in it was chosen by it".to_owned(),
            pins => format!("pinned in the environment: {}", pins.join(", ")),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::source::debian::LockedFile;

    fn record(name: &str, version: &str, source: &str, built_using: Option<&str>) -> BinaryRecord {
        BinaryRecord {
            name: name.into(),
            version: version.into(),
            architecture: "all".into(),
            source: source.into(),
            source_version: version.into(),
            file: LockedFile {
                name: format!("{name}.deb"),
                archive: "debian".into(),
                path: format!("pool/{name}.deb"),
                size: 1,
                digest: Digest::sha256(name.as_bytes()),
            },
            built_using: built_using.map(Into::into),
        }
    }

    #[test]
    fn pins_only_where_the_index_still_has_the_version() {
        let list = "a (= 1), b (= 1), c (= 1), d (= 1)";
        let published = [record("p", "1", "p", Some(list))];
        let named = named(&published);
        let chosen = [
            record("a-dev", "1", "a", None),
            record("b-dev", "2", "b", None),
            record("c-dev", "2", "c", None),
        ];
        let listed = [
            record("b-dev", "1", "b", None),
            record("b-dev", "2", "b", None),
            record("c-dev", "2", "c", None),
        ];
        let pins = pins(&named, &chosen, &listed);
        assert_eq!(pins, ["b-dev (= 1)"]);
        let told = observation(&named, &chosen, &published, &pins);
        let value = told.map(|o| o.value).unwrap_or_default();
        assert_eq!(
            value,
            "1 of 4 sources resolved in the very version that was named\nb (= 1): resolved 2\n\
             c (= 1): resolved 2\nd (= 1): no package of it is in the environment"
        );
    }
}
