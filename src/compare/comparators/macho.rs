//! Mach-O (Apple's `mach-o/loader.h`): the UUID, the code signature and Go's build ID are stamps;
//! sections are named. A universal file's slices are compared one by one.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::{Difference, Side};
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::Probe;
use super::stamped::{self, Anatomy, Region, Stamp};

const FAT: u32 = 0xcafe_babe;
const LC_SEGMENT: u32 = 1;
const LC_SEGMENT_64: u32 = 0x19;
const LC_UUID: u32 = 0x1b;
const LC_CODE_SIGNATURE: u32 = 0x1d;
/// Load commands looked at; linkers write fewer than a hundred.
const COMMANDS_MAX: u32 = 10_000;
/// Slices looked at. Java classes bear the same magic with a version of 45 or more in this place.
const SLICES_MAX: u32 = 16;

/// Word size in bytes and byte order of a thin file.
fn word_and_order(head: &[u8]) -> Option<(bool, bool)> {
    match head.get(..4)? {
        [0xce, 0xfa, 0xed, 0xfe] => Some((false, true)),
        [0xcf, 0xfa, 0xed, 0xfe] => Some((true, true)),
        [0xfe, 0xed, 0xfa, 0xce] => Some((false, false)),
        [0xfe, 0xed, 0xfa, 0xcf] => Some((true, false)),
        _ => None,
    }
}

fn slices(head: &[u8]) -> Option<u32> {
    let big = |at: usize| head.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    (big(0)? == FAT).then_some(big(4)?).filter(|n| (1..=SLICES_MAX).contains(n))
}

pub(crate) fn recognise(probe: &Probe<'_>) -> bool {
    word_and_order(probe.head).is_some() || slices(probe.head).is_some()
}

pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let (head_a, head_b) = (pair.a.head(32)?, pair.b.head(32)?);
    match (slices(&head_a), slices(&head_b)) {
        (Some(n), Some(m)) if n == m => universal(walk, pair, n),
        (None, None) => {
            let (mut a, mut b) = (read(pair.a).on(Side::Published)?, read(pair.b).on(Side::Rebuilt)?);
            match (a.signature.is_some(), b.signature.is_some()) {
                (true, false) => signed_against_unsigned(&mut a, pair.a, &mut b, pair.b)?,
                (false, true) => signed_against_unsigned(&mut b, pair.b, &mut a, pair.a)?,
                _ => {}
            }
            super::go_info::stamped(walk, pair, a.anatomy, b.anatomy)
        }
        _ => super::data::compare(walk, pair),
    }
}

fn universal(walk: &mut Walk<'_>, pair: Pair<'_>, count: u32) -> Result<(), Stop> {
    let table = |blob: &Blob| -> Result<Vec<[u64; 5]>, Stop> {
        (0..u64::from(count))
            .map(|index| {
                let row = blob.exact(8 + index * 20, 20)?;
                let big = |at: usize| {
                    row.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes).into()
                };
                Ok([big(0), big(4), big(8), big(12), big(16)])
            })
            .collect()
    };
    let (a, b) = (table(pair.a).on(Side::Published)?, table(pair.b).on(Side::Rebuilt)?);
    let mut covered = (8 + u64::from(count) * 20, 8 + u64::from(count) * 20);
    let mut same_shape = true;
    for (x, y) in a.iter().zip(&b) {
        let ([kind, subkind, start_a, len_a, align_a], [other, other_sub, start_b, len_b, align_b]) =
            (*x, *y);
        same_shape &= (kind, subkind, align_a) == (other, other_sub, align_b);
        let zeros = |blob: &Blob, from: u64, to: u64| -> Result<bool, Stop> {
            let mut clean = to >= from;
            if clean {
                blob.slice(from, to - from).each_chunk(|c| clean &= c.iter().all(|b| *b == 0))?;
            }
            Ok(clean)
        };
        same_shape &= zeros(pair.a, covered.0, start_a)? && zeros(pair.b, covered.1, start_b)?;
        covered = (start_a.saturating_add(len_a), start_b.saturating_add(len_b));
        let path = format!("{}/arch-{kind:x}", pair.path);
        let (left, right) = (pair.a.slice(start_a, len_a), pair.b.slice(start_b, len_b));
        walk.member(Pair { path: &path, name: b"slice", a: &left, b: &right });
    }
    if !same_shape || covered != (pair.a.len(), pair.b.len()) {
        walk.changed.insert(pair.path.to_owned());
        walk.add(
            Difference::exact(pair.path, Cause::Content)
                .field("slices")
                .note("the table of slices, or bytes between them, differ"),
        );
    }
    Ok(())
}

/// One thin file.
#[derive(Debug, Default)]
struct Thin {
    anatomy: Anatomy,
    /// Number of load commands, and where they end.
    commands: (u64, u64),
    /// Whether the header says where they end.
    exact: bool,
    /// Where the command of the signature stands, and the signature.
    signature: Option<(u64, u64)>,
    /// Sizes of the last segment in memory and in the file: place, length, value.
    linkedit: Option<[(u64, u64, u64); 2]>,
}

const SIGNATURE: &str = "code signature";
const SIGNATURE_PLACE: &str = "code signature's place";
const COMMANDS: &str = "load commands";
/// Bytes of the command that names a signature.
const SIGNATURE_COMMAND_BYTES: u64 = 16;

/// A signature adds its command after all others, where zero bytes were; it begins at the next sixteenth
/// byte after the end of the file (`codesign`, and Go's and LLVM's linkers alike). Where just that is so,
/// its traces are stamps on both sides; where not, nothing is put aside.
fn signed_against_unsigned(
    signed: &mut Thin,
    signed_blob: &Blob,
    plain: &mut Thin,
    plain_blob: &Blob,
) -> Result<(), Stop> {
    let Some((command, start)) = signed.signature else { return Ok(()) };
    let (Some(_), Some(sizes)) = (signed.linkedit, plain.linkedit) else { return Ok(()) };
    let end = plain.commands.1;
    let room = plain_blob.slice(end, SIGNATURE_COMMAND_BYTES).head(16)?;
    let gap = start.checked_sub(plain_blob.len()).filter(|gap| *gap < 16);
    let exact = signed.exact && plain.exact;
    let last =
        exact && command == end && signed.commands == (plain.commands.0 + 1, end + SIGNATURE_COMMAND_BYTES);
    let zeros = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let Some(gap) = gap else { return Ok(()) };
    if !last || room.len() != 16 || !zeros(&room) || !zeros(&signed_blob.slice(start - gap, gap).head(16)?) {
        return Ok(());
    }
    let stamp = |start: u64, len: u64, field: &str, value: &str| Stamp {
        start,
        len,
        cause: Cause::Signature,
        field: field.to_owned(),
        value: value.to_owned(),
    };
    for stamp in &mut signed.anatomy.stamps {
        match stamp.field.as_str() {
            SIGNATURE => (stamp.start, stamp.len) = (stamp.start - gap, stamp.len + gap),
            SIGNATURE_PLACE => (stamp.start, stamp.len) = (command, SIGNATURE_COMMAND_BYTES),
            _ => {}
        }
    }
    plain.anatomy.stamps.push(stamp(end, SIGNATURE_COMMAND_BYTES, SIGNATURE_PLACE, "not signed"));
    plain.anatomy.stamps.extend(linkedit_stamps(sizes));
    for thin in [signed, plain] {
        let commands = format!("{} load commands", thin.commands.0);
        thin.anatomy.stamps.push(stamp(16, 8, "number of load commands", &commands));
        for region in thin.anatomy.regions.iter_mut().filter(|r| r.name == COMMANDS) {
            region.len = end + SIGNATURE_COMMAND_BYTES;
        }
    }
    Ok(())
}

fn linkedit_stamps(sizes: [(u64, u64, u64); 2]) -> impl Iterator<Item = Stamp> {
    sizes.into_iter().zip(["memory", "file"]).map(|((start, len, value), field)| Stamp {
        start,
        len,
        cause: Cause::Signature,
        field: format!("__LINKEDIT's size in {field}"),
        value: format!("{value} bytes"),
    })
}

fn read(blob: &Blob) -> Result<Thin, Stop> {
    let head = blob.exact(0, 28)?;
    let (wide, little) = word_and_order(&head).ok_or_else(|| Stop::malformed("no Mach-O header"))?;
    let number = |bytes: &[u8]| -> u64 {
        bytes.iter().enumerate().fold(0, |value, (i, byte)| {
            let place = if little { i } else { bytes.len() - 1 - i };
            value | u64::from(*byte) << (8 * place)
        })
    };
    let at = |bytes: &[u8], from: usize, len: usize| number(bytes.get(from..from + len).unwrap_or_default());
    let commands = at(&head, 16, 4);
    if commands > COMMANDS_MAX.into() {
        return Err(Stop::malformed(format!("{commands} load commands")));
    }
    let mut thin = Thin::default();
    let mut found = Anatomy::default();
    let mut offset: u64 = if wide { 32 } else { 28 };
    for index in 0..commands {
        let command = blob.exact(offset, 8)?;
        let (kind, len) = (at(&command, 0, 4), at(&command, 4, 4));
        if len < 8 || offset + len > blob.len() {
            return Err(Stop::malformed(format!("load command {index} has {len} bytes")));
        }
        match u32::try_from(kind).unwrap_or_default() {
            LC_UUID if len == 24 => {
                let value = hex::encode(blob.exact(offset + 8, 16)?);
                let field = "LC_UUID".to_owned();
                found.stamps.push(Stamp {
                    start: offset + 8,
                    len: 16,
                    cause: Cause::MachoUuid,
                    field,
                    value,
                });
            }
            LC_CODE_SIGNATURE if len == 16 => {
                let entry = blob.exact(offset + 8, 8)?;
                let (start, size) = (at(&entry, 0, 4), at(&entry, 4, 4));
                // It must end the file, so that it can hide nothing that is loaded.
                if start + size != blob.len() {
                    return Err(Stop::malformed("the code signature does not stand at the end"));
                }
                thin.signature = Some((offset, start));
                for (start, len, field) in [(offset + 8, 8, SIGNATURE_PLACE), (start, size, SIGNATURE)] {
                    found.stamps.push(Stamp {
                        start,
                        len,
                        cause: Cause::Signature,
                        field: field.to_owned(),
                        value: format!("{size} bytes"),
                    });
                }
            }
            LC_SEGMENT | LC_SEGMENT_64 => {
                let body = blob.exact(offset, usize::try_from(len).unwrap_or_default())?;
                // The last segment ends with the signature, so its sizes follow from that one's.
                let sizes: [(usize, usize); 2] = if wide { [(32, 8), (48, 8)] } else { [(28, 4), (36, 4)] };
                if body.get(8..24).is_some_and(|name| name.starts_with(b"__LINKEDIT\0")) {
                    thin.linkedit = Some(
                        sizes.map(|(from, len)| (offset + from as u64, len as u64, at(&body, from, len))),
                    );
                }
                let (count_at, first, each) = if wide { (64, 72, 80) } else { (48, 56, 68) };
                let count = usize::try_from(at(&body, count_at, 4)).unwrap_or_default();
                if first + count.saturating_mul(each) > body.len() {
                    return Err(Stop::malformed(format!("load command {index} has {count} sections")));
                }
                for section in body.get(first..first + count * each).unwrap_or_default().chunks_exact(each) {
                    let text = |from: usize| {
                        let name = section.get(from..from + 16).unwrap_or_default();
                        String::from_utf8_lossy(name.split(|b| *b == 0).next().unwrap_or_default())
                            .into_owned()
                    };
                    let (size, start, flags) = if wide {
                        (at(section, 40, 8), at(section, 48, 4), at(section, 64, 4))
                    } else {
                        (at(section, 36, 4), at(section, 40, 4), at(section, 56, 4))
                    };
                    // S_ZEROFILL, S_GB_ZEROFILL and S_THREAD_LOCAL_ZEROFILL hold no bytes.
                    if matches!(flags & 0xff, 0x1 | 0xc | 0x12) || size == 0 {
                        continue;
                    }
                    let (name, segment) = (text(0), text(16));
                    if name == "__text"
                        && let Some(id) = stamped::go_build_id(blob, start, size)?
                        && !found.stamps.iter().any(|s| s.field == id.field)
                    {
                        found.stamps.push(id);
                    }
                    let mut name = format!("{segment},{name}");
                    if found.regions.iter().any(|r| r.name == name) {
                        name = format!("{name} at {start}");
                    }
                    found.regions.push(Region { start, len: size, name, cause: Cause::Content });
                }
            }
            _ => {}
        }
        offset += len;
    }
    if let (Some(_), Some(sizes)) = (thin.signature, thin.linkedit) {
        found.stamps.extend(linkedit_stamps(sizes));
    }
    found.regions.push(Region { start: 0, len: offset, name: COMMANDS.to_owned(), cause: Cause::Content });
    thin.commands = (commands, offset);
    thin.exact = at(&head, 20, 4) + if wide { 32 } else { 28 } == offset;
    thin.anatomy = found;
    Ok(thin)
}
