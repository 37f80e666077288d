//! Changelogs (deb-changelog(5)): where a release's date comes from, in the source or, after a
//! binary-only rebuild, in the published package alone.

use std::io::{BufRead, BufReader, Read};

use jiff::Timestamp;

use super::EnvironmentError;
use crate::archive::ArchiveError;
use crate::archive::ar::ArReader;
use crate::archive::compression::{Bounded, Compression};
use crate::limits::debian::DebianLimits;
use crate::store::Object;

/// The first entry of a changelog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The whole text of the entry, ending in one line feed.
    pub(super) text: String,
    /// Source package.
    pub(super) source: String,
    /// Version.
    pub(super) version: String,
    /// The date of its trailer.
    pub(super) date: Timestamp,
}

impl Entry {
    /// Takes the first entry: a heading `source (version) …`, lines, a trailer ` -- name  date`.
    pub(super) fn first(text: &str, file: &str, limits: &DebianLimits) -> Result<Self, EnvironmentError> {
        let wrong =
            |detail: &str| EnvironmentError::Changelog { file: file.to_owned(), detail: detail.to_owned() };
        let mut entry = String::new();
        let mut date = None;
        for line in text.lines().skip_while(|l| l.trim().is_empty()) {
            if entry.len() + line.len() > limits.changelog_entry_bytes_max {
                return Err(wrong("its first entry is longer than any changelog's"));
            }
            if !entry.is_empty() && !line.trim().is_empty() && !line.starts_with([' ', '\t']) {
                return Err(wrong("its first entry has no trailer"));
            }
            entry.push_str(line.trim_end());
            entry.push('\n');
            if let Some(trailer) = line.strip_prefix(" -- ") {
                let (_, text) = trailer.split_once(">  ").ok_or_else(|| wrong("its trailer has no date"))?;
                let parser = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true);
                date = parser.parse_timestamp(text.trim().as_bytes()).ok();
                break;
            }
        }
        let heading = entry.lines().next().unwrap_or_default();
        let (source, rest) = heading.split_once(" (").ok_or_else(|| wrong("it begins with no heading"))?;
        let (version, _) = rest.split_once(')').ok_or_else(|| wrong("its heading has no version"))?;
        Ok(Self {
            source: source.to_owned(),
            version: version.to_owned(),
            date: date.ok_or_else(|| wrong("its first entry has no trailer with a date"))?,
            text: entry,
        })
    }
}

/// Reads the first of the wanted members from a tar archive, compressed or not, whose bytes are in the
/// store. Names are compared without a leading `./`, and without their first segment where `wanted`
/// begins with `*/`.
pub(super) fn from_tar(
    object: &Object,
    file: &str,
    wanted: &[String],
    limits: &DebianLimits,
) -> Result<Option<String>, EnvironmentError> {
    let reader = BufReader::new(object.open()?);
    search(reader, wanted, limits)
        .map_err(|source| EnvironmentError::Package { file: file.to_owned(), source })
}

/// Reads the first of the wanted members from the data archive of a `.deb` in the store.
pub(super) fn from_deb(
    object: &Object,
    file: &str,
    wanted: &[String],
    limits: &DebianLimits,
) -> Result<Option<String>, EnvironmentError> {
    let failed = |source| EnvironmentError::Package { file: file.to_owned(), source };
    let mut deb = ArReader::new(BufReader::new(object.open()?)).map_err(failed)?;
    while let Some(header) = deb.next_header().map_err(failed)? {
        if header.name.starts_with(b"data.tar") {
            return search(BufReader::new(deb.body()), wanted, limits).map_err(failed);
        }
    }
    Err(failed(ArchiveError::Malformed { format: "deb", detail: "it has no `data.tar`".to_owned() }))
}

/// Looks through a tar archive. Only plain headers are heeded: a name too long for one is not a
/// changelog's, and the extensions that carry such names may claim any length.
fn search<R: BufRead + Send>(
    mut input: R,
    wanted: &[String],
    limits: &DebianLimits,
) -> Result<Option<String>, ArchiveError> {
    let read = |source| ArchiveError::Read { format: "tar", source };
    let start = input.fill_buf().map_err(read)?.to_vec();
    let expanded: Box<dyn Read + Send> = match Compression::recognise(&start) {
        Some(compression) => compression.decoder(input, &limits.archive)?,
        None => Box::new(input),
    };
    let bounded = Bounded::new(expanded, limits.archive.expanded_bytes_max);
    let mut archive = tar::Archive::new(bounded);
    let mut members = 0u64;
    for entry in archive.entries().map_err(read)?.raw(true) {
        let entry = entry.map_err(read)?;
        members += 1;
        if members > limits.archive.members_max {
            let max = limits.archive.members_max;
            return Err(ArchiveError::Limit { format: "tar", limit: "members_max", max });
        }
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.header().path_bytes();
        let path = String::from_utf8_lossy(&path).into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path);
        let below = path.split_once('/').map_or("", |(_, below)| below);
        if !wanted.iter().any(|w| w == path || w.strip_prefix("*/") == Some(below)) {
            continue;
        }
        let mut text = BufReader::new(entry);
        let start = text.fill_buf().map_err(read)?.to_vec();
        // `Send` is asked of decoders; a member's bytes are therefore taken first, in bounds.
        let mut bytes = Vec::new();
        Bounded::new(text, limits.changelog_bytes_max).read_to_end(&mut bytes).map_err(read)?;
        let expanded: Box<dyn Read + Send> = match Compression::recognise(&start) {
            Some(compression) => compression.decoder(bytes.as_slice(), &limits.archive)?,
            None => Box::new(bytes.as_slice()),
        };
        let mut text = Vec::new();
        Bounded::new(expanded, limits.changelog_bytes_max).read_to_end(&mut text).map_err(read)?;
        return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_entry_is_taken_whole() {
        let text = "\nsl (5.02-1+b1) sid; urgency=low, binary-only=yes\n\n  * Rebuild for ncurses   \n\n \
             -- amd64 Build Daemon <buildd@example.invalid>  Mon, 05 Aug 2019 20:47:16 +0200\n\n\
             sl (5.02-1) unstable; urgency=medium\n";
        let entry = Entry::first(text, "c", &DebianLimits::DEFAULT).unwrap();
        assert_eq!((entry.source.as_str(), entry.version.as_str()), ("sl", "5.02-1+b1"));
        assert_eq!(entry.date.to_string(), "2019-08-05T18:47:16Z");
        assert!(entry.text.starts_with("sl (5.02-1+b1) sid; ") && entry.text.ends_with(" +0200\n"));
        assert!(entry.text.contains("  * Rebuild for ncurses\n"));
    }

    #[test]
    fn what_is_no_changelog_is_refused() {
        let head = "sl (1) sid; urgency=low\n\n  * x\n\n";
        for bad in [
            "".to_owned(),
            "sl sid\n".to_owned(),
            head.to_owned(),
            format!("{head} -- A <a@example.invalid>  someday\n"),
            format!("{head} -- A\n"),
            format!("{head}next (2) sid\n -- A <a>  Mon, 05 Aug 2019 20:47:16 +0200\n"),
            format!("{head}{}", "  * y\n".repeat(100_000)),
        ] {
            assert!(Entry::first(&bad, "c", &DebianLimits::DEFAULT).is_err());
        }
    }
}
