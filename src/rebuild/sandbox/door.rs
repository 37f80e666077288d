//! Sockets of the sandbox's own network, for use outside.
//!
//! A socket belongs to the network in which it was made, whoever holds it. So the first process inside
//! makes Internet sockets on request and hands them out, and the caller connects them to a server inside,
//! or listens with them for programs inside. No helper program is needed, and nothing inside gains a
//! network: what comes in through such a socket is what the caller writes to it.
//!
//! The request is one byte, [`Kind`]; the answer is an `errno`, 0 with a descriptor.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use rustix::process::{Pid, PidfdFlags, WaitOptions};

use super::linux;

/// Which socket is asked for; IPv4, as every server listens there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Stream => 1,
            Self::Datagram => 2,
        }
    }

    const fn socket_type(byte: u8) -> Option<SocketType> {
        match byte {
            1 => Some(SocketType::STREAM),
            2 => Some(SocketType::DGRAM),
            _ => None,
        }
    }
}

/// How long a request for a socket may take: the first process answers at once, unless the machine is
/// overloaded or the sandbox is being made.
const ANSWER_WITHIN: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
/// Orphans are reaped at least this often while nothing else happens.
const REAP_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
const ANSWER_BYTES: usize = 4;

/// The caller's end.
#[derive(Debug)]
pub(super) struct Door(Mutex<OwnedFd>);

impl Door {
    /// Both ends; the second is the sandbox's.
    pub(super) fn make() -> Result<(Self, OwnedFd), Errno> {
        let (outer, inner) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(Mutex::new(outer)), inner))
    }

    /// A new socket from inside.
    pub(super) fn socket(&self, kind: Kind) -> Result<OwnedFd, io::Error> {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rustix::net::send(&*socket, &[kind.byte()], SendFlags::NOSIGNAL)?;
        let mut watched = [PollFd::new(&*socket, PollFlags::IN)];
        if poll(&mut watched, Some(&ANSWER_WITHIN))? == 0 {
            // A late answer must not be taken for the next one.
            let _ = rustix::net::shutdown(&*socket, rustix::net::Shutdown::Both);
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut bytes = [0u8; ANSWER_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let read = rustix::net::recvmsg(&*socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
        if read.bytes != ANSWER_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let descriptor = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        descriptor.ok_or_else(|| io::Error::from_raw_os_error(i32::from_le_bytes(bytes)))
    }
}

/// Runs in the first process: reaps until `program` has ended, and makes sockets meanwhile; the wait
/// status, or `None` when there are no children left. No allocation, no lock.
pub(super) fn serve_until(program: i32) -> Option<i32> {
    let number = Pid::from_raw(program);
    let Some(ended) = number.and_then(|n| rustix::process::pidfd_open(n, PidfdFlags::empty()).ok()) else {
        return linux::reap_until(program);
    };
    let mut asked = true;
    loop {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if Some(pid) == number => return Some(status.as_raw()),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return None,
            }
        }
        let door = linux::door();
        let mut watched = [PollFd::new(&ended, PollFlags::IN), PollFd::new(&door, PollFlags::IN)];
        let count = if asked { 2 } else { 1 };
        let polled = watched.get_mut(..count)?;
        let _ = poll(polled, Some(&REAP_EVERY));
        let wanted = polled.get(1).is_some_and(|fd| !fd.revents().is_empty());
        if wanted {
            asked = hand_out(door);
        }
    }
}

/// Answers one request; `false` when there is nobody to ask any more.
fn hand_out(door: BorrowedFd<'_>) -> bool {
    let mut byte = [0u8; 1];
    let kind = match rustix::net::recv(door, &mut byte, RecvFlags::DONTWAIT) {
        Ok((1, _)) => Kind::socket_type(byte[0]),
        Err(Errno::INTR | Errno::AGAIN) => return true,
        _ => return false,
    };
    let made = kind
        .ok_or(Errno::INVAL)
        .and_then(|kind| rustix::net::socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None));
    let errno = made.as_ref().err().map_or(0, |errno| errno.raw_os_error());
    let answer = errno.to_le_bytes();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptor;
    if let Ok(socket) = &made {
        descriptor = [socket.as_fd()];
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptor));
    }
    rustix::net::sendmsg(door, &[IoSlice::new(&answer)], &mut ancillary, SendFlags::NOSIGNAL).is_ok()
}
