//! The kernel: the only file of this crate with `unsafe`.
//!
//! What is called in the child may use neither the heap nor a lock: see [`call`](super::call).

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

use super::call::{Call, STAGING, System};

/// Number of the watcher's pipe in the child: end of file means that the watcher is gone.
pub(super) const LIFE: RawFd = 3;
/// Number of the socket to the watcher in the child.
pub(super) const REPORT: RawFd = 4;
/// Number of the socket through which sockets are handed out, where they are; see [`door`](super::door).
pub(super) const DOOR: RawFd = 5;
/// Mounts that can be held at once.
pub(super) const SLOTS: usize = 32;

/// One message from the child to its watcher: what, which call, and an `errno` or wait status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// A call of the sealing failed.
    SetupFailed { call: u32, errno: i32 },
    /// A call between the second fork and the program's start failed.
    StartFailed { call: u32, errno: i32 },
    /// Comes with a descriptor of the inner `/proc`.
    Processes,
    /// The program ended, with this wait status.
    Ended { status: i32 },
}

impl Report {
    /// Length of a message in bytes.
    pub(super) const LEN: usize = 12;

    fn encode(self) -> [u8; Self::LEN] {
        let (kind, call, value) = match self {
            Self::SetupFailed { call, errno } => (1u32, call, errno),
            Self::StartFailed { call, errno } => (2, call, errno),
            Self::Processes => (3, 0, 0),
            Self::Ended { status } => (4, 0, status),
        };
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) =
            (kind.to_le_bytes(), call.to_le_bytes(), value.to_le_bytes());
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// Reads a message; `None` for anything that [`encode`](Self::encode) does not write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = bytes.try_into().ok()?;
        let call = u32::from_le_bytes([e, f, g, h]);
        let value = i32::from_le_bytes([i, j, k, l]);
        match u32::from_le_bytes([a, b, c, d]) {
            1 => Some(Self::SetupFailed { call, errno: value }),
            2 => Some(Self::StartFailed { call, errno: value }),
            3 => Some(Self::Processes),
            4 => Some(Self::Ended { status: value }),
            _ => None,
        }
    }

    /// Sends from the child. There is nobody to tell when it fails.
    pub(super) fn send(self) {
        // SAFETY: the child keeps its socket under this number from its first call to its last.
        let socket = unsafe { BorrowedFd::borrow_raw(REPORT) };
        let _ = rustix::net::send(socket, &self.encode(), SendFlags::NOSIGNAL);
    }
}

/// The kernel of this machine, with the mounts held so far.
pub(super) struct Linux {
    held: [Cell<RawFd>; SLOTS],
}

impl Linux {
    /// With nothing held.
    pub(super) fn new() -> Self {
        Self { held: [const { Cell::new(-1) }; SLOTS] }
    }

    fn slot(&self, slot: usize) -> Result<&Cell<RawFd>, Errno> {
        self.held.get(slot).ok_or(Errno::INVAL)
    }
}

/// Makes a raw system call. The C library's wrapper only adds `errno`, which is per thread.
///
/// # Safety
///
/// The arguments must be what this call expects; pointers must be valid for its duration.
unsafe fn raw(number: libc::c_long, arguments: [usize; 6]) -> Result<usize, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the caller's promise.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result < 0 {
        // SAFETY: points to this thread's `errno`, always valid.
        Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }))
    } else {
        Ok(result.unsigned_abs() as usize)
    }
}

fn address(text: &CStr) -> usize {
    text.as_ptr() as usize
}

const HERE: usize = libc::AT_FDCWD as usize;

fn prctl(option: c_int, a: usize, b: usize) -> Result<(), Errno> {
    // SAFETY: used with options that take numbers only.
    unsafe { raw(libc::SYS_prctl, [option as usize, a, b, 0, 0, 0]) }.map(drop)
}

fn close(fd: RawFd) {
    // SAFETY: the child owns what it closes here: held mounts and files just opened.
    let _ = unsafe { raw(libc::SYS_close, [fd as usize, 0, 0, 0, 0, 0]) };
}

fn open(path: &CStr, flags: c_int) -> Result<RawFd, Errno> {
    // SAFETY: a C string and numbers.
    unsafe { raw(libc::SYS_openat, [HERE, address(path), (flags | libc::O_CLOEXEC) as usize, 0o644, 0, 0]) }
        .map(|fd| fd as RawFd)
}

impl System for Linux {
    fn perform(&self, call: &Call) -> Result<(), Errno> {
        match call {
            // SAFETY: takes nothing.
            Call::NewSession => unsafe { raw(libc::SYS_setsid, [0; 6]) }.map(drop),
            Call::UnblockSignals => {
                let none = 0u64;
                let (set, len) = (&raw const none as usize, size_of::<u64>());
                // SAFETY: `set` points to a kernel signal set of `len` bytes; no old set is asked for.
                unsafe { raw(libc::SYS_rt_sigprocmask, [libc::SIG_SETMASK as usize, set, 0, len, 0, 0]) }
                    .map(drop)
            }
            Call::NotDumpable => prctl(libc::PR_SET_DUMPABLE, 0, 0),
            Call::Private => {
                let flags = (libc::MS_REC | libc::MS_PRIVATE) as usize;
                // SAFETY: C strings and numbers; the kernel ignores the rest for a change of propagation.
                unsafe { raw(libc::SYS_mount, [0, address(c"/"), 0, flags, 0, 0]) }.map(drop)
            }
            Call::Hold { slot, path } => {
                let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as u32;
                // SAFETY: a C string and numbers.
                let fd = unsafe { raw(libc::SYS_open_tree, [HERE, address(path), flags as usize, 0, 0, 0]) }?;
                self.slot(*slot)?.set(fd as RawFd);
                Ok(())
            }
            // SAFETY: an empty set needs no pointer.
            Call::DropGroups => unsafe { raw(libc::SYS_setgroups, [0; 6]) }.map(drop),
            Call::SetGid(id) => {
                let id = *id as usize;
                // SAFETY: numbers.
                unsafe { raw(libc::SYS_setresgid, [id, id, id, 0, 0, 0]) }.map(drop)
            }
            Call::SetUid(id) => {
                let id = *id as usize;
                // SAFETY: numbers.
                unsafe { raw(libc::SYS_setresuid, [id, id, id, 0, 0, 0]) }.map(drop)
            }
            Call::DieWithParent => {
                prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as usize, 0)?;
                // The watcher may have died before: then its end of the pipe is closed.
                if parent_lives()? { Ok(()) } else { Err(Errno::SRCH) }
            }
            Call::Place { slot, target } => {
                let fd = self.slot(*slot)?.replace(-1);
                let flags = libc::MOVE_MOUNT_F_EMPTY_PATH as usize;
                // SAFETY: C strings and numbers.
                let moved = unsafe {
                    raw(libc::SYS_move_mount, [fd as usize, address(c""), HERE, address(target), flags, 0])
                };
                close(fd);
                moved.map(drop)
            }
            Call::Restrict { target, attributes, recursive } => {
                let change =
                    libc::mount_attr { attr_set: *attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
                let flags = if *recursive { libc::AT_RECURSIVE as usize } else { 0 };
                let (pointer, len) = (&raw const change as usize, size_of::<libc::mount_attr>());
                // SAFETY: `pointer` points to a `mount_attr` of `len` bytes.
                unsafe { raw(libc::SYS_mount_setattr, [HERE, address(target), flags, pointer, len, 0]) }
                    .map(drop)
            }
            // SAFETY: a C string.
            Call::Enter(path) => unsafe { raw(libc::SYS_chdir, [address(path), 0, 0, 0, 0, 0]) }.map(drop),
            Call::PivotRoot => {
                // SAFETY: C strings.
                unsafe { raw(libc::SYS_chdir, [address(STAGING), 0, 0, 0, 0, 0]) }?;
                // SAFETY: C strings.
                unsafe { raw(libc::SYS_pivot_root, [address(c"."), address(c"."), 0, 0, 0, 0]) }.map(drop)
            }
            Call::Mount { kind, target, flags, options } => {
                let arguments =
                    [address(kind), address(target), address(kind), *flags as usize, address(options), 0];
                // SAFETY: C strings and numbers.
                unsafe { raw(libc::SYS_mount, arguments) }.map(drop)
            }
            Call::Cover { with, target } => {
                let flags = libc::MS_BIND as usize;
                // SAFETY: C strings and numbers.
                unsafe { raw(libc::SYS_mount, [address(with), address(target), 0, flags, 0, 0]) }.map(drop)
            }
            Call::ShareProcesses(path) => {
                let fd = open(path, libc::O_RDONLY | libc::O_DIRECTORY)?;
                let shared = share(fd);
                close(fd);
                shared
            }
            Call::MakeFolder(path) => {
                // SAFETY: a C string and numbers.
                unsafe { raw(libc::SYS_mkdirat, [HERE, address(path), 0o755, 0, 0, 0]) }.map(drop)
            }
            Call::MakeFile(path) => open(path, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY).map(close),
            Call::Link { to, at } => {
                // SAFETY: C strings.
                unsafe { raw(libc::SYS_symlinkat, [address(to), HERE, address(at), 0, 0, 0]) }.map(drop)
            }
            Call::DetachHost => {
                // SAFETY: a C string and a number.
                unsafe { raw(libc::SYS_umount2, [address(c"."), libc::MNT_DETACH as usize, 0, 0, 0, 0]) }
                    .map(drop)
            }
            Call::LoopbackUp => loopback_up(),
            Call::HostName(name) => {
                let len = name.as_bytes().len();
                // SAFETY: `len` bytes at the pointer.
                unsafe { raw(libc::SYS_sethostname, [address(name), len, 0, 0, 0, 0]) }?;
                // SAFETY: as above.
                unsafe { raw(libc::SYS_setdomainname, [address(c"(none)"), 6, 0, 0, 0, 0]) }.map(drop)
            }
            Call::Umask => {
                // SAFETY: a number; cannot fail.
                unsafe { raw(libc::SYS_umask, [0o022, 0, 0, 0, 0, 0]) }.map(drop)
            }
            Call::Limit { resource, soft, hard, .. } => {
                let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
                let pointer = &raw mut limit as usize;
                // SAFETY: `pointer` points to an `rlimit64` to write to; no new value is given.
                unsafe { raw(libc::SYS_prlimit64, [0, *resource as usize, 0, pointer, 0, 0]) }?;
                // Raising what the host allows needs a privilege of the host's.
                limit.rlim_max = limit.rlim_max.min(*hard);
                limit.rlim_cur = limit.rlim_max.min(*soft);
                let pointer = &raw const limit as usize;
                // SAFETY: `pointer` points to an `rlimit64`; no old value is asked for.
                unsafe { raw(libc::SYS_prlimit64, [0, *resource as usize, pointer, 0, 0, 0]) }.map(drop)
            }
            Call::Affinity(mask) => {
                let (pointer, len) = (mask.as_ptr() as usize, mask.len() * size_of::<u64>());
                // SAFETY: `len` bytes at the pointer.
                unsafe { raw(libc::SYS_sched_setaffinity, [0, len, pointer, 0, 0, 0]) }.map(drop)
            }
            Call::ClearAmbient => prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as usize, 0),
            Call::LockSecureBits => {
                // linux/securebits.h: NOROOT, NO_SETUID_FIXUP and NO_CAP_AMBIENT_RAISE with their locks;
                // KEEP_CAPS stays off and is locked.
                prctl(libc::PR_SET_SECUREBITS, 0b1110_1111, 0)
            }
            Call::DropBounding => {
                // EINVAL: one past the kernel's last.
                for capability in 0..64 {
                    match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
                        Ok(()) => {}
                        Err(Errno::INVAL) if capability > 0 => break,
                        Err(errno) => return Err(errno),
                    }
                }
                Ok(())
            }
            Call::DropCapabilities => {
                // linux/capability.h: version 3, this process; effective, permitted, inheritable, twice.
                let header = [0x2008_0522u32, 0];
                let none = [0u32; 6];
                let (header, none) = (header.as_ptr() as usize, none.as_ptr() as usize);
                // SAFETY: a header and two data structures of version 3.
                unsafe { raw(libc::SYS_capset, [header, none, 0, 0, 0, 0]) }.map(drop)
            }
            Call::NoNewPrivileges => prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0),
            Call::Seccomp(program) => {
                let filter = libc::sock_fprog {
                    len: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?,
                    filter: program.as_ptr().cast_mut().cast(),
                };
                let pointer = &raw const filter as usize;
                // Without SPEC_ALLOW, kernels before 5.16 slow every memory access down.
                let (mode, flags) =
                    (libc::SECCOMP_SET_MODE_FILTER as usize, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW as usize);
                // SAFETY: `pointer` points to a program of `len` instructions, whose layout is the
                // kernel's `sock_filter`.
                unsafe { raw(libc::SYS_seccomp, [mode, flags, pointer, 0, 0, 0]) }.map(drop)
            }
            Call::CloseOnExec => {
                let flag = libc::CLOSE_RANGE_CLOEXEC as usize;
                // SAFETY: numbers.
                unsafe { raw(libc::SYS_close_range, [3, u32::MAX as usize, flag, 0, 0, 0]) }.map(drop)
            }
            Call::Exec { candidates, argv, envp } => {
                let (argv, envp) = (argv.as_ptr() as usize, envp.as_ptr() as usize);
                let mut reason = Errno::NOENT;
                for path in candidates {
                    // SAFETY: a C string and two arrays that end with a null pointer.
                    match unsafe { raw(libc::SYS_execve, [address(path), argv, envp, 0, 0, 0]) } {
                        Ok(_) => {}
                        Err(Errno::NOENT | Errno::NOTDIR) => {}
                        Err(errno) => reason = errno,
                    }
                }
                Err(reason)
            }
        }
    }
}

/// Sends a descriptor to the watcher.
fn share(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: both stay open during this call.
    let (socket, fd) = unsafe { (BorrowedFd::borrow_raw(REPORT), [BorrowedFd::borrow_raw(fd)]) };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fd));
    let message = Report::Processes.encode();
    rustix::net::sendmsg(socket, &[std::io::IoSlice::new(&message)], &mut ancillary, SendFlags::NOSIGNAL)
        .map(drop)
}

fn parent_lives() -> Result<bool, Errno> {
    let mut watched = libc::pollfd { fd: LIFE, events: 0, revents: 0 };
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let (watched_at, now_at) = (&raw mut watched as usize, &raw const now as usize);
    // SAFETY: one `pollfd` and a time; no signal mask.
    unsafe { raw(libc::SYS_ppoll, [watched_at, 1, now_at, 0, 0, 0]) }?;
    Ok(watched.revents == 0)
}

fn loopback_up() -> Result<(), Errno> {
    #[repr(C)]
    struct Request {
        name: [u8; libc::IFNAMSIZ],
        flags: i16,
        rest: [u8; 22],
    }
    let mut name = [0; libc::IFNAMSIZ];
    if let Some(start) = name.first_chunk_mut() {
        *start = *b"lo";
    }
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    let request = Request { name, flags, rest: [0; 22] };
    let kind = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC) as usize;
    // SAFETY: numbers.
    let socket = unsafe { raw(libc::SYS_socket, [libc::AF_INET as usize, kind, 0, 0, 0, 0]) }?;
    let pointer = &raw const request as usize;
    // SAFETY: `pointer` points to what has the size and layout of `ifreq`.
    let result = unsafe { raw(libc::SYS_ioctl, [socket, libc::SIOCSIFFLAGS as usize, pointer, 0, 0, 0]) };
    close(socket as RawFd);
    result.map(drop)
}

/// Starts a process in fresh namespaces. It runs `child` on a copy of this thread and its memory and
/// ends with the status that it gives; the caller gets its number and a descriptor that stands for it.
pub(super) fn clone_sealed(
    cgroup: Option<BorrowedFd<'_>>,
    child: impl FnOnce() -> i32,
) -> Result<(i32, OwnedFd), Errno> {
    const CLEAR_SIGHAND: u64 = 0x1_0000_0000;
    const INTO_CGROUP: u64 = 0x2_0000_0000;
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_PIDFD;
    let mut pidfd: RawFd = -1;
    // linux/sched.h, `struct clone_args`: flags, pidfd, child_tid, parent_tid, exit_signal, stack,
    // stack_size, tls, set_tid, set_tid_size, cgroup. No stack: the child goes on on its own copy.
    let arguments: [u64; 11] = [
        u64::from(namespaces.cast_unsigned()) | CLEAR_SIGHAND | cgroup.map_or(0, |_| INTO_CGROUP),
        &raw mut pidfd as u64,
        0,
        0,
        libc::SIGCHLD as u64,
        0,
        0,
        0,
        0,
        0,
        cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
    ];
    let (pointer, len) = (arguments.as_ptr() as usize, size_of_val(&arguments));
    // SAFETY: `clone_args` of `len` bytes. Memory is not shared, so the child cannot harm this process;
    // what it runs neither allocates nor locks, and it never returns.
    match unsafe { raw(libc::SYS_clone3, [pointer, len, 0, 0, 0, 0]) }? {
        0 => exit(child()),
        // SAFETY: the kernel has just made this descriptor for us.
        pid => Ok((pid as i32, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// Forks inside the sandbox: `None` in the child, its number in the parent.
pub(super) fn fork() -> Result<Option<i32>, Errno> {
    // SAFETY: a plain fork of a process with one thread.
    let pid = unsafe { raw(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0, 0]) }?;
    Ok(if pid == 0 { None } else { Some(pid as i32) })
}

/// Gives the child's descriptors their numbers and closes all others.
pub(super) fn arrange(
    stdin: RawFd,
    stdout: RawFd,
    stderr: RawFd,
    life: RawFd,
    report: RawFd,
    door: Option<RawFd>,
) -> Result<(), Errno> {
    let all = [
        (stdin, 0, 0),
        (stdout, 1, 0),
        (stderr, 2, 0),
        (life, LIFE, libc::O_CLOEXEC),
        (report, REPORT, libc::O_CLOEXEC),
    ];
    let mut next = DOOR;
    for (from, to, flags) in all.into_iter().chain(door.map(|door| (door, DOOR, libc::O_CLOEXEC))) {
        // SAFETY: numbers; the watcher made sure that none of the sources is below 10.
        unsafe { raw(libc::SYS_dup3, [from as usize, to as usize, flags as usize, 0, 0, 0]) }?;
        next = next.max(to + 1);
    }
    // SAFETY: numbers. Whatever else the caller had open, the sandbox has no business with.
    unsafe { raw(libc::SYS_close_range, [next as usize, u32::MAX as usize, 0, 0, 0, 0]) }.map(drop)
}

/// The socket through which sockets are handed out.
pub(super) fn door() -> BorrowedFd<'static> {
    // SAFETY: where there is one, the first process keeps it under this number to its end; elsewhere
    // every call with it fails.
    unsafe { BorrowedFd::borrow_raw(DOOR) }
}

/// Lets go of the output pipes, so that only the program and its children hold them.
pub(super) fn leave_output() {
    for stream in [1, 2] {
        // SAFETY: numbers; 0 is the null device.
        let _ = unsafe { raw(libc::SYS_dup3, [0, stream, 0, 0, 0, 0]) };
    }
}

/// Waits for one byte on the life pipe; `false` at its end.
pub(super) fn wait_for_go() -> bool {
    let mut byte = 0u8;
    loop {
        let pointer = &raw mut byte as usize;
        // SAFETY: one byte at the pointer.
        match unsafe { raw(libc::SYS_read, [LIFE as usize, pointer, 1, 0, 0, 0]) } {
            Ok(read) => return read == 1,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Reaps children until `program` has ended; its wait status, or `None` when there are none left.
pub(super) fn reap_until(program: i32) -> Option<i32> {
    loop {
        let mut status = 0i32;
        let pointer = &raw mut status as usize;
        // SAFETY: a pointer to the status; no usage is asked for.
        match unsafe { raw(libc::SYS_wait4, [usize::MAX, pointer, 0, 0, 0, 0]) } {
            Ok(pid) if pid as i32 == program => return Some(status),
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

/// Ends the process without running anything of the program that it is a copy of.
pub(super) fn exit(status: i32) -> ! {
    // SAFETY: `_exit` runs no destructors and no handlers.
    unsafe { libc::_exit(status) }
}

/// What a finished child and all its children used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ChildUsage {
    pub(super) user_micros: u64,
    pub(super) system_micros: u64,
    pub(super) largest_process_bytes: u64,
}

/// Reaps the process behind a descriptor; waits if it still runs.
pub(super) fn wait(pidfd: BorrowedFd<'_>) -> Result<ChildUsage, Errno> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let mut information = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        let (usage_at, information_at) = (usage.as_mut_ptr() as usize, information.as_mut_ptr() as usize);
        let (kind, fd) = (libc::P_PIDFD as usize, pidfd.as_raw_fd() as usize);
        // SAFETY: pointers to a `siginfo_t` and an `rusage`.
        match unsafe {
            raw(libc::SYS_waitid, [kind, fd, information_at, libc::WEXITED as usize, usage_at, 0])
        } {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    // SAFETY: zeroed at first, and all zeroes is a valid `rusage`; then filled by the kernel.
    let usage = unsafe { usage.assume_init() };
    let micros = |time: libc::timeval| time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_usec.unsigned_abs();
    Ok(ChildUsage {
        user_micros: micros(usage.ru_utime),
        system_micros: micros(usage.ru_stime),
        largest_process_bytes: usage.ru_maxrss.unsigned_abs() * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn a_report_reads_back_as_it_was_written() {
        for report in [
            Report::SetupFailed { call: 7, errno: 1 },
            Report::StartFailed { call: u32::MAX, errno: i32::MAX },
            Report::Processes,
            Report::Ended { status: -1 },
        ] {
            assert_eq!(Report::decode(&report.encode()), Some(report));
        }
        assert_eq!(Report::decode(&[0; Report::LEN]), None);
        assert_eq!(Report::decode(&[1; 3]), None);
    }
}
