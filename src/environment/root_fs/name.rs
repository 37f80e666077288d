//! Where a member of a package goes: one spelling for each place, and none outside the root.

use crate::limits::root_fs::RootFsLimits;

/// Top-level folders that are links into `/usr` (merged /usr, Debian since bookworm).
pub(super) const MERGED: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32"];

/// The place of a shipped path: relative to the root, components joined by one `/`, merged folders
/// followed into `usr/`; empty for the root itself. Says why when there is no such place.
///
/// `link_itself` keeps the top-level name, for a member that *is* the merged link.
pub(super) fn place(shipped: &[u8], link_itself: bool, limits: &RootFsLimits) -> Result<Vec<u8>, String> {
    if shipped.len() > limits.archive.name_bytes_max {
        return Err(format!("its name is longer than {} bytes", limits.archive.name_bytes_max));
    }
    let path = shipped.strip_prefix(b"./").unwrap_or(shipped);
    let path = path.strip_suffix(b"/").unwrap_or(path);
    if path.is_empty() && !shipped.is_empty() && shipped != b"/" || path == b"." {
        return Ok(Vec::new());
    }
    if path.first().is_none_or(|b| *b == b'/') {
        return Err("its name is absolute or empty".into());
    }
    if path.iter().any(|b| matches!(b, 0 | b'\n')) {
        return Err("its name holds a NUL byte or a new line".into());
    }
    let mut depth = 0;
    for component in path.split(|b| *b == b'/') {
        depth += 1;
        match component {
            b".." => return Err("its name climbs with `..`".into()),
            b"" | b"." => return Err("its name holds an empty component or `.`".into()),
            long if long.len() > limits.component_bytes_max => {
                return Err(format!("a component is longer than {} bytes", limits.component_bytes_max));
            }
            _ => {}
        }
    }
    if depth > limits.depth_max {
        return Err(format!("it lies deeper than {} folders", limits.depth_max));
    }
    let first = path.split(|b| *b == b'/').next().unwrap_or_default();
    let merged = MERGED.iter().any(|m| m.as_bytes() == first);
    if merged && !(link_itself && depth == 1) {
        return Ok([b"usr/", path].concat());
    }
    Ok(path.to_vec())
}

/// Folder and last component of a place.
pub(super) fn split(place: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', place) {
        Some(at) => (place.get(..at).unwrap_or_default(), place.get(at + 1..).unwrap_or_default()),
        None => (b"", place),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(shipped: &str, expected: Option<&str>) {
        let found = place(shipped.as_bytes(), false, &RootFsLimits::DEFAULT).ok();
        assert_eq!(found.as_deref().map(|b| std::str::from_utf8(b).unwrap()), expected, "{shipped:?}");
    }

    #[test]
    fn every_place_has_one_spelling_and_lies_inside() {
        check("./", Some(""));
        check(".", Some(""));
        check("./usr/bin/x", Some("usr/bin/x"));
        check("usr/bin/x", Some("usr/bin/x"));
        check("./usr/share/", Some("usr/share"));
        check("./bin/sh", Some("usr/bin/sh"));
        check("./lib/", Some("usr/lib"));
        check("./lib64/ld.so", Some("usr/lib64/ld.so"));
        check("./library/x", Some("library/x"));
        check("", None);
        check("/", None);
        check("/etc/passwd", None);
        check(".//etc/passwd", None);
        check("../etc/passwd", None);
        check("./usr/../../etc", None);
        check("./..", None);
        check("./a/./b", None);
        check("./a//b", None);
        check("./a\nb", None);
        check("./a\0b", None);
        check(&format!("./{}", "a/".repeat(101)), None);
        check(&format!("./{}", "a".repeat(256)), None);
        check(&format!("./{}", "a".repeat(5000)), None);
    }

    #[test]
    fn a_merged_link_itself_stays_at_the_top() {
        assert_eq!(place(b"./bin", true, &RootFsLimits::DEFAULT).unwrap(), b"bin");
        assert_eq!(place(b"./bin/x", true, &RootFsLimits::DEFAULT).unwrap(), b"usr/bin/x");
    }
}
