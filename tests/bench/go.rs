//! Go programs: everything but the compiler, beside the bare `go build`, and reading a large binary.
//!
//! Needs a Go module proxy for the first run; says so where there is none. Build caches are cold on both
//! sides, modules and tool chain are there on both.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::compare::reprove;
use crate::{Case, Job, Peer, Target};

/// What is built: a release with some ninety modules.
const RELEASE: &str = "pkg:github/prometheus/pushgateway@v1.11.3?arch=amd64";
const PACKAGE: &str = "github.com/prometheus/pushgateway";
/// Bytes of the binary that is observed.
const OBSERVED_BYTES: u64 = 150_000_000;

pub(crate) fn cases(scratch: &Path) -> io::Result<Result<Vec<Case>, String>> {
    let folder = scratch.join("go");
    fs::create_dir_all(&folder)?;
    let work = folder.join("work");
    let ours = rebuild(&work);
    let first = ours()?.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let (Some(toolchain), Some(own)) =
        (only(&work.join("go/toolchains"), "bin/go")?, only(&work.join("go"), "source/go.mod")?)
    else {
        return Ok(Err(format!(
            "Go builds: needs a Go module proxy and user namespaces (the build: {first})"
        )));
    };
    let binary = folder.join("observed");
    large(&toolchain.join("bin/go"), &binary)?;
    Ok(Ok(vec![
        Case {
            name: "Pushgateway's build, beside the bare compiler".into(),
            ours,
            peer: Peer::Runs("go build".into(), bare(&toolchain, &own, folder.join("bare"))),
            targets: vec![Target::CpuRatio(1.03)],
        },
        Case {
            name: "observe, a Go binary of 150 MB".into(),
            ours: Box::new(move || {
                let mut command = Command::new(reprove());
                command.args(["observe", "--format", "json"]).arg(&binary).stdout(Stdio::null());
                Ok(command)
            }),
            peer: Peer::None,
            targets: vec![Target::WallMillis(50.0), Target::PeakMib(20.0)],
        },
    ]))
}

fn rebuild(work: &Path) -> Job {
    let work = work.to_path_buf();
    Box::new(move || {
        let mut command = Command::new(reprove());
        command.args(["rebuild", "--quiet", "--work"]).arg(&work).arg(RELEASE);
        Ok(command)
    })
}

/// The same program with the same flags, tool chain and modules, by nothing but the go command.
fn bare(toolchain: &Path, own: &Path, folder: PathBuf) -> Job {
    let (toolchain, own) = (toolchain.to_path_buf(), own.to_path_buf());
    Box::new(move || {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(toolchain.join("bin/go"));
        command.current_dir(own.join("source")).env_clear();
        for (key, value) in [
            ("GOROOT", toolchain.clone()),
            ("GOMODCACHE", own.join("modules")),
            ("GOPATH", folder.join("gopath")),
            ("GOCACHE", folder.join("cache")),
            ("HOME", folder.clone()),
        ] {
            command.env(key, value);
        }
        for (key, value) in [
            ("CGO_ENABLED", "0"),
            ("GOENV", "off"),
            ("GOFLAGS", "-mod=readonly"),
            ("GOPROXY", "off"),
            ("GOSUMDB", "off"),
            ("GOTOOLCHAIN", "local"),
        ] {
            command.env(key, value);
        }
        command.args(["build", "-buildvcs=false", "-ldflags", "-extldflags '-static'", "-o"]);
        command.arg(folder.join("out")).arg(PACKAGE);
        Ok(command)
    })
}

/// The one folder below `folder` that holds `file`.
fn only(folder: &Path, file: &str) -> io::Result<Option<PathBuf>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(None) };
    let mut found = None;
    for entry in entries {
        let path = entry?.path();
        if path.join(file).is_file() {
            found = Some(path);
        }
    }
    Ok(found)
}

/// A Go binary with bytes behind its end, so that it has the size that is asked for.
fn large(program: &Path, to: &Path) -> io::Result<()> {
    if fs::metadata(to).is_ok_and(|m| m.len() == OBSERVED_BYTES) {
        return Ok(());
    }
    fs::copy(program, to)?;
    let mut file = fs::File::options().append(true).open(to)?;
    let mut left = OBSERVED_BYTES.saturating_sub(file.metadata()?.len());
    let block = vec![0xa5; 1 << 20];
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(block.get(..part).unwrap_or_default())?;
        left -= part as u64;
    }
    Ok(())
}
