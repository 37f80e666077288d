//! Finds the build information's header in an executable and follows addresses to file offsets.

use std::io::{Read, Seek, SeekFrom};

use object::pe::{IMAGE_SCN_CNT_INITIALIZED_DATA, IMAGE_SCN_MEM_READ, IMAGE_SCN_MEM_WRITE};
use object::read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _};
use object::read::macho::{MachHeader, Section as _, Segment as _};
use object::read::pe::ImageNtHeaders;
use object::read::{ReadCache, ReadRef};
use object::{Endianness, FileKind, elf, macho, pe};

use super::ExecutableFormat;
use crate::limits::observe::ObserveLimits;
use crate::observe::ObserveError;

/// First bytes of the header.
pub(super) const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// The linker aligns the header to this (`cmd/link`, `debug/buildinfo`).
const ALIGN: u64 = 16;
/// Bytes read at a time while looking for the header.
const CHUNK: u64 = 1 << 20;

/// A range of the file and the address at which it is loaded.
#[derive(Debug, Clone, Copy)]
struct Range {
    address: u64,
    offset: u64,
    len: u64,
}

/// An executable: where its data may hold the header, and how addresses map to the file.
pub(super) struct Image<F> {
    file: F,
    format: ExecutableFormat,
    search: Vec<Range>,
    map: Vec<Range>,
    len: u64,
}

impl<F: Read + Seek> Image<F> {
    /// Reads the headers; `None` where the file is no executable of a known format.
    pub(super) fn open(mut file: F, limits: &ObserveLimits) -> Result<Option<Self>, ObserveError> {
        let len = file.seek(SeekFrom::End(0)).map_err(ObserveError::Read)?;
        let cache = ReadCache::new(&mut file);
        let found = match FileKind::parse(&cache) {
            Ok(FileKind::Elf32) => elf_ranges::<elf::FileHeader32<Endianness>, _>(&cache, limits),
            Ok(FileKind::Elf64) => elf_ranges::<elf::FileHeader64<Endianness>, _>(&cache, limits),
            Ok(FileKind::MachO32) => macho_ranges::<macho::MachHeader32<Endianness>, _>(&cache, limits),
            Ok(FileKind::MachO64) => macho_ranges::<macho::MachHeader64<Endianness>, _>(&cache, limits),
            Ok(FileKind::Pe32) => pe_ranges::<pe::ImageNtHeaders32, _>(&cache, limits),
            Ok(FileKind::Pe64) => pe_ranges::<pe::ImageNtHeaders64, _>(&cache, limits),
            _ => return Ok(None),
        };
        drop(cache);
        let (format, search, map) = found?;
        Ok(Some(Self { file, format, search, map, len }))
    }

    pub(super) fn format(&self) -> ExecutableFormat {
        self.format
    }

    /// Offset of the first aligned header in the searched ranges.
    pub(super) fn find_header(&mut self) -> Result<Option<u64>, ObserveError> {
        for range in self.search.clone() {
            let end = range.offset.saturating_add(range.len).min(self.len);
            let mut at = range.offset;
            while at < end {
                let want = (end - at).min(CHUNK + 32);
                let chunk = self.bytes(at, want)?;
                for found in memchr::memmem::find_iter(&chunk, MAGIC) {
                    let offset = at + found as u64;
                    let aligned = offset.wrapping_sub(range.offset).wrapping_add(range.address) % ALIGN == 0;
                    if aligned && end - offset >= 32 {
                        return Ok(Some(offset));
                    }
                }
                if want < CHUNK + 32 {
                    break;
                }
                at += CHUNK;
            }
        }
        Ok(None)
    }

    /// Bytes of the file; an end before them is an error.
    pub(super) fn bytes(&mut self, offset: u64, len: u64) -> Result<Vec<u8>, ObserveError> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(ObserveError::Truncated { offset_bytes: offset });
        }
        let mut bytes =
            vec![0; usize::try_from(len).map_err(|_| ObserveError::Truncated { offset_bytes: offset })?];
        self.file.seek(SeekFrom::Start(offset)).map_err(ObserveError::Read)?;
        self.file.read_exact(&mut bytes).map_err(ObserveError::Read)?;
        Ok(bytes)
    }

    /// A string with an unsigned LEB128 length before it; moves `at` behind it.
    pub(super) fn inline_string(
        &mut self,
        at: &mut u64,
        max: u64,
        limit: &'static str,
    ) -> Result<Vec<u8>, ObserveError> {
        let mut len: u64 = 0;
        // Ten groups of seven bits are all that a 64-bit length can need.
        for shift in 0..10u32 {
            let byte = self.bytes(*at, 1)?.first().copied().unwrap_or_default();
            *at += 1;
            let bits = u64::from(byte & 0x7f);
            len |= bits.checked_shl(shift * 7).unwrap_or_default();
            if byte & 0x80 == 0 {
                if len > max {
                    return Err(ObserveError::Limit { limit, max });
                }
                let bytes = self.bytes(*at, len)?;
                *at += len;
                return Ok(bytes);
            }
        }
        Err(ObserveError::GoHeader { what: "a length of more than ten bytes".to_owned() })
    }

    /// The string whose header's address stands at `at`.
    pub(super) fn pointer_string(
        &mut self,
        at: u64,
        pointer_bytes: u64,
        big: bool,
        max: u64,
        limit: &'static str,
    ) -> Result<Vec<u8>, ObserveError> {
        let word = |image: &mut Self, at: u64| -> Result<u64, ObserveError> {
            let bytes = image.bytes(at, pointer_bytes)?;
            Ok(bytes.iter().enumerate().fold(0, |value, (i, byte)| {
                let place = if big { bytes.len() - 1 - i } else { i };
                value | u64::from(*byte) << (8 * place)
            }))
        };
        let header_address = word(self, at)?;
        if header_address == 0 {
            return Ok(Vec::new());
        }
        let header = self.offset_of(header_address, pointer_bytes * 2)?;
        let data_address = word(self, header)?;
        let len = word(self, header + pointer_bytes)?;
        if len > max {
            return Err(ObserveError::Limit { limit, max });
        }
        if len == 0 {
            return Ok(Vec::new());
        }
        let data = self.offset_of(data_address, len)?;
        self.bytes(data, len)
    }

    fn offset_of(&self, address: u64, len: u64) -> Result<u64, ObserveError> {
        self.map
            .iter()
            .find_map(|range| {
                let within = address.checked_sub(range.address)?;
                (within.checked_add(len)? <= range.len).then_some(range.offset.checked_add(within)?)
            })
            .ok_or_else(|| ObserveError::GoHeader {
                what: format!("a pointer to 0x{address:x}, which no part of the file loads"),
            })
    }
}

type Ranges = (ExecutableFormat, Vec<Range>, Vec<Range>);

fn headers(source: object::Error) -> ObserveError {
    ObserveError::Headers { what: source.to_string() }
}

fn bounded(count: usize, limits: &ObserveLimits) -> Result<(), ObserveError> {
    if count > limits.sections_max {
        return Err(ObserveError::Limit { limit: "sections_max", max: limits.sections_max as u64 });
    }
    Ok(())
}

fn elf_ranges<'a, H, R>(data: R, limits: &ObserveLimits) -> Result<Ranges, ObserveError>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'a>,
{
    let header = H::parse(data).map_err(headers)?;
    let endian = header.endian().map_err(headers)?;
    let segments = header.program_headers(endian, data).map_err(headers)?;
    bounded(segments.len(), limits)?;
    let mut search = Vec::new();
    let mut writable = Vec::new();
    let mut map = Vec::new();
    for segment in segments.iter().filter(|s| s.p_type(endian) == elf::PT_LOAD) {
        let range = Range {
            address: segment.p_vaddr(endian).into(),
            offset: segment.p_offset(endian).into(),
            len: segment.p_filesz(endian).into(),
        };
        map.push(range);
        if segment.p_flags(endian).contains(elf::PF_W) {
            writable.push(range);
        }
    }
    // A stripped section table is no reason to see nothing: the segments are searched then.
    if let Ok(sections) = header.sections(endian, data) {
        bounded(sections.len(), limits)?;
        for section in sections.iter() {
            if sections.section_name(endian, section).ok() == Some(b".go.buildinfo".as_slice()) {
                search.push(Range {
                    address: section.sh_addr(endian).into(),
                    offset: section.sh_offset(endian).into(),
                    len: section.sh_size(endian).into(),
                });
            }
        }
    }
    search.extend(writable);
    Ok((ExecutableFormat::Elf, search, map))
}

fn macho_ranges<'a, H, R>(data: R, limits: &ObserveLimits) -> Result<Ranges, ObserveError>
where
    H: MachHeader<Endian = Endianness>,
    R: ReadRef<'a>,
{
    let header = H::parse(data, 0).map_err(headers)?;
    let endian = header.endian().map_err(headers)?;
    let mut commands = header.load_commands(endian, data, 0).map_err(headers)?;
    let mut named = Vec::new();
    let mut writable = Vec::new();
    let mut map = Vec::new();
    while let Some(command) = commands.next().map_err(headers)? {
        let Some((segment, section_data)) = H::Segment::from_command(command).map_err(headers)? else {
            continue;
        };
        let (offset, len) = segment.file_range(endian);
        let range = Range { address: segment.vmaddr(endian).into(), offset, len };
        map.push(range);
        bounded(map.len(), limits)?;
        if segment.initprot(endian).contains(macho::VM_PROT_WRITE) {
            writable.push(range);
        }
        for section in segment.sections(endian, section_data).map_err(headers)? {
            if section.name() == b"__go_buildinfo" {
                named.push(Range {
                    address: section.addr(endian).into(),
                    offset: section.offset(endian).into(),
                    len: section.size(endian).into(),
                });
                bounded(named.len(), limits)?;
            }
        }
    }
    named.extend(writable);
    Ok((ExecutableFormat::MachO, named, map))
}

fn pe_ranges<'a, H, R>(data: R, limits: &ObserveLimits) -> Result<Ranges, ObserveError>
where
    H: ImageNtHeaders,
    R: ReadRef<'a>,
{
    let dos = pe::ImageDosHeader::parse(data).map_err(headers)?;
    let mut offset = dos.nt_headers_offset().into();
    let (nt, _) = H::parse(data, &mut offset).map_err(headers)?;
    let sections = nt.sections(data, offset).map_err(headers)?;
    bounded(sections.len(), limits)?;
    let base = object::read::pe::ImageOptionalHeader::image_base(nt.optional_header());
    let wanted = IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ | IMAGE_SCN_MEM_WRITE;
    let mut search = Vec::new();
    let mut map = Vec::new();
    for section in sections.iter() {
        let range = Range {
            address: base.wrapping_add(section.virtual_address.get(object::LittleEndian).into()),
            offset: section.pointer_to_raw_data.get(object::LittleEndian).into(),
            len: section
                .size_of_raw_data
                .get(object::LittleEndian)
                .min(section.virtual_size.get(object::LittleEndian))
                .into(),
        };
        map.push(range);
        if section.characteristics.get(object::LittleEndian).contains(wanted) {
            search.push(range);
        }
    }
    Ok((ExecutableFormat::Pe, search, map))
}
