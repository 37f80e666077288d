//! What the processes inside use, read from the sandbox's own `/proc`.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{Dir, Mode, OFlags, openat};

/// Sums over the process tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TreeUsage {
    /// Processor time, that of processes that were waited for included.
    pub(super) cpu: Duration,
    /// Resident sets added up.
    pub(super) resident_bytes: u64,
    /// Threads of all processes.
    pub(super) tasks: u64,
}

/// `PF_FORKNOEXEC`, a flag of field 9: forked, and no program executed since (linux/sched.h).
const FORKED_WITHOUT_EXEC: u64 = 0x40;

/// The fields of `/proc/<pid>/stat` that are of use (proc_pid_stat(5)), in clock ticks and pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    resident_pages: u64,
    executed: bool,
}

impl Stat {
    /// The second field is the program's name in parentheses and may hold anything, so count from the
    /// last one.
    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Field 3 of the manual is the first one here.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let ticks = [14, 15, 16, 17].into_iter().map(number).sum::<Option<u64>>()?;
        let executed = number(9)? & FORKED_WITHOUT_EXEC == 0;
        Some(Self { cpu_ticks: ticks, threads: number(20)?, resident_pages: number(24)?, executed })
    }
}

/// A view of the processes of one sandbox.
pub(super) struct Tree {
    processes: OwnedFd,
    first: std::path::PathBuf,
    ticks_per_second: u64,
    page_bytes: u64,
    /// Whether the program was seen to run. Before that its process is a copy of the caller, whose memory
    /// is not the program's; afterwards no process is left out, whether it forked or executed.
    running: AtomicBool,
}

impl Tree {
    /// Takes the descriptor of the inner `/proc`, and the first process's number outside.
    pub(super) fn new(processes: OwnedFd, first: i32) -> Self {
        Self {
            processes,
            first: format!("/proc/{first}/stat").into(),
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            page_bytes: rustix::param::page_size() as u64,
            running: AtomicBool::new(false),
        }
    }

    /// Adds up. Processes that end meanwhile are left out; their time is in their parent's next sum.
    pub(super) fn usage(&self) -> TreeUsage {
        let mut buffer = Vec::with_capacity(1024);
        let mut sum = TreeUsage::default();
        let mut ticks = 0;
        for process in self.numbers() {
            let Ok(file) = self.open(&format!("{process}/stat"), OFlags::empty()) else { continue };
            if let Some(stat) = read_stat(file.into(), &mut buffer) {
                ticks += stat.cpu_ticks;
                sum.tasks += stat.threads;
                sum.resident_bytes += stat.resident_pages * self.page_bytes;
                if stat.executed {
                    self.running.store(true, Ordering::Relaxed);
                }
            }
        }
        if !self.running.load(Ordering::Relaxed) {
            sum.resident_bytes = 0;
        }
        // The first process is our own copy: its memory is the caller's, its children's time is not.
        if let Ok(file) = std::fs::File::open(&self.first) {
            ticks += read_stat(file, &mut buffer).map_or(0, |stat| stat.cpu_ticks);
        }
        sum.cpu = Duration::from_millis(ticks * 1000 / self.ticks_per_second);
        sum
    }

    /// The most that any one of the living processes ever held since it executed its program; 0 before the
    /// program was seen to run.
    pub(super) fn largest_process_bytes(&self) -> u64 {
        if !self.running.load(Ordering::Relaxed) {
            return 0;
        }
        let mut buffer = Vec::with_capacity(4096);
        let peaks = self.numbers().into_iter().filter_map(|process| {
            let file = self.open(&format!("{process}/status"), OFlags::empty()).ok()?;
            buffer.clear();
            std::fs::File::from(file).take(4096).read_to_end(&mut buffer).ok()?;
            high_water_bytes(&buffer)
        });
        peaks.max().unwrap_or(0)
    }

    /// Bytes in files that are open but have no name any more, on the given devices; each counted once.
    pub(super) fn unlinked_bytes(&self, devices: &[u64]) -> u64 {
        let mut seen = std::collections::HashMap::new();
        for process in self.numbers() {
            let Ok(folder) = self.open(&format!("{process}/fd"), OFlags::DIRECTORY) else { continue };
            let Ok(entries) = Dir::read_from(&folder) else { continue };
            for entry in entries.flatten() {
                let flags = rustix::fs::AtFlags::empty();
                let Ok(stat) = rustix::fs::statat(&folder, entry.file_name(), flags) else { continue };
                if stat.st_nlink == 0 && devices.contains(&stat.st_dev) {
                    seen.insert((stat.st_dev, stat.st_ino), stat.st_blocks.unsigned_abs() * 512);
                }
            }
        }
        seen.values().sum()
    }

    /// All processes but the first.
    fn numbers(&self) -> Vec<u32> {
        let Ok(entries) = Dir::read_from(self.processes.as_fd()) else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
            .filter(|process| *process != 1)
            .collect()
    }

    fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(openat(&self.processes, path, flags, Mode::empty())?)
    }
}

fn read_stat(mut file: std::fs::File, buffer: &mut Vec<u8>) -> Option<Stat> {
    buffer.clear();
    file.by_ref().take(4096).read_to_end(buffer).ok()?;
    Stat::parse(buffer)
}

/// `VmHWM` of proc_pid_status(5), in kB: the peak of the resident set of this image, which begins anew with
/// `execve`, as the peak of getrusage(2) does not. A name cannot forge it: the kernel writes it escaped.
fn high_water_bytes(status: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(status).ok()?.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{Stat, high_water_bytes};

    #[test]
    fn a_high_water_mark_is_read_and_a_zombie_has_none() {
        let living = b"Name:\tx\\nVmHWM: 1 kB\nVmPeak:\t   99 kB\nVmHWM:\t    5120 kB\nVmRSS:\t 7 kB\n";
        assert_eq!(high_water_bytes(living), Some(5120 * 1024));
        for none in
            [&b"Name:\tx\nState:\tZ (zombie)\n"[..], b"VmHWM:\t 5 MB\n", b"VmHWM:\t18446744073709551615 kB\n"]
        {
            assert_eq!(high_water_bytes(none), None);
        }
    }

    #[test]
    fn a_programs_name_cannot_forge_the_numbers() {
        let rest = "S 1 1 1 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 99 1000 77 18446744073709551615";
        let expected = Some(Stat { cpu_ticks: 100, threads: 5, resident_pages: 77, executed: true });
        for name in ["cc1", ") S 0 0 0 0 0 0", "a b", "()("] {
            assert_eq!(Stat::parse(format!("7 ({name}) {rest}\n").as_bytes()), expected, "{name}");
        }
        let forked = rest.replace("4194560", "4194624");
        let stat = Stat::parse(format!("7 (x) {forked}\n").as_bytes());
        assert_eq!(stat.map(|s| s.executed), Some(false));
        assert_eq!(Stat::parse(b"7 (x) S 1"), None);
        assert_eq!(Stat::parse(b""), None);
    }
}
