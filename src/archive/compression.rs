//! Decoders of single compressed streams, chosen by magic, with a bound on their memory.

use std::io::{BufRead, Read};

use super::ArchiveError;
use crate::limits::archive::ArchiveLimits;

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// The .xz format 1.1.0.
    Xz,
    /// RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
    /// The LZ4 frame format, legacy frames included.
    Lz4,
}

impl Compression {
    /// Recognises a stream by its first bytes (six are enough).
    pub fn recognise(start: &[u8]) -> Option<Self> {
        const MAGICS: [(&[u8], Compression); 6] = [
            (&[0x1f, 0x8b, 0x08], Compression::Gzip),
            (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
            (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
            (b"BZh", Compression::Bzip2),
            (&[0x04, 0x22, 0x4d, 0x18], Compression::Lz4),
            (&[0x02, 0x21, 0x4c, 0x18], Compression::Lz4),
        ];
        MAGICS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, c)| *c)
    }

    /// The format's usual short name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Lz4 => "lz4",
        }
    }

    /// A decoder over a stream. The bound on memory is kept; the bound on expanded bytes is the
    /// caller's (see [`Bounded`]).
    pub fn decoder<'a, R: BufRead + Send + 'a>(
        self,
        inner: R,
        limits: &ArchiveLimits,
    ) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
        let failed = |source| ArchiveError::Read { format: self.name(), source };
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(inner)),
            Self::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(
                    limits.decoder_memory_bytes_max,
                    liblzma::stream::CONCATENATED,
                )
                .map_err(|e| failed(e.into()))?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(inner, stream))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(inner).map_err(failed)?;
                decoder
                    .window_log_max(limits.decoder_memory_bytes_max.max(1024).ilog2().min(31))
                    .map_err(failed)?;
                Box::new(decoder)
            }
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(inner)),
            Self::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(inner)),
        })
    }
}

/// A reader that fails, and does not merely end, once a bound is passed.
#[derive(Debug)]
pub struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Bounded<R> {
    /// Lets `max` bytes pass.
    pub const fn new(inner: R, max: u64) -> Self {
        Self { inner, left: max }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::FileTooLarge, "the stream expands past its limit")
        })?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    #[test]
    fn each_format_is_recognised_and_decoded() {
        let text = b"reprove ".repeat(1000);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gz.write_all(&text).unwrap();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(&text).unwrap();
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
        bz.write_all(&text).unwrap();
        let mut lz = lz4_flex::frame::FrameEncoder::new(Vec::new());
        lz.write_all(&text).unwrap();
        let cases = [
            (Compression::Gzip, gz.finish().unwrap()),
            (Compression::Xz, xz.finish().unwrap()),
            (Compression::Bzip2, bz.finish().unwrap()),
            (Compression::Lz4, lz.finish().unwrap()),
            (Compression::Zstd, zstd::encode_all(text.as_slice(), 3).unwrap()),
        ];
        for (format, bytes) in cases {
            assert_eq!(Compression::recognise(&bytes), Some(format));
            let mut out = Vec::new();
            format.decoder(bytes.as_slice(), &ArchiveLimits::DEFAULT).unwrap().read_to_end(&mut out).unwrap();
            assert_eq!(out, text, "{}", format.name());
            let cut = bytes.get(..bytes.len() - 5).unwrap();
            let cut_read = format.decoder(cut, &ArchiveLimits::DEFAULT).and_then(|mut d| {
                d.read_to_end(&mut Vec::new())
                    .map_err(|source| ArchiveError::Read { format: format.name(), source })
            });
            assert!(cut_read.is_err(), "{} cut short is read as whole", format.name());
        }
        assert_eq!(Compression::recognise(b"plain"), None);
    }

    #[test]
    fn a_bound_is_an_error_not_an_end() {
        let mut out = Vec::new();
        assert!(Bounded::new([0u8; 11].as_slice(), 10).read_to_end(&mut out).is_err());
        out.clear();
        assert_eq!(Bounded::new([0u8; 10].as_slice(), 10).read_to_end(&mut out).unwrap(), 10);
    }

    #[test]
    fn an_xz_stream_that_wants_too_much_memory_is_refused() {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 9);
        xz.write_all(b"x").unwrap();
        let bytes = xz.finish().unwrap();
        let limits = ArchiveLimits { decoder_memory_bytes_max: 1 << 20, ..ArchiveLimits::DEFAULT };
        let read = Compression::Xz.decoder(bytes.as_slice(), &limits).unwrap().read_to_end(&mut Vec::new());
        assert!(read.is_err());
    }
}
