//! git's framing: packets with four hexadecimal digits of length before them (gitprotocol-common(5)).

/// Longest packet with its length (`LARGE_PACKET_MAX`).
const PACKET_BYTES_MAX: usize = 65_520;

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    /// `0000`: the end of an answer.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
    /// Anything else.
    Data(&'a [u8]),
}

/// What was received of a packet that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Packets {
    held: Vec<u8>,
}

impl Packets {
    /// Takes bytes in parts of any size and gives each packet that is complete.
    pub(super) fn feed<E: From<String>>(
        &mut self,
        part: &[u8],
        take: &mut dyn FnMut(Packet<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.held.extend_from_slice(part);
        let mut at = 0;
        while let Some(digits) = self.held.get(at..at + 4) {
            let wrong = || E::from(format!("`{}` is no length of a packet", digits.escape_ascii()));
            let plain = digits.iter().all(u8::is_ascii_hexdigit);
            let text = std::str::from_utf8(digits).ok().filter(|_| plain).ok_or_else(wrong)?;
            let len = usize::from_str_radix(text, 16).map_err(|_| wrong())?;
            match len {
                0 => take(Packet::Flush)?,
                1 => take(Packet::Delimiter)?,
                4..=PACKET_BYTES_MAX => {
                    let Some(body) = self.held.get(at + 4..at + len) else { break };
                    take(Packet::Data(body))?;
                }
                _ => return Err(wrong()),
            }
            at += len.max(4);
        }
        self.held.drain(..at);
        Ok(())
    }

    /// Whether a packet is cut off.
    pub(super) fn is_cut(&self) -> bool {
        !self.held.is_empty()
    }
}

/// A packet of one line.
pub(super) fn line(text: &str) -> Vec<u8> {
    format!("{:04x}{text}\n", text.len() + 5).into_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(parts: &[&[u8]]) -> Result<(Vec<String>, bool), String> {
        let (mut packets, mut all) = (Packets::default(), Vec::new());
        for part in parts {
            packets.feed::<String>(part, &mut |packet| {
                all.push(match packet {
                    Packet::Data(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    other => format!("{other:?}"),
                });
                Ok(())
            })?;
        }
        Ok((all, packets.is_cut()))
    }

    #[test]
    fn packets_are_cut_wherever_the_network_cuts() {
        let whole = [line("version 2").as_slice(), b"0004", b"00010000"].concat();
        let expected = (["version 2\n", "", "Delimiter", "Flush"].map(str::to_owned).to_vec(), false);
        assert_eq!(read(&[&whole]).unwrap(), expected);
        let single: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(read(&single).unwrap(), expected);
        assert_eq!(read(&[b"000aab"]).unwrap(), (vec![], true));
    }

    #[test]
    fn lengths_that_no_packet_has_are_refused() {
        for text in ["0002", "0003", "fff1", "ffff", "+001", "00 4", "<htm", "\u{1}\u{2}\u{3}\u{4}"] {
            let error = read(&[text.as_bytes()]).unwrap_err();
            assert!(error.contains("is no length of a packet"), "{error}");
        }
    }
}
