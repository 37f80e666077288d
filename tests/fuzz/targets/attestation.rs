//! Attestation documents of every format, as far as a stranger's can get: read, and judged.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use reprove::digest::{Digest, DigestSet};
use reprove::limits::verify::VerifyLimits;
use reprove::verdict::Verdict;
use reprove::verify::policy::{Policy, SignerDemand};
use reprove::verify::trust::Trust;
use reprove::verify::{self, Context, Subject};

fuzz_target!(|bytes: &[u8]| {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    let trust = TRUST.get_or_init(|| Trust::embedded().unwrap());
    let limits = VerifyLimits::DEFAULT;
    let Ok(attestations) = verify::document::read(bytes, "fuzz", &limits) else { return };
    let policy = Policy { signer: SignerDemand::Anybody, ..Policy::new() };
    let as_of = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let context = Context { trust, policy: &policy, log_entries: &[], as_of, limits: &limits };
    let subject = Subject {
        name: "artifact".to_owned(),
        is_file_name: true,
        digests: DigestSet::single(Digest::sha256(b"nobody attested this")),
        bytes: verify::needs_bytes(&attestations).then(|| b"nobody attested this".to_vec()),
    };
    let answers = verify::verify(&[subject], &attestations, &context);
    assert!(answers.iter().all(|answer| answer.verdict != Verdict::Pass), "a stranger was believed");
    verify::verify_alone(&attestations, &context);
});
