//! Probes against small programs that behave well, badly and worse.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reprove::event::Silent;
use reprove::limits::probe::ProbeLimits;
use reprove::limits::sandbox::SandboxLimits;
use reprove::probe::answer::{Answer, ProcessState};
use reprove::probe::spec::Item;
use reprove::probe::{Probed, Subject, run, spec};

use crate::small_root::small_root;

/// A root in which `/usr/bin/component` is the program of `tests/data/probe/component.c`.
fn root() -> &'static Path {
    static ROOT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = ROOT.get_or_init(|| {
        let root = small_root(&["sh"], &[("liar", "exec component lying \"$2\"")]);
        let program = root.path().join("usr/bin/component");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/probe/component.c");
        let made = Command::new("cc").args(["-O1", "-o"]).arg(&program).arg(source).status().unwrap();
        assert!(made.success());
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = root.path().to_owned();
        (root, path)
    });
    path
}

fn limits() -> ProbeLimits {
    ProbeLimits {
        sandbox: SandboxLimits {
            wall_time_max: Duration::from_secs(30),
            memory_bytes_max: 64 << 20,
            tasks_max: 32,
            log_bytes_max: 1 << 20,
            ..ProbeLimits::DEFAULT.sandbox
        },
        ready_time_max: Duration::from_secs(2),
        request_time_max: Duration::from_secs(2),
        settle_time_max: Duration::from_secs(2),
        body_bytes_max: 1 << 16,
        ..ProbeLimits::DEFAULT
    }
}

/// Reads probes, each the lines of a `[[probe]]` without its id, and runs them.
fn ask_with(limits: &ProbeLimits, version: &str, bodies: &[&str]) -> Vec<Probed> {
    let mut text = "schema = 1\n".to_owned();
    for (number, body) in bodies.iter().enumerate() {
        text.push_str(&format!("[[probe]]\nid = \"p{number}\"\n{body}\n"));
    }
    let items = spec::read("probes.toml", &text).unwrap_or_else(|e| panic!("{:?}", miette::Report::new(e)));
    let probes: Vec<_> = items.iter().map(|Item { id, probe, .. }| (id.as_str(), probe)).collect();
    let work = tempfile::tempdir().unwrap();
    let subject = Subject { root: root(), in_place: &[], env: &[], version, work_dir: work.path() };
    let answers = run(&subject, &probes, limits, &Silent).unwrap();
    let ids: Vec<_> = answers.iter().map(|p| p.id.clone()).collect();
    assert_eq!(ids, probes.iter().map(|(id, _)| (*id).to_owned()).collect::<Vec<_>>(), "in the given order");
    assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0, "nothing is left behind");
    answers
}

fn ask(body: &str) -> Probed {
    ask_with(&limits(), "1.2.3-4", &[body]).remove(0)
}

/// An HTTP probe of the component in a mode.
fn http(mode: &str, path: &str, expect: &str) -> String {
    format!(
        "kind = \"http-probe\"\nlaunch = {{ component = \"component\", args = [\"{mode}\", \"{{port}}\"] }}\n\
         request = {{ path = \"{path}\" }}\nexpect = [{expect}]"
    )
}

fn reason(probed: &Probed) -> &str {
    match &probed.answer {
        Answer::CouldNotTell { reason } => reason,
        other => panic!("{other:?}, {:?}", probed.observed),
    }
}

#[test]
fn what_holds_what_does_not_and_what_was_seen() {
    let all = [
        http(
            "well",
            "/a?b=[]",
            "{ status = 200, header = { x-mode = \"well\" }, body-contains = [\"GET /a?b=[] HTTP/1.1\"] }",
        ),
        http("well", "/", "{ status = 404 }"),
        http("well", "/", "{ status = 404 }, { status = 200 }"),
        http(
            "well",
            "/",
            "{ versions = \"<1.0.0\", status = 200 }, { versions = \">=1.0.0\", status = 500 }",
        ),
        http("well", "/", "{ versions = \"<1.0.0\", status = 200 }"),
        http("well", "/log", "{ status = 200, log-contains = [\"asked GET /log\"], process = \"alive\" }"),
        http("well", "/log", "{ status = 200, log-absent = [\"asked GET /log\"] }"),
        http(
            "well",
            "/die",
            "{ reply = \"broken\", process = { exit-status = 3 }, log-contains = [\"panic: asked\"] }",
        ),
        http("well", "/die", "{ status = 200, process = \"alive\" }"),
        http("well", "/crash", "{ status = 200 }"),
        http("well", "/", "{ status = 200, memory-bytes-max = 60000000 }"),
        http("well", "/", "{ status = 200, memory-bytes-max = 1 }"),
        http(
            "well",
            "/die",
            "{ reply = \"broken\", log-contains = [\"panic: asked\"], process = { exit-status = 3 }, memory-bytes-max = 60000000 }",
        ),
    ];
    // The process of each component begins as a copy of this one, whose memory is not the component's.
    let callers = vec![1u8; 200_000_000];
    let answers = ask_with(&limits(), "1.2.3-4", &all.each_ref().map(String::as_str));
    let words: Vec<_> = answers.iter().map(|p| p.answer.word()).collect();
    let (yes, no, open) = ("holds", "does not hold", "could not tell");
    assert_eq!(words, [yes, no, yes, no, open, yes, no, yes, no, no, yes, no, open], "{answers:#?}");
    assert_eq!(std::hint::black_box(&callers).len(), 200_000_000);
    assert_eq!(reason(&answers[12]), "the memory was not established until the end");
    assert_eq!(answers[0].observed.status, Some(200));
    assert!(answers[0].observed.body_excerpt.as_ref().unwrap().starts_with("GET /a"));
    assert_eq!(answers[7].observed.process, Some(ProcessState::Exited(3)));
    assert_eq!(answers[9].observed.process, Some(ProcessState::Signalled(6)));
    match &answers[1].answer {
        Answer::DoesNotHold { differences } => {
            let d = &differences[0];
            assert_eq!((d.what.as_str(), d.expected.as_str(), d.found.as_str()), ("status", "404", "200"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(reason(&answers[4]), "nothing is expected of version 1.2.3-4");
}

#[test]
fn a_request_that_hangs_is_told_from_a_component_that_does() {
    let hangs = http("well", "/hang", "{ reply = \"timed-out\", process = \"alive\" }");
    assert_eq!(ask(&hangs).answer, Answer::Holds {});
    let answers = http("well", "/", "{ reply = \"timed-out\" }");
    assert_eq!(ask(&answers).answer.word(), "does not hold");
    // It takes the connection and says nothing, whatever is asked: it never becomes ready.
    let silent = ask(&http("silent", "/hang", "{ reply = \"timed-out\" }"));
    assert!(reason(&silent).contains("did not become ready"), "{silent:?}");
}

#[test]
fn a_component_in_trouble_gives_a_reason_within_its_limits() {
    let started = Instant::now();
    let expect = "{ status = 200 }";
    for (mode, expected) in [
        ("exits", "it ended before it answered: exited with status 1"),
        ("hangs", "did not become ready"),
        ("elsewhere", "did not become ready"),
        ("floods", "ended at the limit log-bytes-max"),
        ("forks", "ended at the limit tasks-max"),
        ("eats", "ended at the limit memory-bytes-max"),
        ("garbage", "the answer is not HTTP"),
        ("drip", "did not become ready"),
    ] {
        let probed = ask(&http(mode, "/", expect));
        assert!(reason(&probed).contains(expected), "{mode}: {probed:?}");
    }
    let unknown =
        ask(&http("well", "/", expect).replace("component = \"component\"", "component = \"absent\""));
    assert!(reason(&unknown).contains("absent"), "{unknown:?}");
    // Eight components of at most a few seconds each; far below what any of them would take by itself.
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[test]
fn an_answer_without_end_is_cut_and_proves_no_absence() {
    for (expect, word) in [
        ("{ status = 200 }", "holds"),
        ("{ status = 200, body-absent = [\"secret\"] }", "could not tell"),
        ("{ status = 200, body-contains = [\"secret\"] }", "could not tell"),
    ] {
        let probed = ask(&http("endless", "/", expect));
        assert_eq!(probed.answer.word(), word, "{expect}: {probed:?}");
        assert_eq!(probed.observed.body_bytes, Some(1 << 16));
    }
}

#[test]
fn processes_and_files_that_a_component_leaves_are_gone_afterwards() {
    for mode in ["escapes", "leaves"] {
        assert_eq!(ask(&http(mode, "/", "{ status = 200 }")).answer, Answer::Holds {}, "{mode}");
    }
}

#[test]
fn what_was_accepted_as_a_change_is_followed_by_a_new_start() {
    let unchanged = http("well", "/", "{ header = { x-mode = \"well\" } }");
    let put = unchanged
        .replace("path = \"/\"", "path = \"/\", method = \"PUT\", body = \"\"")
        .replace("{ header = { x-mode = \"well\" } }", "{ status = 202 }");
    let looked = unchanged.replace("request =", "before = [{ path = \"/\", method = \"PUT\" }]\nrequest =");
    let changed = looked.replace("x-mode = \"well\"", "x-mode = \"changed\"");
    let answers = ask_with(&limits(), "1", &[&put, &unchanged, &put, &unchanged, &looked, &changed]);
    let words: Vec<_> = answers.iter().map(|p| p.answer.word()).collect();
    assert_eq!(words, ["holds", "holds", "holds", "holds", "does not hold", "holds"], "{answers:#?}");
    let refused = unchanged.replace("request =", "before = [{ path = \"/die\" }]\nrequest =");
    assert!(reason(&ask(&refused)).contains("request 1 before it"));
}

#[test]
fn programs_that_end_flags_and_configurations() {
    let cli = |args: &str, expect: &str| {
        format!(
            "kind = \"cli-probe\"\nlaunch = {{ component = \"component\", args = {args} }}\nexpect = [{expect}]"
        )
    };
    let flag = |name: &str, default: &str| {
        format!(
            "kind = \"flag-default\"\ncomponent = \"component\"\nflag = \"{name}\"\ndefault = \"{default}\""
        )
    };
    let config = |mode: &str, expect: &str| {
        format!(
            "kind = \"config-probe\"\nlaunch = {{ component = \"component\", args = [\"{mode}\", \"{{port}}\"] }}\n\
             expect = [{expect}]"
        )
    };
    let refused = "{ configuration = \"refused\", log-contains = [\"unknown field\"] }";
    let accepted = "{ configuration = \"accepted\" }";
    for (body, word) in [
        (cli("[\"exits\"]", "{ exit-status = 1, output-contains = [\"unknown field\"] }"), "holds"),
        (cli("[\"exits\"]", "{ exit-status = 1, output-contains = [\"known colour\"] }"), "does not hold"),
        (cli("[\"exits\"]", "{ exit-status = 0 }"), "does not hold"),
        (cli("[\"--help\"]", "{ exit-status = 0, output-absent = [\"error\"] }"), "holds"),
        (cli("[\"hangs\"]", "{ exit-status = 0 }"), "could not tell"),
        (cli("[\"floods\"]", "{ exit-status = 0 }"), "could not tell"),
        (flag("--limit", "40"), "holds"),
        (flag("--limit", "4"), "does not hold"),
        (flag("--switch", "false"), "could not tell"),
        (flag("--absent", ""), "could not tell"),
        (config("exits", refused), "holds"),
        (config("well", refused), "does not hold"),
        (config("well", accepted), "holds"),
        (config("exits", accepted), "does not hold"),
        (config("hangs", accepted), "could not tell"),
        (config("eats", refused), "could not tell"),
    ] {
        let probed = ask(&body);
        assert_eq!(probed.answer.word(), word, "{body}: {probed:?}");
    }
}

#[test]
fn files_servers_and_placeholders_are_as_the_specification_says() {
    // The shell is the component: it reads what it was given, and asks the auxiliary servers.
    let root = small_root(&["sh", "cat", "stat", "bash"], &[]);
    let text = r#"
schema = 1
[[probe]]
id = "files"
kind = "cli-probe"
expect = [{ exit-status = 0, output-contains = [
    "/build 9400 9401 9402\n", "old {unknown} {{x}}\n", "fifo 644\n", "BEGIN CERTIFICATE", "BEGIN PRIVATE KEY",
    "HTTP/1.1 207", "X-Aux: to 9402", "hello from 9401", "127.0.0.1 localhost probe\n0\n" ] }]
[probe.launch]
component = "bash"
args = ["-c", """
echo {dir} {port} {port:ok} {port:udp}
cat sub/versioned {certificate} {key} /etc/hosts /sys/devices/system/cpu/online
stat -c '%F %a' pipe
echo datagram > /dev/udp/127.0.0.1/{port:udp}
exec 3<>/dev/tcp/127.0.0.1/{port:ok}; printf 'GET /x HTTP/1.1\r\n\r\n' >&3; cat <&3
"""]
[probe.launch.files]
"sub/versioned" = [{ versions = "<1.0.0", text = "old {unknown} {{x}}\n" }, { versions = ">=1.0.0", text = "new\n" }]
pipe = { type = "fifo" }
[probe.launch.servers]
ok = { serves = "answer", status = 207, headers = { X-Aux = "to {port:udp}" }, body = "hello from {port:ok}" }
udp = { serves = "datagrams" }
"#;
    let items = spec::read("probes.toml", text).unwrap_or_else(|e| panic!("{:?}", miette::Report::new(e)));
    let work = tempfile::tempdir().unwrap();
    let subject =
        Subject { root: root.path(), in_place: &[], env: &[], version: "0.9.0", work_dir: work.path() };
    let probed = run(&subject, &[("files", &items[0].probe)], &limits(), &Silent).unwrap().remove(0);
    assert_eq!(probed.answer, Answer::Holds {}, "{probed:#?}");
    let other = Subject { version: "unstable", ..subject };
    let probed = run(&other, &[("files", &items[0].probe)], &limits(), &Silent).unwrap().remove(0);
    assert!(reason(&probed).contains("`sub/versioned` has no text for this version"), "{probed:?}");
}

/// What a probe cannot tell, shown: a wrapper that knows the probe's request passes it, and only a
/// request that it does not know, or the bytes, give it away.
#[test]
fn a_wrapper_that_lies_passes_the_probe_that_it_knows() {
    let liar = |path: &str| {
        http("-", path, "{ status = 404 }").replace("component = \"component\"", "component = \"liar\"")
    };
    assert_eq!(ask(&liar("/debug/pprof/")).answer, Answer::Holds {});
    assert_eq!(ask(&liar("/debug/pprof/cmdline")).answer.word(), "does not hold");
}

#[test]
fn an_answer_reads_back_as_it_was_written() {
    let all =
        [http("well", "/", "{ status = 200 }"), http("well", "/", "{ status = 1 }").replace("1 }", "201 }")];
    for probed in ask_with(&limits(), "1", &all.each_ref().map(String::as_str)) {
        let text = serde_json::to_string(&probed).unwrap();
        assert_eq!(serde_json::from_str::<Probed>(&text).unwrap(), probed);
        let keys: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert!(keys.contains_key("answer") && keys.contains_key("observed"), "{text}");
    }
}

/// A release of a Go program, which nothing installs.
const GO_RELEASE: &str = r#"schema = 1
name = "acme-component"
summary = "a component"

[[release.upstream]]
purl = "pkg:github/acme/component@v1.2.3?arch=amd64"
artifact = "component-1.2.3.tar.gz"
source = { module = "example.org/component", version = "v1.2.3" }
members = [{ path = "component-1.2.3/component", binary = "component" }]

[release.upstream.go]
toolchain = "1.25.5"
path = "/app"
env = { GOOS = "linux", GOARCH = "amd64" }
binaries = [{ name = "component", package = "." }]
"#;

#[test]
fn programs_that_go_built_are_started_as_a_rebuild_leaves_them() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("policies/components/acme-component");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("component.toml"), GO_RELEASE).unwrap();
    let specs = root.path().join("specs.toml");
    // Both names stand for the program: its own, and the component's as a distribution has it.
    let cli = |id: &str, args: &str| {
        format!(
            "[[probe]]\nid = \"{id}\"\nkind = \"cli-probe\"\nlaunch = {{ component = \"acme-component\", args = [{args}] }}\n\
             expect = [{{ exit-status = 1, output-contains = [\"unknown field\"] }}]\n"
        )
    };
    std::fs::write(&specs, format!("schema = 1\n{}{}", cli("told", "\"exits\""), cli("other", "\"--help\"")))
        .unwrap();
    let program = root.path().join("component");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/probe/component.c");
    let made = Command::new("cc").args(["-O1", "-static", "-o"]).arg(&program).arg(source).status().unwrap();
    assert!(made.success());
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).unwrap();
    let other = root.path().join("another");
    std::fs::copy(&program, &other).unwrap();
    let probe = |more: &[&str], artifact: Option<&Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reprove"));
        command.args(["probe", "acme-component", "--quiet", "--root"]).arg(root.path());
        command.arg("--work").arg(root.path().join("work")).arg("--specs").arg(&specs).args(more);
        if let Some(artifact) = artifact {
            command.arg("--artifact").arg(artifact);
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    for (more, artifact, code, words) in [
        (&["--probe", "told"][..], Some(&program), 0, "1 hold, 0 do not hold, 0 could not tell"),
        (&[], Some(&program), 1, "1 hold, 1 do not hold, 0 could not tell"),
        (&[], None, 2, "give its program with `--artifact FILE`"),
        (&[], Some(&other), 2, "the release has no program of that name"),
    ] {
        let (found, text) = probe(more, artifact.map(PathBuf::as_path));
        assert!(found == Some(code) && text.contains(words), "{more:?} {artifact:?}: {found:?}\n{text}");
    }
}
