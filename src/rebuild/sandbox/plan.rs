//! From a [`Spec`] to the list of system calls that seals it.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::path::{Component, Path, PathBuf};

use super::call::{Call, Pointers, STAGING};
use super::linux::SLOTS;
use super::{Network, SandboxError, Spec, seccomp};

/// Device nodes that are bound from the host: they hold no state of the host's.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links in `/dev`, as POSIX shells and build systems expect them.
const DEVICE_LINKS: [(&str, &CStr); 5] = [
    ("fd", c"/proc/self/fd"),
    ("stdin", c"/proc/self/fd/0"),
    ("stdout", c"/proc/self/fd/1"),
    ("stderr", c"/proc/self/fd/2"),
    ("ptmx", c"pts/ptmx"),
];

/// Files of `/proc` that tell of the host or of the kernel's memory; covered where the kernel has them.
const COVERED: [&str; 8] =
    ["kcore", "keys", "key-users", "kmsg", "sysrq-trigger", "timer_list", "latency_stats", "kallsyms"];

/// Up to which a program may raise its limit on open files, as the Go runtime does: far less than the
/// kernel's 1,048,576 and more than a linker of thousands of objects needs.
const OPEN_FILES_HARD: u64 = 65_536;

const NOSUID_NODEV: u64 = libc::MS_NOSUID | libc::MS_NODEV;

/// Who the sandbox's one user is outside, and whether the caller may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) outer_uid: u32,
    pub(super) outer_gid: u32,
    pub(super) privileged: bool,
}

impl Identity {
    /// User and group of a sandbox that root makes: nobody's. It lies above the range that systemd
    /// gives to containers (524288 to 1879048191) and in no other of its ranges.
    pub(super) const NOBODYS: u32 = 1_900_000_000;
    /// The kernel's overflow user, where a container maps too few ids for [`NOBODYS`](Self::NOBODYS).
    const OVERFLOW: u32 = 65534;

    /// Decides from the caller's ids and the text of its `/proc/self/uid_map`.
    pub(super) fn choose(euid: u32, egid: u32, uid_map: &str) -> Self {
        if euid != 0 {
            return Self { outer_uid: euid, outer_gid: egid, privileged: false };
        }
        let mapped = |id: u32| {
            uid_map.lines().any(|line| {
                let mut fields = line.split_whitespace().map(|f| f.parse::<u64>().unwrap_or(0));
                let (first, _, count) = (fields.next(), fields.next(), fields.next());
                first.zip(count).is_some_and(|(f, c)| (f..f.saturating_add(c)).contains(&u64::from(id)))
            })
        };
        let outer = [Self::NOBODYS, Self::OVERFLOW].into_iter().find(|id| mapped(*id)).unwrap_or(0);
        Self { outer_uid: outer, outer_gid: outer, privileged: true }
    }
}

/// Everything that the child does, prepared.
pub(super) struct Plan {
    /// The first process, from its birth to its sealed state.
    pub(super) seal: Vec<Call>,
    /// The second process, up to the program.
    pub(super) start: Vec<Call>,
}

impl Plan {
    /// Prepares. `affinity` is the mask of processors to use, where the specification limits them;
    /// `covered` says which files the host's `/proc` has.
    pub(super) fn new(
        spec: &Spec,
        argv: &[String],
        identity: Identity,
        affinity: Option<Vec<u64>>,
        covered: impl Fn(&str) -> bool,
    ) -> Result<Self, SandboxError> {
        let mut plan = Self { seal: Vec::new(), start: Vec::new() };
        let slots = plan.hold(spec, identity)?;
        plan.switch_root();
        plan.private_folders(spec, slots.devices, covered)?;
        plan.mounts(spec, &slots)?;
        if spec.network == Network::Loopback {
            plan.seal.push(Call::LoopbackUp);
        }
        plan.seal.extend([Call::HostName(c_string(&spec.host_name)?), Call::DetachHost, Call::Umask]);
        plan.rlimits(spec);
        plan.seal.extend(affinity.map(Call::Affinity));
        plan.seal.push(Call::Enter(path(&spec.work_dir)?));
        plan.seal.extend([
            Call::ClearAmbient,
            Call::LockSecureBits,
            Call::DropBounding,
            Call::DropCapabilities,
            Call::NoNewPrivileges,
        ]);
        plan.seal.extend(seccomp::programs(spec.network, spec.uid, spec.gid)?.into_iter().map(Call::Seccomp));
        plan.start.extend([Call::CloseOnExec, exec(argv, &spec.env)?]);
        Ok(plan)
    }

    /// Takes hold of the host's paths with the caller's identity, then puts that identity down.
    fn hold(&mut self, spec: &Spec, identity: Identity) -> Result<Slots, SandboxError> {
        self.seal.extend([Call::NotDumpable, Call::NewSession, Call::UnblockSignals, Call::Private]);
        let mut next = 0;
        let mut hold = |seal: &mut Vec<Call>, source: &Path| {
            let slot = next;
            next += 1;
            seal.push(Call::Hold { slot, path: path(source)? });
            Ok::<usize, SandboxError>(slot)
        };
        hold(&mut self.seal, &spec.root)?;
        let mut slots = Slots { devices: [0; DEVICES.len()], mounts: Vec::new() };
        for (slot, name) in slots.devices.iter_mut().zip(DEVICES) {
            *slot = hold(&mut self.seal, &Path::new("/dev").join(name))?;
        }
        for mount in spec.writable.iter().chain(&spec.read_only) {
            slots.mounts.push(hold(&mut self.seal, &mount.source)?);
        }
        if next > SLOTS {
            let most = SLOTS - 1 - DEVICES.len();
            return Err(SandboxError::Specification {
                detail: format!("expected at most {most} mounts, found {}", slots.mounts.len()),
            });
        }
        if identity.privileged {
            self.seal.push(Call::DropGroups);
        }
        self.seal.extend([Call::SetGid(spec.gid), Call::SetUid(spec.uid), Call::DieWithParent]);
        Ok(slots)
    }

    /// The root file system becomes the root, read-only. The host's stays attached below for a moment:
    /// the kernel allows a new `/proc` only to who sees an old one.
    fn switch_root(&mut self) {
        self.seal.extend([
            Call::Place { slot: 0, target: STAGING.to_owned() },
            Call::Restrict {
                target: STAGING.to_owned(),
                attributes: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
                recursive: true,
            },
            Call::PivotRoot,
        ]);
    }

    /// `/proc`, `/dev`, `/tmp`, `/run`, `/sys` of the sandbox's own.
    fn private_folders(
        &mut self,
        spec: &Spec,
        devices: [usize; DEVICES.len()],
        covered: impl Fn(&str) -> bool,
    ) -> Result<(), SandboxError> {
        for target in ["/proc", "/dev", "/tmp", "/run", "/sys"] {
            mount_point(spec, Path::new(target))?;
        }
        let tmpfs = |target: &CStr, flags: u64, options: String| {
            Ok::<Call, SandboxError>(Call::Mount {
                kind: c"tmpfs",
                target: target.to_owned(),
                flags,
                options: c_string(&options)?,
            })
        };
        let size = spec.limits.tmpfs_bytes_max;
        self.seal.push(tmpfs(c"/dev", libc::MS_NOSUID | libc::MS_NOEXEC, "mode=0755,size=64k".into())?);
        for (slot, name) in devices.into_iter().zip(DEVICES) {
            let target = c_string(&format!("/dev/{name}"))?;
            self.seal.push(Call::MakeFile(target.clone()));
            self.seal.push(Call::Place { slot, target });
        }
        for (name, to) in DEVICE_LINKS {
            self.seal.push(Call::Link { to, at: c_string(&format!("/dev/{name}"))? });
        }
        self.seal.extend([Call::MakeFolder(c"/dev/pts".into()), Call::MakeFolder(c"/dev/shm".into())]);
        self.seal.push(Call::Mount {
            kind: c"devpts",
            target: c"/dev/pts".into(),
            flags: libc::MS_NOSUID | libc::MS_NOEXEC,
            options: c"newinstance,ptmxmode=0666,mode=0620".into(),
        });
        self.seal.push(tmpfs(c"/dev/shm", NOSUID_NODEV, format!("mode=1777,size={size}"))?);
        self.seal.push(Call::Restrict {
            target: c"/dev".into(),
            attributes: libc::MOUNT_ATTR_RDONLY,
            recursive: false,
        });
        self.seal.push(tmpfs(c"/tmp", NOSUID_NODEV, format!("mode=1777,size={size}"))?);
        self.seal.push(tmpfs(c"/run", NOSUID_NODEV, format!("mode=0755,size={size}"))?);
        self.seal.push(tmpfs(c"/sys", NOSUID_NODEV | libc::MS_RDONLY, "mode=0555,size=4k".into())?);
        self.seal.push(Call::Mount {
            kind: c"proc",
            target: c"/proc".into(),
            // Read-only: nothing under /proc/sys can be set, whoever owns it. `hidepid` hides the first
            // process, whose command line is the caller's.
            flags: NOSUID_NODEV | libc::MS_NOEXEC | libc::MS_RDONLY,
            options: c"hidepid=2".into(),
        });
        self.seal.push(Call::ShareProcesses(c"/proc".into()));
        for name in COVERED.into_iter().filter(|name| covered(name)) {
            let target = c_string(&format!("/proc/{name}"))?;
            self.seal.push(Call::Cover { with: c"/dev/null", target });
        }
        Ok(())
    }

    fn mounts(&mut self, spec: &Spec, slots: &Slots) -> Result<(), SandboxError> {
        let all = spec.writable.iter().map(|m| (m, 0));
        let all = all.chain(spec.read_only.iter().map(|m| (m, libc::MOUNT_ATTR_RDONLY)));
        for ((mount, read_only), slot) in all.zip(&slots.mounts) {
            if !["/tmp", "/run", "/dev/shm"].iter().any(|own| mount.target.starts_with(own)) {
                mount_point(spec, &mount.target)?;
            }
            let target = path(&mount.target)?;
            self.seal.push(Call::Place { slot: *slot, target: target.clone() });
            self.seal.push(Call::Restrict {
                target,
                attributes: read_only | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
                recursive: true,
            });
        }
        Ok(())
    }

    fn rlimits(&mut self, spec: &Spec) {
        let limits = &spec.limits;
        // The watcher ends the run above `tasks_max`; the kernel's own bound lies a little higher, so
        // that reaching it is seen as what it is.
        let tasks = limits.tasks_max.saturating_add(16);
        for (resource, name, soft, hard) in [
            (
                libc::RLIMIT_NOFILE,
                "nofile",
                limits.open_files_max,
                limits.open_files_max.max(OPEN_FILES_HARD),
            ),
            (libc::RLIMIT_NPROC, "nproc", tasks, tasks),
            (libc::RLIMIT_FSIZE, "fsize", limits.disk_bytes_max, limits.disk_bytes_max),
            // core(5): a program that the host has set to receive core dumps is started even with a
            // limit of 0; a limit of 1 byte is the one that prevents it.
            (libc::RLIMIT_CORE, "core", 1, 1),
            (libc::RLIMIT_MEMLOCK, "memlock", 64 << 10, 64 << 10),
            (libc::RLIMIT_STACK, "stack", 8 << 20, 64 << 20),
            (libc::RLIMIT_RTPRIO, "rtprio", 0, 0),
            (libc::RLIMIT_MSGQUEUE, "msgqueue", 800 << 10, 800 << 10),
        ] {
            self.seal.push(Call::Limit { resource, name, soft, hard });
        }
    }
}

struct Slots {
    devices: [usize; DEVICES.len()],
    mounts: Vec<usize>,
}

/// Checks that a mount point exists inside the root, without following links out of it.
fn mount_point(spec: &Spec, target: &Path) -> Result<(), SandboxError> {
    let missing = || SandboxError::MountPoint { root: spec.root.clone(), target: target.to_path_buf() };
    if !target.is_absolute() || target.components().any(|c| matches!(c, Component::ParentDir)) {
        return Err(missing());
    }
    let mut outside = spec.root.clone();
    for component in target.components() {
        if let Component::Normal(name) = component {
            outside.push(name);
            let found = std::fs::symlink_metadata(&outside).map_err(|_| missing())?;
            if found.file_type().is_symlink() {
                return Err(missing());
            }
        }
    }
    Ok(())
}

/// Looks a program without `/` up in the environment's `PATH`, as a shell would, but inside.
fn exec(argv: &[String], env: &BTreeMap<String, String>) -> Result<Call, SandboxError> {
    let program = argv.first().filter(|p| !p.is_empty()).ok_or_else(|| SandboxError::Specification {
        detail: "expected a program to run, found none".to_owned(),
    })?;
    let candidates = if program.contains('/') {
        vec![c_string(program)?]
    } else {
        env.get("PATH")
            .map_or("/usr/bin:/bin", String::as_str)
            .split(':')
            .filter(|folder| folder.starts_with('/'))
            .map(|folder| c_string(&format!("{folder}/{program}")))
            .collect::<Result<_, _>>()?
    };
    let strings = |texts: &mut dyn Iterator<Item = String>| {
        texts.map(|text| c_string(&text)).collect::<Result<Vec<_>, _>>().map(Pointers::new)
    };
    if let Some(name) = env.keys().find(|name| name.is_empty() || name.contains('=')) {
        return Err(SandboxError::Specification {
            detail: format!("expected the name of an environment variable, found `{name}`"),
        });
    }
    Ok(Call::Exec {
        candidates,
        argv: strings(&mut argv.iter().cloned())?,
        envp: strings(&mut env.iter().map(|(name, value)| format!("{name}={value}")))?,
    })
}

fn path(path: &Path) -> Result<CString, SandboxError> {
    use std::os::unix::ffi::OsStrExt;
    let absolute = if path.is_absolute() { Ok(path) } else { Err(()) };
    absolute.and_then(|path| CString::new(path.as_os_str().as_bytes()).map_err(drop)).map_err(|()| {
        SandboxError::Specification {
            detail: format!("expected an absolute path, found `{}`", path.display()),
        }
    })
}

fn c_string(text: &str) -> Result<CString, SandboxError> {
    CString::new(text).map_err(|_| SandboxError::Specification {
        detail: format!("expected text without a zero byte, found `{}`", text.escape_debug()),
    })
}

/// The files of the host's `/proc`.
pub(super) fn host_has(name: &str) -> bool {
    PathBuf::from("/proc").join(name).exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::super::call::{perform_all, recorder::Recorder};
    use super::super::{Mount, Output};
    use super::*;
    use crate::limits::sandbox::SandboxLimits;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in ["proc", "dev", "tmp", "run", "sys", "build"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        root
    }

    fn spec(root: &Path) -> Spec {
        Spec {
            root: root.to_path_buf(),
            writable: vec![Mount { source: "/var/w".into(), target: "/build".into() }],
            read_only: Vec::new(),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            host_name: "builder".to_owned(),
            uid: 1000,
            gid: 1000,
            work_dir: "/build".into(),
            network: Network::None,
            output: Output::Separate,
            cpus_max: None,
            limits: SandboxLimits::DEFAULT,
        }
    }

    fn identity() -> Identity {
        Identity::choose(0, 0, "0 0 4294967295\n")
    }

    fn record(spec: &Spec) -> Vec<String> {
        let plan = Plan::new(spec, &["true".to_owned()], identity(), None, |_| true).unwrap();
        let recorder = Recorder::default();
        perform_all(&recorder, &plan.seal).unwrap();
        perform_all(&recorder, &plan.start).unwrap();
        recorder.calls.into_inner()
    }

    fn position(calls: &[String], prefix: &str) -> usize {
        let found: Vec<usize> = (0..calls.len()).filter(|i| calls[*i].starts_with(prefix)).collect();
        assert_eq!(found.len(), 1, "`{prefix}` occurs {} times in {calls:#?}", found.len());
        found[0]
    }

    #[test]
    fn the_order_keeps_each_seal_behind_the_last_call_that_needs_it_open() {
        let root = root();
        let calls = record(&Spec { network: Network::Loopback, ..spec(root.path()) });
        for (earlier, later) in [
            ("not dumpable", "open_tree /dev/null"),
            ("mount private /", "move_mount /proc"),
            ("open_tree /var/w", "setresuid 1000"),
            ("setgroups", "setresgid 1000"),
            ("setresgid 1000", "setresuid 1000"),
            ("setresuid 1000", "die with parent"),
            ("move_mount /proc", "mount_setattr /proc ro,nosuid,nodev recursively"),
            ("mount_setattr /proc ro,nosuid,nodev recursively", "pivot_root"),
            ("pivot_root", "mount proc /proc hidepid=2"),
            ("mount proc /proc hidepid=2", "umount the host"),
            ("mount proc /proc hidepid=2", "bind /dev/null /proc/kcore"),
            ("move_mount /build", "mount_setattr /build nosuid,nodev recursively"),
            ("umount the host", "chdir /build"),
            ("chdir /build", "drop capabilities"),
            ("lo up", "drop capabilities"),
            ("lock secure bits", "drop bounding"),
            ("drop bounding", "drop capabilities"),
            ("drop capabilities", "no_new_privs"),
            ("close_range", "execve true"),
        ] {
            assert!(position(&calls, earlier) < position(&calls, later), "{earlier} before {later}");
        }
        let nnp = position(&calls, "no_new_privs");
        let filters: Vec<_> = (0..calls.len()).filter(|i| calls[*i].starts_with("seccomp")).collect();
        assert_eq!(filters, [nnp + 1, nnp + 2, nnp + 3], "filters follow at once, nothing between");
        assert_eq!(calls.len(), nnp + 6, "and after them only close_range and execve");
    }

    #[test]
    fn a_failing_call_is_named_and_nothing_after_it_is_done() {
        let root = root();
        let plan = Plan::new(&spec(root.path()), &["true".into()], identity(), None, |_| true).unwrap();
        let recorder = Recorder { failing: Some("drop capabilities"), ..Recorder::default() };
        let (number, _) = perform_all(&recorder, &plan.seal).unwrap_err();
        assert_eq!(plan.seal[number].to_string(), "drop capabilities");
        assert_eq!(recorder.calls.borrow().len(), number + 1);
    }

    #[test]
    fn what_is_not_asked_for_is_not_done() {
        let root = root();
        let calls = record(&spec(root.path()));
        assert!(!calls.iter().any(|c| c == "lo up"));
        let plan =
            Plan::new(&spec(root.path()), &["true".into()], Identity::choose(1001, 1001, ""), None, |_| {
                false
            })
            .unwrap();
        assert!(!plan.seal.iter().any(|c| matches!(c, Call::DropGroups | Call::Cover { .. })));
    }

    #[test]
    fn a_wrong_specification_is_refused_before_anything_is_done() {
        let root = root();
        std::os::unix::fs::symlink("/etc", root.path().join("link")).unwrap();
        let mount = |target: &str| vec![Mount { source: "/var/w".into(), target: target.into() }];
        let good = || spec(root.path());
        for (what, spec, code) in [
            ("missing", Spec { writable: mount("/absent"), ..good() }, "sandbox::mount_point"),
            ("link", Spec { writable: mount("/link"), ..good() }, "sandbox::mount_point"),
            ("dots", Spec { writable: mount("/build/../build"), ..good() }, "sandbox::mount_point"),
            ("relative", Spec { work_dir: "build".into(), ..good() }, "sandbox::specification"),
            ("zero byte", Spec { host_name: "a\0b".into(), ..good() }, "sandbox::specification"),
            (
                "variable",
                Spec { env: BTreeMap::from([("A=B".into(), String::new())]), ..good() },
                "sandbox::specification",
            ),
            (
                "too many",
                Spec { writable: vec![mount("/build").remove(0); 40], ..good() },
                "sandbox::specification",
            ),
        ] {
            let error = Plan::new(&spec, &["true".into()], identity(), None, |_| true).err().unwrap();
            let found = miette::Diagnostic::code(&error).unwrap().to_string();
            assert_eq!(found, code, "{what}");
        }
        assert!(Plan::new(&good(), &[], identity(), None, |_| true).is_err());
    }

    #[test]
    fn root_builds_as_nobody_and_a_user_as_itself() {
        let outer = |euid, map| Identity::choose(euid, euid, map).outer_uid;
        assert_eq!(outer(0, "         0          0 4294967295\n"), Identity::NOBODYS);
        assert_eq!(outer(0, "0 1000 1\n1 100000 65536\n"), 65534);
        assert_eq!(outer(0, "0 1000 1\n"), 0);
        assert_eq!(outer(1001, "0 0 4294967295\n"), 1001);
    }
}
