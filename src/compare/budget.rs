//! One budget for a whole comparison, shared by every reader and decoder.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cause::Cause;
use super::stop::Stop;
use crate::limits::compare::CompareLimits;

/// Tells whether the time is used up. The engine reads no clock: whoever calls brings one.
#[derive(Clone)]
pub struct Deadline(Arc<dyn Fn() -> bool + Send + Sync>);

impl Deadline {
    /// Takes a function that answers `true` once the time is used up, from then on for ever.
    pub fn new(passed: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(passed))
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deadline")
    }
}

/// What is left of the limits.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: CompareLimits,
    deadline: Option<Deadline>,
    expanded: AtomicU64,
    /// Bytes of the files that are compared; nothing where nobody told.
    given: AtomicU64,
    members: AtomicU64,
    scratch: AtomicU64,
    diff_work: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limits: CompareLimits, deadline: Option<Deadline>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            deadline,
            expanded: AtomicU64::new(0),
            given: AtomicU64::new(0),
            members: AtomicU64::new(0),
            scratch: AtomicU64::new(0),
            diff_work: AtomicU64::new(0),
        })
    }

    fn take(counter: &AtomicU64, n: u64, max: u64, cause: Cause, what: &str) -> Result<(), Stop> {
        let before = counter.fetch_add(n, Ordering::Relaxed);
        if before.saturating_add(n) > max {
            counter.fetch_sub(n, Ordering::Relaxed);
            return Err(Stop::new(cause, format!("more than {max} {what}")));
        }
        Ok(())
    }

    /// Refuses to go on once the time is used up.
    pub(crate) fn time(&self) -> Result<(), Stop> {
        match &self.deadline {
            Some(Deadline(passed)) if passed() => Err(Stop::new(
                Cause::LimitTime,
                format!("the {} seconds are used up", self.limits.seconds_max),
            )),
            _ => Ok(()),
        }
    }

    /// Decoded bytes; also looks at the deadline.
    pub(crate) fn expanded(&self, n: u64) -> Result<(), Stop> {
        self.time()?;
        Self::take(
            &self.expanded,
            n,
            self.limits.expanded_bytes_max,
            Cause::LimitBytes,
            "bytes are decoded over both sides",
        )?;
        // Layers multiply: each may stay within the ratio while all of them do not.
        let (given, all) = (self.given.load(Ordering::Relaxed), self.expanded.load(Ordering::Relaxed));
        if given > 0 && all > self.limits.layers_floor_bytes && all / given >= self.limits.ratio_max {
            return Err(Stop::new(
                Cause::LimitRatio,
                format!("{given} bytes expand to more than {all} over all layers"),
            ));
        }
        Ok(())
    }

    /// Bytes of a file that is compared.
    pub(crate) fn given(&self, n: u64) {
        self.given.fetch_add(n, Ordering::Relaxed);
    }

    /// One more member.
    pub(crate) fn member(&self) -> Result<(), Stop> {
        let n = self.members.load(Ordering::Relaxed);
        if n.is_multiple_of(256) {
            self.time()?;
        }
        Self::take(&self.members, 1, self.limits.members_max, Cause::LimitMembers, "members over both sides")
    }

    /// Bytes of scratch space; given back with [`Budget::scratch_back`].
    pub(crate) fn scratch(&self, n: u64) -> Result<(), Stop> {
        Self::take(
            &self.scratch,
            n,
            self.limits.scratch_bytes_max,
            Cause::LimitScratch,
            "bytes of scratch space are needed",
        )
    }

    pub(crate) fn scratch_back(&self, n: u64) {
        self.scratch.fetch_sub(n, Ordering::Relaxed);
    }

    /// Lines, or thousands of bytes, to be explained.
    pub(crate) fn diff_work(&self, n: u64) -> Result<(), Stop> {
        self.time()?;
        Self::take(&self.diff_work, n, self.limits.diff_work_max, Cause::LimitDiffWork, "units of diff work")
    }

    /// Whether a stream's expansion is still within the ratio.
    pub(crate) fn ratio(&self, packed: u64, expanded: u64) -> Result<(), Stop> {
        if expanded > self.limits.ratio_floor_bytes && expanded / packed.max(1) >= self.limits.ratio_max {
            return Err(Stop::new(
                Cause::LimitRatio,
                format!("{packed} bytes expand to more than {expanded}"),
            ));
        }
        Ok(())
    }
}
