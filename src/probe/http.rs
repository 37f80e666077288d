//! One HTTP/1.1 exchange on a given connection, bounded in every direction.
//!
//! A client of its own, because it must speak on a socket of the sandbox, send a path such as
//! `/a/../b` as it stands, and take at most so many bytes of an answer that may be hostile. The grammar
//! is [`httparse`]'s.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};

use crate::limits::probe::ProbeLimits;

/// Informational answers (1xx) before the one that counts.
const INFORMATIONAL_MAX: usize = 8;
const READ_BYTES: usize = 16 << 10;

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Message<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) host: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// Names in lower case; values of one name joined by `, `.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// Whether the body goes on beyond what was read, or ended early.
    pub(super) cut: bool,
}

/// Why nothing that counts came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// Nothing within the time.
    TimedOut,
    /// The connection ended, or could not be made.
    Broken(String),
    /// Something that is not HTTP.
    Garbage(String),
}

impl NoAnswer {
    /// As a sentence's end.
    pub(super) fn text(&self) -> String {
        match self {
            Self::TimedOut => "no answer within the time".to_owned(),
            Self::Broken(how) => format!("the connection ended without an answer: {how}"),
            Self::Garbage(what) => format!("the answer is not HTTP: {what}"),
        }
    }

    pub(super) fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::TimedOut,
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl Message<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let mut field = |name: &str, value: &str| {
            text.push_str(&format!("{name}: {value}\r\n"));
        };
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            field("Host", &self.host);
        }
        for (name, value) in &self.headers {
            field(name, value);
        }
        field("Connection", "close");
        if let Some(body) = &self.body {
            field("Content-Length", &body.len().to_string());
        }
        text.push_str("\r\n");
        text.push_str(self.body.as_deref().unwrap_or_default());
        text.into_bytes()
    }
}

/// Sends and reads the answer.
pub(super) fn exchange(
    stream: &mut (impl Read + Write),
    message: &Message<'_>,
    limits: &ProbeLimits,
) -> Result<Response, NoAnswer> {
    // A server may answer before it has read everything, and close: its answer counts.
    let sent = stream.write_all(&message.bytes()).and_then(|()| stream.flush());
    let mut input = Input { stream, buffer: Vec::new(), ended: false };
    let mut head = None;
    for _ in 0..INFORMATIONAL_MAX {
        let found = read_head(&mut input, limits, &sent)?;
        if found.status >= 200 {
            head = Some(found);
            break;
        }
    }
    let head = head.ok_or_else(|| NoAnswer::Garbage("informational answers without end".to_owned()))?;
    read_body(&mut input, head, message.method == "HEAD", limits)
}

struct Input<'a, S> {
    stream: &'a mut S,
    buffer: Vec<u8>,
    ended: bool,
}

impl<S: Read> Input<'_, S> {
    /// Reads some more; `false` at the end.
    fn more(&mut self) -> Result<bool, std::io::Error> {
        if self.ended {
            return Ok(false);
        }
        let mut chunk = [0u8; READ_BYTES];
        let read = match self.stream.read(&mut chunk) {
            Ok(read) => read,
            // TLS without a farewell; how long the body is says whether it is whole.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error),
        };
        self.ended = read == 0;
        self.buffer.extend_from_slice(chunk.get(..read).unwrap_or_default());
        Ok(read > 0)
    }
}

fn read_head<S: Read>(
    input: &mut Input<'_, S>,
    limits: &ProbeLimits,
    sent: &std::io::Result<()>,
) -> Result<Response, NoAnswer> {
    loop {
        let mut fields = vec![httparse::EMPTY_HEADER; limits.headers_max];
        let mut parsed = httparse::Response::new(&mut fields);
        let garbage = |what: String| NoAnswer::Garbage(what);
        match parsed.parse(&input.buffer) {
            Ok(httparse::Status::Complete(len)) => {
                let mut response =
                    Response { status: parsed.code.unwrap_or_default(), ..Response::default() };
                for field in parsed.headers.iter() {
                    let value = String::from_utf8_lossy(field.value).into_owned();
                    let known = response.headers.entry(field.name.to_ascii_lowercase()).or_default();
                    if !known.is_empty() {
                        known.push_str(", ");
                    }
                    known.push_str(&value);
                }
                input.buffer.drain(..len);
                return Ok(response);
            }
            Ok(httparse::Status::Partial) if input.buffer.len() > limits.head_bytes_max => {
                return Err(garbage(format!("a head of more than {} bytes", limits.head_bytes_max)));
            }
            Ok(httparse::Status::Partial) => {}
            Err(error) => return Err(garbage(error.to_string())),
        }
        match input.more() {
            Ok(true) => {}
            Ok(false) if input.buffer.is_empty() => {
                let how = sent.as_ref().err().map_or_else(|| "closed".to_owned(), ToString::to_string);
                return Err(NoAnswer::Broken(how));
            }
            Ok(false) => return Err(garbage("it ends in its head".to_owned())),
            Err(error) => return Err(NoAnswer::of(&error)),
        }
    }
}

/// How a body's end is found (RFC 9112, 6.3).
enum Framing {
    None,
    Length(u64),
    Chunked,
    ToTheEnd,
}

fn framing(head: &Response, to_head: bool) -> Result<Framing, NoAnswer> {
    if to_head || matches!(head.status, 204 | 304) {
        return Ok(Framing::None);
    }
    if let Some(coding) = head.headers.get("transfer-encoding") {
        let last = coding.rsplit(',').next().unwrap_or_default().trim();
        return Ok(if last.eq_ignore_ascii_case("chunked") { Framing::Chunked } else { Framing::ToTheEnd });
    }
    match head.headers.get("content-length") {
        None => Ok(Framing::ToTheEnd),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => {
            let length = text.parse().map_err(|_| NoAnswer::Garbage(format!("a length of `{text}`")))?;
            Ok(Framing::Length(length))
        }
        Some(text) => Err(NoAnswer::Garbage(format!("a length of `{}`", text.escape_debug()))),
    }
}

/// Reads the body up to the bound. One that ends early or takes too long is cut, not lost.
fn read_body<S: Read>(
    input: &mut Input<'_, S>,
    mut head: Response,
    to_head: bool,
    limits: &ProbeLimits,
) -> Result<Response, NoAnswer> {
    let max = limits.body_bytes_max;
    match framing(&head, to_head)? {
        Framing::None => {}
        Framing::Length(length) => {
            let wanted = usize::try_from(length).unwrap_or(usize::MAX);
            head.cut = !fill(input, wanted.min(max)) || wanted > max;
            input.buffer.truncate(wanted.min(max));
            head.body = std::mem::take(&mut input.buffer);
        }
        Framing::ToTheEnd => {
            let filled = fill(input, max.saturating_add(1));
            head.cut = filled || !input.ended;
            input.buffer.truncate(max);
            head.body = std::mem::take(&mut input.buffer);
        }
        Framing::Chunked => head.cut = !chunks(input, &mut head.body, max)?,
    }
    Ok(head)
}

/// Reads until the buffer holds `wanted` bytes; `false` where it ends or fails before.
fn fill<S: Read>(input: &mut Input<'_, S>, wanted: usize) -> bool {
    while input.buffer.len() < wanted {
        match input.more() {
            Ok(true) => {}
            Ok(false) | Err(_) => return false,
        }
    }
    true
}

/// Reads chunks; `false` where the body is cut.
fn chunks<S: Read>(input: &mut Input<'_, S>, body: &mut Vec<u8>, max: usize) -> Result<bool, NoAnswer> {
    loop {
        let (start, size) = match httparse::parse_chunk_size(&input.buffer) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) if input.buffer.len() < READ_BYTES => {
                if !fill(input, input.buffer.len() + 1) {
                    return Ok(false);
                }
                continue;
            }
            _ => return Err(NoAnswer::Garbage("a chunk without a size".to_owned())),
        };
        input.buffer.drain(..start);
        if size == 0 {
            return Ok(true);
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let room = max.saturating_sub(body.len());
        let whole = fill(input, size.min(room));
        body.extend(input.buffer.drain(..size.min(room).min(input.buffer.len())));
        if !whole || size > room || !fill(input, 2) {
            return Ok(false);
        }
        input.buffer.drain(..2);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A server that has said everything already, and takes everything.
    struct Said<'a>(&'a [u8]);

    impl Read for Said<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            // Few at a time, so that every boundary falls between two reads.
            let len = buffer.len().min(7);
            self.0.read(buffer.get_mut(..len).unwrap_or_default())
        }
    }

    impl Write for Said<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn ask(method: &str, answer: &[u8]) -> Result<Response, NoAnswer> {
        let message = Message { method, path: "/", host: "h".to_owned(), headers: Vec::new(), body: None };
        let limits = ProbeLimits { body_bytes_max: 40, head_bytes_max: 200, ..ProbeLimits::DEFAULT };
        exchange(&mut Said(answer), &message, &limits)
    }

    #[test]
    fn bodies_end_where_the_head_says() {
        for (answer, body, cut) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", "abc", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "abc", true),
            ("HTTP/1.1 200 OK\r\n\r\nabc", "abc", false),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
                "abcde",
                false,
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "abc", true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", "abc", true),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\nabc", "", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "", false),
        ] {
            let response = ask("GET", answer.as_bytes()).unwrap();
            assert_eq!(
                (String::from_utf8(response.body).unwrap().as_str(), response.cut),
                (body, cut),
                "{answer}"
            );
        }
        assert_eq!(ask("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").unwrap().body, b"");
    }

    #[test]
    fn more_than_the_bound_is_cut_and_said_so() {
        let long = "x".repeat(100);
        for answer in [
            format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{long}"),
            format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n{long}"),
            format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{long}\r\n0\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{long}"),
        ] {
            let response = ask("GET", answer.as_bytes()).unwrap();
            assert_eq!((response.body.len(), response.cut), (40, true), "{answer}");
        }
    }

    #[test]
    fn what_is_not_http_is_garbage_and_silence_is_no_answer() {
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(101));
        let endless = format!("HTTP/1.1 200 OK\r\nA: {}", "b".repeat(300));
        let informational = "HTTP/1.1 100 Continue\r\n\r\n".repeat(9);
        for answer in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 200",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            &many,
            &endless,
            &informational,
        ] {
            assert!(matches!(ask("GET", answer.as_bytes()), Err(NoAnswer::Garbage(_))), "{answer}");
        }
        assert!(matches!(ask("GET", b""), Err(NoAnswer::Broken(_))));
    }

    #[test]
    fn the_message_is_sent_as_it_stands() {
        let message = Message {
            method: "PUT",
            path: "/a/../%2e?x=[]",
            host: "127.0.0.1:1".to_owned(),
            headers: vec![("Origin".to_owned(), "http://e".to_owned())],
            body: Some(String::new()),
        };
        let text = String::from_utf8(message.bytes()).unwrap();
        assert_eq!(
            text,
            "PUT /a/../%2e?x=[] HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: http://e\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let own = Message { headers: vec![("host".to_owned(), "evil".to_owned())], body: None, ..message };
        assert_eq!(
            String::from_utf8(own.bytes()).unwrap(),
            "PUT /a/../%2e?x=[] HTTP/1.1\r\nhost: evil\r\nConnection: close\r\n\r\n"
        );
    }
}
