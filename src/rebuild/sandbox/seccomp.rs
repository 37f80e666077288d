//! The system calls that are refused inside.
//!
//! | refused with | what | why |
//! |---|---|---|
//! | `ENOSYS` | `clone3` | its flags are in memory, where a filter cannot look; the C library falls back to `clone` |
//! | `ENOSYS` | any number above [`NEWEST`] (on x86-64 this covers the x32 numbers) | a call that nobody has judged |
//! | `EPERM` | mounting in its old and new form, `pivot_root`, `chroot`, `setns`, `unshare` and `clone` with any namespace flag | the way to capabilities inside a fresh user namespace |
//! | `EPERM` | `bpf`, `perf_event_open`, `userfaultfd`, `io_uring_*`, `ptrace`, `process_vm_*`, `pidfd_getfd`, `kcmp` | kernel surface that no build needs and that most escapes used; `io_uring` also goes round this filter |
//! | `EPERM` | `keyctl`, `add_key`, `request_key` | key rings are not namespaced |
//! | `EPERM` | `open_by_handle_at`, `fanotify_init`, `quotactl*`, `acct`, `swapon`, `swapoff`, `syslog` | reach past the mount namespace, or tell of the host |
//! | `EPERM` | kexec, modules, `reboot`, setting clocks, `iopl`, `ioperm`, `modify_ldt`, `vhangup`, `nfsservctl` | the host's own business |
//! | `EPERM` | `personality` but for those that change nothing in the kernel's behaviour or switch address randomisation off | old personalities switch protections off |
//! | `EPERM` | `chown` and its kin to another user or group | as for an ordinary user outside, so that fakeroot behaves as there |
//! | `EPERM` | `ioctl` with `TIOCSTI` and `TIOCLINUX` | typing into somebody's terminal |
//! | `EAFNOSUPPORT` | `socket` other than `AF_UNIX`; with loopback also `AF_INET`, `AF_INET6` and route netlink | `AF_VSOCK` and others are not confined by the network namespace |
//!
//! Everything else is allowed: a build runs every program of a distribution. Kernels from 5.11 on keep
//! a bitmap of the numbers that a filter allows whatever the arguments, so the common calls do not run
//! the filter at all.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::{Network, SandboxError};

/// The newest system call number that has been judged: `file_setattr` of Linux 6.17.
const NEWEST: u32 = 469;

/// Linux 6.15; the same number on every architecture since 403, and not yet in `libc`.
const SYS_OPEN_TREE_ATTR: c_long = 467;

/// Refused whatever the arguments.
const REFUSED: &[c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
];

/// System calls that give a file away, and which argument is the user; the group is the next.
const CHOWN: &[(c_long, u8)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chown, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lchown, 1),
    (libc::SYS_fchown, 1),
    (libc::SYS_fchownat, 2),
];

/// The flags of `clone` and `unshare` that make a namespace. `CLONE_NEWTIME` shares its bit with the
/// signal number of `clone` and is refused for `unshare` only, where alone it works.
const NAMESPACES: [c_int; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
const CLONE_NEWTIME: u64 = 0x80;

/// Terminal requests that put characters into the input queue.
const TERMINAL_REQUESTS: [u64; 2] = [0x5412, 0x541C];

/// `PER_LINUX`, `PER_LINUX32`, each with `UNAME26`, each with `ADDR_NO_RANDOMIZE`, and the query.
const PERSONALITIES: [u64; 9] =
    [0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000, 0x4_0008, 0x6_0000, 0x6_0008, 0xffff_ffff];

const NETLINK_ROUTE: u64 = 0;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// The filters, in the order in which they are installed.
///
/// `uid` and `gid` are the user inside.
pub(super) fn programs(network: Network, uid: u32, gid: u32) -> Result<Vec<BpfProgram>, SandboxError> {
    let mut eperm: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|number| (*number, Vec::new())).collect();
    let bit = |argument: u8, bit: u64| rule(&[(argument, SeccompCmpOp::MaskedEq(bit), bit)]);
    let namespaces = || NAMESPACES.iter().map(|flag| *flag as u32 as u64);
    eperm.insert(libc::SYS_clone, namespaces().map(|flag| bit(0, flag)).collect::<Result<_, _>>()?);
    eperm.insert(
        libc::SYS_unshare,
        namespaces().chain([CLONE_NEWTIME]).map(|flag| bit(0, flag)).collect::<Result<_, _>>()?,
    );
    eperm.insert(
        libc::SYS_ioctl,
        TERMINAL_REQUESTS
            .iter()
            .map(|request| rule(&[(1, SeccompCmpOp::Eq, *request)]))
            .collect::<Result<_, _>>()?,
    );
    let harmless: Vec<_> = PERSONALITIES.iter().map(|p| (0, SeccompCmpOp::Ne, *p)).collect();
    eperm.insert(libc::SYS_personality, vec![rule(&harmless)?]);

    // Giving a file to somebody whom the user namespace does not know fails with EINVAL. An ordinary user
    // outside gets EPERM, and fakeroot passes over that and nothing else.
    let keep = u64::from(u32::MAX);
    for (number, user) in CHOWN {
        let strange = |argument: u8, own: u32| {
            rule(&[(argument, SeccompCmpOp::Ne, own.into()), (argument, SeccompCmpOp::Ne, keep)])
        };
        eperm.insert(*number, vec![strange(*user, uid)?, strange(*user + 1, gid)?]);
    }

    let enosys = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);

    let families: &[c_int] = match network {
        Network::None => &[libc::AF_UNIX],
        Network::Loopback => &[libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK],
    };
    let other: Vec<_> = families.iter().map(|family| (0, SeccompCmpOp::Ne, *family as u64)).collect();
    let other_netlink =
        [(0, SeccompCmpOp::Eq, libc::AF_NETLINK as u64), (2, SeccompCmpOp::Ne, NETLINK_ROUTE)];
    let families = BTreeMap::from([(libc::SYS_socket, vec![rule(&other)?, rule(&other_netlink)?])]);

    let mut newest = newer_than(NEWEST);
    newest.extend(program(enosys, libc::ENOSYS)?);
    Ok(vec![program(eperm, libc::EPERM)?, newest, program(families, libc::EAFNOSUPPORT)?])
}

/// Compares the low 32 bits, which is all that the kernel reads of these arguments.
fn rule(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, SandboxError> {
    let conditions = conditions
        .iter()
        .map(|(argument, op, value)| {
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, op.clone(), *value)
        })
        .collect::<Result<_, _>>()
        .map_err(refused)?;
    SeccompRule::new(conditions).map_err(refused)
}

fn program(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: c_int) -> Result<BpfProgram, SandboxError> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        ARCHITECTURE,
    )
    .map_err(refused)?;
    BpfProgram::try_from(filter).map_err(refused)
}

fn refused(source: seccompiler::BackendError) -> SandboxError {
    SandboxError::Specification { detail: format!("seccomp filter: {source}") }
}

/// `if number > newest { return ENOSYS }`, to stand before a filter: [`seccompiler`] compares for
/// equality only. See `linux/filter.h` and `linux/seccomp.h` for the numbers.
fn newer_than(newest: u32) -> BpfProgram {
    const LD_W_ABS: u16 = 0x20;
    const JMP_JGT_K: u16 = 0x25;
    const RET_K: u16 = 0x06;
    const RET_ERRNO: u32 = 0x0005_0000;
    let op = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        op(LD_W_ABS, 0, 0, 0),
        op(JMP_JGT_K, 0, 1, newest),
        op(RET_K, 0, 0, RET_ERRNO | libc::ENOSYS.unsigned_abs()),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    #[cfg(target_arch = "x86_64")]
    const AUDIT_ARCHITECTURE: u32 = 0xC000_003E;
    #[cfg(target_arch = "aarch64")]
    const AUDIT_ARCHITECTURE: u32 = 0xC000_00B7;
    const ALLOW: u32 = 0x7fff_0000;
    const KILL: u32 = 0x8000_0000;

    /// Interprets a filter as the kernel does, for the instructions that occur.
    fn interpret(program: &BpfProgram, architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let mut data = [0u8; 64];
        data[..4].copy_from_slice(&number.to_le_bytes());
        data[4..8].copy_from_slice(&architecture.to_le_bytes());
        for (i, a) in arguments.iter().enumerate() {
            data[16 + 8 * i..24 + 8 * i].copy_from_slice(&a.to_le_bytes());
        }
        let (mut pc, mut a) = (0usize, 0u32);
        loop {
            let op = &program[pc];
            pc += 1;
            let jump = |yes: bool| usize::from(if yes { op.jt } else { op.jf });
            match op.code {
                0x20 => {
                    let k = op.k as usize;
                    a = u32::from_le_bytes(data[k..k + 4].try_into().unwrap());
                }
                0x05 => pc += op.k as usize,
                0x15 => pc += jump(a == op.k),
                0x25 => pc += jump(a > op.k),
                0x35 => pc += jump(a >= op.k),
                0x54 => a &= op.k,
                0x06 => return op.k,
                code => unreachable!("instruction {code:#x}"),
            }
        }
    }

    /// The kernel takes the strictest answer of all filters.
    fn answer(network: Network, architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
        let rank = |a: &u32| if *a == KILL { 0 } else { 1 + (*a >> 16) };
        programs(network, 1000, 1000)
            .unwrap()
            .iter()
            .map(|p| interpret(p, architecture, number, arguments))
            .min_by_key(rank)
            .unwrap()
    }

    #[test]
    fn each_row_of_the_table_is_answered_as_it_says() {
        let n = |number: c_long| u32::try_from(number).unwrap();
        let errno = |e: c_int| 0x0005_0000 | e.unsigned_abs();
        let arg = |a: u64| [a, 0, 0, 0, 0, 0];
        let request = |r: u64| [0, r, 0, 0, 0, 0];
        let none = [0; 6];
        use Network::{Loopback, None};
        for (what, network, number, arguments, expected) in [
            ("read", None, n(libc::SYS_read), none, ALLOW),
            ("openat", None, n(libc::SYS_openat), none, ALLOW),
            ("execve", None, n(libc::SYS_execve), none, ALLOW),
            ("fork", None, n(libc::SYS_clone), arg(17), ALLOW),
            ("thread", None, n(libc::SYS_clone), arg(0x3d0f00), ALLOW),
            ("clone newuser", None, n(libc::SYS_clone), arg(0x1000_0011), errno(libc::EPERM)),
            ("clone newnet", None, n(libc::SYS_clone), arg(0x4000_0011), errno(libc::EPERM)),
            ("clone hidden high bits", None, n(libc::SYS_clone), arg(1 << 60 | 0x1000_0000), errno(1)),
            ("clone3", None, n(libc::SYS_clone3), none, errno(libc::ENOSYS)),
            ("unshare files", None, n(libc::SYS_unshare), arg(0x400), ALLOW),
            ("unshare time", None, n(libc::SYS_unshare), arg(0x80), errno(libc::EPERM)),
            ("unshare user", None, n(libc::SYS_unshare), arg(0x1000_0000), errno(libc::EPERM)),
            ("chown to oneself", None, n(libc::SYS_fchown), [3, 1000, 1000, 0, 0, 0], ALLOW),
            ("chown keeping both", None, n(libc::SYS_fchown), [3, 0xffff_ffff, u64::MAX, 0, 0, 0], ALLOW),
            ("chown to root", None, n(libc::SYS_fchown), [3, 0, 0, 0, 0, 0], errno(libc::EPERM)),
            ("chgrp to root", None, n(libc::SYS_fchownat), [3, 0, 0xffff_ffff, 0, 0, 0], errno(libc::EPERM)),
            ("mount", None, n(libc::SYS_mount), none, errno(libc::EPERM)),
            ("open_tree_attr", None, n(SYS_OPEN_TREE_ATTR), none, errno(libc::EPERM)),
            ("ptrace", None, n(libc::SYS_ptrace), none, errno(libc::EPERM)),
            ("io_uring", None, n(libc::SYS_io_uring_setup), none, errno(libc::EPERM)),
            ("keyctl", None, n(libc::SYS_keyctl), none, errno(libc::EPERM)),
            ("tcgets", None, n(libc::SYS_ioctl), request(0x5401), ALLOW),
            ("tiocsti", None, n(libc::SYS_ioctl), request(0x5412), errno(libc::EPERM)),
            ("tiocsti high", None, n(libc::SYS_ioctl), request(0x1_0000_5412), errno(libc::EPERM)),
            ("personality 0", None, n(libc::SYS_personality), arg(0), ALLOW),
            ("personality norandom", None, n(libc::SYS_personality), arg(0x4_0000), ALLOW),
            ("personality read-implies-exec", None, n(libc::SYS_personality), arg(0x40_0000), errno(1)),
            ("unix", None, n(libc::SYS_socket), arg(1), ALLOW),
            ("inet", None, n(libc::SYS_socket), arg(2), errno(libc::EAFNOSUPPORT)),
            ("vsock", None, n(libc::SYS_socket), arg(40), errno(libc::EAFNOSUPPORT)),
            ("inet", Loopback, n(libc::SYS_socket), arg(2), ALLOW),
            ("inet6", Loopback, n(libc::SYS_socket), arg(10), ALLOW),
            ("vsock", Loopback, n(libc::SYS_socket), arg(40), errno(libc::EAFNOSUPPORT)),
            ("packet", Loopback, n(libc::SYS_socket), arg(17), errno(libc::EAFNOSUPPORT)),
            ("route", Loopback, n(libc::SYS_socket), [16, 3, 0, 0, 0, 0], ALLOW),
            ("nfnetlink", Loopback, n(libc::SYS_socket), [16, 3, 12, 0, 0, 0], errno(libc::EAFNOSUPPORT)),
            ("unjudged", None, NEWEST + 1, none, errno(libc::ENOSYS)),
            ("x32 mount", None, 0x4000_0000 | 165, none, errno(libc::ENOSYS)),
        ] {
            let found = answer(network, AUDIT_ARCHITECTURE, number, arguments);
            assert_eq!(found, expected, "{what}, {network:?}: {found:#x}, expected {expected:#x}");
        }
        assert_eq!(answer(None, 0x4000_0003, 3, none), KILL, "32-bit calls end the process");
    }
}
