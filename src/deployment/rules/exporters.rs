//! Rules on blackbox.yml and snmp.yml.

use super::super::yaml::Node;
use super::super::{Deployment, Kind};
use super::{Found, Look, Looked};

pub(super) const RULES: &[(&str, Look)] = &[("EXP-03.1", blackbox), ("EXP-03.2", snmp)];

fn blackbox(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Blackbox) {
        return Looked::Needs("blackbox.yml");
    }
    for (document, root) in deployment.of_kind(Kind::Blackbox) {
        for (name, module) in root.get("modules").map(Node::pairs).unwrap_or_default() {
            let Some(http) = module.get("http") else { continue };
            let fields = ["basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file"];
            for field in fields {
                if let Some(node) = http.get(field).filter(|n| n.is_filled()) {
                    found.at(
                        document,
                        node,
                        format!("module `{name}` sends `{field}` to any target that a caller names"),
                    );
                }
            }
            for (header, node) in http.get("headers").map(Node::pairs).unwrap_or_default() {
                if header.eq_ignore_ascii_case("authorization") {
                    found.at(
                        document,
                        node,
                        format!("module `{name}` sends `{header}` to any target that a caller names"),
                    );
                }
            }
        }
    }
    Looked::Yes
}

fn snmp(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Snmp) {
        return Looked::Needs("snmp.yml");
    }
    for (document, root) in deployment.of_kind(Kind::Snmp) {
        // From 0.23 on credentials have a section of their own; before, each module had its own.
        let mut auths: Vec<(&str, &Node)> = root.get("auths").map(Node::pairs).unwrap_or_default();
        let modules = root.get("modules").unwrap_or(root);
        auths.extend(modules.pairs().into_iter().filter_map(|(name, m)| m.get("auth").map(|a| (name, a))));
        for (name, auth) in auths {
            if let Some(node) = auth.get("community")
                && !matches!(node.text(), None | Some("public" | ""))
            {
                found.at(document, node, format!("`{name}` sends a community other than `public` in clear"));
            }
        }
    }
    Looked::Yes
}
