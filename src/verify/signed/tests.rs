#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding, SshSig};

use super::*;
use crate::digest::{Algorithm, Digest};
use crate::verdict::Verdict;

const LIMITS: SignatureLimits = SignatureLimits::DEFAULT;
const DATA: &[u8] = b"the released bytes";

fn at() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn digests(bytes: &[u8]) -> DigestSet {
    DigestSet::single(Digest::sha256(bytes))
}

fn ssh_signature(seed: u8, over: &[u8]) -> (String, String) {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]));
    let sig = SshSig::sign(&key, "file", HashAlg::Sha512, over).unwrap().to_pem(LineEnding::LF).unwrap();
    (sig, format!("ann@example.invalid {}", key.public_key().to_openssh().unwrap()))
}

fn minisign_signature(seed: u8, over: &[u8]) -> (String, String) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let sig = pair.sign(over);
    let global = pair.sign(&[sig.as_ref(), b"said"].concat());
    let body = STANDARD.encode([b"Ed", [seed; 8].as_slice(), sig.as_ref()].concat());
    let public = STANDARD.encode([b"Ed", [seed; 8].as_slice(), pair.public_key().as_ref()].concat());
    (format!("untrusted comment: x\n{body}\ntrusted comment: said\n{}\n", STANDARD.encode(global)), public)
}

fn doc<'a>(source: &'a str, bytes: &'a [u8]) -> Document<'a> {
    Document { source, bytes }
}

#[track_caller]
fn expect(answer: &AttestationAnswer, verdict: Verdict, code: &str) {
    assert_eq!(answer.verdict, verdict, "{answer:?}");
    let deciding = answer.checks.iter().any(|c| c.code == code && c.verdict() == Some(verdict));
    assert!(deciding, "no `{code}` with {verdict}: {answer:?}");
    assert_eq!(answer.signers.is_empty(), verdict != Verdict::Pass && code != "checksums-list-the-artifact");
}

#[test]
fn kinds_are_told_by_content() {
    let list = format!("{}  a.txt\n", Digest::sha256(b"a").to_hex());
    for (bytes, format) in [
        (ssh_signature(1, DATA).0, Some(Format::Ssh)),
        (minisign_signature(1, DATA).0, Some(Format::Minisign)),
        (list, Some(Format::Checksums)),
        ("-----BEGIN PGP SIGNED MESSAGE-----\n".into(), Some(Format::OpenPgpCleartext)),
        ("-----BEGIN PGP SIGNATURE-----\n".into(), Some(Format::OpenPgpDetached)),
        ("{}".into(), None),
        (String::new(), None),
    ] {
        assert_eq!(recognise(bytes.as_bytes()), format, "{bytes}");
    }
}

#[test]
fn a_signature_over_the_artifact() {
    let (sig, line) = ssh_signature(1, DATA);
    let allowed = AllowedSigners::parse(line.as_bytes(), &LIMITS).unwrap();
    let keys = Keys { ssh: Some(&allowed), ..Keys::NONE };
    let ask = |sig: &str, data: &[u8], keys: &Keys<'_>| {
        answer_detached(doc("a.sig", sig.as_bytes()), data, keys, at(), &LIMITS).unwrap()
    };
    expect(&ask(&sig, DATA, &keys), Verdict::Pass, "ssh-signature");
    expect(&ask(&sig, b"other", &keys), Verdict::Fail, "ssh-signature");
    expect(&ask(&sig, DATA, &Keys::NONE), Verdict::Inconclusive, "ssh-signature");
    expect(&ask(&ssh_signature(2, DATA).0, DATA, &keys), Verdict::Inconclusive, "ssh-key-allowed");
    expect(&ask(&sig, DATA, &Keys { ssh_namespace: "git", ..keys }), Verdict::Fail, "ssh-namespace");
    expect(&ask(&sig, DATA, &Keys { ssh_identity: Some("eve"), ..keys }), Verdict::Fail, "ssh-key-allowed");
    expect(&ask("{}", DATA, &keys), Verdict::Inconclusive, "openpgp-signature");
    expect(&ask(&sig.replace("END", "XXX"), DATA, &keys), Verdict::Fail, "signature-readable");

    let (sig, public) = minisign_signature(1, DATA);
    let given = minisign::Keys::read(public.as_bytes()).unwrap();
    let keys = Keys { minisign: Some(&given), ..Keys::NONE };
    expect(&ask(&sig, DATA, &keys), Verdict::Pass, "minisign-signature");
    expect(&ask(&sig, b"other", &keys), Verdict::Fail, "minisign-signature");
    expect(&ask(&sig, DATA, &Keys::NONE), Verdict::Inconclusive, "minisign-signature");
    expect(&ask(&minisign_signature(2, DATA).0, DATA, &keys), Verdict::Inconclusive, "minisign-key-known");
}

#[test]
fn a_signed_list_vouches_for_what_it_lists_and_an_unsigned_one_for_nothing() {
    let list =
        format!("{}  dist/a.txt\n{}  b.txt\n", Digest::sha256(b"a").to_hex(), Digest::sha256(b"b").to_hex());
    let (sig, public) = minisign_signature(1, list.as_bytes());
    let given = minisign::Keys::read(public.as_bytes()).unwrap();
    let keys = Keys { minisign: Some(&given), ..Keys::NONE };
    let ask = |list: &str, sig: Option<&str>, name: &str, bytes: &[u8]| {
        let sig = sig.map(|s| doc("SHA256SUMS.minisig", s.as_bytes()));
        answer_list(
            doc("SHA256SUMS", list.as_bytes()),
            sig,
            Some(name),
            &digests(bytes),
            &keys,
            at(),
            &LIMITS,
        )
    };
    const LISTED: &str = "checksums-list-the-artifact";
    expect(&ask(&list, Some(&sig), "a.txt", b"a"), Verdict::Pass, LISTED);
    expect(&ask(&list, Some(&sig), "a.txt", b"x"), Verdict::Fail, LISTED);
    expect(&ask(&list, Some(&sig), "a.txt", b"b"), Verdict::Fail, LISTED);
    expect(&ask(&list, Some(&sig), "c.txt", b"a"), Verdict::Fail, LISTED);
    expect(&ask(&list, Some(&sig), "c.txt", b"c"), Verdict::Inconclusive, LISTED);
    expect(&ask(&list, None, "a.txt", b"a"), Verdict::Inconclusive, "checksums-signed");
    expect(
        &ask(&list.replace("a.txt", "c.txt"), Some(&sig), "c.txt", b"a"),
        Verdict::Fail,
        "minisign-signature",
    );

    let clear = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\n\n{list}-----BEGIN PGP SIGNATURE-----\n\naGk=\n-----END PGP SIGNATURE-----\n"
    );
    expect(&ask(&clear, None, "a.txt", b"a"), Verdict::Inconclusive, "openpgp-signature");
    expect(&ask(&format!("{clear}x\n"), None, "a.txt", b"a"), Verdict::Fail, "signature-readable");
    let long = DigestSet::single(Digest::of(Algorithm::Sha512, b"a"));
    let answer = answer_list(
        doc("l", list.as_bytes()),
        Some(doc("s", sig.as_bytes())),
        Some("a.txt"),
        &long,
        &keys,
        at(),
        &LIMITS,
    );
    expect(&answer, Verdict::Inconclusive, LISTED);
}

#[test]
fn taking_evidence_away_never_gives_a_pass() {
    let list = format!("{}  a.txt\n", Digest::sha256(b"a").to_hex());
    let (sig, public) = minisign_signature(1, list.as_bytes());
    let given = minisign::Keys::read(public.as_bytes()).unwrap();
    for (with_sig, with_keys, listed) in (0..8).map(|n| (n & 1 != 0, n & 2 != 0, n & 4 != 0)) {
        let keys = Keys { minisign: with_keys.then_some(&given), ..Keys::NONE };
        let sig = with_sig.then(|| doc("s", sig.as_bytes()));
        let name = if listed { "a.txt" } else { "b.txt" };
        let answer =
            answer_list(doc("l", list.as_bytes()), sig, Some(name), &digests(b"a"), &keys, at(), &LIMITS);
        assert_eq!(answer.verdict == Verdict::Pass, with_sig && with_keys && listed);
    }
}

#[cfg(feature = "openpgp")]
#[test]
fn beside_a_good_openpgp_signature_unknown_keys_are_remarks_and_refuted_ones_count() {
    use SignatureOutcome::{Good, KeyNotKnown, Refuted};
    let good = Good { fingerprint: "AA".into(), signing_key: "BB".into(), user_id: None, created: at() };
    let unknown = KeyNotKnown { issuers: vec!["CC".into()] };
    let refuted = Refuted { issuers: vec!["DD".into()], reason: "x".into() };
    let verdict = |outcomes: &[SignatureOutcome]| Check::verdict_of(&of_openpgp(outcomes).checks);
    assert_eq!(verdict(&[good.clone(), unknown.clone()]), Verdict::Pass);
    assert_eq!(verdict(&[good.clone(), refuted]), Verdict::Fail);
    assert_eq!(verdict(&[unknown]), Verdict::Inconclusive);
    assert_eq!(verdict(&[]), Verdict::Inconclusive);
    assert_eq!(of_openpgp(&[good.clone(), good]).signers.len(), 1);
}
