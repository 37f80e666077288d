//! cpio archives (`newc`, `crc`, `odc`).

use std::io::Read;

use super::super::cause::Cause;
use super::super::log::MemberLog;
use super::super::members::{self, Body, Found, Handler, Member, Members};
use super::super::result::{Difference, Side};
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, tar};
pub(crate) use crate::archive::cpio::looks_like;
use crate::archive::cpio::{CpioEntry, CpioReader};

pub(crate) static FORMAT: Format = Format { id: "cpio", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    looks_like(probe.head)
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    streams(walk, pair.path, pair.a.reader(), pair.b.reader())
}

/// Compares two cpio streams.
pub(crate) fn streams<R: Read>(walk: &mut Walk<'_>, path: &str, a: R, b: R) -> Result<(), Stop> {
    let log = walk.log.take();
    let limits = tar::archive_limits(&walk.budget.limits);
    let mut stream_a = Stream(CpioReader::new(a, &limits));
    let mut stream_b = Stream(CpioReader::new(b, &limits));
    let mut handler = CpioHandler { log };
    let matched = members::pair(walk, path, (&mut stream_a, &mut stream_b), &mut handler);
    members::report_unmatched(walk, path, &matched);
    if matched.reordered && matched.duplicates.is_empty() {
        walk.add(Difference::exact(path, Cause::CpioOrder));
    }
    walk.log = handler.log.take();
    if matched.complete == (true, true) {
        let (end_a, end_b) = (stream_a.0.trailing(), stream_b.0.trailing());
        let text = |end: (u64, u64)| format!("{} zero bytes, then {} bytes", end.0, end.1);
        if end_a.1 != 0 || end_b.1 != 0 {
            walk.add(
                Difference::exact(path, Cause::Content)
                    .values(text(end_a), text(end_b))
                    .note("data after the end of the archive"),
            );
        } else if end_a.0 != end_b.0
            && !(filled(stream_a.0.length(), end_a) && filled(stream_b.0.length(), end_b))
        {
            walk.add(Difference::exact(path, Cause::TarPadding).values(text(end_a), text(end_b)));
        }
    }
    Ok(())
}

/// Whether the archive is filled up to a block of 512 bytes, as cpio and the kernel's tools do, and no
/// further: then the number of zero bytes follows from the members.
const fn filled(length: u64, end: (u64, u64)) -> bool {
    length.is_multiple_of(512) && end.0 < 512
}

struct Stream<R>(CpioReader<R>);

impl<R: Read> Members for Stream<R> {
    type Meta = CpioEntry;

    fn next(&mut self) -> Result<Option<Member<CpioEntry>>, Stop> {
        Ok(self.0.next_entry()?.map(|entry| Member {
            name: entry.name.clone(),
            body: Body::Stream,
            meta: entry,
        }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        Ok(self.0.read_body(buffer)?)
    }
}

struct CpioHandler {
    log: Option<MemberLog>,
}

const KIND: u64 = 0o170_000;
const LINK: u64 = 0o120_000;

impl Handler<CpioEntry> for CpioHandler {
    fn comparable(&self, a: &CpioEntry, b: &CpioEntry) -> bool {
        a.mode & KIND == b.mode & KIND && a.mode & KIND != LINK
    }

    fn content(&mut self, walk: &mut Walk<'_>, pair: Pair<'_>) {
        if let Some(log) = &mut self.log
            && let Err(stop) = log.take(pair.name, Some(pair.a), Some(pair.b))
        {
            walk.stopped(pair.path, stop, Side::Both);
        }
        walk.differing(pair);
    }

    fn meta(&mut self, walk: &mut Walk<'_>, path: &str, a: &Found<CpioEntry>, b: &Found<CpioEntry>) {
        let (found_a, found_b, a, b) = (a, b, &a.meta, &b.meta);
        if a.mode & KIND == LINK && b.mode & KIND == LINK && found_a.sha256 != found_b.sha256 {
            let target = |found: &Found<CpioEntry>| {
                found.blob.as_ref().and_then(|blob| blob.head(4096).ok()).unwrap_or_default()
            };
            let difference = Difference::exact(path, Cause::SymlinkTarget);
            walk.add(difference.values(target(found_a), target(found_b)));
        }
        if a.raw == b.raw {
            return;
        }
        let before = walk.found();
        if a.mode & KIND != b.mode & KIND {
            let text = |mode: u64| format!("{:06o}", mode & KIND);
            walk.add(Difference::exact(path, Cause::FileType).values(text(a.mode), text(b.mode)));
        } else if a.mode != b.mode {
            let text = |mode: u64| format!("{:04o}", mode & !KIND);
            walk.add(Difference::exact(path, Cause::FileMode).values(text(a.mode), text(b.mode)));
        }
        let pair = |x: (u64, u64)| format!("{}:{}", x.0, x.1);
        for (cause, field, x, y) in [
            (Cause::CpioMtime, "mtime", a.mtime.to_string(), b.mtime.to_string()),
            (Cause::CpioInode, "inode", a.inode.to_string(), b.inode.to_string()),
            (Cause::CpioInode, "links", a.links.to_string(), b.links.to_string()),
            (Cause::CpioInode, "device", pair(a.device), pair(b.device)),
            (Cause::TarDevice, "special device", pair(a.special), pair(b.special)),
            (Cause::TarUidGid, "uid", a.uid.to_string(), b.uid.to_string()),
            (Cause::TarUidGid, "gid", a.gid.to_string(), b.gid.to_string()),
        ] {
            if x != y {
                walk.add(Difference::exact(path, cause).values(x, y).field(field));
            }
        }
        let content = found_a.sha256 != found_b.sha256;
        if before == walk.found() && !content {
            walk.add(
                Difference::exact(path, Cause::TarFormat).note("the same values are written in another way"),
            );
        }
    }
}
