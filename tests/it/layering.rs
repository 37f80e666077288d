//! A module uses only modules above it in the order that `src/lib.rs` gives.

use std::collections::BTreeSet;

use regex::Regex;

use crate::sources::{self, Source};

/// The modules in the order of the crate's documentation.
fn order(lib: &str) -> Vec<String> {
    let from = lib.find("# Architecture").expect("the crate's documentation has that heading");
    let to = lib.find("# Invariants").expect("the crate's documentation has that heading");
    let name = Regex::new(r"\[`([a-z_]+)`\]").unwrap();
    let mut order = Vec::new();
    for found in name.captures_iter(&lib[from..to]) {
        if !order.contains(&found[1].to_owned()) {
            order.push(found[1].to_owned());
        }
    }
    order
}

/// The top module that a file belongs to, and how many `super::` lead from it to the crate's root.
fn module(path: &str) -> Option<(&str, usize)> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let parts: Vec<&str> = inner.split('/').collect();
    let depth = if parts.last() == Some(&"mod") { parts.len() - 1 } else { parts.len() };
    parts.first().filter(|first| **first != "lib").map(|first| (*first, depth))
}

/// The names that a path's continuation begins with: `a::b`, `{a::b, c}`.
fn heads(rest: &str) -> Vec<(usize, String)> {
    let ident = |at: usize| -> String {
        rest[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    if !rest.starts_with('{') {
        return vec![(0, ident(0))];
    }
    let (mut found, mut depth, mut expect) = (Vec::new(), 0, false);
    for (at, c) in rest.char_indices() {
        match c {
            '{' => (depth, expect) = (depth + 1, depth == 0),
            '}' => depth -= 1,
            ',' => expect = depth == 1,
            c if c.is_whitespace() => {}
            _ if expect => {
                found.push((at, ident(at)));
                expect = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// Each use of a module that is not above the using one.
fn violations(source: &Source, order: &[String]) -> Vec<String> {
    let Some((own, depth)) = module(&source.path).filter(|_| !source.is_test()) else { return Vec::new() };
    let rank = |name: &str| order.iter().position(|m| m == name);
    let Some(own_rank) = rank(own) else {
        return vec![format!("{}: `{own}` is not in the order", source.path)];
    };
    let root = Regex::new(r"\bcrate\s*::\s*|\b(?:super\s*::\s*)+").unwrap();
    let mut found = Vec::new();
    for start in root.find_iter(&source.code) {
        let ups = start.as_str().matches("super").count();
        if ups != 0 && ups < depth {
            continue;
        }
        for (at, name) in heads(&source.code[start.end()..]) {
            if name != own && rank(&name).is_some_and(|r| r > own_rank) {
                let place = source.place(start.end() + at);
                found.push(format!("{place}: `{own}` uses `{name}`, which comes after it"));
            }
        }
    }
    found
}

#[test]
fn each_module_uses_only_those_above_it() {
    let sources = sources::read("src");
    let lib = sources.iter().find(|s| s.path == "src/lib.rs").unwrap();
    let order = order(&lib.text);
    let listed: BTreeSet<&str> = order.iter().map(String::as_str).collect();
    let declared = Regex::new(r"(?m)^(?:pub(?:\(crate\))? )?mod ([a-z_]+);").unwrap();
    let present: BTreeSet<&str> = declared.captures_iter(&lib.code).map(|c| c.extract::<1>().1[0]).collect();
    assert_eq!(listed, present, "the order in src/lib.rs and its `mod` lines name different modules");
    let found: Vec<_> = sources
        .iter()
        .filter(|s| s.is_library() && s.path != "src/lib.rs")
        .flat_map(|s| violations(s, &order))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_checker_sees_planted_violations() {
    let order: Vec<String> = ["digest", "store", "compare", "report"].map(String::from).to_vec();
    let check = |path: &str, text: &str| violations(&Source::new(path, text), &order);
    let caught = [
        (
            "src/store.rs",
            "use std::io;\nuse crate::compare::Comparison;",
            "src/store.rs:2: `store` uses `compare`",
        ),
        ("src/store/a.rs", "fn f() { crate::report::x() }", "src/store/a.rs:1: `store` uses `report`"),
        (
            "src/digest.rs",
            "use crate::{\n    digest::A,\n    store::{B, C},\n};",
            "src/digest.rs:3: `digest` uses `store`",
        ),
        ("src/compare/mod.rs", "use super::report;", "`compare` uses `report`"),
        ("src/compare/a/b.rs", "use super::super::super::report::X;", "`compare` uses `report`"),
        ("src/extra.rs", "", "`extra` is not in the order"),
    ];
    for (path, text, expected) in caught {
        let found = check(path, text);
        assert!(found.len() == 1 && found[0].contains(expected), "{path}: {found:?}");
    }
    let fine = [
        ("src/report/mod.rs", "use crate::{compare::X, digest::Y, store};\nuse crate::report::own;"),
        ("src/store/a.rs", "use super::compare;\n// crate::report\nconst S: &str = \"crate::report\";"),
        ("src/store/b.rs", "#[cfg(test)]\nmod tests { use crate::report; }"),
        ("src/store/tests.rs", "use crate::report;"),
    ];
    for (path, text) in fine {
        assert_eq!(check(path, text), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn the_order_is_read_from_the_documentation() {
    let lib = "//! # Architecture\n//! [`digest`], [`store`] and\n//! [`compare`]; see [`digest`].\n//! # Invariants\n//! [`later`]";
    assert_eq!(order(lib), ["digest", "store", "compare"]);
}
