//! Signatures by long-lived keys and lists of checksums: detached, clear-signed and bare.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use reprove::digest::{Digest, DigestSet};
use reprove::limits::signature::SignatureLimits;
use reprove::verdict::Verdict;
use reprove::verify::openpgp::Keyring;
use reprove::verify::signed::{Document, Keys, answer_detached, answer_list, recognise};
use reprove::verify::ssh::AllowedSigners;

const KEYRING: &[u8] = include_bytes!("../../../policies/trust/debian-archive-keyring.pgp");
const ALLOWED: &[u8] = b"ann@example.invalid ssh-ed25519 \
AAAAC3NzaC1lZDI1NTE5AAAAIIqIRiCAHJSEzJz6bFvN1qUCzmHBq0BVTWcOJu9RHmqi\n";

fuzz_target!(|bytes: &[u8]| {
    static GIVEN: OnceLock<(Keyring, Option<AllowedSigners>)> = OnceLock::new();
    let limits = SignatureLimits::DEFAULT;
    let (keyring, allowed) = GIVEN.get_or_init(|| {
        (Keyring::read(KEYRING, &limits).unwrap(), AllowedSigners::parse(ALLOWED, &limits).ok())
    });
    let keys = Keys { openpgp: Some(keyring), ssh: allowed.as_ref(), ..Keys::NONE };
    let as_of = jiff::Timestamp::from_second(1_800_000_000).unwrap();
    let document = Document { source: "fuzz", bytes };
    let _ = recognise(bytes);
    let data: &[u8] = b"nobody signed this";
    let answer = answer_detached(document, data, &keys, as_of, &limits).unwrap();
    assert_ne!(answer.verdict, Verdict::Pass, "a stranger was believed");
    let digests = DigestSet::single(Digest::sha256(data));
    for signature in [None, Some(document)] {
        let answer = answer_list(document, signature, Some("name"), &digests, &keys, as_of, &limits);
        assert_ne!(answer.verdict, Verdict::Pass, "a stranger was believed");
    }
});
