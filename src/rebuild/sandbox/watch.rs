//! The watcher: one thread that starts a sandbox, reads what comes out of it, looks after its limits
//! and ends it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType,
};
use rustix::pipe::PipeFlags;
use rustix::process::Signal;

use super::call::{Call, perform_all};
use super::cgroup::Cgroup;
use super::disk::Disk;
use super::door;
use super::linux::{self, Linux, Report};
use super::plan::{Identity, Plan, host_has};
use super::tree::Tree;
use super::{Limit, Line, Outcome, Output, Restriction, Run, SandboxError, Sink, Spec, Stream, Usage};

/// Time between two looks at the limits. One look takes about 10 microseconds a process, so that 20
/// processes cost a build 0.2 % of one processor.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same when half of the memory or of the tasks is used.
const LOOK_EVERY_NEAR: Duration = Duration::from_millis(10);
/// Bytes read from a pipe at a time: what a pipe holds.
const READ_BYTES: usize = 64 << 10;

/// Counts sandboxes of this process, for names that must differ.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A sandbox that runs, seen from outside.
pub(super) struct Watch {
    start: Instant,
    limits: crate::limits::sandbox::SandboxLimits,
    plan: Plan,
    program: String,
    pidfd: OwnedFd,
    pid: i32,
    reports: Option<OwnedFd>,
    /// Held open for as long as the sandbox may live.
    _life: OwnedFd,
    streams: Vec<Pipe>,
    stop: Option<OwnedFd>,
    cgroup: Option<Cgroup>,
    disk: Disk,
    tree: Option<Tree>,
    ending: Option<Outcome>,
    failure: Option<SandboxError>,
    status: Option<i32>,
    log_bytes: u64,
    usage: Usage,
}

impl Watch {
    /// Starts. `stop` ends the run when its other end is closed.
    /// `door` is the sandbox's end of the one through which it hands out sockets.
    pub(super) fn start(
        spec: &Spec,
        argv: &[String],
        stop: Option<OwnedFd>,
        door: Option<OwnedFd>,
    ) -> Result<Self, SandboxError> {
        let start = Instant::now();
        let uid_map = std::fs::read_to_string("/proc/self/uid_map").map_err(watch("the map of users"))?;
        let (euid, egid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let identity = Identity::choose(euid, egid, &uid_map);
        let affinity = spec.cpus_max.map(affinity).transpose().map_err(watch("the processors"))?;
        let plan = Plan::new(spec, argv, identity, affinity, host_has)?;
        for mount in &spec.writable {
            give(mount.source.clone(), identity)?;
        }
        let folders = spec.writable.iter().map(|mount| mount.source.clone()).collect();
        let disk = Disk::new(folders).map_err(watch("the free space of the writable folders"))?;

        let null = high(rustix::fs::open(
            "/dev/null",
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        ))?;
        let (life_inner, life) = pipe()?;
        let (out_outer, out_inner) = pipe()?;
        let mut streams = vec![Pipe::new(Stream::Stdout, out_outer, spec.limits.line_bytes_max)?];
        let err_inner = match spec.output {
            Output::Merged => None,
            Output::Separate => {
                let (outer, inner) = pipe()?;
                streams.push(Pipe::new(Stream::Stderr, outer, spec.limits.line_bytes_max)?);
                Some(inner)
            }
        };
        let (reports, report_inner) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|errno| watch("a socket")(errno.into()))?;
        let report_inner = high(Ok(report_inner))?;
        let door = door.map(|door| high(Ok(door))).transpose()?;

        let name = format!("reprove-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let cgroup = Cgroup::make(&spec.limits, &name);
        let inner = Inner {
            stdin: null.as_raw_fd(),
            stdout: out_inner.as_raw_fd(),
            stderr: err_inner.as_ref().unwrap_or(&out_inner).as_raw_fd(),
            life: life_inner.as_raw_fd(),
            report: report_inner.as_raw_fd(),
            door: door.as_ref().map(AsRawFd::as_raw_fd),
        };
        let linux = Linux::new();
        let (pid, pidfd) =
            linux::clone_sealed(cgroup.as_ref().map(Cgroup::descriptor), || inner.live(&linux, &plan))
                .map_err(closed)?;
        let watch = Self {
            start,
            limits: spec.limits,
            plan,
            program: argv.first().cloned().unwrap_or_default(),
            pidfd,
            pid,
            reports: Some(reports),
            _life: life,
            streams,
            stop,
            cgroup,
            disk,
            tree: None,
            ending: None,
            failure: None,
            status: None,
            log_bytes: 0,
            usage: Usage::default(),
        };
        drop((null, life_inner, out_inner, err_inner, report_inner, door));
        // From here on dropping `watch` ends the child.
        watch.let_go(spec, identity)?;
        Ok(watch)
    }

    /// Maps the one user and lets the child begin.
    fn let_go(&self, spec: &Spec, identity: Identity) -> Result<(), SandboxError> {
        let write = |file: &str, text: &str| {
            let path = format!("/proc/{}/{file}", self.pid);
            std::fs::write(&path, text)
                .map_err(|source| SandboxError::Setup { step: format!("write {text} to {file}"), source })
        };
        if !identity.privileged {
            write("setgroups", "deny")?;
        }
        write("uid_map", &format!("{} {} 1", spec.uid, identity.outer_uid))?;
        write("gid_map", &format!("{} {} 1", spec.gid, identity.outer_gid))?;
        // The kernel shall choose the build before anything else of the host; best effort.
        let _ = write("oom_score_adj", "1000");
        rustix::io::write(&self._life, b"g").map_err(|errno| watch("the first process")(errno.into()))?;
        Ok(())
    }

    /// Watches until all processes are gone.
    pub(super) fn follow(mut self, sink: &mut dyn Sink) -> Result<Run, SandboxError> {
        let deadline = self.start + self.limits.wall_time_max;
        let mut next_look = self.start + LOOK_EVERY_NEAR;
        loop {
            let now = Instant::now();
            if self.ending.is_none() {
                if now >= deadline {
                    self.end(Outcome::TimedOut { after: self.limits.wall_time_max });
                } else if now >= next_look {
                    next_look = now + self.look();
                }
            }
            let until = if self.ending.is_some() { now + LOOK_EVERY } else { deadline.min(next_look) };
            if self.wait_for_something(until.saturating_duration_since(now), sink)? {
                break;
            }
        }
        self.conclude(sink)
    }

    /// Waits for output, reports, the end. `true` at the end of the first process.
    fn wait_for_something(&mut self, time: Duration, sink: &mut dyn Sink) -> Result<bool, SandboxError> {
        let mut polled = vec![PollFd::new(&self.pidfd, PollFlags::IN)];
        let streams = self.streams.iter().filter_map(|pipe| pipe.open.as_ref());
        for fd in self.reports.iter().chain(&self.stop).chain(streams) {
            polled.push(PollFd::new(fd, PollFlags::IN));
        }
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        match poll(&mut polled, Some(&time)) {
            Ok(0) | Err(Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(errno) => return Err(watch("its pipes")(errno.into())),
        }
        let mut ready = polled.iter().map(|fd| !fd.revents().is_empty()).collect::<Vec<_>>().into_iter();
        let ended = ready.next() == Some(true);
        if self.reports.is_some() && ready.next() == Some(true) {
            self.receive();
        }
        if self.stop.is_some() && ready.next() == Some(true) {
            self.stop = None;
            self.end(Outcome::Stopped);
        }
        self.pump(sink, false);
        Ok(ended)
    }

    /// Looks after the limits; the time until the next look.
    fn look(&mut self) -> Duration {
        let Some(tree) = &self.tree else { return LOOK_EVERY_NEAR };
        let used = tree.usage();
        let memory = match &self.cgroup {
            Some(cgroup) => cgroup.peak_memory_bytes().unwrap_or(0),
            None => used.resident_bytes,
        };
        self.usage.peak_memory_bytes = self.usage.peak_memory_bytes.max(memory);
        self.usage.peak_tasks = self.usage.peak_tasks.max(used.tasks);
        let limits = &self.limits;
        let reached = if self.cgroup.is_none() && memory > limits.memory_bytes_max {
            Some(Limit::Memory)
        } else if used.tasks > limits.tasks_max {
            Some(Limit::Tasks)
        } else if used.cpu > limits.cpu_time_max {
            Some(Limit::CpuTime)
        } else {
            self.disk.look(limits, tree)
        };
        if let Some(limit) = reached {
            self.end(Outcome::LimitReached { limit });
        }
        if memory > self.limits.memory_bytes_max / 2 || used.tasks > self.limits.tasks_max / 2 {
            LOOK_EVERY_NEAR
        } else {
            LOOK_EVERY
        }
    }

    /// Looks a last time at the memory: what the processes reach between two looks is in the kernel's
    /// high-water mark of each, as long as they live.
    fn look_at_last(&mut self) {
        let Some(tree) = &self.tree else { return };
        let last = tree.usage().resident_bytes.max(tree.largest_process_bytes());
        self.usage.peak_memory_bytes = self.usage.peak_memory_bytes.max(last);
        self.usage.peak_to_the_end = last > 0;
    }

    /// Kills the first process, and with it all others.
    fn end(&mut self, outcome: Outcome) {
        if self.ending.is_none() {
            self.look_at_last();
        }
        self.ending.get_or_insert(outcome);
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Takes what the child reports.
    fn receive(&mut self) {
        let mut bytes = [0u8; Report::LEN];
        while let Some(socket) = &self.reports {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let read = match rustix::net::recvmsg(
                socket,
                &mut [io::IoSliceMut::new(&mut bytes)],
                &mut ancillary,
                flags,
            ) {
                Ok(message) => message.bytes,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return,
                Err(_) => 0,
            };
            let descriptor = ancillary.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                _ => None,
            });
            match bytes.get(..read).and_then(Report::decode) {
                Some(Report::Processes) => {
                    self.tree = descriptor.map(|fd| Tree::new(fd, self.pid));
                }
                Some(Report::SetupFailed { call, errno }) => {
                    let step = self.plan.seal.get(call as usize).map(Call::to_string).unwrap_or_default();
                    self.failure.get_or_insert_with(|| setup_failed(step, errno));
                }
                Some(Report::StartFailed { errno, .. }) => {
                    let source = io::Error::from_raw_os_error(errno);
                    let program = self.program.clone();
                    self.failure.get_or_insert(SandboxError::Exec { program, source });
                }
                Some(Report::Ended { status }) => self.status = Some(status),
                None => self.reports = None,
            }
        }
    }

    /// Hands on what the pipes hold: one buffer full each, or with `all` everything.
    fn pump(&mut self, sink: &mut dyn Sink, all: bool) {
        let mut buffer = vec![0u8; READ_BYTES];
        let mut over = false;
        for pipe in &mut self.streams {
            while let Some(fd) = &pipe.open {
                match rustix::io::read(fd, &mut buffer) {
                    Ok(0) => pipe.open = None,
                    Ok(read) => {
                        let room = self.limits.log_bytes_max.saturating_sub(self.log_bytes);
                        let taken = read.min(usize::try_from(room).unwrap_or(usize::MAX));
                        over |= taken < read;
                        self.log_bytes += taken as u64;
                        pipe.lines.push(buffer.get(..taken).unwrap_or_default(), self.start, sink);
                    }
                    Err(Errno::INTR) => continue,
                    Err(Errno::AGAIN) => break,
                    Err(_) => pipe.open = None,
                }
                if !all {
                    break;
                }
            }
        }
        if over {
            self.end(Outcome::LimitReached { limit: Limit::Log });
        }
    }

    /// All processes are gone: reads the rest and tells.
    fn conclude(mut self, sink: &mut dyn Sink) -> Result<Run, SandboxError> {
        let used =
            linux::wait(self.pidfd.as_fd()).map_err(|errno| watch("the first process")(errno.into()))?;
        self.receive();
        self.pump(sink, true);
        for pipe in &mut self.streams {
            pipe.lines.flush(self.start, sink);
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let kernels =
            self.cgroup.as_ref().and_then(Cgroup::reached).map(|limit| Outcome::LimitReached { limit });
        let outcome = match (self.ending, self.status) {
            (Some(ending), _) => ending,
            (None, Some(status)) if libc::WIFEXITED(status) => {
                let status = libc::WEXITSTATUS(status);
                let blamed = kernels.filter(|_| status != 0);
                blamed.unwrap_or(Outcome::Exited { status })
            }
            (None, Some(status)) => kernels.unwrap_or(Outcome::Signalled { signal: libc::WTERMSIG(status) }),
            // Somebody killed the first process, before it could tell.
            (None, None) => kernels.unwrap_or(Outcome::Signalled { signal: libc::SIGKILL }),
        };
        let charged = self.cgroup.as_ref().and_then(Cgroup::peak_memory_bytes).filter(|bytes| *bytes > 0);
        let usage = Usage {
            wall: self.start.elapsed(),
            user: Duration::from_micros(used.user_micros),
            system: Duration::from_micros(used.system_micros),
            largest_process_bytes: used.largest_process_bytes,
            peak_memory_bytes: self.usage.peak_memory_bytes.max(charged.unwrap_or(0)),
            peak_to_the_end: self.usage.peak_to_the_end || charged.is_some(),
            peak_tasks: self.usage.peak_tasks,
        };
        Ok(Run { outcome, usage })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Harmless when it is gone: a pidfd cannot mean another process.
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = linux::wait(self.pidfd.as_fd());
    }
}

/// The child's descriptors, by their numbers before they are arranged.
struct Inner {
    stdin: i32,
    stdout: i32,
    stderr: i32,
    life: i32,
    report: i32,
    door: Option<i32>,
}

impl Inner {
    /// The life of the first process. Runs in the child: no allocation, no lock.
    fn live(&self, linux: &Linux, plan: &Plan) -> i32 {
        let arranged =
            linux::arrange(self.stdin, self.stdout, self.stderr, self.life, self.report, self.door);
        if arranged.is_err() || !linux::wait_for_go() {
            return 1;
        }
        if let Err((call, errno)) = perform_all(linux, &plan.seal) {
            Report::SetupFailed { call: call as u32, errno: errno.raw_os_error() }.send();
            return 1;
        }
        match linux::fork() {
            Ok(None) => {
                if let Err((call, errno)) = perform_all(linux, &plan.start) {
                    Report::StartFailed { call: call as u32, errno: errno.raw_os_error() }.send();
                }
                127
            }
            Ok(Some(program)) => {
                linux::leave_output();
                let ended = match self.door {
                    None => linux::reap_until(program),
                    Some(_) => door::serve_until(program),
                };
                if let Some(status) = ended {
                    Report::Ended { status }.send();
                }
                0
            }
            Err(errno) => {
                Report::StartFailed { call: 0, errno: errno.raw_os_error() }.send();
                1
            }
        }
    }
}

/// One output pipe.
struct Pipe {
    open: Option<OwnedFd>,
    lines: Lines,
}

impl Pipe {
    fn new(stream: Stream, fd: OwnedFd, line_bytes_max: usize) -> Result<Self, SandboxError> {
        rustix::io::ioctl_fionbio(&fd, true).map_err(|errno| watch("an output pipe")(errno.into()))?;
        let lines = Lines { stream, part: Vec::new(), line_bytes_max: line_bytes_max.max(1) };
        Ok(Self { open: Some(fd), lines })
    }
}

/// Splits a stream of bytes into lines of bounded length.
struct Lines {
    stream: Stream,
    part: Vec<u8>,
    line_bytes_max: usize,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8], start: Instant, sink: &mut dyn Sink) {
        while !bytes.is_empty() {
            let room = self.line_bytes_max.saturating_sub(self.part.len());
            let end = memchr::memchr(b'\n', bytes);
            let (taken, skip) = match end {
                Some(end) if end <= room => (end, end + 1),
                _ => (room.min(bytes.len()), room.min(bytes.len())),
            };
            let (now, rest) = (bytes.get(..taken).unwrap_or_default(), bytes.get(skip..).unwrap_or_default());
            self.part.extend_from_slice(now);
            if skip > taken || self.part.len() >= self.line_bytes_max {
                self.flush_line(start, sink);
            }
            bytes = rest;
        }
    }

    fn flush_line(&mut self, start: Instant, sink: &mut dyn Sink) {
        sink.line(Line { stream: self.stream, at: start.elapsed(), bytes: &self.part });
        self.part.clear();
    }

    /// The last line, where it has no line feed.
    fn flush(&mut self, start: Instant, sink: &mut dyn Sink) {
        if !self.part.is_empty() {
            self.flush_line(start, sink);
        }
    }
}

/// A pipe whose ends have numbers that [`linux::arrange`] does not overwrite.
pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), SandboxError> {
    let (read, write) =
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|errno| watch("a pipe")(errno.into()))?;
    Ok((high(Ok(read))?, high(Ok(write))?))
}

fn high(fd: Result<OwnedFd, Errno>) -> Result<OwnedFd, SandboxError> {
    fd.and_then(|fd| rustix::io::fcntl_dupfd_cloexec(&fd, 10))
        .map_err(|errno| watch("a descriptor")(errno.into()))
}

pub(super) fn watch(what: &'static str) -> impl Fn(io::Error) -> SandboxError {
    move |source| SandboxError::Watch { what, source }
}

/// Gives a writable folder to the user that a sandbox of root's acts as.
fn give(path: PathBuf, identity: Identity) -> Result<(), SandboxError> {
    let given = if identity.privileged {
        std::os::unix::fs::lchown(&path, Some(identity.outer_uid), Some(identity.outer_gid))
    } else {
        std::fs::symlink_metadata(&path).map(drop)
    };
    given.map_err(|source| SandboxError::Writable { path, source })
}

/// The first `count` processors of those that the caller may use, as the kernel's mask.
fn affinity(count: usize) -> Result<Vec<u64>, io::Error> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let mut mask = vec![0u64; rustix::thread::CpuSet::MAX_CPU.div_ceil(64)];
    let chosen = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).take(count.max(1));
    for cpu in chosen {
        if let Some(word) = mask.get_mut(cpu / 64) {
            *word |= 1 << (cpu % 64);
        }
    }
    Ok(mask)
}

fn recognise() -> Restriction {
    Restriction::recognise(|path| std::fs::read_to_string(path).ok())
}

fn closed(errno: Errno) -> SandboxError {
    let source = errno.into();
    match errno {
        Errno::PERM | Errno::NOSPC | Errno::USERS | Errno::INVAL | Errno::NOSYS | Errno::ACCESS => {
            SandboxError::NamespacesClosed { restriction: recognise(), source }
        }
        _ => SandboxError::Watch { what: "the first process", source },
    }
}

/// Ubuntu's AppArmor lets the namespace be made, and then refuses whatever it would be good for.
fn setup_failed(step: String, errno: i32) -> SandboxError {
    let source = io::Error::from_raw_os_error(errno);
    let denied = source.kind() == io::ErrorKind::PermissionDenied;
    match recognise() {
        restriction @ Restriction::AppArmor if denied => {
            SandboxError::NamespacesClosed { restriction, source }
        }
        _ => SandboxError::Setup { step, source },
    }
}
