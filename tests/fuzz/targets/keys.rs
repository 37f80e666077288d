//! Keys as people hand them over: PEM, DER, OpenPGP keyrings, allowed signers, minisign.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reprove::limits::signature::SignatureLimits;
use reprove::verify::minisign;
use reprove::verify::openpgp::Keyring;
use reprove::verify::public_key::PublicKey;
use reprove::verify::ssh::AllowedSigners;

fuzz_target!(|bytes: &[u8]| {
    let limits = SignatureLimits::DEFAULT;
    let keys = [
        PublicKey::from_der(bytes, "fuzz").ok(),
        std::str::from_utf8(bytes).ok().and_then(|pem| PublicKey::from_pem(pem, "fuzz").ok()),
    ];
    for key in keys.into_iter().flatten() {
        assert!(!key.verify(b"nobody signed this", bytes));
        assert!(key.ssh_fingerprint().starts_with("SHA256:"));
    }
    let _ = AllowedSigners::parse(bytes, &limits);
    let _ = minisign::Keys::read(bytes);
    if let Ok(keyring) = Keyring::read(bytes, &limits) {
        let _ = keyring.certificates(jiff::Timestamp::UNIX_EPOCH);
    }
});
