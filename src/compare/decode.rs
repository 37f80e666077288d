//! Compressed streams, frame by frame, within the budget: each decoded byte is counted, each window
//! bounded, what follows the last frame is told. Large streams are decoded in a thread of their own,
//! so that the two sides run in parallel.

use std::io::{self, BufRead as _, BufReader, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::blob::{Blob, BlobReader, CHUNK};
use super::budget::Budget;
use super::cause::Cause;
use super::stop::Stop;
use super::xz_blocks;
use crate::archive::compression::Compression;

/// Compressed bytes from which a thread is worth its start.
const THREAD_FROM_BYTES: u64 = 64 << 10;
/// Chunks that may wait between a decoder and its reader: 4 MiB. The decoders go on while the reader
/// explains a member; with two sides and windows of 8 MiB all stays within 64 MiB.
pub(super) const CHUNKS_AHEAD: usize = 32;

/// Frames whose start is kept; a BGZF file of this many holds 256 MiB.
const STARTS_MAX: usize = 4096;

/// What a stream told beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StreamEnd {
    /// gzip members, zstd or LZ4 frames, xz or bzip2 streams.
    pub(crate) frames: u64,
    /// Zero bytes after the last frame.
    pub(crate) trailing_zeros: u64,
    /// Bytes after them, from the first that is not zero.
    pub(crate) trailing_other: u64,
    /// Where the first frames begin, at most [`STARTS_MAX`] of them.
    pub(crate) starts: Vec<u64>,
}

/// A message from a decoder's thread.
#[derive(Debug)]
pub(super) enum Message {
    Bytes(Arc<Vec<u8>>),
    End(StreamEnd),
    Failed(Stop),
}

/// A stream of decoded bytes.
#[derive(Debug)]
pub(crate) struct Decoded {
    source: Source,
    end: Option<StreamEnd>,
}

enum Source {
    Here(Box<Frames>),
    Thread { receiver: Option<Receiver<Message>>, chunk: Arc<Vec<u8>>, at: usize },
    Blocks { lane: Box<xz_blocks::Lane>, chunk: Arc<Vec<u8>>, at: usize },
    Plain(BufReader<BlobReader>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "Here",
            Self::Thread { .. } => "Thread",
            Self::Blocks { .. } => "Blocks",
            Self::Plain(_) => "Plain",
        })
    }
}

/// Decoders over both sides of a pair. Blocks of xz files that are equal on both sides are decoded
/// once.
pub(crate) fn both(
    format_a: Compression,
    a: &Blob,
    format_b: Compression,
    b: &Blob,
    budget: &Arc<Budget>,
) -> (Decoded, Decoded) {
    if format_a == Compression::Xz
        && format_b == Compression::Xz
        && a.len().min(b.len()) >= THREAD_FROM_BYTES
        && let Some((lane_a, lane_b)) = xz_blocks::pair(a, b, budget)
    {
        let decoded = |lane| Decoded {
            source: Source::Blocks { lane: Box::new(lane), chunk: Arc::default(), at: 0 },
            end: Some(StreamEnd { frames: 1, ..StreamEnd::default() }),
        };
        return (decoded(lane_a), decoded(lane_b));
    }
    (Decoded::new(format_a, a, budget), Decoded::new(format_b, b, budget))
}

impl Decoded {
    /// Bytes as they are.
    pub(crate) fn plain(blob: &Blob) -> Self {
        Self { source: Source::Plain(blob.reader()), end: None }
    }

    pub(crate) fn new(format: Compression, blob: &Blob, budget: &Arc<Budget>) -> Self {
        let mut frames = Frames::new(format, blob, budget);
        if blob.len() < THREAD_FROM_BYTES {
            return Self { source: Source::Here(Box::new(frames)), end: None };
        }
        let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
        std::thread::spawn(move || pump(&mut frames, &sender));
        let source = Source::Thread { receiver: Some(receiver), chunk: Arc::default(), at: 0 };
        Self { source, end: None }
    }

    /// What the stream told, once all its bytes have been read.
    pub(crate) fn end(&self) -> StreamEnd {
        match &self.source {
            Source::Here(frames) => frames.end.clone(),
            _ => self.end.clone().unwrap_or_default(),
        }
    }
}

/// Sends a stream's chunks until it ends or nobody listens any more.
fn pump(frames: &mut Frames, sender: &SyncSender<Message>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let mut have = 0;
        let mut failed = None;
        while let Some(rest) = chunk.get_mut(have..).filter(|r| !r.is_empty()) {
            match frames.read(rest) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(error) => {
                    failed = Some(Stop::from(error));
                    break;
                }
            }
        }
        let ended = have < CHUNK;
        chunk.truncate(have);
        if have > 0 && sender.send(Message::Bytes(Arc::new(chunk))).is_err() {
            return;
        }
        if let Some(stop) = failed {
            let _ = sender.send(Message::Failed(stop));
            return;
        }
        if ended {
            let _ = sender.send(Message::End(frames.end.clone()));
            return;
        }
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Here(frames) => frames.read(buffer),
            Source::Plain(reader) => reader.read(buffer),
            Source::Blocks { lane, chunk, at } => loop {
                let n = copy(chunk, at, buffer);
                if n > 0 || buffer.is_empty() {
                    return Ok(n);
                }
                match lane.chunk()? {
                    Some(bytes) => (*chunk, *at) = (bytes, 0),
                    None => return Ok(0),
                }
            },
            Source::Thread { receiver, chunk, at } => loop {
                let n = copy(chunk, at, buffer);
                if n > 0 || buffer.is_empty() {
                    return Ok(n);
                }
                let Some(from) = receiver else { return Ok(0) };
                match from.recv() {
                    Ok(Message::Bytes(bytes)) => (*chunk, *at) = (bytes, 0),
                    Ok(Message::End(end)) => {
                        *receiver = None;
                        self.end = Some(end);
                    }
                    Ok(Message::Failed(stop)) => {
                        *receiver = None;
                        return Err(stop.into());
                    }
                    Err(_) => {
                        *receiver = None;
                        return Err(Stop::malformed("the decoder gave up").into());
                    }
                }
            },
        }
    }
}

fn copy(chunk: &[u8], at: &mut usize, buffer: &mut [u8]) -> usize {
    let rest = chunk.get(*at..).unwrap_or_default();
    let n = rest.len().min(buffer.len());
    if let (Some(to), Some(from)) = (buffer.get_mut(..n), rest.get(..n)) {
        to.copy_from_slice(from);
    }
    *at += n;
    n
}

type Input = BufReader<BlobReader>;

enum State {
    Between(Input),
    Gzip(flate2::bufread::GzDecoder<Input>),
    Xz(liblzma::bufread::XzDecoder<Input>),
    Zstd(zstd::stream::read::Decoder<'static, Input>),
    Bzip2(bzip2::bufread::BzDecoder<Input>),
    Lz4(Box<lz4_flex::frame::FrameDecoder<Input>>),
    Done,
}

/// Decodes frame after frame.
pub(super) struct Frames {
    format: Compression,
    state: State,
    blob: Blob,
    budget: Arc<Budget>,
    packed: u64,
    expanded: u64,
    pub(super) end: StreamEnd,
}

impl Frames {
    fn new(format: Compression, blob: &Blob, budget: &Arc<Budget>) -> Self {
        Self {
            format,
            state: State::Between(blob.reader()),
            blob: blob.clone(),
            budget: Arc::clone(budget),
            packed: blob.len(),
            expanded: 0,
            end: StreamEnd::default(),
        }
    }

    /// Opens the next frame, or takes what follows the last one.
    fn open(&mut self, mut input: Input) -> Result<State, Stop> {
        let mut start = input.fill_buf()?.to_vec();
        if (1..6).contains(&start.len()) {
            // A magic that straddles the buffer's end is read through a fresh buffer.
            let position = input.get_ref().position() - start.len() as u64;
            input = input.get_ref().reopen(position);
            start = input.fill_buf()?.to_vec();
        }
        start.truncate(6);
        if start.is_empty() {
            return if self.end.frames == 0 {
                Err(Stop::truncated("the stream is empty"))
            } else {
                Ok(State::Done)
            };
        }
        let matches = Compression::recognise(&start) == Some(self.format)
            || (self.format == Compression::Zstd && skippable(&start))
            || (self.format == Compression::Lz4 && skippable(&start));
        if !matches {
            if self.end.frames == 0 {
                return Err(Stop::malformed(format!("no {} stream begins here", self.format.name())));
            }
            self.trailing(input)?;
            return Ok(State::Done);
        }
        if self.format == Compression::Lz4 && self.end.frames == 0 {
            super::comparators::lz4_is_whole(&self.blob)?;
        }
        self.end.frames += 1;
        if self.end.starts.len() < STARTS_MAX {
            self.end.starts.push(input.get_ref().position() - input.buffer().len() as u64);
        }
        let memory = self.budget.limits.decoder_memory_bytes_max;
        Ok(match self.format {
            Compression::Gzip => State::Gzip(flate2::bufread::GzDecoder::new(input)),
            Compression::Bzip2 => State::Bzip2(bzip2::bufread::BzDecoder::new(input)),
            Compression::Lz4 => State::Lz4(Box::new(lz4_flex::frame::FrameDecoder::new(input))),
            Compression::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(memory, 0)
                    .map_err(|e| Stop::from(io::Error::from(e)))?;
                State::Xz(liblzma::bufread::XzDecoder::new_stream(input, stream))
            }
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(memory.max(1024).ilog2().min(31))?;
                State::Zstd(decoder.single_frame())
            }
        })
    }

    fn trailing(&mut self, mut input: Input) -> Result<(), Stop> {
        loop {
            let part = input.fill_buf()?;
            if part.is_empty() {
                return Ok(());
            }
            let zeros =
                if self.end.trailing_other > 0 { 0 } else { part.iter().take_while(|b| **b == 0).count() };
            self.end.trailing_zeros += zeros as u64;
            self.end.trailing_other += (part.len() - zeros) as u64;
            let n = part.len();
            input.consume(n);
        }
    }

    fn next(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = match &mut self.state {
                State::Done => return Ok(0),
                State::Between(_) => 0,
                State::Gzip(d) => d.read(buffer)?,
                State::Xz(d) => d.read(buffer)?,
                State::Zstd(d) => d.read(buffer)?,
                State::Bzip2(d) => d.read(buffer)?,
                State::Lz4(d) => d.read(buffer)?,
            };
            if n > 0 {
                return Ok(n);
            }
            let input = match std::mem::replace(&mut self.state, State::Done) {
                State::Between(input) => input,
                State::Gzip(d) => d.into_inner(),
                State::Xz(d) => d.into_inner(),
                State::Zstd(d) => d.finish(),
                State::Bzip2(d) => d.into_inner(),
                State::Lz4(d) => d.into_inner(),
                State::Done => return Ok(0),
            };
            self.state = self.open(input)?;
        }
    }
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let n = self.next(buffer).map_err(|error| explain(self.format, error))?;
        self.expanded += n as u64;
        self.budget.expanded(n as u64)?;
        self.budget.ratio(self.packed, self.expanded)?;
        Ok(n)
    }
}

/// A zstd or LZ4 skippable frame (RFC 8878, section 3.1.2).
fn skippable(start: &[u8]) -> bool {
    matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Tells a window that is too large from damage, and gives each decoder's complaint its outcome.
pub(super) fn explain(format: Compression, error: io::Error) -> io::Error {
    if error.get_ref().is_some_and(|e| e.is::<Stop>()) || error.raw_os_error().is_some() {
        return error;
    }
    let text = error.to_string();
    let lower = text.to_lowercase();
    let memory = matches!(
        error.get_ref().and_then(|e| e.downcast_ref::<liblzma::stream::Error>()),
        Some(liblzma::stream::Error::MemLimit | liblzma::stream::Error::Mem)
    ) || lower.contains("too much memory")
        || lower.contains("memory limit");
    let cause = if memory {
        Cause::LimitDecoderMemory
    } else if error.kind() == io::ErrorKind::UnexpectedEof || lower.contains("incomplete frame") {
        Cause::Truncated
    } else {
        Cause::Malformed
    };
    Stop::new(cause, format!("{}: {text}", format.name())).into()
}
