//! Rules on prometheus.yml.

use super::super::yaml::Node;
use super::super::{Deployment, Document, Kind};
use super::secrets;
use super::{Found, Look, Looked};

const NEEDS: Looked = Looked::Needs("prometheus.yml");

pub(super) const RULES: &[(&str, Look)] = &[
    ("PROM-05.1", |d, f| each_job(d, f, discovery)),
    ("PROM-05.2", |d, f| each_job(d, f, steering)),
    ("PROM-05.3", |d, f| each_job(d, f, discovery_in_clear)),
    ("PROM-05.4", |d, f| each_job(d, f, credentials_by_discovery)),
    ("PROM-07.1", |d, f| each_job(d, f, honoured_labels)),
    ("PROM-08.1", |d, f| each_job(d, f, overwritten_labels)),
    ("PROM-15.1", remote_read),
    ("PG-02.1", |d, f| each_job(d, f, pushgateway)),
    ("AUTH-10.1", unchecked_tls),
    ("AUTH-10.2", credentials_in_clear),
    ("SEC-05.1", readable_secrets),
    ("SEC-07.2", expanded_variables),
    ("SEC-08.1", |d, f| each_job(d, f, redirected_credentials)),
    ("DOS-02.1", unlimited_targets),
];

type Job = fn(&Deployment, &Document, &Node, &str, &mut Found);

fn each_job(deployment: &Deployment, found: &mut Found, look: Job) -> Looked {
    if !deployment.has(Kind::Prometheus) {
        return NEEDS;
    }
    for (document, root) in deployment.of_kind(Kind::Prometheus) {
        for job in root.get("scrape_configs").into_iter().flat_map(Node::items) {
            let name = job.get("job_name").and_then(Node::text).unwrap_or("without a name");
            look(deployment, document, job, name, found);
        }
    }
    Looked::Yes
}

fn discoveries(job: &Node) -> Vec<(&str, &Node)> {
    job.pairs().into_iter().filter(|(key, node)| key.ends_with("_sd_configs") && node.is_filled()).collect()
}

/// The first credential of a client's settings.
fn credential(client: &Node) -> Option<(&'static str, &Node)> {
    [
        "basic_auth",
        "authorization",
        "oauth2",
        "bearer_token",
        "bearer_token_file",
        "sigv4",
        "azuread",
        "google_iam",
    ]
    .into_iter()
    .find_map(|key| client.get(key).filter(|n| n.is_filled()).map(|n| (key, n)))
}

fn discovery(_: &Deployment, document: &Document, job: &Node, name: &str, found: &mut Found) {
    for (kind, node) in discoveries(job) {
        found.at(document, node, format!("job `{name}` trusts what `{kind}` says"));
    }
}

fn steering(_: &Deployment, document: &Document, job: &Node, name: &str, found: &mut Found) {
    for step in job.get("relabel_configs").into_iter().flat_map(Node::items) {
        let target = step.get("target_label").and_then(Node::text).unwrap_or_default();
        let steers = matches!(target, "__address__" | "__scheme__" | "__metrics_path__" | "job" | "instance")
            || target.starts_with("__param_");
        let from_discovery = step
            .get("source_labels")
            .into_iter()
            .flat_map(Node::items)
            .find_map(|n| n.text().filter(|t| t.starts_with("__meta_")));
        if steers && let Some(source) = from_discovery {
            found.at(document, step, format!("job `{name}`: `{source}` decides `{target}`"));
        }
    }
}

fn discovery_in_clear(_: &Deployment, document: &Document, job: &Node, name: &str, found: &mut Found) {
    for source in job.get("http_sd_configs").into_iter().flat_map(Node::items) {
        if let Some(url) = source.get("url")
            && url.text().is_some_and(|u| u.to_ascii_lowercase().starts_with("http://"))
        {
            found.at(document, url, format!("job `{name}` learns its targets over plain HTTP"));
        }
    }
}

fn credentials_by_discovery(_: &Deployment, document: &Document, job: &Node, name: &str, found: &mut Found) {
    if let (Some((kind, _)), Some((field, node))) = (discoveries(job).first(), credential(job)) {
        found.at(document, node, format!("job `{name}` sends `{field}` wherever `{kind}` points"));
    }
}

/// Targets of a job's static configuration.
fn targets(job: &Node) -> impl Iterator<Item = &str> {
    job.get("static_configs")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(|group| group.get("targets"))
        .flat_map(Node::items)
        .filter_map(Node::text)
}

fn looks_like_pushgateway(job: &Node, name: &str) -> bool {
    name.to_ascii_lowercase().contains("pushgateway")
        || targets(job).any(|t| t.ends_with(":9091") || t.to_ascii_lowercase().contains("pushgateway"))
}

fn honours(job: &Node) -> Option<&Node> {
    job.get("honor_labels").filter(|n| n.boolean() == Some(true))
}

fn honoured_labels(_: &Deployment, document: &Document, job: &Node, name: &str, found: &mut Found) {
    let federates = job.get("metrics_path").and_then(Node::text) == Some("/federate");
    if let Some(node) = honours(job).filter(|_| !federates && !looks_like_pushgateway(job, name)) {
        found.at(document, node, format!("job `{name}` lets its targets choose any labels"));
    }
}

fn pushgateway(_: &Deployment, document: &Document, job: &Node, name: &str, found: &mut Found) {
    if let Some(node) = honours(job).filter(|_| looks_like_pushgateway(job, name)) {
        let what = format!("job `{name}`: whoever may push to the Pushgateway may write any series");
        found.at(document, node, what);
    }
}

fn overwritten_labels(_: &Deployment, document: &Document, job: &Node, name: &str, found: &mut Found) {
    for step in job.get("metric_relabel_configs").into_iter().flat_map(Node::items) {
        let text = |key: &str| step.get(key).and_then(Node::text).unwrap_or_default();
        let target = text("target_label");
        let action = text("action").to_ascii_lowercase();
        let pattern = text("regex");
        let touches = ["job", "instance", "exported_"].iter().any(|l| pattern.contains(l));
        if matches!(target, "job" | "instance")
            && !matches!(action.as_str(), "keep" | "drop" | "labeldrop" | "labelkeep")
        {
            found.at(document, step, format!("job `{name}` overwrites `{target}` from exposed labels"));
        } else if matches!(action.as_str(), "labelmap" | "labelkeep" | "labeldrop") && touches {
            found.at(document, step, format!("job `{name}`: `{action}` touches target labels"));
        }
    }
}

fn remote_read(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Prometheus) {
        return NEEDS;
    }
    for (document, root) in deployment.of_kind(Kind::Prometheus) {
        for backend in root.get("remote_read").into_iter().flat_map(Node::items) {
            found.at(document, backend, "users' queries are passed on to this backend");
        }
    }
    Looked::Yes
}

fn unchecked_tls(deployment: &Deployment, found: &mut Found) -> Looked {
    let kinds = [Kind::Prometheus, Kind::Alertmanager, Kind::Blackbox];
    if !kinds.iter().any(|k| deployment.has(*k)) {
        return Looked::Needs("prometheus.yml, alertmanager.yml or blackbox.yml");
    }
    for kind in kinds {
        for (document, root) in deployment.of_kind(kind) {
            root.walk(&mut Vec::new(), &mut |path, node| {
                if path.last() == Some(&"insecure_skip_verify") && node.boolean() == Some(true) {
                    found.at(
                        document,
                        node,
                        format!("`{}` takes any server for the right one", path.join(".")),
                    );
                }
            });
        }
    }
    Looked::Yes
}

fn credentials_in_clear(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Prometheus) {
        return NEEDS;
    }
    for (document, root) in deployment.of_kind(Kind::Prometheus) {
        let mut client = |node: &Node, what: &str, plain: bool| {
            if plain && let Some((field, at)) = credential(node) {
                found.at(document, at, format!("{what} sends `{field}` over plain HTTP"));
            }
        };
        // Without a scheme the servers use HTTP.
        let scheme = |node: &Node| node.get("scheme").and_then(Node::text) != Some("https");
        let url = |node: &Node| {
            node.get("url")
                .and_then(Node::text)
                .is_some_and(|u| u.to_ascii_lowercase().starts_with("http://"))
        };
        for job in root.get("scrape_configs").into_iter().flat_map(Node::items) {
            let name = job.get("job_name").and_then(Node::text).unwrap_or("without a name");
            client(job, &format!("job `{name}`"), scheme(job));
        }
        for (key, what) in [("remote_write", "remote write"), ("remote_read", "remote read")] {
            root.get(key).into_iter().flat_map(Node::items).for_each(|n| client(n, what, url(n)));
        }
        let managers = root.at(&["alerting", "alertmanagers"]);
        managers.into_iter().flat_map(Node::items).for_each(|n| client(n, "alerting", scheme(n)));
    }
    Looked::Yes
}

fn readable_secrets(deployment: &Deployment, found: &mut Found) -> Looked {
    const SHOWN: [&str; 7] =
        ["url", "params", "headers", "external_labels", "labels", "replacement", "targets"];
    if !deployment.has(Kind::Prometheus) && !deployment.has(Kind::Alertmanager) {
        return Looked::Needs("prometheus.yml or alertmanager.yml");
    }
    for kind in [Kind::Prometheus, Kind::Alertmanager] {
        for (document, root) in deployment.of_kind(kind) {
            root.walk(&mut Vec::new(), &mut |path, node| {
                let Some(text) = node.text().filter(|t| !t.is_empty()) else { return };
                let shown = path.iter().position(|k| SHOWN.contains(k));
                let Some(from) = shown else {
                    if secrets::in_url(text) && path.last().is_some_and(|k| !k.ends_with("_url")) {
                        found.at(document, node, format!("`{}` holds a URL with a password", path.join(".")));
                    }
                    return;
                };
                if path.contains(&"secrets") || path.contains(&"files") {
                    return;
                }
                let named = path.get(from + 1..).unwrap_or_default().iter().any(|k| secrets::in_name(k));
                if named || secrets::in_text(text) {
                    found.at(
                        document,
                        node,
                        format!("`{}` holds what looks like a credential", path.join(".")),
                    );
                }
            });
        }
    }
    Looked::Yes
}

fn expanded_variables(deployment: &Deployment, found: &mut Found) -> Looked {
    if !deployment.has(Kind::Prometheus) {
        return NEEDS;
    }
    for (document, root) in deployment.of_kind(Kind::Prometheus) {
        for (label, node) in root.at(&["global", "external_labels"]).map(Node::pairs).unwrap_or_default() {
            let text = node.text().unwrap_or_default();
            let names = text.split('$').skip(1).map(|rest| {
                let rest = rest.strip_prefix('{').unwrap_or(rest);
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
            });
            for name in names.filter(|n| secrets::in_name(n) || n.to_ascii_lowercase().contains("key")) {
                found.at(document, node, format!("label `{label}` would carry the variable `{name}`"));
            }
        }
    }
    Looked::Yes
}

fn redirected_credentials(
    deployment: &Deployment,
    document: &Document,
    job: &Node,
    name: &str,
    found: &mut Found,
) {
    if deployment.version.is_some_and(|v| v >= (3, 13)) {
        return;
    }
    let follows = job.get("follow_redirects").and_then(Node::boolean) != Some(false);
    if let Some((field, node)) = credential(job).filter(|_| follows) {
        let what =
            format!("job `{name}` follows redirects with `{field}` (versions before 3.13.0 send it along)");
        found.at(document, node, what);
    }
}

fn unlimited_targets(deployment: &Deployment, found: &mut Found) -> Looked {
    const LIMITS: [&str; 6] = [
        "body_size_limit",
        "sample_limit",
        "label_limit",
        "label_name_length_limit",
        "label_value_length_limit",
        "target_limit",
    ];
    if !deployment.has(Kind::Prometheus) {
        return NEEDS;
    }
    for (document, root) in deployment.of_kind(Kind::Prometheus) {
        let set = |node: Option<&Node>| {
            node.and_then(Node::text).is_some_and(|t| {
                !t.trim_end_matches(|c: char| c.is_ascii_alphabetic()).trim_matches('0').is_empty()
            })
        };
        for job in root.get("scrape_configs").into_iter().flat_map(Node::items) {
            let name = job.get("job_name").and_then(Node::text).unwrap_or("without a name");
            let absent: Vec<&str> = LIMITS
                .into_iter()
                .filter(|l| match job.get(l) {
                    Some(own) => !set(Some(own)),
                    None => !set(root.at(&["global", l])),
                })
                .collect();
            if !absent.is_empty() {
                found.at(document, job, format!("job `{name}` has no {}", absent.join(", ")));
            }
        }
    }
    Looked::Yes
}
