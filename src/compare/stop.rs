//! Why looking at one member stopped. The comparison of everything else goes on.

use std::io;

use super::cause::Cause;
use super::result::Side;

/// Why looking at one member stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// Malformed, truncated, unsupported, or a limit.
    #[error("{detail}")]
    Outcome {
        /// An engine outcome.
        cause: Cause,
        /// On which side, once known.
        side: Option<Side>,
        /// What exactly.
        detail: String,
    },
    /// The disk did not give the input's bytes.
    #[error("cannot read the input")]
    Input(#[source] io::Error),
    /// The disk did not take the scratch bytes.
    #[error("cannot use scratch space")]
    Scratch(#[source] io::Error),
}

impl Stop {
    pub(crate) fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self::Outcome { cause, side: None, detail: detail.into() }
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(Cause::Malformed, detail)
    }

    pub(crate) fn truncated(detail: impl Into<String>) -> Self {
        Self::new(Cause::Truncated, detail)
    }

    pub(crate) fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(Cause::Unsupported, detail)
    }

    /// Names the side, unless it is named already.
    pub(crate) fn on(self, at: Side) -> Self {
        match self {
            Self::Outcome { cause, side: None, detail } => Self::Outcome { cause, side: Some(at), detail },
            other => other,
        }
    }
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> Self {
        Self::other(stop)
    }
}

impl From<io::Error> for Stop {
    /// A decoder's complaint becomes an outcome; what the system says stays an error.
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            return match error.into_inner().map(|inner| inner.downcast::<Self>()) {
                Some(Ok(stop)) => *stop,
                _ => Self::malformed("the stream cannot be decoded"),
            };
        }
        if error.raw_os_error().is_some() {
            return Self::Input(error);
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::truncated("the data ends early"),
            io::ErrorKind::OutOfMemory => Self::new(Cause::LimitDecoderMemory, error.to_string()),
            _ => Self::malformed(error.to_string()),
        }
    }
}

/// Names the side of a failure.
pub(crate) trait OnSide<T> {
    /// Names the side of a failure, unless it is named already.
    fn on(self, side: Side) -> Result<T, Stop>;
}

impl<T, E: Into<Stop>> OnSide<T> for Result<T, E> {
    fn on(self, side: Side) -> Result<T, Stop> {
        self.map_err(|e| e.into().on(side))
    }
}
