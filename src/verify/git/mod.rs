//! Signed git commits and tags.
//!
//! # What a good signature establishes
//!
//! The object was signed by a given key: for a commit its tree, parents, author, committer and message; for
//! a tag its name and the object that it points to. A signed tag is believed only under its own name.
//!
//! # What it does not
//!
//! - Trees and parents are named by SHA-1 in most repositories. libgit2 refuses objects that do not hash to
//!   their name, but SHA-1 collisions can be made: two trees under one signed name are possible.
//! - The committer's time is the signer's own word. SSH keys are judged at that time, as git does.
//! - Commits before the signed one are named by it, not signed by this signature.
//! - Signatures in X.509 are read as gitsign makes them, by a certificate of a Sigstore instance. Those of other
//!   authorities (S/MIME) are refused, since no trust root given here vouches for them.

mod gitsign;
mod object;
#[cfg(test)]
mod tests;

use git2::{ObjectType, Oid, Repository};
use jiff::Timestamp;
use miette::Diagnostic;

pub use object::ObjectKind;
use object::{Object, SignatureKind};

use super::signed::{self, Document, Keys};
use super::{AttestationAnswer, Check, Format};
use crate::limits::signature::SignatureLimits;

/// Namespace of SSH signatures that git makes (git's `gpg-interface.c`).
const SSH_NAMESPACE: &str = "git";

/// What an answer about a revision does not establish.
pub const NOT_CHECKED: &[&str] = &[
    "whether the source is benign",
    "commits before the signed one, which it names and does not sign",
    "whether other bytes with the same SHA-1 exist",
];

/// Opens a repository, in its folder or bare, and no other: no parent folder is looked into.
///
/// # Errors
/// There is none, or it is damaged.
pub fn open(folder: &std::path::Path) -> Result<Repository, GitError> {
    Repository::open(folder)
        .map_err(|source| GitError::Repository { revision: folder.display().to_string(), source })
}

/// What became of a signed revision.
#[derive(Debug, Clone)]
pub struct SignedRevision {
    /// The object whose signature was judged.
    pub object: String,
    /// The commit that it stands for: itself, or what the tag points to. `None` if the tag points to
    /// something else or the object could not be read.
    pub commit: Option<String>,
    /// The answer.
    pub answer: AttestationAnswer,
}

/// Answers for a tag (`refs/tags/NAME`, annotated) or a commit id in a repository.
///
/// A name is looked up as a tag first; a tag without an object of its own carries no signature and the
/// commit it names is judged.
///
/// # Errors
/// If there is no such revision or the repository cannot be read.
pub fn answer_revision(
    repository: &Repository,
    revision: &str,
    keys: &Keys<'_>,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> Result<SignedRevision, GitError> {
    let git = |source| GitError::Repository { revision: revision.to_owned(), source };
    let (id, tag_name) = match repository.find_reference(&format!("refs/tags/{revision}")) {
        Ok(reference) => {
            let id =
                reference.target().ok_or_else(|| GitError::NotSigned { revision: revision.to_owned() })?;
            (id, Some(revision))
        }
        Err(_) => (Oid::from_str(revision).map_err(git)?, None),
    };
    let odb = repository.odb().map_err(git)?;
    let (bytes, kind) = odb.read_header(id).map_err(git)?;
    let kind = match kind {
        ObjectType::Commit => ObjectKind::Commit,
        ObjectType::Tag => ObjectKind::Tag,
        _ => return Err(GitError::NotSigned { revision: revision.to_owned() }),
    };
    if bytes > limits.signed_text_bytes_max {
        return Err(GitError::Limit { max: limits.signed_text_bytes_max });
    }
    let raw = odb.read(id).map_err(git)?;
    let object = id.to_string();
    let mut answer = answer_object(kind, raw.data(), tag_name, &object, keys, as_of, limits);
    let commit = match kind {
        ObjectKind::Commit => Some(object.clone()),
        ObjectKind::Tag => Object::parse(kind, raw.data()).ok().and_then(|parsed| parsed.tagged_commit()),
    };
    if kind == ObjectKind::Tag && commit.is_none() {
        answer.checks.push(Check::refuted("git-tag-target").expected("a commit").found("something else"));
        answer = AttestationAnswer::new(answer.source, answer.format, answer.signers, answer.checks, None);
    }
    Ok(SignedRevision { object, commit, answer })
}

/// Answers for the raw bytes of a commit or tag object. `tag_name` is the name under which a tag was asked
/// for; `source` is how answers call the object.
pub fn answer_object(
    kind: ObjectKind,
    raw: &[u8],
    tag_name: Option<&str>,
    source: &str,
    keys: &Keys<'_>,
    as_of: Timestamp,
    limits: &SignatureLimits,
) -> AttestationAnswer {
    let format = match kind {
        ObjectKind::Commit => Format::GitCommit,
        ObjectKind::Tag => Format::GitTag,
    };
    let answer = |signers, checks| AttestationAnswer::new(source.to_owned(), format, signers, checks, None);
    let object = match Object::parse(kind, raw) {
        Ok(object) => object,
        Err(detail) => {
            let check = Check::refuted("git-object-readable").found(detail);
            return answer(
                Vec::new(),
                vec![check.next_step("fetch the repository again from its publisher")],
            );
        }
    };
    let mut checks = Vec::new();
    if let (ObjectKind::Tag, Some(expected)) = (kind, tag_name) {
        // A ref can be pointed at any tag object: an old release passes for a new one by its name alone.
        let found = object.tag_name.unwrap_or_default();
        checks.push(
            Check::when("git-tag-name", found == expected)
                .expected(expected)
                .found(found)
                .from("tag object")
                .next_step(
                    "the tag was signed under another name: compare with the publisher's own repository",
                ),
        );
    }
    let Some((kind, signature)) = &object.signature else {
        checks.push(
            Check::absent("git-signature")
                .expected("a signature in the object")
                .next_step("ask the publisher to sign, or verify another artifact of the release"),
        );
        return answer(Vec::new(), checks);
    };
    let at = match object.time {
        Some(time) if time <= as_of => time,
        Some(time) => {
            checks.push(
                Check::refuted("git-signing-time")
                    .expected(format!("at or before {as_of}"))
                    .found(time.to_string())
                    .next_step("check the time of judgment that was given"),
            );
            as_of
        }
        None => as_of,
    };
    let signed = match kind {
        SignatureKind::X509 => {
            let Some(context) = keys.sigstore else {
                checks.push(
                    Check::absent("git-x509-checked")
                        .expected("a trust root and an identity to check it against")
                        .found("a signature by certificate (gitsign)")
                        .next_step("demand the signer with `--identity` and `--issuer`"),
                );
                return answer(Vec::new(), checks);
            };
            let context = super::Context { as_of, ..*context };
            return match gitsign::authenticate(signature, &object.payload, source, &context) {
                Ok(authenticated) => {
                    let (signers, more) = super::judge::alone(format, authenticated, &context);
                    checks.extend(more);
                    answer(signers, checks)
                }
                Err(check) => {
                    checks.push(check);
                    answer(Vec::new(), checks)
                }
            };
        }
        SignatureKind::OpenPgp => signed::answer_detached(
            Document { source, bytes: signature },
            object.payload.as_slice(),
            &Keys { ssh: None, minisign: None, ..*keys },
            as_of,
            limits,
        ),
        SignatureKind::Ssh => signed::answer_detached(
            Document { source, bytes: signature },
            object.payload.as_slice(),
            &Keys { ssh_namespace: SSH_NAMESPACE, openpgp: None, minisign: None, ..*keys },
            at,
            limits,
        ),
    };
    match signed {
        Ok(signed) => {
            checks.extend(signed.checks);
            if *kind == SignatureKind::Ssh {
                checks.push(
                    Check::noted("git-signing-time")
                        .found(format!("SSH key judged at {at}, the committer's own word")),
                );
            }
            answer(signed.signers, checks)
        }
        Err(e) => answer(Vec::new(), vec![Check::absent("git-object-readable").found(e.to_string())]),
    }
}

/// Why a revision could not be looked at.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum GitError {
    /// No such revision, or a damaged repository.
    #[error("cannot read `{revision}` as git does")]
    #[diagnostic(
        code(git::repository),
        help("give a repository's folder, and a tag's name or a full commit id that it holds")
    )]
    Repository {
        /// As asked.
        revision: String,
        /// The library's reason.
        #[source]
        source: git2::Error,
    },
    /// Trees and files carry no signature.
    #[error("`{revision}` is neither a commit nor a tag")]
    #[diagnostic(code(git::not_signed), help("give a tag's name or a full commit id"))]
    NotSigned {
        /// As asked.
        revision: String,
    },
    /// The object is too large to be a commit or a tag.
    #[error("the object has more than {max} bytes")]
    #[diagnostic(
        code(git::limit),
        help("raise the limit if that size is expected; otherwise treat the repository as hostile")
    )]
    Limit {
        /// The bound in bytes.
        max: usize,
    },
}
