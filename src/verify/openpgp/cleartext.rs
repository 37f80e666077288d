//! The frame of clear-signed texts (RFC 9580, section 7), taken apart by strict rules.
//!
//! The frame is where readers of signed texts have gone wrong: text before or after the signed block, a
//! second message behind the first, headers that change what is hashed. So it is read here, and the hash
//! is then computed over exactly the text that is given out.

use super::OpenPgpError;
use crate::limits::signature::SignatureLimits;

const BEGIN_MESSAGE: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const BEGIN_SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END_SIGNATURE: &[u8] = b"-----END PGP SIGNATURE-----";

/// `Hash` headers. Default 8: one for each hash that the RFC names.
const HASH_HEADERS_MAX: usize = 8;

/// A clear-signed file taken apart.
pub(super) struct Parts {
    /// The signed text, lines ending in `\n`.
    pub(super) text: Vec<u8>,
    /// What is hashed: lines separated by CR LF, none at the end.
    pub(super) canonical: Vec<u8>,
    /// The armoured signatures.
    pub(super) signature: Vec<u8>,
}

pub(super) fn recognises(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(BEGIN_MESSAGE)
}

pub(super) fn recognises_detached(bytes: &[u8]) -> bool {
    // RFC 9580, section 4.2: a signature packet (type 2) in the new or the old header format.
    matches!(bytes.first(), Some(0xc2 | 0x88..=0x8b)) || bytes.trim_ascii_start().starts_with(BEGIN_SIGNATURE)
}

/// Refuses what is not one file of signatures: an armoured one has one block and nothing around it.
pub(super) fn check_detached(bytes: &[u8], limits: &SignatureLimits) -> Result<(), OpenPgpError> {
    if bytes.len() > limits.signature_bytes_max {
        return Err(OpenPgpError::Limit {
            what: "signature file",
            limit: "signature_bytes_max",
            max: limits.signature_bytes_max,
        });
    }
    let refuse = |detail: &str| OpenPgpError::Signature { detail: detail.to_owned() };
    if !recognises_detached(bytes) {
        return Err(refuse("neither an armoured block nor a signature packet"));
    }
    if bytes.first().is_some_and(|b| b & 0x80 != 0) {
        return Ok(());
    }
    let mut lines = bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end).skip_while(|l| l.is_empty());
    if lines.next() != Some(BEGIN_SIGNATURE) {
        return Err(refuse("the armoured block does not begin on its own line"));
    }
    if !lines.by_ref().take_while(|l| *l != BEGIN_SIGNATURE).any(|l| l == END_SIGNATURE) {
        return Err(refuse("the armoured block does not end"));
    }
    if lines.any(|l| !l.is_empty()) {
        return Err(refuse("something follows the armoured block"));
    }
    Ok(())
}

/// Takes a clear-signed file apart.
pub(super) fn split(signed: &[u8], limits: &SignatureLimits) -> Result<Parts, OpenPgpError> {
    if signed.len() > limits.signed_text_bytes_max {
        return Err(OpenPgpError::Limit {
            what: "clear-signed text",
            limit: "signed_text_bytes_max",
            max: limits.signed_text_bytes_max,
        });
    }
    let refuse =
        |index: usize, detail: &str| OpenPgpError::Framing { line: index + 1, detail: detail.to_owned() };
    let mut lines = signed
        .split(|b| *b == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .enumerate()
        .skip_while(|(_, line)| line.is_empty());

    match lines.next() {
        Some((_, BEGIN_MESSAGE)) => {}
        Some((i, _)) => return Err(refuse(i, "expected `-----BEGIN PGP SIGNED MESSAGE-----`")),
        None => return Err(refuse(0, "the file is empty")),
    }

    let mut headers = 0;
    loop {
        let Some((i, line)) = lines.next() else { return Err(refuse(0, "the headers do not end")) };
        if line.is_empty() {
            break;
        }
        headers += 1;
        if !is_hash_header(line) || headers > HASH_HEADERS_MAX {
            return Err(refuse(i, "expected a `Hash:` header or an empty line"));
        }
    }

    let (mut text, mut canonical) = (Vec::with_capacity(signed.len()), Vec::with_capacity(signed.len()));
    let mut first = true;
    loop {
        let Some((i, line)) = lines.next() else { return Err(refuse(0, "no signature follows the text")) };
        if line == BEGIN_SIGNATURE {
            break;
        }
        let line = match line {
            [b'-', b' ', rest @ ..] => rest,
            [b'-', ..] => return Err(refuse(i, "a line that begins with `-` is not dash-escaped")),
            line => line,
        };
        if line.contains(&b'\r') {
            return Err(refuse(i, "a carriage return inside the line"));
        }
        let line = trim_blanks_end(line);
        if !first {
            canonical.extend_from_slice(b"\r\n");
        }
        first = false;
        canonical.extend_from_slice(line);
        text.extend_from_slice(line);
        text.push(b'\n');
    }

    let mut signature = [BEGIN_SIGNATURE, b"\n"].concat();
    loop {
        let Some((i, line)) = lines.next() else { return Err(refuse(0, "the signature does not end")) };
        if line.starts_with(b"-----") && line != END_SIGNATURE {
            return Err(refuse(i, "expected `-----END PGP SIGNATURE-----`"));
        }
        signature.extend_from_slice(line);
        signature.push(b'\n');
        if signature.len() > limits.signature_bytes_max {
            return Err(OpenPgpError::Limit {
                what: "signature block",
                limit: "signature_bytes_max",
                max: limits.signature_bytes_max,
            });
        }
        if line == END_SIGNATURE {
            break;
        }
    }
    if let Some((i, _)) = lines.find(|(_, line)| !line.is_empty()) {
        return Err(refuse(i, "something follows the signed message"));
    }
    Ok(Parts { text, canonical, signature })
}

/// `Hash: SHA256` or a list of names; any other header has no meaning in this framework.
fn is_hash_header(line: &[u8]) -> bool {
    line.strip_prefix(b"Hash: ").is_some_and(|names| {
        !names.is_empty()
            && names.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b',' | b' ' | b'-'))
    })
}

/// Trailing spaces and tabs are not signed (RFC 9580, section 7.2).
fn trim_blanks_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|b| !matches!(b, b' ' | b'\t')).map_or(0, |i| i + 1);
    line.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use super::*;

    const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----\n\naGk=\n-----END PGP SIGNATURE-----\n";

    #[track_caller]
    fn check(head_and_text: &str, tail: &str, expect: Result<&str, &str>) {
        let file = format!("{head_and_text}{SIGNATURE}{tail}");
        match (split(file.as_bytes(), &SignatureLimits::DEFAULT), expect) {
            (Ok(parts), Ok(text)) => assert_eq!(String::from_utf8(parts.text).unwrap(), text),
            (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{e}"),
            (Ok(_), Err(e)) => panic!("taken, expected: {e}"),
            (Err(e), Ok(_)) => panic!("refused: {e}"),
        }
    }

    #[test]
    fn the_frame() {
        let begin = "-----BEGIN PGP SIGNED MESSAGE-----\n";
        let hash = format!("{begin}Hash: SHA512\n\n");
        check(&format!("{hash}a\nb\n"), "", Ok("a\nb\n"));
        check(&format!("{hash}a  \t\nb\n"), "\n\n", Ok("a\nb\n"));
        check(
            &format!("\n\n{hash}- - a\n- -----BEGIN PGP SIGNATURE-----\n"),
            "",
            Ok("- a\n-----BEGIN PGP SIGNATURE-----\n"),
        );
        check(&hash, "", Ok(""));
        check(&format!("{begin}\nHash: x\n"), "", Ok("Hash: x\n"));
        check(&format!("{begin}Hash: SHA256, SHA512\nHash: SHA1\n\na\n"), "", Ok("a\n"));
        check(&hash.replace('\n', "\r\n"), "", Ok(""));

        check(&format!("Origin: evil\n{hash}a\n"), "", Err("BEGIN PGP SIGNED MESSAGE"));
        check(&format!("{hash}a\n"), "Origin: evil\n", Err("follows"));
        check(&format!("{hash}a\n"), &format!("{hash}a\n{SIGNATURE}"), Err("follows"));
        check(&format!("{hash}a\n"), SIGNATURE, Err("follows"));
        check(&format!("{hash}a\n{hash}b\n"), "", Err("dash-escaped"));
        check(&format!("{hash}-a\n"), "", Err("dash-escaped"));
        check(&format!("{hash}a\rb\n"), "", Err("carriage return"));
        check(&format!("{begin}NotDashEscaped: yes\n\na\n"), "", Err("`Hash:` header"));
        check(&format!("{begin}Hash: SHA256\n \nOrigin: evil\n\na\n"), "", Err("`Hash:` header"));
        check(&format!("{begin}Hash:\n\na\n"), "", Err("`Hash:` header"));
        check(&format!("{begin}{}\n", "Hash: SHA256\n".repeat(9)), "", Err("`Hash:` header"));
        check("", "", Err("BEGIN PGP SIGNED MESSAGE"));
    }

    #[test]
    fn every_truncation_is_refused() {
        let file = format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\na\n{SIGNATURE}");
        for end in 0..file.trim_end().len() {
            assert!(split(&file.as_bytes()[..end], &SignatureLimits::DEFAULT).is_err(), "{end}");
        }
    }

    #[test]
    fn bounds_hold() {
        let file = format!("-----BEGIN PGP SIGNED MESSAGE-----\n\na\n{SIGNATURE}");
        let small = SignatureLimits { signed_text_bytes_max: file.len() - 1, ..SignatureLimits::DEFAULT };
        assert!(matches!(split(file.as_bytes(), &small), Err(OpenPgpError::Limit { .. })));
        let small = SignatureLimits { signature_bytes_max: 40, ..SignatureLimits::DEFAULT };
        assert!(matches!(split(file.as_bytes(), &small), Err(OpenPgpError::Limit { .. })));
    }

    #[test]
    fn detached_files_hold_one_block() {
        let ok = |text: &str| check_detached(text.as_bytes(), &SignatureLimits::DEFAULT).is_ok();
        assert!(ok(SIGNATURE));
        assert!(ok(&format!("\n{SIGNATURE}\n\n")));
        assert!(!ok(&format!("{SIGNATURE}{SIGNATURE}")));
        assert!(!ok(&format!("evil\n{SIGNATURE}")));
        assert!(!ok(&format!("{SIGNATURE}evil\n")));
        assert!(!ok("-----BEGIN PGP SIGNATURE-----\n\naGk=\n"));
        assert!(!ok("-----BEGIN PGP SIGNATURE-----x\n\naGk=\n-----END PGP SIGNATURE-----\n"));
        assert!(!ok("-----BEGIN PGP PUBLIC KEY BLOCK-----\n"));
        assert!(!ok(""));
    }
}
