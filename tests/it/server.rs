//! An HTTP server on the loopback that answers exactly what a test wants, byte for byte, and counts.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// The request's target: a path, or a whole URL where a proxy is asked.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// What was sent with it.
    pub(crate) body: Vec<u8>,
    /// How many requests for that target came before.
    pub(crate) before: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first byte asked for.
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.split('-').next()?.parse().ok()
    }
}

/// What to answer.
pub(crate) struct Reply {
    /// The head, then the body in parts, with a pause between parts.
    parts: Vec<Vec<u8>>,
    pause: Duration,
    /// Keep the connection open and silent at the end until the server goes.
    stall: bool,
}

impl Reply {
    /// Exactly these bytes, then the connection closes.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { parts: vec![bytes.into()], pause: Duration::ZERO, stall: false }
    }

    /// A status line, header lines and a body of its true length.
    pub(crate) fn new(status: &str, headers: &[&str], body: &[u8]) -> Self {
        Self::announcing(status, headers, body, body.len())
    }

    /// A body, and a `Content-Length` of one's choice.
    pub(crate) fn announcing(status: &str, headers: &[&str], body: &[u8], len: usize) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\nConnection: close\r\n");
        for line in headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        Self::raw([head.as_bytes(), body].concat())
    }

    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::new("200 OK", &[], body)
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::new(status, &[], b"")
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::new("302 Found", &[&format!("Location: {to}")], b"")
    }

    /// A chunked answer that says it is complete.
    pub(crate) fn chunked(body: &[u8]) -> Self {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        let size = format!("{:x}\r\n", body.len());
        Self::raw([head.as_bytes(), size.as_bytes(), body, b"\r\n0\r\n\r\n"].concat())
    }

    /// What a good server answers: ranges, and `If-Range` with its entity tag.
    pub(crate) fn file(asked: &Asked, body: &[u8], tag: &str) -> Self {
        let tag_line = format!("ETag: {tag}");
        let same = asked.header("if-range").is_none_or(|t| t == tag);
        match asked.range_start() {
            Some(start) if same && start >= body.len() => Self::new(
                "416 Range Not Satisfiable",
                &[&format!("Content-Range: bytes */{}", body.len())],
                b"",
            ),
            Some(start) if same => {
                let range = format!("Content-Range: bytes {start}-{}/{}", body.len() - 1, body.len());
                Self::new("206 Partial Content", &[&tag_line, &range], &body[start..])
            }
            _ => Self::new("200 OK", &[&tag_line], body),
        }
    }

    /// Without the last `n` bytes, as where the connection breaks.
    pub(crate) fn cut(mut self, n: usize) -> Self {
        let mut whole = self.parts.concat();
        whole.truncate(whole.len().saturating_sub(n));
        self.parts = vec![whole];
        self
    }

    /// The same once more.
    pub(crate) fn again(&self) -> Self {
        Self { parts: self.parts.clone(), pause: self.pause, stall: self.stall }
    }

    /// Stays silent with the connection open once everything is sent.
    pub(crate) fn then_stall(mut self) -> Self {
        self.stall = true;
        self
    }

    /// Sends the last `n` bytes one by one with pauses.
    pub(crate) fn dripping(mut self, n: usize, pause: Duration) -> Self {
        let whole = self.parts.concat();
        let (start, end) = whole.split_at(whole.len() - n);
        self.parts = std::iter::once(start.to_vec()).chain(end.iter().map(|b| vec![*b])).collect();
        self.pause = pause;
        self
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    asked: Mutex<Vec<Asked>>,
    stopped: Mutex<bool>,
    stop: Condvar,
}

/// The server; stops when dropped.
pub(crate) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn new(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            asked: Mutex::default(),
            stopped: Mutex::new(false),
            stop: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if *accepting.stopped.lock().unwrap() {
                    return;
                }
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || answer(&shared, stream));
            }
        });
        Self { shared, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request so far, in order of arrival.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        *self.shared.stopped.lock().unwrap() = true;
        self.shared.stop.notify_all();
        // Wakes the listening thread, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers one request of a connection; a client that goes away early is no failure of the test.
fn answer(shared: &Shared, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let len = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or_default();
    let mut body = vec![0; len];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let asked = {
        let mut all = shared.asked.lock().unwrap();
        let before = all.iter().filter(|a| a.target == target).count();
        all.push(Asked { method, target, headers, body, before });
        all.last().unwrap().clone()
    };
    let reply = (shared.handler)(&asked);
    let mut stream = stream;
    for part in &reply.parts {
        if stream.write_all(part).and_then(|()| stream.flush()).is_err() {
            return;
        }
        std::thread::sleep(reply.pause);
    }
    if reply.stall {
        let stopped = shared.stopped.lock().unwrap();
        drop(shared.stop.wait_while(stopped, |s| !*s).unwrap());
    }
}
