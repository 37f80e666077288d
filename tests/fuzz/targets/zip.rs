//! The reader of zip archives: members lie within the file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprove::archive::ArchiveError;
use reprove::archive::zip::{self, ReadAt, extra_fields};
use reprove::limits::archive::ArchiveLimits;

struct Bytes<'b>(&'b [u8]);

impl ReadAt for Bytes<'_> {
    fn len_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn bytes_at(&self, at: u64, len: usize) -> Result<Vec<u8>, ArchiveError> {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let part = from.checked_add(len).and_then(|to| self.0.get(from..to));
        part.map(<[u8]>::to_vec)
            .ok_or_else(|| ArchiveError::Truncated { format: "zip", detail: format!("{len} bytes at {at}") })
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(archive) = zip::read(&Bytes(bytes), &ArchiveLimits::DEFAULT) else { return };
    for entry in &archive.entries {
        let end = entry.data_at.checked_add(entry.packed_bytes);
        assert!(end.is_some_and(|end| end <= bytes.len() as u64), "a member past the end: {entry:?}");
        for extra in [&entry.extra.0, &entry.extra.1] {
            assert!(extra_fields(extra).count() <= extra.len());
        }
    }
    for (from, to) in &archive.gaps {
        assert!(from <= to && *to <= bytes.len() as u64, "a gap past the end");
    }
});
