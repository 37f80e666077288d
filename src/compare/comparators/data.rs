//! What no other comparator takes: bytes without known structure.

use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};

/// Compares two sides as plain bytes.
pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    walk.changed.insert(pair.path.to_owned());
    let values = |blob: &super::super::blob::Blob| -> Result<String, Stop> {
        Ok(format!("{} bytes, sha256:{}", blob.len(), blob.sha256()?.to_hex()))
    };
    let mut difference =
        Difference::exact(pair.path, Cause::Content).values(values(pair.a)?, values(pair.b)?);
    if pair.a.len() == pair.b.len() {
        difference = difference.bytes(pair.a.differing(pair.b, &[])?);
    }
    walk.add(difference);
    Ok(())
}
