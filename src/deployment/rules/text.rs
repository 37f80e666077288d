//! Rules on what is neither YAML nor a unit: metrics as a server shows them, templates, consoles, the
//! configuration of a proxy.

use std::sync::LazyLock;

use regex::Regex;

use super::super::{Deployment, Document, Kind, Server, nginx};
use super::secrets;
use super::{Found, Look, Looked};

pub(super) const RULES: &[(&str, Look)] = &[
    ("PROM-10.1", |d, f| {
        proxied(
            d,
            f,
            Server::Prometheus,
            &["/api/v1/admin/tsdb/delete_series", "/api/v2/admin/tsdb/delete_series"],
        )
    }),
    ("PROM-12.1", |d, f| proxied(d, f, Server::Prometheus, &["/-/reload", "/-/quit"])),
    ("AM-08.1", |d, f| proxied(d, f, Server::Alertmanager, &["/-/reload"])),
    ("AM-07.1", template_secrets),
    ("AUTH-08.1", unescaped_queries),
    ("SEC-03.1", label_secrets),
    ("DOS-04.1", open_files),
];

fn texts(deployment: &Deployment, kind: Kind) -> impl Iterator<Item = &Document> {
    deployment.documents.iter().filter(move |d| d.kind == kind)
}

fn proxied(deployment: &Deployment, found: &mut Found, server: Server, paths: &[&str]) -> Looked {
    if !deployment.has(Kind::Nginx) {
        return Looked::Needs("the proxy's configuration (nginx)");
    }
    match deployment.server {
        None => return Looked::Needs("whose proxy it is (`--component`)"),
        Some(other) if other != server => return Looked::Needs("the proxy of another component"),
        Some(_) => {}
    }
    for document in texts(deployment, Kind::Nginx) {
        let Ok(file) = nginx::read(&document.text) else { continue };
        for open in nginx::forwarded(&file, paths) {
            found.place(
                document,
                open.line,
                open.column,
                format!("`{}` is passed on, and nobody is asked", open.path),
            );
        }
    }
    Looked::Yes
}

/// The actions of a Go template with the place of each.
fn actions(text: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    text.match_indices("{{").filter_map(move |(at, _)| {
        let rest = text.get(at + 2..)?;
        let inner = rest.get(..rest.find("}}")?)?;
        let before = text.get(..at)?;
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        Some((before.matches('\n').count() + 1, before.get(line_start..)?.chars().count() + 1, inner))
    })
}

/// A path of a URL that is a secret by itself: a long word of letters and digits.
static TOKEN_URL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"https?://[^\s"'{}]*/[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]{19,}"#).ok());

fn template_secrets(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Template) {
        return Looked::Needs("Alertmanager's template files");
    }
    for document in texts(deployment, Kind::Template) {
        for (index, line) in document.text.lines().enumerate() {
            let token = TOKEN_URL.as_ref().and_then(|p| p.find(line)).map(|m| m.start());
            let at = token.or_else(|| secrets::in_text(line).then_some(line.len() - line.trim_start().len()));
            if let Some(at) = at {
                let column = line.get(..at).map_or(0, |s| s.chars().count()) + 1;
                found.place(document, index + 1, column, "a template holds what looks like a credential");
            }
        }
    }
    Looked::Yes
}

/// Variables that an action assigns.
static ASSIGNED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\$([A-Za-z_][A-Za-z0-9_]*)\s*:?=").ok());

fn unescaped_queries(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Console) {
        return Looked::Needs("the console templates");
    }
    for document in texts(deployment, Kind::Console) {
        // Names that hold what the caller sent.
        let mut callers = vec![".Params".to_owned(), "$params".to_owned()];
        for (line, column, action) in actions(&document.text) {
            if !callers.iter().any(|name| names(action, name)) {
                continue;
            }
            let formats = action.contains("printf");
            if formats && (action.contains("%s") || action.contains("%v")) {
                found.place(document, line, column, "what the caller sent goes into a query without `%q`");
            } else if !formats && let Some(variable) = ASSIGNED.as_ref().and_then(|p| p.captures(action)) {
                callers.extend(variable.get(1).map(|v| format!("${}", v.as_str())));
            }
        }
    }
    Looked::Yes
}

/// Whether an action uses a name, and not a longer one.
fn names(action: &str, name: &str) -> bool {
    action.match_indices(name).any(|(at, _)| {
        let after = action.get(at + name.len()..).and_then(|rest| rest.chars().next());
        after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_')
    })
}

/// A sample of the text exposition format: name, labels, value.
static SAMPLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+([^\s#]+)(?:\s+-?[0-9]+)?\s*$"#).ok()
});

static LABEL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)""#).ok());

/// An address of e-mail: people, in a place that everybody may read.
static EMAIL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}$").ok());

/// Whether a text is what servers show on `/metrics`: comments that say so, or labels, and samples alone.
pub(in crate::deployment) fn is_metrics(text: &str) -> bool {
    let Some(sample) = SAMPLE.as_ref() else { return false };
    let lines = || text.lines().filter(|l| !l.trim().is_empty());
    let tells = lines().any(|l| l.starts_with("# TYPE ") || l.starts_with("# HELP ") || l.contains('{'));
    tells && lines().any(|l| !l.starts_with('#')) && lines().all(|l| l.starts_with('#') || sample.is_match(l))
}

fn label_secrets(deployment: &Deployment, found: &mut Found) -> Looked {
    let (Some(sample), Some(label), Some(email)) = (SAMPLE.as_ref(), LABEL.as_ref(), EMAIL.as_ref()) else {
        return Looked::Needs("a pattern that this build does not have");
    };
    if !deployment.has(Kind::Metrics) {
        return Looked::Needs("what the server shows on `/metrics`, saved to a file");
    }
    for document in texts(deployment, Kind::Metrics) {
        for (index, line) in document.text.lines().enumerate() {
            let Some(labels) = sample.captures(line).and_then(|c| c.get(2)) else { continue };
            for pair in label.captures_iter(labels.as_str()) {
                let (Some(name), Some(value)) = (pair.get(1), pair.get(2)) else { continue };
                let told = secrets::in_name(name.as_str()) && !value.as_str().is_empty();
                if told || secrets::in_text(value.as_str()) || email.is_match(value.as_str()) {
                    let before = line.get(..labels.start() + name.start()).unwrap_or_default();
                    let what =
                        format!("label `{}` holds what looks like a credential or a person", name.as_str());
                    found.place(document, index + 1, before.chars().count() + 1, what);
                }
            }
        }
    }
    Looked::Yes
}

/// The share of descriptors in use above which the security model calls for more.
const DESCRIPTORS_USED_MAX: f64 = 0.8;

fn open_files(deployment: &Deployment, found: &mut Found) -> Looked {
    let Some(sample) = SAMPLE.as_ref() else {
        return Looked::Needs("a pattern that this build does not have");
    };
    let mut looked = Looked::Needs("what the server shows on `/metrics`, saved to a file");
    for document in texts(deployment, Kind::Metrics) {
        let value = |name: &str| {
            document.text.lines().enumerate().find_map(|(index, line)| {
                let found = sample.captures(line).filter(|c| c.get(1).is_some_and(|n| n.as_str() == name))?;
                Some((index + 1, found.get(3)?.as_str().parse::<f64>().ok()?))
            })
        };
        let (Some((line, open)), Some((_, max))) = (value("process_open_fds"), value("process_max_fds"))
        else {
            continue;
        };
        looked = Looked::Yes;
        let enough = max > 0.0 && open <= DESCRIPTORS_USED_MAX * max;
        if !enough {
            found.place(document, line, 1, format!("{open} of {max} descriptors are in use"));
        }
    }
    looked
}
