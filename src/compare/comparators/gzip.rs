//! gzip (RFC 1952): the header's fields, members, level.

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
    compressed::trailing(walk, pair, &outcome)?;
    let (a, b) = (header(pair.a)?, header(pair.b)?);
    let mut field = |cause: Cause, x: &[u8], y: &[u8]| {
        if x != y {
            walk.add(Difference::exact(pair.path, cause).values(x, y));
        }
    };
    let number = |n: u32| n.to_string().into_bytes();
    field(Cause::GzipMtime, &number(a.mtime), &number(b.mtime));
    field(Cause::GzipName, &a.name, &b.name);
    field(Cause::GzipComment, &a.comment, &b.comment);
    field(Cause::GzipOs, &number(a.os.into()), &number(b.os.into()));
    field(Cause::GzipExtra, &a.extra, &b.extra);
    // FTEXT and FHCRC have no field of their own.
    field(Cause::GzipExtra, &number((a.flags & 3).into()), &number((b.flags & 3).into()));
    let level = |n: u8| match n {
        2 => "best".to_owned(),
        4 => "fastest".to_owned(),
        n => format!("extra flags {n}"),
    };
    if outcome.a.frames != outcome.b.frames {
        field(
            Cause::GzipMembers,
            outcome.a.frames.to_string().as_bytes(),
            outcome.b.frames.to_string().as_bytes(),
        );
        return Ok(());
    }
    if a.level != b.level {
        field(Cause::GzipLevel, level(a.level).as_bytes(), level(b.level).as_bytes());
    } else if outcome.equal && bodies_differ(pair, &a, &b, &outcome)? {
        let size = |blob: &Blob| format!("{} bytes compressed", blob.len());
        field(Cause::GzipLevel, size(pair.a).as_bytes(), size(pair.b).as_bytes());
    }
    Ok(())
}

fn bodies_differ(pair: Pair<'_>, a: &Header, b: &Header, outcome: &Outcome) -> Result<bool, Stop> {
    let body = |blob: &Blob, header: &Header, end: StreamEnd| {
        let after = header.len as u64 + end.trailing_zeros + end.trailing_other;
        blob.slice(header.len as u64, blob.len().saturating_sub(after))
    };
    Ok(!body(pair.a, a, outcome.a).equal(&body(pair.b, b, outcome.b))?)
}
