//! `InRelease`: the one file of a suite that is signed, and that vouches for all others.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::deb822::{Reader, Stanza};
use super::{Access, Archive, DebianError, is_archive_path};
use crate::digest::{Algorithm, Digest};
use crate::event::{Event, Stage};
use crate::fetch::Small;
use crate::limits::debian::DebianLimits;
use crate::verdict::Verdict;
use crate::verify::openpgp::{Keyring, SignatureOutcome, verify_cleartext};

/// A suite's index whose signature was verified. What it lists was announced by the archive; nothing
/// of it has been fetched yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIndex {
    /// The suite as it was asked for.
    pub suite: String,
    /// Which archive carries it.
    pub archive: Archive,
    /// Digest of the `InRelease` file as signed.
    pub digest: Digest,
    /// Its `Date`.
    pub date: Timestamp,
    /// Its `Valid-Until`, if it has an end.
    pub valid_until: Option<Timestamp>,
    /// Fingerprints of the certificates whose signatures are good, in the file's order.
    pub signed_by: Vec<String>,
    /// Whether parts may also be asked for by their digest.
    pub(super) by_hash: bool,
    /// Parts below `dists/<suite>/`: length and SHA-256.
    pub(super) parts: BTreeMap<String, (u64, Digest)>,
}

/// Fetches a suite's `InRelease` and verifies it at the time `as_of`: at least one signature by the
/// keyring is good and none is refuted, the signed text is that of the suite, not from the future and
/// not expired. Mirrors are tried in order until one passes.
pub fn signed_index(
    access: &Access<'_>,
    suite: &str,
    keyring: &Keyring,
    as_of: Timestamp,
) -> Result<SignedIndex, DebianError> {
    let archive = Archive::of_suite(suite);
    let mut first_error = None;
    for url in access.mirrors.urls(archive, &format!("dists/{suite}/InRelease"))? {
        let bytes_max = access.limits.signature.signed_text_bytes_max as u64;
        let answer = match access.fetcher.get_small(&url, bytes_max, None) {
            Ok(Small::Fetched { bytes, .. }) => {
                read_signed_index(&bytes, suite, keyring, as_of, &access.limits).and_then(|index| {
                    access.store.insert(&bytes)?;
                    Ok(index)
                })
            }
            Ok(Small::NotModified) => continue,
            Err(e) => Err(e.into()),
        };
        match answer {
            Ok(index) => return Ok(index),
            Err(DebianError::Store(e)) => return Err(e.into()),
            Err(e) => {
                access.observer.event(&Event::Note { stage: Stage::Source, text: &e.to_string() });
                // A mirror that was reached and refused says more than one that was not reached.
                match first_error {
                    None | Some(DebianError::Fetch(_)) => first_error = Some(e),
                    Some(_) => {}
                }
            }
        }
    }
    Err(first_error.unwrap_or(super::MirrorError::None { archive }.into()))
}

/// Verifies the bytes of an `InRelease` as [`signed_index`] does, asking nobody.
pub fn read_signed_index(
    bytes: &[u8],
    suite: &str,
    keyring: &Keyring,
    as_of: Timestamp,
    limits: &DebianLimits,
) -> Result<SignedIndex, DebianError> {
    let what = format!("{suite}/InRelease");
    let checked = verify_cleartext(bytes, keyring, as_of, &limits.signature)
        .map_err(|source| DebianError::OpenPgp { what: what.clone(), source })?;
    // A key that the keyring lacks is to be expected: several sign, of several releases. A signature
    // that is wrong never is.
    if checked.signatures.iter().any(|s| matches!(s, SignatureOutcome::Refuted { .. })) {
        return Err(DebianError::Refuted { what, signatures: checked.signatures });
    }
    let Some(text) = checked.text() else {
        return Err(DebianError::NotVouchedFor { what, signatures: checked.signatures });
    };
    let signed_by = checked
        .signatures
        .iter()
        .filter(|s| s.verdict() == Verdict::Pass)
        .filter_map(|s| match s {
            SignatureOutcome::Good { fingerprint, .. } => Some(fingerprint.clone()),
            _ => None,
        })
        .collect();
    let stanza_error = |source| DebianError::Stanza { what: what.clone(), source };
    // The whole text is one stanza, and as long as a signed text may be.
    let whole = DebianLimits { stanza_bytes_max: limits.signature.signed_text_bytes_max, ..*limits };
    let mut reader = Reader::new(text, &whole);
    let field_error = |detail: String| DebianError::Field { what: what.clone(), detail };
    let Some(stanza) = reader.next_stanza().map_err(stanza_error)? else {
        return Err(field_error("it is empty".to_owned()));
    };
    let names = [stanza.get("Codename"), stanza.get("Suite")];
    if !names.contains(&Some(suite)) {
        let found = names.into_iter().flatten().next().unwrap_or("no suite").to_owned();
        return Err(DebianError::WrongSuite { what, expected: suite.to_owned(), found });
    }
    let date = date_field(&stanza, "Date").map_err(field_error)?;
    let date = date.ok_or_else(|| field_error("it has no `Date`".to_owned()))?;
    let valid_until = date_field(&stanza, "Valid-Until").map_err(field_error)?;
    if date.duration_since(as_of).unsigned_abs() > limits.clock_skew && date > as_of {
        return Err(DebianError::FromTheFuture { what, date, as_of });
    }
    if let Some(valid_until) = valid_until.filter(|end| *end < as_of) {
        return Err(DebianError::Expired { what, valid_until, as_of });
    }
    let mut parts = BTreeMap::new();
    for line in stanza.lines("SHA256") {
        let (digest, size, path) = checksum_line(line).map_err(field_error)?;
        if !is_archive_path(path) {
            return Err(field_error(format!("`{}` is not a plain path", path.escape_debug())));
        }
        parts.insert(path.to_owned(), (size, digest));
    }
    let by_hash = stanza.get("Acquire-By-Hash") == Some("yes");
    let second = reader.next_stanza().map_err(|source| DebianError::Stanza { what: what.clone(), source })?;
    if second.is_some() {
        let detail = "it has a second stanza".to_owned();
        return Err(DebianError::Field { what, detail });
    }
    Ok(SignedIndex {
        suite: suite.to_owned(),
        archive: Archive::of_suite(suite),
        digest: Digest::sha256(bytes),
        date,
        valid_until,
        signed_by,
        by_hash,
        parts,
    })
}

/// `<sha256> <size> <name>`, as in `InRelease`, `Sources` and `.dsc`.
pub(super) fn checksum_line(line: &str) -> Result<(Digest, u64, &str), String> {
    let shown = || line.chars().take(200).collect::<String>().escape_debug().to_string();
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(digest), Some(size), Some(name), None) => {
            let digest = Digest::from_hex(Algorithm::Sha256, digest).map_err(|e| e.to_string())?;
            let size = size.parse().map_err(|_| format!("`{}` has no size", shown()))?;
            Ok((digest, size, name))
        }
        _ => Err(format!("`{}` is not `<sha256> <size> <name>`", shown())),
    }
}

fn date_field(stanza: &Stanza<'_>, field: &str) -> Result<Option<Timestamp>, String> {
    stanza
        .get(field)
        .map(|text| {
            parse_date(text).ok_or_else(|| format!("`{field}` is no date: `{}`", text.escape_debug()))
        })
        .transpose()
}

/// RFC 5322, with `UTC` for the zone as the archive writes it. The name of the day is read over.
pub(super) fn parse_date(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let text = match text.strip_suffix("UTC") {
        Some(start) => format!("{start}+0000"),
        None => text.to_owned(),
    };
    jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text.as_bytes()).ok()
}
