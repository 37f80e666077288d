//! Why a sandbox could not be made. What happens inside it is an [`Outcome`](super::Outcome).

use std::fmt;
use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

/// What on this host keeps user namespaces closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Restriction {
    /// `user.max_user_namespaces` is 0.
    MaxUserNamespaces,
    /// Debian's and Arch's `kernel.unprivileged_userns_clone` is 0.
    UnprivilegedUsernsClone,
    /// Ubuntu's `kernel.apparmor_restrict_unprivileged_userns` is 1.
    AppArmor,
    /// A seccomp filter is on this process, as container engines install it.
    Seccomp,
    /// The kernel was built without them.
    NotBuilt,
    /// None of the known ones.
    Unrecognised,
}

impl Restriction {
    /// Recognises the restriction from the host's settings, which `read` fetches by path.
    pub(super) fn recognise(read: impl Fn(&str) -> Option<String>) -> Self {
        let value = |path: &str| read(path).map(|text| text.trim().to_owned());
        let seccomp = value("/proc/self/status").and_then(|status| {
            status.lines().find_map(|line| line.strip_prefix("Seccomp:")).map(|v| v.trim().to_owned())
        });
        let privileged = value("/proc/self/status").is_some_and(|status| {
            status.lines().any(|line| line.strip_prefix("Uid:").is_some_and(|u| u.trim().starts_with("0\t")))
        });
        let spaces = value("/proc/sys/user/max_user_namespaces");
        if spaces.is_none() {
            Self::NotBuilt
        } else if spaces.as_deref() == Some("0") {
            Self::MaxUserNamespaces
        } else if seccomp.is_some_and(|mode| mode != "0") {
            Self::Seccomp
        } else if privileged {
            Self::Unrecognised
        } else if value("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
            Self::UnprivilegedUsernsClone
        } else if value("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() == Some("1") {
            Self::AppArmor
        } else {
            Self::Unrecognised
        }
    }

    /// What the reader can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::MaxUserNamespaces => {
                "as root: sysctl -w user.max_user_namespaces=15000 (and a file in /etc/sysctl.d to keep it)"
            }
            Self::UnprivilegedUsernsClone => {
                "as root: sysctl -w kernel.unprivileged_userns_clone=1 (and a file in /etc/sysctl.d to keep it)"
            }
            Self::AppArmor => {
                "as root: allow user namespaces to this program with an AppArmor profile holding `userns,`, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
            }
            Self::Seccomp => {
                "run outside the container, or start the container so that it may make namespaces: docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cap-add SYS_ADMIN; podman run --privileged"
            }
            Self::NotBuilt => "use a kernel built with CONFIG_USER_NS, 5.12 or newer",
            Self::Unrecognised => {
                "check that `unshare --user --map-root-user --mount true` succeeds for this user; in a container, give it the right to make namespaces (CAP_SYS_ADMIN, no seccomp filter)"
            }
        }
    }
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaxUserNamespaces => "the sysctl `user.max_user_namespaces` is 0",
            Self::UnprivilegedUsernsClone => "the sysctl `kernel.unprivileged_userns_clone` is 0",
            Self::AppArmor => "the sysctl `kernel.apparmor_restrict_unprivileged_userns` is 1",
            Self::Seccomp => "a seccomp filter is on this process, as in a container",
            Self::NotBuilt => "this kernel has no user namespaces",
            Self::Unrecognised => "no known setting explains it",
        })
    }
}

/// Why a sandbox could not be made.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum SandboxError {
    /// The kernel refuses new namespaces.
    #[error("this host refuses to make a user namespace: {restriction}")]
    #[diagnostic(code(sandbox::namespaces_closed), help("{}", restriction.remedy()))]
    NamespacesClosed {
        /// What was found.
        restriction: Restriction,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A step of sealing failed, so nothing was run.
    #[error("cannot seal the sandbox: `{step}` failed")]
    #[diagnostic(
        code(sandbox::setup),
        help(
            "check that the kernel is 5.12 or newer, and that this user may read the root file system and each mounted path"
        )
    )]
    Setup {
        /// Which step, with its arguments.
        step: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A mount point is not in the root file system.
    #[error("the root file system `{}` has no folder `{}` to mount on", root.display(), target.display())]
    #[diagnostic(
        code(sandbox::mount_point),
        help("add the folder to the root file system; it is read-only inside")
    )]
    MountPoint {
        /// The root file system.
        root: PathBuf,
        /// The missing folder, as seen inside.
        target: PathBuf,
    },
    /// The specification cannot be carried out.
    #[error("the sandbox's specification is wrong: {detail}")]
    #[diagnostic(code(sandbox::specification), help("mend the named value in the caller"))]
    Specification {
        /// What is wrong, expected against found.
        detail: String,
    },
    /// The program could not be started inside.
    #[error("cannot start `{program}` inside the sandbox")]
    #[diagnostic(
        code(sandbox::exec),
        help("check that the root file system holds the program, its interpreter and its libraries")
    )]
    Exec {
        /// The program as given.
        program: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The tool itself could not watch the sandbox.
    #[error("cannot watch the sandbox: {what}")]
    #[diagnostic(
        code(sandbox::watch),
        help("check that /proc is mounted, and the limit on open files of this process")
    )]
    Watch {
        /// What failed.
        what: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A writable folder could not be prepared.
    #[error("cannot prepare the writable folder `{}`", path.display())]
    #[diagnostic(code(sandbox::writable), help("check that the folder exists and belongs to this user"))]
    Writable {
        /// Which folder on the host.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::Restriction;

    #[test]
    fn the_hosts_settings_are_told_apart() {
        const USER: &str = "Uid:\t1000\t1000\t1000\t1000\nSeccomp:\t0\n";
        const USER_FILTERED: &str = "Uid:\t1000\t1000\t1000\t1000\nSeccomp:\t2\n";
        const ROOT: &str = "Uid:\t0\t0\t0\t0\nSeccomp:\t0\n";
        let sysctl = |name: &str| format!("/proc/sys/{name}");
        for (status, path, value, expected) in [
            (USER, sysctl("user/max_user_namespaces"), "0\n", Restriction::MaxUserNamespaces),
            (ROOT, sysctl("user/max_user_namespaces"), "0\n", Restriction::MaxUserNamespaces),
            (USER, sysctl("kernel/unprivileged_userns_clone"), "0\n", Restriction::UnprivilegedUsernsClone),
            (ROOT, sysctl("kernel/unprivileged_userns_clone"), "0\n", Restriction::Unrecognised),
            (USER, sysctl("kernel/apparmor_restrict_unprivileged_userns"), "1\n", Restriction::AppArmor),
            (USER, sysctl("kernel/apparmor_restrict_unprivileged_userns"), "0\n", Restriction::Unrecognised),
            (USER_FILTERED, sysctl("user/max_user_namespaces"), "9\n", Restriction::Seccomp),
        ] {
            let found = Restriction::recognise(|p| match p {
                "/proc/self/status" => Some(status.to_owned()),
                _ if p == path => Some(value.to_owned()),
                "/proc/sys/user/max_user_namespaces" => Some("9\n".to_owned()),
                _ => None,
            });
            assert_eq!(found, expected, "{path} = {value} for {status}");
        }
    }
}
