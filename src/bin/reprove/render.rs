//! Writing to the terminal. The only place of the program that writes to the standard streams.

use std::io::{self, Write as _};

use crate::exit::Exit;

/// A library error with the exit code that it stands for.
#[derive(Debug)]
pub(crate) struct Failure {
    error: Box<dyn miette::Diagnostic + Send + Sync>,
    exit: Exit,
}

impl Failure {
    /// Pairs an error with its exit code.
    pub(crate) fn new(error: impl miette::Diagnostic + Send + Sync + 'static, exit: Exit) -> Self {
        Self { error: Box::new(error), exit }
    }

    /// The exit code.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }
}

/// Writes `error[code]: …`, its causes, labelled places and `hint: …` to standard error.
pub(crate) fn failure(failure: &Failure) {
    let error = failure.error.as_ref();
    let mut text = match error.code() {
        Some(code) => format!("error[{code}]: {error}\n"),
        None => format!("error: {error}\n"),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!("  caused by: {inner}\n"));
        cause = inner.source();
    }
    if let Some(help) = error.help() {
        text.push_str(&format!("hint: {help}\n"));
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a result to standard output. A closed pipe is an error like any other: it must never turn
/// a gate green.
pub(crate) fn result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
