//! Message catalogues of GNU gettext: the dates in the header entry are stamps. Compiled ones (`.mo`)
//! are read string by string, so that a date of another length, which moves all that follows, is seen
//! for what it is; sources (`.po`, `.pot`) line by line.

use std::collections::BTreeMap;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk, escape};
use super::{Format, Probe, data};
use crate::archive::bytes::{be32, le32};

pub(crate) static COMPILED: Format = Format { id: "gettext", recognise, compare };
pub(crate) static SOURCE: Format =
    Format { id: "gettext source", recognise: is_source, compare: compare_source };

const MAGIC: u32 = 0x9504_12de;
/// Fields of the header entry that hold dates.
const DATES: [&str; 2] = ["POT-Creation-Date", "PO-Revision-Date"];
/// Messages named when their text differs.
const MESSAGES_NAMED: usize = 10;

fn recognise(probe: &Probe<'_>) -> bool {
    let magic = probe.head.get(..4) == Some(&MAGIC.to_le_bytes());
    let revision = if magic { le32(probe.head, 4) } else { be32(probe.head, 4) };
    let known = magic || probe.head.get(..4) == Some(&MAGIC.to_be_bytes());
    known && revision.is_some_and(|revision| revision >> 16 <= 1)
}

/// Originals with their translations, in the file's order.
struct Catalogue {
    messages: Vec<(Vec<u8>, Vec<u8>)>,
    /// Revision, counts, and the hash table: what does not depend on where strings lie.
    frame: Vec<u8>,
    /// Whether tables and strings lie one after the other, with zero bytes alone between them: then
    /// equal messages and an equal frame leave no byte unexplained.
    tight: bool,
}

fn read(bytes: &[u8]) -> Result<Catalogue, Stop> {
    let little = bytes.starts_with(&MAGIC.to_le_bytes());
    let word = |at: usize| -> Result<usize, Stop> {
        let value = if little { le32(bytes, at) } else { be32(bytes, at) };
        value
            .and_then(|value| usize::try_from(value).ok())
            .ok_or_else(|| Stop::truncated(format!("gettext: a number at offset {at}")))
    };
    let (count, originals, translations) = (word(8)?, word(12)?, word(16)?);
    let (hash_len, hash_at) = (word(20)?, word(24)?);
    let part = |at: usize, len: usize| -> Result<&[u8], Stop> {
        at.checked_add(len)
            .and_then(|end| bytes.get(at..end))
            .ok_or_else(|| Stop::truncated(format!("gettext: {len} bytes at offset {at} are past the end")))
    };
    let table_len = count.checked_mul(8).ok_or_else(|| Stop::malformed("gettext: too many messages"))?;
    part(originals, table_len)?;
    part(translations, table_len)?;
    let hash = part(hash_at, hash_len.saturating_mul(4))?;
    let mut ranges =
        vec![(0, 28), (originals, table_len), (translations, table_len), (hash_at, hash_len * 4)];
    let mut messages = Vec::new();
    for index in 0..count {
        let mut string = |table: usize| -> Result<Vec<u8>, Stop> {
            let (len, at) = (word(table + index * 8)?, word(table + index * 8 + 4)?);
            let text = part(at, len)?.to_vec();
            if part(at + len, 1)? != [0] {
                return Err(Stop::malformed("gettext: a string does not end in NUL"));
            }
            ranges.push((at, len + 1));
            Ok(text)
        };
        messages.push((string(originals)?, string(translations)?));
    }
    ranges.sort_unstable();
    let mut reached = 0;
    let mut tight = word(4)? == 0;
    for (from, len) in ranges {
        let gap = bytes.get(reached..from.max(reached)).unwrap_or_default();
        tight &= from >= reached && gap.iter().all(|byte| *byte == 0) || len == 0;
        reached = reached.max(from + len);
    }
    tight &= reached == bytes.len();
    let frame = [bytes.get(4..12).unwrap_or_default(), bytes.get(20..24).unwrap_or_default(), hash].concat();
    Ok(Catalogue { messages, frame, tight })
}

/// The header's text without the values of its dates, and those.
fn dates(header: &[u8]) -> (Vec<u8>, BTreeMap<&'static str, Vec<u8>>) {
    let mut rest = Vec::new();
    let mut found = BTreeMap::new();
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        let field = DATES.into_iter().find(|field| {
            line.strip_prefix(field.as_bytes()).is_some_and(|after| after.starts_with(b":"))
                && !found.contains_key(field)
        });
        match field {
            Some(field) => {
                found.insert(field, line.get(field.len() + 1..).unwrap_or_default().trim_ascii().to_vec());
                rest.extend_from_slice(field.as_bytes());
            }
            None => rest.extend_from_slice(line),
        }
    }
    (rest, found)
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let max = walk.budget.limits.document_bytes_max;
    let (Some(text_a), Some(text_b)) = (pair.a.whole(max)?, pair.b.whole(max)?) else {
        return data::bytes(walk, pair);
    };
    let (a, b) = (read(&text_a).on(Side::Published)?, read(&text_b).on(Side::Rebuilt)?);
    walk.changed.insert(pair.path.to_owned());
    data::mask(walk, pair)?;
    let split = |catalogue: &Catalogue| {
        let mut messages: BTreeMap<Vec<u8>, Vec<u8>> = catalogue.messages.iter().cloned().collect();
        let (header, found) = dates(messages.get(&b""[..]).map_or(&b""[..], Vec::as_slice));
        if let Some(slot) = messages.get_mut(&b""[..]) {
            *slot = header;
        }
        (messages, found)
    };
    let ((messages_a, dates_a), (messages_b, dates_b)) = (split(&a), split(&b));
    stamps(walk, pair.path, &dates_a, &dates_b);
    let order = |catalogue: &Catalogue| {
        catalogue.messages.iter().map(|(original, _)| original.clone()).collect::<Vec<_>>()
    };
    if messages_a == messages_b && a.frame == b.frame && order(&a) == order(&b) && a.tight && b.tight {
        return Ok(());
    }
    let mut hunks = Vec::new();
    let names = messages_a.keys().chain(messages_b.keys().filter(|name| !messages_a.contains_key(*name)));
    for name in names.filter(|name| messages_a.get(*name) != messages_b.get(*name)).take(MESSAGES_NAMED) {
        hunks.push(format!(" {}", escape(name.get(..name.len().min(200)).unwrap_or_default())));
        for (sign, text) in [('-', messages_a.get(name)), ('+', messages_b.get(name))] {
            hunks.extend(text.map(|text| {
                format!("{sign}{}", escape(text.get(..text.len().min(300)).unwrap_or_default()))
            }));
        }
    }
    let mut difference = Difference::exact(pair.path, Cause::Content).values(
        format!("{} messages, {} bytes", a.messages.len(), text_a.len()),
        format!("{} messages, {} bytes", b.messages.len(), text_b.len()),
    );
    if hunks.is_empty() {
        difference = difference.note("the same messages; the file is laid out in another way");
    }
    difference.hunks = hunks;
    walk.add(difference);
    Ok(())
}

type Found = BTreeMap<&'static str, Vec<u8>>;

fn stamps(walk: &mut Walk<'_>, path: &str, a: &Found, b: &Found) {
    for field in DATES {
        let (x, y) = (a.get(field), b.get(field));
        if x != y {
            let mut difference = Difference::exact(path, Cause::GettextDate).field(field);
            if let Some(x) = x {
                difference = difference.left(x);
            }
            if let Some(y) = y {
                difference = difference.right(y);
            }
            walk.add(difference);
        }
    }
}

fn is_source(probe: &Probe<'_>) -> bool {
    (probe.name.ends_with(b".po") || probe.name.ends_with(b".pot"))
        && memchr::memmem::find(probe.head, b"msgid \"\"").is_some()
}

/// The dates stand on lines of their own in the first entry: `"PO-Revision-Date: …\n"`.
fn compare_source(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let max = walk.budget.limits.document_bytes_max;
    let (Some(a), Some(b)) = (pair.a.whole(max)?, pair.b.whole(max)?) else {
        return data::compare(walk, pair);
    };
    let split = |text: &[u8]| {
        let mut rest = Vec::new();
        let mut found = BTreeMap::new();
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let field = DATES.into_iter().find(|field| {
                line.strip_prefix(b"\"")
                    .and_then(|line| line.strip_prefix(field.as_bytes()))
                    .is_some_and(|after| after.starts_with(b": ") && after.ends_with(b"\\n\"\n"))
                    && !found.contains_key(field)
            });
            match field {
                Some(field) => {
                    let value = line.get(field.len() + 3..line.len() - 4).unwrap_or_default();
                    found.insert(field, value.to_vec());
                    rest.extend_from_slice(field.as_bytes());
                    rest.push(b'\n');
                }
                None => rest.extend_from_slice(line),
            }
        }
        (rest, found)
    };
    let ((rest_a, dates_a), (rest_b, dates_b)) = (split(&a), split(&b));
    walk.changed.insert(pair.path.to_owned());
    stamps(walk, pair.path, &dates_a, &dates_b);
    if rest_a == rest_b {
        return data::mask(walk, pair);
    }
    let (rest_a, rest_b) = (Blob::memory(rest_a), Blob::memory(rest_b));
    data::compare(walk, Pair { a: &rest_a, b: &rest_b, ..pair })
}
