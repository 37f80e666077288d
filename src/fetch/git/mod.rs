//! git's smart HTTP, as far as one commit asks for it: protocol version 2 (gitprotocol-v2(5)), its commands
//! `ls-refs` and `fetch`.
//!
//! What a server sends is a claim. Objects are hashed by whoever takes them, and which commit a tag names is
//! told again by the tag's own object. Bounds are on bytes, on what is said beside a pack, and on waiting, as
//! in every other download. Redirects are followed for the first question only and to the same host, as the
//! objects have no other voucher than their names; `http:` is for this machine alone.

mod packets;

use reqwest::blocking::Response;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};

use self::packets::{Packet, Packets, line};
use super::address::Address;
use super::client::{expect_status, shown, text};
use super::{FetchError, Fetcher};
use crate::limits::git::GitLimits;

/// What is appended to a repository's address to ask what its server can do.
const ADVERTISEMENT: &str = "/info/refs";
const SERVICE: &str = "git-upload-pack";
/// Bytes of a server's own words that a message shows.
const WORDS_BYTES_MAX: usize = 300;

/// A repository on a server, which speaks the protocol's version 2.
#[derive(Debug, Clone)]
pub struct GitServer {
    base: Url,
    /// Whether files may be left out and asked for later.
    pub filters: bool,
}

/// A ref as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRef {
    /// Its whole name.
    pub name: String,
    /// The object that it names.
    pub id: String,
    /// What that stands for, if it is a tag object.
    pub peeled: Option<String>,
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub struct GitWant<'a> {
    /// Names of objects.
    pub ids: &'a [String],
    /// Of commits themselves alone, and nothing that came before.
    pub shallow: bool,
    /// Without files, but for those that are named.
    pub without_files: bool,
}

/// Takes a pack, in parts; from the start again where the connection broke and is tried anew.
pub trait PackSink {
    /// Forgets what was taken.
    ///
    /// # Errors
    ///
    /// Where there is no more than that.
    fn begin(&mut self) -> Result<(), FetchError>;

    /// Takes the next part.
    ///
    /// # Errors
    ///
    /// Where it is not what it should be: nothing more is read then.
    fn take(&mut self, part: &[u8]) -> Result<(), FetchError>;
}

/// Why an answer is not read on.
enum Stop {
    /// It is against the protocol.
    Wrong(String),
    /// The server says that it will not.
    Refused(String),
    Other(FetchError),
}

impl From<String> for Stop {
    fn from(detail: String) -> Self {
        Self::Wrong(detail)
    }
}

/// Where in the answer to `fetch` the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Between,
    Shallow,
    Pack,
    Ended,
}

impl Fetcher {
    /// Asks what a repository's server can do.
    ///
    /// # Errors
    ///
    /// Where it is not reachable, no git server, or does not speak version 2.
    pub fn git_server(&self, url: &str, limits: &GitLimits) -> Result<GitServer, FetchError> {
        let base = base(url, &self.limits)?;
        self.retrying(|| self.git_server_once(&base, limits))
    }

    /// The refs whose names begin in one of these ways.
    ///
    /// # Errors
    ///
    /// Where the server breaks off, the protocol, or a bound.
    pub fn git_refs(
        &self,
        server: &GitServer,
        prefixes: &[String],
        limits: &GitLimits,
    ) -> Result<Vec<GitRef>, FetchError> {
        let mut arguments = vec!["peel".to_owned()];
        arguments.extend(prefixes.iter().map(|prefix| format!("ref-prefix {prefix}")));
        self.retrying(|| {
            let (mut found, mut ended) = (Vec::new(), false);
            self.git_answer(server, "ls-refs", &arguments, limits.refs_bytes_max, &mut |packet| {
                match packet {
                    _ if ended => Err(Stop::from("it goes on after its end".to_owned())),
                    Packet::Flush => {
                        ended = true;
                        Ok(())
                    }
                    Packet::Data(bytes) => {
                        let one = git_ref(bytes)?;
                        // A server may send more than was asked for.
                        if prefixes.iter().any(|prefix| one.name.starts_with(prefix)) {
                            found.push(one);
                        }
                        Ok(())
                    }
                    Packet::Delimiter => Err(Stop::from("a section where none can be".to_owned())),
                }
            })?;
            whole(&server.base, ended)?;
            Ok(found)
        })
    }

    /// Fetches objects as one pack.
    ///
    /// # Errors
    ///
    /// As [`Fetcher::git_refs`]; where the server refuses; and what `sink` says.
    pub fn git_pack(
        &self,
        server: &GitServer,
        want: GitWant<'_>,
        limits: &GitLimits,
        sink: &mut dyn PackSink,
    ) -> Result<(), FetchError> {
        let mut tries = 0;
        loop {
            sink.begin()?;
            match self.git_pack_once(server, want, limits, sink) {
                Err(e) if e.is_transient() && tries < self.limits.retries_max => {
                    self.pause(tries);
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    fn git_pack_once(
        &self,
        server: &GitServer,
        want: GitWant<'_>,
        limits: &GitLimits,
        sink: &mut dyn PackSink,
    ) -> Result<(), FetchError> {
        let mut arguments = vec!["no-progress".to_owned(), "ofs-delta".to_owned()];
        if want.shallow {
            arguments.push("deepen 1".to_owned());
        }
        if want.without_files {
            arguments.push("filter blob:none".to_owned());
        }
        arguments.extend(want.ids.iter().map(|id| format!("want {id}")));
        arguments.push("done".to_owned());
        let (mut section, mut said) = (Section::Between, 0u64);
        self.git_answer(server, "fetch", &arguments, limits.pack_bytes_max, &mut |packet| {
            if !matches!(packet, Packet::Data([1, _, ..])) {
                // A packet without a pack's bytes counts as what is said, however short it is.
                let len = if let Packet::Data(bytes) = &packet { bytes.len() } else { 0 };
                said = said.saturating_add(len as u64 + 4);
                if said > limits.said_bytes_max {
                    return Err(Stop::from(format!(
                        "it says more than {} bytes beside the pack",
                        limits.said_bytes_max
                    )));
                }
            }
            match (section, packet) {
                (Section::Ended, _) => Err(Stop::from("it goes on after its end".to_owned())),
                (Section::Pack, Packet::Data([1, bytes @ ..])) => sink.take(bytes).map_err(Stop::Other),
                (Section::Pack, Packet::Data([2, ..])) => Ok(()),
                (Section::Pack, Packet::Data([3, bytes @ ..])) => Err(Stop::Refused(words(bytes))),
                (Section::Pack, Packet::Flush) => {
                    section = Section::Ended;
                    Ok(())
                }
                (Section::Shallow, Packet::Delimiter) => {
                    section = Section::Between;
                    Ok(())
                }
                (Section::Shallow, Packet::Data(bytes)) if is_shallow_line(bytes) => Ok(()),
                (Section::Between, Packet::Data(bytes)) => {
                    section = match bytes.strip_suffix(b"\n").unwrap_or(bytes) {
                        b"packfile" => Section::Pack,
                        b"shallow-info" if want.shallow => Section::Shallow,
                        other => return Err(unexpected(other)),
                    };
                    Ok(())
                }
                (_, Packet::Data(bytes)) => Err(unexpected(bytes)),
                _ => Err(Stop::from("it ends before the pack".to_owned())),
            }
        })?;
        whole(&server.base, section == Section::Ended)
    }

    fn git_server_once(&self, base: &Url, limits: &GitLimits) -> Result<GitServer, FetchError> {
        let mut base = base.clone();
        let mut response = self.git_first(&mut base)?;
        let protocol = |detail: &str| FetchError::Protocol { url: shown(&base), detail: detail.to_owned() };
        let kind = text(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        if kind != format!("application/x-{SERVICE}-advertisement") {
            let detail = format!("it is no git server, its answer is of the type `{}`", kind.escape_debug());
            return Err(protocol(&detail));
        }
        let (mut lines, mut flushed) = (Vec::<String>::new(), 0);
        self.packets(&base, &mut response, limits.said_bytes_max, &mut |packet| match packet {
            // Before the first flush some servers name the service, as in older versions.
            Packet::Flush => {
                flushed += 1;
                Ok(())
            }
            Packet::Data(bytes) => {
                let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
                if lines.is_empty() && !text.starts_with("# service=") && text != "version 2" {
                    return Err(Stop::from("it does not speak version 2 of git's protocol".to_owned()));
                }
                lines.push(text);
                Ok(())
            }
            Packet::Delimiter => Err(Stop::from("a section where none can be".to_owned())),
        })?;
        let of = |name: &str| {
            let mut found = lines.iter().filter_map(|l| l.strip_prefix(name));
            found.find_map(|rest| rest.strip_prefix('=').or_else(|| rest.is_empty().then_some("")))
        };
        let (fetch, refs) = (of("fetch"), of("ls-refs"));
        if !lines.iter().any(|l| l == "version 2") || flushed == 0 || refs.is_none() {
            return Err(protocol("it does not speak version 2 of git's protocol"));
        }
        let features: Vec<&str> = fetch.unwrap_or_default().split(' ').collect();
        if !features.contains(&"shallow") {
            return Err(protocol("it does not offer commits without their history"));
        }
        if of("object-format").is_some_and(|format| format != "sha1") {
            return Err(protocol("its objects are not named by SHA-1"));
        }
        Ok(GitServer { base, filters: features.contains(&"filter") })
    }

    /// The first question; `base` is where it was answered.
    fn git_first(&self, base: &mut Url) -> Result<Response, FetchError> {
        let (first, query) = (base.clone(), format!("service={SERVICE}"));
        let mut at = below(base, ADVERTISEMENT);
        at.set_query(Some(&query));
        for _ in 0..=self.limits.redirects_max {
            let response = self.send_once(&Method::GET, &at, &protocol_headers(None), None)?;
            if !response.status().is_redirection() {
                expect_status(&at, &response, StatusCode::OK)?;
                return Ok(response);
            }
            let to = self.redirect_target(&first, &at, response.headers())?;
            let refused = |reason| FetchError::RedirectTarget { url: shown(&first), to: shown(&to), reason };
            let place = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port());
            if place(&to) != place(&first) {
                return Err(refused("that is another host than the one that was asked"));
            }
            let path = to.path().strip_suffix(ADVERTISEMENT).map(str::to_owned);
            let path = path.filter(|_| to.query() == Some(query.as_str()));
            base.set_path(&path.ok_or_else(|| refused("that is no place of a repository"))?);
            at = to;
        }
        Err(FetchError::Redirects { url: shown(&first), redirects_max: self.limits.redirects_max })
    }

    /// Sends a command and reads the answer's packets.
    fn git_answer(
        &self,
        server: &GitServer,
        command: &str,
        arguments: &[String],
        bytes_max: u64,
        take: &mut dyn FnMut(Packet<'_>) -> Result<(), Stop>,
    ) -> Result<(), FetchError> {
        let mut body = line(&format!("command={command}"));
        body.extend(line(concat!("agent=reprove/", env!("CARGO_PKG_VERSION"))));
        body.extend(b"0001");
        arguments.iter().for_each(|argument| body.extend(line(argument)));
        body.extend(b"0000");
        let url = below(&server.base, &format!("/{SERVICE}"));
        let mut response =
            self.send_once(&Method::POST, &url, &protocol_headers(Some(command)), Some(body))?;
        if response.status().is_redirection() {
            let to = self.redirect_target(&url, &url, response.headers())?;
            let reason = "only the first question may be answered from elsewhere";
            return Err(FetchError::RedirectTarget { url: shown(&url), to: shown(&to), reason });
        }
        expect_status(&url, &response, StatusCode::OK)?;
        let kind = text(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        if kind != format!("application/x-{SERVICE}-result") {
            let detail = format!("its answer is of the type `{}`", kind.escape_debug());
            return Err(FetchError::Protocol { url: shown(&url), detail });
        }
        self.packets(&url, &mut response, bytes_max, &mut |packet| match packet {
            Packet::Data(bytes) if bytes.starts_with(b"ERR ") => {
                Err(Stop::Refused(words(bytes.get(4..).unwrap_or_default())))
            }
            other => take(other),
        })
    }

    fn packets(
        &self,
        url: &Url,
        response: &mut Response,
        bytes_max: u64,
        take: &mut dyn FnMut(Packet<'_>) -> Result<(), Stop>,
    ) -> Result<(), FetchError> {
        let (mut packets, mut len) = (Packets::default(), 0u64);
        self.read_body(url, response, 0, &mut |part| {
            len = len.saturating_add(part.len() as u64);
            if len > bytes_max {
                let (url, expected_bytes_max) = (shown(url), bytes_max);
                return Err(FetchError::TooLong { url, expected_bytes_max, found_bytes: len });
            }
            packets.feed(part, take).map_err(|stop| match stop {
                Stop::Wrong(detail) => FetchError::Protocol { url: shown(url), detail },
                Stop::Refused(said) => FetchError::Refused { url: shown(url), said },
                Stop::Other(error) => error,
            })
        })?;
        whole(url, !packets.is_cut())
    }
}

/// Whether an answer came to its own end; one that did not may do so when it is asked for again.
fn whole(url: &Url, ended: bool) -> Result<(), FetchError> {
    if ended {
        return Ok(());
    }
    let source = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the answer ends too early");
    Err(FetchError::Connection { url: shown(url), source: Box::new(source) })
}

/// A repository's address: `https:`, or `http:` on this machine.
fn base(text: &str, limits: &crate::limits::fetch::FetchLimits) -> Result<Url, FetchError> {
    let refused = |reason: &str| FetchError::Address { url: super::redact(text), reason: reason.to_owned() };
    let Address::Http(mut url) = Address::parse(text, limits)? else {
        return Err(refused("a repository on this machine is given by its folder"));
    };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if url.scheme() != "https" && !here {
        return Err(refused("nothing but the connection vouches for it, so that it has to be `https:`"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("a repository's address has no query"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

fn protocol_headers(command: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("git-protocol"), HeaderValue::from_static("version=2"));
    if command.is_some() {
        let question = HeaderValue::from_static("application/x-git-upload-pack-request");
        headers.insert(header::CONTENT_TYPE, question);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/x-git-upload-pack-result"));
    }
    headers
}

/// `ID NAME` and what the server adds.
fn git_ref(bytes: &[u8]) -> Result<GitRef, Stop> {
    let wrong = || Stop::from(format!("`{}` is no ref", words(bytes)));
    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    let mut parts = text.trim_end_matches('\n').split(' ');
    let (id, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let peeled = parts.find_map(|part| part.strip_prefix("peeled:"));
    if name.is_empty() || !is_id(id) || !peeled.is_none_or(is_id) {
        return Err(wrong());
    }
    Ok(GitRef { name: name.to_owned(), id: id.to_owned(), peeled: peeled.map(str::to_owned) })
}

fn is_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_shallow_line(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_end_matches('\n');
    text.strip_prefix("shallow ").is_some_and(is_id)
}

fn unexpected(bytes: &[u8]) -> Stop {
    Stop::from(format!("`{}` was not expected there", words(bytes)))
}

/// Somebody else's words, short and without control characters.
fn words(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..WORDS_BYTES_MAX).unwrap_or(bytes));
    text.trim_end().escape_debug().to_string()
}
