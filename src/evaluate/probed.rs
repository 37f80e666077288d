//! A probe's answer in the words of evidence: what was asked, what was expected, what was found.
//!
//! What goes into a report varies from run to run as little as can be: of a reply its status, the
//! headers that were asked for and the process' state, and excerpts only where they are what differs.

use std::fmt::Write as _;

use semver::Version;

use super::evidence::{Answer, Answered, Basis};
use crate::probe::answer::{Answer as Told, Observed, ProcessState};
use crate::probe::spec::{
    Configuration, File, Handshake, HttpExpect, Launch, Probe, Process, Reply, Request, Versions,
};

/// The answer to a probe, as evidence about what ran.
pub fn answer(
    id: &str,
    probe: &Probe,
    version: Option<&Version>,
    told: &Told,
    observed: &Observed,
    basis: Basis,
    again: String,
) -> Answer {
    let answered = match told {
        Told::Holds {} => Answered::Holds {},
        Told::DoesNotHold { .. } => Answered::DoesNotHold {},
        Told::CouldNotTell { reason } => Answered::could_not_tell("probe-inconclusive", reason.clone()),
    };
    let basis = match answered {
        Answered::CouldNotTell { .. } => Basis::Nothing {},
        _ => basis,
    };
    Answer {
        id: id.to_owned(),
        kind: probe.kind().to_owned(),
        answered,
        basis,
        request: request(probe),
        expected: expected(probe, version),
        found: found(told, observed),
        counter_example: None,
        again,
    }
}

/// The answer to a probe that was not run.
pub fn not_run(id: &str, probe: &Probe, version: Option<&Version>, code: &str, reason: &str) -> Answer {
    Answer {
        id: id.to_owned(),
        kind: probe.kind().to_owned(),
        answered: Answered::could_not_tell(code, reason),
        basis: Basis::Nothing {},
        request: request(probe),
        expected: expected(probe, version),
        found: reason.to_owned(),
        counter_example: None,
        again: String::new(),
    }
}

/// What is started and asked, one thing a line.
fn request(probe: &Probe) -> String {
    let mut out = String::new();
    match probe {
        Probe::HttpProbe(p) => {
            launch(&mut out, &p.launch);
            for request in p.before.iter().chain([&p.request]) {
                http(&mut out, request);
            }
        }
        Probe::TlsProbe(p) => {
            launch(&mut out, &p.launch);
            let _ = write!(out, "offer TLS {} and nothing else", p.offer.word());
        }
        Probe::CliProbe(p) => launch(&mut out, &p.launch),
        Probe::FlagDefault(p) => {
            match &p.launch {
                Some(l) => launch(&mut out, l),
                None => {
                    let _ = writeln!(out, "{} --help", p.component.as_deref().unwrap_or_default());
                }
            }
            let _ = write!(out, "default of {}", p.flag);
        }
        Probe::ConfigProbe(p) => launch(&mut out, &p.launch),
    }
    out.trim_end().to_owned()
}

fn launch(out: &mut String, launch: &Launch) {
    let program = launch.program.as_deref().unwrap_or(&launch.component);
    let _ = write!(out, "{program}");
    for argument in &launch.args {
        let _ = write!(out, " {argument}");
    }
    out.push('\n');
    for (path, file) in &launch.files {
        match file {
            File::Text(text) => {
                let _ = writeln!(out, "{{dir}}/{path}:\n    {}", text.trim_end().replace('\n', "\n    "));
            }
            File::ByVersion(texts) => {
                for text in texts {
                    let indented = text.text.trim_end().replace('\n', "\n    ");
                    let _ = writeln!(out, "{{dir}}/{path} for {}:\n    {indented}", text.versions);
                }
            }
            File::Special(_) => {
                let _ = writeln!(out, "{{dir}}/{path}: a named pipe");
            }
        }
    }
    for name in launch.servers.keys() {
        let _ = writeln!(out, "beside it the server `{name}`");
    }
}

fn http(out: &mut String, request: &Request) {
    let _ = writeln!(out, "{} {}", request.method.word(), request.path);
    for (name, value) in &request.headers {
        let _ = writeln!(out, "{name}: {value}");
    }
    if let Some(body) = request.body.as_deref().filter(|b| !b.is_empty()) {
        let _ = writeln!(out, "\n{body}");
    }
    if let Some(text) = &request.until_body_contains {
        let _ = writeln!(out, "(again until the body contains `{text}`)");
    }
}

/// Alternatives for this version, with ` or ` between.
fn expected(probe: &Probe, version: Option<&Version>) -> String {
    let here = |versions: &Option<Versions>| match (versions, version) {
        (None, _) => true,
        (Some(range), Some(version)) => range.include(version),
        (Some(_), None) => false,
    };
    let all: Vec<String> = match probe {
        Probe::HttpProbe(p) => p.expect.iter().filter(|e| here(&e.versions)).map(http_expected).collect(),
        Probe::TlsProbe(p) => p
            .expect
            .iter()
            .filter(|e| here(&e.versions))
            .map(|e| match e.handshake {
                Handshake::Accepted => "it is chosen".to_owned(),
                Handshake::Refused => "it is refused with an alert".to_owned(),
            })
            .collect(),
        Probe::CliProbe(p) => p
            .expect
            .iter()
            .filter(|e| here(&e.versions))
            .map(|e| {
                let mut parts = vec![format!("exit status {}", e.exit_status)];
                texts(&mut parts, "output", &e.output_contains, &e.output_absent);
                parts.join(", ")
            })
            .collect(),
        Probe::FlagDefault(p) if here(&p.versions) => match p.default.is_empty() {
            true => vec!["none".to_owned()],
            false => vec![format!("`{}`", p.default)],
        },
        Probe::FlagDefault(_) => Vec::new(),
        Probe::ConfigProbe(p) => p
            .expect
            .iter()
            .filter(|e| here(&e.versions))
            .map(|e| {
                let mut parts = vec![match e.configuration {
                    Configuration::Accepted => "the configuration is accepted".to_owned(),
                    Configuration::Refused => "the configuration is refused".to_owned(),
                }];
                texts(&mut parts, "log", &e.log_contains, &e.log_absent);
                parts.join(", ")
            })
            .collect(),
    };
    match all.is_empty() {
        true => "nothing for this version".to_owned(),
        false => all.join(" or "),
    }
}

fn http_expected(expect: &HttpExpect) -> String {
    let mut parts = Vec::new();
    match expect.reply {
        Reply::Answered => {}
        Reply::TimedOut => parts.push("no answer within the time, while other paths answer".to_owned()),
        Reply::Broken => parts.push("the connection ends without an answer".to_owned()),
    }
    if let Some(status) = expect.status {
        parts.push(format!("status {status}"));
    }
    parts.extend(expect.header.iter().map(|(name, value)| format!("`{name}: {value}`")));
    parts.extend(expect.header_absent.iter().map(|name| format!("no `{name}`")));
    texts(&mut parts, "body", &expect.body_contains, &expect.body_absent);
    texts(&mut parts, "log", &expect.log_contains, &expect.log_absent);
    match expect.process {
        None => {}
        Some(Process::Alive) => parts.push("the process lives".to_owned()),
        Some(Process::Exited) => parts.push("the process ends".to_owned()),
        Some(Process::ExitStatus(n)) => parts.push(format!("the process ends with status {n}")),
    }
    for (server, saw) in &expect.server_saw {
        texts(&mut parts, &format!("what `{server}` is sent"), saw, &[]);
    }
    for (server, saw) in &expect.server_saw_not {
        texts(&mut parts, &format!("what `{server}` is sent"), &[], saw);
    }
    if let Some(max) = expect.memory_bytes_max {
        parts.push(format!("at most {max} bytes of memory"));
    }
    parts.join(", ")
}

fn texts(parts: &mut Vec<String>, of: &str, contains: &[String], absent: &[String]) {
    parts.extend(contains.iter().map(|t| format!("`{}` in the {of}", t.replace('`', "'"))));
    parts.extend(absent.iter().map(|t| format!("no `{}` in the {of}", t.replace('`', "'"))));
}

fn found(told: &Told, observed: &Observed) -> String {
    match told {
        Told::DoesNotHold { differences } => differences
            .iter()
            .map(|d| format!("{}: {} (expected {})", d.what, d.found, d.expected))
            .collect::<Vec<_>>()
            .join("; "),
        Told::CouldNotTell { reason } => reason.clone(),
        Told::Holds {} => {
            let mut parts = vec!["as expected".to_owned()];
            if let Some(status) = observed.status {
                parts.push(format!("status {status}"));
            }
            if observed.status.is_none()
                && let Some(why) = &observed.no_answer
            {
                parts.push(why.clone());
            }
            if let Some(handshake) = &observed.handshake {
                parts.push(format!("handshake {handshake}"));
            }
            if let Some(default) = observed.default.as_ref().filter(|d| !d.is_empty()) {
                parts.push(format!("default {default}"));
            }
            match observed.process {
                Some(ProcessState::Alive) => parts.push("the process lives".to_owned()),
                Some(ProcessState::Exited(n)) => parts.push(format!("the process ended with status {n}")),
                Some(ProcessState::Signalled(n)) => parts.push(format!("the process ended by signal {n}")),
                Some(ProcessState::LimitReached) => parts.push("the process reached a limit".to_owned()),
                None => {}
            }
            parts.join(", ")
        }
    }
}
