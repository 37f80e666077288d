//! Python's marshal format (version 4, `Python/marshal.c`), read only as far as telling whether two
//! streams hold the same objects: reference flags that nobody refers to are left out, and references
//! are written as the place of their object among all objects.

use super::super::stop::Stop;

/// Objects inside objects. CPython's own bound is 2000 (`MAX_MARSHAL_STACK_DEPTH`); each level costs
/// two for code and its constants, and CPython's parser refuses a hundred nested blocks.
const DEPTH_MAX: u32 = 250;

const FLAG_REF: u8 = 0x80;

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    magic: u16,
    /// For each flagged object, its place among all objects.
    flagged: Vec<u32>,
    objects: u32,
    out: Vec<u8>,
    /// Leaves out the file name of each code object.
    without_names: bool,
    /// The first one.
    name: Option<(usize, usize)>,
}

/// The canonical bytes of one marshalled object that fills `bytes`.
pub(crate) fn canonical(bytes: &[u8], magic: u16) -> Result<Vec<u8>, Stop> {
    read(bytes, magic, false).map(|(out, _)| out)
}

/// The same without the file names that code objects bear, and the first of those.
pub(crate) fn without_names(bytes: &[u8], magic: u16) -> Result<(Vec<u8>, Vec<u8>), Stop> {
    read(bytes, magic, true)
}

fn read(bytes: &[u8], magic: u16, without_names: bool) -> Result<(Vec<u8>, Vec<u8>), Stop> {
    let mut reader = Reader {
        bytes,
        at: 0,
        magic,
        flagged: Vec::new(),
        objects: 0,
        out: Vec::with_capacity(bytes.len()),
        without_names,
        name: None,
    };
    reader.object(0)?;
    if reader.at != bytes.len() {
        return Err(Stop::malformed(format!("{} bytes follow the code object", bytes.len() - reader.at)));
    }
    let name = reader.name.and_then(|(from, to)| bytes.get(from..to)).unwrap_or_default().to_vec();
    Ok((reader.out, name))
}

impl Reader<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8], Stop> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end =
            end.ok_or_else(|| Stop::truncated(format!("an object at offset {} of the code", self.at)))?;
        let part = self.bytes.get(self.at..end).unwrap_or_default();
        self.out.extend_from_slice(part);
        self.at = end;
        Ok(part)
    }

    fn size(&mut self) -> Result<usize, Stop> {
        let bytes: [u8; 4] = self.take(4)?.try_into().unwrap_or_default();
        let size = i32::from_le_bytes(bytes);
        usize::try_from(size).map_err(|_| Stop::malformed(format!("a size of {size} at offset {}", self.at)))
    }

    fn objects(&mut self, count: usize, depth: u32) -> Result<(), Stop> {
        for _ in 0..count {
            self.object(depth)?;
        }
        Ok(())
    }

    fn object(&mut self, depth: u32) -> Result<u8, Stop> {
        if depth > DEPTH_MAX {
            return Err(Stop::malformed("objects nest too deep"));
        }
        let kind = *self
            .bytes
            .get(self.at)
            .ok_or_else(|| Stop::truncated(format!("an object at offset {} of the code", self.at)))?;
        self.at += 1;
        let (flagged, kind) = (kind & FLAG_REF != 0, kind & !FLAG_REF);
        if kind == b'r' {
            let bytes: [u8; 4] = self
                .bytes
                .get(self.at..self.at + 4)
                .and_then(|b| b.try_into().ok())
                .ok_or_else(|| Stop::truncated("a reference"))?;
            self.at += 4;
            let place = usize::try_from(u32::from_le_bytes(bytes)).ok().and_then(|i| self.flagged.get(i));
            let place = *place.ok_or_else(|| Stop::malformed("a reference to no object"))?;
            self.out.push(b'r');
            self.out.extend_from_slice(&place.to_le_bytes());
            return Ok(kind);
        }
        self.out.push(kind);
        if flagged {
            self.flagged.push(self.objects);
        }
        self.objects = self.objects.wrapping_add(1);
        let deeper = depth + 1;
        match kind {
            b'0' | b'N' | b'F' | b'T' | b'S' | b'.' => {}
            b'i' => drop(self.take(4)?),
            b'I' | b'g' => drop(self.take(8)?),
            b'y' => drop(self.take(16)?),
            b'f' => self.short()?,
            b'x' => {
                self.short()?;
                self.short()?;
            }
            b'l' => {
                let bytes: [u8; 4] = self.take(4)?.try_into().unwrap_or_default();
                let digits = i32::from_le_bytes(bytes).unsigned_abs() as usize;
                self.take(digits.saturating_mul(2))?;
            }
            b's' | b't' | b'u' | b'a' | b'A' => {
                let n = self.size()?;
                self.take(n)?;
            }
            b'z' | b'Z' => self.short()?,
            b')' => {
                let n = self.take(1)?.first().copied().unwrap_or_default();
                self.objects(n.into(), deeper)?;
            }
            b'(' | b'[' | b'<' | b'>' => {
                let n = self.size()?;
                self.objects(n, deeper)?;
            }
            b'{' => while self.object(deeper)? != b'0' {},
            b':' => self.objects(3, deeper)?,
            b'c' => self.code(deeper)?,
            other => return Err(Stop::malformed(format!("an object of the unknown kind 0x{other:02x}"))),
        }
        Ok(kind)
    }

    fn short(&mut self) -> Result<(), Stop> {
        let n = self.take(1)?.first().copied().unwrap_or_default();
        self.take(n.into()).map(drop)
    }

    /// The layout of a code object by version: words, objects, the first line's number, objects.
    fn code(&mut self, depth: u32) -> Result<(), Stop> {
        // Then the place of the file name among the objects.
        let (words, before, after, file_name) = match self.magic {
            // 3.7
            3390..=3399 => (5, 8, 1, 6),
            // 3.8 to 3.10
            3400..=3449 => (6, 8, 1, 6),
            // 3.11 and later
            _ => (5, 8, 2, 5),
        };
        self.take(words * 4)?;
        self.objects(file_name, depth)?;
        let (from, length) = (self.at, self.out.len());
        let kind = self.object(depth)?;
        if self.name.is_none() && matches!(kind, b's' | b't' | b'u' | b'a' | b'A' | b'z' | b'Z') {
            let header = if matches!(kind, b'z' | b'Z') { 2 } else { 5 };
            self.name = Some((from + header, self.at));
        }
        if self.without_names {
            self.out.truncate(length);
        }
        self.objects(before - file_name - 1, depth)?;
        self.take(4)?;
        self.objects(after, depth)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn unneeded_flags_are_left_out_and_needed_ones_are_not() {
        // ("a", "a"): the second by reference, with and without flags that nobody uses.
        let flags = [b')' | FLAG_REF, 2, b'z' | FLAG_REF, 1, b'a', b'r', 1, 0, 0, 0];
        let fewer = [b')', 2, b'z' | FLAG_REF, 1, b'a', b'r', 0, 0, 0, 0];
        let other = [b')', 2, b'z' | FLAG_REF, 1, b'b', b'r', 0, 0, 0, 0];
        assert_eq!(canonical(&flags, 3495).unwrap(), canonical(&fewer, 3495).unwrap());
        assert_ne!(canonical(&flags, 3495).unwrap(), canonical(&other, 3495).unwrap());
    }

    #[test]
    fn hostile_streams_end_in_an_outcome() {
        assert!(canonical(&[b'r', 0, 0, 0, 0], 3495).is_err());
        assert!(canonical(&[b's', 255, 255, 255, 127], 3495).is_err());
        assert!(canonical(&[b'(', 255, 255, 255, 127], 3495).is_err());
        assert!(canonical(&[b's', 255, 255, 255, 255], 3495).is_err());
        assert!(canonical(&[b'l', 0, 0, 0, 128], 3495).is_err());
        assert!(canonical(&[b')', 1].repeat(100_000), 3495).is_err());
        assert!(canonical(b"NN", 3495).is_err());
        assert!(canonical(b"", 3495).is_err());
    }
}
