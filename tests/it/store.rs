//! The store under several processes, sudden death and full disks. The test binary starts itself as
//! the other process.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reprove::digest::Digest;
use reprove::event::{Silent, Stage};
use reprove::fetch::{Fetcher, Length, Proxies, Request};
use reprove::limits::fetch::FetchLimits;
use reprove::store::{Store, StoreError};

use crate::server::{Reply, Server};

/// What a child process is told: its role, then the store's folder, then the role's argument.
const ROLE: &str = "REPROVE_TEST_ROLE";

/// The bytes of the object of that number, 1 to 64 KiB of them.
fn object(number: u32) -> Vec<u8> {
    let len = 1024 + (number as usize * 7919) % (63 * 1024);
    (0..len).map(|i| (i as u32).wrapping_mul(number | 1).to_le_bytes()[1]).collect()
}

/// Not a test of its own: what the tests below start as another process.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut words = role.split('|');
    let (role, root) = (words.next().unwrap(), Path::new(words.next().unwrap()));
    let argument = words.next().unwrap_or_default();
    let open = || Store::open(root).unwrap();
    match role {
        "put-for-ever" => {
            let store = open();
            for number in argument.parse::<u32>().unwrap().. {
                let bytes = object(number);
                store.put(Dribble(&bytes), &Digest::sha256(&bytes), bytes.len() as u64).unwrap();
                if number % 16 == 0 {
                    println!("busy");
                }
            }
        }
        "put-all" => {
            for number in 0..200 {
                let bytes = object(number);
                // Opened anew each time, so that sweeping and writing meet.
                open().put(bytes.as_slice(), &Digest::sha256(&bytes), bytes.len() as u64).unwrap();
            }
        }
        "fetch" => {
            let bytes = object(77);
            let fetched = Fetcher::new(Proxies::None, FetchLimits::DEFAULT).fetch(
                &open(),
                &wanted(argument, &bytes),
                Stage::Source,
                &Silent,
            );
            println!("{}", fetched.is_ok());
        }
        "put-until-full" => {
            let store = open();
            let small = store.insert(b"small").map(|o| o.digest);
            let large = store.put(std::io::repeat(7).take(8 << 20), &Digest::sha256(b"other"), 8 << 20);
            println!("small: {}", small.is_ok());
            println!("large: {}", matches!(large, Err(StoreError::Full { .. })));
            let swept = fs::read_dir(root.join("temp")).unwrap().count();
            println!("left in temp: {swept}");
            println!("intact: {}", store.verify(&Silent).unwrap().intact);
            println!("after: {}", store.insert(b"another").is_ok());
        }
        other => panic!("no role `{other}`"),
    }
}

/// A few bytes at a time, so that death often finds a half-written file.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = buffer.len().min(512);
        self.0.read(&mut buffer[..n])
    }
}

fn wanted(url: &str, bytes: &[u8]) -> Request {
    Request {
        urls: vec![url.to_owned()],
        digest: Digest::sha256(bytes),
        length: Length::Exactly(bytes.len() as u64),
    }
}

fn role(role: &str, root: &Path, argument: &str) -> String {
    format!("{role}|{}|{argument}", root.display())
}

/// Arguments that make the test binary run [`child`] only.
const CHILD_ARGUMENTS: [&str; 3] = ["--exact", "store::child", "--nocapture"];

fn start(what: &str, root: &Path, argument: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(CHILD_ARGUMENTS)
        .env(ROLE, role(what, root, argument))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(line: &str, out: &mut BufReader<ChildStdout>) {
    let mut said = String::new();
    while !said.trim_end().ends_with(line) {
        said.clear();
        assert!(out.read_line(&mut said).unwrap() > 0, "the child ended before it said `{line}`");
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn sudden_death_never_leaves_half_an_object() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let mut caught_writing = 0;
    for round in 0..40u32 {
        let mut child = start("put-for-ever", &root, &(round * 10_000).to_string());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        wait_for("busy", &mut out);
        // Different for each round, so that death comes at different moments.
        std::thread::sleep(Duration::from_micros(u64::from(round) * 137));
        child.kill().unwrap();
        child.wait().unwrap();
        caught_writing += count(&root.join("temp"));
        let store = Store::open(&root).unwrap();
        assert_eq!(count(&root.join("temp")), 0, "what the dead left is swept");
        let seen = store.verify(&Silent).unwrap();
        assert!(seen.corrupted.is_empty() && seen.foreign.is_empty() && seen.intact > 0, "{seen:?}");
    }
    assert!(caught_writing > 0, "no round died in the middle of a file: nothing was tested");
}

#[test]
fn several_processes_share_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let mut children: Vec<_> = (0..4).map(|_| start("put-all", &root, "")).collect();
    let store = Store::open(&root).unwrap();
    // A collection in between is refused, or removes nothing that anybody named.
    let keep: BTreeSet<Digest> = (0..200).map(|n| Digest::sha256(&object(n))).collect();
    for _ in 0..20 {
        match store.gc(&keep, "9000-01-01T00:00:00Z".parse().unwrap()) {
            Ok(freed) => assert_eq!(freed.objects, 0),
            Err(e) => assert!(matches!(e, StoreError::InUse { .. }), "{e}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let seen = store.verify(&Silent).unwrap();
    assert_eq!((seen.intact, seen.corrupted.len(), seen.foreign.len()), (200, 0, 0));
    assert_eq!((count(&root.join("temp")), count(&root.join("partial"))), (0, 0));
}

#[test]
fn a_killed_download_is_resumed_by_the_next_run() {
    let bytes = object(77);
    let half = bytes.len() / 2;
    let served = bytes.clone();
    let server = Server::new(move |asked| match asked.before {
        0 => Reply::announcing("200 OK", &["ETag: \"t\""], &served[..half], served.len()).then_stall(),
        _ => Reply::file(asked, &served, "\"t\""),
    });
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("store");
    let request = wanted(&server.url("/f"), &bytes);
    let partial = root.join("partial").join(format!("sha256-{}", request.digest.to_hex()));
    let mut child = start("fetch", &root, &server.url("/f"));
    while fs::metadata(&partial).map_or(0, |m| m.len()) < half as u64 {
        assert!(child.try_wait().unwrap().is_none(), "the child ended early");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let store = Store::open(&root).unwrap();
    assert_eq!(store.get(&request.digest).unwrap(), None);
    let object = Fetcher::new(Proxies::None, FetchLimits::DEFAULT)
        .fetch(&store, &request, Stage::Source, &Silent)
        .unwrap();
    assert_eq!(object.read(1 << 20).unwrap(), bytes);
    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].range_start(), Some(half), "only the missing half is asked for");
}

/// Runs the full-disk role below a shell that has narrowed the disk, and gives what it printed.
fn until_full(shell: &mut Command, root: &Path) -> Option<String> {
    let out = shell
        .env(ROLE, role("put-until-full", root, ""))
        .env("TEST_BINARY", std::env::current_exe().unwrap())
        .env("TEST_ARGUMENTS", CHILD_ARGUMENTS.join(" "))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines: Vec<_> =
        text.lines().filter(|l| l.contains(": ") && !l.starts_with("test ")).map(str::to_owned).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

const FULL_AND_WHOLE: &str = "small: true\nlarge: true\nleft in temp: 0\nintact: 1\nafter: true";

#[test]
fn a_limit_on_file_size_is_a_full_disk_and_the_store_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    // In blocks of 512 bytes; without the trap the kernel would end the process.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$TEST_BINARY\" $TEST_ARGUMENTS"]);
    assert_eq!(until_full(&mut shell, &dir.path().join("store")).as_deref(), Some(FULL_AND_WHOLE));
}

#[test]
fn a_full_disk_gives_a_clear_error_and_the_store_stays_whole() {
    let dir = tempfile::tempdir().unwrap();
    let probe = Command::new("unshare").args(["-rm", "true"]).output();
    if !probe.is_ok_and(|o| o.status.success()) {
        println!("no user namespaces here: the file size limit's test has to do");
        return;
    }
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-c"]).arg(format!(
        "mount -t tmpfs -o size=2m tmpfs '{}' && exec \"$TEST_BINARY\" $TEST_ARGUMENTS",
        dir.path().display()
    ));
    assert_eq!(until_full(&mut shell, &dir.path().join("store")).as_deref(), Some(FULL_AND_WHOLE));
    assert_eq!(count(dir.path()), 0, "only the small disk was written to");
}
