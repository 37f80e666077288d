//! Sockets of a sandbox's network, with a deadline on everything.
//!
//! They come out of [`Running::socket`] and can reach nothing but the sandbox's own loopback.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use crate::rebuild::sandbox::{Running, SocketKind};

/// How often a waiting call looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Connections that may wait to be accepted: Go's client opens a few at once.
const BACKLOG: i32 = 64;

fn at(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

fn made(running: &Running, kind: SocketKind) -> io::Result<OwnedFd> {
    let fd = running.socket(kind).map_err(io::Error::other)?;
    rustix::io::ioctl_fionbio(&fd, true)?;
    Ok(fd)
}

/// Waits until `fd` is ready; an error at the deadline, and when the wait is to stop.
fn wait(fd: &OwnedFd, flags: PollFlags, deadline: Instant, stop: Option<&AtomicBool>) -> io::Result<()> {
    loop {
        if stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let time = left.min(LOOK_EVERY);
        let time = Timespec { tv_sec: 0, tv_nsec: time.subsec_nanos().into() };
        match poll(&mut [PollFd::new(fd, flags)], Some(&time)) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A connection. Every call on it ends at its deadline.
#[derive(Debug)]
pub(super) struct Socket<'a> {
    fd: OwnedFd,
    deadline: Instant,
    stop: Option<&'a AtomicBool>,
}

impl Socket<'static> {
    /// Connects to a port inside.
    pub(super) fn connect(running: &Running, port: u16, deadline: Instant) -> io::Result<Self> {
        let fd = made(running, SocketKind::Stream)?;
        match rustix::net::connect(&fd, &at(port)) {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => {
                wait(&fd, PollFlags::OUT, deadline, None)?;
                rustix::net::sockopt::socket_error(&fd)??;
            }
            Err(errno) => return Err(errno.into()),
        }
        Ok(Self { fd, deadline, stop: None })
    }
}

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Before each read: a peer that always has something ready must not pass the deadline.
            wait(&self.fd, PollFlags::IN, self.deadline, self.stop)?;
            match rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((read, _)) => return Ok(read),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            wait(&self.fd, PollFlags::OUT, self.deadline, self.stop)?;
            match rustix::net::send(&self.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(written) => return Ok(written),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A port inside that connections come in through.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

impl Listener {
    /// Listens inside.
    pub(super) fn listen(running: &Running, port: u16) -> io::Result<Self> {
        let fd = made(running, SocketKind::Stream)?;
        rustix::net::bind(&fd, &at(port))?;
        rustix::net::listen(&fd, BACKLOG)?;
        Ok(Self(fd))
    }

    /// The next connection, on which every call ends after `time`, or when `stop` is set.
    pub(super) fn accept<'a>(&self, stop: &'a AtomicBool, time: Duration) -> io::Result<Socket<'a>> {
        loop {
            let far = Instant::now() + Duration::from_secs(3600);
            wait(&self.0, PollFlags::IN, far, Some(stop))?;
            match rustix::net::accept_with(&self.0, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(fd) => return Ok(Socket { fd, deadline: Instant::now() + time, stop: Some(stop) }),
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// A port inside that datagrams come in through.
#[derive(Debug)]
pub(super) struct Datagrams(OwnedFd);

impl Datagrams {
    /// Receives inside.
    pub(super) fn bind(running: &Running, port: u16) -> io::Result<Self> {
        let fd = made(running, SocketKind::Datagram)?;
        rustix::net::bind(&fd, &at(port))?;
        Ok(Self(fd))
    }

    /// The next datagram, cut at the buffer's length.
    pub(super) fn receive(&self, buffer: &mut [u8], stop: &AtomicBool) -> io::Result<usize> {
        loop {
            let far = Instant::now() + Duration::from_secs(3600);
            wait(&self.0, PollFlags::IN, far, Some(stop))?;
            match rustix::net::recv(&self.0, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((read, _)) => return Ok(read.min(buffer.len())),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
