//! Checksum databases: signed notes, records, inclusion proofs from tiles.
//!
//! A tree head is a note (`golang.org/x/mod/sumdb/note`): lines, an empty line, and signature lines
//! `— <name> <base64 of key hash and Ed25519 signature>`. Its text is `go.sum database tree`, the number of
//! records and the root hash (RFC 6962, SHA-256). A record is text with the sums of one module version; a
//! look-up gives its number, its text and a tree head. The hashes that prove its inclusion are read from
//! tiles of height 8 ([transparency logs for skeptical clients](https://research.swtch.com/tlog)). Tiles
//! need no check of their own: a wrong one leads to another root than the signed one.
//!
//! What this does *not* establish: that this head and those shown to others belong to one log. The go
//! command compares heads over time on one machine; so could witnesses.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{GoSourceError, GoSum, ModSum, ModuleProxy, ModuleVersion, escape};
use crate::digest::Digest;

/// Levels of the tree in one tile.
const TILE_HEIGHT: u32 = 8;
/// Signature lines of a note that are read; witnesses add some.
const SIGNATURES_MAX: usize = 100;
/// The algorithm byte of Ed25519 in a verifier key.
const ALGORITHM_ED25519: u8 = 1;

/// A database's key: what its tree heads must be signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseKey {
    /// The database's name, which is also a part of every address below a proxy's `/sumdb/`.
    pub name: String,
    hash: [u8; 4],
    key: Vec<u8>,
}

impl DatabaseKey {
    /// From a name and the encoded key of a verifier: algorithm byte and public key in base64. The hash
    /// of both, in hexadecimal, must be the given one.
    pub fn new(name: &str, hash: &str, key: &str) -> Option<Self> {
        let plain = !name.is_empty()
            && name.len() <= 250
            && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-/_".contains(c))
            && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        let encoded = STANDARD.decode(key).ok()?;
        let mut text = format!("{name}\n").into_bytes();
        text.extend_from_slice(&encoded);
        let mut found = [0; 4];
        found.copy_from_slice(Digest::sha256(&text).as_bytes().get(..4)?);
        let (algorithm, public) = encoded.split_first()?;
        let fits =
            plain && *algorithm == ALGORITHM_ED25519 && public.len() == 32 && hex::encode(found) == hash;
        fits.then(|| Self { name: name.to_owned(), hash: found, key: public.to_vec() })
    }

    /// From a verifier key `<name>+<hash>+<key>`, the form of `GOSUMDB`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        Self::new(parts.next()?, parts.next()?, parts.next()?)
    }

    /// The hash by which notes name the key, in hexadecimal.
    pub fn id(&self) -> String {
        hex::encode(self.hash)
    }
}

/// What was verified of one record. Serialised so that it can be kept and verified again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Record {
    /// The record's number.
    pub id: u64,
    /// Its text.
    pub text: String,
    /// The tree head.
    pub head: String,
    /// The inclusion proof, in hexadecimal, from the leaf up.
    pub proof: Vec<String>,
}

/// Looks a module's record up and proves it.
pub fn look_up(
    proxy: &ModuleProxy<'_>,
    key: &DatabaseKey,
    module: &ModuleVersion,
) -> Result<Record, GoSourceError> {
    let max = proxy.limits.database_bytes_max;
    let path = format!("sumdb/{}/lookup/{}@{}", key.name, escape(&module.path), escape(&module.version));
    let answer = String::from_utf8(proxy.small(&path, max)?).map_err(|_| wrong("the answer is not UTF-8"))?;
    let (id, rest) = answer.split_once('\n').ok_or_else(|| wrong("the answer has no record's number"))?;
    let id: u64 = id.parse().map_err(|_| wrong("the record's number is none"))?;
    let (text, head) = rest.split_once("\n\n").ok_or_else(|| wrong("the answer has no tree head"))?;
    let mut record = Record { id, text: format!("{text}\n"), head: head.to_owned(), proof: Vec::new() };
    let (size, _) = verified_head(key, head)?;
    let read = |level: u32, index: u64, width: u64| -> Result<Vec<[u8; 32]>, GoSourceError> {
        let tile = |partial: bool| {
            let tail = if partial { format!(".p/{width}") } else { String::new() };
            let path = format!("sumdb/{}/tile/{TILE_HEIGHT}/{level}/{}{tail}", key.name, tile_number(index));
            proxy.small(&path, max)
        };
        // A tile that has filled up since may no longer be served in part.
        let bytes = match tile(width < 256) {
            Err(e) if width < 256 && e.is_missing() => tile(false)?,
            other => other?,
        };
        let hashes: Vec<[u8; 32]> = bytes.chunks_exact(32).filter_map(|c| c.try_into().ok()).collect();
        Ok(hashes)
    };
    let mut tiles = Tiles { size, read, known: std::collections::BTreeMap::new() };
    if id >= size {
        return Err(wrong("the record is not in the tree of that head"));
    }
    record.proof = tiles.path(id, 0, size)?.iter().map(hex::encode).collect();
    Ok(record)
}

/// The two sums that a record gives of a module; the record's proof is verified first.
pub fn verify(
    key: &DatabaseKey,
    module: &ModuleVersion,
    record: &Record,
) -> Result<(ModSum, ModSum), GoSourceError> {
    let (size, root) = verified_head(key, &record.head)?;
    let proof: Option<Vec<[u8; 32]>> =
        record.proof.iter().map(|h| hex::decode(h).ok()?.try_into().ok()).collect();
    let proof = proof.ok_or_else(|| wrong("the proof is not of hashes"))?;
    if record.id >= size || climb(leaf(record.text.as_bytes()), record.id, size, &proof) != Some(root) {
        return Err(wrong("the record's proof does not lead to the signed root"));
    }
    let mut sums = GoSum::default();
    sums.read("record", record.text.as_bytes(), 16)?;
    match sums.modules.remove(module) {
        Some((Some(zip), Some(only_mod))) => Ok((zip, only_mod)),
        _ => Err(wrong(&format!("the record is not about {module}"))),
    }
}

fn wrong(detail: &str) -> GoSourceError {
    GoSourceError::Database { detail: detail.to_owned() }
}

/// Size and root of a tree head that the key has signed.
fn verified_head(key: &DatabaseKey, note: &str) -> Result<(u64, [u8; 32]), GoSourceError> {
    let (text, signatures) = note.rsplit_once("\n\n").ok_or_else(|| wrong("the tree head is not signed"))?;
    let text = format!("{text}\n");
    let signed = signatures.lines().take(SIGNATURES_MAX).any(|line| {
        let Some((name, encoded)) = line.strip_prefix("\u{2014} ").and_then(|l| l.split_once(' ')) else {
            return false;
        };
        let Ok(bytes) = STANDARD.decode(encoded) else { return false };
        let Some((hash, signature)) = bytes.split_at_checked(4) else { return false };
        name == key.name
            && hash == key.hash
            && UnparsedPublicKey::new(&ED25519, &key.key).verify(text.as_bytes(), signature).is_ok()
    });
    if !signed {
        return Err(wrong(&format!("the key {} did not sign the tree head", key.id())));
    }
    let lines: Vec<&str> = text.lines().collect();
    let (Some(&"go.sum database tree"), Some(size), Some(root)) = (lines.first(), lines.get(1), lines.get(2))
    else {
        return Err(wrong("the signed text is no tree head"));
    };
    let size = size.parse().map_err(|_| wrong("the signed tree has no size"))?;
    let root = STANDARD.decode(root).ok().and_then(|r| r.try_into().ok());
    Ok((size, root.ok_or_else(|| wrong("the signed tree has no root"))?))
}

fn leaf(text: &[u8]) -> [u8; 32] {
    hash(&[&[0], text])
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash(&[&[1], left, right])
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = crate::digest::Hasher::new(crate::digest::Algorithm::Sha256);
    parts.iter().for_each(|p| hasher.update(p));
    hasher.finish().as_bytes().try_into().unwrap_or([0; 32])
}

/// The root that a proof leads to (RFC 9162, section 2.1.3.2); none where its length does not fit.
fn climb(leaf: [u8; 32], index: u64, size: u64, proof: &[[u8; 32]]) -> Option<[u8; 32]> {
    let (mut f, mut s, mut r) = (index, size.checked_sub(1)?, leaf);
    for p in proof {
        if s == 0 {
            return None;
        }
        if f & 1 == 1 || f == s {
            r = node(p, &r);
            if f & 1 == 0 {
                while f & 1 == 0 && f != 0 {
                    f >>= 1;
                    s >>= 1;
                }
            }
        } else {
            r = node(&r, p);
        }
        f >>= 1;
        s >>= 1;
    }
    (s == 0).then_some(r)
}

/// Reads hashes of the tree from tiles, each tile once.
struct Tiles<F> {
    size: u64,
    read: F,
    known: std::collections::BTreeMap<(u32, u64), Vec<[u8; 32]>>,
}

impl<F: FnMut(u32, u64, u64) -> Result<Vec<[u8; 32]>, GoSourceError>> Tiles<F> {
    /// The audit path of leaf `m` within `[lo, hi)`, from the leaf up.
    fn path(&mut self, m: u64, lo: u64, hi: u64) -> Result<Vec<[u8; 32]>, GoSourceError> {
        if hi - lo <= 1 {
            return Ok(Vec::new());
        }
        let middle = lo + split(hi - lo);
        let (mut path, sibling) = if m < middle {
            (self.path(m, lo, middle)?, self.root(middle, hi)?)
        } else {
            (self.path(m, middle, hi)?, self.root(lo, middle)?)
        };
        path.push(sibling);
        Ok(path)
    }

    /// The hash of the subtree over `[lo, hi)`.
    fn root(&mut self, lo: u64, hi: u64) -> Result<[u8; 32], GoSourceError> {
        let n = hi - lo;
        if n.is_power_of_two() {
            return self.perfect(n.trailing_zeros(), lo / n);
        }
        let middle = lo + split(n);
        Ok(node(&self.root(lo, middle)?, &self.root(middle, hi)?))
    }

    /// The hash of the perfect subtree with that index among those of its level.
    fn perfect(&mut self, level: u32, index: u64) -> Result<[u8; 32], GoSourceError> {
        let (tile_level, within) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let (first, count) = (index << within, 1u64 << within);
        let tile = first >> TILE_HEIGHT;
        let full = self.size >> (tile_level * TILE_HEIGHT);
        let width = full.saturating_sub(tile << TILE_HEIGHT).min(1 << TILE_HEIGHT);
        if !self.known.contains_key(&(tile_level, tile)) {
            let hashes = (self.read)(tile_level, tile, width)?;
            self.known.insert((tile_level, tile), hashes);
        }
        let from = usize::try_from(first & 0xff).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        let hashes = self.known.get(&(tile_level, tile)).and_then(|t| t.get(from..to));
        let mut row = hashes.ok_or_else(|| wrong("a tile is shorter than it should be"))?.to_vec();
        while row.len() > 1 {
            row = row
                .chunks(2)
                .map(|c| node(c.first().unwrap_or(&[0; 32]), c.last().unwrap_or(&[0; 32])))
                .collect();
        }
        row.first().copied().ok_or_else(|| wrong("a tile is empty"))
    }
}

/// The largest power of two below `n`, for `n` of at least 2.
const fn split(n: u64) -> u64 {
    let mut k = 1;
    while k << 1 < n {
        k <<= 1;
    }
    k
}

/// A tile's number as its address has it: groups of three digits, all but the last with an `x`.
fn tile_number(index: u64) -> String {
    let mut text = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        text = format!("x{:03}/{text}", rest % 1000);
        rest /= 1000;
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    const SUM: &str = "h1:I/5z698sn9Ka8TeJc9MKroUUfqBBauWjQqLJ2OPfmY0=";

    fn module() -> ModuleVersion {
        ModuleVersion::new("example.org/m", "v1.0.0").unwrap()
    }

    fn pair(seed: u8) -> (Ed25519KeyPair, DatabaseKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let mut encoded = vec![ALGORITHM_ED25519];
        encoded.extend_from_slice(pair.public_key().as_ref());
        let mut text = b"sums.example\n".to_vec();
        text.extend_from_slice(&encoded);
        let hash = hex::encode(&Digest::sha256(&text).as_bytes()[..4]);
        let key = DatabaseKey::parse(&format!("sums.example+{hash}+{}", STANDARD.encode(&encoded)));
        (pair, key.unwrap())
    }

    fn head(pair: &Ed25519KeyPair, key: &DatabaseKey, size: u64, root: &[u8; 32]) -> String {
        let text = format!("go.sum database tree\n{size}\n{}\n", STANDARD.encode(root));
        let mut signature = key.hash.to_vec();
        signature.extend_from_slice(pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n\u{2014} sums.example {}\n", STANDARD.encode(signature))
    }

    /// A tree of `size` records, of which `id` is the module's.
    fn world(size: u64, id: u64) -> (DatabaseKey, Record) {
        let (pair, key) = pair(1);
        let text = format!("example.org/m v1.0.0 {SUM}\nexample.org/m v1.0.0/go.mod {SUM}\n");
        let of =
            |n: u64| if n == id { leaf(text.as_bytes()) } else { leaf(format!("other {n}\n").as_bytes()) };
        let mut levels: Vec<Vec<[u8; 32]>> = vec![(0..size).map(of).collect()];
        while levels.last().unwrap().len() > 1 {
            let below = levels.last().unwrap();
            levels.push(below.chunks_exact(2).map(|c| node(&c[0], &c[1])).collect());
        }
        let read = |level: u32, index: u64, width: u64| {
            let row = &levels[(level * TILE_HEIGHT) as usize];
            let from = (index << TILE_HEIGHT) as usize;
            Ok(row[from..from + width as usize].to_vec())
        };
        let mut tiles = Tiles { size, read, known: std::collections::BTreeMap::new() };
        let root = tiles.root(0, size).unwrap();
        let proof = tiles.path(id, 0, size).unwrap().iter().map(hex::encode).collect();
        let head = head(&pair, &key, size, &root);
        (key, Record { id, text, head, proof })
    }

    #[test]
    fn a_record_is_proved_in_trees_of_many_shapes() {
        for size in [1, 2, 3, 7, 8, 255, 256, 257, 600, 1000] {
            for id in [0, size / 2, size - 1] {
                let (key, record) = world(size, id);
                let (zip, _) = verify(&key, &module(), &record).unwrap();
                assert_eq!(zip.as_str(), SUM, "{id} of {size}");
            }
        }
    }

    #[test]
    fn whatever_was_changed_is_refused() {
        let (key, good) = world(600, 300);
        let other = ModuleVersion::new("example.org/m", "v1.0.1").unwrap();
        assert!(verify(&key, &other, &good).is_err(), "another module");
        assert!(verify(&pair(2).1, &module(), &good).is_err(), "another key");
        let cases: [(&str, fn(&mut Record)); 8] = [
            ("another number", |r| r.id += 1),
            ("past the end", |r| r.id = 600),
            ("another text", |r| r.text = r.text.replace("v1.0.0 h1:I", "v1.0.0 h1:J")),
            ("a shorter proof", |r| drop(r.proof.pop())),
            ("a longer proof", |r| r.proof.push("00".repeat(32))),
            ("another proof", |r| r.proof[0] = "00".repeat(32)),
            ("another size", |r| r.head = r.head.replace("\n600\n", "\n601\n")),
            ("no signature", |r| r.head = r.head.split("\u{2014}").next().unwrap().to_owned()),
        ];
        for (what, change) in cases {
            let mut record = good.clone();
            change(&mut record);
            assert_ne!(record, good, "{what}");
            assert!(verify(&key, &module(), &record).is_err(), "{what}");
        }
    }

    #[test]
    fn a_key_is_bound_to_its_name() {
        let (_, key) = pair(1);
        let encoded = STANDARD.encode([vec![ALGORITHM_ED25519], key.key.clone()].concat());
        assert!(DatabaseKey::new("sums.example", &key.id(), &encoded).is_some());
        for (name, hash) in
            [("other.example", key.id()), ("sums.example", "00000000".to_owned()), ("../x", key.id())]
        {
            assert_eq!(DatabaseKey::new(name, &hash, &encoded), None, "{name}");
        }
    }

    #[test]
    fn tile_numbers_are_spelled_in_groups() {
        for (n, text) in [(0, "000"), (999, "999"), (1000, "x001/000"), (1_234_067, "x001/x234/067")] {
            assert_eq!(tile_number(n), text);
        }
    }
}
