//! rpm packages (format version 4): lead, signature header, header, payload. Tags one by one; digests
//! are recomputed on each side before they are set aside.

use std::collections::BTreeMap;

use md5::Digest as _;

use super::super::blob::Blob;
use super::super::cause::{Cause, Tier};
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::{Format, Probe};
use crate::archive::bytes::be32;

pub(crate) static FORMAT: Format = Format { id: "rpm", recognise, compare };

const LEAD_BYTES: u64 = 96;
/// Entries and bytes of one header: rpm's own limits (`rpmTagIndex` 65,535 entries, 256 MiB); 64 MiB
/// holds every package of a distribution.
const ENTRIES_MAX: u32 = 65_535;
const STORE_BYTES_MAX: u32 = 64 << 20;

fn recognise(probe: &Probe<'_>) -> bool {
    matches!(probe.head, [0xed, 0xab, 0xee, 0xdb, 3 | 4, ..])
        && probe.head.get(96..99).is_none_or(|magic| magic == [0x8e, 0xad, 0xe8])
}

/// Tags by number: type and value.
type Tags = BTreeMap<u32, (u32, Vec<u8>)>;

struct Header {
    tags: Tags,
    start: u64,
    end: u64,
}

struct Rpm {
    lead: Vec<u8>,
    signature: Header,
    header: Header,
    payload: Blob,
}

fn header(blob: &Blob, at: u64) -> Result<Header, Stop> {
    let bad = |what: &str| Stop::malformed(format!("rpm: {what}"));
    let intro = blob.exact(at, 16)?;
    if !intro.starts_with(&[0x8e, 0xad, 0xe8]) {
        return Err(bad("a header has no magic"));
    }
    let (count, size) = (be32(&intro, 8).unwrap_or(u32::MAX), be32(&intro, 12).unwrap_or(u32::MAX));
    if count > ENTRIES_MAX || size > STORE_BYTES_MAX {
        return Err(bad("a header is too large"));
    }
    let index = blob.exact(at + 16, count as usize * 16)?;
    let store_at = at + 16 + u64::from(count) * 16;
    let store = blob.exact(store_at, size as usize)?;
    let mut entries = Vec::new();
    for entry in index.chunks_exact(16) {
        let g = |at: usize| be32(entry, at).unwrap_or_default();
        entries.push((g(0), g(4), g(8) as usize, g(12) as usize));
    }
    let mut tags = Tags::new();
    for (tag, kind, offset, count) in entries {
        let rest = store.get(offset..).ok_or_else(|| bad("a tag lies past its header"))?;
        let length = match kind {
            1 | 2 | 7 => Some(count),
            3 => count.checked_mul(2),
            4 => count.checked_mul(4),
            5 => count.checked_mul(8),
            6 => rest.iter().position(|b| *b == 0),
            8 | 9 => {
                let mut ends = rest.iter().enumerate().filter(|(_, b)| **b == 0).map(|(i, _)| i + 1);
                if count == 0 { Some(0) } else { ends.nth(count - 1) }
            }
            _ => Some(0),
        };
        let value = length.and_then(|n| rest.get(..n)).ok_or_else(|| bad("a tag lies past its header"))?;
        if tags.insert(tag, (kind, value.to_vec())).is_some() {
            return Err(bad("a tag is there twice"));
        }
    }
    Ok(Header { tags, start: at, end: store_at + u64::from(size) })
}

fn read(blob: &Blob) -> Result<Rpm, Stop> {
    let lead = blob.exact(0, 96)?;
    let signature = header(blob, LEAD_BYTES)?;
    let at = signature.end.next_multiple_of(8);
    let header = header(blob, at)?;
    let payload = blob.slice(header.end, u64::MAX);
    let listed = signature.tags.get(&1000).and_then(|(_, size)| be32(size, 0)).map(u64::from);
    if payload.len() == 0 || listed.is_some_and(|size| size > blob.len() - at) {
        return Err(Stop::truncated("rpm: the payload is not whole"));
    }
    Ok(Rpm { lead, signature, header, payload })
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let a = read(pair.a).on(Side::Published)?;
    let b = read(pair.b).on(Side::Rebuilt)?;
    if a.lead != b.lead {
        walk.add(Difference::exact(pair.path, Cause::Content).field("lead"));
    }
    let fits_a = digests_fit(pair.a, &a)?;
    let fits_b = digests_fit(pair.b, &b)?;
    for (fits, side) in [(&fits_a, Side::Published), (&fits_b, Side::Rebuilt)] {
        for wrong in fits {
            let mut difference =
                Difference::exact(pair.path, Cause::ChecksumManifestMismatch).field(wrong.as_str());
            match side {
                Side::Published => difference.a = Some("does not fit the bytes".to_owned()),
                _ => difference.b = Some("does not fit the bytes".to_owned()),
            }
            walk.add(difference);
        }
    }
    let before = walk.differences.len();
    let payload_differs = !a.payload.equal(&b.payload)?;
    let changed = walk.changed.len();
    if payload_differs {
        let path = super::super::walk::join(pair.path, b"payload");
        walk.differing(Pair { path: &path, name: b"payload.cpio", a: &a.payload, b: &b.payload });
    }
    let from = walk.differences.len();
    // Digests of files may differ only where files do.
    let files_differ = walk.changed.len() > changed
        || walk.differences.get(before..from).unwrap_or_default().iter().any(|d| d.tier == Tier::Never);
    let named = walk.found();
    let packed = walk
        .differences
        .get(before..from)
        .unwrap_or_default()
        .iter()
        .any(|d| d.tier == Tier::Transport && d.path.ends_with("payload"));
    let change = Change { payload: payload_differs, files: files_differ, packed };
    tags(walk, pair.path, &a.header.tags, &b.header.tags, false, change);
    let header_differs = walk.found() > named;
    let raw = |rpm: &Rpm, blob: &Blob| blob.slice(rpm.header.start, rpm.header.end - rpm.header.start);
    if !header_differs && !raw(&a, pair.a).equal(&raw(&b, pair.b))? {
        walk.add(
            Difference::exact(pair.path, Cause::Content).field("header").note("bytes that no tag names"),
        );
    }
    tags(walk, pair.path, &a.signature.tags, &b.signature.tags, true, change);
    Ok(())
}

/// What of the payload differs.
#[derive(Debug, Clone, Copy)]
struct Change {
    payload: bool,
    files: bool,
    /// Another compressor or level.
    packed: bool,
}

/// Names of digests and sizes that do not fit.
fn digests_fit(blob: &Blob, rpm: &Rpm) -> Result<Vec<String>, Stop> {
    let head = blob.slice(rpm.header.start, rpm.header.end - rpm.header.start);
    let text = |value: &[u8]| String::from_utf8_lossy(crate::archive::bytes::until_nul(value)).into_owned();
    let mut wrong = Vec::new();
    if let Some((_, listed)) = rpm.signature.tags.get(&273)
        && text(listed) != head.sha256()?.to_hex()
    {
        wrong.push("SHA256HEADER".to_owned());
    }
    if let Some((_, listed)) = rpm.signature.tags.get(&1004) {
        let mut md5 = md5::Md5::new();
        blob.slice(rpm.header.start, u64::MAX).each_chunk(|chunk| md5.update(chunk))?;
        if listed.as_slice() != md5.finalize().as_slice() {
            wrong.push("SIGMD5".to_owned());
        }
    }
    if let Some((_, listed)) = rpm.signature.tags.get(&1000)
        && be32(listed, 0).map(u64::from) != Some(blob.len() - rpm.header.start)
    {
        wrong.push("SIGSIZE".to_owned());
    }
    if let Some((_, listed)) = rpm.header.tags.get(&5092)
        && text(listed) != rpm.payload.sha256()?.to_hex()
    {
        wrong.push("PAYLOADDIGEST".to_owned());
    }
    Ok(wrong)
}

fn tags(walk: &mut Walk<'_>, path: &str, a: &Tags, b: &Tags, signature: bool, change: Change) {
    for tag in a.keys().chain(b.keys().filter(|t| !a.contains_key(*t))) {
        let (x, y) = (a.get(tag), b.get(tag));
        if x == y {
            continue;
        }
        let mut named = cause(*tag, signature, change);
        if !signature
            && change.packed
            && REQUIRES.contains(tag)
            && requires(a).is_some()
            && requires(a) == requires(b)
        {
            named = (Cause::RpmDigest, true);
        }
        let (cause, derived) = named;
        let mut difference = Difference::exact(path, cause).field(name(*tag, signature));
        if let Some((kind, value)) = x {
            difference = difference.left(shown(*kind, value));
        }
        if let Some((kind, value)) = y {
            difference = difference.right(shown(*kind, value));
        }
        difference.derived = derived;
        walk.add(difference);
    }
}

/// REQUIREFLAGS, REQUIRENAME, REQUIREVERSION: three lists that go together.
const REQUIRES: [u32; 3] = [1048, 1049, 1050];

/// What a package requires, without the feature of rpm that unpacks its payload: that follows from the
/// compressor. `None` where the three lists do not go together.
fn requires(tags: &Tags) -> Option<Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>> {
    let [flags, names, versions] = REQUIRES.map(|tag| tags.get(&tag).map(|(_, value)| value.as_slice()));
    let texts = |value: &[u8]| {
        let mut list: Vec<Vec<u8>> = value.split(|b| *b == 0).map(<[u8]>::to_vec).collect();
        list.pop();
        list
    };
    let (names, versions) = (texts(names?), texts(versions?));
    let flags: Vec<Vec<u8>> = flags?.chunks_exact(4).map(<[u8]>::to_vec).collect();
    if names.len() != versions.len() || names.len() != flags.len() {
        return None;
    }
    let all =
        names.into_iter().zip(versions).zip(flags).map(|((name, version), flags)| (name, version, flags));
    Some(all.filter(|(name, ..)| !name.starts_with(b"rpmlib(PayloadIs")).collect())
}

/// The cause of a tag, and whether it follows from the rest of the package.
const fn cause(tag: u32, signature: bool, change: Change) -> (Cause, bool) {
    if signature {
        return match tag {
            // RSAHEADER, DSAHEADER, SIGPGP, SIGGPG, OPENPGP, file and verity signatures.
            267 | 268 | 274 | 276 | 278 | 1002 | 1005 | 1006 => (Cause::Signature, false),
            // Sums and sizes; those that cover the payload are checked above.
            62 | 269 | 270 | 271 | 273 | 277 | 1000 | 1004 | 1007 | 1008 => (Cause::RpmDigest, true),
            _ => (Cause::Content, false),
        };
    }
    match tag {
        1006 => (Cause::RpmBuildTime, false),
        1007 => (Cause::RpmBuildHost, false),
        // COOKIE: the build host and time once more.
        1094 => (Cause::RpmBuildHost, true),
        // FILEDIGESTS, FILESIZES, SIZE and their long forms.
        1009 | 1028 | 1035 | 5008 | 5009 if change.files => (Cause::RpmDigest, true),
        1009 | 1028 | 1035 | 5008 | 5009 => (Cause::ChecksumManifestMismatch, false),
        // Digests and sizes of the payload.
        5092 | 5097 | 5112 | 5113 if change.payload => (Cause::RpmDigest, true),
        5092 | 5097 | 5112 | 5113 => (Cause::ChecksumManifestMismatch, false),
        // PAYLOADCOMPRESSOR and PAYLOADFLAGS name the compressor and its level.
        1125 | 1126 if change.packed => (Cause::RpmDigest, true),
        1034 => (Cause::CpioMtime, change.payload),
        1095 | 1096 => (Cause::CpioInode, change.payload),
        1001..=1003 | 1044 | 1113 => (Cause::VersionString, false),
        1122 => (Cause::CompilerFlags, false),
        1036 => (Cause::SymlinkTarget, false),
        1030 => (Cause::FileMode, false),
        _ => (Cause::Content, false),
    }
}

fn name(tag: u32, signature: bool) -> String {
    let known = match (tag, signature) {
        (1000, false) => "NAME",
        (1001, false) => "VERSION",
        (1002, false) => "RELEASE",
        (1006, false) => "BUILDTIME",
        (1007, false) => "BUILDHOST",
        (1009, false) => "SIZE",
        (1014, false) => "LICENSE",
        (1028, false) => "FILESIZES",
        (1030, false) => "FILEMODES",
        (1034, false) => "FILEMTIMES",
        (1035, false) => "FILEDIGESTS",
        (1044, false) => "SOURCERPM",
        (1094, false) => "COOKIE",
        (1096, false) => "FILEINODES",
        (1125, false) => "PAYLOADCOMPRESSOR",
        (1126, false) => "PAYLOADFLAGS",
        (5092, false) => "PAYLOADDIGEST",
        (5097, false) => "PAYLOADDIGESTALT",
        (267, true) => "DSAHEADER",
        (268, true) => "RSAHEADER",
        (269, true) => "SHA1HEADER",
        (273, true) => "SHA256HEADER",
        (1000, true) => "SIGSIZE",
        (1002, true) => "SIGPGP",
        (1004, true) => "SIGMD5",
        (1005, true) => "SIGGPG",
        (1007, true) => "PAYLOADSIZE",
        _ => return format!("{} {tag}", if signature { "signature tag" } else { "tag" }),
    };
    known.to_owned()
}

fn shown(kind: u32, value: &[u8]) -> Vec<u8> {
    match kind {
        6 | 8 | 9 => value.iter().map(|b| if *b == 0 { b' ' } else { *b }).take(400).collect(),
        4 if value.len() == 4 => be32(value, 0).unwrap_or_default().to_string().into_bytes(),
        _ => hex::encode(value.get(..value.len().min(100)).unwrap_or_default()).into_bytes(),
    }
}
