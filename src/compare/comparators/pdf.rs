//! PDF (ISO 32000-1): dates of the document information and the file identifier, where they are written
//! plainly. Everything else must be equal.

use std::sync::OnceLock;

use regex::bytes::Regex;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, data};

pub(crate) static FORMAT: Format = Format { id: "pdf", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"%PDF-")
}

fn stamps() -> &'static [(Cause, Regex)] {
    static STAMPS: OnceLock<Vec<(Cause, Regex)>> = OnceLock::new();
    STAMPS.get_or_init(|| {
        [
            (Cause::PdfDate, r"(?-u)/(?:CreationDate|ModDate)\s*\([^)]{0,64}\)"),
            (Cause::PdfDate, r"(?-u)<xmp:(?:CreateDate|ModifyDate|MetadataDate)>[^<]{0,64}</"),
            (Cause::PdfId, r"(?-u)/ID\s*\[\s*<[0-9A-Fa-f]*>\s*<[0-9A-Fa-f]*>\s*\]"),
            (Cause::PdfId, r"(?-u)<xmpMM:(?:DocumentID|InstanceID)>[^<]{0,128}</"),
        ]
        .into_iter()
        .filter_map(|(cause, pattern)| Some((cause, Regex::new(pattern).ok()?)))
        .collect()
    })
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let most = walk.budget.limits.document_bytes_max;
    let (Some(mut a), Some(mut b)) = (pair.a.whole(most)?, pair.b.whole(most)?) else {
        return data::bytes(walk, pair);
    };
    walk.changed.insert(pair.path.to_owned());
    let mut found = Vec::new();
    for (cause, regex) in stamps() {
        let matches = |text: &[u8]| regex.find_iter(text).map(|m| m.as_bytes().to_vec()).collect::<Vec<_>>();
        let (x, y) = (matches(&a), matches(&b));
        if x.len() == y.len() && x != y {
            if let Some((p, q)) = x.iter().zip(&y).find(|(p, q)| p != q) {
                found.push(Difference::exact(pair.path, *cause).values(p, q).pattern());
            }
            a = regex.replace_all(&a, &b""[..]).into_owned();
            b = regex.replace_all(&b, &b""[..]).into_owned();
        }
    }
    found.into_iter().for_each(|difference| walk.add(difference));
    if a != b {
        let (rest_a, rest_b) = (Blob::memory(a), Blob::memory(b));
        return data::bytes(walk, Pair { a: &rest_a, b: &rest_b, ..pair });
    }
    Ok(())
}
