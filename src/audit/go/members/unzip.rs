//! Zip archives. Two readers may see two archives in one file: where local and central headers disagree,
//! members share bytes, or a size or checksum is not that of the content, reading stops.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;

use super::{PROGRAM, Taking, difference, mode};
use crate::archive::ArchiveError;
use crate::archive::zip::{self, ZipEntry};
use crate::audit::AuditError;
use crate::compare::Cause;

/// The kind of file in the upper half of the external attributes: all of it, a regular file, a folder.
const KIND: u32 = 0xf000;
const REGULAR: u32 = 0x8000;
const FOLDER: u32 = 0x4000;
/// System 3 is Unix (APPNOTE 4.4.2): only it writes a mode.
const UNIX: u16 = 3;

impl Taking<'_> {
    pub(super) fn zip(&mut self, file: &File) -> Result<(), AuditError> {
        let archive = zip::read(file, self.limits)?;
        if archive.overlapping {
            return Err(malformed("two members share bytes").into());
        }
        for (from, to) in &archive.gaps {
            let said = format!("{} bytes at offset {from}", to - from);
            let expected = "nothing before or between the members";
            self.parts.headers.push(difference(".", Cause::ZipPrefix, Some(said), expected));
        }
        let len = file.metadata().map_or(archive.end, |meta| meta.len());
        if len > archive.end {
            let said = format!("{} bytes", len - archive.end);
            let expected = "nothing after the archive's end";
            self.parts.headers.push(difference(".", Cause::Content, Some(said), expected));
        }
        if !archive.comment.is_empty() {
            let said = String::from_utf8_lossy(&archive.comment).into_owned();
            self.fields.note(Cause::ZipComment, "comment", said, ".");
        }
        archive.entries.iter().try_for_each(|entry| self.zip_member(file, entry))
    }

    fn zip_member(&mut self, file: &File, entry: &ZipEntry) -> Result<(), AuditError> {
        let whole = String::from_utf8_lossy(&entry.name).into_owned();
        let name = whole.trim_end_matches('/').to_owned();
        self.begin("zip")?;
        if entry.name != entry.local_name {
            let local = String::from_utf8_lossy(&entry.local_name).into_owned();
            self.parts.headers.push(difference(&name, Cause::ZipNameMismatch, Some(local), "the same name"));
        }
        let sums = (entry.crc32, entry.packed_bytes, entry.len_bytes);
        if entry.method != entry.local_method || entry.local_sums != sums {
            return Err(malformed(&format!("the two headers of `{}` disagree", name.escape_debug())).into());
        }
        if !matches!(entry.method, 0 | 8) || entry.flags.0 & 1 != 0 {
            let detail = format!("`{}` is encrypted or packed in an unusual way", name.escape_debug());
            return Err(malformed(&detail).into());
        }
        self.fields.zip(&name, entry);
        let unix = (entry.made_by >> 8 == UNIX && entry.external >> 16 != 0).then_some(entry.external >> 16);
        let kind = unix.map_or(0, |mode| mode & KIND);
        let rights = unix.map(u64::from);
        if whole.ends_with('/') && matches!(kind, 0 | FOLDER) && entry.len_bytes == 0 {
            self.parts.headers.extend(rights.and_then(|found| mode(&name, PROGRAM, found)));
            return Ok(());
        }
        if whole.ends_with('/') || !matches!(kind, 0 | REGULAR) {
            let said = format!("type {:o}", kind >> 12);
            self.parts.headers.push(difference(&name, Cause::FileType, Some(said), "a regular file"));
            return Ok(());
        }
        let end = entry.data_at.saturating_add(entry.packed_bytes);
        let packed = Packed { file, at: entry.data_at, end };
        let mut reader: Box<dyn Read + '_> = match entry.method {
            0 => Box::new(packed),
            _ => Box::new(flate2::read::DeflateDecoder::new(packed)),
        };
        let (mut crc, mut len) = (flate2::Crc::new(), 0u64);
        let shown = name.escape_debug().to_string();
        self.take("zip", name, rights, |buffer| {
            let n = reader.read(buffer).map_err(|source| ArchiveError::Read { format: "zip", source })?;
            crc.update(buffer.get(..n).unwrap_or_default());
            len += n as u64;
            let wrong =
                len > entry.len_bytes || (n == 0 && (len, crc.sum()) != (entry.len_bytes, entry.crc32));
            if wrong {
                return Err(malformed(&format!("size or checksum of `{shown}` is not its content's")));
            }
            Ok(n)
        })
    }
}

/// The packed bytes of a member.
struct Packed<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let want = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(buffer.get_mut(..want).unwrap_or_default(), self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

fn malformed(detail: &str) -> ArchiveError {
    ArchiveError::Malformed { format: "zip", detail: detail.to_owned() }
}
