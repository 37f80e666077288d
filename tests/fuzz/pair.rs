//! Two artifacts that differ in one byte, through the whole of a comparison.

use std::fs;

use reprove::compare::{Answer, CompareOptions, Comparison, compare_paths};

/// The first bytes of an input: which name, which byte changes (two bytes), and how.
pub const HEAD_BYTES: usize = 4;

/// A comparison of what follows the head with itself but for one byte: never *identical*, and the same
/// verdict the other way round.
pub fn check(names: &[&str], input: &[u8]) {
    let Some(([which, high, low, change], artifact)) = input.split_first_chunk::<HEAD_BYTES>() else { return };
    let name = names[usize::from(*which) % names.len()];
    let at = usize::from(u16::from_be_bytes([*high, *low]));
    if *change == 0 || artifact.is_empty() {
        return;
    }
    let mut other = artifact.to_vec();
    let at = at % other.len();
    other[at] ^= change;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |side: &str| folder.path().join(side).join(name);
    for (side, bytes) in [("a", artifact), ("b", &other)] {
        fs::create_dir(folder.path().join(side)).expect("a folder");
        fs::write(path(side), bytes).expect("an artifact");
    }
    let mut options = CompareOptions::new(folder.path());
    options.limits.expanded_bytes_max = 64 << 20;
    let run = |a: &str, b: &str| -> Comparison {
        compare_paths(&path(a), &path(b), &options).expect("a verdict, whatever the bytes")
    };
    let (there, back) = (run("a", "b"), run("b", "a"));
    assert_ne!(there.verdict, Answer::Identical);
    assert_eq!(there.verdict, back.verdict, "{there:#?}\n{back:#?}");
}
