//! One header block: its fields, its checksum, PAX records.

/// Everything in a tar archive comes in blocks of this many bytes.
pub const BLOCK: usize = 512;

/// How a header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Unix version 7: no magic.
    V7,
    /// POSIX.1-1988.
    Ustar,
    /// POSIX.1-2001 with local PAX records.
    Pax,
    /// GNU without long names.
    Gnu,
    /// GNU with a long-name header.
    GnuLong,
}

impl Dialect {
    pub(super) fn of(block: &[u8; BLOCK], pax: bool, long: bool) -> Self {
        match block.get(257..265) {
            _ if pax => Self::Pax,
            _ if long => Self::GnuLong,
            Some(b"ustar  \0") => Self::Gnu,
            Some(m) if m.starts_with(b"ustar") => Self::Ustar,
            _ => Self::V7,
        }
    }

    /// A word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V7 => "v7",
            Self::Ustar => "ustar",
            Self::Pax => "pax",
            Self::Gnu => "gnu",
            Self::GnuLong => "gnu, long name",
        }
    }
}

/// Whether bytes begin with a header whose checksum is right, or with a whole empty archive.
pub fn looks_like(head: &[u8]) -> bool {
    match head.first_chunk::<BLOCK>() {
        Some(block) if block.first() != Some(&0) => check(block).is_ok(),
        _ => false,
    }
}

pub(super) fn check(block: &[u8; BLOCK]) -> Result<(), &'static str> {
    let stored = number(block.get(148..156)).ok_or("a header's checksum is not a number")?;
    let (mut plain, mut signed) = (0u64, 0i64);
    for (i, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&i) { b' ' } else { *byte };
        plain += u64::from(byte);
        // Some old writers summed signed characters; GNU tar accepts both.
        signed += i64::from(byte.cast_signed());
    }
    if stored == plain || i64::try_from(stored).is_ok_and(|s| s == signed) {
        Ok(())
    } else {
        Err("a header's checksum is wrong")
    }
}

/// A field's text: up to the first NUL.
pub(super) fn text(field: Option<&[u8]>) -> Vec<u8> {
    crate::archive::bytes::until_nul(field.unwrap_or_default()).to_vec()
}

/// Octal text, or GNU's base 256; `None` for anything negative or overlong. Empty is 0.
pub(super) fn number(field: Option<&[u8]>) -> Option<u64> {
    signed(field).and_then(|n| u64::try_from(n).ok())
}

/// As [`number`], with negative base-256 values.
pub(super) fn signed(field: Option<&[u8]>) -> Option<i128> {
    let field = field?;
    let first = *field.first()?;
    if first & 0x80 != 0 {
        let negative = first & 0x40 != 0;
        let mut value: i128 = if negative { -1 } else { 0 };
        for (i, byte) in field.iter().enumerate() {
            let byte = if i == 0 && !negative { byte & 0x3f } else { *byte };
            value = (value << 8) | i128::from(byte);
        }
        return (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value);
    }
    let field = field.trim_ascii_start();
    let end = field.iter().position(|b| *b == 0 || *b == b' ').unwrap_or(field.len());
    let digits = field.get(..end)?;
    if digits.is_empty() {
        return Some(0);
    }
    if !digits.iter().all(|b| (b'0'..=b'7').contains(b)) {
        return None;
    }
    i128::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// A decimal number without sign or blanks.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A PAX time: sign, digits, fraction; a fraction's trailing zeros fall away.
pub(super) fn canonical_time(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    if digits.is_empty() || !digits.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }.into_bytes())
}

/// PAX records: `<length> <key>=<value>\n`, the length counting itself.
#[expect(clippy::type_complexity, reason = "a list of key and value")]
pub(super) fn records(body: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, &'static str> {
    const BAD: &str = "a PAX record is broken";
    let mut rest = body;
    let mut found = Vec::new();
    while !rest.is_empty() {
        if rest.iter().all(|b| *b == 0) {
            break;
        }
        let space = rest.iter().take(20).position(|b| *b == b' ').ok_or(BAD)?;
        let length = rest.get(..space).and_then(decimal).ok_or(BAD)?;
        let length = usize::try_from(length).map_err(|_| BAD)?;
        let record = rest.get(space + 1..length).ok_or(BAD)?;
        let record = record.strip_suffix(b"\n").ok_or(BAD)?;
        let equals = record.iter().position(|b| *b == b'=').ok_or(BAD)?;
        let (key, value) = (record.get(..equals).ok_or(BAD)?, record.get(equals + 1..).ok_or(BAD)?);
        found.push((key.to_vec(), value.to_vec()));
        rest = rest.get(length..).ok_or(BAD)?;
    }
    Ok(found)
}
