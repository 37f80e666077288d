//! Keys that no server knows: what a rule looks for under its right name is not found under a wrong one.
//!
//! The servers refuse such a file themselves when they start; here it says that nothing was understood of
//! that line. Known are the keys of Prometheus 2 and 3, Alertmanager 0.2x to 0.3x and the exporters' common
//! web configuration, as their documentation of configuration lists them. Service discovery and
//! receivers, of which there are dozens, are not looked into.

use super::yaml::Node;
use super::{Document, Kind, UnknownKey};

/// Keys that are told; a file full of them is another kind of file.
const TOLD_MAX: usize = 100;
/// Levels of Alertmanager's routes that are followed: nested far deeper than any that people read.
const ROUTES_DEPTH_MAX: usize = 100;
/// Changes of a letter between a wrong key and the one that may have been meant.
const TYPOS_MAX: usize = 2;

const CLIENT: &[&str] = &[
    "authorization",
    "basic_auth",
    "bearer_token",
    "bearer_token_file",
    "enable_http2",
    "follow_redirects",
    "http_headers",
    "no_proxy",
    "oauth2",
    "proxy_connect_header",
    "proxy_from_environment",
    "proxy_url",
    "tls_config",
];
const TLS: &[&str] = &[
    "ca",
    "ca_file",
    "ca_ref",
    "cert",
    "cert_file",
    "cert_ref",
    "insecure_skip_verify",
    "key",
    "key_file",
    "key_ref",
    "max_version",
    "min_version",
    "server_name",
];
const BASIC_AUTH: &[&str] =
    &["password", "password_file", "password_ref", "username", "username_file", "username_ref"];
const AUTHORIZATION: &[&str] = &["credentials", "credentials_file", "credentials_ref", "type"];
const RELABEL: &[&str] =
    &["action", "modulus", "regex", "replacement", "separator", "source_labels", "target_label"];
const PROMETHEUS: &[&str] = &[
    "alerting",
    "global",
    "otlp",
    "remote_read",
    "remote_write",
    "rule_files",
    "runtime",
    "scrape_config_files",
    "scrape_configs",
    "storage",
    "tracing",
];
/// Of `global` and of each job.
const SCRAPE: &[&str] = &[
    "always_scrape_classic_histograms",
    "body_size_limit",
    "convert_classic_histograms_to_nhcb",
    "extra_scrape_metrics",
    "keep_dropped_targets",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "metric_name_escaping_scheme",
    "metric_name_validation_scheme",
    "sample_limit",
    "scrape_classic_histograms",
    "scrape_failure_log_file",
    "scrape_interval",
    "scrape_native_histograms",
    "scrape_protocols",
    "scrape_timeout",
    "target_limit",
];
const GLOBAL: &[&str] = &["evaluation_interval", "external_labels", "query_log_file", "rule_query_offset"];
const JOB: &[&str] = &[
    "enable_compression",
    "fallback_scrape_protocol",
    "honor_labels",
    "honor_timestamps",
    "job_name",
    "metric_relabel_configs",
    "metrics_path",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
    "params",
    "relabel_configs",
    "scheme",
    "static_configs",
    "track_timestamps_staleness",
];
const ALERTING: &[&str] = &["alert_relabel_configs", "alertmanagers"];
const TARGET: &[&str] = &[
    "alert_relabel_configs",
    "api_version",
    "path_prefix",
    "relabel_configs",
    "scheme",
    "sigv4",
    "static_configs",
    "timeout",
];
const REMOTE: &[&str] = &[
    "azuread",
    "chunked_read_limit",
    "filter_external_labels",
    "google_iam",
    "headers",
    "metadata_config",
    "name",
    "protobuf_message",
    "queue_config",
    "read_recent",
    "remote_timeout",
    "required_matchers",
    "round_robin_dns",
    "send_exemplars",
    "send_native_histograms",
    "sigv4",
    "url",
    "write_relabel_configs",
];
const ALERTMANAGER: &[&str] = &[
    "global",
    "inhibit_rules",
    "mute_time_intervals",
    "receivers",
    "route",
    "templates",
    "time_intervals",
    "tracing",
];
const ROUTE: &[&str] = &[
    "active_time_intervals",
    "continue",
    "group_by",
    "group_interval",
    "group_wait",
    "match",
    "match_re",
    "matchers",
    "mute_time_intervals",
    "receiver",
    "repeat_interval",
    "routes",
];
const WEB: &[&str] = &["basic_auth_users", "http_server_config", "rate_limit", "tls_server_config"];
const WEB_TLS: &[&str] = &[
    "cert",
    "cert_file",
    "cipher_suites",
    "client_allowed_sans",
    "client_auth_type",
    "client_ca",
    "client_ca_file",
    "curve_preferences",
    "key",
    "key_file",
    "max_version",
    "min_version",
    "prefer_server_cipher_suites",
];

/// The unknown keys of a document, in its order.
pub(super) fn unknown(document: &Document) -> Vec<UnknownKey> {
    let Some(root) = document.root.as_deref() else { return Vec::new() };
    let mut seen = Seen { file: &document.name, unknown: Vec::new() };
    match document.kind {
        Kind::Prometheus => seen.prometheus(root),
        Kind::Alertmanager => seen.alertmanager(root),
        Kind::Web => {
            seen.keys(root, &[WEB], |_| false);
            if let Some(tls) = root.get("tls_server_config") {
                seen.keys(tls, &[WEB_TLS], |_| false);
            }
        }
        _ => {}
    }
    seen.unknown
}

struct Seen<'d> {
    file: &'d str,
    unknown: Vec<UnknownKey>,
}

impl Seen<'_> {
    fn keys(&mut self, node: &Node, known: &[&[&str]], also: impl Fn(&str) -> bool) {
        for (key, value) in node.pairs() {
            if known.iter().any(|keys| keys.contains(&key)) || also(key) || self.unknown.len() >= TOLD_MAX {
                continue;
            }
            let all = || known.iter().flat_map(|keys| keys.iter());
            let nearest = all().map(|other| (typos(key, other), *other)).min();
            let near = nearest.filter(|(typos, _)| *typos <= TYPOS_MAX).map(|(_, other)| other.to_owned());
            self.unknown.push(UnknownKey {
                file: self.file.to_owned(),
                line: value.line,
                column: value.column,
                key: key.chars().take(100).collect(),
                near,
            });
        }
    }

    /// A mapping with the settings of an HTTP client among its keys.
    fn client(&mut self, node: &Node, known: [&[&str]; 2], discovery: bool) {
        let [own, more] = known;
        self.keys(node, &[own, more, CLIENT], |key| discovery && key.ends_with("_sd_configs"));
        for (key, known) in
            [("tls_config", TLS), ("basic_auth", BASIC_AUTH), ("authorization", AUTHORIZATION)]
        {
            if let Some(inner) = node.get(key) {
                self.keys(inner, &[known], |_| false);
            }
        }
        for key in
            ["relabel_configs", "metric_relabel_configs", "alert_relabel_configs", "write_relabel_configs"]
        {
            self.relabel(node.get(key));
        }
    }

    fn relabel(&mut self, node: Option<&Node>) {
        for rule in node.into_iter().flat_map(Node::items) {
            self.keys(rule, &[RELABEL], |_| false);
        }
    }

    fn prometheus(&mut self, root: &Node) {
        self.keys(root, &[PROMETHEUS], |_| false);
        if let Some(global) = root.get("global") {
            self.keys(global, &[GLOBAL, SCRAPE], |_| false);
        }
        let items = |key: &str| root.get(key).into_iter().flat_map(Node::items);
        items("scrape_configs").for_each(|job| self.client(job, [JOB, SCRAPE], true));
        for key in ["remote_write", "remote_read"] {
            items(key).for_each(|remote| self.client(remote, [REMOTE, &[]], false));
        }
        if let Some(alerting) = root.get("alerting") {
            self.keys(alerting, &[ALERTING], |_| false);
            self.relabel(alerting.get("alert_relabel_configs"));
            let targets = alerting.get("alertmanagers").into_iter().flat_map(Node::items);
            targets.for_each(|target| self.client(target, [TARGET, &[]], true));
        }
    }

    fn alertmanager(&mut self, root: &Node) {
        self.keys(root, &[ALERTMANAGER], |_| false);
        let mut routes: Vec<(&Node, usize)> = root.get("route").into_iter().map(|r| (r, 0)).collect();
        while let Some((route, depth)) = routes.pop() {
            self.keys(route, &[ROUTE], |_| false);
            if depth < ROUTES_DEPTH_MAX && self.unknown.len() < TOLD_MAX {
                let inner = route.get("routes").into_iter().flat_map(Node::items);
                routes.extend(inner.map(|r| (r, depth + 1)));
            }
        }
        for receiver in root.get("receivers").into_iter().flat_map(Node::items) {
            self.keys(receiver, &[&["name"]], |key| key.ends_with("_configs"));
        }
    }
}

/// Letters to change, add, leave out or swap with the next one between two keys (the restricted
/// Damerau-Levenshtein distance); many where their lengths alone differ by more than is asked for.
fn typos(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > TYPOS_MAX {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let mut least =
                (at(&row, j) + usize::from(x != y)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::typos;

    #[test]
    fn a_typo_is_near_and_another_word_is_not() {
        for (a, b, expected) in [
            ("honor_lables", "honor_labels", 1),
            ("honour_labels", "honor_labels", 1),
            ("tls_confg", "tls_config", 1),
            ("scheme", "scheme", 0),
            ("", "ca", 2),
        ] {
            assert_eq!(typos(a, b), expected, "{a}");
        }
        assert!(typos("insecure_skip_verify", "server_name") > 2);
        assert!(typos(&"x".repeat(10_000), "honor_labels") > 2);
    }
}
