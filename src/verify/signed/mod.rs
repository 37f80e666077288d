//! Signatures by long-lived keys, as answers: OpenPGP, SSH and minisign over an artifact, and over a list of
//! checksums that names it.
//!
//! Documents are told apart by content. A document that breaks its format's rules is *refuted*; a key that
//! nobody gave is *absent*; a list that nobody signed is *absent*, whatever it lists.

#[cfg(test)]
mod tests;

use std::io::{self, Read};

use jiff::Timestamp;

use super::checksums::{self, ChecksumList, Listed};
use super::minisign::{self, MinisignError, MinisignOutcome};
use super::openpgp::{self, Keyring, OpenPgpError, SignatureOutcome};
use super::ssh::{self, AllowedSigners, Question, SshError, SshOutcome};
use super::{AttestationAnswer, Check, Context, Format, Signer};
use crate::digest::DigestSet;
use crate::limits::signature::SignatureLimits;

/// Keys that are trusted to vouch, by kind, and what is asked of SSH signatures.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// OpenPGP certificates.
    pub openpgp: Option<&'a Keyring>,
    /// SSH keys with what they may sign.
    pub ssh: Option<&'a AllowedSigners>,
    /// The namespace that an SSH signature must have been made for; OpenSSH's convention is `file`.
    pub ssh_namespace: &'a str,
    /// The identity that an SSH signature must be of; `None` takes every allowed one.
    pub ssh_identity: Option<&'a str>,
    /// minisign keys.
    pub minisign: Option<&'a minisign::Keys>,
    /// What certificates in git's signatures are judged with; other documents carry none.
    pub sigstore: Option<&'a Context<'a>>,
}

impl Keys<'_> {
    /// No key at all: everything is *absent*.
    pub const NONE: Self = Self {
        openpgp: None,
        ssh: None,
        ssh_namespace: "file",
        ssh_identity: None,
        minisign: None,
        sigstore: None,
    };
}

/// A file with the name under which answers mention it.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The name.
    pub source: &'a str,
    /// The content.
    pub bytes: &'a [u8],
}

/// What kind of signature or list the bytes are, if one of those that are read here.
pub fn recognise(bytes: &[u8]) -> Option<Format> {
    if openpgp::is_cleartext(bytes) {
        Some(Format::OpenPgpCleartext)
    } else if ssh::is_signature(bytes) {
        Some(Format::Ssh)
    } else if minisign::is_signature(bytes) {
        Some(Format::Minisign)
    } else if checksums::recognises(bytes) {
        Some(Format::Checksums)
    } else if openpgp::is_detached(bytes) {
        Some(Format::OpenPgpDetached)
    } else {
        None
    }
}

/// What one layer of signatures came to.
#[derive(Debug, Default)]
struct Found {
    signers: Vec<Signer>,
    checks: Vec<Check>,
}

impl Found {
    fn only(check: Check) -> Self {
        Self { signers: Vec::new(), checks: vec![check] }
    }
}

/// Answers for a detached signature over the bytes of `data`.
///
/// # Errors
/// Only if `data` cannot be read.
pub fn answer_detached(
    signature: Document<'_>,
    data: impl Read + Send + Sync,
    keys: &Keys<'_>,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> io::Result<AttestationAnswer> {
    let (format, found) = detached(signature.bytes, data, keys, as_of, limits)?;
    Ok(AttestationAnswer::new(signature.source.to_owned(), format, found.signers, found.checks, None))
}

/// Answers for a list of checksums: whether a signature covers the list, and whether the list names the
/// artifact with these digests. The list is clear-signed, or `signature` is detached over its bytes.
pub fn answer_list(
    list: Document<'_>,
    signature: Option<Document<'_>>,
    name: Option<&str>,
    digests: &DigestSet,
    keys: &Keys<'_>,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> AttestationAnswer {
    let mut text = list.bytes.to_vec();
    let mut found = if openpgp::is_cleartext(list.bytes) {
        let (inner, found) = cleartext(list.bytes, keys, as_of, limits);
        text = inner;
        found
    } else if let Some(signature) = signature {
        match detached(signature.bytes, list.bytes, keys, as_of, limits) {
            Ok((_, found)) => found,
            Err(e) => Found::only(Check::absent("signature-readable").found(e.to_string())),
        }
    } else {
        Found::only(
            Check::absent("checksums-signed")
                .expected("a signature over the list")
                .next_step("give the list's signature too: without one the list vouches for nothing"),
        )
    };
    found.checks.push(listed(&text, list.source, name, digests, limits));
    AttestationAnswer::new(list.source.to_owned(), Format::Checksums, found.signers, found.checks, None)
}

fn listed(
    text: &[u8],
    source: &str,
    name: Option<&str>,
    digests: &DigestSet,
    limits: &SignatureLimits,
) -> Check {
    const CODE: &str = "checksums-list-the-artifact";
    let shown = digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let list = match ChecksumList::parse(text, limits) {
        Ok(list) => list,
        Err(e) => {
            return Check::refuted(CODE)
                .expected("a list of SHA-256 or SHA-512 checksums")
                .found(e.to_string());
        }
    };
    let at = |line: usize| format!("{source} line {line}");
    match list.ask(name, digests) {
        Listed::Same { line } => Check::established(CODE).found(shown).from(at(line)),
        Listed::Different { line, expected } => Check::refuted(CODE)
            .expected(expected.to_string())
            .found(shown)
            .from(at(line))
            .next_step("fetch the file again; if it stays different, do not use it"),
        Listed::OtherName { line, name: other } => Check::refuted(CODE)
            .expected(format!("the name `{}`", name.unwrap_or_default()))
            .found(format!("these bytes under the name `{}`", other.escape_debug()))
            .from(at(line))
            .next_step("check that the file was not replaced by another one of the same publisher"),
        Listed::Contradiction { lines } => Check::refuted(CODE)
            .expected("one digest for each name")
            .found(format!("lines {lines:?} give several"))
            .from(source),
        Listed::NotComputed { line, algorithm } => Check::absent(CODE)
            .expected(format!("a {algorithm} digest of the artifact"))
            .found(shown)
            .from(at(line))
            .next_step("give the file itself in place of its digest"),
        Listed::Absent => Check::absent(CODE)
            .found(format!("{} other entries", list.entries().len()))
            .from(source)
            .next_step("give the list that names this file"),
    }
}

fn detached(
    signature: &[u8],
    data: impl Read + Send + Sync,
    keys: &Keys<'_>,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> io::Result<(Format, Found)> {
    let format = recognise(signature).unwrap_or(Format::OpenPgpDetached);
    let found = match format {
        Format::Ssh => match keys.ssh {
            None => no_key("ssh-signature", "allowed signers"),
            Some(allowed) => {
                let question =
                    Question { namespace: keys.ssh_namespace, identity: keys.ssh_identity, at: as_of };
                match ssh::verify(signature, data, allowed, &question, limits) {
                    Ok(outcome) => of_ssh(&outcome),
                    Err(SshError::Read(e)) => return Err(e),
                    Err(e @ SshError::Limit { .. }) => limit(&e),
                    Err(e) => unreadable(&e),
                }
            }
        },
        Format::Minisign => match keys.minisign {
            None => no_key("minisign-signature", "a minisign public key"),
            Some(given) => match minisign::verify(signature, data, given, limits) {
                Ok(outcome) => of_minisign(&outcome),
                Err(MinisignError::Read(e)) => return Err(e),
                Err(e @ MinisignError::Limit { .. }) => limit(&e),
                Err(e) => unreadable(&e),
            },
        },
        Format::OpenPgpDetached => match keys.openpgp {
            None => no_key("openpgp-signature", "a keyring"),
            Some(keyring) => match openpgp::verify_detached(signature, data, keyring, as_of, limits) {
                Ok(outcomes) => of_openpgp(&outcomes),
                Err(OpenPgpError::Read(e)) => return Err(e),
                Err(e) => of_openpgp_error(&e),
            },
        },
        _ => Found::only(
            Check::refuted("signature-readable")
                .expected("a detached OpenPGP, SSH or minisign signature")
                .found("another kind of file"),
        ),
    };
    Ok((format, found))
}

/// The text inside the signature whatever it is worth, and what the signatures came to.
fn cleartext(bytes: &[u8], keys: &Keys<'_>, as_of: Timestamp, limits: &SignatureLimits) -> (Vec<u8>, Found) {
    let text = match openpgp::cleartext_unverified(bytes, limits) {
        Ok(text) => text,
        Err(e) => return (Vec::new(), of_openpgp_error(&e)),
    };
    let found = match keys.openpgp {
        None => no_key("openpgp-signature", "a keyring"),
        Some(keyring) => match openpgp::verify_cleartext(bytes, keyring, as_of, limits) {
            Ok(result) => of_openpgp(&result.signatures),
            Err(e) => of_openpgp_error(&e),
        },
    };
    (text, found)
}

fn no_key(code: &'static str, what: &str) -> Found {
    Found::only(
        Check::absent(code)
            .expected(format!("{what} to check it against"))
            .next_step(format!("give {what} of the publisher, fetched from elsewhere than the signature")),
    )
}

fn unreadable(error: &dyn std::fmt::Display) -> Found {
    Found::only(
        Check::refuted("signature-readable")
            .found(error.to_string())
            .next_step("fetch the signature again as published"),
    )
}

fn limit(error: &dyn std::fmt::Display) -> Found {
    Found::only(
        Check::absent("signature-within-limits")
            .found(error.to_string())
            .next_step("raise the limit if that size is expected; otherwise treat the file as hostile"),
    )
}

fn of_openpgp_error(error: &OpenPgpError) -> Found {
    match error {
        OpenPgpError::NotBuiltIn => Found::only(
            Check::absent("openpgp-built-in")
                .found(error.to_string())
                .next_step("build reprove with its default features"),
        ),
        OpenPgpError::Limit { .. } | OpenPgpError::Keyring { .. } => limit(error),
        _ => unreadable(error),
    }
}

/// One check for each signature. Beside a good one, signatures that could not be judged are remarks, and
/// those that were refuted count: a publisher's file has none.
fn of_openpgp(outcomes: &[SignatureOutcome]) -> Found {
    let good = outcomes.iter().any(SignatureOutcome::is_good);
    let mut found = Found::default();
    for outcome in outcomes {
        let code = outcome.code();
        let check = match outcome {
            SignatureOutcome::Good { fingerprint, .. } => {
                let signer = Signer::OpenPgp { fingerprint: fingerprint.clone() };
                if !found.signers.contains(&signer) {
                    found.signers.push(signer);
                }
                Check::established(code)
            }
            SignatureOutcome::Refuted { .. } => Check::refuted(code),
            _ if good => Check::noted(code),
            SignatureOutcome::KeyNotKnown { .. }
            | SignatureOutcome::KeyNotBound { .. }
            | SignatureOutcome::NotUnderstood { .. } => Check::absent(code),
            SignatureOutcome::KeyNotLive { .. }
            | SignatureOutcome::SignatureNotLive { .. }
            | SignatureOutcome::WeakAlgorithm { .. } => Check::refuted(code),
        };
        found.checks.push(check.found(outcome.to_string()).next_step(match outcome {
            SignatureOutcome::KeyNotKnown { .. } => {
                "add the publisher's certificate to the keyring if you trust it"
            }
            SignatureOutcome::KeyNotBound { .. } => {
                "give a fuller copy of the certificate, with its older self-signatures"
            }
            SignatureOutcome::WeakAlgorithm { .. } => {
                "ask the publisher for a signature with SHA-256 or better"
            }
            SignatureOutcome::NotUnderstood { .. } => "ask the publisher for an OpenPGP v4 signature",
            _ => "fetch file and signature again; if this stays, do not use the file",
        }));
    }
    found
}

fn of_ssh(outcome: &SshOutcome) -> Found {
    let check = match outcome {
        SshOutcome::Good { .. } => Check::established("ssh-signature"),
        SshOutcome::Refuted { .. } => Check::refuted("ssh-signature"),
        SshOutcome::KeyNotAllowed { .. } => Check::absent("ssh-key-allowed")
            .next_step("add the publisher's key to the allowed signers if you trust it"),
        SshOutcome::NotAllowedForThis { .. } => Check::refuted("ssh-key-allowed").next_step(
            "check the line's principals, namespaces and times against what the publisher announces",
        ),
        SshOutcome::OtherNamespace { .. } => {
            Check::refuted("ssh-namespace").next_step("name the namespace that the publisher documents")
        }
        SshOutcome::Weak { .. } => Check::refuted("ssh-key-strength")
            .next_step("ask the publisher for a signature by an Ed25519, ECDSA or longer RSA key"),
        SshOutcome::NotUnderstood { .. } => Check::absent("ssh-signature")
            .next_step("ask the publisher for a signature by an Ed25519, ECDSA or RSA key"),
    };
    let signers = match outcome {
        SshOutcome::Good { principal, fingerprint, .. } => {
            vec![Signer::Ssh { principal: principal.clone(), fingerprint: fingerprint.clone() }]
        }
        _ => Vec::new(),
    };
    Found { signers, checks: vec![check.found(outcome.to_string())] }
}

fn of_minisign(outcome: &MinisignOutcome) -> Found {
    let (check, signers) = match outcome {
        MinisignOutcome::Good { key_id, .. } => {
            (Check::established("minisign-signature"), vec![Signer::Minisign { key_id: key_id.clone() }])
        }
        MinisignOutcome::KeyNotKnown { .. } => (
            Check::absent("minisign-key-known").next_step("give the publisher's key if you trust it"),
            Vec::new(),
        ),
        MinisignOutcome::Refuted { .. } => (
            Check::refuted("minisign-signature")
                .next_step("fetch file and signature again; if this stays, do not use the file"),
            Vec::new(),
        ),
    };
    Found { signers, checks: vec![check.found(outcome.to_string())] }
}
