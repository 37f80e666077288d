//! LZ4 frames (format 1.6.1), the legacy ones of kernels and their first file systems too.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, compressed};
use crate::archive::compression::Compression;

pub(crate) static FORMAT: Format = Format { id: "lz4", recognise, compare };

const FRAME: u32 = 0x184d_2204;
const LEGACY: u32 = 0x184c_2102;

fn recognise(probe: &Probe<'_>) -> bool {
    [FRAME, LEGACY].iter().any(|magic| probe.head.starts_with(&magic.to_le_bytes()))
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let outcome = compressed::content(walk, pair, (Compression::Lz4, Compression::Lz4))?;
    compressed::trailing(walk, pair, &outcome)?;
    let frame = |blob: &Blob| -> Result<String, Stop> {
        if blob.head(4)? == LEGACY.to_le_bytes() {
            return Ok(format!("a legacy frame, {} bytes compressed", blob.len()));
        }
        let head = blob.exact(4, 2)?;
        Ok(format!(
            "flags {}, {} bytes compressed, {} frames",
            hex::encode(&head),
            blob.len(),
            if head.first().is_some_and(|f| f & 0x20 != 0) { "independent" } else { "linked" }
        ))
    };
    if outcome.equal && outcome.same_tail() {
        walk.add(Difference::exact(pair.path, Cause::Lz4Frame).values(frame(pair.a)?, frame(pair.b)?));
    }
    Ok(())
}

/// Follows the blocks of every frame to its end mark: the decoder takes a stream that ends before it
/// for whole.
pub(crate) fn check_whole(blob: &Blob) -> Result<(), Stop> {
    let word = |at: u64| -> Result<u32, Stop> {
        Ok(crate::archive::bytes::le32(&blob.exact(at, 4)?, 0).unwrap_or_default())
    };
    let mut at = 0;
    while at + 4 <= blob.len() {
        let magic = word(at)?;
        if (0x184d_2a50..=0x184d_2a5f).contains(&magic) {
            at += 8 + u64::from(word(at + 4)?);
            continue;
        }
        if magic != FRAME {
            return Ok(());
        }
        let flags = blob.exact(at + 4, 1)?.first().copied().unwrap_or_default();
        let (block_sums, size, sum, dictionary) =
            (flags & 16 != 0, flags & 8 != 0, flags & 4 != 0, flags & 1 != 0);
        at += 7 + if size { 8 } else { 0 } + if dictionary { 4 } else { 0 };
        loop {
            let block = word(at)?;
            at += 4;
            if block == 0 {
                break;
            }
            at += u64::from(block & 0x7fff_ffff) + if block_sums { 4 } else { 0 };
        }
        at += if sum { 4 } else { 0 };
    }
    if at > blob.len() { Err(Stop::truncated("lz4: the frame does not end")) } else { Ok(()) }
}
