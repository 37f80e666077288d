//! What each code means. The texts are in the files beside this one: one or more headings `## code`, then
//! one paragraph that is theirs.

use serde::Serialize;

const TEXTS: &[&str] = &[
    include_str!("checks.md"),
    include_str!("findings.md"),
    include_str!("go.md"),
    include_str!("probes.md"),
    include_str!("python.md"),
    include_str!("signatures.md"),
    include_str!("policy.md"),
    include_str!("stages.md"),
    include_str!("command-line.md"),
];

/// One code and its paragraph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

/// All codes, sorted.
pub(crate) fn all() -> Vec<Entry> {
    let mut all: Vec<Entry> = TEXTS.iter().flat_map(|text| parse(text)).collect();
    all.sort_by_key(|e| e.code);
    all
}

fn parse(text: &'static str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut waiting: Vec<&'static str> = Vec::new();
    for block in text.split("\n\n") {
        let (heads, body): (Vec<&str>, Vec<&str>) =
            block.lines().filter(|l| !l.is_empty()).partition(|l| l.starts_with('#'));
        waiting.extend(heads.iter().filter_map(|l| l.strip_prefix("## ")));
        if !body.is_empty() {
            let text = body.join(" ");
            entries.extend(waiting.drain(..).map(|code| Entry { code, text: text.clone() }));
        }
    }
    entries
}

/// Up to three codes that look like `code`: the same last part, or all but a few letters shared.
pub(crate) fn nearest(code: &str, all: &[Entry]) -> Vec<String> {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 2).map(str::to_lowercase).collect()
    };
    let asked = words(code);
    let mut scored: Vec<(usize, &str)> = all
        .iter()
        .map(|e| {
            let its = words(e.code);
            let shared = asked.iter().filter(|w| its.contains(w)).count();
            (4 * shared + usize::from(e.code.starts_with(code)) * 3, e.code)
        })
        .filter(|(score, _)| *score > 0)
        .collect();
    scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, code)| format!("`{code}`")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn headings_share_the_paragraph_that_follows() {
        let parsed = parse("# Title\n\n## a::b\n## c-d\n\nOne\nparagraph.\n\n## e\n\nTwo.\n");
        let found: Vec<_> = parsed.iter().map(|e| (e.code, e.text.as_str())).collect();
        assert_eq!(found, [("a::b", "One paragraph."), ("c-d", "One paragraph."), ("e", "Two.")]);
    }

    #[test]
    fn no_code_is_explained_twice_and_none_is_left_without_a_text() {
        let all = all();
        for pair in all.windows(2) {
            assert_ne!(pair[0].code, pair[1].code);
        }
        let headings: usize = TEXTS.iter().map(|t| t.lines().filter(|l| l.starts_with("## ")).count()).sum();
        assert_eq!(all.len(), headings);
        assert!(all.iter().all(|e| e.text.len() > 40), "a paragraph says more");
    }
}
