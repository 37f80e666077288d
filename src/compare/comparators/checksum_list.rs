//! Lists of checksums that stand beside the files they list (`SHA256SUMS`, `x.tar.gz.sha256`): GNU's
//! form, BSD's, and a digest alone. What a list says of a member that differs is recomputed on each
//! side; what it says of files that are not there cannot be, and is compared as content.

use std::collections::BTreeMap;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::log::{Sides, Sums, plain};
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::checksums::{Claims, byte_difference, hex_fits};
use super::{Format, Probe, data};

pub(crate) static FORMAT: Format = Format { id: "checksum list", recognise, compare };

/// A list longer than this is compared as text: some 10,000 lines.
pub(crate) const LIST_BYTES_MAX: u64 = 1 << 20;

const KINDS: [&str; 7] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "checksum"];

/// Whether a name is that of a list.
pub(crate) fn is_list(name: &[u8]) -> bool {
    let last = name.rsplit(|b| *b == b'/').next().unwrap_or_default().to_ascii_lowercase();
    let Ok(last) = std::str::from_utf8(&last) else { return false };
    let stem = last.strip_suffix(".txt").or(last.strip_suffix(".asc")).unwrap_or(last);
    ["", "s", "sum", "sums"].iter().filter_map(|end| stem.strip_suffix(end)).any(|stem| {
        KINDS.iter().any(|kind| {
            stem.strip_suffix(kind).is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', '_', '-']))
        })
    })
}

fn recognise(probe: &Probe<'_>) -> bool {
    is_list(probe.name) && probe.blob.len() <= LIST_BYTES_MAX && !parse(probe.name, probe.head).is_empty()
}

/// What a list says, by the names it uses. Lines that are none are left out: they are compared as text.
pub(crate) fn parse(own_name: &[u8], text: &[u8]) -> Claims {
    let digest = |part: &[u8]| {
        let long = matches!(part.len(), 32 | 40 | 56 | 64 | 96 | 128);
        (long && part.iter().all(u8::is_ascii_hexdigit))
            .then(|| String::from_utf8_lossy(part).to_ascii_lowercase())
    };
    let mut claims = Claims::new();
    for line in text.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let first = line.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
        if let Some(sum) = digest(first) {
            let rest = line.get(first.len()..).unwrap_or_default();
            let name = rest.strip_prefix(b"  ").or(rest.strip_prefix(b" *")).unwrap_or(rest.trim_ascii());
            let name = if name.is_empty() { without_extension(own_name) } else { plain(name) };
            claims.insert(name.to_vec(), sum);
        } else if let Some(at) = memchr::memmem::find(line, b") = ")
            && let Some(open) = line.iter().position(|b| *b == b'(')
            && let Some(sum) = digest(line.get(at + 4..).unwrap_or_default().trim_ascii())
        {
            claims.insert(plain(line.get(open + 1..at).unwrap_or_default()).to_vec(), sum);
        }
    }
    claims
}

/// `x.tar.gz.sha256` lists `x.tar.gz`.
fn without_extension(name: &[u8]) -> &[u8] {
    let last = name.rsplit(|b| *b == b'/').next().unwrap_or_default();
    last.iter().rposition(|b| *b == b'.').and_then(|at| last.get(..at)).unwrap_or(last)
}

/// What stands beside a list.
pub(crate) trait Siblings {
    /// Whether a name is there on each side, and whether it differs.
    fn look(&self, name: &[u8]) -> (bool, bool, bool);

    /// What is known of a member's digests on each side.
    fn sums(&mut self, walk: &mut Walk<'_>, name: &[u8]) -> Sides<Sums>;
}

/// Two lists of one name within a container, and their names in it.
pub(crate) type Lists = BTreeMap<Vec<u8>, (Blob, Blob)>;

/// Checks the lists of a container once its members are compared.
pub(crate) fn check_all(
    walk: &mut Walk<'_>,
    lists: Lists,
    shown: impl Fn(&[u8]) -> String,
    siblings: &mut dyn Siblings,
) -> Result<(), Stop> {
    for (name, (a, b)) in lists {
        let path = shown(&name);
        let (Some(text_a), Some(text_b)) = (a.whole(LIST_BYTES_MAX)?, b.whole(LIST_BYTES_MAX)?) else {
            walk.member(Pair { path: &path, name: &name, a: &a, b: &b });
            continue;
        };
        check(walk, &path, &name, (&text_a, &text_b), siblings);
    }
    Ok(())
}

fn check(
    walk: &mut Walk<'_>,
    path: &str,
    name: &[u8],
    (text_a, text_b): (&[u8], &[u8]),
    siblings: &mut dyn Siblings,
) {
    let (a, b) = (parse(name, text_a), parse(name, text_b));
    let folder = name.iter().rposition(|c| *c == b'/').and_then(|at| name.get(..=at)).unwrap_or_default();
    let (mut wrong, mut unknown) = (false, false);
    for listed in a.keys().chain(b.keys().filter(|n| !a.contains_key(*n))) {
        let (x, y) = (a.get(listed), b.get(listed));
        let target = [[folder, listed].concat(), listed.clone()].into_iter().find(|name| {
            let (in_a, in_b, _) = siblings.look(name);
            in_a || in_b
        });
        let Some(target) = target else {
            unknown |= x != y;
            continue;
        };
        let (in_a, in_b, differs) = siblings.look(&target);
        if in_a && in_b && !differs {
            if x.is_some() && y.is_some() && x != y {
                wrong = true;
                mismatch(walk, path, listed, (x.cloned(), y.cloned()), "the file is equal on both sides");
            }
            unknown |= x.is_some() != y.is_some();
            continue;
        }
        let (sums_a, sums_b) = siblings.sums(walk, &target);
        let fits = |claim: Option<&String>, sums: Option<&Sums>| match (claim, sums) {
            (Some(claim), Some(sums)) => hex_fits(claim, sums),
            (Some(_), None) => None,
            (None, _) => Some(true),
        };
        let (fits_a, fits_b) = (fits(x, sums_a.as_ref()), fits(y, sums_b.as_ref()));
        if fits_a == Some(false) || fits_b == Some(false) {
            wrong = true;
            let text = |fits: Option<bool>, claim: Option<&String>| {
                claim.filter(|_| fits == Some(false)).map(|claim| format!("listed {claim}"))
            };
            let values = (text(fits_a, x), text(fits_b, y));
            mismatch(walk, path, listed, values, "the list does not fit the file's bytes");
        }
        unknown |= x != y && (fits_a.is_none() || fits_b.is_none());
    }
    if text_a == text_b {
        return;
    }
    // Lines that list nothing (a signature around the list) must be equal.
    let rest = |text: &[u8]| -> Vec<Vec<u8>> {
        let lines = text.split(|c| *c == b'\n').filter(|line| parse(name, line).is_empty());
        lines.map(<[u8]>::to_vec).collect()
    };
    if unknown || rest(text_a) != rest(text_b) {
        content(walk, path, text_a, text_b);
    } else if !wrong {
        let difference = Difference::exact(path, Cause::ChecksumManifest)
            .bytes(byte_difference(text_a, text_b))
            .note(if a == b { "the same lines in another order or form" } else { "each line fits its file" });
        walk.add(if a == b { difference } else { difference.derived() });
    }
}

fn mismatch(
    walk: &mut Walk<'_>,
    path: &str,
    listed: &[u8],
    (a, b): (Option<String>, Option<String>),
    note: &str,
) {
    let mut difference = Difference::exact(path, Cause::ChecksumManifestMismatch).field(listed).note(note);
    (difference.a, difference.b) = (a, b);
    walk.add(difference);
}

fn content(walk: &mut Walk<'_>, path: &str, a: &[u8], b: &[u8]) {
    walk.changed.insert(path.to_owned());
    let mut difference = Difference::exact(path, Cause::Content);
    difference.hunks = data::text_hunks(a, b, walk.budget.limits.hunk_bytes_max);
    walk.add(difference.note("checksums of files that are not at hand and could not be recomputed"));
}

/// Two lists alone: nothing is there to be recomputed.
fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let (Some(a), Some(b)) = (pair.a.whole(LIST_BYTES_MAX)?, pair.b.whole(LIST_BYTES_MAX)?) else {
        return data::compare(walk, pair);
    };
    data::mask(walk, pair)?;
    if parse(pair.name, &a) == parse(pair.name, &b) {
        return data::compare(walk, pair);
    }
    content(walk, pair.path, &a, &b);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_known_by_name_and_read_in_every_form() {
        for name in
            ["SHA256SUMS", "a/MD5SUMS", "x.tar.gz.sha256", "checksums.txt", "md5sums", "a_checksums.txt"]
        {
            assert!(is_list(name.as_bytes()), "{name}");
        }
        for name in ["sums.c", "sha256.rs", "readme.txt", "mysha256", "checksums.yaml.gz"] {
            assert!(!is_list(name.as_bytes()), "{name}");
        }
        let sum = "0123456789abcdef0123456789abcdef";
        for text in [format!("{sum}  a\n"), format!("{sum} *./a\r\n"), format!("MD5 (a) = {sum}\n")] {
            assert_eq!(
                parse(b"MD5SUMS", text.as_bytes()).get(&b"a"[..]).map(String::as_str),
                Some(sum),
                "{text}"
            );
        }
        assert!(parse(b"d/a.md5", sum.as_bytes()).contains_key(&b"a"[..]));
        assert!(parse(b"MD5SUMS", b"no digest  a\n0123  b\n").is_empty());
    }
}
