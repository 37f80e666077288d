//! Signatures by long-lived keys beside attestations: OpenPGP, SSH, minisign, lists of checksums.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args as Options;
use jiff::Timestamp;
use reprove::limits::signature::SignatureLimits;
use reprove::verdict::Verdict;
use reprove::verify::openpgp::Keyring;
use reprove::verify::signed::{self, Document, Keys};
use reprove::verify::ssh::AllowedSigners;
use reprove::verify::{AttestationAnswer, Format, Subject, minisign};

use super::inputs::{self, InputError};
use crate::exit::Exit;
use crate::render::Failure;

/// Keys that are trusted to vouch for years.
#[derive(Debug, Options)]
pub(crate) struct LongLived {
    /// OpenPGP certificates that may have signed.
    #[arg(long = "openpgp-keyring", value_name = "FILE", help_heading = "Signer")]
    openpgp: Vec<PathBuf>,

    /// SSH keys that may have signed, in OpenSSH's allowed signers format.
    #[arg(long, value_name = "FILE", help_heading = "Signer")]
    allowed_signers: Option<PathBuf>,

    /// Namespace that an SSH signature has to be made for.
    #[arg(long, value_name = "NAME", default_value = "file", help_heading = "Signer")]
    ssh_namespace: String,

    /// minisign key that has to have signed.
    #[arg(long = "minisign-key", value_name = "FILE", help_heading = "Signer")]
    minisign: Vec<PathBuf>,
}

/// A signature or list among what `--attestation` named.
pub(super) struct Signed {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) format: Format,
}

/// The keys, read.
#[derive(Default)]
pub(crate) struct Loaded {
    openpgp: Option<Keyring>,
    ssh: Option<AllowedSigners>,
    ssh_namespace: String,
    minisign: Option<minisign::Keys>,
}

impl Loaded {
    pub(crate) fn keys(&self) -> Keys<'_> {
        Keys {
            openpgp: self.openpgp.as_ref(),
            ssh: self.ssh.as_ref(),
            ssh_namespace: &self.ssh_namespace,
            ssh_identity: None,
            minisign: self.minisign.as_ref(),
            sigstore: None,
        }
    }
}

impl LongLived {
    /// Whether any key was given.
    pub(crate) fn is_given(&self) -> bool {
        !self.openpgp.is_empty() || self.allowed_signers.is_some() || !self.minisign.is_empty()
    }

    pub(crate) fn load(&self, limits: &SignatureLimits) -> Result<Loaded, Failure> {
        let usage = |e| Failure::new(e, Exit::Usage);
        let texts = self.openpgp.iter().map(|path| inputs::bytes(path)).collect::<Result<Vec<_>, _>>()?;
        let slices: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let mut keys: Option<minisign::Keys> = None;
        for path in &self.minisign {
            let read =
                minisign::Keys::read(&inputs::bytes(path)?).map_err(|e| Failure::new(e, Exit::Usage))?;
            keys = Some(match keys {
                Some(keys) => keys.with(read),
                None => read,
            });
        }
        Ok(Loaded {
            openpgp: match slices.is_empty() {
                true => None,
                false => Some(Keyring::read_all(&slices, limits).map_err(usage)?),
            },
            ssh: match &self.allowed_signers {
                Some(path) => Some(
                    AllowedSigners::parse(&inputs::bytes(path)?, limits)
                        .map_err(|e| Failure::new(e, Exit::Usage))?,
                ),
                None => None,
            },
            ssh_namespace: self.ssh_namespace.clone(),
            minisign: keys,
        })
    }
}

/// Answers for one artifact: each list with the signature that covers it, and each signature that is
/// over the artifact itself.
pub(super) fn answers(
    subject: &Subject,
    path: Option<&Path>,
    documents: &[Signed],
    loaded: &Loaded,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> Result<Vec<AttestationAnswer>, Failure> {
    let keys = loaded.keys();
    let is_list = |d: &&Signed| matches!(d.format, Format::Checksums | Format::OpenPgpCleartext);
    let detached: Vec<&Signed> = documents.iter().filter(|d| !is_list(d)).collect();
    let mut found = Vec::new();
    let mut used = vec![false; detached.len()];
    for list in documents.iter().filter(is_list) {
        let ask = |signature: Option<&Signed>| {
            signed::answer_list(
                Document { source: &list.name, bytes: &list.bytes },
                signature.map(|s| Document { source: &s.name, bytes: &s.bytes }),
                subject.is_file_name.then_some(subject.name.as_str()),
                &subject.digests,
                &keys,
                as_of,
                limits,
            )
        };
        let mut best = ask(None);
        for (index, signature) in detached.iter().enumerate() {
            let answer = ask(Some(signature));
            if !answer.signers.is_empty()
                && let Some(used) = used.get_mut(index)
            {
                *used = true;
            }
            if answer.verdict > best.verdict || (best.signers.is_empty() && !answer.signers.is_empty()) {
                best = answer;
            }
        }
        found.push(best);
    }
    for (signature, used) in detached.iter().zip(used) {
        let Some(path) = path.filter(|_| !used) else { continue };
        let read = |source| {
            Failure::new(InputError::Read { path: path.display().to_string(), source }, Exit::CouldNotLook)
        };
        let document = Document { source: &signature.name, bytes: &signature.bytes };
        let data = File::open(path).map_err(read)?;
        found.push(signed::answer_detached(document, data, &keys, as_of, limits).map_err(read)?);
    }
    // Of several signatures one that vouches is enough; the others are told only where none does.
    if found.iter().any(|answer| answer.verdict == Verdict::Pass) {
        found.retain(|answer| answer.verdict == Verdict::Pass);
    }
    Ok(found)
}
