//! `.dsc`: what a source package says of itself, and who signed it.

use jiff::Timestamp;
use serde::Serialize;

use super::deb822::Reader;
use super::release::checksum_line;
use super::{DebianError, LockedSource};
use crate::digest::Digest;
use crate::limits::debian::DebianLimits;
use crate::verdict::Verdict;
use crate::verify::openpgp::{Keyring, SignatureOutcome, is_cleartext, verify_cleartext};

/// What became of a `.dsc`'s own signature. It stands beside the archive's chain of digests, and is
/// neither needed for it nor replaced by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DscSignature {
    /// Pass where a signature of a known key is good and none speaks against it; fail where one does
    /// (refuted, or by a key that was expired or revoked); inconclusive where it has none, the keyring
    /// lacks the key, or the signature or the key rests on a broken algorithm: SHA-1 self-signatures of
    /// old keys establish nothing, but that is no evidence against the source.
    pub verdict: Verdict,
    /// One outcome for each signature.
    pub signatures: Vec<SignatureOutcome>,
}

impl std::fmt::Display for DscSignature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.signatures.as_slice() {
            [] => f.write_str("not signed"),
            all => f.write_str(&all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
        }
    }
}

/// The fields of a `.dsc` that are compared with the index, and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dsc {
    /// `Source`.
    pub source: String,
    /// `Version`.
    pub version: String,
    /// Name, length and SHA-256 of each file but the `.dsc` itself, ordered by name.
    pub files: Vec<(String, u64, Digest)>,
    /// Who signed it.
    pub signature: DscSignature,
}

impl Dsc {
    /// Reads a `.dsc` and judges its signature at `as_of`. The bytes must already be authentic by the
    /// archive's chain: the text is read whatever the signature is worth.
    pub fn read(
        name: &str,
        bytes: &[u8],
        developers: &Keyring,
        as_of: Timestamp,
        limits: &DebianLimits,
    ) -> Result<Self, DebianError> {
        let (text, signatures) = if is_cleartext(bytes) {
            let checked = verify_cleartext(bytes, developers, as_of, &limits.signature)
                .map_err(|source| DebianError::OpenPgp { what: name.to_owned(), source })?;
            (checked.text_unverified().to_vec(), checked.signatures)
        } else {
            (bytes.to_vec(), Vec::new())
        };
        let verdicts = || {
            signatures.iter().map(|s| match s {
                SignatureOutcome::WeakAlgorithm { .. } => Verdict::Inconclusive,
                other => other.verdict(),
            })
        };
        let verdict = match (verdicts().any(|v| v == Verdict::Fail), verdicts().any(|v| v == Verdict::Pass)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Pass,
            (false, false) => Verdict::Inconclusive,
        };
        let failed = |source| DebianError::Stanza { what: name.to_owned(), source };
        let wrong = |detail| DebianError::Field { what: name.to_owned(), detail };
        let mut reader = Reader::new(text.as_slice(), limits);
        let stanza = reader.next_stanza().map_err(failed)?.ok_or_else(|| wrong("it is empty".to_owned()))?;
        let mut files = Vec::new();
        for line in stanza.lines("Checksums-Sha256") {
            let (digest, size, file) = checksum_line(line).map_err(wrong)?;
            files.push((file.to_owned(), size, digest));
        }
        files.sort();
        Ok(Self {
            source: stanza.require("Source").map_err(failed)?.to_owned(),
            version: stanza.require("Version").map_err(failed)?.to_owned(),
            files,
            signature: DscSignature { verdict, signatures },
        })
    }

    /// Checks that the index or the lock says the same of the source as its own `.dsc`.
    pub fn agree(&self, listed: &LockedSource) -> Result<(), DebianError> {
        let dsc = listed.dsc().map(|f| f.name.clone()).unwrap_or_default();
        let disagree = |file: &str| DebianError::DscDisagrees { dsc: dsc.clone(), file: file.to_owned() };
        if self.source != listed.name {
            return Err(disagree("Source"));
        }
        if self.version != listed.version {
            return Err(disagree("Version"));
        }
        let mut expected: Vec<_> = listed
            .files
            .iter()
            .filter(|f| f.name != dsc)
            .map(|f| (f.name.clone(), f.size, f.digest.clone()))
            .collect();
        expected.sort();
        match self.files.iter().zip(&expected).find(|(a, b)| a != b) {
            Some((a, _)) => Err(disagree(&a.0)),
            None if self.files.len() != expected.len() => Err(disagree("Checksums-Sha256")),
            None => Ok(()),
        }
    }
}
