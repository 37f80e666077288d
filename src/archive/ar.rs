//! The `ar` archive (deb(5), System V / GNU variant): an 8-byte magic, then members of a 60-byte
//! header and a body, each aligned to two bytes.

use std::io::Read;

use super::ArchiveError;

/// First bytes of every `ar` archive.
pub const MAGIC: &[u8; 8] = b"!<arch>\n";

const FORMAT: &str = "ar";

/// One member's header, fields as they stand (trailing blanks removed).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArHeader {
    /// Name as it stands; GNU's trailing `/` is kept.
    pub name: Vec<u8>,
    /// Modification time, seconds since 1970.
    pub mtime: u64,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Mode (read as octal).
    pub mode: u64,
    /// Length of the body in bytes.
    pub len_bytes: u64,
}

/// Streaming reader: alternate [`ArReader::next_header`] and reading the body through
/// [`ArReader::body`]; what is left of a body is skipped.
#[derive(Debug)]
pub struct ArReader<R> {
    inner: R,
    left: u64,
    pad: bool,
    offset: u64,
}

impl<R: Read> ArReader<R> {
    /// Checks the magic.
    pub fn new(mut inner: R) -> Result<Self, ArchiveError> {
        let mut magic = [0; 8];
        fill(&mut inner, &mut magic, "the magic")?;
        if &magic != MAGIC {
            return Err(malformed("the magic is not `!<arch>`".into()));
        }
        Ok(Self { inner, left: 0, pad: false, offset: 8 })
    }

    /// The next member, or `None` at the end.
    pub fn next_header(&mut self) -> Result<Option<ArHeader>, ArchiveError> {
        let mut skip = self.left;
        let mut scratch = [0u8; 8192];
        while skip > 0 {
            let n = usize::try_from(skip.min(scratch.len() as u64)).unwrap_or(scratch.len());
            fill(&mut self.inner, scratch.get_mut(..n).unwrap_or_default(), "a member's body")?;
            skip -= n as u64;
        }
        self.left = 0;
        if std::mem::take(&mut self.pad) {
            let mut one = [0];
            match self.inner.read(&mut one) {
                Ok(0) => return Ok(None),
                Ok(_) if one == *b"\n" || one == [0] => {}
                Ok(_) => {
                    return Err(malformed(format!("padding is not a newline before offset {}", self.offset)));
                }
                Err(source) => return Err(ArchiveError::Read { format: FORMAT, source }),
            }
        }
        let mut header = [0u8; 60];
        let mut have = 0;
        while let Some(rest) = header.get_mut(have..).filter(|r| !r.is_empty()) {
            match self.inner.read(rest) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(truncated("a member's header")),
                Ok(n) => have += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ArchiveError::Read { format: FORMAT, source }),
            }
        }
        let field = |from: usize, to: usize| header.get(from..to).unwrap_or_default().trim_ascii_end();
        if field(58, 60) != b"`\n".trim_ascii_end() || header.get(58..60) != Some(b"`\n") {
            return Err(malformed(format!(
                "the header at offset {} does not end in a backquote and newline",
                self.offset
            )));
        }
        let number = |from: usize, to: usize, radix: u32| -> Result<u64, ArchiveError> {
            let text = field(from, to);
            if text.is_empty() {
                return Ok(0);
            }
            std::str::from_utf8(text)
                .ok()
                .filter(|t| !t.starts_with('+'))
                .and_then(|t| u64::from_str_radix(t, radix).ok())
                .ok_or_else(|| {
                    malformed(format!("a number in the header at offset {} is not one", self.offset))
                })
        };
        let len_bytes = number(48, 58, 10)?;
        let parsed = ArHeader {
            name: field(0, 16).to_vec(),
            mtime: number(16, 28, 10)?,
            uid: number(28, 34, 10)?,
            gid: number(34, 40, 10)?,
            mode: number(40, 48, 8)?,
            len_bytes,
        };
        self.left = len_bytes;
        self.pad = len_bytes % 2 == 1;
        self.offset = self.offset.saturating_add(60).saturating_add(len_bytes + len_bytes % 2);
        Ok(Some(parsed))
    }

    /// Reads the current member's body; ends at its end.
    pub fn body(&mut self) -> ArBody<'_, R> {
        ArBody(self)
    }
}

/// The body of the current member. A body cut short by the end of the data gives
/// [`std::io::ErrorKind::UnexpectedEof`].
#[derive(Debug)]
pub struct ArBody<'a, R>(&'a mut ArReader<R>);

impl<R: Read> Read for ArBody<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.0.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let n = self.0.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.0.left -= n as u64;
        Ok(n)
    }
}

fn fill(inner: &mut impl Read, buffer: &mut [u8], what: &str) -> Result<(), ArchiveError> {
    inner.read_exact(buffer).map_err(|source| match source.kind() {
        std::io::ErrorKind::UnexpectedEof => truncated(what),
        _ => ArchiveError::Read { format: FORMAT, source },
    })
}

fn malformed(detail: String) -> ArchiveError {
    ArchiveError::Malformed { format: FORMAT, detail }
}

fn truncated(what: &str) -> ArchiveError {
    ArchiveError::Truncated { format: FORMAT, detail: format!("inside {what}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn member(name: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes =
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 7, 0, 0, 100644, body.len()).into_bytes();
        bytes.extend_from_slice(body);
        if body.len() % 2 == 1 {
            bytes.push(b'\n');
        }
        bytes
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (name, body) in members {
            bytes.extend(member(name, body));
        }
        bytes
    }

    #[test]
    fn members_come_in_order_and_unread_bodies_are_skipped() {
        let bytes = archive(&[("debian-binary", b"2.0\n"), ("odd", b"abc"), ("last", b"")]);
        let mut reader = ArReader::new(bytes.as_slice()).unwrap();
        assert_eq!(reader.next_header().unwrap().unwrap().name, b"debian-binary");
        let odd = reader.next_header().unwrap().unwrap();
        assert_eq!((odd.mtime, odd.mode, odd.len_bytes), (7, 0o100_644, 3));
        let mut body = String::new();
        reader.body().read_to_string(&mut body).unwrap();
        assert_eq!(body, "abc");
        assert_eq!(reader.next_header().unwrap().unwrap().name, b"last");
        assert_eq!(reader.next_header().unwrap(), None);
    }

    #[test]
    fn every_truncation_is_an_error_or_a_clean_end_never_a_panic() {
        let bytes = archive(&[("a", b"abc"), ("b", b"0123456789")]);
        for cut in 0..bytes.len() {
            let read_all = || -> Result<usize, ArchiveError> {
                let mut reader = ArReader::new(bytes.get(..cut).unwrap())?;
                let mut n = 0;
                while reader.next_header()?.is_some() {
                    n += 1;
                }
                Ok(n)
            };
            if let Ok(n) = read_all() {
                assert!(n < 2, "cut at {cut} still gives {n} members");
            }
        }
    }

    #[test]
    fn numbers_that_are_not_numbers_are_refused() {
        let mut bytes = archive(&[("a", b"abc")]);
        bytes.get_mut(8 + 48..8 + 50).unwrap().copy_from_slice(b"-3");
        assert!(matches!(
            ArReader::new(bytes.as_slice()).unwrap().next_header(),
            Err(ArchiveError::Malformed { .. })
        ));
    }
}
