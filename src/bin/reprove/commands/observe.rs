//! `reprove observe`.

use std::fmt::Write as _;
use std::path::PathBuf;

use reprove::digest::{Algorithm, hash_file};
use reprove::limits::observe::ObserveLimits;
use reprove::observe::{Content, ObserveError, Observed, go::GoModule, observe};

use crate::args::{Args, Format};
use crate::exit::Exit;
use crate::render::{self, Failure};

/// Print what a Go executable or a Python wheel says of how it was made.
///
/// Nothing printed here is proved: the artifact says it of itself.
#[derive(Debug, clap::Args)]
pub(crate) struct Observe {
    /// The executable (ELF, Mach-O, PE) or wheel. It is read, never run.
    file: PathBuf,

    /// Also the file's SHA-256, for which all of it is read.
    #[arg(long)]
    digest: bool,
}

impl Observe {
    pub(crate) fn run(&self, args: &Args) -> Result<Exit, Failure> {
        let failed = |e| Failure::new(e, Exit::CouldNotLook);
        let mut observed = observe(&self.file, &ObserveLimits::DEFAULT).map_err(failed)?;
        if self.digest {
            let hashed =
                hash_file(Algorithm::Sha256, &self.file).map_err(ObserveError::Read).map_err(failed)?;
            observed.digest = Some(hashed.0);
        }
        let text = match args.format {
            Format::Text => text(&observed),
            Format::Json => render::json(&observed)?,
        };
        let exit = match observed.content {
            Content::Nothing => Exit::Inconclusive,
            Content::Wheel(ref wheel) if !wheel.record.fits() => Exit::Fail,
            Content::Go(_) | Content::Wheel(_) => Exit::Pass,
        };
        render::answer(&text, exit)
    }
}

fn text(observed: &Observed) -> String {
    let digest = observed.digest.as_ref().map(|d| format!("{d}  ")).unwrap_or_default();
    let mut out = format!("{digest}{} bytes\n", observed.len_bytes);
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(out, "  {name:<22} {}", render::printable(value));
    };
    match &observed.content {
        Content::Go(go) => {
            let info = &go.build_info;
            row("go version", &info.go_version);
            row("package", &info.package);
            if let Some(main) = &info.main {
                row("main module", &module(main));
            }
            for setting in &info.settings {
                row(&format!("setting {}", setting.key), &setting.value);
            }
            row("dependencies", &info.dependencies.len().to_string());
            for dependency in &info.dependencies {
                row("", &module(dependency));
            }
        }
        Content::Wheel(wheel) => {
            row("generator", wheel.generator.as_deref().unwrap_or("absent"));
            row("tags", &wheel.tags.join(" "));
            row("members", &wheel.zip.members.to_string());
            for (time, count) in &wheel.zip.times {
                row("member time", &format!("{time} ({count})"));
            }
            row("RECORD matches", &wheel.record.matching.to_string());
            for (what, names) in [
                ("RECORD differs", &wheel.record.mismatched),
                ("RECORD does not list", &wheel.record.unlisted),
                ("RECORD lists, absent", &wheel.record.absent),
                ("RECORD has no SHA-256", &wheel.record.unchecked),
            ] {
                names.iter().for_each(|name| row(what, name));
            }
            for program in &wheel.programs {
                let info = &program.go.build_info;
                row("go program", &program.member);
                row("  go version", &info.go_version);
                row("  package", &info.package);
                if let Some(main) = &info.main {
                    row("  main module", &module(main));
                }
            }
            for unread in &wheel.unread {
                row("not looked into", &format!("{}: {}", unread.member, unread.why));
            }
        }
        Content::Nothing => {
            row("nothing observed", "neither a Go executable with build information nor a wheel")
        }
    }
    for missing in &observed.missing {
        row("not said", &format!("{}: {}", missing.what, missing.why));
    }
    out
}

fn module(module: &GoModule) -> String {
    let mut text = format!("{} {} {}", module.path, module.version, module.sum);
    if let Some(replacement) = &module.replacement {
        let _ = write!(text, " => {} {} {}", replacement.path, replacement.version, replacement.sum);
    }
    text.trim_end().to_owned()
}
