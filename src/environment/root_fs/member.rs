//! The tar subset of deb(5): old, POSIX and GNU headers with GNU long names. Everything else is refused,
//! as dpkg refuses it: extended headers, sparse files, devices, pipes.

use std::io::BufRead;

use crate::archive::ArchiveError;
use crate::limits::archive::ArchiveLimits;

const FORMAT: &str = "tar";
const BLOCK_BYTES: usize = 512;

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    /// With its target, any text.
    Symlink(Vec<u8>),
    /// With the path of an earlier member.
    HardLink(Vec<u8>),
    /// What has no place in a package; in words.
    Refused(&'static str),
}

/// A member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// As it stands.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    /// Seconds since 1970.
    pub(super) mtime: i64,
    /// Length of the body in bytes.
    pub(super) len: u64,
}

/// Streaming reader: a header, then its body in pieces; what is left of a body is skipped.
pub(super) struct MemberReader<'l, R> {
    inner: R,
    left: u64,
    pad: u64,
    seen: u64,
    limits: &'l ArchiveLimits,
}

impl<'l, R: BufRead> MemberReader<'l, R> {
    pub(super) fn new(inner: R, limits: &'l ArchiveLimits) -> Self {
        Self { inner, left: 0, pad: 0, seen: 0, limits }
    }

    /// The next member, or `None` at the end mark or the end of the data.
    pub(super) fn next(&mut self) -> Result<Option<Member>, ArchiveError> {
        let (mut long_path, mut long_link) = (None, None);
        loop {
            let Some(header) = self.header()? else {
                if long_path.is_some() || long_link.is_some() {
                    return Err(malformed("a long name is followed by no member"));
                }
                return Ok(None);
            };
            self.seen += 1;
            if self.seen > self.limits.members_max {
                return Err(ArchiveError::Limit {
                    format: FORMAT,
                    limit: "members_max",
                    max: self.limits.members_max,
                });
            }
            let number = |r: std::io::Result<u64>, what| r.map_err(|_| malformed(what));
            let len = number(header.entry_size(), "a member's length is not a number")?;
            self.left = len;
            self.pad = len.next_multiple_of(BLOCK_BYTES as u64).saturating_sub(len);
            let kind = header.entry_type().as_byte();
            if matches!(kind, b'L' | b'K') {
                let slot = if kind == b'L' { &mut long_path } else { &mut long_link };
                if slot.is_some() {
                    return Err(malformed("two long names for one member"));
                }
                *slot = Some(self.long_name(len)?);
                continue;
            }
            let link = || long_link.clone().or_else(|| header.link_name_bytes().map(|l| l.to_vec()));
            let kind = match kind {
                b'0' | 0 | b'7' => Kind::File,
                b'5' => Kind::Directory,
                b'2' => Kind::Symlink(link().unwrap_or_default()),
                b'1' => Kind::HardLink(link().unwrap_or_default()),
                b'3' => Kind::Refused("it is a character device"),
                b'4' => Kind::Refused("it is a block device"),
                b'6' => Kind::Refused("it is a named pipe"),
                b'x' | b'g' => Kind::Refused("it is an extended header, which deb(5) does not allow"),
                _ => Kind::Refused("its type is not one that deb(5) allows"),
            };
            if !matches!(kind, Kind::File | Kind::Refused(_)) && len != 0 {
                return Err(malformed("a folder or link has a body"));
            }
            return Ok(Some(Member {
                path: long_path.unwrap_or_else(|| header.path_bytes().into_owned()),
                kind,
                mode: header.mode().map_err(|_| malformed("a member's mode is not a number"))?,
                mtime: i64::try_from(number(header.mtime(), "a member's time is not a number")?)
                    .map_err(|_| malformed("a member's time is out of range"))?,
                len,
            }));
        }
    }

    /// The next piece of the body, empty at its end; [`MemberReader::consume`] it.
    pub(super) fn piece(&mut self) -> Result<&[u8], ArchiveError> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let buffer = self.inner.fill_buf().map_err(failed)?;
        if buffer.is_empty() {
            return Err(truncated("inside a member's body"));
        }
        Ok(buffer.get(..buffer.len().min(left)).unwrap_or_default())
    }

    /// Takes bytes of the last piece.
    pub(super) fn consume(&mut self, n: usize) {
        self.inner.consume(n);
        self.left = self.left.saturating_sub(n as u64);
    }

    /// The whole body, in memory.
    pub(super) fn read_body(&mut self, len_max: u64) -> Result<Vec<u8>, ArchiveError> {
        if self.left > len_max {
            return Err(ArchiveError::Limit { format: FORMAT, limit: "member_bytes_max", max: len_max });
        }
        let mut bytes = Vec::new();
        loop {
            let piece = self.piece()?;
            if piece.is_empty() {
                return Ok(bytes);
            }
            bytes.extend_from_slice(piece);
            let n = piece.len();
            self.consume(n);
        }
    }

    /// Reads to the end of the data, so that a decoder checks its sums; nothing but padding may follow.
    pub(super) fn finish(mut self) -> Result<(), ArchiveError> {
        loop {
            let rest = self.inner.fill_buf().map_err(failed)?;
            if rest.is_empty() {
                return Ok(());
            }
            if rest.iter().any(|b| *b != 0) {
                return Err(malformed("something other than padding follows the end mark"));
            }
            let n = rest.len();
            self.inner.consume(n);
        }
    }

    fn long_name(&mut self, len: u64) -> Result<Vec<u8>, ArchiveError> {
        let max = self.limits.name_bytes_max as u64 + 1;
        if len > max {
            return Err(ArchiveError::Limit { format: FORMAT, limit: "name_bytes_max", max });
        }
        let mut name = self.read_body(max)?;
        if name.last() == Some(&0) {
            name.pop();
        }
        Ok(name)
    }

    fn header(&mut self) -> Result<Option<tar::Header>, ArchiveError> {
        while self.left > 0 {
            let n = self.piece()?.len();
            self.consume(n);
        }
        let mut scratch = [0u8; BLOCK_BYTES];
        let pad = usize::try_from(std::mem::take(&mut self.pad)).unwrap_or(0);
        self.fill(scratch.get_mut(..pad).unwrap_or_default(), "inside padding")?;
        if self.inner.fill_buf().map_err(failed)?.is_empty() {
            return Ok(None);
        }
        self.fill(&mut scratch, "inside a header")?;
        if scratch.iter().all(|b| *b == 0) {
            return Ok(None);
        }
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&scratch);
        let sum: u32 = scratch
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) })
            .sum();
        if header.cksum().ok() != Some(sum) {
            return Err(malformed("a header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    fn fill(&mut self, buffer: &mut [u8], place: &str) -> Result<(), ArchiveError> {
        self.inner.read_exact(buffer).map_err(|source| match source.kind() {
            std::io::ErrorKind::UnexpectedEof => truncated(place),
            _ => failed(source),
        })
    }
}

fn malformed(detail: &str) -> ArchiveError {
    ArchiveError::Malformed { format: FORMAT, detail: detail.into() }
}

fn truncated(place: &str) -> ArchiveError {
    ArchiveError::Truncated { format: FORMAT, detail: place.into() }
}

/// What the layers below said: a bound passed keeps its own word.
fn failed(source: std::io::Error) -> ArchiveError {
    match source.kind() {
        std::io::ErrorKind::UnexpectedEof => truncated("inside the compressed data"),
        _ => ArchiveError::Read { format: FORMAT, source },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn archive(build: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().unwrap()
    }

    fn all(bytes: &[u8]) -> Result<Vec<(Member, Vec<u8>)>, ArchiveError> {
        let limits = ArchiveLimits::DEFAULT;
        let mut reader = MemberReader::new(bytes, &limits);
        let mut members = Vec::new();
        while let Some(member) = reader.next()? {
            let body = reader.read_body(1 << 20)?;
            members.push((member, body));
        }
        reader.finish()?;
        Ok(members)
    }

    fn sample() -> Vec<u8> {
        archive(|b| {
            let mut header = tar::Header::new_gnu();
            header.set_size(5);
            header.set_mode(0o644);
            header.set_mtime(7);
            let long = format!("./{}", "long/".repeat(40));
            b.append_data(&mut header, long, b"hello".as_slice()).unwrap();
            header.set_size(0);
            header.set_entry_type(tar::EntryType::Symlink);
            b.append_link(&mut header, "./link", "t".repeat(150)).unwrap();
        })
    }

    #[test]
    fn long_names_and_link_targets_are_joined() {
        let members = all(&sample()).unwrap();
        assert_eq!(members.len(), 2);
        let (first, body) = members.first().unwrap();
        assert_eq!(first.path.len(), "long/".len() * 40 + 2, "{:?}", shown(&first.path));
        assert_eq!((first.mode, first.mtime, body.as_slice()), (0o644, 7, b"hello".as_slice()));
        assert_eq!(members.get(1).unwrap().0.kind, Kind::Symlink(vec![b't'; 150]));
    }

    fn shown(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn truncations_and_flipped_headers_never_panic() {
        let bytes = sample();
        for cut in 0..bytes.len() {
            let _ = all(bytes.get(..cut).unwrap());
        }
        for at in 0..BLOCK_BYTES {
            let mut flipped = bytes.clone();
            *flipped.get_mut(at).unwrap() ^= 0x15;
            assert!(all(&flipped).is_err(), "byte {at} of the header can be changed unnoticed");
        }
    }

    #[test]
    fn a_long_name_past_its_bound_is_not_read() {
        let mut bytes = archive(|b| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::GNULongName);
            header.set_size(1 << 40);
            header.set_cksum();
            b.append(&header, std::io::empty()).unwrap();
        });
        bytes.extend([b'a'; 8192]);
        assert!(matches!(all(&bytes), Err(ArchiveError::Limit { limit: "name_bytes_max", .. })));
    }

    #[test]
    fn extended_headers_devices_and_pipes_are_told_apart() {
        for (kind, word) in [
            (tar::EntryType::Char, "character"),
            (tar::EntryType::Block, "block"),
            (tar::EntryType::Fifo, "pipe"),
            (tar::EntryType::XHeader, "extended"),
            (tar::EntryType::GNUSparse, "type"),
        ] {
            let bytes = archive(|b| {
                let mut header = tar::Header::new_gnu();
                header.set_entry_type(kind);
                header.set_path("./dev/x").unwrap();
                header.set_size(0);
                header.set_mode(0o600);
                header.set_mtime(0);
                header.set_cksum();
                b.append(&header, std::io::empty()).unwrap();
            });
            let members = all(&bytes).unwrap();
            assert!(
                matches!(&members.first().unwrap().0.kind, Kind::Refused(why) if why.contains(word)),
                "{kind:?}"
            );
        }
    }
}
