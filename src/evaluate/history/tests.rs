#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use crate::evaluate::evidence::{Answered, Basis};

fn look(version: &str) -> Look {
    Look {
        id: 0,
        component: "tiny".to_owned(),
        version: version.to_owned(),
        purl: format!("pkg:deb/debian/tiny@{version}"),
        tested: "{}".to_owned(),
        as_of: "2026-01-15T00:00:00Z".to_owned(),
        tool: "reprove 0".to_owned(),
    }
}

fn answer(id: &str, answered: Answered) -> Answer {
    Answer {
        id: id.to_owned(),
        kind: "document".to_owned(),
        answered,
        basis: Basis::Nothing {},
        request: "r".to_owned(),
        expected: "e".to_owned(),
        found: "f".to_owned(),
        counter_example: None,
        again: "a".to_owned(),
    }
}

fn questions(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(id, q)| ((*id).to_owned(), (*q).to_owned())).collect()
}

#[test]
fn what_was_seen_is_read_back_and_a_changed_question_has_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    let (one, two) = (answer("a", Answered::Holds {}), answer("b", Answered::DoesNotHold {}));
    let id = {
        let mut history = History::open(&path).unwrap();
        history.enter(&look("1"), &[("q1".to_owned(), &one), ("q2".to_owned(), &two)]).unwrap()
    };
    let history = History::open(&path).unwrap();
    let same = questions(&[("a", "q1"), ("b", "q2")]);
    assert_eq!(history.answers(id, &same).unwrap(), [one.clone(), two]);
    assert_eq!(history.answers(id, &questions(&[("a", "q1"), ("b", "other")])).unwrap(), [one]);
    assert_eq!(history.answers(id + 1, &same).unwrap(), []);
    assert_eq!(history.looks("tiny").unwrap(), [Look { id, ..look("1") }]);
    assert_eq!(
        (history.looks("other").unwrap().len(), history.components().unwrap()),
        (0, vec!["tiny".to_owned()])
    );
}

#[test]
fn the_last_look_at_each_version_counts() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(&folder.path().join("h")).unwrap();
    for version in ["1", "2", "1"] {
        history.enter(&look(version), &[]).unwrap();
    }
    let versions = |looks: Vec<Look>| looks.into_iter().map(|l| l.version).collect::<Vec<_>>();
    assert_eq!(versions(history.looks("tiny").unwrap()), ["2", "1"]);
    assert_eq!(versions(history.all_looks("tiny").unwrap()), ["1", "2", "1"]);
}

#[test]
fn a_look_that_was_cut_off_is_not_there_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h");
    let (good, twice) = (answer("a", Answered::Holds {}), answer("a", Answered::Holds {}));
    let mut history = History::open(&path).unwrap();
    let failed = history.enter(&look("1"), &[("q".to_owned(), &good), ("q".to_owned(), &twice)]);
    assert!(matches!(failed, Err(HistoryError::Database { .. })));
    assert_eq!(history.looks("tiny").unwrap(), []);
    // A machine that stops between two statements leaves the file with its journal: the next one that
    // opens it undoes what was half done.
    let dying = Connection::open(&path).unwrap();
    dying.pragma_update(None, "cache_size", 1).unwrap();
    dying.execute_batch("begin immediate").unwrap();
    for n in 0..2000 {
        dying
            .execute(
                "insert into look (component, version, purl, tested, as_of, tool) values ('tiny', ?, '', '', '', '')",
                [n.to_string()],
            )
            .unwrap();
    }
    let left = folder.path().join("left");
    std::fs::copy(&path, &left).unwrap();
    std::fs::copy(folder.path().join("h-journal"), folder.path().join("left-journal")).unwrap();
    assert_ne!(std::fs::read(&left).unwrap().len(), 0);
    assert_eq!(History::open(&left).unwrap().looks("tiny").unwrap(), []);
}

#[test]
fn foreign_newer_and_damaged_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign");
    Connection::open(&foreign).unwrap().execute_batch("create table notes (text)").unwrap();
    assert!(matches!(History::open(&foreign), Err(HistoryError::Foreign { .. })));
    let newer = folder.path().join("newer");
    History::open(&newer).unwrap();
    Connection::open(&newer).unwrap().execute_batch("pragma user_version = 99").unwrap();
    assert!(matches!(History::open(&newer), Err(HistoryError::Newer { found: 99, .. })));
    let damaged = folder.path().join("damaged");
    let bytes = b"this is no database at all, but long enough to be looked at as one".repeat(100);
    std::fs::write(&damaged, &bytes).unwrap();
    assert!(matches!(History::open(&damaged), Err(HistoryError::Database { .. })));
    assert_eq!(std::fs::read(&damaged).unwrap(), bytes);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&newer, &link).unwrap();
    assert!(History::open(&link).is_err());
}

#[test]
fn what_cannot_be_read_counts_as_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h");
    let mut history = History::open(&path).unwrap();
    let id = history.enter(&look("1"), &[("q".to_owned(), &answer("a", Answered::Holds {}))]).unwrap();
    let same = questions(&[("a", "q")]);
    for text in ["", "{}", "{\"id\":\"b\"}", "\0"] {
        history.connection.execute("update answer set answer = ?", [text]).unwrap();
        assert_eq!(history.answers(id, &same).unwrap(), [], "{text:?}");
    }
}

fn sight<'a>(kind: &'a str, name: &'a str, value: &'a str) -> Sight<'a> {
    Sight { kind, name, value }
}

#[test]
fn what_changed_since_is_told_once_as_fresh_and_then_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = History::open(&folder.path().join("history.sqlite")).unwrap();
    let mut see = |purl: &str, as_of: &str, value: &str| {
        let seen = [sight("tag", "o/n v1", value), sight("source", "x.zip", "same")];
        let found = history.sight(purl, as_of, &seen).unwrap();
        found.into_iter().map(|r| (r.name, r.before, r.before_at, r.now, r.fresh)).collect::<Vec<_>>()
    };
    let told = |before: &str, at: &str, now: &str, fresh| {
        vec![("o/n v1".to_owned(), before.to_owned(), at.to_owned(), now.to_owned(), fresh)]
    };
    assert_eq!(see("pkg:a", "1", "one"), []);
    assert_eq!(see("pkg:a", "2", "one"), []);
    assert_eq!(see("pkg:b", "2", "two"), [], "another release has its own");
    assert_eq!(see("pkg:a", "3", "two"), told("one", "1", "two", true));
    assert_eq!(see("pkg:a", "4", "two"), told("one", "1", "two", false));
    assert_eq!(see("pkg:a", "5", "one"), told("two", "3", "one", true));
}

#[test]
fn the_first_layout_gets_what_the_second_added() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&format!("{TABLES} pragma application_id = {APPLICATION}; pragma user_version = 1;"))
        .unwrap();
    drop(old);
    let mut history = History::open(&path).unwrap();
    let id = history.enter(&look("1.0"), &[]).unwrap();
    assert_eq!(history.sight("pkg:a", "1", &[sight("tag", "t", "v")]).unwrap(), []);
    drop(history);
    let mut again = History::open(&path).unwrap();
    assert_eq!(again.looks("tiny").unwrap().first().unwrap().id, id);
    assert_eq!(again.sight("pkg:a", "2", &[sight("tag", "t", "w")]).unwrap().len(), 1);
}
