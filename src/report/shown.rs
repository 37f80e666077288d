//! Untrusted text made fit to be looked at: bounded, and with nothing invisible or active in it.

use std::fmt::Write as _;

/// Characters that move, hide or reorder what is around them. A name that holds one could show a
/// reader another name (CVE-2021-42574).
const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// One line: control and hidden characters as `\u{…}`, at most `chars_max` characters, and a note
/// where it was cut.
pub(super) fn line(text: &str, chars_max: usize) -> String {
    shown(text, chars_max, false)
}

/// As [`line`], but line ends stay.
pub(super) fn block(text: &str, chars_max: usize) -> String {
    shown(text, chars_max, true)
}

fn shown(text: &str, chars_max: usize, line_ends: bool) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    let mut chars = text.chars();
    for c in chars.by_ref().take(chars_max) {
        match c {
            '\n' if line_ends => out.push('\n'),
            '\t' if line_ends => out.push('\t'),
            c if c.is_control() || is_hidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    let rest = chars.as_str();
    if !rest.is_empty() {
        let _ = write!(out, " [cut here: {} more bytes; the JSON has them]", rest.len());
    }
    out
}

/// A number of bytes: `24,117,248 bytes`.
pub(super) fn bytes(n: u64) -> String {
    format!("{} {}", grouped(n), if n == 1 { "byte" } else { "bytes" })
}

/// A number in groups of three digits.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 package`, `505 packages`.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n as u64), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_or_active_is_left_and_cuts_are_said() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\nb\0", "a\\u{a}b\\u{0}"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("Grüße ✓", "Grüße ✓"),
        ] {
            assert_eq!(line(text, 100), expected);
        }
        assert_eq!(block("a\n\tb\r", 100), "a\n\tb\\u{d}");
        assert_eq!(line("abcdef", 3), "abc [cut here: 3 more bytes; the JSON has them]");
        assert!(line(&"x".repeat(10 << 20), 2_000).len() < 2_100);
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(24_117_248), "24,117,248");
    }
}
