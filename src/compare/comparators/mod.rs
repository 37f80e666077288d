//! The comparators, one format in each file, and the ordered list in which they are asked.

pub(super) mod data;
pub(super) mod directory;
mod gettext;
mod macho;
mod marshal;
mod pe;
mod png;
mod pyc;
mod stamped;

use super::blob::Blob;
use super::stop::Stop;
use super::walk::{Pair, Walk};

/// First bytes that recognition may look at: a tar header, and where ISO-like formats are not read,
/// nothing needs more.
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
pub(crate) static FORMATS: &[Format] = &[
    Format { id: "png", recognise: png::recognise, compare: png::compare },
    Format { id: "pyc", recognise: pyc::recognise, compare: pyc::compare },
    Format { id: "gettext", recognise: gettext::recognise, compare: gettext::compare },
    Format { id: "pe", recognise: pe::recognise, compare: pe::compare },
    Format { id: "mach-o", recognise: macho::recognise, compare: macho::compare },
];

fn recognise(name: &[u8], blob: &Blob) -> Result<Option<&'static Format>, Stop> {
    let head = blob.head(HEAD_BYTES)?;
    let probe = Probe { name, head: &head, blob };
    Ok(FORMATS.iter().find(|f| (f.recognise)(&probe)))
}

/// Hands two differing sides to the comparator of their format.
pub(crate) fn dispatch(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    match (recognise(pair.name, pair.a)?, recognise(pair.name, pair.b)?) {
        (Some(a), Some(b)) if a.id == b.id => (a.compare)(walk, pair),
        _ => data::compare(walk, pair),
    }
}
