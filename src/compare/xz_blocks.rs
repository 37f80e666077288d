//! The blocks of an .xz file (format 1.1.0). Blocks are independent: those whose compressed bytes are
//! equal on both sides are decoded once, and all of them in parallel.
//!
//! Nothing is believed that is not checked by decoding: each block goes through the ordinary decoder
//! as a stream of its own, with the index that the file gives it, and its integrity check is verified.

use std::collections::VecDeque;
use std::io::{Cursor, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use super::blob::{Blob, CHUNK};
use super::budget::Budget;
use super::decode::{CHUNKS_AHEAD, Message, StreamEnd, explain};
use super::stop::Stop;
use crate::archive::bytes::le32;
use crate::archive::compression::Compression;

/// An index longer than this is left to the ordinary decoder: 65,536 blocks.
const INDEX_BYTES_MAX: u64 = 1 << 20;

/// One block: where its compressed bytes lie and what the index says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) offset: u64,
    pub(crate) unpadded: u64,
    pub(crate) expanded: u64,
}

impl Block {
    const fn padded(self) -> u64 {
        self.unpadded.next_multiple_of(4)
    }
}

/// The layout of a file that is one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Kind of integrity check.
    pub(crate) check: u8,
    pub(crate) blocks: Vec<Block>,
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0u64;
    for shift in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << (7 * shift);
        if byte & 0x80 == 0 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

fn push_varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    to.push(u8::try_from(value).unwrap_or_default());
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Reads footer, index and header; `None` for anything but one whole stream without padding.
pub(crate) fn layout(blob: &Blob) -> Option<Layout> {
    let header = blob.exact(0, 12).ok()?;
    let footer = blob.exact(blob.len().checked_sub(12)?, 12).ok()?;
    if !header.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) || !footer.ends_with(b"YZ") {
        return None;
    }
    if header.get(6..8) != footer.get(8..10) || crc32(footer.get(4..10)?) != le32(&footer, 0)? {
        return None;
    }
    let index_len = (u64::from(le32(&footer, 4)?) + 1) * 4;
    let index_at = blob.len().checked_sub(12 + index_len)?;
    if index_len > INDEX_BYTES_MAX || index_at < 12 {
        return None;
    }
    let index = blob.exact(index_at, usize::try_from(index_len).ok()?).ok()?;
    let body = index.get(..index.len().checked_sub(4)?)?;
    if crc32(body) != le32(&index, body.len())? || body.first() != Some(&0) {
        return None;
    }
    let mut at = 1;
    let count = varint(body, &mut at)?;
    let mut blocks = Vec::new();
    let mut offset = 12u64;
    for _ in 0..count {
        let block = Block { offset, unpadded: varint(body, &mut at)?, expanded: varint(body, &mut at)? };
        if block.unpadded < 5 || block.unpadded > blob.len() {
            return None;
        }
        offset = offset.checked_add(block.padded())?;
        blocks.push(block);
    }
    let padding = body.get(at..)?;
    (offset == index_at && padding.len() < 4 && padding.iter().all(|b| *b == 0))
        .then(|| Layout { check: header.get(7).copied().unwrap_or_default(), blocks })
}

/// One block dressed as a whole stream.
fn as_stream(blob: &Blob, block: Block) -> Option<impl Read + use<>> {
    let header = blob.exact(0, 12).ok()?;
    let mut tail = vec![0, 1];
    push_varint(block.unpadded, &mut tail);
    push_varint(block.expanded, &mut tail);
    tail.resize(tail.len().next_multiple_of(4), 0);
    tail.extend(crc32(&tail).to_le_bytes());
    let mut backward = u32::try_from(tail.len() / 4 - 1).ok()?.to_le_bytes().to_vec();
    backward.extend_from_slice(header.get(6..8)?);
    tail.extend(crc32(&backward).to_le_bytes());
    tail.extend_from_slice(&backward);
    tail.extend_from_slice(b"YZ");
    Some(
        Cursor::new(header).chain(blob.slice(block.offset, block.padded()).reader()).chain(Cursor::new(tail)),
    )
}

/// Chunks that a shared block may hold back for a side that lags: 24 MiB, one block as `xz -T` cuts
/// them. Past it, that side decodes the block for itself.
const HELD_CHUNKS_MAX: usize = (24 << 20) / CHUNK;

/// A block that both sides have: decoded once while they read it side by side.
#[derive(Debug)]
struct Shared {
    receiver: Option<Receiver<Message>>,
    /// What the other side has read and this one not yet; `None` when it lagged too far.
    held: [Option<VecDeque<Arc<Vec<u8>>>>; 2],
    ended: bool,
}

#[derive(Debug)]
enum Source {
    Alone(Receiver<Message>),
    Shared { shared: Arc<Mutex<Shared>>, passed: u64 },
}

/// One side of a pair of files: gives its chunks in order, whatever the other side does.
#[derive(Debug)]
pub(super) struct Lane {
    side: usize,
    blob: Blob,
    blocks: VecDeque<(Block, Option<Arc<Mutex<Shared>>>)>,
    current: Option<(Block, Source)>,
    ahead: Option<Receiver<Message>>,
    budget: Arc<Budget>,
    prefetch: bool,
}

/// Lanes over two files; `None` where neither has more than one block and so nothing is gained.
pub(super) fn pair(a: &Blob, b: &Blob, budget: &Arc<Budget>) -> Option<(Lane, Lane)> {
    let (layout_a, layout_b) = (layout(a)?, layout(b)?);
    if layout_a.blocks.len() < 2 && layout_b.blocks.len() < 2 {
        return None;
    }
    let mut queues = [VecDeque::new(), VecDeque::new()];
    let (mut sum_a, mut sum_b) = (0u64, 0u64);
    for i in 0..layout_a.blocks.len().max(layout_b.blocks.len()) {
        let (block_a, block_b) = (layout_a.blocks.get(i), layout_b.blocks.get(i));
        let shared = match (block_a, block_b) {
            (Some(x), Some(y)) => {
                sum_a == sum_b
                    && (x.unpadded, x.expanded, layout_a.check) == (y.unpadded, y.expanded, layout_b.check)
                    && a.slice(x.offset, x.padded()).equal(&b.slice(y.offset, y.padded())).ok()?
            }
            _ => false,
        };
        let shared = shared.then(|| {
            let held = [Some(VecDeque::new()), Some(VecDeque::new())];
            Arc::new(Mutex::new(Shared { receiver: None, held, ended: false }))
        });
        let [queue_a, queue_b] = &mut queues;
        for (block, queue) in [(block_a, queue_a), (block_b, queue_b)] {
            if let Some(block) = block {
                queue.push_back((*block, shared.clone()));
            }
        }
        sum_a = sum_a.saturating_add(block_a.map_or(0, |x| x.expanded));
        sum_b = sum_b.saturating_add(block_b.map_or(0, |y| y.expanded));
    }
    // With two cores the two sides keep both busy.
    let prefetch = std::thread::available_parallelism().is_ok_and(|n| usize::from(n) > 2);
    let [queue_a, queue_b] = queues;
    let lane = |side: usize, blob: &Blob, blocks| Lane {
        side,
        blob: blob.clone(),
        blocks,
        current: None,
        ahead: None,
        budget: Arc::clone(budget),
        prefetch,
    };
    Some((lane(0, a, queue_a), lane(1, b, queue_b)))
}

impl Lane {
    fn start(&self, block: Block) -> Receiver<Message> {
        let (to, from) = sync_channel(CHUNKS_AHEAD);
        let (blob, budget) = (self.blob.clone(), Arc::clone(&self.budget));
        std::thread::spawn(move || run(&blob, block, &budget, &to));
        from
    }

    /// The next chunk, or `None` at the end.
    pub(super) fn chunk(&mut self) -> Result<Option<Arc<Vec<u8>>>, Stop> {
        loop {
            let (block, mut source) = match self.current.take() {
                Some(current) => current,
                None => {
                    let Some((block, shared)) = self.blocks.pop_front() else { return Ok(None) };
                    let source = match shared {
                        Some(shared) => Source::Shared { shared, passed: 0 },
                        None => Source::Alone(self.ahead.take().unwrap_or_else(|| self.start(block))),
                    };
                    if self.prefetch
                        && let Some((next, None)) = self.blocks.front()
                    {
                        self.ahead = Some(self.start(*next));
                    }
                    (block, source)
                }
            };
            let found = match &mut source {
                Source::Alone(receiver) => take(receiver)?,
                Source::Shared { shared, passed } => match self.shared(block, shared, passed)? {
                    Step::Chunk(chunk) => Some(chunk),
                    Step::End => None,
                    Step::Alone => {
                        let skip = *passed;
                        let receiver = self.start(block);
                        let found = skip_bytes(&receiver, skip)?;
                        source = Source::Alone(receiver);
                        found
                    }
                },
            };
            if let Some(chunk) = found {
                self.current = Some((block, source));
                return Ok(Some(chunk));
            }
        }
    }

    fn shared(&self, block: Block, shared: &Arc<Mutex<Shared>>, passed: &mut u64) -> Result<Step, Stop> {
        let mut state = shared.lock().map_err(|_| Stop::malformed("the decoder gave up"))?;
        let state = &mut *state;
        let [held_a, held_b] = &mut state.held;
        let (mine, other) = if self.side == 0 { (held_a, held_b) } else { (held_b, held_a) };
        let Some(waiting) = mine else { return Ok(Step::Alone) };
        if let Some(chunk) = waiting.pop_front() {
            *passed += chunk.len() as u64;
            return Ok(Step::Chunk(chunk));
        }
        if state.ended {
            return Ok(Step::End);
        }
        let receiver = state.receiver.get_or_insert_with(|| self.start(block));
        let chunk = match take(receiver) {
            Ok(Some(chunk)) => chunk,
            Ok(None) => {
                state.ended = true;
                return Ok(Step::End);
            }
            Err(stop) => {
                // The other side finds out for itself.
                *other = None;
                return Err(stop);
            }
        };
        match other {
            Some(queue) if queue.len() >= HELD_CHUNKS_MAX => *other = None,
            Some(queue) => queue.push_back(Arc::clone(&chunk)),
            None => {}
        }
        *passed += chunk.len() as u64;
        Ok(Step::Chunk(chunk))
    }
}

enum Step {
    Chunk(Arc<Vec<u8>>),
    End,
    /// This side lagged too far and must decode for itself.
    Alone,
}

fn take(receiver: &Receiver<Message>) -> Result<Option<Arc<Vec<u8>>>, Stop> {
    match receiver.recv() {
        Ok(Message::Bytes(bytes)) => Ok(Some(bytes)),
        Ok(Message::End(_)) => Ok(None),
        Ok(Message::Failed(stop)) => Err(stop),
        Err(_) => Err(Stop::malformed("the decoder gave up")),
    }
}

/// Passes what was read already; gives the first chunk after it.
fn skip_bytes(receiver: &Receiver<Message>, mut skip: u64) -> Result<Option<Arc<Vec<u8>>>, Stop> {
    while let Some(chunk) = take(receiver)? {
        if skip < chunk.len() as u64 {
            let from = usize::try_from(skip).unwrap_or_default();
            return Ok(Some(Arc::new(chunk.get(from..).unwrap_or_default().to_vec())));
        }
        skip -= chunk.len() as u64;
    }
    Ok(None)
}

/// Decodes one block into a channel.
fn run(blob: &Blob, block: Block, budget: &Budget, to: &SyncSender<Message>) {
    let memory = budget.limits.decoder_memory_bytes_max;
    let opened = liblzma::stream::Stream::new_stream_decoder(memory, 0).ok().zip(as_stream(blob, block));
    let Some((stream, input)) = opened else {
        let _ = to.send(Message::Failed(Stop::malformed("xz: a block cannot be opened")));
        return;
    };
    let mut decoder = liblzma::read::XzDecoder::new_stream(input, stream);
    let mut expanded = 0u64;
    let last = loop {
        let mut chunk = vec![0; CHUNK];
        let mut have = 0;
        let mut failed = None;
        while let Some(rest) = chunk.get_mut(have..).filter(|r| !r.is_empty()) {
            match decoder.read(rest) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(error) => {
                    failed = Some(Stop::from(explain(Compression::Xz, error)));
                    break;
                }
            }
        }
        let ended = have < CHUNK;
        expanded += have as u64;
        let checked = budget
            .expanded(have as u64)
            .and_then(|()| budget.ratio(blob.len().max(block.unpadded), expanded));
        chunk.truncate(have);
        if let Some(stop) = failed.or(checked.err()) {
            break Message::Failed(stop);
        }
        if have > 0 && to.send(Message::Bytes(Arc::new(chunk))).is_err() {
            return;
        }
        if ended {
            break Message::End(StreamEnd::default());
        }
    };
    let _ = to.send(last);
}
