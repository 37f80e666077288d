//! Statements of others, read leniently where in-toto says so and strictly where meaning is at stake.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json;
use crate::digest::{Agreement, Algorithm, Digest, DigestSet};
use crate::statement::{STATEMENT_V0_1, STATEMENT_V1};

/// One subject: its digests by algorithm name, also of algorithms unknown here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignSubject {
    pub(crate) name: String,
    pub(crate) digest: BTreeMap<String, String>,
}

/// A statement whose header is sound; the predicate is carried as it is.
#[derive(Debug, Clone)]
pub(crate) struct ForeignStatement {
    pub(crate) subjects: Vec<ForeignSubject>,
    pub(crate) predicate_type: String,
    pub(crate) value: Value,
}

impl ForeignStatement {
    /// Reads a payload. The type has to be in-toto's, v0.1 or v1.
    pub(crate) fn parse(payload: &[u8], subjects_max: usize) -> Result<Self, String> {
        let value = json::parse(payload).map_err(|e| format!("the payload is not JSON: {e}"))?;
        let type_ = json::text(&value, &["_type"]).ok_or("the statement has no `_type`")?;
        if type_ != STATEMENT_V1 && type_ != STATEMENT_V0_1 {
            return Err(format!("the statement's type is `{}`", type_.escape_debug()));
        }
        let predicate_type =
            json::text(&value, &["predicateType"]).ok_or("the statement has no `predicateType`")?.to_owned();
        let list = match value.get("subject") {
            Some(Value::Array(list)) => list.as_slice(),
            None | Some(Value::Null) => &[],
            Some(_) => return Err("`subject` is not a list".to_owned()),
        };
        if list.len() > subjects_max {
            return Err(format!(
                "the statement has {} subjects, at most {subjects_max} are read",
                list.len()
            ));
        }
        let subjects = list.iter().map(subject).collect::<Result<_, _>>()?;
        Ok(Self { subjects, predicate_type, value })
    }

    pub(crate) fn predicate(&self) -> &Value {
        self.value.get("predicate").unwrap_or(&Value::Null)
    }

    /// The first subject that has the artifact's digest. A subject of which one shared algorithm
    /// differs is another artifact, whatever the rest says.
    pub(crate) fn subject_of(&self, digests: &DigestSet, only: Option<Algorithm>) -> Option<&ForeignSubject> {
        self.subjects.iter().find(|subject| {
            let Some(theirs) = known_digests(subject) else { return false };
            let ours = match only {
                None => digests.clone(),
                Some(algorithm) => match digests.get(algorithm) {
                    Some(digest) => DigestSet::single(digest.clone()),
                    None => return false,
                },
            };
            ours.agreement(&theirs) == Agreement::Same
        })
    }
}

fn subject(value: &Value) -> Result<ForeignSubject, String> {
    let digest = match value.get("digest") {
        Some(Value::Object(map)) => map
            .iter()
            .map(|(name, digest)| match digest.as_str() {
                Some(text) => Ok((name.clone(), text.to_owned())),
                None => Err(format!("the `{}` digest of a subject is not a string", name.escape_debug())),
            })
            .collect::<Result<_, _>>()?,
        None | Some(Value::Null) => BTreeMap::new(),
        Some(_) => return Err("the digest of a subject is not an object".to_owned()),
    };
    let name = match value.get("name") {
        Some(Value::String(name)) => name.clone(),
        None | Some(Value::Null) => String::new(),
        Some(_) => return Err("the name of a subject is not a string".to_owned()),
    };
    Ok(ForeignSubject { name, digest })
}

/// The digests that can be compared here, `None` where there is none.
fn known_digests(subject: &ForeignSubject) -> Option<DigestSet> {
    let mut set: Option<DigestSet> = None;
    for (name, text) in &subject.digest {
        let Ok(algorithm) = name.parse::<Algorithm>() else { continue };
        // A digest of a known algorithm that is not one cannot agree with anything.
        let digest = Digest::from_hex(algorithm, text).ok()?;
        set = Some(match set {
            None => DigestSet::single(digest),
            Some(set) => set.with(digest),
        });
    }
    set
}

/// Every comparable digest of a payload's subjects, SHA-256 first within a subject; empty where the
/// payload is no statement.
pub(crate) fn subject_digests(payload: &[u8]) -> Vec<Digest> {
    let Ok(value) = json::parse(payload) else { return Vec::new() };
    let list = value.get("subject").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|entry| subject(entry).ok())
        .filter_map(|subject| known_digests(&subject))
        .flat_map(|set| set.iter().cloned().collect::<Vec<_>>())
        .collect()
}
