//! Who the toolchain says it is.

use std::collections::BTreeMap;

use super::error::RebuildError;
use super::log::harmless;
use super::sandbox::{self, Line, Outcome, SandboxError, Spec};
use crate::limits::sandbox::SandboxLimits;

/// The only vendor whose flags are known to be those of the published packages.
const VENDOR: &str = "Debian";

/// The name under which the account holds `gcc -v` whole, which is long.
pub const COMPILER_CONFIGURATION: &str = "compiler configuration";

/// The toolchain's fingerprint: what it answered inside the sandbox. Recorded, never compared with the
/// publisher's, who does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Toolchain {
    /// `dpkg-vendor --query vendor`: always `Debian`.
    vendor: String,
    /// The last line of `gcc -v`, e.g. `gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)`: the string that
    /// it writes into every object.
    compiler: String,
    /// `gcc -v` whole.
    compiler_configuration: String,
    /// `dpkg-buildflags`.
    build_flags: Vec<String>,
    /// `go version`, where there is Go.
    go: Option<String>,
}

impl Toolchain {
    /// By name.
    pub(super) fn account(self) -> BTreeMap<String, String> {
        let known = [
            ("vendor", Some(self.vendor)),
            ("compiler", Some(self.compiler)),
            (COMPILER_CONFIGURATION, Some(self.compiler_configuration)),
            ("build flags", Some(self.build_flags.join("; "))),
            ("go", self.go),
        ];
        known.into_iter().filter_map(|(name, said)| Some((name.to_owned(), said?))).collect()
    }

    /// Asks; refuses a root file system of another vendor.
    pub(super) fn ask(spec: &Spec, answer_bytes_max: u64) -> Result<Self, RebuildError> {
        let mut spec = spec.clone();
        spec.limits = SandboxLimits { log_bytes_max: answer_bytes_max, ..spec.limits };
        let vendor = needed(&spec, &["dpkg-vendor", "--query", "vendor"])?.concat();
        if vendor != VENDOR {
            return Err(RebuildError::Vendor { found: vendor });
        }
        let configuration = needed(&spec, &["gcc", "-v"])?;
        let build_flags = needed(&spec, &["dpkg-buildflags"])?;
        let go = match answer(&spec, &["go", "version"]) {
            Ok((outcome, lines)) if outcome.success() => lines.into_iter().next(),
            Ok(_) => None,
            Err(RebuildError::Sandbox(SandboxError::Exec { source, .. }))
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            vendor,
            compiler: configuration.last().map(|line| line.trim().to_owned()).unwrap_or_default(),
            compiler_configuration: configuration.join("\n"),
            build_flags,
            go,
        })
    }
}

pub(super) fn needed(spec: &Spec, command: &[&str]) -> Result<Vec<String>, RebuildError> {
    let refuse = |detail: String| RebuildError::Toolchain { command: command.join(" "), detail };
    match answer(spec, command)? {
        (outcome, lines) if outcome.success() => Ok(lines),
        (outcome, lines) => {
            let last = lines.last().map(String::as_str).unwrap_or("it printed nothing");
            Err(refuse(format!("{outcome:?}, {last}")))
        }
    }
}

fn answer(spec: &Spec, command: &[&str]) -> Result<(Outcome, Vec<String>), RebuildError> {
    let mut lines = Vec::new();
    let argv: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
    let mut sink = |line: Line<'_>| lines.push(harmless(line.bytes));
    let run = sandbox::run(spec, &argv, &mut sink)?;
    Ok((run.outcome, lines))
}
