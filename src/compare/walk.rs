//! The engine's frame: from two files to a verdict. Keeps what was found, and sees to it that nothing
//! that differs goes unexplained.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::blob::{Blob, CHUNK, ScratchFile};
use super::budget::Budget;
use super::cause::{Cause, Tier};
use super::error::CompareError;
use super::result::{Answer, Comparison, Confidence, Difference, Original, Pass, Side, Stopped};
use super::stop::Stop;
use super::{CompareOptions, comparators};
use crate::digest::{Algorithm, Hasher};

/// Shortened values are at most this long in characters: one line of a wide terminal.
const VALUE_CHARS_MAX: usize = 200;

/// Two sides of one member whose bytes differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'p> {
    /// The displayed path.
    pub(crate) path: &'p str,
    /// The member's own name, as bytes (for recognition by extension).
    pub(crate) name: &'p [u8],
    pub(crate) a: &'p Blob,
    pub(crate) b: &'p Blob,
}

/// A running comparison.
#[derive(Debug)]
pub(crate) struct Walk<'o> {
    pub(crate) options: &'o CompareOptions,
    pub(crate) budget: Arc<Budget>,
    pub(crate) scratch: Arc<PathBuf>,
    pub(crate) differences: Vec<Difference>,
    pub(crate) changed: BTreeSet<String>,
    pub(crate) stops: Vec<Stopped>,
    pub(crate) masked: (Vec<String>, Vec<String>),
    parking: Option<Arc<ScratchFile>>,
    /// How many differences of each cause were found, listed or not.
    listed: BTreeMap<Cause, usize>,
    report_bytes: u64,
    depth: u32,
    /// What a container wants to know of its members, taken by the next archive comparator.
    pub(crate) log: Option<super::log::MemberLog>,
    fatal: Option<Stop>,
}

impl<'o> Walk<'o> {
    pub(crate) fn new(options: &'o CompareOptions, scratch: Arc<PathBuf>) -> Self {
        Self {
            options,
            budget: Budget::new(options.limits, options.deadline.clone()),
            scratch,
            differences: Vec::new(),
            changed: BTreeSet::new(),
            stops: Vec::new(),
            masked: (Vec::new(), Vec::new()),
            parking: None,
            listed: BTreeMap::new(),
            report_bytes: 0,
            depth: 0,
            log: None,
            fatal: None,
        }
    }

    /// Compares two files or two directories.
    pub(crate) fn paths(mut self, a: &Path, b: &Path) -> Result<Comparison, CompareError> {
        let meta = |path: &Path| {
            std::fs::metadata(path).map_err(|source| CompareError::Read { path: path.to_owned(), source })
        };
        let (meta_a, meta_b) = (meta(a)?, meta(b)?);
        match (meta_a.is_dir(), meta_b.is_dir()) {
            (true, true) => {
                let (original_a, original_b) = comparators::directory::compare(&mut self, a, b)?;
                let equal = self.differences.is_empty()
                    && self.stops.is_empty()
                    && original_a.sha256 == original_b.sha256;
                self.end(equal, original_a, original_b)
            }
            (true, false) => Err(CompareError::Kinds { directory: a.to_owned(), file: b.to_owned() }),
            (false, true) => Err(CompareError::Kinds { directory: b.to_owned(), file: a.to_owned() }),
            (false, false) => {
                for (path, meta) in [(a, &meta_a), (b, &meta_b)] {
                    if !meta.is_file() {
                        return Err(CompareError::SpecialFile { path: path.to_owned() });
                    }
                }
                self.files(a, b)
            }
        }
    }

    fn files(mut self, a: &Path, b: &Path) -> Result<Comparison, CompareError> {
        let open = |path: &Path| {
            File::open(path)
                .and_then(Blob::file)
                .map_err(|source| CompareError::Read { path: path.to_owned(), source })
        };
        let (blob_a, blob_b) = (open(a)?, open(b)?);
        self.budget.given(blob_a.len().saturating_add(blob_b.len()));
        let failed = |source| CompareError::Read { path: a.to_owned(), source };
        let (sha_a, sha_b) = hash_both(&blob_a, &blob_b).map_err(failed)?;
        let equal = sha_a == sha_b && blob_a.len() == blob_b.len();
        let original = |path: &Path, sha256: String, blob: &Blob| Original {
            name: path.file_name().map_or_else(|| ".".to_owned(), |n| escape(n.as_encoded_bytes())),
            sha256,
            len_bytes: blob.len(),
        };
        let (original_a, original_b) = (original(a, sha_a, &blob_a), original(b, sha_b, &blob_b));
        if !equal {
            let name = a.file_name().map(|n| n.as_encoded_bytes().to_vec()).unwrap_or_default();
            self.differing(Pair { path: ".", name: &name, a: &blob_a, b: &blob_b });
        }
        self.end(equal, original_a, original_b)
    }

    /// Compares two members; gives whether they differ.
    pub(crate) fn member(&mut self, pair: Pair<'_>) -> bool {
        match pair.a.equal(pair.b) {
            Ok(true) => false,
            Ok(false) => {
                self.differing(pair);
                true
            }
            Err(error) => {
                self.stopped(pair.path, Stop::from(error), Side::Both);
                true
            }
        }
    }

    /// Explains two members that are known to differ. Afterwards at least one difference or stop is
    /// recorded.
    pub(crate) fn differing(&mut self, pair: Pair<'_>) {
        if self.fatal.is_some() {
            return;
        }
        let before = (self.found(), self.stops.len());
        if self.depth >= self.budget.limits.depth_max {
            let stop = Stop::new(
                Cause::LimitDepth,
                format!("more than {} layers in each other", self.budget.limits.depth_max),
            );
            self.stopped(pair.path, stop, Side::Both);
            return;
        }
        self.depth += 1;
        if let Err(stop) = self.budget.time().and_then(|()| comparators::dispatch(self, pair)) {
            self.stopped(pair.path, stop, Side::Both);
        }
        self.depth -= 1;
        // A package that holds members back reports them itself, once it knows all of them.
        let held = self.log.as_ref().is_some_and(|log| !log.held.is_empty());
        if (self.found(), self.stops.len()) == before && !held && self.fatal.is_none() {
            self.add(
                Difference::exact(pair.path, Cause::Content)
                    .note("the bytes differ in a way that no field shows"),
            );
            self.changed.insert(pair.path.to_owned());
        }
    }

    /// Moves a member out of memory.
    pub(crate) fn park(&mut self, blob: &Blob) -> Result<Blob, Stop> {
        self.budget.scratch(blob.len())?;
        let file = match &self.parking {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(ScratchFile::new(&self.scratch)?);
                self.parking = Some(Arc::clone(&file));
                file
            }
        };
        file.take(blob)
    }

    /// How many differences were found so far, listed or not.
    pub(crate) fn found(&self) -> usize {
        self.listed.values().sum()
    }

    /// Records a difference.
    pub(crate) fn add(&mut self, mut difference: Difference) {
        // What decides the verdict is never dropped: of each cause some are listed.
        let listed = self.listed.entry(difference.cause).or_default();
        *listed += 1;
        if *listed > self.budget.limits.differences_max {
            return;
        }
        let mut kept = 0;
        for (i, line) in difference.hunks.iter().enumerate() {
            self.report_bytes += line.len() as u64 + 4;
            if self.report_bytes > self.budget.limits.report_bytes_max {
                break;
            }
            kept = i + 1;
        }
        difference.hunks.truncate(kept);
        self.differences.push(difference);
    }

    /// Records why looking stopped.
    pub(crate) fn stopped(&mut self, path: &str, stop: Stop, fallback: Side) {
        match stop {
            Stop::Outcome { cause, side, detail } => {
                let side = side.unwrap_or(fallback);
                let stopped = Stopped { path: path.to_owned(), cause, side, detail: shorten(&detail) };
                if !self.stops.contains(&stopped) {
                    self.stops.push(stopped);
                }
            }
            fatal => self.fatal = self.fatal.take().or(Some(fatal)),
        }
    }

    fn end(
        mut self,
        equal: bool,
        published: Original,
        rebuilt: Original,
    ) -> Result<Comparison, CompareError> {
        match self.fatal.take() {
            Some(Stop::Scratch(source)) => {
                return Err(CompareError::Scratch { path: self.options.scratch.clone(), source });
            }
            Some(Stop::Input(source)) => {
                return Err(CompareError::Read { path: published.name.into(), source });
            }
            _ => {}
        }
        for (cause, found) in &self.listed {
            let more = found.saturating_sub(self.budget.limits.differences_max);
            if more > 0
                && let Some(last) = self.differences.iter_mut().rev().find(|d| d.cause == *cause)
            {
                last.note = Some(format!("and {more} more of this cause that are not listed"));
            }
        }
        for stop in &self.stops {
            self.differences.push(Difference {
                a: (stop.side != Side::Rebuilt).then(|| stop.detail.clone()),
                b: (stop.side != Side::Published).then(|| stop.detail.clone()),
                ..Difference::exact(&stop.path, stop.cause)
            });
        }
        self.differences.sort_by(|x, y| {
            (&x.path, x.cause, &x.field, &x.a, &x.b).cmp(&(&y.path, y.cause, &y.field, &y.a, &y.b))
        });
        self.differences.dedup();
        self.stops.sort_by(|x, y| (&x.path, x.cause, x.side).cmp(&(&y.path, y.cause, y.side)));
        let (verdict, passes) = judge(equal, &self.differences, self.options.normalize);
        let masked = (!self.options.mask.is_empty()).then(|| {
            let (mut explained, mut remaining) = std::mem::take(&mut self.masked);
            explained.sort();
            remaining.sort();
            super::Masked { values: self.options.mask.clone(), explained, remaining }
        });
        Ok(Comparison {
            verdict,
            passes,
            differences: self.differences,
            changed_members: self.changed.into_iter().collect(),
            limits: self.stops,
            published,
            rebuilt,
            masked,
            ledger: Vec::new(),
        })
    }
}

/// The verdict from the causes' tiers alone. What was definitely seen to differ outweighs an outcome:
/// nothing behind a limit can make the sides equal again.
fn judge(equal: bool, differences: &[Difference], normalize: u8) -> (Answer, Vec<Pass>) {
    if equal {
        return (Answer::Identical, Vec::new());
    }
    let mut passes = BTreeSet::new();
    let (mut never, mut outcome) = (differences.is_empty(), false);
    for difference in differences {
        match (difference.tier, difference.cause.pass_id()) {
            (Tier::Outcome, _) => outcome = true,
            (tier, Some(id)) if tier.number().is_some_and(|n| n <= normalize) => {
                passes.insert(Pass { id: id.to_owned(), version: 1 });
            }
            _ => never = true,
        }
    }
    match (never, outcome) {
        (true, _) => (Answer::Different, Vec::new()),
        (false, true) => (Answer::Undetermined, Vec::new()),
        (false, false) => (Answer::Equivalent, passes.into_iter().collect()),
    }
}

/// Hashes both sides in one go; while they are equal, only one is hashed.
fn hash_both(a: &Blob, b: &Blob) -> std::io::Result<(String, String)> {
    let (mut left, mut right) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut hash_a = Hasher::new(Algorithm::Sha256);
    let mut at = 0;
    loop {
        let (n, m) = (a.read_at(at, &mut left)?, b.read_at(at, &mut right)?);
        let (l, r) = (left.get(..n).unwrap_or_default(), right.get(..m).unwrap_or_default());
        if l != r {
            break;
        }
        if n == 0 {
            let hex = hash_a.finish().to_hex();
            return Ok((hex.clone(), hex));
        }
        hash_a.update(l);
        at += n as u64;
    }
    let mut hash_b = hash_a.clone();
    a.slice(at, u64::MAX).each_chunk(|chunk| hash_a.update(chunk))?;
    b.slice(at, u64::MAX).each_chunk(|chunk| hash_b.update(chunk))?;
    Ok((hash_a.finish().to_hex(), hash_b.finish().to_hex()))
}

impl Difference {
    /// A difference from parsed fields, without values.
    pub(crate) fn exact(path: &str, cause: Cause) -> Self {
        Self {
            path: path.to_owned(),
            cause,
            tier: cause.tier(),
            confidence: Confidence::Exact,
            a: None,
            b: None,
            field: None,
            bytes: None,
            derived: false,
            note: None,
            hunks: Vec::new(),
            accepted: None,
        }
    }

    pub(crate) fn values(mut self, a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> Self {
        self.a = Some(shorten(&escape(a.as_ref())));
        self.b = Some(shorten(&escape(b.as_ref())));
        self
    }

    pub(crate) fn left(mut self, a: impl AsRef<[u8]>) -> Self {
        self.a = Some(shorten(&escape(a.as_ref())));
        self
    }

    pub(crate) fn right(mut self, b: impl AsRef<[u8]>) -> Self {
        self.b = Some(shorten(&escape(b.as_ref())));
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(crate) fn field(mut self, field: impl AsRef<[u8]>) -> Self {
        self.field = Some(shorten(&escape(field.as_ref())));
        self
    }

    pub(crate) const fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    pub(crate) const fn pattern(mut self) -> Self {
        self.confidence = Confidence::Pattern;
        self
    }

    pub(crate) const fn derived(mut self) -> Self {
        self.derived = true;
        self
    }
}

/// Bytes as text: what is not printable, and the backslash, is escaped.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            // Direction marks could make a name read as another one.
            let misleading = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            if c == '\\' || c.is_control() || misleading {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Cuts a value for display.
pub(crate) fn shorten(text: &str) -> String {
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(VALUE_CHARS_MAX).chain("…".chars()).collect()
}

/// A member's displayed path within its container.
pub(crate) fn join(container: &str, name: &[u8]) -> String {
    let mut name = name;
    while let Some(rest) = name.strip_prefix(b"./").filter(|r| !r.is_empty()) {
        name = rest;
    }
    let name = name.strip_suffix(b"/").filter(|n| !n.is_empty()).unwrap_or(name);
    if container == "." { escape(name) } else { format!("{container}/{}", escape(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_shows_every_byte_and_misleads_nobody() {
        assert_eq!(escape(b"a\xffb\n\\"), "a\\xffb\\n\\\\");
        assert_eq!(escape("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(join(".", b"./usr/bin/jq"), "usr/bin/jq");
        assert_eq!(join("data.tar.xz", b"./"), "data.tar.xz/./".trim_end_matches('/'));
    }

    #[test]
    fn only_bytes_make_identical_and_a_real_difference_outweighs_a_limit() {
        let d = |cause| Difference::exact("x", cause);
        let verdict =
            |causes: &[Cause], n| judge(false, &causes.iter().map(|c| d(*c)).collect::<Vec<_>>(), n).0;
        assert_eq!(judge(true, &[], 0).0, Answer::Identical);
        for cause in Cause::ALL {
            assert_ne!(verdict(&[*cause], 3), Answer::Identical);
        }
        assert_eq!(verdict(&[], 3), Answer::Different);
        assert_eq!(verdict(&[Cause::TarMtime], 1), Answer::Equivalent);
        assert_eq!(verdict(&[Cause::TarMtime], 0), Answer::Different);
        assert_eq!(verdict(&[Cause::TarMtime, Cause::LimitBytes], 1), Answer::Undetermined);
        assert_eq!(verdict(&[Cause::TarMtime, Cause::LimitBytes, Cause::Content], 3), Answer::Different);
        assert_eq!(verdict(&[Cause::BuildPath], 2), Answer::Different);
    }
}
