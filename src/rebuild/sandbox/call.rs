//! The system calls that seal a sandbox, as data, and who carries them out.
//!
//! Between the clone and the program's start there is a copy of one thread of a process that may have
//! many: a lock that another thread held stays locked for ever. So everything is prepared before, as a
//! list of [`Call`]s, and the child only walks through it; it allocates nothing and frees nothing.

use std::ffi::{CStr, CString};
use std::fmt;

use rustix::io::Errno;
use seccompiler::BpfProgram;

/// Where the root file system is attached for the moment before it becomes the root. Every host has it.
pub(super) const STAGING: &CStr = c"/proc";

/// One prepared system call, or a handful that belong together.
pub(super) enum Call {
    /// `setsid`: no controlling terminal, no signals from the caller's terminal.
    NewSession,
    /// `sigprocmask`: the caller may have blocked some.
    UnblockSignals,
    /// `prctl(PR_SET_DUMPABLE, 0)`: the first process is a copy of the caller, so nobody inside may
    /// read its memory.
    NotDumpable,
    /// `mount(MS_REC | MS_PRIVATE)` on `/`.
    Private,
    /// `open_tree(OPEN_TREE_CLONE)`: takes hold of a path of the host while the caller's identity can
    /// still reach it.
    Hold { slot: usize, path: CString },
    /// `setgroups([])`; only where the caller is privileged.
    DropGroups,
    /// `setresgid`.
    SetGid(u32),
    /// `setresuid`.
    SetUid(u32),
    /// `prctl(PR_SET_PDEATHSIG, SIGKILL)`, then a look whether the caller still lives.
    DieWithParent,
    /// `move_mount` of what a slot holds.
    Place { slot: usize, target: CString },
    /// `mount_setattr`.
    Restrict { target: CString, attributes: u64, recursive: bool },
    /// `chdir`.
    Enter(CString),
    /// `pivot_root(".", ".")`.
    PivotRoot,
    /// `mount` of a file system of the kernel's own.
    Mount { kind: &'static CStr, target: CString, flags: u64, options: CString },
    /// `mount(MS_BIND)` of one file over another, both inside.
    Cover { with: &'static CStr, target: CString },
    /// `open(O_DIRECTORY)` and `sendmsg`: gives the watcher a view of the processes inside.
    ShareProcesses(CString),
    /// `mkdir`.
    MakeFolder(CString),
    /// `open(O_CREAT | O_EXCL)`.
    MakeFile(CString),
    /// `symlink`.
    Link { to: &'static CStr, at: CString },
    /// `umount2(".", MNT_DETACH)`: the host's root, which the pivot left below.
    DetachHost,
    /// `ioctl(SIOCSIFFLAGS)`: `lo` up.
    LoopbackUp,
    /// `sethostname` and `setdomainname`.
    HostName(CString),
    /// `umask(022)`.
    Umask,
    /// `prlimit`.
    Limit { resource: u32, name: &'static str, soft: u64, hard: u64 },
    /// `sched_setaffinity` to the given mask.
    Affinity(Vec<u64>),
    /// `prctl(PR_CAP_AMBIENT_CLEAR_ALL)`.
    ClearAmbient,
    /// `prctl(PR_SET_SECUREBITS)`: user 0 and changes of identity give no capabilities, locked.
    LockSecureBits,
    /// `prctl(PR_CAPBSET_DROP)` for every capability.
    DropBounding,
    /// `capset` to nothing.
    DropCapabilities,
    /// `prctl(PR_SET_NO_NEW_PRIVS)`.
    NoNewPrivileges,
    /// `seccomp(SECCOMP_SET_MODE_FILTER)`.
    Seccomp(BpfProgram),
    /// `close_range(3, CLOSE_RANGE_CLOEXEC)`: nothing but the three standard streams goes on.
    CloseOnExec,
    /// `execve` of the first candidate that exists.
    Exec { candidates: Vec<CString>, argv: Pointers, envp: Pointers },
}

/// C strings and the array of pointers to them that `execve` takes.
pub(super) struct Pointers {
    strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl Pointers {
    /// Takes the strings; the array ends with a null pointer.
    pub(super) fn new(strings: Vec<CString>) -> Self {
        let pointers =
            strings.iter().map(|text| text.as_ptr()).chain(std::iter::once(std::ptr::null())).collect();
        Self { strings, pointers }
    }

    /// The array. It lives as long as `self` does.
    pub(super) fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |c: &CString| c.to_string_lossy().into_owned();
        match self {
            Self::NewSession => f.write_str("setsid"),
            Self::UnblockSignals => f.write_str("sigprocmask"),
            Self::NotDumpable => f.write_str("not dumpable"),
            Self::Private => f.write_str("mount private /"),
            Self::Hold { path, .. } => write!(f, "open_tree {}", text(path)),
            Self::DropGroups => f.write_str("setgroups"),
            Self::SetGid(gid) => write!(f, "setresgid {gid}"),
            Self::SetUid(uid) => write!(f, "setresuid {uid}"),
            Self::DieWithParent => f.write_str("die with parent"),
            Self::Place { target, .. } => write!(f, "move_mount {}", text(target)),
            Self::Restrict { target, attributes, recursive } => {
                let flags: Vec<&str> = [
                    (libc::MOUNT_ATTR_RDONLY, "ro"),
                    (libc::MOUNT_ATTR_NOSUID, "nosuid"),
                    (libc::MOUNT_ATTR_NODEV, "nodev"),
                    (libc::MOUNT_ATTR_NOEXEC, "noexec"),
                ]
                .iter()
                .filter(|(bit, _)| attributes & bit != 0)
                .map(|(_, name)| *name)
                .collect();
                let depth = if *recursive { " recursively" } else { "" };
                write!(f, "mount_setattr {} {}{depth}", text(target), flags.join(","))
            }
            Self::Enter(path) => write!(f, "chdir {}", text(path)),
            Self::PivotRoot => f.write_str("pivot_root"),
            Self::Mount { kind, target, options, .. } => {
                write!(f, "mount {} {} {}", kind.to_string_lossy(), text(target), text(options))
            }
            Self::Cover { with, target } => write!(f, "bind {} {}", with.to_string_lossy(), text(target)),
            Self::ShareProcesses(path) => write!(f, "share {}", text(path)),
            Self::MakeFolder(path) => write!(f, "mkdir {}", text(path)),
            Self::MakeFile(path) => write!(f, "create {}", text(path)),
            Self::Link { to, at } => write!(f, "symlink {} {}", to.to_string_lossy(), text(at)),
            Self::DetachHost => f.write_str("umount the host"),
            Self::LoopbackUp => f.write_str("lo up"),
            Self::HostName(name) => write!(f, "sethostname {}", text(name)),
            Self::Umask => f.write_str("umask 022"),
            Self::Limit { name, soft, hard, .. } => write!(f, "rlimit {name} {soft} {hard}"),
            Self::Affinity(_) => f.write_str("sched_setaffinity"),
            Self::ClearAmbient => f.write_str("clear ambient capabilities"),
            Self::LockSecureBits => f.write_str("lock secure bits"),
            Self::DropBounding => f.write_str("drop bounding capabilities"),
            Self::DropCapabilities => f.write_str("drop capabilities"),
            Self::NoNewPrivileges => f.write_str("no_new_privs"),
            Self::Seccomp(program) => write!(f, "seccomp ({} instructions)", program.len()),
            Self::CloseOnExec => f.write_str("close_range"),
            Self::Exec { argv, .. } => {
                write!(f, "execve {}", argv.strings.first().map(text).unwrap_or_default())
            }
        }
    }
}

/// Carries out prepared calls: the kernel, or a recorder in tests.
pub(super) trait System {
    /// Carries out one.
    fn perform(&self, call: &Call) -> Result<(), Errno>;
}

/// Walks through the calls and stops at the first that fails, giving its number.
pub(super) fn perform_all(system: &impl System, calls: &[Call]) -> Result<(), (usize, Errno)> {
    for (number, call) in calls.iter().enumerate() {
        system.perform(call).map_err(|errno| (number, errno))?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod recorder {
    //! A system that only writes down.

    use std::cell::RefCell;

    use super::*;

    /// Records each call's text; fails the one that starts with `failing`.
    #[derive(Default)]
    pub(crate) struct Recorder {
        pub(crate) calls: RefCell<Vec<String>>,
        pub(crate) failing: Option<&'static str>,
    }

    impl System for Recorder {
        fn perform(&self, call: &Call) -> Result<(), Errno> {
            let text = call.to_string();
            let fails = self.failing.is_some_and(|prefix| text.starts_with(prefix));
            self.calls.borrow_mut().push(text);
            if fails { Err(Errno::PERM) } else { Ok(()) }
        }
    }
}
