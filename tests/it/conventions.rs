//! What the sources promise: a quiet library without clock and environment, short files, and errors
//! that each have a code of their own and a remedy.

use std::collections::BTreeMap;

use regex::Regex;

use crate::sources::{self, Source};

/// Longest file in lines; above it a file has more than one idea.
const LINES_MAX: usize = 600;

/// What the library leaves to its caller: a pattern and why.
const LEFT_TO_THE_CALLER: [(&str, &str); 5] = [
    (r"\be?print(?:ln)?!|\bdbg!", "prints"),
    (
        r"\bstd\s*::\s*env\b|\benv\s*::\s*(?:var|vars|var_os|args|home_dir|temp_dir|current_dir)\b",
        "reads the environment",
    ),
    (r"\b(?:SystemTime|Timestamp|Zoned|Utc|Local)\s*::\s*now\b", "reads the clock"),
    (
        r"\btempdir\s*\(\s*\)|\bNamedTempFile\s*::\s*new\s*\(|\btempfile\s*\(\s*\)",
        "writes to the system's temporary folder",
    ),
    (r"\bprocess\s*::\s*exit\b", "ends the process"),
];

/// Sockets made from numbers; each file with the reason for which it may have them.
const RAW_SOCKETS: &str = r"\brustix\s*::\s*(?:\{[^}]*\bnet\b|net\b)";
const MAY_HAVE_RAW_SOCKETS: [(&str, &str); 4] = [
    ("src/rebuild/sandbox/door.rs", "makes sockets inside the sandbox and hands them out"),
    ("src/rebuild/sandbox/linux.rs", "the pair between a sandbox and its watcher"),
    ("src/rebuild/sandbox/watch.rs", "the pair between a sandbox and its watcher"),
    ("src/probe/socket.rs", "uses sockets of the sandbox, which reach nothing but its own loopback"),
];

/// What only `fetch` may use.
const NETWORK: &str = r"\breqwest\b|\bstd\s*::\s*os\s*::\s*unix\s*::\s*net\b|\bTcpStream\b|\bTcpListener\b|\bUdpSocket\b|\bToSocketAddrs\b";

fn breaches(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |pattern: &str, why: &str| {
        for hit in Regex::new(pattern).unwrap().find_iter(&source.code) {
            found.push(format!("{}: {why} (`{}`)", source.place(hit.start()), hit.as_str()));
        }
    };
    if source.is_library() && !source.is_test() {
        for (pattern, why) in LEFT_TO_THE_CALLER {
            check(pattern, why);
        }
        if !source.path.starts_with("src/fetch") {
            check(NETWORK, "uses the network outside `fetch`");
            if !MAY_HAVE_RAW_SOCKETS.iter().any(|(path, _)| source.path == *path) {
                check(RAW_SOCKETS, "has sockets of its own");
            }
        }
    }
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        found.push(format!("{}: {lines} lines, at most {LINES_MAX}", source.path));
    }
    found
}

/// An error's diagnostic attribute.
#[derive(Debug, PartialEq, Eq)]
struct Diagnostic {
    place: String,
    code: Option<String>,
    help: bool,
    transparent: bool,
    text: String,
}

/// The end of what is in parentheses from `open` on.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, b) in code.bytes().enumerate().skip(open) {
        match b {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

fn diagnostics(source: &Source) -> Vec<Diagnostic> {
    let code_of = Regex::new(r"\bcode\s*\(\s*([^)\s]+)\s*\)").unwrap();
    let help = Regex::new(r"\bhelp\s*[(=]").unwrap();
    let start = Regex::new(r"#\[diagnostic\s*\(").unwrap();
    start
        .find_iter(&source.code)
        .map(|hit| {
            let end = closing(&source.code, hit.end() - 1);
            let inner = &source.code[hit.end()..end];
            Diagnostic {
                place: source.place(hit.start()),
                code: code_of.captures(inner).map(|c| c[1].to_owned()),
                help: help.is_match(inner),
                transparent: inner.contains("transparent") || inner.contains("forward"),
                text: source.text[hit.end()..end].to_owned(),
            }
        })
        .collect()
}

/// Places of `#[error(…)]` without a diagnostic beside it, in types that are diagnostics.
fn without_diagnostic(source: &Source) -> Vec<String> {
    let error = Regex::new(r"#\[error\s*\(").unwrap();
    let derive = Regex::new(r"#\[derive\([^\]]*\bError\b[^\]]*\)\]").unwrap();
    let mut found = Vec::new();
    for hit in error.find_iter(&source.code) {
        let is_diagnostic = derive
            .find_iter(&source.code[..hit.start()])
            .last()
            .is_some_and(|d| d.as_str().contains("Diagnostic"));
        let after =
            source.code[closing(&source.code, hit.end() - 1)..].trim_start_matches([')', ']']).trim_start();
        if is_diagnostic && !after.starts_with("#[diagnostic") {
            found.push(format!("{}: an error without code and help", source.place(hit.start())));
        }
    }
    found
}

fn diagnostic_faults(sources: &[Source]) -> Vec<String> {
    let shape = Regex::new(r"^[a-z][a-z0-9_]*(::[a-z][a-z0-9_-]*)+$").unwrap();
    let surrender =
        Regex::new(r"(?i)\b(disable|turn off|switch off|skip) (the |this )?(check|verification|signature)")
            .unwrap();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut faults = Vec::new();
    for source in sources {
        faults.extend(without_diagnostic(source));
        for d in diagnostics(source).into_iter().filter(|d| !d.transparent) {
            let place = &d.place;
            match &d.code {
                None => faults.push(format!("{place}: no code")),
                Some(code) if !shape.is_match(code) => {
                    faults.push(format!("{place}: code `{code}` is not `module::snake_case`"))
                }
                Some(code) => {
                    if let Some(first) = seen.insert(code.clone(), place.clone()) {
                        faults.push(format!("{place}: code `{code}` is taken by {first}"));
                    }
                }
            }
            if !d.help {
                faults.push(format!("{place}: no help"));
            }
            if surrender.is_match(&d.text) {
                faults.push(format!("{place}: the help gives the check up"));
            }
        }
    }
    faults
}

#[test]
fn the_library_is_quiet_and_files_are_short() {
    let found: Vec<_> =
        ["src", "tests"].iter().flat_map(|f| sources::read(f)).flat_map(|s| breaches(&s)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_error_has_a_code_of_its_own_and_a_remedy() {
    let sources = sources::read("src");
    let codes: usize = sources.iter().map(|s| diagnostics(s).len()).sum();
    assert!(codes > 30, "only {codes} diagnostics were recognised");
    let faults = diagnostic_faults(&sources);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn planted_breaches_are_seen() {
    let caught = [
        ("src/a.rs", "fn f() { println!(\"x\") }", "src/a.rs:1: prints"),
        ("src/a.rs", "\nuse std::env;", "src/a.rs:2: reads the environment"),
        ("src/a.rs", "fn f() { Timestamp::now(); }", "reads the clock"),
        ("src/a.rs", "fn f() { tempfile::tempdir(); }", "temporary folder"),
        ("src/a.rs", "use reqwest::Url;", "network"),
        ("src/a.rs", "use rustix::net::socket;", "sockets"),
        ("src/probe/http.rs", "use rustix::{fs, net};", "sockets"),
    ];
    for (path, text, expected) in caught {
        let found = breaches(&Source::new(path, text));
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
    for (path, text) in [
        ("src/bin/reprove/a.rs", "use std::env;"),
        ("src/fetch/a.rs", "use reqwest::Url;"),
        ("src/a/tests.rs", "fn f() { println!() }"),
        (
            "src/a.rs",
            "const V: &str = env!(\"CARGO_PKG_VERSION\"); fn f(d: D) { d.env.get(1); tempdir_in(d) }",
        ),
    ] {
        assert_eq!(breaches(&Source::new(path, text)), Vec::<String>::new(), "{text}");
    }
    assert_eq!(breaches(&Source::new("src/a.rs", &"\n".repeat(LINES_MAX + 1))).len(), 1);
}

#[test]
fn planted_faults_of_errors_are_seen() {
    let check = |attributes: &str| {
        let text = format!("#[derive(Debug, thiserror::Error, Diagnostic)]\nenum E {{\n{attributes}\nA }}");
        diagnostic_faults(&[Source::new("src/a.rs", &text)])
    };
    let good = "#[error(\"a ({b})\")]\n#[diagnostic(code(a::b), help(\"do (this)\"))]";
    assert_eq!(check(good), Vec::<String>::new());
    assert_eq!(check("#[error(transparent)]\n#[diagnostic(transparent)]"), Vec::<String>::new());
    let caught = [
        (format!("{good}\nB,\n{good}"), "taken by src/a.rs:4"),
        ("#[error(\"a\")]\n#[diagnostic(code(a::b))]".to_owned(), "no help"),
        ("#[error(\"a\")]\n#[diagnostic(help(\"x\"))]".to_owned(), "no code"),
        ("#[error(\"a\")]".to_owned(), "without code and help"),
        ("#[error(\"a\")]\n#[diagnostic(code(Bad), help(\"x\"))]".to_owned(), "is not"),
        (
            "#[error(\"a\")]\n#[diagnostic(code(a::b), help(\"disable the check\"))]".to_owned(),
            "gives the check up",
        ),
    ];
    for (attributes, expected) in caught {
        let found = check(&attributes);
        assert!(found.len() == 1 && found[0].contains(expected), "{attributes}: {found:?}");
    }
}
