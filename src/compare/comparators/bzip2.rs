//! bzip2: level and streams.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, compressed};
use crate::archive::compression::Compression;

pub(crate) static FORMAT: Format = Format { id: "bzip2", recognise, compare };

/// `BZh`, a level, and the start of a block or of an empty stream's end.
fn recognise(probe: &Probe<'_>) -> bool {
    match probe.head {
        [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] => {
            rest.starts_with(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
                || rest.starts_with(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90])
                || (rest.len() < 6 && probe.name.ends_with(b".bz2"))
        }
        _ => false,
    }
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let outcome = compressed::content(walk, pair, (Compression::Bzip2, Compression::Bzip2))?;
    compressed::trailing(walk, pair, &outcome)?;
    let level = |blob: &Blob| -> Result<char, Stop> {
        Ok(blob.exact(3, 1)?.first().copied().map_or('?', char::from))
    };
    let (a, b) = (level(pair.a)?, level(pair.b)?);
    if a != b || (outcome.equal && outcome.same_tail()) {
        let text = |level: char, blob: &Blob| format!("level {level}, {} bytes compressed", blob.len());
        walk.add(Difference::exact(pair.path, Cause::Bzip2Level).values(text(a, pair.a), text(b, pair.b)));
    }
    Ok(())
}
