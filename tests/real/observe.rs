//! What `reprove` reads from real Go executables is what Go's own tool reads.

use std::fs;
use std::path::Path;
use std::process::Command;

use reprove::limits::observe::ObserveLimits;
use reprove::observe::{Content, observe};

fn go(folder: &Path, env: &[(&str, &str)], args: &[&str]) -> Option<String> {
    let out = Command::new("go").args(args).current_dir(folder).envs(env.iter().copied()).output().ok()?;
    assert!(out.status.success(), "go {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn real_executables_of_three_formats_are_read_as_go_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("go.mod"), "module example.org/hello\n\ngo 1.21\n").unwrap();
    fs::write(folder.path().join("main.go"), "package main\n\nfunc main() { println(1) }\n").unwrap();
    for (os, arch) in
        [("linux", "amd64"), ("linux", "arm64"), ("linux", "386"), ("windows", "amd64"), ("darwin", "arm64")]
    {
        let env =
            [("GOOS", os), ("GOARCH", arch), ("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local"), ("GOFLAGS", "")];
        if go(folder.path(), &env, &["build", "-ldflags", "-X \"main.a=b c\"", "-o", "x", "."]).is_none() {
            eprintln!("not run: no `go` on this host");
            return;
        }
        let observed = observe(&folder.path().join("x"), &ObserveLimits::DEFAULT).unwrap();
        let Content::Go(found) = observed.content else { panic!("{os}/{arch}: nothing found") };
        let info = found.build_info;
        assert_eq!((info.setting("GOOS"), info.setting("GOARCH")), (Some(os), Some(arch)));
        assert_eq!(info.setting("-ldflags"), Some("-X \"main.a=b c\""));
        let theirs = go(folder.path(), &[], &["version", "-m", "x"]).unwrap();
        assert!(theirs.starts_with(&format!("x: {}\n", info.go_version)), "{theirs}");
        assert_eq!(theirs.matches("\tbuild\t").count(), info.settings.len(), "{theirs}");
    }
}
