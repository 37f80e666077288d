//! Writing to the terminal. The only place of the program that writes to the standard streams,
//! but for the bars of `progress`.

use std::io::{self, IsTerminal as _, Write as _};

use reprove::fetch::FetchError;
use reprove::store::StoreError;

use crate::exit::Exit;
use crate::host;

/// Related errors shown below an error.
const RELATED_MAX: usize = 20;

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

    /// The error, for those who collect several.
    pub(crate) fn diagnostic(&self) -> &(dyn miette::Diagnostic + 'static) {
        self.error.as_ref()
    }

    /// The exit code.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error, Exit::CouldNotLook)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self::new(error, Exit::CouldNotLook)
    }
}

/// Why a result could not be handed over.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum OutputError {
    /// A closed pipe, a full disk.
    #[error("cannot write the result to standard output")]
    #[diagnostic(
        code(cli::output),
        help("the result was not delivered, so this is no pass; read standard output to its end")
    )]
    Stdout(#[source] io::Error),
    /// A bug of a model: its keys are not strings, or the like.
    #[error("cannot write the result as JSON")]
    #[diagnostic(code(cli::json), help("use `--format text`, and report this as a bug"))]
    Json(#[source] serde_json::Error),
}

/// Writes an error (see [`describe`]) to standard error.
pub(crate) fn failure(failure: &Failure) {
    line(describe(failure.error.as_ref()).trim_end());
}

/// `error[code]: …`, its labelled places, causes, related errors and `hint: …`.
pub(crate) fn describe(error: &dyn miette::Diagnostic) -> String {
    let mut text = match error.code() {
        Some(code) => format!("error[{code}]: {error}\n"),
        None => format!("error: {error}\n"),
    };
    text.push_str(&places(error));
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(&format!("  caused by: {inner}\n"));
        cause = inner.source();
    }
    for inner in error.related().into_iter().flatten().take(RELATED_MAX) {
        for part in describe(inner).lines() {
            text.push_str(&format!("  {part}\n"));
        }
    }
    if let Some(help) = error.help() {
        text.push_str(&format!("hint: {help}\n"));
    }
    text
}

/// Where in a file: `file:line:column`, that line, and a mark below it for each label.
fn places(error: &dyn miette::Diagnostic) -> String {
    let mut text = String::new();
    let (Some(source), Some(labels)) = (error.source_code(), error.labels()) else { return text };
    for label in labels {
        // The line that the span begins in, whole; a span over several lines is shown by its first.
        let Ok(part) = source.read_span(&(label.offset(), 0).into(), 0, 0) else { continue };
        let name = part.name().unwrap_or("input");
        let (row, before) = (part.line() + 1, part.column());
        let start = label.offset().saturating_sub(before);
        let line = source.read_span(&(start, before).into(), 0, 1);
        let data = line.as_ref().map_or(part.data(), |l| l.data());
        let code = String::from_utf8_lossy(data);
        let code = code.lines().next().unwrap_or_default().replace('\t', " ");
        text.push_str(&format!("  at {name}:{row}:{}\n", before + 1));
        let gutter = row.to_string();
        let pad = " ".repeat(gutter.len());
        let indent = " ".repeat(code.get(..before).map_or(before, |s| s.chars().count()));
        let marked = code.get(before..).unwrap_or_default();
        let width = marked.get(..label.len().min(marked.len())).map_or(1, |s| s.chars().count()).max(1);
        let said = label.label().unwrap_or_default();
        text.push_str(&format!("  {pad} |\n  {gutter} | {code}\n"));
        text.push_str(format!("  {pad} | {indent}{} {said}", "^".repeat(width)).trim_end());
        text.push('\n');
    }
    text
}

/// Writes one line to standard error. Where that is closed nobody is left to tell.
pub(crate) fn line(text: &str) {
    let _ = io::stderr().lock().write_all(format!("{}\n", printable(text)).as_bytes());
}

/// Writes a result to standard output. A closed pipe is an error like any other: it must never turn
/// a gate green.
pub(crate) fn result(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.is_terminal() {
        true => out.write_all(printable(text).as_bytes())?,
        false => out.write_all(text.as_bytes())?,
    }
    out.flush()
}

/// Writes a result to standard output and gives the exit code; where the result cannot be
/// delivered, that is the failure.
pub(crate) fn answer(text: &str, exit: Exit) -> Result<Exit, Failure> {
    match result(text) {
        Ok(()) => Ok(exit),
        Err(e) => Err(Failure::new(OutputError::Stdout(e), Exit::CouldNotLook)),
    }
}

/// Writes a part of a result, as [`answer`] writes the whole.
pub(crate) fn part(text: &str) -> Result<(), Failure> {
    result(text).map_err(|e| Failure::new(OutputError::Stdout(e), Exit::CouldNotLook))
}

/// A result as indented JSON with a line feed at its end.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => Ok(text + "\n"),
        Err(e) => Err(Failure::new(OutputError::Json(e), Exit::CouldNotLook)),
    }
}

/// Writes what clap has to say: help and version to standard output, wrong arguments to standard
/// error.
pub(crate) fn usage(error: &clap::Error) -> Exit {
    let styled = error.render();
    let text = |terminal: bool| match terminal && host::colour_allowed() {
        true => styled.ansi().to_string(),
        false => styled.to_string(),
    };
    if error.use_stderr() {
        let mut err = io::stderr().lock();
        let _ = err.write_all(text(io::stderr().is_terminal()).as_bytes());
        return Exit::Usage;
    }
    let mut out = io::stdout().lock();
    let written = out.write_all(text(io::stdout().is_terminal()).as_bytes()).and_then(|()| out.flush());
    if written.is_ok() { Exit::Pass } else { Exit::CouldNotLook }
}

/// The text with control characters and marks of direction made visible: file names, logs and
/// servers' words must not move the cursor, recolour a verdict or turn it around (CVE-2021-42574).
pub(crate) fn printable(text: &str) -> String {
    let hostile = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if hostile(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The text as one word of a shell's command, quoted where it has to be.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_~".contains(c);
    match !text.is_empty() && !text.starts_with('~') && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// A number of bytes for people, in binary units.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let step = (n.ilog2() / 10).clamp(1, 4);
    let unit = UNITS.get(step as usize - 1).copied().unwrap_or("TiB");
    // Tenths, rounded down, without floating point.
    let tenths = u128::from(n) * 10 / (1u128 << (10 * step));
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use miette::{Diagnostic, NamedSource, SourceSpan};

    use super::*;

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("unknown key `colour`")]
    #[diagnostic(code(component::unknown_key), help("use one of: `name`, `purl`"))]
    struct Wrong {
        #[source_code]
        text: NamedSource<String>,
        #[label("expected a key of this table")]
        at: SourceSpan,
        #[related]
        more: Vec<Wrong>,
    }

    fn wrong(text: &str, at: (usize, usize), more: Vec<Wrong>) -> Wrong {
        Wrong { text: NamedSource::new("hello/component.toml", text.to_owned()), at: at.into(), more }
    }

    #[test]
    fn labelled_places_name_file_line_and_column() {
        let text = "name = \"hello\"\ncolour = 1\n";
        insta::assert_snapshot!(describe(&wrong(text, (15, 6), Vec::new())), @r#"
        error[component::unknown_key]: unknown key `colour`
          at hello/component.toml:2:1
            |
          2 | colour = 1
            | ^^^^^^ expected a key of this table
        hint: use one of: `name`, `purl`
        "#);
    }

    #[test]
    fn places_count_characters_and_bear_any_span() {
        let text = "näme = { colour = 1 }\r\nsecond = 2";
        let shown = describe(&wrong(text, (10, 6), Vec::new()));
        assert!(shown.contains("  1 | näme = { colour = 1 }\n    |          ^^^^^^ "), "{shown}");
        for (at, len) in [(0, 0), (0, 1000), (text.len(), 0), (text.len() - 1, 1), (2, 1), (5000, 1), (20, 9)]
        {
            let shown = describe(&wrong(text, (at, len), vec![wrong("", (0, 0), Vec::new())]));
            assert!(shown.starts_with("error[component::unknown_key]"), "{at}+{len}: {shown}");
        }
    }

    #[test]
    fn hostile_characters_are_made_visible() {
        assert_eq!(printable("a\x1b[31mb\u{202e}c\r\n\td"), "a\u{fffd}[31mb\u{fffd}c\u{fffd}\n\td");
    }

    #[test]
    fn bytes_read_as_binary_units() {
        let cases =
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB")];
        for (n, expected) in cases {
            assert_eq!(bytes(n), expected);
        }
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
    }
}
