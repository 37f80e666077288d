//! The reader of tar archives: no body goes past what is stored or said, and memory stays bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprove::archive::tar::TarReader;
use reprove::limits::archive::ArchiveLimits;

fuzz_target!(|bytes: &[u8]| {
    let limits = ArchiveLimits { expanded_bytes_max: 16 << 20, members_max: 1000, ..ArchiveLimits::DEFAULT };
    let mut reader = TarReader::new(bytes, &limits);
    let mut buffer = [0; 4096];
    let mut members = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        members += 1;
        assert!(members <= limits.members_max, "more members than the limit");
        let mut read = 0u64;
        while let Ok(n @ 1..) = reader.read_body(&mut buffer) {
            read += n as u64;
        }
        assert!(read <= entry.len_bytes.max(entry.stored_bytes), "a body longer than its header says");
    }
});
