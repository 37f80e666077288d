//! The comparators, one format in each file, and the ordered list in which they are asked.

mod apk;
mod ar;
mod bzip2;
mod checksum_list;
mod checksums;
mod compressed;
mod control;
mod cpio;
mod data;
mod deb;
pub(super) mod directory;
mod elf;
mod gettext;
mod git_bundle;
mod go_info;
mod gzip;
mod images;
mod jar;
mod json;
mod lz4;
mod macho;
mod marshal;
mod oci;
mod packages;
mod pdf;
mod pe;
mod png;
mod pyc;
mod rpm;
mod stamped;
mod tar;
mod wheel;
mod xz;
mod zip;
mod zstd;

use super::blob::Blob;
use super::stop::Stop;
use super::walk::{Pair, Walk};
use crate::archive::compression::Compression;
pub(super) use lz4::check_whole as lz4_is_whole;

/// First bytes that recognition may look at: two tar blocks.
pub(crate) const HEAD_BYTES: usize = 1024;

/// What recognition may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'p> {
    /// The member's name.
    pub(crate) name: &'p [u8],
    /// At most [`HEAD_BYTES`] first bytes.
    pub(crate) head: &'p [u8],
    /// All bytes.
    pub(crate) blob: &'p Blob,
}

/// A format: how it is recognised and who compares it.
pub(crate) struct Format {
    /// Its short name.
    pub(crate) id: &'static str,
    /// Whether the bytes look like it. Strict: a look-alike is compared as data.
    pub(crate) recognise: fn(&Probe<'_>) -> bool,
    /// Explains two sides of this format that differ.
    pub(crate) compare: fn(&mut Walk<'_>, Pair<'_>) -> Result<(), Stop>,
}

/// All formats, most specific first.
static FORMATS: &[&Format] = &[
    &deb::FORMAT,
    &rpm::FORMAT,
    &git_bundle::FORMAT,
    &pdf::FORMAT,
    &ar::FORMAT,
    &apk::FORMAT,
    &gzip::FORMAT,
    &xz::FORMAT,
    &zstd::FORMAT,
    &bzip2::FORMAT,
    &lz4::FORMAT,
    &cpio::FORMAT,
    &oci::FORMAT,
    &packages::GEM,
    &tar::FORMAT,
    &elf::FORMAT,
    &zip::FORMAT,
    &Format { id: "png", recognise: png::recognise, compare: png::compare },
    &Format { id: "pyc", recognise: pyc::recognise, compare: pyc::compare },
    &gettext::COMPILED,
    &gettext::SOURCE,
    &Format { id: "pe", recognise: pe::recognise, compare: pe::compare },
    &Format { id: "mach-o", recognise: macho::recognise, compare: macho::compare },
    &images::SQUASHFS,
    &images::ISO,
    &images::EXT,
    &packages::GEM_METADATA,
    &packages::PKGINFO,
    &jar::MANIFEST,
    &jar::SIGNATURE,
    &checksum_list::FORMAT,
    &control::FORMAT,
    &json::FORMAT,
];

fn recognise(name: &[u8], blob: &Blob) -> Result<Option<&'static Format>, Stop> {
    let head = blob.head(HEAD_BYTES)?;
    let probe = Probe { name, head: &head, blob };
    Ok(FORMATS.iter().copied().find(|f| (f.recognise)(&probe)))
}

/// Hands two differing sides to the comparator of their format.
pub(crate) fn dispatch(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let (format_a, format_b) = (recognise(pair.name, pair.a)?, recognise(pair.name, pair.b)?);
    if let (Some(a), Some(b)) = (format_a, format_b)
        && a.id == b.id
    {
        return (a.compare)(walk, pair);
    }
    let archive =
        |format: Option<&Format>| format.is_some_and(|f| ["tar", "cpio", "image", "gem"].contains(&f.id));
    let compression = |blob: &Blob| -> Result<_, Stop> { Ok(Compression::recognise(&blob.head(6)?)) };
    match (compression(pair.a)?, compression(pair.b)?) {
        (Some(a), Some(b)) if a != b => compressed::formats(walk, pair, (a, b)),
        (a, b) if a.is_some() != b.is_some() && (archive(format_a) || archive(format_b)) => {
            compressed::one_sided(walk, pair, (a, b))
        }
        _ => {
            // One side is empty or cut off within what names its format.
            for (format, blob, side) in [
                (format_b, pair.a, super::result::Side::Published),
                (format_a, pair.b, super::result::Side::Rebuilt),
            ] {
                if let Some(format) = format.filter(|f| f.id != "control" && f.id != "json")
                    && blob.len() < 512
                    && (if side == super::result::Side::Published { pair.b } else { pair.a })
                        .head(usize::try_from(blob.len()).unwrap_or(512))?
                        == blob.head(512)?
                {
                    return Err(Stop::truncated(format!(
                        "{}: the file ends after {} bytes",
                        format.id,
                        blob.len()
                    ))
                    .on(side));
                }
            }
            data::compare(walk, pair)
        }
    }
}
