//! A wheel's RECORD (PyPA, "Recording installed projects"): path, digest in unpadded base64, size. It
//! is checked against the members of its own side.

use base64::Engine as _;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::log::{MemberLog, Sums};
use super::super::result::Difference;
use super::super::walk::{Pair, Walk};
use super::checksums::{self, Claims};

/// Whether a member is a wheel's list.
pub(crate) fn is_record(name: &[u8]) -> bool {
    name.ends_with(b".dist-info/RECORD")
}

fn parse(text: &[u8]) -> Claims {
    let mut claims = Claims::new();
    for line in text.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let mut parts = line.rsplitn(3, |b| *b == b',');
        let (size, digest, name) = (parts.next(), parts.next(), parts.next());
        match (name, digest, size) {
            (Some(name), Some(digest), Some(size)) => {
                let name = name.strip_prefix(b"\"").and_then(|n| n.strip_suffix(b"\"")).unwrap_or(name);
                let claim = [digest, b",", size].concat();
                claims.insert(name.to_vec(), String::from_utf8_lossy(&claim).into_owned());
            }
            _ => {
                claims.insert([b"line: ", line].concat(), String::new());
            }
        }
    }
    claims
}

fn fits(claim: &str, sums: &Sums) -> Option<bool> {
    let (digest, size) = claim.split_once(',')?;
    let digest = digest.strip_prefix("sha256=")?;
    let wanted = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sums.sha256.as_bytes());
    Some(digest.trim_end_matches('=') == wanted && (size.is_empty() || size == sums.len_bytes.to_string()))
}

/// Checks both lists and explains how they differ.
pub(crate) fn check(
    walk: &mut Walk<'_>,
    path: &str,
    name: &[u8],
    (a, b): (Option<Vec<u8>>, Option<Vec<u8>>),
    log: &MemberLog,
) {
    let (Some(a), Some(b)) = (a, b) else { return };
    let (claims_a, claims_b) = (parse(&a), parse(&b));
    let before = walk.found();
    let mut changed = log.found.clone();
    changed.remove(name);
    let good = checksums::check(walk, path, (&claims_a, &claims_b), &changed, fits);
    if a == b {
        return;
    }
    if good {
        let mut difference = Difference::exact(path, Cause::WheelRecord)
            .bytes(checksums::byte_difference(&a, &b))
            .note(if claims_a == claims_b {
                "the same lines written in another way"
            } else {
                "each line fits its member"
            });
        difference.derived = claims_a != claims_b;
        walk.add(difference);
    } else if walk.found() == before {
        let (blob_a, blob_b) = (Blob::memory(a), Blob::memory(b));
        walk.differing(Pair { path, name: b"RECORD.txt", a: &blob_a, b: &blob_b });
    }
}
