//! `reprove explain`: every code in the sources has a paragraph.

use std::collections::BTreeSet;
use std::process::Command;

use regex::Regex;

use crate::sources::{self, Source};

/// Codes of errors: `code(a::b)` inside a diagnostic attribute.
fn diagnostic_codes(source: &Source) -> Vec<String> {
    let pattern = Regex::new(r"\bcode\s*\(\s*([a-z][a-z0-9_]*(?:::[a-z][a-z0-9_-]*)+)\s*\)").unwrap();
    pattern.captures_iter(&source.code).map(|c| c[1].to_owned()).collect()
}

/// Codes of checks: the text that comes first in `Check::…("…"`, in a call of a function whose first
/// parameter is `code`, in a constant named `…CODE…`, or in an arm of a function `code`.
fn check_codes(sources: &[Source]) -> BTreeSet<String> {
    let takes_code = Regex::new(r"fn\s+(\w+)\s*\(\s*code\s*:\s*&").unwrap();
    let mut starts = vec![
        r"\bCheck\s*::\s*\w+\s*\(".to_owned(),
        r"\bconst\s+\w*CODE\w*\s*:\s*&(?:'static\s+)?str\s*=".to_owned(),
    ];
    for source in sources {
        starts.extend(takes_code.captures_iter(&source.code).map(|c| format!(r"\b{}\s*\(", &c[1])));
    }
    let mut found = BTreeSet::new();
    let arrow = Regex::new("=>").unwrap();
    for source in sources.iter().filter(|s| s.path.starts_with("src/verify") && !s.is_test()) {
        let mut arms = Vec::new();
        if let Some(at) = source.code.find("fn code(&self)") {
            let end = source.code[at..].find("\n    }\n").map_or(source.code.len(), |e| at + e);
            arms.extend(arrow.find_iter(&source.code[at..end]).map(|m| at + m.end()));
        }
        let calls = starts.iter().flat_map(|start| {
            Regex::new(start).unwrap().find_iter(&source.code).map(|m| m.end()).collect::<Vec<_>>()
        });
        for at in calls.chain(arms) {
            // The blanked code has no quotes; the text has.
            if let Some(text) = source.text[at..].trim_start().strip_prefix('"') {
                found.insert(text.split('"').next().unwrap().to_owned());
            }
        }
    }
    found
}

fn explained() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_reprove")).arg("explain").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn every_code_is_explained() {
    let sources = sources::read("src");
    let mut codes: BTreeSet<String> =
        sources.iter().filter(|s| !s.is_test()).flat_map(diagnostic_codes).collect();
    codes.extend(check_codes(&sources));
    assert!(codes.contains("archive::limit") && codes.contains("openpgp-key-live"), "{codes:?}");
    let explained = explained();
    let missing: Vec<_> = codes.difference(&explained).collect();
    assert!(missing.is_empty(), "codes without a paragraph in src/bin/reprove/explain: {missing:#?}");
}

#[test]
fn planted_codes_are_seen() {
    let source = Source::new(
        "src/verify/x.rs",
        "#[diagnostic(code(x::y), help(\"h\"))]\nconst CODE: &str = \"by-const\";\nfn no(code: &'static str) {}\nfn f() { Check::when(\n \"by-check\", true); no(\"by-call\"); Check::absent(CODE) }\nimpl A {\n    fn code(&self) -> &'static str {\n        match self { _ => \"by-arm\" }\n    }\n}\n#[cfg(test)]\nmod tests { fn g() { Check::when(\"not\", true) } }\n",
    );
    assert_eq!(diagnostic_codes(&source), ["x::y"]);
    let found = check_codes(&[source]);
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        ["by-arm", "by-call", "by-check", "by-const"]
    );
}

#[test]
fn an_unknown_code_is_a_wrong_argument_with_a_hint() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_reprove")).args(["explain", "openpgp-key-alive"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("openpgp-key-live") && text.contains("hint:"), "{text}");
}
