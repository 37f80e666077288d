//! zstd (RFC 8878): frame parameters, frames, level.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, compressed};
use crate::archive::compression::Compression;

pub(crate) static FORMAT: Format = Format { id: "zstd", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let outcome = compressed::content(walk, pair, (Compression::Zstd, Compression::Zstd))?;
    compressed::trailing(walk, pair, &outcome)?;
    if !outcome.whole {
        return Ok(());
    }
    let frame = |blob: &Blob| -> Result<(String, u8), Stop> {
        let head = blob.exact(4, 2)?;
        let (descriptor, window) = (head.first().copied().unwrap_or(0), head.get(1).copied().unwrap_or(0));
        let single = descriptor & 0x20 != 0;
        let text = format!(
            "content size field {}, single segment {single}, checksum {}, dictionary {}",
            descriptor >> 6,
            descriptor & 4 != 0,
            descriptor & 3
        );
        Ok((text, if single { 0 } else { window }))
    };
    let ((frame_a, window_a), (frame_b, window_b)) = (frame(pair.a)?, frame(pair.b)?);
    let mut named = false;
    if outcome.a.frames != outcome.b.frames {
        let text = |n: u64| format!("{n} frames");
        walk.add(
            Difference::exact(pair.path, Cause::ZstdFrame)
                .values(text(outcome.a.frames), text(outcome.b.frames)),
        );
        named = true;
    } else if outcome.equal && frame_a != frame_b {
        walk.add(Difference::exact(pair.path, Cause::ZstdFrame).values(&frame_a, &frame_b));
        named = !payload_differs(pair)?;
    }
    if outcome.equal && !named && outcome.same_tail() {
        let text = |blob: &Blob, window: u8| format!("{} bytes compressed, window {window}", blob.len());
        walk.add(
            Difference::exact(pair.path, Cause::ZstdLevel)
                .values(text(pair.a, window_a), text(pair.b, window_b)),
        );
    }
    Ok(())
}

/// Whether the first frame's blocks differ, whatever its header says.
fn payload_differs(pair: Pair<'_>) -> Result<bool, Stop> {
    let split = |blob: &Blob| -> Result<Blob, Stop> {
        let descriptor = blob.exact(4, 1)?.first().copied().unwrap_or(0);
        let single = descriptor & 0x20 != 0;
        let window = u64::from(!single);
        let dictionary = [0u64, 1, 2, 4].get(usize::from(descriptor & 3)).copied().unwrap_or(0);
        let size = match descriptor >> 6 {
            0 => u64::from(single),
            1 => 2,
            2 => 4,
            _ => 8,
        };
        let from = 5 + window + dictionary + size;
        let checksum = if descriptor & 4 != 0 { 4 } else { 0 };
        Ok(blob.slice(from, blob.len().saturating_sub(from + checksum)))
    };
    Ok(!split(pair.a)?.equal(&split(pair.b)?)?)
}
