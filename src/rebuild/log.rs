//! The build's log: every line with its time from the start of its step, on disk and as events.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::sandbox::{Line, Sink};
use crate::event::{Event, Observer};

/// Writes lines to a file and tells the observer.
pub(super) struct Log<'a> {
    file: BufWriter<File>,
    observer: &'a dyn Observer,
    failure: Option<io::Error>,
    bytes: u64,
}

impl<'a> Log<'a> {
    /// Makes the file anew.
    pub(super) fn create(path: &Path, observer: &'a dyn Observer) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        Ok(Self { file, observer, failure: None, bytes: 0 })
    }

    /// Names the step that follows.
    pub(super) fn step(&mut self, argv: &[String]) {
        let command = argv.join(" ");
        self.write(format!("# {}\n", command.escape_debug()).as_bytes());
    }

    /// Bytes of output so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the file; the first failure of any write.
    pub(super) fn finish(mut self) -> io::Result<()> {
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.file.flush(),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.file.write_all(bytes).err();
        }
    }
}

impl Sink for Log<'_> {
    fn line(&mut self, line: Line<'_>) {
        self.bytes += line.bytes.len() as u64 + 1;
        let stamp = format!("+{}.{:03} ", line.at.as_secs(), line.at.subsec_millis());
        self.write(stamp.as_bytes());
        self.write(line.bytes);
        self.write(b"\n");
        self.observer.event(&Event::BuildLine { line: &harmless(line.bytes) });
    }
}

/// Text that can be shown: what could steer a terminal is replaced.
pub(super) fn harmless(bytes: &[u8]) -> String {
    let shown = |c: char| if c != '\t' && c.is_control() { '\u{fffd}' } else { c };
    String::from_utf8_lossy(bytes).chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn a_line_cannot_steer_the_terminal() {
        assert_eq!(harmless(b"a\x1b[2Jb\tc\xff\x07"), "a\u{fffd}[2Jb\tc\u{fffd}\u{fffd}");
        assert_eq!(harmless("\u{9b}2J grün".as_bytes()), "\u{fffd}2J grün");
    }
}
