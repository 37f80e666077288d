//! Small files that package formats carry about themselves: RubyGems' metadata and checksums, Alpine's
//! `.PKGINFO`.

use super::super::cause::{Cause, Tier};
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, data};

pub(crate) static GEM_METADATA: Format = Format { id: "gem metadata", recognise: is_gem, compare: gem };
pub(crate) static PKGINFO: Format = Format { id: "apk info", recognise: is_pkginfo, compare: pkginfo };

fn is_gem(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"--- !ruby/object:Gem::Specification")
}

/// Lines whose key is one of a gem's own stamps are compared by key; any other change is content.
fn gem(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    lines(walk, pair, |key| match key {
        b"date" | b"rubygems_version" => Some(Cause::GemMetadata),
        _ => None,
    })
}

fn is_pkginfo(probe: &Probe<'_>) -> bool {
    probe.name == b".PKGINFO" || probe.name.ends_with(b"/.PKGINFO")
}

/// `key = value` lines.
fn pkginfo(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    lines(walk, pair, |key| match key {
        b"builddate" => Some(Cause::EmbeddedTimestamp),
        b"packager" => Some(Cause::Username),
        b"commit" => Some(Cause::VcsRevision),
        b"pkgver" => Some(Cause::VersionString),
        _ => None,
    })
}

fn lines(walk: &mut Walk<'_>, pair: Pair<'_>, known: fn(&[u8]) -> Option<Cause>) -> Result<(), Stop> {
    let most = walk.budget.limits.document_bytes_max;
    let (Some(a), Some(b)) = (pair.a.whole(most)?, pair.b.whole(most)?) else {
        return data::compare(walk, pair);
    };
    let split = |text: &[u8]| text.split(|c| *c == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (x, y) = (split(&a), split(&b));
    if x.len() != y.len() {
        return data::compare(walk, pair);
    }
    let key = |line: &[u8]| -> Option<Vec<u8>> {
        let end = line.iter().position(|c| matches!(c, b':' | b'='))?;
        (!line.starts_with(b" ")).then(|| line.get(..end).unwrap_or_default().trim_ascii().to_vec())
    };
    let mut found = Vec::new();
    for (p, q) in x.iter().zip(&y).filter(|(p, q)| p != q) {
        let named = key(p).filter(|k| key(q).as_ref() == Some(k));
        match named.as_deref().and_then(known) {
            Some(cause) => found.push((cause, named.unwrap_or_default(), p, q)),
            None => return data::compare(walk, pair),
        }
    }
    walk.changed.insert(pair.path.to_owned());
    for (cause, field, p, q) in found {
        let mut difference = Difference::exact(pair.path, cause).field(field).values(p, q);
        if cause.tier() == Tier::Pattern {
            difference = difference.pattern();
        }
        walk.add(difference);
    }
    Ok(())
}
