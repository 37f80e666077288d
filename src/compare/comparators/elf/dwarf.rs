//! What debug information (DWARF) says of how each unit was compiled: by which compiler, with which
//! flags, in which directory. Once these are put aside on both sides, the rest of the debug sections
//! must be equal, entry for entry and string for string; then nothing else differs in them.

use std::collections::{BTreeMap, BTreeSet};

use gimli::{AttributeValue, EndianSlice, RunTimeEndian, Section as _, SectionId};

use super::super::super::cause::Cause;
use super::super::super::result::Difference;
use super::super::super::stop::Stop;
use super::super::super::walk::{Pair, Walk};
use super::read::Elf;
use super::relocate;
use crate::digest::{Algorithm, Digest, Hasher};

/// Debug sections that are read into memory for one side. Larger ones are compared by their bytes.
const DEBUG_BYTES_MAX: usize = 96 << 20;
/// Entries of one side. 96 MiB hold fewer.
const ENTRIES_MAX: u64 = 24_000_000;
/// Distinct values listed of one kind.
const VALUES_LISTED: usize = 5;
/// An object file: its references are filled in by relocations.
const ET_REL: u64 = 1;

/// Sections whose strings, and references to them, may move when a directory has another length.
pub(super) const READ: [&[u8]; 4] = [b".debug_info", b".debug_line", b".debug_str", b".debug_line_str"];

/// Whether what [`compare`] reads stands in a section: of an object file, also what fills in references.
pub(super) fn covers(name: &[u8]) -> bool {
    let target = name.strip_prefix(b".rela").or(name.strip_prefix(b".rel")).unwrap_or(name);
    READ.contains(&target)
}

pub(super) fn is_object(elf: &Elf) -> bool {
    elf.header.first().is_some_and(|(_, kind)| *kind == ET_REL)
}

type Slice<'s> = EndianSlice<'s, RunTimeEndian>;

/// One side's units.
struct Side {
    producers: BTreeSet<Vec<u8>>,
    directories: BTreeSet<Vec<u8>>,
    /// Everything else.
    rest: Digest,
    /// Strings of the string sections, without those above.
    strings: Digest,
}

/// Reports what the units of two sides say differently. Gives whether nothing else differs in the
/// sections of [`READ`]; `None` where they cannot be read.
pub(super) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>, a: &Elf, b: &Elf) -> Result<Option<bool>, Stop> {
    if is_object(a) != is_object(b) || a.section(READ[0]).is_none() || b.section(READ[0]).is_none() {
        return Ok(None);
    }
    // Damaged debug information is no reason to stop: then bytes are compared.
    let (Some(x), Some(y)) = (read(walk, a), read(walk, b)) else { return Ok(None) };
    values(walk, pair, "compiler", Cause::CompilerVersion, &x.producers, &y.producers, tool);
    values(walk, pair, "compiler flags", Cause::CompilerFlags, &x.producers, &y.producers, flags);
    values(walk, pair, "directory", Cause::ElfBuildPath, &x.directories, &y.directories, |p| p.to_vec());
    Ok(Some(x.rest == y.rest && x.strings == y.strings))
}

/// A producer without its flags: `GNU C17 12.2.0`.
fn tool(producer: &[u8]) -> Vec<u8> {
    let words: Vec<&[u8]> = producer.split(|b| *b == b' ').filter(|w| !w.starts_with(b"-")).collect();
    words.join(&b' ')
}

fn flags(producer: &[u8]) -> Vec<u8> {
    let words: Vec<&[u8]> = producer.split(|b| *b == b' ').filter(|w| w.starts_with(b"-")).collect();
    words.join(&b' ')
}

fn values(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    field: &str,
    cause: Cause,
    a: &BTreeSet<Vec<u8>>,
    b: &BTreeSet<Vec<u8>>,
    part: impl Fn(&[u8]) -> Vec<u8>,
) {
    let parts = |list: &BTreeSet<Vec<u8>>| list.iter().map(|value| part(value)).collect::<BTreeSet<_>>();
    let (x, y) = (parts(a), parts(b));
    if x != y {
        let only = |one: &BTreeSet<Vec<u8>>, other: &BTreeSet<Vec<u8>>| {
            one.difference(other).take(VALUES_LISTED).cloned().collect::<Vec<_>>().join(&b" | "[..])
        };
        walk.add(
            Difference::exact(pair.path, cause)
                .field(format!("debug information, {field}"))
                .values(only(&x, &y), only(&y, &x)),
        );
    }
}

fn read(walk: &Walk<'_>, elf: &Elf) -> Option<Side> {
    let mut total = 0;
    let mut filled = Hasher::new(Algorithm::Sha256);
    let sections = gimli::DwarfSections::load(|id: SectionId| -> Result<Vec<u8>, Stop> {
        let Some(section) = elf.section(id.name().as_bytes()) else { return Ok(Vec::new()) };
        let mut bytes = elf.table_bytes(section)?;
        if is_object(elf) {
            let covered = READ.contains(&section.name.as_slice());
            relocate::apply(elf, &section.name, &mut bytes, if covered { Some(&mut filled) } else { None })?;
        }
        total += bytes.len();
        if total > DEBUG_BYTES_MAX {
            return Err(Stop::unsupported("more debug information than is read"));
        }
        Ok(bytes)
    })
    .ok()?;
    walk.budget.diff_work(total as u64 / 1000).ok()?;
    let endian = if elf.big { RunTimeEndian::Big } else { RunTimeEndian::Little };
    let dwarf = sections.borrow(|section| EndianSlice::new(section, endian));
    let mut reader = Reader {
        producers: BTreeSet::new(),
        directories: BTreeSet::new(),
        rest: filled,
        masked: BTreeSet::new(),
        entries: 0,
    };
    let mut units = dwarf.units();
    while let Some(header) = units.next().ok()? {
        reader.unit(&dwarf, &dwarf.unit(header).ok()?)?;
    }
    let mut strings: BTreeMap<&[u8], u64> = BTreeMap::new();
    for section in [dwarf.debug_str.reader(), dwarf.debug_line_str.reader()] {
        for text in section.slice().split(|b| *b == 0).filter(|text| !reader.masked.contains(*text)) {
            *strings.entry(text).or_default() += 1;
        }
    }
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for (text, count) in strings {
        hasher.update(text);
        hasher.update(&count.to_le_bytes());
    }
    Some(Side {
        producers: reader.producers,
        directories: reader.directories,
        rest: reader.rest.finish(),
        strings: hasher.finish(),
    })
}

struct Reader {
    producers: BTreeSet<Vec<u8>>,
    directories: BTreeSet<Vec<u8>>,
    rest: Hasher,
    /// Strings that were put aside.
    masked: BTreeSet<Vec<u8>>,
    entries: u64,
}

impl Reader {
    fn unit(&mut self, dwarf: &gimli::Dwarf<Slice<'_>>, unit: &gimli::Unit<Slice<'_>>) -> Option<()> {
        let directory = unit.comp_dir.map(|dir| dir.slice().to_vec()).unwrap_or_default();
        if !directory.is_empty() {
            self.masked.insert(directory.clone());
            self.directories.insert(directory.clone());
        }
        let mut entries = unit.entries();
        while let Some(entry) = entries.next_dfs().ok()? {
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return None;
            }
            self.rest.update(&entry.depth().to_le_bytes());
            self.rest.update(&entry.tag().0.to_le_bytes());
            for attribute in entry.attrs() {
                self.rest.update(&attribute.name().0.to_le_bytes());
                let value = attribute.value();
                let text = dwarf.attr_string(unit, value).ok().map(|text| text.slice().to_vec());
                match (attribute.name(), text) {
                    (gimli::DW_AT_comp_dir, Some(_)) => {}
                    (gimli::DW_AT_producer, Some(text)) => {
                        self.masked.insert(text.clone());
                        self.producers.insert(text);
                    }
                    (gimli::DW_AT_name, Some(text)) if entry.depth() == 0 => self.path(&text, &directory),
                    (_, Some(text)) => self.bytes(&text),
                    // The line table is read below.
                    (gimli::DW_AT_stmt_list, None) => {}
                    (_, None) => self.value(value),
                }
            }
        }
        let Some(program) = &unit.line_program else { return Some(()) };
        let header = program.header();
        self.bytes(format!("{:?} {}", header.line_encoding(), header.opcode_base()).as_bytes());
        self.bytes(header.standard_opcode_lengths().slice());
        for value in header.include_directories() {
            let text = dwarf.attr_string(unit, *value).ok()?.slice().to_vec();
            self.path(&text, &directory);
        }
        for file in header.file_names() {
            let text = dwarf.attr_string(unit, file.path_name()).ok()?.slice().to_vec();
            self.path(&text, &directory);
            let facts = (file.directory_index(), file.timestamp(), file.size(), file.md5());
            self.bytes(format!("{facts:?}").as_bytes());
        }
        self.bytes(header.raw_program_buf().slice());
        Some(())
    }

    /// A path within the directory of compilation counts without that; another one as it stands.
    fn path(&mut self, path: &[u8], directory: &[u8]) {
        match path.strip_prefix(directory).filter(|_| !directory.is_empty()) {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => {
                self.masked.insert(path.to_vec());
                self.bytes(b"\x01");
                self.bytes(rest);
            }
            _ => self.bytes(path),
        }
    }

    /// Bytes with their length, so that no two lists of values read alike.
    fn bytes(&mut self, bytes: &[u8]) {
        self.rest.update(&(bytes.len() as u64).to_le_bytes());
        self.rest.update(bytes);
    }

    fn value(&mut self, value: AttributeValue<Slice<'_>>) {
        match value {
            AttributeValue::Block(block) => self.bytes(block.slice()),
            AttributeValue::Exprloc(expression) => self.bytes(expression.0.slice()),
            AttributeValue::Addr(address) => self.bytes(&address.to_le_bytes()),
            AttributeValue::Udata(number) => self.bytes(&number.to_le_bytes()),
            AttributeValue::UnitRef(offset) => self.bytes(&offset.0.to_le_bytes()),
            other => self.bytes(format!("{other:?}").as_bytes()),
        }
    }
}
