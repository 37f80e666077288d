//! gzip (RFC 1952): the header's fields, members, level.

use std::collections::BTreeSet;

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::decode::StreamEnd;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::compressed::Outcome;
use super::{Format, Probe, compressed};
use crate::archive::bytes::{le16, le32, until_nul};
use crate::archive::compression::Compression;

pub(crate) static FORMAT: Format = Format { id: "gzip", recognise, compare };

/// A header's optional fields are looked for in this many bytes; longer names are compared up to it.
const HEADER_BYTES_MAX: usize = 64 << 10;

fn recognise(probe: &Probe<'_>) -> bool {
    matches!(probe.head, [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    flags: u8,
    mtime: u32,
    level: u8,
    os: u8,
    extra: Vec<u8>,
    name: Vec<u8>,
    comment: Vec<u8>,
    /// Where the compressed data begins.
    len: usize,
}

fn header(blob: &Blob) -> Result<Header, Stop> {
    let head = blob.head(HEADER_BYTES_MAX)?;
    let short = || Stop::truncated("gzip: inside the header");
    let byte = |at: usize| head.get(at).copied().ok_or_else(short);
    let mut header = Header {
        flags: byte(3)?,
        mtime: le32(&head, 4).ok_or_else(short)?,
        level: byte(8)?,
        os: byte(9)?,
        ..Header::default()
    };
    let mut at = 10;
    if header.flags & 4 != 0 {
        let length = usize::from(le16(&head, at).ok_or_else(short)?);
        header.extra = head.get(at + 2..at + 2 + length).ok_or_else(short)?.to_vec();
        at += 2 + length;
    }
    let text = |at: &mut usize| {
        let found = until_nul(head.get(*at..).unwrap_or_default()).to_vec();
        *at += found.len() + 1;
        found
    };
    if header.flags & 8 != 0 {
        header.name = text(&mut at);
    }
    if header.flags & 16 != 0 {
        header.comment = text(&mut at);
    }
    if header.flags & 2 != 0 {
        at += 2;
    }
    header.len = at;
    Ok(header)
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let outcome = compressed::content(walk, pair, (Compression::Gzip, Compression::Gzip))?;
    describe(walk, pair, &outcome)
}

/// Names what differs in the compression itself, member by member where there are equally many.
pub(crate) fn describe(walk: &mut Walk<'_>, pair: Pair<'_>, outcome: &Outcome) -> Result<(), Stop> {
    compressed::trailing(walk, pair, outcome)?;
    if !outcome.whole {
        return Ok(());
    }
    if outcome.a.frames != outcome.b.frames {
        let text = |n: u64| format!("{n} members");
        walk.add(
            Difference::exact(pair.path, Cause::GzipMembers)
                .values(text(outcome.a.frames), text(outcome.b.frames)),
        );
        let (a, b) = (header(pair.a)?, header(pair.b)?);
        fields(walk, pair, (&a, &b), None, &mut BTreeSet::new());
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    let many = outcome.a.frames > 1;
    for (i, (x, y)) in outcome.a.starts.iter().zip(&outcome.b.starts).enumerate() {
        let part = |blob: &Blob, end: &StreamEnd, from: u64| {
            let last = blob.len().saturating_sub(end.trailing_zeros + end.trailing_other);
            let to = end.starts.get(i + 1).copied().unwrap_or(last);
            blob.slice(from, to.saturating_sub(from))
        };
        let (left, right) = (part(pair.a, &outcome.a, *x), part(pair.b, &outcome.b, *y));
        if left.equal(&right)? {
            continue;
        }
        let (a, b) = (header(&left)?, header(&right)?);
        let member = many.then(|| format!("member {}", i + 1));
        fields(walk, pair, (&a, &b), member.as_deref(), &mut seen);
        let body = |blob: &Blob, header: &Header| blob.slice(header.len as u64, u64::MAX);
        let repacked = outcome.equal && !body(&left, &a).equal(&body(&right, &b))?;
        if (a.level != b.level || repacked) && seen.insert(Cause::GzipLevel) {
            let text = |header: &Header, blob: &Blob| {
                let level = match header.level {
                    0 => "default".to_owned(),
                    2 => "best".to_owned(),
                    4 => "fastest".to_owned(),
                    n => format!("extra flags {n}"),
                };
                format!("level {level}, {} bytes compressed", blob.len())
            };
            let difference = Difference::exact(pair.path, Cause::GzipLevel);
            walk.add(difference.values(text(&a, &left), text(&b, &right)));
        }
    }
    Ok(())
}

/// Compares two headers; each cause is named once for a file.
fn fields(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    (a, b): (&Header, &Header),
    member: Option<&str>,
    seen: &mut BTreeSet<Cause>,
) {
    let number = |n: u32| n.to_string().into_bytes();
    // FTEXT and FHCRC have no field of their own.
    let flags = |header: &Header| number((header.flags & 3).into());
    for (cause, x, y) in [
        (Cause::GzipMtime, number(a.mtime), number(b.mtime)),
        (Cause::GzipName, a.name.clone(), b.name.clone()),
        (Cause::GzipComment, a.comment.clone(), b.comment.clone()),
        (Cause::GzipOs, number(a.os.into()), number(b.os.into())),
        (Cause::GzipExtra, a.extra.clone(), b.extra.clone()),
        (Cause::GzipExtra, flags(a), flags(b)),
    ] {
        if x != y && seen.insert(cause) {
            let mut difference = Difference::exact(pair.path, cause).values(&x, &y);
            if let Some(member) = member {
                difference = difference.field(member);
            }
            walk.add(difference);
        }
    }
}
