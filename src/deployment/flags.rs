//! A server's command line, as its flags library (kingpin) takes it.

use super::error::DeploymentError;

/// Flags with their values; a flag without one has the value `true`, `--no-x` gives `x` = `false`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// Each argument as it stands.
    pub(super) arguments: Vec<String>,
    parsed: Vec<(String, String)>,
}

/// Flags that take no value, so that a following word is not theirs.
const SWITCHES: [&str; 12] = [
    "web.enable-admin-api",
    "web.enable-lifecycle",
    "web.enable-remote-shutdown",
    "web.enable-remote-write-receiver",
    "web.enable-otlp-receiver",
    "web.enable-old-remote-read",
    "web.systemd-socket",
    "storage.agent.no-lockfile",
    "storage.tsdb.no-lockfile",
    "agent",
    "help",
    "version",
];

impl Flags {
    /// Splits a command line: blanks part, single and double quotes keep together, a backslash takes the
    /// next character as it is (not inside single quotes). Nothing is expanded.
    pub(super) fn read(text: &str) -> Result<Self, DeploymentError> {
        let mut arguments = Vec::new();
        let mut current: Option<String> = None;
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            let unfinished = || DeploymentError::Flags {
                found: text.get(at..).unwrap_or_default().chars().take(80).collect(),
            };
            match c {
                c if c.is_whitespace() => arguments.extend(current.take()),
                '\'' | '"' => {
                    let word = current.get_or_insert_default();
                    loop {
                        match chars.next().ok_or_else(unfinished)?.1 {
                            end if end == c => break,
                            '\\' if c == '"' => word.push(chars.next().ok_or_else(unfinished)?.1),
                            other => word.push(other),
                        }
                    }
                }
                '\\' => current.get_or_insert_default().push(chars.next().ok_or_else(unfinished)?.1),
                other => current.get_or_insert_default().push(other),
            }
        }
        arguments.extend(current);
        // kingpin reads further arguments from the file that `@name` names; nobody sees them here.
        if let Some(file) = arguments.iter().find(|a| a.len() > 1 && a.starts_with('@')) {
            return Err(DeploymentError::FlagsElsewhere { found: file.chars().take(80).collect() });
        }
        let mut parsed = Vec::new();
        let mut words = arguments.iter().peekable();
        while let Some(word) = words.next() {
            // What follows `--` is no flag.
            if word == "--" {
                break;
            }
            let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else { continue };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None if SWITCHES.contains(&flag) => (flag.to_owned(), "true".to_owned()),
                None => match (flag.strip_prefix("no-"), words.peek()) {
                    (Some(off), _) => (off.to_owned(), "false".to_owned()),
                    (None, Some(next)) if !next.starts_with('-') => {
                        let value = (*next).clone();
                        words.next();
                        (flag.to_owned(), value)
                    }
                    (None, _) => (flag.to_owned(), "true".to_owned()),
                },
            };
            parsed.push((name, value));
        }
        Ok(Self { arguments, parsed })
    }

    /// The last value of a flag.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parsed.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Every value of a flag that may be repeated.
    pub(super) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.parsed.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v != "false")
    }

    /// Whether a listening address reaches beyond this machine; `default` is the server's own.
    pub(super) fn listens_beyond_loopback(&self, name: &str, default: &str) -> bool {
        let given: Vec<&str> = self.all(name).collect();
        let addresses = if given.is_empty() { vec![default] } else { given };
        addresses.iter().any(|a| !is_loopback(a))
    }
}

/// Whether a `host:port` address stays on this machine. A name other than `localhost` may not.
fn is_loopback(address: &str) -> bool {
    if address.starts_with("unix:") {
        return true;
    }
    let host = match address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => address.rsplit_once(':').map_or(address, |(host, _)| host),
    };
    match host.parse::<std::net::IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn flags_are_read_as_the_servers_read_them() {
        let flags =
            Flags::read("prometheus --a=1 --b 'two words' --web.enable-lifecycle x --no-c --d=\"q \\\" q\"")
                .unwrap();
        assert_eq!(flags.get("a"), Some("1"));
        assert_eq!(flags.get("b"), Some("two words"));
        assert!(flags.is_on("web.enable-lifecycle"));
        assert_eq!(flags.get("c"), Some("false"));
        assert_eq!(flags.get("d"), Some("q \" q"));
        assert!(Flags::read("--a='x").is_err());
        assert!(Flags::read("--a=1 @/etc/prometheus/flags").is_err());
        assert_eq!(Flags::read("--a=1 -- --a=2").unwrap().get("a"), Some("1"));
        assert!(!Flags::read("--web.enable-lifecycle=false").unwrap().is_on("web.enable-lifecycle"));
    }

    #[test]
    fn only_loopback_addresses_stay_on_the_machine() {
        for (address, stays) in [
            ("127.0.0.1:9090", true),
            ("127.9.9.9:1", true),
            ("[::1]:9090", true),
            ("localhost:9090", true),
            ("unix:/run/x.sock", true),
            (":9090", false),
            ("0.0.0.0:9090", false),
            ("[::]:9090", false),
            ("10.0.0.1:9090", false),
            ("localhost.evil.example:9090", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(address), stays, "{address}");
        }
        let two = Flags::read("--web.listen-address=127.0.0.1:1 --web.listen-address=:2").unwrap();
        assert!(two.listens_beyond_loopback("web.listen-address", ":9090"));
    }
}
