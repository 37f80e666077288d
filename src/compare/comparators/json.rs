//! JSON documents: values by their pointer (RFC 6901); another order of keys or other blanks alone are
//! told as that.

use serde_json::Value;

use super::super::cause::{Cause, Tier};
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};
use super::{Format, Probe, data};

pub(crate) static FORMAT: Format = Format { id: "json", recognise, compare };

/// Values listed for one document.
const VALUES_MAX: usize = 100;

fn recognise(probe: &Probe<'_>) -> bool {
    let first = probe.head.iter().find(|b| !b.is_ascii_whitespace());
    let named = [&b".json"[..], b".jsonld", b".spdx"].iter().any(|e| probe.name.ends_with(e));
    match first {
        Some(b'{') => {
            named
                || probe
                    .head
                    .iter()
                    .filter(|b| !b.is_ascii_whitespace())
                    .nth(1)
                    .is_some_and(|b| matches!(b, b'"' | b'}'))
        }
        Some(b'[') => named,
        _ => false,
    }
}

fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let most = walk.budget.limits.document_bytes_max;
    let (Some(text_a), Some(text_b)) = (pair.a.whole(most)?, pair.b.whole(most)?) else {
        return data::compare(walk, pair);
    };
    walk.budget.diff_work((text_a.len() + text_b.len()) as u64 / 1000)?;
    let parse = |text: &[u8]| serde_json::from_slice::<Value>(text).ok();
    let (Some(a), Some(b)) = (parse(&text_a), parse(&text_b)) else { return data::compare(walk, pair) };
    if a == b {
        // Equal values made of the same characters: keys and blanks have moved, nothing else.
        let characters = |text: &[u8]| {
            let mut bytes: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            bytes.sort_unstable();
            bytes
        };
        if characters(&text_a) == characters(&text_b) {
            walk.changed.insert(pair.path.to_owned());
            walk.add(Difference::exact(pair.path, Cause::JsonKeyOrder));
            return Ok(());
        }
        // One value in two spellings, or a key that is there twice: readers may differ.
        walk.changed.insert(pair.path.to_owned());
        data::mask(walk, pair)?;
        let mut difference = Difference::exact(pair.path, Cause::Content);
        difference.hunks = data::text_hunks(&text_a, &text_b, walk.budget.limits.hunk_bytes_max);
        walk.add(difference.note("the values are equal, their spelling is not"));
        return Ok(());
    }
    walk.changed.insert(pair.path.to_owned());
    data::mask(walk, pair)?;
    let mut found = Vec::new();
    values(&a, &b, &mut String::new(), &mut found);
    let image =
        a.get("rootfs").is_some() || a.pointer("/config/mediaType").is_some() || a.get("layers").is_some();
    let mut hunks = data::text_hunks(&text_a, &text_b, walk.budget.limits.hunk_bytes_max);
    for (pointer, left, right) in found.iter().take(VALUES_MAX) {
        let cause = cause(pointer, left.as_deref(), right.as_deref(), image);
        let mut difference = Difference::exact(pair.path, cause).field(pointer);
        if let Some(left) = left {
            difference = difference.left(left);
        }
        if let Some(right) = right {
            difference = difference.right(right);
        }
        if cause.tier() == Tier::Pattern {
            difference = difference.pattern();
        }
        difference.hunks = std::mem::take(&mut hunks);
        walk.add(difference);
    }
    if found.len() > VALUES_MAX {
        walk.add(
            Difference::exact(pair.path, Cause::Content)
                .note(format!("and {} more values", found.len() - VALUES_MAX)),
        );
    }
    Ok(())
}

type Found = Vec<(String, Option<String>, Option<String>)>;

/// Values that differ, by pointer. serde_json bounds the depth.
fn values(a: &Value, b: &Value, at: &mut String, found: &mut Found) {
    if a == b || found.len() > VALUES_MAX * 10 {
        return;
    }
    let mut inner = |key: &str, x: Option<&Value>, y: Option<&Value>| {
        let length = at.len();
        at.push('/');
        at.push_str(&key.replace('~', "~0").replace('/', "~1"));
        match (x, y) {
            (Some(x), Some(y)) => values(x, y, at, found),
            (x, y) => found.push((at.clone(), x.map(Value::to_string), y.map(Value::to_string))),
        }
        at.truncate(length);
    };
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            for key in x.keys().chain(y.keys().filter(|k| !x.contains_key(*k))) {
                if x.get(key) != y.get(key) {
                    inner(key, x.get(key), y.get(key));
                }
            }
        }
        (Value::Array(x), Value::Array(y)) => {
            for i in 0..x.len().max(y.len()) {
                inner(&i.to_string(), x.get(i), y.get(i));
            }
        }
        _ => found.push((at.clone(), Some(a.to_string()), Some(b.to_string()))),
    }
}

fn cause(pointer: &str, left: Option<&str>, right: Option<&str>, image: bool) -> Cause {
    let key = pointer.rsplit('/').next().unwrap_or_default();
    let (Some(left), Some(right)) = (left, right) else { return Cause::Content };
    if (image && key == "created") || key == "org.opencontainers.image.created" {
        return Cause::OciCreated;
    }
    match key {
        "gitHead" | "vcs_revision" | "org.opencontainers.image.revision" => Cause::VcsRevision,
        // `.cargo_vcs_info.json`.
        "sha1" if pointer == "/git/sha1" => Cause::VcsRevision,
        "version" => Cause::VersionString,
        _ => data::field_cause(key.as_bytes(), left.as_bytes(), right.as_bytes()),
    }
}
