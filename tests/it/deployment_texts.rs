//! `check-config` on what is no YAML: units and their variables, proxies, templates, metrics; on YAML that
//! is written to trip it; and on whole deployments as people have them.

use reprove::deployment::{DeploymentError, Given, Input, Judgement, Kind, Rules, Server, Severity, check};
use reprove::limits::deployment::DeploymentLimits;
use reprove::verdict::Verdict;

const RULES: &str = include_str!("../../policies/controls/configuration.toml");

fn run(
    files: &[(&str, &str)],
    flags: Option<&str>,
    server: Option<Server>,
    version: Option<&str>,
) -> Result<Judgement, DeploymentError> {
    let input = |(name, text): &(&str, &str)| Input {
        name: (*name).to_owned(),
        bytes: text.as_bytes().to_vec(),
        mode: Some(0o100_640),
    };
    let given = Given {
        files: files.iter().map(input).collect(),
        flags: flags.map(str::to_owned),
        server,
        version: version.map(str::to_owned),
    };
    let rules = Rules::read("configuration.toml", RULES).unwrap();
    check(&given, &rules, Severity::Medium, &DeploymentLimits::DEFAULT)
}

/// What is said of a rule: `-` where it was not looked at, else the places of its violations.
fn said(judgement: &Judgement, rule: &str) -> String {
    if !judgement.looked.iter().any(|l| l == rule) {
        return "-".to_owned();
    }
    let places = judgement.violations.iter().filter(|v| v.rule == rule);
    places.map(|v| format!("{}:{}:{}", v.file, v.line, v.column)).collect::<Vec<_>>().join(" ")
}

const UNIT: &str = "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/bin/prometheus $ARGS\nRestart=on-failure\nLimitNOFILE=65536\n";
const PROXY: &str = "server {\n    location / {\n        proxy_pass http://127.0.0.1:9090;\n    }\n";

#[test]
fn rules_on_texts_tell_their_place_and_spare_the_good_side() {
    let prometheus = Some(Server::Prometheus);
    let blackbox = Some(Server::BlackboxExporter);
    let unit = |extra: &str| format!("{UNIT}{extra}\n");
    let proxy = |extra: &str| format!("{PROXY}{extra}\n}}\n");
    let metrics = |open: u32| {
        format!(
            "# TYPE process_open_fds gauge\nprocess_open_fds {open}\nprocess_max_fds 100\nup{{job=\"a\",instance=\"b:1\"}} 1\n"
        )
    };
    for (rule, file, text, server, expected) in [
        ("PROM-03.1", "p.service", unit("StandardOutput=append:/var/log/p.log"), None, "p.service:7:1"),
        ("PROM-03.1", "p.service", unit("UMask=0027\nStandardOutput=append:/var/log/p.log"), None, ""),
        ("PROM-03.1", "p.service", unit("StandardOutput=journal"), None, ""),
        ("SEC-07.1", "p.service", unit("Environment=A=1 \"AWS_SECRET_KEY=x y\""), None, "p.service:7:1"),
        ("SEC-07.1", "p.service", unit("Environment=AWS_SECRET_KEY= TOKEN_FILE=/x"), None, ""),
        ("SEC-07.1", "default", "ARGS=\"--x\"\n API_TOKEN='x'\n".to_owned(), None, "default:2:2"),
        ("EXP-02.2", "b.service", unit("IPAddressDeny=any\nIPAddressAllow=10.0.0.0/8"), blackbox, ""),
        ("EXP-02.2", "b.service", unit("IPAddressDeny=any\nIPAddressAllow=any"), blackbox, "b.service:8:1"),
        ("EXP-02.2", "b.service", unit(""), blackbox, "-"),
        ("EXP-02.2", "b.service", unit("IPAddressDeny=any"), prometheus, "-"),
        ("DOS-04.2", "p.service", UNIT.replace("65536", "1024"), None, "p.service:6:1"),
        ("DOS-05.1", "p.service", UNIT.replace("on-failure", "no"), None, "p.service:5:1"),
        ("PROM-12.1", "nginx.conf", proxy(""), prometheus, "nginx.conf:2:5 nginx.conf:2:5"),
        ("PROM-12.1", "nginx.conf", proxy("location /-/ { deny all; }"), prometheus, ""),
        ("PROM-12.1", "nginx.conf", proxy("location /-/reload { deny all; }"), prometheus, "nginx.conf:2:5"),
        ("PROM-12.1", "nginx.conf", proxy(""), None, "-"),
        ("PROM-12.1", "nginx.conf", proxy(""), Some(Server::Alertmanager), "-"),
        ("PROM-10.1", "nginx.conf", proxy("location ~ ^/api/v[0-9]+/admin/ { return 403; }"), prometheus, ""),
        ("PROM-10.1", "nginx.conf", proxy("auth_basic x;"), prometheus, ""),
        ("AM-08.1", "nginx.conf", proxy(""), Some(Server::Alertmanager), "nginx.conf:2:5"),
        (
            "AM-07.1",
            "a.tmpl",
            "{{ define \"u\" }}\n  https://h.example/services/T0/B1234567890123456789x\n{{ end }}\n"
                .to_owned(),
            None,
            "a.tmpl:2:3",
        ),
        (
            "AM-07.1",
            "a.tmpl",
            "{{ define \"u\" }}https://h.example/{{ .CommonLabels.team }}{{ end }}\n".to_owned(),
            None,
            "",
        ),
        (
            "AUTH-08.1",
            "c.html",
            "{{ template \"head\" . }}\n{{ query (printf \"up{a='%s'}\" .Params.a) }}\n".to_owned(),
            None,
            "c.html:2:1",
        ),
        (
            "AUTH-08.1",
            "c.html",
            "{{ template \"head\" . }}\n{{ query (printf \"up{a=%q}\" .Params.a) }}\n".to_owned(),
            None,
            "",
        ),
        (
            "AUTH-08.1",
            "c.html",
            "{{ $i := .Params.i }}\n{{ $j := $i }}\n{{ with printf \"up{a='%s'}\" $j }}{{ end }}\n"
                .to_owned(),
            None,
            "c.html:3:1",
        ),
        ("AUTH-08.1", "c.html", "{{ .Params.i }}{{ printf \"%s\" .Paramsx }}\n".to_owned(), None, ""),
        (
            "SEC-02.1",
            "sd.json",
            "[{\"targets\": [\"a:1\"],\n \"labels\": {\"api_token\": \"x\"}}]\n".to_owned(),
            None,
            "sd.json:2:26",
        ),
        ("SEC-02.1", "sd.yml", "- targets: [a:1]\n  labels: {env: prod}\n".to_owned(), None, ""),
        (
            "SEC-03.1",
            "m.prom",
            "# HELP x y\nx{user=\"ann@example.org\",job=\"a\"} 1\n".to_owned(),
            None,
            "m.prom:2:3",
        ),
        (
            "SEC-03.1",
            "m.prom",
            "x{job=\"a}b\",url=\"https://u:p@h/\"} 1 1700000000000\n".to_owned(),
            None,
            "m.prom:1:13",
        ),
        ("SEC-03.1", "m.prom", metrics(1), None, ""),
        ("DOS-04.1", "m.prom", metrics(81), None, "m.prom:2:1"),
        ("DOS-04.1", "m.prom", metrics(80), None, ""),
        ("DOS-04.1", "m.prom", metrics(0).replace("max_fds 100", "max_fds 0"), None, "m.prom:2:1"),
        ("DOS-04.1", "m.prom", "x{a=\"b\"} 1\n".to_owned(), None, "-"),
    ] {
        let judgement = run(&[(file, &text)], None, server, None).unwrap();
        assert_eq!(said(&judgement, rule), expected, "{rule}: {text}\n{judgement:#?}");
    }
}

#[test]
fn the_version_decides_what_depends_on_it() {
    let p = Some(Server::Prometheus);
    let of = |rule: &str, version: Option<&str>| {
        said(&run(&[], Some("--web.listen-address=127.0.0.1:9090"), p, version).unwrap(), rule)
    };
    assert_eq!(of("PROM-13.1", Some("1.8.2")), "command line:0:0");
    assert_eq!(of("PROM-13.1", Some("2.53.3+ds1-2")), "");
    assert_eq!(of("PROM-13.1", None), "-");
    // Version 3 answers with the caller's origin: as open as `*`.
    for version in [None, Some("2.42.0"), Some("3.5.3")] {
        assert_eq!(of("AUTH-07.1", version), "command line:0:0", "{version:?}");
    }
}

#[test]
fn a_web_configuration_that_was_not_given_is_no_proof_of_passwords() {
    let flags = Some(
        "--web.listen-address=:9090 --web.config.file=/etc/prometheus/web.yml --web.enable-remote-write-receiver",
    );
    let p = Some(Server::Prometheus);
    let without = run(&[], flags, p, None).unwrap();
    let open =
        run(&[("web.yml", "tls_server_config: {cert_file: c, key_file: k}\n")], flags, p, None).unwrap();
    let hash = "$2y$12$abcdefghijklmnopqrstuv";
    let web =
        format!("tls_server_config: {{cert_file: c, key_file: k}}\nbasic_auth_users: {{u: '{hash}'}}\n");
    let closed = run(&[("web.yml", &web)], flags, p, None).unwrap();
    for rule in ["GEN-02.1", "PROM-01.1", "PROM-16.1"] {
        assert_eq!(said(&without, rule), "-", "{rule}");
        assert_eq!(said(&open, rule), "command line:0:0", "{rule}");
        assert_eq!(said(&closed, rule), "", "{rule}");
    }
}

#[test]
fn a_unit_and_its_variables_are_the_command_line() {
    let args = "ARGS=\"--web.enable-admin-api --web.listen-address=127.0.0.1:9090\"\n";
    let both = run(&[("p.service", UNIT), ("default", args)], None, None, None).unwrap();
    assert_eq!(said(&both, "PROM-09.1"), "command line:0:0");
    assert_eq!(said(&both, "PROM-11.1"), "");
    // Without the file that has them nothing is known of the flags.
    let alone = run(&[("p.service", UNIT)], None, None, None).unwrap();
    assert_eq!(said(&alone, "PROM-09.1"), "-");
    // What was given by hand goes first.
    let by_hand = run(&[("p.service", UNIT), ("default", args)], Some("--a=1"), None, None).unwrap();
    assert_eq!(said(&by_hand, "PROM-09.1"), "-");
    let direct =
        "[Service]\nExecStart=/opt/prometheus-2.53/prometheus \\\n  --web.enable-lifecycle\nRestart=always\n";
    assert_eq!(
        said(&run(&[("p.service", direct)], None, None, None).unwrap(), "PROM-11.1"),
        "command line:0:0"
    );
    let elsewhere = run(&[], Some("--a=1 @/etc/flags"), Some(Server::Prometheus), None);
    assert!(matches!(elsewhere, Err(DeploymentError::FlagsElsewhere { .. })));
}

#[test]
fn texts_are_recognised_by_what_only_they_have() {
    for (text, expected) in [
        (UNIT, Kind::Unit),
        ("A=1\n", Kind::Environment),
        ("- targets: [a:1]\n", Kind::Targets),
        ("# TYPE x gauge\nx 1\n", Kind::Metrics),
        ("{{ define \"x\" }}y{{ end }}\n", Kind::Template),
        ("{{ template \"head\" . }}{{ .Params.x }}\n", Kind::Console),
        ("location / { proxy_pass http://x; }\n", Kind::Nginx),
        // Templates inside YAML leave it what it is.
        (
            "receivers: [{name: r, slack_configs: [{channel: '{{ .Params.x }}{{ define \"a\" }}'}]}]\n",
            Kind::Alertmanager,
        ),
        (
            "groups: [{name: g, rules: [{alert: a, expr: up == 0, annotations: {x: '{{ $params }}'}}]}]\n",
            Kind::RuleFile,
        ),
    ] {
        let judgement = run(&[("x", text)], None, None, None).unwrap();
        assert_eq!(judgement.files.first().map(|f| f.1), Some(expected), "{text}");
    }
    for text in ["", "hello\n", "a: 1\n", "x 1\n", "- a\n- b\n", "{{ x }}\n", "[Unit]\nX=1\n"] {
        assert!(run(&[("x", text)], None, None, None).is_err(), "{text}");
    }
}

#[test]
fn tricky_yaml_is_read_as_the_servers_read_it_or_refused() {
    let skip = |text: &str| run(&[("prometheus.yml", text)], None, None, None).map(|j| said(&j, "AUTH-10.1"));
    for (text, expected) in [
        (
            "scrape_configs:\r\n- job_name: j\r\n  tls_config: {insecure_skip_verify: true}\r\n",
            "prometheus.yml:3:38",
        ),
        ("\u{feff}scrape_configs:\n- tls_config: {insecure_skip_verify: true}\n", "prometheus.yml:2:38"),
        (
            "# ä\nscrape_configs:\n- {job_name: 'ä', tls_config: {insecure_skip_verify: yes}}\n",
            "prometheus.yml:3:54",
        ),
        (
            "scrape_configs:\n- &a {job_name: a, tls_config: {insecure_skip_verify: true}}\n- {<<: *a, job_name: b}\n",
            "prometheus.yml:2:55 prometheus.yml:2:55",
        ),
        (
            "scrape_configs:\n- job_name: j\n  tls_config:\n    insecure_skip_verify: !!bool true\n",
            "prometheus.yml:4:27",
        ),
        (
            "scrape_configs:\n- job_name: j\n  tls_config:\n    ? insecure_skip_verify\n    : true\n",
            "prometheus.yml:5:7",
        ),
        (
            "%YAML 1.1\n---\nscrape_configs:\n- {tls_config: {insecure_skip_verify: on}}\n",
            "prometheus.yml:4:39",
        ),
        ("scrape_configs:\n- {tls_config: {\"insecure_skip_verify\": true}}\n", "prometheus.yml:2:41"),
        ("scrape_configs:\n- {tls_config: {insecure_skip_verify: false}} # insecure_skip_verify: true\n", ""),
        ("{\"scrape_configs\": [{\"tls_config\": {\"insecure_skip_verify\": true}}]}", "prometheus.yml:1:61"),
    ] {
        assert_eq!(skip(text).unwrap(), expected, "{text}");
    }
    for text in [
        "scrape_configs: []\n---\nscrape_configs: []\n",
        "scrape_configs: []\nscrape_configs: []\n",
        "scrape_configs:\n- tls_config: {insecure_skip_verify: true, insecure_skip_verify: false}\n",
        "scrape_configs: *nowhere\n",
        "scrape_configs: [\n",
        "scrape_configs:\n\t- a: b\n",
    ] {
        match skip(text) {
            Err(DeploymentError::Yaml { line, .. }) => assert!(line > 0, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let deep = format!("scrape_configs: {}{}\n", "[".repeat(500), "]".repeat(500));
    let read = skip(&deep);
    let bounded = matches!(read, Err(DeploymentError::Limit { .. } | DeploymentError::Yaml { .. }));
    assert!(bounded, "{read:?}");
    let latin = Input { name: "p.yml".to_owned(), bytes: b"scrape_configs: [\xe4]\n".to_vec(), mode: None };
    let given = Given { files: vec![latin], ..Given::default() };
    let rules = Rules::read("configuration.toml", RULES).unwrap();
    let read = check(&given, &rules, Severity::Medium, &DeploymentLimits::DEFAULT);
    assert!(matches!(read, Err(DeploymentError::Encoding { .. })));
}

/// Deployments as people have them: what must be said, and the verdict.
#[test]
fn whole_deployments_are_judged_as_a_reviewer_would() {
    let limits = "global: {scrape_interval: 15s, body_size_limit: 10MB, sample_limit: 10000, label_limit: 60, label_name_length_limit: 200, label_value_length_limit: 500, target_limit: 100}\n";
    let hash = "$2y$12$abcdefghijklmnopqrstuv";
    let headers = "http_server_config: {headers: {X-Frame-Options: deny, X-Content-Type-Options: nosniff, Content-Security-Policy: \"frame-ancestors 'none'\"}}\n";
    let web = format!(
        "tls_server_config: {{cert_file: c, key_file: k}}\nbasic_auth_users: {{u: '{hash}'}}\n{headers}"
    );
    let clean =
        format!("{limits}scrape_configs:\n- job_name: node\n  static_configs: [{{targets: ['n:9100']}}]\n");
    let local = "--web.listen-address=127.0.0.1:9090 --web.cors.origin=https://a\\.example";
    let kubernetes = format!(
        "{limits}scrape_configs:\n- job_name: pods\n  kubernetes_sd_configs: [{{role: pod}}]\n  relabel_configs:\n  - {{source_labels: [__meta_kubernetes_pod_annotation_path], target_label: __metrics_path__}}\n"
    );
    let federation = format!(
        "{limits}scrape_configs:\n- job_name: up\n  honor_labels: true\n  metrics_path: /federate\n  scheme: https\n  static_configs: [{{targets: ['p:9090']}}]\n"
    );
    let gateway = format!(
        "{limits}scrape_configs:\n- job_name: pushgateway\n  honor_labels: true\n  static_configs: [{{targets: ['g:9091']}}]\n"
    );
    let remote = format!("{limits}remote_write:\n- url: https://u:secret@w.example/api/v1/push\n");
    let mail = "route: {receiver: m}\nreceivers:\n- name: m\n  email_configs: [{to: ops@example.org}]\n";
    let routed = "route: {receiver: m}\nreceivers:\n- name: m\n  webhook_configs: [{url: 'https://h/{{ .CommonLabels.team }}'}]\n";
    let probes =
        "modules:\n  http_2xx:\n    prober: http\n    http: {basic_auth: {username: u, password: p}}\n";
    let snmp = "auths:\n  a: {version: 2, community: fortress}\nmodules: {m: {walk: [1.3]}}\n";
    let p = Some(Server::Prometheus);
    type Case<'a> =
        (&'a str, Vec<(&'a str, &'a str)>, Option<&'a str>, Option<Server>, Verdict, Vec<&'a str>);
    let cases: Vec<Case<'_>> = vec![
        (
            "behind a proxy, limits set",
            vec![("prometheus.yml", &clean)],
            Some(local),
            p,
            Verdict::Pass,
            vec![],
        ),
        (
            "passwords and TLS of its own",
            vec![("prometheus.yml", &clean), ("web.yml", &web)],
            Some("--web.listen-address=:9090 --web.config.file=web.yml --web.cors.origin=x"),
            p,
            Verdict::Pass,
            vec![],
        ),
        (
            "as unpacked",
            vec![(
                "prometheus.yml",
                "scrape_configs:\n- job_name: prometheus\n  static_configs: [{targets: ['localhost:9090']}]\n",
            )],
            Some("--config.file=prometheus.yml"),
            p,
            Verdict::Fail,
            vec!["AUTH-07.1", "DOS-02.1", "GEN-02.1", "PROM-01.1"],
        ),
        (
            "pods that choose their path",
            vec![("prometheus.yml", &kubernetes)],
            Some(local),
            p,
            Verdict::Fail,
            vec!["PROM-05.1", "PROM-05.2"],
        ),
        ("federation over TLS", vec![("prometheus.yml", &federation)], Some(local), p, Verdict::Pass, vec![]),
        (
            "an open Pushgateway",
            vec![("prometheus.yml", &gateway)],
            Some(local),
            p,
            Verdict::Fail,
            vec!["PG-02.1"],
        ),
        (
            "a password in an address",
            vec![("prometheus.yml", &remote)],
            Some(local),
            p,
            Verdict::Fail,
            vec!["SEC-05.1"],
        ),
        (
            "Alertmanager by mail, gossip off",
            vec![("alertmanager.yml", mail)],
            Some("--web.listen-address=127.0.0.1:9093 --cluster.listen-address="),
            None,
            Verdict::Pass,
            vec![],
        ),
        (
            "Alertmanager that lets alerts choose, gossip open",
            vec![("alertmanager.yml", routed)],
            Some("--web.listen-address=127.0.0.1:9093"),
            None,
            Verdict::Fail,
            vec!["AM-05.1", "AM-09.1"],
        ),
        (
            "probes with a password, open to all",
            vec![("blackbox.yml", probes)],
            Some("--config.file=blackbox.yml"),
            None,
            Verdict::Fail,
            vec!["EXP-02.1", "EXP-03.1", "GEN-02.1"],
        ),
        (
            "SNMP with a community",
            vec![("snmp.yml", snmp)],
            Some("--web.listen-address=127.0.0.1:9116"),
            None,
            Verdict::Fail,
            vec!["EXP-03.2"],
        ),
    ];
    for (name, files, flags, server, verdict, expected) in cases {
        let judgement = run(&files, flags, server, None).unwrap();
        let mut rules: Vec<&str> = judgement.violations.iter().map(|v| v.rule.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        assert_eq!((judgement.verdict, rules), (verdict, expected), "{name}: {judgement:#?}");
    }
}
