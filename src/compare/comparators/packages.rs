//! Small files that package formats carry about themselves: RubyGems' metadata and checksums, Alpine's
//! `.PKGINFO`.

use std::io::Read as _;

use super::super::blob::Blob;
use super::super::cause::{Cause, Tier};
use super::super::decode::Decoded;
use super::super::log::MemberLog;
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk, join};
use super::checksums::{self, Claims};
use super::{Format, Probe, data, deb, tar};
use crate::archive::compression::Compression;

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

/// A gem: a tar whose `checksums.yaml.gz` lists its other members.
pub(crate) static GEM: Format = Format { id: "gem", recognise: is_gem_archive, compare: gem_archive };

/// The list of a gem.
const CHECKSUMS: &[u8] = b"checksums.yaml.gz";

fn is_gem_archive(probe: &Probe<'_>) -> bool {
    let name = crate::archive::bytes::until_nul(probe.head.get(..100).unwrap_or_default());
    crate::archive::tar::looks_like(probe.head)
        && [&b"metadata.gz"[..], b"data.tar.gz", CHECKSUMS].contains(&name)
}

fn gem_archive(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let mut log = MemberLog::new(|name| name == CHECKSUMS, true);
    log.all = true;
    walk.log = Some(log);
    let compared = tar::streams(walk, pair.path, pair.a.reader(), pair.b.reader());
    let Some(mut log) = walk.log.take() else { return compared };
    compared?;
    let list = |blob: &Blob| -> Result<Option<Claims>, Stop> {
        let Some(packed) = deb::extract(walk, blob, |name| name == CHECKSUMS)? else { return Ok(None) };
        let mut text = Vec::new();
        let most = walk.budget.limits.document_bytes_max;
        Decoded::new(Compression::Gzip, &Blob::memory(packed), &walk.budget)
            .take(most)
            .read_to_end(&mut text)?;
        Ok(Some(claims(&text)))
    };
    let (a, b) = (list(pair.a).on(Side::Published)?, list(pair.b).on(Side::Rebuilt)?);
    let path = join(pair.path, CHECKSUMS);
    log.found.remove(CHECKSUMS);
    // One digest a line: the kind stands before the name.
    let mut changed = std::collections::BTreeMap::new();
    for (name, sides) in &log.found {
        for kind in [&b"SHA256 "[..], b"SHA512 "] {
            changed.insert([kind, name].concat(), sides.clone());
        }
    }
    let before = walk.found();
    let good = match (&a, &b) {
        (Some(a), Some(b)) => checksums::check(walk, &path, (a, b), &changed, checksums::hex_fits),
        _ => false,
    };
    let Some((x, y)) = log.held.remove(CHECKSUMS) else { return Ok(()) };
    if good && a != b {
        walk.add(
            Difference::exact(&path, Cause::ChecksumManifest).note("each line fits its member").derived(),
        );
    } else if let (Some(x), Some(y)) = (x, y) {
        let names = |claims: &Option<Claims>| {
            claims.as_ref().map(|c| c.keys().cloned().collect::<Vec<_>>()).unwrap_or_default()
        };
        // Sums that do not fit have been reported; lines of other members have not.
        if walk.found() == before || names(&a) != names(&b) {
            walk.differing(Pair { path: &path, name: CHECKSUMS, a: &x, b: &y });
        }
    }
    Ok(())
}

/// `SHA256:` and `SHA512:` sections of indented `name: digest` lines.
fn claims(text: &[u8]) -> Claims {
    let mut found = Claims::new();
    let mut kind = Vec::new();
    for line in text.split(|c| *c == b'\n').filter(|l| !l.is_empty()) {
        let (name, value) = match line.iter().position(|c| *c == b':') {
            Some(at) => line.split_at_checked(at).unwrap_or_default(),
            None => (line, &b""[..]),
        };
        if line.starts_with(b" ") {
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let value = value.strip_prefix(b"'").and_then(|v| v.strip_suffix(b"'")).unwrap_or(value);
            let key = [kind.as_slice(), b" ", name.trim_ascii()].concat();
            found.insert(key, String::from_utf8_lossy(value).into_owned());
        } else {
            kind = name.to_vec();
        }
    }
    found
}

fn is_pkginfo(probe: &Probe<'_>) -> bool {
    probe.name == b".PKGINFO" || probe.name.ends_with(b"/.PKGINFO")
}

/// `key = value` lines of a `.PKGINFO` that stands alone; [`super::apk`] checks what it says of a package.
pub(crate) fn pkginfo(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
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
    data::mask(walk, pair)?;
    for (cause, field, p, q) in found {
        let mut difference = Difference::exact(pair.path, cause).field(field).values(p, q);
        if cause.tier() == Tier::Pattern {
            difference = difference.pattern();
        }
        walk.add(difference);
    }
    Ok(())
}
