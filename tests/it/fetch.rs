//! The fetcher against servers good, bad and hostile.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use reprove::digest::Digest;
use reprove::event::{Event, Observer, Silent, Stage};
use reprove::fetch::{Availability, FetchError, Fetcher, Length, Proxies, Request, Small};
use reprove::limits::fetch::FetchLimits;
use reprove::store::{Object, Store};

use crate::server::{Asked, Reply, Server};

/// Quick to give up, so that a stall is told within a test.
const QUICK: FetchLimits = FetchLimits {
    stall_timeout: Duration::from_millis(250),
    retries_max: 2,
    retry_pause: Duration::from_millis(1),
    ..FetchLimits::DEFAULT
};

/// No second try.
const ONCE: FetchLimits = FetchLimits { retries_max: 0, ..QUICK };

fn fetcher(limits: FetchLimits) -> Fetcher {
    Fetcher::new(Proxies::None, limits)
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

/// Bytes that differ at every place and from seed to seed.
fn body(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn request(urls: &[String], bytes: &[u8]) -> Request {
    Request {
        urls: urls.to_vec(),
        digest: Digest::sha256(bytes),
        length: Length::Exactly(bytes.len() as u64),
    }
}

fn fetch(store: &Store, limits: FetchLimits, request: &Request) -> Result<Object, FetchError> {
    fetcher(limits).fetch(store, request, Stage::Source, &Silent)
}

#[test]
fn files_come_eight_at_a_time_and_a_second_run_asks_for_nothing() {
    let files: Vec<Vec<u8>> = (0..24).map(|n| body(5000 + n, n as u32)).collect();
    let served = files.clone();
    // Answers only when eight ask at once: fewer streams would wait for ever.
    let (gate, now, most) = (Barrier::new(8), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let server = Server::new(move |asked| {
        seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        gate.wait();
        now.fetch_sub(1, Ordering::SeqCst);
        let index: usize = asked.target[1..].parse().unwrap();
        Reply::file(asked, &served[index], "\"t\"")
    });
    let requests: Vec<_> =
        files.iter().enumerate().map(|(n, f)| request(&[server.url(&format!("/{n}"))], f)).collect();
    let (_dir, store) = store();
    for _run in 0..2 {
        let answers =
            fetcher(FetchLimits::DEFAULT).fetch_all(&store, &requests, Stage::Environment, &Silent).unwrap();
        for (answer, file) in answers.iter().zip(&files) {
            assert_eq!(&answer.as_ref().unwrap().read(10_000).unwrap(), file);
        }
        assert_eq!(server.asked().len(), 24);
    }
    assert_eq!(most.load(Ordering::SeqCst), 8);
}

/// Serves a file whose first answer breaks off after `cut` bytes.
fn breaking(bytes: &[u8], cut: usize, tag: &'static str) -> Server {
    let bytes = bytes.to_vec();
    Server::new(move |asked| match asked.before {
        0 => Reply::announcing("200 OK", &[&format!("ETag: {tag}")], &bytes[..cut], bytes.len()),
        _ => Reply::file(asked, &bytes, "\"one\""),
    })
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let bytes = body(300_000, 1);
    let server = breaking(&bytes, 200_000, "\"one\"");
    let (_dir, store) = store();
    let object = fetch(&store, QUICK, &request(&[server.url("/f")], &bytes)).unwrap();
    assert_eq!(object.read(300_000).unwrap(), bytes);
    let asked = server.asked();
    let [first, second] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((first.header("range"), first.header("accept-encoding")), (None, Some("identity")));
    assert_eq!((second.header("range"), second.header("if-range")), (Some("bytes=200000-"), Some("\"one\"")));
}

#[test]
fn the_next_run_resumes_and_a_changed_file_starts_again() {
    for (tag, then) in [("\"one\"", "206"), ("\"other\"", "200"), ("W/\"one\"", "206")] {
        let bytes = body(90_000, 2);
        let server = breaking(&bytes, 50_000, tag);
        let wanted = request(&[server.url("/f")], &bytes);
        let (dir, store) = store();
        let error = fetch(&store, ONCE, &wanted).unwrap_err();
        assert!(matches!(error, FetchError::Connection { .. }), "{error}");
        assert_eq!(store.get(&wanted.digest).unwrap(), None);
        drop(store);
        let store = Store::open(&dir.path().join("store")).unwrap();
        assert_eq!(fetch(&store, ONCE, &wanted).unwrap().read(90_000).unwrap(), bytes, "{tag}");
        let last = server.asked().pop().unwrap();
        assert_eq!(last.range_start(), Some(50_000));
        let expected = if tag.starts_with('W') { None } else { Some(tag) };
        assert_eq!(last.header("if-range"), expected, "{then}");
        assert_eq!(fs::read_dir(store.root().join("partial")).unwrap().count(), 0);
    }
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let bytes = body(90_000, 3);
    let served = bytes.clone();
    let server = Server::new(move |asked| match asked.before {
        0 => Reply::announcing("200 OK", &[], &served[..40_000], served.len()),
        _ => Reply::ok(&served),
    });
    let (_dir, store) = store();
    let object = fetch(&store, QUICK, &request(&[server.url("/f")], &bytes)).unwrap();
    assert_eq!(object.read(90_000).unwrap(), bytes);
}

/// Leaves a part in the store as if another run had been cut off.
fn plant_partial(store: &Store, digest: &Digest, bytes: &[u8]) {
    fs::write(store.root().join("partial").join(format!("sha256-{}", digest.to_hex())), bytes).unwrap();
}

#[test]
fn the_same_bytes_under_many_names_are_asked_for_once_and_nobody_waits_for_them() {
    // Sixteen names of one file and eight files: answered only when the file and seven others are asked
    // for at once, which takes eight streams of which none waits for another's download.
    let (same, gate) = (body(5000, 1), Barrier::new(8));
    let others: Vec<Vec<u8>> = (0..7).map(|n| body(4000 + n, 2 + n as u32)).collect();
    let (served, rest) = (same.clone(), others.clone());
    let server = Server::new(move |asked| {
        gate.wait();
        match asked.target[1..].parse::<usize>() {
            Ok(index) => Reply::file(asked, &rest[index], "\"t\""),
            Err(_) => Reply::file(asked, &served, "\"t\""),
        }
    });
    let mut requests: Vec<_> =
        (0..16).map(|n| request(&[server.url(&format!("/same-{n}"))], &same)).collect();
    requests.extend(others.iter().enumerate().map(|(n, f)| request(&[server.url(&format!("/{n}"))], f)));
    let (_dir, store) = store();
    let answers =
        fetcher(FetchLimits::DEFAULT).fetch_all(&store, &requests, Stage::Environment, &Silent).unwrap();
    for (answer, wanted) in answers.into_iter().zip(&requests) {
        assert_eq!(answer.unwrap().digest, wanted.digest);
    }
    assert_eq!(server.asked().len(), 8);
}

#[test]
fn bytes_that_one_name_does_not_give_are_asked_for_under_the_next() {
    let bytes = body(3000, 9);
    let served = bytes.clone();
    let server = Server::new(move |asked| match asked.target.as_str() {
        "/gone" => Reply::status("404 Not Found"),
        _ => Reply::file(asked, &served, "\"t\""),
    });
    let requests = [request(&[server.url("/gone")], &bytes), request(&[server.url("/there")], &bytes)];
    let (_dir, store) = store();
    let answers = fetcher(ONCE).fetch_all(&store, &requests, Stage::Environment, &Silent).unwrap();
    assert!(matches!(&answers[..], [Err(_), Ok(_)]), "{answers:?}");
}

#[test]
fn a_wrong_part_of_an_earlier_run_is_forgiven_once() {
    let bytes = body(90_000, 4);
    let parts: [&[u8]; 4] = [&body(40_000, 5), &body(90_000, 6), &body(90_001, 7), &bytes];
    for part in parts {
        let served = bytes.clone();
        let server = Server::new(move |asked| Reply::file(asked, &served, "\"t\""));
        let wanted = request(&[server.url("/f")], &bytes);
        let (_dir, store) = store();
        plant_partial(&store, &wanted.digest, part);
        assert_eq!(fetch(&store, ONCE, &wanted).unwrap().read(90_000).unwrap(), bytes);
        assert_eq!(server.asked().is_empty(), part == bytes, "a whole part needs no request");
    }
}

#[test]
fn a_range_that_was_not_asked_for_is_refused() {
    let bytes = body(1000, 8);
    for range in
        ["bytes 0-999/1000", "bytes 500-499/1000", "bytes 501-999/1000", "bites 500-999/1000", "bytes 500-"]
    {
        let served = bytes.clone();
        let line = format!("Content-Range: {range}");
        let server = Server::new(move |_| Reply::new("206 Partial Content", &[&line], &served[500..]));
        let wanted = request(&[server.url("/f")], &bytes);
        let (_dir, store) = store();
        plant_partial(&store, &wanted.digest, &bytes[..500]);
        let error = fetch(&store, ONCE, &wanted).unwrap_err();
        assert!(matches!(error, FetchError::Protocol { .. }), "{range}: {error}");
    }
}

type Check = fn(&FetchError) -> bool;
type Answer = Box<dyn Fn() -> Reply + Send + Sync>;

#[test]
fn hostile_servers_get_an_error_of_their_own_and_leave_nothing() {
    let bytes = body(10_000, 9);
    let garbage = body(10_000, 10);
    let bomb = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Header: y\r\n".repeat(100_000));
    let answers: Vec<(&str, Answer, Check)> = vec![
        ("announces too little", Box::new(|| Reply::ok(&[0; 9999])), |e| {
            matches!(e, FetchError::TooShort { expected_bytes: 10_000, found_bytes: 9999, .. })
        }),
        ("announces too much", Box::new(|| Reply::ok(&[0; 10_001])), |e| {
            matches!(e, FetchError::TooLong { expected_bytes_max: 10_000, found_bytes: 10_001, .. })
        }),
        ("sends too little", Box::new(|| Reply::chunked(&[7; 9000])), |e| {
            matches!(e, FetchError::TooShort { found_bytes: 9000, .. })
        }),
        ("sends too much", Box::new(|| Reply::chunked(&[7; 500_000])), |e| {
            matches!(e, FetchError::TooLong { .. })
        }),
        ("sends garbage", Box::new(move || Reply::ok(&garbage)), |e| matches!(e, FetchError::Digest { .. })),
        ("breaks off", Box::new(|| Reply::announcing("200 OK", &[], &[7; 10], 10_000)), |e| {
            matches!(e, FetchError::Connection { .. })
        }),
        ("says nothing", Box::new(|| Reply::raw("").then_stall()), |e| {
            matches!(e, FetchError::Stalled { len_bytes: 0, .. })
        }),
        ("stalls", Box::new(|| Reply::announcing("200 OK", &[], &[7; 10], 10_000).then_stall()), |e| {
            matches!(e, FetchError::Stalled { len_bytes: 10.., .. })
        }),
        ("drips", Box::new(|| Reply::ok(&[7; 10_000]).dripping(9000, Duration::from_millis(20))), |e| {
            matches!(e, FetchError::Stalled { .. })
        }),
        ("has none", Box::new(|| Reply::status("404 Not Found")), |e| {
            matches!(e, FetchError::Missing { status: 404, .. })
        }),
        ("fails", Box::new(|| Reply::status("500 Oops")), |e| {
            matches!(e, FetchError::Status { status: 500, .. })
        }),
        ("forbids", Box::new(|| Reply::status("403 No")), |e| {
            matches!(e, FetchError::Status { status: 403, .. })
        }),
        ("has no content", Box::new(|| Reply::status("204 No Content")), |e| {
            matches!(e, FetchError::Status { status: 204, .. })
        }),
        ("turns in circles", Box::new(|| Reply::redirect("/f")), |e| {
            matches!(e, FetchError::Redirects { redirects_max: 5, .. })
        }),
        ("leads to a file", Box::new(|| Reply::redirect("file:///etc/passwd")), |e| {
            matches!(e, FetchError::RedirectTarget { .. })
        }),
        ("leads nowhere", Box::new(|| Reply::redirect("http://[")), |e| {
            matches!(e, FetchError::Protocol { .. })
        }),
        ("redirects without a target", Box::new(|| Reply::status("302 Found")), |e| {
            matches!(e, FetchError::Protocol { .. })
        }),
        ("speaks another protocol", Box::new(|| Reply::raw("220 ftp ready\r\n")), |e| {
            matches!(e, FetchError::Connection { .. })
        }),
        ("bombs with headers", Box::new(move || Reply::raw(bomb.clone())), |e| {
            matches!(e, FetchError::Connection { .. })
        }),
    ];
    for (what, answer, check) in answers {
        let server = Server::new(move |_| answer());
        let wanted = request(&[server.url("/f")], &bytes);
        let (_dir, store) = store();
        let error = fetch(&store, ONCE, &wanted).unwrap_err();
        assert!(check(&error), "{what}: {error:?}");
        assert_eq!(store.get(&wanted.digest).unwrap(), None, "{what}");
        // Whatever it left, a good server makes it whole.
        let served = bytes.clone();
        let good = Server::new(move |asked| Reply::file(asked, &served, "\"t\""));
        let wanted = request(&[good.url("/f")], &bytes);
        assert_eq!(fetch(&store, ONCE, &wanted).unwrap().read(10_000).unwrap(), bytes, "{what}");
    }
}

#[test]
fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
    let cases = [
        ("500 Oops", 2, 3, true),
        ("503 Busy", 1, 2, true),
        ("429 Slow", 2, 3, true),
        ("500 Oops", 9, 3, false),
        ("404 Not Found", 9, 1, false),
        ("403 No", 9, 1, false),
        ("410 Gone", 9, 1, false),
    ];
    for (status, failures, requests, ends_well) in cases {
        let bytes = body(100, 11);
        let served = bytes.clone();
        let server =
            Server::new(
                move |asked| {
                    if asked.before < failures { Reply::status(status) } else { Reply::ok(&served) }
                },
            );
        let (_dir, store) = store();
        let answer = fetch(&store, QUICK, &request(&[server.url("/f")], &bytes));
        assert_eq!((answer.is_ok(), server.asked().len()), (ends_well, requests), "{status}");
    }
}

#[test]
fn mirrors_are_tried_in_order_and_each_failure_is_told() {
    let bytes = body(100, 12);
    let served = bytes.clone();
    let server = Server::new(move |asked| match asked.target.as_str() {
        "/good" => Reply::ok(&served),
        "/bad" => Reply::ok(&body(100, 13)),
        _ => Reply::status("404 Not Found"),
    });
    let urls = |paths: &[&str]| paths.iter().map(|p| server.url(p)).collect::<Vec<_>>();
    let (_dir, store) = store();
    let error = fetch(&store, QUICK, &request(&urls(&["/bad", "/none"]), &bytes)).unwrap_err();
    let FetchError::EveryAddress { failures, .. } = &error else { panic!("{error:?}") };
    assert!(matches!(failures.as_slice(), [FetchError::Digest { .. }, FetchError::Missing { .. }]));
    assert!(!error.is_missing());
    assert!(fetch(&store, QUICK, &request(&urls(&["/x", "/y"]), &bytes)).unwrap_err().is_missing());
    assert!(matches!(fetch(&store, QUICK, &request(&[], &bytes)), Err(FetchError::NoAddress { .. })));
    fetch(&store, QUICK, &request(&urls(&["/none", "/bad", "/good", "/never"]), &bytes)).unwrap();
    assert!(server.asked().iter().all(|a| a.target != "/never"));
}

#[test]
fn one_missing_file_does_not_keep_the_others_away() {
    let bytes = body(100, 14);
    let served = bytes.clone();
    let server = Server::new(move |asked| match asked.target.as_str() {
        "/good" => Reply::ok(&served),
        _ => Reply::status("404 Not Found"),
    });
    let requests = [request(&[server.url("/none")], b"other"), request(&[server.url("/good")], &bytes)];
    let (_dir, store) = store();
    let answers = fetcher(QUICK).fetch_all(&store, &requests, Stage::Source, &Silent).unwrap();
    assert!(answers[0].as_ref().is_err_and(FetchError::is_missing) && answers[1].is_ok());
}

#[test]
fn redirects_are_followed_within_the_bound() {
    let bytes = body(100, 15);
    let served = bytes.clone();
    let server = Server::new(move |asked| match asked.target.trim_matches('/').parse::<u32>().unwrap() {
        0 => Reply::ok(&served),
        n => Reply::redirect(&format!("../{}", n - 1)),
    });
    let (_dir, store) = store();
    fetch(&store, QUICK, &request(&[server.url("/5")], &bytes)).unwrap();
    assert!(matches!(
        fetch(&store, QUICK, &request(&[server.url("/6")], b"another")),
        Err(FetchError::Redirects { .. })
    ));
}

#[test]
fn local_mirrors_are_read_from_disk_and_only_regular_files_are() {
    let (dir, store) = store();
    let path = dir.path().join("with space.deb");
    let bytes = body(70_000, 16);
    fs::write(&path, &bytes).unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let url = |name: &str| format!("file://{}/{name}", dir.path().display());
    let wanted = |name: &str, bytes: &[u8]| request(&[url(name)], bytes);
    let refused: [(Request, Check); 7] = [
        (wanted("absent", &bytes), FetchError::is_missing),
        (wanted("pipe", &bytes), |e| matches!(e, FetchError::Local { .. }) && !e.is_missing()),
        (wanted("", &bytes), |e| matches!(e, FetchError::Local { .. })),
        (wanted("with%20space.deb", &bytes[1..]), |e| matches!(e, FetchError::TooLong { .. })),
        (wanted("with%20space.deb", &body(70_001, 1)), |e| matches!(e, FetchError::TooShort { .. })),
        (wanted("with%20space.deb", &body(70_000, 1)), |e| matches!(e, FetchError::Digest { .. })),
        (request(&["file://elsewhere/etc/passwd".to_owned()], &bytes), |e| {
            matches!(e, FetchError::Address { .. })
        }),
    ];
    for (wanted, check) in refused {
        let error = fetch(&store, QUICK, &wanted).unwrap_err();
        assert!(check(&error), "{error:?}");
    }
    assert_eq!(
        fetch(&store, QUICK, &wanted("with%20space.deb", &bytes)).unwrap().read(70_000).unwrap(),
        bytes
    );
    let small = fetcher(QUICK).get_small(&url("with%20space.deb"), 70_000, None).unwrap();
    assert!(matches!(small, Small::Fetched { bytes: b, .. } if b == bytes));
    let long = fetcher(QUICK).get_small(&url("with%20space.deb"), 69_999, None).unwrap_err();
    assert!(matches!(long, FetchError::TooLong { found_bytes: 70_000, .. }));
}

#[test]
fn other_schemes_and_nonsense_are_refused() {
    let (_dir, store) = store();
    for url in [
        "ftp://example.invalid/f",
        "f",
        "",
        "http://",
        "javascript:alert(1)",
        &format!("http://x/{}", "a".repeat(9000)),
    ] {
        let error = fetch(&store, QUICK, &request(&[url.to_owned()], b"x")).unwrap_err();
        assert!(matches!(error, FetchError::Address { .. }), "{url}: {error:?}");
        assert!(error.to_string().len() < 400);
    }
}

#[test]
fn small_files_are_bounded_and_may_be_unchanged() {
    let date = "Mon, 02 Jan 2023 03:04:05 GMT";
    let server = Server::new(move |asked| match (asked.target.as_str(), asked.header("if-modified-since")) {
        ("/release", Some(since)) if since == date => Reply::raw("HTTP/1.1 304 Not Modified\r\n\r\n"),
        ("/release", _) => Reply::new("200 OK", &[&format!("Last-Modified: {date}")], b"signed"),
        ("/endless", _) => Reply::chunked(&[b'x'; 100_000]),
        ("/confused", _) => Reply::raw("HTTP/1.1 304 Not Modified\r\n\r\n"),
        _ => Reply::status("404 Not Found"),
    });
    let fetcher = fetcher(QUICK);
    let Small::Fetched { bytes, last_modified } =
        fetcher.get_small(&server.url("/release"), 6, None).unwrap()
    else {
        panic!("not fetched")
    };
    assert_eq!((bytes.as_slice(), last_modified.as_deref()), (b"signed".as_slice(), Some(date)));
    let again = fetcher.get_small(&server.url("/release"), 6, last_modified.as_deref()).unwrap();
    assert_eq!(again, Small::NotModified);
    let refused: [(&str, u64, Check); 4] = [
        ("/release", 5, |e| matches!(e, FetchError::TooLong { found_bytes: 6, .. })),
        ("/endless", 1000, |e| matches!(e, FetchError::TooLong { .. })),
        ("/confused", 1000, |e| matches!(e, FetchError::Status { status: 304, .. })),
        ("/none", 1000, FetchError::is_missing),
    ];
    for (path, len_bytes_max, check) in refused {
        let error = fetcher.get_small(&server.url(path), len_bytes_max, None).unwrap_err();
        assert!(check(&error), "{path}: {error:?}");
    }
}

#[test]
fn availability_is_asked_without_downloading() {
    let server = Server::new(|asked: &Asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("HEAD", "/there") => Reply::announcing("200 OK", &[], b"", 1234),
        ("HEAD", "/no-head") => Reply::status("405 Method Not Allowed"),
        ("GET", "/no-head") => Reply::new("206 Partial Content", &["Content-Range: bytes 0-0/77"], b"x"),
        (_, "/broken") => Reply::status("500 Oops"),
        (_, "/moved") => Reply::redirect("/there"),
        _ => Reply::status("404 Not Found"),
    });
    let closed = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let mut urls: Vec<_> =
        ["/there", "/none", "/no-head", "/broken", "/moved"].iter().map(|p| server.url(p)).collect();
    urls.push(format!("http://{closed}/f"));
    urls.push("file:///nonexistent/file".to_owned());
    let shown: Vec<_> = fetcher(QUICK)
        .availability(&urls)
        .into_iter()
        .map(|a| match a {
            Availability::Available { len_bytes } => format!("{len_bytes:?}"),
            Availability::Missing => "missing".to_owned(),
            Availability::Unreachable(_) => "unreachable".to_owned(),
        })
        .collect();
    assert_eq!(
        shown,
        ["Some(1234)", "missing", "Some(77)", "unreachable", "Some(1234)", "unreachable", "missing"]
    );
    assert!(server.asked().iter().all(|a| a.method == "HEAD" || a.header("range") == Some("bytes=0-0")));
}

/// Keeps notes and counts.
#[derive(Default)]
struct Notes(Mutex<Kept>);

type Kept = (Vec<String>, Vec<(u64, Option<u64>)>);

impl Observer for Notes {
    fn event(&self, event: &Event<'_>) {
        let mut kept = self.0.lock().unwrap();
        match *event {
            Event::Note { text, .. } => kept.0.push(text.to_owned()),
            Event::Progress { done, total, .. } => kept.1.push((done, total)),
            _ => {}
        }
    }
}

#[test]
fn passwords_are_sent_and_never_shown() {
    let server = Server::new(|asked| match asked.header("authorization") {
        Some(_) => Reply::status("404 Not Found"),
        None => Reply::status("401 Unauthorized"),
    });
    let with_password = server.url("/f?x=1").replace("http://", "http://user:s3cret@");
    let notes = Notes::default();
    let (_dir, store) = store();
    for url in [with_password.clone(), "ftp://user:s3cret@x/".into(), "http://user:s3cret@[/".into()] {
        let wanted = request(&[url, with_password.clone()], b"x");
        let error = fetcher(QUICK).fetch(&store, &wanted, Stage::Source, &notes).unwrap_err();
        let said = format!("{error} {error:?} {:?}", notes.0.lock().unwrap().0);
        assert!(!said.contains("s3cret"), "{said}");
    }
    assert!(server.asked().iter().all(|a| a.header("authorization") == Some("Basic dXNlcjpzM2NyZXQ=")));
}

#[test]
fn progress_only_grows_and_ends_at_the_total() {
    let bytes = body(300_000, 17);
    let server = breaking(&bytes, 200_000, "\"changed since\"");
    let notes = Notes::default();
    let (_dir, store) = store();
    fetcher(QUICK).fetch(&store, &request(&[server.url("/f")], &bytes), Stage::Source, &notes).unwrap();
    let counts = notes.0.into_inner().unwrap().1;
    assert!(counts.windows(2).all(|w| w[0].0 <= w[1].0), "{counts:?}");
    assert_eq!(counts.last(), Some(&(300_000, Some(300_000))));
}

#[test]
fn proxies_are_used_when_given_and_passed_by_for_exceptions() {
    let bytes = body(100, 18);
    let served = bytes.clone();
    let proxy = Server::new(move |_| Reply::ok(&served));
    let via = |except: Option<&str>| Proxies::Some {
        http: Some(format!("http://{}", proxy.address())),
        https: None,
        except: except.map(str::to_owned),
    };
    let wanted = request(&["http://mirror.example.invalid/f".to_owned()], &bytes);
    let (_dir, store) = store();
    let direct =
        Fetcher::new(via(Some("example.invalid")), ONCE).fetch(&store, &wanted, Stage::Source, &Silent);
    assert!(matches!(direct, Err(FetchError::Connection { .. })) && proxy.asked().is_empty());
    Fetcher::new(via(None), ONCE).fetch(&store, &wanted, Stage::Source, &Silent).unwrap();
    assert_eq!(proxy.asked()[0].target, "http://mirror.example.invalid/f");
}

#[test]
fn two_runs_share_one_download() {
    let bytes = body(500_000, 19);
    let served = bytes.clone();
    let server = Server::new(move |_| Reply::ok(&served).dripping(20, Duration::from_millis(10)));
    let wanted = request(&[server.url("/f")], &bytes);
    let (_dir, store) = store();
    let root = store.root();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Store::open(root).unwrap();
                fetch(&store, FetchLimits::DEFAULT, &wanted).unwrap();
            });
        }
    });
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_holder_without_headway_is_passed_by() {
    let bytes = body(1000, 20);
    let served = bytes.clone();
    let server = Server::new(move |_| Reply::ok(&served));
    let wanted = request(&[server.url("/f")], &bytes);
    let (_dir, store) = store();
    plant_partial(&store, &wanted.digest, b"stuck");
    let partial = store.root().join("partial").join(format!("sha256-{}", wanted.digest.to_hex()));
    let holder = fs::File::open(partial).unwrap();
    holder.lock().unwrap();
    assert_eq!(fetch(&store, QUICK, &wanted).unwrap().read(1000).unwrap(), bytes);
}
