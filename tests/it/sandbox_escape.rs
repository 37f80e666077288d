//! Attempts to get out of the sandbox or to outgrow it. Each has a control: the same attempt unsealed,
//! or below the limit, succeeds; so an attempt that is broken in itself cannot pass for a wall.
//!
//! The attempts are in Perl, which every Debian system has and which can make any system call.

use std::fs::{self, File};
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reprove::limits::sandbox::SandboxLimits;
use reprove::rebuild::sandbox::{Limit, Line, Network, Outcome, Restriction, Run, SandboxError, Spec, run};

use crate::sandbox::{attempt, sealed, spec};
use crate::small_root::small_root;

/// What an attempt prints when it has got what it wanted.
const GOT: &str = "GOT IT";

fn perl_sealed(spec: &Spec, script: &str) -> (Run, String) {
    let mut text = String::new();
    let mut sink = |line: Line<'_>| {
        text.push_str(&String::from_utf8_lossy(line.bytes));
        text.push('\n');
    };
    let argv = ["perl", "-e", script].map(str::to_owned);
    let run = run(spec, &argv, &mut sink).unwrap_or_else(|error| panic!("{error:?}"));
    (run, text)
}

fn perl_unsealed(script: &str) -> String {
    let output = Command::new("perl").args(["-e", script]).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The attempt succeeds unsealed and fails in each of the sandboxes.
fn refused(script: &str, networks: &[Network]) {
    let unsealed = perl_unsealed(script);
    assert!(unsealed.contains(GOT), "the attempt fails even unsealed: {unsealed}\n{script}");
    for network in networks {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec { network: *network, ..spec(folder.path()) };
        let (run, text) = perl_sealed(&spec, script);
        assert!(!text.contains(GOT), "{network:?}: {text}\n{script}");
        assert!(matches!(run.outcome, Outcome::Exited { .. }), "{run:?}");
    }
}

const BOTH: [Network; 2] = [Network::None, Network::Loopback];

#[test]
fn a_server_on_the_hosts_loopback_is_out_of_reach() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let script = format!(
        "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0) or die \"socket: $!\";
         connect($s, pack_sockaddr_in({port}, INADDR_LOOPBACK)) or die \"connect: $!\"; print '{GOT}'"
    );
    refused(&script, &BOTH);
}

#[test]
fn an_abstract_socket_of_the_hosts_is_out_of_reach() {
    let name = format!("reprove-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _server = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    let script = format!(
        "use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die \"socket: $!\";
         connect($s, pack_sockaddr_un(\"\\0{name}\")) or die \"connect: $!\"; print '{GOT}'"
    );
    refused(&script, &BOTH);
}

#[test]
fn a_socket_that_no_network_namespace_confines_cannot_be_made() {
    // AF_VSOCK, 40: answers EAFNOSUPPORT here whether or not the kernel has it, so AF_PACKET's errno is
    // asked for: without the filter it is EPERM for want of a capability, or success for root.
    let script = format!("socket(my $s, 17, 3, 0); print '{GOT}' if $!+0 != 97");
    refused(&script, &BOTH);
}

#[test]
fn nothing_outside_can_be_written() {
    let outside = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(outside.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let path = outside.path().display();
    refused(&format!("open(my $f, '>', '{path}/file') or die $!; print '{GOT}'"), &BOTH);
    assert!(outside.path().join("file").exists(), "the control wrote it");
    fs::write(outside.path().join("old"), "old").unwrap();
    fs::set_permissions(outside.path().join("old"), fs::Permissions::from_mode(0o666)).unwrap();
    refused(&format!("open(my $f, '>>', '{path}/old') or die $!; print '{GOT}'"), &BOTH);
    refused(&format!("chmod(0644, '{path}/old') or die $!; print '{GOT}'"), &BOTH);
    refused(&format!("rename('{path}/old', '{path}/new') or die $!; print '{GOT}'"), &[Network::None]);
    let folder = tempfile::tempdir().unwrap();
    let (_, text) = sealed(
        &spec(folder.path()),
        "for f in / /etc /usr /dev /proc /sys; do touch $f/reprove-was-here && echo wrote $f; done 2>/dev/null; \
         for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/self/uid_map; do \
         (echo 1 > $f) 2>/dev/null && test $f != /proc/sysrq-trigger && echo wrote $f; done; hostname other 2>/dev/null; hostname",
    );
    assert_eq!(text, "sealed\n");
}

#[test]
fn the_hosts_processes_and_environment_are_not_seen() {
    let mut marked = Command::new("sleep").arg("98765.4321").env("REPROVE_MARK", "seen").spawn().unwrap();
    // In two halves, since the script itself stands in a command line.
    let look = |file: &str, first: &str, second: &str| {
        format!(
            "for (glob '/proc/[0-9]*/{file}') {{ open(my $f, '<', $_) or next; local $/; my $t = <$f>;
             print '{GOT}' if index($t, '{first}' . '{second}') >= 0 }}"
        )
    };
    refused(&look("cmdline", "98765.", "4321"), &BOTH);
    refused(&look("environ", "REPROVE_MARK=", "seen"), &BOTH);
    marked.kill().unwrap();
    marked.wait().unwrap();
    refused(&format!("print '{GOT}' if -e '/proc/1/status'"), &BOTH);
    assert!(std::env::vars().any(|(name, _)| name == "CARGO_MANIFEST_DIR"), "cargo sets it for this test");
    refused(&format!("print '{GOT}' if exists $ENV{{CARGO_MANIFEST_DIR}}"), &BOTH);
}

#[test]
fn no_descriptor_of_the_caller_is_inherited() {
    let folder = tempfile::tempdir().unwrap();
    let secret = File::create(folder.path().join("secret")).unwrap();
    let leaked = inheritable(&secret);
    let other = tempfile::tempdir().unwrap();
    let (_, text) = sealed(&spec(other.path()), "ls /proc/self/fd | wc -w");
    // 0, 1, 2 and the folder that `ls` reads.
    assert_eq!(text, "4\n");
    drop(leaked);
}

/// A copy of a descriptor that programs started by this process would inherit.
fn inheritable(file: &File) -> std::os::fd::OwnedFd {
    rustix::io::dup(file).unwrap()
}

#[test]
#[cfg(target_arch = "x86_64")]
fn namespaces_mounts_and_tracing_are_refused() {
    // Numbers of x86-64: unshare 272, mount 165, ptrace 101, keyctl 250, clone3 435.
    refused(&format!("syscall(272, 0x10000000) == 0 or die $!; print '{GOT}'"), &BOTH);
    refused(
        &format!(
            "my $p = fork; if (!$p) {{ sleep 100; exit }} my $r = syscall(101, 16, $p, 0, 0); \
             print '{GOT}' if $r == 0; kill 9, $p"
        ),
        &BOTH,
    );
    refused(&format!("syscall(250, 0, -3, 1); print '{GOT}' if $!+0 != 1"), &BOTH);
    let folder = tempfile::tempdir().unwrap();
    let script =
        "for my $call ([165, 0, '/', 0, 0x1020, 0], [165, 'x', '/mnt', 'tmpfs', 0, 0], [101, 16, 1, 0, 0],
                  [435, 0, 0], [308, 0, 0], [155, '.', '.'], [161, '.']) { my $c = shift @$call; $! = 0;
                  my $r = syscall($c, @$call, (0) x (5 - @$call)); print \"$c: $r \", $!+0, qq(\\n) }";
    let (_, text) = perl_sealed(&spec(folder.path()), script);
    assert_eq!(text, "165: -1 1\n165: -1 1\n101: -1 1\n435: -1 38\n308: -1 1\n155: -1 1\n161: -1 1\n");
}

#[test]
fn typing_into_a_terminal_is_refused_before_the_kernel_looks_at_it() {
    // On the null device the kernel says ENOTTY, 25; the filter says EPERM, 1.
    let folder = tempfile::tempdir().unwrap();
    let script = "open(my $n, '+<', '/dev/null'); my $c = 'x'; ioctl($n, 0x5412, $c); print $!+0";
    assert_eq!(perl_unsealed(script), "25");
    assert_eq!(perl_sealed(&spec(folder.path()), script).1, "1\n");
}

#[test]
fn a_set_user_id_program_gains_nothing_and_capabilities_are_gone() {
    let root = small_root(&["sh", "id", "grep"], &[]);
    let id = root.path().join("usr/bin/id");
    fs::set_permissions(&id, fs::Permissions::from_mode(0o4755)).unwrap();
    if rustix::process::geteuid().is_root() {
        // The control: for another user outside it does gain.
        let output = Command::new(&id).arg("-u").uid(65534).gid(65534).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{output:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(folder.path());
    spec.root = root.path().to_path_buf();
    spec.writable[0].target = "/build".into();
    spec.work_dir = "/build".into();
    let (run, text) = sealed(&spec, "id -u; grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status");
    let none = "0000000000000000";
    let groups = text.lines().find(|line| line.starts_with("Groups")).unwrap_or_default();
    if rustix::process::geteuid().is_root() {
        assert_eq!(groups.trim(), "Groups:");
    }
    let rest: Vec<&str> = text.lines().filter(|line| !line.starts_with("Groups")).collect();
    assert_eq!(
        rest,
        [
            "1000",
            &format!("CapInh:\t{none}"),
            &format!("CapPrm:\t{none}"),
            &format!("CapEff:\t{none}"),
            &format!("CapBnd:\t{none}"),
            &format!("CapAmb:\t{none}"),
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
        ],
        "{run:?}"
    );
}

#[test]
fn files_of_the_hosts_root_stay_closed() {
    if !rustix::process::geteuid().is_root() {
        println!("not root: the host's own rights are the wall, and not this crate's");
        return;
    }
    let outside = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(outside.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, GOT).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    refused(&format!("open(my $f, '<', '{}') or die $!; print <$f>", secret.display()), &BOTH);
}

/// Holds a lock on `held` in the working folder for ever, in a process that has left its session and
/// its parents.
const SURVIVOR: &str = "use POSIX qw(setsid); use Fcntl ':flock'; $| = 1;
    if (!fork) { setsid(); if (!fork) { $SIG{$_} = 'IGNORE' for qw(HUP TERM INT);
        open(my $f, '>', 'held'); flock($f, LOCK_EX); open(my $p, '>', 'pid'); print $p $$; close $p;
        rename('pid', 'ready'); sleep 1000 while 1 } exit }
    select(undef, undef, undef, 0.01) until -e 'ready'; exit";

/// Whether somebody holds the lock.
fn held(folder: &Path) -> bool {
    File::open(folder.join("held")).unwrap().try_lock().is_err()
}

/// Waits until `condition` holds, at most a minute.
fn eventually(condition: impl Fn() -> bool) -> bool {
    (0..6000).any(|_| {
        condition() || {
            std::thread::sleep(Duration::from_millis(10));
            false
        }
    })
}

fn kill_survivor(folder: &Path) {
    let pid = fs::read_to_string(folder.join("ready")).unwrap().parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
}

#[test]
fn no_process_outlives_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new("perl").args(["-e", SURVIVOR]).current_dir(folder.path()).status().unwrap();
    assert!(status.success());
    assert!(held(folder.path()), "unsealed it survives");
    kill_survivor(folder.path());

    let folder = tempfile::tempdir().unwrap();
    let (run, text) = perl_sealed(&spec(folder.path()), SURVIVOR);
    assert_eq!(run.outcome, Outcome::Exited { status: 0 }, "{text}");
    assert!(folder.path().join("ready").exists(), "it did start");
    assert!(!held(folder.path()));
}

#[test]
fn limits_end_what_outgrows_them() {
    const FILES: &str =
        "for my $i (1..$n) { open(my $f, '>', \"file$i\") or die $!; print $f 'x' x 1000000; close $f }";
    const UNLINKED: &str = "for my $i (1..$n) { open(my $f, '>', 'file') or die $!; unlink 'file';
        $f->autoflush(1); print $f 'x' x 1000000; push @keep, $f }";
    const MANY: &str = "for my $i (1..$n*20) { open(my $f, '>', \"file$i\") or die $! }";
    const MEMORY: &str = "my $x = ''; for my $i (1..$n) { $x .= 'x' x 1000000 }";
    const FORKS: &str =
        "for (1..$n) { my $p = fork; die $! unless defined $p; if (!$p) { sleep 1000; exit } }";
    const BOMB: &str = "for (1..$n) { fork } sleep 1000 if $n > 20";
    const LOG: &str = "for (1..$n) { print 'x' x 1000, \"\\n\" }";
    const SPIN: &str = "my $u = 0; while ($u < $n / 20) { ($u) = times }";
    const SLEEP: &str = "select undef, undef, undef, $n / 100";
    let small = SandboxLimits {
        disk_bytes_max: 40_000_000,
        files_max: 1_000,
        memory_bytes_max: 400_000_000,
        tasks_max: 40,
        log_bytes_max: 30_000,
        cpu_time_max: Duration::from_secs(3),
        wall_time_max: Duration::from_secs(60),
        ..SandboxLimits::DEFAULT
    };
    let reached = |limit| Outcome::LimitReached { limit };
    for (what, script, below, above, expected) in [
        ("disk", FILES, 10, 10_000, reached(Limit::Disk)),
        ("unlinked files", UNLINKED, 10, 10_000, reached(Limit::Disk)),
        ("memory", MEMORY, 10, 2_000, reached(Limit::Memory)),
        ("processes", FORKS, 10, 1_000, reached(Limit::Tasks)),
        ("fork bomb", BOMB, 3, 100, reached(Limit::Tasks)),
        ("log", LOG, 10, 1_000_000, reached(Limit::Log)),
        ("processor time", SPIN, 1, 1_000_000, reached(Limit::CpuTime)),
        ("files", MANY, 10, 10_000, reached(Limit::Files)),
        ("time", SLEEP, 1, 100_000, Outcome::TimedOut { after: Duration::from_secs(2) }),
    ] {
        // Above the limit the attempt stays, so that what is measured is the limit and not its own end.
        for (n, stay, expected) in
            [(below, "", Outcome::Exited { status: 0 }), (above, "; sleep 1000", expected)]
        {
            let folder = tempfile::tempdir().unwrap();
            let mut spec = spec(folder.path());
            spec.limits = small;
            if what == "time" && n == above {
                spec.limits.wall_time_max = Duration::from_secs(2);
            }
            // Files are counted every few seconds, and a fast machine makes many until then.
            if what == "files" {
                spec.limits.cpu_time_max = Duration::from_secs(60);
            }
            // A child that cannot fork any more shall not end its parent's attempt.
            let (run, text) = perl_sealed(
                &spec,
                &format!("use IO::Handle; my $n = {n}; my @keep; eval {{ {script} }}; warn $@ if $@{stay}"),
            );
            assert_eq!(run.outcome, expected, "{what}, {n}: {run:?} {}", text.get(..500).unwrap_or(&text));
        }
    }
}

/// Runs this test binary again for one `mode` of [`child`], as `uid` if given.
fn child_process(mode: &str, folder: &Path, program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", "sandbox_escape::child", "--nocapture"])
        .env("REPROVE_SANDBOX_CHILD", mode)
        .env("REPROVE_SANDBOX_FOLDER", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

fn own_binary() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

/// Not a test of its own: the other side of those below.
#[test]
fn child() {
    let (Ok(mode), Ok(folder)) =
        (std::env::var("REPROVE_SANDBOX_CHILD"), std::env::var("REPROVE_SANDBOX_FOLDER"))
    else {
        return;
    };
    let folder = Path::new(&folder);
    match mode.as_str() {
        "hold" => {
            perl_sealed(&spec(folder), &SURVIVOR.replace("'ready'; exit", "'ready'; sleep 1000"));
        }
        "hold-unsealed" => {
            Command::new("perl").args(["-e", SURVIVOR]).current_dir(folder).status().unwrap();
            std::thread::sleep(Duration::from_secs(1000));
        }
        "look" => match attempt(&spec(folder), "id -u; touch file; echo end") {
            Ok((run, text)) => println!("CHILD {:?} {text:?}", run.outcome),
            Err(SandboxError::NamespacesClosed { restriction, .. }) => {
                println!("CHILD closed {restriction:?}")
            }
            Err(error) => println!("CHILD {error:?}"),
        },
        other => panic!("{other}"),
    }
}

fn kill_and_reap(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn killing_the_tool_leaves_nothing_behind() {
    for (mode, survives) in [("hold-unsealed", true), ("hold", false)] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = child_process(mode, folder.path(), &own_binary()).spawn().unwrap();
        assert!(eventually(|| folder.path().join("ready").exists()), "{mode} did not start");
        assert!(held(folder.path()));
        kill_and_reap(&mut child);
        if survives {
            assert!(held(folder.path()), "unsealed it outlives its caller");
            kill_survivor(folder.path());
        }
        assert!(eventually(|| !held(folder.path())), "{mode}: a process has outlived the tool");
    }
}

#[test]
fn killing_the_tool_while_it_seals_leaves_nothing_behind() {
    for pause in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = child_process("hold", folder.path(), &own_binary()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(pause));
        kill_and_reap(&mut child);
        // Whoever still holds the folder as its working folder or root is a leftover.
        assert!(eventually(|| !in_use(folder.path())), "after {pause} ms");
    }
}

/// Whether a process has a mount of this folder, as those sealed with it do.
fn in_use(folder: &Path) -> bool {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let process = entry.file_name().to_string_lossy().into_owned();
        process.parse::<u32>().is_ok()
            && process != own
            && fs::read_to_string(entry.path().join("mountinfo")).is_ok_and(|text| text.contains(&name))
    })
}

fn told(command: &mut Command) -> String {
    let mut child = command.spawn().unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    child.wait().unwrap();
    text.lines()
        .find_map(|line| line.split_once("CHILD ").map(|(_, told)| told.to_owned()))
        .unwrap_or_else(|| panic!("the child told nothing: {text}"))
}

#[test]
fn an_ordinary_user_gets_the_same_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = folder.path().join("program");
    fs::copy(own_binary(), &program).unwrap();
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    let mut command = child_process("look", &work, &program);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&work, Some(65534), Some(65534)).unwrap();
        command.uid(65534).gid(65534);
    }
    assert_eq!(told(&mut command), r#"Exited { status: 0 } "1000\nend\n""#);
    assert!(work.join("file").exists());
}

#[test]
fn closed_namespaces_are_told_with_their_cause() {
    let folder = tempfile::tempdir().unwrap();
    // In a user namespace of its own the child may close them without touching the host's.
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" \"$@\"";
    let mut inner = child_process("look", folder.path(), Path::new("unshare"));
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", script]).arg(own_binary()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap());
    }
    command.stdout(Stdio::piped());
    assert_eq!(told(&mut command), format!("closed {:?}", Restriction::MaxUserNamespaces));
    inner.stdout(Stdio::null());
}
