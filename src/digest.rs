//! Digests: what algorithm, which bytes, and whether two sets of them agree.
//!
//! Only SHA-256 and SHA-512 exist here. MD5 and SHA-1 parse to [`DigestError::Weak`]: chosen-prefix
//! collisions are practical for both, so a match of theirs establishes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;

use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// Bytes read at a time while hashing; large enough that system calls do not show in a profile.
const HASH_BUFFER_BYTES: usize = 256 * 1024;

/// A digest algorithm that this crate trusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4), 32 bytes.
    Sha256,
    /// SHA-512 (FIPS 180-4), 64 bytes.
    Sha512,
}

impl Algorithm {
    /// Length of a digest in bytes.
    pub const fn len_bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The name as in-toto spells it: `sha256` or `sha512`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            "md5" | "sha1" => Err(DigestError::Weak { algorithm: text.to_owned() }),
            _ => Err(DigestError::UnknownAlgorithm { algorithm: text.to_owned() }),
        }
    }
}

/// One digest. The bytes always have the algorithm's length; the text form is
/// `<algorithm>:<lower-case hexadecimal>` and no other spelling is accepted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: Vec<u8>,
}

impl Digest {
    /// Takes raw digest bytes; refuses a wrong length.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, DigestError> {
        if bytes.len() != algorithm.len_bytes() {
            return Err(DigestError::Length {
                algorithm,
                expected_bytes: algorithm.len_bytes(),
                found_bytes: bytes.len(),
            });
        }
        Ok(Self { algorithm, bytes: bytes.to_vec() })
    }

    /// Takes lower-case hexadecimal without an algorithm prefix.
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Result<Self, DigestError> {
        let bad = || DigestError::Hex { found: text.chars().take(140).collect() };
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(bad());
        }
        Self::from_bytes(algorithm, &hex::decode(text).map_err(|_| bad())?)
    }

    /// Hashes bytes in memory.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// SHA-256 of bytes in memory.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, bytes)
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Lower-case hexadecimal without the prefix.
    pub fn to_hex(&self) -> String {
        hex::encode(&self.bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, hex::encode(&self.bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, rest) = text
            .split_once(':')
            .ok_or_else(|| DigestError::Hex { found: text.chars().take(140).collect() })?;
        Self::from_hex(algorithm.parse()?, rest)
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A non-empty set of digests of the same bytes, at most one for each algorithm.
///
/// Serialises as in-toto's `DigestSet`: an object from algorithm name to hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DigestSet(BTreeMap<Algorithm, Digest>);

impl DigestSet {
    /// The set of one digest.
    pub fn single(digest: Digest) -> Self {
        Self(BTreeMap::from([(digest.algorithm, digest)]))
    }

    /// Adds a digest, replacing one of the same algorithm.
    #[must_use]
    pub fn with(mut self, digest: Digest) -> Self {
        self.0.insert(digest.algorithm, digest);
        self
    }

    /// The digest of one algorithm, if the set has it.
    pub fn get(&self, algorithm: Algorithm) -> Option<&Digest> {
        self.0.get(&algorithm)
    }

    /// All digests, ordered by algorithm.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        self.0.values()
    }

    /// Compares two sets. One differing shared algorithm makes them [`Agreement::Different`].
    pub fn agreement(&self, other: &Self) -> Agreement {
        let mut shared = false;
        for (algorithm, digest) in &self.0 {
            match other.0.get(algorithm) {
                Some(theirs) if theirs == digest => shared = true,
                Some(_) => return Agreement::Different,
                None => {}
            }
        }
        if shared { Agreement::Same } else { Agreement::NoSharedAlgorithm }
    }
}

impl Serialize for DigestSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.values().map(|d| (d.algorithm.name(), d.to_hex())))
    }
}

impl<'de> Deserialize<'de> for DigestSet {
    /// Algorithms unknown to this crate are ignored, as in-toto asks; a set with none that is known
    /// is refused.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = BTreeMap::<String, String>::deserialize(deserializer)?;
        let mut set = BTreeMap::new();
        for (name, text) in raw {
            if let Ok(algorithm) = name.parse::<Algorithm>() {
                let digest = Digest::from_hex(algorithm, &text).map_err(serde::de::Error::custom)?;
                set.insert(algorithm, digest);
            }
        }
        if set.is_empty() {
            return Err(serde::de::Error::custom("no sha256 or sha512 digest in the set"));
        }
        Ok(Self(set))
    }
}

/// How two digest sets relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// At least one shared algorithm, and all shared ones are equal.
    Same,
    /// A shared algorithm has different digests.
    Different,
    /// Nothing to compare: this is never a match.
    NoSharedAlgorithm,
}

/// Streaming hasher of one algorithm.
#[derive(Clone, Debug)]
pub struct Hasher(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Hasher {
    /// An empty hasher.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => Inner::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => Inner::Sha512(sha2::Sha512::new()),
        })
    }

    /// Feeds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Sha256(h) => h.update(bytes),
            Inner::Sha512(h) => h.update(bytes),
        }
    }

    /// Ends and gives the digest.
    pub fn finish(self) -> Digest {
        match self.0 {
            Inner::Sha256(h) => Digest { algorithm: Algorithm::Sha256, bytes: h.finalize().to_vec() },
            Inner::Sha512(h) => Digest { algorithm: Algorithm::Sha512, bytes: h.finalize().to_vec() },
        }
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hashes a reader to its end in constant memory; gives the digest and the length in bytes.
pub fn hash_reader(algorithm: Algorithm, mut reader: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new(algorithm);
    let mut buffer = vec![0; HASH_BUFFER_BYTES];
    let mut len_bytes = 0;
    loop {
        let n = match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finish(), len_bytes)),
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        hasher.update(buffer.get(..n).unwrap_or_default());
        len_bytes += n as u64;
    }
}

/// Hashes a file in constant memory; gives the digest and the length in bytes.
pub fn hash_file(algorithm: Algorithm, path: &Path) -> io::Result<(Digest, u64)> {
    hash_reader(algorithm, std::fs::File::open(path)?)
}

/// Why a digest could not be read.
#[derive(Debug, thiserror::Error, Diagnostic, PartialEq, Eq)]
pub enum DigestError {
    /// MD5 or SHA-1.
    #[error("`{algorithm}` is too weak to identify bytes")]
    #[diagnostic(code(digest::weak), help("ask the publisher for a SHA-256 or SHA-512 digest"))]
    Weak {
        /// As found.
        algorithm: String,
    },
    /// Neither known nor known to be weak.
    #[error("unknown digest algorithm `{algorithm}`")]
    #[diagnostic(
        code(digest::unknown_algorithm),
        help("use `sha256:` or `sha512:` followed by lower-case hexadecimal")
    )]
    UnknownAlgorithm {
        /// As found.
        algorithm: String,
    },
    /// Not lower-case hexadecimal.
    #[error("`{found}` is not a digest in lower-case hexadecimal")]
    #[diagnostic(code(digest::hex), help("write `sha256:` followed by 64 lower-case hexadecimal digits"))]
    Hex {
        /// As found, cut to 140 characters.
        found: String,
    },
    /// Right alphabet, wrong length.
    #[error("a {algorithm} digest has {expected_bytes} bytes, found {found_bytes}")]
    #[diagnostic(code(digest::length), help("copy the whole digest; a shortened one identifies nothing"))]
    Length {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// Bytes the algorithm has.
        expected_bytes: usize,
        /// Bytes that were there.
        found_bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_canonical_text_is_accepted() {
        let d = Digest::sha256(b"abc");
        assert_eq!(d.to_string(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(d.to_string().parse::<Digest>().unwrap(), d);
        for bad in [
            d.to_string().to_uppercase(),
            d.to_hex(),
            "sha256:".into(),
            "sha256:ba78".into(),
            format!("{d}0"),
            format!(" {d}"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert_eq!("sha1:00".parse::<Digest>(), Err(DigestError::Weak { algorithm: "sha1".into() }));
    }

    #[test]
    fn sets_agree_only_on_a_shared_algorithm() {
        let a = DigestSet::single(Digest::sha256(b"a"));
        let b = DigestSet::single(Digest::sha256(b"b"));
        let a512 = DigestSet::single(Digest::of(Algorithm::Sha512, b"a"));
        assert_eq!(a.agreement(&a), Agreement::Same);
        assert_eq!(a.agreement(&b), Agreement::Different);
        assert_eq!(a.agreement(&a512), Agreement::NoSharedAlgorithm);
        let mixed = a.clone().with(Digest::of(Algorithm::Sha512, b"other"));
        let both = a.clone().with(Digest::of(Algorithm::Sha512, b"a"));
        assert_eq!(both.agreement(&mixed), Agreement::Different);
    }

    #[test]
    fn a_set_of_unknown_algorithms_only_is_refused() {
        assert!(serde_json::from_str::<DigestSet>(r#"{"sha1":"00"}"#).is_err());
        assert!(serde_json::from_str::<DigestSet>(r#"{"gitCommit":"00","sha256":"zz"}"#).is_err());
    }

    #[test]
    fn streaming_equals_whole() {
        let bytes = vec![7u8; HASH_BUFFER_BYTES * 2 + 13];
        let (d, n) = hash_reader(Algorithm::Sha256, bytes.as_slice()).unwrap();
        assert_eq!((d, n), (Digest::sha256(&bytes), bytes.len() as u64));
    }
}
