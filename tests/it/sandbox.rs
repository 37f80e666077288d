//! The sandbox against real programs that try to get out.
//!
//! The root file system of these tests is the host's own, shown read-only, so they need nothing but the
//! programs of any Debian-like system. Where the host keeps user namespaces closed they fail with the
//! library's own diagnosis: there is nothing to be tested then, and a green result would be a lie.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reprove::limits::sandbox::SandboxLimits;
use reprove::rebuild::sandbox::{
    Line, Mount, Network, Outcome, Output, Run, SandboxError, SocketKind, Spec, Stream, run, spawn,
};

pub(crate) fn spec(folder: &Path) -> Spec {
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
pub(crate) fn sealed(spec: &Spec, script: &str) -> (Run, String) {
    attempt(spec, script).unwrap_or_else(|error| panic!("{error:?}"))
}

pub(crate) fn attempt(spec: &Spec, script: &str) -> Result<(Run, String), SandboxError> {
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

#[test]
fn giving_a_file_away_is_refused_as_it_is_to_an_ordinary_user() {
    let folder = tempfile::tempdir().unwrap();
    let script = "cd /build; : >f; chown $(id -u):$(id -g) f && echo own; chown 0:0 f; chgrp 0 f; true";
    let (_, text) = sealed(&spec(folder.path()), script);
    assert_eq!(text.matches("own\n").count(), 1, "{text}");
    assert_eq!(text.matches("Operation not permitted").count(), 2, "{text}");
    assert!(!text.contains("Invalid argument"), "{text}");
}

#[test]
fn a_failing_program_a_signal_and_a_missing_program_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let spec = spec(folder.path());
    assert_eq!(sealed(&spec, "exit 7").0.outcome, Outcome::Exited { status: 7 });
    assert_eq!(sealed(&spec, "kill -TERM $$").0.outcome, Outcome::Signalled { signal: 15 });
    let error = run(&spec, &["no-such-program".to_owned()], &mut |_: Line<'_>| {}).unwrap_err();
    assert!(
        matches!(&error, SandboxError::Exec { program, .. } if program == "no-such-program"),
        "{error:?}"
    );
    let nowhere = Spec { work_dir: "/nowhere".into(), ..spec };
    let error = attempt(&nowhere, "true").unwrap_err();
    assert!(matches!(&error, SandboxError::Setup { step, .. } if step == "chdir /nowhere"), "{error:?}");
}

#[test]
fn lines_are_bounded_and_streams_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(folder.path());
    spec.limits.line_bytes_max = 10;
    let mut lines = Vec::new();
    let argv = ["sh", "-c", "printf 'abcdefghijklm\\nend'; printf 'error\\n\\n' >&2"].map(str::to_owned);
    let mut sink = |line: Line<'_>| {
        lines.push((line.stream, String::from_utf8(line.bytes.to_vec()).unwrap()));
    };
    run(&spec, &argv, &mut sink).unwrap();
    lines.sort_by_key(|(stream, _)| *stream == Stream::Stderr);
    let lines: Vec<_> = lines.iter().map(|(stream, text)| (*stream, text.as_str())).collect();
    let (out, err) = (Stream::Stdout, Stream::Stderr);
    assert_eq!(lines, [(out, "abcdefghij"), (out, "klm"), (out, "end"), (err, "error"), (err, "")]);
}

#[test]
fn a_running_sandbox_can_be_stopped_and_serves_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let spec = Spec { network: Network::Loopback, ..spec(folder.path()) };
    let script = r#"
        use Socket;
        socket(my $server, PF_INET, SOCK_STREAM, 0) or die "socket $!";
        bind($server, pack_sockaddr_in(0, INADDR_LOOPBACK)) and listen($server, 1) or die "listen $!";
        my ($port) = unpack_sockaddr_in(getsockname($server));
        socket(my $client, PF_INET, SOCK_STREAM, 0) or die "socket $!";
        connect($client, pack_sockaddr_in($port, INADDR_LOOPBACK)) or die "connect $!";
        $| = 1; print "connected\n"; sleep 1000;
    "#;
    let (sender, lines) = std::sync::mpsc::channel();
    let sink = move |line: Line<'_>| {
        let _ = sender.send(String::from_utf8_lossy(line.bytes).into_owned());
    };
    let argv = ["perl", "-e", script].map(str::to_owned).to_vec();
    let mut running = spawn(spec, argv, Box::new(sink)).unwrap();
    assert_eq!(lines.recv().unwrap(), "connected");
    running.stop();
    assert_eq!(running.wait().unwrap().outcome, Outcome::Stopped);
}

#[test]
fn the_caller_takes_part_in_the_network_inside_and_nothing_else_does() {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};

    let folder = tempfile::tempdir().unwrap();
    let spec = Spec { network: Network::Loopback, ..spec(folder.path()) };
    // Answers one connection, then connects to the caller, then sends it a datagram; orphans meanwhile.
    let script = r#"
        use Socket;
        for (1..3) { if (!fork) { fork; select undef, undef, undef, 0.1; exit } }
        socket(my $server, PF_INET, SOCK_STREAM, 0) or die "socket $!";
        bind($server, pack_sockaddr_in(9000, INADDR_LOOPBACK)) and listen($server, 1) or die "listen $!";
        $| = 1; print "listening\n";
        accept(my $peer, $server); syswrite $peer, "from inside"; close $peer;
        socket(my $client, PF_INET, SOCK_STREAM, 0) or die "socket $!";
        connect($client, pack_sockaddr_in(9001, INADDR_LOOPBACK)) or die "connect $!";
        sysread $client, my $text, 100; print "$text\n";
        socket(my $udp, PF_INET, SOCK_DGRAM, 0) or die "socket $!";
        send($udp, "datagram", 0, pack_sockaddr_in(9002, INADDR_LOOPBACK)) or die "send $!";
        exit 5;
    "#;
    let (sender, lines) = std::sync::mpsc::channel();
    let sink = move |line: Line<'_>| {
        let _ = sender.send(String::from_utf8_lossy(line.bytes).into_owned());
    };
    let argv = ["perl", "-e", script].map(str::to_owned).to_vec();
    let running = spawn(spec.clone(), argv, Box::new(sink)).unwrap();
    let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let listener = running.socket(SocketKind::Stream).unwrap();
    rustix::net::bind(&listener, &at(9001)).unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let datagrams = running.socket(SocketKind::Datagram).unwrap();
    rustix::net::bind(&datagrams, &at(9002)).unwrap();
    assert_eq!(lines.recv().unwrap(), "listening");

    let client = running.socket(SocketKind::Stream).unwrap();
    rustix::net::connect(&client, &at(9000)).unwrap();
    let mut text = String::new();
    TcpStream::from(client).read_to_string(&mut text).unwrap();
    assert_eq!(text, "from inside");
    // The port is the sandbox's, not the host's.
    assert!(TcpStream::connect(at(9000)).is_err());
    let accepted = rustix::net::accept(&listener).unwrap();
    TcpStream::from(accepted).write_all(b"from outside").unwrap();
    assert_eq!(lines.recv().unwrap(), "from outside");
    let mut bytes = [0; 100];
    let (read, _) = UdpSocket::from(datagrams).recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..read], b"datagram");
    assert_eq!(running.wait().unwrap().outcome, Outcome::Exited { status: 5 });

    let none =
        spawn(Spec { network: Network::None, ..spec }, vec!["true".to_owned()], Box::new(|_: Line<'_>| {}));
    let error = none.unwrap().socket(SocketKind::Stream).unwrap_err();
    assert!(matches!(error, SandboxError::Watch { .. }), "{error:?}");
}

#[test]
fn no_socket_comes_out_of_a_sandbox_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let spec = Spec { network: Network::Loopback, ..spec(folder.path()) };
    let running = spawn(spec, vec!["true".to_owned()], Box::new(|_: Line<'_>| {})).unwrap();
    while running.is_running() {
        std::thread::yield_now();
    }
    assert!(running.socket(SocketKind::Stream).is_err());
    assert_eq!(running.wait().unwrap().outcome, Outcome::Exited { status: 0 });
}

#[test]
fn fewer_processors_are_seen_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let spec = Spec { cpus_max: Some(1), ..spec(folder.path()) };
    assert_eq!(sealed(&spec, "nproc").1, "1\n");
}
