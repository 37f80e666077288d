//! What a clone of the project's repository says of a release: which commit its tag names, who signed it,
//! and whether what was packed holds the same files.
//!
//! The clone is evidence, and hostile like all of it: what is wrong with it is a check of the report, and
//! the audit goes on.

use jiff::Timestamp;

use super::{Clones, Seen};
use crate::component::TaggedSource;
use crate::evaluate::evidence::RepositoryName;
use crate::limits::git::GitLimits;
use crate::limits::signature::SignatureLimits;
use crate::report::{Checked, Signer, SourceSignature};
use crate::source::git::{Clone, Commit, GitSourceError, Listing, Packaged, Raw, drift};
use crate::verdict::Verdict;
use crate::verify::git::{ObjectKind, answer_object};
use crate::verify::{Finding, Signer as VerifiedSigner};

/// Drifted files that are told one by one; the rest is counted.
const TOLD: usize = 20;

/// What was seen in the clone.
#[derive(Default)]
pub(super) struct Looked {
    /// Each thing that was checked.
    pub(super) checks: Vec<Checked>,
    /// Who signed the tag, where somebody did whose key is known.
    pub(super) signature: Option<SourceSignature>,
    /// The tag's objects, to be held against other days'.
    pub(super) seen: Option<Seen>,
    /// The clone with the files of the tag's commit.
    pub(super) tree: Option<(Clone, Listing)>,
    /// Whether the commit is the one that was pinned, or none was.
    pub(super) pinned: bool,
}

/// Looks for a release's tag in the clone that was given for its repository. `pinned` is the commit that
/// its recipe names, or the first digits of it.
pub(super) fn look(
    clones: &Clones<'_>,
    source: &TaggedSource,
    pinned: Option<&str>,
    as_of: Timestamp,
) -> Looked {
    let subject = format!("tag `{}` of {}", source.tag, source.repository);
    let mut looked = Looked::default();
    let name = source.repository.parse::<RepositoryName>().ok();
    let Some(path) = name.and_then(|name| clones.repositories.path(&name)) else {
        looked.checks.push(
            Checked::new("clone-tag", subject, Finding::Noted)
                .found("no clone was given, so that nobody looked whether the source is what the tag holds")
                .next(format!("give a clone with `--repository {}=PATH`", source.repository)),
        );
        return looked;
    };
    if let Err(error) = looked.tagged(clones, source, path, pinned, as_of, &subject) {
        looked.checks.push(of_error("clone-tag", &subject, &error));
    }
    looked
}

impl Looked {
    fn tagged(
        &mut self,
        clones: &Clones<'_>,
        source: &TaggedSource,
        path: &std::path::Path,
        pinned: Option<&str>,
        as_of: Timestamp,
        subject: &str,
    ) -> Result<(), GitSourceError> {
        let clone = Clone::open(path, &GitLimits::DEFAULT)?;
        let tag = clone.tag(&source.tag)?;
        let commit = clone.commit(&tag)?;
        self.seen = Some(Seen {
            kind: "tag",
            name: format!("{} {}", source.repository, source.tag),
            value: match tag.kind {
                ObjectKind::Tag => format!("tag object {} of commit {}", tag.id, commit.id),
                ObjectKind::Commit => format!("commit {}", commit.id),
            },
        });
        self.pinned = pinned.is_none_or(|pinned| commit.id.starts_with(pinned));
        let finding = if self.pinned { Finding::Established } else { Finding::Refuted };
        let mut check = Checked::new("clone-tag", subject, finding).found(format!("commit {}", commit.id));
        if let Some(pinned) = pinned {
            check = check.expected(format!("commit {pinned}, which the recipe pins"));
        }
        if !self.pinned {
            check = check.next(
                "the tag was moved, or the clone is another project's: ask the project which commit it released",
            );
        }
        self.checks.push(check);
        self.signed(clones, &tag, &source.tag, as_of, subject);
        let listing = clone.listing(&commit)?;
        self.tree = Some((clone, listing));
        Ok(())
    }

    fn signed(&mut self, clones: &Clones<'_>, tag: &Raw, name: &str, as_of: Timestamp, subject: &str) {
        let named = (tag.kind == ObjectKind::Tag).then_some(name);
        let limits = SignatureLimits::DEFAULT;
        let answer = answer_object(tag.kind, &tag.bytes, named, subject, clones.keys, as_of, &limits);
        for check in &answer.checks {
            let mut checked = Checked::of(check, subject);
            // Whoever names no key demands no signature.
            if checked.finding == Finding::Absent && !clones.demanded {
                checked.finding = Finding::Noted;
                if checked.code == "git-signature" && checked.found.is_empty() {
                    checked.found = "nobody signed it".to_owned();
                }
            }
            self.checks.push(checked);
        }
        if answer.verdict == Verdict::Pass && !answer.signers.is_empty() {
            self.signature =
                Some(SourceSignature::Verified { by: answer.signers.iter().map(signer).collect() });
        }
    }

    /// Holds what was packed against the tree.
    pub(super) fn drift(&mut self, packed: &Packaged, name: &str, source: &TaggedSource) {
        let Some((clone, listing)) = &self.tree else { return };
        let subject = format!("{name} beside tag `{}` of {}", source.tag, source.repository);
        let drift = match drift(packed, clone, listing, &source.folder) {
            Ok(drift) => drift,
            Err(error) => return self.checks.push(of_error("source-drift", &subject, &error)),
        };
        let unexplained: Vec<_> = drift.unexplained().collect();
        let finding = if unexplained.is_empty() { Finding::Established } else { Finding::Refuted };
        let mut found = format!("{} files are the same", drift.same);
        if drift.explained() > 0 {
            found.push_str(&format!(", {} are otherwise by the packer's rules", drift.explained()));
        }
        let mut check = Checked::new("source-drift", &subject, finding).expected("the same files");
        if let Some(first) = unexplained.first() {
            let (path, way) = (first.path.escape_debug(), first.way.words());
            found.push_str(&format!(", {} drifted, the first `{path}` ({way})", unexplained.len()));
            check = check
                .next("read those files: what is packed and not in the repository was reviewed by nobody");
        }
        self.checks.push(check.found(found));
        for file in unexplained.iter().take(TOLD) {
            let (path, way) = (file.path.escape_debug(), file.way.words());
            self.checks.push(
                Checked::new("source-drift", format!("`{path}` of {name}"), Finding::Refuted)
                    .expected("the tagged tree's file")
                    .found(way)
                    .next("compare it with the repository's, and ask the project about it"),
            );
        }
        for path in drift.submodules.iter().take(TOLD) {
            self.checks.push(
                Checked::new("source-submodule", format!("`{}`", path.escape_debug()), Finding::Noted)
                    .found("a submodule: its files were not obtained, and its folder is empty in a build"),
            );
        }
    }

    /// The commit to build from, if it is the pinned one.
    pub(super) fn commit(&self) -> Option<&Commit> {
        self.tree.as_ref().filter(|_| self.pinned).map(|(_, listing)| &listing.commit)
    }
}

/// What is wrong with the clone counts against it; what it lacks, or what is too much, leaves things open.
pub(super) fn of_error(code: &'static str, subject: &str, error: &GitSourceError) -> Checked {
    let finding = match error {
        GitSourceError::Object { .. } | GitSourceError::Tree { .. } => Finding::Refuted,
        _ => Finding::Absent,
    };
    let help = miette::Diagnostic::help(error).map(|help| help.to_string()).unwrap_or_default();
    Checked::new(code, subject, finding).found(error.to_string()).next(help)
}

fn signer(signer: &VerifiedSigner) -> Signer {
    match signer {
        VerifiedSigner::OpenPgp { fingerprint } => Signer { fingerprint: fingerprint.clone(), name: None },
        VerifiedSigner::Ssh { principal, fingerprint } => {
            Signer { fingerprint: fingerprint.clone(), name: Some(principal.clone()) }
        }
        other => Signer { fingerprint: other.to_string(), name: None },
    }
}
