#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr)]

use std::process::{Command, Stdio};

use ssh_key::certificate::Builder;
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{LineEnding, SshSig};

use super::*;

const LIMITS: SignatureLimits = SignatureLimits::DEFAULT;
const DATA: &[u8] = b"the released bytes";
const ANN: &str = "ann@example.invalid";

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn signature(by: &PrivateKey, namespace: &str) -> String {
    SshSig::sign(by, namespace, HashAlg::Sha512, DATA).unwrap().to_pem(LineEnding::LF).unwrap()
}

fn openssh(key: &PrivateKey) -> String {
    key.public_key().to_openssh().unwrap()
}

fn word(outcome: &SshOutcome) -> &'static str {
    match outcome {
        SshOutcome::Good { .. } => "good",
        SshOutcome::KeyNotAllowed { .. } => "not-listed",
        SshOutcome::NotAllowedForThis { .. } => "not-allowed",
        SshOutcome::OtherNamespace { .. } => "namespace",
        SshOutcome::Refuted { .. } => "refuted",
        SshOutcome::Weak { .. } => "weak",
        SshOutcome::NotUnderstood { .. } => "not-understood",
    }
}

#[track_caller]
fn check(sig: &str, file: &str, question: Question<'_>, data: &[u8], expect: &str) {
    let allowed = AllowedSigners::parse(file.as_bytes(), &LIMITS).unwrap();
    let found = verify(sig.as_bytes(), data, &allowed, &question, &LIMITS).unwrap();
    assert_eq!(word(&found), expect, "{found}");
}

#[test]
fn only_an_allowed_key_for_this_purpose_person_and_time() {
    let (ann, bob) = (key(1), key(2));
    let sig = signature(&ann, "file");
    let line = format!("{ANN} {}", openssh(&ann));
    let ask = Question { namespace: "file", identity: Some(ANN), at: at("2026-06-01T00:00:00Z") };

    check(&sig, &line, ask, DATA, "good");
    check(&sig, &line, Question { identity: None, ..ask }, DATA, "good");
    check(&sig, &line, ask, b"the released bytez", "refuted");
    check(&sig, &line, Question { namespace: "git", ..ask }, DATA, "namespace");
    check(&sig, &line, Question { identity: Some("bob@example.invalid"), ..ask }, DATA, "not-allowed");
    check(&sig, &format!("{ANN} {}", openssh(&bob)), ask, DATA, "not-listed");
    check(&sig, "", ask, DATA, "not-listed");

    let with = |options: &str| format!("{ANN} {options} {}", openssh(&ann));
    check(&sig, &with("namespaces=\"file,git\""), ask, DATA, "good");
    check(&sig, &with("namespaces=\"git\""), ask, DATA, "not-allowed");
    check(&sig, &with("valid-after=\"20260101Z\",valid-before=\"20261231Z\""), ask, DATA, "good");
    check(&sig, &with("valid-before=\"20260531235959Z\""), ask, DATA, "not-allowed");
    check(&sig, &with("valid-before=\"20260601Z\""), ask, DATA, "good");
    check(&sig, &with("valid-after=\"202606010001Z\""), ask, DATA, "not-allowed");
    // A key listed as an authority does not sign files itself.
    check(&sig, &with("cert-authority"), ask, DATA, "not-listed");
    // A line that refuses does not hide one that allows.
    check(&sig, &format!("{}\n{line}", with("namespaces=\"git\"")), ask, DATA, "good");
}

#[test]
fn every_changed_byte_is_refused() {
    let ann = key(1);
    let honest = signature(&ann, "file");
    let allowed = AllowedSigners::parse(format!("{ANN} {}", openssh(&ann)).as_bytes(), &LIMITS).unwrap();
    let ask = Question { namespace: "file", identity: Some(ANN), at: at("2026-06-01T00:00:00Z") };
    use base64::Engine as _;
    let body: String = honest.lines().filter(|l| !l.starts_with('-')).collect();
    let blob = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    for i in 0..=blob.len() {
        let mut bad = blob.clone();
        match bad.get_mut(i) {
            Some(byte) => *byte ^= 1,
            None => bad.push(0),
        }
        let armour = format!(
            "{}\n{}\n-----END SSH SIGNATURE-----\n",
            sshsig::BEGIN,
            base64::engine::general_purpose::STANDARD.encode(bad)
        );
        let found = verify(armour.as_bytes(), DATA, &allowed, &ask, &LIMITS);
        assert!(!found.as_ref().is_ok_and(SshOutcome::is_good), "byte {i}: {found:?}");
    }
    for end in 0..honest.trim_end().len() {
        assert!(verify(&honest.as_bytes()[..end], DATA, &allowed, &ask, &LIMITS).is_err());
    }
    for extra in [format!("x\n{honest}"), format!("{honest}x\n"), format!("{honest}{honest}")] {
        assert!(verify(extra.as_bytes(), DATA, &allowed, &ask, &LIMITS).is_err());
    }
}

/// A certificate for `ann`, and the signature that names it.
fn certified(authority: &PrivateKey, tweak: impl FnOnce(&mut Builder)) -> String {
    let ann = key(1);
    let from = at("2026-01-01T00:00:00Z").as_second() as u64;
    let to = at("2026-12-31T00:00:00Z").as_second() as u64;
    let mut builder = Builder::new([7; 32], ann.public_key().key_data().clone(), from, to).unwrap();
    builder.key_id("ann's badge").unwrap();
    tweak(&mut builder);
    let certificate = builder.sign(authority).unwrap();
    // The library signs only with plain keys: put the certificate where the key was.
    let plain = SshSig::sign(&ann, "file", HashAlg::Sha256, DATA).unwrap();
    let mut blob = b"SSHSIG\0\0\0\x01".to_vec();
    let signature: Vec<u8> = plain.signature().clone().try_into().unwrap();
    for field in [certificate.to_bytes().unwrap().as_slice(), b"file", b"", b"sha256", &signature] {
        blob.extend_from_slice(&(field.len() as u32).to_be_bytes());
        blob.extend_from_slice(field);
    }
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(blob);
    format!("{}\n{body}\n-----END SSH SIGNATURE-----\n", sshsig::BEGIN)
}

#[test]
fn certificates_count_by_their_authority() {
    let authority = key(9);
    let line = format!("*@example.invalid cert-authority {}", openssh(&authority));
    let ask = Question { namespace: "file", identity: Some(ANN), at: at("2026-06-01T00:00:00Z") };
    let honest = certified(&authority, |b| _ = b.valid_principal(ANN).unwrap());
    check(&honest, &line, ask, DATA, "good");
    check(&honest, &line, Question { identity: None, ..ask }, DATA, "good");
    check(&honest, &line, ask, b"other", "refuted");
    check(&honest, &line, Question { at: at("2025-12-31T00:00:00Z"), ..ask }, DATA, "not-allowed");
    check(&honest, &line, Question { at: at("2027-01-01T00:00:00Z"), ..ask }, DATA, "not-allowed");
    check(&honest, &line, Question { identity: Some("eve@example.invalid"), ..ask }, DATA, "not-allowed");
    check(&honest, &format!("*@example.invalid {}", openssh(&authority)), ask, DATA, "not-listed");
    check(
        &honest,
        &format!("*@example.invalid cert-authority {}", openssh(&key(8))),
        ask,
        DATA,
        "not-listed",
    );
    check(
        &honest,
        &format!("eve* cert-authority {}", openssh(&authority)),
        Question { identity: None, ..ask },
        DATA,
        "not-allowed",
    );
    // The key itself, listed plainly, does not stand for its certificate.
    check(&honest, &format!("{ANN} {}", openssh(&key(1))), ask, DATA, "not-listed");

    let other = certified(&authority, |b| _ = b.valid_principal("eve@example.invalid").unwrap());
    check(&other, &line, ask, DATA, "not-allowed");
    let anybody = certified(&authority, |b| _ = b.all_principals_valid().unwrap());
    check(&anybody, &line, ask, DATA, "not-allowed");
    let host =
        certified(&authority, |b| _ = b.valid_principal(ANN).unwrap().cert_type(CertType::Host).unwrap());
    check(&host, &line, ask, DATA, "not-allowed");
    let critical = certified(&authority, |b| {
        _ = b.valid_principal(ANN).unwrap().critical_option("force-command", "x").unwrap()
    });
    check(&critical, &line, ask, DATA, "not-allowed");
}

#[test]
fn a_certificate_that_its_authority_did_not_sign_is_refused() {
    let authority = key(9);
    let line = format!("* cert-authority {}", openssh(&authority));
    let allowed = AllowedSigners::parse(line.as_bytes(), &LIMITS).unwrap();
    let ask = Question { namespace: "file", identity: Some(ANN), at: at("2026-06-01T00:00:00Z") };
    let sig = certified(&authority, |b| _ = b.valid_principal(ANN).unwrap());
    let blob = Blob::from_armor(sig.as_bytes(), &LIMITS).unwrap();
    let SshKey::Certificate(certificate) = &blob.key else { panic!() };
    let honest = certificate.to_bytes().unwrap();
    let mut refused = 0;
    for i in 0..honest.len() {
        let mut bad = honest.clone();
        bad[i] ^= 1;
        let Ok(certificate) = Certificate::from_bytes(&bad) else { continue };
        if certificate.to_bytes().unwrap() != bad {
            continue;
        }
        let mut forged = Blob::from_armor(sig.as_bytes(), &LIMITS).unwrap();
        forged.key = SshKey::Certificate(Box::new(certificate));
        let hash = forged.hash_of(DATA).unwrap();
        assert!(!judge(&forged, &hash, &allowed, &ask).is_good(), "byte {i}");
        refused += 1;
    }
    assert!(refused > 100);
}

#[test]
fn ssh_keygen_and_this_agree_where_it_is_installed() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        Command::new("ssh-keygen").args(args).current_dir(dir.path()).stdin(Stdio::null()).output()
    };
    if run(&["-Y", "sign"]).is_err() {
        eprintln!("skipped: no ssh-keygen on this machine");
        return;
    }
    std::fs::write(dir.path().join("data"), DATA).unwrap();
    let ask = Question { namespace: "file", identity: Some(ANN), at: at("2036-06-01T00:00:00Z") };
    for (kind, bits) in [
        ("ed25519", "256"),
        ("ecdsa", "256"),
        ("ecdsa", "384"),
        ("ecdsa", "521"),
        ("rsa", "2048"),
        ("rsa", "1024"),
    ] {
        let name = format!("{kind}{bits}");
        let made = run(&["-q", "-t", kind, "-b", bits, "-N", "", "-C", "x", "-f", &name]).unwrap();
        let signed = run(&["-Y", "sign", "-f", &name, "-n", "file", "data"]).unwrap();
        if !made.status.success() || !signed.status.success() {
            eprintln!("skipped: this ssh-keygen does not make {name}");
            continue;
        }
        let sig = std::fs::read_to_string(dir.path().join("data.sig")).unwrap();
        std::fs::remove_file(dir.path().join("data.sig")).unwrap();
        let public = std::fs::read_to_string(dir.path().join(format!("{name}.pub"))).unwrap();
        let expect = if bits == "1024" { "weak" } else { "good" };
        check(&sig, &format!("{ANN} {public}"), ask, DATA, expect);
        if expect == "good" {
            check(&sig, &format!("{ANN} {public}"), ask, b"other bytes", "refuted");
        }
    }

    let certified =
        run(&["-q", "-s", "ecdsa256", "-I", "badge", "-n", ANN, "-V", "20260101:20361231", "ed25519256.pub"]);
    let signed = run(&["-Y", "sign", "-f", "ed25519256-cert.pub", "-n", "file", "data"]);
    if !certified.unwrap().status.success() || !signed.unwrap().status.success() {
        eprintln!("skipped: this ssh-keygen does not sign with certificates");
        return;
    }
    let sig = std::fs::read_to_string(dir.path().join("data.sig")).unwrap();
    let authority = std::fs::read_to_string(dir.path().join("ecdsa256.pub")).unwrap();
    check(&sig, &format!("*@example.invalid cert-authority {authority}"), ask, DATA, "good");
    check(&sig, &format!("*@example.invalid {authority}"), ask, DATA, "not-listed");
}
