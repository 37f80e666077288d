//! One count of bytes over all downloads of a call.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::Request;
use crate::digest::Digest;
use crate::event::{Event, Observer, Stage, Unit};

pub(super) struct Progress<'a> {
    pub(super) stage: Stage,
    pub(super) observer: &'a dyn Observer,
    total: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The most bytes ever there of each file: a download that starts again does not count back.
    by_digest: BTreeMap<Digest, u64>,
    done: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new<'r>(
        stage: Stage,
        observer: &'a dyn Observer,
        requests: impl IntoIterator<Item = &'r Request>,
    ) -> Self {
        let by_digest: BTreeMap<_, _> =
            requests.into_iter().map(|r| (&r.digest, r.length.bytes_max())).collect();
        let total = by_digest.values().fold(0, |sum: u64, n| sum.saturating_add(*n));
        let progress = Self { stage, observer, total, state: Mutex::default() };
        progress.tell(0);
        progress
    }

    /// Notes how many bytes of a file are there.
    pub(super) fn reached(&self, digest: &Digest, len_bytes: u64) {
        // A poisoned lock means that an observer panicked: nobody is left to tell.
        let Ok(mut state) = self.state.lock() else { return };
        let known = state.by_digest.entry(digest.clone()).or_default();
        let more = len_bytes.saturating_sub(*known);
        *known = len_bytes.max(*known);
        if more > 0 {
            state.done = state.done.saturating_add(more).min(self.total);
            self.tell(state.done);
        }
    }

    fn tell(&self, done: u64) {
        let total = Some(self.total);
        self.observer.event(&Event::Progress { stage: self.stage, done, total, unit: Unit::Bytes });
    }
}
