//! Answers what needs no running program: source checks, git, our rebuild's outcome, attestations,
//! documents, people.

use super::evidence::{
    Answer, Answered, AttestationCheck, Basis, Check, CommitCheck, CounterExample, CounterExampleAnswer,
    ManualCheck, PatchCheck, Pattern, RebuildCheck, RepositoryName, Revision, SourceCheck, SourcePath,
    Wanted,
};
use super::repository::{Clone, NotSeen, Repositories};
use super::source::{ReleaseSource, SourceFile};
use crate::limits::evaluate::{QUOTED_CHARS_MAX, SourceLimits};
use crate::probe::spec::upstream;
use crate::statement::predicate::rebuild::Outcome;

/// An attestation about the published artifact that was verified, or could not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentAttestation {
    /// The predicate's type.
    pub predicate_type: String,
    /// The policy that it was held against, as the check names it.
    pub policy: String,
    /// Whether it met it; the reason where it did not, or nothing could be told.
    pub met: Result<(), String>,
}

/// What there is to look at for one release.
#[derive(Debug, Clone, Copy)]
pub struct Looker<'a> {
    /// The component's name.
    pub component: &'a str,
    /// The version as published.
    pub version: &'a str,
    /// What names the release on the command line, quoted for a shell.
    pub named: &'a str,
    /// The authenticated source, or why there is none.
    pub source: Result<&'a ReleaseSource, &'a str>,
    /// Whether our rebuild of that source gave the published bytes.
    pub tied: bool,
    /// The rebuild's outcome; none where none was made.
    pub outcome: Option<Outcome>,
    /// Clones that were given.
    pub repositories: &'a Repositories,
    /// What was found among the collected attestations; none where nobody looked.
    pub attestations: Option<&'a [PresentAttestation]>,
    /// Bounds.
    pub limits: &'a SourceLimits,
}

/// What a look at a tree came to.
struct Seen {
    answered: Answered,
    found: String,
    basis: Basis,
}

impl Looker<'_> {
    /// Answers a check; none for one that needs a running program.
    pub fn answer(&self, id: &str, check: &Check) -> Option<Answer> {
        let answer = match check {
            Check::SourceContains(c) => self.source_check(id, c, true, "contains"),
            Check::SourceAbsent(c) => self.source_check(id, c, false, "does not contain"),
            Check::Document(c) => self.source_check(id, c, true, "says"),
            Check::CommitInRelease(c) => self.commit(id, c),
            Check::PatchEquivalent(c) => self.patch(id, c),
            Check::RebuildVerdict(c) => self.rebuild(id, *c),
            Check::AttestationPresent(c) => self.attestation(id, c),
            Check::Manual(c) => self.manual(id, c),
            Check::Probe(_) => return None,
        };
        Some(Answer { kind: check.kind().to_owned(), ..answer })
    }

    /// The revision that a check means; the release's own tag where it names none.
    fn revision(&self, revision: Option<&Revision>) -> String {
        let version = upstream(self.version).map_or_else(|| self.version.to_owned(), |v| v.to_string());
        revision.cloned().unwrap_or_else(Revision::of_release).at(&version)
    }

    /// Looks at files of a tree; `verb` says in words what of the pattern is expected.
    fn source_check(&self, id: &str, check: &SourceCheck, contains: bool, verb: &str) -> Answer {
        let revision = self.revision(check.revision.as_ref());
        let mut seen = match &check.repository {
            None => self.in_release(&check.path, check.pattern.as_ref(), contains),
            Some(name) => self.in_clone(name, &revision, &check.path, check.pattern.as_ref(), contains),
        };
        let counter_example = check.counter_example.as_ref().map(|c| {
            let there = self.in_clone(
                &c.repository,
                &self.revision(Some(&c.revision)),
                &check.path,
                check.pattern.as_ref(),
                contains,
            );
            counter_example(c, &there)
        });
        refuse_blind(&mut seen, counter_example.as_ref());
        let place = match &check.repository {
            None => format!("the source of {} {}", self.component, self.version),
            Some(name) => format!("{name} at `{revision}`"),
        };
        let expected = match (&check.pattern, contains) {
            (Some(pattern), _) => format!("`{}` {verb} `{pattern}`", check.path),
            (None, true) => format!("there is a `{}`", check.path),
            (None, false) => format!("there is no `{}`", check.path),
        };
        let again = match &check.repository {
            None => again_in_source(&check.path, check.pattern.as_ref()),
            Some(name) => self.again_in_clone(name, &revision, &check.path, check.pattern.as_ref()),
        };
        answer(id, seen, format!("`{}` in {place}", check.path), expected, counter_example, again)
    }

    fn in_release(&self, path: &SourcePath, pattern: Option<&Pattern>, contains: bool) -> Seen {
        let source = match self.source {
            Ok(source) => source,
            Err(reason) => return nothing("source-not-there", reason),
        };
        let mut files = Vec::new();
        for (name, file) in source.files(path) {
            match file {
                SourceFile::Known(bytes) => files.push((name, bytes.as_slice())),
                SourceFile::Unknown(reason) => {
                    return nothing("source-patch", format!("`{name}`: {reason}"));
                }
            }
        }
        let basis = Basis::ReleaseSource { package: source.package.clone(), tied: self.tied };
        in_files(&files, path, pattern, contains, basis)
    }

    fn in_clone(
        &self,
        name: &RepositoryName,
        revision: &str,
        path: &SourcePath,
        pattern: Option<&Pattern>,
        contains: bool,
    ) -> Seen {
        let look = || -> Result<Seen, NotSeen> {
            let clone = self.repositories.open(name)?;
            let commit = clone.commit(revision)?;
            let basis = Basis::Repository { name: name.to_string(), commit: commit.id().to_string() };
            let files = clone.files(&commit, path, self.limits)?;
            if let Some((large, _)) = files.iter().find(|(_, bytes)| bytes.is_none()) {
                return Err(NotSeen { code: "repository-limit", reason: format!("`{large}` is too large") });
            }
            let files: Vec<_> = files.iter().filter_map(|(n, b)| Some((n.as_str(), b.as_deref()?))).collect();
            Ok(in_files(&files, path, pattern, contains, basis))
        };
        look().unwrap_or_else(|e| nothing(e.code, e.reason))
    }

    fn commit(&self, id: &str, check: &CommitCheck) -> Answer {
        let revision = self.revision(check.revision.as_ref());
        let at = |name: &RepositoryName, revision: &str| -> Result<Seen, NotSeen> {
            let clone = self.repositories.open(name)?;
            let release = clone.commit(revision)?;
            let inside = clone.contains(&release, check.commit.as_str())?;
            Ok(Seen {
                answered: if inside { Answered::Holds {} } else { Answered::DoesNotHold {} },
                found: format!("it is {}in `{revision}`", if inside { "" } else { "not " }),
                basis: Basis::Repository { name: name.to_string(), commit: release.id().to_string() },
            })
        };
        let seen_at = |name: &RepositoryName, revision: &str| {
            at(name, revision).unwrap_or_else(|e| nothing(e.code, e.reason))
        };
        let mut seen = seen_at(&check.repository, &revision);
        let counter_example = check
            .counter_example
            .as_ref()
            .map(|c| counter_example(c, &seen_at(&c.repository, &self.revision(Some(&c.revision)))));
        refuse_blind(&mut seen, counter_example.as_ref());
        let again = format!(
            "git -C {} merge-base --is-ancestor {} {revision} && echo in || echo not in",
            self.clone_path(&check.repository),
            check.commit
        );
        let request = format!("commit {} of {}", check.commit, check.repository);
        answer(id, seen, request, format!("an ancestor of `{revision}`"), counter_example, again)
    }

    fn patch(&self, id: &str, check: &PatchCheck) -> Answer {
        let revision = self.revision(check.revision.as_ref());
        let look = || -> Result<Seen, NotSeen> {
            let clone: Clone = self.repositories.open(&check.repository)?;
            let release = clone.commit(&revision)?;
            let same = clone.equivalent(&release, check.commit.as_str(), self.limits)?;
            Ok(Seen {
                found: match &same {
                    Some(commit) => format!("{commit} makes the same change"),
                    None => "no commit makes the same change".to_owned(),
                },
                answered: if same.is_some() { Answered::Holds {} } else { Answered::DoesNotHold {} },
                basis: Basis::Repository {
                    name: check.repository.to_string(),
                    commit: release.id().to_string(),
                },
            })
        };
        let seen = look().unwrap_or_else(|e| nothing(e.code, e.reason));
        let path = self.clone_path(&check.repository);
        let again = format!(
            "git -C {path} show {} | git patch-id --stable; git -C {path} log -p {revision} | git patch-id --stable",
            check.commit
        );
        let request = format!("the change of {} in {}", check.commit, check.repository);
        answer(id, seen, request, format!("a commit of `{revision}` makes it"), None, again)
    }

    fn rebuild(&self, id: &str, check: RebuildCheck) -> Answer {
        let seen = match (self.outcome, check.outcome) {
            (None, _) => nothing("rebuild-not-there", "the release was not rebuilt"),
            (Some(outcome), wanted) => {
                let answered = match (outcome, wanted) {
                    (Outcome::Identical, Wanted::Identical) => Answered::Holds {},
                    (Outcome::Identical, Wanted::NotIdentical) => Answered::DoesNotHold {},
                    (
                        Outcome::SourceUnavailable
                        | Outcome::EnvironmentUnavailable
                        | Outcome::NotBuilt
                        | Outcome::Undetermined
                        | Outcome::PartlyIdentical,
                        _,
                    ) => Answered::could_not_tell("rebuild-not-compared", "nothing was compared to its end"),
                    (_, Wanted::Identical) => Answered::DoesNotHold {},
                    (_, Wanted::NotIdentical) => Answered::Holds {},
                };
                Seen { answered, found: outcome.to_string(), basis: Basis::Record {} }
            }
        };
        let expected = match check.outcome {
            Wanted::Identical => "identical",
            Wanted::NotIdentical => "not identical",
        };
        let again = format!("reprove audit {}", self.named);
        answer(id, seen, "our rebuild of this release".to_owned(), expected.to_owned(), None, again)
    }

    fn attestation(&self, id: &str, check: &AttestationCheck) -> Answer {
        let policy = check.policy.as_str();
        let seen = match self.attestations {
            None => nothing("attestations-not-looked", "collected attestations were not looked at"),
            Some(all) => {
                let of_kind: Vec<_> = all
                    .iter()
                    .filter(|a| a.predicate_type == check.predicate_type && a.policy == policy)
                    .collect();
                let met = of_kind.iter().any(|a| a.met.is_ok());
                let refused = of_kind.iter().find_map(|a| a.met.as_ref().err());
                Seen {
                    found: match (met, refused) {
                        (true, _) => "one meets the policy".to_owned(),
                        (false, Some(reason)) => format!("none meets the policy: {reason}"),
                        (false, None) => "none among those that were collected".to_owned(),
                    },
                    answered: if met { Answered::Holds {} } else { Answered::DoesNotHold {} },
                    basis: Basis::Record {},
                }
            }
        };
        let request = format!("{} for the published artifact", check.predicate_type);
        let again = format!("reprove verify FILE --attestation BUNDLE --policy {policy}");
        answer(id, seen, request, format!("one that meets `{policy}`"), None, again)
    }

    fn manual(&self, id: &str, check: &ManualCheck) -> Answer {
        let names: Vec<String> = check.reviewers.iter().map(|r| format!("{} on {}", r.name, r.on)).collect();
        let same = upstream(self.version).is_some_and(|v| Some(v) == upstream(&check.release));
        let seen = if !same {
            nothing("reviewed-another-release", format!("release {} was reviewed", check.release))
        } else {
            let saw = check.reviewers.iter().filter(|r| r.saw).count();
            let answered = match (saw, check.reviewers.len() - saw) {
                (_, 0) => Answered::Holds {},
                (0, _) => Answered::DoesNotHold {},
                _ => Answered::could_not_tell("reviewers-disagree", "the reviewers disagree"),
            };
            let found = format!("{saw} of {} saw it", check.reviewers.len());
            Seen { answered, found, basis: Basis::Statement {} }
        };
        let expected = format!("{} saw it in {}", names.join(" and "), check.release);
        answer(
            id,
            seen,
            check.what.clone(),
            expected,
            None,
            "look at it yourself, with a second person".to_owned(),
        )
    }

    fn clone_path(&self, name: &RepositoryName) -> String {
        format!("CLONE-OF-{}", name.as_str().replace('/', "-"))
    }

    fn again_in_clone(
        &self,
        name: &RepositoryName,
        revision: &str,
        path: &SourcePath,
        pattern: Option<&Pattern>,
    ) -> String {
        let clone = self.clone_path(name);
        match pattern {
            Some(_) if path.is_folder() => {
                format!("git -C {clone} archive {revision} {path} | tar -xO | {}", grep(pattern))
            }
            Some(_) => format!("git -C {clone} show {revision}:{path} | {}", grep(pattern)),
            None => format!("git -C {clone} ls-tree -r {revision} -- {path}"),
        }
    }
}

/// `grep` with the same meaning, as Perl's expressions have it.
fn grep(pattern: Option<&Pattern>) -> String {
    let text = pattern.map(ToString::to_string).unwrap_or_default();
    format!("grep -Pzo -- {}", quoted(&format!("(?m){text}")))
}

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn again_in_source(path: &SourcePath, pattern: Option<&Pattern>) -> String {
    let unpack = "dpkg-source -x SOURCE.dsc tree";
    match pattern {
        Some(_) if path.is_folder() => format!("{unpack} && cat tree/{path}* | {}", grep(pattern)),
        Some(_) => format!("{unpack} && {} tree/{path}", grep(pattern)),
        None => format!("{unpack} && ls tree/{path}"),
    }
}

/// Looks at files. One that is not there shows nothing of what stands in it: it may have moved.
fn in_files(
    files: &[(&str, &[u8])],
    path: &SourcePath,
    pattern: Option<&Pattern>,
    contains: bool,
    basis: Basis,
) -> Seen {
    let Some(pattern) = pattern else {
        let there = !files.is_empty();
        return Seen {
            answered: if there == contains { Answered::Holds {} } else { Answered::DoesNotHold {} },
            found: if there { "it is there".to_owned() } else { "it is not there".to_owned() },
            basis,
        };
    };
    if files.is_empty() {
        return nothing("source-file-not-there", format!("there is no `{path}`; it may have moved"));
    }
    for (name, bytes) in files {
        let text = String::from_utf8_lossy(bytes);
        if let Some(hit) = pattern.regex().find(&text) {
            let line = text.get(..hit.start()).unwrap_or_default().matches('\n').count() + 1;
            return Seen {
                answered: if contains { Answered::Holds {} } else { Answered::DoesNotHold {} },
                found: format!("{name}:{line}: {}", excerpt(hit.as_str())),
                basis,
            };
        }
    }
    let looked = match files {
        [(one, _)] => format!("nothing in `{one}` fits"),
        many => format!("nothing in the {} files of `{path}` fits", many.len()),
    };
    Seen {
        answered: if contains { Answered::DoesNotHold {} } else { Answered::Holds {} },
        found: looked,
        basis,
    }
}

/// In one line, not too long.
fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match line.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

fn nothing(code: &str, reason: impl Into<String>) -> Seen {
    let reason = reason.into();
    Seen { found: reason.clone(), answered: Answered::could_not_tell(code, reason), basis: Basis::Nothing {} }
}

fn counter_example(counter: &CounterExample, there: &Seen) -> CounterExampleAnswer {
    CounterExampleAnswer {
        at: format!("{} {}", counter.repository, counter.revision),
        fails_there: match there.answered {
            Answered::Holds {} => Some(false),
            Answered::DoesNotHold {} => Some(true),
            Answered::CouldNotTell { .. } => None,
        },
        found: there.found.clone(),
    }
}

/// A check that also holds where it must not says nothing.
fn refuse_blind(seen: &mut Seen, counter: Option<&CounterExampleAnswer>) {
    if let Some(counter) = counter.filter(|c| c.fails_there == Some(false)) {
        let reason =
            format!("the check holds at {} too, where it must fail: it tells nothing apart", counter.at);
        seen.answered = Answered::could_not_tell("check-not-discriminating", reason);
    }
}

fn answer(
    id: &str,
    seen: Seen,
    request: String,
    expected: String,
    counter_example: Option<CounterExampleAnswer>,
    again: String,
) -> Answer {
    Answer {
        id: id.to_owned(),
        kind: String::new(),
        answered: seen.answered,
        basis: seen.basis,
        request,
        expected,
        found: seen.found,
        counter_example,
        again,
    }
}

#[cfg(test)]
mod tests;
