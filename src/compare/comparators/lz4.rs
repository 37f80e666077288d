//! LZ4 frames (format 1.6.1).

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, compressed};
use crate::archive::compression::Compression;

pub(crate) static FORMAT: Format = Format { id: "lz4", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(&[0x04, 0x22, 0x4d, 0x18])
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let outcome = compressed::content(walk, pair, (Compression::Lz4, Compression::Lz4))?;
    compressed::trailing(walk, pair, &outcome)?;
    let frame = |blob: &Blob| -> Result<String, Stop> {
        let head = blob.exact(4, 2)?;
        Ok(format!(
            "flags {}, {} bytes compressed, {} frames",
            hex::encode(&head),
            blob.len(),
            if head.first().is_some_and(|f| f & 0x20 != 0) { "independent" } else { "linked" }
        ))
    };
    if outcome.equal && outcome.a.trailing_zeros == outcome.b.trailing_zeros {
        walk.add(Difference::exact(pair.path, Cause::Lz4Frame).values(frame(pair.a)?, frame(pair.b)?));
    }
    Ok(())
}
