#![allow(clippy::unwrap_used)]

use super::*;
use crate::component::FileKind;

fn interpreter() -> Interpreter {
    Interpreter::of(
        &[crate::environment::lock::LockedPackage {
            name: "python3.11-minimal".to_owned(),
            version: "3.11.2-6".to_owned(),
            architecture: "amd64".to_owned(),
            file: crate::environment::lock::LockedPath {
                archive: "debian".to_owned(),
                path: "pool/p.deb".to_owned(),
                size: 1,
                digest: crate::digest::Digest::sha256(b"p"),
            },
        }],
        "amd64",
    )
    .unwrap()
}

#[test]
fn requirements_apply_or_do_not() {
    let here = interpreter();
    for (text, expected) in [
        ("setuptools>=77.0.0", Some(">=77.0.0")),
        ("Wheel", Some("")),
        ("tomli>=1.2.2; python_version < '3.11'", None),
        ("tomli>=1.2.2; python_version >= '3.11'", Some(">=1.2.2")),
        ("x; sys_platform == 'win32' or platform_machine == 'x86_64'", Some("")),
        ("x; extra == 'test'", None),
        ("flit_core >=3.11,<4", Some(">=3.11, <4")),
    ] {
        let found = read(text, "a test", &here, &[]).unwrap().map(|needed| needed.specifiers.to_string());
        assert_eq!(found.as_deref(), expected, "{text}");
    }
    let extra = pep508_rs::ExtraName::new("test".to_owned()).unwrap();
    assert!(read("x; extra == 'test'", "a test", &here, &[extra]).unwrap().is_some());
}

#[test]
fn addresses_nonsense_and_towers_are_refused() {
    let deep = format!("x; {}python_version > '3'{}", "(".repeat(100_000), ")".repeat(100_000));
    let wide = format!("x; {}python_version > '3'", "extra == 'a' or ".repeat(50));
    for text in [
        "x @ https://files.example/x.whl",
        "x @ file:///etc/passwd",
        "../x",
        "-r requirements.txt",
        "",
        "x ==",
        "x; python_version > ",
        &deep,
        &wide,
    ] {
        let error = read(text, "a test", &interpreter(), &[]).unwrap_err();
        assert!(matches!(error, PythonError::Requirement { .. }), "{error}");
    }
}

fn file(version: &str, uploaded: &str, more: impl Fn(&mut ListedFile)) -> ListedFile {
    let mut file = ListedFile {
        name: format!("x-{version}-py3-none-any.whl"),
        kind: FileKind::Wheel { build: None, tags: ["py3", "none", "any"].map(str::to_owned) },
        version: version.parse().unwrap(),
        url: String::new(),
        digest: Some(crate::digest::Digest::sha256(version.as_bytes())),
        len_bytes: None,
        requires_python: None,
        yanked: None,
        uploaded: Some(uploaded.parse().unwrap()),
        provenance: None,
    };
    more(&mut file);
    file
}

#[test]
fn the_newest_of_its_day_is_chosen_unless_one_is_held() {
    let name = ProjectName::new("x").unwrap();
    let early = "2024-01-01T00:00:00Z";
    let late = "2026-01-01T00:00:00Z";
    let files = vec![
        file("1.0", early, |_| {}),
        file("1.1", early, |f| f.yanked = Some(String::new())),
        file("1.2", early, |f| f.requires_python = Some(">=3.12".to_owned())),
        file("1.3", early, |f| f.digest = None),
        file("1.4rc1", early, |_| {}),
        file("1.5", early, |f| f.kind = FileKind::Sdist),
        file("2.0", late, |_| {}),
    ];
    let listing = Listing { project: name.clone(), files, left_out: 0, encrypted: true };
    let asked = |text: &str| read(text, "a test", &interpreter(), &[]).unwrap().unwrap();
    let chosen = |text: &str, held: Option<&str>, until: Option<&str>| {
        let here = interpreter();
        let held = held.map(|v| (name.clone(), v.parse().unwrap())).into_iter().collect();
        let until = until.map(|t| t.parse().unwrap());
        let wanted = Wanted { interpreter: &here, requirements: Vec::new(), held, until };
        let project = Project { listing: listing.clone(), asked: vec![asked(text)], chosen: None };
        best(&project, &wanted).map(|file| file.version.to_string())
    };
    let day = Some("2025-01-01T00:00:00Z");
    assert_eq!(chosen("x", None, day).unwrap(), "1.0");
    assert_eq!(chosen("x", None, None).unwrap(), "2.0");
    assert_eq!(chosen("x", Some("2.0"), day).unwrap(), "2.0", "held, though it came later");
    assert_eq!(chosen("x", Some("1.1"), day).unwrap(), "1.1", "held, though it was withdrawn");
    for (text, held) in [("x>=3", None), ("x", Some("1.2")), ("x<1", Some("1.0")), ("x", Some("9"))] {
        let error = chosen(text, held, day).unwrap_err();
        assert!(matches!(error, PythonError::Unsatisfiable { .. }), "{text}: {error}");
    }
}

#[test]
fn requires_end_where_the_description_begins() {
    let text =
        "Metadata-Version: 2.1\nRequires-Dist: a>=1\nRequires-Dist: b; extra == 'x'\n\nRequires-Dist: c\n";
    assert_eq!(requires(text), ["a>=1", "b; extra == 'x'"]);
}
