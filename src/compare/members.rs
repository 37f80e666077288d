//! Matches the members of two containers by name while both are read once, in lock step. A member
//! that has no partner yet is parked; most archives never park anything.

use std::collections::HashMap;

use super::blob::{Blob, CHUNK, Spool};
use super::cause::Cause;
use super::result::{Difference, Side};
use super::stop::Stop;
use super::walk::{Pair, Walk, join};
use crate::digest::{Algorithm, Hasher};

/// Bytes of parked members that stay in memory: as much as one held member may take.
const PARKED_MEMORY_BYTES: u64 = 16 << 20;

/// A member's bytes, as its container can give them.
#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing to compare: a link, a directory.
    None,
    /// At any place.
    Blob(Blob),
    /// Through [`Members::read`].
    Stream,
}

/// One member as its container gives it.
#[derive(Debug)]
pub(crate) struct Member<M> {
    /// The name by which it is matched.
    pub(crate) name: Vec<u8>,
    pub(crate) meta: M,
    pub(crate) body: Body,
}

/// A container read from start to end.
pub(crate) trait Members {
    type Meta;

    /// The next member; what is left of the last one's body is passed.
    fn next(&mut self) -> Result<Option<Member<Self::Meta>>, Stop>;

    /// Reads the current member's body.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Stop>;
}

/// What a format does with its members.
pub(crate) trait Handler<M> {
    /// Compares two members' metadata.
    fn meta(&mut self, walk: &mut Walk<'_>, path: &str, a: &Found<M>, b: &Found<M>);

    /// Explains two bodies that differ.
    fn content(&mut self, walk: &mut Walk<'_>, pair: Pair<'_>) {
        walk.differing(pair);
    }

    /// Whether a body is wanted even where both sides are equal.
    fn keep(&self, _name: &[u8], _meta: &M) -> bool {
        false
    }

    /// Whether two members of one name can be compared by body at all (a file with a file).
    fn comparable(&self, _a: &M, _b: &M) -> bool {
        true
    }
}

/// A member whose metadata and digest are known.
#[derive(Debug)]
pub(crate) struct Found<M> {
    pub(crate) name: Vec<u8>,
    pub(crate) meta: M,
    /// SHA-256 of the body; `None` for what has none.
    pub(crate) sha256: Option<[u8; 32]>,
    /// The body, where it is still held.
    pub(crate) blob: Option<Blob>,
}

/// What matching leaves.
#[derive(Debug)]
pub(crate) struct Matched<M> {
    /// Only on the published side, in its order.
    pub(crate) removed: Vec<Box<Found<M>>>,
    /// Only on the rebuilt side.
    pub(crate) added: Vec<Box<Found<M>>>,
    /// Members of both sides stand in another order.
    pub(crate) reordered: bool,
    /// Names that are there more than once on a side, with differing number or order.
    pub(crate) duplicates: Vec<Vec<u8>>,
    /// Whether each side was read to its end.
    pub(crate) complete: (bool, bool),
    /// Names and digests of all files of each side, for links.
    pub(crate) digests: (Digests, Digests),
}

/// Names of one side, how often each was there, and the digest of its last file.
#[derive(Debug, Default)]
pub(crate) struct Digests(HashMap<Vec<u8>, (u32, Option<[u8; 32]>)>);

impl Digests {
    /// A file's digest.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8; 32]> {
        self.0.get(name)?.1.as_ref()
    }

    /// How often a name was there before.
    fn count(&mut self, name: &[u8]) -> u32 {
        let (count, _) = self.0.entry(name.to_vec()).or_default();
        *count += 1;
        *count - 1
    }

    fn learn(&mut self, name: &[u8], digest: [u8; 32]) {
        if let Some((_, known)) = self.0.get_mut(name) {
            *known = Some(digest);
        }
    }
}

/// Members that wait for a partner, by name and occurrence, with their place.
type Parked<M> = HashMap<(Vec<u8>, u32), (u64, Box<Found<M>>)>;

struct Lane<'m, S: Members> {
    source: &'m mut S,
    side: Side,
    parked: Parked<S::Meta>,
    position: u64,
    ended: bool,
    failed: bool,
    digests: Digests,
    buffer: Vec<u8>,
}

impl<'m, S: Members> Lane<'m, S> {
    fn new(source: &'m mut S, side: Side) -> Self {
        Self {
            source,
            side,
            parked: HashMap::new(),
            position: 0,
            ended: false,
            failed: false,
            digests: Digests::default(),
            buffer: Vec::new(),
        }
    }

    fn fail(&mut self, walk: &mut Walk<'_>, path: &str, stop: Stop) {
        walk.stopped(path, stop.on(self.side), self.side);
        (self.ended, self.failed) = (true, true);
    }

    fn next(&mut self, walk: &mut Walk<'_>, path: &str) -> Option<(u32, Member<S::Meta>)> {
        if self.ended {
            return None;
        }
        match walk.budget.member().and_then(|()| self.source.next()) {
            Ok(Some(member)) => {
                self.position += 1;
                Some((self.digests.count(&member.name), member))
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(stop) => {
                self.fail(walk, path, stop);
                None
            }
        }
    }

    /// Reads a whole body.
    fn take(&mut self, walk: &Walk<'_>, member: Member<S::Meta>) -> Result<Found<S::Meta>, Stop> {
        let (sha256, blob) = match member.body {
            Body::None => (None, None),
            Body::Blob(blob) => (Some(array(&blob.sha256()?)), Some(blob)),
            Body::Stream => {
                let mut spool = Spool::new(&walk.budget, &walk.scratch);
                let mut hasher = Hasher::new(Algorithm::Sha256);
                self.buffer.resize(CHUNK, 0);
                loop {
                    let n = self.source.read(&mut self.buffer)?;
                    if n == 0 {
                        break;
                    }
                    let part = self.buffer.get(..n).unwrap_or_default();
                    hasher.update(part);
                    spool.push(part)?;
                }
                let digest = array(&hasher.finish());
                (Some(digest), Some(spool.finish().with_sha256(digest)))
            }
        };
        if let Some(sha256) = sha256 {
            self.digests.learn(&member.name, sha256);
        }
        Ok(Found { name: member.name, meta: member.meta, sha256, blob })
    }
}

fn array(digest: &crate::digest::Digest) -> [u8; 32] {
    digest.as_bytes().try_into().unwrap_or_default()
}

/// Matches two containers. Stops are recorded; what came before them counts.
pub(crate) fn pair<S: Members, H: Handler<S::Meta>>(
    walk: &mut Walk<'_>,
    path: &str,
    (source_a, source_b): (&mut S, &mut S),
    handler: &mut H,
) -> Matched<S::Meta> {
    let mut a = Lane::new(source_a, Side::Published);
    let mut b = Lane::new(source_b, Side::Rebuilt);
    let mut pairs: Vec<(u64, u64)> = Vec::new();
    let mut held = 0u64;
    let mut buffers = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let next_a = a.next(walk, path);
        let next_b = b.next(walk, path);
        match (next_a, next_b) {
            (None, None) => break,
            (Some((i, x)), Some((j, y))) if i == j && x.name == y.name => {
                pairs.push((a.position, b.position));
                let shown = join(path, &x.name);
                let (mut left, mut right) = (None, None);
                match lockstep(walk, &mut a, x, &mut b, y, &mut buffers, handler) {
                    Ok((x, y)) => (left, right) = (Some(x), Some(y)),
                    Err((side, stop)) => {
                        // The container ends here on that side.
                        let lane_failed = side == Side::Published;
                        walk.stopped(&shown, stop, side);
                        if lane_failed {
                            (a.ended, a.failed) = (true, true);
                        } else {
                            (b.ended, b.failed) = (true, true);
                        }
                    }
                }
                if let (Some(x), Some(y)) = (left, right) {
                    compare_found(walk, &shown, &x, &y, handler);
                }
            }
            (next_a, next_b) => {
                if let Some((i, x)) = next_a {
                    offer(walk, path, &mut a, &mut b, (i, x), &mut pairs, &mut held, handler);
                }
                if let Some((j, y)) = next_b {
                    offer(walk, path, &mut b, &mut a, (j, y), &mut pairs, &mut held, handler);
                }
            }
        }
    }
    finish(a, b, pairs)
}

/// Finds a member's parked partner, or parks it.
#[expect(clippy::too_many_arguments, reason = "the state of one matching")]
fn offer<S: Members, H: Handler<S::Meta>>(
    walk: &mut Walk<'_>,
    path: &str,
    mine: &mut Lane<'_, S>,
    other: &mut Lane<'_, S>,
    (occurrence, member): (u32, Member<S::Meta>),
    pairs: &mut Vec<(u64, u64)>,
    held: &mut u64,
    handler: &mut H,
) {
    let key = (member.name.clone(), occurrence);
    let shown = join(path, &member.name);
    let mut found = match mine.take(walk, member) {
        Ok(found) => found,
        Err(stop) => {
            mine.fail(walk, &shown, stop);
            return;
        }
    };
    match other.parked.remove(&key) {
        Some((position, partner)) => {
            *held -= partner.blob.as_ref().map_or(0, |b| b.memory_bytes().min(*held));
            if mine.side == Side::Published {
                pairs.push((mine.position, position));
                compare_found(walk, &shown, &found, &partner, handler);
            } else {
                pairs.push((position, mine.position));
                compare_found(walk, &shown, &partner, &found, handler);
            }
        }
        None if other.failed => {}
        None => {
            let size = found.blob.as_ref().map_or(0, Blob::memory_bytes);
            if *held + size > PARKED_MEMORY_BYTES
                && let Some(blob) = &mut found.blob
            {
                match walk.park(blob) {
                    Ok(parked) => *blob = parked,
                    Err(stop) => {
                        mine.fail(walk, &shown, stop);
                        return;
                    }
                }
            } else {
                *held += size;
            }
            mine.parked.insert(key, (mine.position, Box::new(found)));
        }
    }
}

type Both<M> = (Found<M>, Found<M>);

/// Reads two bodies side by side; they are held from the start, since nobody knows yet whether they
/// will differ.
fn lockstep<S: Members, H: Handler<S::Meta>>(
    walk: &mut Walk<'_>,
    a: &mut Lane<'_, S>,
    x: Member<S::Meta>,
    b: &mut Lane<'_, S>,
    y: Member<S::Meta>,
    buffers: &mut (Vec<u8>, Vec<u8>),
    handler: &H,
) -> Result<Both<S::Meta>, (Side, Stop)> {
    let on_a = |stop: Stop| (Side::Published, stop);
    let on_b = |stop: Stop| (Side::Rebuilt, stop);
    let streams = matches!((&x.body, &y.body), (Body::Stream, Body::Stream));
    if !streams || !handler.comparable(&x.meta, &y.meta) {
        let same = match (&x.body, &y.body) {
            // Equal ranges of a file need not be hashed.
            (Body::Blob(p), Body::Blob(q)) => p.equal(q).map_err(|e| on_a(e.into()))?,
            _ => false,
        };
        if same {
            let found = |m: Member<S::Meta>| Found { name: m.name, meta: m.meta, sha256: None, blob: None };
            return Ok((found(x), found(y)));
        }
        return Ok((a.take(walk, x).map_err(on_a)?, b.take(walk, y).map_err(on_b)?));
    }
    let mut hash_a = Hasher::new(Algorithm::Sha256);
    let mut spool_a = Spool::new(&walk.budget, &walk.scratch);
    loop {
        let n = fill(a.source, &mut buffers.0).map_err(on_a)?;
        let m = fill(b.source, &mut buffers.1).map_err(on_b)?;
        let (left, right) = (buffers.0.get(..n).unwrap_or_default(), buffers.1.get(..m).unwrap_or_default());
        if left == right {
            if n == 0 {
                let digest = array(&hash_a.finish());
                a.digests.learn(&x.name, digest);
                b.digests.learn(&y.name, digest);
                let kept = handler.keep(&x.name, &x.meta).then(|| spool_a.finish().with_sha256(digest));
                let found = |m: Member<S::Meta>| Found {
                    name: m.name,
                    meta: m.meta,
                    sha256: Some(digest),
                    blob: kept.clone(),
                };
                return Ok((found(x), found(y)));
            }
            hash_a.update(left);
            spool_a.push(left).map_err(on_a)?;
            continue;
        }
        let mut hash_b = hash_a.clone();
        let mut spool_b = spool_a.fork().map_err(on_b)?;
        hash_a.update(left);
        spool_a.push(left).map_err(on_a)?;
        hash_b.update(right);
        spool_b.push(right).map_err(on_b)?;
        // Both go on in turns, so that both decoders stay at work.
        let (mut more_a, mut more_b) = (n > 0, m > 0);
        while more_a || more_b {
            if more_a {
                let n = fill(a.source, &mut buffers.0).map_err(on_a)?;
                let part = buffers.0.get(..n).unwrap_or_default();
                hash_a.update(part);
                spool_a.push(part).map_err(on_a)?;
                more_a = n > 0;
            }
            if more_b {
                let m = fill(b.source, &mut buffers.1).map_err(on_b)?;
                let part = buffers.1.get(..m).unwrap_or_default();
                hash_b.update(part);
                spool_b.push(part).map_err(on_b)?;
                more_b = m > 0;
            }
        }
        let (digest_a, digest_b) = (array(&hash_a.finish()), array(&hash_b.finish()));
        a.digests.learn(&x.name, digest_a);
        b.digests.learn(&y.name, digest_b);
        return Ok((
            Found {
                name: x.name,
                meta: x.meta,
                sha256: Some(digest_a),
                blob: Some(spool_a.finish().with_sha256(digest_a)),
            },
            Found {
                name: y.name,
                meta: y.meta,
                sha256: Some(digest_b),
                blob: Some(spool_b.finish().with_sha256(digest_b)),
            },
        ));
    }
}

/// Fills a buffer as far as the body goes.
fn fill<S: Members>(source: &mut S, buffer: &mut [u8]) -> Result<usize, Stop> {
    let mut have = 0;
    while let Some(rest) = buffer.get_mut(have..).filter(|r| !r.is_empty()) {
        match source.read(rest)? {
            0 => break,
            n => have += n,
        }
    }
    Ok(have)
}

fn compare_found<M, H: Handler<M>>(
    walk: &mut Walk<'_>,
    path: &str,
    a: &Found<M>,
    b: &Found<M>,
    handler: &mut H,
) {
    handler.meta(walk, path, a, b);
    if handler.comparable(&a.meta, &b.meta)
        && a.sha256 != b.sha256
        && let (Some(x), Some(y)) = (&a.blob, &b.blob)
    {
        handler.content(walk, Pair { path, name: &a.name, a: x, b: y });
    }
}

fn finish<S: Members>(a: Lane<'_, S>, b: Lane<'_, S>, mut pairs: Vec<(u64, u64)>) -> Matched<S::Meta> {
    pairs.sort_unstable();
    let reordered = !pairs.is_sorted_by_key(|(_, j)| *j);
    let mut duplicates: Vec<Vec<u8>> = Vec::new();
    let count = |digests: &Digests, name: &[u8]| digests.0.get(name).map_or(0, |(count, _)| *count);
    for (name, _) in a.digests.0.iter().chain(&b.digests.0).filter(|(_, (count, _))| *count > 1) {
        let differ = count(&a.digests, name) != count(&b.digests, name);
        if (differ && !a.failed && !b.failed) || reordered {
            duplicates.push(name.clone());
        }
    }
    duplicates.sort();
    duplicates.dedup();
    let complete = (!a.failed, !b.failed);
    let left = |parked: Parked<S::Meta>| {
        let mut ordered: Vec<(u64, Box<Found<S::Meta>>)> = parked.into_values().collect();
        ordered.sort_unstable_by_key(|(position, _)| *position);
        ordered.into_iter().map(|(_, found)| found).collect::<Vec<_>>()
    };
    Matched {
        removed: if complete.1 { left(a.parked) } else { Vec::new() },
        added: if complete.0 { left(b.parked) } else { Vec::new() },
        reordered,
        duplicates,
        complete,
        digests: (a.digests, b.digests),
    }
}

/// Records members that only one side has, as renamed where a body of the same content is left on the
/// other side, and names that repeat.
pub(crate) fn report_unmatched<M>(walk: &mut Walk<'_>, path: &str, matched: &Matched<M>) {
    let mut taken = vec![false; matched.added.len()];
    // Places of added bodies by digest, and how many from the first place of each are taken.
    let mut by_digest: Vec<([u8; 32], usize)> = matched
        .added
        .iter()
        .enumerate()
        .filter(|(_, found)| found.blob.as_ref().is_some_and(|blob| blob.len() > 0))
        .filter_map(|(i, found)| Some((found.sha256?, i)))
        .collect();
    by_digest.sort_unstable();
    let mut used = vec![0usize; by_digest.len()];
    let mut next = |sha256: [u8; 32]| -> Option<usize> {
        let first = by_digest.partition_point(|(digest, _)| *digest < sha256);
        let slot = used.get_mut(first)?;
        let (_, i) = by_digest.get(first + *slot).filter(|(digest, _)| *digest == sha256)?;
        *slot += 1;
        Some(*i)
    };
    for found in &matched.removed {
        let twin = found.sha256.and_then(&mut next);
        let shown = join(path, &found.name);
        match twin.and_then(|i| matched.added.get(i).map(|t| (i, t))) {
            Some((i, twin)) => {
                if let Some(slot) = taken.get_mut(i) {
                    *slot = true;
                }
                walk.add(Difference::exact(&shown, Cause::MemberRenamed).values(&found.name, &twin.name));
            }
            None => walk.add(Difference::exact(&shown, Cause::MemberRemoved).left(size_of_found(found))),
        }
    }
    for (found, taken) in matched.added.iter().zip(taken) {
        if !taken {
            let shown = join(path, &found.name);
            walk.add(Difference::exact(&shown, Cause::MemberAdded).right(size_of_found(found)));
        }
    }
    for name in &matched.duplicates {
        walk.add(
            Difference::exact(&join(path, name), Cause::DuplicateName)
                .note("a name that is there more than once, and the entries differ in number or order"),
        );
    }
}

fn size_of_found<M>(found: &Found<M>) -> String {
    match (&found.blob, found.sha256) {
        (Some(blob), Some(sha256)) => format!("{} bytes, sha256:{}", blob.len(), hex::encode(sha256)),
        _ => "no content".to_owned(),
    }
}
