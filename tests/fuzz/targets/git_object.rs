//! Raw commits and tags with their signatures: OpenPGP, SSH, CMS.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use reprove::limits::signature::SignatureLimits;
use reprove::limits::verify::VerifyLimits;
use reprove::verdict::Verdict;
use reprove::verify::Context;
use reprove::verify::git::{ObjectKind, answer_object};
use reprove::verify::openpgp::Keyring;
use reprove::verify::policy::{Policy, SignerDemand};
use reprove::verify::signed::Keys;
use reprove::verify::trust::Trust;

const KEYRING: &[u8] = include_bytes!("../../../policies/trust/debian-archive-keyring.pgp");

fuzz_target!(|bytes: &[u8]| {
    static GIVEN: OnceLock<(Trust, Keyring)> = OnceLock::new();
    let limits = SignatureLimits::DEFAULT;
    let (trust, keyring) =
        GIVEN.get_or_init(|| (Trust::embedded().unwrap(), Keyring::read(KEYRING, &limits).unwrap()));
    let policy = Policy { signer: SignerDemand::Anybody, ..Policy::new() };
    let as_of = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let context = Context { trust, policy: &policy, log_entries: &[], as_of, limits: &VerifyLimits::DEFAULT };
    let keys = Keys { openpgp: Some(keyring), sigstore: Some(&context), ..Keys::NONE };
    for (kind, name) in [(ObjectKind::Commit, None), (ObjectKind::Tag, Some("v1"))] {
        let answer = answer_object(kind, bytes, name, "fuzz", &keys, as_of, &limits);
        assert_ne!(answer.verdict, Verdict::Pass, "a stranger was believed");
    }
});
