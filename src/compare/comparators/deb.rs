//! Debian binary packages (deb(5)), udebs and ipks in the same form: control fields one by one, data
//! members, and the list of MD5 sums checked against the bytes on each side.

use std::collections::BTreeMap;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::decode::Decoded;
use super::super::log::{MemberLog, Sides, Sums, plain};
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk, join};
use super::ar::{self, ArMember};
use super::{Format, Probe, checksums, tar};
use crate::archive::compression::Compression;
use crate::archive::tar::TarReader;

pub(crate) static FORMAT: Format = Format { id: "deb", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"!<arch>\ndebian-binary")
}

/// Digests of the members that differ.
type Changed = BTreeMap<Vec<u8>, Sides<Sums>>;

/// `data.tar.xz` and `data.tar.zst` are the same member.
fn stem(name: &[u8]) -> &[u8] {
    for prefix in [&b"control.tar"[..], b"data.tar"] {
        if name == prefix || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(b".")) {
            return prefix;
        }
    }
    name
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let Some((mut a, mut b)) = ar::both(walk, pair) else { return Ok(()) };
    let order = |members: &[ArMember]| members.iter().map(|m| stem(&m.name).to_vec()).collect::<Vec<_>>();
    let (order_a, order_b) = (order(&a), order(&b));
    let mut sums: (Option<Changed>, Option<Sides<Vec<u8>>>) = (None, None);
    let find = |list: &mut Vec<ArMember>, key: &[u8]| {
        list.iter().position(|m| stem(&m.name) == key).map(|i| list.remove(i))
    };
    let mut keys = order_a.clone();
    keys.extend(order_b.iter().filter(|k| !order_a.contains(k)).cloned());
    keys.dedup();
    let mut control_path = String::new();
    let mut held = BTreeMap::new();
    for key in &keys {
        match (find(&mut a, key), find(&mut b, key)) {
            (Some(x), Some(y)) => {
                let path = join(pair.path, &x.name);
                ar::fields(walk, &path, &x, &y);
                if key == b"control.tar" {
                    control_path.clone_from(&path);
                    sums.1 = Some((md5sums(walk, &x).unwrap_or(None), md5sums(walk, &y).unwrap_or(None)));
                }
                if x.body.equal(&y.body)? {
                    continue;
                }
                walk.log = match key.as_slice() {
                    b"control.tar" => Some(MemberLog::new(|name| name == b"md5sums", false)),
                    b"data.tar" => Some(MemberLog::new(|_| false, true)),
                    _ => None,
                };
                walk.differing(Pair { path: &path, name: &x.name, a: &x.body, b: &y.body });
                if let Some(log) = walk.log.take() {
                    match key.as_slice() {
                        b"data.tar" => sums.0 = Some(log.found),
                        _ => held = log.held,
                    }
                }
            }
            (Some(x), None) => one_sided(walk, pair.path, &x, Cause::MemberRemoved),
            (None, Some(y)) => one_sided(walk, pair.path, &y, Cause::MemberAdded),
            (None, None) => {}
        }
    }
    for rest in &a {
        one_sided(walk, pair.path, rest, Cause::DuplicateName);
    }
    for rest in &b {
        one_sided(walk, pair.path, rest, Cause::DuplicateName);
    }
    let common = |list: &[Vec<u8>], other: &[Vec<u8>]| {
        list.iter().filter(|k| other.contains(k)).cloned().collect::<Vec<_>>()
    };
    if common(&order_a, &order_b) != common(&order_b, &order_a) {
        walk.add(Difference::exact(pair.path, Cause::ArOrder));
    }
    let (changed, lists) = sums;
    if let Some((list_a, list_b)) = lists {
        let path = format!("{control_path}/md5sums");
        let changed = changed.unwrap_or_default();
        checksums::md5sums(walk, &path, (list_a.as_deref(), list_b.as_deref()), &changed);
        if let (Some((Some(x), Some(y))), true) =
            (held.get(&b"md5sums"[..]), list_a.is_none() || list_b.is_none())
        {
            walk.differing(Pair { path: &path, name: b"md5sums", a: x, b: y });
        }
    }
    Ok(())
}

fn one_sided(walk: &mut Walk<'_>, path: &str, member: &ArMember, cause: Cause) {
    let shown = join(path, &member.name);
    let size = format!("{} bytes", member.body.len());
    let difference = Difference::exact(&shown, cause);
    walk.add(match cause {
        Cause::MemberRemoved => difference.left(size),
        _ => difference.right(size),
    });
}

/// The list of MD5 sums in a control archive, if it has one of sane length.
fn md5sums(walk: &Walk<'_>, member: &ArMember) -> Result<Option<Vec<u8>>, Stop> {
    extract(walk, &member.body, |name| name == b"md5sums")
}

/// The first file of an archive, compressed or not, whose name fits.
pub(crate) fn extract(
    walk: &Walk<'_>,
    blob: &Blob,
    fits: impl Fn(&[u8]) -> bool,
) -> Result<Option<Vec<u8>>, Stop> {
    let stream = match Compression::recognise(&blob.head(6)?) {
        Some(format) => Decoded::new(format, blob, &walk.budget),
        None => Decoded::plain(blob),
    };
    let mut reader =
        TarReader::new(std::io::BufReader::new(stream), &tar::archive_limits(&walk.budget.limits));
    while let Some(entry) = reader.next_entry()? {
        if entry.is_file() && fits(plain(&entry.name)) {
            if entry.len_bytes > walk.budget.limits.document_bytes_max {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            let mut buffer = vec![0; 32 << 10];
            loop {
                match reader.read_body(&mut buffer)? {
                    0 => return Ok(Some(bytes)),
                    n => bytes.extend_from_slice(buffer.get(..n).unwrap_or_default()),
                }
            }
        }
    }
    Ok(None)
}
