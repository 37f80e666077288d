//! The view as one HTML file: no script, no request to anywhere, light and dark, fit for paper. The
//! tree is folded open only where something differs in its own right.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::super::{Comparison, Difference, Tier};
use super::text::line;
use super::{bottom_line, called, groups, paths, places, summed_up, tier_word};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--bg:#fff;--del:#ffebe9;--add:#dafbe1;\
--bad:#b42318;--ok:#1a7f37;--mid:#9a6700}\
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--line:#3d444d;--bg:#0d1117;--del:#4b1113;\
--add:#0f3a1d;--bad:#ff7b72;--ok:#3fb950;--mid:#d29922}}\
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--bg);max-width:70rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.3rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin-top:2rem}\
.verdict{font-size:1.6rem;font-weight:600}.identical{color:var(--ok)}.equivalent,.undetermined{color:var(--mid)}.different{color:var(--bad)}\
code,pre,td.mono{font:13px/1.45 ui-monospace,monospace;overflow-wrap:anywhere}\
pre{border:1px solid var(--line);padding:.5rem;overflow-x:auto;white-space:pre-wrap}\
del{background:var(--del);text-decoration:none;display:block}ins{background:var(--add);text-decoration:none;display:block}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}\
details{margin-left:1rem}details p{margin:.15rem 0 .15rem 1rem}summary{cursor:pointer;overflow-wrap:anywhere}.soft{color:var(--soft)}\
@media print{body{margin:0;max-width:none;font-size:11px}pre{white-space:pre-wrap}}";

/// Escapes text for HTML.
fn esc(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[derive(Default)]
struct Node<'c> {
    children: BTreeMap<&'c str, Node<'c>>,
    items: Vec<&'c Difference>,
}

/// Renders a comparison as one HTML file. Same comparison, same bytes.
pub fn html(comparison: &Comparison) -> String {
    let mut out = String::new();
    let _ = render(&mut out, comparison);
    out
}

fn render(out: &mut String, c: &Comparison) -> std::fmt::Result {
    let (name, word) = (esc(&c.published.name), c.verdict.word());
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>{name}: {word}</title><style>{STYLE}</style></head><body>\n\
<h1>{name}</h1>\n<p class=\"verdict {word}\">{word}</p>\n<p>{}</p>\n<table><tr><th></th><th>SHA-256</th><th>bytes</th></tr>\n",
        esc(&bottom_line(c))
    )?;
    for (role, side) in [("published", &c.published), ("rebuilt", &c.rebuilt)] {
        writeln!(
            out,
            "<tr><th>{role}</th><td class=\"mono\">{}</td><td>{}</td></tr>",
            esc(&side.sha256),
            side.len_bytes
        )?;
    }
    out.push_str("</table>\n");
    let groups = groups(c);
    if !groups.is_empty() {
        out.push_str(
            "<h2>Why</h2>\n<table><tr><th>cause</th><th>kind</th><th>places</th><th>meaning</th><th>where</th></tr>\n",
        );
        for group in &groups {
            writeln!(
                out,
                "<tr><td class=\"mono\">{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"mono\">{}</td></tr>",
                group.cause,
                tier_word(group.cause.tier()),
                paths(group).len(),
                esc(group.cause.describe()),
                esc(&places(group))
            )?;
        }
        out.push_str("</table>\n<h2>Where</h2>\n");
        // Metadata of many members is told above, once.
        let together: Vec<_> = groups.iter().filter(|g| summed_up(g)).map(|g| g.cause).collect();
        let mut root = Node::default();
        for difference in c.differences.iter().filter(|d| !together.contains(&d.cause)) {
            let node = difference
                .path
                .splitn(40, '/')
                .fold(&mut root, |node, part| node.children.entry(part).or_default());
            node.items.push(difference);
        }
        for (part, node) in &root.children {
            branch(out, part, node, 0)?;
        }
    }
    if !c.limits.is_empty() {
        out.push_str("<h2>Not seen</h2>\n<ul>\n");
        for stopped in &c.limits {
            writeln!(
                out,
                "<li><code>{}</code>: {}: {}</li>",
                esc(called(&stopped.path)),
                stopped.cause,
                esc(&stopped.detail)
            )?;
        }
        out.push_str("</ul>\n");
    }
    if let Some(masked) = &c.masked {
        out.push_str("<h2>With known values put aside</h2>\n<ul>\n");
        for (word, list) in [("equal", &masked.explained), ("still different", &masked.remaining)] {
            for path in list {
                writeln!(out, "<li>{word}: <code>{}</code></li>", esc(called(path)))?;
            }
        }
        out.push_str("</ul>\n");
    }
    out.push_str(
        "<p class=\"soft\">A comparison says what differs between two files. It does not say who built them, \
from what, or whether either does what it should.</p>\n</body></html>\n",
    );
    Ok(())
}

/// Folded open where something below differs in its own right.
fn branch(out: &mut String, part: &str, node: &Node<'_>, depth: usize) -> std::fmt::Result {
    let open = if depth < 64 && matters(node) { " open" } else { "" };
    writeln!(out, "<details{open}><summary><code>{}</code></summary>", esc(called(part)))?;
    for difference in &node.items {
        writeln!(out, "<p>{}</p>", esc(&line(difference)))?;
        if !difference.hunks.is_empty() {
            out.push_str("<pre>");
            for hunk in &difference.hunks {
                match hunk.as_bytes().first() {
                    Some(b'-') => write!(out, "<del>{}</del>", esc(hunk))?,
                    Some(b'+') => write!(out, "<ins>{}</ins>", esc(hunk))?,
                    _ => writeln!(out, "{}", esc(hunk))?,
                }
            }
            out.push_str("</pre>\n");
        }
    }
    for (part, child) in &node.children {
        branch(out, part, child, depth + 1)?;
    }
    out.push_str("</details>\n");
    Ok(())
}

fn matters(node: &Node<'_>) -> bool {
    node.items.iter().any(|d| matches!(d.tier, Tier::Never | Tier::Outcome) && !d.derived)
        || node.children.values().any(matters)
}
