#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use sequoia_openpgp as openpgp;

use openpgp::cert::prelude::*;
use openpgp::crypto::KeyPair;
use openpgp::packet::signature::SignatureBuilder;
use openpgp::policy::StandardPolicy;
use openpgp::serialize::stream::{Message, Signer};
use openpgp::serialize::{Marshal as _, SerializeInto as _};
use openpgp::types::{HashAlgorithm, KeyFlags, ReasonForRevocation, SignatureType};
use openpgp::{Cert, Packet};

use super::*;

const DAY: u64 = 24 * 3600;
const LIMITS: SignatureLimits = SignatureLimits::DEFAULT;

/// 2026-06-01, when the keys are made.
fn born() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_272_000)
}

fn day(n: u64) -> SystemTime {
    born() + Duration::from_secs(n * DAY)
}

fn at(n: u64) -> Timestamp {
    Timestamp::try_from(day(n)).unwrap()
}

fn certificate(build: impl FnOnce(CertBuilder<'_>) -> CertBuilder<'_>) -> Cert {
    build(CertBuilder::new().set_creation_time(born()).add_userid("Ann Example <ann@example.invalid>"))
        .generate()
        .unwrap()
        .0
}

fn ordinary() -> Cert {
    certificate(|b| b.add_signing_subkey())
}

/// The pair of the first key that may sign, or of the primary key.
fn pair(cert: &Cert) -> KeyPair {
    let policy = StandardPolicy::at(day(0));
    let valid = cert.with_policy(&policy, day(0)).unwrap();
    let key = valid.keys().for_signing().secret().next().map(|k| k.key().clone());
    let key = key.unwrap_or_else(|| cert.primary_key().key().clone().parts_into_secret().unwrap().into());
    key.into_keypair().unwrap()
}

fn signature(
    mut by: KeyPair,
    data: &[u8],
    when: SystemTime,
    tweak: impl FnOnce(SignatureBuilder) -> SignatureBuilder,
) -> Vec<u8> {
    let builder = SignatureBuilder::new(SignatureType::Binary).set_signature_creation_time(when).unwrap();
    let builder = tweak(builder);
    Packet::from(builder.sign_message(&mut by, data).unwrap()).to_vec().unwrap()
}

fn cleartext(certs: &[&Cert], text: &[u8], when: SystemTime) -> Vec<u8> {
    let mut out = Vec::new();
    let mut signer = Signer::new(Message::new(&mut out), pair(certs[0])).unwrap();
    for cert in &certs[1..] {
        signer = signer.add_signer(pair(cert)).unwrap();
    }
    let mut message = signer.cleartext().creation_time(when).build().unwrap();
    message.write_all(text).unwrap();
    message.finalize().unwrap();
    out
}

fn keyring(certs: &[&Cert]) -> Keyring {
    let mut bytes = Vec::new();
    for cert in certs {
        cert.serialize(&mut bytes).unwrap();
    }
    Keyring::read(&bytes, &LIMITS).unwrap()
}

fn codes(outcomes: &[SignatureOutcome]) -> Vec<&'static str> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            SignatureOutcome::Good { .. } => "good",
            SignatureOutcome::KeyNotKnown { .. } => "key_not_known",
            SignatureOutcome::Refuted { .. } => "refuted",
            SignatureOutcome::KeyNotBound { .. } => "key_not_bound",
            SignatureOutcome::KeyNotLive { .. } => "key_not_live",
            SignatureOutcome::SignatureNotLive { .. } => "signature_not_live",
            SignatureOutcome::WeakAlgorithm { .. } => "weak_algorithm",
            SignatureOutcome::NotUnderstood { .. } => "not_understood",
        })
        .collect()
}

/// One detached signature over `bytes`, made on day 10 and judged on day 20.
#[track_caller]
fn check(cert: &Cert, in_keyring: &Cert, expect: &str) {
    let file = signature(pair(cert), b"bytes", day(10), |b| b);
    let ring = keyring(&[in_keyring]);
    let found = verify_detached(&file, &b"bytes"[..], &ring, at(20), &LIMITS).unwrap();
    assert_eq!(codes(&found), [expect], "{found:?}");
    let found = verify_detached(&file, &b"bytez"[..], &ring, at(20), &LIMITS).unwrap();
    let other = if expect == "key_not_known" { expect } else { "refuted" };
    assert_eq!(codes(&found), [other], "over other bytes: {found:?}");
}

#[test]
fn a_signature_is_as_good_as_its_key_was_when_it_signed() {
    let good = ordinary();
    check(&good, &good, "good");
    check(&good, &ordinary(), "key_not_known");

    let short = certificate(|b| b.add_signing_subkey().set_validity_period(Duration::from_secs(5 * DAY)));
    check(&short, &short, "key_not_live");
    let longer = certificate(|b| b.add_signing_subkey().set_validity_period(Duration::from_secs(15 * DAY)));
    check(&longer, &longer, "good");

    let encrypting = certificate(|b| b.set_primary_key_flags(KeyFlags::empty().set_certification()));
    check(&encrypting, &encrypting, "key_not_live");
}

#[test]
fn a_signature_before_its_key_is_no_signature() {
    let cert = ordinary();
    let file = signature(pair(&cert), b"bytes", day(0) + Duration::from_secs(1), |b| b);
    let found = verify_detached(&file, &b"bytes"[..], &keyring(&[&cert]), at(20), &LIMITS).unwrap();
    assert_eq!(codes(&found), ["good"]);
    // Judged before it was made, it is dated in the future.
    let found = verify_detached(&file, &b"bytes"[..], &keyring(&[&cert]), at(0), &LIMITS).unwrap();
    assert_eq!(codes(&found), ["signature_not_live"]);
}

#[test]
fn the_signature_s_own_end_is_judged_at_as_of() {
    let cert = ordinary();
    let file = signature(pair(&cert), b"bytes", day(10), |b| {
        b.set_signature_validity_period(Duration::from_secs(5 * DAY)).unwrap()
    });
    let judged =
        |n| codes(&verify_detached(&file, &b"bytes"[..], &keyring(&[&cert]), at(n), &LIMITS).unwrap());
    assert_eq!(judged(12), ["good"]);
    assert_eq!(judged(16), ["signature_not_live"]);
}

#[test]
fn revocation_counts_even_when_another_copy_of_the_certificate_lacks_it() {
    let cert = ordinary();
    let mut primary = cert.primary_key().key().clone().parts_into_secret().unwrap().into_keypair().unwrap();
    let mut revoke = |reason, n| {
        let revocation = CertRevocationBuilder::new()
            .set_reason_for_revocation(reason, b"as a test")
            .unwrap()
            .set_signature_creation_time(day(n))
            .unwrap()
            .build(&mut primary, &cert, HashAlgorithm::SHA512)
            .unwrap();
        cert.clone().insert_packets([Packet::from(revocation)]).unwrap().0
    };
    let compromised = revoke(ReasonForRevocation::KeyCompromised, 15);
    check(&cert, &compromised, "key_not_live");
    check(&cert, &revoke(ReasonForRevocation::KeyRetired, 15), "good");
    check(&cert, &revoke(ReasonForRevocation::KeyRetired, 5), "key_not_live");

    let file = signature(pair(&cert), b"bytes", day(10), |b| b);
    for order in [[&cert, &compromised], [&compromised, &cert]] {
        let ring = keyring(&order);
        assert_eq!(ring.len(), 1);
        let found = verify_detached(&file, &b"bytes"[..], &ring, at(20), &LIMITS).unwrap();
        assert_eq!(codes(&found), ["key_not_live"], "{found:?}");
    }
    let listed = keyring(&[&compromised]).certificates(at(20));
    assert!(
        matches!(&listed[0].standing, CertificateStanding::Revoked(r) if r.contains("as a test")),
        "{listed:?}"
    );
}

#[test]
fn a_subkey_that_nothing_binds_vouches_for_nothing() {
    let cert = ordinary();
    let mut packets: Vec<Packet> = cert.clone().strip_secret_key_material().into_packets().collect();
    let subkey = packets.iter().position(|p| matches!(p, Packet::PublicSubkey(_))).unwrap();
    assert!(matches!(packets.remove(subkey + 1), Packet::Signature(_)));
    let mut bytes = Vec::new();
    for packet in &packets {
        openpgp::serialize::Serialize::serialize(packet, &mut bytes).unwrap();
    }
    let ring = Keyring::read(&bytes, &LIMITS).unwrap();
    let file = signature(pair(&cert), b"bytes", day(10), |b| b);
    let found = verify_detached(&file, &b"bytes"[..], &ring, at(20), &LIMITS).unwrap();
    assert_eq!(codes(&found), ["key_not_bound"], "{found:?}");
    assert_eq!(found[0].verdict(), Verdict::Inconclusive);
    let found = verify_detached(&file, &b"bytez"[..], &ring, at(20), &LIMITS).unwrap();
    assert_eq!(codes(&found), ["refuted"], "{found:?}");
}

#[test]
fn sha1_establishes_nothing_even_when_judged_in_the_past() {
    let cert = ordinary();
    let file = signature(pair(&cert), b"bytes", day(10), |b| b.set_hash_algo(HashAlgorithm::SHA1));
    let found = verify_detached(&file, &b"bytes"[..], &keyring(&[&cert]), at(20), &LIMITS).unwrap();
    assert_eq!(codes(&found), ["weak_algorithm"], "{found:?}");
    assert!(
        engine::policy("2010-01-01T00:00:00Z".parse().unwrap()).time().unwrap()
            > SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_000_000)
    );
}

#[test]
fn clear_signed_text_comes_out_only_with_a_good_signature() {
    let (ann, bob) = (ordinary(), ordinary());
    let text = b"Origin: Example\n- dash\nFrom here  \n\nend";
    let file = cleartext(&[&ann, &bob], text, day(10));

    let both = verify_cleartext(&file, &keyring(&[&ann, &bob]), at(20), &LIMITS).unwrap();
    assert_eq!(codes(&both.signatures), ["good"; 2]);
    assert_eq!(both.text().unwrap(), b"Origin: Example\n- dash\nFrom here\n\nend\n");

    let one = verify_cleartext(&file, &keyring(&[&bob]), at(20), &LIMITS).unwrap();
    assert_eq!(one.good().count(), 1);
    assert!(codes(&one.signatures).contains(&"key_not_known"));

    let none = verify_cleartext(&file, &keyring(&[&ordinary()]), at(20), &LIMITS).unwrap();
    assert_eq!((none.text(), codes(&none.signatures)), (None, vec!["key_not_known"; 2]));

    let tampered = String::from_utf8(file).unwrap().replace("Origin: Example", "Origin: Exemple");
    let tampered = verify_cleartext(tampered.as_bytes(), &keyring(&[&ann, &bob]), at(20), &LIMITS).unwrap();
    assert_eq!((tampered.text(), codes(&tampered.signatures)), (None, vec!["refuted"; 2]));
}

#[test]
fn every_changed_byte_of_the_text_is_refused() {
    let cert = ordinary();
    let file = cleartext(&[&cert], b"Package: hello\nVersion: 1\n\nend\n", day(10));
    let ring = keyring(&[&cert]);
    let honest = verify_cleartext(&file, &ring, at(20), &LIMITS).unwrap().text().unwrap().to_vec();
    for i in 0..file.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut bad = file.clone();
            bad[i] ^= flip;
            if let Ok(result) = verify_cleartext(&bad, &ring, at(20), &LIMITS)
                && let Some(text) = result.text()
            {
                assert_eq!(text, honest, "byte {i} ^ {flip:#x} changed the text and passed");
            }
        }
    }
}

#[test]
fn one_odd_signature_does_not_hide_the_others() {
    let cert = ordinary();
    let good = signature(pair(&cert), b"bytes", day(10), |b| b);
    let bad = signature(pair(&cert), b"other", day(10), |b| b);
    // A version that nobody has defined, in a well-formed packet.
    let odd = [0xc2, 0x03, 99, 0, 0].to_vec();
    let file = [odd, bad, good].concat();
    let found = verify_detached(&file, &b"bytes"[..], &keyring(&[&cert]), at(20), &LIMITS).unwrap();
    assert_eq!(codes(&found), ["not_understood", "refuted", "good"], "{found:?}");
}

#[test]
fn bounds_hold() {
    let cert = ordinary();
    let one = signature(pair(&cert), b"bytes", day(10), |b| b);
    let few = SignatureLimits { signatures_max: 2, ..LIMITS };
    let ring = keyring(&[&cert]);
    let found = verify_detached(&one.repeat(3), &b"bytes"[..], &ring, at(20), &few);
    assert!(matches!(found, Err(OpenPgpError::Limit { limit: "signatures_max", .. })));
    let small = SignatureLimits { signature_bytes_max: one.len() - 1, ..LIMITS };
    assert!(matches!(
        verify_detached(&one, &b"bytes"[..], &ring, at(20), &small),
        Err(OpenPgpError::Limit { limit: "signature_bytes_max", .. })
    ));
    let bytes = cert.to_vec().unwrap();
    let small = SignatureLimits { keyring_bytes_max: bytes.len() - 1, ..LIMITS };
    assert!(matches!(
        Keyring::read(&bytes, &small),
        Err(OpenPgpError::Limit { limit: "keyring_bytes_max", .. })
    ));
    let small = SignatureLimits { certificates_max: 1, ..LIMITS };
    assert!(matches!(
        Keyring::read(&bytes.repeat(2), &small),
        Err(OpenPgpError::Limit { limit: "certificates_max", .. })
    ));
}

#[test]
fn what_is_no_keyring_or_no_signature_is_refused() {
    for bytes in [&b""[..], b"hello", b"\xff\xff\xff\xff", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"] {
        assert!(matches!(Keyring::read(bytes, &LIMITS), Err(OpenPgpError::Keyring { .. })), "{bytes:?}");
    }
    let cert = ordinary();
    let ring = keyring(&[&cert]);
    for file in [&b""[..], b"hello", b"\x88\x01", &cert.to_vec().unwrap()] {
        let found = verify_detached(file, &b"bytes"[..], &ring, at(20), &LIMITS);
        assert!(
            !matches!(&found, Ok(all) if all.iter().any(SignatureOutcome::is_good)),
            "{file:?} {found:?}"
        );
    }
}

#[test]
fn a_reader_that_fails_is_not_a_refusal() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk"))
        }
    }
    let cert = ordinary();
    let file = signature(pair(&cert), b"bytes", day(10), |b| b);
    let found = verify_detached(&file, Broken, &keyring(&[&cert]), at(20), &LIMITS);
    assert!(matches!(found, Err(OpenPgpError::Read(_))), "{found:?}");
}

#[test]
fn debian_s_own_indexes_verify_where_this_machine_has_them() {
    let as_of: Timestamp = "2029-12-31T00:00:00Z".parse().unwrap();
    let Ok(bytes) = std::fs::read("/usr/share/keyrings/debian-archive-keyring.gpg") else {
        eprintln!("skipped: no debian-archive-keyring on this machine");
        return;
    };
    let ring = Keyring::read(&bytes, &LIMITS).unwrap();
    assert_eq!(ring.unreadable(), 0);
    let stranger = keyring(&[&ordinary()]);
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    let indexes: Vec<_> = lists
        .filter(|e| {
            e.file_name().to_string_lossy().contains(".debian.")
                && e.file_name().to_string_lossy().ends_with("_InRelease")
        })
        .collect();
    if indexes.is_empty() {
        eprintln!("skipped: no Debian InRelease on this machine");
    }
    for entry in indexes {
        let mut file = std::fs::read(entry.path()).unwrap();
        let result = verify_cleartext(&file, &ring, as_of, &LIMITS).unwrap();
        assert!(result.good().count() >= 1, "{:?}: {:?}", entry.file_name(), result.signatures);
        assert!(result.text().unwrap().starts_with(b"Origin: Debian\n"));
        assert_eq!(verify_cleartext(&file, &stranger, as_of, &LIMITS).unwrap().text(), None);
        let i = file.len() / 2;
        file[i] ^= 1;
        assert!(!verify_cleartext(&file, &ring, as_of, &LIMITS).is_ok_and(|r| r.text().is_some()));
    }
}
