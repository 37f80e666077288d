//! Asks the host's own `apt-get` which packages satisfy build dependencies.
//!
//! apt decides, because its decisions are what the archive's builders get. It runs in a folder of its
//! own, with a configuration of its own, an empty package database, no network method, and as its only
//! repository the expanded indexes whose signatures were verified before. It only simulates. What it
//! answers is a choice among the packages of those indexes and nothing more: digests and paths are
//! taken from the index, not from apt.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::EnvironmentError;
use crate::limits::debian::DebianLimits;

/// A package that apt chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
}

/// Which dependencies of a source count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// For packages of the architecture.
    Arch,
    /// For packages of `all`.
    Indep,
    /// For both.
    Both,
}

/// A private apt with its repository.
pub(super) struct Apt<'a> {
    program: &'a Path,
    folder: &'a Path,
    limits: &'a DebianLimits,
}

/// How often a running apt is looked at.
const POLL: Duration = Duration::from_millis(10);

/// Characters of apt's words that an error shows.
const SAID_CHARS_MAX: usize = 1500;

impl<'a> Apt<'a> {
    /// Sets up the private configuration in `folder`, whose `index-<n>` folders hold a `Packages` each,
    /// and lets apt read them.
    pub(super) fn new(
        program: &'a Path,
        folder: &'a Path,
        indexes: usize,
        architecture: &str,
        profiles: &[String],
        limits: &'a DebianLimits,
    ) -> Result<Self, EnvironmentError> {
        let apt = Self { program, folder, limits };
        for part in ["etc", "state/lists/partial", "cache/archives/partial", "log"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(EnvironmentError::scratch("make", &path))?;
        }
        let base = folder.display();
        let quoted: String = profiles.iter().map(|p| format!("\"{p}\"; ")).collect();
        // `Dir` moves every path that is not named here below the private folder as well.
        apt.write(
            "apt.conf",
            &format!(
                "Dir \"{base}/\";\n\
                 Dir::State \"{base}/state\";\n\
                 Dir::State::status \"{base}/state/status\";\n\
                 Dir::Cache \"{base}/cache\";\n\
                 Dir::Etc \"{base}/etc\";\n\
                 Dir::Etc::main \"/dev/null\";\n\
                 Dir::Etc::parts \"/dev/null\";\n\
                 Dir::Etc::sourcelist \"{base}/etc/sources.list\";\n\
                 Dir::Etc::sourceparts \"/dev/null\";\n\
                 Dir::Etc::preferences \"/dev/null\";\n\
                 Dir::Etc::preferencesparts \"/dev/null\";\n\
                 Dir::Etc::trusted \"/dev/null\";\n\
                 Dir::Etc::trustedparts \"/dev/null\";\n\
                 Dir::Log \"{base}/log\";\n\
                 APT::Architecture \"{architecture}\";\n\
                 APT::Architectures {{ \"{architecture}\"; }};\n\
                 APT::Build-Profiles {{ {quoted}}};\n\
                 APT::Install-Recommends \"false\";\n\
                 APT::Install-Suggests \"false\";\n\
                 APT::Sandbox::User \"\";\n\
                 Acquire::Languages \"none\";\n"
            ),
        )?;
        let uri: String = folder
            .to_string_lossy()
            .bytes()
            .map(|b| match b {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => {
                    char::from(b).to_string()
                }
                _ => format!("%{b:02X}"),
            })
            .collect();
        let sources: String = (0..indexes)
            .map(|n| format!("deb [trusted=yes arch={architecture}] file:{uri}/index-{n} ./\n"))
            .collect();
        apt.write("etc/sources.list", &sources)?;
        apt.write("state/status", "")?;
        apt.run(&["update"])?;
        Ok(apt)
    }

    /// The packages that a source with these relation fields needs, ordered by name and architecture.
    /// Each field is `Name: value`, as in a `.dsc`.
    pub(super) fn build_dependencies(
        &self,
        fields: &[(&'static str, String)],
        scope: Scope,
    ) -> Result<Vec<Chosen>, EnvironmentError> {
        let mut stanza = "Format: 1.0\nSource: reprove-environment\nBinary: reprove-environment\n\
             Architecture: any all\nVersion: 1\nMaintainer: reprove <reprove@example.invalid>\n"
            .to_owned();
        for (field, value) in fields {
            // A value of several lines is one list; a line of its own must never become a field.
            let value = value.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            stanza.push_str(&format!("{field}: {value}\n"));
        }
        let path = self.write("environment.dsc", &stanza)?;
        let path = path.to_string_lossy();
        let mut arguments = vec!["--simulate"];
        match scope {
            Scope::Arch => arguments.push("--arch-only"),
            Scope::Indep => arguments.push("--indep-only"),
            Scope::Both => {}
        }
        arguments.extend(["build-dep", &path]);
        let output = self.run(&arguments)?;
        let mut chosen: Vec<Chosen> = output.lines().filter_map(chosen).collect();
        chosen.sort();
        chosen.dedup();
        Ok(chosen)
    }

    /// The packages that installing these needs, themselves among them, ordered by name and architecture.
    /// Each is `name=version` or a name.
    pub(super) fn installs(&self, wanted: &[String]) -> Result<Vec<Chosen>, EnvironmentError> {
        let mut arguments = vec!["--simulate", "install", "--"];
        arguments.extend(wanted.iter().map(String::as_str));
        let output = self.run(&arguments)?;
        let mut chosen: Vec<Chosen> = output.lines().filter_map(chosen).collect();
        chosen.sort();
        chosen.dedup();
        Ok(chosen)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, EnvironmentError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(EnvironmentError::scratch("write", &path))?;
        Ok(path)
    }

    /// Runs apt with nothing of the caller's environment; gives its standard output.
    fn run(&self, arguments: &[&str]) -> Result<String, EnvironmentError> {
        let mut child = Command::new(self.program)
            .args(arguments)
            .current_dir(self.folder)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("APT_CONFIG", self.folder.join("apt.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| EnvironmentError::NoApt { program: self.program.to_path_buf(), source })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let max = self.limits.resolver_output_bytes_max;
        std::thread::scope(|scope| {
            let out = scope.spawn(move || out.map_or(Ok(Vec::new()), |o| bounded(o, max)));
            let err = scope.spawn(move || err.map_or(Ok(Vec::new()), |e| bounded(e, max)));
            let status = wait(&mut child, self.limits.resolver_timeout)?;
            let limit = || EnvironmentError::ResolverLimit {
                limit: "resolver_output_bytes_max",
                max: format!("{max} bytes"),
            };
            let out = out.join().ok().and_then(Result::ok).ok_or_else(limit)?;
            let err = err.join().ok().and_then(Result::ok).ok_or_else(limit)?;
            let out = String::from_utf8_lossy(&out).into_owned();
            if status.success() {
                return Ok(out);
            }
            let said = format!("{}{}", String::from_utf8_lossy(&err), tail(&out));
            Err(EnvironmentError::Unsatisfiable { said: tail(&said).trim().to_owned() })
        })
    }
}

fn tail(text: &str) -> &str {
    let from = text.char_indices().rev().nth(SAID_CHARS_MAX).map_or(0, |(n, _)| n);
    text.get(from..).unwrap_or_default()
}

/// Reads to the end, and fails past the bound.
fn bounded(stream: impl Read, max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    crate::archive::compression::Bounded::new(stream, max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Waits, and kills what runs for too long.
fn wait(child: &mut Child, limit: Duration) -> Result<std::process::ExitStatus, EnvironmentError> {
    let started = Instant::now();
    let failed = |source| EnvironmentError::NoApt { program: PathBuf::from("apt-get"), source };
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if started.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            return Err(EnvironmentError::limit_time(limit));
        }
        std::thread::sleep(POLL);
    }
}

/// `Inst gcc-12 [old] (12.2.0-14 suite [amd64]) [depends on …]`.
fn chosen(line: &str) -> Option<Chosen> {
    let rest = line.strip_prefix("Inst ")?;
    let name = rest.split_ascii_whitespace().next()?;
    let name = name.split(':').next()?;
    let (_, inside) = rest.split_once(" (")?;
    let (inside, _) = inside.split_once(')')?;
    let version = inside.split_ascii_whitespace().next()?;
    let (_, architecture) = inside.rsplit_once('[')?;
    Some(Chosen {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: architecture.trim_end_matches(']').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_simulation_are_read() {
        let taken = |name: &str, version: &str, architecture: &str| {
            Some(Chosen { name: name.into(), version: version.into(), architecture: architecture.into() })
        };
        for (line, expected) in [
            ("Inst libc6 (2.36-9+deb12u14 localhost [amd64]) []", taken("libc6", "2.36-9+deb12u14", "amd64")),
            ("Inst a [1] (2:3 Debian:12.15/oldstable, x [all]) [b:amd64 ]", taken("a", "2:3", "all")),
            ("Conf libc6 (2.36-9+deb12u14 localhost [amd64])", None),
            ("Inst broken", None),
            ("Inst broken (1", None),
            ("", None),
        ] {
            assert_eq!(chosen(line), expected, "{line}");
        }
    }

    #[test]
    fn the_end_of_a_text_is_cut_at_a_character() {
        let text = "ä".repeat(SAID_CHARS_MAX * 2);
        assert_eq!(tail(&text).chars().count(), SAID_CHARS_MAX + 1);
    }
}
