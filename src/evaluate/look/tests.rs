#![allow(clippy::unwrap_used, clippy::panic)]
use std::path::Path;

use git2::{Repository, Signature, Time};

use super::*;
use crate::evaluate::definition::Definition;
use crate::evaluate::evidence::{EvidenceSpec, Strength, read};
use crate::evaluate::register::Asserts;
use crate::source::git::Place;

/// A repository with one commit for each set of files, tagged `v1`, `v2`, …; gives the commits.
fn repository(path: &Path, commits: &[&[(&str, &str)]]) -> Vec<String> {
    let repository = Repository::init(path).unwrap();
    let mut made = Vec::new();
    for (n, files) in commits.iter().enumerate() {
        let mut builder = repository.treebuilder(None).unwrap();
        for (name, text) in *files {
            builder.insert(name, repository.blob(text.as_bytes()).unwrap(), 0o100_644).unwrap();
        }
        let tree = repository.find_tree(builder.write().unwrap()).unwrap();
        let who = Signature::new("a", "a@example.org", &Time::new(1_700_000_000 + n as i64, 0)).unwrap();
        let parent = repository.head().ok().and_then(|h| h.peel_to_commit().ok());
        let parents: Vec<_> = parent.iter().collect();
        let id = repository.commit(Some("HEAD"), &who, &who, "x", &tree, &parents).unwrap();
        repository
            .tag_lightweight(&format!("v{}", n + 1), repository.find_commit(id).unwrap().as_object(), false)
            .unwrap();
        made.push(id.to_string());
    }
    made
}

fn spec(keys: &str) -> EvidenceSpec<Asserts> {
    let text = format!("[e]\nid = \"x.e\"\nasserts = \"fixed\"\nrequired = true\n{keys}");
    let definition = Definition { file: "t.toml".to_owned(), text };
    let mut table = definition.table().unwrap();
    let value = table.get_mut().remove("e").unwrap();
    let span = value.span();
    let toml::de::DeValue::Table(inner) = value.into_inner() else { panic!("a table") };
    read(&definition, toml::Spanned::new(span, inner)).unwrap()
}

struct World {
    folder: tempfile::TempDir,
    source: ReleaseSource,
    repositories: Repositories,
    commits: Vec<String>,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    let commits = repository(
        &clone,
        &[
            &[("web.c", "open(path)\n")],
            &[("web.c", "open(path)\n"), ("guard.c", "x")],
            &[("web.c", "check();\nopen(path)\n")],
        ],
    );
    let tar = folder.path().join("t_3.orig.tar");
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in [("t/web.c", "check();\nopen(path)\n"), ("t/doc/a.md", "tells of it")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    std::fs::write(&tar, builder.into_inner().unwrap()).unwrap();
    let wanted: Vec<crate::evaluate::evidence::SourcePath> =
        ["web.c", "doc/"].map(|p| p.parse().unwrap()).to_vec();
    let files = [("t_3.orig.tar".to_owned(), tar.as_path())];
    let source =
        ReleaseSource::read("t 3-1", &files, &wanted.iter().collect::<Vec<_>>(), &SourceLimits::DEFAULT);
    let mut repositories = Repositories::default();
    repositories.insert("https://example.org/acme/tiny.git", Place::Folder(clone));
    World { source: source.unwrap(), repositories, commits, folder }
}

impl World {
    fn looker(&self) -> Looker<'_> {
        Looker {
            component: "tiny",
            version: "3-1",
            named: "'pkg:deb/debian/tiny@3-1?arch=amd64'",
            source: Ok(&self.source),
            tied: true,
            outcome: Some(Outcome::Identical),
            repositories: &self.repositories,
            attestations: Some(&[]),
            limits: &SourceLimits::DEFAULT,
        }
    }

    fn ask(&self, keys: &str) -> Answer {
        self.looker().answer("x.e", &spec(keys).check).unwrap()
    }
}

fn word(answer: &Answer) -> String {
    match &answer.answered {
        Answered::CouldNotTell { code, .. } => code.clone(),
        other => other.word().to_owned(),
    }
}

#[test]
fn the_grid_of_kinds() {
    let world = world();
    let commit = |n: usize| world.commits.get(n).unwrap().as_str();
    let none = "0123456789012345678901234567890123456789";
    for (keys, expected) in [
        ("kind = 'source-contains'\npath = 'web.c'\npattern = '^check\\(\\);$'".to_owned(), "holds"),
        ("kind = 'source-contains'\npath = 'web.c'\npattern = 'guard'".to_owned(), "does not hold"),
        ("kind = 'source-absent'\npath = 'web.c'\npattern = 'guard'".to_owned(), "holds"),
        ("kind = 'source-absent'\npath = 'web.c'\npattern = 'check'".to_owned(), "does not hold"),
        // A file that moved shows nothing, whichever way it is asked.
        ("kind = 'source-absent'\npath = 'moved.c'\npattern = 'check'".to_owned(), "source-file-not-there"),
        ("kind = 'source-contains'\npath = 'moved.c'\npattern = 'check'".to_owned(), "source-file-not-there"),
        ("kind = 'source-absent'\npath = 'moved.c'".to_owned(), "holds"),
        ("kind = 'source-absent'\npath = 'web.c'".to_owned(), "does not hold"),
        ("kind = 'source-contains'\npath = 'doc/'\npattern = 'tells'".to_owned(), "holds"),
        ("kind = 'document'\npath = 'doc/a.md'".to_owned(), "holds"),
        ("kind = 'document'\npath = 'doc/b.md'".to_owned(), "does not hold"),
        ("kind = 'document'\npath = 'doc/a.md'\npattern = 'says'".to_owned(), "does not hold"),
        ("kind = 'document'\npath = 'a'\nrepository = 'acme/other'".to_owned(), "repository-not-reachable"),
        ("kind = 'source-contains'\npath = 'web.c'\npattern = 'check'\nrepository = 'acme/tiny'\nrevision = 'v1'".to_owned(), "does not hold"),
        ("kind = 'source-contains'\npath = 'web.c'\npattern = 'check'\nrepository = 'acme/tiny'\nrevision = 'HEAD'".to_owned(), "holds"),
        ("kind = 'source-contains'\npath = 'web.c'\npattern = 'check'\nrepository = 'acme/tiny'\nrevision = 'v9'".to_owned(), "revision-not-there"),
        // With a counter-example: it must fail there.
        ("kind = 'source-contains'\npath = 'web.c'\npattern = 'check'\ncounter-example = { repository = 'acme/tiny', revision = 'v2' }".to_owned(), "holds"),
        ("kind = 'source-contains'\npath = 'web.c'\npattern = 'open'\ncounter-example = { repository = 'acme/tiny', revision = 'v2' }".to_owned(), "check-not-discriminating"),
        ("kind = 'source-contains'\npath = 'web.c'\npattern = 'open'\ncounter-example = { repository = 'acme/other', revision = 'v2' }".to_owned(), "holds"),
        (format!("kind = 'commit-in-release'\nrepository = 'acme/tiny'\ncommit = '{}'\nrevision = 'v2'", commit(0)), "holds"),
        (format!("kind = 'commit-in-release'\nrepository = 'acme/tiny'\ncommit = '{}'\nrevision = 'v2'", commit(2)), "does not hold"),
        (format!("kind = 'commit-in-release'\nrepository = 'acme/tiny'\ncommit = '{}'\nrevision = 'v2'", commit(1)), "holds"),
        (format!("kind = 'commit-in-release'\nrepository = 'acme/tiny'\ncommit = '{none}'\nrevision = 'v2'"), "commit-not-there"),
        (
            format!(
                "kind = 'commit-in-release'\nrepository = 'acme/tiny'\ncommit = '{}'\nrevision = 'v3'\ncounter-example = {{ repository = 'acme/tiny', revision = 'v2' }}",
                commit(0)
            ),
            "check-not-discriminating",
        ),
        (format!("kind = 'patch-equivalent'\nrepository = 'acme/tiny'\ncommit = '{}'\nrevision = 'v3'", commit(2)), "holds"),
        (format!("kind = 'patch-equivalent'\nrepository = 'acme/tiny'\ncommit = '{}'\nrevision = 'v2'", commit(2)), "does not hold"),
        ("kind = 'rebuild-verdict'\noutcome = 'identical'".to_owned(), "holds"),
        ("kind = 'rebuild-verdict'\noutcome = 'not-identical'".to_owned(), "does not hold"),
        ("kind = 'attestation-present'\npredicate-type = 'https://slsa.dev/provenance/v1'\npolicy = 'p.toml'".to_owned(), "does not hold"),
        ("kind = 'manual'\nrelease = '3.0.0'\nwhat = 'w'\nreviewers = [{ name = 'a', on = 2026-01-01, saw = true }, { name = 'b', on = 2026-01-01, saw = true }]".to_owned(), "holds"),
        ("kind = 'manual'\nrelease = '3.0.0'\nwhat = 'w'\nreviewers = [{ name = 'a', on = 2026-01-01, saw = true }, { name = 'b', on = 2026-01-01, saw = false }]".to_owned(), "reviewers-disagree"),
        ("kind = 'manual'\nrelease = '2.0.0'\nwhat = 'w'\nreviewers = [{ name = 'a', on = 2026-01-01, saw = true }, { name = 'b', on = 2026-01-01, saw = true }]".to_owned(), "reviewed-another-release"),
    ] {
        let answer = world.ask(&keys);
        assert_eq!(word(&answer), expected, "{keys}\n{answer:?}");
        assert!(!answer.again.is_empty() && !answer.kind.is_empty());
    }
}

#[test]
fn a_same_change_under_another_name_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let commits =
        repository(folder.path(), &[&[("a", "1\n")], &[("a", "1\n2\n")], &[("a", "1\n2\n"), ("b", "x\n")]]);
    // The same addition of `b`, on another line of history.
    let repository = Repository::open(folder.path()).unwrap();
    let base = repository.find_commit(git2::Oid::from_str(commits.first().unwrap()).unwrap()).unwrap();
    let mut builder = repository.treebuilder(Some(&base.tree().unwrap())).unwrap();
    builder.insert("b", repository.blob(b"x\n").unwrap(), 0o100_644).unwrap();
    let tree = repository.find_tree(builder.write().unwrap()).unwrap();
    let who = Signature::new("b", "b@example.org", &Time::new(1_800_000_000, 0)).unwrap();
    let picked = repository.commit(None, &who, &who, "picked", &tree, &[&base]).unwrap();
    let mut repositories = Repositories::default();
    repositories.insert("acme/tiny", Place::Folder(folder.path().to_path_buf()));
    let clone = repositories.open(&"acme/tiny".parse().unwrap()).unwrap();
    let head = clone.commit("HEAD").unwrap();
    assert_eq!(clone.contains(&head, &picked.to_string()), Ok(false));
    assert_eq!(
        clone.equivalent(&head, &picked.to_string(), &SourceLimits::DEFAULT).unwrap(),
        commits.get(2).cloned()
    );
    let before = clone.commit("v2").unwrap();
    assert_eq!(clone.equivalent(&before, &picked.to_string(), &SourceLimits::DEFAULT), Ok(None));
    let few = SourceLimits { commits_max: 1, ..SourceLimits::DEFAULT };
    assert_eq!(clone.equivalent(&before, &picked.to_string(), &few).unwrap_err().code, "repository-limit");
}

#[test]
fn strength_follows_what_was_looked_at() {
    let world = world();
    let source = "kind = 'source-contains'\npath = 'web.c'\npattern = 'check'";
    assert_eq!(world.ask(source).strength(), Strength::TiedSource);
    let untied = Looker { tied: false, ..world.looker() };
    assert_eq!(untied.answer("x.e", &spec(source).check).unwrap().strength(), Strength::Source);
    let none =
        Looker { source: Err("no mirror has it"), outcome: None, attestations: None, ..world.looker() };
    for (keys, code) in [
        (source, "source-not-there"),
        ("kind = 'rebuild-verdict'\noutcome = 'identical'", "rebuild-not-there"),
        (
            "kind = 'attestation-present'\npredicate-type = 'https://x.y/v1'\npolicy = 'p'",
            "attestations-not-looked",
        ),
    ] {
        let answer = none.answer("x.e", &spec(keys).check).unwrap();
        assert_eq!((word(&answer).as_str(), answer.strength()), (code, Strength::None));
    }
    let failed = Looker { outcome: Some(Outcome::NotBuilt), ..world.looker() };
    let answer =
        failed.answer("x.e", &spec("kind = 'rebuild-verdict'\noutcome = 'not-identical'").check).unwrap();
    assert_eq!(word(&answer), "rebuild-not-compared");
    let document = "kind = 'document'\npath = 'web.c'\nrepository = 'acme/tiny'\nrevision = 'HEAD'";
    assert_eq!(world.ask(document).strength(), Strength::Document);
    drop(world.folder);
}

#[test]
fn an_attestation_counts_only_where_it_meets_the_policy() {
    let world = world();
    let keys =
        "kind = 'attestation-present'\npredicate-type = 'https://slsa.dev/provenance/v1'\npolicy = 'p.toml'";
    let one = |kind: &str, policy: &str, met: Result<(), String>| PresentAttestation {
        predicate_type: kind.to_owned(),
        policy: policy.to_owned(),
        met,
    };
    let slsa = "https://slsa.dev/provenance/v1";
    for (all, expected) in [
        (vec![one(slsa, "p.toml", Ok(()))], "holds"),
        (vec![one(slsa, "p.toml", Err("another signer".to_owned()))], "does not hold"),
        (vec![one(slsa, "other.toml", Ok(()))], "does not hold"),
        (vec![one("https://other.example/v1", "p.toml", Ok(()))], "does not hold"),
    ] {
        let looker = Looker { attestations: Some(&all), ..world.looker() };
        assert_eq!(word(&looker.answer("x.e", &spec(keys).check).unwrap()), expected);
    }
}
