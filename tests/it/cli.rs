//! The command line: exit code, standard output and standard error, on a terminal and off it.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use reprove::store::Store;

/// The program in an empty environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reprove"));
    command.env_clear();
    command
}

/// Exit code and both streams; the folder's name is replaced, since it differs from run to run.
fn run(dir: &Path, arguments: &[&str]) -> String {
    let out = program().current_dir(dir).env("HOME", dir).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&dir.display().to_string(), "[DIR]");
    let code = out.status.code().map_or("none".to_owned(), |c| c.to_string());
    format!("exit code {code}\n--- stdout\n{}--- stderr\n{}", text(&out.stdout), text(&out.stderr))
}

fn dir() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("reprove-").tempdir().unwrap()
}

#[test]
fn help_of_a_verb() {
    insta::assert_snapshot!(run(dir().path(), &["store", "gc", "-h"]), @r"
    exit code 0
    --- stdout
    Remove what no lock file names and no run has used for some time

    Usage: reprove store gc [OPTIONS]

    Options:
          --root <DIR>          Folder that holds `policies/` and `attestations/` [default: .]
          --unused-days <DAYS>  Keep what was used in the last so many days; 0 removes everything that
                                no lock names [default: 30]
          --work <DIR>          Folder for the store and caches (default: `$XDG_CACHE_HOME/reprove` or
                                `~/.cache/reprove`)
          --format <FORMAT>     How results are written to standard output [default: text] [possible
                                values: text, json]
      -q, --quiet               No progress, only results and errors
      -v, --verbose             Also what the build prints
      -h, --help                Print help (see more with '--help')
    --- stderr
    ");
}

#[test]
fn version() {
    assert_eq!(
        run(dir().path(), &["--version"]),
        format!("exit code 0\n--- stdout\nreprove {}\n--- stderr\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn wrong_arguments() {
    insta::assert_snapshot!(run(dir().path(), &["store", "gc", "--unused-days", "-1"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: unexpected argument '-1' found

    Usage: reprove store gc [OPTIONS]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(run(dir().path(), &["store", "verify", "--format", "yaml"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: invalid value 'yaml' for '--format <FORMAT>'
      [possible values: text, json]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(run(dir().path(), &["bogus"]), @r"
    exit code 2
    --- stdout
    --- stderr
    error: unrecognized subcommand 'bogus'

    Usage: reprove [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
}

#[test]
fn verify_of_a_new_an_intact_and_a_damaged_store() {
    let dir = dir();
    insta::assert_snapshot!(run(dir.path(), &["store", "verify"]), @r"
    exit code 3
    --- stdout
    objects intact: 0, damaged: 0, read: 0 B
    the store: nothing to check
    --- stderr
    store: checking every object …
    store: every object read
    ");
    let store = Store::open(&dir.path().join(".cache/reprove/store")).unwrap();
    store.insert(b"good").unwrap();
    let bad = store.insert(b"bad").unwrap();
    insta::assert_snapshot!(run(dir.path(), &["store", "verify", "--quiet"]), @r"
    exit code 0
    --- stdout
    objects intact: 2, damaged: 0, read: 7 B
    the store: intact
    --- stderr
    ");
    fs::remove_file(&bad.path).unwrap();
    fs::write(&bad.path, b"BAD").unwrap();
    insta::assert_snapshot!(run(dir.path(), &["store", "verify", "--quiet"]), @r"
    exit code 1
    --- stdout
    damaged `sha256:2f05d4b689d270cafb02285f35f44866f7dc8a2d368a3f9d1124373eeab31fb1`: found `sha256:de6b9d5b9a7c9e99a9421d284164b52c8a53000380d39e9e52117f4c3da4caf9`, moved to `[DIR]/.cache/reprove/store/quarantine/sha256-2f05d4b689d270cafb02285f35f44866f7dc8a2d368a3f9d1124373eeab31fb1`
    objects intact: 1, damaged: 1, read: 7 B
    the store: damaged
    --- stderr
    ");
    insta::assert_snapshot!(run(dir.path(), &["store", "verify", "-q", "--format", "json"]), @r#"
    exit code 0
    --- stdout
    {
      "intact": 1,
      "len-bytes": 4,
      "corrupted": [],
      "foreign": []
    }
    --- stderr
    "#);
}

#[test]
fn gc_keeps_what_locks_name_and_stops_at_a_lock_it_cannot_read() {
    let dir = dir();
    let locks = dir.path().join("policies/components/hello");
    let collect = ["store", "gc", "--unused-days", "0", "--work", "work"];
    insta::assert_snapshot!(run(dir.path(), &collect), @r"
    exit code 2
    --- stdout
    --- stderr
    error[cli::locks_read]: cannot read `./policies/components`
      caused by: No such file or directory (os error 2)
    hint: name the folder that holds `policies/` with `--root DIR`; nothing was removed
    ");
    fs::create_dir_all(&locks).unwrap();
    let store = Store::open(&dir.path().join("work/store")).unwrap();
    let kept = store.insert(b"kept").unwrap();
    store.insert(b"dropped").unwrap();
    fs::write(locks.join("bookworm-1.lock.json"), lock(&kept.digest.to_string())).unwrap();
    insta::assert_snapshot!(run(dir.path(), &collect), @r"
    exit code 4
    --- stdout
    --- stderr
    error[store::in_use]: the store `work/store` is in use
    hint: wait for the other `reprove` to end, then repeat the command
    ");
    drop(store);
    insta::assert_snapshot!(run(dir.path(), &collect), @r"
    exit code 0
    --- stdout
    lock files read: 1, digests they name: 1
    objects kept: 1
    objects removed: 1, leftovers removed: 0, freed: 7 B
    --- stderr
    ");
    fs::write(locks.join("bookworm-2.lock.json"), "{").unwrap();
    insta::assert_snapshot!(run(dir.path(), &[&collect[..], &["--format", "json"]].concat()), @r"
    exit code 2
    --- stdout
    --- stderr
    error[cli::locks_parse]: `./policies/components/hello/bookworm-2.lock.json` is not a lock file
      caused by: EOF while parsing an object at line 1 column 1
    hint: mend the file or write it again with `reprove lock`; nothing was removed
    ");
    let store = Store::open(&dir.path().join("work/store")).unwrap();
    assert!(store.get(&kept.digest).unwrap().is_some());
}

/// A lock that names one input.
fn lock(digest: &str) -> String {
    format!(
        r#"{{"schema":1,"component":"hello","purl":"pkg:deb/debian/hello@1","indexes":[],
        "source":{{"name":"hello","version":"1","files":[
            {{"name":"a","archive":"debian","path":"a","size":1,"digest":"{digest}"}}]}},
        "published":[],"packages":[],"observations":[],
        "build":{{"architecture":"amd64","path":"/b","source-date-epoch":0,"env":{{}},"commands":[],"expected":[]}}}}"#
    )
}

#[test]
fn a_work_folder_that_cannot_be_used_is_an_error_with_a_remedy() {
    let dir = dir();
    fs::write(dir.path().join("file"), b"x").unwrap();
    fs::create_dir_all(dir.path().join("theirs/store")).unwrap();
    fs::write(dir.path().join("theirs/store/thesis.tex"), b"x").unwrap();
    insta::assert_snapshot!(run(dir.path(), &["store", "verify", "--work", "file"]), @r"
    exit code 4
    --- stdout
    --- stderr
    error[store::io]: cannot make the folder `file/store`
      caused by: Not a directory (os error 20)
    hint: check the permissions of the folder, and that its file system is mounted read-write
    ");
    insta::assert_snapshot!(run(dir.path(), &["store", "verify", "--work", "theirs"]), @r"
    exit code 4
    --- stdout
    --- stderr
    error[store::layout]: `theirs/store` is not a store of layout `reprove-store-1`, found `a folder with other files`
    hint: choose an empty or new folder with `--work`; nothing in that folder was touched
    ");
    let out = program().args(["store", "verify"]).output().unwrap();
    assert_eq!(out.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&out.stderr).contains("error[cli::no_work_folder]"));
}

/// Every verb that only writes, against an output that takes nothing.
#[test]
fn a_result_that_cannot_be_delivered_is_no_pass() {
    let dir = dir();
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["store", "--help"],
        &["man"],
        &["completions", "bash"],
        &["store", "verify"],
        &["store", "verify", "--format", "json"],
    ] {
        let (reader, closed) = std::io::pipe().unwrap();
        drop(reader);
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        for out in [Stdio::from(closed), Stdio::from(full)] {
            let status =
                program().env("HOME", dir.path()).args(arguments).stdout(out).stderr(Stdio::null()).status();
            assert_eq!(status.unwrap().code(), Some(4), "{arguments:?}");
        }
    }
}

#[test]
fn completions_and_manual_pages_are_whole() {
    let dir = dir();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = program().args(["completions", shell]).output().unwrap();
        assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("verify"), "{shell}");
    }
    let out = program().current_dir(&dir).args(["man", "--out", "man"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let page = fs::read_to_string(dir.path().join("man/reprove-store-gc.1")).unwrap();
    assert!(page.contains(".TH reprove\\-store\\-gc 1") || page.contains(".TH reprove-store-gc 1"), "{page}");
    assert!(fs::read_to_string(dir.path().join("man/reprove.1")).unwrap().contains(".SH OPTIONS"));
}

#[test]
fn signals_end_it_with_the_shells_exit_code() {
    for (signal, code, word) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let dir = dir();
        let root = dir.path().join("store");
        drop(Store::open(&root).unwrap());
        // Whoever holds the store exclusively makes the next one wait.
        let holder = fs::File::options().write(true).open(root.join("lock")).unwrap();
        holder.lock().unwrap();
        let mut child = program()
            .args(["store", "verify", "--work"])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let id = child.id().to_string();
        let waits = || {
            let locks = fs::read_to_string("/proc/locks").unwrap();
            locks.lines().any(|l| l.contains("->") && l.split_whitespace().any(|word| word == id))
        };
        while !waits() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert_eq!(said, format!("{word}: nothing is damaged, the command can be repeated\n"));
    }
}

/// Runs below a terminal of its own; gives what that terminal received.
fn on_a_terminal(dir: &Path, no_color: Option<&str>, arguments: &str) -> String {
    let mut command = Command::new("script");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("TERM", "xterm").env("HOME", dir);
    if let Some(value) = no_color {
        command.env("NO_COLOR", value);
    }
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_reprove"));
    let out = command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Escape sequences that set colour or weight, such as `ESC [ 1 m`.
fn coloured(text: &str) -> bool {
    regex::Regex::new("\x1b\\[[0-9;]*[1-9][0-9;]*m").unwrap().is_match(text)
}

#[test]
fn colour_is_for_terminals_without_no_color() {
    let dir = dir();
    let store = Store::open(&dir.path().join(".cache/reprove/store")).unwrap();
    store.insert(&vec![7; 8 << 20]).unwrap();
    assert!(coloured(&on_a_terminal(dir.path(), None, "--help")));
    assert!(coloured(&on_a_terminal(dir.path(), Some(""), "--help")), "an empty NO_COLOR is none");
    for arguments in ["--help", "bogus", "store verify"] {
        let shown = on_a_terminal(dir.path(), Some("1"), arguments);
        assert!(!shown.is_empty() && !coloured(&shown), "{arguments}: {shown:?}");
    }
    let off = run(dir.path(), &["store", "verify"]);
    assert!(!off.contains('\x1b'), "{off:?}");
}
