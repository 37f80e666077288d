//! Just enough of nginx' configuration to see which paths it passes on, and whether it asks anything first.
//!
//! Locations are chosen as nginx chooses them (its documentation of `location`): an exact one, else the
//! longest prefix, unless a regular expression that comes first in the file matches and the prefix does
//! not forbid that by `^~`. What an `include` brings is not seen; it can only add guards that are then
//! missed, never make an open path look guarded.

use regex::RegexBuilder;

/// A directive with its arguments and, where it has one, its block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Blocks inside each other. nginx itself nests four deep.
const DEPTH_MAX: usize = 32;

impl Directive {
    fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    fn argument(&self, n: usize) -> &str {
        self.words.get(n).map_or("", String::as_str)
    }

    fn inner(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Whether a text looks like one of nginx' files: a block that only it has, and something passed on.
pub(super) fn is_nginx(text: &str) -> bool {
    let begins = |word: &str| text.lines().any(|l| l.trim_start().starts_with(word));
    (begins("server {") || begins("server{") || begins("location ")) && text.contains("proxy_pass")
}

/// Reads a file; `Err` is the line at which it breaks off.
pub(super) fn read(text: &str) -> Result<Vec<Directive>, usize> {
    let mut words: Vec<String> = Vec::new();
    let mut start = (1, 1);
    let mut open: Vec<(Directive, Vec<Directive>)> = Vec::new();
    let mut current: Vec<Directive> = Vec::new();
    let mut chars = text.chars().peekable();
    let (mut line, mut column) = (1, 1);
    while let Some(c) = chars.next() {
        let at = (line, column);
        column += 1;
        if c == '\n' {
            (line, column) = (line + 1, 1);
        }
        match c {
            c if c.is_whitespace() => {}
            '#' => {
                while chars.peek().is_some_and(|c| *c != '\n') {
                    chars.next();
                }
            }
            ';' if !words.is_empty() => {
                let words = std::mem::take(&mut words);
                current.push(Directive { words, block: None, line: start.0, column: start.1 });
            }
            '{' if !words.is_empty() => {
                let words = std::mem::take(&mut words);
                let directive = Directive { words, block: Some(Vec::new()), line: start.0, column: start.1 };
                open.push((directive, std::mem::take(&mut current)));
                if open.len() > DEPTH_MAX {
                    return Err(line);
                }
            }
            '}' if words.is_empty() => {
                let (mut directive, outer) = open.pop().ok_or(line)?;
                directive.block = Some(std::mem::replace(&mut current, outer));
                current.push(directive);
            }
            ';' | '{' | '}' => return Err(line),
            first => {
                if words.is_empty() {
                    start = at;
                }
                let quote = (first == '"' || first == '\'').then_some(first);
                let mut word = String::new();
                if quote.is_none() {
                    word.push(first);
                }
                // Inside `${name}`, whose braces belong to the word.
                let mut braced = false;
                loop {
                    match (chars.peek().copied(), quote) {
                        (None, Some(_)) => return Err(line),
                        (None, None) => break,
                        (Some(c), Some(q)) if c == q => {
                            chars.next();
                            column += 1;
                            break;
                        }
                        (Some('{'), None) if word.ends_with('$') => braced = true,
                        (Some('}'), None) if braced => braced = false,
                        (Some(c), None)
                            if c.is_whitespace()
                                || (matches!(c, ';' | '{' | '}') && !word.ends_with('\\')) =>
                        {
                            break;
                        }
                        (Some('\n'), _) => (line, column) = (line + 1, 0),
                        _ => {}
                    }
                    word.extend(chars.next());
                    column += 1;
                }
                words.push(word);
            }
        }
    }
    if words.is_empty() && open.is_empty() { Ok(current) } else { Err(line) }
}

/// A location that passes a path on without asking anything.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forwarded {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// Where any server of the file passes one of the paths on, below whatever prefix, and asks nothing.
pub(super) fn forwarded(file: &[Directive], paths: &[&str]) -> Vec<Forwarded> {
    let mut servers = Vec::new();
    collect(file, "server", &mut servers);
    let mut found = Vec::new();
    if servers.is_empty() {
        // A file that is included in a `server` block.
        found.extend(in_server(file, false, paths));
    }
    for server in servers {
        found.extend(in_server(server.inner(), guards(server.inner(), false), paths));
    }
    found
}

fn collect<'d>(within: &'d [Directive], name: &str, found: &mut Vec<&'d Directive>) {
    for directive in within {
        if directive.name() == name && directive.block.is_some() {
            found.push(directive);
        } else {
            collect(directive.inner(), name, found);
        }
    }
}

fn in_server(server: &[Directive], guarded: bool, paths: &[&str]) -> Vec<Forwarded> {
    let prefixes: Vec<&str> = server
        .iter()
        .filter(|d| d.name() == "location")
        .map(|d| if d.words.len() == 2 { d.argument(1) } else { d.argument(2) })
        .filter(|p| p.starts_with('/') && p.ends_with('/'))
        .filter(|p| !paths.iter().any(|path| path.starts_with(p)))
        .map(|p| p.trim_end_matches('/'))
        .collect();
    let mut found: Vec<Forwarded> = Vec::new();
    for path in paths {
        for prefix in std::iter::once(&"").chain(&prefixes) {
            let asked = format!("{prefix}{path}");
            if let Some(location) = passes(server, &asked, guarded)
                && !found.iter().any(|f| (f.line, &f.path) == (location.line, &asked))
            {
                found.push(Forwarded { path: asked, line: location.line, column: location.column });
            }
        }
    }
    found
}

/// The location that passes the path on unguarded.
fn passes<'d>(within: &'d [Directive], path: &str, guarded: bool) -> Option<&'d Directive> {
    let location = choose(within, path)?;
    let guarded = guards(location.inner(), guarded);
    if let Some(inner) = choose(location.inner(), path) {
        return Some(inner).filter(|i| is_open(i, guards(i.inner(), guarded)));
    }
    Some(location).filter(|l| is_open(l, guarded))
}

fn is_open(location: &Directive, guarded: bool) -> bool {
    !guarded && location.inner().iter().any(|d| d.name() == "proxy_pass")
}

fn choose<'d>(within: &'d [Directive], path: &str) -> Option<&'d Directive> {
    let locations = || within.iter().filter(|d| d.name() == "location" && d.block.is_some());
    let plain = |d: &&Directive| d.words.len() == 2 && !d.argument(1).starts_with('@');
    if let Some(exact) = locations().find(|d| d.argument(1) == "=" && d.argument(2) == path) {
        return Some(exact);
    }
    let prefix = |d: &'d Directive| match d.argument(1) {
        "^~" => Some(d.argument(2)),
        _ if plain(&d) => Some(d.argument(1)),
        _ => None,
    };
    let longest = locations()
        .filter_map(|d| prefix(d).filter(|p| path.starts_with(p)).map(|p| (p.len(), d)))
        .max_by_key(|(len, _)| *len)
        .map(|(_, d)| d);
    if longest.is_some_and(|d| d.argument(1) == "^~") {
        return longest;
    }
    let by_pattern = locations().find(|d| {
        let insensitive = match d.argument(1) {
            "~" => false,
            "~*" => true,
            _ => return false,
        };
        let pattern =
            RegexBuilder::new(d.argument(2)).case_insensitive(insensitive).size_limit(1 << 20).build();
        pattern.is_ok_and(|p| p.is_match(path))
    });
    by_pattern.or(longest)
}

/// Whether what is written here, or inherited, asks callers something or turns them away.
fn guards(block: &[Directive], inherited: bool) -> bool {
    let own = block.iter().rev().find_map(|d| match (d.name(), d.argument(1)) {
        ("auth_basic", "off") | ("auth_request", "off") => Some(false),
        ("auth_basic" | "auth_request" | "auth_jwt", _) => Some(true),
        ("ssl_verify_client", "on") => Some(true),
        ("deny", "all") => Some(true),
        ("return", code) if code.starts_with('4') => Some(true),
        ("limit_except", _) if d.inner().iter().any(|i| (i.name(), i.argument(1)) == ("deny", "all")) => {
            Some(true)
        }
        _ => None,
    });
    own.unwrap_or(inherited)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn open(text: &str) -> Vec<String> {
        forwarded(&read(text).unwrap(), &["/-/reload", "/-/quit"])
            .into_iter()
            .map(|f| format!("{}:{} {}", f.line, f.column, f.path))
            .collect()
    }

    #[test]
    fn locations_are_chosen_as_nginx_chooses_them() {
        let pass = "proxy_pass http://127.0.0.1:9090;";
        for (text, expected) in [
            (format!("server {{\n  location / {{ {pass} }}\n}}"), vec!["2:3 /-/reload", "2:3 /-/quit"]),
            (format!("server {{ location / {{ {pass} }} location /-/ {{ deny all; }} }}"), vec![]),
            (
                format!("server {{ location / {{ {pass} }} location = /-/quit {{ return 403; }} }}"),
                vec!["1:10 /-/reload"],
            ),
            (
                format!(
                    "server {{ location / {{ {pass} }} location ~ ^/-/(reload|quit) {{ return 404; }} }}"
                ),
                vec![],
            ),
            // `^~` keeps the expression away.
            (
                format!("server {{ location ^~ /-/ {{ {pass} }} location ~ reload {{ return 403; }} }}"),
                vec!["1:10 /-/reload", "1:10 /-/quit"],
            ),
            (format!("server {{ location ~* ^/-/RELOAD {{ {pass} }} }}"), vec!["1:10 /-/reload"]),
            (
                format!("server {{ location /prom/ {{ {pass} }} }}"),
                vec!["1:10 /prom/-/reload", "1:10 /prom/-/quit"],
            ),
            (format!("server {{ auth_basic \"who; {{}}\"; location / {{ {pass} }} }}"), vec![]),
            (
                format!("server {{ auth_basic x; location / {{ auth_basic off; {pass} }} }}"),
                vec!["1:24 /-/reload", "1:24 /-/quit"],
            ),
            (format!("server {{ location / {{ limit_except GET {{ deny all; }} {pass} }} }}"), vec![]),
            (
                format!("http {{ server {{ location / {{ root /srv; location /-/ {{ {pass} }} }} }} }}"),
                vec!["1:41 /-/reload", "1:41 /-/quit"],
            ),
            ("server { location / { root /srv; } }".to_owned(), vec![]),
            (format!("location / {{ # comment {{\n {pass} }}"), vec!["1:1 /-/reload", "1:1 /-/quit"]),
        ] {
            assert_eq!(open(&text), expected, "{text}");
        }
    }

    #[test]
    fn what_breaks_off_is_told() {
        for text in ["server {", "}", "server { a }", "a 'b", ";", "{", "a; b"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(&"a {".repeat(100_000)).is_err());
        assert_eq!(read("map $a $b { default \"x;y\"; }\nset $c ${d}e;").unwrap().len(), 2);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[a-c /~=^;{}#'\"$\\\\\n-]{0,80}") {
            if let Ok(file) = read(&text) {
                forwarded(&file, &["/-/reload"]);
            }
        }
    }
}
