//! What no other comparator takes: text line by line, other bytes as they are. Patterns name what a
//! changed line or string looks like; whatever they do not explain is [`Cause::Content`].

use std::collections::BTreeMap;

use imara_diff::{Algorithm, Diff, InternedInput};

use super::super::blob::Blob;
use super::super::cause::{Cause, Tier};
use super::super::patterns;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk, escape};

/// Lines shown around a change.
const CONTEXT_LINES: u32 = 2;
/// Lines up to which the better and dearer algorithm is taken.
const HISTOGRAM_LINES_MAX: usize = 10_000;
/// A line longer than this is not given to the patterns.
const PATTERN_LINE_BYTES_MAX: usize = 4096;
/// Pairs of lines that the patterns look at in one member.
const PATTERN_LINES_MAX: usize = 2000;
/// Hexadecimal values of so many bytes or more are put aside as bytes too; fewer could be anything.
const RAW_BYTES_MIN: usize = 8;
/// Text has no NUL in this many first bytes (git's rule).
const TEXT_PROBE_BYTES: usize = 8000;

/// Compares two sides as text where both are, else as bytes.
pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    walk.changed.insert(pair.path.to_owned());
    mask(walk, pair)?;
    let most = walk.budget.limits.document_bytes_max;
    if is_text(pair.a)?
        && is_text(pair.b)?
        && let (Some(a), Some(b)) = (pair.a.whole(most)?, pair.b.whole(most)?)
    {
        text(walk, pair, &a, &b);
        return Ok(());
    }
    bytes(walk, pair)
}

fn is_text(blob: &Blob) -> Result<bool, Stop> {
    Ok(!blob.head(TEXT_PROBE_BYTES)?.contains(&0))
}

/// Puts known values aside on both sides and says whether anything else differs.
pub(crate) fn mask(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    if walk.options.mask.is_empty() {
        return Ok(());
    }
    let most = walk.budget.limits.scratch_bytes_max.min(1 << 28);
    let (Some(mut a), Some(mut b)) = (pair.a.whole(most)?, pair.b.whole(most)?) else {
        walk.masked.1.push(pair.path.to_owned());
        return Ok(());
    };
    for value in walk.options.mask.iter().filter(|v| !v.is_empty()) {
        a = without(&a, value.as_bytes());
        b = without(&b, value.as_bytes());
        // An identifier is printed in hexadecimal and stands in programs as its bytes.
        if value.len() >= 2 * RAW_BYTES_MIN
            && let Ok(raw) = hex::decode(value)
        {
            a = without(&a, &raw);
            b = without(&b, &raw);
        }
    }
    let list = if a == b { &mut walk.masked.0 } else { &mut walk.masked.1 };
    list.push(pair.path.to_owned());
    Ok(())
}

fn without(text: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in memchr::memmem::find_iter(text, value) {
        out.extend_from_slice(text.get(at..found).unwrap_or_default());
        at = found + value.len();
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    out
}

fn summary(blob: &Blob) -> Result<String, Stop> {
    Ok(format!("{} bytes, sha256:{}", blob.len(), blob.sha256()?.to_hex()))
}

/// Bytes without known structure.
pub(crate) fn bytes(walk: &mut Walk<'_>, pair: Pair<'_>) -> Result<(), Stop> {
    let (a, b) = (summary(pair.a)?, summary(pair.b)?);
    let mut difference = Difference::exact(pair.path, Cause::Content).values(a, b);
    if pair.a.len() == pair.b.len() {
        difference = difference.bytes(pair.a.differing(pair.b, &[])?);
    }
    let most = walk.budget.limits.document_bytes_max;
    if let (Some(a), Some(b)) = (pair.a.whole(most)?, pair.b.whole(most)?) {
        walk.budget.diff_work((a.len() + b.len()) as u64 / 1000)?;
        if let Some(causes) = strings(&a, &b) {
            for cause in causes {
                walk.add(Difference { cause, tier: cause.tier(), ..difference.clone() }.pattern());
            }
            return Ok(());
        }
        difference.hunks = hex_hunk(&a, &b);
    }
    walk.add(difference);
    Ok(())
}

/// Explains equally long sides whose changes all lie within printable strings that a pattern knows.
fn strings(a: &[u8], b: &[u8]) -> Option<Vec<Cause>> {
    if a.len() != b.len() {
        return None;
    }
    let printable = |byte: &u8| (0x20..0x7f).contains(byte);
    let mut causes = Vec::new();
    let (mut at, mut seen) = (0, 0);
    while let Some(next) = a.get(at..)?.iter().zip(b.get(at..)?).position(|(x, y)| x != y) {
        let place = at + next;
        seen += 1;
        if seen > PATTERN_LINES_MAX {
            return None;
        }
        let run = |side: &[u8]| -> Option<(usize, usize)> {
            let from = place
                - side
                    .get(..place)?
                    .iter()
                    .rev()
                    .take(PATTERN_LINE_BYTES_MAX)
                    .take_while(|c| printable(c))
                    .count();
            let to = place
                + side.get(place..)?.iter().take(PATTERN_LINE_BYTES_MAX).take_while(|c| printable(c)).count();
            (to > place).then_some((from, to))
        };
        let (x, y) = (run(a)?, run(b)?);
        let (from, to) = (x.0.max(y.0), x.1.max(y.1));
        causes.extend(patterns::explain(a.get(from..to)?, b.get(from..to)?)?);
        at = to;
    }
    causes.sort();
    causes.dedup();
    // What is never set aside needs no pattern's word.
    (!causes.is_empty() && causes.iter().all(|c| c.tier() == Tier::Pattern)).then_some(causes)
}

/// The first place that differs, as two lines of hexadecimal.
pub(crate) fn hex_hunk(a: &[u8], b: &[u8]) -> Vec<String> {
    let at = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let from = at.saturating_sub(at % 16);
    let row = |sign: char, side: &[u8]| {
        let part = side.get(from..side.len().min(from + 32)).unwrap_or_default();
        let shown: String =
            part.iter().map(|c| if (0x20..0x7f).contains(c) { char::from(*c) } else { '.' }).collect();
        format!("{sign}{from:08x}  {}  {shown}", hex::encode(part))
    };
    vec![row('-', a), row('+', b)]
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|b| *b == b'\n').collect()
}

fn unified_endings(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.peek()) {
            (b'\r', Some(b'\n')) => {}
            (b'\r', _) => out.push(b'\n'),
            (other, _) => out.push(*other),
        }
    }
    out
}

fn text(walk: &mut Walk<'_>, pair: Pair<'_>, a: &[u8], b: &[u8]) {
    if unified_endings(a) == unified_endings(b) {
        walk.add(Difference::exact(pair.path, Cause::LineEndings).pattern());
        return;
    }
    let (lines_a, lines_b) = (lines(a), lines(b));
    let values = |difference: Difference| {
        difference.values(
            format!("{} lines, {} bytes", lines_a.len(), a.len()),
            format!("{} lines, {} bytes", lines_b.len(), b.len()),
        )
    };
    let work = (lines_a.len() + lines_b.len() + (a.len() + b.len()) / 1000) as u64;
    if let Err(stop) = walk.budget.diff_work(work) {
        walk.add(values(Difference::exact(pair.path, Cause::Content)).note("not explained line by line"));
        walk.stopped(pair.path, stop, super::super::result::Side::Both);
        return;
    }
    let sorted = |lines: &[&[u8]]| {
        let mut sorted: Vec<Vec<u8>> =
            lines.iter().map(|l| l.strip_suffix(b"\n").unwrap_or(l).to_vec()).collect();
        sorted.sort_unstable();
        sorted
    };
    // The last line may lack its newline, but then on both sides.
    if a.ends_with(b"\n") == b.ends_with(b"\n")
        && lines_a.len() == lines_b.len()
        && sorted(&lines_a) == sorted(&lines_b)
    {
        let mut difference = values(Difference::exact(pair.path, Cause::LineOrder));
        // What moved is shown for the first lines; the whole of a long list would tell nobody more.
        let head = |lines: &[&[u8]]| lines.len().min(HISTOGRAM_LINES_MAX);
        difference.hunks = diff(
            lines_a.get(..head(&lines_a)).unwrap_or_default(),
            lines_b.get(..head(&lines_b)).unwrap_or_default(),
            walk.budget.limits.hunk_bytes_max,
        )
        .0;
        walk.add(difference);
        return;
    }
    let (hunks, changes) = diff(&lines_a, &lines_b, walk.budget.limits.hunk_bytes_max);
    let (mut causes, mut explained) = (Vec::new(), changes.len() <= PATTERN_LINES_MAX);
    // Each cause with the first pair of lines that shows it.
    let mut shown: BTreeMap<Cause, usize> = BTreeMap::new();
    for (i, change) in changes.iter().take(PATTERN_LINES_MAX).enumerate() {
        let short = change.before.len().max(change.after.len()) <= PATTERN_LINE_BYTES_MAX;
        match if short { patterns::explain(&change.before, &change.after) } else { None } {
            Some(found) => {
                for cause in found {
                    causes.push((cause, change.paired));
                    shown.entry(cause).or_insert(i);
                }
            }
            None => explained = false,
        }
    }
    if !explained {
        causes.push((Cause::Content, true));
    }
    // Beside a real change, only what a line and its partner show counts: runs of lines that were
    // written anew always hold some date or version.
    let real = causes.iter().any(|(cause, _)| *cause == Cause::Content);
    let mut causes: Vec<Cause> =
        causes.into_iter().filter(|(_, paired)| *paired || !real).map(|(cause, _)| cause).collect();
    // What must be seen comes first and bears the hunks.
    causes.sort_by_key(|cause| (cause.tier() != Tier::Never, *cause));
    causes.dedup();
    for (i, cause) in causes.iter().enumerate() {
        let mut difference = values(Difference::exact(pair.path, *cause));
        if *cause != Cause::Content {
            difference = difference.pattern();
            if let Some(change) = shown.get(cause).and_then(|i| changes.get(*i)) {
                difference = difference.values(change.before.trim_ascii_end(), change.after.trim_ascii_end());
            }
        }
        if i == 0 {
            difference.hunks.clone_from(&hunks);
        }
        walk.add(difference);
    }
}

/// Hunks of two texts.
pub(crate) fn text_hunks(a: &[u8], b: &[u8], hunk_bytes_max: usize) -> Vec<String> {
    diff(&lines(a), &lines(b), hunk_bytes_max).0
}

/// A line that changed with its partner, or a run of lines with another.
struct Change {
    before: Vec<u8>,
    after: Vec<u8>,
    paired: bool,
}

type Changes = Vec<Change>;

/// Hunks with signs, and each changed run as a pair of texts (line by line where the counts agree).
fn diff<'t>(a: &[&'t [u8]], b: &[&'t [u8]], hunk_bytes_max: usize) -> (Vec<String>, Changes) {
    let mut input: InternedInput<&[u8]> = InternedInput::default();
    input.update_before(a.iter().copied());
    input.update_after(b.iter().copied());
    // Histogram reads best, and takes the square of the lines where many common ones stand in another
    // order; Myers as git bounds it does not.
    let small = a.len().max(b.len()) <= HISTOGRAM_LINES_MAX;
    let diff = Diff::compute(if small { Algorithm::Histogram } else { Algorithm::Myers }, &input);
    let (mut out, mut changes) = (Vec::new(), Vec::new());
    let mut room = hunk_bytes_max;
    let mut show = |out: &mut Vec<String>, sign: char, line: &[u8]| {
        let cut = line.get(..line.len().min(300)).unwrap_or_default();
        let text = format!("{sign}{}", escape(cut.strip_suffix(b"\n").unwrap_or(cut)));
        if text.len() <= room {
            room -= text.len();
            out.push(text);
        } else {
            room = 0;
        }
    };
    let part = |list: &[&'t [u8]], range: std::ops::Range<u32>| -> Vec<&'t [u8]> {
        list.get(range.start as usize..range.end as usize).unwrap_or_default().to_vec()
    };
    let mut shown_to = 0;
    for hunk in diff.hunks() {
        let from = hunk.before.start.saturating_sub(CONTEXT_LINES).max(shown_to);
        if out.is_empty() || from > shown_to {
            show(
                &mut out,
                '@',
                format!("@ line {} | {}", hunk.before.start + 1, hunk.after.start + 1).as_bytes(),
            );
        }
        for line in part(a, from..hunk.before.start) {
            show(&mut out, ' ', line);
        }
        let (removed, added) = (part(a, hunk.before.clone()), part(b, hunk.after.clone()));
        for line in &removed {
            show(&mut out, '-', line);
        }
        for line in &added {
            show(&mut out, '+', line);
        }
        shown_to = hunk.before.end;
        if removed.len() == added.len() {
            changes.extend(removed.iter().zip(&added).map(|(x, y)| Change {
                before: x.to_vec(),
                after: y.to_vec(),
                paired: true,
            }));
        } else {
            changes.push(Change { before: removed.concat(), after: added.concat(), paired: false });
        }
    }
    (out, changes)
}

/// The cause of a named field whose value differs.
pub(crate) fn field_cause(name: &[u8], a: &[u8], b: &[u8]) -> Cause {
    let line = |value: &[u8]| [name, b": ", value].concat();
    match patterns::explain(&line(a), &line(b)).as_deref() {
        Some([one]) if one.tier() == Tier::Pattern => *one,
        _ => Cause::Content,
    }
}
