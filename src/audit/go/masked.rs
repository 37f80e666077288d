//! The masked comparison of two Go binaries: with the values put aside in which their build information
//! differs, and the build IDs that follow from them, is any other byte different?
//!
//! A value is put aside only where it stands at the same place on both sides with the same length, so that
//! nothing that lies between two values can hide behind them. The answer explains a difference; it makes
//! nothing equal.

use std::fs;
use std::path::Path;

use crate::audit::AuditError;
use crate::compare::{Cause, Difference};
use crate::limits::observe::ObserveLimits;
use crate::observe::go::{GoBuildInfo, read};

/// A larger binary is not looked at: both sides are held in memory. The largest of the first world has
/// some 150 MB.
const BYTES_MAX: u64 = 512 << 20;
/// A shorter value stands in too many places to say anything.
const VALUE_BYTES_MIN: usize = 4;

/// Notes the answer at the first difference that build information names.
pub(super) fn note(
    differences: &mut [Difference],
    published: &Path,
    rebuilt: &Path,
) -> Result<(), AuditError> {
    let disk = |path: &Path| {
        let path = path.to_path_buf();
        move |source| AuditError::Work { path, source }
    };
    let info = |path: &Path| -> Option<GoBuildInfo> {
        Some(read(fs::File::open(path).ok()?, &ObserveLimits::DEFAULT).ok()??.build_info)
    };
    let (Some(a), Some(b)) = (info(published), info(rebuilt)) else { return Ok(()) };
    let Some(at) = differences.iter().position(|d| d.field.as_deref().is_some_and(is_build_info)) else {
        return Ok(());
    };
    let len = |path: &Path| fs::metadata(path).map(|m| m.len()).map_err(disk(path));
    let (len_a, len_b) = (len(published)?, len(rebuilt)?);
    let text = if len_a.max(len_b) > BYTES_MAX {
        None
    } else if len_a != len_b {
        Some("the two sides have other lengths, so that no value can be put aside at its place".to_owned())
    } else {
        let bytes = |path: &Path| fs::read(path).map_err(disk(path));
        let mut values = values(&a, &b);
        let ids = differences.iter().filter(|d| matches!(d.cause, Cause::GoBuildid | Cause::ElfBuildId));
        values.extend(ids.filter_map(build_id));
        Some(answer(&bytes(published)?, &bytes(rebuilt)?, &values))
    };
    if let Some(first) = differences.get_mut(at)
        && let Some(text) = text
    {
        let before = first.note.take().map(|note| format!("{note}; ")).unwrap_or_default();
        first.note = Some(format!("{before}{text}"));
    }
    Ok(())
}

fn is_build_info(field: &str) -> bool {
    field.starts_with("go build info, ")
}

/// A value on both sides, and what it is called.
struct Value {
    name: String,
    a: Vec<u8>,
    b: Vec<u8>,
}

/// Values in which the settings of two binaries differ; of linker flags, each word that sets a variable.
fn values(a: &GoBuildInfo, b: &GoBuildInfo) -> Vec<Value> {
    let mut values = Vec::new();
    let mut add = |name: &str, x: &str, y: &str| {
        if x != y {
            values.push(Value { name: name.to_owned(), a: x.into(), b: y.into() });
        }
    };
    for setting in &a.settings {
        let Some(other) = b.setting(&setting.key) else { continue };
        if setting.key != "-ldflags" {
            add(&setting.key, &setting.value, other);
            continue;
        }
        let (left, right): (Vec<&str>, Vec<&str>) =
            (setting.value.split(' ').collect(), other.split(' ').collect());
        if left.len() != right.len() {
            continue;
        }
        for (x, y) in left.iter().zip(&right) {
            if let (Some((name, x)), Some((same, y))) = (x.split_once('='), y.split_once('='))
                && name == same
            {
                add(name, x, y);
            }
        }
    }
    values
}

/// A build ID as the comparison tells it; the linker's of ELF is written as hexadecimal.
fn build_id(difference: &Difference) -> Option<Value> {
    let (a, b) = (difference.a.as_ref()?, difference.b.as_ref()?);
    let bytes = |text: &str| match difference.cause {
        Cause::ElfBuildId => hex::decode(text).ok(),
        // The note's owner stands before it.
        _ => Some(text.rsplit(' ').next().unwrap_or(text).as_bytes().to_vec()),
    };
    Some(Value { name: "build ID".to_owned(), a: bytes(a)?, b: bytes(b)? })
}

/// Says what is left of two sides of one length.
fn answer(a: &[u8], b: &[u8], values: &[Value]) -> String {
    let mut aside: Vec<(usize, usize)> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for value in values.iter().filter(|v| v.a.len() == v.b.len() && v.a.len() >= VALUE_BYTES_MIN) {
        let len = value.a.len();
        for at in memchr::memmem::find_iter(a, &value.a) {
            if b.get(at..at + len) == Some(value.b.as_slice()) {
                aside.push((at, at + len));
                names.push(&value.name);
            }
        }
    }
    aside.sort_unstable();
    names.sort_unstable();
    names.dedup();
    let (mut total, mut left, mut next) = (0u64, 0u64, 0usize);
    for (at, (x, y)) in a.iter().zip(b).enumerate() {
        if x == y {
            continue;
        }
        total += 1;
        while aside.get(next).is_some_and(|(_, end)| *end <= at) {
            next += 1;
        }
        if aside.get(next).is_none_or(|(start, _)| *start > at) {
            left += 1;
        }
    }
    let listed = names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    match (names.is_empty(), left) {
        (true, _) => "no value of the build information can be put aside at its place".to_owned(),
        (false, 0) => format!("with {listed} put aside, no other byte differs ({total} differ in them)"),
        (false, _) => format!("with {listed} put aside, {left} of {total} differing bytes are left"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, a: &str, b: &str) -> Value {
        Value { name: name.to_owned(), a: a.into(), b: b.into() }
    }

    #[test]
    fn what_is_left_is_counted() {
        let user = || value("BuildUser", "root@1234", "root@5678");
        for (a, b, values, expected) in [
            ("x root@1234 y", "x root@5678 y", vec![user()], "no other byte differs (4 differ in them)"),
            ("x root@1234 y", "x root@5678 z", vec![user()], "1 of 5 differing bytes are left"),
            ("x root@1234 y", "x root@5679 y", vec![user()], "no value of the build information"),
            ("x root@1234 y", "y root@1234 y", vec![user()], "no value of the build information"),
            (
                "root@1234root@1234-",
                "root@5678root@5678+",
                vec![user(), value("id", "4r", "8r")],
                "1 of 9 differing bytes are left",
            ),
        ] {
            let said = answer(a.as_bytes(), b.as_bytes(), &values);
            assert!(said.contains(expected), "{a} {b}: {said}");
        }
    }
}
