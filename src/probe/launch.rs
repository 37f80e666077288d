//! One component started in the sandbox, with its files, its auxiliary servers and its output.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use semver::Version;

use super::answer::ProcessState;
use super::http::{Message, NoAnswer, Response, exchange};
use super::servers::Servers;
use super::socket::Socket;
use super::spec::{File, Launch, Request, Scheme, Special, SpecialKind};
use super::tls::Identity;
use crate::environment::root_fs::remove_tree;
use crate::limits::probe::ProbeLimits;
use crate::rebuild::sandbox::{self, Line, Mount, Network, Outcome, Output, Run, Running, Spec};

/// The component's writable folder inside: what every root file system of ours has.
const FOLDER: &str = "/build";
/// The port on which a component shall listen. In a network of its own every port is free.
const PORT: u16 = 9400;
/// Between two looks at whether it answers.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// The bcrypt hash of `probe-pass`, with the least cost that there is.
const PASSWORD_HASH: &str = "$2b$04$Kq1v8sPzN3oXwYt6uRbGdOFqfxDGh5LMTRcNdHcvFrpy4sty.q7za";
/// The user `probe` with that password (RFC 7617).
const CREDENTIALS: &str = "Basic cHJvYmU6cHJvYmUtcGFzcw==";

/// What all launches of a run share.
pub(super) struct Setting<'a> {
    pub(super) root: &'a Path,
    pub(super) in_place: &'a [Mount],
    pub(super) env: &'a [(&'a str, &'a str)],
    /// `/etc` with a `hosts` file; see [`etc`].
    pub(super) etc: PathBuf,
    /// `/sys` of a machine with one processor; see [`sys`].
    pub(super) sys: PathBuf,
    pub(super) work_dir: &'a Path,
    pub(super) version: Option<Version>,
    pub(super) identity: Identity,
    pub(super) limits: &'a ProbeLimits,
}

/// The output so far.
#[derive(Debug, Default)]
struct Log {
    bytes: Vec<u8>,
    cut: bool,
}

/// A component that was started.
pub(super) struct Started<'a> {
    setting: &'a Setting<'a>,
    launch: &'a Launch,
    running: Option<Running>,
    ended: Option<Run>,
    servers: Option<Servers>,
    log: Arc<Mutex<Log>>,
    folder: PathBuf,
    ports: BTreeMap<String, u16>,
}

/// Why a component could not even be started. It tells nothing about the component.
pub(super) type NotStarted = String;

impl<'a> Started<'a> {
    /// Starts it. `name` is the name of its folder in the run's.
    pub(super) fn start(
        setting: &'a Setting<'a>,
        launch: &'a Launch,
        name: &str,
    ) -> Result<Self, NotStarted> {
        let folder = setting.work_dir.join(name);
        let ports = launch.servers.keys().cloned().zip(PORT + 1..).collect();
        let mut started = Self {
            setting,
            launch,
            running: None,
            ended: None,
            servers: None,
            log: Arc::default(),
            folder,
            ports,
        };
        started.files().map_err(|error| format!("its files cannot be made: {error}"))?;
        let log = Arc::clone(&started.log);
        let max = setting.limits.log_bytes_max;
        let sink = move |line: Line<'_>| {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            let room = max.saturating_sub(log.bytes.len());
            log.cut |= room < line.bytes.len() + 1;
            log.bytes.extend(line.bytes.iter().chain(b"\n").take(room));
        };
        let program = launch.program.as_ref().unwrap_or(&launch.component);
        let mut argv = vec![program.clone()];
        argv.extend(launch.args.iter().map(|arg| started.fill(arg)));
        let running = sandbox::spawn(started.spec(), argv, Box::new(sink)).map_err(|e| chain(&e))?;
        let servers = Servers::start(
            &running,
            &launch.servers,
            &started.ports,
            |text| started.fill(text),
            &setting.identity,
            setting.limits,
        );
        started.running = Some(running);
        match servers {
            Ok(servers) => started.servers = Some(servers),
            // The sandbox may have ended for a reason of its own, which tells more.
            Err(error) => match started.state() {
                Ok(Some(_)) => {}
                Ok(None) => return Err(format!("its auxiliary servers cannot listen: {error}")),
                Err(reason) => return Err(reason),
            },
        }
        Ok(started)
    }

    fn spec(&self) -> Spec {
        let mount = |source: &Path, target: &str| Mount { source: source.to_owned(), target: target.into() };
        Spec {
            root: self.setting.root.to_owned(),
            writable: vec![mount(&self.folder, FOLDER)],
            read_only: self
                .setting
                .in_place
                .iter()
                .cloned()
                .chain([mount(&self.setting.etc, "/etc"), mount(&self.setting.sys, "/sys")])
                .collect(),
            env: [("HOME", FOLDER), ("LC_ALL", "C.UTF-8"), ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")]
                .iter()
                .chain(self.setting.env)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            host_name: "probe".to_owned(),
            uid: 1000,
            gid: 1000,
            work_dir: FOLDER.into(),
            network: Network::Loopback,
            output: Output::Merged,
            cpus_max: None,
            limits: self.setting.limits.sandbox,
        }
    }

    /// Makes the folder with its files, readable by whoever the sandbox's user is.
    fn files(&self) -> io::Result<()> {
        make_folder(&self.folder)?;
        let identity = &self.setting.identity;
        let own = [("certificate.pem", &identity.certificate_pem), ("key.pem", &identity.key_pem)];
        for (name, text) in own {
            make_file(&self.folder.join(name), text)?;
        }
        for (name, file) in &self.launch.files {
            let mut path = self.folder.clone();
            let mut parts = name.split('/').peekable();
            while let Some(part) = parts.next() {
                path.push(part);
                if parts.peek().is_some() && !path.is_dir() {
                    make_folder(&path)?;
                }
            }
            match file {
                File::Text(text) => make_file(&path, &self.fill(text))?,
                File::ByVersion(texts) => {
                    let version = self.setting.version.as_ref();
                    let fits = texts.iter().find(|t| version.is_some_and(|v| t.versions.include(v)));
                    let none = || io::Error::other(format!("`{name}` has no text for this version"));
                    make_file(&path, &self.fill(&fits.ok_or_else(none)?.text))?;
                }
                File::Special(Special { kind: SpecialKind::Fifo }) => {
                    let mode = rustix::fs::Mode::from_raw_mode(0o644);
                    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)?;
                    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
                }
            }
        }
        Ok(())
    }

    /// Replaces what stands for something else.
    fn fill(&self, text: &str) -> String {
        let mut text = text
            .replace("{dir}", FOLDER)
            .replace("{port}", &PORT.to_string())
            .replace("{password-hash}", PASSWORD_HASH)
            .replace("{certificate}", &format!("{FOLDER}/certificate.pem"))
            .replace("{key}", &format!("{FOLDER}/key.pem"));
        for (name, port) in &self.ports {
            text = text.replace(&format!("{{port:{name}}}"), &port.to_string());
        }
        text
    }

    /// The end of the run, where it has ended; an error where the sandbox failed.
    pub(super) fn state(&mut self) -> Result<Option<Run>, NotStarted> {
        if self.running.as_ref().is_some_and(|running| !running.is_running()) {
            self.finish()?;
        }
        Ok(self.ended)
    }

    /// Ends it, if it still runs.
    pub(super) fn stop(&mut self) -> Result<Option<Run>, NotStarted> {
        if let Some(running) = &mut self.running {
            running.stop();
        }
        self.finish()?;
        Ok(self.ended)
    }

    /// Waits for its end.
    pub(super) fn finish(&mut self) -> Result<Option<Run>, NotStarted> {
        if let Some(running) = self.running.take() {
            self.ended = Some(running.wait().map_err(|error| chain(&error))?);
        }
        Ok(self.ended)
    }

    /// Waits until it answers; `false` when it has ended before.
    pub(super) fn ready(&mut self) -> Result<bool, NotStarted> {
        let deadline = Instant::now() + self.setting.limits.ready_time_max;
        let mut last: Option<String> = None;
        loop {
            if self.state()?.is_some() {
                return Ok(false);
            }
            match self.control(deadline) {
                Ok(503) => last = Some("it answers 503".to_owned()),
                Ok(_) => return Ok(true),
                // That the time is up tells less than what was seen before.
                Err(NoAnswer::TimedOut) => {}
                Err(no_answer) => last = Some(no_answer.text()),
            }
            if Instant::now() >= deadline {
                let time = self.setting.limits.ready_time_max.as_secs();
                let last = last.unwrap_or_else(|| NoAnswer::TimedOut.text());
                return Err(format!("it did not become ready on its port within {time} s: {last}"));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The status of the answer on the path for readiness.
    pub(super) fn control(&self, deadline: Instant) -> Result<u16, NoAnswer> {
        let path = self.launch.ready.as_deref().unwrap_or("/-/ready");
        let mut message = Message { method: "GET", path, host: host(), headers: Vec::new(), body: None };
        // Behind a password nobody else is told whether the server is ready.
        if self.has_password() {
            message.headers.push(("Authorization".to_owned(), CREDENTIALS.to_owned()));
        }
        self.send(&message, deadline).map(|response| response.status)
    }

    fn has_password(&self) -> bool {
        let uses = |text: &str| text.contains("{password-hash}");
        self.launch.files.values().any(|file| match file {
            File::Text(text) => uses(text),
            File::ByVersion(texts) => texts.iter().any(|one| uses(&one.text)),
            File::Special(_) => false,
        })
    }

    /// Sends a request of a specification.
    pub(super) fn request(&self, request: &Request) -> Result<Response, NoAnswer> {
        let path = self.fill(&request.path);
        let headers = request.headers.iter().map(|(name, value)| (name.clone(), self.fill(value)));
        let message = Message {
            method: request.method.word(),
            path: &path,
            host: host(),
            headers: headers.collect(),
            body: request.body.as_ref().map(|body| self.fill(body)),
        };
        let time = request.timeout_seconds.map_or(self.setting.limits.request_time_max, Duration::from_secs);
        self.send(&message, Instant::now() + time)
    }

    fn send(&self, message: &Message<'_>, deadline: Instant) -> Result<Response, NoAnswer> {
        let mut socket = self.connect(deadline)?;
        match self.launch.scheme {
            Scheme::Http => exchange(&mut socket, message, self.setting.limits),
            Scheme::Https => {
                let mut stream = self.setting.identity.wrap(socket)?;
                exchange(&mut stream, message, self.setting.limits)
            }
        }
    }

    /// A connection to the component's port.
    pub(super) fn connect(&self, deadline: Instant) -> Result<Socket<'static>, NoAnswer> {
        let ended = || NoAnswer::Broken("the component has ended".to_owned());
        let running = self.running.as_ref().ok_or_else(ended)?;
        Socket::connect(running, PORT, deadline).map_err(|error| NoAnswer::of(&error))
    }

    /// The output so far, and whether some is missing.
    pub(super) fn log(&self) -> (String, bool) {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        (String::from_utf8_lossy(&log.bytes).into_owned(), log.cut)
    }

    /// What the auxiliary servers were sent so far.
    pub(super) fn servers_saw(&self) -> BTreeMap<String, Vec<String>> {
        self.servers.as_ref().map(Servers::saw).unwrap_or_default()
    }

    /// The process as it is now.
    pub(super) fn process(&mut self) -> Result<ProcessState, NotStarted> {
        Ok(self.state()?.map_or(ProcessState::Alive, process_state))
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        // The component first, so that its servers do not look broken to it.
        self.running = None;
        self.servers = None;
        // The run's folder is removed as a whole in the end; this keeps it small meanwhile.
        let _ = remove_tree(&self.folder);
    }
}

/// How a run that has ended looks from here.
pub(super) fn process_state(run: Run) -> ProcessState {
    match run.outcome {
        Outcome::Exited { status } => ProcessState::Exited(status),
        Outcome::Signalled { signal } => ProcessState::Signalled(signal),
        Outcome::TimedOut { .. } | Outcome::LimitReached { .. } => ProcessState::LimitReached,
        // Only we stop, and ask no more then.
        Outcome::Stopped => ProcessState::Alive,
    }
}

fn host() -> String {
    format!("127.0.0.1:{PORT}")
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

fn make_file(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// Makes what every host has in `/sys`, and a build does without: one processor. The node exporter's
/// collector panics where there is none (seen with 1.9.0), which would be a finding about this sandbox.
pub(super) fn sys(to: &Path) -> io::Result<()> {
    let mut folder = to.to_owned();
    make_folder(&folder)?;
    for part in ["devices", "system", "cpu", "cpu0"] {
        folder.push(part);
        make_folder(&folder)?;
    }
    folder.pop();
    for (name, text) in [("online", "0\n"), ("offline", "\n"), ("possible", "0\n"), ("present", "0\n")] {
        make_file(&folder.join(name), text)?;
    }
    Ok(())
}

/// Copies the root's `/etc` into `to` and adds what every host has, and a build environment lacks: a
/// `hosts` file, without which `localhost` has no address. Left out are files of more than a megabyte,
/// those that not everybody may read, and whatever comes after a thousand entries.
pub(super) fn etc(root: &Path, to: &Path) -> io::Result<()> {
    make_folder(to)?;
    let mut left = 1000usize;
    match copy(&root.join("etc"), to, &mut left, 8) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let hosts = to.join("hosts");
    if fs::symlink_metadata(&hosts).is_ok() {
        fs::remove_file(&hosts)?;
    }
    make_file(&hosts, "127.0.0.1 localhost probe\n")
}

fn readable(file: &fs::Metadata) -> bool {
    file.len() <= 1 << 20 && file.permissions().mode() & 0o004 != 0
}

fn copy(from: &Path, to: &Path, left: &mut usize, depth: usize) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if *left == 0 || depth == 0 {
            return Ok(());
        }
        *left -= 1;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        } else if kind.is_dir() {
            make_folder(&target)?;
            copy(&entry.path(), &target, left, depth - 1)?;
        } else if kind.is_file() && readable(&entry.metadata()?) {
            fs::copy(entry.path(), &target)?;
            fs::set_permissions(&target, fs::Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}
