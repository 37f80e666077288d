//! `check-config`: for each rule a deployment that violates it, and one as the remedy says.

use reprove::deployment::{Given, Input, Judgement, Rules, Server, Severity, check};
use reprove::limits::deployment::DeploymentLimits;
use reprove::verdict::Verdict;

const RULES: &str = include_str!("../../policies/controls/configuration.toml");

fn judge(files: &[(&str, &str)], flags: Option<&str>, server: Option<Server>) -> Judgement {
    let input = |(name, text): &(&str, &str)| {
        let (name, mode) = match name.split_once('@') {
            Some((name, mode)) => (name, u32::from_str_radix(mode, 8).unwrap()),
            None => (*name, 0o640),
        };
        Input { name: name.to_owned(), bytes: text.as_bytes().to_vec(), mode: Some(0o100_000 | mode) }
    };
    let given = Given {
        files: files.iter().map(input).collect(),
        flags: flags.map(str::to_owned),
        server,
        version: None,
    };
    let rules = Rules::read("configuration.toml", RULES).unwrap();
    check(&given, &rules, Severity::Medium, &DeploymentLimits::DEFAULT).unwrap()
}

const LIMITS: &str = "global: {body_size_limit: 1MB, sample_limit: 1, label_limit: 1, label_name_length_limit: 1, \
                      label_value_length_limit: 1, target_limit: 1}\n";

fn job(body: &str) -> String {
    format!("{LIMITS}scrape_configs:\n  - job_name: j\n    {}\n", body.replace('\n', "\n    "))
}

/// The rule is violated by the first and not by the second.
fn row(rule: &str, kind: &str, bad: &str, good: &str) {
    let run = |text: &str| judge(&[(kind, text)], None, None);
    let (bad, good) = (run(bad), run(good));
    let hit = bad.violations.iter().find(|v| v.rule == rule);
    assert!(
        hit.is_some_and(|v| v.line > 0
            || kind.contains("service")
            || kind.contains('@')
            || kind == "rules.yml"),
        "{rule}: {bad:#?}"
    );
    assert!(!good.violations.iter().any(|v| v.rule == rule), "{rule}: {good:#?}");
    assert!(good.looked.iter().any(|l| l == rule), "{rule} was not looked at");
}

/// A key under a wrong name is seen by no rule, and told; free names and service discovery are let be.
#[test]
fn keys_that_no_server_knows_are_told() {
    let good =
        job("honor_labels: true\nkubernetes_sd_configs: [{role: pod, anything: 1}]\nparams: {any: [x]}\n\
         tls_config: {ca_file: /x}\nbasic_auth: {username: u, password_file: /p}\n\
         relabel_configs:\n- {source_labels: [a], target_label: b}");
    assert_eq!(judge(&[("prometheus.yml", &good)], None, None).unknown, []);
    let told = |name: &str, text: &str| {
        let unknown = judge(&[(name, text)], None, None).unknown;
        unknown.into_iter().map(|u| (u.key, u.near, u.line)).collect::<Vec<_>>()
    };
    let near = |key: &str, near: &str, line| (key.to_owned(), Some(near.to_owned()), line);
    for (from, to, expected) in [
        ("honor_labels", "honor_lables", near("honor_lables", "honor_labels", 4)),
        ("ca_file", "ca_fiel", near("ca_fiel", "ca_file", 7)),
        ("password_file", "passwd_file", near("passwd_file", "password_file", 8)),
        ("target_label", "target_labels", near("target_labels", "target_label", 10)),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        assert_eq!(told("prometheus.yml", &text), [expected], "{to}");
    }
    let global = good.replacen("global: {", "global: {evaluation: 1s, ", 1);
    assert_eq!(told("prometheus.yml", &global), [("evaluation".to_owned(), None, 1)]);
    let web = "tls_server_config: {cert_file: a, key_file: b, client_auth_typ: RequireAndVerifyClientCert}\n";
    assert_eq!(told("web.yml", web), [near("client_auth_typ", "client_auth_type", 1)]);
    let routes = "route: {receiver: a, routes: [{receiver: a, matcher: [x=1]}]}\nreceivers: [{name: a, webhook_configs: []}]\n";
    assert_eq!(told("alertmanager.yml", routes), [near("matcher", "matchers", 1)]);
}

#[test]
fn each_rule_on_prometheus_yml_has_a_case_on_both_sides() {
    let p = "prometheus.yml";
    row("PROM-05.1", p, &job("kubernetes_sd_configs: [{role: pod}]"), &job("static_configs: []"));
    row(
        "PROM-05.2",
        p,
        &job("relabel_configs:\n- source_labels: [__meta_x]\n  target_label: __address__"),
        &job("relabel_configs:\n- source_labels: [__meta_x]\n  target_label: zone"),
    );
    row(
        "PROM-05.3",
        p,
        &job("http_sd_configs: [{url: 'http://x/'}]"),
        &job("http_sd_configs: [{url: 'https://x/'}]"),
    );
    row(
        "PROM-05.4",
        p,
        &job("consul_sd_configs: [{server: x}]\nbasic_auth: {username: u}"),
        &job("static_configs: [{targets: [x]}]\nbasic_auth: {username: u}"),
    );
    row("PROM-07.1", p, &job("honor_labels: yes"), &job("honor_labels: true\nmetrics_path: /federate"));
    row(
        "PG-02.1",
        p,
        &job("honor_labels: true\nstatic_configs: [{targets: ['x:9091']}]"),
        &job("static_configs: [{targets: ['x:9091']}]"),
    );
    row(
        "PROM-08.1",
        p,
        &job("metric_relabel_configs:\n- source_labels: [a]\n  target_label: instance"),
        &job("metric_relabel_configs:\n- source_labels: [a]\n  target_label: b"),
    );
    row("PROM-15.1", p, "remote_read: [{url: 'https://x'}]\n", "remote_write: [{url: 'https://x'}]\n");
    row(
        "AUTH-10.1",
        p,
        &job("tls_config: {insecure_skip_verify: on}"),
        &job("tls_config: {insecure_skip_verify: 'on'}"),
    );
    row(
        "AUTH-10.2",
        p,
        &job("authorization: {credentials: x}"),
        &job("scheme: https\nauthorization: {credentials: x}"),
    );
    row(
        "SEC-05.1",
        p,
        "remote_write: [{url: 'https://u:p@x/'}]\n",
        "remote_write: [{url: 'https://x/', basic_auth: {password: p}}]\n",
    );
    row("SEC-05.1", p, &job("params: {token: [abc]}"), &job("http_headers: {X-Token: {secrets: [abc]}}"));
    row(
        "SEC-07.2",
        p,
        "global: {external_labels: {a: '${API_TOKEN}'}}\n",
        "global: {external_labels: {a: '${REGION}'}}\n",
    );
    row(
        "SEC-08.1",
        p,
        &job("basic_auth: {username: u}"),
        &job("basic_auth: {username: u}\nfollow_redirects: false"),
    );
    row("DOS-02.1", p, "scrape_configs: [{job_name: j, sample_limit: 0}]\n", &job("sample_limit: 5"));
}

#[test]
fn each_rule_on_the_other_files_has_a_case_on_both_sides() {
    let receiver = |config: &str| format!("receivers: [{{name: r, {config}}}]\n");
    row(
        "AM-05.1",
        "alertmanager.yml",
        &receiver("slack_configs: [{channel: '#{{ .CommonLabels.team }}'}]"),
        &receiver("slack_configs: [{channel: '#ops', text: '{{ .CommonLabels.team }}'}]"),
    );
    row(
        "AM-06.1",
        "alertmanager.yml",
        &receiver(
            "webhook_configs: [{http_config: {authorization: {credentials: '{{ .CommonAnnotations.t }}'}}}]",
        ),
        &receiver("webhook_configs: [{http_config: {authorization: {credentials: x}}}]"),
    );
    let tls = "tls_server_config: {cert_file: c, key_file: k, min_version: TLS12}\n";
    row("AUTH-03.1", "web.yml", &tls.replace("TLS12", "TLS10"), tls);
    row("AUTH-03.2", "web.yml", &tls.replace("min_version: TLS12", "cipher_suites: [X]"), tls);
    let hash = "$2y$12$abcdefghijklmnopqrstuv";
    row(
        "AUTH-04.1",
        "web.yml",
        &format!("basic_auth_users: {{u: '{hash}'}}\n"),
        &format!("{tls}basic_auth_users: {{u: '{hash}'}}\n"),
    );
    row(
        "AUTH-05.1",
        "web.yml",
        &format!("{tls}basic_auth_users: {{u: '$2y$04$x'}}\n"),
        &format!("{tls}basic_auth_users: {{u: '{hash}'}}\n"),
    );
    row("AUTH-05.1", "web.yml", &format!("{tls}basic_auth_users: {{u: secret}}\n"), tls);
    row(
        "AUTH-11.1",
        "web.yml",
        tls,
        "http_server_config: {headers: {X-Frame-Options: deny, x-content-type-options: nosniff, Content-Security-Policy: x}}\n",
    );
    let module = |http: &str| format!("modules: {{m: {{prober: http, http: {{{http}}}}}}}\n");
    row("EXP-03.1", "blackbox.yml", &module("headers: {AUTHORIZATION: x}"), &module("headers: {Accept: x}"));
    row("EXP-03.1", "blackbox.yml", &module("basic_auth: {username: u}"), &module("method: GET"));
    row("EXP-03.2", "snmp.yml", "auths: {a: {community: s3cret}}\n", "auths: {a: {community: public}}\n");
    row("EXP-03.2", "snmp.yml", "if_mib: {walk: [x], auth: {community: s3cret}}\n", "if_mib: {walk: [x]}\n");
}

#[test]
fn permissions_units_and_rule_files_are_looked_at() {
    let rules_of = |j: &Judgement| j.violations.iter().map(|v| v.rule.clone()).collect::<Vec<_>>();
    let open = judge(&[("prometheus.yml@0666", "scrape_configs: []\nrule_files: [x]\n")], None, None);
    assert!(
        ["PROM-04.1", "SEC-06.1"].iter().all(|r| rules_of(&open).contains(&(*r).to_owned())),
        "{open:#?}"
    );
    let shut = judge(&[("prometheus.yml@0640", "scrape_configs: []\nrule_files: [x]\n")], None, None);
    assert!(rules_of(&shut).is_empty(), "{shut:#?}");
    let am = judge(&[("a.yml@0620", "route: {receiver: r}\n")], None, None);
    assert_eq!(rules_of(&am), ["AM-04.1"]);
    let unit =
        judge(&[("x.service", "[Unit]\nRestart=always\n[Service]\nLimitNOFILE=1024:65536\n")], None, None);
    assert_eq!(rules_of(&unit), ["DOS-04.2", "DOS-05.1"]);
    let good = judge(&[("x.service", "[Service]\nRestart=on-failure\nLimitNOFILE=infinity\n")], None, None);
    assert_eq!(good.verdict, Verdict::Pass);
    let alert = |expr: &str| {
        judge(
            &[("r.yml", &format!("groups: [{{name: g, rules: [{{alert: A, expr: '{expr}'}}]}}]\n"))],
            None,
            None,
        )
    };
    assert_eq!(rules_of(&alert("rate(x[5m]) > 1")), ["DOS-05.2"]);
    assert!(rules_of(&alert("up{job=\"x\"} == 0")).is_empty());
}

#[test]
fn each_rule_on_flags_has_a_case_on_both_sides() {
    use Server::{Alertmanager, BlackboxExporter, NodeExporter, Prometheus, Pushgateway};
    let shut = "--web.listen-address=127.0.0.1:1 --web.cors.origin=https://x";
    for (rule, server, bad, good) in [
        ("GEN-02.1", NodeExporter, "", "--web.listen-address=[::1]:9100"),
        ("PROM-01.1", Prometheus, "--web.listen-address=:9090", shut),
        ("AM-01.1", Alertmanager, "", "--web.config.file=web.yml --web.listen-address=[::1]:9093"),
        ("PG-01.1", Pushgateway, "--web.config.file=", shut),
        ("EXP-02.1", BlackboxExporter, "", shut),
        ("AUTH-01.1", NodeExporter, "", shut),
        ("PROM-02.1", Prometheus, "--db-password=x", "--db-password-file x"),
        ("SEC-05.2", Prometheus, "--x=https://u:p@h/", "--x=https://h/"),
        ("PROM-09.1", Prometheus, "--web.enable-admin-api", "--no-web.enable-admin-api"),
        ("PROM-11.1", Prometheus, "--web.enable-lifecycle", "--web.enable-lifecycle=false"),
        ("PG-03.1", Pushgateway, "--web.enable-admin-api", ""),
        ("PG-04.1", Pushgateway, "--web.enable-lifecycle", ""),
        ("PROM-14.1", Prometheus, "-web.enable-remote-shutdown", ""),
        (
            "PROM-16.1",
            Prometheus,
            "--web.enable-remote-write-receiver",
            "--web.enable-remote-write-receiver --web.listen-address=localhost:1",
        ),
        ("PROM-16.1", Prometheus, "--enable-feature=a,remote-write-receiver", "--enable-feature=a"),
        ("AM-09.1", Alertmanager, "", "--cluster.listen-address="),
        (
            "AM-09.1",
            Alertmanager,
            "--cluster.listen-address=0.0.0.0:1",
            "--cluster.listen-address 0.0.0.0:1 --cluster.tls-config x",
        ),
        ("AUTH-06.1", Prometheus, "--web.enable-lifecycle", ""),
        ("AUTH-07.1", Prometheus, "--web.cors.origin='.*'", shut),
        ("AUTH-07.1", Prometheus, "", shut),
        ("DOS-01.1", Prometheus, "--query.max-samples=100000000", "--query.max-samples=1000"),
        ("DOS-01.1", Prometheus, "--query.timeout=1h", "--query.timeout=1m30s"),
        ("DOS-01.1", Prometheus, "--storage.remote.read-concurrent-limit=0", ""),
    ] {
        let run = |flags: &str| judge(&[], Some(flags), Some(server));
        let (bad, good) = (run(bad), run(good));
        assert!(bad.violations.iter().any(|v| v.rule == rule), "{rule}: {bad:#?}");
        assert!(!good.violations.iter().any(|v| v.rule == rule), "{rule}: {good:#?}");
        assert!(good.looked.iter().any(|l| l == rule), "{rule} was not looked at");
    }
}

#[test]
fn a_web_configuration_that_asks_nobody_does_not_close_the_server() {
    let web = [("web.yml", "tls_server_config: {cert_file: c, key_file: k}\n")];
    let flags = Some("--web.config.file=web.yml");
    let open = judge(&web, flags, Some(Server::Prometheus));
    assert!(open.violations.iter().any(|v| v.rule == "PROM-01.1"), "{open:#?}");
    let mutual =
        [("web.yml", "tls_server_config: {cert_file: c, client_auth_type: RequireAndVerifyClientCert}\n")];
    let shut = judge(&mutual, flags, Some(Server::Prometheus));
    assert!(!shut.violations.iter().any(|v| v.rule == "PROM-01.1"), "{shut:#?}");
}

#[test]
fn what_was_not_given_is_not_looked_at_and_no_secret_is_repeated() {
    let judgement = judge(&[("p.yml", "remote_write: [{url: 'https://u:hunter2@x/'}]\n")], None, None);
    assert_eq!(judgement.looked.len() + judgement.not_looked.len(), 62);
    assert!(judgement.not_looked.iter().any(|n| n.rule == "PROM-09.1"));
    assert!(!serde_json::to_string(&judgement).unwrap().contains("hunter2"));
}

#[test]
fn rules_that_do_not_fit_the_code_are_refused() {
    for (from, to) in [
        ("id = \"PROM-09.1\"", "id = \"PROM-99.1\""),
        ("id = \"PROM-09.1\"", "id = \"PROM-11.1\""),
        ("schema = 1", "schema = 2"),
        ("severity = \"critical\"", "severity = \"dire\""),
        ("out-of-reach = \"the dashboard's configuration is not read here\"\n", ""),
        ("about = \"`--web.enable-admin-api`\"", "about = \" \""),
        ("about = \"`--web.enable-admin-api`\"", "about = \"x\"\nowner = \"x\""),
    ] {
        assert!(RULES.contains(from), "{from}");
        assert!(Rules::read("x", &RULES.replacen(from, to, 1)).is_err(), "{from} -> {to}");
    }
}
