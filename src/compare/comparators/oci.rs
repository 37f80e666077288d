//! OCI image layouts and docker archives. Blobs are named by their own digest, so a changed layer has
//! another name: they are matched by their role (manifest, configuration, nth layer) and not by name.
//! Each descriptor's digest and size is recomputed on its side.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::decode::Decoded;
use super::super::log::plain;
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk, join};
use super::{Format, Probe, tar};
use crate::archive::compression::Compression;
use crate::archive::tar::{TarReader, looks_like};
use crate::digest::{Algorithm, hash_reader};

pub(crate) static FORMAT: Format = Format { id: "image", recognise, compare };

/// Descriptors that are followed on one side: an index of indexes of manifests of layers.
const DESCRIPTORS_MAX: usize = 4096;
/// An archive whose first members do not tell is not looked at further.
const MEMBERS_PROBED: usize = 4096;

/// Files by name.
type Files = BTreeMap<Vec<u8>, Blob>;
/// What an archive's headers say, without the names: modes, times, owners.
type Headers = (BTreeSet<u64>, BTreeSet<Vec<u8>>, BTreeSet<(u64, u64)>);

fn recognise(probe: &Probe<'_>) -> bool {
    if !looks_like(probe.head) {
        return false;
    }
    // Only the first name is looked at here; the rest decides in `compare`.
    let name = plain(crate::archive::bytes::until_nul(probe.head.get(..100).unwrap_or_default()));
    let hexadecimal = name.len() >= 64 && name.iter().take(64).all(u8::is_ascii_hexdigit);
    hexadecimal
        || [&b"blobs"[..], b"oci-layout", b"index.json", b"manifest.json", b"repositories"]
            .iter()
            .any(|start| name.starts_with(start))
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let (a, headers_a) = files(walk, pair.a).on(Side::Published)?;
    let (b, headers_b) = files(walk, pair.b).on(Side::Rebuilt)?;
    let image =
        |files: &Files| files.contains_key(&b"index.json"[..]) || files.contains_key(&b"manifest.json"[..]);
    // With equal names the archive's members can be compared as they are, headers included.
    if !image(&a) || !image(&b) || a.keys().eq(b.keys()) {
        return tar::streams(walk, pair.path, pair.a.reader(), pair.b.reader());
    }
    for (differ, cause) in [
        (headers_a.0 != headers_b.0, Cause::FileMode),
        (headers_a.1 != headers_b.1, Cause::TarMtime),
        (headers_a.2 != headers_b.2, Cause::TarUidGid),
    ] {
        if differ {
            walk.add(Difference::exact(pair.path, cause).note("in the headers of the image's own archive"));
        }
    }
    layouts(walk, pair.path, &a, &b);
    Ok(())
}

/// The regular files of an uncompressed archive, where they lie.
fn files(walk: &Walk<'_>, blob: &Blob) -> Result<(Files, Headers), Stop> {
    let mut headers = Headers::default();
    let mut reader = TarReader::new(blob.reader(), &tar::archive_limits(&walk.budget.limits));
    let mut found = Files::new();
    let mut seen = 0;
    while let Some(entry) = reader.next_entry()? {
        walk.budget.member()?;
        seen += 1;
        headers.0.insert(entry.mode);
        headers.1.insert(entry.mtime.clone());
        headers.2.insert((entry.uid, entry.gid));
        if entry.is_file() && entry.sparse.is_none() {
            let body = blob.slice(reader.offset(), entry.stored_bytes);
            if found.insert(plain(&entry.name).to_vec(), body).is_some() {
                return Err(Stop::malformed("image: a name is there twice"));
            }
        }
        if seen > MEMBERS_PROBED {
            return Err(Stop::unsupported("image: the archive has more members than an image"));
        }
    }
    Ok((found, headers))
}

/// A reference to a blob.
#[derive(Debug, Clone)]
struct Descriptor {
    digest: String,
    size: Option<u64>,
    kind: String,
}

impl Descriptor {
    fn of(value: &Value) -> Option<Self> {
        Some(Self {
            digest: value.get("digest")?.as_str()?.to_owned(),
            size: value.get("size").and_then(Value::as_u64),
            kind: value.get("mediaType").and_then(Value::as_str).unwrap_or_default().to_owned(),
        })
    }

    /// The media type without the compression that it names.
    fn unpacked_kind(&self) -> &str {
        let endings = ["+gzip", "+zstd", ".gzip", ".zstd"];
        endings.iter().find_map(|ending| self.kind.strip_suffix(ending)).unwrap_or(&self.kind)
    }

    /// Whether a layer's media type names the compression that its bytes show.
    fn names_packing(&self, blob: &Blob) -> bool {
        let named = match self.kind.strip_prefix(self.unpacked_kind()) {
            Some("+gzip" | ".gzip") => Some(Compression::Gzip),
            Some("+zstd" | ".zstd") => Some(Compression::Zstd),
            _ => None,
        };
        self.unpacked_kind().ends_with("tar")
            && blob.head(6).is_ok_and(|head| Compression::recognise(&head) == named)
    }

    fn name(&self) -> Vec<u8> {
        format!("blobs/{}", self.digest.replacen(':', "/", 1)).into_bytes()
    }
}

struct Images<'w, 'o, 'f> {
    walk: &'w mut Walk<'o>,
    path: String,
    a: &'f Files,
    b: &'f Files,
    handled: (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>),
    followed: usize,
    derived: bool,
    /// `rootfs.diff_ids` of every configuration, and the digests of decoded layers that differ or are on
    /// one side only.
    diff_ids: (BTreeSet<String>, BTreeSet<String>),
    decoded: (BTreeSet<String>, BTreeSet<String>),
    /// `rootfs.diff_ids` that only one side has.
    only: (BTreeSet<String>, BTreeSet<String>),
}

/// Compares two layouts; gives the names that were matched by role on each side.
pub(crate) fn layouts(
    walk: &mut Walk<'_>,
    path: &str,
    a: &Files,
    b: &Files,
) -> (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) {
    let mut images = Images {
        walk,
        path: path.to_owned(),
        a,
        b,
        handled: Default::default(),
        followed: 0,
        derived: false,
        diff_ids: Default::default(),
        decoded: Default::default(),
        only: Default::default(),
    };
    for name in [&b"index.json"[..], b"manifest.json"] {
        images.document(name, name, name);
    }
    images.check_diff_ids();
    let (handled_a, handled_b) = images.handled.clone();
    let derived = images.derived;
    for (name, x) in a.iter().filter(|(n, _)| !handled_a.contains(*n)) {
        let shown = join(path, name);
        match b.get(name).filter(|_| !handled_b.contains(name)) {
            Some(y) => {
                walk.member(Pair { path: &shown, name, a: x, b: y });
            }
            None => walk.add(Difference::exact(&shown, Cause::MemberRemoved)),
        }
    }
    for name in b.keys().filter(|n| !handled_b.contains(*n) && !a.contains_key(*n)) {
        walk.add(Difference::exact(&join(path, name), Cause::MemberAdded));
    }
    if derived {
        walk.add(
            Difference::exact(path, Cause::OciDigest)
                .note("digests and sizes of changed blobs, each recomputed on its side")
                .derived(),
        );
    }
    (handled_a, handled_b)
}

impl Images<'_, '_, '_> {
    fn parse(&self, blob: &Blob) -> Option<Value> {
        let bytes = blob.whole(self.walk.budget.limits.document_bytes_max).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// Compares two JSON documents, following what they refer to.
    fn document(&mut self, label: &[u8], name_a: &[u8], name_b: &[u8]) {
        let (Some(x), Some(y)) = (self.a.get(name_a), self.b.get(name_b)) else { return };
        self.handled.0.insert(name_a.to_vec());
        self.handled.1.insert(name_b.to_vec());
        let shown = join(&self.path, label);
        if x.equal(y).unwrap_or(false) {
            return;
        }
        let (Some(mut p), Some(mut q)) = (self.parse(x), self.parse(y)) else {
            self.walk.differing(Pair { path: &shown, name: label, a: x, b: y });
            return;
        };
        self.references(&mut p, &mut q);
        // What is left once references are put aside must be equal, or is a difference of its own.
        if p == q {
            self.derived = true;
            return;
        }
        let text = |value: &Value| Blob::memory(serde_json::to_vec(value).unwrap_or_default());
        let (left, right) = (text(&p), text(&q));
        self.walk.differing(Pair { path: &shown, name: b"document.json", a: &left, b: &right });
    }

    /// Takes matching references out of two documents and compares what they point to.
    fn references(&mut self, p: &mut Value, q: &mut Value) {
        match (p, q) {
            (Value::Object(x), Value::Object(y)) => {
                for (key, label) in [("config", "config"), ("subject", "subject")] {
                    if let (Some(i), Some(j)) = (x.get_mut(key), y.get_mut(key)) {
                        self.descriptor(label, i, j);
                    }
                }
                for (key, label) in [("manifests", "manifest"), ("layers", "layer")] {
                    if let (Some(Value::Array(i)), Some(Value::Array(j))) = (x.get_mut(key), y.get_mut(key)) {
                        let common = i.len().min(j.len());
                        for (n, (one, other)) in i.iter_mut().zip(j.iter_mut()).enumerate() {
                            self.descriptor(&format!("{label}-{n}"), one, other);
                        }
                        if label == "layer" {
                            for (list, side) in [(i, Side::Published), (j, Side::Rebuilt)] {
                                for (n, value) in list.drain(common..).enumerate() {
                                    if let Some(descriptor) = Descriptor::of(&value) {
                                        let label = format!("{label}-{}", common + n);
                                        self.one_sided(&label, &descriptor.name(), side);
                                    }
                                }
                            }
                        }
                    }
                }
            }
            // docker's manifest.json: a list of images with the names of their files.
            (Value::Array(x), Value::Array(y)) => {
                for (one, other) in x.iter_mut().zip(y) {
                    self.docker(one, other);
                }
            }
            _ => {}
        }
    }

    fn docker(&mut self, one: &mut Value, other: &mut Value) {
        let name =
            |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        if let (Some(x), Some(y)) = (name(one, "/Config"), name(other, "/Config"))
            && self.named("config", &x, &y)
        {
            one["Config"] = Value::Null;
            other["Config"] = Value::Null;
        }
        let count = |value: &Value| value.get("Layers").and_then(Value::as_array).map_or(0, Vec::len);
        for n in 0..count(one).min(count(other)) {
            let pointer = format!("/Layers/{n}");
            if let (Some(x), Some(y)) = (name(one, &pointer), name(other, &pointer))
                && self.named(&format!("layer-{n}"), &x, &y)
            {
                for value in [&mut *one, &mut *other] {
                    if let Some(slot) = value.pointer_mut(&pointer) {
                        *slot = Value::Null;
                    }
                }
            }
        }
        // Docker repeats the descriptors; they were checked where they belong.
        for value in [one, other] {
            if let Some(object) = value.as_object_mut() {
                object.remove("LayerSources");
            }
        }
    }

    /// Two files of docker's manifest; gives whether both are there and named by their digests where
    /// they claim to be.
    fn named(&mut self, label: &str, x: &str, y: &str) -> bool {
        let (Some(p), Some(q)) = (self.a.get(x.as_bytes()), self.b.get(y.as_bytes())) else { return false };
        let (p, q) = (p.clone(), q.clone());
        if x == y && p.equal(&q).unwrap_or(false) {
            return true;
        }
        let stem =
            |name: &str| name.rsplit('/').next().unwrap_or_default().trim_end_matches(".json").to_owned();
        for (name, blob, side) in [(x, &p, Side::Published), (y, &q, Side::Rebuilt)] {
            let claim = stem(name);
            if claim.len() == 64 && blob.sha256().is_ok_and(|d| d.to_hex() != claim) {
                self.mismatch(name, &claim, side);
            }
        }
        self.pair(label, x.as_bytes(), y.as_bytes(), &p, &q);
        true
    }

    /// Two descriptors: checks both, compares the blobs, and makes the descriptors equal.
    fn descriptor(&mut self, label: &str, one: &mut Value, other: &mut Value) {
        let (Some(x), Some(y)) = (Descriptor::of(one), Descriptor::of(other)) else { return };
        if x.digest == y.digest && x.size == y.size {
            if label == "config"
                && let (Some(p), Some(q)) = (self.a.get(&x.name()), self.b.get(&y.name()))
            {
                self.list_diff_ids(p, q);
            }
            return;
        }
        self.followed += 1;
        if self.followed > DESCRIPTORS_MAX {
            let stop = Stop::malformed("image: more references than any image has");
            let path = self.path.clone();
            self.walk.stopped(&path, stop, Side::Both);
            return;
        }
        let (found_a, found_b) = (self.a.contains_key(&x.name()), self.b.contains_key(&y.name()));
        // A layout may leave blobs out, but then the other side's leaves them out too.
        if !found_a && !found_b {
            return;
        }
        let name_a = if found_a { Some(x.name()) } else { self.stand_in(&x, Side::Published) };
        let name_b = if found_b { Some(y.name()) } else { self.stand_in(&y, Side::Rebuilt) };
        let blob = |files: &Files, name: &Option<Vec<u8>>| files.get(name.as_ref()?).cloned();
        let (p, q) = (blob(self.a, &name_a), blob(self.b, &name_b));
        let (Some(name_a), Some(name_b), Some(p), Some(q)) = (name_a, name_b, p, q) else {
            for (descriptor, found, side) in [(&x, found_a, Side::Published), (&y, found_b, Side::Rebuilt)] {
                if !found {
                    self.mismatch("no blob has this digest", &descriptor.digest, side);
                }
            }
            return;
        };
        for (descriptor, blob, side) in [(&x, &p, Side::Published), (&y, &q, Side::Rebuilt)] {
            let right = blob.sha256().is_ok_and(|d| d.to_string() == descriptor.digest)
                && descriptor.size.is_none_or(|n| n == blob.len());
            if !right {
                self.mismatch(&format!("blobs/{}", descriptor.digest), &descriptor.digest, side);
            }
        }
        self.derived = true;
        // How a layer is packed is compared by its bytes; its media type must say the same.
        let packing = x.unpacked_kind() == y.unpacked_kind() && x.names_packing(&p) && y.names_packing(&q);
        for value in [one, other] {
            if let Some(object) = value.as_object_mut() {
                object.insert("digest".to_owned(), Value::Null);
                object.insert("size".to_owned(), Value::Null);
                if packing {
                    object.insert("mediaType".to_owned(), Value::Null);
                }
            }
        }
        let manifest = |d: &Descriptor| d.kind.contains("manifest") || d.kind.contains("index");
        if manifest(&x) && manifest(&y) {
            self.document(label.as_bytes(), &name_a, &name_b);
        } else {
            self.pair(label, &name_a, &name_b, &p, &q);
        }
    }

    /// The blob that must be meant by a descriptor whose digest no blob has: the only one of its size that
    /// nothing refers to so far.
    fn stand_in(&self, descriptor: &Descriptor, side: Side) -> Option<Vec<u8>> {
        let (files, handled) = match side {
            Side::Published => (self.a, &self.handled.0),
            _ => (self.b, &self.handled.1),
        };
        let mut fitting = files.iter().filter(|(name, blob)| {
            name.starts_with(b"blobs/") && !handled.contains(*name) && Some(blob.len()) == descriptor.size
        });
        let (name, _) = fitting.next()?;
        fitting.next().is_none().then(|| name.clone())
    }

    fn pair(&mut self, label: &str, name_a: &[u8], name_b: &[u8], p: &Blob, q: &Blob) {
        // The same blob may serve two documents; it is compared once.
        let first = self.handled.0.insert(name_a.to_vec());
        let second = self.handled.1.insert(name_b.to_vec());
        self.derived |= name_a != name_b;
        if !(first || second) {
            return;
        }
        let shown = join(&self.path, label.as_bytes());
        if label != "config" {
            for (blob, sums) in [(p, &mut self.decoded.0), (q, &mut self.decoded.1)] {
                sums.extend(decoded_digest(self.walk, blob).ok());
            }
            self.walk.member(Pair { path: &shown, name: b"layer.tar", a: p, b: q });
            return;
        }
        // `rootfs.diff_ids` and the layers' digests follow from the layers.
        self.list_diff_ids(p, q);
        let (Some(mut x), Some(mut y)) = (self.parse(p), self.parse(q)) else {
            self.walk.member(Pair { path: &shown, name: b"config.json", a: p, b: q });
            return;
        };
        let ids = |value: &Value| value.pointer("/rootfs/diff_ids").cloned();
        if ids(&x) != ids(&y) {
            let listed = |value: &Value| -> BTreeSet<String> {
                let list = ids(value).and_then(|v| v.as_array().cloned()).unwrap_or_default();
                list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
            };
            let (left, right) = (listed(&x), listed(&y));
            self.only.0.extend(left.difference(&right).cloned());
            self.only.1.extend(right.difference(&left).cloned());
            for value in [&mut x, &mut y] {
                if let Some(slot) = value.pointer_mut("/rootfs/diff_ids") {
                    *slot = Value::Null;
                }
            }
            if x == y {
                self.derived = true;
                return;
            }
            let text = |value: &Value| Blob::memory(serde_json::to_vec(value).unwrap_or_default());
            self.walk.differing(Pair { path: &shown, name: b"config.json", a: &text(&x), b: &text(&y) });
            return;
        }
        self.walk.member(Pair { path: &shown, name: b"config.json", a: p, b: q });
    }

    /// Takes the identifiers of decoded layers that two configurations list.
    fn list_diff_ids(&mut self, p: &Blob, q: &Blob) {
        let listed = |value: Option<Value>| -> Vec<String> {
            let list = value.as_ref().and_then(|v| v.pointer("/rootfs/diff_ids")).and_then(Value::as_array);
            list.map(|l| l.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()).unwrap_or_default()
        };
        let (x, y) = (listed(self.parse(p)), listed(self.parse(q)));
        self.diff_ids.0.extend(x);
        self.diff_ids.1.extend(y);
    }

    /// A layer that only one side has.
    fn one_sided(&mut self, label: &str, name: &[u8], side: Side) {
        let (files, handled, decoded, cause) = match side {
            Side::Published => (self.a, &mut self.handled.0, &mut self.decoded.0, Cause::MemberRemoved),
            _ => (self.b, &mut self.handled.1, &mut self.decoded.1, Cause::MemberAdded),
        };
        let Some(blob) = files.get(name) else { return };
        if handled.insert(name.to_vec()) {
            decoded.extend(decoded_digest(self.walk, blob).ok());
            self.walk.add(Difference::exact(&join(&self.path, label.as_bytes()), cause));
        }
    }

    /// An identifier of a decoded layer that only one side lists must be that of a layer that differs.
    /// And a layer that differs must be listed on its own side.
    fn check_diff_ids(&mut self) {
        let wrong = |only: &BTreeSet<String>, listed: &BTreeSet<String>, decoded: &BTreeSet<String>| {
            let mut wrong: Vec<String> = only.difference(decoded).cloned().collect();
            if !listed.is_empty() {
                wrong.extend(decoded.difference(listed).cloned());
            }
            wrong
        };
        let wrong_a = wrong(&self.only.0, &self.diff_ids.0, &self.decoded.0);
        let wrong_b = wrong(&self.only.1, &self.diff_ids.1, &self.decoded.1);
        for (list, side) in [(wrong_a, Side::Published), (wrong_b, Side::Rebuilt)] {
            for id in list {
                self.mismatch("rootfs.diff_ids", &id, side);
            }
        }
    }

    fn mismatch(&mut self, name: &str, claim: &str, side: Side) {
        let mut difference = Difference::exact(&self.path, Cause::ChecksumManifestMismatch)
            .field(name)
            .note("a blob is not what its digest or size says");
        match side {
            Side::Published => difference.a = Some(claim.to_owned()),
            _ => difference.b = Some(claim.to_owned()),
        }
        self.walk.add(difference);
    }
}

/// The digest of a layer once it is decompressed.
fn decoded_digest(walk: &Walk<'_>, blob: &Blob) -> Result<String, Stop> {
    let stream = match Compression::recognise(&blob.head(6)?) {
        Some(format) => Decoded::new(format, blob, &walk.budget),
        None => Decoded::plain(blob),
    };
    let (digest, _) = hash_reader(Algorithm::Sha256, stream)?;
    Ok(digest.to_string())
}
