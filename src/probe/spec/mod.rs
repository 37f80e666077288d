//! What a probe starts, asks and expects: closed types, read from TOML.
//!
//! ```toml
//! kind = "http-probe"
//! launch = { component = "prometheus", args = ["--config.file={dir}/prometheus.yml",
//!     "--storage.tsdb.path={dir}/data", "--web.listen-address=127.0.0.1:{port}"],
//!     files = { "prometheus.yml" = "global: {scrape_interval: 1s}\n" } }
//! request = { method = "POST", path = "/-/quit" }
//! expect = [{ status = 403, body-contains = ["Lifecycle API is not enabled."], process = "alive" }]
//! ```
//!
//! The kinds are variants of [`Probe`]; whoever keeps probes among other things embeds that type with
//! `#[serde(flatten)]`, or its structures in an enumeration with the tag `kind`. Reading is not enough:
//! [`Probe::check`] refuses what no run could refute.
//!
//! `expect` lists alternatives, one of which must be met; `versions` restricts one to releases.
//!
//! # What stands for something else
//!
//! In arguments, files, paths, headers and bodies: `{dir}` is the component's writable folder, in which
//! the files lie, `{port}` the port that it shall listen on, `{port:NAME}` that of the auxiliary server
//! NAME, `{certificate}` and `{key}` the paths of a self-signed certificate for `localhost` and its key,
//! `{password-hash}` the bcrypt hash of `probe-pass`. Everything else in braces is left as it stands.

mod check;
mod file;
mod version;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use check::SpecError;
pub use file::{Item, SpecsError, read};
pub use version::{Versions, upstream};

/// A probe: what to start, what to ask, what to expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Probe {
    /// Starts the component and sends it a request.
    HttpProbe(HttpProbe),
    /// Starts the component and offers it one version of TLS.
    TlsProbe(TlsProbe),
    /// Runs a program to its end.
    CliProbe(CliProbe),
    /// Asks for a flag's default.
    FlagDefault(FlagDefault),
    /// Starts the component with a configuration, which it must accept or refuse.
    ConfigProbe(ConfigProbe),
}

/// How a component is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Launch {
    /// The component, named as in `policies/components`.
    pub component: String,
    /// The program: a name, looked for in `/usr/bin`, or a path inside. The component's name where it is
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Files to make below `{dir}`, by relative path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, File>,
    /// Auxiliary servers on the component's loopback, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, Server>,
    /// How the component is spoken to.
    #[serde(default, skip_serializing_if = "Scheme::is_http")]
    pub scheme: Scheme,
    /// The path that is asked until the component answers otherwise than with 503; `/-/ready` where it
    /// is left out. Where a file has a `{password-hash}`, as the user `probe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
}

/// A file to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum File {
    /// With this text.
    Text(String),
    /// With a text that depends on the version; the first range that fits.
    ByVersion(Vec<VersionedText>),
    /// Another kind of file.
    Special(Special),
}

/// A text for a range of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VersionedText {
    /// Which releases.
    pub versions: Versions,
    /// The text.
    pub text: String,
}

/// A file that is not regular.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Special {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: SpecialKind,
}

/// The type of a [`Special`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpecialKind {
    /// A named pipe that nobody writes to.
    Fifo,
}

/// How a component is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Plain.
    #[default]
    Http,
    /// Through TLS; its certificate is the probe's own and is not checked.
    Https,
}

impl Scheme {
    /// Whether it is the default.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_http(&self) -> bool {
        *self == Self::Http
    }
}

/// An auxiliary server. It runs in `reprove`, on the loopback interface of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "serves", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Server {
    /// The same answer to every HTTP request.
    Answer {
        /// Its status.
        #[serde(default = "ok")]
        status: u16,
        /// Its header fields.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// Its body.
        #[serde(default)]
        body: String,
        /// Whether through TLS, with the self-signed certificate.
        #[serde(default)]
        tls: bool,
    },
    /// As many series named `probe_many`.
    ManySeries {
        /// How many.
        count: u32,
    },
    /// Comment lines, compressed by a factor of some three hundred.
    GzipBomb {
        /// Their expanded length.
        bytes: u64,
    },
    /// Takes datagrams and answers none.
    Datagrams {},
}

const fn ok() -> u16 {
    200
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Request {
    /// Its method.
    #[serde(default)]
    pub method: Method,
    /// Path and query, sent as they stand.
    pub path: String,
    /// Header fields. `Connection` and `Content-Length` are set by themselves; `Host` may be set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Its body; one that is there but empty is sent with length 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Asks again, for some seconds, until the body contains this text; the last answer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_body_contains: Option<String>,
    /// How long to wait for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
}

/// A request's method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Method {
    #[default]
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// As it is sent.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it asks for no change (RFC 9110, 9.2.1).
    pub const fn safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options)
    }
}

/// Starts the component and sends it a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpProbe {
    /// What is started.
    pub launch: Launch,
    /// Requests that go first; each must be answered with a status below 400.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Request>,
    /// The request whose answer counts.
    pub request: Request,
    /// Alternatives.
    pub expect: Vec<HttpExpect>,
}

/// What an HTTP probe expects; everything that is named must be so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpExpect {
    /// Only for these releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// How the request ends.
    #[serde(default, skip_serializing_if = "Reply::is_answered")]
    pub reply: Reply,
    /// The answer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Header fields with exactly these values; names in any case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, String>,
    /// Header fields that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_absent: Vec<String>,
    /// Texts in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body_contains: Vec<String>,
    /// Texts that are not in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body_absent: Vec<String>,
    /// Texts in the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_contains: Vec<String>,
    /// Texts that are not in the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_absent: Vec<String>,
    /// The process after the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// Texts in what an auxiliary server was sent, by its name: request line, header, body; datagrams.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub server_saw: BTreeMap<String, Vec<String>>,
    /// Texts that are not in what an auxiliary server was sent. It must have been sent something.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub server_saw_not: BTreeMap<String, Vec<String>>,
    /// The most memory that the component may have used, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes_max: Option<u64>,
}

/// How a request ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// With an answer.
    #[default]
    Answered,
    /// With nothing in the given time, while the component still answers on its path for readiness.
    TimedOut,
    /// With the end of the connection before an answer.
    Broken,
}

impl Reply {
    /// Whether it is the default.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_answered(&self) -> bool {
        *self == Self::Answered
    }
}

/// The process after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// It lives and answers.
    Alive,
    /// It has ended by itself, with any status.
    Exited,
    /// It has ended by itself, with this status.
    ExitStatus(u8),
}

/// Starts the component and offers it one version of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsProbe {
    /// What is started; its scheme must be `https`.
    pub launch: Launch,
    /// The only version that is offered.
    pub offer: TlsVersion,
    /// Alternatives.
    pub expect: Vec<TlsExpect>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum TlsVersion {
    #[serde(rename = "1.0")]
    V1_0,
    #[serde(rename = "1.1")]
    V1_1,
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

impl TlsVersion {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// What a TLS probe expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsExpect {
    /// Only for these releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// What becomes of the offer.
    pub handshake: Handshake,
}

/// What becomes of an offer of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handshake {
    /// The server chooses that version.
    Accepted,
    /// The server refuses with an alert; a connection that just ends is neither.
    Refused,
}

/// Runs a program to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CliProbe {
    /// What is run.
    pub launch: Launch,
    /// Alternatives.
    pub expect: Vec<CliExpect>,
}

/// What a CLI probe expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CliExpect {
    /// Only for these releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// The program's exit status.
    pub exit_status: u8,
    /// Texts in its output, either stream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_contains: Vec<String>,
    /// Texts that are not in its output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_absent: Vec<String>,
}

/// Asks for a flag's default: the program's `--help`, or, where a launch is given, the running server's
/// `/api/v1/status/flags`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FlagDefault {
    /// The component, where its `--help` is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The server to be asked; it must not set the flag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Launch>,
    /// The flag, with its dashes.
    pub flag: String,
    /// Its default; empty where there is none.
    pub default: String,
    /// Only for these releases; elsewhere the probe tells nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
}

/// Starts the component with a configuration, which it must accept or refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfigProbe {
    /// What is started.
    pub launch: Launch,
    /// Alternatives.
    pub expect: Vec<ConfigExpect>,
}

/// What a configuration probe expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfigExpect {
    /// Only for these releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Versions>,
    /// What becomes of the configuration.
    pub configuration: Configuration,
    /// Texts in the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_contains: Vec<String>,
    /// Texts that are not in the output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_absent: Vec<String>,
}

/// What becomes of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Configuration {
    /// The component starts and answers.
    Accepted,
    /// It ends by itself with a status other than 0.
    Refused,
}

impl Probe {
    /// Its kind, as in the file.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::HttpProbe(_) => "http-probe",
            Self::TlsProbe(_) => "tls-probe",
            Self::CliProbe(_) => "cli-probe",
            Self::FlagDefault(_) => "flag-default",
            Self::ConfigProbe(_) => "config-probe",
        }
    }

    /// The component that it is about.
    pub fn component(&self) -> &str {
        let launch = match self {
            Self::HttpProbe(p) => &p.launch,
            Self::TlsProbe(p) => &p.launch,
            Self::CliProbe(p) => &p.launch,
            Self::ConfigProbe(p) => &p.launch,
            Self::FlagDefault(p) => match (&p.launch, &p.component) {
                (Some(launch), _) => launch,
                (None, component) => return component.as_deref().unwrap_or_default(),
            },
        };
        &launch.component
    }
}
