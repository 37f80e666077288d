//! Alpine packages (apk-tools 2): three gzip members, each a piece of one tar: the signature, the control
//! segment with `.PKGINFO`, the data. `datahash` is the SHA-256 of the last, and each file bears its
//! SHA-1 in a PAX record: both are recomputed on each side.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::decode::StreamEnd;
use super::super::log::{MemberLog, sha1};
use super::super::members::Found;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk, join};
use super::{Format, Probe, compressed, gzip, packages};
use crate::archive::compression::Compression;
use crate::archive::tar::TarEntry;

pub(crate) static FORMAT: Format = Format { id: "apk", recognise, compare };

/// A file's SHA-1 within the package.
pub(crate) const CHECKSUM_KEY: &[u8] = b"APK-TOOLS.checksum.SHA1";
const PKGINFO: &[u8] = b".PKGINFO";

fn recognise(probe: &Probe<'_>) -> bool {
    if !probe.name.ends_with(b".apk") || !probe.head.starts_with(&[0x1f, 0x8b, 8]) {
        return false;
    }
    // The first member's name is at the start of what is packed.
    let mut name = [0; 6];
    let mut decoder = flate2::bufread::GzDecoder::new(probe.head);
    std::io::Read::read_exact(&mut decoder, &mut name).is_ok()
        && (name.starts_with(b".SIGN.") || PKGINFO.starts_with(&name))
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let outer = walk.log.replace(MemberLog::new(|name| name == PKGINFO, false));
    let outcome = compressed::content(walk, pair, (Compression::Gzip, Compression::Gzip));
    let held = walk.log.take().map(|log| log.held).unwrap_or_default();
    walk.log = outer;
    let outcome = outcome?;
    let data = |blob: &Blob, end: &StreamEnd| -> Option<Blob> {
        let last = blob.len().saturating_sub(end.trailing_zeros + end.trailing_other);
        let from = *end.starts.last().filter(|_| end.starts.len() as u64 == end.frames && end.frames > 1)?;
        Some(blob.slice(from, last.saturating_sub(from)))
    };
    let (data_a, data_b) = (data(pair.a, &outcome.a), data(pair.b, &outcome.b));
    let path = join(pair.path, PKGINFO);
    if let Some((Some(a), Some(b))) = held.get(PKGINFO) {
        info(walk, &path, (a, b), (data_a.as_ref(), data_b.as_ref()))?;
    } else if let (Some(a), Some(b)) = (&data_a, &data_b)
        && !a.equal(b)?
    {
        // One and the same list cannot fit two segments that differ.
        walk.add(
            Difference::exact(&path, Cause::ChecksumManifestMismatch)
                .field("datahash")
                .values(format!("data is {}", a.sha256()?), format!("data is {}", b.sha256()?))
                .note("the list is the same on both sides, the data is not"),
        );
    }
    gzip::describe(walk, pair, &outcome)
}

/// Compares two `.PKGINFO`: the hash and the size of the data by what they say, the rest line by line.
fn info(
    walk: &mut Walk<'_>,
    path: &str,
    (a, b): (&Blob, &Blob),
    (data_a, data_b): (Option<&Blob>, Option<&Blob>),
) -> Result<(), Stop> {
    let most = walk.budget.limits.document_bytes_max;
    let (Some(text_a), Some(text_b)) = (a.whole(most)?, b.whole(most)?) else {
        return packages::pkginfo(walk, Pair { path, name: PKGINFO, a, b });
    };
    let (hash_a, hash_b) = (value(&text_a, b"datahash"), value(&text_b, b"datahash"));
    let actual = |data: Option<&Blob>| -> Result<Option<String>, Stop> {
        Ok(data.map(Blob::sha256).transpose()?.map(|digest| digest.to_hex()))
    };
    let (actual_a, actual_b) = (actual(data_a)?, actual(data_b)?);
    let fits = |claim: &Option<String>, actual: &Option<String>| claim.is_none() || claim == actual;
    let (fits_a, fits_b) = (fits(&hash_a, &actual_a), fits(&hash_b, &actual_b));
    let data_differs = actual_a != actual_b;
    if !fits_a || !fits_b {
        let text = |fits: bool, claim: &Option<String>, actual: &Option<String>| {
            let (claim, actual) =
                (claim.as_deref().unwrap_or("nothing"), actual.as_deref().unwrap_or("nothing"));
            (!fits).then(|| format!("listed {claim}, found {actual}"))
        };
        let mut difference = Difference::exact(path, Cause::ChecksumManifestMismatch).field("datahash");
        difference.a = text(fits_a, &hash_a, &actual_a);
        difference.b = text(fits_b, &hash_b, &actual_b);
        walk.add(difference.note("the hash is not that of the data"));
    } else if hash_a != hash_b {
        let difference = Difference::exact(path, Cause::ChecksumManifest).field("datahash").derived();
        walk.add(
            difference.values(hash_a.as_deref().unwrap_or_default(), hash_b.as_deref().unwrap_or_default()),
        );
    }
    let (size_a, size_b) = (value(&text_a, b"size"), value(&text_b, b"size"));
    if data_differs && size_a != size_b {
        let difference = Difference::exact(path, Cause::ChecksumManifest).field("size").derived();
        walk.add(
            difference.values(size_a.as_deref().unwrap_or_default(), size_b.as_deref().unwrap_or_default()),
        );
    }
    let rest = |text: &[u8]| -> Vec<u8> {
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let skip = |line: &&[u8]| key(line) == b"datahash" || (data_differs && key(line) == b"size");
        lines.filter(|line| !skip(line)).collect::<Vec<_>>().concat()
    };
    let (rest_a, rest_b) = (rest(&text_a), rest(&text_b));
    if rest_a != rest_b {
        let (rest_a, rest_b) = (Blob::memory(rest_a), Blob::memory(rest_b));
        packages::pkginfo(walk, Pair { path, name: PKGINFO, a: &rest_a, b: &rest_b })?;
    } else if hash_a == hash_b && size_a == size_b {
        let difference = Difference::exact(path, Cause::LineOrder);
        walk.add(difference.note("the same lines in another order"));
    }
    Ok(())
}

fn key(line: &[u8]) -> &[u8] {
    line.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii()
}

fn value(text: &[u8], wanted: &[u8]) -> Option<String> {
    let line = text.split(|byte| *byte == b'\n').find(|line| key(line) == wanted)?;
    let at = line.iter().position(|byte| *byte == b'=')?;
    Some(String::from_utf8_lossy(line.get(at + 1..)?.trim_ascii()).into_owned())
}

/// Checks two members' own SHA-1 records, where the members or the records differ.
pub(crate) fn checksums(walk: &mut Walk<'_>, path: &str, a: &Found<TarEntry>, b: &Found<TarEntry>) {
    let claim = |found: &Found<TarEntry>| {
        let record = found.meta.pax.iter().rev().find(|(key, _)| key == CHECKSUM_KEY)?;
        Some(String::from_utf8_lossy(&record.1).into_owned())
    };
    let (claim_a, claim_b) = (claim(a), claim(b));
    let same_body = a.sha256 == b.sha256 && a.meta.link == b.meta.link;
    if (claim_a.is_none() && claim_b.is_none()) || (same_body && claim_a == claim_b) {
        return;
    }
    let fits = |found: &Found<TarEntry>, claim: &Option<String>| -> Option<bool> {
        let Some(claim) = claim else { return Some(true) };
        let mut context = sha1();
        match &found.blob {
            // A link's record is that of its target's name.
            None if found.meta.kind == b'2' => context.update(&found.meta.link),
            None => return None,
            Some(blob) => blob.each_chunk(|chunk| context.update(chunk)).ok()?,
        }
        Some(hex::encode(context.finish()) == *claim)
    };
    let (fits_a, fits_b) = (fits(a, &claim_a), fits(b, &claim_b));
    let good = !same_body && fits_a == Some(true) && fits_b == Some(true);
    let cause = if good { Cause::ChecksumManifest } else { Cause::ChecksumManifestMismatch };
    if good && claim_a == claim_b {
        return;
    }
    let mut difference = Difference::exact(path, cause).field(CHECKSUM_KEY);
    (difference.a, difference.b) = (claim_a, claim_b);
    walk.add(if good { difference.derived() } else { difference.note("the record is not the file's SHA-1") });
}
