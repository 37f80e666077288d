#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256,
};
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};

use super::*;
use crate::limits::signature::SignatureLimits;
use crate::verify::key::{EnvelopeOutcome, KeyError, verify_envelope};
use crate::verify::public_key::{KeyAlgorithm, PublicKey};

const LIMITS: SignatureLimits = SignatureLimits::DEFAULT;

fn pem(label: &str, body: &[u8]) -> String {
    let body = STANDARD.encode(body);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn pkcs8(kind: KeyAlgorithm) -> Vec<u8> {
    let random = SystemRandom::new();
    match kind {
        KeyAlgorithm::EcdsaP256 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap().as_ref().to_vec()
        }
        KeyAlgorithm::EcdsaP384 => {
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random).unwrap().as_ref().to_vec()
        }
        KeyAlgorithm::Ed25519 => Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref().to_vec(),
        other => panic!("{} keys do not sign here", other.name()),
    }
}

fn key(kind: KeyAlgorithm) -> SigningKey {
    SigningKey::from_pem(pem("PRIVATE KEY", &pkcs8(kind)).as_bytes(), None).unwrap()
}

/// The encrypted form, made with the parameters given.
fn encrypted(pkcs8: &[u8], password: &[u8], n: u64, claimed: (u64, u32, u32)) -> String {
    let mut derived = [0; 32];
    let params = scrypt::Params::new(n.trailing_zeros() as u8, 8, 1, 32).unwrap();
    scrypt::scrypt(password, b"salt of the test", &params, &mut derived).unwrap();
    let ciphertext = XSalsa20Poly1305::new((&derived).into()).encrypt((&[7; 24]).into(), pkcs8).unwrap();
    let json = serde_json::json!({
        "kdf": {"name": "scrypt", "params": {"N": claimed.0, "r": claimed.1, "p": claimed.2},
                "salt": STANDARD.encode(b"salt of the test")},
        "cipher": {"name": "nacl/secretbox", "nonce": STANDARD.encode([7; 24])},
        "ciphertext": STANDARD.encode(ciphertext),
    });
    pem("ENCRYPTED SIGSTORE PRIVATE KEY", json.to_string().as_bytes())
}

#[test]
fn what_is_signed_verifies_with_that_key_and_nothing_else() {
    let stranger = key(KeyAlgorithm::EcdsaP256);
    for kind in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Ed25519] {
        let signing = key(kind);
        assert_eq!(signing.public().algorithm(), kind);
        let public = PublicKey::from_pem(&signing.public().to_pem(), "key").unwrap();
        assert_eq!(&public, signing.public());
        let envelope = sign("application/example", b"payload", &signing).unwrap();
        assert_eq!(envelope.signatures[0].keyid, public.id());

        let both = [stranger.public().clone(), public.clone()];
        let result = verify_envelope(&envelope, &both, &LIMITS).unwrap();
        assert_eq!(result.payload().unwrap(), b"payload");
        assert_eq!(result.keys(), [public.id()]);

        let result = verify_envelope(&envelope, &both[..1], &LIMITS).unwrap();
        assert_eq!(result.payload(), None);
        assert!(matches!(result.signatures[0], EnvelopeOutcome::KeyNotKnown { .. }));
    }
}

#[test]
fn each_field_alone_is_enough_to_refuse() {
    let signing = key(KeyAlgorithm::Ed25519);
    let keys = [signing.public().clone()];
    let honest = sign("application/example", b"payload", &signing).unwrap();
    let refuted = |envelope: &Envelope| {
        let result = verify_envelope(envelope, &keys, &LIMITS).unwrap();
        assert_eq!(result.payload(), None);
        assert_eq!(result.signatures, [EnvelopeOutcome::Refuted { key: keys[0].id() }]);
    };
    refuted(&Envelope { payload: STANDARD.encode("pay1oad"), ..honest.clone() });
    refuted(&Envelope { payload_type: "application/examplf".into(), ..honest.clone() });
    // Moving a byte from the type to the payload: what PAE's lengths are for.
    refuted(&Envelope {
        payload_type: "application/exampl".into(),
        payload: STANDARD.encode("epayload"),
        ..honest.clone()
    });
    let sig = STANDARD.decode(&honest.signatures[0].sig).unwrap();
    for i in 0..sig.len() {
        let mut bad = sig.clone();
        bad[i] ^= 1;
        let mut envelope = honest.clone();
        envelope.signatures[0].sig = STANDARD.encode(bad);
        refuted(&envelope);
    }
    // A hint that names nobody changes the words and never the answer.
    let mut hint = honest.clone();
    hint.signatures[0].keyid = "someone".into();
    assert!(verify_envelope(&hint, &keys, &LIMITS).unwrap().payload().is_some());
    let none = Envelope { signatures: vec![], ..honest.clone() };
    assert!(verify_envelope(&none, &keys, &LIMITS).is_err());
    let many = Envelope { signatures: vec![honest.signatures[0].clone(); 65], ..honest };
    assert!(matches!(verify_envelope(&many, &keys, &LIMITS), Err(KeyError::Signatures { .. })));
}

#[test]
fn two_signatures_of_one_key_are_one_voice() {
    let (a, b) = (key(KeyAlgorithm::Ed25519), key(KeyAlgorithm::EcdsaP384));
    let mut envelope = sign("t", b"payload", &a).unwrap();
    envelope.signatures.push(envelope.signatures[0].clone());
    let keys = [a.public().clone(), b.public().clone()];
    assert_eq!(verify_envelope(&envelope, &keys, &LIMITS).unwrap().keys().len(), 1);
    envelope.signatures.extend(sign("t", b"payload", &b).unwrap().signatures);
    assert_eq!(verify_envelope(&envelope, &keys, &LIMITS).unwrap().keys().len(), 2);
}

#[test]
fn rsa_verifies_and_short_rsa_is_refused() {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = PublicKey::from_der(pair.public_key().as_der().unwrap().as_ref(), "key").unwrap();
    assert_eq!(public.algorithm(), KeyAlgorithm::Rsa);
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), b"message", &mut signature).unwrap();
    assert!(public.verify(b"message", &signature));
    assert!(!public.verify(b"messagf", &signature));
    signature[0] ^= 1;
    assert!(!public.verify(b"message", &signature));

    // rsaEncryption with a modulus of 1024 bits.
    let modulus = [&[0x02, 0x81, 0x81, 0x00][..], &[0xc1; 128]].concat();
    let rsa_key = [&[0x30, 0x81, 0x89][..], &modulus, &[0x02, 0x03, 1, 0, 1]].concat();
    let algorithm = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let bits = [&[0x03, 0x81, 0x8d, 0x00][..], &rsa_key].concat();
    let spki = [&[0x30, 0x81, 0x9f][..], &algorithm, &bits].concat();
    let key = PublicKey::from_pem(&pem("PUBLIC KEY", &spki), "key");
    assert!(key.is_err() || !key.unwrap().verify(b"message", &[0; 128]));
}

#[test]
fn cosign_s_encrypted_keys_open_with_their_password_only() {
    let der = pkcs8(KeyAlgorithm::EcdsaP256);
    let file = encrypted(&der, b"secret", 1 << 10, (1 << 10, 8, 1));
    let opened = SigningKey::from_pem(file.as_bytes(), Some(b"secret")).unwrap();
    assert_eq!(opened.public(), SigningKey::from_pkcs8(&der).unwrap().public());
    let older = file.replace("SIGSTORE", "COSIGN");
    assert!(SigningKey::from_pem(older.as_bytes(), Some(b"secret")).is_ok());
    assert!(matches!(SigningKey::from_pem(file.as_bytes(), Some(b"Secret")), Err(SigningKeyError::Password)));
    assert!(matches!(SigningKey::from_pem(file.as_bytes(), None), Err(SigningKeyError::PasswordMissing)));
}

#[test]
fn a_key_file_cannot_ask_for_the_machine() {
    let der = pkcs8(KeyAlgorithm::Ed25519);
    for claimed in [
        (1 << 22, 8, 1),
        (1 << 62, 8, 1),
        (1 << 14, u32::MAX, 1),
        (1 << 14, 8, 1 << 20),
        (1000, 8, 1),
        (0, 8, 1),
        (1024, 0, 1),
        (1024, 8, 0),
    ] {
        let file = encrypted(&der, b"secret", 1 << 10, claimed);
        let found = SigningKey::from_pem(file.as_bytes(), Some(b"secret"));
        assert!(matches!(found, Err(SigningKeyError::Scrypt { .. })), "{claimed:?} {found:?}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let ed = pkcs8(KeyAlgorithm::Ed25519);
    for (label, body) in [
        ("RSA PRIVATE KEY", ed.as_slice()),
        ("CERTIFICATE", &ed),
        ("PRIVATE KEY", b"\x30\x00"),
        ("PUBLIC KEY", &ed),
    ] {
        assert!(SigningKey::from_pem(pem(label, body).as_bytes(), None).is_err(), "{label}");
        assert!(PublicKey::from_pem(&pem(label, body), "key").is_err(), "{label}");
    }
    let long = " ".repeat(40 << 10) + &key(KeyAlgorithm::EcdsaP256).public().to_pem();
    assert!(PublicKey::from_pem(&long, "key").is_err());
    assert!(matches!(
        SigningKey::from_pem(long.as_bytes(), None),
        Err(SigningKeyError::Key(KeyError::Limit { .. }))
    ));
    let spki = key(KeyAlgorithm::EcdsaP256).public().spki_der().to_vec();
    for i in 0..spki.len() {
        assert!(PublicKey::from_der(&spki[..i], "key").is_err());
    }
    assert!(PublicKey::from_der(&[spki.as_slice(), b"\0"].concat(), "key").is_err());
}

#[test]
fn nothing_of_the_private_key_is_printed() {
    let signing = key(KeyAlgorithm::Ed25519);
    assert_eq!(format!("{signing:?}"), format!("SigningKey({:?})", signing.public()));
}
