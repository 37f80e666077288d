//! Probes and what they saw in words, for whoever shows them.

use super::answer::{Observed, ProcessState};
use super::spec::{
    CliExpect, ConfigExpect, Configuration, Handshake, HttpExpect, Launch, Probe, Process, Reply, TlsExpect,
    Versions,
};

impl Probe {
    /// What is asked, in a line: the request, the command, the offer.
    pub fn question(&self) -> String {
        match self {
            Self::HttpProbe(p) => {
                format!("{} {}{}", p.request.method.word(), p.request.path, with(&p.launch))
            }
            Self::TlsProbe(p) => format!("offer TLS {}{}", p.offer.word(), with(&p.launch)),
            Self::CliProbe(p) => command(&p.launch),
            Self::FlagDefault(p) => format!("default of {}", p.flag),
            Self::ConfigProbe(p) => format!("start {}", command(&p.launch)),
        }
    }

    /// What is expected, a line for each alternative.
    pub fn expected(&self) -> Vec<String> {
        match self {
            Self::HttpProbe(p) => p.expect.iter().map(http).collect(),
            Self::TlsProbe(p) => p.expect.iter().map(tls).collect(),
            Self::CliProbe(p) => p.expect.iter().map(cli).collect(),
            Self::FlagDefault(p) => vec![of_versions(p.versions.as_ref(), vec![format!("`{}`", p.default)])],
            Self::ConfigProbe(p) => p.expect.iter().map(config).collect(),
        }
    }
}

impl Observed {
    /// What was seen, in a line, without excerpts.
    pub fn found(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.status.map(|status| format!("status {status}")));
        parts.extend(self.no_answer.clone());
        parts.extend(self.handshake.clone());
        parts.extend(self.default.as_ref().map(|default| format!("`{default}`")));
        parts.extend(self.process.and_then(|process| match process {
            ProcessState::Alive => None,
            ProcessState::Exited(status) => Some(format!("exited with status {status}")),
            ProcessState::Signalled(signal) => Some(format!("ended by signal {signal}")),
            ProcessState::LimitReached => Some("ended at a limit".to_owned()),
        }));
        parts.join(", ")
    }
}

/// What is unusual about a start: flags beyond where to listen and where the files are.
fn with(launch: &Launch) -> String {
    let usual = ["--config.file=", "--storage.", "--web.listen-address=", "--cluster.listen-address="];
    let other = launch.args.iter().filter(|arg| !usual.iter().any(|start| arg.starts_with(start)));
    let other: Vec<&str> = other.map(String::as_str).collect();
    if other.is_empty() { String::new() } else { format!(" with {}", other.join(" ")) }
}

fn command(launch: &Launch) -> String {
    let program = launch.program.as_ref().unwrap_or(&launch.component);
    let words: Vec<&str> = std::iter::once(program)
        .chain(&launch.args)
        .map(|word| word.lines().next().unwrap_or_default())
        .collect();
    words.join(" ")
}

fn of_versions(versions: Option<&Versions>, parts: Vec<String>) -> String {
    let text = parts.join(", ");
    versions.map_or_else(|| text.clone(), |versions| format!("{versions}: {text}"))
}

fn quoted<'a>(what: &'a str, texts: &'a [String]) -> impl Iterator<Item = String> + 'a {
    texts.iter().map(move |text| format!("{what} `{}`", text.escape_debug()))
}

fn http(expect: &HttpExpect) -> String {
    let mut parts = Vec::new();
    match expect.reply {
        Reply::Answered => {}
        Reply::TimedOut => parts.push("no answer within the time, while others are answered".to_owned()),
        Reply::Broken => parts.push("the connection ends without an answer".to_owned()),
    }
    parts.extend(expect.status.map(|status| format!("status {status}")));
    parts.extend(expect.header.iter().map(|(name, value)| format!("header {name}: {value}")));
    parts.extend(expect.header_absent.iter().map(|name| format!("no header {name}")));
    parts.extend(quoted("body contains", &expect.body_contains));
    parts.extend(quoted("body without", &expect.body_absent));
    parts.extend(quoted("log contains", &expect.log_contains));
    parts.extend(quoted("log without", &expect.log_absent));
    for (name, texts) in &expect.server_saw {
        parts.extend(quoted(&format!("server {name} is sent"), texts));
    }
    for (name, texts) in &expect.server_saw_not {
        parts.extend(quoted(&format!("server {name} is not sent"), texts));
    }
    parts.extend(expect.process.map(|process| match process {
        Process::Alive => "process alive".to_owned(),
        Process::Exited => "process exits".to_owned(),
        Process::ExitStatus(status) => format!("process exits with status {status}"),
    }));
    parts.extend(expect.memory_bytes_max.map(|max| format!("at most {max} bytes of memory")));
    of_versions(expect.versions.as_ref(), parts)
}

fn tls(expect: &TlsExpect) -> String {
    let word = match expect.handshake {
        Handshake::Accepted => "accepted",
        Handshake::Refused => "refused",
    };
    of_versions(expect.versions.as_ref(), vec![word.to_owned()])
}

fn cli(expect: &CliExpect) -> String {
    let mut parts = vec![format!("exit status {}", expect.exit_status)];
    parts.extend(quoted("output contains", &expect.output_contains));
    parts.extend(quoted("output without", &expect.output_absent));
    of_versions(expect.versions.as_ref(), parts)
}

fn config(expect: &ConfigExpect) -> String {
    let word = match expect.configuration {
        Configuration::Accepted => "accepted",
        Configuration::Refused => "refused",
    };
    let mut parts = vec![word.to_owned()];
    parts.extend(quoted("log contains", &expect.log_contains));
    parts.extend(quoted("log without", &expect.log_absent));
    of_versions(expect.versions.as_ref(), parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn question_and_expectation_in_words() {
        let probe = |text: &str| toml::from_str::<Probe>(text).unwrap();
        let http = probe(
            r#"kind = "http-probe"
            launch = { component = "prometheus", args = ["--config.file={dir}/p.yml", "--web.enable-lifecycle"] }
            request = { method = "POST", path = "/-/quit" }
            expect = [{ versions = "<3.0.0", status = 200, header-absent = ["A"], body-contains = ["b\n"], process = "exited" },
                { reply = "timed-out", process = "alive" }]"#,
        );
        assert_eq!(http.question(), "POST /-/quit with --web.enable-lifecycle");
        assert_eq!(
            http.expected(),
            [
                "<3.0.0: status 200, no header A, body contains `b\\n`, process exits",
                "no answer within the time, while others are answered, process alive"
            ]
        );
        let tls = probe(
            "kind = \"tls-probe\"\nlaunch = { component = \"a\", scheme = \"https\" }\noffer = \"1.0\"\nexpect = [{ handshake = \"refused\" }]",
        );
        assert_eq!(
            (tls.question().as_str(), tls.expected().join("|").as_str()),
            ("offer TLS 1.0", "refused")
        );
        let flag = probe("kind = \"flag-default\"\ncomponent = \"a\"\nflag = \"--x\"\ndefault = \"\"");
        assert_eq!((flag.question().as_str(), flag.expected().join("|").as_str()), ("default of --x", "``"));
    }
}
