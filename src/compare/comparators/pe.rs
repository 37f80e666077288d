//! Portable Executables (Microsoft's PE format specification): times and the checksum over them in the
//! headers, the certificate table and Go's build ID are stamps; sections are named.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Side;
use super::super::stop::{OnSide as _, Stop};
use super::super::walk::{Pair, Walk};
use super::Probe;
use super::stamped::{self, Anatomy, Region, Stamp};

/// Sections looked at: the format's own bound for images is 96.
const SECTIONS_MAX: u16 = 96;
/// Entries of the debug directory looked at; linkers write fewer than eight.
const DEBUG_ENTRIES_MAX: u64 = 64;

pub(crate) fn recognise(probe: &Probe<'_>) -> bool {
    let offset = probe.head.get(60..64).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    probe.head.starts_with(b"MZ")
        && offset.is_some_and(|at| probe.blob.exact(at.into(), 4).is_ok_and(|m| m == b"PE\0\0"))
}

pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let (a, b) = (anatomy(pair.a).on(Side::Published)?, anatomy(pair.b).on(Side::Rebuilt)?);
    super::go_info::stamped(walk, pair, a, b)
}

fn half(blob: &Blob, at: u64) -> Result<u16, Stop> {
    Ok(u16::from_le_bytes(blob.exact(at, 2)?.try_into().unwrap_or_default()))
}

fn word(blob: &Blob, at: u64) -> Result<u32, Stop> {
    Ok(u32::from_le_bytes(blob.exact(at, 4)?.try_into().unwrap_or_default()))
}

struct Section {
    name: String,
    address: u64,
    start: u64,
    len: u64,
    code: bool,
}

fn anatomy(blob: &Blob) -> Result<Anatomy, Stop> {
    let mut found = Anatomy::default();
    let nt = u64::from(word(blob, 60)?);
    let coff = nt + 4;
    let sections = half(blob, coff + 2)?;
    if sections > SECTIONS_MAX {
        return Err(Stop::malformed(format!("{sections} sections, where an image may have {SECTIONS_MAX}")));
    }
    let optional = coff + 20;
    let optional_len = u64::from(half(blob, coff + 16)?);
    let directories = match half(blob, optional)? {
        0x10b => optional + 96,
        0x20b => optional + 112,
        other => return Err(Stop::unsupported(format!("an optional header of the kind 0x{other:x}"))),
    };
    stamp_word(blob, &mut found, coff + 4, Cause::PeTimestamp, "TimeDateStamp")?;
    stamp_word(blob, &mut found, optional + 64, Cause::PeTimestamp, "CheckSum")?;
    let count = word(blob, directories - 4)?;
    let directory = |index: u32| -> Result<(u64, u64), Stop> {
        if index >= count || directories + u64::from(index) * 8 + 8 > optional + optional_len {
            return Ok((0, 0));
        }
        let at = directories + u64::from(index) * 8;
        Ok((word(blob, at)?.into(), word(blob, at + 4)?.into()))
    };
    let mut parts = Vec::new();
    for index in 0..u64::from(sections) {
        let at = optional + optional_len + index * 40;
        let name = blob.exact(at, 8)?;
        let name = String::from_utf8_lossy(name.split(|b| *b == 0).next().unwrap_or_default()).into_owned();
        parts.push(Section {
            name: if name.is_empty() { format!("section {index}") } else { name },
            address: word(blob, at + 12)?.into(),
            start: word(blob, at + 20)?.into(),
            len: word(blob, at + 16)?.into(),
            code: word(blob, at + 36)? & 0x20 != 0,
        });
    }
    let place = |address: u64| {
        parts.iter().find_map(|s| {
            let within = address.checked_sub(s.address)?;
            (within < s.len).then_some(s.start + within)
        })
    };
    let headers_end = parts.iter().filter(|s| s.len > 0).map(|s| s.start).min().unwrap_or_else(|| blob.len());
    found.regions.push(Region {
        start: 0,
        len: headers_end.min(blob.len()),
        name: "headers".to_owned(),
        cause: Cause::Content,
    });
    // The certificate table is addressed by file offset; it must end the file, so that it can hide
    // nothing that is loaded.
    let (certificates, certificates_len) = directory(4)?;
    if certificates_len > 0 {
        if certificates + certificates_len != blob.len()
            || parts.iter().any(|s| s.len > 0 && s.start + s.len > certificates)
        {
            return Err(Stop::malformed("the certificate table does not stand alone at the end"));
        }
        let at = directories + 4 * 8;
        found.stamps.push(Stamp {
            start: at,
            len: 8,
            cause: Cause::Signature,
            field: "certificate table's entry".to_owned(),
            value: format!("{certificates_len} bytes at {certificates}"),
        });
        found.stamps.push(Stamp {
            start: certificates,
            len: certificates_len,
            cause: Cause::Signature,
            field: "certificate table".to_owned(),
            value: format!("{certificates_len} bytes"),
        });
    } else if count > 4 {
        // An unsigned side has an empty entry, which a signed one fills.
        found.stamps.push(Stamp {
            start: directories + 4 * 8,
            len: 8,
            cause: Cause::Signature,
            field: "certificate table's entry".to_owned(),
            value: "empty".to_owned(),
        });
    }
    for (index, name) in [(0, "export directory's time"), (2, "resource directory's time")] {
        let (address, len) = directory(index)?;
        if len >= 8
            && let Some(at) = place(address)
        {
            stamp_word(blob, &mut found, at + 4, Cause::PeTimestamp, name)?;
        }
    }
    let (address, len) = directory(6)?;
    if let Some(at) = place(address).filter(|_| len > 0) {
        for index in 0..(len / 28).min(DEBUG_ENTRIES_MAX) {
            let entry = at + index * 28;
            let name = format!("debug directory's time {index}");
            stamp_word(blob, &mut found, entry + 4, Cause::PeTimestamp, &name)?;
            // IMAGE_DEBUG_TYPE_CODEVIEW: the identifier that ties the image to its PDB, and its path.
            let (size, raw) = (u64::from(word(blob, entry + 16)?), u64::from(word(blob, entry + 24)?));
            if word(blob, entry + 12)? == 2 && (24..=1024).contains(&size) {
                let record = blob.exact(raw, usize::try_from(size).unwrap_or_default())?;
                if record.starts_with(b"RSDS") {
                    let path = crate::archive::bytes::until_nul(record.get(24..).unwrap_or_default());
                    let guid = hex::encode(record.get(4..24).unwrap_or_default());
                    found.stamps.push(Stamp {
                        start: raw + 4,
                        len: 20,
                        cause: Cause::RandomId,
                        field: format!("debug identifier {index}"),
                        value: guid,
                    });
                    if path.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
                        found.stamps.push(Stamp {
                            start: raw + 24,
                            len: size - 24,
                            cause: Cause::BuildPath,
                            field: format!("debug file {index}"),
                            value: String::from_utf8_lossy(path).into_owned(),
                        });
                    }
                }
            }
        }
    }
    for section in &parts {
        if section.len == 0 {
            continue;
        }
        if section.code
            && let Some(id) = stamped::go_build_id(blob, section.start, section.len)?
            && !found.stamps.iter().any(|s| s.field == id.field)
        {
            found.stamps.push(id);
        }
        found.regions.push(Region {
            start: section.start,
            len: section.len,
            name: section.name.clone(),
            cause: Cause::Content,
        });
    }
    Ok(found)
}

fn stamp_word(blob: &Blob, found: &mut Anatomy, at: u64, cause: Cause, field: &str) -> Result<(), Stop> {
    let value = word(blob, at)?;
    found.stamps.push(Stamp {
        start: at,
        len: 4,
        cause,
        field: field.to_owned(),
        value: format!("0x{value:08x}"),
    });
    Ok(())
}
