//! The sandbox against real programs that try to get out.
//!
//! The root file system of these tests is the host's own, shown read-only, so they need nothing but the
//! programs of any Debian-like system. Where the host keeps user namespaces closed they fail with the
//! library's own diagnosis: there is nothing to be tested then, and a green result would be a lie.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reprove::limits::sandbox::SandboxLimits;
use reprove::rebuild::sandbox::{Line, Mount, Network, Outcome, Output, Run, SandboxError, Spec, run};

fn spec(folder: &Path) -> Spec {
    Spec {
        root: "/".into(),
        writable: vec![Mount { source: folder.to_path_buf(), target: "/mnt".into() }],
        read_only: Vec::new(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        host_name: "sealed".to_owned(),
        uid: 1000,
        gid: 1000,
        work_dir: "/mnt".into(),
        network: Network::None,
        output: Output::Separate,
        cpus_max: None,
        limits: SandboxLimits { wall_time_max: Duration::from_secs(60), ..SandboxLimits::DEFAULT },
    }
}

/// Runs a shell command inside; its end and what it printed.
fn sealed(spec: &Spec, script: &str) -> (Run, String) {
    attempt(spec, script).unwrap_or_else(|error| panic!("{error:?}"))
}

fn attempt(spec: &Spec, script: &str) -> Result<(Run, String), SandboxError> {
    let mut text = String::new();
    let mut sink = |line: Line<'_>| {
        text.push_str(&String::from_utf8_lossy(line.bytes));
        text.push('\n');
    };
    let argv = ["sh", "-c", script].map(str::to_owned);
    let run = run(spec, &argv, &mut sink)?;
    Ok((run, text))
}

#[test]
fn a_program_sees_exactly_what_the_specification_says() {
    let folder = tempfile::tempdir().unwrap();
    let (run, text) = sealed(
        &spec(folder.path()),
        "id -u; id -g; hostname; umask; pwd; env | sort; echo done > out; tty; cat; ls /dev; ls /sys | wc -l",
    );
    assert_eq!(run.outcome, Outcome::Exited { status: 0 }, "{text}");
    assert_eq!(
        text,
        "1000\n1000\nsealed\n0022\n/mnt\nPATH=/usr/bin:/bin\nPWD=/mnt\nnot a tty\n\
         fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n0\n"
    );
    assert_eq!(std::fs::read_to_string(folder.path().join("out")).unwrap(), "done\n");
}
