//! What formats with stamped fields share: a tool writes a time, an identifier or a signature into
//! known places; everything else must be equal byte for byte.

use super::super::blob::Blob;
use super::super::cause::Cause;
use super::super::result::Difference;
use super::super::stop::Stop;
use super::super::walk::{Pair, Walk};

/// Bytes compared at a time.
const CHUNK: usize = 64 << 10;

/// A place that a tool stamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) cause: Cause,
    pub(crate) field: String,
    /// The value as a person reads it.
    pub(crate) value: String,
}

/// A named part of a file, for telling where a difference lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) name: String,
    /// What a difference here is called; never a normalisable cause.
    pub(crate) cause: Cause,
}

/// One side, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Anatomy {
    pub(crate) stamps: Vec<Stamp>,
    pub(crate) regions: Vec<Region>,
    /// Places that another comparator reports field by field.
    pub(crate) aside: Vec<(u64, u64)>,
}

/// Explains two sides: each stamp that differs by its cause, and whatever else differs as what it is.
pub(crate) fn compare(walk: &mut Walk<'_>, pair: Pair<'_>, a: Anatomy, b: Anatomy) -> Result<(), Stop> {
    let (a, b) = (ordered(a, pair.a.len())?, ordered(b, pair.b.len())?);
    super::data::mask(walk, pair)?;
    for stamp in &a.stamps {
        match b.stamps.iter().find(|s| s.field == stamp.field) {
            Some(other) => {
                let (left, right) =
                    (pair.a.slice(stamp.start, stamp.len), pair.b.slice(other.start, other.len));
                if !left.equal(&right)? {
                    walk.add(
                        Difference::exact(pair.path, stamp.cause)
                            .field(&stamp.field)
                            .values(&stamp.value, &other.value)
                            .bytes(left.differing(&right, &[])?),
                    );
                }
            }
            None => {
                walk.add(Difference::exact(pair.path, stamp.cause).field(&stamp.field).left(&stamp.value));
            }
        }
    }
    for stamp in b.stamps.iter().filter(|s| !a.stamps.iter().any(|o| o.field == s.field)) {
        walk.add(Difference::exact(pair.path, stamp.cause).field(&stamp.field).right(&stamp.value));
    }
    let (cut_a, cut_b) = (cut(&a), cut(&b));
    if rest_equal(pair.a, &cut_a, pair.b, &cut_b)? {
        return Ok(());
    }
    walk.changed.insert(pair.path.to_owned());
    let mut named = false;
    for region in &a.regions {
        let Some(other) = b.regions.iter().find(|r| r.name == region.name) else {
            walk.add(
                Difference::exact(pair.path, region.cause)
                    .field(&region.name)
                    .note("only in the published artifact"),
            );
            named = true;
            continue;
        };
        let within = |stamps: &[Stamp], part: &Region| -> Vec<Stamp> {
            stamps
                .iter()
                .filter(|s| s.start >= part.start && s.start + s.len <= part.start + part.len)
                .map(|s| Stamp { start: s.start - part.start, ..s.clone() })
                .collect()
        };
        let (left, right) = (pair.a.slice(region.start, region.len), pair.b.slice(other.start, other.len));
        if !rest_equal(&left, &within(&cut_a, region), &right, &within(&cut_b, other))? {
            let masks: Vec<(u64, u64)> =
                within(&cut_a, region).iter().map(|s| (s.start, s.start + s.len)).collect();
            walk.add(
                Difference::exact(pair.path, region.cause)
                    .field(&region.name)
                    .values(format!("{} bytes", region.len), format!("{} bytes", other.len))
                    .bytes(left.differing(&right, &masks)?),
            );
            named = true;
        }
    }
    for region in b.regions.iter().filter(|r| !a.regions.iter().any(|o| o.name == r.name)) {
        walk.add(
            Difference::exact(pair.path, region.cause)
                .field(&region.name)
                .note("only in the rebuilt artifact"),
        );
        named = true;
    }
    if !named {
        walk.add(Difference::exact(pair.path, Cause::Content).note("bytes outside every named part differ"));
    }
    Ok(())
}

/// Stamps and places put aside, in order; a place that meets a stamp counts for nothing.
fn cut(anatomy: &Anatomy) -> Vec<Stamp> {
    let mut all = anatomy.stamps.clone();
    for (start, end) in &anatomy.aside {
        if all.iter().all(|s| s.start + s.len <= *start || *end <= s.start) {
            all.push(Stamp {
                start: *start,
                len: end - start,
                cause: Cause::Content,
                field: String::new(),
                value: String::new(),
            });
        }
    }
    all.sort_by_key(|s| s.start);
    all
}

/// Sorts the stamps and refuses ones that overlap or lie outside: a file may not hide bytes by
/// declaring a signature over its own code.
fn ordered(mut anatomy: Anatomy, len: u64) -> Result<Anatomy, Stop> {
    anatomy.stamps.retain(|s| s.len > 0);
    anatomy.stamps.sort_by_key(|s| s.start);
    let mut end = 0;
    for stamp in &anatomy.stamps {
        let stop = stamp.start.checked_add(stamp.len).filter(|stop| *stop <= len && stamp.start >= end);
        end = stop.ok_or_else(|| {
            Stop::malformed(format!("`{}` overlaps another field or lies past the end", stamp.field))
        })?;
    }
    let mut regions = anatomy.regions.iter();
    for region in regions.by_ref() {
        if region.start.checked_add(region.len).is_none_or(|stop| stop > len) {
            return Err(Stop::truncated(format!("`{}` lies past the end", region.name)));
        }
    }
    // A stamp must lie inside one region or outside all: one that crosses an edge hides what is beyond.
    for stamp in &anatomy.stamps {
        for region in &anatomy.regions {
            let (start, stop) = (stamp.start, stamp.start + stamp.len);
            let (from, to) = (region.start, region.start + region.len);
            if start < to && stop > from && (start < from || stop > to) {
                return Err(Stop::malformed(format!(
                    "`{}` crosses the edge of `{}`",
                    stamp.field, region.name
                )));
            }
        }
    }
    Ok(anatomy)
}

/// Whether two sides are equal once the stamps are cut out.
fn rest_equal(a: &Blob, stamps_a: &[Stamp], b: &Blob, stamps_b: &[Stamp]) -> Result<bool, Stop> {
    let (mut left, mut right) = (Rest::new(a, stamps_a), Rest::new(b, stamps_b));
    let (mut x, mut y) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let (n, m) = (left.fill(&mut x)?, right.fill(&mut y)?);
        if n != m || x.get(..n) != y.get(..m) {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}

/// Reads what lies between the stamps.
struct Rest<'b> {
    blob: &'b Blob,
    stamps: std::slice::Iter<'b, Stamp>,
    next: Option<&'b Stamp>,
    at: u64,
}

impl<'b> Rest<'b> {
    fn new(blob: &'b Blob, stamps: &'b [Stamp]) -> Self {
        let mut stamps = stamps.iter();
        Self { blob, next: stamps.next(), stamps, at: 0 }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        let mut done = 0;
        while let Some(free) = buffer.get_mut(done..).filter(|f| !f.is_empty()) {
            let end = self.next.map_or(self.blob.len(), |s| s.start);
            if self.at >= end {
                let Some(stamp) = self.next else { break };
                self.at = stamp.start + stamp.len;
                self.next = self.stamps.next();
                continue;
            }
            let want = usize::try_from(end - self.at).unwrap_or(usize::MAX).min(free.len());
            let n = self.blob.read_at(self.at, free.get_mut(..want).unwrap_or_default())?;
            if n == 0 {
                return Err(Stop::truncated("the file shrank while it was read"));
            }
            self.at += n as u64;
            done += n;
        }
        Ok(done)
    }
}

/// The Go linker's build ID in the first bytes of a text section (`cmd/internal/buildid`): where it is
/// and what it says.
pub(crate) fn go_build_id(blob: &Blob, start: u64, len: u64) -> Result<Option<Stamp>, Stop> {
    const BEFORE: &[u8] = b"\xff Go build ID: \"";
    const AFTER: &[u8] = b"\"\n \xff";
    let head = blob.slice(start, len).head(32 << 10)?;
    let Some(at) = memchr::memmem::find(&head, BEFORE) else { return Ok(None) };
    let value = head.get(at + BEFORE.len()..).unwrap_or_default();
    let Some(end) = memchr::memmem::find(value.get(..value.len().min(512)).unwrap_or_default(), AFTER) else {
        return Ok(None);
    };
    Ok(Some(Stamp {
        start: start + (at + BEFORE.len()) as u64,
        len: end as u64,
        cause: Cause::GoBuildid,
        field: "Go build ID".to_owned(),
        value: String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned(),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn stamp(start: u64, len: u64) -> Stamp {
        Stamp { start, len, cause: Cause::PngTime, field: format!("{start}"), value: String::new() }
    }

    #[test]
    fn what_lies_between_the_stamps_decides() {
        let equal = |a: &[u8], sa: &[Stamp], b: &[u8], sb: &[Stamp]| {
            rest_equal(&Blob::memory(a.to_vec()), sa, &Blob::memory(b.to_vec()), sb).unwrap()
        };
        assert!(equal(b"ab1cd", &[stamp(2, 1)], b"ab2cd", &[stamp(2, 1)]));
        assert!(equal(b"ab1cd", &[stamp(2, 1)], b"ab222cd", &[stamp(2, 3)]));
        assert!(!equal(b"ab1cd", &[stamp(2, 1)], b"ab2ce", &[stamp(2, 1)]));
        assert!(!equal(b"ab1cd", &[stamp(2, 1)], b"ab2cdx", &[stamp(2, 1)]));
        assert!(!equal(b"ab1cd", &[], b"ab2cd", &[]));
    }

    #[test]
    fn stamps_that_overlap_or_cross_an_edge_are_refused() {
        let with = |stamps: Vec<Stamp>, regions: Vec<Region>| {
            ordered(Anatomy { stamps, regions, aside: vec![] }, 10).is_ok()
        };
        let region = Region { start: 2, len: 4, name: "text".into(), cause: Cause::Content };
        assert!(with(vec![stamp(0, 2), stamp(2, 2)], vec![region.clone()]));
        assert!(!with(vec![stamp(0, 3), stamp(2, 2)], vec![]));
        assert!(!with(vec![stamp(9, 2)], vec![]));
        assert!(!with(vec![stamp(u64::MAX, 2)], vec![]));
        assert!(!with(vec![stamp(1, 2)], vec![region]));
    }
}
