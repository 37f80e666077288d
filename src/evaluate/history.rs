//! What was seen of earlier releases: one small SQLite file.
//!
//! It holds answers, never standings: those are derived from it by the register as it is today. An answer
//! is kept with its question's digest, so that a changed check is not taken for an answered one.
//!
//! Beside looks it holds what audits saw of things that never change once they are published: digests of
//! sources and released files, the objects that tags name. One that changed all the same was replaced.
//!
//! Each look is one transaction with full synchronisation: after a crash it is there whole, or not at
//! all. Several processes may use the file at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use miette::Diagnostic;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, TransactionBehavior, params};

use super::evidence::Answer;
use crate::limits::evaluate::{ANSWER_BYTES_MAX, LOOKS_MAX};

/// `rprv`, in the header of the file.
const APPLICATION: i32 = 0x7270_7276;
/// The layout of the tables.
const LAYOUT: i32 = 2;
/// How long to wait for another process.
const BUSY: Duration = Duration::from_secs(30);

const TABLES: &str = "
create table look (
    id integer primary key,
    component text not null,
    version text not null,
    purl text not null,
    tested text not null,
    as_of text not null,
    tool text not null
) strict;
create index look_component on look (component, id);
create table answer (
    look integer not null references look (id) on delete cascade,
    evidence text not null,
    question text not null,
    answer text not null,
    primary key (look, evidence)
) strict, without rowid;
";

/// What the second layout added.
const SIGHTS: &str = "
create table sight (
    id integer primary key,
    purl text not null,
    kind text not null,
    name text not null,
    value text not null,
    as_of text not null
) strict;
create index sight_name on sight (purl, kind, name, id);
";

/// Why the history could not be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum HistoryError {
    /// It is not one of ours.
    #[error("`{}` is no history of reprove's", path.display())]
    #[diagnostic(code(evaluate::history_foreign), help("name another file, or move this one away"))]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A newer version made it.
    #[error("`{}` has layout {found}, this version knows {LAYOUT}", path.display())]
    #[diagnostic(
        code(evaluate::history_newer),
        help("use the version of reprove that wrote it, or move the file away and begin anew")
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its layout.
        found: i32,
    },
    /// The database refused.
    #[error("cannot use the history `{}`", path.display())]
    #[diagnostic(
        code(evaluate::history),
        help(
            "check that the file may be written and the disk has room; a damaged file can be moved away: what was seen before is then not known"
        )
    )]
    Database {
        /// Which file.
        path: PathBuf,
        /// Its reason.
        #[source]
        source: rusqlite::Error,
    },
}

/// One look at one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its number, in order of entry; 0 for one that was not entered.
    pub id: i64,
    /// The component.
    pub component: String,
    /// The version as published.
    pub version: String,
    /// The package URL.
    pub purl: String,
    /// What ran, as the caller writes it; opaque here.
    pub tested: String,
    /// The time of judgement, RFC 3339.
    pub as_of: String,
    /// Who looked.
    pub tool: String,
}

/// Something that never changes once it was published, as an audit saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight<'a> {
    /// What it is, in one word.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its digest, or the objects that it names.
    pub value: &'a str,
}

/// Something that changed all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// What it is, in one word.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it was.
    pub before: String,
    /// When it was last seen so, RFC 3339.
    pub before_at: String,
    /// What it is now.
    pub now: String,
    /// Whether the look before this one still saw the other.
    pub fresh: bool,
}

impl Look {
    /// Of a component of which nothing was looked at.
    pub fn none(component: &str) -> Self {
        Self {
            id: 0,
            component: component.to_owned(),
            version: String::new(),
            purl: String::new(),
            tested: String::new(),
            as_of: String::new(),
            tool: String::new(),
        }
    }
}

/// The file.
pub struct History {
    connection: Connection,
    path: PathBuf,
}

impl History {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        let failed = |source| HistoryError::Database { path: path.to_path_buf(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        connection
            .execute_batch(
                "pragma synchronous = full; pragma foreign_keys = on; pragma trusted_schema = off;",
            )
            .map_err(failed)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let number =
            |name: &str| transaction.query_row(&format!("pragma {name}"), [], |row| row.get::<_, i32>(0));
        let (application, layout) =
            (number("application_id").map_err(failed)?, number("user_version").map_err(failed)?);
        let tables: i64 =
            transaction.query_row("select count(*) from sqlite_schema", [], |r| r.get(0)).map_err(failed)?;
        match (application, layout, tables) {
            (0, 0, 0) => transaction
                .execute_batch(&format!(
                    "{TABLES} {SIGHTS} pragma application_id = {APPLICATION}; pragma user_version = {LAYOUT};"
                ))
                .map_err(failed)?,
            (APPLICATION, LAYOUT, _) => {}
            (APPLICATION, 1, _) => transaction
                .execute_batch(&format!("{SIGHTS} pragma user_version = {LAYOUT};"))
                .map_err(failed)?,
            (APPLICATION, found, _) => return Err(HistoryError::Newer { path: path.to_path_buf(), found }),
            _ => return Err(HistoryError::Foreign { path: path.to_path_buf() }),
        }
        transaction.commit().map_err(failed)?;
        Ok(Self { connection, path: path.to_path_buf() })
    }

    fn failed(&self, source: rusqlite::Error) -> HistoryError {
        HistoryError::Database { path: self.path.clone(), source }
    }

    /// Enters a look with its answers, each with its question's digest. An answer that is too large is
    /// left out; it then counts as not seen.
    pub fn enter(&mut self, look: &Look, answers: &[(String, &Answer)]) -> Result<i64, HistoryError> {
        let path = self.path.clone();
        let failed = |source| HistoryError::Database { path: path.clone(), source };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        transaction
            .execute(
                "insert into look (component, version, purl, tested, as_of, tool) values (?, ?, ?, ?, ?, ?)",
                params![look.component, look.version, look.purl, look.tested, look.as_of, look.tool],
            )
            .map_err(failed)?;
        let id = transaction.last_insert_rowid();
        for (question, answer) in answers {
            let text = serde_json::to_string(answer).unwrap_or_default();
            if text.is_empty() || text.len() > ANSWER_BYTES_MAX {
                continue;
            }
            transaction
                .execute(
                    "insert into answer (look, evidence, question, answer) values (?, ?, ?, ?)",
                    params![id, answer.id, question, text],
                )
                .map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(id)
    }

    /// Enters what an audit saw of a release's things, and gives those that earlier audits saw otherwise.
    /// Only a value that is not the last one's is entered.
    pub fn sight(
        &mut self,
        purl: &str,
        as_of: &str,
        seen: &[Sight<'_>],
    ) -> Result<Vec<Replaced>, HistoryError> {
        let path = self.path.clone();
        let failed = |source| HistoryError::Database { path: path.clone(), source };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let mut replaced = Vec::new();
        for Sight { kind, name, value } in seen {
            let last: Option<String> = transaction
                .query_row(
                    "select value from sight where purl = ? and kind = ? and name = ? order by id desc limit 1",
                    params![purl, kind, name],
                    |row| row.get(0),
                )
                .optional()
                .map_err(failed)?;
            let other: Option<(String, String)> = transaction
                .query_row(
                    "select value, as_of from sight where purl = ? and kind = ? and name = ? and value <> ?
                     order by id desc limit 1",
                    params![purl, kind, name, value],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()
                .map_err(failed)?;
            let fresh = last.as_deref().is_some_and(|last| last != *value);
            if last.as_deref() != Some(*value) {
                transaction
                    .execute(
                        "insert into sight (purl, kind, name, value, as_of) values (?, ?, ?, ?, ?)",
                        params![purl, kind, name, value, as_of],
                    )
                    .map_err(failed)?;
            }
            if let Some((before, before_at)) = other {
                replaced.push(Replaced {
                    kind: (*kind).to_owned(),
                    name: (*name).to_owned(),
                    before,
                    before_at,
                    now: (*value).to_owned(),
                    fresh,
                });
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(replaced)
    }

    /// The last look at each release of a component, in order of entry.
    pub fn looks(&self, component: &str) -> Result<Vec<Look>, HistoryError> {
        self.select(
            "select id, component, version, purl, tested, as_of, tool from look
             where id in (select max(id) from look where component = ? group by purl)
             order by id desc limit ?",
            component,
        )
    }

    /// Every look at a component, in order of entry.
    pub fn all_looks(&self, component: &str) -> Result<Vec<Look>, HistoryError> {
        self.select(
            "select id, component, version, purl, tested, as_of, tool from look
             where component = ? order by id desc limit ?",
            component,
        )
    }

    fn select(&self, query: &str, component: &str) -> Result<Vec<Look>, HistoryError> {
        let failed = |e| self.failed(e);
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        let rows = statement
            .query_map(params![component, LOOKS_MAX as i64], |row| {
                Ok(Look {
                    id: row.get(0)?,
                    component: row.get(1)?,
                    version: row.get(2)?,
                    purl: row.get(3)?,
                    tested: row.get(4)?,
                    as_of: row.get(5)?,
                    tool: row.get(6)?,
                })
            })
            .map_err(failed)?;
        let mut looks = rows.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        looks.reverse();
        Ok(looks)
    }

    /// Components of which something was seen.
    pub fn components(&self) -> Result<Vec<String>, HistoryError> {
        let failed = |e| self.failed(e);
        let query = "select distinct component from look order by component limit ?";
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        let rows = statement.query_map([LOOKS_MAX as i64], |row| row.get(0)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    }

    /// The answers of a look. `questions` holds the digest of each question as it is asked today; what
    /// was asked otherwise, and what cannot be read, is left out.
    pub fn answers(
        &self,
        look: i64,
        questions: &BTreeMap<String, String>,
    ) -> Result<Vec<Answer>, HistoryError> {
        let failed = |e| self.failed(e);
        let query = "select evidence, question, answer from answer where look = ? order by evidence";
        let mut statement = self.connection.prepare(query).map_err(failed)?;
        let mut rows = statement.query([look]).map_err(failed)?;
        let mut answers = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let (evidence, question, text): (String, String, String) =
                (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
            if questions.get(&evidence) != Some(&question) || text.len() > ANSWER_BYTES_MAX {
                continue;
            }
            if let Ok(answer) = serde_json::from_str::<Answer>(&text)
                && answer.id == evidence
            {
                answers.push(answer);
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests;
