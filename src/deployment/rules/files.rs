//! Rules on permissions, systemd units and rule files.

use super::super::unit::{self, Setting};
use super::super::yaml::Node;
use super::super::{Deployment, Document, Kind, Server};
use super::secrets;
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
    ("PROM-03.1", log_destination),
    ("EXP-02.2", egress),
    ("SEC-02.1", discovered_secrets),
    ("SEC-07.1", environment),
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

fn units(deployment: &Deployment) -> impl Iterator<Item = (&Document, Vec<Setting>)> {
    deployment.documents.iter().filter(|d| d.kind == Kind::Unit).map(|d| (d, unit::service(&d.text)))
}

const NEEDS_UNIT: Looked = Looked::Needs("the systemd unit");

/// Looks at the last value of a key in each unit.
fn each_unit(
    deployment: &Deployment,
    found: &mut Found,
    key: &str,
    bad: fn(Option<&str>) -> Option<String>,
) -> Looked {
    if !deployment.has(Kind::Unit) {
        return NEEDS_UNIT;
    }
    for (document, settings) in units(deployment) {
        let setting = unit::last(&settings, key);
        if let Some(what) = bad(setting.map(|s| s.value.as_str())) {
            match setting {
                Some(s) => found.place(document, s.line, s.column, what),
                None => found.file(document, what),
            }
        }
    }
    Looked::Yes
}

fn open_files(deployment: &Deployment, found: &mut Found) -> Looked {
    each_unit(deployment, found, "LimitNOFILE", |value| match value {
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
    each_unit(deployment, found, "Restart", |value| match value {
        None | Some("no" | "") => Some(format!("`Restart={}`", value.unwrap_or("no"))),
        Some(_) => None,
    })
}

/// Where a unit sends its output, and whether the file that it makes is for everybody (systemd.exec:
/// files are made with mode 0666 less `UMask`, which is 0022 unless set).
fn log_destination(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Unit) {
        return Looked::Needs("the systemd unit; a log that goes elsewhere is not seen");
    }
    for (document, settings) in units(deployment) {
        let mask =
            unit::last(&settings, "UMask").map_or(Some(0o022), |s| u32::from_str_radix(&s.value, 8).ok());
        for key in ["StandardOutput", "StandardError"] {
            let Some(setting) = unit::last(&settings, key) else { continue };
            let file = ["file:", "append:", "truncate:"].iter().find_map(|p| setting.value.strip_prefix(p));
            if let Some(file) = file.filter(|_| mask.is_none_or(|m| m & 0o004 == 0)) {
                let what = format!("the log `{file}` is made so that everybody may read it");
                found.place(document, setting.line, setting.column, what);
            }
        }
    }
    Looked::Yes
}

/// Whether systemd keeps an exporter from connecting wherever a caller wants. Without that nothing is
/// said: a firewall may do it.
fn egress(deployment: &Deployment, found: &mut Found) -> Looked {
    let probes = matches!(deployment.server, Some(Server::BlackboxExporter | Server::SnmpExporter));
    let denies = |s: &&Setting| s.key == "IPAddressDeny" && s.value.split_whitespace().any(|v| v == "any");
    let mut looked = Looked::Needs("`IPAddressDeny=any` in the exporter's unit, or a look at the firewall");
    for (document, settings) in units(deployment).filter(|_| probes) {
        if !settings.iter().any(|s| denies(&s)) {
            continue;
        }
        looked = Looked::Yes;
        let any = settings.iter().find(|s| {
            s.key == "IPAddressAllow"
                && s.value.split_whitespace().any(|v| matches!(v, "any" | "0.0.0.0/0" | "::/0"))
        });
        if let Some(setting) = any {
            let what = format!("`IPAddressAllow={}` takes `IPAddressDeny=any` back", setting.value);
            found.place(document, setting.line, setting.column, what);
        }
    }
    looked
}

/// Labels of targets in files of service discovery.
fn discovered_secrets(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Targets) {
        return Looked::Needs("the discovered data (files of `file_sd_configs`)");
    }
    for (document, root) in deployment.of_kind(Kind::Targets) {
        for group in root.items() {
            for (name, node) in group.get("labels").map(Node::pairs).unwrap_or_default() {
                let text = node.text().unwrap_or_default();
                if (secrets::in_name(name) && !text.is_empty()) || secrets::in_text(text) {
                    found.at(document, node, format!("label `{name}` holds what looks like a credential"));
                }
            }
        }
    }
    Looked::Yes
}

/// Whether a variable's name says that it is a secret by value; one that names a file is none.
fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (secrets::in_name(name) || lower.contains("_key"))
        && !lower.ends_with("_file")
        && !lower.ends_with("_path")
}

/// Secrets in the environment that a unit gives its process.
fn environment(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Unit) && !deployment.has(Kind::Environment) {
        return Looked::Needs("the systemd unit or its environment file");
    }
    let told = |name: &str| format!("the variable `{name}` holds a secret, and any dependency can show it");
    for (document, settings) in units(deployment) {
        for setting in settings.iter().filter(|s| s.key == "Environment") {
            for (name, value) in unit::pairs(&setting.value) {
                if is_secret(&name) && !value.is_empty() {
                    found.place(document, setting.line, setting.column, told(&name));
                }
            }
        }
    }
    for document in deployment.documents.iter().filter(|d| d.kind == Kind::Environment) {
        for variable in unit::environment(&document.text) {
            if is_secret(&variable.key) && !variable.value.is_empty() {
                found.place(document, variable.line, variable.column, told(&variable.key));
            }
        }
    }
    Looked::Yes
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
