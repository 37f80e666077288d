//! `reprove check-config`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use reprove::deployment::{self, DeploymentError, Given, Input, Judgement, Rules, Server, Severity};
use reprove::limits::deployment::DeploymentLimits;

use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::render::{self, Failure};

/// Judge a deployment's own configuration files and flags against the security model.
///
/// Files are recognised by their content: prometheus.yml, alertmanager.yml, web.yml, blackbox.yml,
/// snmp.yml, rule files, systemd units. A pass speaks of the rules looked at alone; the others are listed.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckConfig {
    /// Configuration files.
    #[arg(required_unless_present = "flags")]
    files: Vec<PathBuf>,

    /// The server's command line, as one text.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    flags: Option<String>,

    /// Whose flags they are; taken from the files where they tell.
    #[arg(long, value_enum)]
    component: Option<ServerName>,

    /// The server's version, for rules that depend on it.
    #[arg(long, value_name = "VERSION")]
    server_version: Option<String>,

    /// The least severity that fails.
    #[arg(long, value_enum, default_value_t = SeverityName::Medium)]
    threshold: SeverityName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ServerName {
    Prometheus,
    Alertmanager,
    Pushgateway,
    NodeExporter,
    BlackboxExporter,
    SnmpExporter,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SeverityName {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl From<ServerName> for Server {
    fn from(name: ServerName) -> Self {
        match name {
            ServerName::Prometheus => Self::Prometheus,
            ServerName::Alertmanager => Self::Alertmanager,
            ServerName::Pushgateway => Self::Pushgateway,
            ServerName::NodeExporter => Self::NodeExporter,
            ServerName::BlackboxExporter => Self::BlackboxExporter,
            ServerName::SnmpExporter => Self::SnmpExporter,
        }
    }
}

impl From<SeverityName> for Severity {
    fn from(name: SeverityName) -> Self {
        match name {
            SeverityName::Info => Self::Info,
            SeverityName::Low => Self::Low,
            SeverityName::Medium => Self::Medium,
            SeverityName::High => Self::High,
            SeverityName::Critical => Self::Critical,
        }
    }
}

/// Where the rules lie below the root.
const RULES: &str = "policies/controls/configuration.toml";

fn failure(error: DeploymentError) -> Failure {
    let exit = match error {
        DeploymentError::Read { .. } => Exit::CouldNotLook,
        _ => Exit::Usage,
    };
    Failure::new(error, exit)
}

fn read(path: &Path, bytes_max: u64) -> Result<Input, Failure> {
    let name = path.display().to_string();
    let failed = |source| failure(DeploymentError::Read { file: path.display().to_string(), source });
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Input { name, bytes, mode: Some(mode) })
}

/// Judges a deployment for another verb: its files, its flags, and the component by its name in
/// `policies/components`.
pub(crate) fn judge(
    args: &Args,
    files: &[PathBuf],
    flags: Option<&str>,
    component: Option<&str>,
) -> Result<Judgement, Failure> {
    let limits = DeploymentLimits::DEFAULT;
    let policy = read(&args.root.join(RULES), limits.file_bytes_max)?;
    let rules = Rules::read(&policy.name, &String::from_utf8_lossy(&policy.bytes)).map_err(failure)?;
    let files = files.iter().map(|f| read(f, limits.file_bytes_max)).collect::<Result<Vec<_>, Failure>>()?;
    let server = component.and_then(Server::of_program);
    let given = Given { files, flags: flags.map(str::to_owned), server, version: None };
    deployment::check(&given, &rules, Severity::Medium, &limits).map_err(failure)
}

impl CheckConfig {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let limits = DeploymentLimits::DEFAULT;
        let policy = read(&args.root.join(RULES), limits.file_bytes_max)?;
        let rules = Rules::read(&policy.name, &String::from_utf8_lossy(&policy.bytes)).map_err(failure)?;
        let files =
            self.files.iter().map(|f| read(f, limits.file_bytes_max)).collect::<Result<Vec<_>, Failure>>()?;
        let given = Given {
            files,
            flags: self.flags.clone(),
            server: self.component.map(Server::from),
            version: self.server_version.clone(),
        };
        let judgement = deployment::check(&given, &rules, self.threshold.into(), &limits).map_err(failure)?;
        let exit = Exit::from(judgement.verdict);
        let out = match args.format {
            Format::Text => text(&judgement),
            Format::Json => render::json(&judgement)?,
        };
        render::answer(&out, exit)
    }
}

fn text(judgement: &Judgement) -> String {
    let mut out = String::new();
    for v in &judgement.violations {
        let place = if v.line == 0 {
            render::printable(&v.file)
        } else {
            format!("{}:{}:{}", render::printable(&v.file), v.line, v.column)
        };
        let _ = writeln!(
            out,
            "{place}: {} `{}`: {}\n  why: {}\n  instead: {}",
            v.severity.word(),
            v.rule,
            render::printable(&v.found),
            v.why,
            v.instead
        );
    }
    for key in &judgement.unknown {
        let near = key.near.as_ref().map(|near| format!("; `{near}` may be meant")).unwrap_or_default();
        let (file, name) = (render::printable(&key.file), render::printable(&key.key));
        let _ = writeln!(
            out,
            "{file}:{}:{}: not understood: `{name}` is no key that is known here{near}",
            key.line, key.column
        );
    }
    if !judgement.not_looked.is_empty() {
        let _ = writeln!(out, "not looked at:");
        for n in &judgement.not_looked {
            let _ = writeln!(out, "  {:<10} {}: {}", n.rule, n.about, n.reason);
        }
    }
    let _ = writeln!(
        out,
        "{} rules looked at, {} violated, {} not looked at; threshold {}: {}",
        judgement.looked.len(),
        judgement.violations.iter().map(|v| &v.rule).collect::<std::collections::BTreeSet<_>>().len(),
        judgement.not_looked.len(),
        judgement.threshold.word(),
        judgement.verdict
    );
    out
}
