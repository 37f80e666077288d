//! Rules on permissions, systemd units and rule files.

use super::super::yaml::Node;
use super::super::{Deployment, Kind};
use super::{Found, Look, Looked};

pub(super) const RULES: &[(&str, Look)] = &[
    ("PROM-04.1", |d, f| {
        mode(d, f, &[Kind::Prometheus, Kind::Web, Kind::RuleFile], 0o022, "may be written by others")
    }),
    ("AM-04.1", |d, f| mode(d, f, &[Kind::Alertmanager], 0o022, "may be written by others")),
    ("SEC-06.1", |d, f| {
        let kinds = [Kind::Prometheus, Kind::Alertmanager, Kind::Web, Kind::Blackbox, Kind::Snmp];
        mode(d, f, &kinds, 0o004, "may be read by everybody")
    }),
    ("DOS-04.2", open_files),
    ("DOS-05.1", restart),
    ("DOS-05.2", up_alert),
];

/// Descriptors below which the security model calls a limit too low.
const OPEN_FILES_MIN: u64 = 32_768;

fn mode(deployment: &Deployment, found: &mut Found, kinds: &[Kind], bits: u32, what: &str) -> Looked {
    let mut looked = Looked::Needs("a configuration file with its permissions");
    for document in deployment.documents.iter().filter(|d| kinds.contains(&d.kind)) {
        let Some(mode) = document.mode else { continue };
        looked = Looked::Yes;
        if mode & bits != 0 {
            found.file(document, format!("{what} (mode {:04o})", mode & 0o7777));
        }
    }
    looked
}

/// The last value of a key in a unit's `[Service]` section.
fn unit_value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut section = "";
    let mut value = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section == "[Service]"
            && let Some((name, v)) = line.split_once('=')
            && name.trim() == key
        {
            value = Some(v.trim());
        }
    }
    value
}

fn unit(
    deployment: &Deployment,
    found: &mut Found,
    key: &str,
    bad: fn(Option<&str>) -> Option<String>,
) -> Looked {
    if !deployment.has(Kind::Unit) {
        return Looked::Needs("the systemd unit");
    }
    for document in deployment.documents.iter().filter(|d| d.kind == Kind::Unit) {
        if let Some(what) = bad(unit_value(&document.text, key)) {
            found.file(document, what);
        }
    }
    Looked::Yes
}

fn open_files(deployment: &Deployment, found: &mut Found) -> Looked {
    unit(deployment, found, "LimitNOFILE", |value| match value {
        None => Some("no `LimitNOFILE`".to_owned()),
        Some("infinity") => None,
        // `soft:hard`; the soft limit is what a server starts with.
        Some(text) => match text.split(':').next().and_then(|n| n.parse::<u64>().ok()) {
            Some(n) if n >= OPEN_FILES_MIN => None,
            _ => Some(format!("`LimitNOFILE={text}`")),
        },
    })
}

fn restart(deployment: &Deployment, found: &mut Found) -> Looked {
    unit(deployment, found, "Restart", |value| match value {
        None | Some("no" | "") => Some(format!("`Restart={}`", value.unwrap_or("no"))),
        Some(_) => None,
    })
}

fn up_alert(deployment: &Deployment, found: &mut Found) -> Looked {
    let alerts: Vec<&str> = deployment
        .of_kind(Kind::RuleFile)
        .flat_map(|(_, root)| root.get("groups").into_iter().flat_map(Node::items))
        .flat_map(|group| group.get("rules").into_iter().flat_map(Node::items))
        .filter(|rule| rule.get("alert").is_some())
        .filter_map(|rule| rule.get("expr").and_then(Node::text))
        .collect();
    let Some(document) = deployment.documents.iter().find(|d| d.kind == Kind::RuleFile) else {
        return Looked::Needs("the rule files");
    };
    let watches = |expr: &&str| {
        let flat: String = expr.split_whitespace().collect();
        flat.contains("absent(") || (flat.contains("up") && (flat.contains("==0") || flat.contains("<1")))
    };
    if !alerts.iter().any(watches) {
        found.file(document, format!("none of {} alerts fires when a target is down", alerts.len()));
    }
    Looked::Yes
}
