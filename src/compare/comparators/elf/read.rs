//! Reading ELF (System V gABI): headers, sections, strings, symbols, in both classes and byte orders,
//! without loading the file.

use super::super::super::blob::Blob;
use super::super::super::stop::Stop;

/// Sections that are read; the gABI's extended numbering allows more, no toolchain makes them.
const SECTIONS_MAX: u64 = 65_536;
/// Bytes of a symbol or string table, or of a decompressed debug section, that are read whole.
const TABLE_BYTES_MAX: u64 = 64 << 20;

pub(super) const SHT_NOBITS: u32 = 8;
pub(super) const SHF_EXECINSTR: u64 = 4;
pub(super) const SHF_ALLOC: u64 = 2;
pub(super) const SHF_COMPRESSED: u64 = 0x800;

#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    pub(super) info: u32,
    pub(super) align: u64,
    pub(super) entry: u64,
}

impl Section {
    /// Bytes in the file.
    pub(super) const fn stored(&self) -> u64 {
        if self.kind == SHT_NOBITS { 0 } else { self.size }
    }
}

/// A function or object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) name: Vec<u8>,
    pub(super) value: u64,
    pub(super) size: u64,
    pub(super) kind: u8,
    pub(super) section: u16,
}

#[derive(Debug)]
pub(super) struct Elf {
    pub(super) blob: Blob,
    pub(super) wide: bool,
    pub(super) big: bool,
    #[cfg(feature = "disassemble")]
    pub(super) machine: u16,
    /// ELF header and program headers, as fields: name and value.
    pub(super) header: Vec<(&'static str, u64)>,
    pub(super) sections: Vec<Section>,
    /// Where the section headers lie.
    pub(super) table: (u64, u64),
    pub(super) programs: Vec<[u64; 8]>,
    pub(super) programs_at: (u64, u64),
}

impl Elf {
    /// An integer of `width` bytes.
    pub(super) fn int(&self, bytes: &[u8], at: usize, width: usize) -> Option<u64> {
        int(bytes, at, width, self.big)
    }

    pub(super) fn read(blob: &Blob) -> Result<Self, Stop> {
        let bad = |what: &str| Stop::malformed(format!("elf: {what}"));
        let ident = blob.exact(0, 16)?;
        let wide = match ident.get(4) {
            Some(1) => false,
            Some(2) => true,
            _ => return Err(bad("the class is neither 32 nor 64 bits")),
        };
        let big = match ident.get(5) {
            Some(1) => false,
            Some(2) => true,
            _ => return Err(bad("the byte order is unknown")),
        };
        let head = blob.exact(0, if wide { 64 } else { 52 })?;
        let get = |at: usize, width: usize| int(&head, at, width, big).unwrap_or_default();
        let word = if wide { 8 } else { 4 };
        let after = 24 + 3 * word;
        let (phoff, shoff) = (get(24 + word, word), get(24 + 2 * word, word));
        let (phentsize, phnum) = (get(after + 6, 2), get(after + 8, 2));
        let (shentsize, mut shnum, mut shstrndx) =
            (get(after + 10, 2), get(after + 12, 2), get(after + 14, 2));
        let header = vec![
            ("type", get(16, 2)),
            ("machine", get(18, 2)),
            ("version", get(20, 4)),
            ("entry", get(24, word)),
            ("flags", get(after, 4)),
            ("sizes", get(after + 4, 2) << 32 | phentsize << 16 | shentsize),
            ("counts", phnum << 32 | shnum << 16 | shstrndx),
            (
                "ident",
                u64::from_be_bytes(ident.get(8..16).and_then(|b| b.try_into().ok()).unwrap_or_default()),
            ),
            (
                "abi",
                u64::from(ident.get(6).copied().unwrap_or(0)) << 8
                    | u64::from(ident.get(7).copied().unwrap_or(0)),
            ),
        ];
        let mut elf = Self {
            blob: blob.clone(),
            wide,
            big,
            #[cfg(feature = "disassemble")]
            machine: u16::try_from(get(18, 2)).unwrap_or_default(),
            header,
            sections: Vec::new(),
            table: (shoff, 0),
            programs: Vec::new(),
            programs_at: (phoff, 0),
        };
        let psize = if wide { 56 } else { 32 };
        if phnum > 0 && phentsize == psize {
            let bytes = blob.exact(phoff, usize::try_from(phnum * psize).unwrap_or(0))?;
            elf.programs_at.1 = phnum * psize;
            for entry in bytes.chunks_exact(usize::try_from(psize).unwrap_or(56)) {
                let g = |at: usize, width: usize| int(entry, at, width, big).unwrap_or_default();
                elf.programs.push(if wide {
                    [g(0, 4), g(4, 4), g(8, 8), g(16, 8), g(24, 8), g(32, 8), g(40, 8), g(48, 8)]
                } else {
                    [g(0, 4), g(24, 4), g(4, 4), g(8, 4), g(12, 4), g(16, 4), g(20, 4), g(28, 4)]
                });
            }
        }
        if shoff == 0 {
            return Ok(elf);
        }
        let ssize: usize = if wide { 64 } else { 40 };
        if shentsize != ssize as u64 {
            return Err(bad("section headers have an unknown size"));
        }
        let section = |bytes: &[u8]| {
            let g = |at: usize, width: usize| int(bytes, at, width, big).unwrap_or_default();
            let small = |n: u64| u32::try_from(n).unwrap_or_default();
            let raw = if wide {
                (g(8, 8), g(16, 8), g(24, 8), g(32, 8), g(40, 4), g(44, 4), g(48, 8), g(56, 8))
            } else {
                (g(8, 4), g(12, 4), g(16, 4), g(20, 4), g(24, 4), g(28, 4), g(32, 4), g(36, 4))
            };
            let (flags, address, offset, size, link, info, align, entry) = raw;
            let section = Section {
                name: Vec::new(),
                kind: small(g(4, 4)),
                flags,
                address,
                offset,
                size,
                link: small(link),
                info: small(info),
                align,
                entry,
            };
            (usize::try_from(g(0, 4)).unwrap_or(usize::MAX), section)
        };
        let (_, first) = section(&blob.exact(shoff, ssize)?);
        if shnum == 0 {
            shnum = first.size;
        }
        if shstrndx == 0xffff {
            shstrndx = first.link.into();
        }
        if shnum > SECTIONS_MAX {
            return Err(bad("there are too many sections"));
        }
        elf.table = (shoff, shnum * ssize as u64);
        let table = blob.exact(shoff, usize::try_from(shnum).unwrap_or(0).saturating_mul(ssize))?;
        let raw: Vec<(usize, Section)> = table.chunks_exact(ssize).map(section).collect();
        let names = match usize::try_from(shstrndx).ok().and_then(|i| raw.get(i)) {
            Some((_, s)) if s.kind != SHT_NOBITS => elf.table_bytes(s)?,
            _ => Vec::new(),
        };
        for (name, mut section) in raw {
            section.name = crate::archive::bytes::until_nul(names.get(name..).unwrap_or_default()).to_vec();
            if section.stored() > 0
                && section.offset.checked_add(section.stored()).is_none_or(|end| end > blob.len())
            {
                let shown = String::from_utf8_lossy(&section.name).into_owned();
                return Err(Stop::truncated(format!("elf: section `{shown}` lies past the end")));
            }
            elf.sections.push(section);
        }
        Ok(elf)
    }

    pub(super) fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// A section's stored bytes.
    pub(super) fn body(&self, section: &Section) -> Blob {
        self.blob.slice(section.offset, section.stored())
    }

    /// A section's bytes, decompressed where they are compressed; of bounded size.
    pub(super) fn table_bytes(&self, section: &Section) -> Result<Vec<u8>, Stop> {
        let too_big =
            || Stop::new(super::super::super::cause::Cause::LimitBytes, "elf: a table is too large");
        let raw = self.body(section).whole(TABLE_BYTES_MAX)?.ok_or_else(too_big)?;
        if section.flags & SHF_COMPRESSED == 0 {
            return Ok(raw);
        }
        let header = if self.wide { 24 } else { 12 };
        let kind = self.int(&raw, 0, 4).unwrap_or_default();
        let size = self.int(&raw, if self.wide { 8 } else { 4 }, if self.wide { 8 } else { 4 });
        let size = size.filter(|n| *n <= TABLE_BYTES_MAX).ok_or_else(too_big)?;
        let packed = raw.get(header..).unwrap_or_default();
        let mut out = Vec::new();
        let limit = size + 1;
        let read = match kind {
            1 => std::io::Read::read_to_end(
                &mut std::io::Read::take(flate2::bufread::ZlibDecoder::new(packed), limit),
                &mut out,
            ),
            2 => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
                decoder.window_log_max(27)?;
                std::io::Read::read_to_end(&mut std::io::Read::take(decoder, limit), &mut out)
            }
            _ => return Err(Stop::unsupported("elf: a section is compressed in an unknown way")),
        };
        read?;
        Ok(out)
    }

    /// Named functions and objects of the full symbol table, else of the dynamic one.
    pub(super) fn symbols(&self) -> Vec<Symbol> {
        [&b".symtab"[..], b".dynsym"]
            .iter()
            .find_map(|name| self.section(name).and_then(|s| self.symbols_of(s).ok()))
            .unwrap_or_default()
    }

    fn symbols_of(&self, section: &Section) -> Result<Vec<Symbol>, Stop> {
        let bytes = self.table_bytes(section)?;
        let strings = match self.sections.get(usize::try_from(section.link).unwrap_or(usize::MAX)) {
            Some(strings) => self.table_bytes(strings)?,
            None => Vec::new(),
        };
        let size = if self.wide { 24 } else { 16 };
        let mut found = Vec::new();
        for entry in bytes.chunks_exact(size) {
            let g = |at: usize, width: usize| self.int(entry, at, width).unwrap_or_default();
            let (info, section, value, length) = if self.wide {
                (g(4, 1), g(6, 2), g(8, 8), g(16, 8))
            } else {
                (g(12, 1), g(14, 2), g(4, 4), g(8, 4))
            };
            let at = usize::try_from(g(0, 4)).unwrap_or(usize::MAX);
            let name = crate::archive::bytes::until_nul(strings.get(at..).unwrap_or_default());
            if section != 0 && !name.is_empty() {
                found.push(Symbol {
                    name: name.to_vec(),
                    value,
                    size: length,
                    kind: u8::try_from(info & 15).unwrap_or_default(),
                    section: u16::try_from(section).unwrap_or_default(),
                });
            }
        }
        found.sort_by(|x, y| (x.value, &x.name).cmp(&(y.value, &y.name)));
        Ok(found)
    }

    /// Strings that the dynamic section names under a tag (29 `RUNPATH`, 15 `RPATH`).
    pub(super) fn dynamic_strings(&self, tags: &[u64]) -> Vec<Vec<u8>> {
        let (Some(dynamic), Some(strings)) = (self.section(b".dynamic"), self.section(b".dynstr")) else {
            return Vec::new();
        };
        let (Ok(dynamic), Ok(strings)) = (self.table_bytes(dynamic), self.table_bytes(strings)) else {
            return Vec::new();
        };
        let word = if self.wide { 8 } else { 4 };
        dynamic
            .chunks_exact(2 * word)
            .filter_map(|entry| {
                let (tag, value) = (self.int(entry, 0, word)?, self.int(entry, word, word)?);
                let at = usize::try_from(value).ok()?;
                tags.contains(&tag)
                    .then(|| crate::archive::bytes::until_nul(strings.get(at..).unwrap_or_default()).to_vec())
            })
            .collect()
    }
}

fn int(bytes: &[u8], at: usize, width: usize, big: bool) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(width)?)?;
    let fold = |value: u64, byte: &u8| (value << 8) | u64::from(*byte);
    Some(if big { part.iter().fold(0, fold) } else { part.iter().rev().fold(0, fold) })
}
