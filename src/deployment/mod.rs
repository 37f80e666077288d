//! Judges a user's own configuration and flags against the security model's configuration rules.
//!
//! The servers accept most of what is found here without a word. Rules, their severity, reasons and
//! remedies are data (`policies/controls/configuration.toml`); what they look at is code in `rules/`, and
//! a rule without code, or code without a rule, is refused. A rule whose subject was not given is *not
//! looked at* and listed so: silence about it is no pass.
//!
//! Not established: what the running server does, what stands before it (proxies, firewalls), and
//! whatever files were not given.

mod error;
mod flags;
mod keys;
mod nginx;
mod policy;
mod rules;
mod unit;
mod yaml;

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::limits::deployment::DeploymentLimits;
use crate::verdict::Verdict;
pub use error::DeploymentError;
use flags::Flags;
pub use policy::{Rule, Rules};
use yaml::Node;

/// How bad a violation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All of them, least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Which server the flags are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// Prometheus.
    Prometheus,
    /// Alertmanager.
    Alertmanager,
    /// Pushgateway.
    Pushgateway,
    /// The node exporter.
    NodeExporter,
    /// The blackbox exporter.
    BlackboxExporter,
    /// The SNMP exporter.
    SnmpExporter,
}

impl Server {
    /// The server that a program's name stands for, upstream's or Debian's.
    pub fn of_program(name: &str) -> Option<Self> {
        match name.strip_prefix("prometheus-").unwrap_or(name).replace('_', "-").as_str() {
            "prometheus" => Some(Self::Prometheus),
            "alertmanager" => Some(Self::Alertmanager),
            "pushgateway" => Some(Self::Pushgateway),
            "node-exporter" => Some(Self::NodeExporter),
            "blackbox-exporter" => Some(Self::BlackboxExporter),
            "snmp-exporter" => Some(Self::SnmpExporter),
            _ => None,
        }
    }

    /// The address on which it listens unless told otherwise.
    const fn default_address(self) -> &'static str {
        match self {
            Self::Prometheus => ":9090",
            Self::Alertmanager => ":9093",
            Self::Pushgateway => ":9091",
            Self::NodeExporter => ":9100",
            Self::BlackboxExporter => ":9115",
            Self::SnmpExporter => ":9116",
        }
    }
}

/// What a file is, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Prometheus' configuration.
    Prometheus,
    /// Alertmanager's.
    Alertmanager,
    /// The web configuration of any of them.
    Web,
    /// The blackbox exporter's.
    Blackbox,
    /// The SNMP exporter's.
    Snmp,
    /// Recording and alerting rules.
    RuleFile,
    /// A systemd service.
    Unit,
    /// The variables that a unit takes from a file.
    Environment,
    /// Targets for `file_sd_configs`.
    Targets,
    /// What a server shows on `/metrics`.
    Metrics,
    /// Alertmanager's templates.
    Template,
    /// Console templates of Prometheus.
    Console,
    /// The configuration of a proxy, nginx.
    Nginx,
}

/// A file as the caller read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name, for messages.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Unix permission bits, where they are known.
    pub mode: Option<u32>,
}

/// Everything that was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// Files.
    pub files: Vec<Input>,
    /// The command line, as one text.
    pub flags: Option<String>,
    /// Whose flags they are; taken from the files where it is left out and they are clear.
    pub server: Option<Server>,
    /// The server's version, e.g. `2.53.3`, for rules that depend on it.
    pub version: Option<String>,
}

/// A violation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Violation {
    /// The file, or `command line`.
    pub file: String,
    /// Line, from 1; 0 for the command line and for what concerns the file as a whole.
    pub line: usize,
    /// Column, from 1; 0 likewise.
    pub column: usize,
    /// The rule's id.
    pub rule: String,
    /// The control that it serves.
    pub control: String,
    /// How bad.
    pub severity: Severity,
    /// What was found; never a secret's value.
    pub found: String,
    /// Why it matters.
    pub why: String,
    /// What to write instead.
    pub instead: String,
}

/// A key that the server does not know, so that no rule could look at what it was meant for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UnknownKey {
    /// The file.
    pub file: String,
    /// Line of its value, from 1.
    pub line: usize,
    /// Column, likewise.
    pub column: usize,
    /// The key.
    pub key: String,
    /// A key that is known there and differs by a letter or two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near: Option<String>,
}

/// A rule that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NotLooked {
    /// The rule's id.
    pub rule: String,
    /// What it is about.
    pub about: String,
    /// Why it was not looked at.
    pub reason: String,
}

/// The judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Judgement {
    /// Fail where a violation is at least as bad as the threshold; inconclusive where no rule could be
    /// looked at; else pass, for the rules looked at alone.
    pub verdict: Verdict,
    /// The least severity that fails.
    pub threshold: Severity,
    /// What was recognised, by file.
    pub files: Vec<(String, Kind)>,
    /// Rules looked at.
    pub looked: Vec<String>,
    /// What was found, worst first.
    pub violations: Vec<Violation>,
    /// Rules not looked at.
    pub not_looked: Vec<NotLooked>,
    /// Keys that were not understood. They change no verdict: the server refuses such a file itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownKey>,
}

/// A recognised file.
struct Document {
    name: String,
    kind: Kind,
    root: Option<Rc<Node>>,
    text: String,
    mode: Option<u32>,
}

/// What the rules look at.
struct Deployment {
    documents: Vec<Document>,
    flags: Option<Flags>,
    server: Option<Server>,
    version: Option<(u64, u64)>,
}

impl Deployment {
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&Document, &Node)> {
        self.documents
            .iter()
            .filter(move |d| d.kind == kind)
            .filter_map(|d| d.root.as_deref().map(|root| (d, root)))
    }

    fn has(&self, kind: Kind) -> bool {
        self.documents.iter().any(|d| d.kind == kind)
    }
}

/// Judges what was given.
pub fn check(
    given: &Given,
    rules: &Rules,
    threshold: Severity,
    limits: &DeploymentLimits,
) -> Result<Judgement, DeploymentError> {
    let mut documents = Vec::with_capacity(given.files.len());
    for input in &given.files {
        documents.push(document(input, limits)?);
    }
    let unit = if given.flags.is_none() { unit_command(&documents)? } else { None };
    let text = given.flags.as_deref().or(unit.as_ref().map(|(_, flags)| flags.as_str()));
    let flags = text.map(Flags::read).transpose()?;
    let server = given.server.or(unit.as_ref().and_then(|(server, _)| *server)).or_else(|| {
        let mut named = documents.iter().filter_map(|d| match d.kind {
            Kind::Prometheus | Kind::RuleFile => Some(Server::Prometheus),
            Kind::Alertmanager => Some(Server::Alertmanager),
            Kind::Blackbox => Some(Server::BlackboxExporter),
            Kind::Snmp => Some(Server::SnmpExporter),
            Kind::Template => Some(Server::Alertmanager),
            Kind::Targets | Kind::Console => Some(Server::Prometheus),
            Kind::Web | Kind::Unit | Kind::Environment | Kind::Metrics | Kind::Nginx => None,
        });
        let first = named.next()?;
        named.all(|s| s == first).then_some(first)
    });
    let version = given.version.as_deref().and_then(|v| {
        let mut parts = v.trim_start_matches('v').split(['.', '+', '-', '~']);
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    let files = documents.iter().map(|d| (d.name.clone(), d.kind)).collect();
    let unknown = documents.iter().flat_map(keys::unknown).collect();
    let deployment = Deployment { documents, flags, server, version };
    let (mut looked, mut violations, mut not_looked) = (Vec::new(), Vec::new(), Vec::new());
    for rule in rules.iter() {
        let mut skip = |reason: &str| {
            not_looked.push(NotLooked {
                rule: rule.id.clone(),
                about: rule.about.clone(),
                reason: reason.to_owned(),
            });
        };
        let Some(look) = rules::of(&rule.id) else {
            skip(rule.out_of_reach.as_deref().unwrap_or("nothing here can look at it"));
            continue;
        };
        let mut found = rules::Found::default();
        match look(&deployment, &mut found) {
            rules::Looked::Needs(what) => skip(&format!("needs {what}")),
            rules::Looked::Yes => {
                looked.push(rule.id.clone());
                violations.extend(found.0.into_iter().map(|f| Violation {
                    file: f.file,
                    line: f.line,
                    column: f.column,
                    rule: rule.id.clone(),
                    control: rule.control.clone(),
                    severity: rule.severity,
                    found: f.what,
                    why: rule.why.clone(),
                    instead: rule.instead.clone(),
                }));
            }
        }
    }
    violations.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
    violations.dedup();
    let verdict = if violations.iter().any(|v| v.severity >= threshold) {
        Verdict::Fail
    } else if looked.is_empty() {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    };
    Ok(Judgement { verdict, threshold, files, looked, violations, not_looked, unknown })
}

fn document(input: &Input, limits: &DeploymentLimits) -> Result<Document, DeploymentError> {
    if input.bytes.len() as u64 > limits.file_bytes_max {
        return Err(DeploymentError::Limit {
            file: input.name.clone(),
            limit: "file_bytes_max",
            max: limits.file_bytes_max,
        });
    }
    let text = std::str::from_utf8(&input.bytes)
        .map_err(|_| DeploymentError::Encoding { file: input.name.clone() })?
        .to_owned();
    let unknown = || DeploymentError::UnknownFile { file: input.name.clone() };
    if text.lines().any(|l| l.trim_end() == "[Service]") {
        return Ok(Document {
            name: input.name.clone(),
            kind: Kind::Unit,
            root: None,
            text,
            mode: input.mode,
        });
    }
    // YAML first: templates stand in it, too.
    let read = yaml::read(&input.name, &text, limits);
    if let Ok(Some(root)) = &read
        && let Some(kind) = kind(root)
    {
        let root = Some(Rc::clone(root));
        return Ok(Document { name: input.name.clone(), kind, root, text, mode: input.mode });
    }
    match text_kind(&text) {
        Some(kind) => Ok(Document { name: input.name.clone(), kind, root: None, text, mode: input.mode }),
        None => Err(read.err().unwrap_or_else(unknown)),
    }
}

/// Recognises what is no YAML, or YAML by accident.
fn text_kind(text: &str) -> Option<Kind> {
    if nginx::is_nginx(text) {
        return Some(Kind::Nginx);
    }
    if rules::is_metrics(text) {
        return Some(Kind::Metrics);
    }
    if unit::is_environment(text) {
        return Some(Kind::Environment);
    }
    let console = [".Params", "$params", "template \"head\"", "template \"prom_"];
    if text.contains("{{") && console.iter().any(|c| text.contains(c)) {
        return Some(Kind::Console);
    }
    (text.contains("{{ define") || text.contains("{{define") || text.contains("{{- define"))
        .then_some(Kind::Template)
}

/// Whose command line a unit runs, and that line; none where no unit, or several, were given.
fn unit_command(documents: &[Document]) -> Result<Option<(Option<Server>, String)>, DeploymentError> {
    let mut units = documents.iter().filter(|d| d.kind == Kind::Unit);
    let (Some(document), None) = (units.next(), units.next()) else { return Ok(None) };
    let variables: Vec<unit::Setting> = documents
        .iter()
        .filter(|d| d.kind == Kind::Environment)
        .flat_map(|d| unit::environment(&d.text))
        .collect();
    match unit::exec_start(&unit::service(&document.text), &variables) {
        None => Ok(None),
        // Without the file that gives it nothing is known of the flags; the rules on them say so.
        Some(Err(_)) => Ok(None),
        Some(Ok((program, flags))) => Ok(Some((Server::of_program(&program), flags))),
    }
}

/// Recognises a configuration by keys that no other has.
fn kind(root: &Node) -> Option<Kind> {
    if root.items().next().is_some() {
        return root.items().all(|group| group.get("targets").is_some()).then_some(Kind::Targets);
    }
    let has = |keys: &[&str]| keys.iter().any(|k| root.get(k).is_some());
    if has(&[
        "scrape_configs",
        "remote_write",
        "remote_read",
        "rule_files",
        "alerting",
        "scrape_config_files",
        "otlp",
    ]) {
        return Some(Kind::Prometheus);
    }
    if has(&["route", "receivers", "inhibit_rules"]) {
        return Some(Kind::Alertmanager);
    }
    if has(&["tls_server_config", "basic_auth_users", "http_server_config"]) {
        return Some(Kind::Web);
    }
    if has(&["groups"]) {
        return Some(Kind::RuleFile);
    }
    if let Some(modules) = root.get("modules") {
        let blackbox = modules.pairs().iter().any(|(_, module)| module.get("prober").is_some());
        return Some(if blackbox { Kind::Blackbox } else { Kind::Snmp });
    }
    if has(&["auths"]) {
        return Some(Kind::Snmp);
    }
    // Before 0.23 the SNMP exporter's modules stood at the top.
    let snmp = root.pairs().iter().any(|(_, m)| m.get("walk").is_some() || m.get("metrics").is_some());
    if snmp {
        return Some(Kind::Snmp);
    }
    has(&["global"]).then_some(Kind::Prometheus)
}
