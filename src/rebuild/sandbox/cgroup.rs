//! A cgroup of version 2 for one run, where the host delegates one to the caller.
//!
//! A cgroup that holds processes may not give controllers to those below it, so ours is made beside
//! the caller's own, not in it. Most sessions do not own that place: then there is none, and the watcher
//! polls instead. Version 1 is not used: it has no place for unprivileged users.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::Limit;
use crate::limits::sandbox::SandboxLimits;

/// A cgroup that is removed with this value.
pub(super) struct Cgroup {
    folder: PathBuf,
    descriptor: OwnedFd,
}

impl Cgroup {
    /// Makes one named after `name` beside the caller's; `None` where that is not delegated with the
    /// memory and pids controllers.
    pub(super) fn make(limits: &SandboxLimits, name: &str) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::make_in(&parent(&own, &mounts)?, limits, name)
    }

    fn make_in(parent: &Path, limits: &SandboxLimits, name: &str) -> Option<Self> {
        let given = fs::read_to_string(parent.join("cgroup.subtree_control")).ok()?;
        let given: Vec<&str> = given.split_ascii_whitespace().collect();
        if !["memory", "pids"].iter().all(|needed| given.contains(needed)) {
            return None;
        }
        let folder = parent.join(name);
        fs::create_dir(&folder).ok()?;
        let set = |file: &str, value: String| fs::write(folder.join(file), value);
        // A little above the watcher's own bound, as with the kernel's bound on processes.
        let ready = set("memory.max", limits.memory_bytes_max.to_string())
            .and_then(|()| set("memory.oom.group", "1".to_owned()))
            .and_then(|()| set("pids.max", limits.tasks_max.saturating_add(16).to_string()))
            .and_then(|()| {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                Ok(rustix::fs::open(&folder, flags, Mode::empty())?)
            });
        // Absent where the kernel has no swap accounting.
        let _ = set("memory.swap.max", "0".to_owned());
        match ready {
            Ok(descriptor) => Some(Self { folder, descriptor }),
            Err(_) => {
                let _ = fs::remove_dir(&folder);
                None
            }
        }
    }

    /// For `CLONE_INTO_CGROUP`.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// The most memory that was charged, in bytes.
    pub(super) fn peak_memory_bytes(&self) -> Option<u64> {
        self.number("memory.peak").or_else(|| self.number("memory.current"))
    }

    /// The limit that the kernel enforced, if it did.
    pub(super) fn reached(&self) -> Option<Limit> {
        let counted = |file: &str, event: &str| {
            let text = fs::read_to_string(self.folder.join(file)).ok()?;
            text.lines().find_map(|line| line.strip_prefix(event)?.trim().parse::<u64>().ok())
        };
        if counted("memory.events", "oom_kill ").is_some_and(|count| count > 0) {
            Some(Limit::Memory)
        } else if counted("pids.events", "max ").is_some_and(|count| count > 0) {
            Some(Limit::Tasks)
        } else {
            None
        }
    }

    fn number(&self, file: &str) -> Option<u64> {
        fs::read_to_string(self.folder.join(file)).ok()?.trim().parse().ok()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Empty by now: the last process has been waited for.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// The folder above the caller's cgroup, from its `/proc/self/cgroup` and `/proc/self/mountinfo`.
fn parent(own: &str, mounts: &str) -> Option<PathBuf> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let (root, point) = mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        kind.starts_with("cgroup2 ").then(|| fields.next().zip(fields.next())).flatten()
    })?;
    let below = Path::new(own).strip_prefix(root).ok()?;
    // The root cgroup has no place beside it.
    Some(Path::new(point).join(below.parent()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_place_beside_the_callers_cgroup_is_found() {
        const V2: &str = "36 25 0:31 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        const HYBRID: &str = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                              36 25 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        const PART: &str = "36 25 0:31 /user.slice /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        for (own, mounts, expected) in [
            ("0::/user.slice/app.slice/x.scope\n", V2, Some("/sys/fs/cgroup/user.slice/app.slice")),
            ("4:memory:/a\n0::/b/c\n", HYBRID, Some("/sys/fs/cgroup/unified/b")),
            ("0::/user.slice/x/y\n", PART, Some("/sys/fs/cgroup/x")),
            ("0::/\n", V2, None),
            ("0::/elsewhere/x\n", PART, None),
            ("4:memory:/a\n", HYBRID, None),
            ("0::/a/b\n", "", None),
        ] {
            assert_eq!(parent(own, mounts), expected.map(PathBuf::from), "{own:?} {mounts:?}");
        }
    }

    #[test]
    fn a_place_without_the_controllers_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let make = || Cgroup::make_in(place.path(), &SandboxLimits::DEFAULT, "reprove-1");
        assert!(make().is_none(), "nothing is delegated");
        fs::write(place.path().join("cgroup.subtree_control"), "hugetlb pids\n").unwrap();
        assert!(make().is_none(), "memory is missing");
        assert!(!place.path().join("reprove-1").exists());
        fs::write(place.path().join("cgroup.subtree_control"), "cpu memory pids\n").unwrap();
        let cgroup = make().unwrap();
        let read = |file: &str| fs::read_to_string(place.path().join("reprove-1").join(file)).unwrap();
        assert_eq!(read("memory.max"), SandboxLimits::DEFAULT.memory_bytes_max.to_string());
        assert_eq!(cgroup.reached(), None);
        fs::write(place.path().join("reprove-1/memory.events"), "low 0\noom_kill 2\n").unwrap();
        assert_eq!(cgroup.reached(), Some(Limit::Memory));
    }
}
