//! .xz (format 1.1.0): check kind, blocks, level.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::super::xz_blocks;
use super::{Format, Probe, compressed};
use crate::archive::compression::Compression;

pub(crate) static FORMAT: Format = Format { id: "xz", recognise, compare };

fn recognise(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0])
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let outcome = compressed::content(walk, pair, (Compression::Xz, Compression::Xz))?;
    compressed::trailing(walk, pair, &outcome)?;
    if !outcome.whole {
        return Ok(());
    }
    let check =
        |blob: &Blob| -> Result<u8, Stop> { Ok(blob.exact(7, 1)?.first().copied().unwrap_or(0) & 15) };
    let (check_a, check_b) = (check(pair.a)?, check(pair.b)?);
    if check_a != check_b {
        walk.add(
            Difference::exact(pair.path, Cause::XzCheck).values(check_name(check_a), check_name(check_b)),
        );
    }
    let (layout_a, layout_b) = (xz_blocks::layout(pair.a), xz_blocks::layout(pair.b));
    let cuts = |layout: &Option<xz_blocks::Layout>| {
        layout.as_ref().map(|l| l.blocks.iter().map(|b| b.expanded).collect::<Vec<_>>())
    };
    let same_cuts = match (cuts(&layout_a), cuts(&layout_b)) {
        (Some(a), Some(b)) if outcome.equal => a == b,
        // Content of another length is cut elsewhere; only the number of full blocks tells.
        (Some(a), Some(b)) => a.first() == b.first() || (a.len() == 1 && b.len() == 1),
        _ => outcome.a.frames == outcome.b.frames,
    };
    if !same_cuts {
        let text = |n: &Option<xz_blocks::Layout>, frames: u64| match n {
            Some(layout) => format!("{} blocks", layout.blocks.len()),
            None => format!("{frames} streams"),
        };
        walk.add(
            Difference::exact(pair.path, Cause::XzBlocks)
                .values(text(&layout_a, outcome.a.frames), text(&layout_b, outcome.b.frames)),
        );
    }
    // The filters with their dictionary size, without the sizes that a threaded encoder adds.
    let filters = |blob: &Blob| -> Result<Vec<u8>, Stop> {
        let head = blob.head(12 + 1024)?;
        let header = head.get(12..).unwrap_or_default();
        let flags = header.get(1).copied().unwrap_or(0);
        let mut at = 2;
        for present in [flags & 0x40, flags & 0x80] {
            if present != 0 {
                at += header.get(at..).unwrap_or_default().iter().take_while(|b| *b & 0x80 != 0).count() + 1;
            }
        }
        let end = usize::from(header.first().copied().unwrap_or(0)) * 4;
        let mut filters = header.get(at..end.max(at)).unwrap_or_default().to_vec();
        while filters.last() == Some(&0) {
            filters.pop();
        }
        filters.push(flags & 3);
        Ok(filters)
    };
    let (filters_a, filters_b) = (filters(pair.a)?, filters(pair.b)?);
    let bytes_differ = outcome.equal && check_a == check_b && same_cuts && outcome.same_tail();
    if filters_a != filters_b
        || bytes_differ
        || (outcome.equal && same_cuts && sizes_differ(&layout_a, &layout_b))
    {
        let size = |blob: &Blob, filters: &[u8]| {
            format!("{} bytes compressed, filters {}", blob.len(), hex::encode(filters))
        };
        walk.add(
            Difference::exact(pair.path, Cause::XzLevel)
                .values(size(pair.a, &filters_a), size(pair.b, &filters_b)),
        );
    }
    Ok(())
}

fn sizes_differ(a: &Option<xz_blocks::Layout>, b: &Option<xz_blocks::Layout>) -> bool {
    // Another check changes a block's size by the difference of the checks' lengths alone.
    let check_bytes = |l: &xz_blocks::Layout| match l.check & 15 {
        0 => 0u64,
        1 => 4,
        4 => 8,
        10 => 32,
        _ => 64,
    };
    match (a, b) {
        (Some(a), Some(b)) => a.blocks.iter().zip(&b.blocks).any(|(x, y)| {
            x.unpadded.saturating_sub(check_bytes(a)) != y.unpadded.saturating_sub(check_bytes(b))
        }),
        _ => false,
    }
}

const fn check_name(id: u8) -> &'static str {
    match id {
        0 => "none",
        1 => "CRC32",
        4 => "CRC64",
        10 => "SHA-256",
        _ => "reserved",
    }
}
