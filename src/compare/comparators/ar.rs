//! ar archives (System V and GNU): packages and static libraries. The order of members may matter to
//! a linker and is never set aside.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::members::{self, Body, Found, Handler, Member, Members};
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::{Format, Probe};
use crate::archive::ar::{ArHeader, ArReader, MAGIC};

pub(crate) static FORMAT: Format = Format { id: "ar", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(MAGIC)
}

/// One member with its range.
#[derive(Debug, Clone)]
pub(crate) struct ArMember {
    pub(crate) name: Vec<u8>,
    pub(crate) header: ArHeader,
    pub(crate) raw: Vec<u8>,
    pub(crate) body: Blob,
}

/// Reads all headers; bodies stay where they are. What was read before a failure is given with it.
pub(crate) fn read(walk: &Walk<'_>, blob: &Blob) -> (Vec<ArMember>, Option<Stop>) {
    let mut found = Vec::new();
    let stop = headers(walk, blob, &mut found).err();
    (found, stop)
}

fn headers(walk: &Walk<'_>, blob: &Blob, found: &mut Vec<ArMember>) -> Result<(), Stop> {
    if blob.head(8)? != MAGIC {
        return Err(Stop::truncated("ar: the magic is not whole"));
    }
    let mut at = 8u64;
    let mut long_names: Option<Vec<u8>> = None;
    while at < blob.len() {
        walk.budget.member()?;
        let raw = blob.exact(at, 60)?;
        let mut one = ArReader::new(std::io::Cursor::new([&MAGIC[..], &raw].concat()))?;
        let Some(header) = one.next_header()? else { return Ok(()) };
        let from = at + 60;
        if header.len_bytes > blob.len() - from {
            return Err(Stop::truncated(format!("ar: the member at offset {at} is longer than the file")));
        }
        let mut body = blob.slice(from, header.len_bytes);
        let mut name = header.name.clone();
        if name == b"//" {
            long_names = body.whole(walk.budget.limits.document_bytes_max)?;
        } else if let Some(digits) =
            name.strip_prefix(b"/").filter(|d| d.first().is_some_and(u8::is_ascii_digit))
        {
            let offset = std::str::from_utf8(digits).ok().and_then(|d| d.parse::<usize>().ok());
            let table = long_names.as_deref().unwrap_or_default();
            let entry = offset
                .and_then(|o| table.get(o..))
                .ok_or_else(|| Stop::malformed("ar: a long name is not in the table"))?;
            let end = entry.iter().position(|b| *b == b'\n').unwrap_or(entry.len());
            name = entry.get(..end).unwrap_or_default().to_vec();
        } else if let Some(digits) = name.strip_prefix(b"#1/") {
            // BSD: the name comes first in the body.
            let length = std::str::from_utf8(digits).ok().and_then(|d| d.parse::<u64>().ok());
            let length = length.filter(|n| *n <= header.len_bytes && *n <= 4096);
            let length = length.ok_or_else(|| Stop::malformed("ar: a BSD name is too long"))?;
            name = body.head(usize::try_from(length).unwrap_or(0))?;
            while name.last() == Some(&0) {
                name.pop();
            }
            body = body.slice(length, u64::MAX);
        }
        if name.len() > 1 && name != b"//" {
            name = name.strip_suffix(b"/").map(<[u8]>::to_vec).unwrap_or(name);
        }
        at = from + header.len_bytes;
        let mut raw = raw;
        if header.len_bytes % 2 == 1 && at < blob.len() {
            let pad = blob.exact(at, 1)?;
            if !matches!(pad.first(), Some(b'\n' | 0)) {
                return Err(Stop::malformed(format!("ar: the padding at offset {at} is not a newline")));
            }
            raw.extend(pad);
            at += 1;
        }
        found.push(ArMember { name, header, raw, body });
    }
    Ok(())
}

/// Walks over members that were read.
pub(crate) struct Listed(std::vec::IntoIter<ArMember>, Option<Stop>);

impl Listed {
    pub(crate) fn new((members, stop): (Vec<ArMember>, Option<Stop>)) -> Self {
        Self(members.into_iter(), stop)
    }
}

impl Members for Listed {
    type Meta = ArMember;

    fn next(&mut self) -> Result<Option<Member<ArMember>>, Stop> {
        match (self.0.next(), self.1.take()) {
            (Some(m), stop) => {
                self.1 = stop;
                Ok(Some(Member { name: m.name.clone(), body: Body::Blob(m.body.clone()), meta: m }))
            }
            (None, Some(stop)) => Err(stop),
            (None, None) => Ok(None),
        }
    }

    fn read(&mut self, _buffer: &mut [u8]) -> Result<usize, Stop> {
        Ok(0)
    }
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let mut a = Listed::new(read(walk, pair.a));
    let mut b = Listed::new(read(walk, pair.b));
    let matched = members::pair(walk, pair.path, (&mut a, &mut b), &mut ArHandler);
    members::report_unmatched(walk, pair.path, &matched);
    if matched.reordered {
        walk.add(Difference::exact(pair.path, Cause::ArOrder));
    }
    Ok(())
}

struct ArHandler;

impl Handler<ArMember> for ArHandler {
    fn meta(&mut self, walk: &mut Walk<'_>, path: &str, a: &Found<ArMember>, b: &Found<ArMember>) {
        fields(walk, path, &a.meta, &b.meta);
    }

    fn content(&mut self, walk: &mut Walk<'_>, pair: Pair<'_>) {
        // The symbol index and the name table follow from the members.
        if matches!(pair.name, b"/" | b"//" | b"/SYM64") {
            let cause = if pair.name == b"//" { Cause::Content } else { Cause::ElfSymbols };
            let mut difference = Difference::exact(pair.path, cause).note("the archive's own index");
            difference.derived = true;
            walk.add(difference);
            return;
        }
        walk.differing(pair);
    }
}

/// Compares two headers.
pub(crate) fn fields(walk: &mut Walk<'_>, path: &str, a: &ArMember, b: &ArMember) {
    if a.raw == b.raw {
        return;
    }
    let before = walk.found();
    let (x, y) = (&a.header, &b.header);
    for (cause, field, left, right) in [
        (Cause::ArMtime, "mtime", x.mtime.to_string(), y.mtime.to_string()),
        (Cause::ArUidGid, "uid", x.uid.to_string(), y.uid.to_string()),
        (Cause::ArUidGid, "gid", x.gid.to_string(), y.gid.to_string()),
        (Cause::ArMode, "mode", format!("{:o}", x.mode), format!("{:o}", y.mode)),
    ] {
        if left != right {
            walk.add(Difference::exact(path, cause).values(left, right).field(field));
        }
    }
    let moved = x.len_bytes != y.len_bytes || x.name != y.name;
    if before == walk.found() && !moved {
        walk.add(
            Difference::exact(path, Cause::TarPadding).note("the same header is written in another way"),
        );
    }
}

/// Reads both sides; a side that cannot be read to its end is recorded.
pub(crate) fn both(walk: &mut Walk<'_>, pair: Pair<'_>) -> Option<(Vec<ArMember>, Vec<ArMember>)> {
    let (a, stop_a) = read(walk, pair.a);
    let (b, stop_b) = read(walk, pair.b);
    let whole = stop_a.is_none() && stop_b.is_none();
    for (stop, side) in [(stop_a, Side::Published), (stop_b, Side::Rebuilt)] {
        if let Err(stop) = stop.map_or(Ok::<(), Stop>(()), Err).on(side) {
            walk.stopped(pair.path, stop, side);
        }
    }
    whole.then_some((a, b))
}
