//! Debian control data (deb822): fields one by one.

use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, data};

pub(crate) static FORMAT: Format = Format { id: "control", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    let name = probe.name.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let named = matches!(name, b"control" | b"METADATA" | b"PKG-INFO" | b"WHEEL")
        || [&b".dsc"[..], b".buildinfo", b".changes"].iter().any(|e| name.ends_with(e));
    named && fields(probe.head.split_inclusive(|b| *b == b'\n').next().unwrap_or_default()).is_some()
}

/// Fields in order; `None` when the text is not in the form. Everything after a blank line is kept as
/// one field without a name.
pub(crate) fn fields(text: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |i| i + 1);
        let (line, next) = rest.split_at_checked(end)?;
        if line == b"\n" {
            found.push((Vec::new(), rest.to_vec()));
            return Some(found);
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            found.last_mut()?.1.extend_from_slice(line);
        } else {
            let colon = line.iter().position(|b| *b == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_')
            {
                return None;
            }
            found.push((name.to_vec(), value.get(1..)?.to_vec()));
        }
        rest = next;
    }
    Some(found)
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let most = walk.budget.limits.document_bytes_max;
    let (Some(text_a), Some(text_b)) = (pair.a.whole(most)?, pair.b.whole(most)?) else {
        return data::compare(walk, pair);
    };
    let (Some(a), Some(b)) = (fields(&text_a), fields(&text_b)) else { return data::compare(walk, pair) };
    walk.changed.insert(pair.path.to_owned());
    data::mask(walk, pair)?;
    let before = walk.found();
    let mut keys: Vec<&Vec<u8>> = a.iter().map(|(k, _)| k).collect();
    keys.extend(b.iter().map(|(k, _)| k).filter(|k| !a.iter().any(|(j, _)| j == *k)));
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|k| seen.insert(k.to_ascii_lowercase()));
    for key in keys {
        let values = |side: &[(Vec<u8>, Vec<u8>)]| -> Vec<Vec<u8>> {
            side.iter()
                .filter(|(k, _)| k.eq_ignore_ascii_case(key))
                .map(|(_, v)| v.trim_ascii().to_vec())
                .collect()
        };
        let (left, right) = (values(&a), values(&b));
        if left == right {
            continue;
        }
        let (left, right) = (left.join(&b"; "[..]), right.join(&b"; "[..]));
        let bytes = super::checksums::byte_difference(&left, &right);
        let wheel = pair.name.ends_with(b"WHEEL") && key.eq_ignore_ascii_case(b"Generator");
        let cause = if wheel {
            Cause::WheelGenerator
        } else if key.is_empty() {
            Cause::Content
        } else if key.eq_ignore_ascii_case(b"Version") || key.eq_ignore_ascii_case(b"Standards-Version") {
            Cause::VersionString
        } else {
            // A person's address is no build host: of patterns only those count here that stamp a build.
            match data::field_cause(key, &left, &right) {
                stamp @ (Cause::EmbeddedTimestamp | Cause::BuildPath | Cause::VcsRevision) => stamp,
                _ => Cause::Content,
            }
        };
        let mut difference = Difference::exact(pair.path, cause)
            .field(if key.is_empty() { &b"text"[..] } else { key })
            .bytes(bytes);
        if !left.is_empty() {
            difference = difference.left(&left);
        }
        if !right.is_empty() {
            difference = difference.right(&right);
        }
        if cause.tier() == super::super::cause::Tier::Pattern {
            difference = difference.pattern();
        }
        walk.add(difference);
    }
    if walk.found() == before {
        let order = |side: &[(Vec<u8>, Vec<u8>)]| side.iter().map(|(k, _)| k.clone()).collect::<Vec<_>>();
        let cause = if order(&a) == order(&b) { Cause::Content } else { Cause::LineOrder };
        walk.add(
            Difference::exact(pair.path, cause).note("the same fields in another order or with other blanks"),
        );
    }
    Ok(())
}
