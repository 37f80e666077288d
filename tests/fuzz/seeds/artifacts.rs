//! Artifacts for the targets that compare: those of the tests, each with the head that says which name it
//! bears and which byte changes.

use std::path::Path;

use crate::archives::{file, tar, zip};
use crate::compare_packages::macho_linked;
use crate::{compare_mutations, compare_stamped};

pub(crate) fn write() {
    for (name, bytes) in compare_mutations::artifacts() {
        for target in ["compare_archives", "compare_packages", "compare_programs", "compare_documents"] {
            seed(target, name, &bytes);
        }
    }
    for (name, bytes) in [
        ("x", macho_linked(1, Some(b"signature"))),
        ("x.exe", compare_stamped::pe(1, &[0x90; 64])),
        ("x.pyc", compare_stamped::pyc(1, 2, b"N")),
        ("x.txt", b"built 2024-01-02 by alice@one\nline\n".repeat(3)),
        ("control", b"Package: x\nVersion: 1\nDescription: a\n b\n".to_vec()),
        ("SHA256SUMS", format!("{}  a\n", "1".repeat(64)).into_bytes()),
        ("MANIFEST.MF", b"Manifest-Version: 1.0\r\nBuilt-By: a\r\n\r\n".to_vec()),
        (".PKGINFO", b"pkgname = x\nbuilddate = 1\n".to_vec()),
        ("x.bundle", b"# v2 git bundle\n1111111111111111111111111111111111111111 refs/heads/main\n\nPACK".to_vec()),
    ] {
        seed("compare_programs", name, &bytes);
        seed("compare_documents", name, &bytes);
    }
    if let Ok(own) = std::fs::read("/proc/self/exe") {
        // The headers of a real program; its sections lie past the end.
        seed("compare_programs", "x", own.get(..4096).unwrap_or(&own));
    }
    let files = [file("a", "one"), file("b/c", [7u8; 600])];
    crate::write("tar", "two", tar(&files));
    crate::write("zip", "two", zip(&files, 6, "comment"));
}

/// Writes an artifact where the target knows its name; the name's place is read from the target itself.
fn seed(target: &str, name: &str, bytes: &[u8]) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets").join(format!("{target}.rs"));
    let source = std::fs::read_to_string(source).expect("the target's source");
    let names = source.split("&[&str] = &[").nth(1).and_then(|rest| rest.split("];").next());
    let place = names.and_then(|names| {
        names.split(',').map(|part| part.trim().trim_matches('"')).position(|known| known == name)
    });
    let Some(place) = place else { return };
    let middle = u16::try_from(bytes.len() / 2).unwrap_or(u16::MAX).to_be_bytes();
    let head = [u8::try_from(place).expect("few names"), middle[0], middle[1], 1];
    crate::write(target, &format!("{name}-{}", bytes.len()), [&head[..], bytes].concat());
}
