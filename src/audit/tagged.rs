//! What the project's repository says of a release: which commit its tag names, who signed it, and whether
//! what was packed holds the same files.
//!
//! A repository is a clone that was given, or on a server that is asked. It is evidence, and hostile like all of it: what is wrong with it is a check of the report, and
//! the audit goes on.

use std::path::Path;

use jiff::Timestamp;

use super::{Clones, Ground, Seen};
use crate::component::TaggedSource;
use crate::environment::go::LockedGit;
use crate::limits::git::GitLimits;
use crate::limits::signature::SignatureLimits;
use crate::report::{Checked, Signer, SourceSignature};
use crate::source::git::{
    Clone, Commit, GitSourceError, Listing, Opened, Packaged, Place, Raw, Remotes, drift,
};
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

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The tag.
    pub(super) source: &'a TaggedSource,
    /// The commit that the recipe names, or the first digits of it.
    pub(super) pinned: Option<&'a str>,
    /// Where the lock has its source from, and at which commit: that one is taken, whatever the tag names.
    pub(super) locked: Option<&'a LockedGit>,
}

/// Whom to ask for repositories on servers.
pub(super) fn remotes<'a>(ground: &'a Ground<'a>, folder: &'a Path) -> Remotes<'a> {
    Remotes { fetcher: ground.fetcher, folder, observer: ground.observer, limits: &GitLimits::DEFAULT }
}

/// Looks for a release's tag in its repository: the clone or address that was given, or the lock's own.
pub(super) fn look(ground: &Ground<'_>, clones: &Clones<'_>, wanted: Wanted<'_>) -> Looked {
    let source = wanted.source;
    let subject = format!("tag `{}` of {}", source.tag, source.repository);
    let mut looked = Looked::default();
    let own = wanted.locked.map(|git| Place::Address(git.repository.clone()));
    let Some(place) = clones.repositories.place(&source.repository).cloned().or(own) else {
        looked.checks.push(
            Checked::new("clone-tag", subject, Finding::Noted)
                .found("no clone was given, so that nobody looked whether the source is what the tag holds")
                .next(format!("give a clone with `--repository {}=PATH`", source.repository)),
        );
        return looked;
    };
    if let Err(error) = looked.tagged(ground, clones, wanted, &place, &subject) {
        let mut check = of_error("clone-tag", &subject, &error);
        if let (GitSourceError::Fetch(_), Place::Address(_)) = (&error, &place) {
            check.found = format!("not reachable: {}", check.found);
            check.next =
                format!("{}; or give a clone: `--repository {}=PATH`", check.next, source.repository);
        }
        looked.checks.push(check);
    }
    looked
}

impl Looked {
    fn tagged(
        &mut self,
        ground: &Ground<'_>,
        clones: &Clones<'_>,
        wanted: Wanted<'_>,
        place: &Place,
        subject: &str,
    ) -> Result<(), GitSourceError> {
        let Wanted { source, pinned, locked } = wanted;
        let folder = ground.work.join("git");
        let whole = locked.map(|git| git.commit.as_str()).or(pinned.filter(|id| id.len() == 40));
        let Opened { clone, not_asked } = remotes(ground, &folder).open(place, &source.tag, whole)?;
        if let Some(error) = not_asked {
            self.checks.push(
                Checked::new("tag-not-asked", subject, Finding::Noted)
                    .found(format!("the tag is as it was when it was fetched: {error}"))
                    .next("audit again when the server can be asked, to see whether the tag moved"),
            );
        }
        let tagged = self.named(clones, wanted, &clone, ground.as_of, subject);
        let commit = match (tagged, locked) {
            (Ok(commit), None) => commit,
            (Err(error), None) => return Err(error),
            (tagged, Some(git)) => {
                // The lock pins a commit; that the tag is gone or moved is told, and changes no byte.
                if let Err(error) = tagged {
                    self.checks.push(of_error("clone-tag", subject, &error));
                }
                self.pinned = true;
                clone.commit(&clone.object(&git.commit)?)?
            }
        };
        let listing = clone.listing(&commit)?;
        self.tree = Some((clone, listing));
        Ok(())
    }

    /// The commit that the tag names, held against the pinned one, and who signed it.
    fn named(
        &mut self,
        clones: &Clones<'_>,
        wanted: Wanted<'_>,
        clone: &Clone,
        as_of: Timestamp,
        subject: &str,
    ) -> Result<Commit, GitSourceError> {
        let Wanted { source, pinned, locked } = wanted;
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
        let pinned =
            locked.map(|git| (git.commit.as_str(), "the lock")).or(pinned.map(|id| (id, "the recipe")));
        self.pinned = pinned.is_none_or(|(pinned, _)| commit.id.starts_with(pinned));
        let finding = if self.pinned { Finding::Established } else { Finding::Refuted };
        let mut check = Checked::new("clone-tag", subject, finding).found(format!("commit {}", commit.id));
        if let Some((pinned, by)) = pinned {
            check = check.expected(format!("commit {pinned}, which {by} pins"));
        }
        if !self.pinned {
            check = check.next(
                "the tag was moved, or the clone is another project's: ask the project which commit it released",
            );
        }
        self.checks.push(check);
        self.signed(clones, &tag, &source.tag, as_of, subject);
        Ok(commit)
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
        GitSourceError::Object { .. } | GitSourceError::Tree { .. } | GitSourceError::Pack { .. } => {
            Finding::Refuted
        }
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
