//! ELF executables, libraries and objects: section by section, every byte accounted for.
//!
//! A GNU build ID is a hash over the file as the linker wrote it, before it was stripped, so it cannot
//! be computed again from a released file. `elf-build-id`, `elf-debuglink` and `go-buildid` are
//! therefore set aside only when all other bytes of the two files are equal, place for place; they are
//! not a claim that the identifiers are right.

#[cfg(feature = "disassemble")]
mod disassemble;
mod dwarf;
mod read;
mod relocate;

use std::collections::BTreeMap;

use super::super::blob::Blob;
use super::super::cause::{Cause, Tier};
use super::super::patterns;
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk, escape};
use super::{Format, Probe, data, go_info as go};
use read::{Elf, SHF_ALLOC, SHF_EXECINSTR, Section};

pub(crate) static FORMAT: Format = Format { id: "elf", recognise, compare };

/// Functions that are named for one changed section.
const FUNCTIONS_NAMED: usize = 40;
/// A string section longer than this is not taken apart into strings.
const STRINGS_BYTES_MAX: u64 = 4 << 20;
/// A string longer than this is not given to the patterns.
const STRING_BYTES_MAX: u64 = 4096;
/// Strings that the patterns look at in one section.
const STRINGS_EXPLAINED_MAX: usize = 500;

fn recognise(probe: &Probe<'_>) -> bool {
    matches!(probe.head, [0x7f, b'E', b'L', b'F', 1 | 2, 1 | 2, 1, ..])
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let a = Elf::read(pair.a).on(Side::Published)?;
    let b = Elf::read(pair.b).on(Side::Rebuilt)?;
    walk.changed.insert(pair.path.to_owned());
    data::mask(walk, pair)?;
    let start = walk.differences.len();
    headers(walk, pair, &a, &b);
    let same_layout = layout(walk, pair, &a, &b);
    runpath(walk, pair, &a, &b);
    let mut covered: Vec<(u64, u64)> = Vec::new();
    let mut names: BTreeMap<&[u8], (Vec<&Section>, Vec<&Section>)> = BTreeMap::new();
    for section in &a.sections {
        names.entry(&section.name).or_default().0.push(section);
    }
    for section in &b.sections {
        names.entry(&section.name).or_default().1.push(section);
    }
    let copies = go::copies(pair)?;
    let debug_differs = dwarf::READ.iter().any(|name| match (a.section(name), b.section(name)) {
        (Some(x), Some(y)) => !a.body(x).equal(&b.body(y)).unwrap_or(false),
        _ => false,
    });
    let debug_explained = debug_differs && dwarf::compare(walk, pair, &a, &b)? == Some(true);
    for (list_a, list_b) in names.values() {
        for (x, y) in list_a.iter().zip(list_b) {
            if same_layout {
                covered.push((x.offset, x.offset + x.stored()));
            }
            let (body_a, body_b) = (a.body(x), b.body(y));
            let explained = debug_explained && dwarf::covers(&x.name);
            if !explained && !body_a.equal(&body_b)? {
                let at = (x.offset, y.offset, x.flags | y.flags);
                if !only_within(&copies, at, &body_a, &body_b)? {
                    section(walk, pair, (&a, x, &body_a), (&b, y, &body_b))?;
                }
            }
        }
    }
    let before = walk.found();
    go::compare(walk, pair)?;
    if walk.found() == before
        && let (Some(x), Some(y)) = (a.section(b".go.buildinfo"), b.section(b".go.buildinfo"))
        && !a.body(x).equal(&b.body(y))?
    {
        walk.add(Difference::exact(pair.path, Cause::ElfData).field(".go.buildinfo"));
    }
    go::folders(walk, pair, Cause::ElfBuildPath)?;
    let found = walk.differences.get(start..).unwrap_or_default();
    let removable = found.iter().all(|d| d.tier.number().is_some());
    if same_layout {
        // Headers were compared by field; what remains lies between the sections.
        let head = if a.wide { 64 } else { 52 };
        covered
            .extend([(0, head), a.programs_at, a.table].map(|(from, len)| (from, from.saturating_add(len))));
        let outside = a.blob.differing(&b.blob, &merged(covered))?;
        if outside > 0 {
            walk.add(
                Difference::exact(pair.path, Cause::ElfData).field("between the sections").bytes(outside),
            );
        } else if removable {
            summary(walk, pair, start)?;
        }
    } else if removable && !only_debug_moved(&a, &b)? {
        // Sections have moved: then bytes cannot be laid over each other, and nothing is set aside.
        walk.add(Difference::exact(pair.path, Cause::ElfSectionLayout).note("sections lie in other places"));
    }
    Ok(())
}

/// Whether two sections differ only where Go's module text stands, which is compared field by field.
fn only_within(
    copies: &go::Copies,
    (at_a, at_b, flags): (u64, u64, u64),
    a: &Blob,
    b: &Blob,
) -> Result<bool, Stop> {
    let within = |places: &[(u64, u64)], at: u64, body: &Blob| -> Vec<(u64, u64)> {
        let inside = places.iter().filter(|(from, to)| *from >= at && *to <= at + body.len());
        inside.map(|(from, to)| (from - at, to - at)).collect()
    };
    let (x, y) = (within(&copies.0, at_a, a), within(&copies.1, at_b, b));
    let data = flags & SHF_EXECINSTR == 0;
    Ok(data && !x.is_empty() && x == y && a.len() == b.len() && a.differing(b, &x)? == 0)
}

/// Whether everything that is loaded lies where it did, and nothing but zero bytes stands between the
/// sections: then only debug information of another length has moved what follows it.
fn only_debug_moved(a: &Elf, b: &Elf) -> Result<bool, Stop> {
    let loaded = |elf: &Elf| {
        // Nothing of an object file is loaded; its sections lie wherever there is room.
        let place = |s: &Section| if dwarf::is_object(elf) { 0 } else { s.offset };
        let list = elf.sections.iter().filter(|s| s.flags & SHF_ALLOC != 0);
        list.map(|s| (s.name.clone(), s.address, place(s), s.size)).collect::<Vec<_>>()
    };
    let clean = |elf: &Elf| -> Result<bool, Stop> {
        let head = if elf.wide { 64 } else { 52 };
        let mut ranges: Vec<(u64, u64)> =
            elf.sections.iter().map(|s| (s.offset, s.offset + s.stored())).collect();
        ranges.extend(
            [(0, head), elf.programs_at, elf.table].map(|(from, len)| (from, from.saturating_add(len))),
        );
        let (mut at, mut clean) = (0, true);
        for (from, to) in merged(ranges) {
            elf.blob
                .slice(at, from.saturating_sub(at))
                .each_chunk(|chunk| clean &= chunk.iter().all(|byte| *byte == 0))?;
            at = to.max(at);
        }
        Ok(clean && at == elf.blob.len())
    };
    let sized = |elf: &Elf| {
        let list = elf.sections.iter().filter(|s| !dwarf::READ.contains(&s.name.as_slice()));
        list.map(|s| (s.name.clone(), s.size)).collect::<Vec<_>>()
    };
    Ok(a.programs == b.programs && loaded(a) == loaded(b) && sized(a) == sized(b) && clean(a)? && clean(b)?)
}

/// Sorted ranges without overlap.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut out: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match out.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => out.push((from, to)),
        }
    }
    out
}

/// Says where all differing bytes lie, when that is in identifiers alone.
fn summary(walk: &mut Walk<'_>, pair: Pair<'_>, start: usize) -> Result<(), Stop> {
    let found = walk.differences.get_mut(start..).unwrap_or_default();
    let mut fields: Vec<String> =
        found.iter().filter_map(|d| d.field.as_ref()).map(|f| format!("`{f}`")).collect();
    fields.dedup();
    let total = pair.a.differing(pair.b, &[])?;
    if let Some(first) = found.first_mut()
        && !fields.is_empty()
    {
        first.note = Some(format!("all {total} differing bytes of the file lie in {}", fields.join(" and ")));
    }
    Ok(())
}

fn headers(walk: &mut Walk<'_>, pair: Pair<'_>, a: &Elf, b: &Elf) {
    let moved = a.sections.iter().map(|s| s.size).ne(b.sections.iter().map(|s| s.size));
    for ((field, x), (_, y)) in a.header.iter().zip(&b.header) {
        // An entry point moves with the code before it,
        // and the counts are the layout's matter.
        let elsewhere =
            (*field == "entry" && moved) || (*field == "counts" && a.sections.len() != b.sections.len());
        if x != y && !elsewhere {
            walk.add(
                Difference::exact(pair.path, Cause::ElfData)
                    .field(format!("header, {field}"))
                    .values(format!("{x:#x}"), format!("{y:#x}")),
            );
        }
    }
    let kinds =
        |elf: &Elf| elf.programs.iter().map(|p| (p.first().copied(), p.get(1).copied())).collect::<Vec<_>>();
    if kinds(a) != kinds(b) || (!moved && a.programs != b.programs) || (a.wide, a.big) != (b.wide, b.big) {
        walk.add(Difference::exact(pair.path, Cause::ElfSectionLayout).field("program headers"));
    }
}

/// Whether each section lies at the same place with the same size. Names, order and flags that differ
/// are reported; what merely follows from another size is not.
fn layout(walk: &mut Walk<'_>, pair: Pair<'_>, a: &Elf, b: &Elf) -> bool {
    let shape = |s: &Section| (s.name.clone(), s.kind, s.flags, s.align, s.entry);
    let shapes = |elf: &Elf| elf.sections.iter().map(shape).collect::<Vec<_>>();
    let place = |s: &Section| (s.address, s.offset, s.size, s.link, s.info);
    let places = |elf: &Elf| elf.sections.iter().map(place).collect::<Vec<_>>();
    let sizes = |elf: &Elf| elf.sections.iter().map(|s| s.size).collect::<Vec<_>>();
    if shapes(a) != shapes(b) {
        let only = |x: &Elf, y: &Elf| {
            let names: Vec<String> =
                x.sections.iter().filter(|s| y.section(&s.name).is_none()).map(|s| escape(&s.name)).collect();
            names.join(" ")
        };
        let (left, right) = (only(a, b), only(b, a));
        let symbols = |names: &str| names.split(' ').any(|n| n == ".symtab");
        if symbols(&left) || symbols(&right) {
            walk.add(
                Difference::exact(pair.path, Cause::ElfSymbols)
                    .field(".symtab")
                    .note("only one side has a symbol table"),
            );
        }
        walk.add(Difference::exact(pair.path, Cause::ElfSectionLayout).field("sections").values(left, right));
        return false;
    }
    if places(a) != places(b) {
        if sizes(a) == sizes(b) {
            walk.add(Difference::exact(pair.path, Cause::ElfSectionLayout).field("addresses"));
        }
        return false;
    }
    a.table == b.table && a.programs_at == b.programs_at && a.blob.len() == b.blob.len()
}

/// `DT_RUNPATH` and `DT_RPATH` (gABI, dynamic section).
const RUNPATH_TAGS: [u64; 2] = [29, 15];

fn runpath(walk: &mut Walk<'_>, pair: Pair<'_>, a: &Elf, b: &Elf) {
    let (x, y) = (a.dynamic_strings(&RUNPATH_TAGS), b.dynamic_strings(&RUNPATH_TAGS));
    if x != y {
        let text = |list: Vec<Vec<u8>>| list.join(&b" "[..]);
        walk.add(Difference::exact(pair.path, Cause::ElfRunpath).values(text(x), text(y)));
    }
}

type One<'s> = (&'s Elf, &'s Section, &'s Blob);

/// Explains one section that differs.
fn section(walk: &mut Walk<'_>, pair: Pair<'_>, a: One<'_>, b: One<'_>) -> Result<(), Stop> {
    let x = a.1;
    let name = x.name.as_slice();
    let difference = |cause: Cause| -> Result<Difference, Stop> {
        let mut difference = Difference::exact(pair.path, cause).field(name);
        if a.2.len() == b.2.len() {
            difference = difference.bytes(a.2.differing(b.2, &[])?);
        } else {
            difference = difference.values(format!("{} bytes", a.2.len()), format!("{} bytes", b.2.len()));
        }
        Ok(difference)
    };
    let stamped = match name {
        b".note.gnu.build-id" => Some(Cause::ElfBuildId),
        b".note.go.buildid" => Some(Cause::GoBuildid),
        b".gnu_debuglink" | b".gnu_debugaltlink" => Some(Cause::ElfDebuglink),
        b".comment" => Some(Cause::ElfComment),
        _ => None,
    };
    if let Some(cause) = stamped {
        let (left, right) = (shown(cause, a)?, shown(cause, b)?);
        if cause == Cause::ElfBuildId && !same_note_frame(a.2, b.2)? {
            walk.add(difference(Cause::ElfData)?);
            return Ok(());
        }
        let bytes = a.2.differing(b.2, &[])?;
        walk.add(Difference::exact(pair.path, cause).field(name).values(left, right).bytes(bytes));
        return Ok(());
    }
    // Names of sections are compared with the layout, build information field by field.
    if matches!(name, b".shstrtab" | b".go.buildinfo") {
        let differ_elsewhere = a.0.sections.iter().map(|s| &s.name).ne(b.0.sections.iter().map(|s| &s.name));
        if name == b".go.buildinfo" || differ_elsewhere {
            return Ok(());
        }
    }
    if x.flags & SHF_EXECINSTR != 0 {
        return code(walk, pair, a, b, difference(Cause::ElfCode)?);
    }
    let symbols = matches!(
        name,
        b".symtab"
            | b".strtab"
            | b".dynsym"
            | b".dynstr"
            | b".gnu.hash"
            | b".hash"
            | b".gnu.version"
            | b".gnu.version_r"
            | b".gnu.version_d"
    ) || matches!(x.kind, 4 | 9);
    let debug = name.starts_with(b".debug") || name.starts_with(b".zdebug");
    let fallback = if symbols { Cause::ElfSymbols } else { Cause::ElfData };
    if name == b".dynstr" && only_runpath(a, b)? {
        return Ok(());
    }
    if name == b".dynamic" && a.2.len() == b.2.len() && moved_only(a, b) {
        return Ok(());
    }
    let stringy = matches!(
        name,
        b".rodata" | b".data" | b".gopclntab" | b".debug_str" | b".debug_line_str" | b".strtab"
    ) || debug
        || x.flags & SHF_ALLOC == 0
        || name.starts_with(b".rodata");
    if stringy && let Some(causes) = strings(walk, a, b)? {
        for cause in causes {
            let cause = match cause {
                Cause::BuildPath => Cause::ElfBuildPath,
                other => other,
            };
            let mut one = difference(cause)?;
            if cause.tier() == Tier::Pattern {
                one = one.pattern();
            }
            walk.add(one);
        }
        return Ok(());
    }
    let mut one = difference(fallback)?;
    if symbols {
        one.hunks = symbol_changes(a.0, b.0);
    } else if let (Some(p), Some(q)) = (a.2.whole(1 << 20)?, b.2.whole(1 << 20)?) {
        one.hunks = data::hex_hunk(&p, &q);
    }
    walk.add(one);
    Ok(())
}

/// A build-ID note must be framed alike: only its descriptor is the identifier.
fn same_note_frame(a: &Blob, b: &Blob) -> Result<bool, Stop> {
    Ok(a.head(16)? == b.head(16)? && a.len() == b.len())
}

fn shown(cause: Cause, (elf, section, body): One<'_>) -> Result<String, Stop> {
    let bytes = body.head(4096)?;
    Ok(match cause {
        Cause::ElfBuildId => hex::encode(bytes.get(16..).unwrap_or_default()),
        Cause::ElfDebuglink => {
            let name = crate::archive::bytes::until_nul(&bytes);
            let sum = elf.int(&bytes, (name.len() + 1).next_multiple_of(4), 4).unwrap_or_default();
            match section.name.as_slice() {
                b".gnu_debuglink" => format!("{} crc32 {sum:08x}", escape(name)),
                _ => format!(
                    "{} {}",
                    escape(name),
                    hex::encode(bytes.get(name.len() + 1..).unwrap_or_default())
                ),
            }
        }
        _ => {
            let text: Vec<String> = bytes
                .split(|c| *c == 0)
                .map(|part| {
                    part.iter().filter(|c| (0x20..0x7f).contains(*c)).map(|c| char::from(*c)).collect()
                })
                .filter(|part: &String| part.len() > 3)
                .collect();
            text.join(" | ")
        }
    })
}

/// Whether the dynamic strings are the same but for the run path.
fn only_runpath(a: One<'_>, b: One<'_>) -> Result<bool, Stop> {
    let rest = |(elf, section, _): One<'_>| -> Result<Vec<Vec<u8>>, Stop> {
        let paths = elf.dynamic_strings(&RUNPATH_TAGS);
        let mut strings: Vec<Vec<u8>> = elf
            .table_bytes(section)?
            .split(|c| *c == 0)
            .map(<[u8]>::to_vec)
            .filter(|s| !paths.contains(s))
            .collect();
        strings.sort();
        Ok(strings)
    };
    let differ = a.0.dynamic_strings(&RUNPATH_TAGS) != b.0.dynamic_strings(&RUNPATH_TAGS);
    Ok(differ && rest(a)? == rest(b)?)
}

/// Whether a dynamic section has the same tags, other sections having changed size: its addresses then
/// move with them.
fn moved_only((x, s, _): One<'_>, (y, t, _): One<'_>) -> bool {
    let word = if x.wide { 8 } else { 4 };
    let tags = |elf: &Elf, section: &Section| -> Option<Vec<Option<u64>>> {
        let bytes = elf.table_bytes(section).ok()?;
        Some(bytes.chunks_exact(2 * word).map(|e| elf.int(e, 0, word)).collect())
    };
    let sizes = |elf: &Elf| elf.sections.iter().map(|s| s.size).collect::<Vec<_>>();
    sizes(x) != sizes(y) && tags(x, s) == tags(y, t)
}

/// Explains a section by the strings that differ: around each change where the sides have the same
/// length, else string by string where there are equally many.
fn strings(
    walk: &Walk<'_>,
    (ea, sa, ba): One<'_>,
    (eb, sb, bb): One<'_>,
) -> Result<Option<Vec<Cause>>, Stop> {
    let plain = sa.flags & read::SHF_COMPRESSED == 0 && sb.flags & read::SHF_COMPRESSED == 0;
    let mut causes = Vec::new();
    if plain && ba.len() == bb.len() {
        let mut at = 0;
        for _ in 0..STRINGS_EXPLAINED_MAX {
            let (left, right) = (ba.slice(at, u64::MAX), bb.slice(at, u64::MAX));
            let place = at + first_difference(&left, &right)?;
            if place >= ba.len() {
                causes.sort();
                causes.dedup();
                return Ok((!causes.is_empty()).then_some(causes));
            }
            let from = place.saturating_sub(STRING_BYTES_MAX);
            let window = |blob: &Blob| blob.slice(from, 2 * STRING_BYTES_MAX).head(8192);
            let (x, y) = (window(ba)?, window(bb)?);
            let middle = usize::try_from(place - from).unwrap_or_default();
            let (Some((x0, x1)), Some((y0, y1))) = (run(&x, middle), run(&y, middle)) else {
                return Ok(None);
            };
            let (start, end) = (x0.max(y0), x1.max(y1));
            let part = |side: &[u8]| side.get(start..end).unwrap_or_default().to_vec();
            match patterns::explain(&part(&x), &part(&y)) {
                Some(found) => causes.extend(found),
                None => return Ok(None),
            }
            at = from + end as u64;
        }
        return Ok(None);
    }
    if sa.size.max(sb.size) > STRINGS_BYTES_MAX {
        return Ok(None);
    }
    let (Ok(a), Ok(b)) = (ea.table_bytes(sa), eb.table_bytes(sb)) else { return Ok(None) };
    if walk.budget.diff_work((a.len() + b.len()) as u64 / 1000).is_err() {
        return Ok(None);
    }
    let count = |bytes: &[u8]| bytes.iter().filter(|c| **c == 0).count();
    if count(&a) != count(&b) {
        return Ok(None);
    }
    let mut seen = 0;
    for (x, y) in a.split(|c| *c == 0).zip(b.split(|c| *c == 0)).filter(|(x, y)| x != y) {
        seen += 1;
        let text = |s: &[u8]| s.len() as u64 <= STRING_BYTES_MAX && s.iter().all(is_text);
        if seen > STRINGS_EXPLAINED_MAX || !text(x) || !text(y) {
            return Ok(None);
        }
        match patterns::explain(x, y) {
            Some(found) => causes.extend(found),
            None => return Ok(None),
        }
    }
    causes.sort();
    causes.dedup();
    Ok((!causes.is_empty()).then_some(causes))
}

const fn is_text(byte: &u8) -> bool {
    matches!(*byte, 0x20..0x7f | b'\t' | b'\n')
}

/// The printable run around a place.
fn run(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let before = bytes.get(..at)?.iter().rev().take_while(|c| is_text(c)).count();
    let after = bytes.get(at..)?.iter().take_while(|c| is_text(c)).count();
    (after > 0).then_some((at - before, at + after))
}

/// Names of symbols that only one side has.
fn symbol_changes(a: &Elf, b: &Elf) -> Vec<String> {
    let names =
        |elf: &Elf| elf.symbols().into_iter().map(|s| s.name).collect::<std::collections::BTreeSet<_>>();
    let (x, y) = (names(a), names(b));
    let removed = x.difference(&y).map(|n| format!("-{}", escape(n)));
    let added = y.difference(&x).map(|n| format!("+{}", escape(n)));
    removed.take(FUNCTIONS_NAMED).chain(added.take(FUNCTIONS_NAMED)).collect()
}

/// Names the functions whose code differs.
fn code(
    walk: &mut Walk<'_>,
    pair: Pair<'_>,
    a: One<'_>,
    b: One<'_>,
    mut difference: Difference,
) -> Result<(), Stop> {
    let functions = |(elf, section, _): One<'_>| {
        let index = elf.sections.iter().position(|s| s.offset == section.offset && s.name == section.name);
        let mut map = BTreeMap::new();
        let first = elf.header.first().map(|(_, kind)| *kind);
        for symbol in elf.symbols() {
            let inside = Some(usize::from(symbol.section)) == index && symbol.size > 0;
            if inside && symbol.kind == 2 {
                // In an object file a value is an offset already.
                let at =
                    if first == Some(1) { symbol.value } else { symbol.value.wrapping_sub(section.address) };
                map.insert(symbol.name, (at, symbol.size));
            }
        }
        map
    };
    let (fa, fb) = (functions(a), functions(b));
    let mut named = Vec::new();
    let mut places = Vec::new();
    for (name, (at, size)) in &fa {
        let Some((to, length)) = fb.get(name) else { continue };
        let (left, right) = (a.2.slice(*at, *size), b.2.slice(*to, *length));
        if !left.equal(&right)? {
            named.push((name.clone(), *size, *length));
            places.push((*at, *to));
        }
    }
    walk.budget.diff_work((fa.len() + fb.len()) as u64)?;
    let lines = |(name, size, length): &(Vec<u8>, u64, u64)| {
        if size == length {
            format!(" {}: {size} bytes, content differs", escape(name))
        } else {
            format!(" {}: {size} -> {length} bytes", escape(name))
        }
    };
    difference.hunks = named.iter().take(FUNCTIONS_NAMED).map(lines).collect();
    if named.len() > FUNCTIONS_NAMED {
        difference.hunks.push(format!(" and {} more functions", named.len() - FUNCTIONS_NAMED));
    }
    if named.is_empty() && a.2.len() == b.2.len() {
        let at = first_difference(a.2, b.2)?;
        difference.note =
            Some(format!("first at {:#x}; no symbol names the function", a.1.address.wrapping_add(at)));
        places.push((at.saturating_sub(16), at.saturating_sub(16)));
    }
    #[cfg(feature = "disassemble")]
    if walk.options.disassemble {
        difference.hunks.extend(disassemble::hunks(walk, a, b, &places));
    }
    let _ = pair;
    walk.add(difference);
    Ok(())
}

fn first_difference(a: &Blob, b: &Blob) -> Result<u64, Stop> {
    let (mut left, mut right) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut at = 0;
    loop {
        let (n, m) = (a.read_at(at, &mut left)?, b.read_at(at, &mut right)?);
        let n = n.min(m);
        if n == 0 {
            return Ok(at);
        }
        let (l, r) = (left.get(..n).unwrap_or_default(), right.get(..n).unwrap_or_default());
        if let Some(i) = l.iter().zip(r).position(|(x, y)| x != y) {
            return Ok(at + i as u64);
        }
        at += n as u64;
    }
}
