//! Rules on flags.

use super::super::{Deployment, Kind, Server, flags::Flags};
use super::secrets;
use super::{Found, Look, Looked};

const NEEDS_FLAGS: Looked = Looked::Needs("the command line (`--flags`)");

pub(super) const RULES: &[(&str, Look)] = &[
    ("PROM-13.1", major_version),
    ("GEN-02.1", |d, f| open_to_all(d, f, None)),
    ("PROM-01.1", |d, f| open_to_all(d, f, Some(&[Server::Prometheus]))),
    ("AM-01.1", |d, f| open_to_all(d, f, Some(&[Server::Alertmanager]))),
    ("PG-01.1", |d, f| open_to_all(d, f, Some(&[Server::Pushgateway]))),
    ("EXP-02.1", |d, f| open_to_all(d, f, Some(&[Server::BlackboxExporter, Server::SnmpExporter]))),
    ("AUTH-01.1", |d, f| open_to_all(d, f, Some(&[Server::NodeExporter]))),
    ("PROM-02.1", |d, f| {
        arguments(d, f, |a| secrets::in_name(a.split_once('=').map_or("", |(name, _)| name)))
    }),
    ("SEC-05.2", |d, f| {
        arguments(d, f, |a| a.split_once('=').is_some_and(|(_, value)| secrets::in_text(value)))
    }),
    ("PROM-09.1", |d, f| switch(d, f, &[Server::Prometheus], &["web.enable-admin-api"])),
    ("PROM-11.1", |d, f| switch(d, f, &[Server::Prometheus], &["web.enable-lifecycle"])),
    ("PG-03.1", |d, f| switch(d, f, &[Server::Pushgateway], &["web.enable-admin-api"])),
    ("PG-04.1", |d, f| switch(d, f, &[Server::Pushgateway], &["web.enable-lifecycle"])),
    ("PROM-14.1", |d, f| switch(d, f, &[Server::Prometheus], &["web.enable-remote-shutdown"])),
    ("PROM-16.1", receivers),
    ("AM-09.1", gossip),
    ("AUTH-06.1", |d, f| {
        let switches = ["web.enable-lifecycle", "web.enable-admin-api"];
        switch(d, f, &[Server::Prometheus, Server::Pushgateway], &switches)
    }),
    ("AUTH-07.1", cors),
    ("DOS-01.1", raised_limits),
];

fn major_version(deployment: &Deployment, found: &mut Found) -> Looked {
    match (deployment.server, deployment.version) {
        (Some(Server::Prometheus), Some((1, minor))) => {
            found.command_line(format!("version 1.{minor} reloads and deletes for everybody"));
            Looked::Yes
        }
        (Some(Server::Prometheus), Some(_)) => Looked::Yes,
        _ => Looked::Needs("the version of Prometheus (`--server-version`)"),
    }
}

fn flags_of<'d>(deployment: &'d Deployment, servers: &[Server]) -> Option<&'d Flags> {
    deployment.flags.as_ref().filter(|_| deployment.server.is_some_and(|s| servers.contains(&s)))
}

/// Whether the web configuration that was given asks callers who they are; `None` where it was not given.
fn authenticates(deployment: &Deployment) -> Option<bool> {
    deployment.has(Kind::Web).then(|| {
        deployment.of_kind(Kind::Web).any(|(_, root)| {
            root.get("basic_auth_users").is_some_and(super::super::yaml::Node::is_filled)
                || root
                    .at(&["tls_server_config", "client_auth_type"])
                    .and_then(|n| n.text())
                    .is_some_and(|t| t == "RequireAndVerifyClientCert")
        })
    })
}

const NEEDS_WEB: Looked = Looked::Needs("the file that `--web.config.file` names");

/// Whether anybody beyond this machine may reach the server without saying who they are; `None` where
/// that stands in a file that was not given.
fn is_open(deployment: &Deployment, flags: &Flags, server: Server) -> Option<bool> {
    if !flags.listens_beyond_loopback("web.listen-address", server.default_address()) {
        return Some(false);
    }
    if flags.get("web.config.file").is_none_or(str::is_empty) {
        return Some(true);
    }
    authenticates(deployment).map(|asks| !asks)
}

fn open_to_all(deployment: &Deployment, found: &mut Found, only: Option<&[Server]>) -> Looked {
    let (Some(flags), Some(server)) = (&deployment.flags, deployment.server) else {
        return Looked::Needs("the command line and whose it is (`--flags`, `--component`)");
    };
    if only.is_some_and(|servers| !servers.contains(&server)) {
        return Looked::Needs("the command line of another component");
    }
    let Some(open) = is_open(deployment, flags, server) else { return NEEDS_WEB };
    if open {
        let address = flags.get("web.listen-address").map_or_else(
            || format!("listens on `{}` by default", server.default_address()),
            |a| format!("listens on `{a}`"),
        );
        let why = match flags.get("web.config.file") {
            Some(file) if !file.is_empty() => format!("and `{file}` asks nobody who they are"),
            _ => "without `--web.config.file`".to_owned(),
        };
        found.command_line(format!("{address} {why}"));
    }
    Looked::Yes
}

fn arguments(deployment: &Deployment, found: &mut Found, suspicious: fn(&str) -> bool) -> Looked {
    let Some(flags) = &deployment.flags else { return NEEDS_FLAGS };
    for (index, argument) in flags.arguments.iter().enumerate() {
        if suspicious(argument) {
            let name = argument.split_once('=').map_or("", |(name, _)| name);
            found.command_line(format!("argument {} `{name}=…`", index + 1));
        }
    }
    Looked::Yes
}

fn switch(deployment: &Deployment, found: &mut Found, servers: &[Server], names: &[&str]) -> Looked {
    let Some(flags) = flags_of(deployment, servers) else { return NEEDS_FLAGS };
    for name in names.iter().filter(|n| flags.is_on(n)) {
        found.command_line(format!("`--{name}`"));
    }
    Looked::Yes
}

fn receivers(deployment: &Deployment, found: &mut Found) -> Looked {
    let Some(flags) = flags_of(deployment, &[Server::Prometheus]) else { return NEEDS_FLAGS };
    match is_open(deployment, flags, Server::Prometheus) {
        None => return NEEDS_WEB,
        Some(false) => return Looked::Yes,
        Some(true) => {}
    }
    for name in ["web.enable-remote-write-receiver", "web.enable-otlp-receiver"] {
        if flags.is_on(name) {
            found.command_line(format!("`--{name}` on a server that anybody may reach"));
        }
    }
    if flags
        .all("enable-feature")
        .any(|v| v.split(',').any(|f| matches!(f, "remote-write-receiver" | "otlp-write-receiver")))
    {
        found.command_line("`--enable-feature` with a write receiver on a server that anybody may reach");
    }
    Looked::Yes
}

fn gossip(deployment: &Deployment, found: &mut Found) -> Looked {
    let Some(flags) = flags_of(deployment, &[Server::Alertmanager]) else { return NEEDS_FLAGS };
    let off = flags.get("cluster.listen-address").is_some_and(str::is_empty);
    let tls = flags.get("cluster.tls-config").is_some_and(|v| !v.is_empty());
    if !off && !tls && flags.listens_beyond_loopback("cluster.listen-address", "0.0.0.0:9094") {
        let address = flags.get("cluster.listen-address").unwrap_or("0.0.0.0:9094 (the default)");
        found.command_line(format!("gossip on `{address}` without `--cluster.tls-config`"));
    }
    Looked::Yes
}

fn cors(deployment: &Deployment, found: &mut Found) -> Looked {
    let Some(flags) = flags_of(deployment, &[Server::Prometheus]) else { return NEEDS_FLAGS };
    match flags.get("web.cors.origin") {
        // Before 3.0 the answer is `*`, from 3.0 on the caller's own origin: every one is allowed.
        None => found.command_line("no `--web.cors.origin`: every origin is allowed then"),
        Some(".*" | "^.*$" | "(.*)" | ".+") => found.command_line("`--web.cors.origin` allows every origin"),
        Some(_) => {}
    }
    Looked::Yes
}

/// A duration of Prometheus (`2m`, `1h30m`) in seconds.
fn seconds(text: &str) -> Option<f64> {
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        total += number
            * match rest.get(..unit)? {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                "w" => 604_800.0,
                "y" => 31_536_000.0,
                _ => return None,
            };
        rest = rest.get(unit..)?;
    }
    Some(total)
}

fn raised_limits(deployment: &Deployment, found: &mut Found) -> Looked {
    let Some(flags) = flags_of(deployment, &[Server::Prometheus]) else { return NEEDS_FLAGS };
    // Defaults of cmd/prometheus/main.go; the same from 2.42 to 3.5.
    const COUNTS: [(&str, f64, bool); 6] = [
        ("query.max-samples", 50_000_000.0, false),
        ("query.max-concurrency", 20.0, false),
        ("storage.remote.read-sample-limit", 50_000_000.0, true),
        ("storage.remote.read-concurrent-limit", 10.0, true),
        ("storage.remote.read-max-bytes-in-frame", 1_048_576.0, false),
        ("web.max-connections", 512.0, false),
    ];
    for (name, default, zero_is_none) in COUNTS {
        let Some(value) = flags.get(name) else { continue };
        match value.parse::<f64>() {
            Ok(n) if n > default || (zero_is_none && n == 0.0) => {
                found.command_line(format!("`--{name}={value}`, the default is {default}"));
            }
            Ok(_) => {}
            Err(_) => found.command_line(format!("`--{name}` is not a number")),
        }
    }
    if let Some(value) = flags.get("query.timeout")
        && seconds(value).is_none_or(|s| s > 120.0)
    {
        found.command_line(format!("`--query.timeout={value}`, the default is 2m"));
    }
    Looked::Yes
}
