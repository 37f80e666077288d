//! Auxiliary servers: threads of this process, on the loopback interface of a sandbox.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::socket::{Datagrams, Listener, Socket};
use super::spec::Server;
use super::tls::Identity;
use crate::limits::probe::ProbeLimits;
use crate::rebuild::sandbox::Running;

/// A request and its answer must be done within this time.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// Connections of one server at once; more are closed unanswered.
const CONNECTIONS_MAX: usize = 16;
/// Bytes of one request or datagram that are kept.
const SEEN_BYTES_MAX: usize = 8 << 10;

/// What a server was sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(super) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps the first ones.
    fn add(&self, bytes: &[u8], max: usize) {
        let text = String::from_utf8_lossy(bytes.get(..SEEN_BYTES_MAX).unwrap_or(bytes)).into_owned();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < max {
            all.push(text);
        }
    }
}

/// Servers that run. Dropping them ends them.
pub(super) struct Servers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    seen: BTreeMap<String, Seen>,
}

/// An answer that is made once.
struct Prepared {
    head: String,
    body: Vec<u8>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Servers {
    /// Starts them, each at its port. `fill` replaces what stands for something else.
    pub(super) fn start(
        running: &Running,
        servers: &BTreeMap<String, Server>,
        ports: &BTreeMap<String, u16>,
        fill: impl Fn(&str) -> String,
        identity: &Identity,
        limits: &ProbeLimits,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut started = Self { stop, threads: Vec::new(), seen: BTreeMap::new() };
        for (name, server) in servers {
            let Some(port) = ports.get(name).copied() else { continue };
            let seen = Seen::default();
            started.seen.insert(name.clone(), seen.clone());
            let (stop, max) = (Arc::clone(&started.stop), limits.requests_seen_max);
            let thread = std::thread::Builder::new().name(format!("auxiliary {name}"));
            let thread = if let Server::Datagrams {} = server {
                let socket = Datagrams::bind(running, port)?;
                thread.spawn(move || receive(&socket, &seen, &stop, max))
            } else {
                let prepared = Arc::new(prepare(server, &fill, identity)?);
                let listener = Listener::listen(running, port)?;
                thread.spawn(move || serve(&listener, &prepared, &seen, &stop, max))
            };
            started.threads.push(thread?);
        }
        Ok(started)
    }

    /// What each was sent so far.
    pub(super) fn saw(&self) -> BTreeMap<String, Vec<String>> {
        self.seen.iter().map(|(name, seen)| (name.clone(), seen.all())).collect()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn prepare(server: &Server, fill: &impl Fn(&str) -> String, identity: &Identity) -> io::Result<Prepared> {
    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    let mut tls = None;
    let (status, mut fields, body) = match server {
        Server::Answer { status, headers, body, tls: wanted } => {
            tls = wanted.then(|| Arc::clone(&identity.server));
            let fields = headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect();
            (*status, fields, fill(body).into_bytes())
        }
        Server::ManySeries { count } => {
            let lines: String = (0..*count).map(|n| format!("probe_many{{n=\"{n}\"}} {n}\n")).collect();
            (200, vec![("Content-Type".to_owned(), TEXT.to_owned())], lines.into_bytes())
        }
        Server::GzipBomb { bytes } => {
            let fields = vec![
                ("Content-Type".to_owned(), TEXT.to_owned()),
                ("Content-Encoding".to_owned(), "gzip".to_owned()),
            ];
            (200, fields, comments(*bytes)?)
        }
        Server::Datagrams {} => (200, Vec::new(), Vec::new()),
    };
    if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        fields.push(("Content-Type".to_owned(), TEXT.to_owned()));
    }
    let mut head = format!("HTTP/1.1 {status} Auxiliary\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
    Ok(Prepared { head, body, tls })
}

/// As many bytes of comment lines, compressed.
fn comments(bytes: u64) -> io::Result<Vec<u8>> {
    const LINE: &[u8] = b"# a comment of an auxiliary server, of which there are very many\n";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut left = bytes;
    while left > 0 {
        // The last line is shorter, and a comment or empty like the others.
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(LINE.len());
        encoder.write_all(LINE.get(..len - 1).unwrap_or_default())?;
        encoder.write_all(b"\n")?;
        left -= len as u64;
    }
    encoder.finish()
}

fn receive(socket: &Datagrams, seen: &Seen, stop: &AtomicBool, max: usize) {
    let mut buffer = vec![0u8; SEEN_BYTES_MAX];
    while let Ok(read) = socket.receive(&mut buffer, stop) {
        seen.add(buffer.get(..read).unwrap_or_default(), max);
    }
}

fn serve(listener: &Listener, prepared: &Prepared, seen: &Seen, stop: &AtomicBool, max: usize) {
    let open = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        while let Ok(socket) = listener.accept(stop, CONNECTION_TIME) {
            if open.load(Ordering::Relaxed) >= CONNECTIONS_MAX {
                continue;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let open = &open;
            scope.spawn(move || {
                // The component's own faults in talking to it are the component's.
                let _ = answer(socket, prepared, seen, max);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

fn answer(mut socket: Socket<'_>, prepared: &Prepared, seen: &Seen, max: usize) -> io::Result<()> {
    match &prepared.tls {
        None => respond(&mut socket, prepared, seen, max),
        Some(config) => {
            let connection = rustls::ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            let mut stream = rustls::StreamOwned::new(connection, socket);
            respond(&mut stream, prepared, seen, max)?;
            stream.conn.send_close_notify();
            stream.flush()
        }
    }
}

/// Reads one request, keeps it, and answers.
fn respond(stream: &mut (impl Read + Write), prepared: &Prepared, seen: &Seen, max: usize) -> io::Result<()> {
    let mut request = Vec::new();
    let mut chunk = [0u8; 4096];
    let whole = loop {
        if let Some(len) = request_len(&request)?.filter(|len| request.len() >= *len || *len > SEEN_BYTES_MAX)
        {
            break len;
        }
        let read = stream.read(&mut chunk)?;
        if read == 0 || request.len() > 8 * SEEN_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request.extend_from_slice(chunk.get(..read).unwrap_or_default());
    };
    seen.add(request.get(..whole).unwrap_or(&request), max);
    stream.write_all(prepared.head.as_bytes())?;
    stream.write_all(&prepared.body)?;
    stream.flush()
}

/// The length of a request with its body, once its head is whole.
fn request_len(bytes: &[u8]) -> io::Result<Option<usize>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut fields);
    let head = match parsed.parse(bytes).map_err(io::Error::other)? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial => return Ok(None),
    };
    let length = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.trim().parse::<usize>().ok());
    Ok(Some(head.saturating_add(length.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bomb_expands_to_exactly_its_size_and_is_small() {
        for size in [1, 64, 65, 66, 1 << 20] {
            let bomb = comments(size).unwrap();
            let mut expanded = Vec::new();
            flate2::read::GzDecoder::new(&bomb[..]).read_to_end(&mut expanded).unwrap();
            assert_eq!(expanded.len() as u64, size);
            let text = String::from_utf8(expanded).unwrap();
            assert!(
                text.ends_with('\n') && text.lines().all(|line| line.is_empty() || line.starts_with('#'))
            );
        }
        assert!(comments(1 << 20).unwrap().len() < 1 << 13);
    }

    #[test]
    fn a_request_is_whole_with_its_body() {
        for (text, len) in [
            ("GET / HTTP/1.1\r\n", None),
            ("GET / HTTP/1.1\r\n\r\n", Some(18)),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", Some(41)),
        ] {
            assert_eq!(request_len(text.as_bytes()).unwrap(), len, "{text}");
        }
        assert!(request_len(b"\x16\x03\x01").is_err());
    }
}
