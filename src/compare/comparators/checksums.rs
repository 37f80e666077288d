//! Lists of checksums that a package carries about its own members. A list is never believed: each
//! line that matters is recomputed on its own side.

use std::collections::BTreeMap;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::log::{Sides, Sums, plain};
use super::super::result::Difference;
use super::super::walk::{Pair, Walk};

/// What a list says of one member, in the list's own spelling.
pub(crate) type Claims = BTreeMap<Vec<u8>, String>;

/// Checks the claims of both sides about members that differ, and explains how the lists differ.
/// Gives whether every claim fits and every line that differs follows from a member that differs.
pub(crate) fn check(
    walk: &mut Walk<'_>,
    path: &str,
    (a, b): (&Claims, &Claims),
    changed: &BTreeMap<Vec<u8>, Sides<Sums>>,
    fits: fn(&str, &Sums) -> Option<bool>,
) -> bool {
    let mut good = true;
    let mut mismatch =
        |walk: &mut Walk<'_>, name: &[u8], text: (Option<String>, Option<String>), note: &str| {
            let mut difference =
                Difference::exact(path, Cause::ChecksumManifestMismatch).field(name).note(note);
            difference.a = text.0;
            difference.b = text.1;
            walk.add(difference);
            good = false;
        };
    for (name, (sums_a, sums_b)) in changed {
        let wrong = |claims: &Claims, sums: &Option<Sums>| -> Option<String> {
            let (claim, sums) = (claims.get(name)?, sums.as_ref()?);
            (fits(claim, sums) == Some(false))
                .then(|| format!("listed {claim}, found {}", same_kind(claim, sums)))
        };
        let (wrong_a, wrong_b) = (wrong(a, sums_a), wrong(b, sums_b));
        if wrong_a.is_some() || wrong_b.is_some() {
            mismatch(walk, name, (wrong_a, wrong_b), "the list does not fit the member's bytes");
        }
    }
    let mut only_claims = true;
    for name in a.keys().chain(b.keys().filter(|n| !a.contains_key(*n))) {
        let (x, y) = (a.get(name), b.get(name));
        if x == y || changed.contains_key(name) {
            continue;
        }
        if let (Some(x), Some(y)) = (x, y) {
            let text = (Some(format!("listed {x}")), Some(format!("listed {y}")));
            mismatch(walk, name, text, "the member is equal on both sides and the lists differ");
        } else {
            only_claims = false;
        }
    }
    good && only_claims
}

/// An `md5sums` list (deb-md5sums(5)); a line that is not one is kept under its own text.
pub(crate) fn parse(text: &[u8]) -> Claims {
    let mut claims = Claims::new();
    for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let cut = line.iter().position(|b| *b == b' ');
        let parts = cut.and_then(|at| Some((line.get(..at)?, line.get(at..)?)));
        match parts {
            Some((sum, name)) if !sum.is_empty() && sum.iter().all(u8::is_ascii_hexdigit) => {
                let name = name.strip_prefix(b"  ").or(name.strip_prefix(b" *")).unwrap_or(name);
                claims.insert(plain(name).to_vec(), String::from_utf8_lossy(sum).to_ascii_lowercase());
            }
            _ => {
                claims.insert([b"line: ", line].concat(), String::new());
            }
        }
    }
    claims
}

/// The member's digest of the kind that a claim is of, for people to compare.
fn same_kind(claim: &str, sums: &Sums) -> String {
    match claim.len() {
        32 => sums.md5.clone().unwrap_or_default(),
        40 => sums.sha1.clone().unwrap_or_default(),
        128 => sums.sha512.as_ref().map(crate::digest::Digest::to_hex).unwrap_or_default(),
        _ => sums.sha256.to_hex(),
    }
}

/// Whether a hexadecimal sum of MD5, SHA-1, SHA-256 or SHA-512 length is the member's; `None` for others.
pub(crate) fn hex_fits(claim: &str, sums: &Sums) -> Option<bool> {
    match claim.len() {
        32 => sums.md5.as_ref().map(|d| claim == d),
        40 => sums.sha1.as_ref().map(|d| claim == d),
        64 => Some(claim == sums.sha256.to_hex()),
        128 => sums.sha512.as_ref().map(|d| claim == d.to_hex()),
        _ => None,
    }
}

/// Compares and checks two `md5sums` lists. Records something whenever the lists' bytes differ and
/// both exist.
pub(crate) fn md5sums(
    walk: &mut Walk<'_>,
    path: &str,
    (a, b): (Option<&[u8]>, Option<&[u8]>),
    changed: &BTreeMap<Vec<u8>, Sides<Sums>>,
) {
    let (claims_a, claims_b) = (parse(a.unwrap_or_default()), parse(b.unwrap_or_default()));
    let before = walk.found();
    let both = (a, b);
    let good = match both {
        (Some(_), Some(_)) => check(walk, path, (&claims_a, &claims_b), changed, hex_fits),
        _ => {
            // Only one side has a list: it is checked all the same.
            check(walk, path, (&claims_a, &claims_a), &side(changed, a.is_some()), hex_fits)
                && check(walk, path, (&claims_b, &claims_b), &side(changed, a.is_some()), hex_fits)
        }
    };
    let (Some(a), Some(b)) = both else { return };
    if a == b {
        return;
    }
    if good && claims_a != claims_b {
        let count = |x: &Claims, y: &Claims| x.iter().filter(|(n, v)| y.get(*n) != Some(*v)).count();
        let text = |n: usize| match n {
            1 => "1 line differs and fits its member".to_owned(),
            n => format!("{n} lines differ, each fits its member"),
        };
        walk.add(
            Difference::exact(path, Cause::ChecksumManifest)
                .values(text(count(&claims_a, &claims_b)), text(count(&claims_b, &claims_a)))
                .bytes(byte_difference(a, b))
                .derived(),
        );
    } else if good && sorted_lines(a) == sorted_lines(b) {
        walk.add(
            Difference::exact(path, Cause::ChecksumManifest)
                .note("the same lines, all fitting, in another order")
                .bytes(byte_difference(a, b)),
        );
    } else if walk.found() == before {
        let (blob_a, blob_b) = (Blob::memory(a.to_vec()), Blob::memory(b.to_vec()));
        walk.differing(Pair { path, name: b"md5sums.txt", a: &blob_a, b: &blob_b });
    }
}

fn sorted_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// The changes as one side sees them.
fn side(changed: &BTreeMap<Vec<u8>, Sides<Sums>>, published: bool) -> BTreeMap<Vec<u8>, Sides<Sums>> {
    changed
        .iter()
        .map(|(name, (a, b))| (name.clone(), if published { (a.clone(), None) } else { (None, b.clone()) }))
        .collect()
}

/// How many bytes differ between two texts laid over each other.
pub(crate) fn byte_difference(a: &[u8], b: &[u8]) -> u64 {
    let differing = a.iter().zip(b).filter(|(x, y)| x != y).count();
    (differing + a.len().abs_diff(b.len())) as u64
}
