//! Compiled message catalogues (GNU gettext `.mo`): the dates in the header entry are stamps.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Side;
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::Probe;
use super::stamped::{self, Anatomy, Stamp};

const MAGIC: u32 = 0x9504_12de;

pub(crate) fn recognise(probe: &Probe<'_>) -> bool {
    let Some(start) = probe.head.get(..8).and_then(|h| <[u8; 8]>::try_from(h).ok()) else { return false };
    let [a, b, c, d, e, f, g, h] = start;
    let (magic, revision) = ([a, b, c, d], [e, f, g, h]);
    let little = u32::from_le_bytes(magic) == MAGIC && u32::from_le_bytes(revision) >> 16 <= 1;
    let big = u32::from_be_bytes(magic) == MAGIC && u32::from_be_bytes(revision) >> 16 <= 1;
    little || big
}

pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let (a, b) = (anatomy(pair.a).on(Side::Published)?, anatomy(pair.b).on(Side::Rebuilt)?);
    // Dates of another length shift every string behind them; only an equal layout can be laid over.
    let aligned = a.stamps.len() == b.stamps.len()
        && a.stamps
            .iter()
            .zip(&b.stamps)
            .all(|(x, y)| (x.start, x.len, &x.field) == (y.start, y.len, &y.field));
    if aligned {
        stamped::compare(walk, pair, a, b)
    } else {
        stamped::compare(walk, pair, Anatomy::default(), Anatomy::default())
    }
}

fn anatomy(blob: &Blob) -> Result<Anatomy, Stop> {
    let head = blob.exact(0, 28)?;
    let little = head.starts_with(&MAGIC.to_le_bytes());
    let word = |bytes: &[u8], at: usize| -> u64 {
        let four: [u8; 4] = bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).unwrap_or_default();
        if little { u32::from_le_bytes(four).into() } else { u32::from_be_bytes(four).into() }
    };
    let (count, originals, translations) = (word(&head, 8), word(&head, 12), word(&head, 16));
    let mut found = Anatomy::default();
    if count == 0 {
        return Ok(found);
    }
    // The header is the translation of the empty string, which sorts first.
    if word(&blob.exact(originals, 8)?, 0) != 0 {
        return Ok(found);
    }
    let entry = blob.exact(translations, 8)?;
    let (len, start) = (word(&entry, 0), word(&entry, 4));
    if start.checked_add(len).is_none_or(|end| end > blob.len()) {
        return Err(Stop::truncated("the header entry lies past the end"));
    }
    let text = blob.slice(start, len).head(64 << 10)?;
    let mut at = 0;
    for line in text.split(|b| *b == b'\n') {
        for field in ["POT-Creation-Date", "PO-Revision-Date"] {
            if let Some(value) = line.strip_prefix(field.as_bytes()).and_then(|l| l.strip_prefix(b": "))
                && !found.stamps.iter().any(|s| s.field == field)
            {
                found.stamps.push(Stamp {
                    start: start + (at + field.len() + 2) as u64,
                    len: value.len() as u64,
                    cause: Cause::GettextDate,
                    field: field.to_owned(),
                    value: String::from_utf8_lossy(value).into_owned(),
                });
            }
        }
        at += line.len() + 1;
    }
    Ok(found)
}
