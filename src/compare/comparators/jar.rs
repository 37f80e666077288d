//! A jar's own files: the manifest's build attributes, and signatures, which are not verified here on
//! either side.

use std::collections::BTreeMap;

use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, data};

pub(crate) static MANIFEST: Format = Format { id: "jar manifest", recognise: is_manifest, compare: manifest };
pub(crate) static SIGNATURE: Format =
    Format { id: "embedded signature", recognise: is_signature, compare: signature };

/// Attributes of the main section that record how a jar was built, and nothing that a class loader
/// reads.
const BUILD_ATTRIBUTES: [&str; 34] = [
    "ant-version",
    "archiver-version",
    "bnd-lastmodified",
    "build-date",
    "build-host",
    "build-id",
    "build-java-version",
    "build-jdk",
    "build-jdk-spec",
    "build-job",
    "build-number",
    "build-os",
    "build-revision",
    "build-status",
    "build-time",
    "build-timestamp",
    "build-tool",
    "build-url",
    "built-by",
    "built-date",
    "built-host",
    "built-jdk",
    "built-on",
    "built-os",
    "created-by",
    "hudson-build-number",
    "implementation-build",
    "implementation-build-date",
    "implementation-build-id",
    "implementation-build-java-vendor",
    "implementation-build-java-version",
    "os-version",
    "source-date-epoch",
    "tool",
];

/// Prefixes of further ones: source control and continuous integration.
const BUILD_PREFIXES: [&str; 5] = ["git-", "scm-", "x-compile-", "jenkins-", "hudson-"];

fn is_manifest(probe: &Probe<'_>) -> bool {
    probe.name.ends_with(b"META-INF/MANIFEST.MF") && probe.head.starts_with(b"Manifest-Version:")
}

fn is_signature(probe: &Probe<'_>) -> bool {
    let jar = probe.name.starts_with(b"META-INF/")
        && [&b".SF"[..], b".RSA", b".DSA", b".EC"].iter().any(|e| probe.name.ends_with(e));
    // Alpine packages begin with `.SIGN.RSA.<key>`; Debian source files and others are signed beside.
    let name = probe.name.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let detached = [&b".asc"[..], b".sig", b".p7s"].iter().any(|e| name.ends_with(e));
    jar || name.starts_with(b".SIGN.") || detached || name == b"_gpgorigin" || name == b"_gpgbuilder"
}

fn signature(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let text = |n: u64| format!("{n} bytes, not verified");
    walk.changed.insert(pair.path.to_owned());
    walk.add(Difference::exact(pair.path, Cause::Signature).values(text(pair.a.len()), text(pair.b.len())));
    Ok(())
}

type Section = BTreeMap<String, Vec<u8>>;

/// Sections of a manifest with lines joined; `None` for what is not one.
fn sections(text: &[u8]) -> Option<Vec<Section>> {
    let mut unfolded: Vec<Vec<u8>> = Vec::new();
    for line in text.split(|b| *b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line.strip_prefix(b" ") {
            Some(rest) => unfolded.last_mut()?.extend_from_slice(rest),
            None => unfolded.push(line.to_vec()),
        }
    }
    let mut found = vec![Section::new()];
    for line in unfolded {
        if line.is_empty() {
            if found.last().is_some_and(|s| !s.is_empty()) {
                found.push(Section::new());
            }
            continue;
        }
        let colon = line.windows(2).position(|w| w == b": ")?;
        let key = String::from_utf8(line.get(..colon)?.to_ascii_lowercase()).ok()?;
        if found.last_mut()?.insert(key, line.get(colon + 2..)?.to_vec()).is_some() {
            return None;
        }
    }
    found.retain(|s| !s.is_empty());
    Some(found)
}

fn manifest(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let most = walk.budget.limits.document_bytes_max;
    let (Some(a), Some(b)) = (pair.a.whole(most)?, pair.b.whole(most)?) else {
        return data::compare(walk, pair);
    };
    let (Some(x), Some(y)) = (sections(&a), sections(&b)) else { return data::compare(walk, pair) };
    let (Some(main_a), Some(main_b)) = (x.first(), y.first()) else { return data::compare(walk, pair) };
    walk.changed.insert(pair.path.to_owned());
    data::mask(walk, pair)?;
    let before = walk.found();
    for key in main_a.keys().chain(main_b.keys().filter(|k| !main_a.contains_key(*k))) {
        let (left, right) = (main_a.get(key), main_b.get(key));
        if left == right {
            continue;
        }
        let build =
            BUILD_ATTRIBUTES.contains(&key.as_str()) || BUILD_PREFIXES.iter().any(|p| key.starts_with(p));
        let cause = match key.as_str() {
            _ if build => Cause::JarManifestMetadata,
            k if k.ends_with("-version") => Cause::VersionString,
            _ => Cause::Content,
        };
        let mut difference = Difference::exact(pair.path, cause).field(key);
        if let Some(left) = left {
            difference = difference.left(left);
        }
        if let Some(right) = right {
            difference = difference.right(right);
        }
        walk.add(difference);
    }
    let rest = |list: &[Section]| list.get(1..).unwrap_or_default().to_vec();
    if rest(&x) != rest(&y) {
        let signed = |list: &[Section]| {
            list.iter().skip(1).all(|s| s.keys().all(|k| k == "name" || k.ends_with("-digest")))
        };
        let (list_a, list_b) = (rest(&x), rest(&y));
        let cause = if signed(&x) && signed(&y) { Cause::Signature } else { Cause::Content };
        let text = |n: usize| format!("{n} sections for members");
        walk.add(
            Difference::exact(pair.path, cause)
                .field("sections")
                .values(text(list_a.len()), text(list_b.len())),
        );
    }
    if walk.found() == before {
        return data::compare(walk, pair);
    }
    Ok(())
}
