//! A sandbox that runs beside its caller.

use std::io;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use super::door::{Door, Kind};
use super::watch::{Watch, pipe, watch};
use super::{Network, Run, SandboxError, Sink, Spec};

/// A sandbox that a thread of its own watches. Dropping it ends the run.
#[derive(Debug)]
pub struct Running {
    stop: Option<OwnedFd>,
    door: Option<Door>,
    thread: Option<JoinHandle<Result<Run, SandboxError>>>,
}

impl Running {
    pub(super) fn start(
        spec: Spec,
        argv: Vec<String>,
        mut sink: Box<dyn Sink + Send>,
    ) -> Result<Self, SandboxError> {
        let (watched, stop) = pipe()?;
        let (door, inner) = match spec.network {
            Network::None => (None, None),
            Network::Loopback => {
                let (door, inner) = Door::make().map_err(|errno| watch("a socket")(errno.into()))?;
                (Some(door), Some(inner))
            }
        };
        // The kernel's signal to the child comes with the end of the thread that made it, so the
        // thread that starts it must be the one that watches it.
        let thread = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || Watch::start(&spec, &argv, Some(watched), inner)?.follow(&mut *sink))
            .map_err(watch("a thread"))?;
        Ok(Self { stop: Some(stop), door, thread: Some(thread) })
    }

    /// A new Internet socket of the sandbox's own network, neither bound nor connected: see
    /// [`Network::Loopback`](super::Network), without which there is none.
    ///
    /// # Errors
    ///
    /// Where there is no such network, and when the sandbox has ended or does not answer.
    pub fn socket(&self, kind: Kind) -> Result<OwnedFd, SandboxError> {
        let none = || io::Error::from(io::ErrorKind::Unsupported);
        let made = self.door.as_ref().ok_or_else(none).and_then(|door| door.socket(kind));
        made.map_err(watch("a socket from inside"))
    }

    /// Whether it still runs, or its end is not yet established.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends the run with all its processes; [`wait`](Self::wait) tells when they are gone.
    pub fn stop(&mut self) {
        self.stop = None;
    }

    /// Waits for the end.
    ///
    /// # Errors
    ///
    /// As [`run`](super::run).
    pub fn wait(mut self) -> Result<Run, SandboxError> {
        let lost = || watch("its thread")(io::Error::other("the thread ended early"));
        let thread = self.thread.take().ok_or_else(lost)?;
        thread.join().map_err(|_| lost())?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
