//! Python byte code (`.pyc`, PEP 552): a 16-byte header, then one marshalled code object.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::Probe;
use super::marshal;

const HEADER_BYTES: usize = 16;

pub(crate) fn recognise(probe: &Probe<'_>) -> bool {
    // The magic is a version number and two fixed bytes; the name keeps look-alikes out.
    probe.name.ends_with(b".pyc")
        && probe.head.get(2..4) == Some(b"\r\n")
        && probe.head.len() >= HEADER_BYTES
        && version(probe.head).is_some()
}

fn version(head: &[u8]) -> Option<u16> {
    let magic = u16::from_le_bytes(head.get(..2)?.try_into().ok()?);
    // CPython 3.7 to 3.15 (Lib/importlib/_bootstrap_external.py counts up from 3390 for 3.7).
    (3390..3800).contains(&magic).then_some(magic)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let max = walk.budget.limits.document_bytes_max;
    let read = |blob: &Blob| {
        blob.whole(max)?
            .ok_or_else(|| Stop::new(Cause::LimitBytes, format!("byte code of more than {max} bytes")))
    };
    let (a, b) = (read(pair.a).on(Side::Published)?, read(pair.b).on(Side::Rebuilt)?);
    let mut other = false;
    let mut field = |walk: &mut Walk<'_>, name: &str, at: usize, cause: Cause| {
        if word(&a, at) != word(&b, at) {
            walk.add(
                Difference::exact(pair.path, cause)
                    .field(name)
                    .values(word(&a, at).to_string(), word(&b, at).to_string()),
            );
            other |= cause.tier().number().is_none();
        }
    };
    field(walk, "magic", 0, Cause::Content);
    field(walk, "flags", 4, Cause::Content);
    if word(&a, 4) & 1 == 0 && word(&b, 4) & 1 == 0 {
        field(walk, "source time", 8, Cause::PycMtime);
        field(walk, "source size", 12, Cause::Content);
    } else {
        field(walk, "source hash", 8, Cause::Content);
        field(walk, "source hash (second half)", 12, Cause::Content);
    }
    let (code_a, code_b) =
        (a.get(HEADER_BYTES..).unwrap_or_default(), b.get(HEADER_BYTES..).unwrap_or_default());
    if code_a != code_b {
        let canonical =
            |bytes: &[u8], head: &[u8]| marshal::canonical(bytes, version(head).unwrap_or_default());
        let (left, right) =
            (canonical(code_a, &a).on(Side::Published)?, canonical(code_b, &b).on(Side::Rebuilt)?);
        if left == right && word(&a, 0) == word(&b, 0) {
            walk.add(
                Difference::exact(pair.path, Cause::PycRefs)
                    .field("code")
                    .note("the same objects; other reference flags"),
            );
        } else if word(&a, 0) == word(&b, 0)
            && let (Ok((rest_a, name_a)), Ok((rest_b, name_b))) = (
                marshal::without_names(code_a, version(&a).unwrap_or_default()),
                marshal::without_names(code_b, version(&b).unwrap_or_default()),
            )
            && rest_a == rest_b
            && name_a != name_b
            && name_a.contains(&b'/') | name_b.contains(&b'/')
        {
            let difference = Difference::exact(pair.path, Cause::BuildPath).field("file name of the code");
            walk.add(difference.values(name_a, name_b).pattern());
            other = true;
        } else {
            walk.add(
                Difference::exact(pair.path, Cause::Content)
                    .field("code")
                    .values(format!("{} bytes", code_a.len()), format!("{} bytes", code_b.len())),
            );
            other = true;
        }
    }
    if other {
        walk.changed.insert(pair.path.to_owned());
    }
    super::data::mask(walk, pair)
}
