//! Rules on the web configuration.

use super::super::yaml::Node;
use super::super::{Deployment, Document, Kind};
use super::{Found, Look, Looked};

pub(super) const RULES: &[(&str, Look)] = &[
    ("AUTH-03.1", |d, f| each(d, f, old_tls)),
    ("AUTH-03.2", |d, f| each(d, f, chosen_ciphers)),
    ("AUTH-04.1", |d, f| each(d, f, passwords_in_clear)),
    ("AUTH-05.1", |d, f| each(d, f, weak_hashes)),
    ("AUTH-11.1", |d, f| each(d, f, missing_headers)),
];

/// bcrypt's cost below which Go's own library and the exporter toolkit's example do not go.
const COST_MIN: u32 = 10;

fn each(deployment: &Deployment, found: &mut Found, look: fn(&Document, &Node, &mut Found)) -> Looked {
    if !deployment.has(Kind::Web) {
        return Looked::Needs("web.yml");
    }
    deployment.of_kind(Kind::Web).for_each(|(document, root)| look(document, root, found));
    Looked::Yes
}

fn old_tls(document: &Document, root: &Node, found: &mut Found) {
    if let Some(node) = root.at(&["tls_server_config", "min_version"])
        && let Some(version @ ("TLS10" | "TLS11")) = node.text()
    {
        found.at(document, node, format!("`{version}` is accepted"));
    }
}

fn chosen_ciphers(document: &Document, root: &Node, found: &mut Found) {
    if let Some(node) = root.at(&["tls_server_config", "cipher_suites"]).filter(|n| n.is_filled()) {
        let names: Vec<&str> = node.items().filter_map(Node::text).collect();
        found.at(document, node, format!("chosen by hand: {}", names.join(", ")));
    }
}

fn passwords_in_clear(document: &Document, root: &Node, found: &mut Found) {
    let tls =
        ["cert_file", "cert"].iter().any(|k| root.at(&["tls_server_config", k]).is_some_and(Node::is_filled));
    if let Some(node) = root.get("basic_auth_users").filter(|n| n.is_filled() && !tls) {
        found.at(document, node, "passwords are asked for without TLS");
    }
}

fn weak_hashes(document: &Document, root: &Node, found: &mut Found) {
    for (user, node) in root.get("basic_auth_users").map(Node::pairs).unwrap_or_default() {
        let hash = node.text().unwrap_or_default();
        let cost = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .find_map(|p| hash.strip_prefix(p))
            .and_then(|rest| rest.split('$').next())
            .and_then(|cost| cost.parse::<u32>().ok());
        match cost {
            None => found.at(document, node, format!("the entry of `{user}` is not a bcrypt hash")),
            Some(cost) if cost < COST_MIN => {
                found.at(document, node, format!("the hash of `{user}` has a cost of {cost}"))
            }
            Some(_) => {}
        }
    }
}

fn missing_headers(document: &Document, root: &Node, found: &mut Found) {
    const WANTED: [&str; 3] = ["X-Frame-Options", "X-Content-Type-Options", "Content-Security-Policy"];
    let headers = root.at(&["http_server_config", "headers"]);
    let set: Vec<String> =
        headers.map(Node::pairs).unwrap_or_default().iter().map(|(k, _)| k.to_ascii_lowercase()).collect();
    let absent: Vec<&str> = WANTED.into_iter().filter(|w| !set.contains(&w.to_ascii_lowercase())).collect();
    if !absent.is_empty() {
        found.at(document, headers.unwrap_or(root), format!("no {}", absent.join(", ")));
    }
}
