//! Fills in the references of an object file's debug sections, as a linker would with every section at
//! address zero (System V gABI, relocation; the processors' supplements for the kinds).

use super::super::super::stop::Stop;
use super::read::Elf;
use crate::digest::Hasher;

/// A place that holds a symbol's value and an addend.
struct Reference {
    at: usize,
    width: usize,
    symbol: u64,
    addend: Option<u64>,
}

/// Width in bytes of the kinds that stand for a symbol's value plus an addend, and of those that leave
/// the bytes alone.
fn width(machine: u64, kind: u64) -> Option<usize> {
    match (machine, kind) {
        (_, 0) => Some(0),
        // R_386_32; R_X86_64_64, _32, _32S; R_ARM_ABS32; R_AARCH64_ABS64, _ABS32; R_RISCV_32, _64.
        (3 | 243, 1) | (62, 10 | 11) | (40, 2) | (183, 258) => Some(4),
        (62, 1) | (183, 257) | (243, 2) => Some(8),
        _ => None,
    }
}

/// Applies what `.rela<name>` or `.rel<name>` says of a section. What is filled in from a section that is
/// no debug section goes into the hasher with its symbol: the values alone would not tell two of them
/// apart.
pub(super) fn apply(
    elf: &Elf,
    name: &[u8],
    bytes: &mut [u8],
    mut told: Option<&mut Hasher>,
) -> Result<(), Stop> {
    for (prefix, with_addend) in [(&b".rela"[..], true), (b".rel", false)] {
        let Some(table) = elf.section(&[prefix, name].concat()) else { continue };
        let table = elf.table_bytes(table)?;
        let machine = elf.header.get(1).map_or(0, |(_, machine)| *machine);
        let symbols = symbols(elf)?;
        for reference in references(elf, &table, with_addend, machine)? {
            let (value, debug) = usize::try_from(reference.symbol)
                .ok()
                .and_then(|i| symbols.get(i).copied())
                .ok_or_else(|| Stop::malformed("elf: a relocation names no symbol"))?;
            if let (Some(told), false) = (told.as_deref_mut(), debug) {
                for number in [reference.at as u64, reference.symbol] {
                    told.update(&number.to_le_bytes());
                }
            }
            let end = reference.at.checked_add(reference.width);
            let Some(place) = end.and_then(|end| bytes.get_mut(reference.at..end)) else {
                return Err(Stop::malformed("elf: a relocation lies past its section"));
            };
            let there = elf.int(place, 0, reference.width).unwrap_or_default();
            let value = value.wrapping_add(reference.addend.unwrap_or(there));
            let (little, big) = (value.to_le_bytes(), value.to_be_bytes());
            let filled = if elf.big { big.get(8 - reference.width..) } else { little.get(..reference.width) };
            place.copy_from_slice(filled.unwrap_or_default());
        }
    }
    Ok(())
}

fn references(elf: &Elf, table: &[u8], with_addend: bool, machine: u64) -> Result<Vec<Reference>, Stop> {
    let word = if elf.wide { 8 } else { 4 };
    let size = if with_addend { 3 * word } else { 2 * word };
    let mut found = Vec::new();
    for entry in table.chunks_exact(size) {
        let get = |at: usize| elf.int(entry, at, word).unwrap_or_default();
        let info = get(word);
        let (symbol, kind) =
            if elf.wide { (info >> 32, info & 0xffff_ffff) } else { (info >> 8, info & 0xff) };
        let width = width(machine, kind)
            .ok_or_else(|| Stop::unsupported(format!("elf: relocation {kind} of machine {machine}")))?;
        found.push(Reference {
            at: usize::try_from(get(0)).unwrap_or(usize::MAX),
            width,
            symbol,
            addend: with_addend.then(|| get(2 * word)),
        });
    }
    Ok(found)
}

/// Values of all symbols in the table's order, each with whether it stands for a debug section.
fn symbols(elf: &Elf) -> Result<Vec<(u64, bool)>, Stop> {
    let Some(section) = elf.section(b".symtab") else { return Ok(Vec::new()) };
    let bytes = elf.table_bytes(section)?;
    let size = if elf.wide { 24 } else { 16 };
    Ok(bytes
        .chunks_exact(size)
        .map(|entry| {
            let get = |at: usize, width: usize| elf.int(entry, at, width).unwrap_or_default();
            let (info, index, value) = if elf.wide {
                (get(4, 1), get(6, 2), get(8, 8))
            } else {
                (get(12, 1), get(14, 2), get(4, 4))
            };
            let home = usize::try_from(index).ok().and_then(|i| elf.sections.get(i));
            // STT_SECTION.
            (value, info & 15 == 3 && home.is_some_and(|s| s.name.starts_with(b".debug")))
        })
        .collect())
}
