//! Git servers that lie, flood, explode or break off: an error each, and nothing of it kept.

use std::fs;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use reprove::event::Silent;
use reprove::fetch::FetchError;
use reprove::limits::git::GitLimits;
use reprove::source::git::{GitSourceError, Place, Remotes};

use super::{Cache, LIMITS, TAG, fetcher, files, tagged};
use crate::git_source::mutated;
use crate::server::{Asked, Reply, Server};

fn line(text: &str) -> Vec<u8> {
    packet(format!("{text}\n").as_bytes())
}

fn packet(bytes: &[u8]) -> Vec<u8> {
    [format!("{:04x}", bytes.len() + 4).as_bytes(), bytes].concat()
}

fn git_reply(kind: &str, body: &[u8]) -> Reply {
    Reply::new("200 OK", &[&format!("Content-Type: application/x-git-upload-pack-{kind}")], body)
}

/// A pack as the answer to `fetch`.
fn packed(pack: &[u8]) -> Vec<u8> {
    let mut body = line("packfile");
    for part in pack.chunks(65_000) {
        body.extend(packet(&[&[1], part].concat()));
    }
    body.extend(b"0000");
    body
}

fn number(mut n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (n & 0x7f) as u8;
        n >>= 7;
        bytes.push(if n > 0 { byte | 0x80 } else { byte });
        if n == 0 {
            return bytes;
        }
    }
}

/// A packed object: its kind, the length that it claims, where its base is, and what is deflated.
fn object(kind: u8, len: u64, back: &[u8], content: &[u8]) -> Vec<u8> {
    let first = kind << 4 | (len & 15) as u8;
    let mut bytes = if len < 16 { vec![first] } else { [vec![first | 0x80], number(len >> 4)].concat() };
    bytes.extend(back);
    let mut encoder = flate2::write::ZlibEncoder::new(bytes, flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn pack_of(count: u32, objects: &[Vec<u8>]) -> Vec<u8> {
    [&b"PACK\0\0\0\x02"[..], &count.to_be_bytes(), &objects.concat(), &[0; 20]].concat()
}

/// How far back an object lies, below 16,000 bytes.
fn back(n: usize) -> Vec<u8> {
    match n {
        0..128 => vec![n as u8],
        _ => vec![(((n >> 7) - 1) as u8) | 0x80, (n & 0x7f) as u8],
    }
}

/// A change that copies the whole of a base of `len` bytes, over and over.
fn growing(len: u64, times: u64) -> Vec<u8> {
    let mut bytes = [number(len), number(len * times)].concat();
    for _ in 0..times {
        // Copy `len` bytes from the start: one byte of offset is left out, two of length are given.
        bytes.extend([0xb0, (len & 0xff) as u8, (len >> 8) as u8]);
    }
    bytes
}

const COMMIT: &str = "3333333333333333333333333333333333333333";

/// A server with this answer to `fetch`.
fn lying(fetch: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
    answering(|| refs(&format!("{COMMIT} refs/tags/{TAG}")), fetch)
}

fn refs(text: &str) -> Reply {
    git_reply("result", &[line(text), b"0000".to_vec()].concat())
}

fn answering(
    refs: impl Fn() -> Reply + Send + Sync + 'static,
    fetch: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> Server {
    Server::new(move |asked| {
        let text = String::from_utf8_lossy(&asked.body).into_owned();
        match asked.method.as_str() {
            "GET" => git_reply("advertisement", &capabilities()),
            _ if text.contains("command=ls-refs") => refs(),
            _ => fetch(asked),
        }
    })
}

fn capabilities() -> Vec<u8> {
    let lines = ["version 2", "agent=x", "ls-refs", "fetch=shallow filter", "object-format=sha1"];
    [lines.map(line).concat(), b"0000".to_vec()].concat()
}

/// Small bounds, so that what is endless ends soon.
const SMALL: GitLimits = GitLimits {
    pack_bytes_max: 400_000,
    said_bytes_max: 10_000,
    refs_bytes_max: 100_000,
    pack_objects_max: 1_000,
    file_bytes_max: 1 << 20,
    tree_bytes_max: 4 << 20,
    delta_depth_max: 10,
    ..GitLimits::DEFAULT
};

fn refused(server: &Server) -> GitSourceError {
    let cache = Cache::new();
    let error = cache.open(&server.url("/o/n"), None, &SMALL).unwrap_err();
    // Whatever it was, nothing of it is in the store.
    for store in fs::read_dir(cache.0.path()).unwrap().flatten() {
        let kept = fs::read_dir(store.path().join("objects/pack")).unwrap().count();
        let left = fs::read_dir(store.path()).unwrap().flatten();
        let left = left.filter(|e| e.file_name().to_string_lossy().starts_with("incoming")).count();
        assert_eq!((kept, left), (0, 0), "{error}");
    }
    error
}

#[test]
fn packs_that_lie_or_explode_are_refused() {
    let blob = |content: &[u8]| object(3, content.len() as u64, &[], content);
    let chain = {
        let mut all = vec![object(3, 4, &[], b"base")];
        for _ in 0..12 {
            let delta = growing(4, 1);
            let before = all.last().map_or(0, Vec::len);
            all.push(object(6, delta.len() as u64, &back(before), &delta));
        }
        all
    };
    let base = vec![7u8; 60_000];
    let grown = growing(60_000, 200);
    let bomb = vec![blob(&base), object(6, grown.len() as u64, &back(blob(&base).len()), &grown)];
    let many: Vec<Vec<u8>> = (0..6).map(|n| blob(&vec![n; 1_000_000])).collect();
    let cut = blob(b"some content that is cut off");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no pack", b"<html>this is no pack at all</html>".to_vec(), "no pack of version 2"),
        ("nothing in it", pack_of(0, &[]), "it holds nothing"),
        ("too many objects", pack_of(1_001, &[]), "pack_objects_max"),
        ("a length beyond the bound", pack_of(1, &[object(3, 1 << 40, &[], b"x")]), "file_bytes_max"),
        ("a tree beyond the bound", pack_of(1, &[object(2, 1 << 30, &[], b"x")]), "object_bytes_max"),
        ("longer than it says", pack_of(1, &[object(3, 3, &[], b"longer")]), "longer than its header says"),
        ("shorter than it says", pack_of(1, &[object(3, 9, &[], b"short")]), "shorter than its header says"),
        ("a bomb of zeros", pack_of(1, &[object(3, 5, &[], &vec![0; 300_000])]), "longer than its header"),
        ("a change that explodes", pack_of(2, &bomb), "file_bytes_max"),
        ("changes upon changes", pack_of(13, &chain), "delta_depth_max"),
        ("a change of nothing", pack_of(1, &[object(6, 2, &[5], b"\x04\x04")]), "no object before it"),
        ("a change by name", pack_of(1, &[object(7, 2, &[3; 20], b"\x04\x04")]), "by its name"),
        ("much in all", pack_of(6, &many), "tree_bytes_max"),
        ("an unknown kind", pack_of(1, &[object(5, 1, &[], b"x")]), "unknown kind"),
        ("no deflated bytes", pack_of(1, &[vec![0x31, 0xff, 0xff, 0xff, 0xff, 0xff]]), "cannot be inflated"),
        ("an endless header", pack_of(1, &[vec![0xff; 40]]), "beyond all numbers"),
        ("cut off", pack_of(1, &[cut[..10].to_vec()])[..22].to_vec(), "it ends too early"),
        ("more than it says", [pack_of(1, &[blob(b"x")]), b"more".to_vec()].concat(), "after its checksum"),
        ("a wrong checksum", pack_of(1, &[blob(b"x")]), "the server's pack cannot be taken"),
    ];
    for (what, pack, expected) in cases {
        let body = packed(&pack);
        let error = refused(&lying(move |_| git_reply("result", &body)));
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
}

/// libgit2 gives every object the name that its bytes hash to: under the wanted name there is nothing.
#[test]
fn an_object_under_another_name_is_not_the_wanted_one() {
    let (made, commit, _) = tagged();
    let mut builder = made.repository.packbuilder().unwrap();
    builder.insert_commit(commit).unwrap();
    let mut pack = git2::Buf::new();
    builder.write_buf(&mut pack).unwrap();
    let body = packed(&pack);
    let server = lying(move |_| git_reply("result", &body));
    let error = Cache::new().open(&server.url("/o/n"), None, &SMALL).unwrap_err();
    assert!(error.to_string().contains(&format!("does not give the object {COMMIT}")), "{error}");
    let mut flipped = pack.to_vec();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let body = packed(&flipped);
    let error = refused(&lying(move |_| git_reply("result", &body)));
    assert!(matches!(error, GitSourceError::Pack { .. }), "{error}");
    // The commit alone, with none of its folders.
    let mut builder = made.repository.packbuilder().unwrap();
    builder.insert_object(commit, None).unwrap();
    let mut pack = git2::Buf::new();
    builder.write_buf(&mut pack).unwrap();
    let body = packed(&pack);
    let server =
        answering(move || refs(&format!("{commit} refs/tags/{TAG}")), move |_| git_reply("result", &body));
    let error = Cache::new().open(&server.url("/o/n"), None, &SMALL).unwrap_err();
    assert!(error.to_string().contains("all folders of commit"), "{error}");
}

/// Packs with a few bytes changed: what is taken is the commit that was wanted with all its files, and
/// everything else is an error that leaves nothing behind.
#[test]
fn damaged_packs_are_refused_whole() {
    let (made, commit, _) = tagged();
    let mut builder = made.repository.packbuilder().unwrap();
    builder.insert_commit(commit).unwrap();
    let mut pack = git2::Buf::new();
    builder.write_buf(&mut pack).unwrap();
    let now = Arc::new(Mutex::new(pack.to_vec()));
    let served = Arc::clone(&now);
    let server = answering(
        move || refs(&format!("{commit} refs/tags/{TAG}")),
        move |_| git_reply("result", &packed(&served.lock().unwrap())),
    );
    let first = Cache::new();
    let whole = first.open(&server.url("/o/n"), None, &SMALL).unwrap().clone;
    let names = files(&whole);
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..150 {
        *now.lock().unwrap() = mutated(&pack, seed);
        let cache = Cache::new();
        match cache.open(&server.url("/o/n"), None, &SMALL) {
            Ok(opened) => {
                assert_eq!(files(&opened.clone), names, "{seed}");
                taken += 1;
            }
            Err(error) => {
                let store = fs::read_dir(cache.0.path()).unwrap().flatten().next().unwrap().path();
                let kept = fs::read_dir(store.join("objects/pack")).unwrap().count();
                assert_eq!(kept, 0, "{seed}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 140, "{taken} taken, {refused} refused");
}

#[test]
fn answers_against_the_protocol_are_refused() {
    type Answer = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;
    let result = |body: Vec<u8>| -> Answer { Box::new(move |_| git_reply("result", &body)) };
    let cases: Vec<(&str, Answer, &str)> = vec![
        (
            "keep-alives without end",
            result([line("packfile"), packet(&[1]).repeat(9_000)].concat()),
            "beside the pack",
        ),
        (
            "progress without end",
            result([line("packfile"), packet(&[&[2], &[b'.'; 900][..]].concat()).repeat(40)].concat()),
            "beside the pack",
        ),
        (
            "empty packets without end",
            result([line("packfile"), b"0004".repeat(9_000)].concat()),
            "was not expected there",
        ),
        (
            "shallow lines without end",
            result([line("shallow-info"), line(&format!("shallow {COMMIT}")).repeat(900)].concat()),
            "beside the pack",
        ),
        (
            "more bytes than any pack",
            Box::new(|_| git_reply("result", &packed(&vec![0; 500_000]))),
            "no pack of version 2",
        ),
        (
            "a reason",
            result(packet(b"ERR not our ref\x1b[31m\n")),
            "refused what was asked: not our ref\\u{1b}[31m",
        ),
        ("a reason beside", result([line("packfile"), packet(b"\x03fatal: no\n")].concat()), "fatal: no"),
        ("an unknown section", result(line("packfile-uris")), "`packfile-uris` was not expected there"),
        ("no length", result(b"zzzzPACK".to_vec()), "is no length of a packet"),
        ("nothing", result(b"0000".to_vec()), "ends before the pack"),
        (
            "another type",
            Box::new(|_| Reply::new("200 OK", &["Content-Type: text/html"], b"<html>")),
            "of the type `text/html`",
        ),
        ("elsewhere", Box::new(|_| Reply::redirect("/elsewhere")), "only the first question"),
        ("an error", Box::new(|_| Reply::status("403 Forbidden")), "answered 403"),
        (
            "silence",
            Box::new(|_| {
                Reply::announcing(
                    "200 OK",
                    &["Content-Type: application/x-git-upload-pack-result"],
                    b"0010",
                    99,
                )
                .then_stall()
            }),
            "stalled",
        ),
    ];
    for (what, fetch, expected) in cases {
        let error = refused(&lying(fetch));
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
    let flood: Vec<u8> = (0..3_000).flat_map(|n| line(&format!("{COMMIT} refs/tags/{TAG}-{n}"))).collect();
    let twice = [line(&format!("{COMMIT} refs/tags/{TAG}")).repeat(2), b"0000".to_vec()].concat();
    for (what, body, expected) in [
        ("a flood of refs", flood, "is too long"),
        ("one ref twice", twice, "twice"),
        ("no ref", line("HEAD"), "is no ref"),
        ("no end", line(&format!("{COMMIT} refs/tags/{TAG}")), "the connection to"),
        ("no such tag", b"0000".to_vec(), "does not give the tag"),
    ] {
        let error = refused(&answering(move || git_reply("result", &body), |_| Reply::status("500 X")));
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
}

#[test]
fn servers_of_other_kinds_and_other_hosts_are_refused() {
    let other = Arc::new(lying(|_| Reply::status("500 X")));
    let to_other = format!("{}/info/refs?service=git-upload-pack", other.url("/o/n"));
    type Case = (&'static str, Reply, &'static str);
    let old = [line("# service=git-upload-pack"), b"0000".to_vec(), line(&format!("{COMMIT} HEAD\0caps"))];
    let cases: Vec<Case> = vec![
        ("a web page", Reply::new("200 OK", &["Content-Type: text/html"], b"<html>"), "no git server"),
        ("the first version", git_reply("advertisement", &old.concat()), "version 2"),
        (
            "no shallow",
            git_reply(
                "advertisement",
                &[line("version 2"), line("ls-refs"), line("fetch"), b"0000".to_vec()].concat(),
            ),
            "without their history",
        ),
        (
            "SHA-256",
            git_reply(
                "advertisement",
                &[
                    line("version 2"),
                    line("ls-refs"),
                    line("fetch=shallow"),
                    line("object-format=sha256"),
                    b"0000".to_vec(),
                ]
                .concat(),
            ),
            "not named by SHA-1",
        ),
        ("another host", Reply::redirect(&to_other), "another host"),
        ("another place", Reply::redirect("/elsewhere"), "no place of a repository"),
        ("a file", Reply::redirect("file:///etc/passwd"), "only `http:` and `https:`"),
        ("in circles", Reply::redirect("/o/n/info/refs?service=git-upload-pack"), "more than 5 times"),
        ("nowhere", Reply::status("404 Not Found"), "is missing"),
        (
            "lines without end",
            git_reply("advertisement", &[line("version 2"), line("x").repeat(4_000)].concat()),
            "too long",
        ),
    ];
    for (what, reply, expected) in cases {
        let reply = Arc::new(reply);
        let server = Server::new(move |_| reply.again());
        let error = refused(&server);
        assert!(error.to_string().contains(expected), "{what}: {error}");
    }
    assert_eq!(other.asked().len(), 0, "the other host was never asked");
    for url in
        ["http://git.example.invalid/o/n", "file:///o/n", "git://127.0.0.1/o/n", "https://h.invalid/o?x"]
    {
        let error = Cache::new().open(url, None, &SMALL).unwrap_err();
        assert!(matches!(error, GitSourceError::Fetch(FetchError::Address { .. })), "{url}: {error}");
    }
    for tag in ["../x", "", "/etc"] {
        let (fetcher, cache) = (fetcher(), Cache::new());
        let remotes =
            Remotes { fetcher: &fetcher, folder: cache.0.path(), observer: &Silent, limits: &LIMITS };
        let error = remotes.open(&Place::Address(other.url("/o/n")), tag, None).unwrap_err();
        assert!(matches!(error, GitSourceError::NotGiven { .. }), "{tag}: {error}");
    }
}
