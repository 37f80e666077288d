//! minisign signatures (Ed25519, with or without BLAKE2b before it) against given public keys.
//!
//! # What a good signature establishes
//!
//! The bytes and the *trusted comment* were signed by one of the given keys. Nothing says when, unless the
//! trusted comment does, in the signer's own words; the untrusted comment is never shown. Keys have
//! neither an end nor a revocation.

use std::io::Read;

use miette::Diagnostic;
use minisign_verify::{Error, PublicKey, Signature};
use serde::Serialize;

use crate::limits::signature::SignatureLimits;
use crate::verdict::Verdict;

/// Read at a time.
const BUFFER_BYTES: usize = 256 << 10;
const UNTRUSTED: &str = "untrusted comment:";
const TRUSTED: &str = "trusted comment: ";

/// Public keys that are trusted to vouch.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<(String, PublicKey)>);

impl Keys {
    /// Reads a key file (`minisign.pub`: a comment and a line of base64) or the line of base64 alone.
    pub fn read(bytes: &[u8]) -> Result<Self, MinisignError> {
        let refuse = |detail: &str| MinisignError::Key { detail: detail.to_owned() };
        // A key file has two lines of less than 200 bytes; 4 KiB leave room for a long comment.
        let text = (bytes.len() <= 4096).then_some(bytes).and_then(|b| std::str::from_utf8(b).ok());
        let lines: Vec<_> = text.ok_or_else(|| refuse("not a short text"))?.trim().lines().collect();
        let line = match lines.as_slice() {
            [key] => key,
            [comment, key] if comment.starts_with(UNTRUSTED) => key,
            _ => {
                return Err(refuse(
                    "expected one line of base64, with or without an untrusted comment before it",
                ));
            }
        };
        let key = PublicKey::from_base64(line.trim()).map_err(|e| refuse(&e.to_string()))?;
        let id = key_id(line.trim()).ok_or_else(|| refuse("the key is too short"))?;
        Ok(Self(vec![(id, key)]))
    }

    /// Adds the keys of another file.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Key ids in the form that minisign prints: upper-case hexadecimal.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(id, _)| id.as_str())
    }
}

/// The key id inside the base64 of a key or of a signature: eight bytes after the algorithm, shown as a
/// little-endian number.
fn key_id(base64: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64).ok()?;
    let id: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(id)))
}

/// What a signature turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum MinisignOutcome {
    /// By one of the given keys.
    Good {
        /// Upper-case hexadecimal.
        key_id: String,
        /// Signed together with the bytes; the signer's own words.
        trusted_comment: String,
    },
    /// By another key.
    KeyNotKnown {
        /// Upper-case hexadecimal.
        key_id: String,
    },
    /// The bytes or the trusted comment are not what this key signed.
    Refuted {
        /// Upper-case hexadecimal.
        key_id: String,
    },
}

impl MinisignOutcome {
    /// Whether this signature vouches.
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Good { .. })
    }

    /// Pass, fail, or inconclusive where the key is not known.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Good { .. } => Verdict::Pass,
            Self::KeyNotKnown { .. } => Verdict::Inconclusive,
            Self::Refuted { .. } => Verdict::Fail,
        }
    }
}

impl std::fmt::Display for MinisignOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Good { key_id, trusted_comment } => {
                write!(f, "good signature of minisign key `{key_id}`, trusted comment `{trusted_comment}`")
            }
            Self::KeyNotKnown { key_id } => {
                write!(f, "signature of minisign key `{key_id}`, which was not given")
            }
            Self::Refuted { key_id } => {
                write!(f, "signature of minisign key `{key_id}` does not match the bytes")
            }
        }
    }
}

/// Verifies a signature file over the bytes of `data`, in constant memory. Signatures in the old form,
/// which are over the bytes themselves, need them in memory: up to `signed_text_bytes_max`.
pub fn verify(
    signature: &[u8],
    mut data: impl Read,
    keys: &Keys,
    limits: &SignatureLimits,
) -> Result<MinisignOutcome, MinisignError> {
    let refuse = |detail: &str| MinisignError::Signature { detail: detail.to_owned() };
    if signature.len() > limits.line_bytes_max {
        return Err(MinisignError::Limit {
            what: "signature",
            limit: "line_bytes_max",
            max: limits.line_bytes_max,
        });
    }
    let text = std::str::from_utf8(signature).map_err(|_| refuse("not text"))?;
    let lines: Vec<_> = text.trim_end().lines().collect();
    let [untrusted, body, trusted, _] = lines.as_slice() else { return Err(refuse("expected four lines")) };
    if !untrusted.starts_with(UNTRUSTED) || !trusted.starts_with(TRUSTED) {
        return Err(refuse("expected an untrusted and a trusted comment"));
    }
    let parsed = Signature::decode(text).map_err(|e| refuse(&e.to_string()))?;
    let key_id = key_id(body).ok_or_else(|| refuse("the signature is too short"))?;

    let mut candidates = keys.0.iter().filter(|(id, _)| *id == key_id).map(|(_, key)| key).peekable();
    if candidates.peek().is_none() {
        return Ok(MinisignOutcome::KeyNotKnown { key_id });
    }
    let candidates: Vec<_> = candidates.collect();
    let good = match candidates.first().map(|key| key.verify_stream(&parsed)) {
        Some(Err(Error::UnsupportedLegacyMode)) => {
            let max = limits.signed_text_bytes_max;
            let mut bytes = Vec::new();
            data.take(max as u64 + 1).read_to_end(&mut bytes).map_err(MinisignError::Read)?;
            if bytes.len() > max {
                return Err(MinisignError::Limit {
                    what: "file under a signature of the old form",
                    limit: "signed_text_bytes_max",
                    max,
                });
            }
            candidates.iter().any(|key| key.verify(&bytes, &parsed, true).is_ok())
        }
        _ => {
            let mut streams: Vec<_> =
                candidates.iter().filter_map(|key| key.verify_stream(&parsed).ok()).collect();
            let mut buffer = vec![0; BUFFER_BYTES];
            loop {
                match data.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => streams.iter_mut().for_each(|s| s.update(buffer.get(..n).unwrap_or_default())),
                    Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(MinisignError::Read(e)),
                }
            }
            streams.iter_mut().any(|s| s.finalize().is_ok())
        }
    };
    if !good {
        return Ok(MinisignOutcome::Refuted { key_id });
    }
    let trusted_comment = parsed.trusted_comment().chars().filter(|c| !c.is_control()).take(1024).collect();
    Ok(MinisignOutcome::Good { key_id, trusted_comment })
}

/// Whether the bytes look like a minisign signature. Decides only which reader to ask.
pub fn is_signature(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|b| *b == b'\n');
    bytes.starts_with(UNTRUSTED.as_bytes()) && lines.nth(2).is_some_and(|l| l.starts_with(TRUSTED.as_bytes()))
}

/// Why a signature or a key could not be looked at.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum MinisignError {
    /// The signature breaks its format's rules.
    #[error("not a minisign signature: {detail}")]
    #[diagnostic(
        code(minisign::signature_malformed),
        help("fetch the signature again as published, as `minisign -S` wrote it")
    )]
    Signature {
        /// What is wrong.
        detail: String,
    },
    /// The key file cannot be read.
    #[error("not a minisign public key: {detail}")]
    #[diagnostic(code(minisign::key_malformed), help("give the file `minisign.pub`, or its second line"))]
    Key {
        /// What is wrong.
        detail: String,
    },
    /// A bound was reached.
    #[error("the {what} passes the limit `{limit}` of {max}")]
    #[diagnostic(
        code(minisign::limit),
        help(
            "raise the limit if that size is expected, or ask the publisher for a signature in the newer form"
        )
    )]
    Limit {
        /// What was being read.
        what: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        max: usize,
    },
    /// The signed bytes could not be read.
    #[error("cannot read the signed data")]
    #[diagnostic(code(minisign::read), help("check that the file exists and can be read"))]
    Read(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const LIMITS: SignatureLimits = SignatureLimits::DEFAULT;
    const DATA: &[u8] = b"the released bytes";

    struct Signer {
        pair: Ed25519KeyPair,
        id: [u8; 8],
    }

    impl Signer {
        fn new(seed: u8) -> Self {
            Self { pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(), id: [seed; 8] }
        }

        fn public(&self) -> String {
            STANDARD.encode([b"Ed", self.id.as_slice(), self.pair.public_key().as_ref()].concat())
        }

        /// The old form, whose bytes are signed as they are: the newer one differs by BLAKE2b, which is
        /// covered by a real file below.
        fn sign(&self, data: &[u8], comment: &str) -> String {
            let signature = self.pair.sign(data);
            let global = self.pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
            let body = [b"Ed", self.id.as_slice(), signature.as_ref()].concat();
            format!(
                "untrusted comment: x\n{}\ntrusted comment: {comment}\n{}\n",
                STANDARD.encode(body),
                STANDARD.encode(global)
            )
        }
    }

    #[test]
    fn only_this_key_these_bytes_and_this_comment() {
        let (ann, bob) = (Signer::new(1), Signer::new(2));
        let keys = Keys::read(ann.public().as_bytes()).unwrap();
        let sig = ann.sign(DATA, "file:hello-1.tar.gz");
        let good = verify(sig.as_bytes(), DATA, &keys, &LIMITS).unwrap();
        let expected = MinisignOutcome::Good {
            key_id: "0101010101010101".into(),
            trusted_comment: "file:hello-1.tar.gz".into(),
        };
        assert_eq!(good, expected);
        let word = |sig: &str, data: &[u8], keys: &Keys| {
            verify(sig.as_bytes(), data, keys, &LIMITS).unwrap().verdict()
        };
        assert_eq!(word(&sig, b"other", &keys), Verdict::Fail);
        assert_eq!(word(&sig.replace("hello-1", "hello-2"), DATA, &keys), Verdict::Fail);
        assert_eq!(word(&sig, DATA, &Keys::read(bob.public().as_bytes()).unwrap()), Verdict::Inconclusive);
        assert_eq!(word(&sig, DATA, &Keys::default()), Verdict::Inconclusive);
        // Another key under the same id.
        let twin = Signer { id: ann.id, ..Signer::new(3) };
        let twins = Keys::read(twin.public().as_bytes()).unwrap();
        assert_eq!(word(&sig, DATA, &twins), Verdict::Fail);
        assert_eq!(word(&sig, DATA, &twins.with(keys)), Verdict::Pass);
    }

    #[test]
    fn every_changed_byte_of_meaning_is_refused() {
        let ann = Signer::new(1);
        let keys = Keys::read(ann.public().as_bytes()).unwrap();
        let sig = ann.sign(DATA, "comment");
        let meaning = sig.find('\n').unwrap() + 1;
        for i in meaning..sig.trim_end().len() {
            let mut bad = sig.clone().into_bytes();
            bad[i] ^= 2;
            let found = verify(&bad, DATA, &keys, &LIMITS);
            assert!(!found.as_ref().is_ok_and(MinisignOutcome::is_good), "byte {i}: {found:?}");
        }
        for bad in [format!("{sig}more\n"), sig.replace("untrusted", "intrusted"), String::new()] {
            assert!(verify(bad.as_bytes(), DATA, &keys, &LIMITS).is_err());
        }
    }

    #[test]
    fn the_old_form_is_bounded() {
        let ann = Signer::new(1);
        let keys = Keys::read(ann.public().as_bytes()).unwrap();
        let small = SignatureLimits { signed_text_bytes_max: DATA.len() - 1, ..LIMITS };
        let found = verify(ann.sign(DATA, "c").as_bytes(), DATA, &keys, &small);
        assert!(matches!(found, Err(MinisignError::Limit { .. })), "{found:?}");
    }

    #[test]
    fn minisign_and_this_agree_where_it_is_installed() {
        let dir = tempfile::tempdir().unwrap();
        let run = |args: &[&str]| {
            std::process::Command::new("minisign")
                .args(args)
                .current_dir(dir.path())
                .stdin(std::process::Stdio::null())
                .output()
        };
        if run(&["-v"]).is_err() {
            eprintln!("skipped: no minisign on this machine");
            return;
        }
        std::fs::write(dir.path().join("data"), DATA).unwrap();
        assert!(run(&["-G", "-W", "-p", "m.pub", "-s", "m.key"]).unwrap().status.success());
        let keys = Keys::read(&std::fs::read(dir.path().join("m.pub")).unwrap()).unwrap();
        for form in ["-H", "-l"] {
            assert!(run(&["-S", form, "-s", "m.key", "-m", "data", "-t", "said"]).unwrap().status.success());
            let sig = std::fs::read(dir.path().join("data.minisig")).unwrap();
            assert!(is_signature(&sig));
            let found = verify(&sig, DATA, &keys, &LIMITS).unwrap();
            let MinisignOutcome::Good { key_id, trusted_comment } = &found else { panic!("{form}: {found}") };
            assert!(keys.ids().eq([key_id.as_str()]) && trusted_comment == "said");
            assert_eq!(verify(&sig, &b"other"[..], &keys, &LIMITS).unwrap().verdict(), Verdict::Fail);
        }
    }

    #[test]
    fn key_files() {
        let public = Signer::new(1).public();
        assert_eq!(
            Keys::read(format!("untrusted comment: k\n{public}\n").as_bytes()).unwrap().ids().count(),
            1
        );
        for bad in [
            "",
            "x",
            "untrusted comment: k\n",
            &format!("{public}\n{public}"),
            &public[..40],
            &"a".repeat(5000),
        ] {
            assert!(Keys::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
